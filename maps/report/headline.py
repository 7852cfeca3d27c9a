"""The report's first page in words: what the plan does and for whom, its status, and what to know before all else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from maps.report.fairness import fairness_sentence
from maps.report.moves import key_figures
from maps.report.prices import dearest_sentence
from maps.report.risks import risk_title
from territory_engine.grammar import counted, listed
from territory_engine.wording import (
    distance_unit,
    measure_label,
    noun,
    number,
    objective_unit,
    percent,
    price_conditions,
)

if TYPE_CHECKING:
    from maps.report.facts import ReportFacts
    from maps.report.fairness import Topic
    from scenarios.risks import Risk
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_MOST_FAIRNESS = 2


def headline(facts: ReportFacts) -> str:
    """Return what changes and for whom; without an alignment of today, what the plan achieves."""
    return _told(facts).replace(" %", "\N{NO-BREAK SPACE}%")


def _told(facts: ReportFacts) -> str:
    problem, plan = facts.problem, facts.plan
    with_reps = bool(len(problem.reps))
    who = counted(len(facts.ids), "rep" if with_reps else "territory")
    serve = ("serves" if with_reps else "holds") if len(facts.ids) == 1 else ("serve" if with_reps else "hold")
    text = f"{who} {serve} {counted(len(plan.assignments), 'account')}"
    if facts.before is not None:
        return f"{text}; {_changes(facts)}"
    within = [
        (percent(numbers["max_deviation"]), noun(measure).removeprefix("of "))
        for measure, numbers in plan.measures.items()
        if math.isfinite(numbers.get("max_deviation") or math.nan)
    ]
    if not within:
        return text
    (first, what), rest = within[0], [f"{off} of {of}" for off, of in within[1:]]
    each = ", each" if len(facts.ids) > 1 else ""
    return f"{text}{each} within {listed([f'{first} of its share of {what}', *rest])}"


def _changes(facts: ReportFacts) -> str:
    moved, told = int(facts.plan.assignments["moved"].sum()), facts.plan.disruption
    assigned = int((facts.changed & (facts.owner < 0)).sum())
    if not moved:
        text = "nobody's accounts change hands"
    else:
        text = counted(moved, "account changes hands", "accounts change hands")
        if told is not None and told["total"] > 0:
            measure = told["measure"]
            of = "those with a rep today" if measure == "count" else noun(measure).removeprefix("of ")
            text += f", {percent(told['moved_fraction'])} of {of}"
    if assigned:
        text += f", and {assigned:,} without a rep {'gets' if assigned == 1 else 'get'} one"
    return text


def status_sentence(plan: Plan) -> str:
    """Return what the status leaves to say, in plain words."""
    if plan.status == "infeasible":
        return "No plan can keep all the rules"
    if plan.status == "optimal":
        return "No plan that keeps the rules is better"
    if plan.gap is None or plan.lower_bound is None or plan.lower_bound <= 0:
        return "How much better a plan could be is not proved"
    return f"At most {percent(plan.gap)} could still be saved"


def in_short(facts: ReportFacts, topics: list[Topic], risks: tuple[Risk, ...]) -> list[tuple[str, str]]:
    """Return what to know before all else, a word and a sentence each: travel, fairness, the dearest rule, the first risk."""
    found = [("Travel", sentence) for sentence in _travel(facts)]
    for topic in topics[:_MOST_FAIRNESS]:
        if sentence := fairness_sentence(facts, topic):
            found.append(("Fairness" if not any(k == "Fairness" for k, _ in found) else "", sentence))
    if sentence := dearest_sentence(facts.problem, facts.plan):
        found.append(("Price", f"{sentence[:-1]}, {price_conditions(facts.problem)}."))
    if risks:
        rest = f"; {counted(len(risks) - 1, 'more risk')} below" if len(risks) > 1 else ""
        found.append(("Risk", f"{risk_title(risks[0], facts.who)}{rest}."))
    return found


def _travel(facts: ReportFacts) -> list[str]:
    """Travel against today's, over the accounts that somebody has today."""
    both = np.isfinite(facts.travel) & np.isfinite(facts.travel_today)
    if not both.any():
        return []
    then, now = float(facts.travel_today[both].mean()), float(facts.travel[both].mean())
    if not then > 0:
        return []
    ratio = round(now / then - 1, 6)
    change = (
        f"{percent(abs(ratio))} {'less' if ratio < 0 else 'more'} than today ({number(then)})" if ratio else "as today"
    )
    whose = "" if both.sum() == np.isfinite(facts.travel).sum() else ", over those with a rep today"
    return [f"An account is {number(now)} {facts.unit} from its rep on average, {change}{whose}."]


def key_numbers(problem: PlanningProblem, plan: Plan) -> list[tuple[str, str, str]]:
    """Label, value and a note each."""
    travel = plan.assignments["travel"].to_numpy(np.float64)
    total = plan.objective_terms.get("travel", plan.objective or 0.0)
    weight = problem.config.travel.weight
    of = (
        f"{distance_unit(problem)}{'²' if problem.config.travel.power == 2 else ''} × {noun(weight).removeprefix('of ')}, added up"
        if weight is not None
        else counted(len(plan.territories), "territory")
    )
    found = [(f"Travel, {objective_unit(problem)}", number(total), of)]
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
