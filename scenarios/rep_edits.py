"""Edits of the reps: teams merged, reps who leave, hires, and columns that change."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.config import DATED_LOCKS
from territory_engine.reading.columns import REP_ALIASES
from territory_engine.reading.identifiers import match_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scenarios.draft import Draft
    from scenarios.scenario_file import EditStep
    from scenarios.scenario_model import Merge, NewRep, RepChanges

_PLACED = ("latitude", "longitude", "x", "y", "postal_code", "country", "state")
UNKNOWN_ROW = 10**9
"""Rows from here on stand for hires whose line in the scenario file is not known."""
_SOURCE = ("location_source", "location_precision_km")
Key = tuple[str | int, ...]


def edit_reps(draft: Draft, step: EditStep) -> None:
    """Make a step's edits of the reps: merges, then who leaves, then hires, then changed columns."""
    edits, here = step.edits, ("scenario", step.scenario)
    if not (edits.merge_reps or edits.remove_reps or edits.add_reps or edits.reps):
        return
    if len(draft.base.reps) == 0:
        key = next(k for k in ("merge_reps", "remove_reps", "add_reps", "reps") if getattr(edits, k))
        draft.flag((*here, key), "needs reps, and there are none", remedy='add reps = "…" to the base\'s [data]')
        return
    for i, merge in enumerate(edits.merge_reps):
        _merge(draft, merge, (*here, "merge_reps", i))
    _remove(draft, edits.remove_reps, (*here, "remove_reps"))
    for i, new in enumerate(edits.add_reps):
        _add(draft, new, (*here, "add_reps", i))
    for name, changes in edits.reps.items():
        _change(draft, name, changes, (*here, "reps", name))
    if len(draft.reps) == 0:
        draft.flag(here, "leaves no reps", remedy="keep at least one, or add one")


# Who leaves ---------------------------------------------------------------------------------------------------------


def _remove(draft: Draft, names: tuple[str, ...], place: Key) -> None:
    leaving = [str(draft.reps.index[at]) for at in draft.find_all("reps", names, place)]
    repeated = [name for name in dict.fromkeys(leaving) if leaving.count(name) > 1]
    for name in repeated:
        draft.flag(place, "is named twice", name, remedy="name it once")
    _take_out(draft, dict.fromkeys(leaving, ""))


def _take_out(draft: Draft, into: Mapping[str, str]) -> None:
    leaving = draft.reps.index.isin(list(into))
    draft.left = pd.concat([draft.left.loc[~draft.left.index.isin(list(into))], draft.reps.loc[leaving]])
    draft.reps = draft.reps.loc[~leaving]
    draft.gone |= into


def _merge(draft: Draft, merge: Merge, place: Key) -> None:
    into = draft.find("reps", merge.into, (*place, "into"))
    others = [at for name in merge.from_ if (at := draft.find("reps", name, (*place, "from"))) is not None]
    if into is None or len(others) < len(merge.from_):
        return
    team = [into, *others]
    name = str(draft.reps.index[into])
    changes: dict[str, Any] = {}
    for column, _ in summed_columns(draft):
        for each in draft.columns_named("reps", column):
            values = draft.numbers("reps", each)
            if values is not None:
                changes[each] = np.where(np.arange(len(values)) == into, values[team].sum(), values)
    rule = draft.config.eligibility
    if rule is not None and rule.reps_column is not None:
        for each in draft.columns_named("reps", rule.reps_column):
            cells = draft.reps[each].astype(str).to_list()
            served = dict.fromkeys(part.strip() for at in team for part in cells[at].split(";") if part.strip())
            changes[each] = pd.Series(
                [";".join(served) if i == into else cell for i, cell in enumerate(cells)],
                index=draft.reps.index, dtype=str,
            )  # fmt: skip
    draft.reps = draft.reps.assign(**changes)
    leaving = {str(draft.reps.index[at]): name for at in others}
    for column in referring_columns(draft):
        for each in draft.columns_named("accounts", column):
            named = draft.accounts[each]
            if not pd.api.types.is_numeric_dtype(named.dtype):
                draft.accounts = draft.accounts.assign(**{each: named.replace(leaving)})
    _take_out(draft, leaving)


def summed_columns(draft: Draft) -> list[tuple[str, str]]:
    """Return the reps' columns that rules count in, with the key that names them: shares, and limits given by name."""
    named = [
        (value, f"balance.{rule.measure}.{key}")
        for rule in draft.config.balance
        for key, value in (("share", rule.share), ("min", rule.min), ("max", rule.max))
        if isinstance(value, str)
    ]
    return list(dict(reversed(named)).items())[::-1]


def referring_columns(draft: Draft) -> list[str]:
    """Return the accounts' columns that name reps: today's owner, and locks."""
    config = draft.config
    columns = [config.disruption.current] if config.disruption is not None else []
    return list(dict.fromkeys([*columns, *([config.locks.column] if config.locks is not None else [])]))


def settle(draft: Draft) -> None:
    """Take out what refers to reps who left: their rows of the travel table, and locks to them, which is said."""
    table = draft.travel_table
    if table is not None and "rep_id" in table.columns and draft.gone:
        draft.travel_table = table.loc[~table["rep_id"].isin(set(draft.gone) - set(draft.reps.index))]
    if not draft.gone:
        return
    left = [name for name in draft.gone if name not in draft.reps.index]
    freed = np.zeros(len(draft.accounts), bool)
    for column in _locks(draft):
        cells = draft.accounts[column]
        if pd.api.types.is_numeric_dtype(cells.dtype):
            continue
        mine = cells.str.strip().isin(left)
        freed |= mine.to_numpy(bool)
        draft.accounts = draft.accounts.assign(**{column: cells.mask(mine, "")})
    if freed.any():
        who = ", ".join(left)
        amount = int(freed.sum())
        accounts = "1 account was locked" if amount == 1 else f"{amount:,} accounts were locked"
        draft.notices.append(f"{accounts} to a rep who leaves ({who}), and may now go to any.")


def _locks(draft: Draft) -> list[str]:
    """Return the accounts' columns with locks: those that hold for good, and all where some hold until a date."""
    config, before = draft.config, draft.base.config.locks
    own = [] if config.locks is None else draft.columns_named("accounts", config.locks.column)
    dated = before is not None and before.own is not None
    until = dated and config.disruption is not None and config.disruption.locked_until is not None
    return [*own, *([DATED_LOCKS] if until else [])]


# Who comes ----------------------------------------------------------------------------------------------------------


def _add(draft: Draft, new: NewRep, place: Key) -> None:
    if new.rep_id.strip() != new.rep_id:
        draft.flag((*place, "rep_id"), "has spaces around it", new.rep_id, remedy="take them out")
        return
    if new.rep_id in draft.reps.index:
        draft.flag((*place, "rep_id"), "is the ID of a rep already", new.rep_id, "a new ID",
                   f"choose another, or change the rep's columns in [scenario.….reps.{new.rep_id}]")  # fmt: skip
        return
    row: dict[str, Any] = {}
    if new.like is not None:
        known = draft.known_reps()
        if new.like not in known.index and draft.find("reps", new.like, (*place, "like")) is None:
            return
        at = int(match_ids(pd.Series([new.like], dtype=str), pd.Index(known.index))[0])
        row = {str(c): known[c].iloc[at] for c in known.columns}
        row = {column: value for column, value in row.items() if column not in (*_PLACED, *_SOURCE, "name")}
    home = _home(draft, new, place)
    columns = _columns(draft, new.columns, place)
    if home is None or columns is None:
        return
    _add_row(draft, new.rep_id, {**row, **home, **columns})
    draft.rep_rows[new.rep_id] = -(draft.row(place) or UNKNOWN_ROW + len(draft.rep_rows))
    draft.gone.pop(new.rep_id, None)
    _need_columns(draft, new, {*row, *columns}, place)
    _give_travel(draft, new, place)


def _home(draft: Draft, given: NewRep | RepChanges, place: Key) -> dict[str, Any] | None:
    """Return the columns of a home that ``near`` names; empty where it names none."""
    if given.near is None:
        return {}
    if any(column in given.columns for column in _PLACED if column in ("postal_code", *draft.axes)):
        draft.flag((*place, "near"), "stands beside another place", remedy="give one of the two")
        return None
    found = draft.near(given.near, (*place, "near"))
    if found is None:
        return None
    measured = draft.config.travel.table is None and draft.config.territories.centers == "reps"
    if measured and draft.place_of(*found, (*place, "near")) is None:
        return None
    return draft.home_of(*found, (*draft.axes, "postal_code", "country", "state", *_SOURCE))


def _columns(draft: Draft, given: Mapping[str, Any], place: Key) -> dict[str, Any] | None:
    """Return the values of the reps' columns that are given, under the frame's names; None and findings where wrong."""
    row: dict[str, Any] = {}
    wrong = False
    for name, value in given.items():
        if name in ("rep_id", *draft.origin("reps").shown.values()) and draft.columns_named("reps", name) == []:
            draft.flag((*place, name), "is the rep's ID: name the table by it", value)
            wrong = True
            continue
        columns = draft.columns_named("reps", name)
        if not columns and name in REP_ALIASES:
            columns = [name]
        if not columns or name in _SOURCE:
            known = draft.column_names("reps")
            near = difflib.get_close_matches(name, [*known, *REP_ALIASES, "like", "near"], n=1)
            draft.flag((*place, name), "is not a column of the reps", None, ", ".join(known),
                       f"did you mean {near[0]!r}?" if near else "remove it, or add the column to the reps file")  # fmt: skip
            wrong = True
            continue
        row |= dict.fromkeys(columns, value)
    if row.keys() & {"latitude", "longitude"} or row.keys() & {"x", "y"}:
        row |= {"location_source": "given", "location_precision_km": 0.0}
    return None if wrong else row


def _need_columns(draft: Draft, new: NewRep, given: set[str], place: Key) -> None:
    """Find columns that rules need of a rep, and the hire has not."""
    needed = summed_columns(draft)
    rule = draft.config.eligibility
    if rule is not None and rule.reps_column is not None:
        needed.append((rule.reps_column, "eligibility.reps_column"))
    for column, key in needed:
        columns = draft.columns_named("reps", column)
        if columns and not given & set(columns):
            draft.flag(place, f"has no {column}, which {key} needs of every rep", new.rep_id,
                       remedy=f"give {column} = …, or copy another rep's columns with like = \"…\"")  # fmt: skip


def _add_row(draft: Draft, name: str, row: Mapping[str, Any]) -> None:
    reps = draft.reps
    reps = pd.concat([reps, pd.DataFrame(index=pd.Index([name], dtype=str, name=reps.index.name))])
    reps.index.name = draft.reps.index.name
    blank = {
        str(c): reps[c].where(reps.index != name, "").astype(str)
        for c in reps.columns
        if not pd.api.types.is_numeric_dtype(draft.reps[c].dtype)
    }
    draft.reps = reps.assign(**blank)
    _write(draft, name, row)


def _write(draft: Draft, name: str, row: Mapping[str, Any]) -> None:
    """Write values into a rep's columns, which stay numbers or text as they are as far as the values allow."""
    here = draft.reps.index == name
    written: dict[str, Any] = {}
    for column, value in row.items():
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        cells: Any
        if column not in draft.reps.columns:
            cells = pd.Series(np.nan if number else "", index=draft.reps.index, dtype=None if number else str)
        else:
            cells = draft.reps[column]
        if number and not pd.api.types.is_numeric_dtype(cells.dtype):
            cells = _as_numbers(draft, column, cells)
        if not number and pd.api.types.is_numeric_dtype(cells.dtype):
            cells = pd.Series(
                ["" if np.isnan(v) else repr(float(v)).removesuffix(".0") for v in cells], cells.index, dtype=str
            )
        if pd.api.types.is_numeric_dtype(cells.dtype):
            written[column] = np.where(here, np.float64(value), cells.to_numpy(np.float64))
        else:
            shown = repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
            written[column] = cells.mask(here, shown).astype(str)
    draft.reps = draft.reps.assign(**written)


def _as_numbers(draft: Draft, column: str, cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of text as numbers if that is what all its filled cells are, else as it is."""
    from territory_engine.reading.numeric import read_numbers

    origin = draft.origin("reps")
    read = read_numbers(cells, decimal_comma=origin.decimal_comma, file_style=origin.style)  # type: ignore[arg-type]  # an origin keeps the same words as text
    codes = column in ("rep_id", "name", "postal_code", "country", "state")
    return cells if codes or read.wrong.any() else pd.Series(read.values, cells.index)


def _give_travel(draft: Draft, new: NewRep, place: Key) -> None:
    """Give a hire rows of the travel table: those of the rep whose place it has."""
    table = draft.travel_table
    if table is None or draft.config.travel.table is None or "rep_id" not in table.columns:
        return
    found = draft.near(new.near, (*place, "near")) if new.near is not None else None
    if found is None or found[0] != "reps":
        draft.flag(place, f"has no rows in the travel table {draft.config.travel.table}", new.rep_id,
                   remedy='give near = "…", a rep from whose place the hire travels, or plan with a table that has the hire'
                   " from a file of its own")  # fmt: skip
        return
    rows = table.loc[table["rep_id"] == found[1]].assign(rep_id=new.rep_id)
    others = table.loc[table["rep_id"] != new.rep_id]
    draft.travel_table = pd.concat([others, rows.set_axis(np.full(len(rows), -1))])


# Who changes --------------------------------------------------------------------------------------------------------


def _change(draft: Draft, name: str, changes: RepChanges, place: Key) -> None:
    at = draft.find("reps", name, place)
    home = _home(draft, changes, place) if at is not None else None
    columns = _columns(draft, changes.columns, place)
    if at is None or home is None or columns is None:
        return
    moved = "postal_code" in columns and not any(axis in columns for axis in draft.axes)
    if moved and not draft.planar:
        # The home is where the new code is, not where the old coordinates were.
        columns |= {"latitude": np.nan, "longitude": np.nan, "location_source": "none", "location_precision_km": np.nan}
    _write(draft, str(draft.reps.index[at]), {**home, **columns})
