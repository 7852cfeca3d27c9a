"""Days, hours and time zones as people write them, and the moments they stand for when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from territory_engine.leads.reps.working_hours import (
    CellError,
    Shifts,
    WeeklyHours,
    instant,
    midnight,
    parse_days,
    parse_hours,
    zone_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
CHICAGO = ZoneInfo("America/Chicago")


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def shift_after(hours: WeeklyHours, zone: ZoneInfo, moment: str) -> tuple[str, str]:
    start, end = Shifts(zone, hours).following(seconds(moment))
    return tuple(datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%d %H:%M") for s in (start, end))  # type: ignore[return-value]  # two moments in, two out


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Mon-Fri", (0, 1, 2, 3, 4)),
        ("Mon,Tue,Thu", (0, 1, 3)),
        ("mon; WEDNESDAY", (0, 2)),
        ("Fri-Mon", (0, 4, 5, 6)),
        ("Sat–Sun", (5, 6)),
        ("Mo-We, Fr", (0, 1, 2, 4)),
    ],
)
def test_days_are_read_as_people_write_them(text: str, days: tuple[int, ...]) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize("text", ["Mon-Fry", "M", ",", "1-5", "Mon-Wed-Fri", "=cmd|x"])
def test_days_that_there_are_not_are_refused(text: str) -> None:
    with pytest.raises(CellError):
        parse_days(text)


def test_a_misspelt_day_is_answered_with_the_nearest() -> None:
    with pytest.raises(CellError) as caught:
        parse_days("Mon-Fridy")
    assert caught.value.remedy == "did you mean 'Fri'?"


@pytest.mark.parametrize(
    ("text", "shifts"),
    [
        ("09:00-17:30", ((540, 1050),)),
        ("9-12; 13:00–17", ((540, 720), (780, 1020))),
        ("13:00-17:00,09:00-12:00", ((540, 720), (780, 1020))),
        ("22:00-06:00", ((1320, 1800),)),
        ("00:00-24:00", ((0, 1440),)),
        ("18:00-00:00", ((1080, 1440),)),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, shifts: tuple[tuple[int, int], ...]) -> None:
    assert parse_hours(text) == shifts


@pytest.mark.parametrize(
    "text", ["9am-5pm", "09:00", "09:00-09:00", "25:00-26:00", "09:60-10:00", "09:00-12:00;11:00-13:00", "22:00-06:00;05:00-07:00", ";"]
)  # fmt: skip
def test_hours_that_no_day_has_are_refused(text: str) -> None:
    with pytest.raises(CellError):
        parse_hours(text)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("Europe/Berln", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin"), ("Chicago", "America/Chicago"), ("New York", "America/New_York")],
)  # fmt: skip
def test_an_unknown_time_zone_is_answered_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(CellError) as caught:
        zone_of(name)
    assert caught.value.remedy == f"did you mean {meant!r}?"


@pytest.mark.parametrize("name", ["Europe", "../../etc/passwd", "/etc/localtime", "=1+1", "UTC\x00", "+02:00"])
def test_what_is_no_time_zone_is_refused_whatever_it_may_be_on_disk(name: str) -> None:
    with pytest.raises(CellError):
        zone_of(name)


def test_a_night_shift_belongs_to_the_day_on_which_it_begins() -> None:
    friday_night = WeeklyHours((4,), parse_hours("22:00-06:00"))
    assert shift_after(friday_night, BERLIN, "2026-11-28 03:00") == ("2026-11-27 21:00", "2026-11-28 05:00")
    assert shift_after(friday_night, BERLIN, "2026-11-28 05:00") == ("2026-12-04 21:00", "2026-12-05 05:00")


def test_shifts_keep_to_the_clock_on_the_wall_when_it_changes() -> None:
    office = WeeklyHours((0, 4), parse_hours("09:00-17:00"))
    # Berlin: an hour less in UTC from Sunday 29 March 2026, an hour more from Sunday 25 October.
    assert shift_after(office, BERLIN, "2026-03-27 06:00")[0] == "2026-03-27 08:00"
    assert shift_after(office, BERLIN, "2026-03-28 06:00")[0] == "2026-03-30 07:00"
    assert shift_after(office, BERLIN, "2026-10-23 06:00")[0] == "2026-10-23 07:00"
    assert shift_after(office, BERLIN, "2026-10-24 06:00")[0] == "2026-10-26 08:00"
    # Chicago: 8 March and 1 November.
    assert shift_after(office, CHICAGO, "2026-03-07 12:00")[0] == "2026-03-09 14:00"
    assert shift_after(office, CHICAGO, "2026-10-31 12:00")[0] == "2026-11-02 15:00"


def test_a_night_shift_is_an_hour_shorter_in_spring_and_longer_in_autumn() -> None:
    nights = WeeklyHours((5,), parse_hours("22:00-06:00"))
    assert shift_after(nights, BERLIN, "2026-03-28 12:00") == ("2026-03-28 21:00", "2026-03-29 04:00")
    assert shift_after(nights, BERLIN, "2026-10-24 12:00") == ("2026-10-24 20:00", "2026-10-25 05:00")


def test_a_time_that_the_clock_skips_is_the_moment_of_the_change() -> None:
    early = WeeklyHours((6,), parse_hours("02:30-05:00"))
    assert shift_after(early, BERLIN, "2026-03-29 00:00") == ("2026-03-29 01:00", "2026-03-29 03:00")
    skipped = WeeklyHours((6,), parse_hours("02:10-02:50"))
    assert shift_after(skipped, BERLIN, "2026-03-29 00:00")[0] == "2026-04-05 00:10"


def test_of_a_time_that_the_clock_shows_twice_the_first_begins_and_the_second_ends_a_shift() -> None:
    around = WeeklyHours((6,), parse_hours("01:00-02:30"))
    assert shift_after(around, BERLIN, "2026-10-24 23:00") == ("2026-10-24 23:00", "2026-10-25 01:30")
    late = WeeklyHours((6,), parse_hours("02:30-05:00"))
    assert shift_after(late, BERLIN, "2026-10-25 00:00") == ("2026-10-25 00:30", "2026-10-25 04:00")


def test_a_day_begins_when_it_does_even_where_its_midnight_is_skipped() -> None:
    assert midnight(date(2026, 3, 29), BERLIN) == seconds("2026-03-28 23:00")
    # Beirut's clocks went from 24:00 on 28 March 2026 to 01:00.
    assert midnight(date(2026, 3, 29), ZoneInfo("Asia/Beirut")) == seconds("2026-03-28 22:00")


def on_the_clock(hours: WeeklyHours, zone: ZoneInfo, moment: int) -> bool:
    """Whether the clock on the wall shows a time within a shift: true of every shift but for the days of change."""
    local = datetime.fromtimestamp(moment, zone).replace(tzinfo=None)
    for back in (0, 1):
        day = local.date() - timedelta(days=back)
        minutes = (local - datetime(day.year, day.month, day.day)) / timedelta(minutes=1)  # noqa: DTZ001  # both without a zone
        if day.weekday() in hours.days and any(start <= minutes < end for start, end in hours.shifts):
            return True
    return False


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "America/Chicago", "Asia/Kolkata", "UTC", "Australia/Lord_Howe", "Asia/Beirut"]),
    st.sets(st.integers(0, 6), min_size=1),
    st.sampled_from(
        ["09:00-17:30", "22:00-06:00", "00:00-24:00", "09:00-12:00;13:00-17:00", "20:00-04:00;05:00-08:00"]
    ),
    st.integers(seconds("2026-01-01 00:00") // 60, seconds("2027-12-31 00:00") // 60),
)
def test_somebody_is_at_work_exactly_when_the_clock_says_so(zone: str, days: set[int], hours: str, minute: int) -> None:
    week, here, moment = WeeklyHours(tuple(sorted(days)), parse_hours(hours)), ZoneInfo(zone), minute * 60
    start, end = Shifts(here, week).following(moment)
    assert start < end
    assert end > moment
    offsets = {datetime.fromtimestamp(moment + h * 3600, here).utcoffset() for h in range(-30, 31, 6)}
    if len(offsets) == 1:
        assert (start <= moment) == on_the_clock(week, here, moment)
        if start > moment:
            probes = range(moment, start, max(60, (start - moment) // 50 // 60 * 60))
            assert not any(on_the_clock(week, here, probe) for probe in probes)


@given(st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "Asia/Beirut"]), st.integers(0, 525_600), st.booleans())
def test_a_moment_shows_its_time_on_the_wall_or_is_that_of_the_change(zone: str, minute: int, last: bool) -> None:
    here = ZoneInfo(zone)
    local = datetime(2026, 1, 1) + timedelta(minutes=minute)  # noqa: DTZ001  # wall-clock time
    found = instant(local, here, last=last)
    shown = datetime.fromtimestamp(found, here).replace(tzinfo=None)
    before = datetime.fromtimestamp(found - 1, here).replace(tzinfo=None)
    assert shown == local or before < local < shown
