"""The reps at a moment: who is there, with what weight and what limits.

Everything that does not depend on the moment is read and checked once (:class:`RosterSource`), so that a service can ask
for the roster of every batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from territory_engine.errors import Finding
from territory_engine.grammar import counted
from territory_engine.leads.batch import Roster
from territory_engine.leads.reps.availability import FOREVER, Calendar, parse_day, parse_leave
from territory_engine.leads.reps.columns import RepSheets, rep_sheets
from territory_engine.leads.reps.working_hours import (
    ALL_DAY,
    EVERY_DAY,
    MONDAY_TO_FRIDAY,
    Shifts,
    WeeklyHours,
    parse_days,
    parse_hours,
    zone_of,
)
from territory_engine.leads.suitability.eligibility import check_rules
from territory_engine.leads.suitability.rule_columns import reps_for_rules
from territory_engine.reading.columns import missing_column
from territory_engine.reading.validation import error_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from territory_engine.leads.policy import Policy
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

WEIGHT_COLUMN, AVAILABILITY_COLUMN = "weight", "availability"
REP_COLUMNS = (
    "rep_id", "name", "latitude", "longitude", "postal_code",
    "time_zone", "working_days", "working_hours", "leave", "started_on", "left_on",
    AVAILABILITY_COLUMN, WEIGHT_COLUMN,
)  # fmt: skip
"""Columns that have a meaning whatever the policy says; those that it names come beside them."""

_WEIGHT_DIGITS = 6

LEAST_OF_AVERAGE = 0.001
"""A weight above 0 is at least this part of the average: what is less is a weight of another scale, or a blank beside quotas."""


@dataclass(frozen=True, eq=False)
class RosterSource:
    """The reps as their files say, before any moment is known.

    Attributes
    ----------
    frame : DataFrame, index ``rep_id``
        As in :class:`~territory_engine.leads.batch.Roster`.
    zones : tuple of ZoneInfo
        Each once.
    zone_of_rep : ndarray of intp, shape (n_reps,)
    calendars : tuple of Calendar
        Each once: reps with the same hours, zone and leave share one.
    calendar_of_rep : ndarray of intp, shape (n_reps,)
    base_weight : ndarray of float64, shape (n_reps,)
        Weight × availability in units of their median, before the ramp.
    started : ndarray of float64, shape (n_reps,)
        First day as its proleptic ordinal, NaN where not given.
    ramp_days : int
    ramp_start : float
    open_leads, per_day, per_week, travel_km : ndarray of float64, shape (n_reps,)
        inf where there is no limit.
    sha256 : str
        Of the policy's reps file; "" where there is none.
    notices : tuple of str
    """

    frame: pd.DataFrame
    zones: tuple[ZoneInfo, ...]
    zone_of_rep: NDArray[np.intp]
    calendars: tuple[Calendar, ...]
    calendar_of_rep: NDArray[np.intp]
    base_weight: NDArray[np.float64]
    started: NDArray[np.float64]
    ramp_days: int
    ramp_start: float
    open_leads: NDArray[np.float64]
    per_day: NDArray[np.float64]
    per_week: NDArray[np.float64]
    travel_km: NDArray[np.float64]
    sha256: str = ""
    notices: tuple[str, ...] = ()

    @classmethod
    def of(cls, problem: PlanningProblem, plan: Plan, policy: Policy, base_dir: Path) -> RosterSource:
        """Read and check everything that is known of the reps.

        Parameters
        ----------
        problem : PlanningProblem
            With the plan's own reps, who may have any of the columns below.
        plan : Plan
            For the territories that each rep has.
        policy : Policy
        base_dir : Path
            Folder that ``policy.reps`` starts from: the policy file's.

        Raises
        ------
        InputError
            Lists every finding of both tables; a :class:`ConfigError` where the policy names columns that are not there.
        """
        sheets = rep_sheets(problem, policy.reps, base_dir)
        findings: list[Finding] = []
        notices: list[str] = []
        if not len(sheets.ids):
            what = "there are no reps: the plan has none, and the policy names no file of reps"
            findings.append(
                Finding(what, column="reps", remedy='add reps = "reps.csv" to the policy, with a row per rep')
            )
            raise error_of(findings)
        n = len(sheets.ids)
        weight = _weights(sheets, policy, findings)
        availability = sheets.numbers(AVAILABILITY_COLUMN, 1.0, "a fraction from 0 to 1, or blank for 1", most=1.0)
        limits = {
            key: _limit(sheets, key, getattr(policy.limits, key), findings, whole=key != "travel_km")
            for key in ("open_leads", "per_day", "per_week", "travel_km")
        }
        limits["travel_km"] = _with_the_plans_own(limits["travel_km"], problem, policy, notices)
        zones, calendars, started = _calendars(sheets, policy, notices)
        if sheets.own is not None:
            notices += [*sheets.own.notices, *_who_is_new(sheets)]
        frame = reps_for_rules(sheets.frame(), policy, problem.config)
        findings += sheets.findings()
        findings += check_rules(policy, frame)
        if findings:
            raise error_of(dict.fromkeys(findings))  # a column that two limits name is read twice
        keys = [zone.key for zone in zones]
        unique = list(dict.fromkeys(keys))
        by_key = {zone.key: zone for zone in zones}
        held: dict[str, list[str]] = {}
        for territory, rep in zip(plan.territories.index, plan.territories.get("rep_id", ()), strict=False):
            held.setdefault(str(rep), []).append(str(territory))
        frame["territory_ids"] = [";".join(held.get(str(rep), ())) for rep in frame.index]
        frame["time_zone"] = keys
        if np.isfinite(limits["travel_km"]).any():
            homeless = np.isfinite(limits["travel_km"]) & frame["latitude"].isna().to_numpy()
            if homeless.any():
                whose = counted(int(homeless.sum()), "rep with a travel limit has", "reps with a travel limit have")
                notices.append(f"{whose} no home to measure from and can take no lead.")
        once = list(dict.fromkeys(map(id, calendars)))
        first = {id(calendar): calendar for calendar in calendars}
        return cls(
            frame=frame,
            zones=tuple(by_key[key] for key in unique),
            zone_of_rep=np.array([unique.index(key) for key in keys], np.intp),
            calendars=tuple(first[i] for i in once),
            calendar_of_rep=np.array([once.index(id(calendar)) for calendar in calendars], np.intp).reshape(n),
            base_weight=relative(weight * availability),
            started=started,
            ramp_days=policy.ramp.days,
            ramp_start=policy.ramp.start,
            **limits,
            sha256=sheets.sha256,
            notices=tuple(notices),
        )

    def at(self, moment: datetime) -> Roster:
        """Return the roster at a moment.

        Parameters
        ----------
        moment : datetime
            With a time zone; seconds count, fractions of them do not.

        Raises
        ------
        ValueError
            The moment has no time zone.
        """
        if moment.tzinfo is None:
            raise ValueError(f"{moment.isoformat()} has no time zone: give the moment in UTC")
        now = int((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1))
        local = [moment.astimezone(zone).date() for zone in self.zones]
        weeks = [day.isocalendar() for day in local]
        days = np.array([day.isoformat() for day in local], object)
        iso_weeks = np.array([f"{w.year:04d}-W{w.week:02d}" for w in weeks], object)
        ordinals = np.array([day.toordinal() for day in local], np.float64)[self.zone_of_rep]
        present = [calendar.at(now) for calendar in self.calendars]
        of_rep = self.calendar_of_rep
        return Roster(
            frame=self.frame,
            weight=np.round(self.base_weight * self._ramp(ordinals), _WEIGHT_DIGITS),
            away=np.array([p.away for p in present], bool)[of_rep],
            next_at_work=_moments([p.at_work for p in present])[of_rep],
            local_day=days[self.zone_of_rep],
            local_week=iso_weeks[self.zone_of_rep],
            open_leads=self.open_leads,
            per_day=self.per_day,
            per_week=self.per_week,
            travel_km=self.travel_km,
            notices=self.notices,
            away_until=_moments([p.until for p in present])[of_rep],
            away_because=np.array([p.reason for p in present], object)[of_rep],
            calendars=self.calendars,
            calendar_of_rep=of_rep,
        )

    def _ramp(self, today: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the factor of each rep's weight that the ramp leaves, shape ``(n_reps,)``."""
        if self.ramp_days == 0:
            return np.ones(len(today))
        done = np.clip((today - self.started) / self.ramp_days, 0.0, 1.0)
        ramp = self.ramp_start + (1.0 - self.ramp_start) * done
        return np.where(np.isnan(self.started), 1.0, ramp)


def roster_of(problem: PlanningProblem, plan: Plan, policy: Policy, base_dir: Path, at: datetime) -> Roster:
    """Return the reps at a moment: :meth:`RosterSource.of` and :meth:`RosterSource.at` in one."""
    return RosterSource.of(problem, plan, policy, base_dir).at(at)


def _moments(seconds: list[int]) -> NDArray[np.datetime64]:
    array = np.array(seconds, np.int64)
    array[array >= FOREVER] = np.iinfo(np.int64).min  # NaT
    return array.astype("datetime64[s]")


def relative(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights in units of a typical one, the median of those above 0: their scale means nothing, and may change."""
    some = weight[weight > 0]
    return weight / np.median(some) if len(some) else weight


def _weights(sheets: RepSheets, policy: Policy, findings: list[Finding]) -> NDArray[np.float64]:
    column = policy.fair_share.weight
    if column is not None and not sheets.has(column):
        findings.append(_missing(sheets, column, "fair_share.weight"))
        return np.ones(len(sheets.ids))
    name = column or WEIGHT_COLUMN
    allowed = "0 or more, or blank for 1"
    weight = sheets.numbers(name, 1.0, allowed)
    given = weight[weight > 0]
    least = LEAST_OF_AVERAGE * float(given.mean()) if len(given) else 0.0
    for sheet in sheets.sheets():
        if sheet.has(name) and len(sheet):
            values = np.nan_to_num(sheet.numbers(name, blank=None, allowed=allowed), nan=1.0)
            remedy = "give all weights in the same unit (a blank is 1); 0 takes no leads"
            small = (values > 0) & (values < least)
            sheet.flag(small, name, "is less than a thousandth of the average weight", allowed=allowed, remedy=remedy)
    if len(weight) and (weight == 0).all() and not any(sheet.findings for sheet in sheets.sheets()):
        remedy = "give a weight above 0 to those who take leads"
        file = sheets.sheets()[-1].file
        findings.append(Finding("is 0 for every rep, so nobody could take a lead", file, column=name, remedy=remedy))
    return weight


def _limit(
    sheets: RepSheets, key: str, limit: float | str | None, findings: list[Finding], *, whole: bool
) -> NDArray[np.float64]:
    if limit is None:
        return np.full(len(sheets.ids), np.inf)
    if not isinstance(limit, str):
        return np.full(len(sheets.ids), float(limit))
    if not sheets.has(limit):
        findings.append(_missing(sheets, limit, f"limits.{key}"))
        return np.full(len(sheets.ids), np.inf)
    allowed = "a whole number, 0 or more, or blank for no limit" if whole else "km, 0 or more, or blank for no limit"
    return sheets.numbers(limit, np.inf, allowed, whole=whole)


def _with_the_plans_own(
    travel_km: NDArray[np.float64], problem: PlanningProblem, policy: Policy, notices: list[str]
) -> NDArray[np.float64]:
    """Return travel limits, the plan's own where the policy says nothing of eligibility or travel."""
    rule, travel = problem.config.eligibility, problem.config.travel
    if policy.limits.travel_km is not None or policy.eligibility is not None or rule is None or rule.max_travel is None:
        return travel_km
    if travel.metric != "haversine" or travel.table is not None or problem.centers_are_free:
        notices.append(
            "the plan's max_travel does not hold for leads, since it is not km from the reps' homes:"
            " set limits.travel_km in the policy."
        )
        return travel_km
    notices.append(f"the plan's max_travel of {rule.max_travel:g} km holds for leads too.")
    return np.full(len(travel_km), rule.max_travel)


def _missing(sheets: RepSheets, column: str, setting: str) -> Finding:
    known = [c for c in sheets.columns() if c not in ("location_source", "location_precision_km")]
    return missing_column(column, known, " and ".join(sheet.file for sheet in sheets.sheets()), setting)


def _calendars(
    sheets: RepSheets, policy: Policy, notices: list[str]
) -> tuple[list[ZoneInfo], list[Calendar], NDArray[np.float64]]:
    """Return each rep's zone, calendar (the same object for the same calendar) and first day."""
    zones = sheets.cells("time_zone", zone_of)
    days, hours = sheets.cells("working_days", parse_days), sheets.cells("working_hours", parse_hours)
    leave = sheets.cells("leave", parse_leave)
    started, left = sheets.cells("started_on", parse_day), sheets.cells("left_on", parse_day)
    _flag_order(sheets, started, left)
    utc = ZoneInfo("UTC")
    in_need = np.array([zone is None for zone in zones], bool)
    local = np.array([any(v is not None for v in cells) for cells in zip(days, hours, leave, strict=True)], bool)
    local |= policy.limits.per_day is not None or policy.limits.per_week is not None
    if (in_need & local).any():
        whose = counted(int((in_need & local).sum()), "rep has", "reps have")
        notices.append(f"{whose} no time_zone: their hours, leave, days and weeks are those of UTC.")
    without = sum(h is not None and d is None for h, d in zip(hours, days, strict=True))
    if without:
        notices.append(
            f"{counted(without, 'rep has', 'reps have')} working_hours without working_days: Mon-Fri is meant."
        )
    if policy.hours.respond_within_h is not None and not any(v is not None for v in [*days, *hours]):
        notices.append("hours.respond_within_h has no effect: no rep has working_days or working_hours.")
    shifts: dict[tuple[str, WeeklyHours], Shifts] = {}
    calendars: dict[Any, Calendar] = {}
    of_rep: list[Calendar] = []
    for zone, on_days, on_hours, absent, first, last in zip(zones, days, hours, leave, started, left, strict=True):
        here = zone or utc
        week = None
        if on_days is not None or on_hours is not None:
            usual = MONDAY_TO_FRIDAY if on_hours is not None else EVERY_DAY
            week = WeeklyHours(on_days or usual, on_hours or ALL_DAY)
        key = (here.key, week, absent or (), first, last)
        if key not in calendars:
            known = shifts.setdefault((here.key, week), Shifts(here, week)) if week is not None else None
            calendars[key] = Calendar(here, known, absent or (), first, last)
        of_rep.append(calendars[key])
    ordinals = np.array([np.nan if day is None else day.toordinal() for day in started], np.float64)
    return [zone or utc for zone in zones], of_rep, ordinals


def _flag_order(sheets: RepSheets, started: list[date | None], left: list[date | None]) -> None:
    for rep, first, last in zip(sheets.ids, started, left, strict=True):
        if first is not None and last is not None and last < first:
            sheet, row = _row_of(sheets, rep)
            what = f"{rep!r} left before starting on {first.isoformat()}"
            sheet.findings.append(
                Finding(
                    what,
                    sheet.file,
                    row,
                    sheet.own_name("left_on"),
                    last.isoformat(),
                    "a day from started_on on",
                    "correct one of the two",
                )
            )


def _row_of(sheets: RepSheets, rep: Any) -> tuple[Any, int | None]:
    """Return the sheet that has the last word on a rep, and the rep's row in it."""
    at = int(np.flatnonzero(sheets.ids == rep)[0])
    if sheets.own is not None and at in sheets.at:
        return sheets.own, int(sheets.own.rows[int(np.flatnonzero(sheets.at == at)[0])])
    return sheets.plan, int(sheets.plan.rows[at])


def _who_is_new(sheets: RepSheets) -> list[str]:
    """Say who is only in one of the two tables: a rep left out by mistake would go on to get leads."""
    assert sheets.own is not None
    n_plan = len(sheets.plan)
    told = []
    new = [str(rep) for rep in sheets.ids[n_plan:]]
    if new and n_plan:
        told.append(f"{sheets.own.file}: {counted(len(new), 'rep')} not in the plan: {_some(new)}.")
    listed = set(sheets.at.tolist())
    rest = [str(rep) for i, rep in enumerate(sheets.ids[:n_plan]) if i not in listed]
    if rest:
        told.append(
            f"{sheets.own.file}: {counted(len(rest), 'rep')} of the plan not listed, as the plan has them: {_some(rest)}."
            " Give those who left a left_on."
        )
    return told


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
