"""The land that comes with the package, and what of it belongs to a map."""

from __future__ import annotations

import io
import json
import tarfile

import geopandas as gpd
import numpy as np
import pytest
import shapely

from maps import territory_shapes, write_map
from maps.shapes import land
from maps.shapes.cells import mercator, wgs84
from maps.shapes.covered import covered_area
from maps.shapes.land.build import cut_at_antimeridian, read_topology, topology_areas
from maps.shapes.outlines import outlines_of

REPS = {"R1": (-93.0, 41.0), "R2": (-91.5, 42.0), "R3": (-95.0, 42.5)}


@pytest.fixture(scope="module")
def area_of():
    areas = land.areas().drop_duplicates("name")  # Georgia is a state and a country: the states come first
    return areas.set_index("name").geometry


def points_in(area, n, seed=0):
    rng = np.random.default_rng(seed)
    west, south, east, north = area.bounds
    points = np.empty((0, 2))
    while len(points) < n:
        tried = rng.uniform((west, south), (east, north), (4 * n, 2))
        points = np.vstack([points, tried[shapely.contains_xy(area, *tried.T)]])
    return points[:n]


def covered(build_problem, points, **options):
    problem = build_problem(*np.asarray(points).T, REPS, **options)
    return shapely.transform(covered_area(problem, mercator(*np.asarray(points).T)), wgs84)


def share_covered(area, mask):
    return area.intersection(mask).area / area.area


def test_the_package_has_every_state_and_country_as_valid_areas():
    areas = land.areas()
    assert areas.crs.to_epsg() == 4326
    assert areas.is_valid.all()
    assert set(areas.geom_type) == {"MultiPolygon"}
    assert (areas["kind"] == land.STATE).sum() == 56
    assert {"Iowa", "Alaska", "Puerto Rico", "Germany", "Fiji", "Russia"} <= set(areas["name"])
    assert "United States of America" not in set(areas["name"])
    assert land.FILE.stat().st_size < 1_000_000


def test_areas_do_not_cross_the_antimeridian_and_hardly_overlap(area_of):
    # A polygon that crossed it unnoticed would span the whole map.
    for name in ("Russia", "Fiji", "Alaska"):
        assert max(part.bounds[2] - part.bounds[0] for part in area_of[name].geoms) < 170
    for neighbour in ("Canada", "Mexico"):
        states = shapely.union_all(land.areas().geometry[land.areas()["kind"] == land.STATE].to_numpy())
        assert area_of[neighbour].intersection(states).area < 1e-3


def test_accounts_all_over_a_state_fill_it_and_no_other(build_problem, area_of):
    mask = covered(build_problem, points_in(area_of["Iowa"], 300))
    assert shapely.symmetric_difference(mask, area_of["Iowa"]).area < 1e-6


def test_one_stray_account_does_not_bring_its_state(build_problem, area_of):
    mask = covered(build_problem, np.vstack([points_in(area_of["Iowa"], 300), [(-99.0, 41.5)]]))
    assert share_covered(area_of["Iowa"], mask) > 0.999
    assert 0 < share_covered(area_of["Nebraska"], mask) < 0.05
    assert mask.contains(shapely.Point(-99.0, 41.5))


def test_a_national_plan_fills_states_without_accounts_but_no_neighbouring_country(build_problem, area_of):
    mainland = [n for n in area_of.index[:56] if n not in ("Alaska", "Hawaii", "Guam", "American Samoa", "Wyoming")]
    mainland = [n for n in mainland if "Islands" not in n and n != "Puerto Rico"]
    points = np.vstack([points_in(area_of[n], 12) for n in mainland])
    mask = covered(build_problem, np.vstack([points, [(-106.0, 28.6)]]))  # and one that stands in Mexico by mistake
    assert share_covered(area_of["Wyoming"], mask) > 0.999
    assert share_covered(area_of["Texas"], mask) > 0.99
    assert share_covered(area_of["Alaska"], mask) == 0
    assert share_covered(area_of["Mexico"], mask) < 0.03
    assert share_covered(area_of["Canada"], mask) < 1e-4


def test_few_accounts_do_not_fill_a_large_country(build_problem, area_of):
    mask = covered(build_problem, [(37.6, 55.75), (37.7, 55.7), (30.3, 59.9), (44.0, 56.3)])
    assert 0 < share_covered(area_of["Russia"], mask) < 0.02


def test_a_plan_of_a_country_fills_its_mainland_and_not_what_lies_overseas(build_problem, area_of):
    europe = shapely.box(-6, 41, 10, 52)
    mask = covered(build_problem, points_in(area_of["France"].intersection(europe), 200))
    assert share_covered(area_of["France"].intersection(europe), mask) > 0.97
    assert not mask.intersects(shapely.box(-60, 0, -50, 10))
    assert share_covered(area_of["Germany"], mask) < 1e-9


def test_an_account_off_the_shore_keeps_a_small_disc(build_problem, area_of):
    at_sea = (-79.5, 31.0)
    mask = covered(build_problem, np.vstack([points_in(area_of["South Carolina"], 100), [at_sea]]))
    disc = next(part for part in mask.geoms if part.contains(shapely.Point(at_sea)))
    assert disc.area < 0.01


def test_accounts_that_are_all_at_sea_have_surroundings(build_problem):
    assert covered(build_problem, [(-30.0, 30.0), (-30.2, 30.1)]).contains(shapely.Point(-30.0, 30.0))


def test_no_background_at_all_can_be_asked_for(build_problem, build_plan, area_of, tmp_path):
    points = points_in(area_of["Iowa"], 100)
    nothing = {"map": {"background": "none"}}
    assert not area_of["Iowa"].buffer(0.05).contains(covered(build_problem, points, config=nothing))
    problem = build_problem(*points.T, REPS, config=nothing)
    assert outlines_of(problem, (-97, 40, -90, 44)) == []
    write_map(problem, build_plan(problem), tmp_path / "map.html")
    assert '"outlines":[]' in (tmp_path / "map.html").read_text(encoding="utf-8")


def test_a_background_of_ones_own_replaces_the_land(build_problem, build_plan):
    box = gpd.GeoDataFrame(geometry=[shapely.box(-96, 40, -90, 44)], crs="EPSG:4326")
    problem = build_problem([-96.0, -93.0, -90.0], [40.0, 42.0, 44.0], REPS, background=box)
    union = territory_shapes(problem, build_plan(problem)).geometry.union_all()
    assert shapely.symmetric_difference(union, box.geometry[0]).area < 0.2
    assert outlines_of(problem, (-96, 40, -90, 44)) != []


def test_borders_of_states_and_countries_around_are_drawn_and_no_farther(build_problem):
    problem = build_problem([-93.0], [42.0], REPS)
    lines = np.vstack(outlines_of(problem, (-97, 40, -90, 44)))
    assert lines[:, 0].min() > 30
    assert lines[:, 1].max() < -75
    assert len(lines) < 5000
    near_the_coast = np.vstack(outlines_of(problem, (130, 43, 135, 48)))  # of Russia only what is near
    assert len(near_the_coast) < 5000
    assert not near_the_coast[:, 1].min() < 120


def test_a_map_of_x_and_y_has_no_land(build_problem):
    problem = build_problem([0.0, 10.0], [0.0, 10.0], {"R1": (0, 0), "R2": (10, 10)}, planar=True)
    assert outlines_of(problem, (0, 0, 10, 10)) == []


def test_topojson_is_decoded_with_shared_arcs_and_reversed_ones():
    topology = {
        "transform": {"scale": [1, 1], "translate": [10, 20]},
        "arcs": [[[1, 0], [0, 1]], [[1, 1], [-1, 0], [0, -1], [1, 0]], [[1, 0], [1, 0], [0, 1], [-1, 0]]],
        "objects": {
            "squares": {
                "geometries": [
                    {"type": "Polygon", "arcs": [[0, 1]], "properties": {"name": "west"}},
                    {"type": "MultiPolygon", "arcs": [[[2, -1]]], "properties": {"name": "east"}},
                ]
            }
        },
    }
    west, east = topology_areas(topology, "squares").geometry
    assert west.equals(shapely.box(10, 20, 11, 21))
    assert east.equals(shapely.box(11, 20, 12, 21))


def test_rings_are_cut_at_the_antimeridian_and_closed_around_a_pole():
    ring = np.array([(170, 0), (-170, 0), (-170, 10), (170, 10), (170, 0)], float)
    east, west = sorted(cut_at_antimeridian([ring]), key=lambda part: -part.bounds[0])
    assert east.equals(shapely.box(170, 0, 180, 10))
    assert west.equals(shapely.box(-180, 0, -170, 10))
    around = np.array([(-180, -70), (-90, -70), (0, -70), (90, -70), (180, -70), (-180, -70)], float)
    assert shapely.union_all(cut_at_antimeridian([around])).equals(shapely.box(-180, -90, 180, -70))


def test_npm_packages_are_read_from_their_archive(tmp_path):
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as package:
        content = json.dumps({"arcs": []}).encode()
        entry = tarfile.TarInfo("package/x.json")
        entry.size = len(content)
        package.addfile(entry, io.BytesIO(content))
    assert read_topology(tmp_path / "p.tgz", "x.json") == {"arcs": []}
