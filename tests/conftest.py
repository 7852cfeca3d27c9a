"""What holds for every test: which skips may not be skips, and that property tests repeat.

A test that needs a real component fails where that component was promised: ``TERRITORY_ENGINE_REQUIRE`` lists the
promised components, comma-separated (``.ci/run`` sets it to what it installed).

Property tests draw the same examples every time, so that a run of the suite says something about the change under test
and nothing about luck; ``make fuzz`` draws new ones (``TERRITORY_ENGINE_FUZZ``), which is how new faults are found.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

# No test measures time: a busy machine is no fault of the code.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", _PATIENT, derandomize=True)
settings.register_profile("fuzz", _PATIENT, print_blob=True)
settings.load_profile("fuzz" if os.environ.get("TERRITORY_ENGINE_FUZZ") else "repeatable")

COMPONENT_OF_MARKER = {"browser": "chromium", "postgresql": "postgresql"}


def promised_components() -> set[str]:
    return {name.strip() for name in os.environ.get("TERRITORY_ENGINE_REQUIRE", "").split(",") if name.strip()}


def pytest_configure() -> None:
    unknown = promised_components() - set(COMPONENT_OF_MARKER.values())
    if unknown:
        known = ", ".join(sorted(COMPONENT_OF_MARKER.values()))
        raise pytest.UsageError(f"TERRITORY_ENGINE_REQUIRE names {sorted(unknown)}; known components: {known}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        needed = {component for marker, component in COMPONENT_OF_MARKER.items() if item.get_closest_marker(marker)}
        missing = needed & promised_components()
        if missing:
            report.outcome = "failed"
            report.longrepr = f"skipped, although {', '.join(sorted(missing))} was promised: {report.longrepr}"
    return report


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """Yield the address of a new, empty database of its own on the server that listens on the usual port."""
    try:
        socket.create_connection(("127.0.0.1", 5432), timeout=2).close()
    except OSError:
        pytest.skip("no PostgreSQL listens on 127.0.0.1:5432")
    import psycopg

    name = f"territory_engine_{os.getpid()}_{uuid.uuid4().hex[:12]}"
    server = "postgresql://postgres@127.0.0.1:5432/test"
    try:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
    except psycopg.OperationalError as error:
        pytest.skip(f"the PostgreSQL on 127.0.0.1:5432 does not let us in: {error}")
    yield f"postgresql+psycopg://postgres@127.0.0.1:5432/{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
