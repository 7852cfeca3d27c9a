"""What the report tells of the moves: how many there are, and the first steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.grammar import counted
from territory_engine.wording import distance_unit, noun, number, percent, territory_names

if TYPE_CHECKING:
    import pandas as pd

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_MOST_STEPS = 10
_MOST_ROWS = 25  # steps may be of many accounts each


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
        share = percent(len(moved) / max(1, len(plan.assignments)))
        parts.append(f"{counted(len(moved), 'account changes', 'accounts change')} hands ({share} of all)")
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
    first = moves[moves["step"] <= _MOST_STEPS].iloc[:_MOST_ROWS]
    rows = [
        {
            "step": int(row["step"]),
            "account": _named(str(row["account_id"]), str(row.get("name", "") or "")),
            "from": names.get(str(row["from"]), "") or "nobody",
            "to": names[str(row["to"])],
            "buys": str(row["buys"])[:1].upper() + str(row["buys"])[1:],
        }
        for row in first.to_dict("records")
    ]
    saved = moves["travel_saved"].to_numpy(np.float64)
    total = float(saved[np.isfinite(saved)].sum())
    less = "less" if total >= 0 else "more"
    travel = (
        f"{number(abs(total))} {distance_unit(problem)} {less} from reps to these accounts"
        if np.isfinite(saved).any()
        else ""
    )
    return {
        "summary": "; ".join(parts),
        "travel": travel,
        "steps": counted(steps, "step"),
        "rows": rows,
        "more": counted(len(moves) - len(rows), "more account") if len(moves) > len(rows) else "",
    }


def _named(account_id: str, name: str) -> str:
    return f"{name} ({account_id})" if name and name != account_id else account_id
