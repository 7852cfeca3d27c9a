"""Islands: the parts of a layer that touch nothing else are joined to the rest across the shortest gaps.

Joining is a minimum spanning tree over the parts, so no shorter set of links makes the whole connected. The tree's
edges are all edges of the Delaunay triangulation of the points between which gaps are measured; that of points on the
sphere is found in their stereographic projection, which keeps circles circles.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import shapely

from territory_engine.geography.layer import canonical_pairs, components_of
from territory_engine.geography.sphere import EARTH_RADIUS_KM, degrees_of, great_circle_km, unit_vectors
from territory_engine.geography.touching import outer_segments

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Long straight outlines get points in between, so that the nearest place on them is known to 1 % of the unit's width.
_SPACING_FRACTION = 1 / 50
_MOST_POINTS_BETWEEN = 2000
# A parallel of this length is within 10 m of the great circle between its ends.
_STRAIGHT_DEGREES = 0.25


def join_polygons(
    polygons: NDArray[np.object_], pairs: NDArray[np.int64], *, degrees: bool, km_per_unit: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the pairs of units to join so that the whole is connected, and how wide their gaps are.

    Parameters
    ----------
    polygons : ndarray of geometry, shape (n_units,)
    pairs : ndarray of int64, shape (n_pairs, 2)
        Units that touch.
    degrees : bool
        Whether coordinates are longitude and latitude.
    km_per_unit : float
        Length of the projection's unit; not used for degrees.

    Returns
    -------
    joined : ndarray of int64, shape (n_joined, 2)
        As :func:`~territory_engine.geography.layer.canonical_pairs`.
    gap_km : ndarray of float64, shape (n_joined,)
        Shortest distance between the two polygons.
    """
    component = components_of(len(polygons), pairs)
    if len(polygons) == 0 or component.max() == 0:
        return np.empty((0, 2), np.int64), np.empty(0)
    points, owner = _outline_points(polygons)
    joined = join_points(points[:, ::-1] if degrees else points, owner, component, spherical=degrees)
    if degrees:
        gap_km = np.array([gap_between_km(polygons[a], polygons[b]) for a, b in joined])
    else:
        gap_km = shapely.distance(polygons[joined[:, 0]], polygons[joined[:, 1]]) * km_per_unit
    return joined, gap_km


def join_points(
    points: NDArray[np.float64], owner: NDArray[np.int64], component: NDArray[np.int64], *, spherical: bool
) -> NDArray[np.int64]:
    """Return the pairs of units to join so that their components become one, shortest total first.

    Parameters
    ----------
    points : ndarray of float64, shape (n_points, 2)
        Latitude and longitude, or x and y: where each unit may be left.
    owner : ndarray of int64, shape (n_points,)
        The unit of each point.
    component : ndarray of int64, shape (n_units,)
    spherical : bool

    Returns
    -------
    ndarray of int64, shape (n_joined, 2)
        Components that have no point stay apart.
    """
    order = np.lexsort((owner, points[:, 1], points[:, 0]))
    points, owner = points[order], owner[order]
    fresh = np.ones(len(points), bool)
    fresh[1:] = (points[1:] != points[:-1]).any(axis=1)
    site = np.cumsum(fresh) - 1
    sites, first = points[fresh], np.flatnonzero(fresh)
    a, b = neighbouring_sites(sites, spherical)
    length = great_circle_km(sites[a], sites[b]) if spherical else np.hypot(*(sites[a] - sites[b]).T)
    # Units that share a place but no border are 0 apart; every site stands for its first unit.
    others = np.flatnonzero(~fresh)
    unit_a = np.concatenate([owner[first[a]], owner[first[site[others]]]])
    unit_b = np.concatenate([owner[first[b]], owner[others]])
    return spanning_links(unit_a, unit_b, np.concatenate([length, np.zeros(len(others))]), component)


def gap_between_km(one: object, other: object) -> float:
    """Return the shortest distance in km between two geometries in degrees, on a plane that touches the globe there.

    The plane is the azimuthal equidistant projection about a point of the gap, found in two steps: exact to a
    thousandth over gaps of a few hundred km, wherever they are.
    """
    # Outlines are straight in degrees, not on the plane: points in between keep long ones where they are.
    one, other = shapely.segmentize(one, _STRAIGHT_DEGREES), shapely.segmentize(other, _STRAIGHT_DEGREES)
    centre = _middle(shapely.get_coordinates(one))
    for _ in range(3):
        flat = [shapely.transform(shape, partial(_azimuthal, centre=centre)) for shape in (one, other)]
        line = shapely.shortest_line(*flat)
        ends = shapely.get_coordinates(line)
        if len(ends) == 0:
            return float("nan")
        centre = _inverse_azimuthal(ends.mean(axis=0), centre)
    return float(shapely.length(line)) * EARTH_RADIUS_KM


def _outline_points(polygons: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return points along what each unit has of the outer border, dense enough, and their units."""
    segments, owner = outer_segments(polygons)
    # A sliver's outline is long for its area: no more points than tell where it is.
    spacing = np.maximum(
        np.sqrt(shapely.area(polygons)) * _SPACING_FRACTION, shapely.length(polygons) / _MOST_POINTS_BETWEEN
    )[owner]
    lines = shapely.linestrings(segments.reshape(-1, 2, 2))
    points, at = shapely.get_coordinates(shapely.segmentize(lines, spacing), return_index=True)
    return points, owner[at]


def neighbouring_sites(sites: NDArray[np.float64], spherical: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the edges of the Delaunay triangulation of distinct sites."""
    from scipy.spatial import Delaunay, QhullError

    plane = _stereographic(sites) if spherical else sites
    plane = plane - plane.mean(axis=0)
    try:
        # Qhull needs four points to start from; fewer are all neighbours.
        triangles = Delaunay(plane).simplices.astype(np.int64) if len(plane) > 3 else None
    except QhullError:
        triangles = None
        if len(plane) > 3:
            # All on one line: each is next to the one before.
            axis = np.linalg.svd(plane, full_matrices=False)[2][0]
            order = np.argsort(plane @ axis, kind="stable").astype(np.int64)
            return order[:-1], order[1:]
    if triangles is None:
        a, b = np.triu_indices(len(plane), 1)
        return a.astype(np.int64), b.astype(np.int64)
    edges = canonical_pairs(triangles.ravel(), np.roll(triangles, 1, axis=1).ravel())
    used = np.zeros(len(plane), bool)
    used[edges.ravel()] = True
    if not used.all():
        # Qhull leaves out points that coincide for its precision; they belong to the nearest that is in.
        from scipy.spatial import cKDTree

        left = np.flatnonzero(~used)
        nearest = np.flatnonzero(used)[cKDTree(plane[used]).query(plane[left])[1]]
        edges = np.concatenate([edges, np.column_stack((left, nearest))])
    return edges[:, 0], edges[:, 1]


def spanning_links(
    unit_a: NDArray[np.int64], unit_b: NDArray[np.int64], length: NDArray[np.float64], component: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Kruskal's algorithm over components; ties go to the units that come first."""
    a, b = np.minimum(unit_a, unit_b), np.maximum(unit_a, unit_b)
    apart = component[a] != component[b]
    a, b, length = a[apart], b[apart], length[apart]
    order = np.lexsort((b, a, length))
    root = np.arange(int(component.max()) + 1)

    def find(c: int) -> int:
        while root[c] != c:
            root[c] = root[root[c]]
            c = int(root[c])
        return c

    chosen = []
    for i in order:
        one, other = find(int(component[a[i]])), find(int(component[b[i]]))
        if one != other:
            root[max(one, other)] = min(one, other)
            chosen.append(i)
    return canonical_pairs(a[chosen], b[chosen])


def _middle(lon_lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return longitude and latitude of the mean direction of some points."""
    mean: NDArray[np.float64] = unit_vectors(lon_lat[:, 1], lon_lat[:, 0]).mean(axis=0, keepdims=True)
    return np.array(degrees_of(mean)[0, ::-1])


def _stereographic(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project latitude and longitude from the point opposite to the middle of them all."""
    vectors = unit_vectors(places[:, 0], places[:, 1])
    centre = np.radians(_middle(places[:, ::-1]))
    east = np.array([-np.sin(centre[0]), np.cos(centre[0]), 0.0])
    up = unit_vectors(np.degrees(centre[1:]), np.degrees(centre[:1]))[0]
    north = np.cross(up, east)
    height = np.maximum(1.0 + vectors @ up, 1e-12)
    return np.asarray(np.column_stack((vectors @ east, vectors @ north)) / height[:, None])


def _azimuthal(lon_lat: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project degrees to the azimuthal equidistant plane about ``centre`` (longitude, latitude); radians out.

    Source: Snyder, Map Projections, equations 22-4, 22-5 and 25-2.
    """
    lon, lat = np.radians(lon_lat[:, 0] - centre[0]), np.radians(lon_lat[:, 1])
    lat0 = np.radians(centre[1])
    x = np.cos(lat) * np.sin(lon)
    y = np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon)
    z = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon)
    radius = np.hypot(x, y)
    angle = np.arctan2(radius, z)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(radius > 0, angle / radius, 1.0)
    return np.column_stack((x * scale, y * scale))


def _inverse_azimuthal(point: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return longitude and latitude of a point of that plane. Source: Snyder, equations 20-14 and 20-15."""
    x, y = point
    c = float(np.hypot(x, y))
    if c == 0:
        return centre
    lat0 = np.radians(centre[1])
    lat = np.arcsin(np.clip(np.cos(c) * np.sin(lat0) + y * np.sin(c) * np.cos(lat0) / c, -1.0, 1.0))
    lon = np.arctan2(x * np.sin(c), c * np.cos(lat0) * np.cos(c) - y * np.sin(lat0) * np.sin(c))
    return np.array([centre[0] + np.degrees(lon), np.degrees(lat)])
