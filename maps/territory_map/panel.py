"""The panel beside the map: headline, KPIs, the proof, the list of territories, what the reader should know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maps.pages.colours import BACKGROUND
from maps.pages.drawing import home_word
from maps.shapes.territories import drawn_from_units
from maps.territory_map.choropleth import scale_end
from maps.territory_map.details import limit_states
from territory_engine.grammar import counted
from territory_engine.wording import (
    compact,
    distance_unit,
    distinct_labels,
    measure_label,
    number,
    objective_unit,
    percent,
    proof_sentence,
    size_in_words,
    status_words,
    travel_unit_sentence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from territory_engine.plan import Plan
    from territory_engine.problem import BalanceRule, PlanningProblem

_HOW_DRAWN = {
    False: "Shapes are grown from the accounts: each point has the colour of the nearest ones.",
    True: "Shapes are the geographic units of each territory.",
}


def panel_context(problem: PlanningProblem, plan: Plan, data: dict[str, Any]) -> dict[str, Any]:
    """Return what the panel's template shows.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    data : dict
        The page's data: ``territories`` (looks), ``shapes``, ``accounts``, ``cropped``.
    """
    measures = [m for m in problem.measures if m != "count"]
    rules = {rule.measure: rule for rule in problem.balance_rules()}
    reach = {m: scale_end(plan, rule) for m, rule in rules.items()} if len(plan.territories) else {}
    states = {m: limit_states(problem, plan, rule) for m, rule in rules.items()} if len(plan.territories) else {}
    nowhere = [""] * len(plan.territories)
    rows = []
    for t, (territory_id, row) in enumerate(plan.territories.iterrows()):
        look = data["territories"][t]
        accounts = float(row["accounts"])
        cells = [
            _cell(
                number(accounts),
                accounts,
                row,
                rules.get("count"),
                states.get("count", nowhere)[t],
                reach.get("count", 1.0),
            )
        ]
        cells += [
            _cell(
                compact(float(row[m])), float(row[m]), row, rules.get(m), states.get(m, nowhere)[t], reach.get(m, 1.0)
            )
            for m in measures
        ]
        ids = dict.fromkeys(i for i in (str(row["rep_id"]), str(territory_id)) if i not in (look["name"], ""))
        rows.append({"look": look, "id": " · ".join(ids), "cells": cells})
    conflict = plan.conflict or {}
    labels = distinct_labels(measures)
    columns = ["Accounts", *(name.capitalize() if name == measure_label(m) else m for m, name in labels.items())]
    return {
        "status": plan.status,
        "status_words": status_words(plan),
        "subtitle": size_in_words(problem),
        "kpis": _kpis(problem, plan),
        "proof": proof_sentence(problem, plan).split("`"),
        "rules": list(conflict.get("rules", ())),
        "relaxations": list(conflict.get("relaxations", ())),
        "columns": columns if rows else [],
        "rows": rows,
        "ranges": _ranges(rows),
        "edges": any(cell["state"] for row in rows for cell in row["cells"]),
        "home_word": home_word(plan),
        "who": "rep" if len(problem.reps) else "territory",
        "notes": [
            *([travel_unit_sentence(problem)] if rows else []),
            *_notes(bool(data["shapes"]["features"]), drawn_from_units(problem, plan), data),
        ],
        "unplaced": _unplaced(data["accounts"]),
        "background": BACKGROUND,
    }


def _cell(load: str, value: float, row: Any, rule: BalanceRule | None, state: str, reach: float) -> dict[str, Any]:
    cell: dict[str, Any] = {"load": load, "value": value, "deviation": "", "state": state, "off": None}
    if rule is not None:
        deviation = float(row.get(f"{rule.measure}_deviation", np.nan))
        if np.isfinite(deviation):
            cell["deviation"] = percent(deviation, signed=True)
            cell["off"] = round(100 * float(np.clip(deviation / reach, -1, 1)))
    return cell


def _ranges(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the least and the most of each column, as shown: ``"127–191"``, ``"21.5–35.5 M"``."""
    columns = zip(*(row["cells"] for row in rows), strict=True)
    ends = [sorted((cell for cell in column), key=lambda cell: float(cell["value"])) for column in columns]
    return [_range(str(cells[0]["load"]), str(cells[-1]["load"])) for cells in ends]


def _range(least: str, most: str) -> str:
    if least == most:
        return least
    unit = most.partition(" ")[2]
    return f"{least.removesuffix(f' {unit}') if unit else least}–{most}"


def _notes(are_drawn: bool, of_units: bool, data: dict[str, Any]) -> list[str]:
    notes = [_HOW_DRAWN[of_units]] if are_drawn else []
    accounts = data["accounts"]
    if accounts["many"]:
        notes.append(
            f"Each circle stands for the accounts of one territory around it: {accounts['n']:,} are too many to name or search."
        )
    if accounts["amid"]:
        lie = counted(accounts["amid"], "account lies", "accounts lie")
        why = "for their data name another unit" if of_units else "too few there to have ground of their own"
        notes.append(f"{lie} in another's territory, {why}: close up, dots with a ring.")
    if accounts["dots"]:
        notes.append("Close up, each account is a dot.")
    if data["cropped"]:
        notes.append("The map opens on all but the farthest accounts; “Far-off ones too” shows those.")
    return notes


def _unplaced(accounts: dict[str, Any]) -> str:
    """Say how many accounts the map cannot show; nothing where it shows them all."""
    if not accounts["unlocated"]:
        return ""
    said = f"{counted(accounts['unlocated'], 'account has', 'accounts have')} no place on the map"
    return f"{said}." if accounts["many"] else f"{said}, but can be found by name or ID."


def _kpis(problem: PlanningProblem, plan: Plan) -> list[dict[str, str]]:
    if plan.objective is None:
        return []
    travel = plan.assignments["travel"].to_numpy(np.float64)
    total = plan.objective_terms.get("travel", plan.objective)
    found = [{"label": f"Travel, {objective_unit(problem)}", "value": number(total)}]
    if np.isfinite(travel).any():
        found.append(
            {"label": f"Mean per account, {distance_unit(problem)}", "value": number(float(np.nanmean(travel)))}
        )
    for measure, facts in plan.measures.items():
        worst = facts.get("max_deviation")
        if worst is not None and np.isfinite(worst):
            found.append({"label": f"{measure_label(measure).capitalize()} within", "value": f"±{percent(worst)}"})
    return found
