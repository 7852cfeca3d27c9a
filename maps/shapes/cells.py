"""Cells grown around accounts: which part of the plane is nearest to an account of which territory.

The picture is the Voronoi diagram of the accounts, dissolved by territory. Only the edges between different
territories are ever built (from the Delaunay triangulation, in arrays), so 80,000 accounts cost little more than their
triangulation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, Delaunay, QhullError, cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A scattered handful of accounts inside another territory is noise on a map (the accounts themselves are drawn, so
# nothing is hidden): pieces below this share of their territory's accounts take the colour around them.
SMALLEST_PIECE_FRACTION = 0.02
# Accounts of one territory closer than this share of the map's extent (150 m on a map of the mainland United States)
# are one site, and borders are smoothed to about the same: nobody could see the difference.
_SAME_PLACE_FRACTION = 3e-5
# Accounts that all stand within this share of their distance from the plane's origin (a metre, in degrees) are at one place.
ONE_PLACE_FRACTION = 1e-7
_MOST_SITES = 150_000
_OUTSIDE = -1
_MAX_LATITUDE = 85.0


def mercator(longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project to Mercator, in degrees of longitude: shape ``(n, 2)``; NaN where either coordinate is NaN.

    Mercator is conformal, so "nearest" on a short distance is right in it at every latitude; latitudes beyond 85° are
    drawn at 85°.
    """
    latitude = np.clip(latitude, -_MAX_LATITUDE, _MAX_LATITUDE)
    northing = np.degrees(np.arctanh(np.sin(np.radians(latitude))))
    return np.column_stack([longitude, northing])


def wgs84(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo :func:`mercator`: longitude and latitude in degrees, shape ``(n, 2)``."""
    latitude = np.degrees(np.arcsin(np.tanh(np.radians(points[:, 1]))))
    return np.column_stack([points[:, 0], latitude])


def grid_cells(points: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return the middle of every square of a grid that holds any of the points, each once, shape ``(m, 2)``."""
    return np.asarray(np.round(points[one_of_each_cell(points, width)] / width) * width, dtype=np.float64)


def one_of_each_cell(points: NDArray[np.float64], width: float) -> NDArray[np.intp]:
    """Return the first point in every square of a grid that holds any, as rows of `points`, shape ``(m,)``."""
    column, row = np.round(points / width).astype(np.int64).T
    column, row = column - column.min(initial=0), row - row.min(initial=0)
    _, first = np.unique(column * 2**32 + row, return_index=True)
    return np.asarray(first, dtype=np.intp)


def hull_points(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points, shape ``(m, 2)``, whose convex hull is that of all: few of many, or all where they are on a line."""
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except (QhullError, ValueError):  # fewer than three, or all on a line
        return points


def territory_cells(points: NDArray[np.float64], owner: NDArray[np.intp], n_territories: int) -> NDArray[np.object_]:
    """Grow one shape per territory from its accounts; together they cover the plane around, without overlaps.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Where the accounts are, finite, in a plane.
    owner : ndarray of int, shape (n,)
        Territory of each account, in ``range(n_territories)``.
    n_territories : int

    Returns
    -------
    ndarray of shapely geometry, shape (n_territories,)
        None where a territory owns no account. The shapes reach well beyond the accounts: clip them.
    """
    shapes = np.full(n_territories, None, dtype=object)
    if len(points) == 0:
        return shapes
    extent = float(np.ptp(points, axis=0).max())
    if extent <= ONE_PLACE_FRACTION * max(float(np.abs(points).max()), 1e-3):
        extent = 1.0  # as good as one place
    apart = _SAME_PLACE_FRACTION
    sites, site_owner = _sites(points, owner, extent, apart)
    while len(sites) > _MOST_SITES and apart < 0.01:
        apart *= 2
        sites, site_owner = _sites(points, owner, extent, apart)
    # Around zero: what is a metre apart in a plane of millions of them would otherwise be lost in the last digits.
    origin = (sites.min(axis=0) + sites.max(axis=0)) / 2
    sites, site_owner = _with_ring(sites - origin, site_owner, extent)
    triangulation = Delaunay(sites)
    site_owner = _absorb_small_pieces(triangulation, site_owner, n_territories)
    faces = _faces(triangulation, sites, site_owner)
    inside = shapely.get_coordinates(shapely.point_on_surface(faces))
    _, nearest = cKDTree(sites).query(inside)
    face_owner = site_owner[nearest]
    order = np.argsort(face_owner, kind="stable")
    order = order[face_owner[order] != _OUTSIDE]
    present, first = np.unique(face_owner[order], return_index=True)
    for territory, members in zip(present, np.split(faces[order], first[1:]), strict=True):
        shapes[territory] = members[0] if len(members) == 1 else shapely.multipolygons(members)
    if len(present) > 1 and hasattr(shapely, "coverage_simplify"):  # Shapely 2.1; without it borders keep every corner
        shapes[present] = shapely.coverage_simplify(shapes[present], _SAME_PLACE_FRACTION * extent)
    broken = ~shapely.is_valid(shapes) & ~shapely.is_missing(shapes)
    shapes[broken] = shapely.make_valid(shapes[broken])
    return np.asarray(shapely.transform(shapes, lambda corners: corners + origin), dtype=object)


def _sites(
    points: NDArray[np.float64], owner: NDArray[np.intp], extent: float, fraction: float
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return one site per place and owner; owners who share a place stand a hair's breadth apart, so none is lost."""
    column, row = np.round((points - points.min(axis=0)) / (extent * fraction)).astype(np.int64).T
    place = column * (row.max() + 1) + row
    order = np.argsort(place * (owner.max() + 1) + owner, kind="stable")
    place, owner = place[order], owner[order]
    new_place = np.r_[True, place[1:] != place[:-1]]
    keep = new_place | np.r_[True, owner[1:] != owner[:-1]]
    kept = np.flatnonzero(keep)
    start_of_place = np.maximum.accumulate(np.where(new_place[kept], np.arange(len(kept)), 0))
    rank = np.arange(len(kept)) - start_of_place
    angle = rank * 2.399963  # the golden angle spreads any number of owners around one place
    apart = np.column_stack([np.cos(angle), np.sin(angle)]) * (np.sqrt(rank) * extent * 1e-6)[:, None]
    return points[order][kept] + apart, owner[kept]


def _with_ring(
    sites: NDArray[np.float64], owner: NDArray[np.intp], extent: float
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Add a far ring of sites owned by nobody, so that every cell is bounded, even of one account or of a line."""
    centre = (sites.min(axis=0) + sites.max(axis=0)) / 2
    radius = 3 * extent
    angle = 0.1 + np.arange(24) * 2 * np.pi / 24  # turned, so that no axis-parallel line of accounts is collinear
    ring = centre + radius * np.column_stack([np.cos(angle), np.sin(angle)])
    return np.vstack([sites, ring]), np.r_[owner, np.full(24, _OUTSIDE)]


def _neighbours(triangulation: Delaunay) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Each inner Delaunay edge once: its two triangles (shape (m,) each) and its two sites (shape (m, 2))."""
    here, slot = np.nonzero(triangulation.neighbors > np.arange(len(triangulation.simplices))[:, None])
    there = triangulation.neighbors[here, slot].astype(np.intp)
    corners = triangulation.simplices[here]
    ends = np.column_stack(
        [corners[np.arange(len(here)), (slot + 1) % 3], corners[np.arange(len(here)), (slot + 2) % 3]]
    )
    return here, there, ends.astype(np.intp)


def _absorb_small_pieces(triangulation: Delaunay, owner: NDArray[np.intp], n_territories: int) -> NDArray[np.intp]:
    """Give scattered accounts the owner around them; the largest piece of every territory always stays."""
    _, _, ends = _neighbours(triangulation)
    owner = owner.copy()
    for _ in range(3):
        same = owner[ends[:, 0]] == owner[ends[:, 1]]
        links = ends[same]
        graph = coo_array((np.ones(len(links), dtype=np.int8), (links[:, 0], links[:, 1])), shape=(len(owner),) * 2)
        n_pieces, piece = connected_components(graph, directed=False)
        size = np.bincount(piece, minlength=n_pieces)
        piece_owner = np.empty(n_pieces, dtype=np.intp)
        piece_owner[piece] = owner
        largest = np.zeros(n_territories, dtype=np.intp)
        mine = piece_owner >= 0
        np.maximum.at(largest, piece_owner[mine], size[mine])
        total = np.bincount(owner[owner >= 0], minlength=n_territories)
        small = mine.copy()
        small[mine] = (size[mine] < SMALLEST_PIECE_FRACTION * total[piece_owner[mine]]) & (
            size[mine] < largest[piece_owner[mine]]
        )
        if not small.any():
            break
        borders = piece[ends[~same]]
        borders = np.vstack([borders, borders[:, ::-1]])
        borders = borders[small[borders[:, 0]] & ~small[borders[:, 1]] & (piece_owner[borders[:, 1]] >= 0)]
        if len(borders) == 0:
            break
        pair, count = np.unique(
            borders[:, 0] * np.int64(n_territories) + piece_owner[borders[:, 1]], return_counts=True
        )
        best = np.lexsort((-pair, count))  # the longest border wins, the first territory among equals
        piece_owner[pair[best] // n_territories] = pair[best] % n_territories
        owner = piece_owner[piece]
    return owner


def _faces(triangulation: Delaunay, sites: NDArray[np.float64], owner: NDArray[np.intp]) -> NDArray[np.object_]:
    """Polygons between the Voronoi edges that separate different owners, shape (n_faces,)."""
    here, there, ends = _neighbours(triangulation)
    border = owner[ends[:, 0]] != owner[ends[:, 1]]
    scale = float(np.ptp(sites, axis=0).max())
    centres = np.round(_circumcentres(sites[triangulation.simplices]) / scale, 10) * scale
    segments = np.stack([centres[here[border]], centres[there[border]]], axis=1)
    segments = segments[(segments[:, 0] != segments[:, 1]).any(axis=1)]
    return np.asarray(shapely.get_parts(shapely.polygonize(shapely.linestrings(segments))), dtype=object)


def _circumcentres(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre of the circle through each triangle, shape (n, 2); flat triangles give their far corner's midpoint."""
    a = corners[:, 0]
    b, c = corners[:, 1] - a, corners[:, 2] - a
    twice_area = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    b2, c2 = (b**2).sum(axis=1), (c**2).sum(axis=1)
    flat = np.abs(twice_area) < 1e-14 * (b2 + c2)
    safe = np.where(flat, 1.0, twice_area)
    x = (c[:, 1] * b2 - b[:, 1] * c2) / safe
    y = (b[:, 0] * c2 - c[:, 0] * b2) / safe
    centre = a + np.column_stack([x, y])
    centre[flat] = corners[flat].mean(axis=1)
    return np.asarray(centre, dtype=np.float64)
