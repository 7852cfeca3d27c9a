"""Costs computed from coordinates, by blocks, are what plain loops make of the rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.kernels import cheapest_pairs
from solvers.problem import AssignmentProblem, TableCosts, TravelCosts


def great_circle(a: Any, b: Any) -> float:
    phi, psi = math.radians(a[0]), math.radians(b[0])
    h = math.sin((psi - phi) / 2) ** 2 + math.cos(phi) * math.cos(psi) * math.sin(math.radians(b[1] - a[1]) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(min(1.0, h)))


def costs_of(
    rng: np.random.Generator, *, spherical: bool, power: int, max_travel: float, n: int = 12, m: int = 4
) -> TravelCosts:
    sizes = rng.integers(1, 4, n)
    members = int(sizes.sum())
    points = rng.uniform(-80, 80, (members, 2))
    points[rng.random(members) < 0.2] = np.nan
    return TravelCosts(
        member_start=np.concatenate(([0], np.cumsum(sizes))),
        points=points,
        weights=rng.integers(0, 5, members).astype(float),
        centers=rng.uniform(-80, 80, (m, 2)),
        spherical=spherical,
        power=power,
        max_travel=max_travel,
        class_of=rng.integers(0, 2, n).astype(np.int32),
        class_allowed=np.array([[True] * m, [True, False, True, False][:m]]),
        fixed=np.where(rng.random(n) < 0.2, rng.integers(0, m, n), -1).astype(np.int32),
    )


def by_loops(costs: TravelCosts) -> Any:
    n, m = costs.n_units, costs.n_territories
    out = np.zeros((n, m))
    for i in range(n):
        for t in range(m):
            for member in range(costs.member_start[i], costs.member_start[i + 1]):
                point = costs.points[member]
                if np.isnan(point).any():
                    continue
                distance = (
                    great_circle(point, costs.centers[t]) if costs.spherical else math.dist(point, costs.centers[t])
                )
                out[i, t] += costs.weights[member] * distance**costs.power if distance <= costs.max_travel else np.inf
            if not costs.class_allowed[costs.class_of[i], t] or costs.fixed[i] not in {-1, t}:
                out[i, t] = np.inf
    return out


@pytest.mark.parametrize("spherical", [True, False])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("reach", [math.inf, 0.5])
def test_costs_are_the_sum_over_members_with_every_rule_kept(spherical: bool, power: int, reach: float) -> None:
    longest = 20_000.0 if spherical else 200.0
    costs = costs_of(np.random.default_rng(power), spherical=spherical, power=power, max_travel=longest * reach)
    found = costs.block(0, costs.n_units)
    assert found == pytest.approx(by_loops(costs), rel=1e-9, abs=1e-6)
    assert np.isfinite(found).any()
    assert np.isinf(found).any()


def test_blocks_of_any_size_are_rows_of_the_whole() -> None:
    costs = costs_of(np.random.default_rng(5), spherical=True, power=1, max_travel=9_000.0)
    whole = costs.block(0, costs.n_units)
    for first, last in [(0, 1), (3, 7), (5, 12), (11, 12)]:
        assert np.array_equal(costs.block(first, last), whole[first:last])
    problem = AssignmentProblem(costs, np.ones((1, 12)), np.zeros((1, 4)), np.full((1, 4), 12.0))
    units = np.array([7, 0, 3])
    assert np.array_equal(problem.rows(units), whole[units])
    list(problem.blocks())
    assert np.array_equal(problem.rows(units), whole[units])


@given(
    a=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    b=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
)
@settings(max_examples=100, deadline=None)
def test_distances_on_the_sphere_are_the_haversine_formula(a: tuple[float, float], b: tuple[float, float]) -> None:
    costs = TravelCosts(
        np.array([0, 1]), np.array([a]), np.ones(1), np.array([b]), True, 1, np.inf,
        np.zeros(1, np.int32), np.ones((1, 1), np.bool_), np.full(1, -1, np.int32),
    )  # fmt: skip
    # Near the antipode the formula itself loses digits.
    expected = great_circle(a, b)
    assert costs.block(0, 1)[0, 0] == pytest.approx(expected, rel=1e-7, abs=0.5 if expected > 20_000 else 1e-4)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 5))
def test_the_cheapest_pairs_are_those_of_a_full_sort(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    n, m, k = int(rng.integers(1, 100)), int(rng.integers(width, 9)), int(rng.integers(0, 3))
    cost = np.where(rng.random((n, m)) < 0.3, np.inf, rng.random((n, m)))
    loads, prices = rng.random((k, n)), rng.normal(size=(k, m))
    territory, reduced = cheapest_pairs(cost, loads, prices, width)
    full = np.sort(cost + loads.T @ prices, axis=1)[:, :width]
    assert reduced == pytest.approx(full, abs=1e-12)
    assert np.array_equal(territory >= 0, np.isfinite(full))


def test_loads_and_costs_of_an_assignment_are_plain_sums() -> None:
    costs = np.array([[1.0, 5.0], [2.0, np.inf], [3.0, 7.0]])
    pair_loads = np.array([[[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]]])
    limits = np.zeros((1, 2)), np.array([[7.0, 40.0]])
    by_unit = AssignmentProblem(TableCosts(costs), np.array([[1.0, 2.0, 4.0]]), *limits)
    by_pair = AssignmentProblem(TableCosts(costs), np.array([[1.0, 2.0, 4.0]]), *limits, pair_loads)
    assignment = np.array([0, 0, 1], np.int32)
    assert by_unit.loads_of(assignment).tolist() == [[3, 4]]
    assert by_pair.loads_of(assignment).tolist() == [[3, 40]]
    assert by_unit.cost_of(assignment) == 10.0
    assert by_pair.is_feasible(assignment)
    assert not by_pair.with_limits(limits[0], np.array([[7.0, 39.0]])).is_feasible(assignment)
    assert not by_unit.is_feasible(np.array([0, 1, 1], np.int32))  # unit 1 may not go to territory 1


def test_a_limit_is_kept_up_to_the_rounding_of_a_sum_and_no_further() -> None:
    loads = np.full((1, 10), 0.1)
    problem = AssignmentProblem(TableCosts(np.zeros((10, 1))), loads, np.array([[1.0]]), np.array([[1.0]]))
    assert problem.is_feasible(np.zeros(10, np.int32))
    assert not problem.with_limits(problem.lower, problem.upper * (1 - 1e-8)).is_feasible(np.zeros(10, np.int32))
