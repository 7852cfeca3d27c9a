"""Hand-made plans of a few accounts on a line, a small plan on a plane in files, and scenarios over it."""

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


ACCOUNTS = """\
account_id,name,x,y,visits,revenue,revenue_low,segment,owner,locked_rep,postal_code
a1,Alpha,0,0,2,100,90,SMB,R1,R1,50010
a2,Beta,1,0,2,200,150,SMB,R1,,50011
a3,Gamma,2,0,2,100,90,ENT,R1,,50310
a4,Delta,8,0,2,100,80,ENT,R2,,52240
a5,Epsilon,9,0,2,150,100,SMB,R2,,52241
a6,Zeta,10,0,2,150,120,SMB,R2,R2,52242
a7,Eta,5,5,2,200,160,ENT,R3,R3,
a8,Theta,5,6,2,100,90,SMB,R3,,53000
a9,Iota,5,7,2,100,60,SMB,R9,,53001
"""
REPS = """\
rep_id,name,x,y,capacity,quota,segments,home_city
R1,Ann,0,0,10,1000,SMB;ENT,Ames
R2,Bob,10,0,10,1000,SMB;ENT,Iowa City
R3,Cid,5,6,10,1000,SMB;ENT,Waukee
"""
CONFIG = """\
[data]
accounts = "accounts.csv"
reps = "reps.csv"

[[balance]]
measure = "visits"
tolerance = 0.9
share = "capacity"

[[balance]]
measure = "revenue"
tolerance = 0.95
share = "quota"

[travel]
metric = "euclidean"
weight = "visits"

[locks]
column = "locked_rep"

[eligibility]
column = "segment"
reps_column = "segments"

[disruption]
current = "owner"

[solve]
time_limit_s = 5
gap = 0.0
"""

Write = Callable[..., Path]


@pytest.fixture
def plan_files(tmp_path: Path) -> Path:
    """A folder with accounts.csv, reps.csv and config.toml."""
    (tmp_path / "accounts.csv").write_text(ACCOUNTS)
    (tmp_path / "reps.csv").write_text(REPS)
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def scenario_file(plan_files: Path) -> Write:
    """Write scenarios over the plan's files, and return their path."""

    def write(text: str, *, base: str | None = 'base = "config.toml"\n') -> Path:
        path = plan_files / "scenarios.toml"
        path.write_text((base or "") + text)
        return path

    return write
