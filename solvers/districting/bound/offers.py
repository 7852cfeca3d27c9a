"""Candidates with the units each may serve, listed once, so that many multipliers can be tried on them.

Evaluating the bound from scratch works out every distance anew. An ascent evaluates it hundreds of times, so it lists the
pairs that can matter (a unit that costs less than a cap on what serving it is worth) and stays below the cap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.chunks import over_chunks
from solvers.districting.bound.pricing import Lists
from solvers.districting.bound.reach import Blocks, Reach, Wanted, blocks_in_reach, units_in_reach
from solvers.districting.problem import PlaceCosts
from solvers.problem import BLOCK_PAIRS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import CentreCosts


@dataclass(frozen=True, eq=False)
class Offers(Lists):
    """Some candidates and the units that each may serve.

    Attributes
    ----------
    candidate : ndarray of int64, shape (n_rows,)
    """

    candidate: NDArray[np.int64]

    def rows(self, some: NDArray[np.int64]) -> Offers:
        """Return some of the rows."""
        count = np.diff(self.start)[some]
        begin = np.append(0, np.cumsum(count)).astype(np.int64)
        pair = np.repeat(self.start[some] - begin[:-1], count) + np.arange(begin[-1])
        return replace(
            self,
            candidate=self.candidate[some],
            own=self.own[some],
            start=begin,
            unit=self.unit[pair],
            cost=self.cost[pair],
            lower=self.lower[some],
            upper=self.upper[some],
        )


def joined(parts: list[Offers]) -> Offers:
    """Return the rows of all parts."""
    counts = np.concatenate([np.diff(part.start) for part in parts])
    return replace(
        parts[0],
        candidate=np.concatenate([part.candidate for part in parts]),
        own=np.concatenate([part.own for part in parts]),
        start=np.append(0, np.cumsum(counts)).astype(np.int64),
        unit=np.concatenate([part.unit for part in parts]),
        cost=np.concatenate([part.cost for part in parts]),
        lower=np.concatenate([part.lower for part in parts]),
        upper=np.concatenate([part.upper for part in parts]),
    )


def offers(
    costs: CentreCosts,
    candidates: NDArray[np.int64],
    candidate_unit: NDArray[np.int32],
    cap: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
) -> Offers:
    """Return some candidates with the units that cost at most ``cap`` there, shape ``(n_units,)``, and their own units."""
    own = candidate_unit[candidates]
    limits = np.full(len(own), lower), np.full(len(own), upper)
    if isinstance(costs, PlaceCosts) and costs.n_units * len(candidates) > BLOCK_PAIRS and np.isfinite(cap).all():
        reach = Reach(replace(costs, candidates=costs.candidates[candidates]))
        start, unit, cost = near_lists(reach, reach.wanted(cap), own)
        return Offers(own, start, unit, cost, load, *limits, candidates)
    counts, units, values = [], [], []
    step = max(1, BLOCK_PAIRS // max(1, costs.n_units))
    for first in range(0, len(candidates), step):
        table = np.ascontiguousarray(costs.columns(candidates[first : first + step]).T)
        keep = (table <= cap) & (table < np.inf)
        settled = np.flatnonzero(own[first : first + step] >= 0)
        keep[settled, own[first : first + step][settled]] = True
        counts.append(keep.sum(axis=1))
        units.append(np.nonzero(keep)[1].astype(np.int32))
        values.append(table[keep])
    start = np.append(0, np.cumsum(np.concatenate(counts))).astype(np.int64)
    return Offers(own, start, np.concatenate(units), np.concatenate(values), load, *limits, candidates)


def near_lists(
    reach: Reach, wanted: Wanted, own: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    """Return the units in reach of every candidate: where each one's list starts, the units, what they cost."""
    groups = reach.candidates
    start = np.zeros(len(own) + 1, np.int64)
    none, nothing = np.empty(0, np.int32), np.empty(0)
    # Counted first, written second: no list has to grow.
    over_chunks(lambda _, a, b: _near_lists(groups, wanted, own, start, none, nothing, False, a, b), len(groups.radius))
    start = np.cumsum(start)
    unit, cost = np.empty(start[-1], np.int32), np.empty(start[-1])
    over_chunks(lambda _, a, b: _near_lists(groups, wanted, own, start, unit, cost, True, a, b), len(groups.radius))
    return start, unit, cost


@njit(cache=True, nogil=True)
def _near_lists(
    groups: Blocks,
    wanted: Wanted,
    own: NDArray[np.int32],
    start: NDArray[np.int64],
    unit: NDArray[np.int32],
    cost: NDArray[np.float64],
    write: bool,
    first: int,
    last: int,
) -> None:
    """Count each candidate's units into ``start[j + 1]``, or write them from ``start[j]`` on."""
    n = len(wanted.member_start) - 1
    units, costs, seen = np.empty(n, np.int32), np.empty(n), np.full(n, -1, np.int64)
    for g in range(first, last):
        blocks = blocks_in_reach(wanted, groups, g)
        for s in range(groups.start[g], groups.start[g + 1]):
            j = groups.order[s]
            count = units_in_reach(wanted, blocks, j, own[j], seen, units, costs)
            if write:
                unit[start[j] : start[j] + count] = units[:count]
                cost[start[j] : start[j] + count] = costs[:count]
            else:
                start[j + 1] = count
