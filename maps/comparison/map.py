"""``comparison_map.html``: any two scenarios on one map with a divider between them, and what moves from one to the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from maps.changes.moves_map import (
    add_layers_of_both_sides,
    keep_in_place,
    shared_colours,
    side_features,
    side_homes,
    side_names,
)
from maps.comparison.columns import account_columns, unit_features
from maps.comparison.continuity import continuity
from maps.pages.colours import BACKGROUND, FILL_OPACITY, PALETTE
from maps.pages.drawing import (
    Drawing,
    add_tiles,
    empty_map,
    home_word,
    homes,
    territory_look,
    tile_layer,
)
from maps.pages.offline import PageLayer, finished
from maps.pages.rep_colours import home_colours, written_colours
from maps.shapes.cells import mercator
from maps.shapes.label_points import label_points
from maps.shapes.outlines import outlines_of
from maps.shapes.territories import account_points, plane_shapes
from scenarios.comparison import own_measures
from scenarios.running import BASE
from territory_engine.grammar import counted
from territory_engine.wording import compact, measure_label, noun, number, objective_unit, percent, size_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from maps.comparison.continuity import Continuity
    from scenarios.comparison import ScenarioResult
    from scenarios.differences import PlanDifference
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem


def comparison_map_page(
    results: Sequence[ScenarioResult], differences: Mapping[str, PlanDifference], *, folder: Path | None = None
) -> str:
    """Return the page as HTML: two scenarios, chosen in the panel, left and right of a divider, and the moves between them.

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
    same = continuity(planned, differences)
    colours = shared_colours(
        len(same.keys), [(shapes[r.name], same.rows[r.name]) for r in planned], wanted=_wanted(planned, same, folder)
    )
    served = {r.name: homes(r.problem, r.plan, drawn) for r in planned if r.plan is not None}
    points = [drawn.positions(account_points(r.problem)) for r in planned]
    at_home = [np.array([h["at"][::-1] for h in found]).reshape(-1, 2) for found in served.values()]
    corners = [drawn.positions(shapely.total_bounds(s).reshape(2, 2)) for s in shapes.values()]
    bounds = drawn.bounds(*points, *at_home, *([] if any(np.isfinite(p).any() for p in points) else corners))
    tiles = tile_layer(first)
    measures, leading = _measures(planned, differences)
    names = _name_places(planned, shapes, same.rows, len(same.keys))
    data: dict[str, Any] = {
        "cropped": drawn.cropped,
        "bounds": [[bounds[1], bounds[0]], [bounds[3], bounds[2]]],
        "opacity": FILL_OPACITY,
        "territories": [
            territory_look(key if key != name else "", name, PALETTE[colour])
            for key, name, colour in zip(same.keys, same.names, colours, strict=True)
        ],
        "outlines": outlines_of(first, bounds),
        "tiles": tiles,
        "measures": [{"key": m, "label": measure_label(m), "noun": noun(m), "one": noun(m, 1.0)} for m in measures],
        "leading": measures.index(leading),
        "base": next((i for i, r in enumerate(results) if r.name == BASE and r.planned), -1),
        "accounts": account_columns(planned, same, measures, drawn),
        "units": unit_features(planned, same, bounds),
        "order": [r.name for r in planned],
        "scenarios": [],
    }
    for r in results:
        entry = _entry(r, planned[0])
        if r.planned and r.plan is not None:
            rows = same.rows[r.name]
            entry |= {
                "shapes": side_features(drawn, shapes[r.name], rows, bounds),
                "homes": side_homes(served[r.name], rows),
                "homeWord": home_word(r.plan),
                "names": side_names(drawn.positions(names[r.name]), set()),
                "rows": _rows(r.problem, r.plan, rows, measures),
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
    page.add_child(PageLayer("shared/address.js.jinja", "address"))
    page.add_child(PageLayer("comparison/pair.js.jinja", "pair"))
    add_tiles(page, tiles)
    page.add_child(PageLayer("changes/sides.js.jinja", "sides", label="Territories"))
    if data["outlines"]:
        page.add_child(PageLayer("shared/outlines.js.jinja", "outlines", label="Background borders"))
    page.add_child(PageLayer("changes/borders.js.jinja", "borders", label="Borders of the left plan"))
    if data["units"]:
        page.add_child(PageLayer("changes/moved_units.js.jinja", "moved_units", label="Units that move"))
    add_layers_of_both_sides(page)
    page.add_child(PageLayer("comparison/panel.js.jinja", "reps_and_flows"))
    page.add_child(PageLayer("comparison/choose_scenarios.js.jinja", "choose_scenarios"))
    return finished(page)


def _measures(planned: Sequence[ScenarioResult], differences: Mapping[str, PlanDifference]) -> tuple[list[str], str]:
    """Return what moves are counted in, ``"count"`` first, and which of it the page opens with."""
    compared = [d for r in planned if (d := differences.get(r.name)) is not None]
    if not compared:
        own = [m for m in own_measures(planned[0].problem) if m != "count"] if len(planned) == 1 else []
        return ["count", *own], own[0] if own else "count"
    stand_ins = {m for r in planned for m in r.problem.measures} - {m for r in planned for m in own_measures(r.problem)}
    common = [m for m in compared[0].measures if m not in stand_ins and all(m in d.measures for d in compared)]
    leading = next((d.leading_measure for d in compared if d.leading_measure in common), common[-1])
    return common, leading


def _wanted(planned: Sequence[ScenarioResult], same: Continuity, folder: Path | None) -> dict[int, int]:
    """Return which place of the palette each territory is to keep: its colour on its own map, or that of its rep's home."""
    wanted: dict[int, int] = {}
    for r in planned:
        assert r.plan is not None
        told = written_colours(folder / r.name / "territories.geojson") if folder is not None else {}
        at_home = home_colours(r.problem)
        reps = r.plan.territories["rep_id"]
        for row, territory_id, rep in zip(same.rows[r.name].tolist(), r.plan.territories.index, reps, strict=True):
            colour = told.get(str(territory_id)) or at_home.get(str(rep))
            if colour is not None:
                wanted.setdefault(row, PALETTE.index(colour))
    return wanted


def _name_places(
    planned: Sequence[ScenarioResult],
    shapes: Mapping[str, NDArray[np.object_]],
    rows: Mapping[str, NDArray[np.intp]],
    n: int,
) -> dict[str, NDArray[np.float64]]:
    """Where names stand in every scenario, in the plane, shape ``(n, 2)``: as the first plan has it, where that is inside."""
    found: dict[str, NDArray[np.float64]] = {}
    known = np.full((n, 2), np.nan)
    for r in planned:
        mine = np.full((n, 2), np.nan)
        mine[rows[r.name]] = label_points(shapes[r.name])
        keep_in_place(mine, known, shapes[r.name], rows[r.name])
        new = np.isnan(known).any(axis=1)
        known[new] = mine[new]
        found[r.name] = mine
    return found


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
        return ""
    n = len(result.plan.territories)
    parts = [counted(n, "rep" if len(result.problem.reps) == n else "territory")]
    then = (base.plan.objective_terms if base.plan is not None else {}).get("travel", 0.0)
    now = result.plan.objective_terms.get("travel", 0.0)
    if result.name != BASE and base.name == BASE and then > 0:
        parts.append(f"travel {percent(now / then - 1, signed=True)}")
    return ", ".join(parts)


def _rows(
    problem: PlanningProblem, plan: Plan, rows: NDArray[np.intp], measures: Sequence[str]
) -> list[dict[str, Any]]:
    """Loads of every territory of one scenario, with how far they are off their share."""
    found: dict[int, dict[str, Any]] = {}
    owner = plan.assignments["territory_id"].reindex(problem.accounts.index)
    loads = {
        m: plan.territories[m]
        if m in plan.territories
        else problem.accounts[m].groupby(owner).sum().reindex(plan.territories.index, fill_value=0.0)
        if m in problem.accounts and not problem.load_depends_on_rep(m)
        else None
        for m in measures[1:]
    }
    for t, (territory_id, row) in zip(rows.tolist(), plan.territories.iterrows(), strict=True):
        cells = [[number(float(row["accounts"])), _deviation(row, "count")]]
        for m in measures[1:]:
            load = loads[m]
            cells.append(["–" if load is None else compact(float(load[str(territory_id)])), _deviation(row, m)])
        found[t] = {"t": t, "cells": cells}
    return list(found.values())


def _deviation(row: Any, measure: str) -> str:
    value = row.get(f"{measure}_deviation")
    return percent(float(value), signed=True) if value is not None and np.isfinite(value) else ""


def _footnote(data: dict[str, Any]) -> str:
    parts = [
        "A rep has the same colour in every scenario. A dot is an account that moves, in the colour of whose it is there."
    ]
    left_out = data["accounts"]["left_out"]
    if left_out:
        parts.append(
            f"{counted(left_out, 'account that moves is', 'accounts that move are')} left out, those that carry least."
        )
    if data["cropped"]:
        parts.append("The map opens on all but the farthest accounts; zoom out to see those.")
    return " ".join(parts)
