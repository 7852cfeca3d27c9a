from __future__ import annotations

import hashlib
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Polygon

from territory_engine.config import parse_config
from territory_engine.errors import ConfigError, InputError
from territory_engine.plan import TERRITORY_NAMES
from territory_engine.reading.loading import load, load_frames

IOWA = Path(__file__).parents[3] / "examples" / "iowa" / "config.toml"

ACCOUNTS = "account_id,latitude,longitude,visits\n001,41,-93,5\n002,42,-92,7\n"
REPS = "rep_id,home_latitude,home_longitude,capacity\nR1,41,-93,1\nR2,42,-92,1\n"
CONFIG = '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[[balance]]\nmeasure = "visits"\ntolerance = 0.5\nshare = "capacity"\n'


def project(folder: Path, *, accounts: str = ACCOUNTS, reps: str = REPS, config: str = CONFIG) -> Path:
    (folder / "accounts.csv").write_text(accounts, encoding="utf-8")
    (folder / "reps.csv").write_text(reps, encoding="utf-8")
    (folder / "config.toml").write_text(config, encoding="utf-8")
    return folder / "config.toml"


def test_the_iowa_example_loads_with_every_account_and_says_what_it_did() -> None:
    problem = load(IOWA)
    assert len(problem.accounts) == 1868
    assert len(problem.reps) == 12
    assert problem.accounts["location_source"].value_counts().to_dict() == {"given": 1769, "postal_code": 98, "none": 1}
    assert problem.accounts.index[problem.accounts["location_source"] == "none"].tolist() == ["5142"]
    assert problem.measures == ("visits_2022", "revenue_2022")
    assert problem.background is not None
    assert len(problem.background) == 99
    notices = "\n".join(problem.notices)
    assert "98 accounts without coordinates were placed by postal code" in notices
    assert "row 982: 5142, postal code 52303" in notices


def test_a_problem_keeps_ids_order_hashes_and_rows(tmp_path: Path) -> None:
    problem = load(project(tmp_path))
    assert problem.accounts.index.tolist() == ["001", "002"]
    assert problem.accounts.index.name == "account_id"
    assert problem.reps.index.name == "rep_id"
    source = problem.sources[0]
    assert (source.role, source.path, source.rows) == ("accounts", "accounts.csv", 2)
    assert source.sha256 == hashlib.sha256(ACCOUNTS.encode()).hexdigest()
    assert problem.base_dir == tmp_path.resolve()
    rule = problem.balance_rules()[0]
    np.testing.assert_allclose(rule.target, [6, 6])


def test_findings_of_all_files_come_together(tmp_path: Path) -> None:
    path = project(
        tmp_path,
        accounts="account_id,latitude,longitude,visits\n1,41,-93,x\n1,99,-93,5\n3,41,-93\n",
        reps="rep_id,home_latitude,home_longitude,capacity\nR1,,,1\nR1,0,0,-1\n",
    )
    with pytest.raises(InputError) as caught:
        load(path)
    assert {(f.file, f.row, f.column) for f in caught.value.findings} == {
        ("accounts.csv", 4, None),
        ("accounts.csv", 3, "account_id"),
        ("accounts.csv", 2, "visits"),
        ("accounts.csv", 3, "latitude"),
        ("reps.csv", 3, "rep_id"),
        ("reps.csv", 3, "capacity"),
        ("reps.csv", 2, "home_latitude"),
        ("reps.csv", 3, "home_latitude"),
    }


def test_missing_files_are_named_together(tmp_path: Path) -> None:
    path = project(tmp_path, config=CONFIG.replace("accounts.csv", "acounts.csv").replace("reps.csv", "rep.csv"))
    with pytest.raises(InputError) as caught:
        load(path)
    assert [f.file for f in caught.value.findings] == ["acounts.csv", "rep.csv"]
    assert all("did you mean" in str(f.remedy) for f in caught.value.findings)


@pytest.mark.parametrize(
    ("extra", "key"),
    [
        ('[disruption]\ncurrent = "o"\nmax_moved = 0.1\n[territories]\ncenters = "free"\n', "disruption.max_moved"),
        ('[disruption]\ncurrent = "o"\nweight = 1\n[territories]\ncenters = "free"\n', "disruption.weight"),
    ],
)
def test_rules_this_version_cannot_solve_are_refused_and_never_ignored(tmp_path: Path, extra: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(project(tmp_path, config=CONFIG + extra))
    assert [f.column for f in caught.value.findings] == [key]
    assert caught.value.findings[0].remedy


def test_reps_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.reps"):
        load(project(tmp_path, config='[data]\naccounts = "accounts.csv"\n'))


def test_a_german_file_with_decimal_commas_loads(tmp_path: Path) -> None:
    path = project(
        tmp_path,
        accounts="\ufeffaccount_id;latitude;longitude;visits\r\n007;50,937417;6,97069;1.234\r\n008;50,94;6,96;12\r\n",
    )
    problem = load(path)
    assert problem.accounts["latitude"].tolist() == [50.937417, 50.94]
    assert problem.accounts["visits"].tolist() == [1234, 12]
    assert any("'visits' was read with a decimal comma" in n for n in problem.notices)


def test_thousands_that_could_be_decimals_are_refused_in_a_semicolon_file(tmp_path: Path) -> None:
    path = project(tmp_path, accounts="account_id;latitude;longitude;visits\n1;41.5;-93.5;1,234\n")
    with pytest.raises(InputError, match="can be read with a decimal comma or with commas between thousands"):
        load(path)


def test_locks_and_owners_are_matched_with_the_reps(tmp_path: Path) -> None:
    path = project(
        tmp_path,
        accounts="account_id,latitude,longitude,visits,lock,owner\n1,41,-93,5, R1 ,R7\n2,41,-93,5,,R2\n",
        config=CONFIG + '[locks]\ncolumn = "lock"\n[disruption]\ncurrent = "owner"\n',
    )
    problem = load(path)
    assert problem.accounts["lock"].tolist() == ["R1", ""]
    assert problem.accounts["owner"].tolist() == ["R7", "R2"]
    assert any("1 account has an owner who is no rep any more" in n for n in problem.notices)


def test_a_travel_table_replaces_coordinates(tmp_path: Path) -> None:
    (tmp_path / "travel.csv").write_text("rep_id,account_id,cost,visits\nR1,1,5,1\nR2,1,6,2\nR2,2,1,1\n")
    config = (
        re.sub(r"tolerance = [\d.]+\n", "", CONFIG.replace('share = "capacity"\n', "max = 9\n"))
        + '[travel]\ntable = "travel.csv"\n'
    )
    problem = load(project(tmp_path, accounts="account_id,visits\n1,0\n2,0\n", reps="rep_id\nR1\nR2\n", config=config))
    assert problem.travel_table is not None
    assert problem.travel_table["cost"].tolist() == [5, 6, 1]
    assert problem.load_depends_on_rep("visits")
    assert problem.accounts["location_source"].tolist() == ["none", "none"]
    assert [s.role for s in problem.sources] == ["accounts", "reps", "travel"]


def square(**crs: int) -> gpd.GeoDataFrame:
    bow_tie = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])  # crosses itself: drawn, not measured
    return gpd.GeoDataFrame({"n": [1]}, geometry=[bow_tie], **crs)


def test_the_background_is_drawn_in_wgs84(tmp_path: Path) -> None:
    square(crs=4326).to_crs(3857).to_file(tmp_path / "units.gpkg")
    problem = load(project(tmp_path, config=CONFIG + '[map]\nbackground = "units.gpkg"\n'))
    assert problem.background is not None
    assert problem.background.crs.to_epsg() == 4326
    assert problem.background.total_bounds == pytest.approx([0, 0, 1, 1])
    assert problem.sources[-1].role == "background"


def test_a_background_without_crs_is_an_error_that_names_the_fix() -> None:
    config = parse_config({"data": {"accounts": "a", "reps": "r"}})
    with pytest.raises(InputError, match="set_crs"):
        load_frames(*frames(), config, background=square())


def test_a_background_that_is_no_map_or_is_missing_is_an_error(tmp_path: Path) -> None:
    path = project(tmp_path, config=CONFIG + '[map]\nbackground = "units.gpkg"\n')
    with pytest.raises(InputError, match="no such file"):
        load(path)
    (tmp_path / "units.gpkg").write_text("not a map")
    with pytest.raises(InputError, match="cannot be read as a map layer"):
        load(path)


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    accounts = pd.DataFrame(
        {"account_id": [1, 2], "latitude": [41.0, 42.0], "longitude": [-93.0, -92.0], "visits": [5, 7]}
    )
    reps = pd.DataFrame(
        {"lat": [41.0, 42.0], "lon": [-93.0, -92.0], "capacity": [1, 2]}, index=pd.Index(["R1", "R2"], name="rep_id")
    )
    return accounts, reps


def test_frames_are_checked_like_files() -> None:
    config = parse_config(
        {"data": {"accounts": "a", "reps": "r"}, "balance": [{"measure": "visits", "tolerance": 0.1}]}
    )
    accounts, reps = frames()
    problem = load_frames(accounts, reps, config)
    assert problem.accounts.index.tolist() == ["1", "2"]
    assert problem.accounts["visits"].dtype == np.float64
    assert problem.reps["latitude"].tolist() == [41.0, 42.0]
    accounts.loc[1, "visits"] = -7
    with pytest.raises(InputError) as caught:
        load_frames(accounts, reps.drop(columns="lon"), config)
    assert {(f.file, f.row) for f in caught.value.findings} >= {("accounts", 3), ("reps", None)}


def test_the_order_of_rows_and_unknown_columns_pass_through(tmp_path: Path) -> None:
    text = "account_id,latitude,longitude,visits,note,=sum\nb,41,-93,5,0012,=1+1\na,42,-92,7,,x\n"
    problem = load(project(tmp_path, accounts=text))
    assert problem.accounts.index.tolist() == ["b", "a"]
    assert problem.accounts["note"].tolist() == ["0012", ""]
    assert problem.accounts["=sum"].tolist() == ["=1+1", "x"]


@pytest.mark.parametrize("measure", [*sorted(TERRITORY_NAMES), "location_source", "visits_target", "geometry"])
def test_a_measure_may_not_be_named_like_another_column_of_the_territories(measure: str) -> None:
    accounts = pd.DataFrame({"account_id": ["a"], "x": 0.0, "y": 0.0, "visits": 1.0, measure: 1.0})
    reps = pd.DataFrame({"rep_id": ["R1"], "x": 0.0, "y": 0.0})
    rules = [{"measure": "visits", "max": 9.0}, {"measure": measure, "max": 9.0}]
    content = {"data": {"accounts": "a", "reps": "r"}, "balance": rules, "travel": {"metric": "euclidean"}}
    with pytest.raises(InputError, match="a name that the plan's own files use"):
        load_frames(accounts, reps, parse_config(content))


@pytest.mark.parametrize("limit", [{"tolerance": 0.5}, {"max": 9.0}, {"target_weight": 1.0}])
@pytest.mark.parametrize("load", [0.9e-3, 1e-3])
def test_limits_on_loads_too_small_to_be_told_apart_are_refused(limit: dict[str, float], load: float) -> None:
    accounts = pd.DataFrame({"account_id": ["a", "b"], "x": 0.0, "y": [0.0, 1.0], "visits": load})
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "x": 0.0, "y": 0.0})
    rules = [{"measure": "visits", **limit}]
    content = {"data": {"accounts": "a", "reps": "r"}, "balance": rules, "travel": {"metric": "euclidean"}}
    if load < 1e-3 and "target_weight" not in limit:
        with pytest.raises(InputError, match="too small"):
            load_frames(accounts, reps, parse_config(content))
    else:
        load_frames(accounts, reps, parse_config(content))


def test_a_tolerance_on_a_measure_of_the_travel_table_is_refused() -> None:
    table = pd.DataFrame({"rep_id": ["R1"], "account_id": ["a"], "cost": [1.0], "hours": [2.0]})
    content = {
        "data": {"accounts": "a", "reps": "r"},
        "balance": [{"measure": "hours", "tolerance": 0.5}],
        "travel": {"table": "t"},
    }
    frames = pd.DataFrame({"account_id": ["a"]}), pd.DataFrame({"rep_id": ["R1"]})
    with pytest.raises(InputError, match="depends on who serves whom"):
        load_frames(*frames, parse_config(content), travel_table=table)


def test_numbers_too_large_to_add_up_are_refused() -> None:
    accounts = pd.DataFrame({"account_id": ["a"], "x": 0.0, "y": 0.0, "visits": 1e300})
    reps = pd.DataFrame({"rep_id": ["R1"], "x": 0.0, "y": 0.0})
    content = {
        "data": {"accounts": "a", "reps": "r"},
        "balance": [{"measure": "visits", "min": 1.0}],
        "travel": {"metric": "euclidean"},
    }
    with pytest.raises(InputError, match="too large"):
        load_frames(accounts, reps, parse_config(content))
