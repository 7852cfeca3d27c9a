"""From a file, a frame or records to a batch of leads.

What is wrong with the whole (no readable file, no IDs, an ID twice) stops everything: nothing is routed. What is wrong
with one lead rejects that lead, with everything that is wrong with it, and the others go on.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import Finding, InputError
from territory_engine.grammar import counted
from territory_engine.leads.batch import LeadBatch
from territory_engine.leads.matching.domains import domains_of, is_free_mail
from territory_engine.leads.reading import moments
from territory_engine.leads.reading.cells import check_cells, shown_text
from territory_engine.leads.reading.columns import (
    ALWAYS,
    LEAD_ALIASES,
    LONGEST,
    LONGEST_OTHER,
    NAMES_OF_PEOPLE,
    LeadColumns,
    column_key,
    is_personal,
    own_names,
)
from territory_engine.leads.reading.content import hash_of
from territory_engine.leads.reading.countries import iso_country
from territory_engine.leads.reading.footers import without_footer
from territory_engine.leads.reading.tables import table_of_records
from territory_engine.leads.reading.values import note_values
from territory_engine.reading.columns import OWN_COLUMNS, Sheet, is_blank, sheet_of
from territory_engine.reading.identifiers import record_key
from territory_engine.reading.placement import place
from territory_engine.reading.tables import Table, read_table, table_of_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from territory_engine.leads.policy import DateOrder

_COORDINATES = ("latitude", "longitude")
_ROUNDED = r"\d(?:[.,]\d+)?[eE]\+\d{2,}"
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)


def read_leads(
    path: str | Path,
    *,
    columns: LeadColumns | None = None,
    date_order: DateOrder | None = None,
    now: dt.datetime | None = None,
    name: str | None = None,
) -> LeadBatch:
    """Read a CSV, XLSX or Parquet file of leads.

    Parameters
    ----------
    path : str or Path
    columns : mapping, optional
        Canonical name = the file's own, or several that it may be, for columns that are not recognised:
        ``{"value": "value_to_date"}``.
    date_order : "mdy" or "dmy", optional
        What comes first in dates such as ``03/04/2026``.
    now : datetime with a zone, optional
        Leads created after this moment are rejected; the present by default.
    name : str, optional
        What findings call the file; by default ``path`` as given.

    Returns
    -------
    LeadBatch

    Raises
    ------
    InputError
        The file cannot be read, has no column of IDs, or an ID is blank or there twice; every finding is listed.
    """
    return _batch_of(read_table(path, name), columns or {}, now, date_order)


def leads_of_frame(
    frame: pd.DataFrame,
    *,
    columns: LeadColumns | None = None,
    date_order: DateOrder | None = None,
    now: dt.datetime | None = None,
    name: str = "leads",
) -> LeadBatch:
    """Take a frame of leads as :func:`read_leads` takes a file; findings call its first record row 2."""
    return _batch_of(table_of_frame(frame, name), columns or {}, now, date_order)


def leads_of_records(
    records: Sequence[Mapping[str, Any]],
    *,
    columns: LeadColumns | None = None,
    date_order: DateOrder | None = None,
    now: dt.datetime | None = None,
    name: str = "leads",
) -> LeadBatch:
    """Take leads as JSON has them. In findings ``row`` counts the records from 1."""
    return _batch_of(table_of_records(records, name), columns or {}, now, date_order)


def _batch_of(table: Table, columns: LeadColumns, now: dt.datetime | None, date_order: DateOrder | None) -> LeadBatch:
    now = now or dt.datetime.now(dt.UTC)
    table = without_footer(table)
    names, missing = own_names(columns, [str(c) for c in table.frame.columns], table.file)
    sheet = sheet_of(table, names, LEAD_ALIASES, "leads")
    sheet.findings += missing
    sheet.whose = "lead"
    sheet.frame = sheet.frame.drop(columns=[c for c in OWN_COLUMNS if sheet.has(c)])
    if not sheet.has("lead_id"):
        raise InputError([*sheet.findings, _no_ids(sheet, table)])
    _name_for_company(sheet)
    ids = sheet.text("lead_id")
    _check_whole(sheet, ids)
    if sheet.findings:
        raise InputError(sheet.findings)
    found = _domain_column(sheet)
    _drop_personal(sheet)
    text = _text_columns(sheet, ids)
    text["domain"] = found
    content = dict(text)
    _check_texts(sheet, text)
    numbers = _number_columns(sheet)
    note_values(sheet, numbers["score"], numbers["value"])
    created, late = _created_at(sheet, now, date_order)
    numbers |= _place(sheet, text)
    own = {sheet.own_name(c): c for c in (*LEAD_ALIASES, *text)}
    at = np.searchsorted(sheet.rows, [f.row or 0 for f in sheet.findings])
    typed = {*numbers, "created_at"}
    unread = [
        (int(i), own.get(f.column or "", f.column or ""), f.value or "")
        for i, f in zip(at, sheet.findings, strict=True)
        if own.get(f.column or "") in typed
    ]
    given = {c: np.where(sheet.frame["location_source"] == "given", numbers[c], np.nan) for c in _COORDINATES}
    sha256 = hash_of(content, {**numbers, **given}, {"created_at": created}, unread)
    rejected: dict[int, list[Finding]] = {}
    for i, finding in zip(at, sheet.findings, strict=True):
        rejected.setdefault(int(i), []).append(finding)
    for i, finding in late:
        rejected.setdefault(i, []).append(finding)
    frame = _assembled(sheet, text, numbers, created)
    return LeadBatch(frame, sha256, {i: tuple(rejected[i]) for i in sorted(rejected)}, tuple(sheet.notices))


def _no_ids(sheet: Sheet, table: Table) -> Finding:
    listed = [shown_text(str(c), 40) for c in table.frame.columns[:41]]
    more = f" and {len(table.frame.columns) - 40:,} more" if len(listed) > 40 else ""
    return Finding(
        "has no column of lead IDs",
        sheet.file,
        column="lead_id",
        allowed=f"lead_id, or a name such as Id, Lead ID or Record ID; there are {', '.join(listed[:40])}{more}",
        remedy="name the column lead_id",
    )


def _check_whole(sheet: Sheet, ids: pd.Series[Any]) -> None:
    """Find IDs that are blank or there twice: without them nothing could be kept apart, and nothing is routed."""
    blank = is_blank(ids)
    sheet.flag(blank, "lead_id", "is blank", values=[""] * len(sheet) if blank.any() else None, allowed="a unique ID",
               remedy="give the lead an ID, or delete the row")  # fmt: skip
    keys = record_key(ids)
    repeated = keys.duplicated().to_numpy() & ~blank
    if not repeated.any():
        return
    once = ~keys.duplicated().to_numpy()
    first = dict(zip(keys[once], np.flatnonzero(once).tolist(), strict=True))
    for i in np.flatnonzero(repeated):
        earlier = first[keys.iloc[i]]
        what = f"repeats the ID of row {sheet.rows[earlier]}"
        if ids.iloc[i] != ids.iloc[earlier]:
            what = f"is the same Salesforce record as row {sheet.rows[earlier]}, written with 15 and with 18 characters"
        remedy = "merge the two leads, or delete one"
        value, own = shown_text(ids.iloc[i]), sheet.own_name("lead_id")
        sheet.findings.append(Finding(what, sheet.file, int(sheet.rows[i]), own, value, "each ID once", remedy))


def _name_for_company(sheet: Sheet) -> None:
    """Take a column ``name`` for the company's where there is no other and no sign that it is a person's."""
    name = next((c for c in sheet.frame.columns if column_key(str(c)) == "name"), None)
    if name is None:
        return
    keys = {column_key(str(c)) for c in sheet.frame.columns}
    person = bool(keys & NAMES_OF_PEOPLE)
    if not sheet.has("company") and not person and not sheet.has("email"):
        sheet.frame = sheet.frame.rename(columns={name: "company"})
        sheet.shown = {**sheet.shown, "company": str(name)}
        sheet.note(f"read column {name!r} as company, since there is no column of that name.")
        return
    sheet.frame = sheet.frame.drop(columns=[name])
    sheet.note(f"column {name!r} is not used: it may be a person's name.")


def _domain_column(sheet: Sheet) -> pd.Series[Any]:
    """Return each lead's domain: its own column's, else the e-mail's, else the website's; free mail only at last."""
    domain = np.full(len(sheet), "", object)
    for column in ("domain", "email", "website"):
        if not sheet.has(column):
            continue
        text = sheet.text(column)
        text = text.mask(is_blank(text), "")
        found, malformed = domains_of(text)
        if malformed.any():
            rows = ", ".join(str(r) for r in sheet.rows[malformed][:5])
            rows += f" and {int(malformed.sum()) - 5:,} more" if malformed.sum() > 5 else ""
            many = counted(int(malformed.sum()), "cell", "cells")
            sheet.note(f"column {sheet.own_name(column)!r}: no domain was found in {many} (row {rows}); not used.")
        free = np.array([is_free_mail(d) for d in domain], dtype=bool)
        better = np.array([d != "" and not is_free_mail(d) for d in found], dtype=bool)
        domain = np.where((domain == "") | (free & better), found, domain)
    return pd.Series(domain, index=sheet.frame.index, dtype=str)


def _drop_personal(sheet: Sheet) -> None:
    kept_names = {*LEAD_ALIASES} - {"email", "website"}
    dropped = [c for c in sheet.frame.columns if c not in kept_names and is_personal(str(c))]
    gone = [sheet.own_name(str(c)) for c in dropped if c not in ("email", "website")]
    if gone:
        sheet.note(f"not read, since they are about people: {', '.join(repr(c) for c in gone)}.")
    sheet.frame = sheet.frame.drop(columns=[*dropped, *(["domain"] if sheet.has("domain") else [])])


def _text_columns(sheet: Sheet, ids: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
    """Return every column that stays text, stripped; canonical ones blank where a database wrote ``NULL``."""
    texts: dict[str, pd.Series[Any]] = {"lead_id": ids}
    numeric = {"score", "value", "created_at", *_COORDINATES}
    for column in ALWAYS:
        if not sheet.has(column):
            texts[column] = pd.Series([""] * len(sheet), index=sheet.frame.index, dtype=str)
    for column in map(str, sheet.frame.columns):
        if column in numeric or column == "lead_id":
            continue
        text = sheet.text(column)
        texts[column] = text.mask(is_blank(text), "") if column in LEAD_ALIASES else text
    return texts


def _check_texts(sheet: Sheet, texts: dict[str, pd.Series[Any]]) -> None:
    """Find cells that cannot be accepted, and countries that do not exist; ``texts`` are safe to store afterwards."""
    lost = texts["lead_id"].str.fullmatch(_ROUNDED).to_numpy(dtype=bool)
    sheet.flag(lost, "lead_id", "is a number in scientific notation: digits of the ID are lost", allowed="the ID as text",
               remedy="format the column as text before the IDs are pasted, and export again")  # fmt: skip
    for column, text in texts.items():
        longest = LONGEST.get(column, LONGEST_OTHER)
        texts[column] = check_cells(sheet, column, text, longest, is_id=column in ("lead_id", "account_id"))
    codes, unique = pd.factorize(texts["country"])
    known = [iso_country(str(c)) for c in unique]
    if len(unique) == 0:
        return
    wrong = np.array([k is None for k in known], dtype=bool)[codes]
    sheet.flag(wrong, "country", "is no country's code", allowed="a two-letter ISO 3166 code, such as US or DE",
               remedy="correct it, or leave it blank for the United States")  # fmt: skip
    names = sorted({k for k in known if k and (len(k) != 2 or not k.isascii())})
    if names:
        listed = ", ".join(repr(shown_text(n, 40)) for n in names[:5]) + (" …" if len(names) > 5 else "")
        sheet.note(f"not known as countries, and kept as written: {listed}.")
    taken = np.array([k if k is not None else str(c) for k, c in zip(known, unique, strict=True)], dtype=object)
    texts["country"] = pd.Series(taken[codes], index=texts["country"].index, dtype=str)


def _number_columns(sheet: Sheet) -> dict[str, NDArray[np.float64]]:
    numbers = {}
    for column in ("score", "value"):
        if sheet.has(column):
            numbers[column] = _numbers(sheet, column)
            sheet.frame = sheet.frame.assign(**{column: numbers[column]})
        else:
            numbers[column] = np.full(len(sheet), np.nan)
    return numbers


def _numbers(sheet: Sheet, column: str) -> NDArray[np.float64]:
    _show_nan(sheet, column)
    before = len(sheet.findings)
    values = sheet.numbers(column, blank=None)
    _short_values(sheet, before)
    wrong = [f.row for f in sheet.findings[before:] if f.row is not None]
    return np.where(np.isin(sheet.rows, wrong), np.nan, values) if wrong else values


def _show_nan(sheet: Sheet, column: str) -> None:
    """Make ``NaN`` written as text a cell that is no number; tables of measures take it for a blank."""
    cells = sheet.frame[column]
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return
    stripped = cells.str.strip()
    written = stripped.str.lower().isin(["nan", "+nan", "-nan"]).to_numpy(dtype=bool)
    if written.any():
        sheet.frame = sheet.frame.assign(**{column: cells.mask(written, "+nan")})


def _short_values(sheet: Sheet, start: int) -> None:
    """Make what findings from ``start`` on show safe, and their remedies fit for leads."""
    for k in range(start, len(sheet.findings)):
        f = sheet.findings[k]
        value = None if f.value is None else ("NaN" if _NAN.fullmatch(f.value) else shown_text(f.value))
        remedy = f.remedy.replace(" in [data.columns]", "") if f.remedy else f.remedy
        sheet.findings[k] = Finding(f.what, f.file, f.row, f.column, value, f.allowed, remedy)


def _created_at(
    sheet: Sheet, now: dt.datetime, date_order: DateOrder | None
) -> tuple[NDArray[np.datetime64], list[tuple[int, Finding]]]:
    """Read when leads were created; also the findings for those in the future, which a later retry would not have."""
    if not sheet.has("created_at"):
        return np.full(len(sheet), np.datetime64("NaT", "us")), []
    text = sheet.text("created_at")
    read = moments.read_moments(text, date_order)
    allowed = moments.ALLOWED + (f", or {moments.ORDERS[date_order]}" if date_order is not None else "")
    own = sheet.own_name("created_at")
    for notice in read.notices:
        sheet.note(f"column {own!r} {notice}.")
    start = len(sheet.findings)
    sheet.flag(read.wrong & ~read.doubtful, "created_at", "is not a date that can be read", allowed=allowed,
               remedy="write year, month and day in this order")  # fmt: skip
    sheet.flag(read.doubtful, "created_at", "can be read with the day or with the month first", allowed=moments.ALLOWED,
               remedy=moments.SAY_WHICH)  # fmt: skip
    with np.errstate(invalid="ignore"):
        early = read.values < moments.EARLIEST
        future = read.values > moments.latest_allowed(now, read.local)
    sheet.flag(early, "created_at", "is before 1970, as failed conversions are", allowed=moments.ALLOWED,
               remedy="correct the date, or leave it blank")  # fmt: skip
    _short_values(sheet, start)
    moment = f"{now.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    late = [
        (
            int(i),
            Finding("is in the future", sheet.file, int(sheet.rows[i]), own, shown_text(text.iloc[i]), f"up to {moment}",
                    "correct the date, or the clock and time zone of the system that wrote it"),
        )
        for i in np.flatnonzero(future)
    ]  # fmt: skip
    values = np.where(early, np.datetime64("NaT", "us"), read.values)
    return values, late


def _place(sheet: Sheet, texts: dict[str, pd.Series[Any]]) -> dict[str, NDArray[np.float64]]:
    """Put leads on the map: by their coordinates, else by the postal code; an unknown code leaves a lead without place."""
    have = [c for c in _COORDINATES if sheet.has(c)]
    blank = pd.Series([""] * len(sheet), index=sheet.frame.index, dtype=str)
    if len(have) == 1:
        # One of the two is half of a place in each row that has it.
        sheet.frame = sheet.frame.assign(**{c: blank for c in _COORDINATES if c not in have})
    for column in have:
        _show_nan(sheet, column)
    given = {c: texts[c] for c in ("postal_code", "country", "state") if c in texts}
    sheet.frame = sheet.frame.assign(**given)
    start = len(sheet.findings)
    place(sheet, metric="haversine", required=False, on_unlocated="assign")
    _short_values(sheet, start)
    return {c: sheet.frame[c].to_numpy(np.float64) for c in _COORDINATES}


def _assembled(
    sheet: Sheet,
    texts: dict[str, pd.Series[Any]],
    numbers: dict[str, NDArray[np.float64]],
    created: NDArray[np.datetime64],
) -> pd.DataFrame:
    score = numbers["score"]
    columns: dict[str, Any] = {c: texts[c] for c in ("lead_id", *ALWAYS)}
    columns |= {c: numbers[c] for c in _COORDINATES}
    columns["location_source"] = sheet.frame["location_source"]
    columns["score"] = np.where(np.isnan(score), 1.0, score)
    columns["value"] = numbers["value"]
    columns["created_at"] = pd.Series(created, index=sheet.frame.index).dt.tz_localize("UTC")
    columns |= {c: t for c, t in texts.items() if c not in columns}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(sheet)))
