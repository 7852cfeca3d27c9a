"""The price of another choice is what brute force says, objective by objective."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.fair_split.exchange_price import PriceList, prices_of_choosing
from solvers.fair_split.problem import FairSplitProblem
from solvers.fair_split.split import fair_split
from tests.solvers.fair_split.splits import every_split, five_alike, objectives, pairs_of, problems


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_the_price_of_a_choice_is_the_best_split_with_it_less_the_best_split(data: st.DataObject) -> None:
    problem = data.draw(problems(leads=5, fairness=data.draw(st.sampled_from(["squares", "leximin"]))))
    every = {split: objectives(problem, split) for split in every_split(problem)}
    best = np.array(min(every.values()))
    prices = PriceList.of(problem, fair_split(problem))
    for i in range(problem.n_leads):
        found = prices.of_lead(i)
        assert found.pair.tolist() == list(pairs_of(problem, i))
        for k, q in enumerate(pairs_of(problem, i)):
            pinned = [cost for split, cost in every.items() if split[i] == q]
            assert found.possible[k] == bool(pinned)
            if pinned:
                change = np.array(min(pinned)) - best
                expected = [-found.assigned[k], found.rank_sum[k], found.fairness_cost[k], -found.value[k]]
                assert change.tolist() == expected


def without(problem: FairSplitProblem, lead: int, pair: int) -> FairSplitProblem:
    """Return the problem with the lead pinned to one of its pairs."""
    kept = np.ones(len(problem.pair_rep), bool)
    kept[problem.lead_start[lead] : problem.lead_start[lead + 1]] = False
    kept[pair] = True
    start = np.append(0, np.cumsum(kept))[problem.lead_start]
    arrays = {name: getattr(problem, name)[kept] for name in ("pair_rep", "pair_rank", "pair_value")}
    return replace(problem, lead_start=start, **arrays)


def test_prices_in_a_batch_of_three_hundred_are_those_of_solving_it_again() -> None:
    rng = np.random.default_rng(3)
    n, m, k = 300, 30, 5
    problem = FairSplitProblem(
        lead_start=np.arange(n + 1) * k,
        pair_rep=np.sort(np.argsort(rng.random((n, m)), axis=1)[:, :k], axis=1).ravel().astype(np.int32),
        pair_rank=np.zeros(n * k, np.int64),
        pair_value=rng.integers(0, 1000, n * k),
        level=rng.integers(0, 5_000_000, m),
        step=1_000_000 // rng.integers(1, 4, m),
        capacity=np.full(m, 12),
        tie_order=rng.permutation(m),
    )
    split = fair_split(problem)
    for lead in range(0, n, 50):
        prices = prices_of_choosing(problem, split, lead)
        for at, pair in enumerate(prices.pair):
            pinned = fair_split(without(problem, lead, int(pair)))
            assert pinned.assigned == split.assigned
            assert pinned.fairness_cost - split.fairness_cost == prices.fairness_cost[at]
            assert pinned.value_sum - split.value_sum == prices.value[at]


def test_the_lead_s_own_pair_costs_nothing_and_ties_cost_nothing() -> None:
    prices = prices_of_choosing(five_alike(), fair_split(five_alike()), 0)
    for change in (prices.assigned, prices.rank_sum, prices.fairness_cost, prices.value):
        assert change.tolist() == [0] * 5


def test_with_slack_prices_refer_to_the_best_split_without() -> None:
    problem = replace(five_alike(), slack=3, pair_value=np.array([0, 0, 0, 0, 9]), level=np.array([0, 1, 1, 1, 1]))
    split = fair_split(problem)
    assert split.rep.tolist() == [4]
    prices = prices_of_choosing(problem, split, 0)
    assert prices.fairness_cost.tolist() == [0, 2, 2, 2, 2]
    assert prices.value.tolist() == [0, 0, 0, 0, 9]


def test_prices_of_a_split_that_is_not_the_best_are_refused() -> None:
    problem = replace(
        five_alike(),
        lead_start=np.array([0, 2, 4]),
        pair_rep=np.array([0, 1, 0, 1], np.int32),
        pair_rank=np.zeros(4, np.int64),
        pair_value=np.array([9, 0, 0, 9]),
    )
    best = fair_split(problem)
    worse = replace(best, pair=np.array([1, 2]), rep=np.array([1, 0], np.int32))
    with pytest.raises(ValueError, match="not the best"):
        prices_of_choosing(problem, worse, 0)
