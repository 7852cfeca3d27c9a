"""A batch of leads to be split among reps, as arrays; and the split, with the prices that prove it.

Four objectives, one after the other, each among the splits that are best for those before it:

1. as many leads assigned as possible;
2. the least sum of preference ranks (a lead's owner before the owner of its territory before the pool);
3. fairness: Σ_r s_r φ((h_r + n_r) / s_r) over the counts n_r, where s_r is the rep's weight and h_r what the rep has
   had; in the whole numbers below, the k-th lead of rep r costs ``2·level_r + (2k − 1)·step_r`` where φ is the square;
4. the best sum of values; and among splits alike in all that, leads go to reps in ``tie_order``.

Levels are "leads per unit of weight" in whole units of 1/``LEVEL_UNIT``: a lead raises its rep's level by
``step = round(LEVEL_UNIT / weight)``. Whole numbers make every comparison exact, on any machine.

Source: Frank & Murota 2022, "Decreasing minimization on M-convex sets" (Mathematical Programming 195); Katoh, Shioura &
Ibaraki 2013, "Resource allocation problems"; Goyal, Vin & Cheng 1997, "Start-time fair queuing", for levels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL_UNIT = 1_000_000
"""A level of one lead per unit of weight."""

Fairness = Literal["squares", "leximin"]
Second = Literal["value", "even_value"]


@dataclass(frozen=True, eq=False)
class FairSplitProblem:
    """Who may take which lead, and where every rep stands.

    Attributes
    ----------
    lead_start : ndarray of int64, shape (n_leads + 1,)
        Pairs of lead i are ``lead_start[i]:lead_start[i + 1]``; a lead without pairs stays unassigned.
    pair_rep : ndarray of int32, shape (n_pairs,)
        Ascending within a lead, each rep at most once.
    pair_rank : ndarray of int64, shape (n_pairs,)
        Preference rank, 0 or more; small is better.
    pair_value : ndarray of int64, shape (n_pairs,)
        Expected value in whole units; may be negative. Absolute values are at most 10**12.
    level, step : ndarray of int64, shape (n_reps,)
        Where each rep stands, and by how much a lead raises that. All steps 0: fairness is not asked for.
    capacity : ndarray of int64, shape (n_reps,)
        The most leads of this batch, 0 or more.
    tie_order : ndarray of int64, shape (n_reps,)
        Distinct; the lowest comes first where nothing else decides.
    fairness : {"squares", "leximin"}
    slack : int
        A rep may take leads whose fairness cost is up to ``2·slack·step`` above the fair price, and be left short by as
        much, for the sake of value: see ``FairSplit.least``. 0: none.
    second : {"value", "even_value"}
        What decides among equally fair splits: the best sum of values, or value shares as even as exchanges of two
        leads make them (``lead_worth``, ``worth_level``, with the reps' ``step`` per unit of worth).
    lead_worth : ndarray of int64, shape (n_leads,), or None
        For ``even_value``: what the lead counts, whoever has it.
    worth_level : ndarray of int64, shape (n_reps,), or None
        For ``even_value``: worth per unit of weight that each rep has had, in 1/``LEVEL_UNIT``.
    """

    lead_start: NDArray[np.int64]
    pair_rep: NDArray[np.int32]
    pair_rank: NDArray[np.int64]
    pair_value: NDArray[np.int64]
    level: NDArray[np.int64]
    step: NDArray[np.int64]
    capacity: NDArray[np.int64]
    tie_order: NDArray[np.int64]
    fairness: Fairness = "squares"
    slack: int = 0
    second: Second = "value"
    lead_worth: NDArray[np.int64] | None = None
    worth_level: NDArray[np.int64] | None = None

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return len(self.lead_start) - 1

    @property
    def n_reps(self) -> int:
        """Number of reps."""
        return len(self.level)


@dataclass(frozen=True, eq=False)
class FairSplit:
    """A split, and the prices that prove it best: each lead sits with a rep of least price, objective by objective.

    Attributes
    ----------
    pair : ndarray of int64, shape (n_leads,)
        The pair each lead was assigned by; −1 where it was not.
    rep : ndarray of int32, shape (n_leads,)
        Its rep; −1 where it was not assigned.
    count : ndarray of int64, shape (n_reps,)
    rank_price : ndarray of int64, shape (n_reps + 1,)
        Objectives 1 and 2 in one: among its pairs, and the last entry, which stands for staying unassigned at a rank of
        ``unassigned_rank``, a lead has the least ``pair_rank + rank_price``. Above 0 only for reps at capacity.
    unassigned_rank : int
    fair_price : ndarray of int64, shape (n_reps,)
        Objective 3, among the pairs that tie in 1 and 2: a lead sits with a rep of least price; the rep's last lead cost
        at most, and its next would cost at least, that price (unless ``rank_price`` holds its count).
    fair_count : ndarray of int64, shape (n_reps,)
        Counts of the fairest split, which prices refer to; ``count`` differs from it only with slack, or among ties.
    least, most : ndarray of int64, shape (n_reps,)
        Counts that objective 4 may choose from.
    value_price : ndarray of int64, shape (n_reps,)
        Objective 4, among the pairs that tie so far (with slack: in 1 and 2): a lead has the most
        ``pair_value − value_price``. Not 0 only where the count is ``least`` or ``most``. Zeros with ``even_value``.
    assigned, rank_sum, fairness_cost, value_sum : int
        The objectives reached.
    fairest_cost, fairest_value : int
        Fairness cost and value of the best split without slack; the same as above where there is none.
    exact : tuple of str
        Which of ``"assigned"``, ``"rank"``, ``"fairness"``, ``"value"`` are proved optimal by the prices.
    seconds : dict of str to float
        Per stage.
    """

    pair: NDArray[np.int64]
    rep: NDArray[np.int32]
    count: NDArray[np.int64]
    rank_price: NDArray[np.int64]
    unassigned_rank: int
    fair_price: NDArray[np.int64]
    fair_count: NDArray[np.int64]
    least: NDArray[np.int64]
    most: NDArray[np.int64]
    value_price: NDArray[np.int64]
    assigned: int
    rank_sum: int
    fairness_cost: int
    value_sum: int
    fairest_cost: int
    fairest_value: int
    exact: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)
