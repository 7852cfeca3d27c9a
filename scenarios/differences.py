"""What changes from one plan to another: accounts moved, gains and losses, key figures side by side.

Labels need not agree. A territory of one plan and a territory of the other that have the same rep are the same; the rest
are matched by what they share, so that a plan whose territories were only named anew has no moves. Accounts that are in one
plan only are new or closed, not moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from territory_engine.errors import Finding, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem


@dataclass(frozen=True, eq=False)
class PlanDifference:
    """From plan A to plan B.

    Attributes
    ----------
    measures : tuple of str
        Those that either plan balances or counts disruption in, and both have data for; ``"count"`` first.
    territories : DataFrame, index ``territory_id`` of B, then those of A that nothing in B continues
        ``from_territory_id`` (``""``: new), ``rep_id``, ``from_rep_id``, ``dissolved`` (bool), and per measure
        ``<measure>_before``, ``<measure>_gained``, ``<measure>_lost``, ``<measure>_changed`` (the change of what stays, new
        accounts less closed ones included), ``<measure>_after``: before + gained − lost + changed = after.
    moves : DataFrame, index ``account_id``, in B's order
        ``from_territory_id``, ``to_territory_id``, ``from_rep_id``, ``to_rep_id``, ``travel_before``, ``travel_after``, and
        every measure as B has it. Only accounts whose territory in B does not continue theirs in A.
    added, closed : Index of account_id
        Accounts that only B, or only A, has.
    figures : DataFrame, index ``figure``
        ``before``, ``after``: objective, proved gap, travel, largest deviation by measure, accounts.
    """

    measures: tuple[str, ...]
    territories: pd.DataFrame
    moves: pd.DataFrame
    added: pd.Index[str]
    closed: pd.Index[str]
    figures: pd.DataFrame

    def moved(self, measure: str = "count") -> float:
        """Return how much of a measure changes hands, as B has it."""
        return float(len(self.moves)) if measure == "count" else float(self.moves[measure].sum())


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
    for name, plan in (("first", plan_a), ("second", plan_b)):
        if plan.status == "infeasible":
            raise InputError(
                Finding(
                    f"the {name} plan is proved infeasible and has no territories to compare", remedy="compare plans"
                )
            )
    shared = plan_b.assignments.index.intersection(plan_a.assignments.index, sort=False)
    if len(shared) == 0:
        raise InputError(
            Finding(
                "the plans have no account in common",
                value=f"{_some(plan_a.assignments.index)} and {_some(plan_b.assignments.index)}",
                allowed="plans of the same accounts, or mostly",
                remedy="compare plans whose account_id come from the same system",
            )
        )
    from_a = plan_a.assignments.loc[shared, "territory_id"]
    to_b = plan_b.assignments.loc[shared, "territory_id"]
    origin = _matched(plan_a.territories, plan_b.territories, from_a, to_b)
    moved = origin.reindex(to_b).to_numpy(object) != from_a.to_numpy(object)
    measures = _measures(problem_a, problem_b)
    moves = pd.DataFrame(
        {
            "from_territory_id": from_a[moved],
            "to_territory_id": to_b[moved],
            "from_rep_id": plan_a.assignments.loc[shared[moved], "rep_id"],
            "to_rep_id": plan_b.assignments.loc[shared[moved], "rep_id"],
            "travel_before": plan_a.assignments.loc[shared[moved], "travel"],
            "travel_after": plan_b.assignments.loc[shared[moved], "travel"],
        },
        index=shared[moved],
    )
    moves.index.name = "account_id"
    values_a, values_b = _values(problem_a, measures), _values(problem_b, measures)
    for measure in measures[1:]:
        moves[measure] = values_b.loc[moves.index, measure]
    return PlanDifference(
        measures=measures,
        territories=_territories(before, after, origin, moves, values_a, values_b),
        moves=moves,
        added=plan_b.assignments.index.difference(plan_a.assignments.index, sort=False),
        closed=plan_a.assignments.index.difference(plan_b.assignments.index, sort=False),
        figures=_figures(plan_a, plan_b),
    )


def _some(ids: pd.Index[str]) -> str:
    return ", ".join(map(str, ids[:3])) + (", …" if len(ids) > 3 else "")


def _matched(before: pd.DataFrame, after: pd.DataFrame, from_a: pd.Series[str], to_b: pd.Series[str]) -> pd.Series[str]:
    """Return which territory of A each of B continues, ``""`` for none: that of the same rep, else by accounts shared."""
    origin = pd.Series("", index=after.index, dtype=object)
    reps_a, reps_b = before["rep_id"].astype(str), after["rep_id"].astype(str)
    # A rep with several territories does not say which of them continues which.
    alone_a = reps_a[(reps_a != "") & ~reps_a.duplicated(keep=False)]
    alone_b = reps_b[(reps_b != "") & ~reps_b.duplicated(keep=False)]
    home = pd.Series(alone_a.index, index=alone_a.to_numpy(object), dtype=object)
    same = alone_b[alone_b.isin(home.index)]
    origin[same.index] = home.reindex(same.to_numpy(object)).to_numpy(object)
    left_a = before.index[~before.index.isin(origin)]
    left_b = after.index[origin == ""]
    # A rep who is in one plan only has come or gone; territories without reps may have been named anew.
    left_a = left_a[(reps_a[left_a] == "").to_numpy() | reps_a[left_a].isin(reps_b).to_numpy()]
    left_b = left_b[(reps_b[left_b] == "").to_numpy() | reps_b[left_b].isin(reps_a).to_numpy()]
    if len(left_a) and len(left_b):
        overlap: NDArray[np.float64] = (
            pd.crosstab(from_a.to_numpy(object), to_b.to_numpy(object))
            .reindex(index=left_a, columns=left_b, fill_value=0)
            .to_numpy(np.float64)
        )
        for row, column in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[row, column] > 0:
                origin[left_b[int(column)]] = left_a[int(row)]
    return origin


def _measures(problem_a: PlanningProblem, problem_b: PlanningProblem) -> tuple[str, ...]:
    """Return the measures to compare by, ``"count"`` first."""
    named = ["count", *problem_b.measures, *problem_a.measures]
    named += [p.config.disruption.measure for p in (problem_b, problem_a) if p.config.disruption is not None]
    numeric = [
        set(p.accounts.columns[[pd.api.types.is_numeric_dtype(t) for t in p.accounts.dtypes]]) | {"count"}
        for p in (problem_a, problem_b)
    ]
    by_rep = {m for p in (problem_a, problem_b) for m in p.measures if p.load_depends_on_rep(m)}
    return tuple(m for m in dict.fromkeys(named) if m in numeric[0] & numeric[1] and m not in by_rep)


def _values(problem: PlanningProblem, measures: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({m: problem.measure_values(m) for m in measures}, index=problem.accounts.index)


def _territories(
    before: tuple[PlanningProblem, Plan],
    after: tuple[PlanningProblem, Plan],
    origin: pd.Series[str],
    moves: pd.DataFrame,
    values_a: pd.DataFrame,
    values_b: pd.DataFrame,
) -> pd.DataFrame:
    """Return gains and losses of every territory of B, and of those of A that nothing continues."""
    plan_a, plan_b = before[1], after[1]
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
    for measure in values_b.columns:
        value_a, value_b = values_a[measure], values_b[measure]
        total_a = value_a.groupby(plan_a.assignments["territory_id"]).sum()
        total_b = value_b.groupby(plan_b.assignments["territory_id"]).sum()
        amount = value_b.reindex(moves.index)
        gained = amount.groupby(moves["to_territory_id"]).sum()
        lost = amount.groupby(moves["from_territory_id"]).sum()
        old = frame["from_territory_id"].map(total_a).fillna(0.0).to_numpy(np.float64)
        new = np.where(continued, frame["territory_id"].map(total_b).fillna(0.0).to_numpy(np.float64), 0.0)
        into = np.where(continued, frame["territory_id"].map(gained).fillna(0.0).to_numpy(np.float64), 0.0)
        out = frame["from_territory_id"].map(lost).fillna(0.0).to_numpy(np.float64)
        frame[f"{measure}_before"], frame[f"{measure}_gained"], frame[f"{measure}_lost"] = old, into, out
        frame[f"{measure}_changed"] = new - (old + into - out)
        frame[f"{measure}_after"] = new
    return frame.set_index("territory_id")


def _figures(plan_a: Plan, plan_b: Plan) -> pd.DataFrame:
    """Return key figures of both plans side by side; NaN where a plan has no such figure."""

    def of(plan: Plan) -> dict[str, float]:
        named = {
            "accounts": float(len(plan.assignments)),
            "territories": float(len(plan.territories)),
            "objective": np.nan if plan.objective is None else plan.objective,
            "gap": np.nan if plan.gap is None else plan.gap,
        }
        named |= {f"objective: {term}": value for term, value in plan.objective_terms.items()}
        return named | {f"largest deviation: {m}": row["max_deviation"] for m, row in plan.measures.items()}

    frame = pd.DataFrame({"before": of(plan_a), "after": of(plan_b)})
    frame.index.name = "figure"
    return frame
