"""The service over a fake router, called in the process."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from territory_engine.app.service.app import create_app
from territory_engine.app.service.request_log import RequestLog
from territory_engine.app.service.security import KeyRing, make_key
from territory_engine.app.service.settings import ServiceSettings
from tests.app.service.fake_router import FakeRouter


class Caller:
    """Calls an application in the process, one request after another or several at once."""

    def __init__(self, router: Any, settings: ServiceSettings | None = None, **options: Any) -> None:
        self.router = router
        self.out = io.StringIO()
        self.app = create_app(router, settings, log=RequestLog(self.out), **options)
        self.runner = asyncio.Runner()
        self.headers: dict[str, str] = {}

    async def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        headers = {**self.headers, **arguments.pop("headers", {})}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers=headers, **arguments)

    def __call__(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self.runner.run(self.call(method, path, **arguments))

    def route(self, leads: Any, batch_id: Any = "B1", **arguments: Any) -> httpx.Response:
        return self("POST", "/v1/leads/route", json={"batch_id": batch_id, "leads": leads}, **arguments)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def close(self) -> None:
        if isinstance(self.router, FakeRouter):
            self.router.go_on.set()
        self.app.state.service.close()
        self.runner.close()


@pytest.fixture
def make_caller() -> Iterator[Any]:
    """Return a function that makes callers, of any settings."""
    made: list[Caller] = []

    def make(*, keys: KeyRing | None = None, hosts: frozenset[str] | None = None, **settings: Any) -> Caller:
        made.append(Caller(FakeRouter(), ServiceSettings(**settings), keys=keys, hosts=hosts))
        return made[-1]

    yield make
    for caller in made:
        caller.close()


@pytest.fixture
def caller(make_caller: Any) -> Caller:
    """Return a caller of a service without keys."""
    called: Caller = make_caller()
    return called


@pytest.fixture
def key_file(tmp_path: Path) -> tuple[Path, str]:
    """Return a file with one key, and the key."""
    path = tmp_path / "keys.toml"
    return path, make_key("crm", path)
