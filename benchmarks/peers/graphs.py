"""Which accounts touch, for peers that partition graphs: the instance's pairs, or the Delaunay triangulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull, Delaunay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.instances import Instance


def unit_vectors(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on the unit sphere, shape ``(n, 3)``, from latitude and longitude in degrees."""
    lat, lon = np.radians(points).T
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def touching(instance: Instance) -> NDArray[np.int64]:
    """Return each pair of touching accounts once, shape ``(n_pairs, 2)``.

    On the sphere the Delaunay triangulation is the convex hull of the points as unit vectors: no projection, no date
    line. A point opposite to their middle takes the triangles that would close the hull around the world. Accounts at
    one place form a chain, of which the triangulation sees the first.
    """
    if instance.pairs is not None:
        ends = np.sort(instance.pairs, axis=1)
        return np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
    places, place = np.unique(instance.points, axis=0, return_inverse=True)
    order = np.argsort(place.reshape(-1), kind="stable")
    same = np.diff(place.reshape(-1)[order]) == 0
    chain = np.column_stack([order[:-1][same], order[1:][same]])
    first = order[np.r_[True, ~same]]
    if instance.spherical:
        vectors = unit_vectors(places)
        middle = vectors.mean(axis=0)
        opposite = -middle / np.linalg.norm(middle)
        # "Qt" keeps every facet a triangle where more than three places are on one circle.
        triangles = ConvexHull(np.vstack([vectors, opposite]), qhull_options="Qt").simplices
        triangles = triangles[(triangles < len(places)).all(axis=1)]
    else:
        triangles = Delaunay(places).simplices
    corners = first[triangles]
    ends = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]], chain])
    return np.unique(np.sort(ends, axis=1), axis=0)


def compressed(n: int, pairs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the graph as compressed rows: where each account's neighbours begin, and the neighbours."""
    row, neighbour = np.concatenate([pairs, pairs[:, ::-1]]).T
    order = np.lexsort((neighbour, row))
    return np.searchsorted(row[order], np.arange(n + 1)).astype(np.int64), neighbour[order].astype(np.int64)


def sizes(instance: Instance) -> tuple[NDArray[np.float64], float]:
    """Return what peers that balance one measure are to balance, and how far a territory may be from the mean.

    One measure: its loads and its limits. Several: the sum of each load's share of its total, since such peers know
    one number a unit; with the narrowest of the tolerances.
    """
    share = instance.loads / instance.loads.sum(axis=1, keepdims=True)
    mean = 1 / instance.n_territories
    totals = instance.loads.sum(axis=1)
    above = instance.upper.min(axis=1) / totals / mean - 1
    below = 1 - instance.lower.max(axis=1) / totals / mean
    within = np.minimum(above, np.where(np.isfinite(below), below, np.inf)).min()
    return (instance.loads[0] if len(instance.loads) == 1 else share.mean(axis=0)), float(within)
