"""Moments as systems write them: ISO 8601, with or without an offset; others only where they cannot be misread."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALLOWED = "an ISO 8601 date or moment, such as 2026-11-02 or 2026-11-02T09:15:00Z"

ORDERS = {
    "mdy": 'month/day/year, as date_order = "mdy" in the policy says',
    "dmy": 'day/month/year, as date_order = "dmy" in the policy says',
}
"""What else is allowed where it is said which of the two comes first."""

SAY_WHICH = (
    'say date_order = "mdy" (month first) or date_order = "dmy" (day first) in the policy, or write year, month and day in'
    " this order"
)

EARLIEST = np.datetime64("1970-01-01", "us")
"""What is older is a failed conversion, not a lead."""

CLOCK_SKEW = dt.timedelta(minutes=10)
"""How far ahead of ours another system's clock may be."""

FARTHEST_ZONE = dt.timedelta(hours=14)
"""A moment without an offset may be local time, which is at most this far ahead of UTC."""

_ISO = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s?(Z|z|[+-]\d{2}(:?\d{2})?)?)?"
_OFFSET = r"(?:[Zz]|[+-]\d{2}:?\d{2}|:\d{2}[.,\d]*\s?[+-]\d{2})$"
_TIME = r"(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?\s?([AaPp][Mm])?)?"
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _TIME)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})" + _TIME)


@dataclass(frozen=True, eq=False)
class Moments:
    """A column read as moments. All arrays have shape ``(n_records,)``.

    Attributes
    ----------
    values : ndarray of datetime64[us]
        UTC; NaT where blank or wrong. A date alone is its midnight; what has no offset is taken for UTC.
    local : ndarray of bool
        Written without an offset, so that it may be local time.
    wrong : ndarray of bool
        Neither blank nor readable.
    doubtful : ndarray of bool
        Wrong because day and month could be either way round.
    notices : tuple of str
    """

    values: NDArray[np.datetime64]
    local: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]
    notices: tuple[str, ...] = ()


def read_moments(text: pd.Series[Any], date_order: str | None = None) -> Moments:
    """Read a column of stripped text as moments.

    Parameters
    ----------
    text : Series of str
    date_order : "mdy" or "dmy", optional
        What comes first in dates with slashes or hyphens whose year comes last; a date that cannot be read so is wrong.

    ``03/04/2026`` is a day in March in one country and in April in another: it is read only where another cell of the
    same column shows which, and no cell shows the opposite. Dots (``3.4.2026``) put the day first everywhere.
    """
    n = len(text)
    values = np.full(n, np.datetime64("NaT", "us"))
    blank = text.str.lower().isin(["", "nan", "nat", "null", "none", "#n/a"]).to_numpy(dtype=bool)
    iso = ~blank & text.str.fullmatch(_ISO).to_numpy(dtype=bool)
    local = np.zeros(n, bool)
    if iso.any():
        written = text[iso].str.replace(",", ".", regex=False)
        read = pd.to_datetime(written, format="ISO8601", utc=True, errors="coerce")
        values[iso] = read.dt.tz_convert(None).to_numpy().astype("datetime64[us]")
        local[iso] = ~written.str.contains(_OFFSET, regex=True).to_numpy(dtype=bool)
    doubtful = np.zeros(n, bool)
    notices: tuple[str, ...] = ()
    other = np.flatnonzero(~blank & ~iso)
    if len(other):
        codes, cells = pd.factorize(text.iloc[other])
        read_cells, doubts, notices = _read_others([str(c) for c in cells], date_order)
        values[other] = read_cells[codes]
        doubtful[other] = doubts[codes]
        local[other] = True
    return Moments(values, local, ~blank & np.isnat(values), doubtful, notices)


def latest_allowed(now: dt.datetime, local: NDArray[np.bool_]) -> NDArray[np.datetime64]:
    """Return the latest moment that a lead may have been created at, as known at ``now``."""
    moment = np.datetime64(now.astimezone(dt.UTC).replace(tzinfo=None), "us")
    return np.where(local, moment + np.timedelta64(FARTHEST_ZONE), moment + np.timedelta64(CLOCK_SKEW))


def _read_others(
    cells: list[str], date_order: str | None
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_], tuple[str, ...]]:
    """Read distinct cells that are not ISO 8601: values, which are doubtful, and how the column was read."""
    values = np.full(len(cells), np.datetime64("NaT", "us"))
    doubtful = np.zeros(len(cells), bool)
    last = {i: found for i, cell in enumerate(cells) if (found := _YEAR_LAST.fullmatch(cell))}
    slashed = [(int(m[1]), int(m[3])) for m in last.values() if m[2] != "."]
    day_first = any(a > 12 >= b for a, b in slashed)
    month_first = any(b > 12 >= a for a, b in slashed)
    guessed = False
    for i, cell in enumerate(cells):
        if i in last:
            found = last[i]
            first, second = int(found[1]), int(found[3])
            if date_order is not None and found[2] != ".":
                day, month = (first, second) if date_order == "dmy" else (second, first)
                values[i] = _moment(int(found[4]), month, day, found.groups()[4:])
                continue
            if found[2] == "." or first > 12 or (day_first and not month_first):
                day, month = first, second
            elif second > 12 or first == second or (month_first and not day_first):
                day, month = second, first
            else:
                doubtful[i] = True
                continue
            guessed |= found[2] != "." and max(first, second) <= 12 and first != second
            values[i] = _moment(int(found[4]), month, day, found.groups()[4:])
        elif year := _YEAR_FIRST.fullmatch(cell):
            values[i] = _moment(int(year[1]), int(year[2]), int(year[3]), year.groups()[3:])
    order, setting = ("day before month", "dmy") if day_first else ("month before day", "mdy")
    told = f'was read with the {order}, as others of its cells show (date_order = "{setting}" in the policy says so always)'
    return values, doubtful, (told,) if guessed else ()


def _moment(year: int, month: int, day: int, clock: tuple[str | None, ...]) -> np.datetime64:
    hour, minute, second, half = clock
    h = int(hour or 0)
    if half:
        if not 1 <= h <= 12:
            return np.datetime64("NaT", "us")
        h = h % 12 + (12 if half.lower() == "pm" else 0)
    try:
        return np.datetime64(dt.datetime(year, month, day, h, int(minute or 0), int(second or 0)), "us")  # noqa: DTZ001  # NumPy's moments have no zone; this is UTC
    except ValueError:
        return np.datetime64("NaT", "us")
