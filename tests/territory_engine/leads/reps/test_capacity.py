"""Capacity: what is left of each limit, and when there is more, in the rep's own day and week."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from territory_engine.leads.batch import Refusal
from territory_engine.leads.reps.capacity import UNLIMITED, capacity_refusal, remaining_capacity, room_from
from territory_engine.ledger.records import COUNTER_COLUMNS
from tests.territory_engine.leads.choice_cases import roster_of


def counters(**of_rep: dict[str, Any]) -> pd.DataFrame:
    nothing = {
        "level": 0, "worth_level": 0, "open_leads": 0, "day": "", "day_leads": 0, "week": "", "week_leads": 0,
        "away": False, "last_turn": 0,
    }  # fmt: skip
    rows = {rep: nothing | told for rep, told in of_rep.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(COUNTER_COLUMNS)).rename_axis("rep_id")


def test_the_tightest_limit_counts() -> None:
    reps = roster_of([{"open_leads": 10, "per_day": 3, "per_week": 8}, {"open_leads": 2}, {}])
    had = counters(
        R0={"open_leads": 4, "day": "2026-11-29", "day_leads": 1, "week": "2026-W48", "week_leads": 7},
        R1={"open_leads": 5},
    )
    assert remaining_capacity(reps, had).tolist() == [1, 0, UNLIMITED]


def test_who_has_had_nothing_needs_no_counters() -> None:
    assert remaining_capacity(roster_of([{"per_day": 3}]), counters()).tolist() == [3]


@pytest.mark.parametrize(
    ("day", "week", "left"),
    [
        ("2026-11-29", "2026-W48", 0),
        ("2026-11-28", "2026-W48", 3),  # a new day
        ("2026-11-22", "2026-W47", 5),  # a new week
        ("2026-11-30", "2026-W49", 0),  # a stream routed again, or a rep who moved west: nothing is had twice
    ],
)
def test_counts_of_a_day_or_week_that_is_over_do_not_count(day: str, week: str, left: int) -> None:
    reps = roster_of([{"per_day": 5, "per_week": 9}])
    had = counters(R0={"day": day, "day_leads": 5, "week": week, "week_leads": 6})
    assert remaining_capacity(reps, had).tolist() == [left]


def test_the_week_turns_with_the_year() -> None:
    reps = roster_of([{"per_week": 5, "local_day": "2027-01-04", "local_week": "2027-W01"}])
    assert remaining_capacity(reps, counters(R0={"week": "2026-W53", "week_leads": 5})).tolist() == [5]


def test_a_full_rep_is_told_with_the_moment_of_more() -> None:
    reps = roster_of([{"open_leads": 9, "per_day": 3, "per_week": 8, "time_zone": "America/Chicago"}])
    full_day = {"day": "2026-11-29", "day_leads": 3}
    full_week = {"week": "2026-W48", "week_leads": 8}
    assert capacity_refusal(reps, counters(), 0) is None
    assert capacity_refusal(reps, counters(R0=full_day), 0) == Refusal(
        "per_day",
        "has had 3 leads today of at most 3; more from Mon 30 Nov 2026 00:00 (America/Chicago)",
        "2026-11-30T06:00:00Z",
    )
    reps.local_day[0] = "2026-11-25"
    assert capacity_refusal(reps, counters(R0=full_day | full_week), 0) == Refusal(
        "per_week",
        "has had 8 leads this week of at most 8; more from Mon 30 Nov 2026 00:00 (America/Chicago)",
        "2026-11-30T06:00:00Z",
    )
    assert capacity_refusal(reps, counters(R0=full_day | full_week | {"open_leads": 9}), 0) == Refusal(
        "open_leads", "has 9 open leads of at most 9"
    )


def test_a_day_ends_at_the_reps_midnight_on_the_days_of_23_and_25_hours_too() -> None:
    for day, until in (
        ("2026-03-28", "2026-03-28T23:00:00Z"),
        ("2026-03-29", "2026-03-29T22:00:00Z"),
        ("2026-10-25", "2026-10-25T23:00:00Z"),
    ):
        reps = roster_of([{"per_day": 1, "time_zone": "Europe/Berlin", "local_day": day}])
        refusal = capacity_refusal(reps, counters(R0={"day": day, "day_leads": 1}), 0)
        assert refusal is not None
        assert refusal.until == until


def test_room_comes_with_the_day_or_the_week_and_from_open_leads_nobody_knows_when() -> None:
    limits = {"open_leads": 9, "per_day": 3, "per_week": 8, "local_day": "2026-11-25"}
    reps = roster_of([limits, limits, limits, limits, {**limits, "per_day": 0}])
    full_day, full_week = {"day": "2026-11-25", "day_leads": 3}, {"week": "2026-W48", "week_leads": 8}
    had = counters(R1=full_day, R2=full_day | full_week, R3=full_day | {"open_leads": 9})
    shown = [str(moment) for moment in room_from(reps, had)]
    assert shown == ["1970-01-01T00:00:00", "2026-11-26T00:00:00", "2026-11-30T00:00:00", "NaT", "NaT"]


LIMIT = st.sampled_from([0.0, 1.0, 4.0, math.inf])
DAYS = st.sampled_from(["", "2026-11-28", "2026-11-29"])


@given(LIMIT, LIMIT, LIMIT, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), DAYS)
def test_who_has_room_has_no_refusal_and_who_has_none_has_one(
    opened: float, per_day: float, per_week: float, a: int, b: int, c: int, day: str
) -> None:
    reps = roster_of([{"open_leads": opened, "per_day": per_day, "per_week": per_week}])
    had = counters(R0={"open_leads": a, "day": day, "day_leads": b, "week": "2026-W48", "week_leads": c})
    left = remaining_capacity(reps, had)[0]
    room = [opened - a, per_day - (b if day == "2026-11-29" else 0), per_week - c]
    assert left == min(UNLIMITED, max(0, min(room)))
    assert (capacity_refusal(reps, had, 0) is None) == (left > 0)
    assert (str(room_from(reps, had)[0]).startswith("1970")) == (left > 0)
