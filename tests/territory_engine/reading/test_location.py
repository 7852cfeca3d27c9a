from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from territory_engine.reading import location
from territory_engine.reading.location import (
    UnitedStatesZipCodes,
    country_code,
    locator_for,
    register_locator,
    registered_countries,
)


def located(*codes: str) -> pd.DataFrame:
    return UnitedStatesZipCodes().locate(pd.Series(list(codes), dtype=str))


def test_a_zip_is_found_with_its_state_and_a_precision() -> None:
    place = located("50613").iloc[0]
    assert place["latitude"] == pytest.approx(42.53, abs=0.1)
    assert place["longitude"] == pytest.approx(-92.45, abs=0.1)
    assert place["region"] == "IA"
    assert 0.3 <= place["precision_km"] < 20


@pytest.mark.parametrize(
    "code", ["2134", "02134", "02134-1234", "021341234", "21341234", " 02134 ", "2134.0", "02134 1234"]
)
def test_zip_plus_four_and_lost_zeros_mean_the_same_zip(code: str) -> None:
    place = located(code).iloc[0]
    assert place["code"] == "02134"
    assert place["region"] == "MA"


@pytest.mark.parametrize(
    "code", ["", "99999", "5061", "abcde", "K1A 0B1", "506133", "5", "09001", "50613-12345", "٥٠٦١٣"]
)
def test_what_is_no_zip_with_a_place_stays_unknown(code: str) -> None:
    place = located(code).iloc[0]
    if code == "5061":  # a Vermont ZIP that lost its zero: known, not nonsense
        assert place["code"] == "05061"
        return
    assert np.isnan([place["latitude"], place["longitude"], place["precision_km"]]).all()
    assert (place["region"], place["code"]) == ("", "")


def test_the_index_and_repeated_codes_survive() -> None:
    codes = pd.Series(["50613", "", "50613"], index=[7, 3, 9], dtype=str)
    found = UnitedStatesZipCodes().locate(codes)
    assert found.index.tolist() == [7, 3, 9]
    assert found["latitude"].iloc[0] == found["latitude"].iloc[2]
    assert UnitedStatesZipCodes().locate(codes[:0]).empty


def test_cities_are_located_more_precisely_than_the_plains() -> None:
    precision = located("10001", "59317")["precision_km"]
    assert precision.iloc[0] < 2 < precision.iloc[1]


def test_a_code_is_as_precise_alone_as_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = ["50613", "10001", "59317", "96799", "00501"]
    few = located(*codes)
    monkeypatch.setattr(location, "_FEW_POINTS", 0)
    pd.testing.assert_frame_equal(few, located(*codes))


class Ruritania:
    country = "RU-X"

    def locate(self, codes: pd.Series[Any]) -> pd.DataFrame:
        known = (codes == "1").to_numpy()
        place = np.where(known, 1.0, np.nan)
        return pd.DataFrame({"latitude": place, "longitude": place, "precision_km": place}, index=codes.index)


def test_another_country_is_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(location, "_LOCATORS", dict(location._LOCATORS))
    monkeypatch.setattr(location, "_COUNTRIES", dict(location._COUNTRIES))
    assert locator_for("Ruritania") is None
    register_locator(Ruritania(), names=("Ruritania",))
    assert isinstance(locator_for("ruritania"), Ruritania)
    assert isinstance(locator_for("RU-X"), Ruritania)
    assert registered_countries() == ("RU-X", "US")


def test_country_names_and_blanks_have_codes() -> None:
    assert [country_code(c) for c in ("", "us", "United States", "de ")] == ["US", "US", "US", "DE"]
