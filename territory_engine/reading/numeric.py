"""Numbers as people write them: thousands separators, decimal commas, currency signs; never guessed silently.

``1,234`` is a thousand in one country and one and a quarter in another. A column is read one way as a whole, and only
if its values, or the other columns of the same file, leave no doubt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

Style = Literal["plain", "point", "comma", "ambiguous"]

BLANKS = ("", "nan", "na", "n/a", "#n/a", "null", "none", "-", "–")
"""What spreadsheets and databases write for a blank, in lower case."""

_CURRENCY = re.compile(
    r"^([+-]?)\s*(?:[$€£¥₹]|(?:US|CA|AU)\$|USD|EUR|GBP|CHF|CAD|AUD)\s*|\s*(?:[$€£¥₹]|USD|EUR|GBP|CHF|CAD|AUD)$"
)
_PARENTHESES = re.compile(r"^\((.*)\)$")
_SPACES = re.compile(r"(?<=\d)[ '’\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_POINT = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|[+-]?\.\d+")
_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?|[+-]?,\d+")
_STYLE_SAMPLE = 5000
# As spreadsheets shorten them in English and, where that differs, in German and Dutch.
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mrz|mai|okt|dez|mrt|mei"
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{2}|\d{4})(?: .*)?"
    r"|\d{1,2}[-. ](?:" + _MONTHS + r")[-. ]?(?:\d{2,4})?|(?:" + _MONTHS + r")[-. ]\d{1,4}",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column read as numbers.

    Attributes
    ----------
    values : ndarray of float64, shape (n_records,)
        NaN where blank or not a number.
    blank : ndarray of bool, shape (n_records,)
    wrong : ndarray of bool, shape (n_records,)
        Neither blank nor a finite number.
    style : {"plain", "point", "comma", "ambiguous"}
        How the column writes numbers: ``"plain"`` has no separators but the decimal point. ``"ambiguous"`` marks
        every value with a separator as wrong.
    """

    values: NDArray[np.float64]
    blank: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    style: Style


def is_date(text: str) -> bool:
    """Whether a cell reads as a calendar date (``2022-03-01``, ``3/1/2022``, ``1-Mar``)."""
    return _DATE.fullmatch(text.strip()) is not None


def read_numbers(column: pd.Series[Any], *, decimal_comma: bool = False, file_style: Style = "plain") -> Numbers:
    """Read a column as numbers.

    Parameters
    ----------
    column : Series
        Text or numbers.
    decimal_comma : bool
        Whether ``1,5`` may be a number here.
    file_style : Style
        What the file's other columns show; it decides a column that could be read both ways.

    Returns
    -------
    Numbers
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = np.array(column.to_numpy(dtype=np.float64, na_value=np.nan))  # a copy: callers may write into it
        blank, infinite = np.isnan(values), np.isinf(values)
        values[infinite] = np.nan
        return Numbers(values, blank, infinite, "plain")
    if file_style != "comma":
        fast = _read_plain(column)
        if fast is not None:
            return fast
    codes, texts = pd.factorize(column)
    values, blank, wrong, style = _read_texts([str(t).strip() for t in texts], decimal_comma, file_style)
    return Numbers(values[codes], blank[codes], wrong[codes], style)


def style_of_file(columns: Iterable[pd.Series[Any]]) -> Style:
    """Return how a file writes numbers, from those of its text columns that can be read in one way only.

    Returns
    -------
    Style
        ``"comma"`` or ``"point"`` where all such columns agree; ``"plain"`` where none shows anything or they differ.
    """
    styles = set()
    for column in columns:
        texts = [_strip_ornaments(str(t).strip()) for t in column.iloc[:_STYLE_SAMPLE].unique()]
        filled = [t for t in texts if t.lower() not in BLANKS]
        if any("," in t for t in filled) and all(_POINT.fullmatch(t) or _COMMA.fullmatch(t) for t in filled):
            point, comma = all(_POINT.fullmatch(t) for t in filled), all(_COMMA.fullmatch(t) for t in filled)
            if point != comma:
                styles.add("point" if point else "comma")
    if len(styles) != 1:
        return "plain"
    return "comma" if "comma" in styles else "point"


def _read_plain(column: pd.Series[Any]) -> Numbers | None:
    """Read a column of machine-written numbers and blanks; None if there is anything else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(pa.array(column, pa.large_string(), from_pandas=True))
    blank = pc.fill_null(pc.equal(text, ""), True)
    try:
        numbers = pc.if_else(blank, None, text).cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    values = np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
    empty = blank.to_numpy(zero_copy_only=False)
    if not np.isfinite(values[~empty]).all():
        return None
    return Numbers(values, empty, np.zeros(len(values), bool), "plain")


def _read_texts(
    texts: list[str], decimal_comma: bool, file_style: Style
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Style]:
    bare = [_strip_ornaments(t) for t in texts]
    blank = np.array([t.lower() in BLANKS for t in texts], dtype=bool)
    separated = [b for b, empty in zip(bare, blank, strict=True) if not empty and ("," in b or "." in b)]
    style = _style(separated, decimal_comma, file_style)
    values = np.full(len(texts), np.nan)
    for i, text in enumerate(bare):
        if not blank[i]:
            values[i] = _number(text, style)
    values[np.isinf(values)] = np.nan
    return values, blank, ~blank & np.isnan(values), style


def _strip_ornaments(text: str) -> str:
    """Remove a currency sign, spaces between thousands, and an accountant's parentheses around a negative."""
    inner = _PARENTHESES.match(text)
    if inner:
        text = "-" + inner[1].strip()
    text = text.replace("\u2212", "-")
    return _SPACES.sub("", _CURRENCY.sub(lambda m: m[1] or "", text))


def _style(separated: list[str], decimal_comma: bool, file_style: Style) -> Style:
    """Decide how a column writes its numbers from those that have a separator."""
    numeric = [t for t in separated if _POINT.fullmatch(t) or _COMMA.fullmatch(t)]
    if not any("," in t for t in numeric) and (file_style != "comma" or not all(_COMMA.fullmatch(t) for t in numeric)):
        return "plain"
    point = all(_POINT.fullmatch(t) for t in numeric)
    comma = all(_COMMA.fullmatch(t) for t in numeric)
    if point and comma:
        # Every value reads both ways ("1,234"): the file decides.
        if not decimal_comma:
            return "point"
        return file_style if file_style in ("point", "comma") else "ambiguous"
    if point:
        return "point"
    return "comma" if comma else "ambiguous"


def _number(text: str, style: Style) -> float:
    if style == "point" and _POINT.fullmatch(text):
        text = text.replace(",", "")
    elif style == "comma" and _COMMA.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    elif style == "ambiguous" and ("," in text or "." in text):
        return np.nan
    if "_" in text:
        # Python would read 1_000; a planner did not mean that.
        return np.nan
    try:
        return float(text)
    except ValueError:
        return np.nan
