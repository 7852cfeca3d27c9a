"""A map of moves: both plans on either side of a divider, and what moves between them, with an arrow for every flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd
import shapely

from maps.changes.columns import staying_positions
from maps.pages.colours import PALETTE, territory_adjacency, territory_colours
from maps.pages.columns import base64_of
from maps.pages.drawing import Drawing, add_layer_control, add_tiles, home_word, homes, territory_look, tile_layer
from maps.pages.offline import PageLayer
from maps.pages.rep_colours import home_colours
from maps.shapes.label_points import label_points
from maps.shapes.outlines import outlines_of
from maps.shapes.territories import account_points, drawn_from_units, plane_shapes, rounded_geojson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from maps.pages.offline import OfflineMap
    from scenarios.differences import PlanDifference
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

# Territories stand back a little, so that what moves stands out.
_PALE = 0.5


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
        ``territories`` (with a colour each), ``sides`` (``left``, the plan before, and ``right``: shapes, homes, and names with
        their places), ``outlines``, ``units`` (those that move), ``staying``,
        ``bounds``, ``opacity``, ``tiles``, and what the footnote says: ``cropped``, ``unlocated``.
    """
    problem, plan = after
    drawn = Drawing(problem)
    positions = drawn.positions(account_points(problem))
    geometry = plane_shapes(problem, plan)
    same_plane = drawn.planar == (before[0].config.travel.metric == "euclidean")
    old = plane_shapes(*before) if same_plane else np.full(len(before[1].territories), None, dtype=object)
    rows_after = np.arange(len(geometry))
    rows_before = difference.rows_from(pd.Series(before[1].territories.index))
    asked = _wanted(difference, before[0], problem, plan, colours or {})
    filled = shared_colours(len(territories), [(old, rows_before), (geometry, rows_after)], wanted=asked)
    then, now = _names(difference, before, problem, geometry, old, rows_before)
    places = drawn.positions(np.vstack([then, now]))
    then, now = places[: len(then)], places[len(then) :]
    # Units reach beyond their accounts, which may have no place at all.
    corners = shapely.total_bounds(geometry).reshape(2, 2) if drawn_from_units(problem, plan) else np.empty((0, 2))
    bounds = drawn.bounds(positions, places, drawn.positions(corners))
    moving = problem.accounts.index.isin(difference.moves.index)
    gone = set(np.flatnonzero(difference.territories["dissolved"].to_numpy(bool)).tolist())
    return {
        "territories": [
            territory_look(row["id"] or row["name"], row["name"], PALETTE[colour]) | row
            for row, colour in zip(territories, filled, strict=True)
        ],
        "bounds": [[bounds[1], bounds[0]], [bounds[3], bounds[2]]],
        "opacity": _PALE,
        "sides": {
            "left": {
                "shapes": side_features(drawn, old, rows_before, bounds),
                "homes": side_homes(homes(before[0], before[1], drawn), rows_before) if same_plane else [],
                "homeWord": home_word(before[1]),
                "names": side_names(then, gone),
            },
            "right": {
                "shapes": drawn.features(geometry, bounds),
                "homes": side_homes(homes(problem, plan, drawn), rows_after),
                "homeWord": home_word(plan),
                "names": side_names(now, set()),
            },
        },
        "outlines": outlines_of(problem, bounds),
        "units": _unit_features(difference, problem, plan, bounds),
        "staying": base64_of(staying_positions(difference, problem, positions), "<f4"),
        "tiles": tile_layer(problem),
        "cropped": drawn.cropped,
        "unlocated": int((moving & ~np.isfinite(positions).all(axis=1)).sum()),
    }


def _wanted(
    difference: PlanDifference,
    problem_before: PlanningProblem,
    problem: PlanningProblem,
    plan: Plan,
    colours: Mapping[str, str],
) -> dict[int, int]:
    """Return which place of the palette each territory is to keep: its colour on its own map, or that of its rep's home."""
    then, now = home_colours(problem_before), home_colours(problem)
    reps = plan.territories["rep_id"]
    found = [colours.get(str(t)) or now.get(str(rep)) for t, rep in zip(plan.territories.index, reps, strict=True)]
    found += [then.get(str(rep)) for rep in difference.territories["from_rep_id"].iloc[len(found) :]]
    return {row: PALETTE.index(colour) for row, colour in enumerate(found) if colour in PALETTE}


def shared_colours(
    n: int,
    plans: Sequence[tuple[NDArray[np.object_], NDArray[np.intp]]],
    *,
    wanted: Mapping[int, int] | None = None,
) -> list[int]:
    """Colour territories so that no two have the same who are neighbours in any of some plans.

    Parameters
    ----------
    n : int
        Territories in all plans together.
    plans : sequence of tuple
        Of each plan its shapes in the plane, and which of the `n` territories each of them is.
    wanted : mapping, optional
        Place in the palette that territories are to keep where they can.

    Returns
    -------
    list of int
        Place in :data:`maps.pages.colours.PALETTE` of each of the `n`.
    """
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(n))
    for shapes, rows in plans:
        graph.add_edges_from(
            (int(rows[a]), int(rows[b])) for a, b in territory_adjacency(shapes).edges if rows[a] != rows[b]
        )
    return territory_colours(graph, wanted=wanted)


def side_features(
    drawn: Drawing, shapes: NDArray[np.object_], rows: NDArray[np.intp], bounds: tuple[float, float, float, float]
) -> dict[str, Any]:
    """Return one plan's shapes as GeoJSON; the property ``t`` is the territory's place among those of all plans."""
    found = drawn.features(shapes, bounds)
    for feature in found["features"]:
        feature["properties"]["t"] = int(rows[feature["properties"]["t"]])
    return found


def side_homes(found: list[dict[str, Any]], rows: NDArray[np.intp]) -> list[dict[str, Any]]:
    """Return homes with their territory's place among those of all plans; -1 stays."""
    return [{**home, "t": int(rows[home["t"]]) if home["t"] >= 0 else -1} for home in found]


def side_names(places: NDArray[np.float64], ends: set[int]) -> list[dict[str, Any]]:
    """Return where names stand, of territories that have a place: longitude and latitude, shape ``(n, 2)``, as given."""
    return [
        {"t": t, "at": [round(y, 5), round(x, 5)], "ends": t in ends}
        for t, (x, y) in enumerate(places.tolist())
        if np.isfinite(x) and np.isfinite(y)
    ]


def _names(
    difference: PlanDifference,
    before: tuple[PlanningProblem, Plan],
    problem: PlanningProblem,
    geometry: NDArray[np.object_],
    old: NDArray[np.object_],
    rows_before: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where names stand and arrows begin and end, before and after, in the plane, shape ``(n_territories, 2)``; else NaN."""
    points = account_points(problem)
    then, now = (np.full((len(difference.territories), 2), np.nan) for _ in range(2))
    now[: len(geometry)] = label_points(geometry)
    then[rows_before] = label_points(old)
    keep_in_place(then, now, old, rows_before)
    owner = before[1].assignments["territory_id"].reindex(problem.accounts.index)
    for row in np.flatnonzero(difference.territories["dissolved"].to_numpy(bool)).tolist():
        if np.isnan(then[row]).any():
            mine = points[(owner == difference.territories["from_territory_id"].iloc[row]).to_numpy(bool)]
            mine = mine[np.isfinite(mine).all(axis=1)]
            if len(mine):
                then[row] = mine.mean(axis=0)
    return then, now


def keep_in_place(
    then: NDArray[np.float64], now: NDArray[np.float64], old: NDArray[np.object_], rows: NDArray[np.intp]
) -> None:
    """Move names of the plan before to where the plan after has them, as far as that is inside their territory before."""
    inside = shapely.contains_xy(old, now[rows, 0], now[rows, 1])
    then[rows[inside]] = now[rows[inside]]


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
    page.add_child(PageLayer("changes/sides.js.jinja", "sides", label="Territories"))
    if data["outlines"]:
        page.add_child(PageLayer("shared/outlines.js.jinja", "outlines", label="Background borders", show=False))
    if data["sides"]["left"]["shapes"]["features"]:
        page.add_child(PageLayer("changes/borders.js.jinja", "borders", label="Borders before"))
    if data["units"]["features"]:
        page.add_child(PageLayer("changes/moved_units.js.jinja", "moved_units", label="Moved units"))
    page.add_child(PageLayer("changes/staying.js.jinja", "staying", label="Accounts that stay", show=False))
    page.add_child(PageLayer("changes/moved.js.jinja", "moved", label="Accounts that move"))
    page.add_child(PageLayer("changes/arrows.js.jinja", "arrows", label="Arrows"))
    page.add_child(PageLayer("changes/side_names.js.jinja", "names", label="Territory names"))
    page.add_child(PageLayer("changes/side_homes.js.jinja", "homes", label="Rep homes and centres"))
    add_layer_control(page, collapsed=True)
    page.add_child(PageLayer("changes/move_card.js.jinja", "move_card"))
    page.add_child(PageLayer("changes/diff_map.js.jinja", "diff_map"))
