"""Shares and amounts as explanations and reasons write them."""

from __future__ import annotations

from solvers.fair_split.problem import LEVEL_UNIT


def share_text(level: int, step: int) -> str:
    """Return a level in leads per unit of weight, with as many digits as it takes to see a lead: ``"12.00"``."""
    digits = 2
    while digits < 6 and step * 10**digits < LEVEL_UNIT:
        digits += 1
    return f"{level / LEVEL_UNIT:,.{digits}f}"


def amount_text(value: float) -> str:
    """Return an expected value, without its hundredths where it has none: ``"1,240"``, ``"89.50"``."""
    text = f"{value:,.2f}"
    return text.removesuffix(".00")
