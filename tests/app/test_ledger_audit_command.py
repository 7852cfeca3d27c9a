"""``territory-engine audit --ledger``: verdicts, JSON, exit codes and usage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from territory_engine.app.cli import app
from tests.territory_engine.auditing.routed.editing import Edit
from tests.territory_engine.auditing.routed.ledgers import START, leads, make_plan, route


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plan(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def url(plan: Path, tmp_path: Path) -> str:
    return route(plan, f"sqlite:///{tmp_path}/l.db", [(leads(8, seed=1), START), (leads(6, 2, 50), START)])


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_routed_batch_is_proved_fair_in_one_sentence(plan: Path, url: str) -> None:
    result = run("audit", plan, "--ledger", url, "--batch-id", "batch 0")
    assert result.exit_code == 0, result.stderr
    assert (
        "Proved fair: no other split assigns more leads, follows the matches better, or is more even" in result.stdout
    )
    assert "none of 14 leads is with two reps" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("  ok    verdict")


def test_of_several_batches_each_has_its_line(url: str) -> None:
    result = run("audit", "--ledger", url)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].endswith("all 3 checks passed.")
    assert [line.partition(":")[0] for line in lines[-2:]] == ["batch batch 0", "batch batch 1"]


def test_the_json_has_the_checks_of_the_ledger_and_of_each_batch(plan: Path, url: str) -> None:
    answer = json.loads(run("audit", plan, "--ledger", url, "--json").stdout)
    assert answer["passed"] is True
    assert [check["name"] for check in answer["checks"]] == ["once", "chain", "totals"]
    assert [batch["folder"] for batch in answer["batches"]] == ["batch batch 0", "batch batch 1"]
    assert all(check["ok"] for batch in answer["batches"] for check in batch["checks"])


def test_an_edited_ledger_is_exit_code_2_and_says_what_is_wrong(url: str) -> None:
    edit = Edit(url)
    edit.decision("status = 'assigned'", expected_value=1.0)
    edit.close()
    result = run("audit", "--ledger", url)
    assert result.exit_code == 2
    assert "does not check out" in result.stderr
    assert "batch batch 0: told_values" in result.stderr
    assert "FAIL  told_values" in result.stdout
    assert json.loads(run("audit", "--ledger", url, "--json").stdout)["passed"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a plan directory, --ledger URL, or both"),
        (("--batch-id", "x"), "add --ledger URL"),
        (("--ledger", "sqlite:///nowhere.db", "--rerun"), "leave out --ledger"),
        (("--ledger", "sqlite:///nowhere.db"), "there is no ledger at sqlite:///nowhere.db"),
        (("--ledger", "nowhere.db"), "no SQLAlchemy URL"),
    ],
)
def test_what_cannot_be_audited_is_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    result = run("audit", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split()).replace("│ ", "")
