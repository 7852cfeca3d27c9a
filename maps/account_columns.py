"""Accounts as compact columns: what a page of 80,000 accounts needs for drawing, finding and explaining each."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.wording import distance_unit, measure_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

# Beyond this many located accounts the page draws one circle per place and territory instead of one per account.
MOST_ACCOUNTS_DRAWN = 100_000
_MOST_CIRCLES = 40_000
_NUMBER = re.compile(r"\d[\d,.]*")


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


def encode_sentences(sentences: Sequence[str]) -> dict[str, Any]:
    """Split sentences into few patterns and their numbers.

    ``"R03 is 12 km nearer"`` becomes the pattern ``"R# is # km nearer"`` (a NUL for each #) with ``"03|12"``. Sentences that repeat as
    they are stay whole: whichever is smaller.

    Returns
    -------
    dict
        ``values`` (distinct patterns), ``index`` (base64 of uint32 per sentence) and ``numbers`` (one text per sentence,
        or None when the sentences are kept whole).
    """
    whole = pd.unique(pd.Series(list(sentences), dtype=object))
    if len(whole) * 20 < len(sentences) or any("\x00" in s or "|" in s for s in whole):
        return {**dictionary(sentences), "numbers": None}
    numbers = ["|".join(_NUMBER.findall(s)) for s in sentences]
    patterns = [_NUMBER.sub("\x00", s) for s in sentences]
    return {**dictionary(patterns, always=True), "numbers": numbers}


def dictionary(texts: Sequence[str], *, always: bool = False) -> dict[str, Any]:
    """Store each distinct text once, with an index per row; as a plain list where that would not pay."""
    codes, values = pd.factorize(np.array(texts, dtype=object))
    if len(values) * 2 > len(texts) and not always:
        return {"values": list(texts), "index": None}
    return {"values": [str(v) for v in values], "index": base64_of(codes, "<u4" if len(values) > 65_535 else "<u2")}


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


def texts(column: pd.Series[Any]) -> list[str]:
    """Return a column as text, ``""`` where nothing is known."""
    present = column.notna().to_numpy()
    return [str(text) if there else "" for text, there in zip(column.tolist(), present, strict=True)]


def base64_of(values: NDArray[Any], dtype: str) -> str:
    """Return numbers in base64, as the pages' scripts unpack them."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.dtype(dtype)).tobytes()).decode("ascii")
