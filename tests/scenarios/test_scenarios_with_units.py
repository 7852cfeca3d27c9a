"""Under contiguity the map stays what it was, and its accounts change."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import box

from scenarios import apply_scenario, load_scenarios
from territory_engine import audit, load, solve
from territory_engine.plan_directory import read_plan, write_plan_files
from territory_engine.problem import PlanningProblem

SIDE = 4
SCENARIOS = """
base = "config.toml"
[scenario.a]
remove_reps = ["R3"]
close_accounts = ["a00", "a01", "a12"]
[scenario.a.reps.R1]
capacity = 2
[[scenario.a.growth]]
measure = "visits"
factor = 3
column = "segment"
value = "E"
[scenario.loose]
contiguity = false
"""


def accounts() -> pd.DataFrame:
    rows = [
        {
            "account_id": f"a{i}{j}", "latitude": 41 + 0.2 * i + 0.1 * ((i * j) % 2), "longitude": -93 + 0.2 * j,
            "visits": 1 + (i + j) % 3, "segment": "E" if j > 1 else "W", "cell": f"u{i}{j // 2}",
        }
        for i in range(SIDE)
        for j in range(SIDE)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(params=["units", "adjacency", "cells"])
def folder(request, tmp_path):
    accounts().to_csv(tmp_path / "accounts.csv", index=False)
    reps = {"rep_id": ["R1", "R2", "R3"], "latitude": [41.0, 41.6, 41.3], "longitude": [-93.0, -92.4, -92.7]}
    pd.DataFrame({**reps, "capacity": [1, 1, 1]}).to_csv(tmp_path / "reps.csv", index=False)
    kinds = {
        "units": 'units = "units.gpkg"\nunit_id = "cell"\n',
        "adjacency": 'adjacency = "pairs.csv"\nunit_id = "cell"\n',
        "cells": 'cells = "h3"\nresolution = 5\n',
    }
    names = [f"u{i}{j}" for i in range(SIDE) for j in range(2)]
    boxes = [
        box(-93.1 + 0.4 * j, 40.9 + 0.2 * i, -92.7 + 0.4 * j, 41.1 + 0.2 * i) for i in range(SIDE) for j in range(2)
    ]
    gpd.GeoDataFrame({"cell": names}, geometry=boxes, crs=4326).to_file(tmp_path / "units.gpkg", driver="GPKG")
    pairs = [(f"u{i}0", f"u{i}1") for i in range(SIDE)]
    pairs += [(f"u{i}{j}", f"u{i + 1}{j}") for i in range(SIDE - 1) for j in range(2)]
    pd.DataFrame(pairs, columns=["unit_a", "unit_b"]).to_csv(tmp_path / "pairs.csv", index=False)
    (tmp_path / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[[balance]]\nmeasure = "visits"\ntolerance = 0.8\n'
        f'share = "capacity"\n[contiguity]\n{kinds[request.param]}[solve]\ntime_limit_s = 5\n'
    )
    (tmp_path / "scenarios.toml").write_text(SCENARIOS)
    return tmp_path


def applied(folder, name: str = "a") -> PlanningProblem:
    file = load_scenarios(folder / "scenarios.toml")
    return apply_scenario(file.base_problem, file[name])


def test_the_units_stay_and_only_their_accounts_change(folder, tmp_path):
    problem, base = applied(folder), load(folder / "config.toml")
    assert problem.units.ids.equals(base.units.ids)
    assert np.array_equal(problem.units.pairs, base.units.pairs)
    kept = base.accounts.index.get_indexer(problem.accounts.index)
    assert np.array_equal(problem.units.unit_of, base.units.unit_of[kept])
    assert len(problem.accounts) == len(base.accounts) - 3
    assert problem.units.accounts_in.sum() == len(problem.accounts)

    plan = solve(problem)
    out = tmp_path / "plan"
    out.mkdir()
    write_plan_files(problem, plan, out)
    report = audit(out)
    assert report.passed, report.summary()
    again, _ = read_plan(out)
    assert again.scenario == problem.scenario


def test_the_plan_is_that_of_edited_files(folder, tmp_path):
    problem = applied(folder)
    table = accounts()
    table.loc[table["segment"] == "E", "visits"] *= 3
    table[~table["account_id"].isin(["a00", "a01", "a12"])].to_csv(folder / "accounts.csv", index=False)
    reps = pd.read_csv(folder / "reps.csv")
    reps.loc[0, "capacity"] = 2
    reps[:2].to_csv(folder / "reps.csv", index=False)
    by_hand = load(folder / "config.toml")
    if problem.units.kind != "cells":
        # Hexagons cover where accounts are, so edited files have fewer; the scenario keeps the base's map.
        order = problem.units.ids.get_indexer(by_hand.units.ids)
        assert (order >= 0).all()
        assert len(order) == len(problem.units.ids)
        filled = by_hand.units.accounts_in > 0
        assert problem.units.places[order][filled] == pytest.approx(by_hand.units.places[filled])
        assert problem.units.places[order] == pytest.approx(by_hand.units.places)
    mine, theirs = solve(problem), solve(by_hand)
    assert mine.status == theirs.status
    assert mine.objective == pytest.approx(theirs.objective)
    assert mine.assignments["rep_id"].equals(theirs.assignments["rep_id"])


def test_contiguity_may_be_left_out(folder):
    problem = applied(folder, "loose")
    assert problem.units is None
    assert {source.role for source in problem.sources} == {"accounts", "reps"}
    assert solve(problem).status in ("optimal", "feasible")
