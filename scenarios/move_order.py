"""In which order to make moves so that one may stop after any of them: arrays in, steps out.

A rule must never be more broken than it was at the start, and where possible not more than after the step before. What
is left to do always leads to the plan, so that all of it together is possible; the question is how small the steps can be.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scenarios.pieces import Pieces

# Less than this of a territory's usual load is no mending: it is the last digits of a sum.
_NOTHING = 1e-9
# How many beginnings of a bundle are tried, and of how many moves the bundles may be, small ones first.
_BEGINNINGS = 32
_BUNDLE_SIZES = (2, 3, 6)
_LONG_BEGINNINGS = 4
_LOOKED_AT = 40  # candidates whose pieces are counted: that takes longer than adding loads up
_PRUNED_UP_TO = 64


@dataclass(frozen=True, eq=False)
class Moves:
    """What changes hands, each move whole: an account, a group, or a geographic unit's accounts.

    A move has a leg for the rep who gets it and one for every rep who has a part of it today. A rule is one limit of one
    measure, written so that a value at most the limit keeps it: a lower limit has both signs turned.

    Attributes
    ----------
    leg_start : ndarray of int, shape (n_moves + 1,)
        The first leg of each move; the legs of a move follow each other, one rep each.
    leg_rep : ndarray of int, shape (n_legs,)
    leg_change : ndarray of float64, shape (n_legs, n_rules)
        What the move adds to the rep's value.
    value, limit, slack : ndarray of float64, shape (n_reps, n_rules)
        Values before the first move; inf where there is no limit; by how much rounding may pass a limit.
    scale : ndarray of float64, shape (n_rules,)
        A territory's usual load, in which broken limits are compared across measures.
    mends : ndarray of float64, shape (n_moves,)
        What else the move mends, in territories: accounts that nobody has or that their rep may not have.
    worth : ndarray of float64, shape (n_moves,)
        What is preferred among moves that mend equally: the larger, the earlier.
    pieces : Pieces or None
        Where territories are connected. It is changed as the moves are made.
    """

    leg_start: NDArray[np.intp]
    leg_rep: NDArray[np.intp]
    leg_change: NDArray[np.float64]
    value: NDArray[np.float64]
    limit: NDArray[np.float64]
    slack: NDArray[np.float64]
    scale: NDArray[np.float64]
    mends: NDArray[np.float64]
    worth: NDArray[np.float64]
    pieces: Pieces | None = None

    def legs_of(self, moves: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the legs of some moves, one after another, and where each move's begin."""
        count = self.leg_start[moves + 1] - self.leg_start[moves]
        first = np.cumsum(count) - count
        return np.repeat(self.leg_start[moves] - first, count) + np.arange(count.sum()), first


def in_order(moves: Moves) -> list[list[int]]:
    """Return the moves as steps, in the order in which to make them.

    Most steps are one move. Where no single move is possible, a step is a bundle, such as a swap. First come the steps that
    mend most, then those of most worth.

    Parameters
    ----------
    moves : Moves

    Returns
    -------
    list of list of int
        Every move once. After each step every rule is at most as broken as at the start.
    """
    return _Ordering(moves).steps()


@dataclass(eq=False)
class _Legs:
    """The legs on one rep, in arrays of their own: these are looked at again whenever the rep's loads change.

    ``gain`` and ``excess`` are what each leg mends, and breaks beyond now; ``calm`` says that both are 0 throughout.
    """

    move: NDArray[np.intp]
    change: NDArray[np.float64]
    most: NDArray[np.float64]
    gain: NDArray[np.float64]
    excess: NDArray[np.float64]
    calm: bool = True


class _Ordering:
    """The moves still to make, and what each of them would do now."""

    def __init__(self, moves: Moves) -> None:
        self.moves, self.pieces = moves, moves.pieces
        n_moves = len(moves.leg_start) - 1
        self.value = moves.value.copy()
        # The plan keeps its rules; if it does not, at least all moves together must be possible.
        end = moves.value.copy()
        np.add.at(end, moves.leg_rep, moves.leg_change)
        self.limit = np.maximum(moves.limit, end)
        self.start = np.maximum(self.limit, moves.value) + moves.slack
        self.extra_start, self.extra_end = [], dict[int, int]()
        if self.pieces is not None:
            self.extra_end = self.pieces.after(range(n_moves))
            self.extra_start = [max(n, self.extra_end.get(rep, 0)) for rep, n in enumerate(self.pieces.extra)]
        self.left = np.ones(n_moves, np.bool_)
        self.per_load = 1 / moves.scale
        self.gain, self.excess = moves.mends.copy(), np.zeros(n_moves)
        # Counted, not added up: whether a move is possible must not hang on the last digits of a sum.
        self.broken = np.zeros(n_moves, np.int64)
        # Of moves that are possible now: what they mend and what they are worth; of the others −inf.
        self.mending, self.worth = np.full(n_moves, -np.inf), np.full(n_moves, -np.inf)
        self.on_rep = self._legs_by_rep(n_moves)
        for rep in range(len(moves.value)):
            self._look_at(rep)
        self._offer(np.arange(n_moves))

    def _legs_by_rep(self, n_moves: int) -> list[_Legs]:
        moves = self.moves
        leg_move = np.repeat(np.arange(n_moves), np.diff(moves.leg_start))
        order = np.argsort(moves.leg_rep, kind="stable")
        first = np.searchsorted(moves.leg_rep[order], np.arange(len(moves.value) + 1))
        found = []
        for a, b in itertools.pairwise(first.tolist()):
            change = moves.leg_change[order[a:b]]
            most = change.max(axis=0, initial=0.0)
            found.append(_Legs(leg_move[order[a:b]], change, most, np.zeros(b - a), np.zeros(b - a)))
        return found

    def steps(self) -> list[list[int]]:
        """Return the moves as :func:`in_order` does."""
        found = []
        while self.left.any():
            step = self._single() or self._bundle(self._now(), self._extra_now()) or self._single_from_start()
            step = step or self._bundle(self.start, self.extra_start, any_size=True)
            step = step or np.flatnonzero(self.left).tolist()
            self._make(step)
            found.append(step)
        return found

    # What is allowed ------------------------------------------------------------------------------------------------

    def _now(self) -> NDArray[np.float64]:
        """Return the values at which no rule is more broken than now."""
        now = np.maximum(self.limit, self.value)
        return np.maximum(np.minimum(now + self.moves.slack, self.start), now)

    def _extra_now(self) -> list[int]:
        if self.pieces is None:
            return []
        return [max(n, self.extra_end.get(rep, 0)) for rep, n in enumerate(self.pieces.extra)]

    def _torn(self, step: Sequence[int], allowed: list[int]) -> dict[int, int]:
        """Return by how many pieces too many territories would be torn by a step."""
        if self.pieces is None:
            return {}
        return {rep: n - allowed[rep] for rep, n in self.pieces.after(step).items() if n > allowed[rep]}

    # Moves one by one -----------------------------------------------------------------------------------------------

    def _look_at(self, rep: int) -> None:
        """Work out what every move to or from a rep would do there now."""
        legs = self.on_rep[rep]
        value, limit = self.value[rep], self.limit[rep]
        if legs.calm and (value + legs.most <= limit).all():
            return
        # What rounding may pass a limit by is given once, not with every step.
        slack = np.clip(self.start[rep] - np.maximum(value, limit), 0.0, self.moves.slack[rep])
        change = np.maximum(value + legs.change - limit, 0.0) - np.maximum(value - limit, 0.0)
        gain = -(change @ self.per_load)
        excess = np.maximum(change - slack, 0.0) @ self.per_load
        self.gain[legs.move] += gain - legs.gain
        self.excess[legs.move] += excess - legs.excess
        self.broken[legs.move] += (excess > 0).astype(np.int64) - (legs.excess > 0)
        legs.gain, legs.excess = gain, excess
        legs.calm = not (gain.any() or excess.any())

    def _offer(self, some: NDArray[np.intp]) -> None:
        """Offer those of some moves that break nothing now."""
        possible = self.left[some] & (self.broken[some] == 0)
        self.mending[some] = np.where(possible, self.gain[some], -np.inf)
        self.worth[some] = np.where(possible, self.moves.worth[some], -np.inf)

    def _single(self) -> list[int]:
        """Return the best move that leaves no rule more broken than now; nothing where there is none."""
        allowed = self._extra_now()
        while True:
            best = int(self.mending.argmax())
            most = self.mending[best]
            if most == -np.inf:
                return []
            if most > _NOTHING:
                equal = np.flatnonzero(self.mending >= most - _NOTHING)
                best = int(equal[self.worth[equal].argmax()])
            else:
                best = int(self.worth.argmax())
            if not self._torn([best], allowed):
                return [best]
            # Until one of its reps changes, asking again would give the same answer.
            self.mending[best] = self.worth[best] = -np.inf

    def _single_from_start(self) -> list[int]:
        """Return the move that breaks rules least beyond now, among those that break none more than at the start."""
        some = np.flatnonzero(self.left)
        legs, first = self.moves.legs_of(some)
        reps = self.moves.leg_rep[legs]
        over = (self.value[reps] + self.moves.leg_change[legs] > self.start[reps]).any(axis=1)
        some = some[~np.logical_or.reduceat(over, first)]
        order = np.lexsort((-self.moves.worth[some], self.excess[some]))
        for move in some[order[: None if self.pieces is None else 5 * _LOOKED_AT]].tolist():
            if not self._torn([move], self.extra_start):
                return [move]
        return []

    def _make(self, step: list[int]) -> None:
        moves = self.moves
        made = np.array(step, np.intp)
        legs, _ = moves.legs_of(made)
        np.add.at(self.value, moves.leg_rep[legs], moves.leg_change[legs])
        if self.pieces is not None:
            self.pieces.make(step)
        self.left[made] = False
        self.mending[made] = self.worth[made] = -np.inf
        for rep in np.unique(moves.leg_rep[legs]).tolist():
            self._look_at(rep)
            here = self.on_rep[rep]
            left = self.left[here.move]
            if 2 * left.sum() < len(left):
                here.move, here.change = here.move[left], here.change[left]
                here.gain, here.excess = here.gain[left], here.excess[left]
            self._offer(here.move)

    # Bundles --------------------------------------------------------------------------------------------------------

    def _bundle(self, allowed: NDArray[np.float64], extra: list[int], *, any_size: bool = False) -> list[int]:
        """Return a bundle of moves that is possible together, as small as one was found; nothing where none was."""
        some = np.flatnonzero(self.left)
        if len(some) > 8 * _BEGINNINGS:
            some = some[np.argpartition(self.excess[some], 8 * _BEGINNINGS)[: 8 * _BEGINNINGS]]
        order = np.lexsort((-self.moves.worth[some], self.excess[some]))
        beginnings = some[order[:_BEGINNINGS]].tolist()
        for most in _BUNDLE_SIZES:
            for beginning in beginnings:
                if found := self._grown(beginning, allowed, extra, most):
                    return self._pruned(found, allowed, extra)
        if not any_size:
            return []
        grown = [self._grown(begun, allowed, extra, len(self.left)) for begun in beginnings[:_LONG_BEGINNINGS]]
        return min((self._pruned(bundle, allowed, extra) for bundle in grown if bundle), key=len, default=[])

    def _grown(self, beginning: int, allowed: NDArray[np.float64], extra: list[int], most: int) -> list[int]:
        """Add to a move, one by one, what mends best what the bundle so far would break; nothing beyond `most` moves."""
        moves, value = self.moves, self.value.copy()
        bundle: list[int] = []
        free = self.left.copy()
        latest = beginning
        while True:
            bundle.append(latest)
            free[latest] = False
            legs = slice(moves.leg_start[latest], moves.leg_start[latest + 1])
            value[moves.leg_rep[legs]] += moves.leg_change[legs]
            over = (np.maximum(value - allowed, 0.0) / moves.scale).sum(axis=1)
            broken = np.flatnonzero(over).tolist()
            by_loads = bool(broken)
            if not by_loads:
                broken = list(self._torn(bundle, extra))
                if not broken:
                    return bundle
            if len(bundle) >= most:
                return []
            some = np.unique(np.concatenate([self.on_rep[rep].move for rep in broken]))
            some = some[free[some]]
            if not len(some):
                return []
            left_over = self._over_with(some, value, allowed, over)
            order = np.lexsort((-moves.worth[some], left_over))
            if not by_loads:
                order = order[:_LOOKED_AT]
                torn = [sum(self._torn([*bundle, move], extra).values()) for move in some[order].tolist()]
                order = order[np.lexsort((left_over[order], np.array(torn)))]
            latest = int(some[order[0]])

    def _over_with(
        self,
        some: NDArray[np.intp],
        value: NDArray[np.float64],
        allowed: NDArray[np.float64],
        over: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return how much more or less is broken when each of some moves is added to a bundle."""
        legs, first = self.moves.legs_of(some)
        reps = self.moves.leg_rep[legs]
        after = np.maximum(value[reps] + self.moves.leg_change[legs] - allowed[reps], 0.0) / self.moves.scale
        return np.asarray(np.add.reduceat(after.sum(axis=1) - over[reps], first))

    def _pruned(self, bundle: list[int], allowed: NDArray[np.float64], extra: list[int]) -> list[int]:
        """Return the bundle without the moves that it is possible without."""
        if not 2 < len(bundle) <= _PRUNED_UP_TO:
            return bundle
        for move in list(bundle):
            without = [other for other in bundle if other != move]
            if without and self._possible(without, allowed, extra):
                bundle = without
        return bundle

    def _possible(self, step: list[int], allowed: NDArray[np.float64], extra: list[int]) -> bool:
        legs, _ = self.moves.legs_of(np.array(step, np.intp))
        value = self.value.copy()
        np.add.at(value, self.moves.leg_rep[legs], self.moves.leg_change[legs])
        return bool((value <= allowed).all()) and not self._torn(step, extra)
