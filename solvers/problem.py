"""The assignment problem in arrays: units to territories, costs to pay, limits to keep.

A *unit* is what moves as one: an account, or accounts grouped together. The solvers know rows and columns only; the
planner translates to account and rep IDs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from solvers.kernels import haversine_block

if TYPE_CHECKING:
    from numpy.typing import NDArray

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG), used for every haversine distance."""

LIMIT_SLACK = 1e-9
"""A limit is kept when the load is within this fraction of ``max(1, |limit|)``: room for summation error only."""

CACHE_PAIRS = 32_000_000
"""Costs of at most this many pairs are kept in memory (8 bytes each); larger problems recompute them by blocks."""

BLOCK_PAIRS = 4_000_000


class CostSource(Protocol):
    """Costs of every (unit, territory) pair, computed by blocks of units."""

    @property
    def n_units(self) -> int:
        """Number of units."""
        ...

    @property
    def n_territories(self) -> int:
        """Number of territories."""
        ...

    def block(self, first: int, last: int) -> NDArray[np.float64]:
        """Return costs, shape ``(last − first, n_territories)``; +inf where the pair is not allowed."""
        ...


@dataclass(frozen=True, eq=False)
class TableCosts:
    """Costs given as a dense table.

    Attributes
    ----------
    table : ndarray of float64, shape (n_units, n_territories)
        +inf where the pair is not allowed.
    """

    table: NDArray[np.float64]

    @property
    def n_units(self) -> int:
        """Number of rows."""
        return int(self.table.shape[0])

    @property
    def n_territories(self) -> int:
        """Number of columns."""
        return int(self.table.shape[1])

    def block(self, first: int, last: int) -> NDArray[np.float64]:
        """Return the rows from ``first`` to ``last``."""
        return self.table[first:last]


@dataclass(frozen=True, eq=False)
class TravelCosts:
    """Costs computed from coordinates: the sum over a unit's members of weight × distance^power.

    Attributes
    ----------
    member_start : ndarray of int64, shape (n_units + 1,)
        Members of unit ``i`` are rows ``member_start[i]`` to ``member_start[i + 1]`` of the member arrays.
    points : ndarray of float64, shape (n_members, 2)
        Latitude and longitude in degrees, or x and y. NaN: the member has no place and costs nothing anywhere.
    weights : ndarray of float64, shape (n_members,)
    centers : ndarray of float64, shape (n_territories, 2)
    spherical : bool
        True for kilometres on the sphere, False for the euclidean distance of x and y.
    power : int
        1 or 2.
    max_travel : float
        Pairs with a member further away than this are not allowed; inf for no limit.
    class_of : ndarray of int32, shape (n_units,)
        Eligibility class of each unit.
    class_allowed : ndarray of bool, shape (n_classes, n_territories)
    fixed : ndarray of int32, shape (n_units,)
        Territory that the unit is locked to; −1 where it is free.
    """

    member_start: NDArray[np.int64]
    points: NDArray[np.float64]
    weights: NDArray[np.float64]
    centers: NDArray[np.float64]
    spherical: bool
    power: int
    max_travel: float
    class_of: NDArray[np.int32]
    class_allowed: NDArray[np.bool_]
    fixed: NDArray[np.int32]

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.member_start) - 1

    @property
    def n_territories(self) -> int:
        """Number of territories."""
        return len(self.centers)

    def block(self, first: int, last: int) -> NDArray[np.float64]:
        """Return the costs of units ``first`` to ``last`` to every territory."""
        members = slice(self.member_start[first], self.member_start[last])
        points, weights = self.points[members], self.weights[members]
        if self.spherical:
            distance = haversine_block(np.radians(points), np.radians(self.centers), EARTH_RADIUS_KM)
        else:
            difference = points[:, None, :] - self.centers[None, :, :]
            distance = np.sqrt((difference * difference).sum(axis=2))
        placed = ~np.isnan(points).any(axis=1)
        distance[~placed] = 0.0
        cost = weights[:, None] * (distance if self.power == 1 else distance * distance)
        if np.isfinite(self.max_travel):
            cost[distance > self.max_travel * (1 + LIMIT_SLACK)] = np.inf
        starts = self.member_start[first:last] - self.member_start[first]
        if len(starts) != len(cost):
            cost = np.add.reduceat(cost, starts, axis=0)
        classes = self.class_of[first:last]
        if not self.class_allowed.all():
            cost[~self.class_allowed[classes]] = np.inf
        locked = np.flatnonzero(self.fixed[first:last] >= 0)
        if len(locked):
            keep = self.fixed[first + locked]
            kept = cost[locked, keep]
            cost[locked] = np.inf
            cost[locked, keep] = kept
        return cost


@dataclass(frozen=True, eq=False)
class AssignmentProblem:
    """Assign every unit to one territory at least cost, every load within its limits.

    minimise Σ_i c_{i,t(i)}  subject to  l_kt ≤ Σ_{i: t(i)=t} a_kit ≤ u_kt  for every measure k and territory t.

    Attributes
    ----------
    costs : CostSource
    loads : ndarray of float64, shape (n_measures, n_units)
        Load of each unit, whoever serves it. Ignored where ``pair_loads`` is given.
    lower, upper : ndarray of float64, shape (n_measures, n_territories)
        −inf and inf where there is no limit.
    pair_loads : ndarray of float64, shape (n_measures, n_units, n_territories), or None
        Where loads depend on the territory.
    """

    costs: CostSource
    loads: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    pair_loads: NDArray[np.float64] | None = None
    _cache: list[NDArray[np.float64]] = field(default_factory=list, init=False, repr=False)

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.costs.n_units

    @property
    def n_territories(self) -> int:
        """Number of territories."""
        return self.costs.n_territories

    @property
    def n_measures(self) -> int:
        """Number of balanced measures."""
        return int(self.lower.shape[0])

    def blocks(self) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
        """Yield ``(first, last, costs)`` over all units; costs must not be written to."""
        n, m = self.n_units, self.n_territories
        if n * m <= CACHE_PAIRS:
            if not self._cache:
                table = np.empty((n, m))
                for first, last in self._ranges():
                    table[first:last] = self.costs.block(first, last)
                self._cache.append(table)
            yield 0, n, self._cache[0]
            return
        for first, last in self._ranges():
            yield first, last, self.costs.block(first, last)

    def rows(self, units: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of some units, shape ``(len(units), n_territories)``."""
        if self._cache:
            return self._cache[0][units]
        return (
            np.concatenate([self.costs.block(int(i), int(i) + 1) for i in units])
            if len(units)
            else np.empty((0, self.n_territories))
        )

    def _ranges(self) -> Iterator[tuple[int, int]]:
        step = max(1, BLOCK_PAIRS // max(1, self.n_territories))
        for first in range(0, self.n_units, step):
            yield first, min(self.n_units, first + step)

    def with_limits(self, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> AssignmentProblem:
        """Return the same problem under other limits, sharing the costs already computed."""
        other = AssignmentProblem(self.costs, self.loads, lower, upper, self.pair_loads)
        object.__setattr__(other, "_cache", self._cache)
        return other

    def loads_of(self, assignment: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the load of every territory, shape ``(n_measures, n_territories)``."""
        m = self.n_territories
        if self.pair_loads is None:
            return np.array([np.bincount(assignment, row, m) for row in self.loads]).reshape(self.n_measures, m)
        rows = np.arange(self.n_units)
        return np.array([np.bincount(assignment, table[rows, assignment], m) for table in self.pair_loads])

    def cost_of(self, assignment: NDArray[np.int32]) -> float:
        """Return the total cost; +inf where a pair is not allowed."""
        return float(
            sum(block[np.arange(last - first), assignment[first:last]].sum() for first, last, block in self.blocks())
        )

    def slack(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the limits widened by the summation slack: what a load is compared with."""
        with np.errstate(invalid="ignore"):
            lower = self.lower - LIMIT_SLACK * np.maximum(1.0, np.abs(self.lower))
            upper = self.upper + LIMIT_SLACK * np.maximum(1.0, np.abs(self.upper))
        return lower, upper

    def is_feasible(self, assignment: NDArray[np.int32]) -> bool:
        """Whether every limit is kept and every pair is allowed."""
        lower, upper = self.slack()
        loads = self.loads_of(assignment)
        return bool(np.all(loads >= lower) and np.all(loads <= upper) and np.isfinite(self.cost_of(assignment)))
