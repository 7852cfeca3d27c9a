"""Proofs that no territory design keeps the rules: first what can be seen at a glance, then an exhaustive search.

Costs play no part. What is named is data (units, territories, measures, and what kind of conflict); whoever talks to
people makes sentences of it.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from solvers.districting.infeasible.exhaustive import refute
from solvers.districting.whole.formulation import effective_limits
from solvers.districting.whole.separators import Neighbours
from solvers.problem import BLOCK_PAIRS, CACHE_PAIRS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

Kind = Literal["total", "unit", "locked", "starved", "limits", "components", "surroundings", "moves", "search"]

STEPS_PER_EFFORT = 200_000
"""Units looked at per unit of effort while surroundings are examined: about a second's worth."""

SETS_EXAMINED = 2_000
"""Connected sets around one unit that are enumerated before it is left to the search."""


@dataclass(frozen=True, eq=False)
class Infeasibility:
    """Why no answer exists.

    Attributes
    ----------
    kind : str
        - ``"total"``: the load of all units is above or below the sum of the limits.
        - ``"unit"``: no territory may hold the unit, by its class and lock, its load, or its distance from candidates.
        - ``"locked"``: the units locked to the territory exceed its upper limit.
        - ``"starved"``: all units that the territory may hold do not reach its lower limit.
        - ``"limits"``: with these centres the limits clash even for divisible units; prices prove it.
        - ``"components"``: a part of the graph without links to the rest does not divide into whole territories.
        - ``"surroundings"``: no connected set that contains the unit is within the limits.
        - ``"moves"``: the fewest moves within the other rules are more than may change hands.
        - ``"search"``: an exhaustive search found no answer.
    units : ndarray of int64
        The units concerned; for ``"search"`` those that must all be in different territories, if any.
    territories : ndarray of int64
        The territories concerned; empty where it is all of them.
    measures : tuple of int
        The measures whose limits take part in the conflict.
    connected : bool
        Whether connection takes part.
    proof : dict
        ``{"kind": "certificate"}``, or ``{"kind": "search", …}`` with what it takes to repeat the search.
    """

    kind: Kind
    units: NDArray[np.int64]
    territories: NDArray[np.int64]
    measures: tuple[int, ...]
    connected: bool
    proof: dict[str, Any] = field(default_factory=lambda: {"kind": "certificate"})


def _certificate(
    kind: Kind, units: object, territories: object, measures: tuple[int, ...], *, connected: bool = False
) -> Infeasibility:
    as_rows = [np.atleast_1d(np.asarray(a, np.int64)) for a in (units, territories)]
    return Infeasibility(kind, as_rows[0], as_rows[1], measures, connected)


def prove_infeasible(
    problem: DistrictingProblem, *, should_stop: Callable[[], bool], effort: float, seed: int = 0
) -> Infeasibility | None:
    """Return why no answer keeps the rules, or None when that was not proved (or an answer exists).

    Parameters
    ----------
    problem : DistrictingProblem
    should_stop : callable
        Asked between steps of the search.
    effort : float
        About seconds; counted in steps and in CP-SAT's deterministic time.
    seed : int
    """
    found = at_a_glance(problem)
    if found is None and problem.graph is not None:
        found = components(problem) or surroundings(problem, should_stop, effort)
    if found is not None or should_stop():
        return found
    refuted = refute(problem, should_stop=should_stop, effort=effort, seed=seed)
    if refuted is None:
        return None
    measures, connected = tuple(range(problem.n_measures)), problem.graph is not None
    proof = refuted.proof
    # A conflict without connection, or of one measure alone, is shorter to tell; each is proved anew.
    if connected and not should_stop():
        smaller = refute(problem, should_stop=should_stop, effort=effort / 10, seed=seed, connected=False)
        if smaller is not None:
            connected, proof = False, smaller.proof
    for k in measures if len(measures) > 1 else ():
        if should_stop():
            break
        smaller = refute(
            problem, should_stop=should_stop, effort=effort / 10, seed=seed, connected=connected, measures=(k,)
        )
        if smaller is not None:
            measures, proof = (k,), smaller.proof
            break
    return Infeasibility("search", refuted.apart, np.empty(0, np.int64), measures, connected, proof)


def at_a_glance(problem: DistrictingProblem) -> Infeasibility | None:
    """Return a conflict of sums, single units or locks."""
    lower, upper = effective_limits(problem)
    may_hold, every = problem.may_hold(), np.arange(problem.n_territories)
    for k in range(problem.n_measures):
        total = float(problem.loads[k].sum())
        room = 1e-9 * max(1.0, float(np.abs(problem.loads[k]).sum()))
        if total > upper[k].sum() + room or total < lower[k].sum() - room:
            return _certificate("total", np.arange(problem.n_units), every, (k,))
    may_hold &= _within_reach(problem)
    for i in np.flatnonzero(~may_hold.any(axis=1)):
        return _certificate("unit", i, [], ())
    for k in range(problem.n_measures):
        load = problem.loads[k]
        if np.any(load < 0):
            # Loads that can be made up for say nothing one by one.
            continue
        fits = may_hold & (load[:, None] <= upper[k][None, :])
        for i in np.flatnonzero(~fits.any(axis=1)):
            return _certificate("unit", i, [], (k,))
        for t in every:
            locked = np.flatnonzero(problem.fixed == t)
            if load[locked].sum() > upper[k, t]:
                return _certificate("locked", locked, t, (k,))
            eligible = np.flatnonzero(fits[:, t])
            if load[eligible].sum() < lower[k, t]:
                return _certificate("starved", eligible, t, (k,))
    return None


def _within_reach(problem: DistrictingProblem) -> NDArray[np.bool_]:
    """Return which territory's centre may serve which unit, as far as is known; shape ``(n_units, n_territories or 1)``."""
    if problem.centres is not None:
        return np.isfinite(problem.costs.columns(problem.centres))
    n, step = problem.n_units, max(1, BLOCK_PAIRS // max(1, problem.costs.n_candidates))
    if n * problem.costs.n_candidates > CACHE_PAIRS:
        return np.ones((n, 1), np.bool_)
    blocks = [np.arange(a, min(n, a + step)) for a in range(0, n, step)]
    return np.concatenate([np.isfinite(problem.costs.rows(b)).any(axis=1, keepdims=True) for b in blocks])


def components(problem: DistrictingProblem) -> Infeasibility | None:
    """Return a component of the graph that does not divide into whole territories.

    With q territories a component's load is between q times the least lower and q times the greatest upper limit.
    """
    if problem.graph is None:
        return None
    pieces = Neighbours(problem.graph).pieces(range(problem.n_units))
    if len(pieces) == 1:
        return None
    lower, upper = effective_limits(problem)
    q = np.arange(1, problem.n_territories + 1)
    least = []
    for piece in pieces:
        possible = np.ones(len(q), np.bool_)
        for k in range(problem.n_measures):
            load = float(problem.loads[k, piece].sum())
            possible &= (q * lower[k].min() <= load * (1 + 1e-9)) & (load <= q * upper[k].max() * (1 + 1e-9))
            if not possible.any():
                return _certificate("components", sorted(piece), [], (k,), connected=True)
        least.append(int(q[possible][0]))
    if sum(least) > problem.n_territories:
        firsts = [min(piece) for piece in pieces]
        return _certificate("components", firsts, [], tuple(range(problem.n_measures)), connected=True)
    return None


def surroundings(problem: DistrictingProblem, should_stop: Callable[[], bool], effort: float) -> Infeasibility | None:
    """Return a unit that no connected set within the limits contains."""
    if problem.graph is None:
        return None
    neighbours = Neighbours(problem.graph)
    lower, upper = effective_limits(problem)
    may_hold = problem.may_hold()
    _, first, kind_of = np.unique(np.vstack([lower, upper, may_hold]), axis=1, return_index=True, return_inverse=True)
    steps = int(STEPS_PER_EFFORT * effort)
    measures = [k for k in range(problem.n_measures) if not np.any(problem.loads[k] < 0)]
    for k in measures:
        load = problem.loads[k]
        for i in np.argsort(-load, kind="stable"):
            if should_stop() or steps <= 0:
                return None
            lacking = True
            for g in first[np.unique(kind_of[may_hold[i]])]:
                held = may_hold[:, g]
                reached, work = _load_in_reach(neighbours, load, int(i), held, float(lower[k, g]), float(upper[k, g]))
                steps -= work
                if reached is None or not _none_fits(
                    neighbours, load, int(i), reached, float(lower[k, g]), float(upper[k, g])
                ):
                    lacking = False
                    break
            if lacking:
                return _certificate("surroundings", i, [], (k,), connected=True)
    return None


def _load_in_reach(
    neighbours: Neighbours, load: NDArray[np.float64], unit: int, held: NDArray[np.bool_], lower: float, upper: float
) -> tuple[set[int] | None, int]:
    """Return the units that a path within the upper limit joins to one, and the work done.

    None as soon as many times the lower limit is in reach: then nothing is to be learnt from there.
    """
    enough = 1.5 * lower
    distance = {unit: float(load[unit])}
    queue, done, total = [(distance[unit], unit)], set[int](), 0.0
    while queue:
        d, i = heapq.heappop(queue)
        if i in done:
            continue
        done.add(i)
        total += float(load[i])
        if total >= enough:
            return None, len(done)
        for j in neighbours.of[i]:
            if held[j] and d + load[j] <= upper and d + load[j] < distance.get(j, np.inf):
                distance[j] = d + float(load[j])
                heapq.heappush(queue, (distance[j], j))
    return done, len(done)


def _none_fits(
    neighbours: Neighbours, load: NDArray[np.float64], unit: int, reach: set[int], lower: float, upper: float
) -> bool:
    """Return whether no connected set around a unit has a load within the limits, if few enough sets must be seen."""
    if sum(float(load[i]) for i in reach) < lower:
        return True
    seen = 0
    # Each entry: the set, its load, what it may still grow by, and what was decided to stay out.
    stack: list[tuple[frozenset[int], float, frozenset[int]]] = [(frozenset([unit]), float(load[unit]), frozenset())]
    while stack:
        inside, total, out = stack.pop()
        seen += 1
        if lower <= total <= upper or seen > SETS_EXAMINED:
            return False
        rim = sorted({j for i in inside for j in neighbours.of[i] if j in reach} - inside - out)
        for place, j in enumerate(rim):
            if total + load[j] <= upper:
                stack.append((inside | {j}, total + float(load[j]), out | frozenset(rim[:place])))
    return True
