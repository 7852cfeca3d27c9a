"""What every request passes, in and out: its ID, its key, its rate, the answer's headers, and one line in the log."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders

from territory_engine.app.service.errors import ServiceError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from territory_engine.app.service.limits import RateLimit
    from territory_engine.app.service.metrics import ServiceMetrics
    from territory_engine.app.service.request_log import RequestLog
    from territory_engine.app.service.security import ApiKey, KeyRing

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_UNLIMITED = frozenset({"/healthz", "/readyz"})
_WITHOUT_KEY = _UNLIMITED | {"/openapi.json", "/docs"}
_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


@dataclass
class RequestRecord:
    """What is known of a request, for the log and the metrics: nothing that a client wrote but its request ID."""

    request_id: str
    key: str | None = None
    status: int = 0
    code: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def record_of(scope: Scope) -> RequestRecord:
    """Return the record that :class:`Gate` keeps of a request."""
    record: RequestRecord = scope["territory_engine.record"]
    return record


class Gate:
    """The outermost layer.

    Parameters
    ----------
    app : ASGI application
    log, metrics, rate
    keys : KeyRing, optional
        Without one every client may do everything: for loopback alone.
    hosts : frozenset of str, optional
        The only names in ``Host`` that are answered. Without keys this keeps web pages from reaching a service on the
        reader's own machine by a name that they made point there.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        log: RequestLog,
        metrics: ServiceMetrics,
        rate: RateLimit,
        keys: KeyRing | None,
        hosts: frozenset[str] | None,
    ) -> None:
        self.app = app
        self._log = log
        self._metrics = metrics
        self._rate = rate
        self._keys = keys
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        offered = headers.get("x-request-id", "")
        record = RequestRecord(offered if _REQUEST_ID.match(offered) else secrets.token_hex(8))
        scope["territory_engine.record"] = record
        began = time.perf_counter()
        self._metrics.in_flight.inc()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                outgoing = MutableHeaders(scope=message)
                outgoing["X-Request-Id"] = record.request_id
                for name, value in _HEADERS.items():
                    outgoing.setdefault(name, value)
            await send(message)

        try:
            self._admit(scope, headers, record)
            await self.app(scope, receive, answer)
        except ServiceError as problem:
            await answer_problem(problem, record, answer)
        except asyncio.CancelledError:
            # The process ends before the batch is finished; a client who hears nothing would have to guess.
            if not record.status:
                await answer_problem(_ended(), record, answer)
            raise
        except Exception as error:  # whatever it is: the client gets an envelope, the log its place
            self._log.fault(error, record.request_id)
            if not record.status:
                await answer_problem(fault(), record, answer)
        finally:
            self._metrics.in_flight.dec()
            self._tell(scope, record, time.perf_counter() - began)

    def _admit(self, scope: Scope, headers: Headers, record: RequestRecord) -> None:
        path = scope["path"]
        if self._hosts is not None and _name_of(headers.get("host", "")) not in self._hosts:
            raise ServiceError(
                403,
                "forbidden_host",
                "Without API keys the service answers only to localhost. Remedy: use http://127.0.0.1, or start it with"
                " --keys.",
            )
        if path in _UNLIMITED:
            return
        key = self._key(headers)
        if key is not None:
            record.key = key.name
        client = scope.get("client")
        self._rate.take(f"key:{key.name}" if key is not None else f"address:{client[0] if client else ''}")
        if self._keys is None or path in _WITHOUT_KEY:
            return
        if key is None:
            raise ServiceError(
                401,
                "unauthorized",
                "An API key is needed. Remedy: send Authorization: Bearer KEY, or X-API-Key: KEY; keys are made with"
                " territory-engine serve-key.",
                headers={"WWW-Authenticate": 'Bearer realm="territory-engine"'},
            )
        if key.read_only and scope["method"] not in _READING:
            raise ServiceError(
                403, "read_only_key", "This key may only read. Remedy: use one that was made without --read-only."
            )

    def _key(self, headers: Headers) -> ApiKey | None:
        if self._keys is None:
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        offered = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        return self._keys.find(offered) if offered else None

    def _tell(self, scope: Scope, record: RequestRecord, seconds: float) -> None:
        route = (getattr(scope.get("route"), "path", None) or "unmatched").replace(":path}", "}")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        # No status: the client went away, or the process is ending, before there was an answer.
        status = str(record.status or "none")
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if record.code is not None:
            self._metrics.refused.labels(record.code).inc()
        self._log.write(
            "request",
            request_id=record.request_id,
            method=method,
            route=route,
            status=record.status or None,
            duration_ms=round(seconds * 1000, 1),
            key=record.key,
            **({"error": record.code} if record.code is not None else {}),
            **record.facts,
        )


def _name_of(host: str) -> str:
    """Return the name in a ``Host`` header without its port."""
    return re.sub(r":[0-9]*$", "", host).lower()


def fault() -> ServiceError:
    """Return what a client is told of an unexpected error: that there was one, and by which ID the log knows it."""
    return ServiceError(
        500,
        "internal",
        "A fault in the service. A batch is written as a whole or not at all: sending it again with the same batch_id is"
        " safe. Remedy: look for the request_id in the service's log.",
    )


def _ended() -> ServiceError:
    return ServiceError(
        503,
        "ended",
        "The service ended before the request was finished. A batch is written as a whole or not at all. Remedy: send it"
        " again with the same batch_id.",
        headers={"Retry-After": "5", "Connection": "close"},
    )


async def answer_problem(problem: ServiceError, record: RequestRecord, send: Send) -> None:
    """Send the error envelope."""
    record.code = problem.code
    body = problem.body(record.request_id)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
