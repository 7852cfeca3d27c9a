"""Outlines as few lines: every border once, however many areas share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from maps.shapes.coverage import distinct_segments
from maps.shapes.covered import draws_built_in_land
from maps.shapes.land import areas_near

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from territory_engine.problem import PlanningProblem

_MOST_POINTS = 30_000


def outlines_of(problem: PlanningProblem, bounds: tuple[float, float, float, float]) -> list[list[list[float]]]:
    """Return the outlines that a map shows, as lines of ``[latitude, longitude]``.

    The background's, if it has one; else those of the states and countries around; none on a map of x and y, or with
    ``background = "none"``.

    Parameters
    ----------
    problem : PlanningProblem
    bounds : tuple of float
        West, south, east, north of what the map opens on, in WGS 84.
    """
    if draws_built_in_land(problem):
        west, south, east, north = bounds
        around = 0.5 * max(east - west, north - south, 0.1)
        box = (west - around, south - around, east + around, north + around)
        return border_lines(areas_near(box), box, within=box)
    if problem.background is None or problem.config.travel.metric == "euclidean":
        return []
    return outline_lines(problem.background, bounds)


def outline_lines(background: gpd.GeoDataFrame, bounds: tuple[float, float, float, float]) -> list[list[list[float]]]:
    """Return the borders near some bounds as lines of ``[latitude, longitude]``.

    Parameters
    ----------
    background : GeoDataFrame, WGS 84
        Areas; a border that two of them share vertex for vertex is returned once.
    bounds : tuple of float
        West, south, east, north. Areas that do not reach within a tenth of the extent are left out.

    Raises
    ------
    ValueError
        The background is in another coordinate reference system than WGS 84.
    """
    if background.crs is not None and not background.crs.is_geographic:
        raise ValueError(
            f"the background is in {background.crs.name}, not in degrees. Remedy: background.to_crs('EPSG:4326')"
        )
    return border_lines(background.geometry.to_numpy(), bounds)


def border_lines(
    areas: NDArray[np.object_],
    bounds: tuple[float, float, float, float],
    *,
    within: tuple[float, float, float, float] | None = None,
) -> list[list[list[float]]]:
    """Return the borders of areas near some bounds as lines of ``[y, x]``, each border once.

    Parameters
    ----------
    areas : ndarray of polygons
        In the plane of the bounds; None where there is none.
    bounds : tuple of float
        As for :func:`outline_lines`.
    within : tuple of float, optional
        Of large areas only the borders in this box are returned.
    """
    west, south, east, north = bounds
    margin = 0.1 * max(east - west, north - south, 0.1)
    areas = areas[~shapely.is_missing(areas)]
    areas = areas[shapely.intersects(areas, shapely.box(west - margin, south - margin, east + margin, north + margin))]
    if len(areas) == 0:
        return []
    segments = distinct_segments(areas)
    if within is not None:
        x, y = segments[:, 0, 0], segments[:, 0, 1]
        segments = segments[(x >= within[0]) & (x <= within[2]) & (y >= within[1]) & (y <= within[3])]
    if len(segments) == 0:
        return []
    lines = shapely.get_parts(shapely.line_merge(shapely.multilinestrings(shapely.linestrings(segments))))
    tolerance = 2e-4 * max(east - west, north - south)
    if len(segments) > _MOST_POINTS:
        # So many points are small areas: their islands and crooked shores are finer than a line.
        lines = lines[shapely.length(lines) > 10 * tolerance]
    lines = shapely.simplify(lines, tolerance)
    while shapely.get_num_coordinates(lines).sum() > 2 * _MOST_POINTS:
        tolerance *= 2
        lines = shapely.simplify(lines, tolerance)
    points, line = shapely.get_coordinates(lines, return_index=True)
    points = np.round(points[:, ::-1], 4 if east - west > 2 else 5)
    return [part.tolist() for part in np.split(points, np.flatnonzero(np.diff(line)) + 1)]
