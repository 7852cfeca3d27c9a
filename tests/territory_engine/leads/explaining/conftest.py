"""A small plan to route by, and routers with ledgers of their own whose batches are then explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import territory_engine as te
from territory_engine.config import parse_config
from territory_engine.leads.policy import parse_policy
from territory_engine.ledger import Ledger
from territory_engine.reading.loading import load_frames
from territory_engine.routing import Router

MONDAY = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)

PLAN_REPS = pd.DataFrame(
    {
        "rep_id": ["R1", "R2", "R3"],
        "name": ["Ada", "Ben", "Cleo"],
        "latitude": [41.6, 42.0, 42.5],
        "longitude": [-93.6, -91.6, -92.4],
    }
)
ACCOUNTS = pd.DataFrame(
    {
        "account_id": [f"A{i}" for i in range(6)],
        "name": [f"Shop {word}" for word in ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir")],
        "latitude": [41.6, 41.5, 42.0, 42.1, 42.5, 42.6],
        "longitude": [-93.6, -93.7, -91.6, -91.7, -92.4, -92.5],
    }
)

MakeRouter = Callable[..., Router]


@pytest.fixture(scope="session")
def planned_thrice() -> tuple[te.PlanningProblem, te.Plan]:
    config = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}, "balance": [{"measure": "count", "max": 2}]})
    problem = load_frames(ACCOUNTS, PLAN_REPS, config)
    return problem, te.solve(problem)


@pytest.fixture
def make_router(planned_thrice: tuple[te.PlanningProblem, te.Plan], tmp_path: Path) -> Iterator[MakeRouter]:
    """Return a function that makes a router: a policy as nested dictionaries, and columns of the reps over the plan's."""
    opened: list[Router] = []

    def make(policy: dict[str, Any] | None = None, reps: pd.DataFrame | None = None, **columns: list[Any]) -> Router:
        content = dict(policy or {})
        if columns:
            reps = pd.DataFrame({"rep_id": PLAN_REPS["rep_id"], **columns})
        if reps is not None:
            name = f"reps_{len(opened)}.csv"
            reps.to_csv(tmp_path / name, index=False)
            content["reps"] = name
        problem, plan = planned_thrice
        ledger = Ledger.open(f"sqlite:///{tmp_path / f'ledger_{len(opened)}'}.db")
        router = Router(problem, plan, parse_policy(content), ledger, base_dir=tmp_path)
        opened.append(router)
        return router

    yield make
    for router in opened:
        router.close()


def lead(lead_id: str, **fields: Any) -> dict[str, Any]:
    """Return a lead that matches nothing unless fields say so."""
    return {"lead_id": lead_id, **fields}
