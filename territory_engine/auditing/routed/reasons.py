"""Why leads went where they did, or wait: the codes told with them against what stands in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from territory_engine.auditing.checks import Check, verdict

if TYPE_CHECKING:
    from territory_engine.auditing.routed.lines import Lines
    from territory_engine.auditing.routed.stored_batch import StoredBatch

_ASSIGNED = ("owner", "territory", "pool")
_REJECTED = ("bad_data", "already_routed")
_UNABLE = ("ineligible", "unavailable")


def check_reasons(batch: StoredBatch, lines: Lines) -> list[Check]:
    """Check the code of every lead's reason, that whoever waits has to, and the moments told."""
    n = len(batch)
    code = batch.decisions["reason_code"].to_numpy(object)
    kind = batch.decisions["match_kind"].to_numpy(object)
    preference = batch.decisions["preference"].to_numpy(np.int64)
    expected = np.full(n, "", object)
    there = batch.assigned & (preference >= 0) & (preference < len(_ASSIGNED))
    expected[there] = np.array(_ASSIGNED, object)[preference[there]]
    queued = batch.status == "queued"
    ambiguous, choices = queued & (kind == "ambiguous"), batch.choices
    waits = lines.waits | lines.unknown
    expected[queued & (choices > 0)] = "full"
    expected[queued & (choices == 0)] = "ineligible or unavailable"
    expected[queued & waits] = "match"
    expected[ambiguous] = "ambiguous"
    rejected = batch.status == "rejected"
    expected[rejected] = "bad_data or already_routed"
    ok = code == expected
    ok |= rejected & np.isin(code.astype(str), _REJECTED)
    ok |= queued & ~waits & ~ambiguous & (choices == 0) & np.isin(code.astype(str), _UNABLE)
    ok |= queued & batch.erased & (code == "match")
    untold = batch.decisions["reason"].astype(str).to_numpy(object) == ""
    checks = [
        verdict(
            "reasons",
            ~ok | untold,
            batch.labels,
            lambda i: "no reason is told" if ok[i] else f"expected {expected[i]}, found {code[i]!r}",
            "the reason told with every lead",
        )
    ]
    room = batch.whole("capacity") - batch.count
    free = np.zeros(n, np.int64)
    np.add.at(free, batch.pair_lead, (room[batch.pair_rep] > 0).astype(np.int64))
    checks.append(
        verdict(
            "queue",
            queued & (free > 0),
            batch.labels,
            lambda i: f"waits, though {free[i]} reps who can take it have room",
            "leads wait only where nobody who can take them has room",
        )
    )
    told = batch.decisions["could_go_at"].astype(str).to_numpy(object)
    # Where pairs had to be left out, somebody else could take a lead at once.
    now = batch.routed_at - timedelta(seconds=1 if batch.proof.get("truncated") else 0)
    early = np.array([bool(text) and not _is_after(text, now) for text in told], np.bool_)
    spurious = (told != "") & ~queued
    checks.append(
        verdict(
            "moments",
            early | spurious,
            batch.labels,
            lambda i: f"could_go_at is {told[i]!r}" + (" and it does not wait" if spurious[i] else ""),
            "moments from which leads could go are after the batch",
        )
    )
    return checks


def _is_after(text: str, moment: datetime) -> bool:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return False
    return (told if told.tzinfo else told.replace(tzinfo=UTC)) > moment
