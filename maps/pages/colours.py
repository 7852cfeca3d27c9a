"""Colours that tell neighbouring territories apart, also for the colour-blind.

The palette was searched for: nine soft, light colours, every pair of which stays apart as it is drawn on the map, seen
normally, with protanopia, with deuteranopia and with tritanopia, simulated as in Machado, Oliveira & Fernandes (2009),
"A physiologically-based model for simulation of color vision deficiency". A test repeats that computation. They are light
enough for dark names and dots, and mild enough to cover a whole country.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PALETTE = ("#3e76da", "#ffda76", "#ff9a82", "#7bffcc", "#a86099", "#6b892b", "#b7eaff", "#cc5365", "#b8adff")
FILL_OPACITY = 0.8
BACKGROUND = "#f4f6f8"
# Least distance in CIE Lab (ΔE*ab, CIE 1976) between any two colours of the palette as filled areas; about ten times
# what a trained eye can just see.
LEAST_DELTA_E = 20.0
_TOUCHING_FRACTION = 1e-6
_MOST_STEPS = 20_000


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


def territory_colours(graph: nx.Graph[int], *, wanted: Mapping[int, int] | None = None) -> list[int]:
    """Colour a graph: the place in :data:`PALETTE` of every node in ``range(len(graph))``.

    No two neighbours have the same colour wherever nine colours can do that and :func:`searched_colours` finds how;
    otherwise as few as a greedy colouring leaves, and only the outline tells those apart. Colours of nodes' neighbours'
    neighbours are avoided and all are used about as often: up to nine territories all differ.

    Parameters
    ----------
    graph : Graph
        Who borders on whom.
    wanted : mapping, optional
        Places in the palette that nodes are to keep. Of neighbours who want the same, one gives way: the one with more
        such neighbours, and the later one of two with as many. Should that leave no way to tell neighbours apart, nobody's wish counts.
    """
    if len(graph) == 0:
        return []
    kept = _without_clashes(graph, wanted or {})
    colour = _greedy(graph, kept)
    if _clashes(graph, colour):
        found = searched_colours(graph, kept) or searched_colours(graph, {})
        colour = found if found is not None else min(colour, _greedy(graph, {}), key=lambda c: _clashes(graph, c))
    return [colour[node] for node in range(len(graph))]


def _without_clashes(graph: nx.Graph[int], wanted: Mapping[int, int]) -> dict[int, int]:
    kept = {node: place for node, place in wanted.items() if node in graph and 0 <= place < len(PALETTE)}

    def rivals(node: int) -> int:
        return sum(kept.get(other) == kept[node] for other in graph[node] if other != node)

    while kept:
        worst = max(kept, key=lambda node: (rivals(node), node))
        if rivals(worst) == 0:
            break
        del kept[worst]
    return kept


def _greedy(graph: nx.Graph[int], kept: Mapping[int, int]) -> dict[int, int]:
    """Colour nodes in saturation order (Brélaz 1979, DSATUR), each with what disturbs least."""
    colour = dict(kept)
    used = [0] * len(PALETTE)
    for place in kept.values():
        used[place] += 1
    taken = {node: {colour[v] for v in graph[node] if v in colour} for node in graph if node not in colour}
    while taken:
        node = max(taken, key=lambda n: (len(taken[n]), graph.degree(n), -n))
        del taken[node]
        near = [colour[v] for v in graph[node] if v in colour]
        further = {colour[w] for v in graph[node] for w in graph[v] if w in colour and w != node}
        choice = min(
            range(len(PALETTE)), key=lambda c: (near.count(c), len(graph) > len(PALETTE) and c in further, used[c], c)
        )
        colour[node] = choice
        used[choice] += 1
        for v in graph[node]:
            if v in taken:
                taken[v].add(choice)
    return colour


def _clashes(graph: nx.Graph[int], colour: Mapping[int, int]) -> int:
    return sum(colour[a] == colour[b] for a, b in graph.edges if a != b)


def searched_colours(graph: nx.Graph[int], kept: Mapping[int, int]) -> dict[int, int] | None:
    """Search for a colouring in which no two neighbours have the same colour; exact, but for a limit on its steps.

    A node with fewer neighbours than colours it may have can wait: whatever they get, one is left for it. Such nodes are
    put aside, one after the other, until there are none; of a map in the plane nothing remains. What remains is coloured by
    backtracking, always at the node with the fewest colours left, and the others then take theirs in reverse.

    Parameters
    ----------
    graph : Graph
    kept : mapping
        Colours that are fixed, without clashes.

    Returns
    -------
    dict or None
        None where there is no such colouring, or none was found in 20,000 steps.
    """
    free = [node for node in graph if node not in kept]
    allowed = {n: set(range(len(PALETTE))) - {kept[v] for v in graph[n] if v in kept} for n in free}
    near = {n: {v for v in graph[n] if v in allowed and v != n} for n in free}
    waiting: list[int] = []
    easy = sorted(n for n in free if len(near[n]) < len(allowed[n]))
    left = {n: len(near[n]) for n in free}
    core = set(free)
    while easy:
        node = easy.pop()
        if node not in core:
            continue
        core.remove(node)
        waiting.append(node)
        for v in sorted(near[node] & core):
            left[v] -= 1
            if left[v] < len(allowed[v]):
                easy.append(v)
    colour = dict(kept)
    if core and not _backtrack(sorted(core), near, allowed, colour):
        return None
    used = Counter(colour.values())
    for node in reversed(waiting):
        possible = allowed[node] - {colour[v] for v in near[node] if v in colour}
        further = {colour[w] for v in near[node] for w in graph[v] if w in colour}
        colour[node] = min(possible, key=lambda c: (c in further, used[c], c))
        used[colour[node]] += 1
    return colour


def _backtrack(
    core: list[int], near: Mapping[int, set[int]], allowed: Mapping[int, set[int]], colour: dict[int, int]
) -> bool:
    """Colour the core in place, depth first; False where that is impossible or takes too many steps."""

    def possible(node: int) -> list[int]:
        return sorted(allowed[node] - {colour[v] for v in near[node] if v in colour})

    def hardest() -> int | None:
        open_nodes = [n for n in core if n not in colour]
        return min(open_nodes, key=lambda n: (len(possible(n)), -len(near[n]), n)) if open_nodes else None

    first = hardest()
    stack = [] if first is None else [(first, possible(first))]
    for _ in range(_MOST_STEPS):
        if not stack:
            return False
        node, options = stack[-1]
        colour.pop(node, None)
        if not options:
            stack.pop()
            continue
        # Colours that nothing has yet are all alike: one of them is enough to try.
        untouched = [c for c in options if c not in colour.values()]
        choice = options.pop(0)
        if choice in untouched and all(len(allowed[n]) == len(PALETTE) for n in core):
            options[:] = [c for c in options if c not in untouched]
        colour[node] = choice
        following = hardest()
        if following is None:
            return True
        stack.append((following, possible(following)))
    for node in core:
        colour.pop(node, None)
    return False


def darker(colour: str, fraction: float) -> str:
    """Mix a ``#rrggbb`` colour with black."""
    return "#" + "".join(f"{round(int(colour[i : i + 2], 16) * (1 - fraction)):02x}" for i in (1, 3, 5))
