"""The integer program of a districting problem: slots, pairs, rows.

A *slot* is a candidate opened by one kind of territory; territories that differ in nothing are of one kind, so that no
two solutions differ only in their numbering. With given centres every territory is its own kind with one slot.

    minimise    Σ_is c_{i, j(s)} x_is + Σ_ks w_k e_ks
    subject to  Σ_s x_is = 1                               every unit i
                x_is ≤ y_s,  x_rs = y_s                    r the unit of the slot's candidate
                Σ_s of kind g  y_s = number of its territories
                Σ_s of candidate j  y_s ≤ 1
                l_kg y_s ≤ Σ_i a_ki x_is ≤ u_kg y_s
                e_ks ≥ ± (Σ_i a_ki x_is − T_kg y_s)
                Σ_is d_is x_is ≤ B                     where what changes hands is limited, with given centres
                x, y binary

x_is ≤ y_s row by row, rather than summed, is what makes the relaxation strong. Source: the p-median form of Hess et al.
1965, Operations Research 13; capacitated: Lorena & Senne 2004.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from solvers.whole import tighten_to_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem


@dataclass
class Rows:
    """Linear constraints, as they are collected: lower ≤ Σ coefficient × column ≤ upper."""

    columns: list[NDArray[np.int64]]
    coefficients: list[NDArray[np.float64]]
    lower: list[float]
    upper: list[float]

    @classmethod
    def none(cls) -> Rows:
        """Return no constraints."""
        return cls([], [], [], [])

    def add(
        self, columns: NDArray[np.int64], coefficients: NDArray[np.float64] | float, lower: float, upper: float
    ) -> None:
        """Add one constraint."""
        columns = np.asarray(columns, np.int64)
        self.columns.append(columns)
        self.coefficients.append(np.broadcast_to(np.asarray(coefficients, float), columns.shape))
        self.lower.append(float(lower))
        self.upper.append(float(upper))

    def __len__(self) -> int:
        """Return the number of constraints."""
        return len(self.lower)


@dataclass(frozen=True, eq=False)
class Formulation:
    """Slots and the pairs that are open. Columns: x for every pair, then y for every slot, then e.

    Attributes
    ----------
    problem : DistrictingProblem
    kind_of : ndarray of int64, shape (n_territories,)
        Kind of each territory.
    slot_candidate, slot_kind, slot_root : ndarray of int64, shape (n_slots,)
        Candidate, kind, and the candidate's unit of each slot, or a unit that is sure to be with it; −1: none.
    pair_unit, pair_slot : ndarray of int64, shape (n_pairs,)
        By slot, then by unit.
    pair_cost : ndarray of float64, shape (n_pairs,)
    lower, upper : ndarray of float64, shape (n_measures, n_territories)
        Limits, rounded to whole numbers where loads are whole, otherwise with the summation slack.
    """

    problem: DistrictingProblem
    kind_of: NDArray[np.int64]
    slot_candidate: NDArray[np.int64]
    slot_kind: NDArray[np.int64]
    slot_root: NDArray[np.int64]
    pair_unit: NDArray[np.int64]
    pair_slot: NDArray[np.int64]
    pair_cost: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    @property
    def n_slots(self) -> int:
        """Number of slots."""
        return len(self.slot_candidate)

    @property
    def n_pairs(self) -> int:
        """Number of open pairs."""
        return len(self.pair_unit)

    @cached_property
    def first_of_kind(self) -> NDArray[np.int64]:
        """Return one territory of every kind, shape ``(n_kinds,)``."""
        return np.unique(self.kind_of, return_index=True)[1]

    @cached_property
    def column(self) -> NDArray[np.int64]:
        """Return the column of every pair, shape ``(n_units, n_slots)``; −1 where it is not open."""
        out = np.full((self.problem.n_units, self.n_slots), -1, np.int64)
        out[self.pair_unit, self.pair_slot] = np.arange(self.n_pairs)
        return out

    @cached_property
    def slot_start(self) -> NDArray[np.int64]:
        """Return where each slot's pairs begin, shape ``(n_slots + 1,)``."""
        return np.searchsorted(self.pair_slot, np.arange(self.n_slots + 1))

    def members(self, slot: int) -> slice:
        """Return the pairs of a slot."""
        return slice(int(self.slot_start[slot]), int(self.slot_start[slot + 1]))

    def restricted(self, open_pair: NDArray[np.bool_], open_slot: NDArray[np.bool_]) -> Formulation:
        """Return the formulation with fewer pairs and slots.

        A slot whose own unit may not be with it goes, with its pairs.
        """
        root = self.slot_root
        keeps_root = np.ones(self.n_slots, np.bool_)
        rooted = np.flatnonzero(root >= 0)
        own = self.column[root[rooted], rooted]
        keeps_root[rooted] = (own >= 0) & open_pair[own]
        slots = open_slot & keeps_root
        pairs = open_pair & slots[self.pair_slot]
        position = np.cumsum(slots) - 1
        return Formulation(
            self.problem,
            self.kind_of,
            self.slot_candidate[slots],
            self.slot_kind[slots],
            self.slot_root[slots],
            self.pair_unit[pairs],
            position[self.pair_slot[pairs]],
            self.pair_cost[pairs],
            self.lower,
            self.upper,
        )

    def rooted(self) -> Formulation:
        """Return the formulation with a root for slots that have none, where a unit has no other slot to go to.

        Connection to a unit that is sure to be there is a far stronger constraint than that of any two units.
        """
        if self.problem.centres is None or np.all(self.slot_root >= 0):
            return self
        choices = np.bincount(self.pair_unit, minlength=self.problem.n_units)
        sure = np.flatnonzero(choices[self.pair_unit] == 1)
        root = self.slot_root.copy()
        slots, first = np.unique(self.pair_slot[sure], return_index=True)
        new = root[slots] < 0
        root[slots[new]] = self.pair_unit[sure[first[new]]]
        return replace(self, slot_root=root)

    def impossible(self) -> bool:
        """Return whether some unit has no slot left, or some kind too few."""
        units = np.bincount(self.pair_unit, minlength=self.problem.n_units)
        size = np.bincount(self.kind_of)
        return bool(np.any(units == 0)) or bool(np.any(np.bincount(self.slot_kind, minlength=len(size)) < size))

    @cached_property
    def soft_measures(self) -> NDArray[np.int64]:
        """Return the measures with a soft target."""
        return np.flatnonzero(self.problem.target_weight > 0)

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return self.n_pairs + self.n_slots * (1 + len(self.soft_measures))

    def costs(self) -> NDArray[np.float64]:
        """Return the cost of every column."""
        weights = self.problem.target_weight[self.soft_measures]
        return np.concatenate([self.pair_cost, np.zeros(self.n_slots), np.repeat(weights, self.n_slots)])

    def rows(self) -> Rows:
        """Return every constraint but connection."""
        rows, p, n_slots = Rows.none(), self.n_pairs, self.n_slots
        y = p + np.arange(n_slots)
        order = np.argsort(self.pair_unit, kind="stable")
        ends = np.searchsorted(self.pair_unit[order], np.arange(self.problem.n_units + 1))
        for i in range(self.problem.n_units):
            rows.add(order[ends[i] : ends[i + 1]], 1.0, 1.0, 1.0)
        given = self.problem.centres is not None
        both = np.array([1.0, -1.0])
        own = self.slot_root[self.pair_slot] == self.pair_unit
        # With given centres every slot is open, and only its own unit has to be told so.
        for q in np.flatnonzero(own) if given else range(p):
            rows.add(np.array([q, y[self.pair_slot[q]]]), both, 0.0 if own[q] else -np.inf, 0.0)
        if not given:
            size = np.bincount(self.kind_of)
            for g, count in enumerate(size):
                rows.add(y[self.slot_kind == g], 1.0, float(count), float(count))
            if len(size) > 1:
                for j in np.unique(self.slot_candidate):
                    rows.add(y[self.slot_candidate == j], 1.0, -np.inf, 1.0)
        for s in range(n_slots):
            self._load_rows(rows, s)
        self._move_row(rows)
        return rows

    @cached_property
    def pair_moved(self) -> NDArray[np.float64]:
        """Return what changes hands with each pair, shape ``(n_pairs,)``; zeros where that is not limited."""
        if self.problem.limit is None:
            return np.zeros(self.n_pairs)
        territory = self.first_of_kind[self.slot_kind[self.pair_slot]].astype(np.int32)
        return self.problem.limit.of_pairs(self.pair_unit, territory)

    def _move_row(self, rows: Rows) -> None:
        if self.problem.limit is None:
            return
        most, used = self.problem.limit.effective_limit(), np.flatnonzero(self.pair_moved)
        # A solver's tolerance is absolute: what a typical pair moves is about a hundred.
        scale = 100.0 / float(self.pair_moved[used].mean()) if len(used) else 1.0
        rows.add(used, self.pair_moved[used] * scale, -np.inf, most * scale)

    def load_scale(self, measure: int) -> float:
        """Return the factor that makes the measure's limits about a thousand: a solver's tolerance is absolute."""
        fair = float(np.abs(self.problem.loads[measure]).sum()) / self.problem.n_territories
        return 1000.0 / fair if fair > 0 else 1.0

    def _load_rows(self, rows: Rows, s: int) -> None:
        members, t = self.members(s), self.first_of_kind[self.slot_kind[s]]
        x = np.arange(members.start, members.stop)
        with_y = np.append(x, self.n_pairs + s)
        for k in range(self.problem.n_measures):
            scale = self.load_scale(k)
            load = self.problem.loads[k, self.pair_unit[members]] * scale
            low, high = self.lower[k, t] * scale, self.upper[k, t] * scale
            negative = bool(np.any(load < 0))
            if np.isfinite(high) and (negative or load.sum() > high):
                rows.add(with_y, np.append(load, -high), -np.inf, 0.0)
            if np.isfinite(low) and (negative or low > 0):
                rows.add(with_y, np.append(load, -low), 0.0, np.inf)
        for q, k in enumerate(self.soft_measures):
            e = self.n_pairs + self.n_slots * (1 + q) + s
            load, target = self.problem.loads[k, self.pair_unit[members]], self.problem.target[k, t]
            columns = np.append(with_y, e)
            rows.add(columns, np.concatenate([load, [-target, -1.0]]), -np.inf, 0.0)
            rows.add(columns, np.concatenate([-load, [target, -1.0]]), -np.inf, 0.0)

    def decoded(
        self, slot_of: NDArray[np.int64], open_slots: NDArray[np.int64], present: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return centres and assignment; a territory keeps its present centre where that is still one of its kind's."""
        territory_of = np.full(self.n_slots, -1, np.int64)
        for g in range(len(self.first_of_kind)):
            mine = open_slots[self.slot_kind[open_slots] == g]
            free = np.flatnonzero(self.kind_of == g).tolist()
            if present is not None:
                for s in mine:
                    same = [t for t in free if present[t] == self.slot_candidate[s]]
                    if same:
                        territory_of[s] = same[0]
                        free.remove(same[0])
            for s, t in zip(mine[territory_of[mine] < 0], free, strict=True):
                territory_of[s] = t
        centres = np.empty(self.problem.n_territories, np.int64)
        centres[territory_of[open_slots]] = self.slot_candidate[open_slots]
        return centres, territory_of[slot_of].astype(np.int32)

    def encoded(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> NDArray[np.float64] | None:
        """Return an answer as column values (e at what it must be); None where it uses what is not open."""
        slot_of_territory = np.empty(self.problem.n_territories, np.int64)
        for t in range(self.problem.n_territories):
            found = np.flatnonzero((self.slot_candidate == centres[t]) & (self.slot_kind == self.kind_of[t]))
            if len(found) == 0:
                return None
            slot_of_territory[t] = found[0]
        columns = self.column[np.arange(self.problem.n_units), slot_of_territory[assignment]]
        if np.any(columns < 0):
            return None
        values = np.zeros(self.n_columns)
        values[columns] = 1.0
        values[self.n_pairs + slot_of_territory] = 1.0
        off = np.abs(self.problem.loads_of(assignment) - self.problem.target)
        for q, k in enumerate(self.soft_measures):
            values[self.n_pairs + self.n_slots * (1 + q) + slot_of_territory] = off[k]
        return values


def kinds(problem: DistrictingProblem) -> NDArray[np.int64]:
    """Return a number for every territory, the same for two that differ in nothing, shape ``(n_territories,)``."""
    if problem.centres is not None:
        return np.arange(problem.n_territories)
    may_hold = np.unique(problem.may_hold(), axis=0).astype(float)
    soft = problem.target * (problem.target_weight > 0)[:, None]
    _, kind = np.unique(np.vstack([problem.lower, problem.upper, soft, may_hold]), axis=1, return_inverse=True)
    return kind.ravel()


def effective_limits(problem: DistrictingProblem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the limits a sum of loads can really meet: whole numbers for whole loads, with the slack otherwise."""
    lower, upper = problem.slack()
    for k in range(problem.n_measures):
        if np.all(problem.loads[k] == np.rint(problem.loads[k])):
            lower[k], upper[k] = tighten_to_whole(problem.loads[k], problem.lower[k], problem.upper[k])
    return lower, upper


def formulate(problem: DistrictingProblem) -> Formulation:
    """Return the formulation with every pair open that costs, classes, locks and the limits on two units allow."""
    kind_of = kinds(problem)
    first = np.unique(kind_of, return_index=True)[1]
    if problem.centres is not None:
        candidate, kind = problem.centres, np.arange(problem.n_territories)
    else:
        n_candidates, n_kinds = problem.costs.n_candidates, len(first)
        candidate, kind = np.tile(np.arange(n_candidates), n_kinds), np.repeat(np.arange(n_kinds), n_candidates)
    root = problem.candidate_unit[candidate].astype(np.int64)
    table = problem.costs.columns(candidate)
    lower, upper = effective_limits(problem)
    is_open = np.isfinite(table) & problem.may_hold()[:, first[kind]]
    if problem.limit is not None:
        # What a pair moves beyond the least that its unit must has to fit beside the least of all the others.
        moved = problem.limit.between(np.arange(problem.n_units), kind[: problem.n_territories])
        least = np.where(is_open, moved, np.inf).min(axis=1)
        if np.isfinite(least).all():
            room = problem.limit.effective_limit() - least.sum()
            is_open &= moved - least[:, None] <= room + 1e-9 * max(1.0, problem.limit.limit)
    rooted = np.flatnonzero(root >= 0)
    for k in range(problem.n_measures):
        load = problem.loads[k]
        if np.any(load < 0):
            continue
        limit = upper[k, first[kind]]
        is_open &= load[:, None] <= limit
        # With its own unit the slot has no room for a unit that is too heavy beside it.
        beside = load[:, None] + load[root[rooted]]
        itself = np.arange(problem.n_units)[:, None] == root[rooted]
        is_open[:, rooted] &= itself | (beside <= limit[rooted] * (1 + 1e-12))
    slot, unit = np.nonzero(is_open.T)
    whole = Formulation(
        problem, kind_of, candidate.astype(np.int64), kind, root, unit, slot, table[unit, slot], lower, upper
    )
    return whole.restricted(np.ones(whole.n_pairs, np.bool_), np.ones(whole.n_slots, np.bool_)).rooted()
