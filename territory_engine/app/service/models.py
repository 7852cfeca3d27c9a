"""Requests, as checked and as documented in OpenAPI.

Text may hold neither control characters nor a formula, which a spreadsheet would run wherever the lead is exported to later.
``null`` and ``""`` mean the same as a field left out. What a field allows is said once, in ``allowed``: messages and documents both use it.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from territory_engine.app.service.settings import ServiceSettings

_CLEAN = r"^[^\x00-\x1f\x7f-\x9f]*$"
# Begins neither with "=", nor with another sign and then what makes it a formula: @properties is a company's name.
_NO_FORMULA = r"^ *(?:[^ =+@\-\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*|[+@\-][^|(!\x00-\x1f\x7f-\x9f]*)?$"
_ID_NO_FORMULA = r"^ *[^ =+@\-\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
_FORMULA = re.compile(r"^ *(?:=|[+@\-].*[|(!])")
_NOT_CLEAN = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SKEW = timedelta(minutes=5)  # the clocks of two systems differ
_LONGEST_TEXT = 500
_MOST_ITEMS = 100
MOST_WAITING = 10_000  # leads of the queue in one answer
_LARGEST_INTEGER = 2**53  # the last that a float, and so any JSON reader, has exactly
_STRICT = ConfigDict(extra="forbid", strict=True)


def _moment(text: str) -> str:
    if not text:
        return text
    try:
        moment = datetime.fromisoformat(text)
        ahead = None if moment.tzinfo is None else moment.astimezone(UTC) - datetime.now(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("moment", "is not a moment in ISO 8601") from None
    if ahead is None:
        raise PydanticCustomError("moment", "has no offset from UTC")
    if ahead > _SKEW:
        raise PydanticCustomError("moment", "is in the future")
    return text


def _domain(text: str) -> str:
    if text and not ("." in text.strip(".") and not re.search(r"[\s@/\\:]", text)):
        raise PydanticCustomError("domain", "is not a domain")
    return text


def _email(text: str) -> str:
    """Check an e-mail address as far as its domain goes, which is all that is used."""
    if text:
        try:
            _domain(text[text.rindex("@") + 1 :] or "@")
        except (ValueError, PydanticCustomError):
            raise PydanticCustomError("email", "is not an e-mail address") from None
    return text


def _clean(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        raise PydanticCustomError("column", "is too long")
    if not text.isprintable() and _NOT_CLEAN.search(text):
        raise PydanticCustomError("column", "has control characters")
    if _FORMULA.match(text):
        raise PydanticCustomError("column", "is a formula")
    return text


def pattern_problem(text: Any) -> str:
    """Say why text does not match its pattern."""
    return "has control characters" if _NOT_CLEAN.search(str(text)) else "is blank, or would be run as a formula"


def _several(value: Any) -> Any:
    """Return text, and a list of texts as one with semicolons between."""
    if value is None:
        return value
    if isinstance(value, str):
        return _clean(value)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise PydanticCustomError("column", "is neither text nor a list of texts")
    if any(";" in item for item in value):
        raise PydanticCustomError("column", "has a semicolon inside an item")
    if len(value) > _MOST_ITEMS:
        raise PydanticCustomError("column", "has too many items")
    return ";".join(_clean(item) for item in value)


def _column(value: Any) -> Any:
    if isinstance(value, int):  # true and false too
        if abs(value) > _LARGEST_INTEGER:
            raise PydanticCustomError("column", "is too large a number")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PydanticCustomError("column", "is not a finite number")
        return value
    if isinstance(value, dict):
        raise PydanticCustomError("column", "is neither text, a number nor a list of texts")
    return _several(value)


_TEXTS_SCHEMA: list[dict[str, Any]] = [
    {"type": "string", "maxLength": _LONGEST_TEXT, "pattern": _NO_FORMULA},
    {
        "type": "array",
        "maxItems": _MOST_ITEMS,
        "items": {"type": "string", "maxLength": _LONGEST_TEXT, "pattern": _NO_FORMULA.replace("[^", "[^;")},
    },
    {"type": "null"},
]
Text = Annotated[str, Field(max_length=_LONGEST_TEXT, pattern=_NO_FORMULA)]
LeadId = Annotated[str, Field(min_length=1, max_length=200, pattern=_ID_NO_FORMULA)]
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=_CLEAN)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Texts = Annotated[Any, AfterValidator(_several), WithJsonSchema({"anyOf": _TEXTS_SCHEMA})]
Column = Annotated[
    Any, AfterValidator(_column), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "boolean"}, *_TEXTS_SCHEMA]})
]
Past = Annotated[
    str,
    Field(max_length=40, pattern=_CLEAN),
    AfterValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

ALLOWED = {
    "batch_id": "text of 1 to 200 characters, without control characters",
    "leads": "a list of leads, at least one",
    "outcomes": "a list of outcomes, at least one",
    "lead_id": "text of 1 to 200 characters, without control characters, and not beginning with =, +, - or @",
    "limit": f"a whole number from 1 to {MOST_WAITING:,}",
    "offset": "a whole number from 0 up",
    "outcome_id": "text of 1 to 200 characters, without control characters",
    "kind": "accepted, contacted, won, lost or returned",
    "at": "ISO 8601 with an offset, such as 2026-03-02T09:30:00Z, not in the future",
    "created_at": "ISO 8601 with an offset, such as 2026-03-02T09:30:00Z, not in the future",
    "email": "name@domain, up to 320 characters",
    "domain": "a domain such as acme.com, up to 253 characters",
    "postal_code": "text of up to 20 characters",
    "country": "text of up to 60 characters",
    "latitude": "a number from −90 to 90",
    "longitude": "a number from −180 to 180",
    "skills": "text with semicolons between, or a list of texts without semicolons",
    "score": "a number from 0 up",
    "value": "a number from 0 up",
}
"""What a field accepts, in words. A field that is not here is text of up to 500 characters."""

COLUMN_ALLOWED = "text of up to 500 characters, a finite number, true, false, or a list of texts without semicolons"
OTHERWISE_ALLOWED = "text of up to 500 characters, without control characters, that is no formula"


class Lead(BaseModel):
    """A lead. Only ``lead_id`` is required; what is known beside it decides how well it can be matched and placed."""

    model_config = _STRICT
    __pydantic_extra__: dict[str, Column]

    lead_id: LeadId = Field(
        description="The lead's own ID: unique in the batch, and over time.", examples=["L-2026-00017"]
    )
    account_id: Text | None = Field(default=None, description="The ID of a known account.", examples=["A-1042"])
    company: Text | None = Field(default=None, description="The company's name.", examples=["Acme Corp."])
    email: Annotated[str, Field(max_length=320, pattern=_CLEAN), AfterValidator(_email)] | None = Field(
        default=None,
        description="Only its domain is used; the address is neither stored nor logged.",
        examples=["ann@acme.com"],
    )
    domain: Annotated[str, Field(max_length=253, pattern=_CLEAN), AfterValidator(_domain)] | None = Field(
        default=None, description="The company's domain; goes before that of the e-mail address.", examples=["acme.com"]
    )
    postal_code: Annotated[str, Field(max_length=20, pattern=_CLEAN)] | None = Field(
        default=None, description="Text: leading zeros stay.", examples=["50309"]
    )
    country: Annotated[str, Field(max_length=60, pattern=_CLEAN)] | None = Field(
        default=None, description="ISO 3166; US unless given.", examples=["US"]
    )
    latitude: Annotated[Finite, Field(ge=-90, le=90)] | None = Field(
        default=None, description="WGS 84, together with longitude.", examples=[41.5868]
    )
    longitude: Annotated[Finite, Field(ge=-180, le=180)] | None = Field(
        default=None, description="WGS 84, together with latitude.", examples=[-93.625]
    )
    segment: Text | None = Field(default=None, description="For rules of eligibility.", examples=["mid-market"])
    language: Text | None = Field(default=None, description="For rules of eligibility.", examples=["en"])
    product: Text | None = Field(default=None, description="For rules of eligibility.", examples=["scanner"])
    skills: Texts = Field(
        default=None, description="A list, or text with semicolons between.", examples=[["imaging", "tenders"]]
    )
    score: Annotated[Finite, Field(ge=0)] | None = Field(
        default=None, description="How likely the lead is to buy; 1 unless given.", examples=[0.4]
    )
    value: Annotated[Finite, Field(ge=0)] | None = Field(
        default=None, description="What it would be worth.", examples=[12000]
    )
    created_at: Past | None = Field(
        default=None, description="ISO 8601 with an offset; not in the future.", examples=["2026-03-02T09:30:00Z"]
    )


class _OpenLead(Lead):
    """A lead that may have fields nobody declared."""

    model_config = ConfigDict(extra="allow", strict=True)


def lead_model(settings: ServiceSettings) -> type[BaseModel]:
    """Return the model of a lead with the fields that the policy names, and any others where that is allowed.

    A field that the policy names is known inside by its number, because ``model_dump`` or ``class`` are no names for
    attributes, and outside by its own name.
    """
    declared: dict[str, Any] = {
        f"column_{number}": (Column, Field(default=None, alias=column, description="Named by the routing policy."))
        for number, column in enumerate(settings.lead_columns)
        if column not in Lead.model_fields
    }
    base = _OpenLead if settings.extra_fields else Lead
    return create_model("Lead", __base__=base, __doc__=Lead.__doc__, **declared)


class Outcome(BaseModel):
    """What became of a lead. Telling the same ``outcome_id`` twice changes nothing."""

    model_config = _STRICT

    outcome_id: Id = Field(description="The teller's own ID.", examples=["O-771"])
    lead_id: Id = Field(description="A lead that was routed.", examples=["L-2026-00017"])
    kind: Literal["accepted", "contacted", "won", "lost", "returned"] = Field(
        description="Won, lost and returned leads are no longer open; a returned one may be routed again.",
        examples=["won"],
    )
    at: Past = Field(
        min_length=1, description="ISO 8601 with an offset; not in the future.", examples=["2026-03-05T16:00:00Z"]
    )
    value: Finite | None = Field(default=None, description="What it brought.", examples=[11500])
    note: dict[Annotated[str, Field(min_length=1, max_length=100, pattern=_CLEAN)], Column] | None = Field(
        default=None, max_length=_MOST_ITEMS, description="Anything short, by name.", examples=[{"stage": "signed"}]
    )


EXAMPLE_BATCH: dict[str, Any] = {
    "batch_id": "crm-2026-03-02-0931",
    "leads": [
        {
            "lead_id": "L-17",
            "company": "Acme Corp.",
            "email": "ann@acme.com",
            "postal_code": "50309",
            "segment": "mid-market",
            "score": 0.4,
            "value": 12000,
            "created_at": "2026-03-02T09:30:00Z",
        },
        {"lead_id": "L-18", "latitude": 41.66, "longitude": -91.53},
    ],
}

EXAMPLE_QUEUE: dict[str, Any] = {"batch_id": "queue-2026-03-02-1000"}

EXAMPLE_OUTCOMES: dict[str, Any] = {
    "outcomes": [
        {"outcome_id": "O-771", "lead_id": "L-17", "kind": "won", "at": "2026-03-05T16:00:00Z", "value": 11500}
    ]
}


class QueueRequest(BaseModel):
    """A batch of the leads that wait. The same `batch_id` gets the same answer, whoever waits by then."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [EXAMPLE_QUEUE]})

    batch_id: Id = Field(description="Chosen by the caller, one per batch.")


def request_models(lead: type[BaseModel], settings: ServiceSettings) -> tuple[type[BaseModel], ...]:
    """Return the models of the request bodies, which document them; they are checked lead by lead."""
    batch = create_model(
        "RouteRequest",
        __config__=ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [EXAMPLE_BATCH]}),
        __doc__="A batch of leads. The same `batch_id` with the same leads gets the same answer, however often it is sent.",
        batch_id=(Id, Field(description="Chosen by the caller, one per batch.")),
        leads=(
            list[lead],  # type: ignore[valid-type]  # a model made while the program runs
            Field(min_length=1, max_length=settings.max_leads, description="The answer has the same order."),
        ),
    )
    outcomes = create_model(
        "OutcomesRequest",
        __config__=ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [EXAMPLE_OUTCOMES]}),
        __doc__="What became of leads.",
        outcomes=(
            list[Outcome],
            Field(min_length=1, max_length=settings.max_leads, description="The answer has the same order."),
        ),
    )
    return batch, outcomes, QueueRequest
