"""``territory-engine reps`` and ``queue``: where reps stand and who waits, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from territory_engine.app.cli import app

REPS = (
    "rep_id,name,time_zone,working_days,working_hours\n"
    "R1,Ann,America/Chicago,Mon-Fri,08:00-17:00\n"
    "R2,Bo,Europe/Berlin,Tue-Fri,09:00-17:00\n"
)
MONDAY = "2026-11-30T15:00:00Z"


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def routed(planned: tuple[Path, Any], tmp_path: Path) -> dict[str, Any]:
    """Return the options of a ledger in which one lead is assigned and one waits."""
    (tmp_path / "reps.csv").write_text(REPS, encoding="utf-8")
    policy = tmp_path / "policy.toml"
    policy.write_text('reps = "reps.csv"\n[limits]\nper_day = 1\n[hours]\nrespond_within_h = 2\n', encoding="utf-8")
    (tmp_path / "leads.csv").write_text("lead_id\nL-1\nL-2\n", encoding="utf-8")
    ledger = ("--ledger", f"sqlite:///{tmp_path / 'ledger.db'}")
    options = ("--plan", planned[0], "--policy", policy, *ledger, "--as-of", MONDAY)
    done = run("route", tmp_path / "leads.csv", *options, "--out", tmp_path / "answers.csv")
    assert done.exit_code == 0, done.stderr
    return {"reps": options, "queue": ledger}


def test_reps_are_a_table_with_the_next_time_at_work_on_their_own_clock(routed: dict[str, Any]) -> None:
    result = run("reps", *routed["reps"])
    assert (result.exit_code, result.stderr) == (0, "")
    head, first, second = result.stdout.splitlines()
    assert head.split() == [
        "rep", "name", "share", "weight", "open", "today", "week", "room", "at", "work", "takes", "leads",
    ]  # fmt: skip
    assert first.split()[:9] == ["R1", "Ann", "1.00", "1", "1", "1", "1", "0", "now"]
    assert "no: has had 1 lead today of at most 1" in first
    assert " 1 Dec 2026 09:00 CET  no: is next at work Tue 1 Dec 2026 09:00 (Europe/Berlin)" in second


def test_reps_as_json_are_what_the_service_answers(routed: dict[str, Any]) -> None:
    told = json.loads(run("reps", *routed["reps"], "--json").stdout)
    assert told["at"] == MONDAY
    assert [(rep["rep_id"], rep["takes_leads"]) for rep in told["reps"]] == [("R1", False), ("R2", False)]
    assert told["reps"][1]["next_at_work"] == "2026-12-01T08:00:00Z"


def test_who_waits_is_told_with_the_reason(routed: dict[str, Any]) -> None:
    result = run("queue", *routed["queue"])
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "1 lead waits. Moments are in UTC."
    assert lines[3].startswith("L-2   2026-11-30 15:00  2026-12-01 ")
    told = json.loads(run("queue", *routed["queue"], "--json").stdout)
    assert told["total"] == 1
    assert set(told["leads"][0]) == {"lead_id", "reason", "reason_code", "could_go_at", "since", "batch_id"}


def test_a_ledger_that_is_not_there_is_not_made(planned: tuple[Path, Any], tmp_path: Path) -> None:
    nowhere = ("--ledger", f"sqlite:///{tmp_path / 'none.db'}")
    for command in (("queue", *nowhere), ("reps", "--plan", planned[0], *nowhere)):
        result = run(*command)
        assert result.exit_code == 2
        assert "there is no ledger at" in result.stderr
    assert not (tmp_path / "none.db").exists()
