"""What is written down of a request: enough to run the service, nothing about people."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from territory_engine.app.service.request_log import RequestLog, ServerMessages
from territory_engine.app.service.security import KeyRing

PRIVATE = {
    "lead_id": "PRIVATE-id",
    "company": "PRIVATE-company",
    "email": "PRIVATE-name@PRIVATE-domain.example",
    "postal_code": "PRIVATE-zip",
    "segment": "PRIVATE-segment",
}


def test_a_request_is_one_line_with_what_was_counted(caller: Any) -> None:
    caller.route([{"lead_id": "a"}, {"lead_id": "b", "segment": "full"}], headers={"X-Request-Id": "trace-1"})
    (line,) = caller.lines
    assert line.pop("time").endswith("Z")
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "request",
        "request_id": "trace-1",
        "method": "POST",
        "route": "/v1/leads/route",
        "status": 200,
        "key": None,
        "leads": 2,
        "assigned": 1,
        "queued": 1,
        "rejected": 0,
        "repeated": False,
    }


def test_nothing_that_a_client_wrote_gets_into_the_log(make_caller: Any, key_file: Any) -> None:
    path, key = key_file
    caller = make_caller(keys=KeyRing(path))
    caller.headers = {"X-API-Key": key, "X-Request-Id": "PRIVATE name@x", "User-Agent": "PRIVATE-agent"}
    caller.route([PRIVATE], "PRIVATE-batch")
    caller.route([{**PRIVATE, "latitude": "PRIVATE"}, {"PRIVATE-field": 1}], "PRIVATE-batch")
    caller.route([{"lead_id": "PRIVATE-2"}], "PRIVATE-batch")
    caller.router.error = KeyError("PRIVATE")
    caller.route([PRIVATE], "PRIVATE-batch")
    caller("GET", "/v1/leads/PRIVATE-id?PRIVATE=1")
    caller("GET", "/PRIVATE")
    caller("PRIVATE", "/v1/reps")
    caller("POST", "/v1/leads/route", content=b"PRIVATE", headers={"Content-Type": "PRIVATE/x"})
    caller("GET", "/v1/reps", headers={"X-API-Key": "PRIVATE-key"})
    assert [line.get("status") for line in caller.lines if line["event"] == "request"] == [
        200, 422, 409, 500, 500, 404, 405, 415, 401,
    ]  # fmt: skip
    metrics = caller("GET", "/metrics").text
    assert "PRIVATE" not in caller.out.getvalue()
    assert "PRIVATE" not in metrics
    assert key not in caller.out.getvalue()


@pytest.mark.parametrize(("offered", "kept"), [("a.b-C_9", True), ("x" * 65, False), ("a b", False), ("", False)])
def test_a_request_id_is_kept_if_it_is_a_plain_one(caller: Any, offered: str, kept: bool) -> None:
    found = caller("GET", "/healthz", headers={"X-Request-Id": offered}).headers["X-Request-Id"]
    assert (found == offered) is kept
    assert found


def test_metrics_count_requests_leads_and_refusals(caller: Any) -> None:
    leads = [{"lead_id": "a"}, {"lead_id": "b", "segment": "full"}]
    caller.route(leads)
    caller.route(leads)
    caller.route([])
    caller("GET", "/v1/leads/a")
    answer = caller("GET", "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.text
    for line in (
        'territory_engine_requests_total{method="POST",route="/v1/leads/route",status="200"} 2.0',
        'territory_engine_requests_total{method="POST",route="/v1/leads/route",status="422"} 1.0',
        'territory_engine_requests_total{method="GET",route="/v1/leads/{lead_id}",status="200"} 1.0',
        'territory_engine_refused_requests_total{code="invalid_request"} 1.0',
        'territory_engine_leads_total{status="assigned"} 1.0',
        'territory_engine_leads_total{status="queued"} 1.0',
        'territory_engine_leads_total{status="rejected"} 0.0',
        "territory_engine_batches_repeated_total 1.0",
        "territory_engine_batch_leads_count 1.0",
        "territory_engine_batches_in_flight 0.0",
        "territory_engine_requests_in_flight 1.0",
        'territory_engine_request_seconds_count{route="/v1/leads/route"} 3.0',
    ):
        assert line in text


def test_two_services_in_one_process_count_apart(make_caller: Any) -> None:
    first, second = make_caller(), make_caller()
    first.route([{"lead_id": "a"}])
    assert 'leads_total{status="assigned"} 0.0' in second("GET", "/metrics").text


def test_the_servers_own_messages_are_written_without_their_arguments(caller: Any) -> None:
    log = RequestLog(caller.out)
    record = logging.LogRecord("uvicorn.error", logging.WARNING, "x", 1, "Invalid request from %s", ("PRIVATE",), None)
    ServerMessages(log).emit(record)
    assert json.loads(caller.out.getvalue())["message"] == "Invalid request from %s"


def test_a_log_that_nobody_reads_any_more_is_no_fault(tmp_path: Any) -> None:
    stream = (tmp_path / "log").open("w")
    stream.close()
    RequestLog(stream).write("request")
