"""The land that comes with the package: states of the United States and the other countries of the world.

README.md beside this file says where the areas come from; ``build.py`` makes ``land.parquet`` from there again.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import geopandas as gpd
import numpy as np
import shapely

from maps.shapes.cells import grid_cells, hull_points, mercator

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = Path(__file__).with_name("land.parquet")
PLACES = Path(__file__).with_name("places.parquet")
STATE = "state"
"""The ``kind`` of an area that is a state, or a territory, of the United States; the others are countries."""
COVERED_FRACTION = 0.5
"""A connected piece of land is the accounts' as a whole when they reach this share of it."""
REACH_FRACTION = 0.1
"""How far accounts reach when that is judged: this share of the extent of all but the farthest of them."""
MOST_STRAYS = 20
STRAY_FRACTION = 0.01
_AMONG_FRACTION = 0.8


class Pieces(NamedTuple):
    """Connected pieces of land: `geometry` in Mercator degrees, `area`: row of :func:`areas`, and an index."""

    geometry: NDArray[np.object_]
    area: NDArray[np.intp]
    is_state: NDArray[np.bool_]
    index: shapely.STRtree


@lru_cache(maxsize=1)
def areas() -> gpd.GeoDataFrame:
    """Return the areas in WGS 84: ``name``, ``kind`` (state or country) and ``geometry``, one MultiPolygon each."""
    return gpd.read_parquet(FILE)


@lru_cache(maxsize=1)
def pieces() -> Pieces:
    """Return the connected pieces of all areas, in the plane of the maps."""
    parts, area = shapely.get_parts(areas().geometry.to_numpy(), return_index=True)
    parts = np.asarray(shapely.transform(parts, lambda c: mercator(c[:, 0], c[:, 1])), dtype=object)
    state = (areas()["kind"] == STATE).to_numpy(bool)
    return Pieces(parts, area.astype(np.intp), state[area], shapely.STRtree(parts))


def areas_near(bounds: tuple[float, float, float, float]) -> NDArray[np.object_]:
    """Return the pieces of land that reach into a box in WGS 84, as polygons in WGS 84."""
    parts = shapely.get_parts(areas().geometry.to_numpy())
    return np.asarray(parts[shapely.STRtree(parts).query(shapely.box(*bounds))], dtype=object)


class LandOfMap(NamedTuple):
    """Which land belongs to a map.

    Attributes
    ----------
    whole : ndarray of polygons
        Land that belongs to the map as a whole.
    partly : ndarray of polygons
        Land that belongs to it around the accounts on it.
    of_account : ndarray of int, shape (n,)
        For every account on the land of `partly`, its place there; -1 on the land of `whole`, and -2 at sea.
    """

    whole: NDArray[np.object_]
    partly: NDArray[np.object_]
    of_account: NDArray[np.intp]


def land_of(points: NDArray[np.float64]) -> LandOfMap:
    """Say which land belongs to a map of some accounts.

    A piece of land (the mainland of a state or a country, an island) belongs to the map as a whole where the country's
    accounts reach at least half of it; where they reach less, only what is around the accounts on it does. Nothing belongs
    to the map of a country without accounts, nor of a state without any, unless accounts are all around it. A country with
    next to none of the accounts (:func:`is_few`) may owe them to wrong coordinates: it never belongs to the map as a whole.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Accounts in Mercator degrees, finite; at least one.
    """
    land = pieces()
    radius = _radius(points)
    held = _piece_of(points)
    country = np.where(land.is_state, -1, land.area)
    whole = np.zeros(len(land.geometry), dtype=np.bool_)
    for one in np.unique(country[held[held >= 0]]).tolist():
        mine = points[(held >= 0) & (country[held] == one)]
        if not is_few(len(mine), len(points)):
            near = np.sort(land.index.query(_reach(mine, radius), predicate="intersects"))
            near = near[country[near] == one]
            whole[near] = _reached(near, mine, radius, held)
    partly = np.zeros(len(whole), dtype=np.bool_)
    partly[held[held >= 0]] = True
    partly &= ~whole
    place = np.full(len(whole), -1, dtype=np.intp)
    place[partly] = np.arange(int(partly.sum()))
    of_account = np.where(held >= 0, place[held], -2)
    return LandOfMap(land.geometry[whole], land.geometry[partly], of_account)


def is_few(n: int, n_all: int) -> bool:
    """Whether so few accounts of all may well be mistakes: fewer than 20, and less than one in a hundred."""
    return n < MOST_STRAYS and n < STRAY_FRACTION * n_all


def _piece_of(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """The piece of land on which every account stands, shape ``(n,)``; -1 at sea."""
    land = pieces()
    x, y = points.T
    found = np.full(len(points), -1, dtype=np.intp)
    for piece in np.sort(land.index.query(shapely.box(x.min(), y.min(), x.max(), y.max()))).tolist():
        shape = land.geometry[piece]
        west, south, east, north = shapely.bounds(shape)
        candidates = np.flatnonzero((found < 0) & (x >= west) & (x <= east) & (y >= south) & (y <= north))
        if len(candidates):
            shapely.prepare(shape)
            found[candidates[shapely.contains_xy(shape, x[candidates], y[candidates])]] = piece
    return found


def _reached(
    near: NDArray[np.intp], points: NDArray[np.float64], radius: float, held: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Which pieces of one country belong to the map as a whole; `points` are the accounts in that country."""
    land = pieces()
    shapes = land.geometry[near]
    size = shapely.area(shapes)
    covered = shapely.area(shapely.intersection(shapes, _reach(points, radius))) >= COVERED_FRACTION * size
    among = np.isin(land.area[near], land.area[held[held >= 0]])
    empty = np.flatnonzero(covered & ~among)  # states, because a country without accounts is not asked for
    if len(empty):
        hull = shapely.convex_hull(shapely.multipoints(hull_points(points)))
        among[empty] = shapely.area(shapely.intersection(shapes[empty], hull)) >= _AMONG_FRACTION * size[empty]
    return np.asarray(covered & among, dtype=np.bool_)


def _radius(points: NDArray[np.float64]) -> float:
    span = np.quantile(points, 0.99, axis=0) - np.quantile(points, 0.01, axis=0)
    return max(REACH_FRACTION * float(span.max()), 0.05)


def _reach(points: NDArray[np.float64], radius: float) -> shapely.Geometry:
    """Return everything within a radius of any of the accounts, roughly."""
    return shapely.union_all(shapely.buffer(shapely.points(grid_cells(points, radius / 2)), radius, quad_segs=4))
