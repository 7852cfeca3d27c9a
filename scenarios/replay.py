"""A past stream of leads under another routing policy: who would have got what, when, and from how far away.

>>> found = replay("leads.csv", "out/iowa", "new.toml", against="old.toml")     # doctest: +SKIP
>>> print(found)                                                                # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scenarios.lead_stream import read_batch, same_stream, stream_of
from scenarios.replay_figures import rep_figures, totals
from scenarios.replay_run import DAY_COLUMNS, ReplayRun, run_policy
from scenarios.replay_schedule import Schedule, moment_of, parse_clock, parse_every
from territory_engine.errors import Finding, InputError
from territory_engine.grammar import counted, listed
from territory_engine.leads.policy import Policy, load_policy
from territory_engine.leads.reps.working_hours import CellError, zone_of
from territory_engine.routing import Router

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from scenarios.lead_stream import LeadStream
    from territory_engine.leads.suitability.choices import Suitability
    from territory_engine.routing import Leads

PRIVATE_LEDGER = "sqlite://"
"""In memory: a replay leaves no trace, and nobody waits for it."""

WHAT_HAPPENED = "what happened"


@dataclass(frozen=True, eq=False)
class Replay:
    """A stream of leads under two policies, and as it really was where that is known.

    Attributes
    ----------
    new, old : ReplayRun
        Their ``leads`` have the same order, and the column ``value`` besides: the expected value as the new policy counts
        it, whoever the rep.
    actual : ReplayRun or None
        What really happened, as far as a column of the leads says so: reps, travel and value, no moments.
    set_aside : DataFrame
        ``lead_id``, ``created_at``, ``reason`` of leads that cannot be replayed.
    schedule : Schedule
    close_after_days : int or None
    notices : tuple of str
    """

    new: ReplayRun
    old: ReplayRun
    actual: ReplayRun | None
    set_aside: pd.DataFrame
    schedule: Schedule
    close_after_days: int | None
    notices: tuple[str, ...]

    @property
    def runs(self) -> dict[str, ReplayRun]:
        """The runs by what files call them: ``new``, ``old``, and ``actual`` where it is known."""
        runs = {"new": self.new, "old": self.old}
        return runs | ({"actual": self.actual} if self.actual is not None else {})

    @cached_property
    def reps(self) -> dict[str, pd.DataFrame]:
        """Figures by rep of each run: see :data:`~scenarios.replay_figures.REP_COLUMNS`."""
        return {side: rep_figures(run) for side, run in self.runs.items()}

    @cached_property
    def totals(self) -> dict[str, dict[str, float]]:
        """Figures of each run as a whole: see :func:`~scenarios.replay_figures.totals`."""
        return {side: totals(run, self.reps[side], len(self.set_aside)) for side, run in self.runs.items()}

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Which leads are with another rep at the end, or with one instead of none; shape ``(n_leads,)``."""
        return (self.new.leads["rep_id"] != self.old.leads["rep_id"]).to_numpy()

    @property
    def same_rep_other_time(self) -> NDArray[np.bool_]:
        """Which leads go to the same rep, but in another batch; shape ``(n_leads,)``."""
        new, old = self.new.leads, self.old.leads
        moved = (new["assigned_at"] != old["assigned_at"]) & (new["rep_id"] != "")
        return moved.to_numpy() & ~self.changed

    def changes(self) -> pd.DataFrame:
        """Return every lead of the stream in its order, with what each policy made of it.

        Returns
        -------
        DataFrame, RangeIndex
            ``lead_id``, ``created_at``, ``changed``, then for ``old`` and ``new`` ``…_rep_id``, ``…_status``,
            ``…_assigned_at``, ``…_response_h``, ``…_travel_km``, ``…_value``, and ``…_reason``; ``actual_rep_id``,
            ``actual_travel_km`` and ``actual_value`` where that is known.
        """
        table = self.new.leads[["lead_id", "created_at"]].assign(changed=self.changed)
        columns = ("rep_id", "status", "assigned_at", "response_h", "travel_km", "value", "reason")
        for column in columns:
            for side, run in (("old", self.old), ("new", self.new)):
                table[f"{side}_{column}"] = run.leads[column]
        if self.actual is not None:
            for column in ("rep_id", "travel_km", "value"):
                table[f"actual_{column}"] = self.actual.leads[column]
        return table

    def summary(self) -> str:
        """Return what changes and for whom, in some twenty lines."""
        from scenarios.replay_words import summary

        return summary(self)

    def __str__(self) -> str:
        return self.summary()


def replay(
    leads: Leads,
    plan: str | Path,
    policy: str | Path | Policy,
    against: str | Path | Policy | None = None,
    *,
    every: str | float = "day",
    at: str = "09:00",
    time_zone: str | None = None,
    close_after_days: int | None = None,
    actual: str | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> Replay:
    """Run a past stream of leads through a policy, and compare with another.

    Each batch has the leads that came in since the last one, and those that wait and could go now. Both policies begin
    with nothing routed. The same input gives the same result.

    Parameters
    ----------
    leads : path, DataFrame or sequence of mappings
        With ``lead_id`` and ``created_at``. Leads without a date, or with bad data, are set aside.
    plan : path
        A plan directory.
    policy : path or Policy
        The new one.
    against : path or Policy, optional
        The old one; where left out, the default policy with the new one's reps file and columns, which are facts.
    every : str or float
        ``"day"``, ``"week"`` (Mondays), ``"lead"`` (as each comes in), or a number of hours.
    at : str
        Time of day of a batch, ``"09:00"``.
    time_zone : str, optional
        Whose clock that is; by default that of most reps.
    close_after_days : int, optional
        After how many days an assigned lead is no longer open; by default never.
    actual : str, optional
        Column that says whom a lead really went to; by default ``rep_id`` or ``owner``, where there is one.
    on_stage : callable, optional
        Told in words what is being done.

    Raises
    ------
    ConfigError, InputError
        A policy, the reps or the leads as a whole are wrong; every finding is listed.
    PlanDirectoryError
        There is no readable plan in the directory.
    """
    stage: Callable[[str], None] = on_stage or (lambda words: None)
    rhythm, clock = parse_every(every), parse_clock(at)
    if close_after_days is not None and close_after_days < 1:
        allowed = "a whole number of days, 1 or more"
        raise InputError(Finding("is too few", column="close_after_days", value=str(close_after_days), allowed=allowed))
    zone = None if time_zone is None else _zone(time_zone)
    stage("reading the policies")
    new_policy, new_base = _loaded(policy)
    old_policy, old_base = _facts_only(new_policy), new_base
    if against is not None:
        old_policy, old_base = _loaded(against)
    stage("reading the leads")
    batch = read_batch(leads, new_policy)
    name = str(leads) if isinstance(leads, str | Path) else "leads"
    stream = stream_of(batch, name)
    old_stream = stream
    if _read_differently(old_policy, new_policy):
        old_stream = same_stream(read_batch(leads, old_policy), stream)
    owners = stream.owners(actual)
    stage("reading the plan")
    with (
        Router.open(plan, PRIVATE_LEDGER, new_policy, base_dir=new_base, keep_tables=False) as new_router,
        Router.open(plan, PRIVATE_LEDGER, old_policy, base_dir=old_base, keep_tables=False) as old_router,
    ):
        schedule = Schedule(rhythm, clock, zone or _zone_of_most(new_router, moment_of(stream.created[0])))
        moments = schedule.moments(stream.created)
        names = _names(policy, against)
        runs = [
            run_policy(
                router, leads_read, moments, name=called, close_after_days=close_after_days, on_batch=_telling(stage, called)
            )
            for router, leads_read, called in (
                (new_router, stream, names[0]),
                (old_router, old_stream, names[1]),
            )
        ]  # fmt: skip
        stage("comparing")
        if owners is not None:
            runs.append(_what_happened(stream, _as_reps(owners, new_router.roster(moment_of(moments[-1])).frame)))
        suitability = new_router.suitability(stream.batch, moment_of(moments[-1]))
        valued = [_valued(run, suitability) for run in runs]
    return Replay(
        new=valued[0], old=valued[1], actual=valued[2] if owners is not None else None, set_aside=stream.set_aside,
        schedule=schedule, close_after_days=close_after_days, notices=_notices(valued, stream, new_policy, old_policy),
    )  # fmt: skip


def _as_reps(owners: NDArray[np.object_], reps: pd.DataFrame) -> NDArray[np.object_]:
    """Return the rep that each owner is by ID, name or e-mail, in any case where only one is meant; others as they are."""
    known: dict[str, set[str]] = {}
    columns = [reps.index.astype(str)] + [reps[c].astype(str) for c in ("name", "email", "e_mail") if c in reps.columns]
    for column in columns:
        for rep, text in zip(reps.index.astype(str), column, strict=True):
            known.setdefault(text.strip().casefold(), set()).add(rep)
    ids = set(reps.index.astype(str))

    def one(owner: str) -> str:
        meant = known.get(owner.strip().casefold(), set())
        return next(iter(meant)) if owner not in ids and owner.strip() and len(meant) == 1 else owner

    return np.array([one(str(owner)) for owner in owners], object)


def _loaded(policy: str | Path | Policy) -> tuple[Policy, Path]:
    if isinstance(policy, Policy):
        return policy, Path()
    return load_policy(policy), Path(policy).resolve().parent


def _telling(stage: Callable[[str], None], name: str) -> Callable[[int, int], None]:
    return lambda done, total: stage(f"{name}: {done:,} of {total:,} leads")


def _read_differently(a: Policy, b: Policy) -> bool:
    return (a.columns, a.date_order) != (b.columns, b.date_order)


def _facts_only(policy: Policy) -> Policy:
    """Return the default policy where the file of reps and the leads' columns are the same, and so is the lot."""
    return Policy(reps=policy.reps, columns=policy.columns, date_order=policy.date_order, seed=policy.seed)


def _names(policy: str | Path | Policy, against: str | Path | Policy | None) -> tuple[str, str]:
    """Return what people call the policies: their files' names, or the paths where these are the same."""
    new = "the new policy" if isinstance(policy, Policy) else Path(policy).stem
    if against is None:
        return new, "the default policy"
    old = "the old policy" if isinstance(against, Policy) else Path(against).stem
    if new != old:
        return new, old
    return (str(policy), str(against)) if str(policy) != str(against) else (f"{new} (new)", f"{old} (old)")


def _zone(name: str) -> ZoneInfo:
    try:
        return zone_of(name)
    except CellError as error:
        raise InputError(Finding(error.what, column="time_zone", value=name, allowed=error.allowed)) from None


def _zone_of_most(router: Router, first: datetime) -> ZoneInfo:
    """Return the time zone that most reps are in; of several the first by name; UTC where none says."""
    frame = router.roster(first).frame
    named = [str(zone) for zone in frame.get("time_zone", ()) if isinstance(zone, str) and zone]
    counts = Counter(named or ["UTC"])
    return zone_of(min(counts, key=lambda zone: (-counts[zone], zone)))


def _what_happened(stream: LeadStream, owners: NDArray[np.object_]) -> ReplayRun:
    """Return what the file says as a run: who has each lead, and nothing of when."""
    n = len(stream)
    given = owners != ""
    never = pd.DatetimeIndex(np.full(n, np.datetime64("NaT", "us"))).tz_localize("UTC")
    nothing = np.full(n, np.nan)
    leads = pd.DataFrame(
        {
            "lead_id": stream.batch.frame["lead_id"], "created_at": stream.batch.frame["created_at"],
            "status": np.where(given, "assigned", "queued"), "rep_id": owners, "first_routed_at": never,
            "assigned_at": never, "response_h": nothing, "wait_h": nothing, "travel_km": nothing,
            "expected_value": nothing, "preference": np.full(n, -1), "reason_code": "", "reason": "",
        }
    )  # fmt: skip
    columns = {"name": "", "fair_leads": np.nan, "most_open": np.nan, "level": np.nan}
    reps = pd.DataFrame(columns, index=pd.Index([], name="rep_id", dtype=str))
    return ReplayRun(WHAT_HAPPENED, leads, reps, pd.DataFrame(columns=list(DAY_COLUMNS)))


def _valued(run: ReplayRun, suitability: Suitability) -> ReplayRun:
    """Add what each lead is worth with its rep as the new policy counts it, and the km where they are not there yet."""
    row = {str(rep): k for k, rep in enumerate(suitability.roster.frame.index)}
    rows = np.array([row.get(str(rep), -1) for rep in run.leads["rep_id"]], np.int64)
    known = np.flatnonzero(rows >= 0)
    km = run.leads["travel_km"].to_numpy(np.float64).copy()
    measured = suitability.kilometres(known, rows[known])
    km[known] = np.where(np.isnan(km[known]), measured, km[known])
    value = run.leads["expected_value"].to_numpy(np.float64).copy()
    value[known] = suitability.values(known, rows[known], measured)
    leads = run.leads.assign(travel_km=km, value=value)
    return dataclasses.replace(run, leads=leads)


def _notices(runs: list[ReplayRun], stream: LeadStream, new_policy: Policy, old_policy: Policy) -> tuple[str, ...]:
    told = list(stream.batch.notices)
    if len(stream.set_aside):
        first = stream.set_aside.iloc[0]
        told.append(
            f"{counted(len(stream.set_aside), 'lead')} cannot be replayed and counted as rejected; the first,"
            f" {first['lead_id']}: {first['reason']}"
        )
    if _read_differently(old_policy, new_policy):
        told.append("the two policies read the leads' columns differently; values are those that the new policy reads.")
    if len(runs) > 2:
        known = set(runs[0].reps.index)
        strange = sorted({str(rep) for rep in runs[2].leads["rep_id"]} - known - {""})
        if strange:
            more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
            told.append(f"really had leads, and are no reps of the policy: {listed(strange[:5])}{more}.")
    told += [notice for run in runs for notice in run.notices]
    return tuple(dict.fromkeys(told))
