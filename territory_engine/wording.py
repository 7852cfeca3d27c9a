"""Numbers, units, proofs and prices in a planner's words: one wording for the report, the map and the workbook."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from territory_engine.grammar import counted, not_above
from territory_engine.plan import left_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_LIMIT_DIGITS = 7
# Longer numbers than this are read by their power of ten, and would burst columns.
_MOST_WRITTEN_OUT = 1e15
STATUS_WORDS = {"optimal": "proved optimal", "feasible": "every rule kept", "infeasible": "impossible"}
"""A plan's status as pages say it; files keep the status itself."""
_YEAR = re.compile(r"(.*?)(?: (\d{4}))?", re.DOTALL)


def number(value: float | None) -> str:
    """Format a number to about four digits, with thousands separators; a dash where it is unknown."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= _MOST_WRITTEN_OUT:
        return f"{value:.3e}".replace("e+", "e").replace("-", "−")
    decimals = 0 if size >= 100 or size == round(size) else 1 if size >= 10 else 2 if size >= 0.1 else 4
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "−") if text.strip("-0.,") else "0"


def compact(load: float) -> str:
    """Format a load so that it is short enough for a legend: ``"4,768"``, ``"28.4 M"``."""
    for size, suffix in ((1e9, "bn"), (1e6, "M")):
        if size <= abs(load) < _MOST_WRITTEN_OUT:
            return f"{load / size:,.1f} {suffix}"
    return number(load)


def limit_text(value: float, side: str, *, whole: bool) -> str:
    """Format a limit so that a load of what is shown keeps it.

    Parameters
    ----------
    value : float
    side : {"upper", "lower"}
    whole : bool
        Whether loads are whole numbers: then so is the limit as shown. Otherwise it has up to seven digits.
    """
    if not math.isfinite(value):
        return "–"
    if abs(value) >= _MOST_WRITTEN_OUT:
        unit = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
        return number(unit * (math.floor(value / unit) if side == "upper" else math.ceil(value / unit)))
    decimals = 0
    if not whole and value != 0:
        decimals = min(12, max(0, _LIMIT_DIGITS - 1 - math.floor(math.log10(abs(value)))))
    scaled = value * 10**decimals
    slack = 1e-9 * max(1.0, abs(scaled))
    inward = math.floor(scaled + slack) if side == "upper" else math.ceil(scaled - slack)
    text = f"{inward / 10**decimals:,.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def loads_are_whole(problem: PlanningProblem, measure: str) -> bool:
    """Whether every account's load of a measure is a whole number, whoever serves it."""
    if problem.load_depends_on_rep(measure):
        return False
    values = problem.measure_values(measure)
    return bool(np.all(values == np.rint(values)))


def percent(fraction: float | None, *, signed: bool = False) -> str:
    """Format a fraction as a percentage, with enough digits to be told from zero; a dash where it is unknown."""
    if fraction is None or not math.isfinite(fraction):
        return "–"
    value = 100 * fraction
    decimals = 1 if abs(value) >= 1 or value == 0 else 2 if abs(value) >= 0.01 else 4
    text = f"{value:+,.{decimals}f}" if signed else f"{value:,.{decimals}f}"
    return f"{text.replace('-', '−')} %"


def distance_unit(problem: PlanningProblem) -> str:
    """Return the unit of one account's travel: ``"km"``, or what the table or the x and y columns are in."""
    if problem.travel_table is not None:
        return "cost units"
    return "km" if problem.config.travel.metric == "haversine" else "map units"


def objective_unit(problem: PlanningProblem) -> str:
    """Return the unit of Σ weight × travel^power: ``"km"``, ``"km²"``, or ``"km-visits"`` with ``weight = "visits"``."""
    unit = distance_unit(problem) + ("²" if problem.config.travel.power == 2 else "")
    weight = problem.config.travel.weight
    if weight is None:
        return unit
    noun, _ = _YEAR.fullmatch(measure_label(weight)).groups()  # type: ignore[union-attr]  # it matches any text
    return f"{unit.removesuffix('s')}-{noun}"


def travel_unit_sentence(problem: PlanningProblem) -> str:
    """Say what the total of travel is added up from; nothing where it is distances and nothing else."""
    weight, squared = problem.config.travel.weight, problem.config.travel.power == 2
    if weight is None and not squared:
        return ""
    times = f"times its {noun(weight).removeprefix('of ')}, " if weight is not None else ""
    one = f"the {distance_unit(problem)} to each account{', squared,' if squared else ''}"
    return f"Travel is in {objective_unit(problem)}: {one} {times}added up."


def quantity(amount: float, measure: str, comparative: str) -> str:
    """Return an amount of a measure in words, with ``"more"`` or ``"less"``.

    ``"one more visit"``, ``"one fewer visit (2022)"`` for ``visits_2022``, ``"1,000 more of revenue"``.
    """
    noun, year = _YEAR.fullmatch(measure_label(measure)).groups()  # type: ignore[union-attr]  # it matches any text
    year = f" ({year})" if year else ""
    if not noun.endswith("s") or noun.endswith("ss"):
        return f"{number(amount)} {comparative} of {noun}{year}"
    comparative = "fewer" if comparative == "less" else comparative
    return f"one {comparative} {noun[:-1]}{year}" if amount == 1 else f"{number(amount)} {comparative} {noun}{year}"


def each(measure: str, amount: float = 1.0) -> str:
    """Return so much of a measure in words: ``"each visit"``, ``"each unit of revenue"``, ``"every 1,000 of revenue"``."""
    noun, year = _YEAR.fullmatch(measure_label(measure)).groups()  # type: ignore[union-attr]  # it matches any text
    countable = noun.endswith("s") and not noun.endswith("ss")
    one = f"each {noun[:-1]}" if countable else f"each unit of {noun}"
    many = f"every {number(amount)} {'' if countable else 'of '}{noun}"
    return (one if amount == 1 else many) + (f" ({year})" if year else "")


def readable_amount(price: float) -> float:
    """Return of how much of a measure to tell the price: 1, or the power of ten that costs a tenth or more."""
    # A price per dollar is too small to read.
    amount = 1.0
    while abs(price) * amount < 0.1 and amount < 1e12:
        amount *= 10
    return amount


def noun(measure: str, value: float | None = None) -> str:
    """Return what follows a figure of a measure: ``"visits"``, ``"visits (2022)"``, ``"of revenue"``, ``"account"``."""
    word, year = _YEAR.fullmatch(measure_label(measure)).groups()  # type: ignore[union-attr]  # it matches any text
    plural = word.endswith("s") and not word.endswith("ss")
    if value == 1 and plural:
        word = word[:-1]
    return f"{'' if plural else 'of '}{word}{f' ({year})' if year else ''}"


def measure_label(measure: str) -> str:
    """Return a measure as a reader sees it: spaces for underscores, and ``"accounts"`` for ``"count"``.

    A measure under an outlook, ``revenue@worst``, is ``"revenue (worst)"``.
    """
    if measure == "count":
        return "accounts"
    words = measure.replace("_", " ").strip()
    name, at, outlook = words.partition("@")
    return f"{name.strip()} ({outlook.strip()})" if at and name.strip() and outlook.strip() else words or measure


def distinct_labels(measures: Sequence[str]) -> dict[str, str]:
    """Return the labels of measures, or their own names where a label would be that of several."""
    labels = {m: measure_label(m) for m in measures}
    times = Counter(label.casefold() for label in labels.values())
    return {m: label if times[label.casefold()] == 1 else m for m, label in labels.items()}


def territory_names(problem: PlanningProblem) -> dict[str, str]:
    """Return the name a reader knows each territory by: its rep's, or its own ID where there is no rep or no name."""
    ids = [str(territory_id) for territory_id in problem.territory_ids]
    if "name" not in problem.reps:
        return dict(zip(ids, ids, strict=True))
    names = problem.reps["name"].reindex(problem.territory_ids)
    return {
        i: str(name) if there and str(name).strip() else i
        for i, name, there in zip(ids, names, names.notna(), strict=True)
    }


def size_in_words(problem: PlanningProblem) -> str:
    """Return how large the problem is: ``"1,868 accounts, 12 reps"``."""
    parts = [counted(len(problem.accounts), "account")]
    if problem.units is not None:
        parts.append(counted(len(problem.units.ids), "geographic unit"))
    n_reps, n_territories = len(problem.reps), len(problem.territory_ids)
    parts.append(counted(n_reps, "rep") if n_reps else counted(n_territories, "territory"))
    return ", ".join(parts)


def status_words(plan: Plan) -> str:
    """Return a plan's status in plain words: ``"every rule kept · within 0.04 % of the best possible"``."""
    word = STATUS_WORDS[plan.status]
    if plan.status != "feasible" or plan.gap is None or plan.lower_bound is None or plan.lower_bound <= 0:
        return word
    return f"{word} · within {percent(plan.gap)} of the best possible"


def proof_sentence(problem: PlanningProblem, plan: Plan) -> str:
    """Say in one or two sentences how good the plan is and how anyone can check it, or that nothing is proved."""
    check = "Anyone can check it with `territory-engine audit`."
    if plan.status == "infeasible":
        return f"No plan can keep all these rules. {check}"
    priced = [term for term in ("balance", "disruption") if plan.objective_terms.get(term, 0.0) > 0]
    verb, less = ("costs", "cost") if priced else ("travels", "travel")
    what = " and ".join([", ".join(["travel", *priced[:-1]]), f"{priced[-1]} together"]) if priced else "travel"
    unit = objective_unit(problem)
    if plan.objective is None or plan.lower_bound is None or plan.gap is None or plan.lower_bound <= 0 < plan.objective:
        return f"Nothing is proved about how much better a plan could be in {what}; its rules and numbers can be checked. {check}"
    if plan.proof.get("kind") == "search":
        solver = " ".join(str(plan.proof[k]) for k in ("solver", "version") if plan.proof.get(k))
        how = f"an exhaustive search{f' with {solver}' if solver else ''}"
        check = "Anyone can check its rules with `territory-engine audit`, and repeat the search with `territory-engine audit --rerun`."
    else:
        how = "the prices of the limits"
    if plan.status == "optimal":
        return (
            f"No plan that keeps these rules can {less} less than this one: {number(plan.objective)} {unit}, proved by {how}. "
            f"{check}"
        )
    above = (plan.objective - plan.lower_bound) / plan.lower_bound if plan.lower_bound > 0 else 0.0
    return (
        f"No plan that keeps these rules can {less} less than {not_above(plan.lower_bound)} {unit}, proved by {how}; "
        f"this one {verb} {number(plan.objective)}, {percent(above)} more. {left_out(plan)}{check}"
    )


@dataclass(frozen=True)
class Price:
    """What one limit, or one soft target, costs at the margin.

    Attributes
    ----------
    measure, rep_id : str
    side : {"upper", "lower", "target"}
        Which limit binds, or the soft target.
    limit : float
        Its value, in the measure's unit; NaN where the problem has no such limit.
    price : float
        Objective units saved per unit by which the limit is relaxed, or the target moved towards the load.
    saving : float
        Objective units saved by relaxing the limit, or moving the target, by one percent: what the price list is sorted by; NaN without a limit.
    sentence : str
    tight : bool
        Whether the plan's load is within one typical account, group or geographic unit of the limit; true of a target.
    """

    measure: str
    rep_id: str
    side: str
    limit: float
    price: float
    saving: float
    sentence: str
    tight: bool = True


def price_list(problem: PlanningProblem, plan: Plan) -> list[Price]:
    """List what every limit with a price and every soft target costs, dearest first.

    The prices are marginal: they hold for a small change of one limit, not for many at once. They are what the limit
    costs the proved bound, which divides accounts (:func:`price_conditions`): a limit that the plan itself does not reach
    may have one, and its sentence says so.
    """
    if plan.status == "infeasible":
        return []  # there the prices prove a contradiction: they are no amounts of travel
    unit = objective_unit(problem)
    designed = _is_designed(problem)
    rules = {rule.measure: rule for rule in problem.balance_rules()}
    found: list[Price] = []
    for measure, by_rep in plan.prices.items():
        typical = _typical_load(problem, measure) if by_rep else 0.0
        for rep_id, sides in by_rep.items():
            for side, price in _sides(sides):
                limit = math.nan
                if measure in rules and rep_id in problem.territory_ids:
                    place = problem.territory_ids.get_loc(rep_id)
                    rule = rules[measure]
                    limit = float({"upper": rule.upper, "lower": rule.lower, "target": rule.target}[side][place])
                saving = abs(price * limit) / 100 if math.isfinite(limit) else math.nan
                load = _load(plan, measure, rep_id)
                # Where the load is not known, nothing speaks against the price.
                tight = side == "target" or not abs(limit - load) > typical + 1e-9 * (1 + abs(limit))
                sentence = (
                    _price_sentence(measure, rep_id, side, price, unit, about=designed)
                    if tight
                    else f"The plan stays clear of this limit ({rep_id} has {number(load)}): relaxing it need not save anything."
                )
                found.append(Price(measure, rep_id, side, limit, abs(price), saving, sentence, tight))
    return sorted(found, key=lambda p: (-(p.saving if math.isfinite(p.saving) else 0.0), p.measure, p.rep_id, p.side))


def price_conditions(problem: PlanningProblem) -> str:
    """Say under which conditions the prices hold: what the bound that they belong to does not ask for."""
    whole = "geographic units" if problem.units is not None else "accounts"
    centres = "at these centres, " if problem.centers_are_free else ""
    pieces = " and territories need not be in one piece" if problem.units is not None else ""
    return f"{centres}if {whole} could be divided{pieces}"


def _is_designed(problem: PlanningProblem) -> bool:
    return problem.centers_are_free or problem.units is not None


def _typical_load(problem: PlanningProblem, measure: str) -> float:
    """Return the median load of what is assigned whole: an account, a group, or a geographic unit with accounts."""
    if problem.travel_table is not None and problem.load_depends_on_rep(measure):
        loads: NDArray[np.float64] = problem.travel_table[measure].to_numpy(np.float64)
    else:
        loads = problem.measure_values(measure)
        if problem.units is not None:
            loads = np.bincount(problem.units.unit_of, loads).astype(np.float64)
        elif problem.config.groups is not None:
            group = problem.accounts[problem.config.groups.column].astype(str).to_numpy(object)
            names, code = np.unique(group[group != ""].astype(str), return_inverse=True)
            loads = np.concatenate([loads[group == ""], np.bincount(code, loads[group != ""], len(names))])
    return float(np.median(loads[loads > 0])) if np.any(loads > 0) else 0.0


def _load(plan: Plan, measure: str, rep_id: str) -> float:
    column = plan.load_column(measure)
    if column not in plan.territories or rep_id not in plan.territories.index:
        return math.nan
    return float(plan.territories[column].loc[rep_id])


def _price_sentence(measure: str, rep_id: str, side: str, price: float, unit: str, *, about: bool) -> str:
    amount = readable_amount(price)
    saves = f"would save {'about ' if about else ''}{number(abs(price) * amount)} {unit}."
    if side == "target":
        return f"A target of {quantity(amount, measure, 'more' if price > 0 else 'less')} for {rep_id} {saves}"
    if side == "upper":
        return f"Room for {quantity(amount, measure, 'more')} at {rep_id} {saves}"
    return f"Requiring {quantity(amount, measure, 'less')} of {rep_id} {saves}"


def _sides(sides: dict[str, float]) -> list[tuple[str, float]]:
    found = [(side, float(sides[side])) for side in ("upper", "lower") if float(sides.get(side, 0.0)) > 0]
    target = float(sides.get("target", 0.0))
    return [*found, ("target", target)] if target else found
