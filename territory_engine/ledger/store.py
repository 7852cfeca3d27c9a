"""Opening a ledger, routing a batch under its lock, and asking it what it knows."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from territory_engine.errors import BatchConflictError, Finding, InputError, LedgerError, LedgerUnavailableError
from territory_engine.ledger import outcomes, queries, retention
from territory_engine.ledger.database import Database, parsed
from territory_engine.ledger.rows import text_problem
from territory_engine.ledger.schema import NEWEST
from territory_engine.ledger.upgrading import bring_up_to_date, newer
from territory_engine.ledger.work import BatchWork

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from territory_engine.ledger.outcomes import OutcomeResult
    from territory_engine.ledger.records import LeadState, Outcome, StoredBatch

_ATTEMPTS = 6
_FIRST_PAUSE_S = 0.05

Answer = TypeVar("Answer")


class Ledger:
    """A store of batches, decisions, rep counters and outcomes. Make one by :meth:`open`.

    May be used by several threads: each call takes a connection of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str, *, lock_timeout_s: float = 900.0, create: bool = True) -> Ledger:
        """Open a ledger, and make or upgrade its schema where that is needed.

        Parameters
        ----------
        url : str
            An SQLAlchemy URL: ``sqlite:///ledger.db`` or ``postgresql+psycopg://user@host/database``.
        lock_timeout_s : float
            How long a batch waits for other batches.
        create : bool
            Whether a ledger that is not there is made.

        Raises
        ------
        LedgerError
            If the address is wrong, the database cannot be reached or is none, or its schema is newer than this version.
        """
        database = Database(parsed(url), lock_timeout_s)
        try:
            bring_up_to_date(database, create=create)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def batch(self, batch_id: str, content_sha256: str) -> Iterator[BatchWork]:
        """Take the ledger's lock for a batch, in one transaction.

        What was recorded is committed at the end; without a record, or after any exception, nothing has happened.
        Other batches wait meanwhile; readers do not.

        Raises
        ------
        BatchConflictError
            If the batch's ID stands in the ledger with other content.
        LedgerUnavailableError
            If the lock did not come free in time, or the database went away: then nothing was recorded, or all of it
            was, which doing the same again finds out (:meth:`run` does).
        """
        _check_batch_id(batch_id)
        with self._writing() as (connection, next_turn, batch_no):
            row = queries.batch_row(connection, batch_id)
            work = BatchWork(
                connection,
                batch_id=batch_id,
                content_sha256=content_sha256,
                stored=None if row is None else self._as_stored(connection, row, content_sha256),
                next_turn=next_turn,
                batch_no=batch_no,
            )
            yield work
            if not work.recorded:
                connection.rollback()

    def run(self, batch_id: str, content_sha256: str, work: Callable[[BatchWork], Answer]) -> Answer:
        """Do the work of a batch under the lock, again from the start if the database failed in passing.

        Locked files, deadlocks, connections that broke and restarts of the server are tried again a few times over some
        seconds. Where a connection broke during the commit, nobody knows whether it took place: the next attempt finds
        the batch stored, or not. So `work` has to answer from ``BatchWork.stored`` where there is one.

        Parameters
        ----------
        batch_id, content_sha256 : str
        work : callable
            May be called several times; its answer is returned once it is committed.
        """

        def attempt() -> Answer:
            with self.batch(batch_id, content_sha256) as open_batch:
                return work(open_batch)

        return _persistently(attempt)

    def stored_batch(self, batch_id: str, content_sha256: str | None = None) -> StoredBatch | None:
        """Return a batch as it was recorded, or None. Takes no lock.

        Raises
        ------
        BatchConflictError
            If `content_sha256` is given and the batch has other content.
        """
        if text_problem(batch_id) is not None:
            return None
        with self._database.reading() as connection:
            row = queries.batch_row(connection, batch_id)
            return None if row is None else self._as_stored(connection, row, content_sha256)

    def decisions_of(self, lead_id: str) -> list[dict[str, Any]]:
        """Return every decision about a lead, newest last.

        Returns
        -------
        list of dict
            :data:`DECISION_COLUMNS`, ``batch_id``, ``routed_at``, and ``stands``: assigned, and not returned since.
        """
        with self._database.reading() as connection:
            return queries.decisions_of(connection, lead_id)

    def lead_states(self, lead_ids: Iterable[str]) -> dict[str, LeadState]:
        """Return where leads stand; leads that the ledger does not know are left out. Takes no lock."""
        with self._database.reading() as connection:
            return queries.lead_states(connection, queries.lead_rows(connection, lead_ids))

    def outcomes_of(self, lead_id: str) -> list[dict[str, Any]]:
        """Return what was told of a lead, oldest first: ``kind``, ``at`` and the ``rep_id`` who had it."""
        with self._database.reading() as connection:
            return queries.outcomes_of(connection, lead_id)

    def similar_leads(self, lead_id: str, limit: int = 200) -> list[str]:
        """Return IDs of known leads that look like one, at most a few hundred, in no order of likeness."""
        with self._database.reading() as connection:
            return queries.similar_leads(connection, lead_id, limit)

    def queue_length(self) -> int:
        """Return how many leads wait now."""
        with self._database.reading() as connection:
            return queries.queue_length(connection)

    def queued(self, limit: int | None = None, offset: int = 0) -> pd.DataFrame:
        """Return the leads that wait now, who has waited longest first; at most `limit` after the first `offset`.

        Returns
        -------
        DataFrame
            ``lead_id``, ``reason``, ``reason_code``, ``could_go_at`` (text), ``since`` (UTC), ``batch_id``, ``lead``
            (JSON).
        """
        with self._database.reading() as connection:
            return queries.queued(connection, limit, offset)

    def counters(self) -> pd.DataFrame:
        """Return every rep's counters: index ``rep_id``, :data:`COUNTER_COLUMNS`."""
        with self._database.reading() as connection:
            return queries.counters(connection)

    def batches(self) -> pd.DataFrame:
        """Return one row per batch, oldest first: IDs, moments, plan, how many leads went where."""
        with self._database.reading() as connection:
            return queries.batch_summaries(connection)

    def outcomes(self) -> pd.DataFrame:
        """Return every outcome that was told, oldest first; ``note`` is JSON."""
        with self._database.reading() as connection:
            return queries.told_outcomes(connection)

    def record_outcomes(self, told: Sequence[Outcome]) -> list[OutcomeResult]:
        """Record what became of leads: all of the outcomes, or none where one is wrong.

        Won, lost and returned leads are no longer open. A returned lead may be routed again, and gives its rep back the
        share that it was charged; leads per day and week stay counted. ``accepted`` and ``contacted`` may come after a
        lead was closed. An outcome told before, with the same content, changes nothing.

        Returns
        -------
        list of str
            For each, ``"recorded"`` or ``"known already"``.

        Raises
        ------
        InputError
            With every finding (``outcomes[3], column 'lead_id': …``); then nothing was recorded.
        """
        if not told:
            return []

        def attempt() -> list[OutcomeResult]:
            with self._writing() as (connection, _, _):
                return outcomes.record(connection, told)

        return _persistently(attempt)

    def check_outcomes(self, told: Sequence[Outcome]) -> tuple[Finding, ...]:
        """Return what :meth:`record_outcomes` would find wrong with outcomes, and record nothing."""

        def attempt() -> tuple[Finding, ...]:
            with self._writing() as (connection, _, _):
                try:
                    outcomes.record(connection, told)
                except InputError as error:
                    return error.findings
                finally:
                    connection.rollback()
            return ()

        return _persistently(attempt) if told else ()

    def forget(self, before: datetime) -> int:
        """Delete what old batches hold of leads and reps, and keep that they took place.

        Of batches routed before a moment, decisions, policy, proof, roster and choices are deleted, and the notes of
        outcomes told before it. What stays: each batch's ID, hash and counts, so that it is never routed again; where
        each lead stands, by ID, so that none is assigned twice; the reps' counters. Batches with a lead that is queued
        now are left as they are, because the lead could not be routed otherwise.

        Parameters
        ----------
        before : datetime
            With its time zone.

        Returns
        -------
        int
            How many batches were forgotten.
        """
        with self._writing() as (connection, _, _):
            return retention.forget(connection, before)

    @contextmanager
    def _writing(self) -> Iterator[tuple[Any, int, int]]:
        with self._database.writing() as connection:
            next_turn, batch_no, version = self._database.lock_head(connection)
            if version != NEWEST:
                raise newer(self._database, version)
            yield connection, next_turn, batch_no

    def _as_stored(self, connection: Any, row: Any, content_sha256: str | None) -> StoredBatch:
        if content_sha256 is not None and row.content_sha256 != content_sha256:
            raise BatchConflictError(
                f"the batch {row.batch_id!r} was recorded at {row.recorded_at:%Y-%m-%d %H:%M:%S} UTC with other content "
                f"(SHA-256 {row.content_sha256[:12]}…, now {content_sha256[:12]}…); nothing was routed. Remedy: give other "
                "leads another batch ID, or send the same leads again for the same answer"
            )
        if row.forgotten_at is not None:
            raise LedgerError(
                f"the batch {row.batch_id!r} was routed at {row.routed_at:%Y-%m-%d %H:%M:%S} UTC, and its decisions were "
                f"deleted at {row.forgotten_at:%Y-%m-%d %H:%M:%S} UTC; it is not routed again"
            )
        return queries.stored(connection, row)


def _persistently(attempt: Callable[[], Answer]) -> Answer:
    """Return what an attempt returns; where the database fails in passing, try again, each time after a longer pause."""
    pause_s = _FIRST_PAUSE_S
    for _ in range(_ATTEMPTS - 1):
        try:
            return attempt()
        except LedgerUnavailableError as error:
            if not error.transient:
                raise
        time.sleep(pause_s * random.uniform(0.5, 1.5))  # no result depends on it
        pause_s *= 2.5
    return attempt()


def _check_batch_id(batch_id: str) -> None:
    problem = ("is blank", "text") if not batch_id else text_problem(batch_id)
    if problem is None and re.search("[\x00-\x1f\x7f-\x9f]", batch_id):
        problem = "holds a control character", "text on one line"
    if problem is not None:
        raise InputError(
            Finding(f"the batch's ID {problem[0]}", column="batch_id", value=batch_id[:80], allowed=problem[1])
        )
