from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from territory_engine.reading.numeric import Numbers, Style, is_date, read_numbers


def read(*cells: str, decimal_comma: bool = False, file_style: Style = "plain") -> Numbers:
    return read_numbers(pd.Series(list(cells), dtype=str), decimal_comma=decimal_comma, file_style=file_style)


def test_plain_numbers_and_blanks_need_no_guessing() -> None:
    numbers = read("1", " 2.5 ", "", "-3e2")
    assert numbers.style == "plain"
    np.testing.assert_array_equal(numbers.values, [1, 2.5, np.nan, -300])
    assert numbers.blank.tolist() == [False, False, True, False]
    assert not numbers.wrong.any()


def test_thousands_currency_and_accountants_negatives_are_read() -> None:
    numbers = read("$1,234.50", "€ 12", "(1,000)", "7 USD", "1 234 567", "+3", "1'000")
    assert numbers.style == "point"
    assert numbers.values.tolist() == [1234.5, 12, -1000, 7, 1234567, 3, 1000]


def test_a_decimal_comma_is_read_where_no_other_reading_fits() -> None:
    numbers = read("1.234,5", "12", "0,25", decimal_comma=True)
    assert (numbers.style, numbers.values.tolist()) == ("comma", [1234.5, 12, 0.25])
    assert read("12,5").values.tolist() == [12.5]


def test_one_value_that_reads_only_one_way_decides_the_column() -> None:
    assert read("1,234", "12,5", decimal_comma=True).values.tolist() == [1.234, 12.5]
    assert read("1,234", "12.5", decimal_comma=True).values.tolist() == [1234, 12.5]


def test_a_value_that_reads_both_ways_is_decided_by_the_file_or_refused() -> None:
    assert read("1,234").values.tolist() == [1234]
    assert read("1,234", decimal_comma=True, file_style="comma").values.tolist() == [1.234]
    assert read("1.234", decimal_comma=True, file_style="comma").values.tolist() == [1234]
    assert read("1.234", decimal_comma=True).values.tolist() == [1.234]
    undecided = read("1,234", "5", decimal_comma=True)
    assert (undecided.style, undecided.wrong.tolist()) == ("ambiguous", [True, False])


def test_columns_that_mix_both_ways_are_refused() -> None:
    numbers = read("1.234,5", "1,234.5", "3")
    assert (numbers.style, numbers.wrong.tolist()) == ("ambiguous", [True, True, False])


@pytest.mark.parametrize(
    "cell", ["x", "12 km", "1_000", "inf", "-Infinity", "TRUE", "2022-03-01", "1,23,4", "12%", "--5"]
)
def test_what_is_not_a_finite_number_is_wrong_and_never_zero(cell: str) -> None:
    numbers = read("1", cell)
    assert numbers.wrong.tolist() == [False, True]
    assert not numbers.blank.any()


@pytest.mark.parametrize("cell", ["", "  ", "NaN", "NULL", "n/a", "#N/A", "-"])
def test_what_databases_write_for_nothing_is_blank(cell: str) -> None:
    numbers = read("1,5", cell)
    assert numbers.blank.tolist() == [False, True]
    assert not numbers.wrong.any()


def test_numeric_columns_pass_and_infinity_is_wrong() -> None:
    numbers = read_numbers(pd.Series([1.0, np.nan, np.inf]))
    assert (numbers.blank.tolist(), numbers.wrong.tolist()) == ([False, True, False], [False, False, True])
    numbers.values[0] = 5  # the caller's own copy


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=20))
def test_what_python_writes_comes_back(values: list[float]) -> None:
    assert read(*map(repr, values)).values.tolist() == values


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=20), st.sampled_from([",", " ", "'", "\u00a0"]))
def test_separators_between_thousands_do_not_change_a_whole_number(values: list[int], separator: str) -> None:
    cells = [f"{v:,}".replace(",", separator) for v in values]
    assert read(*cells).values.tolist() == [float(v) for v in values]


@pytest.mark.parametrize("cell", ["2022-03-01", "1/3/2022", "01.03.22", "1-Mar", "Mar-22", "2022-03-01 00:00:00"])
def test_dates_are_recognised(cell: str) -> None:
    assert is_date(cell)
    assert not is_date("12.5")


@pytest.mark.parametrize("cell", ["abc 13", "XYZ-4", "12-Abc", "3.ste"])
def test_three_letters_that_are_no_month_make_no_date(cell: str) -> None:
    assert not is_date(cell)
