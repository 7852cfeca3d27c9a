"""One policy's way with a past stream of leads: every batch routed in a private ledger, moment after moment."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scenarios.fairness import gini
from scenarios.replay_schedule import moment_of
from solvers.fair_split.problem import LEVEL_UNIT
from territory_engine.ledger.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scenarios.lead_stream import LeadStream
    from territory_engine.leads.batch import Roster
    from territory_engine.routing import Router

DAY_COLUMNS = ("at", "new_leads", "retried", "assigned", "waiting", "level_spread", "gini")
"""A row per batch: its moment (UTC), leads that came in and that were tried again, leads assigned, leads that wait
afterwards, largest minus smallest level of those present, and the Gini coefficient of leads per fair share so far."""

_NEVER = np.datetime64("NaT", "s")
_HOPELESS = ("ambiguous",)


@dataclass(frozen=True, eq=False)
class ReplayRun:
    """What became of a stream of leads.

    Attributes
    ----------
    name : str
        What people call the policy.
    leads : DataFrame, RangeIndex
        In the order of the stream: ``lead_id``, ``created_at``, ``status``, ``rep_id``, ``first_routed_at``,
        ``assigned_at`` (UTC, NaT unless assigned), ``response_h`` (from its creation to when its rep is at work with it),
        ``wait_h`` (in the queue), ``travel_km``, ``expected_value``, ``preference`` (0 owner, 1 territory, 2 pool, −1),
        ``reason_code``, ``reason``.
    reps : DataFrame, index ``rep_id``
        ``name``, ``fair_leads`` (the leads of an equal share by weight while the rep was there), ``most_open`` and
        ``level`` (at the end; NaN of who never was there).
    days : DataFrame
        :data:`DAY_COLUMNS`.
    notices : tuple of str
    """

    name: str
    leads: pd.DataFrame
    reps: pd.DataFrame
    days: pd.DataFrame
    notices: tuple[str, ...] = ()


class _Bookkeeping:
    """What a run knows while it goes on; arrays by lead of the stream or by rep of the roster."""

    def __init__(self, stream: LeadStream, rep_ids: list[str]) -> None:
        n, r = len(stream), len(rep_ids)
        self.row = {rep: k for k, rep in enumerate(rep_ids)}
        self.text = {c: np.full(n, "", object) for c in ("status", "rep_id", "reason_code", "reason")}
        self.number = {c: np.full(n, np.nan) for c in ("response_h", "travel_km", "expected_value")}
        self.preference = np.full(n, -1, np.int64)
        self.first_routed = np.full(n, np.datetime64("NaT", "us"))
        self.assigned_at = np.full(n, np.datetime64("NaT", "us"))
        self.could_go_at = np.full(n, _NEVER)
        self.fair, self.count = np.zeros(r), np.zeros(r, np.int64)
        self.open, self.most_open = np.zeros(r, np.int64), np.zeros(r, np.int64)
        self.days: list[tuple[Any, ...]] = []

    def take(
        self, decisions: pd.DataFrame, positions: NDArray[np.int64], now: Any, roster: Roster, created: Any
    ) -> int:
        """Write a batch's decisions down; return how many leads were assigned."""
        for column, values in self.text.items():
            values[positions] = decisions[column].to_numpy(dtype=object)
        for column in ("travel_km", "expected_value"):
            self.number[column][positions] = decisions[column].to_numpy(np.float64)
        self.preference[positions] = decisions["preference"].to_numpy(np.int64)
        fresh = positions[np.isnat(self.first_routed[positions])]
        self.first_routed[fresh] = now
        told = decisions["could_go_at"].str.removesuffix("Z").replace("", "NaT").to_numpy(dtype=str)
        self.could_go_at[positions] = told.astype("datetime64[s]")
        given = positions[(decisions["status"] == "assigned").to_numpy()]
        if not len(given):
            return 0
        self.assigned_at[given] = now
        rows = np.array([self.row[rep] for rep in self.text["rep_id"][given]])
        at_work = roster.next_at_work[rows].astype("datetime64[us]")
        self.number["response_h"][given] = _hours(np.maximum(at_work, now) - created[given])
        got = np.bincount(rows, minlength=len(self.count))
        self.count += got
        self.open += got
        np.maximum(self.most_open, self.open, out=self.most_open)
        weight = np.where(roster.away, 0.0, roster.weight)
        self.fair += len(given) * weight / weight.sum()
        return len(given)


def run_policy(
    router: Router,
    stream: LeadStream,
    moments: NDArray[np.datetime64],
    *,
    name: str,
    close_after_days: int | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> ReplayRun:
    """Route a stream batch by batch, as it would have been.

    A queued lead is tried again at the first batch's moment at which it could go, and after leads were closed.

    Parameters
    ----------
    router : Router
        With a ledger of its own, in which nothing was routed yet.
    stream : LeadStream
    moments : ndarray of datetime64[us]
        Ascending; the last is not before the last lead.
    name : str
    close_after_days : int, optional
        After how many days a lead is won and no longer open; by default never.
    on_batch : callable, optional
        Told how many leads are done, and how many there are.
    """
    rep_ids = [str(rep) for rep in router.roster(moment_of(moments[0])).frame.index]
    book = _Bookkeeping(stream, rep_ids)
    upto = np.searchsorted(stream.created, moments, side="right")
    waiting: list[int] = []
    closing: deque[tuple[Any, int]] = deque()
    limited = router.policy.limits.open_leads is not None
    grows = router.policy.ramp.days > 0 and router.policy.ramp.start == 0
    begin, room, roster = 0, False, None
    for now, end in zip(moments, upto.tolist(), strict=True):
        room |= _close(router, stream, book, closing, now) and limited
        retried = [
            p for p in waiting if room or book.could_go_at[p] <= now or (grows and np.isnat(book.could_go_at[p]))
        ]
        if begin == end and not retried:
            continue
        at = moment_of(now)
        positions = np.array([*retried, *range(begin, end)], np.int64)
        roster = router.roster(at)
        routed = router.route_batch(stream.part(positions), f"replay {len(book.days) + 1}", at=at)
        assigned = book.take(routed.decisions, positions, now, roster, stream.created)
        still = set(waiting) - set(retried) | {int(p) for p in positions if _can_wait(book, p)}
        waiting, room = sorted(still), False
        if close_after_days is not None:
            due = now + np.timedelta64(close_after_days, "D")
            closing.extend((due, int(p)) for p in positions if book.text["status"][p] == "assigned")
        counters = router.ledger.counters()
        level = counters["level"].reindex(roster.frame.index).to_numpy(np.float64) / LEVEL_UNIT
        present = ~roster.away & (roster.weight > 0) & ~np.isnan(level)
        spread = float(np.ptp(level[present])) if present.any() else 0.0
        queued = int((book.text["status"][:end] == "queued").sum())
        book.days.append((now, end - begin, len(retried), assigned, queued, spread, gini(book.count, book.fair)))
        begin = end
        if on_batch is not None:
            on_batch(end, len(stream))
    assert roster is not None  # the first moment has a lead
    return _run(router, stream, book, roster, moments[-1], name)


def _can_wait(book: _Bookkeeping, position: Any) -> bool:
    return book.text["status"][position] == "queued" and book.text["reason_code"][position] not in _HOPELESS


def _close(router: Router, stream: LeadStream, book: _Bookkeeping, closing: deque[tuple[Any, int]], now: Any) -> bool:
    """Record as won what is due; return whether anything was."""
    told = []
    while closing and closing[0][0] <= now:
        due, position = closing.popleft()
        lead = str(stream.batch.frame["lead_id"].iat[position])
        told.append(Outcome(f"closed {position}", lead, "won", moment_of(due)))
        book.open[book.row[book.text["rep_id"][position]]] -= 1
    if told:
        router.ledger.record_outcomes(told)
    return bool(told)


def _run(router: Router, stream: LeadStream, book: _Bookkeeping, roster: Roster, last: Any, name: str) -> ReplayRun:
    until = np.where(np.isnat(book.assigned_at), last, book.assigned_at)
    wait = np.where(book.text["status"] == "rejected", np.nan, _hours(until - book.first_routed))
    leads = pd.DataFrame(
        {
            "lead_id": stream.batch.frame["lead_id"],
            "created_at": stream.batch.frame["created_at"],
            "status": book.text["status"],
            "rep_id": book.text["rep_id"],
            "first_routed_at": pd.Series(book.first_routed).dt.tz_localize("UTC"),
            "assigned_at": pd.Series(book.assigned_at).dt.tz_localize("UTC"),
            "response_h": book.number["response_h"],
            "wait_h": wait,
            "travel_km": book.number["travel_km"],
            "expected_value": book.number["expected_value"],
            "preference": book.preference,
            "reason_code": book.text["reason_code"],
            "reason": book.text["reason"],
        }
    )
    frame = roster.frame
    names = frame["name"].astype(object) if "name" in frame else pd.Series("", frame.index, dtype=object)
    level = router.ledger.counters()["level"].reindex(frame.index).to_numpy(np.float64) / LEVEL_UNIT
    reps = pd.DataFrame(
        {
            "name": names.where(names.notna(), "").astype(str),
            "fair_leads": book.fair,
            "most_open": book.most_open,
            "level": level,
        },
        index=pd.Index([str(rep) for rep in frame.index], name="rep_id"),
    )
    days = pd.DataFrame(book.days, columns=list(DAY_COLUMNS))
    days["at"] = days["at"].dt.tz_localize("UTC")
    return ReplayRun(name, leads, reps, days, tuple(router.notices))


def _hours(span: NDArray[np.timedelta64]) -> NDArray[np.float64]:
    return np.asarray(span / np.timedelta64(3600, "s"), np.float64)
