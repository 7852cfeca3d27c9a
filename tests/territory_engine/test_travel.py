"""Travel as plans report it: distances anyone can look up, and the travel table's own numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.problem import TravelCosts
from territory_engine.config import parse_config
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames
from territory_engine.travel import haversine_km, travel_to

ROUND_THE_EARTH = 2 * np.pi * 6371.0088


def km(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(haversine_km(*(np.array([v]) for v in (*a, *b)))[0])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0.0, 0.0), (1.0, 0.0), ROUND_THE_EARTH / 360),
        ((41.0, -93.0), (42.0, -93.0), ROUND_THE_EARTH / 360),
        ((0.0, 0.0), (0.0, 90.0), ROUND_THE_EARTH / 4),
        ((90.0, 0.0), (-90.0, 0.0), ROUND_THE_EARTH / 2),
        ((0.0, 179.5), (0.0, -179.5), ROUND_THE_EARTH / 360),
        ((41.5868, -93.6250), (41.5868, -93.6250), 0.0),
        # Des Moines to Cedar Rapids and to Chicago, to the kilometre.
        ((41.5868, -93.6250), (41.9779, -91.6656), 168.0),
        ((41.5868, -93.6250), (41.8781, -87.6298), 498.0),
    ],
)
def test_great_circle_distances_are_right(a: tuple[float, float], b: tuple[float, float], expected: float) -> None:
    assert km(a, b) == pytest.approx(expected, abs=1.0 if expected in {168.0, 498.0} else 1e-6)
    assert km(b, a) == pytest.approx(km(a, b))


def test_a_place_that_is_not_known_has_no_distance() -> None:
    assert np.isnan(km((np.nan, np.nan), (41.0, -93.0)))
    assert np.isnan(km((41.0, -93.0), (41.0, np.nan)))


@settings(max_examples=100, deadline=None)
@given(
    a=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    b=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
)
def test_the_solver_measures_the_same_distance(a: tuple[float, float], b: tuple[float, float]) -> None:
    costs = TravelCosts(
        np.array([0, 1]), np.array([a]), np.ones(1), np.array([b]), True, 1, np.inf,
        np.zeros(1, np.int32), np.ones((1, 1), np.bool_), np.full(1, -1, np.int32),
    )  # fmt: skip
    # Near the antipode the formulas lose digits.
    assert costs.block(0, 1)[0, 0] == pytest.approx(km(a, b), rel=1e-7, abs=0.5 if km(a, b) > 20_000 else 1e-4)


def problem_with_table() -> PlanningProblem:
    accounts = pd.DataFrame({"account_id": ["007", "8", "9"]})
    reps = pd.DataFrame({"rep_id": ["R1", "R2"]})
    table = pd.DataFrame(
        [("R2", "9", 5.0), ("R1", "8", 3.0), ("R2", "007", 2.0), ("R1", "007", 1.0), ("R2", "8", np.inf)],
        columns=["rep_id", "account_id", "cost"],
    )
    config = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}, "travel": {"table": "t.csv"}})
    return load_frames(accounts, reps, config, travel_table=table)


def test_a_table_gives_its_own_costs_whatever_the_order_of_its_rows() -> None:
    problem = problem_with_table()
    assert travel_to(problem, np.array([0, 0, 1])).tolist() == [1.0, 3.0, 5.0]
    assert travel_to(problem, np.array([1, 0, 1])).tolist() == [2.0, 3.0, 5.0]


def test_a_pair_that_is_not_in_the_table_has_no_travel_and_a_forbidden_one_is_infinite() -> None:
    found = travel_to(problem_with_table(), np.array([0, 1, 0]))
    assert found[0] == 1.0
    assert np.isposinf(found[1])
    assert np.isnan(found[2])


def test_projected_coordinates_are_measured_straight() -> None:
    accounts = pd.DataFrame({"account_id": ["a", "b"], "x": [0.0, 3.0], "y": [0.0, 4.0]})
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "x": [0.0, 3.0], "y": [0.0, 0.0]})
    config = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}, "travel": {"metric": "euclidean"}})
    problem = load_frames(accounts, reps, config)
    assert travel_to(problem, np.array([1, 0])).tolist() == [3.0, 5.0]
