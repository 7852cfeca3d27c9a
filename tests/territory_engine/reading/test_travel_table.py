from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from territory_engine.reading.columns import ACCOUNT_ALIASES, TRAVEL_ALIASES, Sheet, sheet_of
from territory_engine.reading.tables import table_of_frame
from territory_engine.reading.travel_table import check_travel_table, match_travel_table

REPS = pd.Index(["R1", "R2"])


def travel(*rows: tuple[Any, ...]) -> Sheet:
    frame = pd.DataFrame(list(rows), columns=["rep_id", "account_id", "cost", "hours"][: len(rows[0])])
    return sheet_of(table_of_frame(frame, "travel"), {}, TRAVEL_ALIASES, "travel")


def accounts(*ids: str) -> Sheet:
    return sheet_of(table_of_frame(pd.DataFrame({"account_id": ids}), "accounts"), {}, ACCOUNT_ALIASES, "accounts")


def test_a_sound_table_comes_back_with_numbers_and_infinity_for_never() -> None:
    table = travel(("R1", "01", "5", "1"), ("R2", "01", "inf", "2.5"), ("R1", "02", "0", "0"))
    check_travel_table(table, ["hours"])
    frame = match_travel_table(table, accounts("01", "02"), REPS)
    assert table.findings == []
    assert frame["cost"].tolist() == [5.0, np.inf, 0.0]
    assert frame["hours"].tolist() == [1.0, 2.5, 0.0]
    assert any("R2" in n and "can serve no account" in n for n in table.notices)


def test_infinity_in_a_numeric_column_says_never_too() -> None:
    table = travel(("R1", "01", 5.0), ("R2", "01", np.inf))
    check_travel_table(table, [])
    assert table.findings == []
    assert table.frame["cost"].tolist() == [5.0, np.inf]


@pytest.mark.parametrize(
    ("cost", "what"),
    [("", "is blank"), ("-1", "is negative"), ("x", "is not a number"), ("-inf", "is infinite")],
)
def test_costs_that_are_no_costs_are_findings(cost: str, what: str) -> None:
    table = travel(("R1", "01", "5"), ("R2", "01", cost))
    check_travel_table(table, [])
    assert [(f.row, f.column, f.what) for f in table.findings] == [(3, "cost", what)]


def test_a_load_that_depends_on_the_rep_must_be_filled() -> None:
    table = travel(("R1", "01", "5", ""), ("R2", "01", "5", "-2"))
    check_travel_table(table, ["hours"])
    assert [(f.row, f.what) for f in table.findings] == [(2, "is blank"), (3, "is negative")]


def test_unknown_ids_and_pairs_that_repeat_are_findings() -> None:
    table = travel(("R1", "01", "5"), ("R9", "01", "5"), ("R1", "1", "5"), ("R1", "01", "6"))
    check_travel_table(table, [])
    match_travel_table(table, accounts("01"), REPS)
    assert [(f.row, f.column, f.value) for f in table.findings] == [
        (3, "rep_id", "R9"),
        (4, "account_id", "1"),
        (5, "account_id", "01, R1"),
    ]
    assert "leading zeros" in str(table.findings[1].remedy)


def test_accounts_that_no_rep_can_reach_are_all_listed() -> None:
    table = travel(("R1", "01", "5"), ("R1", "02", "inf"))
    check_travel_table(table, [])
    stranded = accounts("01", "02", "03")
    match_travel_table(table, stranded, REPS)
    assert [(f.row, f.value) for f in stranded.findings] == [(3, "02"), (4, "03")]


def test_missing_columns_are_all_named() -> None:
    table = sheet_of(
        table_of_frame(pd.DataFrame({"Rep ID": ["R1"], "km": [1]}), "travel"), {}, TRAVEL_ALIASES, "travel"
    )
    check_travel_table(table, [])
    assert ["'account_id'" in f.what or "'cost'" in f.what for f in table.findings] == [True, True]
