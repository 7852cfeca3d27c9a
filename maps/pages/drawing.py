"""What the maps of a plan have in common: the plane they are drawn in, what they open on, homes, tiles, the empty map."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import folium
import numpy as np
import shapely

from maps.pages.colours import darker
from maps.pages.offline import OfflineMap, PageLayer
from maps.shapes.cells import mercator, wgs84
from maps.shapes.coverage import exact_coverage
from maps.shapes.territories import GEOJSON_DECIMALS, account_points, rounded_geojson
from territory_engine.wording import territory_names

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_NO_TERRITORY = -1
_NOWHERE = (-10.0, -10.0, 10.0, 10.0)
# The main part of a map has this fraction of all places, west to east and south to north; it goes on as far as no gap is
# wider than this fraction of it.
_MAIN_FRACTION = 0.985
_GAP_FRACTION = 0.04
_CROPPED_BELOW = 0.75  # of the whole extent: otherwise leaving places out gains little
# x and y of an unknown plane are drawn on a square of this many map units.
_PLANE_SIDE = 1000.0


class Drawing:
    """From the plane in which shapes grow to what Leaflet is given: longitude and latitude, or x and y to scale.

    Parameters
    ----------
    problem : PlanningProblem

    Attributes
    ----------
    planar : bool
        Whether the planner's own x and y are drawn, which no other map fits.
    cropped : bool
        Whether :meth:`bounds` left far-off places out.
    whole : tuple of float
        The same bounds with those places in them, once :meth:`bounds` was asked.
    """

    def __init__(self, problem: PlanningProblem) -> None:
        self.planar = problem.config.travel.metric == "euclidean"
        self.cropped = False
        self.whole = _NOWHERE
        self.low, self.scale = np.zeros(2), 1.0
        if self.planar:
            known = np.vstack([account_points(problem), home_points(problem)])
            known = known[np.isfinite(known).all(axis=1)]
            if len(known):
                self.low = known.min(axis=0)
                self.scale = _PLANE_SIDE / (float(np.ptp(known, axis=0).max()) or 1.0)

    def positions(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the plane, shape ``(n, 2)``, as longitude and latitude, or x and y to scale."""
        return (points - self.low) * self.scale if self.planar else wgs84(points)

    def bounds(self, *points: NDArray[np.float64]) -> tuple[float, float, float, float]:
        """West, south, east, north of what the map opens on; some bounds or other where nothing has a place."""
        known = np.vstack(points)
        known = known[np.isfinite(known).all(axis=1)]
        if len(known) == 0:
            return _NOWHERE
        self.whole = _padded(known)
        near = known[_main_part(known)]
        if len(known) > 200 and np.ptp(near, axis=0).max() < _CROPPED_BELOW * np.ptp(known, axis=0).max():
            self.cropped = True  # a few accounts across an ocean would make all the others small
            return _padded(near)
        return self.whole

    def features(self, geometry: NDArray[np.object_], bounds: tuple[float, float, float, float]) -> dict[str, Any]:
        """Return shapes of the plane as GeoJSON; the property ``t`` is their place in `geometry`."""
        shapes = np.asarray(shapely.transform(geometry, self.positions), dtype=object)
        decimals = 2 if self.planar else 4 if bounds[2] - bounds[0] > 8 else GEOJSON_DECIMALS
        if decimals != GEOJSON_DECIMALS:  # which shapes on the Earth have already
            shapes = exact_coverage(shapes, decimals)
        return {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "properties": {"t": t}, "geometry": rounded_geojson(shape, decimals)}
                for t, shape in enumerate(shapes)
                if shape is not None and not shape.is_empty
            ],
        }


def _padded(points: NDArray[np.float64]) -> tuple[float, float, float, float]:
    low, high = points.min(axis=0), points.max(axis=0)
    pad = 0.02 * max(float((high - low).max()), 0.05)
    return (float(low[0]) - pad, float(low[1]) - pad, float(high[0]) + pad, float(high[1]) + pad)


def _main_part(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points are of the main part: in the shortest stretches that hold nearly all, and whatever adjoins those."""
    inside = np.ones(len(points), dtype=bool)
    for axis in (1, 0, 1, 0):  # what one axis leaves out may have stretched the other
        values = np.sort(points[inside, axis])
        held = int(np.ceil(_MAIN_FRACTION * len(values)))
        first = int(np.argmin(values[held - 1 :] - values[: len(values) - held + 1]))
        last = first + held - 1
        gap = _GAP_FRACTION * (values[last] - values[first])
        wide = np.flatnonzero(np.diff(values) > gap)
        low = values[int(wide[wide < first].max(initial=-1)) + 1]
        high = values[int(wide[wide >= last].min(initial=len(values) - 1))]
        inside &= (points[:, axis] >= low) & (points[:, axis] <= high)
    return inside


def to_plane(shapes: gpd.GeoDataFrame) -> NDArray[np.object_]:
    """Return shapes in WGS 84 in the plane of the drawing."""
    geometry = shapes.geometry.to_numpy()
    return np.asarray(shapely.transform(geometry, lambda c: mercator(c[:, 0], c[:, 1])), dtype=object)


def home_points(problem: PlanningProblem) -> NDArray[np.float64]:
    """Where the reps live, in the plane of the drawing, shape ``(n_reps, 2)``; NaN where unknown."""
    columns = ["x", "y"] if problem.config.travel.metric == "euclidean" else ["latitude", "longitude"]
    if not set(columns) <= set(problem.reps.columns):
        return np.full((len(problem.reps), 2), np.nan)
    return plane_points(problem, problem.reps[columns].to_numpy(np.float64))


def plane_points(problem: PlanningProblem, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places, latitude and longitude or x and y, in the plane of the drawing."""
    return places if problem.config.travel.metric == "euclidean" else mercator(places[:, 1], places[:, 0])


def homes(problem: PlanningProblem, plan: Plan, drawn: Drawing) -> list[dict[str, Any]]:
    """Where territories are served from: the centres that the plan chose, or the reps' homes."""
    if plan.centred:
        ids, points = plan.territories.index, plane_points(problem, plan.centre_places())
    else:
        ids, points = problem.reps.index, home_points(problem)
    positions = drawn.positions(points)
    names = territory_names(problem)
    row = {str(territory_id): t for t, territory_id in enumerate(plan.territories.index)}
    return [
        {"name": names[str(i)], "t": row.get(str(i), _NO_TERRITORY), "at": [round(lat, 5), round(lon, 5)]}
        for i, (lon, lat) in zip(ids, positions.tolist(), strict=True)
        if np.isfinite(lat) and np.isfinite(lon)
    ]


def home_word(plan: Plan) -> str:
    """Return what stands before the name at a place that :func:`homes` returns."""
    return "Centre of " if plan.centred else "Home of "


def territory_look(territory_id: str, name: str, colour: str) -> dict[str, str]:
    """Return what the pages' scripts know about a territory: ID, name and its three colours."""
    return {
        "id": territory_id,
        "name": name,
        "colour": colour,
        "line": darker(colour, 0.45),
        "dot": darker(colour, 0.55),
    }


def tile_layer(problem: PlanningProblem) -> dict[str, str] | None:
    """Return the street map that is configured, for ``tiles.js.jinja``; None without one, or where x and y are drawn."""
    tiles = problem.config.map.tiles
    if problem.config.travel.metric == "euclidean" or not tiles:
        return None
    return {"url": tiles, "attribution": _as_text(problem.config.map.attribution)}


def empty_map(title: str, *, planar: bool, tiles: dict[str, str] | None) -> OfflineMap:
    """Return a map to add layers to; only the street map, once the reader switches it on, uses the network."""
    return OfflineMap(
        title,
        crs="Simple" if planar else "EPSG3857",
        image_source=tile_origin(tiles["url"] if tiles else None),
        zoom_snap=0.05,  # fine enough for what a page opens on to fill its window
        zoom_delta=0.5,
        wheel_px_per_zoom_level=100,
        control_scale=False,
        fade_animation=False,  # every tile that fades in is painted again in every frame
    )


def add_tiles(page: OfflineMap, tiles: dict[str, str] | None) -> None:
    """Add the street map, switched off."""
    if tiles:
        page.add_child(PageLayer("shared/tiles.js.jinja", "tiles", label="Street map (needs the network)", show=False))


def add_layer_control(page: OfflineMap, *, collapsed: bool = False) -> None:
    """Add the control that switches layers; collapsed, it opens when pointed at or focused."""
    control = folium.LayerControl(position="topright", collapsed=collapsed)
    control._id = "layers"  # folium numbers its elements at random; the same plan must give the same page
    page.add_child(control)


def tile_origin(template: str | None) -> str:
    """Return where tiles come from, as a content security policy names it; nothing without a template."""
    if not template:
        return ""
    # The configuration refuses templates whose server is not clear; without one that is, nothing is allowed.
    server = re.match(r"(https?://)(\{s\}\.)?([A-Za-z0-9_.-]+(?::\d+)?)/", template)
    return f"{server[1]}{'*.' if server[2] else ''}{server[3]}" if server else ""


def _as_text(attribution: str | None) -> str:
    """Leaflet shows attributions as markup: escape what is meant as text."""
    return (attribution or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
