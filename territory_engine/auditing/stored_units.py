"""Geographic units and chosen centres, as a plan directory tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class StoredUnits:
    """The geographic units in a plan directory.

    Attributes
    ----------
    ids : Index of str
    pairs : ndarray of int, shape (n_pairs, 2)
        Positions of units that touch or were joined across a gap.
    unit_of : ndarray of int, shape (n_accounts,)
        Position of the unit of each account.
    places : ndarray of float64, shape (n_units, 2)
        Where a territory of this unit may be centred; NaN where nobody knows.
    joined : ndarray of bool, shape (n_pairs,)
        Pairs that do not touch but were joined so that the whole is connected.
    kind : {"polygons", "pairs", "cells"}
        What the configuration says that units are.
    outlines : ndarray of geometry, shape (n_units,), or None
        Longitude and latitude; None for a list of neighbours.
    """

    ids: pd.Index[str]
    pairs: NDArray[np.intp]
    unit_of: NDArray[np.intp]
    places: NDArray[np.float64]
    joined: NDArray[np.bool_]
    kind: str
    outlines: NDArray[np.object_] | None = None


@dataclass(frozen=True, eq=False)
class StoredCentres:
    """Where a plan that chose its centres says they are.

    Attributes
    ----------
    ids : Index of str, one a territory
        The account or unit at whose place the territory is centred.
    places : ndarray of float64, shape (n_territories, 2)
        Latitude and longitude, or x and y; NaN with a travel table.
    """

    ids: pd.Index[str]
    places: NDArray[np.float64]
