"""Where the centres of some territories might be instead: what a region is begun anew from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.connected.region import Region

ALL_ANEW = 0.3
"""Share of recombinations that move every centre rather than one; two or three territories are always split anew."""


def new_centres(region: Region, draws: np.random.Generator) -> NDArray[np.int64] | None:
    """Return new centres for a region: all drawn anew, or one moved to where it serves others better; None: no way.

    A centre is drawn with a chance in proportion to what a unit costs at the nearest centre drawn before it (Arthur &
    Vassilvitskii 2007, k-means++).
    """
    units, m = region.units, len(region.territories)
    choice = region.own.of(units)
    if len(choice) <= m:
        return None
    kept: list[int] = []
    if m > 3 and draws.random() >= ALL_ANEW:
        kept = np.delete(region.centres, draws.integers(m)).tolist()
    cost = region.costs.submatrix(units, np.array(kept)).min(axis=1) if kept else None
    while len(kept) < m:
        if cost is None:
            new = int(draws.choice(choice))
        else:
            weight = np.where(np.isfinite(cost), cost, 0.0)
            total = weight.sum()
            unit = draws.choice(len(units), p=weight / total if total > 0 else None)
            own = np.setdiff1d(region.own.of(units[unit : unit + 1]), kept)
            if not len(own):
                own = np.setdiff1d(choice, kept)
            new = int(draws.choice(own))
        kept.append(new)
        column = region.costs.submatrix(units, np.array([new]))[:, 0]
        cost = column if cost is None else np.minimum(cost, column)
    centres = np.array(kept, np.int64)
    homes = region.problem.candidate_unit[centres]
    return centres if len(np.unique(homes)) == m else None
