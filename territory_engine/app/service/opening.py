"""Opening a router for a service: nothing is left to be loaded or compiled when the first batch comes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from territory_engine.ledger import Ledger
from territory_engine.routing import Router

if TYPE_CHECKING:
    from pathlib import Path

    from territory_engine.app.service.router_protocol import LeadRouter

LONGEST_WAIT_S = 60.0
"""How long a batch waits for others of the same ledger; then the client is told to come back."""

_REHEARSAL: list[dict[str, Any]] = [
    {"lead_id": "1", "latitude": 41.6, "longitude": -93.6, "score": 0.5, "value": 100.0},
    {"lead_id": "2", "postal_code": "50309", "company": "Rehearsal", "domain": "rehearsal.example"},
]


def open_router(plan: Path, ledger: str, policy: Path | None) -> LeadRouter:
    """Return a router over a plan directory, a ledger and a policy file, after a rehearsal.

    Raises
    ------
    TerritoryError
        One of them cannot be read, or is wrong.
    """
    router = Router.open(plan, ledger, policy, lock_timeout_s=LONGEST_WAIT_S)
    rehearse(router)
    return router


def rehearse(router: Router) -> None:
    """Route a batch of nobody's into a ledger in memory: the first real one would wait for what this loads and compiles."""
    rehearsal = copy.copy(router)
    rehearsal.ledger = Ledger.open("sqlite://")
    try:
        rehearsal.route(_REHEARSAL, "rehearsal")
    finally:
        rehearsal.close()
