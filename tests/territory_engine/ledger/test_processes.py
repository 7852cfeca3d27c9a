"""Writers side by side, and writers killed at any moment."""

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


def writers(*arguments: str) -> Any:
    command = [sys.executable, "-m", "tests.territory_engine.ledger.writers", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    report["said"] = done.stderr
    return report


def test_a_writer_killed_at_any_moment_leaves_whole_batches_and_every_answer_it_gave(url: str) -> None:
    report = writers("killed", url, "25")
    assert report["faults"] == []
    assert report["batches"] >= report["told"] > 0


@pytest.mark.postgresql
def test_eight_processes_write_two_hundred_batches_at_once_and_every_total_is_exact(postgresql_url: str) -> None:
    report = writers("together", postgresql_url, "8", "200")
    assert report["exits"] == [0] * 8, report["said"]
    assert (report["faults"], report["batches"]) == ([], 200)
    assert report["most_open"] == 100
    assert report["assigned"] == 700


def test_processes_wait_for_each_other_in_a_file_too(tmp_path: Path) -> None:
    report = writers("together", f"sqlite:///{tmp_path / 'ledger.db'}", "4", "40")
    assert report["exits"] == [0] * 4, report["said"]
    assert (report["faults"], report["batches"], report["assigned"]) == ([], 40, 164)
