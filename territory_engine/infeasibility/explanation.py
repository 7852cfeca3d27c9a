"""What is known about a conflict while it is being put into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.bounds import Prices


@dataclass(frozen=True)
class Misfit:
    """Why some accounts may go to no rep.

    Attributes
    ----------
    kind : str
        ``"lock, list"``, ``"lock, travel"``, ``"lock, table"``, ``"list"``, ``"travel"``, ``"list, travel"``,
        ``"table"`` or ``"group"``.
    rows : tuple of int
        The accounts.
    rep : int
        The rep they are locked to, or the nearest one they could have; −1 where there is none.
    value : str
        Their value in the eligibility column.
    travel : float
        To that rep, of the account that is farthest from it.
    group : str
    """

    kind: str
    rows: tuple[int, ...]
    rep: int = -1
    value: str = ""
    travel: float = np.nan
    group: str = ""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A conflict in words, and what a relaxation would have to change.

    Attributes
    ----------
    rules : tuple of str
    rows : ndarray of int64
        The accounts concerned; empty when it is all of them.
    prices : Prices or None
        The certificate, where prices prove the conflict.
    measures : tuple of int
        Measures whose limits take part, by position.
    upper, lower : ndarray of bool, shape (n_measures, n_reps)
        The limits that take part.
    kinds : frozenset of str
        ``"lock"``, ``"list"``, ``"travel"``, ``"group"``: the other rules that take part.
    misfits : tuple of Misfit
        Where accounts may go to no rep.
    groups : tuple of str
        Groups that take part.
    reasons : frozenset of (str, str)
        Kinds of rule and what each is about: ``("lock", "R03")``, ``("list", "hospital")``.
    """

    rules: tuple[str, ...]
    rows: NDArray[np.int64]
    prices: Prices | None
    upper: NDArray[np.bool_]
    lower: NDArray[np.bool_]
    kinds: frozenset[str] = frozenset()
    misfits: tuple[Misfit, ...] = ()
    groups: tuple[str, ...] = ()
    reasons: frozenset[tuple[str, str]] = frozenset()

    @property
    def measures(self) -> tuple[int, ...]:
        """Measures whose limits take part, by position."""
        return tuple(int(k) for k in np.flatnonzero((self.upper | self.lower).any(axis=1)))
