"""What batches of leads look like when other systems wrote them, through the whole router."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from territory_engine.auditing.routed.batch_audit import audit_ledger
from territory_engine.errors import BatchConflictError, InputError
from territory_engine.routed_batch import ANSWER_COLUMNS
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


def test_a_batch_rejected_for_one_reason_says_so_with_the_remedy(make_router: MakeRouter) -> None:
    routed = make_router().route(nowhere("L1", "L2", created_at="11/12/2026 08:15"), "b", at=MONDAY)
    assert (
        routed.summary().splitlines()[1].startswith("NOTHING WAS ROUTED: all 2 leads were rejected for the same reason")
    )
    assert 'date_order = "mdy"' in routed.alarm()
    settled = make_router({"date_order": "mdy"}).route(
        nowhere("L1", "L2", created_at="11/12/2026 08:15"), "c", at=MONDAY
    )
    assert settled.assigned == 2
    assert settled.alarm() == ""


def test_the_same_file_read_in_another_way_asks_for_a_batch_id(make_router: MakeRouter, tmp_path: Path) -> None:
    leads = tmp_path / "leads.csv"
    leads.write_text("lead_id,created_at,worth\nL1,11/12/2026 08:15,7\n")
    make_router().route(leads, at=MONDAY)
    router = make_router({"date_order": "mdy", "columns": {"value": ["worth", "amount"]}})
    with pytest.raises(BatchConflictError, match=r"read otherwise then.*--batch-id"):
        router.route(leads, at=MONDAY)
    assert router.route(leads, "again", at=MONDAY).assigned == 1
    with pytest.raises(BatchConflictError, match="with other content"):
        router.route(nowhere("L9"), "again", at=MONDAY)


def test_columns_that_nothing_looks_at_are_told_where_that_may_be_a_mistake(make_router: MakeRouter) -> None:
    def told(batch_id: str, policy: dict[str, object], **fields: object) -> list[str]:
        notices = make_router(policy).route(nowhere(f"{batch_id}-1", **fields), batch_id, at=MONDAY).proof["notices"]
        return [notice for notice in notices if "nothing looks at" in notice]

    assert told("a", {}, Firm="Acme") == ["columns of the leads that nothing looks at: 'Firm'."]
    assert told("b", {}, Firm="Acme", postal_code="50309") == []
    assert told("c", {"seed": 1}, Industry="beer", postal_code="50309")[0].endswith("'Industry'.")
    assert told("d", {}, **{f"c{k}": "1" for k in range(12)})[0].endswith("'c9' and 2 more.")
    assert told("e", {}) == []


def test_every_column_and_reason_of_the_answers_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "lead-data.md").read_text(encoding="utf-8")
    section = page.split("## The file of answers")[1].split("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    reasons = ("owner", "territory", "pool", "full", "unavailable", "ineligible", "match", "ambiguous")
    assert tuple(told) == (*ANSWER_COLUMNS, "reason_code", *reasons, "bad_data", "already_routed")
