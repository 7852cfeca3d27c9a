"""How far limits must give until a relaxed assignment fits them: the least of one number, by linear programming.

minimise s ≥ 0  subject to  Σ_i a_kit x_it ≤ u_kt + s g⁺_kt,  Σ_i a_kit x_it ≥ l_kt − s g⁻_kt,  other limits kept.

Units may be split, so s is a lower bound on what whole units need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from ortools.linear_solver.python import model_builder_helper as mbh

from solvers.candidates import from_table
from solvers.infeasibility import lumped
from solvers.limit_conflicts import PAIRS
from solvers.linear import limit_scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.candidates import Candidates
    from solvers.problem import AssignmentProblem


@dataclass(frozen=True, eq=False)
class Elastic:
    """Limits that give.

    Attributes
    ----------
    upper, lower : ndarray of float64, shape (n_measures, n_territories)
        Where they stand before they give; inf and −inf where there is none.
    give_upper, give_lower : ndarray of float64, shape (n_measures, n_territories)
        By how much one unit of stretch moves them.
    """

    upper: NDArray[np.float64]
    lower: NDArray[np.float64]
    give_upper: NDArray[np.float64]
    give_lower: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stretched:
    """A relaxed assignment under limits that gave as little as possible.

    Attributes
    ----------
    stretch : float
    candidates : Candidates
        The pairs of the problem that was solved.
    share : ndarray of float64, shape (n_pairs,)
        Fraction of the unit that each pair takes.
    """

    stretch: float
    candidates: Candidates
    share: NDArray[np.float64]


def least_stretch(problem: AssignmentProblem, elastic: Elastic, *, time_limit_s: float | None = None) -> float | None:
    """Return the least stretch under which the relaxation has an assignment; None if no stretch is enough.

    None also when the problem is too large or the time is up.

    Parameters
    ----------
    problem : AssignmentProblem
        Its own limits are kept whatever the stretch.
    elastic : Elastic
    time_limit_s : float or None
    """
    measures = np.isfinite(problem.upper) | np.isfinite(problem.lower)
    measures |= np.isfinite(elastic.upper) | np.isfinite(elastic.lower)
    part = problem
    # Lumping is exact for one measure; for several it is used only where the units themselves are too many.
    if measures.any(axis=1).sum() <= 1 or problem.n_units * problem.n_territories > PAIRS:
        part = lumped(problem) or problem
    found = stretched(part, elastic, time_limit_s=time_limit_s)
    return None if found is None else found.stretch


def stretched(
    problem: AssignmentProblem, elastic: Elastic, *, each: bool = False, time_limit_s: float | None = None
) -> Stretched | None:
    """Return the relaxed assignment of least stretch over these very units; None as :func:`least_stretch` does.

    Parameters
    ----------
    problem : AssignmentProblem
    elastic : Elastic
    each : bool
        Every limit has a stretch of its own, and their sum is the least.
    time_limit_s : float or None
    """
    n, m, n_measures = problem.n_units, problem.n_territories, problem.n_measures
    n_limits = n_measures * m
    if n * m > PAIRS:
        return None
    everywhere = np.broadcast_to(np.arange(m, dtype=np.int32), (n, m))
    candidates = from_table(problem, everywhere)
    n_pairs = candidates.n_pairs
    scale = limit_scale(problem.with_limits(elastic.lower, elastic.upper))
    columns = np.arange(n_pairs)
    place = sp.csr_matrix((np.ones(n_pairs), (candidates.unit(), columns)), shape=(n, n_pairs))
    loads = sp.vstack(
        [
            sp.csr_matrix((candidates.load[k] / scale[k, 0], (candidates.territory, columns)), shape=(m, n_pairs))
            for k in range(n_measures)
        ],
        format="csr",
    )
    give_upper, give_lower = ((give / scale).ravel() for give in (elastic.give_upper, elastic.give_lower))
    if each:
        give = sp.vstack([sp.csr_matrix((n + n_limits, n_limits)), sp.diags(-give_upper), sp.diags(give_lower)])
    else:
        give = sp.csr_matrix(np.concatenate([np.zeros(n + n_limits), -give_upper, give_lower]).reshape(-1, 1))
    free = np.full(n_limits, np.inf)
    lower = np.concatenate([np.ones(n), (problem.lower / scale).ravel(), -free, (elastic.lower / scale).ravel()])
    upper = np.concatenate([np.ones(n), (problem.upper / scale).ravel(), (elastic.upper / scale).ravel(), free])
    if np.any(lower > upper):
        return None
    matrix = sp.hstack([sp.vstack([place, loads, loads, loads]), give], format="csr")
    cost = np.zeros(matrix.shape[1])
    cost[n_pairs:] = 1.0
    model, solver = mbh.ModelBuilderHelper(), mbh.ModelSolverHelper("glop")
    fill: Any = model.fill_model_from_sparse_data  # its stubs misname the arrays' dtype
    fill(np.zeros(len(cost)), np.full(len(cost), np.inf), cost, lower, upper, matrix)
    model.set_maximize(False)
    if time_limit_s is not None:
        solver.set_time_limit_in_seconds(time_limit_s)
    solver.solve(model)
    if str(solver.status()) != str(mbh.SolveStatus.OPTIMAL):
        return None
    share = np.asarray(solver.variable_values())[:n_pairs]
    return Stretched(max(0.0, float(solver.objective_value())), candidates, share)
