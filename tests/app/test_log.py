"""A plan knows the one it was made from, and the log tells the chain wherever the directories have gone."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scenarios import history
from territory_engine.app.cli import app
from territory_engine.plan_directory import read_plan
from tests.app.conftest import CONFIG, write_small_input


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with three plans: spring, summer made from it, and autumn made from that."""
    folder = tmp_path_factory.mktemp("log")
    config = write_small_input(folder)
    assert run("plan", config, "--out", folder / "plans" / "spring").exit_code == 0
    config.write_text(CONFIG.replace("tolerance = 0.2", "tolerance = 0.1"), encoding="utf-8")
    summer = run("plan", config, "--out", folder / "plans" / "summer", "--parent", folder / "plans" / "spring")
    assert summer.exit_code == 0, summer.stderr
    accounts = (folder / "accounts.csv").read_text().splitlines()
    (folder / "accounts.csv").write_text("\n".join(accounts[:-1]) + "\n")
    autumn = run("plan", config, "--out", folder / "plans" / "autumn", "--parent", folder / "plans" / "summer")
    assert autumn.exit_code == 0, autumn.stderr
    return folder


@pytest.fixture
def plans(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the three plans, which lie elsewhere than their paths say; the originals stay."""
    return Path(shutil.copytree(made / "plans", tmp_path / "plans"))


@pytest.fixture
def moved_away(made: Path, plans: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the same while the originals are not there."""
    (made / "plans").rename(made / "hidden")
    monkeypatch.chdir(plans.parent)
    yield plans  # type: ignore[misc]  # a generator, as pytest has it
    (made / "hidden").rename(made / "plans")


def chain(folder: Path) -> list[dict[str, Any]]:
    result = run("log", folder, "--json")
    assert result.exit_code == 0, result.stderr
    plans: list[dict[str, Any]] = json.loads(result.stdout)["plans"]
    return plans


def names(folder: Path) -> list[str]:
    return [Path(entry["path"]).name for entry in chain(folder)]


def edit(folder: Path, change: Any) -> None:
    record = json.loads((folder / "plan.json").read_text())
    change(record)
    (folder / "plan.json").write_text(json.dumps(record))


# The parent in plan.json ----------------------------------------------------------------------------------------------


def test_a_plan_keeps_path_hash_and_outcome_of_its_parent(made: Path) -> None:
    spring, summer = made / "plans" / "spring", made / "plans" / "summer"
    parent = json.loads((summer / "plan.json").read_text())["parent"]
    before = json.loads((spring / "plan.json").read_text())
    assert parent["path"] == str(spring)
    assert parent["sha256"] == hashlib.sha256((spring / "plan.json").read_bytes()).hexdigest()
    assert {key: parent[key] for key in ("status", "objective", "gap", "engine_version", "created")} == {
        key: before[key] for key in ("status", "objective", "gap", "engine_version", "created")
    }
    a, b = (read_plan(folder)[1].assignments["rep_id"] for folder in (spring, summer))
    assert parent["moved"] == int((a != b).sum())


def test_a_plan_without_a_parent_has_none(made: Path) -> None:
    assert json.loads((made / "plans" / "spring" / "plan.json").read_text())["parent"] is None


def test_a_parent_survives_reading_and_writing(made: Path) -> None:
    _, plan = read_plan(made / "plans" / "summer")
    assert plan.parent is not None
    assert type(plan).from_dict(plan.to_dict()).parent == plan.parent


def test_a_child_passes_its_audit(made: Path) -> None:
    assert run("audit", made / "plans" / "summer").exit_code == 0


def test_a_parent_without_a_common_account_is_refused_and_nothing_written(made: Path, tmp_path: Path) -> None:
    config = write_small_input(tmp_path)
    text = (tmp_path / "accounts.csv").read_text()
    header, *rows = text.splitlines()
    (tmp_path / "accounts.csv").write_text("\n".join([header, *(f"x{row}" for row in rows)]))
    result = run("plan", config, "--out", tmp_path / "out", "--parent", made / "plans" / "spring")
    assert result.exit_code == 2
    assert "the parent plan and this one have no account in common" in result.stderr
    assert "000, 001, 002, … and x000" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_edited_parent_is_refused_and_nothing_written(plans: Path, tmp_path: Path) -> None:
    config = write_small_input(tmp_path)
    (plans / "spring" / "assignments.csv").write_text("mine")
    result = run("plan", config, "--out", tmp_path / "out", "--parent", plans / "spring")
    assert result.exit_code == 2
    assert "assignments.csv: changed since the plan was written" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_parent_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    config = write_small_input(tmp_path)
    result = run("plan", config, "--out", tmp_path / "out", "--parent", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "there is no such directory" in result.stderr


def test_a_plan_is_not_replaced_by_its_own_child(plans: Path, tmp_path: Path) -> None:
    config = write_small_input(tmp_path)
    before = (plans / "spring" / "plan.json").read_bytes()
    result = run("plan", config, "--out", plans / "spring", "--replace", "--parent", plans / "spring")
    assert result.exit_code == 2
    assert "is the parent plan itself, which --replace would delete" in result.stderr
    assert (plans / "spring" / "plan.json").read_bytes() == before


def test_an_infeasible_child_has_its_parent_too(impossible_input: Path, made: Path, tmp_path: Path) -> None:
    result = run("plan", impossible_input, "--out", tmp_path / "out", "--parent", made / "plans" / "spring")
    assert result.exit_code == 3
    first, second = chain(tmp_path / "out")
    assert (first["status"], first["moved_from_parent"], first["parent_state"]) == ("infeasible", None, "found")
    assert 'locks.column: "locked_rep" (was not set)' in first["changes"]
    assert second["status"] != "infeasible"


# The log --------------------------------------------------------------------------------------------------------------


def test_the_chain_is_told_newest_first(made: Path) -> None:
    autumn, summer, spring = chain(made / "plans" / "autumn")
    assert [Path(entry["path"]).name for entry in (autumn, summer, spring)] == ["autumn", "summer", "spring"]
    assert summer["changes"][0] == "balance[visits].tolerance: 0.2 → 0.1"
    (change,) = autumn["changes"]
    assert change.startswith("accounts: accounts.csv, 11 rows, with other content than before (accounts.csv, 12 rows)")
    assert (spring["parent_state"], spring["changes"]) == ("none", [])
    assert spring["created"].endswith("Z")


def test_the_text_says_the_same(made: Path) -> None:
    text = run("log", made / "plans" / "autumn").stdout
    first, second, third = text.split("\n\n")
    assert f"made from {made / 'plans' / 'summer'}\n" in first
    assert "balance[visits].tolerance: 0.2 → 0.1" in second
    assert "from the parent" in second
    assert "no parent" in third
    assert "gap" in third


def test_a_scenario_is_named(plans: Path) -> None:
    edit(plans / "autumn", lambda record: record.update(scenario="lose_r03"))
    assert "scenario lose_r03" in run("log", plans / "autumn").stdout


def test_directories_that_moved_together_find_each_other(moved_away: Path) -> None:
    assert names(moved_away / "autumn") == ["autumn", "summer", "spring"]


def test_a_parent_by_another_name_is_found_by_its_hash(moved_away: Path) -> None:
    (moved_away / "summer").rename(moved_away / "a better name")
    assert names(moved_away / "autumn") == ["autumn", "a better name", "spring"]


def test_a_path_may_be_relative_to_the_child_and_the_log_be_asked_from_inside(
    moved_away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(moved_away / "autumn", lambda record: record["parent"].update(path="../elsewhere/summer"))
    (moved_away / "elsewhere").mkdir()
    (moved_away / "summer").rename(moved_away / "elsewhere" / "summer")
    (moved_away / "spring").rename(moved_away / "elsewhere" / "spring")
    assert names(moved_away / "autumn") == ["autumn", "summer", "spring"]
    monkeypatch.chdir(moved_away / "autumn")
    assert names(Path()) == ["", "summer", "spring"]


def test_a_missing_parent_is_told_with_what_is_known_of_it(moved_away: Path) -> None:
    shutil.rmtree(moved_away / "summer")
    (only,) = chain(moved_away / "autumn")
    assert only["parent_state"] == "missing"
    assert only["parent"]["status"] in {"optimal", "feasible"}
    assert "which is no longer there" in run("log", moved_away / "autumn").stdout


def test_a_replaced_parent_is_told_and_the_chain_ends(moved_away: Path, tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    config = write_small_input(tmp_path / "input")
    assert run("plan", config, "--out", moved_away / "summer", "--replace", "--seed", "5").exit_code == 0
    (only,) = chain(moved_away / "autumn")
    assert only["parent_state"] == "changed"
    assert "which changed since: another plan has its place" in run("log", moved_away / "autumn").stdout


def test_an_edited_ancestor_is_told_and_the_chain_goes_on(moved_away: Path) -> None:
    (moved_away / "summer" / "report.html").write_text("mine")
    (moved_away / "spring" / "map.html").unlink()
    _, summer, spring = chain(moved_away / "autumn")
    assert summer["edited"][0].startswith("report.html: changed since the plan was written")
    assert spring["edited"] == ["map.html: missing"]
    assert "edited since: map.html: missing" in run("log", moved_away / "autumn").stdout


def test_an_edited_plan_has_no_log(plans: Path) -> None:
    (plans / "autumn" / "territories.csv").write_text("mine")
    result = run("log", plans / "autumn")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "territories.csv: changed since the plan was written" in result.stderr


def test_what_is_no_plan_has_no_log(tmp_path: Path) -> None:
    result = run("log", tmp_path)
    assert result.exit_code == 2
    assert "not a plan directory" in result.stderr


@pytest.mark.parametrize("parent", ["../summer", {"path": "../summer"}, {"path": 1, "sha256": "ab"}, 7])
def test_a_parent_that_cannot_be_read_is_told(plans: Path, parent: Any) -> None:
    edit(plans / "autumn", lambda record: record.update(parent=parent))
    result = run("log", plans / "autumn")
    assert result.exit_code == 2
    assert "parent: found" in result.stderr
    assert "allowed: null, or an object with path and sha256" in result.stderr


def test_a_loop_ends_with_an_error(plans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No two directories hold each other's hashes, but whatever the hashes say, the log comes to an end."""
    monkeypatch.setattr(history, "_sha256", lambda path: path.parent.name)
    for child, parent in (("autumn", "summer"), ("summer", "spring"), ("spring", "autumn")):
        told = {"path": str(plans / parent), "sha256": parent}
        edit(plans / child, lambda record, told=told: record.update(parent=told))
    result = run("log", plans / "autumn")
    assert result.exit_code == 2
    assert "is made from itself" in result.stderr


def test_plans_that_replace_each_other_in_turn_are_no_loop(moved_away: Path, tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    config = write_small_input(tmp_path / "input")
    replacing = ("--out", moved_away / "spring", "--replace", "--parent", moved_away / "autumn")
    assert run("plan", config, *replacing).exit_code == 0
    assert names(moved_away / "spring") == ["spring", "autumn", "summer"]
    assert chain(moved_away / "spring")[-1]["parent_state"] == "changed"
