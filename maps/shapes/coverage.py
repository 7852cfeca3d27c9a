"""Shapes without overlaps and gaps, exactly: also in the digits that are written.

Shapes that share a border in floating point need not share it once their coordinates are rounded, each on its own, or
once they were clipped one by one. Here all borders are rounded together instead: they are noded on a grid (snap rounding:
Hobby 1999, "Practical segment intersection with finite precision output"), the faces between them are found, and every
face goes to one shape. What lies between the borders is then divided among the shapes by construction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Gaps narrower than this many units of the last decimal (ten metres on the Earth) are nobody's intention: they are closed.
_SLIT_UNITS = 10


def exact_coverage(shapes: NDArray[np.object_], decimals: int, *, within: Any = None) -> NDArray[np.object_]:
    """Return shapes with rounded coordinates that neither overlap nor leave slits between them.

    Parameters
    ----------
    shapes : ndarray of polygons, shape (n,)
        Shapes that share their borders, more or less; None where there is none. Where two overlap, the first has it.
    decimals : int
        All coordinates of the result have so many decimals, and not more; negative for tens, hundreds and so on.
    within : Polygon or MultiPolygon, optional
        What the shapes are to cover together: they are clipped to it, and what none of them has goes to the
        nearest one. Gaps and inlets narrower than ten units of the last decimal are closed.

    Returns
    -------
    ndarray of shapely geometry, shape (n,)
        Valid Polygons and MultiPolygons, exteriors counterclockwise, with a corner of both wherever two of them touch
        (``shapely.coverage_is_valid``); None where nothing with an area is left.
    """
    found = np.full(len(shapes), None, dtype=object)
    present = np.flatnonzero(~shapely.is_missing(shapes))
    if len(present) == 0 or (within is not None and within.is_empty):
        return found
    grid = 10.0**-decimals
    borders = shapely.multilinestrings(shapely.linestrings(distinct_segments(shapes[present])))
    if within is not None:
        west, south, east, north = shapely.bounds(within)
        borders = shapely.clip_by_rect(borders, west, south, east, north)
        borders = shapely.union_all([shapely.line_merge(borders), shapely.boundary(within)], grid_size=grid)
    else:
        borders = shapely.union_all([shapely.line_merge(borders)], grid_size=grid)
    # GEOS leaves 2.0000000000000004 where 2 is meant; every point moves the same way, so borders stay shared.
    borders = shapely.transform(borders, lambda c: np.round(c, decimals))
    faces = np.asarray(shapely.get_parts(shapely.polygonize([borders])), dtype=object)
    inside = np.asarray(shapely.point_on_surface(faces), dtype=object)
    slit = 2 * shapely.area(faces) < _SLIT_UNITS * grid * shapely.length(faces)
    if within is not None:
        shapely.prepare(within)
        kept = shapely.contains_xy(within, *shapely.get_coordinates(inside).T) | slit
        faces, inside, slit = faces[kept], inside[kept], slit[kept]
    owner = _owners(shapes[present], inside, nearest=slit | (within is not None))
    order = np.argsort(owner, kind="stable")
    order = order[owner[order] >= 0]
    if len(order) == 0:  # everything is smaller than the last decimal
        return found
    owners, first = np.unique(owner[order], return_index=True)
    for place, members in zip(present[owners], np.split(faces[order], first[1:]), strict=True):
        found[place] = shapely.orient_polygons(_joined(members))
    return found


def _owners(
    shapes: NDArray[np.object_], inside: NDArray[np.object_], *, nearest: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """For every point the first shape that has it; where none has, the nearest if it is asked for, or -1."""
    index = shapely.STRtree(shapes)
    point, shape = index.query(inside, predicate="intersects")
    owner = np.full(len(inside), len(shapes), dtype=np.intp)
    np.minimum.at(owner, point, shape)
    nobodys = np.flatnonzero(owner == len(shapes))
    owner[nobodys] = -1
    nobodys = nobodys[nearest[nobodys]]
    if len(nobodys):
        point, shape = index.query_nearest(inside[nobodys], all_matches=False)
        owner[nobodys[point]] = shape
    return owner


def _joined(faces: NDArray[np.object_]) -> Any:
    return faces[0] if len(faces) == 1 else shapely.coverage_union_all(faces)


def distinct_segments(areas: NDArray[np.object_]) -> NDArray[np.float64]:
    """Every straight piece of the areas' borders once, shape ``(n, 2, 2)``."""
    rings = shapely.get_rings(shapely.get_parts(areas))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = np.flatnonzero(ring[1:] == ring[:-1])
    ends = np.stack([points[same], points[same + 1]], axis=1)
    swap = (ends[:, 0, 0] > ends[:, 1, 0]) | ((ends[:, 0, 0] == ends[:, 1, 0]) & (ends[:, 0, 1] > ends[:, 1, 1]))
    ends[swap] = ends[swap][:, ::-1]
    return np.unique(ends.reshape(-1, 4), axis=0).reshape(-1, 2, 2)
