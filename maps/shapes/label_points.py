"""Where a name stands best in a shape: as far from its border as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A label is some pixels high: nobody sees that its place, or the border, was a thousandth of the shape's size elsewhere.
_FINE_FRACTION = 1e-3


def label_points(shapes: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the place inside the largest part of every shape that is farthest from its border.

    That is the pole of inaccessibility, to a hundredth of the part's size: unlike a centroid it lies inside of whatever
    shape, and where there is most room.

    Parameters
    ----------
    shapes : ndarray of polygons, shape (n,)
        In a plane; None where there is none.

    Returns
    -------
    ndarray, shape (n, 2)
        NaN where there is no shape.
    """
    return room_for_labels(shapes)[:, :2]


def room_for_labels(shapes: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return :func:`label_points` with the distance from there to the border, shape ``(n, 3)``."""
    found = np.full((len(shapes), 3), np.nan)
    for row in np.flatnonzero(~(shapely.is_missing(shapes) | shapely.is_empty(shapes))).tolist():
        parts = shapely.get_parts(shapes[row])
        part = parts[int(np.argmax(shapely.area(parts)))]
        west, south, east, north = shapely.bounds(part)
        size = max(east - west, north - south)
        simple = shapely.simplify(part, _FINE_FRACTION * size)
        simple = part if simple.is_empty or not simple.is_valid else simple
        radius = shapely.maximum_inscribed_circle(simple, tolerance=size / 100)
        place = shapely.get_coordinates(radius)[0]
        if not shapely.contains_xy(part, *place):  # of a sliver the simplified shape may lie beside
            place = shapely.get_coordinates(shapely.point_on_surface(part))[0]
        found[row] = (*place, shapely.length(radius))
    return found
