"""How the audit compares: within which tolerance numbers agree, distances, and cells as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0088

# The one tolerance: a number in the plan may differ from the recomputed one by this much, relative to it, or where it is
# small by this much of what such numbers are like, which counts as 1 at most.
TOLERANCE = 1e-6
# Loads may pass a limit by this fraction of it (plus TOLERANCE): the last digits of a sum depend on its order.
LIMIT_SLACK = 1e-9


def agree(found: ArrayLike, expected: ArrayLike, typical: ArrayLike = 1.0) -> NDArray[np.bool_]:
    """Compare numbers within :data:`TOLERANCE`, element by element; NaN agrees with NaN only.

    Parameters
    ----------
    found, expected : array-like of float64, broadcastable
    typical : array-like of float64, broadcastable
        What numbers of this kind are like, so that a measure in small units is compared as closely as one in large units.

    Returns
    -------
    ndarray of bool
    """
    a, b = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore"):
        close = finite & (np.abs(a - b) <= TOLERANCE * np.maximum(np.minimum(1.0, typical), np.abs(b)))
    return np.asarray(close | (a == b) | (np.isnan(a) & np.isnan(b)))


def haversine_km(
    latitude_a: NDArray[np.float64],
    longitude_a: NDArray[np.float64],
    latitude_b: NDArray[np.float64],
    longitude_b: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return great-circle distances on the sphere of radius 6371.0088 km; degrees in, km out, NaN where a place is NaN.

    Source: 2R·asin(√h) with h = sin²(Δφ/2) + cos φ_a · cos φ_b · sin²(Δλ/2).
    """
    phi_a, phi_b = np.radians(latitude_a), np.radians(latitude_b)
    h = np.sin((phi_b - phi_a) / 2) ** 2
    h += np.cos(phi_a) * np.cos(phi_b) * np.sin(np.radians(longitude_b - longitude_a) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(h, 1.0))))


def text(column: pd.Series[Any]) -> pd.Series[str]:
    """Return a column as text without blanks around it; ``""`` where there is nothing, whole numbers without ``.0``."""

    def word(value: Any) -> str:
        if pd.isna(value):
            return ""
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()

    return column.map(word)
