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
    """

    stored_status: str
    repeated_status: str
    stored_objective: float | None
    repeated_objective: float | None
    stored_bound: float | None
    repeated_bound: float | None
    accounts_elsewhere: int
    solve_seconds: float

    @property
    def passed(self) -> bool:
        """Whether the repetition reached the stored objective and proved at least the stored bound."""
        if "infeasible" in (self.stored_status, self.repeated_status):
            return self.stored_status == self.repeated_status
        return _close(self.repeated_objective, self.stored_objective) and _at_least(
            self.repeated_bound, self.stored_bound
        )

    def summary(self) -> str:
        """Return the comparison as plain text."""
        verdict = "repeated" if self.passed else "NOT repeated"
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
    again = problem.config.solve.model_copy(
        update={"rounds": stored.rounds, "time_limit_s": _ENOUGH_SECONDS, "seed": stored.seed}
    )
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
