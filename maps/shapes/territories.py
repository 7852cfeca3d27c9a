"""Territory shapes in WGS 84: what a map colours in and a GIS loads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from maps.shapes.cells import mercator, territory_cells, wgs84

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

GEOJSON_DECIMALS = 5  # about a metre
_CENTIMETRE_DECIMALS = 7
_MARGIN_FRACTION = 0.05


def territory_shapes(problem: PlanningProblem, plan: Plan) -> gpd.GeoDataFrame:
    """Return one shape per territory: its geographic units dissolved or, without units, grown from its accounts.

    Grown shapes give every point to the territory of the nearest account; they do not overlap. They are clipped to the background's outlines where there are any, and to the
    surroundings of the accounts otherwise. They are a picture, not the plan: a few accounts scattered inside another
    territory do not get islands of their own, and accounts without a place get none.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan

    Returns
    -------
    GeoDataFrame, index ``territory_id``, WGS 84
        The columns of ``plan.territories`` with ``geometry``: Polygon, MultiPolygon, or None for a territory without
        located accounts. With ``metric = "euclidean"`` nothing is known about WGS 84, and every geometry is None.
    """
    geometry = plane_shapes(problem, plan)
    if problem.config.travel.metric == "euclidean":
        geometry = np.full(len(geometry), None, dtype=object)
    else:
        geometry = np.asarray(shapely.transform(geometry, wgs84), dtype=object)
    frame = plan.territories.copy()
    frame.index.name = "territory_id"
    return gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(geometry, index=frame.index, crs="EPSG:4326"))


def plane_shapes(problem: PlanningProblem, plan: Plan) -> NDArray[np.object_]:
    """Shapes as they are drawn, one per row of ``plan.territories``: in Mercator degrees, or in the planner's x and y.

    None where a territory has no located account.
    """
    if drawn_from_units(problem, plan):
        return _dissolved_units(problem, plan)
    n_territories = len(plan.territories)
    points = account_points(problem)
    owner = territory_rows(problem, plan)
    located = np.isfinite(points).all(axis=1) & (owner >= 0)
    shapes = territory_cells(points[located], owner[located], n_territories)
    if not located.any():
        return shapes
    mask = _mask(problem, points[located])
    shapely.prepare(mask)
    cut = ~shapely.is_missing(shapes) & ~shapely.contains_properly(mask, shapes)
    shapes[cut] = _areas_only(np.asarray(shapely.intersection(shapes[cut], mask), dtype=object))
    return shapes


def drawn_from_units(problem: PlanningProblem, plan: Plan) -> bool:
    """Whether territories are drawn as their geographic units: there are polygons, and the map is of the Earth."""
    layer = problem.units
    planar = problem.config.travel.metric == "euclidean"
    return layer is not None and layer.geometry is not None and plan.units is not None and not planar


def _dissolved_units(problem: PlanningProblem, plan: Plan) -> NDArray[np.object_]:
    """Return the union of each territory's units, in Mercator degrees; None for a territory without any."""
    assert problem.units is not None
    assert problem.units.geometry is not None
    assert plan.units is not None
    # To a centimetre: corners that neighbours share may differ in their last digits, which leaves slits.
    units = shapely.transform(
        problem.units.geometry.to_numpy(), lambda c: np.round(mercator(c[:, 0], c[:, 1]), _CENTIMETRE_DECIMALS)
    )
    row = plan.territories.index.get_indexer(pd.Index(plan.units["territory_id"].reindex(problem.units.ids)))
    shapes = np.full(len(plan.territories), None, dtype=object)
    for t in range(len(shapes)):
        inside = units[row == t]
        if len(inside):
            shapes[t] = dissolve(inside)
    return _areas_only(shapes)


def territory_rows(problem: PlanningProblem, plan: Plan) -> NDArray[np.intp]:
    """Row of ``plan.territories`` for every account, shape ``(n_accounts,)``; -1 where it has no territory."""
    assigned = plan.assignments["territory_id"].reindex(problem.accounts.index)
    return np.asarray(plan.territories.index.get_indexer(pd.Index(assigned)), dtype=np.intp)


def account_points(problem: PlanningProblem) -> NDArray[np.float64]:
    """Where the accounts are drawn, shape ``(n_accounts, 2)``: Mercator degrees or x and y; NaN where unknown."""
    accounts = problem.accounts
    if problem.config.travel.metric == "euclidean":
        return _columns(accounts, "x", "y")
    longitude, latitude = _columns(accounts, "longitude", "latitude").T
    return mercator(longitude, latitude)


def write_geojson(shapes: gpd.GeoDataFrame, path: Path | str) -> None:
    """Write shapes with their loads as GeoJSON, the same bytes for the same shapes.

    Coordinates are rounded to five decimals (a metre); numbers that are not known become null.
    """
    features = []
    columns = [c for c in shapes.columns if c != shapes.geometry.name]
    for (territory_id, row), geometry in zip(shapes[columns].iterrows(), shapes.geometry, strict=True):
        properties = {"territory_id": str(territory_id), **{str(c): _plain(row[c]) for c in columns}}
        features.append({"type": "Feature", "properties": properties, "geometry": rounded_geojson(geometry)})
    collection = {"type": "FeatureCollection", "name": "territories", "features": features}
    text = json.dumps(collection, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    with open(path, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - a str is allowed too
        file.write(text.replace('{"type":"Feature",', '\n{"type":"Feature",') + "\n")


def rounded_geojson(geometry: Any, decimals: int = GEOJSON_DECIMALS) -> dict[str, Any] | None:
    """Return a polygon or multipolygon as a GeoJSON mapping with rounded coordinates; None stays None."""
    if geometry is None or geometry.is_empty:
        return None
    polygons = []
    for polygon in shapely.get_parts(geometry):
        if polygon.geom_type != "Polygon":
            continue
        rings = [_ring(ring, decimals) for ring in (polygon.exterior, *polygon.interiors)]
        if len(rings[0]) >= 4:
            polygons.append([r for r in rings if len(r) >= 4])
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons} if polygons else None


def _ring(ring: Any, decimals: int) -> list[list[float]]:
    points = np.round(shapely.get_coordinates(ring), decimals) + 0.0  # adding zero turns -0.0 into 0.0
    changed = np.r_[True, (points[1:] != points[:-1]).any(axis=1)]
    listed: list[list[float]] = points[changed].tolist()
    return listed


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers shortened to twelve digits, unknown as None."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.12g}") if np.isfinite(value) else None
    return str(value)


def _columns(frame: pd.DataFrame, x: str, y: str) -> NDArray[np.float64]:
    if x not in frame or y not in frame:
        return np.full((len(frame), 2), np.nan)
    return frame[[x, y]].to_numpy(np.float64)


def _mask(problem: PlanningProblem, points: NDArray[np.float64]) -> Any:
    """Return where shapes may be: the background near the accounts and, for accounts outside it, their surroundings."""
    background = problem.background
    if background is None or len(background) == 0:
        return _surroundings(points)
    if problem.config.travel.metric == "euclidean":
        return _surroundings(points)  # WGS 84 outlines have no place in the planner's own plane
    land = shapely.transform(dissolve(background.geometry.to_numpy()), lambda c: mercator(c[:, 0], c[:, 1]))
    margin = _MARGIN_FRACTION * (float(np.ptp(points, axis=0).max()) or 1.0)
    (west, south), (east, north) = points.min(axis=0) - margin, points.max(axis=0) + margin
    land = shapely.make_valid(shapely.clip_by_rect(land, west, south, east, north))
    shapely.prepare(land)
    outside = ~shapely.contains_xy(land, points[:, 0], points[:, 1])
    if outside.any():
        # Most of them stand on a shore that the outlines cut short: a small disc is enough to show them.
        near = np.quantile(points, 0.99, axis=0) - np.quantile(points, 0.01, axis=0)
        reach = min(_spacing(points), float(near.max()) / 500 or 0.05)
        land = shapely.union(
            land, shapely.union_all(shapely.buffer(shapely.points(points[outside]), reach, quad_segs=4))
        )
    return land


def dissolve(geometries: NDArray[np.object_]) -> Any:
    """Union of outlines; quick where they share their borders vertex for vertex, as administrative units do."""
    present = geometries[~shapely.is_missing(geometries)]
    areal = shapely.get_parts(present)
    areal = areal[shapely.get_dimensions(areal) == 2]
    try:
        union = shapely.coverage_union_all(areal)
        if union.is_valid:
            return union
    except shapely.errors.GEOSException:
        pass  # not a coverage: the general union below takes anything
    return shapely.union_all(shapely.make_valid(areal))


def _surroundings(points: NDArray[np.float64]) -> Any:
    """Rounded areas around the accounts, one for each cluster of them (an island far away gets its own)."""
    reach = 2.0 * _spacing(points)
    cells = np.unique(np.round(points / reach).astype(np.int64), axis=0) * reach
    blobs = shapely.union_all(shapely.buffer(shapely.points(cells), 1.5 * reach, quad_segs=4))
    return shapely.simplify(
        shapely.buffer(shapely.buffer(blobs, 3 * reach, quad_segs=4), -3 * reach, quad_segs=4), reach / 20
    )


def _spacing(points: NDArray[np.float64]) -> float:
    """Half the side of a square that holds a handful of accounts, within sensible bounds of the whole extent."""
    extent = float(np.ptp(points, axis=0).max())
    if extent == 0.0:
        return 0.05
    hull = shapely.convex_hull(shapely.multipoints(points)).area
    typical = float(np.sqrt(hull / len(points)))
    return float(np.clip(typical, extent / 150, extent / 25))


def _areas_only(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Drop the points and lines that clipping leaves; None where nothing with an area is left."""
    mixed = shapely.get_type_id(geometries) == 7
    for i in np.flatnonzero(mixed):
        parts = shapely.get_parts(geometries[i])
        geometries[i] = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    geometries[shapely.is_empty(geometries) | (shapely.get_dimensions(geometries) < 2)] = None
    return geometries
