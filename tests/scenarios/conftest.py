"""Hand-made plans of a few accounts on a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from territory_engine.config import Config
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem

VISITS = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}


def made(
    alignment: dict[str, str],
    reps: dict[str, str] | None = None,
    visits: dict[str, float] | None = None,
    **columns: list[Any],
) -> tuple[PlanningProblem, Plan]:
    """Return a problem and a plan: accounts with their territories, and the territories' reps; more accounts columns."""
    values = VISITS | (visits or {})
    ids = list(alignment)
    accounts = pd.DataFrame(
        {"x": [float(ord(i) - ord("a")) for i in ids], "y": 0.0, "visits": [values[i] for i in ids]},
        index=pd.Index(ids, name="account_id"),
    )
    accounts = accounts.assign(**columns)
    territories = sorted(set(alignment.values()))
    rep_of = dict.fromkeys(territories, "") | (reps or {})
    config = Config.model_validate(
        {
            "data": {"accounts": "a.csv"},
            "territories": {"count": len(territories), "centers": "free"},
            "travel": {"metric": "euclidean"},
            "balance": ({"measure": "visits", "tolerance": 0.2},),
        }
    )
    staff = pd.DataFrame(index=pd.Index([], name="rep_id", dtype=str))
    problem = PlanningProblem(config, accounts, staff, base_dir=Path())
    table = pd.DataFrame({"territory_id": list(alignment.values())}, index=accounts.index)
    table["rep_id"] = table["territory_id"].map(rep_of)
    table["travel"] = 1.0
    rows = pd.DataFrame({"rep_id": [rep_of[t] for t in territories]}, index=pd.Index(territories, name="territory_id"))
    plan = Plan(
        status="feasible", assignments=table, territories=rows, objective=5.0, lower_bound=4.0, gap=0.2, priced_bound=4.0,
        objective_terms={"travel": 5.0}, measures={"visits": {"max_deviation": 0.1, "total": 15.0}}, prices={}, proof={},
        termination="gap", rounds=0, solve_seconds=0.0, seed=0,
    )  # fmt: skip
    return problem, plan


@pytest.fixture(name="made", scope="session")
def _made() -> Callable[..., tuple[PlanningProblem, Plan]]:
    return made
