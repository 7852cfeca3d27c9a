"""Transportation by min-cost flow: exact, whole and fast where one measure counts alike units.

With one measure and the same load for every unit the linear relaxation has whole solutions, so the flow is the optimal
assignment over its candidates. OR-Tools' solver keeps no dual values: the prices are read off the optimal flow as
shortest distances between territories in the residual network.

A soft target makes the flow into a territory dearer step by step, w |L − T| being convex: free until ⌊T⌋, one unit across
the target, and dear beyond, each step an arc of its own.

Source: Ahuja, Magnanti & Orlin 1993, "Network Flows", theorems 9.1 (negative cycles) and 9.4 (complementary slackness),
and section 14.3 for convex costs.
It serves no other measures and no unequal loads; those are the business of ``solvers.linear`` and ``solvers.prices``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ortools.graph.python import min_cost_flow

from solvers.bounds import Prices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.candidates import Candidates
    from solvers.problem import AssignmentProblem

COST_STEPS = 2.0**36
"""Costs become integers of this resolution over the largest of them, far from overflow in the flow's sums."""


def counts_alike_units(problem: AssignmentProblem) -> bool:
    """Whether the flow is exact for this problem: one measure, one load, the same for every unit and territory.

    A limit on disruption is across territories, and no flow keeps it.
    With a soft target the load must be 1: only then do prices prove what whole units can reach of it.
    """
    if problem.n_measures != 1 or problem.pair_loads is not None or problem.n_units == 0 or problem.limit is not None:
        return False
    load = problem.loads[0, 0]
    return bool(load > 0 and np.all(problem.loads[0] == load) and (load == 1 or not problem.has_targets))


def least_cost_flow(problem: AssignmentProblem, candidates: Candidates) -> tuple[NDArray[np.int32], Prices] | None:
    """Return the optimal assignment over the candidates and the prices that prove it, or None if there is none.

    Only for problems where :func:`counts_alike_units` holds.
    """
    n, m = problem.n_units, problem.n_territories
    load = problem.loads[0, 0]
    slack_lower, slack_upper = problem.slack()
    least = np.where(np.isfinite(slack_lower[0]), np.ceil(np.maximum(slack_lower[0], 0) / load), 0).astype(np.int64)
    most = np.where(np.isfinite(slack_upper[0]), np.floor(slack_upper[0] / load), n).clip(-1, n).astype(np.int64)
    if np.any(most < least) or least.sum() > n or most.sum() < n:
        return None
    capacity, step_cost = _steps(problem, least, most)
    scale = COST_STEPS / max(float(candidates.cost.max(initial=0.0)), float(step_cost.max()), 1e-300)
    # Whole costs stay whole: rounding then loses nothing.
    if np.all(candidates.cost == np.rint(candidates.cost)) and np.all(step_cost == np.rint(step_cost)):
        scale = 1.0
    cost = np.rint(candidates.cost * scale).astype(np.int64)
    flow = min_cost_flow.SimpleMinCostFlow()
    pairs = flow.add_arcs_with_capacity_and_unit_cost(
        candidates.unit(), n + candidates.territory.astype(np.int64), np.ones(candidates.n_pairs, np.int64), cost
    )
    places = n + np.arange(m)
    # Sink n + m takes what each territory must have, sink n + m + 1 what it may have beyond.
    flow.add_arcs_with_capacity_and_unit_cost(places, np.full(m, n + m), least, np.zeros(m, np.int64))
    for room, dear in zip(capacity, np.rint(step_cost * scale).astype(np.int64), strict=True):
        flow.add_arcs_with_capacity_and_unit_cost(places, np.full(m, n + m + 1), room, dear)
    supplies = np.concatenate([np.ones(n, np.int64), np.zeros(m, np.int64), [-least.sum(), -(n - least.sum())]])
    flow.set_nodes_supplies(np.arange(n + m + 2), supplies)
    if flow.solve() != flow.OPTIMAL:
        return None
    used = np.flatnonzero(flow.flows(pairs))
    assignment = np.empty(n, np.int32)
    assignment[candidates.unit()[used]] = candidates.territory[used]
    if problem.has_targets:
        # All units in one territory do not fill it: its price is that of its target, not of its limit.
        most = np.where(np.isfinite(slack_upper[0]), np.floor(slack_upper[0] / load), n + 1).astype(np.int64)
    return assignment, _prices_of(problem, candidates, assignment, least, most)


def _steps(
    problem: AssignmentProblem, least: NDArray[np.int64], most: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how many units each territory may have beyond its least at which cost, shapes ``(n_steps, n_territories)``.

    With a soft target, what a unit more adds to w |L − T|, plus w: every unit pays that w once, wherever it goes.
    """
    if not problem.has_targets:
        return (most - least)[None, :], np.zeros((1, len(most)))
    below = np.floor(problem.target[0])
    fraction = problem.target[0] - below
    ends = np.clip([below, below + 1, np.full(len(most), np.inf)], least, most).astype(np.int64)
    weight = float(problem.target_weight[0])
    return np.diff(ends, axis=0, prepend=least[None, :]), weight * np.array(
        [np.zeros(len(most)), 2 * (1 - fraction), np.full(len(most), 2.0)]
    )


def _prices_of(
    problem: AssignmentProblem,
    candidates: Candidates,
    assignment: NDArray[np.int32],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
) -> Prices:
    """Read the prices off an optimal assignment: potentials of the residual network of territories and one pool.

    An edge t → s with the least c_is − c_it over units i in t says p_t − p_s ≤ that; a territory above its least may
    give to the pool (p_t ≤ 0 … unless it is full), one below its most may take from it.
    """
    m = problem.n_territories
    unit = candidates.unit()
    own_pair = candidates.pair_of(assignment)
    change = candidates.cost - candidates.cost[own_pair][unit]
    home = assignment[unit].astype(np.int64)
    edge = np.full((m + 1, m + 1), np.inf)
    np.minimum.at(edge, (home, candidates.territory.astype(np.int64)), change)
    np.fill_diagonal(edge, 0.0)
    count = np.bincount(assignment, minlength=m).astype(np.float64)
    # One unit less in t is possible when t is above its least, one more when it is below its most. The pool's arcs
    # cost what that changes off target; in the residual network they close the cycles that would improve the flow.
    off_target = [problem.off_target((count + change)[None, :])[0] for change in (-1.0, 0.0, 1.0)]
    edge[m, :m] = np.where(count > least, off_target[0] - off_target[1], np.inf)
    edge[:m, m] = np.where(count < most, off_target[2] - off_target[1], np.inf)
    edge[m, m] = 0.0
    # Bellman-Ford from the pool and into it: either set of distances is a feasible potential where it is finite.
    distance = np.zeros(m + 1)
    for _ in range(m + 1):
        shorter = np.min(distance[:, None] + edge, axis=0)
        if np.all(shorter >= distance - 1e-12 * max(1.0, float(np.abs(distance).max()))):
            break
        distance = shorter
    # distance_s ≤ distance_t + c_is − c_it for i in t: so c_it − distance_t is least at i's own territory: the price
    # of territory t is minus its distance, seen from the pool.
    net = (distance[m] - distance[:m]) / problem.loads[0, 0]
    return Prices.of_net(problem, net[None, :])
