"""Search for connected territories: a connected start, then rounds over parts of the map, never in two pieces again.

Two kinds of rounds take turns, with as much work for the one as for the other. In the first, two parts of the map, apart
from each other, are searched for something better: by annealing at the borders, by recombination (new centres for a few
neighbouring territories) or exactly. In the other, two long annealings go on by a portion: of the whole map, from hot
enough to forget where they began, or of large parts of it. What is better is kept.

A round is always the same work, in two threads where there are two cores, so the answer depends on the problem, the seed
and the number of rounds only. A round is a second or so and is never cut short.

Source: recombination is what GerryChain's ReCom does with two districts (DeFord, Duchin & Solomon 2021), with centres
in place of spanning trees; the parts solved exactly are Shaw's large neighbourhoods (1998).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from solvers.chunks import threads
from solvers.districting.checks import broken_rules
from solvers.districting.connected.contiguous_start import contiguous_start
from solvers.districting.connected.cooling import Cooling
from solvers.districting.connected.openings import opened_around, touching
from solvers.districting.connected.recombination import new_centres
from solvers.districting.connected.region import OwnCandidates, Region
from solvers.districting.connected.ways import Chooser, Standing, Task
from solvers.districting.problem import MatrixCosts
from solvers.districting.whole.parts import subproblem
from solvers.problem import with_slack
from solvers.whole import tighten_to_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem
    from solvers.districting.whole.exact import ExactAnswer
    from solvers.result import StopRequest
    from solvers.search import Reporter

KEPT_PAIRS = 16_000_000
"""Costs of all pairs are kept up to this many: 128 MB, and no distance is computed twice."""

PARTS = 2
"""Parts of the map in a round. Fixed, so that the answer does not depend on the number of cores."""

PORTION = 500_000
"""Steps of a long annealing in one round, about a second."""

LONG_BORDER = 2_500
"""Border units of a part for a long annealing: the whole map up to here, half of it or less beyond."""

LONG_STEPS_EACH, MOST_LONG_STEPS_EACH = 1_000, 8_000
"""Moves drawn for each of them, the first time and later: each is twice as long as the last one."""

STEPS_BETWEEN_CENTRES = 13
"""Moves for each border unit from one recentring to the next, so that centres keep up."""

LONG_HEAT, PART_HEAT = 4.0, 1.0
"""First temperature of a long annealing in typical steps: hot enough to forget the start, where all of the map is open;
else only to loosen it."""

SHORT_STAGES = 24
WARM_ROUNDS = 4
ATTEMPT_STEPS = 100_000
MOST_ATTEMPTS = 6
"""A task with few steps is tried so many times, up to so many steps in all, before it counts as fruitless."""

LEAST_GAIN = 1e-9
"""A better answer is better by this fraction."""

EXACT_EFFORT = 0.3
STALLED_ROUNDS = 200


class ExactSolver(Protocol):
    """``solve_exactly``, or what stands in for it."""

    def __call__(
        self,
        problem: DistrictingProblem,
        *,
        incumbent: tuple[NDArray[np.int64], NDArray[np.int32]] | None,
        effort: float,
        seed: int,
    ) -> ExactAnswer:
        """Return an answer no worse than the incumbent."""
        ...


@dataclass(frozen=True, eq=False)
class ConnectedSearch:
    """The outcome of a search for connected territories.

    Attributes
    ----------
    centres : ndarray of int64, shape (n_territories,)
    assignment : ndarray of int32, shape (n_units,)
    objective : float
    feasible : bool
        Whether every rule holds, connection included.
    rounds : int
        Completed rounds.
    violation : float
        How far limits are broken, in typical units; 0 where they hold.
    """

    centres: NDArray[np.int64]
    assignment: NDArray[np.int32]
    objective: float
    feasible: bool
    rounds: int
    violation: float = 0.0

    @property
    def rank(self) -> tuple[float, float]:
        """What two answers are compared by: the less the better."""
        return (0.0 if self.feasible else self.violation + 1e-300, self.objective)


class Found(NamedTuple):
    """The outcome for some territories: candidates and units of the whole.

    Attributes
    ----------
    territories, units, centres, assignment
    gain : float
        What the objective falls by, broken limits counted before all else; 0 or less: nothing better.
    connected : bool
        Whether the territories are in no more pieces than before.
    proved : bool
        Whether nothing better exists for these territories.
    """

    territories: NDArray[np.int64]
    units: NDArray[np.int64]
    centres: NDArray[np.int64]
    assignment: NDArray[np.int32]
    gain: float
    connected: bool
    proved: bool


def search_connected(
    problem: DistrictingProblem,
    centres: NDArray[np.int64],
    assignment: NDArray[np.int32],
    *,
    should_stop: StopRequest,
    rounds: int | None,
    rng: np.random.Generator,
    report: Reporter,
    resolve: ExactSolver | None = None,
    target: float | None = None,
) -> ConnectedSearch:
    """Return connected territories, as good as can be found until it is time to stop.

    Parameters
    ----------
    problem : DistrictingProblem
        With a graph.
    centres, assignment
        Where to start: connected or not, within limits or not; −1 in ``assignment`` where a unit has no territory.
    should_stop : callable
        Asked between rounds.
    rounds : int or None
        Stop after so many; None for no such limit.
    rng : Generator
    report : Reporter
    resolve : ExactSolver or None
        Solves small parts exactly; None: no such rounds.
    target : float or None
        Stop once a feasible answer costs no more than this.
    """
    search = _Search(problem, centres, assignment, rng, resolve)
    search.say(report, "connecting territories")
    with ThreadPoolExecutor(max_workers=min(PARTS, threads())) as pool:
        while not search.done(should_stop, rounds, target):
            search.round(pool)
            search.say(report, "improving" if search.feasible else "repairing")
    return search.answer()


class _Search:
    """The search under way: one connected answer, and what is known about ways to better it."""

    def __init__(
        self,
        problem: DistrictingProblem,
        centres: NDArray[np.int64],
        assignment: NDArray[np.int32],
        rng: np.random.Generator,
        resolve: ExactSolver | None,
    ) -> None:
        self.asked, self.rng, self.resolve = problem, rng, resolve
        if problem.graph is None:
            raise ValueError("a problem without a graph has no connected territories")
        self.graph = problem.graph
        rounded = [tighten_to_whole(*rows) for rows in zip(problem.loads, problem.lower, problem.upper, strict=True)]
        lower, upper = (np.array([r[side] for r in rounded]).reshape(problem.lower.shape) for side in (0, 1))
        self.problem = replace(problem, lower=lower, upper=upper)
        if problem.n_units * problem.costs.n_candidates <= KEPT_PAIRS:
            every = MatrixCosts(problem.costs.columns(np.arange(problem.costs.n_candidates)))
            self.problem = replace(self.problem, costs=every)
        self.own = OwnCandidates(problem.candidate_unit, problem.n_units)
        self.homeless = np.flatnonzero(problem.candidate_unit < 0) if problem.centres is None else np.empty(0, np.int64)
        self.centres, self.assignment = contiguous_start(self.problem, centres, assignment)
        self.chooser = Chooser(problem, rng, exact=resolve is not None)
        self.rounds = self.fruitless = 0
        self.long: list[Cooling] = []
        self.long_each = LONG_STEPS_EACH
        self.long_work, self.short_work = 0.0, 0.0
        self.measure()

    def measure(self) -> None:
        """Work out loads, objective and whether every rule holds."""
        low, high = self.problem.slack()
        loads = self.problem.loads_of(self.assignment)
        typical = np.maximum(np.abs(self.problem.loads).mean(axis=1), 1e-300)[:, None]
        self.broken = ((np.maximum(loads - high, 0.0) + np.maximum(low - loads, 0.0)) / typical).sum(axis=0)
        # What is within limits counts too: a territory near its lower limit can take what another has to give.
        with np.errstate(invalid="ignore"):
            middle = np.where(np.isfinite(low) & np.isfinite(high), (low + high) / 2, np.clip(loads, low, high))
        self.surplus = (loads - middle) / typical if self.broken.any() else np.zeros_like(loads)
        self.broken += self._too_much_moved()
        self.objective = self.problem.cost_of(self.centres, self.assignment)
        self.feasible = not self.broken.any() and not broken_rules(self.asked, self.centres, self.assignment)

    def _too_much_moved(self) -> NDArray[np.float64] | float:
        """Work out what may change hands beside what does; return what is too much, by territory, in typical units.

        Each territory is told its share of the excess: whoever has most of what others have today is to be opened first.
        """
        self.spare = np.inf
        limit = self.problem.limit
        if limit is None:
            return 0.0
        each = limit.of_pairs(np.arange(self.problem.n_units), self.assignment)
        moved = float(each.sum())
        self.spare = limit.limit - moved
        if moved <= with_slack(limit.limit):
            return 0.0
        typical = float(limit.total[limit.total > 0].mean())
        share = np.bincount(self.assignment, each, self.problem.n_territories) / moved
        return share * (-self.spare / typical)

    def say(self, report: Reporter, stage: str) -> None:
        """Report where the search stands."""
        if self.feasible:
            report(stage, rounds=self.rounds, objective=self.objective)
        else:
            report(stage, rounds=self.rounds, violation=float(self.broken.sum()))

    def done(self, should_stop: StopRequest, rounds: int | None, target: float | None) -> bool:
        """Return whether it is time to stop."""
        if rounds is not None and self.rounds >= rounds:
            return True
        if target is not None and self.feasible and self.objective <= target:
            return True
        return self.fruitless >= STALLED_ROUNDS or should_stop()

    def answer(self) -> ConnectedSearch:
        """Return the answer as it stands."""
        violation = float(self.broken.sum())
        return ConnectedSearch(self.centres, self.assignment, self.objective, self.feasible, self.rounds, violation)

    def round(self, pool: ThreadPoolExecutor) -> None:
        """Do one round: a portion of the long annealing under way, or two short tasks."""
        self.rounds += 1
        self.fruitless += 1
        if not self.long:
            beside, border = touching(self.graph, self.assignment, self.problem.n_territories)
            standing = Standing(beside, border, self.surplus, self.broken)
            if not self._begin_long(standing):
                tasks = self.chooser.tasks(standing, PARTS)
                self.short_work += max(t.steps for t in tasks)
                self.take(list(pool.map(self.run, tasks)), tasks)
                return
        list(pool.map(lambda cooling: cooling.advance(-(-PORTION // cooling.each)), self.long))
        if all(cooling.left == 0 for cooling in self.long):
            results = [self._found(c.region, c.gain(), connected=c.connected()) for c in self.long]
            self.long = []
            self.take(results, None)

    def _begin_long(self, standing: Standing) -> bool:
        """Begin long annealings if it is time for them; return whether it is: as much work as for all short tasks."""
        m = self.problem.n_territories
        each = max(1.0, standing.border / m)
        whole = standing.border <= LONG_BORDER
        if self.rounds <= WARM_ROUNDS or self.short_work < self.long_work or not (whole or self.feasible):
            return False
        closed = np.zeros(m, np.bool_)
        for _ in range(PARTS):
            if closed.all():
                closed[:] = False
            territories = np.arange(m)
            if not whole:
                seed = int(self.rng.choice(np.flatnonzero(~closed)))
                wanted = max(2, int(LONG_BORDER / each))
                territories = opened_around(seed, standing.beside, wanted, closed, standing.surplus, self.rng)
                closed[territories] = True
            steps = int(self.long_each * each * len(territories))
            stages = self.long_each // STEPS_BETWEEN_CENTRES
            heat = LONG_HEAT if whole else PART_HEAT
            self.long.append(Cooling(self.region(territories), int(self.rng.integers(2**62)), heat, steps, stages))
        self.long_work += max(c.each * c.stages for c in self.long)
        self.long_each = min(2 * self.long_each, MOST_LONG_STEPS_EACH)
        return True

    def take(self, results: list[Found], tasks: list[Task] | None) -> None:
        """Keep what is better, the best first where two speak of the same territories."""
        before, taken = self.objective, np.zeros(self.problem.n_territories, np.bool_)
        for r in sorted(range(len(results)), key=lambda r: -results[r].gain):
            found = results[r]
            worth_it = found.connected and found.gain > LEAST_GAIN * max(1.0, abs(before))
            better = worth_it and not taken[found.territories].any() and self._apart(found)
            if better and taken.any() and not self._within_budget(found):
                # Both parts may have used what room there was.
                better = False
            if better:
                taken[found.territories] = True
                self.centres[found.territories] = found.centres
                self.assignment[found.units] = found.assignment
            if tasks is not None:
                gain = min(1.0, found.gain / max(abs(before), 1e-300)) if worth_it and self.feasible else 0.0
                self.chooser.learn(tasks[r], gain, taken=better, proved=found.proved, now=self.rounds)
            elif better:
                self.chooser.changed[found.territories] = self.rounds
        if taken.any():
            self.fruitless = 0
            self.measure()

    def _apart(self, found: Found) -> bool:
        """Return whether no centre is another territory's: two parts may have chosen the same home of a rep."""
        others = np.delete(self.centres, found.territories)
        return self.problem.centres is not None or not np.isin(found.centres, others).any()

    def _within_budget(self, found: Found) -> bool:
        """Return whether no more changes hands than may, or than did at the beginning of the round."""
        if self.problem.limit is None:
            return True
        then = self.assignment.copy()
        then[found.units] = found.assignment
        most = max(with_slack(self.problem.limit.limit), self.problem.limit.limit - self.spare)
        return self.problem.limit.of(then) <= most

    def region(self, territories: NDArray[np.int64]) -> Region:
        """Open some territories."""
        free = np.setdiff1d(self.homeless, self.centres)
        return Region(
            self.problem, self.problem.costs, self.own, self.centres, self.assignment, territories, free, self.spare
        )

    def run(self, task: Task) -> Found:
        """Do one short task; in a thread of its own, changing nothing of the search."""
        if task.way.kind == "exact":
            return self.exactly(task)
        region = self.region(task.territories)
        draws = np.random.default_rng(task.seed)
        centres, assignment = region.centres.copy(), region.assignment.copy()
        for _ in range(max(1, min(MOST_ATTEMPTS, ATTEMPT_STEPS // task.steps))):
            cooling = Cooling(region, int(draws.integers(2**62)), task.way.heat, task.steps, SHORT_STAGES)
            anew = new_centres(region, draws) if task.way.kind == "recombine" else None
            if anew is not None:
                region.reseed(anew)
            cooling.advance(SHORT_STAGES)
            gain, connected = cooling.gain(), cooling.connected()
            if gain > 0 and connected:
                break
            region.restore(centres, assignment)
        return self._found(region, gain, connected=connected)

    def _found(self, region: Region, gain: float, *, connected: bool) -> Found:
        assignment = region.territories[region.assignment].astype(np.int32)
        return Found(region.territories, region.units, region.centres, assignment, gain, connected, False)

    def exactly(self, task: Task) -> Found:
        """Solve one part exactly."""
        part = subproblem(self.problem, self.centres, self.assignment, task.territories)
        now = (part.centres, part.assignment)
        before = part.problem.cost_of(*now)
        answer = None
        if self.resolve is not None:
            answer = self.resolve(part.problem, incumbent=now, effort=EXACT_EFFORT, seed=task.seed)
        if answer is None or answer.assignment is None or answer.centres is None or answer.objective is None:
            old = self.centres[task.territories], self.assignment[part.units]
            return Found(task.territories, part.units, *old, 0.0, False, False)
        return Found(
            task.territories,
            part.units,
            part.candidates[answer.centres],
            task.territories[answer.assignment].astype(np.int32),
            before - answer.objective,
            True,
            answer.optimal,
        )
