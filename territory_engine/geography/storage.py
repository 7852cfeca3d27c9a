"""A unit layer as files, and back exactly: what a plan directory keeps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.geography.layer import UnitLayer

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from territory_engine.geography.layer import LayerKind

UNITS = "inputs/units.gpkg"
UNITS_WITHOUT_GEOMETRY = "inputs/units.parquet"
PAIRS = "inputs/unit_pairs.parquet"
MEMBERS = "inputs/unit_members.parquet"


def unit_files(kind: LayerKind) -> list[str]:
    """Return the files that a layer of this kind is stored in, relative to the plan directory."""
    return [UNITS_WITHOUT_GEOMETRY if kind == "pairs" else UNITS, PAIRS, MEMBERS]


def write_units(layer: UnitLayer, folder: Path, account_ids: pd.Index[str], axes: tuple[str, str]) -> list[str]:
    """Write a layer into a plan directory whose ``inputs`` folder exists; returns the files' names.

    Parameters
    ----------
    layer : UnitLayer
    folder : Path
    account_ids : Index of str, shape (n_accounts,)
    axes : tuple of str
        What the two columns of ``places`` are called: ``latitude`` and ``longitude``, or ``x`` and ``y``.
    """
    names = layer.ids.to_numpy(object)
    places = {"unit_id": names, axes[0]: layer.places[:, 0], axes[1]: layer.places[:, 1]}
    units = pd.DataFrame(places).astype({"unit_id": str})
    if layer.geometry is None:
        units.to_parquet(folder / UNITS_WITHOUT_GEOMETRY, index=False)
    else:
        import geopandas as gpd

        frame = gpd.GeoDataFrame(units, geometry=layer.geometry.to_numpy(), crs=layer.geometry.crs)
        # Polygons and multipolygons stay what they are; the driver would make all of them the same.
        frame.to_file(
            folder / UNITS, driver="GPKG", layer="units", index=False, geometry_type="Unknown", promote_to_multi=False
        )
    a, b = layer.pairs.T
    pairs = pd.DataFrame({"unit_a": names[a], "unit_b": names[b]}, dtype=str)
    gap = pd.Series(layer.joined["gap_km"].to_numpy(), index=_keys(layer.joined["unit_a"], layer.joined["unit_b"]))
    keys = _keys(pairs["unit_a"], pairs["unit_b"])
    pairs = pairs.assign(joined=keys.isin(gap.index), gap_km=gap.reindex(keys).to_numpy(np.float64))
    pairs.to_parquet(folder / PAIRS, index=False)
    members = pd.DataFrame({"account_id": account_ids.to_numpy(object), "unit_id": names[layer.unit_of]}, dtype=str)
    members.to_parquet(folder / MEMBERS, index=False)
    return unit_files(layer.kind)


def read_units(folder: Path, kind: LayerKind, account_ids: pd.Index[str], axes: tuple[str, str]) -> UnitLayer:
    """Read a layer back.

    Raises
    ------
    ValueError
        The files do not belong together: a pair or an account names a unit that is not there.
    """
    geometry = None
    if kind == "pairs":
        units = pd.read_parquet(folder / UNITS_WITHOUT_GEOMETRY)
        ids = pd.Index(units["unit_id"], dtype=str, name="unit_id")
    else:
        import geopandas as gpd

        units = gpd.read_file(folder / UNITS, layer="units")
        ids = pd.Index(units["unit_id"], dtype=str, name="unit_id")
        geometry = gpd.GeoSeries(units.geometry.to_numpy(), index=ids, crs=units.crs)
    pairs = pd.read_parquet(folder / PAIRS)
    members = pd.read_parquet(folder / MEMBERS)
    if members["account_id"].tolist() != account_ids.tolist():
        raise ValueError(f"{MEMBERS} does not list the accounts in their order")
    joined = pairs.loc[pairs["joined"], ["unit_a", "unit_b", "gap_km"]].reset_index(drop=True)
    ends = np.column_stack([_positions(ids, pairs[end], PAIRS) for end in ("unit_a", "unit_b")])
    unit_of = _positions(ids, members["unit_id"], MEMBERS)
    return UnitLayer(ids, ends, joined, unit_of, units[list(axes)].to_numpy(np.float64), geometry, kind)


def _positions(ids: pd.Index[str], names: pd.Series[str], file: str) -> NDArray[np.int64]:
    at = np.asarray(ids.get_indexer(pd.Index(names)), np.int64)
    if (at < 0).any():
        raise ValueError(f"{file} names unit {names.iloc[int(np.argmax(at < 0))]!r}, which is not among the units")
    return at


def _keys(first: pd.Series[str], second: pd.Series[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([first.to_numpy(object), second.to_numpy(object)])
