"""A limit on moves that is too small: what is named is true, the least is the least, and the audit confirms the proof."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from territory_engine.auditing.audit import audit
from territory_engine.config import parse_config
from territory_engine.plan import Plan
from territory_engine.plan_directory import write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "infeasible.md"


def problem(
    owner: list[str],
    max_moved: float,
    accounts: dict[str, Any] | None = None,
    reps: dict[str, Any] | None = None,
    travel: pd.DataFrame | None = None,
    **sections: Any,
) -> PlanningProblem:
    """Accounts A1, A2 … one apart on a line with 10 visits each, and three reps at 1, 5 and 9."""
    n = len(owner)
    frame = pd.DataFrame({"account_id": [f"A{i + 1}" for i in range(n)], "x": range(n), "y": 0.0, "owner": owner})
    frame = frame.astype({"x": float}).assign(**{"visits": 10, **(accounts or {})})
    places = pd.DataFrame({"rep_id": ["R01", "R02", "R03"], "x": [1.0, 5.0, 9.0], "y": 0.0}).assign(**(reps or {}))
    disruption = {"current": "owner", "max_moved": max_moved, **sections.pop("disruption", {})}
    content = {"data": {"accounts": "a", "reps": "r"}, "disruption": disruption, **sections}
    content["travel"] = {"metric": "euclidean", **({"table": "t"} if travel is not None else {})}
    return load_frames(frame, places, parse_config(content), travel)


def planned(planning: PlanningProblem, folder: Path) -> Plan:
    plan = solve(planning)
    assert plan.status == "infeasible"
    write_plan_files(planning, plan, folder)
    report = audit(folder)
    assert report.passed, report.summary()
    return plan


def rules(plan: Plan) -> list[str]:
    assert plan.conflict is not None
    return list(plan.conflict["rules"])


def relaxations(plan: Plan) -> list[str]:
    assert plan.conflict is not None
    return list(plan.conflict["relaxations"])


THREE = ["R01"] * 6 + ["R02"] * 4 + ["R03"] * 2


def test_limits_that_today_breaks_are_named_with_the_fewest_moves(tmp_path: Path) -> None:
    plan = planned(problem(THREE, 0.1, balance=[{"measure": "visits", "tolerance": 0.1}]), tmp_path)
    assert rules(plan) == [
        "at most 10 % may change hands: 1.2 of the 12 accounts with a rep today",
        "today R01 has 60 visits, and may have at most 44",
        "today R03 has 20 visits, and needs at least 36",
        "every plan that keeps the other rules moves at least 2 accounts (16.67 %)",
    ]
    assert relaxations(plan) == ["raise max_moved in [disruption] to 0.1667: no plan moves less"]
    assert plan.conflict is not None
    # Prices prove it: at 1 for each move, R01 must shed two accounts' visits and R03 gain them.
    assert plan.conflict["certificate"] == pytest.approx(0.4)
    assert plan.disruption == {"price": 1.0}


def test_the_document_shows_what_is_said_today(tmp_path: Path) -> None:
    plan = planned(problem(THREE, 0.1, balance=[{"measure": "visits", "tolerance": 0.1}]), tmp_path)
    section = re.search(r"^### Too little may change hands\n.*?^```text\n(.*?)^```", DOCUMENT.read_text(), re.S | re.M)
    assert section is not None
    assert section[1].splitlines() == [
        "These rules cannot hold together:",
        *(f"  {rule}" for rule in rules(plan)),
        "What would make a plan possible, cheapest first:",
        *(f"  {relaxation}" for relaxation in relaxations(plan)),
    ]


def test_a_group_with_several_reps_is_named(tmp_path: Path) -> None:
    planning = problem(["R01", "R02", "R02"], 0, {"parent": ["P", "P", ""]}, groups={"column": "parent"})
    plan = planned(planning, tmp_path)
    assert rules(plan)[1:] == [
        "1 group goes to one rep each, and is with several today (P)",
        "every plan that keeps the other rules moves at least 1 account (33.33 %)",
    ]
    assert relaxations(plan) == ["raise max_moved in [disruption] to 0.3334: no plan moves less"]


@pytest.mark.parametrize(
    "sections",
    [
        {"eligibility": {"column": "segment", "reps_column": "segments"}},
        {"eligibility": {"max_travel": 4.5}},
    ],
    ids=["lists", "travel"],
)
def test_accounts_that_today_are_with_the_wrong_rep_are_named(sections: dict[str, Any], tmp_path: Path) -> None:
    accounts = {"segment": ["smb", "key", "smb"]}
    plan = planned(
        problem(["R01", "R03", "R01"], 0, accounts, {"segments": ["smb;key", "smb", "smb"]}, **sections), tmp_path
    )
    assert rules(plan)[1] == "1 account is with a rep today who may not have it (A2)"
    assert relaxations(plan) == ["raise max_moved in [disruption] to 0.3334: no plan moves less"]


def test_accounts_without_a_rep_that_do_not_fit_are_told_as_such(tmp_path: Path) -> None:
    owner = ["R01", "R02", "R02", "R03", "", ""]
    planning = problem(
        owner,
        0,
        {"visits": [10, 10, 10, 20, 10, 10]},
        {"room": [30, 20, 20]},
        balance=[{"measure": "visits", "max": "room"}],
    )
    assert solve(planning).status == "optimal"
    planning = problem(
        owner,
        0,
        {"visits": [10, 10, 10, 20, 15, 15]},
        {"room": [35, 25, 20]},
        balance=[{"measure": "visits", "max": "room"}],
    )
    plan = planned(planning, tmp_path)
    assert rules(plan)[1] == "accounts without a rep today do not fit beside what everybody has"


def test_loads_that_depend_on_the_rep_are_those_of_the_owners(tmp_path: Path) -> None:
    table = pd.DataFrame(
        [(r, f"A{i + 1}", float(i), h) for r, h in (("R01", 5.0), ("R02", 2.0), ("R03", 2.0)) for i in range(3)],
        columns=["rep_id", "account_id", "cost", "hours"],
    )
    planning = problem(["R01", "R01", "R02"], 0.2, travel=table, balance=[{"measure": "hours", "max": 6}])
    plan = planned(planning, tmp_path)
    assert rules(plan)[1:] == [
        "today R01 has 10 hours, and may have at most 6",
        "every plan that keeps the other rules moves at least 1 account (33.33 %)",
    ]


def test_protection_that_makes_every_budget_too_small_is_said_and_none_is_proposed(tmp_path: Path) -> None:
    protect = {"protect": [{"column": "key", "weight": 2}]}
    planning = problem(
        ["R01"] * 4, 1.0, {"key": 9}, balance=[{"measure": "count", "tolerance": 0.5}], disruption=protect
    )
    plan = planned(planning, tmp_path)
    assert rules(plan) == [
        "at most 100 % may change hands: 4 of the 4 accounts with a rep today, where protected accounts count more",
        "today R01 has 4 accounts, and may have at most 2",
        "today R02 has 0 accounts, and needs at least 1",
        "today R03 has 0 accounts, and needs at least 1",
        "what moves in every plan that keeps the other rules counts at least 38 accounts (950 %), protection included",
    ]
    (relaxation,) = relaxations(plan)
    assert relaxation.startswith("remove max_moved from [disruption], or lower the weights in [[disruption.protect]]")


def test_rules_that_contradict_each_other_without_the_budget_are_explained_without_it(tmp_path: Path) -> None:
    locked = {"lock": ["R01", "R02", "", ""], "parent": ["P", "P", "", ""]}
    planning = problem(["R01", "R02", "R02", "R02"], 0.0, locked, locks={"column": "lock"}, groups={"column": "parent"})
    plan = planned(planning, tmp_path)
    assert "least_moved" not in (plan.conflict or {})
    assert not any("change hands" in rule for rule in rules(plan))
    assert any("without the limit on moves" in notice for notice in plan.notices)
    assert "disruption.max_moved" in plan.summary()


def test_a_limit_that_today_breaks_often_is_not_told_a_hundred_times(tmp_path: Path) -> None:
    n = 30
    frame = pd.DataFrame({"account_id": [f"A{i}" for i in range(n)], "x": range(n), "y": 0.0, "owner": "R00"})
    places = pd.DataFrame({"rep_id": [f"R{i:02d}" for i in range(15)], "x": range(0, 30, 2), "y": 0.0})
    content = {
        "data": {"accounts": "a", "reps": "r"},
        "travel": {"metric": "euclidean"},
        "disruption": {"current": "owner", "max_moved": 0.1},
        "balance": [{"measure": "count", "tolerance": 0.0}],
    }
    plan = planned(
        load_frames(frame.astype({"x": float}), places.astype({"x": float}), parse_config(content)), tmp_path
    )
    assert rules(plan)[9] == "and 7 more limits are broken today"
    assert len(rules(plan)) == 11
    assert relaxations(plan) == ["raise max_moved in [disruption] to 0.9334: no plan moves less"]


def test_a_lock_until_a_date_that_has_to_go_says_how(tmp_path: Path) -> None:
    dated = {"locked_until": "until", "as_of": date(2026, 7, 1)}
    planning = problem(
        THREE,
        1.0,
        {"until": ["2026-12-31"] * 6 + [""] * 6},
        balance=[{"measure": "count", "tolerance": 0.1}],
        disruption=dated,
    )
    plan = planned(planning, tmp_path)
    assert rules(plan)[0].startswith("6 accounts are locked to R01")
    assert plan.conflict is not None
    assert plan.conflict["unlock"]
    assert "unlocked by clearing its 'until', or by a later as_of" in plan.notices[-1]
    assert f"Note: {plan.notices[-1]}." in plan.summary()
