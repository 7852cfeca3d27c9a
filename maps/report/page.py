"""``report.html``: what a manager reads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maps.pages.offline import page_from
from maps.report.charts import MOST_BARS, Bar, load_chart, travel_chart
from maps.report.moves import key_figures, rules_on_moves, what_changes
from scenarios.alignment import score_alignment
from territory_engine.grammar import counted
from territory_engine.wording import (
    distance_unit,
    each,
    limit_text,
    loads_are_whole,
    measure_label,
    number,
    objective_unit,
    percent,
    price_conditions,
    price_list,
    proof_sentence,
    readable_amount,
    size_in_words,
    territory_names,
)

if TYPE_CHECKING:
    import pandas as pd

    from scenarios.alignment import AlignmentScore
    from territory_engine.plan import Plan
    from territory_engine.problem import BalanceRule, PlanningProblem

_MOST_PRICES = 12
_MOST_BROKEN = 12
_ENDINGS = {
    "gap": "the proved gap was small enough",
    "optimal": "the plan was proved optimal",
    "stalled": "further search found nothing better",
    "time_limit": "the time limit was reached",
    "rounds": "the configured number of rounds was done",
    "interrupted": "it was interrupted; this is the best plan until then",
    "infeasible": "the rules were proved to contradict each other",
}


def write_report(problem: PlanningProblem, plan: Plan, path: Path | str, *, moves: pd.DataFrame | None = None) -> None:
    """Write a plan as one HTML page to read and to print: results, proof, what changes, loads, prices, notes on the data.

    The page needs no script and no network. An infeasible plan gives the conflict and what would resolve it.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    path : path-like
    moves : DataFrame, optional
        The move list, as :func:`scenarios.move_list.ordered_moves` returns it; the page does not tell of moves without it.
    """
    Path(path).write_text(report_page(problem, plan, moves), encoding="utf-8", newline="\n")


def report_page(problem: PlanningProblem, plan: Plan, moves: pd.DataFrame | None = None) -> str:
    """Return the page that :func:`write_report` writes."""
    before = _before(problem)
    feasible = plan.objective is not None
    context: dict[str, Any] = {
        "title": counted(len(problem.territory_ids), "sales territory"),
        "subtitle": size_in_words(problem),
        "status": plan.status,
        "proof": proof_sentence(problem, plan).split("`"),
        "ending": _ENDINGS.get(plan.termination, plan.termination),
        "seconds": number(plan.solve_seconds),
        "seed": plan.seed,
        "notices": list(dict.fromkeys([*plan.notices, *problem.notices])),
        "foreign_owners": counted(before.unknown_owner, "account belongs", "accounts belong") if before else "",
        "sources": problem.sources,
        "scenario": problem.scenario,
        "rules": rule_sentences(problem),
        "conflict": plan.conflict or {},
        "kpis": _kpis(problem, plan) if feasible else [],
        "comparison": _comparison(problem, plan, before) if feasible and before is not None else [],
        "before": before,
        "broken_before": _broken_before(before),
        "changes": what_changes(problem, plan, moves) if moves is not None and len(moves) else None,
        "loads": _load_sections(problem, plan, before) if feasible else [],
        "travel": _travel_section(problem, plan) if feasible else None,
        "prices": _prices(problem, plan),
        "table": _table(problem, plan) if feasible else None,
        "unit": objective_unit(problem),
    }
    return page_from("report/report.html.jinja", context)


def rule_sentences(problem: PlanningProblem) -> list[str]:
    """Every rule of the problem, one sentence each: hard ones, and soft targets with what is off them costs."""
    config = problem.config
    found = []
    for entry in config.balance:
        text = f"{measure_label(entry.measure).capitalize()}: "
        parts = []
        if entry.tolerance is not None:
            share = f"its share by {entry.share}" if entry.share else "an equal share"
            parts.append(f"every territory within ±{percent(entry.tolerance)} of {share}")
        parts += [
            f"at {word} {_limit_words(v, side)}"
            for word, side, v in (("least", "lower", entry.min), ("most", "upper", entry.max))
            if v is not None
        ]
        if parts:
            found.append(text + ", ".join(parts) + ".")
        if entry.target_weight is not None:
            share = f"its share by {entry.share}" if entry.share else "an equal share"
            amount = readable_amount(entry.target_weight) if entry.target_weight else 1.0
            price = f"{number(amount * entry.target_weight)} {objective_unit(problem)}"
            found.append(f"{text}near {share}; {each(entry.measure, amount)} off it costs {price}.")
    until = config.disruption.locked_until if config.disruption else None
    if config.disruption and until is not None:
        # These locks and those of [locks] are in one column, which is none of the reader's files.
        day = f"{config.disruption.as_of:%Y-%m-%d}"
        found.append(
            f"Accounts with a date after {day} in “{until}” stay with their rep of today, and locked ones with theirs."
        )
    elif config.locks:
        found.append(f"Accounts with a rep in “{config.locks.column}” stay with that rep.")
    if config.eligibility and config.eligibility.column:
        found.append(
            f"An account's “{config.eligibility.column}” must be among its rep's “{config.eligibility.reps_column}”."
        )
    if config.eligibility and config.eligibility.max_travel is not None:
        found.append(
            f"No account is more than {number(config.eligibility.max_travel)} {distance_unit(problem)} from its rep."
        )
    if config.groups:
        found.append(f"Accounts with the same “{config.groups.column}” stay together.")
    if config.contiguity:
        found.append("Every territory is in one piece.")
    if config.territories.centers == "free":
        found.append(f"Territories may be centred at {_where_centres_may_be(problem)}.")
    return [*found, *rules_on_moves(problem)]


def _limit_words(limit: float | str, side: str) -> str:
    return f"the rep's “{limit}”" if isinstance(limit, str) else limit_text(limit, side, whole=False)


def _where_centres_may_be(problem: PlanningProblem) -> str:
    if problem.travel_table is not None:
        return "any center_id of the travel table"
    return "any account's place" if problem.units is None else "any unit's place, if it has accounts"


def _before(problem: PlanningProblem) -> AlignmentScore | None:
    """Today's alignment, where the configuration names one and somebody owns something in it."""
    disruption = problem.config.disruption
    if disruption is None or disruption.current not in problem.accounts:
        return None
    score = score_alignment(problem, problem.accounts[disruption.current])
    return score if score.owned else None


def _kpis(problem: PlanningProblem, plan: Plan) -> list[tuple[str, str, str]]:
    """Label, value and a note each."""
    travel = plan.assignments["travel"].to_numpy(np.float64)
    total = plan.objective_terms.get("travel", plan.objective or 0.0)
    found = [(f"Travel, {objective_unit(problem)}", number(total), counted(len(plan.territories), "territory"))]
    if np.isfinite(travel).any():
        finite = travel[np.isfinite(travel)]
        found.append(
            (
                f"Mean per account, {distance_unit(problem)}",
                number(float(finite.mean())),
                f"half are within {number(float(np.median(finite)))}",
            )
        )
    if "balance" in plan.objective_terms:
        share = plan.objective_terms["balance"] / plan.objective if plan.objective else 0.0
        found.append(
            (
                f"Off target, {objective_unit(problem)}",
                number(plan.objective_terms["balance"]),
                f"{percent(share)} of the objective",
            )
        )
    note = "at most this much could be saved" if plan.status != "optimal" else "proved optimal"
    found.append(("Proved gap", percent(plan.gap), note))
    rules = {r.measure: r for r in problem.balance_rules()}
    for measure, facts in plan.measures.items():
        worst = facts.get("max_deviation", math.nan)
        if worst is not None and math.isfinite(worst):
            tolerance = rules[measure].tolerance_fraction if measure in rules else None
            found.append(
                (
                    f"{measure_label(measure).capitalize()} within",
                    f"±{percent(worst)}",
                    f"allowed ±{percent(tolerance)}" if tolerance is not None else "of the share",
                )
            )
    if (plan.assignments["previous_rep_id"] != "").any():
        found += key_figures(problem, plan)
    return found


def _comparison(problem: PlanningProblem, plan: Plan, before: AlignmentScore) -> list[tuple[str, str, str, str]]:
    """Before, after and change of what a manager compares, over the accounts somebody owns today."""
    previous, travel = before.account_travel.to_numpy(np.float64), plan.assignments["travel"].to_numpy(np.float64)
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
                percent(cost_now / cost_then - 1, signed=True) if cost_then else "–",
            )
        )
        then, now = float(previous[both].mean()), float(travel[both].mean())
        rows.append(
            (
                f"Mean per account, {distance_unit(problem)}",
                number(then),
                number(now),
                percent(now / then - 1, signed=True) if then else "–",
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


def _broken_before(before: AlignmentScore | None) -> list[str]:
    if before is None:
        return []
    listed = [str(b) + "." for b in before.limits_broken[:_MOST_BROKEN]]
    more = len(before.limits_broken) - len(listed)
    return listed + ([f"{more:,} more."] if more else [])


def _load_sections(problem: PlanningProblem, plan: Plan, before: AlignmentScore | None) -> list[dict[str, Any]]:
    sections = []
    for rule in problem.balance_rules():
        bars = _bars(problem, plan, rule, before)
        label = measure_label(rule.measure)
        sections.append(
            {
                "heading": f"{label.capitalize()} per territory",
                "chart": load_chart(bars, title=f"{label} per territory against its limits"),
                "ranked": len(bars) > MOST_BARS,
                "before": before is not None and len(bars) <= MOST_BARS,
            }
        )
    return sections


def _bars(problem: PlanningProblem, plan: Plan, rule: BalanceRule, before: AlignmentScore | None) -> list[Bar]:
    names = _names(problem)
    column = "accounts" if rule.measure == "count" and "count" not in plan.territories else rule.measure
    today = before.territories[rule.measure].to_numpy(np.float64) if before is not None else None
    bars = []
    places = problem.territory_ids.get_indexer(plan.territories.index).tolist()
    for place, territory_id, value in zip(places, plan.territories.index, plan.territories[column], strict=True):
        bars.append(
            Bar(
                names[str(territory_id)],
                float(value),
                float(rule.target[place]),
                float(rule.lower[place]),
                float(rule.upper[place]),
                float(today[place]) if today is not None else math.nan,
            )
        )
    return bars


def _travel_section(problem: PlanningProblem, plan: Plan) -> dict[str, Any]:
    names = _names(problem)
    bars = [
        Bar(names[str(t)], float(v)) for t, v in zip(plan.territories.index, plan.territories["travel"], strict=True)
    ]
    return {"chart": travel_chart(bars, title="travel per territory"), "cut": len(bars) > MOST_BARS, "most": MOST_BARS}


def _prices(problem: PlanningProblem, plan: Plan) -> dict[str, Any]:
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
        "more": counted(len(tight) - len(rows), "more price") if len(tight) > len(rows) else "",
        "unreached": counted(len(prices) - len(tight), "more limit") if len(prices) > len(tight) else "",
        "one_unreached": len(prices) == len(tight) + 1,
        "one_more": len(tight) == len(rows) + 1,
        "conditions": price_conditions(problem),
        "targets": any(p.side == "target" for p in prices),
    }


def _table(problem: PlanningProblem, plan: Plan) -> dict[str, Any]:
    names = _names(problem)
    measures = [m for m in problem.measures if m in plan.territories and m != "count"]
    rows = []
    for territory_id, row in plan.territories.iterrows():
        cells = [number(float(row["accounts"])), number(float(row["travel"]))]
        for measure in measures:
            cells += [
                number(float(row[measure])),
                percent(float(row.get(f"{measure}_deviation", math.nan)), signed=True),
            ]
        rows.append({"id": str(territory_id), "name": names[str(territory_id)], "cells": cells})
    heads = ["Accounts", f"Travel, {objective_unit(problem)}"]
    for measure in measures:
        heads += [measure_label(measure).capitalize(), "off target"]
    return {"heads": heads, "rows": rows}


def _names(problem: PlanningProblem) -> dict[str, str]:
    """Name and ID of every territory's rep, as a report shows it; the territory's ID where it has no rep."""
    return {i: f"{name} ({i})" if name != i else i for i, name in territory_names(problem).items()}
