"""Small problems whole: alternation with exact assignments, exact parts, and then everything at once for the proof.

With centres given, a problem of some hundred units is solved exactly in a fraction of a second. So the classic
alternation (assign, recentre) is run with exact assignments from many starts, and what it finds is improved by solving
two, three and four territories at a time with centres free, until no such part can be better. What is then left is to
prove it.

Source: alternation, Hess et al. 1965 and Cooper 1964; exact neighbourhoods, Stefanello, de Araújo & Müller 2015.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from solvers.districting.bound.multipliers import ascend
from solvers.districting.checks import broken_rules
from solvers.districting.whole.exact import GAP_CALLED_OPTIMAL, relaxed_assignment, solve_exactly
from solvers.districting.whole.fixing import fix
from solvers.districting.whole.parts import subproblem
from solvers.problem import CACHE_PAIRS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from solvers.districting.bound.multipliers import Multipliers
    from solvers.districting.problem import DistrictingProblem

STARTS = 40
"""Alternations with relaxed assignments, from centres of their own: a linear program of units × territories a step."""

FINISHED = 6
"""How many of them, of different centres and least relaxed cost, are carried on with exact assignments."""

START_EFFORT = 2.0
PART_EFFORT = 4.0
"""Effort of one assignment with centres given, and of one part: either mostly ends long before."""

PARTS_OF = (2, 3, 4)
"""Territories solved at a time; no more than half of them, beyond two: the whole itself is tried anyway."""

WHOLE_PAIRS = 30_000
"""Pairs of unit and candidate up to which the whole is one integer program: with more its relaxation takes minutes."""

FEW_PAIRS = 1_500
"""With no more pairs open the whole is tried before any part: it takes no longer than they do together."""

WHOLE_ASCENT_ROUNDS = 8
"""Rounds of the ascent whose multipliers rule out pairs of the whole."""

START_COLUMNS = 400_000
"""Columns of all relaxed assignments together: what bounds the work of the starts where problems are larger."""

FIRST_WHOLE_EFFORT, WHOLE_EFFORT_GROWTH, WHOLE_TRIES = 10.0, 8.0, 6
"""The whole is tried with this effort, then with so many times more: what is repeated is an eighth of the whole work.
The last of so many tries would take days: whoever wants to stop earlier says so."""


@dataclass(frozen=True, eq=False)
class SmallAnswer:
    """The best answer, and what is proved about it.

    Attributes
    ----------
    centres : ndarray of int64, shape (n_territories,), or None
    assignment : ndarray of int32, shape (n_units,), or None
    objective : float or None
    bound : float
        Nothing costs less; −inf where nothing was proved, +inf where no answer exists.
    optimal : bool
    infeasible : bool
        HiGHS found no answer, within its tolerances: ``infeasible.prove_infeasible`` proves it in whole numbers.
    proof : dict
        ``{"kind": "prices"}`` where ``multipliers`` prove the bound, ``{"kind": "search", …}`` with what it takes to
        repeat the search that did; empty when nothing was proved.
    multipliers : Multipliers or None
        What the ascent over the whole problem found, where there was one: a bound of its own.
    rounds : int
        Exact searches done.
    """

    centres: NDArray[np.int64] | None
    assignment: NDArray[np.int32] | None
    objective: float | None
    bound: float
    optimal: bool
    infeasible: bool
    proof: dict[str, Any] = field(default_factory=dict)
    multipliers: Multipliers | None = None
    rounds: int = 0


def recentred(problem: DistrictingProblem, assignment: NDArray[np.int32]) -> NDArray[np.int64] | None:
    """Return the cheapest centres for an assignment, each candidate at most once; None when there are none."""
    if problem.centres is not None:
        return problem.centres
    table = problem.costs.columns(np.arange(problem.costs.n_candidates))
    m = problem.n_territories
    if table.shape[1] < m:
        return None
    member = np.zeros((m, problem.n_units))
    member[assignment, np.arange(problem.n_units)] = 1.0
    forbidden = ~np.isfinite(table)
    cost = member @ np.where(forbidden, 0.0, table)
    home = problem.candidate_unit
    outside = (home >= 0)[None, :] & (assignment[home][None, :] != np.arange(m)[:, None])
    bad = outside | (member @ forbidden > 0)
    # More than any choice of allowed pairs costs, so that a forbidden one shows.
    cost[bad] = 1.0 + 2.0 * m * float(np.abs(cost[~bad]).max(initial=1.0))
    row, column = linear_sum_assignment(cost)
    if bad[row, column].any():
        return None
    return column[np.argsort(row)].astype(np.int64)


class _Small:
    def __init__(
        self,
        problem: DistrictingProblem,
        should_stop: Callable[[], bool],
        rng: np.random.Generator,
        report: Callable[[float, float], None],
        seconds_left: Callable[[], float | None],
    ) -> None:
        self.seconds_left = seconds_left
        self.problem, self.should_stop, self.rng, self.report = problem, should_stop, rng, report
        self.best: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None
        self.value, self.bound = np.inf, -np.inf
        self.infeasible = False
        self.rounds = 0
        self.proof: dict[str, Any] = {}
        self.multipliers: Multipliers | None = None
        # The costs known when the ascent began and when pairs were last ruled out.
        self.known: tuple[float, float] | None = None
        self.table = problem.costs.columns(np.arange(problem.costs.n_candidates))

    def offer(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> None:
        value = self.problem.cost_of(centres, assignment)
        if value < self.value and not broken_rules(self.problem, centres, assignment):
            self.best, self.value = (centres, assignment), value
            self.report(self.value, self.bound)

    def seed(self) -> int:
        return int(self.rng.integers(2**31 - 1))

    def spread_centres(self) -> NDArray[np.int64] | None:
        """Draw centres far apart, then alternate them with nearest assignment, limits ignored."""
        table, problem = self.table, self.problem
        scale = np.where(np.isfinite(table), table, np.nanmax(np.where(np.isfinite(table), table, np.nan), initial=1.0))
        m, home = problem.n_territories, problem.candidate_unit
        chosen = [int(self.rng.integers(table.shape[1]))]
        while len(chosen) < m:
            # Candidates of one unit exclude each other: it can belong to one territory only.
            taken = np.isin(home, home[chosen]) & (home >= 0)
            taken[chosen] = True
            if taken.all():
                return None
            nearest = scale[:, chosen].min(axis=1)
            gain = np.maximum(nearest[:, None] - scale, 0.0).sum(axis=0)
            gain[taken] = -1.0
            few = np.argsort(-gain, kind="stable")[: max(3, table.shape[1] // 8)]
            chosen.append(int(self.rng.choice(few[~taken[few]])))
        centres = np.array(chosen, np.int64)
        for _ in range(10):
            assignment = scale[:, centres].argmin(axis=1).astype(np.int32)
            own = home[centres]
            assignment[own[own >= 0]] = np.flatnonzero(own >= 0)
            moved = recentred(problem, assignment)
            if moved is None or np.array_equal(moved, centres):
                break
            centres = moved
        return self.rng.permutation(centres) if not problem.alike else centres

    def begin(self) -> None:
        """Alternate with relaxed assignments from many starts, and with exact ones from where the best of them end."""
        ends: dict[bytes, tuple[float, NDArray[np.int64]]] = {}
        columns = 0
        for _ in range(STARTS):
            if self.should_stop() or columns > START_COLUMNS:
                break
            centres = self.spread_centres()
            for _ in range(10):
                columns += self.problem.n_units * self.problem.n_territories
                found = None if centres is None else relaxed_assignment(replace(self.problem, centres=centres), 0)
                if centres is None or found is None:
                    break
                key = (np.sort(centres) if self.problem.alike else centres).tobytes()
                if key in ends:
                    break
                ends[key] = (found[0], centres)
                centres = recentred(self.problem, found[1])
        for _, centres in sorted(ends.values(), key=lambda end: end[0])[:FINISHED]:
            self.alternate(centres)

    def alternate(self, centres: NDArray[np.int64]) -> None:
        """Assign exactly and recentre until nothing moves."""
        known: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None
        for _ in range(20):
            if self.should_stop():
                return
            self.rounds += 1
            found = solve_exactly(
                replace(self.problem, centres=centres), incumbent=known, effort=START_EFFORT, seed=self.seed()
            )
            if found.assignment is None:
                return
            self.offer(centres, found.assignment)
            moved = recentred(self.problem, found.assignment)
            if moved is None or np.array_equal(moved, centres):
                return
            centres, known = moved, (moved, found.assignment)

    def improve(self) -> None:
        """Solve parts exactly until none is better."""
        tried: set[tuple[bytes, ...]] = set()
        size = 0
        while size < len(PARTS_OF) and self.best is not None and not self.should_stop():
            m = self.problem.n_territories
            if PARTS_OF[size] >= m or PARTS_OF[size] > max(2, (m - 1) // 2):
                return
            before = self.value
            for group in self.groups(PARTS_OF[size]):
                if self.should_stop():
                    return
                centres, assignment = self.best
                key = tuple(sorted(np.flatnonzero(assignment == t).tobytes() for t in group))
                if key in tried:
                    continue
                tried.add(key)
                part = subproblem(self.problem, centres, assignment, np.array(group))
                self.rounds += 1
                found = solve_exactly(
                    part.problem, incumbent=(part.centres, part.assignment), effort=PART_EFFORT, seed=self.seed()
                )
                if found.centres is not None and found.assignment is not None:
                    self.offer(*part.written_back(centres, assignment, found.centres, found.assignment))
            size = 0 if self.value < before else size + 1

    def groups(self, size: int) -> list[tuple[int, ...]]:
        """Return groups of territories that lie together, in random order."""
        if self.best is None:
            return []
        near = self.touching(*self.best)
        groups = []
        for group in combinations(range(self.problem.n_territories), size):
            seen = {group[0]}
            for _ in group:
                seen |= {t for t in group if near[list(seen), t].any()}
            if len(seen) == size:
                groups.append(group)
        return [groups[i] for i in self.rng.permutation(len(groups))]

    def touching(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which territories may exchange units: those that touch, or whose centres are near to their units."""
        m, graph = self.problem.n_territories, self.problem.graph
        near = np.zeros((m, m), np.bool_)
        if graph is not None:
            row = np.repeat(np.arange(self.problem.n_units), np.diff(graph.start))
            near[assignment[row], assignment[graph.neighbour]] = True
        else:
            order = np.argsort(self.table[:, centres], axis=1, kind="stable")[:, :3]
            for column in range(order.shape[1]):
                near[assignment, order[:, column]] = True
        return near | near.T

    def prove(self) -> None:
        """Solve the whole problem with ever more nodes, until it is closed."""
        for tried in range(WHOLE_TRIES):
            if not self.try_whole(FIRST_WHOLE_EFFORT * WHOLE_EFFORT_GROWTH**tried, WHOLE_PAIRS):
                return

    def try_whole(self, effort: float, most: int) -> bool:
        """Solve the whole problem, if at most so many pairs are open; return whether more effort could bring more."""
        if self.should_stop() or self.closed():
            return False
        open_pairs = self.narrow()
        if self.closed() or self.should_stop():
            return False
        given, problem = self.problem.centres is not None, self.problem
        pairs = problem.n_units * (problem.n_territories if given else problem.costs.n_candidates)
        if (pairs if open_pairs is None else int(open_pairs.sum())) > most:
            return False
        seed, before = self.seed(), (self.value, self.bound)
        self.rounds += 1
        found = solve_exactly(
            self.problem,
            incumbent=self.best,
            effort=effort,
            seed=seed,
            open_pairs=open_pairs,
            seconds=self.seconds_left(),
        )
        self.infeasible = found.infeasible
        if found.bound > self.bound:
            self.bound = found.bound
            # Which pairs were left out follows from the known cost, the measure and the rounds of the ascent.
            self.proof = {
                "kind": "search",
                "solver": "HiGHS (OR-Tools MathOpt)",
                "version": version("ortools"),
                "parameters": {
                    "effort": effort,
                    "seed": seed,
                    "nodes": found.nodes,
                    "known": self.known,
                    "measure": None if self.multipliers is None else self.multipliers.measure,
                    "ascent_rounds": WHOLE_ASCENT_ROUNDS,
                },
            }
        if found.centres is not None and found.assignment is not None:
            self.offer(found.centres, found.assignment)
        if self.bound > before[1]:
            self.report(self.value, self.bound)
        return not self.infeasible

    def narrow(self) -> NDArray[np.bool_] | None:
        """Return the pairs of unit and candidate that may be in a better answer, by multipliers; None: not known."""
        size = self.problem.n_units * self.problem.costs.n_candidates
        if self.best is None or self.problem.centres is not None or size > CACHE_PAIRS:
            return None
        if self.multipliers is None:
            self.multipliers = ascend(
                self.problem, upper_value=self.value, should_stop=self.should_stop, rounds=WHOLE_ASCENT_ROUNDS
            )
            self.known = (self.value, self.value)
            if self.multipliers.bound > self.bound:
                self.bound = self.multipliers.bound
                self.proof = {"kind": "prices"}
                self.report(self.value, self.bound)
        if self.known is not None:
            self.known = (self.known[0], self.value)
        return fix(self.problem, self.multipliers.values, self.multipliers.measure, self.value).pair

    def closed(self) -> bool:
        if self.best is None:
            return False
        return self.value - self.bound <= GAP_CALLED_OPTIMAL * max(abs(self.value), 1e-9)

    def answer(self) -> SmallAnswer:
        bound = min(self.bound, self.value) if self.best is not None else self.bound
        centres, assignment = (None, None) if self.best is None else self.best
        value = None if self.best is None else self.value
        return SmallAnswer(
            centres,
            assignment,
            value,
            bound,
            self.closed(),
            self.infeasible,
            self.proof,
            self.multipliers,
            self.rounds,
        )


def solve_small(
    problem: DistrictingProblem,
    *,
    should_stop: Callable[[], bool],
    rng: np.random.Generator,
    report: Callable[[float, float], None],
    rounds: int | None = None,
    incumbent: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None,
    seconds_left: Callable[[], float | None] = lambda: None,
) -> SmallAnswer:
    """Solve a problem of up to a few hundred units, if possible to proven optimality.

    Parameters
    ----------
    problem : DistrictingProblem
    should_stop : callable
        Asked between exact searches.
    rng : numpy.random.Generator
    report : callable
        Told the objective and the bound whenever one of them is better.
    rounds : int or None
        Stop after so many exact searches; None for no such limit.
    incumbent : tuple of ndarray or None
        Centres and assignment to begin with.
    seconds_left : callable
        How long a single search over the whole may take before it gives up, None: however long. It decides when to
        stop, and how good the bound is then, never what is found.
    """
    small = _Small(problem, lambda: should_stop() or small.rounds == rounds, rng, report, seconds_left)
    if incumbent is not None:
        small.offer(*incumbent)
    if problem.centres is None:
        small.begin()
        small.try_whole(FIRST_WHOLE_EFFORT, FEW_PAIRS)
        small.improve()
    small.prove()
    return small.answer()
