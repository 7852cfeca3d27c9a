"""``territory-engine diff``: what moves from one plan directory to another, as a directory of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from territory_engine.app.exit_codes import answering, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem


def diff(
    before: Annotated[Path, typer.Argument(metavar="DIR_A", help="The plan directory before.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="DIR_B", help="The plan directory after.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The directory to write.", show_default=False)],
    replace: Annotated[
        bool, typer.Option("--replace", help="Swap an existing diff directory for the new one.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show neither progress nor summary.")] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show the Python traceback of an unexpected error.")
    ] = False,
) -> None:
    """Show what moves from one plan to another.

    Accounts moved, gains and losses of every rep, key figures side by side: tables, and a page to show.

    Territories are matched by rep, else by the accounts they share, not by name.
    """
    from territory_engine.app.interruption import Interruption
    from territory_engine.app.progress import progress_display

    display = progress_display(quiet=quiet)
    with Interruption() as interruption, answering(interruption=interruption, traceback=traceback):
        with display:
            said = write_diff_directory(before, after, out, replace=replace, on_stage=display.stage)
        if not quiet:
            tell(said)
            tell(f"\nWritten to {out}: open {out / 'diff.html'} in a browser.")


def write_diff_directory(
    before: str | Path,
    after: str | Path,
    out: str | Path,
    *,
    replace: bool = False,
    on_stage: Callable[[str], None] | None = None,
) -> str:
    """Compare two plan directories and write the tables, ``diff.json`` and ``diff.html``.

    Parameters
    ----------
    before, after : path
        Plan directories.
    out : path
        The directory to write. It appears whole or not at all.
    replace : bool
        Whether an existing diff directory may be swapped for the new one.
    on_stage : callable, optional
        Told in words what is being done.

    Returns
    -------
    str
        The summary.

    Raises
    ------
    PlanDirectoryError
        A plan directory cannot be read or was edited, or `out` cannot be written.
    InputError
        The two are the same directory, a plan is infeasible, or they have no account in common.
    """
    from territory_engine.app.writing import tell_refusal
    from territory_engine.publishing import check_destination, publishing

    stage: Callable[[str], None] = on_stage or (lambda words: None)
    before, after, out = Path(before), Path(after), Path(out)
    stage("reading the plans")
    _check_paths(before, after, out)
    # Imported here: the second that reading and drawing need is not spent on a wrong path.
    from scenarios.difference_files import DIFFERENCE, ComparedPlan, write_difference_files
    from scenarios.difference_words import summary, territory_words
    from scenarios.differences import compare_plans

    check_destination(out, replace=replace, kind=DIFFERENCE)
    first, second = _read_both(before, after)
    stage("comparing the plans")
    difference = compare_plans(first, second)
    words = territory_words(difference, first[0], second[0])
    compared = ComparedPlan.read_from(before, first[1]), ComparedPlan.read_from(after, second[1])
    try:
        with publishing(out, replace, kind=DIFFERENCE) as folder:
            stage("drawing the moves")
            from maps import write_diff
            from maps.pages.rep_colours import written_colours

            colours = written_colours(before / "territories.geojson") | written_colours(after / "territories.geojson")
            names = _names(before, after)
            write_diff(difference, first, second, folder / "diff.html", names=names, colours=colours)
            stage("writing the tables")
            write_difference_files(difference, second[0], second[1], words, compared, folder)
    except OSError as error:
        tell_refusal(error, out)
        raise
    return summary(difference, words)


def _check_paths(before: Path, after: Path, out: Path) -> None:
    from territory_engine.errors import Finding, InputError

    findings = []
    if before.resolve() == after.resolve():
        findings.append(
            Finding(
                "the same plan directory twice",
                value=str(after),
                allowed="two plan directories",
                remedy="give the plan before, then the plan after",
            )
        )
    inside = next((p for p in (before, after) if out.resolve().is_relative_to(p.resolve())), None)
    if inside is not None and inside.exists():
        findings.append(
            Finding(
                f"--out lies in the plan directory {inside}, which holds nothing but its plan",
                value=str(out),
                allowed="a directory of its own",
                remedy="give another destination",
            )
        )
    if findings:
        raise InputError(findings)


def _read_both(before: Path, after: Path) -> tuple[tuple[PlanningProblem, Plan], tuple[PlanningProblem, Plan]]:
    """Read both plans; what is wrong with either is told at once."""
    from territory_engine.errors import Finding, InputError, PlanDirectoryError
    from territory_engine.plan_directory import read_plan

    plans, errors = [], []
    for folder in (before, after):
        try:
            plans.append(read_plan(folder))
        except PlanDirectoryError as error:
            errors.append(str(error))
    if errors:
        raise PlanDirectoryError("\n".join(errors))
    findings = [
        Finding(
            "the plan is proved infeasible and has no territories to compare",
            file=str(folder / "plan.json"),
            remedy="see its report.html for the rules that contradict each other, mend one, and plan again",
        )
        for folder, (_, plan) in zip((before, after), plans, strict=True)
        if plan.status == "infeasible"
    ]
    if findings:
        raise InputError(findings)
    return plans[0], plans[1]


def _names(before: Path, after: Path) -> tuple[str, str]:
    """Return what a reader knows the plans by: their directories' names, or the paths where these are the same."""
    first, second = before.resolve().name, after.resolve().name
    return (first, second) if first != second else (str(before), str(after))
