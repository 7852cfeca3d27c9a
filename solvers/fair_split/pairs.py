"""The pairs still in play, stage by stage: those of the problem, perhaps with "stays unassigned", less what is not best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.fair_split.problem import FairSplitProblem


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of leads and columns, by lead; columns are the reps and, last, staying unassigned.

    Attributes
    ----------
    lead : ndarray of int64, shape (n,)
        Row of each lead in the problem; each has at least one pair.
    start : ndarray of int64, shape (n + 1,)
    col : ndarray of int32, shape (n_pairs,)
        Ascending within a lead.
    pair : ndarray of int64, shape (n_pairs,)
        Row of each pair in the problem; −1: stays unassigned.
    """

    lead: NDArray[np.int64]
    start: NDArray[np.int64]
    col: NDArray[np.int32]
    pair: NDArray[np.int64]

    @classmethod
    def of(cls, problem: FairSplitProblem) -> Pairs:
        """Return the pairs of the leads that have any."""
        length = np.diff(problem.lead_start)
        lead = np.flatnonzero(length)
        start = np.append(0, np.cumsum(length[lead]))
        return cls(lead, start, problem.pair_rep, np.arange(len(problem.pair_rep)))

    def or_unassigned(self, column: int) -> Pairs:
        """Return them with one pair more for each lead, with ``column``."""
        n = len(self.lead)
        start = self.start + np.arange(n + 1)
        old = np.arange(len(self.col)) + self.row()
        col = np.full(start[-1], column, np.int32)
        pair = np.full(start[-1], -1)
        col[old], pair[old] = self.col, self.pair
        return Pairs(self.lead, start, col, pair)

    def row(self) -> NDArray[np.int64]:
        """Lead of each pair, as a row of this table, shape (n_pairs,)."""
        return np.repeat(np.arange(len(self.lead)), np.diff(self.start))

    def of_pairs(self, values: NDArray[np.int64], otherwise: int) -> NDArray[np.int64]:
        """Return the problem's ``values`` per pair, and ``otherwise`` for staying unassigned."""
        return (
            np.where(self.pair >= 0, values[self.pair], otherwise)
            if len(values)
            else np.full(len(self.pair), otherwise)
        )

    def cheapest(self, cost: NDArray[np.int64], own: NDArray[np.int64]) -> tuple[Pairs, NDArray[np.int64]]:
        """Return the pairs that cost no more than the lead's own, and where the own pairs are among them.

        Parameters
        ----------
        cost : ndarray of int64, shape (n_pairs,)
            No lead has a pair that costs less than its own.
        own : ndarray of int64, shape (n,)
        """
        kept = cost == np.repeat(cost[own], np.diff(self.start))
        place = np.append(0, np.cumsum(kept))
        return Pairs(self.lead, place[self.start], self.col[kept], self.pair[kept]), place[own]
