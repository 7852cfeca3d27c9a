"""``territory-engine replay``: what it says, what it writes, and what it refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from territory_engine.app.cli import app

FILES = {"replay.html", "reps.csv", "days.csv", "leads.csv", "replay.json"}


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def inputs(planned: tuple[Path, Any], tmp_path: Path) -> tuple[str | Path, ...]:
    """Return the arguments of a replay of six leads, one of them with bad data, by turn against the default."""
    rows = [f"L{k},2024-03-{4 + k:02d}T08:00:00Z,41.0,-93.0,R1" for k in range(6)]
    rows[5] = "=cmd|x,,91.0,-93.0,"
    (tmp_path / "leads.csv").write_text("\n".join(["lead_id,created_at,latitude,longitude,rep_id", *rows]), "utf-8")
    (tmp_path / "new.toml").write_text('[matching]\nterritory = "ignore"\n', "utf-8")
    return tmp_path / "leads.csv", "--plan", planned[0], "--policy", tmp_path / "new.toml"


def test_a_replay_is_a_whole_directory_and_its_summary_goes_to_stdout(inputs: Any, tmp_path: Path) -> None:
    out = tmp_path / "new" / "replay"
    done = run("replay", *inputs, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in out.iterdir()} == FILES
    assert [path.name for path in out.parent.iterdir()] == ["replay"]
    for words in ("new against the default policy", "would go to another rep", f"open {out}"):
        assert words in done.stdout


def test_the_record_has_the_figures_and_the_hashes_of_what_was_compared(inputs: Any, tmp_path: Path) -> None:
    assert run("replay", *inputs, "--out", tmp_path / "out", "--against", inputs[4], "--quiet").exit_code == 0
    record = json.loads((tmp_path / "out" / "replay.json").read_text("utf-8"))
    assert set(record["sources"]) == {"leads", "plan", "policy", "against"}
    assert record["sources"]["leads"]["sha256"] == hashlib.sha256(inputs[0].read_bytes()).hexdigest()
    assert record["changed"] == 0
    assert record["headline"][0].startswith("Nothing changes")
    assert record["runs"]["new"]["assigned"] == 5
    assert record["runs"]["new"]["rejected"] == 1
    assert set(record["files"]) == FILES - {"replay.json"}


def test_no_cell_of_the_tables_is_a_formula(inputs: Any, tmp_path: Path) -> None:
    assert run("replay", *inputs, "--out", tmp_path / "out").exit_code == 0
    for name in ("leads.csv", "reps.csv", "days.csv"):
        table = pd.read_csv(tmp_path / "out" / name, dtype=str, keep_default_na=False)
        assert len(table)
        for column in table:
            numeric = pd.to_numeric(table[column], errors="coerce").notna()
            assert not table[column][~numeric].str.match(r"[=+\-@\t]").any(), (name, column)
    leads = pd.read_csv(tmp_path / "out" / "leads.csv", dtype=str, keep_default_na=False)
    assert list(leads["new_status"]) == ["assigned"] * 5 + ["rejected"]
    assert leads["lead_id"][5] == "'=cmd|x"


def test_an_existing_directory_is_kept_unless_it_may_be_replaced(inputs: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("replay", *inputs, "--out", out).exit_code == 0
    before = (out / "leads.csv").read_bytes()
    refused = run("replay", *inputs, "--out", out)
    assert refused.exit_code == 2
    assert "--replace" in refused.stderr
    assert run("replay", *inputs, "--out", out, "--replace").exit_code == 0
    assert (out / "leads.csv").read_bytes() == before
    (out / "own.txt").write_text("mine", "utf-8")
    assert run("replay", *inputs, "--out", out, "--replace").exit_code == 2
    assert (out / "own.txt").is_file()


def test_what_is_wrong_is_told_and_nothing_is_written(inputs: Any, impossible_input: Path, tmp_path: Path) -> None:
    leads, _, plan, _, policy = inputs
    impossible = tmp_path / "impossible"
    assert run("plan", impossible_input, "--out", impossible).exit_code == 3
    undated = tmp_path / "undated.csv"
    undated.write_text("lead_id\nL1\n", "utf-8")
    wrong = [
        ((undated, "--plan", plan, "--policy", policy), "has no lead with a date"),
        ((leads, "--plan", plan, "--policy", tmp_path / "none.toml"), "none.toml"),
        ((leads, "--plan", impossible, "--policy", policy), "the plan is infeasible"),
        ((leads, "--plan", plan, "--policy", policy, "--every", "fortnight"), "allowed: day, week, lead"),
    ]
    for arguments, words in wrong:
        refused = run("replay", *arguments, "--out", tmp_path / "out")
        assert refused.exit_code == 2, refused.stderr
        assert words in " ".join(refused.stderr.split())
        assert not (tmp_path / "out").exists()
    inside = run("replay", *inputs, "--out", plan / "replay")
    assert inside.exit_code == 2
    assert "lies in the plan directory" in inside.stderr
