"""How evenly loads follow shares: the Lorenz curve, the Gini coefficient, and who has most and least for their share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def lorenz_curve(load: NDArray[Any], share: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Return the Lorenz curve of loads against shares: how much those with the least for their share have together.

    Parameters
    ----------
    load : ndarray, shape (n,)
        What each has, 0 or more, in any unit.
    share : ndarray, shape (n,), optional
        What each is entitled to, 0 or more, in any unit. Default: equal shares. Who has no share is left out.

    Returns
    -------
    ndarray of float64, shape (m + 1, 2)
        From (0, 0) to (1, 1), by load per unit of share, least first: the cumulated fraction of the shares and that of
        the loads. The line of equality alone, (0, 0) and (1, 1), where nobody has anything.

    Raises
    ------
    ValueError
        A load or a share is negative or not finite.

    Source
    ------
    Lorenz (1905), "Methods of measuring the concentration of wealth", Publications of the American Statistical
    Association 9 (70), 209–219; with shares as weights as in Lerman & Yitzhaki (1989).
    """
    had, entitled = _entitled(load, share)
    if not had.sum() > 0:
        return np.array([[0.0, 0.0], [1.0, 1.0]])
    order = np.argsort(had / entitled, kind="stable")
    steps = np.column_stack([np.cumsum(entitled[order]) / entitled.sum(), np.cumsum(had[order]) / had.sum()])
    steps[-1] = 1.0
    return np.vstack([[0.0, 0.0], steps])


def gini(load: NDArray[Any], share: NDArray[Any] | None = None) -> float:
    """Return the Gini coefficient of what each has per unit of their share.

    0: everybody has exactly their share; towards 1: one has everything.

    Parameters
    ----------
    load, share : ndarray, shape (n,)
        As for :func:`lorenz_curve`.

    Returns
    -------
    float
        In [0, 1); 0 where nobody has anything.

    Raises
    ------
    ValueError
        A load or a share is negative or not finite.

    Notes
    -----
    Twice the area between the line of equality and the Lorenz curve, ``1 − Σ_k w_k (L_{k−1} + L_k)``, which equals half
    the relative mean absolute difference, ``Σ_i Σ_j w_i w_j |x_i − x_j| / 2μ``, with ``w = share / Σ share``,
    ``x = load / share`` and ``μ = Σ_i w_i x_i``.

    Source
    ------
    Gini (1912), "Variabilità e mutabilità"; weighted: Lerman & Yitzhaki (1989), "Improving the accuracy of estimates of
    Gini coefficients", Journal of Econometrics 42 (1), 43–47.
    """
    curve = lorenz_curve(load, share)
    width = np.diff(curve[:, 0])
    return max(0.0, float(1.0 - (width * (curve[:-1, 1] + curve[1:, 1])).sum()))


def coefficient_of_variation(load: NDArray[Any], share: NDArray[Any] | None = None) -> float:
    """Return the standard deviation of what each has per unit of their share, as a fraction of the mean.

    Parameters
    ----------
    load, share : ndarray, shape (n,)
        As for :func:`lorenz_curve`.

    Returns
    -------
    float
        ``sqrt(Σ_i w_i (x_i − μ)²) / μ`` in the notation of :func:`gini`; 0 where nobody has anything.

    Raises
    ------
    ValueError
        A load or a share is negative or not finite.
    """
    had, entitled = _entitled(load, share)
    if not had.sum() > 0:
        return 0.0
    weight = entitled / entitled.sum()
    each = had / entitled
    mean = float((weight * each).sum())
    return math.sqrt(float((weight * (each - mean) ** 2).sum())) / mean


@dataclass(frozen=True)
class Spread:
    """How far apart those with the least and with the most for their share are.

    Attributes
    ----------
    lowest, highest : int
        Rows of who has least and most per unit of share; −1 where nobody has a share.
    lowest_ratio, highest_ratio : float
        What they have relative to exactly their share: 1 is exactly it. NaN where there is nothing to have.
    ratio : float
        ``highest_ratio / lowest_ratio``; inf where the lowest has nothing, NaN where nobody has.
    gini, variation : float
        As :func:`gini` and :func:`coefficient_of_variation` return them.
    """

    lowest: int
    highest: int
    lowest_ratio: float
    highest_ratio: float
    ratio: float
    gini: float
    variation: float


def spread(load: NDArray[Any], share: NDArray[Any] | None = None) -> Spread:
    """Return who has least and most for their share, and how uneven that is over all.

    Parameters
    ----------
    load, share : ndarray, shape (n,)
        As for :func:`lorenz_curve`.

    Raises
    ------
    ValueError
        A load or a share is negative or not finite.
    """
    had, entitled = _entitled(load, share)
    if not had.sum() > 0:
        return Spread(-1, -1, math.nan, math.nan, math.nan, 0.0, 0.0)
    rows = np.flatnonzero(np.ones(len(np.asarray(load))) if share is None else np.asarray(share, np.float64) > 0)
    relative = (had / entitled) * (entitled.sum() / had.sum())
    low, high = int(relative.argmin()), int(relative.argmax())
    least, most = float(relative[low]), float(relative[high])
    return Spread(
        int(rows[low]),
        int(rows[high]),
        least,
        most,
        most / least if least > 0 else math.inf,
        gini(load, share),
        coefficient_of_variation(load, share),
    )


def _entitled(load: NDArray[Any], share: NDArray[Any] | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the loads and shares of who has a share."""
    had = np.asarray(load, np.float64)
    entitled = np.ones(len(had)) if share is None else np.asarray(share, np.float64)
    for what, values in (("load", had), ("share", entitled)):
        if not np.all(np.isfinite(values) & (values >= 0)):
            bad = float(values[~(np.isfinite(values) & (values >= 0))][0])
            raise ValueError(
                f"a {what} is {bad:g}; allowed: 0 or more. Remedy: leave it out, or shift what is measured"
            )
    return had[entitled > 0], entitled[entitled > 0]
