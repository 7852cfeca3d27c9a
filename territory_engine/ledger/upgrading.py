"""Making the schema, and bringing an older one to the newest revision, by Alembic and under a lock."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from territory_engine.errors import LedgerError
from territory_engine.ledger.database import Database, file_is_missing, shown
from territory_engine.ledger.schema import NEWEST, VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 0x7E77_1ED6  # PostgreSQL's advisory lock for the time before there is a row to lock
_WAIT_FOR_JOURNAL_S = 2.0


def bring_up_to_date(database: Database, *, create: bool) -> None:
    """Make or upgrade the schema if it is not at the newest revision. A schema that is costs one query.

    Several processes may do this at once: the first one does the work and the others wait.

    Parameters
    ----------
    database : Database
    create : bool
        Whether a ledger that is not there is made.

    Raises
    ------
    LedgerError
        If there is none and none is to be made, the file belongs to another program, or the schema is newer than this
        version of the engine.
    """
    if not create and file_is_missing(database.address):
        raise _no_ledger(database)
    with database.reading() as connection:
        found = revision(connection)
    if found == NEWEST:
        return
    if found is None and not create:
        raise _no_ledger(database)
    if database.is_sqlite and found is None:
        _write_ahead(database)
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        found = revision(connection)
        if found == NEWEST:
            return
        if found is None:
            _refuse_foreign_tables(database, connection)
        else:
            if found not in known_revisions():
                raise newer(database, found)
            database.lock_head(connection)
        upgrade(connection)


def revision(connection: sa.Connection) -> str | None:
    """Return the schema's revision, or None where there is no ledger yet."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
    return None if found is None else str(found)


def newer(database: Database, found: str) -> LedgerError:
    """Return the refusal of a schema that this version does not know."""
    return LedgerError(
        f"the ledger {shown(database.address)} has schema {found}, and this version of territory-engine knows schemas up "
        f"to {NEWEST}. Remedy: upgrade territory-engine to the version that upgraded the ledger"
    )


def upgrade(connection: sa.Connection, target: str = "head") -> None:
    """Run the revisions that are missing, in the transaction of the connection."""
    from alembic import command

    configuration = _alembic()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, target)


def known_revisions() -> list[str]:
    """Return the revisions that this version ships, newest first."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()]


def _alembic() -> Config:
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return configuration


def _no_ledger(database: Database) -> LedgerError:
    return LedgerError(
        f"there is no ledger at {shown(database.address)}. Remedy: see the address; routing a batch makes a ledger"
    )


def _refuse_foreign_tables(database: Database, connection: sa.Connection) -> None:
    tables = sa.inspect(connection).get_table_names()
    if database.is_sqlite and tables:
        raise LedgerError(
            f"{database.address.database} is the database of another program: it has tables such as {tables[0]!r}. "
            "Remedy: name another file; a new one is made"
        )
    ours = sorted(name for name in tables if name.startswith("ledger_"))
    if ours:
        raise LedgerError(
            f"{shown(database.address)} has tables named as the ledger's ({', '.join(ours)}) that are none. Remedy: give "
            "the ledger a schema of its own: …/DATABASE?options=-csearch_path%3DSCHEMA"
        )


def _write_ahead(database: Database) -> None:
    """Let readers of a new file not wait for the writer. Where the file system cannot do it, both wait: also correct."""
    deadline = time.monotonic() + _WAIT_FOR_JOURNAL_S
    with database.explaining():
        raw = database.engine.raw_connection()
        try:
            if raw.driver_connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):  # type: ignore[union-attr]  # open
                return
            while time.monotonic() < deadline:
                try:
                    raw.driver_connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[union-attr]  # open
                except sqlite3.OperationalError:
                    time.sleep(0.01)
                else:
                    return
        finally:
            raw.close()
