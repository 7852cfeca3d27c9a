"""Which territories to open together: around one that breaks a limit, or was longest not opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import Graph


def touching(graph: Graph, assignment: NDArray[np.int32], n_territories: int) -> tuple[list[NDArray[np.int64]], int]:
    """Return the territories that each territory touches, and the number of units that touch another territory."""
    row = np.repeat(np.arange(len(assignment)), np.diff(graph.start))
    outward = np.flatnonzero(assignment[row] != assignment[graph.neighbour])
    row = row[outward]
    keys = np.unique(assignment[row].astype(np.int64) * n_territories + assignment[graph.neighbour[outward]])
    ends = np.searchsorted(keys // n_territories, np.arange(1, n_territories))
    return np.split(keys % n_territories, ends), len(np.unique(row))


def opened_around(
    seed: int,
    beside: list[NDArray[np.int64]],
    wanted: int,
    closed: NDArray[np.bool_],
    surplus: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return up to ``wanted`` territories around one, ascending.

    Parameters
    ----------
    seed : int
    beside : list of ndarray
        What each territory touches.
    wanted : int
    closed : ndarray of bool, shape (n_territories,)
        These are left out.
    surplus : ndarray of float64, shape (n_measures, n_territories)
        By how much loads are above (below: negative) what would do. Those are taken first that make up for each other,
        so that what one has too much another can take. All 0: ring by ring, in random order.
    rng : Generator
    """
    chosen = [seed]
    seen = closed.copy()
    seen[seed] = True
    ring: list[int] = [seed]
    if not surplus.any():
        while ring and len(chosen) < wanted:
            around = np.unique(np.concatenate([beside[t] for t in ring]))
            around = rng.permutation(around[~seen[around]])
            ring = around[: wanted - len(chosen)].tolist()
            seen[ring] = True
            chosen += ring
        return np.sort(np.array(chosen, np.int64))
    rim: list[int] = []
    total = surplus[:, seed].copy()
    newest = seed
    while len(chosen) < wanted:
        fresh = beside[newest][~seen[beside[newest]]]
        seen[fresh] = True
        rim += fresh.tolist()
        if not rim:
            break
        left = np.abs(total[:, None] + surplus[:, rim]).sum(axis=0)
        # Among near-equals whichever: the same region is not opened over and over.
        newest = rim.pop(int((left * rng.uniform(0.9, 1.0, len(rim))).argmin()))
        total += surplus[:, newest]
        chosen.append(newest)
    return np.sort(np.array(chosen, np.int64))
