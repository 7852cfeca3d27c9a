"""Small problems whole, against trying everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solvers.districting.checks import broken_rules
from solvers.districting.problem import DistrictingProblem, MatrixCosts
from solvers.districting.whole.small import recentred, solve_small
from tests.solvers.districting.conftest import brute_force, points_problem
from tests.solvers.districting.whole.test_exact import random_problem


def assert_proved(problem: DistrictingProblem) -> None:
    """Solve, check every rule, and compare with trying everything."""
    reported: list[tuple[float, float]] = []
    answer = solve_small(
        problem,
        should_stop=lambda: False,
        rng=np.random.default_rng(7),
        report=lambda value, bound: reported.append((value, bound)),
    )
    best = brute_force(problem)
    if np.isinf(best):
        assert answer.infeasible
        assert answer.assignment is None
        return
    assert answer.optimal
    assert answer.centres is not None
    assert answer.assignment is not None
    assert not broken_rules(problem, answer.centres, answer.assignment)
    assert answer.objective == pytest.approx(best, rel=1e-6)
    assert reported[-1][0] == answer.objective
    assert answer.proof["kind"] in ("search", "prices")


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_a_small_problem_is_solved_and_proved(graph: bool, given: bool) -> None:
    assert_proved(random_problem(11, graph=graph, given=given, measures=2))


def test_unlike_territories_without_units_of_their_own_centres_are_solved() -> None:
    problem = random_problem(12, graph=True, given=True)
    upper = problem.upper * np.array([[1.3, 0.9, 1.0]])
    assert_proved(replace(problem, candidate_unit=np.full(7, -1, np.int32), upper=upper))


def test_unlike_territories_find_their_centres() -> None:
    problem = random_problem(13)
    assert_proved(replace(problem, upper=problem.upper * np.array([[1.2, 0.8, 1.0]])))


def test_no_answer_is_called_infeasible() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    assert_proved(points_problem(points, np.array([[3.0, 3.0, 4.0]]), 5.0, 5.0, 2))


def test_an_incumbent_is_kept_when_there_is_no_time() -> None:
    problem = random_problem(14)
    known = solve_small(
        problem, should_stop=lambda: False, rng=np.random.default_rng(0), report=lambda value, bound: None
    )
    assert known.centres is not None
    assert known.assignment is not None
    again = solve_small(
        problem,
        should_stop=lambda: True,
        rng=np.random.default_rng(0),
        report=lambda value, bound: None,
        incumbent=(known.centres, known.assignment),
    )
    assert again.objective == known.objective
    assert not again.optimal
    assert again.bound == -np.inf


def test_the_same_seed_gives_the_same_answer() -> None:
    problem = random_problem(15, graph=True)
    answers = [
        solve_small(problem, should_stop=lambda: False, rng=np.random.default_rng(3), report=lambda value, bound: None)
        for _ in range(2)
    ]
    assert np.array_equal(answers[0].assignment, answers[1].assignment)
    assert answers[0].rounds == answers[1].rounds


def test_recentring_uses_no_candidate_twice_and_none_that_may_not_serve() -> None:
    table = np.array([[1.0, np.inf, 5.0], [1.0, 2.0, 5.0]])
    problem = DistrictingProblem.plain(
        MatrixCosts(table), np.full(3, -1, np.int32), np.ones((1, 2)), np.zeros((1, 2)), np.full((1, 2), 2.0)
    )
    centres = recentred(problem, np.array([0, 1], np.int32))
    assert centres is not None
    assert centres.tolist() == [0, 1]
    narrow = replace(problem, costs=MatrixCosts(table[:, :1]), candidate_unit=np.full(1, -1, np.int32))
    assert recentred(narrow, np.array([0, 1], np.int32)) is None
    crossed = replace(problem, costs=MatrixCosts(np.array([[1.0, np.inf, np.inf], [1.0, np.inf, np.inf]])))
    assert recentred(crossed, np.array([0, 1], np.int32)) is None
