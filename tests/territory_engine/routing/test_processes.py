"""Many processes that route at once, and processes killed while they route: nothing lost, nothing twice, no cap exceeded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def routers(*arguments: str) -> Any:
    command = [sys.executable, "-m", "tests.territory_engine.routing.routers", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    report["said"] = done.stderr
    return report


@pytest.mark.postgresql
def test_eight_processes_route_two_hundred_batches_at_once_and_no_cap_is_exceeded(postgresql_url: str) -> None:
    report = routers("together", postgresql_url, "8", "200")
    assert report["exits"] == [0] * 8, report["said"]
    assert (report["faults"], report["batches"]) == ([], 200)
    # 600 leads, and room for 8 × 60.
    assert (report["assigned"], report["queued"]) == (480, 120)


@pytest.mark.postgresql
def test_a_router_killed_again_and_again_on_a_server_loses_nothing_and_routes_nothing_twice(
    postgresql_url: str,
) -> None:
    report = routers("killed", postgresql_url, "25")
    assert (report["faults"], report["killed"]) == ([], 25)


def test_a_router_killed_again_and_again_on_a_file_loses_nothing_and_routes_nothing_twice(tmp_path: Path) -> None:
    report = routers("killed", f"sqlite:///{tmp_path / 'ledger.db'}", "25")
    assert (report["faults"], report["killed"]) == ([], 25)
