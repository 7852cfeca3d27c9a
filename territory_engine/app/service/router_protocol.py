"""What the service asks of a router, so that it can be tested without a plan or a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pandas as pd


class RoutedBatch(Protocol):
    """The answer to a batch.

    Attributes
    ----------
    batch_id : str
    repeated : bool
        Whether this is the stored answer to an earlier call with the same ``batch_id``.
    at : datetime
        UTC, the moment the batch was routed for.
    assigned, queued, rejected : int
    decisions : DataFrame
        One row per lead, with :data:`territory_engine.ledger.records.DECISION_COLUMNS`.
    proof : mapping
    """

    @property
    def batch_id(self) -> str: ...  # noqa: D102  # the class says it
    @property
    def repeated(self) -> bool: ...  # noqa: D102  # the class says it
    @property
    def at(self) -> datetime: ...  # noqa: D102  # the class says it
    @property
    def assigned(self) -> int: ...  # noqa: D102  # the class says it
    @property
    def queued(self) -> int: ...  # noqa: D102  # the class says it
    @property
    def rejected(self) -> int: ...  # noqa: D102  # the class says it
    @property
    def decisions(self) -> pd.DataFrame: ...  # noqa: D102  # the class says it
    @property
    def proof(self) -> Mapping[str, Any]: ...  # noqa: D102  # the class says it


class LeadRouter(Protocol):
    """A router as the service calls it: every method blocks, and may be called from several threads at once.

    A router may have ``lead_columns``, a tuple of the lead columns that the rules of the plan and the policy name: leads
    may then have these fields too.
    """

    def route(self, records: list[dict[str, Any]], batch_id: str, /, *, at: datetime | None = None) -> RoutedBatch:
        """Route a batch, or return the stored answer to the same batch.

        Parameters
        ----------
        records : list of dict
            Leads as JSON has them, checked: text, numbers, ``created_at`` as ISO 8601 text with an offset, ``skills``
            as ``;``-separated text; blank fields left out; ``domain`` instead of an e-mail address.
        batch_id : str
        at : datetime, optional
            The moment to route for; now, unless given.

        Raises
        ------
        InputError
            Findings with ``row`` (position + 1) and ``column`` (the field).
        BatchConflictError
            Another batch was routed under this ``batch_id``.
        LedgerError
            The ledger does not answer; nothing was written.
        """
        ...

    def lead(self, lead_id: str, /) -> dict[str, Any] | None:
        """Return a lead's state, its decisions so far and their explanation; None if it was never routed."""
        ...

    def route_queue(self, batch_id: str, /) -> RoutedBatch:
        """Route the leads that wait as a batch, or return the stored answer where the ``batch_id`` was used; see :meth:`route`."""
        ...

    def queue(self, *, limit: int, offset: int) -> dict[str, Any]:
        """Return ``total`` (how many wait) and ``leads``, at most ``limit`` after the first ``offset``.

        Of each lead ``lead_id``, ``reason``, ``reason_code``, ``could_go_at`` (ISO 8601 or None), ``since``, ``batch_id``.
        """
        ...

    def reps(self) -> list[dict[str, Any]]:
        """Return where every rep stands: level, open leads, today, weight, availability."""
        ...

    def outcomes(self, outcomes: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """Record what became of leads, and say of each what was done: ``outcome_id``, ``lead_id``, ``result``.

        ``at`` is a datetime in UTC; ``value`` and ``note`` are there only where they were told.
        """
        ...

    def health(self) -> dict[str, Any]:
        """Return ``ledger`` (whether it answers) and ``plan_id``; may raise LedgerError instead."""
        ...

    def close(self) -> None:
        """Let go of the ledger."""
        ...
