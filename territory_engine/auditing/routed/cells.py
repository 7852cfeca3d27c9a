"""Cells as text: what is blank, and what a list with semicolons asks for."""

from __future__ import annotations

import re
from typing import Any

_WHOLE = re.compile(r"-?\d+\.0")
_BLANK = frozenset({"", "nan", "null", "none", "#n/a", "<na>", "nat"})


def blank(cell: Any) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or str(cell).strip().lower() in _BLANK


def shown_number(cell: Any) -> str:
    """Return a cell as text, whole numbers without ``.0``."""
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return str(cell).strip()
    return str(int(cell)) if float(cell).is_integer() else repr(cell)


def parts(cell: Any) -> tuple[str, ...]:
    """Return the values of a list with semicolons, without the blanks around them, each once; ``5.0`` is ``5``."""
    if blank(cell):
        return ()
    found = (part.strip() for part in shown_number(cell).split(";"))
    return tuple(dict.fromkeys(part[:-2] if _WHOLE.fullmatch(part) else part for part in found if part))
