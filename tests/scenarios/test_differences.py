"""What changes from plan to plan, by hand-made plans of a few accounts on a line."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.differences import compare_plans
from territory_engine.config import Disruption
from territory_engine.errors import InputError
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem

Made = Callable[..., tuple[PlanningProblem, Plan]]
BEFORE = {"a": "T1", "b": "T1", "c": "T2", "d": "T2", "e": "T2"}


def test_a_plan_does_not_differ_from_itself(made: Made) -> None:
    found = compare_plans(made(BEFORE), made(BEFORE))
    assert len(found.moves) == len(found.added) == len(found.closed) == 0
    assert found.territories["from_territory_id"].tolist() == ["T1", "T2"]
    assert (found.figures["before"] == found.figures["after"]).all()
    assert found.notices == ()


def test_territories_named_anew_are_no_moves(made: Made) -> None:
    found = compare_plans(made(BEFORE), made({i: {"T1": "North", "T2": "T1"}[t] for i, t in BEFORE.items()}))
    assert len(found.moves) == 0
    assert found.territories["from_territory_id"].to_dict() == {"North": "T1", "T1": "T2"}


def test_a_move_is_a_loss_here_and_a_gain_there(made: Made) -> None:
    found = compare_plans(made(BEFORE), made(BEFORE | {"c": "T1"}))
    assert found.moves.index.tolist() == ["c"]
    assert found.moves.loc["c", ["from_territory_id", "to_territory_id", "visits"]].tolist() == ["T2", "T1", 3.0]
    assert (found.moved(), found.moved("visits")) == (1.0, 3.0)
    assert (found.moved_fraction(), found.moved_fraction("visits")) == (0.2, 0.2)
    columns = ["visits_before", "visits_gained", "visits_lost", "visits_changed", "visits_after"]
    assert found.territories.loc["T1", columns].tolist() == [3, 3, 0, 0, 6]
    assert found.territories.loc["T2", columns].tolist() == [12, 0, 3, 0, 9]


def test_the_rep_says_which_territory_continues_which_even_against_the_accounts(made: Made) -> None:
    before = made(BEFORE, {"T1": "R1", "T2": "R2"})
    after = made({i: {"T1": "T2", "T2": "T1"}[t] for i, t in BEFORE.items()}, {"T1": "R1", "T2": "R2"})
    assert len(compare_plans(before, after).moves) == 5


def test_a_rep_who_left_moves_all_and_leaves_a_territory_that_nothing_continues(made: Made) -> None:
    before = made(BEFORE, {"T1": "R1", "T2": "R2"})
    found = compare_plans(before, made(dict.fromkeys(BEFORE, "T1"), {"T1": "R1"}))
    assert found.moves.index.tolist() == ["c", "d", "e"]
    ended = found.territories.loc["T2"]
    assert (ended["dissolved"], ended["visits_before"], ended["visits_lost"], ended["visits_after"]) == (
        True,
        12,
        12,
        0,
    )
    hired = compare_plans(made(dict.fromkeys(BEFORE, "T1"), {"T1": "R1"}), before)
    assert hired.territories.loc["T2", ["from_territory_id", "visits_before", "visits_gained"]].tolist() == ["", 0, 12]


def test_new_and_closed_accounts_and_other_loads_are_changes_not_moves(made: Made) -> None:
    after = {i: t for i, t in BEFORE.items() if i != "a"} | {"f": "T2"}
    found = compare_plans(made(BEFORE), made(after, visits={"f": 7.0, "d": 1.0}))
    assert (len(found.moves), found.added.tolist(), found.closed.tolist()) == (0, ["f"], ["a"])
    assert found.territories["visits_changed"].to_dict() == {"T1": -1.0, "T2": 4.0}
    assert found.territories["count_changed"].to_dict() == {"T1": -1.0, "T2": 1.0}


def test_every_row_adds_up(made: Made) -> None:
    after = {"b": "T3", "c": "T1", "d": "T3", "e": "T1", "f": "T2"}
    found = compare_plans(made(BEFORE), made(after, visits={"f": 7.0, "d": 1.0})).territories
    for measure in ("count", "visits"):
        sides = found[[f"{measure}_{part}" for part in ("before", "gained", "changed")]].sum(axis=1)
        assert (sides - found[f"{measure}_lost"]).tolist() == pytest.approx(found[f"{measure}_after"].tolist())


def test_plans_of_other_accounts_are_refused_by_name(made: Made) -> None:
    with pytest.raises(InputError, match=r"no account in common.*a, b, c, …"):
        compare_plans(made(BEFORE), made({"x": "T1"}, visits={"x": 1.0}))


def test_plans_without_a_rep_in_common_are_matched_by_their_accounts(made: Made) -> None:
    """Another system's rep IDs are no reason to say that everybody is gone."""
    before = made(BEFORE, {"T1": "R1", "T2": "R2"})
    found = compare_plans(before, made(BEFORE | {"c": "T1"}, {"T1": "ada", "T2": "ben"}))
    assert found.moves.index.tolist() == ["c"]
    unnamed = compare_plans(before, made({i: {"T1": "X", "T2": "Y"}[t] for i, t in BEFORE.items()}))
    assert (len(unnamed.moves), unnamed.territories["from_territory_id"].to_dict()) == (0, {"X": "T1", "Y": "T2"})


def test_a_hired_rep_does_not_continue_the_territory_of_one_who_left(made: Made) -> None:
    before = made(BEFORE, {"T1": "R1", "T2": "R2"})
    found = compare_plans(before, made(BEFORE, {"T1": "R1", "T2": "R9"}))
    assert found.moves.index.tolist() == ["c", "d", "e"]
    assert found.territories["dissolved"].tolist() == [False, False, True]


def test_flows_add_up_to_the_moves_the_largest_first(made: Made) -> None:
    found = compare_plans(made(BEFORE), made(BEFORE | {"a": "T2", "c": "T1"}))
    flows = found.flows()
    assert flows["visits"].tolist() == [3.0, 1.0]
    assert flows["visits"].sum() == found.moved("visits")
    assert flows["count"].sum() == found.moved()
    origin = found.rows_from(flows["from_territory_id"])
    assert found.territories["from_territory_id"].iloc[origin].tolist() == flows["from_territory_id"].tolist()
    target = found.rows_to(flows["to_territory_id"])
    assert found.territories.index[target].tolist() == flows["to_territory_id"].tolist()


def test_a_name_that_ended_and_began_anew_is_two_territories(made: Made) -> None:
    """B calls T1 what A called T2, and has nothing of A's T1."""
    before = made({"a": "T1", "b": "T1", "c": "T2", "d": "T2", "e": "T2"})
    found = compare_plans(before, made({"c": "T1", "d": "T1", "e": "T1"}))
    assert found.territories.index.tolist() == ["T1", "T1"]
    assert found.territories["dissolved"].tolist() == [False, True]
    assert found.rows_to(pd.Series(["T1"])).tolist() == [0]
    assert found.rows_from(pd.Series(["T1", "T2"])).tolist() == [1, 0]


def test_the_measure_to_weigh_moves_by_is_that_of_the_disruption_rule_else_money(made: Made) -> None:
    def with_column(column: str, **config: object) -> tuple[PlanningProblem, Plan]:
        problem, plan = made(BEFORE)
        accounts = problem.accounts.assign(**{column: 2.0, "owner": "R1"})
        changed = problem.config.model_copy(update=config)
        return dataclasses.replace(problem, accounts=accounts, config=changed), plan

    assert compare_plans(made(BEFORE), made(BEFORE)).leading_measure == "visits"
    revenue = with_column("revenue")
    assert compare_plans(revenue, revenue).leading_measure == "revenue"
    assert compare_plans(revenue, made(BEFORE)).measures == ("count", "visits")
    priced = with_column("calls", disruption=Disruption(current="owner", measure="calls", weight=1.0))
    assert compare_plans(priced, priced).leading_measure == "calls"


def test_units_move_with_or_without_accounts(made: Made) -> None:
    def with_units(alignment: dict[str, str], units: dict[str, str]) -> tuple[PlanningProblem, Plan]:
        problem, plan = made(alignment)
        index = pd.Index(list(units), name="unit_id")
        frame = pd.DataFrame({"territory_id": list(units.values()), "accounts": [2, 1, 0]}, index=index)
        return problem, dataclasses.replace(plan, units=frame)

    before = with_units(BEFORE, {"u": "T1", "v": "T2", "w": "T2"})
    after = with_units({i: {"T1": "X", "T2": "Y"}[t] for i, t in BEFORE.items()}, {"u": "X", "v": "Y", "w": "X"})
    units = compare_plans(before, after).units
    assert units is not None
    assert units.to_dict("index") == {"w": {"from_territory_id": "T2", "to_territory_id": "X", "accounts": 0}}
    assert compare_plans(before, made(BEFORE)).units is None


def test_what_makes_plans_hard_to_compare_is_said(made: Made) -> None:
    problem, plan = made(BEFORE)
    squared = problem.config.model_copy(update={"travel": problem.config.travel.model_copy(update={"power": 2})})
    found = compare_plans((problem, plan), (dataclasses.replace(problem, config=squared), plan))
    assert "cannot be compared" in found.notices[0]
    assert found.figures.loc["objective", "unit"] == "map units → map units²"
    few = compare_plans(made(BEFORE), made({"a": "T1", "x": "T1", "y": "T1"}, visits={"x": 1.0, "y": 1.0}))
    assert "only 1 account in common, of 5 and 3" in few.notices[0]


def test_infeasible_plans_are_refused_both_at_once(made: Made) -> None:
    problem, plan = made(BEFORE)
    none = dataclasses.replace(plan, status="infeasible")
    with pytest.raises(InputError) as refusal:
        compare_plans((problem, none), (problem, none))
    assert len(refusal.value.findings) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from("xyz"), min_size=5, max_size=5),
    st.lists(st.sampled_from("xyz"), min_size=5, max_size=5),
    st.permutations("xyz"),
)
def test_names_decide_nothing(made: Made, then: list[str], now: list[str], named: list[str]) -> None:
    """Whatever B calls its territories, as many accounts move, and as few as any matching allows."""
    before, after = dict(zip("abcde", then, strict=True)), dict(zip("abcde", now, strict=True))
    again = {i: dict(zip("xyz", named, strict=True))[t] for i, t in after.items()}
    moved = len(compare_plans(made(before), made(after)).moves)
    assert len(compare_plans(made(before), made(again)).moves) == moved
    fewest = min(
        sum(dict(zip("xyz", order, strict=True))[after[i]] != before[i] for i in after)
        for order in itertools.permutations("xyz")
    )
    assert moved == fewest
