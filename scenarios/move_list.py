"""The move list: every account whose rep changes, in an order in which one may stop after any step.

Today's alignment may break rules. A step never leaves one of them more broken than it is today: no load further beyond
its limit, no territory in more pieces, no group or geographic unit shared by more reps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scenarios.alignment_change import AlignmentChange
from scenarios.move_order import in_order
from scenarios.move_words import MoveWords
from territory_engine.plan_directory import guarded

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_OWN_COLUMNS = frozenset(
    {"step", "account_id", "name", "kind", "from", "to", "travel_before", "travel_after", "travel_saved", "buys", "why"}
)


def lists_moves(problem: PlanningProblem, plan: Plan) -> bool:
    """Whether a plan has a move list: it has reps, and the configuration says who has the accounts today."""
    return problem.config.disruption is not None and len(problem.reps) > 0 and plan.status != "infeasible"


def measure_column(measure: str) -> str:
    """Return what the column of a measure is called in the move list: as the measure, unless the list has such a column."""
    return f"measure_{measure}" if measure in _OWN_COLUMNS else measure


def ordered_moves(problem: PlanningProblem, plan: Plan) -> pd.DataFrame:
    """Return every account whose rep changes, in the order in which to make the moves.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
        A plan of this problem, with reps and today's owners (:func:`lists_moves`).

    Returns
    -------
    DataFrame
        One row per account: ``step`` (int, from 1; accounts of one step move together), ``account_id``, ``name`` (where
        accounts have one), ``kind`` (``"move"``, or ``"assign"`` for an account that nobody has, or a rep who left),
        ``from`` (``""``: nobody) and ``to`` (rep IDs), every measure that is balanced or in which disruption is
        counted, as the account's load at ``to`` (:func:`measure_column`; ``"count"`` left out), ``travel_before`` and
        ``travel_after`` (NaN where unknown), ``travel_saved``, ``buys`` (what the step is good for) and ``why`` (the
        plan's reason).

    Raises
    ------
    ValueError
        The plan has no move list.
    """
    if not lists_moves(problem, plan):
        raise ValueError("the plan has no reps, or nothing says who has the accounts today")
    change = AlignmentChange(problem, plan)
    if not len(change.accounts):
        return _table(change, np.empty(0, np.intp), np.empty(0, np.intp), [])
    steps = in_order(change.moves())
    by_unit = np.argsort(change.unit, kind="stable")
    first = np.searchsorted(change.unit[by_unit], np.arange(change.n_units + 1))
    # Within a step accounts are in input order.
    rows_of = [np.sort(np.concatenate([by_unit[first[u] : first[u + 1]] for u in step])) for step in steps]
    words = MoveWords(change, steps, rows_of)
    rows = np.concatenate(rows_of)
    number = np.repeat(np.arange(1, len(steps) + 1), [len(r) for r in rows_of])
    return _table(change, rows, number, words.buys())


def write_moves(moves: pd.DataFrame, path: Path) -> None:
    """Write a move list as CSV: numbers to the last digit, free text on one line and never a formula."""
    texts = {column: guarded(moves[column]) for column in ("name", "buys", "why") if column in moves}
    moves.assign(**texts).to_csv(path, index=False, lineterminator="\n")


def _owners(problem: PlanningProblem) -> NDArray[np.object_]:
    """Return who has each account today, as the accounts name them, shape ``(n_accounts,)``; ``""`` for nobody."""
    assert problem.config.disruption is not None
    return problem.accounts[problem.config.disruption.current].astype(str).str.strip().to_numpy(object)


def _table(change: AlignmentChange, rows: NDArray[np.intp], number: NDArray[np.intp], buys: list[str]) -> pd.DataFrame:
    problem, plan = change.problem, change.plan
    at, reps = change.accounts[rows], problem.reps.index.to_numpy(object)
    owner = change.owner[rows]
    columns: dict[str, object] = {
        "step": number.astype(np.int64),
        "account_id": problem.accounts.index.to_numpy(object)[at],
    }
    if "name" in problem.accounts:
        columns["name"] = problem.accounts["name"].to_numpy(object)[at]
    columns |= {
        "kind": np.where(owner >= 0, "move", "assign"),
        # Whoever had it and left is still who hands it over.
        "from": _owners(problem)[at],
        "to": reps[change.target[rows]],
    }
    measures = dict.fromkeys([*problem.measures, change.disruption])
    columns |= {measure_column(m): change.values(m)[rows] for m in measures if m != "count"}
    before = np.where(np.isfinite(change.travel_before), np.round(change.travel_before, 6), np.nan)[rows]
    after = change.travel_after[rows]
    columns |= {"travel_before": before, "travel_after": after, "travel_saved": np.round(before - after, 6)}
    reasons = plan.assignments["reason"].reindex(problem.accounts.index).to_numpy(object)
    return pd.DataFrame(columns | {"buys": buys, "why": reasons[at]})
