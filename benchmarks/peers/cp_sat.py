"""Plain CP-SAT: the textbook model, as a user would write it without us.

x_ij: account j is served from candidate i; y_i: candidate i is a centre; x_ij ≤ y_i, Σ_i x_ij = 1, Σ y_i = p, every
load within its limits times y_i. Connected territories by Shirabe's flow: every account of a territory sends one unit
to its centre through accounts of the same territory (Shirabe 2009, "Districting modeling with exact contiguity
constraints"). With reps, the generalized assignment problem: no y. Costs are rounded to a millionth of the dearest pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers import Answer, command
from benchmarks.peers.graphs import touching
from benchmarks.running import cores

if TYPE_CHECKING:
    from benchmarks.instances import Instance

DISTRIBUTIONS = ("ortools",)
STOPS = True
MOST_PAIRS = 1_000_000  # of candidate and account: beyond, Python spends the seconds on building the model
MOST_FLOWS = 200_000  # of candidate and directed link


def refusal(instance: Instance) -> str | None:
    """Return why it is not tried, or None."""
    candidates = instance.n_accounts if instance.cost_table is None else instance.n_territories
    if candidates * instance.n_accounts > MOST_PAIRS:
        return f"not attempted: n too large; {candidates * instance.n_accounts:,} assignment variables"
    if instance.pairs is not None and 2 * candidates * len(instance.pairs) > MOST_FLOWS:
        return f"not attempted: n too large; {2 * candidates * len(instance.pairs):,} flow variables"
    loads = instance.loads if instance.load_table is None else instance.load_table
    return None if np.all(loads == np.round(loads)) else "not attempted: loads are no whole numbers"


def solve(instance: Instance, seconds: float) -> Answer:
    """Return what CP-SAT reaches on the textbook model with a worker for each core."""
    from ortools.sat.python import cp_model

    costs, loads = instance.tables()
    n_candidates, n = costs.shape
    whole = np.all(costs == np.round(costs))
    scale = 1.0 if whole else 1e6 / costs.max()
    model = cp_model.CpModel()
    x = [[model.new_bool_var("") for _ in range(n)] for _ in range(n_candidates)]
    for j in range(n):
        model.add_exactly_one(x[i][j] for i in range(n_candidates))
    if instance.rep_ids is None:
        # An account that is a centre serves itself: y is the diagonal of x.
        model.add(sum(x[i][i] for i in range(n)) == instance.n_territories)
        for i in range(n):
            for j in range(n):
                if i != j:
                    model.add_implication(x[i][j], x[i][i])
    for k in range(len(instance.measures)):
        for i in range(n_candidates):
            # Without reps all territories have the same limits.
            column, is_open = (i, 1) if instance.rep_ids is not None else (0, x[i][i])
            low, high = instance.lower[k, column], instance.upper[k, column]
            total = sum(int(v) * x[i][j] for j, v in enumerate(loads[k, i]) if v)
            if np.isfinite(high):
                model.add(total <= int(np.floor(high + 1e-6)) * is_open)
            if np.isfinite(low):
                model.add(total >= int(np.ceil(low - 1e-6)) * is_open)
    if instance.pairs is not None:
        _add_flow(model, x, touching(instance))
    model.minimize(sum(int(c) * x[i][j] for i, row in enumerate(np.round(costs * scale)) for j, c in enumerate(row)))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = cores()
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Answer(None, bound=float("inf"), note="proved infeasible")
    # Rounding may have raised every cost by a half.
    bound = (solver.best_objective_bound - (0 if whole else n / 2)) / scale
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(None, bound=bound)
    chosen = np.array([[solver.boolean_value(v) for v in row] for row in x])
    return Answer(
        chosen.argmax(axis=0).astype(np.int64),
        solver.objective_value / scale,
        bound,
        f"{cores()} workers, textbook model",
    )


def _add_flow(model: Any, x: list[list[Any]], pairs: np.ndarray) -> None:
    n = len(x)
    links = [(int(a), int(b)) for a, b in np.concatenate([pairs, pairs[:, ::-1]])]
    into: list[list[int]] = [[] for _ in range(n)]
    out: list[list[int]] = [[] for _ in range(n)]
    for number, (a, b) in enumerate(links):
        out[a].append(number)
        into[b].append(number)
    for i in range(n):
        flow = [model.new_int_var(0, n - 1, "") for _ in links]
        for j in range(n):
            if j != i:
                model.add(sum(flow[e] for e in out[j]) - sum(flow[e] for e in into[j]) == x[i][j])
                model.add(sum(flow[e] for e in into[j]) <= (n - 1) * x[i][j])
        for e in out[i]:
            model.add(flow[e] == 0)


if __name__ == "__main__":
    command(solve)
