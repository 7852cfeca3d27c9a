"""Refusals: whoever has no pair has a reason, with the figures, in words that a rep can read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from territory_engine.leads.batch import Refusal
from territory_engine.leads.suitability.refusals import refusals
from tests.territory_engine.leads.choice_cases import Case, cases, suitability_of


@settings(max_examples=80, deadline=None)
@given(cases())
def test_a_rep_has_either_a_pair_or_a_refusal(case: Case) -> None:
    suitability = case.suitability()
    choices = suitability.choices()
    for lead in range(len(case.leads)):
        if suitability.barred[lead]:
            assert refusals(suitability, lead) == {}
            continue
        paired = {f"R{j}" for j in choices.rep[choices.of(lead)]}
        assert set(refusals(suitability, lead)) == {r["rep_id"] for r in case.reps} - paired


def refusal(lead: dict[str, Any], rep: dict[str, Any], policy: dict[str, Any] | None = None) -> Refusal:
    return refusals(suitability_of([lead], [rep], policy), 0)["R0"]


@pytest.mark.parametrize(
    ("lead", "rep", "policy", "expected"),
    [
        (
            {"asks": {"segment": "hospitality"}},
            {"lists": {"segments": "grocery; retail"}},
            {},
            Refusal("segment", "has segments grocery and retail; the lead's segment is hospitality"),
        ),
        (
            {"asks": {"skills": "x;y"}},
            {"lists": {"skills": ""}},
            {},
            Refusal("skills", "has no skills listed; the lead asks for skills x and y"),
        ),
        (
            {"place": (41.9779, -91.6656)},
            {"place": (41.5868, -93.6250), "travel_km": 150.0},
            {},
            Refusal("travel", "is 168.2 km away; travels at most 150 km"),
        ),
        (
            {},
            {"place": (41.5868, -93.6250), "travel_km": 150.0},
            {},
            Refusal("place", "travels at most 150 km, and the lead's address could not be placed"),
        ),
        (
            {"place": (41.9779, -91.6656)},
            {"travel_km": 150.0},
            {},
            Refusal("place", "travels at most 150 km, and no home is known to measure from"),
        ),
        (
            {},
            {"away": True, "away_until": 11_460},
            {},
            Refusal("away", "is on leave until 7 Dec 2026", "2026-12-07T11:00:00Z"),
        ),
        ({}, {"weight": 0.0}, {}, Refusal("weight", "has a fair-share weight of 0 and so takes no leads")),
        (
            {},
            {"at_work": 20 * 60, "time_zone": "Europe/Berlin"},
            {"hours": {"respond_within_h": 4.0}},
            Refusal(
                "hours",
                "is next at work Mon 30 Nov 2026 09:00 (Europe/Berlin); a lead is to be answered within 4 h",
                "2026-11-30T04:00:00Z",
            ),
        ),
        (
            {},
            {"at_work": None},
            {"hours": {"respond_within_h": 4.0}},
            Refusal("hours", "is not at work within a year; a lead is to be answered within 4 h"),
        ),
    ],
)
def test_a_refusal_says_why_with_the_figures(
    lead: dict[str, Any], rep: dict[str, Any], policy: dict[str, Any], expected: Refusal
) -> None:
    assert refusal(lead, rep, policy) == expected


def test_a_rep_is_told_for_whom_a_lead_waits() -> None:
    suitability = suitability_of(
        [{"kind": "domain", "owner": "R1"}, {"kind": "unit", "owner": "R1"}],
        [{}, {"away": True, "away_until": 60}],
        {"matching": {"when_unavailable": "wait"}},
    )
    assert refusals(suitability, 0)["R0"] == Refusal("match", "the lead waits for R1, who has its account")
    assert refusals(suitability, 1)["R0"] == Refusal("match", "the lead waits for R1, in whose territory it lies")
    assert refusals(suitability, 0)["R1"].code == "away"


def test_a_long_list_is_told_in_part() -> None:
    told = refusal({"asks": {"segment": "z"}}, {"lists": {"segments": ";".join("abcdefghij")}})
    assert told.sentence == "has segments a, b, c, d, e, f and 4 more; the lead's segment is z"


def test_a_distance_just_beyond_the_limit_is_not_rounded_to_it() -> None:
    told = refusal({"place": (42.0, -93.0)}, {"place": (41.0, -93.0), "travel_km": 111.195})
    assert told.sentence == "is 111.2 km away; travels at most 111.1 km"
