"""Proofs that no territory design exists, against trying everything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.districting.infeasible.certificates import at_a_glance, components, prove_infeasible, surroundings
from solvers.districting.infeasible.exhaustive import refute
from solvers.districting.problem import DistrictingProblem, MatrixCosts
from tests.solvers.districting.conftest import brute_force, points_problem
from tests.solvers.districting.whole.test_exact import grid_pairs

if TYPE_CHECKING:
    from solvers.districting.infeasible.certificates import Infeasibility


def on_a_line(
    loads: list[float], lower: float, upper: float, m: int, links: list[tuple[int, int]] | None = None
) -> DistrictingProblem:
    """Return units in a row, each linked to the next."""
    n = len(loads)
    points = np.column_stack([np.arange(n), np.zeros(n)]).astype(float)
    pairs = [(i, i + 1) for i in range(n - 1)] if links is None else links
    return points_problem(points, np.array([loads]), lower, upper, m, pairs=pairs)


def proved(problem: DistrictingProblem) -> Infeasibility | None:
    """Return the proof, with time without end."""
    return prove_infeasible(problem, should_stop=lambda: False, effort=5.0)


def test_a_total_above_the_limits_is_named() -> None:
    found = proved(on_a_line([5, 5, 5], 0, 7, 2))
    assert found is not None
    assert (found.kind, found.measures, found.connected) == ("total", (0,), False)


def test_a_unit_above_every_limit_is_named() -> None:
    found = proved(on_a_line([9, 1, 1], 0, 7, 2))
    assert found is not None
    assert (found.kind, found.units.tolist(), found.measures) == ("unit", [0], (0,))


def test_a_unit_that_no_territory_may_hold_is_named() -> None:
    problem = on_a_line([1, 1, 1], 0, 7, 2)
    nowhere = replace(
        problem, class_of=np.array([0, 1, 0], np.int32), class_allowed=np.array([[True, True], [False, False]])
    )
    found = proved(nowhere)
    assert found is not None
    assert (found.kind, found.units.tolist(), found.measures) == ("unit", [1], ())


def test_locks_above_a_limit_and_territories_without_enough_units_are_named() -> None:
    problem = on_a_line([3, 3, 3, 3], 2, 7, 2)
    locked = proved(replace(problem, fixed=np.array([0, 0, 0, -1], np.int32)))
    assert locked is not None
    assert (locked.kind, locked.units.tolist(), locked.territories.tolist()) == ("locked", [0, 1, 2], [0])
    starved = proved(replace(problem, upper=np.array([[20.0, 20.0]]), class_allowed=np.array([[True, False]])))
    assert starved is not None
    assert (starved.kind, starved.territories.tolist()) == ("starved", [1])


def test_a_component_that_does_not_divide_into_territories_is_named() -> None:
    found = proved(on_a_line([4, 3, 2, 2, 2, 2], 5, 6, 3, links=[(0, 1), (1, 2), (3, 4), (4, 5)]))
    assert found is not None
    assert (found.kind, found.connected) == ("components", True)
    assert brute_force(on_a_line([4, 3, 2, 2, 2, 2], 5, 6, 3, links=[(0, 1), (1, 2), (3, 4), (4, 5)])) == np.inf


def test_more_components_than_territories_are_named() -> None:
    found = proved(on_a_line([5, 1, 1], 1, 7, 2, links=[]))
    assert found is not None
    assert (found.kind, found.units.tolist()) == ("components", [0, 1, 2])


def test_a_unit_shut_in_by_heavy_ones_is_named() -> None:
    problem = on_a_line([2, 6, 5, 1, 1, 6], 6, 8, 3, links=[(0, 2), (0, 5), (1, 2), (2, 3), (3, 4), (4, 5), (1, 5)])
    shut_in = replace(problem, loads=np.array([[5.0, 6.0, 4.0, 3.0, 3.0, 4.0]]), upper=np.full((1, 3), 8.4))
    assert components(shut_in) is None
    found = surroundings(shut_in, lambda: False, 5.0)
    assert found is not None
    assert found.units.tolist() == [0]
    assert brute_force(shut_in) == np.inf


def test_a_conflict_of_whole_loads_is_found_by_search_without_connection() -> None:
    found = proved(points_problem(np.zeros((4, 2)), np.array([[3.0, 3.0, 3.0, 1.0]]), 5.0, 5.0, 2))
    assert found is not None
    assert (found.kind, found.connected) == ("search", False)
    assert found.proof["solver"] == "CP-SAT"


def test_a_conflict_of_connection_is_found_by_search() -> None:
    # Heavy and light alternate on a cycle of six with chords missing: two sets of equal load are never connected.
    problem = on_a_line([4, 1, 4, 1, 1, 1], 6, 6, 2, links=[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])
    assert brute_force(problem) == np.inf
    assert refute(problem, should_stop=lambda: False, effort=5.0, seed=0) is not None
    assert refute(problem, should_stop=lambda: False, effort=5.0, seed=0, connected=False) is None
    found = proved(problem)
    assert found is not None
    assert found.connected


def test_pieces_of_several_units_are_cut_off_too() -> None:
    # Only the two ends together weigh as much as the middle.
    problem = on_a_line([1, 2, 6, 5, 3, 5], 11, 11, 2)
    assert brute_force(problem) == np.inf
    assert refute(problem, should_stop=lambda: False, effort=5.0, seed=0) is not None
    assert refute(problem, should_stop=lambda: False, effort=5.0, seed=0, connected=False) is None


def test_a_measure_that_conflicts_alone_is_named_alone() -> None:
    loads = np.array([[1.0, 1.0, 1.0, 1.0], [3.0, 3.0, 3.0, 1.0]])
    found = proved(points_problem(np.zeros((4, 2)), loads, np.array([1.0, 5.0]), np.array([3.0, 5.0]), 2))
    assert found is not None
    assert found.measures == (1,)


def test_distance_limits_can_be_what_conflicts() -> None:
    table = np.array([[0.0, np.inf], [np.inf, 0.0], [np.inf, np.inf]])
    two = DistrictingProblem.plain(
        MatrixCosts(table), np.full(2, -1, np.int32), np.ones((1, 3)), np.zeros((1, 2)), np.full((1, 2), 3.0)
    )
    found = proved(two)
    assert found is not None
    assert (found.kind, found.units.tolist()) == ("unit", [2])
    # Only the first two weigh as much as the third, and no place serves them both.
    apart = replace(
        two,
        costs=MatrixCosts(np.array([[0.0, np.inf], [np.inf, 0.0], [0.0, 0.0]])),
        loads=np.array([[1.0, 1.0, 2.0]]),
        lower=np.full((1, 2), 2.0),
        upper=np.full((1, 2), 2.0),
    )
    assert refute(apart, should_stop=lambda: False, effort=5.0, seed=0) is not None
    near = replace(apart, costs=MatrixCosts(np.zeros((3, 2))))
    assert refute(near, should_stop=lambda: False, effort=5.0, seed=0) is None


def test_given_centres_keep_their_units() -> None:
    problem = on_a_line([3, 3, 3], 0, 6, 2)
    beside = replace(problem, centres=np.array([0, 2]), fixed=np.array([1, -1, -1], np.int32))
    assert brute_force(beside) == np.inf
    assert proved(beside) is not None


def test_nothing_is_proved_once_stopped() -> None:
    problem = points_problem(np.zeros((4, 2)), np.array([[3.0, 3.0, 3.0, 1.0]]), 5.0, 5.0, 2)
    assert prove_infeasible(problem, should_stop=lambda: True, effort=5.0) is None


@settings(max_examples=15, deadline=None)
@given(
    loads=st.lists(st.integers(0, 9), min_size=6, max_size=6),
    limits=st.tuples(st.integers(0, 14), st.integers(0, 8)),
    m=st.integers(2, 3),
    dropped=st.sets(st.integers(0, 6), max_size=3),
    decimal=st.booleans(),
)
def test_a_proof_is_found_exactly_when_trying_everything_fails(
    loads: list[int], limits: tuple[int, int], m: int, dropped: set[int], decimal: bool
) -> None:
    pairs = [pair for q, pair in enumerate(grid_pairs(2, 3)) if q not in dropped]
    factor = 1 / 3 if decimal else 1.0
    row = np.array([loads]) * factor
    points = np.array([[x, y] for y in range(2) for x in range(3)], float)
    low, high = limits[0] * factor, (limits[0] + limits[1]) * factor
    problem = points_problem(points, row, low, high, m, pairs=pairs)
    exists = bool(np.isfinite(brute_force(problem)))
    for certificate in (at_a_glance(problem), components(problem), surroundings(problem, lambda: False, 5.0)):
        assert certificate is None or not exists
    found = proved(problem)
    # An empty territory has no unit to be centred in, which brute force does not allow and the search does.
    if exists:
        assert found is None
    elif low > 0 and not decimal:
        assert found is not None


@pytest.mark.parametrize("m", [2, 3])
def test_the_search_is_as_strict_as_trying_everything_with_unlike_territories(m: int) -> None:
    rng = np.random.default_rng(m)
    for _ in range(4):
        points = rng.random((6, 2))
        loads = rng.integers(1, 8, (1, 6)).astype(float)
        problem = points_problem(points, loads, 1.0, 30.0, m, pairs=grid_pairs(2, 3))
        fair = loads.sum() / m
        problem = replace(
            problem,
            lower=np.floor(fair * rng.uniform(0.8, 1.0, (1, m))),
            upper=np.ceil(fair * rng.uniform(1.0, 1.1, (1, m))),
            class_of=rng.integers(0, 2, 6).astype(np.int32),
            class_allowed=rng.random((2, m)) < 0.8,
        )
        assert (proved(problem) is None) == bool(np.isfinite(brute_force(problem)))
