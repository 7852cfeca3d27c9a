"""Walks, starts, cells and recentring: each against the plain definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.districting.centres.annealing import Annealer
from solvers.districting.centres.decomposition import Decomposition
from solvers.districting.centres.medians import Recentring
from solvers.districting.centres.seeding import halved, spread_out, start_at
from solvers.districting.centres.shifts import Settling
from solvers.districting.centres.sites import pointwise, site_cost, site_costs, unit_places
from solvers.districting.centres.territories import rules_of
from solvers.districting.coarsening import coarsened
from tests.solvers.districting.conftest import brute_force, points_problem


def clustered(seed: int, n: int = 60, m: int = 6, **options: bool | int):  # type: ignore[no-untyped-def]  # options of points_problem
    rng = np.random.default_rng(seed)
    loads = rng.integers(1, 9, (1, n)).astype(float)
    fair = loads.sum() / m
    return points_problem(rng.uniform(0, 10, (n, 2)), loads, 0.6 * fair, 1.4 * fair, m, **options)


@given(seed=st.integers(0, 10_000), power=st.sampled_from([1, 2]), spherical=st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_walk_says_what_its_end_costs(seed: int, power: int, spherical: bool) -> None:
    problem = clustered(seed, power=power, spherical=spherical)
    annealer = Annealer(problem)
    _, assignment = start_at(problem, annealer.sites, np.random.default_rng(seed))
    usual = annealer.usual(assignment)
    walk = annealer.course(
        assignment, seed, hot=usual, cold=0.05 * usual, price=10 * usual, stages=5, moves=300
    ).finish()
    assert np.all(walk.centres >= 0)
    assert walk.objective == pytest.approx(problem.cost_of(walk.centres, walk.assignment))
    assert np.array_equal(walk.assignment[problem.candidate_unit[walk.centres]], np.arange(6))
    lower, upper = problem.slack()
    loads = problem.loads_of(walk.assignment)
    assert (walk.violation == 0) == bool(np.all((loads >= lower) & (loads <= upper)))


def test_a_walk_is_the_same_in_one_piece_or_several() -> None:
    problem = clustered(1)
    annealer = Annealer(problem)
    start = np.arange(60, dtype=np.int32) % 6
    options = {"hot": 3.0, "cold": 0.1, "price": 50.0, "stages": 9, "moves": 200}
    whole = annealer.course(start, 4, **options).finish()
    course = annealer.course(start, 4, **options)
    while course.advance(2):
        pass
    assert np.array_equal(whole.assignment, course.finish().assignment)


def test_a_walk_never_breaks_a_class_or_a_lock() -> None:
    problem = replace(
        clustered(9),
        class_of=(np.arange(60) % 2).astype(np.int32),
        class_allowed=np.array([[True] * 6, [False, True, False, True, True, True]]),
        fixed=np.where(np.arange(60) % 10 == 3, 4, -1).astype(np.int32),
    )
    annealer = Annealer(problem)
    _, start = start_at(problem, annealer.sites, np.random.default_rng(0))
    may = problem.may_hold()
    assert may[np.arange(60), start].all()
    for seed in range(3):
        walk = annealer.course(start, seed + 1, hot=50.0, cold=50.0, price=1.0, stages=4, moves=3000).finish()
        assert may[np.arange(60), walk.assignment].all()
        assert not np.array_equal(walk.assignment, start)


def test_a_map_cut_in_halves_keeps_locks_and_classes() -> None:
    problem = replace(
        clustered(12),
        class_of=(np.arange(60) % 2).astype(np.int32),
        class_allowed=np.array([[True] * 6, [False, True, False, True, True, True]]),
        fixed=np.where(np.arange(60) % 7 == 3, 4, -1).astype(np.int32),
    )
    places = unit_places(problem)
    assert places is not None
    halves = halved(problem, places, np.random.default_rng(0))
    assert problem.may_hold()[np.arange(60), halves].all()
    assert len(np.unique(halves)) == 6


def test_a_walk_alone_weighs_soft_targets_as_the_objective_does() -> None:
    plain = clustered(10, n=7, m=3)
    aim = plain.loads.sum() / 3 * np.array([[0.6, 1.0, 1.4]])
    problem = replace(plain, target=aim, target_weight=np.array([3.0]))
    annealer = Annealer(problem)
    rng = np.random.default_rng(0)
    ends = []
    for seed in range(4):
        _, start = start_at(problem, annealer.sites, rng)
        usual = annealer.usual(start)
        course = annealer.course(start, seed + 1, hot=usual, cold=0.02 * usual, price=20 * usual, stages=20, moves=400)
        walk = course.finish()
        assert walk.objective == pytest.approx(problem.cost_of(walk.centres, walk.assignment))
        ends.append(walk.objective)
    assert min(ends) == pytest.approx(brute_force(problem))


def test_assigning_at_fixed_centres_keeps_locks_classes_and_the_centres_own_units() -> None:
    problem = replace(
        clustered(11, n=300, m=6),
        class_of=(np.arange(300) % 2).astype(np.int32),
        class_allowed=np.array([[True] * 6, [False, True, True, True, True, True]]),
        fixed=np.where(np.arange(300) % 25 == 3, 4, -1).astype(np.int32),
    )
    centres, start = start_at(problem, np.arange(300), np.random.default_rng(0))
    settling = Settling(problem, rules_of(problem, np.zeros(301, np.int64), np.zeros((300, 0), np.int32)))
    usual = float(problem.travel_of(centres, start).mean())
    found = settling.shifts(settling.reach(centres, start), 1, hot=20 * usual, price=usual, stages=4, moves_a_unit=30)
    assert problem.may_hold()[np.arange(300), found].all()
    assert np.array_equal(found[centres], np.arange(6))
    assert not np.array_equal(found, start)


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("power", [1, 2])
def test_costs_computed_when_asked_for_are_those_of_the_problem(spherical: bool, power: int) -> None:
    problem = clustered(2, spherical=spherical, power=power)
    table = problem.costs.columns(np.arange(60))
    costs = pointwise(problem.costs)
    assert costs is not None
    assert [site_cost(costs, i, j) for i, j in [(0, 1), (5, 5), (59, 3)]] == pytest.approx(
        [table[0, 1], table[5, 5], table[59, 3]], abs=1e-6
    )
    tabled = site_costs(problem.costs, np.arange(60))
    assert np.allclose(tabled.table, table)


def test_centres_move_to_the_best_candidate_of_their_territories() -> None:
    problem = clustered(3, n=40, m=4)
    assignment = np.arange(40, dtype=np.int32) % 4
    moved = Recentring(problem).moved(np.arange(4), assignment)
    table = problem.costs.columns(np.arange(40))
    for t in range(4):
        own = np.flatnonzero(assignment == t)
        total = table[np.ix_(own, own)].sum(axis=0)
        assert table[own, moved[t]].sum() == pytest.approx(total.min())


def test_halving_gives_every_territory_about_its_share() -> None:
    problem = clustered(4, n=600, m=7)
    places = unit_places(problem)
    assert places is not None
    loads = problem.loads_of(halved(problem, places, np.random.default_rng(0)))[0]
    assert loads.min() > 0.85 * loads.mean()
    assert loads.max() < 1.15 * loads.mean()


def test_starts_are_spread_out_over_distinct_candidates() -> None:
    problem = clustered(5)
    chosen, nearest, cost = spread_out(problem, np.arange(60), np.random.default_rng(0))
    assert len(np.unique(chosen)) == 6
    assert cost == pytest.approx(problem.costs.columns(chosen).min(axis=1))
    assert np.array_equal(nearest[chosen], np.arange(6))


def test_cells_keep_every_load_and_never_mix_classes() -> None:
    problem = clustered(6, n=500, m=5)
    object.__setattr__(problem, "class_of", (np.arange(500) % 3).astype(np.int32))
    object.__setattr__(problem, "class_allowed", np.ones((3, 5), np.bool_))
    coarse = coarsened(problem, 50, np.random.default_rng(0))
    assert coarse is not None
    assert 40 <= coarse.problem.n_units <= 90
    assert coarse.problem.loads.sum() == pytest.approx(problem.loads.sum())
    for cell in range(coarse.problem.n_units):
        inside = coarse.cell == cell
        assert len(np.unique(problem.class_of[inside])) == 1
        assert coarse.problem.loads[0, cell] == pytest.approx(problem.loads[0, inside].sum())
    back = coarse.majority(np.repeat(np.arange(5, dtype=np.int32), 100))
    assert np.all((back >= 0) & (back < 5))


def test_shifts_come_close_to_the_optimal_flow_and_keep_the_limits() -> None:
    rng = np.random.default_rng(7)
    problem = points_problem(rng.uniform(0, 10, (300, 2)), np.ones((1, 300)), 27.0, 33.0, 10)
    start = halved(problem, unit_places(problem), rng)  # type: ignore[arg-type]  # these units have places
    centres = Recentring(problem).moved(np.zeros(10, np.int64), start)
    settling = Settling(problem, rules_of(problem, np.zeros(301, np.int64), np.zeros((300, 0), np.int32)))
    reach = settling.reach(centres, start)
    flowed = settling.flows(reach)
    assert flowed is not None
    shifted = settling.shifts(reach, 1, hot=0.2, price=100.0, stages=20, moves_a_unit=20)
    counts = np.bincount(shifted, minlength=10)
    assert counts.min() >= 27
    assert counts.max() <= 33
    assert (
        problem.cost_of(centres, flowed) <= problem.cost_of(centres, shifted) <= 1.02 * problem.cost_of(centres, flowed)
    )


def test_exact_neighbourhoods_only_improve_and_come_to_an_end() -> None:
    from concurrent.futures import ThreadPoolExecutor

    problem = clustered(8, n=40, m=8)
    annealer = Annealer(problem)
    _, start = start_at(problem, annealer.sites, np.random.default_rng(0))
    usual = annealer.usual(start)
    walk = annealer.course(start, 1, hot=1e-6, cold=1e-6, price=20 * usual, stages=2, moves=200).finish()
    assert walk.violation == 0
    parts = Decomposition(problem, annealer.rules.near, walk.centres, walk.assignment, units_wanted=16)
    rng = np.random.default_rng(0)
    value = walk.objective
    with ThreadPoolExecutor(2) as threads:
        for _ in range(60):
            if parts.exhausted:
                break
            gained = parts.round(rng, threads)
            now = problem.cost_of(parts.centres, parts.assignment)
            assert gained >= 0
            assert now == pytest.approx(value - gained)
            value = now
    assert parts.exhausted
    assert value < walk.objective
