"""IDs: unique, whole, and the same record wherever they are written.

A spreadsheet does three things to IDs: it drops leading zeros, turns ``3-12`` into a date, and long digits into
``1.2E+11``. Salesforce writes the same record with 15 characters in reports and 18 elsewhere. Each is found here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import Finding
from territory_engine.reading.columns import Sheet, is_blank
from territory_engine.reading.numeric import is_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

_CONTROL = "[\x00-\x1f\x7f]"
_CONTROL_BUT_BREAKS = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d{2,}")
_DATE_LIKE_ID = re.compile(r"\d{1,4}[-/.]\d{1,4}(?:[-/.]\d{1,4})?")
_LIKE_A_MONTH = r"[A-Za-z]{3}[-. ]\d{1,4}|\d{1,2}[-. ][A-Za-z]{3}"
_SERIAL_DATES = (36526, 55153)  # 2000-01-01 to 2050-12-31 in Excel's day count
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def check_ids(sheet: Sheet, column: str) -> pd.Series[Any]:
    """Return the IDs as stripped text; a finding for each that is blank, repeated, damaged or has control characters.

    Parameters
    ----------
    sheet : Sheet
    column : str
        ``"account_id"`` or ``"rep_id"``.
    """
    ids = sheet.text(column)
    blank = is_blank(ids)
    sheet.flag(blank, column, "is blank", allowed="a unique ID", remedy="give the record an ID, or delete the row")
    check_control_characters(sheet, column, _CONTROL)
    _flag_damaged(sheet, column, ids, blank)
    _flag_duplicates(sheet, column, ids, blank)
    return ids


def check_control_characters(sheet: Sheet, column: str, pattern: str = _CONTROL_BUT_BREAKS) -> None:
    """Add a finding for each cell with a control character; line breaks and tabs are fine in names."""
    cells = sheet.frame[column]
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return
    found = cells.str.contains(pattern, regex=True).to_numpy(dtype=bool)
    sheet.flag(
        found,
        column,
        "contains a control character",
        allowed="printable text",
        remedy="type the cell again; such characters come from damaged or binary exports",
    )


def record_key(ids: pd.Series[Any]) -> pd.Series[Any]:
    """Return what two spellings of the same record share: an 18-character Salesforce ID becomes its 15 characters."""
    long = (ids.str.len() == 18).to_numpy(dtype=bool)
    if not long.any():
        return ids
    keys = ids.copy()
    keys.loc[long] = [_fifteen(text) for text in ids[long]]
    return keys


def _fifteen(text: str) -> str:
    """Return the first 15 characters if the last three are their checksum (which capitals there are), else the text."""
    if not (text.isascii() and text.isalnum()):
        return text
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << i for i, c in enumerate(text[start : start + 5]) if c.isupper())
        suffix += _SUFFIX[bits]
    return text[:15] if text[15:] == suffix else text


def match_ids(references: pd.Series[Any], ids: pd.Index[Any]) -> NDArray[np.intp]:
    """Return the position in ``ids`` of each reference, -1 where there is none.

    Parameters
    ----------
    references : Series of str, shape (n,)
    ids : Index of str
        Unique.

    Returns
    -------
    ndarray of intp, shape (n,)
    """
    at = ids.get_indexer(pd.Index(references))
    if (at < 0).any():
        keys = record_key(ids.to_series())
        if not keys.duplicated().any():
            again = pd.Index(keys).get_indexer(pd.Index(record_key(references)))
            at = np.where(at < 0, again, at)
    return np.asarray(at, dtype=np.intp)


_MENDS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("lost its leading zeros", lambda text: text.lstrip("0")),
    ("gained a trailing .0", lambda text: text.removesuffix(".0")),
    ("differs in capitals", str.casefold),
    ("lost its leading zeros and gained a trailing .0", lambda text: text.removesuffix(".0").lstrip("0")),
)


def mends_of(references: Iterable[str], ids: Iterable[str]) -> dict[str, str]:
    """Say what happened to references that match no ID but would after a known mend.

    Parameters
    ----------
    references : iterable of str
        That match none of ``ids``.
    ids : iterable of str

    Returns
    -------
    dict of str to str
        The remedy, for each reference that has one: it lost its leading zeros, gained ``.0``, or differs in capitals.
    """
    known = list(ids)
    remedies: dict[str, str] = {}
    open_ = list(references)
    for what, mend in _MENDS:
        by_key = {mend(i): i for i in known}
        for reference in open_:
            match = by_key.get(mend(reference)) if mend(reference) else None
            if match is not None and reference not in remedies:
                which = "this ID" if len(match) >= len(reference) or ".0" in what else "that ID"
                remedies[reference] = f"{match!r} exists, and {which} {what}: write it as text, the same in both files"
    return remedies


def _flag_damaged(sheet: Sheet, column: str, ids: pd.Series[Any], blank: NDArray[np.bool_]) -> None:
    """Find IDs that a spreadsheet turned into dates or rounded numbers; a whole column of such IDs is its own style."""
    filled = ~blank
    n = int(filled.sum())
    if n == 0 or pd.api.types.is_numeric_dtype(sheet.frame[column].dtype):
        return
    suspects = ids.str.contains(r"[eE]\+?\d|[-/. ]", regex=True).to_numpy(dtype=bool) & filled
    numeric = ids.str.fullmatch(r"\d{5}").to_numpy(dtype=bool) & filled
    scientific = np.zeros(len(ids), bool)
    dates = np.zeros(len(ids), bool)
    splits = 0
    for i in np.flatnonzero(suspects):
        text = ids.iloc[i]
        scientific[i] = _SCIENTIFIC.fullmatch(text) is not None
        dates[i] = is_date(text)
        splits += _DATE_LIKE_ID.fullmatch(text) is not None
    allowed = "the ID as text"
    remedy = "format the column as text in the spreadsheet before the IDs are pasted, and export again"
    if scientific.sum() < n / 2:
        sheet.flag(
            scientific,
            column,
            "is a number in scientific notation: digits of the ID are lost",
            allowed=allowed,
            remedy=remedy,
        )
    else:
        sheet.flag(
            scientific, column, "is a number in scientific notation: digits may be lost", allowed=allowed, remedy=remedy
        )
    styled = ids.str.fullmatch(_LIKE_A_MONTH).to_numpy(dtype=bool)
    if styled.sum() >= n / 2:
        dates &= ~styled  # MAY-12 among ABC-13 and XYZ-4 is an ID like them
    if dates.sum() < n / 2:
        sheet.flag(dates, column, "is a date, unlike the other IDs", allowed=allowed, remedy=remedy)
    if numeric.any() and splits > 0.5 * n:
        # IDs such as 3-12 are what Excel takes for dates; a lone day count among them was one.
        days = np.zeros(len(ids), bool)
        days[numeric] = [_SERIAL_DATES[0] <= int(t) <= _SERIAL_DATES[1] for t in ids[numeric]]
        sheet.flag(days, column, "is a date's day count, unlike the other IDs", allowed=allowed, remedy=remedy)


def _flag_duplicates(sheet: Sheet, column: str, ids: pd.Series[Any], blank: NDArray[np.bool_]) -> None:
    repeated = ids.duplicated().to_numpy() & ~blank
    _flag_repeats(sheet, column, ids, repeated, "repeats the ID of row {}")
    keys = record_key(ids)
    if keys is not ids:
        pairs = keys.duplicated().to_numpy() & ~blank & ~repeated
        what = "is the same Salesforce record as row {}, written with 15 and with 18 characters"
        _flag_repeats(sheet, column, keys, pairs, what)


def _flag_repeats(sheet: Sheet, column: str, keys: pd.Series[Any], repeated: NDArray[np.bool_], what: str) -> None:
    if not repeated.any():
        return
    once = ~keys.duplicated().to_numpy()
    first = dict(zip(keys[once], sheet.rows[once].tolist(), strict=True))
    own = sheet.own_name(column)
    cells = sheet.text(column)
    sheet.findings.extend(
        Finding(
            what.format(first[keys.iloc[i]]),
            sheet.file,
            int(sheet.rows[i]),
            own,
            cells.iloc[i],
            "each ID once",
            "merge the two records, or delete one",
        )
        for i in np.flatnonzero(repeated)
    )
