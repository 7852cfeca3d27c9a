"""A rep has one colour: on every page of a plan, in plans made from it, in what compares them and in all scenarios."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from territory_engine.app.cli import app

CONFIG = """
[data]
accounts = "accounts.csv"
reps = "reps.csv"

[[balance]]
measure = "count"
tolerance = 0.5

[disruption]
current = "owner"

[solve]
time_limit_s = 5
rounds = 1
"""
SCENARIOS = """
base = "config.toml"

[scenario.hired]
remove_reps = ["R3"]

[[scenario.hired.add_reps]]
rep_id = "R9"
latitude = 42.1
longitude = -93.2
like = "R1"
"""


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)


def run(*arguments: str | Path) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def write_input(folder: Path) -> None:
    rng = np.random.default_rng(5)
    homes = np.column_stack([rng.uniform(41, 43, 8), rng.uniform(-96, -91, 8)]).round(3)
    ids = np.array([f"R{k}" for k in range(1, 9)])
    places = np.column_stack([rng.uniform(41, 43, 64), rng.uniform(-96, -91, 64)]).round(3)
    nearest = ((places[:, None] - homes[None]) ** 2).sum(axis=2).argmin(axis=1)
    columns = {"latitude": places[:, 0], "longitude": places[:, 1], "owner": ids[nearest]}
    pd.DataFrame({"account_id": [f"A{i:02d}" for i in range(64)], **columns}).to_csv(
        folder / "accounts.csv", index=False
    )
    reps = {"rep_id": ids, "latitude": homes[:, 0], "longitude": homes[:, 1]}
    pd.DataFrame(reps).to_csv(folder / "reps.csv", index=False)
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "scenarios.toml").write_text(SCENARIOS, encoding="utf-8")


def on_page(path: Path) -> dict[str, str]:
    """Colours by rep as a page with a map has them."""
    looks: list[dict[str, Any]] = json.loads(
        re.search(r'id="plan-data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)[1]  # type: ignore[index]  # every map has it
    )["territories"]
    return {look["id"] or look["name"]: look["colour"] for look in looks}


def in_plan(folder: Path) -> dict[str, str]:
    """Colours by rep in a plan directory, whose map, report and shapes agree."""
    features = json.loads((folder / "territories.geojson").read_text(encoding="utf-8"))["features"]
    colours = {f["properties"]["territory_id"]: f["properties"]["colour"] for f in features}
    assert on_page(folder / "map.html") == colours
    report = (folder / "report.html").read_text(encoding="utf-8")
    picture = re.search(r'<svg class="map".*?</svg>', report, re.DOTALL)
    assert picture is not None
    assert re.findall(r'<path [^>]*fill="(#\w{6})"', picture[0]) == list(colours.values())
    return colours


def test_a_rep_has_the_same_colour_wherever_there_are_colours_enough(tmp_path: Path) -> None:
    write_input(tmp_path)
    plan, moved, diff, scenarios = (tmp_path / name for name in ("plan", "moved", "diff", "scenarios"))
    run("plan", tmp_path / "config.toml", "--out", plan, "--quiet")
    run(
        "rebalance",
        tmp_path / "config.toml",
        "--from",
        plan,
        "--without",
        "R3",
        "--max-moved",
        "0.5",
        "--out",
        moved,
        "--quiet",
    )
    after = moved / "point-01"
    run("diff", plan, after, "--out", diff, "--quiet")
    run("scenarios", "run", tmp_path / "scenarios.toml", "--out", scenarios, "--quiet")

    first = in_plan(plan)
    assert len(set(first.values())) == len(first) == 8
    without = {rep: colour for rep, colour in first.items() if rep != "R3"}
    assert in_plan(after) == without
    assert on_page(diff / "diff.html") == first
    assert on_page(moved / "rebalance.html").items() >= without.items()
    assert in_plan(scenarios / "base") == first
    hired = in_plan(scenarios / "hired")
    assert hired.items() >= without.items()
    together = on_page(scenarios / "comparison_map.html")
    assert together.items() >= first.items()
    assert together["R9"] == hired["R9"]
    assert len(set(hired.values())) == 8
