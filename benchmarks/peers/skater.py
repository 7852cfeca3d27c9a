"""spopt's Skater: a minimum spanning tree of the units' graph, pruned into regions (Assunção et al. 2006).

Given: the units' coordinates as attributes and the wanted number of regions; where the balanced measure is the count, its lower
limit as ``floor``. It has no upper limit and no other measure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.peers import Answer, command
from benchmarks.peers.graphs import touching

if TYPE_CHECKING:
    from libpysal.weights import W

    from benchmarks.instances import Instance

DISTRIBUTIONS = ("spopt",)
STOPS = False


def refusal(instance: Instance) -> str | None:
    """Return why it is not tried, or None."""
    return None if instance.pairs is not None else "needs a graph of units"


def plane(instance: Instance) -> pd.DataFrame:
    """Return the units' coordinates as attributes, in km where they are on the sphere, with the first measure's load."""
    x, y = instance.points.T
    if instance.spherical:
        y, x = instance.points.T * 111.2
        x = x * np.cos(np.radians(instance.points[:, 0].mean()))
    return pd.DataFrame({"x": x, "y": y, "load": instance.loads[0]})


def weights_of(instance: Instance) -> W:
    """Return the units' graph as PySAL's weights."""
    from libpysal.weights import W

    neighbours: dict[int, list[int]] = {i: [] for i in range(instance.n_accounts)}
    for a, b in touching(instance).tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    return W(neighbours, id_order=list(range(instance.n_accounts)), silence_warnings=True)


def solve(instance: Instance, seconds: float) -> Answer:
    """Return Skater's regions."""
    from sklearn.metrics.pairwise import euclidean_distances
    from spopt.region import Skater

    del seconds  # it takes what it takes
    floor = float(np.ceil(instance.lower.max())) if instance.measures == ("count",) else -np.inf
    model = Skater(
        plane(instance),
        weights_of(instance),
        ["x", "y"],
        n_clusters=instance.n_territories,
        floor=floor,
        spanning_forest_kwds={"dissimilarity": euclidean_distances},
    )
    model.solve()
    floors = f"floor {floor:g}" if np.isfinite(floor) else "no floor: it counts units only"
    return Answer(np.unique(model.labels_, return_inverse=True)[1].astype(np.int64), note=f"on coordinates, {floors}")


if __name__ == "__main__":
    command(solve)
