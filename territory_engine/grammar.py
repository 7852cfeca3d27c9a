"""Numbers of things and lists of words, in English."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def not_above(number: float) -> str:
    """Return a number as text, rounded down: whole from 1,000 on, else to four digits. ``0.99996`` → ``"0.9999"``."""
    # Its last binary digits say nothing: a sum that should be 154.6 and came out as 154.59999999999997 is 154.6.
    meant = Context(prec=13).create_decimal(repr(float(number)))
    if number == 0 or abs(number) >= 1000:
        return f"{math.floor(meant):,}"
    rounded = Context(prec=4, rounding=ROUND_FLOOR).create_decimal(meant).normalize()
    return f"{rounded:f}" if abs(number) >= 1e-6 else str(rounded)


def not_below(number: float) -> str:
    """Return a number as text, rounded up: whole from 1,000 on, else to four digits. ``1.00001`` → ``"1.001"``."""
    return not_above(-number).removeprefix("-") if number > 0 else not_above(number)


def counted(amount: int, noun: str, several: str | None = None) -> str:
    """Return a number of things in words: ``"1 account"``, ``"2,000 accounts"``, ``"1 territory"``."""
    return f"{amount:,} {noun if amount == 1 else several or plural(noun)}"


def plural(noun: str) -> str:
    """Return a noun for several: ``"accounts"``, ``"territories"``."""
    ending = noun[-2:-1] not in tuple("aeiou") and noun.endswith("y")
    return f"{noun[:-1]}ies" if ending else f"{noun}s"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: ``"locks, eligibility and connection"``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
