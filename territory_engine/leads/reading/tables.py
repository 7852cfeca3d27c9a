"""Leads as JSON has them, as a table like any other."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import Finding, InputError
from territory_engine.leads.reading.cells import shown_text
from territory_engine.reading.tables import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def table_of_records(records: Sequence[Mapping[str, Any]], name: str) -> Table:
    """Return records as a table of text, whose rows count from 1.

    Raises
    ------
    InputError
        A record is no object, or a field holds a list or an object; every one is listed.
    """
    findings: list[Finding] = []
    fields: dict[str, None] = {}
    for row, record in enumerate(records, start=1):
        if hasattr(record, "keys"):
            fields.update(dict.fromkeys(map(str, record)))
        else:
            what = "is not an object with fields"
            findings.append(Finding(what, name, row, value=shown_text(repr(record)), allowed='{"lead_id": "…", …}'))
    if findings:
        raise InputError(findings)
    columns: dict[str, Any] = {}
    for field in fields or {"lead_id": None}:
        cells = [_as_text(record.get(field)) for record in records]
        for row, cell in enumerate(cells, start=1):
            if cell is None:
                what, value = "is not text, a number or a truth value", shown_text(repr(records[row - 1].get(field)))
                findings.append(
                    Finding(what, name, row, field, value, "one value", "send lists as text with semicolons")
                )
        columns[field] = _storable([cell or "" for cell in cells])
    if findings:
        raise InputError(findings)
    frame = pd.DataFrame({field: pd.Series(cells, dtype=str) for field, cells in columns.items()})
    frame.index = pd.RangeIndex(len(records))
    return Table(name, frame, np.arange(1, len(records) + 1, dtype=np.int64), sha256="")


def _as_text(value: Any) -> str | None:
    """Return a field as a file would have it; None for what is no single value."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    return None


def _storable(cells: list[str]) -> list[str]:
    """Return text that can be encoded: halves of characters, which JSON's escapes can make, are replaced."""
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return [cell.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for cell in cells]
    return cells
