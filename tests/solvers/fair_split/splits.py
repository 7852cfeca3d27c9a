"""Small problems, every split of them, and a checker of prices: plain Python that shares nothing with the solver."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from solvers.fair_split.problem import FairSplit, FairSplitProblem

Split = tuple[int, ...]
"""The pair of each lead, −1 for none."""


def pairs_of(problem: FairSplitProblem, lead: int) -> range:
    return range(int(problem.lead_start[lead]), int(problem.lead_start[lead + 1]))


def lead_costs(problem: FairSplitProblem, rep: int, up_to: int) -> list[int]:
    """Fairness costs of the rep's first leads, as the issue states them."""
    level, step = int(problem.level[rep]), int(problem.step[rep])
    if problem.fairness == "squares":
        return [2 * level + (2 * k - 1) * step if step else 0 for k in range(1, up_to + 1)]
    steps = sorted(set(problem.step.tolist()))
    return [(level + k * step) * len(steps) + steps.index(step) if step else 0 for k in range(1, up_to + 1)]


def counts(problem: FairSplitProblem, split: Split) -> list[int]:
    reps = [int(problem.pair_rep[q]) for q in split if q >= 0]
    return [reps.count(r) for r in range(problem.n_reps)]


def every_split(problem: FairSplitProblem) -> Iterator[Split]:
    for split in itertools.product(*([*pairs_of(problem, i), -1] for i in range(problem.n_leads))):
        if all(n <= most for n, most in zip(counts(problem, split), problem.capacity.tolist(), strict=True)):
            yield split


def objectives(problem: FairSplitProblem, split: Split) -> tuple[int, int, int, int]:
    """Smaller is better: leads unassigned, rank sum, fairness cost, minus value."""
    given = [q for q in split if q >= 0]
    fairness = sum(sum(lead_costs(problem, r, n)) for r, n in enumerate(counts(problem, split)))
    ranks, values = (sum(int(a[q]) for q in given) for a in (problem.pair_rank, problem.pair_value))
    return len(split) - len(given), ranks, fairness, -values


def levels(problem: FairSplitProblem, split: Split) -> list[int]:
    reached = problem.level + np.array(counts(problem, split), np.int64) * problem.step
    return sorted(reached.tolist())


def reached(split: FairSplit, n_leads: int) -> tuple[int, int, int, int]:
    return n_leads - split.assigned, split.rank_sum, split.fairness_cost, -split.value_sum


def check_prices(problem: FairSplitProblem, split: FairSplit) -> None:
    """Verify what the docstring of ``split.py`` says that a checker must, without a solver; slack 0."""
    m = problem.n_reps
    assert split.count.tolist() == counts(problem, tuple(split.pair.tolist()))
    assert np.all(split.count <= problem.capacity)
    assert split.rank_price[m] == 0
    assert split.unassigned_rank > 2 * (m + 1) * max(problem.pair_rank.tolist(), default=0)
    for r in range(m):
        n, room = int(split.count[r]), int(problem.capacity[r])
        assert split.rank_price[r] >= 0
        assert split.rank_price[r] == 0 or n == room
        fair = int(split.fair_count[r])
        cost = lead_costs(problem, r, fair + 1)
        least = most = room
        if split.rank_price[r] == 0:
            assert fair == 0 or cost[fair - 1] <= split.fair_price[r]
            assert fair == room or cost[fair] >= split.fair_price[r]
            costs = lead_costs(problem, r, room)
            least = sum(c < split.fair_price[r] for c in costs)
            most = sum(c <= split.fair_price[r] for c in costs)
        assert (split.least[r], split.most[r]) == (least, most)
        assert least <= n <= most
        assert least <= fair <= most
        assert split.value_price[r] <= 0 or n == most
        assert split.value_price[r] >= 0 or n == least
    for i in range(problem.n_leads):
        if not len(pairs_of(problem, i)):
            assert split.pair[i] == -1
            continue
        rank = {q: int(problem.pair_rank[q] + split.rank_price[problem.pair_rep[q]]) for q in pairs_of(problem, i)}
        lowest = min(rank.values())
        own = int(split.pair[i])
        if own < 0:
            assert lowest >= split.unassigned_rank
            tight = [q for q in rank if rank[q] == split.unassigned_rank]
            assert all(split.rank_price[problem.pair_rep[q]] > 0 for q in tight)
            assert all(split.fair_price[problem.pair_rep[q]] == min(split.fair_price) for q in tight)
        else:
            assert rank[own] == lowest <= split.unassigned_rank
            tight = [q for q in rank if rank[q] == lowest]
            fair = {q: int(split.fair_price[problem.pair_rep[q]]) for q in tight}
            assert fair[own] == min(fair.values())
            tight = [q for q in tight if fair[q] == fair[own]]
        gain = {q: int(problem.pair_value[q] - split.value_price[problem.pair_rep[q]]) for q in tight}
        if problem.second == "value":
            may_wait = own < 0 or (lowest == split.unassigned_rank and waits(problem, split))
            assert (gain[own] if own >= 0 else 0) == max([*gain.values(), *([0] if may_wait else [])])


def waits(problem: FairSplitProblem, split: FairSplit) -> bool:
    """Whether a lead that has pairs is unassigned."""
    return any(split.pair[i] < 0 and len(pairs_of(problem, i)) for i in range(problem.n_leads))


@st.composite
def problems(
    draw: st.DrawFn, *, alike: bool = False, roomy: bool = False, leads: int = 6, reps: int = 4, **fixed: Any
) -> FairSplitProblem:
    """Draw a problem small enough to try every split; ``alike``: equal steps; ``roomy``: no capacity that matters."""
    n, m = draw(st.integers(0, leads)), draw(st.integers(1, reps))
    able = [sorted(draw(st.sets(st.integers(0, m - 1), max_size=m))) for _ in range(n)]
    pair_rep = [r for row in able for r in row]
    many = {"min_size": len(pair_rep), "max_size": len(pair_rep)}
    step = draw(st.sampled_from([1, 2, 3])) if alike else None
    problem: dict[str, Any] = {
        "lead_start": np.cumsum([0, *map(len, able)]),
        "pair_rep": np.array(pair_rep, np.int32),
        "pair_rank": np.array(draw(st.lists(st.integers(0, draw(st.sampled_from([0, 2]))), **many)), np.int64),
        "pair_value": np.array(draw(st.lists(st.integers(-3, 5), **many)), np.int64),
        "level": np.array(draw(st.lists(st.integers(0, 9), min_size=m, max_size=m)), np.int64),
        "step": np.array([step or draw(st.integers(1, 5)) for _ in range(m)], np.int64),
        "capacity": np.array([n if roomy else draw(st.integers(0, n)) for _ in range(m)], np.int64),
        "tie_order": np.array(draw(st.permutations(range(m))), np.int64),
    }
    if not alike and draw(st.integers(0, 9)) == 0:
        problem["step"][:] = 0
    return FairSplitProblem(**(problem | fixed))


def five_alike() -> FairSplitProblem:
    """One lead that any of five equal reps may take."""
    return FairSplitProblem(
        lead_start=np.array([0, 5]),
        pair_rep=np.arange(5, dtype=np.int32),
        pair_rank=np.zeros(5, np.int64),
        pair_value=np.zeros(5, np.int64),
        level=np.zeros(5, np.int64),
        step=np.full(5, 1_000_000),
        capacity=np.full(5, 10),
        tie_order=np.arange(5),
    )
