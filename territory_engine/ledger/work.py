"""One batch under the ledger's lock: what is there, and recording what was decided."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from territory_engine.errors import LedgerError
from territory_engine.ledger import queries
from territory_engine.ledger.records import COUNTER_COLUMNS, DECISION_COLUMNS
from territory_engine.ledger.rows import counter_rows, decision_columns, insert_many, json_text, moment_value
from territory_engine.ledger.schema import HELD, batches, decisions, head, in_utc, leads, reps

if TYPE_CHECKING:
    import pandas as pd

    from territory_engine.ledger.records import BatchRecord, LeadState, StoredBatch

_SAME_TIME = timedelta(minutes=15)
_RANK = {"rejected": 0, "queued": 1, "assigned": 2}
_LEAD_COLUMNS = ("lead_id", "state", "rep_id", "batch_no", "position", "since", "charged", "worth_charged")


class BatchWork:
    """What routing a batch needs of the ledger, read and written in one transaction under one lock.

    Attributes
    ----------
    batch_id, content_sha256 : str
    stored : StoredBatch or None
        The batch as it was recorded before: then it is to be answered as it stands, and nothing can be recorded.
    next_turn : int
        Number of the next assignment in the order of all assignments; from 1.
    """

    def __init__(
        self,
        connection: sa.Connection,
        *,
        batch_id: str,
        content_sha256: str,
        stored: StoredBatch | None,
        next_turn: int,
        batch_no: int,
    ) -> None:
        self.batch_id = batch_id
        self.content_sha256 = content_sha256
        self.stored = stored
        self.next_turn = next_turn
        self.recorded = False
        self._connection = connection
        self._batch_no = batch_no
        self._known: dict[str, Any] = {}  # rows of ledger_leads: nobody else can change them now
        self._asked: set[str] = set()

    @cached_property
    def counters(self) -> pd.DataFrame:
        """Every rep's counters: index ``rep_id``, :data:`COUNTER_COLUMNS`."""
        return queries.counters(self._connection)

    def notices_at(self, at: datetime) -> tuple[str, ...]:
        """Return what there is to know about routing for a moment: whether it is before the newest batch's.

        Batches that waited for each other's locks may be minutes apart in the wrong order; of that nothing is said.
        """
        newest = queries.newest_moment(self._connection)
        if newest is None or in_utc(at) >= newest - _SAME_TIME:
            return ()
        return (
            f"routed for {in_utc(at):%Y-%m-%d %H:%M} UTC, earlier than the last batch, routed for"
            f" {newest:%Y-%m-%d %H:%M} UTC: days and weeks counted since stay counted.",
        )

    def states(self, lead_ids: Iterable[str]) -> dict[str, LeadState]:
        """Return where these leads stand; leads that the ledger does not know are left out."""
        wanted = list(lead_ids)
        self._look_up(wanted)
        return queries.lead_states(self._connection, [self._known[one] for one in set(wanted) if one in self._known])

    def _look_up(self, lead_ids: list[str]) -> None:
        new = set(lead_ids) - self._asked
        self._asked |= new
        for row in queries.lead_rows(self._connection, (one for one in lead_ids if one in new)):
            self._known[row.lead_id] = row

    def record(self, batch: BatchRecord, decisions_made: pd.DataFrame, counters: pd.DataFrame) -> None:
        """Write the batch, its decisions, where its leads stand now, the counters and the next turn.

        Parameters
        ----------
        batch : BatchRecord
            Of the batch that this work was opened for.
        decisions_made : DataFrame
            With :data:`DECISION_COLUMNS`, one row per lead in input order. A rejected lead changes nothing about a lead
            that the ledger has assigned or queued; a lead queued again has been waiting since it was queued first.
        counters : DataFrame
            Index ``rep_id``, :data:`COUNTER_COLUMNS`, after the batch. Reps that are not in it stay as they are.

        Raises
        ------
        LedgerError
            If the batch is recorded already, or a lead would be assigned that is with a rep now.
        InputError
            If a text cannot be stored.
        ValueError
            If the tables are not what they should be, or do not fit together.
        """
        if self.stored is not None or self.recorded:
            raise LedgerError(f"the batch {self.batch_id!r} is recorded already")
        columns = decision_columns(decisions_made)
        counted = counter_rows(counters)
        self._check(batch, columns)
        self._refuse_second_assignment(columns)
        self._write_batch(batch)
        self._write_decisions(columns)
        self._write_leads(columns, batch.routed_at)
        self._write_counters(counted)
        last = max((row[1 + COUNTER_COLUMNS.index("last_turn")] for row in counted), default=0)
        self.next_turn = max(self.next_turn + batch.assigned, last + 1)
        self._connection.execute(sa.update(head).values(next_turn=self.next_turn, next_batch_no=self._batch_no + 1))
        self.recorded = True

    def _check(self, batch: BatchRecord, columns: dict[str, list[Any]]) -> None:
        if (batch.batch_id, batch.content_sha256) != (self.batch_id, self.content_sha256):
            raise ValueError(f"the lock was taken for the batch {self.batch_id!r}, not for {batch.batch_id!r}")
        in_utc(batch.routed_at)
        counted = [columns["status"].count(status) for status in ("assigned", "queued", "rejected")]
        if [batch.assigned, batch.queued, batch.rejected] != counted or batch.leads != sum(counted):
            raise ValueError(
                f"the batch says {batch.leads} leads, {batch.assigned} assigned, {batch.queued} queued and "
                f"{batch.rejected} rejected; its decisions are {len(columns['status'])}: {counted}"
            )
        if batch.leads != len(columns["status"]):
            raise ValueError("a decision has a status that is none")
        for lead_id, status, rep_id in zip(columns["lead_id"], columns["status"], columns["rep_id"], strict=True):
            if (status == "assigned") != bool(rep_id):
                raise ValueError(f"lead {lead_id!r} is {status}, and its rep is {rep_id!r}")
            if not lead_id and status != "rejected":
                raise ValueError(f"a lead without an ID is {status}; it can only be rejected")

    def _refuse_second_assignment(self, columns: dict[str, list[Any]]) -> None:
        self._look_up(columns["lead_id"])
        here: set[str] = set()
        for lead_id, status in zip(columns["lead_id"], columns["status"], strict=True):
            if status != "assigned":
                continue
            row = self._known.get(lead_id)
            if row is not None and row.state in HELD:
                raise LedgerError(
                    f"lead {lead_id!r} would be assigned twice: it is {row.state} with rep {row.rep_id!r} since batch "
                    f"{queries.lead_states(self._connection, [row])[lead_id].batch_id!r}; nothing was recorded"
                )
            if lead_id in here:
                raise LedgerError(f"lead {lead_id!r} would be assigned twice in one batch; nothing was recorded")
            here.add(lead_id)

    def _write_batch(self, batch: BatchRecord) -> None:
        self._connection.execute(
            sa.insert(batches).values(
                batch_no=self._batch_no,
                batch_id=batch.batch_id,
                content_sha256=batch.content_sha256,
                routed_at=batch.routed_at,
                recorded_at=datetime.now(UTC),
                plan_sha256=batch.plan_sha256,
                plan_path=batch.plan_path,
                engine_version=batch.engine_version,
                policy=json_text(batch.policy, "the policy"),
                leads=batch.leads,
                assigned=batch.assigned,
                queued=batch.queued,
                rejected=batch.rejected,
                proof=json_text(batch.proof, "the proof"),
                roster=batch.roster,
                choices=batch.choices,
            )
        )

    def _write_decisions(self, columns: dict[str, list[Any]]) -> None:
        count = len(columns["status"])
        stands = [status == "assigned" for status in columns["status"]]
        made = (columns[name] for name in DECISION_COLUMNS)
        rows = list(zip([self._batch_no] * count, *made, stands, strict=True))
        insert_many(self._connection, decisions, ("batch_no", *DECISION_COLUMNS, "stands"), rows)

    def _write_leads(self, columns: dict[str, list[Any]], routed_at: datetime) -> None:
        chosen: dict[str, int] = {}  # of a lead that is in the batch several times, the decision that counts
        status = columns["status"]
        for position, lead_id in enumerate(columns["lead_id"]):
            if lead_id and (lead_id not in chosen or _RANK[status[position]] > _RANK[status[chosen[lead_id]]]):
                chosen[lead_id] = position
        since = moment_value(self._connection, routed_at)
        new: list[tuple[Any, ...]] = []
        changed: list[dict[str, Any]] = []
        for lead_id, position in chosen.items():
            known = self._known.get(lead_id)
            state = status[position]
            if known is None:
                rep_id, charged, worth = (columns[name][position] for name in ("rep_id", "charged", "worth_charged"))
                new.append((lead_id, state, rep_id, self._batch_no, position, since, charged, worth))
            elif known.state not in HELD and not (state == "rejected" and known.state != "rejected"):
                changed.append(
                    {
                        "this_lead": lead_id,
                        "new_state": state,
                        "new_rep_id": columns["rep_id"][position],
                        "new_batch_no": self._batch_no,
                        "new_position": position,
                        "its_moment": routed_at,
                        "new_charged": columns["charged"][position],
                        "new_worth_charged": columns["worth_charged"][position],
                    }
                )
        insert_many(self._connection, leads, _LEAD_COLUMNS, new)
        if changed:
            names = ("state", "rep_id", "batch_no", "position", "charged", "worth_charged")
            waits_on = (leads.c.state == "queued") & (sa.bindparam("new_state") == "queued")
            moment = sa.bindparam("its_moment", type_=leads.c.since.type)
            change = (
                sa.update(leads)
                .where(leads.c.lead_id == sa.bindparam("this_lead"), *(leads.c.state != held for held in HELD))
                .values(
                    since=sa.case((waits_on, leads.c.since), else_=moment),
                    **{name: sa.bindparam(f"new_{name}") for name in names},
                )
            )
            self._connection.execute(change, changed)

    def _write_counters(self, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        names = ("rep_id", *COUNTER_COLUMNS)
        place = "?" if self._connection.dialect.name == "sqlite" else "%s"
        quote = self._connection.dialect.identifier_preparer.quote
        self._connection.exec_driver_sql(
            f"INSERT INTO {reps.name} ({', '.join(map(quote, names))}) VALUES ({', '.join([place] * len(names))}) "
            f"ON CONFLICT (rep_id) DO UPDATE SET "
            + ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in COUNTER_COLUMNS),
            rows,
        )
