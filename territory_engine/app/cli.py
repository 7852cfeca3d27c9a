"""The command line: ``territory-engine plan``, ``audit``, ``diff``, ``log``, ``serve`` and so on.

Nothing heavy is imported until a command runs: ``--help`` answers at once.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from territory_engine import __version__
from territory_engine.app.audit_command import audit
from territory_engine.app.diff_command import diff
from territory_engine.app.exit_codes import DONE, INFEASIBLE, INTERRUPTED, answering, tell
from territory_engine.app.explain_command import explain
from territory_engine.app.log_command import log
from territory_engine.app.outcomes_command import outcomes
from territory_engine.app.rebalance_command import rebalance
from territory_engine.app.replay_command import replay
from territory_engine.app.route_command import route
from territory_engine.app.scenarios_command import scenarios
from territory_engine.app.serve_command import serve, serve_key
from territory_engine.app.standing_commands import queue, reps

if TYPE_CHECKING:
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

# Plain help: rich's panels cost 0.15 s of import at every call and break up long lines in logs.
app = typer.Typer(
    name="territory-engine",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(scenarios, name="scenarios")

Traceback = Annotated[bool, typer.Option("--traceback", help="Show the Python traceback of an unexpected error.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        tell(f"territory-engine {__version__}")
        raise typer.Exit(DONE)


@app.callback()
def territory_engine(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Balanced sales territories, with a proof for every plan.

    Exit codes: 0 done; 2 bad input or usage; 3 proved infeasible; 4 no plan found in time; 130 interrupted.
    """


def _positive_seconds(value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise typer.BadParameter("must be a number of seconds above 0.")
    return value


@app.command()
def plan(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="The configuration file.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The plan directory to write.", show_default=False)],
    replace: Annotated[
        bool, typer.Option("--replace", help="Swap an existing plan directory for the new one.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show neither progress nor summary.")] = False,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit", metavar="S", callback=_positive_seconds, help="Seconds, instead of solve.time_limit_s."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, max=2**31 - 1, help="Instead of solve.seed.")
    ] = None,
    parent: Annotated[
        Path | None,
        typer.Option("--parent", metavar="PLAN_DIR", help="The plan that this one is made from.", show_default=False),
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Solve, and write a plan directory.

    It holds the tables, the proof, the inputs, a map, a report and a workbook.

    Ctrl-C ends the search and writes the best plan so far; a second Ctrl-C aborts.
    """
    from territory_engine.app.interruption import Interruption
    from territory_engine.app.parentage import check_not_its_own_parent, child_of
    from territory_engine.app.progress import progress_display
    from territory_engine.app.writing import write_plan_directory
    from territory_engine.publishing import check_destination

    display = progress_display(quiet=quiet)
    remarks: list[str] = []
    with (
        Interruption(display.stopping) as interruption,
        answering(interruption=interruption, traceback=traceback, remarks=remarks),
    ):
        # Before loading and solving: nobody should wait a minute to be told that the directory exists.
        check_destination(out, replace=replace)
        check_not_its_own_parent(out, parent)
        with display:
            display.stage("reading the data")
            from territory_engine.reading.loading import load

            problem = _with_overrides(load(config), time_limit, seed)
            from_parent = child_of(parent, problem)
            remarks += _remarks(problem, out)
            display.aim(problem.config.solve.gap)
            display.stage("starting the search")
            from territory_engine.planner import solve

            interruption.graceful = True
            found = solve(problem, on_progress=display.solving, should_stop=lambda: interruption.requested)
            found = from_parent(found)
            write_plan_directory(problem, found, out, replace=replace, on_stage=display.stage)
        _tell_outcome(found, out, problem.notices, quiet=quiet)


def _with_overrides(problem: PlanningProblem, time_limit: float | None, seed: int | None) -> PlanningProblem:
    """Put the command line's word over the file's, so that the plan directory records what was really used."""
    import dataclasses

    changes = {"time_limit_s": time_limit, "seed": seed}
    solve = problem.config.solve.model_copy(update={key: value for key, value in changes.items() if value is not None})
    return dataclasses.replace(problem, config=problem.config.model_copy(update={"solve": solve}))


_NOTICES_SHOWN = 8


def _listed(notices: tuple[str, ...], elsewhere: str) -> list[str]:
    more = len(notices) - _NOTICES_SHOWN
    return [
        *(f"- {notice}" for notice in notices[:_NOTICES_SHOWN]),
        *([f"- and {more} more{elsewhere}"] if more > 0 else []),
    ]


def _remarks(problem: PlanningProblem, out: Path) -> list[str]:
    """Return what to say after "no plan found": what was to be planned, what is known about the data, what is left."""
    from territory_engine.wording import size_in_words

    lines = [f"It was to be a plan of {size_in_words(problem)}."]
    if problem.notices:
        lines += ["About the data:", *_listed(problem.notices, "")]
    lines.append(f"{out} was left as it was." if out.exists() else "Nothing was written.")
    return lines


def _tell_outcome(found: Plan, out: Path, notices: tuple[str, ...], *, quiet: bool) -> None:
    if found.status == "infeasible":
        tell(_infeasible_text(found, out), error=True)
        raise typer.Exit(INFEASIBLE)
    if not quiet:
        tell(found.summary())
        if notices:
            tell("\nAbout the data:")
            for line in _listed(notices, f" in {out / 'report.html'}"):
                tell(line)
        tell(f"\nWritten to {out}: open {out / 'map.html'} and {out / 'report.html'} in a browser.")
    if found.termination == "interrupted":
        tell(f"Interrupted: the best plan so far is in {out}, marked {found.status!r}.", error=True)
        raise typer.Exit(INTERRUPTED)


def _infeasible_text(found: Plan, out: Path) -> str:
    conflict = found.conflict or {}
    lines = ["Proved infeasible: no assignment keeps every rule.", "These rules cannot hold together:"]
    lines += [f"  {rule}" for rule in conflict.get("rules", ())]
    relaxations = list(conflict.get("relaxations", ()))
    if relaxations:
        lines += ["What would make a plan possible, cheapest first:", *(f"  {text}" for text in relaxations)]
    else:
        lines.append("No relaxation of a single rule was found that makes a plan possible.")
    lines += [f"Note: {notice}." for notice in found.notices]
    return "\n".join([*lines, f"The proof is in {out / 'plan.json'}."])


app.command()(audit)
app.command()(diff)
app.command("log")(log)
app.command()(rebalance)
app.command()(replay)
app.command()(route)
app.command()(explain)
app.command()(outcomes)
app.command()(reps)
app.command()(queue)
app.command()(serve)
app.command("serve-key")(serve_key)


def main() -> None:
    """Run the command line; the console script's entry point."""
    try:
        app()
    except KeyboardInterrupt:
        # Before a command has set up its own answer to Ctrl-C there is nothing to save.
        import sys

        print("Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
