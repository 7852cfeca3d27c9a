"""Fairness over many batches: who comes, goes and comes back, and what adds up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import territory_engine as te
from territory_engine.auditing.routed.batch_audit import audit_ledger
from territory_engine.config import parse_config
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


def test_another_scale_of_weights_changes_nothing(make_router: MakeRouter) -> None:
    given = []
    for name, quota in (("small", ["7", "4"]), ("dollars", ["1400000", "800000"])):
        policy = {"fair_share": {"weight": "quota"}}
        router = make_router(policy, only("R1", "R2", quota=[*quota, *quota[:1] * 3]), ledger=name)
        routed = router.route(nowhere(*(str(k) for k in range(22))), "b", at=MONDAY)
        given.append(routed.decisions["rep_id"].value_counts().to_dict())
    assert given[0] == given[1] == {"R1": 14, "R2": 8}


def test_weights_may_change_their_scale_between_two_batches(make_router: MakeRouter) -> None:
    policy = {"fair_share": {"weight": "quota"}}
    for k, quota in enumerate(("1", "480")):
        router = make_router(policy, only("R1", "R2", quota=[quota] * 5))
        routed = router.route(nowhere(*(f"{k} {i}" for i in range(1 + 20 * k))), f"b{k}", at=MONDAY)
    # 22 leads in all: eleven each.
    assert sorted(routed.decisions["rep_id"].value_counts()) == [10, 11]


def test_worth_of_many_zeros_never_turns_into_debt(make_router: MakeRouter) -> None:
    reps = only("R1", share=["0.01", "1", "1", "1", "1"])
    router = make_router({"fair_share": {"weight": "share"}}, reps)
    for k in range(3):
        router.route([{"lead_id": f"{k} {i}", "value": 9e8} for i in range(4)], f"b{k}", at=MONDAY)
    assert 0 < router.ledger.counters()["worth_level"]["R1"] <= 2**60
    evenly = make_router({"fair_share": {"weight": "share", "then": "even_value"}}, reps)
    assert evenly.route([{"lead_id": "last", "value": 9e8}], "b3", at=MONDAY).assigned == 1


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
