"""Territory shapes in WGS 84: what a map colours in and a GIS loads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from maps.pages.rep_colours import plan_colours
from maps.shapes.cells import mercator, territory_cells, wgs84
from maps.shapes.coverage import exact_coverage
from maps.shapes.covered import covered_area, dissolve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

GEOJSON_DECIMALS = 5  # about a metre
_CENTIMETRE_DECIMALS = 7


def territory_shapes(
    problem: PlanningProblem, plan: Plan, *, colours: Mapping[str, str] | None = None
) -> gpd.GeoDataFrame:
    """Return one shape per territory: its geographic units dissolved or, without units, grown from its accounts.

    Grown shapes give every point of what they cover (:func:`maps.shapes.covered.covered_area`) to the territory of the
    nearest account. Shapes neither overlap nor leave gaps between them, also in the digits that are written. They are a
    picture, not the plan: a few accounts scattered inside another territory do not get islands of their own, and accounts
    without a place get none.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    colours : mapping, optional
        Colours that territories are to keep, by territory: those of the plan that this one is compared with.

    Returns
    -------
    GeoDataFrame, index ``territory_id``, WGS 84
        The columns of ``plan.territories`` with ``colour`` (what the maps fill a territory with) and ``geometry``: Polygon, MultiPolygon, or None for a territory without
        located accounts. With ``metric = "euclidean"`` nothing is known about WGS 84, and every geometry is None.
    """
    geometry = plane_shapes(problem, plan)
    filled = plan_colours(problem, plan, geometry, colours)
    if problem.config.travel.metric == "euclidean":
        geometry = np.full(len(geometry), None, dtype=object)
    else:
        geometry = np.asarray(shapely.transform(geometry, wgs84), dtype=object)
    frame = plan.territories.copy()
    frame.index.name = "territory_id"
    frame["colour"] = filled
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
    return _exact(shapes, problem, within=covered_area(problem, points[located]))


def _exact(shapes: NDArray[np.object_], problem: PlanningProblem, *, within: Any = None) -> NDArray[np.object_]:
    """Make shapes an exact coverage in the digits in which they are written: of WGS 84, where the map is of the Earth."""
    if problem.config.travel.metric == "euclidean":
        return exact_coverage(shapes, _plane_decimals(shapes), within=within)
    written = np.asarray(shapely.transform(shapes, wgs84), dtype=object)
    within = within if within is None else shapely.transform(within, wgs84)
    exact = exact_coverage(written, GEOJSON_DECIMALS, within=within)
    return np.asarray(shapely.transform(exact, lambda c: mercator(c[:, 0], c[:, 1])), dtype=object)


def _plane_decimals(shapes: NDArray[np.object_]) -> int:
    """Decimals that divide the extent into a million, more or less: x and y may be metres or anything else."""
    west, south, east, north = shapely.total_bounds(shapes)
    extent = max(east - west, north - south)
    return int(6 - np.floor(np.log10(extent))) if extent > 0 else 6


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
    return _exact(_areas_only(shapes), problem)


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


def _areas_only(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Drop the points and lines that clipping leaves; None where nothing with an area is left."""
    mixed = shapely.get_type_id(geometries) == 7
    for i in np.flatnonzero(mixed):
        parts = shapely.get_parts(geometries[i])
        geometries[i] = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    geometries[shapely.is_empty(geometries) | (shapely.get_dimensions(geometries) < 2)] = None
    return geometries
