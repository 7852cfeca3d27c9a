"""Directories of other kinds than plans; what holds for both is tested with the plan directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from territory_engine.errors import PlanDirectoryError
from territory_engine.publishing import DirectoryKind, check_destination, publishing

NOTES = DirectoryKind("notes", "notes.json", frozenset({"notes.json", "notes.csv"}))


def publish(out: Path, text: str, *, replace: bool = False) -> None:
    with publishing(out, replace, kind=NOTES) as folder:
        (folder / "notes.json").write_text(text, encoding="utf-8")


def test_a_directory_is_replaced_by_one_of_its_own_kind(tmp_path: Path) -> None:
    publish(tmp_path / "out", "first")
    publish(tmp_path / "out", "second", replace=True)
    assert (tmp_path / "out" / "notes.json").read_text(encoding="utf-8") == "second"


def test_a_directory_of_another_kind_is_never_replaced(tmp_path: Path) -> None:
    publish(tmp_path / "out", "first")
    with pytest.raises(PlanDirectoryError, match=r"no plan directory: it holds files but no plan\.json"):
        check_destination(tmp_path / "out", replace=True)
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "plan.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match=r"no notes directory: it holds files but no notes\.json"):
        check_destination(tmp_path / "plan", replace=True, kind=NOTES)


def test_a_file_that_is_no_part_of_the_kind_is_never_lost(tmp_path: Path) -> None:
    publish(tmp_path / "out", "first")
    (tmp_path / "out" / "map.html").write_text("", encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match=r"no part of a notes directory and would be lost: map\.html"):
        publish(tmp_path / "out", "second", replace=True)
