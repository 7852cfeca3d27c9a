"""The search for free centres: against brute force, with every rule, and repeatable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from solvers.districting.centres import search as module
from solvers.districting.centres.search import CentreSearch, search_centres
from solvers.districting.checks import broken_rules
from solvers.districting.problem import MatrixCosts, PlaceCosts
from tests.solvers.districting.conftest import brute_force, points_problem

if TYPE_CHECKING:
    from solvers.districting.problem import DistrictingProblem


def search(problem: DistrictingProblem, rounds: int = 6, seed: int = 0, target: float | None = None) -> CentreSearch:
    return search_centres(
        problem,
        should_stop=lambda: False,
        rounds=rounds,
        rng=np.random.default_rng(seed),
        report=lambda *_, **__: None,
        target=target,
    )


def scattered(
    seed: int, n: int = 7, m: int = 3, *, measures: int = 1, power: int = 1, spherical: bool = False
) -> DistrictingProblem:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 10, (n, 2))
    loads = rng.integers(1, 9, (measures, n)).astype(float)
    fair = loads.sum(axis=1) / m
    weights = rng.uniform(0.5, 2, n)
    return points_problem(points, loads, fair * 0.5, fair * 1.5, m, weights=weights, power=power, spherical=spherical)


def checked(problem: DistrictingProblem, answer: CentreSearch) -> CentreSearch:
    """Return the answer, which says of itself what is true."""
    assert answer.feasible == (not broken_rules(problem, answer.centres, answer.assignment))
    if answer.feasible:
        assert answer.objective == pytest.approx(problem.cost_of(answer.centres, answer.assignment))
    return answer


@pytest.mark.parametrize(("measures", "power", "spherical"), [(1, 1, False), (1, 2, True), (2, 1, True), (0, 1, False)])
@pytest.mark.parametrize("seed", range(2))
def test_small_problems_are_solved_to_the_optimum(seed: int, measures: int, power: int, spherical: bool) -> None:
    problem = scattered(seed, measures=measures, power=power, spherical=spherical)
    best = brute_force(problem)
    answer = checked(problem, search(problem))
    assert answer.feasible == np.isfinite(best)
    if answer.feasible:
        assert answer.objective == pytest.approx(best)


def test_classes_locks_and_limits_by_territory_are_kept() -> None:
    plain = scattered(3)
    problem = replace(
        plain,
        class_of=np.array([0, 1, 0, 0, 1, 0, 0], np.int32),
        class_allowed=np.array([[True, True, True], [False, True, True]]),
        fixed=np.array([2, -1, -1, 0, -1, -1, -1], np.int32),
        upper=plain.upper * np.array([[0.7, 1.0, 1.3]]),
    )
    answer = checked(problem, search(problem))
    assert answer.feasible
    assert answer.objective == pytest.approx(brute_force(problem))


def test_a_soft_target_is_worth_its_price() -> None:
    plain = scattered(4)
    problem = replace(
        plain,
        target=np.broadcast_to(plain.loads.sum() / 3 * np.array([[0.6, 1.0, 1.4]]), (1, 3)).copy(),
        target_weight=np.array([2.0]),
    )
    answer = checked(problem, search(problem))
    assert answer.objective == pytest.approx(brute_force(problem))
    # Without the price another answer is best.
    unpriced = search(plain)
    assert problem.cost_of(unpriced.centres, unpriced.assignment) > answer.objective + 1e-6


def test_pairs_that_are_not_allowed_are_left_alone() -> None:
    plain = scattered(5)
    table = plain.costs.columns(np.arange(7)).copy()
    table[table > np.quantile(table, 0.6)] = np.inf
    problem = replace(plain, costs=MatrixCosts(table))
    best = brute_force(problem)
    answer = checked(problem, search(problem))
    assert answer.feasible == np.isfinite(best)
    if answer.feasible:
        assert answer.objective == pytest.approx(best)


def test_candidates_may_be_few_or_in_no_unit() -> None:
    plain = scattered(6, n=12)
    rng = np.random.default_rng(0)
    assert isinstance(plain.costs, PlaceCosts)
    for homes in (np.array([0, 0, 3, 5, 9, 11]), np.full(6, -1), np.array([0, 4, -1, -1, -1, 8])):
        places = np.where((homes >= 0)[:, None], plain.costs.points[np.maximum(homes, 0)], rng.uniform(0, 10, (6, 2)))
        problem = replace(plain, costs=replace(plain.costs, candidates=places), candidate_unit=homes.astype(np.int32))
        assert checked(problem, search(problem, rounds=8)).feasible


def test_the_same_numbers_give_the_same_answer() -> None:
    problem = scattered(7, n=40, m=6)
    first, second = search(problem, rounds=4, seed=5), search(problem, rounds=4, seed=5)
    assert np.array_equal(first.assignment, second.assignment)
    assert np.array_equal(first.centres, second.centres)
    assert first.rounds == 4
    assert first.termination == "rounds"


def test_a_reached_target_ends_the_search() -> None:
    problem = scattered(8)
    answer = search(problem, rounds=50, target=brute_force(problem) * (1 + 1e-9))
    assert answer.termination == "target"
    assert answer.rounds < 50


def test_a_request_to_stop_ends_it_with_the_best_answer() -> None:
    problem = scattered(9, n=30, m=4)
    answer = search_centres(
        problem,
        should_stop=lambda: True,
        rounds=None,
        rng=np.random.default_rng(0),
        report=lambda *_, **__: None,
    )
    assert answer.termination == "interrupted"
    assert answer.rounds == 1
    assert len(answer.assignment) == 30
    checked(problem, answer)


def test_no_answer_is_worse_than_the_one_before() -> None:
    problem = scattered(10, n=60, m=8)
    seen: list[float] = []

    def report(_: str, **values: float | int | None) -> None:
        if values["objective"] is not None:
            seen.append(float(values["objective"]))

    search_centres(problem, should_stop=lambda: False, rounds=10, rng=np.random.default_rng(0), report=report)
    assert seen == sorted(seen, reverse=True)
    assert seen


def test_tight_capacity_is_met() -> None:
    rng = np.random.default_rng(11)
    loads = rng.integers(1, 100, (1, 120)).astype(float)
    problem = points_problem(rng.uniform(0, 100, (120, 2)), loads, 0.0, loads.sum() / 30 / 0.95, 30)
    assert checked(problem, search(problem, rounds=3)).feasible


@pytest.mark.parametrize("measures", [1, 2])
def test_large_problems_are_annealed_in_cells(measures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEWEST_CELLS", 60)
    monkeypatch.setattr(module, "CELLS_A_TERRITORY", 10)
    rng = np.random.default_rng(12)
    points = rng.uniform(25, 45, (400, 2))
    loads = np.vstack([np.ones(400), rng.uniform(1, 3, 400)])[:measures]
    fair = loads.sum(axis=1) / 8
    problem = points_problem(points, loads, fair * 0.95, fair * 1.05, 8, spherical=True)
    answer = checked(problem, search(problem, rounds=8))
    assert answer.feasible
    annealed = 0.0 + search(replace(problem, graph=None), rounds=1).objective
    assert answer.objective < annealed
