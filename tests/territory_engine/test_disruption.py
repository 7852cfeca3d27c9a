"""Plans under a limit or a price on what changes hands: by brute force, as words, and as today's alignment itself.

The oracle tries every plan with plain Python loops and shares nothing with the engine but the inputs.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from territory_engine.auditing.audit import audit
from territory_engine.config import parse_config
from territory_engine.disruption import current_alignment, disruption_record, fraction_for
from territory_engine.disruption import with_max_moved as with_max_moved_of
from territory_engine.errors import ConfigError
from territory_engine.plan import Plan
from territory_engine.plan_directory import read_plan, write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames

HOMES = {"R0": 0.0, "R1": 8.0, "R2": 17.0}


def problem(
    accounts: dict[str, list[Any]], disruption: dict[str, Any], n_reps: int = 3, **sections: Any
) -> PlanningProblem:
    n = len(accounts["x"])
    frame = pd.DataFrame({"account_id": [f"A{i}" for i in range(n)], "y": 0.0, **accounts})
    reps = pd.DataFrame({"rep_id": list(HOMES)[:n_reps], "x": list(HOMES.values())[:n_reps], "y": 0.0})
    content = {
        "data": {"accounts": "a", "reps": "r"},
        "solve": {"gap": 0.0, "time_limit_s": 20},
        "disruption": {"current": "owner", **disruption},
        **sections,
        "travel": {"metric": "euclidean", **sections.get("travel", {})},
    }
    return load_frames(frame, reps, parse_config(content))


def owners(plan: Plan) -> list[str]:
    return plan.assignments["rep_id"].tolist()


# The oracle ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """The least objective (None where no plan keeps the rules), the fewest moves within the other rules, and the total."""

    objective: float | None
    fewest: float
    total: float


def by_trying_everything(planning: PlanningProblem) -> Answer:
    accounts, reps, rule = planning.accounts, list(planning.reps.index), planning.config.disruption
    assert rule is not None
    ids = list(accounts.index)
    together: dict[tuple[str, str], list[str]] = {}
    for i in ids:
        group = accounts.at[i, planning.config.groups.column] if planning.config.groups else ""
        together.setdefault(("group", group) if group else ("alone", i), []).append(i)

    def value(i: str, measure: str) -> float:
        return 1.0 if measure == "count" else float(accounts.at[i, measure])

    owner = {i: str(accounts.at[i, rule.current]) for i in ids}
    counted = {
        i: value(i, rule.measure) * (1 + sum(p.weight * float(accounts.at[i, p.column]) for p in rule.protect))
        for i in ids
    }
    total = math.fsum(value(i, rule.measure) for i in ids if owner[i] in reps)
    most = math.inf if rule.max_moved is None else rule.max_moved * total
    weights = dict(zip(ids, planning.weights(), strict=True))
    objective, fewest = None, math.inf
    for choice in itertools.product(reps, repeat=len(together)):
        to = {i: rep for rep, members in zip(choice, together.values(), strict=True) for i in members}
        if planning.config.locks and any(
            accounts.at[i, planning.config.locks.column] not in ("", r) for i, r in to.items()
        ):
            continue
        off, kept = 0.0, True
        for balance in planning.balance_rules():
            for rep, lower, upper, target in zip(reps, balance.lower, balance.upper, balance.target, strict=True):
                load = math.fsum(value(i, balance.measure) for i in ids if to[i] == rep)
                kept &= lower - 1e-9 * max(1, abs(lower)) <= load <= upper + 1e-9 * max(1, abs(upper))
                off += (balance.target_weight or 0.0) * abs(load - target)
        if not kept:
            continue
        moved = math.fsum(counted[i] for i in ids if owner[i] in reps and owner[i] != to[i])
        fewest = min(fewest, moved)
        if moved > most * (1 + 1e-9) + 1e-12:
            continue
        travel = math.fsum(
            weights[i] * abs(accounts.at[i, "x"] - planning.reps.at[to[i], "x"]) ** planning.config.travel.power
            for i in ids
        )
        cost = travel + off + (rule.weight or 0.0) * moved
        objective = cost if objective is None else min(objective, cost)
    return Answer(objective, fewest, total)


@st.composite
def problems(draw: st.DrawFn) -> PlanningProblem:
    """Up to six accounts and three reps, under some of all rules; at least one account has a rep."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    reps = list(HOMES)[:m]

    def column(*values: Any) -> list[Any]:
        return [draw(st.sampled_from(values)) for _ in range(n)]

    accounts = {
        "x": column(0.0, 1.0, 3.0, 4.0, 7.0, 9.0, 12.0, 15.0, 18.0),
        "visits": column(0, 1, 2, 3, 5),
        "revenue": column(0.0, 0.25, 1.7, 4.1),
        "owner": [draw(st.sampled_from(reps)), *column(*reps, "gone", "")][:n],
        "key": column(0, 0, 1, 2.5),
        "vip": column("true", "false", ""),
        "parent": column("", "P", "Q"),
        "until": column("", "2026-01-01", "2026-12-31"),
    }  # fmt: skip
    rule: dict[str, Any] = {"measure": draw(st.sampled_from(["count", "visits", "revenue"]))}
    # Something to move, so that the limit says something.
    accounts["visits"][0], accounts["revenue"][0] = 2, 1.7
    if draw(st.booleans()):
        rule["max_moved"] = draw(st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 1.0]))
    if draw(st.booleans()):
        rule["weight"] = draw(st.sampled_from([0.0, 0.5, 3.0, 100.0]))
    if draw(st.booleans()):
        rule["protect"] = [{"column": "key", "weight": 2}, {"column": "vip", "weight": 0.5}][: draw(st.integers(1, 2))]
    if draw(st.integers(0, 4)) == 0:
        rule |= {"locked_until": "until", "as_of": date(2026, 7, 1)}
    sections: dict[str, Any] = {"travel": {"power": draw(st.sampled_from([1, 2]))}}
    balance: list[dict[str, Any]] = []
    if draw(st.booleans()):
        balance.append({"measure": "count", "tolerance": draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))})
    if draw(st.booleans()):
        balance.append({"measure": "visits", "tolerance": draw(st.sampled_from([0.3, 0.6]))})
    if draw(st.integers(0, 4)) == 0:
        balance.append({"measure": "revenue", "target_weight": 0.7})
    if balance:
        sections["balance"] = balance
    if draw(st.booleans()):
        sections["groups"] = {"column": "parent"}
    return problem(accounts, rule, m, **sections)


@given(problems())
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_a_plan_is_the_best_there_is_or_the_least_budget_that_would_do(
    tmp_path_factory: pytest.TempPathFactory, planning: PlanningProblem
) -> None:
    known, plan = by_trying_everything(planning), solve(planning)
    folder = tmp_path_factory.mktemp("plan")
    write_plan_files(planning, plan, folder)
    report = audit(folder)
    assert report.passed, report.summary()
    again, stored = read_plan(folder)
    assert again.config == planning.config
    assert stored.to_dict() == plan.to_dict()
    if known.objective is not None:
        assert plan.status == "optimal"
        assert plan.objective == pytest.approx(known.objective)
        assert sum(plan.objective_terms.values()) == pytest.approx(known.objective)
        return
    assert plan.status == "infeasible"
    assert plan.conflict is not None
    least = plan.conflict.get("least_moved")
    # Without a least, the rules contradict each other whatever may move.
    assert (least is None) == math.isinf(known.fewest)
    if least is None:
        return
    assert least["fraction"] * known.total == pytest.approx(known.fewest)
    assert least["proved_fraction"] * known.total <= known.fewest * (1 + 1e-9)
    proposed = re.search(r"raise max_moved in \[disruption\] to (\S+):", plan.conflict["relaxations"][0])
    assert (proposed is None) == (least["fraction"] > 1 + 1e-9)
    if proposed is not None:
        assert with_max_moved(planning, float(proposed[1])).status == "optimal"
    if least["proved_fraction"] > 0:
        assert with_max_moved(planning, min(1.0, 0.9999 * least["proved_fraction"])).status == "infeasible"


def with_max_moved(planning: PlanningProblem, fraction: float) -> Plan:
    rule = planning.config.disruption
    assert rule is not None
    config = planning.config.model_copy(update={"disruption": rule.model_copy(update={"max_moved": fraction})})
    return solve(load_frames(planning.accounts, planning.reps, config))


# What counts --------------------------------------------------------------------------------------------------------

LINE = {"x": [0.0, 1.0, 7.0, 9.0, 16.0, 18.0]}


def test_only_accounts_with_a_rep_today_count_and_are_what_the_limit_is_a_fraction_of() -> None:
    planning = problem(
        {**LINE, "owner": ["R1", "R1", "gone", "", "R2", "R0"], "revenue": [1.0, 2.0, 100.0, 100.0, 4.0, 3.0]},
        {"measure": "revenue", "max_moved": 0.35, "weight": 0.0},
    )
    today = current_alignment(planning)
    assert today is not None
    assert today.owner.tolist() == [1, 1, -1, -1, 2, 0]
    assert (today.total, today.limit) == (10.0, 3.5)
    assert today.value.tolist() == today.amount.tolist() == [1, 2, 0, 0, 4, 3]
    plan = solve(planning)
    # A0, A1 and A5 would rather move: 6 of 10. Within 3.5 A5 saves most, as it is farthest from its rep.
    assert owners(plan) == ["R1", "R1", "R1", "R1", "R2", "R2"]
    assert plan.disruption == {
        "measure": "revenue", "moved": 3.0, "moved_fraction": 0.3, "total": 10.0, "counted": 3.0, "limit": 3.5,
        "accounts_moved": 1, "accounts_assigned": 2, "price": plan.disruption["price"] if plan.disruption else None,
    }  # fmt: skip
    assert plan.assignments["moved"].tolist() == [False] * 5 + [True]
    assert "1 account changes hands: 30.00 % of revenue; at most 35.00 % may." in plan.summary()
    assert "2 accounts had no rep, or one who left; that does not count as moved." in plan.summary()


def test_a_protected_account_counts_more_and_is_the_one_that_stays() -> None:
    accounts = {"x": [0.0, 0.0, 17.0], "owner": ["R1", "R1", "R2"], "key": [0, 1, 0]}
    rule = {"max_moved": 0.4, "protect": [{"column": "key", "weight": 2}]}
    assert owners(solve(problem(accounts, {**rule, "protect": []}))).count("R0") == 1
    plan = solve(problem(accounts, rule))
    assert owners(plan) == ["R0", "R1", "R2"]
    planning = problem(accounts, {**rule, "max_moved": 1.0, "protect": [{"column": "key", "weight": 0.5}]})
    today, plan = current_alignment(planning), solve(planning)
    assert today is not None
    assert today.amount.tolist() == [1.0, 1.5, 1.0]
    assert owners(plan) == ["R0", "R0", "R2"]
    assert (
        "2 accounts change hands, 66.67 % of those that have a rep (83.33 % with protection); at most" in plan.summary()
    )


def test_a_group_whose_accounts_have_several_reps_goes_to_one_and_the_others_count() -> None:
    accounts = {"x": [0.0, 8.0, 8.0, 17.0], "owner": ["R0", "R1", "R1", "R2"], "parent": ["P", "P", "P", ""]}
    groups = {"groups": {"column": "parent"}}
    plan = solve(problem(accounts, {"max_moved": 0.25}, **groups))
    assert owners(plan) == ["R1", "R1", "R1", "R2"]
    assert plan.disruption is not None
    assert plan.disruption["accounts_moved"] == 1
    # Half of the accounts may move, so the group could go to R0: it is not nearer.
    assert owners(solve(problem(accounts, {"weight": 1000.0}, **groups))) == ["R1", "R1", "R1", "R2"]


@pytest.mark.parametrize("measure", ["count", "revenue"])
def test_a_limit_of_nothing_is_today_exactly_where_today_keeps_the_rules(measure: str) -> None:
    rng = np.random.default_rng(5)
    n = 60
    owner = rng.choice(list(HOMES), n).tolist()
    accounts = {"x": rng.uniform(0, 17, n).tolist(), "owner": owner, "revenue": rng.uniform(1, 9, n).tolist()}
    loads = np.bincount([list(HOMES).index(o) for o in owner], minlength=3)
    plan = solve(
        problem(
            accounts, {"measure": measure, "max_moved": 0}, balance=[{"measure": "count", "max": float(loads.max())}]
        )
    )
    assert plan.status == "optimal"
    assert owners(plan) == owner
    assert plan.disruption is not None
    assert (plan.disruption["moved"], plan.disruption["accounts_moved"]) == (0.0, 0)
    assert "0 accounts change hands" in plan.summary()


def test_what_nobody_owns_may_be_assigned_under_a_limit_of_nothing() -> None:
    plan = solve(problem({**LINE, "owner": ["R1", "", "R1", "gone", "R2", "R2"]}, {"max_moved": 0}))
    assert owners(plan) == ["R1", "R0", "R1", "R1", "R2", "R2"]


@pytest.mark.parametrize(("weight", "moved"), [(0.0, 3), (5.0, 3), (7.0, 2), (8.5, 1), (9.5, 0)])
def test_a_price_moves_an_account_where_that_saves_more_than_it_costs(weight: float, moved: int) -> None:
    # To move A0 saves 8 map units, A1 7 − 1 and A2 9.
    planning = problem({"x": [0.0, 1.0, 17.0], "owner": ["R1", "R1", "R1"]}, {"weight": weight})
    plan = solve(planning)
    assert int(plan.assignments["moved"].sum()) == moved
    terms = {"travel": plan.assignments["travel"].sum(), **({"disruption": weight * moved} if weight else {})}
    assert plan.objective_terms == pytest.approx(terms)
    assert plan.objective == pytest.approx(sum(terms.values()))
    if weight:
        assert f"for travel, {weight * moved:g} for moves." in plan.summary()


def test_a_limit_and_a_price_hold_at_once_and_with_soft_targets() -> None:
    accounts = {"x": [0.0, 1.0, 2.0, 8.0], "owner": ["R1"] * 4}
    balance = [{"measure": "count", "target_weight": 2.0}]
    planning = problem(accounts, {"max_moved": 0.5, "weight": 0.25}, 2, balance=balance)
    plan = solve(planning)
    assert owners(plan) == ["R0", "R0", "R1", "R1"]
    assert plan.objective_terms == pytest.approx({"travel": 7.0, "balance": 0.0, "disruption": 0.5})
    assert plan.objective == pytest.approx(by_trying_everything(planning).objective)


def test_a_dated_lock_keeps_an_account_that_would_move() -> None:
    accounts = {
        "x": [0.0, 0.0, 17.0],
        "owner": ["R1", "R1", "gone"],
        "until": ["2026-07-01", "2026-07-02", "2027-01-01"],
    }
    plan = solve(problem(accounts, {"locked_until": "until", "as_of": date(2026, 7, 1)}))
    assert owners(plan) == ["R0", "R1", "R2"]
    assert plan.assignments["reason"].tolist() == ["nearest rep", "locked to R1 until 2026-07-02", "nearest rep"]


def test_nothing_is_told_of_moves_where_today_is_not_known() -> None:
    planning = problem({**LINE, "owner": ["R0"] * 6}, {})
    config = planning.config.model_copy(update={"disruption": None})
    plan = solve(load_frames(planning.accounts, planning.reps, config))
    assert plan.disruption is None
    assert "change" not in plan.summary()
    assert disruption_record(load_frames(planning.accounts, planning.reps, config), np.zeros(6, np.int64), 0.0) is None


# What the locks force -----------------------------------------------------------------------------------------------

LOCKED = {"x": [0.0, 8.0, 8.0, 17.0], "owner": ["R0", "R1", "R1", "R2"], "lock": ["R1", "R1", "", ""]}
LOCKS = {"locks": {"column": "lock"}}


def test_a_budget_below_what_locks_force_is_bad_input_that_says_what_is_enough() -> None:
    with pytest.raises(ConfigError) as caught:
        problem(LOCKED, {"max_moved": 0.2}, **LOCKS)
    (finding,) = caught.value.findings
    assert (finding.column, finding.value, finding.allowed) == ("disruption.max_moved", "0.2", "at least 0.25")
    assert finding.what == (
        "is below what the locks force: accounts that are locked to another rep than today's (A0) count 1 account,"
        " of 4 with a rep today"
    )
    assert finding.remedy == "raise max_moved, or clear some of these locks"
    assert solve(problem(LOCKED, {"max_moved": 0.25}, **LOCKS)).status == "optimal"


def test_where_no_budget_is_enough_for_the_locks_none_is_proposed() -> None:
    accounts = {**LOCKED, "key": [9, 0, 0, 0]}
    with pytest.raises(ConfigError, match=r"count 10 with their protection, of 4 .*no limit of 1 or less is enough"):
        problem(accounts, {"max_moved": 1.0, "protect": [{"column": "key", "weight": 1}]}, **LOCKS)


def test_locks_on_accounts_without_a_rep_force_nothing() -> None:
    accounts = {**LOCKED, "owner": ["", "gone", "R1", "R2"]}
    assert owners(solve(problem(accounts, {"max_moved": 0}, **LOCKS))) == ["R1", "R1", "R1", "R2"]


# Fractions ----------------------------------------------------------------------------------------------------------


@given(st.floats(1e-9, 3))
def test_a_proposed_fraction_is_enough_short_and_never_above_one_where_one_will_do(needed: float) -> None:
    proposed = fraction_for(needed)
    assert float(f"{proposed:g}") >= needed * (1 - 1e-9)
    assert proposed <= needed * 1.001 + 1e-12
    assert len(f"{proposed:g}".replace(".", "").lstrip("0").split("e")[0]) <= 4
    assert (proposed <= 1) == (needed <= 1 + 1e-9)
    assert fraction_for(0.0) == 0.0


def test_another_budget_changes_nothing_else() -> None:
    planning = problem({**LINE, "owner": ["R0"] * 6}, {"max_moved": 0.1, "weight": 2})
    rule = with_max_moved_of(planning, None).config.disruption
    assert rule is not None
    assert (rule.max_moved, rule.weight) == (None, 2)
    assert with_max_moved_of(with_max_moved_of(planning, None), 0.1).config == planning.config


# Reasons ------------------------------------------------------------------------------------------------------------


def close(told: str, value: float) -> bool:
    """Whether a number in a sentence, of some three digits, is this one."""
    return float(told.replace(",", "")) == pytest.approx(value, rel=6e-3, abs=5e-3)


@pytest.mark.parametrize("protect", [[], [{"column": "key", "weight": 2}]], ids=["plain", "protected"])
@pytest.mark.parametrize(
    "rule",
    [{"max_moved": 0.1}, {"max_moved": 0.3}, {"weight": 1.5}, {"weight": 0.4, "max_moved": 0.2}],
    ids=["tight", "loose", "priced", "both"],
)
def test_what_a_reason_says_of_todays_rep_and_of_prices_is_true(rule: dict[str, Any], protect: list[Any]) -> None:
    rng = np.random.default_rng(8)
    n = 45
    accounts = {
        "x": rng.uniform(-3, 20, n).round(2).tolist(),
        "visits": rng.integers(1, 6, n).astype(float).tolist(),
        "owner": rng.choice([*HOMES, "gone"], n).tolist(),
        "key": rng.choice([0, 0, 1], n).tolist(),
    }
    balance = [{"measure": "visits", "tolerance": 0.1}]
    planning = problem(accounts, {"measure": "visits", "protect": protect, **rule}, balance=balance)
    plan = solve(planning)
    assert plan.disruption is not None
    names = list(HOMES)
    price = float(rule.get("weight", 0.0)) + plan.disruption["price"]
    net = np.array(
        [
            plan.prices["visits"].get(r, {}).get("upper", 0.0) - plan.prices["visits"].get(r, {}).get("lower", 0.0)
            for r in names
        ]
    )
    today = current_alignment(planning)
    assert today is not None
    kinds = set()
    for i, (_, row) in enumerate(plan.assignments.iterrows()):
        reason, own = row["reason"], names.index(row["rep_id"])
        travel = np.abs(accounts["x"][i] - np.array(list(HOMES.values())))
        moving = price * np.where(np.arange(3) == today.owner[i], 0.0, today.amount[i])
        beside = net * accounts["visits"][i] + moving
        total = travel + beside
        if reason.startswith("nearest rep"):
            assert travel[own] == travel.min()
        for named in re.findall(r"(R\d), its rep today", reason):
            assert named == accounts["owner"][i]
            kinds.add("today")
        if found := re.search(r"at the prices? of [a-z ]+ (R\d) is ([\d.,]+) map units dearer than with (R\d)", reason):
            there = names.index(found[1])
            assert (found[3], there) == (row["rep_id"], int(travel.argmin()))
            assert close(found[2], beside[there] - beside[own])
            kinds.add("dearer")
        if found := re.search(
            r"moving it from (R\d), its rep today, costs ([\d.,]+) \(([\d.,]+) visits?(, protection included)?\)",
            reason,
        ):
            assert (found[1], bool(found[4])) == (row["rep_id"], bool(protect))
            assert close(found[2], moving.max())
            assert close(found[3], today.amount[i])
            kinds.add("stays")
        if found := re.search(
            r"at (?:their prices|the prices? of [a-z ]+) (R\d)(?:, its rep today,)? would be ([\d.,]+) map units cheaper",
            reason,
        ):
            assert names.index(found[1]) == int(total.argmin())
            assert close(found[2], total[own] - total.min())
            kinds.add("cheaper")
        if found := re.search(r"although staying with (R\d), its rep today, saves ([\d.,]+) \(", reason):
            assert (found[1], row["moved"]) == (accounts["owner"][i], True)
            assert close(found[2], moving.max())
            kinds.add("moves")
        if found := re.search(r"(R\d) and (R\d) are equally good", reason):
            a, b = (names.index(rep) for rep in found.groups())
            assert total[a] == pytest.approx(total[b], rel=2e-3)
            kinds.add("tied")
    assert {"today", "dearer", "stays"} <= kinds, kinds


def test_an_account_whose_travel_has_no_weight_is_not_called_near() -> None:
    accounts = {"x": [0.0, 0.0, 17.0], "owner": ["R1", "R1", "gone"], "w": [0.0, 1.0, 0.0]}
    balance = [{"measure": "count", "tolerance": 0.0}]
    plan = solve(problem(accounts, {"weight": 1.0}, travel={"weight": "w"}, balance=balance))
    said = plan.assignments["reason"].tolist()
    assert owners(plan) == ["R1", "R0", "R2"]
    assert said[0].startswith("its travel has no weight: it stays with its rep of today")
    assert said[1].startswith("nearest rep")
    assert said[2].startswith("its travel has no weight: assigned by the other rules")


def test_with_a_price_alone_nothing_is_said_of_limits() -> None:
    plan = solve(problem({"x": [1.0, 1.0], "owner": ["R1", "R2"]}, {"weight": 7.0}, 2))
    assert owners(plan) == ["R1", "R0"]
    assert plan.assignments["reason"].tolist() == [
        "R0 is 6 map units nearer (saves 6 map units), but at the price of moves R0 is 7 map units dearer than with R1:"
        " moving it from R1, its rep today, costs 7 (1 account)",
        "nearest rep",
    ]
