"""What changed between two configurations, key by key."""

from __future__ import annotations

from typing import Any

from scenarios.configuration_changes import configuration_changes, input_changes


def config(**tables: Any) -> dict[str, Any]:
    return {"data": {"accounts": "a.csv"}, **tables}


def test_the_same_configuration_has_no_changes() -> None:
    assert (
        configuration_changes(
            config(balance=[{"measure": "m", "max": 1}]), config(balance=[{"measure": "m", "max": 1}])
        )
        == []
    )


def test_keys_are_set_changed_and_taken_out() -> None:
    before = config(travel={"metric": "haversine", "weight": "visits"})
    after = config(travel={"metric": "euclidean"}, disruption={"current": "owner"})
    assert configuration_changes(before, after) == [
        'travel.metric: "haversine" → "euclidean"',
        'disruption.current: "owner" (was not set)',
        'travel.weight: not set any more (was "visits")',
    ]


def test_balance_rules_are_told_by_measure_whatever_their_order() -> None:
    visits, revenue = {"measure": "visits", "tolerance": 0.1}, {"measure": "revenue", "max": "most"}
    assert configuration_changes(config(balance=[visits, revenue]), config(balance=[revenue, visits])) == []
    tighter = {**visits, "tolerance": 0.05}
    assert configuration_changes(config(balance=[visits]), config(balance=[revenue, tighter])) == [
        'balance[revenue].max: "most" (was not set)',
        "balance[visits].tolerance: 0.1 → 0.05",
    ]
    twice = config(balance=[visits, {"measure": "visits", "max": 9}])
    assert configuration_changes(config(balance=[visits]), twice) == ["balance[visits 2].max: 9 (was not set)"]


def test_inputs_are_compared_by_content() -> None:
    accounts = {"role": "accounts", "path": "a.csv", "sha256": "1", "rows": 1200}
    reps = {"role": "reps", "path": "r.csv", "sha256": "2", "rows": 3}
    told = {"role": "config", "path": "c.toml", "sha256": "3", "rows": 30}
    assert input_changes([accounts, told], [{**accounts, "path": "b.csv"}, {**told, "sha256": "4"}]) == []
    assert input_changes([accounts], [{**accounts, "path": "b.csv", "sha256": "5"}, reps]) == [
        "accounts: b.csv, 1,200 rows, with other content than before (a.csv, 1,200 rows)",
        "reps: r.csv, 3 rows (was not there)",
    ]
    assert input_changes([accounts, reps], [accounts]) == ["reps: not there any more (was r.csv, 3 rows)"]
