"""The incumbent keeps its books, the fast moves keep what it has; core and band open the pairs they should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from solvers.bounds import cheapest, priced_bound
from solvers.candidates import from_table
from solvers.core import Core, band
from solvers.disruption import Disruption
from solvers.incumbent import Incumbent
from solvers.linear import solve_relaxation
from solvers.problem import AssignmentProblem, TableCosts

Make = Callable[..., AssignmentProblem]


def cheapest_start(problem: AssignmentProblem) -> Incumbent:
    """Every unit where it is cheapest at the relaxation's prices, among all pairs."""
    n, m = problem.n_units, problem.n_territories
    candidates = from_table(problem, np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))
    prices = solve_relaxation(problem, candidates).prices
    return Incumbent(problem, candidates, prices, cheapest(problem, prices)[0][:, 0])


def with_every_rule(plain: AssignmentProblem) -> AssignmentProblem:
    """The same with a soft target beside the limits, and a limit on what changes hands."""
    n, m = plain.n_units, plain.n_territories
    near = np.concatenate([block for _, _, block in plain.blocks()]).argmin(axis=1)
    today = Disruption.of_members(np.arange(n), np.where(np.arange(n) % 5, near, (near + 1) % m), np.ones(n), n)
    middle = (plain.lower + plain.upper) / 2
    return replace(plain, target=middle, target_weight=np.full(len(middle), 0.5), disruption=today.with_limit(0.6 * n))


@pytest.mark.parametrize("every_rule", [False, True])
def test_what_the_territories_lose_is_all_there_is_between_objective_and_bound(
    scattered: Make, every_rule: bool
) -> None:
    plain = scattered(120, 5, measures=2, tolerance=0.15)
    problem = with_every_rule(plain) if every_rule else plain
    now = cheapest_start(problem)
    now.repair(lambda: False)
    assert now.feasible
    gap = now.objective - priced_bound(problem, now.prices)
    assert now.losses().sum() + now.unspent() == pytest.approx(gap, rel=1e-6, abs=1e-6)


def test_polishing_never_breaks_a_limit_and_never_costs_more(scattered: Make) -> None:
    now = cheapest_start(with_every_rule(scattered(120, 5, measures=2, tolerance=0.15)))
    now.repair(lambda: False)
    before = now.objective
    now.polish()
    assert now.feasible
    assert now.objective <= before
    assert now.objective == pytest.approx(now.problem.objective_of(now.assignment))


def test_what_was_taken_back_is_as_if_nothing_had_been_tried(scattered: Make) -> None:
    now = cheapest_start(scattered(60, 4))
    before, was = now.pair, (now.objective, now.violation(), now.totals.tolist())
    now.take(now.candidates.start[:-1].copy())
    assert now.objective != was[0]
    now.take(before)
    assert (now.objective, now.violation(), now.totals.tolist()) == was


def test_violations_by_territory_come_to_the_whole_violation(scattered: Make) -> None:
    problem = with_every_rule(scattered(60, 4, tolerance=0.01))
    assert problem.disruption is not None
    now = cheapest_start(replace(problem, disruption=problem.disruption.with_limit(1.0)))
    now.take(now.candidates.start[:-1].copy())
    assert now.violation() > 0
    assert now.violations().sum() == pytest.approx(now.violation())


def test_the_core_opens_every_pair_that_a_better_assignment_could_use(scattered: Make) -> None:
    problem = scattered(60, 4, tolerance=0.2)
    now = cheapest_start(problem)
    now.repair(lambda: False)
    now.polish()
    bound = priced_bound(problem, now.prices)
    core = Core(now, bound).open()
    assert core is not None
    opened = np.zeros(now.candidates.n_pairs, np.bool_)
    opened[core.pairs] = True
    worth = now.regret <= now.objective - bound
    several = np.isin(now.candidates.unit(), core.units)
    assert np.all(opened[worth & several])
    # A unit that is left out has no pair but its own.
    assert np.all(np.flatnonzero(worth & ~several) == now.pair[now.candidates.unit()[worth & ~several]])


def test_a_core_that_did_not_close_waits_and_then_gets_more_effort(scattered: Make) -> None:
    now = cheapest_start(scattered(60, 4, tolerance=0.2))
    now.repair(lambda: False)
    core = Core(now, priced_bound(now.problem, now.prices))
    assert core.open() is not None
    effort = core.effort
    core.put_off()
    assert core.effort == 2 * effort
    waited = 0
    while core.open() is None:
        waited += 1
    assert waited == int(core.effort)


def test_the_band_opens_the_pairs_of_least_regret_and_the_more_the_wider_it_is(scattered: Make) -> None:
    now = cheapest_start(scattered(200, 6))
    opened = [0]
    for wanted in (20, 200):
        few = band(now, wanted)
        assert few is not None
        left_out = np.ones(now.candidates.n_pairs, np.bool_)
        left_out[few.pairs] = left_out[now.pair] = False
        assert now.regret[few.pairs].max() < now.regret[left_out].min()
        opened.append(len(few.pairs) - len(few.units))
    assert opened == sorted(set(opened))


def test_there_is_no_band_where_no_unit_has_a_choice() -> None:
    table = np.array([[1.0, np.inf], [np.inf, 2.0]])
    unlimited = np.full((1, 2), np.inf)
    problem = AssignmentProblem(TableCosts(table), np.ones((1, 2)), -unlimited, unlimited)
    assert band(cheapest_start(problem), 10) is None
