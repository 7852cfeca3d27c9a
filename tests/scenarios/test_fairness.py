"""The Lorenz curve and the Gini coefficient against their definitions, and what must hold of any measure of evenness."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scenarios.fairness import coefficient_of_variation, gini, lorenz_curve, spread

LOADS = st.lists(st.floats(0, 1e6), min_size=1, max_size=12).filter(lambda v: sum(v) > 1e-3)
SHARES = st.floats(0.01, 1e3)


@st.composite
def loads_and_shares(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    load = np.array(draw(LOADS))
    return load, np.array(draw(st.lists(SHARES, min_size=len(load), max_size=len(load))))


def mean_absolute_difference(load: np.ndarray, share: np.ndarray) -> float:
    """Half the relative mean absolute difference of loads per share, pair by pair."""
    weight, each = share / share.sum(), load / share
    pairs = weight[:, None] * weight[None, :] * np.abs(each[:, None] - each[None, :])
    return float(pairs.sum() / (2 * (weight * each).sum()))


@given(loads_and_shares())
def test_the_gini_coefficient_is_half_the_relative_mean_absolute_difference(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    assert gini(*case) == pytest.approx(mean_absolute_difference(*case), abs=1e-9)


@given(loads_and_shares())
def test_the_gini_coefficient_is_from_0_to_below_1(case: tuple[np.ndarray, np.ndarray]) -> None:
    assert 0 <= gini(*case) < 1


@given(loads_and_shares(), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_units_do_not_matter(case: tuple[np.ndarray, np.ndarray], factor: float, other: float) -> None:
    load, share = case
    assert gini(load * factor, share * other) == pytest.approx(gini(load, share), abs=1e-9)
    assert coefficient_of_variation(load * factor, share * other) == pytest.approx(
        coefficient_of_variation(load, share), rel=1e-6, abs=1e-9
    )


@given(LOADS, st.data())
def test_giving_from_the_more_to_the_less_loaded_makes_it_more_even(values: list[float], data: st.DataObject) -> None:
    load = np.array(values)
    assume(np.ptp(load) > 1e-6 * load.max())
    rich, poor = int(load.argmax()), int(load.argmin())
    amount = (load[rich] - load[poor]) / 2 * data.draw(st.floats(0.01, 1))
    after = load.copy()
    after[rich] -= amount
    after[poor] += amount
    assert gini(after) < gini(load) + 1e-12
    assert coefficient_of_variation(after) < coefficient_of_variation(load) + 1e-12


@given(st.lists(SHARES, min_size=1, max_size=12), st.floats(0.1, 100))
def test_who_all_have_exactly_their_share_are_even(shares: list[float], factor: float) -> None:
    share = np.array(shares)
    assert gini(share * factor, share) == pytest.approx(0, abs=1e-12)
    found = spread(share * factor, share)
    assert found.ratio == pytest.approx(1)
    assert found.variation == pytest.approx(0, abs=1e-6)


@given(loads_and_shares())
def test_the_lorenz_curve_climbs_from_nothing_to_all_and_sags_below_the_straight_line(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    curve = lorenz_curve(*case)
    assert curve[0].tolist() == [0, 0]
    assert curve[-1].tolist() == [1, 1]
    assert (np.diff(curve, axis=0) >= -1e-12).all()
    assert (curve[:, 1] <= curve[:, 0] + 1e-9).all()


@given(loads_and_shares())
def test_a_rep_whose_share_and_load_are_split_in_two_changes_nothing(case: tuple[np.ndarray, np.ndarray]) -> None:
    load, share = case
    halved = np.r_[load[0] / 2, load[0] / 2, load[1:]], np.r_[share[0] / 2, share[0] / 2, share[1:]]
    assert gini(*halved) == pytest.approx(gini(load, share), abs=1e-9)


def test_a_worked_example() -> None:
    """Three reps with 1, 2 and 3: the curve of any textbook."""
    load = np.array([3.0, 1.0, 2.0])
    assert lorenz_curve(load) == pytest.approx(np.array([[0, 0], [1 / 3, 1 / 6], [2 / 3, 1 / 2], [1, 1]]))
    assert gini(load) == pytest.approx(2 / 9)
    assert coefficient_of_variation(load) == pytest.approx(math.sqrt(2 / 3) / 2)
    found = spread(load)
    assert (found.highest, found.lowest, found.ratio) == (0, 1, pytest.approx(3))
    assert (found.highest_ratio, found.lowest_ratio) == (pytest.approx(1.5), pytest.approx(0.5))


def test_who_has_no_share_is_left_out_and_rows_stay_those_of_the_input() -> None:
    found = spread(np.array([9.0, 1.0, 4.0]), np.array([0.0, 1.0, 2.0]))
    assert (found.lowest, found.highest, found.ratio) == (1, 2, pytest.approx(2))


def test_nothing_to_have_is_even() -> None:
    assert gini(np.zeros(3)) == 0
    assert coefficient_of_variation(np.zeros(3)) == 0
    assert lorenz_curve(np.zeros(3)).tolist() == [[0, 0], [1, 1]]
    assert spread(np.zeros(3)).lowest == -1
    assert spread(np.array([0.0, 1.0])).ratio == math.inf


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_loads_and_shares_that_mean_nothing_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="allowed: 0 or more"):
        gini(np.array([1.0, bad]))
    with pytest.raises(ValueError, match="a share is"):
        lorenz_curve(np.ones(2), np.array([1.0, bad]))
