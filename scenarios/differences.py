"""What changes from one plan to another: accounts moved, gains and losses, key figures side by side.

Labels need not agree: :mod:`scenarios.matching` says which territory continues which, so that a plan whose territories were
only named anew has no moves. Accounts that are in one plan only are new or closed, not moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scenarios.matching import continued_territories
from territory_engine.errors import Finding, InputError
from territory_engine.grammar import counted
from territory_engine.wording import distance_unit, measure_label, objective_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

MOVE_COLUMNS = ("from_territory_id", "to_territory_id", "from_rep_id", "to_rep_id", "travel_before", "travel_after")
"""What every move has besides its measures."""

# What a file of moves is also called by; a measure of the same name would stand in its place.
_TAKEN = frozenset({*MOVE_COLUMNS, "account_id", "name", "from_name", "to_name", "reason", "accounts"})
_MONEY = ("revenue", "sales", "turnover", "potential", "value", "profit", "margin", "spend", "quota", "amount")


@dataclass(frozen=True, eq=False)
class PlanDifference:
    """From plan A to plan B.

    Attributes
    ----------
    measures : tuple of str
        ``"count"`` first, then those that either plan balances, weighs travel by or counts disruption in, and revenue;
        as far as both plans have data for them.
    leading_measure : str
        The one to weigh moves by: that of the disruption rule, unless it counts accounts; else revenue or what else sounds
        like money; else the first measure that is no count.
    territories : DataFrame, index ``territory_id`` of B, then those of A that nothing in B continues
        ``from_territory_id`` (``""``: new), ``rep_id``, ``from_rep_id``, ``dissolved`` (bool), and per measure
        ``<measure>_before``, ``<measure>_gained``, ``<measure>_lost``, ``<measure>_changed`` (the change of what stays, new
        accounts less closed ones included), ``<measure>_after``: before + gained − lost + changed = after.
        An ID of A's may stand here twice: its territory ended, and B calls another one so.
    moves : DataFrame, index ``account_id``, in B's order
        ``from_territory_id``, ``to_territory_id``, ``from_rep_id``, ``to_rep_id``, ``travel_before``, ``travel_after``, and
        every measure as B has it. Only accounts whose territory in B does not continue theirs in A.
    units : DataFrame or None, index ``unit_id``
        Geographic units that move, in B's order: ``from_territory_id``, ``to_territory_id``, ``accounts`` (B's). None unless
        both plans have units in common.
    shared, added, closed : Index of account_id
        Accounts that both plans, only B, or only A, has.
    totals : dict of str to float
        Per measure: of all shared accounts together, as B has it.
    figures : DataFrame, index ``figure``
        ``label``, ``unit``, ``before``, ``after``: accounts, territories, travel, terms of the objective, proved gap, largest
        deviation by measure. NaN where a plan has no such figure.
    notices : tuple of str
        What to keep in mind when the two plans are compared.
    """

    measures: tuple[str, ...]
    leading_measure: str
    territories: pd.DataFrame
    moves: pd.DataFrame
    units: pd.DataFrame | None
    shared: pd.Index[str]
    added: pd.Index[str]
    closed: pd.Index[str]
    totals: dict[str, float]
    figures: pd.DataFrame
    notices: tuple[str, ...] = ()

    def moved(self, measure: str = "count") -> float:
        """Return how much of a measure changes hands, as B has it."""
        return float(len(self.moves)) if measure == "count" else float(self.moves[measure].sum())

    def moved_fraction(self, measure: str = "count") -> float:
        """Return which part of a measure changes hands, of what both plans have; 0 where there is nothing of it."""
        total = self.totals[measure]
        return self.moved(measure) / total if total else 0.0

    def rows_from(self, territory_ids: pd.Series[str]) -> NDArray[np.intp]:
        """Return the row of ``territories`` for IDs of A's territories."""
        origins = self.territories["from_territory_id"]
        row = {t: i for i, t in enumerate(origins) if t}
        return np.array([row[t] for t in territory_ids], dtype=np.intp)

    def rows_to(self, territory_ids: pd.Series[str]) -> NDArray[np.intp]:
        """Return the row of ``territories`` for IDs of B's territories."""
        row = {str(t): i for i, t in enumerate(self.territories.index[~self.territories["dissolved"]])}
        return np.array([row[t] for t in territory_ids], dtype=np.intp)

    def flows(self) -> pd.DataFrame:
        """Return what moves from territory to territory, the most of the leading measure first.

        Returns
        -------
        DataFrame
            ``from_territory_id``, ``to_territory_id``, ``from_rep_id``, ``to_rep_id``, and the sum of every measure.
        """
        keys = list(MOVE_COLUMNS[:4])
        sums = self.moves.assign(count=1.0).groupby(keys, sort=False)[list(self.measures)].sum().reset_index()
        order = [self.leading_measure, *MOVE_COLUMNS[:2]]
        return sums.sort_values(order, ascending=[False, True, True], ignore_index=True, kind="stable")


def compare_plans(before: tuple[PlanningProblem, Plan], after: tuple[PlanningProblem, Plan]) -> PlanDifference:
    """Return what changes from one plan to another.

    Parameters
    ----------
    before, after : tuple of PlanningProblem and Plan
        As ``territory_engine.plan_directory.read_plan`` returns them; neither infeasible.

    Raises
    ------
    InputError
        A plan without territories, or two plans without an account in common.
    """
    (problem_a, plan_a), (problem_b, plan_b) = before, after
    _check_comparable(plan_a, plan_b)
    ids_a, ids_b = plan_a.assignments.index, plan_b.assignments.index
    shared = ids_b.intersection(ids_a, sort=False)
    from_a = plan_a.assignments.loc[shared, "territory_id"]
    to_b = plan_b.assignments.loc[shared, "territory_id"]
    origin = continued_territories(plan_a.territories, plan_b.territories, from_a, to_b)
    moved = origin.reindex(to_b).to_numpy(object) != from_a.to_numpy(object)
    measures, left_out = _measures(problem_a, problem_b)
    values_a, values_b = _values(problem_a, measures), _values(problem_b, measures)
    moves = _moves(plan_a, plan_b, shared[moved], values_b)
    return PlanDifference(
        measures=measures,
        leading_measure=_leading(problem_a, problem_b, measures),
        territories=_territories(plan_a, plan_b, origin, moves, values_a, values_b),
        moves=moves,
        units=_moved_units(plan_a, plan_b, origin),
        shared=shared,
        added=ids_b.difference(ids_a, sort=False),
        closed=ids_a.difference(ids_b, sort=False),
        totals={m: float(values_b.loc[shared, m].sum()) for m in measures},
        figures=_figures(before, after),
        notices=(*_notices(before, after, len(shared)), *left_out),
    )


def _check_comparable(plan_a: Plan, plan_b: Plan) -> None:
    findings = [
        Finding(
            f"the {name} plan is proved infeasible and has no territories to compare",
            remedy="compare plans that have territories; its own report says which rules contradict each other",
        )
        for name, plan in (("first", plan_a), ("second", plan_b))
        if plan.status == "infeasible"
    ]
    ids_a, ids_b = plan_a.assignments.index, plan_b.assignments.index
    if not findings and not ids_b.isin(ids_a).any():
        findings.append(
            Finding(
                "the plans have no account in common",
                value=f"{_some(ids_a)} and {_some(ids_b)}",
                allowed="plans of the same accounts, or mostly",
                remedy="compare plans whose account_id come from the same system",
            )
        )
    if findings:
        raise InputError(findings)


def _some(ids: pd.Index[str]) -> str:
    return ", ".join(map(str, ids[:3])) + (", …" if len(ids) > 3 else "")


def _measures(problem_a: PlanningProblem, problem_b: PlanningProblem) -> tuple[tuple[str, ...], list[str]]:
    """Return the measures to compare by, ``"count"`` first, and a sentence for each that cannot be."""
    both = (problem_b, problem_a)
    balanced = [m for p in both for m in p.measures]
    named = ["count", *balanced, *(p.config.disruption.measure for p in both if p.config.disruption is not None)]
    named += [p.config.travel.weight for p in both if p.config.travel.weight is not None]
    # Of every other column nobody said that it may be added up; revenue may.
    found, left_out = [], []
    for measure in dict.fromkeys([*named, "revenue"]):
        if any(p.load_depends_on_rep(measure) for p in both):
            left_out.append(
                f"How much {measure_label(measure)} an account is depends on who serves it, so moves are not counted in it."
            )
        elif measure not in _TAKEN and all(measure == "count" or _adds_up(p.accounts, measure) for p in both):
            found.append(measure)
        elif measure in balanced and any(measure in p.accounts for p in both):
            left_out.append(f"Moves are not counted in {measure_label(measure)}: only one of the plans has it.")
    return tuple(found), left_out


def _adds_up(accounts: pd.DataFrame, column: str) -> bool:
    return column in accounts and pd.api.types.is_numeric_dtype(accounts[column]) and not accounts[column].isna().any()


def _leading(problem_a: PlanningProblem, problem_b: PlanningProblem, measures: tuple[str, ...]) -> str:
    for problem in (problem_b, problem_a):
        disruption = problem.config.disruption
        if disruption is not None and disruption.measure in measures[1:]:
            return disruption.measure
    money = (m for word in _MONEY for m in measures if word in m.lower())
    return next(money, measures[1] if len(measures) > 1 else "count")


def _values(problem: PlanningProblem, measures: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({m: problem.measure_values(m) for m in measures}, index=problem.accounts.index)


def _moves(plan_a: Plan, plan_b: Plan, moved: pd.Index[str], values_b: pd.DataFrame) -> pd.DataFrame:
    then, now = plan_a.assignments.loc[moved], plan_b.assignments.loc[moved]
    parts = (
        then["territory_id"],
        now["territory_id"],
        then["rep_id"],
        now["rep_id"],
        then["travel"],
        now["travel"],
    )
    moves = pd.DataFrame(dict(zip(MOVE_COLUMNS, parts, strict=True)), index=moved)
    moves.index.name = "account_id"
    return moves.join(values_b.loc[moved].drop(columns="count"))


def _moved_units(plan_a: Plan, plan_b: Plan, origin: pd.Series[str]) -> pd.DataFrame | None:
    if plan_a.units is None or plan_b.units is None:
        return None
    shared = plan_b.units.index.intersection(plan_a.units.index, sort=False)
    if len(shared) == 0:
        return None
    then, now = plan_a.units.loc[shared, "territory_id"], plan_b.units.loc[shared, "territory_id"]
    moved = origin.reindex(now).to_numpy(object) != then.to_numpy(object)
    frame = pd.DataFrame(
        {
            "from_territory_id": then[moved],
            "to_territory_id": now[moved],
            "accounts": plan_b.units.loc[shared[moved], "accounts"],
        },
        index=shared[moved],
    )
    frame.index.name = "unit_id"
    return frame


def _territories(
    plan_a: Plan,
    plan_b: Plan,
    origin: pd.Series[str],
    moves: pd.DataFrame,
    values_a: pd.DataFrame,
    values_b: pd.DataFrame,
) -> pd.DataFrame:
    """Return gains and losses of every territory of B, and of those of A that nothing continues."""
    ended = plan_a.territories.index[~plan_a.territories.index.isin(origin)]
    # An ID of a territory that ended may be another's now.
    rows = [
        *((str(t), str(origin[t]), False) for t in plan_b.territories.index),
        *((str(t), str(t), True) for t in ended),
    ]
    frame = pd.DataFrame(rows, columns=["territory_id", "from_territory_id", "dissolved"])
    frame["rep_id"] = [
        "" if gone else str(plan_b.territories["rep_id"][t])
        for t, gone in zip(frame["territory_id"], frame["dissolved"], strict=True)
    ]
    frame["from_rep_id"] = ["" if t == "" else str(plan_a.territories["rep_id"][t]) for t in frame["from_territory_id"]]
    continued = (~frame["dissolved"]).to_numpy()
    columns: dict[str, NDArray[np.float64]] = {}
    for measure in values_b.columns:
        total_a = values_a[measure].groupby(plan_a.assignments["territory_id"]).sum()
        total_b = values_b[measure].groupby(plan_b.assignments["territory_id"]).sum()
        amount = values_b[measure].reindex(moves.index)
        gained = amount.groupby(moves["to_territory_id"]).sum()
        lost = amount.groupby(moves["from_territory_id"]).sum()
        old = frame["from_territory_id"].map(total_a).fillna(0.0).to_numpy(np.float64)
        new = np.where(continued, frame["territory_id"].map(total_b).fillna(0.0).to_numpy(np.float64), 0.0)
        into = np.where(continued, frame["territory_id"].map(gained).fillna(0.0).to_numpy(np.float64), 0.0)
        out = frame["from_territory_id"].map(lost).fillna(0.0).to_numpy(np.float64)
        changed = new - (old + into - out)
        # What sums in another order leave behind is no change.
        changed[np.abs(changed) <= 1e-12 * (old + into + out + new)] = 0.0
        parts = {"before": old, "gained": into, "lost": out, "changed": changed, "after": new}
        columns |= {f"{measure}_{part}": values for part, values in parts.items()}
    return frame.assign(**columns).set_index("territory_id")


def _figures(before: tuple[PlanningProblem, Plan], after: tuple[PlanningProblem, Plan]) -> pd.DataFrame:
    """Return key figures of both plans side by side; NaN where a plan has no such figure."""
    (then, units_then), (now, units_now) = _key_figures(*before), _key_figures(*after)
    # Python sorts stably: what only the first plan has stands with its like.
    order = sorted(dict.fromkeys([*now, *then]), key=lambda figure: _FIGURE_ORDER[figure.partition(":")[0]])
    frame = pd.DataFrame({"before": then, "after": now}, index=order)
    unit = [
        " → ".join(dict.fromkeys(u[figure] for u in (units_then, units_now) if figure in u)) for figure in frame.index
    ]
    frame.insert(0, "label", [_figure_label(str(figure)) for figure in frame.index])
    frame.insert(1, "unit", unit)
    frame.index.name = "figure"
    return frame


def _key_figures(problem: PlanningProblem, plan: Plan) -> tuple[dict[str, float], dict[str, str]]:
    """Return the plan's figures and their units."""
    travel = plan.assignments["travel"].to_numpy(np.float64)
    travel = travel[np.isfinite(travel)]
    unit, cost = distance_unit(problem), objective_unit(problem)
    listed: list[tuple[str, float | None, str]] = [
        ("accounts", float(len(plan.assignments)), ""),
        ("territories", float(len(plan.territories)), ""),
        *((term, value, cost) for term, value in plan.objective_terms.items()),
        ("mean_travel", float(travel.mean()) if len(travel) else None, unit),
        ("longest_travel", float(travel.max()) if len(travel) else None, unit),
        *((f"max_deviation:{m}", row.get("max_deviation"), "fraction") for m, row in plan.measures.items()),
        ("objective", plan.objective, cost),
        ("gap", plan.gap, "fraction"),
    ]
    return (
        {name: np.nan if value is None else float(value) for name, value, _ in listed},
        {name: word for name, _, word in listed},
    )


_FIGURE_LABELS = {
    "accounts": "Accounts",
    "territories": "Territories",
    "travel": "Travel",
    "balance": "Price of loads off target",
    "disruption": "Price of moves",
    "mean_travel": "Mean travel per account",
    "longest_travel": "Longest travel",
    "max_deviation": "Furthest off its share",
    "objective": "Objective",
    "gap": "Proved gap",
}
_FIGURE_ORDER = {name: place for place, name in enumerate(_FIGURE_LABELS)}


def _figure_label(figure: str) -> str:
    name, _, measure = figure.partition(":")
    return f"{_FIGURE_LABELS[name]}, {measure_label(measure)}" if measure else _FIGURE_LABELS[name]


def _notices(
    before: tuple[PlanningProblem, Plan], after: tuple[PlanningProblem, Plan], n_shared: int
) -> tuple[str, ...]:
    found = []
    (problem_a, plan_a), (problem_b, plan_b) = before, after
    n_a, n_b = len(plan_a.assignments), len(plan_b.assignments)
    if n_shared < 0.5 * min(n_a, n_b):
        found.append(
            f"The plans have only {counted(n_shared, 'account')} in common, of {n_a:,} and {n_b:,}: they may be of different businesses."
        )
    if objective_unit(problem_a) != objective_unit(problem_b):
        found.append(
            f"The plans measure travel in different units ({objective_unit(problem_a)} and {objective_unit(problem_b)}): "
            "their travel and objectives cannot be compared."
        )
    elif problem_a.config.balance != problem_b.config.balance or set(plan_a.objective_terms) != set(
        plan_b.objective_terms
    ):
        found.append("The plans keep different rules: more travel may be the price of a stricter one.")
    return tuple(found)
