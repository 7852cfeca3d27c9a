"""The integer program's rows hold exactly where the rules do."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from solvers.districting.checks import broken_rules
from solvers.districting.problem import MatrixCosts
from solvers.districting.whole import exact
from solvers.districting.whole.formulation import Formulation, formulate, kinds
from tests.solvers.districting.conftest import brute_force, points_problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem


def five_units(n_measures: int = 1) -> DistrictingProblem:
    """Return five units and two territories with limits on both sides."""
    rng = np.random.default_rng(2)
    loads = rng.integers(1, 6, (n_measures, 5)).astype(float)
    fair = loads.sum(axis=1) / 2
    return points_problem(rng.random((5, 2)), loads, np.floor(fair * 0.75), np.ceil(fair * 1.25), 2)


def rows_hold(form: Formulation, values: NDArray[np.float64]) -> bool:
    """Return whether column values keep every row."""
    rows = form.rows()
    sums = [float(values[c] @ a) for c, a in zip(rows.columns, rows.coefficients, strict=True)]
    return all(low - 1e-6 <= s <= high + 1e-6 for s, low, high in zip(sums, rows.lower, rows.upper, strict=True))


def assert_rows_are_the_rules(problem: DistrictingProblem) -> None:
    """Compare for every choice of centres, the same one twice included, and every assignment."""
    form, kept = formulate(problem), 0
    table = problem.costs.columns(np.arange(problem.costs.n_candidates))
    every = product(range(table.shape[1]), repeat=2) if problem.centres is None else [tuple(problem.centres)]
    for pair in every:
        centres = np.array(pair, np.int64)
        for answer in product(range(2), repeat=problem.n_units):
            assignment = np.array(answer, np.int32)
            values = form.encoded(centres, assignment)
            if broken_rules(problem, centres, assignment):
                assert values is None or not rows_hold(form, values)
            else:
                kept += 1
                assert values is not None
                assert rows_hold(form, values)
                assert form.costs() @ values == pytest.approx(problem.cost_of(centres, assignment))
    assert kept > 0


@pytest.mark.parametrize("n_measures", [1, 2])
def test_rows_are_the_rules(n_measures: int) -> None:
    assert_rows_are_the_rules(five_units(n_measures))


def test_rows_are_the_rules_with_limits_on_one_side_only() -> None:
    problem = five_units()
    assert_rows_are_the_rules(replace(problem, upper=np.full((1, 2), np.inf)))
    assert_rows_are_the_rules(replace(problem, lower=np.full((1, 2), -np.inf)))


def test_rows_are_the_rules_with_given_centres() -> None:
    assert_rows_are_the_rules(replace(five_units(), centres=np.array([1, 4])))


def test_rows_are_the_rules_for_unlike_territories() -> None:
    problem = five_units()
    unlike = replace(
        problem,
        upper=problem.upper * np.array([[1.0, 0.9]]),
        class_of=np.array([0, 1, 0, 1, 0], np.int32),
        class_allowed=np.array([[True, True], [True, False]]),
    )
    assert_rows_are_the_rules(unlike)
    assert_rows_are_the_rules(replace(unlike, candidate_unit=np.full(5, -1, np.int32)))


def test_rows_are_the_rules_where_pairs_are_forbidden() -> None:
    problem = five_units()
    table = problem.costs.columns(np.arange(5)).copy()
    table[table > np.quantile(table, 0.8)] = np.inf
    assert_rows_are_the_rules(replace(problem, costs=MatrixCosts(table)))


def test_soft_targets_cost_what_is_off_them() -> None:
    problem = five_units()
    target = np.tile(problem.loads.sum() / 2, (1, 2))
    assert_rows_are_the_rules(replace(problem, target=target, target_weight=np.array([3.0])))


def test_alike_territories_are_of_one_kind_and_locks_make_them_differ() -> None:
    problem = five_units()
    assert kinds(problem).tolist() == [0, 0]
    assert len(set(kinds(replace(problem, fixed=np.array([0, -1, -1, -1, -1], np.int32))))) == 2


def test_an_answer_decoded_is_the_one_encoded() -> None:
    problem = five_units()
    form = formulate(problem)
    for pair in permutations(range(5), 2):
        centres = np.array(pair, np.int64)
        assignment = np.array([0, 1, 0, 1, 0], np.int32)
        assignment[centres] = [0, 1]
        values = form.encoded(centres, assignment)
        if values is None:
            continue
        chosen = np.flatnonzero(values[: form.n_pairs])
        slot_of = np.empty(5, np.int64)
        slot_of[form.pair_unit[chosen]] = form.pair_slot[chosen]
        slots = np.flatnonzero(values[form.n_pairs : form.n_pairs + form.n_slots])
        again = form.decoded(slot_of, slots, centres)
        assert np.array_equal(again[0], centres)
        assert np.array_equal(again[1], assignment)


def test_limits_broken_by_less_than_the_solver_sees_are_forbidden_set_by_set(monkeypatch: pytest.MonkeyPatch) -> None:
    # With no limits in the program at all, what is learnt from its solutions must be enough.
    monkeypatch.setattr(Formulation, "_load_rows", lambda self, rows, s: None)
    points = np.column_stack([np.arange(6), np.zeros(6)]).astype(float)
    # Units 0 to 3 would all like to be with centre 1: too many by one, and no two of them too many.
    table = np.array([[0.0, 3.0], [0.0, 9.0], [0.0, 4.0], [0.0, 5.0], [9.0, 0.0], [9.0, 0.0]])
    crowded = points_problem(points, np.ones((1, 6)), -np.inf, 3.0, 2, centres=np.array([0, 1]))
    crowded = replace(crowded, costs=MatrixCosts(table), candidate_unit=np.full(2, -1, np.int32))
    short = replace(crowded, lower=np.full((1, 2), 3.0), upper=np.full((1, 2), np.inf))
    for case in (crowded, short):
        answer = exact.solve_exactly(case, incumbent=None, effort=20.0, seed=0)
        assert answer.objective == pytest.approx(brute_force(case))
        assert answer.objective == pytest.approx(3.0)
