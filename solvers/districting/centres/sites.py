"""What serving a unit from a place costs, one pair at a time, inside compiled loops.

A search that looks at millions of pairs wants neither all of them in memory nor a call to NumPy for a few: small tables
are kept whole, and where every unit is one point the distance is computed when it is asked for, which is as quick as
fetching it from a table too large for the processor's cache.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit
from scipy.spatial import cKDTree

from solvers.districting.problem import PlaceCosts
from solvers.problem import EARTH_RADIUS_KM, LIMIT_SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import CentreCosts, DistrictingProblem

TABLE_PAIRS = 2_000_000
"""Points get a table up to this many pairs: 16 MB, about what the processor keeps near."""

FORBIDDEN_FACTOR = 1e3
"""A pair that is not allowed costs this times the largest cost seen: never worth it, and yet no infinity in the sums."""


class SiteCosts(NamedTuple):
    """Costs of units from sites: a table, or places in three dimensions.

    Attributes
    ----------
    table : ndarray of float64, shape (n_units, n_sites), or (0, 0)
    unit_place, site_place : ndarray of float64, shape (n_units, 3) and (n_sites, 3)
        Unit vectors on the sphere; x, y, 0 in the plane. Empty where there is a table.
    weight : ndarray of float64, shape (n_units,)
    radius : float
        Of the sphere, in km; 0 in the plane.
    power : int
    farthest : float
        Greatest distance allowed.
    forbidden : float
        Cost of a pair that is not allowed.
    """

    table: NDArray[np.float64]
    unit_place: NDArray[np.float64]
    site_place: NDArray[np.float64]
    weight: NDArray[np.float64]
    radius: float
    power: int
    farthest: float
    forbidden: float


@njit(cache=True, nogil=True)
def site_cost(costs: SiteCosts, i: int, j: int) -> float:
    """Return the cost of unit ``i`` from site ``j``."""
    if costs.table.shape[0] > 0:
        return float(costs.table[i, j])
    dx = costs.unit_place[i, 0] - costs.site_place[j, 0]
    dy = costs.unit_place[i, 1] - costs.site_place[j, 1]
    dz = costs.unit_place[i, 2] - costs.site_place[j, 2]
    distance = math.sqrt(dx * dx + dy * dy + dz * dz)
    if costs.radius > 0.0:
        distance = 2.0 * costs.radius * math.asin(min(1.0, 0.5 * distance))
    if distance > costs.farthest:
        return costs.forbidden
    if costs.power == 2:
        return float(costs.weight[i] * distance * distance)
    return float(costs.weight[i] * distance)


def in_space(points: NDArray[np.float64], *, spherical: bool) -> NDArray[np.float64]:
    """Return points in three dimensions, shape ``(n, 3)``: unit vectors for degrees, x, y, 0 in the plane."""
    if not spherical:
        return np.column_stack([points, np.zeros(len(points))])
    latitude, longitude = np.radians(points).T
    return np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )


def _points_alone(costs: CentreCosts) -> bool:
    return isinstance(costs, PlaceCosts) and costs.alone and not bool(np.isnan(costs.points).any())


def pointwise(costs: CentreCosts) -> SiteCosts | None:
    """Return the costs of every unit from every candidate computed when asked for; None where units are not points."""
    if not isinstance(costs, PlaceCosts) or not _points_alone(costs):
        return None
    places = in_space(costs.points, spherical=costs.spherical)
    homes = in_space(costs.candidates, spherical=costs.spherical)
    radius = EARTH_RADIUS_KM if costs.spherical else 0.0
    span = np.pi * radius if costs.spherical else float(np.linalg.norm(np.ptp(np.vstack([places, homes]), axis=0)))
    dearest = float(np.abs(costs.weights).max(initial=0.0)) * span**costs.power
    return SiteCosts(
        np.zeros((0, 0)),
        places,
        homes,
        costs.weights,
        radius,
        costs.power,
        costs.max_travel * (1 + LIMIT_SLACK),
        FORBIDDEN_FACTOR * max(dearest, 1e-9),
    )


def site_costs(costs: CentreCosts, sites: NDArray[np.int64]) -> SiteCosts:
    """Return the costs of every unit from some candidates, as compiled loops read them.

    Parameters
    ----------
    costs : CentreCosts
    sites : ndarray of int64, shape (n_sites,)
        Candidates; site ``j`` of the result is candidate ``sites[j]``.
    """
    if costs.n_units * len(sites) > TABLE_PAIRS:
        computed = pointwise(costs)
        if computed is not None:
            return computed._replace(site_place=np.ascontiguousarray(computed.site_place[sites]))
    nowhere = np.zeros((0, 3))
    table = np.ascontiguousarray(costs.columns(sites))
    allowed = np.isfinite(table)
    forbidden = FORBIDDEN_FACTOR * max(float(np.abs(table[allowed]).max(initial=0.0)), 1e-9)
    if not allowed.all():
        table = np.where(allowed, table, forbidden)
    return SiteCosts(table, nowhere, nowhere, np.zeros(0), 0.0, 1, np.inf, forbidden)


def unit_places(problem: DistrictingProblem) -> NDArray[np.float64] | None:
    """Return where each unit is, shape ``(n_units, 3)``: its members' weighted mean; None where there are no places.

    A unit without members is at its first candidate; without any either, at the mean of all units.
    """
    costs = problem.costs
    if not isinstance(costs, PlaceCosts):
        return None
    members = in_space(np.nan_to_num(costs.points), spherical=costs.spherical)
    weight = np.where(np.isnan(costs.points).any(axis=1), 0.0, np.maximum(costs.weights, 1e-12))
    row = np.repeat(np.arange(costs.n_units), np.diff(costs.member_start))
    total = np.bincount(row, weight, costs.n_units)
    place: NDArray[np.float64] = np.column_stack(
        [np.bincount(row, weight * members[:, d], costs.n_units) for d in range(3)]
    )
    known = total > 0
    place[known] /= total[known, None]
    homes = in_space(costs.candidates, spherical=costs.spherical)
    housed = np.flatnonzero(problem.candidate_unit >= 0)[::-1]
    first = np.full(costs.n_units, -1, np.int64)
    first[problem.candidate_unit[housed]] = housed
    lent = ~known & (first >= 0)
    place[lent] = homes[first[lent]]
    lost = ~known & (first < 0)
    if lost.any():
        place[lost] = place[~lost].mean(axis=0) if not lost.all() else 0.0
    return place


def nearest_units(
    problem: DistrictingProblem, costs: SiteCosts, first_site: NDArray[np.int64], count: int
) -> NDArray[np.int32]:
    """Return the units near each unit, nearest first, shape ``(n_units, count)``; fewer where there are fewer units.

    By place where units have one; else by what it costs to serve the one from the other's first site.

    Parameters
    ----------
    first_site : ndarray of int64, shape (n_units,)
        A site in each unit; −1 where it has none.
    """
    n = problem.n_units
    count = min(count, n - 1)
    if count <= 0:
        return np.zeros((n, 0), np.int32)
    places = unit_places(problem)
    if places is not None:
        # The unit itself comes first, unless others share its place.
        found = np.asarray(cKDTree(places).query(places, k=count + 1)[1], np.int32).reshape(n, count + 1)
        own = found == np.arange(n)[:, None]
        own[~own.any(axis=1), count] = True
        return np.ascontiguousarray(found[~own].reshape(n, count))
    with_site = np.flatnonzero(first_site >= 0)
    if len(with_site) <= 1:
        return np.zeros((n, 0), np.int32)
    count = min(count, len(with_site) - 1)
    out = np.empty((n, count), np.int32)
    for i in range(n):
        row = costs.table[i, first_site[with_site]].copy()
        row[with_site == i] = np.inf
        chosen = np.argpartition(row, count - 1)[:count]
        out[i] = with_site[chosen[np.argsort(row[chosen], kind="stable")]]
    return out
