"""From polygons, a list of neighbours or the accounts' places to the units of a problem, and the accounts in them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import Finding
from territory_engine.geography.layer import UnitLayer, canonical_pairs, components_of, joined_frame
from territory_engine.geography.membership import central_places, mean_of_neighbours
from territory_engine.grammar import counted
from territory_engine.reading.columns import ConfigFinding, Sheet, find_column, is_blank
from territory_engine.reading.identifiers import match_ids, mends_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from territory_engine.config import Config
    from territory_engine.geography.polygons import PolygonFile

_CLOSEST_SOUGHT = 200
_LISTED = 5
UNIT_ID = "unit_id"
MOSTLY_EMPTY = 3
"""So many times as many units without accounts as with some are worth a notice."""
WIDE_GAP_KM = 200.0
"""A join across more than this suggests units that nobody plans for."""


def units_of(
    accounts: Sheet,
    config: Config,
    n_territories: int,
    *,
    polygons: PolygonFile | None = None,
    adjacency: Sheet | None = None,
) -> UnitLayer | None:
    """Return the units that ``[contiguity]`` asks for.

    Parameters
    ----------
    accounts : Sheet
        Checked and placed; gets a finding for every account whose unit is unknown.
    config : Config
        With a ``[contiguity]`` table.
    n_territories : int
        How many territories there will be: hexagons are made small enough for them.
    polygons : PolygonFile, optional
        For ``units``; gets findings and notices.
    adjacency : Sheet, optional
        For ``adjacency``; gets findings and notices.

    Returns
    -------
    UnitLayer or None
        None where something is wrong; then there are findings.
    """
    assert config.contiguity is not None
    if config.contiguity.kind == "pairs":
        return None if adjacency is None else _of_pairs(accounts, config, adjacency)
    if config.contiguity.kind == "polygons":
        from territory_engine.reading.polygon_units import units_of_polygons

        return None if polygons is None else units_of_polygons(accounts, config, polygons)
    return _of_cells(accounts, config, n_territories)


def account_unit_column(config: Config) -> str | None:
    """Return the accounts' column of unit IDs: the one that ``[data.columns.accounts]`` calls ``unit_id``, or the units' own."""
    assert config.contiguity is not None
    return UNIT_ID if UNIT_ID in config.data.columns.accounts else config.contiguity.unit_id


def note_empty_units(told: Sheet | PolygonFile, layer: UnitLayer) -> None:
    """Say that units far from any account are assigned too, where most are empty or a wide gap had to be joined."""
    occupied = len(np.unique(layer.unit_of))
    empty = len(layer) - occupied
    gap_km = layer.joined["gap_km"].to_numpy(np.float64)
    if layer.kind == "cells" or empty == 0:
        return
    if empty <= MOSTLY_EMPTY * occupied and not np.any(gap_km >= WIDE_GAP_KM):
        return
    told.note(
        f"{counted(empty, 'unit')} of {len(layer):,} without any account will be assigned too, however far from the accounts."
        " To leave out those that you do not plan for, clip the file to your area."
    )


def axes_of(config: Config) -> tuple[str, str]:
    """Return the names of the two coordinates that travel is measured in."""
    return ("x", "y") if config.travel.metric == "euclidean" else ("latitude", "longitude")


def places_of(accounts: Sheet, config: Config) -> NDArray[np.float64]:
    """Return the accounts' coordinates, shape ``(n_accounts, 2)``; NaN where unknown."""
    missing = np.full(len(accounts), np.nan)
    columns = [accounts.frame[axis].to_numpy(np.float64) if accounts.has(axis) else missing for axis in axes_of(config)]
    return np.column_stack(columns)


def weights_of(accounts: Sheet, config: Config) -> NDArray[np.float64]:
    """Return the accounts' travel weights; ones where there are none, or none that can be used."""
    column = config.travel.weight
    if column is not None and accounts.has(column) and accounts.frame[column].dtype == np.float64:
        weights = accounts.frame[column].to_numpy(np.float64)
        if np.isfinite(weights).all():
            return weights
    return np.ones(len(accounts))


def unit_texts(accounts: Sheet, column: str) -> tuple[pd.Series[Any], NDArray[np.bool_]]:
    """Return the accounts' unit IDs as text, and where they are blank."""
    texts = accounts.text(column)
    blank = is_blank(texts)
    return texts.mask(blank, ""), blank


def flag_unknown_units(
    accounts: Sheet,
    column: str,
    texts: pd.Series[Any],
    unknown: NDArray[np.bool_],
    ids: pd.Index[str],
    allowed: str,
    hints: dict[int, str] | None = None,
) -> None:
    """Add a finding for each account whose unit is not there, with the ID that was meant where that can be seen.

    ``hints`` are remedies for some records, by position; an ID that is known to have been damaged goes before them.
    """
    at = np.flatnonzero(unknown)
    named = texts.iloc[at].tolist()
    remedies = mends_of(dict.fromkeys(named), ids)
    known = ids.tolist()
    # Numbers that look alike mean nothing; names that do are probably the same one, misspelt.
    worded = (n for n in named if n not in remedies and any(c.isalpha() for c in n))
    guesses = {}
    for name in list(dict.fromkeys(worded))[:_CLOSEST_SOUGHT]:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        if near:
            guesses[name] = f"did you mean {near[0]!r}?"
    own = accounts.own_name(column)
    accounts.findings.extend(
        Finding(
            "is not the ID of a unit", accounts.file, int(row), own, name, allowed,
            remedies.get(name) or (hints or {}).get(int(i)) or guesses.get(name) or "correct the ID, or add the unit",
        )
        for i, row, name in zip(at, accounts.rows[at], named, strict=True)
    )  # fmt: skip


def note_joins(
    sheet: Sheet | PolygonFile, names: list[tuple[str, str]], gap: NDArray[np.float64], shown: Callable[[float], str]
) -> None:
    """Tell which units were joined although they do not touch, and across what; the widest gaps first."""
    widest = np.argsort(-gap, kind="stable")[:_LISTED]
    told = [f"{names[i][0]} is joined to {names[i][1]} across {shown(float(gap[i]))}" for i in widest]
    more = f"; and {counted(len(names) - _LISTED, 'more join')}" if len(names) > _LISTED else ""
    if told:
        sheet.note(f"so that territories can be connected, {'; '.join(told)}{more}.")


def kilometres(gap_km: float, *, most: bool = False) -> str:
    """Return a gap for a message: ``"12 km"``, ``"at most 12 km"`` with `most`, ``"less than 100 m"``."""
    if gap_km < 0.1:
        return "less than 100 m"
    return f"{'at most ' if most else ''}{f'{gap_km:,.0f}' if gap_km >= 10 else f'{gap_km:.1f}'} km"


# --- a list of neighbours ---------------------------------------------------------------------------------------------


def read_pair_columns(sheet: Sheet) -> bool:
    """Make sure that a list of neighbours has its two columns; two columns of any other name are taken for them."""
    columns = [str(c) for c in sheet.frame.columns]
    missing = [c for c in ("unit_a", "unit_b") if c not in columns]
    if not missing:
        return True
    if len(columns) == 2 and len(missing) == 2:
        sheet.note(f"read columns {columns[0]!r} and {columns[1]!r} as unit_a and unit_b.")
        sheet.frame = sheet.frame.set_axis(["unit_a", "unit_b"], axis=1)
        sheet.shown |= {"unit_a": columns[0], "unit_b": columns[1]}
        return True
    sheet.findings.append(
        ConfigFinding(
            f"has no column {missing[0]!r}: a list of neighbours names two units in each row",
            sheet.file,
            allowed=", ".join(columns[:40]),
            remedy="name the two columns unit_a and unit_b",
        )
    )
    return False


def _of_pairs(accounts: Sheet, config: Config, adjacency: Sheet) -> UnitLayer | None:
    assert config.contiguity is not None
    column = account_unit_column(config) or "account_id"
    if not find_column(accounts, column, "contiguity.unit_id") or not read_pair_columns(adjacency):
        return None
    if len(adjacency) == 0 and not adjacency.findings:
        remedy = "list the pairs of neighbouring units, one in each row"
        adjacency.findings.append(
            Finding("is empty: there are no rows below the header", adjacency.file, remedy=remedy)
        )
        return None
    texts, blank = unit_texts(accounts, column)
    accounts.flag(
        blank & ~accounts.rows_with_findings(),
        column,
        "is blank, so the account is in no unit",
        values=texts,
        allowed=f"a unit of {adjacency.file}",
        remedy="fill it in: a list of neighbours does not say where units are",
    )
    ends = [unit_texts(adjacency, end) for end in ("unit_a", "unit_b")]
    for end, (shown, empty) in zip(("unit_a", "unit_b"), ends, strict=True):
        adjacency.flag(empty, end, "is blank", values=shown, allowed="the ID of a unit", remedy="fill it in, or delete the row")  # fmt: skip
    first, second = ends[0][0], ends[1][0]
    # What else is wrong with the IDs is told in the same go.
    named = pd.concat([first, second])
    listed = pd.Index(pd.unique(named[named != ""]), dtype=str)
    own = pd.Index(pd.unique(texts[~blank]), dtype=str)
    if len(own) and len(listed) and not _plausible(accounts, column, texts, own, listed, adjacency):
        return None
    if adjacency.findings or blank.any():
        return None
    ids = own.append(listed[~listed.isin(own)]).rename("unit_id")
    a, b = ids.get_indexer(pd.Index(first)).astype(np.int64), ids.get_indexer(pd.Index(second)).astype(np.int64)
    pairs = canonical_pairs(a, b)
    selves = int((a == b).sum())
    if selves:
        named = counted(selves, "row names", "rows name")
        adjacency.note(f"{named} the same unit twice; a unit is not its own neighbour.")
    if len(a) - selves > len(pairs):
        again = counted(len(a) - selves - len(pairs), "pair repeats", "pairs repeat")
        adjacency.note(f"{again} another; each counts once.")
    unit_of = ids.get_indexer(pd.Index(texts)).astype(np.int64)
    return _connected_pairs(accounts, config, adjacency, ids, pairs, unit_of)


def _plausible(
    accounts: Sheet,
    column: str,
    texts: pd.Series[Any],
    own: pd.Index[str],
    listed: pd.Index[str],
    adjacency: Sheet,
) -> bool:
    """Whether the list speaks of the accounts' units: not of other IDs, nor of the same without their zeros."""
    header = [adjacency.own_name(end) for end in ("unit_a", "unit_b")]
    if set(header) <= set(own):
        remedy = "add a first row: unit_a, unit_b"
        adjacency.findings.append(
            Finding("has no header: its first row names two units", adjacency.file, 1, None, ", ".join(header), None, remedy)
        )  # fmt: skip
        return False
    unlisted = own[~own.isin(listed)]
    damaged = mends_of(unlisted, listed)
    if damaged:
        allowed = f"a unit of {adjacency.file}"
        flag_unknown_units(accounts, column, texts, texts.isin(list(damaged)).to_numpy(bool), listed, allowed)
        return False
    if len(unlisted) == len(own) and len(own) > 1:
        accounts.findings.append(
            ConfigFinding(
                f"column {accounts.own_name(column)!r} has no ID in common with {adjacency.file}",
                accounts.file,
                value=str(own[0]),
                allowed=f"IDs such as {listed[0]!r}" if len(listed) else None,
                remedy="name the accounts' column of unit IDs in contiguity.unit_id",
            )
        )
        return False
    return True


def _connected_pairs(
    accounts: Sheet,
    config: Config,
    adjacency: Sheet,
    ids: pd.Index[str],
    pairs: NDArray[np.int64],
    unit_of: NDArray[np.int64],
) -> UnitLayer | None:
    """Leave out what no account is connected to, find places, and join what does not touch."""
    from territory_engine.geography.gaps import join_points
    from territory_engine.geography.sphere import great_circle_km

    spherical = config.travel.metric == "haversine"
    component = components_of(len(ids), pairs)
    kept = np.isin(component, component[unit_of])
    if not kept.all():
        lone = counted(int((~kept).sum()), "unit has", "units have")
        adjacency.note(f"{lone} no account, nor any neighbour with one, and will be left out.")
        renumbered = np.cumsum(kept) - 1
        pairs = renumbered[pairs[kept[pairs[:, 0]]]]
        ids, unit_of, component = ids[kept], renumbered[unit_of], component[kept]
    component = components_of(len(ids), pairs)
    places = central_places(
        places_of(accounts, config), unit_of, weights_of(accounts, config), len(ids), spherical=spherical
    )
    places = mean_of_neighbours(places, pairs, spherical=spherical)
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    joined = np.empty((0, 2), np.int64)
    if component.max() > 0:
        unplaced = np.isin(component, component[placed], invert=True)[unit_of] & ~accounts.rows_with_findings()
        accounts.flag(
            unplaced,
            account_unit_column(config) or "account_id",
            f"the account's unit has no neighbour with a place in {adjacency.file}, so it cannot be connected",
            allowed="a unit in a pair, or an account with a place",
            remedy="add the unit's neighbours to the list, or the account's place",
        )
        if unplaced.any() or len(placed) == 0:
            return None
        joined = join_points(places[placed], placed, component, spherical=spherical)
    ends = places[joined[:, 0]], places[joined[:, 1]]
    gap = great_circle_km(*ends) if spherical else np.hypot(*(ends[0] - ends[1]).T)
    shown = kilometres if spherical else "{:,.4g} units of x and y".format
    note_joins(adjacency, [(str(ids[a]), str(ids[b])) for a, b in joined], gap, shown)
    frame = joined_frame(ids, joined, gap if spherical else np.full(len(gap), np.nan))
    both = np.concatenate([pairs, joined])
    return UnitLayer(ids, canonical_pairs(both[:, 0], both[:, 1]), frame, unit_of, places, None, "pairs")


# --- hexagons ---------------------------------------------------------------------------------------------------------


def _of_cells(accounts: Sheet, config: Config, n_territories: int) -> UnitLayer | None:
    import geopandas as gpd
    import h3.api.basic_int as h3

    from territory_engine.geography.cells import MOST_CELLS, cells_around

    assert config.contiguity is not None
    places = places_of(accounts, config)
    lost = ~np.isfinite(places).all(axis=1)
    accounts.flag(
        lost & ~accounts.rows_with_findings(),
        "account_id",
        "the account has no place, so it lies in no cell",
        allowed="coordinates or a known postal code",
        remedy="fill in its place, or give [contiguity] units or adjacency and the account's unit",
    )
    if lost.any() or len(accounts) == 0:
        return None
    layer = cells_around(places, n_territories, config.contiguity.resolution)
    if layer is None:
        what = f"needs more than {MOST_CELLS:,} cells"
        remedy = "choose a coarser one (a smaller number), or leave it out: it is then chosen from the data"
        value = str(config.contiguity.resolution)
        accounts.findings.append(
            ConfigFinding(what, column="contiguity.resolution", value=value, remedy=remedy)
        )  # fmt: skip
        return None
    ids = pd.Index(layer.names, dtype=str, name="unit_id")
    central = central_places(places, layer.cell_of, weights_of(accounts, config), len(ids), spherical=True)
    central = np.where(np.isfinite(central), central, layer.centres)
    fullest = int(np.bincount(layer.cell_of).max())
    area = h3.average_hexagon_area(layer.resolution, unit="km^2")
    accounts.note(
        f"the accounts were put into hexagons of about {area:,.3g} km² (H3 resolution {layer.resolution}):"
        f" {len(np.unique(layer.cell_of)):,} hold accounts, {len(ids):,} make up the map."
    )
    if fullest * n_territories > 0.2 * len(accounts) and fullest > 2:
        share = len(accounts) / n_territories
        accounts.note(
            f"the fullest hexagon holds {fullest:,} accounts, where a territory has {share:,.0f} on average: that is how"
            " unevenly territories may come out. A finer resolution, or units that follow the towns, would help."
        )
    geometry = gpd.GeoSeries(layer.polygons(), index=ids, crs=4326)
    frame = joined_frame(ids, np.empty((0, 2), np.int64), np.empty(0))
    return UnitLayer(ids, layer.pairs, frame, layer.cell_of, central, geometry, "cells")


def matched_units(texts: pd.Series[Any], ids: pd.Index[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the position of every account's unit ID, −1 where blank or unknown, and where it is unknown."""
    codes, unique = pd.factorize(texts)
    at = match_ids(pd.Series(list(unique), dtype=str), ids)[codes].astype(np.int64)
    return at, (at < 0) & (texts != "").to_numpy(bool)
