"""A few territories of a problem as a small problem of their own: what an exact neighbourhood solves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.problem import Graph, MatrixCosts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem


@dataclass(frozen=True, eq=False)
class Part:
    """Some territories with their units, cut out of a larger problem whose other territories stay as they are.

    An answer to ``problem`` that keeps its rules keeps those of the whole when written back: no rule speaks of two
    territories at once, but that a candidate is the centre of one at most, and no candidate here is used outside; and
    the limit on what changes hands, of which the part may use what the rest leaves.

    Attributes
    ----------
    problem : DistrictingProblem
        The units, territories and candidates of the part only, numbered from 0.
    units : ndarray of int64, shape (n_part_units,)
        Row of each unit of the part in the whole, ascending.
    territories : ndarray of int64, shape (n_part_territories,)
        Territory of the whole that each territory of the part is.
    candidates : ndarray of int64, shape (n_part_candidates,)
        Candidate of the whole that each candidate of the part is.
    centres : ndarray of int64, shape (n_part_territories,)
        The present centres, as candidates of the part.
    assignment : ndarray of int32, shape (n_part_units,)
        The present territories, as territories of the part.
    """

    problem: DistrictingProblem
    units: NDArray[np.int64]
    territories: NDArray[np.int64]
    candidates: NDArray[np.int64]
    centres: NDArray[np.int64]
    assignment: NDArray[np.int32]

    def written_back(
        self,
        whole_centres: NDArray[np.int64],
        whole_assignment: NDArray[np.int32],
        centres: NDArray[np.int64],
        assignment: NDArray[np.int32],
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return copies of the whole's centres and assignment with an answer of the part put in."""
        new_centres, new_assignment = whole_centres.copy(), whole_assignment.copy()
        new_centres[self.territories] = self.candidates[centres]
        new_assignment[self.units] = self.territories[assignment]
        return new_centres, new_assignment


def induced(graph: Graph, units: NDArray[np.int64]) -> Graph:
    """Return the graph of some units (ascending) and of the links between them, numbered from 0."""
    position = np.full(len(graph.start) - 1, -1, np.int64)
    position[units] = np.arange(len(units))
    counts = np.diff(graph.start)[units]
    row = np.repeat(np.arange(len(units)), counts)
    offset = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    other = position[graph.neighbour[np.repeat(graph.start[units], counts) + offset]]
    inside = other >= 0
    start = np.searchsorted(row[inside], np.arange(len(units) + 1)).astype(np.int64)
    return Graph(start, other[inside].astype(np.int32))


def subproblem(
    problem: DistrictingProblem,
    centres: NDArray[np.int64],
    assignment: NDArray[np.int32],
    territories: NDArray[np.int64],
    *,
    candidates: NDArray[np.int64] | None = None,
) -> Part:
    """Return some territories of an answer as a problem of their own.

    Parameters
    ----------
    problem : DistrictingProblem
    centres : ndarray of int64, shape (n_territories,)
    assignment : ndarray of int32, shape (n_units,)
        An answer. Its limits and connections need not hold; locks and own units of centres must, as far as the part
        reaches.
    territories : ndarray of int64
        Distinct territories to open.
    candidates : ndarray of int64 or None
        Candidates of the whole to choose centres from, where centres are free; the present ones are always added, and
        those of other territories and in other territories' units are left out. None: every one there is.

    Raises
    ------
    ValueError
        A unit of the part is locked to a territory outside, or a given centre's unit is outside.
    """
    territories = np.asarray(territories, np.int64)
    position = np.full(problem.n_territories, -1, np.int32)
    position[territories] = np.arange(len(territories), dtype=np.int32)
    units = np.flatnonzero(position[assignment] >= 0)
    unit_position = np.full(problem.n_units, -1, np.int32)
    unit_position[units] = np.arange(len(units), dtype=np.int32)
    if problem.centres is None:
        free = np.arange(problem.costs.n_candidates) if candidates is None else np.asarray(candidates, np.int64)
        home = problem.candidate_unit[free]
        free = free[(home < 0) | (unit_position[home] >= 0)]
        elsewhere = np.delete(centres, territories)
        chosen = np.setdiff1d(np.union1d(free, centres[territories]), elsewhere)
        part_centres = np.searchsorted(chosen, centres[territories])
        given = None
    else:
        # Two territories may be given the same centre: a column each.
        chosen = centres[territories].astype(np.int64)
        part_centres = np.arange(len(territories))
        given = part_centres
    home = problem.candidate_unit[chosen]
    inside = np.where(home >= 0, unit_position[home], -1).astype(np.int32)
    if np.any((home >= 0) & (inside < 0)):
        raise ValueError("a centre of the part is in a unit outside the part")
    fixed = problem.fixed[units]
    locked = np.where(fixed >= 0, position[fixed], -1).astype(np.int32)
    if np.any((fixed >= 0) & (locked < 0)):
        raise ValueError("a unit of the part is locked to a territory outside the part")
    disruption = problem.limit
    if disruption is not None:
        outside = np.flatnonzero(position[assignment] < 0)
        left = disruption.limit - float(disruption.of_pairs(outside, assignment[outside]).sum())
        disruption = disruption.part(units, territories, left)
    part = replace(
        problem,
        costs=MatrixCosts(problem.costs.submatrix(units, chosen)),
        candidate_unit=inside,
        loads=problem.loads[:, units],
        lower=problem.lower[:, territories],
        upper=problem.upper[:, territories],
        centres=given,
        graph=None if problem.graph is None else induced(problem.graph, units),
        class_of=problem.class_of[units],
        class_allowed=problem.class_allowed[:, territories],
        fixed=locked,
        target=problem.target[:, territories],
        disruption=disruption,
    )
    return Part(part, units, territories, chosen, part_centres, position[assignment[units]])
