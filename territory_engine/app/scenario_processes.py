"""Scenarios over processes of this machine. A process that dies costs the scenario it had, once; never the others."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from territory_engine.app.scenario_worker import Outcome, work

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from scenarios.running import Run
    from solvers.result import Progress
    from territory_engine.app.scenario_directory import ScenarioDirectory
    from territory_engine.problem import PlanningProblem

_POLL_S = 0.2
_TRIES = 2
_PATIENCE_S = 10.0
# Threads of linear algebra spin while they wait, and sums over several threads are not the same in the last digit.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Listener(Protocol):
    """Learns what happens to which scenario."""

    def started(self, name: str) -> None:
        """Learn that a scenario is being solved."""

    def stage(self, name: str, words: str, progress: Progress | None) -> None:
        """Learn where it stands."""

    def ended(self, outcome: Outcome) -> None:
        """Learn how it ended; its plan directory, if it has one, is in its place."""


class _Worker:
    """A process, what it is doing, and how to speak with it."""

    def __init__(self, base_file: Path, busy: Any) -> None:
        # Not forked: this process has threads of OR-Tools, numba and Arrow, whose locks a fork would copy as they are.
        context = multiprocessing.get_context("spawn")
        self.connection: Connection[Any, Any]
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, str(base_file), busy), name="scenario")
        with _environment(_ONE_THREAD):
            self.process.start()
        theirs.close()
        self.run: Run | None = None

    def give(self, run: Run, out: Path) -> None:
        self.run = run
        self.connection.send((run, out))

    def end(self) -> None:
        """End the process: at once if it is working, and by its own will if it is not."""
        if self.run is not None:
            self.process.terminate()
        self.connection.close()
        self.process.join(_PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a process that is started inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run_on_processes(
    base: PlanningProblem,
    runs: Sequence[Run],
    directory: ScenarioDirectory,
    *,
    processes: int,
    listener: Listener,
    should_stop: Callable[[], bool],
) -> list[Outcome]:
    """Solve scenarios over processes, in this order, each into its plan directory.

    Parameters
    ----------
    base : PlanningProblem
        Sent to every process once, through a file.
    runs : sequence of Run
    directory : ScenarioDirectory
    processes : int
        At most so many at once. They share the cores: each uses as many threads as are its part.
    listener : Listener
    should_stop : callable
        Asked several times a second; once it returns true, whatever is unfinished is given up.

    Returns
    -------
    list of Outcome
        Of what was finished, in the order in which it ended.
    """
    if not runs:
        return []
    base_file = directory.path / f".problem.{secrets.token_hex(6)}.partial"
    try:
        base_file.touch(mode=0o600)
        base_file.write_bytes(pickle.dumps(base, protocol=pickle.HIGHEST_PROTOCOL))
        return _Crew(base_file, runs, directory, listener, processes).work(should_stop)
    finally:
        base_file.unlink(missing_ok=True)


class _Crew:
    """The processes of one run, and what is left for them to do."""

    def __init__(
        self, base_file: Path, runs: Sequence[Run], directory: ScenarioDirectory, listener: Listener, processes: int
    ) -> None:
        self.base_file, self.directory, self.listener = base_file, directory, listener
        self.waiting = list(runs)
        self.most = min(processes, len(runs))
        self.tries: dict[str, int] = {}
        self.outcomes: list[Outcome] = []
        self.workers: list[_Worker] = []
        self.busy: Any = multiprocessing.get_context("spawn").Value("i", 0)

    def work(self, should_stop: Callable[[], bool]) -> list[Outcome]:
        try:
            while not should_stop():
                self._hand_out()
                working = [worker for worker in self.workers if worker.run is not None]
                if not working:
                    break
                ready = wait([worker.connection for worker in working], timeout=_POLL_S)
                for worker in working:
                    if worker.connection in ready:
                        self._hear(worker)
            return self.outcomes
        finally:
            for worker in self.workers:
                worker.end()

    def _hand_out(self) -> None:
        while self.waiting and (idle := self._idle()) is not None:
            run = self.waiting.pop(0)
            self.tries[run.name] = self.tries.get(run.name, 0) + 1
            self.listener.started(run.name)
            try:
                idle.give(run, self.directory.folder(run.name))
            except OSError:
                self._bury(idle)
        self.busy.value = sum(worker.run is not None for worker in self.workers)

    def _idle(self) -> _Worker | None:
        """Return a worker with nothing to do, a new one if there may be more; None where all are at work."""
        idle = next((worker for worker in self.workers if worker.run is None), None)
        if idle is None and len(self.workers) < self.most:
            idle = _Worker(self.base_file, self.busy)
            self.workers.append(idle)
        return idle

    def _hear(self, worker: _Worker) -> None:
        """Take what a worker has to say; a connection that has ended says that it died."""
        try:
            while worker.run is not None and worker.connection.poll():
                kind, *content = worker.connection.recv()
                if kind == "done":
                    worker.run = None
                    self._end(content[0])
                else:
                    self.listener.stage(worker.run.name, *content)
        except (EOFError, OSError):
            self._bury(worker)

    def _bury(self, worker: _Worker) -> None:
        """Give a dead worker's scenario to another, once: what it died of may have been somebody else's memory."""
        run, worker.run = worker.run, None
        self.workers.remove(worker)
        worker.end()
        if run is None:
            return
        if self.tries[run.name] < _TRIES:
            self.waiting.insert(0, run)
            return
        how = worker.process.exitcode
        end = f"was ended by signal {-how}" if how is not None and how < 0 else f"ended with status {how}"
        message = (
            f"its process {end}, {_TRIES} times. Remedy: if memory was short, run with fewer --processes;"
            " what is finished stays"
        )
        self._end(Outcome(run.name, "failed", message, expected=True))

    def _end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.listener.ended(outcome)
