"""Numbers of things and lists of words, in English."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def counted(amount: int, noun: str, plural: str | None = None) -> str:
    """Return a number of things in words: ``"1 account"``, ``"2,000 accounts"``, ``"1 territory"``."""
    if plural is None:
        plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{amount:,} {noun if amount == 1 else plural}"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: ``"locks, eligibility and connection"``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
