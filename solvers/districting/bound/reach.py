"""Which units a centre can want: only those nearby, found without looking at all of them.

A unit whose serving is worth μ is of no use to a centre where serving it costs more. Costs grow with distance, so every
unit has a reach, and a centre looks only at the units whose reach it is in. Units are kept in the leaf order of a k-d
tree, in blocks with a middle, a radius and the longest reach inside; so are candidates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit
from scipy.spatial import cKDTree

from solvers.problem import EARTH_RADIUS_KM, LIMIT_SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import PlaceCosts

_BLOCK = 32
"""Places in a block: small enough that a block is local, large enough that most are dismissed together."""

_ROUNDING = 1e-9
"""A reach is lengthened by this fraction (and by this fraction of the extent): what is found may be too much, never too
little, because every pair found is priced exactly afterwards."""


class Blocks(NamedTuple):
    """Places in leaf order, in blocks of neighbours.

    Attributes
    ----------
    order : ndarray of int64, shape (n,)
    start : ndarray of int64, shape (n_blocks + 1,)
    middle : ndarray of float64, shape (n_blocks, 3)
    radius : ndarray of float64, shape (n_blocks,)
    """

    order: NDArray[np.int64]
    start: NDArray[np.int64]
    middle: NDArray[np.float64]
    radius: NDArray[np.float64]


def blocks_of(places: NDArray[np.float64]) -> Blocks:
    """Return the blocks of some places, shape ``(n, 3)``."""
    n = len(places)
    order = np.asarray(cKDTree(places, leafsize=_BLOCK).indices if n else [], np.int64)
    start = np.append(np.arange(0, n, _BLOCK), n).astype(np.int64)
    if n == 0:
        return Blocks(order, start, np.empty((0, 3)), np.empty(0))
    count = np.diff(start)
    middle = np.add.reduceat(places[order], start[:-1], axis=0) / count[:, None]
    away = np.sqrt(((places[order] - np.repeat(middle, count, axis=0)) ** 2).sum(axis=1))
    return Blocks(order, start, middle, np.maximum.reduceat(away, start[:-1]))


class Wanted(NamedTuple):
    """Where units may be wanted, as kernels read it.

    Attributes
    ----------
    candidate : ndarray of float64, shape (n_candidates, 3)
    member_start, position, weight :
        The members of every unit that have a place, by unit.
    sorted_position, sorted_unit, squared_reach :
        The same members in leaf order, and how far from each a centre may be; −1: nowhere.
    block_start, block_middle, block_reach :
        Their blocks; how far from a block's middle a centre may be, −1: nowhere.
    nowhere : ndarray of int32
        Units without any place, which cost nothing anywhere.
    radius_km : float
        Of the sphere; 0 in the plane.
    power, max_travel : float
    """

    candidate: NDArray[np.float64]
    member_start: NDArray[np.int64]
    position: NDArray[np.float64]
    weight: NDArray[np.float64]
    sorted_position: NDArray[np.float64]
    sorted_unit: NDArray[np.int32]
    squared_reach: NDArray[np.float64]
    block_start: NDArray[np.int64]
    block_middle: NDArray[np.float64]
    block_reach: NDArray[np.float64]
    nowhere: NDArray[np.int32]
    radius_km: float
    power: float
    max_travel: float


@dataclass(frozen=True, eq=False)
class Reach:
    """Members and candidates in space: unit vectors on the sphere, where distance is the chord, or (x, y, 0).

    Members without a place are left out: they cost nothing anywhere.
    """

    costs: PlaceCosts

    @cached_property
    def placed(self) -> NDArray[np.bool_]:
        """Which members have a place, shape ``(n_members,)``."""
        return np.asarray(~np.isnan(self.costs.points).any(axis=1))

    @cached_property
    def member_start(self) -> NDArray[np.int64]:
        """Where each unit's placed members begin, shape ``(n_units + 1,)``."""
        return np.append(0, np.cumsum(self.placed))[self.costs.member_start].astype(np.int64)

    @cached_property
    def position(self) -> NDArray[np.float64]:
        """The placed members, shape ``(n_placed, 3)``."""
        return _positions(self.costs, self.costs.points[self.placed])

    @cached_property
    def candidate(self) -> NDArray[np.float64]:
        """The candidates, shape ``(n_candidates, 3)``."""
        return _positions(self.costs, self.costs.candidates)

    @cached_property
    def members(self) -> Blocks:
        """The placed members in blocks."""
        return blocks_of(self.position)

    @cached_property
    def candidates(self) -> Blocks:
        """The candidates in blocks."""
        return blocks_of(self.candidate)

    def of_units(self, most: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far from all its members a centre can be where a unit costs at most ``most``, shape (n_units,).

        Σ_m w_m d_m^power ≥ (Σ w_m) × (the least d_m)^power, so beyond ``(most / Σ w)^(1/power)`` of every member the unit
        costs more. −1: nowhere; +inf: perhaps everywhere. In the unit of positions (chords on the sphere).
        """
        unit = np.repeat(np.arange(self.costs.n_units), np.diff(self.member_start))
        weight = np.bincount(unit, self.costs.weights[self.placed], self.costs.n_units)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(weight > 0, np.maximum(most, 0.0) / weight, np.inf) ** (1.0 / self.costs.power)
        if self.costs.spherical:
            angle = np.minimum(reach / EARTH_RADIUS_KM, math.pi)
            reach = np.where(angle < math.pi, 2 * np.sin(angle / 2), np.inf)
        extent = 1.0 if self.costs.spherical else float(np.abs(self.candidate).max(initial=0.0))
        return np.where(most < 0, -1.0, reach * (1 + _ROUNDING) + _ROUNDING * extent)

    def wanted(self, most: NDArray[np.float64]) -> Wanted:
        """Return where units may be wanted that may cost at most ``most``, shape ``(n_units,)``."""
        costs, order = self.costs, self.members.order
        unit = np.repeat(np.arange(costs.n_units, dtype=np.int32), np.diff(self.member_start))[order]
        reach = self.of_units(most)[unit]
        longest = np.maximum.reduceat(reach, self.members.start[:-1]) if len(reach) else np.empty(0)
        return Wanted(
            self.candidate,
            self.member_start,
            self.position,
            costs.weights[self.placed].astype(np.float64),
            self.position[order],
            unit,
            np.where(reach >= 0, reach**2, -1.0),
            self.members.start,
            self.members.middle,
            np.where(longest >= 0, self.members.radius * (1 + _ROUNDING) + longest, -1.0),
            np.flatnonzero((np.diff(self.member_start) == 0) & (most >= 0)).astype(np.int32),
            EARTH_RADIUS_KM if costs.spherical else 0.0,
            float(costs.power),
            costs.max_travel * (1 + LIMIT_SLACK),
        )


def _positions(costs: PlaceCosts, places: NDArray[np.float64]) -> NDArray[np.float64]:
    if not costs.spherical:
        return np.column_stack([places, np.zeros(len(places))])
    phi, theta = np.radians(places).T
    return np.column_stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])


@njit(cache=True, nogil=True)
def _squared(a: NDArray[np.float64], i: int, b: NDArray[np.float64], j: int) -> float:
    x, y, z = a[i, 0] - b[j, 0], a[i, 1] - b[j, 1], a[i, 2] - b[j, 2]
    return float(x * x + y * y + z * z)


@njit(cache=True, nogil=True)
def _unit_cost(wanted: Wanted, unit: int, j: int) -> float:
    total = 0.0
    for m in range(wanted.member_start[unit], wanted.member_start[unit + 1]):
        distance = math.sqrt(_squared(wanted.position, m, wanted.candidate, j))
        if wanted.radius_km > 0.0:
            distance = 2.0 * wanted.radius_km * math.asin(min(1.0, distance / 2.0))
        if distance > wanted.max_travel:
            return math.inf
        total += wanted.weight[m] * (distance if wanted.power == 1.0 else distance * distance)
    return total


@njit(cache=True, nogil=True)
def blocks_in_reach(wanted: Wanted, groups: Blocks, g: int) -> NDArray[np.int64]:
    """Return the blocks of members that may be wanted somewhere in the group ``g`` of candidates."""
    n_blocks = len(wanted.block_reach)
    out = np.empty(n_blocks, np.int64)
    count = 0
    for b in range(n_blocks):
        far = (wanted.block_reach[b] + groups.radius[g]) * (1.0 + _ROUNDING)
        if wanted.block_reach[b] >= 0.0 and _squared(wanted.block_middle, b, groups.middle, g) <= far * far:
            out[count] = b
            count += 1
    return out[:count]


@njit(cache=True, nogil=True)
def units_in_reach(
    wanted: Wanted,
    blocks: NDArray[np.int64],
    j: int,
    own: int,
    seen: NDArray[np.int64],
    unit: NDArray[np.int32],
    cost: NDArray[np.float64],
) -> int:
    """Write the units wanted at candidate ``j``, its own one and those without a place, with what they cost there.

    ``seen`` holds, per unit, the candidate it was last written for (−1 at first); ``unit`` and ``cost`` have room for
    every unit. Returns how many were written.
    """
    count = 0
    if own >= 0:
        seen[own] = j
        unit[0], cost[0] = own, _unit_cost(wanted, own, j)
        count = 1
    for i in wanted.nowhere:
        if i != own:
            unit[count], cost[count] = i, 0.0
            count += 1
    for b in blocks:
        far = wanted.block_reach[b] * (1.0 + _ROUNDING)
        if _squared(wanted.block_middle, b, wanted.candidate, j) > far * far:
            continue
        for s in range(wanted.block_start[b], wanted.block_start[b + 1]):
            if _squared(wanted.sorted_position, s, wanted.candidate, j) <= wanted.squared_reach[s]:
                i = wanted.sorted_unit[s]
                if seen[i] != j:
                    seen[i] = j
                    unit[count], cost[count] = i, _unit_cost(wanted, i, j)
                    count += 1
    return count
