"""Which delimiter a file has."""

from __future__ import annotations

from territory_engine.reading.delimited import MOST_RAGGED, read_delimited


def test_a_list_in_a_cell_does_not_hide_the_delimiter_of_the_header() -> None:
    text = "rep_id,segments,weight\n" + "".join(f"N{i},s1;s2;s3;s4,1\n" for i in range(5))
    assert read_delimited(text.encode(), "reps.csv").columns == ["rep_id", "segments", "weight"]


def test_decimal_commas_do_not_hide_the_delimiter_of_the_header() -> None:
    text = "id;lat;lon\n" + "".join(f"{i};4{i},5;1{i},25\n" for i in range(5))
    assert read_delimited(text.encode(), "a.csv").columns == ["id", "lat", "lon"]


def test_a_file_that_is_no_table_is_not_listed_to_its_end() -> None:
    found = read_delimited(('lead_id,company\na,"' + "x\n" * 30_000).encode(), "leads.csv").findings
    assert len(found) == MOST_RAGGED + 1
    assert found[-1].what.startswith("reading ended here, after 10,000 rows")
