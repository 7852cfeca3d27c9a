"""One rule changed: a planning problem in, the same problem with the change out, and the change in words.

Each edit is something that a planner could type into the configuration or into a file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from territory_engine.infeasibility.conflict_wording import exactly, names, percentage
from territory_engine.wording import distance_unit, noun

if TYPE_CHECKING:
    from territory_engine.config import Balance
    from territory_engine.problem import PlanningProblem


UNLOCKED_SHOWN = 30
"""So many accounts to unlock are named in a sentence; the plan's record holds them all."""


class Edit(Protocol):
    """A change of the rules."""

    def applied(self, planning: PlanningProblem) -> PlanningProblem:
        """Return the problem under the changed rule."""
        ...

    def words(self, planning: PlanningProblem) -> str:
        """Return the change as a phrase; ``planning`` is the problem before it."""
        ...


def _section(planning: PlanningProblem, **changes: Any) -> PlanningProblem:
    return replace(planning, config=planning.config.model_copy(update=changes))


def _balance(planning: PlanningProblem, measure: str, change: Any) -> PlanningProblem:
    """Return the problem with every balance entry of a measure changed; ``change`` may return None to drop it."""
    entries = [change(entry) if entry.measure == measure else entry for entry in planning.config.balance]
    return _section(planning, balance=tuple(entry for entry in entries if entry is not None))


def _blanked(planning: PlanningProblem, column: str, rows: Any) -> PlanningProblem:
    texts = planning.accounts[column].astype(object).to_numpy(copy=True)
    texts[rows] = ""
    return replace(planning, accounts=planning.accounts.assign(**{column: texts}))


@dataclass(frozen=True)
class Tolerance:
    """Every tolerance of a measure raised to at least ``fraction``."""

    measure: str
    fraction: float

    def applied(self, planning: PlanningProblem) -> PlanningProblem:
        """Return the problem with the wider tolerance."""

        def wider(entry: Balance) -> Balance:
            if entry.tolerance is None:
                return entry
            return entry.model_copy(update={"tolerance": max(entry.tolerance, self.fraction)})

        return _balance(planning, self.measure, wider)

    def words(self, planning: PlanningProblem) -> str:
        """Return ``"a tolerance of 13 % on visits (instead of 10 %)"``."""
        before = [e.tolerance for e in planning.config.balance if e.measure == self.measure and e.tolerance is not None]
        subject = noun(self.measure).removeprefix("of ")
        return f"a tolerance of {percentage(self.fraction)} on {subject} (instead of {percentage(min(before))})"


@dataclass(frozen=True)
class Limit:
    """The ``max`` or ``min`` of a measure moved, for some reps.

    Attributes
    ----------
    measure : str
    key : {"max", "min"}
    values : tuple of float
        The new limits of ``reps``.
    reps : tuple of int
        Rows of the reps; all of them for a rule that is one number.
    factor : float or None
        Where every limit moves by one factor: that factor.
    """

    measure: str
    key: str
    values: tuple[float, ...]
    reps: tuple[int, ...]
    factor: float | None = None

    def _known(self, planning: PlanningProblem) -> Any:
        return next(getattr(e, self.key) for e in planning.config.balance if self._concerns(e))

    def _concerns(self, entry: Balance) -> bool:
        return entry.measure == self.measure and getattr(entry, self.key) is not None

    @property
    def _everyone(self) -> bool:
        return len(set(self.values)) == 1 and self.factor is None and len(self.reps) > 1

    def applied(self, planning: PlanningProblem) -> PlanningProblem:
        """Return the problem with the moved limit; a column that is also a share stays as it is."""
        known = self._known(planning)
        if self._everyone and not isinstance(known, str):
            value = float(self.values[0])
            return _balance(
                planning,
                self.measure,
                lambda e: e.model_copy(update={self.key: value}) if self._concerns(e) else e,
            )
        column = f"{self.key} of {self.measure}, moved"
        values = (
            planning.reps[known].to_numpy(np.float64, copy=True)
            if isinstance(known, str)
            else np.full(len(planning.reps), known)
        )
        values[list(self.reps)] = self.values
        moved = replace(planning, reps=planning.reps.assign(**{column: values}))
        return _balance(
            moved, self.measure, lambda e: e.model_copy(update={self.key: column}) if self._concerns(e) else e
        )

    def words(self, planning: PlanningProblem) -> str:
        """Return ``"raise R03's max on visits from 5,771 to 6,120"``."""
        known = self._known(planning)
        verb = "raise" if self.key == "max" else "lower"
        subject = noun(self.measure).removeprefix("of ")
        if self.factor is not None:
            change = percentage(abs(self.factor - 1))
            more = "higher" if self.key == "max" else "lower"
            return f"a {self.key} on {subject} {change} {more} for every rep"
        value = exactly(self.values[0])
        if self._everyone:
            return f"a {self.key} of {value} on {subject} for every rep (instead of {exactly(float(known))})"
        rep = planning.reps.index[self.reps[0]]
        before = float(planning.reps[known].iloc[self.reps[0]]) if isinstance(known, str) else float(known)
        return f"{verb} {rep}'s {self.key} on {subject} from {exactly(before)} to {value}"


@dataclass(frozen=True)
class Drop:
    """A measure without its limits."""

    measure: str

    def applied(self, planning: PlanningProblem) -> PlanningProblem:
        """Return the problem without the measure."""
        return _balance(planning, self.measure, lambda entry: None)

    def words(self, planning: PlanningProblem) -> str:
        """Return ``"no limits on deposits at all"``."""
        return f"no limits on {noun(self.measure).removeprefix('of ')} at all"


@dataclass(frozen=True)
class Unlock:
    """Accounts freed from their locks."""

    rows: tuple[int, ...]

    def applied(self, planning: PlanningProblem) -> PlanningProblem:
        """Return the problem without these locks."""
        assert planning.config.locks is not None
        return _blanked(planning, planning.config.locks.column, list(self.rows))

    def words(self, planning: PlanningProblem) -> str:
        """Return ``"unlock accounts A5 and A9"``."""
        accounts = planning.accounts.index[list(self.rows)]
        listed = names(list(accounts), shown=UNLOCKED_SHOWN)
        return f"unlock account{'s' * (len(accounts) > 1)} {listed}"


@dataclass(frozen=True)
class Extend:
    """Values added to reps' eligibility lists: pairs of a value and a row of the reps."""

    additions: tuple[tuple[str, int], ...]

    def applied(self, planning: PlanningProblem) -> PlanningProblem:
        """Return the problem with the longer lists."""
        rule = planning.config.eligibility
        assert rule is not None
        assert rule.reps_column is not None
        cells = planning.reps[rule.reps_column].astype(object).to_numpy(copy=True)
        for value, rep in self.additions:
            cells[rep] = f"{cells[rep]};{value}" if str(cells[rep]) else value
        return replace(planning, reps=planning.reps.assign(**{rule.reps_column: cells}))

    def words(self, planning: PlanningProblem) -> str:
        """Return ``"add 'hospital' to R05's segments"``."""
        rule = planning.config.eligibility
        assert rule is not None
        assert rule.reps_column is not None
        by_value: dict[str, list[str]] = {}
        for value, rep in self.additions:
            by_value.setdefault(value, []).append(str(planning.reps.index[rep]))
        n_reps = len(planning.reps)
        parts = []
        for value, reps in by_value.items():
            who = "every rep" if len(reps) == n_reps and n_reps > 1 else names(reps, shown=12)
            parts.append(f"add {value!r} to the {rule.reps_column} of {who}")
        return ", ".join(parts)


@dataclass(frozen=True)
class MaxTravel:
    """A greater ``max_travel``."""

    limit: float

    def applied(self, planning: PlanningProblem) -> PlanningProblem:
        """Return the problem with the greater limit."""
        rule = planning.config.eligibility
        assert rule is not None
        return _section(planning, eligibility=rule.model_copy(update={"max_travel": self.limit}))

    def words(self, planning: PlanningProblem) -> str:
        """Return ``"a max_travel of 313 km (instead of 250 km)"``."""
        rule, unit = planning.config.eligibility, distance_unit(planning)
        assert rule is not None
        assert rule.max_travel is not None
        return f"a max_travel of {exactly(self.limit)} {unit} (instead of {exactly(rule.max_travel)} {unit})"


@dataclass(frozen=True)
class Split:
    """Groups whose accounts need not go together."""

    groups: tuple[str, ...]

    def applied(self, planning: PlanningProblem) -> PlanningProblem:
        """Return the problem without these groups."""
        assert planning.config.groups is not None
        column = planning.config.groups.column
        inside = planning.accounts[column].astype(object).map(str).isin(self.groups).to_numpy(np.bool_)
        return _blanked(planning, column, inside)

    def words(self, planning: PlanningProblem) -> str:
        """Return ``"let the accounts of group P1 go to different reps"``."""
        plural = "s" * (len(self.groups) > 1)
        return f"let the accounts of group{plural} {names(self.groups, shown=30)} go to different reps"


@dataclass(frozen=True)
class Relaxation:
    """A change of the rules under which a plan was found.

    Attributes
    ----------
    edits : tuple of Edit
    price : float
        Share of the plan that the old rules would not hold for; the order of relaxations.
    """

    edits: tuple[Edit, ...]
    price: float

    def applied(self, planning: PlanningProblem) -> PlanningProblem:
        """Return the problem under the changed rules."""
        for edit in self.edits:
            planning = edit.applied(planning)
        return planning

    def words(self, planning: PlanningProblem) -> str:
        """Return the change in words."""
        parts = []
        for edit in self.edits:
            parts.append(edit.words(planning))
            planning = edit.applied(planning)
        return "; and ".join(parts)


def without(planning: PlanningProblem, kind: str) -> PlanningProblem:
    """Return the problem without one kind of rule, or the problem itself where it has none of it.

    Parameters
    ----------
    planning : PlanningProblem
    kind : {"lock", "list", "travel", "group"}
        Locks, eligibility columns, ``max_travel`` or groups.
    """
    config = planning.config
    rule = config.eligibility
    if kind == "lock" and config.locks is not None:
        return _section(planning, locks=None)
    if kind == "group" and config.groups is not None:
        return _section(planning, groups=None)
    if kind == "list" and rule is not None and rule.column is not None:
        rest = None if rule.max_travel is None else rule.model_copy(update={"column": None, "reps_column": None})
        return _section(planning, eligibility=rest)
    if kind == "travel" and rule is not None and rule.max_travel is not None:
        rest = None if rule.column is None else rule.model_copy(update={"max_travel": None})
        return _section(planning, eligibility=rest)
    return planning
