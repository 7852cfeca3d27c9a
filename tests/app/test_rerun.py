"""When a repeated search counts as the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from territory_engine.app.rerun import Rerun, rerun

SAME = Rerun("feasible", "feasible", 100.0, 100.0, 99.0, 99.0, 0, 1.0)


def test_the_same_objective_and_bound_pass() -> None:
    assert SAME.passed


@pytest.mark.parametrize(
    "change",
    [
        {"repeated_objective": 100.01},
        {"repeated_objective": 99.9},
        {"repeated_bound": 98.9},
        {"repeated_bound": None},
        {"repeated_status": "infeasible", "repeated_objective": None, "repeated_bound": None},
    ],
    ids=str,
)
def test_anything_else_does_not(change: dict[str, object]) -> None:
    assert not dataclasses.replace(SAME, **change).passed


def test_a_better_bound_is_as_good_as_the_same_bound() -> None:
    assert dataclasses.replace(SAME, repeated_bound=99.5).passed


def test_infeasible_again_passes() -> None:
    assert Rerun("infeasible", "infeasible", None, None, None, None, 0, 0.0).passed


def test_the_summary_tells_both_sides() -> None:
    text = dataclasses.replace(SAME, repeated_objective=101.0).summary()
    assert "NOT repeated" in text
    assert "100.000000, rerun 101.000000" in text


def test_a_stored_plan_is_solved_again_for_as_many_rounds(plan_copy: Path) -> None:
    result = rerun(plan_copy)
    assert result.passed
    assert result.accounts_elsewhere == 0
