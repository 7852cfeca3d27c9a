"""An audit passes a true plan, and fails when any single number or rule of it is off.

The plans here are made by brute force with plain Python loops, which are slow, short and share nothing with the audit.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from territory_engine.auditing import rules as auditing_rules
from territory_engine.auditing.audit import audit
from territory_engine.auditing.numbers import TOLERANCE, agree, text
from territory_engine.auditing.rules import StoredProblem
from territory_engine.config import Config
from territory_engine.errors import PlanDirectoryError
from territory_engine.plan import Plan
from territory_engine.plan_directory import write_plan_files
from territory_engine.problem import PlanningProblem, Source

Prices = dict[str, dict[str, dict[str, float]]]
Record = dict[str, Any]

# The oracle ---------------------------------------------------------------------------------------------------------


class Oracle:
    """The rules once more, one pair at a time."""

    def __init__(self, problem: PlanningProblem) -> None:
        self.problem, self.config = problem, problem.config
        self.accounts = {str(i): dict(row) for i, row in problem.accounts.iterrows()}
        self.reps = {str(i): dict(row) for i, row in problem.reps.iterrows()}
        table = problem.travel_table
        self.table = None if table is None else {(r["account_id"], r["rep_id"]): dict(r) for _, r in table.iterrows()}
        self.groups: dict[str, list[str]] = {}
        for account, row in self.accounts.items():
            name = row[self.config.groups.column] if self.config.groups else ""
            self.groups.setdefault(f"group {name}" if name else f"alone {account}", []).append(account)

    def travel(self, account: str, rep: str) -> float:
        if self.table is not None:
            return float(self.table[account, rep]["cost"])
        a, r = self.accounts[account], self.reps[rep]
        if self.config.travel.metric == "euclidean":
            return math.dist((a["x"], a["y"]), (r["x"], r["y"]))
        if math.isnan(a["latitude"]):
            return math.nan
        phi, psi = math.radians(a["latitude"]), math.radians(r["latitude"])
        dlambda = math.radians(r["longitude"] - a["longitude"])
        h = math.sin((psi - phi) / 2) ** 2 + math.cos(phi) * math.cos(psi) * math.sin(dlambda / 2) ** 2
        return 2 * 6371.0088 * math.asin(math.sqrt(h))

    def cost(self, account: str, rep: str) -> float:
        travel, rule = self.travel(account, rep), self.config.travel
        weight = self.accounts[account][rule.weight] if rule.weight else 1.0
        return 0.0 if math.isnan(travel) else float(weight * travel**rule.power)

    def load(self, measure: str, account: str, rep: str) -> float:
        if self.problem.load_depends_on_rep(measure):
            assert self.table is not None
            return float(self.table[account, rep][measure])
        return 1.0 if measure == "count" else float(self.accounts[account][measure])

    def allowed(self, account: str, rep: str) -> bool:
        if self.table is not None and (account, rep) not in self.table:
            return False
        row, rule = self.accounts[account], self.config.eligibility
        if self.config.locks and row[self.config.locks.column] not in {"", rep}:
            return False
        if rule and rule.max_travel is not None and self.travel(account, rep) > rule.max_travel:
            return False
        return not (rule and rule.column) or row[rule.column] in [
            item.strip() for item in self.reps[rep][rule.reps_column].split(";")
        ]

    def plans(self) -> Iterator[dict[str, str]]:
        """Every assignment that keeps the rules."""
        rules = self.problem.balance_rules()
        for choice in itertools.product(self.reps, repeat=len(self.groups)):
            owner = {a: rep for rep, group in zip(choice, self.groups.values(), strict=True) for a in group}
            if not all(self.allowed(a, rep) for a, rep in owner.items()):
                continue
            loads = [[self.total(r.measure, owner, rep) for rep in self.reps] for r in rules]
            if all((r.lower <= load).all() and (load <= r.upper).all() for r, load in zip(rules, loads, strict=True)):
                yield owner

    def total(self, measure: str, owner: dict[str, str], rep: str) -> float:
        return math.fsum(self.load(measure, a, rep) for a, r in owner.items() if r == rep)

    def objective(self, owner: dict[str, str]) -> float:
        return math.fsum(self.cost(a, rep) for a, rep in owner.items())

    def bound(self, prices: Prices, *, with_cost: bool = True) -> float:
        def price(measure: str, rep: str) -> tuple[float, float]:
            pair = prices.get(measure, {}).get(rep, {})
            return pair.get("upper", 0.0), pair.get("lower", 0.0)

        def value(account: str, rep: str) -> float:
            total = self.cost(account, rep) if with_cost else 0.0
            for measure in self.problem.measures:
                up, low = price(measure, rep)
                total += (up - low) * self.load(measure, account, rep)
            return total

        result = 0.0
        for group in self.groups.values():
            able = [rep for rep in self.reps if all(self.allowed(a, rep) for a in group)]
            result += min((sum(value(a, rep) for a in group) for rep in able), default=math.inf)
        for rule in self.problem.balance_rules():
            for rep, lower, upper in zip(self.reps, rule.lower, rule.upper, strict=True):
                up, low = price(rule.measure, rep)
                result -= (up * upper if up else 0.0) - (low * lower if low else 0.0)
        return result


def plan_of(problem: PlanningProblem, owner: dict[str, str], prices: Prices, **changes: Any) -> Plan:
    oracle = Oracle(problem)
    objective, bound = oracle.objective(owner), oracle.bound(prices)
    current = problem.config.disruption.current if problem.config.disruption else None
    previous = {a: str(row[current]) if current else "" for a, row in oracle.accounts.items()}
    assignments = pd.DataFrame(
        {
            "territory_id": [f"T-{owner[a]}" for a in oracle.accounts],
            "rep_id": [owner[a] for a in oracle.accounts],
            "travel": [oracle.travel(a, owner[a]) for a in oracle.accounts],
            "previous_rep_id": list(previous.values()),
            "moved": [p in oracle.reps and p != owner[a] for a, p in previous.items()],
            "reason": "chosen by hand",
        },
        index=problem.accounts.index,
    )
    columns: dict[str, list[Any]] = {
        "rep_id": list(oracle.reps),
        "accounts": [sum(r == rep for r in owner.values()) for rep in oracle.reps],
        "travel": [math.fsum(oracle.cost(a, r) for a, r in owner.items() if r == rep) for rep in oracle.reps],
    }
    measures = {}
    for rule in problem.balance_rules():
        load = np.array([oracle.total(rule.measure, owner, rep) for rep in oracle.reps])
        deviation = (load - rule.target) / rule.target
        columns |= {rule.measure: load, f"{rule.measure}_target": rule.target, f"{rule.measure}_deviation": deviation}
        known = np.abs(deviation[~np.isnan(deviation)])
        worst = float(known.max()) if len(known) else math.nan
        measures[rule.measure] = {"max_deviation": worst, "total": float(load.sum())}
    values: dict[str, Any] = {
        "status": "feasible",
        "assignments": assignments,
        "territories": pd.DataFrame(columns, index=pd.Index([f"T-{r}" for r in oracle.reps], name="territory_id")),
        "objective": objective,
        "lower_bound": bound,
        "gap": max(0.0, (objective - bound) / objective) if objective else 0.0,
        "priced_bound": bound,
        "objective_terms": {"travel": objective},
        "measures": measures,
        "prices": prices,
        "proof": {"kind": "prices"},
        "termination": "rounds",
        "rounds": 3,
        "solve_seconds": 0.1,
        "seed": 0,
    }
    return Plan(**{**values, **changes})


# Problems -----------------------------------------------------------------------------------------------------------


def kilometres() -> PlanningProblem:
    """On the sphere, with every rule: two entries on one measure, locks, eligibility, groups, an account in no place."""
    config = Config.model_validate(
        {
            "data": {"accounts": "a.csv", "reps": "r.csv", "on_unlocated": "assign"},
            "balance": (
                {"measure": "visits", "tolerance": 0.6, "share": "capacity"},
                {"measure": "visits", "max": "ceiling", "min": 4.0},
                {"measure": "count", "max": 5},
            ),
            "travel": {"weight": "visits"},
            "locks": {"column": "locked"},
            "eligibility": {"column": "segment", "reps_column": "segments", "max_travel": 400.0},
            "groups": {"column": "parent"},
            "disruption": {"current": "owner"},
        }
    )
    accounts = pd.DataFrame(
        {
            "latitude": [41.0, 41.2, 42.5, 42.6, 41.8, 42.0, 41.5, math.nan],
            "longitude": [-93.0, -93.5, -92.0, -91.8, -95.0, -94.5, -93.3, math.nan],
            "visits": [4.0, 3.0, 5.0, 2.0, 6.0, 3.0, 1.0, 2.0],
            "locked": ["", "", "", "", "R3", "", "", ""],
            "segment": ["smb", "smb", "key", "smb", "smb", "smb", "smb", "smb"],
            "parent": ["", "P", "", "", "", "", "P", ""],
            "owner": ["R1", "R2", "gone", "R2", "", "R3", "R1", ""],
            "location_source": ["given"] * 7 + ["none"],
        },
        index=pd.Index(["001", "002", "A=3", "A4", "A5", "A6", "A7", "A8"], name="account_id"),
    )
    reps = pd.DataFrame(
        {
            "latitude": [41.1, 42.4, 41.9],
            "longitude": [-93.2, -92.1, -94.8],
            "capacity": [9.0, 8.0, 9.0],
            "ceiling": [12.0, 14.0, 12.0],
            "segments": ["smb", " key ; smb", "smb;gov"],
        },
        index=pd.Index(["R1", "R2", "R3"], name="rep_id"),
    )
    return PlanningProblem(config, accounts, reps, sources=(Source("accounts", "a.csv", "0" * 64, 8),))


def plane() -> PlanningProblem:
    """Projected coordinates, squared distances, one measure."""
    config = Config.model_validate(
        {
            "data": {"accounts": "a.csv"},
            "balance": ({"measure": "count", "tolerance": 0.5},),
            "travel": {"metric": "euclidean", "power": 2},
        }
    )
    accounts = pd.DataFrame(
        {"x": [0.0, 1.0, 2.0, 9.0, 10.0, 3.0], "y": [0.0, 1.0, 0.0, 5.0, 4.0, 4.0]},
        index=pd.Index(list("abcdef"), name="account_id"),
    )
    reps = pd.DataFrame({"x": [1.0, 9.0], "y": [0.0, 4.0]}, index=pd.Index(["R1", "R2"], name="rep_id"))
    return PlanningProblem(config, accounts, reps)


def driving() -> PlanningProblem:
    """A travel table with a load that depends on the rep, absent pairs, and a group over them."""
    config = Config.model_validate(
        {
            "data": {"accounts": "a.csv"},
            "balance": ({"measure": "hours", "max": "hours_a_week"}, {"measure": "count", "min": 1}),
            "travel": {"table": "t.csv"},
            "groups": {"column": "parent"},
            "eligibility": {"max_travel": 90.0},
        }
    )
    accounts = pd.DataFrame(
        {"parent": ["", "P", "P", "", ""]}, index=pd.Index(["a", "b", "c", "d", "e"], name="account_id")
    )
    reps = pd.DataFrame({"hours_a_week": [9.0, 7.5, 8.0]}, index=pd.Index(["R1", "R2", "R3"], name="rep_id"))
    absent = {("a", "R3"), ("b", "R2"), ("e", "R1")}
    rows = [
        {"rep_id": r, "account_id": a, "cost": 10.0 + (7 * i + 13 * t) % 29, "hours": 1.0 + (i + 2 * t) % 4}
        for t, r in enumerate(reps.index)
        for i, a in enumerate(accounts.index)
        if (a, r) not in absent
    ]
    rows[4]["cost"] = 95.0
    return PlanningProblem(config, accounts, reps, travel_table=pd.DataFrame(rows))


def best(problem: PlanningProblem) -> dict[str, str]:
    oracle = Oracle(problem)
    return min(oracle.plans(), key=oracle.objective)


PRICES: dict[str, tuple[Callable[[], PlanningProblem], Prices]] = {
    "kilometres": (
        kilometres,
        {"visits": {"R1": {"upper": 11.5}, "R2": {"lower": 2.25}, "R3": {"upper": 0.5, "lower": 1.0}}},
    ),
    "plane": (plane, {"count": {"R1": {"upper": 3.0}, "R2": {"lower": 1.5}}}),
    "driving": (driving, {"hours": {"R1": {"upper": 1.5}, "R2": {"upper": 0.25}}, "count": {"R3": {"lower": 2.0}}}),
}


@pytest.fixture(params=list(PRICES))
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    make, prices = PRICES[request.param]
    problem = make()
    write_plan_files(problem, plan_of(problem, best(problem), prices), tmp_path)
    return tmp_path


@pytest.fixture
def ruled(tmp_path: Path) -> Path:
    """The plan with every rule, to be tampered with."""
    problem = kilometres()
    write_plan_files(problem, plan_of(problem, best(problem), PRICES["kilometres"][1]), tmp_path)
    return tmp_path


def rehash(folder: Path) -> None:
    """Have plan.json vouch for the files as they are now, as whoever tampers cleverly would."""
    edit_record(
        folder,
        lambda record: record["files"].update(
            {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in record["files"]}
        ),
    )


def edit_record(folder: Path, change: Callable[[Record], Any]) -> None:
    record = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    change(record)
    (folder / "plan.json").write_text(json.dumps(record), encoding="utf-8")


def edit_table(folder: Path, name: str, change: Callable[[list[list[str]]], Any]) -> None:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    rehash(folder)


def set_cell(folder: Path, name: str, row: int, column: str, value: Callable[[str], str]) -> None:
    """Change one cell; `row` counts as a spreadsheet does, the header being row 1."""

    def change(rows: list[list[str]]) -> None:
        position = rows[0].index(column)
        rows[row - 1][position] = value(rows[row - 1][position])

    edit_table(folder, name, change)


def failed(folder: Path) -> set[str]:
    report = audit(folder)
    assert report.passed == (not report.failed)
    return {check.name for check in report.failed}


# True plans pass ----------------------------------------------------------------------------------------------------


def test_a_true_plan_passes_every_check(written: Path) -> None:
    report = audit(written)
    assert report.passed, report.summary()
    assert f"all {len(report.checks)} checks passed" in report.summary()
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["passed"] is True


def test_every_rule_of_the_full_problem_has_a_check_of_its_own(ruled: Path) -> None:
    names = {check.name for check in audit(ruled).checks}
    assert names == {
        *("files", "configuration", "accounts", "territories", "assigned_reps", "travel", "previous_reps", "moved"),
        *("locks", "eligibility", "max_travel", "groups", "territory_accounts", "territory_travel"),
        *(
            f"{kind}:{m}"
            for kind in ("loads", "targets", "deviations", "balance", "measure")
            for m in ("visits", "count")
        ),
        *("objective", "objective_terms", "prices", "priced_bound", "gap", "lower_bound", "status", "disruption"),
    }


@pytest.mark.parametrize("name", list(PRICES))
def test_the_priced_bound_is_that_of_the_plain_loops_and_below_the_brute_force_optimum(name: str) -> None:
    problem, prices = PRICES[name][0](), PRICES[name][1]
    oracle = Oracle(problem)
    assert 0 < oracle.bound(prices) <= oracle.objective(best(problem))


def test_an_optimal_plan_passes_when_its_gap_is_closed_by_prices(tmp_path: Path) -> None:
    problem = plane()
    roomy = PlanningProblem(
        problem.config.model_copy(update={"balance": ()}), problem.accounts, problem.reps, sources=problem.sources
    )
    plan = plan_of(roomy, best(roomy), {}, status="optimal", gap=0.0)
    write_plan_files(roomy, plan, tmp_path)
    assert failed(tmp_path) == set()


def test_a_bound_by_search_passes_and_says_what_it_rests_on(tmp_path: Path) -> None:
    problem, prices = kilometres(), PRICES["kilometres"][1]
    plan = plan_of(problem, best(problem), prices)
    proof = {"kind": "search", "solver": "CP-SAT", "version": "9.12", "parameters": {}}
    proved = plan_of(problem, best(problem), prices, status="optimal", lower_bound=plan.objective, gap=0.0, proof=proof)
    write_plan_files(problem, proved, tmp_path)
    report = audit(tmp_path)
    assert report.passed, report.summary()
    assert "rests on a search" in report.summary()
    assert "--rerun" in report.summary()


# Tampering fails ----------------------------------------------------------------------------------------------------

ASSIGNMENT_EDITS: list[tuple[str, int, str, str, set[str]]] = [
    # what, row, column, new value ("*1.00001" multiplies), the checks that must fail
    ("travel a hundred-thousandth too long", 2, "travel", "*1.00001", {"travel"}),
    ("travel left out", 2, "travel", "", {"travel"}),
    ("travel that is no number", 9, "travel", "near", {"travel"}),
    ("travel of an account in no place", 9, "travel", "0.0", {"travel"}),
    ("another account's ID", 3, "account_id", "2", {"accounts"}),
    ("an account twice", 3, "account_id", "001", {"accounts"}),
    ("an unknown rep", 2, "rep_id", "R9", {"assigned_reps"}),
    ("a rep of another territory", 2, "rep_id", "R3", {"assigned_reps"}),
    ("a territory of another rep", 2, "territory_id", "T-R3", {"assigned_reps"}),
    ("another previous rep", 2, "previous_rep_id", "R2", {"previous_reps"}),
    ("a previous rep out of nowhere", 6, "previous_rep_id", "R1", {"previous_reps"}),
    ("an account that did not move", 2, "moved", "true", {"moved"}),
    ("neither moved nor not", 2, "moved", "perhaps", {"moved"}),
]


@pytest.mark.parametrize(
    ("row", "column", "value", "checks"), [e[1:] for e in ASSIGNMENT_EDITS], ids=[e[0] for e in ASSIGNMENT_EDITS]
)
def test_one_wrong_cell_of_the_assignments_fails(
    ruled: Path, row: int, column: str, value: str, checks: set[str]
) -> None:
    set_cell(ruled, "assignments.csv", row, column, lambda old: changed(old, value))
    assert failed(ruled) - {"totals"} == checks


def changed(old: str, value: str) -> str:
    """Return the new cell: `value`, or the old number multiplied or increased by it."""
    if value.startswith("*"):
        return repr(float(old) * float(value[1:]))
    return repr(float(old) + float(value)) if value.startswith("+") else value


@pytest.mark.parametrize(
    "column", ["travel", *(f"{m}{s}" for m in ("visits", "count") for s in ("", "_target", "_deviation")), "accounts"]
)
@pytest.mark.parametrize("value", ["*1.00001", "", "many"])
@pytest.mark.parametrize("row", [2, 4])
def test_one_wrong_number_of_the_territories_fails(ruled: Path, column: str, value: str, row: int) -> None:
    kind = {"": "loads", "target": "targets", "deviation": "deviations"}
    measure, _, suffix = column.partition("_")
    check = f"territory_{column}" if column in {"travel", "accounts"} else f"{kind[suffix]}:{measure}"
    if value.startswith("*") and suffix == "deviation":
        value = "+0.00001"  # deviations are near zero, where the tolerance is absolute
    set_cell(ruled, "territories.csv", row, column, lambda old: changed(old, value))
    assert failed(ruled) == {check}


@pytest.mark.parametrize(
    ("name", "column", "check"),
    [
        ("assignments.csv", "travel", "travel"),
        ("territories.csv", "travel", "territory_travel"),
        ("territories.csv", "hours", "loads:hours"),
        ("territories.csv", "count", "loads:count"),
    ],
)
@pytest.mark.parametrize("kind", ["plane", "driving"])
def test_one_wrong_number_fails_whatever_travel_is_measured_by(
    tmp_path: Path, kind: str, name: str, column: str, check: str
) -> None:
    problem = PRICES[kind][0]()
    write_plan_files(problem, plan_of(problem, best(problem), PRICES[kind][1]), tmp_path)
    if column == "hours" and kind == "plane":
        column, check = "count_target", "targets:count"
    set_cell(tmp_path, name, 3, column, lambda old: changed(old, "*1.00001"))
    assert failed(tmp_path) == {check}


@pytest.mark.parametrize("column", ["rep_id", "territory_id"])
def test_a_territory_told_twice_or_a_rep_left_out_fails(ruled: Path, column: str) -> None:
    edit_table(
        ruled,
        "territories.csv",
        lambda rows: rows[2].__setitem__(rows[0].index(column), rows[1][rows[0].index(column)]),
    )
    assert "territories" in failed(ruled)


def test_a_missing_column_of_a_measure_fails(ruled: Path) -> None:
    edit_table(ruled, "territories.csv", lambda rows: rows[0].__setitem__(rows[0].index("visits"), "calls"))
    assert failed(ruled) == {"loads:visits"}


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.__delitem__(3),
        lambda rows: rows.append(rows[3]),
        lambda rows: rows.__setitem__(slice(2, 4), [rows[3], rows[2]]),
    ],
    ids=["left out", "twice", "out of order"],
)
def test_an_account_that_is_not_there_once_and_in_its_place_fails(ruled: Path, change: Callable[..., Any]) -> None:
    edit_table(ruled, "assignments.csv", change)
    assert failed(ruled) == {"accounts", "totals"}


RECORD_EDITS: list[tuple[str, Callable[[Record], Any], set[str]]] = [
    ("objective", lambda r: r.update(objective=r["objective"] * 1.00001), {"objective", "gap"}),
    ("objective missing", lambda r: r.pop("objective"), {"objective", "gap", "lower_bound"}),
    ("term", lambda r: r["objective_terms"].update(travel=r["objective"] + 1), {"objective_terms"}),
    ("extra term", lambda r: r["objective_terms"].update(disruption=0.0), {"objective_terms"}),
    ("no terms", lambda r: r.update(objective_terms={}), {"objective_terms"}),
    ("priced bound", lambda r: r.update(priced_bound=r["priced_bound"] * 1.00001), {"priced_bound"}),
    ("priced bound null", lambda r: r.update(priced_bound=None), {"priced_bound"}),
    ("lower bound", lambda r: r.update(lower_bound=r["lower_bound"] * 1.00001), {"lower_bound", "gap"}),
    ("lower bound too low", lambda r: r.update(lower_bound=r["lower_bound"] * 0.99), {"lower_bound", "gap"}),
    ("gap", lambda r: r.update(gap=r["gap"] + 1e-5), {"gap"}),
    ("gap null", lambda r: r.update(gap=None), {"gap"}),
    ("status", lambda r: r.update(status="optimal"), {"status"}),
    ("conflict", lambda r: r.update(conflict={"rules": ["x"]}), {"status"}),
    ("worst deviation", lambda r: r["measures"]["visits"].update(max_deviation=0.0), {"measure:visits"}),
    ("total", lambda r: r["measures"]["count"].update(total=9), {"measure:count"}),
    ("measure missing", lambda r: r["measures"].pop("count"), {"measure:count"}),
    ("price", lambda r: r["prices"]["visits"]["R1"].update(upper=11.6), {"priced_bound", "lower_bound"}),
    ("price left out", lambda r: r["prices"]["visits"].pop("R2"), {"priced_bound", "lower_bound"}),
    ("negative price", lambda r: r["prices"].update(count={"R1": {"upper": -1.0}}), {"prices"}),
    ("infinite price", lambda r: r["prices"].update(count={"R1": {"upper": math.inf}}), {"prices"}),
    ("price as text", lambda r: r["prices"].update(count={"R1": {"upper": "1"}}), {"prices"}),
    ("price of no limit", lambda r: r["prices"].update(count={"R1": {"lower": 1.0}}), {"prices"}),
    ("price of no rep", lambda r: r["prices"]["visits"].update(R9={"upper": 1.0}), {"prices"}),
    ("price of no measure", lambda r: r["prices"].update(revenue={"R1": {"upper": 1.0}}), {"prices"}),
    ("price of no side", lambda r: r["prices"]["visits"]["R1"].update(middle=1.0), {"prices"}),
    ("prices are no table", lambda r: r.update(prices=None), {"prices", "priced_bound", "lower_bound"}),
    ("kind of proof", lambda r: r["proof"].update(kind="faith"), {"lower_bound"}),
    ("a search without its solver", lambda r: r["proof"].update(kind="search"), {"lower_bound"}),
    ("seed", lambda r: r.update(seed=1), {"configuration"}),
    ("rows", lambda r: r["inputs"][0].update(rows=7), {"files"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "checks"), [e[1:] for e in RECORD_EDITS], ids=[e[0] for e in RECORD_EDITS])
def test_one_wrong_value_of_plan_json_fails(ruled: Path, change: Callable[[Record], Any], checks: set[str]) -> None:
    edit_record(ruled, change)
    assert failed(ruled) == checks


def test_a_search_may_not_claim_a_bound_below_what_prices_prove_or_above_the_objective(ruled: Path) -> None:
    def claim(bound: Callable[[Record], float]) -> None:
        def change(record: Record) -> None:
            record["proof"] = {"kind": "search", "solver": "CP-SAT", "version": "9.12", "parameters": {}}
            record["lower_bound"] = bound(record)
            record["gap"] = max(0.0, (record["objective"] - record["lower_bound"]) / record["objective"])

        edit_record(ruled, change)

    claim(lambda r: r["priced_bound"] * 0.999)
    assert failed(ruled) == {"lower_bound"}
    claim(lambda r: r["objective"] * 1.00001)
    assert failed(ruled) == {"lower_bound"}
    claim(lambda r: r["objective"])
    assert failed(ruled) == set()


def test_a_price_list_that_proves_less_makes_optimal_untrue(tmp_path: Path) -> None:
    problem, (_, prices) = kilometres(), PRICES["kilometres"]
    plan = plan_of(problem, best(problem), prices)
    # Told as proved by the prices, with every other number bent to fit.
    told = plan_of(problem, best(problem), prices, status="optimal", lower_bound=plan.objective, gap=0.0)
    write_plan_files(problem, told, tmp_path)
    assert failed(tmp_path) == {"lower_bound", "status"}


# Rules: a plan that tells its numbers truly but breaks one rule -----------------------------------------------------


def breaking(problem: PlanningProblem, relaxed: Record, folder: Path, owner: dict[str, str] | None = None) -> set[str]:
    """Return the checks that fail for the best plan (or `owner`) of the problem without some rules, told as if with."""
    config = problem.config.model_copy(update=relaxed)
    without = PlanningProblem(config, problem.accounts, problem.reps, problem.travel_table)
    plan = plan_of(problem, owner or best(without), {})
    write_plan_files(problem, plan, folder)
    return failed(folder)


def test_a_broken_lock_fails(tmp_path: Path) -> None:
    owner = {**best(kilometres()), "A5": "R1", "001": "R3"}
    assert breaking(kilometres(), {}, tmp_path, owner) - {"balance:visits"} == {"locks"}


def test_a_broken_eligibility_fails(tmp_path: Path) -> None:
    owner = {**best(kilometres()), "A=3": "R1"}
    assert breaking(kilometres(), {}, tmp_path, owner) - {"balance:visits", "balance:count"} == {"eligibility"}


def test_a_group_torn_apart_fails(tmp_path: Path) -> None:
    owner = {**best(kilometres()), "A7": "R3"}
    assert breaking(kilometres(), {}, tmp_path, owner) - {"balance:visits"} == {"groups"}


def test_an_account_beyond_max_travel_fails(tmp_path: Path) -> None:
    problem = kilometres()
    oracle = Oracle(problem)

    def longest_trip(owner: dict[str, str]) -> float:
        return max(oracle.travel(a, rep) for a, rep in owner.items() if a != "A8")

    owner = max(oracle.plans(), key=longest_trip)
    rule = problem.config.eligibility
    assert rule is not None
    tight = problem.config.model_copy(
        update={"eligibility": rule.model_copy(update={"max_travel": longest_trip(owner) - 0.01})}
    )
    tight_problem = PlanningProblem(tight, problem.accounts, problem.reps)
    assert breaking(tight_problem, {}, tmp_path, owner) == {"max_travel"}


def test_a_pair_that_the_travel_table_lacks_fails(tmp_path: Path) -> None:
    problem = driving()
    write_plan_files(problem, plan_of(problem, best(problem), {}), tmp_path)
    table = pd.read_parquet(tmp_path / "inputs/travel.parquet")
    owner = best(problem)["d"]
    table = table[~((table["account_id"] == "d") & (table["rep_id"] == owner))]
    table.to_parquet(tmp_path / "inputs/travel.parquet")
    rehash(tmp_path)
    assert "travel_table" in failed(tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        {"measure": "visits", "tolerance": 0.05, "share": "capacity"},
        {"measure": "visits", "tolerance": 0.05},
        {"measure": "visits", "max": 8.0},
        {"measure": "visits", "min": 10.0},
        {"measure": "visits", "max": "floor"},
        {"measure": "visits", "min": "floor"},
        {"measure": "count", "max": 2},
    ],
    ids=str,
)
def test_a_broken_limit_fails(tmp_path: Path, entry: dict[str, Any]) -> None:
    loose = kilometres()
    problem = PlanningProblem(
        Config.model_validate({**loose.config.model_dump(), "balance": (*loose.config.model_dump()["balance"], entry)}),
        loose.accounts,
        loose.reps.assign(floor=[9.5, 9.5, 8.5]),
    )
    assert breaking(problem, {}, tmp_path, best(loose)) == {f"balance:{entry['measure']}"}


def test_a_load_at_its_limit_passes_and_one_just_over_it_fails(tmp_path: Path) -> None:
    problem = kilometres()
    owner = best(problem)
    highest = max(Oracle(problem).total("visits", owner, rep) for rep in problem.reps.index)
    for name, ceiling, expected in (("at", highest, set()), ("over", highest - 1e-5, {"balance:visits"})):
        tight = PlanningProblem(problem.config, problem.accounts, problem.reps.assign(ceiling=ceiling))
        (tmp_path / name).mkdir()
        assert breaking(tight, {}, tmp_path / name, owner) == expected


# Files and configuration --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["assignments.csv", "territories.csv", "inputs/accounts.parquet", "inputs/reps.parquet"]
)
def test_a_file_edited_or_not_vouched_for_fails(ruled: Path, name: str) -> None:
    content = (ruled / name).read_bytes()
    if name.endswith(".csv"):
        (ruled / name).write_bytes(content.replace(b"\n", b"\r\n"))
    else:
        frame = pd.read_parquet(ruled / name)
        frame.assign(added=1.0).to_parquet(ruled / name)
    assert failed(ruled) == {"files"}
    (ruled / name).write_bytes(content)
    edit_record(ruled, lambda record: record["files"].pop(name))
    assert failed(ruled) == {"files"}


def test_a_vouched_file_that_is_gone_or_lies_elsewhere_fails(ruled: Path) -> None:
    edit_record(ruled, lambda record: record["files"].update({"inputs/background.gpkg": "00"}))
    assert failed(ruled) == {"files"}
    edit_record(ruled, lambda record: record["files"].pop("inputs/background.gpkg"))
    edit_record(ruled, lambda record: record["files"].update({"../../etc/hostname": "00"}))
    assert failed(ruled) == {"files"}


@pytest.mark.parametrize(
    "change",
    [
        {"disruption": {"current": "owner", "max_moved": 1.1}},
        {"disruption": {"current": "owner", "weight": -1.0}},
        {"disruption": {"current": "owner", "measure": "no such column", "weight": 1.0}},
        {"disruption": {"current": "owner", "protect": [{"column": "open_deals"}]}},
        {"disruption": {"current": "owner", "locked_until": "until"}},
        {"travel": {"metric": "manhattan"}},
        {"travel": {"power": 3}},
        {"travel": {"weight": "calls"}},
        {"locks": {"column": "no such column"}},
        {"balance": [{"measure": "visits", "max": "no such column"}]},
    ],
    ids=str,
)
def test_a_rule_that_the_audit_cannot_check_fails_rather_than_passing_unseen(ruled: Path, change: Record) -> None:
    edit_record(ruled, lambda record: record["config"].update(change))
    assert "configuration" in failed(ruled)


@pytest.mark.parametrize("change", [{"territories": {"centers": "free"}}, {"contiguity": {"units": "u.gpkg"}}], ids=str)
def test_a_design_without_its_files_is_no_plan_directory(ruled: Path, change: Record) -> None:
    edit_record(ruled, lambda record: record["config"].update(change))
    with pytest.raises(PlanDirectoryError):
        audit(ruled)


def test_a_rep_without_a_place_fails(ruled: Path) -> None:
    reps = pd.read_parquet(ruled / "inputs/reps.parquet")
    reps.loc["R2", "latitude"] = np.nan
    reps.to_parquet(ruled / "inputs/reps.parquet")
    rehash(ruled)
    assert failed(ruled) == {"configuration"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("config"), "'config' is missing"),
        (lambda r: r.update(status="perfect"), "allowed: optimal, feasible, infeasible"),
        (lambda r: r["config"]["balance"][0].pop("measure"), "do not fit together"),
    ],
)
def test_a_record_that_cannot_be_audited_is_an_error(
    ruled: Path, change: Callable[[Record], Any], message: str
) -> None:
    edit_record(ruled, change)
    with pytest.raises(PlanDirectoryError, match=message):
        audit(ruled)


def test_a_directory_without_its_files_is_an_error(ruled: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(PlanDirectoryError, match=r"no plan\.json"):
        audit(tmp_path_factory.mktemp("empty"))
    edit_table(ruled, "territories.csv", lambda rows: rows[0].__setitem__(1, "owner"))
    with pytest.raises(PlanDirectoryError, match="no column rep_id"):
        audit(ruled)
    (ruled / "assignments.csv").unlink()
    with pytest.raises(PlanDirectoryError, match=r"assignments.csv: cannot be read"):
        audit(ruled)
    (ruled / "inputs/accounts.parquet").write_bytes(b"")
    with pytest.raises(PlanDirectoryError, match=r"accounts.parquet: cannot be read"):
        audit(ruled)
    (ruled / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match="not readable as JSON"):
        audit(ruled)


# Infeasible plans ---------------------------------------------------------------------------------------------------


def infeasible(problem: PlanningProblem, prices: Prices, conflict: Record, folder: Path, **changes: Any) -> Path:
    values: Record = {
        **dict.fromkeys(("objective", "lower_bound", "gap", "priced_bound", "parent")),
        "status": "infeasible",
        "objective_terms": {},
        "measures": {},
        "prices": prices,
        "proof": {"kind": "prices"},
        "termination": "infeasible",
        "rounds": 0,
        "solve_seconds": 0.1,
        "seed": 0,
        "conflict": {"rules": ["too little room"], "relaxations": [], "accounts": [], **conflict},
        "notices": [],
    }
    write_plan_files(problem, Plan.from_dict({**values, **changes}), folder)
    return folder


def crowded() -> PlanningProblem:
    """26 visits, and room for 24."""
    problem = kilometres()
    return PlanningProblem(problem.config, problem.accounts, problem.reps.assign(ceiling=8.0))


ROOM: Prices = {"visits": {rep: {"upper": 1.0} for rep in ("R1", "R2", "R3")}}


def test_prices_that_prove_infeasibility_pass(tmp_path: Path) -> None:
    assert not list(Oracle(crowded()).plans())
    assert Oracle(crowded()).bound(ROOM, with_cost=False) == pytest.approx(2.0)
    report = audit(infeasible(crowded(), ROOM, {"certificate": 2.0}, tmp_path))
    assert report.passed, report.summary()
    assert {check.name for check in report.checks} == {"files", "configuration", "prices", "status", "infeasibility"}


@pytest.mark.parametrize(
    ("prices", "certificate"),
    [(ROOM, 2.1), (ROOM, None), ({}, 2.0), ({}, 0.0), ({"visits": {"R1": {"upper": 1.0}}}, 2.0)],
    ids=["another number", "no number", "no prices", "nothing proved", "too few prices"],
)
def test_a_certificate_that_the_prices_do_not_prove_fails(
    tmp_path: Path, prices: Prices, certificate: float | None
) -> None:
    assert failed(infeasible(crowded(), prices, {"certificate": certificate}, tmp_path)) == {"infeasibility"}


def test_a_feasible_problem_called_infeasible_fails(tmp_path: Path) -> None:
    problem = kilometres()
    number = Oracle(problem).bound(ROOM, with_cost=False)
    assert number < 0
    assert failed(infeasible(problem, ROOM, {"certificate": number}, tmp_path)) == {"infeasibility"}


def test_rounding_is_not_taken_for_a_proof(tmp_path: Path) -> None:
    problem = kilometres()
    reps = problem.reps.assign(ceiling=[9.0, 8.0, 9.0 - 1e-12])
    tight = PlanningProblem(problem.config, problem.accounts, reps)
    number = Oracle(tight).bound(ROOM, with_cost=False)
    assert 0 < number < 1e-9
    assert failed(infeasible(tight, ROOM, {"certificate": number}, tmp_path)) == {"infeasibility"}


def test_an_account_that_no_rep_may_serve_needs_no_prices(tmp_path: Path) -> None:
    problem = kilometres()
    stuck = problem.accounts.assign(segment=problem.accounts["segment"].replace("key", "unheard of"))
    folder = infeasible(
        PlanningProblem(problem.config, stuck, problem.reps), {}, {"certificate": None, "accounts": ["A=3"]}, tmp_path
    )
    report = audit(folder)
    assert report.passed, report.summary()
    assert "A=3" in report.summary()
    edit_record(folder, lambda record: record["conflict"].update(accounts=["001"]))
    assert failed(folder) == {"infeasibility"}


def test_a_group_that_no_rep_may_serve_whole_is_a_proof_too(tmp_path: Path) -> None:
    problem = kilometres()
    split = problem.accounts.assign(locked=["", "R1", "", "", "", "", "R2", ""])
    folder = infeasible(PlanningProblem(problem.config, split, problem.reps), {}, {"accounts": ["002", "A7"]}, tmp_path)
    assert failed(folder) == set()


def test_infeasible_by_search_passes_and_says_what_it_rests_on(tmp_path: Path) -> None:
    proof = {"kind": "search", "solver": "CP-SAT", "version": "9.12", "parameters": {}}
    report = audit(infeasible(kilometres(), {}, {"certificate": None}, tmp_path, proof=proof))
    assert report.passed
    assert "rests on a search" in report.summary()


def test_an_infeasible_plan_that_claims_a_bound_or_names_no_conflict_fails(tmp_path: Path) -> None:
    folder = infeasible(crowded(), ROOM, {"certificate": 2.0}, tmp_path, lower_bound=3.0)
    assert failed(folder) == {"status"}
    edit_record(folder, lambda record: record.update(lower_bound=None))
    assert failed(folder) == set()
    edit_record(folder, lambda record: record["conflict"].update(rules=[]))
    assert failed(folder) == {"status"}


# The arithmetic -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(list(PRICES)),
    values=st.lists(st.floats(0, 50), min_size=12, max_size=12),
    cells=st.sampled_from([1, 7, 1 << 18]),
)
def test_any_prices_prove_the_same_as_the_plain_loops_and_never_more_than_the_optimum(
    monkeypatch: pytest.MonkeyPatch, name: str, values: list[float], cells: int
) -> None:
    monkeypatch.setattr(auditing_rules, "_BLOCK_CELLS", cells)  # blocks that cut groups in two must not matter
    problem = PRICES[name][0]()
    prices: Prices = {}
    draw = iter(values)
    upper, lower = np.zeros((2, len(problem.measures), len(problem.reps)))
    for k, rule in enumerate(problem.balance_rules()):
        for t, rep in enumerate(problem.reps.index):
            upper[k, t] = next(draw, 0.0) if math.isfinite(rule.upper[t]) else 0.0
            lower[k, t] = next(draw, 0.0) if math.isfinite(rule.lower[t]) else 0.0
            prices.setdefault(rule.measure, {})[str(rep)] = {"upper": upper[k, t], "lower": lower[k, t]}
    config = json.loads(problem.config.model_dump_json(exclude_none=True))
    stored = StoredProblem(config, problem.accounts, problem.reps, problem.travel_table)
    oracle = Oracle(problem)
    for with_cost in (True, False):
        found, magnitude = stored.bound(upper, lower, with_cost=with_cost)
        assert found == pytest.approx(oracle.bound(prices, with_cost=with_cost), rel=1e-9, abs=1e-6)
        assert magnitude >= abs(found)
    assert stored.bound(upper, lower)[0] <= oracle.objective(best(problem)) + 1e-6
    assert stored.bound(upper, lower, with_cost=False)[0] <= 1e-6


@given(st.floats(-1e9, 1e9), st.floats(-0.9, 0.9))
def test_numbers_agree_within_the_tolerance_and_not_beyond(expected: float, fraction: float) -> None:
    scale = TOLERANCE * max(1.0, abs(expected))
    assert agree(expected + fraction * scale, expected)
    assert not agree(expected + 1.1 * scale + math.ulp(expected), expected)


def test_nan_agrees_with_nan_only() -> None:
    assert agree(
        [math.nan, math.nan, 1.0, math.inf, -math.inf], [math.nan, 1.0, math.nan, math.inf, math.inf]
    ).tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_columns_of_any_type_are_compared_as_text() -> None:
    assert text(pd.Series([1.0, math.nan, 2.5])).tolist() == ["1", "", "2.5"]
    assert text(pd.Series([1, 20])).tolist() == ["1", "20"]
    assert text(pd.Series([" a ", None, "007"], dtype=object)).tolist() == ["a", "", "007"]


def test_numeric_groups_and_segments_work_as_text_does(tmp_path: Path) -> None:
    problem = kilometres()
    numbers = {"smb": 1.0, "key": 2.0}
    accounts = problem.accounts.assign(
        parent=[math.nan, 7.0, math.nan, math.nan, math.nan, math.nan, 7.0, math.nan],
        segment=problem.accounts["segment"].map(numbers).astype(float),
    )
    reps = problem.reps.assign(segments=["1", "2;1", "1;3"])
    plan = plan_of(problem, best(problem), PRICES["kilometres"][1])
    write_plan_files(PlanningProblem(problem.config, accounts, reps), plan, tmp_path)
    assert failed(tmp_path) == set()


def test_the_audit_imports_nothing_that_made_the_plan() -> None:
    code = (
        "import sys, territory_engine.auditing.audit\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'solvers', 'ortools', 'scipy', 'maps', 'scenarios'}\n"
        "      or m in {'territory_engine.planner', 'territory_engine.problem', 'territory_engine.plan_directory'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
