"""What it would cost to give a lead to another rep: exact, for every pair of the lead at once.

The lead goes there, and the counts are put right along the shortest path in the residual network of the best split: a
chain of hand-overs back to the rep that the lead came from, or a rep that keeps one more and another that has one less.
Costs are compared objective by objective. No path leaves the rep that the lead came from, so the paths to it do not depend
on which of its leads is asked about: one search serves them all.

Source: Ahuja, Magnanti & Orlin 1993, "Network Flows", section 9.7: after a change of one unit the optimum is one shortest
path away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.fair_split.costs import LeadCosts
from solvers.fair_split.membership import FAR
from solvers.fair_split.pairs import Pairs
from solvers.fair_split.split import fair_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.fair_split.problem import FairSplit, FairSplitProblem


@dataclass(frozen=True, eq=False)
class ChoicePrices:
    """By how much the best split with a lead at each of its pairs differs from the best split; arrays by pair.

    Attributes
    ----------
    pair : ndarray of int64, shape (n_pairs of the lead,)
        Rows in the problem.
    possible : ndarray of bool
        Whether there is such a split; where not (the rep's capacity is 0), the numbers below mean nothing.
    assigned, rank_sum, fairness_cost, value : ndarray of int64
        Change of each objective. The first that is not 0 is for the worse; of those after it nothing is promised but that
        they are the best there are. All 0: just as good.
    """

    pair: NDArray[np.int64]
    possible: NDArray[np.bool_]
    assigned: NDArray[np.int64]
    rank_sum: NDArray[np.int64]
    fairness_cost: NDArray[np.int64]
    value: NDArray[np.int64]


@njit(cache=True, nogil=True)
def _edges(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    rank: NDArray[np.int64],
    value: NDArray[np.int64],
    own: NDArray[np.int64],
    last: NDArray[np.int64],
    following: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the residual network, shape (m + 1, m + 1, 3): rank, fairness, value lost; rank ``FAR`` where there is no arc.

    The last node is the pool. ``last`` and ``following``, shape (m,): what a column's last lead costs and its next would,
    ``FAR`` where it has none or no room.
    """
    m = len(last)
    edge = np.full((m + 1, m + 1, 3), FAR)
    for i in range(len(own)):
        r = col[own[i]]
        for q in range(start[i], start[i + 1]):
            s, more, less = col[q], rank[q] - rank[own[i]], value[own[i]] - value[q]
            if more < edge[r, s, 0] or (more == edge[r, s, 0] and less < edge[r, s, 2]):
                edge[r, s, 0], edge[r, s, 1], edge[r, s, 2] = more, 0, less
    for r in range(m):
        if last[r] < FAR:
            edge[m, r, 0], edge[m, r, 1], edge[m, r, 2] = 0, -last[r], 0
        if following[r] < FAR:
            edge[r, m, 0], edge[r, m, 1], edge[r, m, 2] = 0, following[r], 0
    return edge


@njit(cache=True, nogil=True)
def _distances_to(edge: NDArray[np.int64], target: int) -> NDArray[np.int64]:
    """Return how far it is from every node to ``target``, shape (m + 1, 3), compared entry by entry."""
    m = edge.shape[0]
    distance = np.full((m, 3), FAR)
    distance[target, :] = 0
    queue, waits, at, size = np.empty(m, np.int64), np.zeros(m, np.bool_), 0, 1
    queue[0], waits[target] = target, True
    searched = 0
    while size > 0:
        s = queue[at]
        at, size, waits[s] = (at + 1) % m, size - 1, False
        searched += 1
        if searched > m * m + m:
            distance[target, 0] = -1  # a cycle that improves: the split was not the best
            return distance
        for r in range(m):
            if edge[r, s, 0] == FAR or r == s:
                continue
            first, second, third = (
                edge[r, s, 0] + distance[s, 0],
                edge[r, s, 1] + distance[s, 1],
                edge[r, s, 2] + distance[s, 2],
            )
            if first < distance[r, 0] or (
                first == distance[r, 0]
                and (second < distance[r, 1] or (second == distance[r, 1] and third < distance[r, 2]))
            ):
                distance[r, 0], distance[r, 1], distance[r, 2] = first, second, third
                if not waits[r]:
                    queue[(at + size) % m] = r
                    size, waits[r] = size + 1, True
    return distance


@dataclass(frozen=True, eq=False)
class PriceList:
    """The prices of other choices for every lead of a split; searches are made when they are first needed, and kept.

    Attributes
    ----------
    problem : FairSplitProblem
    best : FairSplit
        The best split without slack, by value: what prices refer to. It is the split itself where that is one.
    """

    problem: FairSplitProblem
    best: FairSplit
    _edge: NDArray[np.int64]
    _distances: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: FairSplitProblem, split: FairSplit) -> PriceList:
        """Return the price list of a problem and its split, as ``fair_split`` returned it."""
        if problem.slack or problem.second != "value":
            problem = replace(problem, slack=0, second="value")
            split = fair_split(problem)
        m, costs = problem.n_reps, LeadCosts.of(problem)
        pairs = Pairs.of(problem).or_unassigned(m)
        where = np.append(split.rep, m).astype(np.int32)[pairs.lead]
        where[where < 0] = m
        own = np.flatnonzero(pairs.col == np.repeat(where, np.diff(pairs.start)))
        count = split.count
        last = np.where(count > 0, costs.first + count * costs.rise, FAR)
        following = np.where(count < problem.capacity, costs.first + (count + 1) * costs.rise, FAR)
        waiting = 0 if np.any(where == m) else FAR
        edge = _edges(
            pairs.start,
            pairs.col,
            pairs.of_pairs(problem.pair_rank, split.unassigned_rank),
            pairs.of_pairs(problem.pair_value, 0),
            own,
            np.append(last, waiting),
            np.append(following, 0),
        )
        return cls(problem, split, edge)

    def of_lead(self, lead: int) -> ChoicePrices:
        """Return the prices of a lead's pairs."""
        problem, best = self.problem, self.best
        pair = np.arange(problem.lead_start[lead], problem.lead_start[lead + 1])
        own = int(best.pair[lead])
        home = int(best.rep[lead]) if own >= 0 else problem.n_reps
        if home not in self._distances:
            self._distances[home] = _distances_to(self._edge, home)
            if self._distances[home][home, 0] < 0:
                raise ValueError("split: it is not the best one of this problem; pass what fair_split returned for it")
        way = self._distances[home][problem.pair_rep[pair]]
        possible = way[:, 0] < FAR
        rank, value = (
            (int(problem.pair_rank[own]), int(problem.pair_value[own])) if own >= 0 else (best.unassigned_rank, 0)
        )
        more = way[:, 0] * possible + problem.pair_rank[pair] - rank
        # Ranks along a path stay below half of what one lead unassigned counts.
        unassigned = (more + best.unassigned_rank // 2) // best.unassigned_rank
        return ChoicePrices(
            pair=pair,
            possible=possible,
            assigned=-unassigned,
            rank_sum=more - unassigned * best.unassigned_rank,
            fairness_cost=way[:, 1] * possible,
            value=problem.pair_value[pair] - value - way[:, 2] * possible,
        )


def prices_of_choosing(problem: FairSplitProblem, split: FairSplit, lead: int) -> ChoicePrices:
    """Return what each pair of a lead would cost; :class:`PriceList` is quicker for many leads.

    Parameters
    ----------
    problem : FairSplitProblem
    split : FairSplit
        As ``fair_split(problem)`` returned it. With slack or "even_value" prices refer to the best split without slack, by
        value, where the lead may be with another rep.
    lead : int
    """
    return PriceList.of(problem, split).of_lead(lead)
