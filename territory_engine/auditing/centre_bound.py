"""What one number per unit proves about a plan with free centres, worked out again in few lines that anyone can read.

Let serving unit i be worth μ_i, for any numbers μ. A territory centred at candidate j then costs, beyond what its units
are worth, at least

    ρ_j = min { Σ_i (c_ij − μ_i) x_i :  0 ≤ x ≤ 1,  x_own(j) = 1,  l ≤ Σ_i a_i x_i ≤ u }

whatever it serves, if it serves its own unit and a load within the limits. (``whole`` asks for x of 0 or 1 only.) A plan opens p different candidates and serves
every unit once, so it costs at least ``Σ_i μ_i`` plus the p smallest ρ_j: no choice of centres is cheaper, not only the
one in the plan. Units are divisible here, the limits are the loosest of any territory, and all other rules are left out:
each of these can only lower the number.

Source: Geoffrion 1974, "Lagrangean relaxation for integer programming".

Nothing here is shared with the code that found the multipliers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from territory_engine.auditing.numbers import EARTH_RADIUS_KM, LIMIT_SLACK, haversine_km

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.spatial import cKDTree

# Pairs of a unit and a candidate looked at together.
_BLOCK_PAIRS = 1 << 21
# Candidates looked at together where only near units matter, and how many pairs make that worth while.
_NEAR_CANDIDATES = 2048
_MANY_PAIRS = 1 << 24
# Undivided units take a number for every whole load up to the limit.
LARGEST_WHOLE_LIMIT = 2_000_000
# A radius of search is lengthened by this much of it (and of the extent): too many units found do no harm.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Table:
    """Costs given for every pair.

    Attributes
    ----------
    cost : ndarray of float64, shape (n_units, n_candidates)
        inf where the candidate may not serve the unit.
    """

    cost: NDArray[np.float64]

    @property
    def n_candidates(self) -> int:
        """Number of columns."""
        return int(self.cost.shape[1])

    def cost_of(self, candidates: NDArray[np.intp], units: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the cost of one unit for each candidate."""
        return self.cost[units, candidates]

    def blocks(self) -> Iterator[NDArray[np.intp]]:
        """Yield candidates a few at a time."""
        step = max(1, _BLOCK_PAIRS // max(1, len(self.cost)))
        for start in range(0, self.n_candidates, step):
            yield np.arange(start, min(self.n_candidates, start + step))

    def within(self, candidates: NDArray[np.intp], most: NDArray[np.float64]) -> Pairs:
        """Return every pair of some candidates; ``most`` is not needed."""
        return _every(self.cost[:, candidates])


@dataclass(frozen=True, eq=False)
class Places:
    """Costs that follow from places: Σ over a unit's members of weight × distance^power.

    Attributes
    ----------
    points : ndarray of float64, shape (n_members, 2)
        Latitude and longitude in degrees, or x and y; NaN: no place, which costs nothing anywhere.
    weights : ndarray of float64, shape (n_members,)
    unit : ndarray of int, shape (n_members,)
        The unit of each member.
    n_units : int
    candidates : ndarray of float64, shape (n_candidates, 2)
    spherical : bool
        Kilometres on the sphere, or the euclidean distance of x and y.
    power : int
        1 or 2.
    max_travel : float
        A candidate further than this from a member may not serve its unit.
    """

    points: NDArray[np.float64]
    weights: NDArray[np.float64]
    unit: NDArray[np.intp]
    n_units: int
    candidates: NDArray[np.float64]
    spherical: bool
    power: int = 1
    max_travel: float = np.inf

    @property
    def n_candidates(self) -> int:
        """Number of places where a territory may be centred."""
        return len(self.candidates)

    @property
    def selective(self) -> bool:
        """Whether there are so many pairs that only near units are looked at."""
        return self.n_units * self.n_candidates > _MANY_PAIRS

    def blocks(self) -> Iterator[NDArray[np.intp]]:
        """Yield candidates a few at a time; neighbours together where only near units will be looked at."""
        order = np.asarray(self._tree(self.candidates).indices) if self.selective else np.arange(self.n_candidates)
        step = _NEAR_CANDIDATES if self.selective else max(1, _BLOCK_PAIRS // max(1, len(self.points)))
        for start in range(0, len(order), step):
            yield order[start : start + step]

    def within(self, candidates: NDArray[np.intp], most: NDArray[np.float64]) -> Pairs:
        """Return at least the pairs of some candidates where unit i costs at most ``most[i]``.

        A unit costs at least its whole weight at its nearest member's distance, so a candidate further than
        ``(most_i / weight_i)^(1/power)`` from all of its members is left out.
        """
        if not self.selective or np.isposinf(most).all():
            return self._all(candidates)
        placed, weight = self._placed
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(weight > 0, np.maximum(most, 0.0) / weight, np.inf) ** (1 / self.power)
        wanted = np.flatnonzero((most >= 0)[self.unit] & placed)
        radius = self._radius(reach[self.unit[wanted]])
        hits = self._tree(self.candidates[candidates]).query_ball_point(
            self._positions(self.points[wanted]), radius, return_sorted=False
        )
        count = np.fromiter(map(len, hits), np.intp, len(hits))
        candidate = np.fromiter(chain.from_iterable(hits), np.intp, int(count.sum()))
        pair = candidate * self.n_units + np.repeat(self.unit[wanted], count)
        if len(self.points) > self.n_units or np.bincount(self.unit, minlength=1).max() > 1:
            # Several members of a unit may reach the same candidate.
            pair = np.unique(pair)
        # Units without any place cost nothing anywhere.
        nowhere = np.flatnonzero(np.bincount(self.unit[placed], minlength=self.n_units) == 0)
        everywhere = (np.arange(len(candidates))[:, None] * self.n_units + nowhere).ravel()
        pair = np.concatenate([pair, everywhere])
        return self._priced(candidates, pair // self.n_units, pair % self.n_units)

    def cost_of(self, candidates: NDArray[np.intp], units: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the cost of one unit for each candidate."""
        return self._priced(candidates, np.arange(len(candidates)), units).cost

    @cached_property
    def _placed(self) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Which members have a place, and the weight of each unit's members that have one."""
        placed = np.asarray(~np.isnan(self.points).any(axis=1))
        return placed, np.asarray(np.bincount(self.unit[placed], self.weights[placed], self.n_units), np.float64)

    @cached_property
    def _members(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Members by unit, and where each unit's begin."""
        order = np.argsort(self.unit, kind="stable")
        return order, np.searchsorted(self.unit[order], np.arange(self.n_units + 1))

    def _priced(self, candidates: NDArray[np.intp], candidate: NDArray[np.intp], unit: NDArray[np.intp]) -> Pairs:
        """Work out the cost of pairs: each member's, summed over the unit."""
        order, begin = self._members
        count = begin[unit + 1] - begin[unit]
        pair = np.repeat(np.arange(len(unit)), count)
        member = order[np.repeat(begin[unit] - (np.cumsum(count) - count), count) + np.arange(count.sum())]
        place = self.candidates[candidates[candidate[pair]]]
        cost = np.bincount(pair, self._member_cost(self.points[member], self.weights[member], place), len(unit))
        return Pairs(candidate, unit, np.asarray(cost, np.float64))

    def _member_cost(
        self, points: NDArray[np.float64], weights: NDArray[np.float64], places: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if self.spherical:
            distance = haversine_km(points[..., 0], points[..., 1], places[..., 0], places[..., 1])
        else:
            distance = np.hypot(points[..., 0] - places[..., 0], points[..., 1] - places[..., 1])
        distance = np.where(np.isnan(distance), 0.0, distance)
        too_far = distance > self.max_travel * (1 + LIMIT_SLACK)
        return np.where(too_far, np.inf, weights * distance**self.power)

    def _all(self, candidates: NDArray[np.intp]) -> Pairs:
        cost = np.zeros((self.n_units, len(candidates)))
        order, begin = self._members
        for start in range(0, len(candidates), step := max(1, _BLOCK_PAIRS // max(1, len(self.points)))):
            some = slice(start, start + step)
            places = self.candidates[candidates[some]][None, :]
            of_member = self._member_cost(self.points[order, None], self.weights[order, None], places)
            filled = np.flatnonzero(np.diff(begin))
            cost[filled, some] = np.add.reduceat(of_member, begin[filled], axis=0) if len(filled) else 0.0
        return _every(cost)

    def _positions(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points in space: unit vectors on the sphere, where the straight line grows with the distance."""
        if not self.spherical:
            return places
        phi, theta = np.radians(places).T
        return np.column_stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])

    def _radius(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        extent = 1.0 if self.spherical else float(np.abs(self.candidates).max(initial=0.0))
        if self.spherical:
            # Past a quarter of the way round, all of it: 3 exceeds every chord of the unit sphere.
            angle = np.minimum(distance / EARTH_RADIUS_KM, np.pi)
            distance = np.where(angle > np.pi / 2, 3.0, 2 * np.sin(np.minimum(angle, np.pi / 2) / 2))
        return np.asarray(distance * (1 + _ROUNDING) + _ROUNDING * extent)

    def _tree(self, places: NDArray[np.float64]) -> cKDTree:
        # Imported here: only problems too large for every pair need it.
        from scipy.spatial import cKDTree

        return cKDTree(self._positions(places))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Some candidates and units, and what they cost together.

    Attributes
    ----------
    candidate : ndarray of int, shape (n_pairs,)
        Position among the candidates asked for.
    unit : ndarray of int, shape (n_pairs,)
    cost : ndarray of float64, shape (n_pairs,)
    """

    candidate: NDArray[np.intp]
    unit: NDArray[np.intp]
    cost: NDArray[np.float64]


def _every(cost: NDArray[np.float64]) -> Pairs:
    n_units, m = cost.shape
    return Pairs(np.repeat(np.arange(m), n_units), np.tile(np.arange(n_units), m), cost.T.ravel())


def centre_bound(
    costs: Places | Table,
    multipliers: NDArray[np.float64],
    count: int,
    own: NDArray[np.intp],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
    *,
    whole: bool = False,
) -> tuple[float, float]:
    """Return the lower bound that the multipliers prove for any choice of ``count`` centres.

    Parameters
    ----------
    costs : Places or Table
    multipliers : ndarray of float64, shape (n_units,)
        μ, in objective units; any sign.
    count : int
        Number of territories.
    own : ndarray of int, shape (n_candidates,)
        The unit that a territory centred there must hold; −1 for none.
    load : ndarray of float64, shape (n_units,)
        The units' loads of one measure, 0 or more.
    lower, upper : float
        Its loosest limits over all territories; −inf and inf for none.
    whole : bool
        Do not divide units; only where every load is a whole number (then the limits are rounded to whole numbers too).
        Where only near units are looked at and there is a lower limit, rounding the limits is all that is done.

    Returns
    -------
    bound, magnitude : float
        The bound, and the sum of the absolute values of the terms it is made of. inf where fewer than ``count``
        candidates can be centres.
    """
    if whole:
        if not np.array_equal(load, np.rint(load)):
            raise ValueError("whole knapsacks need whole loads")
        slack = LIMIT_SLACK * np.maximum(1.0, np.abs([lower, upper]))
        lower = float(np.ceil(lower - slack[0])) if np.isfinite(lower) else lower
        upper = float(np.floor(upper + slack[1])) if np.isfinite(upper) else float(load.sum())
        if upper > LARGEST_WHOLE_LIMIT:
            raise ValueError(f"whole knapsacks of more than {LARGEST_WHOLE_LIMIT:,} are not solved")
    if np.isfinite(lower):
        lower -= LIMIT_SLACK * max(1.0, abs(lower))
    if np.isfinite(upper):
        upper += LIMIT_SLACK * max(1.0, abs(upper))
    value, size = np.empty(costs.n_candidates), np.empty(costs.n_candidates)
    for candidates in costs.blocks():
        value[candidates], size[candidates] = _centre_values(costs, candidates, multipliers, own, load, lower, upper)
    best = np.argsort(value, kind="stable")[:count]
    if len(best) < count or np.isinf(value[best]).any():
        return np.inf, np.inf
    if whole and not (isinstance(costs, Places) and costs.selective and lower > 0):
        value = _undivided(costs, value, count, multipliers, own, load, lower, upper)
        best = np.argsort(value, kind="stable")[:count]
    return float(multipliers.sum() + value[best].sum()), float(np.abs(multipliers).sum() + size[best].sum())


def _centre_values(
    costs: Places | Table,
    candidates: NDArray[np.intp],
    multipliers: NDArray[np.float64],
    own: NDArray[np.intp],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ρ of some candidates and the size of its terms.

    Looks first at the units that cost less than they are worth. Where those do not fill the lower limit, it looks at
    units that cost up to ``price`` more for each unit of load, and raises that price until the limit is filled.
    """
    value, size = np.full(len(candidates), np.inf), np.full(len(candidates), np.inf)
    todo = np.arange(len(candidates))
    loaded = load > 0
    price = 0.0
    while len(todo):
        with np.errstate(invalid="ignore"):
            most = np.where(loaded, multipliers + price * load, multipliers)
        some = candidates[todo]
        pairs = costs.within(some, most)
        value[todo], size[todo], margin = _knapsacks(costs, some, pairs, multipliers, own, load, lower, upper)
        # Units left out cost more than ``price`` for each unit of load: they matter only to a dearer margin.
        todo = todo[margin > price] if np.isfinite(price) else todo[:0]
        step = float(np.abs(multipliers[loaded] / load[loaded]).mean()) / 16 if loaded.any() else 0.0
        price = np.inf if step == 0.0 or price > 1000 * step else max(step, 4 * price)
    return value, size


def _undivided(
    costs: Places | Table,
    divided: NDArray[np.float64],
    count: int,
    multipliers: NDArray[np.float64],
    own: NDArray[np.intp],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
) -> NDArray[np.float64]:
    """Return ρ with x of 0 or 1 for every candidate that can be among the ``count`` best, and what is known of others.

    The textbook's dynamic program: the least cost of every whole load, one unit after the other. A candidate whose
    divided minimum is above ``count`` undivided ones is not needed.
    """
    value, least, most = divided.copy(), max(0, int(np.ceil(lower))) if np.isfinite(lower) else 0, int(upper)
    done: list[float] = []
    for j in np.argsort(divided, kind="stable"):
        if np.isinf(divided[j]) or (len(done) >= count and np.partition(done, count - 1)[count - 1] <= divided[j]):
            break
        pairs = costs.within(np.array([j]), multipliers if lower <= 0 else np.full(len(load), np.inf))
        reduced = pairs.cost - multipliers[pairs.unit]
        by_load = np.full(most + 1, np.inf)
        by_load[int(load[own[j]]) if own[j] >= 0 else 0] = 0.0
        home = costs.cost_of(np.array([j]), own[[j]])[0] - multipliers[own[j]] if own[j] >= 0 else 0.0
        for i, cost in zip(pairs.unit, reduced, strict=True):
            a = int(load[i])
            if i == own[j] or a > most or np.isinf(cost) or (cost >= 0 and (lower <= 0 or a == 0)):
                continue
            by_load[a:] = np.minimum(by_load[a:], by_load[: most + 1 - a] + cost)
        value[j] = home + by_load[least:].min(initial=np.inf)
        done.append(float(value[j]))
    return value


def _knapsacks(
    costs: Places | Table,
    candidates: NDArray[np.intp],
    pairs: Pairs,
    multipliers: NDArray[np.float64],
    own: NDArray[np.intp],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Solve every candidate's minimum over some pairs: units in order of cost for load, the last one in part.

    Returns
    -------
    value, size, margin : ndarray of float64, shape (n_candidates,)
        ρ_j, the size of its terms, and the dearest cost for load that had to be paid: 0 where only what pays was taken,
        inf where the pairs do not fill the lower limit.
    """
    m, home = len(candidates), own[candidates]
    # The own unit comes first, in whole.
    settled = np.flatnonzero(home >= 0)
    value, taken = np.zeros(m), np.zeros(m)
    value[settled] = costs.cost_of(candidates[settled], home[settled])
    value[settled] -= multipliers[home[settled]]
    taken[settled] = load[home[settled]]
    size = np.abs(value)
    impossible = np.isinf(value) | (taken > upper)

    reduced = pairs.cost - multipliers[pairs.unit]
    free = np.isfinite(reduced) & (home[pairs.candidate] != pairs.unit)
    # Units without load are served where that pays.
    pays = free & (load[pairs.unit] == 0) & (reduced < 0)
    value += np.bincount(pairs.candidate[pays], reduced[pays], m)
    size += np.bincount(pairs.candidate[pays], -reduced[pays], m)

    keep = free & (load[pairs.unit] > 0) & ((reduced < 0) | np.isfinite(lower))
    candidate, reduced, a = pairs.candidate[keep], reduced[keep], load[pairs.unit[keep]]
    order = np.lexsort((reduced / a, candidate))
    candidate, reduced, a = candidate[order], reduced[order], a[order]
    # How much load is wanted: all that pays, but no more than the upper limit and no less than the lower one.
    wanted = np.clip(
        np.bincount(candidate[reduced < 0], a[reduced < 0], m), lower - taken, np.maximum(0.0, upper - taken)
    )
    before = np.cumsum(a) - a
    begin = np.searchsorted(candidate, np.arange(m + 1))
    before -= np.append(before, 0.0)[begin[candidate]]
    share = np.clip((wanted[candidate] - before) / a, 0.0, 1.0)
    value += np.bincount(candidate, reduced * share, m)
    size += np.bincount(candidate, np.abs(reduced) * share, m)

    margin = np.zeros(m)
    np.maximum.at(margin, candidate, np.where(share > 0, reduced / a, 0.0))
    short = np.bincount(candidate, a, m) < wanted - LIMIT_SLACK * np.maximum(1.0, np.abs(wanted))
    margin[short], value[short | impossible], margin[impossible] = np.inf, np.inf, 0.0
    return value, np.where(np.isinf(value), 0.0, size), margin
