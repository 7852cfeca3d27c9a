"""Scenarios on a Dask cluster. Workers send back finished plan directories as bytes: they need not share a disk.

Optional: ``distributed`` is imported here alone.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import pickle
import platform
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from solvers.chunks import limited_threads
from territory_engine import __version__
from territory_engine.app.scenario_worker import Outcome, plan_scenario
from territory_engine.errors import SchedulerError, TerritoryError
from territory_engine.publishing import publishing

if TYPE_CHECKING:
    from scenarios.running import Run
    from territory_engine.app.scenario_directory import ScenarioDirectory
    from territory_engine.app.scenario_processes import Listener
    from territory_engine.problem import PlanningProblem

INSTALL = 'pip install "territory-engine[dask]"'
CONNECT_S = 10.0
"""Seconds to wait for a scheduler, and for its first worker."""
_POLL_S = 0.1
_SCHEMES = ("tcp", "tls", "ws", "wss")


def check_scheduler(scheduler: str) -> None:
    """Refuse an address that cannot be a scheduler's, and a missing ``distributed``, before the data are read.

    Raises
    ------
    SchedulerError
        The address is none, or ``distributed`` is not installed.
    """
    example = "tcp://HOST:PORT, such as tcp://127.0.0.1:8786"
    parts = urlsplit(scheduler)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in _SCHEMES or not parts.hostname or port is None or parts.path.strip("/"):
        what = "is not the address of a Dask scheduler"
        remedy = "copy the address that `dask scheduler` prints when it starts"
        if parts.scheme in ("http", "https"):
            remedy += "; http is its dashboard"
        raise SchedulerError(f"--scheduler: {scheduler!r} {what}; allowed: {example}. Remedy: {remedy}")
    try:
        import distributed  # noqa: F401 - whether it is there is the question
    except ImportError as error:
        raise SchedulerError(
            f"--scheduler needs the package distributed, which cannot be imported ({error}). Remedy: {INSTALL}"
        ) from error


@dataclass(frozen=True)
class Parcel:
    """What a worker sends back: how it ended, and the plan directory as a ZIP archive; empty where there is none."""

    outcome: Outcome
    content: bytes


_problems: dict[str, PlanningProblem] = {}


def unpack_problem(token: str, content: bytes) -> None:
    """Keep a base problem in this process, under its token; on a worker, once per process."""
    _problems[token] = pickle.loads(content)  # from our own client, which may run any code here anyway


def forget_problem(token: str) -> None:
    """Let go of a base problem: its run has ended."""
    _problems.pop(token, None)


def plan_remotely(token: str, run: Run, version: str) -> Parcel:
    """Solve a scenario on a worker, and return its plan directory.

    Parameters
    ----------
    token : str
        Of the base problem that :func:`unpack_problem` has put here.
    run : Run
    version : str
        The client's version of Territory Engine; a worker that joined later may have another.
    """
    if version != __version__:
        message = (
            f"a worker has territory-engine {__version__}, and this computer {version}."
            " Remedy: install the same version on all of them"
        )
        return Parcel(Outcome(run.name, "failed", message, expected=True), b"")
    # Dask counts a task as one thread, and gives a worker as many tasks as it may have threads.
    with tempfile.TemporaryDirectory(prefix="territory-engine-") as name, limited_threads(lambda: 1):
        folder = Path(name) / run.name
        outcome = plan_scenario(_problems[token], run, folder)
        return Parcel(outcome, packed(folder) if folder.is_dir() else b"")


def packed(folder: Path) -> bytes:
    """Return a directory as a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """Unpack what :func:`packed` made into a folder; ``extractall`` keeps every name inside it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)


def run_on_cluster(
    base: PlanningProblem,
    runs: Sequence[Run],
    directory: ScenarioDirectory,
    *,
    client: Any,
    listener: Listener,
    should_stop: Callable[[], bool],
) -> list[Outcome]:
    """Solve scenarios on the workers of a Dask cluster, and write here what they send back.

    The base problem goes to every worker once, also to one that joins later. A scenario whose worker dies is solved on
    another one; what has been written is not solved again.

    Parameters
    ----------
    base : PlanningProblem
    runs : sequence of Run
    directory : ScenarioDirectory
    client : distributed.Client
        As :func:`connected` yields it.
    listener : Listener
    should_stop : callable
        Asked several times a second; once it returns true, whatever is unfinished is given up.

    Returns
    -------
    list of Outcome
        Of what was finished, in the order in which it ended.

    Raises
    ------
    SchedulerError
        The connection was lost.
    """
    if not runs:
        return []
    token = f"territory-engine-{os.urandom(8).hex()}"
    plugin = _carrier(token, pickle.dumps(base, protocol=pickle.HIGHEST_PROTOCOL))
    try:
        client.register_plugin(plugin, name=token)
    except Exception as error:
        raise SchedulerError(
            f"the data cannot be sent to the workers ({_first_line(error)}). Remedy: install territory-engine"
            f" {__version__} and what it needs in the same versions everywhere"
        ) from error
    try:
        return _Gathering(client, token, runs, directory, listener).work(should_stop)
    finally:
        _quietly(lambda: client.unregister_worker_plugin(token))


def _carrier(token: str, content: bytes) -> Any:
    """Return a worker plugin that brings the base problem: the scheduler passes it on to workers that join later."""
    from distributed import WorkerPlugin

    class ProblemCarrier(WorkerPlugin):  # type: ignore[misc]  # distributed may not be installed where types are checked
        """Brings the base problem to a worker, once."""

        def setup(self, worker: Any) -> None:
            """Unpack the problem when the plugin, or the worker, arrives."""
            unpack_problem(token, content)

        def teardown(self, worker: Any) -> None:
            """Let go of the problem when the run has ended."""
            forget_problem(token)

    return ProblemCarrier()


@contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """Connect to a scheduler whose workers can run scenarios, and leave it running afterwards.

    Yields
    ------
    distributed.Client

    Raises
    ------
    SchedulerError
        The address is none, ``distributed`` is not installed, nobody answers, there are no workers, or they have another
        version of Territory Engine.
    """
    check_scheduler(scheduler)
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False, name="territory-engine")
    except (OSError, ValueError) as error:
        raise SchedulerError(
            f"{scheduler}: no Dask scheduler answers within {CONNECT_S:.0f} s ({_first_line(error)}). Remedy: check the"
            " address, and that `dask scheduler` is running and can be reached from here"
        ) from error
    try:
        check_workers(client, scheduler)
        yield client
    finally:
        _quietly(lambda: client.close(timeout=5))


def check_workers(client: Any, scheduler: str) -> None:
    """Make sure that there are workers, and that all have this Python and this version of Territory Engine.

    Raises
    ------
    SchedulerError
        There are none, or one has not.
    """
    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
    except (OSError, TimeoutError) as error:
        raise SchedulerError(
            f"{scheduler}: the scheduler has no workers. Remedy: start some with `dask worker {scheduler}`, with"
            " territory-engine installed where they run"
        ) from error
    # Functions of the standard library: ours could not be called where it is not installed.
    wanted: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
        "territory-engine": (importlib.metadata.version, ("territory-engine",)),
        "Python": (platform.python_version, ()),
    }
    differing: list[str] = []
    for what, (function, arguments) in wanted.items():
        mine = str(function(*arguments))
        for worker, answer in sorted(client.run(function, *arguments, on_error="return").items()):
            if isinstance(answer, BaseException):
                differing.append(f"{worker}: {what} is not installed ({_first_line(answer)})")
            elif _compared(what, str(answer)) != _compared(what, mine):
                differing.append(f"{worker}: {what} {answer}, here {mine}")
    if differing:
        shown = differing[:5] + ([f"and {len(differing) - 5} more"] if len(differing) > 5 else [])
        raise SchedulerError(
            f"{scheduler}: workers and this computer differ: {'; '.join(shown)}. Remedy: install the same Python (x.y) and"
            f" the same territory-engine everywhere: pip install territory-engine=={__version__}"
        )


def _compared(what: str, version: str) -> str:
    """Return the part of a version that must agree: of Python's the first two numbers."""
    return ".".join(version.split(".")[:2]) if what == "Python" else version


class _Gathering:
    """The scenarios on their way through a cluster."""

    def __init__(
        self, client: Any, token: str, runs: Sequence[Run], directory: ScenarioDirectory, listener: Listener
    ) -> None:
        self.client, self.token, self.directory, self.listener = client, token, directory, listener
        self.runs = list(runs)
        self.outcomes: list[Outcome] = []

    def work(self, should_stop: Callable[[], bool]) -> list[Outcome]:
        waiting = {self._submit(run, place): run for place, run in enumerate(self.runs)}
        began = time.monotonic()
        try:
            while waiting and not should_stop():
                if self.client.status != "running":
                    raise SchedulerError(
                        f"the connection to the scheduler was lost after {time.monotonic() - began:.0f} s."
                        " What is finished stays. Remedy: run the same command again once the cluster is back"
                    )
                time.sleep(_POLL_S)
                for future in [f for f in waiting if f.done()]:
                    run = waiting.pop(future)
                    self._take(run, future)
                    # Let go at once: a result that is still wanted would be computed again if its worker died.
                    future.release()
            return self.outcomes
        finally:
            if waiting:
                _quietly(lambda: self.client.cancel(list(waiting), force=True))

    def _submit(self, run: Run, place: int) -> Any:
        self.listener.started(run.name)
        self.listener.stage(run.name, "on the cluster", None)
        # Not pure: the same scenario run again tomorrow is another task. Earlier ones first.
        return self.client.submit(
            plan_remotely,
            self.token,
            run,
            __version__,
            key=f"{self.token}-{run.name}",
            pure=False,
            priority=-place,
            retries=0,
        )

    def _take(self, run: Run, future: Any) -> None:
        outcome = self._outcome(run, future)
        self.outcomes.append(outcome)
        self.listener.ended(outcome)

    def _outcome(self, run: Run, future: Any) -> Outcome:
        """Return how a scenario ended, its plan directory written where it has one."""
        from distributed import KilledWorker

        try:
            parcel: Parcel = future.result(timeout=CONNECT_S * 6)
        except KilledWorker:
            message = (
                "the workers that tried it died, several times. Remedy: give them more memory; what is finished stays"
            )
            return Outcome(run.name, "failed", message, expected=True)
        except Exception as error:
            message = f"unexpected error on the cluster: {type(error).__name__}: {_first_line(error)}"
            return Outcome(run.name, "failed", message)
        if not parcel.content:
            return parcel.outcome
        try:
            with publishing(self.directory.folder(run.name), replace=True) as folder:
                unpack(parcel.content, folder)
        except (TerritoryError, OSError) as error:
            return replace(parcel.outcome, status="failed", message=str(error), expected=True)
        return parcel.outcome


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _quietly(call: Callable[[], Any]) -> None:
    """Tidy up on a cluster that may be gone."""
    try:
        call()
    except Exception as error:
        print(f"note: {type(error).__name__} while leaving the cluster", file=sys.stderr)
