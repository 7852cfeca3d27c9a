"""How far a tolerance, a ``max`` or a ``min`` has to move at the least, and the rule that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.infeasibility import oversized_units
from solvers.stretch import Elastic, least_stretch
from territory_engine.infeasibility.conflict_wording import rounded, step_of
from territory_engine.infeasibility.rule_edits import Drop, Limit, Tolerance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.infeasibility import Deadline
    from solvers.problem import AssignmentProblem
    from territory_engine.infeasibility.explanation import Explanation
    from territory_engine.infeasibility.rule_edits import Edit
    from territory_engine.model import Model
    from territory_engine.problem import PlanningProblem

SINGLE_REPS = 3
"""Raising the limit of one rep is tried for at most so many reps."""


@dataclass(frozen=True, eq=False)
class Move:
    """One limit, or one tolerance, that can be moved.

    Attributes
    ----------
    start : float
        The least value that could do: what split accounts need.
    least : float or None
        The same where it is proved to be needed.
    up : bool
        Whether larger is looser.
    make : callable
        The edit for a value.
    price : callable
        The share of the measure's load by which limits move, dearer the farther one limit does.
    single : bool
        Whether it is the limit of one rep.
    """

    start: float
    least: float | None
    up: bool
    make: Callable[[float], Edit]
    price: Callable[[float], float]
    single: bool = False

    def rounded(self, step: int) -> float:
        """Return the value so many sensible steps looser than the start; never below 0."""
        value = rounded(self.start, up=self.up)
        if step == 0:
            return value
        # Large numbers move by their third digit: one at a time would not get far.
        size = max(step_of(value or 1.0), 10.0 ** (np.floor(np.log10(max(abs(value), 1e-9))) - 2))
        sign = 1 if self.up else -1
        base = sign * np.ceil(sign * value / size - 1e-9) * size
        ahead = step if base == value else step - 1
        # A start between two such figures has its next one as the first step.
        return max(0.0, float(np.round(base + sign * size * max(ahead, 0), 12)))


def limit_moves(planning: PlanningProblem, model: Model, explanation: Explanation, deadline: Deadline) -> list[Move]:
    """Return the limits that could be moved to end a conflict, the most promising first."""
    moves: list[Move] = []
    for k in explanation.measures:
        moves += _tolerance_moves(planning, model, k, deadline)
        for key, mask in (("max", explanation.upper[k]), ("min", explanation.lower[k])):
            if mask.any():
                moves += _absolute_moves(planning, model, k, key, mask, deadline)
    return sorted(moves, key=lambda m: m.price(m.rounded(0)))


def under(model: Model, planning: PlanningProblem) -> AssignmentProblem:
    """Return a model's problem under the limits of another problem, which differs from the model's in those alone.

    A measure that the other problem does not balance has no limits.
    """
    lower = np.full_like(model.problem.lower, -np.inf)
    upper = np.full_like(model.problem.upper, np.inf)
    rules = {rule.measure: rule for rule in planning.balance_rules()}
    for k, rule in enumerate(model.rules):
        if rule.measure in rules:
            lower[k], upper[k] = rules[rule.measure].lower, rules[rule.measure].upper
    return model.problem.with_limits(lower, upper)


def stretch_of_tolerance(
    planning: PlanningProblem, model: Model, measure: str, free: list[str], deadline: Deadline
) -> float | None:
    """Return the smallest tolerance of a measure under which split accounts fit, at least the present one.

    None if no tolerance is enough.

    Parameters
    ----------
    planning : PlanningProblem
    model : Model
        Of this problem, or of one that differs from it in limits alone.
    measure : str
    free : list of str
        Measures whose limits do not count.
    deadline : Deadline
    """
    for other in free:
        planning = Drop(other).applied(planning)
    k = next(i for i, rule in enumerate(model.rules) if rule.measure == measure)
    limited = under(model, planning)
    present = min(e.tolerance for e in planning.config.balance if e.measure == measure and e.tolerance is not None)
    # Without the tolerance what is left are the absolute limits and the other measures.
    hard = _without_tolerance(planning, measure)
    lower, upper = limited.lower.copy(), limited.upper.copy()
    lower[k], upper[k] = hard
    problem = limited.with_limits(lower, upper)
    nothing = np.zeros_like(lower)
    soft_lower, soft_upper = np.full_like(lower, -np.inf), np.full_like(upper, np.inf)
    target = model.rules[k].target
    if not np.all(np.isfinite(target)):
        return None
    soft_lower[k], soft_upper[k] = target * (1 - present), target * (1 + present)
    give = nothing.copy()
    give[k] = target
    stretch = least_stretch(problem, Elastic(soft_upper, soft_lower, give, give), time_limit_s=deadline.left_s)
    if stretch is None:
        return None
    largest = _largest_unit(model, k, target)
    return present + stretch if largest is None else max(present + stretch, largest)


def _largest_unit(model: Model, measure: int, target: NDArray[np.float64]) -> float | None:
    """Return the tolerance without which the largest unit fits nowhere; None where loads depend on the rep."""
    problem = model.problem
    if problem.pair_loads is not None:
        return None
    worst = 0.0
    for first, last, block in problem.blocks():
        limit = np.where(np.isfinite(block), np.where(target > 0, target, np.nan), np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            excess = problem.loads[measure, first:last, None] / limit - 1
        best = np.where(np.isnan(excess), np.inf, excess).min(axis=1)
        worst = max(worst, float(np.where(np.isfinite(best), best, 0.0).max(initial=0.0)))
    return worst


def _without_tolerance(planning: PlanningProblem, measure: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the limits that ``min`` and ``max`` alone set, per rep."""
    n_reps = len(planning.reps)
    lower, upper = np.full(n_reps, -np.inf), np.full(n_reps, np.inf)
    for entry in planning.config.balance:
        if entry.measure == measure:
            for given, limits, pick in ((entry.min, lower, np.maximum), (entry.max, upper, np.minimum)):
                if given is not None:
                    values = planning.reps[given].to_numpy(np.float64) if isinstance(given, str) else float(given)
                    limits[:] = pick(limits, values)
    return lower, upper


def _tolerance_moves(planning: PlanningProblem, model: Model, k: int, deadline: Deadline) -> list[Move]:
    rule = model.rules[k]
    if rule.tolerance_fraction is None:
        return []
    least = stretch_of_tolerance(planning, model, rule.measure, [], deadline)
    if least is None:
        return []
    present = min(e.tolerance for e in planning.config.balance if e.measure == rule.measure and e.tolerance is not None)
    # Whole accounts may need more than split ones: the first step to try is above the present tolerance.
    start = least if least > present * (1 + 1e-9) else present + step_of(present or 0.01)
    return [
        Move(
            start,
            least if least > present else None,
            True,
            lambda value: Tolerance(rule.measure, value),
            lambda value: (value - present) * (1 + value - present),
        )
    ]


def _absolute_moves(
    planning: PlanningProblem, model: Model, k: int, key: str, mask: NDArray[np.bool_], deadline: Deadline
) -> list[Move]:
    """Return moves of ``max`` (or ``min``): of every rep's at once, and of single reps' in the conflict."""
    rule = model.rules[k]
    entries = [e for e in planning.config.balance if e.measure == rule.measure and getattr(e, key) is not None]
    if len(entries) != 1:
        return []
    given = getattr(entries[0], key)
    n_reps = len(planning.reps)
    values = planning.reps[given].to_numpy(np.float64) if isinstance(given, str) else np.full(n_reps, float(given))
    up = key == "max"
    total = max(float(np.abs(model.problem.loads[k]).sum()), 1e-300)
    moves = []
    uniform = not isinstance(given, str)
    shape = np.ones(n_reps) if uniform else values
    stretch = _stretch(model, k, key, values, shape, deadline)
    everyone = tuple(range(n_reps))
    if stretch is not None and uniform:
        amount = float(given)
        start = _beyond(amount + stretch if up else amount - stretch, amount, up)
        moves.append(
            Move(
                start,
                start if stretch > 0 else None,
                up,
                lambda value: Limit(rule.measure, key, (value,) * n_reps, everyone),
                lambda value: _weighed(value, amount, n_reps / total),
            )
        )
    elif stretch is not None:
        sign = 1 if up else -1

        def scaled(change: float) -> Limit:
            factor = max(0.0, 1 + sign * change)
            return Limit(rule.measure, key, tuple(float(v * factor) for v in values), everyone, factor)

        moves.append(
            Move(
                stretch if stretch > 0 else 0.01,
                stretch if stretch > 0 else None,
                True,
                scaled,
                lambda change: change * (1 + change) * float(values.sum()) / total,
            )
        )
    reps = [
        int(t) for t in np.flatnonzero(mask) if (model.problem.upper if up else model.problem.lower)[k, t] == values[t]
    ]
    if n_reps > 1 or not uniform:
        for t in sorted(reps, key=lambda t: -values[t])[:SINGLE_REPS]:
            alone = np.zeros(n_reps)
            alone[t] = 1.0
            stretch = _stretch(model, k, key, values, alone, deadline)
            if stretch is None:
                continue
            before = float(values[t])
            start = _beyond(before + stretch if up else before - stretch, before, up)
            moves.append(
                Move(
                    start,
                    start if stretch > 0 else None,
                    up,
                    lambda value, t=t: Limit(rule.measure, key, (value,), (t,)),  # type: ignore[misc]  # the default binds the loop's rep
                    lambda value, before=before: _weighed(value, before, 1 / total),  # type: ignore[misc]  # as above
                    single=True,
                )
            )
    return moves


def _weighed(value: float, present: float, weight: float) -> float:
    """Return the price of moving a limit: its share of the load, dearer where one limit moves far."""
    change = abs(value - present)
    return change * weight * (1 + change / max(abs(present), 1e-9))


def _beyond(value: float, present: float, up: bool) -> float:
    """Return the value, or the first step beyond the present limit where it does not pass it."""
    if (value > present) == up and value != present:
        return value
    return present + step_of(present or 1.0) * (1 if up else -1)


def _stretch(
    model: Model,
    k: int,
    key: str,
    values: NDArray[np.float64],
    shape: NDArray[np.float64],
    deadline: Deadline,
) -> float | None:
    """Return by how many ``shape`` the limits in ``values`` have to move; every other limit stays."""
    problem = model.problem
    lower, upper = problem.lower.copy(), problem.upper.copy()
    moving = shape > 0
    soft_lower, soft_upper = np.full_like(lower, -np.inf), np.full_like(upper, np.inf)
    give = np.zeros_like(lower)
    give[k] = shape
    nothing = np.zeros_like(lower)
    if key == "max":
        moving &= upper[k] == values
        soft_upper[k][moving], upper[k][moving] = values[moving], np.inf
        elastic = Elastic(soft_upper, soft_lower, give, nothing)
    else:
        moving &= lower[k] == values
        soft_lower[k][moving], lower[k][moving] = values[moving], -np.inf
        elastic = Elastic(soft_upper, soft_lower, nothing, give)
    if not moving.any():
        return None
    stretch = least_stretch(problem.with_limits(lower, upper), elastic, time_limit_s=deadline.left_s)
    if stretch is None or key == "min":
        return stretch
    # What is too large for every rep needs room for all of it with one of those whose limits move.
    oversized = oversized_units(problem)
    if len(oversized) == 0:
        return stretch
    room = np.isfinite(problem.rows(oversized)) & moving
    with np.errstate(invalid="ignore", divide="ignore"):
        lack = np.where(room, (problem.loads[k, oversized, None] - values) / shape, np.inf).min(axis=1)
    return max(stretch, float(lack.max())) if np.all(np.isfinite(lack)) else None
