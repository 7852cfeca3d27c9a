"""From a configuration file, or from frames, to a validated planning problem."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from territory_engine.config import NO_BACKGROUND
from territory_engine.config_file import load_config, plan_file
from territory_engine.errors import Finding, InputError
from territory_engine.geography.polygons import PolygonFile, digest_of, read_polygons, take_polygons
from territory_engine.problem import Source
from territory_engine.reading.assembly import Inputs, checked_problem
from territory_engine.reading.settings import check_settings
from territory_engine.reading.tables import Table, read_table, table_of_frame

if TYPE_CHECKING:
    import geopandas as gpd

    from territory_engine.config import Config
    from territory_engine.problem import PlanningProblem


def load(config_path: str | Path) -> PlanningProblem:
    """Read a configuration and the files it names, and check everything.

    Parameters
    ----------
    config_path : str or Path
        A TOML file; paths in it start from its folder. A file of scenarios stands for the plan they start from.

    Returns
    -------
    PlanningProblem

    Raises
    ------
    ConfigError
        The configuration is wrong, names a column that is not there, or asks for what this version cannot solve.
    InputError
        The data are wrong; every finding is listed.
    """
    path = plan_file(config_path)
    config = load_config(path)
    check_settings(config, path.name, has_reps=config.data.reps is not None)
    base = path.resolve().parent
    inputs = Inputs()
    inputs.accounts = _read(inputs, "accounts", config.data.accounts, base)
    if config.data.reps is not None:
        inputs.reps = _read(inputs, "reps", config.data.reps, base)
    if config.travel.table is not None:
        inputs.travel = _read(inputs, "travel", config.travel.table, base)
    if config.contiguity is not None and config.contiguity.adjacency is not None:
        inputs.adjacency = _read(inputs, "adjacency", config.contiguity.adjacency, base)
    if config.contiguity is not None and config.contiguity.units is not None:
        name = config.contiguity.units
        inputs.polygons = read_polygons(base / name, name)
        if inputs.polygons.frame is not None:
            rows = len(inputs.polygons.frame)
            inputs.sources.append(Source("units", name, inputs.polygons.sha256, rows))
    if config.map.background not in (None, NO_BACKGROUND):
        _read_background(inputs, config.map.background, base)
    return checked_problem(config, inputs, base)


def load_frames(
    accounts: pd.DataFrame,
    reps: pd.DataFrame | None,
    config: Config,
    travel_table: pd.DataFrame | None = None,
    background: gpd.GeoDataFrame | None = None,
    *,
    units: gpd.GeoDataFrame | None = None,
    adjacency: pd.DataFrame | None = None,
) -> PlanningProblem:
    """Check frames as :func:`load` checks files.

    Parameters
    ----------
    accounts, reps : DataFrame
        Any index; a named one counts as a column. Findings call them ``accounts`` and ``reps``, and the first record
        row 2, as if they had been saved. ``reps`` may be None with free centres.
    config : Config
        Its paths are not read.
    travel_table : DataFrame, optional
        Columns ``rep_id`` (``center_id`` with free centres), ``account_id``, ``cost`` and any measure.
    background : GeoDataFrame, optional
        Outlines for the map; any CRS, but it must have one.
    units : GeoDataFrame, optional
        Polygons, where ``[contiguity] units`` is set; any CRS, but it must have one.
    adjacency : DataFrame, optional
        ``unit_a``, ``unit_b``, where ``[contiguity] adjacency`` is set.

    Returns
    -------
    PlanningProblem

    Raises
    ------
    ConfigError, InputError
        As :func:`load`.
    """
    check_settings(config, "configuration", has_reps=reps is not None)
    inputs = Inputs()
    frames = {"accounts": accounts, "reps": reps, "travel": travel_table, "adjacency": adjacency}
    for role, frame in frames.items():
        if frame is not None:
            try:
                table = table_of_frame(frame, role)
            except InputError as error:
                inputs.findings.extend(error.findings)
                continue
            setattr(inputs, role, table)
            inputs.sources.append(Source(role, role, table.sha256, len(table.frame)))
    if units is not None:
        inputs.polygons = take_polygons(units, PolygonFile("units"))
    if units is not None and inputs.polygons is not None and inputs.polygons.frame is not None:
        digest = hashlib.sha256(
            pd.util.hash_pandas_object(units.to_wkb(), index=False).to_numpy().tobytes()
        ).hexdigest()
        inputs.sources.append(Source("units", "units", digest, len(units)))
    if background is not None:
        inputs.background = _in_wgs84(background, "background", inputs.findings)
    return checked_problem(config, inputs, Path())


def _read(inputs: Inputs, role: str, name: str, base: Path) -> Table | None:
    try:
        table = read_table(base / name, name)
    except InputError as error:
        inputs.findings.extend(error.findings)
        return None
    inputs.sources.append(Source(role, name, table.sha256, len(table.frame)))
    return table


def _read_background(inputs: Inputs, name: str, base: Path) -> None:
    import geopandas as gpd

    path = base / name
    if not path.exists():
        siblings = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "correct map.background, or remove it"
        inputs.findings.append(Finding(f"no such file ({path})", name, remedy=remedy))
        return
    try:
        frame = gpd.read_file(path)
    except Exception as error:  # readers of dozens of formats raise as many kinds of errors
        remedy = "any file that geopandas reads will do: GeoPackage, GeoJSON, Shapefile"
        inputs.findings.append(Finding(f"cannot be read as a map layer: {error}", name, remedy=remedy))
        return
    inputs.background = _in_wgs84(frame, name, inputs.findings)
    inputs.sources.append(Source("background", name, digest_of(path), len(frame)))


def _in_wgs84(frame: Any, name: str, findings: list[Finding]) -> gpd.GeoDataFrame | None:
    import geopandas as gpd

    if not isinstance(frame, gpd.GeoDataFrame):
        findings.append(Finding("has no geometry", name, remedy="name a layer of polygons or lines"))
        return None
    if frame.crs is None:
        findings.append(
            Finding(
                "has no coordinate reference system, so its outlines have no place",
                name,
                remedy="save it with one: gdf.set_crs(4326) if its coordinates are degrees, then gdf.to_file(…)",
            )
        )
        return None
    return frame.to_crs(4326)
