"""Why each account goes where it goes: read off the reduced costs of the model, never from a template's guess.

At the plan's prices an account costs territory ``t`` its travel plus its priced load. Where it goes to the nearest rep
no more need be said; where a nearer rep exists, the price of the load there says why not; and where even the prices
would send it elsewhere, whole accounts had to fit the limits, and the reason says what that cost. A soft target's price
explains as a limit's does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.bounds import Prices, cheapest
from territory_engine.grammar import listed
from territory_engine.travel import travel_to
from territory_engine.wording import distance_unit, each, limit_text, noun, number, objective_unit, readable_amount

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import Graph
    from solvers.problem import AssignmentProblem
    from territory_engine.model import Model
    from territory_engine.problem import PlanningProblem


@dataclass(frozen=True, eq=False)
class Service:
    """How sentences speak of who serves an account, and from where.

    Attributes
    ----------
    names : ndarray of object, shape (n_territories,)
    place : str
        ``"rep"`` or ``"centre"``: what is nearest.
    travel_to : callable
        From a territory per account, shape ``(n_accounts,)``, to the travel of each account, NaN where unknown.
    together : str
        How to say that an account goes with others, with places for their number and, where there are, the unit's name.
    units : ndarray of object, shape (n_units,), or None
        Names of geographic units.
    graph : Graph or None
        Which units touch, where territories have to be in one piece.
    """

    names: NDArray[np.object_]
    place: str
    travel_to: Callable[[NDArray[np.int64]], NDArray[np.float64]]
    together: str = "with its group of {0}"
    units: NDArray[np.object_] | None = None
    graph: Graph | None = None


def from_homes(planning: PlanningProblem) -> Service:
    """Return how to speak of accounts that are served from rep homes."""
    return Service(planning.reps.index.to_numpy(object), "rep", lambda rep: travel_to(planning, rep))


def assignment_reasons(
    planning: PlanningProblem,
    model: Model,
    assignment: NDArray[np.int32],
    prices: Prices,
    travel: NDArray[np.float64],
    service: Service | None = None,
) -> list[str]:
    """Return one sentence per account.

    Parameters
    ----------
    planning : PlanningProblem
    model : Model
    assignment : ndarray of int32, shape (n_units,)
    prices : Prices
    travel : ndarray of float64, shape (n_accounts,)
        Travel to the place the account is served from.
    service : Service, optional
        Rep homes where left out.
    """
    service = service or from_homes(planning)
    problem = model.problem
    # Who is nearest has nothing to do with what a move costs.
    plain = problem
    if model.disruption is not None and model.travel_costs is not None:
        plain = replace(problem, costs=model.travel_costs, disruption=None)
    nearest, least_cost = cheapest(plain, Prices.zero(plain), min(2, problem.n_territories))
    favourite, least_priced = cheapest(problem, prices)
    cost = _pair_costs(plain, assignment)
    sentences = np.full(problem.n_units, "", object)
    only = (nearest[:, 1] < 0) if nearest.shape[1] > 1 else np.ones(problem.n_units, np.bool_)
    near = nearest[:, 0]
    priced = cost + _priced_loads(problem, prices, assignment)
    everything = np.arange(problem.n_units)
    if model.disruption is not None:
        priced += _move_price(model, prices) * model.disruption.of_pairs(everything, assignment)
    tolerance = 1e-6 * np.maximum(1.0, np.abs(priced))
    is_nearest = cost <= least_cost[:, 0] + tolerance
    is_favourite = priced <= least_priced[:, 0] + tolerance
    names, at_prices = service.names, _at_prices(model, prices)
    pieces, fits = _what_is_whole(service), _what_it_must_fit(model)
    whole = f"{pieces} have to fit {fits}"
    able = "" if planning.config.eligibility is None else f" {'who' if service.place == 'rep' else 'that'} may serve it"
    sentences[is_nearest] = f"nearest {service.place}{able}"
    # Without a weight every place is as near.
    weightless = is_nearest & (np.bincount(model.unit_of, planning.weights(), problem.n_units) == 0)
    sentences[weightless] = "its travel has no weight: assigned by the other rules"
    if model.disruption is not None:
        stays = (model.disruption.total > 0) & (model.disruption.of_pairs(everything, assignment) == 0)
        sentences[weightless & stays] = "its travel has no weight: it stays with its rep of today"
    for t in range(problem.n_territories):
        sentences[only & (assignment == t)] = f"only {names[t]} may serve it"
        sentences[(model.fixed == t) & (assignment == t)] = f"locked to {names[t]}"
    unit_text, distance = objective_unit(planning), distance_unit(planning)
    described = np.flatnonzero(~only & (model.fixed < 0) & ~is_nearest)
    nearer_travel = _travel_to_units(service, model, near)
    own_travel = _first_member(model, travel)
    fullness = _fullness(model, assignment, prices) if len(described) else {}
    for i in described:
        a, b = names[near[i]], names[assignment[i]]
        saved = cost[i] - least_cost[i, 0]
        closer = own_travel[i] - nearer_travel[i]
        lead = (
            f"{a} is {number(closer)} {distance} nearer"
            if np.isfinite(closer) and closer > 0
            else f"{a} would travel less"
        )
        lead += f" (saves {number(saved)} {unit_text})"
        dearer, why = _priced_difference(
            planning, names, model, prices, fullness, int(i), int(near[i]), int(assignment[i])
        )
        if is_favourite[i] and abs(saved - dearer) <= 1e-3 * max(1.0, abs(saved)):
            sentences[i] = f"{lead}; {at_prices} {a} and {b} are equally good, and {whole}"
        elif is_favourite[i]:
            there = f"{at_prices} {a} is" if _moves_are_priced(model, prices) else "room there is"
            sentences[i] = f"{lead}, but {there} {number(dearer)} {unit_text} dearer than with {b}: {why}"
        else:
            c, loss = _with_today(model, names, int(i), int(favourite[i, 0])), priced[i] - least_priced[i, 0]
            sentences[i] = (
                f"{lead}; {whole}, and at their prices {c} would be {number(loss)} {unit_text} cheaper"
                f"{_apart(service, assignment, int(i), int(favourite[i, 0]))}"
            )
    # The nearest rep although the prices would rather have it elsewhere: said, because it is what a colleague disputes.
    for i in np.flatnonzero(~only & (model.fixed < 0) & is_nearest & ~is_favourite):
        loss = priced[i] - least_priced[i, 0]
        c = _with_today(model, names, int(i), int(favourite[i, 0]))
        sentences[i] += (
            f"; {at_prices} {c} would be {number(loss)} {unit_text} cheaper, but"
            f" {pieces} have to fit{_apart(service, assignment, int(i), int(favourite[i, 0]))}"
        )
    reasons = sentences[model.unit_of]
    if problem.n_units < len(model.unit_of):
        size = np.bincount(model.unit_of, minlength=problem.n_units)[model.unit_of]
        reasons = np.array(
            [
                f"{r} ({service.together.format(f'{s:,}', '' if service.units is None else service.units[u])})"
                if s > 1
                else r
                for r, s, u in zip(reasons, size, model.unit_of, strict=True)
            ],
            object,
        )
    if planning.travel_table is None:
        nowhere = np.isnan(travel)
        # Without a place every rep is as near: only locks, eligibility and limits had a say.
        why = "no coordinates and no known postal code: assigned by the other rules"
        reasons[nowhere] = [f"{why} ({r})" if r.startswith(("locked", "only")) else why for r in reasons[nowhere]]
    return _until(planning, [str(r) for r in reasons])


def _until(planning: PlanningProblem, reasons: list[str]) -> list[str]:
    """Return reasons where a lock that holds until a date says so."""
    rule = planning.config.disruption
    if rule is None or rule.locked_until is None or rule.as_of is None:
        return reasons
    until, owners = (planning.accounts[c].astype(str) for c in (rule.locked_until, rule.current))
    today = rule.as_of.isoformat()
    return [
        reason.replace(f"locked to {owner}", f"locked to {owner} until {day}", 1) if day > today else reason
        for reason, owner, day in zip(reasons, owners, until, strict=True)
    ]


def _move_price(model: Model, prices: Prices) -> float:
    """Return what a unit that changes hands costs: its price in the objective and that of the limit on it."""
    return model.moved_weight + prices.moved


def _moves_are_priced(model: Model, prices: Prices) -> bool:
    return model.disruption is not None and _move_price(model, prices) > 0


def _has_limits(problem: AssignmentProblem) -> bool:
    return bool(np.isfinite(problem.lower).any() or np.isfinite(problem.upper).any())


def _at_prices(model: Model, prices: Prices) -> str:
    """Return at which prices territories compare: of limits, of soft targets and of moves, as far as there are any."""
    problem, moves = model.problem, _moves_are_priced(model, prices)
    told = [
        ("limits", _has_limits(problem) or not (problem.has_targets or moves)),
        ("targets", problem.has_targets),
        ("moves", moves),
    ]
    words = listed([word for word, there in told if there])
    if moves:
        return f"at the price{'' if words == 'moves' else 's'} of {words}"
    return f"at the {words}' prices"


def _what_it_must_fit(model: Model) -> str:
    """Return what whole accounts have to fit: the limits, the soft targets, the limit on what changes hands."""
    problem, limited = model.problem, model.disruption is not None and model.disruption.limited
    told = [
        ("the limits", _has_limits(problem) or not (problem.has_targets or limited)),
        ("the targets", problem.has_targets),
        ("what may change hands", limited),
    ]
    return listed([word for word, there in told if there]).replace(
        "the limits and the targets", "the limits and targets"
    )


def _with_today(model: Model, names: NDArray[np.object_], unit: int, territory: int) -> str:
    """Return a territory's name, and whether everything that somebody has of a unit today is there."""
    name = str(names[territory])
    if model.disruption is None or model.disruption.total[unit] <= 0:
        return name
    gone = model.disruption.of_pairs(np.array([unit]), np.array([territory], np.int32))
    return f"{name}, its rep today," if gone[0] == 0 else name


def _pair_costs(problem: AssignmentProblem, assignment: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the cost of every unit in its territory, shape ``(n_units,)``."""
    return np.concatenate(
        [block[np.arange(last - first), assignment[first:last]] for first, last, block in problem.blocks()]
    )


def _priced_loads(problem: AssignmentProblem, prices: Prices, territory: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return what the load of every unit costs in the territory given for it, shape ``(n_units,)``."""
    if problem.pair_loads is None:
        loads = problem.loads
    else:
        loads = problem.pair_loads[:, np.arange(problem.n_units), territory]
    return np.asarray((prices.net[:, territory] * loads).sum(axis=0))


def _priced_difference(
    planning: PlanningProblem,
    names: NDArray[np.object_],
    model: Model,
    prices: Prices,
    fullness: dict[tuple[int, int], str],
    unit: int,
    there: int,
    here: int,
) -> tuple[float, str]:
    """Return by how much a unit is dearer ``there`` than ``here`` beside its travel, and what makes it so.

    A load that a territory needs to reach its lower limit, or its target, has a negative price: it saves.
    """
    problem = model.problem
    differences = []
    for k, rule in enumerate(model.rules):
        load_there = problem.loads[k, unit] if problem.pair_loads is None else problem.pair_loads[k, unit, there]
        load_here = problem.loads[k, unit] if problem.pair_loads is None else problem.pair_loads[k, unit, here]
        cost_there, cost_here = prices.net[k, there] * load_there, prices.net[k, here] * load_here
        amount_told = f"{number(load_there)} {noun(rule.measure, load_there)}"
        one = load_there == 1 or noun(rule.measure).startswith("of ")
        costs, saves = ("costs", "saves") if one else ("cost", "save")
        verb_there, verb_here = (saves if cost < 0 else costs for cost in (cost_there, cost_here))
        joint = "against" if verb_there == verb_here else f"and {verb_here}"
        said = (
            f"{amount_told} {verb_there} {_amount(cost_there)} with {names[there]}{fullness.get((k, there), '')}"
            f" {joint} {_amount(cost_here)} with {names[here]}{fullness.get((k, here), '')}"
        )
        for_there, for_here = float(prices.target[k, there]), float(prices.target[k, here])
        if for_there > max(for_here, 0.0):
            amount = readable_amount(for_there)
            priced = f"{each(rule.measure, amount)} there is priced at {number(amount * for_there)}"
            said += f" (for {names[there]}'s target, {priced})"
        elif for_here < min(for_there, 0.0):
            amount = readable_amount(for_here)
            said += (
                f" (for {names[here]}'s target, {each(rule.measure, amount)} there saves {number(-amount * for_here)})"
            )
        differences.append((cost_there - cost_here, said))
    if model.disruption is not None and planning.config.disruption is not None:
        pair = np.array([there, here], np.int32)
        gone = model.disruption.of_pairs(np.array([unit, unit]), pair)
        price = _move_price(model, prices)
        difference = price * float(gone[0] - gone[1])
        changing = abs(float(gone[0] - gone[1]))
        amount_told = f"{number(changing)} {noun(planning.config.disruption.measure, changing)}"
        amount_told += ", protection included" if planning.config.disruption.protect else ""
        if difference > 0 and gone[1] == 0:
            said = f"moving it from {names[here]}, its rep today, costs {_amount(difference)} ({amount_told})"
        elif difference < 0 and gone[0] == 0:
            said = f"although staying with {names[there]}, its rep today, saves {_amount(difference)} ({amount_told})"
        else:
            what = "more would change hands, which costs" if difference > 0 else "less would change hands, which saves"
            said = f"{what} {_amount(difference)} ({amount_told})"
        differences.append((difference, said))
    # A measure that makes up less than a hundredth of the difference explains nothing.
    weight = sum(abs(difference) for difference, _ in differences)
    parts = [said for difference, said in differences if abs(difference) > 0.01 * weight]
    mainly = "mainly, " if len(parts) < sum(abs(difference) > 0 for difference, _ in differences) else ""
    return float(sum(difference for difference, _ in differences)), mainly + "; ".join(parts)


def _amount(cost: float) -> str:
    text = number(abs(cost))
    return "nothing" if text == "0" else text


def _fullness(model: Model, assignment: NDArray[np.int32], prices: Prices) -> dict[tuple[int, int], str]:
    """Return where each territory stands against the limit that has a price, in brackets, by measure and territory."""
    problem = model.problem
    loads = problem.loads_of(assignment)
    told = {}
    for k in range(problem.n_measures):
        whole = problem.pair_loads is None and bool(np.all(problem.loads[k] == np.rint(problem.loads[k])))
        for t in range(problem.n_territories):
            if prices.upper[k, t] > 0:
                limit = f"at most {limit_text(float(problem.upper[k, t]), 'upper', whole=whole)}"
            elif prices.lower[k, t] > 0:
                limit = f"at least {limit_text(float(problem.lower[k, t]), 'lower', whole=whole)}"
            else:
                continue
            told[k, t] = f" (at {number(float(loads[k, t]))} of {limit})"
    return told


def _first_member(model: Model, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value of each unit's first account, shape ``(n_units,)``; NaN for a group of several."""
    result = np.full(model.problem.n_units, np.nan)
    alone = np.bincount(model.unit_of, minlength=model.problem.n_units)[model.unit_of] == 1
    result[model.unit_of[alone]] = values[alone]
    return result


def _travel_to_units(service: Service, model: Model, territory: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the travel of each unit's account to the territory given for the unit; NaN for a group of several."""
    return _first_member(model, service.travel_to(np.maximum(territory, 0)[model.unit_of].astype(np.int64)))


def _what_is_whole(service: Service) -> str:
    return "whole accounts" if service.graph is None else "whole units in territories of one piece"


def _apart(service: Service, assignment: NDArray[np.int32], unit: int, territory: int) -> str:
    """Say that a unit touches no other unit of a territory, where territories have to be in one piece and it is so."""
    if service.graph is None or assignment[unit] == territory:
        return ""
    near = service.graph.neighbour[service.graph.start[unit] : service.graph.start[unit + 1]]
    return (
        "" if np.any(assignment[near] == territory) else f"; it does not touch {service.names[territory]}'s territory"
    )
