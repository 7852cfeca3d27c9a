"""What a rebalancing starts from: a plan, a column, and reps who left."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scenarios.history import ParentPlan, read_parent
from scenarios.rebalancing_start import measured_in, start_from_plan, without_reps
from scenarios.scenario_edits import apply_scenario
from scenarios.scenario_file import load_scenarios
from territory_engine.auditing.audit import audit
from territory_engine.disruption import current_alignment
from territory_engine.errors import ConfigError, InputError
from territory_engine.plan_directory import write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load
from territory_engine.rebalancing import rebalance


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def planned(folder: Path, out: str = "plan") -> ParentPlan:
    problem = load(folder / "config.toml")
    (folder / out).mkdir()
    write_plan_files(problem, solve(problem), folder / out)
    return read_parent(folder / out)


def owners(problem: PlanningProblem) -> dict[str, str]:
    rule = problem.config.disruption
    assert rule is not None
    return dict(problem.accounts[rule.current].astype(str))


def test_the_plans_alignment_is_todays_where_the_configuration_names_none(plan_files: Path) -> None:
    edit(plan_files / "config.toml", ('[disruption]\ncurrent = "owner"\n', ""))
    parent = planned(plan_files)
    started = start_from_plan(load(plan_files / "config.toml"), parent)
    assert owners(started) == dict(parent.plan.assignments["rep_id"])
    assert started.config.disruption is not None
    assert (started.config.disruption.current, started.config.disruption.measure) == ("current_rep", "count")
    today = current_alignment(started)
    assert today is not None
    assert today.total == 9


def test_the_plans_alignment_overrules_the_column_and_keeps_what_else_is_said_of_moves(plan_files: Path) -> None:
    edit(plan_files / "config.toml", ('current = "owner"', 'current = "owner"\nmeasure = "revenue"\nmax_moved = 0.9'))
    parent = planned(plan_files)
    started = start_from_plan(load(plan_files / "config.toml"), parent)
    assert owners(started) == dict(parent.plan.assignments["rep_id"])
    assert started.config.disruption is not None
    assert started.config.disruption.model_dump() == load(plan_files / "config.toml").config.disruption.model_dump()  # type: ignore[union-attr]  # it has the rule


def test_an_existing_column_of_that_name_is_left_alone(plan_files: Path) -> None:
    edit(plan_files / "config.toml", ('[disruption]\ncurrent = "owner"\n', ""))
    edit(plan_files / "accounts.csv", ("postal_code", "current_rep"))
    parent = planned(plan_files)
    before = load(plan_files / "config.toml")
    started = start_from_plan(before, parent)
    assert started.config.disruption is not None
    assert started.config.disruption.current == "current_rep_"
    assert started.accounts["current_rep"].tolist() == before.accounts["current_rep"].tolist()


def test_accounts_the_plan_does_not_have_are_nobodys(plan_files: Path) -> None:
    parent = planned(plan_files)
    with (plan_files / "accounts.csv").open("a", encoding="utf-8") as file:
        file.write("b1,New,5,5,2,50,40,SMB,R1,,\n")
    edit(plan_files / "accounts.csv", ("a4,Delta,8,0,2,100,80,ENT,R2,,52240\n", ""))
    started = start_from_plan(load(plan_files / "config.toml"), parent)
    assert owners(started)["b1"] == ""
    assert "a4" not in owners(started)
    assert any("1 account is not in" in notice for notice in started.notices)
    found = rebalance(started, n_points=2)
    assert all(plan.disruption["accounts_assigned"] == 1 for _, plan in found.points if plan.disruption)


def test_a_rep_who_left_since_the_plan_is_no_rep_any_more(plan_files: Path) -> None:
    parent = planned(plan_files)
    lines = (plan_files / "reps.csv").read_text(encoding="utf-8").splitlines()
    (plan_files / "reps.csv").write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    edit(plan_files / "accounts.csv", ("ENT,R3,R3,", "ENT,R3,,"))
    started = start_from_plan(load(plan_files / "config.toml"), parent)
    had = int((parent.plan.assignments["rep_id"] == "R3").sum())
    today = current_alignment(started)
    assert today is not None
    assert (today.owner < 0).sum() == had > 0


def test_an_infeasible_plan_is_no_start(plan_files: Path) -> None:
    edit(plan_files / "config.toml", ("tolerance = 0.9", "tolerance = 0.0001\nmax = 1.0"))
    parent = planned(plan_files)
    assert parent.plan.status == "infeasible"
    with pytest.raises(InputError, match="proved infeasible"):
        start_from_plan(load(plan_files / "config.toml"), parent)


def test_a_plan_without_reps_is_no_start(plan_files: Path) -> None:
    parent = planned(plan_files)
    nobody = dataclasses.replace(parent.plan, assignments=parent.plan.assignments.assign(rep_id=""))
    with pytest.raises(ConfigError, match="nobody who serves them"):
        start_from_plan(load(plan_files / "config.toml"), dataclasses.replace(parent, plan=nobody))


def test_a_plan_of_other_accounts_is_no_start(plan_files: Path) -> None:
    parent = planned(plan_files)
    edit(plan_files / "accounts.csv", ("\na", "\nz"))
    with pytest.raises(InputError, match="no account in common"):
        start_from_plan(load(plan_files / "config.toml"), parent)


def test_accounts_locked_until_a_date_stay_with_the_plans_rep_not_the_columns(plan_files: Path) -> None:
    parent = planned(plan_files)
    text = (plan_files / "accounts.csv").read_text(encoding="utf-8").splitlines()
    dated = [text[0] + ",until", *(f"{line},{'2027-01-01' if line.startswith('a5') else ''}" for line in text[1:])]
    # In the column, a5 is R1's; in the plan it is not.
    dated = [line.replace("SMB,R2,,52241", "SMB,R1,,52241") for line in dated]
    (plan_files / "accounts.csv").write_text("\n".join(dated) + "\n", encoding="utf-8")
    edit(
        plan_files / "config.toml",
        ('current = "owner"', 'current = "owner"\nlocked_until = "until"\nas_of = 2026-11-29'),
    )
    has = str(parent.plan.assignments.at["a5", "rep_id"])
    assert has != "R1"
    started = start_from_plan(load(plan_files / "config.toml"), parent)
    for _, plan in rebalance(started, n_points=2).points:
        assert plan.assignments.at["a5", "rep_id"] == has
    # Whoever left cannot keep it.
    gone = without_reps(started, [has])
    for _, plan in rebalance(gone, n_points=2).points:
        assert plan.assignments.at["a5", "rep_id"] != has


def test_an_account_locked_for_good_stays_locked_whoever_has_it_in_the_plan(plan_files: Path) -> None:
    parent = planned(plan_files)
    has = str(parent.plan.assignments.at["a5", "rep_id"])
    other = next(rep for rep in ("R1", "R2", "R3") if rep != has)
    lines = (plan_files / "accounts.csv").read_text(encoding="utf-8").splitlines()
    header = lines[0].split(",")
    cells = [line.split(",") for line in lines[1:]]
    for row in cells:
        date = ""
        if row[0] == "a5":
            row[header.index("owner")] = row[header.index("locked_rep")] = other
            row[header.index("segment")] = "SMB"
            date = "2030-01-01"
        row.append(date)
    text = "\n".join(",".join(row) for row in [[*header, "until"], *cells]) + "\n"
    (plan_files / "accounts.csv").write_text(text, encoding="utf-8")
    edit(
        plan_files / "config.toml",
        ('current = "owner"', 'current = "owner"\nlocked_until = "until"\nas_of = 2026-11-29'),
    )
    problem = load(plan_files / "config.toml")
    assert problem.accounts.at["a5", "locked_to"] == other
    # A date keeps it with its rep of the plan, and a lock with another: one of the two has to go.
    with pytest.raises(InputError, match="to another rep than 'until' does") as caught:
        start_from_plan(problem, parent)
    assert [(f.column, f.value) for f in caught.value.findings] == [("locked_rep", other)]
    # Where no date says otherwise the lock alone holds, and does so in what is written too.
    (plan_files / "accounts.csv").write_text(text.replace("2030-01-01", "2020-01-01"), encoding="utf-8")
    started = start_from_plan(load(plan_files / "config.toml"), parent)
    assert started.accounts.at["a5", "locked_to"] == other
    for number, (point, plan) in enumerate(rebalance(started, n_points=2).points):
        assert plan.assignments.at["a5", "rep_id"] == other
        (plan_files / f"{number}").mkdir()
        write_plan_files(point, parent.adopt(point, plan), plan_files / f"{number}")
        report = audit(plan_files / f"{number}")
        assert report.passed, report.summary()


@pytest.mark.parametrize("measured", [False, True])
def test_another_start_or_measure_is_no_edit_of_the_files(plan_files: Path, measured: bool) -> None:
    parent = planned(plan_files)
    before = load(plan_files / "config.toml")
    started = measured_in(before, "revenue") if measured else start_from_plan(before, parent)
    assert started.sources == before.sources
    ((point, plan),) = rebalance(started, max_moved=[0.0]).points
    (plan_files / "point").mkdir()
    write_plan_files(point, plan, plan_files / "point")
    report = audit(plan_files / "point")
    assert report.passed, report.summary()


# Reps who left --------------------------------------------------------------------------------------------------------


@pytest.fixture
def problem(plan_files: Path) -> PlanningProblem:
    edit(plan_files / "config.toml", ('[locks]\ncolumn = "locked_rep"\n', ""))
    return load(plan_files / "config.toml")


def test_reps_who_left_are_none_any_more_and_it_is_told(problem: PlanningProblem) -> None:
    left = without_reps(problem, ["R2"])
    assert left.reps.index.tolist() == ["R1", "R3"]
    assert left.scenario is not None
    assert (left.scenario.name, left.scenario.description) == ("without_R2", "without R2")
    assert left.scenario.removed["reps"] == ["R2"]
    assert owners(left)["a4"] == "R2"


def test_a_rep_named_twice_left_once(problem: PlanningProblem) -> None:
    left = without_reps(problem, ["R2", "R2"])
    assert left.scenario is not None
    assert (left.scenario.name, left.scenario.description) == ("without_R2", "without R2")


def test_unknown_reps_are_all_named_each_once_with_what_was_meant(problem: PlanningProblem) -> None:
    with pytest.raises(InputError) as caught:
        without_reps(problem, ["R22", "Bob", "nobody", "R1", "nobody"])
    values = [finding.value for finding in caught.value.findings]
    assert values == ["R22", "Bob", "nobody"]
    assert [finding.remedy for finding in caught.value.findings] == ["did you mean 'R2'?", "did you mean 'R2'?", None]
    assert all(finding.allowed == "R1, R2, R3" for finding in caught.value.findings)


def test_somebody_has_to_be_left(problem: PlanningProblem) -> None:
    with pytest.raises(InputError):
        without_reps(problem, ["R1", "R2", "R3"])


def test_an_id_of_any_characters_can_leave(plan_files: Path) -> None:
    odd = "R2/ö <b>.."
    edit(plan_files / "reps.csv", ("R2,", f"{odd},"))
    edit(plan_files / "accounts.csv", (",R2", f",{odd}"))
    edit(plan_files / "config.toml", ('[locks]\ncolumn = "locked_rep"\n', ""))
    left = without_reps(load(plan_files / "config.toml"), [odd])
    assert left.scenario is not None
    assert "/" not in left.scenario.name
    assert odd not in left.reps.index
    (plan_files / "out").mkdir()
    write_plan_files(left, solve(left), plan_files / "out")


def test_leaving_a_scenario_keeps_its_name(scenario_file: Callable[..., Path]) -> None:
    path = scenario_file('[scenario.grow]\ngrowth = [{ measure = "revenue", factor = 1.1 }]\n')
    file = load_scenarios(path)
    grown = apply_scenario(file.base_problem, file["grow"])
    left = without_reps(dataclasses.replace(grown, config=grown.config.model_copy(update={"locks": None})), ["R2"])
    assert left.scenario is not None
    assert left.scenario.name == "grow_without_R2"
    assert left.accounts.at["a1", "revenue"] == pytest.approx(110)
    # Both are needed to make the plan again, so both have to be in its record.
    assert "growth" in str(left.scenario.edits)
    assert "R2" in str(left.scenario.edits)


# What a move counts ---------------------------------------------------------------------------------------------------


def test_moves_are_measured_in_another_column(problem: PlanningProblem) -> None:
    again = measured_in(problem, "revenue")
    today = current_alignment(again)
    assert today is not None
    assert today.measure == "revenue"
    assert today.total == pytest.approx(problem.accounts["revenue"][:8].sum())
    assert again.notices == problem.notices


@pytest.mark.parametrize("measure", ["nothing", "name"])
def test_a_measure_that_is_no_column_of_numbers_is_refused(problem: PlanningProblem, measure: str) -> None:
    with pytest.raises(InputError) as caught:
        measured_in(problem, measure)
    assert any(measure in str(finding) for finding in caught.value.findings)


def test_without_an_alignment_no_measure_helps(plan_files: Path) -> None:
    edit(plan_files / "config.toml", ('[disruption]\ncurrent = "owner"\n', ""))
    with pytest.raises(ConfigError, match="it is not known who has which account today"):
        measured_in(load(plan_files / "config.toml"), "revenue")


def test_frames_are_not_changed_in_place(problem: PlanningProblem) -> None:
    before: Any = (problem.accounts.copy(), problem.reps.copy())
    without_reps(problem, ["R2"])
    measured_in(problem, "revenue")
    pd.testing.assert_frame_equal(problem.accounts, before[0])
    pd.testing.assert_frame_equal(problem.reps, before[1])
