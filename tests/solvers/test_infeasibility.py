"""Certificates prove what they say, and only that; shrunk conflicts still clash and lose nothing when one limit goes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from solvers.bounds import Prices, priced_bound
from solvers.cuts import Cuts
from solvers.feasibility import fewest_units, fill, find_any, shrink_by_search
from solvers.infeasibility import (
    Deadline,
    crossed_limits,
    is_certificate,
    lumped,
    oversized_units,
    prove_infeasible,
    stranded_units,
)
from solvers.limit_conflicts import LimitCheck
from solvers.problem import AssignmentProblem, TableCosts
from solvers.stretch import Elastic, least_stretch

Limits = list[list[float]]


def problem_of(
    loads: list[list[float]],
    upper: Limits | None = None,
    lower: Limits | None = None,
    barred: list[tuple[int, int]] = (),
) -> AssignmentProblem:
    """Units by columns of ``loads``; pairs in ``barred`` are not allowed; limits by measure and territory."""
    given_limits = upper if upper is not None else lower
    assert given_limits is not None
    shape = np.array(given_limits).shape
    table = np.ones((len(loads[0]), shape[1]))
    for unit, territory in barred:
        table[unit, territory] = np.inf
    return AssignmentProblem(
        TableCosts(table),
        np.array(loads, np.float64),
        np.full(shape, -np.inf) if lower is None else np.array(lower, np.float64),
        np.full(shape, np.inf) if upper is None else np.array(upper, np.float64),
    )


def splittable(problem: AssignmentProblem) -> bool:
    """Whether an assignment of split units keeps the limits, by another solver."""
    n, m = problem.n_units, problem.n_territories
    allowed = np.isfinite(problem.rows(np.arange(n)))
    rows, ends = [], []
    for k, t in itertools.product(range(problem.n_measures), range(m)):
        row = np.zeros((n, m))
        row[:, t] = problem.loads[k]
        for sign, end in ((1, problem.upper[k, t]), (-1, -problem.lower[k, t])):
            if math.isfinite(end):
                rows.append(sign * row.ravel())
                ends.append(end)
    whole = np.zeros((n, n * m))
    for i in range(n):
        whole[i, i * m : (i + 1) * m] = 1
    bounds = [(0, None if ok else 0) for ok in allowed.ravel()]
    found = linprog(np.zeros(n * m), rows or None, ends or None, whole, np.ones(n), bounds, method="highs")
    return bool(found.status == 0)


problems = st.builds(
    lambda loads, limits, side, barred: problem_of(
        [loads], **{side: [limits]}, barred=[(u, t) for u, t in barred if u < len(loads)]
    ),
    st.lists(st.integers(1, 9).map(float), min_size=1, max_size=7),
    st.lists(st.integers(1, 20).map(float), min_size=3, max_size=3),
    st.sampled_from(["upper", "lower"]),
    # Territory 2 takes every unit, so that none is stranded.
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), max_size=10),
)


@settings(max_examples=80, deadline=None)
@given(problem=problems)
def test_flows_find_a_clash_exactly_where_another_solver_finds_no_split_assignment(problem: AssignmentProblem) -> None:
    cuts = Cuts(problem)
    clash = cuts.above(0, problem.upper[0])
    clash = cuts.below(0, problem.lower[0]) if clash is None else clash
    assert (clash is None) == splittable(problem)
    prices = prove_infeasible(problem)
    assert (prices is None) == (splittable(problem) and not len(oversized_units(problem)))
    if prices is not None and not len(oversized_units(problem)):
        assert is_certificate(problem, prices)


@settings(max_examples=40, deadline=None)
@given(problem=problems)
def test_a_shrunk_conflict_clashes_and_no_limit_of_it_can_go(problem: AssignmentProblem) -> None:
    check = LimitCheck(problem)
    conflict = check.smallest(np.isfinite(problem.upper), np.isfinite(problem.lower), Deadline(30))
    assert (conflict is None) == splittable(problem)
    if conflict is None:
        return
    assert conflict.is_cut
    assert is_certificate(problem, conflict.prices)
    upper = np.where(conflict.upper, problem.upper, np.inf)
    lower = np.where(conflict.lower, problem.lower, -np.inf)
    assert not splittable(problem.with_limits(lower, upper))
    for t in range(problem.n_territories):
        less_upper, less_lower = upper.copy(), lower.copy()
        less_upper[0, t], less_lower[0, t] = np.inf, -np.inf
        if conflict.upper[0, t] or conflict.lower[0, t]:
            assert splittable(problem.with_limits(less_lower, less_upper))


def test_a_conflict_between_measures_has_prices_on_both() -> None:
    # Territory 0 has too little room of the first measure, territory 1 of the second.
    problem = problem_of([[1, 1, 1, 1], [1, 1, 1, 1]], upper=[[1.5, 100], [100, 1.5]])
    assert prove_infeasible(problem, thorough=True) is not None
    conflict = LimitCheck(problem).smallest(np.isfinite(problem.upper), np.isfinite(problem.lower), Deadline(30))
    assert conflict is not None
    assert conflict.upper.tolist() == [[True, False], [False, True]]
    assert not conflict.is_cut
    assert is_certificate(problem, conflict.prices)


def test_one_territory_with_too_much_bound_to_it_is_preferred_to_a_longer_conflict() -> None:
    problem = problem_of([[5, 5, 5, 5]], upper=[[8, 6, 4]], barred=[(0, 1), (0, 2), (1, 1), (1, 2)])
    conflict = LimitCheck(problem).smallest(np.isfinite(problem.upper), np.isfinite(problem.lower), Deadline(30))
    assert conflict is not None
    assert conflict.upper.tolist() == [[True, False, False]]
    assert priced_bound(problem, conflict.prices, costless=True) == pytest.approx(2.0)


def test_loads_that_depend_on_the_territory_are_proved_by_the_relaxation() -> None:
    pair_loads = np.array([[[4.0, 9.0], [4.0, 9.0], [4.0, 9.0]]])
    problem = AssignmentProblem(
        TableCosts(np.ones((3, 2))),
        pair_loads.min(axis=2),
        np.full((1, 2), -np.inf),
        np.array([[7.0, 8.0]]),
        pair_loads,
    )
    assert prove_infeasible(problem) is None
    prices = prove_infeasible(problem, thorough=True)
    assert prices is not None
    assert is_certificate(problem, prices)


def test_a_unit_without_a_territory_needs_no_prices() -> None:
    problem = problem_of([[1, 1]], upper=[[5, 5]], barred=[(1, 0), (1, 1)])
    assert stranded_units(problem).tolist() == [1]
    prices = prove_infeasible(problem)
    assert prices is not None
    assert not prices.upper.any()


def test_a_unit_larger_than_every_allowed_limit_is_found_though_it_could_be_split() -> None:
    problem = problem_of([[6, 6, 1]], upper=[[5, 9]], barred=[(1, 1)])
    assert oversized_units(problem).tolist() == [1]
    assert splittable(problem) is False or prove_infeasible(problem) is not None
    assert oversized_units(problem_of([[6, 6, 1]], upper=[[5, 9]])).tolist() == []


def test_crossed_limits_are_a_certificate_and_rounding_is_not() -> None:
    problem = problem_of([[1, 2]], upper=[[3, 3]], lower=[[4, 0]])
    prices = crossed_limits(problem)
    assert prices is not None
    assert is_certificate(problem, prices)
    assert crossed_limits(problem_of([[1, 2]], upper=[[3, 3]], lower=[[3 + 1e-12, 0]])) is None


def test_prices_that_prove_nothing_are_no_certificate() -> None:
    problem = problem_of([[1, 2]], upper=[[2, 2]])
    assert not is_certificate(problem, Prices(np.array([[1.0, 1.0]]), np.zeros((1, 2))))
    assert not is_certificate(problem, Prices.zero(problem))


def test_lumps_hold_the_loads_of_units_with_the_same_territories() -> None:
    problem = problem_of([[1, 2, 3]], upper=[[9, 9]], barred=[(1, 0)])
    part = lumped(problem)
    assert part is not None
    assert sorted(part.loads[0].tolist()) == [2, 4]


@settings(max_examples=60, deadline=None)
@given(problem=problems)
def test_what_is_filled_keeps_every_limit(problem: AssignmentProblem) -> None:
    assignment = fill(problem, time_limit_s=10)
    if assignment is not None:
        assert problem.is_feasible(assignment)


def test_many_units_are_spread_inside_narrow_limits_beside_one_that_is_huge() -> None:
    rng = np.random.default_rng(3)
    loads = np.round(rng.lognormal(3, 1, 5_000))
    loads[7] = loads.sum()
    share, count = loads.sum() / 10, 500.0
    problem = problem_of(
        [loads.tolist(), [1.0] * 5_000],
        upper=[[share * 6.5] * 10, [count * 1.02] * 10],
        lower=[[0.0] * 10, [count * 0.98] * 10],
    )
    assignment = fill(problem, time_limit_s=10)
    assert assignment is not None
    assert problem.is_feasible(assignment)


def test_whole_units_that_do_not_fit_are_named_by_searching_without_each_limit_and_unit() -> None:
    # Three of 40 into two rooms of 70; the units of 1 and the third territory, closed to the large ones, do not matter.
    problem = problem_of([[40, 40, 40, 1, 1]], upper=[[70, 70, 70]], barred=[(0, 2), (1, 2), (2, 2)])
    assert splittable(problem)
    assert find_any(problem, time_limit_s=10).status == "infeasible"
    upper, lower = shrink_by_search(problem, np.isfinite(problem.upper), np.isfinite(problem.lower), Deadline(20))
    assert upper.tolist() == [[True, True, False]]
    assert not lower.any()
    kept = problem.with_limits(problem.lower, np.where(upper, problem.upper, np.inf))
    assert fewest_units(kept, Deadline(20)).tolist() == [0, 1, 2]


def test_the_least_stretch_is_what_another_solver_needs() -> None:
    problem = problem_of(
        [[10] * 6], upper=[[math.inf, math.inf, math.inf]], barred=[(i, t) for i in range(4) for t in (1, 2)]
    )
    nothing = np.full((1, 3), -np.inf)
    elastic = Elastic(np.full((1, 3), 22.0), nothing, np.full((1, 3), 20.0), np.zeros((1, 3)))
    assert least_stretch(problem, elastic) == pytest.approx(0.9)
    stiff = Elastic(np.full((1, 3), 22.0), nothing, np.zeros((1, 3)), np.zeros((1, 3)))
    assert least_stretch(problem, stiff) is None


def test_a_deadline_passes() -> None:
    assert Deadline(-1).passed
    assert Deadline(100).within(1).left_s <= 1
    assert not Deadline(100).passed
