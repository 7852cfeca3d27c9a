"""The one shape of every error: ``{"error": {"code", "message", "details", "total_details", "request_id"}}``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MOST_DETAILS = 100
"""Problems told in one answer; ``total_details`` says how many there are."""

_LONGEST_VALUE = 80

TITLES = {
    400: "The request could not be read: it is not JSON, or its compression is broken.",
    401: "No API key, or one that the service does not know.",
    403: "The key may not do this, or the Host header is not one that the service answers to.",
    404: "There is nothing under this address.",
    405: "The address does not know this method.",
    408: "The request body took too long to arrive.",
    409: "Another batch was routed under this batch_id.",
    413: "The body is too long, or has too many leads.",
    415: "The body is not application/json in UTF-8, or its compression is not known.",
    422: "Fields are missing, unknown or not as they should be; each is named.",
    429: "Too many requests; Retry-After says when to come back.",
    500: "A fault in the service.",
    503: "The service is busy, or the ledger does not answer; nothing was written. Retry-After says when to come back.",
}


class ErrorDetail(BaseModel):
    """One problem."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="Where it is.", examples=["leads[3].latitude"])
    problem: str = Field(description="What is wrong, in one clause.", examples=["is out of range"])
    value: str | None = Field(default=None, description="What was found, shortened.", examples=["97.2"])
    allowed: str | None = Field(
        default=None, description="What would be accepted.", examples=["a number from −90 to 90"]
    )
    remedy: str | None = Field(default=None, description="What to do about it.")


class ErrorBody(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(description="For programs.", examples=["invalid_request"])
    message: str = Field(description="For people.", examples=["1 problem in the request; nothing was routed."])
    details: list[ErrorDetail] = Field(description=f"The problems, the first {MOST_DETAILS}.")
    total_details: int = Field(description="How many problems there are in all.", examples=[1])
    request_id: str = Field(description="Also in the X-Request-Id header and in the log.", examples=["c0ffee12"])


class ErrorEnvelope(BaseModel):
    """The body of every answer that is not 2xx."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorBody


class ServiceError(Exception):
    """An answer other than 2xx, from wherever it is found out.

    Parameters
    ----------
    status : int
    code, message : str
    details : sequence of ErrorDetail
    total : int, optional
        How many details there are in all, where more than those given.
    headers : mapping, optional
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Sequence[ErrorDetail] = (),
        *,
        total: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = tuple(details)[:MOST_DETAILS]
        self.total = len(details) if total is None else total
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> bytes:
        """Return the envelope as JSON."""
        error = ErrorBody(
            code=self.code,
            message=self.message,
            details=list(self.details),
            total_details=self.total,
            request_id=request_id,
        )
        return ErrorEnvelope(error=error).model_dump_json().encode()


def shown(value: Any) -> str:
    """Return a value as JSON has it, short enough for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a route other than 2xx, for OpenAPI."""
    return {status: {"model": ErrorEnvelope, "description": TITLES[status]} for status in sorted(statuses)}
