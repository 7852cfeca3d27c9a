"""What a client gets for a good request."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
from typing import Any

import pytest
from pydantic import TypeAdapter

from territory_engine.app.service.answer_models import LeadAnswer, OutcomesAnswer, RepsAnswer, RouteAnswer
from territory_engine.app.service.answers import plain
from territory_engine.app.service.models import EXAMPLE_BATCH, EXAMPLE_OUTCOMES
from territory_engine.errors import Finding, InputError, LedgerError, LedgerUnavailableError

LEADS = [{"lead_id": "a"}, {"lead_id": "b", "segment": "full"}, {"lead_id": "c", "country": "nowhere"}]


def test_every_lead_is_answered_in_input_order(caller: Any) -> None:
    answer = caller.route(LEADS)
    assert answer.status_code == 200
    read = RouteAnswer.model_validate_json(answer.content)
    assert [(lead.lead_id, lead.status, lead.rep_id) for lead in read.leads] == [
        ("a", "assigned", "R1"),
        ("b", "queued", None),
        ("c", "rejected", None),
    ]
    assert read.summary.model_dump() == {"leads": 3, "assigned": 1, "queued": 1, "rejected": 1}
    assert (read.leads[0].fair_share_before, read.leads[0].fair_share_after) == (0.0, 1.0)
    assert answer.json()["routed_at"] == "2026-03-02T12:00:00Z"


def test_what_is_not_known_is_null(caller: Any) -> None:
    answer = caller.route(LEADS).json()
    assert answer["leads"][0]["travel_km"] is None
    assert answer["leads"][1]["fair_share_after"] is None
    assert answer["leads"][1]["could_go_at"] == "2026-03-03T08:00:00Z"
    assert answer["leads"][0]["could_go_at"] is None
    assert answer["proof"] == {"fairness": "proved", "gap": None}


def test_the_same_batch_gets_the_same_answer_and_says_so(caller: Any) -> None:
    first, second = caller.route(LEADS).json(), caller.route(LEADS).json()
    assert (first.pop("repeated"), second.pop("repeated")) == (False, True)
    assert first == second


def test_another_batch_under_the_same_id_is_a_conflict(caller: Any) -> None:
    caller.route(LEADS)
    answer = caller.route(LEADS[:1])
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "batch_conflict"
    assert "'B1'" in answer.json()["error"]["message"]


def test_the_documented_examples_work(caller: Any) -> None:
    assert caller("POST", "/v1/leads/route", json=EXAMPLE_BATCH).status_code == 200
    assert caller("POST", "/v1/outcomes", json=EXAMPLE_OUTCOMES).status_code == 200


def test_of_an_email_address_only_the_domain_goes_on(caller: Any) -> None:
    caller.route(
        [{"lead_id": "a", "email": "ann@acme.com"}, {"lead_id": "b", "email": "x@gmail.com", "domain": "acme.com"}]
    )
    assert caller.router.seen == [[{"lead_id": "a", "domain": "acme.com"}, {"lead_id": "b", "domain": "acme.com"}]]


def test_a_mail_providers_domain_gives_way_to_the_address_as_in_a_file(caller: Any) -> None:
    caller.route([{"lead_id": "a", "email": "x@acme.com", "domain": "gmail.com"}])
    assert caller.router.seen == [[{"lead_id": "a", "domain": "acme.com"}]]


def test_blank_fields_are_left_out_and_lists_become_text(caller: Any) -> None:
    caller.route([{"lead_id": "007", "company": "", "score": None, "skills": ["x", "y"], "value": 3}])
    assert caller.router.seen == [[{"lead_id": "007", "skills": "x;y", "value": 3.0}]]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("lead_id", "=1+1"),
        ("lead_id", "+1"),
        ("company", "=cmd|' /C calc'!A0"),
        ("company", "@SUM(1+1)"),
        ("segment", "-2+3+cmd|' /C calc'!A0"),
        ("skills", "=1"),
    ],
)
def test_a_formula_in_a_name_is_refused_with_its_path(caller: Any, field: str, text: str) -> None:
    answer = caller.route([{"lead_id": "a", field: text}])
    assert answer.status_code == 422
    (detail,) = answer.json()["error"]["details"]
    assert detail["path"] == f"leads[0].{field}"
    assert "formula" in detail["problem"]


@pytest.mark.parametrize("company", ["@properties", "+One Hotels", "- 5 -", "1 = 1"])
def test_names_that_only_begin_like_formulas_are_names(caller: Any, company: str) -> None:
    assert caller.route([{"lead_id": "a", "company": company}]).status_code == 200


def test_a_packed_batch_is_unpacked(caller: Any) -> None:
    body = gzip.compress(json.dumps({"batch_id": "B", "leads": LEADS}).encode())
    headers = {"Content-Type": "application/json; charset=UTF-8", "Content-Encoding": "gzip"}
    assert caller("POST", "/v1/leads/route", content=body, headers=headers).status_code == 200


def test_fields_that_the_policy_names_are_known(make_caller: Any) -> None:
    caller = make_caller(lead_columns=("industry", "model_dump", "class", "segment"))
    lead = {"lead_id": "a", "industry": ["food", "retail"], "model_dump": 3, "class": True, "segment": "x"}
    assert caller.route([lead]).status_code == 200
    assert caller.router.seen == [[{**lead, "industry": "food;retail"}]]


def test_extra_fields_go_on_as_columns_where_they_are_allowed(make_caller: Any) -> None:
    caller = make_caller(extra_fields=True)
    assert (
        caller.route([{"lead_id": "a", "Colour": "red", "rooms": 3, "tags": ["x", "y"], "n": None}]).status_code == 200
    )
    assert caller.router.seen == [[{"lead_id": "a", "Colour": "red", "rooms": 3, "tags": "x;y"}]]


def test_a_lead_can_be_asked_for(caller: Any) -> None:
    caller.route([{"lead_id": "a/b c?"}])
    answer = caller("GET", "/v1/leads/a%2Fb%20c%3F")
    assert answer.status_code == 200
    assert LeadAnswer.model_validate_json(answer.content).lead_id == "a/b c?"
    assert answer.json()["decisions"] == [{"batch_id": "B1", "at": "2026-03-02T12:00:00Z"}]


def test_a_lead_that_was_never_routed_is_not_found(caller: Any) -> None:
    answer = caller("GET", "/v1/leads/x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_lead")


@pytest.mark.parametrize("lead_id", ["%00", "a%0Ab", "%FF%FE%07", "x" * 300])
def test_what_cannot_be_an_id_is_not_looked_for(caller: Any, lead_id: str) -> None:
    caller.router.error = AssertionError("asked")
    assert caller("GET", f"/v1/leads/{lead_id}").status_code == 404


def test_reps_are_listed_with_infinity_as_null(caller: Any) -> None:
    answer = caller("GET", "/v1/reps")
    assert RepsAnswer.model_validate_json(answer.content).reps[0].rep_id == "R1"
    assert answer.json()["reps"][0]["limit"] is None


def test_outcomes_reach_the_router_as_moments_in_utc(caller: Any) -> None:
    outcome = {"outcome_id": "o", "lead_id": "a", "kind": "won", "at": "2026-03-05T16:00:00+02:00", "note": {"n": 1}}
    answer = caller("POST", "/v1/outcomes", json={"outcomes": [outcome]})
    assert OutcomesAnswer.model_validate_json(answer.content).outcomes[0].outcome_id == "o"
    told = caller.router.told[0]
    assert told.pop("at").isoformat() == "2026-03-05T14:00:00+00:00"
    assert told == {"outcome_id": "o", "lead_id": "a", "kind": "won", "note": {"n": 1}}


def test_what_the_router_finds_has_the_path_of_the_lead(caller: Any) -> None:
    caller.router.error = InputError(
        [Finding("is not a place", row=2, column="postal_code", value="x", allowed="a ZIP")]
    )
    answer = caller.route(LEADS)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"] == [
        {
            "path": "leads[1].postal_code",
            "problem": "is not a place",
            "value": '"x"',
            "allowed": "a ZIP",
            "remedy": None,
        }
    ]


@pytest.mark.parametrize(
    ("error", "code"),
    [(LedgerUnavailableError("postgresql://u:secret@h"), "ledger_unavailable"), (LedgerError("x"), "ledger_error")],
)
def test_a_ledger_that_fails_is_503_with_a_time_to_come_back(caller: Any, error: Exception, code: str) -> None:
    caller.router.error = error
    answer = caller.route(LEADS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, code)
    assert answer.headers["Retry-After"]
    assert "secret" not in answer.text + caller.out.getvalue()
    assert "territory_engine_ledger_errors_total 1.0" in caller("GET", "/metrics").text


def test_a_fault_is_told_by_its_place_and_not_by_its_words(caller: Any) -> None:
    caller.router.error = ValueError("ann@acme.com")
    answer = caller.route(LEADS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    fault = next(line for line in caller.lines if line["event"] == "fault")
    assert fault["request_id"] == answer.json()["error"]["request_id"] == answer.headers["X-Request-Id"]
    assert any("fake_router.py" in place for place in fault["places"])
    assert "acme" not in answer.text + caller.out.getvalue()


def test_the_process_is_alive_and_ready(caller: Any) -> None:
    assert caller("GET", "/healthz").json()["status"] == "ok"
    assert caller("GET", "/readyz").json() == {"status": "ready", "plan_id": "0a1b"}


def test_without_its_ledger_the_service_is_alive_but_not_ready(caller: Any) -> None:
    caller.router.error = LedgerUnavailableError("gone")
    assert caller("GET", "/healthz").status_code == 200
    assert caller("GET", "/readyz").status_code == 503


def test_many_probes_ask_the_ledger_once(caller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    health = caller.router.health
    monkeypatch.setattr(caller.router, "health", lambda: asked.append(1) or health())

    async def probes() -> list[int]:
        return [
            answer.status_code for answer in await asyncio.gather(*(caller.call("GET", "/readyz") for _ in range(9)))
        ]

    assert caller.runner.run(probes()) == [200] * 9
    assert asked == [1]


def test_a_large_answer_is_made_in_pieces_that_fit(caller: Any) -> None:
    answer = caller.route([{"lead_id": str(number)} for number in range(4_001)]).json()
    assert [lead["lead_id"] for lead in answer["leads"]] == [str(number) for number in range(4_001)]


def test_while_it_ends_the_service_is_not_ready(caller: Any) -> None:
    caller.app.state.service.ending = True
    assert caller("GET", "/readyz").json()["error"]["code"] == "not_ready"


def test_the_reference_page_names_every_route_and_loads_nothing(caller: Any) -> None:
    page = caller("GET", "/docs").text
    for path in caller("GET", "/openapi.json").json()["paths"]:
        assert path in page
    assert "<script" not in page
    assert "http" not in page.replace("https://", "http://").split("<body>")[0]


def test_numbers_of_other_libraries_become_json() -> None:
    numpy = pytest.importorskip("numpy")
    value = {"a": numpy.float64("nan"), "b": numpy.array([1, 2]), 3: (math.inf, numpy.bool_(True))}
    assert plain(value) == {"a": None, "b": [1, 2], "3": [None, True]}
    TypeAdapter(dict[str, Any]).dump_json(plain(value))


def test_who_waits_is_told_page_by_page_and_routed_as_a_batch(caller: Any) -> None:
    caller.route([{"lead_id": "a"}, {"lead_id": "b", "segment": "full"}, {"lead_id": "c", "segment": "full"}])
    page = caller("GET", "/v1/queue", params={"limit": 1, "offset": 1}).json()
    assert page == {
        "total": 2,
        "leads": [
            {
                "lead_id": "c",
                "reason": "nobody can take it",
                "reason_code": "full",
                "could_go_at": "2026-03-03T08:00:00Z",
                "since": "2026-03-02T12:00:00Z",
                "batch_id": "B1",
            }
        ],
    }
    routed = caller("POST", "/v1/queue/route", json={"batch_id": "Q1"})
    assert [lead["lead_id"] for lead in routed.json()["leads"]] == ["b", "c"]
    assert caller("POST", "/v1/queue/route", json={"batch_id": "Q1"}).json()["repeated"]
    assert {"leads": 2, "queued": 2, "repeated": False}.items() <= caller.lines[2].items()
    assert 'territory_engine_leads_total{status="queued"} 4.0' in caller("GET", "/metrics").text


def test_what_is_wrong_with_a_request_about_the_queue_is_told_with_its_path(caller: Any) -> None:
    refused = caller("GET", "/v1/queue", params={"limit": 0, "offset": "x"})
    assert refused.status_code == 422
    told = refused.json()["error"]["details"]
    assert [(one["path"], one["allowed"]) for one in told] == [
        ("limit", "a whole number from 1 to 10,000"),
        ("offset", "a whole number from 0 up"),
    ]
    for body, path in (({}, "batch_id"), ({"batch_id": "q", "leads": []}, "leads"), ([], "")):
        refused = caller("POST", "/v1/queue/route", json=body)
        assert (refused.status_code, refused.json()["error"]["details"][0]["path"]) == (422, path)
    assert caller("POST", "/v1/queue/route", json={"batch_id": 3}).status_code == 422
