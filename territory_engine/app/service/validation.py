"""From a request's bytes to checked records, and from what is wrong with them to messages with paths."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from territory_engine.app.service.errors import MOST_DETAILS, ErrorDetail, ServiceError, shown
from territory_engine.app.service.models import ALLOWED, COLUMN_ALLOWED, OTHERWISE_ALLOWED, Id, Outcome, pattern_problem
from territory_engine.app.service.settings import ServiceSettings
from territory_engine.errors import Finding
from territory_engine.grammar import counted
from territory_engine.leads.matching.domains import is_free_mail, registrable_domain

_CHUNK = 1_000  # leads checked before other threads have their turn
# Never fails once begun, so that it takes linear time on text without an end too.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.|\\\Z)*+(?:"|\Z)', re.DOTALL)
_LONGEST_NAME = 100
_ID = TypeAdapter(Id)


class Problems:
    """What is wrong with a request: the first of it in full, and how much there is."""

    def __init__(self) -> None:
        self.details: list[ErrorDetail] = []
        self.total = 0

    def add(
        self, path: str, problem: str, value: Any = None, allowed: str | None = None, remedy: str | None = None
    ) -> None:
        """Add one problem."""
        self.total += 1
        if len(self.details) < MOST_DETAILS:
            found = None if value is None else shown(value)
            self.details.append(ErrorDetail(path=path, problem=problem, value=found, allowed=allowed, remedy=remedy))

    def raise_if_any(self) -> None:
        """Raise 422 with everything that was added, if anything was."""
        if self.total:
            raise ServiceError(
                422,
                "invalid_request",
                f"{counted(self.total, 'problem')} in the request; nothing was written.",
                self.details,
                total=self.total,
            )


def read_batch(
    body: bytes, leads: TypeAdapter[list[BaseModel]], settings: ServiceSettings
) -> tuple[str, list[dict[str, Any]]]:
    """Return the batch's ID and its leads as the router takes them.

    Raises
    ------
    ServiceError
        400 (no JSON), 413 (too many leads) or 422 (fields, each with its path).
    """
    content, items, problems = _read(body, "leads", ("batch_id",), settings)
    batch_id = _batch_id(content, problems)
    checked = _checked(items, leads, "leads", problems)
    _cross_checks(items, problems)
    if settings.extra_fields:
        _names(items, problems)
    problems.raise_if_any()
    names = {name: field.alias for name, field in type(checked[0]).model_fields.items() if field.alias}
    return batch_id, [_record(lead, names) for lead in checked]


def read_queue_batch(body: bytes) -> str:
    """Return the ID of a batch of the leads that wait; raises as :func:`read_batch`."""
    problems = Problems()
    content = _parsed(body)
    if not isinstance(content, dict):
        problems.add("", "is not an object", content, "an object with batch_id")
        problems.raise_if_any()
    for name in content.keys() - {"batch_id"}:
        problems.add(_part(name), "is not a field of the request", content[name], "batch_id", "leave it out")
    batch_id = _batch_id(content, problems)
    problems.raise_if_any()
    return batch_id


def _batch_id(content: dict[str, Any], problems: Problems) -> str:
    batch_id = content.get("batch_id")
    try:
        _ID.validate_python(batch_id, strict=True)
    except ValidationError as error:
        if "batch_id" in content:
            _translate(error.errors(include_url=False, include_context=False), "", "batch_id", problems)
        else:
            problems.add("batch_id", "is missing", allowed=ALLOWED["batch_id"])
    return str(batch_id)


def is_id(text: str) -> bool:
    """Return whether text can be the ID of a lead."""
    try:
        _ID.validate_python(text, strict=True)
    except ValidationError:
        return False
    return True


_OUTCOMES: TypeAdapter[list[Any]] = TypeAdapter(list[Outcome])


def read_outcomes(body: bytes, settings: ServiceSettings) -> list[dict[str, Any]]:
    """Return outcomes as the router takes them; raises as :func:`read_batch`."""
    _, items, problems = _read(body, "outcomes", (), settings)
    checked = _checked(items, _OUTCOMES, "outcomes", problems)
    _unique(items, "outcomes", "outcome_id", problems)
    problems.raise_if_any()
    records = [{k: v for k, v in outcome.__dict__.items() if v is not None} for outcome in checked]
    for record in records:
        record["at"] = datetime.fromisoformat(record["at"]).astimezone(UTC)
    return records


def _read(
    body: bytes, key: str, others: tuple[str, ...], settings: ServiceSettings
) -> tuple[dict[str, Any], list[Any], Problems]:
    """Parse a body that is an object with one list, whose length is known before its items are looked at."""
    most = settings.max_leads
    if _may_be_too_many(body, most):
        raise _too_many(key, most, None)
    content = _parsed(body)
    problems = Problems()
    if not isinstance(content, dict):
        problems.add("", "is not an object", content, f"an object with {', '.join((*others, key))}")
        problems.raise_if_any()
    for name in content.keys() - {key, *others}:
        problems.add(
            _part(name), "is not a field of the request", content[name], f"{', '.join((*others, key))}", "leave it out"
        )
    items = content.get(key)
    if key not in content:
        problems.add(key, "is missing", allowed=ALLOWED[key])
    elif not isinstance(items, list):
        problems.add(key, "is not a list", items, ALLOWED[key])
    elif not items:
        problems.add(key, "is empty", [], ALLOWED[key])
    elif len(items) > most:
        raise _too_many(key, most, len(items))
    return content, items if isinstance(items, list) else [], problems


def _parsed(body: bytes) -> Any:
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        where = re.search(r"line \d+ column \d+", str(error))
        raise ServiceError(
            400,
            "invalid_json",
            f"The body is not JSON{f' at {where.group()}' if where else ''}: {_json_complaint(str(error))}."
            " Remedy: send JSON in UTF-8; NaN and Infinity are no JSON, leave such a field out.",
        ) from None


def _json_complaint(text: str) -> str:
    return text.split(" at line ", maxsplit=1)[0]


def _too_many(key: str, most: int, found: int | None) -> ServiceError:
    number = "more" if found is None else f"{found:,}"
    return ServiceError(
        413,
        f"too_many_{key}",
        f"{key}: at most {most:,} in one request, and there are {number}. Nothing was written."
        " Remedy: send several batches, each with its own batch_id.",
    )


def _may_be_too_many(body: bytes, most: int) -> bool:
    """Count opening brackets, so that a body of millions of small objects is refused before it fills the memory.

    Every lead is one object and has few lists. Brackets within text are left out of the count where they matter.
    """
    objects, lists = 2 * most + 10, 4 * most + 10
    if body.count(b"{") <= objects and body.count(b"[") <= lists:
        return False
    bare = _STRING.sub(b"", body)
    return bare.count(b"{") > objects or bare.count(b"[") > lists


def _checked(items: list[Any], adapter: TypeAdapter[list[Any]], key: str, problems: Problems) -> list[Any]:
    checked: list[Any] = []
    for start in range(0, len(items), _CHUNK):
        try:
            checked += adapter.validate_python(items[start : start + _CHUNK])
        except ValidationError as error:
            for each in error.errors(include_url=False, include_context=False):
                number, *rest = each["loc"]
                path = f"{key}[{start + int(number)}]"
                _translate([{**each, "loc": tuple(rest)}], path, "", problems)
    return checked


_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a field that is known",
    "string_type": "is not text",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
    "string_unicode": "is not text",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "greater_than_equal": "is out of range",
    "less_than_equal": "is out of range",
    "literal_error": "is none of the known kinds",
    "model_type": "is not an object",
    "dict_type": "is not an object",
    "too_long": "has too many items",
}


def _translate(errors: Iterable[Any], path: str, name: str, problems: Problems) -> None:
    for each in errors:
        error: ErrorDetails = each
        parts = [_part(part) if isinstance(part, str) else f"[{part}]" for part in error["loc"] if part != "[key]"]
        where = ".".join(part for part in (path, name, *parts) if part)
        field = str(error["loc"][0]) if error["loc"] else name
        kind = error["type"]
        problem = _WORDS.get(kind, error["msg"])
        if kind == "string_pattern_mismatch":
            problem = pattern_problem(error["input"])
        if kind == "missing":
            problems.add(where, problem, None, ALLOWED.get(field))
        elif kind == "extra_forbidden":
            problems.add(
                where,
                problem,
                error["input"],
                None,
                "leave it out, name it in a rule of the policy, or start the service with --extra-fields",
            )
        else:
            otherwise = COLUMN_ALLOWED if kind == "column" else OTHERWISE_ALLOWED
            allowed = "an object" if not field else ALLOWED.get(field, otherwise)
            problems.add(where, problem, error["input"], allowed)


def _cross_checks(items: list[Any], problems: Problems) -> None:
    _unique(items, "leads", "lead_id", problems)
    for number, item in enumerate(items):
        if isinstance(item, dict):
            latitude, longitude = item.get("latitude"), item.get("longitude")
            if (latitude is None) != (longitude is None):
                absent = "latitude" if latitude is None else "longitude"
                other = "longitude" if latitude is None else "latitude"
                problems.add(
                    f"leads[{number}].{absent}",
                    f"is missing, and {other} is there",
                    None,
                    ALLOWED[absent],
                    "send both or neither",
                )


def _unique(items: list[Any], key: str, name: str, problems: Problems) -> None:
    first: dict[str, int] = {}
    for number, item in enumerate(items):
        value = item.get(name) if isinstance(item, dict) else None
        if value and isinstance(value, str) and first.setdefault(value, number) != number:
            problems.add(
                f"{key}[{number}].{name}",
                f"is the same as in {key}[{first[value]}]",
                value,
                "each once in a request",
                "leave one of them out",
            )


def _names(items: list[Any], problems: Problems) -> None:
    for number, item in enumerate(items):
        if isinstance(item, dict):
            for name in item:
                if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
                    problems.add(
                        f"leads[{number}]",
                        "has a field whose name cannot be a column's",
                        name,
                        f"1 to {_LONGEST_NAME} printable characters",
                    )


def _record(lead: BaseModel, names: dict[str, str]) -> dict[str, Any]:
    """Return a lead with blanks left out, and of an e-mail address only its domain."""
    record = {names.get(k, k): v for k, v in lead.__dict__.items() if v is not None and v != ""}
    record.update({k: v for k, v in (lead.model_extra or {}).items() if v is not None and v != ""})
    email = record.pop("email", None)
    if email is not None:
        of_mail = email.rpartition("@")[2]
        told = record.get("domain")
        # As in a file of leads: a mail provider's domain says less than the address does.
        if told is None or (is_free_mail(registrable_domain(told)) and not is_free_mail(registrable_domain(of_mail))):
            record["domain"] = of_mail
    return record


def details_of(findings: Iterable[Finding]) -> Problems:
    """Return what the router or the ledger found as problems with paths.

    The router tells a lead by ``row`` (its position + 1), the ledger an outcome by ``file`` (its path).
    """
    problems = Problems()
    for finding in findings:
        place = f"leads[{finding.row - 1}]" if finding.row else finding.file or ""
        path = ".".join(part for part in (place, finding.column) if part)
        problems.add(path, finding.what, finding.value, finding.allowed, finding.remedy)
    return problems


def page_problems(errors: Iterable[Any]) -> Problems:
    """Return what is wrong with the parameters of an address."""
    problems = Problems()
    for error in errors:
        name = str(error["loc"][-1])
        problems.add(name, "is not a whole number in range", error.get("input"), ALLOWED.get(name))
    return problems


def _part(name: str) -> str:
    """Return a field's name as a path has it: a short plain one as it is."""
    return name if name.isidentifier() and len(name) <= _LONGEST_NAME else shown(name)
