from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from territory_engine.geography.gaps import gap_between_km, join_points, join_polygons
from territory_engine.geography.layer import components_of
from territory_engine.geography.sphere import EARTH_RADIUS_KM, great_circle_km
from territory_engine.geography.touching import touching_pairs

KM_PER_DEGREE = EARTH_RADIUS_KM * np.pi / 180


def joined(*shapes: object, degrees: bool = True) -> tuple[list[tuple[int, int]], list[float]]:
    polygons = np.array(shapes, dtype=object)
    pairs, _ = touching_pairs(polygons, degrees=degrees)
    links, gaps = join_polygons(polygons, pairs, degrees=degrees, km_per_unit=0.001)
    assert components_of(len(polygons), np.concatenate([pairs, links])).max() == 0
    return [(int(a), int(b)) for a, b in links], [float(g) for g in gaps]


def test_an_island_is_joined_to_the_nearest_unit_and_the_gap_is_in_km() -> None:
    links, gaps = joined(box(0, 0, 1, 1), box(1, 0, 2, 1), box(2.5, 0, 3, 1))
    assert links == [(1, 2)]
    # Along the parallel at 1° the two are nearest: the great circle there is that much shorter than at the equator.
    assert gaps[0] == pytest.approx(great_circle_km(np.array([[1.0, 2.0]]), np.array([[1.0, 2.5]]))[0], rel=1e-6)


def test_a_degree_of_longitude_is_no_fixed_distance() -> None:
    # At 60° north, 1.5° to the east is nearer than 1° to the north.
    links, gaps = joined(box(0, 60, 1, 61), box(2.5, 60, 3.5, 61), box(0, 62, 1, 63))
    assert links == [(0, 1), (0, 2)]
    assert gaps[0] < 0.75 * KM_PER_DEGREE
    assert gaps[1] == pytest.approx(KM_PER_DEGREE, rel=1e-5)


def test_the_gap_may_be_anywhere_along_a_straight_border() -> None:
    links, gaps = joined(box(0, 0, 1000, 10_000), box(1400, 4321, 1800, 4400), degrees=False)
    assert (links, gaps) == ([(0, 1)], [pytest.approx(0.4)])


def test_chains_of_islands_are_joined_one_to_the_next() -> None:
    islands = [box(3 * i, 0, 3 * i + 1, 1) for i in range(5)]
    assert joined(*islands)[0] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_units_that_share_only_a_corner_are_joined_across_nothing() -> None:
    assert joined(box(0, 0, 1, 1), box(1, 1, 2, 2)) == ([(0, 1)], [0.0])


def test_the_180th_meridian_is_no_gap() -> None:
    links, gaps = joined(box(178, 0, 179.9, 1), box(-179.9, 0, -178, 1), box(170, 0, 171, 1))
    assert links == [(0, 1), (0, 2)]
    assert gaps[0] == pytest.approx(0.2 * KM_PER_DEGREE, rel=1e-3)


def test_a_slivers_outline_gets_no_more_points_than_tell_where_it_is() -> None:
    from territory_engine.geography.gaps import _outline_points

    sliver = box(3, 0, 3 + 1e-9, 5)
    links, _ = joined(box(0, 0, 1, 1), sliver)
    assert links == [(0, 1)]
    points, owner = _outline_points(np.array([box(0, 0, 1, 1), sliver], dtype=object))
    assert len(points) < 3000
    assert (owner == 1).sum() > 1000


def test_a_connected_layer_needs_no_join() -> None:
    assert joined(box(0, 0, 1, 1), box(1, 0, 2, 1)) == ([], [])


def test_gaps_are_measured_across_a_pole_and_half_the_globe() -> None:
    assert gap_between_km(box(0, 80, 1, 89), box(180 - 1e-9, 80, 180, 89)) == pytest.approx(2 * KM_PER_DEGREE, rel=1e-3)
    far = gap_between_km(box(0, 0, 1, 1), box(90, 0, 91, 1))
    assert far == pytest.approx(great_circle_km(np.array([[1.0, 1.0]]), np.array([[1.0, 90.0]]))[0], rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(-60, 60), st.integers(-179, 180)), min_size=1, max_size=7),
    spherical=st.booleans(),
    data=st.data(),
)
def test_joins_are_a_shortest_spanning_tree_over_the_parts(
    places: list[tuple[int, int]], spherical: bool, data: st.DataObject
) -> None:
    points = np.array(places, np.float64)
    n = len(points)
    part = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    _, part = np.unique(part, return_inverse=True)
    links = join_points(points, np.arange(n), part, spherical=spherical)

    def length(a: int, b: int) -> float:
        one, other = points[a : a + 1], points[b : b + 1]
        return float(great_circle_km(one, other)[0] if spherical else np.hypot(*(one - other)[0]))

    candidates = [(length(a, b), a, b) for a, b in itertools.combinations(range(n), 2) if part[a] != part[b]]
    k = int(part.max())
    best = min(
        (
            sum(d for d, _, _ in chosen)
            for chosen in itertools.combinations(candidates, k)
            if components_of(k + 1, np.array([(part[a], part[b]) for _, a, b in chosen]).reshape(-1, 2)).max() == 0
        ),
        default=0.0,
    )
    assert len(links) == k
    assert sum(length(int(a), int(b)) for a, b in links) == pytest.approx(best, rel=1e-9, abs=1e-9)


def test_places_on_one_line_are_joined_along_it() -> None:
    points = np.column_stack((np.zeros(6), np.array([5.0, 0.0, 3.0, 1.0, 4.0, 2.0])))
    links = join_points(points, np.arange(6), np.arange(6), spherical=False)
    assert sorted(abs(points[a, 1] - points[b, 1]) for a, b in links) == [1, 1, 1, 1, 1]


def test_many_places_that_coincide_are_all_joined() -> None:
    points = np.repeat(np.random.default_rng(0).uniform(40, 41, (30, 2)), 3, axis=0)
    links = join_points(points, np.arange(90), np.arange(90), spherical=True)
    assert components_of(90, links).max() == 0
