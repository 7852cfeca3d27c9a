"""What each step of a move list is good for, in words computed from the loads before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from territory_engine.grammar import counted
from territory_engine.wording import distance_unit, limit_text, loads_are_whole, noun, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scenarios.alignment_change import AlignmentChange
    from scenarios.pieces import Pieces

_MOST_TOLD = 3


@dataclass
class _Relief:
    """The last step that took load off a limit, and how much."""

    step: int
    amount: float


class MoveWords:
    """Replays the steps, and tells of each what it mends, what it makes room for, and what travel it saves.

    Parameters
    ----------
    change : AlignmentChange
    steps : sequence of sequences of int
        Units, step by step.
    rows_of : sequence of ndarray of int
        The changing accounts of each step.
    """

    def __init__(
        self, change: AlignmentChange, steps: Sequence[Sequence[int]], rows_of: Sequence[NDArray[np.intp]]
    ) -> None:
        self._change, self._steps, self._rows_of = change, steps, rows_of
        problem = change.problem
        self._rep_ids = [str(rep) for rep in problem.reps.index]
        self._whole = {rule.measure: loads_are_whole(problem, rule.measure) for rule in change.rules}
        self._unit = distance_unit(problem)
        self._room: dict[int, list[str]] = {}

    def buys(self) -> list[str]:
        """Return what each account's move is good for, in the order of the list."""
        change = self._change
        told = self._told_by_step()
        sentences: list[str] = []
        for step, (rows, mended) in enumerate(zip(self._rows_of, told, strict=True)):
            parts = [*mended[:_MOST_TOLD], *self._room.get(step, [])[:_MOST_TOLD]]
            together = f"with the rest of step {step + 1}: " if len(rows) > 1 and parts else ""
            for row in rows.tolist():
                own = [self._travel(change.travel_before[row] - change.travel_after[row])]
                if change.owner[row] < 0:
                    own.insert(0, "gives the account a rep")
                elif change.misplaced[row]:
                    own.insert(0, f"takes it from {self._rep_ids[change.owner[row]]}, who may not have it")
                whole = together + "; ".join(parts)
                sentences.append("; ".join(part for part in (*own[:-1], whole, own[-1]) if part))
        return sentences

    def _told_by_step(self) -> list[list[str]]:
        """Replay the steps; return what each mends, and keep which of them make room for which later ones."""
        change = self._change
        loads = {measure: today.copy() for measure, today in change.loads_today.items()}
        pieces = change.pieces()
        relief: dict[tuple[int, int], _Relief] = {}
        told = []
        for step, (units, rows) in enumerate(zip(self._steps, self._rows_of, strict=True)):
            difference = self._difference(rows)
            mended = []
            for rep in sorted(difference):
                for k, (measure, side, limits) in enumerate(change.limits):
                    before, by = float(loads[measure][rep]), difference[rep][measure]
                    if by == 0.0 or not np.isfinite(limits[rep]):
                        continue
                    sentence = self._mended(rep, measure, side, before, before + by, float(limits[rep]))
                    if sentence:
                        mended.append(sentence)
                    self._note_room(relief, (rep, k), step, rows, before, by, float(limits[rep]), side)
            for rep, of_rep in difference.items():
                for measure, by in of_rep.items():
                    loads[measure][rep] += by
            if pieces is not None:
                mended += self._joined(pieces, units)
            mended += ["brings together what several reps share"] if any(change.split[u] > 0 for u in units) else []
            told.append(mended)
        return told

    def _difference(self, rows: NDArray[np.intp]) -> dict[int, dict[str, float]]:
        """Return by how much a step changes the loads of the reps concerned."""
        change = self._change
        found: dict[int, dict[str, float]] = {}
        for row in rows.tolist():
            for rep, sign, loads in (
                (int(change.target[row]), 1.0, change.loads_after),
                (int(change.owner[row]), -1.0, change.loads_before),
            ):
                if rep >= 0:
                    of_rep = found.setdefault(rep, dict.fromkeys(loads, 0.0))
                    for measure, values in loads.items():
                        of_rep[measure] += sign * float(values[row])
        return found

    def _mended(self, rep: int, measure: str, side: str, before: float, after: float, limit: float) -> str:
        """Say from what to what a load comes that was beyond its limit; nothing where it was not, or comes no nearer."""
        sign = 1.0 if side == "upper" else -1.0
        if sign * (before - limit) <= 1e-9 * max(1.0, abs(limit)) or sign * (before - after) <= 0:
            return ""
        bound = limit_text(limit, side, whole=self._whole[measure])
        old, new = _told_apart(before, after)
        return f"brings {self._rep_ids[rep]}'s {noun(measure).removeprefix('of ')} from {old} to {new}, {'limit' if side == 'upper' else 'at least'} {bound}"

    def _note_room(
        self,
        relief: dict[tuple[int, int], _Relief],
        at: tuple[int, int],
        step: int,
        rows: NDArray[np.intp],
        before: float,
        by: float,
        limit: float,
        side: str,
    ) -> None:
        """Keep the last step that took load off a limit, and tell it what it made possible once a step needs that."""
        sign = 1.0 if side == "upper" else -1.0
        if sign * by < 0:
            relief[at] = _Relief(step, -sign * by)
            return
        earlier = relief.get(at)
        if earlier is None or sign * (before + by - limit) + earlier.amount <= 1e-9 * max(1.0, abs(limit)):
            return
        del relief[at]
        rep, change = at[0], self._change
        if side == "upper":
            moving = int((change.target[rows] == rep).sum())
            words = f"makes room at {self._rep_ids[rep]} for {counted(moving, 'account')} of step {step + 1}"
        else:
            moving = int((change.owner[rows] == rep).sum())
            words = f"lets {self._rep_ids[rep]} give up {counted(moving, 'account')} in step {step + 1}"
        told = self._room.setdefault(earlier.step, [])
        if words not in told:
            told.append(words)

    def _joined(self, pieces: Pieces, units: Sequence[int]) -> list[str]:
        """Make a step in the pieces, and say whose territory it leaves in fewer."""
        before = list(pieces.extra)
        pieces.make(units)
        return [
            f"leaves {self._rep_ids[rep]}'s territory in {'one piece' if not after else f'{after + 1:,} pieces'} instead of {then + 1:,}"
            for rep, (then, after) in enumerate(zip(before, pieces.extra, strict=True))
            if after < then
        ]

    def _travel(self, saved: float) -> str:
        if not np.isfinite(saved):
            return ""
        amount = number(abs(saved))
        if amount == "0":
            return "travel stays as it is"
        return f"saves {amount} {self._unit}" if saved > 0 else f"costs {amount} {self._unit} more"


def _told_apart(before: float, after: float) -> tuple[str, str]:
    """Return two different numbers as texts that differ."""
    old, new = number(before), number(after)
    if old == new:
        old, new = (f"{value:,.9g}" for value in (before, after))
    return old, new
