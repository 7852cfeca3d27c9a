"""What a map can be coloured by, beside its territories: loads, distance from their shares, accounts, travel."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from maps.pages.scales import (
    NOTHING_KNOWN,
    Scale,
    balanced_scale,
    break_texts,
    percent_texts,
    readable_above,
    rising_scale,
)
from territory_engine.wording import (
    compact,
    distance_unit,
    distinct_labels,
    measure_label,
    number,
    objective_unit,
    percent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import BalanceRule, PlanningProblem

_ON_LIMIT = 1e-6
_SCALE_ENDS = {True: "The scale ends at the limits.", False: "The scale ends at the widest of the limits."}


def colourings(problem: PlanningProblem, plan: Plan) -> list[dict[str, Any]]:
    """Return every way to colour the territories by a number, as columns that JSON can hold.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan

    Returns
    -------
    list of dict
        ``key`` (for the address; no measure may be called ``accounts`` or ``travel``), ``group`` and ``label`` (for
        the choice), ``title`` (of the legend), ``note`` (``""`` for none), ``steps`` (``[colour, text]`` from the
        lowest up), ``breaks`` (the text of every border of a step, ends included; none for a single step), ``classes`` (a step per territory, -1 where nothing is known), ``values`` (text per territory) and
        ``unknown`` (the colour of -1). Those about which nothing is known are left out.
    """
    if len(plan.territories) == 0:
        return []
    found = [_off_share(plan, rule) for rule in problem.balance_rules()]
    labels = distinct_labels([m for m in problem.measures if m != "count"])
    for measure in problem.measures:
        if measure != "count":
            label = labels[measure]
            loads = plan.territories[measure].to_numpy(np.float64)
            found.append(_rising(f"load:{measure}", "Load", label.capitalize(), f"{label.capitalize()}, load", loads))
    accounts = plan.territories["accounts"].to_numpy(np.float64)
    found.append(_rising("accounts", "Load", "Accounts", "Accounts", accounts, whole=True))
    travel = plan.territories["travel"].to_numpy(np.float64)
    each = np.divide(travel, accounts, out=np.full(len(travel), np.nan), where=accounts > 0)
    unit = objective_unit(problem)
    found.append(_rising("travel", "Travel", "Travel per account", f"Travel per account, {unit}", each, show=number))
    longest = longest_travel(plan)
    unit = distance_unit(problem)
    found.append(_rising("longest", "Travel", "Longest travel", f"Longest travel, {unit}", longest, show=number))
    taken = set(problem.measures)
    return [c for c in found if c is not None and not (c["key"] == "longest" and "longest" in taken)]


def longest_travel(plan: Plan) -> NDArray[np.float64]:
    """Return the farthest any account of a territory is from its centre, shape ``(n_territories,)``; NaN where unknown."""
    found = plan.assignments["travel"].groupby(plan.assignments["territory_id"]).max()
    return found.reindex(plan.territories.index).to_numpy(np.float64)


def is_soft(rule: BalanceRule) -> bool:
    """Whether a rule only draws loads towards a target and sets no limit."""
    return bool(rule.target_weight) and not (np.isfinite(rule.lower).any() or np.isfinite(rule.upper).any())


def share_word(rule: BalanceRule) -> str:
    """Return what a territory's part of a measure is called: its share or, where it is only aimed at, its target."""
    return "target" if is_soft(rule) else "share"


def _off_share(plan: Plan, rule: BalanceRule) -> dict[str, Any] | None:
    column = f"{rule.measure}_deviation"
    if column not in plan.territories:
        return None
    deviation = plan.territories[column].to_numpy(np.float64)
    if not np.isfinite(deviation).any():
        return None
    end = scale_end(plan, rule)
    limited = end == _widest_limit(rule)
    scale = balanced_scale(end)
    label, word = measure_label(rule.measure), share_word(rule)
    texts = percent_texts(scale.edges)
    steps = [f"{low} to {high}" for low, high in pairwise(texts)]
    middle = len(steps) // 2
    steps[middle] = f"its {word} (±{texts[middle + 1].lstrip('+')})"
    return {
        "key": rule.measure,
        "group": "Off its target" if word == "target" else "Off its share",
        "label": label.capitalize(),
        "title": f"{label.capitalize()}, off its {word}",
        "note": _SCALE_ENDS[_limits_are_alike(rule)] if limited else "",
        **_coloured(scale, steps, texts, deviation, lambda value: percent(value, signed=True)),
    }


def scale_end(plan: Plan, rule: BalanceRule) -> float:
    """Return the deviation at which a rule's scale ends: its limits or, without any, the largest one, rounded up."""
    column = f"{rule.measure}_deviation"
    known = np.abs(plan.territories[column].to_numpy(np.float64)) if column in plan.territories else np.zeros(0)
    largest = float(known[np.isfinite(known)].max(initial=0.0))
    limit = _widest_limit(rule)
    if limit > 0 and largest <= limit * (1 + _ON_LIMIT) + _ON_LIMIT:  # a limit of NaN is none
        return limit
    return readable_above(largest or 0.01)


def _widest_limit(rule: BalanceRule) -> float:
    """Return how far off its share the most generous limit lets a territory be; NaN where any of them lacks one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.abs(np.concatenate([rule.lower, rule.upper]) / np.concatenate([rule.target, rule.target]) - 1)
    return float(f"{ends.max():.6g}") if np.isfinite(ends).all() else float("nan")


def _limits_are_alike(rule: BalanceRule) -> bool:
    """Whether every territory may be as far above its share as below it, and all as far as each other."""
    room = np.concatenate([1 - rule.lower / rule.target, rule.upper / rule.target - 1])
    return bool(np.ptp(room) <= _ON_LIMIT)


def _rising(
    key: str,
    group: str,
    label: str,
    title: str,
    values: NDArray[np.float64],
    *,
    whole: bool = False,
    show: Callable[[float], str] = compact,
) -> dict[str, Any] | None:
    scale = rising_scale(values, whole=whole)
    if scale is None:
        return None
    texts = break_texts(scale.edges)
    if len(scale.colours) == 1:
        steps, texts = [show(scale.edges[0])], []
    elif whole:
        steps = _whole_steps(scale.edges)
    else:
        steps = [f"{low} to {high}" for low, high in pairwise(texts)]
    named = {"key": key, "group": group, "label": label, "title": title, "note": ""}
    return named | _coloured(scale, steps, texts, values, show)


def _whole_steps(edges: tuple[float, ...]) -> list[str]:
    """Say which counts a class holds: ``"120 to 139"``; the last one holds its upper edge too."""
    low = [round(e) for e in edges[:-1]]
    high = [round(e) - 1 for e in edges[1:-1]] + [round(edges[-1])]
    return [f"{a:,} to {b:,}" if a < b else f"{a:,}" for a, b in zip(low, high, strict=True)]


def _coloured(
    scale: Scale, steps: list[str], breaks: list[str], values: NDArray[np.float64], show: Callable[[float], str]
) -> dict[str, Any]:
    return {
        "steps": [list(step) for step in zip(scale.colours, steps, strict=True)],
        "breaks": breaks,
        "classes": scale.classes(values).tolist(),
        "values": [show(float(v)) if np.isfinite(v) else "unknown" for v in values],
        "unknown": NOTHING_KNOWN,
    }
