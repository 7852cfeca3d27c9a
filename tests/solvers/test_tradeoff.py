"""The curve from the fewest moves to as many as pay, against every assignment of tiny problems."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solvers import ladder
from solvers.bounds import priced_bound
from solvers.disruption import Disruption
from solvers.ladder import solve
from solvers.problem import AssignmentProblem, TableCosts, with_slack
from solvers.tradeoff import TradeOff, spaced_limits, trade_off

Make = Callable[..., AssignmentProblem]


@dataclass(frozen=True)
class Today:
    """An alignment: what changes hands for every unit and territory, by hand and as the solvers have it."""

    table: NDArray[np.float64]
    disruption: Disruption


@st.composite
def alignments(draw: st.DrawFn, n: int, m: int, kind: str = "whole") -> Today:
    """Draw units of one to three members, each owned by a territory or by nobody."""
    unit, territory, amount = [], [], []
    for i in range(n):
        for _ in range(draw(st.integers(1, 3))):
            unit.append(i)
            territory.append(draw(st.integers(-1, m - 1)))
            amount.append(draw(st.integers(0, 600)) / (100 if kind == "decimal" else 1))
    parts = np.array(unit), np.array(territory), np.array(amount)
    table = np.zeros((n, m))
    for i, t, a in zip(*parts, strict=True):
        if t >= 0:
            table[i, np.arange(m) != t] += a
    return Today(table, Disruption.of_members(*parts, n))


class Oracle:
    """Cost and moves of every assignment that keeps the load limits."""

    def __init__(self, plain: AssignmentProblem, table: NDArray[np.float64]) -> None:
        rows = np.arange(plain.n_units)
        found = []
        for chosen in itertools.product(range(plain.n_territories), repeat=plain.n_units):
            assignment = np.array(chosen, np.int32)
            if plain.is_feasible(assignment):
                found.append((float(table[rows, assignment].sum()), plain.objective_of(assignment)))
        self.moved, self.cost = np.array(found).reshape(-1, 2).T

    @property
    def possible(self) -> bool:
        return len(self.moved) > 0

    def best(self, most: float) -> float:
        return float(self.cost[self.moved <= with_slack(most)].min())


def check(found: TradeOff, problem: AssignmentProblem, oracle: Oracle, table: NDArray[np.float64]) -> None:
    """Everything that holds for every trade-off, with gap 0."""
    assert found.fewest.objective == pytest.approx(oracle.moved.min(), abs=1e-6)
    assert len(found.limits) == len(found.points) == len(found.moved)
    assert np.all(np.diff(found.limits) > 0)
    objectives = []
    for limit, point, moved in zip(found.limits, found.points, found.moved, strict=True):
        assert point.assignment is not None
        assert problem.within(limit).is_feasible(point.assignment)
        assert moved == pytest.approx(table[np.arange(problem.n_units), point.assignment].sum())
        assert moved <= with_slack(limit)
        best = oracle.best(limit)
        assert point.status == "optimal"
        assert point.objective == pytest.approx(best, abs=1e-6)
        assert point.objective == pytest.approx(problem.objective_of(point.assignment))
        assert point.lower_bound is not None
        assert point.lower_bound <= best + 1e-6
        assert point.priced_bound == pytest.approx(priced_bound(problem.within(limit), point.prices), abs=1e-9)
        assert point.priced_bound <= best + 1e-6
        objectives.append(point.objective)
    assert np.all(np.diff(objectives) <= 1e-9)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), n_points=st.integers(2, 6), kind=st.sampled_from(["whole", "decimal"]))
def test_every_point_is_the_optimum_within_its_limit(tiny: Any, data: st.DataObject, n_points: int, kind: str) -> None:
    plain = data.draw(tiny(most_units=6)).problem()
    today = data.draw(alignments(plain.n_units, plain.n_territories, kind))
    problem = replace(plain, disruption=today.disruption)
    found, oracle = trade_off(problem, n_points=n_points, gap=0.0, time_limit_s=30), Oracle(plain, today.table)
    if not oracle.possible:
        assert found.fewest.status == "infeasible"
        assert len(found.points) == len(found.limits) == 0
        return
    check(found, problem, oracle, today.table)
    assert 1 <= len(found.points) <= n_points
    assert np.isinf(found.limits[-1])
    if len(found.points) > 1:
        assert found.limits[0] == pytest.approx(oracle.moved.min())


@settings(max_examples=20, deadline=None)
@given(data=st.data(), parts=st.lists(st.floats(0, 1), min_size=1, max_size=4), most=st.none() | st.floats(0, 1))
def test_given_limits_are_kept_and_raised_to_the_fewest_moves(
    tiny: Any, data: st.DataObject, parts: list[float], most: float | None
) -> None:
    plain = data.draw(tiny(most_units=6)).problem()
    today = data.draw(alignments(plain.n_units, plain.n_territories))
    problem = replace(plain, disruption=today.disruption)
    total = float(today.disruption.total.sum())
    cap = np.inf if most is None else most * total
    found = trade_off(problem, limits=[p * total for p in parts], most=cap, gap=0.0, time_limit_s=30)
    oracle = Oracle(plain, today.table)
    if not oracle.possible:
        assert found.points == ()
        return
    check(found, problem, oracle, today.table)
    least = oracle.moved.min()
    wanted = sorted({max(min(p * total, cap), least) for p in parts})
    # Limits that rounding alone tells apart may be one.
    assert found.limits[[0, -1]] == pytest.approx([wanted[0], wanted[-1]])


@settings(max_examples=20, deadline=None)
@given(data=st.data(), part=st.floats(0, 1), decimals=st.integers(-1, 2))
def test_no_point_moves_more_than_the_most_however_limits_are_rounded(
    tiny: Any, data: st.DataObject, part: float, decimals: int
) -> None:
    plain = data.draw(tiny(most_units=5)).problem()
    today = data.draw(alignments(plain.n_units, plain.n_territories))
    problem = replace(plain, disruption=today.disruption)
    oracle = Oracle(plain, today.table)
    if not oracle.possible:
        return
    most = part * float(today.disruption.total.sum())
    step = 10.0**-decimals
    found = trade_off(
        problem, n_points=4, most=most, to_limit=lambda a: np.ceil(a / step) * step, gap=0.0, time_limit_s=30
    )
    check(found, problem, oracle, today.table)
    assert found.moved.max() <= with_slack(max(most, oracle.moved.min()))


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_ascent_in_place_of_simplex_gives_the_same_points(tiny: Any, data: st.DataObject) -> None:
    plain = data.draw(tiny(most_units=5)).problem()
    today = data.draw(alignments(plain.n_units, plain.n_territories))
    problem = replace(plain, disruption=today.disruption)
    oracle = Oracle(plain, today.table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "SIMPLEX_PAIRS", 0)
        found = trade_off(problem, n_points=4, gap=0.0, time_limit_s=30)
    if oracle.possible:
        check(found, problem, oracle, today.table)
    else:
        assert found.points == ()


@settings(max_examples=30, deadline=None)
@given(data=st.data(), seed=st.integers(0, 3))
def test_a_known_assignment_is_never_made_worse(tiny: Any, data: st.DataObject, seed: int) -> None:
    drawn = data.draw(tiny())
    plain = drawn.problem()
    known, costs = drawn.feasible()
    if len(known) == 0:
        return
    at = data.draw(st.integers(0, len(known) - 1))
    zero = np.zeros_like(plain.upper)
    first = solve(plain, rounds=0, time_limit_s=10)
    near = replace(first, assignment=known[at].astype(np.int32), upper_prices=zero, lower_prices=zero)
    result = solve(plain, near=near, rounds=0, time_limit_s=10, seed=seed)
    assert result.assignment is not None
    assert plain.is_feasible(result.assignment)
    assert result.objective is not None
    assert result.objective <= costs[at] + 1e-9 * max(1.0, abs(costs[at]))


def test_a_known_assignment_outside_the_limits_is_left_aside(scattered: Make) -> None:
    problem = scattered(80, 4, tolerance=0.05)
    everything_to_one = np.zeros(80, np.int32)
    near = replace(solve(problem, rounds=0), assignment=everything_to_one)
    result = solve(problem, near=near, rounds=2, gap=0.01)
    assert result.assignment is not None
    assert problem.is_feasible(result.assignment)


# Medium problems ----------------------------------------------------------------------------------------------------


def owned(problem: AssignmentProblem, seed: int = 7) -> Disruption:
    """Return an alignment in which most units are with their nearest territory, some with any, and a few with nobody."""
    rng = np.random.default_rng(seed)
    cost = np.concatenate([block for _, _, block in problem.blocks()])
    owner = cost.argmin(axis=1)
    any_of = rng.random(problem.n_units) < 0.3
    owner[any_of] = rng.integers(problem.n_territories, size=int(any_of.sum()))
    owner[rng.random(problem.n_units) > 0.9] = -1
    return Disruption.of_members(
        np.arange(problem.n_units), owner, rng.integers(1, 50, problem.n_units).astype(float), problem.n_units
    )


@pytest.fixture(scope="module")
def medium(scattered: Make) -> AssignmentProblem:
    plain = scattered(100, 5, tolerance=0.1)
    return replace(plain, disruption=owned(plain))


def test_the_same_seed_and_rounds_give_the_same_points(medium: AssignmentProblem) -> None:
    first, again = (trade_off(medium, n_points=3, rounds=1, gap=1e-3, seed=3, time_limit_s=60) for _ in range(2))
    assert np.array_equal(first.limits, again.limits)
    for a, b in zip(first.points, again.points, strict=True):
        assert a.assignment is not None
        assert b.assignment is not None
        assert np.array_equal(a.assignment, b.assignment)
        assert (a.objective, a.lower_bound, a.priced_bound) == (b.objective, b.lower_bound, b.priced_bound)


def test_more_moves_cost_no_more_and_bounds_hold_along_the_curve(medium: AssignmentProblem) -> None:
    found = trade_off(medium, n_points=6, rounds=1, gap=1e-3, time_limit_s=60)
    assert len(found.points) == 6
    objectives = np.array([p.objective for p in found.points])
    bounds = np.array([p.lower_bound for p in found.points])
    assert np.all(np.diff(objectives) <= 0)
    # What is found within a narrow limit is never below what is proved for a wider one.
    for i, bound in enumerate(bounds):
        assert np.all(objectives[: i + 1] >= bound - 1e-9)
    assert found.limits[0] == found.fewest.objective == found.moved[0]
    for limit, point in zip(found.limits, found.points, strict=True):
        assert point.assignment is not None
        assert medium.within(limit).is_feasible(point.assignment)
        assert point.moved_price >= 0


def test_a_request_to_stop_gives_the_points_so_far(medium: AssignmentProblem) -> None:
    told: list[int] = []
    found = trade_off(
        medium, n_points=6, rounds=1, time_limit_s=60, on_point=lambda _, number, __: told.append(number),
        should_stop=lambda: bool(told) and told[-1] >= 3,
    )  # fmt: skip
    assert told == [0, 1, 2, 3]
    assert len(found.points) == 3
    assert np.isinf(found.limits[-1])
    assert all(point.assignment is not None for point in found.points)


def test_what_is_solved_is_told_in_order(medium: AssignmentProblem) -> None:
    told: list[tuple[int, int]] = []
    trade_off(medium, n_points=3, rounds=0, on_point=lambda _, number, of: told.append((number, of)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    told.clear()
    trade_off(medium, limits=[0.0, 500.0], rounds=0, on_point=lambda _, number, of: told.append((number, of)))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_an_alignment_that_cannot_be_bettered_is_one_point(scattered: Make) -> None:
    plain = scattered(60, 3, tolerance=0.3)
    best = solve(plain, gap=0.0, time_limit_s=30)
    assert best.status == "optimal"
    assert best.assignment is not None
    disruption = Disruption.of_members(np.arange(60), best.assignment.astype(np.int64), np.ones(60), 60)
    found = trade_off(replace(plain, disruption=disruption), n_points=5, gap=0.0, time_limit_s=30)
    assert found.moved.tolist() == [0.0]
    assert found.points[0].objective == pytest.approx(best.objective)


def test_limits_of_equal_cost_are_one_point_each_and_none_twice() -> None:
    costs = TableCosts(np.array([[1.0, 1.0], [1.0, 1.0], [5.0, 0.0]]))
    limits = np.full((1, 2), np.inf)
    problem = AssignmentProblem(costs, np.ones((1, 3)), -limits, limits)
    disruption = Disruption.of_members(np.arange(3), np.zeros(3, np.int64), np.ones(3), 3)
    found = trade_off(
        replace(problem, disruption=disruption), n_points=6, to_limit=lambda a: float(np.ceil(a)), gap=0.0
    )
    assert found.limits.tolist() == [0.0, 1.0, np.inf]
    assert [p.objective for p in found.points] == [7.0, 2.0, 2.0]


def test_limits_lie_closer_together_where_there_are_few_moves() -> None:
    limits = spaced_limits(2.0, 10.0, 5)
    assert limits == pytest.approx([2.0, 2.5, 4.0, 6.5, 10.0])
    assert spaced_limits(3.0, 3.0, 4) == pytest.approx([3.0] * 4)
