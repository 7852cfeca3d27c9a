"""One judge for every answer, ours included: what it costs, what it breaks, how far it is from the best known.

It shares no code with the engine and needs only NumPy: an error in the engine's distances, limits or connectivity
cannot hide here. An answer is a territory for each account; where centres are free, each territory is taken to be served from
the member that makes it cheapest, so methods that choose no centres are judged by the same rule as those that do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.instances import Instance

EARTH_RADIUS_KM = 6371.0088  # mean radius (IUGG)
BLOCK = 1 << 22  # distances held at once: 32 MiB
ROUNDING = 1e-6  # of a unit of load, and a thousandth of that of the limit: what summing in another order may change


@dataclass(frozen=True)
class Score:
    """What an answer is worth.

    Attributes
    ----------
    objective : float
        Σ weight × distance^power to the territory's best member, or Σ cost where there is a table.
    mean_distance : float
        Σ weight × distance / Σ weight, from the same centres; the mean cost where there is a table.
    deviation : dict of str to float
        Per measure, the worst of |load / share − 1| where it is limited from both sides, the share being the middle
        of the limits; the fullest territory's load / limit − 1 where there is only an upper limit, the emptiest one's
        1 − load / limit where there is only a lower one.
    extra_pieces : int or None
        Connected pieces beyond one a territory; None where nothing says which accounts touch.
    violations : list of str
        Every rule the answer breaks, one sentence each.
    """

    objective: float
    mean_distance: float
    deviation: dict[str, float]
    extra_pieces: int | None
    violations: list[str] = field(default_factory=list)

    @property
    def feasible(self) -> bool:
        """Whether every rule holds."""
        return not self.violations


def distances(points: NDArray[np.float64], others: NDArray[np.float64], *, spherical: bool) -> NDArray[np.float64]:
    """Return the distances between two sets of points, shape ``(n_points, n_others)``: km where ``spherical``."""
    if not spherical:
        return np.hypot(points[:, None, 0] - others[None, :, 0], points[:, None, 1] - others[None, :, 1])
    a, b = np.radians(points)[:, None], np.radians(others)[None]
    half = np.sin((a - b) / 2) ** 2
    chord = half[..., 0] + np.cos(a[..., 0]) * np.cos(b[..., 0]) * half[..., 1]
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0))))


def best_member(instance: Instance, members: NDArray[np.int64]) -> tuple[float, float]:
    """Return the least Σ weight × distance^power from one of the members, and Σ weight × distance from that one."""
    points, weights = instance.points[members], instance.weights[members]
    best, travel = np.inf, np.nan
    step = max(1, BLOCK // len(members))
    for begin in range(0, len(members), step):
        distance = distances(points[begin : begin + step], points, spherical=instance.spherical)
        costs = distance**instance.power @ weights
        centre = int(np.argmin(costs))
        if costs[centre] < best:
            best, travel = float(costs[centre]), float(distance[centre] @ weights)
    return best, travel


def pieces(labels: NDArray[np.int64], pairs: NDArray[np.int64]) -> dict[int, int]:
    """Return the number of connected pieces of every territory.

    Every account takes the least number among its own and its neighbours' of the same territory, until none changes.
    """
    a, b = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]].T
    root = np.arange(len(labels))
    while True:
        least = root.copy()
        np.minimum.at(least, root[a], root[b])
        np.minimum.at(least, root[b], root[a])
        least = least[least[root]]
        if np.array_equal(least, root):
            break
        root = least
    territories, count = np.unique(labels[np.unique(root)], return_counts=True)
    return {int(t): int(c) for t, c in zip(territories, count, strict=True)}


def off_share(load: float, low: float, high: float) -> float:
    """Return how far a load is from the middle of its limits, or beyond the only one there is; a fraction."""
    if np.isfinite(low) and np.isfinite(high):
        return abs(2 * load / (low + high) - 1)
    return load / high - 1 if np.isfinite(high) else 1 - load / low


def score(instance: Instance, labels: NDArray[np.int64]) -> Score:
    """Judge an answer.

    Parameters
    ----------
    instance : Instance
    labels : ndarray of int64, shape (n_accounts,)
        Territory of each account: any numbers, but the rep's row where reps are given; −1 for an account left out.
    """
    labels = np.asarray(labels, np.int64)
    if labels.shape != (instance.n_accounts,):
        raise ValueError(f"{instance.n_accounts} accounts, but the answer has the shape {labels.shape}")
    m, reps = instance.n_territories, instance.rep_ids
    violations = []
    left_out = int((labels < 0).sum())
    if left_out:
        violations.append(f"{left_out} accounts are in no territory")
    served = np.flatnonzero(labels >= 0)
    used = np.unique(labels[served])
    if reps is not None and len(used) and used[-1] >= m:
        raise ValueError(f"territory {used[-1]} is no rep's row: there are {m}")
    if reps is None and len(used) != m:
        violations.append(f"{len(used)} territories, {m} wanted")
    members = {int(t): served[labels[served] == t] for t in (range(m) if reps is not None else used)}

    if instance.cost_table is not None:
        objective = float(instance.cost_table[labels[served], served] @ instance.weights[served])
        mean = objective / max(float(instance.weights[served].sum()), 1e-300)
    else:
        found = [best_member(instance, inside) for inside in members.values() if len(inside)]
        objective = sum(cost for cost, _ in found)
        mean = sum(travel for _, travel in found) / max(float(instance.weights[served].sum()), 1e-300)

    deviation = {}
    for k, measure in enumerate(instance.measures):
        worst = -np.inf
        for column, (t, inside) in enumerate(members.items()):
            # Without reps all territories have the same limits, whatever an answer calls them.
            low, high = (float(side[k, column if reps is not None else 0]) for side in (instance.lower, instance.upper))
            loads = instance.loads[k] if instance.load_table is None else instance.load_table[k, t]
            load = float(loads[inside].sum())
            if load < low - ROUNDING - 1e-3 * ROUNDING * abs(low) or load > high + ROUNDING + 1e-3 * ROUNDING * high:
                violations.append(f"{measure} of territory {t} is {load:g}, allowed {low:g} to {high:g}")
            worst = max(worst, off_share(load, low, high))
        deviation[measure] = worst

    extra = None
    if instance.pairs is not None:
        count = {t: c for t, c in pieces(labels, instance.pairs).items() if t >= 0}
        extra = sum(count.values()) - len(count)
        violations += [f"territory {t} is in {c} pieces" for t, c in count.items() if c > 1]
    return Score(objective, mean, deviation, extra, violations)
