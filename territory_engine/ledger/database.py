"""Connections to SQLite and PostgreSQL: addresses, transactions, the one lock, and what their errors mean."""

from __future__ import annotations

import importlib.util
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from territory_engine.errors import LedgerError, LedgerUnavailableError
from territory_engine.ledger.schema import VERSION_TABLE, head

_WRITING = "ledger_writing"  # execution option: the transaction takes the lock before anything else
_BUSY_MS = 10_000  # how long SQLite itself waits where our own waiting does not apply
_LONGEST_NAP_S = 0.02

_SHUT_OUT = {"08", "57"}  # classes of SQLSTATE: connection lost or never had; server shutting down or starting
_TRY_AGAIN = {"40001", "40P01", "25P03"}  # serialisation failure, deadlock, idle too long in a transaction
_LOCK_TIMEOUT = "55P03"
_NO_SPACE = "53100"
_SQLITE_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def parsed(url: str) -> sa.URL:
    """Return the address, checked as far as that is possible without connecting.

    Raises
    ------
    LedgerError
        If it is no SQLAlchemy URL, names another database, or its driver or folder is missing. Messages never hold the
        password.
    """
    allowed = "sqlite:///FILE.db or postgresql+psycopg://USER@HOST/DATABASE"
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        address = None
    if address is None:
        remedy = "" if "://" in url else f"; for a file write sqlite:///{url}"
        raise LedgerError(f"the ledger's address is no SQLAlchemy URL; allowed: {allowed}{remedy}")
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise LedgerError(f"a ledger cannot be kept in {address.drivername!r}; allowed: {allowed}")
    if address.get_backend_name() == "postgresql" and importlib.util.find_spec("psycopg") is None:
        raise LedgerError(
            "the PostgreSQL driver psycopg is not installed. Remedy: pip install 'psycopg[binary]', or keep the ledger "
            "in a file: sqlite:///ledger.db"
        )
    if address.get_backend_name() == "sqlite" and not _in_memory(address):
        _check_file(address)
    return address


def shown(address: sa.URL) -> str:
    """Return the address as messages may show it: no password, and no options, which may hold one."""
    return address.set(password=None, query={}).render_as_string()


def _in_memory(address: sa.URL) -> bool:
    return address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:")


def _check_file(address: sa.URL) -> None:
    name = str(address.database)
    if name.startswith("file:"):  # SQLite's own URIs: SQLite checks them
        return
    path = Path(name)
    if path.is_dir():
        raise LedgerError(f"the ledger {name} is a folder. Remedy: name a file in it, such as {path / 'ledger.db'}")
    if not path.parent.is_dir():
        raise LedgerError(f"the ledger {name} cannot be made: there is no folder {path.parent}. Remedy: make it first")


def file_is_missing(address: sa.URL) -> bool:
    """Tell whether opening would make a new SQLite file."""
    if address.get_backend_name() != "sqlite" or _in_memory(address):
        return False
    return not str(address.database).startswith("file:") and not Path(str(address.database)).exists()


class Database:
    """An engine with its way to begin a transaction, and to take the lock.

    Parameters
    ----------
    address : URL
    lock_timeout_s : float
        How long to wait for another writer.
    """

    def __init__(self, address: sa.URL, lock_timeout_s: float) -> None:
        self.address = address
        self.lock_timeout_s = lock_timeout_s
        self.is_sqlite = address.get_backend_name() == "sqlite"
        if self.is_sqlite:
            # One connection, where each would have a memory of its own.
            size: dict[str, Any] = {"pool_size": 1, "max_overflow": 0} if _in_memory(address) else {}
            self.engine = sa.create_engine(
                address, poolclass=QueuePool, connect_args={"check_same_thread": False}, hide_parameters=True, **size
            )
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", self._begin_sqlite)
        else:
            arguments = {"connect_timeout": "10", "application_name": "territory-engine", **address.query}
            self.engine = sa.create_engine(
                address,
                connect_args=arguments,
                pool_pre_ping=True,
                hide_parameters=True,
                isolation_level="READ COMMITTED",
            )

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection inside a transaction that sees one state of the ledger and takes no lock."""
        with self.explaining(), self.engine.connect() as plain:
            level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
            connection = plain.execution_options(**level)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection inside the one transaction that may write; committed at the end, or rolled back.

        PostgreSQL: the caller takes the lock by :meth:`lock_head`; SQLite: beginning takes it.
        """
        with self.explaining(), self.engine.connect() as plain:
            connection = plain.execution_options(**{_WRITING: True})
            with connection.begin():
                if not self.is_sqlite:
                    self._set_limits(connection)
                yield connection

    def lock_head(self, connection: sa.Connection) -> tuple[int, int, str]:
        """Take the writers' lock until the transaction ends.

        Returns
        -------
        next_turn, next_batch_no : int
        version : str
            Revision of the schema now: a newer program may have raised it since this one opened the ledger.
        """
        query = sa.select(head.c.next_turn, head.c.next_batch_no).with_for_update()
        row = connection.execute(query).one()  # SQLite has no FOR UPDATE and needs none
        version = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar_one()
        return int(row.next_turn), int(row.next_batch_no), str(version)

    def _set_limits(self, connection: sa.Connection) -> None:
        limit_ms = str(max(1, int(self.lock_timeout_s * 1000)))
        connection.execute(
            sa.text(
                "SELECT set_config('lock_timeout', :limit, true), set_config('statement_timeout', '0', true), "
                "set_config('idle_in_transaction_session_timeout', :limit, true)"
            ),
            {"limit": limit_ms},
        )

    def _begin_sqlite(self, connection: sa.Connection) -> None:
        if not connection.get_execution_options().get(_WRITING):
            connection.exec_driver_sql("BEGIN")
            return
        deadline = time.monotonic() + self.lock_timeout_s
        nap_s = 0.001
        raw = _driver_connection(connection)
        raw.execute("PRAGMA busy_timeout = 0")  # waiting here, not in C: Ctrl-C works, and naps are short
        try:
            while True:
                try:
                    raw.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if not _is_locked(error):
                        raise
                    if time.monotonic() >= deadline:
                        raise self._locked() from error
                    time.sleep(nap_s * random.uniform(0.5, 1.5))  # no result depends on it
                    nap_s = min(_LONGEST_NAP_S, nap_s * 1.5)
                else:
                    return
        finally:
            raw.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")

    def _locked(self) -> LedgerUnavailableError:
        return LedgerUnavailableError(
            f"the ledger {shown(self.address)} has been locked by another process for {self.lock_timeout_s:g} s. "
            "Remedy: wait for it to finish, or end it; nothing was recorded"
        )

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn what SQLAlchemy and the drivers raise into a :class:`LedgerError`."""
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            raise self.explained(error) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] == "psycopg":  # not imported where SQLite is used
                raise self.explained(error) from error
            raise

    def explained(self, error: Exception) -> LedgerError:
        """Return what an error of the database means for the ledger."""
        cause = getattr(error, "orig", None) or error
        name = shown(self.address)
        said = self._without_password((str(cause).strip().splitlines() or [type(cause).__name__])[0])
        if isinstance(cause, sqlite3.Error):
            return self._explained_sqlite(cause, name, said)
        state = getattr(cause, "sqlstate", None) or ""
        lost = bool(getattr(error, "connection_invalidated", False)) or (
            not state and any(kind.__name__ == "OperationalError" for kind in type(cause).__mro__)
        )
        if state == _LOCK_TIMEOUT:
            return self._locked()
        if state in _TRY_AGAIN or state[:2] in _SHUT_OUT or lost:
            return LedgerUnavailableError(
                f"the ledger {name} cannot be reached: {said}. Remedy: see that the server runs and the address is "
                "right, then do the same again: what was recorded is not repeated",
                transient=True,
            )
        if isinstance(error, sa.exc.TimeoutError):
            return LedgerUnavailableError(f"the ledger {name} has no free connection: {said}")
        if state.startswith("53"):
            remedy = "make room on its disk" if state == _NO_SPACE else "see the server's log"
            return LedgerUnavailableError(f"the ledger {name} has no room left: {said}. Remedy: {remedy}")
        if state in ("42501", "25006"):
            return LedgerError(f"the ledger {name} may not be written by this user: {said}")
        return LedgerError(f"the ledger {name} answered with an error: {said}")

    def _explained_sqlite(self, cause: sqlite3.Error, name: str, said: str) -> LedgerError:
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code in _SQLITE_LOCKED:
            return LedgerUnavailableError(
                f"the ledger {name} is locked by another process: {said}. Remedy: try again", transient=True
            )
        if code == sqlite3.SQLITE_NOTADB:
            return LedgerError(
                f"{self.address.database} is no SQLite database. Remedy: name another file; a new one is made"
            )
        if code == sqlite3.SQLITE_CORRUPT:
            return LedgerError(f"the ledger {name} is damaged: {said}. Remedy: restore a backup")
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CANTOPEN):
            return LedgerError(
                f"the ledger {name} cannot be opened for writing: {said}. Remedy: see the rights of the file and its "
                "folder; both must be writable"
            )
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return LedgerUnavailableError(f"the ledger {name} could not be written: {said}. Remedy: make room")
        return LedgerError(f"the ledger {name} answered with an error: {said}")

    def _without_password(self, text: str) -> str:
        given = [self.address.password, *(self.address.query.get(key) for key in ("password", "sslpassword"))]
        for secret in given:
            if secret:
                text = text.replace(str(secret), "***")
        return text


def _prepare_sqlite(raw: Any, _record: Any) -> None:
    raw.isolation_level = None  # transactions begin where we say, not where the driver guesses
    raw.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    raw.execute("PRAGMA foreign_keys = ON")
    raw.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut


def _driver_connection(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


def _is_locked(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_LOCKED
