"""The split against OR-Tools' min-cost flow, which has all objectives in one cost: too slow and too narrow a road for the
product (costs must fit 64 bits together), and the best second opinion there is on cases that brute force cannot reach."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ortools.graph.python import min_cost_flow

from solvers.fair_split.problem import FairSplitProblem
from solvers.fair_split.split import fair_split


def case(seed: int, *, room: int, ranks: int, even: bool) -> FairSplitProblem:
    rng = np.random.default_rng(seed)
    n, m = 240, 12
    able = [np.sort(rng.choice(m, size=rng.integers(0 if i % 40 == 0 else 1, 6), replace=False)) for i in range(n)]
    sizes = np.array([len(a) for a in able])
    pairs = int(sizes.sum())
    return FairSplitProblem(
        lead_start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        pair_rep=np.concatenate(able).astype(np.int32),
        pair_rank=rng.integers(0, ranks, pairs),
        pair_value=rng.integers(-20, 100, pairs),
        level=rng.integers(0, 60, m),
        step=np.full(m, 6) if even else rng.choice([2, 3, 4, 6], m),
        capacity=rng.integers(0, room, m),
        tie_order=np.arange(m),
    )


def best_by_flow(problem: FairSplitProblem) -> tuple[int, int, int, int]:
    """Return leads assigned, rank sum, fairness cost and value sum of the optimum."""
    n, m = problem.n_leads, problem.n_reps
    sizes = np.diff(problem.lead_start)
    lead = np.repeat(np.arange(n), sizes)
    value_scale = 240 * 120 + 1
    dearest = int((2 * problem.level + 2 * n * problem.step).max())
    rank_scale = value_scale * (n * dearest + 1)
    flow = min_cost_flow.SimpleMinCostFlow()
    one = np.ones(len(lead), np.int64)
    own = flow.add_arcs_with_capacity_and_unit_cost(
        lead, n + problem.pair_rep.astype(np.int64), one, problem.pair_rank * rank_scale - problem.pair_value
    )
    waits = np.ones(n, np.int64)
    # Dearer than any sum of ranks that one lead more could cost.
    unassigned = rank_scale * (n * int(problem.pair_rank.max(initial=0)) + 1)
    sink = np.full(n, n + m)
    waiting = flow.add_arcs_with_capacity_and_unit_cost(np.arange(n), sink, waits, np.full(n, unassigned))
    rep = np.repeat(np.arange(m), problem.capacity)
    k = np.concatenate([np.arange(1, c + 1) for c in problem.capacity]) if len(rep) else np.zeros(0, np.int64)
    cost = (2 * problem.level[rep] + (2 * k - 1) * problem.step[rep]) * value_scale
    flow.add_arcs_with_capacity_and_unit_cost(n + rep, np.full(len(rep), n + m), np.ones(len(rep), np.int64), cost)
    flow.set_nodes_supplies(np.arange(n + m + 1), np.concatenate([np.ones(n), np.zeros(m), [-n]]).astype(np.int64))
    assert flow.solve() == flow.OPTIMAL
    used = flow.flows(own).astype(bool)
    count = np.bincount(problem.pair_rep[used], minlength=m)
    fairness = int((2 * problem.level * count + problem.step * count**2).sum())
    assert used.sum() == n - flow.flows(waiting).sum()
    return int(used.sum()), int(problem.pair_rank[used].sum()), fairness, int(problem.pair_value[used].sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize(("room", "ranks"), [(60, 1), (60, 3), (18, 1), (18, 3)])
def test_every_objective_is_that_of_the_flow(seed: int, even: bool, room: int, ranks: int) -> None:
    problem = case(seed, room=room, ranks=ranks, even=even)
    split = fair_split(problem)
    assert (split.assigned, split.rank_sum, split.fairness_cost, split.value_sum) == best_by_flow(problem)


def test_a_cheaper_answer_would_be_noticed() -> None:
    problem = case(0, room=60, ranks=1, even=True)
    other = dataclasses.replace(problem, pair_value=problem.pair_value + 1)
    assert best_by_flow(other)[3] == best_by_flow(problem)[3] + best_by_flow(problem)[0]
