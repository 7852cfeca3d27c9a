"""An audit passes true plans that chose centres or connected units, and fails when a number, a unit or a claim is off."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from shapely.geometry import box

from territory_engine.auditing.audit import audit
from territory_engine.auditing.design_proof import LARGEST_WHOLE_LIMIT
from territory_engine.config import parse_config
from territory_engine.errors import PlanDirectoryError
from territory_engine.plan_directory import write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames

Record = dict[str, Any]
SIDE = 4


def grid() -> pd.DataFrame:
    """Sixteen accounts in the middles of a grid of squares, each an eighth of a degree wide."""
    row, column = np.divmod(np.arange(SIDE * SIDE), SIDE)
    return pd.DataFrame(
        {
            "account_id": [f"a{r}{c}" for r, c in zip(row, column, strict=True)],
            "latitude": 41.0 + (row + 0.5) / 8,
            "longitude": -93.0 + (column + 0.5) / 8,
            "visits": 1.0 + np.arange(SIDE * SIDE) % 3,
        }
    )


def squares() -> gpd.GeoDataFrame:
    cells = [(r, c) for r in range(SIDE) for c in range(SIDE)]
    shapes = [box(-93 + c / 8, 41 + r / 8, -93 + (c + 1) / 8, 41 + (r + 1) / 8) for r, c in cells]
    return gpd.GeoDataFrame({"unit": [f"u{r}{c}" for r, c in cells]}, geometry=shapes, crs=4326)


def planning(
    accounts: pd.DataFrame | None = None, *, count: int = 2, frames: Record | None = None, **rules: Any
) -> PlanningProblem:
    content = {
        "data": {"accounts": "a.csv", **rules.pop("data", {})},
        "territories": {"centers": "free", "count": count},
        "balance": [{"measure": "visits", "tolerance": 0.2}],
        "solve": {"time_limit_s": 20.0, "rounds": 3, "gap": 0.0},
        **rules,
    }
    return load_frames(grid() if accounts is None else accounts, None, parse_config(content), **(frames or {}))


def polygons() -> PlanningProblem:
    return planning(contiguity={"units": "u.gpkg", "unit_id": "unit"}, frames={"units": squares()})


def cells() -> PlanningProblem:
    return planning(contiguity={})


def listed() -> PlanningProblem:
    names = grid()["account_id"].to_numpy().reshape(SIDE, SIDE)
    across = np.concatenate(
        [np.stack([names[:, :-1], names[:, 1:]], -1), np.stack([names[:-1], names[1:]], -1).swapaxes(0, 1)]
    )
    pairs = pd.DataFrame(across.reshape(-1, 2), columns=["unit_a", "unit_b"])
    return planning(contiguity={"adjacency": "p.csv"}, frames={"adjacency": pairs})


def from_a_table() -> PlanningProblem:
    accounts = grid()
    rows = [
        {"center_id": c, "account_id": a, "cost": 1.0 + (7 * i + 5 * j) % 13}
        for j, c in enumerate(accounts["account_id"][::4])
        for i, a in enumerate(accounts["account_id"])
    ]
    return planning(travel={"table": "t.csv"}, frames={"travel_table": pd.DataFrame(rows)})


KINDS: dict[str, Callable[[], PlanningProblem]] = {
    "accounts": planning,
    "polygons": polygons,
    "cells": cells,
    "listed": listed,
    "table": from_a_table,
}


class Directory:
    """A plan directory whose files can be changed as whoever tampers cleverly would: plan.json vouches for them again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def written(self, problem: PlanningProblem) -> Directory:
        write_plan_files(problem, solve(problem), self.folder)
        return self

    def copy(self, folder: Path) -> Directory:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Directory(folder)

    @property
    def record(self) -> Record:
        return dict(json.loads((self.folder / "plan.json").read_text(encoding="utf-8")))

    def tell(self, change: Callable[[Record], Any]) -> None:
        record = self.record
        change(record)
        for name in record["files"]:
            record["files"][name] = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
        (self.folder / "plan.json").write_text(json.dumps(record), encoding="utf-8")

    def table(self, name: str) -> pd.DataFrame:
        if name.endswith(".csv"):
            return pd.read_csv(self.folder / name, dtype=str, keep_default_na=False)
        return pd.read_parquet(self.folder / name)

    def put(self, name: str, table: pd.DataFrame) -> None:
        if name.endswith(".csv"):
            table.to_csv(self.folder / name, index=False)
        else:
            table.to_parquet(self.folder / name)
        self.tell(lambda record: None)

    def failed(self) -> set[str]:
        return {check.name for check in audit(self.folder).failed}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Directory]:
    """Plans of every kind, each solved once."""
    known: dict[str, Directory] = {}

    def get(kind: str) -> Directory:
        if kind not in known:
            known[kind] = Directory(tmp_path_factory.mktemp(kind)).written(KINDS[kind]())
        return known[kind]

    return get


@pytest.fixture
def plan(request: pytest.FixtureRequest, made: Callable[[str], Directory], tmp_path: Path) -> Directory:
    return made(getattr(request, "param", "accounts")).copy(tmp_path)


# True plans -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", list(KINDS), indirect=True)
def test_a_true_plan_passes(plan: Directory) -> None:
    report = audit(plan.folder)
    assert report.passed, report.summary()


def test_a_target_of_no_weight_passes_and_is_told(tmp_path: Path) -> None:
    directory = Directory(tmp_path).written(planning(balance=[{"measure": "visits", "target_weight": 0.0}]))
    assert directory.record["objective_terms"]["balance"] == 0.0
    assert directory.failed() == set()
    directory.tell(lambda record: record["objective_terms"].pop("balance"))
    assert directory.failed() == set()


@pytest.mark.parametrize(
    "rule", [{"min": 1e6}, {"max": 1.0}, {"tolerance": 0.0}], ids=["too high", "too low", "in whole numbers"]
)
def test_a_sum_that_contradicts_the_limits_is_proved_without_reps(rule: Record, tmp_path: Path) -> None:
    directory = Directory(tmp_path).written(planning(count=3, balance=[{"measure": "visits", **rule}]))
    assert directory.record["status"] == "infeasible"
    assert directory.failed() == set()
    directory.tell(lambda record: record["conflict"].update(certificate=record["conflict"]["certificate"] * 1.01))
    assert directory.failed() == {"infeasibility"}


def test_prices_that_overflow_do_not_make_a_plan_impossible(plan: Directory) -> None:
    def claim(record: Record) -> None:
        record.update(dict.fromkeys(("objective", "lower_bound", "gap", "priced_bound")))
        record.update(status="infeasible", conflict={"rules": ["x"], "accounts": []}, proof={"kind": "prices"})
        record["prices"] = {"visits": {"T01": {"upper": 1.7e308}, "T02": {"upper": 1.7e308}}}

    plan.tell(claim)
    assert plan.failed() == {"infeasibility"}


# Bounds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "", "1e308", "many"])
@pytest.mark.parametrize("plan", ["accounts", "polygons"], indirect=True)
def test_multipliers_that_are_no_numbers_prove_nothing(plan: Directory, value: str) -> None:
    multipliers = plan.table("multipliers.csv")
    if value == "1e308":
        multipliers["multiplier"] = value
    else:
        multipliers.loc[3, "multiplier"] = value
    plan.put("multipliers.csv", multipliers)

    def claim(record: Record) -> None:
        record.update(priced_bound=math.inf, lower_bound=record["objective"], gap=0.0, status="optimal")
        record["proof"].update(kind="prices", whole_units=True)

    plan.tell(claim)
    assert {"multipliers", "priced_bound", "lower_bound"} <= plan.failed()


def test_multipliers_so_large_that_rounding_decides_prove_nothing(tmp_path: Path) -> None:
    directory = Directory(tmp_path).written(planning(balance=[{"measure": "count", "tolerance": 0.0}]))
    multipliers = directory.table("multipliers.csv")
    # Added to all of them where every territory has as many accounts, a number cancels, apart from its rounding.
    multipliers["multiplier"] = [repr(float(value) + 1e17) for value in multipliers["multiplier"]]
    directory.put("multipliers.csv", multipliers)
    message = next(check.message for check in audit(tmp_path).failed if check.name == "priced_bound")
    assert "rounding" in message


@pytest.mark.parametrize("key", ["objective", "lower_bound", "priced_bound", "bound_at_centers"])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, None, "1", 1e300])
def test_a_claim_that_is_no_number_or_absurd_fails(plan: Directory, key: str, value: Any) -> None:
    plan.tell(lambda record: record.update({key: value}))
    assert key in plan.failed()


@pytest.mark.parametrize("kind", ["prices", "search"])
@pytest.mark.parametrize("bound", [-1e9, 0.0])
def test_a_bound_below_what_is_proved_fails(plan: Directory, kind: str, bound: float) -> None:
    def claim(record: Record) -> None:
        record.update(lower_bound=bound, status="feasible")
        record["gap"] = (record["objective"] - bound) / record["objective"]
        record["proof"].update(kind=kind, whole_units=True, solver="x", version="1", parameters={})

    plan.tell(claim)
    assert plan.failed() == {"lower_bound"}


def test_undivided_units_of_huge_loads_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    accounts = grid().assign(visits=lambda frame: frame["visits"] * 1e14)
    directory = Directory(tmp_path).written(planning(accounts))
    assert directory.failed() == set()
    directory.tell(lambda record: record["proof"].update(whole_units=True))
    message = next(check.message for check in audit(tmp_path).failed if check.name == "multipliers")
    assert f"{LARGEST_WHOLE_LIMIT:,}" in message


def test_multipliers_that_rest_on_no_measure_fail(plan: Directory) -> None:
    plan.tell(lambda record: record["proof"].update(measure="calls"))
    assert "multipliers" in plan.failed()


# Centres and territories ----------------------------------------------------------------------------------------------


def test_a_centre_at_an_account_without_a_place_fails(tmp_path: Path) -> None:
    accounts = grid()
    accounts.loc[[0, 15], ["latitude", "longitude"]] = np.nan
    directory = Directory(tmp_path).written(
        planning(accounts, data={"on_unlocated": "assign"}, balance=[{"measure": "count", "tolerance": 0.5}])
    )
    assert directory.failed() == set()
    territories = directory.table("territories.csv")
    owner = directory.table("assignments.csv").set_index("account_id")["territory_id"]
    mine = territories.index[territories["territory_id"] == owner["a00"]]
    territories.loc[mine, ["center_id", "center_latitude", "center_longitude"]] = ["a00", "", ""]
    directory.put("territories.csv", territories)
    assert "centers" in directory.failed()


@pytest.mark.parametrize("plan", ["table"], indirect=True)
def test_a_travel_table_has_no_places_of_centres(plan: Directory) -> None:
    plan.put("territories.csv", plan.table("territories.csv").assign(center_latitude="41.0", center_longitude="-93.0"))
    assert plan.failed() == {"center_places"}


@pytest.mark.parametrize("count", [1, 3, None])
def test_another_number_of_territories_than_configured_fails(plan: Directory, count: int | None) -> None:
    plan.tell(lambda record: record["config"]["territories"].update(count=count))
    assert plan.failed() == {"configuration"}


@pytest.mark.parametrize("plan", ["cells"], indirect=True)
def test_an_empty_contiguity_is_a_rule(plan: Directory) -> None:
    assert plan.record["config"]["contiguity"] == {}
    assert {"contiguity", "units_whole", "unit_pairs"} <= {check.name for check in audit(plan.folder).checks}
    units = plan.table("units.csv")
    inside = units["accounts"] != "0"
    units.loc[inside, "territory_id"] = units.loc[inside, "territory_id"].map({"T01": "T02", "T02": "T01"})
    plan.put("units.csv", units)
    assert {"contiguity", "units_whole"} <= plan.failed()


@pytest.mark.parametrize("factor", [1e-9, 1e-13])
def test_loads_in_small_units_are_audited_as_closely(factor: float, tmp_path: Path) -> None:
    # Such loads are refused when data are read, because limits are not kept that closely; here they decide nothing.
    problem = planning(balance=[{"measure": "visits", "tolerance": 0.99}])
    small = problem.accounts.assign(visits=problem.accounts["visits"] * factor)
    directory = Directory(tmp_path / "true")
    directory.folder.mkdir()
    directory.written(replace(problem, accounts=small))
    assert directory.failed() == set()
    wrong = directory.copy(tmp_path / "wrong loads")
    territories = wrong.table("territories.csv")
    territories["visits"] = territories["visits"].map(lambda cell: repr(float(cell) * 1.00001))
    wrong.put("territories.csv", territories)
    assert wrong.failed() == {"loads:visits"}
    directory.tell(lambda record: record["measures"]["visits"].update(total=0.0))
    assert directory.failed() == {"measure:visits"}
    directory.tell(lambda record: record["config"]["balance"][0].update(tolerance=0.0))
    assert "balance:visits" in directory.failed()


def test_costs_in_small_units_are_audited_as_closely(tmp_path: Path) -> None:
    problem = from_a_table()
    assert problem.travel_table is not None
    accounts = problem.accounts.reset_index()[["account_id", "latitude", "longitude", "visits"]]
    table = problem.travel_table.assign(cost=lambda frame: frame["cost"] * 1e-12)
    directory = Directory(tmp_path).written(planning(accounts, travel={"table": "t"}, frames={"travel_table": table}))
    assert directory.failed() == set()
    directory.tell(lambda record: record.update(objective=record["objective"] * 1.00001))
    assert "objective" in directory.failed()
    directory.tell(lambda record: record.update(priced_bound=record["priced_bound"] * 1.00001))
    assert "priced_bound" in directory.failed()


# Units ----------------------------------------------------------------------------------------------------------------

PAIRS, MEMBERS = "inputs/unit_pairs.parquet", "inputs/unit_members.parquet"


def with_pair(plan: Directory, a: str, b: str, *, joined: bool = False) -> None:
    row = {"unit_a": a, "unit_b": b, "joined": joined, "gap_km": 1.0 if joined else math.nan}
    plan.put(PAIRS, pd.concat([plan.table(PAIRS), pd.DataFrame([row])], ignore_index=True))


@pytest.mark.parametrize("plan", ["polygons"], indirect=True)
@pytest.mark.parametrize("other", ["u33", "u11", "u02"], ids=["far", "at a corner", "next but one"])
def test_units_that_do_not_touch_are_no_neighbours(plan: Directory, other: str) -> None:
    with_pair(plan, "u00", other)
    assert plan.failed() == {"unit_pairs"}


@pytest.mark.parametrize("plan", ["cells"], indirect=True)
def test_cells_are_neighbours_where_the_grid_says_so(plan: Directory, tmp_path: Path) -> None:
    ids = plan.table("units.csv")["unit_id"]
    known = plan.table(PAIRS)
    beside = {*known.loc[known["unit_a"] == ids[0], "unit_b"], *known.loc[known["unit_b"] == ids[0], "unit_a"], ids[0]}
    with_pair(plan, ids[0], next(i for i in ids if i not in beside))
    assert plan.failed() == {"unit_pairs"}
    plan.put(PAIRS, known.iloc[1:])
    assert "unit_pairs" in plan.failed()


@pytest.mark.parametrize("plan", ["polygons", "listed"], indirect=True)
def test_units_of_one_part_are_not_joined(plan: Directory) -> None:
    first, last = plan.table("units.csv")["unit_id"].iloc[[0, -1]]
    with_pair(plan, first, last, joined=True)
    assert plan.failed() == {"unit_pairs"}


@pytest.mark.parametrize("plan", ["polygons"], indirect=True)
def test_a_unit_that_touches_others_is_not_joined_elsewhere(plan: Directory) -> None:
    pairs = plan.table(PAIRS)
    plan.put(PAIRS, pairs[(pairs["unit_a"] != "u00") & (pairs["unit_b"] != "u00")])
    with_pair(plan, "u00", "u33", joined=True)
    assert "unit_pairs" in plan.failed()


def test_islands_joined_across_a_gap_pass(tmp_path: Path) -> None:
    units = squares()
    east = units["unit"].str.endswith(("2", "3"))
    units.loc[east, "geometry"] = units.loc[east, "geometry"].translate(xoff=0.5)
    accounts = grid()
    accounts.loc[east.to_numpy(), "longitude"] += 0.5
    rules = {"contiguity": {"units": "u.gpkg", "unit_id": "unit"}, "frames": {"units": units}}
    directory = Directory(tmp_path).written(planning(accounts, **rules))
    assert directory.table(PAIRS)["joined"].sum() == 1
    assert directory.failed() == set()
    with_pair(directory, "u01", "u02")
    assert directory.failed() == {"unit_pairs"}


def test_outlines_that_were_drawn_one_by_one_pass(tmp_path: Path) -> None:
    units = squares()
    units["geometry"] = [
        shape.buffer(-0.00005).union(shape.buffer(-0.00005).centroid.buffer(0.01)) for shape in units.geometry
    ]
    directory = Directory(tmp_path).written(
        planning(contiguity={"units": "u.gpkg", "unit_id": "unit"}, frames={"units": units})
    )
    assert len(directory.table(PAIRS)) == 24
    assert directory.failed() == set()
    with_pair(directory, "u00", "u11")
    assert directory.failed() == {"unit_pairs"}


def test_projected_outlines_pass(tmp_path: Path) -> None:
    units = squares().to_crs(26915)
    places = gpd.GeoSeries.from_xy(grid()["longitude"], grid()["latitude"], crs=4326).to_crs(26915)
    accounts = grid().assign(x=places.x.to_numpy(), y=places.y.to_numpy())
    rules = {"contiguity": {"units": "u.gpkg", "unit_id": "unit"}, "travel": {"metric": "euclidean"}}
    directory = Directory(tmp_path).written(planning(accounts, **rules, frames={"units": units}))
    assert directory.failed() == set()
    with_pair(directory, "u00", "u33")
    assert directory.failed() == {"unit_pairs"}


def move(plan: Directory, account: str) -> None:
    """Tell one account in the unit of the last."""
    members = plan.table(MEMBERS)
    members.loc[members["account_id"] == account, "unit_id"] = members["unit_id"].iloc[-1]
    plan.put(MEMBERS, members)


@pytest.mark.parametrize("plan", ["polygons", "cells", "listed"], indirect=True)
def test_an_account_in_a_unit_that_it_is_not_in_fails(plan: Directory) -> None:
    move(plan, "a00")
    assert "unit_members" in plan.failed()


@pytest.mark.parametrize("plan", ["listed"], indirect=True)
def test_units_of_a_list_need_the_accounts_column(plan: Directory) -> None:
    plan.tell(lambda record: record["config"]["contiguity"].update(unit_id="county"))
    assert plan.failed() == {"unit_members"}


def test_an_account_in_another_unit_than_its_column_names_fails(tmp_path: Path) -> None:
    accounts = grid().assign(unit=["", *squares()["unit"][1:]])
    rules = {"contiguity": {"units": "u.gpkg", "unit_id": "unit"}, "frames": {"units": squares()}}
    directory = Directory(tmp_path).written(planning(accounts, **rules))
    assert directory.failed() == set()
    for account in ("a00", "a01"):
        move(directory.copy(tmp_path / account), account)
        assert "unit_members" in Directory(tmp_path / account).failed()


@pytest.mark.parametrize("of", ["polygons", "list named", "list"])
def test_a_column_of_units_by_another_name_is_audited(of: str, tmp_path: Path) -> None:
    accounts = grid().assign(STCNTY=squares()["unit"])
    contiguity, frames = {"units": "u.gpkg", "unit_id": "unit"}, {"units": squares()}
    if of == "polygons":
        # Thirty kilometres outside: here the column counts, not the place.
        accounts.loc[0, "latitude"] -= 0.3
    else:
        ids = squares()["unit"].to_numpy().reshape(SIDE, SIDE)
        ends = np.concatenate([np.stack([ids[:, :-1], ids[:, 1:]], -1).reshape(-1, 2),
                               np.stack([ids[:-1], ids[1:]], -1).reshape(-1, 2)])  # fmt: skip
        frames = {"adjacency": pd.DataFrame(ends, columns=["unit_a", "unit_b"])}
        contiguity = {"adjacency": "p.csv"} | ({"unit_id": "unit"} if of == "list named" else {})
    columns = {"accounts": {"unit_id": "STCNTY"}}
    problem = planning(accounts, contiguity=contiguity, frames=frames, data={"columns": columns})
    directory = Directory(tmp_path / "plan")
    directory.folder.mkdir()
    assert directory.written(problem).failed() == set()
    move(directory, "a01")
    assert "unit_members" in directory.failed()


@pytest.mark.parametrize("plan", ["polygons"], indirect=True)
def test_a_unit_where_none_of_its_accounts_is_fails(plan: Directory) -> None:
    path = plan.folder / "inputs/units.gpkg"
    units = gpd.read_file(path, layer="units")
    units.loc[0, "latitude"] += 0.01
    path.unlink()
    units.to_file(path, layer="units", driver="GPKG")
    plan.tell(lambda record: None)
    assert "unit_places" in plan.failed()


# Damaged directories --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["polygons"], indirect=True)
@pytest.mark.parametrize(
    "name", ["inputs/accounts.parquet", "inputs/reps.parquet", "inputs/units.gpkg", PAIRS, MEMBERS, "units.csv"]
)
def test_a_damaged_file_is_told_with_a_remedy(plan: Directory, name: str) -> None:
    path = plan.folder / name
    content = path.read_bytes()
    path.write_bytes(b"\xff\xfegarbage\x00" * 20)
    with pytest.raises(PlanDirectoryError, match=f"{name}: cannot be read .*Remedy"):
        audit(plan.folder)
    for at in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert answer(plan.folder) in {"failed", "refused"}


def test_a_file_that_does_not_describe_its_columns_is_told(plan: Directory) -> None:
    path = plan.folder / "inputs/reps.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({"pandas": "{}"}), path)
    with pytest.raises(PlanDirectoryError, match=r"reps\.parquet: cannot be read \(KeyError"):
        audit(plan.folder)


def answer(folder: Path) -> str:
    try:
        return "passed" if audit(folder).passed else "failed"
    except PlanDirectoryError:
        return "refused"


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("territories", 5, r"territories: found 5, allowed: a table"),
        ("territories", {"centers": "free", "count": "x"}, r"territories\.count: found 'x'"),
        ("territories", {"centers": "free", "count": -3}, r"territories\.count: found -3"),
        ("territories", {"centers": "free", "count": True}, r"territories\.count: found True"),
        ("balance", 5, r"balance: found 5"),
        ("contiguity", [], r"contiguity: found \[\]"),
        ("locks", {}, r"locks\.column"),
        ("groups", {}, r"groups\.column"),
        ("disruption", {}, r"disruption\.current"),
        ("eligibility", {}, r"eligibility: found"),
    ],
)
def test_a_configuration_that_says_nothing_readable_is_told(
    plan: Directory, section: str, value: Any, message: str
) -> None:
    plan.tell(lambda record: record["config"].update({section: value}))
    with pytest.raises(PlanDirectoryError, match=message):
        audit(plan.folder)


def test_more_territories_than_accounts_take_no_memory(tmp_path: Path) -> None:
    directory = Directory(tmp_path).written(planning(count=3, balance=[{"measure": "visits", "min": 1e6}]))
    directory.tell(lambda record: record["config"]["territories"].update(count=10**12))
    with pytest.raises(PlanDirectoryError, match=r"territories\.count: found 1000000000000, allowed: at most 16"):
        audit(tmp_path)
