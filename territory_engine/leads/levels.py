"""Where every rep stands at the start of a batch: who joins, what an equal share is now, and what being away counts.

A rep's level is "leads per unit of weight". Nobody's past is rewritten: a change of weight changes only what the next
lead counts. Who is new starts at the fair level, the weighted mean of those present. Who is away is credited, batch by
batch, with what an equal share of it would have been, but for the part that the policy lets them catch up: so nobody who
joins or returns gets a flood, nor a fine, and a day of leave neither wipes out nor makes up what somebody was behind.

Levels are whole numbers of 1/``LEVEL_UNIT`` and all arithmetic is exact.

Source: Goyal, Vin & Cheng 1997, "Start-time fair queuing" (IEEE/ACM Transactions on Networking 5): a flow that becomes
busy starts at the system's virtual time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from solvers.fair_split.problem import LEVEL_UNIT

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from territory_engine.leads.batch import Roster

LEFT_OUT_DAYS = 7
"""Who was on no roster for longer, while others of this roster were, joins anew. Rosters of two plans over one ledger take turns
within this time."""

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
        ``"joined"`` or ``""``.
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


def opening_levels(roster: Roster, counters: pd.DataFrame) -> Levels:
    """Return where every rep stands as a batch begins.

    Parameters
    ----------
    roster : Roster
    counters : DataFrame, index ``rep_id``
        What the ledger knows, columns ``level``, ``worth_level`` and ``day`` (of the last batch that the rep was on the
        roster of) among others; reps who were never present at a batch are not in it.

    Returns
    -------
    Levels
    """
    step = steps(roster.weight)
    present = ~roster.away & (roster.weight > 0)
    at = counters.index.get_indexer(roster.frame.index)
    known = at >= 0
    n = len(step)
    level, worth_level = np.zeros(n, np.int64), np.zeros(n, np.int64)
    level[known] = counters["level"].to_numpy(np.int64)[at[known]]
    worth = np.clip(counters["worth_level"].to_numpy(np.int64), -LARGEST_WORTH_LEVEL, LARGEST_WORTH_LEVEL)
    worth_level[known] = worth[at[known]]
    left_out = np.zeros(n, bool)
    left_out[known] = _left_out(counters["day"].to_numpy(object)[at[known]])
    settled = present & known & ~left_out
    if not settled.any():
        # Where all who are present are new, those who are away are all there is to go by.
        settled = known & ~left_out
    fair_level, fair_worth = _mean(level, step, settled), _mean(worth_level, step, settled)
    joined = present & (~known | left_out)
    level[joined] = np.maximum(level[joined], fair_level)
    worth_level[joined] = np.maximum(worth_level[joined], fair_worth)
    change = np.where(joined, "joined", "").astype(object)
    return Levels(level, worth_level, step, present, change, fair_level, fair_worth)


def credit_while_away(levels: Levels, amount: int, catch_up: float) -> int:
    """Return by how much a batch raises the level of those who were away: by an equal share of it, less what is caught up.

    Parameters
    ----------
    levels : Levels
    amount : int
        Leads of the batch that count, or their worth.
    catch_up : float
        The fraction of what was missed that is made up afterwards.

    Returns
    -------
    int
        In 1/``LEVEL_UNIT``, rounded down; 0 where nobody was present.
    """
    weight = sum((Fraction(1, int(s)) for s in levels.step[levels.present]), Fraction(0))
    return int((1 - Fraction(catch_up).limit_denominator(10**6)) * amount / weight) if weight else 0


def _left_out(days: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether reps, by the day of their last batch, were on no roster for over a week while others were."""
    known = np.array([date.fromisoformat(str(day)).toordinal() if day else 0 for day in days], np.int64)
    return np.asarray(known < known.max(initial=0) - LEFT_OUT_DAYS)


def _mean(level: NDArray[np.int64], step: NDArray[np.int64], chosen: NDArray[np.bool_]) -> int:
    """Return the mean level weighted by 1/step, rounded down; 0 of nobody."""
    total = sum((Fraction(int(a), int(s)) for a, s in zip(level[chosen], step[chosen], strict=True)), Fraction(0))
    weight = sum((Fraction(1, int(s)) for s in step[chosen]), Fraction(0))
    return int(total / weight) if weight else 0
