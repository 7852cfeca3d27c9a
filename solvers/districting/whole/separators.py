"""Connection as linear constraints, found where a solution breaks them.

C separates a from b when every path between them goes through C. Then, for every slot s,

    x_as ≤ Σ_{c in C} x_cs              where the slot's own unit is beyond C
    x_as + x_bs − Σ_{c in C} x_cs ≤ y_s   for any a, b

Only minimal separators are used: no unit of C could be left out.

Source: Carvajal et al. 2013, Operations Research 61; Oehrlein & Haunert 2017, Journal of Spatial Information Science 15;
Validi, Buchanan & Lykhovyd 2022, Operations Research 70.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.whole.formulation import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from solvers.districting.problem import Graph
    from solvers.districting.whole.formulation import Formulation


@dataclass(frozen=True)
class Separator:
    """``inside`` is what ``border`` cuts off; ``apart`` is the units on the inner side that the cut is stated for.

    ``beyond`` is a unit on the other side, for slots without a unit of their own.
    """

    apart: tuple[int, ...]
    border: tuple[int, ...]
    inside: frozenset[int]
    beyond: int


class Neighbours:
    """The graph as lists, and what is reachable in it."""

    def __init__(self, graph: Graph) -> None:
        self.of = [graph.neighbour[graph.start[i] : graph.start[i + 1]].tolist() for i in range(len(graph.start) - 1)]

    def pieces(self, units: Iterable[int]) -> list[list[int]]:
        """Return the connected pieces of some units."""
        left, pieces = set(units), []
        for first in sorted(left):
            if first in left:
                piece = [first]
                left.discard(first)
                for i in piece:
                    for j in self.of[i]:
                        if j in left:
                            left.discard(j)
                            piece.append(j)
                pieces.append(piece)
        return pieces

    def reach(self, first: Iterable[int], without: set[int]) -> set[int]:
        """Return what can be reached from some units without entering others."""
        seen = set(first)
        queue = list(seen)
        for i in queue:
            for j in self.of[i]:
                if j not in seen and j not in without:
                    seen.add(j)
                    queue.append(j)
        return seen

    def separator(self, piece: list[int], other: int) -> Separator:
        """Return the minimal separator next to a connected piece that parts it from another unit."""
        around = {j for i in piece for j in self.of[i]}.difference(piece)
        far = self.reach([other], around)
        border = {c for c in around if any(j in far for j in self.of[c])}
        inside = self.reach(piece, border)
        return Separator(tuple(sorted(piece)), tuple(sorted(border)), frozenset(inside), other)

    def separator_near(self, piece: list[int], other: list[int]) -> Separator:
        """Return the minimal separator next to the other, connected, side that parts a piece from it."""
        turned = self.separator(other, piece[0])
        border = set(turned.border)
        inside = self.reach(piece, border)
        return Separator(tuple(sorted(piece)), turned.border, frozenset(inside), other[0])


def broken_connections(
    neighbours: Neighbours, slot_of: NDArray[np.int64], slots: NDArray[np.int64], root: NDArray[np.int64]
) -> list[Separator]:
    """Return separators that a solution breaks: for every piece of a slot that is apart from its main piece.

    Parameters
    ----------
    neighbours : Neighbours
    slot_of : ndarray of int64, shape (n_units,)
    slots : ndarray of int64
        The open slots.
    root : ndarray of int64, shape (n_slots,)
        Unit of each slot, −1 for none: then the largest piece is the main one.
    """
    found = []
    for s in slots:
        pieces = neighbours.pieces(np.flatnonzero(slot_of == s).tolist())
        if len(pieces) < 2:
            continue
        main = next((p for p in pieces if root[s] in p), max(pieces, key=len))
        start = int(root[s]) if root[s] >= 0 else main[0]
        for piece in pieces:
            if piece is not main:
                found.append(neighbours.separator(piece, start))
                found.append(neighbours.separator_near(piece, main))
    return found


def add_separators(rows: Rows, form: Formulation, separators: Iterable[Separator]) -> None:
    """Add the constraints of separators, for every slot they are valid for."""
    column, p = form.column, form.n_pairs
    for cut in separators:
        border = np.array(cut.border, np.int64)
        for a in cut.apart:
            for s in np.flatnonzero(column[a] >= 0):
                r = int(form.slot_root[s])
                through = column[border, s]
                through = through[through >= 0]
                if r >= 0:
                    if r not in cut.inside and r not in cut.border:
                        rows.add(np.append(through, column[a, s]), _signs(len(through), 1), 0.0, np.inf)
                elif column[cut.beyond, s] >= 0:
                    columns = np.concatenate([through, [column[a, s], column[cut.beyond, s], p + s]])
                    rows.add(columns, _signs(len(through), 2, 1), 0.0, np.inf)


def _signs(through: int, apart: int, slots: int = 0) -> NDArray[np.float64]:
    return np.concatenate([np.ones(through), -np.ones(apart), np.ones(slots)])


def next_door(form: Formulation, graph: Graph) -> Rows:
    """Return, for every pair apart from its slot's unit, that a neighbour must come too: the nearest separators.

    A row per pair: for a linear relaxation to be cut by, rather than for a model to begin with.
    """
    neighbours, column, out = Neighbours(graph), form.column, Rows.none()
    for q in range(form.n_pairs):
        i, s = int(form.pair_unit[q]), int(form.pair_slot[q])
        r = int(form.slot_root[s])
        if r < 0 or r == i or r in neighbours.of[i]:
            continue
        through = column[np.array(neighbours.of[i], np.int64), s]
        through = through[through >= 0]
        out.add(np.append(through, q), _signs(len(through), 1), 0.0, np.inf)
    return out
