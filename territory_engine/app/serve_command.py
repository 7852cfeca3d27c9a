"""``territory-engine serve`` and ``serve-key``: leads over HTTP, and the keys of those who may send them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from territory_engine.app.exit_codes import answering, tell

if TYPE_CHECKING:
    from territory_engine.app.service.router_protocol import LeadRouter
    from territory_engine.app.service.security import KeyRing

Traceback = Annotated[bool, typer.Option("--traceback", help="Show the Python traceback of an unexpected error.")]


def serve(
    plan: Annotated[
        Path, typer.Option("--plan", metavar="DIR", help="The plan directory to route against.", show_default=False)
    ],
    ledger: Annotated[
        str,
        typer.Option(
            "--ledger",
            metavar="URL",
            envvar="TERRITORY_ENGINE_LEDGER",
            show_envvar=False,
            help="The ledger's SQLAlchemy URL; or in the environment, as TERRITORY_ENGINE_LEDGER.",
        ),
    ] = "sqlite:///ledger.db",
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="The routing policy (TOML).", show_default=False)
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any free one.")] = 8080,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys", metavar="FILE", help="API keys; needed to listen beyond this computer.", show_default=False
        ),
    ] = None,
    rate: Annotated[
        str, typer.Option("--rate", metavar="N/minute", help="The most requests of one key.")
    ] = "600/minute",
    max_leads: Annotated[
        int, typer.Option("--max-leads", metavar="N", min=1, max=10_000_000, help="The most leads of one request.")
    ] = 100_000,
    max_body_mb: Annotated[
        int, typer.Option("--max-body-mb", metavar="N", min=1, max=4096, help="The longest request body, in MiB.")
    ] = 64,
    extra_fields: Annotated[
        bool, typer.Option("--extra-fields", help="Let leads have fields that are not documented.")
    ] = False,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", min=1, max=64, help="Batches routed at once.")
    ] = 1,
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", min=0, max=10_000, help="Batches that may wait for their turn.")
    ] = 16,
    grace: Annotated[
        int, typer.Option("--grace", metavar="S", min=1, max=3600, help="Seconds to finish in, after SIGTERM.")
    ] = 30,
    traceback: Traceback = False,
) -> None:
    """Route leads over HTTP.

    POST /v1/leads/route takes a batch; /docs lists the rest. Logs go to stdout, one JSON line per request.

    Ctrl-C (or SIGTERM) finishes what is under way and ends; a second one ends at once.
    """
    with answering(traceback=traceback):
        from territory_engine.app.service.app import create_app
        from territory_engine.app.service.gate import LOOPBACK_HOSTS
        from territory_engine.app.service.limits import read_rate
        from territory_engine.app.service.request_log import RequestLog
        from territory_engine.app.service.running import listen, run
        from territory_engine.app.service.settings import ServiceSettings

        read_rate(rate)
        ring = _key_ring(keys, host)
        listener = listen(host, port)
        router = open_router(plan, ledger, policy)
        settings = ServiceSettings(
            max_leads=max_leads,
            max_body_mb=max_body_mb,
            rate=rate,
            extra_fields=extra_fields,
            lead_columns=_lead_columns(policy, router),
            concurrency=concurrency,
            queue=queue,
        )
        log = RequestLog()
        hosts = LOOPBACK_HOSTS | {host.lower()} if ring is None else None
        app = create_app(router, settings, keys=ring, hosts=hosts, log=log)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"

        def listening() -> None:
            log.write("listening", address=address, keys=ring is not None)
            tell(f"Listening on {address}: see {address}/docs. Ctrl-C ends it.", error=True)

        code = run(app, listener, log, grace_s=grace, on_listening=listening, on_end=router.close)
        raise typer.Exit(code)


def _key_ring(keys: Path | None, host: str) -> KeyRing | None:
    """Return the keys, and refuse to be reached by others without any."""
    from territory_engine.app.service.running import is_loopback
    from territory_engine.app.service.security import KeyRing, open_to_others

    if keys is None:
        if not is_loopback(host):
            raise typer.BadParameter(
                f"--host {host} can be reached from other computers, and without --keys everybody there could route leads."
                " Remedy: make a key (territory-engine serve-key NAME --keys keys.toml) and give --keys keys.toml, or"
                " listen on 127.0.0.1"
            )
        return None
    ring = KeyRing(keys)
    if open_to_others(keys):
        tell(f"Warning: {keys} can be read by other users of this computer. Remedy: chmod 600 {keys}", error=True)
    return ring


def _lead_columns(policy: Path | None, router: LeadRouter) -> tuple[str, ...]:
    """Return the lead columns that the rules name, of the policy or the plan: fields that a lead may have."""
    if policy is None:
        return tuple(getattr(router, "lead_columns", ()))
    from territory_engine.leads.policy import load_policy

    read = load_policy(policy)
    columns = [rule.column for rule in read.eligibility or ()] + [fit.column for fit in read.fit]
    return tuple(dict.fromkeys((*columns, *getattr(router, "lead_columns", ()))))


def open_router(plan: Path, ledger: str, policy: Path | None) -> LeadRouter:
    """Return the router to serve; by a name of its own, so that a test can serve another."""
    from territory_engine.app.service.opening import open_router as opened

    return opened(plan, ledger, policy)


def serve_key(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose key it is; it is in the logs.", show_default=False)
    ],
    keys: Annotated[Path, typer.Option("--keys", metavar="FILE", help="The file of keys.", show_default=False)],
    read_only: Annotated[
        bool, typer.Option("--read-only", help="A key for GET requests alone: metrics, dashboards.")
    ] = False,
    traceback: Traceback = False,
) -> None:
    """Make an API key for the service.

    It is shown once, on stdout; the file keeps only its hash. A service that is running takes it at once.
    """
    with answering(traceback=traceback):
        from territory_engine.app.service.security import make_key

        key = make_key(name, keys, read_only=read_only)
        tell(key)
        tell(f"Added {name} to {keys}, which keeps only a hash: this is the only time the key is shown.", error=True)
