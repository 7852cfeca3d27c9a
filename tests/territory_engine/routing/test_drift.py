"""Fairness over many batches: who comes, goes and comes back, and what adds up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import territory_engine as te
from territory_engine.auditing.routed.batch_audit import audit_ledger
from territory_engine.config import parse_config
from territory_engine.errors import InputError
from territory_engine.leads.policy import Policy
from territory_engine.ledger import Ledger
from territory_engine.reading.loading import load_frames
from territory_engine.routing import Router
from tests.territory_engine.routing.conftest import ACCOUNTS, MONDAY, REPS, nowhere, only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.territory_engine.routing.conftest import MakeRouter


def test_two_who_stand_in_for_each_other_make_nothing_up(make_router: MakeRouter) -> None:
    leave = ["2026-12-01..2026-12-07", "2026-12-08..2026-12-14", "", "", ""]
    router = make_router(reps=only("R1", "R2", leave=leave))
    for day, leads in (("2026-11-30", 2), ("2026-12-01", 10), ("2026-12-08", 2), ("2026-12-16", 10)):
        at = datetime.fromisoformat(f"{day}T15:00:00").replace(tzinfo=UTC)
        last = router.route(nowhere(*(f"{day} {k}" for k in range(leads))), day, at=at)
    # R1 missed ten and R2 two, each while on leave; catch_up = 0: from now on they share evenly.
    given = last.decisions["rep_id"].value_counts().to_dict()
    assert given == {"R1": 5, "R2": 5}


@pytest.mark.parametrize(("quotas", "what"), [(("1400000", "800000"), "above"), (("0.0004", "0.0007"), "below")])
def test_weights_that_millionths_of_a_lead_would_blur_are_refused(
    make_router: MakeRouter, quotas: tuple[str, str], what: str
) -> None:
    # 1,400,000 and 800,000 would both have a step of 1: equal shares instead of seven to four.
    reps = only("R1", "R2", quota=[*quotas, "", "", ""])
    with pytest.raises(InputError) as caught:
        make_router({"fair_share": {"weight": "quota"}}, reps)
    assert [finding.what.split()[1] for finding in caught.value.findings] == [what, what]
    assert "only proportions count" in str(caught.value)


def test_worth_of_many_zeros_never_turns_into_debt(make_router: MakeRouter) -> None:
    policy = {"fair_share": {"weight": "share"}}
    reps = only("R1", share=["0.001", "", "", "", ""])
    router = make_router(policy, reps)
    for k in range(3):
        router.route([{"lead_id": f"{k} {i}", "value": 9e8} for i in range(4)], f"b{k}", at=MONDAY)
    assert router.ledger.counters()["worth_level"]["R1"] == 2**60
    evenly = make_router({"fair_share": {"weight": "share", "then": "even_value"}}, reps)
    with pytest.raises(InputError, match="give values in thousands"):
        evenly.route([{"lead_id": "last", "value": 9e8}], "b3", at=MONDAY)


def test_a_rep_left_out_of_a_plan_for_weeks_comes_back_to_no_flood(make_router: MakeRouter, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger'}.db"
    router = make_router()
    router.route(nowhere(*"abcde"), "before", at=MONDAY)
    config = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}, "balance": [{"measure": "count", "max": 3}]})
    problem = load_frames(ACCOUNTS, REPS[REPS["rep_id"] != "R1"], config)
    with Router(problem, te.solve(problem), Policy(), Ledger.open(url)) as without:
        for week in range(4):
            leads = nowhere(*(f"{week} {k}" for k in range(8)))
            without.route(leads, f"without {week}", at=MONDAY + timedelta(weeks=week))
    back = router.route(nowhere(*"fghijklmno"), "back", at=MONDAY + timedelta(days=22))
    # R1 missed eight leads that each of the others got, and makes none of them up.
    assert back.decisions["rep_id"].value_counts().to_dict() == dict.fromkeys(REPS["rep_id"], 2)
    assert [check.message for report in audit_ledger(url).reports for check in report.checks if not check.ok] == []
