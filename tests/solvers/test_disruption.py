from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solvers.bounds import Prices, cheapest, priced_bound
from solvers.candidates import from_table
from solvers.disruption import DisruptedCosts, Disruption
from solvers.infeasibility import is_certificate
from solvers.ladder import fewest_moves, solve
from solvers.prices import ascend, sample_prices, with_today
from solvers.problem import AssignmentProblem, TableCosts, with_slack
from solvers.search import Search, Stop
from solvers.tradeoff import sent_home
from solvers.whole import tightened

Make = Callable[..., AssignmentProblem]


@dataclass(frozen=True)
class Today:
    """An alignment by brute force: what changes hands for every unit and territory."""

    table: NDArray[np.float64]
    disruption: Disruption


@st.composite
def alignments(draw: st.DrawFn, n: int, m: int) -> Today:
    """Draw units of one to three members, each owned by a territory or by nobody."""
    unit, territory, amount = [], [], []
    for i in range(n):
        for _ in range(draw(st.integers(1, 3))):
            unit.append(i)
            territory.append(draw(st.integers(-1, m - 1)))
            amount.append(float(draw(st.integers(0, 6))))
    parts = np.array(unit), np.array(territory), np.array(amount)
    table = np.zeros((n, m))
    for i, t, a in zip(*parts, strict=True):
        if t >= 0:
            table[i, np.arange(m) != t] += a
    return Today(table, Disruption.of_members(*parts, n))


def every_assignment(problem: AssignmentProblem) -> Any:
    return itertools.product(range(problem.n_territories), repeat=problem.n_units)


def best_of(problem: AssignmentProblem, table: NDArray[np.float64], most: float, *, of_moves: bool = False) -> float:
    """Return the least cost, or the fewest moves, over all assignments within limits; inf where there is none."""
    best, rows = np.inf, np.arange(problem.n_units)
    free = replace(problem, disruption=None)
    for chosen in every_assignment(problem):
        assignment = np.array(chosen, np.int32)
        moved = float(table[rows, assignment].sum())
        if moved <= most + 1e-9 and free.is_feasible(assignment):
            best = min(best, moved if of_moves else free.objective_of(assignment))
    return best


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_changes_hands_is_what_the_members_owners_say(data: st.DataObject) -> None:
    n, m = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    today = data.draw(alignments(n, m))
    block = today.disruption.add_to(np.ones((n, m)), 0, 2.0)
    assert block == pytest.approx(1 + 2 * today.table)
    assert today.disruption.add_to(np.zeros((n - 1, m)), 1, 1.0) == pytest.approx(today.table[1:])
    units, territories = np.repeat(np.arange(n), m), np.tile(np.arange(m, dtype=np.int32), n)
    assert today.disruption.of_pairs(units, territories) == pytest.approx(today.table.ravel())
    assert today.disruption.of(np.zeros(n, np.int32)) == pytest.approx(today.table[:, 0].sum())
    home = today.disruption.largest_part()
    for i in range(n):
        if home[i] >= 0:
            assert today.table[i, home[i]] == today.table[i].min()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), part=st.sampled_from([0.0, 0.2, 0.5, 1.0]))
def test_a_limited_problem_is_solved_as_brute_force_does(tiny: Any, data: st.DataObject, part: float) -> None:
    case = data.draw(tiny())
    plain = case.problem()
    today = data.draw(alignments(plain.n_units, plain.n_territories))
    most = float(np.floor(part * today.disruption.total.sum()))
    problem = replace(plain, disruption=today.disruption.with_limit(most))
    best = best_of(plain, today.table, most)
    result = solve(problem, gap=0.0, time_limit_s=30)
    if np.isinf(best):
        assert result.status == "infeasible"
        if result.certificate:
            assert is_certificate(tightened(problem), result.prices)
        return
    assert result.status == "optimal"
    assert result.assignment is not None
    assert result.objective == pytest.approx(best, abs=1e-6)
    assert today.disruption.of(result.assignment) <= with_slack(most)
    assert result.priced_bound is not None
    assert result.priced_bound <= best + 1e-6
    assert result.priced_bound == pytest.approx(priced_bound(problem, result.prices), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_fewest_moves_are_those_of_brute_force(tiny: Any, data: st.DataObject) -> None:
    plain = data.draw(tiny()).problem()
    today = data.draw(alignments(plain.n_units, plain.n_territories))
    best = best_of(plain, today.table, np.inf, of_moves=True)
    result = fewest_moves(replace(plain, disruption=today.disruption), time_limit_s=30)
    if np.isinf(best):
        assert result.status == "infeasible"
        return
    assert result.status == "optimal"
    assert result.objective == pytest.approx(best, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), price=st.sampled_from([0.0, 0.5, 3.0]))
def test_a_price_on_moves_is_part_of_the_costs(tiny: Any, data: st.DataObject, price: float) -> None:
    plain = data.draw(tiny()).problem()
    today = data.draw(alignments(plain.n_units, plain.n_territories))
    problem = replace(plain, costs=DisruptedCosts(plain.costs, today.disruption, price))
    best, rows = np.inf, np.arange(plain.n_units)
    for chosen in every_assignment(plain):
        assignment = np.array(chosen, np.int32)
        if plain.is_feasible(assignment):
            best = min(best, plain.objective_of(assignment) + price * float(today.table[rows, assignment].sum()))
    result = solve(problem, gap=0.0, time_limit_s=30)
    if np.isinf(best):
        assert result.status == "infeasible"
    else:
        assert result.objective == pytest.approx(best, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), beta=st.floats(0, 5), part=st.floats(0, 1))
def test_any_price_of_moves_proves_no_more_than_is_true(
    tiny: Any, data: st.DataObject, beta: float, part: float
) -> None:
    plain = data.draw(tiny()).problem()
    today = data.draw(alignments(plain.n_units, plain.n_territories))
    most = part * float(today.disruption.total.sum())
    problem = replace(plain, disruption=today.disruption.with_limit(most))
    zero = Prices.zero(problem)
    best = best_of(plain, today.table, most)
    assert priced_bound(problem, replace(zero, moved=beta)) <= best + 1e-6


# Medium problems ----------------------------------------------------------------------------------------------------


def owned(problem: AssignmentProblem, rng: np.random.Generator, *, part: float = 1.0) -> Disruption:
    """Return an alignment in which most units are with their nearest territory and some with any."""
    cost = np.concatenate([block for _, _, block in problem.blocks()])
    owner = cost.argmin(axis=1)
    any_of = rng.random(problem.n_units) < 0.3
    owner[any_of] = rng.integers(problem.n_territories, size=int(any_of.sum()))
    owner[rng.random(problem.n_units) > part] = -1
    amount = rng.integers(1, 50, problem.n_units).astype(np.float64)
    return Disruption.of_members(np.arange(problem.n_units), owner, amount, problem.n_units)


@pytest.mark.parametrize("part", [0.05, 0.15, 0.4])
def test_a_limited_problem_of_medium_size_ends_within_its_limit_and_a_small_gap(scattered: Make, part: float) -> None:
    plain = scattered(600, 12, tolerance=0.1)
    disruption = owned(plain, np.random.default_rng(7), part=0.9)
    least = fewest_moves(replace(plain, disruption=disruption), time_limit_s=20)
    assert least.objective is not None
    most = least.objective + part * (float(disruption.total.sum()) - least.objective)
    problem = replace(plain, disruption=disruption.with_limit(most))
    result = solve(problem, time_limit_s=60, gap=1e-3, rounds=15)
    assert result.assignment is not None
    assert problem.is_feasible(result.assignment)
    assert result.lower_bound is not None
    assert result.objective is not None
    assert (result.objective - result.lower_bound) / result.objective < 0.01


def test_a_limit_just_below_the_fewest_moves_is_proved_impossible(scattered: Make) -> None:
    plain = scattered(300, 8, tolerance=0.05)
    disruption = owned(plain, np.random.default_rng(7))
    least = fewest_moves(replace(plain, disruption=disruption), time_limit_s=20)
    assert least.lower_bound is not None
    assert least.lower_bound > 0
    result = solve(replace(plain, disruption=disruption.with_limit(0.9 * least.lower_bound)), time_limit_s=20)
    assert result.status == "infeasible"
    assert result.certificate is not None
    assert result.moved_price > 0
    exactly = solve(
        replace(plain, disruption=disruption.with_limit(float(least.objective or 0))), time_limit_s=20, gap=0.01
    )
    assert exactly.status in {"optimal", "feasible"}


def test_the_ascent_finds_the_price_of_moves_that_the_simplex_finds(scattered: Make) -> None:
    plain = scattered(800, 20, tolerance=0.1)
    disruption = owned(plain, np.random.default_rng(7), part=0.9)
    least = fewest_moves(replace(plain, disruption=disruption), time_limit_s=10, gap=0.05)
    most = 1.3 * float(least.objective or 0)
    problem = replace(plain, disruption=disruption.with_limit(most))
    simplex = solve(problem, time_limit_s=20, rounds=0, gap=1e-4)
    prices, candidates, _ = ascend(problem, sample_prices(problem), 1e-4)
    found, exact = priced_bound(problem, prices), priced_bound(problem, simplex.prices)
    assert simplex.moved_price > 0
    assert found == pytest.approx(exact, rel=5e-3)
    assert prices.moved == pytest.approx(simplex.moved_price, rel=0.2)
    # Whoever has a unit today is among its candidates, however dear.
    for i in range(0, 800, 37):
        for part in range(disruption.start[i], disruption.start[i + 1]):
            near = candidates.territory[candidates.start[i] : candidates.start[i + 1]]
            assert disruption.territory[part] in near


def test_a_dear_pair_of_today_does_not_hide_cheaper_ones_that_are_no_candidates() -> None:
    """The core may be called the whole problem only if every pair within reach is a candidate, not if the dearest is out."""
    cost = np.array([[0, 3, 3.1, 50], [0, 3, 3.1, 50], [20, 0, 50, 10]], np.float64)
    upper = np.array([[1.0, 1.0, 9.0, 9.0]])
    owners = Disruption.of_members(np.arange(3), np.array([3, 3, 2]), np.ones(3), 3, 3.0)
    lower = np.full((1, 4), -np.inf)
    problem = AssignmentProblem(TableCosts(cost), np.ones((1, 3)), lower, upper, disruption=owners)
    prices = Prices.zero(problem)
    candidates = with_today(problem, from_table(problem, cheapest(problem, prices, 2)[0]))
    search = Search(
        problem, candidates, prices, np.array([0, 1, 3], np.int32), np.random.default_rng(0), lambda stage, **_: None
    )
    stop = Stop(time.perf_counter(), 60.0, 1e-6, 5, lambda: False)
    search.run(stop)
    assert solve(problem, gap=0).objective == pytest.approx(3.1)
    assert search.lower_bound <= 3.1 + 1e-9


def test_of_answers_that_cost_the_same_units_are_sent_home() -> None:
    cost = np.array([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]])
    owners = Disruption.of_members(np.arange(3), np.array([0, 1, 0]), np.array([5.0, 4.0, 3.0]), 3)
    upper = np.array([[2.0, 2.0]])
    problem = AssignmentProblem(TableCosts(cost), np.ones((1, 3)), np.full((1, 2), -np.inf), upper, disruption=owners)
    result = solve(problem, gap=0)
    moved = replace(result, assignment=np.array([1, 0, 1], np.int32))
    assert sent_home(problem, moved).assignment.tolist() == [0, 1, 0]  # type: ignore[union-attr]  # it has one
