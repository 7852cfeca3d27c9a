from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.districting.checks import broken_rules, pieces
from solvers.districting.connected.contiguous_start import contiguous_start
from solvers.districting.problem import DistrictingProblem, PlaceCosts
from tests.solvers.districting.conftest import points_problem
from tests.solvers.districting.maps import grown, hexagons, planar_map


def open_problem(points: np.ndarray, graph: nx.Graph, m: int) -> DistrictingProblem:
    n = len(points)
    return points_problem(points, np.ones((1, n)), -np.inf, np.inf, m, pairs=list(graph.edges))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 40), st.integers(1, 4))
def test_any_assignment_becomes_connected_and_a_connected_one_stays_as_it_is(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    points, graph = planar_map(n, rng)
    problem = open_problem(points, graph, m)
    start = rng.integers(-1, m, n).astype(np.int32)
    centres, assignment = contiguous_start(problem, rng.choice(n, m, replace=False), start)
    assert broken_rules(problem, centres, assignment) == []
    whole = grown(graph, m, rng)
    own = np.array([rng.choice(np.flatnonzero(whole == t)) for t in range(m)])
    centres, assignment = contiguous_start(problem, own, whole)
    assert np.array_equal(centres, own)
    assert np.array_equal(assignment, whole)


def test_what_is_cut_off_goes_to_the_cheapest_territory_that_it_touches() -> None:
    # 0 1 2 3 4 5 6 in a row; unit 5 is territory 0's, beyond territory 1.
    points = np.column_stack([np.arange(7.0), np.zeros(7)])
    problem = open_problem(points, nx.path_graph(7), 2)
    centres, assignment = contiguous_start(problem, np.array([1, 4]), np.array([0, 0, 0, 1, 1, 0, 1], np.int32))
    assert assignment.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert centres.tolist() == [1, 4]


def test_territories_grow_from_their_centres_where_there_is_no_assignment() -> None:
    points, pairs = hexagons(9, 12)
    problem = points_problem(points, np.ones((1, 108)), -np.inf, np.inf, 4, pairs=pairs)
    centres, assignment = contiguous_start(problem, np.array([0, 11, 96, 107]), np.full(108, -1, np.int32))
    assert broken_rules(problem, centres, assignment) == []
    assert np.bincount(assignment).min() > 15


def test_two_centres_in_one_unit_part() -> None:
    points, pairs = hexagons(4, 4)
    # Two places in every unit.
    costs = PlaceCosts(np.arange(17), points, np.ones(16), np.repeat(points, 2, axis=0) + 0.01, False)
    base = points_problem(points, np.ones((1, 16)), -np.inf, np.inf, 2, pairs=pairs)
    problem = replace(base, costs=costs, candidate_unit=np.repeat(np.arange(16, dtype=np.int32), 2))
    centres, assignment = contiguous_start(problem, np.array([4, 5]), np.zeros(16, np.int32))
    assert broken_rules(problem, centres, assignment) == []
    assert set(assignment.tolist()) == {0, 1}


def test_locked_units_are_kept_and_reached_by_a_path() -> None:
    points, pairs = hexagons(7, 7)
    problem = points_problem(points, np.ones((1, 49)), -np.inf, np.inf, 2, pairs=pairs, centres=np.array([0, 48]))
    fixed = np.full(49, -1, np.int32)
    fixed[[27, 41]] = 0
    problem = replace(problem, fixed=fixed)
    nearest = problem.costs.columns(np.array([0, 48])).argmin(axis=1).astype(np.int32)
    assert problem.graph is not None
    centres, assignment = contiguous_start(problem, np.array([0, 48]), nearest)
    assert broken_rules(problem, centres, assignment) == []
    assert assignment[27] == assignment[41] == 0


def test_units_stay_in_territories_that_may_hold_them() -> None:
    points, pairs = hexagons(6, 6)
    problem = points_problem(points, np.ones((1, 36)), -np.inf, np.inf, 2, pairs=pairs, centres=np.array([0, 5]))
    class_of = (np.arange(36) % 6 == 0).astype(np.int32)
    problem = replace(problem, class_of=class_of, class_allowed=np.array([[True, True], [True, False]]))
    centres, assignment = contiguous_start(problem, np.array([0, 5]), np.ones(36, np.int32))
    assert broken_rules(problem, centres, assignment) == []


def test_every_island_gets_a_centre_where_there_are_enough() -> None:
    points = np.concatenate([np.random.default_rng(0).random((12, 2)), np.random.default_rng(1).random((5, 2)) + 9])
    pairs = [(i, i + 1) for i in range(16) if i != 11]
    problem = points_problem(points, np.ones((1, 17)), -np.inf, np.inf, 3, pairs=pairs)
    centres, assignment = contiguous_start(problem, np.array([1, 5, 9]), np.zeros(17, np.int32))
    assert broken_rules(problem, centres, assignment) == []


def test_units_that_no_territory_can_reach_are_still_somewhere() -> None:
    points = np.random.default_rng(0).random((6, 2))
    pairs = [(0, 1), (1, 2), (3, 4), (4, 5)]
    problem = points_problem(points, np.ones((1, 6)), -np.inf, np.inf, 1, pairs=pairs)
    assert problem.graph is not None
    _, assignment = contiguous_start(problem, np.array([0]), np.full(6, -1, np.int32))
    assert assignment.tolist() == [0] * 6
    assert pieces(problem.graph, assignment, 1).tolist() == [2]
