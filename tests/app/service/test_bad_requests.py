"""Everything that is wrong with a request is named with its path, in one envelope, and nothing reaches the router."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from territory_engine.app.service.errors import ErrorEnvelope
from territory_engine.app.service.models import lead_model
from territory_engine.app.service.settings import ServiceSettings
from territory_engine.app.service.validation import read_batch

JSON = {"Content-Type": "application/json"}
LATER = "2999-01-01T00:00:00Z"


def problems(answer: Any, status: int = 422) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    error = ErrorEnvelope.model_validate_json(answer.content).error
    return {detail.path: detail.problem for detail in error.details}


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("lead_id", 7, "is not text"),
        ("lead_id", "", "is empty"),
        ("lead_id", "x" * 201, "is too long"),
        ("lead_id", "a\nb", "has control characters"),
        ("company", "a\u0000b", "has control characters"),
        ("company", "a\u009bb", "has control characters"),
        ("company", ["a"], "is not text"),
        ("email", "nobody", "is not an e-mail address"),
        ("email", "a@b c.d", "is not an e-mail address"),
        ("email", "a@", "is not an e-mail address"),
        ("domain", "acme", "is not a domain"),
        ("domain", "http://acme.com", "is not a domain"),
        ("postal_code", 50309, "is not text"),
        ("score", -0.1, "is out of range"),
        ("score", "1", "is not a number"),
        ("score", True, "is not a number"),
        ("value", -1, "is out of range"),
        ("created_at", "yesterday", "is not a moment in ISO 8601"),
        ("created_at", "2026-03-02T09:30:00[Mars/Phobos]", "is not a moment in ISO 8601"),
        ("created_at", "2026-02-30T00:00:00Z", "is not a moment in ISO 8601"),
        ("created_at", "0001-01-01T00:00:00+23:59", "is not a moment in ISO 8601"),
        ("created_at", "2026-03-02T09:30:00", "has no offset from UTC"),
        ("created_at", LATER, "is in the future"),
        ("created_at", 1700000000, "is not text"),
        ("skills", ["a;b"], "has a semicolon inside an item"),
        ("skills", ["a", 3], "is neither text nor a list of texts"),
        ("skills", ["a\tb"], "has control characters"),
        ("colour", "red", "is not a field that is known"),
    ],
)
def test_a_field_that_is_not_as_it_should_be_is_named(caller: Any, field: str, value: Any, problem: str) -> None:
    answer = caller.route([{"lead_id": "ok"}, {"lead_id": "a", field: value}])
    assert problems(answer) == {f"leads[1].{field}": problem}
    assert caller.router.seen == []


@pytest.mark.parametrize(("field", "limit"), [("latitude", 90), ("longitude", 180)])
def test_places_lie_on_the_globe(caller: Any, field: str, limit: int) -> None:
    place = {"latitude": 0, "longitude": 0}
    for value, sign in ((limit, 1), (limit, -1)):
        fine, off = {**place, field: sign * value}, {**place, field: sign * (value + 0.001)}
        assert caller.route([{"lead_id": "a", **fine}], f"B{sign}").status_code == 200
        assert problems(caller.route([{"lead_id": "a", **off}])) == {f"leads[0].{field}": "is out of range"}


def test_half_a_place_is_no_place(caller: Any) -> None:
    answer = caller.route([{"lead_id": "a", "latitude": 41.0}, {"lead_id": "b", "longitude": 0}])
    assert problems(answer) == {
        "leads[0].longitude": "is missing, and latitude is there",
        "leads[1].latitude": "is missing, and longitude is there",
    }


def test_each_repeated_lead_is_named_with_the_first_of_its_kind(caller: Any) -> None:
    answer = caller.route([{"lead_id": x} for x in ("a", "b", "a", "a")])
    assert problems(answer) == {
        "leads[2].lead_id": "is the same as in leads[0]",
        "leads[3].lead_id": "is the same as in leads[0]",
    }


def test_a_value_is_shown_shortened_with_what_is_allowed_and_a_remedy(caller: Any) -> None:
    error = caller.route([{"lead_id": "a", "latitude": 97.2, "longitude": 1, "x": "y" * 500}]).json()["error"]
    place, extra = error["details"]
    assert (place["value"], place["allowed"]) == ("97.2", "a number from −90 to 90")
    assert len(extra["value"]) == 81
    assert "--extra-fields" in extra["remedy"]


def test_a_hundred_problems_are_told_and_all_are_counted(caller: Any) -> None:
    error = caller.route([{"lead_id": "", "n": 1} for _ in range(200)]).json()["error"]
    assert (len(error["details"]), error["total_details"]) == (100, 400)
    assert error["message"] == "400 problems in the request; nothing was written."


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"batch_id": 5, "leads": [{"lead_id": "a"}]}, {"batch_id": "is not text"}),
        ({"leads": [{"lead_id": "a"}]}, {"batch_id": "is missing"}),
        ({"batch_id": "", "leads": [{"lead_id": "a"}]}, {"batch_id": "is empty"}),
        ({"batch_id": "B"}, {"leads": "is missing"}),
        ({"batch_id": "B", "leads": []}, {"leads": "is empty"}),
        ({"batch_id": "B", "leads": {}}, {"leads": "is not a list"}),
        ({"batch_id": "B", "leads": [3, None]}, {"leads[0]": "is not an object", "leads[1]": "is not an object"}),
        ({"batch_id": "B", "leads": [{}]}, {"leads[0].lead_id": "is missing"}),
        ({"batch_id": "B", "leads": [{"lead_id": "a"}], "n": 1}, {"n": "is not a field of the request"}),
        ([], {"": "is not an object"}),
        ("leads", {"": "is not an object"}),
    ],
)
def test_a_body_of_another_shape_is_named(caller: Any, body: Any, found: dict[str, str]) -> None:
    assert problems(caller("POST", "/v1/leads/route", json=body)) == found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"batch_id": "B", "leads": [{"lead_id": "a", "score": NaN}]}',
        b'{"batch_id": "B", "leads": [{"lead_id": "a", "score": -Infinity}]}',
        b'{"batch_id": "B", "leads": [{"lead_id": "\xff"}]}',
        b'{"batch_id": "B", "leads": [{"lead_id": "\\ud800"}]}',
        b"[" * 1_000,
        b'{"batch_id": ' + b"1" * 5_000 + b"}",
    ],
)
def test_what_is_not_json_is_refused_with_where_it_breaks(caller: Any, body: bytes) -> None:
    answer = caller("POST", "/v1/leads/route", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
    assert "at line" in answer.json()["error"]["message"]


def test_a_number_too_large_for_a_float_is_refused(caller: Any) -> None:
    body = b'{"batch_id": "B", "leads": [{"lead_id": "a", "score": 1e999}]}'
    answer = caller("POST", "/v1/leads/route", content=body, headers=JSON)
    assert problems(answer) == {"leads[0].score": "is not a finite number"}


def test_extra_fields_are_checked_too(make_caller: Any) -> None:
    caller = make_caller(extra_fields=True)
    lead = {"lead_id": "a", "nested": {"a": 1}, "text": "a\x1bb", "big": 1e308, "\x07": 1, "n" * 200: 2}
    body = json.dumps({"batch_id": "B", "leads": [lead]}).replace("1e+308", "1e999").encode()
    answer = caller("POST", "/v1/leads/route", content=body, headers=JSON)
    assert problems(answer) == {
        "leads[0].nested": "is neither text, a number nor a list of texts",
        "leads[0].text": "has control characters",
        "leads[0].big": "is not a finite number",
        "leads[0]": "has a field whose name cannot be a column's",
    }


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
)
def test_another_content_type_is_refused(caller: Any, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = caller("POST", "/v1/leads/route", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_an_unknown_packing_is_refused_with_those_that_are_known(caller: Any) -> None:
    answer = caller("POST", "/v1/leads/route", content=b"{}", headers={**JSON, "Content-Encoding": "br"})
    assert answer.status_code == 415
    assert answer.headers["Accept-Encoding"] == "gzip, identity"


@pytest.mark.parametrize(
    "body", [b"no gzip", gzip.compress(b"{}", mtime=0)[:-4], gzip.compress(b"{}", mtime=0) + b"more"]
)
def test_broken_packing_is_refused(caller: Any, body: bytes) -> None:
    answer = caller("POST", "/v1/leads/route", content=body, headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "broken_compression")


def test_a_small_body_cannot_unpack_into_a_large_one(make_caller: Any) -> None:
    caller = make_caller(max_body_mb=1)
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    answer = caller("POST", "/v1/leads/route", content=bomb, headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_body_that_says_it_is_too_long_is_not_read(make_caller: Any) -> None:
    caller = make_caller(max_body_mb=1)
    answer = caller("POST", "/v1/leads/route", content=b"{}", headers={**JSON, "Content-Length": "2000000"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_body_of_unsaid_length_is_read_up_to_the_limit(make_caller: Any) -> None:
    caller = make_caller(max_body_mb=1)
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            sent.append(1)
            yield b" " * 100_000

    answer = caller("POST", "/v1/leads/route", content=endless(), headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert len(sent) <= 12


def test_a_body_that_never_ends_is_given_up(make_caller: Any) -> None:
    import asyncio

    caller = make_caller(body_seconds=0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    answer = caller("POST", "/v1/leads/route", content=slow(), headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "too_slow")


@pytest.mark.parametrize("lead", [b"{}", b"[]", b"5", b'{"lead_id":"a","latitude":"wrong"}'])
def test_too_many_leads_are_refused_before_any_is_looked_at(make_caller: Any, lead: bytes) -> None:
    caller = make_caller(max_leads=100)
    body = b'{"batch_id": "B", "leads": [' + b",".join([lead] * 1_000) + b"]}"
    answer = caller("POST", "/v1/leads/route", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_leads")
    assert answer.json()["error"]["details"] == []


def test_brackets_inside_text_are_not_counted(make_caller: Any) -> None:
    caller = make_caller(max_leads=10)
    assert caller.route([{"lead_id": "a", "company": '{["\\' * 100}]).status_code == 200


TRICKY = st.text(st.sampled_from('{}[]"\\,:x'), max_size=60)


@given(companies=st.lists(TRICKY, min_size=1, max_size=5))
@settings(deadline=None)
def test_no_text_makes_a_batch_look_larger_than_it_is(companies: list[str]) -> None:
    most = ServiceSettings(max_leads=len(companies))
    leads = [{"lead_id": str(number), "company": company * 9} for number, company in enumerate(companies)]
    body = json.dumps({"batch_id": "B", "leads": leads}).encode()
    _, records = read_batch(body, TypeAdapter(list[lead_model(most)]), most)
    assert [record.get("company", "") for record in records] == [lead["company"] for lead in leads]


def test_text_without_an_end_is_refused_in_linear_time(make_caller: Any) -> None:
    caller = make_caller(max_leads=10)
    body = b'{"batch_id": "' + b"{" * 100 + b'\\"' * 1_000_000
    assert caller("POST", "/v1/leads/route", content=body, headers=JSON).status_code == 400


def test_outcomes_are_checked_the_same_way(caller: Any) -> None:
    outcomes = [
        {"outcome_id": "o", "lead_id": "a", "kind": "sold", "at": LATER},
        {
            "outcome_id": "o",
            "lead_id": "a",
            "kind": "won",
            "at": "2026-01-01T00:00:00Z",
            "note": {"a": {"b": 1}, "\u0000": 1},
        },
        {"outcome_id": "p", "kind": "won", "at": ""},
    ]
    assert problems(caller("POST", "/v1/outcomes", json={"outcomes": outcomes})) == {
        "outcomes[0].kind": "is none of the known kinds",
        "outcomes[0].at": "is in the future",
        'outcomes[1].note."\\u0000"': "has control characters",
        "outcomes[1].note.a": "is neither text, a number nor a list of texts",
        "outcomes[1].outcome_id": "is the same as in outcomes[0]",
        "outcomes[2].lead_id": "is missing",
        "outcomes[2].at": "is empty",
    }
    assert caller.router.told == []


def test_unknown_addresses_and_methods_have_the_envelope_too(caller: Any) -> None:
    assert problems(caller("GET", "/v2/leads"), 404) == {}
    answer = caller("GET", "/v1/leads/route/")
    assert answer.json()["error"]["code"] == "unknown_lead"
    answer = caller("DELETE", "/v1/reps")
    assert problems(answer, 405) == {}
    assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("length", ["\u00b2", "9" * 5000])
def test_a_length_that_is_no_number_is_no_fault(caller: Any, length: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": length.encode("latin-1")}
    answer = caller(
        "POST", "/v1/leads/route", content=b'{"batch_id": "B", "leads": [{"lead_id": "a"}]}', headers=headers
    )
    assert answer.status_code == (200 if length == "\u00b2" else 413)
