"""Compile the kernels before the clock starts.

They are compiled when they are first called and then kept on disk; the first time that takes half a minute, which is not
to be missing from a search that has half a minute. So they are called on a tiny problem first.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from solvers.districting.at_centres import assignment_problem
from solvers.districting.bound.centre_bound import centre_values, near_values
from solvers.districting.bound.multipliers import ascend
from solvers.districting.bound.offers import near_lists
from solvers.districting.bound.reach import Reach
from solvers.districting.centres.search import search_centres
from solvers.districting.centres.shifts import Settling
from solvers.districting.centres.territories import rules_of
from solvers.districting.connected.search import search_connected
from solvers.districting.problem import DistrictingProblem, Graph, PlaceCosts
from solvers.ladder import solve as solve_assignment

SIDE = 8
"""Units of the tiny problem along each side of a square."""


def _tiny() -> DistrictingProblem:
    n = SIDE * SIDE
    points = np.column_stack([np.arange(n) // SIDE, np.arange(n) % SIDE]).astype(float)
    costs = PlaceCosts(np.arange(n + 1), points, np.ones(n), points, True)
    load = 1.0 + (np.arange(n) % 3)[None, :] / 10
    limits = (np.full((1, 4), f * load.sum() / 4) for f in (0.5, 1.5))
    return DistrictingProblem.plain(costs, np.arange(n, dtype=np.int32), load, *limits)


def _quiet(stage: str, **values: float | int | None) -> None:
    """Report nothing."""


@cache
def compile_kernels(*, connected: bool) -> None:
    """Call every kernel that a design of more than a few hundred pairs may need; once a process.

    Parameters
    ----------
    connected : bool
        Those for connected territories as well.
    """
    problem = _tiny()
    n, rng = problem.n_units, np.random.default_rng(0)
    reach, worth, load = Reach(problem.costs), np.full(n, 100.0), problem.loads[0]  # type: ignore[arg-type]  # PlaceCosts
    centre_values(problem, worth, 0, whole=True)
    near_values(reach, problem.candidate_unit, worth, load, 1.0, 30.0, 0, 2)
    near_lists(reach, reach.wanted(worth), problem.candidate_unit)
    ascend(problem, upper_value=None, should_stop=lambda: False, rounds=1)
    found = search_centres(problem, should_stop=lambda: False, rounds=3, rng=rng, report=_quiet)
    settling = Settling(problem, rules_of(problem, np.zeros(n + 1, np.int64), np.zeros((n, 0), np.int32)))
    near = settling.reach(found.centres, found.assignment)
    settling.flows(near)
    settling.shifts(near, 1, hot=1.0, price=1.0, stages=2, moves_a_unit=1)
    solve_assignment(assignment_problem(problem, found.centres), time_limit_s=5.0, rounds=0)
    if connected:
        unit = np.arange(n)
        right, down = unit[unit % SIDE < SIDE - 1], unit[: n - SIDE]
        graph = Graph.of_pairs(n, np.concatenate([right, down]), np.concatenate([right + 1, down + SIDE]))
        joined = DistrictingProblem.plain(
            problem.costs, problem.candidate_unit, problem.loads, problem.lower, problem.upper, graph=graph
        )
        search_connected(
            joined, found.centres, found.assignment, should_stop=lambda: False, rounds=2, rng=rng, report=_quiet
        )
