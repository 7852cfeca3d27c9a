"""A small plan for the tests of the audit of batches."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.territory_engine.auditing.routed.ledgers import make_plan


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plan(tmp_path_factory.mktemp("planned"))
