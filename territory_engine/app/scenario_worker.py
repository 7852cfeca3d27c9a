"""The process that solves scenarios: it gets the base problem once, then one scenario after another.

Started by :mod:`territory_engine.app.scenario_processes`; a Dask worker uses :func:`plan_scenario` alone.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.process import parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solvers.chunks import cores, limited_threads
from territory_engine.errors import NoPlanError, TerritoryError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from scenarios.running import Run
    from solvers.result import Progress
    from territory_engine.problem import PlanningProblem

_PROGRESS_EVERY_S = 0.25


@dataclass(frozen=True)
class Outcome:
    """How a scenario ended.

    Attributes
    ----------
    name : str
    status : str
        ``"optimal"``, ``"feasible"`` or ``"infeasible"``: there is a plan directory. ``"no plan"``: none was found in the
        time limit, and nothing proved. ``"failed"``: an error, told in ``message``.
    message : str
        What there is to say where there is no plan directory.
    seconds : float
        Wall time, files included.
    objective, gap : float or None
    trace : str
        The Python traceback of an unexpected error.
    expected : bool
        Whether a failure is one that the message explains, such as a full disk, and no fault of the program.
    """

    name: str
    status: str
    message: str = ""
    seconds: float = 0.0
    objective: float | None = None
    gap: float | None = None
    trace: str = ""
    expected: bool = False


def plan_scenario(
    base: PlanningProblem,
    run: Run,
    out: Path,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> Outcome:
    """Solve one scenario and write its plan directory; whatever goes wrong is an outcome, not an exception.

    Parameters
    ----------
    base : PlanningProblem
    run : Run
    out : Path
        The plan directory; an older one is replaced.
    on_progress, on_stage : callable, optional
        As ``territory_engine.planner.solve`` and ``write_plan_directory`` call them.
    """
    began = time.perf_counter()
    try:
        from maps.pages.rep_colours import home_colours
        from territory_engine.app.writing import write_plan_directory
        from territory_engine.planner import solve

        problem = run.problem(base)
        plan = solve(problem, on_progress=on_progress)
        colours = home_colours(base)  # so that reps look the same in all scenarios, whatever each changes
        write_plan_directory(problem, plan, out, replace=True, on_stage=on_stage, run=run.record, colours=colours)
        found = Outcome(run.name, plan.status, objective=plan.objective, gap=plan.gap)
    except NoPlanError as error:
        found = Outcome(run.name, "no plan", str(error))
    except TerritoryError as error:
        found = Outcome(run.name, "failed", str(error), expected=True)
    except Exception as error:
        first_line = (str(error).strip().splitlines() or ["no message"])[0]
        message = f"unexpected error: {type(error).__name__}: {first_line}"
        found = Outcome(run.name, "failed", message, trace=traceback.format_exc().rstrip())
    return replace(found, seconds=time.perf_counter() - began)


def work(connection: Connection[Any, Any], base_file: str, busy: Any) -> None:
    """Be a worker: take runs from the connection until it closes, and send back progress and outcomes.

    Messages out are ``("stage", words, progress or None)`` and ``("done", Outcome)``.

    Parameters
    ----------
    connection : Connection
        Gives ``(Run, path of its plan directory)``.
    base_file : str
        The pickled base problem.
    busy : multiprocessing.Value
        How many workers are solving now: they share the cores.
    """
    # Ctrl-C reaches the whole process group; whether to stop is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_the_parent()
    base: PlanningProblem = pickle.loads(Path(base_file).read_bytes())  # written by our own parent a moment ago
    with limited_threads(lambda: cores() // max(1, busy.value)):
        while True:
            try:
                run, out = connection.recv()
            except EOFError:
                return
            teller = _Teller(connection)
            connection.send(("done", plan_scenario(base, run, out, on_progress=teller.progress, on_stage=teller.stage)))


class _Teller:
    """Passes progress on, not oftener than anybody could read it."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._told, self._stage = 0.0, ""

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.stage != self._stage or now - self._told >= _PROGRESS_EVERY_S:
            self._told, self._stage = now, progress.stage
            self._connection.send(("stage", progress.stage, progress))

    def stage(self, words: str) -> None:
        self._stage = words
        self._connection.send(("stage", words, None))


def _end_with_the_parent() -> None:
    """End this process when the one that started it is gone, were it killed: nobody would take the answer."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
