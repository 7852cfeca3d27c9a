"""Choose centres and assign every unit to one, territories not connected: the search, best answer first.

Small problems (a thousand units, or few for each territory) are annealed as they are, from many starts, each walk
longer than the last, and every good end is improved by exact neighbourhoods. Large ones are annealed as cells of units
first (``coarsening``); then units are assigned at the centres found, centres moved, and so on.

Everything is counted in rounds, and a round is always the same work: the answer depends on the problem, the random
numbers and the number of rounds only.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Protocol

import numpy as np

from solvers import chunks
from solvers.districting.centres.annealing import Annealer
from solvers.districting.centres.decomposition import PART_UNITS, Decomposition
from solvers.districting.centres.medians import Recentring
from solvers.districting.centres.seeding import halved, start_at
from solvers.districting.centres.shifts import Settling
from solvers.districting.centres.sites import unit_places
from solvers.districting.centres.territories import rules_of
from solvers.districting.coarsening import coarsened
from solvers.problem import CACHE_PAIRS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from solvers.districting.centres.annealing import Course
    from solvers.districting.problem import DistrictingProblem

CELLS_A_TERRITORY, FEWEST_CELLS = 20, 600
"""A large problem is annealed as so many cells: few enough to be quick, and each a twentieth of what limits hold."""

STAGES = 60
MOVES_A_ROUND, LOOKS_A_ROUND = 3_000_000, 100_000_000
"""A round of a walk is as many stages as make this many moves, or fewer: a move looks at the units of two territories, and
a round looks at no more than so many. Some seconds."""

QUICK_MOVES, FIRST_MOVES = 2, 25
"""Moves tried for each unit at each of the stages of the first walks; later ones are longer."""

QUICK_SETTLINGS = 2
"""Times that what the first walk over cells found is settled on the units: something good soon."""

SHIFT_STAGES, SHIFT_MOVES = 20, 40_000_000
"""Of the local search at fixed centres; at most ten moves for each unit at each stage."""

EXACT_ROUNDS = 2
"""Rounds of exact neighbourhoods between the first walks and the next; like the walks, they double."""

WALKERS = 2
"""Walks at once, each on a thread where there are cores for it. Fixed: the answer does not depend on the number of cores."""


class Reporter(Protocol):
    """Called now and then with where the search stands."""

    def __call__(self, stage: str, **values: float | int | None) -> None:
        """Report a stage in words, and ``rounds``, ``objective`` and ``violation`` by name."""
        ...


@dataclass(frozen=True, eq=False)
class CentreSearch:
    """The best answer of a search.

    Attributes
    ----------
    centres : ndarray of int64, shape (n_territories,)
        Candidates.
    assignment : ndarray of int32, shape (n_units,)
    objective : float
        Of the answer as it is; +inf where a unit is too far from its centre.
    feasible : bool
        Every rule holds.
    violation : float
        What is broken, in a territory's usual loads; 0 when feasible.
    rounds : int
        Completed.
    termination : {"target", "rounds", "stalled", "interrupted"}
    """

    centres: NDArray[np.int64]
    assignment: NDArray[np.int32]
    objective: float
    feasible: bool
    violation: float
    rounds: int
    termination: str


def search_centres(
    problem: DistrictingProblem,
    *,
    should_stop: Callable[[], bool],
    rounds: int | None,
    rng: np.random.Generator,
    report: Reporter,
    target: float | None = None,
) -> CentreSearch:
    """Search for centres and an assignment; the graph, if any, is not looked at.

    Parameters
    ----------
    problem : DistrictingProblem
        With free centres.
    should_stop : callable
        Asked between rounds.
    rounds : int or None
        Stop after so many.
    rng : numpy.random.Generator
    report : callable
    target : float or None
        Stop once a feasible answer costs no more than this.
    """
    return _Search(problem, rng, report).run(should_stop, rounds, target)


class _Search:
    """The search under way."""

    def __init__(self, problem: DistrictingProblem, rng: np.random.Generator, report: Reporter) -> None:
        self.problem, self.rng, self.report = problem, rng, report
        self.centres: NDArray[np.int64] = np.zeros(0, np.int64)
        self.assignment: NDArray[np.int32] = np.zeros(0, np.int32)
        self.objective = self.violation = np.inf
        self.rounds = 0
        self.part_units: float = PART_UNITS
        self.places = unit_places(problem)
        usual = np.abs(problem.loads).sum(axis=1) / problem.n_territories
        self.scale = np.where(usual > 0, usual, 1.0)

    def run(self, should_stop: Callable[[], bool], rounds: int | None, target: float | None) -> CentreSearch:
        termination = "stalled"
        with ThreadPoolExecutor(min(WALKERS, chunks.threads()), thread_name_prefix="centres") as threads:
            for stage in self._rounds(threads):
                self.rounds += 1
                found = self.violation <= 0.0
                self.report(
                    stage,
                    rounds=self.rounds,
                    objective=self.objective if found else None,
                    violation=None if found else self.violation,
                )
                if found and target is not None and self.objective <= target:
                    termination = "target"
                    break
                if rounds is not None and self.rounds >= rounds:
                    termination = "rounds"
                    break
                if should_stop():
                    termination = "interrupted"
                    break
        return CentreSearch(
            self.centres,
            self.assignment,
            self.objective,
            self.violation <= 0.0,
            self.violation,
            self.rounds,
            termination,
        )

    def _rounds(self, threads: ThreadPoolExecutor) -> Iterator[str]:
        """Yield after every round."""
        problem = self.problem
        housed = np.flatnonzero(problem.candidate_unit >= 0)
        n, m = problem.n_units, problem.n_territories
        if problem.costs.n_candidates < m or n == 0:
            return
        cells = max(FEWEST_CELLS, CELLS_A_TERRITORY * m)
        if len(np.unique(problem.candidate_unit[housed])) < m:
            yield from self._alternate(np.arange(problem.costs.n_candidates))
            return
        if n > 2 * cells and self.places is not None:
            yield from self._multilevel(threads, cells)
        else:
            yield from self._anneal(threads)

    def offer(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> bool:
        """Keep an answer if it is better: fewer limits broken first, then cheaper; return whether it was."""
        if np.any(centres < 0):
            return False
        violation = self._violation_of(centres, assignment)
        objective = self.problem.cost_of(centres, assignment)
        if (violation, objective) < (self.violation, self.objective):
            self.centres, self.assignment = centres.copy(), assignment.astype(np.int32)
            self.violation, self.objective = violation, objective
            return True
        return False

    def _violation_of(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> float:
        problem = self.problem
        lower, upper = problem.slack()
        loads = problem.loads_of(assignment)
        over = np.maximum(0.0, np.maximum(loads - upper, lower - loads)).sum(axis=1)
        units = np.arange(problem.n_units)
        may = problem.class_allowed[problem.class_of, assignment]
        may &= (problem.fixed < 0) | (problem.fixed == assignment)
        far = ~np.isfinite(problem.travel_of(centres, assignment))
        home = problem.candidate_unit[centres]
        housed = np.flatnonzero(home >= 0)
        strayed = int((assignment[home[housed]] != housed).sum())
        twice = len(centres) - len(np.unique(centres))
        return float((over / self.scale).sum()) + float((~may).sum() + (far & may).sum()) / len(units) + strayed + twice

    # ---- problems annealed as they are

    def _anneal(self, threads: ThreadPoolExecutor) -> Iterator[str]:
        """Walks, each pair longer than the last; what they find is improved by exact neighbourhoods."""
        annealer = Annealer(self.problem, self._sites())
        self.offer(*start_at(self.problem, annealer.sites, self.rng))
        yield "placing centres"
        # Something that keeps the limits, soon; then something good.
        yield from self._walks(threads, annealer, QUICK_MOVES, (0.5, 0.5))
        yield from self._walks(threads, annealer, FIRST_MOVES, (1.5, 0.5))
        longer = 1
        while True:
            yield from self._exact(threads, annealer, EXACT_ROUNDS * longer)
            longer = min(2 * longer, 64)
            moves = FIRST_MOVES * longer
            yield from self._walks(threads, annealer, moves, (0.25, 0.75), self.assignment)

    def _sites(self) -> NDArray[np.int64]:
        """Return the candidates that walks look at: all, or the first few of each unit if they are too many for a table."""
        problem = self.problem
        housed = np.flatnonzero(problem.candidate_unit >= 0)
        most = max(1, CACHE_PAIRS // problem.n_units // max(1, len(np.unique(problem.candidate_unit[housed]))))
        order = housed[np.argsort(problem.candidate_unit[housed], kind="stable")]
        unit = problem.candidate_unit[order]
        rank = np.arange(len(order)) - np.searchsorted(unit, unit)
        # Spread over the unit's candidates, which may be sorted by place.
        count = np.bincount(unit, minlength=problem.n_units)[unit]
        step = np.maximum(1, -(-count // most))
        kept: NDArray[np.int64] = order[rank % step == 0]
        return kept

    def _scale_of(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> float:
        """Return what a unit usually costs: the natural unit of temperatures."""
        travel = self.problem.travel_of(centres, assignment)
        finite = travel[np.isfinite(travel)]
        return max(float(finite.mean()) if len(finite) else 0.0, 1e-9)

    def _course(self, annealer: Annealer, moves: int, hot: float, assignment: NDArray[np.int32] | None) -> Course:
        """Return a walk from an assignment or, where none is given, from a new start."""
        problem = self.problem
        if assignment is None:
            _, assignment = start_at(problem, annealer.sites, self.rng)
            if self.places is not None and np.isfinite(problem.lower).any():
                assignment = halved(problem, self.places, self.rng)
        usual = annealer.usual(assignment)
        return annealer.course(
            assignment,
            int(self.rng.integers(1, 1 << 62)),
            hot=hot * usual,
            cold=0.05 * min(hot, 1.0) * usual,
            price=(1.0 if annealer.widened else 10.0) * usual * problem.n_units / problem.n_territories,
            stages=STAGES,
            moves=moves * problem.n_units,
        )

    def _walks(
        self,
        threads: ThreadPoolExecutor,
        annealer: Annealer,
        moves: int,
        hot: tuple[float, float],
        start: NDArray[np.int32] | None = None,
    ) -> Iterator[str]:
        """Walk twice at once: the first from ``start``, if there is one, the others from starts of their own."""
        courses = [self._course(annealer, moves, h, start if w == 0 else None) for w, h in enumerate(hot)]
        yield from _cooled(threads, courses, self.problem)
        for walk in threads.map(lambda course: course.finish(), courses):
            self.offer(walk.centres, walk.assignment)
        yield "moving centres"

    def _exact(self, threads: ThreadPoolExecutor, annealer: Annealer, most: int) -> Iterator[str]:
        """Improve the best answer by exact neighbourhoods, until none is left or for so many rounds."""
        if self.violation > 0 or not len(annealer.rules.near.T):
            return
        parts = Decomposition(
            self.problem, annealer.rules.near, self.centres, self.assignment, units_wanted=self.part_units
        )
        for _ in range(most):
            if parts.exhausted:
                return
            parts.round(self.rng, threads)
            self.part_units = parts.units_wanted
            self.offer(parts.centres, parts.assignment)
            yield "improving exactly"

    # ---- problems too large for that

    def _multilevel(self, threads: ThreadPoolExecutor, cells: int) -> Iterator[str]:
        """Anneal cells of units, put right on the units; then again with other cells, from the best answer."""
        moves, hot = QUICK_MOVES, 0.25
        if np.isfinite(self.problem.lower).any() and self.places is not None:
            halves = halved(self.problem, self.places, self.rng)
            self.offer(Recentring(self.problem).begun(halves), halves)
        while True:
            coarse = coarsened(self.problem, cells, self.rng)
            if coarse is None:
                return
            annealer = Annealer(coarse.problem, widened=1.0)
            small = _Search(coarse.problem, self.rng, self.report)
            # A little warmth only once centres are about right.
            start = coarse.majority(self.assignment) if moves > FIRST_MOVES else None
            courses = [small._course(annealer, moves, hot, start) for _ in range(WALKERS)]
            yield from _cooled(threads, courses, coarse.problem)
            walks = list(threads.map(lambda course: course.finish(), courses))
            walk = min(walks, key=lambda w: (w.violation > 0, w.objective))
            centres, assignment = coarse.candidate[np.maximum(walk.centres, 0)], walk.assignment[coarse.cell]
            self.offer(centres, assignment)
            yield "moving centres"
            yield from self._refine(centres, assignment, QUICK_SETTLINGS if moves == QUICK_MOVES else None)
            moves, hot = (FIRST_MOVES, 0.5) if moves == QUICK_MOVES else (FIRST_MOVES + 1, 0.1)

    def _alternate(self, candidates: NDArray[np.int64]) -> Iterator[str]:
        """From starts among all candidates, assign and recentre: where candidates are in no unit, or few."""
        while True:
            centres, assignment = start_at(self.problem, candidates, self.rng)
            self.offer(centres, assignment)
            yield "placing centres"
            yield from self._refine(centres, assignment)

    def _refine(
        self, centres: NDArray[np.int64], assignment: NDArray[np.int32], most: int | None = None
    ) -> Iterator[str]:
        """Move centres to their territories' middles, assign anew, and so on until it gains little or ``most`` times."""
        problem = self.problem
        recentring = Recentring(problem)
        n = problem.n_units
        rules = rules_of(problem, np.zeros(n + 1, np.int64), np.zeros((n, 0), np.int32))
        settling = Settling(problem, rules)
        usual = self._scale_of(centres, assignment)
        last = np.inf
        for _ in count() if most is None else range(most):
            centres = recentring.moved(centres, assignment)
            self.offer(centres, assignment)
            reach = settling.reach(centres, assignment)
            flowed = settling.flows(reach)
            if flowed is None:
                flowed = settling.shifts(
                    reach,
                    int(self.rng.integers(1, 1 << 62)),
                    hot=0.1 * usual,
                    price=usual * n / problem.n_territories,
                    stages=SHIFT_STAGES,
                    moves_a_unit=min(10, max(1, SHIFT_MOVES // (SHIFT_STAGES * n))),
                )
            assignment = flowed
            self.offer(centres, assignment)
            yield "moving centres"
            value = problem.cost_of(centres, assignment)
            if not value < last * (1 - 2e-4):
                return
            last = value


def _cooled(threads: ThreadPoolExecutor, courses: list[Course], problem: DistrictingProblem) -> Iterator[str]:
    """Cool walks to their end, all at once, some stages a round."""
    course = courses[0]
    most = min(MOVES_A_ROUND, LOOKS_A_ROUND * problem.n_territories // problem.n_units)
    stages = max(1, most // max(1, course.moves))
    while any(list(threads.map(lambda course: course.advance(stages), courses))):
        yield "moving centres"
