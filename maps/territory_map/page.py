"""``map.html``: a Folium map that opens with the network off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maps.pages.colours import BACKGROUND, FILL_OPACITY, PALETTE, darker, territory_adjacency, territory_colours
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
from maps.pages.offline import PageLayer, finished
from maps.shapes.outlines import outlines_of
from maps.shapes.territories import account_points, drawn_from_units, plane_shapes, territory_rows
from maps.territory_map.accounts import drawn_accounts
from territory_engine.wording import (
    compact,
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

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem


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
    drawn = Drawing(problem)
    geometry = plane_shapes(problem, plan) if shapes is None or planar else to_plane(shapes)
    colours = [PALETTE[c] for c in territory_colours(territory_adjacency(geometry))]
    rep_names = territory_names(problem)
    names = [rep_names.get(str(t), str(t)) for t in plan.territories.index]
    positions = drawn.positions(account_points(problem))
    served_from = homes(problem, plan, drawn)
    bounds = drawn.bounds(positions, np.array([h["at"][::-1] for h in served_from]).reshape(-1, 2))
    territory = territory_rows(problem, plan)
    tiles = tile_layer(problem)
    accounts = drawn_accounts(problem, plan, positions, territory)
    data = {
        "cropped": drawn.cropped,
        "bounds": [[bounds[1], bounds[0]], [bounds[3], bounds[2]]],
        "opacity": FILL_OPACITY,
        "territories": [
            territory_look(str(t), name, c) for t, name, c in zip(plan.territories.index, names, colours, strict=True)
        ],
        "shapes": drawn.features(geometry, bounds),
        "outlines": outlines_of(problem, bounds),
        "homes": served_from,
        "accounts": accounts.summary,
        "tiles": tiles,
    }
    title = f"{len(problem.territory_ids)} sales territories"
    page = empty_map(title, planar=planar, tiles=tiles)
    context = _panel(problem, plan, data, colours) | {"map_name": page.get_name(), "data": data, "title": title}
    page.add_child(PageLayer("territory_map/panel.html.jinja", "panel", context=context))
    add_tiles(page, tiles)
    if len(plan.territories):
        page.add_child(PageLayer("shared/shapes.js.jinja", "shapes", label="Territories"))
    else:
        page.add_child(PageLayer("territory_map/no_shapes.js.jinja", "shapes"))
    if data["outlines"]:
        page.add_child(PageLayer("shared/outlines.js.jinja", "outlines", label="Outlines"))
    packed = {"columns": accounts.columns, "dots": accounts.dots}
    page.add_child(PageLayer("territory_map/accounts.js.jinja", "accounts", label="Accounts", context=packed))
    page.add_child(PageLayer("territory_map/homes.js.jinja", "homes", label="Centres" if plan.centred else "Rep homes"))
    add_layer_control(page)
    page.add_child(PageLayer("territory_map/interaction.js.jinja", "interaction"))
    return finished(page)


def _panel(problem: PlanningProblem, plan: Plan, data: dict[str, Any], colours: list[str]) -> dict[str, Any]:
    measures = [m for m in problem.measures if m != "count"]
    rules = {rule.measure: rule for rule in problem.balance_rules()}
    names = territory_names(problem)
    rows = []
    for t, (territory_id, row) in enumerate(plan.territories.iterrows()):
        cells = [_cell(number(float(row["accounts"])), row, "count", rules, t)]
        cells += [_cell(compact(float(row[m])), row, m, rules, t) for m in measures]
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
    if accounts["many"]:
        parts.append(
            f"Each circle stands for the accounts of one territory around it: {accounts['n']:,} are too many to name or search."
        )
    if accounts["dots"]:
        parts.append("Close up, each account is a dot.")
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
