"""What the report tells of the moves: the rules on them, how many there are, and the first steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.grammar import counted
from territory_engine.wording import (
    distance_unit,
    each,
    measure_label,
    noun,
    number,
    objective_unit,
    percent,
    price_conditions,
    readable_amount,
    territory_names,
)

if TYPE_CHECKING:
    import pandas as pd

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_MOST_STEPS = 10
_MOST_ROWS = 25  # a step may be a bundle of many moves
_MOST_NAMES = 3
_TRAVEL = ("saves ", "costs ", "travel stays")  # how the part of a sentence begins that is each account's own


def what_changes(problem: PlanningProblem, plan: Plan, moves: pd.DataFrame) -> dict[str, Any]:
    """Return what the report's section on moves shows: a sentence, the first steps, and how many more there are.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    moves : DataFrame
        As :func:`scenarios.move_list.ordered_moves` returns it; not empty.
    """
    assert problem.config.disruption is not None
    moved, assigned = moves[moves["kind"] == "move"], moves[moves["kind"] == "assign"]
    parts = []
    if len(moved):
        owned = len(plan.assignments) - len(assigned)
        of_what = "of those with a rep today" if len(assigned) else "of all"
        share = percent(len(moved) / max(1, owned))
        parts.append(f"{counted(len(moved), 'account changes', 'accounts change')} hands ({share} {of_what})")
        measure = problem.config.disruption.measure
        if measure != "count":
            amount = float(problem.accounts[measure].reindex(moved["account_id"]).sum())
            parts[-1] += f", with {number(amount)} {noun(measure, amount)}"
    if len(assigned):
        parts.append(
            f"{counted(len(assigned), 'account')} without a rep today {'gets' if len(assigned) == 1 else 'get'} one"
        )
    steps = int(moves["step"].max())
    names = territory_names(problem)
    rows = [
        {
            "step": step,
            "accounts": _named(some),
            "from": names.get(str(old)) or (f"{old}, who left" if old else "nobody"),
            "to": names[str(new)],
            "buys": _told(some, distance_unit(problem)),
        }
        for (step, old, new), some in moves[moves["step"] <= _MOST_STEPS].groupby(["step", "from", "to"], sort=False)
    ]
    saved = moves["travel_saved"].to_numpy(np.float64)
    total = float(saved[np.isfinite(saved)].sum())
    less = "less" if total >= 0 else "more"
    these = "the accounts that change hands" if len(assigned) else "these accounts"
    travel = (
        f"{number(abs(total))} {distance_unit(problem)} {less} from reps to {these}" if np.isfinite(saved).any() else ""
    )
    return {
        "summary": "; ".join(parts),
        "travel": travel,
        "steps": counted(steps, "step"),
        "rows": rows[:_MOST_ROWS],
        "more": counted(steps - _MOST_STEPS, "more step") if steps > _MOST_STEPS else "",
    }


def rules_on_moves(problem: PlanningProblem) -> list[str]:
    """Return the limit and the price on what changes hands, and what counts more, one sentence each."""
    rule = problem.config.disruption
    if rule is None or (rule.max_moved is None and not rule.weight):
        return []
    found = []
    what = "the accounts that have a rep today" if rule.measure == "count" else measure_label(rule.measure)
    if rule.max_moved is not None:
        found.append(f"At most {percent(rule.max_moved)} of {what} {change_verb(rule.measure)} hands.")
    if rule.weight:
        amount = readable_amount(rule.weight)
        price = f"{number(amount * rule.weight)} {objective_unit(problem)}"
        one = each(rule.measure, amount)
        found.append(f"{one[:1].upper()}{one[1:]} that changes hands costs {price}.")
    found += [f"Moving an account counts {number(p.weight)} × its “{p.column}” times more." for p in rule.protect]
    return found


def key_figures(problem: PlanningProblem, plan: Plan) -> list[tuple[str, str, str]]:
    """Return how much changes hands, of what has a rep today, and what it costs where it has a price: label, value, note."""
    moved, told = int(plan.assignments["moved"].sum()), plan.disruption
    if told is None:
        # Plans of version 0.1.0 do not tell it.
        return [
            ("Accounts that change hands", number(moved), f"{percent(moved / max(1, len(plan.assignments)))} of all")
        ]
    most = told["limit"] / told["total"] if told.get("limit") is not None and told["total"] > 0 else None
    counted_fraction = told["counted"] / told["total"] if told["total"] > 0 else 0.0
    notes = [] if most is None else [f"at most {percent(most)} may"]
    if told["counted"] > told["moved"]:
        notes.insert(0, f"{percent(counted_fraction)} with protection")
    by_count = told["measure"] == "count"
    owned = len(plan.assignments) - int(told["accounts_assigned"])
    note = "; ".join([f"{percent(moved / max(1, owned))} of those with a rep today", *(notes if by_count else [])])
    found = [("Accounts that change hands", number(moved), note)]
    if not by_count:
        label = f"{measure_label(told['measure']).capitalize()} that {change_verb(told['measure'])} hands"
        found.append(
            (
                label,
                percent(told["moved_fraction"]),
                "; ".join(notes) or f"{number(told['moved'])} of {number(told['total'])}",
            )
        )
    if told["price"] > 0:
        amount, unit = readable_amount(told["price"]), objective_unit(problem)
        one = each(told["measure"], amount).removeprefix("each ").removeprefix("every ")
        label = f"To let {'one ' if amount == 1 else ''}{one} more change hands saves"
        found.append((label, number(amount * told["price"]), f"{unit}, {price_conditions(problem)}"))
    if "disruption" in plan.objective_terms:
        share = plan.objective_terms["disruption"] / plan.objective if plan.objective else 0.0
        label = f"Price of moves, {objective_unit(problem)}"
        found.append((label, number(plan.objective_terms["disruption"]), f"{percent(share)} of the objective"))
    return found


def change_verb(measure: str) -> str:
    """Return the verb that goes with an amount of a measure."""
    return "changes" if noun(measure).startswith("of ") else "change"


def _named(some: pd.DataFrame) -> str:
    """Return the accounts of one row in words: the first few by name."""
    texts = [
        f"{name} ({account_id})" if name and name != account_id else account_id
        for account_id, name in zip(some["account_id"].astype(str), _names(some), strict=True)
    ]
    if len(texts) == 1:
        return texts[0]
    return (
        f"{counted(len(texts), 'account')}: {', '.join(texts[:_MOST_NAMES])}{', …' if len(texts) > _MOST_NAMES else ''}"
    )


def _names(some: pd.DataFrame) -> list[str]:
    return some["name"].fillna("").astype(str).tolist() if "name" in some else [""] * len(some)


def _told(some: pd.DataFrame, unit: str) -> str:
    """Return what the moves of one row buy; of several, what they all tell, and their travel together."""
    texts = some["buys"].astype(str).tolist()
    if len(texts) > 1:
        parts = [text.split("; ") for text in texts]
        shared = [part for part in parts[0] if all(part in others for others in parts[1:])]
        shared = ["gives each a rep" if part == "gives the account a rep" else part for part in shared]
        texts = [re.sub(r"^with the rest of step \d+: ", "", part) for part in shared if not part.startswith(_TRAVEL)]
        saved = float(np.nansum(some["travel_saved"].to_numpy(np.float64)))
        if number(saved) != "0":
            texts.append(f"saves {number(saved)} {unit}" if saved > 0 else f"costs {number(-saved)} {unit} more")
    told = "; ".join(texts)
    return told[:1].upper() + told[1:]
