from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from territory_engine.reading.columns import ACCOUNT_ALIASES, Sheet, sheet_of
from territory_engine.reading.placement import place
from territory_engine.reading.tables import table_of_frame


def placed(
    columns: dict[str, list[Any]], *, metric: str = "haversine", required: bool = True, on_unlocated: str = "error"
) -> Sheet:
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({"account_id": [f"A{i}" for i in range(n)], **columns})
    sheet = sheet_of(table_of_frame(frame, "accounts"), {}, ACCOUNT_ALIASES, "accounts")
    place(sheet, metric=metric, required=required, on_unlocated=on_unlocated)
    return sheet


def test_given_coordinates_are_taken_as_they_are() -> None:
    sheet = placed({"latitude": ["41.5", "42"], "longitude": ["-93.5", "-92"]})
    assert sheet.findings == []
    assert sheet.frame["latitude"].tolist() == [41.5, 42.0]
    assert sheet.frame["location_source"].tolist() == ["given", "given"]
    assert sheet.frame["location_precision_km"].tolist() == [0, 0]


def test_blank_coordinates_come_from_the_postal_code_and_the_plan_says_so() -> None:
    sheet = placed({"latitude": ["41.5", "", ""], "longitude": ["-93.5", "", ""], "zip": ["", "50613", "2134"]})
    assert sheet.findings == []
    assert sheet.frame["location_source"].tolist() == ["given", "postal_code", "postal_code"]
    assert sheet.frame["latitude"].iloc[1] == pytest.approx(42.53, abs=0.1)
    assert (sheet.frame["location_precision_km"].iloc[1:] > 0).all()
    text = " ".join(sheet.notices)
    assert "2 accounts without coordinates were placed by postal code" in text
    assert "2134 as 02134" in text


def test_a_state_that_contradicts_the_postal_code_is_said() -> None:
    sheet = placed({"zip": ["50613", "10001"], "state": ["IA", "ia"]})
    assert any("row 3: IA, but the code is in NY" in n for n in sheet.notices)


@pytest.mark.parametrize(
    ("latitude", "longitude", "words"),
    [
        ("95", "-93", "out of range"),
        ("41", "-181", "out of range"),
        ("0", "0", "point in the Atlantic"),
        ("-93.5", "41.5", "probably exchanged"),
        ("41,5N", "-93", "is not a number"),
        ("", "-93", "is blank where longitude is given"),
        ("41", "", "is blank where latitude is given"),
        ("nan", "-93", "is blank where longitude is given"),
        ("inf", "-93", "is infinite"),
    ],
)
def test_impossible_coordinates_are_findings_even_with_a_good_postal_code(
    latitude: str, longitude: str, words: str
) -> None:
    sheet = placed({"latitude": [latitude, "41"], "longitude": [longitude, "-93"], "zip": ["50613", "50613"]})
    assert [(f.row, words in f.what) for f in sheet.findings] == [(2, True)]


def test_exchanged_coordinates_are_found_where_both_readings_are_possible() -> None:
    generator = np.random.default_rng(1)
    latitude, longitude = generator.uniform(47, 55, 50), generator.uniform(6, 15, 50)
    latitude[7], longitude[7] = longitude[7], latitude[7]
    sheet = placed({"latitude": latitude.tolist(), "longitude": longitude.tolist()})
    assert [(f.row, "exchanged" in f.what) for f in sheet.findings] == [(9, True)]


def test_exchanged_columns_get_the_remedy_for_the_whole_column() -> None:
    sheet = placed({"lat": [-93.0, -92.0, -91.0], "lon": [41.0, 42.0, 43.0]})
    assert len(sheet.findings) == 3
    assert "latitude = 'lon'" in str(sheet.findings[0].remedy)


def test_each_account_that_cannot_be_placed_is_listed_with_its_id_and_postal_code() -> None:
    columns = {"zip": ["50613", "", "99999", "K1A 0B1"], "country": ["", "", "USA", "Canada"]}
    sheet = placed(columns)
    assert [(f.row, f.value) for f in sheet.findings] == [
        (3, "account A1, postal code blank"),
        (4, "account A2, postal code 99999"),
        (5, "account A3, postal code K1A 0B1, country Canada"),
    ]
    assert all('on_unlocated = "assign"' in str(f.remedy) for f in sheet.findings)


def test_on_request_they_are_kept_without_a_place() -> None:
    sheet = placed({"zip": ["50613", "99999"]}, on_unlocated="assign")
    assert sheet.findings == []
    assert len(sheet) == 2
    assert sheet.frame["location_source"].tolist() == ["postal_code", "none"]
    assert np.isnan(sheet.frame[["latitude", "longitude", "location_precision_km"]].to_numpy()[1]).all()
    assert any("1 account could not be placed" in n and "A1" in n for n in sheet.notices)


def test_no_place_is_needed_with_a_travel_table() -> None:
    sheet = placed({"city": ["x"]}, required=False)
    assert sheet.findings == []
    assert sheet.frame["location_source"].tolist() == ["none"]


def test_without_any_column_that_says_where_there_is_one_finding() -> None:
    sheet = placed({"city": ["x", "y"]})
    assert len(sheet.findings) == 1
    assert "no column that says where" in sheet.findings[0].what
    assert "none for longitude" in placed({"lat": ["41"]}).findings[0].what


def test_on_the_plane_x_and_y_are_needed_and_postal_codes_do_not_count() -> None:
    sheet = placed({"x": ["1", "-5e3"], "y": ["2", "7"], "zip": ["50613", ""]}, metric="euclidean")
    assert sheet.findings == []
    assert sheet.frame["x"].tolist() == [1.0, -5000.0]
    blank = placed({"x": ["1", ""], "y": ["2", "3"], "zip": ["50613", "50613"]}, metric="euclidean")
    assert [(f.row, f.column, f.what) for f in blank.findings] == [(3, "x", "is blank")]
    assert "has no column x" in placed({"y": ["2"]}, metric="euclidean").findings[0].what


def test_on_the_plane_a_blank_place_is_kept_on_request() -> None:
    sheet = placed({"x": ["1", ""], "y": ["2", "3"]}, metric="euclidean", on_unlocated="assign")
    assert sheet.findings == []
    assert sheet.frame["location_source"].tolist() == ["given", "none"]
    assert np.isnan(sheet.frame["y"].iloc[1])


def test_coordinates_that_an_earlier_plan_took_from_a_postal_code_are_not_called_given() -> None:
    sheet = placed(
        {
            "latitude": [41.0, 42.0],
            "longitude": [-93.0, -92.0],
            "location_source": ["given", "postal_code"],
            "location_precision_km": [0.0, 4.5],
        }
    )
    assert sheet.frame["location_source"].tolist() == ["given", "postal_code"]
    assert sheet.frame["location_precision_km"].tolist() == [0.0, 4.5]
