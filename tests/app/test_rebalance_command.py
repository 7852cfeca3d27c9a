"""``territory-engine rebalance``: what it says, what it writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from territory_engine.app.cli import app
from territory_engine.app.rebalance_command import _check_outside
from territory_engine.auditing.audit import audit
from territory_engine.errors import PlanDirectoryError
from territory_engine.plan_directory import read_record

ROUNDS = ("time_limit_s = 5", "time_limit_s = 5\nrounds = 2")


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write plans in this very process: the ones that are tests of a process start others."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


def owned_input(folder: Path, *, owners: str = "R1") -> Path:
    """Let somebody have every account of the small input today, and measure moves in visits."""
    header, *rows = (folder / "accounts.csv").read_text(encoding="utf-8").splitlines()
    names = owners.split(";")
    owned = [header + ",owner", *(f"{row},{names[i % len(names)]}" for i, row in enumerate(rows))]
    (folder / "accounts.csv").write_text("\n".join(owned) + "\n", encoding="utf-8")
    edit(folder / "config.toml", ROUNDS)
    with (folder / "config.toml").open("a", encoding="utf-8") as file:
        file.write('\n[disruption]\ncurrent = "owner"\nmeasure = "visits"\n')
    return folder / "config.toml"


@pytest.fixture
def owned(small_input: Path) -> Path:
    return owned_input(small_input.parent)


@pytest.fixture(scope="module")
def three_reps(tmp_path_factory: pytest.TempPathFactory, planned: tuple[Path, Any]) -> tuple[Path, Path]:
    """Return a configuration of three reps without owners, and a plan of it."""
    folder = tmp_path_factory.mktemp("three")
    for name in ("accounts.csv", "reps.csv", "config.toml"):
        shutil.copy(planned[0].parent.parent / name, folder)
    with (folder / "reps.csv").open("a", encoding="utf-8") as file:
        file.write("R3,Cid,41.1,-92.9,1\n")
    edit(folder / "config.toml", ROUNDS, ("tolerance = 0.2", "tolerance = 0.4"))
    assert run("plan", folder / "config.toml", "--out", folder / "plan", "--quiet").exit_code == 0
    return folder / "config.toml", folder / "plan"


@pytest.fixture(scope="module")
def june(
    three_reps: tuple[Path, Path], command_line: Callable[..., Any]
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Return a rebalancing directory of a process of its own: R3 of a plan has left."""
    config, plan = three_reps
    out = plan.parent / "new" / "june"
    said = command_line(
        "rebalance", config, "--from", plan, "--without", "R3", "--measure", "visits", "--points", "3", "--out", out
    )
    return out, said


def test_a_rebalancing_is_a_whole_directory_of_plans_and_says_what_it_found(
    june: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, said = june
    assert (said.returncode, said.stderr) == (0, "")
    record = json.loads((out / "rebalance.json").read_text(encoding="utf-8"))
    names = record["points"]
    assert {p.name for p in out.iterdir()} == {"rebalance.json", "rebalance.html", "tradeoff.csv", *names}
    assert [p.name for p in out.parent.iterdir()] == ["june"]
    for words in (
        "must change hands" if record["fewest_moves"]["found"] else "no account has to change hands",
        "R3's",
        f"open {out}",
    ):
        assert words in said.stdout
    table = pd.read_csv(out / "tradeoff.csv", index_col="point")
    assert table.index.tolist() == names
    for name in names:
        report = audit(out / name)
        assert report.passed, report.summary()
        plan = json.loads((out / name / "plan.json").read_text(encoding="utf-8"))
        assert plan["objective"] == pytest.approx(table.at[name, "objective"])
        assert plan["parent"]["path"] == record["parent"]["path"]
        assert plan["parent"]["sha256"] == record["parent"]["sha256"]
        for file in ("report.html", "map.html", "moves.csv"):
            assert (out / name / file).is_file()


def test_every_point_knows_the_plan_it_comes_from(
    june: tuple[Path, Any], three_reps: tuple[Path, Path], tmp_path: Path
) -> None:
    point = june[0] / "point-01"
    log = run("log", point)
    assert log.exit_code == 0, log.stderr
    assert str(three_reps[1]) in log.stdout
    difference = run("diff", three_reps[1], point, "--out", tmp_path / "diff")
    assert difference.exit_code == 0, difference.stderr
    assert "Cid's territory ends" in difference.stdout


def test_without_a_plan_to_start_from_the_column_is_todays(owned: Path, tmp_path: Path) -> None:
    result = run("rebalance", owned, "--points", "3", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    record = json.loads((tmp_path / "out" / "rebalance.json").read_text(encoding="utf-8"))
    assert (record["measure"], record["parent"], record["scenario"]) == ("visits", None, None)
    assert record["fewest_moves"]["minimal"]
    assert record["fewest_moves"]["total"] == 24
    assert record["exceeded_max_moved"] is None
    moves = pd.read_csv(tmp_path / "out" / "point-01" / "assignments.csv", dtype=str)
    assert moves["previous_rep_id"].tolist() == ["R1"] * 12


def test_nothing_is_said_when_nothing_is_to_be_said(owned: Path, tmp_path: Path) -> None:
    result = run("rebalance", owned, "--points", "2", "--out", tmp_path / "out", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("limits", ["0.45,0.6", "45%, 60 %", " 60%,0.45"])
def test_limits_are_fractions_or_percentages(owned: Path, tmp_path: Path, limits: str) -> None:
    result = run("rebalance", owned, "--max-moved", limits, "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(tmp_path / "out" / "tradeoff.csv")
    # Ten of 24 visits have to leave R1; that is the first point.
    assert table["max_moved"].tolist() == [pytest.approx(10 / 24), 0.45, 0.6]
    assert (table["moved_fraction"] <= table["max_moved"] + 1e-9).all()


def test_a_scenario_of_the_file_is_rebalanced_to(owned: Path, tmp_path: Path) -> None:
    file = owned.parent / "scenarios.toml"
    file.write_text('base = "config.toml"\n[scenario.cid]\nadd_reps = [{ rep_id = "R3", name = "Cid", latitude = 41.1, longitude = -92.9, capacity = 1 }]\n', encoding="utf-8")  # fmt: skip
    result = run("rebalance", file, "--scenario", "cid", "--points", "2", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "out" / "rebalance.json").read_text(encoding="utf-8"))["scenario"] == "cid"
    plan = json.loads((tmp_path / "out" / "point-01" / "plan.json").read_text(encoding="utf-8"))
    assert plan["scenario"]["name"] == "cid"
    assert audit(tmp_path / "out" / "point-01").passed
    file.write_text(file.read_text(encoding="utf-8") + 'disruption = { measure = "count" }\n', encoding="utf-8")
    counted = run("rebalance", file, "--scenario", "cid", "--max-moved", "1", "--measure", "visits", "--out", tmp_path / "visits", "-q")  # fmt: skip
    assert counted.exit_code == 0, counted.stderr
    assert json.loads((tmp_path / "visits" / "rebalance.json").read_text(encoding="utf-8"))["measure"] == "visits"
    both = run("rebalance", file, "--scenario", "cid", "--without", "R2", "--points", "2", "--out", tmp_path / "both")
    assert both.exit_code == 0, both.stderr
    record = json.loads((tmp_path / "both" / "point-01" / "plan.json").read_text(encoding="utf-8"))["scenario"]
    assert record["added"]["reps"] == ["R3"]
    assert record["removed"]["reps"] == ["R2"]
    assert audit(tmp_path / "both" / "point-01").passed


def test_an_existing_rebalancing_is_replaced_only_when_asked_and_nothing_else_ever(owned: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("rebalance", owned, "--points", "3", "--out", out, "--quiet").exit_code == 0
    refused = run("rebalance", owned, "--out", out)
    assert (refused.exit_code, "--replace" in refused.stderr) == (2, True)
    assert run("rebalance", owned, "--max-moved", "1", "--out", out, "--replace", "--quiet").exit_code == 0
    record = json.loads((out / "rebalance.json").read_text(encoding="utf-8"))
    assert {p.name for p in out.iterdir() if p.is_dir()} == set(record["points"])
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    assert "notes.txt" in run("rebalance", owned, "--out", out, "--replace").stderr
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine"
    plan = out / "point-01"
    assert "no rebalancing directory" in run("rebalance", owned, "--out", plan, "--replace").stderr
    assert (plan / "plan.json").is_file()


# --- 2: what is refused, with nothing written -------------------------------------------------------------------------


def refused(config: Path, *arguments: str | Path, out: Path, code: int = 2) -> str:
    result = run("rebalance", config, *arguments, "--out", out)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert not out.exists()
    assert [p.name for p in out.parent.iterdir() if p.name.startswith(".")] == []
    return " ".join(str(result.stderr).replace("│", " ").split())


@pytest.mark.parametrize("limits", ["", "x", "0.1,", "1.5", "-0.1", "110%", "nan", "inf", "5%%", "1e400", ",".join(["0.1"] * 51)])  # fmt: skip
def test_limits_that_are_no_fractions_are_refused(owned: Path, tmp_path: Path, limits: str) -> None:
    said = refused(owned, f"--max-moved={limits}", out=tmp_path / "out")
    assert "allowed:" in said


@pytest.mark.parametrize(
    ("limits", "meant"),
    [
        ("0,1", "0.1"),
        ("0, 05", "0.05"),
        ("0,5%", "0.5%"),
        ("2,5 %", "2.5%"),
        ("0,1,0,2", "0.1"),
        ("1,0", "1.0"),
        ("0.1,0,2", "0.2"),
    ],
)
def test_a_decimal_comma_is_not_taken_for_two_limits(owned: Path, tmp_path: Path, limits: str, meant: str) -> None:
    said = refused(owned, "--max-moved", limits, out=tmp_path / "out")
    assert "decimal comma" in said
    assert f"as in {meant}," in said


def test_how_many_points_and_which_are_not_both_asked_for(owned: Path, tmp_path: Path) -> None:
    said = refused(owned, "--points", "3", "--max-moved", "50%", out=tmp_path / "out")
    assert "--points says how many limits to choose, and --max-moved which" in said
    # Whatever the number, the one that is taken where none is given too.
    refused(owned, "--points", "8", "--max-moved", "50%", out=tmp_path / "out")


def test_fewest_moves_beyond_the_configured_limit_are_on_record(owned: Path, tmp_path: Path) -> None:
    with owned.open("a", encoding="utf-8") as file:
        file.write("max_moved = 0.01\n")
    result = run("rebalance", owned, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("More has to change hands than the max_moved of 1 % in the configuration")
    record = json.loads((tmp_path / "out" / "rebalance.json").read_text(encoding="utf-8"))
    assert (record["exceeded_max_moved"], record["points"]) == (0.01, ["point-01"])
    assert record["fewest_moves"]["proof"]["whole_measures"] == ["visits"]


@pytest.mark.parametrize("points", ["1", "0", "51", "x"])
def test_a_curve_has_two_to_fifty_points(owned: Path, tmp_path: Path, points: str) -> None:
    refused(owned, "--points", points, out=tmp_path / "out")


def test_a_plan_that_was_edited_is_no_start(three_reps: tuple[Path, Path], tmp_path: Path) -> None:
    edited = shutil.copytree(three_reps[1], tmp_path / "edited")
    with (edited / "assignments.csv").open("a", encoding="utf-8") as file:
        file.write("x\n")
    said = refused(three_reps[0], "--from", edited, out=tmp_path / "out")
    assert "assignments.csv: changed since the plan was written" in said
    assert "no such directory" in refused(three_reps[0], "--from", tmp_path / "no", out=tmp_path / "out")


def test_a_plan_directory_holds_no_rebalancing(three_reps: tuple[Path, Path]) -> None:
    said = refused(three_reps[0], "--from", three_reps[1], out=three_reps[1] / "june")
    assert "lies in the plan directory" in said


def test_unknown_reps_and_measures_are_named(owned: Path, tmp_path: Path) -> None:
    said = refused(owned, "--without", "Ben", "--without", "R9", out=tmp_path / "out")
    assert "2 problems" in said
    assert "did you mean 'R2'?" in said
    assert "'profit'" in refused(owned, "--measure", "profit", out=tmp_path / "out")
    assert "reps" in refused(owned, "--without", "R1", "--without", "R2", out=tmp_path / "out")


def test_who_has_what_today_has_to_be_known(small_input: Path, tmp_path: Path) -> None:
    said = refused(small_input, out=tmp_path / "out")
    assert "nothing says who has which account today" in said
    assert "--from" in said


def test_a_scenario_has_to_be_one_of_the_file(owned: Path, tmp_path: Path) -> None:
    file = owned.parent / "scenarios.toml"
    file.write_text('base = "config.toml"\n[scenario.grow]\ngrowth = [{ measure = "visits", factor = 1.1 }]\n', encoding="utf-8")  # fmt: skip
    assert "did you mean 'grow'?" in refused(file, "--scenario", "grown", out=tmp_path / "out")
    refused(owned, "--scenario", "grow", out=tmp_path / "out")


def test_a_limit_below_what_locks_force_is_refused(owned: Path, tmp_path: Path) -> None:
    edit(owned.parent / "accounts.csv", ("-92.9,2,,R1", "-92.9,2,R2,R1"))
    with owned.open("a", encoding="utf-8") as file:
        file.write('max_moved = 0.001\n\n[locks]\ncolumn = "locked_rep"\n')
    assert "below what the locks force" in refused(owned, out=tmp_path / "out")


def test_out_has_to_be_free_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    result = run("rebalance", tmp_path / "no.toml", "--out", tmp_path / "out")
    assert (result.exit_code, "exists already" in result.stderr) == (2, True)


def test_a_full_disk_leaves_nothing_behind(owned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maps.changes.tradeoff.write_rebalancing", full)
    assert "No space left on device" in refused(owned, "--points", "2", out=tmp_path / "out")


# --- 3: no plan can keep the rules ------------------------------------------------------------------------------------


def test_rules_that_contradict_each_other_are_named(owned: Path, tmp_path: Path) -> None:
    header, *rows = (owned.parent / "accounts.csv").read_text(encoding="utf-8").splitlines()
    locked = "\n".join([header, *(row.replace(",,R1", ",R1,R1") for row in rows)])
    (owned.parent / "accounts.csv").write_text(locked, encoding="utf-8")
    with owned.open("a", encoding="utf-8") as file:
        file.write('\n[locks]\ncolumn = "locked_rep"\n')
    said = refused(owned, out=tmp_path / "out", code=3)
    assert "R1" in said
    assert "visits" in said
    assert "Nothing was written" in said


# --- 130: interrupted -------------------------------------------------------------------------------------------------

# The real command line around a search that says when it begins a point, and then waits for the signal.
DRIVER = """
import sys, time
import territory_engine.rebalancing
from territory_engine.app.cli import main

if __name__ == "__main__":
    real = territory_engine.rebalancing.trade_off

    def trade_off(problem, *, on_point, should_stop, **options):
        def told(words, number, of):
            on_point(words, number, of)
            if number == int(wanted):
                print("searching", flush=True)
                for _ in range(3000):
                    if should_stop():
                        return
                    time.sleep(0.01)
                sys.exit("nobody sent a signal")
        return real(problem, on_point=told, should_stop=should_stop, **options)

    wanted = sys.argv.pop(1)
    territory_engine.rebalancing.trade_off = trade_off
    main()
"""


@pytest.mark.parametrize(("number", "at"), [(signal.SIGINT, 2), (signal.SIGTERM, 2), (signal.SIGINT, 0)])
def test_ctrl_c_writes_the_points_so_far(
    number: signal.Signals, at: int, owned: Path, command_line: Any, tmp_path: Path
) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER, encoding="utf-8")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, str(driver), str(at), "rebalance", str(owned), "--max-moved", "0.5,0.6,0.7", "--out", str(out)],
        env=command_line.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "searching"
    process.send_signal(number)
    said, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    if not out.exists():
        assert at == 0
        assert "nothing was written" in error
        return
    names = json.loads((out / "rebalance.json").read_text(encoding="utf-8"))["points"]
    assert len(names) == (2 if at else 1)
    assert f"open {out}" in said
    for name in names:
        assert audit(out / name).passed


def test_the_plan_that_is_rebalanced_is_not_deleted_with_the_directory_it_lies_in(tmp_path: Path) -> None:
    start = tmp_path / "june" / "point-01"
    start.mkdir(parents=True)
    with pytest.raises(PlanDirectoryError, match="would delete"):
        _check_outside(tmp_path / "june", start)
    _check_outside(tmp_path / "july", start)


def test_a_directory_of_plans_names_one_of_them(tmp_path: Path) -> None:
    (tmp_path / "june" / "point-01").mkdir(parents=True)
    (tmp_path / "june" / "point-01" / "plan.json").write_text("{}")
    with pytest.raises(PlanDirectoryError, match=r"Remedy: name one, such as .*point-01"):
        read_record(tmp_path / "june")
