"""What would help a lead that waits, or that was rejected."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.grammar import counted, listed
from territory_engine.leads.reps.availability import moment_in_words
from territory_engine.leads.reps.capacity import capacity_refusal, room_from
from territory_engine.leads.reps.working_hours import zone_of
from territory_engine.reading.location import locator_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from territory_engine.leads.explaining.rep_views import RepView
    from territory_engine.leads.suitability.choices import Suitability

_SHOWN = 5
_CAPACITY = ("open_leads", "per_day", "per_week")


def advice(
    decision: Mapping[str, Any], suitability: Suitability, after: pd.DataFrame, reps: Sequence[RepView]
) -> list[str]:
    """Return what would help a lead that has no rep, as sentences; nothing for one that has.

    Parameters
    ----------
    decision : mapping
    suitability : Suitability
        Of the one lead.
    after : DataFrame, index ``rep_id``
        The reps' counters of leads as the batch ended.
    reps : sequence of RepView
    """
    code = decision["reason_code"]
    if code == "bad_data":
        return ["Correct the fields named above, and send the lead again."]
    if code == "already_routed":
        return ["Record the outcome 'returned' if it is to be routed again; a lead that was won or lost never is."]
    if code == "ambiguous":
        return ["Give the lead the account_id of the account that is meant, and send it again."]
    if decision["status"] != "queued":
        return []
    told = []
    if decision["could_go_at"]:
        told.append(_when(str(decision["could_go_at"]), suitability, after))
    told += _more_room(suitability, after, reps)
    told += _other_rules(suitability, reps)
    if suitability.waits[0]:
        told.append('Let others take it: matching.when_unavailable = "next" in the policy.')
    return told


def _when(moment: str, suitability: Suitability, after: pd.DataFrame) -> str:
    """Say from when a rep could take the lead, on that rep's own clock, and how it is routed then."""
    seconds = int(datetime.fromisoformat(moment).timestamp())
    until = np.datetime64(seconds, "s")
    starts = np.maximum(suitability.takes_leads_from, room_from(suitability.roster, after))
    ready = ~np.isnat(starts) & (starts <= until) & (suitability.roster.weight > 0)
    able = [int(rep) for _, reps, _ in suitability.pairs_within(np.array([0]), ready, measured=False) for rep in reps]
    if not able:
        return f"From {moment} a rep could take it, as things stood: {_COMMAND}."
    frame = suitability.roster.frame
    when = moment_in_words(seconds, zone_of(str(frame["time_zone"].iloc[able[0]])))
    who = [_called(frame, row) for row in able]
    return f"From {when} {_some(who, 'or')} could take it, as things stood: {_COMMAND}."


_COMMAND = "run `territory-engine route --queue` then"


def _called(frame: pd.DataFrame, row: int) -> str:
    rep, name = str(frame.index[row]), str(frame["name"].iloc[row]) if "name" in frame else ""
    return f"{rep} ({name})" if name and name != rep else rep


def _more_room(suitability: Suitability, after: pd.DataFrame, reps: Sequence[RepView]) -> Iterator[str]:
    """Yield which limits keep those who could take it from doing so."""
    rows = {str(rep): row for row, rep in enumerate(suitability.roster.frame.index)}
    full: dict[str, list[str]] = {}
    for view in reps:
        if view.group != "could" and view.code not in _CAPACITY:
            continue
        refusal = capacity_refusal(suitability.roster, after, rows[view.rep_id])
        if refusal is not None:
            full.setdefault(refusal.code, []).append(view.rep_id)
    for limit, who in full.items():
        setting = getattr(suitability.policy.limits, limit)
        where = f"column {setting!r} of the reps" if isinstance(setting, str) else f"limits.{limit} (now {setting})"
        closed = ", or close one of their open leads" if limit == "open_leads" else ""
        yield f"Raise what {_some(who)} may take: {where}{closed}."


def _other_rules(suitability: Suitability, reps: Sequence[RepView]) -> Iterator[str]:
    """Yield which single rule, changed, would let somebody take it who is there to do so."""
    rows = {str(rep): row for row, rep in enumerate(suitability.roster.frame.index)}
    ready = [view for view in reps if suitability.takes_leads[rows[view.rep_id]]]
    for demand in suitability.demands:
        refused = [view for view in reps if view.code == demand.column]
        if refused and len(refused) == len(reps):
            wanted = listed(demand.wanted[int(demand.code[0])])
            yield f"Have a rep list {wanted} in {demand.reps_column}, or correct the lead's {demand.column}."
    whose = {int(suitability.territory_rep[0]): "has its territory", int(suitability.owner[0]): "has its account"}
    whose.pop(-1, None)
    for row, has in whose.items():
        view = next(view for view in reps if rows[view.rep_id] == row)
        if view.code == "travel":
            away = float(suitability.kilometres(np.zeros(1, np.int64), np.array([row]))[0])
            yield f"Let {view.rep_id}, who {has}, travel {math.ceil(away):,} km instead of {suitability.roster.travel_km[row]:g} km."
    far = np.array([rows[view.rep_id] for view in ready if view.code == "travel"], np.int64)
    if len(far) and not any(view.group == "could" for view in reps):
        km = suitability.kilometres(np.zeros(len(far), np.int64), far)
        nearest = int(far[km.argmin()])
        limit = float(suitability.roster.travel_km[nearest])
        who = suitability.roster.frame.index[nearest]
        if nearest not in whose:
            yield f"Let {who}, the nearest, travel {math.ceil(km.min()):,} km instead of {limit:g} km."
    placed = not math.isnan(suitability.batch.frame["latitude"].iloc[0])
    unplaced = [view.rep_id for view in reps if view.code == "place"]
    if unplaced and placed:
        yield f"Give {_some(unplaced)} a home (latitude and longitude in the reps): a travel limit is measured from it."
    elif unplaced:
        country = str(suitability.batch.frame.get("country", pd.Series([""])).iloc[0])
        if country and locator_for(country) is None:
            yield f"Give the lead a latitude and longitude: postal codes of {country} are not located, and reps have travel limits."
        else:
            yield "Give the lead a latitude and longitude, or a postal code that is known: reps have travel limits."
    yield from _sooner(suitability, reps, rows)


def _sooner(suitability: Suitability, reps: Sequence[RepView], rows: dict[str, int]) -> Iterator[str]:
    waits = [rows[view.rep_id] for view in reps if view.code == "hours"]
    starts = suitability.roster.next_at_work[waits]
    known = starts[~np.isnat(starts)]
    if len(known):
        hours = (known.min().astype(np.int64) - suitability.now.astype(np.int64)) / 3600
        yield f"Give reps longer to answer: with hours.respond_within_h = {math.ceil(hours)} one of them could take it."


def _some(who: list[str], join: str = "and") -> str:
    if len(who) <= _SHOWN:
        return listed(who) if join == "and" or len(who) == 1 else f"{', '.join(who[:-1])} {join} {who[-1]}"
    return f"{', '.join(who[:_SHOWN])} or {counted(len(who) - _SHOWN, 'other rep')}"
