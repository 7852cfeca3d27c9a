"""Scenarios on a real Dask cluster of two worker processes, one of which is killed; and clusters that are none."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from territory_engine import TerritoryError
from territory_engine.app.scenario_cluster import check_scheduler, packed, unpack
from territory_engine.app.scenario_running import ScenarioRun, run_scenarios
from territory_engine.app.scenario_worker import Outcome
from territory_engine.errors import SchedulerError
from territory_engine.plan_directory import read_plan
from tests.app.scenario_inputs import SCENARIOS, plans, write_scenario_input

ROOT = Path(__file__).resolve().parents[2]
# Without nannies: a worker that is killed stays dead, which is the harder case.
WORKER = ["distributed.cli.dask_worker", "--no-nanny", "--no-dashboard", "--nthreads", "1", "--host", "127.0.0.1"]


class Cluster:
    """A scheduler and workers as processes of their own, as a team would start them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"], "scheduler"
        )
        self.address = self._word("scheduler", rb"Scheduler at:\s+(tcp://\S+)")

    def add_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        name = f"worker{len(self.workers)}"
        self.workers.append(
            self._start([*WORKER, self.address, "--local-directory", str(self.folder)], name, environment)
        )
        self._word(name, rb"Registered to:\s+(tcp://\S+)")
        return self.workers[-1]

    def _start(
        self, module: list[str], name: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *module],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            )

    def _word(self, name: str, pattern: bytes) -> str:
        for _ in range(600):
            found = re.search(pattern, (self.folder / f"{name}.log").read_bytes())
            if found:
                return found[1].decode()
            time.sleep(0.1)
        pytest.fail(f"{name} did not start: {(self.folder / f'{name}.log').read_text()}")

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Return a cluster with a scheduler and, so far, no workers."""
    pytest.importorskip("distributed")
    (tmp_path / "cluster").mkdir()
    started = Cluster(tmp_path / "cluster")
    yield started
    started.close()


class Watching:
    """A listener that does something when the first scenario is finished, and counts what it is told."""

    def __init__(self, once: Any = None) -> None:
        self.ends: list[str] = []
        self._once = once

    def doing(self, words: str) -> None:
        pass

    def planned(self, pending: tuple[str, ...], finished: tuple[str, ...]) -> None:
        pass

    def started(self, name: str) -> None:
        pass

    def stage(self, name: str, words: str, progress: Any) -> None:
        pass

    def ended(self, outcome: Outcome) -> None:
        self.ends.append(outcome.name)
        if self._once is not None:
            self._once()
            self._once = None


def run(config: Path, out: Path, address: str, listener: Any = None) -> ScenarioRun:
    return run_scenarios(config, out, scheduler=address, listener=listener or Watching())


# Packages of others warn about one another; what matters here is what our own code does.
pytestmark = [pytest.mark.filterwarnings("ignore")]

MORE = SCENARIOS + "".join(f'\n[scenario.close_{n}]\nclose_accounts = ["{n:03d}"]\n' for n in range(10, 15))


def test_everything_is_finished_once_although_a_worker_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    first, second = cluster.add_worker(), cluster.add_worker()
    config, out = write_scenario_input(tmp_path, MORE, hard=True), tmp_path / "out"
    watching = Watching(once=first.kill)
    result = run(config, out, cluster.address, watching)
    assert first.wait() == -signal.SIGKILL
    assert second.poll() is None
    expected = {"base", "lose_r2", "close_some", *(f"close_{n}" for n in range(10, 15))}
    assert sorted(watching.ends) == sorted(expected)
    assert plans(out) == expected
    assert result.failures == []
    assert set(result.statuses) == expected
    # A second run has nothing left to do.
    assert run(config, out, cluster.address).outcomes == {}


def test_a_cluster_gives_the_plans_of_this_machine(cluster: Cluster, tmp_path: Path, command_line: Any) -> None:
    cluster.add_worker()
    config = write_scenario_input(tmp_path)
    said = command_line("scenarios", "run", config, "--out", tmp_path / "there", "--scheduler", cluster.address)
    assert said.returncode == 0, said.stderr
    assert command_line("scenarios", "run", config, "--out", tmp_path / "here").returncode == 0
    for name in ("base", "lose_r2", "close_some"):
        for file in ("assignments.csv", "territories.csv"):
            assert (tmp_path / "there" / name / file).read_bytes() == (tmp_path / "here" / name / file).read_bytes()
        assert read_plan(tmp_path / "there" / name)[1].status in {"optimal", "feasible"}
    assert {p.name for p in (tmp_path / "there").iterdir()} == {p.name for p in (tmp_path / "here").iterdir()}


def test_a_worker_with_another_version_is_refused_before_anything_is_written(cluster: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other" / "territory_engine-9.9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: territory-engine\nVersion: 9.9.9\n")
    cluster.add_worker(PYTHONPATH=os.pathsep.join([str(other.parent), str(ROOT)]))
    config = write_scenario_input(tmp_path)
    with pytest.raises(SchedulerError, match=r"territory-engine 9\.9\.9, here .*Remedy"):
        run(config, tmp_path / "out", cluster.address)
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_workers_is_told(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("territory_engine.app.scenario_cluster.CONNECT_S", 1.0)
    with pytest.raises(SchedulerError, match="has no workers"):
        run(write_scenario_input(tmp_path), tmp_path / "out", cluster.address)
    assert not (tmp_path / "out").exists()


def test_an_address_where_nobody_answers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("territory_engine.app.scenario_cluster.CONNECT_S", 1.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SchedulerError, match=r"no Dask scheduler answers.*Remedy"):
            run(write_scenario_input(tmp_path), tmp_path / "out", address)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "localhost:8786", "http://localhost:8787", "tcp://localhost", "tcp://:8786", "tcp://h:x"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SchedulerError, match=r"tcp://HOST:PORT.*Remedy"):
        check_scheduler(address)


def test_without_the_package_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(TerritoryError, match=r'pip install "territory-engine\[dask\]"'):
        check_scheduler("tcp://127.0.0.1:8786")


def test_a_directory_travels_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "plan" / "inputs").mkdir(parents=True)
    (tmp_path / "plan" / "plan.json").write_bytes(b"{}")
    (tmp_path / "plan" / "inputs" / "accounts.parquet").write_bytes(bytes(range(256)))
    unpack(packed(tmp_path / "plan"), tmp_path / "there")
    assert (tmp_path / "there" / "plan.json").read_bytes() == b"{}"
    assert (tmp_path / "there" / "inputs" / "accounts.parquet").read_bytes() == bytes(range(256))
