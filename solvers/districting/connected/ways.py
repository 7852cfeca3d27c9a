"""Ways to search a part of a map, and which to take where: what has gained most for its work, where it is longest ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers.districting.connected.openings import opened_around

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

BORDER_WANTED = 600
"""Border units in a part to anneal."""

STEPS_EACH = 400
"""Moves drawn for each of them: then a part takes some tenths of a second."""

FEWEST_STEPS, MOST_STEPS = 4_000, 400_000
EXACT_STEPS = 500_000
"""Steps of annealing that take about as long as one exact part."""

EXACT_TERRITORIES = 3.0
"""Territories of a part to solve exactly, at first: more after a proof, fewer after none, 2 at least."""

LARGER, SMALLER = 1.1, 0.8
MOST_EXACT_UNITS = 250

CURIOSITY = 0.3
"""Share of the work that goes to ways without regard to what they have gained so far."""

COMMON = {"anneal": 0.2, "recombine": 1.0, "exact": 0.2}
"""How often a way is drawn then, in proportion: about the same work for each."""

MEMORY = 0.9
"""How much of what a way was thought to be worth is kept when it is tried again."""

TRIES = 8


class Way(NamedTuple):
    """One way of searching a part of the map.

    Attributes
    ----------
    kind : str
        "anneal", "recombine" or "exact".
    heat : float
        First temperature in typical steps; 0 for exact.
    least, most : int
        Territories opened; 0: as many as have ``BORDER_WANTED`` border units or, for exact, as can be solved.
    """

    kind: str
    heat: float
    least: int
    most: int


ANNEALS = (Way("anneal", 1.0, 0, 0), Way("anneal", 0.5, 0, 0), Way("anneal", 0.25, 0, 0))
RECOMBINATIONS = (Way("recombine", 0.5, 2, 3), Way("recombine", 0.5, 4, 6), Way("recombine", 0.5, 7, 12))
EXACT = Way("exact", 0.0, 0, 0)


class Task(NamedTuple):
    """One part of the map and how to search it."""

    way: Way
    territories: NDArray[np.int64]
    steps: int
    seed: int


class Standing(NamedTuple):
    """Where the answer stands, as far as the choice of parts goes.

    Attributes
    ----------
    beside : list of ndarray
        What each territory touches.
    border : int
        Units that touch another territory.
    surplus : ndarray of float64, shape (n_measures, n_territories)
        By how much loads are above (below: negative) what would do; all 0 where every limit holds.
    broken : ndarray of float64, shape (n_territories,)
        How far limits are broken.
    """

    beside: list[NDArray[np.int64]]
    border: int
    surplus: NDArray[np.float64]
    broken: NDArray[np.float64]


class Chooser:
    """Draws tasks, and learns from what they gain."""

    def __init__(self, problem: DistrictingProblem, rng: np.random.Generator, *, exact: bool) -> None:
        self.rng, self.n_units, self.m = rng, problem.n_units, problem.n_territories
        self.ways = [*ANNEALS]
        if problem.centres is None:
            self.ways += RECOMBINATIONS
        if exact:
            self.ways.append(EXACT)
        self.worth = dict.fromkeys(self.ways, 0.0)
        self.opened, self.solved = np.zeros(self.m), np.zeros(self.m)
        self.changed = np.zeros(self.m, np.int64)
        self.proved: dict[tuple[int, ...], int] = {}
        self.exact_size = EXACT_TERRITORIES

    def tasks(self, standing: Standing, count: int) -> list[Task]:
        """Draw some tasks, on parts of the map apart from each other where there is room for that."""
        closed = np.zeros(self.m, np.bool_)
        tasks = []
        for _ in range(count):
            if closed.all():
                closed[:] = False
            way = self._way(broken=bool(standing.broken.any()))
            task = self._exact(standing, closed) if way.kind == "exact" else None
            if task is None:
                task = self._moving(way if way.kind != "exact" else ANNEALS[1], standing, closed)
            closed[task.territories] = True
            tasks.append(task)
        return tasks

    def learn(self, task: Task, gain: float, *, taken: bool, proved: bool, now: int) -> None:
        """Note what a task has gained, as a fraction of the objective; ``now`` is the round."""
        self.worth[task.way] = MEMORY * self.worth[task.way] + (1 - MEMORY) * gain / task.steps
        if taken:
            self.changed[task.territories] = now
            self.solved[task.territories] = 0.0
        if task.way.kind == "exact":
            self.exact_size = max(2.0, self.exact_size * (LARGER if proved else SMALLER))
            if proved and (taken or gain <= 0.0):
                self.proved[tuple(task.territories.tolist())] = now

    def _way(self, *, broken: bool) -> Way:
        """Draw a way, mostly by what it has gained for its work."""
        if broken:
            # The hotter, the further loads are carried; a new start is for where that does not help.
            anew = [w for w in self.ways if w.kind == "recombine"]
            ways = anew if anew and self.rng.random() < 0.25 else list(ANNEALS[:2])
            return ways[int(self.rng.integers(len(ways)))]
        worth = np.array([self.worth[w] for w in self.ways])
        if worth.sum() == 0.0 or self.rng.random() < CURIOSITY:
            # The same work for each, so the quick ones more often.
            worth = np.array([COMMON[w.kind] for w in self.ways])
        return self.ways[int(self.rng.choice(len(self.ways), p=worth / worth.sum()))]

    def _moving(self, way: Way, standing: Standing, closed: NDArray[np.bool_]) -> Task:
        """Open a part to anneal or recombine, where a limit is broken or it is longest ago."""
        each = max(1.0, standing.border / self.m)
        if way.kind == "anneal":
            wanted = round(BORDER_WANTED / each)
        else:
            wanted = int(self.rng.integers(way.least, way.most + 1))
        urge = self.opened - self.rng.random(self.m) - 1e9 * standing.broken
        urge[closed] = np.inf
        seed = int(urge.argmin())
        worst = np.flatnonzero((standing.broken > 0) & ~closed)
        if len(worst) and self.rng.random() < 0.5:
            # The worst is not always mended by what is around it.
            seed = int(self.rng.choice(worst))
        chosen = self._around(seed, standing, max(2, wanted), closed)
        self.opened[chosen] += 1
        steps = STEPS_EACH * each * len(chosen) * (1.0 if way.kind == "anneal" else 0.5)
        return Task(way, chosen, int(np.clip(steps, FEWEST_STEPS, MOST_STEPS)), int(self.rng.integers(2**62)))

    def _exact(self, standing: Standing, closed: NDArray[np.bool_]) -> Task | None:
        """Open a part to solve exactly, other than those known to have nothing better; None: there is none at hand."""
        room = MOST_EXACT_UNITS * self.m / self.n_units
        if room < 2:
            return None
        for _ in range(TRIES):
            urge = self.solved - self.rng.random(self.m)
            urge[closed] = np.inf
            chosen = self._around(int(urge.argmin()), standing, int(min(self.exact_size, room)), closed)
            self.solved[chosen] += 1
            if self.proved.get(tuple(chosen.tolist()), -1) < self.changed[chosen].max():
                return Task(EXACT, chosen, EXACT_STEPS, int(self.rng.integers(2**31)))
        return None

    def _around(self, seed: int, standing: Standing, wanted: int, closed: NDArray[np.bool_]) -> NDArray[np.int64]:
        return opened_around(seed, standing.beside, min(wanted, self.m), closed, standing.surplus, self.rng)
