"""When a replay routes: every day or week at an hour of the clock, every so many hours, or as each lead comes in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.errors import Finding, InputError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

FEWEST_HOURS, MOST_HOURS = 0.25, 24.0 * 366
MOST_MOMENTS = 1_000_000
"""A stream from 1970 to today, four times an hour, has more."""


@dataclass(frozen=True)
class Schedule:
    """When batches are routed.

    Attributes
    ----------
    every : str or float
        ``"day"``, ``"week"`` (Mondays), ``"lead"``, or a number of hours.
    clock : time
        Of the day at which a day's or week's batch is routed, or the first one where ``every`` is a number of hours.
    zone : ZoneInfo
        Whose clock that is; days stay days where clocks change.
    """

    every: str | float
    clock: time
    zone: ZoneInfo

    def moments(self, created: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
        """Return when batches are routed, from the first that has a lead to the first that has the last one.

        Parameters
        ----------
        created : ndarray of datetime64[us], shape (n_leads,)
            UTC, ascending, at least one, none NaT.

        Returns
        -------
        ndarray of datetime64[us]
            UTC, ascending.

        Raises
        ------
        InputError
            There would be more than a million.
        """
        if self.every == "lead":
            return np.unique(created)
        first, last = moment_of(created[0]), moment_of(created[-1])
        if isinstance(self.every, str):
            found = self._at_the_clock(first, last)
        else:
            step = np.timedelta64(round(self.every * 3_600_000_000), "us")
            start = _as_utc(self._clock_of(first.astimezone(self.zone).date()))
            if start > created[0]:
                start = start - step * int(np.ceil((start - created[0]) / step))
            number = int(np.ceil((created[-1] - start) / step)) + 1
            if number > MOST_MOMENTS:
                raise _too_many(self.every, first, last)
            found = start + step * np.arange(number)
        begin = int(np.searchsorted(found, created[0]))
        end = int(np.searchsorted(found, created[-1]))
        return found[begin : end + 1]

    def words(self) -> str:
        """Return the schedule for people: ``"every day at 09:00 (America/Chicago)"``."""
        if self.every == "lead":
            return "as each lead comes in"
        when = f"{self.clock:%H:%M} ({self.zone.key})"
        if self.every == "day":
            return f"every day at {when}"
        if self.every == "week":
            return f"every Monday at {when}"
        return f"every {self.every:g} h from {when}"

    def _clock_of(self, day: date) -> datetime:
        return datetime.combine(day, self.clock, self.zone)

    def _at_the_clock(self, first: datetime, last: datetime) -> NDArray[np.datetime64]:
        days = 7 if self.every == "week" else 1
        day = first.astimezone(self.zone).date()
        day -= timedelta(days=day.weekday() if days == 7 else 0)
        number = (last.astimezone(self.zone).date() - day).days // days + 2
        return np.array([_as_utc(self._clock_of(day + timedelta(days=days * k))) for k in range(number)])


def parse_every(text: str | float) -> str | float:
    """Return how often a replay routes: ``"day"``, ``"week"``, ``"lead"``, or a number of hours.

    Raises
    ------
    InputError
    """
    if isinstance(text, str) and text.strip().lower() in ("day", "week", "lead"):
        return text.strip().lower()
    try:
        hours = float(text)
    except ValueError:
        hours = float("nan")
    if not FEWEST_HOURS <= hours <= MOST_HOURS:
        allowed = f"day, week, lead, or a number of hours from {FEWEST_HOURS:g} to {MOST_HOURS:,.0f}"
        raise InputError(
            Finding("is not how often leads can be routed", column="every", value=str(text), allowed=allowed)
        )
    return hours


def parse_clock(text: str) -> time:
    """Return a time of day written as ``09:00``.

    Raises
    ------
    InputError
    """
    try:
        return datetime.strptime(text.strip(), "%H:%M").time()  # noqa: DTZ007  # a time of day has no zone
    except ValueError:
        allowed = "hours and minutes, 00:00 to 23:59"
        raise InputError(Finding("is no time of day", column="at", value=text, allowed=allowed)) from None


def moment_of(value: Any) -> datetime:
    """Return a UTC moment of NumPy's as Python's."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(value.astype("datetime64[us]").astype(np.int64)))


def _as_utc(moment: datetime) -> Any:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def _too_many(every: str | float, first: datetime, last: datetime) -> InputError:
    span = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    what = f"would route more than {MOST_MOMENTS:,} batches: the leads were created from {span}"
    remedy = "route less often, or correct the dates that are far from the others"
    return InputError(Finding(what, column="every", value=str(every), remedy=remedy))
