from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from territory_engine.config import parse_config
from territory_engine.errors import ConfigError, Finding, InputError
from territory_engine.reading.columns import ACCOUNT_ALIASES, REP_ALIASES, Sheet, sheet_of
from territory_engine.reading.identifiers import match_ids, mends_of, record_key
from territory_engine.reading.tables import table_of_frame
from territory_engine.reading.validation import check_accounts, check_references, check_reps, error_of, summarise


def sheet(columns: dict[str, list[Any]], section: str = "accounts", **mapped: str) -> Sheet:
    aliases = ACCOUNT_ALIASES if section == "accounts" else REP_ALIASES
    return sheet_of(table_of_frame(pd.DataFrame(columns), section), mapped, aliases, section)


def config(**sections: Any) -> Any:
    return parse_config({"data": {"accounts": "a", "reps": "r"}, **sections})


def said(checked: Sheet) -> list[tuple[int | None, str | None, str]]:
    return [(f.row, f.column, f.what) for f in checked.findings]


VISITS = config(balance=[{"measure": "visits", "tolerance": 0.1}])


def test_ids_are_unique_filled_and_stripped() -> None:
    accounts = sheet({"account_id": [" 001", "001 ", "", "a\x07b", "4"], "visits": [1.0] * 5})
    check_accounts(accounts, VISITS)
    assert said(accounts) == [
        (4, "account_id", "is blank"),
        (5, "account_id", "contains a control character"),
        (3, "account_id", "repeats the ID of row 2"),
    ]
    assert accounts.frame["account_id"].tolist() == ["001", "001", "", "a\x07b", "4"]


def test_the_two_spellings_of_a_salesforce_record_are_one() -> None:
    accounts = sheet({"Id": ["001Hp00003kIrQyIAK", "001Hp00003kIrQy", "001Hp00003kIrqy"], "visits": [1, 2, 3]})
    check_accounts(accounts, VISITS)
    (finding,) = accounts.findings
    assert (finding.row, finding.column) == (3, "Id")
    assert "same Salesforce record as row 2" in finding.what


def test_eighteen_characters_without_a_checksum_are_just_an_id() -> None:
    ids = pd.Series(["001Hp00003kIrQyAAA", "001Hp00003kIrQyIAK"])
    assert record_key(ids).tolist() == ["001Hp00003kIrQyAAA", "001Hp00003kIrQy"]


@pytest.mark.parametrize(
    ("ids", "bad", "words"),
    [
        (["3-12A", "4-11B", "2022-03-12"], 4, "is a date"),
        (["A1", "A2", "12-Mar"], 4, "is a date"),
        (["123456789012", "123456789013", "1.23457E+11"], 4, "scientific notation"),
        (["3-12", "4-11", "44632"], 4, "day count"),
    ],
)
def test_ids_that_a_spreadsheet_damaged_are_found(ids: list[str], bad: int, words: str) -> None:
    accounts = sheet({"account_id": ids, "visits": [1] * len(ids)})
    check_accounts(accounts, VISITS)
    assert [f.row for f in accounts.findings] == [bad]
    assert words in accounts.findings[0].what


def test_five_digit_ids_and_ids_that_all_look_like_dates_are_left_alone() -> None:
    for ids in (
        ["44632", "44633", "A"],
        ["2022-03-01", "2022-03-02"],
        ["abc 13", "x", "y"],
        ["MAY-12", "ABC-13", "XYZ-4"],
    ):
        accounts = sheet({"account_id": ids, "visits": [1] * len(ids)})
        check_accounts(accounts, VISITS)
        assert accounts.findings == []


def test_every_bad_measure_says_what_and_how_to_mend_it() -> None:
    accounts = sheet({"account_id": list("abcdef"), "visits": ["1", "", "x", "-2", "2022-03-01", "inf"]})
    check_accounts(accounts, VISITS)
    assert sorted(said(accounts), key=str) == [
        (3, "visits", "is blank"),
        (4, "visits", "is not a number"),
        (5, "visits", "is negative"),
        (6, "visits", "is a date, not a number"),
        (7, "visits", "is infinite"),
    ]
    assert any("write 0" in str(f.remedy) for f in accounts.findings)


def test_the_weight_and_the_disruption_measure_are_checked_like_a_measure() -> None:
    rules = config(travel={"weight": "w"}, disruption={"current": "owner", "measure": "m"})
    accounts = sheet({"account_id": ["a"], "w": ["-1"], "m": ["x"], "owner": [""]})
    check_accounts(accounts, rules)
    assert said(accounts) == [(2, "w", "is negative"), (2, "m", "is not a number")]


def test_findings_use_the_planners_own_column_names() -> None:
    accounts = sheet({"Key": ["a"], "Visits p.a.": ["x"]}, account_id="Key", visits="Visits p.a.")
    check_accounts(accounts, VISITS)
    assert said(accounts) == [(2, "Visits p.a.", "is not a number")]


def test_a_column_may_be_named_canonically_or_as_in_the_file() -> None:
    for name in ("owner", "OwnerId"):
        accounts = sheet({"Id": ["a"], "OwnerId": ["R1"]})
        rules = config(disruption={"current": name})
        check_accounts(accounts, rules)
        check_references(accounts, pd.Index(["R1"]), rules)
        assert accounts.findings == []
        assert accounts.frame[name].tolist() == ["R1"]


def test_a_missing_column_names_the_nearest_one() -> None:
    accounts = sheet({"account_id": ["a"], "Visitz": ["1"]})
    check_accounts(accounts, VISITS)
    error = error_of(accounts.findings)
    assert isinstance(error, ConfigError)
    assert "did you mean 'Visitz'" in str(error)
    assert "balance[1].measure" in str(error)


def test_a_mapped_column_that_is_missing_is_reported_once() -> None:
    accounts = sheet({"Id": ["a"], "visits": ["1"]}, account_id="ID")
    check_accounts(accounts, VISITS)
    (finding,) = accounts.findings
    assert finding.remedy == "did you mean 'Id'?"


def test_salesforce_labels_and_lower_case_aliases_are_recognised() -> None:
    accounts = sheet(
        {
            "Account ID": ["a"],
            "Account Name": ["b"],
            "LAT": [1.0],
            "Lng": [2.0],
            "Billing Zip/Postal Code": ["3"],
            "BillingCountry": ["US"],
            "Billing State/Province": ["IA"],
            "Employees": ["5"],
        }
    )
    assert list(accounts.frame.columns) == [
        "account_id", "name", "latitude", "longitude", "postal_code", "country", "state", "Employees",
    ]  # fmt: skip
    assert "'LAT' as latitude" in accounts.notices[0]


def test_a_canonical_column_wins_over_an_alias() -> None:
    accounts = sheet({"zip": ["1"], "postal_code": ["2"], "account_id": ["a"], "Id": ["x"]})
    assert accounts.notices == []
    assert accounts.frame["postal_code"].tolist() == ["2"]
    assert accounts.frame["account_id"].tolist() == ["a"]


def test_unknown_reps_in_locks_are_findings_with_the_mend() -> None:
    rules = config(locks={"column": "lock"})
    accounts = sheet({"account_id": list("abcd"), "lock": ["1", "R9", "", " 001 "]})
    check_references(accounts, pd.Index(["001", "002"]), rules)
    assert [(f.row, f.value) for f in accounts.findings] == [(2, "1"), (3, "R9")]
    assert "'001' exists" in str(accounts.findings[0].remedy)
    assert "leading zeros" in str(accounts.findings[0].remedy)
    assert accounts.frame["lock"].tolist() == ["1", "R9", "", "001"]


def test_an_owner_who_left_is_a_notice_but_a_damaged_owner_id_is_a_finding() -> None:
    rules = config(disruption={"current": "owner"})
    accounts = sheet({"account_id": list("abcd"), "owner": ["left", "001", "", "1"]})
    check_references(accounts, pd.Index(["001"]), rules)
    assert [(f.row, f.value) for f in accounts.findings] == [(5, "1")]
    assert accounts.frame["owner"].tolist() == ["left", "001", "", "1"]
    assert any("no rep any more" in n and "'left'" in n for n in accounts.notices)


def test_references_match_across_salesforce_spellings() -> None:
    ids = pd.Index(["005Hp00000i8bQrIAI", "R2"])
    fifteen = record_key(ids.to_series()).iloc[0]
    assert match_ids(pd.Series([fifteen, "R2", "R3"]), ids).tolist() == [0 if len(fifteen) == 15 else -1, 1, -1]


def test_mends_know_zeros_decimals_and_capitals() -> None:
    mends = mends_of(["12", "7.0", "r3", "x", "0"], ["0012", "7", "R3", "000"])
    assert set(mends) == {"12", "7.0", "r3"}


REPS = {"rep_id": ["R1", "R2"], "cap": ["3", "5"], "low": ["1", "2"], "segs": ["a; b ;", "b"]}


def test_shares_limits_and_lists_of_sound_reps_pass() -> None:
    rules = config(
        balance=[
            {"measure": "count", "tolerance": 0.1, "share": "cap"},
            {"measure": "count", "min": "low", "max": "cap"},
        ],
        eligibility={"column": "seg", "reps_column": "segs"},
        territories={"count": 2},
    )
    reps = sheet(REPS, "reps")
    check_reps(reps, rules)
    assert reps.findings == []
    assert reps.frame["cap"].tolist() == [3.0, 5.0]
    assert reps.frame["segs"].tolist() == ["a;b", "b"]


def test_every_fault_of_the_reps_is_found() -> None:
    rules = config(
        balance=[
            {"measure": "count", "tolerance": 0.1, "share": "cap"},
            {"measure": "count", "max": "high"},
            {"measure": "count", "min": 4},
            {"measure": "other", "max": "words"},
        ],
        eligibility={"column": "seg", "reps_column": "segs"},
        territories={"count": 3},
    )
    reps = sheet(
        {"rep_id": ["R1", "R1"], "cap": ["0", "0"], "high": ["3", "9"], "words": ["ten", ""], "segs": [" ; ", "b"]},
        "reps",
    )
    check_reps(reps, rules)
    assert [what for _, _, what in said(reps)] == [
        "repeats the ID of row 2",
        "lists 2 reps, but territories.count is 3",
        "adds up to 0: no rep has a share",
        "is not a number",
        "is blank",
        "is blank, so the rep may serve no account",
        "the least load of 'count' is above the most",
    ]
    assert reps.findings[-1].value == "min 4, max 3"


def test_an_account_without_a_segment_can_be_served_by_nobody() -> None:
    accounts = sheet({"account_id": ["a", "b"], "seg": ["x", " "]})
    check_accounts(accounts, config(eligibility={"column": "seg", "reps_column": "segs"}))
    assert said(accounts) == [(3, "seg", "is blank, so no rep may serve the account")]


def test_the_id_column_cannot_be_a_rule_column() -> None:
    accounts = sheet({"account_id": ["a"]})
    check_accounts(accounts, config(groups={"column": "account_id"}))
    assert "names the ID column" in accounts.findings[0].what


def test_a_file_without_records_is_a_finding() -> None:
    accounts = sheet({"account_id": [], "visits": []})
    check_accounts(accounts, VISITS)
    assert "has no accounts" in accounts.findings[0].what


def test_the_printed_list_is_capped_per_kind_and_the_error_holds_all() -> None:
    findings = [Finding(f"repeats the ID of row {i}", "a.csv", i, "id") for i in range(2, 334)]
    findings.append(Finding("is negative", "a.csv", 5, "visits"))
    error = error_of(findings)
    assert type(error) is InputError
    assert len(error.findings) == 333
    lines = str(error).splitlines()
    assert len(lines) == 22
    assert "312 more" in lines[20]
    assert "is negative" in lines[21]
    assert summarise(findings, limit=1).count("\n") == 2


def test_revenue_is_read_although_no_rule_names_it_and_left_alone_where_it_is_no_number() -> None:
    told = sheet({"account_id": ["1", "2", "3"], "visits": [1.0] * 3, "revenue": ["$5,000", "", "1,200.50"]})
    check_accounts(told, VISITS)
    assert told.findings == []
    assert told.frame["revenue"].tolist() == pytest.approx([5000.0, float("nan"), 1200.5], nan_ok=True)
    for cells, note in ((["5", "call us", ""], "column 'revenue' is not all numbers"), (["", "", ""], "")):
        kept = sheet({"account_id": ["1", "2", "3"], "visits": [1.0] * 3, "revenue": cells})
        check_accounts(kept, VISITS)
        assert kept.findings == []
        assert kept.frame["revenue"].tolist() == cells
        assert note in " ".join(kept.notices)
