"""The report's price list: what every limit that binds costs, the dearest of them in a sentence, and what moves cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from territory_engine.grammar import counted
from territory_engine.wording import (
    each,
    limit_text,
    loads_are_whole,
    measure_label,
    noun,
    number,
    objective_unit,
    percent,
    price_conditions,
    price_list,
    readable_amount,
    territory_names,
)

if TYPE_CHECKING:
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem
    from territory_engine.wording import Price

_MOST_PRICES = 12


def prices_section(problem: PlanningProblem, plan: Plan) -> dict[str, Any]:
    """Return what the section shows: the dearest limits, one sentence on the dearest, and the price of moves."""
    prices = price_list(problem, plan)
    tight = [p for p in prices if p.tight]
    whole = {m: loads_are_whole(problem, m) for m in {p.measure for p in tight}}
    rows = [
        {
            "sentence": p.sentence,
            "limit": number(p.limit) if p.side == "target" else limit_text(p.limit, p.side, whole=whole[p.measure]),
            "saving": number(p.saving),
            "side": {"upper": "at most", "lower": "at least", "target": "target"}[p.side],
            "measure": measure_label(p.measure),
        }
        for p in tight[:_MOST_PRICES]
    ]
    return {
        "rows": rows,
        "dearest": dearest_sentence(problem, plan, tight),
        "moves": _price_of_moves(problem, plan),
        "more": counted(len(tight) - len(rows), "more price") if len(tight) > len(rows) else "",
        "unreached": counted(len(prices) - len(tight), "more limit") if len(prices) > len(tight) else "",
        "one_unreached": len(prices) == len(tight) + 1,
        "one_more": len(tight) == len(rows) + 1,
        "conditions": price_conditions(problem),
        "targets": any(p.side == "target" for p in prices),
    }


def dearest_sentence(problem: PlanningProblem, plan: Plan, tight: list[Price] | None = None) -> str:
    """Say which limit costs most, and how much of the objective that is; nothing where no limit has a price."""
    found = [p for p in price_list(problem, plan) if p.tight] if tight is None else tight
    if not found or plan.objective is None or not math.isfinite(found[0].saving):
        return ""
    dearest, unit = found[0], objective_unit(problem)
    whose = territory_names(problem).get(dearest.rep_id, dearest.rep_id)
    what = noun(dearest.measure).removeprefix("of ")
    side = {"upper": "upper limit", "lower": "lower limit", "target": "target"}[dearest.side]
    eased = "moving it by 1 %" if dearest.side == "target" else "1 % more room"
    part = f", {percent(dearest.saving / plan.objective)} of the whole" if plan.objective > 0 else ""
    return f"The dearest rule is {whose}'s {side} on {what}: {eased} would save {number(dearest.saving)} {unit}{part}."


def _price_of_moves(problem: PlanningProblem, plan: Plan) -> str:
    """Say what letting more change hands would save; nothing where that has no price."""
    told = plan.disruption
    if told is None or plan.objective is None or not told["price"] > 0:
        return ""
    amount = readable_amount(told["price"])
    one = each(told["measure"], amount).removeprefix("each ").removeprefix("every ")
    saved = f"{number(amount * told['price'])} {objective_unit(problem)}"
    return f"The limit on moves has a price too: letting {'one ' if amount == 1 else ''}{one} more change hands would save {saved}."
