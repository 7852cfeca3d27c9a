"""What multipliers rule out: nothing that the best design uses, and enough to be worth it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.districting.bound.multipliers import ascend
from solvers.districting.problem import DistrictingProblem
from solvers.districting.whole.fixing import fix, open_candidates
from tests.solvers.districting.conftest import points_problem
from tests.solvers.districting.designs import every_design, problems


@given(problem=problems(), seed=st.integers(0, 1000), whole=st.booleans(), climbed=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_best_design_is_never_ruled_out(problem: DistrictingProblem, seed: int, whole: bool, climbed: bool) -> None:
    designs = every_design(problem)
    if not designs:
        return
    best = min(value for value, _, _ in designs)
    table = problem.costs.columns(np.arange(problem.costs.n_candidates))
    multipliers = np.random.default_rng(seed).uniform(0, 2, problem.n_units) * table[np.isfinite(table)].mean()
    if climbed:
        multipliers = ascend(problem, upper_value=best, should_stop=lambda: False, rounds=2, whole=whole).values
    fixing = fix(problem, multipliers, 0, best, whole=whole)
    candidates = open_candidates(problem, multipliers, 0, best, whole=whole)
    for value, centres, assignment in designs:
        if value <= best + 1e-12 * abs(best):
            used = np.array(centres)[list(assignment)]
            assert fixing.centre[list(centres)].all()
            assert candidates[list(centres)].all()
            assert fixing.pair[np.arange(problem.n_units), used].all()


def test_a_known_optimum_rules_out_most_pairs_of_a_clustered_problem() -> None:
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.normal(middle, 1.0, (8, 2)) for middle in ([0, 0], [20, 0], [0, 20])])
    problem = points_problem(points, np.ones((1, 24)), 7.0, 9.0, 3)
    table = problem.costs.columns(np.arange(24))
    optimum = sum(table[8 * k : 8 * k + 8, 8 * k : 8 * k + 8].sum(axis=0).min() for k in range(3))
    found = ascend(problem, upper_value=optimum, should_stop=lambda: False)
    fixing = fix(problem, found.values, 0, optimum)
    assert found.bound >= 0.999 * optimum
    assert fixing.centre.sum() <= 6
    assert fixing.pair.sum() <= 60
