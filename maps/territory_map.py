"""``map.html``: a Folium map that opens with the network off."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import folium
import numpy as np
import shapely

from maps.account_columns import account_columns
from maps.cells import mercator, wgs84
from maps.colours import BACKGROUND, FILL_OPACITY, PALETTE, darker, territory_adjacency, territory_colours
from maps.outlines import outline_lines
from maps.page import OfflineMap, PageLayer
from maps.shapes import account_points, drawn_from_units, plane_shapes, rounded_geojson, territory_rows
from territory_engine.wording import (
    distance_unit,
    measure_label,
    number,
    objective_unit,
    percent,
    proof_sentence,
    size_in_words,
    territory_names,
)

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_NO_TERRITORY = -1
# x and y of an unknown plane are drawn on a square of this many map units.
_PLANE_SIDE = 1000.0


def write_map(
    problem: PlanningProblem, plan: Plan, path: Path | str, *, shapes: gpd.GeoDataFrame | None = None
) -> None:
    """Write a plan as one HTML page: a map with territories, accounts and homes, and a legend with loads.

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
    drawn = _Drawing(problem, planar)
    geometry = plane_shapes(problem, plan) if shapes is None or planar else _to_plane(shapes)
    colours = [PALETTE[c] for c in territory_colours(territory_adjacency(geometry))]
    rep_names = territory_names(problem)
    names = [rep_names.get(str(t), str(t)) for t in plan.territories.index]
    positions = drawn.positions(account_points(problem))
    homes = _homes(problem, plan, drawn)
    bounds = drawn.bounds(positions, np.array([h["at"][::-1] for h in homes]).reshape(-1, 2))
    territory = territory_rows(problem, plan)
    tiles = None if planar else problem.config.map.tiles
    data = {
        "cropped": drawn.cropped,
        "bounds": [[bounds[1], bounds[0]], [bounds[3], bounds[2]]],
        "opacity": FILL_OPACITY,
        "territories": [
            {"id": str(t), "name": name, "colour": c, "line": darker(c, 0.35), "dot": darker(c, 0.45)}
            for t, name, c in zip(plan.territories.index, names, colours, strict=True)
        ],
        "shapes": drawn.features(geometry, bounds),
        "outlines": [] if planar or problem.background is None else outline_lines(problem.background, bounds),
        "homes": homes,
        "accounts": account_columns(problem, plan, positions, territory),
        "tiles": {"url": tiles, "attribution": _as_text(problem.config.map.attribution)} if tiles else None,
    }
    title = f"{len(problem.territory_ids)} sales territories"
    page = OfflineMap(
        title,
        crs="Simple" if planar else "EPSG3857",
        image_source=_tile_origin(tiles),
        zoom_snap=0.25,
        zoom_delta=0.5,
        wheel_px_per_zoom_level=100,
        control_scale=False,
    )
    context = _panel(problem, plan, data, colours) | {"map_name": page.get_name(), "data": data, "title": title}
    page.add_child(PageLayer("panel.html.jinja", "panel", context=context))
    if tiles:
        page.add_child(PageLayer("tiles.js.jinja", "tiles", label="Street map (needs the network)", show=False))
    if len(plan.territories):
        page.add_child(PageLayer("shapes.js.jinja", "shapes", label="Territories"))
    else:
        page.add_child(PageLayer("no_shapes.js.jinja", "shapes"))
    if data["outlines"]:
        page.add_child(PageLayer("outlines.js.jinja", "outlines", label="Outlines"))
    page.add_child(PageLayer("accounts.js.jinja", "accounts", label="Accounts"))
    page.add_child(PageLayer("homes.js.jinja", "homes", label="Centres" if plan.centred else "Rep homes"))
    control = folium.LayerControl(position="topright", collapsed=False)
    control._id = "layers"  # folium numbers its elements at random; the same plan must give the same page
    page.add_child(control)
    page.add_child(PageLayer("interaction.js.jinja", "interaction"))
    return str(page.get_root().render()).replace("<html>", '<html lang="en">', 1)


class _Drawing:
    """From the plane in which shapes grow to what Leaflet is given: longitude and latitude, or x and y to scale."""

    def __init__(self, problem: PlanningProblem, planar: bool) -> None:
        self.planar = planar
        self.cropped = False
        self.low, self.scale = np.zeros(2), 1.0
        if planar:
            known = np.vstack([account_points(problem), _home_points(problem)])
            known = known[np.isfinite(known).all(axis=1)]
            if len(known):
                self.low = known.min(axis=0)
                self.scale = _PLANE_SIDE / (float(np.ptp(known, axis=0).max()) or 1.0)

    def positions(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return (points - self.low) * self.scale if self.planar else wgs84(points)

    def bounds(self, *points: NDArray[np.float64]) -> tuple[float, float, float, float]:
        """West, south, east, north of what the map opens on; some bounds or other where nothing has a place."""
        known = np.vstack(points)
        known = known[np.isfinite(known).all(axis=1)]
        if len(known) == 0:
            return (-10.0, -10.0, 10.0, 10.0)
        low, high = known.min(axis=0), known.max(axis=0)
        inner_low, inner_high = np.quantile(known, 0.005, axis=0), np.quantile(known, 0.995, axis=0)
        if len(known) > 200 and (inner_high - inner_low).max() < 0.6 * (high - low).max():
            self.cropped = True
            low, high = inner_low, inner_high  # a few accounts across an ocean would make all the others small
        pad = 0.02 * max(float((high - low).max()), 0.05)
        return (float(low[0]) - pad, float(low[1]) - pad, float(high[0]) + pad, float(high[1]) + pad)

    def features(self, geometry: NDArray[np.object_], bounds: tuple[float, float, float, float]) -> dict[str, Any]:
        decimals = 2 if self.planar else 4 if bounds[2] - bounds[0] > 8 else 5
        shapes = shapely.transform(geometry, self.positions)
        return {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "properties": {"t": t}, "geometry": rounded_geojson(shape, decimals)}
                for t, shape in enumerate(shapes)
                if shape is not None and not shape.is_empty
            ],
        }


def _to_plane(shapes: gpd.GeoDataFrame) -> NDArray[np.object_]:
    geometry = shapes.geometry.to_numpy()
    return np.asarray(shapely.transform(geometry, lambda c: mercator(c[:, 0], c[:, 1])), dtype=object)


def _home_points(problem: PlanningProblem) -> NDArray[np.float64]:
    """Where the reps live, in the plane of the drawing, shape ``(n_reps, 2)``; NaN where unknown."""
    columns = ["x", "y"] if problem.config.travel.metric == "euclidean" else ["latitude", "longitude"]
    if not set(columns) <= set(problem.reps.columns):
        return np.full((len(problem.reps), 2), np.nan)
    return _plane(problem, problem.reps[columns].to_numpy(np.float64))


def _plane(problem: PlanningProblem, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places, latitude and longitude or x and y, in the plane of the drawing."""
    return places if problem.config.travel.metric == "euclidean" else mercator(places[:, 1], places[:, 0])


def _homes(problem: PlanningProblem, plan: Plan, drawn: _Drawing) -> list[dict[str, Any]]:
    """Where territories are served from: the centres that the plan chose, or the reps' homes."""
    if plan.centred:
        ids, points = plan.territories.index, _plane(problem, plan.centre_places())
    else:
        ids, points = problem.reps.index, _home_points(problem)
    positions = drawn.positions(points)
    names = territory_names(problem)
    row = {str(territory_id): t for t, territory_id in enumerate(plan.territories.index)}
    return [
        {"name": names[str(i)], "t": row.get(str(i), _NO_TERRITORY), "at": [round(lat, 5), round(lon, 5)]}
        for i, (lon, lat) in zip(ids, positions.tolist(), strict=True)
        if np.isfinite(lat) and np.isfinite(lon)
    ]


def _panel(problem: PlanningProblem, plan: Plan, data: dict[str, Any], colours: list[str]) -> dict[str, Any]:
    measures = [m for m in problem.measures if m != "count"]
    rules = {rule.measure: rule for rule in problem.balance_rules()}
    names = territory_names(problem)
    rows = []
    for t, (territory_id, row) in enumerate(plan.territories.iterrows()):
        cells = [_cell(number(float(row["accounts"])), row, "count", rules, t)]
        cells += [_cell(_compact(float(row[m])), row, m, rules, t) for m in measures]
        name = names.get(str(territory_id), str(territory_id))
        ids = dict.fromkeys(i for i in (str(row["rep_id"]), str(territory_id)) if i not in (name, ""))
        rows.append(
            {"name": name, "id": " · ".join(ids), "fill": colours[t], "line": darker(colours[t], 0.35), "cells": cells}
        )
    conflict = plan.conflict or {}
    return {
        "status": plan.status,
        "subtitle": size_in_words(problem),
        "kpis": _kpis(problem, plan),
        "proof": proof_sentence(problem, plan).split("`"),
        "rules": list(conflict.get("rules", ())),
        "relaxations": list(conflict.get("relaxations", ())),
        "columns": ["Territory", "Accounts", *(measure_label(m).capitalize() for m in measures)]
        if rows
        else ["No territories"],
        "rows": rows,
        "footnote": _footnote(bool(rows), drawn_from_units(problem, plan), data),
        "background": BACKGROUND,
    }


_HOW_DRAWN = {
    False: "Shapes are grown from the accounts: each point has the colour of the nearest ones.",
    True: "Shapes are the geographic units of each territory.",
}


def _footnote(has_territories: bool, of_units: bool, data: dict[str, Any]) -> str:
    parts = []
    if has_territories:
        parts.append(f"{_HOW_DRAWN[of_units]} Click a territory or an account; Esc shows all.")
    accounts = data["accounts"]
    if "accounts" in accounts:
        parts.append("Each circle stands for the accounts of one territory around it.")
    if data["cropped"]:
        parts.append("The map opens on all but the farthest accounts; zoom out to see those.")
    if accounts["unlocated"] == 1:
        parts.append("1 account has no place on the map.")
    elif accounts["unlocated"]:
        parts.append(f"{accounts['unlocated']:,} accounts have no place on the map.")
    return " ".join(parts)


def _cell(load: str, row: Any, measure: str, rules: dict[str, Any], place: int) -> dict[str, Any]:
    deviation = row.get(f"{measure}_deviation")
    if measure not in rules or deviation is None or not np.isfinite(deviation):
        return {"load": load, "deviation": "", "edge": False}
    lower, upper, value = (
        rules[measure].lower[place],
        rules[measure].upper[place],
        float(row.get(measure, row["accounts"])),
    )
    # Within a hundredth of the room between its limits a load is at its limit for a planner.
    room = 0.01 * (upper - lower) if np.isfinite(upper - lower) else 0.0
    return {
        "load": load,
        "deviation": percent(float(deviation), signed=True),
        "edge": value >= upper - room or value <= lower + room,
    }


def _compact(load: float) -> str:
    """A load short enough for a legend: ``"4,768"``, ``"28.4 M"``."""
    for size, suffix in ((1e9, "bn"), (1e6, "M")):
        if abs(load) >= size:
            return f"{load / size:,.1f} {suffix}"
    return number(load)


def _kpis(problem: PlanningProblem, plan: Plan) -> list[dict[str, str]]:
    if plan.objective is None:
        return []
    travel = plan.assignments["travel"].to_numpy(np.float64)
    total = plan.objective_terms.get("travel", plan.objective)
    found = [{"label": f"Travel, {objective_unit(problem)}", "value": number(total)}]
    if np.isfinite(travel).any():
        found.append({"label": f"Mean, {distance_unit(problem)}", "value": number(float(np.nanmean(travel)))})
    found.append({"label": "Proved gap", "value": percent(plan.gap)})
    for measure, facts in plan.measures.items():
        worst = facts.get("max_deviation")
        if worst is not None and np.isfinite(worst):
            found.append({"label": f"{measure_label(measure).capitalize()} within", "value": f"±{percent(worst)}"})
    return found


def _tile_origin(template: str | None) -> str:
    """Return where tiles come from, as a content security policy names it; nothing without a template."""
    if not template:
        return ""
    parts = urlsplit(template)
    host = re.sub(r"^\{\w+\}(?=\.)", "*", parts.netloc)
    if parts.scheme not in {"http", "https"} or not re.fullmatch(r"(\*\.)?[\w.-]+(:\d+)?", host):
        return "https:" if parts.scheme == "https" else ""
    return f"{parts.scheme}://{host}"


def _as_text(attribution: str | None) -> str:
    """Leaflet shows attributions as markup: escape what is meant as text."""
    return (attribution or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
