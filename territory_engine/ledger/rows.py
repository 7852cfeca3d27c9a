"""Tables of decisions and counters as rows of the database, and back; writing many rows at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from territory_engine.errors import Finding, InputError
from territory_engine.ledger.records import COUNTER_COLUMNS, DECISION_COLUMNS
from territory_engine.ledger.schema import LONGEST_ID, in_utc

if TYPE_CHECKING:
    import sqlalchemy as sa

_FLOATS = ("expected_value", "travel_km", "fair_share_before", "fair_share_after")
_INTEGERS = ("position", "preference", "charged", "worth_charged")
_IDS = ("lead_id", "rep_id", "territory_id", "match_account_id")
_COUNTER_TEXTS = ("day", "week")


def text_problem(text: str, *, longest: int | None = LONGEST_ID) -> tuple[str, str] | None:
    """Return why a text cannot be stored, and what is allowed; None if it can.

    Parameters
    ----------
    text : str
    longest : int, optional
        In characters; None: any length.
    """
    if "\x00" in text:
        return "holds the character NUL", "text without NUL, which PostgreSQL cannot store"
    if longest is not None and len(text) > longest:
        return f"has {len(text):,} characters", f"at most {longest} characters"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)", "text that UTF-8 can write"
    return None


def storable(ids: Iterable[str]) -> list[str]:
    """Return the different IDs that could be in a ledger at all."""
    return [one for one in dict.fromkeys(ids) if text_problem(one) is None]


def json_text(value: Any, what: str) -> str:
    """Return a value as JSON.

    Raises
    ------
    ValueError
        If JSON cannot hold it (NaN and infinity included).
    """
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} is not what JSON can hold: {error}") from error


def decision_columns(decisions: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the columns of a batch's decisions as lists of Python values, checked; NaN becomes None.

    Raises
    ------
    InputError
        If a text cannot be stored, with every such text.
    ValueError
        If columns are missing, or hold what they should not.
    """
    missing = [name for name in DECISION_COLUMNS if name not in decisions.columns]
    if missing:
        raise ValueError(f"the decisions lack the columns {missing}")
    columns: dict[str, list[Any]] = {}
    findings: list[Finding] = []
    for name in DECISION_COLUMNS:
        series = decisions[name]
        if name in _FLOATS:
            numbers = series.astype("float64").tolist()
            columns[name] = [None if math.isnan(number) else number for number in numbers]
        elif name in _INTEGERS:
            columns[name] = series.astype("int64").tolist()
        else:
            columns[name] = series.tolist()
            findings += _text_findings(name, columns[name])
    if findings:
        raise InputError(findings)
    if columns["position"] != list(range(len(decisions))):
        raise ValueError("the decisions' positions are not 0, 1, 2, … in order")
    return columns


def _text_findings(name: str, texts: list[Any]) -> list[Finding]:
    try:
        joined = "".join(texts)
    except TypeError as error:
        raise ValueError(f"the decisions' column {name!r} holds what is no text: {error}") from error
    longest = LONGEST_ID if name in _IDS else None
    suspicious = text_problem(joined, longest=None) is not None
    if not suspicious and (longest is None or max(map(len, texts), default=0) <= longest):
        return []
    return [
        Finding(f"{name} of lead {at} {problem[0]}", column=name, value=text[:80], allowed=problem[1])
        for at, text in enumerate(texts)
        if (problem := text_problem(text, longest=longest)) is not None
    ]


def decision_frame(rows: Sequence[Any]) -> pd.DataFrame:
    """Return rows with :data:`DECISION_COLUMNS` as the table they were."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(DECISION_COLUMNS)
    data: dict[str, Any] = {}
    for name, values in zip(DECISION_COLUMNS, columns, strict=True):
        kind = "float64" if name in _FLOATS else "int64" if name in _INTEGERS else None
        data[name] = pd.Series(list(values), dtype=kind) if kind else pd.Series(list(values), dtype="object")
    return pd.DataFrame(data)


def decision_record(row: Sequence[Any]) -> dict[str, Any]:
    """Return one row with :data:`DECISION_COLUMNS` as a record; what is unknown is NaN, as in the table."""
    record = dict(zip(DECISION_COLUMNS, row, strict=True))
    record.update({name: math.nan for name in _FLOATS if record[name] is None})
    return record


def counter_rows(counters: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return counters as rows of ``rep_id`` and :data:`COUNTER_COLUMNS`.

    Raises
    ------
    InputError
        If a rep's ID cannot be stored.
    ValueError
        If columns are missing, or a rep is there twice.
    """
    missing = [name for name in COUNTER_COLUMNS if name not in counters.columns]
    if missing:
        raise ValueError(f"the counters lack the columns {missing}")
    if counters.index.has_duplicates:
        raise ValueError("a rep is in the counters twice")
    ids = [str(rep_id) for rep_id in counters.index]
    findings = [
        Finding(f"the rep's ID {problem[0]}", column="rep_id", value=one[:80], allowed=problem[1])
        for one in ids
        if (problem := text_problem(one)) is not None
    ]
    if findings:
        raise InputError(findings)
    columns: list[list[Any]] = []
    for name in COUNTER_COLUMNS:
        if name in _COUNTER_TEXTS:
            columns.append(["" if pd.isna(value) else str(value) for value in counters[name]])
        else:
            columns.append(counters[name].astype("bool" if name == "away" else "int64").tolist())
    return list(zip(ids, *columns, strict=True))


def counter_frame(rows: Sequence[Any]) -> pd.DataFrame:
    """Return rows of ``rep_id`` and :data:`COUNTER_COLUMNS` as a table, index ``rep_id``, sorted by it."""
    ordered = sorted(rows, key=lambda row: str(row[0]))  # databases sort text in their own ways
    columns = list(zip(*ordered, strict=True)) if ordered else [()] * (1 + len(COUNTER_COLUMNS))
    index = pd.Index(list(columns[0]), dtype="object", name="rep_id")
    data: dict[str, Any] = {}
    for name, values in zip(COUNTER_COLUMNS, columns[1:], strict=True):
        kind = "object" if name in _COUNTER_TEXTS else "bool" if name == "away" else "int64"
        data[name] = pd.Series(list(values), dtype=kind, index=index)
    return pd.DataFrame(data, index=index)


def moment_value(connection: sa.Connection, moment: datetime) -> Any:
    """Return a moment as the driver takes it, in the form that :class:`UtcMoment` reads."""
    utc = in_utc(moment)
    return utc.strftime("%Y-%m-%d %H:%M:%S.%f") if connection.dialect.name == "sqlite" else utc


def insert_many(connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    """Insert rows past SQLAlchemy's own handling of each value: several times faster.

    PostgreSQL takes them by COPY, SQLite by one statement prepared once. Values must be what the drivers take.
    """
    if not rows:
        return
    columns = ", ".join(connection.dialect.identifier_preparer.quote(name) for name in names)
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(names))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({columns}) VALUES ({places})", rows)
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
