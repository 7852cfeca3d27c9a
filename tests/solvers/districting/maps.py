"""Random planar maps for the tests of connected territories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from scipy.spatial import Delaunay

if TYPE_CHECKING:
    from numpy.typing import NDArray


def planar_map(n: int, rng: np.random.Generator, *, thinned: float = 0.3) -> tuple[NDArray[np.float64], nx.Graph]:
    """Return points and a connected planar graph on them: a triangulation less some links."""
    points = rng.random((n, 2)) * 100
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    for a, b, c in Delaunay(points).simplices.tolist():
        graph.add_edges_from([(a, b), (b, c), (a, c)])
    for link in list(graph.edges):
        if rng.random() < thinned:
            graph.remove_edge(*link)
            if not nx.has_path(graph, *link):
                graph.add_edge(*link)
    return points, graph


def grown(graph: nx.Graph, m: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return an assignment to ``m`` connected territories, grown unit by unit from random ones."""
    n = graph.number_of_nodes()
    assignment = np.full(n, -1, np.int32)
    assignment[rng.choice(n, m, replace=False)] = np.arange(m)
    while np.any(assignment < 0):
        open_links = [(u, v) for u, v in graph.edges if (assignment[u] < 0) != (assignment[v] < 0)]
        u, v = open_links[int(rng.integers(len(open_links)))]
        if assignment[u] < 0:
            u, v = v, u
        assignment[v] = assignment[u]
    return assignment


def hexagons(rows: int, columns: int) -> tuple[NDArray[np.float64], list[tuple[int, int]]]:
    """Return the middles of a hexagonal grid's cells and the pairs that touch."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    points = np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(0.75)])
    pairs = []
    for i in range(rows * columns):
        r, c = divmod(i, columns)
        beside = [(r, c + 1), (r + 1, c), (r + 1, c + (1 if r % 2 else -1))]
        pairs += [(i, s * columns + d) for s, d in beside if s < rows and 0 <= d < columns]
    return points, pairs
