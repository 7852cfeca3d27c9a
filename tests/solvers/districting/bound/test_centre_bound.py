"""The bound over the choice of centres: never above the optimum, and the same however it is computed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from solvers.districting.bound import centre_bound as bound
from solvers.districting.bound.centre_bound import bound_of, centre_bound, centre_values, loads_and_limits, near_values
from solvers.districting.bound.reach import Reach
from solvers.districting.problem import DistrictingProblem, MatrixCosts, PlaceCosts
from tests.solvers.districting.conftest import points_problem
from tests.solvers.districting.designs import every_design, problems


def drawn_multipliers(problem: DistrictingProblem, seed: int) -> np.ndarray:
    table = problem.costs.columns(np.arange(problem.costs.n_candidates))
    size = float(table[np.isfinite(table)].mean()) if np.isfinite(table).any() else 1.0
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.3, 1.5, problem.n_units) * size


def by_linear_program(problem: DistrictingProblem, multipliers: np.ndarray, measure: int | None) -> np.ndarray:
    """Return ρ of every candidate by SciPy's HiGHS."""
    load, lower, upper = loads_and_limits(problem, measure)
    table = problem.costs.columns(np.arange(problem.costs.n_candidates))
    value = np.empty(problem.costs.n_candidates)
    for j, own in enumerate(problem.candidate_unit):
        reduced = table[:, j] - multipliers
        sides = [(load, upper), (-load, -lower)]
        rows = [(row, limit) for row, limit in sides if np.isfinite(limit)]
        bounds = [(1.0 if i == own else 0.0, 1.0 if np.isfinite(reduced[i]) else 0.0) for i in range(len(load))]
        if any(low > high for low, high in bounds):
            value[j] = np.inf
            continue
        answer = linprog(
            np.where(np.isfinite(reduced), reduced, 0.0),
            A_ub=np.array([row for row, _ in rows]) if rows else None,
            b_ub=np.array([limit for _, limit in rows]) if rows else None,
            bounds=bounds,
        )
        value[j] = answer.fun if answer.status == 0 else np.inf
    return value


@given(problem=problems(), seed=st.integers(0, 1000), whole=st.booleans(), measured=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_bound_is_never_above_the_best_design(
    problem: DistrictingProblem, seed: int, whole: bool, measured: bool
) -> None:
    best = min((value for value, _, _ in every_design(problem)), default=np.inf)
    proved = centre_bound(problem, drawn_multipliers(problem, seed), 0 if measured else None, whole=whole)
    assert proved <= best + 1e-9 * max(1.0, abs(best)) or best == np.inf


@given(problem=problems(), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_every_candidate_is_worth_what_a_linear_program_says(problem: DistrictingProblem, seed: int) -> None:
    multipliers = drawn_multipliers(problem, seed)
    expected = by_linear_program(problem, multipliers, 0)
    np.testing.assert_allclose(centre_values(problem, multipliers, 0).value, expected, rtol=1e-7, atol=1e-6)


@given(problem=problems(max_units=12), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_looking_at_near_units_only_gives_the_same_values(problem: DistrictingProblem, seed: int) -> None:
    if not isinstance(problem.costs, PlaceCosts):
        return
    multipliers = drawn_multipliers(problem, seed)
    load, lower, upper = loads_and_limits(problem, 0)
    near = near_values(Reach(problem.costs), problem.candidate_unit, multipliers, load, lower, upper, 0)
    every = centre_values(problem, multipliers, 0)
    np.testing.assert_allclose(near.value, every.value, rtol=1e-9, atol=1e-9)


@given(problem=problems(max_units=12), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_the_cheapest_are_exact_and_the_others_no_cheaper(problem: DistrictingProblem, seed: int) -> None:
    if not isinstance(problem.costs, PlaceCosts):
        return
    multipliers = drawn_multipliers(problem, seed)
    load, lower, upper = loads_and_limits(problem, 0)
    few = near_values(Reach(problem.costs), problem.candidate_unit, multipliers, load, lower, upper, 0, 2).value
    every = centre_values(problem, multipliers, 0).value
    assert (few <= every + 1e-9 * np.maximum(1.0, np.abs(every))).all()
    np.testing.assert_allclose(np.sort(few)[:2], np.sort(every)[:2], rtol=1e-9, atol=1e-9)


def test_fewer_candidates_than_asked_for_may_be_centres() -> None:
    """Two of three weigh more than any territory may carry."""
    problem = points_problem(np.zeros((3, 2)), np.array([[1.0, 9.0, 9.0]]), 1.0, 2.0, 2)
    load, lower, upper = loads_and_limits(problem, 0)
    found = near_values(Reach(problem.costs), problem.candidate_unit, np.ones(3), load, lower, upper, 0, 2).value  # type: ignore[arg-type]  # PlaceCosts
    assert np.isfinite(found).tolist() == [True, False, False]


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("lower", [-np.inf, 45.0])
def test_a_large_problem_is_computed_by_locality(
    spherical: bool, lower: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    points = rng.uniform(0, 10, (400, 2)) * ([4, 4] if spherical else [1, 1])
    problem = points_problem(points, np.ones((1, 400)), lower, 55.0, 8, spherical=spherical)
    table = problem.costs.columns(np.arange(400))
    multipliers = np.sort(table, axis=1)[:, 50] * rng.uniform(0.7, 1.1, 400)
    whole_table = centre_bound(problem, multipliers, 0)
    monkeypatch.setattr(bound, "BLOCK_PAIRS", 10_000)
    assert centre_bound(problem, multipliers, 0) == pytest.approx(whole_table, rel=1e-10)


def test_the_own_unit_is_served_even_where_it_does_not_pay() -> None:
    problem = DistrictingProblem.plain(
        MatrixCosts(np.array([[5.0], [1.0]])),
        np.array([0], np.int32),
        np.ones((1, 2)),
        np.full((1, 1), -np.inf),
        np.full((1, 1), 2.0),
    )
    assert centre_values(problem, np.array([2.0, 3.0]), 0).value[0] == pytest.approx((5 - 2) + (1 - 3))


def test_limits_are_the_loosest_of_any_territory() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [10.0, 0.0]])
    problem = points_problem(points, np.ones((1, 3)), 1.0, 1.0, 2)
    unlike = replace(problem, upper=np.array([[1.0, 2.0]]))
    multipliers = np.array([1.0, 1.0, 1.0])
    # With room for two the first two points are served together at a cost of 1.
    assert centre_bound(unlike, multipliers, 0) <= 1.0 + 1e-9
    assert centre_bound(unlike, multipliers, 0) == pytest.approx(centre_bound(problem, multipliers, None))


def test_whole_loads_make_the_limits_whole() -> None:
    points = np.arange(6.0)[:, None] * [1.0, 0.0]
    problem = points_problem(points, np.ones((1, 6)), 2.5, 3.5, 2)
    multipliers = np.full(6, 0.8)
    written, rounded = (centre_bound(problem, multipliers, 0, whole=w) for w in (False, True))
    assert written < rounded <= 4.0


def test_a_limit_that_decides_at_no_price_is_met_by_whole_units() -> None:
    """Half of a unit of load 2 would do, and costs nothing; the whole unit is too much."""
    problem = points_problem(np.zeros((2, 2)), np.array([[2.0, 0.0]]), 0.5, 1.5, 2, weights=np.zeros(2))
    found = centre_values(problem, np.zeros(2), 0, whole=True)
    assert np.isinf(found.value).all()
    assert found.exact.all()


@given(problem=problems(max_units=9), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_whole_units_are_chosen_as_well_as_by_trying_every_choice(problem: DistrictingProblem, seed: int) -> None:
    multipliers = drawn_multipliers(problem, seed)
    load, lower, upper = loads_and_limits(problem, 0, whole=True)
    choices = np.array(list(product([False, True], repeat=problem.n_units)))
    fits = (choices @ load >= lower) & (choices @ load <= upper)
    table = problem.costs.columns(np.arange(problem.costs.n_candidates)) - multipliers[:, None]
    found = centre_values(problem, multipliers, 0, whole=True)
    for j, own in enumerate(problem.candidate_unit):
        allowed = fits & ~choices[:, np.isinf(table[:, j])].any(axis=1) & (choices[:, own] if own >= 0 else True)
        costs = choices[allowed] @ np.where(np.isinf(table[:, j]), 0.0, table[:, j])
        assert found.exact[j]
        assert found.value[j] == pytest.approx(costs.min() if len(costs) else np.inf, abs=1e-6)


def test_a_large_knapsack_of_whole_units_is_solved_exactly() -> None:
    rng = np.random.default_rng(3)
    points, load = rng.uniform(0, 100, (60, 2)), rng.integers(5, 60, (1, 60)).astype(float)
    for lower, upper in ((-np.inf, 301.0), (296.0, 301.0)):
        problem = points_problem(points, load, lower, upper, 5, weights=rng.uniform(0.5, 2.0, 60))
        table = problem.costs.columns(np.arange(60))
        multipliers = np.sort(table, axis=1)[:, 15] * rng.uniform(0.8, 1.2, 60)
        found = centre_values(problem, multipliers, 0, whole=True)
        for j in range(60):
            least = np.full(302, np.inf)
            least[int(load[0, j])] = table[j, j] - multipliers[j]
            for i in np.flatnonzero(np.arange(60) != j):
                a = int(load[0, i])
                least[a:] = np.minimum(least[a:], least[:-a] + table[i, j] - multipliers[i])
            assert found.exact[j]
            assert found.value[j] == pytest.approx(least[max(0, int(max(lower, 0))) :].min(), abs=1e-7)


def test_a_knapsack_given_up_early_still_gives_a_lower_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    problem = points_problem(rng.uniform(0, 100, (40, 2)), rng.uniform(5, 60, (1, 40)), 270.0, 270.5, 4)
    multipliers = np.sort(problem.costs.columns(np.arange(40)), axis=1)[:, 12]
    exact = centre_values(problem, multipliers, 0, whole=True)
    divided = centre_values(problem, multipliers, 0)
    monkeypatch.setattr(bound, "EFFORT", 300)
    early = centre_values(problem, multipliers, 0, whole=True)
    assert exact.exact.all()
    assert not early.exact.all()
    assert np.all(early.value <= exact.value + 1e-9)
    assert np.all(early.value >= divided.value - 1e-9)


def test_too_few_possible_centres_are_a_proof_that_no_design_exists() -> None:
    problem = points_problem(np.arange(8.0).reshape(4, 2), np.array([[1.0, 5, 5, 5]]), -np.inf, 4.0, 2)
    assert centre_bound(problem, np.ones(4), 0) == np.inf
    assert bound_of(np.ones(4), np.zeros(1), 2) == np.inf
