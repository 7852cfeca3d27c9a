"""The linear relaxation by simplex (GLOP): exact prices where the problem is small enough for it.

A unit may be split between territories; everything else is kept. At a vertex at most as many units are split as there
are binding limits, so the relaxation is also a near-integral start. Its dual values are the prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from ortools.linear_solver.python import model_builder_helper as mbh

from solvers.bounds import Prices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.candidates import Candidates
    from solvers.problem import AssignmentProblem


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A solved relaxation.

    Attributes
    ----------
    solved : bool
        False when the relaxation is infeasible or the solver gave up; the other fields are then empty.
    value : float
    share : ndarray of float64, shape (n_pairs,)
        Fraction of the unit that each candidate pair takes.
    prices : Prices
    excess : ndarray of float64, shape (2, n_measures, n_territories)
        With elastic limits: how far above the upper and below the lower limit each load is.
    """

    solved: bool
    value: float
    share: NDArray[np.float64]
    prices: Prices
    excess: NDArray[np.float64]


def limit_scale(problem: AssignmentProblem) -> NDArray[np.float64]:
    """Return the size of each measure, shape ``(n_measures, 1)``: what one whole violation of a limit amounts to."""
    sizes = []
    for k in range(problem.n_measures):
        limits = np.abs(
            np.concatenate(
                [problem.upper[k][np.isfinite(problem.upper[k])], problem.lower[k][np.isfinite(problem.lower[k])]]
            )
        )
        limits = limits[limits > 0]
        if len(limits):
            sizes.append(float(limits.mean()))
        else:
            loads = problem.loads[k] if problem.pair_loads is None else problem.pair_loads[k]
            sizes.append(max(float(np.abs(loads).mean()), 1e-9))
    return np.array(sizes).reshape(-1, 1)


def linear_program(
    cost: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    matrix: sp.csr_matrix,
    time_limit_s: float | None = None,
) -> mbh.ModelSolverHelper | None:
    """Minimise ``cost @ x`` with ``lower <= matrix @ x <= upper`` and ``x >= 0`` by simplex; None without an optimum.

    The helper takes the arrays as they are: a model built variable by variable would take longer than its solution.
    """
    model, solver = mbh.ModelBuilderHelper(), mbh.ModelSolverHelper("glop")
    columns = len(cost)
    fill: Any = model.fill_model_from_sparse_data  # its stubs misname the arrays' dtype
    fill(np.zeros(columns), np.full(columns, np.inf), cost, lower, upper, matrix)
    model.set_maximize(False)
    if time_limit_s is not None:
        solver.set_time_limit_in_seconds(time_limit_s)
    solver.solve(model)
    return solver if str(solver.status()) == str(mbh.SolveStatus.OPTIMAL) else None


def solve_relaxation(
    problem: AssignmentProblem,
    candidates: Candidates,
    *,
    elastic: bool = False,
    costless: bool = False,
    time_limit_s: float | None = None,
) -> Relaxation:
    """Solve the relaxation over the candidates.

    Parameters
    ----------
    problem : AssignmentProblem
        Its limits are used; its pairs only as far as they are candidates.
    candidates : Candidates
    elastic : bool
        Allow limits to be broken at a price of 1 per ``limit_scale`` of violation (added to the costs).
    costless : bool
        Ignore costs: with ``elastic``, the least total violation, whose dual values are the infeasibility certificate.
    time_limit_s : float or None
    """
    n, m, n_measures = candidates.n_units, problem.n_territories, problem.n_measures
    n_pairs = candidates.n_pairs
    scale = limit_scale(problem)
    unit = candidates.unit()
    columns = np.arange(n_pairs)
    # A row's scale does not change the problem but keeps the simplex numerically sane: revenue is in millions.
    row_blocks = [sp.csr_matrix((np.ones(n_pairs), (unit, columns)), shape=(n, n_pairs))]
    row_blocks += [
        sp.csr_matrix((candidates.load[k] / scale[k, 0], (candidates.territory, columns)), shape=(m, n_pairs))
        for k in range(n_measures)
    ]
    matrix = sp.vstack(row_blocks, format="csr")
    cost = np.zeros(n_pairs) if costless else candidates.cost
    n_limits = n_measures * m
    if elastic:
        identity = sp.vstack([sp.csr_matrix((n, n_limits)), sp.identity(n_limits, format="csr")], format="csr")
        matrix = sp.hstack([matrix, -identity, identity], format="csr")
        cost = np.concatenate([cost, np.ones(2 * n_limits)])
    lower = np.concatenate([np.ones(n), (problem.lower / scale).ravel()])
    upper = np.concatenate([np.ones(n), (problem.upper / scale).ravel()])
    solver = linear_program(cost, lower, upper, matrix, time_limit_s)
    if solver is None:
        empty = np.zeros((2, n_measures, m))
        return Relaxation(False, np.inf, np.zeros(0), Prices.zero(problem), empty)
    values = np.asarray(solver.variable_values())
    dual = np.asarray(solver.dual_values())[n:].reshape(n_measures, m) / scale
    prices = Prices.of(problem, np.maximum(-dual, 0.0), np.maximum(dual, 0.0))
    excess = values[n_pairs:].reshape(2, n_measures, m) * scale if elastic else np.zeros((2, n_measures, m))
    return Relaxation(True, float(solver.objective_value()), values[:n_pairs], prices, excess)
