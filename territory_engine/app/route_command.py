"""``territory-engine route``: a file of leads in, a file of answers out, and the ledger between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from territory_engine.app.exit_codes import answering, tell

if TYPE_CHECKING:
    from datetime import datetime

FARTHEST_AHEAD_DAYS = 31

LEDGER = "sqlite:///ledger.db"

PlanOption = Annotated[Path, typer.Option("--plan", metavar="DIR", help="The plan directory.", show_default=False)]
LedgerOption = Annotated[str, typer.Option("--ledger", metavar="URL", help="Address of the ledger.")]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="Routing policy; every default without it.", show_default=False),
]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show the Python traceback of an unexpected error.")]


def moment(text: str | None) -> datetime | None:
    """Return the moment of ``--as-of``, in UTC where it says nothing else; a text that is none is a usage error."""
    if text is None:
        return None
    from datetime import UTC, datetime, timedelta

    try:
        read = datetime.fromisoformat(text.strip())
        if not 1990 <= read.year <= 2200:
            raise ValueError
    except ValueError:
        allowed = "a moment in ISO 8601, such as 2026-11-30T09:00:00Z or 2026-11-30T09:00:00-06:00"
        raise typer.BadParameter(f"found {text!r}, allowed: {allowed}") from None
    at = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    if at > datetime.now(UTC) + timedelta(days=FARTHEST_AHEAD_DAYS):
        raise typer.BadParameter(
            f"found {text!r}, allowed: at most {FARTHEST_AHEAD_DAYS} days from now: leads of a day and a week stay counted until"
            " that day is over, so that a mistyped year would fill every limit until then"
        )
    return at


def route(
    plan: PlanOption,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file of answers.", show_default=False)],
    leads: Annotated[
        Path | None, typer.Argument(metavar="LEADS", help="The file of leads.", show_default=False)
    ] = None,
    ledger: LedgerOption = LEDGER,
    policy: PolicyOption = None,
    batch_id: Annotated[
        str | None,
        typer.Option("--batch-id", metavar="ID", help="By default the hash of the file of leads.", show_default=False),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="MOMENT", help="Route for this moment (ISO 8601), not for now.", show_default=False
        ),
    ] = None,
    queue: Annotated[
        bool, typer.Option("--queue", help="Instead of a file of leads, those that wait in the ledger.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a file that holds other answers.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no summary.")] = False,
    traceback: Traceback = False,
) -> None:
    """Route a batch of leads: every lead is assigned, queued or rejected, with its reason.

    The same batch gives the same answer again, whatever happened in between.
    """
    at = moment(as_of)
    if (leads is None) != queue:
        given = "neither" if leads is None else "both"
        raise typer.BadParameter(f"found {given}, allowed: either a file of leads or --queue", param_hint="LEADS")
    with answering(traceback=traceback):
        from territory_engine.app.answer_files import answer_bytes, check_out, same_content, write_whole
        from territory_engine.errors import Finding, InputError

        check_out(out, leads)
        from territory_engine.routing import Router

        with Router.open(plan, ledger, policy) as router:
            if out.exists() and not replace and not router.knows(leads, batch_id):
                remedy = "give another name, or --replace"
                raise InputError(Finding("exists already", str(out), remedy=remedy))
            routed = router.route_queue(batch_id, at=at) if leads is None else router.route(leads, batch_id, at=at)
        content = answer_bytes(routed.answers, out.suffix.lower())
        if not same_content(content, out):
            if out.exists() and not replace:
                what = "exists already, and holds other answers than this batch got"
                raise InputError(Finding(what, str(out), remedy="give another name, or --replace"))
            if queue and batch_id is None:
                # Who waits is another batch by now: only its ID leads back to this one.
                write_whole(content, out, f'run again with --batch-id "{routed.batch_id}" for the same answer')
            else:
                write_whole(content, out)
        if alarm := routed.alarm():
            tell(alarm, error=True)
        if not quiet:
            tell(routed.summary())
            for notice in [*routed.proof.get("notices", ()), *router.notices][:8]:
                tell(f"- {notice}")
            tell(f"\nBatch {routed.batch_id}. Written to {out}.")
