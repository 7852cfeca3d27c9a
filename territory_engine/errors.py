"""One tree of errors, so that a caller can catch as widely or as narrowly as it likes.

::

    TerritoryError
    ├── InputError              bad data or configuration (exit code 2)
    │   └── ConfigError         the configuration file itself
    ├── PlanDirectoryError      a plan directory that cannot be read or written (exit code 2)
    ├── LedgerError             a ledger that cannot be opened, read or written (exit code 2)
    │   ├── BatchConflictError      the batch's ID stands in the ledger with other content
    │   ├── LedgerUnavailableError  cannot be reached now, or is locked: trying again may help
    │   └── UnknownLeadError        no lead of this ID was routed
    ├── SchedulerError          a Dask cluster that is not there, or cannot run scenarios (exit code 2)
    └── NoPlanError             no plan found inside the time limit, nothing proved (exit code 4)

Infeasibility is not an error: it is the status of a plan, with a conflict and a relaxation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing wrong with the input: what, where, the value, what is allowed, and how to mend it.

    Attributes
    ----------
    what : str
        The problem in one clause, in the planner's words ("latitude is not a number").
    file : str or None
        Name of the file as the planner gave it.
    row : int or None
        1-based row as a spreadsheet shows it (the header is row 1).
    column : str or None
        The column's name in the planner's own file.
    value : str or None
        The offending value, as read.
    allowed : str or None
        What would have been accepted.
    remedy : str or None
        What to do about it.
    """

    what: str
    file: str | None = None
    row: int | None = None
    column: str | None = None
    value: str | None = None
    allowed: str | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        place = [self.file] if self.file else []
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column is not None:
            place.append(f"column {self.column!r}")
        text = f"{', '.join(place)}: {self.what}" if place else self.what
        if self.value is not None:
            text += f" (found {self.value!r})"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.remedy:
            text += f". Remedy: {self.remedy}"
        return text


class TerritoryError(Exception):
    """Base of every error that Territory Engine raises on purpose."""


class InputError(TerritoryError):
    """Bad input. Holds every finding, not only the first.

    Attributes
    ----------
    findings : tuple of Finding
    """

    def __init__(self, findings: Finding | Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = (findings,) if isinstance(findings, Finding) else tuple(findings)
        super().__init__("\n".join(str(f) for f in self.findings))


class ConfigError(InputError):
    """The configuration file is wrong: an unknown key, a value of the wrong type, a column that is not there."""


class PlanDirectoryError(TerritoryError):
    """A plan directory cannot be read or written: it exists already, is incomplete, or was edited by hand."""


class LedgerError(TerritoryError):
    """A ledger cannot be opened, read or written, or refuses what would make it wrong."""


class BatchConflictError(LedgerError):
    """A batch with this ID was recorded before, with other content."""


class LedgerUnavailableError(LedgerError):
    """The ledger cannot be reached now, or stayed locked too long; nothing was recorded, and trying again may help.

    Attributes
    ----------
    transient : bool
        Whether trying again at once is worthwhile: a deadlock, a connection that broke. False where waiting has already
        taken as long as it was allowed to.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        self.transient = transient
        super().__init__(message)


class UnknownLeadError(LedgerError):
    """The ledger knows no lead of this ID, or not in this batch."""


class SchedulerError(TerritoryError):
    """There is no Dask cluster at this address, or it cannot run scenarios."""


class NoPlanError(TerritoryError):
    """No plan was found inside the time limit, and none was proved impossible."""
