from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from maps.shapes.cells import territory_cells
from maps.shapes.label_points import label_points, room_for_labels


def test_a_label_stands_where_a_shape_is_widest_and_never_outside():
    hammer = shapely.union(shapely.box(0, 4, 10, 5), shapely.box(8, 0, 12, 10))
    crescent = shapely.difference(shapely.Point(0, 0).buffer(10), shapely.Point(3, 0).buffer(10))
    points = label_points(np.array([hammer, crescent], dtype=object))
    assert points[0] == pytest.approx((10, 5), abs=3.2)
    assert 8 <= points[0][0] <= 12
    assert crescent.contains(shapely.Point(points[1]))
    assert not crescent.contains(shapely.centroid(crescent))


def test_the_largest_part_has_the_label_and_no_shape_has_none():
    islands = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 9, 9)])
    found = room_for_labels(np.array([islands, None, shapely.Polygon()], dtype=object))
    assert found[0] == pytest.approx((7, 7, 2), abs=0.05)
    assert np.isnan(found[1:]).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 60))
def test_labels_of_grown_shapes_lie_inside(seed, n):
    rng = np.random.default_rng(seed)
    shapes = territory_cells(rng.uniform(0, 10, (n, 2)), rng.integers(0, 4, n), 4)
    points = label_points(shapes)
    drawn = ~shapely.is_missing(shapes)
    assert shapely.contains_xy(shapes[drawn], *points[drawn].T).all()
