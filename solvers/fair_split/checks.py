"""What arrays must be for the compiled loops to mean anything: a wrong one is refused, not split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from solvers.fair_split.problem import FairSplitProblem

LARGEST_VALUE = 10**12
LARGEST_RANK = 10**6
"""Ranks are a handful; sums of them over all reps must stay within 64 bits."""


def check(problem: FairSplitProblem) -> None:
    """Raise ValueError for the first array that is not what ``FairSplitProblem`` says."""
    start, rep, m = problem.lead_start, problem.pair_rep, problem.n_reps
    if start[0] != 0 or start[-1] != len(rep) or np.any(start[1:] < start[:-1]):
        raise ValueError(
            f"lead_start: from {start[0]} to {start[-1]}; it must ascend from 0 to the number of pairs, {len(rep)}"
        )
    for name, values, length in (
        ("pair_rank", problem.pair_rank, len(rep)),
        ("pair_value", problem.pair_value, len(rep)),
        ("step", problem.step, m),
        ("capacity", problem.capacity, m),
        ("tie_order", problem.tie_order, m),
    ):
        if len(values) != length:
            raise ValueError(f"{name}: {len(values)} entries; there must be {length}")
    if len(rep) and (rep.min() < 0 or rep.max() >= m):
        at = int(np.flatnonzero((rep < 0) | (rep >= m))[0])
        raise ValueError(f"pair_rep[{at}] = {rep[at]}: it must be from 0 to {m - 1}")
    for name, values, lowest, highest in (
        ("pair_rank", problem.pair_rank, 0, LARGEST_RANK),
        ("pair_value", problem.pair_value, -LARGEST_VALUE, LARGEST_VALUE),
        ("capacity", problem.capacity, 0, LARGEST_VALUE),
    ):
        if len(values) and (values.min() < lowest or values.max() > highest):
            at = int(np.flatnonzero((values < lowest) | (values > highest))[0])
            raise ValueError(f"{name}[{at}] = {values[at]}: it must be from {lowest} to {highest}")
    falls = np.flatnonzero(rep[1:] <= rep[:-1]) + 1
    begins = np.zeros(len(rep) + 1, np.bool_)
    begins[start] = True
    falls = falls[~begins[falls]]
    if len(falls):
        at = int(falls[0])
        raise ValueError(
            f"pair_rep[{at}] = {rep[at]} after {rep[at - 1]}: a lead's reps must ascend, each at most once"
        )
    if problem.slack < 0:
        raise ValueError(f"slack = {problem.slack}: it must be 0 or more")
