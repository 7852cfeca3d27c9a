"""The report and the workbook on what changes hands: how much, how much may, what it costs, and by which rules."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from python_calamine import CalamineWorkbook

from maps.report.page import report_page
from maps.report.rules import rule_sentences
from territory_engine.config import parse_config
from territory_engine.plan import Plan
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames
from territory_engine.workbook import write_workbook


def problem(**rules: Any) -> PlanningProblem:
    """Three of six accounts would rather be with another rep; two have none today."""
    accounts = pd.DataFrame(
        {
            "account_id": list("abcdef"),
            "x": [0.0, 0.0, 0.0, 10.0, 10.0, 10.0],
            "y": 0.0,
            "owner": ["R2", "R2", "R1", "R1", "gone", ""],
            "annual_revenue": [4.0, 2.0, 5.0, 9.0, 50.0, 50.0],
            "<b>key</b>": [0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            "until": ["", "", "2026-12-31", "", "", ""],
        }
    )
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "x": [0.0, 10.0], "y": 0.0})
    content = {
        "data": {"accounts": "a", "reps": "r"},
        "travel": {"metric": "euclidean"},
        "disruption": {"current": "owner", **rules},
        "solve": {"gap": 0.0},
    }
    return load_frames(accounts, reps, parse_config(content))


def words(html: str) -> str:
    """What a reader sees."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)))


def reported(planning: PlanningProblem) -> tuple[Plan, str]:
    plan = solve(planning)
    return plan, words(report_page(planning, plan))


def test_the_key_figures_tell_how_much_changes_hands_and_how_much_may() -> None:
    plan, text = reported(problem(measure="annual_revenue", max_moved=0.3))
    assert plan.assignments.index[plan.assignments["moved"]].tolist() == ["a", "b"]
    assert "Accounts that change hands 2 50.0 % of those with a rep today" in text
    assert "Annual revenue that changes hands 30.0 % at most 30.0 % may" in text
    assert "Accounts without a rep 2 0" in text


def test_accounts_are_counted_where_no_measure_is_named() -> None:
    text = reported(problem(max_moved=0.5))[1]
    assert "Accounts that change hands 2 50.0 % of those with a rep today; at most 50.0 % may" in text
    assert "To let one account more change hands saves 10 map units, if accounts could be divided" in text


def test_a_price_and_a_protection_are_told() -> None:
    protect = [{"column": "<b>key</b>", "weight": 0.5}]
    plan, text = reported(problem(measure="annual_revenue", weight=0.5, protect=protect))
    assert plan.objective_terms["disruption"] == pytest.approx(0.5 * (4 + 2 + 9 * 1.5))
    assert "Annual revenue that changes hands 75.0 % 97.5 % with protection" in text
    assert "Price of moves, map units 9.75 100.0 % of the objective" in text


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"max_moved": 0.05}, ["At most 5.0 % of the accounts that have a rep today change hands."]),
        ({"measure": "annual_revenue", "max_moved": 0.05}, ["At most 5.0 % of annual revenue changes hands."]),
        ({"weight": 2}, ["Each account that changes hands costs 2 map units."]),
        (
            {"measure": "annual_revenue", "weight": 0.001},
            ["Every 100 of annual revenue that changes hands costs 0.10 map units."],
        ),
        (
            {"max_moved": 0.5, "protect": [{"column": "<b>key</b>", "weight": 3}]},
            [
                "At most 50.0 % of the accounts that have a rep today change hands.",
                "Moving an account counts 3 × its “<b>key</b>” times more.",
            ],
        ),
        ({}, []),
        ({"weight": 0}, []),
        (
            {"locked_until": "until", "as_of": date(2026, 7, 1)},
            [
                "Accounts with a date after 2026-07-01 in “until” stay with their rep of today, and locked ones with theirs."
            ],
        ),
    ],
)
def test_every_rule_on_moves_is_a_sentence(rules: dict[str, Any], said: list[str]) -> None:
    assert rule_sentences(problem(**rules)) == said


def test_a_column_with_markup_in_its_name_is_escaped() -> None:
    planning = problem(max_moved=0.5, protect=[{"column": "<b>key</b>", "weight": 3}])
    page = report_page(planning, solve(planning))
    assert "<b>key</b>" not in page
    assert "&lt;b&gt;key&lt;/b&gt;" in page


def test_an_impossible_budget_is_reported_with_the_least_that_would_do() -> None:
    planning = problem(max_moved=0.0)
    config = planning.config.model_dump(exclude_none=True)
    config["balance"] = [{"measure": "annual_revenue", "max": 61.0}]
    planning = load_frames(planning.accounts, planning.reps, parse_config(config))
    plan, text = reported(planning)
    assert plan.status == "infeasible"
    assert "at most 0 % may change hands: 0 of the 4 accounts with a rep today" in text
    assert "raise max_moved in [disruption] to 0.25: no plan moves less" in text


def test_the_workbook_tells_the_same(tmp_path: Path) -> None:
    planning = problem(measure="annual_revenue", max_moved=0.8, protect=[{"column": "<b>key</b>", "weight": 0.1}])
    plan = solve(planning)
    write_workbook(planning, plan, tmp_path / "plan.xlsx")
    summary = CalamineWorkbook.from_path(tmp_path / "plan.xlsx").get_sheet_by_name("Summary").to_python()
    rows = {row[0]: row[1] for row in summary}
    assert rows["Accounts that change hands"] == 3
    assert rows["Of annual revenue with a rep today"] == pytest.approx(0.75)
    assert rows["With protection"] == pytest.approx((9 * 1.1 + 6) / 20)
    assert rows["At most"] == pytest.approx(0.8)
    assert rows["Accounts without a rep today"] == 2
