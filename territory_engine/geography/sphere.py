"""Places on the sphere: unit vectors, means, distances in km. Degrees are never taken for a distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EARTH_RADIUS_KM = 6371.0088


def unit_vectors(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on the unit sphere, shape ``(n, 3)``, for degrees; NaN where a place is NaN."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.column_stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))


def degrees_of(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return latitude and longitude in degrees, shape ``(n, 2)``, of vectors of any length but zero."""
    x, y, z = vectors.T
    return np.column_stack((np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))))


def km_of_chord(chord: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the great-circle distance in km between points of the unit sphere that are ``chord`` apart.

    Source: 2R·asin(chord / 2).
    """
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.clip(chord / 2, 0.0, 1.0)))


def great_circle_km(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance in km between places given as rows of latitude and longitude in degrees."""
    a, b = unit_vectors(first[:, 0], first[:, 1]), unit_vectors(second[:, 0], second[:, 1])
    return km_of_chord(np.linalg.norm(a - b, axis=1))
