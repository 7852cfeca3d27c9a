"""Repeating a stored search from the stored inputs, to see whether the same plan comes back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solvers.result import Progress
    from territory_engine.plan import Plan

SAME = 1e-6  # relative difference below which an objective or a bound counts as repeated
CURVE_TIMES = 10
"""A plan of a curve is looked for by itself for this many times its time limit."""
_ENOUGH_SECONDS = 7 * 24 * 3600.0  # rounds end a repeated search; the clock must not


@dataclass(frozen=True)
class Rerun:
    """A stored plan beside its repetition.

    Attributes
    ----------
    stored_status, repeated_status : str
    stored_objective, repeated_objective : float or None
    stored_bound, repeated_bound : float or None
    accounts_elsewhere : int
        Accounts that the repetition gives to another rep.
    solve_seconds : float
    along_curve : bool
        Whether the stored plan was found together with others, by ``rebalance``: another search by itself need not end at
        the same plan, but it must not reach what the stored bound excludes.
    """

    stored_status: str
    repeated_status: str
    stored_objective: float | None
    repeated_objective: float | None
    stored_bound: float | None
    repeated_bound: float | None
    accounts_elsewhere: int
    solve_seconds: float
    along_curve: bool = False

    @property
    def passed(self) -> bool:
        """Whether the repetition reached the stored objective and proved at least the stored bound."""
        if "infeasible" in (self.stored_status, self.repeated_status):
            return self.stored_status == self.repeated_status
        if self.along_curve:
            # What prices prove is rechecked by the audit itself; what a search proved must be proved again.
            return _at_least(self.repeated_objective, self.stored_bound) and (
                self.stored_status != "optimal" or _at_least(self.repeated_bound, self.stored_bound)
            )
        return _close(self.repeated_objective, self.stored_objective) and _at_least(
            self.repeated_bound, self.stored_bound
        )

    def summary(self) -> str:
        """Return the comparison as plain text."""
        verdict = "repeated" if self.passed else "NOT repeated"
        if self.along_curve:
            verdict = (
                f"found along a curve; solved by itself its bound is {'confirmed' if self.passed else 'NOT confirmed'}"
            )
        return "\n".join(
            [
                f"Rerun: the stored plan was {verdict} in {self.solve_seconds:.1f} s of solving",
                f"  status       {self.stored_status}, rerun {self.repeated_status}",
                f"  objective    {_number(self.stored_objective)}, rerun {_number(self.repeated_objective)}",
                f"  lower bound  {_number(self.stored_bound)}, rerun {_number(self.repeated_bound)}",
                f"  accounts that went elsewhere: {self.accounts_elsewhere:,}",
            ]
        )


def rerun(
    folder: str | Path,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Rerun:
    """Solve a plan directory's stored inputs again, for as many rounds as the stored plan took, and compare.

    Raises
    ------
    PlanDirectoryError
        The directory is not a plan directory, is incomplete, or was edited by hand.
    NoPlanError
        The repetition found no plan, or was asked to stop before it had one.
    """
    import dataclasses

    from territory_engine.plan_directory import read_plan
    from territory_engine.planner import solve

    problem, stored = read_plan(folder)
    along_curve = bool(stored.proof.get("along_curve"))
    changes: dict[str, float | int | None] = {
        "rounds": stored.rounds,
        "time_limit_s": _ENOUGH_SECONDS,
        "seed": stored.seed,
    }
    if along_curve:
        # No number of rounds of a search by itself gives such a plan: it goes on until as much is proved.
        changes["rounds"] = None
        changes["time_limit_s"] = CURVE_TIMES * problem.config.solve.time_limit_s
        changes["gap"] = max(problem.config.solve.gap if stored.gap is None else stored.gap, 1e-6)
    again = problem.config.solve.model_copy(update=changes)
    problem = dataclasses.replace(problem, config=problem.config.model_copy(update={"solve": again}))
    repeated = solve(problem, on_progress=on_progress, should_stop=should_stop)
    return Rerun(
        stored_status=stored.status,
        repeated_status=repeated.status,
        stored_objective=stored.objective,
        repeated_objective=repeated.objective,
        stored_bound=stored.lower_bound,
        repeated_bound=repeated.lower_bound,
        accounts_elsewhere=_elsewhere(stored, repeated),
        solve_seconds=repeated.solve_seconds,
        along_curve=along_curve,
    )


def _elsewhere(stored: Plan, repeated: Plan) -> int:
    if len(stored.assignments) != len(repeated.assignments):
        return max(len(stored.assignments), len(repeated.assignments))
    before, after = (plan.assignments["rep_id"].astype(str).to_numpy() for plan in (stored, repeated))
    return int((before != after).sum())


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=SAME, abs_tol=SAME)


def _at_least(a: float | None, b: float | None) -> bool:
    return _close(a, b) or (a is not None and b is not None and a > b)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:,.6f}"
