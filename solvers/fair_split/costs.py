"""What fairness asks of each lead, as whole numbers: the k-th lead of rep r costs ``first_r + k·rise_r``.

With squares the cost is what the lead adds to Σ s φ((h + n) / s), times the step: ``2·level + (2k − 1)·step``.

With "leximin" the highest level is to be as low as can be, then the next, and so on. Only the order of costs matters to a
separable convex sum over an M-convex set (a greedy algorithm finds its optimum), so any whole numbers in the right order
do: by the level that the lead raises its rep to and, where that is the same, by the step, since a rep that comes from
further below leaves a lower level behind. That is ``(level + k·step)·n_steps + place of the step``.

Source: Katoh, Shioura & Ibaraki 2013, "Resource allocation problems", on greedy algorithms; Fujishige 1980,
"Lexicographically optimal base of a polymatroid with respect to a weight vector".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.fair_split.problem import FairSplitProblem

LARGEST = 2**60
"""Beyond it sums of two costs could leave 64 bits."""


@dataclass(frozen=True, eq=False)
class LeadCosts:
    """Fairness costs per rep.

    Attributes
    ----------
    first, rise : ndarray of int64, shape (n_reps,)
        The k-th lead of the batch costs ``first + k·rise``.
    slack : ndarray of int64, shape (n_reps,)
        How far from the fair price a lead's cost may be for the sake of value.
    """

    first: NDArray[np.int64]
    rise: NDArray[np.int64]
    slack: NDArray[np.int64]

    @classmethod
    def of(cls, problem: FairSplitProblem) -> LeadCosts:
        """Return the costs of a problem; ValueError where they leave 64 bits or only some steps are 0."""
        level, step = problem.level, problem.step
        if not step.any():
            return cls(np.zeros_like(level), np.zeros_like(step), np.zeros_like(step))
        if step.min() <= 0:
            r = int(step.argmin())
            raise ValueError(
                f"step[{r}] = {step[r]}: steps are all 1 or more, or all 0 where fairness is not asked for"
            )
        steps, place = np.unique(step, return_inverse=True)
        times = len(steps) if problem.fairness == "leximin" else 2
        reach = (int(np.abs(level).max()) + (problem.n_leads + 1 + problem.slack) * int(step.max())) * times + len(
            steps
        )
        if reach > LARGEST:
            raise ValueError(
                f"levels and steps cost up to {reach}, beyond {LARGEST}: raise the weights or lower the levels"
            )
        if problem.fairness == "leximin":
            rise = step * times
            return cls(level * times + place, rise, problem.slack * rise)
        return cls(2 * level - step, 2 * step, problem.slack * 2 * step)

    def without_slack(self) -> LeadCosts:
        """Return them with a slack of 0."""
        return replace(self, slack=np.zeros_like(self.slack))

    def total(self, count: NDArray[np.int64]) -> int:
        """Return what counts cost, in Python's unbounded whole numbers."""
        return sum(
            first * n + rise * (n * (n + 1) // 2)
            for first, rise, n in zip(self.first.tolist(), self.rise.tolist(), count.tolist(), strict=True)
        )

    def between(
        self, price: NDArray[np.int64], capacity: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many leads cost less than the price (less slack), and how many cost no more than it (plus slack)."""
        if not self.rise.any():
            return np.zeros_like(capacity), capacity.copy()
        least = (price - self.slack - self.first - 1) // self.rise
        most = (price + self.slack - self.first) // self.rise
        return np.clip(least, 0, capacity), np.clip(most, 0, capacity)
