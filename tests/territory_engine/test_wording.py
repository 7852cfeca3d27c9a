from __future__ import annotations

import math

import pytest

from territory_engine.grammar import counted
from territory_engine.plan import Plan, empty_assignments, empty_territories
from territory_engine.wording import limit_text, measure_label, number, percent, quantity, status_words


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.8, "1,234,568"), (12.34, "12.3"), (0.5, "0.50"), (0.0123, "0.0123"), (-3.0, "−3"), (0, "0"), (1e-9, "0"), (-1.23456e18, "−1.235e18"), (None, "–"), (math.nan, "–"), (math.inf, "–")],
)  # fmt: skip
def test_numbers_keep_about_four_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.1, "10.0 %"), (0.0004, "0.04 %"), (0.000012, "0.0012 %"), (0.0, "0.0 %"), (None, "–")]
)
def test_small_percentages_are_told_from_zero(fraction, text):
    assert percent(fraction) == text


@pytest.mark.parametrize(
    ("status", "bound", "gap", "text"),
    [
        ("optimal", 10.0, 0.0, "proved optimal"),
        ("feasible", 9.996, 0.0004, "every rule kept · within 0.04 % of the best possible"),
        ("feasible", None, None, "every rule kept"),
        ("feasible", -1.0, 1.1, "every rule kept"),
        ("infeasible", None, None, "impossible"),
    ],
)
def test_a_status_is_told_in_plain_words_and_claims_no_more_than_is_proved(status, bound, gap, text):
    plan = Plan(
        status=status, assignments=empty_assignments(), territories=empty_territories(), objective=10.0, lower_bound=bound,
        gap=gap, priced_bound=bound, objective_terms={}, measures={}, prices={}, proof={}, termination="gap", rounds=0,
        solve_seconds=0.0, seed=0,
    )  # fmt: skip
    assert status_words(plan) == text


def test_signed_percentages_show_their_sign():
    assert percent(0.05, signed=True) == "+5.0 %"
    assert percent(-0.05, signed=True) == "−5.0 %"


@pytest.mark.parametrize(
    ("amount", "measure", "comparative", "text"),
    [
        (1, "visits", "more", "one more visit"),
        (1, "visits_2022", "less", "one fewer visit (2022)"),
        (10, "count", "less", "10 fewer accounts"),
        (1000, "revenue", "more", "1,000 more of revenue"),
        (1, "business", "less", "1 less of business"),
    ],
)
def test_quantities_read_as_a_planner_would_say_them(amount, measure, comparative, text):
    assert quantity(amount, measure, comparative) == text


@pytest.mark.parametrize(
    ("value", "side", "whole", "text"),
    [
        (142.5, "lower", True, "143"),
        (157.5, "upper", True, "157"),
        (150.0 * (1 + 0.1), "upper", True, "165"),  # 165.00000000000003
        (150.0 * (1 - 0.1), "lower", True, "135"),
        (142.5, "lower", False, "142.5"),
        (1000 / 7, "lower", False, "142.8572"),
        (1000 / 7, "upper", False, "142.8571"),
        (35_533_901.25, "upper", False, "35,533,901"),
        (0.0, "lower", False, "0"),
        (-2.5, "lower", False, "−2.5"),
        (math.inf, "upper", True, "–"),
        (1.23456e18, "upper", True, "1.234e18"),
        (1.23412e18, "lower", False, "1.235e18"),
    ],
)
def test_a_load_of_the_limit_shown_keeps_the_limit(value, side, whole, text):
    assert limit_text(value, side, whole=whole) == text


@pytest.mark.parametrize(
    ("amount", "noun", "text"),
    [(1, "account", "1 account"), (0, "account", "0 accounts"), (1200, "rep", "1,200 reps"), (1, "territory", "1 territory"), (2, "territory", "2 territories")],
)  # fmt: skip
def test_one_is_no_plural(amount, noun, text):
    assert counted(amount, noun) == text


def test_measures_are_shown_without_underscores():
    assert measure_label("revenue_2022") == "revenue 2022"
    assert measure_label("count") == "accounts"
    assert measure_label("revenue_2022@last_year") == "revenue 2022 (last year)"
    assert measure_label("@home") == "@home"
    assert measure_label("_") == "_"
