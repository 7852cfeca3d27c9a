"""The stages of a fair split, each on the pairs that tie in those before: ranks, fairness, value, order among ties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.fair_split.evening import even_value
from solvers.fair_split.exchanges import even_out, spread
from solvers.fair_split.transport import send
from solvers.fair_split.waiting import let_later_wait

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.fair_split.costs import LeadCosts
    from solvers.fair_split.pairs import Pairs
    from solvers.fair_split.problem import FairSplitProblem

LARGEST_SHARE = 2**60
"""Beyond it twice the difference of two worth shares could leave 64 bits."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Stage 1: as many leads as can be, at the least sum of ranks.

    Attributes
    ----------
    pairs : Pairs
        Those that tie.
    own : ndarray of int64, shape (n,)
        A pair for each lead.
    price : ndarray of int64, shape (n_reps + 1,)
    unassigned_rank : int
    held : ndarray of bool, shape (n_reps,)
        Reps whose price holds them at capacity.
    waiting : int
        How many leads with pairs stay unassigned.
    """

    pairs: Pairs
    own: NDArray[np.int64]
    price: NDArray[np.int64]
    unassigned_rank: int
    held: NDArray[np.bool_]
    waiting: int


def _few_choices_first(pairs: Pairs) -> NDArray[np.int64]:
    return np.argsort(np.diff(pairs.start), kind="stable")


def rank_stage(problem: FairSplitProblem, pairs: Pairs, costs: LeadCosts) -> Ranked:
    """Assign as many leads as can be, at the least sum of ranks; evenly where that is easy."""
    n, m = len(pairs.lead), problem.n_reps
    # So large that no chain of hand-overs could make up for one lead unassigned.
    unassigned_rank = 2 * (m + 2) * (int(problem.pair_rank.max(initial=0)) + 1)
    rank = problem.pair_rank
    lowest = np.minimum.reduceat(rank, pairs.start[:-1]) if n else rank
    least = rank == np.repeat(lowest, np.diff(pairs.start))
    kept = np.flatnonzero(least)
    place = np.append(0, np.cumsum(least))
    first = type(pairs)(pairs.lead, place[pairs.start], pairs.col[kept], pairs.pair[kept])
    own, count = np.full(n, -1), np.zeros(m, np.int64)
    order = _few_choices_first(first)
    if spread(first.start, first.col, order, costs.first, costs.rise, problem.capacity, count, own) == 0:
        return Ranked(first, own, np.zeros(m + 1, np.int64), unassigned_rank, np.zeros(m, np.bool_), 0)
    full = pairs.or_unassigned(m)
    cost = full.of_pairs(rank, unassigned_rank)
    begin = np.where(own >= 0, kept[own] + np.arange(n), -1)
    most = np.append(problem.capacity, n + 1)
    own, price = send(full.start, full.col, cost, np.zeros_like(most), most, begin, np.zeros_like(most))
    waiting = int(np.count_nonzero(full.col[own] == m))
    reduced = cost + price[full.col]
    if not waiting:
        reduced[full.col == m] += 1
    tight, own = full.cheapest(reduced, own)
    return Ranked(tight, own, price, unassigned_rank, price[:m] > 0, waiting)


def fairness_stage(
    problem: FairSplitProblem, ranked: Ranked, costs: LeadCosts
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pair of each lead in a fairest split, and the fair prices, shape (n_reps + 1,)."""
    pairs, m = ranked.pairs, problem.n_reps
    first, rise = np.append(costs.first, 0), np.append(costs.rise, 0)
    most = np.append(problem.capacity, ranked.waiting)
    held = np.append(ranked.held, True)
    least = np.where(held, most, 0)
    own = ranked.own.copy()
    if held[:m].any():
        # Who is not with a rep held at capacity may be spread anew.
        free = ~held[pairs.col[own]]
        count = np.bincount(pairs.col[own[~free]], minlength=m + 1)
        order = _few_choices_first(pairs)
        again = own.copy()
        room = np.where(held, 0, most)
        if spread(pairs.start, pairs.col, order[free[order]], first, rise, room, count, again) == 0:
            own = again
    price, _ = even_out(pairs.start, pairs.col, first, rise, least, most, own)
    return own, price


def value_stage(
    problem: FairSplitProblem,
    pairs: Pairs,
    own: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    price: NDArray[np.int64] | None = None,
) -> tuple[Pairs, NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs that tie in value as well, the pair of each lead among them, and prices, shape (n_reps + 1,).

    ``least`` and ``most`` are of the reps; ``price``, shape (n_reps + 1,), is what to start from.
    """
    n, cost = len(own), -pairs.of_pairs(problem.pair_value, 0)
    own, found = send(pairs.start, pairs.col, cost, np.append(least, 0), np.append(most, n + 1), own, price)
    tight, own = pairs.cheapest(cost + found[pairs.col], own)
    return tight, own, found


def order_stage(
    problem: FairSplitProblem,
    pairs: Pairs,
    own: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the split that lets later leads wait and gives what is over to the lowest ``tie_order``, among ties."""
    own, m = own.copy(), problem.n_reps
    waiting = int(np.count_nonzero(pairs.col[own] == m))
    if waiting:
        let_later_wait(pairs.start, pairs.col, m + 1, m, own)
    turn = np.empty(m + 1, np.int64)
    turn[np.append(problem.tie_order, np.iinfo(np.int64).max).argsort(kind="stable")] = np.arange(m + 1)
    bounds = np.append(least, waiting), np.append(most, waiting)
    even_out(pairs.start, pairs.col, turn, np.zeros_like(turn), *bounds, own)
    return own


def even_value_stage(
    problem: FairSplitProblem,
    pairs: Pairs,
    own: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return a split that no exchange of two leads makes more even in worth; ValueError without worth or with too much."""
    if problem.lead_worth is None or problem.worth_level is None:
        raise ValueError('second = "even_value" needs lead_worth and worth_level')
    own, worth, m = own.copy(), problem.lead_worth[pairs.lead], problem.n_reps
    reach = sum(map(abs, worth.tolist())) * int(problem.step.max(initial=0))
    reach += int(np.abs(problem.worth_level).max(initial=0))
    if reach > LARGEST_SHARE:
        raise ValueError(f"worth shares reach {reach}, beyond {LARGEST_SHARE}: state lead_worth in larger units")
    assigned = pairs.col[own] < m
    total = np.zeros(m, np.int64)
    np.add.at(total, pairs.col[own[assigned]], worth[assigned])
    share = problem.worth_level + total * problem.step
    even_value(pairs.start, pairs.col, worth, share, problem.step, least, most, own)
    return own
