"""Soft targets against every assignment of tiny problems: the optimum, the bound, and every rung that could lose them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linprog

from solvers import ladder
from solvers.bounds import Prices, centred, limit_value, priced_bound
from solvers.candidates import from_table
from solvers.deviation import Targets
from solvers.flow import counts_alike_units, least_cost_flow
from solvers.ladder import solve
from solvers.linear import solve_relaxation
from solvers.move_effects import NOT_COUNTED, UNLIMITED
from solvers.moves import descend
from solvers.neighbourhoods import open_neighbourhood, resolve
from solvers.prices import _worth, ascend, sample_prices
from solvers.problem import AssignmentProblem, TableCosts
from solvers.relays import relay
from solvers.result import SolveResult, relative_gap
from solvers.whole import tightened

OPTIMAL = 1e-6
WEIGHTS = [0.0, 1e-6, 0.3, 5.0, 1e5]


def everywhere(problem: AssignmentProblem) -> Any:
    n, m = problem.n_units, problem.n_territories
    return from_table(problem, np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))


def drawn(tiny: Any, data: st.DataObject, **options: Any) -> tuple[Any, AssignmentProblem]:
    """A tiny problem with targets for all its measures: shares of the total, whole or not, or anything."""
    case = data.draw(tiny(**options))
    k, _, m = case.loads.shape
    total = case.loads.mean(axis=2).sum(axis=1)
    share = data.draw(hnp.arrays(np.float64, (k, m), elements=st.sampled_from([0.2, 1.0, 1.7])))
    target = total[:, None] * share / share.sum(axis=1, keepdims=True)
    form = data.draw(st.sampled_from(["share", "whole", "anything"]))
    if form == "whole":
        target = np.rint(target)
    if form == "anything":
        target = data.draw(hnp.arrays(np.float64, (k, m), elements=st.floats(0, 40, allow_subnormal=False)))
    weight = data.draw(hnp.arrays(np.float64, k, elements=st.sampled_from(WEIGHTS)))
    return case, replace(case.problem(), target=target, target_weight=weight)


def off_target(case: Any, problem: AssignmentProblem, assignments: Any) -> Any:
    """What is off target, per assignment and measure, in the measure's unit."""
    return np.abs(case.totals(assignments) - problem.target).sum(axis=2)


def optimum(case: Any, problem: AssignmentProblem) -> float | None:
    kept, cost = case.feasible()
    return float((cost + off_target(case, problem, kept) @ problem.target_weight).min()) if len(cost) else None


def margin(value: float, problem: AssignmentProblem) -> float:
    """Room for the summation error of priced targets, which may be far larger than the objective."""
    return 1e-9 * max(1.0, abs(value), float((problem.target_weight[:, None] * problem.target).sum()))


def check_against_the_oracle(case: Any, problem: AssignmentProblem, result: SolveResult) -> None:
    best = optimum(case, problem)
    assert (result.status == "infeasible") == (best is None)
    assert np.all(np.abs(result.prices.target) <= problem.target_weight[:, None])
    if best is None:
        assert not result.prices.target.any()
        return
    near, room = OPTIMAL * max(1.0, abs(best)), margin(best, problem)
    assert result.status == "optimal"
    assert case.allows(result.assignment)
    assert best - room <= result.objective <= best + near
    assert result.objective == pytest.approx(problem.objective_of(result.assignment), rel=1e-12)
    assert result.lower_bound <= best + room
    assert result.priced_bound <= best + room
    assert relative_gap(result.objective, result.lower_bound) <= OPTIMAL
    assert result.priced_bound == pytest.approx(priced_bound(problem, result.prices), abs=room)


# The optimum --------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_ladder_finds_the_optimum_beside_any_hard_limits(tiny: Any, data: st.DataObject) -> None:
    case, problem = drawn(tiny, data)
    check_against_the_oracle(case, problem, solve(problem, gap=0))


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_the_rungs_for_large_problems_find_the_same_optimum(tiny: Any, data: st.DataObject) -> None:
    case, problem = drawn(tiny, data, most_units=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "SIMPLEX_PAIRS", 0)
        check_against_the_oracle(case, problem, solve(problem, gap=0))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_weight_beyond_any_travel_gives_the_most_balanced_assignment_and_of_those_the_cheapest(
    tiny: Any, data: st.DataObject
) -> None:
    case, problem = drawn(tiny, data, kinds=("whole", "decimal"))
    weight = np.zeros(problem.n_measures)
    weight[:1] = 1e6
    problem = replace(problem, target=np.round(problem.target, 2), target_weight=weight)
    result, (kept, cost) = solve(problem, gap=0), case.feasible()
    if not len(cost) or not problem.n_measures:
        return
    off = off_target(case, problem, kept)[:, 0]
    reached = off_target(case, problem, result.assignment[None, :].astype(np.int64))[0, 0]
    assert reached == pytest.approx(off.min(), abs=1e-6)
    if off.min() == 0:
        assert problem.cost_of(result.assignment) == pytest.approx(cost[off == 0].min(), rel=2 * OPTIMAL, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_weight_of_zero_changes_nothing(tiny: Any, data: st.DataObject) -> None:
    case, problem = drawn(tiny, data)
    problem = replace(problem, target_weight=np.zeros(problem.n_measures))
    plain, soft = solve(case.problem(), gap=0), solve(problem, gap=0)
    assert (plain.status, plain.objective, plain.lower_bound) == (soft.status, soft.objective, soft.lower_bound)
    assert np.array_equal(plain.upper_prices, soft.upper_prices)
    if plain.assignment is not None:
        assert np.array_equal(plain.assignment, soft.assignment)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), more=st.sampled_from([1.5, 10.0]))
def test_dearer_targets_never_lower_the_objective_nor_what_is_nearer(
    tiny: Any, data: st.DataObject, more: float
) -> None:
    case, problem = drawn(tiny, data)
    dearer = replace(problem, target_weight=problem.target_weight * more)
    first, second = optimum(case, problem), solve(dearer, gap=0).objective
    if first is not None:
        assert second >= first - OPTIMAL * max(1.0, first)


def test_without_the_target_another_assignment_is_the_best() -> None:
    costs = np.array([[0.0, 3.0]] * 4)
    problem = AssignmentProblem(
        TableCosts(costs), np.ones((1, 4)), np.full((1, 2), -np.inf), np.full((1, 2), np.inf),
        target=np.full((1, 2), 2.0), target_weight=np.array([2.0]),
    )  # fmt: skip
    assert solve(problem.without_targets(), gap=0).objective == 0
    result = solve(problem, gap=0)
    assert result.objective == 6.0
    assert np.bincount(result.assignment).tolist() == [2, 2]
    # A unit that changes sides comes nearer at both ends, so half of what it costs is enough to keep it.
    assert solve(replace(problem, target_weight=np.array([1.4])), gap=0).objective == pytest.approx(5.6)


# Bounds -------------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(data=st.data(), whole=st.booleans())
def test_no_prices_prove_more_than_the_optimum(tiny: Any, data: st.DataObject, whole: bool) -> None:
    case, problem = drawn(tiny, data, kinds=("whole",) if whole else ("whole", "decimal", "real"))
    shape = (3, problem.n_measures, problem.n_territories)
    upper, lower, target = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(-8, 8, allow_subnormal=False)))
    problem, best = tightened(problem), optimum(case, problem)
    prices = Prices.of(problem, upper, lower, target)
    assert np.all(np.abs(prices.target) <= problem.target_weight[:, None])
    if best is not None:
        bound = priced_bound(problem, prices)
        assert bound <= best + margin(max(abs(best), abs(bound)), problem)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_net_price_is_split_so_that_limits_and_target_are_worth_what_the_best_load_makes_of_it(
    tiny: Any, data: st.DataObject
) -> None:
    _, problem = drawn(tiny, data)
    shape = (problem.n_measures, problem.n_territories)
    net = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(-9, 9, allow_subnormal=False)))
    crossed = problem.lower > problem.upper
    problem = problem.with_limits(np.where(crossed, problem.upper, problem.lower), problem.upper)
    prices = Prices.of_net(problem, net)
    cap = problem.target_weight[:, None]
    endless = (np.isinf(problem.upper) & (net > cap)) | (np.isinf(problem.lower) & (net < -cap))
    assert prices.net[~endless] == pytest.approx(net[~endless], abs=1e-9)
    best = 0.0
    for k, t in np.ndindex(shape):
        p = prices.net[k, t]
        low, high, aim, weight = problem.lower[k, t], problem.upper[k, t], problem.target[k, t], cap[k, 0]
        loads = [load for load in (low, high, min(max(aim, low), high)) if np.isfinite(load)]
        best += max(p * load - weight * abs(load - aim) for load in loads)
    assert limit_value(problem, prices) == pytest.approx(best, rel=1e-9, abs=margin(best, problem))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_ascent_climbs_what_the_bound_says(tiny: Any, data: st.DataObject) -> None:
    """The slope and the kinks that the ascent smooths are those of the bound's own worth of a net price."""
    _, problem = drawn(tiny, data)
    problem = tightened(problem)
    crossed = problem.lower > problem.upper
    problem = problem.with_limits(np.where(crossed, problem.upper, problem.lower), problem.upper)
    cap = problem.target_weight[:, None]
    shape = (problem.n_measures, problem.n_territories)
    base, kinks = _worth(problem)

    def smooth(net: Any) -> float:
        return float((net * base).sum() + sum((w * np.maximum(0, side * (net - at))).sum() for side, at, w in kinks))

    first, second = (
        np.clip(
            data.draw(hnp.arrays(np.float64, shape, elements=st.floats(-9, 9, allow_subnormal=False))),
            np.where(np.isfinite(problem.lower), -np.inf, -cap),
            np.where(np.isfinite(problem.upper), np.inf, cap),
        )
        for _ in range(2)
    )
    exact = limit_value(problem, Prices.of_net(problem, first)) - limit_value(problem, Prices.of_net(problem, second))
    assert smooth(first) - smooth(second) == pytest.approx(exact, rel=1e-9, abs=10 * margin(exact, problem))


def relaxed(case: Any, problem: AssignmentProblem) -> float | None:
    """The linear relaxation with soft targets by SciPy's HiGHS; None where it is infeasible."""
    k, n, m = case.loads.shape
    allowed = np.isfinite(case.costs).ravel()
    size, rows, low, high = n * m, [], [], []
    for i in range(n):
        row = np.zeros((n, m))
        row[i] = 1
        rows.append(np.concatenate([row.ravel(), np.zeros(2 * k * m)]))
        low, high = [*low, 1.0], [*high, 1.0]
    for j, t in itertools.product(range(k), range(m)):
        row = np.zeros((n, m))
        row[:, t] = case.loads[j, :, t]
        off = np.zeros((k, m, 2))
        rows.append(np.concatenate([row.ravel(), off.ravel()]))
        low, high = [*low, case.lower[j, t]], [*high, case.upper[j, t]]
        off[j, t] = [-1, 1]
        rows.append(np.concatenate([row.ravel(), off.ravel()]))
        low, high = [*low, problem.target[j, t]], [*high, problem.target[j, t]]
    matrix, low, high = np.array(rows), np.array(low), np.array(high)
    above, below = np.isfinite(high), np.isfinite(low)
    found = linprog(
        np.concatenate([np.where(allowed, case.costs.ravel(), 0.0), np.repeat(problem.target_weight, 2 * m)]),
        A_ub=np.vstack([matrix[above], -matrix[below]]),
        b_ub=np.concatenate([high[above], -low[below]]),
        bounds=[(0, 1 if free else 0) for free in allowed] + [(0, None)] * (2 * k * m),
    )
    assert len(matrix[0]) == size + 2 * k * m
    return float(found.fun) if found.status == 0 else None


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_relaxation_and_the_bound_of_its_prices_are_the_value_that_another_solver_finds(
    tiny: Any, data: st.DataObject
) -> None:
    case, problem = drawn(tiny, data, kinds=("whole", "decimal"))
    if np.any(~np.isfinite(case.costs).any(axis=1)):
        return
    problem = replace(problem, target_weight=np.minimum(problem.target_weight, 50.0))
    expected, found = relaxed(case, problem), solve_relaxation(problem, everywhere(problem))
    assert found.solved == (expected is not None)
    if expected is not None:
        near = 1e-6 * max(1.0, abs(expected))
        assert found.value == pytest.approx(expected, abs=near)
        assert priced_bound(problem, found.prices) == pytest.approx(expected, abs=near)
        tight = tightened(problem)
        rounded = solve_relaxation(tight, everywhere(tight))
        if rounded.solved:
            assert rounded.value >= expected - near
            assert priced_bound(tight, rounded.prices) == pytest.approx(rounded.value, abs=near)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_targets_never_make_a_problem_infeasible_nor_count_where_costs_do_not(tiny: Any, data: st.DataObject) -> None:
    case, problem = drawn(tiny, data, kinds=("whole",), forbid=False)
    plain, soft = (solve_relaxation(p, everywhere(p), elastic=True, costless=True) for p in (case.problem(), problem))
    assert soft.value == pytest.approx(plain.value, abs=1e-7)
    assert not soft.prices.target.any()
    prices = Prices.of(problem, plain.prices.upper, plain.prices.lower, np.full(problem.target.shape, 3.0))
    assert priced_bound(problem, prices, costless=True) == pytest.approx(
        priced_bound(case.problem(), plain.prices, costless=True), abs=1e-7
    )


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_prices_moved_around_zero_are_allowed_and_prove_as_much(tiny: Any, data: st.DataObject) -> None:
    _, problem = drawn(tiny, data)
    problem = tightened(replace(problem, target_weight=np.minimum(problem.target_weight, 5.0)))
    shape = (problem.n_measures, problem.n_territories)
    target = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(-5, 5, allow_subnormal=False)))
    prices = Prices.of(problem, np.zeros(shape), np.zeros(shape), target)
    moved = centred(problem, prices)
    assert np.all(np.abs(moved.target) <= problem.target_weight[:, None])
    before = priced_bound(problem, prices)
    assert priced_bound(problem, moved) >= before - margin(before, problem) if np.isfinite(before) else True


# The rungs ----------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_counts_with_soft_targets_are_a_flow_whose_prices_prove_the_optimum(tiny: Any, data: st.DataObject) -> None:
    case, problem = drawn(tiny, data, unit_loads=True)
    # In counts, so that what whole units can reach is what the limits say.
    case = replace(case, loads=np.ones_like(case.loads))
    weight = np.minimum(problem.target_weight, 50.0)
    problem = tightened(replace(case.problem(), target=problem.target, target_weight=weight))
    assert counts_alike_units(problem)
    found, best = least_cost_flow(problem, everywhere(problem)), optimum(case, problem)
    assert (found is None) == (best is None)
    if found is not None:
        assignment, prices = found
        assert problem.objective_of(assignment) == pytest.approx(best, rel=1e-7, abs=1e-7)
        assert priced_bound(problem, prices) == pytest.approx(best, rel=1e-7, abs=1e-7)


def test_the_flow_is_not_offered_where_prices_could_not_prove_it() -> None:
    soft = {"target": np.full((1, 2), 2.5), "target_weight": np.ones(1)}
    endless = np.full((1, 2), np.inf)
    assert counts_alike_units(AssignmentProblem(TableCosts(np.ones((2, 2))), np.full((1, 2), 2.5), -endless, endless))
    assert not counts_alike_units(
        AssignmentProblem(TableCosts(np.ones((2, 2))), np.full((1, 2), 2.5), -endless, endless, **soft)
    )


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_neighbourhood_is_solved_exactly_and_its_bound_is_never_above_the_best(
    tiny: Any, data: st.DataObject
) -> None:
    case, problem = drawn(tiny, data)
    case.costs[~np.isfinite(case.costs).any(axis=1)] = 1.0
    candidates, m = everywhere(problem), problem.n_territories
    start = np.array(
        [data.draw(st.sampled_from(np.flatnonzero(np.isfinite(row)).tolist())) for row in case.costs], np.int32
    )
    territories = np.array(sorted(data.draw(st.sets(st.integers(0, m - 1), min_size=1))), np.int32)
    totals = case.totals(start[None, :].astype(np.int64))[0]
    hood = open_neighbourhood(
        candidates, candidates.pair_of(start), totals, *problem.slack(), territories,
        np.flatnonzero(np.isin(start, territories)), np.ones(candidates.n_pairs, np.bool_),
        Targets(problem.target, problem.target_weight),
    )  # fmt: skip
    answer = resolve(candidates, hood, candidates.pair_of(start), effort=1.0, seed=0)
    inside = np.isin(start, territories)
    # The neighbourhood answers for its own limits and loads only.
    every = np.array(
        [
            a
            for a in case.every_assignment()
            if np.all(a[~inside] == start[~inside]) and np.isin(a[inside], territories).all()
        ]
    ).reshape(-1, len(start))
    loads = case.totals(every)[:, :, territories]
    low, high = problem.slack()
    within = ((loads >= low[:, territories]) & (loads <= high[:, territories])).all(axis=(1, 2))
    cost = case.costs[np.arange(len(start)), every].sum(axis=1)
    value = cost + np.abs(loads - problem.target[:, territories]).sum(axis=2) @ problem.target_weight
    possible = within & np.isfinite(cost)
    if not possible.any():
        # Rounding may let a choice through that is a hair outside, for the caller to check.
        return
    stay = case.costs[np.arange(len(start)), start].sum() - case.costs[hood.units, start[hood.units]].sum()
    best = value[possible].min()
    room = margin(best, problem) + 1e-7 * max(1.0, abs(best))
    assert answer.bound + stay <= best + room
    assert answer.optimal
    found = start.copy()
    found[hood.units] = candidates.territory[answer.pairs]
    reached = value[(every == found).all(axis=1)][0]
    assert reached <= best + room
    assert answer.bound + stay >= best - room


def test_coefficients_beyond_32_bits_do_not_shut_out_the_best_choice() -> None:
    """OR-Tools 9.15 adds them up in 32 bits in one presolve rule, and proved 37,848 to be the best of this (issue 5293)."""
    inf = np.inf
    costs = np.array(
        [
            [inf, inf, 18.00430453],
            [10.70629753, 14.78449604, 16.57369285],
            [inf, 2.42801289, 18.9041724],
            [19.17212216, 10.80049908, 19.38545086],
            [3.12312187, 4.59755328, inf],
            [0.9540498, 10.310663, 13.4189823],
            [7.07535981, 7.52242235, inf],
        ]
    )
    loads = np.array(
        [
            [7.24642601, 2.22399825, 8.52125838, 2.71370459, 4.74833191, 7.44723917, 5.55805032],
            [3.07466931, 1.38415277, 5.36557957, 2.62272136, 4.99956249, 6.8058443, 7.79356704],
        ]
    )
    problem = AssignmentProblem(
        TableCosts(costs), loads, np.repeat([[9.94585853], [5.89491922]], 3, axis=1), np.full((2, 3), inf),
        target=np.array([[19.0, 10.0, 9.0], [16.0, 8.0, 8.0]]), target_weight=np.array([50.0, 1e4]),
    )  # fmt: skip
    values = [
        problem.objective_of(np.array(a, np.int32))
        for a in itertools.product(range(3), repeat=7)
        if problem.is_feasible(np.array(a, np.int32))
    ]
    result = solve(problem, gap=0)
    assert result.objective == pytest.approx(min(values), rel=OPTIMAL)
    assert result.lower_bound <= min(values) * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), swaps=st.sampled_from([0, 2]))
def test_shifts_and_swaps_count_what_is_off_target(tiny: Any, data: st.DataObject, swaps: int) -> None:
    case, problem = drawn(tiny, data, forbid=False)
    problem = replace(problem, target_weight=np.minimum(problem.target_weight, 50.0))
    candidates, m = everywhere(problem), problem.n_territories
    pair = candidates.start[:-1].copy()
    start = candidates.territory[pair]
    totals = np.array([np.bincount(start, row[pair], m) for row in candidates.load]).reshape(problem.n_measures, m)
    endless, soft = np.full(totals.shape, np.inf), problem.soft
    weight = np.repeat(problem.target_weight[soft][:, None], m, axis=1)
    aims = np.array([problem.target[soft], weight, weight])
    descend(
        candidates.start, candidates.territory, candidates.cost, candidates.load, -endless, endless,
        np.zeros(totals.shape), soft, aims, np.arange(problem.n_units), pair, totals, NOT_COUNTED, UNLIMITED, swaps, 1_000_000,
    )  # fmt: skip
    before, after = problem.objective_of(start), problem.objective_of(candidates.territory[pair])
    assert after <= before + 1e-7 * max(1.0, before)
    # A local optimum: no single shift is better.
    for i, t in itertools.product(range(problem.n_units), range(m)):
        shifted = candidates.territory[pair].copy()
        shifted[i] = t
        assert problem.objective_of(shifted) >= after - 1e-6 * max(1.0, after)
    assert case.totals(candidates.territory[pair][None, :].astype(np.int64))[0] == pytest.approx(totals, abs=1e-9)


# Medium problems ----------------------------------------------------------------------------------------------------

Make = Callable[..., AssignmentProblem]


def with_targets(problem: AssignmentProblem, weight: float) -> AssignmentProblem:
    share = np.repeat(problem.loads.sum(axis=1, keepdims=True) / problem.n_territories, problem.n_territories, axis=1)
    return replace(problem, target=share, target_weight=np.full(problem.n_measures, weight))


@pytest.mark.parametrize("limited", [True, False], ids=["beside limits", "alone"])
def test_the_ascent_ends_close_to_the_relaxation(scattered: Make, limited: bool) -> None:
    problem = with_targets(scattered(1_200, 25, measures=2, tolerance=0.1), 1.5)
    if not limited:
        endless = np.full(problem.lower.shape, np.inf)
        problem = problem.with_limits(-endless, endless)
    prices = ascend(problem, sample_prices(problem), 1e-3)[0]
    found = solve_relaxation(problem, everywhere(problem))
    bound = priced_bound(problem, prices)
    assert found.value * (1 - 5e-3) <= bound <= found.value * (1 + 1e-7)
    assert prices.target.any()


def test_the_proved_loss_is_the_gap_and_every_round_keeps_the_limits(scattered: Make) -> None:
    problem = with_targets(scattered(150, 6, measures=2, tolerance=0.1), 2.0)
    heard: list[Any] = []
    result = solve(problem, gap=0, rounds=2, seed=1, on_progress=heard.append)
    assert problem.is_feasible(result.assignment)
    assert result.priced_bound <= result.lower_bound <= result.objective
    assert relative_gap(result.objective, result.lower_bound) < 0.01
    again = solve(problem, gap=0, rounds=2, seed=1)
    assert np.array_equal(result.assignment, again.assignment)
    objectives = [p.objective for p in heard if p.objective is not None]
    assert objectives == sorted(objectives, reverse=True)


def test_counts_beyond_the_simplex_are_optimal_by_flow(scattered: Make) -> None:
    problem = with_targets(scattered(3_000, 90, alike=True, tolerance=0.3), 7.0)
    assert problem.n_units * problem.n_territories > ladder.SIMPLEX_PAIRS
    result = solve(problem, gap=0, rounds=0)
    assert result.status == "optimal"
    assert result.proof["kind"] == "prices"
    assert result.proof["whole_measures"] == [0]
    assert result.lower_bound > result.priced_bound


# Small enough to solve in the head ----------------------------------------------------------------------------------


def test_the_relaxation_crosses_a_target_between_two_whole_loads_as_whole_units_must() -> None:
    # Three units, 1.5 wanted on either side: whole ones are half a unit off at both, split ones would be off by nothing.
    endless = np.full((1, 2), np.inf)
    problem = AssignmentProblem(
        TableCosts(np.zeros((3, 2))), np.ones((1, 3)), -endless, endless,
        target=np.array([[1.25, 1.75]]), target_weight=np.array([4.0]),
    )  # fmt: skip
    assert solve_relaxation(problem, everywhere(problem)).value == pytest.approx(0.0)
    tight = tightened(problem)
    found = solve_relaxation(tight, everywhere(tight))
    assert found.value == pytest.approx(2.0)
    assert priced_bound(tight, found.prices) == pytest.approx(2.0)
    assert solve(problem, gap=0).objective == pytest.approx(2.0)


@pytest.mark.parametrize(("far", "moves"), [(1.9, True), (2.1, False)])
def test_a_shift_weighs_what_it_mends_at_both_ends(far: float, moves: bool) -> None:
    start, territory, load = np.array([0, 1, 3]), np.array([0, 0, 1], np.int32), np.ones((1, 3))
    pair, totals, endless = np.array([0, 1]), np.array([[2.0, 0.0]]), np.full((1, 2), np.inf)
    aims = np.array([[[1.0, 1.0]], [[1.0, 1.0]], [[1.0, 1.0]]])
    descend(
        start, territory, np.array([0.0, 0.0, far]), load, -endless, endless, np.zeros((1, 2)),
        np.zeros(1, np.int64), aims, np.arange(2), pair, totals, NOT_COUNTED, UNLIMITED, 0, 1_000,
    )  # fmt: skip
    assert totals.tolist() == ([[1.0, 1.0]] if moves else [[2.0, 0.0]])


def test_a_swap_and_a_relay_weigh_the_other_measure_s_target() -> None:
    # Either unit of the full territory may go; the second leaves the soft measure where it is wanted.
    start, territory = np.array([0, 2, 4]), np.array([0, 1, 0, 1], np.int32)
    load = np.array([[1.0, 1.0, 1.0, 1.0], [5.0, 5.0, 1.0, 1.0]])
    lower, upper = np.full((2, 2), -np.inf), np.array([[1.0, 1.0], [np.inf, np.inf]])
    aims = np.array([[[5.0, 1.0]], [[3.0, 3.0]], [[3.0, 3.0]]])
    pair, totals = np.array([0, 2]), np.array([[2.0, 0.0], [6.0, 0.0]])
    relay(
        start, territory, np.array([0.0, 1.0, 0.0, 2.0]), load, lower, upper, np.full((2, 2), 100.0),
        np.ones(1, np.int64), aims, 0, pair, totals, NOT_COUNTED, UNLIMITED, 10,
    )  # fmt: skip
    assert totals.tolist() == [[1.0, 1.0], [5.0, 1.0]]
    pair, totals = np.array([1, 2]), np.array([[1.0, 1.0], [1.0, 5.0]])
    descend(
        start, territory, np.zeros(4), load, lower, upper, np.full((2, 2), 100.0), np.ones(1, np.int64), aims,
        np.arange(2), pair, totals, NOT_COUNTED, UNLIMITED, 2, 1_000,
    )  # fmt: skip
    assert totals.tolist() == [[1.0, 1.0], [5.0, 1.0]]
