"""The report's tables over all territories, and every territory's load against its limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from maps.report.charts import MOST_BARS, Bar, load_chart
from maps.report.facts import figure
from scenarios.alignment import score_alignment
from territory_engine.wording import distance_unit, measure_label, number, objective_unit, percent

if TYPE_CHECKING:
    from maps.report.facts import ReportFacts
    from territory_engine.problem import BalanceRule

_MOST_BROKEN = 12


def before_and_after(facts: ReportFacts) -> list[tuple[str, str, str, str]]:
    """Before, after and change of what a manager compares, over the accounts somebody owns today; nothing without today."""
    problem, plan, before = facts.problem, facts.plan, facts.before
    if before is None:
        return []
    previous, travel = facts.travel_today, facts.travel
    both = np.isfinite(previous) & np.isfinite(travel)
    rows = []
    # Where centres are chosen there is no travel of today's alignment to compare with.
    if both.any():
        cost_then = float((problem.weights() * previous**problem.config.travel.power)[both].sum())
        cost_now = float((problem.weights() * travel**problem.config.travel.power)[both].sum())
        rows.append(
            (
                f"Travel, {objective_unit(problem)} (accounts owned today)",
                number(cost_then),
                number(cost_now),
                percent(round(cost_now / cost_then - 1, 6), signed=True) if cost_then else "–",
            )
        )
        then, now = float(previous[both].mean()), float(travel[both].mean())
        rows.append(
            (
                f"Mean per account, {distance_unit(problem)}",
                number(then),
                number(now),
                percent(round(now / then - 1, 6), signed=True) if then else "–",
            )
        )
    for measure in problem.measures:
        then, now = (
            before.max_deviation.get(measure, math.nan),
            plan.measures.get(measure, {}).get("max_deviation", math.nan),
        )
        if math.isfinite(then) and math.isfinite(now):
            rows.append((f"Furthest off its share, {measure_label(measure)}", percent(then), percent(now), ""))
    after = score_alignment(problem, plan.assignments["rep_id"])
    rows.append(("Limits broken", number(len(before.limits_broken)), number(len(after.limits_broken)), ""))
    unowned_then, unowned_now = before.without_owner + before.unknown_owner, after.without_owner + after.unknown_owner
    rows.append(("Accounts without a rep", number(unowned_then), number(unowned_now), ""))
    return rows


def broken_today(facts: ReportFacts) -> list[str]:
    """Return the limits that today's alignment breaks, a sentence each: the first few."""
    before = facts.before
    if before is None:
        return []
    listed = [str(b) + "." for b in before.limits_broken[:_MOST_BROKEN]]
    more = len(before.limits_broken) - len(listed)
    return listed + ([f"{more:,} more."] if more else [])


def load_sections(facts: ReportFacts) -> list[dict[str, Any]]:
    """Return a chart for every balanced measure."""
    sections = []
    for rule in facts.problem.balance_rules():
        bars = _bars(facts, rule)
        label = measure_label(rule.measure)
        sections.append(
            {
                "heading": f"{label.capitalize()} per territory",
                "chart": load_chart(bars, title=f"{label} per territory against its limits"),
                "ranked": len(bars) > MOST_BARS,
                "limits": any(math.isfinite(b.lower) or math.isfinite(b.upper) for b in bars),
                "before": facts.before is not None and len(bars) <= MOST_BARS,
            }
        )
    return sections


def _bars(facts: ReportFacts, rule: BalanceRule) -> list[Bar]:
    today = facts.before.territories[rule.measure].to_numpy(np.float64) if facts.before is not None else None
    places = facts.problem.territory_ids.get_indexer(facts.plan.territories.index).tolist()
    return [
        Bar(
            name,
            float(value),
            float(rule.target[place]),
            float(rule.lower[place]),
            float(rule.upper[place]),
            float(today[place]) if today is not None else math.nan,
        )
        for place, name, value in zip(places, facts.full_names, facts.loads(rule.measure), strict=True)
    ]


def all_territories(facts: ReportFacts, links: list[str]) -> dict[str, Any]:
    """Return the table of all territories: what ``territories.csv`` has, and how far the accounts are.

    Parameters
    ----------
    facts : ReportFacts
    links : list of str
        Per territory, the ID of its page in the report.
    """
    problem, plan = facts.problem, facts.plan
    measures = [m for m in problem.measures if m in plan.territories and m != "count"]
    others = [a for a in facts.amounts if a.measure not in measures]
    sums = {a.measure: facts.loads(a.measure) for a in others}
    rows = []
    for t, (_, row) in enumerate(plan.territories.iterrows()):
        mine = facts.travel[facts.members[t]]
        mine = mine[np.isfinite(mine)]
        cells = [number(float(row["accounts"]))]
        for measure in measures:
            cells += [
                figure(float(row[measure])),
                percent(float(row.get(f"{measure}_deviation", math.nan)), signed=True),
            ]
        cells += [figure(float(sums[a.measure][t])) for a in others]
        cells.append(number(float(row["travel"])))
        cells += [number(float(mine.mean())), number(float(mine.max()))] if len(mine) else ["–", "–"]
        rows.append({"name": facts.full_names[t], "link": links[t], "cells": cells})
    heads = ["Accounts"]
    for measure in measures:
        heads += [measure_label(measure).capitalize(), "off its share"]
    heads += [a.label for a in others]
    heads += [
        f"Travel, {objective_unit(problem)}",
        f"mean {distance_unit(problem)}",
        f"longest {distance_unit(problem)}",
    ]
    return {"heads": heads, "rows": rows}
