"""The flow is exact for alike units, and its prices prove it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.bounds import priced_bound
from solvers.candidates import from_table
from solvers.flow import counts_alike_units, least_cost_flow
from solvers.problem import AssignmentProblem, TableCosts
from solvers.whole import tighten_to_whole


def everywhere(problem: AssignmentProblem) -> np.ndarray[Any, np.dtype[np.int32]]:
    n, m = problem.n_units, problem.n_territories
    return np.broadcast_to(np.arange(m, dtype=np.int32), (n, m))


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_the_flow_over_all_pairs_is_the_optimum_or_none(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny(unit_loads=True))
    problem, optimum = case.problem(), case.optimum()
    assert counts_alike_units(problem)
    found = least_cost_flow(problem, from_table(problem, everywhere(problem)))
    assert (found is None) == (optimum is None)
    if found is not None:
        assignment, _ = found
        assert case.allows(assignment)
        assert problem.cost_of(assignment) == pytest.approx(optimum, rel=1e-7, abs=1e-7)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_its_prices_prove_the_optimum_when_the_limits_are_whole_counts(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny(unit_loads=True))
    load = case.loads[0, 0, 0]
    # In counts, so that what whole units can reach is what the limits say.
    lower, upper = tighten_to_whole(np.ones(1), case.lower / load, case.upper / load)
    problem = AssignmentProblem(TableCosts(case.costs), np.ones((1, len(case.costs))), lower, upper)
    found = least_cost_flow(problem, from_table(problem, everywhere(problem)))
    if found is not None:
        assignment, prices = found
        assert np.all(prices.upper >= 0)
        assert np.all(prices.lower >= 0)
        assert priced_bound(problem, prices) == pytest.approx(problem.cost_of(assignment), rel=1e-7, abs=1e-7)


def test_a_flow_of_a_thousand_units_is_proved_by_its_prices(scattered: Callable[..., AssignmentProblem]) -> None:
    made = scattered(1_000, 20, tolerance=0.05, alike=True)
    problem = made.with_limits(*tighten_to_whole(made.loads, made.lower, made.upper))
    found = least_cost_flow(problem, from_table(problem, everywhere(problem)))
    assert found is not None
    assignment, prices = found
    assert problem.is_feasible(assignment)
    assert priced_bound(problem, prices) == pytest.approx(problem.cost_of(assignment), rel=1e-7)


def test_candidates_too_few_to_fill_every_territory_give_no_flow() -> None:
    problem = AssignmentProblem(
        TableCosts(np.ones((4, 2))), np.ones((1, 4)), np.full((1, 2), 2.0), np.full((1, 2), 2.0)
    )
    only_first = from_table(problem, np.zeros((4, 1), np.int32))
    assert least_cost_flow(problem, only_first) is None


@pytest.mark.parametrize(
    ("loads", "pair_loads"),
    [
        (np.array([[1.0, 2.0]]), None),
        (np.array([[0.0, 0.0]]), None),
        (np.ones((2, 2)), None),
        (np.ones((1, 2)), np.ones((1, 2, 2))),
    ],
    ids=["unequal loads", "no loads", "two measures", "loads by territory"],
)
def test_the_flow_is_not_offered_where_it_would_not_be_exact(loads: Any, pair_loads: Any) -> None:
    k = len(loads)
    problem = AssignmentProblem(TableCosts(np.ones((2, 2))), loads, np.zeros((k, 2)), np.full((k, 2), 9.0), pair_loads)
    assert not counts_alike_units(problem)
