"""The plan that says that there is none: no assignments, no bound, but why, and what proves it."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from territory_engine.plan import Plan, empty_assignments, empty_territories
from territory_engine.plan_tables import named_prices, named_proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from solvers.bounds import Prices
    from solvers.districting.problem import Districts
    from solvers.result import SolveResult
    from territory_engine.infeasibility.conflicts import Conflict
    from territory_engine.problem import BalanceRule, PlanningProblem


def refusal(
    planning: PlanningProblem,
    rules: Sequence[BalanceRule],
    result: SolveResult | Districts,
    record: dict[str, Any],
    prices: Prices,
    proof: dict[str, Any],
    *,
    moves_limited: bool = False,
) -> Plan:
    """Return the plan of a conflict.

    Parameters
    ----------
    planning : PlanningProblem
    rules : sequence of BalanceRule
        One per row of the prices.
    result : SolveResult or Districts
        How long it took to find out.
    record : dict
        The conflict: rules, relaxations, accounts, certificate.
    prices : Prices
        What proves it, where prices do.
    proof : dict
        With measures by name.
    moves_limited : bool
        Whether the limit on moves takes part, so that its price is told.
    """
    return Plan(
        status="infeasible",
        assignments=empty_assignments(),
        territories=empty_territories(),
        objective=None,
        lower_bound=None,
        gap=None,
        priced_bound=None,
        objective_terms={},
        measures={},
        prices=named_prices(planning, rules, prices),
        proof=proof,
        termination="infeasible",
        rounds=result.rounds,
        solve_seconds=result.seconds,
        seed=planning.config.solve.seed,
        conflict=record,
        notices=_on_relaxations(planning, record),
        disruption={"price": prices.moved} if moves_limited else None,
    )


def _on_relaxations(planning: PlanningProblem, record: dict[str, Any]) -> tuple[str, ...]:
    """Return what the planner should know of changes that would make a plan possible, where something may change hands."""
    rule, notices = planning.config.disruption, []
    if rule is None or not record["relaxations"]:
        return ()
    if rule.max_moved is not None and "least_moved" not in record:
        notices.append(
            "These changes were tried without the limit on moves: with disruption.max_moved more may be needed, which"
            " planning again will say"
        )
    if rule.locked_until is not None and record.get("unlock"):
        notices.append(
            f"An account that is locked until a date is unlocked by clearing its {rule.locked_until!r}, or by a later as_of"
        )
    return tuple(notices)


def refusal_of(
    planning: PlanningProblem,
    rules: Sequence[BalanceRule],
    result: SolveResult | Districts,
    conflict: Conflict,
    *,
    moves_limited: bool = False,
) -> Plan:
    """Return the plan of a conflict that prices prove, or a search did."""
    proof: dict[str, Any] = {"kind": "prices"} if conflict.by_prices else named_proof(rules, result.proof)
    if not conflict.by_prices and proof.get("kind") != "search":
        # Too narrow a margin for prices to show beyond rounding: it rests on the simplex.
        proof = {"kind": "search", "solver": "GLOP", "version": version("ortools"), "parameters": {}}
    proof.pop("whole_measures", None)
    if conflict.whole_measures:
        proof["whole_measures"] = list(conflict.whole_measures)
    return refusal(planning, rules, result, conflict.record, conflict.prices, proof, moves_limited=moves_limited)
