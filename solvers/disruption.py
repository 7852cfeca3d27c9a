"""What changing hands amounts to: by unit and territory, as a price in the objective and as a limit on the whole.

A unit's *disruption* in territory t is what of it changes hands there, d_it = total_i − kept_it: everything but the part
that t has today. A unit of several accounts may have parts in several territories; what nobody has today counts nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.problem import with_slack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import CentreCosts
    from solvers.problem import CostSource


@dataclass(frozen=True, eq=False)
class Disruption:
    """Today's alignment, and how much may change hands.

    Attributes
    ----------
    total : ndarray of float64, shape (n_units,)
        What of each unit somebody has today: what changes hands when it goes to a territory that has none of it.
    start : ndarray of int64, shape (n_units + 1,)
        Parts of unit ``i`` are ``start[i]`` to ``start[i + 1]``.
    territory : ndarray of int32, shape (n_parts,)
        Ascending within a unit.
    kept : ndarray of float64, shape (n_parts,)
        What of the unit the territory has today; a unit's parts add up to its total.
    limit : float
        The most that may change hands in all; inf for no limit.
    """

    total: NDArray[np.float64]
    start: NDArray[np.int64]
    territory: NDArray[np.int32]
    kept: NDArray[np.float64]
    limit: float = np.inf

    @classmethod
    def of_members(
        cls,
        unit: NDArray[np.int64],
        territory: NDArray[np.int64],
        amount: NDArray[np.float64],
        n_units: int,
        limit: float = np.inf,
    ) -> Disruption:
        """Return the disruption of units that consist of members, each with an amount and the territory it is in today.

        Parameters
        ----------
        unit, territory, amount : ndarray, shape (n_members,)
            Members that are in no territory (−1) count for nothing.
        n_units : int
        limit : float
        """
        counted = (territory >= 0) & (amount > 0)
        unit, territory, amount = unit[counted], territory[counted], amount[counted]
        width = int(territory.max(initial=0)) + 1
        keys, part = np.unique(unit * width + territory, return_inverse=True)
        start = np.searchsorted(keys // width, np.arange(n_units + 1)).astype(np.int64)
        kept = np.bincount(part.ravel(), amount, len(keys)).astype(np.float64)
        total = np.bincount(unit, amount, n_units).astype(np.float64)
        return cls(total, start, (keys % width).astype(np.int32), kept, limit)

    @property
    def limited(self) -> bool:
        """Whether there is a limit on what changes hands in all."""
        return bool(np.isfinite(self.limit))

    def with_limit(self, limit: float) -> Disruption:
        """Return the same with another limit."""
        return replace(self, limit=limit)

    def part_unit(self) -> NDArray[np.int64]:
        """Return the unit of every part, shape ``(n_parts,)``."""
        return np.repeat(np.arange(len(self.total)), np.diff(self.start))

    def add_to(self, block: NDArray[np.float64], first: int, price: float) -> NDArray[np.float64]:
        """Return costs plus price × d for the units from ``first`` on, shape ``(n, n_territories)``."""
        last = first + len(block)
        moved = np.broadcast_to(price * self.total[first:last, None], block.shape).copy()
        a, b = self.start[first], self.start[last]
        row = np.repeat(np.arange(len(block)), np.diff(self.start[first : last + 1]))
        here = self.territory[a:b]
        # What stays where it is costs nothing at all, not nearly nothing.
        moved[row, here] = price * np.maximum(self.total[first + row] - self.kept[a:b], 0.0)
        moved += block
        return moved

    def of_pairs(self, units: NDArray[np.int64], territories: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return d of some pairs, shape ``(n,)``."""
        if len(self.territory) == 0 or len(units) == 0:
            return self.total[units].copy()
        width = int(max(self.territory.max(), territories.max(initial=0))) + 1
        known = self.part_unit() * width + self.territory
        wanted = units.astype(np.int64) * width + territories
        at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.maximum(self.total[units] - np.where(known[at] == wanted, self.kept[at], 0.0), 0.0)

    def of(self, assignment: NDArray[np.int32]) -> float:
        """Return what changes hands in all."""
        return float(self.of_pairs(np.arange(len(assignment)), assignment).sum())

    def between(self, units: NDArray[np.int64], territories: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return d of some units in some territories, each named once; shape ``(len(units), len(territories))``."""
        moved = np.broadcast_to(self.total[units, None], (len(units), len(territories))).copy()
        counts = np.diff(self.start)[units]
        row = np.repeat(np.arange(len(units)), counts)
        part = np.repeat(self.start[units] - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
        position = np.full(int(max(self.territory.max(initial=-1), territories.max(initial=-1))) + 1, -1, np.int64)
        position[territories] = np.arange(len(territories))
        column = position[self.territory[part]]
        seen = np.flatnonzero(column >= 0)
        row, column, part = row[seen], column[seen], part[seen]
        moved[row, column] = np.maximum(self.total[units[row]] - self.kept[part], 0.0)
        return moved

    def part(self, units: NDArray[np.int64], territories: NDArray[np.int64], limit: float) -> Disruption:
        """Return it for some units (ascending) in some territories, both numbered from 0, under a limit of their own."""
        position = np.full(int(max(self.territory.max(initial=-1), territories.max(initial=-1))) + 1, -1, np.int32)
        position[territories] = np.arange(len(territories), dtype=np.int32)
        place = np.full(len(self.total), -1, np.int64)
        place[units] = np.arange(len(units))
        unit, territory = place[self.part_unit()], position[self.territory]
        seen = np.flatnonzero((unit >= 0) & (territory >= 0))
        seen = seen[np.lexsort((territory[seen], unit[seen]))]
        start = np.searchsorted(unit[seen], np.arange(len(units) + 1)).astype(np.int64)
        return Disruption(self.total[units], start, territory[seen], self.kept[seen], limit)

    def effective_limit(self) -> float:
        """Return the limit that a sum can really meet: a whole number for whole amounts, with the slack otherwise."""
        if np.all(self.total == np.rint(self.total)) and np.all(self.kept == np.rint(self.kept)):
            return float(np.floor(with_slack(self.limit)))
        return with_slack(self.limit)

    def largest_part(self) -> NDArray[np.int32]:
        """Return the territory that has most of each unit today, shape ``(n_units,)``; −1 where none has any."""
        home = np.full(len(self.total), -1, np.int32)
        unit = self.part_unit()
        order = np.lexsort((-self.kept, unit))
        first = np.flatnonzero(np.diff(unit[order], prepend=-1))
        home[unit[order[first]]] = self.territory[order[first]]
        return home


@dataclass(frozen=True, eq=False)
class DisruptedCosts:
    """Costs of a source plus a price per unit that changes hands; or that alone, where the source allows the pair.

    Attributes
    ----------
    base : CostSource
    disruption : Disruption
    price : float
        Cost units per unit of disruption; 0 or more.
    alone : bool
        Take no account of what allowed pairs cost in ``base``.
    """

    base: CostSource
    disruption: Disruption
    price: float
    alone: bool = False

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.base.n_units

    @property
    def n_territories(self) -> int:
        """Number of territories."""
        return self.base.n_territories

    def block(self, first: int, last: int) -> NDArray[np.float64]:
        """Return the costs of units ``first`` to ``last`` to every territory; +inf where the pair is not allowed."""
        block = self.base.block(first, last)
        if self.alone:
            block = np.where(np.isfinite(block), 0.0, np.inf)
        return self.disruption.add_to(block, first, self.price)


@dataclass(frozen=True, eq=False)
class DisruptedCentreCosts:
    """As :class:`DisruptedCosts` for territory design with given centres: candidate ``j`` is territory ``j``'s.

    Attributes
    ----------
    base : CentreCosts
    disruption : Disruption
    price : float
        Cost units per unit of disruption; 0 or more.
    alone : bool
        Take no account of what allowed pairs cost in ``base``.
    """

    base: CentreCosts
    disruption: Disruption
    price: float
    alone: bool = False

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.base.n_units

    @property
    def n_candidates(self) -> int:
        """Number of centres, as many as territories."""
        return self.base.n_candidates

    def columns(self, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of every unit in some territories, shape ``(n_units, len(candidates))``; +inf: not allowed."""
        return self._with_moves(self.base.columns(candidates), np.arange(self.n_units), candidates)

    def rows(self, units: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of some units in every territory, shape ``(len(units), n_candidates)``."""
        return self._with_moves(self.base.rows(units), units, np.arange(self.n_candidates))

    def submatrix(self, units: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of some units in some territories."""
        return self._with_moves(self.base.submatrix(units, candidates), units, candidates)

    def _with_moves(
        self, cost: NDArray[np.float64], units: NDArray[np.int64], candidates: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        if self.alone:
            cost = np.where(np.isfinite(cost), 0.0, np.inf)
        return cost + self.price * self.disruption.between(units, candidates)
