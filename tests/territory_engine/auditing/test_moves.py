"""The audit of a move list agrees with plain counting, and fails when a single cell is off."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.move_list import ordered_moves
from territory_engine.auditing.checks import StoredPlan
from territory_engine.auditing.moves import check_moves
from territory_engine.auditing.rules import StoredProblem
from territory_engine.auditing.stored_units import StoredUnits
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem
from tests.scenarios.realignments import drawn, history, worse


def as_text(moves: pd.DataFrame) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(moves.to_csv(index=False)), dtype=str, keep_default_na=False)


def failing(problem: PlanningProblem, plan: Plan, told: pd.DataFrame) -> dict[str, str]:
    """Return the checks that fail, and what they say."""
    units, unit_territory = None, None
    if problem.units is not None:
        layer = problem.units
        units = StoredUnits(
            layer.ids, layer.pairs, layer.unit_of, layer.places, np.zeros(len(layer.pairs), np.bool_), "pairs"
        )
        assert plan.units is not None
        unit_territory = problem.reps.index.get_indexer(pd.Index(plan.units["territory_id"]))
    config = problem.config.model_dump(mode="json", exclude_none=True)
    stored = StoredProblem(config, problem.accounts, problem.reps, problem.travel_table, units)
    rep = problem.reps.index.get_indexer(pd.Index(plan.assignments["rep_id"]))
    checks = check_moves(stored, StoredPlan({}, plan.assignments, plan.territories, rep), told, unit_territory)
    return {check.name: check.message for check in checks if not check.ok}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_a_true_list_passes(seed: int) -> None:
    problem, plan = drawn(seed)
    assert failing(problem, plan, as_text(ordered_moves(problem, plan))) == {}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_fails_exactly_where_counting_finds_a_rule_more_broken(seed: int) -> None:
    problem, plan = drawn(seed)
    moves = ordered_moves(problem, plan)
    order = list(range(len(moves)))
    random.Random(seed).shuffle(order)
    shuffled = moves.iloc[order].assign(step=range(1, len(moves) + 1))
    states = history(problem, plan, shuffled)
    expected = {"move_order"} if any(worse(states[0], state) for state in states) else set()
    assert set(failing(problem, plan, as_text(shuffled))) == expected


def case(kind: str) -> tuple[PlanningProblem, Plan, pd.DataFrame]:
    """Return a realignment with enough moves of both kinds, and its list as text."""
    wanted = {
        "units": lambda p: p.units is not None,
        "groups": lambda p: p.config.groups is not None,
        "table": lambda p: p.travel_table is not None and "hours" in p.measures,
    }[kind]
    for seed in range(1000):
        problem, plan = drawn(seed)
        moves = ordered_moves(problem, plan)
        if (
            wanted(problem)
            and len(problem.measures)
            and moves["step"].nunique() > 3
            and (moves["kind"] == "assign").any()
        ):
            return problem, plan, as_text(moves)
    raise AssertionError("no such case among a thousand")


def in_cell(column: str, value: Callable[[str], str], kind: str = "move") -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return an edit of the first cell of a column, in a row of a kind."""

    def edit(told: pd.DataFrame) -> pd.DataFrame:
        row = told.index[told["kind"] == kind][0]
        told.loc[row, column] = value(told.loc[row, column])
        return told

    return edit


EDITS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a move left out": (lambda told: told.iloc[1:], "moves"),
    "a move told twice": (lambda told: pd.concat([told, told.iloc[[-1]]]), "moves"),
    "an account that is none": (in_cell("account_id", lambda old: old + "x"), "moves"),
    "another rep": (in_cell("to", lambda old: "R9"), "moves"),
    "another owner": (in_cell("from", lambda old: ""), "moves"),
    "an owner out of nowhere": (in_cell("from", lambda old: "R1", "assign"), "moves"),
    "called a move": (in_cell("kind", lambda old: "move", "assign"), "moves"),
    "called assigned": (in_cell("kind", lambda old: "assign"), "moves"),
    "a gap in the steps": (lambda told: told.assign(step=[str(2 * int(s)) for s in told["step"]]), "move_steps"),
    "from the last step back": (lambda told: told.iloc[::-1], "move_steps"),
    "a step that is no number": (in_cell("step", lambda old: "first"), "move_steps"),
    "travel before": (in_cell("travel_before", lambda old: str(float(old or 0) + 0.001)), "moves:travel_before"),
    "travel after": (in_cell("travel_after", lambda old: str(float(old) * 1.001)), "moves:travel_after"),
    "travel saved": (in_cell("travel_saved", lambda old: str(float(old or 0) + 0.001)), "moves:travel_saved"),
    "travel left out": (in_cell("travel_after", lambda old: ""), "moves:travel_after"),
}


@pytest.mark.parametrize("kind", ["units", "groups", "table"])
@pytest.mark.parametrize("edit", EDITS)
def test_a_wrong_cell_fails(kind: str, edit: str) -> None:
    problem, plan, told = case(kind)
    change, check = EDITS[edit]
    assert check in failing(problem, plan, change(told.copy()))


def test_a_wrong_load_fails_and_so_does_a_column_that_is_missing() -> None:
    problem, plan, told = case("table")
    wrong = told.assign(hours=[str(float(hours) + 1) for hours in told["hours"]])
    assert set(failing(problem, plan, wrong)) == {"moves:hours"}
    assert failing(problem, plan, told.drop(columns="hours")) == {"moves:hours": "moves.csv has no column hours"}


def test_a_fault_of_the_order_names_the_step_and_the_rule() -> None:
    problem, plan, told = case("units")
    one_by_one: Any = told.iloc[::-1].assign(step=[str(k + 1) for k in range(len(told))])
    message = failing(problem, plan, one_by_one)["move_order"]
    assert message.startswith("more broken than at the start after step ")


def test_a_list_without_todays_owners_is_refused() -> None:
    problem, plan, told = case("groups")
    config = problem.config.model_copy(update={"disruption": None})
    without = PlanningProblem(config, problem.accounts, problem.reps)
    assert set(failing(without, plan, told)) == {"moves"}
