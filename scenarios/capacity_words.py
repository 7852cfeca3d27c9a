"""Who has more than they can manage, in words: no rule forbids it where shares of capacities are what is balanced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.risks import capacity_risks
from territory_engine.grammar import counted, listed
from territory_engine.wording import noun, number, territory_names

if TYPE_CHECKING:
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_MOST_NAMES = 4


def capacity_sentences(problem: PlanningProblem, plan: Plan) -> list[str]:
    """Say which reps are above their capacity, the worst first, a sentence per measure; nothing where nobody is."""
    names = territory_names(problem)
    said = []
    for risk in capacity_risks(problem, plan):
        who = [
            f"{names.get(c.territory_id, c.territory_id)} ({number(c.value)} of {number(c.limit)})"
            for c in risk.cases[:_MOST_NAMES]
        ]
        if len(risk.cases) > _MOST_NAMES:
            who.append(f"{len(risk.cases) - _MOST_NAMES:,} more")
        what = noun(risk.measure).removeprefix("of ")
        reps = counted(len(risk.cases), "rep is", "reps are")
        said.append(f"{reps} above capacity in {what}: {listed(who)}.")
    return said


def reps_above_capacity(problem: PlanningProblem, plan: Plan) -> int:
    """Return how many reps are above a capacity, in whatever measure."""
    return len({case.territory_id for risk in capacity_risks(problem, plan) for case in risk.cases})
