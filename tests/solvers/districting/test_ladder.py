"""The ladder of territory design: what its rungs hand on, and what the clock may not decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from solvers.districting import ladder
from solvers.districting.bound.multipliers import Multipliers
from solvers.districting.checks import broken_rules
from solvers.districting.ladder import design
from solvers.districting.problem import DistrictingProblem
from tests.solvers.districting.conftest import points_problem
from tests.solvers.districting.designs import every_design, problems


def scattered(n: int = 80, m: int = 5) -> DistrictingProblem:
    points = np.random.default_rng(5).uniform(0, 100, (n, 2))
    return points_problem(points, np.ones((1, n)), 0.8 * n / m, 1.2 * n / m, m)


@given(problem=problems())
@settings(max_examples=25, deadline=None)
def test_a_small_design_is_the_best_of_all_and_is_proved_to_be(problem: DistrictingProblem) -> None:
    best = min((value for value, _, _ in every_design(problem)), default=np.inf)
    found = design(problem, time_limit_s=60.0, gap=0.0)
    if best == np.inf:
        assert found.status in ("infeasible", "unknown")
        return
    assert found.status == "optimal"
    assert found.objective == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert found.lower_bound == pytest.approx(best, rel=2e-6, abs=1e-6)


def test_the_same_rounds_give_the_same_answer_and_bound() -> None:
    first, again = (design(scattered(), rounds=3, gap=0.0, time_limit_s=1e4) for _ in range(2))
    np.testing.assert_array_equal(first.assignment, again.assignment)
    assert (first.objective, first.lower_bound) == (again.objective, again.lower_bound)


def test_an_answer_to_begin_with_is_not_lost_where_centres_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    first = design(scattered(), rounds=3, gap=0.0, time_limit_s=1e4)
    monkeypatch.setattr(ladder, "SMALL_UNITS", 0)
    again = design(scattered(), rounds=0, gap=0.0, time_limit_s=1e4, start=first.assignment)
    assert first.objective is not None
    assert again.objective is not None
    assert again.objective <= first.objective * (1 + 1e-9)


def test_a_large_search_without_an_answer_goes_on_in_the_time_that_was_for_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = ladder.search_centres, []

    def unlucky(problem: DistrictingProblem, **options: Any) -> Any:
        calls.append(1)
        answer = real(problem, **(options | {"rounds": 3}))
        return replace(answer, feasible=False) if len(calls) == 1 else answer

    monkeypatch.setattr(ladder, "LARGE_PAIRS", 0)
    monkeypatch.setattr(ladder, "SMALL_UNITS", 0)
    monkeypatch.setattr(ladder, "search_centres", unlucky)
    problem = scattered()
    found = design(problem, time_limit_s=600.0, gap=0.5)
    assert len(calls) == 2
    assert found.centres is not None
    assert found.assignment is not None
    assert not broken_rules(problem, found.centres, found.assignment)


def test_a_large_bound_that_is_worth_nothing_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = scattered()
    nothing = Multipliers(np.full(80, -1.0), -5.0, 0, False, np.arange(5), 0)
    monkeypatch.setattr(ladder, "LARGE_PAIRS", 0)
    monkeypatch.setattr(ladder, "SMALL_UNITS", 0)
    monkeypatch.setattr(ladder, "ascend", lambda problem, **options: nothing)
    found = design(problem, time_limit_s=600.0, rounds=2)
    assert found.lower_bound == 0.0
    assert found.multipliers is not None
    assert not found.multipliers.any()


def test_an_assignment_that_the_clock_cut_short_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, real, offered = scattered(), ladder.solve_assignment, []
    cut: list[Any] = []

    def hurried(*arguments: Any, **options: Any) -> Any:
        cut.append(replace(real(*arguments, **options), termination="time_limit"))
        return cut[-1]

    keep = ladder._Design.offer
    monkeypatch.setattr(ladder._Design, "offer", lambda self, c, a: (offered.append(a), keep(self, c, a)))
    monkeypatch.setattr(ladder, "SMALL_UNITS", 0)
    monkeypatch.setattr(ladder, "solve_assignment", hurried)
    assert design(problem, time_limit_s=600.0, rounds=2, gap=0.0).assignment is not None
    assert cut
    assert not any(a is found.assignment for a in offered for found in cut)


@pytest.mark.parametrize("rounds", [None, 2])
def test_the_bound_leaves_time_for_an_answer(rounds: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    real, now, over = ladder.ascend, [0.0], []

    def slow(problem: DistrictingProblem, *, should_stop: Any, **options: Any) -> Multipliers:
        over.append(should_stop())
        now[0] = 20.0
        over.append(should_stop())
        return real(problem, should_stop=should_stop, **options)

    monkeypatch.setattr(ladder._Design, "seconds", lambda self: now[0])
    monkeypatch.setattr(ladder, "SMALL_UNITS", 0)
    monkeypatch.setattr(ladder, "ascend", slow)
    assert design(scattered(), time_limit_s=60.0, rounds=rounds, gap=0.5).assignment is not None
    assert over == [False, True]
