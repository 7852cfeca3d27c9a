"""Run a file of scenarios: what is to be solved, by whom, and the comparison of what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from solvers.chunks import cores
from territory_engine.app.scenario_directory import check_scenario_directory, open_scenario_directory
from territory_engine.app.scenario_processes import Listener, run_on_processes

if TYPE_CHECKING:
    from scenarios.comparison import ScenarioResult
    from scenarios.running import Run
    from scenarios.scenario_file import ScenarioFile
    from territory_engine.app.scenario_directory import ScenarioDirectory
    from territory_engine.app.scenario_worker import Outcome


PLANNED = ("optimal", "feasible", "infeasible")
"""How a scenario ends that has a plan directory."""


class RunListener(Listener, Protocol):
    """Learns what is done, beside what happens to which scenario."""

    def doing(self, words: str) -> None:
        """Learn what is being done before and after the scenarios are solved."""

    def planned(self, pending: tuple[str, ...], finished: tuple[str, ...]) -> None:
        """Learn which scenarios are to be solved, and which were finished before."""


@dataclass
class ScenarioRun:
    """What a run did.

    Attributes
    ----------
    out : Path
    chosen : tuple of str
        The scenarios that were asked for, the base included.
    skipped : tuple of str
        Those finished by an earlier run.
    outcomes : dict of str to Outcome
        How those solved now ended.
    statuses : dict of str to str
        Of all that were asked for and have ended, whenever that was.
    left : tuple of str
        Plan directories of scenarios that are no longer in the file, and were left; ``removed``: that were deleted.
    interrupted : bool
    notices : tuple of str
        About the data.
    """

    out: Path
    chosen: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    interrupted: bool = False
    notices: tuple[str, ...] = ()

    @property
    def failures(self) -> list[Outcome]:
        """Scenarios that an error ended."""
        return [outcome for outcome in self.outcomes.values() if outcome.status == "failed"]

    def with_status(self, status: str) -> list[str]:
        """Return the names of those that ended so."""
        return [name for name, ended in self.statuses.items() if ended == status]


def run_scenarios(
    config: Path,
    out: Path,
    *,
    processes: int | None = None,
    scheduler: str | None = None,
    only: tuple[str, ...] = (),
    replace: bool = False,
    listener: RunListener,
    should_stop: Callable[[], bool] = lambda: False,
    on_solving: Callable[[], None] = lambda: None,
) -> ScenarioRun:
    """Solve the base and every scenario of a file into one directory each, and compare them.

    What an earlier run into the same directory finished, from the same inputs and rules, is not solved again.

    Parameters
    ----------
    config : Path
        The file of scenarios.
    out : Path
    processes : int or None
        None: one for each core.
    scheduler : str or None
        Address of a Dask scheduler, whose workers solve instead.
    only : tuple of str
        Names; all where empty. The base is always among them.
    replace : bool
        Whether the directory may hold another file's scenarios, and plans of scenarios that are gone are deleted.
    listener : RunListener
    should_stop : callable
        Asked while scenarios are solved.
    on_solving : callable
        Called once everything is read and found right, before the first scenario is solved.

    Raises
    ------
    InputError
        Something is wrong with the data, the configuration or any scenario; nothing was solved or written.
    PlanDirectoryError
        The directory is not one for these scenarios, or cannot be written.
    SchedulerError
        There is no such cluster, or it cannot run scenarios.
    """
    with ExitStack() as stack:
        check_scenario_directory(out, config, replace=replace)
        client = None
        if scheduler is not None:
            # Before the data are read: nobody should wait a minute to be told that there is no cluster.
            listener.doing("connecting to the cluster")
            from territory_engine.app.scenario_cluster import connected

            client = stack.enter_context(connected(scheduler))
        listener.doing("reading the data")
        from scenarios.running import chosen, runs_of
        from scenarios.scenario_file import load_scenarios

        file = load_scenarios(config)
        every = runs_of(file)
        runs = chosen(every, only, config.name)
        result = ScenarioRun(out, chosen=tuple(run.name for run in runs), notices=tuple(file.base_problem.notices))
        directory = stack.enter_context(open_scenario_directory(out, config, replace=replace))
        finished = {run.name for run in every if directory.finished(run)}
        pending = _longest_first([run for run in runs if run.name not in finished], directory)
        directory.check_room(tuple(pending))
        gone = directory.left_over({run.name for run in every})
        if replace:
            directory.remove(gone)
            result.removed = gone
        else:
            result.left = gone
        result.skipped = tuple(run.name for run in runs if run.name in finished)
        directory.begin(file, pending=bool(pending))
        listener.planned(tuple(run.name for run in pending), result.skipped)
        on_solving()
        remembering = _Remembering(directory, listener, {run.name: run for run in runs})
        base = file.base_problem
        told: dict[str, Any] = {"listener": remembering, "should_stop": should_stop}
        if client is None:
            outcomes = run_on_processes(base, pending, directory, processes=processes or cores(), **told)
        else:
            from territory_engine.app.scenario_cluster import run_on_cluster

            outcomes = run_on_cluster(base, pending, directory, client=client, **told)
        result.outcomes = {outcome.name: outcome for outcome in outcomes}
        if len(outcomes) < len(pending):
            result.interrupted = True
            return result
        listener.doing("comparing the scenarios")
        done = finished | {outcome.name for outcome in outcomes if outcome.status in PLANNED}
        results = _results(file, every, directory, done)
        _compare(file, results, directory)
        result.statuses = {r.name: r.status for r in results if r.name in result.chosen}
    return result


def _longest_first(runs: list[Run], directory: ScenarioDirectory) -> list[Run]:
    """Order scenarios by how long they took the last time, so that no long one ends after all others; new ones first."""
    notes: dict[str, Any] = directory.record.get("scenarios", {})
    return sorted(runs, key=lambda run: -float(notes.get(run.name, {}).get("seconds", math.inf)))


class _Remembering:
    """Writes down how each scenario ended, and passes everything on."""

    def __init__(self, directory: ScenarioDirectory, listener: RunListener, runs: dict[str, Run]) -> None:
        self._directory, self._listener, self._runs = directory, listener, runs
        self.started, self.stage = listener.started, listener.stage

    def ended(self, outcome: Outcome) -> None:
        if outcome.status != "failed":
            entry = {
                "status": outcome.status,
                "digest": self._runs[outcome.name].digest,
                "seconds": round(outcome.seconds, 3),
                "message": outcome.message,
            }
            self._directory.note(scenarios={**self._directory.record.get("scenarios", {}), outcome.name: entry})
        self._listener.ended(outcome)


def _results(
    file: ScenarioFile, runs: tuple[Run, ...], directory: ScenarioDirectory, done: set[str]
) -> list[ScenarioResult]:
    """Return what is known of every scenario of the file: those that have a plan directory, and those without a plan."""
    from scenarios.comparison import ScenarioResult
    from territory_engine.plan_directory import read_plan

    found = []
    notes: dict[str, Any] = directory.record.get("scenarios", {})
    for run in runs:
        note = notes.get(run.name, {})
        known = note.get("digest") == run.digest
        seconds = float(note["seconds"]) if known else math.nan
        told: dict[str, Any] = {
            "name": run.name,
            "description": run.description,
            "parents": run.parents,
            "robust": run.robust,
        }
        if run.name in done:
            problem, plan = read_plan(directory.folder(run.name))
            found.append(ScenarioResult(**told, problem=problem, plan=plan, seconds=seconds))
        elif known and note["status"] == "no plan":
            problem = run.problem(file.base_problem)
            found.append(
                ScenarioResult(**told, problem=problem, plan=None, message=str(note["message"]), seconds=seconds)
            )
    return found


def _compare(file: ScenarioFile, results: list[ScenarioResult], directory: ScenarioDirectory) -> None:
    from maps.comparison.map import comparison_map_page
    from maps.comparison.page import comparison_page
    from scenarios.comparison import comparison_csv, comparison_table, differences_from_base
    from scenarios.outlook_comparison import compare_outlooks

    outlooks = compare_outlooks(results, file.outlooks)
    differences = differences_from_base(results)
    table = comparison_table(results, differences, outlooks)
    directory.write("comparison.csv", comparison_csv(table))
    source = file.path.name
    directory.write("comparison.html", comparison_page(results, source=source, table=table, outlooks=outlooks))
    if any(result.planned for result in results):
        directory.write("comparison_map.html", comparison_map_page(results, differences, folder=directory.path))
    directory.note(compared=[result.name for result in results])
