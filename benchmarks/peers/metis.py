"""METIS through pymetis: the fewest cut edges with balanced parts, what CARTO's and other tools balance territories with.

Given: the graph of touching accounts with unit edge weights (edge weights falling with distance were tried: worse by a
fifth or more), the balanced measure as vertex weights, ``ufactor`` for the tolerance, and connected parts where the
instance asks for them. METIS limits the heaviest part only; it knows no distances and no lower limit. So it runs with
the whole tolerance and with parts of it, a second each on 79,000 accounts, and the best answer that keeps the rules counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers import SEED, Answer, command
from benchmarks.peers.graphs import compressed, sizes, touching
from benchmarks.scoring import score

if TYPE_CHECKING:
    from benchmarks.instances import Instance

DISTRIBUTIONS = ("pymetis",)
STOPS = False
FRACTIONS = (1.0, 0.9, 0.8, 0.6, 0.4, 0.2)  # of the tolerance
WHOLE = 1_000_000  # vertex weights are 32-bit integers, and METIS sums them


def refusal(instance: Instance) -> str | None:
    """Return why METIS is not tried, or None."""
    return "knows no reps" if instance.cost_table is not None else None


def solve(instance: Instance, seconds: float) -> Answer:
    """Return the best of METIS's k-way partitions."""
    import pymetis

    del seconds  # it takes what it takes
    load, within = sizes(instance)
    weights = load if load.sum() < WHOLE and np.all(load == np.round(load)) else load / load.sum() * WHOLE
    start, neighbour = compressed(instance.n_accounts, touching(instance))
    best, rank, note = None, (True, np.inf), ""
    for fraction in FRACTIONS:
        ufactor = max(1, int(1000 * within * fraction))
        options = pymetis.Options(seed=SEED, ufactor=ufactor, **({} if instance.pairs is None else {"contig": 1}))
        _, found = pymetis.part_graph(
            instance.n_territories,
            pymetis.CSRAdjacency(start, neighbour),
            vweights=None if np.all(weights == 1) else np.round(weights).astype(np.int64),
            # Recursive bisection ignores the limit in the end and cannot keep parts connected.
            recursive=False,
            options=options,
        )
        labels = np.array(found, np.int64)
        verdict = score(instance, labels)
        if best is None or (not verdict.feasible, verdict.objective) < rank:
            best, rank, note = labels, (not verdict.feasible, verdict.objective), f"ufactor {ufactor}"
    graph = "Delaunay graph" if instance.pairs is None else "the units' graph"
    return Answer(best, note=f"{graph}, k-way, best of {len(FRACTIONS)}: {note}")


if __name__ == "__main__":
    command(solve)
