from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon, box

from territory_engine.geography.touching import touching_pairs

IOWA = Path(__file__).parents[3] / "examples" / "iowa"


def pairs(*shapes: object, degrees: bool = False) -> list[tuple[int, int]]:
    found, _ = touching_pairs(np.array(shapes, dtype=object), degrees=degrees)
    return [(int(a), int(b)) for a, b in found]


def test_units_with_a_common_border_touch_and_units_with_a_common_corner_do_not() -> None:
    assert pairs(box(0, 0, 1, 1), box(1, 0, 2, 1), box(1, 1, 2, 2), box(0, 1, 1, 2)) == [(0, 1), (0, 3), (1, 2), (2, 3)]


def test_a_corner_in_the_middle_of_an_edge_is_no_obstacle() -> None:
    assert pairs(box(0, 0, 2, 2), box(2, 1, 3, 3), box(2, -1, 3, 1)) == [(0, 1), (0, 2), (1, 2)]


def test_slivers_between_outlines_are_no_gap_but_a_strait_is() -> None:
    assert pairs(box(0, 0, 1, 1), box(1.002, 0, 2, 1)) == [(0, 1)]
    assert pairs(box(0, 0, 1, 1), box(0.998, 0, 2, 1)) == [(0, 1)]
    assert pairs(box(0, 0, 1, 1), box(1.02, 0, 2, 1)) == []


def test_the_tolerance_is_the_units_own_and_not_a_length() -> None:
    for scale in (1e-3, 1.0, 1e5):
        shapes = [shapely.transform(s, lambda xy, k=scale: xy * k) for s in (box(0, 0, 1, 1), box(1.002, 0, 2, 1))]
        assert pairs(*shapes) == [(0, 1)]


def test_corners_that_nearly_meet_do_not_touch() -> None:
    for shift in (-0.003, 0.0, 0.003):
        assert pairs(box(0, 0, 1, 1), box(1 + shift, 1 + shift, 2, 2)) == []


def test_an_enclave_touches_what_surrounds_it_whether_the_hole_is_drawn_or_not() -> None:
    city, county = box(1, 1, 2, 2), box(0, 0, 3, 3)
    assert pairs(county.difference(city), city) == [(0, 1)]
    assert pairs(county, city) == [(0, 1)]


def test_units_drawn_on_top_of_each_other_all_touch() -> None:
    assert pairs(box(0, 0, 1, 1), box(0, 0, 1, 1), box(0, 0, 1, 1)) == [(0, 1), (0, 2), (1, 2)]


def test_the_180th_meridian_is_one_line() -> None:
    assert pairs(box(179, 0, 180, 1), box(-180, 0, -179, 1), degrees=True) == [(0, 1)]
    assert pairs(box(179, 0, 180, 1), box(-180, 0, -179, 1), degrees=False) == []


def test_the_counties_of_iowa_touch_as_their_topology_says() -> None:
    counties = gpd.read_file(IOWA / "iowa_counties.gpkg")
    expected = {tuple(sorted(row)) for row in pd.read_csv(IOWA / "iowa_county_adjacency.csv", dtype=str).to_numpy()}
    found, inexact = touching_pairs(counties.geometry.to_numpy(), degrees=True)
    fips = counties["fips"].to_numpy()
    assert {tuple(sorted((fips[a], fips[b]))) for a, b in found} == expected
    assert inexact == 0


def test_outlines_simplified_one_by_one_keep_nearly_all_borders_and_are_counted() -> None:
    counties = gpd.read_file(IOWA / "iowa_counties.gpkg")
    exact, _ = touching_pairs(counties.geometry.to_numpy(), degrees=True)
    rough = counties.geometry.simplify(0.01).to_numpy()
    found, inexact = touching_pairs(rough, degrees=True)
    known, kept = {tuple(p) for p in exact}, {tuple(p) for p in found}
    assert len(known - kept) <= 0.03 * len(known)
    assert len(kept - known) <= 0.01 * len(known)
    assert inexact > 0


@settings(max_examples=30, deadline=None)
@given(
    columns=st.integers(1, 5),
    rows=st.integers(1, 5),
    seed=st.integers(0, 2**16),
    angle=st.floats(0, 6.3),
    shift=st.floats(-1e4, 1e4),
)
def test_a_warped_grid_touches_as_a_grid_does_wherever_it_lies(
    columns: int, rows: int, seed: int, angle: float, shift: float
) -> None:
    nodes = np.stack(np.meshgrid(np.arange(columns + 1.0), np.arange(rows + 1.0), indexing="ij"), axis=-1)
    nodes += np.random.default_rng(seed).uniform(-0.2, 0.2, nodes.shape)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    nodes = nodes @ turn + shift
    cells = {
        (i, j): Polygon([nodes[i, j], nodes[i + 1, j], nodes[i + 1, j + 1], nodes[i, j + 1]])
        for i in range(columns)
        for j in range(rows)
    }
    at = list(cells)
    expected = [
        (a, b)
        for a in range(len(at))
        for b in range(a + 1, len(at))
        if abs(at[a][0] - at[b][0]) + abs(at[a][1] - at[b][1]) == 1
    ]
    assert pairs(*cells.values()) == expected
