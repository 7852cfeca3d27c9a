"""What candidates are worth as centres, from lists of the units that each may serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.chunks import CHUNKS, over_chunks
from solvers.districting.bound.knapsacks import add_taken, best_load, scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CentreValues:
    """What every candidate is worth as a centre, at some multipliers.

    Attributes
    ----------
    value : ndarray of float64, shape (n_candidates,)
        ρ_j; +inf where the candidate cannot be a centre.
    price : ndarray of float64, shape (n_candidates,)
        Objective units per unit of load at the margin of j's knapsack: at most 0 where the upper limit holds, at least 0
        where the lower one does.
    exact : ndarray of bool, shape (n_candidates,)
        False where the value is a lower bound on ρ_j only: its knapsack of whole units was given up, or that is enough to
        see that j is not among the cheapest.
    """

    value: NDArray[np.float64]
    price: NDArray[np.float64]
    exact: NDArray[np.bool_]

    @classmethod
    def unknown(cls, n_candidates: int) -> CentreValues:
        """Return room for the values of some candidates, NaN so far."""
        return cls(np.full(n_candidates, np.nan), np.full(n_candidates, np.nan), np.ones(n_candidates, np.bool_))


@dataclass(frozen=True, eq=False)
class Lists:
    """Candidates with the units that each may serve (compressed rows), their loads and limits.

    Attributes
    ----------
    own : ndarray of int32, shape (n_rows,)
        The unit that must be served; −1 for none.
    start : ndarray of int64, shape (n_rows + 1,)
    unit : ndarray of int32, shape (n_pairs,)
    cost : ndarray of float64, shape (n_pairs,)
        +inf where the pair is not allowed.
    load : ndarray of float64, shape (n_units,)
    lower, upper : ndarray of float64, shape (n_rows,)
    """

    own: NDArray[np.int32]
    start: NDArray[np.int64]
    unit: NDArray[np.int32]
    cost: NDArray[np.float64]
    load: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    @classmethod
    def of_table(
        cls,
        table: NDArray[np.float64],
        own: NDArray[np.int32],
        load: NDArray[np.float64],
        lower: float,
        upper: float,
    ) -> Lists:
        """Return the lists of a table of costs, shape ``(n_rows, n_units)``."""
        m, n = table.shape
        return cls(
            own,
            np.arange(m + 1, dtype=np.int64) * n,
            np.tile(np.arange(n, dtype=np.int32), m),
            np.ascontiguousarray(table).ravel(),
            load,
            np.full(m, lower),
            np.full(m, upper),
        )

    def values(self, worth: NDArray[np.float64], effort: int) -> CentreValues:
        """Return what every row's candidate is worth as a centre (``centre_bound.centre_values``)."""
        every = np.arange(len(self.own))
        out, none, nothing = CentreValues.unknown(len(self.own)), np.zeros(len(self.own)), np.empty(0)
        over_chunks(
            lambda _, a, b: _priced_rows(
                every[a:b], self.start, self.unit, self.cost, self.own, worth, self.load, self.lower, self.upper, effort,
                out.value, out.price, out.exact, none, nothing,
            ),
            len(every),
        )  # fmt: skip
        return out

    def served(self, worth: NDArray[np.float64], effort: int, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how often units are served when row r's best choice counts ``weight[r]`` times, shape ``(n_units,)``."""
        rows = np.flatnonzero(weight)
        out, parts = CentreValues.unknown(len(self.own)), np.zeros((CHUNKS, len(worth)))
        over_chunks(
            lambda c, a, b: _priced_rows(
                rows[a:b], self.start, self.unit, self.cost, self.own, worth, self.load, self.lower, self.upper, effort,
                out.value, out.price, out.exact, weight, parts[c],
            ),
            len(rows),
        )  # fmt: skip
        return np.asarray(parts.sum(axis=0))


@njit(cache=True, nogil=True)
def _priced_rows(
    rows: NDArray[np.int64],
    start: NDArray[np.int64],
    unit: NDArray[np.int32],
    cost: NDArray[np.float64],
    own: NDArray[np.int32],
    worth: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    effort: int,
    value: NDArray[np.float64],
    price: NDArray[np.float64],
    exact: NDArray[np.bool_],
    weight: NDArray[np.float64],
    served: NDArray[np.float64],
) -> None:
    """Price some rows; add what those with a weight take to ``served``."""
    longest = 0
    for j in rows:
        longest = max(longest, start[j + 1] - start[j])
    s = scratch(longest, effort > 0)
    for j in rows:
        a, b = start[j], start[j + 1]
        value[j], price[j], exact[j] = best_load(
            unit[a:b], cost[a:b], b - a, worth, load, own[j], lower[j], upper[j], effort, s
        )
        if weight[j] > 0.0 and value[j] < np.inf:
            add_taken(
                unit[a:b],
                cost[a:b],
                b - a,
                worth,
                load,
                own[j],
                lower[j],
                upper[j],
                price[j],
                effort,
                s,
                weight[j],
                served,
            )
