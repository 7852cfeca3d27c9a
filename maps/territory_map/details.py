"""What the panel tells about one territory: its loads against their limits, travel, prices, moves, neighbours."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from maps.territory_map.choropleth import longest_travel, share_word
from scenarios.at_limits import at_limits, reachable_limits
from territory_engine.wording import (
    compact,
    distance_unit,
    limit_text,
    loads_are_whole,
    measure_label,
    noun,
    number,
    objective_unit,
    percent,
    price_conditions,
    price_list,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import networkx as nx

    from territory_engine.plan import Plan
    from territory_engine.problem import BalanceRule, PlanningProblem
    from territory_engine.wording import Price

_TRACK = 1000
_OUTSIDE_FRACTION = 0.12
_ROUNDING = 1e-6


def territory_details(problem: PlanningProblem, plan: Plan, adjacency: nx.Graph[int]) -> dict[str, Any]:
    """Return what is told about each territory, as columns with an entry per row of ``plan.territories``.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    adjacency : graph on ``range(n_territories)``
        Which territories touch.

    Returns
    -------
    dict
        ``rep`` (IDs), ``accounts`` (int), ``travel`` (``unit``, ``distance``, and texts ``total``, ``mean``,
        ``longest``), ``measures`` (:func:`measure_facts`), ``savings`` (sentences), ``saving`` (their heading) and ``conditions`` (under which they hold), ``near`` (rows), ``moves``
        (``[from, to, accounts]``: a row of the territories or, where there is none, the ID of a former rep, ``""`` for
        none; None where no earlier alignment is known).
    """
    territories = plan.territories
    prices = [price for price in price_list(problem, plan) if price.tight and price.price > 0]
    targets = any(price.side == "target" for price in prices)
    mean = plan.assignments["travel"].groupby(plan.assignments["territory_id"]).mean().reindex(territories.index)
    return {
        "rep": [str(r) for r in territories["rep_id"]],
        "accounts": territories["accounts"].astype(int).tolist(),
        "travel": {
            "unit": objective_unit(problem),
            "distance": distance_unit(problem),
            "total": [number(float(v)) for v in territories["travel"]],
            "mean": [number(float(v)) for v in mean],
            "longest": [number(float(v)) for v in longest_travel(plan)],
        },
        "measures": [measure_facts(problem, plan, rule) for rule in problem.balance_rules()],
        "savings": _savings(plan, prices),
        "saving": "What other limits and targets would save" if targets else "What more room would save",
        "conditions": f"For a small change of one limit{' or target' if targets else ''}, {price_conditions(problem)}.",
        "near": [sorted(adjacency[t]) for t in range(len(territories))],
        "moves": _moves(plan),
    }


def measure_facts(problem: PlanningProblem, plan: Plan, rule: BalanceRule) -> dict[str, Any]:
    """Return how each territory stands on one measure.

    Returns
    -------
    dict
        ``label``; ``told``, a sentence such as ``"5,245 visits, 10.0 % over its share, at its upper limit"``;
        ``allowed``, what the rule asks; ``state`` (``"over"``, ``"under"``: at or beyond that limit, or ``""``);
        ``track``: thousandths of a bar's length for the load, share, lower and upper limit, -1 for what there is not.
    """
    measure, n = rule.measure, len(plan.territories)
    loads = plan.territories[plan.load_column(measure)].to_numpy(np.float64)
    deviations = plan.territories.get(f"{measure}_deviation", pd.Series(np.nan, plan.territories.index))
    whole, word = loads_are_whole(problem, measure), share_word(rule)
    told, allowed, tracks = [], [], []
    states = limit_states(problem, plan, rule)
    for t in range(n):
        load, lower, upper, target = (float(v[t]) for v in (loads, rule.lower, rule.upper, rule.target))
        state = states[t]
        parts = [f"{compact(load)} {noun(measure, load)}", *_against_share(float(deviations.iloc[t]), word)]
        if state:
            parts.append(f"{_where(load, lower, upper)} its {'upper' if state == 'over' else 'lower'} limit")
        told.append(", ".join(parts))
        allowed.append(_allowed(lower, upper, target, word, whole=whole))
        tracks.append(_track(load, target, lower, upper))
    label = measure_label(measure)
    return {"label": label.capitalize(), "told": told, "allowed": allowed, "state": states, "track": tracks}


def limit_states(problem: PlanningProblem, plan: Plan, rule: BalanceRule) -> list[str]:
    """Return for each territory ``"over"`` for a load at or above its upper limit, ``"under"`` at or below its lower one, else ``""``."""
    loads = plan.territories[plan.load_column(rule.measure)].to_numpy(np.float64)
    over, under = at_limits(loads, *reachable_limits(problem, rule))
    return ["over" if high else "under" if low else "" for high, low in zip(over, under, strict=True)]


def _where(load: float, lower: float, upper: float) -> str:
    """Say where a load that is marked stands; beyond a limit only where a plan breaks it."""
    slack = _ROUNDING * max(1.0, abs(load))
    return "above" if load > upper + slack else "below" if load < lower - slack else "at"


def _against_share(deviation: float, word: str) -> list[str]:
    if not np.isfinite(deviation):
        return []
    if abs(deviation) < 5e-5:
        return [f"its {word}"]
    return [f"{percent(abs(deviation))} {'over' if deviation > 0 else 'under'} its {word}"]


def _allowed(lower: float, upper: float, target: float, word: str, *, whole: bool) -> str:
    low, high = (_short_limit(v, side, whole=whole) for v, side in ((lower, "lower"), (upper, "upper")))
    share = f"Its {word} is {compact(target)}" if np.isfinite(target) else ""
    if np.isfinite(lower) and lower > 0 and np.isfinite(upper):
        room = f"{low} to {high} allowed"
    elif np.isfinite(upper):
        room = f"at most {high} allowed"
    elif np.isfinite(lower) and lower > 0:
        room = f"at least {low} required"
    else:
        room = ""
    parts = [p for p in (share, room) if p]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _short_limit(value: float, side: str, *, whole: bool) -> str:
    return compact(value) if np.isfinite(value) and abs(value) >= 1e6 else limit_text(value, side, whole=whole)


def _track(load: float, target: float, lower: float, upper: float) -> list[int]:
    known = [v for v in (load, target, lower, upper) if np.isfinite(v)] or [0.0]
    low = min(known) if np.isfinite(lower) and np.isfinite(upper) else min([0.0, *known])
    high = max(known)
    pad = _OUTSIDE_FRACTION * (high - low) or 1.0
    start = low - pad if low != 0.0 else 0.0
    length = high + pad - start

    def place(value: float) -> int:
        return round(_TRACK * (value - start) / length) if np.isfinite(value) else -1

    return [place(load), place(target), place(lower), place(upper)]


def _savings(plan: Plan, prices: Sequence[Price]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for price in prices:
        found.setdefault(price.rep_id, []).append(price.sentence)
    return [found.get(str(t), []) for t in plan.territories.index]


def _moves(plan: Plan) -> list[list[int | str]] | None:
    before = plan.assignments["previous_rep_id"].astype(str)
    if not (before != "").any():
        return None
    row = {str(r): t for t, r in enumerate(plan.territories["rep_id"]) if str(r)}
    row |= {str(i): t for t, i in enumerate(plan.territories.index)}
    after = plan.assignments["territory_id"].astype(str)
    pairs = Counter((row.get(a, a), row[b]) for a, b in zip(before, after, strict=True))
    moved: list[list[int | str]] = [[a, b, n] for (a, b), n in pairs.items() if a != b]
    return sorted(moved, key=lambda m: (-int(m[2]), str(m[0]), int(m[1])))
