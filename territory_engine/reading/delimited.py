"""Delimited text as it really comes: any delimiter and encoding, titles above the header, broken quotes.

A fast reader does the work where the file is regular; where anything looks wrong, a careful one reads the same bytes
record by record and says which row is broken. Both return text only, so that leading zeros stay.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.errors import Finding, InputError
from territory_engine.grammar import counted
from territory_engine.reading.encoding import guess_encoding

if TYPE_CHECKING:
    from numpy.typing import NDArray

DELIMITERS = (",", ";", "\t", "|")
_NAMED = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_HEAD_CHARACTERS = 1 << 16
_LONGEST_RECORD_LINES = 200


@dataclass(frozen=True, eq=False)
class Delimited:
    """What a delimited file holds.

    Attributes
    ----------
    columns : list of str
        The header, stripped, in order; unique unless ``findings`` says otherwise.
    table : pyarrow.Table
        One text column per header, "" where blank. Rows that are broken are left out and listed in ``findings``.
    rows : ndarray of int64, shape (n_records,)
        Each record's row as a spreadsheet shows it; the first line of the file is row 1.
    delimiter : str
    findings : list of Finding
    notices : list of str
    """

    columns: list[str]
    table: Any
    rows: NDArray[np.int64]
    delimiter: str
    findings: list[Finding] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Layout:
    delimiter: str
    header: list[str]
    header_row: int
    body_line: int  # physical lines before the first record
    single_title: str


def read_delimited(content: bytes, file: str) -> Delimited:
    """Read delimited text.

    Parameters
    ----------
    content : bytes
        The file, uncompressed.
    file : str
        Its name, for the findings.

    Returns
    -------
    Delimited

    Raises
    ------
    InputError
        The file is empty or has no header.
    """
    findings: list[Finding] = []
    notices: list[str] = []
    text = _decode(content, file, findings, notices)
    if "\n" not in text and "\r" in text:
        text = text.replace("\r", "\n")
    text = text.rstrip("\r\n\x1a")
    if not text.strip():
        raise InputError([*findings, Finding("is empty", file=file, remedy="export it again, with its header row")])
    layout = _sniff(text, file)
    if layout.single_title:
        notices.append(f"{file}: the header was found in row {layout.header_row}, below {layout.single_title!r}.")
    columns, kept = _check_header(layout, file, findings)
    # pyarrow and the sniffing must mean the same by a line: a lone carriage return ends one, as in a spreadsheet.
    parsed = None if "\r" in text.replace("\r\n", "") else _read_fast(text, layout)
    if parsed is None:
        parsed = _read_carefully(text, layout, file, findings, notices)
    table, rows = parsed
    table = table.select(kept)
    empty = [i for i, name in enumerate(columns) if not name and _is_blank(table.column(i))]
    keep = [i for i in range(len(columns)) if i not in set(empty)]
    names = [columns[i] or f"column_{kept[i] + 1}" for i in keep]
    table = table.select(keep).rename_columns(names)
    table, rows = _drop_blank_records(table, rows)
    return Delimited(names, table, rows, layout.delimiter, findings, notices)


def _decode(content: bytes, file: str, findings: list[Finding], notices: list[str]) -> str:
    for mark, encoding in ((b"\xff\xfe\x00\x00", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError:
                break
    if b"\0" in content:
        for number, damaged in enumerate(content.split(b"\n"), start=1):
            if b"\0" in damaged:
                what = "contains NUL bytes, so the file is damaged or is not text"
                remedy = "export it again as CSV, UTF-8"
                findings.append(Finding(what, file=file, row=number, value=_excerpt(damaged), remedy=remedy))
        content = content.replace(b"\0", b"")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    encoding = guess_encoding(content)
    text = content.decode(encoding, errors="replace")
    for number, line in enumerate(text.split("\n"), start=1):
        if "\ufffd" in line:
            what = f"holds bytes that are neither UTF-8 nor {encoding}"
            findings.append(Finding(what, file=file, row=number, value=line[:80].strip(), remedy="save it as UTF-8"))
    example = re.search(r"\S*[^\x00-\x7f]\S*", text)
    notices.append(
        f"{file}: not UTF-8; read as {encoding}"
        + (f" (for example {example[0][:40]!r}; if that is wrong, save it as UTF-8)." if example else ".")
    )
    return text


def _excerpt(line: bytes) -> str:
    return line[:60].decode("ascii", errors="backslashreplace").strip()


_NEARLY_ALL = 0.9
"""Of the records, as wide as the header: then the header is what the delimiter is known by."""


def _sniff(text: str, file: str) -> _Layout:
    """Find the delimiter and the header: the delimiter that cuts most lines into the same number of fields."""
    head = text[:_HEAD_CHARACTERS]
    if len(head) < len(text):
        head = head[: head.rfind("\n") + 1] or head
    best: tuple[bool, float, str, int] = (False, 0.0, ",", 1)
    for delimiter in DELIMITERS:
        widths = [len(record) for record in _head_records(head, delimiter) if any(record)]
        counts = Counter(widths)
        width, frequency = max(counts.items(), key=lambda c: (c[1] * math.log(c[0]), c[0]), default=(1, 0))
        score = frequency / max(1, counts.total()) * math.log(width)
        # A list in a cell (a;b;c) has its own delimiter, which may cut the records into more fields than the file's. But
        # not the header.
        headed = bool(widths) and widths[0] == width and frequency >= _NEARLY_ALL * counts.total()
        if width > 1 and (headed, score) > (best[0], best[1] + (1e-9 if headed == best[0] else 0.0)):
            best = (headed, score, delimiter, width)
    _, _, delimiter, width = best
    wanted = 1 if width == 1 else max(2, math.ceil(width / 2))
    title = ""
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    row = 0
    try:
        for record in reader:
            row += 1
            if sum(bool(cell.strip()) for cell in record) >= wanted:
                return _Layout(delimiter, [c.strip() for c in record], row, reader.line_num, title)
            title = title or " ".join(c.strip() for c in record if c.strip())
    except csv.Error:
        pass
    what = "has no header: no row names columns"
    raise InputError(
        Finding(what, file=file, row=1, value=head[:60].strip(), remedy="name the columns in the first row")
    )


def _head_records(head: str, delimiter: str) -> list[list[str]]:
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
            records.append(record)
            if len(records) == 300:
                break
    except csv.Error:
        pass
    return records


def _check_header(layout: _Layout, file: str, findings: list[Finding]) -> tuple[list[str], list[int]]:
    """List duplicate names; return the columns that can be used and their positions."""
    places: dict[str, list[int]] = {}
    for position, name in enumerate(layout.header):
        if name:
            places.setdefault(name, []).append(position)
    repeated: set[int] = set()
    for name, positions in places.items():
        if len(positions) > 1:
            repeated.update(positions[1:])
            findings.append(
                Finding(
                    f"the header names {len(positions)} columns alike (columns {', '.join(str(p + 1) for p in positions)})",
                    file=file,
                    row=layout.header_row,
                    column=name,
                    allowed="each name once",
                    remedy="rename or delete all but one",
                )
            )
    kept = [i for i in range(len(layout.header)) if i not in repeated]
    return [layout.header[i] for i in kept], kept


def _read_fast(text: str, layout: _Layout) -> tuple[Any, NDArray[np.int64]] | None:
    """Read with pyarrow; None where the file has anything that needs care."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    if text.count('"') % 2:
        return None
    start = 0
    for _ in range(layout.body_line):
        start = text.find("\n", start) + 1
        if start == 0:
            return _text_table([], len(layout.header)), np.zeros(0, np.int64)
    body = text[start:].encode("utf-8", errors="surrogatepass") + b"\n"
    names = [str(i) for i in range(len(layout.header))]
    try:
        table = pacsv.read_csv(
            pa.BufferReader(body),
            read_options=pacsv.ReadOptions(column_names=names, block_size=1 << 23),
            parse_options=pacsv.ParseOptions(
                delimiter=layout.delimiter, newlines_in_values='"' in text, ignore_empty_lines=False
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != body.count(b"\n") and _any_swallowed(table, layout.delimiter):
        return None
    return table, np.arange(table.num_rows, dtype=np.int64) + layout.header_row + 1


class _TooLongError(Exception):
    """A quote stayed open over more lines than any real cell has."""


class _Lines:
    """Physical lines for one ``csv.reader``, which asks for more while a quote is open: runs are cut short here."""

    def __init__(self, lines: list[str], start: int) -> None:
        self._lines = lines
        self._next = start
        self.record_start = start

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._next >= len(self._lines):
            raise StopIteration
        if self._next - self.record_start > _LONGEST_RECORD_LINES:
            raise _TooLongError
        self._next += 1
        return self._lines[self._next - 1]


MOST_RAGGED = 10_000
"""Rows that do not fit the header, all listed; beyond, the file is no table, and listing it would fill the memory."""


def _read_carefully(
    text: str, layout: _Layout, file: str, findings: list[Finding], notices: list[str]
) -> tuple[Any, NDArray[np.int64]]:
    width = len(layout.header)
    lines = list(io.StringIO(text, newline=""))
    records: list[list[str]] = []
    rows: list[int] = []
    literal: list[int] = []
    ragged = 0
    row, start = layout.header_row, layout.body_line
    while start < len(lines):
        source = _Lines(lines, start)
        reader = csv.reader(source, delimiter=layout.delimiter)
        restart = None
        while restart is None:
            first = source.record_start
            record: list[str] | None
            try:
                record = next(reader)
                after = start + reader.line_num
            except StopIteration:
                break
            except (csv.Error, _TooLongError):
                record, after = None, first + 2
            source.record_start = after
            if record is None or (after - first > 1 and _swallowed(record, width, layout.delimiter)):
                # The opening quote is a plain character here: keep the line as it stands and go on after it.
                record = [c.strip() for c in lines[first].rstrip("\r\n").split(layout.delimiter)]
                restart = first + 1
                literal.append(row + 1)
            row += 1
            if not any(cell.strip() for cell in record):
                continue
            if len(record) > width and not any(c.strip() for c in record[width:]):
                record = record[:width]
            if len(record) != width:
                findings.append(_ragged(record, width, layout, file, row))
                ragged += 1
                if ragged == MOST_RAGGED:
                    what = (
                        f"reading ended here, after {MOST_RAGGED:,} rows with another number of cells than the header"
                    )
                    remedy = "check the delimiter, and where a quotation mark is never closed"
                    findings.append(Finding(what, file=file, row=row, remedy=remedy))
                    return _text_table(records, width), np.array(rows, dtype=np.int64)
                continue
            records.append(record)
            rows.append(row)
        if restart is None:
            break
        start = restart
    if literal:
        shown = ", ".join(map(str, literal[:5])) + (" …" if len(literal) > 5 else "")
        notices.append(
            f"{file}: quotation marks that are never closed were read as plain characters in {counted(len(literal), 'row')} ({shown})."
        )
    return _text_table(records, width), np.array(rows, dtype=np.int64)


def _swallowed(record: list[str], width: int, delimiter: str) -> bool:
    """Whether a record over several lines took in what were records of their own."""
    if len(record) != width:
        return True
    return any("\n" in cell and cell.count(delimiter) >= width - 1 for cell in record) if width > 1 else False


def _any_swallowed(table: Any, delimiter: str) -> bool:
    """Whether a quote that was never closed took in records: they show as a cell with line breaks and delimiters."""
    import pyarrow.compute as pc

    for column in table.columns:
        cells = column.filter(pc.match_substring(column, "\n")).to_pylist()
        if any(cell.count(delimiter) >= table.num_columns - 1 for cell in cells):
            return True
    return False


def _ragged(record: list[str], width: int, layout: _Layout, file: str, row: int) -> Finding:
    more = len(record) > width
    named = _NAMED[layout.delimiter]
    remedy = (
        f"put a value that contains {named} in double quotes"
        if more
        else f"check the quotation marks, and write {named} for each cell that is blank"
    )
    value = layout.delimiter.join(record)
    return Finding(
        f"has {counted(len(record), 'cell')} where the header has {width}",
        file=file,
        row=row,
        value=value if len(value) <= 100 else value[:97] + "…",
        allowed=counted(width, "cell"),
        remedy=remedy,
    )


def _text_table(records: list[list[str]], width: int) -> Any:
    import pyarrow as pa

    columns = list(zip(*records, strict=True)) if records else [()] * width
    return pa.table([pa.array(c, pa.string()) for c in columns], names=[str(i) for i in range(width)])


def _is_blank(column: Any) -> bool:
    import pyarrow.compute as pc

    return len(column) == 0 or bool(pc.all(pc.equal(pc.utf8_trim_whitespace(column), "")).as_py())


def _drop_blank_records(table: Any, rows: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64]]:
    """Leave out records with nothing in any cell: a spreadsheet writes them for formatted, empty rows."""
    import pyarrow.compute as pc

    blank = np.ones(table.num_rows, bool)
    for column in table.columns:
        blank &= pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy(zero_copy_only=False)
        if not blank.any():
            return table, rows
    return table.filter(~blank), rows[~blank]
