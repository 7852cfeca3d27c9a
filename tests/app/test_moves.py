"""The move list in a plan directory: written, hashed, told in the report and the workbook, and audited."""

from __future__ import annotations

import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from python_calamine import CalamineWorkbook
from typer.testing import CliRunner

from territory_engine.app import writing
from territory_engine.app.cli import app
from tests.app.conftest import CONFIG, write_small_input


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write_input_with_owners(folder: Path) -> Path:
    config = write_small_input(folder)
    accounts = pd.read_csv(folder / "accounts.csv", dtype=str, keep_default_na=False)
    accounts["owner"] = ["R1", "R2", "", "R9", *["R2", "R1"] * 4]
    accounts.loc[1, "name"] = "<script>alert(1)</script>"
    accounts.loc[5, "name"] = "=HYPERLINK(1)"
    accounts.to_csv(folder / "accounts.csv", index=False)
    config.write_text(CONFIG + '\n[disruption]\ncurrent = "owner"\nmeasure = "visits"\n', encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moves")
    result = run("plan", write_input_with_owners(folder), "--out", folder / "out")
    assert result.exit_code == 0, result.stderr
    return folder / "out"


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def moves_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "moves.csv", dtype=str, keep_default_na=False)


def tamper(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change the move list and have plan.json vouch for it, as whoever tampers cleverly would."""
    change(moves_of(folder)).to_csv(folder / "moves.csv", index=False)
    record = json.loads((folder / "plan.json").read_text())
    record["files"]["moves.csv"] = hashlib.sha256((folder / "moves.csv").read_bytes()).hexdigest()
    (folder / "plan.json").write_text(json.dumps(record))


def test_the_list_is_in_the_directory_and_hashed(made: Path) -> None:
    moves, assignments = moves_of(made), pd.read_csv(made / "assignments.csv", dtype=str, keep_default_na=False)
    changes = assignments[(assignments["moved"] == "true") | ~assignments["previous_rep_id"].isin(["R1", "R2"])]
    assert sorted(moves["account_id"]) == sorted(changes["account_id"])
    assert set(moves["kind"]) == {"move", "assign"}
    record = json.loads((made / "plan.json").read_text())
    assert record["files"]["moves.csv"] == hashlib.sha256((made / "moves.csv").read_bytes()).hexdigest()


def test_a_fresh_plan_passes_its_audit_with_its_moves(made: Path) -> None:
    result = run("audit", made)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"ok +move_order +after each of \d+ steps no rule is more broken than at the start", result.stdout)


EDITS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a row less": (lambda moves: moves.iloc[:-1], "moves:"),
    "another rep": (lambda moves: moves.assign(to=moves["from"]), "moves:"),
    "steps that skip one": (lambda moves: moves.assign(step=[str(int(s) + 1) for s in moves["step"]]), "move_steps:"),
    "a column less": (lambda moves: moves.drop(columns="why"), "no column why"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_list_that_was_edited_fails_even_when_its_hash_was_too(copy: Path, edit: str) -> None:
    change, told = EDITS[edit]
    tamper(copy, change)
    result = run("audit", copy)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_list_that_is_gone_or_changed_fails_by_its_hash(copy: Path) -> None:
    (copy / "moves.csv").write_text((copy / "moves.csv").read_text().replace("move", "Move"))
    assert "moves.csv: changed since it was written" in run("audit", copy).stderr


def test_the_report_tells_the_first_steps_with_text_escaped(made: Path) -> None:
    page = (made / "report.html").read_text(encoding="utf-8")
    assert "<h2>What changes and for whom</h2>" in page
    assert '<a href="moves.csv">' in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    first = moves_of(made).iloc[0]
    assert first["buys"][1:] in html.unescape(page)
    assert "nobody" in page


def test_the_workbook_has_the_same_rows(made: Path) -> None:
    header, *rows = CalamineWorkbook.from_path(made / "plan.xlsx").get_sheet_by_name("Moves").to_python()
    moves = moves_of(made)
    assert header == [
        "Step", "Account", "Name", "Kind", "From", "To", "Visits",
        "Travel before, km", "Travel after, km", "Travel saved, km", "What it buys", "Why",
    ]  # fmt: skip
    assert [row[1] for row in rows] == moves["account_id"].tolist()
    assert [row[10] for row in rows] == moves["buys"].tolist()


def test_a_workbook_from_its_own_process_has_the_same_moves(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "WORKBOOK_PROCESS_FROM", 0)
    out = tmp_path / "out"
    assert run("plan", write_input_with_owners(tmp_path), "--out", out).exit_code == 0
    assert (out / "plan.xlsx").read_bytes() == (made / "plan.xlsx").read_bytes()
    assert (out / "moves.csv").read_bytes() == (made / "moves.csv").read_bytes()


def test_a_name_that_looks_like_a_formula_is_none(made: Path) -> None:
    names = moves_of(made)["name"]
    assert not names.str.startswith(("=", "+", "-", "@")).any()


def test_a_plan_without_todays_owners_has_no_list_and_says_nothing_of_it(planned: tuple[Path, Any]) -> None:
    assert not (planned[0] / "moves.csv").exists()
    assert "What changes" not in (planned[0] / "report.html").read_text(encoding="utf-8")
    assert "Moves" not in CalamineWorkbook.from_path(planned[0] / "plan.xlsx").sheet_names
