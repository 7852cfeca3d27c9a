"""``comparison_map.html``: scenarios as layers of one map, the same colour for the same rep in all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import shapely

from maps.pages.colours import BACKGROUND, FILL_OPACITY, PALETTE, territory_adjacency, territory_colours
from maps.pages.columns import base64_of, dictionary, texts
from maps.pages.drawing import Drawing, add_layer_control, add_tiles, empty_map, homes, territory_look, tile_layer
from maps.pages.offline import PageLayer, finished
from maps.pages.rep_colours import home_colours, written_colours
from maps.shapes.cells import mercator
from maps.shapes.outlines import outlines_of
from maps.shapes.territories import account_points, plane_shapes
from scenarios.comparison import own_measures
from scenarios.running import BASE
from territory_engine.grammar import counted
from territory_engine.wording import (
    compact,
    measure_label,
    number,
    objective_unit,
    percent,
    size_in_words,
    territory_names,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scenarios.comparison import ScenarioResult
    from scenarios.differences import PlanDifference
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

MOST_MOVES_DRAWN = 20_000
"""Moves drawn of each scenario; beyond it those that carry most."""


def comparison_map_page(
    results: Sequence[ScenarioResult], differences: Mapping[str, PlanDifference], *, folder: Path | None = None
) -> str:
    """Return the page as HTML: one scenario at a time, chosen in the panel, with its loads and its moves from the base.

    Parameters
    ----------
    results : sequence of ScenarioResult
        In the order of the panel; at least one of them has a plan.
    differences : mapping
        From the base plan, by scenario, as :func:`scenarios.comparison.differences_from_base` returns them.
    folder : Path, optional
        Where the plan directories are: their shapes are read rather than grown again.
    """
    planned = [r for r in results if r.planned and r.plan is not None]
    first = planned[0].problem
    drawn = Drawing(first)
    shapes = {r.name: _shapes(r, folder) for r in planned}
    keys = {r.name: _continued(r, differences) for r in planned}
    every = list(dict.fromkeys(key for r in planned for key in keys[r.name]))
    place = {key: k for k, key in enumerate(every)}
    colours = _colours(planned, shapes, keys, place, folder)
    names: dict[str, str] = {}
    for r in planned:
        own = territory_names(r.problem)
        assert r.plan is not None
        for territory_id, key in zip(map(str, r.plan.territories.index), keys[r.name], strict=True):
            names.setdefault(key, own.get(territory_id, territory_id))
    served = {r.name: homes(r.problem, r.plan, drawn) for r in planned if r.plan is not None}
    points = [drawn.positions(account_points(r.problem)) for r in planned]
    at_home = [np.array([h["at"][::-1] for h in found]).reshape(-1, 2) for found in served.values()]
    bounds = drawn.bounds(*points, *at_home)
    tiles = tile_layer(first)
    data: dict[str, Any] = {
        "cropped": drawn.cropped,
        "bounds": [[bounds[1], bounds[0]], [bounds[3], bounds[2]]],
        "opacity": FILL_OPACITY,
        "territories": [
            territory_look(key if key != names[key] else "", names[key], PALETTE[colour])
            for key, colour in zip(every, colours, strict=True)
        ],
        "outlines": outlines_of(first, bounds),
        "tiles": tiles,
        "columns": ["Rep", "Accounts", *(measure_label(m).capitalize() for m in _measures(planned))],
        "base": next((i for i, r in enumerate(results) if r.name == BASE and r.planned), -1),
        "scenarios": [],
    }
    measures = _measures(planned)
    for r in results:
        entry = _entry(r, planned[0])
        if r.planned and r.plan is not None:
            rows = [place[key] for key in keys[r.name]]
            features = drawn.features(shapes[r.name], bounds)
            for feature in features["features"]:
                feature["properties"]["t"] = rows[feature["properties"]["t"]]
            row_of = dict(zip(map(str, r.plan.territories.index), rows, strict=True))
            entry |= {
                "shapes": features,
                "homes": _homes(served[r.name], rows),
                "rows": _rows(r.problem, r.plan, rows, measures),
                "moves": _moves(r.problem, differences.get(r.name), row_of, place, names, drawn),
            }
        data["scenarios"].append(entry)
    page = empty_map("Scenarios compared", planar=drawn.planar, tiles=tiles)
    context = {
        "map_name": page.get_name(),
        "background": BACKGROUND,
        "title": "Scenarios compared",
        "subtitle": f"Base plan: {size_in_words(results[0].problem)}",
        "scenarios": data["scenarios"],
        "footnote": _footnote(data),
        "data": data,
    }
    page.add_child(PageLayer("comparison/panel.html.jinja", "panel", context=context))
    add_tiles(page, tiles)
    page.add_child(PageLayer("comparison/moves.js.jinja", "moves", label="Accounts that move from the base plan"))
    page.add_child(PageLayer("comparison/borders.js.jinja", "borders", label="Borders of the base plan"))
    if data["outlines"]:
        page.add_child(PageLayer("shared/outlines.js.jinja", "outlines", label="Outlines"))
    page.add_child(PageLayer("comparison/homes.js.jinja", "homes", label="Where reps are served from"))
    add_layer_control(page)
    page.add_child(PageLayer("comparison/switch.js.jinja", "switch_scenarios"))
    return finished(page)


def _measures(planned: Sequence[ScenarioResult]) -> list[str]:
    return [m for m in dict.fromkeys(m for r in planned for m in own_measures(r.problem)) if m != "count"]


def _shapes(result: ScenarioResult, folder: Path | None) -> NDArray[np.object_]:
    """Return a scenario's shapes in the plane of drawing, one for each row of its territories; None where it has none."""
    assert result.plan is not None
    path = folder / result.name / "territories.geojson" if folder is not None else None
    if path is None or not path.is_file() or result.problem.config.travel.metric == "euclidean":
        return plane_shapes(result.problem, result.plan)
    shapes = np.full(len(result.plan.territories), None, dtype=object)
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        row = result.plan.territories.index.get_loc(str(feature["properties"]["territory_id"]))
        if feature["geometry"] is not None:
            shapes[row] = shapely.geometry.shape(feature["geometry"])
    return np.asarray(shapely.transform(shapes, lambda c: mercator(c[:, 0], c[:, 1])), dtype=object)


def _continued(result: ScenarioResult, differences: Mapping[str, PlanDifference]) -> list[str]:
    """Return by which name each territory goes in all scenarios: that of the base's territory that it continues.

    Territories with reps go by their rep; those without, numbered anew in every plan, by what they share.
    """
    assert result.plan is not None
    difference = differences.get(result.name)
    found = []
    for territory_id, rep_id in zip(result.plan.territories.index, result.plan.territories["rep_id"], strict=True):
        key = str(rep_id)
        if not key:
            key = str(territory_id)
            if difference is not None:
                continuing = difference.territories
                origin = continuing.loc[
                    (continuing.index == territory_id) & ~continuing["dissolved"].to_numpy(np.bool_)
                ]
                key = str(origin["from_territory_id"].iloc[0]) or f"{territory_id} ({result.name})"
        found.append(key)
    return found


def _colours(
    planned: Sequence[ScenarioResult],
    shapes: Mapping[str, NDArray[np.object_]],
    keys: Mapping[str, list[str]],
    place: Mapping[str, int],
    folder: Path | None,
) -> list[int]:
    """Colour reps so that no two have the same who are neighbours in any of the scenarios; else as on their own maps."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(place)))
    for r in planned:
        rows = [place[key] for key in keys[r.name]]
        graph.add_edges_from(
            (rows[a], rows[b]) for a, b in territory_adjacency(shapes[r.name]).edges if rows[a] != rows[b]
        )
    wanted: dict[int, int] = {}
    for r in planned:
        assert r.plan is not None
        told = written_colours(folder / r.name / "territories.geojson") if folder is not None else {}
        for territory_id, key in zip(map(str, r.plan.territories.index), keys[r.name], strict=True):
            colour = told.get(territory_id) or home_colours(r.problem).get(key)
            if colour is not None:
                wanted.setdefault(place[key], PALETTE.index(colour))
    return territory_colours(graph, wanted=wanted)


def _entry(result: ScenarioResult, base: ScenarioResult) -> dict[str, Any]:
    """What the panel says about a scenario."""
    facts = []
    if result.planned and result.plan is not None and result.plan.objective is not None:
        travel = result.plan.objective_terms.get("travel", result.plan.objective)
        facts.append({"label": f"Travel, {objective_unit(result.problem)}", "value": number(travel)})
        facts.append({"label": "Proved gap", "value": percent(result.plan.gap)})
        for measure in own_measures(result.problem):
            worst = result.plan.measures.get(measure, {}).get("max_deviation")
            if worst is not None and np.isfinite(worst):
                facts.append({"label": f"{measure_label(measure).capitalize()} within", "value": f"±{percent(worst)}"})
    return {
        "name": result.name,
        "status": result.status,
        "description": result.description if result.name != BASE else "",
        "short": _short(result, base),
        "facts": facts,
        "rules": result.conflict,
        "relaxations": result.relaxations,
        "message": result.message,
    }


def _short(result: ScenarioResult, base: ScenarioResult) -> str:
    """A scenario in half a line, under its name."""
    if not result.planned or result.plan is None:
        return "proved impossible" if result.plan is not None else "no plan found"
    parts = [counted(len(result.plan.territories), "territory")]
    then = (base.plan.objective_terms if base.plan is not None else {}).get("travel", 0.0)
    now = result.plan.objective_terms.get("travel", 0.0)
    if result.name != BASE and base.name == BASE and then > 0:
        parts.append(f"travel {percent(now / then - 1, signed=True)}")
    return ", ".join(parts)


def _homes(found: list[dict[str, Any]], rows: list[int]) -> list[dict[str, Any]]:
    return [{**home, "t": rows[home["t"]] if home["t"] >= 0 else -1} for home in found]


def _rows(problem: PlanningProblem, plan: Plan, rows: list[int], measures: Sequence[str]) -> list[dict[str, Any]]:
    """The legend of one scenario: loads of every territory, with how far they are off their share."""
    found = []
    for t, (_, row) in zip(rows, plan.territories.iterrows(), strict=True):
        cells = [[number(float(row["accounts"])), _deviation(row, "count")]]
        cells += [[compact(float(row[m])) if m in row.index else "–", _deviation(row, m)] for m in measures]
        found.append({"t": t, "cells": cells})
    return found


def _deviation(row: Any, measure: str) -> str:
    value = row.get(f"{measure}_deviation")
    return percent(float(value), signed=True) if value is not None and np.isfinite(value) else ""


def _moves(
    problem: PlanningProblem,
    difference: PlanDifference | None,
    row_of: Mapping[str, int],
    place: Mapping[str, int],
    names: Mapping[str, str],
    drawn: Drawing,
) -> dict[str, Any] | None:
    """The accounts that move from the base plan, as columns; None for the base itself."""
    if difference is None:
        return None
    moves = difference.moves
    if len(moves) > MOST_MOVES_DRAWN:
        leading = next((m for m in difference.measures if m != "count"), None)
        amount = moves[leading] if leading is not None else moves["travel_after"]
        largest = np.argsort(-amount.to_numpy(np.float64), kind="stable")[:MOST_MOVES_DRAWN]
        moves = moves.iloc[np.sort(largest)]
    row = problem.accounts.index.get_indexer(moves.index)
    known = [
        str(rep) or str(territory)
        for rep, territory in zip(moves["from_rep_id"], moves["from_territory_id"], strict=True)
    ]
    return {
        "n": len(moves),
        "total": len(difference.moves),
        "position": base64_of(drawn.positions(account_points(problem))[row], "<f4"),
        "id": [str(i) for i in moves.index],
        "name": dictionary(
            texts(problem.accounts["name"].iloc[row]) if "name" in problem.accounts else [""] * len(moves)
        ),
        "from": dictionary([names.get(key, key) for key in known]),
        "to": base64_of(np.array([row_of[str(t)] for t in moves["to_territory_id"]], np.intp), "<i2"),
    }


def _footnote(data: dict[str, Any]) -> str:
    parts = [
        "A dot is an account that moves from the base plan, in the colour of its new rep; dashed lines are the base's borders."
    ]
    if any(s.get("moves") and s["moves"]["total"] > s["moves"]["n"] for s in data["scenarios"]):
        parts.append(f"Of each scenario's moves, the {MOST_MOVES_DRAWN:,} that carry most are drawn.")
    if data["cropped"]:
        parts.append("The map opens on all but the farthest accounts; zoom out to see those.")
    return " ".join(parts)
