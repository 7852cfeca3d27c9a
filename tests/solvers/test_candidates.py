"""Candidates gathered in three ways are the same pairs, with the problem's own costs and loads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from solvers.bounds import Prices, cheapest
from solvers.candidates import Candidates, from_rows, from_table, gather


def same(a: Candidates, b: Candidates) -> bool:
    """The same pairs, whatever their order within a unit."""
    if not np.array_equal(a.start, b.start):
        return False
    first, second = np.lexsort((a.territory, a.unit())), np.lexsort((b.territory, b.unit()))
    return (
        np.array_equal(a.territory[first], b.territory[second])
        and np.array_equal(a.cost[first], b.cost[second])
        and np.array_equal(a.load[:, first], b.load[:, second])
    )


def check_values(case: Any, candidates: Candidates) -> None:
    unit = candidates.unit()
    assert np.array_equal(candidates.cost, case.costs[unit, candidates.territory])
    assert np.array_equal(candidates.load, case.loads[:, unit, candidates.territory])
    assert np.all(np.isfinite(candidates.cost))
    assert candidates.n_pairs == candidates.start[-1]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_gathering_pairs_rows_or_tables_gives_the_same_candidates(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny())
    problem = case.problem()
    table, _ = cheapest(problem, Prices.zero(problem), 2)
    real = table >= 0
    units = np.repeat(np.arange(problem.n_units), table.shape[1]).reshape(table.shape)
    by_rows, by_table = from_rows(problem, table), from_table(problem, table)
    by_pairs = gather(problem, units[real], table[real])
    assert same(by_rows, by_table)
    assert same(by_table, by_pairs)
    for candidates in (by_rows, by_table, by_pairs):
        check_values(case, candidates)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_pairs_may_come_in_any_order_twice_or_forbidden(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny())
    n, m = case.costs.shape
    pairs = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), max_size=30))
    units, territories = np.array(pairs, np.int64).reshape(-1, 2).T
    candidates = gather(case.problem(), units, territories.astype(np.int32))
    check_values(case, candidates)
    wanted = {(i, t) for i, t in pairs if np.isfinite(case.costs[i, t])}
    assert set(zip(candidates.unit().tolist(), candidates.territory.tolist(), strict=True)) == wanted
    assert candidates.n_pairs == len(wanted)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_extra_territories_join_the_table(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny(forbid=False))
    n, m = case.costs.shape
    table = data.draw(hnp.arrays(np.int32, (n, 2), elements=st.integers(-1, m - 1)))
    extra = data.draw(hnp.arrays(np.int32, n, elements=st.integers(-1, m - 1)))
    joined = from_table(case.problem(), table, extra)
    assert same(joined, from_table(case.problem(), np.column_stack([table, extra])))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_keeping_pairs_keeps_their_numbers_and_reduced_costs(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny(forbid=False))
    n, m = case.costs.shape
    candidates = from_table(case.problem(), np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))
    mask = data.draw(hnp.arrays(np.bool_, n * m))
    net = data.draw(hnp.arrays(np.float64, (len(case.loads), m), elements=st.floats(-5, 5, allow_subnormal=False)))
    prices = Prices(np.maximum(net, 0.0), np.maximum(-net, 0.0))
    kept = candidates.keep(mask)
    check_values(case, kept)
    assert np.array_equal(kept.unit(), candidates.unit()[mask])
    assert np.array_equal(kept.reduced_costs(prices), candidates.reduced_costs(prices)[mask])
    expected = case.costs + np.einsum("kt,kit->it", net, case.loads)
    assert candidates.reduced_costs(prices) == pytest.approx(expected.ravel(), abs=1e-9)


def test_the_pair_of_a_territory_that_is_no_candidate_is_minus_one() -> None:
    candidates = Candidates(np.array([0, 2, 3]), np.array([0, 2, 1], np.int32), np.ones(3), np.ones((1, 3)))
    assert candidates.pair_of(np.array([2, 0], np.int32)).tolist() == [1, -1]
