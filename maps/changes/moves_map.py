"""A map of moves: territories stand back, and what moves between them stands out, with an arrow for every flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from maps.changes.columns import staying_positions
from maps.pages.columns import base64_of
from maps.pages.drawing import Drawing, add_layer_control, add_tiles, territory_look, tile_layer
from maps.pages.offline import PageLayer
from maps.pages.rep_colours import plan_colours
from maps.shapes.label_points import label_points
from maps.shapes.outlines import border_lines, outlines_of
from maps.shapes.territories import account_points, drawn_from_units, plane_shapes, rounded_geojson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from maps.pages.offline import OfflineMap
    from scenarios.differences import PlanDifference
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

# Territories stand back so that what moves stands out.
_PALE = 0.3
_ENDED = "#8a96a3"


def moves_map_data(
    difference: PlanDifference,
    before: tuple[PlanningProblem, Plan],
    after: tuple[PlanningProblem, Plan],
    territories: Sequence[dict[str, Any]],
    *,
    colours: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what the layers of :func:`add_moves_layers` draw, as JSON can hold it.

    Parameters
    ----------
    difference : PlanDifference
    before, after : tuple of PlanningProblem and Plan
    territories : sequence of dict
        As :func:`maps.changes.columns.territory_rows_of` gives them.
    colours : mapping, optional
        Colours of the second plan's territories on its own map, by territory.

    Returns
    -------
    dict
        ``territories`` (with a colour and a place each), ``shapes``, ``borders`` (before), ``outlines``, ``units`` (those
        that move), ``staying``, ``bounds``, ``opacity``, ``tiles``, and what the footnote says: ``cropped``, ``unlocated``.
    """
    problem, plan = after
    drawn = Drawing(problem)
    positions = drawn.positions(account_points(problem))
    geometry = plane_shapes(problem, plan)
    same_plane = drawn.planar == (before[0].config.travel.metric == "euclidean")
    old = plane_shapes(*before) if same_plane else np.full(len(before[1].territories), None, dtype=object)
    filled = plan_colours(problem, plan, geometry, colours)
    filled += [_ENDED] * (len(territories) - len(filled))
    centres = _centres(difference, before, problem, geometry, old)
    places = drawn.positions(centres)
    # Units reach beyond their accounts, which may have no place at all.
    corners = shapely.total_bounds(geometry).reshape(2, 2) if drawn_from_units(problem, plan) else np.empty((0, 2))
    bounds = drawn.bounds(positions, places, drawn.positions(corners))
    moving = problem.accounts.index.isin(difference.moves.index)
    return {
        "territories": [
            territory_look(row["id"] or row["name"], row["name"], colour)
            | row
            | {"at": [round(y, 5), round(x, 5)] if np.isfinite(x) and np.isfinite(y) else None}
            for row, colour, (x, y) in zip(territories, filled, places.tolist(), strict=True)
        ],
        "bounds": [[bounds[1], bounds[0]], [bounds[3], bounds[2]]],
        "opacity": _PALE,
        "shapes": drawn.features(geometry, bounds),
        "borders": border_lines(
            shapely.transform(old, drawn.positions), bounds, without=shapely.transform(geometry, drawn.positions)
        ),
        "outlines": outlines_of(problem, bounds),
        "units": _unit_features(difference, problem, plan, bounds),
        "staying": base64_of(staying_positions(difference, problem, positions), "<f4"),
        "tiles": tile_layer(problem),
        "cropped": drawn.cropped,
        "unlocated": int((moving & ~np.isfinite(positions).all(axis=1)).sum()),
    }


def _centres(
    difference: PlanDifference,
    before: tuple[PlanningProblem, Plan],
    problem: PlanningProblem,
    geometry: NDArray[np.object_],
    old: NDArray[np.object_],
) -> NDArray[np.float64]:
    """Where arrows begin and end, in the plane of the drawing, shape ``(n_territories, 2)``; NaN where unknown."""
    points = account_points(problem)
    rows = difference.territories
    ended = np.flatnonzero(rows["dissolved"].to_numpy(bool))
    centres = np.full((len(rows), 2), np.nan)
    centres[: len(geometry)] = label_points(geometry)
    was = label_points(old)
    where = before[1].territories.index.get_indexer(pd.Index(rows["from_territory_id"].iloc[ended]))
    then = before[1].assignments["territory_id"].reindex(problem.accounts.index)
    for row, place in zip(ended.tolist(), where.tolist(), strict=True):
        centres[row] = was[place]
        if np.isnan(centres[row]).any():
            mine = points[(then == rows["from_territory_id"].iloc[row]).to_numpy(bool)]
            mine = mine[np.isfinite(mine).all(axis=1)]
            if len(mine):
                centres[row] = mine.mean(axis=0)
    return centres


def _unit_features(
    difference: PlanDifference, problem: PlanningProblem, plan: Plan, bounds: tuple[float, float, float, float]
) -> dict[str, Any]:
    """Return the geographic units that move, with their old and new territory, as GeoJSON."""
    features: list[dict[str, Any]] = []
    layer = problem.units
    if (
        difference.units is not None
        and drawn_from_units(problem, plan)
        and layer is not None
        and layer.geometry is not None
    ):
        rows = layer.ids.get_indexer(difference.units.index)
        # A border need not be finer than a pixel of a large window.
        fine = max(bounds[2] - bounds[0], bounds[3] - bounds[1]) / 5000
        shapes = shapely.simplify(layer.geometry.to_numpy()[rows], fine)
        sources = difference.rows_from(difference.units["from_territory_id"]).tolist()
        targets = difference.rows_to(difference.units["to_territory_id"]).tolist()
        counts = difference.units["accounts"].tolist()
        features = [
            {
                "type": "Feature",
                "properties": {"id": str(unit_id), "from": source, "to": target, "accounts": count},
                "geometry": rounded_geojson(shape),
            }
            for unit_id, shape, source, target, count in zip(
                difference.units.index, shapes, sources, targets, counts, strict=True
            )
        ]
    return {"type": "FeatureCollection", "features": features}


def add_moves_layers(page: OfflineMap, data: dict[str, Any]) -> None:
    """Add the layers of a map of moves to a map.

    The parts ``diff.html.jinja`` and ``diff_table.js.jinja`` come before them: they hold the moves, and which are shown.

    Parameters
    ----------
    page : OfflineMap
    data : dict
        What :func:`moves_map_data` returned.
    """
    add_tiles(page, data["tiles"])
    page.add_child(PageLayer("shared/shapes.js.jinja", "shapes", label="Territories after"))
    if data["outlines"]:
        page.add_child(PageLayer("shared/outlines.js.jinja", "outlines", label="Outlines", show=False))
    if data["borders"]:
        page.add_child(PageLayer("changes/borders.js.jinja", "borders", label="Borders before"))
    if data["units"]["features"]:
        page.add_child(PageLayer("changes/moved_units.js.jinja", "moved_units", label="Moved units"))
    page.add_child(PageLayer("changes/staying.js.jinja", "staying", label="Accounts that stay"))
    page.add_child(PageLayer("changes/moved.js.jinja", "moved", label="Accounts that move"))
    page.add_child(PageLayer("changes/arrows.js.jinja", "arrows", label="Arrows"))
    page.add_child(PageLayer("changes/territory_labels.js.jinja", "labels", label="Names"))
    add_layer_control(page, collapsed=True)
    page.add_child(PageLayer("changes/moves_map.js.jinja", "moves_map"))
