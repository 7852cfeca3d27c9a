"""Linear and integer programs handed to HiGHS through OR-Tools' MathOpt.

Work is limited by nodes, so that an answer is the same on any machine. HiGHS offers no deterministic time, and MathOpt
cannot interrupt it; a limit in seconds is there to give up, not to find.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt
from ortools.math_opt.solvers import highs_pb2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.whole.formulation import Rows


@dataclass(frozen=True, eq=False)
class Program:
    """A mixed integer program: minimise cost · values over the rows and the column limits."""

    cost: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    whole: NDArray[np.bool_]
    rows: Rows


@dataclass(frozen=True, eq=False)
class Solution:
    """What HiGHS found.

    Attributes
    ----------
    values : ndarray of float64, shape (n_columns,), or None
    bound : float
        Lower bound on the optimum; +inf when there is no solution.
    optimal : bool
    infeasible : bool
    reduced_costs : ndarray of float64, shape (n_columns,), or None
        Of linear programs.
    nodes : int
        Nodes of the search tree that were looked at.
    cut_short : bool
        The clock ended the search: the bound holds, and as many nodes give it again; the values are left out.
    """

    values: NDArray[np.float64] | None
    bound: float
    optimal: bool
    infeasible: bool
    reduced_costs: NDArray[np.float64] | None
    nodes: int
    cut_short: bool


def _model(program: Program, relaxed: bool) -> mathopt.Model:
    proto = model_pb2.ModelProto(name="districting")
    n, rows = len(program.cost), program.rows
    proto.variables.ids.extend(range(n))
    proto.variables.lower_bounds.extend(program.lower.tolist())
    proto.variables.upper_bounds.extend(program.upper.tolist())
    proto.variables.integers.extend([False] * n if relaxed else program.whole.tolist())
    used = np.flatnonzero(program.cost)
    proto.objective.linear_coefficients.ids.extend(used.tolist())
    proto.objective.linear_coefficients.values.extend(program.cost[used].tolist())
    proto.linear_constraints.ids.extend(range(len(rows)))
    proto.linear_constraints.lower_bounds.extend(rows.lower)
    proto.linear_constraints.upper_bounds.extend(rows.upper)
    row = np.repeat(np.arange(len(rows)), [len(c) for c in rows.columns])
    column, value = np.concatenate(rows.columns), np.concatenate(rows.coefficients)
    filled = value != 0.0
    row, column, value = row[filled], column[filled], value[filled]
    order = np.lexsort((column, row))
    proto.linear_constraint_matrix.row_ids.extend(row[order].tolist())
    proto.linear_constraint_matrix.column_ids.extend(column[order].tolist())
    proto.linear_constraint_matrix.coefficients.extend(value[order].tolist())
    return mathopt.Model.from_model_proto(proto)


def solve_program(
    program: Program,
    *,
    seed: int,
    relaxed: bool = False,
    nodes: int | None = None,
    seconds: float | None = None,
    start: NDArray[np.float64] | None = None,
) -> Solution:
    """Solve a program with HiGHS.

    Parameters
    ----------
    program : Program
    seed : int
    relaxed : bool
        Leave integrality out, and return reduced costs.
    nodes : int or None
        Nodes of the search tree, at most.
    seconds : float or None
        When to give up. What is found then depends on the clock: see :attr:`Solution.cut_short`.
    start : ndarray of float64, shape (n_columns,), or None
        A solution to begin with.
    """
    model = _model(program, relaxed)
    parameters = mathopt.SolveParameters(random_seed=seed, node_limit=None if relaxed else nodes)
    if not relaxed:
        # The gap that may be called optimal, with room to spare.
        parameters.relative_gap_tolerance = 1e-7
        parameters.time_limit = None if seconds is None else datetime.timedelta(seconds=max(0.0, seconds))
    parameters.highs = highs_pb2.HighsOptionsProto(
        int_options={"threads": 1},
        string_options={"parallel": "off"},
        # Restarts pay on programs that take minutes; the present ones are twice as fast without.
        bool_options={"mip_allow_restart": False},
    )
    hints = mathopt.ModelSolveParameters()
    variables = list(model.variables())
    if start is not None and not relaxed:
        hints.solution_hints.append(
            mathopt.SolutionHint(variable_values=dict(zip(variables, start.tolist(), strict=True)))
        )
    result = mathopt.solve(model, mathopt.SolverType.HIGHS, params=parameters, model_params=hints)
    reason = result.termination.reason
    limit = result.termination.limit
    work = int(result.solve_stats.node_count), limit == mathopt.Limit.TIME
    if reason in (mathopt.TerminationReason.INFEASIBLE, mathopt.TerminationReason.INFEASIBLE_OR_UNBOUNDED):
        # Every column has limits, or a cost that keeps it small: nothing is unbounded.
        return Solution(None, np.inf, False, True, None, *work)
    known = result.has_primal_feasible_solution() and not work[1]
    values = np.array(result.variable_values(variables)) if known else None
    optimal = reason == mathopt.TerminationReason.OPTIMAL
    reduced = None
    if relaxed and result.has_dual_feasible_solution():
        reduced = np.array(result.reduced_costs(variables))
    bound = float(result.dual_bound())
    return Solution(values, bound if np.isfinite(bound) else -np.inf, optimal, False, reduced, *work)
