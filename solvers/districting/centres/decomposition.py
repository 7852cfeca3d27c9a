"""Exact neighbourhoods: a few territories that touch, solved again as a problem of their own.

Source: POPMUSIC (Taillard & Voß 2002; for capacitated medians Stefanello, de Araújo & Müller 2015, Gnägi & Baumann
2021). A part that was solved and has not changed since is not solved again; when no other parts are left, the answer is
a local optimum in this large neighbourhood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array

from solvers.districting.whole.exact import solve_exactly
from solvers.districting.whole.parts import subproblem

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem
    from solvers.districting.whole.exact import ExactAnswer
    from solvers.districting.whole.parts import Part

FEWEST_UNITS, PART_UNITS, MOST_UNITS = 16, 40, 100
"""Units of a part, at first and at the extremes: fewer after a round whose parts were not all closed, more after one
whose parts were. How many an exact search closes in a second depends on how tightly loads pack."""

SHRINK, GROW = 0.75, 1.1

EFFORT = 0.3
"""Of an exact search (about seconds): one that takes longer than this is better spent on two smaller parts."""

PART_TERRITORIES = 8
"""Territories of a part at most: packing a few large loads into many small territories is what takes long."""

LARGEST_PART = 160
"""Two territories with more units than this are not worth an exact search."""

PARTS_A_ROUND = 4
"""Disjoint parts solved in a round, however many threads there are."""


class Decomposition:
    """Rounds of exact neighbourhoods on one answer.

    Attributes
    ----------
    centres : ndarray of int64, shape (n_territories,)
    assignment : ndarray of int32, shape (n_units,)
    units_wanted : float
        Units of the next parts.
    exhausted : bool
        Every part there is was solved and is unchanged.
    """

    def __init__(
        self,
        problem: DistrictingProblem,
        near: NDArray[np.int64],
        centres: NDArray[np.int64],
        assignment: NDArray[np.int32],
        *,
        units_wanted: float = PART_UNITS,
    ) -> None:
        self.problem, self.near = problem, near
        self.centres, self.assignment = centres, assignment
        self.units_wanted = units_wanted
        self.version = np.zeros(problem.n_territories, np.int64)
        self.done: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.waiting = np.ones(problem.n_territories, np.bool_)

    @property
    def exhausted(self) -> bool:
        """Whether no territory is left around which anything may have changed."""
        return not self.waiting.any()

    def round(self, rng: np.random.Generator, threads: Executor) -> float:
        """Solve a few parts; return what the objective lost."""
        parts = [
            (part, int(rng.integers(1 << 30)))
            for territories in self._choose(rng)
            if (part := self._cut(territories)) is not None
        ]
        work = [threads.submit(self._solve, part, seed) for part, seed in parts]
        gained, closed = 0.0, True
        for (part, _), job in zip(parts, work, strict=True):
            answer = job.result()
            closed &= answer.optimal
            before = part.problem.cost_of(part.centres, part.assignment)
            better = answer.objective is not None and answer.objective < before - 1e-9 * abs(before)
            if better and answer.centres is not None and answer.assignment is not None and answer.objective is not None:
                gained += before - answer.objective
                self._take(part, answer.centres, answer.assignment)
            key = tuple(part.territories.tolist())
            self.done[key] = tuple(self.version[part.territories].tolist())
        self.units_wanted = min(max(self.units_wanted * (GROW if closed else SHRINK), FEWEST_UNITS), MOST_UNITS)
        return gained

    def _solve(self, part: Part, seed: int) -> ExactAnswer:
        return solve_exactly(part.problem, incumbent=(part.centres, part.assignment), effort=EFFORT, seed=seed)

    def _take(self, part: Part, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> None:
        before = self.assignment
        self.centres, self.assignment = part.written_back(self.centres, before, centres, assignment)
        moved = self.assignment != before
        changed = np.union1d(before[moved], self.assignment[moved]).astype(np.int64)
        self.version[changed] += 1
        # What touches them may gain now.
        links = self._links()
        self.waiting[changed] = True
        self.waiting[(links[changed] > 0).any(axis=0)] = True

    def _cut(self, territories: NDArray[np.int64]) -> Part | None:
        try:
            return subproblem(self.problem, self.centres, self.assignment, territories)
        except ValueError:
            # A centre in a unit of another territory, which only an answer that is not yet in order has.
            return None

    def _links(self) -> NDArray[np.float64]:
        """Return how many pairs of near units any two territories share, shape ``(n_territories, n_territories)``."""
        m = self.problem.n_territories
        k = self.near.shape[1]
        a = np.repeat(self.assignment, k)
        b = self.assignment[self.near.ravel()]
        links = coo_array((np.ones(len(a)), (a, b)), shape=(m, m)).toarray()
        np.fill_diagonal(links, 0.0)
        return links + links.T

    def _choose(self, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """Return disjoint sets of territories that touch, none that was solved as it is."""
        m = self.problem.n_territories
        links = self._links()
        size = np.bincount(self.assignment, minlength=m)
        taken = np.zeros(m, np.bool_)
        chosen: list[NDArray[np.int64]] = []
        for t in rng.permutation(np.flatnonzero(self.waiting)):
            if len(chosen) == PARTS_A_ROUND:
                break
            if taken[t]:
                continue
            self.waiting[t] = False
            part = self._grow(int(t), links, size, taken, rng)
            if len(part) < min(2, m) or size[part].sum() > max(LARGEST_PART, self.units_wanted):
                continue
            key = tuple(part.tolist())
            if self.done.get(key) == tuple(self.version[part].tolist()):
                continue
            taken[part] = True
            chosen.append(part)
        return chosen

    def _grow(
        self,
        t: int,
        links: NDArray[np.float64],
        size: NDArray[np.int64],
        taken: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Return a territory with those it touches most, up to the number of units wanted."""
        inside = [t]
        pull = links[t].copy()
        units = int(size[t])
        while True:
            # A little chance: another visit to the same territory is another part.
            appeal = np.where(taken, 0.0, pull) * rng.uniform(0.5, 1.0, len(pull))
            appeal[inside] = 0.0
            best = int(np.argmax(appeal))
            if appeal[best] <= 0 or (
                len(inside) >= 2 and (units + size[best] > self.units_wanted or len(inside) == PART_TERRITORIES)
            ):
                return np.sort(np.array(inside, np.int64))
            inside.append(best)
            pull = pull + links[best]
            units += int(size[best])
