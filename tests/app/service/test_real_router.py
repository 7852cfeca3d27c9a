"""The service over a real plan and a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
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


def test_who_waits_is_told_and_routed_once_there_is_room(serve: Any, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[limits]\nopen_leads = 1\n")
    caller = serve(policy)
    caller.route([{"lead_id": f"L{k}"} for k in range(4)])
    told = caller("GET", "/v1/queue", params={"limit": 1, "offset": 1})
    assert told.status_code == 200, told.text
    assert told.json()["total"] == 2
    (lead,) = told.json()["leads"]
    assert (lead["lead_id"], lead["reason_code"], lead["could_go_at"]) == ("L3", "full", None)
    answer = caller("GET", "/v1/leads/L3").json()
    assert answer["rep_id"] is None
    assert {answer["decisions"][0][name] for name in ("rep_id", "territory_id", "could_go_at")} == {None}
    won = {"outcome_id": "o1", "lead_id": "L0", "kind": "won", "at": "2026-03-05T16:00:00Z"}
    assert caller("POST", "/v1/outcomes", json={"outcomes": [won]}).status_code == 200
    routed = caller("POST", "/v1/queue/route", json={"batch_id": "q1"})
    assert routed.json()["summary"] == {"leads": 2, "assigned": 1, "queued": 1, "rejected": 0}
    again = caller("POST", "/v1/queue/route", json={"batch_id": "q1"}).json()
    assert {**again, "repeated": False} == routed.json()
    assert caller("GET", "/v1/queue").json()["total"] == 1


def test_numbers_are_rounded_as_in_the_file_of_answers(serve: Any) -> None:
    lead = serve().route([{**LEADS[0], "latitude": 41.1234}]).json()["leads"][0]
    for name, digits in (("travel_km", 1), ("expected_value", 2), ("fair_share_after", 6)):
        assert lead[name] == round(lead[name], digits)


def test_reps_out_of_hours_take_no_leads(serve: Any, tmp_path: Path) -> None:
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    later = days[(datetime.now(UTC).weekday() + 3) % 7]
    (tmp_path / "reps.csv").write_text(f"rep_id,working_days\nR1,\nR2,{later}\n")
    policy = tmp_path / "policy.toml"
    policy.write_text('reps = "reps.csv"\n[hours]\nrespond_within_h = 1\n')
    reps = {rep["rep_id"]: rep for rep in serve(policy)("GET", "/v1/reps").json()["reps"]}
    assert reps["R1"]["takes_leads"]
    assert not reps["R2"]["takes_leads"]
    assert reps["R2"]["why_not"].endswith("a lead is to be answered within 1 h")
