"""Delete any hard rule and a test here fails.

Each case is a line of accounts and three reps at home at 0, 10 and 20, small enough to solve in the head. It names the
optimum with the rule and the optimum without it, one letter per account; the second breaks the first's rule. For each:

- the plan is the optimum with the rule, and the audit passes it;
- from a problem that never had the rule comes the other optimum, so the rule binds;
- from a model that drops the rule between the problem and the solver comes the other optimum too, as it would if
  somebody deleted the rule's code, and the audit, which shares no code with the model, fails it by name.

So the first test fails as soon as the rule is lost anywhere in the model or in the solver. It was also checked by hand:
each rule's lines in ``territory_engine/model.py`` and the limits in ``solvers/`` were deleted one by one on a copy, and
each deletion made the first test of its cases fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from solvers.candidates import from_table
from solvers.linear import solve_relaxation
from solvers.problem import AssignmentProblem
from solvers.result import SolveResult
from territory_engine import planner
from territory_engine.auditing.audit import audit
from territory_engine.config import Disruption, parse_config
from territory_engine.model import Model, build_model
from territory_engine.plan import Plan
from territory_engine.plan_directory import write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames

HOMES = {"A": 0.0, "B": 10.0, "C": 20.0}
DEGREES_PER_KM = 180 / (np.pi * 6371.0088)
LINE = [0, 1, 2, 3, 4, 9, 11, 19, 21]

Drop = Callable[[PlanningProblem], Model]


@dataclass(frozen=True)
class Case:
    """A rule that binds.

    ``rules`` is the configuration with the rule and ``without`` the same without it; ``best`` and ``free`` are their
    optima. ``check`` is the audit's check that fails when ``drop`` has taken the rule out of the model.
    """

    name: str
    x: list[float]
    rules: dict[str, Any]
    without: dict[str, Any]
    best: str
    free: str
    check: str
    drop: Drop
    accounts: dict[str, list[Any]] = field(default_factory=dict)
    reps: dict[str, list[Any]] = field(default_factory=dict)
    surfaces: tuple[str, ...] = ("plane", "sphere", "table")
    travel: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table

    def problem(self, surface: str, rules: dict[str, Any]) -> PlanningProblem:
        ids = [f"a{i}" for i in range(len(self.x))]
        accounts = pd.DataFrame({"account_id": ids, **self.accounts})
        reps = pd.DataFrame({"rep_id": list(HOMES), **self.reps})
        homes = list(HOMES.values())
        metric: dict[str, Any] = {}
        table = None
        if surface == "plane":
            accounts, reps = accounts.assign(x=self.x, y=0.0), reps.assign(x=homes, y=0.0)
            metric = {"metric": "euclidean"}
        elif surface == "sphere":
            # Along a meridian a degree is the same everywhere.
            accounts = accounts.assign(latitude=42 + np.array(self.x) * DEGREES_PER_KM, longitude=-93.0)
            reps = reps.assign(latitude=42 + np.array(homes) * DEGREES_PER_KM, longitude=-93.0)
        else:
            rows = [(r, a, abs(x - home)) for r, home in HOMES.items() for a, x in zip(ids, self.x, strict=True)]
            table = self.travel(pd.DataFrame(rows, columns=["rep_id", "account_id", "cost"]))
            metric = {"table": "travel.csv"}
        content = {"data": {"accounts": "accounts.csv", "reps": "reps.csv"}, **rules, "solve": {"gap": 0.0}}
        content["travel"] = {**metric, **rules.get("travel", {})}
        return load_frames(accounts, reps, parse_config(content), travel_table=table)


def owners(plan: Plan) -> str:
    return "".join(plan.assignments["rep_id"])


def failed_checks(problem: PlanningProblem, plan: Plan, folder: Path) -> set[str]:
    write_plan_files(problem, plan, folder)
    return {check.name for check in audit(folder).failed}


# Ways to lose a rule ------------------------------------------------------------------------------------------------


def no_upper(measure: int = 0) -> Drop:
    def drop(planning: PlanningProblem) -> Model:
        model = build_model(planning)
        upper = model.problem.upper.copy()
        upper[measure] = np.inf
        return replace(model, problem=model.problem.with_limits(model.problem.lower, upper))

    return drop


def no_lower(measure: int = 0) -> Drop:
    def drop(planning: PlanningProblem) -> Model:
        model = build_model(planning)
        lower = model.problem.lower.copy()
        lower[measure] = -np.inf
        return replace(model, problem=model.problem.with_limits(lower, model.problem.upper))

    return drop


def limits_of_entry(position: int, **changes: Any) -> Drop:
    """The limits as one balance entry alone would set them, perhaps changed."""

    def drop(planning: PlanningProblem) -> Model:
        entry = planning.config.balance[position].model_copy(update=changes)
        other = build_model(replace(planning, config=planning.config.model_copy(update={"balance": (entry,)}))).problem
        model = build_model(planning)
        return replace(model, problem=model.problem.with_limits(other.lower, other.upper))

    return drop


def no_section(name: str, value: Any = None) -> Drop:
    """The model of a configuration without one of its tables."""
    return lambda planning: build_model(replace(planning, config=planning.config.model_copy(update={name: value})))


def every_pair_there(planning: PlanningProblem) -> Model:
    table = planning.travel_table
    assert table is not None
    pairs = [(r, a) for r in planning.reps.index for a in planning.accounts.index]
    known = set(zip(table["rep_id"], table["account_id"], strict=True))
    missing = pd.DataFrame(
        [(r, a, 0.0) for r, a in pairs if (r, a) not in known], columns=["rep_id", "account_id", "cost"]
    )
    return build_model(replace(planning, travel_table=pd.concat([table, missing], ignore_index=True)))


def least_loads(planning: PlanningProblem) -> Model:
    """Loads that no longer depend on the rep."""
    model = build_model(planning)
    p = model.problem
    return replace(model, problem=AssignmentProblem(p.costs, p.loads, p.lower, p.upper))


# The rules ----------------------------------------------------------------------------------------------------------

ONES = [1.0] * len(LINE)
CASES = [
    Case(
        "tolerance, upper side",
        LINE,
        {"balance": [{"measure": "count", "tolerance": 0.34}]},
        {},
        "AAAABBBCC",
        "AAAAABBCC",
        "balance:count",
        no_upper(),
    ),
    Case(
        "tolerance, lower side",
        [0, 1, 2, 3, 7, 8, 10.5, 11],
        {"balance": [{"measure": "count", "tolerance": 0.5}]},
        {},
        "AAAABBCC",
        "AAAABBBB",
        "balance:count",
        no_lower(),
    ),
    Case(
        "absolute min",
        [0, 1, 2, 3, 8, 9, 10, 11],
        {"balance": [{"measure": "visits", "min": 3}]},
        {},
        "AAAABBBC",
        "AAAABBBB",
        "balance:visits",
        no_lower(),
        accounts={"visits": [1, 1, 1, 1, 1, 1, 1, 3]},
    ),
    Case(
        "absolute max",
        LINE,
        {"balance": [{"measure": "visits", "max": 6.5}]},
        {},
        "AAAABBBCC",
        "AAAAABBCC",
        "balance:visits",
        no_upper(),
        accounts={"visits": [1, 1, 1, 2, 2, 1, 1, 1, 1]},
    ),
    Case(
        "a reps column as max",
        LINE,
        {"balance": [{"measure": "count", "max": "ceiling"}]},
        {},
        "AAAABBBCC",
        "AAAAABBCC",
        "balance:count",
        no_upper(),
        reps={"ceiling": [4, 9, 9]},
    ),
    Case(
        "a reps column as min",
        LINE,
        {"balance": [{"measure": "count", "min": "floor"}]},
        {},
        "AAAAABCCC",
        "AAAAABBCC",
        "balance:count",
        no_lower(),
        reps={"floor": [0, 0, 3]},
    ),
    Case(
        "a share column",
        LINE,
        {"balance": [{"measure": "count", "tolerance": 0.1, "share": "capacity"}]},
        {"balance": [{"measure": "count", "tolerance": 0.1}]},
        "AAAABBBCC",
        "AAABBBCCC",
        "balance:count",
        limits_of_entry(0, share=None),
        reps={"capacity": [8, 6, 4]},
    ),
    *(
        Case(
            f"two entries on one measure, only the {kept} kept",
            LINE,
            {"balance": [{"measure": "count", "tolerance": 0.34}, {"measure": "count", "min": "floor"}]},
            {"balance": [[{"measure": "count", "tolerance": 0.34}, {"measure": "count", "min": "floor"}][entry]]},
            "AAAABBCCC",
            free,
            "balance:count",
            limits_of_entry(entry),
            reps={"floor": [0, 0, 3]},
        )
        for kept, entry, free in [("first", 0, "AAAABBBCC"), ("second", 1, "AAAAABCCC")]
    ),
    *(
        Case(
            f"two measures at once, {kept} kept",
            LINE,
            {"balance": [{"measure": "count", "max": 4}, {"measure": "revenue", "min": "floor"}]},
            {"balance": [entry]},
            "AAAABBCCC",
            free,
            f"balance:{lost}",
            drop,
            accounts={"revenue": [1, 1, 1, 1, 1, 1, 2, 1, 1]},
            reps={"floor": [0, 0, 3]},
        )
        for kept, lost, entry, free, drop in [
            ("count", "revenue", {"measure": "count", "max": 4}, "AAAABBBCC", no_lower(1)),
            ("revenue", "count", {"measure": "revenue", "min": "floor"}, "AAAAABCCC", no_upper(0)),
        ]
    ),
    Case(
        "locks",
        LINE,
        {"locks": {"column": "locked_rep"}},
        {},
        "CAAAABBCC",
        "AAAAABBCC",
        "locks",
        no_section("locks"),
        accounts={"locked_rep": ["C", *[""] * 7, "C"]},
    ),
    Case(
        "eligibility by columns",
        LINE,
        {"eligibility": {"column": "segment", "reps_column": "segments"}},
        {},
        "BAAAABBCC",
        "AAAAABBCC",
        "eligibility",
        no_section("eligibility"),
        accounts={"segment": ["key", *["smb"] * 8]},
        reps={"segments": ["smb", "key; smb", "smb;key"]},
    ),
    Case(
        # There is room for one account at A; the far but light one is the cheaper to send away.
        "max_travel",
        [0, 4, 9, 19],
        {
            "balance": [{"measure": "count", "max": "ceiling"}],
            "eligibility": {"max_travel": 8.0},
            "travel": {"weight": "visits"},
        },
        {"balance": [{"measure": "count", "max": "ceiling"}], "travel": {"weight": "visits"}},
        "ABBC",
        "BABC",
        "max_travel",
        no_section("eligibility"),
        accounts={"visits": [1, 6, 1, 1]},
        reps={"ceiling": [1, 2, 2]},
    ),
    Case(
        "groups",
        [0, 4, 7, 19],
        {"groups": {"column": "parent"}},
        {},
        "ABBC",
        "AABC",
        "groups",
        no_section("groups"),
        accounts={"parent": ["", "P", "P", ""]},
    ),
    Case(
        "a group goes only where each of its accounts may",
        [0, 1, 9, 19],
        {"groups": {"column": "parent"}, "eligibility": {"column": "segment", "reps_column": "segments"}},
        {"groups": {"column": "parent"}},
        "BBBC",
        "AABC",
        "eligibility",
        no_section("eligibility"),
        accounts={"parent": ["P", "P", "", ""], "segment": ["smb", "key", "smb", "smb"]},
        reps={"segments": ["smb", "key;smb", "key;smb"]},
    ),
    Case(
        "a lock holds the whole group",
        [0, 1, 9, 19],
        {"groups": {"column": "parent"}, "locks": {"column": "locked_rep"}},
        {"groups": {"column": "parent"}},
        "CCBC",
        "AABC",
        "locks",
        no_section("locks"),
        accounts={"parent": ["P", "P", "", ""], "locked_rep": ["", "C", "", ""]},
    ),
    Case(
        "pairs that are not in the travel table",
        [0, 1, 9, 19],
        {},
        {},
        "BABC",
        "AABC",
        "travel_table",
        every_pair_there,
        surfaces=("table",),
        travel=lambda table: table[~((table["rep_id"] == "A") & (table["account_id"] == "a0"))],
    ),
    Case(
        # An hour of C's is two of A's.
        "loads that depend on the rep",
        [0, 1, 2, 3, 9, 19],
        {"balance": [{"measure": "hours", "max": 5}]},
        {},
        "AABBBC",
        "AAAABC",
        "balance:hours",
        least_loads,
        surfaces=("table",),
        travel=lambda table: table.assign(hours=np.where(table["rep_id"] == "A", 2.0, 1.0)),
    ),
    Case(
        # All but a6 and a7 would change hands; a third of nine accounts may, and those at 0, 1 and 21 save most.
        "a limit on what changes hands",
        LINE,
        {"disruption": {"current": "owner", "max_moved": 0.34}},
        {"disruption": {"current": "owner"}},
        "AABBBBBCC",
        "AAAAABBCC",
        "max_moved",
        no_section("disruption", Disruption(current="owner")),
        accounts={"owner": ["B"] * 7 + ["C", "B"]},
    ),
    Case(
        # a8 saves most, but counts three times; the two at 0 and 1 may move instead.
        "a limit on what changes hands, with a protected account",
        LINE,
        {"disruption": {"current": "owner", "max_moved": 0.23, "protect": [{"column": "key", "weight": 2}]}},
        {"disruption": {"current": "owner", "max_moved": 0.23}},
        "AABBBBBCB",
        "ABBBBBBCC",
        "max_moved",
        no_section("disruption", Disruption(current="owner", max_moved=0.23)),
        accounts={"owner": ["B"] * 7 + ["C", "B"], "key": ["", "", "", "", "", "", "", "", "yes"]},
    ),
    Case(
        "a lock that holds until a date",
        LINE,
        {"disruption": {"current": "owner", "locked_until": "until", "as_of": date(2026, 7, 1)}},
        {"disruption": {"current": "owner"}},
        "BAAAABBCC",
        "AAAAABBCC",
        "locks",
        no_section("locks"),
        accounts={"owner": ["B", "B", *["A"] * 7], "until": ["2026-07-02", "2026-07-01", *[""] * 7]},
    ),
]
ON_SURFACES = [pytest.param(case, surface, id=f"{case.name}, {surface}") for case in CASES for surface in case.surfaces]


@pytest.mark.parametrize(("case", "surface"), ON_SURFACES)
def test_the_plan_is_the_optimum_under_the_rule_and_passes_the_audit(case: Case, surface: str, tmp_path: Path) -> None:
    problem = case.problem(surface, case.rules)
    plan = solve(problem)
    assert owners(plan) == case.best
    assert plan.status == "optimal"
    write_plan_files(problem, plan, tmp_path)
    report = audit(tmp_path)
    assert report.passed, report.summary()
    assert case.check in {check.name for check in report.checks}


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES if c.check != "travel_table"])
def test_the_rule_binds_since_without_it_another_plan_is_better(case: Case) -> None:
    surface = case.surfaces[0]
    assert owners(solve(case.problem(surface, case.without))) == case.free
    assert case.free != case.best


@pytest.mark.parametrize(("case", "surface"), ON_SURFACES)
def test_a_model_that_lost_the_rule_makes_a_plan_that_fails_the_audit(
    case: Case, surface: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = case.problem(surface, case.rules)
    monkeypatch.setattr(planner, "build_model", case.drop)
    plan = solve(problem)
    assert owners(plan) == case.free
    assert case.check in failed_checks(problem, plan, tmp_path)


# One rep per account is no row of the model but its shape: lost, an account would be split.

WHOLE = Case(
    "one rep per account",
    [0, 1, 2],
    {"balance": [{"measure": "visits", "max": "ceiling"}]},
    {},
    "ABB",
    "AAA",
    "balance:visits",
    build_model,
    accounts={"visits": [4, 4, 4]},
    reps={"ceiling": [7, 12, 12]},
)


def relaxation(problem: AssignmentProblem) -> tuple[float, Any]:
    """The value with split accounts, and the share of each account with each rep."""
    n, m = problem.n_units, problem.n_territories
    found = solve_relaxation(problem, from_table(problem, np.broadcast_to(np.arange(m, dtype=np.int32), (n, m))))
    return found.value, found.share.reshape(n, m)


def test_no_account_is_shared_by_two_reps_though_that_would_be_cheaper(tmp_path: Path) -> None:
    problem = WHOLE.problem("plane", WHOLE.rules)
    plan = solve(problem)
    value, share = relaxation(build_model(problem).problem)
    assert ((share > 0.01) & (share < 0.99)).any()
    assert owners(plan) == WHOLE.best
    assert list(plan.assignments.index) == list(problem.accounts.index)
    assert plan.objective is not None
    assert value < plan.objective
    assert failed_checks(problem, plan, tmp_path) == set()


def test_a_solver_that_splits_accounts_makes_a_plan_that_fails_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def split(problem: AssignmentProblem, **_: Any) -> SolveResult:
        value, share = relaxation(problem)
        zero = np.zeros((problem.n_measures, problem.n_territories))
        return SolveResult("feasible", "gap", share.argmax(axis=1).astype(np.int32), value, 0.0, 0.0, zero, zero)

    problem = WHOLE.problem("plane", WHOLE.rules)
    monkeypatch.setattr(planner, "solve_arrays", split)
    assert "balance:visits" in failed_checks(problem, solve(problem), tmp_path)


def test_when_only_splitting_an_account_would_fit_there_is_no_plan(tmp_path: Path) -> None:
    case = replace(WHOLE, reps={"ceiling": [7, 3, 3]})
    problem = case.problem("plane", case.rules)
    value, _ = relaxation(build_model(problem).problem)
    assert np.isfinite(value)
    plan = solve(problem)
    assert plan.status == "infeasible"
    assert plan.assignments.empty
    assert failed_checks(problem, plan, tmp_path) == set()
