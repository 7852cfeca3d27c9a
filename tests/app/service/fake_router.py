"""A router in memory that keeps the protocol, and can be told to be slow or to fail."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from territory_engine.errors import BatchConflictError
from territory_engine.ledger.records import DECISION_COLUMNS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class FakeBatch:
    batch_id: str
    decisions: pd.DataFrame
    assigned: int
    queued: int
    rejected: int
    repeated: bool = False
    at: datetime = NOON
    proof: dict[str, Any] = field(default_factory=lambda: {"fairness": "proved", "gap": float("nan")})


class FakeRouter:
    """Assigns leads to two reps in turn, queues those of segment ``"full"``, rejects those of country ``"nowhere"``."""

    lead_columns = ("industry",)

    def __init__(self) -> None:
        self.batches: dict[str, tuple[str, FakeBatch]] = {}
        self.seen: list[list[dict[str, Any]]] = []
        self.told: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.closed = False
        self.at_work = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def route(self, records: list[dict[str, Any]], batch_id: str, *, at: datetime | None = None) -> FakeBatch:
        self.at_work.set()
        assert self.go_on.wait(60)
        if self.error is not None:
            raise self.error
        content = json.dumps(records, sort_keys=True)
        if batch_id in self.batches:
            before, batch = self.batches[batch_id]
            if before != content:
                raise BatchConflictError(f"the batch {batch_id!r} stands in the ledger with other content")
            return FakeBatch(batch_id, batch.decisions, batch.assigned, batch.queued, batch.rejected, repeated=True)
        rows = [self._decision(position, lead) for position, lead in enumerate(records)]
        # Not in input order, which the service must mend.
        decisions = pd.DataFrame(rows[::-1], columns=list(DECISION_COLUMNS))
        counts = decisions["status"].value_counts()
        batch = FakeBatch(batch_id, decisions, *(int(counts.get(s, 0)) for s in ("assigned", "queued", "rejected")))
        self.seen.append(records)
        self.batches[batch_id] = (content, batch)
        return batch

    def _decision(self, position: int, lead: dict[str, Any]) -> dict[str, Any]:
        status = {"full": "queued"}.get(lead.get("segment", ""), "assigned")
        status = "rejected" if lead.get("country") == "nowhere" else status
        taken = status == "assigned"
        return {
            "position": position,
            "lead_id": lead["lead_id"],
            "status": status,
            "rep_id": f"R{position % 2 + 1}" if taken else "",
            "territory_id": f"T{position % 2 + 1}" if taken else "",
            "reason": "it is this rep's turn" if taken else "nobody can take it",
            "reason_code": "pool" if taken else "full",
            "could_go_at": "2026-03-03T08:00:00Z" if status == "queued" else "",
            "fair_share_before": position // 2 if taken else float("nan"),
            "fair_share_after": position // 2 + 1.0 if taken else float("nan"),
            "expected_value": lead.get("value", float("nan")),
            "travel_km": float("nan"),
        }

    def lead(self, lead_id: str) -> dict[str, Any] | None:
        if self.error is not None:
            raise self.error
        for batch_id, (_, batch) in self.batches.items():
            if lead_id in set(batch.decisions["lead_id"]):
                return {"lead_id": lead_id, "state": "assigned", "decisions": [{"batch_id": batch_id, "at": NOON}]}
        return None

    def _waiting(self) -> list[dict[str, Any]]:
        waiting = {}
        for records, (batch_id, (_, batch)) in zip(self.seen, self.batches.items(), strict=True):
            frame = batch.decisions.sort_values("position")
            for record, (_, row) in zip(records, frame.iterrows(), strict=True):
                waiting.pop(row["lead_id"], None)
                if row["status"] == "queued":
                    told = {name: row[name] for name in ("lead_id", "reason", "reason_code", "could_go_at")}
                    waiting[row["lead_id"]] = ({**told, "since": NOON, "batch_id": batch_id}, record)
        self.waiting_records = [record for _, record in waiting.values()]
        return [told for told, _ in waiting.values()]

    def queue(self, *, limit: int, offset: int) -> dict[str, Any]:
        waiting = self._waiting()
        return {"total": len(waiting), "leads": waiting[offset : offset + limit]}

    def route_queue(self, batch_id: str) -> FakeBatch:
        if batch_id in self.batches:
            return self.route(json.loads(self.batches[batch_id][0]), batch_id)
        self._waiting()
        return self.route(self.waiting_records, batch_id)

    def reps(self) -> list[dict[str, Any]]:
        return [{"rep_id": "R1", "level": 1.0, "open_leads": 2, "limit": float("inf")}]

    def outcomes(self, outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.told += outcomes
        return [{"outcome_id": o["outcome_id"], "lead_id": o["lead_id"], "result": "recorded"} for o in outcomes]

    def health(self) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {"ledger": True, "plan_id": "0a1b"}

    def close(self) -> None:
        self.closed = True
