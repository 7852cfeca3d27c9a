"""Good multipliers: the ascent towards the best bound over the choice of centres.

They are found by the volume algorithm (``volume``).

Large problems are climbed as cells of units first, with fewer numbers and a part of the candidates (``levels``). The bound
handed back is always over all units and candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.bound.centre_bound import bound_of, centre_bound, divides, loads_and_limits
from solvers.districting.bound.levels import FEWEST_CELLS, climb_levels
from solvers.districting.bound.offers import Offers, offers
from solvers.districting.bound.volume import Volume
from solvers.districting.problem import PlaceCosts
from solvers.problem import BLOCK_PAIRS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

STEPS = 100
"""Evaluations in a round."""

_EFFORT = 2_000
"""Steps for a knapsack of whole units on the way; the bound at the end takes more (``centre_bound.EFFORT``)."""

_LISTED_PAIRS, _FILLED_PAIRS = 16_000_000, 2_000_000
"""Problems with at most this many pairs are climbed with every candidate; fewer where a lower limit has every pair listed."""

_TRIAL = 2
"""Rounds with each measure before the best of them goes on."""


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
        Do not divide units, where that can be afforded (``centre_bound.divides``).
    """
    if measure is None and problem.n_measures > 1:
        return _with_best_measure(problem, upper_value, should_stop, rounds, start, whole)
    measure = 0 if measure is None and problem.n_measures else measure
    whole = whole and not divides(problem, measure)
    costs = problem.costs
    climb = _climb_all
    most = _LISTED_PAIRS if loads_and_limits(problem, measure, whole=whole)[1] <= 0 else _FILLED_PAIRS
    if costs.n_units < FEWEST_CELLS:
        most = _LISTED_PAIRS
    if isinstance(costs, PlaceCosts) and costs.n_units * costs.n_candidates > most:
        climb = climb_levels
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


def _with_best_measure(
    problem: DistrictingProblem,
    upper_value: float | None,
    should_stop: Callable[[], bool],
    rounds: int,
    start: NDArray[np.float64] | None,
    whole: bool,
) -> Multipliers:
    """Climb with the measure with which a short ascent proves most, from where that ascent came to."""
    best: Multipliers | None = None
    for k in range(problem.n_measures):
        found = ascend(
            problem, upper_value=upper_value, should_stop=should_stop, rounds=min(_TRIAL, rounds), start=start, measure=k,
            whole=whole,
        )  # fmt: skip
        if best is None or found.bound > best.bound:
            best = found
        if should_stop():
            break
    assert best is not None
    if should_stop() or rounds <= _TRIAL:
        return best
    found = ascend(
        problem, upper_value=upper_value, should_stop=should_stop, rounds=rounds - _TRIAL, start=best.values,
        measure=best.measure, whole=whole,
    )  # fmt: skip
    found = found if found.bound > best.bound else best
    return replace(found, rounds=found.rounds + (_TRIAL if found is not best else 0))


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
