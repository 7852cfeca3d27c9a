from __future__ import annotations

import datetime as dt
import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from territory_engine.errors import InputError
from territory_engine.reading.encoding import guess_encoding
from territory_engine.reading.tables import Table, read_table, table_of_frame


def table(folder: Path, content: str | bytes, name: str = "file.csv") -> Table:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, name)


def records(read: Table) -> list[list[str]]:
    return [[str(v) for v in record] for record in read.frame.to_numpy().tolist()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_delimiter_and_line_ending_is_recognised(tmp_path: Path, delimiter: str, newline: str) -> None:
    lines = [["id", "name", "value"], ["007", "Ann", "1"], ["8", "Bob", "2"]]
    read = table(tmp_path, newline.join(delimiter.join(line) for line in lines) + newline)
    assert list(read.frame.columns) == lines[0]
    assert records(read) == lines[1:]
    assert read.rows.tolist() == [2, 3]
    assert read.findings == ()
    assert read.decimal_comma == (delimiter != ",")


def test_commas_in_values_do_not_hide_a_semicolon(tmp_path: Path) -> None:
    read = table(tmp_path, "id;lat;lon\n1;50,93;6,97\n2;50,94;6,96\n")
    assert records(read) == [["1", "50,93", "6,97"], ["2", "50,94", "6,96"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_byte_order_marks_are_recognised(tmp_path: Path, encoding: str) -> None:
    text = "id,town\n1,Köln\n2,Düsseldorf\n3,Münster\n4,Nürnberg\n5,Würzburg\n"
    read = table(tmp_path, text.encode(encoding))
    assert read.frame["town"].tolist() == ["Köln", "Düsseldorf", "Münster", "Nürnberg", "Würzburg"]
    assert list(read.frame.columns) == ["id", "town"]
    assert any("not UTF-8" in n for n in read.notices) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "1,Café de la Gare,Orléans\n2,Hôtel Saint-Étienne,Besançon\n"),
        ("cp1252", "1,Peña,Málaga\n"),
        ("cp1252", "1,Joe’s – 5 €,“Quoted”\n"),
        ("cp1250", "1,Łódź,Żabka\n2,Kraków Śródmieście,Gdańsk\n"),
        ("cp1251", "1,Москва\n2,Казань\n"),
        ("cp1253", "1,Αθήνα\n2,Θεσσαλονίκη\n"),
        ("cp1254", "1,İstanbul,Şişli\n2,Kadıköy,x\n"),
        ("shift_jis", "1,東京都千代田区\n2,大阪市北区\n3,名古屋市\n"),
    ],
)
def test_old_code_pages_are_told_apart_by_a_few_names(encoding: str, text: str) -> None:
    content = text.encode(encoding)
    assert content.decode(guess_encoding(content)) == text


def test_gzip_is_recognised_by_content(tmp_path: Path) -> None:
    assert records(table(tmp_path, gzip.compress(b"a,b\n1,2\n"), "plain.csv")) == [["1", "2"]]
    with pytest.raises(InputError, match="damaged gzip"):
        table(tmp_path, gzip.compress(b"a,b\n1,2\n")[:-9])


def test_a_title_above_the_header_is_skipped_and_rows_still_count_from_the_top(tmp_path: Path) -> None:
    read = table(tmp_path, "Estrazione del 2026-08-21\nid|Comune|Lat\n1|AGRIGENTO|37.3\n2|ROMA|41.9\n")
    assert list(read.frame.columns) == ["id", "Comune", "Lat"]
    assert read.rows.tolist() == [3, 4]
    assert any("row 2" in n and "Estrazione" in n for n in read.notices)
    assert list(table(tmp_path, "Report,,\n\nid,name,x\n1,A,2\n").frame.columns) == ["id", "name", "x"]


def test_each_ragged_row_is_a_finding_with_its_row_and_good_rows_are_kept(tmp_path: Path) -> None:
    read = table(tmp_path, "id,a,b\n1,x,y\n2,x\n3,x,y,z\n4,x,y,,\n\n5,p,q\n")
    assert [(f.row, f.what) for f in read.findings] == [
        (3, "has 2 cells where the header has 3"),
        (4, "has 4 cells where the header has 3"),
    ]
    assert read.frame["id"].tolist() == ["1", "4", "5"]
    assert read.rows.tolist() == [2, 5, 7]


def test_a_quote_that_is_never_closed_does_not_swallow_the_rows_below(tmp_path: Path) -> None:
    lines = [f"{i}|NAME {i}|VIA ROMA {i}" for i in range(5)]
    lines[2] = '2|"MEGA SERVICE S.A.S.|VIA ROMA 2'
    read = table(tmp_path, "id|name|street\n" + "\n".join(lines) + "\n")
    assert read.findings == ()
    assert read.frame["id"].tolist() == ["0", "1", "2", "3", "4"]
    assert read.frame["name"].iloc[2] == '"MEGA SERVICE S.A.S.'
    assert any("never closed" in n and "(4)" in n for n in read.notices)


def test_two_unclosed_quotes_that_pair_up_are_found_too(tmp_path: Path) -> None:
    lines = [f"{i},NAME {i},VIA {i}" for i in range(6)]
    lines[1], lines[4] = '1,"OPEN,VIA 1', '4,"OPEN,VIA 4'
    read = table(tmp_path, "id,name,street\n" + "\n".join(lines) + "\n")
    assert read.frame["id"].tolist() == ["0", "1", "2", "3", "4", "5"]
    assert read.findings == ()


def test_a_quoted_line_break_is_one_row(tmp_path: Path) -> None:
    read = table(tmp_path, 'id,address\n1,"1 Main St\nSuite 2"\n2,plain\n')
    assert read.frame["address"].iloc[0] == "1 Main St\nSuite 2"
    assert read.rows.tolist() == [2, 3]


def test_nul_bytes_are_findings(tmp_path: Path) -> None:
    read = table(tmp_path, b"id,a\n1,x\n2,y\0y\n")
    assert [(f.row, "NUL" in f.what) for f in read.findings] == [(3, True)]


@pytest.mark.parametrize("content", ["", "\n\n", " \r\n", "\ufeff"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="is empty"):
        table(tmp_path, content)


def test_duplicate_headers_are_findings_and_nameless_columns_are_kept_only_if_filled(tmp_path: Path) -> None:
    read = table(tmp_path, ",id,a,a,,\n0,1,x,y,z,\n1,2,x,y,z,\n")
    assert [(f.row, f.column) for f in read.findings] == [(1, "a")]
    assert list(read.frame.columns) == ["column_1", "id", "a", "column_5"]


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match=r"did you mean 'accounts\.csv'"):
        read_table(tmp_path / "acounts.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path)


def workbook(sheets: dict[str, list[list[object]]]) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, cells in sheets.items():
            sheet = book.add_worksheet(name)
            for r, record in enumerate(cells):
                for c, value in enumerate(record):
                    if value is not None:
                        sheet.write(r, c, value)
    return buffer.getvalue()


def test_a_workbook_gives_ids_without_decimals_and_dates_as_text(tmp_path: Path) -> None:
    cells: list[list[object]] = [
        ["id", "name", "value", "since"],
        [123, "Ann", 1.5, dt.date(2022, 3, 1)],
        ["007", None, 2, None],
        [None, None, None, None],
        [9, "Cy", 0.1, None],
    ]
    read = table(tmp_path, workbook({"empty": [], "data": cells, "notes": [["hello"]]}), "book.xlsx")
    assert records(read) == [["123", "Ann", "1.5", "2022-03-01"], ["007", "", "2", ""], ["9", "Cy", "0.1", ""]]
    assert read.rows.tolist() == [2, 3, 5]
    assert any("'data'" in n and "'notes'" in n for n in read.notices)


def test_a_workbook_is_recognised_under_any_name_and_a_broken_one_is_an_error(tmp_path: Path) -> None:
    content = workbook({"data": [["Title"], ["id", "x"], ["a", 1]]})
    read = table(tmp_path, content, "accounts.csv")
    assert records(read) == [["a", "1"]]
    assert read.rows.tolist() == [3]
    with pytest.raises(InputError, match="not a readable Excel workbook"):
        table(tmp_path, content[:200], "accounts.xlsx")
    with pytest.raises(InputError, match="no sheet has a cell"):
        table(tmp_path, workbook({"data": []}), "accounts.xlsx")


def test_parquet_keeps_numbers_and_turns_the_rest_into_text(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": ["01", "02", None],
            "zip": pd.Categorical(["50613", None, "02134"]),
            "n": [1, 2, 3],
            "optional": pd.array([1, None, 3], dtype="Int64"),
            "x": [1.5, np.nan, 2.0],
            "day": pd.to_datetime(pd.Series(["2022-03-01", None, "2022-03-02"])),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")
    assert read.frame["id"].tolist() == ["01", "02", ""]
    assert read.frame["zip"].tolist() == ["50613", "", "02134"]
    assert read.frame["n"].tolist() == [1, 2, 3]
    assert read.frame["optional"].dtype == np.float64
    assert read.frame["day"].tolist() == ["2022-03-01", "", "2022-03-02"]
    assert read.rows.tolist() == [2, 3, 4]
    with pytest.raises(InputError, match="not a readable Parquet"):
        table(tmp_path, b"PAR1 but not really", "b.parquet")


def test_a_frame_is_read_like_a_file_and_stays_unchanged() -> None:
    frame = pd.DataFrame({"v": [1.0, 2.0]}, index=pd.Index(["a", "b"], name="account_id"))
    before = frame.copy()
    read = table_of_frame(frame, "accounts")
    assert list(read.frame.columns) == ["account_id", "v"]
    assert read.sha256 == table_of_frame(frame, "accounts").sha256
    pd.testing.assert_frame_equal(frame, before)


CELLS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff"), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12), st.sampled_from([",", ";", "\t", "|"]))
def test_what_a_csv_writer_wrote_comes_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], delimiter: str
) -> None:
    frame = pd.DataFrame([(f"id{i}", *pair) for i, pair in enumerate(cells)], columns=["id", "left", "right"])
    path = tmp_path_factory.mktemp("round") / "trip.csv"
    frame.to_csv(path, index=False, sep=delimiter)
    read = read_table(path)
    assert read.findings == ()
    assert records(read) == frame.to_numpy().tolist()


def test_a_lone_carriage_return_ends_a_line_and_loses_no_record(tmp_path: Path) -> None:
    path = tmp_path / "accounts.csv"
    for head in (b"account_id,visits\r", b"account_id,visits\r\n"):
        path.write_bytes(head + b"A1,1\rA2,2\nA3,3\r\nA4,4\n")
        assert read_table(path).frame["account_id"].tolist() == ["A1", "A2", "A3", "A4"]
