"""Which territories to solve again together: those that lose most, with the neighbours they share most ties with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.neighbourhoods import Neighbourhood, open_neighbourhood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.candidates import Candidates
    from solvers.deviation import Targets

MOST_TERRITORIES = 8


def choose_neighbourhoods(
    candidates: Candidates,
    pair: NDArray[np.int64],
    loads: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    regret: NDArray[np.float64],
    loss: NDArray[np.float64],
    broken: NDArray[np.float64] | None,
    *,
    count: int,
    pairs_wanted: float,
    rng: np.random.Generator,
    targets: Targets | None = None,
    room: float = np.inf,
    unspent: float = 0.0,
) -> list[Neighbourhood]:
    """Return up to ``count`` neighbourhoods that share no territory.

    Parameters
    ----------
    candidates : Candidates
    pair : ndarray of int64, shape (n_units,)
        Present pair of every unit.
    loads : tuple of three ndarrays, shape (n_measures, n_territories)
        Present loads, lower and upper limits.
    regret : ndarray of float64, shape (n_pairs,)
        Reduced cost of each pair above the least of its unit.
    loss : ndarray of float64, shape (n_territories,)
        Proved loss of each territory.
    broken : ndarray of float64, shape (n_territories,), or None
        By how much each territory breaks its limits, in fractions of a limit; None when none does.
    count : int
    pairs_wanted : float
        A neighbourhood grows by territories until it has this many open pairs.
    rng : numpy.random.Generator
    targets : Targets or None
        The soft targets.
    room : float
        How much more may change hands in all than does; inf where that is not limited. Each neighbourhood gets an equal
        part of it, since they are solved side by side.
    unspent : float
        Proved loss that is no territory's.
    """
    totals, lower, upper = loads
    m = totals.shape[1]
    chance = loss + 1e-3 * loss.mean() + 1e-12 if broken is None else broken
    home = candidates.territory[pair].astype(np.int64)
    reach = float(np.sort(loss)[-min(m, 6) :].sum()) + unspent if broken is None else np.inf
    ties = _ties(candidates, home, regret, reach, m)
    members = np.argsort(home, kind="stable")
    bounds = np.searchsorted(home[members], np.arange(m + 1))
    used = np.zeros(m, np.bool_)

    def opened(inside: list[int]) -> Neighbourhood:
        units = np.sort(np.concatenate([members[bounds[t] : bounds[t + 1]] for t in inside]))
        # A neighbourhood can gain no more than it loses now, so dearer pairs are out of the question.
        worth = regret <= (float(loss[inside].sum()) + unspent if broken is None else np.inf)
        territories = np.array(sorted(inside), np.int32)
        part = room / count
        return open_neighbourhood(candidates, pair, totals, lower, upper, territories, units, worth, targets, part)

    hoods = []
    for _ in range(count):
        free = np.where(used, 0.0, chance)
        if free.sum() <= 0:
            free = np.where(used, 0.0, 1.0)
        if free.sum() <= 0:
            break
        inside = [int(rng.choice(m, p=free / free.sum()))]
        used[inside[0]] = True
        hood = None
        while len(inside) < min(MOST_TERRITORIES, m):
            pull = np.where(used, 0.0, ties[inside].sum(axis=0))
            if pull.sum() <= 0:
                break
            chosen = int(rng.choice(m, p=pull / pull.sum()))
            used[chosen] = True
            wider = opened([*inside, chosen])
            if hood is not None and len(wider.pairs) > pairs_wanted:
                used[chosen] = False
                break
            inside.append(chosen)
            hood = wider
        if hood is not None and len(hood.units):
            hoods.append(hood)
    return hoods


def _ties(
    candidates: Candidates, home: NDArray[np.int64], regret: NDArray[np.float64], reach: float, m: int
) -> NDArray[np.float64]:
    """Return how strongly territories are tied, shape ``(n_territories, n_territories)``: pairs of little regret count most."""
    near = regret <= reach
    ties = np.zeros((m, m))
    closeness = 1.0 / (1.0 + regret[near] / max(float(np.median(regret[near])), 1e-12))
    np.add.at(ties, (home[candidates.unit()[near]], candidates.territory[near].astype(np.int64)), closeness)
    ties += ties.T
    np.fill_diagonal(ties, 0.0)
    return ties
