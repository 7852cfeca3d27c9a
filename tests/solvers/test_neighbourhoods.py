"""A neighbourhood is solved exactly: against every choice inside it, with the units outside left where they are."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.candidates import from_table
from solvers.neighbourhoods import open_neighbourhood, resolve
from solvers.problem import AssignmentProblem, TableCosts


def opened(case: Any, data: st.DataObject) -> tuple[Any, Any, Any, Any]:
    """Some territories of a tiny problem, all their units and all their pairs, from any start."""
    problem = case.problem()
    n, m = problem.n_units, problem.n_territories
    candidates = from_table(problem, np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))
    start = np.array(
        [data.draw(st.sampled_from(np.flatnonzero(np.isfinite(row)).tolist())) for row in case.costs], np.int32
    )
    territories = np.array(sorted(data.draw(st.sets(st.integers(0, m - 1), min_size=1))), np.int32)
    members = np.flatnonzero(np.isin(start, territories))
    pair = candidates.pair_of(start)
    hood = open_neighbourhood(
        candidates, pair, case.totals(start[None, :].astype(np.int64))[0], *problem.slack(), territories, members,
        np.ones(candidates.n_pairs, np.bool_),
    )  # fmt: skip
    return candidates, start, territories, hood


def choices(case: Any, start: Any, territories: Any) -> tuple[Any, Any]:
    """Every assignment that moves only units of these territories, within them; and its cost."""
    options = [
        [t for t in territories if np.isfinite(case.costs[i, t])] if s in territories else [s]
        for i, s in enumerate(start)
    ]
    every = np.array(list(itertools.product(*options)), np.int64)
    return every, case.costs[np.arange(len(start)), every].sum(axis=1)


def outside(case: Any, every: Any, territories: Any) -> Any:
    """By how much each assignment is over or under the limits of these territories, per measure."""
    totals = case.totals(every)[:, :, territories]
    lower, upper = case.lower[:, territories], case.upper[:, territories]
    over = np.maximum(0, totals - upper - 1e-9 * np.maximum(1, np.abs(np.where(np.isfinite(upper), upper, 0))))
    under = np.maximum(0, lower - 1e-9 * np.maximum(1, np.abs(np.where(np.isfinite(lower), lower, 0))) - totals)
    return (over + under).sum(axis=2)


def drawn_case(tiny: Any, data: st.DataObject, **options: Any) -> Any:
    case = data.draw(tiny(**options))
    case.costs[~np.isfinite(case.costs).any(axis=1)] = 1.0
    return case


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_the_answer_is_the_best_choice_inside_or_infeasible(tiny: Any, data: st.DataObject) -> None:
    case = drawn_case(tiny, data, kinds=("whole", "decimal"))
    candidates, start, territories, hood = opened(case, data)
    answer = resolve(candidates, hood, candidates.pair_of(start), effort=1.0, seed=0)
    every, cost = choices(case, start, territories)
    possible = ~(outside(case, every, territories) > 0).any(axis=1)
    assert answer.infeasible == (not possible.any())
    if answer.infeasible:
        assert answer.pairs is None or len(answer.pairs) == 0
        return
    assert answer.optimal
    found = start.copy()
    found[hood.units] = candidates.territory[answer.pairs]
    assert (every[possible] == found).all(axis=1).any()
    stay = case.costs[np.arange(len(start)), start].sum() - case.costs[hood.units, start[hood.units]].sum()
    best = cost[possible].min()
    assert case.costs[np.arange(len(start)), found].sum() == pytest.approx(best, abs=1e-6)
    assert answer.bound + stay == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("limit", [0.5, 1.0, 2.0])
def test_a_limit_that_no_unit_of_a_territory_can_meet_is_infeasible(limit: float) -> None:
    """The territory's only open unit weighs nothing."""
    problem = AssignmentProblem(
        TableCosts(np.array([[0.0, 0.0], [np.inf, 0.0]])), np.array([[0.0, 1.0]]), *np.full((2, 1, 2), limit)
    )
    candidates = from_table(problem, np.array([[0, 1], [0, 1]], np.int32))
    pair = candidates.pair_of(np.array([0, 1], np.int32))
    hood = open_neighbourhood(
        candidates, pair, np.array([[0.0, 1.0]]), *problem.slack(), np.array([0, 1], np.int32), np.array([0, 1]),
        np.ones(candidates.n_pairs, np.bool_),
    )  # fmt: skip
    assert resolve(candidates, hood, pair, effort=1.0, seed=0).infeasible


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_real_numbers_never_shut_out_the_best_choice(tiny: Any, data: st.DataObject) -> None:
    """Rounding may let a choice through that is a hair outside, for the caller to check, but never the other way."""
    case = drawn_case(tiny, data, kinds=("real",))
    candidates, start, territories, hood = opened(case, data)
    answer = resolve(candidates, hood, candidates.pair_of(start), effort=1.0, seed=0)
    every, cost = choices(case, start, territories)
    possible = ~(outside(case, every, territories) > 0).any(axis=1)
    if not possible.any():
        return
    assert answer.optimal
    stay = case.costs[np.arange(len(start)), start].sum() - case.costs[hood.units, start[hood.units]].sum()
    assert answer.bound + stay <= cost[possible].min() + 1e-6


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_with_a_high_price_on_violation_the_answer_is_the_least_violation(tiny: Any, data: st.DataObject) -> None:
    case = drawn_case(tiny, data, kinds=("whole",))
    candidates, start, territories, hood = opened(case, data)
    penalty = np.full(case.lower.shape, 1e4)
    answer = resolve(candidates, hood, candidates.pair_of(start), effort=1.0, seed=0, penalty=penalty)
    assert not answer.infeasible
    assert answer.pairs is not None
    found = start.copy()
    found[hood.units] = candidates.territory[answer.pairs]
    every, _ = choices(case, start, territories)
    least = (outside(case, every, territories) * 1e4).sum(axis=1).min()
    reached = (outside(case, found[None, :].astype(np.int64), territories) * 1e4).sum()
    # Limits that are no whole numbers are met to the next whole load.
    assert reached <= least + 1e4 * len(case.loads) * case.costs.shape[1] + case.costs[np.isfinite(case.costs)].sum()
    if least == 0:
        assert reached == 0


def test_units_with_one_open_pair_stay_and_their_load_counts() -> None:
    problem = AssignmentProblem(
        TableCosts(np.array([[1.0, np.inf], [1.0, 5.0], [1.0, 2.0]])),
        np.array([[4.0, 1.0, 1.0]]),
        np.zeros((1, 2)),
        np.array([[5.0, 9.0]]),
    )
    candidates = from_table(problem, np.broadcast_to(np.arange(2, dtype=np.int32), (3, 2)))
    pair = candidates.pair_of(np.zeros(3, np.int32))
    hood = open_neighbourhood(
        candidates, pair, np.array([[6.0, 0.0]]), problem.lower, problem.upper, np.arange(2, dtype=np.int32), np.arange(3),
        np.ones(candidates.n_pairs, np.bool_),
    )  # fmt: skip
    assert hood.units.tolist() == [1, 2]
    assert hood.upper.tolist() == [[1, 9]]
    answer = resolve(candidates, hood, pair, effort=1.0, seed=0)
    assert candidates.territory[answer.pairs].tolist() == [0, 1]
    assert answer.bound == pytest.approx(3.0)
