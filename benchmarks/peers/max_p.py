"""spopt's MaxPHeuristic: as many connected regions as possible, each above a threshold (Wei, Rey & Knaap 2020).

Given: the units' coordinates as attributes, and the first measure's lower limit as threshold. How many regions come out
is its own decision, and it has no upper limit. With its defaults (99 constructions, ten annealings of each) a hundred units
take more than seven minutes, so it runs one construction and one annealing at a time while the seconds last, and the result nearest
to the wanted number of regions counts, among those the cheapest.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers import SEED, Answer, command
from benchmarks.peers.skater import plane, weights_of
from benchmarks.scoring import score

if TYPE_CHECKING:
    from benchmarks.instances import Instance

DISTRIBUTIONS = ("spopt",)
STOPS = True


def refusal(instance: Instance) -> str | None:
    """Return why it is not tried, or None."""
    return None if instance.pairs is not None else "needs a graph of units"


def solve(instance: Instance, seconds: float) -> Answer:
    """Return the best of as many runs of the max-p heuristic as the seconds allow."""
    from spopt.region import MaxPHeuristic

    ends = time.monotonic() + seconds
    np.random.seed(SEED)  # noqa: NPY002 - spopt draws from NumPy's global state
    threshold = float(instance.lower[0].max())
    units, graph = plane(instance), weights_of(instance)
    best, rank, runs, longest = None, (np.inf, np.inf), 0, 0.0
    while best is None or time.monotonic() + longest < ends:
        began = time.monotonic()
        model = MaxPHeuristic(
            units, graph, ["x", "y"], "load", threshold, max_iterations_construction=1, max_iterations_sa=1
        )
        model.solve()
        runs, longest = runs + 1, max(longest, time.monotonic() - began)
        labels = np.unique(model.labels_, return_inverse=True)[1].astype(np.int64)
        found = (abs(int(labels.max()) + 1 - instance.n_territories), score(instance, labels).objective)
        if found < rank:
            best, rank = labels, found
    return Answer(best, note=f"best of {runs} runs on coordinates; regions above {threshold:,.0f}")


if __name__ == "__main__":
    command(solve)
