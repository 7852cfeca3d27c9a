"""Make a plan whose centres are chosen or whose territories are connected: build the arrays, solve, say it in IDs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from solvers.bounds import Prices
from solvers.districting.ladder import design, fewest_moves
from solvers.result import relative_gap
from territory_engine.disruption import current_alignment, disruption_record
from territory_engine.district_model import build_district_model, travel_matrix
from territory_engine.errors import NoPlanError
from territory_engine.no_plan import nothing_found
from territory_engine.plan import CENTRE_ID, CENTRE_PLACES, Plan
from territory_engine.plan_tables import (
    assignments_table,
    clock_notice,
    named_prices,
    named_proof,
    territories_table,
)
from territory_engine.reasons import Service, assignment_reasons
from territory_engine.travel import haversine_km
from territory_engine.wording import measure_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import Districts
    from solvers.result import ProgressListener, StopRequest
    from territory_engine.district_model import DistrictModel
    from territory_engine.problem import PlanningProblem


def solve_districts(
    planning: PlanningProblem,
    *,
    start: NDArray[np.int64] | None = None,
    on_progress: ProgressListener | None = None,
    should_stop: StopRequest | None = None,
) -> Plan:
    """Design territories and return the plan; see :func:`territory_engine.planner.solve`, which calls this.

    Parameters
    ----------
    planning : PlanningProblem
    start : ndarray of int64, shape (n_accounts,), or None
        Territory of every account to begin with, as a row of ``planning.territory_ids``; −1 for none. If it keeps every
        rule, the plan is no worse.
    on_progress, should_stop
        As for :func:`territory_engine.planner.solve`.

    Raises
    ------
    NoPlanError
        No plan was found inside the time limit, and nothing was proved.
    """
    model = build_district_model(planning)
    options = planning.config.solve
    result = design(
        model.problem,
        time_limit_s=options.time_limit_s,
        gap=options.gap,
        rounds=options.rounds,
        seed=options.seed,
        start=None if start is None else model.of_units(start),
        on_progress=on_progress,
        should_stop=should_stop,
    )
    if result.status == "infeasible" and model.problem.limit is not None:
        return _over_budget(planning, model, result, should_stop)
    if result.status == "infeasible":
        from territory_engine.infeasibility.districts import infeasible_plan

        return infeasible_plan(planning, model, result)
    if result.assignment is None or result.centres is None:
        raise NoPlanError(nothing_found(planning, result.termination, _least_found(planning, result)))
    return plan_of(planning, model, result)


def _over_budget(
    planning: PlanningProblem, model: DistrictModel, result: Districts, should_stop: StopRequest | None
) -> Plan:
    """Return the plan that says whether the limit on moves is to blame, and what the least would be."""
    from territory_engine.infeasibility.budget import over_budget
    from territory_engine.infeasibility.districts import infeasible_plan
    from territory_engine.infeasibility.pieces import broken_up_today
    from territory_engine.infeasibility.refusal import refusal_of

    options = planning.config.solve
    fewest = fewest_moves(
        model.problem,
        time_limit_s=options.time_limit_s,
        seed=options.seed,
        start=None if result.fewest is None else result.fewest.assignment,
        should_stop=should_stop,
    )
    if fewest.status == "infeasible":
        return infeasible_plan(planning, model.without_limit_on_moves(), fewest)
    at_homes = model.at_centres(np.arange(model.problem.n_territories))
    conflict = over_budget(planning, at_homes, result, fewest, broken_up_today(planning, model))
    return refusal_of(planning, model.rules, result, conflict, moves_limited=True)


def _least_found(planning: PlanningProblem, result: Districts) -> float | None:
    """Return the fraction that changes hands in the design of fewest moves that was found; None where none was."""
    today = current_alignment(planning)
    if today is None or today.total == 0 or result.fewest is None or result.fewest.objective is None:
        return None
    return result.fewest.objective / today.total


def plan_of(planning: PlanningProblem, model: DistrictModel, result: Districts, *, along_curve: bool = False) -> Plan:
    """Return the plan of a design, in the IDs of accounts, territories and reps.

    Parameters
    ----------
    planning : PlanningProblem
    model : DistrictModel
        Of ``planning``.
    result : Districts
        With an assignment.
    along_curve : bool
        Whether it was found together with others, so that no number of rounds gives this plan again by itself.
    """
    assert result.assignment is not None
    assert result.centres is not None
    assert result.objective is not None
    free = planning.config.territories.centers == "free"
    centres, assignment = result.centres, result.assignment
    prices = result.prices
    if free:
        order = _nearest_reps(planning, model, centres)
        centres = centres[order]
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        assignment = rank[assignment]
        prices = Prices(prices.upper[:, order], prices.lower[:, order], prices.target[:, order])
    territory = assignment[model.unit_of].astype(np.int64)
    travel = _travel_to(planning, model, centres, territory)
    contribution = planning.weights() * np.nan_to_num(travel) ** planning.config.travel.power
    loads = model.problem.loads_of(assignment)
    terms = {"travel": float(contribution.sum())}
    off_target = model.problem.off_target(assignment)
    if any(rule.target_weight is not None for rule in model.rules):
        terms["balance"] = off_target
    changed = None if free else disruption_record(planning, territory, prices.moved)
    if changed is not None and model.moved_weight > 0:
        terms["disruption"] = model.moved_weight * changed["counted"]
    objective = sum(terms.values())
    lower_bound = min(result.lower_bound, objective) if result.lower_bound is not None else 0.0
    gap = relative_gap(objective, lower_bound)
    territories, measures = territories_table(planning, model.rules, loads, territory, contribution)
    if free:
        territories = _with_centres(planning, model, centres, territories)
    options = planning.config.solve
    return Plan(
        status="optimal" if gap <= 1e-6 else "feasible",
        assignments=assignments_table(
            planning, territory, travel, _reasons(planning, model, centres, assignment, prices, travel)
        ),
        territories=territories,
        objective=objective,
        lower_bound=lower_bound,
        gap=gap,
        priced_bound=result.priced_bound,
        objective_terms=terms,
        measures=measures,
        prices=named_prices(planning, model.rules, prices),
        proof=named_design_proof(model, result) | ({"along_curve": True} if along_curve else {}),
        termination=result.termination,
        rounds=result.rounds,
        solve_seconds=result.seconds,
        seed=options.seed,
        notices=clock_notice(result.termination, options.time_limit_s, result.rounds, along_curve=along_curve),
        bound_at_centers=result.bound_at_centres if free else None,
        units=_units_table(planning, model, assignment),
        multipliers=_multipliers(planning, model, result) if free else None,
        disruption=changed,
    )


def _nearest_reps(planning: PlanningProblem, model: DistrictModel, centres: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which found territory becomes each territory of the plan.

    Where reps have homes and all territories are alike, who gets which costs nothing: the pairing of least total
    distance from home to centre is taken. Without homes, territories are numbered from north to south.
    """
    identity = np.arange(len(centres))
    if not model.problem.alike:
        return identity
    places = model.candidate_places[centres]
    if not np.isfinite(places).all():
        return identity
    columns = ["x", "y"] if planning.config.travel.metric == "euclidean" else ["latitude", "longitude"]
    if not set(columns) <= set(planning.reps.columns):
        # x and y have no north, but they have a top.
        vertical = places[:, 1] if columns == ["x", "y"] else places[:, 0]
        return np.argsort(-vertical, kind="stable")
    homes = planning.reps[columns].to_numpy(np.float64)
    if not np.isfinite(homes).all():
        return identity
    if columns == ["x", "y"]:
        distance = np.hypot(homes[:, :1] - places[:, 0], homes[:, 1:] - places[:, 1])
    else:
        distance = haversine_km(homes[:, :1], homes[:, 1:], places[:, 0], places[:, 1])
    return np.asarray(linear_sum_assignment(distance)[1])


def _travel_to(
    planning: PlanningProblem, model: DistrictModel, centres: NDArray[np.int64], territory: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return each account's travel to the centre of the territory given for it, shape ``(n_accounts,)``."""
    if planning.travel_table is not None:
        matrix = travel_matrix(planning, model.candidate_ids)
        travel = matrix[np.arange(len(territory)), centres[territory]]
        return np.where(np.isfinite(travel), travel, np.nan)
    places = model.candidate_places[centres][territory]
    if planning.config.travel.metric == "euclidean":
        points = planning.accounts[["x", "y"]].to_numpy(np.float64)
        return np.asarray(np.hypot(points[:, 0] - places[:, 0], points[:, 1] - places[:, 1]))
    points = planning.accounts[["latitude", "longitude"]].to_numpy(np.float64)
    return haversine_km(points[:, 0], points[:, 1], places[:, 0], places[:, 1])


def _reasons(
    planning: PlanningProblem,
    model: DistrictModel,
    centres: NDArray[np.int64],
    assignment: NDArray[np.int32],
    prices: Prices,
    travel: NDArray[np.float64],
) -> list[str]:
    service = Service(
        names=planning.territory_ids.to_numpy(object),
        place="centre" if planning.config.territories.centers == "free" else "rep",
        travel_to=lambda territory: _travel_to(planning, model, centres, territory),
        together="with its group of {0}" if planning.units is None else "with all {0} accounts of unit {1}",
        units=None if planning.units is None else planning.units.ids.to_numpy(object),
        graph=model.problem.graph,
    )
    return assignment_reasons(planning, model.at_centres(centres), assignment, prices, travel, service)


def _with_centres(
    planning: PlanningProblem, model: DistrictModel, centres: NDArray[np.int64], territories: pd.DataFrame
) -> pd.DataFrame:
    """Return the territories' table with whose place each centre is and, where places are known, where that is."""
    told: dict[str, Any] = {CENTRE_ID: model.candidate_ids[centres]}
    if planning.travel_table is None:
        names = CENTRE_PLACES[planning.config.travel.metric]
        told |= {name: model.candidate_places[centres, axis] for axis, name in enumerate(names)}
    return territories.assign(**told)


def _units_table(planning: PlanningProblem, model: DistrictModel, assignment: NDArray[np.int32]) -> pd.DataFrame | None:
    if planning.units is None:
        return None
    return pd.DataFrame(
        {
            "territory_id": planning.territory_ids.to_numpy(object)[assignment],
            "accounts": np.bincount(model.unit_of, minlength=len(assignment)),
        },
        index=pd.Index(planning.units.ids, name="unit_id"),
    )


def _multipliers(planning: PlanningProblem, model: DistrictModel, result: Districts) -> pd.Series[float] | None:
    """Return what serving each unit is worth, by geographic unit, or by account with a group's on its first account."""
    if result.multipliers is None:
        return None
    if planning.units is not None:
        return pd.Series(result.multipliers, index=pd.Index(planning.units.ids, name="unit_id"), name="multiplier")
    values = np.zeros(len(model.unit_of))
    _, first = np.unique(model.unit_of, return_index=True)
    values[first] = result.multipliers
    return pd.Series(values, index=planning.accounts.index, name="multiplier")


def named_design_proof(model: DistrictModel, result: Districts) -> dict[str, Any]:
    """Return the proof of a design with measures by name, and what its bound leaves out.

    ``measure`` is the one whose limits the multipliers rest on.
    """
    proof = named_proof(model.rules, result.proof)
    outside = _left_out(model, proof)
    if "measure" in proof and proof["measure"] is not None:
        proof["measure"] = model.rules[proof["measure"]].measure
    return {**proof, "leaves_out": outside} if outside else proof


def _left_out(model: DistrictModel, proof: dict[str, Any]) -> list[str]:
    """Return the rules that the bound does not ask for, in words; none where a search proved it."""
    problem = model.problem
    if proof.get("kind") == "search":
        return []
    left = ["connection"] if problem.graph is not None else []
    if not proof.get("whole_units"):
        left.append(f"whole {'accounts' if problem.graph is None else 'units'}")
    if problem.centres is not None:
        return left
    used = proof.get("measure")
    limited = np.isfinite(problem.lower) | np.isfinite(problem.upper)
    left += [
        f"the limits on {measure_label(rule.measure)}"
        for k, rule in enumerate(model.rules)
        if k != used and limited[k].any()
    ]
    if used is not None and any(np.any(side[used] != side[used, 0]) for side in (problem.lower, problem.upper)):
        left.append(f"that limits on {measure_label(model.rules[used].measure)} differ")
    if np.any(problem.fixed >= 0):
        left.append("locks")
    if not problem.class_allowed.all():
        left.append("eligibility")
    if np.any(problem.target_weight > 0):
        left.append("soft targets")
    return left
