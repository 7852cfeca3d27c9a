"""In how many pieces territories are while geographic units change hands."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence


class Pieces:
    """Which geographic units each rep has, and in how many pieces they lie, as moves are made one after another.

    A unit belongs to everybody who has an account in it: today several reps may share one. A unit without accounts
    belongs to whoever has it in the plan, from the start: it connects what lies around it, but is no piece by itself.

    Parameters
    ----------
    neighbours : sequence of sequences of int
        The units that each unit touches.
    occupied : sequence of sets of int, one a rep
        The units in which the rep has accounts today.
    empty : sequence of sets of int, one a rep
        The units without accounts that the rep has in the plan.
    target : sequence of int, one a move
        The rep each move goes to.
    left : sequence of dicts, one a move
        For every unit that moves, the reps who have accounts in it until then.
    """

    def __init__(
        self,
        neighbours: Sequence[Sequence[int]],
        occupied: Sequence[set[int]],
        empty: Sequence[set[int]],
        target: Sequence[int],
        left: Sequence[dict[int, tuple[int, ...]]],
    ) -> None:
        self._neighbours, self._empty = neighbours, empty
        self._occupied = [set(units) for units in occupied]
        self._target, self._left = target, left
        self.extra = [self._extra(rep, units) for rep, units in enumerate(self._occupied)]
        """Pieces beyond the first, by rep; 0 for a rep who has nothing."""

    def after(self, moves: Iterable[int]) -> dict[int, int]:
        """Return the pieces beyond the first that the reps concerned would have once some moves are made."""
        gone: dict[int, set[int]] = {}
        come: dict[int, set[int]] = {}
        for move in moves:
            come.setdefault(self._target[move], set()).update(self._left[move])
            for unit, reps in self._left[move].items():
                for rep in reps:
                    gone.setdefault(rep, set()).add(unit)
        return {rep: self._with(rep, gone.get(rep, set()), come.get(rep, set())) for rep in sorted({*gone, *come})}

    def make(self, moves: Iterable[int]) -> None:
        """Make some moves."""
        moves = list(moves)
        for rep, extra in self.after(moves).items():
            self.extra[rep] = extra
        for move in moves:
            for unit, reps in self._left[move].items():
                for rep in reps:
                    self._occupied[rep].discard(unit)
            self._occupied[self._target[move]].update(self._left[move])

    def _with(self, rep: int, gone: set[int], come: set[int]) -> int:
        """Return the pieces beyond the first once a rep has lost some units and got others."""
        if not gone:
            come = come - self._occupied[rep]
        if not gone and not come:
            return self.extra[rep]
        if len(gone) + len(come) == 1 and self._occupied[rep] and not self._matters(rep, *gone, *come):
            return self.extra[rep]
        return self._extra(rep, (self._occupied[rep] - gone) | come)

    def _matters(self, rep: int, unit: int) -> bool:
        """Whether the number of pieces may change when a rep gets or loses one unit.

        It does not where the units of the rep's that it touches hang together without it: those are soon found, whereas
        counting pieces goes through the whole territory. One of them must have accounts, since others are no piece.
        """
        occupied, empty, neighbours = self._occupied[rep], self._empty[rep], self._neighbours
        touched = [other for other in neighbours[unit] if other in occupied or other in empty]
        if not any(other in occupied for other in touched):
            return True
        seen, wanted = {unit, touched[0]}, set(touched[1:])
        ahead = deque(touched[:1])
        while ahead and wanted:
            for other in neighbours[ahead.popleft()]:
                if other not in seen and (other in occupied or other in empty):
                    seen.add(other)
                    wanted.discard(other)
                    ahead.append(other)
        return bool(wanted)

    def _extra(self, rep: int, occupied: set[int]) -> int:
        if not occupied:
            return 0
        empty, neighbours = self._empty[rep], self._neighbours
        unseen, pieces = set(occupied), 0
        unseen_empty = set(empty)
        while unseen:
            pieces += 1
            reached = [unseen.pop()]
            while reached:
                for unit in neighbours[reached.pop()]:
                    if unit in unseen:
                        unseen.discard(unit)
                        reached.append(unit)
                    elif unit in unseen_empty:
                        unseen_empty.discard(unit)
                        reached.append(unit)
        return pieces - 1
