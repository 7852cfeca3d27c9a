"""What would help a lead that waits, or that was rejected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.grammar import counted, listed
from territory_engine.leads.reps.capacity import capacity_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

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
        told.append(f"Send it again at {decision['could_go_at']} or later: then a rep could take it, as things stood.")
    told += _more_room(suitability, after, reps)
    told += _other_rules(suitability, reps)
    if suitability.waits[0]:
        told.append('Let others take it: matching.when_unavailable = "next" in the policy.')
    return told


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
    far = np.array([rows[view.rep_id] for view in ready if view.code == "travel"], np.int64)
    if len(far) and not any(view.group == "could" for view in reps):
        km = suitability.kilometres(np.zeros(len(far), np.int64), far)
        nearest = int(far[km.argmin()])
        limit = float(suitability.roster.travel_km[nearest])
        who = suitability.roster.frame.index[nearest]
        yield f"Let {who}, the nearest, travel {math.ceil(km.min()):,} km instead of {limit:g} km."
    if any(view.code == "place" for view in reps) and math.isnan(suitability.batch.frame["latitude"].iloc[0]):
        yield "Give the lead a place (latitude and longitude, or postal_code): reps with a travel limit need one."
    yield from _sooner(suitability, reps, rows)


def _sooner(suitability: Suitability, reps: Sequence[RepView], rows: dict[str, int]) -> Iterator[str]:
    waits = [rows[view.rep_id] for view in reps if view.code == "hours"]
    starts = suitability.roster.next_at_work[waits]
    known = starts[~np.isnat(starts)]
    if len(known):
        hours = (known.min().astype(np.int64) - suitability.now.astype(np.int64)) / 3600
        yield f"Give reps longer to answer: with hours.respond_within_h = {math.ceil(hours)} one of them could take it."


def _some(who: list[str]) -> str:
    if len(who) <= _SHOWN:
        return listed(who)
    return f"{', '.join(who[:_SHOWN])} or {counted(len(who) - _SHOWN, 'other rep')}"
