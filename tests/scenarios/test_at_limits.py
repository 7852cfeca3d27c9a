"""Loads at their limits, and which limits whole loads can reach."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scenarios.at_limits import at_limits, reachable_limits
from tests.scenarios.realignments import realignment


@pytest.mark.parametrize(
    ("load", "lower", "upper", "state"),
    [
        (110, 90, 110, (1, 0)), (109.9, 90, 110, (1, 0)), (90.1, 90, 110, (0, 1)), (100, 90, 110, (0, 0)),
        (5, -np.inf, np.inf, (0, 0)), (0, 0, np.inf, (0, 0)), (7, -np.inf, 7, (1, 0)), (6.95, -np.inf, 7, (1, 0)),
        (6.9, -np.inf, 7, (0, 0)), (50.4, 50, np.inf, (0, 1)), (51, 50, np.inf, (0, 0)), (5, 5, 5, (1, 0)), (8, 5, 7, (1, 0)),
    ],
)  # fmt: skip
def test_a_load_is_at_a_limit_within_a_hundredth_of_the_room(
    load: float, lower: float, upper: float, state: tuple[int, int]
) -> None:
    over, under = at_limits(*(np.array([float(v)]) for v in (load, lower, upper)))
    assert (int(over[0]), int(under[0])) == state


@pytest.mark.parametrize(("visits", "limits"), [(1.0, (2.0, 4.0)), (0.5, (1.6, 4.4))])
def test_limits_are_reached_in_whole_numbers_where_loads_are_whole(visits: float, limits: tuple[float, float]) -> None:
    n = int(6 / visits)
    ids = [f"A{i}" for i in range(n)]
    accounts = pd.DataFrame({"x": 0.0, "y": 0.0, "visits": visits, "owner": ""}, index=pd.Index(ids, name="account_id"))
    reps = pd.DataFrame({"x": [0.0, 1.0], "y": 0.0}, index=pd.Index(["R1", "R2"], name="rep_id"))
    rule = {"measure": "visits", "min": 1.6, "max": 4.4}
    problem, _ = realignment(accounts, reps, dict.fromkeys(ids, "R1"), config={"balance": (rule,)})
    lower, upper = reachable_limits(problem, problem.balance_rules()[0])
    assert (lower[0], upper[0]) == limits
