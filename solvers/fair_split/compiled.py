"""Compile the loops before the first batch comes: half a minute the first time on a machine, then a second a process."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from solvers.fair_split.exchange_price import PriceList
from solvers.fair_split.problem import FairSplitProblem
from solvers.fair_split.split import fair_split


@cache
def compile_kernels() -> None:
    """Split a tiny batch in every way; once a process. A service calls it before it listens."""
    tiny = FairSplitProblem(
        lead_start=np.arange(0, 10, 3),
        pair_rep=np.tile(np.arange(3, dtype=np.int32), 3),
        pair_rank=np.zeros(9, np.int64),
        pair_value=np.arange(9),
        level=np.zeros(3, np.int64),
        step=np.ones(3, np.int64),
        capacity=np.array([1, 1, 0]),
        tie_order=np.arange(3),
        lead_worth=np.ones(3, np.int64),
        worth_level=np.zeros(3, np.int64),
    )
    PriceList.of(tiny, fair_split(tiny)).of_lead(0)
    fair_split(replace(tiny, slack=1, second="even_value"))
