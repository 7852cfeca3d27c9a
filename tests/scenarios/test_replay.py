"""A past stream of leads through policies: what each rule makes of it, and that only the stream and the policies count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scenarios.replay import Replay, replay
from scenarios.replay_words import NOTHING
from territory_engine.errors import ConfigError, InputError, PlanDirectoryError
from territory_engine.leads.policy import Policy, parse_policy
from territory_engine.plan_directory import seal, write_plan_files
from territory_engine.planner import solve
from territory_engine.reading.loading import load

CONFIG = """
[data]
accounts = "accounts.csv"
reps = "reps.csv"

[[balance]]
measure = "count"
tolerance = 0.5

[solve]
time_limit_s = 5
"""
REPS = ("R1", "R2", "R3", "R4", "R5")
MARCH = datetime(2022, 3, 10, 18, tzinfo=UTC)


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a plan directory of five equal reps."""
    folder = tmp_path_factory.mktemp("five")
    rows = [f"{rep},41.{k},-93.{k}" for k, rep in enumerate(REPS)]
    (folder / "reps.csv").write_text("\n".join(["rep_id,latitude,longitude", *rows]), encoding="utf-8")
    accounts = [f"A{k},41.{k},-93.{k}" for k in range(5)]
    (folder / "accounts.csv").write_text("\n".join(["account_id,latitude,longitude", *accounts]), encoding="utf-8")
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    problem = load(folder / "config.toml")
    (folder / "plan").mkdir()
    write_plan_files(problem, solve(problem), folder / "plan")
    seal(folder / "plan")
    return folder / "plan"


def daily(days: int, per_day: int = 1, first: str = "2024-01-01", **columns: Any) -> pd.DataFrame:
    """Return leads that come in at eight in the morning, day after day, with no place and no account."""
    moments = [
        f"{day:%Y-%m-%d}T08:00:00Z" for day in pd.date_range(first, periods=days, freq="D") for _ in range(per_day)
    ]
    ids = [f"L{k:04d}" for k in range(len(moments))]
    return pd.DataFrame({"lead_id": ids, "created_at": moments, **columns})


@pytest.fixture
def policy_of(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a policy and its roster."""

    def write(text: str = "", roster: dict[str, list[str]] | None = None, name: str = "policy") -> Path:
        head = ""
        if roster is not None:
            table = pd.DataFrame({"rep_id": list(REPS), **roster})
            table.to_csv(tmp_path / f"{name}.csv", index=False)
            head = f'reps = "{name}.csv"\n'
        path = tmp_path / f"{name}.toml"
        path.write_text(head + text, encoding="utf-8")
        return path

    return write


def leads_by_rep(found: Replay, side: str = "new") -> dict[str, int]:
    return {str(rep): int(count) for rep, count in found.reps[side]["leads"].items()}


def test_thirty_days_of_one_lead_over_five_equal_reps_end_six_each(plan):
    found = replay(daily(30), plan, Policy())
    assert leads_by_rep(found) == dict.fromkeys(REPS, 6)
    assert found.totals["new"]["gini"] == pytest.approx(0)
    assert found.totals["new"]["level_spread"] == 0
    assert found.totals["new"]["highest_level_spread"] == 1
    assert list(found.new.days["assigned"]) == [1] * 30


def test_the_same_policy_twice_changes_nothing(plan):
    found = replay(daily(13), plan, Policy(), Policy())
    pd.testing.assert_frame_equal(found.new.leads, found.old.leads)
    pd.testing.assert_frame_equal(found.new.days, found.old.days)
    assert not found.changed.any()
    assert NOTHING in found.summary()


def test_a_replay_repeated_is_the_same(plan, policy_of):
    policy = policy_of("[limits]\nopen_leads = 2\n")
    first, second = (replay(daily(20), plan, policy, close_after_days=3) for _ in range(2))
    pd.testing.assert_frame_equal(first.changes(), second.changes())
    assert first.summary() == second.summary()


def test_the_order_of_the_rows_does_not_matter(plan):
    leads = daily(12, per_day=2)
    shuffled = leads.iloc[np.random.default_rng(3).permutation(len(leads))]
    first, second = replay(leads, plan, Policy()), replay(shuffled.reset_index(drop=True), plan, Policy())
    pd.testing.assert_frame_equal(first.changes(), second.changes())


def test_a_rep_on_leave_gets_nothing_and_no_flood_on_return(plan, policy_of):
    policy = policy_of("", {"leave": ["2024-01-11..2024-01-20", "", "", "", ""]})
    found = replay(daily(40), plan, policy)
    mine = found.new.leads[found.new.leads["rep_id"] == "R1"]["assigned_at"].dt.day_of_year.to_numpy()
    assert not ((mine >= 11) & (mine <= 20)).any()
    # Twenty leads after the return, among five: four each, give or take the one that was due.
    assert 3 <= (mine > 20).sum() <= 5
    assert found.reps["new"]["fair_leads"]["R1"] == pytest.approx(30 / 5)


def test_with_catch_up_the_rep_makes_up_for_the_leave(plan, policy_of):
    roster = {"leave": ["2024-01-11..2024-01-20", "", "", "", ""]}
    plain = policy_of("", roster, "plain")
    catching = policy_of("[fair_share]\ncatch_up = 1.0\n", roster, "catching")
    found = replay(daily(40), plan, catching, plain)
    assert leads_by_rep(found) == dict.fromkeys(REPS, 8)
    assert leads_by_rep(found, "old")["R1"] < 8
    assert found.changed.any()
    assert "More leads: R1 (" in found.summary()


def test_queued_leads_go_when_the_week_begins_anew(plan, policy_of):
    # Monday, 1 January 2024: twelve leads, and room for one a week each.
    found = replay(daily(1, per_day=12).pipe(and_one_later), plan, policy_of("[limits]\nper_week = 1\n"))
    days = found.new.days.set_index(found.new.days["at"].dt.strftime("%m-%d"))
    assert dict(days["assigned"]) == {"01-01": 5, "01-08": 5, "01-15": 3}
    assert dict(days["waiting"]) == {"01-01": 7, "01-08": 2, "01-15": 0}
    assert found.totals["new"]["longest_wait_h"] == 14 * 24
    # First come, first served is not promised within a batch, but nobody who waits is forgotten.
    assert (found.new.leads["status"] == "assigned").all()


def and_one_later(leads: pd.DataFrame) -> pd.DataFrame:
    later = pd.DataFrame({"lead_id": ["later"], "created_at": ["2024-01-15T07:00:00Z"]})
    return pd.concat([leads, later], ignore_index=True)


def test_closed_leads_make_room_for_those_that_wait(plan, policy_of):
    policy = policy_of("[limits]\nopen_leads = 1\n")
    leads = and_one_later(daily(1, per_day=7))
    found = replay(leads, plan, policy, close_after_days=3)
    assert list(found.new.days["assigned"]) == [5, 2, 1]
    assert list(found.new.days["at"].dt.day) == [1, 4, 15]
    assert found.reps["new"]["most_open"].max() == 1
    never = replay(leads, plan, policy)
    assert never.totals["new"]["waiting"] == 3
    assert "3 leads wait at the end" in never.summary()
    assert "no room" in never.summary()


def test_a_batch_stays_at_its_hour_when_clocks_change(plan, policy_of):
    policy = policy_of("", {"time_zone": ["America/Chicago"] * 5})
    found = replay(daily(4, first="2024-03-09"), plan, policy)
    # 10 March 2024: nine o'clock in Chicago is 15:00 UTC before and 14:00 UTC after.
    assert list(found.new.days["at"].dt.strftime("%d %H:%M")) == ["09 15:00", "10 14:00", "11 14:00", "12 14:00"]
    autumn = replay(daily(3, first="2024-11-02"), plan, policy)
    assert list(autumn.new.days["at"].dt.strftime("%d %H:%M")) == ["02 14:00", "03 15:00", "04 15:00"]
    assert found.schedule.words() == "every day at 09:00 (America/Chicago)"


def test_response_runs_until_the_rep_is_at_work(plan, policy_of):
    roster = {"time_zone": ["UTC"] * 5, "working_days": ["Mon-Fri"] * 5, "working_hours": ["10:00-18:00"] * 5}
    found = replay(daily(6), plan, policy_of("", roster))  # Monday to Saturday, in at 8:00, routed at 9:00
    assert list(found.new.leads["response_h"]) == [2, 2, 2, 2, 2, 50]


@pytest.mark.parametrize(
    ("every", "batches"),
    [("day", 14), ("week", 2), ("lead", 14), (48, 8), ("12", 14)],
)
def test_leads_are_routed_as_often_as_asked(plan, every, batches):
    found = replay(daily(14, first="2024-01-02"), plan, Policy(), every=every)
    assert len(found.new.days) == batches
    assert found.totals["new"]["assigned"] == 14
    assert (found.new.leads["assigned_at"] >= found.new.leads["created_at"]).all()


def test_what_really_happened_stands_beside_the_policies(plan):
    leads = daily(10, rep_id=["R1"] * 8 + ["", "X9"], latitude=41.0, longitude=-93.0)
    found = replay(leads, plan, parse_policy({"matching": {"territory": "ignore"}}))
    assert found.totals["actual"]["assigned"] == 9
    assert leads_by_rep(found, "actual") == {"R1": 8, "X9": 1}
    assert found.reps["actual"]["mean_travel_km"]["R1"] == pytest.approx(0)
    assert any("X9" in notice for notice in found.notices)
    assert "whose real rep is known" in found.summary()


def test_values_are_counted_alike_under_both_policies(plan):
    leads = daily(5, latitude=41.0, longitude=-93.0, amount=[100.0] * 5)
    dear = parse_policy({"columns": {"value": "amount"}, "value": {"travel_cost_per_km": 2.0}})
    found = replay(
        leads, plan, dear, parse_policy({"columns": {"value": "amount"}, "value": {"travel_cost_per_km": 0.0}})
    )
    for run in (found.new, found.old):
        np.testing.assert_allclose(run.leads["value"], 100.0 - 2.0 * run.leads["travel_km"])


def test_leads_without_a_date_or_with_bad_data_are_set_aside_and_counted(plan):
    leads = daily(4, score=["1", "1", "much", "1"])
    leads.loc[0, "created_at"] = ""
    found = replay(leads, plan, Policy())
    assert list(found.set_aside["lead_id"]) == ["L0000", "L0002"]
    assert found.totals["new"]["leads"] == 4
    assert found.totals["new"]["rejected"] == 2
    assert len(found.new.leads) == 2
    assert any("2 leads cannot be replayed" in notice for notice in found.notices)


def test_a_file_without_any_date_is_refused_with_the_remedy(plan):
    with pytest.raises(InputError, match="has no lead with a date") as refused:
        replay(daily(3).drop(columns="created_at"), plan, Policy())
    assert "created_at" in str(refused.value)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"every": "fortnight"}, "is not how often leads can be routed"),
        ({"every": 0}, "is not how often leads can be routed"),
        ({"every": "nan"}, "is not how often leads can be routed"),
        ({"at": "25:00"}, "is no time of day"),
        ({"time_zone": "Chicago"}, "is not a time zone"),
        ({"close_after_days": 0}, "is too few"),
        ({"actual": "seller"}, "is no column of the leads"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(plan, options, what):
    with pytest.raises(InputError, match=what):
        replay(daily(3), plan, Policy(), **options)


def test_a_missing_policy_and_a_missing_plan_are_named(plan, tmp_path):
    with pytest.raises(ConfigError, match=r"new\.toml"):
        replay(daily(3), plan, tmp_path / "new.toml")
    with pytest.raises(PlanDirectoryError):
        replay(daily(3), tmp_path / "nothing", Policy())


def test_four_times_an_hour_over_half_a_century_is_refused(plan):
    leads = daily(2)
    leads.loc[0, "created_at"] = "1971-01-01"
    with pytest.raises(InputError, match="more than 1,000,000 batches"):
        replay(leads, plan, Policy(), every=0.25)


@pytest.mark.parametrize("name", ["routing.toml", "routing_2027.toml"])
def test_the_policies_of_the_example_can_be_used(plan, name):
    from territory_engine.routing import Router

    with Router.open(plan, "sqlite://", Path(__file__).parents[2] / "examples" / "iowa" / name) as router:
        assert sum(rep.startswith("R") and len(rep) == 3 for rep in router.roster(MARCH).frame.index) == 12
        assert router.roster(MARCH).away.sum() == 2  # one on leave, one who begins in April


def test_owners_are_known_by_name_as_well(plan):
    from scenarios.replay import _as_reps

    reps = pd.DataFrame({"name": ["Ann Lee", "Bo", "Bo"], "email": ["ann@x.com", "", ""]}, index=["R1", "R2", "R3"])
    told = _as_reps(np.array(["ann lee", "ANN@x.com", "r2", "Bo", "", "R3"], object), reps)
    assert told.tolist() == ["R1", "R1", "R2", "Bo", "", "R3"]
