"""Audit a routed batch from the ledger, or the whole ledger: start reading here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.auditing.audit import AuditReport
from territory_engine.auditing.checks import Check
from territory_engine.auditing.routed.bookkeeping import (
    check_assignments,
    check_leads,
    check_shares,
    check_told_values,
)
from territory_engine.auditing.routed.eligibility import check_pairs, check_ranks, check_rules, check_values
from territory_engine.auditing.routed.ledger_reading import LedgerReader, listed_rows, opened
from territory_engine.auditing.routed.lines import check_matches, lines_of
from territory_engine.auditing.routed.reasons import check_reasons
from territory_engine.auditing.routed.replay import check_ledger
from territory_engine.auditing.routed.split_parts import check_split
from territory_engine.auditing.routed.standing import check_standing, moment_text
from territory_engine.auditing.routed.stored_plan import RoutingPlan
from territory_engine.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from territory_engine.auditing.routed.stored_batch import StoredBatch


@dataclass(frozen=True)
class LedgerAudit:
    """What an audit of a ledger found.

    Attributes
    ----------
    ledger : AuditReport
        Of the ledger as a whole.
    batches : tuple of AuditReport
        Of each batch, in their order.
    """

    ledger: AuditReport
    batches: tuple[AuditReport, ...]

    @property
    def reports(self) -> tuple[AuditReport, ...]:
        """All of them, the ledger's first."""
        return (self.ledger, *self.batches)

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(report.passed for report in self.reports)

    def summary(self) -> str:
        """Return the verdicts; every check of a single batch, and of several what does not hold."""
        if len(self.batches) == 1:
            return "\n".join(report.summary() for report in self.reports)
        lines = [self.ledger.summary()]
        lines += [
            f"{report.folder}: {report.checks[-1].message}." if report.passed else report.summary()
            for report in self.batches
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the report in types that JSON knows."""
        whole = {**self.ledger.to_dict(), "passed": self.passed}
        return {**whole, "batches": [report.to_dict() for report in self.batches]}

    def __str__(self) -> str:
        return self.summary()


def audit_batch(ledger: str, batch_id: str, plan: str | Path | None = None) -> AuditReport:
    """Recheck a routed batch from the ledger: bookkeeping, capacity, levels, pairs, values, and the proof of fairness.

    It shares no code with what routed the batch, reads the ledger without writing to it, and also goes through the whole
    ledger, since a batch is fair only if it began where those before it ended.

    Parameters
    ----------
    ledger : str
        An SQLAlchemy URL.
    batch_id : str
    plan : path, optional
        The plan directory that the batch was routed by; without it whose account is whose is taken as told.

    Returns
    -------
    AuditReport
        ``passed`` is False if a single number is off.

    Raises
    ------
    LedgerError
        The ledger cannot be read, or has no such batch.
    PlanDirectoryError
        The plan cannot be read.
    """
    found = audit_ledger(ledger, batch_id=batch_id, plan=plan)
    batch = found.batches[0]
    return AuditReport(batch.folder, (*found.ledger.checks, *batch.checks))


def audit_ledger(ledger: str, *, batch_id: str | None = None, plan: str | Path | None = None) -> LedgerAudit:
    """Recheck a ledger as a whole, and all of its batches or one of them; see :func:`audit_batch`."""
    routing_plan = None if plan is None else RoutingPlan.read(plan)
    with opened(ledger) as reader:
        batches = reader.batches()
        chosen = batches if batch_id is None else batches[batches["batch_id"] == batch_id]
        if batch_id is not None and not len(chosen):
            known = ", ".join(map(str, batches["batch_id"].tail(5)))
            remedy = f"the latest are {known}" if known else "it has none"
            raise LedgerError(f"the ledger {reader.shown} has no batch {batch_id!r}; {remedy}")
        checks = _guarded("ledger", lambda: check_ledger(reader))
        reports = tuple(_audited(reader, row, routing_plan) for row in listed_rows(chosen))
        return LedgerAudit(AuditReport(reader.shown, tuple(checks)), reports)


def _audited(reader: LedgerReader, row: Any, plan: RoutingPlan | None) -> AuditReport:
    name = f"batch {row.batch_id}"
    if row.forgotten_at is not None:
        what = f"what it held was deleted on purpose at {moment_text(row.forgotten_at)}; nothing can be checked"
        return AuditReport(name, (Check("batch", True, what),))
    try:
        with np.errstate(all="ignore"):
            batch = reader.batch(int(row.batch_no))
            return AuditReport(name, tuple(_checks(batch, plan)))
    except LedgerError:
        raise
    except Exception as error:  # whatever was written into the ledger, the answer is about the batch
        return AuditReport(name, (_unreadable("batch", error),))


def _unreadable(name: str, error: Exception) -> Check:
    return Check(name, False, f"what is stored cannot be read ({type(error).__name__}: {error})")


def _guarded(name: str, check: Callable[[], Check | list[Check]]) -> list[Check]:
    """Return checks; where what is stored upsets them, one that fails."""
    try:
        found = check()
    except (KeyError, ValueError, TypeError, IndexError, OverflowError, AttributeError, ZeroDivisionError) as error:
        return [_unreadable(name, error)]
    return found if isinstance(found, list) else [found]


def _checks(batch: StoredBatch, given: RoutingPlan | None) -> list[Check]:
    checks = [check_leads(batch), check_assignments(batch)]
    if not (checks[0].ok and batch.in_order and (batch.rep != -2).all()):
        return [
            *checks,
            Check("batch", False, "nothing else was checked, because its rows do not fit together (above)"),
        ]
    plan, told = _plan_of(batch, given)
    checks += told
    checks += _guarded("shares", lambda: check_shares(batch))
    checks += _guarded("told_values", lambda: check_told_values(batch))
    checks += _guarded("standing", lambda: check_standing(batch, None if plan is None else plan.travel_km))
    lines = lines_of(batch, plan)
    checks += _guarded("rules", lambda: check_rules(batch, plan))
    checks += _guarded("pairs", lambda: check_pairs(batch, plan, lines))
    checks += _guarded("values", lambda: check_values(batch))
    checks += _guarded("ranks", lambda: check_ranks(batch, lines))
    if plan is not None:
        checks += _guarded("matches", lambda: check_matches(batch, plan))
    checks += _guarded("split", lambda: check_split(batch))
    checks += _guarded("reasons", lambda: check_reasons(batch, lines))
    checks.append(_verdict(batch, checks))
    return checks


def _plan_of(batch: StoredBatch, given: RoutingPlan | None) -> tuple[RoutingPlan | None, list[Check]]:
    """Return the plan if it is the one that the batch was routed by, and what there is to say about it."""
    if given is None:
        what = "not given: whose account is whose, and the plan's own rules, are taken as told"
        return None, [Check("plan", True, what)]
    if given.sha256 != batch.plan_sha256:
        what = f"{given.folder} is not the plan of this batch (plan.json has another SHA-256): what needs it is skipped"
        return None, [Check("plan", True, what)]
    if given.changed:
        return None, [Check("plan", False, f"changed since it was written: {', '.join(given.changed)}")]
    return given, [Check("plan", True, f"{given.folder} is the plan that the batch was routed by")]


def _verdict(batch: StoredBatch, checks: list[Check]) -> Check:
    """Return the whole in a sentence for people."""
    failed = [check.name for check in checks if not check.ok]
    if failed:
        what = f"not proved fair: {len(failed)} of {len(checks)} checks do not hold, the first being {failed[0]}"
        return Check("verdict", False, what)
    return Check("verdict", True, _sentence(batch))


def _sentence(batch: StoredBatch) -> str:
    parts = batch.proof.get("parts") or [{}]
    proved = set(parts[-1].get("proved", ()))
    given, waiting = int(batch.assigned.sum()), int((batch.status == "queued").sum())
    size = f"{given:,} {'lead' if given == 1 else 'leads'} assigned, {waiting:,} waiting"
    if not given:
        return f"{size}. Every rule holds: nothing could be assigned, so that there is no split to prove fair"
    over = " over the pairs that were kept" if batch.proof.get("truncated") else ""
    if not {"assigned", "rank", "fairness"} <= proved:
        return f"{size}: every rule holds; that the split is the fairest is not claimed"
    slack = batch.setting("fair_share", "fairness_slack", 0)
    even = f"is more even but for the slack of {slack}" if slack else "is more even"
    text = f"{size}. Proved fair{over}: no other split assigns more leads, follows the matches better, or {even}"
    if len(parts) > 1:
        text = (
            f"{size}. Proved fair{over}: no other split assigns more leads or follows the matches better; and beside the"
            f" matched leads none of the others {even}"
        )
    if "value" in proved:
        return f"{text}; and none of those {'within it' if slack else 'that are as fair'} is worth more"
    return f"{text}; and no exchange of two leads makes shares of value more even"
