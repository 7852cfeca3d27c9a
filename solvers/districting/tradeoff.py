"""The trade-off between what changes hands and what the rest costs, for connected territories at given centres."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.ladder import design, fewest_moves
from solvers.tradeoff import TradeOff, Way, points_along

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from solvers.districting.problem import DistrictingProblem, Districts
    from solvers.result import StopRequest


def trade_off(
    problem: DistrictingProblem,
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
) -> TradeOff[Districts]:
    """Find the points of the trade-off of a territory design; see :func:`solvers.tradeoff.trade_off`.

    Parameters
    ----------
    problem : DistrictingProblem
        With given centres and a disruption, whose limit is not asked for.
    gap, rounds, seed
        As for :func:`solvers.districting.ladder.design`, for each point.
    limits, n_points, most, to_limit, time_limit_s, on_point, should_stop
        As for :func:`solvers.tradeoff.points_along`.
    """
    assert problem.disruption is not None
    disruption = problem.disruption

    def fewest(seconds: float) -> Districts:
        return fewest_moves(problem, time_limit_s=seconds, rounds=rounds, seed=seed, should_stop=should_stop)

    def within(limit: float, seconds: float, near: Districts) -> Districts:
        return design(
            replace(problem, disruption=disruption.with_limit(limit)),
            time_limit_s=seconds,
            gap=gap,
            rounds=rounds,
            seed=seed,
            start=near.assignment,
            should_stop=should_stop,
        )

    return points_along(
        Way(disruption, fewest, within),
        limits=limits,
        n_points=n_points,
        most=most,
        to_limit=to_limit,
        time_limit_s=time_limit_s,
        on_point=on_point,
        should_stop=should_stop,
    )
