"""Every kind of conflict is said in the planner's words, its first relaxation works, and the audit confirms the proof."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
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


def config(**sections: Any) -> dict[str, Any]:
    return {"data": {"accounts": "a.csv", "reps": "r.csv"}, "travel": {"metric": "euclidean"}, **sections}


def visits(**rule: Any) -> list[dict[str, Any]]:
    return [{"measure": "visits", **rule}]


def accounts(n: int = 12, **columns: Any) -> pd.DataFrame:
    """A1, A2, … one apart on a line, with 10 visits each."""
    frame = pd.DataFrame({"account_id": [f"A{i + 1}" for i in range(n)], "x": np.arange(float(n)), "y": 0.0})
    return frame.assign(**{"visits": 10.0, **columns})


def reps(n: int = 3, **columns: Any) -> pd.DataFrame:
    """R01, R02, … four apart on the same line."""
    frame = pd.DataFrame({"rep_id": [f"R{i + 1:02d}" for i in range(n)], "x": 4.0 * np.arange(n) + 1, "y": 0.0})
    return frame.assign(**columns)


def locked(**by_account: str) -> list[str]:
    return [by_account.get(f"A{i + 1}", "") for i in range(12)]


SEGMENTS = {"column": "segment", "reps_column": "segments"}
LOCKS = {"column": "locked_rep"}


@dataclass(frozen=True)
class Case:
    """An impossible problem, what is said about it, and the first relaxation done by hand."""

    accounts: pd.DataFrame
    reps: pd.DataFrame
    config: dict[str, Any]
    rules: list[str]
    first: str
    mended: Callable[[Case], Case]
    concerned: list[str]
    proof: str = "prices"
    certificate: bool = True
    travel: pd.DataFrame | None = None

    def problem(self) -> PlanningProblem:
        return load_frames(self.accounts, self.reps, parse_config(self.config), self.travel)


def cell(frame: pd.DataFrame, row: int, column: str, value: Any) -> pd.DataFrame:
    values = frame[column].astype(object).tolist()
    values[row] = value
    return frame.assign(**{column: values})


def with_account(row: int, column: str, value: Any) -> Callable[[Case], Case]:
    return lambda case: replace(case, accounts=cell(case.accounts, row, column, value))


def with_rep(row: int, column: str, value: Any) -> Callable[[Case], Case]:
    return lambda case: replace(case, reps=cell(case.reps, row, column, value))


def with_section(name: str, value: Any) -> Callable[[Case], Case]:
    return lambda case: replace(case, config={**case.config, name: value})


def own_max(value: float) -> Callable[[Case], Case]:
    """Give the first rep a ``max`` of its own."""

    def mended(case: Case) -> Case:
        rule = case.config["balance"][0]
        limits = [value, *[rule["max"]] * (len(case.reps) - 1)]
        return replace(
            case,
            reps=case.reps.assign(room=limits),
            config={**case.config, "balance": [{**rule, "max": "room"}]},
        )

    return mended


def twelve(values: dict[int, Any], default: Any) -> list[Any]:
    return [values.get(i, default) for i in range(12)]


CASES: dict[str, Case] = {
    "locks above a limit": Case(
        accounts(locked_rep=["R03"] * 6 + [""] * 6, visits=[*[7.0] * 5, 25.0, *[10.0] * 6]),
        reps(room=[60.0, 60.0, 45.0]),
        config(balance=visits(max="room"), locks=LOCKS),
        ["accounts locked to R03 need 60 visits; R03's limit is 45 (column 'room')"],
        "unlock account A6",
        with_account(5, "locked_rep", ""),
        ["A1", "A2", "A3", "A4", "A5", "A6"],
    ),
    "a segment above its reps' limits": Case(
        accounts(segment=["hospital"] * 9 + ["office"] * 3),
        reps(segments=["hospital;office", "hospital", "office"]),
        config(balance=visits(max=42.0), eligibility=SEGMENTS),
        [
            "9 accounts in segment 'hospital' may only go to R01 or R02; together they need 90 visits,"
            " those reps' limits add up to 84"
        ],
        "raise R01's max on visits from 42 to 50",
        own_max(50.0),
        [f"A{i}" for i in range(1, 10)],
    ),
    "an account above every limit": Case(
        accounts(visits=[*[10.0] * 11, 593.0]),
        reps(),
        config(balance=visits(tolerance=0.2)),
        ["account A12 alone has 593 visits; no rep's limit is above 281"],
        "a tolerance of 160 % on visits (instead of 20 %)",
        with_section("balance", visits(tolerance=1.6)),
        ["A12"],
        certificate=False,
    ),
    "a group above every limit": Case(
        accounts(parent=["P1"] * 6 + [""] * 6),
        reps(),
        config(balance=visits(tolerance=0.1), groups={"column": "parent"}),
        ["group P1 (6 accounts that stay together) has 60 visits; no rep's limit is above 44"],
        "let the accounts of group P1 go to different reps",
        lambda case: replace(case, accounts=case.accounts.assign(parent="")),
        ["A1", "A2", "A3", "A4", "A5", "A6"],
        certificate=False,
    ),
    "a segment that no rep lists": Case(
        accounts(segment=["office"] * 9 + ["X"] * 3),
        reps(segments=["office"] * 3),
        config(eligibility=SEGMENTS),
        ["3 accounts (A10, A11 and A12) have segment 'X': no rep lists that segment"],
        "add 'X' to the segments of R03",
        with_rep(2, "segments", "office;X"),
        ["A10", "A11", "A12"],
        certificate=False,
    ),
    "a lock against a list": Case(
        accounts(segment=["hospital"] * 9 + ["office"] * 3, locked_rep=locked(A1="R02")),
        reps(segments=["hospital;office", "office", "hospital"]),
        config(eligibility=SEGMENTS, locks=LOCKS),
        ["account A1 is locked to R02, whose segments do not include 'hospital'"],
        "unlock account A1",
        with_account(0, "locked_rep", ""),
        ["A1"],
        certificate=False,
    ),
    "a lock against max_travel": Case(
        accounts(locked_rep=locked(A12="R01")),
        reps(),
        config(eligibility={"max_travel": 9.0}, locks=LOCKS),
        ["account A12 is locked to R01, 10 map units away; max_travel is 9 map units"],
        "unlock account A12",
        with_account(11, "locked_rep", ""),
        ["A12"],
        certificate=False,
    ),
    "locks that pull a group apart": Case(
        accounts(parent=["P1"] * 3 + [""] * 9, locked_rep=locked(A1="R01", A2="R02", A3="R02")),
        reps(),
        config(groups={"column": "parent"}, locks=LOCKS),
        ["group P1 holds accounts locked to R01 (A1) and to R02 (A2 and A3)"],
        "unlock account A1",
        with_account(0, "locked_rep", ""),
        ["A1", "A2", "A3"],
        certificate=False,
    ),
    "lists that pull a group apart": Case(
        accounts(parent=["P1"] * 2 + [""] * 10, segment=["hospital"] + ["office"] * 11),
        reps(segments=["hospital", "office", "office"]),
        config(groups={"column": "parent"}, eligibility=SEGMENTS),
        ["group P1 (A1 and A2): no rep may serve all of its accounts (segment 'hospital' and 'office')"],
        "let the accounts of group P1 go to different reps",
        lambda case: replace(case, accounts=case.accounts.assign(parent="")),
        ["A1", "A2"],
        certificate=False,
    ),
    "an account too far away": Case(
        accounts(x=[*np.arange(11.0), 321.4]),
        reps(),
        config(eligibility={"max_travel": 250.0}),
        ["account A12: no rep lives within max_travel 250 map units; the nearest, R03, is 312 map units away"],
        "a max_travel of 313 map units (instead of 250 map units)",
        with_section("eligibility", {"max_travel": 313.0}),
        ["A12"],
        certificate=False,
    ),
    "too far from those who list it": Case(
        accounts(segment=["office"] * 11 + ["hospital"]),
        reps(segments=["hospital;office", "office", "office"]),
        config(eligibility={**SEGMENTS, "max_travel": 7.0}),
        [
            "account A12: no rep who lists its segment 'hospital' lives within max_travel 7 map units;"
            " the nearest, R01, is 10 map units away"
        ],
        "add 'hospital' to the segments of R03",
        with_rep(2, "segments", "office;hospital"),
        ["A12"],
        certificate=False,
    ),
    "limits that are too low in all": Case(
        accounts(),
        reps(),
        config(balance=visits(max=38.0)),
        ["visits: all accounts together need 120; the limits of all 3 reps add up to 114"],
        "a max of 40 on visits for every rep (instead of 38)",
        with_section("balance", visits(max=40.0)),
        [],
    ),
    "limits too low once they are whole": Case(
        accounts(10),
        reps(),
        config(balance=[{"measure": "count", "max": 3.9}]),
        ["there are 10 accounts; the limits of all 3 reps add up to 9 accounts (rounded down to whole numbers)"],
        "raise R01's max on accounts from 3.9 to 4",
        own_max(4.0),
        [],
    ),
    "a tolerance between two whole numbers": Case(
        accounts(10),
        reps(),
        config(balance=[{"measure": "count", "tolerance": 0.05}]),
        [
            "accounts: R01, R02 and R03 must each have at least 3.17 (5 % below their shares) and at most 3.50"
            " (5 % above their shares), and no whole number lies between the two"
        ],
        "a tolerance of 20 % on accounts (instead of 5 %)",
        with_section("balance", [{"measure": "count", "tolerance": 0.2}]),
        [],
    ),
    "a lower limit out of reach": Case(
        accounts(segment=["hospital"] * 11 + ["office"]),
        reps(segments=["hospital", "hospital", "office"]),
        config(balance=visits(min=25.0), eligibility=SEGMENTS),
        [
            "R03 can reach only 10 visits with the accounts it may serve; its lower limit is 25;"
            " the others: 11 in segment 'hospital'"
        ],
        "lower R03's min on visits from 25 to 10",
        lambda case: replace(
            case,
            reps=case.reps.assign(least=[25.0, 25.0, 10.0]),
            config={**case.config, "balance": visits(min="least")},
        ),
        ["A12"],
    ),
    "lower limits that are too high in all": Case(
        accounts(),
        reps(),
        config(balance=visits(min=41.0)),
        ["visits: all accounts together have 120; the lower limits of all 3 reps add up to 123"],
        "a min of 40 on visits for every rep (instead of 41)",
        with_section("balance", visits(min=40.0)),
        [],
    ),
    "a tolerance against a max": Case(
        accounts(),
        reps(),
        config(balance=visits(tolerance=0.1, max=30.0)),
        [
            "visits: R01, R02 and R03 must each have at least 36 (10 % below their shares), but may have at most 30",
        ],
        "a max of 40 on visits for every rep (instead of 30)",
        with_section("balance", visits(tolerance=0.1, max=40.0)),
        [],
    ),
    "two measures at once": Case(
        accounts(4, visits=1.0, revenue=1.0),
        reps(2, room=[1.5, 100.0], budget=[100.0, 1.5]),
        config(balance=[{"measure": "visits", "max": "room"}, {"measure": "revenue", "max": "budget"}]),
        [
            "visits: R01 at most 1.50 (column 'room')",
            "revenue: R02 at most 1.50 (column 'budget')",
            "all accounts together have 4 visits and 4 of revenue",
        ],
        "raise R01's max on visits from 1.5 to 3",
        with_rep(0, "room", 3.0),
        [],
    ),
    "accounts that fit only when split": Case(
        accounts(3, visits=[40.0] * 3),
        reps(2),
        config(balance=visits(max=70.0)),
        [
            "visits: R01 and R02 at most 70 each",
            "accounts A1 with 40, A2 with 40 and A3 with 40 do not fit into these limits, each of them whole"
            " (together they have 120 visits, the limits add up to 140)",
        ],
        "raise R01's max on visits from 70 to 80",
        own_max(80.0),
        ["A1", "A2", "A3"],
        proof="search",
        certificate=False,
    ),
    "groups that fit only when split": Case(
        accounts(parent=["P1"] * 4 + ["P2"] * 4 + ["P3"] * 3 + [""]),
        reps(2),
        config(balance=visits(tolerance=0.1), groups={"column": "parent"}),
        [
            "visits: R01 and R02 at most 66 each (10 % above their shares)",
            "accounts and groups group P1 with 40, group P2 with 40 and group P3 with 30 do not fit into these limits,"
            " each of them whole (together they have 110 visits, the limits add up to 132)",
            "accounts with the same parent stay together",
        ],
        "a tolerance of 17 % on visits (instead of 10 %)",
        with_section("balance", visits(tolerance=0.17)),
        [f"A{i}" for i in range(1, 12)],
        proof="search",
        certificate=False,
    ),
}


def travel_table() -> pd.DataFrame:
    """Every pair, the hours growing with the rep's number; A4 with R01 only."""
    rows = [(f"R{r:02d}", f"A{a}", 1.0, 9.0 + r) for r in (1, 2, 3) for a in range(1, 13) if r == 1 or a != 4]
    return pd.DataFrame(rows, columns=["rep_id", "account_id", "cost", "hours"])


CASES["hours that depend on the rep"] = Case(
    accounts(),
    reps(),
    config(balance=[{"measure": "hours", "max": 30.0}], travel={"table": "t.csv"}),
    ["hours: all accounts together need at least 120; the limits of all 3 reps add up to 90"],
    "a max of 48 on hours for every rep (instead of 30)",
    with_section("balance", [{"measure": "hours", "max": 48.0}]),
    [],
    travel=travel_table(),
)


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {}


def planned(plans: dict[str, Plan], name: str) -> Plan:
    if name not in plans:
        plans[name] = solve(CASES[name].problem())
    return plans[name]


@pytest.mark.parametrize("name", CASES)
def test_the_conflict_and_its_first_relaxation_are_said_with_their_numbers(name: str, plans: dict[str, Plan]) -> None:
    case, plan = CASES[name], planned(plans, name)
    assert plan.status == "infeasible"
    assert plan.conflict is not None
    assert plan.conflict["rules"] == case.rules
    assert plan.conflict["relaxations"][0] == case.first
    assert plan.conflict["accounts"] == case.concerned
    assert plan.proof["kind"] == case.proof
    certificate = plan.conflict["certificate"]
    assert (certificate is not None and certificate > 0) == case.certificate


@pytest.mark.parametrize("name", CASES)
def test_the_first_relaxation_makes_a_plan_possible(name: str) -> None:
    case = CASES[name]
    assert solve(case.mended(case).problem()).status in {"optimal", "feasible"}


@pytest.mark.parametrize("name", CASES)
def test_the_audit_confirms_that_no_plan_is_possible(name: str, plans: dict[str, Plan], tmp_path: Path) -> None:
    write_plan_files(CASES[name].problem(), planned(plans, name), tmp_path)
    report = audit(tmp_path)
    assert report.passed, report.summary()


@pytest.mark.parametrize("name", ["limits too low once they are whole", "a tolerance between two whole numbers"])
def test_the_audit_refuses_rounding_that_the_plan_does_not_declare(
    name: str, plans: dict[str, Plan], tmp_path: Path
) -> None:
    write_plan_files(CASES[name].problem(), planned(plans, name), tmp_path)
    record = json.loads((tmp_path / "plan.json").read_text())
    assert record["proof"].pop("whole_measures") == ["count"]
    (tmp_path / "plan.json").write_text(json.dumps(record))
    assert [check.name for check in audit(tmp_path).failed] == ["infeasibility"]


@pytest.mark.parametrize("name", ["an account above every limit", "a group above every limit"])
def test_the_audit_refuses_an_account_that_is_named_but_fits(name: str, plans: dict[str, Plan], tmp_path: Path) -> None:
    write_plan_files(CASES[name].problem(), planned(plans, name), tmp_path)
    record = json.loads((tmp_path / "plan.json").read_text())
    record["conflict"]["accounts"] = ["A7"]
    (tmp_path / "plan.json").write_text(json.dumps(record))
    failed = audit(tmp_path).failed
    assert [check.name for check in failed] == ["infeasibility"]
    assert "A7" in failed[0].message


def test_the_audit_refuses_a_claim_without_prices_where_every_account_fits(
    plans: dict[str, Plan], tmp_path: Path
) -> None:
    plan = planned(plans, "an account above every limit")
    write_plan_files(replace(CASES["an account above every limit"], accounts=accounts()).problem(), plan, tmp_path)
    assert "infeasibility" in {check.name for check in audit(tmp_path).failed}


def test_locks_are_undone_for_as_few_accounts_as_possible_and_they_are_recorded(plans: dict[str, Plan]) -> None:
    plan = planned(plans, "locks above a limit")
    assert plan.conflict is not None
    assert plan.conflict["unlock"] == ["A6"]
    freed = set(plan.conflict["unlock"])
    case = CASES["locks above a limit"]
    names, locks = case.accounts["account_id"], case.accounts["locked_rep"]
    unlocked = case.accounts.assign(locked_rep=["" if a in freed else r for a, r in zip(names, locks, strict=True)])
    assert solve(replace(case, accounts=unlocked).problem()).status == "optimal"
    assert "raise R03's max on visits from 45 to 60" in plan.conflict["relaxations"]


def test_a_conflict_that_has_nothing_to_do_with_the_first_is_named_too() -> None:
    case = Case(
        accounts(segment=["hospital"] * 4 + ["office"] * 4 + ["shop"] * 4),
        reps(segments=["hospital", "office", "shop"], room=[30.0, 20.0, 50.0]),
        config(balance=visits(max="room"), eligibility=SEGMENTS),
        [],
        "",
        lambda case: case,
        [],
    )
    plan = solve(case.problem())
    assert plan.conflict is not None
    first, second = plan.conflict["rules"]
    assert first.startswith("4 accounts in segment 'office' may only go to R02; together they need 40 visits")
    assert second.startswith("independently of that: 4 accounts in segment 'hospital' may only go to R01")
    assert plan.conflict["accounts"] == [f"A{i}" for i in range(1, 9)]
    assert plan.conflict["relaxations"]


def test_a_mend_that_leaves_another_conflict_is_completed() -> None:
    case = Case(
        accounts(segment=["office"] * 9 + ["X"] * 3),
        reps(segments=["office"] * 3),
        config(balance=visits(max=39.0), eligibility=SEGMENTS),
        [],
        "",
        lambda case: case,
        [],
    )
    plan = solve(case.problem())
    assert plan.conflict is not None
    both = [r for r in plan.conflict["relaxations"] if r.startswith("add 'X' to the segments of R03; and ")]
    assert both
    assert "40" in both[0] or "from 39" in both[0]


def test_accounts_confined_for_several_reasons_are_counted_by_reason() -> None:
    # R01 may have 30: two accounts are locked to it, and two others live within reach of nobody else.
    case = Case(
        accounts(
            6, x=[0.0, 1.0, 100.0, 101.0, -6.0, -6.5], locked_rep=["R01", "R01", "", "", "", ""], visits=[10.0] * 6
        ),
        reps(2, x=[0.0, 100.0], room=[30.0, 200.0]),
        config(balance=visits(max="room"), eligibility={"max_travel": 100.5}, locks=LOCKS),
        [],
        "",
        lambda case: case,
        [],
    )
    plan = solve(case.problem())
    assert plan.conflict is not None
    assert plan.conflict["rules"] == [
        "4 accounts may only go to R01 (2 locked to R01 and 2 with no other rep within max_travel 100.5 map units);"
        " together they need 40 visits, R01's limit is 30 (column 'room')"
    ]


def test_many_accounts_without_a_rep_are_said_by_cause() -> None:
    case = Case(
        accounts(x=[*np.arange(6.0), *np.arange(500.0, 506.0)]),
        reps(),
        config(eligibility={"max_travel": 50.0}),
        [],
        "",
        lambda case: case,
        [],
    )
    plan = solve(case.problem())
    assert plan.conflict is not None
    assert plan.conflict["rules"] == [
        "6 accounts (A12, A7, A8, A9, A10 and A11): no rep lives within max_travel 50 map units;"
        " the farthest, A12, is 496 map units from its nearest, R03"
    ]
    assert plan.conflict["relaxations"] == ["a max_travel of 496 map units (instead of 50 map units)"]


def test_the_same_conflict_is_found_twice() -> None:
    case = CASES["locks above a limit"]
    assert solve(case.problem()).conflict == solve(case.problem()).conflict


SHOWN_IN_THE_DOCUMENT = [name for name in CASES if name != "groups that fit only when split"]


@pytest.mark.parametrize("name", SHOWN_IN_THE_DOCUMENT)
def test_the_document_shows_the_real_output(name: str, plans: dict[str, Plan]) -> None:
    section = re.search(
        rf"^### {re.escape(name.capitalize())}\n.*?^```text\n(.*?)^```", DOCUMENT.read_text(), re.S | re.M
    )
    assert section is not None, f"docs/infeasible.md has no section {name.capitalize()!r}"
    assert section[1] == shown(planned(plans, name))


def shown(plan: Plan) -> str:
    """What the command line says about an infeasible plan, without its first and last line."""
    conflict = plan.conflict or {}
    lines = ["These rules cannot hold together:", *(f"  {rule}" for rule in conflict["rules"])]
    lines += ["What would make a plan possible, cheapest first:", *(f"  {r}" for r in conflict["relaxations"])]
    return "\n".join(lines) + "\n"
