"""Why a lead went where it did, as people read it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from territory_engine.errors import LedgerError, UnknownLeadError
from territory_engine.leads.explaining.explanation import explain
from territory_engine.ledger.records import Outcome
from tests.territory_engine.leads.explaining.conftest import MONDAY, MakeRouter, lead

NEAR_BEN = {"latitude": 42.0, "longitude": -91.61}
BY_PLACE = {"matching": {"owner": "ignore", "territory": "ignore"}}

OWNER = """\
Lead L1 went to R1. Routed 30 Nov 2026 15:00 UTC, in batch b1 of 1 lead.
R1 (Ada) has its account: it names account A0 (Shop Alder).
The lead: account_id A0, value 500.

R1 (Ada) has it:
    share 0.00, then 1.00 with 1 lead of this batch, worth 500, has its account

2 other reps of 3 could have had it. With them instead:
  R2 (Ben): share 0.00, with no lead of this batch, worth 500
    R1, who has its account, would be passed over: the policy puts the account's rep before even shares and value.
  R3 (Cleo): share 0.00, with no lead of this batch, worth 500
    R1, who has its account, would be passed over: the policy puts the account's rep before even shares and value.

Share: leads per unit of weight, with credit for time before joining and away."""

VALUE = """\
Lead L1 went to R2. Routed 30 Nov 2026 15:00 UTC, in batch b1 of 3 leads.
R2 (Ben), R1 (Ada) and R3 (Cleo) were equally due (share 0.00), and it is worth most with R2 (Ben): 1 km, worth 499.17.
The lead: at 42.0000, -91.6100, value 500.

R2 (Ben) has it:
    share 0.00, then 1.00 with 1 lead of this batch, 0.8 km, worth 499.17

2 other reps of 3 could have had it. With them instead:
  R3 (Cleo): share 0.00, then 1.00 with 1 lead of this batch, 85.6 km, worth 414.45
    Shares would be as even, but the batch would be worth 170.71 less: this lead is worth 84.72 less with R3 (85 km further), and another lead would have to move, which costs 85.99.
  R1 (Ada): share 0.00, then 1.00 with 1 lead of this batch, 170.8 km, worth 329.16
    Shares would be as even, but the batch would be worth 341.63 less: this lead is worth 170.01 less with R1 (170 km further), and another lead would have to move, which costs 171.62.

Share: leads per unit of weight, with credit for time before joining and away."""

QUEUED = """\
Lead L1 waits. Routed 30 Nov 2026 15:00 UTC, in batch b1 of 4 leads.
All 3 reps who can take it have no room.
The lead: value 10.
No match: it has no address: neither latitude and longitude nor a postal code.

3 reps of 3 could have had it. With them instead:
  R1 (Ada): share 0.00, then 1.00 with 1 lead of this batch, worth 10
    Another lead would have to wait in its place, and the batch would be worth 10 less: this lead brings 10 with R1, and what would have to wait or move costs 20.
  R2 (Ben): share 0.00, then 1.00 with 1 lead of this batch, worth 10
    Another lead would have to wait in its place, and the batch would be worth 10 less: this lead brings 10 with R2, and what would have to wait or move costs 20.
  R3 (Cleo): share 0.00, then 1.00 with 1 lead of this batch, worth 10
    Another lead would have to wait in its place, and the batch would be worth 10 less: this lead brings 10 with R3, and what would have to wait or move costs 20.

What would help:
  Raise what R1, R2 and R3 may take: limits.open_leads (now 1), or close one of their open leads.

Share: leads per unit of weight, with credit for time before joining and away."""

REJECTED = """\
Lead L1 was rejected. Routed 30 Nov 2026 15:00 UTC, in batch b1 of 1 lead.
latitude: is out of range (found '91'); allowed: decimal degrees from -90 to 90.
No match: it has no address: neither latitude and longitude nor a postal code.

Nobody was asked: it cannot go to anybody as it is.

What would help:
  Correct the fields named above, and send the lead again."""

AWAY = """\
Lead L1 waits. Routed 30 Nov 2026 15:00 UTC, in batch b1 of 1 lead.
None of 3 reps can take it: 1 does not cover its segment, 1 is away and 1 is not at work soon enough.
The lead: segment retail.
No match: it has no address: neither latitude and longitude nor a postal code.

3 reps of 3 could not take it:
  R1 (Ada) is on leave until 7 Dec 2026
  R2 (Ben) is next at work Tue 1 Dec 2026 08:00 (Asia/Tokyo); a lead is to be answered within 1 h
  R3 (Cleo) has segments bars; the lead's segment is retail

What would help:
  From Tue 1 Dec 2026 07:00 (Asia/Tokyo) R2 (Ben) could take it, as things stood: run `territory-engine route --queue` then.
  Give reps longer to answer: with hours.respond_within_h = 8 one of them could take it.

Share: leads per unit of weight, with credit for time before joining and away."""


def test_a_lead_of_an_account_names_who_would_be_passed_over(make_router: MakeRouter) -> None:
    router = make_router()
    router.route([lead("L1", account_id="A0", value=500)], "b1", at=MONDAY)
    assert explain(router.ledger, "L1").text() == OWNER


def test_a_lead_that_value_decided_says_what_each_other_choice_costs(make_router: MakeRouter) -> None:
    router = make_router(BY_PLACE)
    leads = [
        lead("L1", value=500, **NEAR_BEN),
        lead("L2", latitude=42.5, longitude=-92.41, value=700),
        lead("L3", latitude=41.6, longitude=-93.61, value=900),
    ]
    router.route(leads, "b1", at=MONDAY)
    assert explain(router.ledger, "L1").text() == VALUE


def test_a_lead_that_waits_says_what_would_have_to_give_way_and_what_would_help(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"open_leads": 1}})
    router.route([lead(f"L{i}", value=10 * i) for i in range(1, 5)], "b1", at=MONDAY)
    assert explain(router.ledger, "L1").text() == QUEUED


def test_a_rejected_lead_names_its_fields(make_router: MakeRouter) -> None:
    router = make_router()
    router.route([lead("L1", latitude=91, longitude=120)], "b1", at=MONDAY)
    assert explain(router.ledger, "L1").text() == REJECTED


def test_a_lead_that_could_be_several_accounts_is_told_to_name_one(make_router: MakeRouter) -> None:
    router = make_router({"matching": {"company_threshold": 60.0, "company_margin": 30.0}})
    router.route([lead("L1", company="Shop Firelm")], "b1", at=MONDAY)
    explanation = explain(router.ledger, "L1")
    assert explanation.decision["reason_code"] == "ambiguous"
    assert explanation.text().splitlines()[3:] == [
        "",
        "No rep was asked: whose it is has to be settled first.",
        "",
        "What would help:",
        "  Give the lead the account_id of the account that is meant, and send it again.",
    ]
    assert "was not asked" in explanation.text("R1")


def test_leave_hours_and_segments_are_told_rep_by_rep(make_router: MakeRouter) -> None:
    router = make_router(
        {"hours": {"respond_within_h": 1}},
        time_zone=["America/Chicago", "Asia/Tokyo", "America/Chicago"],
        working_hours=["08:00-17:00"] * 3,
        leave=["2026-11-28..2026-12-07", "", ""],
        segments=["retail", "retail;bars", "bars"],
    )
    router.route([lead("L1", segment="retail")], "b1", at=MONDAY)
    assert explain(router.ledger, "L1").text() == AWAY


def test_the_rep_whose_turn_it_was_not_can_check_the_shares(make_router: MakeRouter) -> None:
    router = make_router(weight=[1.0, 1.0, 0.5])
    for batch in range(5):
        router.route([lead(f"L{batch}")], f"b{batch}", at=MONDAY)
    explanation = explain(router.ledger, "L4")
    (holder,) = explanation.of_group("has_it")
    assert [explanation.rep(rep).share_before for rep in ("R1", "R2", "R3")] == [1.0, 2.0, 2.0]
    assert holder.rep_id == "R1"
    assert explanation.text(rep_id="R3").splitlines()[3:] == [
        "Why R3 did not get lead L4: R3 could have taken it.",
        "  share 2.00, with no lead of this batch, worth 1",
        "  If R3 had it, shares would be less even: R3 would end the batch at 4.00 instead of 2.00 and R1, whose turn"
        " it was, at 1.00 instead of 2.00.",
        "  With R1, who has it: share 1.00, then 2.00 with 1 lead of this batch, worth 1",
    ]


def test_a_territory_s_rep_who_is_passed_over_is_named(make_router: MakeRouter) -> None:
    router = make_router()
    router.route([lead("L1", value=500, **NEAR_BEN)], "b1", at=MONDAY)
    explanation = explain(router.ledger, "L1")
    sentence = (
        "R2, in whose territory it lies, would be passed over: the policy puts the territory's rep before even shares and"
        " value; the batch would be worth 84.72 less"
    )
    assert explanation.rep("R3").sentence == sentence
    assert explanation.rep("R2").preference == "territory"


def test_a_tie_is_said_to_be_one(make_router: MakeRouter) -> None:
    router = make_router()
    router.route([lead("L1")], "b1", at=MONDAY)
    others = explain(router.ledger, "L1").of_group("could")
    assert {view.code for view in others} == {"tie"}
    assert others[0].sentence.startswith("nothing would be better or worse: neither had had a lead")


def test_lists_that_are_numbers_are_told_as_they_were_compared(make_router: MakeRouter) -> None:
    router = make_router(skills=["1", "2", ""])
    router.route([lead("L1", skills="2")], "b1", at=MONDAY)
    explanation = explain(router.ledger, "L1")
    assert explanation.decision["rep_id"] == "R2"
    assert explanation.rep("R1").sentence == "has skills 1; the lead's skills are 2"
    assert explanation.rep("R3").sentence == "has no skills listed; the lead's skills are 2"


def test_of_many_who_would_do_as_well_a_few_are_told_one_by_one(make_router: MakeRouter) -> None:
    import pandas as pd

    router = make_router(reps=pd.DataFrame({"rep_id": [f"N{i:02d}" for i in range(30)]}))
    router.route([lead("L1")], "b1", at=MONDAY)
    text = explain(router.ledger, "L1").text()
    assert text.count("Nothing would be better or worse") == 3
    assert "  With 29 more, nothing would be better or worse." in text


def test_with_slack_whoever_has_it_says_what_the_slack_did(make_router: MakeRouter) -> None:
    router = make_router({**BY_PLACE, "fair_share": {"fairness_slack": 2}})
    router.route([lead("L1", value=500, **NEAR_BEN)], "b1", at=MONDAY)
    router.route([lead("L2", value=500, **NEAR_BEN)], "b2", at=MONDAY)
    explanation = explain(router.ledger, "L2")
    (holder,) = explanation.of_group("has_it")
    assert holder.sentence == (
        "has it; beside the fairest split, shares would be less even: R2 would end the batch at 2.00 instead of 1.00 and R3,"
        " whose turn it was, at 0.00 instead of 1.00; the batch would be worth 84.72 more"
    )
    assert explanation.notices[0].startswith("The policy lets a rep be 2 leads off the fairest split")


def test_a_rep_who_was_full_before_the_batch_could_not_and_one_filled_by_it_could(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"per_day": "most"}}, most=[1, 2, 3])
    router.route([lead("K1", account_id="A0")], "b1", at=MONDAY)
    router.route([lead(f"L{i}") for i in range(6)], "b2", at=MONDAY)
    explanation = explain(router.ledger, "L5")
    assert explanation.status == "queued"
    full = explanation.rep("R1")
    assert (full.group, full.code) == ("could_not", "per_day")
    assert full.sentence == "has had 1 lead today of at most 1; more from Tue 1 Dec 2026 00:00 (UTC)"
    assert [view.rep_id for view in explanation.of_group("could")] == ["R2", "R3"]
    assert "Raise what R2, R3 and R1 may take: column 'most' of the reps." in explanation.advice


def test_travel_names_the_nearest_and_the_limit_that_would_do(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"travel_km": 50}})
    router.route([lead("L1", latitude=41.0, longitude=-93.6)], "b1", at=MONDAY)
    explanation = explain(router.ledger, "L1")
    assert explanation.rep("R1").sentence == "has its territory, but is 66.7 km away; travels at most 50 km"
    assert explanation.advice == ("Let R1, who has its territory, travel 67 km instead of 50 km.",)


def test_a_lead_without_a_place_is_told_to_have_one(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"travel_km": 50}})
    router.route([lead("L1")], "b1", at=MONDAY)
    (advice,) = explain(router.ledger, "L1").advice
    assert advice.startswith("Give the lead a latitude and longitude, or a postal code that is known")


def test_a_lead_that_waits_for_its_owner_is_left_to_nobody_else(make_router: MakeRouter) -> None:
    policy = {"matching": {"when_unavailable": "wait"}, "limits": {"open_leads": 1}}
    router = make_router(policy)
    router.route([lead("K1", account_id="A0")], "b1", at=MONDAY)
    router.route([lead("L1", account_id="A1")], "b2", at=MONDAY)
    explanation = explain(router.ledger, "L1")
    assert explanation.rep("R1").code == "open_leads"
    assert explanation.rep("R2").sentence == "the lead waits for R1, who has its account"
    assert explanation.advice[-1] == 'Let others take it: matching.when_unavailable = "next" in the policy.'


def test_hundreds_of_reps_are_summed_up_and_each_can_still_ask(make_router: MakeRouter) -> None:
    import pandas as pd

    many = pd.DataFrame({"rep_id": [f"N{i:03d}" for i in range(300)], "segments": ["retail"] * 290 + ["bars"] * 10})
    router = make_router(reps=many)
    router.route([lead("L1", segment="bars")], "b1", at=MONDAY)
    explanation = explain(router.ledger, "L1")
    text = explanation.text()
    assert "293 reps of 303 could not take it:\n  293 reps do not cover its segment\n" in text
    assert "N000" not in text
    assert "Why N000 did not get lead L1: N000 has segments retail; the lead's segment is bars." in explanation.text(
        "N000"
    )
    assert len(explanation.to_dict()["reps"]) == 303


def test_a_lead_returned_and_routed_again_has_its_history(make_router: MakeRouter) -> None:
    router = make_router()
    router.route([lead("L1")], "b1", at=MONDAY)
    first = explain(router.ledger, "L1").decision["rep_id"]
    router.ledger.record_outcomes([Outcome("o1", "L1", "returned", MONDAY + timedelta(hours=1))])
    router.route([lead("L1", account_id="A4")], "b2", at=MONDAY + timedelta(hours=2))
    router.route([lead("L1")], "b3", at=MONDAY + timedelta(hours=3))
    explanation = explain(router.ledger, "L1")
    assert explanation.batch["batch_id"] == "b2"
    assert explanation.text().splitlines()[-7:-2] == [
        "So far:",
        f"  30 Nov 2026 15:00 UTC: assigned to {first}, batch b1",
        f"  30 Nov 2026 16:00 UTC: returned by {first}",
        "  30 Nov 2026 17:00 UTC: assigned to R3, batch b2",
        "  30 Nov 2026 18:00 UTC: rejected (already routed), batch b3",
    ]
    assert explain(router.ledger, "L1", "b1").decision["rep_id"] == first
    again = explain(router.ledger, "L1", "b3")
    assert {view.group for view in again.reps} == {"could_not"}
    assert "Record the outcome 'returned'" in again.text()


def test_an_unknown_lead_is_told_with_those_most_like_it(make_router: MakeRouter) -> None:
    router = make_router()
    router.route([lead("Lead-1001"), lead("Lead-1002"), lead("100%")], "b1", at=MONDAY)
    with pytest.raises(UnknownLeadError, match=r"no lead 'lead-101' was routed; the most alike: 'Lead-100[12]', "):
        explain(router.ledger, "lead-101")
    for strange in ("", "%", "\x00", "zz", "\ud800"):
        with pytest.raises(UnknownLeadError, match="no lead "):
            explain(router.ledger, strange)
    with pytest.raises(UnknownLeadError, match=r"'Lead-1001' is not in batch 'b9'. Remedy: give one of 'b1'"):
        explain(router.ledger, "Lead-1001", "b9")
    with pytest.raises(UnknownLeadError, match=r"knew no rep 'r11'; the most alike: 'R1'"):
        explain(router.ledger, "Lead-1001").rep("r11")
    assert explain(router.ledger, "Lead-1001").rep("r1").rep_id == "R1"
    assert explain(router.ledger, "Lead-1001").rep("ben").rep_id == "R2"


def test_a_forgotten_batch_is_said_to_be_forgotten(make_router: MakeRouter) -> None:
    router = make_router()
    router.route([lead("L1")], "b1", at=MONDAY)
    router.ledger.forget(MONDAY + timedelta(days=1))
    with pytest.raises(LedgerError, match="its decisions were deleted at"):
        explain(router.ledger, "L1")
    record = router.lead("L1")
    assert record is not None
    assert (record["state"], record["explanation"]) == ("assigned", None)


def test_nothing_in_an_id_reaches_the_terminal_as_a_command(make_router: MakeRouter) -> None:
    router = make_router()
    wicked = "L\x1b[31m\u202e\u2028x"
    router.route([{"lead_id": "L1"}], "b1", at=MONDAY)
    import dataclasses

    shown = dataclasses.replace(explain(router.ledger, "L1"), lead_id=wicked)
    for told in (shown.text(), shown.text("R1")):
        assert all(c.isprintable() or c == "\n" for c in told)
        assert "L\\x1b[31m\\u202e" in told


def test_everything_is_json_and_the_service_gets_state_decisions_and_explanation(make_router: MakeRouter) -> None:
    router = make_router()
    router.route([lead("L1"), lead("L2", latitude=91)], "b1", at=MONDAY)
    record = json.loads(json.dumps(router.lead("L1"), allow_nan=False))
    assert record["state"] == "assigned"
    assert [decision["batch_id"] for decision in record["decisions"]] == ["b1"]
    assert [rep["group"] for rep in record["explanation"]["reps"]] == ["has_it", "could", "could"]
    assert record["explanation"]["reps"][1]["price"]["decided_by"] in ("tie", "evenness")
    json.dumps(router.lead("L2"), allow_nan=False)
    assert router.lead("L3") is None


def test_one_rep_alone_is_all_that_its_json_holds(make_router: MakeRouter) -> None:
    router = make_router()
    router.route([lead("L1")], "b1", at=MONDAY)
    assert [rep["rep_id"] for rep in explain(router.ledger, "L1").to_dict("R2")["reps"]] == ["R2"]


def test_a_ledger_without_the_newer_columns_is_explained_as_far_as_it_goes(make_router: MakeRouter) -> None:
    import dataclasses

    from territory_engine.leads.explaining.stored_suitability import stored_suitability
    from territory_engine.leads.stored_tables import from_parquet

    router = make_router(leave=["2026-11-28..2026-12-07", "", ""], segments=["bars", "bars", "bars"])
    router.route([lead("L1", segment="clubs")], "b1", at=MONDAY)
    stored = router.ledger.stored_batch("b1")
    assert stored is not None
    roster = from_parquet(stored.record.roster).drop(columns=["away_until", "away_because"])
    proof = {key: value for key, value in stored.record.proof.items() if key != "rules"}
    record = dataclasses.replace(stored.record, proof=proof)
    suitability = stored_suitability(record, roster, stored.decisions.iloc[0].to_dict())
    assert [(d.column, d.reps_column) for d in suitability.demands] == [("segment", "segments")]
    assert suitability.roster.away_because is None
