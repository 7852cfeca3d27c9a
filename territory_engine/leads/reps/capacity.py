"""How many more leads each rep may take: open leads, leads a day and leads a week, in the rep's own day and week."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.grammar import counted
from territory_engine.leads.batch import Refusal
from territory_engine.leads.reps.availability import iso_moment, moment_in_words
from territory_engine.leads.reps.working_hours import midnight, zone_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from territory_engine.leads.batch import Roster

UNLIMITED = 2**31 - 1
"""Remaining capacity of a rep without limits."""

_NUMBERS = ("open_leads", "day_leads", "week_leads")


def remaining_capacity(roster: Roster, counters: pd.DataFrame) -> NDArray[np.int64]:
    """Return how many more leads each rep may take now, shape ``(n_reps,)``; :data:`UNLIMITED` without limits.

    Parameters
    ----------
    roster : Roster
    counters : DataFrame, index ``rep_id``
        Columns of :data:`~territory_engine.ledger.records.COUNTER_COLUMNS`. Reps without a row have had nothing. Counts
        of an earlier day or week than the rep's own now do not count any more; those of a later one do, as when a stream
        is routed again or a rep moves west.
    """
    room = np.full(len(roster.weight), float(UNLIMITED))
    for limit, had in _limits(roster, counters):
        room = np.minimum(room, np.floor(limit - had))
    return np.asarray(np.maximum(room, 0.0), np.int64)


def capacity_refusal(roster: Roster, counters: pd.DataFrame, rep: int) -> Refusal | None:
    """Return why a rep has no room for a lead, None where there is room.

    Of several limits the one that lasts longest is told: open leads, then the week's, then the day's.

    Parameters
    ----------
    roster, counters
        As for :func:`remaining_capacity`.
    rep : int
        Row of the roster.
    """
    pairs = _limits(roster, counters)
    full = [float(limit[rep] - had[rep]) < 1 for limit, had in pairs]
    for code, is_full, (limit, had) in zip(_CODES, full, pairs, strict=True):
        if not is_full:
            continue
        most, count = f"{limit[rep]:g}", int(had[rep])
        if code == "open_leads":
            return Refusal(code, f"has {counted(count, 'open lead')} of at most {most}")
        until = _turn(roster, rep, week=code == "per_week")
        zone = zone_of(str(roster.frame["time_zone"].iloc[rep]))
        span = "this week" if code == "per_week" else "today"
        when = moment_in_words(until, zone)
        return Refusal(
            code, f"has had {counted(count, 'lead')} {span} of at most {most}; more from {when}", iso_moment(until)
        )
    return None


def room_from(roster: Roster, counters: pd.DataFrame) -> NDArray[np.datetime64]:
    """Return the UTC moment from which each rep has room, shape ``(n_reps,)``.

    1970 where there is room now; NaT where that depends on open leads being closed, or never comes (a limit of 0).
    """
    opened, week, day = _limits(roster, counters)
    moments = np.zeros(len(roster.weight), "datetime64[s]")
    never = opened[0] - opened[1] < 1
    never |= (week[0] < 1) | (day[0] < 1)
    full_week, full_day = week[0] - week[1] < 1, day[0] - day[1] < 1
    known: dict[tuple[str, str, bool], int] = {}
    for rep in np.flatnonzero((full_week | full_day) & ~never):
        key = (str(roster.frame["time_zone"].iloc[rep]), str(roster.local_day[rep]), bool(full_week[rep]))
        if key not in known:
            known[key] = _turn(roster, int(rep), week=key[2])
        moments[rep] = np.datetime64(known[key], "s")
    moments[never] = np.datetime64("NaT", "s")
    return moments


_CODES = ("open_leads", "per_week", "per_day")


def _limits(roster: Roster, counters: pd.DataFrame) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return limit and count so far of open leads, of the week and of the day, each of shape ``(n_reps,)``."""
    own = counters.reindex(roster.frame.index)
    opened, day_leads, week_leads = (own[name].fillna(0).to_numpy(np.float64) for name in _NUMBERS)
    return [
        (roster.open_leads, opened),
        (roster.per_week, np.where(not_before(own["week"], roster.local_week), week_leads, 0.0)),
        (roster.per_day, np.where(not_before(own["day"], roster.local_day), day_leads, 0.0)),
    ]


def not_before(told: pd.Series[Any], now: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether each day or week told is the one now, or later; days and weeks as ISO writes them sort as text."""
    return np.array([isinstance(t, str) and t >= n for t, n in zip(told, now, strict=True)], bool)


def _turn(roster: Roster, rep: int, *, week: bool) -> int:
    """Return the moment at which the rep's next day, or next Monday, begins."""
    today = date.fromisoformat(str(roster.local_day[rep]))
    following = today + timedelta(days=7 - today.weekday() if week else 1)
    return midnight(following, zone_of(str(roster.frame["time_zone"].iloc[rep])))
