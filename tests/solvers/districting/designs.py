"""Random territory design problems with free centres, and their optimum by trying everything."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from hypothesis import strategies as st

from solvers.districting.problem import DistrictingProblem, MatrixCosts, PlaceCosts


@st.composite
def problems(draw: st.DrawFn, max_units: int = 5, max_territories: int = 3) -> DistrictingProblem:
    """Return a problem small enough to try everything: groups, members without a place, unlike limits, homes of reps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(2, max_units)), draw(st.integers(1, max_territories))
    m = min(m, n)
    spherical, power = draw(st.booleans()), draw(st.sampled_from([1, 2]))
    sizes = rng.integers(0, 3, n) if draw(st.booleans()) else np.ones(n, int)
    start = np.append(0, np.cumsum(sizes)).astype(np.int64)
    size = 5.0 if spherical else 100.0
    points = rng.uniform(-size, size, (int(start[-1]), 2))
    if draw(st.booleans()):
        points[rng.random(len(points)) < 0.2] = np.nan
    weights = rng.integers(0, 4, len(points)).astype(float)
    candidates = rng.uniform(-size, size, (draw(st.integers(m, n + 2)), 2))
    home = np.full(len(candidates), -1, np.int32)
    homes = rng.permutation(n)[: len(candidates)]
    home[: len(homes)] = homes
    if draw(st.booleans()):
        home[rng.random(len(home)) < 0.3] = -1
    reach = draw(st.sampled_from([np.inf, np.inf, 900.0 if spherical else 150.0]))
    costs: PlaceCosts | MatrixCosts = PlaceCosts(start, points, weights, candidates, spherical, power, reach)
    if draw(st.booleans()):
        costs = MatrixCosts(costs.columns(np.arange(len(candidates))))
    loads = rng.integers(0, 6, (draw(st.integers(1, 2)), n)).astype(float)
    if draw(st.booleans()):
        loads += rng.random(loads.shape) * (loads > 0)
    fair = loads.sum(axis=1, keepdims=True) / m
    low = fair * rng.uniform(0.3, 0.95, (len(loads), m)) if draw(st.booleans()) else np.full((len(loads), m), -np.inf)
    high = fair * rng.uniform(1.0, 1.8, (len(loads), m)) if draw(st.booleans()) else np.full((len(loads), m), np.inf)
    return DistrictingProblem.plain(costs, home, loads, low, high)


def every_design(problem: DistrictingProblem) -> list[tuple[float, tuple[int, ...], tuple[int, ...]]]:
    """Return objective, centres and assignment of every design that keeps limits, travel and own units."""
    m, table = problem.n_territories, problem.costs.columns(np.arange(problem.costs.n_candidates))
    lower, upper = problem.slack()
    good = []
    for answer in product(range(m), repeat=problem.n_units):
        assignment = np.array(answer)
        loads = problem.loads_of(assignment.astype(np.int32))
        if np.all(loads >= lower) and np.all(loads <= upper):
            good.append((answer, assignment))
    found = []
    for centres in permutations(range(problem.costs.n_candidates), m):
        home = problem.candidate_unit[list(centres)]
        settled = np.flatnonzero(home >= 0)
        for answer, assignment in good:
            if np.all(assignment[home[settled]] == settled):
                value = table[np.arange(problem.n_units), np.array(centres)[assignment]].sum()
                if np.isfinite(value):
                    found.append((float(value), centres, answer))
    return found
