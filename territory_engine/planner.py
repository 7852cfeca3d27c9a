"""Make a plan: build the arrays, solve them, and say the answer in accounts and reps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.ladder import fewest_moves
from solvers.ladder import solve as solve_arrays
from solvers.result import relative_gap
from territory_engine.disruption import disruption_record, with_max_moved
from territory_engine.district_model import needs_design
from territory_engine.district_planner import solve_districts
from territory_engine.errors import NoPlanError
from territory_engine.infeasibility.budget import over_budget
from territory_engine.infeasibility.conflicts import describe_conflict
from territory_engine.infeasibility.refusal import refusal_of
from territory_engine.model import build_model
from territory_engine.no_plan import nothing_found
from territory_engine.plan import Plan
from territory_engine.plan_tables import (
    assignments_table,
    clock_notice,
    named_prices,
    named_proof,
    territories_table,
)
from territory_engine.reasons import assignment_reasons
from territory_engine.travel import travel_to

if TYPE_CHECKING:
    from solvers.result import ProgressListener, SolveResult, StopRequest
    from territory_engine.model import Model
    from territory_engine.problem import PlanningProblem


def solve(
    problem: PlanningProblem, *, on_progress: ProgressListener | None = None, should_stop: StopRequest | None = None
) -> Plan:
    """Assign every account to one territory at least weighted travel and deviation from soft targets, every hard rule kept.

    The plan proves how good that is. Territories are served from rep homes, or from centres that are chosen too; with
    geographic units they are connected.

    Parameters
    ----------
    problem : PlanningProblem
    on_progress : callable or None
        Called with a ``solvers.result.Progress`` now and then.
    should_stop : callable or None
        Asked now and then; once it returns true the best plan so far comes back, with termination ``"interrupted"``.

    Returns
    -------
    Plan
        With status ``"infeasible"`` and a ``conflict`` when no plan can keep the rules.

    Raises
    ------
    NoPlanError
        No plan was found inside the time limit, and nothing was proved.
    """
    if needs_design(problem):
        return solve_districts(problem, on_progress=on_progress, should_stop=should_stop)
    model = build_model(problem)
    options = problem.config.solve
    result = solve_arrays(
        model.problem,
        time_limit_s=options.time_limit_s,
        gap=options.gap,
        rounds=options.rounds,
        seed=options.seed,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    if result.status == "infeasible" and model.problem.limit is not None:
        return _over_budget(problem, model, result, should_stop)
    if result.status == "infeasible":
        return refusal_of(problem, model.rules, result, describe_conflict(problem, model, result))
    if result.assignment is None:
        raise NoPlanError(nothing_found(problem, result.termination))
    return plan_of(problem, model, result)


def plan_of(problem: PlanningProblem, model: Model, result: SolveResult, *, along_curve: bool = False) -> Plan:
    """Return the plan that an assignment makes, in accounts and reps.

    Parameters
    ----------
    problem : PlanningProblem
    model : Model
        Of ``problem``.
    result : SolveResult
        With an assignment.
    along_curve : bool
        Whether it was found together with others, so that no number of rounds gives this plan again by itself.
    """
    assert result.assignment is not None
    assert result.lower_bound is not None
    assert result.priced_bound is not None
    prices = result.prices
    rep = result.assignment[model.unit_of].astype(np.int64)
    travel = travel_to(problem, rep)
    contribution = problem.weights() * np.nan_to_num(travel) ** problem.config.travel.power
    travelled = float(contribution.sum())
    terms = {"travel": travelled}
    if any(rule.target_weight is not None for rule in model.rules):
        loads = model.problem.loads_of(result.assignment)
        terms["balance"] = float(sum(rule.off_target(row) for rule, row in zip(model.rules, loads, strict=True)))
    changed = disruption_record(problem, rep, prices.moved)
    if changed is not None and model.moved_weight > 0:
        terms["disruption"] = model.moved_weight * changed["counted"]
    objective = float(sum(terms.values()))
    lower_bound = min(result.lower_bound, objective)
    gap = relative_gap(objective, lower_bound)
    status = "optimal" if gap <= 1e-6 else "feasible"
    reasons = assignment_reasons(problem, model, result.assignment, prices, travel)
    territories, measures = territories_table(
        problem, model.rules, model.problem.loads_of(result.assignment), rep, contribution
    )
    options = problem.config.solve
    return Plan(
        status=status,  # type: ignore[arg-type]  # one of the two literals
        assignments=assignments_table(problem, rep, travel, reasons),
        territories=territories,
        objective=objective,
        lower_bound=lower_bound,
        gap=gap,
        priced_bound=result.priced_bound,
        objective_terms=terms,
        measures=measures,
        prices=named_prices(problem, model.rules, prices),
        proof=named_proof(model.rules, result.proof) | ({"along_curve": True} if along_curve else {}),
        termination=result.termination,
        rounds=result.rounds,
        solve_seconds=result.seconds,
        seed=options.seed,
        notices=clock_notice(result.termination, options.time_limit_s, result.rounds, along_curve=along_curve),
        disruption=changed,
    )


def _over_budget(problem: PlanningProblem, model: Model, result: SolveResult, should_stop: StopRequest | None) -> Plan:
    """Return the plan that says whether the limit on moves is to blame, and what the least would be."""
    options = problem.config.solve
    left_s = max(options.time_limit_s - result.seconds, options.time_limit_s / 3)
    fewest = fewest_moves(
        model.problem, time_limit_s=left_s, rounds=options.rounds, seed=options.seed, should_stop=should_stop
    )
    if fewest.status == "infeasible":
        # The other rules contradict each other: they are explained, and mended, as if any number of moves were allowed.
        freely = with_max_moved(problem, None)
        unlimited = build_model(freely)
        return refusal_of(problem, unlimited.rules, fewest, describe_conflict(freely, unlimited, fewest))
    conflict = over_budget(problem, model, result, fewest)
    return refusal_of(problem, model.rules, result, conflict, moves_limited=True)
