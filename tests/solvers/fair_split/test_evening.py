"""Even value: no exchange of two leads, and no move within the fair counts, makes value shares more even."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.fair_split.problem import FairSplit, FairSplitProblem
from solvers.fair_split.split import fair_split
from tests.solvers.fair_split.splits import five_alike, pairs_of, problems


def unevenness(problem: FairSplitProblem, rep: list[int]) -> Fraction:
    """Σ weight × share², from the definition."""
    total = Fraction(0)
    for r in range(problem.n_reps):
        had = sum(int(problem.lead_worth[i]) for i, s in enumerate(rep) if s == r)  # type: ignore[index]  # drawn below
        share = int(problem.worth_level[r]) + had * int(problem.step[r])  # type: ignore[index]  # drawn below
        total += Fraction(share * share, int(problem.step[r]))
    return total


def choices(problem: FairSplitProblem, split: FairSplit, lead: int) -> list[int]:
    """Reps that tie with the lead's own in rank and, without slack, in fairness."""
    own = split.pair[lead]
    tight = [
        (int(q), int(problem.pair_rep[q]))
        for q in pairs_of(problem, lead)
        if problem.pair_rank[q] + split.rank_price[problem.pair_rep[q]]
        == problem.pair_rank[own] + split.rank_price[problem.pair_rep[own]]
    ]
    return [r for _, r in tight if problem.slack or split.fair_price[r] == split.fair_price[split.rep[lead]]]


@settings(max_examples=200, deadline=None)
@given(problem=problems(leads=9), data=st.data())
def test_no_exchange_or_move_makes_value_shares_more_even(problem: FairSplitProblem, data: st.DataObject) -> None:
    worth = data.draw(st.lists(st.integers(-2, 20), min_size=problem.n_leads, max_size=problem.n_leads))
    had = data.draw(st.lists(st.integers(0, 50), min_size=problem.n_reps, max_size=problem.n_reps))
    problem = replace(
        problem,
        second="even_value",
        slack=data.draw(st.integers(0, 1)),
        step=np.maximum(problem.step, 1),
        lead_worth=np.array(worth, np.int64),
        worth_level=np.array(had, np.int64),
    )
    split = fair_split(problem)
    assert np.all((split.least <= split.count) & (split.count <= split.most))
    rep = split.rep.tolist()
    start = unevenness(problem, rep)
    given_leads = [i for i in range(problem.n_leads) if rep[i] >= 0]
    able = {i: choices(problem, split, i) for i in given_leads}
    for i in given_leads:
        for s in able[i]:
            if split.count[rep[i]] > split.least[rep[i]] and split.count[s] < split.most[s]:
                moved = [*rep[:i], s, *rep[i + 1 :]]
                assert unevenness(problem, moved) >= start
        for j in given_leads:
            if rep[j] in able[i] and rep[i] in able[j]:
                swapped = list(rep)
                swapped[i], swapped[j] = rep[j], rep[i]
                assert unevenness(problem, swapped) >= start
    plain = fair_split(replace(problem, second="value", slack=0))
    assert (split.assigned, split.rank_sum, split.fairest_cost) == (
        plain.assigned,
        plain.rank_sum,
        plain.fairness_cost,
    )
    assert split.exact == ("assigned", "rank", "fairness")


def test_two_large_leads_do_not_go_to_one_rep() -> None:
    problem = replace(
        five_alike(),
        lead_start=np.arange(5) * 2,
        pair_rep=np.array([0, 1] * 4, np.int32),
        pair_rank=np.zeros(8, np.int64),
        pair_value=np.zeros(8, np.int64),
        second="even_value",
        lead_worth=np.array([100, 1, 100, 1]),
        worth_level=np.zeros(5, np.int64),
    )
    split = fair_split(problem)
    assert split.count.tolist() == [2, 2, 0, 0, 0]
    assert split.rep[0] != split.rep[2]


def test_even_value_without_worth_is_refused() -> None:
    with pytest.raises(ValueError, match="lead_worth"):
        fair_split(replace(five_alike(), second="even_value"))


def test_worth_that_would_leave_64_bits_is_refused() -> None:
    problem = replace(
        five_alike(), second="even_value", lead_worth=np.array([2**50]), worth_level=np.zeros(5, np.int64)
    )
    with pytest.raises(ValueError, match="larger units"):
        fair_split(problem)
