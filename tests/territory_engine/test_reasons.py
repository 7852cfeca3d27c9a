"""Every reason is true: each sentence is read back and its numbers are worked out again from the plan's prices."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from territory_engine.config import parse_config
from territory_engine.plan import Plan
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames
from territory_engine.wording import number

REP_IDS = ["R1", "R2", "R3", "R4"]
NUMBER = r"[\d.,]+"
ONLY = re.compile(r"only (?P<rep>R\d) may serve it")
LOCKED = re.compile(r"locked to (?P<rep>R\d)")
NEAREST = re.compile(
    rf"nearest rep(?P<able> who may serve it)?(; at the limits' prices (?P<cheaper>R\d) would be (?P<loss>{NUMBER}) \S+ cheaper,"
    r" but whole accounts have to fit)?"
)
ELSEWHERE = re.compile(
    rf"(?P<near>R\d) (is (?P<closer>{NUMBER}) km nearer|would travel less) \(saves (?P<saved>{NUMBER}) \S+\)"
    rf"(, but room there is (?P<dearer>{NUMBER}) \S+ dearer than with (?P<own>R\d): (?P<why>.*)"
    r"|; at the limits' prices (?P<tied>R\d and R\d) are equally good, and whole accounts have to fit the limits"
    rf"|; whole accounts have to fit the limits, and at their prices (?P<cheaper>R\d) would be (?P<loss>{NUMBER}) \S+ cheaper)"
)


STAND = r"( \(at (?P<stands{0}>{1}) of at (?P<side{0}>most|least) (?P<limit{0}>{1})\))?"
MEASURE = re.compile(
    rf"(?P<load>{NUMBER}) (of )?(?P<measure>\w+) (?P<verb>costs?|saves?) (?P<dear>{NUMBER}|nothing) with (?P<there>R\d)"
    + STAND.format("", NUMBER)
    + rf" (against|and (?P<other>costs?|saves?)) (?P<cheap>{NUMBER}|nothing) with (?P<here>R\d)"
    + STAND.format("2", NUMBER)
)


def planned(n: int, seed: int, rules: dict[str, Any]) -> tuple[PlanningProblem, Plan]:
    rng = np.random.default_rng(seed)
    accounts = pd.DataFrame(
        {
            "account_id": [f"{i:04d}" for i in range(n)],
            "latitude": rng.normal(41.6, 0.7, n).round(4),
            "longitude": rng.normal(-93.4, 1.0, n).round(4),
            "visits": rng.integers(1, 9, n).astype(float),
            "revenue": rng.lognormal(9, 0.8, n).round(2),
            "segment": rng.choice(["smb", "key", "gov"], n, p=[0.8, 0.15, 0.05]),
            "parent": [f"P{i % 3}" if i % 10 == 0 else "" for i in range(n)],
            "locked_rep": ["R4" if i in {3, 17} else "" for i in range(n)],
        }
    )
    reps = pd.DataFrame(
        {
            "rep_id": REP_IDS,
            "latitude": [41.6, 42.5, 41.0, 42.0],
            "longitude": [-93.6, -92.3, -95.5, -91.6],
            "segments": ["smb;key;gov", "smb", "smb;key", "smb ; key"],
        }
    )
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "visits", "tolerance": 0.1}, {"measure": "revenue", "tolerance": 0.15}],
        "solve": {"rounds": 0},
        **rules,
    }
    problem = load_frames(accounts, reps, parse_config(content))
    return problem, solve(problem)


class Facts:
    """What a colleague with a calculator would find, one account at a time, for accounts that are in no group."""

    def __init__(self, problem: PlanningProblem, plan: Plan) -> None:
        self.problem, self.plan = problem, plan
        self.km = np.array(
            [[self._km(a, r) for _, r in problem.reps.iterrows()] for _, a in problem.accounts.iterrows()]
        )
        config = problem.config
        self.cost = problem.weights()[:, None] * self.km**config.travel.power
        self.allowed = np.ones(self.cost.shape, np.bool_)
        if config.eligibility and config.eligibility.column:
            lists = [{s.strip() for s in text.split(";")} for text in problem.reps["segments"]]
            self.allowed &= np.array([[s in known for known in lists] for s in problem.accounts["segment"]])
        if config.locks:
            lock = problem.accounts["locked_rep"].to_numpy(object)[:, None]
            self.allowed &= (lock == "") | (lock == np.array(REP_IDS, object))
        self.net = np.array(
            [
                [plan.prices[m].get(r, {}).get("upper", 0) - plan.prices[m].get(r, {}).get("lower", 0) for r in REP_IDS]
                for m in problem.measures
            ]
        )
        loads = np.array([problem.measure_values(m) for m in problem.measures])
        self.priced_load = np.einsum("kt,ki->it", self.net, loads)
        self.loads = loads
        self.own = plan.assignments["rep_id"].map(REP_IDS.index).to_numpy(np.int64)

    @staticmethod
    def _km(a: Any, r: Any) -> float:
        phi, psi = np.radians(a["latitude"]), np.radians(r["latitude"])
        h = np.sin((psi - phi) / 2) ** 2
        h += np.cos(phi) * np.cos(psi) * np.sin(np.radians(r["longitude"] - a["longitude"]) / 2) ** 2
        return float(2 * 6371.0088 * np.arcsin(np.sqrt(h)))

    def least(self, table: NDArray[np.float64], i: int) -> int:
        return int(np.where(self.allowed[i], table[i], np.inf).argmin())


def same(told: str, value: float) -> bool:
    """Whether a number was told as it is; the last digit may be rounded either way."""
    return told in {number(value), number(value * (1 + 1e-7)), number(value * (1 - 1e-7))}


def check(facts: Facts, i: int, reason: str) -> str:
    """Check one reason; returns what kind it is."""
    own, own_id = int(facts.own[i]), REP_IDS[facts.own[i]]
    near = facts.least(facts.cost, i)
    priced = facts.cost + facts.priced_load
    favourite = facts.least(priced, i)
    if found := LOCKED.fullmatch(reason):
        assert found["rep"] == own_id == facts.problem.accounts["locked_rep"].iloc[i]
        return "locked"
    if found := ONLY.fullmatch(reason):
        assert facts.allowed[i].sum() == 1
        assert found["rep"] == own_id
        assert facts.allowed[i, own]
        return "only"
    assert facts.allowed[i].sum() > 1
    if found := NEAREST.fullmatch(reason):
        assert near == own
        assert bool(found["able"]) == bool(facts.problem.config.eligibility)
        if found["cheaper"] is None:
            assert priced[i, own] <= priced[i, favourite] + 1e-5 * max(1, abs(priced[i, own]))
            return "nearest"
        assert found["cheaper"] == REP_IDS[favourite]
        assert same(found["loss"], priced[i, own] - priced[i, favourite])
        return "nearest, but dear"
    found = ELSEWHERE.fullmatch(reason)
    assert found, reason
    assert found["near"] == REP_IDS[near]
    assert near != own
    assert same(found["saved"], facts.cost[i, own] - facts.cost[i, near])
    if found["closer"]:
        assert same(found["closer"], facts.km[i, own] - facts.km[i, near])
    if found["tied"]:
        assert found["tied"] == f"{REP_IDS[near]} and {own_id}"
        assert abs(priced[i, own] - priced[i, near]) <= 1e-3 * max(1, facts.cost[i, own] - facts.cost[i, near])
        return "elsewhere by price"
    if found["dearer"]:
        assert found["own"] == own_id
        assert same(found["dearer"], facts.priced_load[i, near] - facts.priced_load[i, own])
        # At these prices its own rep is the cheapest of all: what is saved on travel is lost on load.
        assert priced[i, own] <= priced[i, favourite] + 1e-5 * max(1, abs(priced[i, own]))
        assert facts.priced_load[i, near] - facts.priced_load[i, own] >= facts.cost[i, own] - facts.cost[i, near] - 1e-5
        check_measures(facts, i, near, own, found["why"])
        return "elsewhere by price"
    assert found["cheaper"] == REP_IDS[favourite]
    assert same(found["loss"], priced[i, own] - priced[i, favourite])
    return "elsewhere to fit"


def check_measures(facts: Facts, i: int, near: int, own: int, why: str) -> None:
    """The measures named make up the difference, each with the account's load and what it costs with either rep."""
    why = why.removeprefix("mainly, ")
    parts = why.split("; ")
    named = set()
    for part in parts:
        found = MEASURE.fullmatch(part)
        assert found, part
        k = facts.problem.measures.index({"visit": "visits"}.get(found["measure"], found["measure"]))
        named.add(facts.problem.measures[k])
        assert same(found["load"], facts.loads[k, i])
        assert (found["there"], found["here"]) == (REP_IDS[near], REP_IDS[own])
        sign = -1 if found["verb"].startswith("save") else 1
        assert same(found["dear"].replace("nothing", "0"), sign * facts.net[k, near] * facts.loads[k, i])
        other = found["other"] or found["verb"]
        assert same(
            found["cheap"].replace("nothing", "0"),
            (-1 if other.startswith("save") else 1) * facts.net[k, own] * facts.loads[k, i],
        )
        for rep, side, stands, limit in ((near, "side", "stands", "limit"), (own, "side2", "stands2", "limit2")):
            check_stand(facts, k, rep, found[side], found[stands], found[limit])
    differences = dict(
        zip(facts.problem.measures, (facts.net[:, near] - facts.net[:, own]) * facts.loads[:, i], strict=True)
    )
    silent = sum(abs(d) for measure, d in differences.items() if measure not in named)
    assert silent <= 0.02 * sum(map(abs, differences.values()))


def check_stand(facts: Facts, k: int, rep: int, side: str | None, stands: str | None, limit: str | None) -> None:
    """Where a rep stands is told against the limit with a price: its load, and the limit rounded into the room."""
    prices = facts.plan.prices[facts.problem.measures[k]].get(REP_IDS[rep], {})
    if side is None:
        assert not prices
        return
    assert prices["upper" if side == "most" else "lower"] > 0
    assert stands is not None
    assert limit is not None
    assert same(stands, facts.loads[k, facts.own == rep].sum())
    rule = facts.problem.balance_rules()[k]
    bound = (rule.upper if side == "most" else rule.lower)[rep]
    told = float(limit.replace(",", ""))
    assert abs(told - bound) < max(1.0, 1e-6 * bound)
    assert told <= bound + 1e-9 if side == "most" else told >= bound - 1e-9


RULES: dict[str, dict[str, Any]] = {
    "travel alone": {},
    "weighted by visits": {"travel": {"weight": "visits"}},
    "squared": {"travel": {"power": 2}},
    "eligibility and locks": {
        "eligibility": {"column": "segment", "reps_column": "segments"},
        "locks": {"column": "locked_rep"},
    },
}


@pytest.mark.parametrize("name", list(RULES))
@pytest.mark.parametrize("seed", [1, 2])
def test_every_reason_is_true_at_the_plans_prices(name: str, seed: int) -> None:
    problem, plan = planned(60, seed, RULES[name])
    facts = Facts(problem, plan)
    kinds = [check(facts, i, reason) for i, reason in enumerate(plan.assignments["reason"])]
    assert {"nearest", "elsewhere by price"} <= set(kinds)
    if name == "eligibility and locks":
        assert {"locked", "only"} <= set(kinds)


def test_every_kind_of_reason_is_met_somewhere() -> None:
    """So that no branch of the checks above is idle."""
    kinds = set()
    for seed in (1, 2, 3):
        problem, plan = planned(60, seed, RULES["eligibility and locks"])
        facts = Facts(problem, plan)
        kinds |= {check(facts, i, reason) for i, reason in enumerate(plan.assignments["reason"])}
    assert kinds == {"nearest", "nearest, but dear", "elsewhere by price", "elsewhere to fit", "locked", "only"}


def test_costs_are_told_without_signs_and_one_in_the_singular() -> None:
    reasons = []
    for seed in (1, 2, 3):
        plan = planned(60, seed, {"balance": [{"measure": "count", "tolerance": 0.05}]})[1]
        reasons += [reason for reason in plan.assignments["reason"] if "dearer" in reason]
    assert reasons
    assert not any("−" in reason for reason in reasons)
    assert all("1 account costs " in reason or "1 account saves " in reason for reason in reasons)


def test_accounts_of_a_group_share_a_reason_that_names_its_size() -> None:
    problem, plan = planned(60, 1, {"groups": {"column": "parent"}})
    parent = problem.accounts["parent"]
    for name, size in parent[parent != ""].value_counts().items():
        reasons = plan.assignments.loc[parent == name, "reason"]
        assert reasons.nunique() == 1
        assert reasons.iloc[0].endswith(f"(with its group of {size})")
    assert not plan.assignments.loc[parent == "", "reason"].str.contains("group").any()


def test_an_account_in_no_place_says_so_and_still_names_its_lock() -> None:
    accounts = pd.DataFrame(
        {
            "account_id": ["a", "b", "c"],
            "latitude": [41.5, np.nan, np.nan],
            "longitude": [-93.5, np.nan, np.nan],
            "locked_rep": ["", "", "R2"],
        }
    )
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "latitude": [41.0, 42.0], "longitude": [-93.0, -92.0]})
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv", "on_unlocated": "assign"},
        "locks": {"column": "locked_rep"},
    }
    plan = solve(load_frames(accounts, reps, parse_config(content)))
    plain = "no coordinates and no known postal code: assigned by the other rules"
    assert plan.assignments["reason"].tolist() == ["nearest rep", plain, f"{plain} (locked to R2)"]


def test_with_one_rep_there_is_no_other() -> None:
    accounts = pd.DataFrame({"account_id": ["a", "b"], "x": [0.0, 5.0], "y": 0.0})
    reps = pd.DataFrame({"rep_id": ["R1"], "x": [0.0], "y": [0.0]})
    config = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}, "travel": {"metric": "euclidean"}})
    plan = solve(load_frames(accounts, reps, config))
    assert set(plan.assignments["reason"]) == {"only R1 may serve it"}


def test_travel_from_a_table_is_told_in_its_own_unit() -> None:
    accounts = pd.DataFrame({"account_id": ["a", "b"], "hours": 2.0})
    reps = pd.DataFrame({"rep_id": ["R1", "R2"]})
    table = pd.DataFrame(
        [("R1", "a", 10.0), ("R2", "a", 40.0), ("R1", "b", 10.0), ("R2", "b", 90.0)],
        columns=["rep_id", "account_id", "cost"],
    )
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "hours", "max": 2.0}],
        "travel": {"table": "t.csv"},
    }
    plan = solve(load_frames(accounts, reps, parse_config(content), travel_table=table))
    assert plan.assignments["rep_id"].tolist() == ["R2", "R1"]
    assert plan.assignments["reason"]["a"].startswith(
        "R1 is 30 cost units nearer (saves 30 cost units); at the limits' prices R1 and R2 are equally good"
    )
    assert plan.assignments["reason"]["b"] == "nearest rep"
