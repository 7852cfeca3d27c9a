"""Cutting some territories out of a problem, and putting an answer back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from solvers.districting.checks import broken_rules
from solvers.districting.whole.parts import subproblem
from tests.solvers.districting.conftest import points_problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem


def scattered() -> tuple[DistrictingProblem, NDArray[np.int64], NDArray[np.int32]]:
    """Return twelve units in three rows of a grid, and the rows as territories."""
    points = np.array([[x, y] for y in range(3) for x in range(4)], float)
    pairs = [(i, i + 1) for i in range(11) if i % 4 < 3] + [(i, i + 4) for i in range(8)]
    problem = points_problem(points, np.ones((1, 12)), 3, 5, 3, pairs=pairs)
    return problem, np.array([1, 6, 9]), np.repeat(np.arange(3, dtype=np.int32), 4)


def test_a_part_costs_what_its_units_cost_in_the_whole() -> None:
    problem, centres, assignment = scattered()
    part = subproblem(problem, centres, assignment, np.array([0, 2]))
    whole = problem.travel_of(centres, assignment)[np.isin(assignment, [0, 2])].sum()
    assert part.problem.cost_of(part.centres, part.assignment) == pytest.approx(whole)


def test_an_answer_of_a_part_written_back_keeps_every_rule_and_leaves_the_rest_alone() -> None:
    problem, centres, assignment = scattered()
    part = subproblem(problem, centres, assignment, np.array([2, 0]))
    swapped = part.centres[::-1], 1 - part.assignment
    assert not broken_rules(part.problem, *swapped)
    new_centres, new_assignment = part.written_back(centres, assignment, *swapped)
    assert not broken_rules(problem, new_centres, new_assignment)
    assert new_centres[1] == centres[1]
    assert new_centres[0] == centres[2]
    outside = ~np.isin(assignment, [0, 2])
    assert np.array_equal(new_assignment[outside], assignment[outside])


def test_a_part_offers_no_candidate_of_another_territory() -> None:
    problem, centres, assignment = scattered()
    part = subproblem(problem, centres, assignment, np.array([0, 2]))
    assert np.array_equal(part.candidates, part.units)
    placeless = replace(problem, candidate_unit=np.full(problem.n_units, -1, np.int32))
    part = subproblem(placeless, centres, assignment, np.array([0, 2]))
    assert np.array_equal(part.candidates, np.delete(np.arange(problem.n_units), centres[1]))


def test_pruned_candidates_keep_the_present_centres() -> None:
    problem, centres, assignment = scattered()
    part = subproblem(problem, centres, assignment, np.array([0, 2]), candidates=np.arange(2))
    assert set(centres[[0, 2]]) <= set(part.candidates)
    assert np.array_equal(part.candidates[part.centres], centres[[0, 2]])


def test_given_centres_stay_one_column_for_each_territory() -> None:
    problem, centres, assignment = scattered()
    part = subproblem(replace(problem, centres=centres), centres, assignment, np.array([2, 1]))
    assert np.array_equal(part.candidates, centres[[2, 1]])
    assert part.problem.centres is not None
    assert not broken_rules(part.problem, part.centres, part.assignment)


def test_locks_and_classes_follow_their_territories() -> None:
    problem, centres, assignment = scattered()
    locked = np.where(np.arange(problem.n_units) == centres[2], 2, -1).astype(np.int32)
    allowed = np.array([[True, False, True]])
    part = subproblem(replace(problem, fixed=locked, class_allowed=allowed), centres, assignment, np.array([2, 1]))
    assert np.array_equal(part.problem.class_allowed, [[True, False]])
    assert part.problem.fixed[np.flatnonzero(part.units == centres[2])[0]] == 0
    with pytest.raises(ValueError, match="locked"):
        subproblem(replace(problem, fixed=np.zeros_like(locked)), centres, assignment, np.array([2, 1]))


def test_a_centre_whose_unit_is_elsewhere_is_refused() -> None:
    problem, centres, assignment = scattered()
    with pytest.raises(ValueError, match="outside the part"):
        subproblem(problem, centres[[1, 0, 2]], assignment, np.array([0]))
