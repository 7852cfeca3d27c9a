"""From today's alignment to a plan's: what changes hands, which loads it takes along, and what it mends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scenarios.alignment import loads_at, score_alignment
from scenarios.move_order import Moves
from scenarios.pieces import Pieces
from territory_engine.model import units_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_SLACK = 1e-9  # by what fraction of a limit, or of a usual load, rounding may pass a limit


@dataclass(eq=False)
class AlignmentChange:
    """From today's alignment to the plan's, for the accounts whose rep changes.

    ``accounts`` are their rows; ``owner`` and ``target`` the rows of the reps, −1 for nobody; ``unit`` numbers what moves
    as one.
    """

    problem: PlanningProblem
    plan: Plan

    def __post_init__(self) -> None:
        problem, plan = self.problem, self.plan
        assert problem.config.disruption is not None
        self.disruption = problem.config.disruption.measure
        owners = problem.accounts[problem.config.disruption.current].astype(str).str.strip()
        self.owner_of_all = np.asarray(problem.reps.index.get_indexer(pd.Index(owners)), np.intp)
        ends = plan.assignments["rep_id"].reindex(problem.accounts.index)
        self.target_of_all = np.asarray(problem.reps.index.get_indexer(pd.Index(ends)), np.intp)
        self.accounts = np.flatnonzero(self.owner_of_all != self.target_of_all)
        self.owner, self.target = self.owner_of_all[self.accounts], self.target_of_all[self.accounts]
        self.unit_of_all = units_of(problem) if problem.units is None else problem.units.unit_of
        codes, self.unit_names = pd.factorize(self.unit_of_all[self.accounts])
        self.unit = np.asarray(codes, np.intp)
        self.n_units = len(self.unit_names)
        before = score_alignment(problem, owners).account_travel.to_numpy(np.float64)
        self.travel_before = before[self.accounts]
        self.travel_after = (
            plan.assignments["travel"].reindex(problem.accounts.index).to_numpy(np.float64)[self.accounts]
        )
        self.rules = problem.balance_rules()

    @cached_property
    def split(self) -> NDArray[np.intp]:
        """How many reps too many have a part of each unit today, shape ``(n_units,)``; nobody counts as a rep."""
        pairs = np.unique(np.column_stack((self.unit_of_all, self.owner_of_all)), axis=0)
        owners = np.bincount(pairs[:, 0])[self.unit_names]
        return np.asarray(owners - 1)

    @cached_property
    def misplaced(self) -> NDArray[np.bool_]:
        """Whether the rep who has an account today may not have it, shape ``(n_changed,)``: locks, lists, travel."""
        problem, rows, owned = self.problem, self.accounts, self.owner >= 0
        wrong = owned & np.isinf(self.travel_before)
        if problem.config.locks is not None:
            # Whoever is locked is with that rep in the plan, so that an account that leaves is locked elsewhere.
            wrong |= owned & (problem.accounts[problem.config.locks.column].to_numpy(object)[rows].astype(str) != "")
        rule = problem.config.eligibility
        if rule is not None and rule.max_travel is not None:
            wrong |= owned & (self.travel_before > rule.max_travel * (1 + _SLACK))
        if rule is not None and rule.column is not None and rule.reps_column is not None:
            lists = [{part.strip() for part in str(cell).split(";")} for cell in problem.reps[rule.reps_column]]
            values = problem.accounts[rule.column].astype(str).str.strip().to_numpy(object)[rows]
            wrong |= owned & np.array([v not in lists[r] for v, r in zip(values, self.owner, strict=True)], np.bool_)
        return wrong

    @cached_property
    def loads_before(self) -> dict[str, NDArray[np.float64]]:
        """Load of each changing account at the rep who has it today, by balanced measure."""
        return {r.measure: loads_at(self.problem, r.measure, self.owner_of_all)[self.accounts] for r in self.rules}

    @cached_property
    def loads_after(self) -> dict[str, NDArray[np.float64]]:
        """Load of each changing account at the rep who gets it, by balanced measure."""
        return {r.measure: loads_at(self.problem, r.measure, self.target_of_all)[self.accounts] for r in self.rules}

    @cached_property
    def limits(self) -> list[tuple[str, str, NDArray[np.float64]]]:
        """Every limit that a load could break: measure, side, values, shape ``(n_reps,)``."""
        found = [(r.measure, "upper", r.upper) for r in self.rules if np.isfinite(r.upper).any()]
        # Loads are never below 0.
        return found + [(r.measure, "lower", r.lower) for r in self.rules if (r.lower > 0).any()]

    @cached_property
    def loads_today(self) -> dict[str, NDArray[np.float64]]:
        """Loads today, by balanced measure, shape ``(n_reps,)``."""
        owned = self.owner_of_all >= 0
        found = {}
        for rule in self.rules:
            loads = loads_at(self.problem, rule.measure, self.owner_of_all)[owned]
            today = np.bincount(self.owner_of_all[owned], loads, len(self.problem.reps))
            found[rule.measure] = today.astype(np.float64)
        return found

    def moves(self) -> Moves:
        """Return the arrays from which the order is worked out."""
        n_reps, owned = len(self.problem.reps), self.owner >= 0
        keys = np.concatenate((self.unit * n_reps + self.target, (self.unit * n_reps + self.owner)[owned]))
        legs, leg = np.unique(keys, return_inverse=True)
        change = np.zeros((len(legs), len(self.limits)))
        value, limit = np.zeros((n_reps, len(self.limits))), np.full((n_reps, len(self.limits)), np.inf)
        scale = np.ones(len(self.limits))
        for k, (measure, side, limits) in enumerate(self.limits):
            sign = 1.0 if side == "upper" else -1.0
            amounts = np.concatenate((self.loads_after[measure], -self.loads_before[measure][owned]))
            change[:, k] = sign * np.bincount(leg, amounts, len(legs))
            value[:, k], limit[:, k] = sign * self.loads_today[measure], sign * limits
            total = float(loads_at(self.problem, measure, self.target_of_all).sum())
            scale[k] = total / n_reps if total > 0 else 1.0
        slack = _SLACK * np.maximum(np.where(np.isfinite(limit), np.abs(limit), 0.0), scale)
        start = np.searchsorted(legs // n_reps, np.arange(self.n_units + 1))
        faults = np.bincount(self.unit, (~owned).astype(np.float64) + self.misplaced, self.n_units) + self.split
        mends = faults * n_reps / max(1, len(self.problem.accounts))
        return Moves(start, legs % n_reps, change, value, limit, slack, scale, mends, self._worth(), self.pieces())

    def _worth(self) -> NDArray[np.float64]:
        """Return how much travel, as the objective counts it, each unit's move saves per unit of disruption."""
        power, weights = self.problem.config.travel.power, self.problem.weights()[self.accounts]
        with np.errstate(invalid="ignore", over="ignore"):
            saved = weights * (self.travel_before**power - self.travel_after**power)
        saved = np.where(np.isfinite(saved), saved, 0.0)
        disrupted = np.where(self.owner >= 0, self.values(self.disruption), 0.0)
        least = 1e-9 * max(1.0, float(np.abs(disrupted).mean()))
        per_unit = np.bincount(self.unit, disrupted, self.n_units)
        return np.asarray(np.bincount(self.unit, saved, self.n_units) / np.maximum(per_unit, least))

    def values(self, measure: str) -> NDArray[np.float64]:
        """Return a measure of each changing account, shape ``(n_changed,)``: its load at the rep who gets it."""
        return loads_at(self.problem, measure, self.target_of_all)[self.accounts]

    def pieces(self) -> Pieces | None:
        """Return the territories' pieces today; None where territories need not be connected."""
        layer = self.problem.units
        if layer is None:
            return None
        neighbours: list[list[int]] = [[] for _ in range(len(layer))]
        for a, b in layer.pairs.tolist():
            neighbours[a].append(b)
            neighbours[b].append(a)
        occupied: list[set[int]] = [set() for _ in range(len(self.problem.reps))]
        owners: dict[int, set[int]] = {}
        for unit, rep in {*zip(layer.unit_of.tolist(), self.owner_of_all.tolist(), strict=True)}:
            if rep >= 0:
                occupied[rep].add(unit)
                owners.setdefault(unit, set()).add(rep)
        empty: list[set[int]] = [set() for _ in range(len(self.problem.reps))]
        if self.plan.units is not None:
            rep_of = self.problem.territory_ids.get_indexer(
                pd.Index(self.plan.units["territory_id"].reindex(layer.ids))
            )
            for unit in np.flatnonzero(layer.accounts_in == 0).tolist():
                if rep_of[unit] >= 0:
                    empty[rep_of[unit]].add(unit)
        target = np.zeros(self.n_units, np.intp)
        target[self.unit] = self.target
        left = [
            {unit: tuple(sorted(owners.get(unit, set()) - {rep}))}
            for unit, rep in zip(self.unit_names.tolist(), target.tolist(), strict=True)
        ]
        return Pieces(neighbours, occupied, empty, target.tolist(), left)
