"""Which rep has which colour: the same in every plan, as far as neighbours can be told apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from scipy.spatial import Delaunay, QhullError

from maps.pages.colours import PALETTE, territory_adjacency, territory_colours
from maps.shapes.cells import mercator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem


def home_colours(problem: PlanningProblem) -> dict[str, str]:
    """Return a colour for every rep by where reps live, whatever the plan: neighbours differ.

    Plans of the same reps thus have the same colours to begin with; what a plan's own borders ask for comes on top.
    Neighbours are those whose homes a Delaunay triangulation joins. Reps whose home is unknown have none.
    """
    planar = problem.config.travel.metric == "euclidean"
    columns = ["x", "y"] if planar else ["longitude", "latitude"]
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(problem.reps)))
    if set(columns) <= set(problem.reps.columns):
        places = problem.reps[columns].to_numpy(np.float64)
        places = places if planar else mercator(places[:, 0], places[:, 1])
        known = np.flatnonzero(np.isfinite(places).all(axis=1))
        graph.add_edges_from((int(known[a]), int(known[b])) for a, b in _joined(places[known]))
    colours = territory_colours(graph)
    return {str(rep_id): PALETTE[c] for rep_id, c in zip(problem.reps.index, colours, strict=True)}


def plan_colours(
    problem: PlanningProblem,
    plan: Plan,
    geometry: NDArray[np.object_],
    wanted: Mapping[str, str] | None = None,
) -> list[str]:
    """Return a colour for every row of ``plan.territories``; no two neighbours have the same where that can be.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    geometry : ndarray of polygons, shape (n_territories,)
    wanted : mapping, optional
        Colours that territories are to keep, by territory: those of another plan, as :func:`written_colours` reads them.
        Territories that are not in it have what :func:`home_colours` says.
    """
    places = {colour: place for place, colour in enumerate(PALETTE)}
    from_home = home_colours(problem)
    known = wanted or {}
    asked: dict[int, int] = {}
    for t, (territory_id, rep_id) in enumerate(zip(plan.territories.index, plan.territories["rep_id"], strict=True)):
        colour = known.get(str(territory_id)) or from_home.get(str(rep_id))
        if colour in places:
            asked[t] = places[colour]
    return [PALETTE[c] for c in territory_colours(territory_adjacency(geometry), wanted=asked)]


def written_colours(path: Path) -> dict[str, str]:
    """Return the colours by territory that a ``territories.geojson`` tells; none where it is not there, or not to be read.

    Only colours of the palette count: whatever else a file says there never reaches a page.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        properties = [feature["properties"] for feature in told["features"] if feature.get("properties")]
        return {
            str(p["territory_id"]): p["colour"]
            for p in properties
            if "territory_id" in p and p.get("colour") in PALETTE
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # it only says which colours are to stay


def _joined(places: NDArray[np.float64]) -> set[tuple[int, int]]:
    """Pairs of places that a Delaunay triangulation joins; all pairs of few places, or of places on a line."""
    try:
        corners = Delaunay(places).simplices if len(places) > 3 else np.arange(len(places))[None]
    except QhullError:
        order = np.lexsort(places.T)
        corners = np.column_stack([order[:-1], order[1:]])
    pairs = [(a, b) for a in range(corners.shape[1]) for b in range(a)]
    return {(min(t[a], t[b]), max(t[a], t[b])) for t in corners.tolist() for a, b in pairs}
