"""Who may ask, how often, and what they cannot do."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from territory_engine.app.service.gate import LOOPBACK_HOSTS
from territory_engine.app.service.security import KeyRing, make_key, open_to_others, read_keys
from territory_engine.errors import InputError

ROUTES = [("GET", "/v1/reps"), ("GET", "/v1/leads/x"), ("POST", "/v1/leads/route"), ("POST", "/v1/outcomes")]


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/metrics"), ("GET", "/elsewhere")])
def test_without_a_key_nothing_is_answered(make_caller: Any, key_file: Any, method: str, path: str) -> None:
    caller = make_caller(keys=KeyRing(key_file[0]))
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {key_file[1]}"},
        {"X-API-Key": "é"},
    ):
        answer = caller(method, path, headers={k: v.encode() for k, v in headers.items()})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs"])
def test_probes_and_documents_need_no_key(make_caller: Any, key_file: Any, path: str) -> None:
    assert make_caller(keys=KeyRing(key_file[0]))("GET", path).status_code == 200


def test_a_key_opens_by_either_header(make_caller: Any, key_file: Any) -> None:
    path, key = key_file
    caller = make_caller(keys=KeyRing(path))
    assert caller("GET", "/v1/reps", headers={"Authorization": f"bearer {key}"}).status_code == 200
    assert caller("GET", "/v1/reps", headers={"X-API-Key": key}).status_code == 200
    assert caller.lines[-1]["key"] == "crm"


def test_a_key_that_may_only_read_cannot_route(make_caller: Any, tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    caller = make_caller(keys=KeyRing(_with(path, make_key("grafana", path, read_only=True))))
    caller.headers = {"X-API-Key": _KEYS[path]}
    assert caller("GET", "/metrics").status_code == 200
    answer = caller.route([{"lead_id": "a"}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "read_only_key")
    assert caller.router.seen == []


_KEYS: dict[Path, str] = {}


def _with(path: Path, key: str) -> Path:
    _KEYS[path] = key
    return path


def test_the_file_keeps_only_hashes_and_is_private(key_file: Any) -> None:
    path, key = key_file
    assert key not in path.read_text()
    table = tomllib.loads(path.read_text())["keys"]["crm"]
    assert table["sha256"] == hashlib.sha256(key.encode()).hexdigest()
    assert not open_to_others(path)
    assert len(key) > 43


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_a_file_that_others_may_read_is_noticed(key_file: Any) -> None:
    key_file[0].chmod(0o644)
    assert open_to_others(key_file[0])


def test_a_key_made_later_works_and_a_deleted_one_does_not(make_caller: Any, key_file: Any) -> None:
    path, old = key_file
    caller = make_caller(keys=KeyRing(path))
    new = make_key("second", path)
    assert caller("GET", "/v1/reps", headers={"X-API-Key": new}).status_code == 200
    assert caller("GET", "/v1/reps", headers={"X-API-Key": old}).status_code == 200
    text = path.read_text()
    path.write_text(text[: text.index("[keys.crm]")] + text[text.index("[keys.second]") :])
    assert caller("GET", "/v1/reps", headers={"X-API-Key": old}).status_code == 401
    assert caller("GET", "/v1/reps", headers={"X-API-Key": new}).status_code == 200


@pytest.mark.parametrize("text", ["broken [", None])
def test_a_file_that_breaks_lets_nobody_in(make_caller: Any, key_file: Any, text: str | None) -> None:
    path, key = key_file
    caller = make_caller(keys=KeyRing(path))
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    assert caller("GET", "/v1/reps", headers={"X-API-Key": key}).status_code == 401


def test_names_are_taken_once_and_plain(key_file: Any) -> None:
    for name, problem in (
        ("crm", "already"),
        ("a b", "name of a key"),
        ('x"]\n[keys.y', "name of a key"),
        ("", "name"),
    ):
        with pytest.raises(InputError, match=problem):
            make_key(name, key_file[0])
    assert [key.name for key in read_keys(key_file[0])] == ["crm"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[keys.a]\nsha256 = 'short'\n", "keys.a.*64 hexadecimal"),
        ("[keys]\na = 'x'\n", "keys.a"),
        ("keys = 3\n", "not a table"),
        ("[other]\n", "other"),
        ("x", "not TOML"),
        ("", "no keys"),
    ],
)
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        KeyRing(path)
    with pytest.raises(InputError, match="cannot be read"):
        KeyRing(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8080", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("evil.example", 403), ("", 403)],
)
def test_without_keys_only_names_of_this_computer_are_answered(make_caller: Any, host: str, status: int) -> None:
    assert make_caller(hosts=LOOPBACK_HOSTS)("GET", "/v1/reps", headers={"Host": host}).status_code == status


def test_other_pages_may_not_read_the_answers(caller: Any) -> None:
    answer = caller("GET", "/v1/reps", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_more_requests_than_allowed_are_told_when_to_come_back(make_caller: Any) -> None:
    caller = make_caller(rate="3/minute")
    statuses = [caller("GET", "/v1/reps").status_code for _ in range(4)]
    answer = caller("GET", "/v1/reps")
    assert [*statuses, answer.status_code] == [200, 200, 200, 429, 429]
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["error"]["code"] == "rate_limited"
    assert caller("GET", "/healthz").status_code == 200


def test_each_key_has_its_own_rate(make_caller: Any, key_file: Any) -> None:
    path, first = key_file
    second = make_key("second", path)
    caller = make_caller(keys=KeyRing(path), rate="1/hour")
    statuses = [caller("GET", "/v1/reps", headers={"X-API-Key": k}).status_code for k in (first, first, second)]
    assert statuses == [200, 429, 200]
    assert [caller("GET", "/v1/reps").status_code for _ in range(2)] == [401, 429]


def test_one_batch_too_many_is_told_to_come_back_while_reading_goes_on(make_caller: Any) -> None:
    caller = make_caller(concurrency=1, queue=1)
    caller.router.go_on.clear()

    async def crowd() -> list[int]:
        def batch(name: str) -> Any:
            return caller.call("POST", "/v1/leads/route", json={"batch_id": name, "leads": [{"lead_id": name}]})

        running = [asyncio.create_task(batch(name)) for name in ("a", "b")]
        while caller.app.state.service.writing.taken < 2:
            await asyncio.sleep(0)
        refused = await batch("c")
        reading = await caller.call("GET", "/v1/reps")
        caller.router.go_on.set()
        done = await asyncio.gather(*running)
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["error"]["code"] == "busy"
        return [refused.status_code, reading.status_code, *(answer.status_code for answer in done)]

    assert caller.runner.run(crowd()) == [503, 200, 200, 200]
    assert caller.route([{"lead_id": "c"}], "c").status_code == 200
