"""Limits and prices on what changes hands, from the command line: exit codes, what is said, and repeating it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from territory_engine.app.cli import app
from territory_engine.app.rerun import rerun
from territory_engine.auditing.audit import audit

BRICKS = Path(__file__).resolve().parents[2] / "examples" / "bricks"


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def bricks(folder: Path, rule: str, more: str = "") -> Path:
    """Return the example's configuration with another rule on what changes hands."""
    for name in ("accounts.csv", "reps.csv", "travel.csv"):
        shutil.copy(BRICKS / name, folder)
    text = (BRICKS / "budget.toml").read_text(encoding="utf-8")
    assert "max_moved = 0.10" in text
    (folder / "c.toml").write_text(text.replace("max_moved = 0.10", rule) + more, encoding="utf-8")
    return folder / "c.toml"


def test_a_budget_that_is_too_small_is_exit_code_3_with_the_least_that_would_do(tmp_path: Path) -> None:
    result = run("plan", bricks(tmp_path, "max_moved = 0.04"), "--out", tmp_path / "out")
    assert result.exit_code == 3
    for said in (
        "at most 4 % may change hands: 0.16 of the 4 of index value with a rep today",
        "today SR2 has 1.34 of index value, and may have at most 1.2",
        "today SR3 has 0.70 of index value, and needs at least 0.8",
        "every plan that keeps the other rules moves at least 0.1696 of index value (4.24 %)",
        "raise max_moved in [disruption] to 0.0424: no plan moves less",
    ):
        assert said in result.stderr
    record = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert record["conflict"]["least_moved"] == pytest.approx({"fraction": 0.0424, "proved_fraction": 0.0424})
    assert "0.0424" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_budget_below_the_locks_is_exit_code_2_and_nothing_is_written(tmp_path: Path) -> None:
    config = bricks(tmp_path, "max_moved = 0.1", '\n[locks]\ncolumn = "lock"\n')
    header, first, *rest = (tmp_path / "accounts.csv").read_text(encoding="utf-8").splitlines()
    locked = [f"{header},lock", f"{first},SR1", *(f"{row},{'SR1' if 'SR3' in row else ''}" for row in rest)]
    (tmp_path / "accounts.csv").write_text("\n".join(locked), encoding="utf-8")
    result = run("plan", config, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "disruption.max_moved" in result.stderr
    assert "is below what the locks force" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rule", "status"),
    [("max_moved = 0.10", "optimal"), ("weight = 40", "optimal"), ("max_moved = 0.04", "infeasible")],
)
def test_a_plan_with_a_limit_or_a_price_repeats(tmp_path: Path, rule: str, status: str) -> None:
    out = tmp_path / "out"
    assert run("plan", bricks(tmp_path, rule), "--out", out).exit_code == (3 if status == "infeasible" else 0)
    found = rerun(out)
    assert found.passed, found.summary()
    assert (found.repeated_status, found.accounts_elsewhere) == (status, 0)
    report = audit(out)
    assert report.passed, report.summary()
    assert run("audit", out, "--rerun").exit_code == 0
