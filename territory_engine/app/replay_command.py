"""``territory-engine replay``: a past stream of leads under another routing policy, as a directory of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from territory_engine.app.exit_codes import answering, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from scenarios.replay import Replay


def replay(
    leads: Annotated[
        Path, typer.Argument(metavar="LEADS", help="The file of leads, with created_at.", show_default=False)
    ],
    plan: Annotated[Path, typer.Option("--plan", metavar="DIR", help="The plan directory.", show_default=False)],
    policy: Annotated[
        Path, typer.Option("--policy", metavar="NEW.toml", help="The routing policy to try.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The directory to write.", show_default=False)],
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", metavar="OLD.toml", help="The policy to compare with; the default one without it.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        str, typer.Option("--every", metavar="PERIOD", help="Route each day, week or lead, or every so many hours.")
    ] = "day",
    at: Annotated[str, typer.Option("--at", metavar="HH:MM", help="Time of day of a batch.")] = "09:00",
    time_zone: Annotated[
        str | None,
        typer.Option(
            "--time-zone", metavar="ZONE", help="Whose time of day; by default that of most reps.", show_default=False
        ),
    ] = None,
    close_after_days: Annotated[
        int | None,
        typer.Option(
            "--close-after-days", metavar="N", help="Days after which a lead is no longer open; by default never.",
            show_default=False,
        ),
    ] = None,
    actual: Annotated[
        str | None,
        typer.Option(
            "--actual", metavar="COLUMN", help="Who really had each lead; by default rep_id or owner, where it is there.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Swap an existing replay directory for the new one.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show neither progress nor summary.")] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show the Python traceback of an unexpected error.")
    ] = False,
) -> None:  # fmt: skip
    """Run a past stream of leads through a policy, day by day, and compare with another.

    Who would have had which lead, how evenly, how soon, from how far and at what value. No ledger is touched.
    """
    from territory_engine.app.interruption import Interruption
    from territory_engine.app.progress import progress_display

    display = progress_display(quiet=quiet)
    with Interruption() as interruption, answering(interruption=interruption, traceback=traceback):
        with display:
            options: dict[str, Any] = {"every": every, "at": at, "time_zone": time_zone, "actual": actual}
            found = write_replay_directory(
                leads, plan, policy, out, against=against, replace=replace, on_stage=display.stage,
                close_after_days=close_after_days, **options,
            )  # fmt: skip
        if not quiet:
            tell(found.summary())
            tell(f"\nWritten to {out}: open {out / 'replay.html'} in a browser.")


def write_replay_directory(
    leads: Path,
    plan: Path,
    policy: Path,
    out: Path,
    *,
    against: Path | None = None,
    replace: bool = False,
    on_stage: Callable[[str], None] | None = None,
    **options: Any,
) -> Replay:
    """Replay a file of leads and write ``leads.csv``, ``reps.csv``, ``days.csv``, ``replay.json`` and ``replay.html``.

    Parameters
    ----------
    leads, plan, policy, out : path
    against : path, optional
    replace : bool
        Whether an existing replay directory may be swapped for the new one.
    on_stage : callable, optional
        Told in words what is being done.
    **options
        As for :func:`scenarios.replay.replay`.

    Raises
    ------
    InputError, PlanDirectoryError
        What is given is wrong, or `out` cannot be written.
    """
    from territory_engine.app.writing import tell_refusal
    from territory_engine.errors import Finding, InputError
    from territory_engine.publishing import DirectoryKind, check_destination, publishing

    stage: Callable[[str], None] = on_stage or (lambda words: None)
    if plan.is_dir() and out.resolve().is_relative_to(plan.resolve()):
        what = f"--out lies in the plan directory {plan}, which holds nothing but its plan"
        allowed, remedy = "a directory of its own", "give another destination"
        raise InputError(Finding(what, value=str(out), allowed=allowed, remedy=remedy))
    # Imported here: the second that pandas needs is not spent on a wrong path.
    from scenarios.replay_files import REPLAY, write_replay_files

    kind: DirectoryKind = REPLAY
    check_destination(out, replace=replace, kind=kind)
    from scenarios.replay import replay as replayed

    found = replayed(leads, plan, policy, against, on_stage=stage, **options)
    sources = {"leads": str(leads), "plan": str(plan), "policy": str(policy)}
    if against is not None:
        sources["against"] = str(against)
    try:
        with publishing(out, replace, kind=kind) as folder:
            stage("drawing")
            from maps.replay.page import write_replay

            write_replay(found, folder / "replay.html")
            stage("writing the tables")
            write_replay_files(found, sources, folder)
    except OSError as error:
        tell_refusal(error, out)
        raise
    return found
