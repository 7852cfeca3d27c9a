"""What batches of leads look like when other systems wrote them, through the whole router."""

from __future__ import annotations

from pathlib import Path

import pytest

from territory_engine.auditing.routed.batch_audit import audit_ledger
from territory_engine.errors import InputError
from tests.territory_engine.routing.conftest import MONDAY, REPS, MakeRouter, nowhere

SEGMENTED = REPS.assign(Segments=["SMB", "SMB", "ENT", "SMB", "SMB"])
RULE = {"eligibility": [{"column": "segment", "reps_column": "segments"}]}


def test_a_hard_rule_holds_whatever_the_capitals_of_its_columns(make_router: MakeRouter, tmp_path: Path) -> None:
    router = make_router(RULE, SEGMENTED)
    routed = router.route(nowhere("L1", "L2", "L3", Segment="ENT"), "b", at=MONDAY)
    assert routed.decisions["rep_id"].tolist() == ["R3"] * 3
    assert "not applied" not in routed.summary()
    assert audit_ledger(f"sqlite:///{tmp_path / 'ledger'}.db").passed
    why = router.lead("L1")
    assert why is not None
    assert why["explanation"]["lead"]["segment"] == "ENT"


def test_the_usual_rule_holds_too(make_router: MakeRouter) -> None:
    routed = make_router({}, SEGMENTED).route(nowhere("L1", "L2", Segment="ENT"), "b", at=MONDAY)
    assert routed.decisions["rep_id"].tolist() == ["R3"] * 2


def test_a_hard_rule_whose_column_may_have_another_name_stops_the_batch(make_router: MakeRouter) -> None:
    router = make_router(RULE, SEGMENTED)
    with pytest.raises(InputError, match="Segment__c"):
        router.route(nowhere("L1", Segment__c="ENT"), "b", at=MONDAY)
    assert not router.knows(None, "b")


def test_the_summary_says_that_a_rule_was_not_applied(make_router: MakeRouter) -> None:
    router = make_router(RULE, SEGMENTED)
    routed = router.route(nowhere("L1", "L2"), "b", at=MONDAY)
    assert "Rule segment → segments was not applied: none of the 2 leads has it." in routed.summary()
    assert any("have no column 'segment'" in notice for notice in routed.proof["notices"])
    assert router.route(nowhere("L1", "L2"), "b", at=MONDAY).summary().count("was not applied") == 1


def test_a_usual_rule_that_may_be_meant_is_told(make_router: MakeRouter) -> None:
    routed = make_router({}, SEGMENTED).route(nowhere("L1", "L2", Segment__c="ENT"), "b", at=MONDAY)
    assert "Rule segment → segments was not applied" in routed.summary()
    assert any('columns.segment = "Segment__c"' in notice for notice in routed.proof["notices"])


def test_the_queue_is_held_to_a_rule_that_came_later(make_router: MakeRouter) -> None:
    full = {"limits": {"open_leads": 0}}
    make_router(full, SEGMENTED.drop(columns="Segments")).route(nowhere("L1", Segment__c="ENT"), "b", at=MONDAY)
    with pytest.raises(InputError, match="Segment__c"):
        make_router(RULE, SEGMENTED).route_queue("q", at=MONDAY)
    router = make_router({**RULE, "columns": {"segment": "Segment__c"}}, SEGMENTED)
    assert router.route_queue("q", at=MONDAY).decisions["rep_id"].tolist() == ["R3"]
