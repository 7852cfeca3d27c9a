"""Complete plan directories, however they are written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import maps
import territory_engine.workbook
from territory_engine import PlanDirectoryError, load, solve
from territory_engine.app import write_plan_directory, writing


@pytest.fixture
def problem_and_plan(small_input: Path) -> tuple[Any, Any]:
    problem = load(small_input)
    return problem, solve(problem)


def left_behind(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"accounts.csv", "reps.csv", "config.toml"}


def test_a_workbook_from_its_own_process_is_the_same_file(
    problem_and_plan: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = write_plan_directory(*problem_and_plan, tmp_path / "here")
    monkeypatch.setattr(writing, "WORKBOOK_PROCESS_FROM", 0)
    there = write_plan_directory(*problem_and_plan, tmp_path / "there")
    assert {path.name for path in here.iterdir()} == {path.name for path in there.iterdir()}
    assert (here / "plan.xlsx").read_bytes() == (there / "plan.xlsx").read_bytes()


def test_the_stages_are_told(problem_and_plan: tuple[Any, Any], tmp_path: Path) -> None:
    stages: list[str] = []
    write_plan_directory(*problem_and_plan, tmp_path / "out", on_stage=stages.append)
    assert "drawing the map" in stages


def test_a_workbook_process_that_dies_leaves_no_directory(
    problem_and_plan: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ValueError: no such sheet' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    monkeypatch.setattr(writing, "WORKBOOK_PROCESS_FROM", 0)
    with pytest.raises(RuntimeError, match=r"plan\.xlsx was not written: ValueError: no such sheet"):
        write_plan_directory(*problem_and_plan, tmp_path / "out")
    assert left_behind(tmp_path) == {"python"}


def test_a_disk_that_is_full_in_the_workbook_process_is_a_plan_directory_error(
    problem_and_plan: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "python"
    full.write_text(f"#!/bin/sh\ncat >/dev/null\necho 'No space left on device' >&2\nexit {writing.CANNOT_WRITE}\n")
    full.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(full))
    monkeypatch.setattr(writing, "WORKBOOK_PROCESS_FROM", 0)
    with pytest.raises(PlanDirectoryError, match=r"plan\.xlsx cannot be written: No space left on device"):
        write_plan_directory(*problem_and_plan, tmp_path / "out")


@pytest.mark.parametrize("process_from", [0, 1_000_000])
def test_an_error_in_the_map_is_told_and_leaves_no_directory(
    problem_and_plan: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_from: int
) -> None:
    def write_map(*arguments: Any, **options: Any) -> None:
        raise ValueError("no colours left")

    monkeypatch.setattr(maps, "write_map", write_map)
    monkeypatch.setattr(writing, "WORKBOOK_PROCESS_FROM", process_from)
    with pytest.raises(ValueError, match="no colours left"):
        write_plan_directory(*problem_and_plan, tmp_path / "out")
    assert left_behind(tmp_path) == set()


def test_a_disk_that_is_full_is_a_plan_directory_error(
    problem_and_plan: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_workbook(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(territory_engine.workbook, "write_workbook", write_workbook)
    with pytest.raises(PlanDirectoryError, match=r"No space left on device.*Remedy"):
        write_plan_directory(*problem_and_plan, tmp_path / "out")
    assert left_behind(tmp_path) == set()


def test_a_missing_file_of_ours_is_not_blamed_on_the_disk(
    problem_and_plan: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_report(*arguments: Any, **options: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(maps, "write_report", write_report)
    with pytest.raises(FileNotFoundError):
        write_plan_directory(*problem_and_plan, tmp_path / "out")


def test_an_existing_directory_is_refused(problem_and_plan: tuple[Any, Any], tmp_path: Path) -> None:
    write_plan_directory(*problem_and_plan, tmp_path / "out")
    with pytest.raises(PlanDirectoryError, match="exists already"):
        write_plan_directory(*problem_and_plan, tmp_path / "out")
    assert write_plan_directory(*problem_and_plan, tmp_path / "out", replace=True).is_dir()


def test_the_names_of_the_application_are_those_it_lists() -> None:
    import territory_engine.app as application

    assert application.__all__ == ["write_plan_directory"]
    with pytest.raises(AttributeError, match="no attribute 'read_plan_directory'"):
        _ = application.read_plan_directory
