"""``territory-engine scenarios``: solve the scenarios of a file, or list them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from territory_engine.app.exit_codes import BAD_INPUT, INFEASIBLE, INTERRUPTED, NO_PLAN, UNEXPECTED, answering, tell

if TYPE_CHECKING:
    from territory_engine.app.scenario_running import ScenarioRun

scenarios = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Solve the scenarios of a file and compare them, or list them.",
)

Config = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="The file of scenarios.", show_default=False)]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show the Python traceback of an unexpected error.")]


@scenarios.command()
def run(
    config: Config,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The directory of scenarios to work in.", show_default=False)
    ],
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="N",
            min=1,
            max=1024,
            help="Scenarios solved at once; default: one for each core.",
            show_default=False,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", metavar="tcp://HOST:PORT", help="Solve on the workers of a Dask cluster.", show_default=False
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="Only this scenario and the base; may be repeated.", show_default=False
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Delete plans of scenarios that are not in the file; take over another file's."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show neither progress nor summary.")] = False,
    traceback: Traceback = False,
) -> None:
    """Solve the base plan and every scenario, each into a plan directory of its own, and compare them.

    What an earlier run into the same directory finished is not solved again, unless the scenario or its data changed.

    Ctrl-C stops; what is finished stays, and the same command goes on from there.
    """  # fmt: skip
    from territory_engine.app.interruption import Interruption
    from territory_engine.app.scenario_progress import scenario_display

    if scheduler is not None and processes is not None:
        raise typer.BadParameter(
            "cannot be given together with --scheduler, whose workers solve.", param_hint="--processes"
        )
    display = scenario_display(quiet=quiet)
    with (
        Interruption(display.stopping) as interruption,
        answering(interruption=interruption, traceback=traceback),
    ):

        def solving() -> None:
            interruption.graceful = True

        with display:
            from territory_engine.app.scenario_running import run_scenarios

            result = run_scenarios(
                config,
                out,
                processes=processes,
                scheduler=scheduler,
                only=tuple(only or ()),
                replace=replace,
                listener=display,
                should_stop=lambda: interruption.requested,
                on_solving=solving,
            )
        _tell(result, quiet=quiet, traceback=traceback)


def _tell(result: ScenarioRun, *, quiet: bool, traceback: bool) -> None:
    """Say what was done, and leave with the exit code."""
    from territory_engine.app.scenario_summary import failure_lines, status_lines, summary_lines

    if result.interrupted:
        kept = len(result.skipped) + sum(o.status != "failed" for o in result.outcomes.values())
        tell(
            f"Interrupted: {kept} of {len(result.chosen)} are finished and stay in {result.out}. The same command goes on"
            " from there.",
            error=True,
        )
        raise typer.Exit(INTERRUPTED)
    if not quiet:
        tell("\n".join(summary_lines(result)))
    if result.failures:
        tell("\n".join(failure_lines(result, traceback=traceback)), error=True)
        raise typer.Exit(BAD_INPUT if all(o.expected for o in result.failures) else UNEXPECTED)
    for status, code in (("infeasible", INFEASIBLE), ("no plan", NO_PLAN)):
        if result.with_status(status):
            tell("\n".join(status_lines(result)), error=True)
            raise typer.Exit(code)


@scenarios.command(name="list")
def list_(config: Config, traceback: Traceback = False) -> None:
    """List the scenarios of a file: what each starts from and what it changes. Everything is checked, nothing solved."""
    with answering(traceback=traceback):
        from territory_engine.app.scenario_summary import listing

        tell(listing(config))
