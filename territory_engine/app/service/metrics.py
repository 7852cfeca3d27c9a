"""What Prometheus sees of one process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from territory_engine import __version__

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
_LEADS = (1, 10, 100, 1_000, 10_000, 100_000)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ServiceMetrics:
    """Counters of one service, in a registry of their own.

    Labels have few values by construction: routes are templates, and nothing that a client writes becomes a label.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        prefix = "territory_engine"
        self.requests = Counter(
            f"{prefix}_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            f"{prefix}_request_seconds",
            "Seconds from the request's head to the end of the answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(f"{prefix}_requests_in_flight", "Requests under way.", registry=self.registry)
        self.waiting = Gauge(f"{prefix}_batches_in_flight", "Batches being routed or waiting.", registry=self.registry)
        self.batch_leads = Histogram(
            f"{prefix}_batch_leads", "Leads in a routed batch.", buckets=_LEADS, registry=self.registry
        )
        self.leads = Counter(f"{prefix}_leads", "Routed leads by how they ended.", ["status"], registry=self.registry)
        self.repeated = Counter(
            f"{prefix}_batches_repeated", "Batches answered from the ledger.", registry=self.registry
        )
        self.ledger_errors = Counter(f"{prefix}_ledger_errors", "Times the ledger failed.", registry=self.registry)
        self.refused = Counter(
            f"{prefix}_refused_requests", "Requests refused, by the error's code.", ["code"], registry=self.registry
        )
        build = Gauge(f"{prefix}_build_info", "Always 1.", ["version"], registry=self.registry)
        build.labels(__version__).set(1)
        for status in ("assigned", "queued", "rejected"):
            self.leads.labels(status)

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self.registry)
