"""Split a batch of leads fairly: start reading here.

Objective by objective, each among the splits that are best so far, which are exactly those where every lead has a pair of
least price and every count is one that its price allows. What an independent checker must verify, with t(i) the pairs of
lead i that are left, its own among them, and n_r the counts:

1. ``rank_price`` (one entry more, for staying unassigned, is 0): 0 or more, and above 0 only where n_r = capacity. The
   lead's ``pair_rank + rank_price`` is the least of its pairs and of ``unassigned_rank`` where it is unassigned. Then
   Σ rank, with ``unassigned_rank`` for each lead that has pairs and is unassigned, is least. ``unassigned_rank`` is more
   than 2·(n_reps + 1)·max(pair_rank), so that the number assigned comes first. t(i) := the pairs of that least.
2. ``fair_price`` with ``fair_count``: in some assignment with these counts every lead sits with a rep of least
   ``fair_price`` in t(i). With slack 0 that is the split itself or, among ties, one that costs the same. A rep with
   ``rank_price`` above 0 is held at capacity; of any other the ``fair_count``-th lead costs at most ``fair_price``, if the
   count is above 0, and one more would cost at least that, if it is below capacity. The k-th lead costs
   ``costs.LeadCosts.first + k·rise``: with squares ``2·level + (2k − 1)·step``. Staying
   unassigned has the lowest ``fair_price`` of all, and so has every rep in t(i) of a lead that is unassigned: they are all
   held at capacity, and fairness has no say among them. t(i) := the pairs of least ``fair_price``, unless there is slack.
3. ``least`` and ``most``: capacity for reps held at it; else the number of leads that cost less than ``fair_price``, and
   that cost no more than it, within capacity; with slack, less than ``fair_price − 2·slack·step`` and no more than
   ``fair_price + 2·slack·step`` ("leximin": in its own costs), so that drift over many batches stays bounded.
   n_r lies between them. ``value_price`` is above 0 only where n_r = most, below only where n_r = least; the lead has the
   most ``pair_value − value_price`` in t(i), and of 0 where staying unassigned is in t(i).
4. Among ties the later leads wait, and reps lowest in ``tie_order`` have what is over.

With ``second = "even_value"`` point 3 says nothing of values: see ``evening.py`` for what holds instead.

Source: see ``transport.py``, ``exchanges.py``, ``costs.py``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from solvers.fair_split.checks import check
from solvers.fair_split.costs import LeadCosts
from solvers.fair_split.pairs import Pairs
from solvers.fair_split.problem import FairSplit
from solvers.fair_split.stages import even_value_stage, fairness_stage, order_stage, rank_stage, value_stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.fair_split.problem import FairSplitProblem


def fair_split(problem: FairSplitProblem) -> FairSplit:
    """Return the best split: most leads, least ranks, fairest, best value, tie order; with the prices that prove it.

    The same problem gives the same split, on any machine. ValueError where an array is not what ``FairSplitProblem`` says,
    where numbers would leave 64 bits, where only some steps are 0, or where "even_value" lacks its arrays.
    """
    marks = [time.perf_counter()]
    check(problem)
    m, n = problem.n_reps, problem.n_leads
    costs, pairs = LeadCosts.of(problem), Pairs.of(problem)
    ranked = rank_stage(problem, pairs, costs)
    marks.append(time.perf_counter())

    own, price = fairness_stage(problem, ranked, costs)
    fair_count = np.bincount(ranked.pairs.col[own], minlength=m + 1)[:m]
    fair_price = price[:m]
    tight, fair_own = ranked.pairs.cheapest(price[ranked.pairs.col], own)
    least, most = _allowed(problem, costs.without_slack(), ranked.held, fair_price, fair_count)
    marks.append(time.perf_counter())

    if problem.second == "value":
        table, own, value_price = value_stage(problem, tight, fair_own, least, most)
    else:
        table, own, value_price = tight, fair_own, np.zeros(m + 1, np.int64)
    fairest = None
    if problem.slack:
        fairest = int(table.of_pairs(problem.pair_value, 0)[own].sum())
        least, most = _allowed(problem, costs, ranked.held, fair_price, fair_count)
        # The fairest split of best value is one to start from.
        table, own = ranked.pairs, _places(ranked.pairs, table.col[own])
        if problem.second == "value":
            table, own, value_price = value_stage(problem, table, own, least, most, value_price)
    marks.append(time.perf_counter())

    count = np.bincount(table.col[own], minlength=m + 1)[:m]
    fixed = value_price[:m] != 0
    own = order_stage(problem, table, own, np.where(fixed, count, least), np.where(fixed, count, most))
    if problem.second == "even_value":
        own = even_value_stage(problem, table, own, least, most)
    pair = np.full(n, -1)
    pair[table.lead] = table.pair[own]
    rep = np.full(n, -1, np.int32)
    given = pair >= 0
    rep[given] = problem.pair_rep[pair[given]]
    count = np.bincount(rep[given], minlength=m)
    value_sum = int(problem.pair_value[pair[given]].sum())
    marks.append(time.perf_counter())
    stages = ("rank", "fairness", "value", "order")
    return FairSplit(
        pair=pair,
        rep=rep,
        count=count,
        rank_price=ranked.price,
        unassigned_rank=ranked.unassigned_rank,
        fair_price=fair_price,
        fair_count=fair_count,
        least=least,
        most=most,
        value_price=value_price[:m],
        assigned=int(np.count_nonzero(given)),
        rank_sum=int(problem.pair_rank[pair[given]].sum()),
        fairness_cost=costs.total(count),
        value_sum=value_sum,
        fairest_cost=costs.total(fair_count),
        fairest_value=value_sum if fairest is None else fairest,
        exact=("assigned", "rank", "fairness", "value")[: 4 if problem.second == "value" else 3],
        seconds={name: end - begin for name, begin, end in zip(stages, marks, marks[1:], strict=False)},
    )


def _allowed(
    problem: FairSplitProblem,
    costs: LeadCosts,
    held: NDArray[np.bool_],
    fair_price: NDArray[np.int64],
    fair_count: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the least and most leads that each rep may have for the sake of value."""
    least, most = costs.between(fair_price, problem.capacity)
    least, most = np.minimum(least, fair_count), np.maximum(most, fair_count)
    return np.where(held, problem.capacity, least), np.where(held, problem.capacity, most)


def _places(pairs: Pairs, col: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the pair of each lead with the column it has in ``col``."""
    found = np.flatnonzero(pairs.col == np.repeat(col, np.diff(pairs.start)))
    return found.astype(np.int64)
