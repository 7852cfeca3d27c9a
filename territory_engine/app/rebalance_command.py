"""``territory-engine rebalance``: the fewest moves that mend an alignment, what more would buy, and a page to show."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from territory_engine.app.exit_codes import INFEASIBLE, INTERRUPTED, answering, tell

if TYPE_CHECKING:
    from scenarios.history import ParentPlan
    from territory_engine.problem import PlanningProblem

POINTS = 8
MOST_POINTS = 50
NOTICES = 8


def _fractions(text: str | None) -> list[float] | None:
    """Return the limits of ``--max-moved``: fractions, or percentages with a sign, separated by commas."""
    if text is None:
        return None
    _refuse_decimal_comma([part.strip() for part in text.split(",")])
    found = []
    for part in text.split(","):
        stripped = part.strip()
        try:
            value = float(stripped.removesuffix("%")) / (100 if stripped.endswith("%") else 1)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise typer.BadParameter(
                f"found {part.strip()!r}, allowed: fractions between 0 and 1, such as 0.02,0.05 or 2%,5%"
            )
        found.append(value)
    if len(found) > MOST_POINTS:
        raise typer.BadParameter(f"found {len(found)} limits, allowed: at most {MOST_POINTS}")
    return found


def _refuse_decimal_comma(parts: list[str]) -> None:
    """Refuse ``0,1``: a tenth to whoever writes decimals with a comma, and nothing and everything to others."""
    for whole, then in pairwise(parts):
        decimals = then.removesuffix("%").rstrip()
        if whole.isdecimal() and decimals.isdecimal() and whole.isascii() and decimals.isascii():
            sign = "%" if then.endswith("%") else ""
            raise typer.BadParameter(
                f"found '{whole},{then}': one number with a decimal comma, or two limits?"
                f" allowed: a decimal point, as in {whole}.{decimals}{sign}, or two limits with a sign or a point each,"
                " as in 0%,100%"
            )


def rebalance(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="The configuration file.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The directory to write.", show_default=False)],
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="PLAN_DIR", help="Today's alignment is this plan's, not the column's.", show_default=False
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="REP", help="A rep who left; may be given again.", show_default=False),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", metavar="NAME", help="Rebalance to this scenario of the file.", show_default=False),
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option("--measure", metavar="COLUMN", help="What a move counts, instead of disruption.measure."),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            "--points",
            metavar="N",
            min=2,
            max=MOST_POINTS,
            help=f"How many plans to choose from; {POINTS} unless given.",
            show_default=False,
        ),
    ] = None,
    max_moved: Annotated[
        str | None,
        typer.Option(
            "--max-moved", metavar="F,F", help="Limits on moves instead: fractions or percentages.", show_default=False
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Swap an existing rebalancing directory for the new one.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show neither progress nor summary.")] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show the Python traceback of an unexpected error.")
    ] = False,
) -> None:
    """Mend an alignment with few moves, and show what more would buy.

    Writes a plan directory for each number of moves, the price curve, and a page with the moves of the one to look at first.

    Ctrl-C ends the search and writes the plans so far; a second Ctrl-C aborts.
    """
    from territory_engine.app.interruption import Interruption
    from territory_engine.app.progress import progress_display
    from territory_engine.publishing import check_destination

    limits = _fractions(max_moved)
    if limits is not None and points is not None:
        raise typer.BadParameter(
            "--points says how many limits to choose, and --max-moved which ones they are. Remedy: leave one of them out"
        )
    display = progress_display(quiet=quiet)
    remarks: list[str] = []
    with (
        Interruption(display.stopping) as interruption,
        answering(interruption=interruption, traceback=traceback, remarks=remarks),
    ):
        from territory_engine.app.rebalance_files import REBALANCING, write_rebalancing_directory

        check_destination(out, replace=replace, kind=REBALANCING)
        _check_outside(out, start)
        with display:
            display.stage("reading the data")
            problem, parent = _problem(config, start, without or [], scenario, measure)
            from territory_engine.rebalancing import rebalance as search

            def told(words: str, number: int, of: int) -> None:
                display.stage(f"{words} ({number} of {of})" if number else words)

            interruption.graceful = True
            found = search(
                problem,
                max_moved=limits,
                n_points=points or POINTS,
                on_point=told,
                should_stop=lambda: interruption.requested,
            )
            if found.impossible is None:
                said = write_rebalancing_directory(found, out, parent=parent, replace=replace, on_stage=display.stage)
        if found.impossible is not None:
            tell("\n".join([found.impossible.summary(), f"Nothing was written to {out}."]), error=True)
            raise typer.Exit(INFEASIBLE)
        if not quiet:
            tell(said)
            if problem.notices:
                shown = [f"- {notice}" for notice in problem.notices[:NOTICES]]
                more = len(problem.notices) - NOTICES
                rest = [f"- and {more} more, in each plan's plan.json"] if more > 0 else []
                tell("\n".join(["\nAbout the data:", *shown, *rest]))
            tell(f"\nWritten to {out}: open {out / 'rebalance.html'} in a browser.")
        if interruption.requested:
            raise typer.Exit(INTERRUPTED)


def _check_outside(out: Path, start: Path | None) -> None:
    """Refuse to write into the plan that is rebalanced, which would be an edited one from then on."""
    from territory_engine.errors import PlanDirectoryError

    if start is not None and start.exists() and out.resolve().is_relative_to(start.resolve()):
        raise PlanDirectoryError(
            f"{out}: lies in the plan directory {start}, which holds nothing but its plan."
            " Remedy: give another destination"
        )
    if start is not None and out.exists() and start.resolve().is_relative_to(out.resolve()):
        raise PlanDirectoryError(
            f"{out}: holds {start}, the plan that is rebalanced, which --replace would delete. Remedy: give another --out,"
            " so that the history stays"
        )


def _problem(
    config: Path, start: Path | None, without: list[str], scenario: str | None, measure: str | None
) -> tuple[PlanningProblem, ParentPlan | None]:
    """Return what is to be rebalanced, and the plan that it starts from."""
    from scenarios.history import read_parent
    from scenarios.rebalancing_start import measured_in, start_from_plan, without_reps
    from scenarios.scenario_edits import apply_scenario
    from scenarios.scenario_file import load_scenarios
    from territory_engine.reading.loading import load

    parent = None if start is None else read_parent(start)
    file = None if scenario is None else load_scenarios(config, check=False)
    problem = load(config) if file is None else file.base_problem
    if parent is not None:
        problem = start_from_plan(problem, parent)
    if file is not None and scenario is not None:
        problem = apply_scenario(problem, file[scenario])
    if measure is not None:
        # What is asked for on the command line overrules the scenario's own.
        problem = measured_in(problem, measure)
    if without:
        problem = without_reps(problem, without)
    return problem, parent
