"""The audit's bound over the choice of centres: the solver's number, found without the solver's code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.districting.bound import centre_bound as solver
from solvers.districting.problem import DistrictingProblem, MatrixCosts
from territory_engine.auditing import centre_bound as audit
from tests.solvers.districting.conftest import points_problem
from tests.solvers.districting.designs import every_design, problems


def audited(
    problem: DistrictingProblem, multipliers: np.ndarray, measure: int, *, whole: bool = False
) -> tuple[float, float]:
    costs = problem.costs
    given_costs: audit.Places | audit.Table
    if isinstance(costs, MatrixCosts):
        given_costs = audit.Table(costs.table)
    else:
        unit = np.repeat(np.arange(costs.n_units), np.diff(costs.member_start))
        # The audit takes members in any order.
        order = np.random.default_rng(0).permutation(len(unit))
        given_costs = audit.Places(
            costs.points[order],
            costs.weights[order],
            unit[order],
            costs.n_units,
            costs.candidates,
            costs.spherical,
            costs.power,
            costs.max_travel,
        )
    return audit.centre_bound(
        given_costs,
        multipliers,
        problem.n_territories,
        problem.candidate_unit.astype(np.intp),
        problem.loads[measure],
        float(problem.lower[measure].min()),
        float(problem.upper[measure].max()),
        whole=whole,
    )


def drawn_multipliers(problem: DistrictingProblem, seed: int) -> np.ndarray:
    table = problem.costs.columns(np.arange(problem.costs.n_candidates))
    size = float(table[np.isfinite(table)].mean()) if np.isfinite(table).any() else 1.0
    return np.random.default_rng(seed).uniform(-0.3, 1.5, problem.n_units) * size


@given(problem=problems(max_units=10), seed=st.integers(0, 1000), near=st.booleans(), measure=st.integers(0, 1))
@settings(max_examples=100, deadline=None)
def test_the_audit_finds_the_solvers_bound(problem: DistrictingProblem, seed: int, near: bool, measure: int) -> None:
    measure = min(measure, problem.n_measures - 1)
    multipliers = drawn_multipliers(problem, seed)
    expected = solver.centre_bound(problem, multipliers, measure)
    with pytest.MonkeyPatch.context() as patch:
        if near:
            patch.setattr(audit, "_MANY_PAIRS", 0)
            patch.setattr(audit, "_NEAR_CANDIDATES", 3)
        found, magnitude = audited(problem, multipliers, measure)
    if np.isinf(expected):
        assert found == np.inf
    else:
        assert abs(found - expected) <= 1e-9 * max(1.0, magnitude)
        assert magnitude >= abs(found) - 1e-9


@given(problem=problems(max_units=10), seed=st.integers(0, 1000), near=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_audit_finds_the_solvers_bound_by_whole_units(problem: DistrictingProblem, seed: int, near: bool) -> None:
    problem = replace(problem, loads=np.rint(problem.loads))
    multipliers = drawn_multipliers(problem, seed)
    with pytest.MonkeyPatch.context() as patch:
        if near:
            patch.setattr(audit, "_MANY_PAIRS", 0)
            patch.setattr(solver, "BLOCK_PAIRS", 0)
        expected = solver.centre_bound(problem, multipliers, 0, whole=True)
        found, magnitude = audited(problem, multipliers, 0, whole=True)
    # Where no whole load lies between the limits the audit sees that nothing can be a centre.
    assert found == np.inf or abs(found - expected) <= 1e-9 * max(1.0, magnitude)


def test_whole_units_need_whole_loads() -> None:
    problem = points_problem(np.arange(8.0).reshape(4, 2), np.full((1, 4), 0.5), -np.inf, 2.0, 2)
    with pytest.raises(ValueError, match="whole loads"):
        audited(problem, np.ones(4), 0, whole=True)


@given(problem=problems(), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_audited_bound_is_never_above_the_best_design(problem: DistrictingProblem, seed: int) -> None:
    best = min((value for value, _, _ in every_design(problem)), default=np.inf)
    found, _ = audited(problem, drawn_multipliers(problem, seed), 0)
    assert found <= best + 1e-9 * max(1.0, abs(best)) or best == np.inf


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("lower", [-np.inf, 45.0])
def test_near_units_alone_give_the_same_bound(
    spherical: bool, power: int, lower: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    points = rng.uniform(0, 10, (400, 2)) * ([4, 4] if spherical else [1, 1])
    problem = points_problem(points, np.ones((1, 400)), lower, 55.0, 8, spherical=spherical, power=power)
    table = problem.costs.columns(np.arange(400))
    multipliers = np.sort(table, axis=1)[:, 50] * rng.uniform(0.7, 1.1, 400)
    every, _ = audited(problem, multipliers, 0)
    monkeypatch.setattr(audit, "_MANY_PAIRS", 0)
    monkeypatch.setattr(audit, "_NEAR_CANDIDATES", 64)
    assert audited(problem, multipliers, 0)[0] == pytest.approx(every, rel=1e-11)


def test_a_changed_multiplier_changes_what_is_proved() -> None:
    problem = points_problem(np.arange(12.0).reshape(6, 2), np.ones((1, 6)), 2.0, 4.0, 2)
    multipliers = np.full(6, 2.0)
    proved, _ = audited(problem, multipliers, 0)
    multipliers[0] += 1.0
    assert audited(problem, multipliers, 0)[0] != pytest.approx(proved)
