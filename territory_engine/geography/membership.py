"""Which unit a place lies in; for a place in none, which is nearest and how far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from territory_engine.geography.sphere import EARTH_RADIUS_KM, degrees_of, unit_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR_KM = 5.0
"""A place in no unit belongs to the nearest one up to this distance: outlines of coasts and rivers are simplified by
a few kilometres, and a postal code's centre may lie in the water."""

_KM_PER_DEGREE = EARTH_RADIUS_KM * np.pi / 180
_CHUNK = 2_000


@dataclass(frozen=True, eq=False)
class Membership:
    """Where places lie.

    Attributes
    ----------
    unit : ndarray of int64, shape (n_places,)
        −1 where no unit is within reach, or the place is unknown.
    distance_km : ndarray of float64, shape (n_places,)
        0 inside or on the border; NaN where ``unit`` is −1.
    several : ndarray of bool, shape (n_places,)
        Whether more than one unit covers the place: it lies on a border, or units overlap. The first one has it.
    """

    unit: NDArray[np.int64]
    distance_km: NDArray[np.float64]
    several: NDArray[np.bool_]


def locate(
    xy: NDArray[np.float64],
    polygons: NDArray[np.object_],
    *,
    degrees: bool,
    km_per_unit: float = 1.0,
    near_km: float = NEAR_KM,
) -> Membership:
    """Find the unit of every place.

    Parameters
    ----------
    xy : ndarray of float64, shape (n_places, 2)
        Longitude and latitude, or x and y, as the polygons have them; NaN where a place is unknown.
    polygons : ndarray of geometry, shape (n_units,)
    degrees : bool
    km_per_unit : float
        Length of the projection's unit; not used for degrees.
    near_km : float
        How far the nearest unit may be from a place in none.
    """
    n = len(xy)
    unit, distance = np.full(n, -1, np.int64), np.full(n, np.nan)
    tree = shapely.STRtree(polygons)
    known = np.flatnonzero(np.isfinite(xy).all(axis=1))
    point, covering = tree.query(shapely.points(xy[known]), predicate="intersects").astype(np.int64)
    order = np.lexsort((covering, point))
    point, covering = known[point[order]], covering[order]
    count = np.bincount(point, minlength=n)
    first = np.ones(len(point), bool)
    first[1:] = point[1:] != point[:-1]
    unit[point[first]] = covering[first]
    distance[point[first]] = 0.0
    out = known[count[known] == 0]
    if len(out):
        place, candidate = _within_reach(xy[out], tree, degrees, near_km, km_per_unit)
        far_km = distances_km(xy[out[place]], polygons[candidate], degrees=degrees, km_per_unit=km_per_unit)
        order = np.lexsort((candidate, far_km, place))
        place, candidate, far_km = place[order], candidate[order], far_km[order]
        first = np.ones(len(place), bool)
        first[1:] = place[1:] != place[:-1]
        first &= far_km <= near_km
        unit[out[place[first]]] = candidate[first]
        distance[out[place[first]]] = far_km[first]
    return Membership(unit, distance, count > 1)


def distances_km(
    xy: NDArray[np.float64], polygons: NDArray[np.object_], *, degrees: bool, km_per_unit: float = 1.0
) -> NDArray[np.float64]:
    """Return the distance of each place to the polygon beside it, in km; 0 inside.

    In degrees it is measured on the plane that touches the globe at the place: exact for what is near, and too small
    or too large by a few percent over hundreds of kilometres.
    """
    if not degrees:
        return np.asarray(shapely.distance(shapely.points(xy), polygons) * km_per_unit)
    out = np.empty(len(xy))
    origin = shapely.points(0.0, 0.0)
    for start in range(0, len(xy), _CHUNK):
        stop = min(start + _CHUNK, len(xy))
        at, shapes = xy[start:stop], polygons[start:stop].copy()
        flat, owner = shapely.get_coordinates(shapes, return_index=True)
        flat = flat - at[owner]
        # A polygon lies as a whole on one side: its first point says whether the other way around is shorter.
        begins = np.searchsorted(owner, np.arange(len(shapes)))
        flat[:, 0] -= 360.0 * np.round(flat[begins, 0] / 360.0)[owner]
        flat[:, 0] *= np.cos(np.radians(at[owner, 1]))
        out[start:stop] = shapely.distance(shapely.set_coordinates(shapes, flat), origin) * _KM_PER_DEGREE
    return out


def central_places(
    places: NDArray[np.float64],
    unit_of: NDArray[np.int64],
    weights: NDArray[np.float64],
    n_units: int,
    *,
    spherical: bool,
) -> NDArray[np.float64]:
    """Return, for every unit, the place of the account that is nearest to its accounts' weighted mean.

    Parameters
    ----------
    places : ndarray of float64, shape (n_accounts, 2)
        Latitude and longitude, or x and y; NaN where unknown.
    unit_of : ndarray of int64, shape (n_accounts,)
    weights : ndarray of float64, shape (n_accounts,)
        Accounts of a unit whose weights are all 0 count alike.
    n_units : int
    spherical : bool
        Whether the mean is taken on the sphere.

    Returns
    -------
    ndarray of float64, shape (n_units, 2)
        NaN for a unit without a placed account.
    """
    out = np.full((n_units, 2), np.nan)
    at = np.flatnonzero(np.isfinite(places).all(axis=1))
    if len(at) == 0:
        return out
    unit, weight = unit_of[at], weights[at]
    total = np.bincount(unit, weight, n_units)
    weight = np.where(total[unit] > 0, weight, 1.0)
    total = np.bincount(unit, weight, n_units)
    space = unit_vectors(*places[at].T) if spherical else places[at]
    mean = np.column_stack([np.bincount(unit, weight * axis, n_units) for axis in space.T])
    with np.errstate(invalid="ignore", divide="ignore"):
        # On the sphere the mean direction; where directions cancel out, any account is as near as another.
        mean = mean / (np.linalg.norm(mean, axis=1)[:, None] if spherical else total[:, None])
    off = np.nan_to_num(np.linalg.norm(space - mean[unit], axis=1))
    order = np.lexsort((at, off, unit))
    first = np.ones(len(order), bool)
    first[1:] = unit[order][1:] != unit[order][:-1]
    chosen = at[order[first]]
    out[unit_of[chosen]] = places[chosen]
    return out


def mean_of_neighbours(
    places: NDArray[np.float64], pairs: NDArray[np.int64], *, spherical: bool
) -> NDArray[np.float64]:
    """Return places where each unknown one is the mean of its neighbours', nearest to the known ones first.

    Parameters
    ----------
    places : ndarray of float64, shape (n_units, 2)
    pairs : ndarray of int64, shape (n_pairs, 2)
    spherical : bool

    Returns
    -------
    ndarray of float64, shape (n_units, 2)
        NaN where no chain of neighbours leads to a known place.
    """
    out = places.copy()
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    while True:
        known = np.asarray(np.isfinite(out).all(axis=1))
        here, there = ends[~known[ends[:, 0]] & known[ends[:, 1]]].T
        if len(here) == 0:
            return out
        space = unit_vectors(*out[there].T) if spherical else out[there]
        total = np.column_stack([np.bincount(here, axis, len(out)) for axis in space.T])
        units = np.unique(here)
        count = np.bincount(here, minlength=len(out))[units]
        out[units] = degrees_of(total[units]) if spherical else total[units] / count[:, None]


def _within_reach(
    xy: NDArray[np.float64], tree: shapely.STRtree, degrees: bool, near_km: float, km_per_unit: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of place and polygon whose boxes are close enough; both sides of the 180th meridian are looked at."""
    if not degrees:
        reach = np.full((len(xy), 2), near_km / km_per_unit)
        windows, of = [_window(xy, reach)], [np.arange(len(xy))]
    else:
        high = near_km / _KM_PER_DEGREE
        wide = np.minimum(180.0, high / np.maximum(1e-6, np.cos(np.radians(np.minimum(89.9, np.abs(xy[:, 1]) + high)))))
        reach = np.column_stack((wide, np.full(len(xy), high)))
        windows, of = [_window(xy, reach)], [np.arange(len(xy))]
        for shift in (-360.0, 360.0):
            over = np.flatnonzero(np.abs(xy[:, 0] + shift) <= 180.0 + wide)
            windows.append(_window(xy[over] + (shift, 0.0), reach[over]))
            of.append(over)
    place, candidate = tree.query(np.concatenate(windows), predicate="intersects").astype(np.int64)
    pairs = np.unique(np.column_stack((np.concatenate(of)[place], candidate)), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _window(xy: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.object_]:
    low, high = xy - reach, xy + reach
    return np.asarray(shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1]))
