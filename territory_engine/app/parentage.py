"""The plan that a new one is made from, as ``territory-engine plan --parent`` names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from territory_engine.errors import PlanDirectoryError

if TYPE_CHECKING:
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem


def check_not_its_own_parent(out: Path, parent: Path | None) -> None:
    """Refuse to replace a plan by its own child, which would be left without a parent.

    Raises
    ------
    PlanDirectoryError
    """
    if parent is not None and out.exists() and parent.exists() and out.samefile(parent):
        raise PlanDirectoryError(
            f"{out}: is the parent plan itself, which --replace would delete. Remedy: give another --out, so that the"
            " history stays, or leave --parent out"
        )


def child_of(parent: Path | None, problem: PlanningProblem) -> Callable[[Plan], Plan]:
    """Read and check the parent plan; return what makes a plan of the problem its child (nothing without a parent).

    Raises
    ------
    PlanDirectoryError
        The parent is no plan directory, or was edited.
    InputError
        It has no account in common with the problem.
    """
    if parent is None:
        return lambda plan: plan
    from scenarios.history import read_parent

    found = read_parent(parent)
    found.check(problem)
    return lambda plan: found.adopt(problem, plan)
