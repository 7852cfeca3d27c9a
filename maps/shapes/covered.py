"""Which part of the plane territories may cover: land under and around the accounts, or simply their surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from maps.shapes.cells import ONE_PLACE_FRACTION, grid_cells, hull_points, mercator, one_of_each_cell
from maps.shapes.land import is_few, land_of
from territory_engine.config import NO_BACKGROUND

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from territory_engine.problem import PlanningProblem

_MARGIN_FRACTION = 0.05
_STRAYS_REACH_LESS = 4
# On the Earth, degrees of longitude: four metres, below which shapes would be lost in the digits that are written.
_LEAST_SPACING = 4e-5


def draws_built_in_land(problem: PlanningProblem) -> bool:
    """Whether the land that comes with the package is drawn: the map is of the Earth, and nobody decided otherwise."""
    planar = problem.config.travel.metric == "euclidean"
    return not planar and problem.background is None and problem.config.map.background != NO_BACKGROUND


def covered_area(problem: PlanningProblem, points: NDArray[np.float64]) -> Any:
    """Return what grown territories cover together.

    The background's outlines where there are any; else the land that comes with the package, as
    :func:`maps.shapes.land.land_of` chooses it; on a map of x and y, or with ``background = "none"``, the surroundings of
    the accounts. Accounts outside the land keep a small disc around them.

    Parameters
    ----------
    problem : PlanningProblem
    points : ndarray, shape (n, 2)
        Accounts in the plane of the maps, finite; at least one.

    Returns
    -------
    Polygon or MultiPolygon
    """
    if problem.config.travel.metric == "euclidean":
        return surroundings(points)  # WGS 84 outlines have no place in the planner's own plane
    if problem.background is not None and len(problem.background):
        area = _background_near(problem.background, points)
    elif draws_built_in_land(problem):
        area = _land_near(points)
    else:
        area = surroundings(points, max(spacing(points), _LEAST_SPACING))
    return shapely.clip_by_rect(area, -180.0, -180.0, 180.0, 180.0)


def surroundings(points: NDArray[np.float64], apart: float | None = None) -> Any:
    """Return rounded areas around the accounts, one for each cluster of them (an island far away gets its own).

    Parameters
    ----------
    points : ndarray, shape (n, 2)
    apart : float, optional
        How far accounts stand from each other, as :func:`spacing` says; by default of these accounts.
    """
    reach = 2.0 * (spacing(points) if apart is None else apart)
    blobs = shapely.union_all(shapely.buffer(shapely.points(grid_cells(points, reach)), 1.5 * reach, quad_segs=4))
    return shapely.simplify(
        shapely.buffer(shapely.buffer(blobs, 3 * reach, quad_segs=4), -3 * reach, quad_segs=4), reach / 20
    )


def spacing(points: NDArray[np.float64]) -> float:
    """Half the side of a square that holds a handful of accounts, within sensible bounds of the whole extent."""
    extent = float(np.ptp(points, axis=0).max())
    if extent <= ONE_PLACE_FRACTION * max(float(np.abs(points).max()), 1e-3):
        return 0.05
    hull = shapely.convex_hull(shapely.multipoints(hull_points(points))).area
    typical = float(np.sqrt(hull / len(points)))
    return float(np.clip(typical, extent / 150, extent / 25))


def dissolve(geometries: NDArray[np.object_]) -> Any:
    """Union of outlines; quick where they share their borders vertex for vertex, as administrative units do."""
    present = geometries[~shapely.is_missing(geometries)]
    areal = shapely.get_parts(present)
    areal = areal[shapely.get_dimensions(areal) == 2]
    try:
        union = shapely.coverage_union_all(areal)
        if union.is_valid:
            return union
    except shapely.errors.GEOSException:
        pass  # not a coverage: the general union below takes anything
    return shapely.union_all(shapely.make_valid(areal))


def _background_near(background: gpd.GeoDataFrame, points: NDArray[np.float64]) -> Any:
    land = shapely.transform(dissolve(background.geometry.to_numpy()), lambda c: mercator(c[:, 0], c[:, 1]))
    margin = _MARGIN_FRACTION * (float(np.ptp(points, axis=0).max()) or 1.0)
    (west, south), (east, north) = points.min(axis=0) - margin, points.max(axis=0) + margin
    land = shapely.make_valid(shapely.clip_by_rect(land, west, south, east, north))
    shapely.prepare(land)
    outside = ~shapely.contains_xy(land, points[:, 0], points[:, 1])
    return _with_discs(land, points, outside)


def _land_near(points: NDArray[np.float64]) -> Any:
    land = land_of(points)
    if len(land.whole) + len(land.partly) == 0:
        return surroundings(points, max(spacing(points), _LEAST_SPACING))
    apart = max(_near_spacing(points), _LEAST_SPACING)
    areas = list(land.whole)
    for place, piece in enumerate(land.partly):
        mine = points[land.of_account == place]
        near = surroundings(mine, apart / _STRAYS_REACH_LESS if is_few(len(mine), len(points)) else apart)
        areas.append(shapely.intersection(piece, near))
    return _with_discs(shapely.union_all(areas), points, land.of_account == -2)


def _with_discs(land: Any, points: NDArray[np.float64], outside: NDArray[np.bool_]) -> Any:
    if not outside.any():
        return land
    # Most of them stand on a shore that the outlines cut short: a small disc is enough to show them.
    near = np.quantile(points, 0.99, axis=0) - np.quantile(points, 0.01, axis=0)
    radius = max(min(spacing(points), float(near.max()) / 500 or 0.05), _LEAST_SPACING)
    far = points[outside]
    far = far[one_of_each_cell(far, radius / 4)]  # whose discs show the others in their squares as well
    return shapely.union(land, shapely.union_all(shapely.buffer(shapely.points(far), radius, quad_segs=4)))


def _near_spacing(points: NDArray[np.float64]) -> float:
    """Spacing without the farthest accounts, so that one across an ocean does not make all surroundings wide."""
    low, high = np.quantile(points, 0.005, axis=0), np.quantile(points, 0.995, axis=0)
    inner = points[((points >= low) & (points <= high)).all(axis=1)]
    return spacing(inner if len(inner) > 1 else points)
