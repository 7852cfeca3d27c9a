from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maps import territory_shapes, write_geojson
from maps.shapes.cells import grid_cells, hull_points, mercator, one_of_each_cell, territory_cells, wgs84
from territory_engine.config import parse_config
from territory_engine.planner import solve
from territory_engine.reading.loading import load_frames

REPS = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0), "R3": (-95.0, 42.5)}


def overlap(shapes):
    present = shapes[~shapely.is_missing(shapes)]
    return shapely.area(present).sum() - shapely.union_all(present).area


def test_shapes_are_keyed_by_territory_and_carry_its_loads(midwest, build_plan):
    plan = build_plan(midwest)
    shapes = territory_shapes(midwest, plan)
    assert shapes.crs.to_epsg() == 4326
    assert shapes.index.tolist() == plan.territories.index.tolist()
    assert shapes.index.name == "territory_id"
    assert set(plan.territories.columns) < set(shapes.columns)
    assert shapes.geometry.is_valid.all()
    assert "geometry" not in plan.territories


def test_shapes_do_not_overlap(midwest, build_plan):
    shapes = territory_shapes(midwest, build_plan(midwest)).geometry.to_numpy()
    assert abs(overlap(shapes)) < 1e-9 * shapely.area(shapes).sum()


def test_nearly_every_account_lies_in_its_own_territory(midwest, build_plan):
    plan = build_plan(midwest)
    shapes = territory_shapes(midwest, plan)
    mine = shapes.geometry.loc[plan.assignments["territory_id"]].to_numpy()
    inside = shapely.contains_xy(mine, midwest.accounts["longitude"], midwest.accounts["latitude"])
    assert inside.mean() > 0.97  # a few scattered accounts get no island


def test_every_territory_with_accounts_has_a_shape_even_on_one_shared_spot(build_problem, build_plan):
    problem = build_problem([-93.0] * 6, [41.0] * 6, REPS)
    plan = build_plan(problem)
    plan.assignments["territory_id"] = ["R1", "R2", "R3"] * 2
    shapes = territory_shapes(problem, plan)
    assert shapes.geometry.notna().all()
    assert (shapes.geometry.to_crs(3857).area > 0).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_accounts_still_give_shapes(build_problem, build_plan, n):
    problem = build_problem([-93.0, -91.0, -95.0][:n], [41.0, 42.0, 42.5][:n], REPS)
    shapes = territory_shapes(problem, build_plan(problem))
    assert shapes.geometry.notna().sum() == n
    assert shapes.geometry.dropna().is_valid.all()


def test_accounts_on_one_line_give_shapes(build_problem, build_plan):
    problem = build_problem(np.linspace(-95, -91, 40), [42.0] * 40, REPS)
    shapes = territory_shapes(problem, build_plan(problem))
    assert shapes.geometry.dropna().is_valid.all()
    assert shapes.geometry.notna().sum() >= 2


def test_a_territory_without_accounts_and_accounts_without_a_place_have_no_shape(build_problem, build_plan):
    problem = build_problem([-93.0, np.nan, -93.1], [41.0, np.nan, 41.1], REPS)
    plan = build_plan(problem)
    assert territory_shapes(problem, plan).geometry.isna().tolist() == [False, True, True]
    nowhere = build_problem([np.nan], [np.nan], REPS)
    assert territory_shapes(nowhere, build_plan(nowhere)).geometry.isna().all()


def test_shapes_stay_inside_the_background(build_problem, build_plan):
    rng = np.random.default_rng(1)
    land = gpd.GeoDataFrame(geometry=[shapely.box(-96, 40, -93, 44), shapely.box(-93, 40, -90, 44)], crs="EPSG:4326")
    problem = build_problem(rng.uniform(-96, -90, 200), rng.uniform(40, 44, 200), REPS, background=land)
    shapes = territory_shapes(problem, build_plan(problem)).geometry
    assert shapely.union_all(land.geometry.to_numpy()).buffer(1e-6).contains(shapes.union_all())
    assert shapes.union_all().area == pytest.approx(24, rel=0.05)


def test_an_account_outside_the_background_keeps_a_shape(build_problem, build_plan):
    land = gpd.GeoDataFrame(geometry=[shapely.box(-96, 40, -94, 44)], crs="EPSG:4326")
    problem = build_problem([-95.0, -95.1, -91.0], [42.5, 42.0, 42.0], REPS, background=land)
    shapes = territory_shapes(problem, build_plan(problem)).geometry
    assert shapes.loc["R2"] is not None
    assert shapes.loc["R2"].contains(shapely.Point(-91.0, 42.0))


def test_planar_problems_have_no_wgs_84_shapes(build_problem, build_plan):
    problem = build_problem([0.0, 10.0], [0.0, 10.0], {"R1": (0, 0), "R2": (10, 10)}, planar=True)
    assert territory_shapes(problem, build_plan(problem)).geometry.isna().all()


def test_two_clusters_across_an_ocean_are_not_joined(build_problem, build_plan):
    rng = np.random.default_rng(2)
    longitude = np.r_[rng.normal(-157, 0.4, 60), rng.normal(-93, 2, 200)]
    latitude = np.r_[rng.normal(21, 0.4, 60), rng.normal(41, 2, 200)]
    problem = build_problem(longitude, latitude, REPS | {"HI": (-157.0, 21.0)})
    union = territory_shapes(problem, build_plan(problem)).geometry.union_all()
    assert not union.contains(shapely.Point(-125, 30))


def test_geojson_is_the_same_twice_rounded_and_standard(midwest, build_plan, tmp_path):
    shapes = territory_shapes(midwest, build_plan(midwest))
    shapes.loc["R5", "visits_deviation"] = np.nan
    write_geojson(shapes, tmp_path / "a.geojson")
    write_geojson(
        territory_shapes(midwest, build_plan(midwest)).assign(visits_deviation=shapes["visits_deviation"]),
        tmp_path / "b.geojson",
    )
    assert (tmp_path / "a.geojson").read_bytes() == (tmp_path / "b.geojson").read_bytes()
    read = gpd.read_file(tmp_path / "a.geojson")
    assert read["territory_id"].tolist() == shapes.index.tolist()
    features = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))["features"]
    assert features[4]["properties"]["visits_deviation"] is None
    coordinates = shapely.get_coordinates(read.geometry.to_numpy())
    assert np.array_equal(coordinates, np.round(coordinates, 5))


def test_an_empty_geometry_becomes_null_in_geojson(build_problem, build_plan, tmp_path):
    problem = build_problem([-93.0], [41.0], REPS)
    write_geojson(territory_shapes(problem, build_plan(problem)), tmp_path / "a.geojson")
    features = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))["features"]
    assert [f["geometry"] is None for f in features] == [False, True, True]


def test_mercator_goes_back_to_where_it_came_from():
    points = np.column_stack([np.linspace(-180, 180, 50), np.linspace(-84, 84, 50)])
    assert np.allclose(wgs84(mercator(points[:, 0], points[:, 1])), points)


@settings(max_examples=40, deadline=None)
@given(
    points=arrays(np.int64, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(0, 12)),
    seed=st.integers(0, 1000),
)
def test_any_accounts_give_valid_shapes_without_overlaps_for_every_owner_of_a_place(points, seed):
    owner = np.random.default_rng(seed).integers(0, 4, len(points))
    shapes = territory_cells(points.astype(float), owner, 5)
    drawn = {t for t in range(5) if shapes[t] is not None}
    # At a place that several territories share one of them gets the area; a place of one's own always counts.
    holders: dict[tuple[int, int], set[int]] = {}
    for place, territory in zip(points.tolist(), owner.tolist(), strict=True):
        holders.setdefault((place[0], place[1]), set()).add(territory)
    assert {next(iter(h)) for h in holders.values() if len(h) == 1} <= drawn <= set(owner.tolist())
    present = shapes[~shapely.is_missing(shapes)]
    assert shapely.is_valid(present).all()
    assert abs(overlap(shapes)) < 1e-6 * shapely.area(present).sum()


def test_territories_of_hexagons_have_no_slits(tmp_path):
    rng = np.random.default_rng(0)
    accounts = pd.DataFrame(
        {
            "account_id": [f"a{i}" for i in range(200)],
            "latitude": rng.uniform(36, 44, 200),
            "longitude": rng.uniform(-98, -86, 200),
        }
    )
    content = {
        "data": {"accounts": "a.csv"},
        "territories": {"centers": "free", "count": 3},
        "contiguity": {"cells": "h3", "resolution": 3},
        "solve": {"rounds": 2, "gap": 0.5},
    }
    problem = load_frames(accounts, None, parse_config(content))
    path = tmp_path / "territories.geojson"
    write_geojson(territory_shapes(problem, solve(problem)), path)
    written = gpd.read_file(path).geometry
    assert written.is_valid.all()
    assert min((part.area for shape in written for part in slits_of(shape)), default=1.0) > 1e-6


def slits_of(shape):
    return [shapely.polygons(ring) for part in shapely.get_parts(shape) for ring in part.interiors]


def test_the_hull_of_many_points_is_that_of_few_of_them():
    points = np.random.default_rng(0).normal(size=(5000, 2))
    few = hull_points(points)
    assert len(few) < 100
    assert shapely.convex_hull(shapely.multipoints(few)).equals(shapely.convex_hull(shapely.multipoints(points)))
    line = np.column_stack([np.arange(9.0), np.arange(9.0)])
    assert len(hull_points(line)) == 9


def test_one_point_stands_for_each_square_of_a_grid():
    points = np.random.default_rng(0).uniform(-1e6, 1e6, (3000, 2))
    first = one_of_each_cell(points, 1e5)
    middles = grid_cells(points, 1e5)
    assert (
        len(first) == len(middles) == len(np.unique(middles, axis=0)) == len(np.unique(np.round(points / 1e5), axis=0))
    )
    assert np.abs(points[first] - middles).max() <= 5e4
