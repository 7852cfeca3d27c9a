"""Today's alignment, what changing it counts, and how much of it may change.

An account counts when it has an owner who is still a rep. What nobody owns, or somebody owned who left, must be assigned
anyway: it is reported apart and counts nowhere, neither in what moves nor in what it is a fraction of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from solvers.disruption import Disruption
from territory_engine.errors import ConfigError, Finding
from territory_engine.wording import noun, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.problem import PlanningProblem


@dataclass(frozen=True, eq=False)
class CurrentAlignment:
    """Who has which account today, and what moving it counts.

    Attributes
    ----------
    measure : str
    owner : ndarray of int64, shape (n_accounts,)
        Row of the reps; −1 for nobody, or somebody who is no rep any more.
    value : ndarray of float64, shape (n_accounts,)
        The measure; 0 where there is no owner.
    amount : ndarray of float64, shape (n_accounts,)
        What moving the account counts: the measure, more where the account is protected; 0 where there is no owner.
    limit : float
        The most that may change hands, in the measure's unit; inf for no limit.
    weight : float
        Price per unit that changes hands, in units of the objective; 0 for none.
    """

    measure: str
    owner: NDArray[np.int64]
    value: NDArray[np.float64]
    amount: NDArray[np.float64]
    limit: float
    weight: float

    @property
    def total(self) -> float:
        """The measure of all accounts that have a rep today: what ``max_moved`` is a fraction of."""
        return float(self.value.sum())

    @property
    def matters(self) -> bool:
        """Whether what changes hands is limited or priced."""
        return bool(np.isfinite(self.limit)) or self.weight > 0

    def disruption(self, unit_of: NDArray[np.int64], n_units: int) -> Disruption:
        """Return it in arrays, by unit."""
        return Disruption.of_members(unit_of, self.owner, self.amount, n_units, self.limit)

    def moved(self, rep: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which accounts change hands, given the rep's row of each, shape ``(n_accounts,)``."""
        return np.asarray((self.owner >= 0) & (self.owner != rep))


def current_alignment(problem: PlanningProblem) -> CurrentAlignment | None:
    """Return today's alignment; None where the configuration names no column for it."""
    rule = problem.config.disruption
    if rule is None:
        return None
    owner = problem.reps.index.get_indexer(pd.Index(problem.accounts[rule.current].astype(str))).astype(np.int64)
    value = np.where(owner >= 0, problem.measure_values(rule.measure), 0.0)
    factor = np.ones(len(value))
    for protection in rule.protect:
        with np.errstate(over="ignore"):
            factor += protection.weight * problem.accounts[protection.column].to_numpy(np.float64)
    limit = np.inf if rule.max_moved is None else rule.max_moved * float(value.sum())
    with np.errstate(over="ignore", invalid="ignore"):
        amount = np.where(value > 0, value * factor, 0.0)
    return CurrentAlignment(rule.measure, owner, value, amount, limit, rule.weight or 0.0)


def disruption_record(problem: PlanningProblem, rep: NDArray[np.int64], price: float) -> dict[str, Any] | None:
    """Return what ``plan.json`` says of what changes hands; None where today's alignment is not known.

    Parameters
    ----------
    problem : PlanningProblem
    rep : ndarray of int64, shape (n_accounts,)
        Row of the rep that each account goes to.
    price : float
        β: what one unit more of the limit would save, in units of the objective.

    Returns
    -------
    dict
        ``measure``; ``moved`` (of the measure) and ``moved_fraction`` (of ``total``); ``counted``, with protections;
        ``limit`` on that, None where there is none; ``accounts_moved``; ``accounts_assigned``, which had no rep;
        ``price``.
    """
    today = current_alignment(problem)
    if today is None:
        return None
    moved = today.moved(rep)
    value = float(today.value[moved].sum())
    return {
        "measure": today.measure,
        "moved": value,
        "moved_fraction": value / today.total if today.total > 0 else 0.0,
        "total": today.total,
        "counted": float(today.amount[moved].sum()),
        "limit": today.limit if np.isfinite(today.limit) else None,
        "accounts_moved": int(moved.sum()),
        "accounts_assigned": int((today.owner < 0).sum()),
        "price": price,
    }


def with_max_moved(problem: PlanningProblem, fraction: float | None) -> PlanningProblem:
    """Return the problem with another limit on moves, a fraction of the measure; None for none.

    The problem must have a ``[disruption]``.
    """
    assert problem.config.disruption is not None
    rule = problem.config.disruption.model_copy(update={"max_moved": fraction})
    return replace(problem, config=problem.config.model_copy(update={"disruption": rule}))


def fraction_for(fraction: float, *, digits: int = 4) -> float:
    """Return a fraction rounded up to a few digits, as it may be written for ``max_moved``; above 1 where none will do."""
    if fraction <= 0:
        return 0.0
    decimals = digits - 1 - math.floor(math.log10(fraction))
    rounded = round(math.ceil(fraction * 10.0**decimals * (1 - 1e-12)) / 10.0**decimals, max(0, decimals))
    return min(1.0, rounded) if fraction <= 1 + 1e-9 else rounded


SMALLEST_TOTAL, LARGEST_AMOUNT = 1e-3, 1e15
"""What moves count must come to this for each rep: a limit is kept to a billionth, whatever it is of. And no account may
count more than can be added up exactly."""


def _check_amounts(problem: PlanningProblem, today: CurrentAlignment) -> None:
    """Refuse what moves count where it is too small for a limit to be told from its rounding, or too large to add up.

    Raises
    ------
    ConfigError
    """
    rule = problem.config.disruption
    assert rule is not None
    least = SMALLEST_TOTAL * len(problem.reps)
    if 0 < today.total < least:
        raise ConfigError(
            Finding(
                "is too small in all for moves to be counted in it: limits are kept to a billionth",
                column="disruption.measure",
                value=f"{rule.measure}: {today.total:.6g} in all",
                allowed=f"at least {least:g} in all",
                remedy="give it in a smaller unit, and weight accordingly",
            )
        )
    largest = float(today.amount.max(initial=0.0))
    if not largest <= LARGEST_AMOUNT:
        raise ConfigError(
            Finding(
                "make an account count too much to be added up exactly",
                column="disruption.protect",
                value=f"{largest:g}",
                allowed=f"at most {LARGEST_AMOUNT:g} for an account",
                remedy="lower the weights in [[disruption.protect]], or lock the account instead",
            )
        )


def check_budget(problem: PlanningProblem) -> None:
    """Refuse a limit on moves that the locks alone exceed, and what moves count where that is out of all proportion.

    Raises
    ------
    ConfigError
    """
    today, locks = current_alignment(problem), problem.config.locks
    if today is not None and today.matters:
        _check_amounts(problem, today)
    if today is None or locks is None or not np.isfinite(today.limit):
        return
    lock = problem.reps.index.get_indexer(pd.Index(problem.accounts[locks.column].astype(str)))
    forced = (lock >= 0) & (today.owner >= 0) & (lock != today.owner)
    amount = float(today.amount[forced].sum())
    if amount <= today.limit * (1 + 1e-9):
        return
    needed = fraction_for(amount / today.total)
    ids = ", ".join(map(str, problem.accounts.index[forced][:5])) + (" …" if forced.sum() > 5 else "")
    what = f"{number(amount)} {noun(today.measure, amount)}, of {number(today.total)} with a rep today"
    if problem.config.disruption and problem.config.disruption.protect:
        what = f"{number(amount)} with their protection, of {number(today.total)} with a rep today"
    allowed: str | None = f"at least {needed:g}"
    remedy = "raise max_moved, or clear some of these locks"
    if needed > 1:
        allowed = None
        remedy = "clear some of these locks, lower the weights in [[disruption.protect]], or remove max_moved: no limit of 1 or less is enough"
    raise ConfigError(
        Finding(
            f"is below what the locks force: accounts that are locked to another rep than today's ({ids}) count {what}",
            column="disruption.max_moved",
            value=f"{problem.config.disruption.max_moved:g}",  # type: ignore[union-attr]  # there is a limit, so there is a rule
            allowed=allowed,
            remedy=remedy,
        )
    )
