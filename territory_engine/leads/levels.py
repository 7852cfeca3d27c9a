"""Where every rep stands at the start of a batch: who joins, who comes back, and what an equal share is now.

A rep's level is "leads per unit of weight". Nobody's past is rewritten: a change of weight changes only what the next
lead counts. Who is new starts at the fair level, the weighted mean of those present; who was away is lifted to it,
but for the part that the policy lets them catch up. So nobody who joins or returns gets a flood, nor a fine.

Levels are whole numbers of 1/``LEVEL_UNIT`` and all arithmetic is exact.

Source: Goyal, Vin & Cheng 1997, "Start-time fair queuing" (IEEE/ACM Transactions on Networking 5): a flow that becomes
busy starts at the system's virtual time.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from solvers.fair_split.problem import LEVEL_UNIT

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from territory_engine.leads.batch import Roster

LARGEST_WORTH_LEVEL = 2**59
"""Where shares of value end, above and below: sums of two, and of a batch, stay within 64 bits."""

ABSENT_STEP = LEVEL_UNIT
"""The step of a rep without weight, who takes no leads."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Levels at the start of a batch. Arrays have shape ``(n_reps,)`` in the order of the roster.

    Attributes
    ----------
    level, worth_level : ndarray of int64
        Leads, and worth, per unit of weight, in 1/``LEVEL_UNIT``.
    step : ndarray of int64
        What a lead raises the level by: ``LEVEL_UNIT`` / weight, rounded.
    present : ndarray of bool
        Neither away nor without weight.
    change : ndarray of object
        ``"joined"``, ``"returned"`` or ``""``.
    fair_level, fair_worth_level : int
        What those who join start at.
    """

    level: NDArray[np.int64]
    worth_level: NDArray[np.int64]
    step: NDArray[np.int64]
    present: NDArray[np.bool_]
    change: NDArray[np.object_]
    fair_level: int
    fair_worth_level: int


def steps(weight: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return by how much a lead raises the level of reps of these weights, shape ``(n_reps,)``; at least 1."""
    safe = np.where(weight > 0, weight, LEVEL_UNIT / ABSENT_STEP)
    return np.maximum(np.rint(LEVEL_UNIT / safe), 1).astype(np.int64)


def opening_levels(roster: Roster, counters: pd.DataFrame, catch_up: float) -> Levels:
    """Return where every rep stands as a batch begins.

    Parameters
    ----------
    roster : Roster
    counters : DataFrame, index ``rep_id``
        What the ledger knows, columns ``level``, ``worth_level`` and ``away`` among others; reps it has never seen in
        a batch are not in it.
    catch_up : float
        The fraction of what was missed while away that is made up: 0 lifts to the fair level, 1 lifts nobody.

    Returns
    -------
    Levels
    """
    step = steps(roster.weight)
    present = ~roster.away & (roster.weight > 0)
    at = counters.index.get_indexer(roster.frame.index)
    known = at >= 0
    n = len(step)
    level, worth_level, was_away = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, bool)
    level[known] = counters["level"].to_numpy(np.int64)[at[known]]
    worth = np.clip(counters["worth_level"].to_numpy(np.int64), -LARGEST_WORTH_LEVEL, LARGEST_WORTH_LEVEL)
    worth_level[known] = worth[at[known]]
    was_away[known] = counters["away"].to_numpy(bool)[at[known]]
    joined, returned = present & ~known, present & known & was_away
    settled = present & known & ~was_away
    if not settled.any():
        # Nobody has been here all the time: those who come back are all there is to go by.
        settled, returned = present & known, np.zeros(n, bool)
    fair_level, fair_worth = _mean(level, step, settled), _mean(worth_level, step, settled)
    level[joined], worth_level[joined] = fair_level, fair_worth
    for rep in np.flatnonzero(returned):
        level[rep] = _lifted(int(level[rep]), fair_level, catch_up)
        worth_level[rep] = _lifted(int(worth_level[rep]), fair_worth, catch_up)
    change = np.full(n, "", object)
    change[joined], change[returned] = "joined", "returned"
    return Levels(level, worth_level, step, present, change, fair_level, fair_worth)


def _mean(level: NDArray[np.int64], step: NDArray[np.int64], chosen: NDArray[np.bool_]) -> int:
    """Return the mean level weighted by 1/step, rounded down; 0 of nobody."""
    total = sum((Fraction(int(a), int(s)) for a, s in zip(level[chosen], step[chosen], strict=True)), Fraction(0))
    weight = sum((Fraction(1, int(s)) for s in step[chosen]), Fraction(0))
    return int(total / weight) if weight else 0


def _lifted(level: int, fair: int, catch_up: float) -> int:
    """Return the level of somebody who comes back: never lower than it was."""
    return max(level, fair - int(Fraction(catch_up).limit_denominator(10**6) * max(fair - level, 0)))
