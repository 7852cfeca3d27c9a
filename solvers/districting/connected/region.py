"""Some territories of an answer, opened for the moves at their borders: arrays in step with the whole problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.checks import pieces
from solvers.districting.connected.borders import (
    BEST,
    BEST_OF,
    BROKEN,
    HOME,
    LOWER,
    MOST,
    MOVED,
    OBJECTIVE,
    PRICE,
    SCALE,
    UPPER,
    Division,
    Ground,
    survey,
)
from solvers.districting.connected.boundary import anneal, descend
from solvers.districting.connected.connectivity import Scratch
from solvers.districting.connected.contiguous_start import hand_over, keep_pieces
from solvers.districting.problem import Graph
from solvers.districting.whole.parts import induced
from solvers.problem import LIMIT_SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import CentreCosts, DistrictingProblem

FORBIDDEN_FACTOR = 1e6
"""A pair that is not allowed costs this times the largest cost seen: never worth it, and yet no infinity in the sums."""

HARD = 1e5
"""A violation by one typical unit costs this times a typical step where limits are to be kept before all else."""

CARRIED = 24
"""Units that may go along with one that would cut them off. More than that is better done unit by unit."""

FINE = 0.1

LEAST_GAIN = 1e-7
"""A move must gain this fraction of a typical step, so that rounding does not keep the descent going."""

SPREAD = 0.02
"""Fraction of the limit on what changes hands beyond which the square of a violation tells."""

WHOLLY = 100
"""Units up to which every candidate of a territory is tried as its centre."""

WANDERINGS = 20
"""Steps of a large territory's centre at a time."""


class Region:
    """Some territories with their units, numbered from 0.

    Attributes
    ----------
    territories, units : ndarray of int64
        Rows in the whole.
    centres : ndarray of int64, shape (n_region_territories,)
        Candidates of the whole.
    step, fine : float
        What a border unit's going next door changes in cost: on average, the measure of temperatures and prices; and
        what nine of ten change more than.
    """

    def __init__(
        self,
        problem: DistrictingProblem,
        costs: CentreCosts,
        own: OwnCandidates,
        centres: NDArray[np.int64],
        assignment: NDArray[np.int32],
        territories: NDArray[np.int64],
        homeless: NDArray[np.int64],
        spare: float = np.inf,
    ) -> None:
        """Open some territories; ``spare`` is how much more may change hands in them than now, below 0: how much less must."""
        self.problem, self.costs, self.own, self.homeless = problem, costs, own, homeless
        self.territories = territories
        position = np.full(problem.n_territories, -1, np.int32)
        position[territories] = np.arange(len(territories), dtype=np.int32)
        self.units = np.flatnonzero(position[assignment] >= 0)
        self.centres = centres[territories].copy()
        self.whole = len(territories) == problem.n_territories
        if problem.graph is None:
            raise ValueError("a problem without a graph has no borders")
        graph = problem.graph if self.whole else induced(problem.graph, self.units)
        self.allowed = problem.class_allowed[:, territories][problem.class_of[self.units]]
        fixed = problem.fixed[self.units]
        locked = np.flatnonzero(fixed >= 0)
        self.allowed[locked] = position[fixed[locked], None] == np.arange(len(territories))
        # One layout for every array: the compiled moves are compiled once.
        cost = np.array(costs.submatrix(self.units, self.centres), order="C")
        finite = cost[np.isfinite(cost)]
        forbidden = FORBIDDEN_FACTOR * (1.0 + float(finite.max(initial=0.0)))
        cost[~self.allowed | ~np.isfinite(cost)] = forbidden
        load = np.array(problem.loads[:, self.units].T, order="C")
        # Half of the slack that the check allows for summation: sums kept step by step and sums made anew both fit.
        slack = 0.5 * LIMIT_SLACK
        lower, upper = problem.lower[:, territories], problem.upper[:, territories]
        with np.errstate(invalid="ignore"):
            low = lower - slack * np.maximum(1.0, np.abs(lower))
            high = upper + slack * np.maximum(1.0, np.abs(upper))
        self.typical = np.array([row[row > 0].mean() if np.any(row > 0) else 1.0 for row in np.abs(load.T)])
        width = np.where(np.isfinite(upper - lower), upper - lower, 0.0).mean(axis=1) / 2
        n, m, k = len(self.units), len(territories), problem.n_measures
        self.ground = Ground(
            graph.start,
            graph.neighbour,
            cost,
            load,
            np.ascontiguousarray(np.stack([low, high, problem.target[:, territories]])),
            np.ascontiguousarray(np.stack([problem.target_weight, np.zeros(k), np.maximum(width, self.typical)])),
            *self._budget(position[assignment[self.units]], spare),
            forbidden,
        )
        self.division = Division.of(n, k, m)
        self._set_homes()
        self.scratch = Scratch.of(graph)
        self.load(position[assignment[self.units]])
        self.step, self.fine = self._steps()

    def _budget(self, assignment: NDArray[np.int32], spare: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what changes hands by unit and territory, and the limit on it in this region."""
        disruption = self.problem.limit
        self.typical_moved = 1.0
        if disruption is None:
            return np.empty((0, 0)), np.array([np.inf, 0.0, 1.0])
        moved = np.array(disruption.between(self.units, self.territories), order="C")
        if np.any(moved > 0):
            self.typical_moved = float(moved[moved > 0].mean())
        most = float(moved[np.arange(len(moved)), assignment].sum()) + spare
        slack = 0.5 * LIMIT_SLACK * max(1.0, disruption.limit)
        return moved, np.array([most + slack, 0.0, max(SPREAD * disruption.limit, self.typical_moved)])

    def load(self, assignment: NDArray[np.int32]) -> None:
        """Take an assignment of the region's units."""
        self.division.assignment[:] = assignment
        survey(self.ground, self.division)

    def _set_homes(self) -> None:
        home = self.problem.candidate_unit[self.centres]
        at = np.searchsorted(self.units, np.maximum(home, 0))
        at = np.minimum(at, len(self.units) - 1)
        self.division.territory[:, HOME] = np.where((home >= 0) & (self.units[at] == home), at, -1)

    def _steps(self) -> tuple[float, float]:
        """Return ``step`` and ``fine``."""
        g, d = self.ground, self.division
        row = np.repeat(np.arange(len(self.units)), np.diff(g.start))
        there = d.assignment[g.neighbour]
        border = d.assignment[row] != there
        change = np.abs(g.table[row[border], there[border]] - g.table[row[border], d.assignment[row[border]]])
        change = change[(change > 0) & (change < 0.5 * g.forbidden)]
        if not len(change):
            change = g.table[(g.table > 0) & (g.table < g.forbidden)]
        if not len(change):
            return 1.0, 1.0
        return float(change.mean()), float(np.quantile(change, FINE))

    @property
    def assignment(self) -> NDArray[np.int32]:
        """Territory of each of the region's units."""
        return self.division.assignment

    @property
    def best_assignment(self) -> NDArray[np.int32]:
        """The best assignment met since one was loaded that keeps every limit; see ``best_objective``."""
        return self.division.unit[:, BEST_OF].copy()

    @property
    def best_objective(self) -> float:
        """What it costs; inf where there is none."""
        return float(self.division.values[BEST])

    @property
    def feasible(self) -> bool:
        """Whether every limit holds."""
        return int(self.division.counts[BROKEN]) == 0

    @property
    def objective(self) -> float:
        """What the present assignment costs."""
        return float(self.division.values[OBJECTIVE])

    def violation(self) -> float:
        """Return how far limits are broken, in typical units."""
        g, totals = self.ground, self.division.totals
        over = np.maximum(np.maximum(totals - g.limit[UPPER], g.limit[LOWER] - totals), 0.0)
        return float((over / self.typical[:, None]).sum()) + self._too_much_moved() / self.typical_moved

    def _too_much_moved(self) -> float:
        """Return by how much what changes hands exceeds its limit."""
        return max(0.0, float(self.division.values[MOVED] - self.ground.budget[MOST]))

    def price(self, factor: float | NDArray[np.float64], moved: float = HARD) -> None:
        """Set what a violation by one typical unit costs, in typical steps: of each measure, and of what changes hands."""
        self.ground.rate[PRICE] = factor * self.step / self.typical
        self.ground.budget[PRICE] = moved * self.step / self.typical_moved

    def recentre(self) -> bool:
        """Move each centre to the best candidate in its territory's own units; return whether any moved.

        A large territory's is looked for by going from unit to unit, as long as that gains: sums of distances have
        one valley.
        """
        if self.problem.centres is not None:
            return False
        moved = False
        order = np.argsort(self.division.assignment, kind="stable")
        ends = np.searchsorted(self.division.assignment[order], np.arange(len(self.territories) + 1))
        for t in range(len(self.territories)):
            inside = order[ends[t] : ends[t + 1]]
            if len(inside) <= WHOLLY:
                moved |= self._recentre_among(t, inside, inside)
                continue
            for _ in range(WANDERINGS):
                around = self._around(int(self.division.territory[t, HOME]), t)
                if not len(around) or not self._recentre_among(t, inside, around):
                    break
                moved = True
        if moved:
            self.load(self.division.assignment.copy())
        return moved

    def _around(self, home: int, t: int) -> NDArray[np.int64]:
        """Return the units of a territory within two steps of its centre's; a sample of all where that is nowhere."""
        if home < 0:
            inside = np.flatnonzero(self.division.assignment == t)
            return inside[:: -(-len(inside) // WHOLLY)]
        near = np.array([home])
        for _ in range(2):
            rows = [self.ground.neighbour[self.ground.start[u] : self.ground.start[u + 1]] for u in near]
            near = np.unique(np.concatenate([near, *rows]))
            near = near[self.division.assignment[near] == t]
        return near

    def _recentre_among(self, t: int, inside: NDArray[np.int64], where: NDArray[np.int64]) -> bool:
        """Move a centre to the best candidate in some of its territory's units; return whether it moved."""
        units = self.units[inside]
        choice = self.own.of(self.units[where])
        if len(self.homeless):
            choice = np.concatenate([choice, np.setdiff1d(self.homeless, self.centres)])
        if not len(choice):
            return False
        now = self.costs.submatrix(units, self.centres[t : t + 1]).sum()
        total = self.costs.submatrix(units, choice).sum(axis=0)
        home = self.problem.candidate_unit[choice]
        locked = np.where(home >= 0, self.problem.fixed[np.maximum(home, 0)], -1)
        total[(locked >= 0) & (locked != self.territories[t])] = np.inf
        best = int(total.argmin())
        if not total[best] < now * (1 - 1e-12):
            return False
        self._set_centre(t, int(choice[best]))
        self._set_homes()
        return True

    def value(self) -> float:
        """Return objective and tolls at prices that put limits before all else: what answers are compared by."""
        g, totals = self.ground, self.division.totals
        over = np.maximum(np.maximum(totals - g.limit[UPPER], g.limit[LOWER] - totals), 0.0)
        price = (HARD * self.step / self.typical)[:, None]
        beyond = self._too_much_moved()
        toll = HARD * self.step / self.typical_moved * beyond * (1.0 + beyond / float(g.budget[SCALE]))
        return self.objective + float((price * over * (1.0 + over / g.rate[SCALE][:, None])).sum()) + toll

    def reseed(self, centres: NDArray[np.int64]) -> None:
        """Move centres and give every unit to the nearest of them that it hangs together with."""
        self.centres[:] = centres
        cost = np.array(self.costs.submatrix(self.units, self.centres), order="C")
        cost[~self.allowed | ~np.isfinite(cost)] = self.ground.forbidden
        self.ground.table[:] = cost
        self._set_homes()
        home = self.division.territory[:, HOME]
        assignment = cost.argmin(axis=1).astype(np.int32)
        inside = np.flatnonzero(home >= 0)
        assignment[home[inside]] = inside
        graph = Graph(self.ground.start, self.ground.neighbour)
        assignment = keep_pieces(graph, assignment, home.astype(np.int64))

        def price(unit: NDArray[np.int64], territory: NDArray[np.int64]) -> NDArray[np.float64]:
            at = cost[unit, territory]
            return np.where(at < self.ground.forbidden, at, np.inf)

        hand_over(graph, assignment, len(self.territories), price)
        lost = np.flatnonzero(assignment < 0)
        assignment[lost] = cost[lost].argmin(axis=1)
        self.load(assignment)

    def pieces(self) -> int:
        """Return how many pieces the territories are in, all together."""
        graph = Graph(self.ground.start, self.ground.neighbour)
        return int(pieces(graph, self.division.assignment, len(self.territories)).sum())

    def broken(self) -> NDArray[np.bool_]:
        """Return which measures break a limit somewhere."""
        g, totals = self.ground, self.division.totals
        outside = (totals > g.limit[UPPER]) | (totals < g.limit[LOWER])
        anywhere: NDArray[np.bool_] = outside.any(axis=1)
        return anywhere

    def beyond_budget(self) -> bool:
        """Return whether more changes hands than may."""
        return self._too_much_moved() > 0.0

    def restore(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> None:
        """Take centres and an assignment."""
        for t in np.flatnonzero(centres != self.centres):
            self._set_centre(int(t), int(centres[t]))
        self._set_homes()
        self.load(assignment)

    def _set_centre(self, t: int, candidate: int) -> None:
        self.centres[t] = candidate
        column = self.costs.submatrix(self.units, self.centres[t : t + 1])[:, 0]
        self.ground.table[:, t] = np.where(self.allowed[:, t] & np.isfinite(column), column, self.ground.forbidden)

    def anneal(self, random: NDArray[np.uint64], temperature: float, steps: int, chained: float = 0.3) -> None:
        """Draw moves at a temperature given in typical steps."""
        anneal(self.ground, self.division, self.scratch, random, temperature * self.step, steps, chained, CARRIED)

    def descend(self, order: NDArray[np.int32], work: int, *, chains: bool = True) -> int:
        """Take every gaining move until there is none or the work is done; return how many were made."""
        return descend(self.ground, self.division, self.scratch, order, LEAST_GAIN * self.step, CARRIED, chains, work)


class OwnCandidates:
    """The candidates in each unit, as compressed rows."""

    def __init__(self, candidate_unit: NDArray[np.int32], n_units: int) -> None:
        self.order: NDArray[np.int64] = np.argsort(candidate_unit, kind="stable")
        self.start = np.searchsorted(candidate_unit[self.order], np.arange(n_units + 1))
        self.alone = bool(np.all(np.diff(self.start) == 1)) and self.start[0] == 0

    def of(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the candidates in some units."""
        if self.alone:
            return self.order[units]
        counts = self.start[units + 1] - self.start[units]
        offset = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        own: NDArray[np.int64] = self.order[np.repeat(self.start[units], counts) + offset]
        return own
