"""What is proved of a batch's split, as the ledger keeps it and answers tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from solvers.fair_split.problem import LEVEL_UNIT
from territory_engine.leads.refused_batch import same_reason

if TYPE_CHECKING:
    from territory_engine.leads.decisions import Routing


def proof_of(routing: Routing, notices: tuple[str, ...]) -> dict[str, Any]:
    """Return what is proved of a batch's split, and what it takes to check it beside the tables; types that JSON knows."""
    fair = routing.suitability.policy.fair_share
    parts = []
    for part in routing.split.parts:
        split = part.split
        parts.append(
            {
                "name": part.name,
                "leads": len(part.leads),
                "assigned": split.assigned,
                "rank_sum": split.rank_sum,
                "fairness_cost": split.fairness_cost,
                "fairest_cost": split.fairest_cost,
                "value_sum": split.value_sum,
                "fairest_value": split.fairest_value,
                "unassigned_rank": split.unassigned_rank,
                "unassigned_price": int(split.rank_price[-1]),
                "proved": list(split.exact),
                "seconds": {name: round(seconds, 4) for name, seconds in split.seconds.items()},
            }
        )
    return {
        "parts": parts,
        "objective": fair.objective,
        "then": fair.then,
        "slack": fair.fairness_slack,
        "value_unit": routing.split.value_unit,
        "level_unit": LEVEL_UNIT,
        "fair_level": routing.levels.fair_level,
        "fair_worth_level": routing.levels.fair_worth_level,
        "rules": [[demand.column, demand.reps_column] for demand in routing.suitability.demands],
        "all_rejected": same_reason(routing.suitability.batch),
        "not_applied": routing.suitability.rules_without_column(),
        "truncated": routing.choices.truncated,
        "notices": list(notices),
    }
