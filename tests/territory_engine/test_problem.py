from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from territory_engine.config import parse_config
from territory_engine.problem import PlanningProblem, Source

NO_REPS = pd.DataFrame(index=pd.Index([], dtype=str, name="rep_id"))


def problem(count: int, reps: pd.DataFrame = NO_REPS) -> PlanningProblem:
    config = parse_config(
        {
            "data": {"accounts": "a"},
            "territories": {"centers": "free", "count": count},
            "balance": [{"measure": "visits", "tolerance": 0.5}, {"measure": "visits", "max": 7.0}],
        }
    )
    accounts = pd.DataFrame({"visits": [2.0, 4.0, 6.0]}, index=pd.Index(list("abc"), name="account_id"))
    return PlanningProblem(config, accounts, reps)


@pytest.mark.parametrize(("count", "first", "last"), [(3, "T01", "T03"), (12, "T01", "T12"), (100, "T001", "T100")])
def test_territories_without_reps_are_numbered_so_that_they_sort(count: int, first: str, last: str) -> None:
    ids = problem(count).territory_ids
    assert (len(ids), ids[0], ids[-1], ids.name) == (count, first, last, "territory_id")
    assert ids.is_monotonic_increasing


def test_territories_are_named_after_their_reps_where_there_are_any() -> None:
    reps = pd.DataFrame(index=pd.Index(["B", "A"], name="rep_id"))
    assert problem(2, reps).territory_ids.tolist() == ["B", "A"]


def test_without_reps_every_territory_has_an_equal_share() -> None:
    (rule,) = problem(3).balance_rules()
    np.testing.assert_array_equal(rule.target, [4, 4, 4])
    np.testing.assert_array_equal(rule.lower, [2, 2, 2])
    np.testing.assert_array_equal(rule.upper, [6, 6, 6])


def test_rows_are_told_with_those_in_the_file_where_a_scenario_edited_them() -> None:
    assert Source("reps", "reps.csv", "", 1).rows_in_words == "1 row"
    assert Source("reps", "reps.csv", "", 1_100, 1_100).rows_in_words == "1,100 rows"
    assert Source("reps", "reps.csv", "", 11, 12).rows_in_words == "11 rows (12 in the file)"
