"""The advice where nothing was found fits what was asked for."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from territory_engine.config import parse_config
from territory_engine.no_plan import nothing_found
from territory_engine.reading.loading import load_frames


def advice(rules: dict[str, Any], termination: str = "time_limit") -> str:
    accounts = pd.DataFrame({"account_id": ["a", "b"], "x": [0.0, 1.0], "y": 0.0, "lock": "", "group": ""})
    config = {
        "data": {"accounts": "a"},
        "territories": {"centers": "free", "count": 1},
        "travel": {"metric": "euclidean"},
        **rules,
    }
    pairs = pd.DataFrame({"unit_a": ["a"], "unit_b": ["b"]}) if "contiguity" in rules else None
    return nothing_found(load_frames(accounts, None, parse_config(config), adjacency=pairs), termination)


@pytest.mark.parametrize(
    ("rules", "remedy"),
    [
        ({}, "a longer [solve] time_limit_s"),
        (
            {"balance": [{"measure": "count", "tolerance": 0.1}]},
            "a longer [solve] time_limit_s, or looser limits (start with the tightest tolerance)",
        ),
        (
            {"balance": [{"measure": "count", "max": 2}]},
            "a longer [solve] time_limit_s, or looser limits (a lower min, a higher max)",
        ),
        (
            {"contiguity": {"adjacency": "p.csv"}, "eligibility": {"max_travel": 9.0}},
            "a longer [solve] time_limit_s, or a larger max_travel, or smaller units,"
            " or territories of several pieces (without [contiguity])",
        ),
    ],
)
def test_only_rules_that_there_are_can_be_loosened(rules: dict[str, Any], remedy: str) -> None:
    assert advice(rules).endswith(f"Remedy: {remedy}")


def test_what_ended_the_search_is_what_more_of_would_help() -> None:
    limits = {"balance": [{"measure": "count", "tolerance": 0.1}], "solve": {"rounds": 3}}
    assert "found in 3 rounds, and" in advice(limits, "rounds")
    assert "Remedy: more [solve] rounds, or looser limits" in advice(limits, "rounds")
    assert "was found, and none was proved impossible. Remedy: looser limits" in advice(limits, "stalled")
