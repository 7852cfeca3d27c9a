"""Every number that says what changes hands is recomputed: off by a little, anywhere, and the audit fails by name."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable
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

Record = dict[str, Any]


def problem(max_moved: float | None = 0.35, *, lock: dict[int, str] | None = None, **rules: Any) -> PlanningProblem:
    """Twelve accounts along a line, most of them with the wrong rep, under every part of a disruption."""
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{i:02d}" for i in range(12)],
            "x": [0.0, 1.0, 2.0, 3.0, 7.0, 8.0, 9.0, 10.0, 15.0, 16.0, 17.0, 18.0],
            "y": 0.0,
            "visits": [3.0, 2.0, 4.0, 1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 4.0, 2.0, 3.0],
            "owner": ["R2", "R1", "R1", "R3", "R2", "R2", "R3", "", "gone", "R3", "R2", "R1"],
            "key": ["", "yes", "", "", "true", "", "no", "yes", "", "2", "", "0.5"],
            "until": ["", "", "2026-12-31", "", "", "2026-01-01", "", "", "2027-01-01", "", "2026-07-02", ""],
            "parent": ["P", "P", "", "", "", "", "", "", "", "", "", ""],
        }
    )
    reps = pd.DataFrame({"rep_id": ["R1", "R2", "R3"], "x": [1.0, 8.0, 16.0], "y": 0.0})
    disruption = {
        "current": "owner", "measure": "visits", "weight": 0.5, "locked_until": "until", "as_of": date(2026, 7, 1),
        "protect": [{"column": "key", "weight": 1.5}], **({} if max_moved is None else {"max_moved": max_moved}), **rules,
    }  # fmt: skip
    if lock is not None:
        accounts["lock"] = [lock.get(i, "") for i in range(12)]
    config = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        **({} if lock is None else {"locks": {"column": "lock"}}),
        "travel": {"metric": "euclidean"},
        "balance": [{"measure": "visits", "tolerance": 0.35}],
        "groups": {"column": "parent"},
        "disruption": disruption,
        "solve": {"gap": 0.0},
    }
    return load_frames(accounts, reps, parse_config(config))


def written(planning: PlanningProblem, folder: Path) -> Plan:
    plan = solve(planning)
    write_plan_files(planning, plan, folder)
    report = audit(folder)
    assert report.passed, report.summary()
    return plan


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "plan"
    plan = written(problem(), folder)
    # The tests below need a limit with a price, and something that moves although it is protected.
    assert plan.disruption is not None
    assert plan.disruption["price"] > 0
    assert plan.disruption["counted"] > plan.disruption["moved"] > 0
    return folder


@pytest.fixture
def plan(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "plan"))


def reseal(folder: Path) -> None:
    """Vouch for every file again, as somebody would who edits a directory and knows how it is sealed."""
    path = folder / "plan.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in record["files"]}
    path.write_text(json.dumps(record), encoding="utf-8")


def failed(folder: Path) -> set[str]:
    reseal(folder)
    return {check.name for check in audit(folder).failed}


def edit(folder: Path, change: Callable[[Record], Any]) -> None:
    path = folder / "plan.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


def edit_accounts(folder: Path, row: int, column: str, value: Any) -> None:
    path = folder / "inputs" / "accounts.parquet"
    accounts = pd.read_parquet(path)
    assert accounts[column].iloc[row] != value
    accounts.loc[accounts.index[row], column] = value
    accounts.to_parquet(path)


def edit_cell(folder: Path, row: int, column: str, value: str) -> None:
    path = folder / "assignments.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert table.loc[row, column] != value
    table.loc[row, column] = value
    table.to_csv(path, index=False)


def test_every_part_of_a_disruption_has_a_check(plan: Path) -> None:
    report = audit(plan)
    names = {check.name for check in report.checks}
    assert names >= {"disruption", "max_moved", "dated_locks", "locks", "moved", "previous_reps", "objective_terms"}
    said = {check.name: check.message for check in report.checks}
    assert said["dated_locks"] == "2 accounts are locked to their owner until a date"
    assert "changes hands, allowed" in said["max_moved"]


@pytest.mark.parametrize(
    "key", ["moved", "moved_fraction", "total", "counted", "limit", "accounts_moved", "accounts_assigned"]
)
@pytest.mark.parametrize("factor", [1.01, 0.99, 0.0, math.nan])
def test_one_wrong_number_of_what_changes_hands_fails(plan: Path, key: str, factor: float) -> None:
    def change(record: Record) -> None:
        told = record["disruption"][key]
        record["disruption"][key] = None if math.isnan(factor) else told * factor

    edit(plan, change)
    assert failed(plan) == {"disruption"}


@pytest.mark.parametrize(
    ("change", "checks"),
    [
        (lambda d: d.update(measure="count"), {"disruption"}),
        (lambda d: d.pop("measure"), {"disruption"}),
        (lambda d: d.update(price=d["price"] * 1.01), {"priced_bound"}),
        (lambda d: d.update(price=d["price"] * 100), {"priced_bound"}),
        (lambda d: d.update(price=0.0), {"priced_bound"}),
        (lambda d: d.update(price=-0.1), {"prices", "priced_bound"}),
        (lambda d: d.update(price="1"), {"prices", "priced_bound"}),
        (lambda d: d.update(price=None), {"prices", "priced_bound"}),
        (lambda d: d.pop("price"), {"prices", "priced_bound"}),
    ],
)
def test_a_wrong_measure_or_price_fails(plan: Path, change: Callable[[Record], Any], checks: set[str]) -> None:
    edit(plan, lambda record: change(record["disruption"]))
    assert failed(plan) >= checks


@pytest.mark.parametrize("value", [None, {}, [], 3, "x"])
def test_what_changes_hands_may_not_be_left_out_where_it_is_limited(plan: Path, value: Any) -> None:
    edit(plan, lambda record: record.update(disruption=value))
    assert "disruption" in failed(plan)


@pytest.mark.parametrize(
    ("change", "checks"),
    [
        (lambda d: d.update(max_moved=0.05), {"max_moved", "disruption"}),
        (lambda d: d.update(max_moved=0.5), {"disruption", "priced_bound"}),
        (lambda d: d.pop("max_moved"), {"disruption", "prices", "priced_bound"}),
        (lambda d: d.update(weight=0.6), {"objective_terms", "objective"}),
        (lambda d: d.pop("weight"), {"objective_terms", "objective"}),
        (lambda d: d["protect"][0].update(weight=1.6), {"disruption"}),
        (lambda d: d.update(protect=[]), {"disruption"}),
        (lambda d: d.update(measure="count"), {"disruption"}),
        (lambda d: d.update(as_of="2025-01-01"), {"dated_locks"}),
        (lambda d: d.update(current="parent"), {"previous_reps", "moved", "disruption"}),
    ],
)
def test_a_changed_rule_fails(plan: Path, change: Callable[[Record], Any], checks: set[str]) -> None:
    edit(plan, lambda record: change(record["config"]["disruption"]))
    assert failed(plan) >= checks


@pytest.mark.parametrize(
    "change",
    [
        {"max_moved": 1.5},
        {"max_moved": -0.1},
        {"max_moved": "0.2"},
        {"max_moved": True},
        {"weight": -1},
        {"weight": "much"},
        {"protect": [{"column": "key"}]},
        {"protect": [{"column": "key", "weight": -3}]},
        {"protect": [{"weight": 1}]},
        {"protect": ["key"]},
        {"protect": [{"column": "nowhere", "weight": 1}]},
        {"locked_until": None},
        {"as_of": "soon"},
        {"as_of": None},
        {"locked_until": "nowhere"},
        {"measure": "nowhere"},
        {"current": "nowhere"},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_fail_rather_than_passing_unseen(plan: Path, change: Record) -> None:
    edit(plan, lambda record: record["config"]["disruption"].update(change))
    assert "configuration" in failed(plan)


def test_dated_locks_without_any_locks_fail(plan: Path) -> None:
    edit(plan, lambda record: record["config"].pop("locks"))
    assert failed(plan) == {"configuration"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan with two accounts that are locked for good beside those that are until a date."""
    folder = tmp_path_factory.mktemp("locked") / "plan"
    written(problem(lock={5: "R2", 10: "R2"}), folder)
    return folder


@pytest.mark.parametrize(
    ("row", "column", "value", "checks"),
    [
        (5, "lock", "R1", {"dated_locks"}),
        (5, "lock", "", {"dated_locks"}),
        (5, "locked_to", "", {"dated_locks"}),
        (10, "lock", "R3", {"dated_locks"}),
        (0, "lock", "R2", {"dated_locks"}),
        (0, "locked_to", "R2", {"dated_locks"}),
    ],
)
def test_locks_that_hold_for_good_are_among_all(
    locked: Path, tmp_path: Path, row: int, column: str, value: str, checks: set[str]
) -> None:
    folder = Path(shutil.copytree(locked, tmp_path / "plan"))
    edit_accounts(folder, row, column, value)
    assert failed(folder) >= checks


@pytest.mark.parametrize("own", [None, 3, "nowhere", ["lock"]])
def test_a_column_of_locks_that_is_not_there_is_no_column(locked: Path, tmp_path: Path, own: Any) -> None:
    folder = Path(shutil.copytree(locked, tmp_path / "plan"))
    edit(folder, lambda record: record["config"]["locks"].update(own=own))
    assert "configuration" in failed(folder)


def test_own_locks_that_are_not_told_fail(locked: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(locked, tmp_path / "plan"))
    edit(folder, lambda record: record["config"]["locks"].update(own=""))
    assert "dated_locks" in failed(folder)


@pytest.mark.parametrize(
    ("row", "column", "value", "checks"),
    [
        (11, "key", 0.75, {"disruption", "objective_terms"}),
        (11, "key", 0.0, {"disruption", "objective_terms"}),
        (4, "key", math.nan, {"priced_bound"}),
        (3, "owner", "R1", {"previous_reps", "moved", "disruption"}),
        (7, "owner", "R3", {"previous_reps", "disruption"}),
        (6, "until", "2026-12-01", {"dated_locks"}),
        (2, "locked_to", "", {"dated_locks"}),
        (10, "locked_to", "R3", {"dated_locks", "locks"}),
        (3, "visits", 2.0, {"disruption"}),
    ],
)
def test_an_input_that_was_changed_fails(plan: Path, row: int, column: str, value: Any, checks: set[str]) -> None:
    edit_accounts(plan, row, column, value)
    assert failed(plan) >= checks


@pytest.mark.parametrize("row", range(12))
def test_an_account_that_is_said_to_move_or_stay_wrongly_fails(plan: Path, row: int) -> None:
    table = pd.read_csv(plan / "assignments.csv", dtype=str, keep_default_na=False)
    edit_cell(plan, row, "moved", {"true": "false", "false": "true"}[str(table.loc[row, "moved"])])
    assert failed(plan) == {"moved"}
    edit_cell(plan, row, "previous_rep_id", "R9")
    assert failed(plan) == {"moved", "previous_reps"}


def test_limits_hold_to_rounding_and_no_further(plan: Path) -> None:
    counted = json.loads((plan / "plan.json").read_text())["disruption"]["counted"]
    total = json.loads((plan / "plan.json").read_text())["disruption"]["total"]
    for factor, ok in ((1 - 1e-12, True), (1 - 1e-5, False)):
        limit = counted * factor
        edit(plan, lambda record, limit=limit: record["config"]["disruption"].update(max_moved=limit / total))  # type: ignore[misc]  # a lambda's default has no type
        assert ("max_moved" not in failed(plan)) == ok


def test_the_bound_with_a_price_on_moves_is_that_of_plain_loops(made: Path) -> None:
    planning, record = problem(), json.loads((made / "plan.json").read_text())
    accounts, reps = planning.accounts, planning.reps
    price = record["disruption"]["price"]
    groups: dict[str, list[str]] = {}
    for i in accounts.index:
        groups.setdefault(accounts.at[i, "parent"] or str(i), []).append(i)
    prices = {r: record["prices"]["visits"].get(r, {}) for r in reps.index}

    def counts(i: str) -> float:
        if accounts.at[i, "owner"] not in reps.index:
            return 0.0
        return float(accounts.at[i, "visits"] * (1 + 1.5 * accounts.at[i, "key"]))

    bound = 0.0
    for members in groups.values():
        able = []
        for r in reps.index:
            if any(accounts.at[i, "locked_to"] not in ("", r) for i in members):
                continue
            net = prices[r].get("upper", 0.0) - prices[r].get("lower", 0.0)
            able.append(
                sum(
                    abs(accounts.at[i, "x"] - reps.at[r, "x"])
                    + net * accounts.at[i, "visits"]
                    + (0.5 + price) * (counts(i) if accounts.at[i, "owner"] != r else 0.0)
                    for i in members
                )
            )
        bound += min(able)
    total = float(accounts["visits"].sum())
    for r in reps.index:
        bound -= prices[r].get("upper", 0.0) * 1.35 * total / 3 - prices[r].get("lower", 0.0) * 0.65 * total / 3
    owned = float(accounts.loc[accounts["owner"].isin(reps.index), "visits"].sum())
    bound -= price * 0.35 * owned
    assert record["priced_bound"] == pytest.approx(bound)
    assert bound <= record["objective"]


# Proofs that too little may change hands ---------------------------------------------------------------------------


@pytest.fixture
def impossible(tmp_path: Path) -> Path:
    plan = written(problem(0.0, weight=0), tmp_path / "plan")
    assert plan.status == "infeasible"
    assert plan.conflict is not None
    assert plan.conflict["certificate"] is not None
    return tmp_path / "plan"


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["disruption"].update(price=r["disruption"]["price"] * 2),
        lambda r: r["disruption"].update(price=r["disruption"]["price"] * 0.5),
        lambda r: r["disruption"].update(price=0.0),
        lambda r: r["conflict"].update(certificate=r["conflict"]["certificate"] * 1.01),
        lambda r: r["config"]["disruption"].update(max_moved=0.9),
        lambda r: r["config"]["disruption"].update(protect=[]),
        lambda r: r["config"]["disruption"].pop("max_moved"),
    ],
)
def test_a_proof_that_too_little_may_move_is_computed_again(impossible: Path, change: Callable[[Record], Any]) -> None:
    edit(impossible, change)
    assert "infeasibility" in failed(impossible)


@pytest.mark.parametrize("price", [-1.0, "2", None, math.inf])
def test_a_price_that_is_no_price_fails(impossible: Path, price: Any) -> None:
    edit(impossible, lambda record: record["disruption"].update(price=price))
    assert failed(impossible) >= {"prices"}


def test_prices_scaled_together_prove_the_same_but_not_the_same_number(impossible: Path) -> None:
    def change(record: Record) -> None:
        record["disruption"]["price"] *= 2
        for by_rep in record["prices"].values():
            for sides in by_rep.values():
                for side in sides:
                    sides[side] *= 2

    edit(impossible, change)
    assert failed(impossible) == {"infeasibility"}
    edit(impossible, lambda record: record["conflict"].update(certificate=record["conflict"]["certificate"] * 2))
    assert failed(impossible) == set()


def test_a_budget_that_is_enough_called_impossible_fails(made: Path, tmp_path: Path, impossible: Path) -> None:
    record = json.loads((impossible / "plan.json").read_text())
    edit(impossible, lambda r: r["config"]["disruption"].update(max_moved=0.25))
    assert record["conflict"]["rules"]
    assert failed(impossible) == {"infeasibility"}
