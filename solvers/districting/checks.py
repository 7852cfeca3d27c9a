"""Whether an answer keeps every rule: the plain definition, used by tests and before an answer is handed back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from solvers.problem import with_slack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem, Graph


def pieces(graph: Graph, assignment: NDArray[np.int32], n_territories: int) -> NDArray[np.int64]:
    """Return how many connected pieces each territory is in, shape ``(n_territories,)``; 0 for an empty one."""
    row = np.repeat(np.arange(len(assignment)), np.diff(graph.start))
    inside = assignment[row] == assignment[graph.neighbour]
    n = len(assignment)
    links = csr_array((np.ones(int(inside.sum()), np.int8), (row[inside], graph.neighbour[inside])), shape=(n, n))
    _, label = connected_components(links, directed=False)
    _, first = np.unique(label, return_index=True)
    return np.bincount(assignment[first], minlength=n_territories)


def broken_rules(problem: DistrictingProblem, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> list[str]:
    """Return what the answer breaks, one sentence each, in rows and columns; empty when every rule holds."""
    broken = []
    lower, upper = problem.slack()
    loads = problem.loads_of(assignment)
    for k, t in np.argwhere((loads < lower) | (loads > upper)):
        broken.append(f"load {k} of territory {t} is {loads[k, t]:g}, allowed {lower[k, t]:g} to {upper[k, t]:g}")
    if not np.all(problem.may_hold()[np.arange(problem.n_units), assignment]):
        broken.append("a unit is in a territory that may not hold it")
    if not np.all(np.isfinite(problem.travel_of(centres, assignment))):
        broken.append("a unit is further from its centre than allowed")
    home = problem.candidate_unit[centres]
    broken += [
        f"the centre of territory {t} is in unit {home[t]}, which is in territory {assignment[home[t]]}"
        for t in np.flatnonzero(home >= 0)
        if assignment[home[t]] != t
    ]
    if problem.centres is not None:
        if not np.array_equal(problem.centres, centres):
            broken.append("a given centre was moved")
    elif len(np.unique(centres)) < len(centres):
        broken.append("a candidate is the centre of two territories")
    if problem.limit is not None and problem.limit.of(assignment) > with_slack(problem.limit.limit):
        broken.append(f"{problem.limit.of(assignment):g} changes hands, allowed {problem.limit.limit:g}")
    if problem.graph is not None:
        count = pieces(problem.graph, assignment, problem.n_territories)
        broken += [f"territory {t} is in {count[t]} pieces" for t in np.flatnonzero(count > 1)]
    return broken
