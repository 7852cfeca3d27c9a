"""GerryChain: a random start by recursive spanning trees, then its optimiser over recombination steps.

Given: the units' graph, the balanced measure as population with the tolerance as ``epsilon``, and our very objective
(cost to the best member, kept up to date for the two parts that a step changes) as the metric of ``SingleMetricOptimizer``, in
short bursts of ten steps, until the seconds are over. It balances one measure: with several, the other
tolerances are priced in the metric.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers import SEED, Answer, command
from benchmarks.peers.graphs import sizes, touching
from benchmarks.scoring import best_member

if TYPE_CHECKING:
    from benchmarks.instances import Instance

DISTRIBUTIONS = ("gerrychain",)
STOPS = True
BURST = 10  # as in the documentation of the optimiser
OFF_LIMITS = 10.0  # costs of the start, for a whole share beyond the limits: dearer than any detour


def refusal(instance: Instance) -> str | None:
    """Return why it is not tried, or None."""
    return None if instance.pairs is not None else "partitions graphs of units; there is none here"


def solve(instance: Instance, seconds: float) -> Answer:
    """Return the best partition that the chain visits."""
    import networkx as nx
    from gerrychain import Graph, Partition, constraints, updaters
    from gerrychain.optimization import SingleMetricOptimizer
    from gerrychain.partition import recursive_tree_part
    from gerrychain.proposals import recom

    ends = time.monotonic() + seconds
    load, within = sizes(instance)
    plain: Any = nx.Graph()
    plain.add_nodes_from((i, {"load": float(v)}) for i, v in enumerate(load))
    plain.add_edges_from((int(a), int(b)) for a, b in touching(instance))
    graph = Graph.from_networkx(plain)
    target = float(load.sum() / instance.n_territories)
    parts = range(instance.n_territories)
    start = recursive_tree_part(graph, parts, target, "load", within, rng=SEED)
    first = Partition(graph, start, {"load": updaters.Tally("load"), "cost": partial(_cost, instance)})
    worst = sum(first["cost"].values())
    optimiser = SingleMetricOptimizer(
        partial(recom, pop_col="load", pop_target=target, epsilon=within),
        [constraints.within_percent_of_ideal_population(first, within, "load")],
        first,
        lambda plan: sum(plan["cost"].values()) + OFF_LIMITS * worst * _beyond(instance, plan),
        maximize=False,
        rng=SEED,
    )
    steps, note = 0, ""
    try:
        for _ in optimiser.short_bursts(BURST, 1_000_000_000):
            steps += 1
            if time.monotonic() > ends:
                break
    except RuntimeError as error:  # no balanced cut of a pair of territories was found in 100,000 trees
        note = f"; ended by: {str(error).splitlines()[0][:80]}"
    best = first if optimiser.best_part is None else optimiser.best_part
    labels = np.array([best.assignment[i] for i in range(instance.n_accounts)], np.int64)
    return Answer(labels, note=f"recursive tree cost {worst:,.0f}, then {steps:,} recombinations{note}")


def _members(plan: Any, part: Any) -> np.ndarray:
    return np.fromiter(plan.parts[part], np.int64)


def _cost(instance: Instance, plan: Any) -> dict[Any, float]:
    """Return the cost of every part; only parts that the step changed are computed."""
    if plan.parent is None:
        return {part: best_member(instance, _members(plan, part))[0] for part in plan.parts}
    changed = {part for flow in plan.flips.items() for part in (plan.parent.assignment[flow[0]], flow[1])}
    return {**plan.parent["cost"], **{part: best_member(instance, _members(plan, part))[0] for part in changed}}


def _beyond(instance: Instance, plan: Any) -> float:
    """Return how far loads are beyond their limits, in shares: 0 where the chain's own constraint says it all."""
    if len(instance.measures) == 1:
        return 0.0
    loads = np.array([instance.loads[:, _members(plan, part)].sum(axis=1) for part in plan.parts]).T
    fair = loads.mean(axis=1, keepdims=True)
    beyond = np.maximum(loads - instance.upper, 0) + np.maximum(instance.lower - loads, 0)
    return float((beyond / fair).sum())


if __name__ == "__main__":
    command(solve)
