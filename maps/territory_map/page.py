"""``map.html``: a Folium map that opens with the network off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from maps.pages.colours import FILL_OPACITY, territory_adjacency
from maps.pages.drawing import (
    Drawing,
    add_layer_control,
    add_tiles,
    empty_map,
    homes,
    territory_look,
    tile_layer,
    to_plane,
)
from maps.pages.offline import OfflineMap, PageLayer, finished
from maps.pages.rep_colours import plan_colours
from maps.shapes.label_points import label_points
from maps.shapes.outlines import outlines_of
from maps.shapes.places import place_names
from maps.shapes.territories import account_points, plane_shapes, territory_rows
from maps.territory_map.accounts import MOST_ACCOUNTS_DRAWN, drawn_accounts
from maps.territory_map.amid import lying_amid
from maps.territory_map.choropleth import colourings
from maps.territory_map.details import territory_details
from maps.territory_map.panel import panel_context
from territory_engine.grammar import counted
from territory_engine.wording import territory_names

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_BEHAVIOUR = ("address", "choose", "details", "card", "search", "list", "colour_by", "view", "print", "start")
"""Parts of the page's script, in the order in which they build on each other."""


def write_map(
    problem: PlanningProblem, plan: Plan, path: Path | str, *, shapes: gpd.GeoDataFrame | None = None
) -> None:
    """Write a plan as one HTML page: a map with territories, accounts and homes, and a panel that explains each of them.

    The page fetches nothing. Only a tile layer that is configured, and that the reader switches on, uses the network.
    An infeasible plan is drawn without territories, with the conflict instead.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    path : path-like
    shapes : GeoDataFrame, optional
        What :func:`maps.territory_shapes` returned for the same plan, to save growing the shapes again.
    """
    Path(path).write_text(map_page(problem, plan, shapes=shapes), encoding="utf-8", newline="\n")


def map_page(problem: PlanningProblem, plan: Plan, *, shapes: gpd.GeoDataFrame | None = None) -> str:
    """Return the page that :func:`write_map` writes."""
    planar = problem.config.travel.metric == "euclidean"
    drawn = Drawing(problem)
    geometry = plane_shapes(problem, plan) if shapes is None or planar else to_plane(shapes)
    adjacency = territory_adjacency(geometry)
    colours = plan_colours(problem, plan, geometry) if shapes is None else list(shapes["colour"])
    points, rows = account_points(problem), territory_rows(problem, plan)
    positions = drawn.positions(points)
    served_from = homes(problem, plan, drawn)
    bounds = drawn.bounds(positions, np.array([h["at"][::-1] for h in served_from]).reshape(-1, 2))
    tiles = tile_layer(problem)
    amid = lying_amid(geometry, points, rows) if len(points) <= MOST_ACCOUNTS_DRAWN else None
    accounts = drawn_accounts(problem, plan, positions, rows, amid)
    data = {
        "cropped": drawn.cropped,
        "bounds": [[bounds[1], bounds[0]], [bounds[3], bounds[2]]],
        "whole": [[drawn.whole[1], drawn.whole[0]], [drawn.whole[3], drawn.whole[2]]],
        "opacity": FILL_OPACITY,
        "territories": _looks(problem, plan, geometry, drawn, colours),
        "shapes": drawn.features(geometry, bounds),
        "outlines": outlines_of(problem, bounds),
        "places": place_names(problem, bounds),
        "homes": served_from,
        "accounts": accounts.summary,
        "details": territory_details(problem, plan, adjacency) if len(plan.territories) else None,
        "colourings": colourings(problem, plan),
        "tiles": tiles,
    }
    title = counted(len(problem.territory_ids), "sales territory")
    page = empty_map(title, planar=planar, tiles=tiles)
    context = panel_context(problem, plan, data) | {"map_name": page.get_name(), "data": data, "title": title}
    page.add_child(PageLayer("territory_map/panel.html.jinja", "panel", context=context))
    _add_layers(page, plan, data, {"columns": accounts.columns, "dots": accounts.dots})
    return finished(page)


def _add_layers(page: OfflineMap, plan: Plan, data: dict[str, Any], packed: dict[str, Any]) -> None:
    if len(plan.territories):
        page.add_child(PageLayer("shared/shapes.js.jinja", "shapes", label="Territories"))
    else:
        page.add_child(PageLayer("territory_map/no_shapes.js.jinja", "shapes"))
    page.add_child(PageLayer("territory_map/homes.js.jinja", "homes", label="Centres" if plan.centred else "Rep homes"))
    if len(plan.territories):
        page.add_child(PageLayer("territory_map/names.js.jinja", "names", label="Territory names"))
    page.add_child(PageLayer("territory_map/accounts.js.jinja", "accounts", label="Accounts", context=packed))
    if data["outlines"]:
        page.add_child(PageLayer("shared/outlines.js.jinja", "outlines", label="Background borders"))
    if data["places"]:
        page.add_child(PageLayer("shared/places.js.jinja", "places", label="Cities"))
    add_tiles(page, data["tiles"])
    add_layer_control(page, collapsed=True)
    for part in _BEHAVIOUR:
        folder = "shared" if part == "address" else "territory_map"
        page.add_child(PageLayer(f"{folder}/{part}.js.jinja", part))


def _looks(
    problem: PlanningProblem, plan: Plan, geometry: NDArray[np.object_], drawn: Drawing, colours: list[str]
) -> list[dict[str, Any]]:
    """Return name, colours, and where and with which priority the name goes, of every territory."""
    names = territory_names(problem)
    places = drawn.positions(label_points(geometry))
    area = np.where(shapely.is_missing(geometry), 0.0, shapely.area(geometry))
    rank = np.empty(len(area), dtype=int)
    rank[np.argsort(-area, kind="stable")] = np.arange(len(area))
    looks: list[dict[str, Any]] = []
    for t, territory_id in enumerate(plan.territories.index):
        look: dict[str, Any] = territory_look(
            str(territory_id), names.get(str(territory_id), str(territory_id)), colours[t]
        )
        lon, lat = places[t].tolist()
        look["at"] = [round(lat, 5), round(lon, 5)] if np.isfinite(lat) else None
        look["rank"] = int(rank[t])
        looks.append(look)
    return looks
