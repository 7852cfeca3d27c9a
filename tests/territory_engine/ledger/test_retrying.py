"""Failures in passing: what is tried again, and what is found out before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from territory_engine.errors import LedgerError, LedgerUnavailableError
from territory_engine.ledger import BatchWork, Ledger, store
from tests.territory_engine.ledger.made_batches import batch_record, counters_after, decision_table, faults

MADE = decision_table(["a", "b"], ["R1", "R2"])


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_FIRST_PAUSE_S", 0.001)


def writing(before: Callable[[BatchWork], None]) -> tuple[Callable[[BatchWork], str], list[str]]:
    """Return the work of a batch that something happens to, and what its calls found."""
    calls: list[str] = []

    def work(open_batch: BatchWork) -> str:
        calls.append("stored" if open_batch.stored else "new")
        if open_batch.stored is None:
            open_batch.record(batch_record("b1", MADE), MADE, counters_after(open_batch, MADE))
        before(open_batch)
        return calls[-1]

    return work, calls


def end_session(work: BatchWork, ledger: Ledger) -> None:
    """End the session of a batch at the server, as an administrator or a restart would."""
    number = work._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with ledger._database.engine.connect() as other:
        other.execute(sa.text("SELECT pg_terminate_backend(:number, 5000)"), {"number": number})


@pytest.mark.postgresql
def test_a_connection_that_breaks_before_the_commit_is_replaced_and_the_batch_done_again(postgresql_url: str) -> None:
    with Ledger.open(postgresql_url) as ledger:
        work, calls = writing(lambda batch: end_session(batch, ledger) if len(calls) == 1 else None)
        assert ledger.run("b1", "0" * 64, work) == "new"
        assert calls == ["new", "new"]
        assert faults(ledger) == []


@pytest.mark.postgresql
def test_a_connection_that_breaks_while_committing_is_followed_by_looking(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(postgresql_url) as ledger:
        commit = ledger._database.engine.dialect.do_commit
        lost: list[int] = []

        def commit_and_lose_the_answer(connection: object) -> None:
            commit(connection)  # type: ignore[arg-type]  # passed on as it came
            if calls and not lost:
                lost.append(1)
                import psycopg

                raise psycopg.OperationalError("server closed the connection unexpectedly")

        work, calls = writing(lambda _: None)
        monkeypatch.setattr(ledger._database.engine.dialect, "do_commit", commit_and_lose_the_answer)
        assert ledger.run("b1", "0" * 64, work) == "stored"
        assert calls == ["new", "stored"]
        assert faults(ledger) == []


@pytest.mark.postgresql
@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_serialisation_failure_or_deadlock_is_tried_again(postgresql_url: str, state: str) -> None:
    def fail_once(batch: BatchWork) -> None:
        if len(calls) == 1:
            batch._connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")

    with Ledger.open(postgresql_url) as ledger:
        work, calls = writing(fail_once)
        assert ledger.run("b1", "0" * 64, work) == "new"
        assert calls == ["new", "new"]
        assert faults(ledger) == []


def test_a_locked_file_is_tried_again_a_bounded_number_of_times() -> None:
    def fail(_: BatchWork) -> None:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    with Ledger.open("sqlite://") as ledger:
        work, calls = writing(fail)
        with pytest.raises(LedgerUnavailableError, match="locked by another process"):
            ledger.run("b1", "0" * 64, work)
        assert calls == ["new"] * store._ATTEMPTS
        assert ledger.batches().empty


@pytest.mark.parametrize("error", [LedgerError("no"), ValueError("no"), LedgerUnavailableError("waited long enough")])
def test_what_will_not_pass_is_not_tried_again(error: Exception) -> None:
    def fail(_: BatchWork) -> None:
        raise error

    with Ledger.open("sqlite://") as ledger:
        work, calls = writing(fail)
        with pytest.raises(type(error)):
            ledger.run("b1", "0" * 64, work)
        assert calls == ["new"]
