"""When a rep works in an ordinary week: days and hours as people write them, and the moments they stand for.

Hours are wall-clock time in the rep's own zone. On the two days a year when clocks change, a shift lasts from the first
moment at which the clock has reached its start until the last at which it has not passed its end: a time that the clock
skips is the moment of the change, and of a time that it shows twice the first begins and the second ends.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTES_A_DAY = 24 * 60
SECONDS_A_DAY = 24 * 3600

_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK_DAYS = 14
_MOST_CHUNKS = 64


class CellError(ValueError):
    """A cell that cannot be read.

    Attributes
    ----------
    what, allowed, remedy : str or None
        As in :class:`~territory_engine.errors.Finding`.
    """

    def __init__(self, what: str, allowed: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what, self.allowed, self.remedy = what, allowed, remedy


@dataclass(frozen=True)
class WeeklyHours:
    """Shifts of a week.

    Attributes
    ----------
    days : tuple of int
        Days on which shifts begin, 0 for Monday; ascending.
    shifts : tuple of (int, int)
        Minutes from the day's midnight; an end beyond 1440 is on the next day. Ascending, and without overlap.
    """

    days: tuple[int, ...]
    shifts: tuple[tuple[int, int], ...]


ALL_DAY = ((0, MINUTES_A_DAY),)
MONDAY_TO_FRIDAY = (0, 1, 2, 3, 4)
EVERY_DAY = tuple(range(7))


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises
    ------
    CellError
        There is no such zone; with the nearest name that there is.
    """
    names = _zone_names()
    if name in names:
        return ZoneInfo(name)
    lower = {n.lower(): n for n in names}
    near = difflib.get_close_matches(name.replace(" ", "_").lower(), lower, n=1, cutoff=0.6)
    by_city = [n for n in sorted(names) if n.rpartition("/")[2].lower() == name.strip().replace(" ", "_").lower()]
    meant = by_city[0] if by_city else lower[near[0]] if near else None
    remedy = f"did you mean {meant!r}?" if meant else "write the zone's city, not its abbreviation or offset"
    raise CellError("is not a time zone", "an IANA name such as Europe/Berlin or America/Chicago", remedy)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


_DAYS_ALLOWED = "days such as Mon-Fri, or Mon,Tue,Thu"


def parse_days(text: str) -> tuple[int, ...]:
    """Return the days that ``"Mon-Fri"`` or ``"Mon, Tue; Thu"`` names, 0 for Monday, ascending.

    Raises
    ------
    CellError
    """
    found: set[int] = set()
    for part in re.split(r"[,;]", text):
        if not part.strip():
            continue
        ends = [_day(end) for end in re.split(r"\s*[-–]\s*", part.strip())]
        if len(ends) > 2:
            raise CellError(f"has a range of days with {len(ends)} ends: {part.strip()!r}", _DAYS_ALLOWED)
        first, last = ends[0], ends[-1]
        found |= {(first + k) % 7 for k in range((last - first) % 7 + 1)}
    if not found:
        raise CellError("names no day", _DAYS_ALLOWED)
    return tuple(sorted(found))


def _day(word: str) -> int:
    lower = word.strip().rstrip(".").lower()
    if len(lower) >= 2:
        for number, name in enumerate(_LONG_DAYS):
            if name.startswith(lower):
                return number
    near = difflib.get_close_matches(lower, [*_LONG_DAYS, *(d.lower() for d in DAYS)], n=1)
    remedy = f"did you mean {near[0][:3].capitalize()!r}?" if near else None
    raise CellError(f"names a day that there is not: {word.strip()!r}", _DAYS_ALLOWED, remedy)


_HOURS_ALLOWED = "hours such as 09:00-17:30, or several: 09:00-12:00;13:00-17:00"
_SHIFT = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*[-–]\s*(\d{1,2})(?::(\d{2}))?")


def parse_hours(text: str) -> tuple[tuple[int, int], ...]:
    """Return shifts in minutes from midnight: ``"22:00-06:00"`` → ``((1320, 1800),)``, which ends on the next day.

    Raises
    ------
    CellError
    """
    shifts: list[tuple[int, int]] = []
    for part in re.split(r"[,;]", text):
        if not part.strip():
            continue
        match = _SHIFT.fullmatch(part.strip())
        if match is None:
            raise CellError(f"is not hours of a day: {part.strip()!r}", _HOURS_ALLOWED, _hint(part.strip()))
        hour, minute, end_hour, end_minute = (int(g or 0) for g in match.groups())
        start, end = hour * 60 + minute, end_hour * 60 + end_minute
        if max(minute, end_minute) > 59 or start >= MINUTES_A_DAY or end > MINUTES_A_DAY:
            raise CellError(f"is no time of a day: {part.strip()!r}", "times from 00:00 to 24:00")
        if start == end:
            raise CellError(f"has a shift without length: {part.strip()!r}", _HOURS_ALLOWED,
                            "write 00:00-24:00 for a whole day")  # fmt: skip
        shifts.append((start, end if end > start else end + MINUTES_A_DAY))
    if not shifts:
        raise CellError("names no hours", _HOURS_ALLOWED)
    shifts.sort()
    around = [*shifts[1:], (shifts[0][0] + MINUTES_A_DAY, 0)]
    for (start, end), (following, _) in zip(shifts, around, strict=True):
        if following < end:
            raise CellError(f"has shifts that overlap: {_clock(start)}-{_clock(end)} and the one from {_clock(following)}",
                            _HOURS_ALLOWED, "join them into one")  # fmt: skip
    return tuple(shifts)


def _hint(part: str) -> str | None:
    return "write hours as a 24-hour clock shows them" if re.search(r"[ap]\.?m", part.lower()) else None


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def instant(local: datetime, zone: ZoneInfo, *, last: bool = False) -> int:
    """Return the UTC moment, in seconds since 1970, of a wall-clock time.

    Parameters
    ----------
    local : datetime
        Without a zone.
    zone : ZoneInfo
    last : bool
        Of a time that the clock shows twice, the second instead of the first. A time that the clock skips is the moment
        of the change.
    """
    aware = local.replace(tzinfo=zone, fold=int(last))
    seconds = _seconds(aware)
    back = datetime.fromtimestamp(seconds, zone)
    if back.replace(tzinfo=None) == local:
        return seconds
    # Skipped: with the offset before the change it lies after the change, with the offset after it before.
    after, before = _seconds(local.replace(tzinfo=zone, fold=0)), _seconds(local.replace(tzinfo=zone, fold=1))
    low, high = min(before, after), max(before, after)
    offset = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def midnight(day: date, zone: ZoneInfo) -> int:
    """Return the UTC moment, in seconds since 1970, at which a day begins in a zone."""
    return instant(datetime(day.year, day.month, day.day), zone)  # noqa: DTZ001  # wall-clock time, put into its zone there


def _seconds(aware: datetime) -> int:
    return int((aware - _EPOCH) // timedelta(seconds=1))


@dataclass(eq=False)
class Shifts:
    """A week's hours in a zone, as moments: found for two weeks at a time and remembered."""

    zone: ZoneInfo
    hours: WeeklyHours
    _known: dict[int, tuple[list[int], list[int]]] = field(default_factory=dict)

    def following(self, moment: int) -> tuple[int, int]:
        """Return the shift that is on at a moment, or the next one, as seconds since 1970: start and end."""
        chunk = moment // (SECONDS_A_DAY * _CHUNK_DAYS)
        while True:
            starts, ends = self._chunk(chunk)
            position = bisect_right(ends, moment)
            if position < len(ends):
                return starts[position], ends[position]
            chunk += 1

    def _chunk(self, number: int) -> tuple[list[int], list[int]]:
        known = self._known.get(number)
        if known is None:
            if len(self._known) >= _MOST_CHUNKS:
                self._known.clear()
            known = self._known[number] = self._found(number)
        return known

    def _found(self, number: int) -> tuple[list[int], list[int]]:
        first = date(1970, 1, 1) + timedelta(days=number * _CHUNK_DAYS)
        starts: list[int] = []
        ends: list[int] = []
        for start, end in self._of_days(first - timedelta(days=3), _CHUNK_DAYS + 6):
            if starts and start <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)
        return starts, ends

    def _of_days(self, first: date, n_days: int) -> Iterator[tuple[int, int]]:
        for offset in range(n_days):
            day = first + timedelta(days=offset)
            if day.weekday() not in self.hours.days:
                continue
            start_of_day = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # wall-clock time, put into its zone below
            for start, end in self.hours.shifts:
                begins = instant(start_of_day + timedelta(minutes=start), self.zone)
                stops = instant(start_of_day + timedelta(minutes=end), self.zone, last=True)
                if stops > begins:
                    yield begins, stops
