"""``territory-engine diff``: what it says, what it writes, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from territory_engine.app.cli import app

FILES = {"moves.csv", "territories.csv", "flows.csv", "figures.csv", "diff.html", "diff.json"}


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def plans(planned: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a plan directory, and one of the same accounts in which Ben has gone to Cid, and an account is a formula."""
    before = planned[0]
    folder = tmp_path_factory.mktemp("after")
    for name in ("accounts.csv", "reps.csv", "config.toml"):
        shutil.copy(before.parent.parent / name, folder)
    reps = (folder / "reps.csv").read_text(encoding="utf-8").replace("R2,Ben,41.2,-92.7", "R3,Cid,41.0,-92.7")
    (folder / "reps.csv").write_text(reps, encoding="utf-8")
    accounts = (folder / "accounts.csv").read_text(encoding="utf-8")
    (folder / "accounts.csv").write_text(accounts.replace("Shop 11", "=HYPERLINK(1)").replace("Shop 10", "<script>"), encoding="utf-8")  # fmt: skip
    result = run("plan", folder / "config.toml", "--out", folder / "after")
    assert result.exit_code == 0, result.stderr
    return before, folder / "after"


def test_a_diff_is_a_whole_directory_and_its_summary_goes_to_stdout(
    plans: tuple[Path, Path], command_line: Callable[..., Any], tmp_path: Path
) -> None:
    process = command_line("diff", *plans, "--out", tmp_path / "new" / "diff")
    assert (process.returncode, process.stderr) == (0, "")
    out = tmp_path / "new" / "diff"
    assert {path.name for path in out.iterdir()} == FILES
    assert [path.name for path in out.parent.iterdir()] == ["diff"]
    for words in ("of 12 accounts", "Ben's territory ends", "Cid starts with", "Gains and losses", f"open {out}"):
        assert words in process.stdout


def test_the_record_names_the_plans_by_the_hash_of_their_own_record(plans: tuple[Path, Path], tmp_path: Path) -> None:
    assert run("diff", *plans, "--out", tmp_path / "diff").exit_code == 0
    record = json.loads((tmp_path / "diff" / "diff.json").read_text(encoding="utf-8"))
    for side, folder in zip(("before", "after"), plans, strict=True):
        digest = hashlib.sha256((folder / "plan.json").read_bytes()).hexdigest()
        assert (record[side]["path"], record[side]["sha256"]) == (str(folder), digest)
    assert [t["name"] for t in record["territories"]["dissolved"]] == ["Ben"]
    assert [t["name"] for t in record["territories"]["new"]] == ["Cid"]


def test_names_from_data_are_neither_formulas_nor_markup(plans: tuple[Path, Path], tmp_path: Path) -> None:
    assert run("diff", *plans, "--out", tmp_path / "diff").exit_code == 0
    moves = pd.read_csv(tmp_path / "diff" / "moves.csv", dtype=str, keep_default_na=False)
    named = dict(zip(moves["account_id"], moves["name"], strict=True))
    assert (named["011"], named["010"]) == ("'=HYPERLINK(1)", "<script>")
    assert "<script>" + '"' not in (tmp_path / "diff" / "diff.html").read_text(encoding="utf-8")


def test_nothing_is_said_when_nothing_is_to_be_said(plans: tuple[Path, Path], tmp_path: Path) -> None:
    result = run("diff", *plans, "--out", tmp_path / "diff", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_copy_of_a_plan_is_another_plan_in_which_nothing_moves(plans: tuple[Path, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(plans[0], tmp_path / "copy")
    result = run("diff", plans[0], copy, "--out", tmp_path / "diff")
    assert result.exit_code == 0
    assert "None of 12 accounts changes hands." in result.stdout


def test_an_existing_diff_is_replaced_only_when_asked_and_a_plan_never(
    plans: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "diff"
    assert run("diff", *plans, "--out", out).exit_code == 0
    refused = run("diff", *plans, "--out", out)
    assert (refused.exit_code, "--replace" in refused.stderr) == (2, True)
    assert run("diff", *reversed(plans), "--out", out, "--replace").exit_code == 0
    assert json.loads((out / "diff.json").read_text(encoding="utf-8"))["before"]["path"] == str(plans[1])
    plan = shutil.copytree(plans[0], tmp_path / "plan")
    assert "no diff directory" in run("diff", *plans, "--out", plan, "--replace").stderr
    assert (plan / "plan.json").is_file()


def test_plans_of_a_travel_table_without_places_have_a_page_without_a_map(tmp_path: Path) -> None:
    ids = [f"A{k}" for k in range(8)]
    (tmp_path / "accounts.csv").write_text("account_id,visits\n" + "".join(f"{i},1\n" for i in ids), encoding="utf-8")
    (tmp_path / "reps.csv").write_text("rep_id\nR1\nR2\n", encoding="utf-8")
    for name, costs in (("before", (1, 2)), ("after", (2, 1))):
        rows = "".join(f"R1,{i},{costs[k % 2]}\nR2,{i},{costs[1 - k % 2]}\n" for k, i in enumerate(ids))
        (tmp_path / "travel.csv").write_text(f"rep_id,account_id,cost\n{rows}", encoding="utf-8")
        (tmp_path / "config.toml").write_text(
            '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[travel]\ntable = "travel.csv"\n'
            '[[balance]]\nmeasure = "visits"\ntolerance = 0.2\n[solve]\ntime_limit_s = 5\n',
            encoding="utf-8",
        )
        assert run("plan", tmp_path / "config.toml", "--out", tmp_path / name, "--quiet").exit_code == 0
    result = run("diff", tmp_path / "before", tmp_path / "after", "--out", tmp_path / "diff")
    assert result.exit_code == 0, result.stderr
    assert "8 of 8 accounts (100.0 %) change hands" in result.stdout
    assert "there is no map" in (tmp_path / "diff" / "diff.html").read_text(encoding="utf-8")


# --- 2: what is refused, with nothing written -------------------------------------------------------------------------


def refused(*arguments: str | Path, out: Path) -> str:
    result = run("diff", *arguments, "--out", out)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert not out.exists()
    assert [p.name for p in out.parent.iterdir() if p.name.startswith(".")] == []
    return str(result.stderr)


def test_the_same_directory_twice_is_refused_however_it_is_spelled(plans: tuple[Path, Path], tmp_path: Path) -> None:
    again = plans[0].parent / "." / plans[0].name / ".." / plans[0].name
    assert "the same plan directory twice" in refused(plans[0], again, out=tmp_path / "diff")


def test_what_is_wrong_with_either_plan_is_told_at_once(plans: tuple[Path, Path], tmp_path: Path) -> None:
    edited = shutil.copytree(plans[1], tmp_path / "edited")
    with (edited / "assignments.csv").open("a", encoding="utf-8") as file:
        file.write("x\n")
    said = refused(tmp_path / "nowhere", edited, out=tmp_path / "diff")
    assert f"{tmp_path / 'nowhere'}: there is no such directory" in said
    assert "assignments.csv: changed since the plan was written" in said


def test_plans_of_other_accounts_are_refused(plans: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for name in ("accounts.csv", "reps.csv", "config.toml"):
        shutil.copy(plans[0].parent.parent / name, folder)
    accounts = (folder / "accounts.csv").read_text(encoding="utf-8")
    (folder / "accounts.csv").write_text(accounts.replace("\n0", "\nX0"), encoding="utf-8")
    assert run("plan", folder / "config.toml", "--out", folder / "plan").exit_code == 0
    said = refused(plans[0], folder / "plan", out=tmp_path / "diff")
    assert "no account in common" in said
    assert "000, 001, 002, …" in said


def test_an_infeasible_plan_is_refused_by_name(
    plans: tuple[Path, Path], impossible_input: Path, tmp_path: Path
) -> None:
    infeasible = tmp_path / "infeasible"
    assert run("plan", impossible_input, "--out", infeasible).exit_code == 3
    said = refused(plans[0], infeasible, out=tmp_path / "diff")
    assert f"{infeasible / 'plan.json'}: the plan is proved infeasible" in said


def test_a_plan_directory_holds_no_diffs(plans: tuple[Path, Path]) -> None:
    assert "lies in the plan directory" in refused(*plans, out=plans[0] / "diff")


def test_a_full_disk_leaves_nothing_behind(
    plans: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maps.write_diff", full)
    assert "No space left on device" in refused(*plans, out=tmp_path / "diff")
