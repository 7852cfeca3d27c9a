"""Today's alignment as a plan: compared with one, gains and losses add up, whoever has an account today."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.difference_words import headline, territory_words
from scenarios.differences import compare_plans
from scenarios.today import NOBODY, todays_plan
from territory_engine.config import parse_config
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames
from tests.scenarios.realignments import drawn


def adds_up(problem: PlanningProblem, difference: Any) -> None:
    table = difference.territories
    for measure in difference.measures:
        before, gained, lost, changed, after = (
            table[f"{measure}_{part}"].to_numpy(float) for part in ("before", "gained", "lost", "changed", "after")
        )
        assert before + gained - lost + changed == pytest.approx(after)
        assert gained.sum() == pytest.approx(lost.sum())
    assert len(difference.shared) == len(problem.accounts)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_gains_and_losses_add_up_whoever_has_an_account_today(seed: int) -> None:
    """Groups, geographic units, travel tables with missing pairs; owners who left, and nobody."""
    problem, plan = drawn(seed)
    today = todays_plan(problem)
    difference = compare_plans(today, (problem, plan))
    adds_up(problem, difference)
    owner = problem.accounts["owner"].astype(str)
    counts = owner.where(owner != "", NOBODY).value_counts()
    has = difference.territories.loc[difference.territories["from_territory_id"] != ""]
    told = dict(zip(has["from_territory_id"], has["count_before"], strict=True))
    assert {t: n for t, n in told.items() if n} == pytest.approx(counts.to_dict())
    # Whoever goes on with another rep moves, and nobody else.
    moved = owner[owner != plan.assignments["rep_id"].astype(str)].index
    assert sorted(difference.moves.index) == sorted(moved)
    assert all(headline(difference, territory_words(difference, today[0], problem)))


def problem_of(owner: list[str], **changes: Any) -> PlanningProblem:
    n = len(owner)
    accounts = pd.DataFrame(
        {"account_id": [f"A{i}" for i in range(n)], "x": np.arange(n) * 1.0, "y": 0.0, "visits": 1.0, "owner": owner}
    )
    reps = pd.DataFrame(
        {"rep_id": ["R1", "R2"], "name": ["Ann", "Bob"], "x": [0.0, n - 1.0], "y": 0.0, "capacity": 1.0}
    )
    config = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "visits", "tolerance": 0.3, "share": "capacity"}],
        "travel": {"metric": "euclidean"},
        "disruption": {"current": "owner"},
        "solve": {"rounds": 1},
    }
    return load_frames(accounts, reps, parse_config(config | changes))


def test_a_territory_for_each_owner_those_who_left_and_nobody_included() -> None:
    problem, plan = todays_plan(problem_of(["R1", "R1", "GONE", "", "R2", "GONE"]))
    assert plan.territories.index.tolist() == ["R1", "R2", "GONE", NOBODY]
    assert plan.territories["accounts"].tolist() == [2, 1, 2, 1]
    assert plan.territories["rep_id"].tolist() == ["R1", "R2", "GONE", ""]
    assert plan.territories["visits"].iloc[:2].tolist() == [2, 1]
    assert plan.assignments["travel"].iloc[[0, 1, 4]].tolist() == [0, 1, 1]
    assert plan.assignments["travel"].iloc[[2, 3]].isna().all()
    assert problem.reps.index.tolist() == ["R1", "R2", "GONE"]


def test_a_rep_without_accounts_today_has_an_empty_territory() -> None:
    _, plan = todays_plan(problem_of(["R1"] * 4))
    assert plan.territories["accounts"].tolist() == [4, 0]
    assert NOBODY not in plan.territories.index


def test_owners_who_left_are_called_by_their_id_and_nothing_is_called_nan() -> None:
    problem = problem_of(["R1", "R1", "GONE", "", "R2", "GONE"])
    plan = solve(problem)
    today = todays_plan(problem)
    difference = compare_plans(today, (problem, plan))
    said = " ".join(headline(difference, territory_words(difference, today[0], problem)))
    assert "nan" not in said
    assert "GONE" in said
    adds_up(problem, difference)


def test_without_a_column_for_today_there_is_no_plan_of_it() -> None:
    problem = problem_of(["R1"] * 3)
    config = problem.config.model_copy(update={"disruption": None})
    with pytest.raises(ValueError, match="who has which account today"):
        todays_plan(PlanningProblem(config, problem.accounts, problem.reps))
