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

from solvers.fair_split.problem import LEVEL_UNIT
from territory_engine import __version__
from territory_engine.errors import Finding, InputError, PlanDirectoryError
from territory_engine.leads.decisions import Routing, decisions_of
from territory_engine.leads.levels import opening_levels
from territory_engine.leads.matching.known_accounts import AccountIndex
from territory_engine.leads.matching.matching import match
from territory_engine.leads.policy import Policy, load_policy
from territory_engine.leads.reading.loading import leads_of_frame, leads_of_records, read_leads
from territory_engine.leads.reps.capacity import remaining_capacity
from territory_engine.leads.reps.roster import RosterSource
from territory_engine.leads.reps.standing import standings
from territory_engine.leads.splitting import split_batch, tie_order
from territory_engine.leads.stored_tables import choices_table, roster_table, to_parquet
from territory_engine.leads.suitability.choices import Suitability
from territory_engine.leads.suitability.eligibility import rules_of
from territory_engine.leads.told_outcomes import outcomes_of_records
from territory_engine.leads.waiting import waiting_batch, waiting_now
from territory_engine.ledger import Ledger
from territory_engine.ledger.records import COUNTER_COLUMNS, BatchRecord
from territory_engine.plan_directory import read_plan
from territory_engine.routed_batch import RoutedBatch

if TYPE_CHECKING:
    from territory_engine.leads.batch import Choices, LeadBatch, Roster
    from territory_engine.leads.levels import Levels
    from territory_engine.leads.splitting import BatchSplit
    from territory_engine.ledger.records import StoredBatch
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
        _refuse_formulas(self._source.frame.index)
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
        return self.route_batch(batch, default_id if batch_id is None else batch_id, at=at)

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
            return routed_before(stored)
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
            return routed_before(stored)
        batch = waiting_batch(self.ledger.queued())
        return self.route_batch(batch, batch_id or f"queue {at.isoformat()} {batch.sha256[:12]}", at=at)

    def _read(self, leads: Leads, at: datetime) -> tuple[LeadBatch, str]:
        # A batch routed for a moment in the past may hold what was created since: the file is read now.
        now = max(at, datetime.now(UTC))
        columns = self.policy.columns
        if isinstance(leads, str | Path):
            batch = read_leads(leads, columns=columns, now=now)
            return batch, hashlib.sha256(Path(leads).read_bytes()).hexdigest()
        if isinstance(leads, pd.DataFrame):
            batch = leads_of_frame(leads, columns=columns, now=now)
        else:
            # A file's own names for its columns are not those of JSON, unless somebody sends them.
            sent = {name for lead in leads for name in lead}
            named = {column: own for column, own in columns.items() if own in sent}
            batch = leads_of_records(leads, columns=named, now=now)
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
        counters, catch_up = self.ledger.counters(), self.policy.fair_share.catch_up
        return standings(self._source.at(at), counters, catch_up, now=at, within_h=self.policy.hours.respond_within_h)

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
        return Suitability.of(
            batch, match(batch, self._index, self.policy.matching), self.roster(at), self.policy, self._config, at
        )

    def assemble(self, batch: LeadBatch, at: datetime) -> Assembly:
        """Match a batch and find who may take each lead, at a moment; the ledger is not asked."""
        suitability = self.suitability(batch, at)
        return Assembly(batch, suitability.roster, suitability, suitability.choices(), at)

    def _decide(self, work: BatchWork, assembly: Assembly, batch_id: str) -> RoutedBatch:
        if work.stored is not None:
            return routed_before(work.stored)
        batch, roster = assembly.batch, assembly.roster
        states = work.states(batch.frame["lead_id"])
        already = {
            position: states[lead]
            for position, lead in enumerate(batch.frame["lead_id"])
            if lead in states and states[lead].state in ("assigned", "won", "lost") and position not in batch.rejected
        }
        choices = without_leads(assembly.choices, np.array(sorted(already), np.int64))
        counters = work.counters
        levels = opening_levels(roster, counters, self.policy.fair_share.catch_up)
        capacity = remaining_capacity(roster, counters)
        rep_ids = [str(rep) for rep in roster.frame.index]
        last_turn = counters["last_turn"].reindex(roster.frame.index).fillna(0).to_numpy(np.int64)
        worth = (batch.frame["score"] * batch.frame["value"].fillna(1.0)).fillna(0.0).to_numpy(np.float64)
        split = split_batch(choices, levels, capacity, last_turn, rep_ids, worth, self.policy)
        after = counters_after(roster, counters, levels, split, work.next_turn)
        routing = Routing(assembly.suitability, choices, levels, split, counters, after, already)
        decisions = decisions_of(routing)
        order = tie_order(last_turn, rep_ids, self.policy.seed)
        number = {status: int((decisions["status"] == status).sum()) for status in ("assigned", "queued", "rejected")}
        proof = proof_of(routing, (*work.notices_at(assembly.at), *batch.notices, *assembly.choices.notices))
        tables = (b"", b"")
        if self.keep_tables:
            known = roster_table(roster, counters, levels, capacity, order, split)
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


def routed_before(stored: StoredBatch) -> RoutedBatch:
    """Return a stored batch as the answer to a retry."""
    return RoutedBatch(stored.record.batch_id, stored.record.routed_at, True, stored.decisions, stored.record.proof)


def without_leads(choices: Choices, leads: np.ndarray[Any, np.dtype[np.int64]]) -> Choices:
    """Return the choices without any pair of these leads."""
    if not len(leads):
        return choices
    import dataclasses

    sizes = np.diff(choices.lead_start)
    kept = np.repeat(~np.isin(np.arange(len(sizes)), leads), sizes)
    sizes[leads] = 0
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    arrays = {name: getattr(choices, name)[kept] for name in ("rep", "rank", "value", "travel_km")}
    return dataclasses.replace(choices, lead_start=start, **arrays)


def counters_after(
    roster: Roster, counters: pd.DataFrame, levels: Levels, split: BatchSplit, next_turn: int
) -> pd.DataFrame:
    """Return the counters of every rep who is present or was known, as they are once the batch is assigned."""
    index = roster.frame.index
    known = index.isin(counters.index)
    before = counters.reindex(index)
    charged = np.bincount(split.rep[split.counted], minlength=len(index)) * levels.step
    worth = np.zeros(len(index), np.int64)
    np.add.at(worth, split.rep[split.counted], split.worth[split.counted])
    turn = np.zeros(len(index), np.int64)
    there = split.rep[split.rep >= 0]
    turn[there] = next_turn + np.arange(len(there))
    day = _rolled(before, "day", roster.local_day)
    week = _rolled(before, "week", roster.local_week)
    after = pd.DataFrame(
        {
            "level": levels.level + charged,
            "worth_level": levels.worth_level + worth * levels.step,
            "open_leads": before["open_leads"].fillna(0).astype(np.int64) + split.count,
            "day": day[0],
            "day_leads": day[1] + split.count,
            "week": week[0],
            "week_leads": week[1] + split.count,
            "away": ~levels.present,
            "last_turn": np.maximum(turn, before["last_turn"].fillna(0).astype(np.int64)),
        },
        index=index,
    )
    return after.loc[known | levels.present, list(COUNTER_COLUMNS)]


def _rolled(before: pd.DataFrame, span: str, now: Any) -> tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the day (or week) that each rep's count is of, and the count so far: none of a day that is over."""
    told = before[span].to_list()
    counts = before[f"{span}_leads"].fillna(0).astype(np.int64).to_numpy()
    still = np.array([isinstance(t, str) and t >= n for t, n in zip(told, now, strict=True)], bool)
    spans = [str(t) if same else str(n) for t, n, same in zip(told, now, still, strict=True)]
    return spans, np.where(still, counts, 0)


def proof_of(routing: Routing, notices: tuple[str, ...]) -> dict[str, Any]:
    """Return what is proved of a batch's split, and what it takes to check it beside the tables; types that JSON knows."""
    fair = routing.suitability.policy.fair_share
    parts = []
    for part in routing.split.parts:
        split = part.split
        parts.append(
            {
                "name": part.name,
                "leads": len(part.leads),
                "assigned": split.assigned,
                "rank_sum": split.rank_sum,
                "fairness_cost": split.fairness_cost,
                "fairest_cost": split.fairest_cost,
                "value_sum": split.value_sum,
                "fairest_value": split.fairest_value,
                "unassigned_rank": split.unassigned_rank,
                "unassigned_price": int(split.rank_price[-1]),
                "proved": list(split.exact),
                "seconds": {name: round(seconds, 4) for name, seconds in split.seconds.items()},
            }
        )
    return {
        "parts": parts,
        "objective": fair.objective,
        "then": fair.then,
        "slack": fair.fairness_slack,
        "value_unit": routing.split.value_unit,
        "level_unit": LEVEL_UNIT,
        "fair_level": routing.levels.fair_level,
        "fair_worth_level": routing.levels.fair_worth_level,
        "rules": [[demand.column, demand.reps_column] for demand in routing.suitability.demands],
        "truncated": routing.choices.truncated,
        "notices": list(notices),
    }


def _refuse_formulas(rep_ids: pd.Index[Any]) -> None:
    """Refuse rep IDs that a spreadsheet would run: they stand in every file of answers."""
    wrong = [str(rep) for rep in rep_ids if str(rep)[:1] in ("=", "+", "-", "@", "\t")]
    if wrong:
        raise InputError(
            Finding(
                "a spreadsheet would run this rep ID as a formula", column="rep_id", value=rep, remedy="rename the rep"
            )
            for rep in wrong
        )
