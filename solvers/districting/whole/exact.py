"""Solve a small districting problem, or a neighbourhood of a large one, as an integer program with every hard rule."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.bound.multipliers import ascend
from solvers.districting.checks import broken_rules
from solvers.districting.whole.branch_and_bound import Program, solve_program
from solvers.districting.whole.fixing import fix
from solvers.districting.whole.formulation import Formulation, Rows, formulate
from solvers.districting.whole.separators import Neighbours, Separator, add_separators, broken_connections, next_door

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem
    from solvers.neighbourhoods import Halt

GAP_CALLED_OPTIMAL = 1e-6
"""An answer within this fraction of its bound is called optimal, as everywhere in the engine."""

NODES_PER_EFFORT = 40_000.0
"""Search nodes per unit of effort, times the columns of the program: about a second's worth."""

MOST_NODES = 2**31 - 1
"""HiGHS counts its nodes in 32 bits."""

ASCENT_ROUNDS = 2
"""Rounds of the ascent whose multipliers rule out pairs first: a few hundredths of a second that halve the program."""


@dataclass(frozen=True, eq=False)
class ExactAnswer:
    """The outcome of one exact search.

    Attributes
    ----------
    centres : ndarray of int64, shape (n_territories,), or None
    assignment : ndarray of int32, shape (n_units,), or None
        The best answer known, which keeps every rule: the incumbent's or a better one. None where there is none.
    objective : float or None
    bound : float
        Nothing costs less; +inf where nothing keeps the rules.
    optimal : bool
        Proved to within ``GAP_CALLED_OPTIMAL``.
    infeasible : bool
        Proved, within the solver's tolerances: no answer keeps the rules.
    nodes : int
        Search nodes of the program that proved the bound: what it takes to repeat it.
    """

    centres: NDArray[np.int64] | None
    assignment: NDArray[np.int32] | None
    objective: float | None
    bound: float
    optimal: bool
    infeasible: bool
    nodes: int = 0


def solve_exactly(
    problem: DistrictingProblem,
    *,
    incumbent: tuple[NDArray[np.int64], NDArray[np.int32]] | None,
    effort: float,
    seed: int,
    halt: Halt | None = None,
    open_pairs: NDArray[np.bool_] | None = None,
    seconds: float | None = None,
) -> ExactAnswer:
    """Solve a small problem exactly, or as well as the effort allows; never worse than the incumbent.

    Parameters
    ----------
    problem : DistrictingProblem
        Up to some hundred units: the program has a column and a row for every unit and candidate.
    incumbent : tuple of ndarray or None
        Centres and assignment to improve on; ignored where it breaks a rule.
    effort : float
        About seconds; counted in search nodes, so that the answer does not depend on the clock. The root of the
        search is always finished.
    seed : int
    halt : Halt or None
        Looked at between programs: HiGHS itself cannot be interrupted.
    open_pairs : ndarray of bool, shape (n_units, n_candidates), or None
        Pairs of unit and candidate that may be in a better answer than the incumbent; others are left out, and the
        bound is still one on everything. None: all.
    seconds : float or None
        When to give up: then only the incumbent and a bound come back.
    """
    search = _Search(problem, incumbent, seed, halt)
    search.deadline = np.inf if seconds is None else time.monotonic() + seconds
    return search.run(effort, open_pairs)


def relaxed_assignment(problem: DistrictingProblem, seed: int) -> tuple[float, NDArray[np.int32]] | None:
    """Return the linear relaxation's value with centres given, and every unit where most of it is; None: infeasible.

    Connection is left out. What comes back may break limits: it serves to find better centres.
    """
    search = _Search(problem, None, seed, None)
    form = formulate(problem)
    if form.impossible():
        return None
    program, scale = search.program(form, form.rows())
    found = solve_program(program, seed=seed, relaxed=True)
    if found.values is None:
        return None
    share = np.zeros((problem.n_units, form.n_slots))
    share[form.pair_unit, form.pair_slot] = found.values[: form.n_pairs]
    return found.bound / scale, form.decoded(share.argmax(axis=1), np.arange(form.n_slots), None)[1]


class _Search:
    """One exact search: the program, its cuts, and the best answer so far."""

    def __init__(
        self,
        problem: DistrictingProblem,
        incumbent: tuple[NDArray[np.int64], NDArray[np.int32]] | None,
        seed: int,
        halt: Halt | None,
    ) -> None:
        self.problem, self.seed, self.halt = problem, seed, halt
        self.best: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None
        self.value = np.inf
        self.bound = -np.inf
        if incumbent is not None:
            self.offer(*incumbent)
        self.neighbours = None if problem.graph is None else Neighbours(problem.graph)
        self.cuts: set[Separator] = set()
        self.nodes = 0
        self.deadline = np.inf
        # Whether every objective is a whole number, moves counted for instance: then so is a bound, rounded up.
        self.whole = False

    def offer(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> bool:
        """Keep an answer if it keeps the rules and is better; return whether it keeps the rules."""
        if broken_rules(self.problem, centres, assignment):
            return False
        value = self.problem.cost_of(centres, assignment)
        if value < self.value:
            self.best, self.value = (centres.copy(), assignment.astype(np.int32)), value
        return True

    def answer(self) -> ExactAnswer:
        bound = min(self.bound, self.value)
        if self.best is None:
            return ExactAnswer(None, None, None, bound, False, bool(np.isposinf(self.bound)), self.nodes)
        optimal = self.value - bound <= GAP_CALLED_OPTIMAL * max(abs(self.value), 1e-9)
        return ExactAnswer(*self.best, self.value, bound, optimal, False, self.nodes)

    def proved(self, value: float) -> float:
        """Return the bound that a program's proves."""
        return float(np.ceil(value - 1e-6 * max(1.0, abs(value)))) if self.whole and np.isfinite(value) else value

    def halted(self) -> bool:
        return (self.halt is not None and self.halt.called) or time.monotonic() > self.deadline

    def closed(self) -> bool:
        margin = 0.1 * GAP_CALLED_OPTIMAL * max(abs(self.value), 1e-9)
        return self.best is not None and self.value - self.bound <= margin

    def run(self, effort: float, open_pairs: NDArray[np.bool_] | None) -> ExactAnswer:
        form = formulate(self.problem)
        self.whole = not len(form.soft_measures) and bool(np.all(form.pair_cost == np.rint(form.pair_cost)))
        if open_pairs is None and self.best is not None and self.problem.centres is None:
            found = ascend(self.problem, upper_value=self.value, should_stop=self.halted, rounds=ASCENT_ROUNDS)
            self.bound = max(self.bound, found.bound)
            if self.closed() or self.halted():
                return self.answer()
            open_pairs = fix(self.problem, found.values, found.measure, self.value).pair
        if open_pairs is not None:
            pairs = open_pairs[form.pair_unit, form.slot_candidate[form.pair_slot]]
            form = form.restricted(pairs, np.ones(form.n_slots, np.bool_))
        if form.impossible():
            self.bound = np.inf
            return self.answer()
        form, rows = self.relax(form)
        if self.closed() or self.halted():
            return self.answer()
        budget = NODES_PER_EFFORT * effort
        while budget > 0 and not self.halted():
            if form.impossible():
                self.bound = np.inf
                break
            program, scale = self.program(form, rows)
            limit = int(min(max(1.0, budget / form.n_columns), MOST_NODES))
            start = None if self.best is None else form.encoded(*self.best)
            left = None if np.isinf(self.deadline) else self.deadline - time.monotonic()
            solved = solve_program(program, seed=self.seed, nodes=limit, seconds=left, start=start)
            budget -= max(1, solved.nodes) * form.n_columns
            if self.proved(solved.bound / scale) > self.bound:
                self.bound, self.nodes = self.proved(solved.bound / scale), solved.nodes
            if solved.values is None or self.closed():
                break
            if not self.learn(form, rows, solved.values):
                break
        return self.answer()

    def relax(self, form: Formulation) -> tuple[Formulation, Rows]:
        """Solve linear relaxations, cut off what is not connected, and leave out the pairs that cannot pay.

        A pair whose reduced cost is above incumbent − bound is in no better answer.
        """
        while True:
            rows = form.rows()
            if self.problem.graph is not None:
                doors = next_door(form, self.problem.graph)
                for columns, coefficients in zip(doors.columns, doors.coefficients, strict=True):
                    rows.add(columns, coefficients, 0.0, np.inf)
            program, scale = self.program(form, rows)
            found = solve_program(program, seed=self.seed, relaxed=True)
            self.bound = max(self.bound, self.proved(found.bound / scale))
            if self.closed() or found.values is None or found.reduced_costs is None or not np.isfinite(self.value):
                return form, rows
            room = self.value - found.bound / scale + 1e-7 * abs(self.value)
            keep = ~((found.values < 1e-9) & (found.reduced_costs / scale > room))
            pairs, slots = keep[: form.n_pairs], keep[form.n_pairs : form.n_pairs + form.n_slots]
            smaller = form.restricted(pairs, slots).rooted()
            if smaller.impossible():
                return smaller, rows
            if smaller.n_pairs > 0.8 * form.n_pairs and np.array_equal(smaller.slot_root, form.slot_root):
                return form, rows
            form = smaller

    def program(self, form: Formulation, rows: Rows) -> tuple[Program, float]:
        """Return the integer program, with its costs scaled to about 100 a unit, and that scale."""
        cost = form.costs()
        total = self.value if np.isfinite(self.value) and self.value > 0 else float(form.pair_cost.mean()) * 10
        scale = 100.0 * self.problem.n_units / total if total > 0 else 1.0
        n_binary = form.n_pairs + form.n_slots
        lower, upper = np.zeros(form.n_columns), np.full(form.n_columns, np.inf)
        upper[:n_binary] = 1.0
        if self.problem.centres is not None:
            lower[form.n_pairs : n_binary] = 1.0
        return Program(cost * scale, lower, upper, np.arange(form.n_columns) < n_binary, rows), scale

    def learn(self, form: Formulation, rows: Rows, values: NDArray[np.float64]) -> bool:
        """Keep a solution, or add the constraints that it breaks; return whether any were added."""
        chosen = np.flatnonzero(values[: form.n_pairs] > 0.5)
        slot_of = np.empty(self.problem.n_units, np.int64)
        slot_of[form.pair_unit[chosen]] = form.pair_slot[chosen]
        slots = np.flatnonzero(values[form.n_pairs : form.n_pairs + form.n_slots] > 0.5)
        if self.offer(*form.decoded(slot_of, slots, None if self.best is None else self.best[0])):
            return False
        before = len(rows)
        if self.neighbours is not None:
            found = broken_connections(self.neighbours, slot_of, slots, form.slot_root)
            add_separators(rows, form, [c for c in dict.fromkeys(found) if c not in self.cuts])
            self.cuts.update(found)
        self.cover(form, rows, slot_of, slots)
        return len(rows) > before

    def cover(self, form: Formulation, rows: Rows, slot_of: NDArray[np.int64], slots: NDArray[np.int64]) -> None:
        """Forbid the sets of units whose load, or moves, break a limit by less than the solver's tolerance."""
        column = form.column
        if self.problem.limit is not None:
            chosen = column[np.arange(self.problem.n_units), slot_of]
            moved = chosen[form.pair_moved[chosen] > 0]
            if form.pair_moved[moved].sum() > self.problem.limit.effective_limit():
                rows.add(moved, 1.0, -np.inf, float(len(moved) - 1))
        for s in slots:
            inside = slot_of == s
            t = form.first_of_kind[form.slot_kind[s]]
            loads = self.problem.loads[:, inside].sum(axis=1)
            everywhere = column[:, s] >= 0
            if np.any(loads > form.upper[:, t]):
                rows.add(column[inside, s], 1.0, -np.inf, float(inside.sum() - 1))
            if np.any(loads < form.lower[:, t]):
                others = column[everywhere & ~inside, s]
                rows.add(np.append(others, form.n_pairs + s), np.append(np.ones(len(others)), -1.0), 0.0, np.inf)
