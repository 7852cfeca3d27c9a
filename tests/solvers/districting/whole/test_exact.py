"""The exact solver against trying everything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from solvers.districting.checks import broken_rules
from solvers.districting.problem import MatrixCosts
from solvers.districting.whole.exact import solve_exactly
from solvers.neighbourhoods import Halt
from tests.solvers.districting.conftest import brute_force, points_problem

if TYPE_CHECKING:
    from solvers.districting.problem import DistrictingProblem


def grid_pairs(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return which cells of a grid touch."""
    across = [(r * columns + c, r * columns + c + 1) for r in range(rows) for c in range(columns - 1)]
    return across + [(i, i + columns) for i in range((rows - 1) * columns)]


def random_problem(seed: int, *, graph: bool = False, given: bool = False, measures: int = 1) -> DistrictingProblem:
    """Return seven units on a distorted grid, three territories, loose limits."""
    rng = np.random.default_rng(seed)
    points = np.array([[x, y] for y in range(2) for x in range(4)], float)[:7] + rng.normal(0, 0.6, (7, 2))
    loads = rng.integers(1, 9, (measures, 7)).astype(float)
    fair = loads.sum(axis=1) / 3
    return points_problem(
        points,
        loads,
        np.floor(fair * 0.7),
        np.ceil(fair * 1.3),
        3,
        weights=rng.integers(1, 5, 7).astype(float),
        power=2,
        pairs=[(a, b) for a, b in grid_pairs(2, 4) if b < 7] if graph else None,
        centres=rng.choice(7, 3, replace=False) if given else None,
    )


def assert_solved(problem: DistrictingProblem) -> None:
    """Compare with trying everything."""
    best = brute_force(problem)
    answer = solve_exactly(problem, incumbent=None, effort=5.0, seed=1)
    if np.isinf(best):
        assert answer.infeasible
        assert answer.assignment is None
        return
    assert answer.optimal
    assert answer.objective == pytest.approx(best, rel=1e-6)
    assert answer.bound <= best * (1 + 1e-6)
    assert answer.centres is not None
    assert answer.assignment is not None
    assert not broken_rules(problem, answer.centres, answer.assignment)
    assert problem.cost_of(answer.centres, answer.assignment) == pytest.approx(answer.objective)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_the_optimum_is_found_and_proved(seed: int, graph: bool, given: bool) -> None:
    assert_solved(random_problem(seed, graph=graph, given=given, measures=1 + seed % 2))


@pytest.mark.parametrize(("seed", "measures"), [(0, 1), (1, 2), (2, 2), (3, 1)])
def test_a_poor_incumbent_only_helps(seed: int, measures: int) -> None:
    problem = random_problem(20 + seed, graph=seed % 2 == 1, measures=measures)
    best = brute_force(problem)
    if np.isinf(best):
        return
    backwards = MatrixCosts(np.max(table := problem.costs.columns(np.arange(7))) - table)
    poor = solve_exactly(replace(problem, costs=backwards), incumbent=None, effort=5.0, seed=0)
    assert poor.centres is not None
    assert poor.assignment is not None
    worse = problem.cost_of(poor.centres, poor.assignment)
    answer = solve_exactly(problem, incumbent=(poor.centres, poor.assignment), effort=5.0, seed=0)
    assert worse > best
    assert answer.optimal
    assert answer.objective == pytest.approx(best, rel=1e-6)


def test_without_effort_the_incumbent_comes_back_with_a_bound() -> None:
    problem = random_problem(0)
    best = brute_force(problem)
    found = solve_exactly(problem, incumbent=None, effort=5.0, seed=0)
    assert found.centres is not None
    assert found.assignment is not None
    for how in ({"effort": 0.0}, {"effort": 5.0, "seconds": 0.0}):
        answer = solve_exactly(problem, incumbent=(found.centres, found.assignment), seed=0, **how)
        assert answer.objective == found.objective
        assert answer.bound <= best * (1 + 1e-9)


def test_any_amount_of_effort_may_be_asked_for() -> None:
    problem = random_problem(0)
    answer = solve_exactly(problem, incumbent=None, effort=1e12, seed=0)
    assert answer.optimal


def test_an_incumbent_that_breaks_a_rule_is_ignored() -> None:
    problem = random_problem(1)
    broken = np.array([0, 1, 2]), np.array([0, 1, 2, 0, 0, 0, 0], np.int32)
    assert broken_rules(problem, *broken)
    answer = solve_exactly(problem, incumbent=broken, effort=5.0, seed=0)
    assert answer.objective == pytest.approx(brute_force(problem), rel=1e-6)


def test_a_halted_search_gives_the_incumbent_back() -> None:
    problem = random_problem(1)
    halt = Halt()
    halt.call()
    answer = solve_exactly(problem, incumbent=None, effort=5.0, seed=0, halt=halt)
    assert answer.assignment is None
    assert not answer.infeasible


def test_pairs_left_out_stay_out() -> None:
    problem = random_problem(2)
    found = solve_exactly(problem, incumbent=None, effort=5.0, seed=0)
    assert found.centres is not None
    assert found.assignment is not None
    open_pairs = np.zeros((7, 7), np.bool_)
    open_pairs[np.arange(7), found.centres[found.assignment]] = True
    again = solve_exactly(problem, incumbent=None, effort=5.0, seed=0, open_pairs=open_pairs)
    assert again.objective == pytest.approx(found.objective)
    open_pairs[found.centres[0]] = False
    assert solve_exactly(problem, incumbent=None, effort=5.0, seed=0, open_pairs=open_pairs).infeasible


def test_places_without_a_unit_serve_connected_territories() -> None:
    points = np.column_stack([np.arange(6), np.zeros(6)]).astype(float)
    line = points_problem(points, np.ones((1, 6)), 2.0, 4.0, 2, pairs=[(i, i + 1) for i in range(5)])
    # The first centre is nearest to both ends, and to the middle only at a loss.
    table = np.array([[0.0, 9.0], [0.0, 9.0], [5.0, 0.0], [5.0, 0.0], [0.0, 9.0], [0.0, 9.0]])
    placeless = replace(
        line, costs=MatrixCosts(table), candidate_unit=np.full(2, -1, np.int32), centres=np.array([0, 1])
    )
    assert brute_force(placeless) > brute_force(replace(placeless, graph=None))
    assert_solved(placeless)


def test_pairs_too_far_apart_are_not_used() -> None:
    problem = random_problem(7)
    table = problem.costs.columns(np.arange(7))
    far = replace(problem, costs=MatrixCosts(np.where(table > np.quantile(table, 0.6), np.inf, table)))
    assert_solved(far)


def test_loads_that_are_no_decimal_numbers_meet_exact_limits() -> None:
    problem = random_problem(8)
    loads = problem.loads / 3.0
    order = np.array([0, 1, 2, 0, 1, 2, 0], np.int32)
    exact = np.bincount(order, loads[0], 3)
    assert_solved(replace(problem, loads=loads, lower=np.full((1, 3), exact.min()), upper=np.full((1, 3), exact.max())))


def test_unlike_territories_get_the_centres_that_suit_them() -> None:
    problem = random_problem(4, graph=True)
    total = problem.loads.sum()
    upper = np.array([[0.5, 0.5, 0.35]]) * total
    lower = np.array([[0.2, 0.4, 0.1]]) * total
    assert_solved(replace(problem, lower=lower, upper=upper))


def test_classes_and_locks_are_kept() -> None:
    problem = random_problem(5)
    classes = (np.arange(7) % 2).astype(np.int32)
    allowed = np.array([[True, True, False], [True, False, True]])
    fixed = np.full(7, -1, np.int32)
    fixed[[2, 5]] = [1, 0]
    fixed[2] = 0
    assert_solved(replace(problem, class_of=classes, class_allowed=allowed, fixed=fixed))


def test_soft_targets_are_part_of_the_cost() -> None:
    problem = random_problem(6)
    target = np.full((1, 3), problem.loads.sum() / 3)
    assert_solved(replace(problem, target=target, target_weight=np.array([2.5])))
