"""Local search at fixed centres over each unit's few nearest: shift, swap and relay, for problems of any size.

The same moves, prices and random numbers as the walks of ``annealing``, but a unit's cost does not depend on the others,
so a move takes the same short time in a territory of ten units or ten thousand. Where one measure counts alike units and
nothing else is asked, the optimal assignment comes from a min-cost flow instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from scipy.spatial import cKDTree

from solvers.candidates import Candidates
from solvers.districting.centres.sites import in_space, unit_places
from solvers.districting.centres.territories import FINE, KINDS, NOBODY, Rules, draw, toll
from solvers.districting.problem import PlaceCosts
from solvers.flow import counts_alike_units, least_cost_flow
from solvers.move_effects import NOT_COUNTED, UNLIMITED
from solvers.problem import AssignmentProblem
from solvers.relays import relay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

NEAR_CENTRES = 12
"""Centres a unit may go to: with the sixth neighbour of a typical territory and room for unequal ones."""

MENDING_PASSES, MENDING_TRIES = 3, 4
"""Passes over the measures, and chains tried in each for every territory."""

FLOW_PAIRS = 15_000_000
"""The flow takes a minute and two gigabytes for this many pairs; larger problems are left to shifts."""


@njit(cache=True, nogil=True)
def _settle(
    rules: Rules,
    start: NDArray[np.int64],
    territory: NDArray[np.int64],
    cost: NDArray[np.float64],
    back_start: NDArray[np.int64],
    back: NDArray[np.int64],
    unit_of: NDArray[np.int64],
    pair: NDArray[np.int64],
    totals: NDArray[np.float64],
    random: NDArray[np.uint64],
    moves: int,
    hot: float,
    ratio: float,
    stages: int,
    price: float,
    rise: float,
) -> None:
    """Try moves at falling temperature; change ``pair`` and ``totals`` in place.

    ``back`` lists the pairs of each territory, so that a unit of a territory is found by drawing from them.
    """
    n = pair.shape[0]
    temperature = hot
    for _ in range(stages):
        for _ in range(moves):
            i = draw(random, n)
            here = pair[i]
            a = territory[here]
            e = start[i] + draw(random, start[i + 1] - start[i])
            b = territory[e]
            if a == b:
                continue
            threshold = -temperature * math.log((draw(random, FINE) + 1.0) / (1 << 30))
            delta = cost[e] - cost[here]
            leave = toll(rules, totals, price, a, i, NOBODY)
            if delta + leave + toll(rules, totals, price, b, NOBODY, i) <= threshold:
                pair[i] = e
                for k in range(totals.shape[0]):
                    totals[k, a] -= rules.loads[k, i]
                    totals[k, b] += rules.loads[k, i]
                continue
            # One that makes way: drawn from the pairs of the territory it would go on to, until one is now in b.
            c = a
            if 2 * draw(random, KINDS) < KINDS:
                c = territory[start[i] + draw(random, start[i + 1] - start[i])]
                if c == b:
                    continue
            for _ in range(6):
                if back_start[c + 1] == back_start[c]:
                    break
                f = back[back_start[c] + draw(random, back_start[c + 1] - back_start[c])]
                k_unit = unit_of[f]
                there = pair[k_unit]
                if territory[there] != b or k_unit == i:
                    continue
                total = delta + cost[f] - cost[there] + toll(rules, totals, price, b, k_unit, i)
                if c == a:
                    total += toll(rules, totals, price, a, i, k_unit)
                else:
                    total += leave + toll(rules, totals, price, c, NOBODY, k_unit)
                if total <= threshold:
                    pair[i] = e
                    pair[k_unit] = f
                    for k in range(totals.shape[0]):
                        totals[k, a] -= rules.loads[k, i]
                        totals[k, b] += rules.loads[k, i] - rules.loads[k, k_unit]
                        totals[k, c] += rules.loads[k, k_unit]
                break
        temperature *= ratio
        price *= rise


@dataclass(frozen=True, eq=False)
class Reach:
    """Which territories each unit may go to, at given centres, and at what cost.

    Attributes
    ----------
    candidates : Candidates
    pair : ndarray of int64, shape (n_units,)
        The present pairs.
    """

    candidates: Candidates
    pair: NDArray[np.int64]


class Settling:
    """Assigns the units of a problem at given centres, from an assignment at hand."""

    def __init__(self, problem: DistrictingProblem, rules: Rules) -> None:
        self.problem, self.rules = problem, rules
        self.places = unit_places(problem)
        self.may = None if problem.alike else problem.class_allowed

    def reach(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> Reach:
        """Return each unit's nearest centres that may have it, its present territory among them.

        The unit of a centre stays where it is.
        """
        problem = self.problem
        n, m = problem.n_units, problem.n_territories
        near = self._nearest(centres)
        units = np.concatenate([np.repeat(np.arange(n), near.shape[1]), np.arange(n)])
        territory = np.concatenate([near.ravel(), assignment])
        keep = (territory >= 0) & (territory == np.minimum(territory, m - 1))
        bound = np.where(problem.fixed >= 0, assignment, -1).astype(np.int64)
        home = problem.candidate_unit[centres]
        bound[home[home >= 0]] = assignment[home[home >= 0]]
        keep &= (bound[units] < 0) | (bound[units] == territory)
        keep &= problem.class_allowed[problem.class_of[units], np.maximum(territory, 0)] | (
            territory == assignment[units]
        )
        keys = np.unique(units[keep] * m + territory[keep])
        unit, territory = keys // m, (keys % m).astype(np.int32)
        cost = np.empty(len(keys))
        order = np.argsort(territory, kind="stable")
        ends = np.searchsorted(territory[order], np.arange(m + 1))
        for t in range(m):
            pairs = order[ends[t] : ends[t + 1]]
            if len(pairs):
                cost[pairs] = problem.costs.submatrix(unit[pairs], centres[t : t + 1])[:, 0]
        own = territory == assignment[unit]
        finite = np.isfinite(cost)
        if not finite.all():
            # Where a unit is now may be too far: dear enough to leave, never taken anew.
            cost[~finite] = 1e3 * max(float(cost[finite].max(initial=0.0)), 1e-9)
            kept = finite | own
            unit, territory, cost, own = unit[kept], territory[kept], cost[kept], own[kept]
        start = np.searchsorted(unit, np.arange(n + 1)).astype(np.int64)
        load = np.ascontiguousarray(problem.loads[:, unit])
        return Reach(Candidates(start, territory, cost, load), np.flatnonzero(own))

    def _nearest(self, centres: NDArray[np.int64]) -> NDArray[np.int64]:
        problem = self.problem
        m = problem.n_territories
        count = min(NEAR_CENTRES, m)
        costs = problem.costs
        out = np.full((problem.n_units, count), -1, np.int64)
        for c in range(len(problem.class_allowed)):
            members = np.flatnonzero(problem.class_of == c)
            open_to = np.flatnonzero(problem.class_allowed[c])
            take = min(count, len(open_to))
            if take == 0 or len(members) == 0:
                continue
            if self.places is not None and isinstance(costs, PlaceCosts):
                homes = in_space(costs.candidates[centres[open_to]], spherical=costs.spherical)
                _, found = cKDTree(homes).query(self.places[members], k=take)
                found = np.asarray(found).reshape(len(members), take)
            else:
                table = costs.submatrix(members, centres[open_to])
                found = np.argpartition(table, take - 1, axis=1)[:, :take]
            out[members, :take] = open_to[found]
        return out

    def flows(self, reach: Reach) -> NDArray[np.int32] | None:
        """Return the optimal assignment over the candidates where it is a flow and not too large a one, or None."""
        problem = self.problem
        if problem.target_weight.any() or reach.candidates.n_pairs > FLOW_PAIRS:
            return None
        alike = AssignmentProblem(
            _NoCosts(problem.n_units, problem.n_territories), problem.loads, problem.lower, problem.upper
        )
        if not counts_alike_units(alike):
            return None
        found = least_cost_flow(alike, reach.candidates)
        return None if found is None else found[0]

    def shifts(
        self, reach: Reach, seed: int, *, hot: float, price: float, stages: int, moves_a_unit: int
    ) -> NDArray[np.int32]:
        """Return the assignment that shifts, swaps and relays lead to.

        Parameters
        ----------
        hot : float
            Temperature of the first stage; the last is at a thousandth.
        price : float
            Of a limit broken by a usual load, in the first stage; a hundredfold in the last.
        """
        c = reach.candidates
        unit_of = c.unit()
        back = np.argsort(c.territory, kind="stable").astype(np.int64)
        m = self.problem.n_territories
        back_start = np.searchsorted(c.territory[back], np.arange(m + 1)).astype(np.int64)
        pair = reach.pair.astype(np.int64)
        totals = self.problem.loads_of(c.territory[pair])
        step = 1.0 / max(1, stages - 1)
        random = np.array([seed], np.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
        _settle(
            self.rules,
            c.start,
            c.territory.astype(np.int64),
            c.cost,
            back_start,
            back,
            unit_of,
            pair,
            totals,
            random,
            moves_a_unit * self.problem.n_units,
            hot,
            1e-3**step,
            stages,
            price,
            100.0**step,
        )
        self._mend(c, pair, totals, 1e3 * price)
        return c.territory[pair].astype(np.int32)

    def _mend(self, c: Candidates, pair: NDArray[np.int64], totals: NDArray[np.float64], price: float) -> None:
        """Hand units on along chains of territories until limits hold, if they can; change ``pair`` in place.

        Units drawn at random seldom are of the few territories that are still off.
        """
        lower, upper = self.rules.lower, self.rules.upper
        penalty = np.broadcast_to(price / self.rules.scale[:, None], lower.shape).copy()
        soft = np.flatnonzero(self.rules.target_weight > 0).astype(np.int64)
        target = self.rules.target[soft]
        weight = np.broadcast_to(self.rules.target_weight[soft][:, None], target.shape)
        aims = np.array([target, weight, weight])
        for _ in range(MENDING_PASSES):
            off = ((totals > upper) | (totals < lower)).any(axis=1)
            if not off.any():
                return
            for k in np.flatnonzero(off):
                relay(
                    c.start,
                    c.territory,
                    c.cost,
                    c.load,
                    lower,
                    upper,
                    penalty,
                    soft,
                    aims,
                    int(k),
                    pair,
                    totals,
                    NOT_COUNTED,
                    UNLIMITED,
                    MENDING_TRIES * self.problem.n_territories,
                )


@dataclass(frozen=True)
class _NoCosts:
    """The shape of an assignment problem whose costs are in its candidates."""

    n_units: int
    n_territories: int

    def block(self, first: int, last: int) -> NDArray[np.float64]:
        """Return zeros: nothing asks."""
        return np.zeros((last - first, self.n_territories))
