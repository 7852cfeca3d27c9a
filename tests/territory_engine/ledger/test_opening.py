"""Opening a ledger: addresses, schemas, and what goes wrong."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import alembic.command
import pytest
import sqlalchemy as sa
import typer

from territory_engine.app.exit_codes import BAD_INPUT, answering
from territory_engine.errors import LedgerError, LedgerUnavailableError
from territory_engine.ledger import Ledger, database, upgrading
from territory_engine.ledger.schema import HELD, NEWEST, STATES, metadata
from tests.territory_engine.ledger.made_batches import decision_table, record

SECRET = "s3cret!"
ROOT = Path(__file__).resolve().parents[3]


# --- the schema -------------------------------------------------------------------------------------------------------


def _where(index: Any) -> str:
    options = index.get("dialect_options", {})
    return " ".join(str(value) for key, value in options.items() if key.endswith("_where"))


def described(engine: sa.Engine) -> dict[str, object]:
    """Return everything that a database tells of its tables."""
    inspector = sa.inspect(engine)
    described: dict[str, object] = {}
    for table in inspector.get_table_names():
        if table == "ledger_version":
            continue
        described[table] = {
            "columns": [
                (column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)
            ],
            "primary key": inspector.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(str(one) for one in inspector.get_unique_constraints(table)),
            "indexes": sorted(
                (str(one["name"]), one["column_names"], one["unique"], _where(one))
                for one in inspector.get_indexes(table)
            ),
            "checks": sorted((str(one["name"]), one["sqltext"]) for one in inspector.get_check_constraints(table)),
            "foreign keys": [str(one) for one in inspector.get_foreign_keys(table)],
        }
    return described


def test_the_revisions_build_what_the_tables_say(ledger: Ledger) -> None:
    built = described(ledger._database.engine)
    with ledger._database.engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    assert described(ledger._database.engine) == built
    assert set(built) == set(metadata.tables)


def test_the_newest_revision_is_the_last_one_shipped() -> None:
    assert upgrading.known_revisions()[0] == NEWEST
    assert set(HELD) < set(STATES)


def test_opening_again_keeps_what_is_there_and_does_not_run_alembic(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open(url) as ledger:
        record(ledger, "b1", decision_table(["a"], ["R1"]))
    monkeypatch.setattr(upgrading, "upgrade", lambda *_: pytest.fail("there is nothing to upgrade"))
    with Ledger.open(url, create=False) as ledger:
        assert len(ledger.batches()) == 1


def test_an_older_schema_is_upgraded_with_what_it_holds(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(url) as ledger:
        record(ledger, "b1", decision_table(["a"], ["R1"]))
    future = tmp_path / "migrations"
    (future / "versions").mkdir(parents=True)
    (future / "env.py").write_text((upgrading.MIGRATIONS / "env.py").read_text())
    for revision in (upgrading.MIGRATIONS / "versions").glob("v*.py"):
        (future / "versions" / revision.name).write_text(revision.read_text())
    (future / "versions" / "v9999_next.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = '9999'\ndown_revision = '{NEWEST}'\n"
        "def upgrade():\n    op.add_column('ledger_reps', sa.Column('team', sa.Text))\n"
    )
    with Ledger.open(url) as running:
        with monkeypatch.context() as newer_engine:
            newer_engine.setattr(upgrading, "MIGRATIONS", future)
            newer_engine.setattr(upgrading, "NEWEST", "9999")
            with Ledger.open(url) as ledger:
                assert len(ledger.batches()) == 1
                names = {column["name"] for column in sa.inspect(ledger._database.engine).get_columns("ledger_reps")}
                assert "team" in names
        with pytest.raises(LedgerError, match="has schema 9999"), running.batch("b2", "s"):
            pytest.fail("a program from before the upgrade must not write")
    with pytest.raises(LedgerError, match=rf"has schema 9999.*up to {NEWEST}.*[Uu]pgrade territory-engine"):
        Ledger.open(url)


def test_an_upgrade_that_fails_leaves_nothing_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        whole(*arguments)  # type: ignore[arg-type]  # passed on as they came
        raise KeyboardInterrupt

    whole = alembic.command.upgrade
    with monkeypatch.context() as broken:
        broken.setattr(alembic.command, "upgrade", fail)
        with pytest.raises(KeyboardInterrupt):
            Ledger.open(url)
    engine = sa.create_engine(url)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    Ledger.open(url).close()


def test_an_installed_wheel_makes_a_ledger(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    zipfile.ZipFile(next(tmp_path.glob("*.whl"))).extractall(tmp_path / "100% installed")
    code = (
        "import territory_engine.ledger as ledger; assert 'installed' in ledger.__file__\n"
        f"ledger.Ledger.open('sqlite:///ledger.db').close(); print({NEWEST!r})"
    )
    environment = {"PYTHONPATH": str(tmp_path / "100% installed"), "PATH": ""}
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert made.stdout.strip() == NEWEST, made.stderr


def test_naming_the_package_does_not_import_sqlalchemy() -> None:
    code = (
        "import sys, territory_engine.ledger, territory_engine.ledger.records\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'psycopg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ledger.db", r"no SQLAlchemy URL.*write sqlite:///ledger\.db"),
        ("", "no SQLAlchemy URL"),
        (f"postgresql+psycopg://me:{SECRET}@host:port/db", "no SQLAlchemy URL"),
        (f"mysql://me:{SECRET}@host/db", "cannot be kept in 'mysql'.*sqlite:///FILE.db or postgresql"),
        (f"postgresql+asyncpg://me:{SECRET}@host/db", "cannot be kept in 'postgresql.asyncpg'"),
        ("sqlite:///no/such/folder/ledger.db", "there is no folder no/such/folder"),
        ("sqlite:////tmp", "is a folder"),
        (f"postgresql://me:{SECRET}@127.0.0.1:9/db", "cannot be reached.*Remedy: see that the server runs"),
        (f"postgresql://127.0.0.1:9/db?user=me&password={SECRET}", "cannot be reached"),
        (f"postgresql://me@127.0.0.1:9/db?nonsense={SECRET}", "nonsense"),
    ],
)
def test_a_wrong_address_is_answered_with_what_to_do_and_without_the_password(address: str, message: str) -> None:
    with pytest.raises(LedgerError, match=message) as told:
        Ledger.open(address)
    chain: BaseException | None = told.value
    while chain is not None:
        assert SECRET not in str(chain)
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(LedgerError, match=r"psycopg is not installed.*pip install"):
        Ledger.open("postgresql+psycopg://host/db")


@pytest.mark.postgresql
def test_a_database_or_user_that_is_not_there_is_named(postgresql_url: str) -> None:
    with pytest.raises(LedgerUnavailableError, match='database "no_such_database" does not exist'):
        Ledger.open(postgresql_url.rpartition("/")[0] + "/no_such_database")


@pytest.mark.postgresql
def test_two_ledgers_live_in_two_schemas_of_one_database(postgresql_url: str) -> None:
    engine = sa.create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA east")
        connection.exec_driver_sql("CREATE SCHEMA west")
    engine.dispose()
    addresses = [f"{postgresql_url}?options=-csearch_path%3D{schema}" for schema in ("east", "west")]
    with Ledger.open(addresses[0]) as east, Ledger.open(addresses[1]) as west:
        record(east, "b1", decision_table(["a"], ["R1"]))
        with east.batch("b2", "s"), west.batch("b2", "s") as work:
            assert work.next_turn == 1
        assert (len(east.batches()), len(west.batches())) == (1, 0)


@pytest.mark.postgresql
def test_tables_of_another_program_with_our_names_are_left_alone(postgresql_url: str) -> None:
    engine = sa.create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE ledger_batches (amount int)")
        connection.exec_driver_sql("CREATE TABLE customers (name text)")
    engine.dispose()
    with pytest.raises(LedgerError, match=r"ledger_batches.*schema of its own"):
        Ledger.open(postgresql_url)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("lead_id,company\n" * 100)
    with pytest.raises(LedgerError, match=r"leads\.csv is no SQLite database.*name another file"):
        Ledger.open(f"sqlite:///{file}")
    assert file.read_text() == "lead_id,company\n" * 100


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "counties.gpkg"
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE gpkg_contents (x)")
    other.close()
    before = file.read_bytes()
    with pytest.raises(LedgerError, match="database of another program: it has tables such as 'gpkg_contents'"):
        Ledger.open(f"sqlite:///{file}")
    assert file.read_bytes() == before


def test_a_ledger_that_is_only_to_be_read_is_not_made(url: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"there is no ledger at .*see the address"):
        Ledger.open(url, create=False)
    assert not (tmp_path / "ledger.db").exists()


def test_writing_without_a_wait_in_c_keeps_readers_free(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger, ledger.batch("b1", "s"):
        assert ledger.counters().empty
        plain = sqlite3.connect(tmp_path / "ledger.db")
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        plain.close()


def test_a_ledger_that_cannot_be_opened_is_bad_input_to_the_command_line() -> None:
    with pytest.raises(typer.Exit) as left, answering():
        Ledger.open("ledger.db")
    assert left.value.exit_code == BAD_INPUT
