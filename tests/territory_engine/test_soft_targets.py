"""A soft target from the configuration to the report: what it costs, what it proves, and that the audit sees it lost."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maps.report.page import report_page
from maps.report.rules import rule_sentences
from territory_engine import planner
from territory_engine.auditing.audit import audit
from territory_engine.config import parse_config
from territory_engine.errors import ConfigError
from territory_engine.model import build_model
from territory_engine.plan import Plan
from territory_engine.plan_directory import read_plan, write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames
from territory_engine.wording import each, price_list, proof_sentence

X = [0.0, 1.0, 2.0, 3.0, 4.0, 9.0, 11.0, 19.0, 21.0]
HOMES = [0.0, 10.0, 20.0]
VISITS = [1.0, 2.0, 1.0, 3.0, 1.0, 2.0, 1.0, 2.0, 1.0]


def problem(*balance: dict[str, Any], visits: list[float] = VISITS, **rules: Any) -> PlanningProblem:
    """Nine accounts on a line, and three reps at 0, 10 and 20; A, at 0, has the most accounts around."""
    accounts = pd.DataFrame({"account_id": [f"a{i}" for i in range(len(X))], "x": X, "y": 0.0, "visits": visits})
    reps = pd.DataFrame({"rep_id": list("ABC"), "x": HOMES, "y": 0.0, "capacity": [2.0, 1.0, 1.0]})
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": list(balance),
        "travel": {"metric": "euclidean"},
        "solve": {"gap": 0.0},
        **rules,
    }
    return load_frames(accounts, reps, parse_config(content))


def best(planning: PlanningProblem, weight: float, measure: str = "count") -> float:
    """The least objective, by trying every plan."""
    load = np.ones(len(X)) if measure == "count" else planning.accounts[measure].to_numpy(float)
    travel = np.abs(np.array(X)[:, None] - HOMES)
    rule = planning.balance_rules()[0]
    found = np.inf
    for plan in itertools.product(range(3), repeat=len(X)):
        loads = np.bincount(plan, load, 3)
        if np.all(loads >= rule.lower - 1e-9) and np.all(loads <= rule.upper + 1e-9):
            off = np.abs(loads - rule.target).sum()
            found = min(found, travel[np.arange(len(X)), plan].sum() + weight * off)
    return float(found)


def owners(plan: Plan) -> str:
    return "".join(plan.assignments["rep_id"])


def edited(planning: PlanningProblem, plan: Plan, folder: Path, change: Any) -> set[str]:
    """The checks that fail after ``change`` was made to plan.json."""
    write_plan_files(planning, plan, folder)
    assert audit(folder).passed, audit(folder).summary()
    path = folder / "plan.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")
    return {check.name for check in audit(folder).failed}


# The plan -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "expected"), [(0.0, "AAAAABBCC"), (1e-3, "AAAAABBCC"), (2.9, "AAAABBBCC"), (1e4, "AAABBBCCC")]
)
def test_the_plan_is_the_optimum_at_every_weight_and_passes_the_audit(
    tmp_path: Path, weight: float, expected: str
) -> None:
    planning = problem({"measure": "count", "target_weight": weight})
    plan = solve(planning)
    assert plan.status == "optimal"
    assert plan.objective == pytest.approx(best(planning, weight))
    assert owners(plan) == expected
    assert plan.objective_terms == pytest.approx(
        {"travel": plan.territories["travel"].sum(), "balance": plan.objective - plan.territories["travel"].sum()}
    )
    write_plan_files(planning, plan, tmp_path)
    report = audit(tmp_path)
    assert report.passed, report.summary()
    again, stored = read_plan(tmp_path)
    assert again.balance_rules()[0].target_weight == weight
    assert stored.prices == plan.prices


@pytest.mark.parametrize(
    "entries",
    [
        [{"measure": "visits", "tolerance": 0.5, "share": "capacity", "target_weight": 1.5}],
        [
            {"measure": "visits", "tolerance": 0.5, "share": "capacity"},
            {"measure": "visits", "target_weight": 1.5, "share": "capacity"},
        ],
        [{"measure": "visits", "target_weight": 1.5, "share": "capacity"}, {"measure": "visits", "max": 5.5}],
        [{"measure": "visits", "min": 4, "max": 5.5}, {"measure": "visits", "target_weight": 1.5, "share": "capacity"}],
    ],
    ids=["one entry", "two entries", "with a max", "a max below the target"],
)
def test_hard_limits_and_a_soft_target_on_one_measure_both_count(tmp_path: Path, entries: list[dict[str, Any]]) -> None:
    planning = problem(*entries)
    (rule,) = planning.balance_rules()
    assert rule.target == pytest.approx([7.0, 3.5, 3.5])
    plan = solve(planning)
    assert plan.status == "optimal"
    assert plan.objective == pytest.approx(best(planning, 1.5, "visits"))
    assert plan.territories["visits_target"].tolist() == pytest.approx([7.0, 3.5, 3.5])
    assert edited(planning, plan, tmp_path, lambda record: None) == set()


def test_a_soft_target_is_never_what_makes_a_plan_impossible(tmp_path: Path) -> None:
    hard = {"measure": "count", "max": 2}
    plan = solve(problem(hard))
    soft = problem(hard, {"measure": "visits", "target_weight": 3.0})
    both = solve(soft)
    assert both.status == plan.status == "infeasible"
    assert both.conflict is not None
    assert plan.conflict is not None
    assert both.conflict["rules"] == plan.conflict["rules"]
    assert both.conflict["relaxations"] == plan.conflict["relaxations"]
    change = {"visits": {"A": {"target": 1.0}}}
    assert "prices" in edited(soft, both, tmp_path, lambda record: record["prices"].update(change))


def test_whole_loads_prove_more_than_the_target_as_written(tmp_path: Path) -> None:
    # Sevenths of nine accounts: no whole number comes closer than two sevenths to them all.
    accounts, reps = problem().accounts, problem().reps.assign(capacity=[4.0, 2.0, 1.0])
    planning = replace(
        problem({"measure": "count", "target_weight": 20.0, "share": "capacity"}), accounts=accounts, reps=reps
    )
    plan = solve(planning)
    assert plan.proof.get("whole_measures") == ["count"]
    assert plan.priced_bound is not None
    assert plan.lower_bound is not None
    assert plan.lower_bound > plan.priced_bound + 1
    assert edited(planning, plan, tmp_path, lambda record: record["proof"].pop("whole_measures")) != set()


# Lost somewhere -----------------------------------------------------------------------------------------------------


def test_a_model_that_lost_the_target_makes_a_plan_that_fails_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planning = problem({"measure": "count", "target_weight": 100.0})

    def without(planning: PlanningProblem) -> Any:
        model = build_model(planning)
        rules = tuple(replace(rule, target_weight=None) for rule in model.rules)
        return replace(model, problem=model.problem.without_targets(), rules=rules)

    assert owners(solve(planning)) == "AAABBBCCC"
    monkeypatch.setattr(planner, "build_model", without)
    plan = solve(planning)
    assert owners(plan) == "AAAAABBCC"
    write_plan_files(planning, plan, tmp_path)
    assert {"objective", "objective_terms"} <= {check.name for check in audit(tmp_path).failed}


def test_a_price_beyond_the_target_s_weight_fails_the_audit_even_where_every_number_agrees(tmp_path: Path) -> None:
    planning = problem({"measure": "visits", "target_weight": 1.5})
    plan = solve(planning)

    def dearer(record: dict[str, Any]) -> None:
        record["prices"]["visits"]["A"] = {"target": 1.6}

    failed = edited(planning, plan, tmp_path, dearer)
    assert "prices" in failed
    report = audit(tmp_path)
    (check,) = (c for c in report.failed if c.name == "prices")
    assert "visits, A, target: 1.6: allowed is between −1.5 and 1.5" in check.message


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda r: r["objective_terms"].update(balance=0.0), "objective_terms"),
        (lambda r: r["objective_terms"].pop("balance"), "objective_terms"),
        (lambda r: r.update(objective=r["objective_terms"]["travel"]), "objective"),
        (lambda r: r["prices"]["visits"].clear(), "priced_bound"),
        (lambda r: r["config"]["balance"][0].update(target_weight=1.4), "objective"),
        (lambda r: r["config"]["balance"][0].pop("target_weight"), "prices"),
    ],
    ids=["balance told as nothing", "balance left out", "travel alone", "no prices", "another weight", "no weight"],
)
def test_a_plan_edited_to_hide_what_is_off_target_fails_the_audit(tmp_path: Path, change: Any, check: str) -> None:
    planning = problem({"measure": "visits", "target_weight": 1.5, "max": 20})
    assert check in edited(planning, solve(planning), tmp_path, change)


# The configuration --------------------------------------------------------------------------------------------------


def refused(*balance: dict[str, Any], **rules: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        problem(*balance, **rules)
    return str(caught.value)


def test_a_target_weight_alone_is_a_rule_and_a_negative_one_is_none() -> None:
    (rule,) = problem({"measure": "count", "target_weight": 2}).balance_rules()
    assert np.all(np.isinf(rule.lower) & np.isinf(rule.upper))
    assert rule.target.tolist() == [3.0, 3.0, 3.0]
    assert "balance[1].target_weight" in refused({"measure": "count", "target_weight": -1.0})
    assert "balance[1].target_weight" in refused({"measure": "count", "target_weight": float("inf")})
    assert "needs at least one of tolerance, min, max, target_weight" in refused({"measure": "count"})
    assert "without tolerance or target_weight" in refused({"measure": "count", "share": "capacity", "max": 3})


def test_a_measure_has_one_target() -> None:
    soft = {"measure": "visits", "target_weight": 1.0}
    assert "both give 'visits' a target_weight" in refused(soft, soft)
    assert "different shares of 'visits'" in refused(soft, {"measure": "visits", "tolerance": 0.2, "share": "capacity"})
    problem(soft, {"measure": "count", "tolerance": 0.9, "share": "capacity"})


def test_where_loads_depend_on_the_rep_there_is_no_target() -> None:
    accounts = pd.DataFrame({"account_id": ["a", "b"]})
    reps = pd.DataFrame({"rep_id": ["A", "B"]})
    table = pd.DataFrame({"rep_id": ["A", "B"] * 2, "account_id": ["a", "a", "b", "b"], "cost": 1.0, "hours": 2.0})
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "travel": {"table": "t.csv"},
        "balance": [{"measure": "hours", "target_weight": 1.0}],
    }
    with pytest.raises(ConfigError, match=r"balance\[1\]\.target_weight.*travel table") as caught:
        load_frames(accounts, reps, parse_config(content), travel_table=table)
    assert caught.value.findings[0].remedy is not None


def test_a_target_beside_loads_that_depend_on_the_rep_counts(tmp_path: Path) -> None:
    accounts = pd.DataFrame({"account_id": list("abcd"), "visits": [1.0, 1.0, 2.0, 2.0]})
    reps = pd.DataFrame({"rep_id": ["A", "B"]})
    table = pd.DataFrame(itertools.product("AB", "abcd"), columns=["rep_id", "account_id"])
    table["cost"] = np.where(table["rep_id"] == "A", 1.0, 3.0)
    table["hours"] = np.where(table["rep_id"] == "A", 2.0, 1.0)
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "travel": {"table": "t.csv"},
        "balance": [{"measure": "hours", "max": 8}, {"measure": "visits", "target_weight": 5.0}],
        "solve": {"gap": 0.0},
    }
    planning = load_frames(accounts, reps, parse_config(content), travel_table=table)
    plan = solve(planning)
    assert plan.objective_terms == {"travel": 8.0, "balance": 0.0}
    assert edited(planning, plan, tmp_path, lambda record: None) == set()


# What people read ---------------------------------------------------------------------------------------------------


def test_reasons_prices_summary_and_report_say_what_the_target_costs() -> None:
    # A is short of room for what lives around it, B would take more.
    planning = problem({"measure": "visits", "target_weight": 4.0})
    plan = solve(planning)
    assert owners(plan) != "AAAAABBCC"
    (moved,) = (r for r in plan.assignments["reason"] if "target" in r)
    assert "A is" in moved
    price = max((sides["target"] for sides in plan.prices["visits"].values()), default=0.0)
    assert price > 0
    assert any(
        p.side == "target" and p.rep_id == "A" and "A target of one more visit for A" in p.sentence
        for p in price_list(planning, plan)
    )
    assert all(p.price > 0 for p in price_list(planning, plan))
    assert "for loads off their targets" in plan.summary()
    assert "can cost less than this one" in proof_sentence(planning, plan)
    assert "Visits: near an equal share; each visit off it costs 4 map units." in rule_sentences(planning)
    page = report_page(planning, plan)
    assert "What limits and targets cost" in page
    assert "Off target, map units" in page


def test_without_a_target_nothing_is_said_of_one() -> None:
    planning = problem({"measure": "count", "tolerance": 0.34})
    plan = solve(planning)
    assert plan.objective_terms == {"travel": plan.objective}
    assert "off their targets" not in plan.summary()
    page = report_page(planning, plan)
    assert "What the limits cost" in page
    assert "Off target, " not in page


def test_one_unit_of_a_measure_in_words() -> None:
    assert each("visits") == "each visit"
    assert each("visits_2022") == "each visit (2022)"
    assert each("count") == "each account"
    assert each("revenue") == "each unit of revenue"
    assert each("revenue", 1000) == "every 1,000 of revenue"
    assert each("visits", 10) == "every 10 visits"
