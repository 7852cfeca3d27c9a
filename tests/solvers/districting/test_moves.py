"""Limits and prices on what changes hands, where territories are connected: against brute force, and rung by rung."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.bounds import Prices, priced_bound
from solvers.disruption import DisruptedCentreCosts, Disruption
from solvers.districting import ladder
from solvers.districting.at_centres import assignment_problem
from solvers.districting.checks import broken_rules, pieces
from solvers.districting.connected.borders import BROKEN, MOVED
from solvers.districting.connected.region import OwnCandidates, Region
from solvers.districting.connected.search import search_connected
from solvers.districting.ladder import design, fewest_moves
from solvers.districting.moves import today
from solvers.districting.problem import DistrictingProblem, Graph, PlaceCosts
from solvers.districting.whole.exact import solve_exactly
from solvers.districting.whole.formulation import formulate
from solvers.districting.whole.parts import subproblem
from solvers.problem import with_slack
from tests.solvers.districting.maps import grown, hexagons, planar_map

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Case:
    """A tiny connected problem without a limit, and everything that keeps its rules.

    Attributes
    ----------
    problem : DistrictingProblem
    table : ndarray of float64, shape (n_units, n_territories)
        What changes hands, member by member.
    answers : ndarray of int32, shape (n_answers, n_units)
    costs, moved : ndarray of float64, shape (n_answers,)
    """

    problem: DistrictingProblem
    table: NDArray[np.float64]
    answers: NDArray[np.int32]
    costs: NDArray[np.float64]
    moved: NDArray[np.float64]

    def within(self, limit: float) -> DistrictingProblem:
        assert self.problem.disruption is not None
        return replace(self.problem, disruption=self.problem.disruption.with_limit(limit))

    def best(self, limit: float) -> float:
        return float(self.costs[self.moved <= limit + 1e-9].min(initial=np.inf))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw units with none to three members, some of them nobody's, some units empty, perhaps a lock."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.sampled_from([(7, 2), (6, 2), (5, 3)]))
    points, graph = planar_map(n, rng)
    members = np.repeat(np.arange(n), rng.integers(0, 4, n))
    owner = rng.integers(-1, m, len(members))
    amount = rng.integers(0, 6, len(members)).astype(float)
    if draw(st.booleans()):
        amount *= 0.3
    homes = points[rng.choice(n, m, replace=False)] + 1.0
    load = rng.integers(0, 6, (1, n)).astype(float)
    fair = load.sum() / m
    ends = np.array(list(graph.edges), np.int64)
    costs = PlaceCosts(np.arange(n + 1), points, rng.integers(0, 4, n).astype(float), homes, False)
    problem = DistrictingProblem.plain(
        costs,
        np.full(m, -1, np.int32),
        load,
        np.full((1, m), 0.5 * fair),
        np.full((1, m), 1.5 * fair),
        centres=np.arange(m),
        graph=Graph.of_pairs(n, ends[:, 0], ends[:, 1]),
    )
    if draw(st.booleans()):
        fixed = problem.fixed.copy()
        fixed[0] = m - 1
        problem = replace(problem, fixed=fixed)
    table = np.zeros((n, m))
    for i, t, a in zip(members, owner, amount, strict=True):
        if t >= 0:
            table[i, np.arange(m) != t] += a
    every = [np.array(a, np.int32) for a in product(range(m), repeat=n)]
    good = [a for a in every if not broken_rules(problem, np.arange(m), a)]
    rows = np.arange(n)
    return Case(
        replace(problem, disruption=Disruption.of_members(members, owner, amount, n)),
        table,
        np.array(good, np.int32).reshape(-1, n),
        np.array([problem.cost_of(np.arange(m), a) for a in good]),
        np.array([table[rows, a].sum() for a in good]),
    )


@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_costs_by_centre_hold_what_changes_hands(case: Case) -> None:
    problem, rng = case.problem, np.random.default_rng(0)
    assert problem.disruption is not None
    priced = DisruptedCentreCosts(problem.costs, problem.disruption, 2.0)
    every, units = np.arange(problem.n_territories), rng.permutation(problem.n_units)[:3]
    expected = problem.costs.columns(every) + 2 * case.table
    assert priced.columns(every[::-1]) == pytest.approx(expected[:, ::-1])
    assert priced.rows(units) == pytest.approx(expected[units])
    assert priced.submatrix(units, every[1:]) == pytest.approx(expected[np.ix_(units, every[1:])])
    part = problem.disruption.part(np.sort(units), every[1:], 1.0)
    assert part.between(np.arange(3), every[1:] - 1) == pytest.approx(case.table[np.ix_(np.sort(units), every[1:])])


@settings(max_examples=25, deadline=None)
@given(case=cases(), part=st.sampled_from([0.0, 0.25, 1.0]))
def test_the_best_within_a_limit_is_that_of_brute_force(case: Case, part: float) -> None:
    least, most = case.moved.min(initial=np.inf), case.moved.max(initial=0.0)
    for limit in {float(part * most), float(least if np.isfinite(least) else 0.0)}:
        problem, best = case.within(limit), case.best(limit)
        found = design(problem, time_limit_s=60, gap=0.0)
        if np.isinf(best):
            assert found.status == "infeasible"
            continue
        assert found.status == "optimal"
        assert found.assignment is not None
        assert not broken_rules(problem, np.arange(problem.n_territories), found.assignment)
        assert found.objective == pytest.approx(best, rel=1e-6, abs=1e-6)
        assert found.priced_bound is not None
        assert found.priced_bound <= best + 1e-6


@settings(max_examples=25, deadline=None)
@given(case=cases(), price=st.sampled_from([0.3, 5.0]))
def test_the_best_at_a_price_is_that_of_brute_force(case: Case, price: float) -> None:
    assert case.problem.disruption is not None
    costs = DisruptedCentreCosts(case.problem.costs, case.problem.disruption, price)
    found = design(replace(case.problem, costs=costs), time_limit_s=60, gap=0.0)
    best = float((case.costs + price * case.moved).min(initial=np.inf))
    if np.isinf(best):
        assert found.status == "infeasible"
        return
    assert found.status == "optimal"
    assert found.objective == pytest.approx(best, rel=1e-6, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(case=cases())
def test_the_fewest_moves_are_those_of_brute_force(case: Case) -> None:
    found = fewest_moves(case.problem, time_limit_s=60)
    if not len(case.moved):
        assert found.status == "infeasible"
        return
    assert found.status == "optimal"
    assert found.objective == pytest.approx(case.moved.min(), abs=1e-6)
    assert found.lower_bound == pytest.approx(case.moved.min(), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(case=cases(), beta=st.floats(0, 5), part=st.floats(0, 1))
def test_any_price_of_moves_proves_no_more_than_is_true(case: Case, beta: float, part: float) -> None:
    limit = part * float(case.moved.max(initial=0.0))
    relaxed = assignment_problem(case.within(limit), np.arange(case.problem.n_territories))
    prices = replace(Prices.zero(relaxed), moved=beta)
    assert priced_bound(relaxed, prices) <= case.best(limit) + 1e-6


@settings(max_examples=15, deadline=None)
@given(case=cases())
def test_an_answer_to_begin_with_is_never_lost(case: Case) -> None:
    if not len(case.moved):
        return
    problem = case.within(float(case.moved.min()))
    start = case.answers[int(case.moved.argmin())]
    found = design(problem, time_limit_s=60, rounds=0, gap=0.0, start=start)
    assert found.assignment is not None
    assert found.objective is not None
    assert found.objective <= problem.cost_of(np.arange(problem.n_territories), start) + 1e-9


# Medium problems: every rung by itself -------------------------------------------------------------------------------


def hexes(side: int = 9, m: int = 4, seed: int = 0) -> DistrictingProblem:
    """Hexagons of which each has accounts of its nearest home, some of another, some of nobody; without a limit."""
    rng = np.random.default_rng(seed)
    points, pairs = hexagons(side, side)
    n = len(points)
    unit = np.repeat(np.arange(n), rng.poisson(1.5, n))
    homes = points[rng.choice(n, m, replace=False)]
    weight = rng.integers(1, 5, len(unit)).astype(float)
    owner = np.hypot(*(points[unit][:, None] - homes).transpose(2, 0, 1)).argmin(axis=1)
    other = rng.random(len(owner)) < 0.1
    owner[other] = rng.integers(-1, m, int(other.sum()))
    ends, load = np.array(pairs), np.bincount(unit, weight, n)[None]
    costs = PlaceCosts(np.searchsorted(unit, np.arange(n + 1)), points[unit], weight, homes, False)
    fair = load.sum() / m
    problem = DistrictingProblem.plain(
        costs,
        np.full(m, -1, np.int32),
        load,
        np.full((1, m), 0.85 * fair),
        np.full((1, m), 1.15 * fair),
        centres=np.arange(m),
        graph=Graph.of_pairs(n, ends[:, 0], ends[:, 1]),
    )
    return replace(problem, disruption=Disruption.of_members(unit, owner, weight, n))


def limited(problem: DistrictingProblem, limit: float) -> DistrictingProblem:
    assert problem.disruption is not None
    return replace(problem, disruption=problem.disruption.with_limit(limit))


def connected(problem: DistrictingProblem, start: NDArray[np.int32], rounds: int = 8) -> NDArray[np.int32] | None:
    found = search_connected(
        problem,
        np.arange(problem.n_territories),
        start,
        should_stop=lambda: False,
        rounds=rounds,
        rng=np.random.default_rng(0),
        report=lambda _stage, **_values: None,
    )
    assert found.feasible == (not broken_rules(problem, found.centres, found.assignment))
    return found.assignment if found.feasible else None


def test_the_search_at_borders_keeps_the_limit_that_it_would_break_without() -> None:
    plain = hexes()
    assert plain.disruption is not None
    start = today(plain)
    assert start is not None
    free = connected(replace(plain, disruption=None), start)
    assert free is not None
    limit = 0.8 * plain.disruption.of(free)
    problem = limited(plain, limit)
    assert any("changes hands" in rule for rule in broken_rules(problem, np.arange(4), free))
    # From where the rule is broken as from where it holds.
    for begin in (start, free):
        kept = connected(problem, begin)
        assert kept is not None
        assert plain.disruption.of(kept) <= with_slack(limit)


def test_what_changes_hands_is_kept_in_step_move_by_move() -> None:
    plain = hexes()
    assert plain.disruption is not None
    rng = np.random.default_rng(3)
    points, pairs = hexagons(9, 9)
    assert len(points) == plain.n_units
    start = grown(nx.Graph(pairs), 4, rng)
    spare = -0.2 * plain.disruption.of(start)
    problem = limited(plain, plain.disruption.of(start) + spare)
    own = OwnCandidates(problem.candidate_unit, problem.n_units)
    region = Region(problem, problem.costs, own, np.arange(4), start, np.arange(4), np.empty(0, np.int64), spare)
    assert region.beyond_budget()
    region.price(2.0, 5.0)
    random = np.array([1], np.uint64)
    for _ in range(5):
        region.anneal(random, 0.5, 3_000)
        assert region.division.values[MOVED] == pytest.approx(plain.disruption.of(region.assignment))
        totals = problem.loads_of(region.assignment)
        low, high = problem.slack()
        broken = int(((totals < low) | (totals > high)).sum())
        assert region.division.counts[BROKEN] == broken + int(region.beyond_budget())
    if np.isfinite(region.best_objective):
        assert not broken_rules(problem, np.arange(4), region.best_assignment)


def test_a_part_may_use_what_the_rest_leaves_of_the_limit() -> None:
    plain = hexes()
    start = today(plain)
    assert plain.disruption is not None
    assert start is not None
    answer = connected(replace(plain, disruption=None), start)
    assert answer is not None
    problem = limited(plain, plain.disruption.of(answer) + 3)
    part = subproblem(problem, np.arange(4), answer, np.array([1, 3]))
    assert part.problem.limit is not None
    inside = part.problem.limit.of(part.assignment)
    assert part.problem.limit.limit == pytest.approx(inside + 3)
    found = solve_exactly(part.problem, incumbent=(part.centres, part.assignment), effort=1.0, seed=0)
    assert found.centres is not None
    assert found.assignment is not None
    whole = part.written_back(np.arange(4), answer, found.centres, found.assignment)
    assert not broken_rules(problem, *whole)


def test_the_integer_program_has_the_limit_as_a_row_and_leaves_out_what_exceeds_it() -> None:
    plain = hexes(5, 3)
    assert plain.disruption is not None
    every = np.arange(plain.n_units), np.arange(3)
    moved = plain.disruption.between(*every)
    least = float(moved.min(axis=1).sum())
    form = formulate(limited(plain, least + 2))
    assert form.n_pairs == np.count_nonzero(moved - moved.min(axis=1, keepdims=True) <= 2)
    rows = form.rows()
    columns, weights, most = rows.columns[-1], rows.coefficients[-1], rows.upper[-1]
    scale = most / (least + 2)
    dense = np.zeros(form.n_pairs)
    dense[columns] = weights / scale
    assert dense == pytest.approx(moved[form.pair_unit, form.pair_slot])


def test_the_integer_program_keeps_the_limit_that_it_would_break_without() -> None:
    plain = hexes(5, 3)
    assert plain.disruption is not None
    free = solve_exactly(replace(plain, disruption=None), incumbent=None, effort=10.0, seed=0)
    assert free.assignment is not None
    limit = 0.6 * plain.disruption.of(free.assignment)
    found = solve_exactly(limited(plain, limit), incumbent=None, effort=10.0, seed=0)
    assert found.assignment is not None
    assert found.objective is not None
    assert found.objective > (free.objective or 0.0)
    assert plain.disruption.of(found.assignment) <= with_slack(limit)


def test_a_large_design_keeps_the_tightest_limit_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "SMALL_UNITS", 0)
    plain = hexes()
    least = fewest_moves(plain, time_limit_s=1e4, rounds=6)
    assert least.objective is not None
    problem = limited(plain, least.objective)
    found = design(problem, time_limit_s=1e4, rounds=7, gap=1e-3)
    assert found.assignment is not None
    assert not broken_rules(problem, np.arange(4), found.assignment)
    assert problem.graph is not None
    assert pieces(problem.graph, found.assignment, 4).tolist() == [1] * 4
    assert found.lower_bound is not None
    assert found.objective is not None
    assert found.lower_bound <= found.objective
    again = design(problem, time_limit_s=1e4, rounds=found.rounds, gap=1e-3)
    np.testing.assert_array_equal(again.assignment, found.assignment)


def test_a_limit_below_the_fewest_moves_is_proved_impossible_and_the_fewest_are_told() -> None:
    plain = hexes(5, 3)
    least = fewest_moves(plain, time_limit_s=1e3)
    assert least.status == "optimal"
    assert least.objective is not None
    found = design(limited(plain, least.objective - 1), time_limit_s=1e3)
    assert found.status == "infeasible"
    assert found.contradiction is not None
    assert found.contradiction.kind in {"limits", "moves"}
    assert design(limited(plain, least.objective), time_limit_s=1e3, gap=0.05).assignment is not None
