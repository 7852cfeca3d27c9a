"""The trade-off between what changes hands and what the rest costs: points along a limit on moves, found together.

The two ends first: the fewest moves that keep every limit, and the best assignment whatever moves. Between them each
point is the best within its limit. Going from few moves to many, the assignment of one point keeps the limits of the
next and its prices are nearly those of the next, so that each begins where the last one ended; and what was found for one
is offered to all whose limit it keeps.

Source: the ε-constraint method (Haimes, Lasdon & Wismer 1971) with lexicographic ends (Mavrotas 2009).
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
    from solvers.result import StopRequest

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
        return solve(
            problem.within(limit),
            time_limit_s=seconds,
            gap=gap,
            rounds=rounds,
            seed=seed,
            should_stop=should_stop,
            near=near,
        )

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

    start = fewest
    found: list[tuple[float, R]] = []

    def written(limit: float) -> float:
        return limit if np.isfinite(to_limit(limit)) else np.inf

    narrow: float = written(least)
    wide: float = written(max(most, least))
    if limits is None:
        tell("finding the best plan whatever moves", 1, count)
        last = solved(wide, start, 1, count)
        if last.assignment is None:
            return nothing
        furthest = way.disruption.of(last.assignment)
        # Rounded, limits that lie close together may be one, and the last may reach the widest.
        between: set[float] = {min(to_limit(limit), wide) for limit in spaced_limits(least, furthest, n_points)[1:-1]}
        wanted = [narrow, *sorted(limit for limit in between if with_slack(narrow) < limit < wide)]
        found.append((wide, last))
        if furthest <= with_slack(narrow):
            return _together(way, fewest, found)
    else:
        wanted = sorted({max(min(limit, wide), narrow) for limit in limits})
    done = len(found)
    for limit in wanted:
        done += 1
        tell("finding the best plan with few moves", done, count)
        result = solved(float(limit), start, done, count)
        if result.assignment is not None:
            found.append((float(limit), result))
            start = result
        if should_stop is not None and should_stop():
            break
    return _together(way, fewest, sorted(found, key=lambda pair: pair[0]))


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
