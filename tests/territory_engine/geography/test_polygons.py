from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from territory_engine.geography.polygons import PolygonFile, read_polygons, repaired_polygons, take_polygons

BOW_TIE = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])


def layer(*shapes: object) -> PolygonFile:
    return take_polygons(gpd.GeoDataFrame(geometry=list(shapes), crs=4326), PolygonFile("u.gpkg"))


def repaired(*shapes: object) -> tuple[list[object], PolygonFile]:
    read = layer(*shapes)
    return list(repaired_polygons(read, [f"U{i}" for i in range(len(shapes))])), read


def test_a_bow_tie_becomes_its_two_triangles_and_that_is_said() -> None:
    (shape, square), read = repaired(BOW_TIE, box(3, 0, 4, 1))
    assert shapely.area(shape) == pytest.approx(2.0)
    assert shapely.is_valid(shape)
    assert square == box(3, 0, 4, 1)
    assert read.findings == []
    assert "1 polygon crossed or touched itself and was repaired (U0)" in read.notices[0]


def test_what_two_parts_of_one_polygon_both_cover_is_kept() -> None:
    (shape,), _ = repaired(MultiPolygon([box(0, 0, 2, 1), box(1, 0, 3, 1)]))
    assert shapely.area(shape) == pytest.approx(3.0)


def test_a_polygon_that_touches_itself_is_not_emptied() -> None:
    # buffer(0) empties figures like this one: a spur out and back along the same line.
    (shape,), _ = repaired(Polygon([(0, 0), (2, 0), (2, 2), (1, 2), (1, 4), (1, 2), (0, 2)]))
    assert shapely.area(shape) == pytest.approx(4.0)
    assert shape.geom_type == "Polygon"  # type: ignore[attr-defined]  # shapely has no stubs


def test_of_a_collection_the_polygons_are_kept() -> None:
    mixed = GeometryCollection([Point(9, 9), LineString([(0, 0), (5, 5)]), box(0, 0, 1, 1), box(1, 0, 2, 1)])
    (shape,), read = repaired(GeometryCollection([mixed]))
    assert shapely.area(shape) == pytest.approx(2.0)
    assert read.findings == []
    assert len(read.notices) == 1


def test_features_without_a_usable_polygon_are_named_with_their_rows() -> None:
    flat = Polygon([(0, 0), (1, 1), (2, 2)])
    endless = Polygon([(0, 0), (1, 0), (float("inf"), 1)])
    shapes, read = repaired(box(0, 0, 1, 1), None, Polygon(), flat, Point(0, 0), endless)
    assert [s is None for s in shapes] == [False, True, True, True, True, True]
    assert {(f.row, f.what.split(":")[0], f.value) for f in read.findings} == {
        (3, "has no geometry", "U1"),
        (4, "has no geometry", "U2"),
        (5, "has no area", "U3"),
        (6, "is not a polygon", "U4"),
        (7, "has coordinates that are not finite", "U5"),
    }
    assert all(f.remedy for f in read.findings)


def test_a_layer_of_points_is_one_finding() -> None:
    _, read = repaired(Point(0, 0), Point(1, 1))
    assert [f.what for f in read.findings] == ["is a layer of points, not of polygons"]


def test_heights_are_dropped() -> None:
    (shape,), _ = repaired(Polygon([(0, 0, 5), (1, 0, 5), (0, 1, 5)]))
    assert not shapely.has_z(shape)


def test_a_layer_without_crs_is_an_error_that_names_the_fix() -> None:
    read = take_polygons(gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)]), PolygonFile("u.gpkg"))
    assert read.frame is None
    assert "set_crs" in str(read.findings[0].remedy)


def test_files_that_cannot_be_read_are_findings(tmp_path: Path) -> None:
    (tmp_path / "counties.gpkg").write_text("no map")
    assert "did you mean 'counties.gpkg'" in str(read_polygons(tmp_path / "countys.gpkg", "countys.gpkg").findings[0])
    assert "cannot be read as a map layer" in str(
        read_polygons(tmp_path / "counties.gpkg", "counties.gpkg").findings[0]
    )
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    assert read_polygons(tmp_path / "t.csv", "t.csv").findings[0].what == "has no geometry"


def test_the_layer_of_polygons_is_chosen_among_several_and_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.gpkg"
    squares = gpd.GeoDataFrame({"n": [1, 2]}, geometry=[box(0, 0, 1, 1), box(1, 0, 2, 1)], crs=4326)
    gpd.GeoDataFrame(geometry=[Point(0, 0)], crs=4326).to_file(path, layer="stations")
    squares.to_file(path, layer="areas")
    read = read_polygons(path, "m.gpkg")
    assert read.frame is not None
    assert len(read.frame) == 2
    assert read.notices == ["m.gpkg: layer 'areas' was read; not read: 'stations'."]
    squares.to_parquet(tmp_path / "m.parquet")
    again = read_polygons(tmp_path / "m.parquet", "m.parquet")
    assert again.frame is not None
    assert len(again.frame) == 2
    assert len(again.sha256) == 64
