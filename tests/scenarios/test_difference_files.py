"""The tables of a difference, read back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from scenarios.difference_files import DIFFERENCE, ComparedPlan, write_difference_files
from scenarios.difference_words import territory_words
from scenarios.differences import PlanDifference, compare_plans
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem

Made = Callable[..., tuple[PlanningProblem, Plan]]
BEFORE = {"a": "T1", "b": "T1", "c": "T2", "d": "T2", "e": "T2"}
HOSTILE = ["+1", "=HYPERLINK(1)", "line\nbreak", "<script>", "Ünal & Söhne"]


@pytest.fixture
def written(made: Made, tmp_path: Path) -> tuple[PlanDifference, Path]:
    before = made(BEFORE, name=HOSTILE)
    problem, plan = made({"b": "T3", "c": "T1", "d": "T3", "e": "T2", "f": "T2"}, visits={"f": 7.0}, name=HOSTILE)
    units = pd.DataFrame({"territory_id": ["T2"], "accounts": [1]}, index=pd.Index(["u"], name="unit_id"))
    plan = dataclasses.replace(plan, assignments=plan.assignments.assign(reason="=1+1"), units=units)
    before = (before[0], dataclasses.replace(before[1], units=units.assign(territory_id="T1")))
    difference = compare_plans(before, (problem, plan))
    words = territory_words(difference, before[0], problem)
    compared = ComparedPlan("out/a", "ab", "feasible"), ComparedPlan("out/b", "cd", "optimal")
    (tmp_path / "diff.html").write_text("page", encoding="utf-8")
    write_difference_files(difference, problem, plan, words, compared, tmp_path)
    return difference, tmp_path


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_every_file_is_one_that_the_directory_may_hold(written: tuple[PlanDifference, Path]) -> None:
    assert {p.name for p in written[1].iterdir()} == DIFFERENCE.files


def test_moves_say_who_what_and_why_without_a_live_formula(written: tuple[PlanDifference, Path]) -> None:
    difference, folder = written
    moves = read(folder / "moves.csv")
    assert moves["account_id"].tolist() == difference.moves.index.tolist()
    assert list(moves.columns) == [
        "account_id", "name", "from_territory_id", "to_territory_id", "from_rep_id", "to_rep_id", "from_name", "to_name",
        "travel_before", "travel_after", "visits", "reason",
    ]  # fmt: skip
    assert dict(zip(moves["account_id"], moves["name"], strict=True)) == {"c": "'=HYPERLINK(1)", "d": "line break"}
    assert set(moves["reason"]) == {"'=1+1"}


def test_gains_and_losses_of_the_tables_add_up(written: tuple[PlanDifference, Path]) -> None:
    _, folder = written
    rows = pd.read_csv(folder / "territories.csv", keep_default_na=False)
    flows = pd.read_csv(folder / "flows.csv")
    moves = read(folder / "moves.csv")
    for measure in ("accounts", "visits"):
        before, gained, lost, changed, after = (
            rows[f"{measure}_{part}"] for part in ("before", "gained", "lost", "changed", "after")
        )
        assert (before + gained - lost + changed).tolist() == pytest.approx(after.tolist())
        assert gained.sum() == lost.sum() == flows[measure].sum()
    assert flows["accounts"].sum() == len(moves)
    assert rows["status"].tolist() == ["renamed" if a and a != b else "kept" if a else "new" for a, b in zip(rows["from_territory_id"], rows["territory_id"], strict=True)]  # fmt: skip


def test_the_record_says_what_was_compared_and_what_became_of_whom(written: tuple[PlanDifference, Path]) -> None:
    difference, folder = written
    record = json.loads((folder / "diff.json").read_text(encoding="utf-8"))
    assert (record["before"], record["after"]["sha256"]) == (
        {"path": "out/a", "sha256": "ab", "status": "feasible"},
        "cd",
    )
    assert (record["accounts"]["added"], record["accounts"]["closed"]) == (["f"], ["a"])
    assert record["moved"]["visits"]["amount"] == difference.moved("visits")
    assert sum(map(len, record["territories"].values())) == len(difference.territories)
    assert record["units_moved"] == len(read(folder / "units.csv"))
    for name, digest in record["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert set(record["files"]) == DIFFERENCE.files - {"diff.json"}


def test_figures_stand_side_by_side(written: tuple[PlanDifference, Path]) -> None:
    _, folder = written
    figures = read(folder / "figures.csv")
    assert figures["figure"].tolist() == ["accounts", "territories", "travel", "mean_travel", "longest_travel", "max_deviation:visits", "objective", "gap"]  # fmt: skip
    assert figures.set_index("figure").loc["gap", "after"] == "0.2"
