"""``territory-engine explain``: streams and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from territory_engine.app.cli import app


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def ledger(planned: tuple[Path, Any], tmp_path: Path) -> str:
    """Return the address of a ledger with one routed batch."""
    (tmp_path / "leads.csv").write_text("lead_id,account_id\nL-100,003\nL-101,\n", encoding="utf-8")
    address = f"sqlite:///{tmp_path / 'ledger.db'}"
    routed = run(
        "route", tmp_path / "leads.csv", "--plan", planned[0], "--ledger", address, "--out", tmp_path / "answers.csv"
    )
    assert routed.exit_code == 0, routed.stderr
    return address


def test_an_explanation_goes_to_stdout(ledger: str) -> None:
    result = run("explain", "L-100", "--ledger", ledger)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Lead L-100 went to R")
    assert "who has its account, would be passed over" in result.stdout


def test_a_rep_can_ask_and_programs_get_json(ledger: str) -> None:
    result = run("explain", "L-101", "--ledger", ledger, "--rep", "R1")
    assert "Why R1 " in result.stdout
    told = json.loads(run("explain", "L-101", "--ledger", ledger, "--json").stdout)
    assert sorted(rep["rep_id"] for rep in told["reps"]) == ["R1", "R2"]


def test_what_is_unknown_is_exit_code_2_and_named(ledger: str, tmp_path: Path) -> None:
    for arguments, told in (
        (("L-1000", "--ledger", ledger), "the most alike: 'L-100'"),
        (("L-100", "--ledger", ledger, "--rep", "R9"), "knew no rep 'R9'"),
        (("L-100", "--ledger", ledger, "--batch-id", "b"), "is not in batch 'b'"),
        (("L-100", "--ledger", f"sqlite:///{tmp_path / 'none.db'}"), "there is no ledger at"),
    ):
        result = run("explain", *arguments)
        assert result.exit_code == 2
        assert told in result.stderr
        assert result.stdout == ""
    assert not (tmp_path / "none.db").exists()
