"""Every kind of risk on small plans where it is plain to see, and none where there is none."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd
import pytest

from scenarios.risks import KINDS, kinds_looked_for, plan_risks
from territory_engine.problem import PlanningProblem
from tests.scenarios.realignments import realignment

REPS = pd.DataFrame(
    {"x": [0.0, 100.0], "y": 0.0, "capacity": [10.0, 10.0]}, index=pd.Index(["R1", "R2"], name="rep_id")
)


def planned(visits, owners, *, x=None, before=None, config=None, **columns):  # type: ignore[no-untyped-def]  # problem and plan
    ids = [f"A{i}" for i in range(len(visits))]
    accounts = pd.DataFrame(
        {
            "x": [0.0 if o == "R1" else 100.0 for o in owners] if x is None else x,
            "y": 0.0,
            "visits": [float(v) for v in visits],
            "owner": owners if before is None else before,
            "location_source": "given",
            **columns,
        },
        index=pd.Index(ids, name="account_id"),
    )
    settings = {"disruption": {"current": "owner", "measure": "count"}, **(config or {})}
    return realignment(accounts, REPS, dict(zip(ids, owners, strict=True)), config=settings)


def found(problem: PlanningProblem, plan) -> dict[tuple[str, str], object]:  # type: ignore[no-untyped-def]  # a plan
    return {(risk.kind, risk.measure): risk for risk in plan_risks(problem, plan)}


def balanced(**rule: object) -> dict[str, object]:
    return {"balance": ({"measure": "visits", **rule},)}


def test_a_plan_without_risks_has_none() -> None:
    assert plan_risks(*planned([1] * 10, ["R1", "R2"] * 5, config=balanced(tolerance=0.2))) == ()


def test_an_infeasible_plan_has_none() -> None:
    problem, plan = planned([1] * 10, ["R1", "R2"] * 5, config=balanced(tolerance=0.2))
    assert plan_risks(problem, dataclasses.replace(plan, objective=None)) == ()


def test_who_is_at_a_limit_or_beyond_it_is_told_with_load_and_limit() -> None:
    visits, owners = [1] * 12, ["R1"] * 6 + ["R2"] * 6
    risks = found(*planned(visits, owners, config=balanced(min=4, max=6)))
    at = risks["at_upper", "visits"]
    assert [(c.territory_id, c.value, c.limit) for c in at.cases] == [("R1", 6, 6), ("R2", 6, 6)]
    assert at.severity == "medium"
    broken = found(*planned(visits, owners, config=balanced(max=5)))
    assert broken["over_limit", "visits"].severity == "high"
    assert ("at_upper", "visits") not in broken
    assert found(*planned(visits, owners, config=balanced(min=7)))["under_limit", "visits"].cases[0].limit == 7
    assert found(*planned(visits, owners, config=balanced(min=6)))["at_lower", "visits"].severity == "low"


def test_a_load_above_a_column_called_capacity_is_a_risk_even_within_the_tolerance() -> None:
    risks = found(*planned([1] * 24, ["R1"] * 11 + ["R2"] * 13, config=balanced(tolerance=0.2, share="capacity")))
    assert [(c.territory_id, c.value, c.limit) for c in risks["over_capacity", "visits"].cases] == [
        ("R2", 13, 10), ("R1", 11, 10),
    ]  # fmt: skip


def test_relative_sizes_are_no_capacities() -> None:
    """Whoever is 0.8 of a rep is not over capacity with twelve visits."""
    problem, plan = planned([30] * 24, ["R1"] * 11 + ["R2"] * 13, config=balanced(tolerance=0.2, share="capacity"))
    assert ("over_capacity", "visits") not in found(problem, plan)
    assert "over_capacity" not in kinds_looked_for(problem, plan)


def test_nothing_is_looked_for_that_could_not_be_found() -> None:
    owners = ["R1", "R2"] * 5
    assert kinds_looked_for(*planned([1] * 10, owners, config={"balance": ()})) == {
        "large_move", "dependence", "no_place", "by_postal_code", "long_drive",
    } - {"dependence", "large_move"}  # fmt: skip
    upper = kinds_looked_for(*planned([1] * 10, owners, config=balanced(max=9)))
    assert {"over_limit", "at_upper", "dependence"} <= upper
    assert not upper & {"at_lower", "under_limit", "indivisible", "over_capacity"}


def test_amounts_below_zero_make_no_parts_of_a_whole() -> None:
    problem, plan = planned(
        [1] * 10, ["R1", "R2"] * 5, config=balanced(max=9), revenue=[500.0, 1.0, -400.0] + [1.0] * 7
    )
    assert not [r for r in plan_risks(problem, plan) if r.measure == "revenue"]


def test_limits_alone_ask_for_no_share_that_an_account_could_be_more_than() -> None:
    assert ("indivisible", "visits") not in found(
        *planned([9, 1, 1, 1], ["R1", "R2", "R2", "R2"], config=balanced(max=9))
    )


def test_dependence_counts_from_a_quarter_and_is_severe_from_a_half() -> None:
    risks = [
        r
        for r in plan_risks(*planned([6, 3, 3, 3, 1, 1, 1, 1, 1, 1], ["R1"] * 2 + ["R2"] * 8, config=balanced(max=99)))
        if r.kind == "dependence"
    ]
    assert [(r.severity, r.threshold, [c.territory_id for c in r.cases]) for r in risks] == [
        ("high", 0.5, ["R1"]), ("medium", 0.25, ["R2"]),
    ]  # fmt: skip
    (case,) = risks[1].cases
    assert (case.account_id, case.value, case.top_three) == ("A2", 3 / 12, pytest.approx(7 / 12))


def test_what_alone_is_more_than_a_share_is_told_groups_as_one() -> None:
    risks = found(*planned([9, 1, 1, 1], ["R1", "R2", "R2", "R2"], config=balanced(tolerance=0.9)))
    (case,) = risks["indivisible", "visits"].cases
    assert (case.account_id, case.territory_id, case.value, case.limit) == ("A0", "R1", 9, 6)
    grouped = planned(
        [4, 5, 1, 1], ["R1", "R1", "R2", "R2"],
        config=balanced(tolerance=0.9) | {"groups": {"column": "parent"}}, parent=["P", "P", "", ""],
    )  # fmt: skip
    assert [(c.account_id, c.value) for c in found(*grouped)["indivisible", "visits"].cases] == [("A1", 9)]


@pytest.mark.parametrize("owner", ["R2", "GONE"])
def test_a_large_account_that_changes_hands_is_told_also_where_its_rep_left(owner: str) -> None:
    owners = ["R1"] * 20 + ["R2"] * 20
    before = [owner, owner, "", *owners[3:]]
    problem, plan = planned([3, 1, 3] + [1] * 37, owners, before=before, config=balanced(max=99))
    risk = found(problem, plan)["large_move", "visits"]
    assert [(c.account_id, c.territory_id) for c in risk.cases] == [("A0", "R1")]
    assert risk.cases[0].value == pytest.approx(3 / 24)


def test_accounts_without_a_place_of_their_own_are_told() -> None:
    source = ["none", "postal_code", *["given"] * 8]
    risks = found(*planned([1] * 10, ["R1", "R2"] * 5, config=balanced(max=99), location_source=source))
    assert [c.account_id for c in risks["no_place", ""].cases] == ["A0"]
    assert [c.account_id for c in risks["by_postal_code", ""].cases] == ["A1"]
    assert math.isnan(risks["no_place", ""].cases[0].value)


def test_drives_beyond_twice_the_median_reps_longest_are_told_the_longest_first() -> None:
    problem, plan = planned([1] * 6, ["R1", "R1", "R1", "R2", "R2", "R2"], config=balanced(max=99))
    plan = dataclasses.replace(plan, assignments=plan.assignments.assign(travel=[1.0, 2.0, 3.0, 1.0, 90.0, 99.0]))
    assert ("long_drive", "") not in found(problem, plan)  # the median of 3 and 99 is 51
    three = dataclasses.replace(plan, assignments=plan.assignments.assign(travel=[1.0, 2.0, 10.0, 1.0, 10.0, 10.5]))
    assert ("long_drive", "") not in found(problem, three)


def test_the_most_severe_come_first() -> None:
    visits = [6, 3, 3, 3, 1, 1, 1, 1, 1, 1]
    risks = plan_risks(*planned(visits, ["R1"] * 2 + ["R2"] * 8, config=balanced(min=9, max=12)))
    order = [(["high", "medium", "low"].index(r.severity), KINDS.index(r.kind)) for r in risks]
    assert order == sorted(order)
    assert {r.kind for r in risks} >= {"dependence", "at_upper", "at_lower"}
