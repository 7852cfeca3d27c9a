"""What prices prove: never more than the optimum, never more than the relaxation, and nothing false about feasibility."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linprog

from solvers.bounds import Prices, cheapest, limit_value, priced_bound
from solvers.candidates import from_table
from solvers.infeasibility import is_certificate
from solvers.linear import solve_relaxation
from solvers.problem import AssignmentProblem, TableCosts


def drawn_prices(data: st.DataObject, problem: AssignmentProblem) -> Prices:
    shape = (2, problem.n_measures, problem.n_territories)
    upper, lower = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(-2, 20, allow_subnormal=False)))
    return Prices.of(problem, upper, lower)


def relaxed(tiny: Any) -> float | None:
    """The linear relaxation's value by SciPy's HiGHS, which the solvers do not use; None where it is infeasible."""
    n, m = tiny.costs.shape
    allowed = np.isfinite(tiny.costs).ravel()
    one_each = np.kron(np.eye(n), np.ones(m))
    rows, right = [], []
    for k in range(len(tiny.loads)):
        for t in range(m):
            row = np.zeros((n, m))
            row[:, t] = tiny.loads[k, :, t]
            for limit, sign in ((tiny.upper[k, t], 1.0), (tiny.lower[k, t], -1.0)):
                if np.isfinite(limit):
                    rows.append(sign * row.ravel())
                    right.append(sign * limit)
    found = linprog(
        np.where(allowed, np.where(np.isfinite(tiny.costs), tiny.costs, 0).ravel(), 0.0),
        A_ub=np.array(rows).reshape(-1, n * m) if rows else None,
        b_ub=right or None,
        A_eq=one_each,
        b_eq=np.ones(n),
        bounds=[(0, 1 if free else 0) for free in allowed],
    )
    return float(found.fun) if found.status == 0 else None


def plain_bound(tiny: Any, prices: Prices, *, costless: bool = False) -> float:
    n, m = tiny.costs.shape
    total = 0.0
    for i in range(n):
        options = [
            (0.0 if costless else tiny.costs[i, t])
            + sum((prices.upper[k, t] - prices.lower[k, t]) * tiny.loads[k, i, t] for k in range(len(tiny.loads)))
            for t in range(m)
            if np.isfinite(tiny.costs[i, t])
        ]
        total += min(options, default=np.inf)
    for k in range(len(tiny.loads)):
        for t in range(m):
            total -= prices.upper[k, t] * tiny.upper[k, t] if prices.upper[k, t] else 0.0
            total += prices.lower[k, t] * tiny.lower[k, t] if prices.lower[k, t] else 0.0
    return total


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_prices_prove_more_than_the_optimum(tiny: Any, data: st.DataObject) -> None:
    problem = data.draw(tiny())
    optimum = problem.optimum()
    if optimum is not None:
        bound = priced_bound(problem.problem(), drawn_prices(data, problem.problem()))
        assert bound <= optimum + 1e-6 * max(1, abs(optimum), abs(bound) * 1e-6)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), costless=st.booleans())
def test_the_bound_is_that_of_plain_loops(tiny: Any, data: st.DataObject, costless: bool) -> None:
    problem = data.draw(tiny())
    prices = drawn_prices(data, problem.problem())
    expected = plain_bound(problem, prices, costless=costless)
    assert priced_bound(problem.problem(), prices, costless=costless) == pytest.approx(expected, rel=1e-9, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_prices_certify_that_a_feasible_problem_is_infeasible(tiny: Any, data: st.DataObject) -> None:
    problem = data.draw(tiny())
    if is_certificate(problem.problem(), drawn_prices(data, problem.problem())):
        assert problem.optimum() is None


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_relaxation_and_the_bound_of_its_prices_are_the_value_that_another_solver_finds(
    tiny: Any, data: st.DataObject
) -> None:
    case = data.draw(tiny(kinds=("whole", "decimal")))
    problem, expected = case.problem(), relaxed(case)
    n, m = problem.n_units, problem.n_territories
    candidates = from_table(problem, np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))
    if np.any(~np.isfinite(case.costs).any(axis=1)):
        assert expected is None
        return
    found = solve_relaxation(problem, candidates)
    assert found.solved == (expected is not None)
    if expected is not None:
        tolerance = 1e-6 * max(1.0, abs(expected))
        assert found.value == pytest.approx(expected, abs=tolerance)
        assert priced_bound(problem, found.prices) == pytest.approx(expected, abs=tolerance)
        assert np.add.reduceat(found.share, candidates.start[:-1]) == pytest.approx(np.ones(n), abs=1e-6)
        assert (found.share * candidates.cost).sum() == pytest.approx(expected, abs=tolerance)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_elastic_limits_are_broken_only_where_they_cannot_hold(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny(kinds=("whole",), forbid=False))
    problem, possible = case.problem(), relaxed(case) is not None
    n, m = problem.n_units, problem.n_territories
    candidates = from_table(problem, np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))
    found = solve_relaxation(problem, candidates, elastic=True, costless=True)
    assert found.solved
    assert (found.value <= 1e-7) == possible
    assert (found.excess.sum() <= 1e-6) == possible


def test_prices_that_make_no_sense_are_cut_to_zero() -> None:
    problem = AssignmentProblem(
        TableCosts(np.ones((1, 2))), np.ones((1, 1)), np.array([[0.0, -np.inf]]), np.array([[np.inf, 4.0]])
    )
    prices = Prices.of(problem, np.array([[3.0, -1.0]]), np.array([[2.0, 5.0]]))
    assert prices.upper.tolist() == [[0, 0]]
    assert prices.lower.tolist() == [[2, 0]]
    assert prices.net.tolist() == [[-2, 0]]
    assert limit_value(problem, prices) == 0.0


def test_without_prices_the_bound_is_the_sum_of_least_costs() -> None:
    costs = np.array([[3.0, 1.0], [2.0, 9.0], [np.inf, 4.0]])
    problem = AssignmentProblem(TableCosts(costs), np.ones((1, 3)), np.zeros((1, 2)), np.ones((1, 2)))
    assert priced_bound(problem, Prices.zero(problem)) == 7.0


def test_a_unit_with_nowhere_to_go_makes_the_bound_infinite() -> None:
    costs = np.array([[3.0, 1.0], [np.inf, np.inf]])
    problem = AssignmentProblem(TableCosts(costs), np.ones((1, 2)), np.zeros((1, 2)), np.full((1, 2), 9.0))
    assert priced_bound(problem, Prices.zero(problem)) == np.inf


@settings(max_examples=40, deadline=None)
@given(data=st.data(), width=st.integers(1, 4))
def test_the_cheapest_territories_come_in_order_and_only_where_allowed(
    tiny: Any, data: st.DataObject, width: int
) -> None:
    case = data.draw(tiny())
    prices = drawn_prices(data, case.problem())
    territory, reduced = cheapest(case.problem(), prices, width)
    net = prices.upper - prices.lower
    full = case.costs + np.einsum("kt,kit->it", net, case.loads)
    for i in range(len(full)):
        options = np.sort(full[i][np.isfinite(case.costs[i])])[: territory.shape[1]]
        real = territory[i] >= 0
        assert real.sum() == len(options)
        assert reduced[i][real] == pytest.approx(options, abs=1e-9)
        assert full[i][territory[i][real]] == pytest.approx(options, abs=1e-9)
        assert np.all(np.isinf(reduced[i][~real]))
