"""Scenarios run by the command line: what is written, resumed, refused, and told."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from territory_engine import InputError, PlanDirectoryError
from territory_engine.app import scenario_running
from territory_engine.app.scenario_directory import open_scenario_directory
from territory_engine.app.scenario_progress import SilentScenarios
from territory_engine.app.scenario_worker import Outcome, plan_scenario
from territory_engine.plan_directory import read_plan
from tests.app.scenario_inputs import SCENARIOS, plans, write_scenario_input

FILES = {"base", "lose_r2", "close_some", "comparison.csv", "comparison.html", "comparison_map.html", "scenarios.json"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, command_line: Any) -> tuple[Path, Path, Any]:
    """Return the file, the directory of a run, and what the process said; tests leave it as it is."""
    config = write_scenario_input(tmp_path_factory.mktemp("scenarios"))
    out = config.parent / "out"
    return config, out, command_line("scenarios", "run", config, "--out", out, "--processes", "2")


def times(out: Path) -> dict[str, int]:
    return {name: (out / name / "plan.json").stat().st_mtime_ns for name in plans(out)}


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs scenarios in this process: what a directory goes through, without starting others."""

    def solve(base: Any, runs: Any, directory: Any, *, listener: Any, **options: Any) -> list[Outcome]:
        outcomes = []
        for run in runs:
            outcomes.append(plan_scenario(base, run, directory.folder(run.name)))
            listener.ended(outcomes[-1])
        return outcomes

    monkeypatch.setattr(scenario_running, "run_on_processes", solve)

    def run(config: Path, out: Path, **options: Any) -> scenario_running.ScenarioRun:
        return scenario_running.run_scenarios(config, out, listener=SilentScenarios(), **options)

    return run


# --- a run ------------------------------------------------------------------------------------------------------------


def test_every_scenario_gets_a_plan_directory_and_all_are_compared(finished: tuple[Path, Path, Any]) -> None:
    _, out, said = finished
    assert said.returncode == 0, said.stderr
    assert {path.name for path in out.iterdir()} == FILES
    for name in ("base", "lose_r2", "close_some"):
        _, plan = read_plan(out / name)
        assert plan.status in {"optimal", "feasible"}
        assert (out / name / "map.html").is_file()
    assert "lose_r2" in said.stdout
    assert "comparison.html" in said.stdout


def test_a_scenario_is_planned_as_its_edits_say(finished: tuple[Path, Path, Any]) -> None:
    _, out, _ = finished
    _, base = read_plan(out / "base")
    problem, plan = read_plan(out / "lose_r2")
    assert set(base.assignments["rep_id"]) == {"R1", "R2", "R3"}
    assert set(plan.assignments["rep_id"]) == {"R1", "R3"}
    assert problem.scenario is not None
    assert len(read_plan(out / "close_some")[1].assignments) == len(base.assignments) - 2


def test_a_plan_directory_says_which_run_made_it(finished: tuple[Path, Path, Any]) -> None:
    _, out, _ = finished
    told = {name: json.loads((out / name / "plan.json").read_text())["run"] for name in plans(out)}
    assert {name: run["name"] for name, run in told.items()} == {name: name for name in told}
    assert len({run["digest"] for run in told.values()}) == 3


def test_every_plan_passes_its_audit(finished: tuple[Path, Path, Any]) -> None:
    from territory_engine.auditing.audit import audit

    _, out, _ = finished
    assert all(audit(out / name).passed for name in plans(out))


def test_the_comparison_holds_the_figures_of_the_plans(finished: tuple[Path, Path, Any]) -> None:
    _, out, _ = finished
    table = pd.read_csv(out / "comparison.csv", index_col="scenario")
    assert table.index.tolist() == ["base", "lose_r2", "close_some"]
    for name in table.index:
        record = json.loads((out / name / "plan.json").read_text())
        assert table["objective"][name] == record["objective"]
        assert table["status"][name] == record["status"]
    _, base = read_plan(out / "base")
    _, plan = read_plan(out / "lose_r2")
    changed = int((base.assignments["rep_id"] != plan.assignments["rep_id"]).sum())
    assert table["moved_from_base_accounts"]["lose_r2"] == changed
    assert table["accounts_closed"]["close_some"] == 2


def test_one_process_gives_the_same_plans_as_two(
    finished: tuple[Path, Path, Any], command_line: Any, tmp_path: Path
) -> None:
    config, out, _ = finished
    assert command_line("scenarios", "run", config, "--out", tmp_path / "one", "--processes", "1").returncode == 0
    for name in plans(out):
        for file in ("assignments.csv", "territories.csv"):
            assert (tmp_path / "one" / name / file).read_bytes() == (out / name / file).read_bytes()


# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(finished: tuple[Path, Path, Any], tmp_path: Path) -> tuple[Path, Path]:
    """Return a file and a finished directory that the test may change."""
    import shutil

    shutil.copytree(finished[0].parent, tmp_path / "copy")
    return tmp_path / "copy" / "scenarios.toml", tmp_path / "copy" / "out"


def test_running_again_solves_nothing(copied: tuple[Path, Path], command_line: Any) -> None:
    config, out = copied
    before = times(out)
    said = command_line("scenarios", "run", config, "--out", out)
    assert said.returncode == 0
    assert times(out) == before
    assert "not solved again: base, lose_r2, close_some" in said.stdout
    assert (out / "comparison.html").is_file()


def test_only_what_changed_is_solved_again(copied: tuple[Path, Path], run_here: Any) -> None:
    config, out = copied
    before = times(out)
    config.write_text(SCENARIOS.replace('remove_reps = ["R2"]', 'remove_reps = ["R3"]'), encoding="utf-8")
    run_here(config, out)
    assert {name for name, when in times(out).items() if when != before[name]} == {"lose_r2"}
    assert set(read_plan(out / "lose_r2")[1].assignments["rep_id"]) == {"R1", "R2"}


def test_new_words_for_a_scenario_do_not_solve_it_again(copied: tuple[Path, Path], run_here: Any) -> None:
    config, out = copied
    before = times(out)
    config.write_text(SCENARIOS.replace("R2 resigns", "Ben has resigned"), encoding="utf-8")
    run_here(config, out)
    assert times(out) == before
    assert "Ben has resigned" in (out / "comparison.html").read_text(encoding="utf-8")


def test_a_plan_edited_by_hand_is_made_again(copied: tuple[Path, Path], run_here: Any) -> None:
    config, out = copied
    path = out / "lose_r2" / "assignments.csv"
    right = path.read_bytes()
    path.write_bytes(right.replace(b"R1", b"R3"))
    run_here(config, out)
    assert path.read_bytes() == right


@pytest.mark.parametrize("replace", [False, True])
def test_a_scenario_that_is_gone_is_removed_only_when_asked(
    copied: tuple[Path, Path], run_here: Any, replace: bool
) -> None:
    config, out = copied
    config.write_text(SCENARIOS.split("[scenario.close_some]")[0], encoding="utf-8")
    run = run_here(config, out, replace=replace)
    assert (run.removed, run.left) == ((("close_some",), ()) if replace else ((), ("close_some",)))
    assert (out / "close_some").is_dir() is not replace
    assert "close_some" not in pd.read_csv(out / "comparison.csv")["scenario"].tolist()


def test_only_some_are_solved_when_only_some_are_asked_for(run_here: Any, tmp_path: Path) -> None:
    config, out = write_scenario_input(tmp_path), tmp_path / "out"
    run_here(config, out, only=("lose_r2",))
    assert plans(out) == {"base", "lose_r2"}
    before = times(out)
    run_here(config, out)
    assert plans(out) == {"base", "lose_r2", "close_some"}
    assert {name: when for name, when in times(out).items() if name in before} == before


def test_a_killed_run_goes_on_where_it_was(command_line: Any, tmp_path: Path) -> None:
    config, out = write_scenario_input(tmp_path, hard=True), tmp_path / "out"
    command = command_line.command("scenarios", "run", config, "--out", out, "--processes", "1")
    with subprocess.Popen(command, env=command_line.environment, stderr=subprocess.PIPE) as process:
        wait_until(lambda: len(plans(out)) >= 1, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = times(out)
    assert 1 <= len(before) < 3
    # The worker ends with its parent, so nobody else writes here when the next run begins.
    said = command_line("scenarios", "run", config, "--out", out, "--processes", "2")
    assert said.returncode == 0, said.stderr
    after = times(out)
    assert set(after) == {"base", "lose_r2", "close_some"}
    assert {name: after[name] for name in before} == before
    assert {path.name for path in out.iterdir()} == FILES


def test_an_interrupted_run_keeps_what_is_finished(command_line: Any, tmp_path: Path) -> None:
    config, out = write_scenario_input(tmp_path, hard=True), tmp_path / "out"
    command = command_line.command("scenarios", "run", config, "--out", out, "--processes", "1")
    with subprocess.Popen(
        command, env=command_line.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: len(plans(out)) >= 1, process)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert "goes on" in complaint
    assert "Traceback" not in complaint
    assert plans(out)
    assert {path.name for path in out.iterdir()} == {*plans(out), "scenarios.json"}


def wait_until(condition: Any, process: subprocess.Popen[Any]) -> None:
    for _ in range(1200):
        if condition():
            return
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.05)
    pytest.fail("waited for a minute")


# --- scenarios without a plan -----------------------------------------------------------------------------------------


def test_an_impossible_scenario_is_a_result(command_line: Any, tmp_path: Path) -> None:
    impossible = "\n[scenario.tiny]\nbalance.visits.max = 1\n"
    config, out = write_scenario_input(tmp_path, SCENARIOS + impossible), tmp_path / "out"
    said = command_line("scenarios", "run", config, "--out", out)
    assert said.returncode == 3
    assert "tiny: proved infeasible" in said.stderr
    assert read_plan(out / "tiny")[1].status == "infeasible"
    table = pd.read_csv(out / "comparison.csv", index_col="scenario")
    assert table["status"]["tiny"] == "infeasible"
    assert "visits" in table["conflict"]["tiny"]
    assert "cannot all hold" in (out / "comparison.html").read_text(encoding="utf-8")
    before = times(out)
    assert command_line("scenarios", "run", config, "--out", out).returncode == 3
    assert times(out) == before


def test_a_scenario_that_finds_no_plan_in_time_is_told_and_tried_again(
    tmp_path: Path, run_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = write_scenario_input(tmp_path), tmp_path / "out"
    real = scenario_running.run_on_processes
    tried = []

    def without(base: Any, runs: Any, directory: Any, *, listener: Any, **options: Any) -> list[Outcome]:
        tried.append([run.name for run in runs])
        outcomes = real(base, [r for r in runs if r.name != "lose_r2"], directory, listener=listener, **options)
        lost = Outcome("lose_r2", "no plan", "the time limit of 5 s was too short", seconds=5.0)
        listener.ended(lost)
        return [*outcomes, lost]

    monkeypatch.setattr(scenario_running, "run_on_processes", without)
    run = run_here(config, out)
    assert run.with_status("no plan") == ["lose_r2"]
    assert plans(out) == {"base", "close_some"}
    table = pd.read_csv(out / "comparison.csv", index_col="scenario")
    assert table["status"]["lose_r2"] == "no plan"
    assert "too short" in (out / "comparison.html").read_text(encoding="utf-8")
    run_here(config, out)
    assert tried[1] == ["lose_r2"]


# --- what is refused --------------------------------------------------------------------------------------------------


def test_bad_input_in_any_scenario_stops_before_anything_is_written(command_line: Any, tmp_path: Path) -> None:
    wrong = '\n[scenario.typo]\nremove_reps = ["R9"]\n[scenario.column]\nbalance.weight.max = 3\n'
    config, out = write_scenario_input(tmp_path, SCENARIOS + wrong), tmp_path / "out"
    said = command_line("scenarios", "run", config, "--out", out)
    assert said.returncode == 2
    assert "R9" in said.stderr
    assert "weight" in said.stderr
    assert not out.exists()


def test_an_unknown_name_is_refused_with_the_nearest_one(run_here: Any, tmp_path: Path) -> None:
    config = write_scenario_input(tmp_path)
    with pytest.raises(InputError, match="did you mean 'lose_r2'"):
        run_here(config, tmp_path / "out", only=("lose_r22",))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["a plan", "a note", "a file", "another record"])
def test_a_directory_that_holds_something_else_is_refused(run_here: Any, tmp_path: Path, content: str) -> None:
    config, out = write_scenario_input(tmp_path), tmp_path / "out"
    if content == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
        name = {"a plan": "plan.json", "a note": "note.txt", "another record": "scenarios.json"}[content]
        (out / name).write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PlanDirectoryError, match="Remedy"):
        run_here(config, out, replace=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_another_files_directory_is_refused_without_replace(copied: tuple[Path, Path], run_here: Any) -> None:
    config, out = copied
    other = config.with_name("other.toml")
    other.write_text(SCENARIOS.split("[scenario.close_some]")[0], encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match=r"holds the scenarios of \.\./scenarios\.toml"):
        run_here(other, out)
    run_here(other, out, replace=True)
    assert plans(out) == {"base", "lose_r2"}


def test_what_is_somebodys_own_in_a_plan_is_not_deleted(copied: tuple[Path, Path], run_here: Any) -> None:
    config, out = copied
    (out / "close_some" / "minutes.txt").write_text("agreed on Monday")
    config.write_text(SCENARIOS.split("[scenario.close_some]")[0], encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match=r"minutes\.txt"):
        run_here(config, out, replace=True)
    assert (out / "close_some" / "minutes.txt").is_file()


def test_two_runs_in_one_directory_are_kept_apart(copied: tuple[Path, Path], run_here: Any) -> None:
    config, out = copied
    with (
        open_scenario_directory(out, config),
        pytest.raises(PlanDirectoryError, match="another run is under way"),
    ):
        run_here(config, out)
    run_here(config, out)


def test_what_a_killed_run_left_is_tidied_up(copied: tuple[Path, Path], run_here: Any) -> None:
    config, out = copied
    (out / ".lose_r2.0123456789ab.partial").mkdir()
    (out / ".lose_r2.0123456789ab.partial" / "plan.json").write_text("{")
    (out / ".problem.0123456789ab.partial").write_text("")
    (out / ".running").write_text("")
    run_here(config, out)
    assert {path.name for path in out.iterdir()} == FILES


# --- processes that die -----------------------------------------------------------------------------------------------


def test_a_scenario_whose_process_dies_is_solved_by_another(command_line: Any, tmp_path: Path) -> None:
    import os

    config, out = write_scenario_input(tmp_path, hard=True), tmp_path / "out"
    command = command_line.command("scenarios", "run", config, "--out", out, "--processes", "2")
    with subprocess.Popen(
        command, env=command_line.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: len(workers_of(process.pid)) == 2, process)
        time.sleep(0.5)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    assert plans(out) == {"base", "lose_r2", "close_some"}
    assert "failed" not in said


def workers_of(pid: int) -> list[int]:
    """Return the processes that a run has started to solve in; a helper of Python's own is none of them."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        pytest.skip("needs /proc to find the workers")
    found = []
    for child in children.read_text().split():
        try:
            line = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"spawn_main" in line:
            found.append(int(child))
    return found


def test_scenarios_are_listed_with_what_they_change(command_line: Any, tmp_path: Path) -> None:
    said = command_line("scenarios", "list", write_scenario_input(tmp_path))
    assert said.returncode == 0
    assert 'lose_r2: 24 accounts, 2 reps\n  R2 resigns\n  - remove_reps = ["R2"]' in said.stdout
    assert "close_some: 22 accounts, 3 reps" in said.stdout
