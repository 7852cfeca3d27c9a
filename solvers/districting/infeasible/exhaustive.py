"""Exhaustive search for any territory design at all, with CP-SAT: its integers are exact, so "there is none" is proof.

The model has a Boolean for every unit and territory, every limit in whole numbers (loads that are no decimal numbers are
rounded in the direction that excludes nothing), and separators added where a solution is not connected. Units of which no
two fit into one territory are put into the first territories, and further alike territories are ordered by their first
unit, so that a design is not refuted once for every numbering.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from ortools.sat.python import cp_model

from solvers.districting.whole.formulation import effective_limits
from solvers.districting.whole.separators import Neighbours, Separator
from solvers.whole import to_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

ROUND_EFFORT = 10.0
"""CP-SAT's deterministic time for one round: between rounds the search may be stopped."""


@dataclass(frozen=True, eq=False)
class Refutation:
    """No design exists.

    Attributes
    ----------
    apart : ndarray of int64
        Units of which no two fit into one territory, as used to break the symmetry.
    proof : dict
        What it takes to repeat the search.
    """

    apart: NDArray[np.int64]
    proof: dict[str, Any]


def refute(
    problem: DistrictingProblem,
    *,
    should_stop: Callable[[], bool],
    effort: float,
    seed: int,
    connected: bool = True,
    measures: tuple[int, ...] | None = None,
) -> Refutation | None:
    """Search for any design; return a refutation when there is none, None when one was found or effort ran out.

    Parameters
    ----------
    problem : DistrictingProblem
    should_stop : callable
        Asked between rounds.
    effort : float
        CP-SAT's deterministic time, in all.
    seed : int
    connected : bool
        False leaves connection out.
    measures : tuple of int or None
        The measures whose limits count; None: all.
    """
    search = _Exhaustive(problem, connected, tuple(range(problem.n_measures)) if measures is None else measures)
    spent, rounds = 0.0, 0
    while not search.impossible and spent < effort:
        if should_stop():
            return None
        solver = cp_model.CpSolver()
        # OR-Tools 9.15 adds up 64-bit coefficients in 32 bits there and cuts off answers (or-tools issue 5293).
        solver.parameters.presolve_inclusion_work_limit = 0
        solver.parameters.num_workers = 1
        solver.parameters.max_deterministic_time = min(ROUND_EFFORT * 2**rounds, effort - spent)
        solver.parameters.random_seed = seed
        solver.parameters.catch_sigint_signal = False
        status = solver.solve(search.model)
        spent += max(1e-3, solver.response_proto.deterministic_time)
        if status == cp_model.INFEASIBLE:
            break
        if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            if not search.cut(solver):
                return None
        else:
            rounds += 1
    else:
        if not search.impossible:
            return None
    parameters = {
        "num_workers": 1,
        "random_seed": seed,
        "max_deterministic_time": effort,
        "connected": connected,
        "measures": list(search.measures),
        "separators": len(search.known),
    }
    proof = {"kind": "search", "solver": "CP-SAT", "version": version("ortools"), "parameters": parameters}
    return Refutation(search.apart, proof)


class _Exhaustive:
    """The model and the separators added so far."""

    def __init__(self, problem: DistrictingProblem, connected: bool, measures: tuple[int, ...]) -> None:
        self.problem, self.measures = problem, measures
        self.neighbours = Neighbours(problem.graph) if connected and problem.graph is not None else None
        self.lower, self.upper = effective_limits(problem)
        self.known: set[Separator] = set()
        n, m = problem.n_units, problem.n_territories
        is_open = problem.may_hold()
        for k in measures:
            if not np.any(problem.loads[k] < 0):
                is_open &= problem.loads[k][:, None] <= self.upper[k][None, :]
        self.root = np.full(m, -1, np.int64)
        if problem.centres is not None:
            is_open &= np.isfinite(problem.costs.columns(problem.centres))
            self.root = problem.candidate_unit[problem.centres].astype(np.int64)
        self.apart = self._apart() if self._interchangeable() else np.empty(0, np.int64)
        # Units of which no two fit into one territory are in different ones; which ones is a matter of numbering.
        self.impossible = len(self.apart) > m
        pinned = min(m, len(self.apart))
        self.root[:pinned] = self.apart[:pinned]
        for t in np.flatnonzero(self.root >= 0):
            own = is_open[self.root[t], t]
            is_open[self.root[t]] = False
            is_open[self.root[t], t] = own
        self.impossible |= bool(np.any(~is_open.any(axis=1)))
        self.model = cp_model.CpModel()
        self.x = {(int(i), int(t)): self.model.new_bool_var("") for i, t in np.argwhere(is_open)}
        if self.impossible:
            return
        for i in range(n):
            self.model.add_exactly_one(self.x[i, t] for t in range(m) if (i, t) in self.x)
        for k in measures:
            self._limits(k)
        if self._interchangeable():
            self._order()
        if problem.centres is None:
            self._centres()
        if self.neighbours is not None:
            self._company()

    def _interchangeable(self) -> bool:
        return self.problem.centres is None and self.problem.alike

    def _apart(self) -> NDArray[np.int64]:
        """Return units of which no two fit into one territory, heaviest first."""
        best: list[int] = []
        for k in self.measures:
            load = self.problem.loads[k]
            if np.any(load < 0):
                continue
            chosen: list[int] = []
            for i in np.argsort(-load, kind="stable"):
                if chosen and load[i] + load[chosen[-1]] <= self.upper[k, 0]:
                    break
                chosen.append(int(i))
            if len(chosen) > max(1, len(best)):
                best = chosen
        return np.array(best or [int(self._heaviest_first()[0])], np.int64)

    def _heaviest_first(self) -> NDArray[np.int64]:
        """Return the units by their load of the first measure; as they come where nothing is limited."""
        if not self.measures:
            return np.arange(self.problem.n_units)
        return np.argsort(-self.problem.loads[self.measures[0]], kind="stable")

    def _limits(self, k: int) -> None:
        load = self.problem.loads[k]
        shift = min(0.0, float(load.min()))
        whole = to_whole(load - shift)
        if shift < 0 or not whole.exact:
            # Rounded down by less than one each, so the limits give one for every unit. Negative loads are rounded
            # towards minus infinity on the same scale.
            values, give = np.floor(load * whole.scale).astype(np.int64), self.problem.n_units
        else:
            values, give = whole.values, 0
        for t in range(self.problem.n_territories):
            low, high = self.lower[k, t], self.upper[k, t]
            members = [i for i in range(self.problem.n_units) if (i, t) in self.x]
            total = cp_model.LinearExpr.weighted_sum([self.x[i, t] for i in members], [int(values[i]) for i in members])
            if np.isfinite(low):
                self.model.add(total >= int(np.ceil(low * whole.scale * (1 - 1e-12) - 1e-6)) - give)
            if np.isfinite(high):
                self.model.add(total <= int(np.floor(high * whole.scale * (1 + 1e-12) + 1e-6)))

    def _order(self) -> None:
        """Number the interchangeable territories after the pinned ones by their first unit."""
        order = self._heaviest_first()
        for t in range(len(self.apart) + 1, self.problem.n_territories):
            earlier: list[cp_model.IntVar] = []
            for i in order:
                if (int(i), t) in self.x:
                    self.model.add(self.x[int(i), t] <= cp_model.LinearExpr.sum(earlier))
                if (int(i), t - 1) in self.x:
                    earlier.append(self.x[int(i), t - 1])

    def _centres(self) -> None:
        """Ask for a centre of every territory, where that is not a matter of course."""
        problem = self.problem
        allowed = np.isfinite(problem.costs.columns(np.arange(problem.costs.n_candidates)))
        home = problem.candidate_unit
        if allowed.all() and len(np.unique(home[home >= 0])) == problem.n_units:
            # Any territory with a unit has a candidate; an empty one could do with any place left over.
            return
        m = problem.n_territories
        z = {(j, t): self.model.new_bool_var("") for j in range(len(home)) for t in range(m)}
        for t in range(m):
            self.model.add_exactly_one(z[j, t] for j in range(len(home)))
        for j in range(len(home)):
            self.model.add_at_most_one(z[j, t] for t in range(m))
            for t in range(m):
                if home[j] >= 0:
                    own = self.x.get((int(home[j]), t))
                    self.model.add_implication(z[j, t], own) if own is not None else self.model.add(z[j, t] == 0)
                for i in np.flatnonzero(~allowed[:, j]):
                    if (int(i), t) in self.x:
                        self.model.add_bool_or(~z[j, t], ~self.x[int(i), t])

    def _company(self) -> None:
        """Say at once that a unit which cannot make up a territory alone has a neighbour with it."""
        if self.neighbours is None:
            return
        for i in range(self.problem.n_units):
            for t in range(self.problem.n_territories):
                if (i, t) not in self.x:
                    continue
                alone = all(self.problem.loads[k, i] >= self.lower[k, t] for k in self.measures)
                apart = self.root[t] not in (-1, i)
                if apart or not alone:
                    company = [self.x[j, t] for j in self.neighbours.of[i] if (j, t) in self.x]
                    self.model.add_bool_or([*company, ~self.x[i, t]])

    def cut(self, solver: cp_model.CpSolver) -> bool:
        """Add separators where the solution is not connected; return whether there were any."""
        if self.neighbours is None:
            return False
        added = False
        chosen = np.full(self.problem.n_units, -1)
        for (i, t), variable in self.x.items():
            if solver.boolean_value(variable):
                chosen[i] = t
        for t in range(self.problem.n_territories):
            pieces = self.neighbours.pieces(np.flatnonzero(chosen == t).tolist())
            if len(pieces) < 2:
                continue
            added = True
            main = next((p for p in pieces if self.root[t] in p), max(pieces, key=len))
            start = int(self.root[t]) if self.root[t] >= 0 else main[0]
            for piece in pieces:
                if piece is main:
                    continue
                for cut in (self.neighbours.separator(piece, start), self.neighbours.separator_near(piece, main)):
                    if cut not in self.known:
                        self.known.add(cut)
                        self._separate(cut)
        return added

    def _separate(self, cut: Separator) -> None:
        for t in range(self.problem.n_territories):
            through = [self.x[c, t] for c in cut.border if (c, t) in self.x]
            root = int(self.root[t])
            beyond = root >= 0 and root not in cut.inside and root not in cut.border
            other = root if beyond else cut.beyond
            if (other, t) not in self.x:
                continue
            for a in cut.apart:
                if (a, t) in self.x:
                    # Where the far unit is pinned to the territory its literal is true, and this is the rooted cut.
                    self.model.add_bool_or([*through, ~self.x[a, t], ~self.x[other, t]])
