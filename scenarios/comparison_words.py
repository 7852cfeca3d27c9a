"""The comparison of scenarios as a person reads it: rows of figures with the best marked, and what to say first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scenarios.capacity_words import reps_above_capacity
from scenarios.comparison import base_of, compared_measures, comparison_table
from scenarios.risks import capacity_columns
from scenarios.running import BASE
from territory_engine.grammar import counted, listed
from territory_engine.wording import distance_unit, measure_label, number, objective_unit, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from scenarios.comparison import ScenarioResult

_ALIKE = 1e-9
_DASH = "–"


@dataclass(frozen=True)
class FigureCell:
    """One scenario's figure.

    Attributes
    ----------
    text, note : str
        The figure, and what it is against the base; blank where there is nothing to tell.
    best : bool
        Whether it is the best of its row.
    """

    text: str
    note: str = ""
    best: bool = False


@dataclass(frozen=True)
class FigureRow:
    """A figure of every scenario.

    Attributes
    ----------
    label : str
    cells : tuple of FigureCell
        In the order of the scenarios.
    group : str
        Heading under which the row stands.
    """

    label: str
    cells: tuple[FigureCell, ...] = field(default=())
    group: str = ""


def figure_rows(results: Sequence[ScenarioResult], table: pd.DataFrame | None = None) -> list[FigureRow]:
    """Return the figures side by side, the best of each row marked where the lower is the better.

    Totals of travel are compared only between scenarios with the same accounts and the same work: with other accounts, or
    more visits, it is another task, and its travel is neither better nor worse. No mark where all are alike.

    Parameters
    ----------
    results : sequence of ScenarioResult
    table : DataFrame, optional
        What :func:`scenarios.comparison.comparison_table` returned for them.
    """
    table = comparison_table(results) if table is None else table
    unit, distance = objective_unit(results[0].problem), distance_unit(results[0].problem)
    same = same_work(results)
    everyone = np.ones(len(results), np.bool_)
    others = np.array([r.name != BASE for r in results])
    above = [_above_capacity(r) for r in results]
    rows = _Rows(table.assign(above_capacity=above), [r.name for r in results])
    rows.add("Cost", f"Travel, {unit}", "objective_travel", number, same)
    rows.add("Cost", f"Mean per account, {distance}", "mean_travel", number, everyone)
    for term, words in (("balance", "Loads off their targets"), ("disruption", "Price of moves")):
        rows.add("Cost", f"{words}, {unit}", f"objective_{term}", number, same)
    if any(f"objective_{term}" in table for term in ("balance", "disruption")):
        rows.add("Cost", f"In all, {unit}", "objective", number, same)
    measures = compared_measures(results)
    for measure in ("count", *measures):
        label = f"{measure_label(measure).capitalize()}, furthest off its share"
        rows.add("Balance", label, f"{measure}_max_deviation", percent, everyone, compared=False)
    if any(n > 0 for n in above):
        rows.add("Balance", "Reps above capacity", "above_capacity", number, everyone, compared=False)
    for origin, words, eligible in (("today", "today", everyone), ("base", "the base plan", others)):
        group = f"Moves from {words}"
        rows.add(group, "Accounts", f"moved_from_{origin}_accounts", number, eligible, of="accounts", compared=False)
        for measure in measures:
            label = measure_label(measure).capitalize()
            rows.add(group, label, f"moved_from_{origin}_{measure}", number, eligible, of=measure, compared=False)
    rows.add("Size", "Reps", "reps", number, None, compared=False)
    rows.add("Size", "Accounts", "accounts", number, None, compared=False)
    for measure in measures:
        rows.add("Size", measure_label(measure).capitalize(), measure, number, None, only_if_differs=True)
    rows.add("Proof", "Proved gap", "gap", percent, None, compared=False)
    rows.add("Proof", "Solving, seconds", "solve_seconds", number, None, compared=False)
    return rows.found


class _Rows:
    """Builds rows from columns of the table; a column that says nothing makes none."""

    def __init__(self, table: pd.DataFrame, names: list[str]) -> None:
        self.table = table
        self.base = names.index(BASE) if BASE in names else -1
        self.found: list[FigureRow] = []

    def add(
        self,
        group: str,
        label: str,
        column: str,
        show: Callable[[float], str],
        eligible: NDArray[np.bool_] | None,
        *,
        of: str = "",
        compared: bool = True,
        only_if_differs: bool = False,
    ) -> None:
        if column not in self.table:
            return
        values = self.table[column].to_numpy(np.float64)
        known = np.isfinite(values)
        if not known.any() or (only_if_differs and np.ptp(values[known]) <= _ALIKE * abs(values[known]).max()):
            return
        best = best_of(values, eligible, show) if eligible is not None else np.zeros(len(values), np.bool_)
        whole = self.table[of].to_numpy(np.float64) if of in self.table else None
        cells = []
        for i, value in enumerate(values.tolist()):
            note = ""
            if not math.isfinite(value):
                cells.append(FigureCell(_DASH))
                continue
            if whole is not None and whole[i] > 0:
                note = f"{percent(value / float(whole[i]))} of all"
            elif compared and self.base >= 0 and i != self.base and known[self.base] and values[self.base] > 0:
                change = value / float(values[self.base]) - 1
                note = "as the base" if abs(change) <= _ALIKE else f"{percent(change, signed=True)}"
            cells.append(FigureCell(show(value), note, bool(best[i])))
        self.found.append(FigureRow(label, tuple(cells), group))


def best_of(
    values: NDArray[np.float64], eligible: NDArray[np.bool_], show: Callable[[float], str]
) -> NDArray[np.bool_]:
    """Return which of the eligible values are least as they are shown, shape ``(n,)``.

    None where fewer than two are known, or all look alike: a difference that nobody sees is none.
    """
    known = np.isfinite(values) & eligible
    if known.sum() < 2:
        return np.zeros(len(values), np.bool_)
    least = show(float(values[known].min()))
    best: NDArray[np.bool_] = known & np.array([show(v) == least for v in values.tolist()])
    return best if best.sum() < known.sum() else np.zeros(len(values), np.bool_)


def same_work(results: Sequence[ScenarioResult]) -> NDArray[np.bool_]:
    """Return which scenarios have the base's accounts, weights and measure of travel, shape ``(n_scenarios,)``.

    The first one's, where there is no base.
    """
    first = next((r for r in results if r.name == BASE), results[0]).problem
    weights = first.weights()

    def alike(result: ScenarioResult) -> bool:
        problem = result.problem
        ruler = [(p.config.travel.metric, p.config.travel.power, p.config.travel.weight) for p in (first, problem)]
        if ruler[0] != ruler[1] or not problem.accounts.index.equals(first.accounts.index):
            return False
        return bool(np.allclose(problem.weights(), weights, rtol=1e-9, atol=0))

    return np.array([alike(result) for result in results])


def _above_capacity(result: ScenarioResult) -> float:
    """Return how many reps have more than they can manage; NaN where there is no plan or nobody's capacity is known."""
    if result.plan is None or not result.planned:
        return math.nan
    measures = [rule.measure for rule in result.problem.balance_rules()]
    if not any(capacity_columns(result.problem, measure) for measure in measures):
        return math.nan
    return float(reps_above_capacity(result.problem, result.plan))


def _left_behind(result: ScenarioResult) -> int:
    """Return how many accounts have an owner today who is no rep any more: they need another, and do not count as moves."""
    assert result.plan is not None
    owners = result.plan.assignments["previous_rep_id"].astype(str)
    return int(((owners != "") & ~owners.isin(result.problem.reps.index)).sum())


def headline(results: Sequence[ScenarioResult], table: pd.DataFrame | None = None) -> list[str]:
    """Return what to say first, a sentence each: the least travel, the fewest moves, who is above capacity, and what has no plan."""
    table = comparison_table(results) if table is None else table
    lines = []
    same = same_work(results)
    base = base_of(results)
    planned = np.array([r.planned for r in results])
    if "objective_travel" in table and (planned & same).sum() > 1:
        travel = table["objective_travel"].to_numpy(np.float64)
        i = int(np.nanargmin(np.where(same, travel, np.nan)))
        against = ""
        if base is not None and results[i] is not base and base.plan is not None:
            then = base.plan.objective_terms.get("travel", 0.0)
            against = f", {percent(abs(travel[i] / then - 1))} less than the base" if then > 0 else ""
        unit = objective_unit(results[i].problem)
        lines.append(f"Least travel: {results[i].name}, {number(float(travel[i]))} {unit}{against}.")
    for origin, words in (("today", "compared with today"), ("base", "compared with the base plan")):
        column = f"moved_from_{origin}_accounts"
        if column not in table:
            continue
        moves = table[column].to_numpy(np.float64)
        known = np.isfinite(moves) & np.array([origin == "today" or r.name != BASE for r in results])
        if known.sum() > 1:
            i = int(np.nanargmin(np.where(known, moves, np.nan)))
            amount = counted(int(moves[i]), "account changes", "accounts change")
            share = percent(float(moves[i]) / max(1, len(results[i].problem.accounts)))
            left = _left_behind(results[i]) if origin == "today" else 0
            beside = f", beside {counted(left, 'account')} of reps who are gone" if left else ""
            lines.append(f"Fewest moves: {results[i].name}, where {amount} hands {words} ({share} of all){beside}.")
            break
    full = [f"{counted(int(n), 'rep')} in {r.name}" for r in results if (n := _above_capacity(r)) > 0]
    if full:
        lines.append(f"Above capacity: {listed(full)}.")
    impossible = [r.name for r in results if r.status == "infeasible"]
    if impossible:
        verb = "is" if len(impossible) == 1 else "are"
        lines.append(f"{listed(impossible)} {verb} proved impossible: what contradicts what is told below.")
    missing = [r.name for r in results if r.status == "no plan"]
    if missing:
        lines.append(f"No plan was found in the time limit for {listed(missing)}, and nothing was proved.")
    return lines
