"""What became of leads, in both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from territory_engine.errors import InputError
from territory_engine.ledger import Ledger
from territory_engine.ledger.records import Outcome
from tests.territory_engine.ledger.made_batches import MOMENT, STEP, decision_table, record


def outcome(outcome_id: str, lead_id: str, kind: str, **more: object) -> Outcome:
    return Outcome(outcome_id, lead_id, kind, MOMENT + timedelta(hours=1), **more)  # type: ignore[arg-type]  # tests try wrong ones


@pytest.fixture
def routed(ledger: Ledger) -> Ledger:
    record(ledger, "b1", decision_table(["a", "b", "c", "q"], ["R1", "R1", "R2", ""]))
    return ledger


def rep(ledger: Ledger, rep_id: str) -> tuple[int, int, int, int]:
    row = ledger.counters().loc[rep_id]
    return int(row["open_leads"]), int(row["level"]), int(row["worth_level"]), int(row["day_leads"])


@pytest.mark.parametrize("kind", ["won", "lost"])
def test_a_lead_won_or_lost_is_closed_and_its_share_stays_charged(routed: Ledger, kind: str) -> None:
    assert routed.record_outcomes([outcome("o1", "a", "accepted"), outcome("o2", "a", kind, value=12.5)]) == [
        "recorded",
        "recorded",
    ]
    assert rep(routed, "R1") == (1, 2 * STEP, 14, 2)
    assert routed.lead_states(["a"])["a"].state == kind
    told = routed.outcomes()
    assert told[["outcome_id", "lead_id", "rep_id", "kind"]].to_numpy().tolist() == [
        ["o1", "a", "R1", "accepted"],
        ["o2", "a", "R1", kind],
    ]
    assert told["value"].tolist()[1] == 12.5


def test_a_returned_lead_gives_its_share_back_and_may_be_routed_again(routed: Ledger) -> None:
    routed.record_outcomes([outcome("o1", "a", "returned"), outcome("o2", "b", "returned")])
    assert rep(routed, "R1") == (0, 0, 0, 2)
    assert [one["stands"] for one in routed.decisions_of("a")] == [False]
    record(routed, "b2", decision_table(["a"], ["R2"]))
    assert rep(routed, "R2") == (2, 2 * STEP, 14, 2)
    assert [one["stands"] for one in routed.decisions_of("a")] == [False, True]
    routed.record_outcomes([outcome("o3", "a", "won")])
    assert rep(routed, "R2")[0] == 1


def test_telling_an_outcome_twice_changes_nothing(routed: Ledger) -> None:
    told = [outcome("o1", "a", "returned", note={"why": "out of area", "by": 1}), outcome("o2", "c", "won", value=3)]
    assert routed.record_outcomes(told) == ["recorded", "recorded"]
    before = routed.counters()
    again = [replace(told[0], note={"by": 1, "why": "out of area"}), replace(told[1], value=3.0)]
    assert routed.record_outcomes([*again, told[0]]) == ["known already"] * 3
    assert routed.counters().equals(before)
    assert routed.record_outcomes([]) == []


def test_what_cannot_be_recorded_is_named_in_full_and_then_nothing_is_recorded(routed: Ledger) -> None:
    routed.record_outcomes([outcome("o0", "b", "lost")])
    before = routed.counters()
    naive = datetime(2026, 11, 29)  # noqa: DTZ001  # what must be refused
    told = [
        outcome("o1", "a", "won"),
        outcome("o2", "nobody", "won"),
        outcome("o3", "q", "accepted"),
        outcome("o4", "b", "returned"),
        outcome("o5", "a", "bought"),
        outcome("o0", "b", "won"),
        outcome("o6", "a", "lost"),
        outcome("", "nul\x00", "won"),
        replace(outcome("o7", "a", "contacted"), at=naive),
        outcome("o8", "a", "contacted", value=float("nan")),
        outcome("o9", "a", "contacted", note={"x": float("inf")}),
        outcome("o1", "c", "won"),
    ]
    with pytest.raises(InputError) as refused:
        routed.record_outcomes(told)
    assert [(finding.file, finding.column) for finding in refused.value.findings] == [
        ("outcomes[1]", "lead_id"),
        ("outcomes[2]", "lead_id"),
        ("outcomes[3]", "lead_id"),
        ("outcomes[4]", "kind"),
        ("outcomes[5]", "outcome_id"),
        ("outcomes[6]", "lead_id"),
        ("outcomes[7]", "outcome_id"),
        ("outcomes[7]", "lead_id"),
        ("outcomes[8]", "at"),
        ("outcomes[9]", "value"),
        ("outcomes[10]", "note"),
        ("outcomes[11]", "outcome_id"),
    ]
    assert "outcomes[3], column 'lead_id': the lead is closed already: lost" in str(refused.value)
    assert routed.counters().equals(before)
    assert list(routed.outcomes()["outcome_id"]) == ["o0"]


def test_being_contacted_may_be_told_after_the_lead_was_closed(routed: Ledger) -> None:
    told = [outcome("o1", "a", "won"), outcome("o2", "a", "contacted")]
    assert routed.record_outcomes(told) == ["recorded", "recorded"]
    assert rep(routed, "R1")[0] == 1


def test_an_outcome_told_before_is_known_after_its_note_was_forgotten(routed: Ledger) -> None:
    told = [outcome("o1", "a", "won", note={"by": "Ada"})]
    routed.record_outcomes(told)
    routed.forget(datetime.now(MOMENT.tzinfo) + timedelta(days=1))
    assert routed.outcomes()["note"].tolist() == ["{}"]
    assert routed.record_outcomes(told) == ["known already"]
