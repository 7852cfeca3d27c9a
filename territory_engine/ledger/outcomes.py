"""What became of leads: checked as a whole, and recorded as a whole."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import sqlalchemy as sa

from territory_engine.errors import Finding, InputError
from territory_engine.ledger import queries
from territory_engine.ledger.records import Outcome, OutcomeKind
from territory_engine.ledger.rows import json_text, storable, text_problem
from territory_engine.ledger.schema import decisions, in_utc, leads, outcomes, reps

if TYPE_CHECKING:
    from collections.abc import Sequence

OutcomeResult = Literal["recorded", "known already"]

_KINDS: tuple[str, ...] = get_args(OutcomeKind)
_CLOSING = ("won", "lost", "returned")


@dataclass
class _Standing:
    """A lead while outcomes are taken in, one after another."""

    state: str
    rep_id: str
    batch_no: int
    position: int
    charged: int
    worth_charged: int
    changed: bool = False


def record(connection: sa.Connection, told: Sequence[Outcome]) -> list[OutcomeResult]:
    """Record outcomes, all of them or none.

    Parameters
    ----------
    connection : Connection
        Inside a transaction that has the lock.
    told : sequence of Outcome

    Returns
    -------
    list of str
        For each, ``"recorded"`` or ``"known already"``.

    Raises
    ------
    InputError
        With a finding for every outcome that cannot be recorded; then nothing is to be committed.
    """
    findings: list[Finding] = []
    known = _known_outcomes(connection, told)
    standings = {
        row.lead_id: _Standing(row.state, row.rep_id, row.batch_no, row.position, row.charged, row.worth_charged)
        for row in queries.lead_rows(connection, (outcome.lead_id for outcome in told))
    }
    results: list[OutcomeResult] = []
    rows: list[dict[str, Any]] = []
    closed: list[tuple[_Standing, str]] = []
    now = datetime.now(UTC)
    for at, outcome in enumerate(told):
        place = f"outcomes[{at}]"
        wrong = _malformed(outcome, place)
        if wrong:
            findings += wrong
            continue
        content = _content_sha256(outcome)
        if outcome.outcome_id in known:
            if known[outcome.outcome_id] != content:
                findings.append(
                    Finding(
                        "this outcome was told before with other content",
                        file=place,
                        column="outcome_id",
                        value=outcome.outcome_id,
                        remedy="give another outcome another outcome_id",
                    )
                )
            results.append("known already")
            continue
        standing = standings.get(outcome.lead_id)
        problem = _refusal(outcome, standing)
        if problem is not None or standing is None:
            what, allowed = problem or ("", "")
            findings.append(Finding(what, file=place, column="lead_id", value=outcome.lead_id, allowed=allowed))
            continue
        if outcome.kind in _CLOSING and standing.state == "assigned":
            standing.state = outcome.kind
            standing.changed = True
            closed.append((standing, outcome.lead_id))
        known[outcome.outcome_id] = content
        rows.append(
            {
                "outcome_id": outcome.outcome_id,
                "lead_id": outcome.lead_id,
                "kind": outcome.kind,
                "at": outcome.at,
                "value": outcome.value,
                "note": json_text(outcome.note, "the note"),
                "content_sha256": content,
                "rep_id": standing.rep_id,
                "batch_no": standing.batch_no,
                "recorded_at": now,
            }
        )
        results.append("recorded")
    if findings:
        raise InputError(findings)
    if rows:
        connection.execute(sa.insert(outcomes), rows)
    if closed:
        _close(connection, closed, {row["lead_id"]: row["at"] for row in rows if row["kind"] in _CLOSING})
    return results


def _known_outcomes(connection: sa.Connection, told: Sequence[Outcome]) -> dict[str, str]:
    ids = storable(outcome.outcome_id for outcome in told)
    found: dict[str, str] = {}
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        query = sa.select(outcomes.c.outcome_id, outcomes.c.content_sha256).where(outcomes.c.outcome_id.in_(chunk))
        found.update((row.outcome_id, row.content_sha256) for row in connection.execute(query))
    return found


def _content_sha256(outcome: Outcome) -> str:
    value = None if outcome.value is None else float(outcome.value)
    told = [outcome.lead_id, outcome.kind, in_utc(outcome.at).isoformat(), value, outcome.note]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _malformed(outcome: Outcome, place: str) -> list[Finding]:
    findings: list[Finding] = []
    for name in ("outcome_id", "lead_id"):
        text = getattr(outcome, name)
        problem = ("is blank", "text") if not text else text_problem(text)
        if problem is not None:
            findings.append(
                Finding(f"{name} {problem[0]}", file=place, column=name, value=text[:80], allowed=problem[1])
            )
    if outcome.kind not in _KINDS:
        allowed = ", ".join(_KINDS)
        findings.append(
            Finding("no such kind of outcome", file=place, column="kind", value=str(outcome.kind), allowed=allowed)
        )
    if outcome.at.tzinfo is None:
        findings.append(
            Finding(
                "the moment has no time zone", file=place, column="at", value=outcome.at.isoformat(), remedy="add Z"
            )
        )
    if outcome.value is not None and not math.isfinite(outcome.value):
        findings.append(
            Finding("not a number", file=place, column="value", value=str(outcome.value), allowed="a number or nothing")
        )
    try:
        json_text(outcome.note, "the note")
    except ValueError as error:
        findings.append(Finding(str(error), file=place, column="note"))
    return findings


def _refusal(outcome: Outcome, standing: _Standing | None) -> tuple[str, str] | None:
    allowed = "a lead that is assigned"
    if standing is None:
        return "the ledger knows no such lead", allowed
    if standing.state in ("queued", "rejected"):
        return f"the lead is {standing.state}, not assigned", allowed
    if standing.state == "returned":
        return "the lead was returned and is not assigned again yet", allowed
    if standing.state in ("won", "lost") and outcome.kind in _CLOSING:
        return f"the lead is closed already: {standing.state}", "accepted or contacted, which may come late"
    return None


def _close(connection: sa.Connection, closed: list[tuple[_Standing, str]], at: dict[str, datetime]) -> None:
    """Close leads, take them off their reps' open leads, and give back the share of returned ones."""
    moved = [{"this_lead": lead_id, "new_state": standing.state, "moment": at[lead_id]} for standing, lead_id in closed]
    connection.execute(
        sa.update(leads)
        .where(leads.c.lead_id == sa.bindparam("this_lead"))
        .values(state=sa.bindparam("new_state"), since=sa.bindparam("moment")),
        moved,
    )
    returned = [standing for standing, _ in closed if standing.state == "returned"]
    if returned:
        connection.execute(
            sa.update(decisions)
            .where(
                decisions.c.batch_no == sa.bindparam("its_batch"), decisions.c.position == sa.bindparam("its_position")
            )
            .values(stands=False),
            [{"its_batch": standing.batch_no, "its_position": standing.position} for standing in returned],
        )
    change: dict[str, list[int]] = {}
    for standing, _ in closed:
        total = change.setdefault(standing.rep_id, [0, 0, 0])
        total[0] += 1
        if standing.state == "returned":
            total[1] += standing.charged
            total[2] += standing.worth_charged
    connection.execute(
        sa.update(reps)
        .where(reps.c.rep_id == sa.bindparam("this_rep"))
        .values(
            open_leads=reps.c.open_leads - sa.bindparam("closed"),
            level=reps.c.level - sa.bindparam("level_back"),
            worth_level=reps.c.worth_level - sa.bindparam("worth_back"),
        ),
        [
            {"this_rep": rep_id, "closed": count, "level_back": level, "worth_back": worth}
            for rep_id, (count, level, worth) in sorted(change.items())
        ],
    )
