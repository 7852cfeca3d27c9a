"""Outcomes as records: what is accepted, and what is told of the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from territory_engine.errors import InputError
from territory_engine.leads.told_outcomes import outcomes_of_records

SERVICE_JSON = '{"outcomes": [{"outcome_id": "O-771", "lead_id": "L-17", "kind": "won", "at": "2026-12-04T10:00:00Z", "value": 11500}]}'
WON: dict[str, Any] = json.loads(SERVICE_JSON)["outcomes"][0]


@pytest.mark.parametrize(
    "at",
    [
        "2026-12-04T10:00:00Z",
        "2026-12-04T11:00:00+01:00",
        datetime(2026, 12, 4, 10, tzinfo=UTC),
        datetime(2026, 12, 4, 4, tzinfo=timezone(timedelta(hours=-6))),
        pd.Timestamp("2026-12-04 10:00", tz="UTC"),
    ],
)
def test_a_moment_may_be_text_or_a_datetime(at: Any) -> None:
    (outcome,) = outcomes_of_records([{**WON, "at": at}]).outcomes
    assert (type(outcome.at), outcome.at) == (datetime, datetime(2026, 12, 4, 10, tzinfo=UTC))
    assert outcome.value == 11500


@pytest.mark.parametrize(
    ("change", "column", "what"),
    [
        ({"at": "2026-12-04T10:00:00"}, "at", "has no time zone"),
        ({"at": datetime(2026, 12, 4)}, "at", "has no time zone"),  # noqa: DTZ001  # what is tested
        ({"at": "soon"}, "at", "is not a moment in ISO 8601"),
        ({"at": 17}, "at", "is not a moment"),
        ({"at": pd.NaT}, "at", "is not a moment"),
        ({"at": "0001-01-01T00:00:00+05:00"}, "at", "is out of the calendar"),
        ({"at": None}, "at", "is missing"),
        ({"lead_id": 17}, "lead_id", "is not text"),
        ({"kind": "sold"}, "kind", "is no kind of outcome"),
        ({"value": "11500"}, "value", "is not a number"),
        ({"value": True}, "value", "is not a number"),
        ({"value": float("nan")}, "value", "is not a finite number"),
        ({"note": "signed"}, "note", "is not a mapping with text as names"),
        ({"amount": 3}, "amount", "is not a field of an outcome"),
    ],
)
def test_what_is_wrong_is_told_by_outcome_and_field(change: dict[str, Any], column: str, what: str) -> None:
    told = outcomes_of_records([WON, {**WON, "outcome_id": "O-2", **change}])
    assert [(f.file, f.column, f.what) for f in told.findings] == [("outcomes[1]", column, what)]
    assert len(told.outcomes) == 1


def test_numbers_of_numpy_are_numbers() -> None:
    (outcome,) = outcomes_of_records([{**WON, "value": np.float64(2.5)}]).outcomes
    assert outcome.value == 2.5


def test_a_body_instead_of_its_list_is_refused() -> None:
    with pytest.raises(InputError, match="is not a list of outcomes"):
        outcomes_of_records(json.loads(SERVICE_JSON))
    assert outcomes_of_records(["x"]).findings[0].what == "is not a mapping with fields"  # type: ignore[list-item]  # what is tested
