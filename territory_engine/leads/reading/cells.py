"""Cells that no system should accept: control characters, broken text, and fields without end. What is shown is safe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from territory_engine.reading.columns import Sheet

_CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]"
_CONTROL_IN_ID = "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_SHOWN = 80

FORMULA = r"^\s*(?:=|[+@-].*[|(!])"
"""Text that a spreadsheet would run: ``=cmd|…`` and ``@SUM(…)``, but not the company @properties."""

FORMULA_AS_ID = r"^\s*[=+@-]"
"""An ID that a spreadsheet would take for a formula: IDs stand in files of answers as they are."""
REPLACEMENT = "\ufffd"


def check_cells(
    sheet: Sheet, column: str, text: pd.Series[Any], longest: int, *, is_id: bool = False
) -> pd.Series[Any]:
    """Add a finding for every cell that is too long, a formula, or has control characters, and return text that is safe to store.

    Parameters
    ----------
    sheet : Sheet
    column : str
    text : Series of str, shape (n_records,)
    longest : int
        Characters allowed.
    is_id : bool
        Whether line breaks, and characters that turn the direction of writing, are wrong too.
    """
    pattern = _CONTROL_IN_ID if is_id else _CONTROL
    broken = text.str.contains(pattern, regex=True).to_numpy(dtype=bool)
    if is_id:
        broken = broken | text.str.contains(REPLACEMENT, regex=False).to_numpy(dtype=bool)
    length = text.str.len().to_numpy()
    long = length > longest
    formula = text.str.contains(FORMULA_AS_ID if column == "lead_id" else FORMULA, regex=True).to_numpy(dtype=bool)
    _flag(sheet, formula & ~broken & ~long, column, text, "would be run by a spreadsheet as a formula",
          "an ID that does not begin with =, +, - or @" if column == "lead_id" else "text that is no formula",
          "correct it at its source: somebody may have typed it into a form to see it run")  # fmt: skip
    if not (broken.any() or long.any()):
        return text
    _flag(sheet, broken & ~long, column, text, "contains a control character", "printable text",
          "type the cell again; such characters come from damaged or binary exports")  # fmt: skip
    _flag(sheet, long, column, text, f"is longer than {longest:,} characters", f"at most {longest:,} characters",
          "shorten it, or check that quotes and delimiters in the file are in order")  # fmt: skip
    safe = text.copy()
    bad = broken | long
    safe.loc[bad] = [safe_text(cell[:longest]) for cell in text[bad]]
    return safe


def safe_text(cell: str) -> str:
    """Return text with control and direction characters, and what is no character, replaced by ``\ufffd``."""
    return _UNSAFE.sub(REPLACEMENT, cell)


def shown_text(cell: str, longest: int = _SHOWN) -> str:
    """Return text as a message may show it: safe, on one line, and not longer than a glance."""
    if len(cell) <= longest and cell.isprintable() and "  " not in cell:
        return cell
    cell = safe_text(" ".join(cell[: 4 * longest].split()))
    return cell if len(cell) <= longest else cell[: longest - 1] + "…"


def _flag(
    sheet: Sheet, mask: NDArray[np.bool_], column: str, text: pd.Series[Any], what: str, allowed: str, remedy: str
) -> None:
    if mask.any():
        values = [shown_text(cell) if wrong else "" for cell, wrong in zip(text, mask, strict=True)]
        sheet.flag(mask, column, what, values=values, allowed=allowed, remedy=remedy)
