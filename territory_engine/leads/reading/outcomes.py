"""Outcomes from a file, as CRMs export them: their names for columns and stages, dates with or without a time of day."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.errors import Finding, InputError
from territory_engine.grammar import counted
from territory_engine.leads.reading.cells import check_cells
from territory_engine.leads.reading.columns import LEAD_ALIASES
from territory_engine.leads.reading.moments import ALLOWED as ALLOWED_MOMENT
from territory_engine.leads.reading.moments import read_moments
from territory_engine.leads.told_outcomes import ALLOWED, KINDS, ToldOutcomes
from territory_engine.ledger.records import Outcome
from territory_engine.reading.columns import Sheet, is_blank, sheet_of
from territory_engine.reading.tables import Table, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

OUTCOME_ALIASES: dict[str, tuple[str, ...]] = {
    "outcome_id": (),
    "lead_id": LEAD_ALIASES["lead_id"],
    "kind": ("outcome", "status", "lead status", "hs_lead_status", "stage", "result"),
    "at": (
        "date", "moment", "closed date", "close date", "status date", "converted date", "last modified date",
        "last modified", "updated at", "last status change",
    ),
    "value": ("amount", "deal amount", "deal value", "revenue"),
}  # fmt: skip
"""Accepted names per column of outcomes, in order of preference; case, spaces and underscores do not matter."""

KIND_ALIASES: dict[str, tuple[str, ...]] = {
    "accepted": ("accepted", "working", "in progress", "sales accepted", "open deal", "attempted to contact"),
    "contacted": ("contacted", "working - contacted", "connected", "nurturing"),
    "won": ("won", "closed won", "closed - converted", "converted", "qualified", "customer"),
    "lost": ("lost", "closed lost", "closed - not converted", "unqualified", "disqualified", "bad timing"),
    "returned": ("returned", "recycled", "sent back", "reassign"),
}
"""What Salesforce, HubSpot and people call each kind; case, spaces, hyphens and underscores do not matter."""

NOTHING_YET = ("new", "open", "assigned", "open - not contacted", "not contacted", "unread")
"""Stages of a lead of which there is nothing to tell yet: such rows are left out, and counted."""


def read_outcomes(path: str | Path, *, now: dt.datetime | None = None) -> ToldOutcomes:
    """Read a CSV, XLSX or Parquet file of outcomes.

    Parameters
    ----------
    path : str or Path
    now : datetime with a zone, optional
        Outcomes dated later are told of in a notice.

    Raises
    ------
    InputError
        The file cannot be read, or has no column for what an outcome needs. What is wrong with single rows stands in
        the answer's ``findings``.
    """
    return _outcomes_of(read_table(path), now or dt.datetime.now(dt.UTC))


def _outcomes_of(table: Table, now: dt.datetime) -> ToldOutcomes:
    sheet = sheet_of(table, {}, OUTCOME_ALIASES, "outcomes")
    absent = [name for name in ("lead_id", "kind", "at") if not sheet.has(name)]
    if absent:
        found = ", ".join(map(str, table.frame.columns[:40]))
        raise InputError(
            [*sheet.findings, *(_no_column(sheet, name, found) for name in absent)],
        )
    kind, silent = _kinds(sheet)
    sheet.frame, sheet.rows = sheet.frame[~silent].reset_index(drop=True), sheet.rows[~silent]
    kind = kind[~silent]
    lead_id = _ids(sheet, "lead_id", required=True)
    _flag_kinds(sheet, kind)
    at = _moments(sheet, now)
    value = np.full(len(sheet), np.nan)
    if sheet.has("value"):
        value = sheet.numbers("value", blank=None, minimum=None, allowed="a number, or nothing")
    own = sheet.has("outcome_id")
    outcome_id = _ids(sheet, "outcome_id", required=True) if own else [""] * len(sheet)
    outcomes, places = [], []
    for k in np.flatnonzero(~sheet.rows_with_findings()):
        moment = at[k].astype(dt.datetime).replace(tzinfo=dt.UTC)
        told = outcome_id[k] if own else derived_id(lead_id[k], kind[k], moment)
        worth = None if np.isnan(value[k]) else float(value[k])
        outcomes.append(Outcome(told, lead_id[k], kind[k], moment, worth))
        places.append(Finding("", sheet.file, int(sheet.rows[k])))
    columns = {name: sheet.own_name(name) for name in OUTCOME_ALIASES if sheet.has(name)}
    if not own:
        columns["outcome_id"] = columns["lead_id"]
    return ToldOutcomes(tuple(outcomes), tuple(places), tuple(sheet.findings), columns, tuple(sheet.notices))


def one_outcome(lead_id: str, kind: str, at: dt.datetime | None = None, value: float | None = None) -> ToldOutcomes:
    """Return a single outcome, told now unless `at` says when.

    Raises
    ------
    InputError
        There is no such kind.
    """
    known = kind_of(kind)
    if not known:
        raise InputError(Finding("is no kind of outcome", "--kind", value=kind, allowed=", ".join(KINDS)))
    at = at or dt.datetime.now(dt.UTC)
    told = Outcome(derived_id(lead_id, known, at), lead_id, known, at, value)
    columns = {"lead_id": "--lead", "outcome_id": "--lead", "kind": "--kind", "at": "--at", "value": "--value"}
    return ToldOutcomes((told,), (Finding("", None),), columns=columns)


def derived_id(lead_id: str, kind: str, at: dt.datetime) -> str:
    """Return the ID of an outcome that came without one: the same outcome has the same, however often it is told."""
    return f"{lead_id} {kind} {at.astimezone(dt.UTC).isoformat().replace('+00:00', 'Z')}"


def kind_of(text: str) -> Any:
    """Return the kind that a stage's name stands for, ``""`` where there is nothing to tell yet, None if unknown."""
    return _KIND_OF.get(_key(text))


def _key(text: str) -> str:
    return re.sub(r"[\s_\-–—]+", "", text).casefold()


_KIND_OF = {_key(name): kind for kind, names in KIND_ALIASES.items() for name in names} | {
    _key(name): "" for name in NOTHING_YET
}


def _no_column(sheet: Sheet, name: str, found: str) -> Finding:
    others = ", ".join((name, *OUTCOME_ALIASES[name]))
    return Finding(f"has no column {name!r} (found {found})", sheet.file, allowed=others, remedy="rename the column")


def _ids(sheet: Sheet, column: str, *, required: bool) -> list[str]:
    text = sheet.text(column)
    if required:
        sheet.flag(is_blank(text), column, "is blank", values=[""] * len(sheet), allowed=ALLOWED[column])
    return [str(cell) for cell in check_cells(sheet, column, text, 200, is_id=True)]


def _kinds(sheet: Sheet) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Return each row's kind (None where unknown), and which rows tell nothing yet."""
    text = [str(cell) for cell in sheet.text("kind")]
    known = np.array([kind_of(cell) for cell in text], dtype=object)
    silent = np.array([kind == "" for kind in known], bool)
    if silent.any():
        names = ", ".join(dict.fromkeys(repr(cell) for cell, quiet in zip(text, silent, strict=True) if quiet))
        sheet.note(f"{counted(int(silent.sum()), 'row')} left out, because there is no outcome yet: {names}.")
    read = [f"{c!r} as {k}" for c, k in dict.fromkeys(zip(text, known, strict=True)) if k and c.casefold() != k]
    if read:
        sheet.note(f"read {', '.join(sorted(read))}.")
    return known, silent


def _flag_kinds(sheet: Sheet, kind: NDArray[np.object_]) -> None:
    unknown = np.array([one is None for one in kind], bool)
    sheet.flag(unknown, "kind", "is no kind of outcome", values=[str(cell) for cell in sheet.text("kind")],
               allowed=", ".join(KINDS), remedy="translate the CRM's own stages before the file is sent")  # fmt: skip


def _moments(sheet: Sheet, now: dt.datetime) -> NDArray[Any]:
    text = sheet.text("at")
    read = read_moments(text)
    for notice in read.notices:
        sheet.note(f"column {sheet.own_name('at')!r} {notice}.")
    cells = [str(cell) for cell in text]
    blank = np.isnat(read.values) & ~read.wrong
    sheet.flag(blank, "at", "is blank", values=cells, allowed=ALLOWED_MOMENT)
    sheet.flag(read.wrong & read.doubtful, "at", "can be read with the day or the month first", values=cells,
               allowed=ALLOWED_MOMENT, remedy="export dates as year-month-day")  # fmt: skip
    sheet.flag(read.wrong & ~read.doubtful, "at", "is not a moment", values=cells, allowed=ALLOWED_MOMENT)
    old = read.values < np.datetime64("1990-01-01")
    sheet.flag(old, "at", "is before 1990", values=cells, allowed=ALLOWED_MOMENT)
    later = read.values > np.datetime64((now + dt.timedelta(hours=14)).astimezone(dt.UTC).replace(tzinfo=None))
    if later.any():
        sheet.note(f"{counted(int(later.sum()), 'outcome')} dated in the future; recorded as told.")
    return read.values
