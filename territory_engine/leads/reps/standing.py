"""Where every rep stands now: for the service's list of reps, and for whoever asks between two batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.fair_split.problem import LEVEL_UNIT
from territory_engine.leads.levels import opening_levels
from territory_engine.leads.reps.availability import iso_moment, late_in_words
from territory_engine.leads.reps.capacity import UNLIMITED, capacity_refusal, not_before, remaining_capacity
from territory_engine.leads.reps.working_hours import zone_of

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from territory_engine.leads.batch import Roster


def standings(
    roster: Roster, counters: pd.DataFrame, *, now: datetime, within_h: float | None = None
) -> list[dict[str, Any]]:
    """Return one record per rep, in the roster's order, as a batch routed at the roster's moment would find them.

    Parameters
    ----------
    roster : Roster
    counters : DataFrame, index ``rep_id``
        The ledger's.
    now : datetime
        The roster's moment.
    within_h : float, optional
        The policy's ``[hours] respond_within_h``.

    Returns
    -------
    list of dict
        ``rep_id``, ``name``, ``share`` (leads per unit of weight so far), ``weight``, ``open_leads``, ``leads_today``,
        ``leads_this_week``, ``room`` (how many more leads now; None without limits), ``takes_leads``, ``why_not``,
        ``next_at_work`` (ISO 8601, UTC; None where that is not within a year) and ``time_zone``.
    """
    levels = opening_levels(roster, counters)
    room = remaining_capacity(roster, counters)
    own = counters.reindex(roster.frame.index)
    opened = own["open_leads"].fillna(0).to_numpy(np.int64)
    same_day = not_before(own["day"], roster.local_day)
    same_week = not_before(own["week"], roster.local_week)
    today = np.where(same_day, own["day_leads"].fillna(0), 0).astype(np.int64)
    week = np.where(same_week, own["week_leads"].fillna(0), 0).astype(np.int64)
    names = roster.frame["name"].astype(str)
    latest = None if within_h is None else now.timestamp() + round(within_h * 3600)
    told = []
    for row, rep in enumerate(roster.frame.index):
        full = capacity_refusal(roster, counters, row)
        moment = roster.next_at_work[row]
        at_work = None if np.isnat(moment) else int(moment.astype("datetime64[s]").astype(np.int64))
        zone = str(roster.frame["time_zone"].iloc[row])
        if roster.away[row]:
            why = str(roster.away_because[row]) if roster.away_because is not None else "is away"
        elif not roster.weight[row] > 0:
            why = "has a fair-share weight of 0"
        elif within_h is not None and latest is not None and (at_work is None or at_work > latest):
            why = late_in_words(at_work, zone_of(zone), within_h)
        else:
            why = full.sentence if full is not None else ""
        told.append(
            {
                "rep_id": str(rep),
                "name": names.iloc[row],
                "share": int(levels.level[row]) / LEVEL_UNIT,
                "weight": float(roster.weight[row]),
                "open_leads": int(opened[row]),
                "leads_today": int(today[row]),
                "leads_this_week": int(week[row]),
                "room": None if room[row] >= UNLIMITED else int(room[row]),
                "takes_leads": not why,
                "why_not": why or None,
                "next_at_work": None if at_work is None else iso_moment(at_work),
                "time_zone": zone,
            }
        )
    return told
