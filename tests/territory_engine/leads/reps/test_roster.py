"""The roster: two tables of reps become one, and stand as they do at a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from territory_engine.config import parse_config
from territory_engine.errors import ConfigError, InputError
from territory_engine.leads.batch import Roster
from territory_engine.leads.policy import parse_policy
from territory_engine.leads.reps.roster import RosterSource, roster_of
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames

SUNDAY_NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def problem_of(reps: pd.DataFrame | None = None, **config: Any) -> PlanningProblem:
    if reps is None:
        reps = pd.DataFrame({"rep_id": ["R1", "R2"], "latitude": [41.0, 42.0], "longitude": [-93.0, -94.0]})
    accounts = pd.DataFrame({"account_id": ["A", "B", "C"], "latitude": 41.5, "longitude": -93.5})
    return load_frames(accounts, reps, parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}, **config}))


def plan_of(problem: PlanningProblem) -> Plan:
    ids = problem.reps.index
    return cast("Plan", SimpleNamespace(territories=pd.DataFrame({"rep_id": ids}, index=ids.rename("territory_id"))))


def source_of(
    folder: Path, text: str | None = None, policy: dict[str, Any] | None = None, problem: PlanningProblem | None = None
) -> RosterSource:
    content = dict(policy or {})
    if text is not None:
        (folder / "now.csv").write_text(text, encoding="utf-8")
        content["reps"] = "now.csv"
    problem = problem or problem_of()
    return RosterSource.of(problem, plan_of(problem), parse_policy(content), folder)


def roster(folder: Path, *args: Any, at: datetime = SUNDAY_NOON, **kwargs: Any) -> Roster:
    return source_of(folder, *args, **kwargs).at(at)


def findings(folder: Path, text: str, policy: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with pytest.raises(InputError) as caught:
        source_of(folder, text, policy)
    return [(f.file, f.row, f.column, f.value) for f in caught.value.findings]


# --- two tables become one --------------------------------------------------------------------------------------------


def test_without_a_file_the_roster_is_the_plans_reps(tmp_path: Path) -> None:
    now = roster(tmp_path)
    assert list(now.frame.index) == ["R1", "R2"]
    assert now.weight.tolist() == [1.0, 1.0]
    assert not now.away.any()
    assert now.next_at_work.tolist() == [datetime(2026, 11, 29, 12)] * 2  # noqa: DTZ001  # numpy's moments carry no zone
    assert np.isinf([now.open_leads, now.per_day, now.per_week, now.travel_km]).all()
    assert now.frame["territory_ids"].tolist() == ["R1", "R2"]
    assert now.frame["time_zone"].tolist() == ["UTC", "UTC"]
    assert now.frame[["latitude", "longitude"]].to_numpy().tolist() == [[41.0, -93.0], [42.0, -94.0]]


def test_the_policys_file_has_the_word_where_it_has_a_value_and_adds_reps(tmp_path: Path) -> None:
    reps = pd.DataFrame(
        {
            "rep_id": ["R1", "R2"],
            "latitude": 41.0,
            "longitude": -93.0,
            "segments": ["grocery", "retail"],
            "weight": [1, 2],
        }
    )
    text = (
        "rep_id,segments,weight,home_latitude,home_longitude\nR2,,3,,\nR9,hotels,0.5,40,-90\nR1,bars; cafés,,45,-95\n"
    )
    now = roster(tmp_path, text, problem=problem_of(reps))
    assert list(now.frame.index) == ["R1", "R2", "R9"]
    assert now.frame["segments"].tolist() == ["bars; cafés", "retail", "hotels"]
    assert now.weight.tolist() == [1.0, 3.0, 0.5]
    assert now.frame["latitude"].tolist() == [45.0, 41.0, 40.0]
    assert now.frame["territory_ids"].tolist() == ["R1", "R2", ""]
    assert any("1 rep not in the plan: R9" in notice for notice in now.notices)


def test_reps_of_the_plan_that_the_file_does_not_list_stay_and_that_is_said(tmp_path: Path) -> None:
    now = roster(tmp_path, "rep_id,weight\nR1,2\n")
    assert (now.weight * 1.5).round(4).tolist() == [2.0, 1.0]
    assert any("1 rep of the plan not listed" in notice and "left_on" in notice for notice in now.notices)


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_the_file_may_be_a_workbook_or_parquet(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame(
        {"rep_id": ["R1", "R2"], "weight": [0.5, 2.0], "started_on": pd.to_datetime(["2026-12-24", None]), "working_days": ["Mon-Fri", ""]}
    )  # fmt: skip
    path = tmp_path / f"now.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    else:
        with pd.ExcelWriter(path, engine="xlsxwriter") as book:
            frame.to_excel(book, index=False)
    problem = problem_of()
    now = roster_of(problem, plan_of(problem), parse_policy({"reps": path.name}), tmp_path, SUNDAY_NOON)
    assert (now.weight * 1.25).round(4).tolist() == [0.5, 2.0]
    assert now.away.tolist() == [True, False]


def test_a_home_may_be_a_postal_code(tmp_path: Path) -> None:
    now = roster(tmp_path, "rep_id,zip\nR1,50309\n")
    assert now.frame["latitude"].tolist() == [pytest.approx(41.6, abs=0.1), 42.0]


def test_reps_of_a_plan_in_x_and_y_have_their_homes_from_the_policys_file(tmp_path: Path) -> None:
    accounts = pd.DataFrame({"account_id": ["A", "B"], "x": [0.0, 1.0], "y": 0.0})
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "x": [0.0, 1.0], "y": 0.0})
    config = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}, "travel": {"metric": "euclidean"}})
    now = roster(tmp_path, "rep_id,lat,lon\nR1,41,-93\n", problem=load_frames(accounts, reps, config))
    assert now.frame["latitude"].tolist()[0] == 41.0
    assert np.isnan(now.frame["latitude"].to_numpy()[1])


def test_formulas_and_odd_characters_are_text_like_any_other(tmp_path: Path) -> None:
    now = roster(tmp_path, "rep_id,name,segments\n=cmd|'/C calc',\"=1+1, 'x'\",é;ß\nR1,@SUM(A1),+1\n")
    assert list(now.frame.index) == ["R1", "R2", "=cmd|'/C calc'"]
    assert now.frame["name"].tolist() == ["@SUM(A1)", "", "=1+1, 'x'"]
    assert now.frame["segments"].tolist() == ["+1", "", "é;ß"]


# --- bad data ---------------------------------------------------------------------------------------------------------


def test_every_bad_cell_is_told_with_its_row_and_column(tmp_path: Path) -> None:
    text = (
        "rep_id,Zone,working_days,working_hours,leave,started_on,left_on,availability,weight,daily\n"
        "R1,Europe/Berln,Mon-Fry,9am-5pm,24.12.2026,yesterday,2026-01-01,80,-1,2.5\n"
        "R2,UTC,Mon-Fri,09:00-17:00,,2026-05-01,2026-04-01,0.5,1,\n"
    ).replace("Zone", "time_zone")
    assert findings(tmp_path, text, {"limits": {"per_day": "daily"}}) == [
        ("now.csv", 2, "weight", "-1"),
        ("now.csv", 2, "availability", "80"),
        ("now.csv", 2, "daily", "2.5"),
        ("now.csv", 2, "time_zone", "Europe/Berln"),
        ("now.csv", 2, "working_days", "Mon-Fry"),
        ("now.csv", 2, "working_hours", "9am-5pm"),
        ("now.csv", 2, "leave", "24.12.2026"),
        ("now.csv", 2, "started_on", "yesterday"),
        ("now.csv", 3, "left_on", "2026-04-01"),
    ]


def test_a_column_that_two_limits_name_is_found_wrong_once(tmp_path: Path) -> None:
    policy = {"limits": {"open_leads": "cap", "per_week": "cap"}}
    assert findings(tmp_path, "rep_id,cap\nR1,many\n", policy) == [("now.csv", 2, "cap", "many")]


def test_a_cell_of_the_plans_own_table_is_told_as_such() -> None:
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "latitude": 41.0, "longitude": -93.0, "time_zone": ["Mars", "UTC"]})
    with pytest.raises(InputError) as caught:
        source_of(Path(), problem=problem_of(reps))
    assert [(f.file, f.row, f.column) for f in caught.value.findings] == [("reps", 2, "time_zone")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name\nJo\n", "has no column 'rep_id'"),
        ("rep_id,weight\n", "has no reps"),
        ("rep_id\nR1\nR1\n", "repeats the ID of row 2"),
        ("rep_id,weight\n,1\nR1,1\n", "is blank"),
        ("rep_id\nr1\n", "'R1' exists"),
        ("rep_id,name\nR1,Jo\x07\n", "control character"),
        ("rep_id,latitude,longitude\nR1,141,-93\n", "is out of range"),
        ("rep_id,weight\nR1,0\nR2,0\n", "is 0 for every rep"),
    ],
)
def test_a_file_that_is_no_roster_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        source_of(tmp_path, text)
    assert told in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        source_of(tmp_path, policy={"reps": "nowhere.csv"})


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"fair_share": {"weight": "quotas"}}, "has no column 'quotas', which fair_share.weight names"),
        ({"limits": {"per_day": "quotas"}}, "did you mean 'quota'?"),
        ({"eligibility": [{"column": "a", "reps_column": "skill"}]}, "which eligibility[1].reps_column names"),
        ({"fit": [{"column": "a", "reps_column": "empty", "factor": 2.0}]}, "is blank for every rep"),
    ],
)
def test_a_column_that_no_rep_has_is_refused(tmp_path: Path, policy: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source_of(tmp_path, "rep_id,quota,empty\nR1,1,\n", policy)
    assert told in str(caught.value)


def test_a_plan_without_reps_needs_a_file_of_them(tmp_path: Path) -> None:
    accounts = pd.DataFrame({"account_id": ["A", "B"], "latitude": [41.0, 42.0], "longitude": -93.5})
    config = parse_config({"data": {"accounts": "a.csv"}, "territories": {"centers": "free", "count": 2}})
    problem = load_frames(accounts, None, config)
    plan = cast("Plan", SimpleNamespace(territories=pd.DataFrame({"rep_id": ["", ""]}, index=["T01", "T02"])))
    with pytest.raises(InputError, match="there are no reps"):
        RosterSource.of(problem, plan, parse_policy({}), tmp_path)
    (tmp_path / "now.csv").write_text("rep_id\nR1\n")
    assert list(RosterSource.of(problem, plan, parse_policy({"reps": "now.csv"}), tmp_path).frame.index) == ["R1"]


# --- at a moment ------------------------------------------------------------------------------------------------------


def test_days_and_weeks_are_the_reps_own(tmp_path: Path) -> None:
    text = "rep_id,time_zone\nR1,Pacific/Auckland\nR2,America/Chicago\nR3,UTC\n"
    now = roster(tmp_path, text, at=datetime(2027, 1, 4, 2, tzinfo=UTC))
    assert now.local_day.tolist() == ["2027-01-04", "2027-01-03", "2027-01-04"]
    assert now.local_week.tolist() == ["2027-W01", "2026-W53", "2027-W01"]


def test_the_weight_is_weight_times_availability_times_ramp(tmp_path: Path) -> None:
    text = "rep_id,weight,availability,started_on\nR1,2,0.5,2026-11-29\nR2,1,,2026-10-30\nR3,3,1,2026-01-01\nR4,,0,\nR5,1,1,2027-01-01\n"
    now = roster(tmp_path, text, {"ramp": {"days": 90, "start": 0.25}})
    assert now.weight.tolist() == [0.25, 0.5, 3.0, 0.0, 0.25]
    assert now.away.tolist() == [False, False, False, False, True]


def test_the_ramp_grows_by_the_day_in_the_reps_own_zone_and_has_six_digits(tmp_path: Path) -> None:
    source = source_of(
        tmp_path,
        "rep_id,time_zone,started_on\nR1,America/Chicago,2026-11-01\nR2,,\n",
        {"ramp": {"days": 7, "start": 0.0}},
    )
    assert source.at(datetime(2026, 11, 4, 5, 59, tzinfo=UTC)).weight.tolist() == [0.285714, 1.0]
    assert source.at(datetime(2026, 11, 4, 6, 0, tzinfo=UTC)).weight.tolist() == [0.428571, 1.0]
    assert source.at(datetime(2027, 11, 4, tzinfo=UTC)).weight.tolist() == [1.0, 1.0]


def test_who_is_on_leave_or_off_hours_is_known_with_the_moment_of_coming_back(tmp_path: Path) -> None:
    text = (
        "rep_id,time_zone,working_days,working_hours,leave,left_on\n"
        "R1,Europe/Berlin,Mon-Fri,09:00-17:00,,\n"
        "R2,Europe/Berlin,Mon-Fri,09:00-17:00,2026-11-23..2026-12-01,\n"
        "R3,America/Chicago,Sun,00:00-24:00,,\n"
        "R4,UTC,,,,2026-11-01\n"
    )
    now = roster(tmp_path, text)
    assert now.away.tolist() == [False, True, False, True]
    shown = [str(moment) for moment in now.next_at_work]
    assert shown == ["2026-11-30T08:00:00", "2026-12-02T08:00:00", "2026-11-29T12:00:00", "NaT"]
    assert now.away_because is not None
    assert now.away_because.tolist() == ["", "is on leave until 1 Dec 2026", "", "left: the last day was 1 Nov 2026"]
    assert now.away_until is not None
    assert [str(moment) for moment in now.away_until[[1, 3]]] == ["2026-12-01T23:00:00", "NaT"]


def test_limits_are_numbers_for_all_or_columns_with_blanks_for_none(tmp_path: Path) -> None:
    policy = {"limits": {"open_leads": 20, "per_day": "daily", "travel_km": "reach"}}
    now = roster(tmp_path, "rep_id,daily,reach\nR1,3,\nR2,,150.5\n", policy)
    assert now.open_leads.tolist() == [20.0, 20.0]
    assert now.per_day.tolist() == [3.0, np.inf]
    assert now.travel_km.tolist() == [np.inf, 150.5]


def test_the_plans_own_travel_limit_holds_unless_the_policy_says_otherwise(tmp_path: Path) -> None:
    problem = problem_of(eligibility={"max_travel": 250.0})
    assert roster(tmp_path, problem=problem).travel_km.tolist() == [250.0, 250.0]
    assert np.isinf(roster(tmp_path, problem=problem, policy={"eligibility": []}).travel_km).all()
    assert roster(tmp_path, problem=problem, policy={"limits": {"travel_km": 10.0}}).travel_km.tolist() == [10.0, 10.0]


def test_what_is_assumed_is_said(tmp_path: Path) -> None:
    now = roster(tmp_path, "rep_id,working_hours\nR1,09:00-17:00\n", {"limits": {"per_day": 3}})
    assert "1 rep has working_hours without working_days: Mon-Fri is meant." in now.notices
    assert any("2 reps have no time_zone" in notice for notice in now.notices)
    idle = roster(tmp_path, "rep_id\nR1\n", {"hours": {"respond_within_h": 4.0}})
    assert any("respond_within_h has no effect" in notice for notice in idle.notices)


def test_reps_with_the_same_calendar_share_one(tmp_path: Path) -> None:
    rows = "\n".join(f"R{i},Europe/Berlin,Mon-Fri,09:00-17:00" for i in range(1, 50))
    source = source_of(tmp_path, f"rep_id,time_zone,working_days,working_hours\n{rows}\n")
    assert len(source.calendars) == 1


def test_a_moment_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        source_of(tmp_path).at(datetime(2026, 11, 29))  # noqa: DTZ001  # what is refused


def test_only_proportions_of_weights_count(tmp_path: Path) -> None:
    one = roster(tmp_path, "rep_id,weight\nR1,2\nR2,1\n")
    dollars = roster(tmp_path, "rep_id,weight\nR1,1400000\nR2,700000\n")
    assert one.weight.tolist() == dollars.weight.tolist() == [1.333333, 0.666667]


def test_a_blank_beside_quotas_in_dollars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="less than a thousandth of the average weight"):
        roster(tmp_path, "rep_id,weight\nR1,1400000\nR2,\n")
