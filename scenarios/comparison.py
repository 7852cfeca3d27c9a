"""Scenarios side by side: one row of figures each, against today's owners and against the base plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scenarios.differences import compare_plans
from scenarios.running import BASE
from territory_engine.plan_directory import guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.differences import PlanDifference
    from scenarios.outlook_comparison import OutlookComparison
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem


@dataclass(frozen=True, eq=False)
class ScenarioResult:
    """What came of a scenario.

    Attributes
    ----------
    name, description : str
    parents : tuple of str
    problem : PlanningProblem
        The scenario's own: with its reps, accounts and rules.
    plan : Plan or None
        None where no plan was found; an infeasible one where it was proved that there is none.
    message : str
        Why there is no plan, where ``plan`` is None.
    robust : bool
        Whether the plan had to keep every limit under every outlook.
    seconds : float
        Wall time of solving and writing; NaN where it is not known any more.
    """

    name: str
    description: str
    parents: tuple[str, ...]
    problem: PlanningProblem
    plan: Plan | None
    message: str = ""
    robust: bool = False
    seconds: float = math.nan

    @property
    def status(self) -> str:
        """``"optimal"``, ``"feasible"``, ``"infeasible"`` or ``"no plan"``."""
        return "no plan" if self.plan is None else self.plan.status

    @property
    def planned(self) -> bool:
        """Whether there are territories."""
        return self.plan is not None and self.plan.status != "infeasible"

    @property
    def conflict(self) -> list[str]:
        """The rules that cannot hold together, where that was proved."""
        return list((self.plan.conflict or {}).get("rules", ())) if self.plan is not None else []

    @property
    def relaxations(self) -> list[str]:
        """What would make a plan possible, the cheapest first."""
        return list((self.plan.conflict or {}).get("relaxations", ())) if self.plan is not None else []


def base_of(results: Sequence[ScenarioResult]) -> ScenarioResult | None:
    """Return the base, if it has a plan to compare with."""
    return next((r for r in results if r.name == BASE and r.planned), None)


def compared_measures(results: Sequence[ScenarioResult]) -> tuple[str, ...]:
    """Return the measures that any scenario balances or counts moves in, in the order of appearance, without ``"count"``."""
    named = [m for r in results for m in own_measures(r.problem)]
    named += [r.problem.config.disruption.measure for r in results if r.problem.config.disruption is not None]
    return tuple(m for m in dict.fromkeys(named) if m != "count")


def own_measures(problem: PlanningProblem) -> tuple[str, ...]:
    """Return the balanced measures without the stand-ins that a robust plan balances for other outlooks."""
    return tuple(m for m in problem.measures if m.rpartition("@")[0] not in problem.measures)


def differences_from_base(results: Sequence[ScenarioResult]) -> dict[str, PlanDifference]:
    """Return what changes from the base plan to every other scenario's; without those that have no account in common."""
    base = base_of(results)
    if base is None or base.plan is None:
        return {}
    start = (base.problem, base.plan)
    return {
        r.name: compare_plans(start, (r.problem, r.plan))
        for r in results
        if r.planned
        and r.plan is not None
        and r is not base
        and r.problem.accounts.index.isin(base.problem.accounts.index).any()
    }


def comparison_table(
    results: Sequence[ScenarioResult],
    differences: dict[str, PlanDifference] | None = None,
    outlooks: OutlookComparison | None = None,
) -> pd.DataFrame:
    """Return one row of figures for every scenario.

    Parameters
    ----------
    results : sequence of ScenarioResult
        In the order of the rows.
    differences : dict of str to PlanDifference, optional
        What :func:`differences_from_base` returned for them.
    outlooks : OutlookComparison, optional
        What the plans come to under the file's outlooks; adds ``<outlook>_objective``, ``<outlook>_limits_broken`` and
        ``<outlook>_<measure>_max_deviation``.

    Returns
    -------
    DataFrame, index ``scenario``
        ``description``, ``parents``, ``status``, ``objective``, ``objective_<term>``, ``lower_bound``, ``gap``, ``accounts``,
        ``reps``, ``territories``, ``mean_travel``, per measure ``<measure>`` (total) and ``<measure>_max_deviation``;
        ``moved_from_today_accounts`` and per measure ``moved_from_today_<measure>`` where today's owners are known;
        ``moved_from_base_accounts``, ``moved_from_base_<measure>``, ``accounts_new``, ``accounts_closed`` against the base
        plan; ``solve_seconds``, ``seconds``, ``conflict``. NaN, or blank, where there is nothing to tell.
    """
    measures = compared_measures(results)
    differences = differences_from_base(results) if differences is None else differences
    rows = [_row(result, differences.get(result.name), measures) for result in results]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    order = [c for c in columns if c not in _LAST] + list(_LAST)
    if outlooks is not None:
        rows = [row | outlooks.columns(r.name) for r, row in zip(results, rows, strict=True)]
        order[-len(_LAST) : -len(_LAST)] = dict.fromkeys(c for r in results for c in outlooks.columns(r.name))
    frame = pd.DataFrame(rows, index=pd.Index([r.name for r in results], name="scenario", dtype=object), columns=order)
    return frame.drop(columns=[c for c in order if c.startswith(("objective_", "moved_")) and frame[c].isna().all()])


_LAST = ("solve_seconds", "seconds", "conflict")


def _row(result: ScenarioResult, difference: PlanDifference | None, measures: tuple[str, ...]) -> dict[str, Any]:
    problem, plan = result.problem, result.plan
    row: dict[str, Any] = {
        "description": result.description,
        "parents": "; ".join(result.parents),
        "status": result.status,
        "objective": math.nan,
        **{f"objective_{term}": math.nan for term in ("travel", "balance", "disruption")},
        "lower_bound": math.nan,
        "gap": math.nan,
        "accounts": len(problem.accounts),
        "reps": len(problem.reps),
        "territories": len(problem.territory_ids),
        "mean_travel": math.nan,
    }
    for measure in measures:
        row |= {measure: _total(problem, measure), f"{measure}_max_deviation": math.nan}
    if any(m == "count" for m in problem.measures):
        row["count_max_deviation"] = math.nan
    row |= {f"moved_from_{origin}_{m}": math.nan for origin in ("today", "base") for m in ("accounts", *measures)}
    row |= {"accounts_new": math.nan, "accounts_closed": math.nan}
    if plan is not None:
        row["solve_seconds"] = plan.solve_seconds
    row |= {"seconds": result.seconds, "conflict": " ".join(result.conflict) or result.message}
    if plan is None or not result.planned:
        return row
    row |= {"objective": plan.objective, "lower_bound": plan.lower_bound, "gap": plan.gap}
    row |= {f"objective_{term}": value for term, value in plan.objective_terms.items()}
    row["territories"] = len(plan.territories)
    row_measures = own_measures(problem)
    travel = plan.assignments["travel"].to_numpy(np.float64)
    row["mean_travel"] = float(np.nanmean(travel)) if np.isfinite(travel).any() else math.nan
    row |= {
        f"{m}_max_deviation": facts.get("max_deviation", math.nan)
        for m, facts in plan.measures.items()
        if m in row_measures
    }
    if (plan.assignments["previous_rep_id"] != "").any():
        moved = plan.assignments.index[plan.assignments["moved"].to_numpy(np.bool_)]
        row["moved_from_today_accounts"] = len(moved)
        row |= {f"moved_from_today_{m}": _total(problem, m, moved) for m in measures}
    if difference is not None:
        row["moved_from_base_accounts"] = len(difference.moves)
        row |= {f"moved_from_base_{m}": _total(problem, m, difference.moves.index) for m in measures}
        row |= {"accounts_new": len(difference.added), "accounts_closed": len(difference.closed)}
    return row


def _total(problem: PlanningProblem, measure: str, accounts: pd.Index[str] | None = None) -> float:
    """Return the total of a measure, over some accounts or all; NaN where it depends on the rep, or is no number."""
    if problem.load_depends_on_rep(measure) or measure not in problem.accounts:
        return math.nan
    values = problem.accounts[measure]
    return float((values if accounts is None else values.loc[accounts]).sum())


def comparison_csv(table: pd.DataFrame) -> str:
    """Return :func:`comparison_table` as CSV in which no cell is a formula.

    What begins like one gets an apostrophe in front: names and descriptions are free text.
    """
    told = table.reset_index()
    for column in ("scenario", "description", "parents", "conflict"):
        told[column] = guarded(told[column].astype(str).str.strip())
    return str(told.to_csv(index=False, lineterminator="\n"))
