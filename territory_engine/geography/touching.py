"""Which polygons share a border: rook neighbours, and not those that only meet in a point.

Borders drawn from one topology consist of the very same segments, so sorting the segments finds nearly every pair
exactly and fast. What is left are borders whose ends do not coincide: a corner of one unit in the middle of another's
edge, the slivers and gaps of outlines that were simplified one by one, and units drawn on top of one another. Those
are measured, with a tolerance that depends on the units themselves: a gap narrower than 1/200 of the smaller one's
width is no gap, and what lies side by side over less than 1/20 of its width is no border (1/40 in a layer where many
borders do not coincide: there a short border is likelier than a corner).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from territory_engine.geography.layer import canonical_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP_FRACTION = 1 / 200
BORDER_FRACTION = 1 / 20
SHORT_BORDER_FRACTION = 1 / 40
# Such a part of all pairs says that outlines were drawn or simplified one by one.
INEXACT_FRACTION = 0.05


def touching_pairs(polygons: NDArray[np.object_], *, degrees: bool) -> tuple[NDArray[np.int64], int]:
    """Return the pairs of polygons that share a border of positive length, and how many of them only nearly.

    Parameters
    ----------
    polygons : ndarray of geometry, shape (n_units,)
        Valid polygons and multipolygons in one coordinate reference system.
    degrees : bool
        Whether x is longitude: then 180 and -180 are the same meridian.

    Returns
    -------
    pairs : ndarray of int64, shape (n_pairs, 2)
        As :func:`~territory_engine.geography.layer.canonical_pairs`.
    inexact : int
        Pairs that have no segment in common and were measured: many of them in a layer whose outlines were simplified
        one by one, where short borders may then be missed.
    """
    exact = _pairs_with_a_common_segment(polygons, degrees)
    near = _pairs_side_by_side(polygons, exact)
    pairs = canonical_pairs(np.concatenate([exact[:, 0], near[:, 0]]), np.concatenate([exact[:, 1], near[:, 1]]))
    return pairs, len(near)


def outer_segments(polygons: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the segments that only one unit has: coasts, the outer border, and borders that do not match.

    Returns
    -------
    segments : ndarray of float64, shape (n_segments, 4)
        x, y of both ends.
    owner : ndarray of int64, shape (n_segments,)
    """
    segments, owner, run = _sorted_segments(polygons, degrees=False)
    alone = np.bincount(run)[run] == 1
    return segments[alone], owner[alone]


def _sorted_segments(
    polygons: NDArray[np.object_], degrees: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return every segment with its smaller end first, sorted; its unit; and the number of its run of equal ones."""
    parts, unit_of_part = shapely.get_parts(polygons, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    points = points + 0.0  # -0.0 and 0.0 are one number, and must sort as one
    if degrees:
        points[points[:, 0] == 180.0, 0] = -180.0
    within = ring[1:] == ring[:-1]
    a, b = points[:-1][within], points[1:][within]
    owner = unit_of_part[part_of_ring[ring[:-1][within]]].astype(np.int64)
    swap = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] > b[:, 1]))
    a[swap], b[swap] = b[swap], a[swap]
    segments = np.column_stack((a, b))
    long = (a != b).any(axis=1)
    segments, owner = segments[long], owner[long]
    order = np.lexsort((owner, *segments.T[::-1]))
    segments, owner = segments[order], owner[order]
    starts = np.ones(len(segments), bool)
    starts[1:] = (segments[1:] != segments[:-1]).any(axis=1)
    return segments, owner, np.cumsum(starts) - 1


def _pairs_with_a_common_segment(polygons: NDArray[np.object_], degrees: bool) -> NDArray[np.int64]:
    _, owner, run = _sorted_segments(polygons, degrees)
    first: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    second: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    step = 1
    # A segment belongs to two units; to more where units are drawn on top of one another.
    while step < len(run) and (same := run[step:] == run[:-step]).any():
        first.append(owner[:-step][same])
        second.append(owner[step:][same])
        step += 1
    return canonical_pairs(np.concatenate(first), np.concatenate(second))


def _pairs_side_by_side(polygons: NDArray[np.object_], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return further pairs whose borders run side by side, or one of which lies on the other."""
    n = len(polygons)
    width = np.sqrt(shapely.area(polygons))
    reach = GAP_FRACTION * width
    x0, y0, x1, y1 = shapely.bounds(polygons).T
    boxes = shapely.box(x0 - reach, y0 - reach, x1 + reach, y1 + reach)
    a, b = shapely.STRtree(boxes).query(boxes, predicate="intersects").astype(np.int64)
    once = (a < b) & ~np.isin(a * n + b, known[:, 0] * n + known[:, 1])
    a, b = a[once], b[once]
    small, large = np.where(width[a] <= width[b], a, b), np.where(width[a] <= width[b], b, a)
    shapely.prepare(polygons)
    close = shapely.dwithin(polygons[large], polygons[small], reach[small])
    small, large = small[close], large[close]
    units, at = np.unique(small, return_inverse=True)
    around = shapely.buffer(polygons[units], reach[units], quad_segs=2)
    beside = shapely.length(shapely.intersection(shapely.boundary(polygons[large]), around[at]))
    on_top = shapely.length(shapely.intersection(shapely.boundary(polygons[small]), polygons[large]))
    side = np.maximum(beside, on_top) / width[small]
    border = side >= BORDER_FRACTION
    if border.sum() > INEXACT_FRACTION * (len(known) + border.sum()):
        border = side >= SHORT_BORDER_FRACTION
    return canonical_pairs(small[border], large[border])
