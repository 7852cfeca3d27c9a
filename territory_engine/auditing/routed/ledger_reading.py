"""The ledger, read with plain queries that cannot write: nothing here knows how it was written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from territory_engine.auditing.routed.stored_batch import StoredBatch
from territory_engine.errors import LedgerError

if TYPE_CHECKING:
    import sqlalchemy as sa

_MOMENTS = ("routed_at", "recorded_at", "forgotten_at", "at", "since")
_ALLOWED = "sqlite:///FILE.db or postgresql+psycopg://USER@HOST/DATABASE"


@contextmanager
def opened(url: str) -> Iterator[LedgerReader]:
    """Yield a reader of one state of a ledger.

    Raises
    ------
    LedgerError
        The address is none, there is no ledger, or it cannot be read. Messages never hold the password.
    """
    import sqlalchemy as sa

    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise LedgerError(f"the ledger's address is no SQLAlchemy URL; allowed: {_ALLOWED}") from None
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    shown = address.set(password=None, query={}).render_as_string()
    is_sqlite = address.get_backend_name() == "sqlite"
    if is_sqlite and not (str(address.database).startswith("file:") or Path(str(address.database)).is_file()):
        raise LedgerError(f"there is no ledger at {shown}. Remedy: see the address; routing a batch makes a ledger")
    try:
        engine = sa.create_engine(address)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise LedgerError(f"the ledger {shown} cannot be opened: {error}; allowed: {_ALLOWED}") from error
    try:
        with engine.connect() as plain:
            if is_sqlite:
                connection = plain
                connection.exec_driver_sql("PRAGMA query_only = ON")
                connection.exec_driver_sql("BEGIN")
            else:
                connection = plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield LedgerReader(connection, shown)
    except sa.exc.SQLAlchemyError as error:
        said = (str(getattr(error, "orig", None) or error).strip().splitlines() or [""])[0]
        said = said.replace(str(address.password), "***") if address.password else said
        raise LedgerError(f"the ledger {shown} cannot be read: {said}") from error
    finally:
        engine.dispose()


class LedgerReader:
    """Reads a ledger's tables.

    Attributes
    ----------
    shown : str
        The address without its password.
    """

    def __init__(self, connection: sa.Connection, shown: str) -> None:
        self.shown = shown
        self._connection = connection
        import sqlalchemy as sa

        if not sa.inspect(connection).has_table("ledger_batches"):
            raise LedgerError(f"there is no ledger in {shown}. Remedy: see the address; routing a batch makes a ledger")

    def rows(self, query: str, **values: Any) -> pd.DataFrame:
        """Return what a query finds; columns of moments in UTC."""
        import sqlalchemy as sa

        found = self._connection.execute(sa.text(query), values)
        names = list(found.keys())
        columns = list(zip(*found.all(), strict=True)) or [()] * len(names)
        data = {}
        for name, cells in zip(names, columns, strict=True):
            read = self._moments(name, cells) if name in _MOMENTS else list(cells)
            data[name] = pd.Series(read, dtype=object)
        return pd.DataFrame(data)

    def _moments(self, name: str, cells: Sequence[Any]) -> list[datetime | None]:
        try:
            return [_moment(cell) for cell in cells]
        except (ValueError, OverflowError) as error:
            raise LedgerError(f"the ledger {self.shown} cannot be read: {name} is no moment ({error})") from error

    def batches(self) -> pd.DataFrame:
        """Return one row per batch in their order, without what is large."""
        return self.rows(
            "SELECT batch_no, batch_id, routed_at, recorded_at, plan_sha256, leads, assigned, queued, rejected,"
            " forgotten_at, policy FROM ledger_batches ORDER BY batch_no"
        )

    def decisions(self) -> pd.DataFrame:
        """Return every decision, in the order in which they were made, without what is large."""
        return self.rows(
            "SELECT batch_no, position, lead_id, status, rep_id, charged, worth_charged, stands FROM ledger_decisions"
            " ORDER BY batch_no, position"
        )

    def outcomes(self) -> pd.DataFrame:
        """Return every outcome, in the order in which they were recorded."""
        return self.rows(
            "SELECT outcome_id, lead_id, kind, rep_id, batch_no, recorded_at FROM ledger_outcomes"
            " ORDER BY recorded_at, outcome_id"
        )

    def leads(self) -> pd.DataFrame:
        """Return where every lead stands."""
        return self.rows("SELECT lead_id, state, rep_id, batch_no, position, charged, worth_charged FROM ledger_leads")

    def counters(self) -> pd.DataFrame:
        """Return every rep's counters, index ``rep_id``."""
        return self.rows("SELECT * FROM ledger_reps").set_index("rep_id")

    def head(self) -> tuple[int, int]:
        """Return the numbers of the next assignment and of the next batch."""
        row = self.rows("SELECT next_turn, next_batch_no FROM ledger_head").iloc[0]
        return int(row["next_turn"]), int(row["next_batch_no"])

    def roster(self, number: int) -> pd.DataFrame:
        """Return the roster of a batch."""
        found = self.rows("SELECT roster FROM ledger_batches WHERE batch_no = :number", number=number)
        return _table(found["roster"].iloc[0])

    def batch(self, number: int) -> StoredBatch:
        """Return a batch with its decisions.

        Raises
        ------
        ValueError
            What is stored is not JSON, or not Parquet.
        """
        row = self.rows("SELECT * FROM ledger_batches WHERE batch_no = :number", number=number).iloc[0]
        decisions = self.rows(
            "SELECT * FROM ledger_decisions WHERE batch_no = :number ORDER BY position", number=number
        )
        for name in ("position", "preference", "charged", "worth_charged"):
            decisions[name] = decisions[name].astype("int64")
        for name in ("expected_value", "travel_km", "fair_share_before", "fair_share_after"):
            decisions[name] = decisions[name].astype("float64")
        return StoredBatch(
            number=number,
            batch_id=str(row["batch_id"]),
            routed_at=row["routed_at"],
            recorded_at=row["recorded_at"],
            plan_sha256=str(row["plan_sha256"]),
            policy=json.loads(row["policy"]),
            proof=json.loads(row["proof"]),
            told={name: int(row[name]) for name in ("leads", "assigned", "queued", "rejected")},
            reps=_table(row["roster"]),
            pairs=_table(row["choices"]),
            decisions=decisions,
        )


def listed_rows(table: pd.DataFrame) -> list[Any]:
    """Return the rows of a table as named tuples."""
    return list(table.itertuples(index=False))


def _moment(cell: Any) -> datetime | None:
    if cell is None:
        return None
    read = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _table(content: Any) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(bytes(content)))
