"""Batches and rosters for tests, and a double loop that says who may take which lead without any of the engine's code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from territory_engine.config import Config, parse_config
from territory_engine.leads.batch import LeadBatch, Matches, Roster
from territory_engine.leads.policy import parse_policy
from territory_engine.leads.suitability.choices import Suitability

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
CONFIG = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}})
NEVER = "NaT"


def roster_of(reps: list[dict[str, Any]]) -> Roster:
    """Return a roster; each rep may have any of its fields, in minutes from now where they are moments."""
    n = len(reps)
    frame = pd.DataFrame(
        {
            "name": [str(r.get("name", "")) for r in reps],
            "latitude": [r.get("place", (math.nan, math.nan))[0] for r in reps],
            "longitude": [r.get("place", (math.nan, math.nan))[1] for r in reps],
            "territory_ids": [r.get("territory_ids", "") for r in reps],
            "time_zone": [r.get("time_zone", "UTC") for r in reps],
        },
        index=pd.Index([r.get("rep_id", f"R{i}") for i, r in enumerate(reps)], name="rep_id", dtype=str),
    )
    for column in {c for r in reps for c in r.get("lists", {})}:
        frame[column] = [r.get("lists", {}).get(column, "") for r in reps]

    def moments(key: str) -> Any:
        told = [r.get(key, 0) for r in reps]
        return np.array([np.datetime64(NEVER, "s") if m is None else _after(m) for m in told], "datetime64[s]").reshape(
            n
        )

    def numbers(key: str, default: float) -> Any:
        return np.array([r.get(key, default) for r in reps], np.float64)

    return Roster(
        frame=frame,
        weight=numbers("weight", 1.0),
        away=np.array([r.get("away", False) for r in reps], bool),
        next_at_work=moments("at_work"),
        local_day=np.array([r.get("local_day", "2026-11-29") for r in reps], object),
        local_week=np.array([r.get("local_week", "2026-W48") for r in reps], object),
        open_leads=numbers("open_leads", math.inf),
        per_day=numbers("per_day", math.inf),
        per_week=numbers("per_week", math.inf),
        travel_km=numbers("travel_km", math.inf),
        away_until=moments("away_until"),
        away_because=np.array(["is on leave until 7 Dec 2026" if r.get("away") else "" for r in reps], object),
    )


def _after(minutes: float) -> np.datetime64:
    return np.datetime64(int(NOW.timestamp()) + round(minutes * 60), "s")


def batch_of(leads: list[dict[str, Any]], rejected: tuple[int, ...] = ()) -> LeadBatch:
    frame = pd.DataFrame(
        {
            "lead_id": [f"L{i}" for i in range(len(leads))],
            "latitude": [lead.get("place", (math.nan, math.nan))[0] for lead in leads],
            "longitude": [lead.get("place", (math.nan, math.nan))[1] for lead in leads],
            "score": [float(lead.get("score", 1.0)) for lead in leads],
            "value": [float(lead.get("value", math.nan)) for lead in leads],
        }
    )
    for column in {c for lead in leads for c in lead.get("asks", {})}:
        frame[column] = [lead.get("asks", {}).get(column, "") for lead in leads]
    return LeadBatch(frame, "", dict.fromkeys(rejected, ()))


def matches_of(leads: list[dict[str, Any]]) -> Matches:
    def texts(key: str, default: str) -> Any:
        return np.array([lead.get(key, default) for lead in leads], object)

    n = len(leads)
    empty = np.full(n, "", object)
    return Matches(texts("kind", "none"), texts("owner", ""), texts("territory", ""), empty, empty, np.full(n, np.nan))


def suitability_of(
    leads: list[dict[str, Any]],
    reps: list[dict[str, Any]],
    policy: dict[str, Any] | None = None,
    *,
    rejected: tuple[int, ...] = (),
    config: Config = CONFIG,
) -> Suitability:
    return Suitability.of(
        batch_of(leads, rejected), matches_of(leads), roster_of(reps), parse_policy(policy or {}), config, NOW
    )


@dataclass(frozen=True)
class Case:
    """Leads, reps and a policy as plain Python has them."""

    leads: list[dict[str, Any]]
    reps: list[dict[str, Any]]
    policy: dict[str, Any]
    rejected: tuple[int, ...] = ()

    def suitability(self) -> Suitability:
        return suitability_of(self.leads, self.reps, self.policy, rejected=self.rejected)


RULES = (("segment", "segments"), ("language", "languages"))


def words(cell: str) -> set[str]:
    return {part.strip() for part in cell.split(";") if part.strip()}


def km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The chord through the earth, and the arc above it."""
    (p, q), (r, s) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    ends = [(math.cos(u) * math.cos(v), math.cos(u) * math.sin(v), math.sin(u)) for u, v in ((p, q), (r, s))]
    return 2 * 6371.0088 * math.asin(min(1.0, math.dist(*ends) / 2))


def in_line(case: Case, lead: dict[str, Any]) -> list[tuple[int, int]]:
    """Return rank and rep of the owner and of the territory's rep, as far as there are any."""
    here = {r["rep_id"]: i for i, r in enumerate(case.reps) if not (r.get("away") and r.get("away_until", 0) is None)}
    held = {t: i for r, i in here.items() for t in words(case.reps[i].get("territory_ids", ""))}
    matching, found = case.policy.get("matching", {}), []
    by_account, by_place = lead["kind"] in ("account_id", "domain", "company"), lead["kind"] in ("unit", "postal_code")
    if by_account and lead["owner"] in here and matching.get("owner") != "ignore":
        found.append((0, here[lead["owner"]]))
    if (by_account or by_place) and matching.get("territory") != "ignore":
        if by_place and lead["owner"] in here:
            found.append((1, here[lead["owner"]]))
        elif lead["territory"] in held:
            found.append((1, held[lead["territory"]]))
    return found


def may_take(case: Case, i: int, j: int) -> bool:
    """Whether a lead may go to a rep, one rule after the other."""
    lead, rep = case.leads[i], case.reps[j]
    if i in case.rejected or lead["kind"] == "ambiguous":
        return False
    for column, reps_column in RULES:
        if any(reps_column in r["lists"] for r in case.reps) and not (
            words(lead["asks"].get(column, "")) <= words(rep["lists"].get(reps_column, ""))
        ):
            return False
    if "travel_km" in rep:
        if "place" not in lead or "place" not in rep:
            return False
        if km(lead["place"], rep["place"]) > rep["travel_km"]:
            return False
    if rep["away"] or rep["weight"] == 0:
        return False
    hours = case.policy.get("hours", {}).get("respond_within_h")
    if hours is not None and (rep["at_work"] is None or rep["at_work"] > 60 * hours):
        return False
    first = in_line(case, lead)
    return not (first and case.policy.get("matching", {}).get("when_unavailable") == "wait" and j != first[0][1])


def rank_of(case: Case, i: int, j: int) -> int:
    return next((rank for rank, rep in in_line(case, case.leads[i]) if rep == j), 2)


def value_of(case: Case, i: int, j: int) -> float:
    lead, rep = case.leads[i], case.reps[j]
    value = float(lead.get("score", 1.0)) * float(lead.get("value", 1.0))
    for fit in case.policy.get("fit", ()):
        asked = words(lead["asks"].get(fit["column"], ""))
        if asked and asked <= words(rep["lists"].get(fit["reps_column"], "")):
            value *= fit["factor"]
    travelled = km(lead["place"], rep["place"]) if "place" in lead and "place" in rep else 0.0
    return value - float(case.policy.get("value", {}).get("travel_cost_per_km", 1.0)) * travelled


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a few leads and reps with every kind of rule."""
    places = st.sampled_from([(41.6, -93.6), (41.9, -91.7), (42.5, -96.4), (40.0, -90.0), (-33.9, 151.2)])
    lists = st.sampled_from(["", "a", "b", "a;b", " b ; a;", "c"])
    columns = draw(st.sampled_from([("segments", "languages"), ("segments",), ()]))
    n_reps = draw(st.integers(1, 5))
    reps: list[dict[str, Any]] = []
    for j in range(n_reps):
        away = draw(st.booleans()) and draw(st.booleans())
        rep: dict[str, Any] = {
            "rep_id": f"R{j}",
            "lists": {column: draw(lists) for column in columns},
            "away": away,
            "away_until": draw(st.sampled_from([None, 30, 900])) if away else 0,
            "weight": draw(st.sampled_from([1.0, 0.5, 0.0])),
            "at_work": draw(st.sampled_from([0, 0, 61, 120, 600, None])),
            "territory_ids": draw(st.sampled_from(["", f"T{j}", f"T{j};U{j}"])),
        }
        if draw(st.booleans()):
            rep["place"] = draw(places)
        if draw(st.booleans()):
            rep["travel_km"] = draw(st.sampled_from([0.0, 150.0, 300.0, 25_000.0]))
        reps.append(rep)
    leads: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 6))):
        lead: dict[str, Any] = {
            "asks": {"segment": draw(lists), "language": draw(lists)},
            "kind": draw(st.sampled_from(["none", "none", "domain", "account_id", "unit", "postal_code", "ambiguous"])),
            "owner": draw(st.sampled_from(["", "R0", "R1", "gone"])),
            "territory": draw(st.sampled_from(["", "T0", "T1", "U1", "T9"])),
            "score": draw(st.sampled_from([1.0, 0.3, 40.0])),
        }
        if draw(st.booleans()):
            lead["value"] = draw(st.sampled_from([0.0, 120.5, 9000.0]))
        if draw(st.booleans()):
            lead["place"] = draw(places)
        leads.append(lead)
    policy: dict[str, Any] = {
        "matching": {
            "owner": draw(st.sampled_from(["first", "ignore"])),
            "territory": draw(st.sampled_from(["first", "ignore"])),
        },
        "value": {"travel_cost_per_km": draw(st.sampled_from([0.0, 1.0, 2.5]))},
    }
    if set(policy["matching"].values()) != {"ignore"}:
        policy["matching"]["when_unavailable"] = draw(st.sampled_from(["next", "wait"]))
    if draw(st.booleans()):
        policy["hours"] = {"respond_within_h": draw(st.sampled_from([0.0, 2.0, 24.0]))}
    if draw(st.booleans()):
        policy["fit"] = [{"column": "segment", "reps_column": "segments", "factor": 1.5}]
    rejected = tuple(i for i in range(len(leads)) if draw(st.integers(0, 5)) == 0)
    return Case(leads, reps, policy, rejected)
