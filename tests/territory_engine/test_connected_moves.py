"""Connected territories that keep a limit on moves, or pay for them: end to end, with the audit and what refuses a plan."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from solvers.districting.ladder import fewest_moves
from territory_engine import district_planner
from territory_engine.auditing.audit import audit
from territory_engine.config import parse_config
from territory_engine.district_model import DistrictModel, build_district_model
from territory_engine.district_planner import solve_districts
from territory_engine.errors import NoPlanError
from territory_engine.plan import Plan
from territory_engine.plan_directory import write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load, load_frames

IOWA = Path(__file__).parents[2] / "examples" / "iowa"
UNITS = [f"u{i}" for i in range(8)]


def line(owners: str, disruption: dict[str, Any] | None = None, **rules: Any) -> PlanningProblem:
    """Eight units in a row with two accounts each, between A's home at 0.5 and B's at 6.5.

    ``owners`` has a letter per account: ``.`` for nobody, ``Z`` for somebody who left.
    """
    accounts = pd.DataFrame(
        {
            "account_id": [f"{u}{side}" for u in UNITS for side in "xy"],
            "unit": np.repeat(UNITS, 2),
            "x": np.repeat(np.arange(8.0), 2),
            "y": 0.0,
            "owner": ["" if o == "." else o for o in owners],
            "value": [1.0, 2.0] * 8,
        }
    )
    reps = pd.DataFrame({"rep_id": ["A", "B"], "x": [0.5, 6.5], "y": 0.0})
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "travel": {"metric": "euclidean"},
        "contiguity": {"adjacency": "pairs.csv", "unit_id": "unit"},
        "solve": {"time_limit_s": 60.0, "gap": 0.0},
        "balance": [{"measure": "count", "tolerance": 0.0}],
        "disruption": {"current": "owner", **(disruption or {})},
        **rules,
    }
    pairs = pd.DataFrame(list(pairwise(UNITS)), columns=["unit_a", "unit_b"])
    return load_frames(accounts, reps, parse_config(content), adjacency=pairs)


def of_units(plan: Plan) -> str:
    return "".join(plan.assignments["rep_id"].iloc[::2])


def failed(planning: PlanningProblem, plan: Plan, folder: Path) -> set[str]:
    write_plan_files(planning, plan, folder)
    return {check.name for check in audit(folder).failed}


def tell(folder: Path, change: Callable[[dict[str, Any]], Any]) -> set[str]:
    """Change plan.json and return the checks that fail."""
    path = folder / "plan.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    for name in record["files"]:
        record["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(record), encoding="utf-8")
    return {check.name for check in audit(folder).failed}


FAIR = {"balance": [{"measure": "count", "tolerance": 0.5}]}
SKEWED = "AAAAAAAAAAAABBBB"
"""A has six of the eight units, two more than are near."""


def test_a_limit_of_nothing_is_todays_alignment_where_that_keeps_the_rules(tmp_path: Path) -> None:
    planning = line(SKEWED, {"max_moved": 0.0}, **FAIR)
    plan = solve(planning)
    assert of_units(solve(line(SKEWED, **FAIR))) == "AAAABBBB"
    assert of_units(plan) == "AAAAAABB"
    assert plan.status == "optimal"
    assert plan.disruption is not None
    assert plan.disruption["accounts_moved"] == 0
    assert not plan.assignments["moved"].any()
    assert failed(planning, plan, tmp_path) == set()


@pytest.mark.parametrize(("most", "expected"), [(0.12, "AAAAAABB"), (0.13, "AAAAABBB"), (0.25, "AAAABBBB")])
def test_as_much_changes_hands_as_may_and_pays(most: float, expected: str, tmp_path: Path) -> None:
    planning = line(SKEWED, {"max_moved": most}, **FAIR)
    plan = solve(planning)
    assert of_units(plan) == expected
    assert plan.status == "optimal"
    assert plan.objective_terms["travel"] == plan.objective
    assert failed(planning, plan, tmp_path) == set()


@pytest.mark.parametrize(("weight", "expected"), [(0.9, "AAAABBBB"), (1.1, "AAAAABBB"), (3.1, "AAAAAABB")])
def test_a_price_is_paid_where_the_travel_saved_is_worth_it(weight: float, expected: str, tmp_path: Path) -> None:
    # Going from A to B saves an account of unit 4 one unit of distance, and of unit 5 three.
    planning = line(SKEWED, {"weight": weight}, **FAIR)
    plan = solve(planning)
    moved = 2 * (expected.count("B") - 2)
    assert of_units(plan) == expected
    assert plan.status == "optimal"
    assert plan.objective_terms["disruption"] == pytest.approx(weight * moved)
    assert plan.objective == pytest.approx(plan.objective_terms["travel"] + weight * moved)
    assert failed(planning, plan, tmp_path) == set()
    assert tell(tmp_path, lambda record: record["objective_terms"].update(disruption=99.0)) >= {"objective_terms"}


def test_protected_accounts_and_another_measure_count_for_more(tmp_path: Path) -> None:
    rule = {"measure": "value", "max_moved": 0.34, "protect": [{"column": "value", "weight": 1.0}]}
    planning = line(SKEWED, rule, **FAIR)
    plan = solve(planning)
    # A unit has 1 and 2, which count 1 · 2 and 2 · 3: one unit is within 0.34 · 24, two are not.
    assert of_units(plan) == "AAAAABBB"
    assert plan.disruption is not None
    assert plan.disruption["counted"] == 8.0
    assert failed(planning, plan, tmp_path) == set()


def test_a_mixed_unit_moves_whole_and_what_must_move_counts(tmp_path: Path) -> None:
    mixed = "AAAAAAABBBBBBBBB"
    refused = solve(line(mixed, {"max_moved": 0.0}))
    assert refused.status == "infeasible"
    assert refused.conflict is not None
    assert refused.conflict["least_moved"] == {"fraction": 1 / 16, "proved_fraction": 1 / 16}
    assert (
        "today 1 geographic unit has accounts of several reps (u3), and a unit goes to one rep whole"
        in (refused.conflict["rules"])
    )
    planning = line(mixed, {"max_moved": 1 / 16})
    plan = solve(planning)
    assert of_units(plan) == "AAAABBBB"
    assert plan.assignments["moved"].sum() == 1
    assert failed(planning, plan, tmp_path) == set()


def test_pieces_limits_and_the_least_limit_are_named_where_there_is_no_plan(tmp_path: Path) -> None:
    planning = line("AAAABBBBAAAABBBB", {"max_moved": 0.1})
    plan = solve(planning)
    assert plan.conflict is not None
    rules = plan.conflict["rules"]
    assert "today A's territory is in 2 pieces, and has to be in one" in rules
    assert "today B's territory is in 2 pieces, and has to be in one" in rules
    assert "every territory is in one piece" in rules
    assert plan.conflict["least_moved"] == {"fraction": 0.5, "proved_fraction": 0.5}
    assert plan.conflict["relaxations"][0].startswith("raise max_moved in [disruption] to 0.5: ")
    assert failed(planning, plan, tmp_path) == set()
    assert solve(line("AAAABBBBAAAABBBB", {"max_moved": 0.5})).status == "optimal"
    heavy = solve(line(SKEWED, {"max_moved": 0.1}))
    assert heavy.conflict is not None
    assert "today A has 12 accounts, and may have at most 8" in heavy.conflict["rules"]
    assert heavy.conflict["certificate"] > 0
    assert failed(line(SKEWED, {"max_moved": 0.1}), heavy, tmp_path / "heavy") == set()


def test_units_that_nobody_has_join_pieces_and_move_for_nothing(tmp_path: Path) -> None:
    planning = line("AA..AAZZ..BBBBBB", {"max_moved": 0.0})
    plan = solve(planning)
    assert of_units(plan) == "AAAABBBB"
    assert plan.disruption is not None
    assert (plan.disruption["accounts_moved"], plan.disruption["accounts_assigned"]) == (0, 6)
    assert failed(planning, plan, tmp_path) == set()


def test_rules_that_clash_without_the_limit_are_told_as_ever() -> None:
    rules = {"balance": [{"measure": "count", "min": 9.0}]}
    limited, plain = (solve(line(SKEWED, rule, **rules)) for rule in ({"max_moved": 0.0}, {}))
    assert limited.conflict is not None
    assert plain.conflict is not None
    assert limited.conflict["rules"] == plain.conflict["rules"]


def test_a_plan_that_lost_the_limit_on_the_way_to_the_solver_fails_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(planning: PlanningProblem) -> DistrictModel:
        return build_district_model(planning).without_limit_on_moves()

    planning = line(SKEWED, {"max_moved": 0.12}, **FAIR)
    assert of_units(solve(planning)) == "AAAAAABB"
    monkeypatch.setattr(district_planner, "build_district_model", without)
    plan = solve(planning)
    assert of_units(plan) == "AAAABBBB"
    assert "max_moved" in failed(planning, plan, tmp_path)


def test_edited_moves_limits_and_prices_fail_the_audit(tmp_path: Path) -> None:
    planning = line(SKEWED, {"max_moved": 0.13}, **FAIR)
    plan = solve(planning)
    assert plan.disruption is not None
    assert plan.disruption["price"] > 0
    write_plan_files(planning, plan, tmp_path / "plan")

    def edited(change: Callable[[dict[str, Any]], Any]) -> set[str]:
        shutil.rmtree(tmp_path / "edited", ignore_errors=True)
        shutil.copytree(tmp_path / "plan", tmp_path / "edited")
        return tell(tmp_path / "edited", change)

    assert edited(lambda record: None) == set()
    assert "max_moved" in edited(lambda record: record["config"]["disruption"].update(max_moved=0.05))
    assert "disruption" in edited(lambda record: record["disruption"].update(counted=0.0))
    assert "disruption" in edited(lambda record: record.pop("disruption"))
    assert edited(lambda record: record["disruption"].update(price=1.5 * record["disruption"]["price"])) & {
        "priced_bound",
        "lower_bound",
    }
    assert edited(lambda record: record["disruption"].update(price=-1.0))


def test_reasons_speak_of_moves() -> None:
    priced = solve(line(SKEWED, {"weight": 1.1}, **FAIR))
    reason = priced.assignments.loc["u4x", "reason"]
    assert reason.startswith("B would travel less (saves 2 map units), but")
    assert "moving it from A, its rep today, costs 2.20 (2 accounts)" in reason
    limited = solve(line(SKEWED, {"max_moved": 0.13}, **FAIR))
    assert "at the prices of limits and moves B and A are equally good" in limited.assignments.loc["u4x", "reason"]


def test_a_lock_is_kept_before_an_account_is_and_counts() -> None:
    rules = {"locks": {"column": "owner"}}
    every = line("AAAAAAAABBBBBBBB", {"max_moved": 0.0}, **rules)
    assert of_units(solve(every)) == "AAAABBBB"
    apart = line("AAAABBAABBBBBBBB", {"max_moved": 1.0}, **rules)
    assert solve(apart).status == "infeasible"


def test_a_start_that_keeps_every_rule_is_never_lost() -> None:
    planning = line(SKEWED, {"max_moved": 0.13}, **FAIR)
    start = np.where(planning.accounts["owner"] == "A", 0, 1).astype(np.int64)
    settings = planning.config.solve.model_copy(update={"rounds": 0})
    hurried = replace(planning, config=planning.config.model_copy(update={"solve": settings}))
    plan = solve_districts(hurried, start=start)
    assert plan.objective is not None
    assert plan.objective <= (solve(line(SKEWED, {"max_moved": 0.0}, **FAIR)).objective or 0.0)
    model = build_district_model(planning)
    least = fewest_moves(model.problem, time_limit_s=planning.config.solve.time_limit_s, start=model.of_units(start))
    assert (least.status, least.objective) == ("optimal", 0.0)


def test_the_fewest_moves_that_were_found_are_advice_where_no_plan_was() -> None:
    planning = line(SKEWED, {"max_moved": 0.13}, **FAIR)
    text = district_planner.nothing_found(planning, "time_limit", 0.12345678)
    assert "max_moved = 0.1235 in [disruption], with which a plan was found" in text
    assert issubclass(NoPlanError, Exception)


@pytest.fixture(scope="module")
def iowa(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    """A folder with Iowa's accounts owned by a plan of six reps, and a configuration with five; and the plan of five."""
    folder = tmp_path_factory.mktemp("iowa")
    for name in ("iowa_counties.gpkg", "reps.csv", "accounts.csv"):
        shutil.copy(IOWA / name, folder / name)
    reps = pd.read_csv(folder / "reps.csv", dtype=str)
    reps = reps[reps["rep_id"].isin(["R01", "R02", "R05", "R06", "R09", "R11"])]
    reps.to_csv(folder / "reps.csv", index=False)
    text = (IOWA / "connected.toml").read_text(encoding="utf-8")
    text = text.replace('count   = 6\ncenters = "free"', 'centers = "reps"').replace(
        "[data]", '[data]\nreps = "reps.csv"'
    )
    text = text.replace("time_limit_s = 30", "time_limit_s = 300\ngap = 0.02")
    assert 'centers = "reps"' in text
    (folder / "six.toml").write_text(text, encoding="utf-8")
    six = solve(load(folder / "six.toml"))
    accounts = pd.read_csv(folder / "accounts.csv", dtype=str)
    accounts.assign(owner=six.assignments["rep_id"].to_numpy()).to_csv(folder / "accounts.csv", index=False)
    reps[reps["rep_id"] != "R11"].to_csv(folder / "reps.csv", index=False)
    rule = '\n[disruption]\ncurrent = "owner"\nmeasure = "visits_2022"\nmax_moved = 0.03\n'
    (folder / "five.toml").write_text(text + rule, encoding="utf-8")
    return folder, solve(load(folder / "five.toml"))


def test_iowa_without_one_rep_stays_connected_within_its_limit(iowa: tuple[Path, Plan], tmp_path: Path) -> None:
    folder, plan = iowa
    planning = load(folder / "five.toml")
    assert plan.disruption is not None
    assert 0 < plan.disruption["moved_fraction"] <= 0.03
    assert plan.disruption["accounts_assigned"] == (planning.accounts["owner"] == "R11").sum()
    assert failed(planning, plan, tmp_path) == set()
    assert "max_moved" in tell(tmp_path, lambda record: record["config"]["disruption"].update(max_moved=0.001))
