"""Climbing to good multipliers where units and candidates are too many: from coarse to fine.

The numbers that describe the multipliers stay those of the problem itself (``coarse.Cells``); only what they prove is worked
out on fewer units, neighbours merged into cells (``coarsening``), and on a part of the candidates (``coarse.Tried``). Cells
are few at first, then twice as many, and so on: most of the way is climbed where a step costs milliseconds. What is handed
back is proved on every unit and every candidate.

Source: the multilevel idea is that of Brandt 1977 for equations and of Hendrickson & Leland 1995 for partitioning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from solvers.districting.bound.centre_bound import bound_of, centre_values, loads_and_limits
from solvers.districting.bound.coarse import Cells, Tried, most_attractive
from solvers.districting.bound.reach import Reach
from solvers.districting.bound.volume import Volume
from solvers.districting.coarsening import coarsened
from solvers.districting.problem import PlaceCosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

CELLS_A_TERRITORY, FEWEST_CELLS = 14, 1_000
"""Cells of the coarsest level: a territory has a middle and a rim."""

_STEPS = 40
"""Evaluations in a round: after these another part of the candidates is due."""

_UNITS_A_NUMBER = 8
"""Units of a level for each number: with more numbers the ascent fits the candidates that it sees."""

_MULTIPLES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

_CHECKED = 3
"""After so many rounds all candidates of the level are looked at, and the most attractive kept in the part."""


def climb_levels(
    problem: DistrictingProblem,
    upper_value: float | None,
    should_stop: Callable[[], bool],
    rounds: int,
    start: NDArray[np.float64] | None,
    measure: int | None,
    whole: bool,
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], int]:
    """Climb, up to ``rounds`` rounds a level.

    Returns
    -------
    values, bound : ndarray of float64, float
        The best multipliers and what they prove.
    opened : ndarray of float64, shape (n_candidates,)
    rounds : int
        Of all levels.
    """
    climb = _Climb(problem, upper_value, measure, whole)
    if start is not None:
        climb.worth, climb.begun = start.astype(float), True
    done = 0
    before = [] if start is None else [start.astype(float)]
    for count in [*_sizes(problem), None] if rounds else []:
        if (done or count is None) and should_stop():
            break
        earlier = climb.worth
        # A few rounds in any case: a start proves little, and takes long to prove it.
        here = climb.level(count, rounds, should_stop, at_least=0 if done or count is None else _CHECKED)
        if done and 0 < here < rounds:
            # Cut short, a level need not be better yet than the one before.
            before.append(earlier)
        done += here
    bound, values = max(((climb.proved(v), v) for v in [climb.worth, *before]), key=lambda pair: pair[0])
    return values, bound, climb.opened, done


def _sizes(problem: DistrictingProblem) -> list[int]:
    """Return how many cells there are on each level: twice as many each time, and two units a cell at least."""
    size = max(FEWEST_CELLS, CELLS_A_TERRITORY * problem.n_territories)
    sizes = []
    while size <= problem.n_units / 2:
        sizes.append(size)
        size *= 2
    return sizes


class _Climb:
    """Multipliers under way: ``worth`` of every unit, and how much candidates were ``opened`` last."""

    def __init__(
        self, problem: DistrictingProblem, upper_value: float | None, measure: int | None, whole: bool
    ) -> None:
        assert isinstance(problem.costs, PlaceCosts)
        self.problem, self.upper_value, self.measure, self.whole = problem, upper_value, measure, whole
        self.opened = np.zeros(problem.costs.n_candidates)
        load = loads_and_limits(problem, measure, whole=whole)[0]
        self.reach, self.load = Reach(problem.costs), load
        cells = Cells.of(self.reach, load, problem.n_territories, problem.n_units)
        self.worth = cells.spread @ cells.start
        self.begun, self.cooled = False, 0
        self.rng = np.random.default_rng(0)

    def proved(self, worth: NDArray[np.float64]) -> float:
        """Return what multipliers prove on the problem itself."""
        p = self.problem.n_territories
        return bound_of(worth, centre_values(self.problem, worth, self.measure, whole=self.whole, cheapest=p).value, p)

    def level(self, count: int | None, rounds: int, should_stop: Callable[[], bool], at_least: int) -> int:
        """Climb with about ``count`` cells of units, or with the units themselves; return the rounds done."""
        small, candidate, gather = self.problem, None, None
        if count is not None:
            coarse = coarsened(self.problem, count, self.rng)
            if coarse is None or len(coarse.candidate) <= self.problem.n_territories:
                return 0
            small, candidate = coarse.problem, coarse.candidate
            n = self.problem.n_units
            gather = sp.csr_matrix((np.ones(n), (coarse.cell, np.arange(n))), shape=(small.n_units, n))
        assert isinstance(small.costs, PlaceCosts)
        numbered = Cells.of(self.reach, self.load, self.problem.n_territories, small.n_units // _UNITS_A_NUMBER).spread
        # Units may be divided on the way: with so many it matters little.
        limits = loads_and_limits(small, self.measure, whole=self.whole)
        p, order = small.n_territories, Reach(small.costs).candidates.order
        base = self.worth if gather is None else gather @ self.worth
        spread = numbered if gather is None else (gather @ numbered).tocsr()
        back = spread.T.tocsr()
        # No weight and no load is negative, nor then any entry of the spread.
        scale = np.asarray(spread.sum(axis=0), np.float64).ravel()
        scale = np.maximum(scale, 1e-9 * float(scale.sum()))
        free = np.full(len(scale), np.inf)
        numbers = np.zeros(len(scale))
        kept = np.empty(0, np.int64)
        best, best_bound = None, -np.inf
        done = 0
        while done < rounds and (done < at_least or not should_stop()):
            # Parts of a step in the order of van der Corput: whatever the number of rounds, they are spread evenly.
            part = sum(((done >> bit) & 1) * 0.5 ** (bit + 1) for bit in range(done.bit_length()))
            tried = Tried.of(small, order, part, kept, base + spread @ numbers, limits)
            if not self.begun:
                # A fair radius is too much where places are uneven.
                proved = [tried.bound(f * base, tried.listed.values(f * base, 0).value, p) for f in _MULTIPLES]
                much = _MULTIPLES[int(np.argmax(proved))]
                base, self.worth, self.begun = much * base, much * self.worth, True
            mean = abs(float((base + spread @ numbers).sum())) if self.upper_value is None else abs(self.upper_value)
            temperature = mean / p * max(0.01, 0.04 * 0.7 ** (done + self.cooled))

            def evaluate(
                z: NDArray[np.float64],
                tried: Tried = tried,
                base: NDArray[np.float64] = base,
                temperature: float = temperature,
            ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
                worth = base + spread @ z
                value = tried.listed.values(worth, 0).value
                share = tried.opened(value, p, temperature)
                slope = back @ (1.0 - tried.listed.served(worth, 0, share))
                return tried.bound(worth, value, p), slope, share

            volume = Volume(evaluate, numbers, -free, free, scale)
            volume.climb(_STEPS, self.upper_value)
            numbers = volume.best
            self.opened[:] = 0.0
            shown = tried.listed.candidate
            self.opened[shown if candidate is None else candidate[shown]] = volume.opened
            done += 1
            if done % _CHECKED == 0 or done == rounds:
                worth = base + spread @ numbers
                value = centre_values(small, worth, self.measure, cheapest=p).value
                bound = bound_of(worth, value, p)
                if bound > best_bound:
                    best_bound, best = bound, numbers
                kept = np.union1d(kept, most_attractive(value, order, p))
        self.cooled += _CHECKED
        self.worth = self.worth + numbered @ (numbers if best is None else best)
        return done
