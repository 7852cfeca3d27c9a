"""Make a plan: build the arrays, solve them, and say the answer in accounts and reps."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from solvers.bounds import Prices
from solvers.ladder import solve as solve_arrays
from solvers.result import relative_gap
from territory_engine.errors import NoPlanError
from territory_engine.infeasibility.conflicts import describe_conflict
from territory_engine.model import build_model
from territory_engine.plan import Plan, empty_assignments, empty_territories
from territory_engine.reasons import assignment_reasons
from territory_engine.travel import travel_to

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.result import ProgressListener, SolveResult, StopRequest
    from territory_engine.model import Model
    from territory_engine.problem import PlanningProblem


def solve(
    problem: PlanningProblem, *, on_progress: ProgressListener | None = None, should_stop: StopRequest | None = None
) -> Plan:
    """Assign every account to one rep at least weighted travel, every hard rule kept, and prove how good that is.

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
    if result.status == "infeasible":
        return _infeasible_plan(problem, model, result)
    if result.assignment is None:
        raise NoPlanError(_nothing_found(problem, result))
    return _plan(problem, model, result)


def _nothing_found(problem: PlanningProblem, result: SolveResult) -> str:
    if result.termination == "interrupted":
        return "interrupted before any plan was found that keeps every rule"
    return (
        f"no plan that keeps every rule was found in {problem.config.solve.time_limit_s:g} s, and none was proved"
        " impossible. Remedy: a longer [solve] time_limit_s, or looser limits (start with the tightest tolerance)"
    )


def _plan(problem: PlanningProblem, model: Model, result: SolveResult) -> Plan:
    assert result.assignment is not None
    assert result.lower_bound is not None
    assert result.priced_bound is not None
    prices = Prices(result.upper_prices, result.lower_prices)
    rep = result.assignment[model.unit_of].astype(np.int64)
    travel = travel_to(problem, rep)
    contribution = problem.weights() * np.nan_to_num(travel) ** problem.config.travel.power
    objective = float(contribution.sum())
    lower_bound = min(result.lower_bound, objective)
    gap = relative_gap(objective, lower_bound)
    status = "optimal" if gap <= 1e-6 else "feasible"
    names = problem.reps.index.to_numpy(object)
    previous = (
        problem.accounts[problem.config.disruption.current].astype(object).to_numpy()
        if problem.config.disruption
        else np.full(len(rep), "", object)
    )
    known = np.isin(previous.astype(str), names.astype(str))
    assignments = pd.DataFrame(
        {
            "territory_id": names[rep],
            "rep_id": names[rep],
            # A millimetre is enough; every later figure is computed from the unrounded travel.
            "travel": np.round(travel, 6),
            "previous_rep_id": previous,
            "moved": known & (previous != names[rep]),
            "reason": assignment_reasons(problem, model, result.assignment, prices, travel),
        },
        index=problem.accounts.index,
    )
    territories, measures = _territories(problem, model, result.assignment, rep, contribution)
    return Plan(
        status=status,  # type: ignore[arg-type]  # one of the two literals
        assignments=assignments,
        territories=territories,
        objective=objective,
        lower_bound=lower_bound,
        gap=gap,
        priced_bound=result.priced_bound,
        objective_terms={"travel": objective},
        measures=measures,
        prices=_named_prices(problem, model, prices),
        proof=_named_proof(model, result),
        termination=result.termination,
        rounds=result.rounds,
        solve_seconds=result.seconds,
        seed=problem.config.solve.seed,
        notices=_plan_notices(problem, result),
    )


def _plan_notices(problem: PlanningProblem, result: SolveResult) -> tuple[str, ...]:
    if result.termination != "time_limit":
        return ()
    return (
        f"the time limit of {problem.config.solve.time_limit_s:g} s ended the search after {result.rounds} rounds:"
        f" [solve] rounds = {result.rounds} with a longer time limit gives this plan again on any machine",
    )


def _territories(
    problem: PlanningProblem,
    model: Model,
    assignment: NDArray[np.int32],
    rep: NDArray[np.int64],
    contribution: NDArray[np.float64],
) -> tuple[pd.DataFrame, dict[str, dict[str, float]]]:
    """Return the territories' table and, per measure, the total and the largest deviation."""
    n_reps = len(problem.reps)
    index = pd.Index(problem.reps.index, name="territory_id")
    table: dict[str, Any] = {
        "rep_id": problem.reps.index.to_numpy(object),
        "accounts": np.bincount(rep, minlength=n_reps),
        "travel": np.bincount(rep, contribution, n_reps),
    }
    loads = model.problem.loads_of(assignment)
    measures = {}
    for k, rule in enumerate(model.rules):
        with np.errstate(invalid="ignore", divide="ignore"):
            deviation = np.where(rule.target > 0, loads[k] / rule.target - 1, np.nan)
        table[rule.measure] = loads[k]
        table[f"{rule.measure}_target"] = rule.target
        table[f"{rule.measure}_deviation"] = deviation
        size = np.abs(deviation[np.isfinite(deviation)])
        measures[rule.measure] = {
            "max_deviation": float(size.max()) if len(size) else np.nan,
            "total": float(loads[k].sum()),
        }
    return pd.DataFrame(table, index=index), measures


def _named_prices(problem: PlanningProblem, model: Model, prices: Prices) -> dict[str, dict[str, dict[str, float]]]:
    """Return ``{measure: {rep_id: {"upper": λ⁺, "lower": λ⁻}}}`` without the zeros."""
    named: dict[str, dict[str, dict[str, float]]] = {}
    for k, rule in enumerate(model.rules):
        by_rep: dict[str, dict[str, float]] = {}
        for t, rep_id in enumerate(problem.reps.index):
            sides = {"upper": float(prices.upper[k, t]), "lower": float(prices.lower[k, t])}
            sides = {side: value for side, value in sides.items() if value > 0}
            if sides:
                by_rep[str(rep_id)] = sides
        named[rule.measure] = by_rep
    return named


def _named_proof(model: Model, result: SolveResult) -> dict[str, Any]:
    """Return the proof with measures by name.

    ``whole_measures`` are those whose loads are all whole numbers, so that their limits may be rounded to whole
    numbers before the prices are applied: that is how ``lower_bound`` may exceed ``priced_bound`` without a search.
    """
    proof = dict(result.proof)
    whole = [model.rules[k].measure for k in proof.pop("whole_measures", [])]
    if whole:
        proof["whole_measures"] = whole
    return proof


def _infeasible_plan(problem: PlanningProblem, model: Model, result: SolveResult) -> Plan:
    conflict = describe_conflict(problem, model, result)
    proof: dict[str, Any] = {"kind": "prices"} if conflict.by_prices else _named_proof(model, result)
    if not conflict.by_prices and proof.get("kind") != "search":
        # Too narrow a margin for prices to show beyond rounding: it rests on the simplex.
        proof = {"kind": "search", "solver": "GLOP", "version": version("ortools"), "parameters": {}}
    proof.pop("whole_measures", None)
    if conflict.whole_measures:
        proof["whole_measures"] = list(conflict.whole_measures)
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
        prices=_named_prices(problem, model, conflict.prices),
        proof=proof,
        termination="infeasible",
        rounds=result.rounds,
        solve_seconds=result.seconds,
        seed=problem.config.solve.seed,
        conflict=conflict.record,
    )
