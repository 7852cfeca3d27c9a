"""Edits of the accounts: those that close, and measures that grow or shrink somewhere."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.reading.columns import number_text
from territory_engine.travel import haversine_km

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scenarios.draft import Draft
    from scenarios.scenario_file import EditStep
    from scenarios.scenario_model import Growth, Where

_SHOWN = 20
_ZIP_DIGITS = 5
Key = tuple[str | int, ...]


def edit_accounts(draft: Draft, step: EditStep) -> None:
    """Make a step's edits of the accounts: those that close, then growth of those that stay."""
    here = ("scenario", step.scenario)
    closing = np.zeros(len(draft.accounts), bool)
    closing[draft.find_all("accounts", step.edits.close_accounts, (*here, "close_accounts"))] = True
    for i, close in enumerate(step.edits.close):
        mask = chosen(draft, close, (*here, "close", i))
        if mask is not None:
            closing |= mask
    if closing.any():
        _close(draft, closing)
    if len(draft.accounts) == 0:
        draft.flag(here, "closes every account", remedy="keep at least one")
        return
    for i, growth in enumerate(step.edits.growth):
        _grow(draft, growth, (*here, "growth", i))


def _close(draft: Draft, closing: NDArray[np.bool_]) -> None:
    closed = draft.accounts.index[closing]
    draft.accounts = draft.accounts.loc[~closing]
    table = draft.travel_table
    if table is None:
        return
    gone = table["account_id"].isin(closed)
    if "center_id" in table.columns and draft.config.contiguity is None:
        gone |= table["center_id"].isin(closed)
    draft.travel_table = table.loc[~gone]


def _grow(draft: Draft, growth: Growth, place: Key) -> None:
    mask = chosen(draft, growth, place)
    key = "measure" if growth.measure is not None else "measures"
    grown: dict[tuple[str, str], None] = {}
    for name in growth.columns:
        for measure in (name, *stand_ins(draft, name)):
            found = measure_columns(draft, measure)
            grown |= dict.fromkeys(found)
            if not found and measure == name:
                _flag_measure(draft, name, (*place, key))
    if mask is None:
        return
    for role, column in grown:
        values = draft.numbers(role, column)
        if values is None:
            continue
        meant = mask
        if role == "travel":
            at = draft.accounts.index.get_indexer(pd.Index(draft.frame("travel")["account_id"]))
            meant = (at >= 0) & mask[at]
        changed = np.where(meant, values * growth.factor, values)
        if role == "travel":
            draft.travel_table = draft.frame("travel").assign(**{column: changed})
        else:
            draft.accounts = draft.accounts.assign(**{column: changed})


def stand_ins(draft: Draft, measure: str) -> list[str]:
    """Return the columns that stand in for a measure in any outlook: what the measure grows by, its forecasts grow by."""
    named = [stand_in_for(draft, outlook, measure) for outlook in draft.scenario.edits.outlooks.values()]
    return list(dict.fromkeys(column for column in named if isinstance(column, str)))


def stand_in_for(draft: Draft, outlook: Mapping[str, str | float], measure: str) -> str | float | None:
    """Return what stands in for a measure in an outlook; None where nothing does. Either may use the planner's own names."""
    columns = {measure, *draft.columns_named("accounts", measure)}
    for name, stand_in in outlook.items():
        if name == measure or columns & set(draft.columns_named("accounts", name)):
            return stand_in
    return None


def measure_columns(draft: Draft, measure: str) -> list[tuple[str, str]]:
    """Return where a measure's values are: the columns of the accounts, and of the travel table, by that name."""
    if measure == "account_id":
        return []
    found = [("accounts", column) for column in draft.columns_named("accounts", measure)]
    table = draft.travel_table
    if table is not None and measure in table.columns and measure not in ("rep_id", "center_id", "account_id", "cost"):
        found.append(("travel", measure))
    return found


def _flag_measure(draft: Draft, name: str, place: Key) -> None:
    if name == "count":
        remedy = "give the measures that grow, or close accounts with [[scenario.….close]]"
        draft.flag(place, "counts accounts, which do not grow", name, "a numeric column of the accounts", remedy)
        return
    frame = draft.accounts
    numeric = [str(c) for c in frame.columns if pd.api.types.is_numeric_dtype(frame[c].dtype)]
    known = draft.column_names("accounts")
    near = difflib.get_close_matches(name, known, n=1)
    balanced = [m for m in draft.base.measures if m != "count"]
    draft.flag(place, "is not a column of the accounts", name, ", ".join(balanced or numeric) or None,
               f"did you mean {near[0]!r}?" if near else None)  # fmt: skip


# Which accounts -----------------------------------------------------------------------------------------------------


def chosen(draft: Draft, where: Where, place: Key) -> NDArray[np.bool_] | None:
    """Return which accounts are meant, shape ``(n_accounts,)``; None and findings where that cannot be said, or none is."""
    before = len(draft.findings)
    meant = np.ones(len(draft.accounts), bool)
    if where.column is not None:
        meant &= _in_segment(draft, where, place)
    if where.postal_codes is not None:
        meant &= _in_postal_codes(draft, where.postal_codes, place)
    if where.within_km is not None or where.within is not None:
        meant &= _in_area(draft, where, place)
    if len(draft.findings) > before:
        return None
    if not meant.any():
        draft.flag(place, "means no account", remedy="correct what says which accounts are meant")
        return None
    return meant


def _in_segment(draft: Draft, where: Where, place: Key) -> NDArray[np.bool_]:
    assert where.column is not None
    assert where.value is not None
    columns = draft.columns_named("accounts", where.column)
    named_id = where.column in ("account_id", draft.origin("accounts").shown.get("account_id"))
    if not columns and not named_id:
        known = draft.column_names("accounts")
        near = difflib.get_close_matches(where.column, known, n=1)
        draft.flag((*place, "column"), "is not a column of the accounts", where.column, ", ".join(known[:40]),
                   f"did you mean {near[0]!r}?" if near else None)  # fmt: skip
        return np.ones(len(draft.accounts), bool)
    cells = _text(draft.accounts[columns[0]] if not named_id else draft.accounts.index.to_series())
    meant = np.zeros(len(cells), bool)
    for value in where.value:
        wanted = number_text(pd.Series([float(value)])).iloc[0] if not isinstance(value, str) else value.strip()
        same = (cells == wanted).to_numpy(bool)
        if not same.any():
            known = [str(v) for v in cells.value_counts().index[:_SHOWN] if v != ""]
            more = cells.nunique() > len(known)
            near = difflib.get_close_matches(str(wanted), known, n=1)
            draft.flag((*place, "value"), f"is not a value of column {where.column!r}", value,
                       ", ".join(known) + (", …" if more else ""), f"did you mean {near[0]!r}?" if near else None)  # fmt: skip
        meant |= same
    return meant


def _text(cells: pd.Series[Any]) -> pd.Series[Any]:
    return number_text(cells) if pd.api.types.is_numeric_dtype(cells.dtype) else cells.astype(str).str.strip()


def _in_postal_codes(draft: Draft, prefixes: tuple[str, ...], place: Key) -> NDArray[np.bool_]:
    columns = draft.columns_named("accounts", "postal_code")
    if not columns:
        draft.flag((*place, "postal_codes"), "needs a column postal_code of the accounts, and there is none",
                   remedy='name it in the base\'s [data.columns.accounts]: postal_code = "…"')  # fmt: skip
        return np.ones(len(draft.accounts), bool)
    codes = _text(draft.accounts[columns[0]]).str.upper()
    # A spreadsheet drops the zero of 02138; where ZIP codes are read it is put back, and so here.
    american = np.ones(len(codes), bool)
    if draft.accounts.columns.isin(["country"]).any():
        american = _text(draft.accounts["country"]).str.upper().isin(["", "US", "USA"]).to_numpy(bool)
    short = american & (codes.str.fullmatch(r"\d+") & (codes.str.len() < _ZIP_DIGITS)).to_numpy(bool)
    codes = codes.mask(short, codes.str.zfill(_ZIP_DIGITS))
    meant = np.zeros(len(codes), bool)
    for prefix in prefixes:
        starts = (
            codes.str.startswith(prefix.strip().upper()).to_numpy(bool)
            if prefix.strip()
            else np.zeros(len(codes), bool)
        )
        if not starts.any():
            draft.flag((*place, "postal_codes"), "is not how any account's postal code begins", prefix,
                       remedy="write the code, or its first characters, as text")  # fmt: skip
        meant |= starts
    return meant


def _in_area(draft: Draft, where: Where, place: Key) -> NDArray[np.bool_]:
    everywhere = np.ones(len(draft.accounts), bool)
    key, other = ("within", "within_km") if draft.planar else ("within_km", "within")
    radius = where.within if draft.planar else where.within_km
    if radius is None:
        unit = "x and y are in a unit of their own" if draft.planar else "places are latitudes and longitudes"
        draft.flag((*place, other), f"cannot be measured: {unit}", getattr(where, other), key, f"write {key} = …")
        return everywhere
    centre: tuple[float, float] | None
    if where.near is not None:
        found = draft.near(where.near, (*place, "near"))
        centre = draft.place_of(*found, (*place, "near")) if found is not None else None
    else:
        given = (where.x, where.y) if draft.planar else (where.latitude, where.longitude)
        if given[0] is None or given[1] is None:
            draft.flag(
                (*place, key),
                "needs a place",
                None,
                " and ".join(draft.axes),
                f"give {draft.axes[0]} and {draft.axes[1]}",
            )
            return everywhere
        centre = given[0], given[1]
        if not draft.planar and (abs(centre[0]) > 90 or abs(centre[1]) > 180):
            draft.flag((*place, "latitude"), "is not a place", f"{centre[0]:g}, {centre[1]:g}",
                       "latitude from -90 to 90, longitude from -180 to 180")  # fmt: skip
            return everywhere
    if centre is None:
        return everywhere
    missing = np.full(len(draft.accounts), np.nan)
    first, second = (
        draft.accounts[axis].to_numpy(np.float64) if axis in draft.accounts.columns else missing for axis in draft.axes
    )
    if draft.planar:
        return np.asarray(np.hypot(first - centre[0], second - centre[1]) <= radius)
    here = np.full(len(first), centre[0]), np.full(len(first), centre[1])
    return np.asarray(haversine_km(first, second, *here) <= radius)
