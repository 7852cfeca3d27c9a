"""A small real input, and the command line as a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

ROOT = Path(__file__).resolve().parents[2]

ACCOUNTS = "account_id,name,latitude,longitude,visits,locked_rep\n" + "\n".join(
    f"{number:03d},Shop {number},{41 + number // 4 * 0.1:.1f},{-93 + number % 4 * 0.1:.1f},{1 + number % 3},"
    for number in range(12)
)
REPS = "rep_id,name,latitude,longitude,capacity\nR1,Ada,41.0,-93.0,1\nR2,Ben,41.2,-92.7,1\n"
CONFIG = """
[data]
accounts = "accounts.csv"
reps = "reps.csv"

[[balance]]
measure = "visits"
tolerance = 0.2
share = "capacity"

[travel]
weight = "visits"

[solve]
time_limit_s = 5
"""


def write_small_input(folder: Path) -> Path:
    (folder / "accounts.csv").write_text(ACCOUNTS, encoding="utf-8")
    (folder / "reps.csv").write_text(REPS, encoding="utf-8")
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    return folder / "config.toml"


@pytest.fixture
def small_input(tmp_path: Path) -> Path:
    """Return the path of a configuration that can be planned."""
    return write_small_input(tmp_path)


@pytest.fixture
def impossible_input(small_input: Path) -> Path:
    """Return the path of a configuration whose locks give one rep more than its limit."""
    header, *rows = ACCOUNTS.splitlines()
    locked = "\n".join([header, *(f"{row}R1" for row in rows)])
    (small_input.parent / "accounts.csv").write_text(locked, encoding="utf-8")
    small_input.write_text(CONFIG + '\n[locks]\ncolumn = "locked_rep"\n', encoding="utf-8")
    return small_input


class CommandLine:
    """The command line as a process of its own, with the packages of this checkout."""

    environment: ClassVar = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "territory_engine.app", *map(str, arguments)]

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture(scope="session")
def command_line() -> CommandLine:
    """Return a function that runs the command line and waits for it."""
    return CommandLine()


@pytest.fixture(scope="session")
def planned(
    tmp_path_factory: pytest.TempPathFactory, command_line: CommandLine
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Return a plan directory made by a process of its own, and what the process said."""
    config = write_small_input(tmp_path_factory.mktemp("planned"))
    out = config.parent / "out" / "plan"
    return out, command_line("plan", config, "--out", out)


@pytest.fixture
def plan_copy(planned: tuple[Path, object], tmp_path: Path) -> Path:
    """Return a plan directory that the test may change."""
    return Path(shutil.copytree(planned[0], tmp_path / "copy"))
