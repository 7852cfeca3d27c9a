"""The application: routes over a router, made by a factory so that tests can give it any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException

from territory_engine import __version__
from territory_engine.app.service.answer_models import (
    Health,
    LeadAnswer,
    OutcomesAnswer,
    QueueAnswer,
    Readiness,
    RepsAnswer,
    RouteAnswer,
)
from territory_engine.app.service.answers import as_json, known, plain, route_answer, summary_of
from territory_engine.app.service.bodies import read_body
from territory_engine.app.service.errors import ServiceError, documented
from territory_engine.app.service.gate import Gate, answer_problem, fault, record_of
from territory_engine.app.service.limits import Places, RateLimit
from territory_engine.app.service.metrics import CONTENT_TYPE, ServiceMetrics
from territory_engine.app.service.models import (
    EXAMPLE_BATCH,
    EXAMPLE_OUTCOMES,
    EXAMPLE_QUEUE,
    MOST_WAITING,
    lead_model,
    request_models,
)
from territory_engine.app.service.openapi import body_of, describe
from territory_engine.app.service.reference_page import reference_page
from territory_engine.app.service.request_log import RequestLog
from territory_engine.app.service.settings import ServiceSettings
from territory_engine.app.service.validation import (
    details_of,
    is_id,
    page_problems,
    read_batch,
    read_outcomes,
    read_queue_batch,
)
from territory_engine.errors import BatchConflictError, InputError, LedgerError, LedgerUnavailableError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from territory_engine.app.service.router_protocol import LeadRouter, RoutedBatch
    from territory_engine.app.service.security import KeyRing

T = TypeVar("T")
_READERS, _READ_QUEUE = 4, 128
_READY_FOR_S = 1.0  # how long an answer about the ledger holds: probes are open to everyone
_RETRY_S = "2"
_WRITING = (400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503)
_READING = (401, 403, 429, 500, 503)


@dataclass
class Service:
    """A router behind threads, and what is counted about it."""

    router: LeadRouter
    settings: ServiceSettings
    log: RequestLog
    metrics: ServiceMetrics
    writing: Places
    reading: Places
    ending: bool = False
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked: float = float("-inf")
    _health: dict[str, Any] = field(default_factory=dict)

    async def call(self, places: Places, work: Callable[[], T]) -> T:
        """Run blocking work in the places' threads, and turn what the router raises into answers."""
        try:
            return await places.run(work)
        except BatchConflictError as error:
            raise ServiceError(409, "batch_conflict", str(error)) from None
        except LedgerError as error:
            self.metrics.ledger_errors.inc()
            unavailable = isinstance(error, LedgerUnavailableError)
            raise ServiceError(
                503,
                "ledger_unavailable" if unavailable else "ledger_error",
                "The ledger does not answer; nothing was written. Remedy: send the same request again, with the same"
                " batch_id.",
                headers={"Retry-After": _RETRY_S},
            ) from None
        except InputError as error:
            details_of(error.findings).raise_if_any()
            raise

    async def ready(self) -> dict[str, Any]:
        """Return what the router says of its health, at most a second old.

        Probes need no key, so however many there are, one at a time asks the ledger.

        Raises
        ------
        ServiceError
            503: the ledger does not answer, or the service is shutting down.
        """
        async with self._asking:
            if time.monotonic() - self._asked > _READY_FOR_S:
                try:
                    self._health = await self.call(self.reading, self.router.health)
                except ServiceError:
                    self._health = {}
                self._asked = time.monotonic()
        if self.ending or not self._health.get("ledger"):
            what = "is shutting down" if self.ending else "cannot reach its ledger"
            raise ServiceError(503, "not_ready", f"The service {what}.", headers={"Retry-After": _RETRY_S})
        return self._health

    def answer(self, routed: RoutedBatch, facts: dict[str, Any]) -> bytes:
        """Return the answer to a routed batch, and count it in the metrics and in what the log will say."""
        summary = summary_of(routed)
        facts.update(summary, repeated=bool(routed.repeated))
        if routed.repeated:
            self.metrics.repeated.inc()
        else:
            self.metrics.batch_leads.observe(summary["leads"])
            for status in ("assigned", "queued", "rejected"):
                self.metrics.leads.labels(status).inc(summary[status])
        return route_answer(routed)

    @property
    def at_work(self) -> int:
        """How many threads are in the middle of something."""
        return self.writing.at_work + self.reading.at_work

    def close(self) -> None:
        """Take no more work."""
        self.writing.close()
        self.reading.close()


def create_app(
    router: LeadRouter,
    settings: ServiceSettings | None = None,
    *,
    keys: KeyRing | None = None,
    hosts: frozenset[str] | None = None,
    log: RequestLog | None = None,
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    router : LeadRouter
        Stays the caller's: it is not closed.
    settings : ServiceSettings, optional
    keys : KeyRing, optional
        Without one everybody may do everything.
    hosts : frozenset of str, optional
        The only names that requests may be addressed to.
    log : RequestLog, optional
        Writes to stdout unless given.

    Returns
    -------
    FastAPI
        ``app.state.service`` is its :class:`Service`.
    """
    settings = settings or ServiceSettings()
    log = log or RequestLog()
    metrics = ServiceMetrics()
    service = Service(
        router,
        settings,
        log,
        metrics,
        writing=Places(settings.concurrency, settings.queue, "routing", metrics.waiting),
        reading=Places(_READERS, _READ_QUEUE, "reading"),
    )
    app = FastAPI(
        title="Territory Engine",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    lead = lead_model(settings)
    bodies = request_models(lead, settings)
    app.openapi = lambda: describe(app, bodies, keys=keys is not None)  # type: ignore[method-assign]  # FastAPI's own way
    _answer_errors(app)
    _queue_routes(app, service)
    _lead_routes(app, service, TypeAdapter(list[lead]))  # type: ignore[valid-type]  # a model made while the program runs
    _service_routes(app, service)
    app.add_middleware(Gate, log=log, metrics=metrics, rate=RateLimit(settings.rate), keys=keys, hosts=hosts)
    return app


def _answer_errors(app: FastAPI) -> None:
    async def problem(request: Request, error: Exception) -> Response:
        if isinstance(error, ServiceError):
            return _Problem(error)
        if isinstance(error, RequestValidationError):
            try:
                page_problems(error.errors()).raise_if_any()
            except ServiceError as found:
                return _Problem(found)
        if isinstance(error, HTTPException):
            code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
            words = {
                404: "There is nothing under this address. Remedy: see /docs for the routes.",
                405: "The address does not know this method. Remedy: see the header Allow.",
            }.get(error.status_code, "The request cannot be answered.")
            return _Problem(ServiceError(error.status_code, code, words, headers=error.headers))
        return _Problem(fault())  # the gate, where the error arrives next, writes it to the log

    for kind in (ServiceError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, problem)


class _Problem(Response):
    """A response whose body needs the request's ID, and so is made when it is sent."""

    def __init__(self, problem: ServiceError) -> None:
        super().__init__(status_code=problem.status)
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer_problem(self._problem, record_of(scope), send)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _lead_routes(app: FastAPI, service: Service, leads: TypeAdapter[Any]) -> None:
    settings = service.settings

    @app.post(
        "/v1/leads/route",
        response_model=RouteAnswer,
        responses=documented(*_WRITING),
        openapi_extra=body_of("RouteRequest", EXAMPLE_BATCH),
        summary="Route a batch of leads",
        tags=["leads"],
    )
    async def route_leads(request: Request) -> Response:
        """Every lead ends assigned, queued or rejected. The same batch_id with the same leads gets the same answer."""
        facts = record_of(request.scope).facts
        # The place is taken before the body is read: so many bodies are in memory, and no more.
        async with service.writing.place():
            body = await read_body(request, settings)

            def work() -> bytes:
                batch_id, records = read_batch(body, leads, settings)
                facts["leads"] = len(records)
                return service.answer(service.router.route(records, batch_id), facts)

            return _json(await service.call(service.writing, work))

    @app.get(
        "/v1/leads/{lead_id:path}",
        response_model=LeadAnswer,
        responses=documented(404, 422, *_READING),
        summary="Where a lead went, and why",
        tags=["leads"],
    )
    async def lead(lead_id: str) -> Response:
        """Its state, every decision about it so far, and the explanation: who could take it, and why the others did not."""

        def work() -> bytes | None:
            found = service.router.lead(lead_id)
            return None if found is None else as_json(known(found))

        answer = None
        if is_id(lead_id):  # no other was ever routed, and databases refuse some of what is none
            async with service.reading.place():
                answer = await service.call(service.reading, work)
        if answer is None:
            raise ServiceError(404, "unknown_lead", "No lead of this ID was ever routed with this ledger.")
        return _json(answer)

    @app.get(
        "/v1/reps",
        response_model=RepsAnswer,
        responses=documented(*_READING),
        summary="Where every rep stands",
        tags=["reps"],
    )
    async def reps() -> Response:
        """Level, open leads, leads of today, weight and availability, by the ledger and the policy."""
        async with service.reading.place():
            return _json(await service.call(service.reading, lambda: as_json({"reps": known(service.router.reps())})))

    @app.post(
        "/v1/outcomes",
        response_model=OutcomesAnswer,
        responses=documented(*_WRITING),
        openapi_extra=body_of("OutcomesRequest", EXAMPLE_OUTCOMES),
        summary="Tell what became of leads",
        tags=["leads"],
    )
    async def outcomes(request: Request) -> Response:
        """Won, lost and returned leads are no longer open. Telling the same outcome_id twice changes nothing."""
        facts = record_of(request.scope).facts
        async with service.writing.place():
            body = await read_body(request, settings)

            def work() -> bytes:
                told = read_outcomes(body, settings)
                facts["outcomes"] = len(told)
                return as_json({"outcomes": plain(service.router.outcomes(told))})

            return _json(await service.call(service.writing, work))


def _queue_routes(app: FastAPI, service: Service) -> None:
    @app.get(
        "/v1/queue",
        response_model=QueueAnswer,
        responses=documented(422, *_READING),
        summary="Which leads wait",
        tags=["queue"],
    )
    async def queue(
        limit: Annotated[int, Query(ge=1, le=MOST_WAITING, description="At most so many.")] = 1_000,
        offset: Annotated[int, Query(ge=0, le=10**9, description="After the first so many.")] = 0,
    ) -> Response:
        """Why they wait, since when, and when they could go; who has waited longest first."""

        def work() -> bytes:
            return as_json(known(service.router.queue(limit=limit, offset=offset)))

        async with service.reading.place():
            return _json(await service.call(service.reading, work))

    @app.post(
        "/v1/queue/route",
        response_model=RouteAnswer,
        responses=documented(*_WRITING),
        openapi_extra=body_of("QueueRequest", EXAMPLE_QUEUE),
        summary="Route the leads that wait",
        tags=["queue"],
    )
    async def route_queue(request: Request) -> Response:
        """Every lead that waits is in the answer; who still cannot go waits on. The same batch_id gets the same answer."""
        facts = record_of(request.scope).facts
        async with service.writing.place():
            body = await read_body(request, service.settings)

            def work() -> bytes:
                return service.answer(service.router.route_queue(read_queue_batch(body)), facts)

            return _json(await service.call(service.writing, work))


def _service_routes(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", response_model=Health, responses=documented(403, 500), summary="Alive", tags=["service"])
    async def healthz() -> Response:
        """The process answers. It says nothing of the ledger: restarting the process would not mend that."""
        return _json(as_json({"status": "ok", "version": __version__}))

    @app.get(
        "/readyz", response_model=Readiness, responses=documented(403, 500, 503), summary="Ready", tags=["service"]
    )
    async def readyz() -> Response:
        """The plan is loaded and the ledger answers."""
        health = await service.ready()
        return _json(as_json({"status": "ready", "plan_id": plain(health.get("plan_id"))}))

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented(401, 403, 429, 500)},
        summary="Metrics for Prometheus",
        tags=["service"],
    )
    async def metrics() -> Response:
        """Of this process. Needs a key where there are keys."""
        text = await asyncio.to_thread(service.metrics.text)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return _json(as_json(app.openapi()))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(reference_page(app.openapi()), media_type="text/html")
