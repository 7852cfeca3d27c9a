from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import box

from territory_engine.geography.membership import central_places, distances_km, locate, mean_of_neighbours
from territory_engine.geography.sphere import EARTH_RADIUS_KM

KM_PER_DEGREE = EARTH_RADIUS_KM * np.pi / 180
UNITS = np.array([box(0, 60, 1, 61), box(1, 60, 2, 61), box(179, 60, 180, 61)], dtype=object)


def test_places_inside_on_the_border_nearby_and_far_away() -> None:
    xy = np.array([[0.5, 60.5], [1.0, 60.5], [2.05, 60.5], [2.5, 60.5], [np.nan, 60.5], [-179.95, 60.5]])
    found = locate(xy, UNITS, degrees=True)
    assert found.unit.tolist() == [0, 0, 1, -1, -1, 2]
    assert found.several.tolist() == [False, True, False, False, False, False]
    near = 0.05 * KM_PER_DEGREE * np.cos(np.radians(60.5))
    np.testing.assert_allclose(found.distance_km, [0, 0, near, np.nan, np.nan, near], rtol=1e-6)


def test_the_nearest_unit_is_nearest_in_km_and_not_in_degrees() -> None:
    units = np.array([box(0.06, 60, 1, 60.5), box(-1, 60.05, 0, 60.5)], dtype=object)
    # 0.06° east is 3.3 km at this latitude; the other unit is 5.6 km to the north.
    found = locate(
        np.array([[0.0, 60.0]]), np.array([units[0], box(-1, 60.05, 0, 60.5)], dtype=object), degrees=True, near_km=20
    )
    assert found.unit.tolist() == [0]
    assert distances_km(np.array([[0.0, 60.0]]), units[1:], degrees=True)[0] == pytest.approx(0.05 * KM_PER_DEGREE)


def test_on_a_plane_the_unit_of_length_counts() -> None:
    units = np.array([box(0, 0, 1000, 1000)], dtype=object)
    xy = np.array([[3000.0, 500.0], [9000.0, 500.0]])
    assert locate(xy, units, degrees=False, km_per_unit=0.001).unit.tolist() == [0, -1]
    assert locate(xy, units, degrees=False, km_per_unit=0.0003048).unit.tolist() == [0, 0]


def test_the_central_place_is_an_accounts_own_and_follows_the_weights() -> None:
    places = np.array([[0.0, 0.0], [0.0, 10.0], [0.0, 12.0], [5.0, 5.0], [np.nan, np.nan]])
    unit = np.array([0, 0, 0, 1, 2])
    for spherical in (True, False):
        even = central_places(places, unit, np.ones(5), 4, spherical=spherical)
        np.testing.assert_array_equal(even[:2], [[0, 10], [5, 5]])
        assert np.isnan(even[2:]).all()
        heavy = central_places(places, unit, np.array([9.0, 1, 1, 0, 1]), 4, spherical=spherical)
        np.testing.assert_array_equal(heavy[:2], [[0, 0], [5, 5]])


def test_on_the_sphere_the_middle_of_two_sides_of_the_180th_meridian_is_not_in_europe() -> None:
    places = np.array([[0.0, 179.0], [0.0, -179.0], [0.0, 180.0]])
    assert central_places(places, np.zeros(3, int), np.ones(3), 1, spherical=True).tolist() == [[0.0, 180.0]]
    between = mean_of_neighbours(
        np.array([[0.0, 179.0], [0.0, -179.0], [np.nan, np.nan]]), np.array([[0, 2], [1, 2]]), spherical=True
    )
    assert abs(between[2, 1]) == pytest.approx(180)


def test_places_spread_to_neighbours_of_neighbours_and_no_further_than_there_are_neighbours() -> None:
    places = np.array([[0.0, 0.0], [np.nan, np.nan], [np.nan, np.nan], [np.nan, np.nan], [2.0, 2.0]])
    filled = mean_of_neighbours(places, np.array([[0, 1], [1, 2], [1, 4]]), spherical=False)
    np.testing.assert_array_equal(filled, [[0, 0], [1, 1], [1, 1], [np.nan, np.nan], [2, 2]])
