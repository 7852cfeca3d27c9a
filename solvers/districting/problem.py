"""The territory design problem in arrays: units to territories, territories to centres, in one piece where asked.

A *unit* is what moves as one: an account, accounts grouped together, or a geographic unit with all its accounts (and
perhaps none). A *candidate* is a place where a territory may be centred. The planner translates IDs; here are rows.

    minimise    Σ_i c_{i, centre(t(i))}  +  Σ_kt w_k |L_kt − T_kt|
    subject to  l_kt ≤ L_kt = Σ_{i: t(i)=t} a_ki ≤ u_kt     every measure k and territory t
                the units of t are connected in the graph     where there is one
                the unit of t's centre belongs to t           where the candidate has a unit
                Σ_i d_{i,t(i)} ≤ B                            where what changes hands is limited, with given centres
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from solvers.kernels import haversine_block
from solvers.problem import BLOCK_PAIRS, EARTH_RADIUS_KM, LIMIT_SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.bounds import Prices
    from solvers.disruption import Disruption
    from solvers.districting.infeasible.certificates import Infeasibility
    from solvers.result import Status, Termination


class CentreCosts(Protocol):
    """What it costs to serve each unit from each place where a territory may be centred."""

    @property
    def n_units(self) -> int:
        """Number of units."""
        ...

    @property
    def n_candidates(self) -> int:
        """Number of places where a territory may be centred."""
        ...

    def columns(self, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of every unit from some candidates, shape ``(n_units, len(candidates))``; +inf: not allowed."""
        ...

    def rows(self, units: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of some units from every candidate, shape ``(len(units), n_candidates)``."""
        ...

    def submatrix(self, units: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of some units from some candidates, shape ``(len(units), len(candidates))``."""
        ...


@dataclass(frozen=True, eq=False)
class MatrixCosts:
    """Costs given as a dense table, from a travel table for instance.

    Attributes
    ----------
    table : ndarray of float64, shape (n_units, n_candidates)
        +inf where the pair is not allowed.
    """

    table: NDArray[np.float64]

    @property
    def n_units(self) -> int:
        """Number of rows."""
        return int(self.table.shape[0])

    @property
    def n_candidates(self) -> int:
        """Number of columns."""
        return int(self.table.shape[1])

    def columns(self, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return some columns."""
        return self.table[:, candidates]

    def rows(self, units: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return some rows."""
        return self.table[units]

    def submatrix(self, units: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return some rows of some columns."""
        return self.table[np.ix_(units, candidates)]


@dataclass(frozen=True, eq=False)
class PlaceCosts:
    """Costs computed from coordinates: the sum over a unit's members of weight × distance^power.

    Attributes
    ----------
    member_start : ndarray of int64, shape (n_units + 1,)
        Members of unit ``i`` are rows ``member_start[i]`` to ``member_start[i + 1]``; a unit may have none.
    points : ndarray of float64, shape (n_members, 2)
        Latitude and longitude in degrees, or x and y. NaN: the member has no place and costs nothing anywhere.
    weights : ndarray of float64, shape (n_members,)
    candidates : ndarray of float64, shape (n_candidates, 2)
        Places where a territory may be centred, in the same coordinates.
    spherical : bool
        True for kilometres on the sphere, False for the euclidean distance of x and y.
    power : int
        1 or 2.
    max_travel : float
        Pairs with a member further away than this are not allowed; inf for no limit.
    """

    member_start: NDArray[np.int64]
    points: NDArray[np.float64]
    weights: NDArray[np.float64]
    candidates: NDArray[np.float64]
    spherical: bool
    power: int = 1
    max_travel: float = np.inf

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.member_start) - 1

    @property
    def n_candidates(self) -> int:
        """Number of places where a territory may be centred."""
        return len(self.candidates)

    @cached_property
    def alone(self) -> bool:
        """Whether every unit has exactly one member: then unit ``i`` is at ``points[i]``."""
        return bool(np.all(np.diff(self.member_start) == 1))

    def columns(self, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of every unit from some candidates, shape ``(n_units, len(candidates))``."""
        return self._costs(np.arange(self.n_units), self.candidates[candidates])

    def rows(self, units: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of some units from every candidate, shape ``(len(units), n_candidates)``."""
        return self._costs(units, self.candidates)

    def submatrix(self, units: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of some units from some candidates."""
        return self._costs(units, self.candidates[candidates])

    def _costs(self, units: NDArray[np.int64], centers: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = np.diff(self.member_start)[units]
        out = np.zeros((len(units), len(centers)))
        ends = np.cumsum(counts)
        step = max(1, BLOCK_PAIRS // max(1, len(centers)))
        first = 0
        while first < len(units):
            # Whole units whose members fill one block; a unit larger than a block is a block of its own.
            last = max(first + 1, int(np.searchsorted(ends, ends[first] - counts[first] + step, side="right")))
            out[first:last] = self._block(units[first:last], counts[first:last], centers)
            first = last
        return out

    def _block(
        self, units: NDArray[np.int64], counts: NDArray[np.int64], centers: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        begins = np.cumsum(counts) - counts
        members = np.repeat(self.member_start[units] - begins, counts) + np.arange(int(counts.sum()))
        points, weights = self.points[members], self.weights[members]
        if self.spherical:
            distance = haversine_block(np.radians(points), np.radians(centers), EARTH_RADIUS_KM)
        else:
            distance = np.hypot(points[:, :1] - centers[:, 0], points[:, 1:] - centers[:, 1])
        distance[np.isnan(points).any(axis=1)] = 0.0
        cost = weights[:, None] * (distance if self.power == 1 else distance * distance)
        if np.isfinite(self.max_travel):
            cost[distance > self.max_travel * (1 + LIMIT_SLACK)] = np.inf
        if len(counts) == len(members) and np.all(counts == 1):
            return cost
        total = np.zeros((len(units), len(centers)))
        filled = counts > 0
        if filled.any():
            total[filled] = np.add.reduceat(cost, begins[filled], axis=0)
        return total


@dataclass(frozen=True, eq=False)
class Graph:
    """Which units touch, as compressed rows; symmetric, without loops, each row ascending.

    Attributes
    ----------
    start : ndarray of int64, shape (n_units + 1,)
        Neighbours of unit ``i`` are ``neighbour[start[i]:start[i + 1]]``.
    neighbour : ndarray of int32, shape (n_links,)
    """

    start: NDArray[np.int64]
    neighbour: NDArray[np.int32]

    @classmethod
    def of_pairs(cls, n_units: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> Graph:
        """Return the graph of some pairs, in any order, repeated or not; a unit is never its own neighbour."""
        a, b = np.concatenate([first, second]).astype(np.int64), np.concatenate([second, first]).astype(np.int64)
        keys = np.unique(a[a != b] * n_units + b[a != b])
        start = np.searchsorted(keys // n_units, np.arange(n_units + 1)).astype(np.int64)
        return cls(start, (keys % n_units).astype(np.int32))


@dataclass(frozen=True, eq=False)
class DistrictingProblem:
    """Design territories: choose centres, assign every unit, keep every limit, keep territories in one piece.

    Attributes
    ----------
    costs : CentreCosts
    candidate_unit : ndarray of int32, shape (n_candidates,)
        The unit that a candidate is in: it belongs to the territory that is centred there. −1: none (a rep's home).
    loads : ndarray of float64, shape (n_measures, n_units)
    lower, upper : ndarray of float64, shape (n_measures, n_territories)
        −inf and inf where there is no limit.
    centres : ndarray of int64, shape (n_territories,), or None
        The candidate of each territory where centres are given; None where they are to be chosen, each candidate at
        most once.
    graph : Graph or None
        Every territory must be connected in it; None where that is not asked.
    class_of : ndarray of int32, shape (n_units,)
        Eligibility class of each unit.
    class_allowed : ndarray of bool, shape (n_classes, n_territories)
    fixed : ndarray of int32, shape (n_units,)
        Territory that the unit is locked to; −1 where it is free.
    target : ndarray of float64, shape (n_measures, n_territories)
        Soft targets T; ignored where the weight is 0.
    target_weight : ndarray of float64, shape (n_measures,)
        Objective units per unit of load off target; 0 for none.
    disruption : Disruption or None
        What changing hands amounts to, with the limit B on it in all, inf for none; None where today's alignment does not
        matter, or centres are chosen. A price on it is part of the costs (``solvers.disruption.DisruptedCentreCosts``).
    """

    costs: CentreCosts
    candidate_unit: NDArray[np.int32]
    loads: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    centres: NDArray[np.int64] | None
    graph: Graph | None
    class_of: NDArray[np.int32]
    class_allowed: NDArray[np.bool_]
    fixed: NDArray[np.int32]
    target: NDArray[np.float64]
    target_weight: NDArray[np.float64]
    disruption: Disruption | None = None

    @classmethod
    def plain(
        cls,
        costs: CentreCosts,
        candidate_unit: NDArray[np.int32],
        loads: NDArray[np.float64],
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
        *,
        centres: NDArray[np.int64] | None = None,
        graph: Graph | None = None,
    ) -> DistrictingProblem:
        """Return a problem where every territory may have every unit, without locks or soft targets."""
        n, m = costs.n_units, lower.shape[1]
        return cls(
            costs,
            candidate_unit,
            loads,
            lower,
            upper,
            centres,
            graph,
            np.zeros(n, np.int32),
            np.ones((1, m), np.bool_),
            np.full(n, -1, np.int32),
            np.zeros_like(lower),
            np.zeros(len(lower)),
        )

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.costs.n_units

    @property
    def n_territories(self) -> int:
        """Number of territories."""
        return int(self.lower.shape[1])

    @property
    def n_measures(self) -> int:
        """Number of measures."""
        return int(self.lower.shape[0])

    @cached_property
    def alike(self) -> bool:
        """Whether territories differ in nothing: the same limits and targets, everyone eligible, no locks."""
        same = all(np.all(a == a[:, :1]) for a in (self.lower, self.upper, self.target * self.target_weight[:, None]))
        return bool(same and self.class_allowed.all() and np.all(self.fixed < 0))

    @property
    def limit(self) -> Disruption | None:
        """The disruption where it is limited in all; None where it is not."""
        return self.disruption if self.disruption is not None and self.disruption.limited else None

    def may_hold(self) -> NDArray[np.bool_]:
        """Return which territory may hold which unit by class and lock, shape ``(n_units, n_territories)``."""
        allowed = self.class_allowed[self.class_of]
        locked = np.flatnonzero(self.fixed >= 0)
        only = np.zeros((len(locked), self.n_territories), np.bool_)
        only[np.arange(len(locked)), self.fixed[locked]] = True
        allowed[locked] &= only
        return allowed

    def slack(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the limits widened by the summation slack: what a load is compared with."""
        with np.errstate(invalid="ignore"):
            lower = self.lower - LIMIT_SLACK * np.maximum(1.0, np.abs(self.lower))
            upper = self.upper + LIMIT_SLACK * np.maximum(1.0, np.abs(self.upper))
        return lower, upper

    def loads_of(self, assignment: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the load of every territory, shape ``(n_measures, n_territories)``."""
        m = self.n_territories
        return np.array([np.bincount(assignment, row, m) for row in self.loads]).reshape(self.n_measures, m)

    def travel_of(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the cost of every unit from its territory's centre, shape ``(n_units,)``."""
        out = np.empty(self.n_units)
        order = np.argsort(assignment, kind="stable")
        ends = np.searchsorted(assignment[order], np.arange(self.n_territories + 1))
        for t in range(self.n_territories):
            units = order[ends[t] : ends[t + 1]]
            if len(units):
                out[units] = self.costs.submatrix(units, centres[t : t + 1])[:, 0]
        return out

    def off_target(self, assignment: NDArray[np.int32]) -> float:
        """Return Σ_kt w_k |L_kt − T_kt|."""
        return float((self.target_weight[:, None] * np.abs(self.loads_of(assignment) - self.target)).sum())

    def cost_of(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> float:
        """Return the objective: travel and what is off target."""
        return float(self.travel_of(centres, assignment).sum()) + self.off_target(assignment)


@dataclass(frozen=True, eq=False)
class Districts:
    """The outcome of one territory design. Infeasible is a status, not an exception.

    Attributes
    ----------
    status : {"optimal", "feasible", "infeasible", "unknown"}
    termination : str
        Why the search ended.
    assignment : ndarray of int32, shape (n_units,), or None
        Territory of each unit.
    centres : ndarray of int64, shape (n_territories,), or None
        Candidate of each territory.
    objective, lower_bound, priced_bound : float or None
        ``priced_bound`` is what ``multipliers`` (centres chosen) or the prices (centres given) prove over the whole
        problem; ``lower_bound`` is the same or what a search proved. None where nothing was proved.
    multipliers : ndarray of float64, shape (n_units,), or None
        What serving each unit is worth: the certificate where centres are chosen (``districting.bound``).
    prices : Prices
        Of the limits and soft targets at the centres of the answer: what explains an assignment, and the certificate
        where centres are given.
    bound_at_centres : float or None
        What the prices prove for these very centres: no bound over other centres.
    fewest : Districts or None
        The design of fewest moves, or what is known of it, where one was looked for because the limit on them was tight.
    contradiction : Infeasibility or None
        Why no answer exists, where that was proved.
    proof : dict
        ``{"kind": "prices"}`` (with ``"measure"``, whose limits the multipliers rest on, where centres are chosen) or ``{"kind": "search", …}`` with the solver, its version and parameters.
    rounds : int
        Completed rounds of improvement.
    seconds : float
    """

    status: Status
    termination: Termination
    assignment: NDArray[np.int32] | None
    centres: NDArray[np.int64] | None
    objective: float | None
    lower_bound: float | None
    priced_bound: float | None
    multipliers: NDArray[np.float64] | None
    prices: Prices
    bound_at_centres: float | None = None
    fewest: Districts | None = None
    contradiction: Infeasibility | None = None
    proof: dict[str, Any] = field(default_factory=lambda: {"kind": "prices"})
    rounds: int = 0
    seconds: float = 0.0
