"""The routing policy: what it may say, and what is answered to what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from territory_engine.errors import ConfigError
from territory_engine.leads.policy import Policy, load_policy, parse_policy


def refused(content: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_policy(content, file="policy.toml")
    return str(caught.value)


def test_an_empty_policy_is_the_default_one() -> None:
    assert parse_policy({}) == Policy()


def test_a_policy_survives_json() -> None:
    policy = parse_policy(
        {
            "reps": "reps.csv",
            "eligibility": [{"column": "segment", "reps_column": "segments"}],
            "limits": {"open_leads": 20, "per_day": "daily", "travel_km": 150.0},
            "ramp": {"days": 90, "start": 0.5},
            "fit": [{"column": "industry", "reps_column": "industries", "factor": 1.2}],
        }
    )
    assert parse_policy(policy.model_dump(mode="json")) == policy
    assert parse_policy(Policy().model_dump(mode="json")) == Policy()


def test_every_mistake_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('seeed = 1\n[limits]\nper_day = 2.5\n\n[fair_share]\ncatch_up = 50\nobjective = "sqares"\n')
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    assert [(f.file, f.row, f.column) for f in caught.value.findings] == [
        ("policy.toml", 1, "seeed"),
        ("policy.toml", 3, "limits.per_day"),
        ("policy.toml", 6, "fair_share.catch_up"),
        ("policy.toml", 7, "fair_share.objective"),
    ]
    text = str(caught.value)
    assert "did you mean 'seed'?" in text
    assert "did you mean 'squares'?" in text
    assert "50 % is 0.5" in text
    assert "a whole number, or text in quotes" in text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"per_day": 3}, "it belongs in [limits]"),
        ({"hours": {"seed": 3}}, "seed stands at the top of the file"),
        ({"limits": {"factor": 2.0}}, "it belongs in [[fit]]"),
        ({"limits": {"open_leads": -1}}, "at least 0"),
        ({"limits": {"open_leads": True}}, "is not a whole number"),
        ({"limits": {"open_leads": " "}}, "is blank"),
        ({"limits": {"travel_km": float("nan")}}, "finite"),
        ({"limits": {"per_day": 10, "per_week": 5}}, "per_week = 5 is reached first"),
        ({"fair_share": {"catch_up": -0.1}}, "at least 0"),
        ({"fair_share": {"weight": 3}}, "is not text in quotes"),
        ({"fair_share": {"fairness_slack": 0.5}}, "is not a whole number"),
        ({"ramp": {"start": 0.5}}, "start = 0.5 has no effect without days"),
        ({"ramp": {"days": 90, "start": 25}}, "25 % is 0.25"),
        ({"hours": {"respond_within_h": -1}}, "at least 0"),
        ({"matching": {"company_threshold": 0.92}}, "at least 50"),
        (
            {"matching": {"owner": "ignore", "territory": "ignore", "when_unavailable": "wait"}},
            "has no effect where both owner and territory are ignored",
        ),
        ({"eligibility": {"column": "a", "reps_column": "b"}}, "[[eligibility]] with double brackets"),
        ({"eligibility": [{"column": "a"}]}, "is missing"),
        ({"fit": [{"column": "a", "reps_column": "b", "factor": 0.0}]}, "more than 0"),
        ({"fit": [{"column": "a", "reps_column": "b", "factor": "110%"}]}, "10 % more is 1.10"),
        ({"fit": [{"column": "a", "reps_column": "b", "factor": 2.0}] * 2}, "compares 'a' with 'b' twice"),
        ({"seed": "5"}, "write 5 without quotes"),
    ],
)
def test_what_a_policy_may_not_say_is_answered_with_what_it_may(content: dict[str, Any], told: str) -> None:
    assert told in refused(content)


def test_a_policy_that_is_not_there_is_told_with_the_nearest_file(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("")
    with pytest.raises(ConfigError, match=r"did you mean 'policy\.toml'"):
        load_policy(tmp_path / "polcy.toml")
