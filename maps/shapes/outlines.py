"""Background outlines as few lines: every border once, however many areas share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

_MOST_POINTS = 30_000


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
    without: NDArray[np.object_] | None = None,
) -> list[list[list[float]]]:
    """Return the borders of areas near some bounds as lines of ``[y, x]``, each border once.

    Parameters
    ----------
    areas : ndarray of polygons
        In the plane of the bounds; None where there is none.
    bounds : tuple of float
        As for :func:`outline_lines`.
    without : ndarray of polygons, optional
        Areas whose borders are left out, where they are the same vertex for vertex.
    """
    west, south, east, north = bounds
    margin = 0.1 * max(east - west, north - south, 0.1)
    areas = areas[~shapely.is_missing(areas)]
    areas = areas[shapely.intersects(areas, shapely.box(west - margin, south - margin, east + margin, north + margin))]
    if len(areas) == 0:
        return []
    segments = _distinct_segments(areas)
    if without is not None:
        segments = _other_segments(segments, _distinct_segments(without[~shapely.is_missing(without)]))
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


def _distinct_segments(areas: NDArray[np.object_]) -> NDArray[np.float64]:
    """Every straight piece of the areas' borders once, shape ``(n, 2, 2)``."""
    rings = shapely.get_rings(shapely.get_parts(areas))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = np.flatnonzero(ring[1:] == ring[:-1])
    ends = np.stack([points[same], points[same + 1]], axis=1)
    swap = (ends[:, 0, 0] > ends[:, 1, 0]) | ((ends[:, 0, 0] == ends[:, 1, 0]) & (ends[:, 0, 1] > ends[:, 1, 1]))
    ends[swap] = ends[swap][:, ::-1]
    return np.unique(ends.reshape(-1, 4), axis=0).reshape(-1, 2, 2)


def _other_segments(segments: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the segments that are not among those known, to seven decimals."""
    stacked = np.round(np.concatenate([known, segments]).reshape(-1, 4), 7)
    _, first = np.unique(stacked, axis=0, return_index=True)
    new = np.sort(first[first >= len(known)]) - len(known)
    return segments[new]
