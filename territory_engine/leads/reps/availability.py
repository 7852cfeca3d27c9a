"""Whether a rep is there: leave, first and last day, and working hours, at any moment."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from territory_engine.leads.reps.working_hours import SECONDS_A_DAY, CellError, Shifts, midnight

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

FOREVER = 2**62
"""Seconds since 1970 of a moment that never comes."""

A_YEAR = 366 * SECONDS_A_DAY

Leave = tuple[tuple[date, date], ...]

_EARLIEST, _LATEST = date(1900, 1, 1), date(2200, 12, 31)

_LEAVE_ALLOWED = "dates such as 2026-12-24, or first and last day: 2026-12-01..2026-12-07; several with ; between them"


def parse_day(text: str) -> date:
    """Return the day of an ISO date; a time of midnight, as spreadsheets add, does no harm.

    Raises
    ------
    CellError
    """
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:[ T]00:00(?::00(?:\.0+)?)?)?", text.strip())
    try:
        if match is not None:
            # Databases write 9999-12-31 for "never": days beyond reckoning are as good as any far one.
            return min(max(date(*map(int, match.groups())), _EARLIEST), _LATEST)
    except ValueError:
        raise CellError(
            f"names a day that the calendar does not have: {text.strip()!r}", "a day of the calendar"
        ) from None
    raise CellError("is not a date", "a date such as 2026-07-01", "write year, month and day, in this order")


def parse_leave(text: str) -> Leave:
    """Return first and last days of ``"2026-12-01..2026-12-07; 2026-12-24"``, in order of time.

    Raises
    ------
    CellError
    """
    spans = []
    for part in re.split(r"[;,]", text):
        if not part.strip():
            continue
        ends = re.split(r"\s*(?:\.\.+|…|\bto\b|/)\s*", part.strip())
        if len(ends) > 2 or not all(ends):
            raise CellError(f"is not a time of leave: {part.strip()!r}", _LEAVE_ALLOWED)
        try:
            first, last = parse_day(ends[0]), parse_day(ends[-1])
        except CellError as error:
            what = error.what if "names" in error.what else f"is not a time of leave: {part.strip()!r}"
            raise CellError(what, _LEAVE_ALLOWED, error.remedy) from None
        if last < first:
            raise CellError(
                f"has leave that ends before it begins: {part.strip()!r}", _LEAVE_ALLOWED, "exchange the two days"
            )
        spans.append((first, last))
    return tuple(sorted(spans))


@dataclass(frozen=True)
class Presence:
    """How things stand with a rep at a moment.

    Attributes
    ----------
    away : bool
        On leave, not started yet, or left.
    until : int
        Seconds since 1970 when that ends: the moment itself where not away, :data:`FOREVER` where it never does.
    reason : str
        What the rep does instead, for people: ``"is on leave until 7 Dec 2026"``; ``""`` where not away.
    at_work : int
        Seconds since 1970 from which the rep is at work; :data:`FOREVER` where not within a year.
    """

    away: bool
    until: int
    reason: str
    at_work: int


class Calendar:
    """When a rep is there.

    Parameters
    ----------
    zone : ZoneInfo
    shifts : Shifts or None
        None: at work at any time.
    leave : tuple of (date, date)
        First and last days, in order of time.
    started_on, left_on : date or None
        First and last day.
    """

    def __init__(
        self, zone: ZoneInfo, shifts: Shifts | None, leave: Leave, started_on: date | None, left_on: date | None
    ) -> None:
        self.zone, self.shifts = zone, shifts
        spans: list[tuple[int, int, str]] = []
        for first, last in leave:
            start, end = midnight(first, zone), midnight(last + timedelta(days=1), zone)
            if spans and start <= spans[-1][1]:
                start, end = spans[-1][0], max(spans[-1][1], end)
                spans.pop()
            spans.append((start, end, ""))
        if started_on is not None:
            begin = midnight(started_on, zone)
            spans = [span for span in spans if span[1] > begin]
            # Leave from the first day on is one absence with the time before it.
            end = spans.pop(0)[1] if spans and spans[0][0] <= begin else begin
            spans.insert(0, (-FOREVER, end, f"starts on {day_in_words(started_on)}"))
        if left_on is not None:
            end = midnight(left_on + timedelta(days=1), zone)
            spans = [span for span in spans if span[0] < end]
            begin = spans.pop()[0] if spans and spans[-1][1] >= end else end
            spans.append((begin, FOREVER, f"left: the last day was {day_in_words(left_on)}"))
        self._starts = [span[0] for span in spans]
        self._spans = spans

    def at(self, moment: int) -> Presence:
        """Return how things stand at a moment, in seconds since 1970."""
        span = self._absence(moment)
        at_work = self._at_work(moment)
        if span is None:
            return Presence(False, moment, "", at_work)
        reason = span[2]
        if not reason:
            last = datetime.fromtimestamp(span[1], self.zone).date() - timedelta(days=1)
            reason = f"is on leave until {day_in_words(last)}"
        return Presence(True, span[1], reason, at_work)

    def takes_leads_from(self, moment: int, within_s: int | None) -> int:
        """Return when the rep first is there from a moment on, and at work soon enough; :data:`FOREVER` where not known.

        Parameters
        ----------
        moment : int
            Seconds since 1970.
        within_s : int or None
            Seconds within which a lead is to be answered; None: any time.
        """
        now, last = moment, moment + A_YEAR
        while now <= last:
            span = self._absence(now)
            if span is not None:
                now = span[1]
                continue
            at_work = now if within_s is None else self._at_work(now)
            if at_work >= FOREVER:
                break
            if within_s is None or at_work - within_s <= now:
                return now
            now = at_work - within_s
        return now if within_s is None and now < FOREVER else FOREVER

    def _absence(self, moment: int) -> tuple[int, int, str] | None:
        position = bisect_right(self._starts, moment) - 1
        if position >= 0 and moment < self._spans[position][1]:
            return self._spans[position]
        return None

    def _at_work(self, moment: int) -> int:
        last = moment + A_YEAR
        now = moment
        while now <= last:
            span = self._absence(now)
            if span is not None:
                now = span[1]
                continue
            if self.shifts is None:
                return now
            start, _ = self.shifts.following(now)
            if start <= now:
                return now
            now = start
        return FOREVER


def day_in_words(day: date) -> str:
    """Return a day for people: ``"7 Dec 2026"``."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def moment_in_words(seconds: int, zone: ZoneInfo) -> str:
    """Return a moment as a rep's own clock shows it: ``"Mon 30 Nov 2026 09:00 (Europe/Berlin)"``."""
    local = datetime.fromtimestamp(seconds, zone)
    return f"{_WEEKDAYS[local.weekday()]} {day_in_words(local.date())} {local:%H:%M} ({zone.key})"


def late_in_words(at_work: int | None, zone: ZoneInfo, within_h: float) -> str:
    """Say why somebody is at work too late: from when on (None: not within a year), and how soon it would have to be."""
    wanted = f"a lead is to be answered within {within_h:g} h"
    if at_work is None:
        return f"is not at work within a year; {wanted}"
    return f"is next at work {moment_in_words(at_work, zone)}; {wanted}"


def iso_moment(seconds: int) -> str:
    """Return a UTC moment as ISO 8601 writes it: ``"2026-11-30T08:00:00Z"``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Not by strftime: its names depend on the machine's language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
