"""Answers, as documented in OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_CLOSED = ConfigDict(extra="forbid")
_OPEN = ConfigDict(extra="allow")


class LeadDecision(BaseModel):
    """Where a lead went, or why it did not."""

    model_config = _CLOSED

    lead_id: str = Field(examples=["L-17"])
    status: Literal["assigned", "queued", "rejected"]
    rep_id: str | None = Field(description="null unless assigned.", examples=["R07"])
    territory_id: str | None = Field(description="null where none is known.", examples=["T07"])
    reason: str = Field(
        description="A sentence for people.", examples=["R07 owns account A-1042: its e-mail domain is acme.com."]
    )
    reason_code: str = Field(
        description="For programs: owner, territory, pool; full, hours, ineligible, ambiguous; bad_data, already_routed.",
        examples=["owner"],
    )
    could_go_at: datetime | None = Field(description="When a queued lead could go, where that is known.")
    fair_share_before: float | None = Field(
        description="The rep's leads per unit of weight before this lead.", examples=[6.0]
    )
    fair_share_after: float | None = Field(description="The same after it.", examples=[7.0])
    expected_value: float | None = Field(description="score × value × fit − travel cost.", examples=[4800.0])
    travel_km: float | None = Field(description="null where a place is unknown.", examples=[12.4])


class BatchSummary(BaseModel):
    """How many leads ended in which way."""

    model_config = _CLOSED

    leads: int = Field(examples=[2])
    assigned: int = Field(examples=[2])
    queued: int = Field(examples=[0])
    rejected: int = Field(examples=[0])


class RouteAnswer(BaseModel):
    """A routed batch."""

    model_config = _CLOSED

    batch_id: str = Field(examples=["crm-2026-03-02-0931"])
    routed_at: datetime = Field(description="The moment it was routed for.")
    repeated: bool = Field(description="Whether this is the stored answer to an earlier request.")
    summary: BatchSummary
    proof: dict[str, Any] = Field(description="The objectives reached, and which are proved best.")
    leads: list[LeadDecision] = Field(description="In the order of the request.")


class LeadAnswer(BaseModel):
    """What the ledger knows of a lead."""

    model_config = _OPEN

    lead_id: str = Field(examples=["L-17"])


class WaitingLead(BaseModel):
    """A lead that waits."""

    model_config = _CLOSED

    lead_id: str = Field(examples=["L-19"])
    reason: str = Field(description="A sentence for people: why nobody has it.")
    reason_code: str = Field(description="For programs.", examples=["full"])
    could_go_at: datetime | None = Field(description="When it could go, where that is known.")
    since: datetime = Field(description="Since when it waits.")
    batch_id: str = Field(description="Of the batch that last tried.", examples=["crm-2026-03-02-0931"])


class QueueAnswer(BaseModel):
    """Who waits, the longest first."""

    model_config = _CLOSED

    total: int = Field(description="How many leads wait.", examples=[1])
    leads: list[WaitingLead] = Field(description="At most `limit` of them, after the first `offset`.")


class RepStanding(BaseModel):
    """Where a rep stands."""

    model_config = _OPEN

    rep_id: str = Field(examples=["R07"])


class RepsAnswer(BaseModel):
    """Every rep of the plan and the policy."""

    model_config = _CLOSED

    reps: list[RepStanding]


class OutcomeResult(BaseModel):
    """What was done with an outcome."""

    model_config = _OPEN

    outcome_id: str = Field(examples=["O-771"])


class OutcomesAnswer(BaseModel):
    """In the order of the request."""

    model_config = _CLOSED

    outcomes: list[OutcomeResult]


class Health(BaseModel):
    """The process is there."""

    model_config = _CLOSED

    status: Literal["ok"]
    version: str


class Readiness(BaseModel):
    """The service can route: the plan is loaded and the ledger answers."""

    model_config = _CLOSED

    status: Literal["ready"]
    plan_id: str | None = Field(description="Of the plan that leads are routed against.")
