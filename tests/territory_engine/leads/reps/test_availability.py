"""Leave, first and last day and working hours: whether a rep is there, and from when."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from territory_engine.leads.reps.availability import (
    FOREVER,
    Calendar,
    iso_moment,
    moment_in_words,
    parse_day,
    parse_leave,
)
from territory_engine.leads.reps.working_hours import CellError, Shifts, WeeklyHours, parse_hours

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = WeeklyHours((0, 1, 2, 3, 4), parse_hours("09:00-17:00"))


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def calendar(leave: str = "", started: str = "", left: str = "", *, hours: WeeklyHours | None = OFFICE) -> Calendar:
    return Calendar(
        BERLIN,
        Shifts(BERLIN, hours) if hours is not None else None,
        parse_leave(leave) if leave else (),
        date.fromisoformat(started) if started else None,
        date.fromisoformat(left) if left else None,
    )


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("2026-12-24", [("2026-12-24", "2026-12-24")]),
        ("2026-12-01..2026-12-07; 2026-12-24", [("2026-12-01", "2026-12-07"), ("2026-12-24", "2026-12-24")]),
        ("2026-12-24, 2026-12-01 to 2026-12-07", [("2026-12-01", "2026-12-07"), ("2026-12-24", "2026-12-24")]),
        ("2026-12-24 00:00:00", [("2026-12-24", "2026-12-24")]),
        ("2026-12-01 .. 9999-12-31", [("2026-12-01", "2200-12-31")]),
    ],
)
def test_leave_is_read_as_people_write_it(text: str, spans: list[tuple[str, str]]) -> None:
    assert [(a.isoformat(), b.isoformat()) for a, b in parse_leave(text)] == spans


@pytest.mark.parametrize(
    "text", ["24.12.2026", "2026-02-30", "2026-12-07..2026-12-01", "2026-12-01..", "Christmas", "1..2..3"]
)
def test_leave_that_no_calendar_has_is_refused(text: str) -> None:
    with pytest.raises(CellError):
        parse_leave(text)


def test_a_day_in_another_order_is_refused_with_the_order() -> None:
    with pytest.raises(CellError) as caught:
        parse_day("12/24/2026")
    assert "year, month and day" in str(caught.value.remedy)


def test_leave_lasts_from_the_first_midnight_to_the_last_in_the_reps_own_zone() -> None:
    rep = calendar("2026-12-01..2026-12-07", hours=None)
    assert not rep.at(seconds("2026-11-30 22:59:59")).away
    assert rep.at(seconds("2026-11-30 23:00:00")).away
    assert rep.at(seconds("2026-12-07 22:59:59")).away
    assert not rep.at(seconds("2026-12-07 23:00:00")).away


def test_who_is_on_leave_is_back_at_work_on_the_first_working_day_after_it() -> None:
    present = calendar("2026-12-01..2026-12-04").at(seconds("2026-12-02 12:00"))
    assert present.away
    assert present.reason == "is on leave until 4 Dec 2026"
    assert iso_moment(present.until) == "2026-12-04T23:00:00Z"
    assert moment_in_words(present.at_work, BERLIN) == "Mon 7 Dec 2026 09:00 (Europe/Berlin)"


def test_leave_that_meets_leave_is_one() -> None:
    present = calendar("2026-12-05..2026-12-09;2026-12-01..2026-12-06;2026-12-10").at(seconds("2026-12-02 12:00"))
    assert present.reason == "is on leave until 10 Dec 2026"


def test_who_is_at_work_is_so_from_the_moment_itself() -> None:
    now = seconds("2026-11-30 12:34:56")
    assert calendar().at(now).at_work == now
    assert calendar(hours=None).at(now).at_work == now


def test_leave_that_begins_before_the_next_shift_puts_it_off() -> None:
    present = calendar("2026-11-30..2026-12-01").at(seconds("2026-11-29 12:00"))
    assert not present.away
    assert iso_moment(present.at_work) == "2026-12-02T08:00:00Z"


def test_who_has_not_started_is_away_until_the_first_day() -> None:
    present = calendar(started="2026-12-01").at(seconds("2026-11-29 12:00"))
    assert (present.away, present.reason) == (True, "starts on 1 Dec 2026")
    assert iso_moment(present.until) == "2026-11-30T23:00:00Z"
    assert not calendar(started="2026-12-01").at(seconds("2026-11-30 23:00")).away


def test_leave_from_the_first_day_on_puts_off_the_start() -> None:
    present = calendar("2026-12-01..2026-12-02", started="2026-12-01").at(seconds("2026-11-29 12:00"))
    assert iso_moment(present.until) == "2026-12-02T23:00:00Z"


def test_the_last_day_is_a_day_of_work_and_nothing_comes_after_it() -> None:
    rep = calendar(left="2026-11-30")
    assert not rep.at(seconds("2026-11-30 22:59")).away
    gone = rep.at(seconds("2026-11-30 23:00"))
    assert (gone.away, gone.until, gone.at_work) == (True, FOREVER, FOREVER)
    assert gone.reason == "left: the last day was 30 Nov 2026"


def test_who_is_on_leave_for_longer_than_a_year_is_at_work_at_no_known_moment() -> None:
    assert calendar("2026-11-01..2028-11-01").at(seconds("2026-11-29 12:00")).at_work == FOREVER


def test_leave_on_the_days_when_clocks_change_is_as_long_as_those_days() -> None:
    spring, autumn = calendar("2026-03-29", hours=None), calendar("2026-10-25", hours=None)
    assert iso_moment(spring.at(seconds("2026-03-29 12:00")).until) == "2026-03-29T22:00:00Z"
    assert iso_moment(autumn.at(seconds("2026-10-25 12:00")).until) == "2026-10-25T23:00:00Z"
