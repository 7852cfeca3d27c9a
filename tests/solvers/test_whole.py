"""Whole numbers say what the real ones said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from solvers.whole import RESOLUTION, decimal_scale, tighten_to_whole, to_whole


@given(
    values=hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(0, 10**6)),
    digits=st.integers(0, 4),
)
def test_decimals_come_back_exactly(values: Any, digits: int) -> None:
    decimals = values / 10**digits
    whole = to_whole(decimals)
    assert whole.exact
    assert np.array_equal(whole.values / whole.scale, decimals)


@given(values=hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(0, 1e9, allow_subnormal=False)))
def test_other_numbers_come_back_a_little_smaller_at_most(values: Any) -> None:
    whole = to_whole(values)
    back = whole.values / whole.scale
    total = values.sum()
    if whole.exact:
        assert back == pytest.approx(values, rel=1e-8, abs=1e-8)
    else:
        assert np.all(back <= values * (1 + 1e-12))
        assert np.all(values - back <= total / RESOLUTION * (1 + 1e-6))
    assert whole.values.sum() <= RESOLUTION * (1 + 1e-6)


def test_the_scale_is_the_least_power_of_ten_that_does() -> None:
    assert decimal_scale(np.array([1.0, 20.0])) == 1
    assert decimal_scale(np.array([1.5, 0.25])) == 100
    assert decimal_scale(np.array([1 / 3])) is None


def test_nothing_and_zero_are_whole() -> None:
    assert to_whole(np.zeros(3)).values.tolist() == [0, 0, 0]
    assert len(to_whole(np.empty(0)).values) == 0


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_limits_tightened_to_whole_numbers_shut_out_no_feasible_assignment(tiny: Any, data: st.DataObject) -> None:
    case = data.draw(tiny(kinds=("whole", "decimal")))
    lower, upper = case.lower.copy(), case.upper.copy()
    for k in range(len(lower)):
        lower[k], upper[k] = tighten_to_whole(case.loads[k], lower[k], upper[k])
    assert np.all(lower >= case.lower - 1e-6)
    assert np.all(upper <= case.upper + 1e-6)
    kept, _ = case.feasible()
    totals = case.totals(kept)
    assert np.all(totals >= lower - 1e-9)
    assert np.all(totals <= upper + 1e-9)


@given(
    total=st.integers(0, 10**7),
    off=st.sampled_from([0.0, 0.3, 0.7, 1e-12, -1e-12]),
)
def test_a_whole_load_on_its_own_limit_stays_within_it(total: int, off: float) -> None:
    at = np.array([float(total) + off])
    lower, upper = tighten_to_whole(np.array([1.0]), at, at)
    if abs(off) < 1e-9:
        assert lower[0] == upper[0] == total
    else:
        assert (lower[0], upper[0]) == (total + 1, total)


def test_limits_of_loads_that_are_no_whole_numbers_stay() -> None:
    lower, upper = np.array([2.5, -np.inf]), np.array([7.3, np.inf])
    same = tighten_to_whole(np.array([1.5, 2.0]), lower, upper)
    assert np.array_equal(same[0], lower)
    assert np.array_equal(same[1], upper)


def test_infinite_limits_stay_infinite() -> None:
    lower, upper = tighten_to_whole(np.array([1.0, 2.0]), np.array([-np.inf, 0.5]), np.array([np.inf, 3.5]))
    assert lower.tolist() == [-np.inf, 1.0]
    assert upper.tolist() == [np.inf, 3.0]
