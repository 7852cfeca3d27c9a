"""Which columns a report tells of: those that the configuration names, and a few by their very names. None is guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scenarios.alignment import loads_at
from territory_engine.problem import MONEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.problem import PlanningProblem


def reported_measures(problem: PlanningProblem) -> tuple[str, ...]:
    """Return the measures worth telling, each once: balanced ones, the travel weight, what disruption counts, revenue and potential.

    ``"count"`` is left out, as are columns that the accounts lack or that hold no numbers.
    """
    config = problem.config
    wanted = [*problem.measures, config.travel.weight, config.disruption.measure if config.disruption else None, *MONEY]
    return tuple(dict.fromkeys(m for m in wanted if m and m != "count" and _is_told(problem, m)))


def reported_loads(problem: PlanningProblem, measure: str, owner: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the load of every account at its owner, shape ``(n_accounts,)``; unknown values count nothing.

    Parameters
    ----------
    problem : PlanningProblem
    measure : str
        One of :func:`reported_measures`, or ``"count"``.
    owner : ndarray of int, shape (n_accounts,)
        Row of the reps; −1 for nobody.
    """
    return np.nan_to_num(loads_at(problem, measure, owner), posinf=0.0, neginf=0.0)


def _is_told(problem: PlanningProblem, measure: str) -> bool:
    if problem.load_depends_on_rep(measure):
        # Its rows are of centres, which are no reps.
        return not problem.centers_are_free
    return measure in problem.accounts and problem.accounts[measure].dtype.kind in "iuf"
