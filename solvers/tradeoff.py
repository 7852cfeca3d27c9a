"""The trade-off between what changes hands and what the rest costs: points along a limit on moves, found together.

The two ends first: the fewest moves that keep every limit, and the best assignment whatever moves. Between them each
point is the best within its limit. Going from few moves to many, the assignment of one point keeps the limits of the
next and its prices are nearly those of the next, so that each begins where the last one ended; and what was found for one
is offered to all whose limit it keeps.

Source: the ε-constraint method (Haimes, Lasdon & Wismer 1971). Of answers that cost the same, the one with fewer moves is
looked for unit by unit only (:func:`sent_home`), not by a second solve as lexicographic methods do (Mavrotas 2009).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from solvers.districting.problem import Districts
from solvers.ladder import OPTIMAL_GAP, fewest_moves, solve
from solvers.problem import with_slack
from solvers.result import SolveResult, relative_gap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from solvers.disruption import Disruption
    from solvers.problem import AssignmentProblem
    from solvers.result import Status, StopRequest

R = TypeVar("R", SolveResult, Districts)

CURVATURE = 2.0
"""The first moves buy most, so limits lie closer together there: they grow with this power of their number."""


@dataclass(frozen=True, eq=False)
class TradeOff(Generic[R]):
    """Points from the fewest moves to as many as pay.

    Attributes
    ----------
    fewest : SolveResult or Districts
        In units of disruption: the fewest moves, and the least that is proved possible. Infeasible where the limits
        cannot be kept whatever moves; then there are no points.
    limits : ndarray of float64, shape (n_points,)
        The limit on disruption of each point, ascending; the last may be inf.
    points : tuple of SolveResult or Districts
        One per limit: each with an assignment, unless the time was over before.
    moved : ndarray of float64, shape (n_points,)
        What changes hands at each point.
    """

    fewest: R
    limits: NDArray[np.float64]
    points: tuple[R, ...]
    moved: NDArray[np.float64]


def spaced_limits(least: float, most: float, n_points: int) -> NDArray[np.float64]:
    """Return limits from the fewest moves to as many as pay, closer together where there are few.

    Parameters
    ----------
    least, most : float
        In units of disruption.
    n_points : int
        2 or more.
    """
    steps = (np.arange(n_points) / (n_points - 1)) ** CURVATURE
    return least + (most - least) * steps


@dataclass(frozen=True, eq=False)
class Way(Generic[R]):
    """How points are found: for assignments, or for territories that are designed.

    Attributes
    ----------
    disruption : Disruption
        Its limit is not asked for.
    fewest : callable
        From a time limit in seconds to the fewest moves, in units of disruption.
    within : callable
        From a limit on disruption, a time limit in seconds and an earlier result (with a narrower limit, or the fewest
        moves) to the best result within that limit.
    """

    disruption: Disruption
    fewest: Callable[[float], R]
    within: Callable[[float, float, R], R]


def trade_off(
    problem: AssignmentProblem,
    *,
    limits: Sequence[float] | None = None,
    n_points: int = 8,
    most: float = np.inf,
    to_limit: Callable[[float], float] = float,
    time_limit_s: float = 60.0,
    gap: float = 1e-4,
    rounds: int | None = None,
    seed: int = 0,
    on_point: Callable[[str, int, int], None] | None = None,
    should_stop: StopRequest | None = None,
) -> TradeOff[SolveResult]:
    """Find the points of the trade-off of an assignment problem.

    Parameters
    ----------
    problem : AssignmentProblem
        With a disruption; its own limit on it is not asked for.
    gap, rounds, seed
        As for :func:`solvers.ladder.solve`, for each point.
    limits, n_points, most, to_limit, time_limit_s, on_point, should_stop
        As for :func:`points_along`.
    """
    assert problem.disruption is not None

    def fewest(seconds: float) -> SolveResult:
        free = problem.within(np.inf)
        found = fewest_moves(free, time_limit_s=seconds, rounds=rounds, seed=seed, should_stop=should_stop)
        # Its prices are in another unit than those of the points; its assignment is what counts.
        return replace(found, priced_bound=None)

    def within(limit: float, seconds: float, near: SolveResult) -> SolveResult:
        limited = problem.within(limit)
        found = solve(
            limited, time_limit_s=seconds, gap=gap, rounds=rounds, seed=seed, should_stop=should_stop, near=near
        )
        return sent_home(limited, found)

    return points_along(
        Way(problem.disruption, fewest, within),
        limits=limits,
        n_points=n_points,
        most=most,
        to_limit=to_limit,
        time_limit_s=time_limit_s,
        on_point=on_point,
        should_stop=should_stop,
    )


def points_along(
    way: Way[R],
    *,
    limits: Sequence[float] | None = None,
    n_points: int = 8,
    most: float = np.inf,
    to_limit: Callable[[float], float] = float,
    time_limit_s: float = 60.0,
    on_point: Callable[[str, int, int], None] | None = None,
    should_stop: StopRequest | None = None,
) -> TradeOff[R]:
    """Find the points of a trade-off.

    Parameters
    ----------
    way : Way
    limits : sequence of float, optional
        Limits on disruption, in its unit; limits below the fewest moves are raised to it. Left out: chosen between the ends.
    n_points : int
        How many to choose, 2 or more.
    most : float
        No point moves more, unless every plan does.
    to_limit : callable
        Makes a limit between the ends of an amount: no less than it, and a number that a planner can write down; inf
        where there is none, and then nothing is limited.
    time_limit_s : float
        For one point; what a point leaves goes to the next ones.
    on_point : callable, optional
        Told what is being solved: words, the number of the point from 1, and of how many.
    should_stop : callable, optional
        Asked after every point.
    """
    began = time.perf_counter()
    tell = on_point or (lambda words, number, of: None)
    count = n_points if limits is None else len(set(limits))
    tell("finding the fewest moves", 0, count)
    fewest = way.fewest(time_limit_s)
    nothing = TradeOff(fewest, np.empty(0), (), np.empty(0))
    if fewest.assignment is None:
        return nothing
    least = way.disruption.of(fewest.assignment)

    def solved(limit: float, near: R, number: int, of: int) -> R:
        left = max(1.0, ((of + 1) * time_limit_s - (time.perf_counter() - began)) / max(1, of - number + 1))
        return way.within(limit, left, near)

    def writable(limit: float) -> bool:
        return bool(np.isfinite(to_limit(limit)))

    start, found, done = fewest, list[tuple[float, R]](), 0
    narrow: float = least
    wide: float = max(most, least) if writable(max(most, least)) else np.inf
    widest: R | None = None
    if limits is None or not writable(narrow):
        tell("finding the best plan whatever moves", 1, count)
        widest = solved(wide, start, 1, count)
        if widest.assignment is None:
            return nothing
        done = 1
    if limits is None and widest is not None and widest.assignment is not None:
        furthest = way.disruption.of(widest.assignment)
        # Rounded, limits that lie close together may be one, and the last may reach the widest.
        spaced = spaced_limits(least, furthest, n_points)[1:-1].tolist()
        between: set[float] = {min(to_limit(limit), wide) for limit in spaced if writable(limit)}
        wanted = [narrow, *sorted(limit for limit in between if with_slack(narrow) < limit < wide)]
        found.append((wide, widest))
        if furthest <= with_slack(narrow):
            wanted = []
    else:
        wanted = sorted({max(min(limit, wide), narrow) for limit in limits or ()})
    for limit in wanted:
        done += 1
        tell("finding the best plan with few moves", done, count)
        result = solved(float(limit), start, done, count)
        if result.assignment is not None:
            found.append((float(limit), result))
            start = result
        if should_stop is not None and should_stop():
            break
    together = _together(way, fewest, sorted(found, key=lambda pair: pair[0]))
    if widest is None:
        return together
    # A limit that cannot be written down is none: such a point has the proof of whatever moves.
    free = [not writable(limit) for limit in together.limits]
    points = tuple(_unlimited(p, widest) if f else p for f, p in zip(free, together.points, strict=True))
    return replace(together, limits=np.where(free, np.inf, together.limits), points=points)


def _unlimited(point: R, widest: R) -> R:
    """Return a point's assignment with what is proved of any, whatever moves."""
    if point.objective is None:
        return point
    bound = min(widest.lower_bound or 0.0, point.objective)
    status: Status = "optimal" if relative_gap(point.objective, bound) <= OPTIMAL_GAP else "feasible"
    return replace(widest, assignment=point.assignment, objective=point.objective, lower_bound=bound, status=status)


def sent_home(problem: AssignmentProblem, result: SolveResult) -> SolveResult:
    """Return the result with units back in today's territory where that costs nothing and breaks no limit.

    Of answers that cost the same the one with fewer moves is wanted; this finds it where units differ one by one.
    """
    if result.assignment is None or problem.disruption is None or problem.has_targets:
        return result
    assignment, home = result.assignment.copy(), problem.disruption.largest_part()
    units = np.flatnonzero((home >= 0) & (home != assignment))
    costs = problem.rows(units)
    rows = np.arange(len(units))
    here, there = costs[rows, assignment[units]], costs[rows, home[units]]
    free = units[there <= here + 1e-12 * np.maximum(1.0, np.abs(here))]
    lower, upper = problem.slack()
    loads = problem.loads_of(assignment)
    for i in free[np.argsort(-problem.disruption.total[free], kind="stable")].tolist():
        a, b = int(assignment[i]), int(home[i])
        load_a = problem.loads[:, i] if problem.pair_loads is None else problem.pair_loads[:, i, a]
        load_b = problem.loads[:, i] if problem.pair_loads is None else problem.pair_loads[:, i, b]
        if np.all(loads[:, a] - load_a >= lower[:, a]) and np.all(loads[:, b] + load_b <= upper[:, b]):
            loads[:, a] -= load_a
            loads[:, b] += load_b
            assignment[i] = b
    if not problem.is_feasible(assignment) or problem.disruption.of(assignment) > problem.disruption.of(
        result.assignment
    ):
        return result
    return replace(result, assignment=assignment, objective=problem.objective_of(assignment))


def _together(way: Way[R], fewest: R, found: list[tuple[float, R]]) -> TradeOff[R]:
    """Give every point the best assignment that was found for any and keeps its limit, and the best bound for it.

    What is proved for a wider limit holds within a narrower one.
    """
    points: list[R] = []
    for limit, result in found:
        point = result
        for _, other in found:
            assert other.assignment is not None
            better = other.objective is not None and point.objective is not None and other.objective < point.objective
            if better and way.disruption.of(other.assignment) <= with_slack(limit):
                point = replace(point, assignment=other.assignment, objective=other.objective)
        assert point.objective is not None
        for wider, other in found:
            proved = other.lower_bound
            if wider > limit and proved is not None and other.proof.get("kind") == "search":
                bound = min(proved, point.objective)
                if point.lower_bound is None or bound > point.lower_bound:
                    point = replace(point, lower_bound=bound, proof=other.proof)
        closed = relative_gap(float(point.objective or 0.0), float(point.lower_bound or 0.0)) <= OPTIMAL_GAP
        points.append(replace(point, status="optimal" if closed else "feasible"))
    amounts = [way.disruption.of(p.assignment) for p in points if p.assignment is not None]
    return TradeOff(fewest, np.array([limit for limit, _ in found]), tuple(points), np.array(amounts))
