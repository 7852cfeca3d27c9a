"""Simulated annealing over territories whose centres follow at once: compiled, one walk a thread.

A territory costs what its best centre makes it cost (``territories``), so every move is judged with the centres it leads
to, and centres need no moves of their own. The moves, the first three between units near each other:

- shift: a unit goes to a neighbour's territory;
- swap: two units change territories;
- relay: one unit goes to a second territory and pushes another on to a third;
- relocation: a territory is closed and opened anew around a badly served unit, perhaps at the other end of the map.

Limits are prices on what is over or short. The prices rise while limits are broken and fall while they are kept, so the
walk stays around the border where the good answers are; the last stages raise them until every limit holds.

Source: Kirkpatrick, Gelatt & Vecchi 1983; strategic oscillation of penalties, Glover 1986; relays are ejection chains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.districting.centres.sites import SiteCosts, nearest_units, site_cost, site_costs
from solvers.districting.centres.territories import (
    FINE,
    KINDS,
    NOBODY,
    Rules,
    State,
    changed,
    draw,
    energy,
    exchange,
    hand_over,
    may,
    neighbour,
    rebuild,
    rules_of,
    toll,
    violation,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

NEAR_UNITS = 20
"""Neighbours of a unit that moves look at; every other move looks at neighbours' neighbours, which are many more."""


PRICE_RISE, PRICE_FALL, TOLERATED = 1.2, 0.85, 0.005
"""After a stage the price of broken limits rises or falls by these, by whether more than this part of a territory's
usual load, a territory, was beyond them; the part falls with the temperature."""

RARE = 4
"""Where territories must be filled closing one is hardly ever accepted, and so many times rarer tried."""

MENDING_STAGES = 24

LARGEST_CLOSED = 256
"""Territories with more units than this are not closed: that many hand-overs at once are hardly ever accepted."""


@njit(cache=True, nogil=True)
def _relocate(
    costs: SiteCosts,
    rules: Rules,
    state: State,
    random: NDArray[np.uint64],
    temperature: float,
    price: float,
    log: NDArray[np.int64],
) -> bool:
    """Close a territory and open it around a unit far from its centre, perhaps at the other end of the map.

    Units of the closed one go where they cost least, those around the new place come where that saves; all is undone
    unless the walk accepts the whole.
    """
    n = state.territory.shape[0]
    a = state.territory[draw(random, n)]
    k, worst = NOBODY, -1.0
    for _ in range(4):
        i = draw(random, n)
        c = state.territory[i]
        if c != a and state.centre[c] >= 0 and rules.site_start[i + 1] > rules.site_start[i] and may(rules, i, a):
            value = site_cost(costs, i, state.centre[c])
            if value > worst:
                k, worst = i, value
    if k < 0:
        return False
    left = 0
    u = state.head[a]
    while u >= 0 and left < log.shape[0] // 4:
        log[2 * left] = u
        log[2 * left + 1] = a
        left += 1
        u = state.following[u]
    if u >= 0:
        return False
    made = left
    log[2 * made], log[2 * made + 1] = k, state.territory[k]
    made += 1
    delta = hand_over(costs, rules, state, price, k, a)
    for q in range(left):
        u = log[2 * q]
        best, least = NOBODY, np.inf
        for r in range(rules.near.shape[1]):
            b = state.territory[rules.near[u, r]]
            if b != a and state.centre[b] >= 0 and may(rules, u, b):
                value = site_cost(costs, u, state.centre[b]) + toll(rules, state.totals, price, b, NOBODY, u)
                if value < least:
                    best, least = b, value
        # With nowhere to go nearby it stays, and the whole will hardly be accepted.
        if best >= 0:
            delta += hand_over(costs, rules, state, price, u, best)
    own = rules.site_start[k]
    for r in range(rules.near.shape[1]):
        u = rules.near[k, r]
        b = state.territory[u]
        if b == a or state.centre[b] < 0 or not may(rules, u, a) or 2 * made + 2 > log.shape[0]:
            continue
        value = site_cost(costs, u, own) - site_cost(costs, u, state.centre[b])
        if value < 0.0:
            value += toll(rules, state.totals, price, b, u, NOBODY) + toll(rules, state.totals, price, a, NOBODY, u)
            if value < 0.0:
                log[2 * made], log[2 * made + 1] = u, b
                made += 1
                delta += hand_over(costs, rules, state, price, u, a)
    threshold = -temperature * math.log((draw(random, FINE) + 1.0) / (1 << 30))
    if delta <= threshold:
        return True
    for q in range(made - 1, -1, -1):
        if state.territory[log[2 * q]] != log[2 * q + 1]:
            hand_over(costs, rules, state, price, log[2 * q], log[2 * q + 1])
    return False


@njit(cache=True, nogil=True)
def _stage(
    costs: SiteCosts,
    rules: Rules,
    state: State,
    random: NDArray[np.uint64],
    moves: int,
    temperature: float,
    price: float,
    period: int,
) -> int:
    """Try ``moves`` moves at one temperature, every ``period``-th with a relocation; return how many were made."""
    n, m = state.territory.shape[0], state.head.shape[0]
    made = 0
    log = np.empty(4 * LARGEST_CLOSED, np.int64)
    for step in range(moves):
        if step % period == 0 and m > 1:
            made += _relocate(costs, rules, state, random, temperature, price, log)
        i = draw(random, n)
        a = state.territory[i]
        kind = draw(random, KINDS)
        j = NOBODY
        if (kind == 0 and not rules.alike) or rules.near.shape[1] == 0:
            # Anywhere: classes and locks may leave a unit no neighbour whose territory could take it.
            b = draw(random, m)
        else:
            j = neighbour(rules, random, i)
            b = state.territory[j]
        if a == b or not may(rules, i, b):
            continue
        # The unit that makes way: the neighbour itself, or one near either of the two.
        k, c = NOBODY, a
        if kind >= 24:
            k = j
            if kind >= 32 and j >= 0:
                k = neighbour(rules, random, i if kind < 48 else j)
            if k < 0 or k == i or state.territory[k] != b:
                continue
            if kind >= 52:
                c = state.territory[neighbour(rules, random, k)]
            if c == b or not may(rules, k, c):
                continue
        # Unit i goes from a to b, and unit k, if any, from b to c, which may be a. The least that territories could
        # come to cost is nothing: what cannot be accepted even then is left before its cost is summed up.
        limit = -temperature * math.log((draw(random, FINE) + 1.0) / (1 << 30))
        back = k if c == a else NOBODY
        delta = toll(rules, state.totals, price, b, k, i) + toll(rules, state.totals, price, a, i, back)
        spare = state.cost[a]
        if k >= 0:
            spare += state.cost[b]
        if c != a:
            delta += toll(rules, state.totals, price, c, NOBODY, k)
            if delta > limit + spare:
                continue
            delta += changed(costs, rules, state, c, NOBODY, k) - state.cost[c]
        if delta > limit + spare:
            continue
        delta += changed(costs, rules, state, b, k, i) - state.cost[b]
        if delta > limit + state.cost[a]:
            continue
        delta += changed(costs, rules, state, a, i, back) - state.cost[a]
        if delta <= limit:
            exchange(costs, rules, state, a, i, NOBODY)
            exchange(costs, rules, state, b, k, i)
            if k >= 0:
                exchange(costs, rules, state, c, NOBODY, k)
            made += 1
    return made


@njit(cache=True, nogil=True)
def _walk(
    costs: SiteCosts,
    rules: Rules,
    territory: NDArray[np.int64],
    random: NDArray[np.uint64],
    dials: NDArray[np.float64],
    stages: int,
    moves: int,
    mending: int,
) -> tuple[float, float, NDArray[np.int64], NDArray[np.float64]]:
    """Cool for some stages, then mend what is broken in at most ``mending`` more; change the arrays in place.

    Parameters
    ----------
    random : ndarray of uint64, shape (1,)
        State of the random numbers.
    dials : ndarray of float64, shape (5,)
        Temperature, price, the temperature at which the walk began, the one at which it ends, and what a stage
        multiplies it by.

    Returns
    -------
    objective, violation : float
    centre : ndarray of int64, shape (n_territories,)
        Sites.
    cost : ndarray of float64, shape (n_territories,)
    """
    n, m = territory.shape[0], rules.lower.shape[1]
    state = State(
        territory,
        np.empty(m, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.zeros(rules.site_start[n]),
        np.empty(m),
        np.empty(m, np.int64),
        np.empty(rules.lower.shape),
    )
    # Closing and opening takes some hundred times as long as a shift: as much time goes to it as to the rest.
    period = (32 + 4 * n // m) * (RARE if rules.filled else 1)
    rebuild(costs, rules, state)
    for _ in range(stages):
        _stage(costs, rules, state, random, moves, dials[0], dials[1], period)
        rebuild(costs, rules, state)
        dials[1] *= PRICE_RISE if violation(rules, state) > TOLERATED * m * dials[0] / dials[2] else PRICE_FALL
        dials[0] *= dials[4]
    price, cold = dials[1], dials[3]
    for _ in range(mending):
        broken = violation(rules, state) > 0.0
        price *= 2.0 if broken else 4.0
        made = _stage(costs, rules, state, random, moves, cold if broken else 1e-3 * cold, price, period)
        rebuild(costs, rules, state)
        if violation(rules, state) <= 0.0 and not broken and made < 1e-4 * moves:
            break
    return energy(rules, state), violation(rules, state), state.centre, state.cost


@dataclass(frozen=True, eq=False)
class Walk:
    """Where a walk ended.

    Attributes
    ----------
    assignment : ndarray of int32, shape (n_units,)
    centres : ndarray of int64, shape (n_territories,)
        Candidates; −1 for a territory without one.
    objective, violation : float
    """

    assignment: NDArray[np.int32]
    centres: NDArray[np.int64]
    objective: float
    violation: float


class Annealer:
    """A problem in the form that walks read, made once.

    Every unit's candidates are sites; candidates in no unit are none, so a problem that has only those is not for walks.

    Parameters
    ----------
    problem : DistrictingProblem
    sites : ndarray of int64 or None
        Candidates to look at; None for all that are in a unit.
    widened : float
        Limits are taken wider by so many usual units: cells of merged units are too coarse for them, and what they are
        off is put right on the units.
    """

    def __init__(
        self, problem: DistrictingProblem, sites: NDArray[np.int64] | None = None, *, widened: float = 0.0
    ) -> None:
        self.widened = widened
        home = problem.candidate_unit.astype(np.int64)
        chosen = np.flatnonzero(home >= 0) if sites is None else sites
        self.sites = chosen[np.argsort(home[chosen], kind="stable")].astype(np.int64)
        self.costs = site_costs(problem.costs, self.sites)
        start = np.searchsorted(home[self.sites], np.arange(problem.n_units + 1)).astype(np.int64)
        first = np.where(np.diff(start) > 0, start[:-1], -1)
        rules = rules_of(problem, start, nearest_units(problem, self.costs, first, NEAR_UNITS))
        room = widened * np.median(rules.loads, axis=1, keepdims=True) if problem.n_units else 0.0
        self.rules = rules._replace(lower=rules.lower - room, upper=rules.upper + room)

    def usual(self, assignment: NDArray[np.int32]) -> float:
        """Return what a unit usually costs under an assignment, best centres and all: the unit of temperatures."""
        course = self.course(assignment, 1, hot=1.0, cold=1.0, price=0.0, stages=0, moves=0)
        cost = course.territory_costs()
        cost = cost[cost < self.costs.forbidden]
        return max(float(cost.sum()) / max(1, len(assignment)), 1e-9)

    def course(
        self,
        assignment: NDArray[np.int32],
        seed: int,
        *,
        hot: float,
        cold: float,
        price: float,
        stages: int,
        moves: int,
    ) -> Course:
        """Return a walk from an assignment, not yet begun.

        Parameters
        ----------
        hot, cold : float
            Temperatures, in units of the objective.
        price : float
            Of breaking a limit by a usual load, to begin with.
        stages : int
            Temperatures from hot to cold.
        moves : int
            Tried at each.
        """
        return Course(self, assignment, seed, hot, cold, price, stages, moves)


class Course:
    """One walk, in as many parts as one likes; the same whatever the parts."""

    def __init__(
        self,
        annealer: Annealer,
        assignment: NDArray[np.int32],
        seed: int,
        hot: float,
        cold: float,
        price: float,
        stages: int,
        moves: int,
    ) -> None:
        self.annealer = annealer
        self.territory = assignment.astype(np.int64)
        self.random = np.array([seed], np.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
        self.dials = np.array([hot, price, hot, cold, (cold / hot) ** (1.0 / max(1, stages - 1))])
        self.stages_left, self.moves = stages, moves

    def advance(self, stages: int) -> bool:
        """Cool for up to so many stages; return whether any are left."""
        stages = min(stages, self.stages_left)
        a = self.annealer
        _walk(a.costs, a.rules, self.territory, self.random, self.dials, stages, self.moves, 0)
        self.stages_left -= stages
        return self.stages_left > 0

    def territory_costs(self) -> NDArray[np.float64]:
        """Return what each territory costs as it is, shape ``(n_territories,)``."""
        a = self.annealer
        return _walk(a.costs, a.rules, self.territory, self.random, self.dials, 0, 0, 0)[3]

    def finish(self) -> Walk:
        """Return where the walk ends, with limits mended."""
        a = self.annealer
        objective, broken, centre, _ = _walk(
            a.costs, a.rules, self.territory, self.random, self.dials, self.stages_left, self.moves, MENDING_STAGES
        )
        self.stages_left = 0
        return Walk(
            self.territory.astype(np.int32),
            np.where(centre >= 0, a.sites[np.maximum(centre, 0)], -1),
            objective,
            broken,
        )
