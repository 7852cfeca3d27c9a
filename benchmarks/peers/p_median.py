"""spopt's PMedian (capacitated), solved by CBC through PuLP as in its documentation: what PySAL users have for choosing centres.

Given: all pairs; capacities where the instance limits one measure from above. spopt multiplies cost by the same column
that it counts against the capacity, so the cost matrix is divided by that column first: the objective is then the instance's.
It has no lower limits and no connectivity, so it is asked for neither. HiGHS through PuLP was tried as well: on SJC2 it
had no plan when CBC was 4 % from the optimum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers import Answer, command
from benchmarks.running import cores

if TYPE_CHECKING:
    from benchmarks.instances import Instance

DISTRIBUTIONS = ("spopt", "PuLP")
STOPS = True
MOST_PAIRS = 1_000_000  # a PuLP variable and its constraints take about 3 kB a pair


def refusal(instance: Instance) -> str | None:
    """Return why it is not tried, or None."""
    pairs = instance.n_accounts**2
    if pairs > MOST_PAIRS:
        return f"not attempted: n too large; all pairs are {pairs:,} PuLP variables, about {pairs * 3e-6:,.0f} GB"
    if instance.pairs is not None:
        return "knows no connected territories"
    if instance.rep_ids is not None or len(instance.measures) != 1 or np.isfinite(instance.lower).any():
        return "has capacities of one measure, and nothing else to balance by"
    return None if np.all(instance.loads > 0) else "an account without load has no place in its capacities"


def solve(instance: Instance, seconds: float) -> Answer:
    """Return the assignment that CBC finds."""
    import pulp
    from spopt.locate import PMedian

    costs, _ = instance.tables()
    load = instance.loads[0]
    model = PMedian.from_cost_matrix(
        costs.T / load[:, None],
        load,
        instance.n_territories,
        facility_capacities=np.full(instance.n_accounts, instance.upper.min()),
    )
    # Not model.solve: it raises where the time ended with a plan at hand.
    model.problem.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=seconds, threads=cores()))
    if model.problem.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        return Answer(None, note=f"CBC: {pulp.LpSolution[model.problem.sol_status]}")
    served = np.array([[v.value() or 0.0 for v in row] for row in model.cli_assgn_vars])
    claimed = float(pulp.value(model.problem.objective))
    return Answer(served.argmax(axis=1).astype(np.int64), claimed, note="CBC, all pairs")


if __name__ == "__main__":
    command(solve)
