"""Names of cities, so that a reader knows where on the Earth a map is without a street map.

A city of the United States weighs as much as it has ZIP codes; of other countries nothing is known, and nothing drawn.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from maps.shapes.cells import mercator
from maps.shapes.land import PLACES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.problem import PlanningProblem

# Names of rank 0 stand at least a sixth of the map's extent apart, those of the next rank half of that, and so on: each
# rank has room once the reader has zoomed in by one more step.
_APART_FRACTION = 1 / 6
MOST_OF_RANK = (12, 24, 48, 90)
_LEAST_ZIP_CODES = (4, 3, 2, 2)


class Cities(NamedTuple):
    """Cities, the largest first: `points` in Mercator degrees, shape ``(n, 2)``, and `degrees`: latitude, longitude."""

    names: NDArray[np.object_]
    zip_codes: NDArray[np.int64]
    points: NDArray[np.float64]
    degrees: NDArray[np.float64]


def place_names(problem: PlanningProblem, bounds: tuple[float, float, float, float]) -> list[dict[str, Any]]:
    """Return the names of cities within some bounds, thinned so that they do not crowd.

    Parameters
    ----------
    problem : PlanningProblem
    bounds : tuple of float
        West, south, east, north of what the map opens on, in WGS 84.

    Returns
    -------
    list of dict
        ``name``, ``at`` (latitude, longitude) and ``rank``: how many steps the reader has to zoom in to see it, from 0. Empty
        on a map of x and y, and where no city is known.
    """
    if problem.config.travel.metric == "euclidean":
        return []
    cities = united_states()
    west, south, east, north = bounds
    (left, bottom), (right, top) = mercator(np.array([west, east]), np.array([south, north]))
    inside = (cities.points >= (left, bottom)) & (cities.points <= (right, top))
    rows = np.flatnonzero(inside[:, 0] & inside[:, 1])
    points = cities.points[rows]
    apart = _APART_FRACTION * max(right - left, top - bottom)
    chosen: list[tuple[int, int]] = []
    for rank, most in enumerate(MOST_OF_RANK):
        free = cities.zip_codes[rows] >= _LEAST_ZIP_CODES[rank]
        for row, _ in chosen:
            free &= np.hypot(*(points - points[row]).T) >= apart
        for _ in range(most):
            if not free.any():
                break
            row = int(np.argmax(free))  # the largest of those left
            chosen.append((row, rank))
            free &= np.hypot(*(points - points[row]).T) >= apart
        apart /= 2
    return [
        {"name": str(cities.names[rows[row]]), "at": cities.degrees[rows[row]].tolist(), "rank": rank}
        for row, rank in chosen
    ]


@lru_cache(maxsize=1)
def united_states() -> Cities:
    """Return the cities of the United States, from ``land/places.parquet``."""
    table = pd.read_parquet(PLACES)
    degrees = table[["latitude", "longitude"]].to_numpy(np.float64)
    points = mercator(degrees[:, 1], degrees[:, 0])
    return Cities(table["name"].to_numpy(object), table["zip_codes"].to_numpy(np.int64), points, degrees)
