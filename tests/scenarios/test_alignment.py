from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scenarios import score_alignment
from territory_engine.config import Config
from territory_engine.problem import PlanningProblem


def line_problem(**changes):
    """Four accounts on a line, reps at both ends."""
    accounts = pd.DataFrame(
        {"name": list("abcd"), "x": [0.0, 1.0, 9.0, np.nan], "y": 0.0, "visits": [1.0, 2.0, 3.0, 4.0]},
        index=pd.Index(["a", "b", "c", "d"], name="account_id"),
    )
    reps = pd.DataFrame({"x": [0.0, 10.0], "y": 0.0}, index=pd.Index(["R1", "R2"], name="rep_id"))
    config = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "travel": {"metric": "euclidean", "weight": "visits"},
        "balance": ({"measure": "visits", "tolerance": 0.2},),
    }
    return PlanningProblem(
        Config.model_validate(config | changes.pop("config", {})), accounts, reps, **changes, base_dir=Path()
    )


def owners(*reps):
    return pd.Series(list(reps), index=["a", "b", "c", "d"])


def test_loads_travel_and_deviations_are_summed_per_rep():
    score = score_alignment(line_problem(), owners("R1", "R1", "R2", "R2"))
    assert score.territories["accounts"].tolist() == [2, 2]
    assert score.territories["visits"].tolist() == [3, 7]
    assert score.territories["travel"].tolist() == [2, 3]
    assert score.travel == 5
    assert score.territories["visits_deviation"].tolist() == pytest.approx([-0.4, 0.4])
    assert score.max_deviation["visits"] == pytest.approx(0.4)
    assert score.account_travel.isna().tolist() == [False, False, False, True]


def test_broken_limits_are_named_on_both_sides():
    score = score_alignment(line_problem(), owners("R1", "R1", "R2", "R2"))
    assert [str(b) for b in score.limits_broken] == [
        "R1 has 3 visits; it needs at least 4",
        "R2 has 7 visits; its limit is 6",
    ]
    assert score_alignment(line_problem(), owners("R1", "R2", "R1", "R2")).limits_broken == ()


def test_no_owner_and_an_unknown_owner_are_told_apart():
    score = score_alignment(line_problem(), owners("R1", "", "GONE", None))
    assert (score.without_owner, score.unknown_owner, score.unknown_owners) == (2, 1, ("GONE",))
    assert score.owned == 1
    assert score.territories["visits"].sum() == 1


def test_accounts_missing_from_the_series_have_no_owner_and_order_does_not_matter():
    score = score_alignment(line_problem(), pd.Series({"c": "R2", "a": "R1"}))
    assert score.without_owner == 2
    assert score.travel == 3


def test_power_two_squares_the_distance_before_weighing():
    problem = line_problem(config={"travel": {"metric": "euclidean", "weight": "visits", "power": 2}})
    assert score_alignment(problem, owners("R2", "R1", "R2", "R1")).travel == 100 + 2 * 1 + 3 * 1


def test_haversine_is_in_kilometres_on_the_sphere():
    accounts = pd.DataFrame({"longitude": [0.0], "latitude": [1.0]}, index=pd.Index(["a"], name="account_id"))
    reps = pd.DataFrame({"longitude": [0.0], "latitude": [0.0]}, index=pd.Index(["R"], name="rep_id"))
    problem = PlanningProblem(Config.model_validate({"data": {"accounts": "a", "reps": "r"}}), accounts, reps)
    assert score_alignment(problem, pd.Series({"a": "R"})).travel == pytest.approx(111.195, abs=1e-3)


def test_a_travel_table_gives_cost_and_load_and_a_missing_pair_is_infinite():
    table = pd.DataFrame(
        {"rep_id": ["R1", "R2", "R1"], "account_id": ["a", "a", "b"], "cost": [5.0, 7.0, 1.0], "hours": [2.0, 3.0, 4.0]}
    )
    problem = line_problem(travel_table=table, config={"balance": ({"measure": "hours", "max": 3},), "travel": {}})
    score = score_alignment(problem, owners("R2", "R1", "R1", ""))
    assert score.territories["hours"].tolist() == [4, 3]
    assert np.isposinf(score.account_travel["c"])
    assert np.isnan(score.max_deviation["hours"])
    assert [b.rep_id for b in score.limits_broken] == ["R1"]
