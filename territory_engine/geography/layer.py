"""The geographic units of a problem: which there are, which touch, and where every account lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

LayerKind = Literal["polygons", "pairs", "cells"]


@dataclass(frozen=True, eq=False)
class UnitLayer:
    """Geographic units, the graph in which territories must be connected, and the accounts in them.

    Attributes
    ----------
    ids : Index of str, shape (n_units,), name ``unit_id``
        Every unit once; units without accounts are here too.
    pairs : ndarray of int64, shape (n_pairs, 2)
        Positions of units that touch or were joined: first < second, each pair once, ascending.
    joined : DataFrame
        The pairs that do not touch but were joined so that the whole is connected, in the order of ``pairs``:
        ``unit_a``, ``unit_b`` (IDs) and ``gap_km`` (float64; NaN where x and y have no known unit).
    unit_of : ndarray of int64, shape (n_accounts,)
        Position of every account's unit.
    places : ndarray of float64, shape (n_units, 2)
        Latitude and longitude, or x and y. For a unit with accounts, the place of the one nearest to their weighted
        mean; for one without, a point inside its polygon, the hexagon's centre, or the mean of its neighbours.
        NaN where nothing is known.
    geometry : GeoSeries or None
        WGS 84, in the order of ``ids`` and indexed by them; None where only pairs are known.
    kind : {"polygons", "pairs", "cells"}
    """

    ids: pd.Index[str]
    pairs: NDArray[np.int64]
    joined: pd.DataFrame
    unit_of: NDArray[np.int64]
    places: NDArray[np.float64]
    geometry: gpd.GeoSeries | None
    kind: LayerKind

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def accounts_in(self) -> NDArray[np.int64]:
        """Number of accounts in every unit, shape ``(n_units,)``."""
        return np.bincount(self.unit_of, minlength=len(self.ids)).astype(np.int64)


def canonical_pairs(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return pairs of positions with first < second, each once, ascending; a unit is never its own neighbour."""
    pairs = np.column_stack((np.minimum(first, second), np.maximum(first, second))).astype(np.int64)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0).reshape(-1, 2)


def components_of(n_units: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the connected component of every unit, numbered by its first unit, shape ``(n_units,)``."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n_units, n_units))
    labels = connected_components(links, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]


def joined_frame(ids: pd.Index[str], pairs: NDArray[np.int64], gap_km: NDArray[np.float64]) -> pd.DataFrame:
    """Return the frame of pairs that were joined; ``pairs`` as :func:`canonical_pairs` gives them."""
    names = ids.to_numpy(object)
    frame = pd.DataFrame({"unit_a": names[pairs[:, 0]], "unit_b": names[pairs[:, 1]]}, dtype=str)
    return frame.assign(gap_km=np.asarray(gap_km, np.float64))
