"""The ascent: what it hands back is a bound, a good one, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from solvers.districting.bound import centre_bound as bound
from solvers.districting.bound import coarse, levels, multipliers
from solvers.districting.bound.centre_bound import centre_bound
from solvers.districting.bound.multipliers import ascend
from solvers.districting.problem import DistrictingProblem, PlaceCosts
from tests.solvers.districting.conftest import points_problem
from tests.solvers.districting.designs import every_design, problems


def never() -> bool:
    return False


@given(problem=problems())
@settings(max_examples=25, deadline=None)
def test_the_bound_is_valid_and_is_what_the_multipliers_prove(problem: DistrictingProblem) -> None:
    best = min((value for value, _, _ in every_design(problem)), default=np.inf)
    found = ascend(problem, upper_value=None, should_stop=never, rounds=2)
    assert found.bound <= best + 1e-9 * max(1.0, abs(best)) or best == np.inf
    assert found.bound == centre_bound(problem, found.values, found.measure, whole=found.whole)
    assert len(np.unique(found.centres)) == problem.n_territories


def scattered(n: int = 60, *, spherical: bool = False) -> DistrictingProblem:
    rng = np.random.default_rng(1)
    load = rng.integers(1, 20, (2, n)).astype(float)
    fair = load.sum(axis=1) / 6
    points = rng.uniform(0, 10, (n, 2))
    return points_problem(points, load, np.array([-np.inf, -np.inf]), 1.1 * fair, 6, spherical=spherical)


def test_more_rounds_never_prove_less_among_the_offers_and_stopping_is_heeded() -> None:
    problem = scattered()
    bounds = [
        ascend(problem, upper_value=None, should_stop=never, rounds=r, measure=0, whole=False).bound
        for r in (0, 1, 2, 4)
    ]
    assert bounds == sorted(bounds)
    assert bounds[-1] > bounds[0]
    stopped = ascend(problem, upper_value=None, should_stop=lambda: True, rounds=4, measure=0, whole=False)
    assert stopped.rounds == 0
    assert stopped.bound == bounds[0]


def test_the_measure_that_proves_most_is_chosen() -> None:
    problem = scattered()
    chosen = ascend(problem, upper_value=None, should_stop=never, rounds=2)
    assert chosen.measure in (0, 1)
    without = ascend(points_problem(np.arange(8.0).reshape(4, 2), np.empty((0, 4)), np.empty(0), np.empty(0), 2),
                     upper_value=None, should_stop=never, rounds=1)  # fmt: skip
    assert without.measure is None


def test_a_start_is_taken_up_and_the_answer_is_repeatable() -> None:
    problem = scattered()
    first = ascend(problem, upper_value=None, should_stop=never, rounds=4, measure=0)
    again = ascend(problem, upper_value=None, should_stop=never, rounds=4, measure=0)
    np.testing.assert_array_equal(first.values, again.values)
    taken_up = ascend(problem, upper_value=None, should_stop=never, rounds=0, start=first.values, measure=0)
    np.testing.assert_array_equal(taken_up.values, first.values)
    assert taken_up.bound == first.bound


def test_whole_units_prove_more() -> None:
    problem = scattered()
    divided, whole = (
        ascend(problem, upper_value=None, should_stop=never, measure=0, whole=w).bound for w in (False, True)
    )
    assert whole > divided


@pytest.mark.parametrize("spherical", [False, True])
def test_a_cap_on_the_offers_is_lifted_where_it_binds(spherical: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = scattered(spherical=spherical)
    every = ascend(problem, upper_value=None, should_stop=never, measure=0, whole=False)
    monkeypatch.setattr(multipliers, "BLOCK_PAIRS", 100)
    capped = ascend(problem, upper_value=None, should_stop=never, measure=0, whole=False)
    assert capped.bound == pytest.approx(every.bound, rel=0.005)


def spread_out(lower: float, *, spherical: bool = True, grouped: bool = False) -> DistrictingProblem:
    """Return 600 uneven places in 12 territories: dense, sparse, and some far away."""
    rng = np.random.default_rng(7)
    points = np.concatenate(
        [
            rng.normal([40, -90], 2.0, (300, 2)),
            rng.uniform([30, -110], [45, -75], (280, 2)),
            rng.normal([21, -157], 0.5, (20, 2)),
        ]
    )
    problem = points_problem(points, np.ones((1, 600)), lower, 55.0, 12, spherical=spherical)
    if grouped:
        points = np.repeat(points[::3], 3, axis=0) + rng.normal(0, 0.1, points.shape)
        start = np.append(np.arange(0, 600, 3), 600).astype(np.int64)
        costs = PlaceCosts(start, points, rng.uniform(0.5, 2, 600), points[::3], spherical)
        load = rng.integers(2, 5, (1, 200)).astype(float)
        fair = load.sum() / 12
        ends = np.full((1, 12), 0.9 * fair), np.full((1, 12), 1.1 * fair)
        problem = DistrictingProblem.plain(costs, np.arange(200, dtype=np.int32), load, *ends)
    return problem


@pytest.mark.parametrize(("lower", "grouped"), [(45.0, False), (-np.inf, False), (45.0, True)])
def test_a_large_problem_is_climbed_by_cells(lower: float, grouped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = spread_out(lower, grouped=grouped)
    every = ascend(problem, upper_value=None, should_stop=never, rounds=6, measure=0, whole=False)
    monkeypatch.setattr(multipliers, "_LISTED_PAIRS", 1_000)
    monkeypatch.setattr(multipliers, "_FILLED_PAIRS", 1_000)
    monkeypatch.setattr(coarse, "_LEAST_TRIED", 150)
    monkeypatch.setattr(coarse, "_KEPT", 60)
    monkeypatch.setattr(multipliers, "FEWEST_CELLS", 60)
    monkeypatch.setattr(levels, "FEWEST_CELLS", 40)
    monkeypatch.setattr(levels, "CELLS_A_TERRITORY", 3)
    assert len(levels._sizes(problem)) >= 2
    found = ascend(problem, upper_value=None, should_stop=never, rounds=6, measure=0, whole=False)
    again = ascend(problem, upper_value=None, should_stop=never, rounds=6, measure=0, whole=False)
    np.testing.assert_array_equal(found.values, again.values)
    assert found.bound == pytest.approx(centre_bound(problem, found.values, 0))
    assert found.bound >= 0.8 * every.bound
    assert len(np.unique(found.centres)) == 12
    stopped = ascend(problem, upper_value=None, should_stop=lambda: True, measure=0, whole=False)
    assert 0 < stopped.rounds < found.rounds
    assert stopped.bound <= found.bound
    rounds = iter(range(100))
    cut = ascend(problem, upper_value=None, should_stop=lambda: next(rounds) > 8, rounds=6, measure=0, whole=False)
    assert stopped.rounds < cut.rounds < found.rounds
    assert cut.bound == pytest.approx(centre_bound(problem, cut.values, 0))
    better = ascend(problem, upper_value=None, should_stop=never, rounds=2, start=found.values, measure=0, whole=False)
    assert better.bound >= found.bound


def test_of_several_measures_the_one_that_proves_most_is_kept() -> None:
    rng = np.random.default_rng(8)
    points = rng.uniform(0, 100, (60, 2))
    load = np.ones((2, 60))
    problem = points_problem(points, load, -np.inf, np.array([60.0, 10.0]), 6)
    found = ascend(problem, upper_value=None, should_stop=never, rounds=4)
    alone = [ascend(problem, upper_value=None, should_stop=never, rounds=4, measure=k).bound for k in range(2)]
    assert found.measure == 1
    assert alone[1] > alone[0]
    assert found.bound >= 0.95 * alone[1]
    assert found.bound == pytest.approx(centre_bound(problem, found.values, 1, whole=found.whole))


def test_units_divided_for_want_of_time_are_not_called_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(9).uniform(0, 100, (60, 2))
    for lower, whole in ((2.0, False), (-np.inf, True)):
        problem = points_problem(points, np.full((1, 60), 2.0), lower, 30.0, 6)
        with monkeypatch.context() as patch:
            patch.setattr(bound, "BLOCK_PAIRS", 100)
            assert ascend(problem, upper_value=None, should_stop=never, rounds=1, measure=0).whole is whole
