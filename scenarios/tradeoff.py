"""The price curve of a rebalancing: its points as a table, which of them nobody would choose, and its knee."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.disruption import current_alignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.rebalancing import Rebalancing

SAME = 1e-9
"""Objectives this close, relative to the larger, are the same."""


def point_name(number: int) -> str:
    """Return what the plan directory of a point is called; points are counted from 1."""
    return f"point-{number:02d}"


def trade_off_table(rebalancing: Rebalancing) -> pd.DataFrame:
    """Return the points of a rebalancing as a table.

    Parameters
    ----------
    rebalancing : Rebalancing

    Returns
    -------
    DataFrame, index ``point``
        ``max_moved`` (fraction; NaN without a limit), ``moved_fraction``, ``counted_fraction`` (where accounts are
        protected: with what those count more), ``moved_<measure>``, ``accounts_moved``, ``accounts_assigned``, ``objective``, ``travel``, ``lower_bound``, ``gap``, ``max_deviation_<measure>`` for every
        balanced measure, ``marginal_price`` (objective units that one more unit of the measure saves at most, as far as the
        bound goes), ``saved_per_percent`` (that price × one percent of the measure), ``status``, ``pareto`` (``"proved"``: no plan within its limit has a
        lower objective; ``"found"``: none that was found; ``"dominated"``: another point is at least as good in both),
        ``knee`` (bool).
    """
    today = current_alignment(rebalancing.problem)
    assert today is not None
    protected = bool(np.any(today.amount != today.value))
    rows, counted = [], []
    for number, (problem, plan) in enumerate(rebalancing.points, start=1):
        told = plan.disruption or {}
        rule = problem.config.disruption
        price = float(told.get("price") or 0.0)
        counted.append(told["counted"] / today.total)
        rows.append(
            {
                "point": point_name(number),
                "max_moved": np.nan if rule is None or rule.max_moved is None else rule.max_moved,
                "moved_fraction": told["moved_fraction"],
                **({"counted_fraction": counted[-1]} if protected else {}),
                **({} if today.measure == "count" else {f"moved_{today.measure}": told["moved"]}),
                "accounts_moved": told["accounts_moved"],
                "accounts_assigned": told["accounts_assigned"],
                "objective": plan.objective,
                "travel": plan.objective_terms.get("travel"),
                "lower_bound": plan.lower_bound,
                "gap": plan.gap,
                **{f"max_deviation_{m}": figures["max_deviation"] for m, figures in plan.measures.items()},
                "marginal_price": price,
                "saved_per_percent": price * today.total / 100,
                "status": plan.status,
            }
        )
    table = pd.DataFrame(rows).set_index("point")
    # What the limits are on: where accounts are protected, more of the measure may be less of that.
    moved, objective = np.array(counted, np.float64), table["objective"].to_numpy(np.float64)
    dominated = dominated_points(moved, objective)
    proved = (table["status"] == "optimal").to_numpy(np.bool_)
    table["pareto"] = np.where(dominated, "dominated", np.where(proved, "proved", "found"))
    at = knee(moved[~dominated], objective[~dominated])
    table["knee"] = np.arange(len(table)) == (-1 if at is None else np.flatnonzero(~dominated)[at])
    return table


def saved_at_most(rebalancing: Rebalancing, table: pd.DataFrame) -> tuple[float, NDArray[np.float64]]:
    """Return the most that a few more moves than a point's could save, for every point.

    Parameters
    ----------
    rebalancing : Rebalancing
    table : DataFrame
        Its :func:`trade_off_table`.

    Returns
    -------
    step : float
        How many more: one percent of the measure, as a fraction; a tenth of that, or a hundredth …, where the whole curve
        is narrower.
    saved : ndarray of float64, shape (n_points,)
        Objective units. NaN for a point without a limit, which more moves do not better.

    Notes
    -----
    A plan that moves δ more than a point's costs no less than the point's priced bound − price × δ: the bound is convex in
    the limit. Nor does it cost less than the bound of any point whose limit it keeps.
    """
    moved = table["counted_fraction" if "counted_fraction" in table else "moved_fraction"].to_numpy(np.float64)
    limit = table["max_moved"].to_numpy(np.float64)
    span = float(moved.max() - moved.min())
    step = 0.01 if not 0 < span < 0.01 else 10.0 ** math.floor(math.log10(span))
    bounds = table["lower_bound"].to_numpy(np.float64)
    widest = np.where(np.isnan(limit), np.inf, limit)
    within = moved[:, None] + step <= widest * (1 + 1e-9)
    least = np.where(within, bounds, -np.inf).max(axis=1)
    priced = np.array(
        [-np.inf if p.priced_bound is None else p.priced_bound for _, p in rebalancing.points], np.float64
    )
    priced = priced - 100 * step * table["saved_per_percent"].to_numpy(np.float64)
    saved = np.maximum(0.0, table["objective"].to_numpy(np.float64) - np.maximum(least, priced))
    return step, np.where(np.isnan(limit), np.nan, saved)


def dominated_points(moved: NDArray[np.float64], objective: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points another one is at least as good as in both, and better in one; of equal points all but the first.

    Parameters
    ----------
    moved, objective : ndarray of float64, shape (n_points,)
        Less is better in both.
    """
    slack = SAME * np.maximum(1.0, np.abs(objective))
    worse = np.zeros(len(moved), np.bool_)
    for i in range(len(moved)):
        no_worse = (moved <= moved[i] + SAME) & (objective <= objective[i] + slack)
        better = (moved < moved[i] - SAME) | (objective < objective[i] - slack)
        same = no_worse & ~better
        worse[i] = bool(np.any(no_worse & better)) or bool(np.any(np.flatnonzero(same) < i))
    return worse


def knee(moved: NDArray[np.float64], objective: NDArray[np.float64]) -> int | None:
    """Return the point after which more moves buy less: the furthest below the line between the two ends.

    In fractions of the two ranges; such a point is on the lower convex hull of all. None for fewer than three points, or
    where none is below that line.

    Parameters
    ----------
    moved, objective : ndarray of float64, shape (n_points,)
        Ascending and descending: no point dominates another.

    Notes
    -----
    Source: the bend angle and chord distance of Das 1999, "On characterizing the 'knee' of the Pareto curve based on
    normal-boundary intersection", Structural Optimization 18.
    """
    if len(moved) < 3:
        return None
    width, height = float(moved[-1] - moved[0]), float(objective[0] - objective[-1])
    if width <= 0 or height <= 0:
        return None
    below = (objective[0] - objective) / height - (moved - moved[0]) / width
    best = int(np.argmax(below))
    return best if below[best] > 1e-6 else None
