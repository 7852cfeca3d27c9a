"""The service over a real plan and a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from territory_engine.app.service.answer_models import LeadAnswer
from territory_engine.app.service.opening import open_router
from tests.app.service.conftest import Caller

LEADS = [
    {"lead_id": "near", "latitude": 41.0, "longitude": -93.0, "value": 100},
    {"lead_id": "far", "company": "O'Hara & Söhne", "skills": ["a", "b"], "created_at": "2026-03-02T09:30:00Z"},
]


@pytest.fixture
def serve(planned: tuple[Path, object]) -> Iterator[Callable[..., Caller]]:
    """Return a function that makes a caller of a service over the small plan."""
    made: list[Caller] = []

    def make(policy: Path | None = None) -> Caller:
        made.append(Caller(open_router(planned[0], "sqlite://", policy)))
        return made[-1]

    yield make
    for caller in made:
        caller.close()
        caller.router.close()


def test_a_batch_is_routed_once_and_answered_twice(serve: Any) -> None:
    caller = serve()
    first, second = caller.route(LEADS), caller.route(LEADS)
    assert first.status_code == 200, first.text
    assert [lead["lead_id"] for lead in first.json()["leads"]] == ["near", "far"]
    assert first.json()["leads"][0]["status"] == "assigned"
    assert {**second.json(), "repeated": False} == first.json()
    assert caller.route(LEADS[:1]).status_code == 409


def test_the_rehearsal_leaves_no_trace(serve: Any) -> None:
    caller = serve()
    assert {rep["open_leads"] for rep in caller("GET", "/v1/reps").json()["reps"]} == {0}


def test_outcomes_close_leads_all_or_none(serve: Any) -> None:
    caller = serve()
    caller.route(LEADS[:1])
    won = {"outcome_id": "o1", "lead_id": "near", "kind": "won", "at": "2026-03-05T16:00:00Z", "note": {"stage": 3}}
    unknown = {**won, "outcome_id": "o2", "lead_id": "nobody"}
    refused = caller("POST", "/v1/outcomes", json={"outcomes": [won, unknown]})
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["path"] == "outcomes[1].lead_id"
    results = [caller("POST", "/v1/outcomes", json={"outcomes": [won]}).json()["outcomes"][0]["result"] for _ in "ab"]
    assert results == ["recorded", "known already"]
    assert {rep["open_leads"] for rep in caller("GET", "/v1/reps").json()["reps"]} == {0}


def test_a_lead_is_explained(serve: Any) -> None:
    caller = serve()
    caller.route(LEADS)
    for lead in LEADS:
        answer = caller("GET", f"/v1/leads/{lead['lead_id']}")
        assert answer.status_code == 200, answer.text
        assert LeadAnswer.model_validate_json(answer.content).lead_id == lead["lead_id"]
    assert caller("GET", "/v1/leads/nobody").status_code == 404


def test_the_plan_is_named_when_ready(serve: Any) -> None:
    assert len(serve()("GET", "/readyz").json()["plan_id"]) == 12


def test_a_files_own_column_names_are_not_asked_of_json(serve: Any, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[columns]\nlead_id = "Id"\ncompany = "Firm"\n')
    assert serve(policy).route(LEADS[:1]).status_code == 200
