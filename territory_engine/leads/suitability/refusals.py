"""Why a rep cannot take a lead, for people, with the figures; worked out when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.problem import LIMIT_SLACK
from territory_engine.grammar import listed, not_above, not_below, plural
from territory_engine.leads.batch import Refusal
from territory_engine.leads.reps.availability import iso_moment, late_in_words
from territory_engine.leads.reps.working_hours import zone_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.leads.suitability.choices import Suitability
    from territory_engine.leads.suitability.eligibility import Demand


def refusals(suitability: Suitability, lead: int) -> dict[str, Refusal]:
    """Return why each rep who cannot take a lead cannot; whoever is not in it can, as far as there is room.

    The first thing that stands in the way is told, in this order: what the lead asks for, travel, being away, weight,
    hours, and the line that the lead waits in. For a lead that nobody may have (rejected, ambiguous) it is empty: the
    lead, not the rep, is what stands in the way.

    Parameters
    ----------
    suitability : Suitability
    lead : int
        Position in the batch.

    Returns
    -------
    dict of str to Refusal
        By rep ID, in the roster's order.
    """
    n_reps = suitability.n_reps
    km = suitability.kilometres(np.full(n_reps, lead), np.arange(n_reps))
    found: dict[str, Refusal] = {}
    for row, rep in enumerate(suitability.roster.frame.index):
        refusal = _refusal(suitability, lead, row, float(km[row]))
        if refusal is not None:
            found[str(rep)] = refusal
    return found


def refusal_of(suitability: Suitability, lead: int, rep: int) -> Refusal | None:
    """Return why a rep (row of the roster) cannot take a lead, as :func:`refusals` does; None if the rep can."""
    return _refusal(suitability, lead, rep, float(suitability.kilometres(np.array([lead]), np.array([rep]))[0]))


def _refusal(suitability: Suitability, lead: int, row: int, km: float) -> Refusal | None:
    if suitability.barred[lead]:
        return None
    return (
        _by_demand(suitability, lead, row)
        or _by_travel(suitability, lead, row, km)
        or _by_absence(suitability, row)
        or _by_line(suitability, lead, row)
    )


def _by_demand(suitability: Suitability, lead: int, row: int) -> Refusal | None:
    for demand in suitability.demands:
        code = int(demand.code[lead])
        if not demand.met[code, row]:
            return Refusal(demand.column, _demand_in_words(demand, code, row))
    return None


def _demand_in_words(demand: Demand, code: int, row: int) -> str:
    wanted, has = demand.wanted[code], demand.listed[row]
    several = demand.column.endswith("s")
    what = (
        f"the lead's {demand.column} {'are' if several else 'is'} {listed(wanted)}"
        if len(wanted) == 1
        else f"the lead asks for {demand.column if several else plural(demand.column)} {listed(wanted)}"
    )
    if not has:
        return f"has no {demand.reps_column} listed; {what}"
    shown = [*has[:_SHOWN], f"{len(has) - _SHOWN} more"] if len(has) > _SHOWN else has
    return f"has {demand.reps_column} {listed(shown)}; {what}"


_SHOWN = 6


def _by_travel(suitability: Suitability, lead: int, row: int, km: float) -> Refusal | None:
    limit = float(suitability.roster.travel_km[row])
    if np.isinf(limit):
        return None
    most = f"travels at most {not_above(limit)} km"
    if np.isnan(km):
        homeless = np.isnan(suitability.roster.frame["latitude"].iloc[row])
        whose = "no home is known to measure from" if homeless else "the lead's address could not be placed"
        return Refusal("place", f"{most}, and {whose}")
    if km > limit + LIMIT_SLACK * max(1.0, limit):
        return Refusal("travel", f"is {not_below(round(km, 1) if km - limit > 0.1 else km)} km away; {most}")
    return None


def _by_absence(suitability: Suitability, row: int) -> Refusal | None:
    roster = suitability.roster
    if roster.away[row]:
        sentence = str(roster.away_because[row]) if roster.away_because is not None else "is away"
        until = roster.away_until[row] if roster.away_until is not None else roster.next_at_work[row]
        return Refusal("away", sentence, _iso(until))
    if not roster.weight[row] > 0:
        return Refusal("weight", "has a fair-share weight of 0 and so takes no leads")
    start = suitability.takes_leads_from[row]
    if not start <= suitability.now:
        hours = suitability.policy.hours.respond_within_h or 0.0
        work = roster.next_at_work[row]
        zone = zone_of(str(roster.frame["time_zone"].iloc[row]))
        at_work = None if np.isnat(work) else int(work.astype(np.int64))
        return Refusal("hours", late_in_words(at_work, zone, hours), _iso(start))
    return None


def _by_line(suitability: Suitability, lead: int, row: int) -> Refusal | None:
    first = int(suitability.first_in_line[lead])
    if not suitability.waits[lead] or row == first:
        return None
    whose = "who has its account" if suitability.owner[lead] >= 0 else "in whose territory it lies"
    return Refusal("match", f"the lead waits for {suitability.roster.frame.index[first]!s}, {whose}")


def _iso(moment: np.datetime64 | NDArray[np.datetime64]) -> str | None:
    return None if np.isnat(moment) else iso_moment(int(np.asarray(moment).astype("datetime64[s]").astype(np.int64)))
