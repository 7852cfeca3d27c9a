"""Skips that may not be skips: a test that needs a real component fails where that component was promised.

``TERRITORY_ENGINE_REQUIRE`` lists the promised components, comma-separated (``.ci/run`` sets it to what it installed).
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

COMPONENT_OF_MARKER = {"browser": "chromium"}


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
