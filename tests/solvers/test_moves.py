"""The fast moves keep their books, never make anything worse, and mend what they can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solvers.candidates import Candidates, from_table
from solvers.move_effects import NOT_COUNTED, UNLIMITED
from solvers.moves import descend
from solvers.problem import AssignmentProblem
from solvers.relays import relay

FREELY = (NOT_COUNTED, UNLIMITED)
NO_TARGETS = (np.empty(0, np.int64), np.empty((3, 0, 0)))
WORK = 1_000_000


def all_pairs(problem: AssignmentProblem) -> Candidates:
    n, m = problem.n_units, problem.n_territories
    return from_table(problem, np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))


def totals_of(candidates: Candidates, pair: NDArray[np.int64], m: int) -> NDArray[np.float64]:
    totals = np.zeros((len(candidates.load), m))
    for k in range(len(totals)):
        np.add.at(totals[k], candidates.territory[pair], candidates.load[k, pair])
    return totals


def violation(totals: NDArray[np.float64], problem: AssignmentProblem, penalty: NDArray[np.float64]) -> float:
    over = np.maximum(0, totals - problem.upper) + np.maximum(0, problem.lower - totals)
    return float((penalty * over).sum())


def first_pairs(candidates: Candidates) -> NDArray[np.int64]:
    return candidates.start[:-1].copy()


def check_books(candidates: Candidates, pair: NDArray[np.int64], totals: NDArray[np.float64]) -> None:
    """Every unit has one pair of its own, and the totals are those of the pairs."""
    assert np.all(pair >= candidates.start[:-1])
    assert np.all(pair < candidates.start[1:])
    assert totals == pytest.approx(totals_of(candidates, pair, totals.shape[1]), rel=1e-9, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), swaps=st.sampled_from([0, 1, 2]), price=st.sampled_from([0.0, 1.0, 1e3]))
def test_shifts_and_swaps_keep_the_totals_and_lower_cost_plus_penalties(
    tiny: Any, data: st.DataObject, swaps: int, price: float
) -> None:
    case = data.draw(tiny(forbid=False))
    problem = case.problem()
    candidates, m = all_pairs(problem), problem.n_territories
    pair, penalty = first_pairs(candidates), np.full(problem.lower.shape, price)
    totals = totals_of(candidates, pair, m)
    before = candidates.cost[pair].sum() + violation(totals, problem, penalty)
    order = np.array(data.draw(st.permutations(range(problem.n_units))), np.int64)
    left = descend(
        candidates.start, candidates.territory, candidates.cost, candidates.load, problem.lower, problem.upper,
        penalty, *NO_TARGETS, order, pair, totals, *FREELY, swaps, WORK,
    )  # fmt: skip
    check_books(candidates, pair, totals)
    after = candidates.cost[pair].sum() + violation(totals, problem, penalty)
    assert after <= before + 1e-7 * max(1, before)
    assert 0 < left <= WORK
    # A local optimum: no single shift is better.
    for i in range(problem.n_units):
        for e in range(candidates.start[i], candidates.start[i + 1]):
            shifted = pair.copy()
            shifted[i] = e
            value = candidates.cost[shifted].sum() + violation(totals_of(candidates, shifted, m), problem, penalty)
            assert value >= after - 1e-6 * max(1, after)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_relays_keep_the_totals_and_lower_cost_plus_penalties(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny(forbid=False))
    problem = case.problem()
    candidates = all_pairs(problem)
    pair, penalty = first_pairs(candidates), np.full(problem.lower.shape, 1e3)
    totals = totals_of(candidates, pair, problem.n_territories)
    for measure in range(problem.n_measures):
        before = candidates.cost[pair].sum() + violation(totals, problem, penalty)
        applied = relay(
            candidates.start, candidates.territory, candidates.cost, candidates.load, problem.lower, problem.upper,
            penalty, *NO_TARGETS, measure, pair, totals, *FREELY, 100,
        )  # fmt: skip
        check_books(candidates, pair, totals)
        after = candidates.cost[pair].sum() + violation(totals, problem, penalty)
        assert after < before or (applied == 0 and after == pytest.approx(before))


def test_a_relay_carries_room_along_a_chain_where_no_shift_can() -> None:
    # The left territory is too full, the middle is full, the right has room; left and right are no neighbours.
    start = np.array([0, 2, 4, 5])
    territory = np.array([0, 1, 1, 2, 0], np.int32)
    cost, load = np.array([0.0, 1.0, 0.0, 1.0, 0.0]), np.ones((1, 5))
    lower, upper = np.zeros((1, 3)), np.ones((1, 3))
    candidates = Candidates(start, territory, cost, load)
    pair = np.array([0, 2, 4])
    totals = totals_of(candidates, pair, 3)
    assert totals.tolist() == [[2, 1, 0]]
    arguments = (start, territory, cost, load, lower, upper, np.full((1, 3), 100.0), *NO_TARGETS)
    descend(*arguments, np.arange(3), pair, totals, *FREELY, 0, WORK)
    assert totals.tolist() == [[2, 1, 0]]
    assert relay(*arguments, 0, pair, totals, *FREELY, 10) == 1
    assert totals.tolist() == [[1, 1, 1]]
    check_books(candidates, pair, totals)


def test_a_swap_mends_what_no_shift_can() -> None:
    # Loads 5 + 2 against 3 + 4 with limits of exactly 7 each way would hold; 5 + 4 against 3 + 2 does not.
    start, territory = np.arange(0, 9, 2), np.array([0, 1] * 4, np.int32)
    load = np.repeat(np.array([[5.0, 4.0, 3.0, 2.0]]), 2, axis=1)
    candidates = Candidates(start, territory, np.zeros(8), load)
    pair = np.array([0, 2, 5, 7])
    totals = totals_of(candidates, pair, 2)
    assert totals.tolist() == [[9, 5]]
    limit = np.full((1, 2), 7.0)
    arguments = (
        start,
        territory,
        candidates.cost,
        load,
        limit,
        limit,
        np.full((1, 2), 10.0),
        *NO_TARGETS,
        np.arange(4),
    )
    descend(*arguments, pair, totals, *FREELY, 0, WORK)
    assert totals.tolist() == [[9, 5]]
    descend(*arguments, pair, totals, *FREELY, 1, WORK)
    assert totals.tolist() == [[7, 7]]
    check_books(candidates, pair, totals)


def test_the_work_limit_ends_the_moves_with_the_books_in_order(scattered: Callable[..., AssignmentProblem]) -> None:
    problem = scattered(300, 10, tolerance=0.05)
    candidates = all_pairs(problem)
    pair = first_pairs(candidates)
    totals = totals_of(candidates, pair, 10)
    left = descend(
        candidates.start, candidates.territory, candidates.cost, candidates.load, problem.lower, problem.upper,
        np.full((1, 10), 50.0), *NO_TARGETS, np.arange(300), pair, totals, *FREELY, 2, 200,
    )  # fmt: skip
    assert left <= 0
    check_books(candidates, pair, totals)
    assert np.any(pair != first_pairs(candidates))
