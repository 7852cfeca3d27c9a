"""A small plan, and ledgers with batches routed by it: what the tests of the audit of batches begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import territory_engine as te
from territory_engine.leads.policy import Policy, parse_policy
from territory_engine.ledger.records import Outcome
from territory_engine.plan_directory import write_plan_files
from territory_engine.routing import Router

START = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
"""A Monday morning in the middle of America."""


def make_plan(folder: Path) -> Path:
    """Solve and write a plan of 20 accounts and 5 reps."""
    rng = np.random.default_rng(5)
    n = 20
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{i:02d}" for i in range(n)],
            "name": [f"Company {chr(65 + i)} Works" for i in range(n)],
            "domain": [f"company-{i}.example.com" if i % 5 else f"other{i}.org" for i in range(n)],
            "latitude": 41 + rng.random(n) * 2,
            "longitude": -94 + rng.random(n) * 2,
        }
    )
    reps = pd.DataFrame(
        {
            "rep_id": [f"R{i}" for i in range(5)],
            "name": ["Ann", "Bo", "Cy", "Di", "Ed"],
            "latitude": 41.2 + np.arange(5) * 0.4,
            "longitude": -93.8 + np.arange(5) * 0.4,
            "segments": ["hospital;clinic", "hospital", "clinic", "clinic;hospital", "hospital;clinic"],
            "weight": ["1", "0.5", "", "1", "0.75"],
            "time_zone": ["America/Chicago"] * 5,
            "leave": ["", "2026-12-01..2026-12-03", "", "2026-12-01", ""],
            "working_hours": ["08:00-17:00"] * 5,
            "started_on": ["", "", "", "", "2026-11-01"],
            "most": ["4", "", "3", "6", ""],
        }
    )
    data, out = folder / "data", folder / "plan"
    data.mkdir(parents=True)
    out.mkdir()
    accounts.to_csv(data / "accounts.csv", index=False)
    reps.to_csv(data / "reps.csv", index=False)
    (data / "plan.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[[balance]]\nmeasure = "count"\ntolerance = 0.5\n'
        "[solve]\ntime_limit_s = 1\n",
        encoding="utf-8",
    )
    problem = te.load(data / "plan.toml")
    write_plan_files(problem, te.solve(problem), out)
    return out


def leads(n: int, seed: int, first: int = 0) -> list[dict[str, Any]]:
    """Return leads, some of known accounts, some without a place, one with bad data."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, Any]] = []
    for i in range(n):
        lead: dict[str, Any] = {
            "lead_id": f"L{first + i:03d}",
            "value": round(float(rng.gamma(2, 300)), 2),
            "score": round(float(rng.random()), 3),
        }
        if rng.random() < 0.85:
            lead |= {"latitude": 40.5 + rng.random() * 3, "longitude": -95 + rng.random() * 4}
        if rng.random() < 0.5:
            lead["segment"] = str(rng.choice(["hospital", "clinic", "hospital;clinic"]))
        if rng.random() < 0.3:
            lead["account_id"] = f"A{rng.integers(20):02d}"
        if rng.random() < 0.05:
            lead["value"] = "many"
        made.append(lead)
    return made


def policy(**tables: Any) -> Policy:
    """Return a policy with some settings."""
    return parse_policy(tables)


def route(
    plan: Path,
    url: str,
    batches: Sequence[tuple[Sequence[dict[str, Any]], datetime]],
    rules: Policy | None = None,
    between: Callable[[Router, int], None] | None = None,
) -> str:
    """Route batches into a ledger and return its address; ``between`` is called after each."""
    with Router.open(plan, url, rules or Policy()) as router:
        for k, (batch, at) in enumerate(batches):
            router.route(list(batch), f"batch {k}", at=at)
            if between is not None:
                between(router, k)
    return url


def tell(router: Router, kinds: Sequence[str], seed: int) -> None:
    """Tell what became of some leads that are assigned."""
    rng = np.random.default_rng(seed)
    frame = router.ledger.stored_batch("batch 0").decisions  # type: ignore[union-attr]  # it was routed
    given = [row for row in frame.itertuples() if row.status == "assigned"]
    chosen = rng.choice(len(given), min(len(kinds), len(given)), replace=False)
    told = [
        Outcome(f"O{seed}-{k}", str(given[at].lead_id), kind, START)  # type: ignore[arg-type]  # kinds of outcomes
        for k, (at, kind) in enumerate(zip(chosen, kinds, strict=False))
    ]
    router.ledger.record_outcomes(told)
