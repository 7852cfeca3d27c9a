"""Territories divide what they cover: no overlaps, no gaps, in the digits that are written."""

from __future__ import annotations

import itertools
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
from maps.pages.drawing import Drawing
from maps.shapes.cells import mercator, territory_cells, wgs84
from maps.shapes.coverage import exact_coverage
from maps.shapes.covered import covered_area, surroundings
from maps.shapes.land import areas
from maps.shapes.territories import plane_shapes
from territory_engine.config import parse_config
from territory_engine.planner import solve
from territory_engine.reading.loading import load_frames

DECIMALS = 5
REPS = {"R1": (-93.0, 41.0), "R2": (-91.5, 42.0), "R3": (-95.0, 42.5), "R4": (-92.5, 43.0)}


def drawn(features):
    """Polygons of GeoJSON features, as whoever reads the file has them."""
    return np.array([shapely.from_geojson(json.dumps(f["geometry"])) for f in features if f["geometry"]], dtype=object)


def assert_divided(shapes, whole=None, decimals=DECIMALS):
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    assert all(
        ring.is_ccw
        for shape in shapes
        for ring in shapely.get_rings(shapely.get_exterior_ring(shapely.get_parts(shape)))
    )
    if whole is not None:  # but for slits that rounding opens or closes along its edge
        difference = shapely.symmetric_difference(shapely.union_all(shapes), whole)
        assert shapely.buffer(difference, -10 * 10.0**-decimals).is_empty


@settings(max_examples=80, deadline=None)
@given(
    points=arrays(np.float64, st.tuples(st.integers(1, 60), st.just(2)), elements=st.floats(-5, 5, width=32)),
    on_a_lattice=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_grown_shapes_divide_what_they_cover(points, on_a_lattice, seed):
    points = (np.round(points) if on_a_lattice else points) + (-90.0, 45.0)
    owner = np.random.default_rng(seed).integers(0, 5, len(points))
    cells = np.asarray(shapely.transform(territory_cells(points, owner, 5), wgs84), dtype=object)
    whole = shapely.transform(surroundings(points), wgs84)
    shapes = exact_coverage(cells, DECIMALS, within=whole)
    assert_divided(shapes[~shapely.is_missing(shapes)], whole)
    corners = shapely.get_coordinates(shapes[~shapely.is_missing(shapes)])
    assert (corners == np.round(corners, 5)).all()


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6, 1e-9, 1e-14, 1e-300, 0.0])
@pytest.mark.parametrize("origin", [(0.0, 0.0), (-90.0, 45.0), (4e6, -7e6)])
def test_accounts_however_near_to_each_other_have_shapes_that_do_not_overlap(apart, origin):
    points = np.array(origin) + apart * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    cells = territory_cells(points, np.arange(3), 3)
    assert shapely.is_valid(cells).all()
    assert not any(shapely.relate_pattern(a, b, "T********") for a, b in itertools.combinations(cells, 2))
    shapes = exact_coverage(cells, DECIMALS, within=surroundings(points))
    assert shapely.coverage_is_valid(shapes[~shapely.is_missing(shapes)])


@pytest.mark.parametrize("state", ["Iowa", "Florida", "Hawaii"])
def test_what_is_written_and_drawn_divides_a_state(build_problem, build_plan, tmp_path, state):
    area = areas().set_index("name").geometry[state]
    rng = np.random.default_rng(3)
    tried = rng.uniform(area.bounds[:2], area.bounds[2:], (1500, 2))
    points = tried[shapely.contains_xy(area, *tried.T)]
    homes = points[rng.choice(len(points), 6, replace=False)]
    problem = build_problem(*points.T, {f"R{i}": tuple(p) for i, p in enumerate(homes)})
    plan = build_plan(problem)
    write_geojson(territory_shapes(problem, plan), tmp_path / "t.geojson")
    whole = shapely.transform(covered_area(problem, mercator(*points.T)), wgs84)
    assert_divided(drawn(json.loads((tmp_path / "t.geojson").read_text(encoding="utf-8"))["features"]), whole)
    far = Drawing(problem).features(plane_shapes(problem, plan), (-100.0, 20.0, -80.0, 40.0))  # four decimals
    assert_divided(drawn(far["features"]), whole, decimals=4)


def test_what_is_drawn_in_x_and_y_is_divided_too(build_problem, build_plan):
    rng = np.random.default_rng(4)
    points = rng.normal(5e5, 2e4, (400, 2))
    homes = {f"R{i}": tuple(p) for i, p in enumerate(points[:7])}
    problem = build_problem(*points.T, homes, planar=True)
    plan = build_plan(problem)
    shapes = plane_shapes(problem, plan)
    assert shapely.coverage_is_valid(shapes)
    assert_divided(drawn(Drawing(problem).features(shapes, (0.0, 0.0, 1.0, 1.0))["features"]), decimals=2)


def test_dissolved_units_share_their_borders_in_the_digits_that_are_written(tmp_path):
    # Neighbours whose corners differ in the ninth digit, one that overlaps, and a corner only one of them has.
    units = gpd.GeoDataFrame(
        {"unit_id": ["a", "b", "c", "d"]},
        geometry=[
            shapely.box(-94, 41, -93, 42),
            shapely.box(-93 + 4e-9, 41, -92, 42),
            shapely.Polygon([(-94, 42), (-93.4, 42.000004), (-93, 42), (-93, 43), (-94, 43)]),
            shapely.box(-93.000003, 42, -92, 43),
        ],
        crs="EPSG:4326",
    )
    accounts = pd.DataFrame(
        {"account_id": list("wxyz"), "latitude": [41.5, 41.5, 42.5, 42.5], "longitude": [-93.5, -92.5, -93.5, -92.5]}
    )
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "latitude": [41.5, 42.5], "longitude": [-93.5, -92.5]})
    content = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "contiguity": {"units": "u.gpkg", "unit_id": "unit_id"},
        "solve": {"rounds": 2, "gap": 0.5},
    }
    problem = load_frames(accounts, reps, parse_config(content), units=units)
    write_geojson(territory_shapes(problem, solve(problem)), tmp_path / "t.geojson")
    assert_divided(
        drawn(json.loads((tmp_path / "t.geojson").read_text(encoding="utf-8"))["features"]),
        shapely.box(-94, 41, -92, 43),
    )


def test_the_first_has_what_two_shapes_claim_and_slits_are_closed():
    squares = [shapely.box(0, 0, 1, 1), shapely.box(0.9, 0, 2, 1), None, shapely.box(2.00003, 0, 3, 1)]
    squares += [shapely.box(0, 1, 3, 2), shapely.box(0, -1, 3, 0)]  # above and beneath: the slit is a hole
    shapes = exact_coverage(np.array(squares, dtype=object), DECIMALS)
    assert shapes[0].equals(squares[0])
    assert shapes[2] is None
    assert_divided(shapes[~shapely.is_missing(shapes)])
    assert shapely.union_all(shapes).equals(shapely.box(0, -1, 3, 2))


def test_without_shapes_there_is_nothing_to_divide():
    assert exact_coverage(np.array([None, None], dtype=object), DECIMALS).tolist() == [None, None]
