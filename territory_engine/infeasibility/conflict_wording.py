"""The words that conflicts and relaxations are said in: names, figures and amounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from territory_engine.wording import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.problem import BalanceRule, PlanningProblem

SHOWN = 5
"""So many names are listed before the rest is counted."""


def names(items: Sequence[object], joint: str = "and", shown: int = SHOWN) -> str:
    """Return names as a list in words: ``"R01, R02 and R03"``, or the first few and how many more."""
    words = [str(item) for item in items]
    if len(words) > shown + 1:
        words = [*words[:shown], f"{len(words) - shown:,} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def figures(*values: float) -> list[str]:
    """Return numbers as text, with as many decimals as it takes to tell different ones apart."""
    text = [number(v) for v in values]
    for decimals in range(1, 7):
        if len(set(text)) == len({float(v) for v in values}):
            break
        text = [f"{v:,.{decimals}f}" for v in values]
    return text


def exactly(value: float) -> str:
    """Return a number with every digit that it has, up to ten; this is a value to type into a file."""
    text = f"{value:,.10g}" if abs(value) < 1e15 else f"{value:.10g}"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else text


def rounded_up(value: float) -> float:
    """Round up to two significant digits or, from 100, to a whole number: a sensible figure to put in a rule."""
    return rounded(value, up=True)


def rounded(value: float, *, up: bool) -> float:
    """Round up or down to two significant digits or, from 100, to a whole number."""
    if value == 0 or not np.isfinite(value):
        return value
    step = step_of(value)
    scaled = value / step
    whole = np.ceil(scaled - 1e-7) if up else np.floor(scaled + 1e-7)
    return float(np.round(whole * step, 12))


def step_of(value: float) -> float:
    """Return the step between sensible figures of this size."""
    size = abs(value)
    if size >= 100:
        return 1.0
    return float(10.0 ** (np.floor(np.log10(size)) - 1)) if size > 0 else 0.01


def percentage(fraction: float) -> str:
    """Return a fraction as a percentage with all its digits: ``"13 %"``, ``"2.5 %"``."""
    return f"{round(100 * fraction, 6):,.10g} %"


def origin(planning: PlanningProblem, rule: BalanceRule, side: str, reps: NDArray[np.int64]) -> str:
    """Return where the limits of some reps come from: the tolerance, or a ``min`` or ``max``; ``""`` when mixed."""
    limits = (rule.upper if side == "upper" else rule.lower)[reps]
    key = "max" if side == "upper" else "min"
    for entry in planning.config.balance:
        if entry.measure != rule.measure:
            continue
        given = getattr(entry, key)
        if given is not None:
            values = planning.reps[given].to_numpy(np.float64)[reps] if isinstance(given, str) else float(given)
            if np.all(limits == values):
                return f"column {given!r}" if isinstance(given, str) else ""
        if entry.tolerance is not None:
            sign = 1 if side == "upper" else -1
            if np.allclose(limits, rule.target[reps] * (1 + sign * entry.tolerance), rtol=1e-12):
                word = "above" if side == "upper" else "below"
                share = figures(float(rule.target[reps[0]]))[0] if len(reps) == 1 else ""
                return f"{percentage(entry.tolerance)} {word} {f'its share of {share}' if share else 'their shares'}"
    return ""
