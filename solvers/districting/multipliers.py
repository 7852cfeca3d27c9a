"""Good multipliers: the ascent towards the best bound over the choice of centres.

The bound is concave in the multipliers, with kinks; where it is smooth, its slope at unit i is 1 minus how often the p
best centres serve i. A step along one slope overshoots, so the *volume algorithm* steps along an average of slopes,
weighted so that what is served twice in one evaluation and not at all in another evens out.

Source: Barahona & Anbil 2000, "The volume algorithm: producing primal solutions with a subgradient method"; the steps'
length as in Polyak 1969. Tried against a cutting-plane master by simplex on five instances of the literature: within 0.2 %
of it, without a linear program whose rows are the units.

Large problems are climbed with fewer numbers and a part of the candidates (``coarse``). The bound handed back is always over
all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.bound import bound_of, centre_bound, centre_values, loads_and_limits
from solvers.districting.coarse import Cells, Tried, most_attractive
from solvers.districting.offers import Offers, offers
from solvers.districting.problem import PlaceCosts
from solvers.districting.reach import Reach
from solvers.problem import BLOCK_PAIRS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

STEPS = 100
"""Evaluations in a round."""

_EFFORT = 2_000
"""Steps for a knapsack of whole units on the way; the bound at the end takes more (``bound.EFFORT``)."""

_COARSE_STEPS = 40
"""Evaluations in a round on a part of the candidates: after these another part is due."""

_CHECKED = 3
"""After so many rounds the bound over all candidates is worked out."""

_LISTED_PAIRS = 16_000_000
"""Problems with at most this many pairs are climbed with every candidate."""


@dataclass(frozen=True, eq=False)
class Multipliers:
    """What the ascent found.

    Attributes
    ----------
    values : ndarray of float64, shape (n_units,)
        What serving each unit is worth.
    bound : float
        What they prove with ``measure`` and ``whole``: ``centre_bound(problem, values, measure, whole=whole)``.
    measure : int or None
        Whose limits are used.
    whole : bool
        Whether units are undivided (and limits whole where loads are).
    centres : ndarray of int64, shape (n_territories,)
        The candidates that the ascent opened most often: a hint where to start a search.
    rounds : int
        Rounds completed.
    """

    values: NDArray[np.float64]
    bound: float
    measure: int | None
    whole: bool
    centres: NDArray[np.int64]
    rounds: int


class Volume:
    """The volume algorithm; climbs from where it is, a number of steps at a time.

    Parameters
    ----------
    evaluate : callable
        What some numbers prove, the slope there, and how much each candidate is opened.
    start : ndarray of float64
    least, most : ndarray of float64, same shape
        The numbers stay between these.
    scale : ndarray of float64, same shape
        Size of a slope's entries: numbers that stand for many units move as far as those that stand for one.

    Attributes
    ----------
    best : ndarray of float64
        The best numbers so far; ``bound`` is what they prove.
    opened : ndarray of float64
        How much of each candidate the averaged slopes open.
    """

    def __init__(
        self,
        evaluate: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64], NDArray[np.float64]]],
        start: NDArray[np.float64],
        least: NDArray[np.float64],
        most: NDArray[np.float64],
        scale: NDArray[np.float64],
    ) -> None:
        self.evaluate, self.least, self.most, self.scale = evaluate, least, most, scale
        self.best = np.clip(start, least, most)
        self.bound, self.slope, self.opened = evaluate(self.best)
        self._restart()

    def _restart(self) -> None:
        self.average, self.length, self.weight, self.misses = self.slope.copy(), 0.5, 0.1, 0

    def climb(self, steps: int, upper_value: float | None) -> None:
        """Take some steps. ``upper_value``: what the bound cannot exceed."""
        for _ in range(steps):
            direction = self.average / self.scale
            size = float(self.average @ direction)
            if size <= 1e-12 or not np.isfinite(self.bound):
                return
            # A goal a little above what is reached: the optimum itself may be far below the upper value.
            known = max(abs(self.bound), 0.1 * float(np.abs(self.best) @ self.scale))
            goal = self.bound + 0.02 * max(known if upper_value is None else abs(upper_value), 1e-12)
            if upper_value is not None and self.bound < upper_value:
                goal = min(goal, upper_value)
            tried = self.best + self.length * (goal - self.bound) / size * direction
            tried = np.clip(tried, self.least, self.most)
            bound, slope, chosen = self.evaluate(tried)
            apart = slope - self.average
            square = float(apart @ apart)
            share = -float(self.average @ apart) / square if square > 0 else self.weight
            share = min(max(share, self.weight / 10), self.weight)
            if bound > self.bound:
                if slope @ self.average > 0:
                    self.length = min(self.length * 1.1, 2.0)
                self.best, self.bound, self.slope, self.misses = tried, bound, slope, 0
            else:
                self.misses += 1
                if self.misses >= 8:
                    self.length, self.misses = 0.7 * self.length, 0
            self.average = self.average + share * apart
            self.opened = self.opened + share * (chosen - self.opened)
            if self.length < 1e-5:
                self._restart()


def ascend(
    problem: DistrictingProblem,
    *,
    upper_value: float | None,
    should_stop: Callable[[], bool],
    rounds: int = 12,
    start: NDArray[np.float64] | None = None,
    measure: int | None = None,
    whole: bool = True,
) -> Multipliers:
    """Find multipliers that prove much.

    Parameters
    ----------
    problem : DistrictingProblem
    upper_value : float or None
        The cost of a known design; None where none is known. Steps are measured against it.
    should_stop : callable
        Asked between rounds.
    rounds : int
    start : ndarray of float64, shape (n_units,), or None
    measure : int or None
        The measure whose limits to keep; None: the one that a short ascent finds best.
    whole : bool
        Do not divide units.
    """
    if measure is None and problem.n_measures:
        measure = _best_measure(problem, upper_value)
    costs = problem.costs
    climb = _climb_all
    if isinstance(costs, PlaceCosts) and costs.n_units * costs.n_candidates > _LISTED_PAIRS:
        climb = _climb_coarse
    values, bound, opened, done = climb(problem, upper_value, should_stop, rounds, start, measure, whole)
    centres = np.sort(np.argsort(-opened, kind="stable")[: problem.n_territories])
    return Multipliers(values, bound, measure, whole, centres, done)


def _climb_all(
    problem: DistrictingProblem,
    upper_value: float | None,
    should_stop: Callable[[], bool],
    rounds: int,
    start: NDArray[np.float64] | None,
    measure: int | None,
    whole: bool,
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], int]:
    """Climb with every unit and every candidate.

    Returns
    -------
    values, bound : ndarray of float64, float
        The best multipliers and what they prove.
    opened : ndarray of float64, shape (n_candidates,)
    rounds : int
    """
    load, lower, upper = loads_and_limits(problem, measure, whole=whole)
    n, p = problem.n_units, problem.n_territories
    values = _fair_radius(problem, load, load.sum() / p) if start is None else start.astype(float)
    every = np.arange(problem.costs.n_candidates)
    # A problem without a design has no best multipliers; none that is worth more than a whole design is needed.
    ceiling = (
        _ceiling(problem) if upper_value is None else max(abs(upper_value), float(np.abs(values).max(initial=0.0)))
    )
    capped = lower <= 0.0 and n * len(every) > BLOCK_PAIRS
    cap = 2.0 * np.maximum(values, np.median(values)) if capped else np.full(n, ceiling)

    def listing() -> Offers:
        unlisted = np.where(cap < ceiling, cap, np.inf)
        return offers(problem.costs, every, problem.candidate_unit, unlisted, load, lower, upper)

    def volume_on(listed: Offers, values: NDArray[np.float64], effort: int) -> Volume:
        return Volume(lambda worth: _evaluate(listed, worth, p, effort), values, -cap, cap, np.ones(n))

    listed = listing()
    volume = volume_on(listed, values, 0)
    done = 0
    while done < rounds and not should_stop():
        tight = (cap < ceiling) & (volume.best > 0.9 * cap)
        if tight.any():
            cap = np.where(tight, np.minimum(2.0 * cap, ceiling), cap)
            listed = listing()
        if tight.any() or (done == rounds // 4 and whole):
            volume = volume_on(listed, volume.best, _EFFORT if whole and done >= rounds // 4 else 0)
        volume.climb(STEPS, upper_value)
        done += 1
    return volume.best, centre_bound(problem, volume.best, measure, whole=whole), volume.opened, done


def _evaluate(
    listed: Offers, worth: NDArray[np.float64], count: int, effort: int
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    value = listed.values(worth, effort).value
    chosen = np.zeros(len(value))
    chosen[np.argsort(value, kind="stable")[:count]] = 1.0
    bound = bound_of(worth, value, count)
    if not np.isfinite(bound):
        return bound, np.zeros(len(worth)), chosen
    return bound, 1.0 - listed.served(worth, effort, chosen), chosen


def _climb_coarse(
    problem: DistrictingProblem,
    upper_value: float | None,
    should_stop: Callable[[], bool],
    rounds: int,
    start: NDArray[np.float64] | None,
    measure: int | None,
    whole: bool,
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], int]:
    """Climb with cells of units and a part of the candidates; returns as :func:`_climb_all`.

    Units stay divisible on the way: with so many it matters little.
    """
    assert isinstance(problem.costs, PlaceCosts)
    limits = loads_and_limits(problem, measure, whole=whole)
    p, m = problem.n_territories, problem.costs.n_candidates
    opened = np.zeros(m)
    if start is not None and rounds == 0:
        return start.astype(float), centre_bound(problem, start, measure, whole=whole), opened, 0
    reach = Reach(problem.costs)
    order = reach.candidates.order
    cells = Cells.of(reach, limits[0], p)
    base = np.zeros(problem.n_units) if start is None else start.astype(float)
    numbers = cells.start if start is None else np.zeros_like(cells.start)
    # No weight and no load is negative, nor then any entry of the spread.
    scale = np.asarray(cells.spread.sum(axis=0), np.float64).ravel()
    scale = np.maximum(scale, 1e-9 * float(scale.sum()))
    back = cells.spread.T.tocsr()
    kept = np.empty(0, np.int64)
    found: list[tuple[float, NDArray[np.float64]]] = []
    done = 0
    while done < rounds and not should_stop():
        # Parts of a step in the order of van der Corput: whatever the number of rounds, they are spread evenly.
        part = sum(((done >> bit) & 1) * 0.5 ** (bit + 1) for bit in range(done.bit_length()))
        tried = Tried.of(problem, order, part, kept, base + cells.spread @ numbers, limits)
        if done == 0 and start is None:
            numbers = _best_multiple(tried, cells, p)
        mean = abs(float((base + cells.spread @ numbers).sum())) if upper_value is None else abs(upper_value)
        temperature = mean / p * max(0.01, 0.04 * 0.7**done)

        def evaluate(
            z: NDArray[np.float64], tried: Tried = tried, temperature: float = temperature
        ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
            worth = base + cells.spread @ z
            value = tried.listed.values(worth, 0).value
            share = tried.opened(value, p, temperature)
            slope = back @ (1.0 - tried.listed.served(worth, 0, share))
            return tried.bound(worth, value, p), slope, share

        free = np.full(len(numbers), np.inf)
        volume = Volume(evaluate, numbers, -free, free, scale)
        volume.climb(_COARSE_STEPS, upper_value)
        numbers = volume.best
        opened[:] = 0.0
        opened[tried.listed.candidate] = volume.opened
        done += 1
        if done % _CHECKED == 0 or done == rounds:
            worth = base + cells.spread @ numbers
            value = centre_values(problem, worth, measure, whole=whole).value
            found.append((bound_of(worth, value, p), worth))
            kept = np.union1d(kept, most_attractive(value, order, p))
    if done == 0 or (done % _CHECKED != 0 and done < rounds):
        worth = base + cells.spread @ numbers
        found.append((centre_bound(problem, worth, measure, whole=whole), worth))
    if start is not None:
        found.append((centre_bound(problem, base, measure, whole=whole), base))
    bound, worth = max(found, key=lambda pair: pair[0])
    return worth, bound, opened, done


def _best_multiple(tried: Tried, cells: Cells, count: int) -> NDArray[np.float64]:
    """Return the start times what makes it prove most: a radius is too much where places are uneven."""
    multiples = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    proved = []
    for multiple in multiples:
        worth = cells.spread @ (multiple * cells.start)
        proved.append(tried.bound(worth, tried.listed.values(worth, 0).value, count))
    return multiples[int(np.argmax(proved))] * cells.start


def _best_measure(problem: DistrictingProblem, upper_value: float | None) -> int:
    """Return the measure with which a short ascent proves most."""
    if problem.n_measures == 1:
        return 0
    found = [
        ascend(problem, upper_value=upper_value, should_stop=lambda: False, rounds=2, measure=k, whole=False).bound
        for k in range(problem.n_measures)
    ]
    return int(np.argmax(found))


def _ceiling(problem: DistrictingProblem) -> float:
    """Return what no design costs, by a look at some candidates."""
    m = problem.costs.n_candidates
    some = problem.costs.columns(np.unique(np.linspace(0, m - 1, 32).astype(np.int64)))
    return problem.n_units * float(some[np.isfinite(some)].max(initial=1e-9))


def _fair_radius(problem: DistrictingProblem, load: NDArray[np.float64], fair: float) -> NDArray[np.float64]:
    """Return what the unit at the rim costs when a centre at unit i takes a fair share of the load, shape (n_units,).

    Where load is spread evenly that is the optimum: no centre gains by being elsewhere.
    """
    home = np.full(problem.n_units, -1)
    settled = np.flatnonzero(problem.candidate_unit >= 0)
    home[problem.candidate_unit[settled]] = settled
    values = np.empty(problem.n_units)
    known = np.flatnonzero(home >= 0)
    for i in known:
        cost = problem.costs.columns(home[i : i + 1])[:, 0]
        order = np.argsort(cost, kind="stable")
        rim = int(np.searchsorted(np.cumsum(load[order]), fair))
        values[i] = cost[order[min(rim, len(order) - 1)]]
    values[home < 0] = np.median(values[known]) if len(known) else 0.0
    finite = values[np.isfinite(values)]
    return np.where(np.isfinite(values), values, np.median(finite) if len(finite) else 0.0)
