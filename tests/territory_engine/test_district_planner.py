"""Designed territories end to end: chosen centres, connected territories, and what the audit makes of them."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from territory_engine import district_planner
from territory_engine.auditing.audit import audit
from territory_engine.config import parse_config
from territory_engine.district_model import DistrictModel, build_district_model
from territory_engine.plan import TERRITORY_NAMES, Plan
from territory_engine.plan_directory import read_plan, write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames

_ORACLE = Path(__file__).parents[1] / "solvers" / "districting" / "conftest.py"
_spec = importlib.util.spec_from_file_location("districting_oracle", _ORACLE)
assert _spec is not None
assert _spec.loader is not None
_oracle = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_oracle)

EIGHT = [0.0, 1.0, 2.0, 10.0, 11.0, 20.0, 21.0, 22.0]


def problem(
    x: list[float],
    rules: dict[str, Any],
    *,
    pairs: list[tuple[str, str]] | None = None,
    reps: pd.DataFrame | None = None,
    travel: pd.DataFrame | None = None,
    **columns: list[Any],
) -> PlanningProblem:
    """Return accounts a, b, c, … on a line."""
    ids = [chr(ord("a") + i) for i in range(len(x))]
    accounts = pd.DataFrame({"account_id": ids, "x": x, "y": 0.0, **columns})
    config: dict[str, Any] = {
        "data": {"accounts": "a.csv", **({"reps": "r.csv"} if reps is not None else {})},
        "travel": {"metric": "euclidean"},
        "solve": {"time_limit_s": 20.0, "gap": 0.0},
        **rules,
    }
    if pairs is not None:
        config["contiguity"] = {"adjacency": "pairs.csv", "unit_id": config.pop("unit_id", "account_id")}
    if travel is not None:
        config["travel"] = {"table": "travel.csv"}
    more: dict[str, Any] = {}
    if pairs is not None:
        more["adjacency"] = pd.DataFrame(pairs, columns=["unit_a", "unit_b"])
    return load_frames(accounts, reps, parse_config(config), travel, **more)


def free(count: int, **more: Any) -> dict[str, Any]:
    return {"territories": {"centers": "free", "count": count}, **more}


def even(tolerance: float = 0.0) -> dict[str, Any]:
    return {"balance": [{"measure": "count", "tolerance": tolerance}]}


def parts(plan: Plan) -> set[str]:
    """Return the territories as words: the accounts of each in order."""
    return {"".join(group.index) for _, group in plan.assignments.groupby("territory_id")}


def audited(planning: PlanningProblem, plan: Plan, folder: Path) -> set[str]:
    """Write a plan, read it back the same, audit it, and return the checks that fail."""
    write_plan_files(planning, plan, folder)
    again, stored = read_plan(folder)
    pd.testing.assert_frame_equal(stored.territories, plan.territories, check_dtype=False)
    if plan.units is not None:
        assert stored.units is not None
        assert stored.units["territory_id"].tolist() == plan.units["territory_id"].tolist()
    if plan.multipliers is not None:
        assert stored.multipliers is not None
        np.testing.assert_array_equal(stored.multipliers, plan.multipliers)
    assert again.territory_ids.tolist() == planning.territory_ids.tolist()
    return {check.name for check in audit(folder).failed}


# --- chosen centres ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [1, 2])
def test_centres_and_assignment_are_the_best_of_all(power: int, tmp_path: Path) -> None:
    rules = free(3, **even(0.4), travel={"metric": "euclidean", "power": power})
    planning = problem(EIGHT, rules)
    plan = solve(planning)
    best = _oracle.brute_force(build_district_model(planning).problem)
    assert plan.objective == pytest.approx(best)
    assert parts(plan) == {"abc", "de", "fgh"}
    assert plan.territories["center_id"].tolist() == ["b", "d", "g"] or set(plan.territories["center_id"]) <= set(
        "bdeg"
    )
    assert audited(planning, plan, tmp_path) == set()


def test_without_reps_territories_stand_for_themselves(tmp_path: Path) -> None:
    plan = solve(problem(EIGHT, free(2, **even())))
    assert plan.territories.index.tolist() == ["T01", "T02"]
    assert set(plan.assignments["rep_id"]) == {""}
    assert plan.centred
    assert np.isfinite(plan.centre_places()).all()


@pytest.mark.parametrize("metric", ["euclidean", "haversine"])
def test_every_column_of_a_territory_is_a_measures_or_one_that_no_measure_may_be_called(metric: str) -> None:
    planning = problem(EIGHT, free(2, **even(), travel={"metric": metric}), latitude=EIGHT, longitude=[9.0] * 8)
    columns = set(solve(planning).territories.reset_index().columns)
    measures = {"count", "count_target", "count_deviation"}
    assert columns - measures <= TERRITORY_NAMES
    assert columns - measures == {name for name in TERRITORY_NAMES if not name.startswith("center_")} | {
        "center_id",
        *(("center_x", "center_y") if metric == "euclidean" else ("center_latitude", "center_longitude")),
    }


def test_the_bound_covers_the_choice_of_centres(tmp_path: Path) -> None:
    planning = problem(EIGHT, free(3, **even(0.4)))
    plan = solve(planning)
    best = _oracle.brute_force(build_district_model(planning).problem)
    assert plan.lower_bound is not None
    assert plan.priced_bound is not None
    assert plan.lower_bound <= best + 1e-9
    assert plan.priced_bound <= best + 1e-9
    assert plan.multipliers is not None
    assert plan.multipliers.index.tolist() == list("abcdefgh")


def test_the_plan_says_what_its_bound_leaves_out(tmp_path: Path) -> None:
    chosen = problem(
        EIGHT,
        free(2, balance=[{"measure": "count", "tolerance": 0.5}, {"measure": "calls", "max": 30.0}]),
        pairs=list(pairwise("abcdefgh")),
        calls=[float(i) for i in range(8)],
    )
    model = build_district_model(chosen)
    name = district_planner._left_out
    assert name(model, {"kind": "prices", "measure": 0}) == ["connection", "whole units", "the limits on calls"]
    assert name(model, {"kind": "prices", "measure": 1, "whole_units": True}) == [
        "connection",
        "the limits on accounts",
    ]
    assert name(model, {"kind": "search"}) == []


def test_alike_territories_go_to_the_reps_who_live_nearest(tmp_path: Path) -> None:
    reps = pd.DataFrame({"rep_id": ["east", "west"], "x": [21.0, 1.0], "y": [0.0, 0.0]})
    planning = problem(EIGHT, {"territories": {"centers": "free"}, **even()}, reps=reps)
    plan = solve(planning)
    assert plan.assignments["rep_id"].iloc[[0, 7]].tolist() == ["west", "east"]
    assert plan.assignments["territory_id"].tolist() == plan.assignments["rep_id"].tolist()
    assert audited(planning, plan, tmp_path) == set()


def test_shares_locks_and_lists_hold_where_centres_are_chosen(tmp_path: Path) -> None:
    reps = pd.DataFrame({"rep_id": ["A", "B"], "capacity": [3.0, 1.0], "segments": ["s;k", "s"]})
    rules = {
        "territories": {"centers": "free"},
        "balance": [{"measure": "count", "tolerance": 0.0, "share": "capacity"}],
        "locks": {"column": "lock"},
        "eligibility": {"column": "segment", "reps_column": "segments"},
    }
    planning = problem(EIGHT, rules, reps=reps, lock=["", "B", "", "", "", "", "", ""], segment=["k", *["s"] * 7])
    plan = solve(planning)
    owner = plan.assignments["rep_id"]
    assert (owner == "B").sum() == 2
    assert owner["b"] == "B"
    assert owner["a"] == "A"
    assert plan.objective == pytest.approx(_oracle.brute_force(build_district_model(planning).problem))
    assert audited(planning, plan, tmp_path) == set()


def test_groups_move_together_to_chosen_centres(tmp_path: Path) -> None:
    rules = free(2, **even(), groups={"column": "parent"})
    planning = problem(EIGHT, rules, parent=["P", "", "", "", "", "", "", "P"])
    plan = solve(planning)
    owner = plan.assignments["territory_id"]
    assert owner["a"] == owner["h"]
    assert plan.objective == pytest.approx(_oracle.brute_force(build_district_model(planning).problem))
    assert audited(planning, plan, tmp_path) == set()


def test_centres_are_chosen_from_a_travel_table(tmp_path: Path) -> None:
    x = dict(zip("abcdefgh", EIGHT, strict=True))
    rows = [{"center_id": c, "account_id": a, "cost": abs(x[a] - x[c]) + 1.0} for c in "bdg" for a in x]
    planning = problem(EIGHT, free(2, **even()), travel=pd.DataFrame(rows))
    plan = solve(planning)
    assert set(plan.territories["center_id"]) <= set("bdg")
    assert plan.objective == pytest.approx(_oracle.brute_force(build_district_model(planning).problem))
    assert audited(planning, plan, tmp_path) == set()


def test_no_account_is_further_from_its_centre_than_allowed(tmp_path: Path) -> None:
    planning = problem([0.0, 1.0, 2.0, 9.0], free(2, eligibility={"max_travel": 5.0}, **even(0.5)))
    plan = solve(planning)
    assert parts(plan) == {"abc", "d"}
    assert audited(planning, plan, tmp_path) == set()


# --- territories in one piece -----------------------------------------------------------------------------------------

CROSSED = [("a", "c"), ("c", "b"), ("b", "d")]
"""Neighbours that are not near: a line a – c – b – d through points where a and b, c and d lie together."""
FOUR = [0.0, 1.0, 10.0, 11.0]


@pytest.mark.parametrize("centres", ["free", "reps"])
def test_territories_are_in_one_piece_though_that_is_dearer(centres: str, tmp_path: Path) -> None:
    reps = pd.DataFrame({"rep_id": ["A", "B"], "x": [0.5, 10.5], "y": 0.0}) if centres == "reps" else None
    rules = free(2, **even()) if centres == "free" else even()
    apart = solve(problem(FOUR, rules, reps=reps))
    planning = problem(FOUR, rules, reps=reps, pairs=CROSSED)
    plan = solve(planning)
    assert parts(apart) == {"ab", "cd"}
    assert parts(plan) == {"ac", "bd"}
    assert plan.objective == pytest.approx(_oracle.brute_force(build_district_model(planning).problem))
    assert plan.status == "optimal"
    assert audited(planning, plan, tmp_path) == set()


def test_a_model_that_lost_the_graph_makes_a_plan_that_fails_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_graph(planning: PlanningProblem) -> DistrictModel:
        model = build_district_model(planning)
        return replace(model, problem=replace(model.problem, graph=None))

    planning = problem(FOUR, free(2, **even()), pairs=CROSSED)
    monkeypatch.setattr(district_planner, "build_district_model", without_graph)
    assert "contiguity" in audited(planning, solve(planning), tmp_path)


def test_accounts_of_one_unit_stay_together_and_empty_units_are_assigned(tmp_path: Path) -> None:
    rules = free(2, **even(0.5), unit_id="zip")
    pairs = [("u1", "u2"), ("u2", "u3"), ("u3", "u4")]
    planning = problem(EIGHT, rules, pairs=pairs, zip=["u1", "u1", "u1", "u1", "u3", "u4", "u4", "u4"])
    plan = solve(planning)
    assert plan.units is not None
    assert plan.units["accounts"].to_dict() == {"u1": 4, "u2": 0, "u3": 1, "u4": 3}
    assert (
        plan.assignments.groupby("zip" if "zip" in plan.assignments else planning.accounts["zip"])["territory_id"]
        .nunique()
        .max()
        == 1
    )
    assert audited(planning, plan, tmp_path) == set()


def test_reasons_name_the_unit_that_moves_as_a_whole() -> None:
    chain = list(pairwise("pqrs"))
    planning = problem(EIGHT, free(2, **even(0.5), unit_id="u"), pairs=chain, u=list("ppqqrrss"))
    reasons = solve(planning).assignments["reason"]
    assert [
        reason.endswith(f"(with all 2 accounts of unit {unit})")
        for unit, reason in zip("ppqqrrss", reasons, strict=True)
    ] == [True] * 8


def test_limits_of_several_measures_hold_at_once(tmp_path: Path) -> None:
    rules = free(2, balance=[{"measure": "count", "tolerance": 0.25}, {"measure": "visits", "max": 14.0}])
    planning = problem(EIGHT, rules, visits=[5, 5, 5, 1, 1, 1, 1, 1])
    plan = solve(planning)
    assert plan.objective == pytest.approx(_oracle.brute_force(build_district_model(planning).problem))
    assert (plan.territories["visits"] <= 14).all()
    assert audited(planning, plan, tmp_path) == set()


# --- when there is no plan --------------------------------------------------------------------------------------------


def test_an_account_that_fits_nowhere_is_named(tmp_path: Path) -> None:
    planning = problem(EIGHT, free(2, balance=[{"measure": "visits", "max": 9.0}]), visits=[10, 1, 1, 1, 1, 1, 1, 1])
    plan = solve(planning)
    assert plan.status == "infeasible"
    assert plan.conflict is not None
    assert "a" in plan.conflict["accounts"]
    assert any("10 visits" in rule for rule in plan.conflict["rules"])
    assert audited(planning, plan, tmp_path) == set()


def test_a_conflict_of_connection_is_proved_and_mended(tmp_path: Path) -> None:
    # A star: whoever has the middle has all it touches or leaves single leaves, and no leaf is half of the load.
    pairs = [("a", "b"), ("a", "c"), ("a", "d")]
    planning = problem(FOUR, free(2, **even(0.1)), pairs=pairs)
    plan = solve(planning)
    assert plan.status == "infeasible"
    assert plan.conflict is not None
    assert any("in one piece" in rule for rule in plan.conflict["rules"])
    assert any("tolerance of accounts from 0.1 to 0.5" in text for text in plan.conflict["relaxations"])
    assert any("[contiguity]" in text for text in plan.conflict["relaxations"])
    assert audited(planning, plan, tmp_path) == set()


def rules_of(plan: Plan) -> list[str]:
    assert plan.conflict is not None
    rules: list[str] = plan.conflict["rules"]
    return rules


@pytest.mark.parametrize(
    ("limits", "rule", "relaxation"),
    [
        (
            {"tolerance": 0.0},
            "there are 4 accounts; the 3 territories may carry at most 3 together, since loads are whole"
            " numbers: 1.333333333 each, rounded down to 1",
            "raise the tolerance of accounts from 0 to 0.5",
        ),
        (
            {"max": 1},
            "there are 4 accounts; the 3 territories may carry at most 3 together",
            "raise the max of accounts from 1 to 2",
        ),
        (
            {"tolerance": 0.9, "min": 5},
            "there are 4 accounts; the 3 territories must carry at least 15 together",
            "lower the min of accounts from 5 to 1",
        ),
    ],
)
def test_sums_that_do_not_fit_are_told_as_sums(
    limits: dict[str, float], rule: str, relaxation: str, tmp_path: Path
) -> None:
    reps = pd.DataFrame({"rep_id": ["A", "B", "C"]})
    planning = problem(FOUR, free(3, balance=[{"measure": "count", **limits}]), reps=reps)
    plan = solve(planning)
    assert rules_of(plan) == [rule]
    assert plan.conflict is not None
    assert plan.conflict["relaxations"] == [relaxation]
    assert audited(planning, plan, tmp_path) == set()


def test_travel_alone_can_be_impossible_without_any_limit_on_loads(tmp_path: Path) -> None:
    chain = list(pairwise("abcdefgh"))
    planning = problem(EIGHT, free(1, eligibility={"max_travel": 3.0}), pairs=chain)
    plan = solve(planning)
    assert plan.status == "infeasible"
    assert rules_of(plan) == [
        "there is 1 territory",
        "no account is more than 3 map units from the centre of its territory",
        "geographic units are assigned whole",
    ]
    assert plan.conflict is not None
    assert plan.conflict["relaxations"] == ["raise max_travel from 3 to 15 map units"]
    assert audited(planning, plan, tmp_path) == set()


def test_locks_that_pull_a_territory_apart_are_named(tmp_path: Path) -> None:
    reps = pd.DataFrame({"rep_id": ["A", "B"], "x": [0.0, 22.0], "y": 0.0})
    rules = {**even(0.9), "locks": {"column": "lock"}}
    planning = problem(
        EIGHT, rules, reps=reps, pairs=list(pairwise("abcdefgh")), lock=["A", "", "", "B", "", "", "", "A"]
    )
    plan = solve(planning)
    assert plan.status == "infeasible"
    assert "a and h are locked to A" in rules_of(plan)
    assert "d is locked to B" in rules_of(plan)
    assert plan.conflict is not None
    assert "unlock accounts ([locks]): without any lock there is a plan" in plan.conflict["relaxations"]
    assert audited(planning, plan, tmp_path) == set()


def test_limits_that_clash_without_connection_are_told_as_for_rep_homes(tmp_path: Path) -> None:
    reps = pd.DataFrame({"rep_id": ["A", "B"], "x": [0.5, 10.5], "y": 0.0, "room": [2.0, 1.0]})
    rules = {"balance": [{"measure": "count", "max": "room"}]}
    planning = problem(FOUR, rules, reps=reps, pairs=CROSSED)
    plan = solve(planning)
    assert plan.status == "infeasible"
    assert audited(planning, plan, tmp_path) == set()


# --- what the audit sees ----------------------------------------------------------------------------------------------


def edited(folder: Path, name: str, old: str, new: str) -> set[str]:
    """Change one of the plan's tables and return the checks that fail, besides the one that sees files change."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    return {check.name for check in audit(folder).failed} - {"files"}


def connected_plan(folder: Path) -> Plan:
    planning = problem(FOUR, free(2, **even()), pairs=CROSSED)
    plan = solve(planning)
    assert audited(planning, plan, folder) == set()
    return plan


def test_a_centre_that_is_not_its_territorys_own_fails(tmp_path: Path) -> None:
    plan = connected_plan(tmp_path)
    first, second = plan.territories["center_id"]
    assert "centers" in edited(tmp_path, "territories.csv", f",{first},", f",{second},")


def test_a_unit_told_in_another_territory_fails(tmp_path: Path) -> None:
    plan = connected_plan(tmp_path)
    here = plan.units["territory_id"]["a"] if plan.units is not None else ""
    other = {"T01": "T02", "T02": "T01"}[here]
    assert "units_whole" in edited(tmp_path, "units.csv", f"a,{here}", f"a,{other}")


def test_multipliers_that_do_not_prove_the_bound_fail(tmp_path: Path) -> None:
    plan = connected_plan(tmp_path)
    assert plan.multipliers is not None
    value = repr(float(plan.multipliers.iloc[0]))
    assert "priced_bound" in edited(tmp_path, "multipliers.csv", value, repr(float(plan.multipliers.iloc[0]) + 7.0))


def test_a_bound_above_what_is_proved_fails(tmp_path: Path) -> None:
    connected_plan(tmp_path)
    record = json.loads((tmp_path / "plan.json").read_text())
    record["priced_bound"] += 1.0
    (tmp_path / "plan.json").write_text(json.dumps(record))
    assert "priced_bound" in {check.name for check in audit(tmp_path).failed}
