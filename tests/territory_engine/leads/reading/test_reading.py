"""Leads from files and records: what is rejected, what stops everything, and what is the same."""

import csv
import datetime as dt
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from territory_engine.errors import InputError
from territory_engine.leads.reading.loading import leads_of_frame, leads_of_records, read_leads

IOWA = Path(__file__).parents[4] / "examples" / "iowa" / "leads.csv"
NOW = dt.datetime(2026, 11, 29, 12, 0, tzinfo=dt.UTC)


def one(**fields):
    return leads_of_records([{"lead_id": "L1", **fields}], now=NOW)


def problems(batch, position=0):
    return [(f.column, f.what) for f in batch.rejected.get(position, ())]


def test_the_leads_of_iowa_read_with_no_fuss():
    batch = read_leads(IOWA, now=NOW)
    assert len(batch) == 135
    assert batch.rejected == {}
    first = batch.frame.iloc[0]
    assert first["company"] == "FORT MADISON TOBACCO AND LIQUOR OUTLET PLUS / FORT MADISON"
    assert (first["postal_code"], first["created_at"]) == ("52627", pd.Timestamp("2022-01-05", tz="UTC"))
    assert first["score"] == 1
    assert math.isnan(first["value"])
    assert any("'name' as company" in notice for notice in batch.notices)
    assert any("15 leads without coordinates were placed by postal code" in notice for notice in batch.notices)


def test_a_column_can_be_taken_for_the_value():
    batch = read_leads(IOWA, columns={"value": "value_to_date"}, now=NOW)
    assert batch.frame["value"].iloc[0] == 123170.63


def test_a_file_and_its_records_are_the_same_batch(tmp_path):
    with IOWA.open() as file:
        records = list(csv.DictReader(file))
    pd.DataFrame(records).to_excel(tmp_path / "leads.xlsx", index=False, engine="xlsxwriter")
    pd.DataFrame(records).to_parquet(tmp_path / "leads.parquet")
    hashes = {
        read_leads(IOWA, now=NOW).sha256,
        leads_of_records(records, now=NOW).sha256,
        leads_of_frame(pd.DataFrame(records), now=NOW).sha256,
        read_leads(tmp_path / "leads.xlsx", now=NOW).sha256,
        read_leads(tmp_path / "leads.parquet", now=NOW).sha256,
    }
    assert len(hashes) == 1


plain = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc", "Cf"]), max_size=8)
record = st.fixed_dictionaries(
    {},
    optional={
        "company": plain,
        "score": st.none() | st.floats(0, 1e6) | st.integers(0, 9),
        "value": st.none() | st.floats(0, 1e9),
        "latitude": st.none() | st.floats(-95, 95),
        "longitude": st.none() | st.floats(-95, 95),
        "created_at": st.sampled_from(["", "2026-11-02", "2026-11-02T09:15:00.000+0000", "03/04/2026", "nonsense"]),
        "segment": plain,
        "email": st.sampled_from(["", "jo@acme.com", "broken", "jo@gmail.com"]),
    },
)


@settings(max_examples=40, deadline=None)  # files are slow
@given(st.lists(record, min_size=1, max_size=4))
def test_leads_hash_alike_from_a_file_and_from_records(tmp_path_factory, leads):
    records = [{"lead_id": f"L{i}", **lead} for i, lead in enumerate(leads)]
    path = tmp_path_factory.mktemp("leads") / "leads.csv"
    fields = list(dict.fromkeys(k for r in records for k in r))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in r.items()} for r in records)
    from_file, from_records = read_leads(path, now=NOW), leads_of_records(records, now=NOW)
    assert from_file.sha256 == from_records.sha256
    assert set(from_file.rejected) == set(from_records.rejected)


@pytest.mark.parametrize(
    "change",
    [
        {"company": "B"},
        {"score": 2},
        {"latitude": 41.1},
        {"created_at": "2026-11-03"},
        {"segment": "x"},
        {"value": "?"},
    ],
)
def test_another_content_is_another_hash(change):
    before = {"company": "A", "score": 1, "latitude": 41, "longitude": -93, "created_at": "2026-11-02", "value": "!"}
    assert one(**before).sha256 != one(**{**before, **change}).sha256


def test_the_hash_depends_neither_on_the_clock_nor_on_the_person():
    lead = {"lead_id": "L1", "created_at": "2026-11-30T00:00:00Z", "email": "jo@acme.com", "first_name": "Jo"}
    early = leads_of_records([lead], now=NOW)
    late = leads_of_records([{**lead, "email": "al@acme.com", "first_name": "Al"}], now=NOW + dt.timedelta(days=9))
    assert early.rejected
    assert not late.rejected
    assert early.sha256 == late.sha256


def test_nothing_about_a_person_is_kept():
    person = {
        "Email": "jo.doe@mail.acme.co.uk", "FirstName": "Jo", "LastName": "Doe", "Name": "Jo Doe", "Phone": "555",
        "MobilePhone": "556", "Fax": "557", "Title": "Buyer in chief", "Description": "call Jo", "Company": "Acme",
    }  # fmt: skip
    batch = one(**person)
    text = batch.frame.to_csv() + repr(batch)
    assert not [word for word in ("Jo", "Doe", "555", "556", "557", "Buyer in chief", "jo.doe") if word in text]
    assert (batch.frame["domain"][0], batch.frame["company"][0]) == ("acme.co.uk", "Acme")


@pytest.mark.parametrize("column", ["Contact Email", "personal_email", "cell phone", "Phone 2", "Work Phone Number"])
def test_columns_about_people_are_known_by_how_their_names_end_too(column):
    batch = leads_of_records([{"lead_id": "1", column: "jane@example.com", "segment": "retail"}])
    assert column not in batch.frame.columns
    assert any(repr(column) in notice for notice in batch.notices)


def test_a_company_website_counts_where_the_address_is_of_a_mail_provider():
    assert one(email="jo@gmail.com", website="https://www.acme.com/about?x=1").frame["domain"][0] == "acme.com"


@pytest.mark.parametrize("email", ["not an address", "jo@", "jo@localhost", "jo@10.0.0.1", "jo@-.com", "@" * 5000])
def test_a_bad_address_does_not_reject_a_lead(email):
    batch = one(email=email)
    assert batch.rejected == {}
    assert batch.frame["domain"][0] == ""
    assert any("no domain was found" in notice for notice in batch.notices)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-02", "2026-11-02T00:00"),
        ("2026-11-02T09:15:00.000+0000", "2026-11-02T09:15"),
        ("2026-11-02 09:15", "2026-11-02T09:15"),
        ("2026-11-02T09:15:00+02:00", "2026-11-02T07:15"),
        ("2026-11-02T09:15:00.123456Z", "2026-11-02T09:15:00.123456"),
        ("2026/1/5", "2026-01-05"),
        ("25/12/2025", "2025-12-25"),
        ("12/25/2025 3:05 PM", "2025-12-25T15:05"),
        ("3.4.2026", "2026-04-03"),
    ],
)
def test_moments_are_read_as_systems_write_them(written, moment):
    batch = one(created_at=written)
    assert batch.rejected == {}
    assert batch.frame["created_at"][0] == pd.Timestamp(moment, tz="UTC")


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("03/04/2026", "can be read with the day or with the month first"),
        ("2026-02-30", "is not a date that can be read"),
        ("yesterday", "is not a date that can be read"),
        ("1900-01-01", "is before 1970, as failed conversions are"),
        ("2026-11-29T12:11:00Z", "is in the future"),
        ("2026-12-01", "is in the future"),
        ("45963", "is not a date that can be read"),
    ],
)
def test_moments_that_make_no_sense_reject_the_lead(written, what):
    assert problems(one(created_at=written)) == [("created_at", what)]


def test_another_cell_shows_which_way_round_a_columns_dates_are():
    batch = leads_of_records(
        [{"lead_id": "1", "created_at": "25/12/2025"}, {"lead_id": "2", "created_at": "03/04/2026"}], now=NOW
    )
    assert batch.rejected == {}
    assert batch.frame["created_at"][1] == pd.Timestamp("2026-04-03", tz="UTC")


def test_local_time_ahead_of_utc_is_not_the_future():
    assert one(created_at="2026-11-29 22:00").rejected == {}


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        ({"latitude": 41}, {"longitude"}),
        ({"latitude": 91, "longitude": 200}, {"latitude", "longitude"}),
        ({"latitude": "north", "longitude": -93}, {"latitude"}),
        ({"latitude": float("nan"), "longitude": -93}, {"latitude"}),
        ({"latitude": 0, "longitude": 0}, {"latitude"}),
        ({"score": float("nan")}, {"score"}),
        ({"score": "inf", "value": "-3"}, {"score", "value"}),
        ({"value": float("inf")}, {"value"}),
        ({"value": "NaN"}, {"value"}),
        ({"value": True}, {"value"}),
        ({"country": "QQ"}, {"country"}),
        ({"company": "a\x00b"}, {"company"}),
        ({"company": "x" * 501}, {"company"}),
        ({"segment": "y" * 10_000_000}, {"segment"}),
        ({"account_id": "a\nb"}, {"account_id"}),
    ],
)
def test_bad_data_reject_the_lead_with_the_field_and_the_others_go_on(fields, columns):
    batch = leads_of_records([{"lead_id": "bad", **fields}, {"lead_id": "good", "company": "Acme"}], now=NOW)
    assert set(batch.rejected) == {0}
    assert {column for column, _ in problems(batch)} == columns
    assert all(f.row == 1 and len(f.value or "") <= 100 for f in batch.rejected[0])


def test_everything_that_is_wrong_with_a_lead_is_told():
    batch = one(latitude=99, longitude=500, score=-1, country="QQ", created_at="never", company="\x07")
    assert {c for c, _ in problems(batch)} == {"latitude", "longitude", "score", "country", "created_at", "company"}


def test_a_value_of_nothing_and_an_unknown_postal_code_are_fine():
    batch = one(value=0, postal_code="99999", country="United States")
    assert batch.rejected == {}
    assert (batch.frame["country"][0], batch.frame["location_source"][0]) == ("US", "none")


def test_blank_and_repeated_ids_stop_everything_and_each_is_named():
    records = [{"lead_id": x} for x in ("a", "b", "", "a", "a", "001xx000003DGb1", "001xx000003DGb1AAG")]
    with pytest.raises(InputError) as error:
        leads_of_records(records, now=NOW)
    assert [f.row for f in error.value.findings] == [3, 4, 5, 7]
    assert "15 and with 18 characters" in str(error.value)


def test_a_file_without_ids_is_refused_and_says_what_is_there():
    with pytest.raises(InputError, match=r"no column of lead IDs.*company"):
        leads_of_records([{"company": "Acme"}], now=NOW)


def test_records_that_are_no_objects_and_fields_that_are_lists_are_refused():
    with pytest.raises(InputError, match="is not an object"):
        leads_of_records([{"lead_id": "1"}, "two"], now=NOW)
    with pytest.raises(InputError, match=r"row 1, column 'company': is not text"):
        leads_of_records([{"lead_id": "1", "company": ["a"]}], now=NOW)


@pytest.mark.parametrize(
    "company",
    ["<script>alert(1)</script>", "🙂 Café", "\u202egnp.exe", "O'Hara", "@properties", "+One Hotels", "- 5 -"],
)
def test_odd_names_are_read_as_they_are(company):
    batch = one(company=company)
    assert batch.rejected == {}
    assert batch.frame["company"][0] == company


@pytest.mark.parametrize(
    "company", ["=cmd|' /C calc'!A0", "=1+1", "@SUM(1+1)*cmd|' /C calc'!A0", "+cmd|x", "-2+3+cmd|x"]
)
def test_a_formula_in_a_name_rejects_the_lead(company):
    (finding,) = one(company=company).rejected[0]
    assert finding.column == "company"
    assert "formula" in finding.what


@pytest.mark.parametrize("lead_id", ["=1", "+1", "-1", "@a"])
def test_a_lead_id_that_a_spreadsheet_would_run_is_rejected_since_answers_hold_ids_as_they_are(lead_id):
    batch = leads_of_records([{"lead_id": lead_id}, {"lead_id": "a-1"}], now=NOW)
    assert set(batch.rejected) == {0}


def test_broken_and_turning_characters_in_ids_reject_the_lead_and_are_not_stored():
    batch = leads_of_records([{"lead_id": "a\x00b"}, {"lead_id": "\u202ec"}, {"lead_id": "d\ud800"}], now=NOW)
    assert set(batch.rejected) == {0, 1, 2}
    assert all("\ufffd" in x for x in batch.frame["lead_id"])
    "".join(batch.frame["lead_id"]).encode()


def test_an_endless_field_in_a_file_rejects_its_lead_only(tmp_path):
    path = tmp_path / "leads.csv"
    path.write_text("lead_id,company,segment\n1,Acme," + "x" * 3_000_000 + "\n2,Beta,y\n")
    batch = read_leads(path, now=NOW)
    assert set(batch.rejected) == {0}
    assert len(batch.frame["segment"][0]) <= 2_000


def test_no_leads_are_an_empty_batch():
    batch = leads_of_records([], now=NOW)
    assert len(batch) == 0
    assert batch.frame["created_at"].dtype == "datetime64[us, UTC]"
    assert batch.frame["latitude"].dtype == np.float64


def test_headings_of_a_damaged_file_are_shown_without_control_characters(tmp_path):
    (tmp_path / "leads.csv").write_text("\x1b[31mname,\u202eother\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_leads(tmp_path / "leads.csv", now=NOW)
    assert "there are \ufffd[31mname, \ufffdother" in str(error.value)
