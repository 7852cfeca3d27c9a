"""Choices: the pairs are those of a double loop over every rule, and too many of them are never cut in silence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from territory_engine.config import parse_config
from territory_engine.leads.policy import parse_policy
from territory_engine.leads.suitability import choices as choices_module
from territory_engine.leads.suitability.choices import choices_of
from tests.territory_engine.leads.choice_cases import (
    CONFIG,
    NOW,
    Case,
    batch_of,
    cases,
    matches_of,
    may_take,
    rank_of,
    roster_of,
    suitability_of,
    value_of,
)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_the_choices_are_those_of_a_double_loop(case: Case) -> None:
    choices = case.suitability().choices()
    found = [(i, int(j)) for i in range(len(case.leads)) for j in choices.rep[choices.of(i)]]
    expected = [(i, j) for i in range(len(case.leads)) for j in range(len(case.reps)) if may_take(case, i, j)]
    assert found == expected
    assert choices.rank.tolist() == [rank_of(case, i, j) for i, j in expected]
    assert choices.value.tolist() == pytest.approx([value_of(case, i, j) for i, j in expected], rel=1e-6, abs=1e-3)
    assert not choices.truncated


@settings(max_examples=40, deadline=None)
@given(cases())
def test_blocks_of_any_size_give_the_same_choices(case: Case) -> None:
    whole = case.suitability().choices()
    before = choices_module._BLOCK_CELLS
    choices_module._BLOCK_CELLS = 3
    try:
        parts = case.suitability().choices()
    finally:
        choices_module._BLOCK_CELLS = before
    for name in ("lead_start", "rep", "rank", "value", "travel_km"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_choices_have_the_types_that_the_split_takes() -> None:
    choices = choices_of(batch_of([{}]), matches_of([{}]), roster_of([{}, {}]), parse_policy({}), CONFIG, NOW)
    assert [a.dtype.name for a in (choices.lead_start, choices.rep, choices.rank, choices.value)] == [
        "int64", "int32", "int64", "float64"
    ]  # fmt: skip
    assert np.isnan(choices.travel_km).all()


def test_a_batch_without_leads_and_a_roster_of_which_nobody_is_there_have_no_choices() -> None:
    assert suitability_of([], [{}]).choices().lead_start.tolist() == [0]
    assert suitability_of([{}, {}], [{"away": True}]).choices().lead_start.tolist() == [0, 0, 0]


# --- lines ------------------------------------------------------------------------------------------------------------

OWNED = {"kind": "domain", "owner": "R0", "territory": "T1"}


def ranks(leads: list[dict[str, object]], reps: list[dict[str, object]], **matching: str) -> list[dict[int, int]]:
    choices = suitability_of(leads, reps, {"matching": matching}).choices()
    pairs = [choices.of(i) for i in range(len(leads))]
    return [dict(zip(choices.rep[p].tolist(), choices.rank[p].tolist(), strict=True)) for p in pairs]


REPS: list[dict[str, object]] = [{"territory_ids": "T0"}, {"territory_ids": "T1;T2"}, {}]


def test_the_owner_comes_before_the_territorys_rep_and_both_before_the_pool() -> None:
    assert ranks([OWNED], REPS) == [{0: 0, 1: 1, 2: 2}]
    assert ranks([{"kind": "unit", "owner": "R1", "territory": "T1"}], REPS) == [{0: 2, 1: 1, 2: 2}]


def test_a_match_that_the_policy_ignores_brings_nobody_forward() -> None:
    assert ranks([OWNED], REPS, owner="ignore") == [{0: 2, 1: 1, 2: 2}]
    assert ranks([OWNED], REPS, owner="ignore", territory="ignore") == [{0: 2, 1: 2, 2: 2}]


def test_where_the_owner_is_on_the_roster_no_more_the_territorys_rep_comes_first() -> None:
    assert ranks([{**OWNED, "owner": "R9"}], REPS) == [{0: 2, 1: 1, 2: 2}]
    left: list[dict[str, object]] = [{"away": True, "away_until": None, "at_work": None}, *REPS[1:]]
    assert ranks([OWNED], left, when_unavailable="wait") == [{1: 1}]


def test_a_lead_that_waits_is_left_to_whoever_comes_first_and_to_nobody_if_that_rep_cannot() -> None:
    on_leave: list[dict[str, object]] = [{"away": True, "away_until": 900}, *REPS[1:]]
    assert ranks([OWNED], REPS, when_unavailable="wait") == [{0: 0}]
    assert ranks([OWNED, {}], on_leave, when_unavailable="wait") == [{}, {1: 2, 2: 2}]
    assert ranks([OWNED], on_leave) == [{1: 1, 2: 2}]


# --- rules by default -------------------------------------------------------------------------------------------------


def test_without_rules_in_the_policy_the_plans_own_and_the_usual_ones_hold() -> None:
    config = parse_config(
        {"data": {"accounts": "a", "reps": "r"}, "eligibility": {"column": "tier", "reps_column": "tiers"}}
    )
    leads = [{"asks": {"tier": "gold", "segment": "food"}}]
    reps = [
        {"lists": {"tiers": "gold", "segments": "food;bars"}},
        {"lists": {"tiers": "gold", "segments": "bars"}},
        {"lists": {"tiers": "tin", "segments": "food"}},
    ]
    assert suitability_of(leads, reps, config=config).choices().rep.tolist() == [0]
    assert suitability_of(leads, reps, {"eligibility": []}, config=config).choices().rep.tolist() == [0, 1, 2]
    stated = {"eligibility": [{"column": "segment", "reps_column": "segments"}]}
    assert suitability_of(leads, reps, stated, config=config).choices().rep.tolist() == [0, 2]


def test_a_rule_on_a_column_that_leads_lack_asks_for_nothing_and_that_is_said() -> None:
    choices = suitability_of(
        [{}], [{"lists": {"skills": "x"}}, {}], {"eligibility": [{"column": "skill", "reps_column": "skills"}]}
    ).choices()
    assert choices.rep.tolist() == [0, 1]
    assert choices.notices == ("leads have no column 'skill': no lead asks for anything of reps' 'skills'.",)


def test_what_no_rep_lists_is_said_with_what_was_probably_meant() -> None:
    choices = suitability_of(
        [{"asks": {"segment": "Grocery"}}] * 2, [{"lists": {"segments": "grocery;bars"}}]
    ).choices()
    assert len(choices.rep) == 0
    assert choices.notices == ("2 leads ask for segment 'Grocery', which no rep lists (reps list 'grocery').",)


def test_numbers_in_lists_are_compared_as_people_write_them() -> None:
    reps = roster_of([{}, {}])
    reps.frame["segments"] = [7.0, 8.0]
    batch = batch_of([{"asks": {"segment": "7"}}])
    assert choices_of(batch, matches_of([{}]), reps, parse_policy({}), CONFIG, NOW).rep.tolist() == [0]


# --- travel -----------------------------------------------------------------------------------------------------------


def test_a_lead_just_at_the_travel_limit_is_near_enough_and_one_beyond_is_not() -> None:
    degree_km = 2 * np.pi * 6371.0088 / 360
    leads = [{"place": (42.0, -93.0)}, {"place": (42.0000003, -93.0)}, {"place": (42.0001, -93.0)}]
    choices = suitability_of(leads, [{"place": (41.0, -93.0), "travel_km": degree_km}]).choices()
    assert choices.lead_start.tolist() == [0, 1, 1, 1]
    assert choices.travel_km.tolist() == pytest.approx([degree_km])


def test_a_limit_of_nothing_allows_the_reps_own_place() -> None:
    assert (
        len(suitability_of([{"place": (41.0, -93.0)}], [{"place": (41.0, -93.0), "travel_km": 0.0}]).choices().rep) == 1
    )


# --- too many ---------------------------------------------------------------------------------------------------------


def many(n_leads: int = 40, n_reps: int = 20) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    leads: list[dict[str, object]] = [{"place": (41.0 + i / 100, -93.0)} for i in range(n_leads)]
    reps: list[dict[str, object]] = [{"place": (41.0 + j / 40, -93.0), "territory_ids": f"T{j}"} for j in range(n_reps)]
    leads[3] |= {"kind": "domain", "owner": "R19", "territory": "T18"}
    return leads, reps


def test_of_too_many_pairs_the_best_and_the_first_in_line_are_kept_and_that_is_said() -> None:
    suitability = suitability_of(*many())
    whole, cut = suitability.choices(), suitability.choices(max_pairs=202)
    assert len(cut.rep) <= 202
    assert cut.truncated
    assert cut.notices == (
        "800 pairs of a lead and a rep are possible, of which 202 are kept: for each lead whoever comes first for it and its"
        " 5 best; fairness and value are those of the pairs kept.",
    )
    for i in range(40):
        values = whole.value[whole.of(i)]
        best = set(np.argsort(-values)[:5].tolist())
        assert set(cut.rep[cut.of(i)].tolist()) == best | ({18, 19} if i == 3 else set())
    assert cut.rank[cut.of(3)].min() == 0


def test_among_equals_every_rep_is_kept_for_about_as_many_leads() -> None:
    leads, reps = [{}] * 400, [{}] * 20
    cut = suitability_of(leads, reps).choices(max_pairs=2000)
    assert len(cut.rep) == 2000
    counts = np.bincount(cut.rep, minlength=20)
    assert counts.min() > 60
    assert counts.max() < 145
    again, other = (suitability_of(leads, reps, {"seed": seed}).choices(max_pairs=2000) for seed in (0, 1))
    assert again.rep.tolist() == cut.rep.tolist() != other.rep.tolist()


def test_every_lead_keeps_a_choice_however_few_pairs_are_allowed() -> None:
    cut = suitability_of(*many()).choices(max_pairs=1)
    assert (np.diff(cut.lead_start) >= 1).all()


# --- when it could go -------------------------------------------------------------------------------------------------


def could_go(
    leads: list[dict[str, object]], reps: list[dict[str, object]], policy: dict[str, object] | None = None
) -> list[str]:
    suitability = suitability_of(leads, reps, policy)
    return [str(moment) for moment in suitability.could_go_at(np.arange(len(leads)))]


def test_a_lead_could_go_when_the_first_suitable_rep_is_back() -> None:
    leads: list[dict[str, object]] = [
        {"asks": {"segment": "a"}},
        {"asks": {"segment": "b"}},
        {"asks": {"segment": "c"}},
    ]
    reps: list[dict[str, object]] = [
        {"lists": {"segments": "a"}, "away": True, "away_until": 900, "at_work": 960},
        {"lists": {"segments": "a;b"}, "away": True, "away_until": 1440, "at_work": 1500},
        {"lists": {"segments": "b"}, "away": True, "away_until": None, "at_work": None},
    ]
    assert could_go(leads, reps) == ["2026-11-30T03:00:00", "2026-11-30T12:00:00", "NaT"]


def test_with_hours_a_lead_could_go_when_somebody_is_at_work_soon_enough() -> None:
    reps: list[dict[str, object]] = [{"at_work": 960}, {"at_work": None}]
    assert could_go([{}], reps, {"hours": {"respond_within_h": 4.0}}) == ["2026-11-30T00:00:00"]
    assert could_go([{}], reps[1:], {"hours": {"respond_within_h": 4.0}}) == ["NaT"]


def test_nobody_without_a_weight_brings_a_lead_forward_and_a_barred_lead_never_could_go() -> None:
    assert could_go([{}], [{"weight": 0.0}]) == ["NaT"]
    assert could_go([{"kind": "ambiguous"}], [{}]) == ["NaT"]


def test_a_lead_could_go_no_sooner_than_somebody_has_room() -> None:
    suitability = suitability_of([{}, {}], [{}, {}, {}])
    room = np.array(["2026-12-01T00:00:00", "2026-11-30T00:00:00", "NaT"], "datetime64[s]")
    assert [str(m) for m in suitability.could_go_at(np.array([1]), room)] == ["2026-11-30T00:00:00"]


@settings(max_examples=40, deadline=None)
@given(cases())
def test_a_lead_with_a_choice_could_go_now_and_one_without_later_or_never(case: Case) -> None:
    suitability = case.suitability()
    has = np.diff(suitability.choices().lead_start) > 0
    moments = suitability.could_go_at(np.arange(len(case.leads)))
    now = np.datetime64(int(NOW.timestamp()), "s")
    assert (moments[has] == now).all()
    assert (np.isnat(moments[~has]) | (moments[~has] > now)).all()
