"""Moves as compact columns: what a page needs to draw, list, sort and find each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maps.pages.columns import base64_of, dictionary, encode_sentences, texts
from territory_engine.wording import distance_unit, measure_label, noun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scenarios.difference_words import TerritoryWords
    from scenarios.differences import PlanDifference
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

# Beyond these a page is slow to open and nobody reads on; the files beside it have all.
MOST_MOVES_LISTED = 50_000
MOST_FLOWS = 4_000
MOST_STAYING_DRAWN = 40_000


def move_columns(
    difference: PlanDifference,
    before: tuple[PlanningProblem, Plan],
    after: tuple[PlanningProblem, Plan],
    positions: NDArray[np.float64],
) -> dict[str, Any]:
    """Return the moves as columns that JSON can hold, those that carry most where there are too many.

    Parameters
    ----------
    difference : PlanDifference
    before, after : tuple of PlanningProblem and Plan
    positions : ndarray, shape (n_accounts, 2)
        Longitude and latitude of the second plan's accounts, or x and y as drawn; NaN where unknown.

    Returns
    -------
    dict
        ``n``, ``total`` (moves, listed or not), ``id``, ``name``, ``from`` and ``to`` (base64 of int16: rows of
        ``difference.territories``), ``travel_before``, ``travel_after`` and ``position`` (base64 of float32), ``measures``
        (base64 of float64 each, in the order of ``difference.measures``) and ``reason``.
    """
    problem, plan = after
    moves = difference.moves
    if len(moves) > MOST_MOVES_LISTED:
        amount = moves[difference.leading_measure] if difference.leading_measure != "count" else moves["travel_after"]
        largest = np.argsort(-amount.to_numpy(np.float64), kind="stable")[:MOST_MOVES_LISTED]
        moves = moves.iloc[np.sort(largest)]
    row = problem.accounts.index.get_indexer(moves.index)
    names = texts(problem.accounts["name"].iloc[row]) if "name" in problem.accounts else [""] * len(moves)
    ones = np.ones(len(moves))
    return {
        "n": len(moves),
        "total": len(difference.moves),
        "id": [str(i) for i in moves.index],
        "name": dictionary(names),
        "from": base64_of(difference.rows_from(moves["from_territory_id"]), "<i2"),
        "to": base64_of(difference.rows_to(moves["to_territory_id"]), "<i2"),
        "travel_before": base64_of(moves["travel_before"].to_numpy(np.float64), "<f4"),
        "travel_after": base64_of(moves["travel_after"].to_numpy(np.float64), "<f4"),
        "unit_before": distance_unit(before[0]),
        "unit_after": distance_unit(problem),
        "measures": [
            base64_of(ones if m == "count" else moves[m].to_numpy(np.float64), "<f8") for m in difference.measures
        ],
        "position": base64_of(positions[row], "<f4"),
        "reason": encode_sentences(texts(plan.assignments.loc[moves.index, "reason"])),
    }


def staying_positions(
    difference: PlanDifference, problem: PlanningProblem, positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where the second plan's accounts are that do not move, shape ``(n, 2)``: one for each place where many are."""
    staying = positions[~problem.accounts.index.isin(difference.moves.index)]
    staying = staying[np.isfinite(staying).all(axis=1)]
    for side in (2000, 1000, 500, 200):
        if len(staying) <= MOST_STAYING_DRAWN:
            break
        extent = float(np.ptp(staying, axis=0).max()) or 1.0
        cell = np.floor((staying - staying.min(axis=0)) / extent * side).astype(np.int64)
        _, first = np.unique(cell[:, 0] * (side + 1) + cell[:, 1], return_index=True)
        staying = staying[np.sort(first)]
    return staying


def flow_rows(difference: PlanDifference) -> list[list[Any]]:
    """Return every flow as ``[from, to, [amount of each measure]]``, the most of the leading measure first."""
    flows = difference.flows().head(MOST_FLOWS)
    amounts = flows[list(difference.measures)].to_numpy(np.float64)
    sources = difference.rows_from(flows["from_territory_id"]).tolist()
    targets = difference.rows_to(flows["to_territory_id"]).tolist()
    return [[s, t, [_short(v) for v in a]] for s, t, a in zip(sources, targets, amounts.tolist(), strict=True)]


def measure_words(difference: PlanDifference) -> list[dict[str, str]]:
    """Return each measure's column, its label, and what follows a figure of it: ``"of revenue"``, ``"visits"``."""
    return [{"key": m, "label": measure_label(m), "noun": noun(m), "one": noun(m, 1.0)} for m in difference.measures]


def territory_rows_of(difference: PlanDifference, words: Sequence[TerritoryWords]) -> list[dict[str, Any]]:
    """Return name, ID and status of every territory with its gains and losses.

    Each measure's are a list: before, gained, lost, changed, after.
    """
    parts = ("before", "gained", "lost", "changed", "after")
    sums = {
        m: difference.territories[[f"{m}_{p}" for p in parts]].to_numpy(np.float64).tolist()
        for m in difference.measures
    }
    return [
        {
            "name": w.name,
            "id": "" if w.id == w.name else w.id,
            "status": w.status,
            "was": w.was,
            "sums": [[_short(v) for v in sums[m][i]] for m in difference.measures],
        }
        for i, w in enumerate(words)
    ]


def _short(value: float) -> float:
    """Shorten a sum to twelve digits: what is beyond them is rounding."""
    return float(f"{value:.12g}")
