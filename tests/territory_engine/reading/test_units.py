"""Units in: polygons, lists of neighbours and hexagons, with the accounts in them and everything that can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, Polygon, box

from territory_engine.config import parse_config
from territory_engine.errors import ConfigError, Finding, InputError
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load, load_frames

IOWA = Path(__file__).parents[3] / "examples" / "iowa"

# Three squares in a row, each about 111 km wide, and an island 0.5° to the east.
SQUARES = {"01001": box(0, 0, 1, 1), "01003": box(1, 0, 2, 1), "01005": box(2, 0, 3, 1), "01007": box(3.5, 0, 4, 1)}


def layer(column: str = "fips", **changes: Any) -> gpd.GeoDataFrame:
    units = {**SQUARES, **changes}
    return gpd.GeoDataFrame({column: list(units)}, geometry=list(units.values()), crs=4326)


def accounts(**columns: list[Any]) -> pd.DataFrame:
    frame = {"account_id": ["a", "b", "c", "d"], "latitude": 0.5, "longitude": [0.5, 1.5, 2.5, 3.7], **columns}
    return pd.DataFrame(frame)


def free(count: int = 2, **tables: Any) -> dict[str, Any]:
    return {"data": {"accounts": "a.csv"}, "territories": {"centers": "free", "count": count}, **tables}


POLYGONS = {"contiguity": {"units": "u.gpkg", "unit_id": "fips"}}
PAIRS = {"contiguity": {"adjacency": "p.csv", "unit_id": "fips"}}


def loaded(config: dict[str, Any], who: pd.DataFrame | None = None, reps: pd.DataFrame | None = None, **more: Any) -> PlanningProblem:  # fmt: skip
    return load_frames(accounts() if who is None else who, reps, parse_config(config), **more)


def findings(config: dict[str, Any], who: pd.DataFrame | None = None, reps: pd.DataFrame | None = None, **more: Any) -> list[Finding]:  # fmt: skip
    with pytest.raises(InputError) as caught:
        loaded(config, who, reps, **more)
    return list(caught.value.findings)


def named(problem: PlanningProblem) -> list[str]:
    assert problem.units is not None
    return problem.units.ids[problem.units.unit_of].tolist()


# --- polygons ---------------------------------------------------------------------------------------------------------


def test_accounts_come_into_units_by_their_column_and_by_their_place_where_it_is_blank() -> None:
    problem = loaded(free(**POLYGONS), accounts(fips=["01003", "", "01003", None]), units=layer())
    units = problem.units
    assert units is not None
    assert (units.kind, units.ids.tolist()) == ("polygons", list(SQUARES))
    assert named(problem) == ["01003", "01003", "01003", "01007"]
    assert units.accounts_in.tolist() == [0, 3, 0, 1]
    assert units.pairs.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert units.joined[["unit_a", "unit_b"]].to_numpy().tolist() == [["01005", "01007"]]
    assert units.joined["gap_km"].tolist() == pytest.approx([55.6], abs=0.1)
    assert units.geometry is not None
    assert units.geometry.index.equals(units.ids)
    notices = "\n".join(problem.notices)
    assert "01005 is joined to 01007 across 56 km" in notices
    assert "2 accounts lie more than 5 km outside the unit that 'fips' names; the column counts (a, c)" in notices


def test_places_of_units_are_among_their_accounts_or_inside_the_polygon() -> None:
    who = accounts(longitude=[0.1, 0.2, 0.9, 3.7], visits=[1, 1, 9, 1])
    problem = loaded(free(**POLYGONS, travel={"weight": "visits"}), who, units=layer())
    assert problem.units is not None
    assert problem.units.places[0].tolist() == [0.5, 0.9]
    assert SQUARES["01003"].contains(Point(problem.units.places[1][::-1]))


def test_without_the_column_every_account_is_found_by_its_place() -> None:
    problem = loaded(free(**POLYGONS), accounts(), units=layer())
    assert named(problem) == list(SQUARES)
    assert any("there is no column 'fips': every account's unit was found by its place" in n for n in problem.notices)


def test_a_layer_in_another_reference_system_is_brought_to_wgs84() -> None:
    problem = loaded(free(**POLYGONS), units=layer().to_crs(3857))
    assert named(problem) == list(SQUARES)
    assert problem.units is not None
    assert problem.units.geometry is not None
    assert problem.units.geometry.crs.to_epsg() == 4326


def test_numbers_as_unit_ids_are_text() -> None:
    units = layer().assign(fips=[1, 2, 3, 4])
    problem = loaded(free(**POLYGONS), accounts(fips=[4, 3, 2, 1]), units=units)
    assert problem.units is not None
    assert problem.units.ids.tolist() == ["1", "2", "3", "4"]
    assert named(problem) == ["4", "3", "2", "1"]


def test_an_id_that_lost_its_zero_is_mended_in_words() -> None:
    (finding,) = findings(free(**POLYGONS), accounts(fips=["1001", "01003", "01003", ""]), units=layer())
    assert (finding.what, finding.row, finding.column, finding.value) == ("is not the ID of a unit", 2, "fips", "1001")
    assert "'01001' exists, and this ID lost its leading zeros" in str(finding.remedy)


def test_an_unknown_unit_is_named_with_the_unit_that_the_place_is_in() -> None:
    (finding,) = findings(free(**POLYGONS), accounts(fips=["09999", "", "", ""]), units=layer())
    assert finding.remedy == "the account's place lies in 01001: correct the ID, or clear the cell to use that"


def test_an_account_in_the_sea_is_a_finding_and_one_near_the_coast_a_notice() -> None:
    who = accounts(longitude=[-0.01, 1.5, 2.5, -3.0])
    (finding,) = findings(free(**POLYGONS), who, units=layer())
    assert (finding.row, finding.value) == (5, "0.5, -3")
    assert "the nearest unit is 01001, about 334 km away" in str(finding.remedy)
    problem = loaded(free(**POLYGONS), who.iloc[:3], units=layer())
    assert "1 account lies in no unit and belongs to the nearest one, at most 1.1 km away (a)" in "\n".join(
        problem.notices
    )


def test_an_account_on_a_border_belongs_to_the_first_unit_and_that_is_said() -> None:
    problem = loaded(free(**POLYGONS), accounts(longitude=[1.0, 1.5, 2.5, 3.7]), units=layer())
    assert named(problem)[0] == "01001"
    assert any("1 account lies on a border, or where units overlap" in n for n in problem.notices)


def test_an_account_with_neither_unit_nor_place_is_a_finding_of_its_own() -> None:
    config = free(**POLYGONS, data={"accounts": "a.csv", "on_unlocated": "assign"})
    who = accounts(latitude=[0.5, None, 0.5, None], longitude=[0.5, None, 2.5, None], fips=["", "01003", "", ""])
    (finding,) = findings(config, who, units=layer())
    assert (finding.row, finding.what) == (5, "the account has neither a unit nor a place")


def test_everything_wrong_with_a_layer_is_listed_with_its_rows() -> None:
    units = layer()
    units = units.assign(fips=["01001", "01001", "", "01007"])
    units.loc[3, "geometry"] = None
    found = findings(free(**POLYGONS), units=units)
    assert {(f.row, f.column, f.what) for f in found} == {
        (3, "fips", "repeats the ID of row 2"),
        (4, "fips", "is blank"),
        (5, "geometry", "has no geometry"),
    }
    assert all(f.file == "units" and f.remedy for f in found)


def test_a_bow_tie_is_repaired_and_a_layer_of_points_refused() -> None:
    bow_tie = Polygon([(5, 0), (7, 2), (7, 0), (5, 2)])
    problem = loaded(free(**POLYGONS), units=layer(**{"01009": bow_tie}))
    assert any("1 polygon crossed or touched itself and was repaired (01009)" in n for n in problem.notices)
    points = layer().assign(geometry=[Point(0, 0)] * 4)
    assert [f.what for f in findings(free(**POLYGONS), units=points)] == ["is a layer of points, not of polygons"]


def test_a_layer_without_crs_or_without_the_column_names_the_fix() -> None:
    bare = gpd.GeoDataFrame({"fips": ["1"]}, geometry=[box(0, 0, 1, 1)])
    assert "set_crs" in str(findings(free(**POLYGONS), units=bare)[0].remedy)
    table = pd.DataFrame({"fips": ["01001"]})
    assert findings(free(**POLYGONS), units=table)[0].what == "has no geometry"
    with pytest.raises(ConfigError, match="did you mean 'fips5'"):
        loaded(free(**POLYGONS), units=layer("fips5"))


def test_on_the_plane_the_layer_must_be_projected_and_x_and_y_in_it() -> None:
    config = free(**POLYGONS, travel={"metric": "euclidean"})
    units = layer().to_crs(3857)
    x = [c.x for c in units.centroid]
    who = pd.DataFrame({"account_id": list("abcd"), "x": x, "y": units.centroid.y.mean()})
    problem = loaded(config, who, units=units)
    assert named(problem) == list(SQUARES)
    assert problem.units is not None
    np.testing.assert_array_equal(problem.units.places[:, 0], x)
    assert problem.units.joined["gap_km"].tolist() == pytest.approx([55.66], abs=0.01)
    (finding,) = findings(config, who, units=layer())
    assert "its coordinates are degrees (WGS 84), but x and y are measured on a plane" in finding.what
    (finding,) = findings(config, who.assign(x=0.5, y=[0.5, 1.5, 2.5, 1e7]).assign(x=-1e7), units=units)
    assert finding.what == "4 of the 4 accounts to be placed lie more than 5 km outside every unit of units"
    assert "in the layer's coordinate reference system" in str(finding.remedy)


def test_files_are_read_and_recorded(tmp_path: Path) -> None:
    layer().to_file(tmp_path / "u.gpkg")
    accounts().to_csv(tmp_path / "a.csv", index=False)
    config = '[data]\naccounts = "a.csv"\n[territories]\ncenters = "free"\ncount = 2\n[contiguity]\nunits = "%s"\nunit_id = "fips"\n'
    (tmp_path / "c.toml").write_text(config % "u.gpkg")
    problem = load(tmp_path / "c.toml")
    assert [(s.role, s.path, s.rows) for s in problem.sources] == [("accounts", "a.csv", 4), ("units", "u.gpkg", 4)]
    (tmp_path / "c.toml").write_text(config % "v.gpkg")
    with pytest.raises(InputError, match=r"did you mean 'u\.gpkg'"):
        load(tmp_path / "c.toml")


def test_the_counties_of_iowa_take_its_stores_by_place(tmp_path: Path) -> None:
    text = (IOWA / "config.toml").read_text()
    for name in ("accounts.csv", "reps.csv", "iowa_counties.gpkg"):
        text = text.replace(f'"{name}"', f'"{(IOWA / name).as_posix()}"')
    where = (IOWA / "iowa_counties.gpkg").as_posix()
    (tmp_path / "c.toml").write_text(text + f'\n[contiguity]\nunits = "{where}"\nunit_id = "fips"\n')
    # The one store without a place names its county; without that it cannot be in any.
    stores = pd.read_csv(IOWA / "accounts.csv", dtype=str)
    homeless = tmp_path / "stores.csv"
    stores.drop(columns="fips").to_csv(homeless, index=False)
    (tmp_path / "d.toml").write_text(
        (tmp_path / "c.toml").read_text().replace((IOWA / "accounts.csv").as_posix(), homeless.name)
    )
    with pytest.raises(InputError) as caught:
        load(tmp_path / "d.toml")
    assert [(f.row, f.what) for f in caught.value.findings] == [(982, "the account has neither a unit nor a place")]
    problem = load(tmp_path / "c.toml")
    assert problem.units is not None
    assert (len(problem.units), len(problem.units.pairs), len(problem.units.joined)) == (99, 222, 0)
    assert problem.units.accounts_in.min() > 0


# --- lists of neighbours ----------------------------------------------------------------------------------------------


def chain(*ids: str) -> pd.DataFrame:
    return pd.DataFrame({"unit_a": ids[:-1], "unit_b": ids[1:]})


def test_a_list_of_neighbours_names_units_with_and_without_accounts() -> None:
    who = accounts(fips=["01005", "01005", "01001", "01001"])
    problem = loaded(free(**PAIRS), who, adjacency=chain("01001", "01003", "01005", "01007"))
    units = problem.units
    assert units is not None
    assert (units.kind, units.geometry) == ("pairs", None)
    assert units.ids.tolist() == ["01005", "01001", "01003", "01007"]
    assert units.unit_of.tolist() == [0, 0, 1, 1]
    assert units.pairs.tolist() == [[0, 2], [0, 3], [1, 2]]
    # A unit without accounts is placed amid its neighbours.
    assert units.places[2].tolist() == pytest.approx([0.5, np.mean(units.places[:2, 1])], abs=1e-3)
    np.testing.assert_allclose(units.places[3], units.places[0])


def test_accounts_may_be_the_units_themselves() -> None:
    for contiguity in ({"adjacency": "p"}, {"adjacency": "p", "unit_id": "account_id"}):
        problem = loaded(free(contiguity=contiguity), adjacency=chain("d", "b", "a", "c"))
        assert problem.units is not None
        assert problem.units.ids.tolist() == ["a", "b", "c", "d"]
        assert problem.units.pairs.tolist() == [[0, 1], [0, 2], [1, 3]]
        np.testing.assert_array_equal(problem.units.places, problem.accounts[["latitude", "longitude"]])


def test_self_pairs_and_repetitions_are_told_and_harmless() -> None:
    pairs = pd.DataFrame({"unit_a": ["a", "b", "a", "c", "d"], "unit_b": ["b", "a", "a", "b", "c"]})
    problem = loaded(free(contiguity={"adjacency": "p"}), adjacency=pairs)
    assert problem.units is not None
    assert problem.units.pairs.tolist() == [[0, 1], [1, 2], [2, 3]]
    notices = "\n".join(problem.notices)
    assert "1 row names the same unit twice" in notices
    assert "1 pair repeats another" in notices


def test_two_columns_of_other_names_are_taken_and_one_column_is_refused() -> None:
    pairs = chain("a", "b", "c", "d").rename(columns={"unit_a": "from", "unit_b": "to"})
    problem = loaded(free(contiguity={"adjacency": "p"}), adjacency=pairs)
    assert any("read columns 'from' and 'to' as unit_a and unit_b" in n for n in problem.notices)
    with pytest.raises(ConfigError, match="names two units in each row"):
        loaded(free(contiguity={"adjacency": "p"}), adjacency=pairs[["from"]])


def test_a_list_without_header_does_not_lose_its_first_pair() -> None:
    pairs = pd.DataFrame({"a": ["b", "c"], "b": ["c", "d"]})
    (finding,) = findings(free(contiguity={"adjacency": "p"}), adjacency=pairs)
    assert (finding.row, finding.value) == (1, "a, b")


def test_blank_ends_and_blank_units_are_findings_with_rows() -> None:
    pairs = pd.DataFrame({"unit_a": ["a", "", "b"], "unit_b": ["b", "c", "nan"]})
    found = findings(free(**PAIRS), accounts(fips=["a", "", "b", "c"]), adjacency=pairs)
    assert {(f.file, f.row, f.column) for f in found} == {
        ("accounts", 3, "fips"), ("adjacency", 3, "unit_a"), ("adjacency", 4, "unit_b"),
    }  # fmt: skip


def test_units_of_the_accounts_that_lost_their_zeros_are_findings_and_strangers_too() -> None:
    pairs = chain("01001", "01003", "01005", "01007")
    found = findings(free(**PAIRS), accounts(fips=["1001", "01003", "01005", "01005"]), adjacency=pairs)
    assert [(f.row, f.value) for f in found] == [(2, "1001")]
    with pytest.raises(ConfigError, match="has no ID in common with adjacency"):
        loaded(free(**PAIRS), accounts(fips=["x", "y", "x", "y"]), adjacency=pairs)


def test_units_without_neighbours_are_joined_by_their_places_and_units_out_of_reach_left_out() -> None:
    pairs = pd.concat([chain("a", "b", "c"), chain("x", "y")])
    problem = loaded(free(contiguity={"adjacency": "p"}), adjacency=pairs)
    assert problem.units is not None
    assert problem.units.ids.tolist() == ["a", "b", "c", "d"]
    assert problem.units.joined[["unit_a", "unit_b"]].to_numpy().tolist() == [["c", "d"]]
    notices = "\n".join(problem.notices)
    assert "c is joined to d across 133 km" in notices
    assert "2 units have no account, nor any neighbour with one, and will be left out" in notices
    lost = accounts(latitude=[0.5, 0.5, 0.5, None], longitude=[0.5, 1.5, 2.5, None])
    config = free(contiguity={"adjacency": "p"}, data={"accounts": "a", "on_unlocated": "assign"})
    (finding,) = findings(config, lost, adjacency=pairs)
    assert (finding.row, finding.value) == (5, "d")


def test_pairs_are_read_from_a_file_with_their_zeros(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("unit_a,unit_b\n01001,01003\n01003,01005\n")
    accounts(fips=["01001", "01003", "01005", "01005"]).to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "c.toml").write_text(
        '[data]\naccounts = "a.csv"\n[territories]\ncenters = "free"\ncount = 2\n'
        '[contiguity]\nadjacency = "p.csv"\nunit_id = "fips"\n'
    )
    problem = load(tmp_path / "c.toml")
    assert problem.units is not None
    assert problem.units.ids.tolist() == ["01001", "01003", "01005"]
    assert [s.role for s in problem.sources] == ["accounts", "adjacency"]


# --- hexagons ---------------------------------------------------------------------------------------------------------


def test_an_empty_table_asks_for_hexagons() -> None:
    problem = loaded(free(contiguity={}))
    units = problem.units
    assert units is not None
    assert units.kind == "cells"
    assert len(units.joined) == 0
    assert units.geometry is not None
    points = [Point(lon, 0.5) for lon in (0.5, 1.5, 2.5, 3.7)]
    assert all(units.geometry.iloc[u].contains(p) for u, p in zip(units.unit_of, points, strict=True))
    assert np.isfinite(units.places).all()
    assert any("H3 resolution" in n for n in problem.notices)


def test_a_resolution_may_be_asked_for_but_not_one_that_needs_too_many_cells() -> None:
    problem = loaded(free(contiguity={"cells": "h3", "resolution": 3}))
    assert any("H3 resolution 3" in n for n in problem.notices)
    with pytest.raises(ConfigError, match="needs more than 100,000 cells"):
        loaded(free(contiguity={"resolution": 15}))


def test_hexagons_need_places() -> None:
    config = free(contiguity={}, data={"accounts": "a", "on_unlocated": "assign"})
    who = accounts(latitude=[0.5, 0.5, 0.5, None], longitude=[0.5, 1.5, 2.5, None])
    (finding,) = findings(config, who)
    assert (finding.row, finding.what) == (5, "the account has no place, so it lies in no cell")
    with pytest.raises(ConfigError, match="cells need latitude and longitude"):
        loaded(free(contiguity={}, travel={"metric": "euclidean"}))


def test_a_hexagon_too_full_to_balance_is_told() -> None:
    who = pd.DataFrame({"account_id": [f"a{i}" for i in range(40)], "latitude": 42.0, "longitude": -93.0})
    who = pd.concat([who, accounts().assign(latitude=42.5, longitude=[-93.5, -93.4, -93.3, -93.2])])
    assert any("the fullest hexagon holds 40 accounts" in n for n in loaded(free(3, contiguity={}), who).notices)
    assert not any("the fullest hexagon" in n for n in loaded(free(contiguity={})).notices)


# --- rules that whole units cannot keep -------------------------------------------------------------------------------

REPS = pd.DataFrame({"rep_id": ["R1", "R2"], "latitude": 0.5, "longitude": [0.0, 3.0], "segments": ["x;y", "y"]})
WITH_REPS = {"data": {"accounts": "a", "reps": "r"}, **POLYGONS}


def test_a_group_across_units_names_the_group_and_its_units() -> None:
    who = accounts(parent=["P", "P", "", "Q"])
    (finding,) = findings({**WITH_REPS, "groups": {"column": "parent"}}, who, REPS, units=layer())
    assert (finding.row, finding.value) == (2, "P")
    assert "2 units (01001, 01003)" in finding.what
    assert loaded({**WITH_REPS, "groups": {"column": "parent"}}, who.assign(fips="01001"), REPS, units=layer())


def test_locks_of_one_unit_to_two_reps_are_a_finding() -> None:
    who = accounts(lock=["R1", "R2", "", "R2"], fips=["01001", "01001", "01003", "01003"])
    (finding,) = findings({**WITH_REPS, "locks": {"column": "lock"}}, who, REPS, units=layer())
    assert "unit 01001 holds accounts locked to different reps (a to R1, b to R2)" in finding.what


@pytest.mark.parametrize(("lock", "wrong"), [(["", "", "", ""], 1), (["", "R1", "", ""], 0), (["", "", "R2", ""], 2)])
def test_a_unit_that_no_rep_may_serve_whole_is_a_finding(lock: list[str], wrong: int) -> None:
    config = {
        **WITH_REPS,
        "eligibility": {"column": "segment", "reps_column": "segments"},
        "locks": {"column": "lock"},
    }
    reps = REPS.assign(segments=["x;y", "y;z"])
    segment = ["x", "z" if wrong == 1 else "y", "y", "x" if wrong == 2 else "y"]
    who = accounts(fips=["01001", "01001", "01003", "01003"], segment=segment, lock=lock)
    if wrong == 0:
        assert loaded(config, who, reps, units=layer()).units is not None
        return
    (finding,) = findings(config, who, reps, units=layer())
    assert f"unit {'01001' if wrong == 1 else '01003'} (accounts" in finding.what


def test_an_account_that_nobody_may_serve_alone_is_not_the_units_fault() -> None:
    config = {**WITH_REPS, "eligibility": {"column": "segment", "reps_column": "segments"}}
    who = accounts(fips=["01001", "01001", "01003", "01003"], segment=["q", "y", "y", "y"])
    assert loaded(config, who, REPS, units=layer()).units is not None


# --- centres ----------------------------------------------------------------------------------------------------------


def test_free_centres_need_a_count_or_reps_and_reps_need_no_home() -> None:
    problem = loaded(free(3))
    assert problem.territory_ids.tolist() == ["T01", "T02", "T03"]
    assert (len(problem.reps), problem.reps.index.name) == (0, "rep_id")
    config = {"data": {"accounts": "a", "reps": "r"}, "territories": {"centers": "free"}}
    problem = loaded(config, reps=pd.DataFrame({"rep_id": ["R1", "R2"]}))
    assert problem.territory_ids.tolist() == ["R1", "R2"]
    with pytest.raises(ConfigError, match=r"territories\.count"):
        loaded({"data": {"accounts": "a"}, "territories": {"centers": "free"}})
    config["territories"] = {"centers": "free", "count": 3}
    with pytest.raises(ConfigError, match=r"lists 2 reps, but territories\.count is 3"):
        loaded(config, reps=pd.DataFrame({"rep_id": ["R1", "R2"]}))


def test_settings_that_need_reps_are_listed_where_there_are_none() -> None:
    config = free(
        balance=[{"measure": "count", "tolerance": 0.1, "share": "s"}, {"measure": "count", "max": "m"}],
        locks={"column": "l"},
        eligibility={"column": "c", "reps_column": "r"},
        disruption={"current": "o"},
    )
    keys = ["balance[1].share", "balance[2].max", "locks.column", "eligibility.reps_column", "disruption.current"]
    assert [f.column for f in findings(config)] == keys


def test_more_territories_than_places_are_refused() -> None:
    with pytest.raises(ConfigError, match="there are only 4 places for 5 centres"):
        loaded(free(5))
    with pytest.raises(ConfigError, match="there are only 2 places for 3 centres"):
        loaded(free(3, **PAIRS), accounts(fips=["01001", "01001", "01003", "01003"]), adjacency=chain("01001", "01003"))


def test_places_for_centres_are_counted_as_what_they_are() -> None:
    assign = {"data": {"accounts": "a.csv", "on_unlocated": "assign"}}
    nowhere = accounts(latitude=[0.5, None, None, None], longitude=[0.5, None, None, None], postal_code="")
    with pytest.raises(ConfigError, match=r"there is only 1 place for 3 centres \(accounts with a place\)"):
        loaded(free(3, **assign), nowhere)
    with pytest.raises(
        ConfigError, match=r"there are no places for 3 centres.* Remedy: give the accounts their places"
    ):
        loaded(free(3, **assign), nowhere.assign(latitude=np.nan, longitude=np.nan))
    with pytest.raises(
        ConfigError, match=r"there are only 2 places for 3 centres \(groups, and accounts in no group\)"
    ):
        loaded(free(3, groups={"column": "g"}), accounts(g=["x", "x", "x", ""]))
    table = pd.DataFrame({"center_id": ["a", "a", "d", "d"], "account_id": ["a", "b", "c", "d"], "cost": 1.0})
    with pytest.raises(ConfigError, match=r"there are only 2 places for 3 centres \(centres in the travel table\)"):
        loaded(free(3, travel={"table": "t"}), travel_table=table)
    with pytest.raises(ConfigError, match=r"there are only 2 places for 3 centres \(units with accounts\)"):
        loaded(free(3, **POLYGONS), accounts(fips=["01001", "01001", "01003", "01003"]), units=layer())


def test_hundreds_of_measures_are_read_without_a_warning() -> None:
    many = {f"m{i}": [1.0, 2.0, 3.0, 4.0] for i in range(150)}
    problem = loaded(free(balance=[{"measure": name, "tolerance": 0.9} for name in many]), accounts(**many))
    assert len(problem.measures) == 150


def test_the_accounts_may_call_their_units_column_otherwise() -> None:
    config = free(**POLYGONS, data={"accounts": "a.csv", "columns": {"accounts": {"unit_id": "STCNTYBR"}}})
    problem = loaded(config, accounts(STCNTYBR=["01003", "01003", "01001", "01007"]), units=layer())
    assert named(problem) == ["01003", "01003", "01001", "01007"]
    unmapped = loaded(free(**POLYGONS), accounts(STCNTYBR=["01003", "01003", "01001", "01007"]), units=layer())
    assert any('say unit_id = "…" in [data.columns.accounts]' in notice for notice in unmapped.notices)
    pairs = {**PAIRS, "data": config["data"]}
    listed = loaded(
        free(**pairs), accounts(STCNTYBR=["01003", "01003", "01001", "01001"]), adjacency=chain("01001", "01003")
    )
    assert listed.units is not None
    assert set(named(listed)) == {"01001", "01003"}


def test_an_accounts_column_of_units_that_is_missing_is_not_told_of_columns_that_are_ours() -> None:
    (finding,) = findings(free(**PAIRS), adjacency=chain("01001", "01003"))
    assert finding.allowed == "account_id, latitude, longitude"


def test_a_layer_that_covers_no_account_is_elsewhere_whatever_the_column_says() -> None:
    moved = layer()
    moved["geometry"] = moved.geometry.translate(xoff=40)
    (finding,) = findings(free(**POLYGONS), accounts(fips=list(SQUARES)), units=moved)
    assert finding.what.startswith("covers none of the places of the 4 accounts that name one of its units")
    assert finding.file == "units"


def test_many_units_without_accounts_are_worth_a_notice() -> None:
    ids = [f"{i:02d}" for i in range(12)]
    near = accounts(fips=["00", "00", "01", "01"])
    said = "10 units of 12 without any account will be assigned too"
    assert any(said in n for n in loaded(free(**PAIRS), near, adjacency=chain(*ids)).notices)
    assert not any("without any account" in n for n in loaded(free(**PAIRS), near, adjacency=chain(*ids[:4])).notices)


def test_a_list_of_neighbours_without_rows_is_empty() -> None:
    (finding,) = findings(free(**PAIRS), accounts(fips=["1"] * 4), adjacency=pd.DataFrame({"unit_a": [], "unit_b": []}))
    assert finding.what == "is empty: there are no rows below the header"


def test_blank_and_damaged_unit_ids_are_told_together() -> None:
    pairs = pd.DataFrame({"unit_a": ["01001", "01003"], "unit_b": ["01003", ""]})
    told = findings(free(**PAIRS), accounts(fips=["1001", "01003", "01001", "01003"]), adjacency=pairs)
    assert sorted(f.what for f in told) == ["is blank", "is not the ID of a unit"]


def test_a_place_just_outside_is_less_than_100_m_away() -> None:
    problem = loaded(free(**POLYGONS), accounts(longitude=[-0.0001, 1.5, 2.5, 3.7]), units=layer())
    assert any("belongs to the nearest one, less than 100 m away" in n for n in problem.notices)


def test_a_travel_table_starts_from_centres_where_these_are_free() -> None:
    table = pd.DataFrame({"center_id": ["a", "a", "d", "d"], "account_id": ["a", "b", "c", "d"], "cost": 1.0})
    problem = loaded(free(travel={"table": "t"}), travel_table=table)
    assert problem.travel_table is not None
    assert problem.travel_table.columns.tolist() == ["center_id", "account_id", "cost"]
    with pytest.raises(ConfigError, match=r"'center_id', which a travel table needs with centers"):
        loaded(free(travel={"table": "t"}), travel_table=table.rename(columns={"center_id": "rep_id"}))
    found = findings(free(travel={"table": "t"}), travel_table=table.assign(center_id=["a", "a", "d", "R1"]))
    assert ("R1", "is not the ID of an account") in {(f.value, f.what) for f in found}
    of_units = table.assign(center_id=["01001", "01001", "01007", "01007"])
    problem = loaded(free(travel={"table": "t"}, **POLYGONS), travel_table=of_units, units=layer())
    assert problem.travel_table is not None
    assert problem.travel_table["center_id"].tolist() == ["01001", "01001", "01007", "01007"]
    found = findings(free(travel={"table": "t"}, **POLYGONS), travel_table=table, units=layer())
    assert ("a", "is not the ID of a unit") in {(f.value, f.what) for f in found}


def test_loads_that_depend_on_the_rep_are_refused_with_units_and_with_free_centres() -> None:
    table = pd.DataFrame({"center_id": ["a"] * 4, "account_id": list("abcd"), "cost": 1.0, "hours": 2.0})
    config = free(travel={"table": "t"}, balance=[{"measure": "hours", "max": 9.0}])
    with pytest.raises(ConfigError, match='together with centers = "free"'):
        loaded(config, travel_table=table)


def test_units_that_the_configuration_names_must_be_given() -> None:
    assert [f.column for f in findings(free(**POLYGONS))] == ["contiguity.units"]
    assert [f.column for f in findings(free(**PAIRS))] == ["contiguity.adjacency"]
