"""Colours that tell neighbouring territories apart, also for the colour-blind.

The palette stays near Okabe and Ito's (2008), moved in lightness until every pair stays apart as it is drawn on the
map: seen normally, with protanopia and with deuteranopia, simulated as in Machado, Oliveira & Fernandes (2009),
"A physiologically-based model for simulation of color vision deficiency". A test repeats that computation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

PALETTE = ("#f7be08", "#37aff7", "#1ebd61", "#c63f08", "#0e5bd1", "#b56288", "#d1e861", "#b2f7db", "#5c206d")
FILL_OPACITY = 0.65
BACKGROUND = "#f4f6f8"
# Least distance in CIE Lab (ΔE*ab, CIE 1976) between any two colours of the palette as filled areas; about ten times
# what a trained eye can just see.
LEAST_DELTA_E = 20.0
_TOUCHING_FRACTION = 1e-6


def territory_adjacency(shapes: NDArray[np.object_]) -> nx.Graph[int]:
    """Territories whose shapes touch, rounding apart: a graph on ``range(len(shapes))``."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(shapes)))
    drawn = np.flatnonzero(~shapely.is_missing(shapes))
    if len(drawn) > 1:
        west, south, east, north = shapely.total_bounds(shapes[drawn])
        reach = _TOUCHING_FRACTION * max(east - west, north - south)
        tree = shapely.STRtree(shapes[drawn])
        first, second = tree.query(shapes[drawn], predicate="dwithin", distance=reach)
        graph.add_edges_from((int(drawn[i]), int(drawn[j])) for i, j in zip(first, second, strict=True) if i < j)
    return graph


def territory_colours(graph: nx.Graph[int]) -> list[int]:
    """Colour a graph: the place in :data:`PALETTE` of every node in ``range(len(graph))``.

    Nodes are taken in saturation order (Brélaz 1979, DSATUR); each takes, of the colours none of its neighbours has,
    one that its neighbours' neighbours lack and that is used least: up to nine territories all differ. Should all nine
    be taken around a territory, networkx's own colouring, which uses as few colours as it can, is tried; what it still
    cannot colour repeats the colour fewest neighbours have, and only the outline tells them apart.
    """
    if len(graph) == 0:
        return []
    colour: dict[int, int] = {}
    used = [0] * len(PALETTE)
    stuck = False
    for node in nx.coloring.strategy_saturation_largest_first(graph, colour):
        near = [colour[v] for v in graph[node] if v in colour]
        further = {colour[w] for v in graph[node] for w in graph[v] if w in colour and w != node}
        stuck = stuck or len(set(near)) == len(PALETTE)
        choice = min(
            range(len(PALETTE)), key=lambda c: (near.count(c), len(graph) > len(PALETTE) and c in further, used[c], c)
        )
        colour[node] = choice
        used[choice] += 1
    if stuck:
        compact = nx.greedy_color(graph, strategy="DSATUR")
        if max(compact.values()) < len(PALETTE):
            colour = compact
    return [colour[node] for node in range(len(graph))]


def darker(colour: str, fraction: float) -> str:
    """Mix a ``#rrggbb`` colour with black."""
    return "#" + "".join(f"{round(int(colour[i : i + 2], 16) * (1 - fraction)):02x}" for i in (1, 3, 5))
