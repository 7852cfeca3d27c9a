"""From a configuration file, or from frames, to a validated planning problem."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from territory_engine.config import Config, load_config
from territory_engine.errors import ConfigError, Finding, InputError
from territory_engine.problem import PlanningProblem, Source
from territory_engine.reading.columns import ACCOUNT_ALIASES, REP_ALIASES, TRAVEL_ALIASES, Sheet, sheet_of
from territory_engine.reading.placement import place
from territory_engine.reading.tables import Table, read_table, table_of_frame
from territory_engine.reading.travel_table import check_travel_table, match_travel_table
from territory_engine.reading.validation import check_accounts, check_references, check_reps, error_of

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(eq=False)
class _Inputs:
    """What was read, with the findings of what could not be."""

    accounts: Table | None = None
    reps: Table | None = None
    travel: Table | None = None
    background: gpd.GeoDataFrame | None = None
    sources: list[Source] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def load(config_path: str | Path) -> PlanningProblem:
    """Read a configuration and the files it names, and check everything.

    Parameters
    ----------
    config_path : str or Path
        A TOML file; paths in it start from its folder.

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
    path = Path(config_path)
    config = load_config(path)
    _refuse_unsupported(config, path.name)
    base = path.resolve().parent
    inputs = _Inputs()
    inputs.accounts = _read(inputs, "accounts", config.data.accounts, base)
    if config.data.reps is not None:
        inputs.reps = _read(inputs, "reps", config.data.reps, base)
    if config.travel.table is not None:
        inputs.travel = _read(inputs, "travel", config.travel.table, base)
    if config.map.background is not None:
        _read_background(inputs, config.map.background, base)
    return _problem(config, inputs, base)


def load_frames(
    accounts: pd.DataFrame,
    reps: pd.DataFrame,
    config: Config,
    travel_table: pd.DataFrame | None = None,
    background: gpd.GeoDataFrame | None = None,
) -> PlanningProblem:
    """Check frames as :func:`load` checks files.

    Parameters
    ----------
    accounts, reps : DataFrame
        Any index; a named one counts as a column. Findings call them ``accounts`` and ``reps``, and the first record
        row 2, as if they had been saved.
    config : Config
        Its paths are not read.
    travel_table : DataFrame, optional
        Columns ``rep_id``, ``account_id``, ``cost`` and any measure.
    background : GeoDataFrame, optional
        Outlines for the map; any CRS, but it must have one.

    Returns
    -------
    PlanningProblem

    Raises
    ------
    ConfigError, InputError
        As :func:`load`.
    """
    _refuse_unsupported(config, "configuration")
    inputs = _Inputs()
    frames = {"accounts": accounts, "reps": reps, "travel": travel_table}
    for role, frame in frames.items():
        if frame is not None:
            try:
                table = table_of_frame(frame, role)
            except InputError as error:
                inputs.findings.extend(error.findings)
                continue
            setattr(inputs, role, table)
            inputs.sources.append(Source(role, role, table.sha256, len(table.frame)))
    if background is not None:
        inputs.background = _in_wgs84(background, "background", inputs.findings)
    return _problem(config, inputs, Path())


def _refuse_unsupported(config: Config, file: str) -> None:
    """Refuse what the configuration may say but this version cannot solve: never a plan that ignores a rule."""
    findings = []
    if config.contiguity is not None:
        findings.append(
            Finding(
                "contiguous territories cannot be planned by this version",
                file,
                column="contiguity",
                remedy="remove the [contiguity] table; travel keeps territories compact, not connected",
            )
        )
    if config.territories.centers == "free":
        findings.append(
            Finding(
                "choosing the centres is not possible in this version",
                file,
                column="territories.centers",
                value="free",
                allowed='"reps"',
                remedy='write centers = "reps" and list the reps with their homes in data.reps',
            )
        )
    if config.data.reps is None:
        findings.append(
            Finding(
                "is missing", file, column="data.reps", remedy='add reps = "reps.csv": a row per rep, with the home'
            )
        )
    if config.disruption is not None:
        for key in ("max_moved", "weight"):
            value = getattr(config.disruption, key)
            if value is not None:
                findings.append(
                    Finding(
                        "limiting or pricing moved accounts is not possible in this version",
                        file,
                        column=f"disruption.{key}",
                        value=f"{value:g}",
                        remedy=f"remove {key}; disruption.current alone compares the plan with today's owners",
                    )
                )
    if findings:
        raise ConfigError(findings)


def _read(inputs: _Inputs, role: str, name: str, base: Path) -> Table | None:
    try:
        table = read_table(base / name, name)
    except InputError as error:
        inputs.findings.extend(error.findings)
        return None
    inputs.sources.append(Source(role, name, table.sha256, len(table.frame)))
    return table


def _read_background(inputs: _Inputs, name: str, base: Path) -> None:
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
    inputs.sources.append(Source("background", name, _digest(path), len(frame)))


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


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the files of a folder format in the order of their names."""
    parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes())
    return digest.hexdigest()


def _problem(config: Config, inputs: _Inputs, base: Path) -> PlanningProblem:
    """Check what was read, all of it, and put the problem together."""
    names = config.data.columns
    accounts = sheet_of(inputs.accounts, names.accounts, ACCOUNT_ALIASES, "accounts") if inputs.accounts else None
    reps = sheet_of(inputs.reps, names.reps, REP_ALIASES, "reps") if inputs.reps else None
    travel = sheet_of(inputs.travel, {}, TRAVEL_ALIASES, "travel") if inputs.travel else None
    sheets = [s for s in (accounts, reps, travel) if s is not None]
    measures = tuple(dict.fromkeys(rule.measure for rule in config.balance))
    by_rep = frozenset(m for m in measures if travel is not None and travel.has(m))
    taken = {"travel", "accounts", "rep_id", "territory_id", "account_id", "location_source", "location_precision_km"}
    taken |= {f"{m}{end}" for m in measures for end in ("_target", "_deviation")}
    for i, rule in enumerate(config.balance):
        if rule.measure in taken:
            inputs.findings.append(
                Finding(
                    f"{rule.measure!r} is the name of another column of territories.csv",
                    column=f"balance[{i + 1}].measure",
                    value=rule.measure,
                    remedy='rename the column, for instance with [data.columns.accounts]; to balance the number of accounts say "count"',
                )
            )
        if rule.measure in by_rep and rule.tolerance is not None:
            inputs.findings.append(
                Finding(
                    f"{rule.measure!r} is a column of the travel table, so what there is to share depends on who serves whom",
                    column=f"balance[{i + 1}].tolerance",
                    value=f"{rule.tolerance:g}",
                    allowed="min and max",
                    remedy="give the limits as min or max, numbers or columns of the reps",
                )
            )
    required = config.travel.table is None
    # Rows that could not be read make every reference to them look unknown: such sheets are not matched.
    whole = not inputs.findings and not any(s.findings for s in sheets)
    if reps is not None:
        check_reps(reps, config)
        place(reps, metric=config.travel.metric, required=required, on_unlocated="error")
    if accounts is not None:
        check_accounts(accounts, config, by_rep)
        place(accounts, metric=config.travel.metric, required=required, on_unlocated=config.data.on_unlocated)
    if travel is not None:
        check_travel_table(travel, measures)
    table = None
    if whole and accounts is not None and reps is not None and accounts.has("account_id") and reps.has("rep_id"):
        rep_ids = pd.Index(reps.frame["rep_id"].unique())
        check_references(accounts, rep_ids, config)
        if travel is not None and not travel.findings and not accounts.frame["account_id"].duplicated().any():
            table = match_travel_table(travel, accounts, rep_ids)
            for measure in sorted(by_rep & set(accounts.frame.columns)):
                travel.note(
                    f"{measure!r} is taken from here, since it depends on the rep; the accounts' own is not used."
                )
    findings = [*inputs.findings, *(f for s in sheets for f in s.findings)]
    if findings or accounts is None or reps is None:
        raise error_of(findings)
    return PlanningProblem(
        config=config,
        accounts=_indexed(accounts, "account_id"),
        reps=_indexed(reps, "rep_id"),
        travel_table=table,
        background=inputs.background,
        sources=tuple(inputs.sources),
        notices=tuple(n for s in sheets for n in s.notices),
        base_dir=base,
    )


def _indexed(sheet: Sheet, column: str) -> pd.DataFrame:
    return sheet.frame.set_index(column)
