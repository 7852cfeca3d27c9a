"""The pairs worth looking at: for every unit, the few territories that prices do not rule out.

Every rung above the prices works on these pairs only; the bound is always checked over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from solvers.bounds import reduced_block
from solvers.chunks import over_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.bounds import Prices
    from solvers.problem import AssignmentProblem


@dataclass(frozen=True, eq=False)
class Candidates:
    """Allowed pairs by unit (compressed rows).

    Attributes
    ----------
    start : ndarray of int64, shape (n_units + 1,)
        Pairs of unit ``i`` are ``start[i]`` to ``start[i + 1]``.
    territory : ndarray of int32, shape (n_pairs,)
    cost : ndarray of float64, shape (n_pairs,)
    load : ndarray of float64, shape (n_measures, n_pairs)
    moved : ndarray of float64, shape (n_pairs,), or (0,)
        What of the unit changes hands there; empty where that is not limited.
    """

    start: NDArray[np.int64]
    territory: NDArray[np.int32]
    cost: NDArray[np.float64]
    load: NDArray[np.float64]
    moved: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.start) - 1

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return len(self.territory)

    def unit(self) -> NDArray[np.int64]:
        """Return the unit of every pair, shape ``(n_pairs,)``."""
        return np.repeat(np.arange(self.n_units), np.diff(self.start))

    def reduced_costs(self, prices: Prices) -> NDArray[np.float64]:
        """Return cost plus priced load and disruption of every pair."""
        reduced = self.cost.copy()
        for price, load in zip(prices.net, self.load, strict=True):
            reduced += price[self.territory] * load
        if len(self.moved) and prices.moved > 0:
            reduced += prices.moved * self.moved
        return reduced

    def keep(self, mask: NDArray[np.bool_]) -> Candidates:
        """Return the pairs where ``mask`` is true."""
        counts = np.add.reduceat(mask, self.start[:-1]) if self.n_pairs else np.zeros(self.n_units, np.int64)
        start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        load, moved = np.ascontiguousarray(self.load[:, mask]), self.moved[mask] if len(self.moved) else self.moved
        return Candidates(start, self.territory[mask], self.cost[mask], load, moved)

    def pair_of(self, assignment: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the pair that each unit's territory is, shape ``(n_units,)``; −1 where it is no candidate."""
        pairs = np.full(self.n_units, -1, np.int64)
        hit = np.flatnonzero(self.territory == assignment[self.unit()])
        pairs[self.unit()[hit]] = hit
        return pairs


def gather(problem: AssignmentProblem, units: NDArray[np.int64], territories: NDArray[np.int32]) -> Candidates:
    """Return the candidates of the given pairs.

    Parameters
    ----------
    problem : AssignmentProblem
    units, territories : ndarray, shape (n,)
        Pairs in any order, repeated or not; pairs that are not allowed are left out.
    """
    m = problem.n_territories
    keys = np.sort(units.astype(np.int64) * m + territories)
    keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))] if len(keys) else keys
    unit, territory = keys // m, (keys % m).astype(np.int32)
    cost = np.empty(len(keys))
    for first, last, block in problem.blocks():
        a, b = np.searchsorted(unit, [first, last])
        cost[a:b] = block[unit[a:b] - first, territory[a:b]]
    allowed = np.isfinite(cost)
    unit, territory, cost = unit[allowed], territory[allowed], cost[allowed]
    load = problem.loads[:, unit] if problem.pair_loads is None else problem.pair_loads[:, unit, territory]
    start = np.searchsorted(unit, np.arange(problem.n_units + 1)).astype(np.int64)
    return Candidates(start, territory, cost, np.ascontiguousarray(load), moved_of(problem, unit, territory))


def moved_of(
    problem: AssignmentProblem, units: NDArray[np.int64], territories: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return what of the units changes hands in these territories, shape ``(n,)``; empty where that is not limited."""
    return np.empty(0) if problem.limit is None else problem.limit.of_pairs(units, territories)


def from_rows(problem: AssignmentProblem, table: NDArray[np.int32]) -> Candidates:
    """Return candidates from one table of distinct allowed territories a unit, shape ``(n_units, any)``; −1 is skipped."""
    real = table >= 0
    cost = np.empty(table.shape)
    for first, last, block in problem.blocks():
        cost[first:last] = np.take_along_axis(block, np.maximum(table[first:last], 0), axis=1)
    counts = real.sum(axis=1)
    start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    territory = np.ascontiguousarray(table[real], dtype=np.int32)
    unit = np.repeat(np.arange(problem.n_units), counts)
    load = problem.loads[:, unit] if problem.pair_loads is None else problem.pair_loads[:, unit, territory]
    return Candidates(start, territory, cost[real], np.ascontiguousarray(load), moved_of(problem, unit, territory))


def from_table(problem: AssignmentProblem, table: NDArray[np.int32], *extra: NDArray[np.int32]) -> Candidates:
    """Return candidates from tables of territories, shape ``(n_units, any)``; −1 entries are skipped."""
    tables = [table, *(e.reshape(problem.n_units, -1) for e in extra)]
    units = np.concatenate([np.repeat(np.arange(problem.n_units), t.shape[1]) for t in tables])
    territories = np.concatenate([t.ravel() for t in tables])
    real = territories >= 0
    return gather(problem, units[real], territories[real])


def from_pairs(problem: AssignmentProblem, candidates: Candidates, assignment: NDArray[np.int32]) -> Candidates:
    """Return candidates with the pairs of an assignment among them."""
    units = np.concatenate([candidates.unit(), np.arange(problem.n_units)])
    return gather(problem, units, np.concatenate([candidates.territory, assignment]))


def filling_pairs(
    problem: AssignmentProblem, prices: Prices, per_territory: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return, for every territory, the units that would go there with least regret: what it could be filled with.

    Candidates chosen unit by unit alone may all lie in one crowded city, and leave a territory elsewhere nothing to
    grow with. Blocks of units contribute in proportion to their size.

    Returns
    -------
    units, territories : ndarray, shape (n_pairs,)
    """
    units: list[NDArray[np.int64]] = []
    territories: list[NDArray[np.int32]] = []
    for first, last, block in problem.blocks():
        reduced = reduced_block(problem, prices, block, first)
        reduced -= reduced.min(axis=1, keepdims=True)
        by_territory = np.ascontiguousarray(reduced.T)
        size = min(last - first, max(1, -(-per_territory * (last - first) // problem.n_units)))

        def fill(
            _: int, a: int, b: int, table: NDArray[np.float64] = by_territory, count: int = size, base: int = first
        ) -> None:
            for t in range(a, b):
                units.append(base + np.argpartition(table[t], count - 1)[:count])
                territories.append(np.full(count, t, np.int32))

        over_chunks(fill, problem.n_territories)
    return np.concatenate(units), np.concatenate(territories)
