"""Tables from files: CSV (plain or gzip), Excel workbooks and Parquet, recognised by content, not by name.

Text stays text: an ID keeps its leading zeros, and each record knows its row as a spreadsheet shows it.
"""

from __future__ import annotations

import datetime as dt
import difflib
import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import Finding, InputError
from territory_engine.reading.delimited import read_delimited

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.reading.numeric import Style


@dataclass(frozen=True, eq=False)
class Table:
    """A table as read, before any column has a meaning.

    Attributes
    ----------
    file : str
        The name that findings carry.
    frame : DataFrame, RangeIndex
        The file's own column names. Text everywhere ("" where blank), except that Parquet and frames keep numbers.
    rows : ndarray of int64, shape (n_records,)
        Each record's row as a spreadsheet shows it (the header is row 1, or lower where a title stands above it).
    sha256 : str
        Of the file's bytes.
    decimal_comma : bool
        Whether ``1,5`` may be a number: not in a file whose delimiter is the comma.
    style : Style or None
        How the file's numbers are written, where that is known already; None: it is seen from the columns.
    findings : tuple of Finding
        Records that could not be read; they are not in ``frame``.
    notices : tuple of str
    """

    file: str
    frame: pd.DataFrame
    rows: NDArray[np.int64]
    sha256: str
    decimal_comma: bool = False
    findings: tuple[Finding, ...] = ()
    notices: tuple[str, ...] = ()
    style: Style | None = None


def read_table(path: str | Path, name: str | None = None) -> Table:
    """Read a CSV, XLSX or Parquet file.

    Parameters
    ----------
    path : str or Path
    name : str, optional
        What findings call the file; by default ``path`` as given.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        The file is missing, empty, damaged or of another kind.
    """
    path = Path(path)
    file = name or str(path)
    content = _read_bytes(path, file)
    digest = hashlib.sha256(content).hexdigest()
    if not content:
        raise InputError(Finding("is empty", file=file, remedy="export it again, with its header row"))
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            finding = Finding(f"is a damaged gzip file: {error}", file=file, remedy="compress or download it again")
            raise InputError(finding) from None
    if content.startswith(b"PAR1"):
        return _read_parquet(content, file, digest)
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _read_workbook(content, file, digest)
    read = read_delimited(content, file)
    return Table(
        file=file,
        frame=read.table.to_pandas(),
        rows=read.rows,
        sha256=digest,
        decimal_comma=read.delimiter != ",",
        findings=tuple(read.findings),
        notices=tuple(read.notices),
    )


def table_of_frame(frame: pd.DataFrame, name: str) -> Table:
    """Take a DataFrame as if it were a file called ``name``; its first record is row 2.

    A named index becomes a column. The frame itself is not changed.
    """
    named = frame.index.names if frame.index.nlevels > 1 else [frame.index.name]
    frame = frame.reset_index() if all(n is not None for n in named) else frame.reset_index(drop=True)
    columns = [str(c) for c in frame.columns]
    repeated = sorted({c for c in columns if columns.count(c) > 1})
    if repeated:
        raise InputError([Finding("the frame has several columns of this name", file=name, column=c) for c in repeated])
    frame.columns = pd.Index(columns)
    digest = hashlib.sha256("\x1f".join(columns).encode())
    digest.update(pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy().tobytes())
    return Table(name, _plain(frame), np.arange(len(frame), dtype=np.int64) + 2, digest.hexdigest())


def _read_bytes(path: Path, file: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        siblings = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "paths in the configuration start from its own folder"
        raise InputError(Finding(f"no such file ({path})", file=file, remedy=remedy)) from None
    except IsADirectoryError:
        raise InputError(Finding("is a folder, not a file", file=file)) from None
    except OSError as error:
        raise InputError(Finding(f"cannot be read: {error.strerror}", file=file)) from None


def _read_parquet(content: bytes, file: str, digest: str) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise InputError(Finding(f"is not a readable Parquet file: {error}", file=file)) from None
    repeated = sorted({c for c in table.column_names if table.column_names.count(c) > 1})
    if repeated:
        raise InputError([Finding("the file has several columns of this name", file=file, column=c) for c in repeated])
    for position, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(position, column.name, table.column(position).cast(column.type.value_type))
        elif pa.types.is_decimal(column.type):
            table = table.set_column(position, column.name, table.column(position).cast(pa.float64()))
    frame = _plain(table.to_pandas(ignore_metadata=True))
    return Table(file, frame, np.arange(len(frame), dtype=np.int64) + 2, digest)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with numbers as float64 or int64 and everything else as text, "" where blank."""
    columns: dict[str, Any] = {}
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(column.cat.categories.dtype)
        if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
            plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu"
            columns[name] = column if plain else column.to_numpy(dtype=np.float64, na_value=np.nan)
        elif isinstance(column.dtype, pd.StringDtype):
            columns[name] = column.fillna("").astype(str)
        else:
            columns[name] = pd.Series([_as_text(v) for v in column], index=frame.index, dtype=str)
    return pd.DataFrame(columns, index=frame.index)


def _as_text(value: Any) -> str:
    """Return a cell as the text a planner would have typed; "" for a blank."""
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float | np.floating) and float(value).is_integer() and abs(float(value)) < 1e15:
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time() and value.tzinfo is None:
        return value.date().isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value)


def _read_workbook(content: bytes, file: str, digest: str) -> Table:
    """Read the first sheet that has anything in it."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}
    except (CalamineError, OSError, ValueError) as error:
        what = f"is not a readable Excel workbook: {error}"
        finding = Finding(what, file=file, remedy="remove its password, or save it as .xlsx or CSV")
        raise InputError(finding) from None
    filled = [name for name, cells in sheets.items() if any(_filled(record) for record in cells)]
    if not filled:
        raise InputError(Finding("is empty: no sheet has a cell", file=file))
    notices = []
    if len(filled) > 1:
        others = ", ".join(repr(n) for n in filled[1:])
        notices.append(f"{file}: sheet {filled[0]!r} was read; not read: {others}.")
    cells = [[_as_text(v) for v in record] for record in sheets[filled[0]]]
    return _table_of_cells(cells, file, digest, notices)


def _filled(record: list[Any]) -> int:
    return sum(v is not None and v != "" for v in record)


def _table_of_cells(cells: list[list[str]], file: str, digest: str, notices: list[str]) -> Table:
    """Find the header in a sheet's cells: the first row at least half as full as the fullest near the top."""
    fullest = max(_filled(record) for record in cells[:100])
    wanted = 1 if fullest == 1 else max(2, -(-fullest // 2))
    top = next((i for i, record in enumerate(cells) if _filled(record) >= wanted), 0)
    if any(_filled(record) for record in cells[:top]):
        notices.append(f"{file}: the header was found in row {top + 1}, below a title.")
    header = [name.strip() for name in cells[top]]
    findings = [
        Finding(
            f"the header names {header.count(name)} columns alike",
            file=file,
            row=top + 1,
            column=name,
            allowed="each name once",
            remedy="rename or delete all but one",
        )
        for name in dict.fromkeys(header)
        if name and header.count(name) > 1
    ]
    kept = [(top + 2 + i, record) for i, record in enumerate(cells[top + 1 :]) if _filled(record)]
    columns: dict[str, list[str]] = {}
    for position, name in enumerate(header):
        values = [record[position] for _, record in kept]
        if name or any(values):
            columns.setdefault(name or f"column_{position + 1}", values)
    frame = pd.DataFrame({name: pd.Series(values, dtype=str) for name, values in columns.items()})
    rows = np.array([row for row, _ in kept], dtype=np.int64)
    # A workbook's numbers come without any separator; only numbers typed as text can have one, of either kind.
    return Table(file, frame, rows, digest, True, tuple(findings), tuple(notices))
