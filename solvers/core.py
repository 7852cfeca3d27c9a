"""The core and the band: the whole problem less the pairs that cannot matter, or that are not likely to.

A pair whose reduced cost exceeds its unit's least by more than objective − bound cannot be part of a better assignment. What is
left without those is the *core*, and a bound on it is a bound on everything. The *band* keeps a given number of pairs, those of
least regret; it is a heuristic.

Source: the core concept of knapsack problems (Balas & Zemel 1980).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from solvers.bounds import reduced_block
from solvers.neighbourhoods import Neighbourhood, open_neighbourhood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.incumbent import Incumbent

CORE_PAIRS = 6_000
"""The core is tried once it has no more open pairs than this."""

SMALL_CORE_PAIRS = 3_000
"""A core of no more open pairs than this is likely to close."""


def band(incumbent: Incumbent, pairs: float) -> Neighbourhood | None:
    """Open about so many pairs of least regret all over: the few decisions that prices leave in doubt."""
    second = incumbent.regret[incumbent.regret > 0]
    if len(second) == 0:
        return None
    wanted = min(int(pairs), len(second) - 1)
    width = float(np.partition(second, wanted)[wanted])
    return _open_everywhere(incumbent, incumbent.regret <= width)


class Core:
    """When the core is small enough to be solved, and how much effort it is worth.

    Parameters
    ----------
    incumbent : Incumbent
    priced : float
        The bound that the incumbent's prices prove.

    Attributes
    ----------
    effort : float
        CP-SAT's deterministic time for the next try.
    """

    def __init__(self, incumbent: Incumbent, priced: float) -> None:
        self.incumbent, self.priced = incumbent, priced
        self.effort = 2.0
        self._wait = 0

    def open(self) -> Neighbourhood | None:
        """Return the whole problem less the pairs that no better assignment can use; None while it is too large.

        With a limit on the prices' own bound: a pair is out when its regret exceeds objective − priced bound.
        """
        if self._wait > 0:
            self._wait -= 1
            return None
        now = self.incumbent
        reach = now.objective - self.priced if now.feasible else np.inf
        open_pair = now.regret <= reach
        n_open = open_pair.sum() - now.problem.n_units
        if n_open > CORE_PAIRS and not (not now.feasible and now.candidates.n_pairs <= 4 * CORE_PAIRS):
            return None
        if now.candidates.n_pairs < self._all_pairs and not (now.feasible and self._covers(reach)):
            return None
        if n_open <= SMALL_CORE_PAIRS:
            # Likely to close: a first try cut short would be made again, and longer.
            self.effort = max(self.effort, 4.0)
        return _open_everywhere(now, open_pair)

    def put_off(self) -> None:
        """Try again later, and longer: this effort was not enough."""
        self.effort = min(self.effort * 2.0, 120.0)
        self._wait = int(self.effort)

    @cached_property
    def _all_pairs(self) -> int:
        """How many pairs are allowed, candidates or not."""
        return sum(int(np.isfinite(block).sum()) for _, _, block in self.incumbent.problem.blocks())

    def _covers(self, reach: float) -> bool:
        """Whether every pair within ``reach`` of its unit's least reduced cost is a candidate: looked at pair by pair.

        Candidates are not always a unit's cheapest pairs: whoever has it today, and what fills a territory, are among
        them however dear.
        """
        now = self.incumbent
        near = np.add.reduceat(now.regret <= reach, now.candidates.start[:-1])
        for first, last, block in now.problem.blocks():
            reduced = reduced_block(now.problem, now.prices, block, first)
            # Rounding may not hide a pair: what is a little further away counts as near.
            most = now.least[first:last] + reach
            within = reduced <= (most + 1e-9 * np.maximum(1.0, np.abs(most)))[:, None]
            if np.any(within.sum(axis=1) > near[first:last]):
                return False
        return True


def _open_everywhere(incumbent: Incumbent, open_pair: NDArray[np.bool_]) -> Neighbourhood:
    return open_neighbourhood(
        incumbent.candidates,
        incumbent.pair,
        incumbent.totals,
        incumbent.lower,
        incumbent.upper,
        np.arange(incumbent.problem.n_territories, dtype=np.int32),
        np.arange(incumbent.problem.n_units),
        open_pair,
        incumbent.targets,
        incumbent.room(),
    )
