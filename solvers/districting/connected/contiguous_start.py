"""From any assignment to one whose territories are in one piece: keep what hangs together, hand over the rest."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem, Graph

NOBODY = -1
DETOUR = 100.0
"""Steps through its own units that a path would rather take than one through another territory's."""

SAMPLE = 500
"""Units that stand for a component of the graph when a centre is looked for in it."""


def contiguous_start(
    problem: DistrictingProblem, centres: NDArray[np.int64], assignment: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return centres and an assignment whose territories are connected, as far as locks and classes let them be.

    Each territory keeps the piece that its centre is in (the largest, where the centre is in no unit) and the units
    locked to it, with paths to them. What is left goes, wave by wave, to the cheapest territory it touches. Limits on
    loads are not looked at. So an assignment of −1 everywhere makes the territories grow from their centres.

    Parameters
    ----------
    problem : DistrictingProblem
        With a graph.
    centres : ndarray of int64, shape (n_territories,)
    assignment : ndarray of int32, shape (n_units,)
        −1 where a unit has no territory yet.
    """
    graph = problem.graph
    if graph is None:
        raise ValueError("a problem without a graph has no connected territories")
    centres = _spread(problem, graph, centres, assignment)
    home = problem.candidate_unit[centres]
    assignment = _allowed(problem, centres, assignment)
    claimed = problem.fixed.astype(np.int32).copy()
    homes = np.flatnonzero((home >= 0) & (claimed[home] == NOBODY))
    claimed[home[homes]] = homes
    _claim_seeds(problem, centres, assignment, claimed)
    given = np.where(claimed >= 0, claimed, assignment).astype(np.int32)
    _claim_paths(problem, graph, home, given, claimed)
    given = np.where(claimed >= 0, claimed, assignment).astype(np.int32)
    anchor = np.full(problem.n_territories, NOBODY, np.int64)
    for t in range(problem.n_territories):
        anchors = np.flatnonzero(claimed == t)
        if home[t] >= 0 and claimed[home[t]] == t:
            anchor[t] = home[t]
        elif len(anchors):
            anchor[t] = anchors[0]
    out = keep_pieces(graph, given, anchor)
    out[claimed >= 0] = claimed[claimed >= 0]

    def price(unit: NDArray[np.int64], territory: NDArray[np.int64]) -> NDArray[np.float64]:
        cost = _pair_costs(problem, centres, unit, territory)
        cost[~problem.class_allowed[problem.class_of[unit], territory]] = np.inf
        return cost

    hand_over(graph, out, problem.n_territories, price)
    lost = np.flatnonzero(out == NOBODY)
    if len(lost):
        # No territory that may hold them touches them: connected or not, every unit is somewhere.
        may = problem.class_allowed[problem.class_of[lost]]
        cost = problem.costs.submatrix(lost, centres)
        cheapest = np.where(may, np.where(np.isfinite(cost), cost, np.finfo(float).max), np.inf).argmin(axis=1)
        out[lost] = cheapest
    return centres, out


def _allowed(
    problem: DistrictingProblem, centres: NDArray[np.int64], assignment: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Return the assignment without what class or distance forbid: −1 there."""
    held = np.flatnonzero(assignment >= 0)
    out = assignment.astype(np.int32)
    bad = ~problem.class_allowed[problem.class_of[held], out[held]]
    bad |= ~np.isfinite(_pair_costs(problem, centres, held, out[held].astype(np.int64)))
    out[held[bad]] = NOBODY
    return out


def _labels(graph: Graph, assignment: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return which piece each unit is in: connected, of one territory."""
    n = len(assignment)
    row = np.repeat(np.arange(n), np.diff(graph.start))
    inside = assignment[row] == assignment[graph.neighbour]
    links = csr_array((np.ones(int(inside.sum()), np.int8), (row[inside], graph.neighbour[inside])), shape=(n, n))
    label: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return label


def _spread(
    problem: DistrictingProblem, graph: Graph, centres: NDArray[np.int64], assignment: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return centres of which no two are in one unit, and one in every component of the graph; given ones unchanged."""
    if problem.centres is not None:
        return problem.centres
    centres = centres.copy()
    unit_of = problem.candidate_unit
    label = _labels(graph, np.zeros(problem.n_units, np.int32))
    taken = np.zeros(problem.n_units, np.bool_)
    used = np.zeros(len(unit_of), np.bool_)
    astray = []
    for t, c in enumerate(centres):
        u = unit_of[c]
        if used[c] or (u >= 0 and (taken[u] or problem.fixed[u] not in (NOBODY, t) or not _may(problem, u, t))):
            astray.append(t)
            continue
        used[c] = True
        if u >= 0:
            taken[u] = True
    here = np.bincount(label[unit_of[centres[unit_of[centres] >= 0]]], minlength=int(label.max()) + 1)
    for t in astray:
        u = unit_of[centres[t]]
        if u >= 0:
            here[label[u]] -= 1
    has_candidate = np.zeros(len(here), np.bool_)
    has_candidate[label[unit_of[unit_of >= 0]]] = True
    empty = list(np.flatnonzero((here == 0) & has_candidate))
    crowd = here.copy()
    while len(empty) > len(astray):
        # Take from the component with most centres the one that serves fewest units.
        sizes = np.bincount(assignment[assignment >= 0], minlength=problem.n_territories)
        movable = [
            t
            for t in range(problem.n_territories)
            if t not in astray and unit_of[centres[t]] >= 0 and crowd[label[unit_of[centres[t]]]] > 1
        ]
        if not movable:
            break
        t = min(movable, key=lambda s: (-crowd[label[unit_of[centres[s]]]], sizes[s], s))
        crowd[label[unit_of[centres[t]]]] -= 1
        astray.append(t)
    for t in astray:
        inside = np.flatnonzero(assignment == t)
        where = empty.pop(0) if empty else None
        if where is not None:
            inside = np.flatnonzero(label == where)
        elif not len(inside):
            inside = np.arange(problem.n_units)
        free = ~used & ((unit_of < 0) | ~taken[unit_of])
        locked = problem.fixed[unit_of]
        free &= (unit_of < 0) | (
            ((locked == NOBODY) | (locked == t)) & problem.class_allowed[problem.class_of[unit_of], t]
        )
        near = np.zeros(problem.n_units, np.bool_)
        near[inside] = True
        choice = np.flatnonzero(free & (unit_of >= 0) & near[unit_of])
        if not len(choice):
            choice = np.flatnonzero(free)
        if not len(choice):
            continue
        choice = choice[:: max(1, len(choice) // SAMPLE)]
        sample = inside[:: max(1, len(inside) // SAMPLE)]
        cost = problem.costs.submatrix(sample, choice)
        centres[t] = choice[np.where(np.isfinite(cost), cost, 1e12).sum(axis=0).argmin()]
        used[centres[t]] = True
        if unit_of[centres[t]] >= 0:
            taken[unit_of[centres[t]]] = True
    return centres


def _may(problem: DistrictingProblem, unit: int, t: int) -> bool:
    return bool(problem.class_allowed[problem.class_of[unit], t])


def _claim_seeds(
    problem: DistrictingProblem,
    centres: NDArray[np.int64],
    assignment: NDArray[np.int32],
    claimed: NDArray[np.int32],
) -> None:
    """Give every territory without a unit the cheapest unit it may have, to grow from."""
    present = np.zeros(problem.n_territories, np.bool_)
    present[claimed[claimed >= 0]] = True
    present[assignment[(assignment >= 0) & (claimed == NOBODY)]] = True
    for t in np.flatnonzero(~present):
        free = np.flatnonzero((claimed == NOBODY) & problem.class_allowed[problem.class_of, t])
        if len(free):
            cost = problem.costs.submatrix(free, centres[t : t + 1])[:, 0]
            if np.isfinite(cost).any():
                claimed[free[cost.argmin()]] = t


def _claim_paths(
    problem: DistrictingProblem,
    graph: Graph,
    home: NDArray[np.int32],
    given: NDArray[np.int32],
    claimed: NDArray[np.int32],
) -> None:
    """Claim paths between what each territory must have, through its own units where possible."""
    label = _labels(graph, given)
    scattered = []
    for t in range(problem.n_territories):
        must = np.flatnonzero(claimed == t)
        if len(np.unique(label[must])) > 1:
            root = home[t] if home[t] >= 0 and claimed[home[t]] == t else must[0]
            scattered.append((len(must), t, int(root), must))
    for _, t, root, must in sorted(scattered, key=lambda entry: (-entry[0], entry[1])):
        reached = {root}
        missing = set(must.tolist()) - reached
        while missing:
            found = _path(problem, graph, t, reached, missing, given, claimed)
            if not found:
                break
            claimed[found] = t
            reached.update(found)
            missing -= reached


def _path(
    problem: DistrictingProblem,
    graph: Graph,
    t: int,
    reached: set[int],
    missing: set[int],
    given: NDArray[np.int32],
    claimed: NDArray[np.int32],
) -> list[int]:
    """Return the units on the shortest path from what is reached to the nearest of what is missing; empty: none."""
    distance: dict[int, float] = dict.fromkeys(reached, 0.0)
    came: dict[int, int] = {}
    heap = [(0.0, u) for u in sorted(reached)]
    while heap:
        d, u = heappop(heap)
        if d > distance[u]:
            continue
        if u in missing:
            path = []
            while u not in reached:
                path.append(u)
                u = came[u]
            return path
        for v in graph.neighbour[graph.start[u] : graph.start[u + 1]].tolist():
            if claimed[v] not in (NOBODY, t) or not _may(problem, v, t):
                continue
            step = d + (1.0 if given[v] == t else DETOUR)
            if step < distance.get(v, np.inf):
                distance[v], came[v] = step, u
                heappush(heap, (step, v))
    return []


def _pair_costs(
    problem: DistrictingProblem, centres: NDArray[np.int64], unit: NDArray[np.int64], territory: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the cost of each unit at the centre of the territory beside it."""
    cost = np.empty(len(unit))
    order = np.argsort(territory, kind="stable")
    ends = np.searchsorted(territory[order], np.arange(problem.n_territories + 1))
    for t in np.unique(territory):
        rows = order[ends[t] : ends[t + 1]]
        cost[rows] = problem.costs.submatrix(unit[rows], centres[t : t + 1])[:, 0]
    return cost


def keep_pieces(graph: Graph, assignment: NDArray[np.int32], anchor: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the assignment with every piece left without a territory that its territory's anchor is not in.

    Parameters
    ----------
    graph : Graph
    assignment : ndarray of int32, shape (n_units,)
        −1 where a unit has no territory.
    anchor : ndarray of int64, shape (n_territories,)
        A unit of each territory; −1: the largest piece stays.
    """
    label = _labels(graph, assignment)
    size = np.bincount(label)
    piece = np.full(len(anchor), NOBODY, np.int64)
    held = np.flatnonzero(assignment >= 0)
    # Of each territory the largest piece, the first of several: the last one written wins.
    order = held[np.lexsort((-held, size[label[held]]))]
    piece[assignment[order]] = label[order]
    anchored = np.flatnonzero(anchor >= 0)
    piece[anchored] = label[anchor[anchored]]
    out = np.full(len(assignment), NOBODY, np.int32)
    stays = held[label[held] == piece[assignment[held]]]
    out[stays] = assignment[stays]
    return out


def hand_over(
    graph: Graph,
    assignment: NDArray[np.int32],
    n_territories: int,
    price: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]],
) -> None:
    """Give units without a territory to the cheapest one they touch, wave by wave; change ``assignment`` in place.

    ``price`` returns what each unit costs at the territory beside it, +inf where it may not be held.
    """
    row = np.repeat(np.arange(len(assignment)), np.diff(graph.start))
    while True:
        open_link = np.flatnonzero((assignment[row] == NOBODY) & (assignment[graph.neighbour] != NOBODY))
        pair = np.unique(row[open_link] * n_territories + assignment[graph.neighbour[open_link]])
        unit, territory = pair // n_territories, pair % n_territories
        cost = price(unit, territory)
        order = np.lexsort((territory, cost, unit))
        order = order[np.isfinite(cost[order])]
        if not len(order):
            return
        first, position = np.unique(unit[order], return_index=True)
        assignment[first] = territory[order[position]]
