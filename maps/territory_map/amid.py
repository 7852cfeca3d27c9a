"""Accounts that lie amid another territory: too few to have ground of their own, and easily overlooked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray


def lying_amid(
    geometry: NDArray[np.object_], points: NDArray[np.float64], territory: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return in whose shape each account lies that is not in its own territory's.

    Parameters
    ----------
    geometry : ndarray of shapely geometry, shape (n_territories,)
        Shapes that do not overlap; None for a territory without one.
    points : ndarray of float64, shape (n_accounts, 2)
        In the plane of the shapes; NaN where unknown.
    territory : ndarray of int, shape (n_accounts,)
        Row of each account's territory; -1 for none.

    Returns
    -------
    ndarray of int, shape (n_accounts,)
        Row of the other territory; -1 for an account in its own, in none, or without a place.
    """
    others = np.full(len(points), -1, np.intp)
    placed = np.isfinite(points).all(axis=1) & (territory >= 0)
    order = np.flatnonzero(placed)[np.argsort(territory[placed], kind="stable")]
    starts = np.searchsorted(territory[order], np.arange(len(geometry) + 1))
    outside = []
    for t, shape in enumerate(geometry):
        mine = order[starts[t] : starts[t + 1]]
        if shape is not None and len(mine):
            shapely.prepare(shape)
            mine = mine[~shapely.intersects_xy(shape, points[mine, 0], points[mine, 1])]
        outside.append(mine)
    strays = np.concatenate(outside) if outside else np.empty(0, np.intp)
    if not len(strays):
        return others
    drawn = np.flatnonzero(~shapely.is_missing(geometry))
    # The shapes ask, because what asks is prepared, and it is they that have many corners.
    shape_of, found = shapely.STRtree(shapely.points(points[strays])).query(geometry[drawn], predicate="contains")
    others[strays[found]] = drawn[shape_of]
    return others
