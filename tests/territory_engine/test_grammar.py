"""Numbers in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from territory_engine.grammar import not_above, not_below


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (0.99996, "0.9999"),
        (999.96, "999.9"),
        (12.5, "12.5"),
        (0.1, "0.1"),
        (3_206_874.6, "3,206,874"),
        (7.0, "7"),
        (100.0, "100"),
        (-1.23456, "-1.235"),
        (154.59999999999997, "154.6"),
        (154.5999, "154.5"),
        (1_999.9999999999998, "2,000"),
    ],
)
def test_a_bound_is_rounded_down(number: float, text: str) -> None:
    assert not_above(number) == text


@given(st.floats(-1e12, 1e12))
def test_no_number_is_told_above_what_it_is(number: float) -> None:
    assert float(not_above(number).replace(",", "")) <= number + 1e-9 * max(1.0, abs(number))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (1.00001, "1.001"),
        (27926.0, "27,926"),
        (27926.1, "27,927"),
        (154.60000000000002, "154.6"),
        (-2.5, "-2.5"),
    ],
)
def test_a_number_is_rounded_up(number: float, text: str) -> None:
    assert not_below(number) == text
