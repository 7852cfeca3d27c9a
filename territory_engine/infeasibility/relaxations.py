"""The least change of the rules that makes a plan possible; only changes under which a plan was found are named.

A relaxation's price is the share of the plan that the old rule would no longer hold for: of the accounts or of the
measure's load. The cheapest comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from solvers.feasibility import fill, find_any
from solvers.infeasibility import Deadline
from solvers.ladder import solve
from solvers.problem import AssignmentProblem, TableCosts
from territory_engine.infeasibility.conflict_wording import rounded_up, step_of
from territory_engine.infeasibility.limit_moves import limit_moves, stretch_of_tolerance, under
from territory_engine.infeasibility.mends import WAYS, mend, price_of
from territory_engine.infeasibility.permissions import Permissions
from territory_engine.infeasibility.rule_edits import (
    Drop,
    Extend,
    MaxTravel,
    Relaxation,
    Split,
    Tolerance,
    Unlock,
    without,
)
from territory_engine.model import build_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.infeasibility.explanation import Explanation
    from territory_engine.infeasibility.limit_moves import Move
    from territory_engine.infeasibility.rule_edits import Edit
    from territory_engine.problem import PlanningProblem

MOST = 5
"""So many relaxations are named."""

QUICK_S = 4.0
"""One attempt to find a plan under a relaxation takes no longer than this."""

STEPS = 1024
"""A limit that does not do is widened by at most so many steps."""

SINGLES = 2
"""Moving the limit of one rep is named for at most so many reps."""

FAR = 5.0
"""One rep's limit is not moved where all reps' limits can be moved at a price so many times lower."""

TABLE_PAIRS = 1_000_000
"""Where there are more pairs than this, changes are not chosen by solving for the fewest."""


Explain = Callable[["Permissions", Deadline], "Explanation | None"]
"""Returns the conflict of a problem; None where none is found in the time."""


def find_relaxations(
    permissions: Permissions, explanation: Explanation, deadline: Deadline, explain: Explain
) -> tuple[list[Relaxation], list[str]]:
    """Return the relaxations found, cheapest first, and what to tell the planner about them.

    Parameters
    ----------
    permissions : Permissions
    explanation : Explanation
        The conflict.
    deadline : Deadline
    explain : callable
        Finds the conflict that is left where a change mends the first one only.

    Returns
    -------
    relaxations : list of Relaxation
        A plan was found under each of them.
    sentences : list of str
        One per relaxation; without any, what is proved to be needed at the least, and says so.
    """
    search = _Search(permissions, explanation, deadline, explain)
    found = search.run(MOST)
    if found:
        return found, [r.words(permissions.planning) for r in found]
    return [], [
        f"{words}, at the least: whether that is enough was not found in the time" for words in search.needed[:MOST]
    ]


class _Search:
    """The search for relaxations of one conflict; ``deeper`` of its changes may be mended again."""

    def __init__(
        self, permissions: Permissions, explanation: Explanation, deadline: Deadline, explain: Explain, deeper: int = 1
    ) -> None:
        self.permissions, self.explanation, self.deadline = permissions, explanation, deadline
        self.explain, self.deeper = explain, deeper
        self.planning, self.model = permissions.planning, permissions.model
        self.small = self.model.problem.n_units * self.model.problem.n_territories <= TABLE_PAIRS
        self.needed: list[str] = []

    def run(self, most: int) -> list[Relaxation]:
        """Return verified relaxations, cheapest first."""
        found: list[Relaxation] = []
        self._take(self._structural(), found, most)
        before = len(found)
        self._take(self._limits(), found, most)
        if len(found) == before and not self.deadline.passed:
            self._take(self._together(), found, most)
        if not found:
            self._take(self._last_resort(), found, most)
        return sorted(found, key=lambda r: r.price)[:most]

    def _take(self, relaxations: Iterator[Relaxation], found: list[Relaxation], most: int) -> None:
        """Add relaxations to those found, each once, until there are plenty or the time is up."""
        for relaxation in relaxations:
            if all(relaxation.edits != other.edits for other in found):
                found.append(relaxation)
            if len(found) >= 2 * most or self.deadline.passed:
                return

    # Verification

    def possible(self, planning: PlanningProblem) -> bool:
        """Whether a plan is found that keeps the rules of this problem."""
        return not self.deadline.passed and self._found(build_model(planning).problem)

    def possible_under(self, planning: PlanningProblem) -> bool:
        """Whether a plan is found for this problem, which differs from the present one in limits alone."""
        return not self.deadline.passed and self._found(under(self.model, planning))

    def _found(self, problem: AssignmentProblem) -> bool:
        if fill(problem, time_limit_s=self.deadline.left_s) is not None:
            return True
        if not self.small or self.deadline.passed:
            return False
        seconds = self.deadline.within(QUICK_S).left_s
        result = find_any(problem, time_limit_s=seconds, seed=self.planning.config.solve.seed)
        return result.assignment is not None

    def smallest_step(self, works: Callable[[int], bool]) -> int | None:
        """Return the least number of steps that was seen to work, by doubling and halving; None if none was."""
        last, step = -1, 0
        while not works(step):
            if step >= STEPS or self.deadline.passed:
                return None
            last, step = step, max(1, 2 * step)
        while step - last > 1 and not self.deadline.passed:
            middle = (last + step) // 2
            if works(middle):
                step = middle
            else:
                last = middle
        return step

    def completed(self, edits: tuple[Edit, ...], price: float) -> Relaxation | None:
        """Return the edits as a relaxation, with what mends the conflict that they leave; None if nothing does."""
        relaxation = Relaxation(edits, price)
        changed = relaxation.applied(self.planning)
        if self.possible(changed):
            return relaxation
        if self.deeper == 0 or self.deadline.passed:
            return None
        permissions = Permissions(changed, build_model(changed))
        left = self.explain(permissions, self.deadline.within(self.deadline.left_s * 0.3))
        if left is None:
            return None
        within = self.deadline.within(self.deadline.left_s * 0.5)
        more = _Search(permissions, left, within, self.explain, self.deeper - 1).run(1)
        if more and any(isinstance(edit, MaxTravel) for edit in more[0].edits):
            edits = tuple(edit for edit in edits if not isinstance(edit, MaxTravel))
        return Relaxation((*edits, *more[0].edits), price + more[0].price) if more else None

    # Limits

    def _limits(self) -> Iterator[Relaxation]:
        """Yield moves of single limits: tolerances, ``max`` and ``min``."""
        if self.explanation.misfits:
            return
        moves = limit_moves(self.planning, self.model, self.explanation, self.deadline)
        singles, cheapest = 0, np.inf
        for move in moves:
            if self.deadline.passed:
                return
            price = move.price(move.rounded(0))
            if move.single and (singles >= SINGLES or price > FAR * cheapest):
                continue
            if move.least is not None:
                self.needed.append(move.make(move.rounded(0)).words(self.planning))
            step = self.smallest_step(partial(self._moved_far_enough, move))
            if step is not None:
                singles += move.single
                cheapest = min(cheapest, price)
                yield Relaxation((move.make(move.rounded(step)),), move.price(move.rounded(step)))

    def _moved_far_enough(self, move: Move, step: int) -> bool:
        return self.possible_under(move.make(move.rounded(step)).applied(self.planning))

    def _tolerances(self) -> Relaxation | None:
        """Return the tolerances of all measures, widened one after the other, that make a plan possible."""
        entries = self.planning.config.balance
        old = {
            m: min(e.tolerance for e in entries if e.measure == m and e.tolerance is not None)
            for m in self.planning.measures
            if any(e.measure == m and e.tolerance is not None for e in entries)
        }
        planning, start = self.planning, {}
        for position, measure in enumerate(old):
            least = stretch_of_tolerance(planning, self.model, measure, list(old)[position + 1 :], self.deadline)
            if least is None:
                return None
            start[measure] = least
            planning = Tolerance(measure, least).applied(planning)

        def at(step: int) -> Relaxation:
            wide = {m: rounded_up(f + step * step_of(f)) for m, f in start.items()}
            edits = tuple(Tolerance(m, f) for m, f in wide.items() if f > old[m])
            return Relaxation(edits, sum(f - old[m] for m, f in wide.items()))

        step = self.smallest_step(lambda s: self.possible_under(at(s).applied(self.planning)))
        return None if step is None else at(step)

    def _together(self) -> Iterator[Relaxation]:
        """Yield tolerances of several measures at once."""
        if self.explanation.misfits:
            return
        found = self._tolerances()
        if found is not None:
            yield found

    def _last_resort(self) -> Iterator[Relaxation]:
        """Yield measures without limits: the dearest change there is."""
        for k in self.explanation.measures:
            edit = Drop(self.model.rules[k].measure)
            if self.possible_under(edit.applied(self.planning)):
                yield Relaxation((edit,), 10.0)

    # Locks, eligibility, groups

    def _structural(self) -> Iterator[Relaxation]:
        if self.explanation.misfits:
            yield from self._mends()
            return
        kinds = self.explanation.kinds
        if "lock" in kinds:
            yield from self._unlocked()
        if "list" in kinds:
            yield from self._extended()
        if "travel" in kinds:
            yield from self._farther()
        if "group" in kinds:
            yield from self._split()

    def _mends(self) -> Iterator[Relaxation]:
        """Yield mends of accounts that no rep may serve: for each cause the first way that an order of ways has."""
        seen: set[tuple[Edit, ...]] = set()
        for ways in WAYS:
            for nearness in range(3):
                edits = mend(self.permissions, self.explanation.misfits, ways, nearness)
                if not edits or edits in seen or self.deadline.passed:
                    continue
                seen.add(edits)
                found = self.completed(edits, price_of(self.permissions, edits))
                if found is not None:
                    yield found
                    break

    def _fewest(self, kind: str, breaks: NDArray[np.float64]) -> NDArray[np.int64] | None:
        """Return the rep of every account in the plan that breaks a rule least often, found without that rule.

        Parameters
        ----------
        kind : str
            The rule to leave out.
        breaks : ndarray of float64, shape (n_accounts, n_reps)
            What each pair counts: 1 where it breaks the rule.
        """
        model = build_model(without(self.planning, kind))
        problem = model.problem
        table = np.zeros((problem.n_units, problem.n_territories))
        np.add.at(table, model.unit_of, breaks)
        allowed = np.concatenate([np.isfinite(block) for _, _, block in problem.blocks()])
        counted = AssignmentProblem(
            TableCosts(np.where(allowed, table, np.inf)),
            problem.loads,
            problem.lower,
            problem.upper,
            problem.pair_loads,
        )
        seconds = self.deadline.within(QUICK_S).left_s
        result = solve(counted, time_limit_s=seconds, gap=0.0, seed=self.planning.config.solve.seed)
        return None if result.assignment is None else result.assignment[model.unit_of].astype(np.int64)

    def _unlocked(self) -> Iterator[Relaxation]:
        if not self.small or self.deadline.passed:
            yield from self._unlocked_by_size()
            return
        rows = np.arange(len(self.planning.accounts))
        rep = self._fewest("lock", (~self.permissions.unlocked(rows)).astype(np.float64))
        if rep is None:
            return
        lock = self.permissions.lock
        freed = np.flatnonzero((lock >= 0) & (lock != rep))
        edit = Unlock(tuple(int(r) for r in freed))
        # The plan just found is the proof, once it is seen to keep the rules that are left.
        if len(freed) and self._keeps(edit.applied(self.planning), rep):
            yield Relaxation((edit,), price_of(self.permissions, (edit,)))

    def _unlocked_by_size(self) -> Iterator[Relaxation]:
        """Yield the largest locked accounts freed, as few as make up for the excess."""
        explanation, model = self.explanation, self.model
        rows = explanation.rows
        locked = rows[self.permissions.lock[rows] >= 0]
        measures = explanation.measures
        if len(measures) != 1 or not explanation.upper.any() or not len(locked) or model.problem.pair_loads is not None:
            return
        k = measures[0]
        loads = self.planning.measure_values(model.rules[k].measure)
        excess = loads[rows].sum() - model.problem.upper[k][explanation.upper[k]].sum()
        order = locked[np.argsort(-loads[locked], kind="stable")]
        count = int(np.searchsorted(np.cumsum(loads[order]), excess)) + 1
        edit = Unlock(tuple(sorted(int(r) for r in order[:count])))
        if self.possible(edit.applied(self.planning)):
            yield Relaxation((edit,), price_of(self.permissions, (edit,)))

    def _keeps(self, planning: PlanningProblem, rep: NDArray[np.int64]) -> bool:
        """Whether an assignment of accounts keeps every rule of a problem."""
        model = build_model(planning)
        assignment = np.full(model.problem.n_units, -1, np.int32)
        assignment[model.unit_of] = rep
        return bool(np.array_equal(assignment[model.unit_of], rep)) and model.problem.is_feasible(assignment)

    def _extended(self) -> Iterator[Relaxation]:
        if not self.small or self.permissions.values is None:
            return
        codes, values, listed = self.permissions.values
        rows = np.arange(len(self.planning.accounts))
        rep = self._fewest("list", (~self.permissions.listed(rows)).astype(np.float64))
        if rep is None:
            return
        used = np.flatnonzero(~listed[codes, rep])
        count: dict[tuple[str, int], int] = {}
        for r in used:
            pair = (values[codes[r]], int(rep[r]))
            count[pair] = count.get(pair, 0) + 1
        pairs = sorted(count, key=lambda p: (-count[p], p))
        yielded = 0
        # One addition is easier to grant than several: each is tried alone before all together.
        for pair in pairs[:4] if len(pairs) > 1 else ():
            edit = Extend((pair,))
            if self.possible(edit.applied(self.planning)):
                yield Relaxation((edit,), price_of(self.permissions, (edit,)))
                yielded += 1
                if yielded == 2:
                    return
        edit = Extend(tuple(sorted(pairs)))
        if pairs and not yielded and self._keeps(edit.applied(self.planning), rep):
            yield Relaxation((edit,), price_of(self.permissions, (edit,)))

    def _farther(self) -> Iterator[Relaxation]:
        limit = self.permissions.max_travel
        if not np.isfinite(limit) or not self.possible(without(self.planning, "travel")):
            return

        def at(step: int) -> MaxTravel:
            # Steps of 2 %, each a sensible figure and never the same one twice.
            return MaxTravel(rounded_up(max(limit * 1.02 ** (step + 1), limit + (step + 1) * step_of(limit))))

        step = self.smallest_step(lambda s: self.possible(at(s).applied(self.planning)))
        if step is not None:
            yield Relaxation((at(step),), price_of(self.permissions, (at(step),)))

    def _split(self) -> Iterator[Relaxation]:
        groups = self.planning.config.groups
        if groups is None:
            return
        labels = self.planning.accounts[groups.column].astype(object).map(str)
        concerned = [g for g in self.explanation.groups if g] or [
            g for g in labels.iloc[self.explanation.rows].unique() if g
        ]
        sizes = labels.value_counts()
        candidates = [g for g in concerned if sizes[g] > 1] or [g for g in sizes.index if g and sizes[g] > 1]
        for group in candidates[:6]:
            edit = Split((str(group),))
            if self.possible(edit.applied(self.planning)):
                yield Relaxation((edit,), price_of(self.permissions, (edit,)))
                return
        if len(candidates) > 1:
            everything = Split(tuple(sorted(map(str, candidates))))
            if self.possible(everything.applied(self.planning)):
                yield Relaxation((everything,), price_of(self.permissions, (everything,)))
