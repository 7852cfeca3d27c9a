"""How even a distribution is, in one number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def gini(count: NDArray[Any], fair: NDArray[np.float64]) -> float:
    """Return the Gini coefficient of what each has per unit of its fair share.

    0: everybody has exactly their share; towards 1: one has everything. Who has no share is left out.

    Parameters
    ----------
    count : ndarray, shape (n,)
        What each has, 0 or more.
    fair : ndarray of float64, shape (n,)
        Each one's share, in any unit; 0 of who has none.

    Returns
    -------
    float
        0 where nobody has anything.

    Notes
    -----
    Twice the area between the diagonal and the Lorenz curve, whose steps along the first axis are the shares.
    """
    entitled = fair > 0
    had, share = np.asarray(count, np.float64)[entitled], fair[entitled]
    if not had.sum() > 0:
        return 0.0
    order = np.argsort(had / share, kind="stable")
    width = share[order] / share.sum()
    upper = np.cumsum(had[order]) / had.sum()
    lower = np.concatenate([[0.0], upper[:-1]])
    return max(0.0, float(1.0 - (width * (lower + upper)).sum()))
