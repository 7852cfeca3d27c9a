"""Anneal a region: at falling temperature, recentring as it cools, in portions that a round can stop between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.connected.region import HARD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.connected.region import Region

COOLED = 0.02
COLD = 0.5
"""The last temperature: this fraction of the first, or of what nine of ten steps change more than, if that is less.

Where a few units carry most of the cost, the others' moves are decided at temperatures far below the first.
"""

FIRST_PRICE = 3.0
DEARER, CHEAPER = 1.3, 0.9
"""What a violation by a typical unit costs at first, in typical steps, and how that follows broken and kept limits."""

DESCENT_WORK = 3_000_000
DESCENTS = 10


class Cooling:
    """One annealing of a region, which is changed in place.

    Attributes
    ----------
    region : Region
    left : int
        Stages still to go. Between two of them centres move to the middle of their territories: with few stages
        they are left behind by what their territories have become.
    """

    def __init__(self, region: Region, seed: int, heat: float, steps: int, stages: int) -> None:
        self.region, self.heat, self.stages = region, heat, max(2, stages)
        self.each = max(1, steps // self.stages)
        self.left = self.stages
        self.before, self.together = region.value(), region.pieces()
        self.random = np.array([seed], np.uint64)
        self.order = np.random.default_rng(seed).permutation(len(region.units)).astype(np.int32)
        self.factor = np.full(region.problem.n_measures, FIRST_PRICE)
        self.moved_factor = FIRST_PRICE
        self.cooled = min(COOLED, COLD * region.fine / (heat * region.step))
        self.best = np.inf
        self.best_centres: NDArray[np.int64] = region.centres.copy()
        self.best_assignment: NDArray[np.int32] = region.assignment.copy()

    def advance(self, stages: int) -> None:
        """Go through some stages; after the last one, descend from the best answer met to a local optimum."""
        region = self.region
        for _ in range(min(stages, self.left)):
            done = (self.stages - self.left) / (self.stages - 1)
            region.price(self.factor, self.moved_factor)
            region.anneal(self.random, self.heat * self.cooled**done, self.each)
            if region.best_objective < self.best:
                self.best = region.best_objective
                self.best_centres, self.best_assignment = region.centres.copy(), region.best_assignment
            self.factor = np.where(region.broken(), self.factor * DEARER, np.maximum(self.factor * CHEAPER, 1.0))
            dearer = region.beyond_budget()
            self.moved_factor = self.moved_factor * DEARER if dearer else max(self.moved_factor * CHEAPER, 1.0)
            region.recentre()
            self.left -= 1
            if self.left == 0:
                self._finish()

    def _finish(self) -> None:
        region = self.region
        if np.isfinite(self.best):
            region.restore(self.best_centres, self.best_assignment)
        region.price(HARD)
        for _ in range(DESCENTS):
            # While limits are broken nearly every chain gains something, and the next round will undo it.
            region.descend(self.order, DESCENT_WORK, chains=region.feasible)
            if not region.recentre():
                break

    def gain(self) -> float:
        """Return what has been gained since the beginning, broken limits counted before all else."""
        return self.before - self.region.value()

    def connected(self) -> bool:
        """Return whether the territories are in no more pieces than at the beginning."""
        return self.region.pieces() <= self.together
