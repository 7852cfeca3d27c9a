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
    """Return the size of each measure, shape ``(n_measures, 1)``: what one whole violation of a limit amounts to.

    That of its limits; of its soft targets where it has no limits, of a unit's load where it has neither.
    """
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
            aimed = float(np.abs(problem.target[k]).mean()) if problem.target_weight[k] > 0 else 0.0
            sizes.append(max(float(np.abs(loads).mean()), aimed, 1e-9))
    return np.array(sizes).reshape(-1, 1)


def moved_scale(problem: AssignmentProblem) -> float:
    """Return what one whole violation of the limit on disruption amounts to: as much as a territory has today."""
    assert problem.limit is not None
    return max(float(problem.limit.total.sum()) / max(1, problem.n_territories), 1e-300)


def linear_program(
    cost: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    matrix: sp.csr_matrix,
    time_limit_s: float | None = None,
    most: NDArray[np.float64] | None = None,
) -> mbh.ModelSolverHelper | None:
    """Minimise ``cost @ x`` with ``lower <= matrix @ x <= upper`` and ``0 <= x <= most`` by simplex.

    None without an optimum. ``most`` is infinite where it is left out.

    The helper takes the arrays as they are: a model built variable by variable would take longer than its solution.
    """
    model, solver = mbh.ModelBuilderHelper(), mbh.ModelSolverHelper("glop")
    columns = len(cost)
    fill: Any = model.fill_model_from_sparse_data  # its stubs misname the arrays' dtype
    fill(np.zeros(columns), np.full(columns, np.inf) if most is None else most, cost, lower, upper, matrix)
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

    A soft target is a row L + below − just − above = ⌊T⌋ with columns for the deviation: w a unit below, w a unit
    above and, where loads are whole numbers, w (1 − 2f) for the one step from ⌊T⌋ to ⌊T⌋ + 1 across the target.

    Parameters
    ----------
    problem : AssignmentProblem
        Its limits are used; its pairs only as far as they are candidates.
    candidates : Candidates
    elastic : bool
        Allow limits to be broken at a price of 1 per ``limit_scale`` of violation (added to the costs).
    costless : bool
        Ignore costs and targets: with ``elastic``, the least total violation, whose dual values are the
        infeasibility certificate.
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
    limit = problem.limit
    if elastic:
        identity = sp.vstack([sp.csr_matrix((n, n_limits)), sp.identity(n_limits, format="csr")], format="csr")
        matrix = sp.hstack([matrix, -identity, identity], format="csr")
        cost = np.concatenate([cost, np.ones(2 * n_limits)])
    lower = np.concatenate([np.ones(n), (problem.lower / scale).ravel()])
    upper = np.concatenate([np.ones(n), (problem.upper / scale).ravel()])
    if limit is not None:
        row = sp.csr_matrix((candidates.moved / moved_scale(problem))[None, :])
        if elastic:
            row = sp.hstack([row, sp.csr_matrix((1, 2 * n_limits)), sp.csr_matrix([[-1.0]])], format="csr")
            matrix = sp.hstack([matrix, sp.csr_matrix((matrix.shape[0], 1))], format="csr")
            cost = np.append(cost, 1.0)
        matrix = sp.vstack([matrix, row], format="csr")
        lower, upper = np.append(lower, -np.inf), np.append(upper, limit.limit / moved_scale(problem))
    soft = np.empty(0, np.int64) if costless else problem.soft
    most, constant, first_target = None, 0.0, 0
    if len(soft):
        below, fraction = (a[soft].ravel() for a in problem.whole_below())
        first_target = len(lower)
        size = np.repeat(scale[soft, 0], m)
        weight = np.repeat(problem.target_weight[soft], m)
        identity = sp.identity(len(soft) * m, format="csr")
        rows = sp.vstack([row_blocks[1 + k] for k in soft], format="csr")
        elastics = sp.csr_matrix((rows.shape[0], matrix.shape[1] - n_pairs))
        rows = sp.hstack([rows, elastics, identity, -identity, -identity], format="csr")
        matrix = sp.vstack([sp.hstack([matrix, sp.csr_matrix((matrix.shape[0], 3 * len(size)))]), rows], format="csr")
        dear = weight * size
        most = np.full(matrix.shape[1], np.inf)
        most[-2 * len(size) : -len(size)] = np.where(fraction > 0, 1 / size, 0.0)
        cost = np.concatenate([cost, dear, dear * (1 - 2 * fraction), dear])
        lower, upper = np.concatenate([lower, below / size]), np.concatenate([upper, below / size])
        constant = float((weight * fraction).sum())
    solver = linear_program(cost, lower, upper, matrix, time_limit_s, most)
    if solver is None:
        empty = np.zeros((2, n_measures, m))
        return Relaxation(False, np.inf, np.zeros(0), Prices.zero(problem), empty)
    values = np.asarray(solver.variable_values())
    duals = np.asarray(solver.dual_values())
    dual = duals[n : n + n_limits].reshape(n_measures, m) / scale
    target = np.zeros((n_measures, m))
    if len(soft):
        target[soft] = -duals[first_target:].reshape(len(soft), m) / scale[soft]
    moved = 0.0 if limit is None else -float(duals[n + n_limits]) / moved_scale(problem)
    prices = Prices.of(problem, np.maximum(-dual, 0.0), np.maximum(dual, 0.0), target, moved)
    excess = np.zeros((2, n_measures, m))
    if elastic:
        excess = values[n_pairs : n_pairs + 2 * n_limits].reshape(2, n_measures, m) * scale
    return Relaxation(True, float(solver.objective_value()) + constant, values[:n_pairs], prices, excess)
