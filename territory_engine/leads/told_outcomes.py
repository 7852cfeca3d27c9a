"""Outcomes as somebody tells them: records checked field by field, and recorded in the ledger as a whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from numbers import Real
from typing import TYPE_CHECKING, Any, get_args

from territory_engine.errors import Finding, InputError
from territory_engine.ledger.records import Outcome, OutcomeKind

if TYPE_CHECKING:
    from territory_engine.ledger.outcomes import OutcomeResult
    from territory_engine.ledger.store import Ledger

KINDS: tuple[str, ...] = get_args(OutcomeKind)

ALLOWED = {
    "outcome_id": "text of your own, another one for each outcome",
    "lead_id": "the lead_id of a lead that was routed",
    "kind": "accepted, contacted, won, lost or returned",
    "at": "a datetime with a time zone, or ISO 8601 with an offset, such as 2026-12-04T10:00:00Z",
    "value": "a finite number, or left out",
    "note": "short fields by name, or left out",
}
"""What each field of an outcome accepts, in words."""

_REQUIRED = ("outcome_id", "lead_id", "kind", "at")


@dataclass(frozen=True, eq=False)
class ToldOutcomes:
    """Outcomes that could be read, and what was wrong with the others.

    Attributes
    ----------
    outcomes : tuple of Outcome
    places : tuple of Finding
        Where each outcome stands: ``file`` and ``row``.
    findings : tuple of Finding
        What is wrong with those that are not among ``outcomes``.
    columns : mapping
        A field's name in the teller's own file, where it is another.
    notices : tuple of str
    """

    outcomes: tuple[Outcome, ...]
    places: tuple[Finding, ...]
    findings: tuple[Finding, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    def record(self, ledger: Ledger) -> list[OutcomeResult]:
        """Record all, or nothing where anything is wrong.

        Raises
        ------
        InputError
            With every finding: about the fields, and about where the leads stand.
        """
        if self.findings:
            found = [*self.findings, *map(self._in_its_place, ledger.check_outcomes(self.outcomes))]
            raise InputError(sorted(found, key=lambda one: one.row or _number_in(one.file)))
        try:
            return ledger.record_outcomes(self.outcomes)
        except InputError as error:
            raise InputError([self._in_its_place(finding) for finding in error.findings]) from None

    def _in_its_place(self, finding: Finding) -> Finding:
        """Return the ledger's finding, which tells an outcome by its number, with the place that the teller knows."""
        place = self.places[_number_in(finding.file)]
        column = self.columns.get(finding.column or "", finding.column)
        return replace(finding, file=place.file, row=place.row, column=column)


def _number_in(place: str | None) -> int:
    """Return the number of ``"outcomes[3]"``."""
    return int((place or "").removeprefix("outcomes[").removesuffix("]"))


def outcomes_of_records(records: Sequence[Mapping[str, Any]]) -> ToldOutcomes:
    """Read outcomes given as mappings; what is wrong is told by ``outcomes[i]`` and the field's name."""
    if isinstance(records, Mapping | str):
        shown = repr(records)[:80]
        raise InputError(Finding("is not a list of outcomes", "outcomes", value=shown, remedy="give a list of dicts"))
    outcomes, places, findings = [], [], []
    for number, record in enumerate(records):
        place = f"outcomes[{number}]"
        wrong: list[Finding] = []
        read = _read_fields(record, place, wrong)
        if wrong:
            findings += wrong
        else:
            outcomes.append(Outcome(**read))
            places.append(Finding("", place))
    return ToldOutcomes(tuple(outcomes), tuple(places), tuple(findings))


def _read_fields(record: Any, place: str, wrong: list[Finding]) -> dict[str, Any]:
    if not isinstance(record, Mapping):
        what = "is not a mapping with fields"
        wrong.append(Finding(what, place, value=repr(record)[:80], allowed=", ".join(ALLOWED)))
        return {}
    for name in record:
        if name not in ALLOWED:
            what, remedy = "is not a field of an outcome", "leave it out, or put it into note"
            wrong.append(Finding(what, place, column=str(name)[:80], allowed=", ".join(ALLOWED), remedy=remedy))
    read: dict[str, Any] = {}
    for name, allowed in ALLOWED.items():
        value = record.get(name)
        if value is None:
            if name in _REQUIRED:
                wrong.append(Finding("is missing", place, column=name, allowed=allowed))
            continue
        try:
            read[name] = _FIELDS[name](value)
        except ValueError as error:
            wrong.append(Finding(str(error), place, column=name, value=_shown(value), allowed=allowed))
    return read


def _shown(value: Any) -> str:
    return (value if isinstance(value, str) else repr(value))[:80]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not text")
    return value


def _kind(value: Any) -> str:
    if _text(value) not in KINDS:
        raise ValueError("is no kind of outcome")
    return str(value)


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("is not a moment in ISO 8601") from None
    if not isinstance(value, datetime) or value != value:  # noqa: PLR0124  # pandas' NaT is a datetime that is none
        raise ValueError("is not a moment")
    if value.tzinfo is None:
        raise ValueError("has no time zone")
    try:
        moment = value.astimezone(UTC)
        return datetime.combine(moment.date(), moment.time(), UTC)  # pandas' moments become Python's
    except (ValueError, OverflowError):
        raise ValueError("is out of the calendar") from None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError("is not a number")
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    return float(value)


def _note(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError("is not a mapping with text as names")
    return dict(value)


_FIELDS = {"outcome_id": _text, "lead_id": _text, "kind": _kind, "at": _moment, "value": _number, "note": _note}
