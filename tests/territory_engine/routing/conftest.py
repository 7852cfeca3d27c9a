"""A small plan to route by, and a router per policy with a ledger of its own."""

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

REPS = pd.DataFrame(
    {
        "rep_id": ["R1", "R2", "R3", "R4", "R5"],
        "name": ["Ada", "Ben", "Cleo", "Dan", "Eve"],
        "latitude": [41.6, 42.0, 42.5, 41.7, 42.5],
        "longitude": [-93.6, -91.6, -92.4, -91.5, -96.4],
    }
)
ACCOUNTS = pd.DataFrame(
    {
        "account_id": [f"A{i}" for i in range(10)],
        "name": [
            f"Shop {word}"
            for word in ["Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper"]
        ],
        "latitude": [41.6, 41.5, 42.0, 42.1, 42.5, 42.6, 41.7, 41.8, 42.5, 42.4],
        "longitude": [-93.6, -93.7, -91.6, -91.7, -92.4, -92.5, -91.5, -91.4, -96.4, -96.3],
        "website": [f"https://www.{word}.example.com" for word in "abcdefghij"],
    }
)


@pytest.fixture(scope="session")
def planned() -> tuple[te.PlanningProblem, te.Plan]:
    config = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}, "balance": [{"measure": "count", "max": 2}]})
    problem = load_frames(ACCOUNTS, REPS, config)
    return problem, te.solve(problem)


MakeRouter = Callable[..., Router]


@pytest.fixture
def make_router(planned: tuple[te.PlanningProblem, te.Plan], tmp_path: Path) -> Iterator[MakeRouter]:
    """Return a function that makes a router: a policy as nested dictionaries, and the reps' file as a frame."""
    opened: list[Router] = []

    def make(policy: dict[str, Any] | None = None, reps: pd.DataFrame | None = None, ledger: str = "ledger") -> Router:
        content = dict(policy or {})
        if reps is not None:
            name = f"reps_{len(opened)}.csv"
            reps.to_csv(tmp_path / name, index=False)
            content["reps"] = name
        problem, plan = planned
        router = Router(
            problem, plan, parse_policy(content), Ledger.open(f"sqlite:///{tmp_path / ledger}.db"), base_dir=tmp_path
        )
        opened.append(router)
        return router

    yield make
    for router in opened:
        router.close()


def nowhere(*lead_ids: str, **fields: Any) -> list[dict[str, Any]]:
    """Return leads that match nothing: no place, no company."""
    return [{"lead_id": lead_id, **fields} for lead_id in lead_ids]


def only(*present: str, **columns: list[str] | str) -> pd.DataFrame:
    """Return the reps' file where all but these have left."""
    left = ["" if rep in present else "2026-01-01" for rep in REPS["rep_id"]]
    return REPS[["rep_id"]].assign(left_on=left, **columns)


def counts(router: Router) -> dict[str, int]:
    """Return how many leads each rep was assigned over all batches."""
    given: dict[str, int] = dict.fromkeys(REPS["rep_id"], 0)
    for batch_id in router.ledger.batches()["batch_id"]:
        stored = router.ledger.stored_batch(batch_id)
        assert stored is not None
        for rep, status in zip(stored.decisions["rep_id"], stored.decisions["status"], strict=True):
            if status == "assigned":
                given[rep] = given.get(rep, 0) + 1
    return given
