"""The ladder against every assignment of tiny problems, and what must not change its answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers import ladder
from solvers.bounds import Prices, priced_bound
from solvers.infeasibility import is_certificate, oversized_units, stranded_units
from solvers.ladder import solve
from solvers.problem import AssignmentProblem, TableCosts
from solvers.result import Progress, SolveResult, relative_gap
from solvers.whole import tighten_to_whole

OPTIMAL = 1e-6


def near(value: float) -> float:
    """The largest objective that counts as this optimum."""
    return value + OPTIMAL * max(1.0, abs(value))


def prices_of(result: SolveResult) -> Prices:
    return Prices(result.upper_prices, result.lower_prices)


def check_against_the_oracle(tiny: Any, result: SolveResult) -> None:
    problem, optimum = tiny.problem(), tiny.optimum()
    assert (result.status == "infeasible") == (optimum is None), (result, optimum)
    assert np.all(result.upper_prices >= 0)
    assert np.all(result.lower_prices >= 0)
    if optimum is None:
        assert result.assignment is None
        return
    assert result.status == "optimal"
    assert result.assignment is not None
    assert tiny.allows(result.assignment)
    assert optimum - 1e-9 <= result.objective <= near(optimum)
    assert result.lower_bound <= near(optimum)
    assert result.priced_bound <= near(optimum)
    assert result.objective == pytest.approx(problem.cost_of(result.assignment), rel=1e-12)
    assert relative_gap(result.objective, result.lower_bound) <= OPTIMAL
    assert result.priced_bound == pytest.approx(priced_bound(problem, prices_of(result)), abs=1e-9)


# The optimum --------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_ladder_finds_the_optimum_or_says_infeasible_exactly_as_the_oracle_does(
    tiny: Any, data: st.DataObject
) -> None:
    problem = data.draw(tiny())
    check_against_the_oracle(problem, solve(problem.problem(), gap=0))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_it_does_so_where_eight_units_have_loads_that_depend_on_the_territory(tiny: Any, data: st.DataObject) -> None:
    problem = data.draw(tiny(most_units=8, by_pair=True))
    check_against_the_oracle(problem, solve(problem.problem(), gap=0))


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_the_rungs_for_large_problems_find_the_same_optimum(tiny: Any, data: st.DataObject) -> None:
    """Dual ascent, min-cost flow and few candidates, which tiny problems otherwise never meet."""
    problem = data.draw(tiny(most_units=5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "SIMPLEX_PAIRS", 0)
        check_against_the_oracle(problem, solve(problem.problem(), gap=0))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), gap=st.sampled_from([0.5, 0.05]), rounds=st.sampled_from([0, 1, None]))
def test_whatever_ends_the_search_the_answer_keeps_every_limit_and_no_bound_is_above_the_optimum(
    tiny: Any, data: st.DataObject, gap: float, rounds: int | None
) -> None:
    problem = data.draw(tiny())
    result, optimum = solve(problem.problem(), gap=gap, rounds=rounds), problem.optimum()
    for bound in (result.lower_bound, result.priced_bound):
        assert bound is None or optimum is None or bound <= near(optimum)
    if result.assignment is not None:
        assert problem.allows(result.assignment)
        if result.termination == "gap":
            assert relative_gap(result.objective, result.lower_bound) <= gap
    else:
        assert result.status in {"infeasible", "unknown"}
        assert optimum is None or result.status == "unknown"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_prices_that_prove_infeasibility_prove_it_on_the_limits_or_on_what_whole_loads_can_reach_of_them(
    tiny: Any, data: st.DataObject
) -> None:
    case = data.draw(tiny())
    problem = case.problem()
    result = solve(problem, gap=0)
    if result.status != "infeasible" or result.proof["kind"] != "prices":
        return
    assert case.optimum() is None
    lower, upper = case.lower.copy(), case.upper.copy()
    for k in range(problem.n_measures):
        lower[k], upper[k] = tighten_to_whole(case.loads[k], lower[k], upper[k])
    tight = problem.with_limits(lower, upper)
    if len(stranded_units(tight)) == 0 and len(oversized_units(tight)) == 0:
        assert is_certificate(tight, prices_of(result))


# What leaves the optimum alone --------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_renaming_units_and_territories_leaves_the_optimum(tiny: Any, data: st.DataObject) -> None:
    problem = data.draw(tiny())
    n, m = problem.costs.shape
    units, territories = data.draw(st.permutations(range(n))), data.draw(st.permutations(range(m)))
    renamed = problem.relabelled(np.array(units), np.array(territories))
    first, second = solve(problem.problem(), gap=0), solve(renamed.problem(), gap=0)
    assert first.status == second.status
    if first.objective is not None:
        assert second.objective == pytest.approx(first.objective, rel=2 * OPTIMAL, abs=2 * OPTIMAL)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), more=st.floats(0, 10))
def test_wider_limits_never_cost_more(tiny: Any, data: st.DataObject, more: float) -> None:
    problem = data.draw(tiny())
    wider = replace(problem, upper=problem.upper + more, lower=problem.lower - more)
    first, second = solve(problem.problem(), gap=0), solve(wider.problem(), gap=0)
    if first.objective is not None:
        assert second.objective is not None
        assert second.objective <= near(first.objective)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), shift=st.integers(0, 50))
def test_a_constant_on_all_costs_of_one_unit_shifts_the_objective_by_it(
    tiny: Any, data: st.DataObject, shift: int
) -> None:
    problem = data.draw(tiny())
    costs = problem.costs.copy()
    costs[0] += shift
    first, second = solve(problem.problem(), gap=0), solve(replace(problem, costs=costs).problem(), gap=0)
    assert first.status == second.status
    if first.objective is not None:
        assert second.objective == pytest.approx(first.objective + shift, rel=2 * OPTIMAL, abs=2 * OPTIMAL)


# Medium problems ----------------------------------------------------------------------------------------------------

Make = Callable[..., AssignmentProblem]


@pytest.fixture(scope="module")
def one_round(scattered: Make) -> tuple[SolveResult, list[Progress]]:
    """One round on a problem that a round does not close, and what was heard meanwhile."""
    heard: list[Progress] = []
    return solve(scattered(200, 10, tolerance=0.02), gap=0, seed=1, rounds=1, on_progress=heard.append), heard


def test_the_rounds_of_a_run_ended_by_its_limit_are_counted(one_round: tuple[SolveResult, list[Progress]]) -> None:
    result, _ = one_round
    assert (result.termination, result.rounds, result.status) == ("rounds", 1, "feasible")


def test_a_run_stopped_from_outside_gives_what_its_number_of_rounds_replays(
    scattered: Make, one_round: tuple[SolveResult, list[Progress]]
) -> None:
    heard: list[Progress] = []
    stopped = solve(
        scattered(200, 10, tolerance=0.02),
        gap=0,
        seed=1,
        on_progress=heard.append,
        should_stop=lambda: heard[-1].rounds == 1,
    )
    replay, _ = one_round
    assert stopped.termination == "interrupted"
    assert stopped.rounds == replay.rounds
    assert np.array_equal(stopped.assignment, replay.assignment)
    assert (stopped.objective, stopped.lower_bound) == (replay.objective, replay.lower_bound)


def test_the_rounds_reported_by_a_run_that_closed_its_gap_replay_it(scattered: Make) -> None:
    first = solve(scattered(60, 5, measures=2, tolerance=0.05), gap=0, seed=5)
    again = solve(scattered(60, 5, measures=2, tolerance=0.05), gap=0, seed=5, rounds=first.rounds)
    assert first.status == "optimal"
    assert first.rounds > 0
    assert np.array_equal(first.assignment, again.assignment)
    assert (first.objective, first.lower_bound) == (again.objective, again.lower_bound)


def test_progress_names_the_stages_and_its_numbers_only_improve(one_round: tuple[SolveResult, list[Progress]]) -> None:
    result, heard = one_round
    assert "pricing" in {p.stage for p in heard}
    objectives = [p.objective for p in heard if p.objective is not None]
    bounds = [p.lower_bound for p in heard if p.lower_bound is not None]
    assert objectives == sorted(objectives, reverse=True)
    assert bounds == sorted(bounds)
    assert objectives[-1] == pytest.approx(result.objective)
    assert all(p.gap is None or 0 <= p.gap <= 1 for p in heard)
    assert [p.rounds for p in heard] == sorted(p.rounds for p in heard)


def test_the_time_limit_ends_the_search_and_says_so(scattered: Make) -> None:
    result = solve(scattered(60, 5, measures=2, tolerance=0.02), gap=0, time_limit_s=1e-9)
    assert result.termination == "time_limit"
    assert result.rounds == 0
    assert result.status in {"feasible", "unknown"}


@pytest.mark.parametrize("alike", [True, False], ids=["alike units, by flow", "two measures, by dual ascent"])
def test_a_problem_beyond_the_simplex_is_feasible_and_close_to_its_bound(scattered: Make, alike: bool) -> None:
    problem = scattered(3_000, 90, measures=1 if alike else 2, tolerance=0.1 if alike else 0.25, alike=alike)
    assert problem.n_units * problem.n_territories > ladder.SIMPLEX_PAIRS
    result = solve(problem, gap=0.03, rounds=3)
    assert problem.is_feasible(result.assignment)
    assert result.objective >= result.lower_bound >= result.priced_bound - 1e-9
    assert relative_gap(result.objective, result.lower_bound) <= (OPTIMAL if alike else 0.03)


ANSWER = """
import hashlib, os, sys

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
import numpy as np
from solvers import ladder
from solvers.problem import AssignmentProblem, TravelCosts

ladder.SIMPLEX_PAIRS = 0  # the rungs that run on all cores
rng = np.random.default_rng(7)
n, m = 600, 20
costs = TravelCosts(
    np.arange(n + 1), np.column_stack([rng.uniform(30, 45, n), rng.uniform(-110, -80, n)]), rng.integers(1, 9, n) * 1.0,
    np.column_stack([rng.uniform(30, 45, m), rng.uniform(-110, -80, m)]), True, 1, np.inf,
    np.zeros(n, np.int32), np.ones((1, m), bool), np.full(n, -1, np.int32),
)
loads = rng.lognormal(0, 0.5, (2, n))
share = np.repeat(loads.sum(axis=1, keepdims=True) / m, m, axis=1)
result = ladder.solve(AssignmentProblem(costs, loads, share * 0.5, share * 1.5), gap=0.01, rounds=0, seed=3)
print(result.status, hashlib.sha256(result.assignment.tobytes()).hexdigest(), repr(result.objective), repr(result.lower_bound))
"""


def test_the_same_seed_gives_the_same_answer_on_one_core_and_on_two() -> None:
    answers = [
        subprocess.run(
            [sys.executable, "-c", ANSWER, cores],
            env={**os.environ, "NUMBA_NUM_THREADS": cores},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for cores in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert answers[0].startswith("feasible")


# Edges --------------------------------------------------------------------------------------------------------------


def table(
    costs: list[list[float]], loads: list[list[float]], lower: list[list[float]], upper: list[list[float]]
) -> AssignmentProblem:
    return AssignmentProblem(TableCosts(np.array(costs)), np.array(loads), np.array(lower), np.array(upper))


def test_without_limits_every_unit_goes_to_its_cheapest_territory() -> None:
    costs = np.random.default_rng(0).random((50, 4))
    result = solve(AssignmentProblem(TableCosts(costs), np.empty((0, 50)), np.empty((0, 4)), np.empty((0, 4))))
    assert result.status == "optimal"
    assert np.array_equal(result.assignment, costs.argmin(axis=1))
    assert result.proof["kind"] == "prices"


def test_a_unit_that_no_territory_may_take_is_infeasible_without_a_search() -> None:
    result = solve(table([[1.0, 2.0], [np.inf, np.inf]], [[1, 1]], [[0, 0]], [[9, 9]]))
    assert result.status == "infeasible"
    assert result.proof["kind"] == "prices"


def test_limits_that_only_whole_units_break_are_proved_infeasible_by_search() -> None:
    # Halves would fit: 3 units of 4 into two territories of at most 6.
    result = solve(table([[1.0, 2.0]] * 3, [[4.5, 4.5, 4.5]], [[0, 0]], [[7, 7]]), gap=0)
    assert result.status == "infeasible"
    assert result.proof["kind"] == "search"
    assert {"solver", "version", "parameters"} <= set(result.proof)


def test_no_unit_is_split_though_splitting_would_be_cheaper() -> None:
    problem = table([[0.0, 10.0], [0.0, 10.0], [0.0, 10.0]], [[2, 2, 2]], [[0, 0]], [[5, 9]])
    result = solve(problem, gap=0)
    assert result.objective == 10.0  # split, one half of the third unit would stay: 5
    assert result.priced_bound == pytest.approx(5.0)


def test_costs_of_zero_are_optimal_at_zero() -> None:
    result = solve(table([[0.0, 0.0]] * 4, [[1, 1, 1, 1]], [[2, 2]], [[2, 2]]), gap=0)
    assert result.status == "optimal"
    assert result.objective == 0


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e9])
def test_the_size_of_the_numbers_does_not_matter(size: float) -> None:
    rng = np.random.default_rng(1)
    costs, loads = rng.random((7, 3)), rng.random((1, 7))
    lower, upper = np.full((1, 3), loads.sum() / 3 * 0.7), np.full((1, 3), loads.sum() / 3 * 1.3)
    plain = solve(AssignmentProblem(TableCosts(costs), loads, lower, upper), gap=0)
    scaled = solve(AssignmentProblem(TableCosts(costs * size), loads * size, lower * size, upper * size), gap=0)
    assert plain.status == scaled.status == "optimal"
    assert scaled.objective == pytest.approx(plain.objective * size, rel=2 * OPTIMAL)


def test_another_seed_may_differ_but_not_in_the_proved_optimum() -> None:
    rng = np.random.default_rng(2)
    problem = table(rng.random((8, 3)).tolist(), [rng.integers(1, 9, 8).tolist()], [[10] * 3], [[20] * 3])
    found = {round(solve(problem, gap=0, seed=seed).objective, 9) for seed in range(3)}
    assert len(found) == 1


def test_limits_left_out_are_infinite_and_cost_nothing() -> None:
    result = solve(table([[1.0, 3.0], [1.0, 3.0]], [[1, 1]], [[-np.inf, -np.inf]], [[1.0, np.inf]]), gap=0)
    assert result.objective == 4.0
    assert result.upper_prices[0, 1] == 0
    assert np.all(result.lower_prices == 0)
