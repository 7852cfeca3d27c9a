"""Whether a territory stays in one piece when a unit leaves it: exact, and cheap where it usually is.

From each of the leaving unit's neighbours inside the territory a breadth-first search starts, all of them in turn. Where
two meet they become one; once there is one left, the territory holds together. On a map that happens on the ring around
the unit, after a handful of steps. Where it does not, the searches go on until all but one are exhausted: what those
have seen is cut off. So the work is that of the smaller pieces, and the answer is never a guess.

Source: searching from both sides until one is exhausted is Even & Shiloach's way to maintain connectivity under
deletions (1981, "An on-line edge-deletion problem"); looking at the ring first is a habit of redistricting codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import Graph

TOO_MANY = -1

SOURCE, QUEUE, CUT = range(3)
"""Columns of ``Scratch.unit``: which search has seen the unit; then lists: units seen, in that order, and the answer."""

JOINED, WAITING, SEEN = range(3)
"""Columns of ``Scratch.search``: the search it has been joined to, its units in the queue, the units it has seen."""


class Scratch(NamedTuple):
    """Room for :func:`cut_off`, made once and used over and over.

    Attributes
    ----------
    unit : ndarray of int32, shape (n_units, 3)
    search : ndarray of int64, shape (largest number of neighbours, 3)
    called : ndarray of int64, shape (n_units + 2,)
        At which call the unit was last seen, which saves clearing. Then the units looked around in all calls so far,
        a measure of work, and the number of calls.
    """

    unit: NDArray[np.int32]
    search: NDArray[np.int64]
    called: NDArray[np.int64]

    @classmethod
    def of(cls, graph: Graph) -> Scratch:
        """Return room enough for a graph."""
        n = len(graph.start) - 1
        most = max(1, int(np.diff(graph.start).max(initial=0)))
        return cls(np.zeros((n, 3), np.int32), np.zeros((most, 3), np.int64), np.zeros(n + 2, np.int64))


@njit(cache=True, nogil=True)
def cut_off(
    start: NDArray[np.int64],
    neighbour: NDArray[np.int32],
    assignment: NDArray[np.int32],
    i: int,
    keep: int,
    most: int,
    patience: int,
    scratch: Scratch,
) -> int:
    """Return how many units lose touch with their territory when unit ``i`` leaves it; 0: it stays in one piece.

    The units are written to column ``CUT`` of ``scratch.unit``. The piece that counts as the territory is the one with unit ``keep``;
    where ``keep`` is −1, the largest. More than ``most``: ``TOO_MANY``, and none are written.

    Parameters
    ----------
    start, neighbour
        The graph.
    assignment : ndarray of int32, shape (n_units,)
        Unit ``i`` is still in its territory.
    i, keep, most : int
        ``keep`` is another unit of the territory that ``i`` is in, or −1.
    patience : int
        Where the searches have looked around so many units and not met, the answer is ``TOO_MANY`` although they might
        have met further on: 0 is proved in every case, and a thin ring around half the map is left as it is.
    scratch : Scratch
    """
    unit, search, called = scratch.unit, scratch.search, scratch.called
    called[-1] += 1
    call = called[-1]
    a = assignment[i]
    called[i] = call
    unit[i, SOURCE] = -1
    tail = 0
    for e in range(start[i], start[i + 1]):
        j = neighbour[e]
        if assignment[j] == a:
            called[j] = call
            unit[j, SOURCE] = tail
            search[tail, JOINED] = tail
            search[tail, WAITING] = 1
            search[tail, SEEN] = 1
            unit[tail, QUEUE] = j
            tail += 1
    n_searches = tail
    if n_searches <= 1:
        return 0
    pieces = n_searches  # searches that have not met
    going = n_searches  # of those, the ones with units left to look at
    front = 0
    while front < tail:
        if front > patience:
            return TOO_MANY
        u = unit[front, QUEUE]
        front += 1
        called[-2] += 1
        s = unit[u, SOURCE]
        while search[s, JOINED] != s:
            s = search[s, JOINED]
        search[s, WAITING] -= 1
        for e in range(start[u], start[u + 1]):
            v = neighbour[e]
            if assignment[v] != a or v == i:
                continue
            if called[v] != call:
                called[v] = call
                unit[v, SOURCE] = s
                search[s, WAITING] += 1
                search[s, SEEN] += 1
                unit[tail, QUEUE] = v
                tail += 1
                continue
            r = unit[v, SOURCE]
            while search[r, JOINED] != r:
                r = search[r, JOINED]
            if r != s:
                # An exhausted search cannot be met: its units have no other neighbours. So both are going.
                search[r, JOINED] = s
                search[s, WAITING] += search[r, WAITING]
                search[s, SEEN] += search[r, SEEN]
                pieces -= 1
                going -= 1
                if pieces == 1:
                    return 0
        if search[s, WAITING] == 0:
            if most == 0:
                return TOO_MANY
            going -= 1
            if going == 0:
                break
        if going == 1:
            # All pieces but one are known. Is that one the territory, or must its units be known too?
            largest, last = 0, -1
            lost = 0
            for r in range(n_searches):
                if search[r, JOINED] == r:
                    if search[r, WAITING] > 0:
                        last = r
                    else:
                        lost += search[r, SEEN]
                        largest = max(largest, search[r, SEEN])
            if keep >= 0:
                kept = -1
                if called[keep] == call:
                    kept = unit[keep, SOURCE]
                    while search[kept, JOINED] != kept:
                        kept = search[kept, JOINED]
                if (kept + 1) * (kept - last) == 0:
                    if lost > most:
                        return TOO_MANY
                    break
                if search[last, SEEN] > most:
                    return TOO_MANY
            elif search[last, SEEN] >= largest:
                if lost > most:
                    return TOO_MANY
                break
    main = -1
    if keep >= 0:
        if called[keep] == call:
            main = unit[keep, SOURCE]
            while search[main, JOINED] != main:
                main = search[main, JOINED]
        else:
            for r in range(n_searches):
                if search[r, JOINED] == r and search[r, WAITING] > 0:
                    main = r
    else:
        for r in range(n_searches):
            if search[r, JOINED] != r:
                continue
            # A search with units left to look at is larger than what it has seen.
            more = 1 if search[r, WAITING] > 0 else 0
            if main < 0 or search[r, SEEN] + more > search[main, SEEN]:
                main = r
    count = 0
    for position in range(tail):
        u = unit[position, QUEUE]
        s = unit[u, SOURCE]
        while search[s, JOINED] != s:
            s = search[s, JOINED]
        if s != main:
            if count == most:
                return TOO_MANY
            unit[count, CUT] = u
            count += 1
    return count
