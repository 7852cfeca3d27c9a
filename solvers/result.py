"""What a solver hands back, and what it says while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from solvers.bounds import Prices

if TYPE_CHECKING:
    from numpy.typing import NDArray

Status = Literal["optimal", "feasible", "infeasible", "unknown"]
Termination = Literal["optimal", "gap", "stalled", "rounds", "time_limit", "interrupted", "infeasible"]


@dataclass(frozen=True)
class Progress:
    """Where a running solve stands.

    Attributes
    ----------
    stage : str
        The rung of the ladder, in words a planner can read ("pricing", "placing whole accounts", "improving").
    seconds : float
        Since the solve began.
    rounds : int
        Completed rounds of improvement.
    objective : float or None
        Of the best assignment that keeps every rule; None until there is one.
    lower_bound : float or None
        The best bound proved so far; None until there is one.
    violation : float or None
        While no assignment keeps every rule: how far the best one is off, as the sum over limits of the excess or
        shortfall divided by the limit. None once one does.
    """

    stage: str
    seconds: float
    rounds: int = 0
    objective: float | None = None
    lower_bound: float | None = None
    violation: float | None = None

    @property
    def gap(self) -> float | None:
        """(objective − lower bound) / objective; None until both are known."""
        if self.objective is None or self.lower_bound is None:
            return None
        return relative_gap(self.objective, self.lower_bound)


ProgressListener = Callable[[Progress], None]
StopRequest = Callable[[], bool]


def relative_gap(objective: float, lower_bound: float) -> float:
    """Return ``(objective − lower_bound) / objective``, never below 0; 0 when the objective is 0."""
    if objective <= 0:
        return 0.0
    return max(0.0, (objective - lower_bound) / objective)


@dataclass(frozen=True, eq=False)
class SolveResult:
    """The outcome of one solve. Infeasible is a status, not an exception.

    Attributes
    ----------
    status : {"optimal", "feasible", "infeasible", "unknown"}
    termination : str
        Why the search ended.
    assignment : ndarray of int32, shape (n_units,), or None
        Territory of each unit.
    objective, lower_bound, priced_bound : float or None
        ``objective`` is the cost and what is off target. ``priced_bound`` is what the prices prove by weak duality over
        every allowed pair; ``lower_bound`` is the same or what a search proved.
    upper_prices, lower_prices : ndarray of float64, shape (n_measures, n_territories)
        λ⁺ and λ⁻ ≥ 0: price per unit of load at the upper and at the lower limit. When infeasible, the ray that
        proves it.
    proof : dict
        ``{"kind": "prices"}`` or ``{"kind": "search", …}`` with the solver, its version and parameters.
    rounds : int
        Completed rounds of improvement.
    seconds : float
    certificate : float or None
        When infeasible and proved by prices: the positive number they prove.
    target_prices : ndarray of float64, shape (n_measures, n_territories)
        π between −w and w: price per unit of load at the soft target. Left out: zeros.
    moved_price : float
        β ≥ 0: price per unit of disruption where that is limited; 0 elsewhere.
    """

    status: Status
    termination: Termination
    assignment: NDArray[np.int32] | None
    objective: float | None
    lower_bound: float | None
    priced_bound: float | None
    upper_prices: NDArray[np.float64]
    lower_prices: NDArray[np.float64]
    proof: dict[str, Any] = field(default_factory=lambda: {"kind": "prices"})
    rounds: int = 0
    seconds: float = 0.0
    certificate: float | None = None
    target_prices: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    moved_price: float = 0.0

    @property
    def prices(self) -> Prices:
        """The four kinds of prices as one."""
        return Prices(self.upper_prices, self.lower_prices, self.target_prices, self.moved_price)
