"""Accounts as compact columns: what a page of 80,000 accounts needs for drawing, finding and explaining each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maps.pages.columns import base64_of, dictionary, encode_sentences, texts
from territory_engine.wording import distance_unit, measure_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

# Beyond this many located accounts the page draws one circle per place and territory instead of one per account.
MOST_ACCOUNTS_DRAWN = 100_000
_MOST_CIRCLES = 40_000


def account_columns(
    problem: PlanningProblem, plan: Plan, positions: NDArray[np.float64], territory: NDArray[np.intp]
) -> dict[str, Any]:
    """Return the located accounts as columns that JSON can hold.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    positions : ndarray, shape (n_accounts, 2)
        Longitude and latitude, or x and y as drawn; NaN where unknown.
    territory : ndarray of int, shape (n_accounts,)
        Row of ``plan.territories``; -1 for none.

    Returns
    -------
    dict
        ``n``, ``position`` (base64 of float32 pairs), ``territory`` (base64 of int16), ``travel`` (base64 of float32),
        ``measures`` (label and base64 of float32 each) and, for single accounts, ``id``, ``name`` and ``reason``;
        for circles ``accounts`` (base64 of float32). ``unlocated`` counts the accounts that are not drawn.
    """
    located = np.flatnonzero(np.isfinite(positions).all(axis=1))
    travel = plan.assignments["travel"].reindex(problem.accounts.index).to_numpy(np.float64)
    measures = {
        label: problem.accounts[column].to_numpy(np.float64) for label, column in _shown_measures(problem).items()
    }
    columns: dict[str, Any] = {"unlocated": len(positions) - len(located), "unit": distance_unit(problem)}
    if len(located) > MOST_ACCOUNTS_DRAWN:
        return columns | _circles(
            positions[located], territory[located], travel[located], {k: v[located] for k, v in measures.items()}
        )
    accounts = problem.accounts.iloc[located]
    reason = plan.assignments["reason"].reindex(problem.accounts.index).iloc[located]
    return columns | {
        "n": len(located),
        "position": base64_of(positions[located], "<f4"),
        "territory": base64_of(territory[located], "<i2"),
        "travel": base64_of(travel[located], "<f4"),
        "measures": [
            {"label": label, "values": base64_of(values[located], "<f4")} for label, values in measures.items()
        ],
        "id": [str(account_id) for account_id in accounts.index],
        "name": dictionary(texts(accounts["name"]) if "name" in accounts else [""] * len(located)),
        "reason": encode_sentences(texts(reason)),
    }


def _circles(
    positions: NDArray[np.float64],
    territory: NDArray[np.intp],
    travel: NDArray[np.float64],
    measures: dict[str, NDArray[np.float64]],
) -> dict[str, Any]:
    """One circle per place and territory, at the mean position of its accounts."""
    low, extent = positions.min(axis=0), np.ptp(positions, axis=0).max() or 1.0
    for side in (1500, 700, 300, 120, 40):
        cell = np.floor((positions - low) / extent * side).astype(np.int64)
        key = (cell[:, 0] * (side + 1) + cell[:, 1]) * 65_536 + territory + 1
        _, group = np.unique(key, return_inverse=True)
        n = int(group.max()) + 1
        if n <= _MOST_CIRCLES:
            break
    count = np.bincount(group, minlength=n)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(group, weights=values, minlength=n) / count

    first = np.zeros(n, dtype=np.int64)
    first[group] = np.arange(len(group))
    return {
        "n": n,
        "position": base64_of(np.column_stack([mean(positions[:, 0]), mean(positions[:, 1])]), "<f4"),
        "territory": base64_of(territory[first], "<i2"),
        "travel": base64_of(mean(travel), "<f4"),
        "measures": [
            {"label": label, "values": base64_of(np.bincount(group, weights=np.nan_to_num(values), minlength=n), "<f4")}
            for label, values in measures.items()
        ],
        "accounts": base64_of(count, "<f4"),
    }


def _shown_measures(problem: PlanningProblem) -> dict[str, str]:
    """Label and accounts column of every number worth a line in a tooltip: balanced measures, weight, price, revenue."""
    config = problem.config
    wanted = [
        *problem.measures,
        config.travel.weight,
        config.disruption.measure if config.disruption else None,
        "revenue",
    ]
    columns = dict.fromkeys(c for c in wanted if c and c != "count" and c in problem.accounts)
    return {measure_label(c): c for c in columns}
