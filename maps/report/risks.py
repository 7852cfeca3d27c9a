"""The report's section on risks, in words: what, who, how much, and why it matters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from maps.report.facts import figure
from scenarios.risks import (
    DEPENDENCE_FRACTION,
    LARGE_MOVE_FRACTION,
    LONG_DRIVE_FACTOR,
    kinds_looked_for,
    plan_risks,
)
from territory_engine.grammar import counted
from territory_engine.wording import limit_text, noun, number, percent

if TYPE_CHECKING:
    from maps.report.facts import ReportFacts
    from scenarios.risks import Case, Risk

_MOST_NAMES = 4
_SEVERITY = {"high": "act", "medium": "watch", "low": "know"}
_OF_ACCOUNTS = frozenset({"dependence", "large_move", "no_place", "by_postal_code", "long_drive", "indivisible"})
_WHY = {
    "over_limit": "A rule of the plan is broken: it was changed after it was made.",
    "under_limit": "A rule of the plan is broken: it was changed after it was made.",
    "over_capacity": "More work than the rep is said to manage: visits will be missed, or somebody must help.",
    "indivisible": "No plan can balance this: the account alone is more than a fair share. Share it, or take it out of the balance.",
    "dependence": "Losing one account would undo the territory, and the rep's pay with it.",
    "large_move": "A change of rep is when customers leave: introduce the new rep in person.",
    "at_upper": "No room for growth: but for the smallest, the next account there breaks the rule.",
    "at_lower": "Any loss breaks the rule: this is the least that is allowed.",
    "no_place": "Their travel is not in the plan, and they may be far from who serves them. Add coordinates or a postal code.",
    "by_postal_code": "Placed at the middle of their postal code: travel is right to a few kilometres only.",
    "long_drive": f"More than {LONG_DRIVE_FACTOR:g} times as far as the longest of the median {{who}}: rarely visited, or by telephone.",
}
_WHY_WITHOUT_REPS = {"dependence": "Losing one account would undo the territory."}
_NONE = {
    "over_limit": "a load outside its limits",
    "over_capacity": "a load above a rep's capacity",
    "dependence": f"a {{who}} with {percent(DEPENDENCE_FRACTION)} or more in one account",
    "large_move": f"an account that changes hands with {percent(LARGE_MOVE_FRACTION)} or more of what its new rep has",
    "at_upper": "a {who} at an upper limit",
    "no_place": "an account without a place",
    "long_drive": f"a drive more than {LONG_DRIVE_FACTOR:g} times the longest of the median {{who}}",
}


def risks_section(facts: ReportFacts, found: tuple[Risk, ...] | None = None) -> dict[str, Any]:
    """Return what the section shows: a row per risk, and what was looked for and not found."""
    risks = plan_risks(facts.problem, facts.plan) if found is None else found
    missing = kinds_looked_for(facts.problem, facts.plan) - {risk.kind for risk in risks}
    why = _WHY if facts.who == "rep" else _WHY | _WHY_WITHOUT_REPS
    place = {i: row for row, i in enumerate(facts.ids)}
    account = {i: row for row, i in enumerate(facts.account_ids)} if any(r.kind in _OF_ACCOUNTS for r in risks) else {}
    rows = [
        {
            "severity": _SEVERITY[risk.severity],
            "level": risk.severity,
            "what": risk_title(risk, facts.who),
            "who": [_case(facts, risk, case, place, account) for case in risk.cases[:_MOST_NAMES]],
            "more": f"and {len(risk.cases) - _MOST_NAMES:,} more" if len(risk.cases) > _MOST_NAMES else "",
            "why": why[risk.kind].format(who=facts.who),
        }
        for risk in risks
    ]
    return {"rows": rows, "none": [text.format(who=facts.who) for kind, text in _NONE.items() if kind in missing]}


def risk_title(risk: Risk, who: str = "rep") -> str:
    """Return what a risk is, with how many it is about; `who` is ``"territory"`` where there are no reps."""
    n, what = len(risk.cases), noun(risk.measure).removeprefix("of ") if risk.measure else ""
    reps, accounts = counted(n, who), counted(n, "account")
    verb = "is" if n == 1 else "are"
    return {
        "over_limit": f"{reps} {verb} above the limit on {what}",
        "under_limit": f"{reps} {verb} below the limit on {what}",
        "over_capacity": f"{reps} {verb} above capacity in {what}",
        "indivisible": f"{accounts} {verb} more than a {who}'s share of {what}",
        "dependence": f"{reps} {'has' if n == 1 else 'have'} {percent(risk.threshold)} or more of {what} in one account",
        "large_move": f"{accounts} with {percent(risk.threshold)} or more of a rep's {what} {'changes' if n == 1 else 'change'} hands",
        "at_upper": f"{reps} {verb} at the upper limit on {what}",
        "at_lower": f"{reps} {verb} at the lower limit on {what}",
        "no_place": f"{accounts} {'has' if n == 1 else 'have'} no place",
        "by_postal_code": f"{accounts} {verb} placed by postal code alone",
        "long_drive": f"{accounts} {verb} very far from {'its' if n == 1 else 'their'} {'rep' if who == 'rep' else 'centre'}",
    }[risk.kind]


def _case(facts: ReportFacts, risk: Risk, case: Case, place: dict[str, int], account: dict[str, int]) -> str:
    rep = facts.names[place[case.territory_id]] if case.territory_id in place else case.territory_id
    what = facts.account_names[account[case.account_id]] if case.account_id else ""
    if risk.kind == "dependence":
        return f"{rep}: {what}, {percent(case.value)} (three largest {percent(case.top_three)})"
    if risk.kind == "large_move":
        return f"{what} to {rep}: {percent(case.value)}"
    if risk.kind == "long_drive":
        return f"{what}: {number(case.value)} {facts.unit} from {rep}"
    if risk.kind == "indivisible":
        return f"{what} ({rep}): {figure(case.value)}, a share is {figure(case.limit)}"
    if risk.kind in _OF_ACCOUNTS:
        return f"{what} ({rep})"
    if not math.isfinite(case.limit):
        return rep
    side = "lower" if risk.kind in ("at_lower", "under_limit") else "upper"
    word = {"over_capacity": "capacity"}.get(risk.kind, "at least" if side == "lower" else "at most")
    limit = (
        number(case.limit)
        if risk.kind == "over_capacity"
        else limit_text(case.limit, side, whole=case.value == round(case.value))
    )
    return f"{rep}: {number(case.value)}, {word} {limit}"
