"""Routing a batch of leads: reading, matching, who may take each, the fair split, and the ledger, in one call.

>>> router = Router.open("out/iowa", "sqlite:///ledger.db")     # doctest: +SKIP
>>> routed = router.route("leads.csv")                          # doctest: +SKIP
>>> print(routed)                                               # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine import __version__
from territory_engine.errors import BatchConflictError, PlanDirectoryError
from territory_engine.leads.decisions import Routing, decisions_of
from territory_engine.leads.levels import opening_levels
from territory_engine.leads.matching.known_accounts import AccountIndex
from territory_engine.leads.matching.matching import match
from territory_engine.leads.policy import Policy, load_policy
from territory_engine.leads.proof import proof_of
from territory_engine.leads.reading.columns import own_names
from territory_engine.leads.reading.loading import leads_of_frame, leads_of_records, read_leads
from territory_engine.leads.reps.capacity import remaining_capacity
from territory_engine.leads.reps.columns import refuse_formulas
from territory_engine.leads.reps.counting import counters_after
from territory_engine.leads.reps.roster import RosterSource
from territory_engine.leads.reps.standing import standings
from territory_engine.leads.splitting import split_batch
from territory_engine.leads.stored_tables import choices_table, roster_table, to_parquet
from territory_engine.leads.suitability.choices import Suitability
from territory_engine.leads.suitability.eligibility import rules_of
from territory_engine.leads.suitability.rule_columns import leads_for_rules, unread_columns
from territory_engine.leads.told_outcomes import outcomes_of_records
from territory_engine.leads.waiting import waiting_batch, waiting_now
from territory_engine.ledger import Ledger
from territory_engine.ledger.records import BatchRecord
from territory_engine.ledger.schema import HELD
from territory_engine.plan_directory import read_plan
from territory_engine.routed_batch import RoutedBatch

if TYPE_CHECKING:
    from territory_engine.leads.batch import Choices, LeadBatch, Roster
    from territory_engine.ledger.work import BatchWork
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

DEFAULT_LEDGER = "sqlite:///ledger.db"

Leads = str | Path | pd.DataFrame | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Assembly:
    """What is known of a batch before the ledger is asked: everything but where the reps stand."""

    batch: LeadBatch
    roster: Roster
    suitability: Suitability
    choices: Choices
    at: datetime


class Router:
    """A plan, a policy and a ledger, ready to route. Make one by :meth:`open`; several threads may share it.

    Attributes
    ----------
    policy : Policy
    ledger : Ledger
    plan_path : str
    plan_sha256 : str
        Of the plan's ``plan.json``.
    notices : tuple of str
        What there is to know about the reps.
    """

    def __init__(
        self,
        problem: PlanningProblem,
        plan: Plan,
        policy: Policy,
        ledger: Ledger,
        *,
        plan_path: str = "",
        plan_sha256: str = "",
        base_dir: Path | None = None,
        keep_tables: bool = True,
    ) -> None:
        self.policy = policy
        self.keep_tables = keep_tables
        self.ledger = ledger
        self.plan_path, self.plan_sha256 = plan_path, plan_sha256
        self._config = problem.config
        self._source = RosterSource.of(problem, plan, policy, base_dir or Path())
        refuse_formulas(self._source.frame.index)
        self._index = AccountIndex.of(problem, plan)
        self.notices = self._source.notices

    @classmethod
    def open(
        cls,
        plan: str | Path,
        ledger: str | Ledger = DEFAULT_LEDGER,
        policy: str | Path | Policy | None = None,
        *,
        lock_timeout_s: float = 900.0,
        base_dir: Path | None = None,
        keep_tables: bool = True,
    ) -> Router:
        """Open a plan directory and a ledger for routing.

        Parameters
        ----------
        plan : path
            A plan directory that holds a plan.
        ledger : str or Ledger
            An SQLAlchemy URL; the ledger is made if it is not there.
        policy : path or Policy, optional
            A policy file; every default where left out.
        lock_timeout_s : float
            How long a batch waits for others that are being routed.
        base_dir : path, optional
            Folder that the reps file of a `policy` that is no file starts from; by default the current one.
        keep_tables : bool
            Whether the ledger keeps each batch's roster and choices, which explanations and the audit need. Off for a
            ledger that is thrown away.

        Raises
        ------
        ConfigError, InputError
            The policy, or the file of reps that it names, is wrong; every finding is listed.
        PlanDirectoryError
            There is no readable plan in the directory.
        LedgerError
            The ledger cannot be opened.
        """
        folder = Path(plan)
        base_dir = base_dir or Path()
        if policy is None:
            policy = Policy()
        elif not isinstance(policy, Policy):
            base_dir = Path(policy).resolve().parent
            policy = load_policy(policy)
        problem, found = read_plan(folder)
        if found.status == "infeasible":
            raise PlanDirectoryError(
                f"{folder}: the plan is infeasible, so that no account has a rep. Remedy: mend it as plan.json says, plan"
                " again, and route by the new plan"
            )
        digest = hashlib.sha256((folder / "plan.json").read_bytes()).hexdigest()
        opened = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger, lock_timeout_s=lock_timeout_s)
        try:
            source = {"plan_path": str(plan), "plan_sha256": digest}
            return cls(problem, found, policy, opened, **source, base_dir=base_dir, keep_tables=keep_tables)
        except BaseException:
            if not isinstance(ledger, Ledger):
                opened.close()
            raise

    def close(self) -> None:
        """Give the ledger's connections back."""
        self.ledger.close()

    def __enter__(self) -> Router:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def route(self, leads: Leads, batch_id: str | None = None, *, at: datetime | None = None) -> RoutedBatch:
        """Route a batch, or return the stored answer where this very batch was routed before.

        Parameters
        ----------
        leads : path, DataFrame or sequence of mappings
            At least ``lead_id``.
        batch_id : str, optional
            By default the SHA-256 of the file, or of the leads' content.
        at : datetime, optional
            With a time zone: the moment the batch is routed for. By default now.

        Raises
        ------
        InputError
            The batch as a whole cannot be read: no lead IDs, or some twice. A lead with bad data is rejected instead.
        BatchConflictError
            The batch's ID was used for other leads.
        LedgerError
        """
        at = (at or datetime.now(UTC)).astimezone(UTC)
        batch, default_id = self._read(leads, at)
        try:
            return self.route_batch(batch, default_id if batch_id is None else batch_id, at=at)
        except BatchConflictError as error:
            if batch_id is not None or not isinstance(leads, str | Path):
                raise
            raise BatchConflictError(
                f"{leads}: this very file was routed before, and its leads were read otherwise then: by other columns or"
                " date_order of the policy, or by another version; nothing was routed. Remedy: route it by the policy of then"
                " for the same answer; leads that have no rep yet go as a new batch, with a --batch-id of their own"
            ) from error

    def route_batch(self, batch: LeadBatch, batch_id: str, *, at: datetime) -> RoutedBatch:
        """Route leads that were read before, as :meth:`route` does.

        Parameters
        ----------
        batch : LeadBatch
        batch_id : str
        at : datetime
            With a time zone.
        """
        stored = self.ledger.stored_batch(batch_id, batch.sha256)
        if stored is not None:
            return RoutedBatch.as_stored(stored)
        assembly = self.assemble(batch, at)
        return self.ledger.run(batch_id, batch.sha256, lambda work: self._decide(work, assembly, batch_id))

    def route_queue(self, batch_id: str | None = None, *, at: datetime | None = None) -> RoutedBatch:
        """Route the leads that wait in the ledger, by the plan and the policy of now.

        Parameters
        ----------
        batch_id : str, optional
            By default made of the moment and of who waits. Every lead that waits is in it; those for whom nothing has
            changed wait on.
        at : datetime, optional
            As for :meth:`route`.
        """
        at = (at or datetime.now(UTC)).astimezone(UTC)
        stored = None if batch_id is None else self.ledger.stored_batch(batch_id)
        if stored is not None:
            # Who waits has changed since: the batch is known by its ID alone.
            return RoutedBatch.as_stored(stored)
        batch = waiting_batch(self.ledger.queued())
        return self.route_batch(batch, batch_id or f"queue {at.isoformat()} {batch.sha256[:12]}", at=at)

    def _read(self, leads: Leads, at: datetime) -> tuple[LeadBatch, str]:
        # A batch routed for a moment in the past may hold what was created since: the file is read now.
        now = max(at, datetime.now(UTC))
        columns, order = self.policy.columns, self.policy.date_order
        if isinstance(leads, str | Path):
            batch = read_leads(leads, columns=columns, date_order=order, now=now)
            return batch, hashlib.sha256(Path(leads).read_bytes()).hexdigest()
        if isinstance(leads, pd.DataFrame):
            batch = leads_of_frame(leads, columns=columns, date_order=order, now=now)
        else:
            # A file's own names for its columns are not those of JSON, unless somebody sends them.
            sent = dict.fromkeys(str(name) for lead in leads for name in lead)
            named, _ = own_names(columns, list(sent), "leads")
            batch = leads_of_records(leads, columns=named, date_order=order, now=now)
        return batch, batch.sha256

    def lead(self, lead_id: str) -> dict[str, Any] | None:
        """Return why a lead went where it did, or None: see :func:`~territory_engine.leads.explaining.explanation.lead_record`."""
        from territory_engine.leads.explaining.explanation import lead_record

        return lead_record(self.ledger, lead_id)

    @property
    def lead_columns(self) -> tuple[str, ...]:
        """Columns of leads that the rules look at, of the policy or the plan."""
        rules = rules_of(self.policy, self._config, self._source.frame)
        named = [column for column, _ in rules] + [fit.column for fit in self.policy.fit]
        unit = self._config.contiguity.unit_id if self._config.contiguity is not None else None
        return tuple(dict.fromkeys([*named, *([unit] if unit else [])]))

    def reps(self, *, at: datetime | None = None) -> list[dict[str, Any]]:
        """Return where every rep stands, as a batch now (or `at`) would find them: see :func:`standings`."""
        at = (at or datetime.now(UTC)).astimezone(UTC)
        within_h = self.policy.hours.respond_within_h
        return standings(self._source.at(at), self.ledger.counters(), now=at, within_h=within_h)

    def queue(self, *, limit: int | None = None, offset: int = 0) -> dict[str, Any]:
        """Return who waits in the ledger, who has waited longest first: see :func:`waiting_now`."""
        return waiting_now(self.ledger, limit=limit, offset=offset)

    def outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Record what became of leads, all of it or nothing.

        Parameters
        ----------
        outcomes : sequence of mappings
            ``outcome_id``, ``lead_id``, ``kind``, ``at`` (a datetime with a zone, or ISO 8601 text with an offset), and
            perhaps ``value`` and ``note`` (dict).

        Returns
        -------
        list of dict
            ``outcome_id``, ``lead_id`` and ``result``: ``"recorded"`` or ``"known already"``.

        Raises
        ------
        InputError
            With every finding, each with ``file`` (``"outcomes[3]"``) and ``column`` (``"at"``).
        """
        told = outcomes_of_records(outcomes)
        results = told.record(self.ledger)
        return [
            {"outcome_id": one.outcome_id, "lead_id": one.lead_id, "result": result}
            for one, result in zip(told.outcomes, results, strict=True)
        ]

    def health(self) -> dict[str, Any]:
        """Return which plan leads are routed by, once the ledger has answered.

        Raises
        ------
        LedgerError
            It does not answer.
        """
        self.ledger.counters()
        return {"ledger": True, "plan_id": self.plan_sha256[:12]}

    def knows(self, leads: str | Path | None, batch_id: str | None = None) -> bool:
        """Whether a file of leads (None: the queue), under this ID, was routed before."""
        if batch_id is None:
            path = None if leads is None else Path(leads)
            batch_id = hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else ""
        return self.ledger.stored_batch(batch_id) is not None

    def roster(self, at: datetime) -> Roster:
        """Return the reps as they are at a moment."""
        return self._source.at(at)

    def suitability(self, batch: LeadBatch, at: datetime) -> Suitability:
        """Match a batch and put it beside the reps at a moment, without asking for every pair."""
        matches = match(batch, self._index, self.policy.matching)
        named = leads_for_rules(batch, self.policy, self._config, self._source.frame)
        return Suitability.of(named, matches, self.roster(at), self.policy, self._config, at)

    def assemble(self, batch: LeadBatch, at: datetime) -> Assembly:
        """Match a batch and find who may take each lead, at a moment; the ledger is not asked."""
        suitability = self.suitability(batch, at)
        return Assembly(suitability.batch, suitability.roster, suitability, suitability.choices(), at)

    def _decide(self, work: BatchWork, assembly: Assembly, batch_id: str) -> RoutedBatch:
        if work.stored is not None:
            return RoutedBatch.as_stored(work.stored)
        batch, roster = assembly.batch, assembly.roster
        states = work.states(batch.frame["lead_id"])
        already = {
            position: states[lead]
            for position, lead in enumerate(batch.frame["lead_id"])
            if lead in states and states[lead].state in HELD and position not in batch.rejected
        }
        choices = assembly.choices.without(np.array(sorted(already), np.int64))
        counters = work.counters
        levels = opening_levels(roster, counters)
        capacity = remaining_capacity(roster, counters)
        rep_ids = [str(rep) for rep in roster.frame.index]
        last_turn = counters["last_turn"].reindex(roster.frame.index).fillna(0).to_numpy(np.int64)
        worth = (batch.frame["score"] * batch.frame["value"].fillna(1.0)).fillna(0.0).to_numpy(np.float64)
        split = split_batch(choices, levels, capacity, last_turn, rep_ids, worth, self.policy)
        after = counters_after(roster, counters, levels, split, work.next_turn, self.policy.fair_share.catch_up)
        routing = Routing(assembly.suitability, choices, levels, split, counters, after, already)
        decisions = decisions_of(routing)
        number = {status: int((decisions["status"] == status).sum()) for status in ("assigned", "queued", "rejected")}
        unread = unread_columns(batch, self.policy, self.lead_columns)
        notices = (*work.notices_at(assembly.at), *batch.notices, *assembly.choices.notices)
        proof = proof_of(routing, (*notices, *([unread] if unread else [])))
        tables = (b"", b"")
        if self.keep_tables:
            known = roster_table(roster, counters, levels, capacity, split)
            tables = to_parquet(known), to_parquet(choices_table(choices, split))
        record = BatchRecord(
            batch_id=batch_id,
            content_sha256=batch.sha256,
            routed_at=assembly.at,
            plan_sha256=self.plan_sha256,
            plan_path=self.plan_path,
            engine_version=__version__,
            policy=self.policy.model_dump(mode="json", exclude_none=True),
            leads=len(batch),
            **number,
            proof=proof,
            roster=tables[0],
            choices=tables[1],
        )
        work.record(record, decisions, after)
        return RoutedBatch(batch_id, assembly.at, False, decisions, proof)
