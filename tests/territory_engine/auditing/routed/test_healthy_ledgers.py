"""Whatever the policy, a ledger that the router wrote passes its audit, with the plan and without."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import territory_engine as te
from territory_engine.errors import InputError, LedgerError, PlanDirectoryError
from territory_engine.leads.suitability.choices import Suitability
from territory_engine.ledger import Ledger
from territory_engine.routing import Router
from tests.territory_engine.auditing.routed.editing import Edit
from tests.territory_engine.auditing.routed.ledgers import START, leads, policy, route, tell

POOL = {"owner": "ignore", "territory": "ignore"}

POLICIES: dict[str, dict[str, Any]] = {
    "every default": {},
    "matched leads are free": {"fair_share": {"matched": "free"}},
    "slack": {"matching": POOL, "fair_share": {"fairness_slack": 2}},
    "even value": {"matching": POOL, "fair_share": {"then": "even_value"}},
    "leximin and catching up": {"fair_share": {"objective": "leximin", "catch_up": 0.5}},
    "caps": {"limits": {"per_day": 2, "open_leads": "most", "travel_km": 150}},
    "waiting for the match": {"matching": {"when_unavailable": "wait"}, "limits": {"per_week": 3}},
    "working hours and ramp": {"hours": {"respond_within_h": 1.0}, "ramp": {"days": 90, "start": 0.25}},
    "fit": {"matching": POOL, "fit": [{"column": "segment", "reps_column": "segments", "factor": 1.5}]},
    "free, slack, leximin and caps": {
        "matching": {"owner": "ignore"},
        "fair_share": {"matched": "free", "fairness_slack": 1, "objective": "leximin"},
        "limits": {"per_day": 4},
    },
    "free and even value": {"fair_share": {"matched": "free", "then": "even_value"}, "limits": {"per_day": 4}},
    "even value within slack": {
        "matching": POOL,
        "fair_share": {"fairness_slack": 1, "then": "even_value"},
        "limits": {"open_leads": 5},
    },
}


def outcomes_after_the_first(router: Router, batch: int) -> None:
    if batch == 0:
        tell(router, ["won", "returned", "accepted", "lost", "returned", "contacted"], seed=1)


@pytest.mark.parametrize("name", POLICIES)
def test_a_ledger_of_several_batches_with_leave_and_returns_passes(name: str, plan: Path, tmp_path: Path) -> None:
    first = leads(24, seed=1)
    batches = [
        (first, START),
        (leads(12, seed=2, first=100), START + timedelta(hours=20)),
        (leads(10, seed=3, first=200) + first[:6], START + timedelta(days=5)),
        (leads(1, seed=4, first=300), START + timedelta(days=5, hours=1)),
    ]
    url = route(plan, f"sqlite:///{tmp_path}/l.db", batches, policy(**POLICIES[name]), outcomes_after_the_first)
    for given_plan in (None, plan):
        found = te.audit_ledger(url, plan=given_plan)
        assert found.passed, found.summary()
        assert len(found.batches) == 4


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_router_writes_passes(data: st.DataObject, plan: Path, tmp_path: Path) -> None:
    rules = {
        "matching": {
            "owner": data.draw(st.sampled_from(["first", "ignore"])),
            "territory": data.draw(st.sampled_from(["first", "ignore"])),
        },
        "fair_share": {
            "objective": data.draw(st.sampled_from(["squares", "leximin"])),
            "matched": data.draw(st.sampled_from(["count", "free"])),
            "fairness_slack": data.draw(st.sampled_from([0, 0, 1, 3])),
            "then": data.draw(st.sampled_from(["value", "even_value"])),
            "catch_up": data.draw(st.sampled_from([0.0, 0.3, 1.0])),
        },
        "limits": data.draw(st.sampled_from([{}, {"per_day": 2}, {"open_leads": 3, "travel_km": 120}])),
    }
    seeds = data.draw(st.lists(st.integers(0, 1000), min_size=1, max_size=3))
    batches = [
        (leads(data.draw(st.integers(1, 15)), seed, first=100 * k), START + timedelta(hours=14 * k))
        for k, seed in enumerate(seeds)
    ]
    address = Path(tmp_path) / "any.db"
    for old in tmp_path.glob("any.db*"):
        old.unlink()
    found = te.audit_ledger(route(plan, f"sqlite:///{address}", batches, policy(**rules)), plan=plan)
    assert found.passed, found.summary()


def test_one_batch_is_audited_with_the_ledger_around_it(plan: Path, tmp_path: Path) -> None:
    url = route(plan, f"sqlite:///{tmp_path}/l.db", [(leads(8, seed=1), START), (leads(8, 2, 50), START)])
    report = te.audit_batch(url, "batch 1", plan)
    assert report.passed
    assert report.folder == "batch batch 1"
    names = [check.name for check in report.checks]
    assert names[:3] == ["once", "chain", "totals"]
    assert {"pairs", "fair_prices:shared", "no_better_chain:shared"} <= set(names)
    assert report.checks[-1].message.startswith("8 leads assigned, 0 waiting. Proved fair: no other split assigns more")


def test_what_was_forgotten_on_purpose_is_not_missed(plan: Path, tmp_path: Path) -> None:
    def forgetting(router: Router, batch: int) -> None:
        if batch == 0:
            tell(router, ["won", "returned"], seed=3)
        if batch == 1:
            assert router.ledger.forget(START + timedelta(hours=1)) == 1

    batches = [(leads(9, seed=4), START), (leads(9, 5, 50), START + timedelta(days=1))]
    url = route(plan, f"sqlite:///{tmp_path}/l.db", batches, None, forgetting)
    found = te.audit_ledger(url)
    assert found.passed, found.summary()
    assert "deleted on purpose" in found.batches[0].summary()


def test_a_lead_erased_on_request_is_checked_as_far_as_what_is_left_allows(plan: Path, tmp_path: Path) -> None:
    url = route(plan, f"sqlite:///{tmp_path}/l.db", [(leads(12, seed=1), START)], policy(limits={"travel_km": 150}))
    edit = Edit(url)
    for position in range(6):
        edit.sql(
            "UPDATE ledger_decisions SET lead = '{}', match_account_id = '', match_evidence = '', reason = reason_code"
            " WHERE position = :at",
            at=position,
        )
    edit.close()
    found = te.audit_ledger(url, plan=plan)
    assert found.passed, found.summary()
    assert "6 were erased" in found.batches[0].checks[0].message


def test_a_batch_of_more_pairs_than_are_kept_passes(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = Suitability.choices
    monkeypatch.setattr(Suitability, "choices", lambda self: every(self, 25))
    rules = policy(limits={"per_day": 2})
    url = route(plan, f"sqlite:///{tmp_path}/l.db", [(leads(16, seed=8), START)], rules)
    found = te.audit_ledger(url, plan=plan)
    assert found.passed, found.summary()
    assert "Proved fair over the pairs that were kept" in found.batches[0].checks[-1].message


def test_the_plan_of_another_batch_is_told_and_only_what_needs_it_is_skipped(plan: Path, tmp_path: Path) -> None:
    url = route(plan, f"sqlite:///{tmp_path}/l.db", [(leads(8, seed=1), START)])
    other = tmp_path / "other"
    shutil.copytree(plan, other)
    record = json.loads((other / "plan.json").read_text())
    (other / "plan.json").write_text(json.dumps({**record, "note": "another"}))
    report = te.audit_batch(url, "batch 0", other)
    assert report.passed
    checks = {check.name: check.message for check in report.checks}
    assert "is not the plan of this batch" in checks["plan"]
    assert "matches" not in checks


def test_a_plan_whose_assignments_were_edited_fails(plan: Path, tmp_path: Path) -> None:
    url = route(plan, f"sqlite:///{tmp_path}/l.db", [(leads(8, seed=1), START)])
    other = tmp_path / "other"
    shutil.copytree(plan, other)
    text = (other / "assignments.csv").read_text()
    (other / "assignments.csv").write_text(text.replace("R0", "R1"))
    assert [c.name for c in te.audit_batch(url, "batch 0", other).failed] == ["plan", "verdict"]


def test_what_is_no_ledger_no_batch_or_no_plan_is_said(plan: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    with pytest.raises(LedgerError, match="there is no ledger at sqlite"):
        te.audit_ledger(url)
    assert not (tmp_path / "l.db").exists()
    route(plan, url, [(leads(3, seed=1), START)])
    with pytest.raises(LedgerError, match="has no batch 'x'; the latest are batch 0"):
        te.audit_batch(url, "x")
    with pytest.raises(PlanDirectoryError, match="not a plan that leads are routed by"):
        te.audit_batch(url, "batch 0", tmp_path)
    with pytest.raises(LedgerError, match="no SQLAlchemy URL"):
        te.audit_ledger("ledger.db")
    (tmp_path / "text.db").write_text("no database" * 200)
    with pytest.raises(LedgerError, match="cannot be read"):
        te.audit_ledger(f"sqlite:///{tmp_path}/text.db")


def test_an_empty_ledger_has_nothing_wrong(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    Ledger.open(url).close()
    assert te.audit_ledger(url).passed


@pytest.mark.postgresql
def test_a_ledger_in_postgresql_passes_and_fails_like_any_other(plan: Path, postgresql_url: str) -> None:
    url = route(plan, postgresql_url, [(leads(12, seed=1), START)], None, outcomes_after_the_first)
    assert te.audit_batch(url, "batch 0", plan).passed
    edit = Edit(url)
    edit.sql("UPDATE ledger_reps SET level = level + 1 WHERE rep_id = 'R0'")
    edit.close()
    assert [check.name for check in te.audit_ledger(url).ledger.failed] == ["totals"]


@pytest.mark.parametrize("then", ["value", "even_value"])
def test_tiny_weights_and_huge_values_stay_within_64_bits(then: str, plan: Path, tmp_path: Path) -> None:
    (tmp_path / "reps.csv").write_text("rep_id,weight\nR0,0.002\nR1,0.002\nR2,1\n", encoding="utf-8")
    rules = policy(matching=POOL, reps=str(tmp_path / "reps.csv"), fair_share={"then": then, "catch_up": 0.5})
    rich = [
        [{**lead, "score": 1, "value": value} for lead in leads(12, seed=6, first=100 * k)]
        for k, value in enumerate([1e9, 1e300, 123.45, 1e8])
    ]

    def some_come_back(router: Router, batch: int) -> None:
        if batch == 0:
            tell(router, ["returned", "returned", "won"], seed=1)
        assert all(0 <= rep["share"] < 1e9 for rep in router.reps(at=START))

    batches = [(batch, START + timedelta(days=7 * k)) for k, batch in enumerate(rich)]
    found = te.audit_ledger(route(plan, f"sqlite:///{tmp_path}/l.db", batches, rules, some_come_back), plan=plan)
    assert found.passed, found.summary()


def test_shares_of_value_end_before_they_leave_64_bits(plan: Path, tmp_path: Path) -> None:
    def as_if_for_centuries(router: Router, batch: int) -> None:
        edit = Edit(f"sqlite:///{tmp_path}/l.db")
        edit.sql("UPDATE ledger_reps SET worth_level = :most WHERE rep_id <> 'R0'", most=2**62)
        edit.close()

    rules = policy(matching=POOL, fair_share={"then": "even_value"})
    batches = [(leads(8, seed=1), START), (leads(8, 2, 50), START + timedelta(hours=1))]
    found = te.audit_ledger(route(plan, f"sqlite:///{tmp_path}/l.db", batches, rules, as_if_for_centuries), plan=plan)
    assert found.batches[1].passed, found.batches[1].summary()
    assert {check.name for check in found.ledger.failed} == {"chain", "totals"}


def test_levels_beyond_64_bits_are_refused_with_the_remedy(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solvers.fair_split.costs.LARGEST", 10**6)
    with pytest.raises(InputError, match=r"weights are so small.*give the lightest reps more weight"):
        route(plan, f"sqlite:///{tmp_path}/l.db", [(leads(3, seed=1), START)])
