"""The split is the best by brute force, objective by objective, and its prices prove it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.fair_split.problem import LEVEL_UNIT, FairSplitProblem
from solvers.fair_split.split import fair_split
from tests.solvers.fair_split.splits import (
    check_prices,
    counts,
    every_split,
    five_alike,
    lead_costs,
    levels,
    objectives,
    pairs_of,
    problems,
    reached,
)

FAIRNESS = st.sampled_from(["squares", "leximin"])


def as_split(pair: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[int, ...]:
    return tuple(pair.tolist())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_split_is_the_best_of_all_objective_by_objective(data: st.DataObject) -> None:
    problem = data.draw(problems(leads=5, fairness=data.draw(FAIRNESS)))
    found = fair_split(problem)
    best = min(objectives(problem, split) for split in every_split(problem))
    assert reached(found, problem.n_leads) == best
    assert objectives(problem, as_split(found.pair)) == best


@settings(max_examples=15, deadline=None)
@given(problem=problems(leads=6, reps=3))
def test_the_split_of_six_leads_is_the_best_of_all(problem: FairSplitProblem) -> None:
    best = min(objectives(problem, split) for split in every_split(problem))
    assert reached(fair_split(problem), problem.n_leads) == best


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_prices_prove_the_split(data: st.DataObject) -> None:
    second = data.draw(st.sampled_from(["value", "even_value"]))
    problem = data.draw(problems(leads=12, reps=5, fairness=data.draw(FAIRNESS), second=second))
    if second == "even_value":
        worth = np.arange(problem.n_leads)
        problem = replace(problem, lead_worth=worth, worth_level=np.zeros(problem.n_reps, np.int64))
    check_prices(problem, fair_split(problem))


@settings(max_examples=80, deadline=None)
@given(problem=problems(leads=5, alike=True, roomy=True))
def test_with_equal_weights_the_sorted_levels_are_best_from_the_top_and_from_the_bottom(
    problem: FairSplitProblem,
) -> None:
    problem = replace(problem, pair_rank=np.zeros_like(problem.pair_rank))
    found = levels(problem, as_split(fair_split(problem).pair))
    able = sum(len(pairs_of(problem, i)) > 0 for i in range(problem.n_leads))
    every = [levels(problem, s) for s in every_split(problem) if sum(q >= 0 for q in s) == able]
    assert found[::-1] == min(row[::-1] for row in every)
    assert found == max(every)


@settings(max_examples=80, deadline=None)
@given(problem=problems(leads=5, fairness="leximin"))
def test_leximin_makes_the_highest_level_lowest_then_the_next(problem: FairSplitProblem) -> None:
    if problem.step.any():
        split = as_split(fair_split(problem).pair)
        first = objectives(problem, split)[:2]
        every = [levels(problem, s)[::-1] for s in every_split(problem) if objectives(problem, s)[:2] == first]
        assert levels(problem, split)[::-1] == min(every)


@settings(max_examples=100, deadline=None)
@given(problem=problems(leads=8))
def test_no_exchange_of_two_leads_gains_value(problem: FairSplitProblem) -> None:
    split = fair_split(problem)
    for i in range(problem.n_leads):
        for j in range(i):
            if split.pair[i] < 0 or split.pair[j] < 0:
                continue
            there = [q for q in pairs_of(problem, i) if problem.pair_rep[q] == split.rep[j]]
            back = [q for q in pairs_of(problem, j) if problem.pair_rep[q] == split.rep[i]]
            if there and back:
                old, new = [split.pair[i], split.pair[j]], [there[0], back[0]]
                if problem.pair_rank[new].sum() <= problem.pair_rank[old].sum():
                    assert problem.pair_value[new].sum() <= problem.pair_value[old].sum()


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_slack_never_lowers_value_and_counts_stay_within_what_it_allows(data: st.DataObject) -> None:
    problem = data.draw(problems(leads=6, fairness=data.draw(FAIRNESS)))
    strict = fair_split(problem)
    before = strict.value_sum
    for slack in (1, 2, 5):
        split = fair_split(replace(problem, slack=slack))
        assert split.value_sum >= before
        assert (split.assigned, split.rank_sum) == (strict.assigned, strict.rank_sum)
        assert (split.fairest_cost, split.fairest_value) == (strict.fairness_cost, strict.value_sum)
        assert np.array_equal(split.fair_price, strict.fair_price)
        assert np.all((split.least <= split.count) & (split.count <= split.most) & (split.count <= problem.capacity))
        before = split.value_sum
        price, width = split.fair_price, 2 * slack * problem.step
        if problem.fairness == "leximin":
            width = slack * problem.step * len(set(problem.step.tolist()))
        for r in np.flatnonzero(split.rank_price[:-1] == 0) if problem.step.any() else []:
            costs = lead_costs(problem, int(r), 99)
            assert split.least[r] == min(sum(c < price[r] - width[r] for c in costs), problem.capacity[r])
            assert split.most[r] == min(sum(c <= price[r] + width[r] for c in costs), problem.capacity[r])


@pytest.mark.parametrize("fairness", ["squares", "leximin"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_with_slack_the_value_is_the_best_that_the_counts_allow(fairness: str, data: st.DataObject) -> None:
    problem = data.draw(problems(leads=5, reps=3, fairness=fairness, slack=1))
    found = fair_split(problem)
    first = (problem.n_leads - found.assigned, found.rank_sum)
    values = []
    for split in every_split(problem):
        n = np.array(counts(problem, split))
        cost = objectives(problem, split)
        if cost[:2] == first and np.all((found.least <= n) & (n <= found.most)):
            values.append(-cost[3])
    assert found.value_sum == max(values)


@settings(max_examples=60, deadline=None)
@given(problem=problems(leads=7), data=st.data())
def test_other_names_change_no_objective(problem: FairSplitProblem, data: st.DataObject) -> None:
    leads = data.draw(st.permutations(range(problem.n_leads)))
    reps = np.array(data.draw(st.permutations(range(problem.n_reps))), np.int32)
    # Lead j of the renamed problem is leads[j]; rep r is called reps[r].
    rows = [q for i in leads for q in sorted(pairs_of(problem, i), key=lambda q: int(reps[problem.pair_rep[q]]))]
    lengths = [len(pairs_of(problem, i)) for i in leads]
    old = np.argsort(reps)
    renamed = replace(
        problem,
        lead_start=np.cumsum([0, *lengths]),
        pair_rep=reps[problem.pair_rep[rows]] if rows else problem.pair_rep,
        pair_rank=problem.pair_rank[rows] if rows else problem.pair_rank,
        pair_value=problem.pair_value[rows] if rows else problem.pair_value,
        **{name: getattr(problem, name)[old] for name in ("level", "step", "capacity", "tie_order")},
    )
    assert reached(fair_split(renamed), problem.n_leads) == reached(fair_split(problem), problem.n_leads)


def test_thirty_batches_of_one_lead_over_five_equal_reps_end_six_each() -> None:
    problem, had = five_alike(), np.zeros(5, np.int64)
    for _ in range(30):
        had += fair_split(replace(problem, level=had * LEVEL_UNIT)).count
    assert had.tolist() == [6, 6, 6, 6, 6]


def test_among_reps_alike_the_lowest_in_the_tie_order_has_what_is_over() -> None:
    order = np.array([3, 0, 4, 1, 2])
    assert fair_split(replace(five_alike(), tie_order=order)).count.tolist() == [0, 1, 0, 0, 0]


@settings(max_examples=60, deadline=None)
@given(problem=problems(leads=5, reps=4))
def test_ties_go_to_the_reps_lowest_in_the_tie_order(problem: FairSplitProblem) -> None:
    problem = replace(problem, pair_value=np.sign(problem.pair_value))
    found = fair_split(problem)
    cost = objectives(problem, as_split(found.pair))
    turns = [sum(map(int, problem.tie_order[problem.pair_rep[[q for q in s if q >= 0]]]))
             for s in every_split(problem) if objectives(problem, s) == cost]  # fmt: skip
    assert int(problem.tie_order[found.rep[found.rep >= 0]].sum()) == min(turns)


@settings(max_examples=80, deadline=None)
@given(problem=problems(leads=6, reps=3))
def test_where_it_makes_no_other_difference_the_later_leads_wait(problem: FairSplitProblem) -> None:
    problem = replace(problem, pair_value=np.sign(problem.pair_value))
    found = fair_split(problem)
    cost = objectives(problem, as_split(found.pair))
    served = [[q >= 0 for q in s] for s in every_split(problem) if objectives(problem, s) == cost]
    assert (found.pair >= 0).tolist() == max(served)


def test_leads_of_least_value_wait_when_reps_are_full() -> None:
    problem = FairSplitProblem(
        lead_start=np.arange(4),
        pair_rep=np.zeros(3, np.int32),
        pair_rank=np.zeros(3, np.int64),
        pair_value=np.array([5, 1, 7]),
        level=np.zeros(1, np.int64),
        step=np.ones(1, np.int64),
        capacity=np.array([2]),
        tie_order=np.zeros(1, np.int64),
    )
    assert fair_split(problem).rep.tolist() == [0, -1, 0]


def test_an_owner_comes_before_fairness() -> None:
    problem = replace(five_alike(), pair_rank=np.array([2, 2, 0, 2, 2]), level=np.array([0, 0, 10**9, 0, 0]))
    assert fair_split(problem).rep.tolist() == [2]


def test_who_is_full_passes_the_lead_on_to_the_next_rank() -> None:
    problem = replace(five_alike(), pair_rank=np.array([2, 2, 0, 1, 2]), capacity=np.array([9, 9, 0, 9, 9]))
    split = fair_split(problem)
    assert split.rep.tolist() == [3]
    check_prices(problem, split)


def test_nothing_to_split_is_an_empty_split() -> None:
    nothing = FairSplitProblem(
        np.zeros(1, np.int64), np.empty(0, np.int32), *(np.empty(0, np.int64) for _ in range(2)),
        *(np.zeros(3, np.int64), np.ones(3, np.int64), np.ones(3, np.int64), np.arange(3)),
    )  # fmt: skip
    assert fair_split(nothing).count.tolist() == [0, 0, 0]
    nobody = replace(
        nothing,
        lead_start=np.zeros(3, np.int64),
        **{name: np.empty(0, np.int64) for name in ("level", "step", "capacity", "tie_order")},
    )
    split = fair_split(nobody)
    assert split.rep.tolist() == [-1, -1]
    assert split.assigned == 0


def test_a_lead_that_nobody_may_take_stays_unassigned() -> None:
    problem = replace(five_alike(), lead_start=np.array([0, 0, 5, 5]))
    split = fair_split(problem)
    assert split.rep.tolist() == [-1, 0, -1]
    check_prices(problem, split)


@pytest.mark.parametrize("capacity", [1000, 15, 10])
@pytest.mark.parametrize("ranks", [1, 3])
def test_a_batch_of_six_thousand_is_proved_by_its_prices(capacity: int, ranks: int) -> None:
    rng = np.random.default_rng(1)
    n, m, k = 6000, 400, 6
    problem = FairSplitProblem(
        lead_start=np.arange(n + 1) * k,
        pair_rep=np.sort(np.argsort(rng.random((n, m)), axis=1)[:, :k], axis=1).ravel().astype(np.int32),
        pair_rank=rng.integers(0, ranks, n * k),
        pair_value=rng.integers(0, 1000, n * k),
        level=rng.integers(0, 9 * LEVEL_UNIT, m),
        step=LEVEL_UNIT // rng.integers(1, 4, m),
        capacity=np.full(m, capacity),
        tie_order=rng.permutation(m),
    )
    split = fair_split(problem)
    check_prices(problem, split)
    again = fair_split(problem)
    assert np.array_equal(split.pair, again.pair)
    assert all(a <= b for a, b in pairwise([0, split.assigned, n]))


def test_steps_of_which_only_some_are_zero_are_refused() -> None:
    with pytest.raises(ValueError, match=r"step\[1\] = 0"):
        fair_split(replace(five_alike(), step=np.array([1, 0, 1, 1, 1])))


def test_levels_that_would_leave_64_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="beyond"):
        fair_split(replace(five_alike(), level=np.full(5, 2**62)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lead_start": np.array([0, 4])}, "number of pairs, 5"),
        ({"pair_rep": np.array([0, 1, 3, 2, 4], np.int32)}, r"pair_rep\[3\] = 2 after 3"),
        ({"pair_rep": np.array([0, 1, 2, 3, 5], np.int32)}, r"pair_rep\[4\] = 5: it must be from 0 to 4"),
        ({"pair_rank": np.array([0, -1, 0, 0, 0])}, r"pair_rank\[1\] = -1"),
        ({"pair_value": np.full(5, 2 * 10**12)}, r"pair_value\[0\]"),
        ({"capacity": np.array([1, 1, -1, 1, 1])}, r"capacity\[2\] = -1"),
        ({"tie_order": np.arange(4)}, "tie_order: 4 entries; there must be 5"),
        ({"slack": -1}, "slack = -1"),
    ],
)
def test_arrays_that_are_not_what_they_should_be_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fair_split(replace(five_alike(), **changes))
