"""Plans from the planner: consistent with themselves, with their inputs and with the audit, and the same every time."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from solvers.result import Progress
from territory_engine.auditing.audit import audit
from territory_engine.config import parse_config
from territory_engine.errors import NoPlanError
from territory_engine.plan import ASSIGNMENT_COLUMNS, Plan
from territory_engine.plan_directory import write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load, load_frames

IOWA = Path(__file__).parents[2] / "examples" / "iowa" / "config.toml"


def frames(n: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accounts around four homes in the Midwest; R1 lives where most of them are."""
    rng = np.random.default_rng(11)
    accounts = pd.DataFrame(
        {
            "account_id": [f"{i:04d}" for i in range(n)],
            "latitude": rng.normal(41.6, 0.7, n).round(4),
            "longitude": rng.normal(-93.4, 1.0, n).round(4),
            "visits": rng.integers(1, 9, n),
            "revenue": rng.lognormal(9, 0.8, n).round(2),
            "segment": rng.choice(["smb", "key"], n, p=[0.8, 0.2]),
            "parent": [f"P{i % 7}" if i % 10 == 0 else "" for i in range(n)],
            "locked_rep": ["R4" if i in {3, 17} else "" for i in range(n)],
            "owner": rng.choice(["R1", "R2", "R3", "R4", "gone", ""], n),
        }
    )
    reps = pd.DataFrame(
        {
            "rep_id": ["R1", "R2", "R3", "R4"],
            "latitude": [41.6, 42.5, 41.0, 42.0],
            "longitude": [-93.6, -92.3, -95.5, -91.6],
            "capacity": [100.0, 80.0, 60.0, 70.0],
            "segments": ["smb;key", "smb", "smb;key", "smb ; key"],
        }
    )
    return accounts, reps


SOLVE = {"gap": 1e-3, "rounds": 1}


def everything(**solve_options: Any) -> PlanningProblem:
    """On the sphere under every kind of rule, with owners, and two accounts in no place."""
    accounts, reps = frames()
    accounts.loc[[5, 6], ["latitude", "longitude"]] = np.nan
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv", "on_unlocated": "assign"},
        "balance": [
            {"measure": "visits", "tolerance": 0.15, "share": "capacity"},
            {"measure": "revenue", "tolerance": 0.4},
            {"measure": "count", "min": 5, "max": 25},
        ],
        "travel": {"weight": "visits"},
        "locks": {"column": "locked_rep"},
        "eligibility": {"column": "segment", "reps_column": "segments", "max_travel": 450.0},
        "groups": {"column": "parent"},
        "disruption": {"current": "owner"},
        "solve": {**SOLVE, **solve_options},
    }
    return load_frames(accounts, reps, parse_config(content))


def plane() -> PlanningProblem:
    """Projected coordinates and squared distances."""
    accounts, reps = frames()
    accounts = accounts.rename(columns={"longitude": "x", "latitude": "y"})
    reps = reps.rename(columns={"longitude": "x", "latitude": "y"})
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "revenue", "tolerance": 0.2}],
        "travel": {"metric": "euclidean", "power": 2},
        "solve": SOLVE,
    }
    return load_frames(accounts, reps, parse_config(content))


def driving() -> PlanningProblem:
    """A travel table with hours that depend on the rep, and pairs that are missing."""
    accounts, reps = frames()
    rng = np.random.default_rng(4)
    table = pd.MultiIndex.from_product(
        [reps["rep_id"], accounts["account_id"]], names=["rep_id", "account_id"]
    ).to_frame(index=False)
    table["cost"] = rng.uniform(5, 300, len(table)).round(1)
    table["hours"] = rng.uniform(0.5, 3, len(table)).round(2)
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "hours", "max": 24.0}, {"measure": "count", "min": 10}],
        "travel": {"table": "t.csv"},
        "solve": SOLVE,
    }
    return load_frames(accounts, reps, parse_config(content), travel_table=table[rng.random(len(table)) < 0.9])


def free() -> PlanningProblem:
    """No rule at all."""
    accounts, reps = frames()
    return load_frames(accounts, reps, parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}}))


MAKERS = {"every rule": everything, "plane": plane, "travel table": driving, "no rule": free}
Solved = dict[str, tuple[PlanningProblem, Plan]]


@pytest.fixture(scope="module")
def solved() -> Solved:
    made = {name: make() for name, make in MAKERS.items()}
    return {name: (problem, solve(problem)) for name, problem in made.items()}


@pytest.fixture(params=list(MAKERS))
def case(request: pytest.FixtureRequest, solved: Solved) -> tuple[PlanningProblem, Plan]:
    return solved[request.param]


# What a plan says ---------------------------------------------------------------------------------------------------


def test_every_plan_passes_the_audit(case: tuple[PlanningProblem, Plan], tmp_path: Path) -> None:
    write_plan_files(*case, tmp_path)
    report = audit(tmp_path)
    assert report.passed, report.summary()


def test_every_account_is_assigned_once_in_input_order(case: tuple[PlanningProblem, Plan]) -> None:
    problem, plan = case
    assert list(plan.assignments.index) == list(problem.accounts.index)
    assert tuple(plan.assignments.columns) == ASSIGNMENT_COLUMNS
    assert set(plan.assignments["rep_id"]) <= set(problem.reps.index)
    assert (plan.assignments["rep_id"] == plan.assignments["territory_id"]).all()
    assert plan.assignments["reason"].str.len().gt(0).all()


def test_the_numbers_of_a_plan_agree_with_one_another(case: tuple[PlanningProblem, Plan]) -> None:
    problem, plan = case
    assert plan.objective is not None
    assert plan.lower_bound is not None
    assert plan.priced_bound is not None
    assert plan.objective_terms == {"travel": plan.objective}
    assert plan.territories["travel"].sum() == pytest.approx(plan.objective)
    assert plan.priced_bound <= plan.lower_bound + 1e-6
    assert plan.lower_bound <= plan.objective
    assert plan.gap == pytest.approx((plan.objective - plan.lower_bound) / plan.objective)
    assert (plan.status == "optimal") == (plan.gap <= 1e-6)
    assert plan.territories["accounts"].sum() == len(problem.accounts)
    assert plan.seed == problem.config.solve.seed
    assert plan.conflict is None
    for rule in problem.balance_rules():
        loads = plan.territories[rule.measure].to_numpy()
        assert np.all(loads <= rule.upper * (1 + 1e-9))
        assert np.all(loads >= rule.lower * (1 - 1e-9))
        assert plan.measures[rule.measure]["total"] == pytest.approx(loads.sum())
        deviation = plan.territories[f"{rule.measure}_deviation"].abs().max()
        assert plan.measures[rule.measure]["max_deviation"] == pytest.approx(deviation, nan_ok=True)


def test_prices_are_positive_and_only_at_limits_that_exist(case: tuple[PlanningProblem, Plan]) -> None:
    problem, plan = case
    rules = {r.measure: r for r in problem.balance_rules()}
    assert set(plan.prices) == set(rules)
    for measure, by_rep in plan.prices.items():
        for rep_id, sides in by_rep.items():
            at = problem.reps.index.get_loc(rep_id)
            for side, price in sides.items():
                assert price > 0
                assert np.isfinite(getattr(rules[measure], side)[at])


def test_a_plan_without_rules_sends_every_account_to_the_nearest_rep(solved: Solved) -> None:
    _, plan = solved["no rule"]
    assert plan.status == "optimal"
    assert plan.rounds == 0
    assert set(plan.assignments["reason"]) == {"nearest rep"}


def test_travel_is_the_tables_own_or_the_distance(solved: Solved) -> None:
    problem, plan = solved["travel table"]
    assert problem.travel_table is not None
    known = problem.travel_table.set_index(["account_id", "rep_id"])["cost"]
    pairs = list(zip(plan.assignments.index, plan.assignments["rep_id"], strict=True))
    assert plan.assignments["travel"].tolist() == [known[pair] for pair in pairs]


def test_accounts_in_no_place_have_no_travel_and_are_assigned_by_the_other_rules(solved: Solved) -> None:
    problem, plan = solved["every rule"]
    nowhere = problem.accounts["location_source"] == "none"
    assert nowhere.sum() == 2
    assert plan.assignments.loc[nowhere, "travel"].isna().all()
    assert plan.assignments.loc[~nowhere, "travel"].notna().all()
    assert plan.assignments.loc[nowhere, "reason"].str.startswith("no coordinates and no known postal code").all()


def test_an_account_moved_when_its_owner_is_a_rep_and_another_one(solved: Solved) -> None:
    problem, plan = solved["every rule"]
    owner = problem.accounts["owner"].astype(object)
    assert (plan.assignments["previous_rep_id"] == owner).all()
    expected = [
        o in {"R1", "R2", "R3", "R4"} and o != r for o, r in zip(owner, plan.assignments["rep_id"], strict=True)
    ]
    assert plan.assignments["moved"].tolist() == expected
    assert any(expected)
    assert not all(expected)


def test_without_a_before_nothing_moved(solved: Solved) -> None:
    _, plan = solved["plane"]
    assert (plan.assignments["previous_rep_id"] == "").all()
    assert not plan.assignments["moved"].any()


def test_a_plan_prints_its_territories_and_its_proof(solved: Solved) -> None:
    _, plan = solved["every rule"]
    text = str(plan)
    assert all(rep in text for rep in ("R1", "R2", "R3", "R4"))
    assert "lower bound" in text


# The same again -----------------------------------------------------------------------------------------------------


def test_the_same_problem_gives_the_same_plan(solved: Solved) -> None:
    _, plan = solved["every rule"]
    again = solve(everything())
    pd.testing.assert_frame_equal(again.assignments, plan.assignments)
    pd.testing.assert_frame_equal(again.territories, plan.territories)
    assert (again.objective, again.lower_bound, again.prices, again.rounds) == (
        plan.objective,
        plan.lower_bound,
        plan.prices,
        plan.rounds,
    )


def test_the_rounds_a_plan_reports_replay_it() -> None:
    first = solve(everything(rounds=None, gap=2e-3))
    again = solve(everything(rounds=first.rounds, gap=2e-3))
    assert list(first.assignments["rep_id"]) == list(again.assignments["rep_id"])
    assert first.objective == again.objective


def test_the_order_of_the_accounts_does_not_change_the_optimum() -> None:
    accounts, reps = frames(30)
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "visits", "tolerance": 0.3}],
        "solve": {"gap": 0.0},
    }
    config = parse_config(content)
    plan = solve(load_frames(accounts, reps, config))
    turned = solve(load_frames(accounts.iloc[::-1], reps.iloc[::-1], config))
    assert plan.status == turned.status == "optimal"
    assert turned.objective == pytest.approx(plan.objective, rel=1e-6)
    assert list(turned.assignments.index) == list(plan.assignments.index)[::-1]


def test_iowa_is_planned_to_the_same_bytes_twice_and_passes_the_audit(tmp_path: Path) -> None:
    digests = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        problem = load(IOWA)
        options = problem.config.solve.model_copy(update={"rounds": 2})
        problem = replace(problem, config=problem.config.model_copy(update={"solve": options}))
        write_plan_files(problem, solve(problem), folder)
        digests.append(
            [
                hashlib.sha256((folder / name).read_bytes()).hexdigest()
                for name in ("assignments.csv", "territories.csv")
            ]
        )
    assert digests[0] == digests[1]
    report = audit(tmp_path / "first")
    assert report.passed, report.summary()


# Ends other than a plan ---------------------------------------------------------------------------------------------


def split_only(**solve_options: Any) -> PlanningProblem:
    """Three accounts of 4 visits for two reps with room for 6 each: only halves would fit."""
    accounts = pd.DataFrame({"account_id": list("abc"), "x": [0.0, 1.0, 2.0], "y": 0.0, "visits": 4.5})
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "x": [0.0, 2.0], "y": 0.0})
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "visits", "max": 7.0}],
        "travel": {"metric": "euclidean"},
        "solve": solve_options,
    }
    return load_frames(accounts, reps, parse_config(content))


def test_an_infeasible_plan_claims_nothing_else_and_passes_the_audit(tmp_path: Path) -> None:
    problem = split_only()
    plan = solve(problem)
    assert plan.status == "infeasible"
    assert plan.termination == "infeasible"
    assert (plan.objective, plan.lower_bound, plan.gap, plan.priced_bound) == (None, None, None, None)
    assert plan.assignments.empty
    assert plan.territories.empty
    assert plan.conflict is not None
    assert plan.conflict["rules"]
    write_plan_files(problem, plan, tmp_path)
    report = audit(tmp_path)
    assert report.passed, report.summary()


def test_limits_that_no_whole_count_can_meet_are_infeasible_with_a_proof_that_the_audit_accepts(tmp_path: Path) -> None:
    accounts, reps = frames(6)
    content = {"data": {"accounts": "a.csv", "reps": "r.csv"}, "balance": [{"measure": "count", "tolerance": 0.1}]}
    problem = load_frames(accounts, reps, parse_config(content))
    plan = solve(problem)  # six accounts among four: 1.35 to 1.65 each
    assert plan.status == "infeasible"
    write_plan_files(problem, plan, tmp_path)
    report = audit(tmp_path)
    assert report.passed, report.summary()


def test_time_that_runs_out_before_a_plan_is_no_plan_and_says_how_to_go_on() -> None:
    with pytest.raises(NoPlanError, match=r"1e-09 s.*Remedy: a longer \[solve\] time_limit_s"):
        solve(split_only(time_limit_s=1e-9))


def test_an_interruption_before_a_plan_is_no_plan() -> None:
    with pytest.raises(NoPlanError, match="interrupted before any plan"):
        solve(split_only(), should_stop=lambda: True)


def test_an_interruption_after_a_plan_gives_that_plan(tmp_path: Path) -> None:
    problem = everything(gap=0.0, rounds=None)
    plan = solve(problem, should_stop=lambda: True)
    assert plan.termination == "interrupted"
    write_plan_files(problem, plan, tmp_path)
    assert audit(tmp_path).passed


def test_time_that_runs_out_gives_the_best_plan_and_a_notice_how_to_repeat_it(tmp_path: Path) -> None:
    problem = everything(time_limit_s=1e-9, gap=0.0, rounds=None)
    plan = solve(problem)
    assert plan.termination == "time_limit"
    assert any(f"rounds = {plan.rounds}" in notice for notice in plan.notices)
    again = solve(everything(gap=0.0, rounds=plan.rounds))
    assert list(again.assignments["rep_id"]) == list(plan.assignments["rep_id"])
    write_plan_files(problem, plan, tmp_path)
    assert audit(tmp_path).passed


def test_progress_is_heard() -> None:
    heard: list[Progress] = []
    plan = solve(plane(), on_progress=heard.append)
    assert heard
    assert heard[-1].objective == pytest.approx(plan.objective)
