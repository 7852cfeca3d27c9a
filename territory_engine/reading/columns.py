"""Canonical columns: what the planner's file calls an ID, a place or a measure, and what the engine calls it.

A :class:`Sheet` is a table whose columns have meanings; it collects every finding under the planner's own names.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import Finding
from territory_engine.reading.numeric import Style, is_date, read_numbers, style_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from territory_engine.reading.tables import Table

ACCOUNT_ALIASES: dict[str, tuple[str, ...]] = {
    "account_id": ("id", "account id", "accountid", "record id", "hs_object_id", "case safe id"),
    "name": ("account name", "company name"),
    "latitude": ("lat", "billinglatitude", "billing latitude"),
    "longitude": ("lon", "lng", "long", "billinglongitude", "billing longitude"),
    "postal_code": (
        "zip", "zip code", "zipcode", "postcode", "postal code", "billingpostalcode", "billing zip/postal code",
        "billing zip", "billing postal code",
    ),
    "country": ("billingcountrycode", "billingcountry", "billing country", "country code", "country/region"),
    "state": ("billingstatecode", "billingstate", "billing state/province", "billing state", "state/region"),
    "parent_id": ("parentid", "parent account id"),
    "owner": ("ownerid", "owner id", "hubspot_owner_id"),
    "x": (),
    "y": (),
}  # fmt: skip
"""Accepted names per canonical accounts column, in order of preference; case, spaces and underscores do not matter."""

REP_ALIASES: dict[str, tuple[str, ...]] = {
    "rep_id": ("id", "rep id", "repid", "user id", "userid"),
    "name": ("rep name", "full name"),
    "latitude": ("home_latitude", "lat", "home_lat"),
    "longitude": ("home_longitude", "lon", "lng", "long", "home_lon", "home_lng"),
    "postal_code": ("home_postal_code", "home_zip", "zip", "zip code", "zipcode", "postcode", "postalcode"),
    "country": ("home_country", "country code"),
    "state": ("home_state",),
    "x": ("home_x",),
    "y": ("home_y",),
}
"""As :data:`ACCOUNT_ALIASES`, for reps."""

TRAVEL_ALIASES: dict[str, tuple[str, ...]] = {
    "rep_id": ("rep id", "repid"),
    "center_id": ("center id", "centerid", "centre id", "centre_id"),
    "account_id": ("account id", "accountid"),
    "cost": (),
}
"""As :data:`ACCOUNT_ALIASES`, for the travel table."""

PAIR_ALIASES: dict[str, tuple[str, ...]] = {"unit_a": (), "unit_b": ()}
"""As :data:`ACCOUNT_ALIASES`, for a list of neighbouring units."""


OWN_COLUMNS = frozenset({"location_source", "location_precision_km"})
"""What placing accounts and reps adds to their columns."""

LARGEST = 1e15
"""Numbers beyond this leave no room for their sums in a double's 16 digits."""


@dataclass(eq=False)
class Sheet:
    """A table under validation.

    Attributes
    ----------
    file : str
    frame : DataFrame, RangeIndex
        Canonical names and the planner's own.
    rows : ndarray of int64, shape (n_records,)
        Spreadsheet row of each record.
    shown : dict of str to str
        The planner's own name for each column that was renamed.
    decimal_comma : bool
    style : Style
        How the file's numbers are written, as far as its unambiguous columns show it.
    findings : list of Finding
    notices : list of str
    whose : str
        What a record is, where its ID column does not say so: ``"lead"``.
    """

    file: str
    frame: pd.DataFrame
    rows: NDArray[np.int64]
    shown: dict[str, str]
    decimal_comma: bool = False
    style: Style = "plain"
    findings: list[Finding] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    whose: str = ""

    def __len__(self) -> int:
        return len(self.frame)

    def has(self, column: str) -> bool:
        """Whether the sheet has a column of this name."""
        return column in self.frame.columns

    def own_name(self, column: str) -> str:
        """Return the planner's own name of a column."""
        return self.shown.get(column, column)

    def note(self, notice: str) -> None:
        """Tell the planner something about the file that is no error."""
        self.notices.append(f"{self.file}: {notice}")

    def rows_with_findings(self) -> NDArray[np.bool_]:
        """Return which records have a finding already."""
        rows = [f.row for f in self.findings if f.row is not None]
        return np.isin(self.rows, rows) if rows else np.zeros(len(self), bool)

    def flag(
        self,
        mask: NDArray[np.bool_],
        column: str | None,
        what: str,
        *,
        values: Iterable[Any] | None = None,
        allowed: str | None = None,
        remedy: str | None = None,
    ) -> None:
        """Add a finding for each record where ``mask`` holds.

        ``values`` (one per record of the sheet) are shown instead of the column's own.
        """
        at = np.flatnonzero(mask)
        if len(at) == 0:
            return
        own = self.own_name(column) if column is not None else None
        shown: list[str | None] = [None] * len(at)
        if values is not None:
            shown = [str(v) for v in np.asarray(values, dtype=object)[at]]
        elif column is not None:
            shown = [_cell(v) for v in self.frame[column].iloc[at]]
        self.findings.extend(
            Finding(what, self.file, int(row), own, value, allowed, remedy)
            for row, value in zip(self.rows[at], shown, strict=True)
        )

    def text(self, column: str) -> pd.Series[Any]:
        """Return a column as stripped text, "" where blank."""
        values = self.frame[column]
        if pd.api.types.is_numeric_dtype(values.dtype):
            return number_text(values)
        return values.str.strip()

    def numbers(
        self, column: str, *, blank: str | None, minimum: float | None = 0.0, allowed: str = "a number, 0 or more"
    ) -> NDArray[np.float64]:
        """Read a column as finite numbers and add a finding for each cell that is none.

        Parameters
        ----------
        column : str
        blank : str or None
            How to mend a blank cell, which is then a finding; None where blanks are fine.
        minimum : float or None
            The least value allowed.
        allowed : str
            What findings say is allowed.

        Returns
        -------
        ndarray of float64, shape (n_records,)
            NaN where blank or wrong.
        """
        read = read_numbers(self.frame[column], decimal_comma=self.decimal_comma, file_style=self.style)
        if read.style in ("point", "comma"):
            what = "a comma between thousands" if read.style == "point" else "a decimal comma"
            self.note(f"column {self.own_name(column)!r} was read with {what}.")
        if read.wrong.any():
            self._flag_wrong(column, read.wrong, read.style, allowed)
        if blank is not None:
            self.flag(read.blank, column, "is blank", values=[""] * len(self) if read.blank.any() else None,
                      allowed=allowed, remedy=blank)  # fmt: skip
        huge = np.greater(np.abs(read.values), LARGEST, where=~np.isnan(read.values), out=np.zeros(len(self), bool))
        self.flag(
            huge, column, "is too large to add up exactly", allowed=f"at most {LARGEST:g}", remedy="use a larger unit"
        )
        if minimum is not None:
            below = np.less(read.values, minimum, where=~np.isnan(read.values), out=np.zeros(len(self), bool))
            what = "is negative" if minimum == 0 else f"is under {minimum:g}"
            self.flag(
                below, column, what, allowed=allowed, remedy="correct it, or set it to 0" if minimum == 0 else None
            )
        return read.values

    def _flag_wrong(self, column: str, wrong: NDArray[np.bool_], style: Style, allowed: str) -> None:
        cells = [_cell(v) for v in self.frame[column]]
        dates = np.array([w and is_date(c) for c, w in zip(cells, wrong, strict=True)])
        infinite = np.array(
            [w and c.lstrip("+-").lower() in ("inf", "infinity") for c, w in zip(cells, wrong, strict=True)]
        )
        doubtful = np.array(
            [w and style == "ambiguous" and any(x in c for x in ",.") for c, w in zip(cells, wrong, strict=True)]
        )
        doubtful &= ~dates
        self.flag(
            dates, column, "is a date, not a number", allowed=allowed, remedy="check that the column is the right one"
        )
        self.flag(infinite, column, "is infinite", allowed=allowed)
        self.flag(
            doubtful, column, "can be read with a decimal comma or with commas between thousands",
            allowed=allowed, remedy="write the column's numbers without separators between thousands",
        )  # fmt: skip
        rest = wrong & ~dates & ~infinite & ~doubtful
        self.flag(rest, column, "is not a number", allowed=allowed, remedy="write digits only, without units")


def sheet_of(table: Table, names: Mapping[str, str], aliases: Mapping[str, tuple[str, ...]], section: str) -> Sheet:
    """Give a table's columns their canonical names.

    Parameters
    ----------
    table : Table
    names : mapping
        The configuration's own: canonical name = the file's name.
    aliases : mapping
        Names that are recognised without being configured.
    section : str
        Where ``names`` stands in the configuration, for findings.

    Returns
    -------
    Sheet
        With findings for configured columns that do not exist.
    """
    sheet = Sheet(
        table.file, table.frame, table.rows, {}, table.decimal_comma,
        findings=list(table.findings), notices=list(table.notices),
    )  # fmt: skip
    if table.style is not None:
        sheet.style = table.style
    elif table.decimal_comma:
        sheet.style = style_of_file(
            table.frame[c] for c in table.frame.columns if not pd.api.types.is_numeric_dtype(table.frame[c].dtype)
        )
    columns = [str(c) for c in table.frame.columns]
    renamed: dict[str, str] = {}
    for canonical, own in names.items():
        if own in columns:
            renamed[own] = canonical
        else:
            sheet.findings.append(missing_column(own, columns, table.file, f"[data.columns.{section}] {canonical}"))
    taken = {c for c in columns if c not in renamed} | set(renamed.values())
    keys = {_key(c): c for c in reversed(columns) if c not in renamed}
    recognised = []
    for canonical, others in aliases.items():
        if canonical in taken or canonical in names:
            continue
        alias = next((keys[_key(a)] for a in (canonical, *others) if _key(a) in keys), None)
        if alias is not None and alias not in renamed:
            renamed[alias] = canonical
            recognised.append(f"{alias!r} as {canonical}")
    if recognised:
        sheet.note(f"read column {', '.join(recognised)}.")
    # A column of the file that already has the name another one is mapped to steps aside, but stays.
    aside = {c: f"{c} (as in file)" for c in columns if c in renamed.values() and c not in renamed}
    for own, other in aside.items():
        sheet.note(f"column {own!r} is kept as {other!r}, because the configuration maps another one to that name.")
    sheet.frame = table.frame.rename(columns={**renamed, **aside})
    sheet.shown = {canonical: own for own, canonical in renamed.items()} | {v: k for k, v in aside.items()}
    return sheet


def find_column(sheet: Sheet, name: str, setting: str) -> bool:
    """Make sure that the sheet has the column a setting names, as canonical name or as the file's own.

    Returns
    -------
    bool
        Whether it exists; a finding is added where it does not.
    """
    if sheet.has(name):
        return True
    for canonical, own in sheet.shown.items():
        if own == name:
            sheet.frame = sheet.frame.assign(**{name: sheet.frame[canonical]})
            return True
    columns = [
        *(c for c in sheet.frame.columns if c not in OWN_COLUMNS),
        *(own for own in sheet.shown.values() if own not in sheet.frame.columns),
    ]
    sheet.findings.append(missing_column(name, columns, sheet.file, setting))
    return False


def find_for_rule(sheet: Sheet, column: str, setting: str) -> bool:
    """Find a configured column; the ID column is refused, since it is the index of the frames that rules read."""
    if column in ("account_id", "rep_id") and sheet.has(column):
        what = f"{setting} names the ID column"
        remedy = f"add a copy of the column under another name and use that for {setting}"
        sheet.findings.append(ConfigFinding(what, sheet.file, column=sheet.own_name(column), remedy=remedy))
        return False
    return find_column(sheet, column, setting)


class ConfigFinding(Finding):
    """A mistake in the configuration rather than in a file: a column that is not there, a count that does not fit."""


def missing_column(name: str, columns: list[str], file: str, setting: str) -> Finding:
    """Return the finding for a column that is not there, with the nearest that is."""
    by_key = {_key(c): c for c in columns}
    near = difflib.get_close_matches(_key(name), by_key, n=1, cutoff=0.6)
    listed = ", ".join(columns[:40]) + (f" and {len(columns) - 40} more" if len(columns) > 40 else "")
    remedy = f"did you mean {by_key[near[0]]!r}?" if near else f"correct {setting}, or add the column"
    return ConfigFinding(f"has no column {name!r}, which {setting} names", file=file, allowed=listed, remedy=remedy)


def number_text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers as the text of an ID: ``123``, not ``123.0``; "" where NaN."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = values.to_numpy()
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (np.abs(array) < 2**53) & (array == np.trunc(array))
        if (whole | np.isnan(array)).all():
            integers = pa.array(np.where(whole, array, 0).astype(np.int64), mask=~whole)
            text = pc.fill_null(integers.cast(pa.string()), "")
        else:
            return pd.Series(
                [str(int(v)) if w else ("" if np.isnan(v) else str(v)) for v, w in zip(array, whole, strict=True)],
                index=values.index,
                dtype=str,
            )
    else:
        text = pa.array(array).cast(pa.string())
    return pd.Series(text.to_pandas().to_numpy(), index=values.index, dtype=str)


def is_blank(text: pd.Series[Any]) -> NDArray[np.bool_]:
    """Whether each cell of stripped text is blank; a database's ``NULL`` and ``NaN`` count, ``NA`` (a region) does not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lower = pc.utf8_lower(pa.array(text, pa.large_string(), from_pandas=True))
    blank = pc.is_in(lower, value_set=pa.array(["", "nan", "null", "none", "#n/a"], pa.large_string()))
    return np.asarray(pc.or_(blank, pc.is_null(lower)).to_numpy(zero_copy_only=False), dtype=bool)


def _key(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()


def _cell(value: Any) -> str:
    """Return a cell for a message; whole floats as people write them."""
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() else str(float(value))
    return str(value)
