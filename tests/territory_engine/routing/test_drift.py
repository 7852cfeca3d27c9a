"""Fairness over many batches: who comes, goes and comes back, and what adds up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.territory_engine.routing.conftest import nowhere, only

if TYPE_CHECKING:
    from tests.territory_engine.routing.conftest import MakeRouter


def test_two_who_stand_in_for_each_other_make_nothing_up(make_router: MakeRouter) -> None:
    leave = ["2026-12-01..2026-12-07", "2026-12-08..2026-12-14", "", "", ""]
    router = make_router(reps=only("R1", "R2", leave=leave))
    for day, leads in (("2026-11-30", 2), ("2026-12-01", 10), ("2026-12-08", 2), ("2026-12-16", 10)):
        at = datetime.fromisoformat(f"{day}T15:00:00").replace(tzinfo=UTC)
        last = router.route(nowhere(*(f"{day} {k}" for k in range(leads))), day, at=at)
    # R1 missed ten and R2 two, each while on leave; catch_up = 0: from now on they share evenly.
    given = last.decisions["rep_id"].value_counts().to_dict()
    assert given == {"R1": 5, "R2": 5}
