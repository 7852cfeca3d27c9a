"""The assignment problem in arrays: units to territories, costs to pay, limits to keep.

A *unit* is what moves as one: an account, or accounts grouped together. The solvers know rows and columns only; the
planner translates to account and rep IDs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from solvers.kernels import haversine_block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.disruption import Disruption

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG), used for every haversine distance."""

LIMIT_SLACK = 1e-9
"""A limit is kept when the load is within this fraction of ``max(1, |limit|)``: room for summation error only."""

CACHE_PAIRS = 32_000_000
"""Costs of at most this many pairs are kept in memory (8 bytes each); larger problems recompute them by blocks."""

BLOCK_PAIRS = 4_000_000


def with_slack(upper: float) -> float:
    """Return an upper limit widened by the summation slack: what a sum is compared with."""
    return upper + LIMIT_SLACK * max(1.0, abs(upper))


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
    """Assign every unit to one territory at least cost, every load within its limits and near its target.

    minimise Σ_i c_{i,t(i)} + Σ_kt w_k |L_kt − T_kt|  subject to  l_kt ≤ L_kt ≤ u_kt  for every measure k and
    territory t, where L_kt = Σ_{i: t(i)=t} a_kit is the load, and  Σ_i d_{i,t(i)} ≤ B  where disruption d is limited.

    Attributes
    ----------
    costs : CostSource
    loads : ndarray of float64, shape (n_measures, n_units)
        Load of each unit, whoever serves it. Ignored where ``pair_loads`` is given.
    lower, upper : ndarray of float64, shape (n_measures, n_territories)
        −inf and inf where there is no limit.
    pair_loads : ndarray of float64, shape (n_measures, n_units, n_territories), or None
        Where loads depend on the territory.
    target : ndarray of float64, shape (n_measures, n_territories)
        Soft targets T; ignored where the weight is 0. Left out: zeros.
    target_weight : ndarray of float64, shape (n_measures,)
        w ≥ 0: what every unit of load off its target costs, above or below. Left out: zeros.
    whole_target : ndarray of bool, shape (n_measures,)
        Whether the measure's loads are all whole numbers, so that a load cannot lie between the two whole numbers
        around a target: the bound then gains (``solvers.whole`` sets it). Left out: False.
    disruption : Disruption or None
        What changing hands amounts to, with the limit B on it in all; None where it is not limited. A price on it is part
        of the costs (``solvers.disruption.DisruptedCosts``).
    """

    costs: CostSource
    loads: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    pair_loads: NDArray[np.float64] | None = None
    target: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    target_weight: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    whole_target: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    disruption: Disruption | None = None
    _cache: list[NDArray[np.float64]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.target.size == 0:
            object.__setattr__(self, "target", np.zeros(self.lower.shape))
        if self.target_weight.size == 0:
            object.__setattr__(self, "target_weight", np.zeros(len(self.lower)))
        if self.whole_target.size == 0:
            object.__setattr__(self, "whole_target", np.zeros(len(self.lower), np.bool_))

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
        return self._changed(lower=lower, upper=upper)

    def without_targets(self) -> AssignmentProblem:
        """Return the same problem with hard limits alone, sharing the costs already computed."""
        return self._changed(target_weight=np.zeros(self.n_measures)) if self.has_targets else self

    def within(self, most_moved: float) -> AssignmentProblem:
        """Return the same problem with another limit on what changes hands in all; inf for none."""
        assert self.disruption is not None
        return self._changed(disruption=self.disruption.with_limit(most_moved))

    def with_whole_targets(self, whole: NDArray[np.bool_]) -> AssignmentProblem:
        """Return the same problem where the loads of some measures are known to be whole numbers."""
        return self._changed(whole_target=whole)

    def _changed(self, **changes: Any) -> AssignmentProblem:
        other = replace(self, **changes)
        object.__setattr__(other, "_cache", self._cache)
        return other

    @property
    def limit(self) -> Disruption | None:
        """The disruption where it is limited in all; None where it is not."""
        return self.disruption if self.disruption is not None and self.disruption.limited else None

    @property
    def has_targets(self) -> bool:
        """Whether anything off target costs anything."""
        return bool(np.any(self.target_weight > 0))

    @property
    def soft(self) -> NDArray[np.int64]:
        """The measures with soft targets, ascending."""
        return np.flatnonzero(self.target_weight > 0)

    def whole_below(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the greatest attainable load up to each target, and how far the target is above it.

        Both of shape ``(n_measures, n_territories)``. Where loads are whole numbers: ⌊T⌋ and the fraction T − ⌊T⌋.
        Elsewhere any load is attainable: T and 0.
        """
        below = np.where(self.whole_target[:, None], np.floor(self.target), self.target)
        return below, self.target - below

    def off_target(self, loads: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return w |L − T| for loads of shape ``(n_measures, n_territories)``, in that shape."""
        return self.target_weight[:, None] * np.abs(loads - self.target)

    def loads_of(self, assignment: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the load of every territory, shape ``(n_measures, n_territories)``."""
        m = self.n_territories
        if self.pair_loads is None:
            return np.array([np.bincount(assignment, row, m) for row in self.loads]).reshape(self.n_measures, m)
        rows = np.arange(self.n_units)
        loads = [np.bincount(assignment, table[rows, assignment], m) for table in self.pair_loads]
        return np.array(loads, np.float64).reshape(self.n_measures, m)

    def cost_of(self, assignment: NDArray[np.int32]) -> float:
        """Return the total cost, without what is off target; +inf where a pair is not allowed."""
        return float(
            sum(block[np.arange(last - first), assignment[first:last]].sum() for first, last, block in self.blocks())
        )

    def objective_of(self, assignment: NDArray[np.int32]) -> float:
        """Return what is minimised: the total cost and what is off target; +inf where a pair is not allowed."""
        cost = self.cost_of(assignment)
        return cost + float(self.off_target(self.loads_of(assignment)).sum()) if self.has_targets else cost

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
        if self.limit is not None and self.limit.of(assignment) > with_slack(self.limit.limit):
            return False
        return bool(np.all(loads >= lower) and np.all(loads <= upper) and np.isfinite(self.cost_of(assignment)))
