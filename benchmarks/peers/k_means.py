"""k-means-constrained: k-means whose assignment step is a min-cost flow with cluster sizes between two limits.

Given: accounts as unit vectors (straight-line distance through the sphere orders as the distance on it does), the
count's limits as ``size_min`` and ``size_max``, one start, one process. It minimises squared distance, not distance: the
nearest thing it offers. It balances counts only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers import SEED, Answer, command
from benchmarks.peers.graphs import unit_vectors

if TYPE_CHECKING:
    from benchmarks.instances import Instance

DISTRIBUTIONS = ("k-means-constrained",)
STOPS = False


def refusal(instance: Instance) -> str | None:
    """Return why it is not tried, or None."""
    if instance.pairs is not None:
        return "knows no connected territories"
    return None if instance.measures == ("count",) and instance.cost_table is None else "balances counts only"


def solve(instance: Instance, seconds: float) -> Answer:
    """Return the clusters of one start."""
    from k_means_constrained import KMeansConstrained

    del seconds  # it has an iteration limit, no time limit
    model = KMeansConstrained(
        n_clusters=instance.n_territories,
        size_min=int(np.ceil(instance.lower.max())),
        size_max=int(np.floor(instance.upper.min())),
        n_init=1,
        n_jobs=1,
        random_state=SEED,
    )
    points = unit_vectors(instance.points) if instance.spherical else instance.points
    labels = model.fit_predict(points)
    return Answer(np.asarray(labels, np.int64), note=f"one start, {model.n_iter_} iterations, squared distances")


if __name__ == "__main__":
    command(solve)
