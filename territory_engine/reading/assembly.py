"""From what was read to a validated planning problem: every check that needs several inputs at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.config import DATED_LOCKS, Config
from territory_engine.disruption import check_budget
from territory_engine.errors import Finding
from territory_engine.geography.polygons import PolygonFile
from territory_engine.grammar import counted
from territory_engine.plan import TERRITORY_NAMES
from territory_engine.problem import Origin, PlanningProblem, Source
from territory_engine.reading.alignment import with_dated_locks
from territory_engine.reading.columns import (
    ACCOUNT_ALIASES,
    PAIR_ALIASES,
    REP_ALIASES,
    TRAVEL_ALIASES,
    ConfigFinding,
    Sheet,
    sheet_of,
)
from territory_engine.reading.placement import place
from territory_engine.reading.tables import Table
from territory_engine.reading.travel_table import check_travel_table, match_travel_table
from territory_engine.reading.unit_rules import check_unit_rules
from territory_engine.reading.units import note_empty_units, places_of, units_of
from territory_engine.reading.validation import check_accounts, check_references, check_reps, error_of

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from territory_engine.geography.layer import UnitLayer
    from territory_engine.reading.known_units import KnownUnits

SMALLEST_LOAD = 1e-3
"""What a territory has at least on average of a measure with limits: a load may pass a limit by 1e-9, whatever it is of,
and that should be no more than a millionth of it."""


@dataclass(eq=False)
class Inputs:
    """What was read, with the findings of what could not be."""

    accounts: Table | None = None
    reps: Table | None = None
    travel: Table | None = None
    adjacency: Table | None = None
    polygons: PolygonFile | None = None
    background: gpd.GeoDataFrame | None = None
    sources: list[Source] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    # Units that are known already: the accounts, and those of them that are still there, are put where they were.
    known_units: KnownUnits | None = None


def checked_problem(config: Config, inputs: Inputs, base: Path) -> PlanningProblem:
    """Check what was read, all of it, and put the problem together."""
    dated = config.locks is not None and config.locks.own is not None
    config = config.as_written()
    names, free = config.data.columns, config.territories.centers == "free"
    accounts = sheet_of(inputs.accounts, names.accounts, ACCOUNT_ALIASES, "accounts") if inputs.accounts else None
    if accounts is not None and dated:
        # Made anew of the locks that hold for good and today's owners, who may be others by now.
        accounts.frame = accounts.frame.drop(columns=DATED_LOCKS, errors="ignore")
    reps = sheet_of(inputs.reps, names.reps, REP_ALIASES, "reps") if inputs.reps else None
    travel = sheet_of(inputs.travel, {}, TRAVEL_ALIASES, "travel") if inputs.travel else None
    adjacency = sheet_of(inputs.adjacency, {}, PAIR_ALIASES, "adjacency") if inputs.adjacency else None
    sheets = [s for s in (accounts, reps, travel, adjacency) if s is not None]
    measures = tuple(dict.fromkeys(rule.measure for rule in config.balance))
    by_rep = frozenset(m for m in measures if travel is not None and travel.has(m))
    _check_measure_names(config, by_rep, inputs.findings)
    _needs_given_files(config, inputs, inputs.findings)
    required = config.travel.table is None
    # Rows that could not be read make every reference to them look unknown: such sheets are not matched.
    whole = not inputs.findings and not any(s.findings for s in sheets)
    if reps is not None:
        check_reps(reps, config)
        # A centre that is chosen makes the rep's home irrelevant.
        place(reps, metric=config.travel.metric, required=required and not free, on_unlocated="error")
    if accounts is not None:
        check_accounts(accounts, config, by_rep)
        place(accounts, metric=config.travel.metric, required=required, on_unlocated=config.data.on_unlocated)
    server = "center_id" if free else "rep_id"
    if travel is not None:
        check_travel_table(travel, measures, server)
    table, units = None, None
    # Without a reps file there is nothing to wait for; with one, its IDs must be there.
    known = reps.has("rep_id") if reps is not None else free and config.data.reps is None
    if whole and accounts is not None and known and accounts.has("account_id"):
        rep_ids = pd.Index(reps.frame["rep_id"].unique()) if reps is not None else pd.Index([], dtype=str)
        count = len(rep_ids) or config.territories.count or 1
        if reps is not None:
            rep_names = reps.frame["name"] if reps.has("name") else None
            check_references(accounts, rep_ids, config, rep_names)
            config = with_dated_locks(accounts, rep_ids, config)
        if config.contiguity is not None:
            if inputs.known_units is not None:
                units = inputs.known_units.of(accounts, config)
            else:
                units = units_of(accounts, config, count, polygons=inputs.polygons, adjacency=adjacency)
            if units is not None:
                check_unit_rules(accounts, reps, units, config)
                told = inputs.polygons if inputs.polygons is not None else adjacency
                if told is not None:
                    note_empty_units(told, units)
        _check_sizes(config, count, accounts, travel, inputs.findings)
        if travel is not None and not travel.findings and not accounts.frame["account_id"].duplicated().any():
            ids = pd.Index(accounts.frame["account_id"]) if free else rep_ids
            if free and units is not None:
                ids = units.ids
            if not free or config.contiguity is None or units is not None:
                of_units = units is not None
                table = match_travel_table(travel, accounts, ids, server, of_units=of_units)
        if free and (units is not None or config.contiguity is None):
            _check_count(config, count, accounts, units, table, inputs.findings)
        if travel is not None and table is not None:
            for measure in sorted(by_rep & set(accounts.frame.columns)):
                travel.note(
                    f"{measure!r} is taken from here, since it depends on the rep; the accounts' own is not used."
                )
    read: list[Sheet | PolygonFile] = [*sheets, *([inputs.polygons] if inputs.polygons is not None else [])]
    findings = [*inputs.findings, *(f for s in read for f in s.findings)]
    if findings or accounts is None:
        raise error_of(findings)
    problem = PlanningProblem(
        config=config,
        accounts=_indexed(accounts, "account_id"),
        reps=_indexed(reps, "rep_id")
        if reps is not None
        else pd.DataFrame(index=pd.Index([], dtype=str, name="rep_id")),
        travel_table=table,
        background=inputs.background,
        sources=tuple(inputs.sources),
        notices=tuple(n for s in read for n in s.notices),
        base_dir=base,
        units=units,
        origins={
            role: Origin(sheet.file, sheet.rows, sheet.shown, sheet.decimal_comma, sheet.style)
            for role, sheet in (("accounts", accounts), ("reps", reps), ("travel", travel))
            if sheet is not None
        },
    )
    check_budget(problem)
    return problem


def _check_measure_names(config: Config, by_rep: frozenset[str], findings: list[Finding]) -> None:
    """Find measures whose name is taken, and those whose load depends on the rep where that cannot be planned."""
    measures = tuple(dict.fromkeys(rule.measure for rule in config.balance))
    taken = TERRITORY_NAMES | {"account_id", "location_source", "location_precision_km", "geometry"}
    taken |= {f"{m}{end}" for m in measures for end in ("_target", "_deviation")}
    chosen = "[contiguity]" if config.contiguity is not None else 'centers = "free"'
    for i, rule in enumerate(config.balance):
        if rule.measure in taken:
            findings.append(
                Finding(
                    f"{rule.measure!r} is a name that the plan's own files use",
                    column=f"balance[{i + 1}].measure",
                    value=rule.measure,
                    remedy='rename the column, for instance with [data.columns.accounts]; to balance the number of accounts say "count"',
                )
            )
        if rule.measure in by_rep and (config.contiguity is not None or config.territories.centers == "free"):
            findings.append(
                ConfigFinding(
                    f"loads that depend on who serves them cannot be planned together with {chosen} in this version",
                    column=f"balance[{i + 1}].measure",
                    value=rule.measure,
                    remedy=f"remove the column {rule.measure!r} from the travel table, and give it in the accounts",
                )
            )
        elif rule.measure in by_rep and rule.tolerance is not None:
            findings.append(
                Finding(
                    f"{rule.measure!r} is a column of the travel table, so what there is to share depends on who serves whom",
                    column=f"balance[{i + 1}].tolerance",
                    value=f"{rule.tolerance:g}",
                    allowed="min and max",
                    remedy="give the limits as min or max, numbers or columns of the reps",
                )
            )
        if rule.measure in by_rep and rule.target_weight is not None:
            findings.append(
                ConfigFinding(
                    f"{rule.measure!r} is a column of the travel table, so what there is to share depends on who serves whom",
                    column=f"balance[{i + 1}].target_weight",
                    value=f"{rule.target_weight:g}",
                    allowed="a measure of the accounts, whose total does not depend on the plan",
                    remedy="remove target_weight, or balance a column of the accounts",
                )
            )


def _needs_given_files(config: Config, inputs: Inputs, findings: list[Finding]) -> None:
    """Find units or pairs that the configuration names but the caller of ``load_frames`` did not give."""
    for key, given in (("units", inputs.polygons), ("adjacency", inputs.adjacency)):
        if (
            config.contiguity is not None
            and getattr(config.contiguity, key) is not None
            and given is None
            and inputs.known_units is None
            and not findings
        ):
            remedy = f"pass it as {key}=…, or remove contiguity.{key}"
            findings.append(ConfigFinding("was not given", column=f"contiguity.{key}", remedy=remedy))


def _check_sizes(config: Config, count: int, accounts: Sheet, travel: Sheet | None, findings: list[Finding]) -> None:
    """Find limits on loads that are so small that limits, which are kept to a billionth, would not be kept."""
    least = SMALLEST_LOAD * count
    for measure in dict.fromkeys(r.measure for r in config.balance if (r.tolerance, r.min, r.max) != (None,) * 3):
        sheet = travel if travel is not None and travel.has(measure) else accounts
        if measure == "count" or not sheet.has(measure) or sheet.frame[measure].dtype != np.float64 or sheet.findings:
            continue
        total = float(sheet.frame[measure].mean()) * len(accounts)
        if 0 < total < least:
            findings.append(
                Finding(
                    "is too small: loads are told apart to a billionth",
                    sheet.file,
                    column=sheet.own_name(measure),
                    value=f"{total:.6g} in all",
                    allowed=f"at least {least:g} in all, {SMALLEST_LOAD:g} for each of {counted(count, 'territory')}",
                    remedy="give it in a smaller unit, and min, max and target_weight accordingly",
                )
            )


def _check_count(
    config: Config,
    count: int,
    accounts: Sheet,
    units: UnitLayer | None,
    table: pd.DataFrame | None,
    findings: list[Finding],
) -> None:
    """Find more territories than places to centre them: each centre is in a unit, group or account of its own."""
    if any(f.column is not None or f.row is not None for f in accounts.findings):
        return  # places that are still to be corrected cannot be counted
    if config.travel.table is not None and table is None:
        return
    if table is not None:
        named = pd.Index(pd.unique(table["center_id"]))
        within = accounts.frame["account_id"] if units is None else units.ids
        usable: NDArray[np.bool_] = np.asarray(pd.Index(within).isin(named), bool)
        what = "centres in the travel table"
    elif units is not None:
        usable = np.asarray((units.accounts_in > 0) & np.isfinite(units.places).all(axis=1))
        what = "units with accounts"
    else:
        usable = np.asarray(np.isfinite(places_of(accounts, config)).all(axis=1))
        what = "accounts" if usable.all() else "accounts with a place"
    most = int(usable.sum())
    if units is None and config.groups is not None and accounts.has(config.groups.column):
        group = accounts.frame[config.groups.column].astype(str).to_numpy(object)[usable]
        most = int((group == "").sum()) + len(set(group) - {""})
        what = f"groups, and {what} in no group" if most < usable.sum() else what
    if count > most:
        key = "data.reps" if config.data.reps is not None else "territories.count"
        remedy = "ask for fewer territories: each is centred at a place of its own"
        findings.append(
            ConfigFinding(
                f"there {'is' if most == 1 else 'are'} {f'only {most:,}' if most else 'no'} {'place' if most == 1 else 'places'}"
                f" for {counted(count, 'centre')} ({what})",
                column=key,
                value=str(count),
                allowed=f"at most {counted(most, 'territory')}" if most else None,
                remedy=remedy if most else "give the accounts their places: a centre is the place of an account",
            )
        )


def _indexed(sheet: Sheet, column: str) -> pd.DataFrame:
    return sheet.frame.set_index(column)
