"""Why no territory design keeps the rules, in the planner's words, and what would make one possible.

What the fixed-centre ladder can refute without connection is explained by :mod:`territory_engine.infeasibility.conflicts`,
geographic units taken as groups. The rest, conflicts of whole units and of connection, is explained here from the data
that the solver names.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.bounds import Prices, priced_bound
from solvers.disruption import DisruptedCentreCosts
from solvers.districting.at_centres import assignment_problem
from solvers.districting.ladder import design
from solvers.districting.problem import PlaceCosts
from solvers.districting.whole.formulation import effective_limits
from solvers.infeasibility import is_certificate
from solvers.result import SolveResult
from solvers.whole import tightened
from territory_engine import __version__
from territory_engine.config import Groups
from territory_engine.grammar import counted
from territory_engine.infeasibility.conflict_wording import exactly, figures, names
from territory_engine.infeasibility.conflicts import describe_conflict
from territory_engine.infeasibility.refusal import refusal
from territory_engine.model import build_model
from territory_engine.wording import distance_unit, limit_text, measure_label, noun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.infeasible.certificates import Infeasibility
    from solvers.districting.problem import DistrictingProblem, Districts
    from territory_engine.district_model import DistrictModel
    from territory_engine.plan import Plan
    from territory_engine.problem import BalanceRule, PlanningProblem

LONGEST_S = 40.0
"""Looking for what would make a plan possible takes at most this, and at most half the time that solving may take."""

WIDER = (1.25, 1.6, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0, 200.0)
"""Factors by which the room between limits is widened, one after the other, until a plan is found."""

_UNIT_COLUMN = "geographic unit"


def infeasible_plan(planning: PlanningProblem, model: DistrictModel, result: Districts) -> Plan:
    """Return the plan that says why there is none."""
    contradiction = result.contradiction
    assert contradiction is not None
    if contradiction.kind == "limits":
        record, prices, proof = _without_connection(planning, model, result)
    else:
        prices, certificate, proof = _proof(model, contradiction)
        record = {
            "rules": _sentences(planning, model, contradiction),
            "relaxations": _relaxations(planning, model, contradiction),
            "accounts": _accounts(planning, model, contradiction),
            "certificate": certificate,
        }
    return refusal(planning, model.rules, result, record, prices, proof)


def _proof(model: DistrictModel, why: Infeasibility) -> tuple[Prices, float | None, dict[str, Any]]:
    """Return the prices that prove a conflict, what they prove, and the kind of proof.

    A sum above all limits is proved by a price of 1 at each of them, rounded to whole numbers where only that tells. A unit that nobody may hold or has room for needs no
    price: anyone can look. Everything else rests on a search, or on an enumeration that only a search repeats.
    """
    problem = model.problem
    prices = Prices(np.zeros_like(problem.lower), np.zeros_like(problem.lower))
    if why.kind == "total":
        k = why.measures[0]
        total, above, limit, rounded = _sums(problem, k)
        (prices.upper if above else prices.lower)[k] = 1.0
        whole = {"whole_measures": [model.rules[k].measure]} if rounded else {}
        return prices, total - limit if above else limit - total, {"kind": "prices", **whole}
    if why.kind == "unit" and (why.measures or not problem.may_hold()[why.units].any()):
        return prices, None, {"kind": "prices"}
    if why.proof.get("kind") == "search":
        return prices, None, {**why.proof, "conflict": why.kind}
    by = {"solver": "Territory Engine", "version": __version__, "parameters": {}}
    return prices, None, {"kind": "search", **by, "conflict": why.kind}


def _without_connection(
    planning: PlanningProblem, model: DistrictModel, result: Districts
) -> tuple[dict[str, Any], Prices, dict[str, Any]]:
    """Explain limits that clash even without connection, as for accounts in groups, and prove it by the same prices."""
    units = planning.units
    assert units is not None
    accounts = planning.accounts.assign(**{_UNIT_COLUMN: units.ids.to_numpy(object)[model.unit_of]})
    config = planning.config.model_copy(update={"contiguity": None, "groups": Groups(column=_UNIT_COLUMN)})
    as_groups = dataclasses.replace(planning, accounts=accounts, units=None, config=config)
    grouped = build_model(as_groups)
    prices = result.prices
    found = SolveResult("infeasible", "infeasible", None, None, None, None, prices.upper, prices.lower)
    conflict = describe_conflict(as_groups, grouped, found)
    record = dict(conflict.record)
    # A unit cannot be split, whatever a group could.
    record["relaxations"] = [text for text in record["relaxations"] if "group" not in text and "split" not in text]
    relaxed = assignment_problem(model.problem, np.arange(model.problem.n_territories), own_centres=False)
    tight = tightened(relaxed)
    for limits, whole in ((relaxed, ()), (tight, tuple(rule.measure for rule in model.rules))):
        if is_certificate(limits, conflict.prices):
            record["certificate"] = priced_bound(limits, conflict.prices, costless=True)
            return record, conflict.prices, {"kind": "prices", **({"whole_measures": list(whole)} if whole else {})}
    record["certificate"] = None
    return record, conflict.prices, dict(result.proof)


def _sentences(planning: PlanningProblem, model: DistrictModel, why: Infeasibility) -> list[str]:
    """Return the rules that cannot hold together, one sentence each."""
    problem = model.problem
    what = "geographic unit" if planning.units is not None else "account or group"
    many = "geographic units" if planning.units is not None else "accounts or groups"
    units = _unit_names(planning, model, why)
    limits = [_limit_sentence(model.rules[k], problem, k) for k in why.measures]
    connected = ["every territory is in one piece"] if why.connected else []
    several = many if len(why.units) != 1 else what
    if why.kind == "total":
        return [_sum_sentence(model, why.measures[0])]
    if why.kind == "unit":
        if not why.measures:
            return [f"{several} {units}: no territory may hold it, by its locks, its segment or its travel"]
        k = why.measures[0]
        load, most = figures(float(problem.loads[k][why.units].max()), float(problem.upper[k].max()))
        word = noun(model.rules[k].measure)
        return [
            f"{several} {units} alone has {load} {word}; no territory that may hold it has room for more than {most}"
        ]
    if why.kind == "locked":
        return [f"the {len(why.units):,} {several} locked to {_territories(planning, why)} exceed its limit", *limits]
    if why.kind == "starved":
        return [
            f"all {many} that {_territories(planning, why)} may hold are too little for its lower limit",
            *limits,
        ]
    if why.kind == "components":
        return [
            f"a part of the map that touches nothing else does not divide into whole territories: {units}",
            *limits,
            *connected,
        ]
    if why.kind == "surroundings":
        return [
            f"no connected set of {many} around {units} adds up to what a territory may carry",
            *limits,
            *connected,
            *_permission_sentences(planning, model),
        ]
    apart = [f"no territory has room for two of {units}"] if len(why.units) > 1 else []
    count = (
        []
        if limits
        else [f"there {'is' if problem.n_territories == 1 else 'are'} {counted(problem.n_territories, 'territory')}"]
    )
    permissions = _permission_sentences(planning, model)
    return [*count, *limits, *connected, *permissions, f"{many} are assigned whole", *apart]


def _sums(problem: DistrictingProblem, k: int) -> tuple[float, bool, float, bool]:
    """Return a measure's total, whether it is above all limits (or below), their sum, and whether rounding decided.

    Limits of whole loads count as the whole numbers between them.
    """
    total = float(problem.loads[k].sum())
    lower, upper = problem.lower[k], problem.upper[k]
    rounded = bool(lower.sum() <= total <= upper.sum())
    if rounded:
        lower, upper = (side[k] for side in effective_limits(problem))
    above = bool(total > upper.sum())
    return total, above, float(upper.sum() if above else lower.sum()), rounded


def _sum_sentence(model: DistrictModel, k: int) -> str:
    problem, measure = model.problem, model.rules[k].measure
    total, above, limit, rounded = _sums(problem, k)
    a, b = figures(total, limit)
    n = problem.n_territories
    each = problem.upper[k] if above else problem.lower[k]
    may = "may carry at most" if above else "must carry at least"
    together = "" if n == 1 else " together"
    subject = f"the {counted(n, 'territory')} {may} {b}{together}"
    why = ""
    if rounded:
        way = "down" if above else "up"
        why = f", since loads are whole numbers and limits are rounded {way} to them"
        if np.all(each == each[0]):
            whole = np.floor(each[0]) if above else np.ceil(each[0])
            why = f", since loads are whole numbers: {exactly(float(each[0]))} each, rounded {way} to {whole:,.0f}"
    have = "there are" if measure == "count" else "all accounts together have"
    return f"{have} {a} {noun(measure, total)}; {subject}{why}"


def _permission_sentences(planning: PlanningProblem, model: DistrictModel) -> list[str]:
    """Return the rules on who may serve what, a sentence each: a search takes all of them into account."""
    config, problem, found = planning.config, model.problem, []
    locked = np.flatnonzero(problem.fixed >= 0)
    if len(locked):
        for t in np.unique(problem.fixed[locked]):
            held = locked[problem.fixed[locked] == t]
            verb = "is" if len(held) == 1 else "are"
            found.append(f"{_names_of(planning, model, held)} {verb} locked to {planning.territory_ids[t]}")
    rule = config.eligibility
    if rule is not None and rule.column is not None and not problem.class_allowed.all():
        found.append(f"an account's {rule.column!r} must be among its rep's {rule.reps_column!r}")
    if rule is not None and rule.max_travel is not None:
        end = "the centre of its territory" if planning.centers_are_free else "its rep"
        found.append(f"no account is more than {exactly(rule.max_travel)} {distance_unit(planning)} from {end}")
    return found


def _limit_sentence(rule: BalanceRule, problem: DistrictingProblem, k: int) -> str:
    low, high = problem.lower[k], problem.upper[k]
    label = measure_label(rule.measure)
    parts = []
    if np.isfinite(low).any() and (low.min() > 0 or np.any(problem.loads[k] < 0)):
        parts.append(f"at least {limit_text(float(low.min()), 'lower', whole=False)}")
    if np.isfinite(high).any():
        parts.append(f"at most {limit_text(float(high.max()), 'upper', whole=False)}")
    text = f"every territory carries {' and '.join(parts)} {noun(rule.measure)}" if parts else f"{label} is not limited"
    return f"{text} (±{100 * rule.tolerance_fraction:.10g} %)" if rule.tolerance_fraction is not None else text


def _unit_names(planning: PlanningProblem, model: DistrictModel, why: Infeasibility) -> str:
    return _names_of(planning, model, why.units) if len(why.units) else ""


def _names_of(planning: PlanningProblem, model: DistrictModel, units: NDArray[np.int64]) -> str:
    if planning.units is not None:
        return names(planning.units.ids[units].tolist())
    _, first = np.unique(model.unit_of, return_index=True)
    return names(planning.accounts.index[first[units]].tolist())


def _territories(planning: PlanningProblem, why: Infeasibility) -> str:
    return names(planning.territory_ids[why.territories].tolist()) if len(why.territories) else "a territory"


def _accounts(planning: PlanningProblem, model: DistrictModel, why: Infeasibility) -> list[str]:
    """Return the IDs of the accounts concerned; none when it is all of them."""
    if len(why.units) in (0, model.problem.n_units):
        return []
    inside = np.isin(model.unit_of, why.units)
    return [str(account) for account in planning.accounts.index[inside]]


def _relaxations(planning: PlanningProblem, model: DistrictModel, why: Infeasibility) -> list[str]:
    """Return changes that were tried and make a plan possible, as sentences, the smallest change of limits first."""
    if why.kind == "unit" and not why.measures:
        return []
    problem = model.problem
    ends = time.perf_counter() + min(LONGEST_S, 0.5 * planning.config.solve.time_limit_s)
    others = _without_permissions(planning, problem, ends) if why.kind in ("search", "surroundings") else []
    left = ends - time.perf_counter()
    if why.connected and left > 1.0:
        apart = dataclasses.replace(problem, graph=None)
        if _loads_of_a_design(apart, 0.5 * left) is not None:
            others.append("let territories be in several pieces (remove [contiguity])")
    for factor in _factors(problem, why) if why.measures else ():
        left = ends - time.perf_counter()
        if left <= 1.0:
            break
        loads = _loads_of_a_design(_widened(problem, why.measures, factor), 0.5 * left)
        if loads is not None:
            return [_new_limits(planning, model, why.measures, loads), *others]
    return others


def _without_permissions(planning: PlanningProblem, problem: DistrictingProblem, ends: float) -> list[str]:
    """Return which rules on who may serve what would have to give way: a plan was found with each loosened alone."""
    found: list[str] = []
    left = ends - time.perf_counter()
    if np.any(problem.fixed >= 0) and left > 1.0:
        unlocked = dataclasses.replace(problem, fixed=np.full_like(problem.fixed, -1))
        if _loads_of_a_design(unlocked, left / 3) is not None:
            found.append("unlock accounts ([locks]): without any lock there is a plan")
    # Whether a plan exists has nothing to do with what moves cost.
    costs = problem.costs.base if isinstance(problem.costs, DisruptedCentreCosts) else problem.costs
    if isinstance(costs, PlaceCosts) and np.isfinite(costs.max_travel):
        for factor in WIDER:
            left = ends - time.perf_counter()
            if left <= 1.0:
                break
            further = dataclasses.replace(costs, max_travel=costs.max_travel * factor)
            if _loads_of_a_design(dataclasses.replace(problem, costs=further), left / 3) is not None:
                unit = distance_unit(planning)
                found.append(
                    f"raise max_travel from {exactly(costs.max_travel)} to {exactly(further.max_travel)} {unit}"
                )
                break
    return found


def _factors(problem: DistrictingProblem, why: Infeasibility) -> tuple[float, ...]:
    """Return the factors worth trying: none under which a single unit still has no room."""
    least = 1.0
    for k in why.measures:
        fair = problem.loads[k].sum() / problem.n_territories
        room = max(float(problem.upper[k].max()) - fair, 0.005 * fair)
        if np.isfinite(room):
            least = max(least, (float(problem.loads[k].max()) - fair) / room)
    return (least * 1.02, *(f for f in WIDER if f > least * 1.02)) if least > 1.0 else WIDER


def _widened(problem: DistrictingProblem, measures: tuple[int, ...], factor: float) -> DistrictingProblem:
    """Return the problem with some measures' limits further apart: the room around their middle grows by a factor."""
    lower, upper = problem.lower.copy(), problem.upper.copy()
    for k in measures:
        fair = problem.loads[k].sum() / problem.n_territories
        both = np.isfinite(lower[k]) & np.isfinite(upper[k]) & (lower[k] <= upper[k])
        middle = np.where(both, (np.where(both, lower[k], 0) + np.where(both, upper[k], 0)) / 2, fair)
        # A limit on one side only, or no room at all, still has to give: at least half a percent of a fair share.
        upper[k] = middle + factor * np.maximum(upper[k] - middle, 0.005 * fair)
        lower[k] = middle - factor * np.maximum(middle - lower[k], 0.005 * fair)
    return dataclasses.replace(problem, lower=lower, upper=upper)


def _loads_of_a_design(problem: DistrictingProblem, seconds: float) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return the loads of some design that keeps the rules; None when none was found in time."""
    found = design(problem, time_limit_s=max(1.0, seconds), gap=0.999, rounds=None)
    return None if found.assignment is None else problem.loads_of(found.assignment)


def _new_limits(
    planning: PlanningProblem,
    model: DistrictModel,
    measures: tuple[int, ...],
    loads: np.ndarray[Any, np.dtype[np.float64]],
) -> str:
    """Say the limits under which a design was found, as tight as that design allows."""
    parts = []
    for k in measures:
        rule, label = model.rules[k], measure_label(model.rules[k].measure)
        if rule.tolerance_fraction is not None and np.all(rule.target > 0):
            worst = float(np.abs(loads[k] / rule.target - 1).max())
            if worst > rule.tolerance_fraction:
                shown = np.ceil(worst * 1e4) / 1e4
                parts.append(f"raise the tolerance of {label} from {rule.tolerance_fraction:.10g} to {shown:.10g}")
        low, high = float(loads[k].min()), float(loads[k].max())
        for entry in planning.config.balance:
            if entry.measure != rule.measure:
                continue
            if isinstance(entry.min, int | float) and low < entry.min:
                parts.append(f"lower the min of {label} from {exactly(entry.min)} to {exactly(low)}")
            if isinstance(entry.max, int | float) and high > entry.max:
                parts.append(f"raise the max of {label} from {exactly(entry.max)} to {exactly(high)}")
    return " and ".join(parts) or "loosen the limits of single territories"
