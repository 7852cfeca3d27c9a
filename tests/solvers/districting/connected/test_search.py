from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.districting.checks import broken_rules, pieces
from solvers.districting.connected.borders import BORDER, OBJECTIVE, OUTSIDE, PLACE
from solvers.districting.connected.cooling import Cooling
from solvers.districting.connected.openings import opened_around, touching
from solvers.districting.connected.region import OwnCandidates, Region
from solvers.districting.connected.search import ConnectedSearch, search_connected
from solvers.districting.problem import DistrictingProblem, Graph, MatrixCosts, PlaceCosts
from solvers.districting.whole.exact import solve_exactly
from tests.solvers.districting.conftest import brute_force, points_problem
from tests.solvers.districting.maps import grown, hexagons, planar_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NOWHERE = np.empty(0, np.int64)


def searched(
    problem: DistrictingProblem, rounds: int, seed: int = 0, start: NDArray[np.int32] | None = None, **options: object
) -> ConnectedSearch:
    rng = np.random.default_rng(seed)
    centres = problem.centres
    if centres is None:
        centres = rng.choice(problem.costs.n_candidates, problem.n_territories, replace=False)
    assignment = np.full(problem.n_units, -1, np.int32) if start is None else start
    stop: Callable[[], bool] = lambda: False  # noqa: E731 - a name for the tests' only stopping rule
    return search_connected(
        problem,
        centres.astype(np.int64),
        assignment,
        should_stop=stop,
        rounds=rounds,
        rng=rng,
        report=lambda _stage, **_values: None,
        **options,  # type: ignore[arg-type]  # the tests' own words
    )


def region_of(problem: DistrictingProblem, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> Region:
    own = OwnCandidates(problem.candidate_unit, problem.n_units)
    every = np.arange(problem.n_territories)
    return Region(problem, problem.costs, own, centres, assignment, every, NOWHERE)


def random_map(seed: int, n: int, m: int, tolerance: float) -> DistrictingProblem:
    """A map with lumpy loads, a third of the units empty: without load and without cost."""
    rng = np.random.default_rng(seed)
    points, graph = planar_map(n, rng)
    load = np.ceil(rng.pareto(2.0, n) * 10) * (rng.random(n) > 1 / 3)
    fair = load.sum() / m
    return points_problem(
        points, load[None], fair * (1 - tolerance), fair * (1 + tolerance), m, weights=load, pairs=list(graph.edges)
    )


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(12, 60), st.integers(2, 5), st.booleans())
def test_a_feasible_answer_keeps_every_rule_and_every_answer_is_connected(
    seed: int, n: int, m: int, given_centres: bool
) -> None:
    problem = random_map(seed, n, m, 0.3)
    if given_centres:
        problem = replace(problem, centres=np.random.default_rng(seed).choice(n, m, replace=False))
    found = searched(problem, 3, seed)
    assert problem.graph is not None
    assert pieces(problem.graph, found.assignment, m).tolist() == [1] * m
    broken = broken_rules(problem, found.centres, found.assignment)
    assert found.feasible == (not broken)
    assert found.feasible or all("load" in sentence for sentence in broken)
    assert found.objective == pytest.approx(problem.cost_of(found.centres, found.assignment))


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_all_designs_is_found_on_tiny_maps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, graph = planar_map(9, rng)
    load = rng.integers(1, 6, (2, 9)).astype(float)
    fair = load.sum(axis=1) / 2
    problem = points_problem(points, load, fair * 0.7, fair * 1.3, 2, pairs=list(graph.edges))
    best = brute_force(problem)
    found = searched(problem, 7, seed)
    if np.isinf(best):
        assert not found.feasible
    else:
        assert found.feasible
        assert found.objective == pytest.approx(best)


def comb() -> DistrictingProblem:
    """Two rows of places, linked along each row and at one end only: the nearest centre is often across the gap."""
    x = np.arange(6.0)
    points = np.concatenate([np.column_stack([x, np.zeros(6)]), np.column_stack([x, np.full(6, 0.1)])])
    pairs = [(i, i + 1) for i in range(5)] + [(i, i + 1) for i in range(6, 11)] + [(0, 6)]
    return points_problem(points, np.ones((1, 12)), 4.0, 8.0, 2, pairs=pairs)


def test_connection_is_kept_where_breaking_it_would_pay() -> None:
    problem = comb()
    together = brute_force(problem)
    assert brute_force(replace(problem, graph=None)) < 0.8 * together
    apart = np.tile(np.repeat([0, 1], 3), 2).astype(np.int32)
    found = searched(problem, 5, start=apart)
    assert broken_rules(problem, found.centres, found.assignment) == []
    assert found.objective == pytest.approx(together)


def test_no_move_ever_leaves_a_territory_in_two_pieces() -> None:
    rng = np.random.default_rng(5)
    points, graph = planar_map(80, rng, thinned=0.5)
    load = rng.integers(0, 4, (2, 80)).astype(float)
    fair = load.sum(axis=1) / 5
    problem = points_problem(points, load, fair * 0.8, fair * 1.2, 5, pairs=list(graph.edges))
    assignment = grown(graph, 5, rng)
    centres = np.array([np.flatnonzero(assignment == t)[0] for t in range(5)])
    region = region_of(problem, centres, assignment)
    random = np.array([7], np.uint64)
    region.price(1.0)
    moved = 0
    for _ in range(400):
        before = region.assignment.copy()
        region.anneal(random, 2.0, 10)
        moved += int(np.any(before != region.assignment))
        assert region.pieces() == 5
        assert np.array_equal(region.assignment[centres], np.arange(5))
    assert moved > 200
    region.descend(rng.permutation(80).astype(np.int32), 10**6)
    assert region.pieces() == 5


def test_sums_kept_step_by_step_are_those_made_anew() -> None:
    rng = np.random.default_rng(6)
    points, graph = planar_map(60, rng)
    load = rng.random((2, 60))
    fair = load.sum(axis=1) / 4
    problem = points_problem(points, load, fair * 0.8, fair * 1.2, 4, pairs=list(graph.edges))
    problem = replace(problem, target=np.repeat(fair[:, None], 4, axis=1), target_weight=np.array([3.0, 0.0]))
    assignment = grown(graph, 4, rng)
    centres = np.array([np.flatnonzero(assignment == t)[0] for t in range(4)])
    region = region_of(problem, centres, assignment)
    region.price(2.0)
    region.anneal(np.array([1], np.uint64), 1.0, 3000)
    kept = region.division
    values, totals = kept.values[OBJECTIVE], kept.totals.copy()
    border = set(np.flatnonzero(kept.unit[:, PLACE] >= 0).tolist())
    outside = kept.unit[:, OUTSIDE].copy()
    best, best_objective = region.best_assignment, region.best_objective
    if np.isfinite(best_objective):
        assert broken_rules(problem, centres, best) == []
        assert problem.cost_of(centres, best) == pytest.approx(best_objective)
    region.load(region.assignment.copy())
    assert kept.values[OBJECTIVE] == pytest.approx(values)
    assert values == pytest.approx(problem.cost_of(centres, region.assignment))
    assert totals == pytest.approx(kept.totals)
    assert border == set(np.flatnonzero(kept.unit[:, PLACE] >= 0).tolist())
    assert len(border) == kept.counts[BORDER]
    assert np.array_equal(outside, kept.unit[:, OUTSIDE])


def test_locks_classes_and_travel_limits_hold() -> None:
    points, pairs = hexagons(6, 8)
    costs = PlaceCosts(np.arange(49), points, np.ones(48), points, False, max_travel=6.0)
    fixed = np.full(48, -1, np.int32)
    fixed[[3, 34]] = [1, 0]
    base = points_problem(points, np.ones((1, 48)), 12.0, 20.0, 3, pairs=pairs, centres=np.array([0, 7, 43]))
    class_of = (np.arange(48) % 8 < 2).astype(np.int32)
    problem = replace(
        base,
        costs=costs,
        fixed=fixed,
        class_of=class_of,
        class_allowed=np.array([[True, True, True], [True, False, True]]),
    )
    found = searched(problem, 6)
    assert broken_rules(problem, found.centres, found.assignment) == []


def test_given_centres_stay_and_unlike_limits_are_kept() -> None:
    points, pairs = hexagons(6, 8)
    lower, upper = np.array([[5.0, 30.0, 6.0]]), np.array([[7.0, 36.0, 9.0]])
    base = points_problem(points, np.ones((1, 48)), -np.inf, np.inf, 3, pairs=pairs, centres=np.array([9, 12, 38]))
    problem = replace(base, lower=lower, upper=upper)
    found = searched(problem, 4)
    assert broken_rules(problem, found.centres, found.assignment) == []
    assert np.bincount(found.assignment)[1] >= 30


def test_soft_targets_are_weighed_against_travel() -> None:
    problem = comb()
    soft = replace(
        problem,
        lower=np.full((1, 2), -np.inf),
        upper=np.full((1, 2), np.inf),
        target=np.array([[9.0, 3.0]]),
        target_weight=np.array([2.0]),
    )
    found, hard = searched(soft, 5), searched(problem, 5)
    assert found.objective == pytest.approx(brute_force(soft))
    assert found.objective < soft.cost_of(hard.centres, hard.assignment)


def test_homes_of_reps_that_are_in_no_unit_can_be_centres_once_each() -> None:
    points, pairs = hexagons(5, 8)
    homes = np.array([[1.0, 1.0], [6.0, 1.0], [3.0, 3.0], [30.0, 30.0]])
    base = points_problem(points, np.ones((1, 40)), 15.0, 25.0, 2, pairs=pairs)
    table = np.hypot(points[:, :1] - homes[:, 0], points[:, 1:] - homes[:, 1])
    problem = replace(base, costs=MatrixCosts(table), candidate_unit=np.full(4, -1, np.int32))
    found = searched(problem, 6)
    assert broken_rules(problem, found.centres, found.assignment) == []
    assert 3 not in found.centres


def test_the_same_seed_and_rounds_give_the_same_answer() -> None:
    problem = random_map(3, 50, 4, 0.1)
    one, other = searched(problem, 6, 4), searched(problem, 6, 4)
    assert np.array_equal(one.assignment, other.assignment)
    assert np.array_equal(one.centres, other.centres)
    assert one.rounds == other.rounds == 6


def test_more_rounds_are_never_worse() -> None:
    problem = random_map(8, 50, 4, 0.2)
    costs = [searched(problem, rounds, 1) for rounds in (2, 4, 7)]
    assert costs[0].feasible
    assert costs[0].objective >= costs[1].objective >= costs[2].objective


def test_exact_parts_are_used_where_a_solver_is_given() -> None:
    problem = random_map(2, 40, 4, 0.3)
    asked = []

    def solver(part: DistrictingProblem, **options: object) -> object:
        asked.append(part)
        return solve_exactly(part, **options)  # type: ignore[arg-type]  # handed on as they came

    found = searched(problem, 12, resolve=solver)
    assert asked
    assert all(part.n_territories < 4 or part.n_units == 40 for part in asked)
    assert broken_rules(problem, found.centres, found.assignment) == []


def test_the_search_stops_at_its_target() -> None:
    problem = random_map(2, 40, 4, 0.3)
    long = searched(problem, 10)
    short = searched(problem, 10, target=long.objective * 1.5)
    assert short.feasible
    assert short.rounds < long.rounds


def test_a_large_territorys_centre_goes_to_the_best_of_its_candidates() -> None:
    points, pairs = hexagons(16, 20)
    weights = np.random.default_rng(0).random(320)
    problem = points_problem(points, weights[None], -np.inf, np.inf, 2, weights=weights, pairs=pairs)
    assignment = (np.arange(320) % 20 >= 10).astype(np.int32)
    region = region_of(problem, np.array([0, 19]), assignment)
    while region.recentre():
        pass
    for t in range(2):
        inside = np.flatnonzero(assignment == t)
        total = problem.costs.submatrix(inside, inside).sum(axis=0)
        assert region.centres[t] == inside[total.argmin()]


def test_a_cooling_in_portions_is_the_cooling_at_once() -> None:
    problem = random_map(4, 60, 4, 0.3)
    start = searched(problem, 1)
    answers = []
    for portion in (3, 12):
        cooling = Cooling(region_of(problem, start.centres.copy(), start.assignment), 5, 2.0, 24_000, 12)
        while cooling.left:
            cooling.advance(portion)
        answers.append((cooling.region.centres, cooling.region.assignment))
        assert cooling.connected()
    assert np.array_equal(answers[0][0], answers[1][0])
    assert np.array_equal(answers[0][1], answers[1][1])


def test_empty_units_end_up_where_they_make_borders_short() -> None:
    # Only the outer columns have accounts: between them nothing is at stake.
    points, pairs = hexagons(8, 9)
    weights = ((np.arange(72) % 9 == 0) | (np.arange(72) % 9 == 8)).astype(float)
    problem = points_problem(points, weights[None], 8.0, 8.0, 2, weights=weights, pairs=pairs)
    rng = np.random.default_rng(0)
    ragged = np.where(np.arange(72) % 9 < 4 + np.arange(72) // 9 % 2 * 2, 0, 1).astype(np.int32)
    region = region_of(problem, np.array([27, 35]), ragged)
    assert problem.graph is not None

    def links() -> int:
        graph: Graph = problem.graph  # type: ignore[assignment]  # there is one: see above
        row = np.repeat(np.arange(72), np.diff(graph.start))
        return int((region.assignment[row] != region.assignment[graph.neighbour]).sum())

    before = links()
    region.price(1.0)
    region.descend(rng.permutation(72).astype(np.int32), 10**6)
    assert links() < before
    assert region.pieces() == 2


def test_territories_opened_together_touch_and_leave_out_the_closed_ones() -> None:
    points, pairs = hexagons(10, 10)
    problem = points_problem(points, np.ones((1, 100)), -np.inf, np.inf, 10, pairs=pairs)
    found = searched(problem, 1)
    assert problem.graph is not None
    beside, border = touching(problem.graph, found.assignment, 10)
    assert 0 < border <= 100
    closed = np.zeros(10, np.bool_)
    closed[[2, 3]] = True
    rng = np.random.default_rng(0)
    for surplus in (np.zeros((1, 10)), rng.normal(size=(1, 10))):
        chosen = opened_around(5, beside, 4, closed, surplus, rng)
        assert 5 in chosen
        assert not closed[chosen].any()
        whole = np.where(np.isin(found.assignment, chosen), 0, 1).astype(np.int32)
        assert pieces(problem.graph, whole, 2)[0] == 1
