"""The ledger's tables give back the split that was made."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from solvers.fair_split.split import fair_split
from territory_engine.leads.explaining.stored_split import StoredSplit, stored_split
from territory_engine.leads.stored_tables import from_parquet, to_parquet
from territory_engine.ledger.records import StoredBatch
from territory_engine.routing import Router
from tests.territory_engine.leads.explaining.conftest import MONDAY, MakeRouter, lead

LEADS = [
    lead("L1", account_id="A0", value=900),
    lead("L2", account_id="A1", value=50),
    lead("L3", latitude=42.0, longitude=-91.61, value=500),
    lead("L4", value=75, score=0.5),
    lead("L5", latitude=42.4, longitude=-92.0),
    lead("L6"),
    lead("L7", latitude=99),
]
POLICIES: dict[str, dict[str, Any]] = {
    "squares": {},
    "leximin": {"fair_share": {"objective": "leximin"}},
    "matched free": {"fair_share": {"matched": "free"}},
    "slack": {"fair_share": {"fairness_slack": 1}, "matching": {"owner": "ignore", "territory": "ignore"}},
    "even value": {"fair_share": {"then": "even_value"}},
    "full": {"limits": {"per_day": 1}},
}


def stored_batch(router: Router, batch_id: str = "b1") -> StoredBatch:
    stored = router.ledger.stored_batch(batch_id)
    assert stored is not None
    return stored


def rebuilt(router: Router, batch_id: str = "b1") -> StoredSplit:
    return stored_split(stored_batch(router, batch_id))


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_the_rebuilt_problem_solved_again_gives_the_stored_decisions(
    make_router: MakeRouter, policy: dict[str, Any]
) -> None:
    router = make_router(policy, weight=[1.0, 2.0, 0.7])
    router.route([lead("K1"), lead("K2")], "b0", at=MONDAY)
    decisions = router.route(LEADS, "b1", at=MONDAY).decisions
    split = rebuilt(router)
    assert split.findings == ()
    again = np.full(len(decisions), "", object)
    for part in split.parts:
        found = fair_split(part.problem)
        ids = np.append(split.roster.index.to_numpy(object), "")
        again[part.leads] = np.where(
            split.settled[part.leads] & (part.name == "shared"), again[part.leads], ids[found.rep]
        )
        if part.name == "shared":
            assert part.split is not None
            for name in ("rank_price", "fair_price", "value_price", "fair_count", "least", "most", "pair"):
                assert getattr(part.split, name).tolist() == getattr(found, name).tolist(), name
    assert again.tolist() == decisions["rep_id"].tolist()


def test_what_each_rep_was_charged_leads_from_one_level_to_the_next(make_router: MakeRouter) -> None:
    router = make_router(weight=[1.0, 2.0, 0.7])
    router.route(LEADS, "b1", at=MONDAY)
    router.route([lead("M1")], "b2", at=MONDAY)
    first, second = rebuilt(router), rebuilt(router, "b2")
    assert (first.roster["level"] + first.charged).tolist() == second.roster["level"].tolist()


def test_a_roster_that_was_edited_is_told(make_router: MakeRouter) -> None:
    router = make_router()
    router.route(LEADS, "b1", at=MONDAY)
    stored = stored_batch(router)
    roster = from_parquet(stored.record.roster)
    roster.loc["R1", "level"] += 1_000_000
    edited = dataclasses.replace(stored.record, roster=to_parquet(roster))
    (finding,) = stored_split(StoredBatch(edited, stored.decisions)).findings
    assert finding.startswith("added up again, the unevenness is")


def test_a_decision_that_was_edited_is_told(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"travel_km": 50}})
    router.route([lead("L1", latitude=42.0, longitude=-91.61)], "b1", at=MONDAY)
    stored = stored_batch(router)
    decisions = stored.decisions.assign(rep_id="R1")
    findings = stored_split(StoredBatch(stored.record, decisions)).findings
    assert findings[0] == "1 of its leads have a rep that could not take them, the first of them L1 (R1)"
