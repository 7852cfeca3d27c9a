"""The command line: exit codes, streams, and what is written when."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import territory_engine.planner
import territory_engine.reading.loading
from territory_engine import NoPlanError, __version__
from territory_engine.app.cli import app

PLAN_DIRECTORY = {
    "assignments.csv",
    "territories.csv",
    "plan.json",
    "plan.xlsx",
    "map.html",
    "report.html",
    "territories.geojson",
    "inputs",
}


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# --- 0: done ----------------------------------------------------------------------------------------------------------


def test_a_plan_is_a_whole_directory_and_exit_code_0(planned: tuple[Path, Any]) -> None:
    out, process = planned
    assert process.returncode == 0, process.stderr
    assert {path.name for path in out.iterdir()} == PLAN_DIRECTORY
    assert [path.name for path in out.parent.iterdir()] == ["plan"], "no temporary directory stays behind"


def test_the_summary_goes_to_stdout_and_nothing_to_stderr_where_nobody_looks(planned: tuple[Path, Any]) -> None:
    out, process = planned
    assert f"open {out / 'map.html'}" in process.stdout
    assert json.loads((out / "plan.json").read_text())["status"] in process.stdout.lower()
    assert process.stderr == ""


def test_a_fresh_plan_passes_its_audit(planned: tuple[Path, Any], command_line: Any) -> None:
    process = command_line("audit", planned[0])
    assert (process.returncode, process.stderr) == (0, "")
    assert "passed" in process.stdout


def test_quiet_says_nothing_at_all(small_input: Path) -> None:
    result = run("plan", small_input, "--out", small_input.parent / "out", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_the_same_seed_gives_the_same_assignments(planned: tuple[Path, Any], small_input: Path) -> None:
    out = small_input.parent / "again"
    assert run("plan", small_input, "--out", out).exit_code == 0
    assert (out / "assignments.csv").read_bytes() == (planned[0] / "assignments.csv").read_bytes()


def test_options_stand_over_the_file_and_are_recorded(small_input: Path) -> None:
    out = small_input.parent / "out"
    assert run("plan", small_input, "--out", out, "--time-limit", "7.5", "--seed", "3").exit_code == 0
    record = json.loads((out / "plan.json").read_text())
    assert record["config"]["solve"]["time_limit_s"] == 7.5
    assert record["config"]["solve"]["seed"] == record["seed"] == 3


def test_an_existing_plan_is_swapped_when_asked(small_input: Path, plan_copy: Path) -> None:
    (plan_copy / "report.html").write_text("old")
    assert run("plan", small_input, "--out", plan_copy, "--replace").exit_code == 0
    assert {path.name for path in plan_copy.iterdir()} == PLAN_DIRECTORY
    assert (plan_copy / "report.html").read_text() != "old"


def test_a_plan_directory_that_also_holds_the_users_own_files_is_not_swapped(
    small_input: Path, plan_copy: Path
) -> None:
    (plan_copy / "mine.txt").write_text("mine")
    result = run("plan", small_input, "--out", plan_copy, "--replace")
    assert result.exit_code == 2
    assert "mine.txt" in result.stderr
    assert (plan_copy / "mine.txt").read_text() == "mine"


def test_a_reader_that_goes_away_does_not_undo_the_plan(small_input: Path, command_line: Any) -> None:
    out = small_input.parent / "out"
    command = command_line.command("plan", small_input, "--out", out)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=command_line.environment, **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()
    assert (process.returncode, complaint) == (0, b"")
    assert (out / "plan.json").is_file()


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["audit", "-h"]])
def test_help_is_no_error(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"territory-engine {__version__}\n"


# --- 2: bad input or usage --------------------------------------------------------------------------------------------


def test_an_existing_directory_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    result = run("plan", tmp_path / "there-is-no-such.toml", "--out", tmp_path)
    assert result.exit_code == 2
    assert "--replace" in result.stderr
    assert "there-is-no-such" not in result.stderr


def test_a_directory_that_is_no_plan_is_never_replaced(small_input: Path) -> None:
    before = {path.name for path in small_input.parent.iterdir()}
    result = run("plan", small_input, "--out", small_input.parent, "--replace")
    assert result.exit_code == 2
    assert "plan.json" in result.stderr
    assert {path.name for path in small_input.parent.iterdir()} == before


def test_every_problem_in_the_input_is_told_with_its_row_and_nothing_is_written(small_input: Path) -> None:
    accounts = small_input.parent / "accounts.csv"
    lines = accounts.read_text().splitlines()
    lines[3] = lines[3].replace("41.0", "ninety")
    lines[7] = lines[7].replace(lines[7].split(",")[0], lines[6].split(",")[0])
    accounts.write_text("\n".join(lines))
    result = run("plan", small_input, "--out", small_input.parent / "out")
    assert result.exit_code == 2
    assert "2 problems in the input; nothing was written" in result.stderr
    assert "row 4" in result.stderr
    assert "ninety" in result.stderr
    assert "row 8" in result.stderr or "rows 7" in result.stderr
    assert result.stdout == ""
    assert not (small_input.parent / "out").exists()


@pytest.mark.parametrize("length", [300, 240])
def test_a_name_that_is_too_long_is_refused_before_anything_is_read(tmp_path: Path, length: int) -> None:
    result = run("plan", tmp_path / "none.toml", "--out", tmp_path / ("x" * length))
    assert result.exit_code == 2
    assert "File name too long" in result.stderr
    assert "Remedy: give another destination" in result.stderr


def test_a_missing_configuration_is_bad_input(tmp_path: Path) -> None:
    result = run("plan", tmp_path / "missing.toml", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "missing.toml" in result.stderr


def test_a_long_list_of_problems_ends_with_their_kinds(small_input: Path) -> None:
    header = "account_id,latitude,longitude,visits\n"
    rows = "".join(f"{number},41.0,east,1\n" for number in range(30))
    (small_input.parent / "accounts.csv").write_text(header + rows)
    result = run("plan", small_input, "--out", small_input.parent / "out")
    assert result.exit_code == 2
    assert result.stderr.count("(found 'east')") == 30
    assert "30 problems in all:\n  30 × accounts.csv: " in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--out"],
        ["--out", "x", "--bogus"],
        ["--out", "x", "--time-limit", "0"],
        ["--out", "x", "--time-limit", "nan"],
        ["--out", "x", "--time-limit", "soon"],
        ["--out", "x", "--seed", "-1"],
        ["--out", "x", "--seed", "1.5"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(small_input: Path, options: list[str]) -> None:
    result = run("plan", small_input, *options)
    assert result.exit_code == 2
    assert "Error" in result.stderr


def test_an_output_that_cannot_be_written_is_refused(small_input: Path) -> None:
    (small_input.parent / "file").write_text("in the way")
    result = run("plan", small_input, "--out", small_input.parent / "file" / "out")
    assert result.exit_code == 2
    assert "Remedy" in result.stderr


# --- 3: proved infeasible ---------------------------------------------------------------------------------------------


def test_an_impossible_input_is_answered_with_conflict_relaxation_and_proof(impossible_input: Path) -> None:
    out = impossible_input.parent / "out"
    result = run("plan", impossible_input, "--out", out)
    assert result.exit_code == 3, result.stderr
    record = json.loads((out / "plan.json").read_text())
    assert record["status"] == "infeasible"
    assert record["conflict"]["rules"]
    for sentence in [*record["conflict"]["rules"], *record["conflict"]["relaxations"]]:
        assert sentence in result.stderr
    assert result.stdout == ""
    assert {path.name for path in out.iterdir()} == {"plan.json", "report.html", "inputs"}
    assert run("audit", out).exit_code == 0


# --- 4: nothing found, nothing proved ---------------------------------------------------------------------------------


def test_no_plan_in_time_is_exit_code_4_and_writes_nothing(small_input: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def solve(problem: Any, **callbacks: Any) -> None:
        raise NoPlanError("the time limit of 5 s was reached with the limits still broken by 2 %")

    monkeypatch.setattr(territory_engine.planner, "solve", solve)
    result = run("plan", small_input, "--out", small_input.parent / "out")
    assert result.exit_code == 4
    assert "limits still broken by 2 %" in result.stderr
    assert "It was to be a plan of " in result.stderr
    assert "Nothing was written." in result.stderr
    assert not (small_input.parent / "out").exists()


def test_no_plan_in_time_still_tells_about_the_data_and_the_plan_that_stays(
    small_input: Path, plan_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def solve(problem: Any, **callbacks: Any) -> None:
        raise NoPlanError("no plan that keeps every rule was found in 5 s")

    def load(config: Any) -> Any:
        return dataclasses.replace(read(config), notices=tuple(f"notice {i}" for i in range(10)))

    read = territory_engine.reading.loading.load
    monkeypatch.setattr(territory_engine.reading.loading, "load", load)
    monkeypatch.setattr(territory_engine.planner, "solve", solve)
    result = run("plan", small_input, "--out", plan_copy, "--replace")
    assert result.exit_code == 4
    assert "About the data:\n- notice 0\n" in result.stderr
    assert "- notice 7\n- and 2 more\n" in result.stderr
    assert f"{plan_copy} was left as it was." in result.stderr
    assert (plan_copy / "plan.json").is_file()


# --- 1: a fault -------------------------------------------------------------------------------------------------------


@pytest.fixture
def faulty_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    def solve(problem: Any, **callbacks: Any) -> None:
        raise ZeroDivisionError("division by zero\nand more")

    monkeypatch.setattr(territory_engine.planner, "solve", solve)


@pytest.mark.usefixtures("faulty_planner")
def test_a_fault_is_one_clear_line_and_where_to_see_more(small_input: Path) -> None:
    result = run("plan", small_input, "--out", small_input.parent / "out")
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first == "Unexpected error: ZeroDivisionError: division by zero"
    assert "--traceback" in second
    assert not (small_input.parent / "out").exists()


@pytest.mark.usefixtures("faulty_planner")
def test_a_fault_is_shown_in_full_when_asked(small_input: Path) -> None:
    result = run("plan", small_input, "--out", small_input.parent / "out", "--traceback")
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr


# --- audit ------------------------------------------------------------------------------------------------------------


def test_a_plan_that_was_edited_fails_its_audit(plan_copy: Path) -> None:
    table = plan_copy / "assignments.csv"
    table.write_text(table.read_text().replace("R1", "R2", 1))
    result = run("audit", plan_copy)
    assert result.exit_code == 2
    assert "does not check out" in result.stderr
    assert "FAIL" in result.stdout


def test_an_audit_as_json_lists_every_check(plan_copy: Path) -> None:
    result = run("audit", plan_copy, "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert answer["passed"] is True
    assert all(check["ok"] for check in answer["checks"])


def test_a_rerun_gives_the_same_plan_again(plan_copy: Path) -> None:
    result = run("audit", plan_copy, "--rerun")
    assert result.exit_code == 0, result.stderr
    assert "Rerun: the stored plan was repeated" in result.stdout
    assert "accounts that went elsewhere: 0" in result.stdout


def test_a_rerun_is_part_of_the_json(plan_copy: Path) -> None:
    answer = json.loads(run("audit", plan_copy, "--rerun", "--json").stdout)
    assert answer["rerun"]["passed"] is True
    assert answer["rerun"]["accounts_elsewhere"] == 0


def test_a_rerun_that_ends_elsewhere_fails(plan_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    solve = territory_engine.planner.solve

    def worse(problem: Any, **callbacks: Any) -> Any:
        plan = solve(problem, **callbacks)
        return dataclasses.replace(plan, objective=plan.objective * 1.01)

    monkeypatch.setattr(territory_engine.planner, "solve", worse)
    result = run("audit", plan_copy, "--rerun")
    assert result.exit_code == 2
    assert "NOT repeated" in result.stdout


def test_what_is_no_plan_directory_is_bad_input(tmp_path: Path) -> None:
    result = run("audit", tmp_path)
    assert result.exit_code == 2
    assert "plan.json" in result.stderr
