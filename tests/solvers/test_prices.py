"""Prices by dual ascent come close to the relaxation's, and their bound is never above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from solvers.bounds import Prices, priced_bound
from solvers.candidates import from_table
from solvers.linear import solve_relaxation
from solvers.prices import ascend, sample_prices
from solvers.problem import AssignmentProblem, TableCosts


def relaxation_value(problem: AssignmentProblem) -> float:
    n, m = problem.n_units, problem.n_territories
    found = solve_relaxation(problem, from_table(problem, np.broadcast_to(np.arange(m, dtype=np.int32), (n, m))))
    assert found.solved
    return found.value


@pytest.mark.parametrize("measures", [1, 2])
def test_the_ascent_ends_within_half_a_percent_of_the_relaxation(
    scattered: Callable[..., AssignmentProblem], measures: int
) -> None:
    problem = scattered(1_200, 25, measures=measures, tolerance=0.1)
    prices, candidates = ascend(problem, sample_prices(problem), 1e-3)[:2]
    value, bound = relaxation_value(problem), priced_bound(problem, prices)
    assert bound <= value * (1 + 1e-7)
    assert bound >= value * (1 - 5e-3)
    assert np.all(np.diff(candidates.start) >= 1)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_the_prices_are_valid_and_no_worse_than_those_it_began_with(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny(most_units=5))
    optimum = case.optimum()
    assume(optimum is not None)
    problem = case.problem()
    zero = Prices.zero(problem)
    prices = ascend(problem, zero, 1e-4)[0]
    for price, limit in ((prices.upper, case.upper), (prices.lower, case.lower)):
        assert np.all(price >= 0)
        assert np.all(np.isfinite(price))
        assert np.all(price[~np.isfinite(limit)] == 0)
    assert priced_bound(problem, zero) - 1e-9 <= priced_bound(problem, prices) <= optimum + 1e-6 * max(1, optimum)


def test_without_limits_there_is_nothing_to_price() -> None:
    costs = np.random.default_rng(0).random((40, 3))
    problem = AssignmentProblem(TableCosts(costs), np.empty((0, 40)), np.empty((0, 3)), np.empty((0, 3)))
    prices, candidates = ascend(problem, sample_prices(problem), 1e-4)[:2]
    assert prices.upper.shape == (0, 3)
    assert priced_bound(problem, prices) == pytest.approx(costs.min(axis=1).sum())
    assert candidates.n_units == 40
