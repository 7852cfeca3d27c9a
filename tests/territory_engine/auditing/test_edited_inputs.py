"""A plan that says its inputs were edited must say so consistently, down to the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scenarios import apply_scenario, load_scenarios
from territory_engine import audit, solve
from territory_engine.plan_directory import write_plan_files

Record = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    accounts = {"account_id": [f"a{i}" for i in range(8)], "x": range(8), "y": 0}
    pd.DataFrame(accounts).to_csv(tmp_path / "accounts.csv", index=False)
    pd.DataFrame({"rep_id": ["R1", "R2", "R3"], "x": [0, 4, 7], "y": 0}).to_csv(tmp_path / "reps.csv", index=False)
    (tmp_path / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[travel]\nmetric = "euclidean"\n'
        '[[balance]]\nmeasure = "count"\ntolerance = 0.9\n'
    )
    (tmp_path / "scenarios.toml").write_text(
        'base = "config.toml"\n[scenario.a]\nremove_reps = ["R3"]\nclose_accounts = ["a0", "a1"]\n'
        '[[scenario.a.add_reps]]\nrep_id = "R4"\nx = 6\ny = 0\n'
        '[scenario.b]\ninherits = "a"\nmerge_reps = { into = "R1", from = ["R4"] }\n'
    )
    file = load_scenarios(tmp_path / "scenarios.toml")
    for name in "ab":
        problem = apply_scenario(file.base_problem, file[name])
        out = tmp_path / name
        out.mkdir()
        write_plan_files(problem, solve(problem), out)
    return tmp_path


def failing(folder: Path, change: Callable[[Record], Any]) -> dict[str, str]:
    path = folder / "plan.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    return {check.name: check.message for check in audit(folder).failed}


def source(record: Record, role: str) -> Record:
    found: Record = next(s for s in record["inputs"] if s["role"] == role)
    return found


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_scenarios_plan_passes_and_says_what_was_edited(folder: Path, name: str) -> None:
    report = audit(folder / name)
    assert report.passed, report.summary()
    assert [c.message for c in report.checks if c.name == "scenario"] == [
        f"inputs are those of the files with the edits of '{name}'"
    ]
    record = json.loads((folder / name / "plan.json").read_text())
    reps = {"a": 3, "b": 2}[name]
    assert [(s["role"], s["rows"], s["rows_in_file"]) for s in record["inputs"]] == [
        ("accounts", 6, 8),
        ("reps", reps, 3),
    ]
    assert record["scenario"]["removed"] == {"accounts": ["a0", "a1"], "reps": ["R3"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("scenario"), "rows of the file are told apart, but there is no scenario"),
        (lambda r: source(r, "accounts").pop("rows_in_file"), "rows_in_file: found None"),
        (lambda r: source(r, "accounts").update(rows_in_file=9), "9 rows in the file, less 2 and plus 0 are 7, 6 stored"),
        (lambda r: source(r, "reps").update(rows_in_file=True), "rows_in_file: found True"),
        (lambda r: r["scenario"]["removed"]["accounts"].pop(), "8 rows in the file, less 1 and plus 0 are 7"),
        (lambda r: r["scenario"]["removed"]["accounts"].append("a5"), "'a5' was removed, but is stored"),
        (lambda r: r["scenario"]["removed"]["accounts"].append("a0"), "'a0' is told more than once"),
        (lambda r: r["scenario"]["added"]["accounts"].append("a5"), "a scenario adds none"),
        (lambda r: r["scenario"]["added"]["reps"].append("R9"), "'R9' was added, but is not stored"),
        (lambda r: r["scenario"].pop("added"), "allowed: lists of IDs"),
        (lambda r: r["scenario"].update(name=3), "scenario.name: found 3"),
        (lambda r: r["scenario"].update(edits=[]), "scenario.edits: found []"),
        (lambda r: r["scenario"]["edits"].update(steps={}), "allowed: a list of tables"),
        (lambda r: r.update(scenario="a"), "scenario: found 'a', allowed: a table"),
        (lambda r: r["scenario"]["edits"]["steps"][0].update(remove_reps=["R2"]), "the edits take 'R2' out, but it is stored"),
        (lambda r: r["scenario"]["edits"]["steps"][0]["add_reps"][0].update(rep_id="R7"), "the edits bring 'R7' in, but it is not stored"),
        (lambda r: r["scenario"]["edits"]["steps"][0]["close_accounts"].append("a6"), "the edits close 'a6', but it is stored"),
    ],
)  # fmt: skip
def test_one_wrong_word_about_the_edits_fails(folder: Path, change: Callable[[Record], Any], message: str) -> None:
    told = failing(folder / "a", change)
    assert list(told) == ["scenario"]
    assert message in told["scenario"]


def test_rows_that_are_not_stored_fail_as_before(folder: Path) -> None:
    told = failing(folder / "a", lambda r: source(r, "accounts").update(rows=8))
    assert "8 rows told, 6 stored" in told["files"]
