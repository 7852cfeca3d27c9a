"""Today's alignment as a CRM exports it: protections, locks until a date, and owners, each way of being wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from territory_engine.config import Locks, parse_config
from territory_engine.errors import ConfigError, Finding, TerritoryError
from territory_engine.problem import PlanningProblem
from territory_engine.reading.editing import check_again
from territory_engine.reading.loading import load, load_frames

DAY = date(2026, 7, 1)
UNTIL = {"locked_until": "until", "as_of": DAY}
KEY = {"protect": [{"column": "key", "weight": 2}]}


def problem(owner: list[Any], disruption: dict[str, Any] | None = None, **columns: Any) -> PlanningProblem:
    """Accounts a, b, … at home with R1 (Ann Lee) and R2 (Bob Ray)."""
    sections = columns.pop("sections", {})
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "name": ["Ann Lee", "Bob Ray"], "x": [0.0, 10.0], "y": 0.0})
    reps = reps.assign(**columns.pop("reps", {}))
    ids = [chr(ord("a") + i) for i in range(len(owner))]
    accounts = pd.DataFrame({"account_id": ids, "x": 0.0, "y": 0.0, "owner": owner, **columns})
    rules = {"current": "owner", **(disruption or {})}
    content = {
        "data": {"accounts": "a", "reps": "r"},
        "travel": {"metric": "euclidean"},
        "disruption": rules,
        **sections,
    }
    return load_frames(accounts, reps, parse_config(content))


def findings(owner: list[Any], disruption: dict[str, Any] | None = None, **columns: Any) -> list[Finding]:
    with pytest.raises(TerritoryError) as caught:
        problem(owner, disruption, **columns)
    return list(caught.value.findings)  # type: ignore[attr-defined]  # every error of reading has them


# Protections --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (["true", "FALSE", "", "Yes", "no "], [1, 0, 0, 1, 0]),
        (["1.5", "", "2", "0", "NULL"], [1.5, 0, 2, 0, 0]),
        ([True, False, True, False, True], [1, 0, 1, 0, 1]),
        ([True, None, False, None, True], [1, 0, 0, 0, 1]),
        ([3, 1, 2, 0, 5], [3, 1, 2, 0, 5]),
        ([0.5, np.nan, 2.0, 0.0, 1.0], [0.5, 0, 2, 0, 1]),
        (["true", "1.5", "yes", "0", "-"], [1, 1.5, 1, 0, 0]),
    ],
)
def test_a_protection_is_a_number_or_yes_or_no_and_a_blank_protects_nothing(told: list[Any], read: list[float]) -> None:
    found = problem(["R1"] * 5, KEY, key=told).accounts["key"]
    assert found.dtype == np.float64
    assert found.tolist() == read


def test_every_protection_that_is_no_number_is_told_with_its_row() -> None:
    found = findings(["R1"] * 5, KEY, key=["-1", "high", "inf", "true", "5"])
    assert {(f.row, f.column, f.what) for f in found} == {
        (2, "key", "is negative"),
        (3, "key", "is not a number"),
        (4, "key", "is infinite"),
    }
    assert {f.allowed for f in found} == {"a number, 0 or more, or true or false"}


def test_a_protection_that_is_also_a_measure_is_read_as_a_measure() -> None:
    balanced = {"balance": [{"measure": "key", "tolerance": 1}]}
    (finding,) = findings(["R1", "R2"], KEY, key=["1", ""], sections=balanced)
    assert (finding.row, finding.what) == (3, "is blank")
    (finding,) = findings(["R1", "R2"], {**KEY, "measure": "key"}, key=["1", "yes"])
    assert (finding.row, finding.what) == (3, "is not a number")
    assert problem(["R1", "R2"], {**KEY, "measure": "key"}, key=["1", "4"]).accounts["key"].tolist() == [1, 4]


@pytest.mark.parametrize(
    ("column", "other", "sections"),
    [
        ("owner", "disruption.current", {}),
        ("key", "groups.column", {"groups": {"column": "key"}}),
        ("key", "locks.column", {"locks": {"column": "key"}}),
        ("key", "eligibility.column", {"eligibility": {"column": "key", "reps_column": "keys"}}),
        ("until", "disruption.locked_until", {}),
        ("x", "the account's place", {}),
    ],
)
def test_a_column_that_another_rule_reads_as_text_protects_nothing(
    column: str, other: str, sections: dict[str, Any]
) -> None:
    rule = {**UNTIL, "protect": [{"column": column, "weight": 1}]}
    found = findings(["R1", "R2"], rule, key=["", ""], until="", sections=sections, reps={"keys": "1"})
    assert f"disruption.protect[1].column names the column of {other}" in found[0].what


def test_a_protection_or_date_column_that_is_missing_suggests_the_nearest() -> None:
    (finding,) = findings(["R1"], KEY, keys=[1])
    assert (finding.what, finding.remedy) == (
        "has no column 'key', which disruption.protect[1].column names",
        "did you mean 'keys'?",
    )
    (finding,) = findings(["R1"], UNTIL, untill=[""])
    assert "disruption.locked_until names" in finding.what
    assert finding.remedy == "did you mean 'untill'?"
    (finding,) = findings(["R1"], {"protect": [{"column": "account_id", "weight": 1}]})
    assert finding.what == "disruption.protect[1].column names the ID column"


# Locks until a date -------------------------------------------------------------------------------------------------


def locks(found: PlanningProblem) -> list[str]:
    assert found.config.locks is not None
    return found.accounts[found.config.locks.column].tolist()


def test_an_account_stays_while_its_date_is_after_the_day_and_its_owner_is_a_rep() -> None:
    until = ["2026-07-01", "2026-07-02", "", "2027-01-01", "9999-12-31", "2026-12-31T10:00:00Z", "null", "2026-8-1"]
    found = problem(["R1", "R1", "R2", "gone", "R2", "R2", "R1", ""], UNTIL, until=until)
    assert locks(found) == ["", "R1", "", "", "R2", "R2", "", ""]
    assert found.accounts["until"].tolist() == [
        "2026-07-01", "2026-07-02", "", "2027-01-01", "9999-12-31", "2026-12-31", "", "2026-08-01",
    ]  # fmt: skip
    assert "accounts: 3 accounts stay with the owner until a date in 'until' (after 2026-07-01)." in found.notices


@pytest.mark.parametrize(
    "told",
    [
        [date(2026, 9, 30), None, date(2026, 1, 1)],
        [datetime(2026, 9, 30, 13, 45, tzinfo=UTC), None, datetime(2026, 1, 1, tzinfo=UTC)],
        [pd.Timestamp("2026-09-30 13:45"), pd.NaT, pd.Timestamp("2026-01-01")],
        ["2026-09-30 13:45:00.000", "", "2026-01-01"],
    ],
    ids=["dates", "timestamps with a zone", "timestamps", "text"],
)
@pytest.mark.parametrize("ending", ["xlsx", "parquet", "csv"])
def test_dates_come_from_spreadsheets_and_databases_too(tmp_path: Path, ending: str, told: list[Any]) -> None:
    frame = pd.DataFrame({"account_id": list("abc"), "x": 0.0, "y": 0.0, "owner": "R1", "until": told})
    if ending == "xlsx" and isinstance(frame["until"].dtype, pd.DatetimeTZDtype):
        frame["until"] = frame["until"].dt.tz_localize(None)  # a spreadsheet has no zones
    {"xlsx": frame.to_excel, "parquet": frame.to_parquet, "csv": frame.to_csv}[ending](
        tmp_path / f"accounts.{ending}", index=False
    )
    (tmp_path / "reps.csv").write_text("rep_id,x,y\nR1,0,0\nR2,9,9\n")
    (tmp_path / "config.toml").write_text(
        f'[data]\naccounts = "accounts.{ending}"\nreps = "reps.csv"\n[travel]\nmetric = "euclidean"\n'
        '[disruption]\ncurrent = "owner"\nlocked_until = "until"\nas_of = 2026-07-01\n'
    )
    found = load(tmp_path / "config.toml")
    assert locks(found) == ["R1", "", ""]
    assert found.accounts["until"].tolist() == ["2026-09-30", "", "2026-01-01"]


def test_every_cell_that_is_no_date_is_told_with_its_row() -> None:
    wrong = [
        "30.09.2026",
        "2026-09-31",
        "soon",
        "46000",
        "09/30/2026",
        "20260930",
        "2026-09",
        "2026-09-30x",
        "2026-13-01",
    ]
    found = findings(["R1"] * (len(wrong) + 1), UNTIL, until=["2026-09-30", *wrong])
    assert [(f.row, f.value) for f in found] == list(enumerate(wrong, start=3))
    assert {(f.column, f.what, f.allowed) for f in found} == {
        ("until", "is not a date", "a date such as 2026-09-30, or blank")
    }


def test_a_lock_to_another_rep_contradicts_the_date_and_one_to_the_owner_does_not() -> None:
    rules = {"locks": {"column": "lock"}}
    until = ["2026-09-30", "2026-09-30", "", "2026-09-30"]
    (finding,) = findings(["R1"] * 4, UNTIL, until=until, lock=["R2", "R1", "R2", ""], sections=rules)
    assert (finding.row, finding.column, finding.value) == (2, "lock", "R2")
    assert "locks the account to another rep than 'until' does" in finding.what
    assert locks(problem(["R1"] * 4, UNTIL, until=until, lock=["", "R1", "R2", ""], sections=rules)) == [
        "R1", "R1", "R2", "R1",
    ]  # fmt: skip


def test_the_name_of_the_locks_column_is_taken() -> None:
    (finding,) = findings(["R1"], UNTIL, until=[""], locked_to=["mine"])
    assert (finding.column, finding.remedy) == ("locked_to", "rename the column")
    rules = {"locks": {"column": "locked_to"}}
    (finding,) = findings(["R1"], UNTIL, until=[""], locked_to=["R1"], sections=rules)
    assert (finding.column, finding.remedy) == ("locked_to", "rename the column")


def test_all_locks_are_made_anew_of_the_planners_own_and_the_dates() -> None:
    rules = {"locks": {"column": "lock"}}
    until = ["2026-09-30", "", "2026-09-30"]
    found = problem(["R1", "R1", "R2"], UNTIL, until=until, lock=["", "R2", ""], sections=rules)
    assert found.config.locks == Locks(column="locked_to", own="lock")
    assert found.config.as_written().locks == Locks(column="lock")
    again = check_again(found, accounts=found.accounts.assign(owner=["R2", "R1", "R1"]))
    assert locks(again) == ["R2", "R2", "R1"]
    assert again.config == found.config
    # Whoever reads a plan's own accounts under its own configuration gets the same.
    read = load_frames(found.accounts, found.reps, found.config)
    assert (locks(read), read.config) == (locks(found), found.config)
    # Without the dates only the planner's own are left.
    assert found.config.disruption is not None
    free = found.config.disruption.model_copy(update={"locked_until": None, "as_of": None})
    freed = check_again(found, config=found.config.model_copy(update={"disruption": free}))
    assert freed.config.locks == Locks(column="lock")
    assert "locked_to" not in freed.accounts
    without = problem(["R1"], UNTIL, until=["2026-09-30"])
    assert without.config.locks == Locks(column="locked_to", own="")
    assert without.config.as_written().locks is None
    with pytest.raises(TerritoryError, match=r"'lock'.*to another rep than 'until'"):
        check_again(found, accounts=found.accounts.assign(until="2026-09-30"))


def test_the_engines_key_is_none_of_the_planners() -> None:
    with pytest.raises(ConfigError, match="own is written by the engine"):
        problem(["R1"], sections={"locks": {"column": "lock", "own": "mine"}}, lock=[""])


# Owners -------------------------------------------------------------------------------------------------------------

LIMIT = {"max_moved": 0.1}


def test_owners_are_matched_without_their_blanks_and_in_either_spelling_of_salesforce() -> None:
    ids = ["005Hp00003kIrQyIAK", "005Hp00003kIrQz"]
    owner = ["005Hp00003kIrQy", "005Hp00003kIrQyIAK  ", " 005Hp00003kIrQz", "", "005Hp00009zzzzz"]
    found = problem(owner, LIMIT, reps={"rep_id": ids})
    assert found.accounts["owner"].tolist() == [ids[0], ids[0], ids[1], "", "005Hp00009zzzzz"]
    assert "accounts: 1 account has an owner who is no rep any more ('005Hp00009zzzzz')." in found.notices


@pytest.mark.parametrize("rule", [LIMIT, {"weight": 1}, {}])
def test_the_name_of_a_rep_is_not_taken_for_somebody_who_left(rule: dict[str, Any]) -> None:
    found = findings(["R1", "ann lee", "Bob  Ray", "Cy Fox", ""], rule)
    assert [(f.row, f.value, f.remedy) for f in found] == [(3, "ann lee", "write 'R1'"), (4, "Bob  Ray", "write 'R2'")]
    assert {f.what for f in found} == {"is the name of a rep, not the ID"}


def test_a_name_that_two_reps_have_does_not_say_which() -> None:
    (finding,) = findings(["R1", "Ann Lee"], LIMIT, reps={"name": ["Ann Lee", "Ann Lee"]})
    assert "does not tell one rep from another" in str(finding.remedy)


@pytest.mark.parametrize("owner", [["", ""], ["x", "y"], ["gone", ""]])
@pytest.mark.parametrize(("rule", "key"), [(LIMIT, "max_moved"), ({"weight": 2}, "weight")])
def test_a_limit_on_moves_where_nobody_has_an_account_is_refused_and_not_ignored(
    owner: list[str], rule: dict[str, Any], key: str
) -> None:
    with pytest.raises(ConfigError, match=f"disruption.{key} would limit nothing"):
        problem(owner, rule)
    assert problem(owner, {}).accounts["owner"].tolist() == owner
    assert problem(owner, {"weight": 0}).accounts["owner"].tolist() == owner


def test_one_owner_for_all_is_an_alignment_too() -> None:
    assert problem(["R1"] * 3, LIMIT).accounts["owner"].tolist() == ["R1"] * 3


def test_an_owner_column_that_is_missing_suggests_the_nearest() -> None:
    (finding,) = findings(["R1"], {"current": "ownr", **LIMIT})
    assert (finding.what, finding.remedy) == (
        "has no column 'ownr', which disruption.current names",
        "did you mean 'owner'?",
    )


def test_what_a_move_counts_is_not_negative_blank_or_nothing_at_all() -> None:
    found = findings(["R1", "R2", "R1"], {"measure": "revenue", **LIMIT}, revenue=["-5", "", "x"])
    assert {(f.row, f.what) for f in found} == {(2, "is negative"), (3, "is blank"), (4, "is not a number")}
    (finding,) = findings(["R1", "R2"], {"measure": "revenue", **LIMIT}, revenue=[0, 0])
    assert finding.what == "adds up to 0, so no move would count"
