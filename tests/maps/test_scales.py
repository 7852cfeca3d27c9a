from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps.pages.scales import balanced_scale, break_texts, percent_texts, readable_above, rising_scale

finite = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-6)


@given(st.lists(finite, min_size=1, max_size=40))
def test_every_value_falls_into_one_class_between_that_class_s_edges_and_more_is_never_lower(values):
    found = np.array(values)
    scale = rising_scale(found)
    classes = scale.classes(found)
    edges = np.array(scale.edges)
    slack = 1e-9 * np.abs(found).max()
    assert len(edges) == len(scale.colours) + 1 <= 8
    assert np.all(np.diff(edges) > 0) or len(scale.colours) == 1
    assert np.all((classes >= 0) & (classes < len(scale.colours)))
    assert np.all(edges[classes] <= found + slack)
    assert np.all(found <= edges[classes + 1] + slack)
    order = np.argsort(found, kind="stable")
    assert np.all(np.diff(classes[order]) >= 0)


@given(st.floats(1e-4, 100.0), st.lists(st.floats(-1.0, 1.0), max_size=30))
def test_a_balanced_scale_is_the_same_on_both_sides_of_zero(end, parts):
    deviations = np.array(parts) * end
    scale = balanced_scale(end)
    assert scale.edges == tuple(-e for e in reversed(scale.edges))
    classes, mirrored = scale.classes(deviations), scale.classes(-deviations)
    zero = deviations == 0
    assert np.all(classes[~zero] + mirrored[~zero] == 6)
    assert np.all(classes[zero] == 3)
    assert np.all(np.diff(classes[np.argsort(deviations, kind="stable")]) >= 0)


@given(st.lists(st.integers(0, 100_000), min_size=2, max_size=40, unique=True))
def test_counts_are_broken_at_whole_numbers(counts):
    edges = rising_scale(np.array(counts, dtype=float), whole=True).edges
    assert [round(e) for e in edges] == list(edges)


@given(st.floats(1e-9, 1e9))
def test_a_scale_s_end_is_rounded_up_by_less_than_a_half(value):
    end = readable_above(value)
    assert value * (1 - 1e-9) <= end <= 1.5 * value * (1 + 1e-9)


def test_counts_stay_whole_where_breaks_follow_quantiles():
    counts = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 1000], float)
    edges = rising_scale(counts, whole=True).edges
    assert len(edges) > 4
    assert all(edge == round(edge) for edge in edges)


def test_breaks_are_readable_numbers():
    loads = np.array([4292, 4746, 4791, 5241, 5245], dtype=float)
    assert rising_scale(loads).edges == (4200, 4400, 4600, 4800, 5000, 5200, 5400)
    assert balanced_scale(0.1).edges == (-0.1, -0.07, -0.04, -0.01, 0.01, 0.04, 0.07, 0.1)


def test_a_few_giants_do_not_put_all_the_others_into_one_class():
    values = np.r_[np.linspace(1, 20, 50), 1e6]
    classes = rising_scale(values).classes(values)
    assert np.bincount(classes).max() <= 0.6 * len(values)


def test_unknown_values_have_no_class_and_equal_ones_share_one():
    scale = rising_scale(np.array([3.0, np.nan, 3.0]))
    assert len(scale.colours) == 1
    assert scale.classes(np.array([3.0, np.nan])).tolist() == [0, -1]
    assert rising_scale(np.array([np.nan])) is None
    assert balanced_scale(0.2).classes(np.array([np.nan, np.inf, -0.2, 0.2])).tolist() == [-1, -1, 0, 6]


@pytest.mark.parametrize(
    ("edges", "texts"),
    [
        ((20e6, 22.5e6, 25e6), ["20.0 M", "22.5 M", "25.0 M"]),
        ((0.0, 2e9), ["0", "2 bn"]),
        ((-1500.0, 0.0, 2500.0), ["−1,500", "0", "2,500"]),
        ((0.25, 0.5), ["0.25", "0.50"]),
    ],
)
def test_breaks_have_one_suffix_and_just_enough_decimals(edges, texts):
    assert break_texts(edges) == texts


def test_percentages_have_a_sign_and_no_superfluous_decimals():
    assert percent_texts((-0.1, 0.01, 0.07)) == ["−10 %", "+1 %", "+7 %"]
    assert percent_texts((0.005, 0.02)) == ["+0.5 %", "+2.0 %"]
