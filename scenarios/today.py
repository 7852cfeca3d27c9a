"""Today's alignment as if it were a plan, so that it can be compared with one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scenarios.alignment import score_alignment
from territory_engine.plan import Plan

if TYPE_CHECKING:
    from territory_engine.problem import PlanningProblem

NOBODY = "(nobody)"
"""The territory of accounts that nobody owns today."""


def todays_plan(problem: PlanningProblem) -> tuple[PlanningProblem, Plan]:
    """Return today's alignment as a problem and a plan: a territory for each owner, those who left included.

    Parameters
    ----------
    problem : PlanningProblem
        With ``[disruption] current``.

    Returns
    -------
    problem : PlanningProblem
        With the owners who are no reps any more among its reps, without anything known of them but the ID.
    plan : Plan
        Without bound or reasons. Accounts that nobody owns are in a territory without a rep.

    Raises
    ------
    ValueError
        There is no ``[disruption] current``.
    """
    if problem.config.disruption is None:
        raise ValueError("the problem does not say who has which account today")
    owners = problem.accounts[problem.config.disruption.current].astype(str).str.strip()
    score = score_alignment(problem, owners)
    gone = [owner for owner in dict.fromkeys(owners) if owner and owner not in problem.reps.index]
    former = problem.reps.reindex([*problem.reps.index, *gone])
    former.index.name = problem.reps.index.name
    territory = owners.where(owners != "", NOBODY)
    names = [*former.index.astype(str), *([NOBODY] if (owners == "").any() else [])]
    assignments = pd.DataFrame(
        {
            "territory_id": territory,
            "rep_id": owners,
            "travel": score.account_travel,
            "previous_rep_id": "",
            "moved": False,
            "reason": "",
        },
        index=problem.accounts.index,
    )
    accounts = territory.value_counts().reindex(names, fill_value=0).to_numpy(np.int64)
    territories = pd.DataFrame(
        {"rep_id": [n if n != NOBODY else "" for n in names], "accounts": accounts},
        index=pd.Index(names, name="territory_id"),
    )
    territories = territories.join(score.territories.drop(columns="accounts"), how="left")
    plan = Plan(
        status="feasible",
        assignments=assignments,
        territories=territories,
        objective=None,
        lower_bound=None,
        gap=None,
        priced_bound=None,
        # A total over fewer accounts than a plan's would look like less travel.
        objective_terms={"travel": score.travel} if np.isfinite(score.travel) and score.owned == len(owners) else {},
        measures={
            m: {"max_deviation": worst, "total": float(score.territories[m].sum())}
            for m, worst in score.max_deviation.items()
        },
        prices={},
        proof={},
        termination="",
        rounds=0,
        solve_seconds=0.0,
        seed=0,
    )
    return replace(problem, reps=former), plan
