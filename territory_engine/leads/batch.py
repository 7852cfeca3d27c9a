"""A batch of leads as read, and what matching made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.errors import Finding
    from territory_engine.leads.reps.availability import Calendar

Status = Literal["assigned", "queued", "rejected"]

MatchKind = Literal["account_id", "domain", "company", "unit", "postal_code", "nearest_account", "none", "ambiguous"]
"""How an owner was found: the first three through a known account, the next three through the lead's place."""


@dataclass(frozen=True, eq=False)
class LeadBatch:
    """Leads in input order.

    Attributes
    ----------
    frame : DataFrame, RangeIndex
        Always has the columns ``lead_id``, ``account_id``, ``company``, ``domain``, ``postal_code``, ``country`` (text,
        ``""`` where blank), ``latitude``, ``longitude`` (float64; from the postal code where not given; NaN where
        unknown), ``location_source`` (as in accounts), ``score`` (float64, 1 where blank), ``value`` (float64, NaN where
        blank), ``created_at`` (datetime64[us, UTC] or NaT); the leads' other columns as text.
    sha256 : str
        Of the leads' content, the same for the same leads however they arrived (file or HTTP).
    rejected : dict of int to tuple of Finding
        Positions of leads with bad data, and everything that is wrong with each.
    notices : tuple of str
    """

    frame: pd.DataFrame
    sha256: str
    rejected: dict[int, tuple[Finding, ...]]
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, eq=False)
class Matches:
    """Who comes first for each lead, and why. All arrays have shape ``(n_leads,)``.

    Attributes
    ----------
    kind : ndarray of object
        A :data:`MatchKind`.
    rep_id : ndarray of object
        The owner found, ``""`` where none (also where the matched account has no rep in the plan).
    territory_id : ndarray of object
        Territory that the matched account, or the lead's place, lies in; ``""`` where none.
    account_id : ndarray of object
        The matched (or nearest) account, ``""`` where none.
    evidence : ndarray of object
        One clause for people: ``"its e-mail domain acme.com is that of account A17"``; for ``"ambiguous"`` which
        accounts and owners it could be.
    score : ndarray of float64
        Similarity of company names, 0 to 100; NaN elsewhere.
    """

    kind: NDArray[np.object_]
    rep_id: NDArray[np.object_]
    territory_id: NDArray[np.object_]
    account_id: NDArray[np.object_]
    evidence: NDArray[np.object_]
    score: NDArray[np.float64]

    @property
    def by_account(self) -> NDArray[np.bool_]:
        """Which leads were matched to a known account."""
        return np.isin(self.kind.astype(str), ("account_id", "domain", "company"))

    @property
    def by_place(self) -> NDArray[np.bool_]:
        """Which leads lie in a territory, and belong to no known account."""
        return np.isin(self.kind.astype(str), ("unit", "postal_code", "nearest_account"))


@dataclass(frozen=True, eq=False)
class Roster:
    """The reps at the moment of a batch.

    Attributes
    ----------
    frame : DataFrame, index ``rep_id``
        The plan's reps with the columns of the policy's ``reps`` file over them; reps only in that file are added,
        with an empty ``territory_ids`` (text, several with ``;`` between them). Has ``latitude``, ``longitude`` (NaN
        where unknown), ``name`` and ``time_zone`` (IANA).
    weight : ndarray of float64, shape (n_reps,)
        Fair-share weight now: weight × availability in units of their median, × ramp, rounded to 6 decimals; 0: takes no
        leads.
    away : ndarray of bool, shape (n_reps,)
        On leave at the moment of the batch, or not started yet, or left.
    next_at_work : ndarray of datetime64[s], shape (n_reps,)
        UTC moment from which the rep is at work (the batch's own moment if at work now); NaT if never within a year.
    local_day, local_week : ndarray of object, shape (n_reps,)
        The rep's own date (``2026-11-29``) and ISO week (``2026-W48``) at the moment of the batch.
    open_leads, per_day, per_week : ndarray of float64, shape (n_reps,)
        Limits; inf where none.
    travel_km : ndarray of float64, shape (n_reps,)
        inf where none.
    notices : tuple of str
    away_until : ndarray of datetime64[s], shape (n_reps,), or None
        UTC moment from which the rep is not away: the batch's own where not away; NaT where the rep has left.
    away_because : ndarray of object, shape (n_reps,), or None
        What an away rep does instead, for people: ``"is on leave until 7 Dec 2026"``; ``""`` elsewhere.
    calendars : tuple of Calendar
        Each once; empty where only the moment of the batch is known.
    calendar_of_rep : ndarray of intp, shape (n_reps,), or None
    """

    frame: pd.DataFrame
    weight: NDArray[np.float64]
    away: NDArray[np.bool_]
    next_at_work: NDArray[np.datetime64]
    local_day: NDArray[np.object_]
    local_week: NDArray[np.object_]
    open_leads: NDArray[np.float64]
    per_day: NDArray[np.float64]
    per_week: NDArray[np.float64]
    travel_km: NDArray[np.float64]
    notices: tuple[str, ...] = ()
    away_until: NDArray[np.datetime64] | None = None
    away_because: NDArray[np.object_] | None = None
    calendars: tuple[Calendar, ...] = ()
    calendar_of_rep: NDArray[np.intp] | None = None


@dataclass(frozen=True, eq=False)
class Choices:
    """Who may take which lead, before capacities: pairs in the order of leads, and of the roster within a lead.

    Attributes
    ----------
    lead_start : ndarray of int64, shape (n_leads + 1,)
    rep : ndarray of int32, shape (n_pairs,)
        Row of the roster.
    rank : ndarray of int64, shape (n_pairs,)
        0 the matched account's owner, 1 the territory's, 2 the pool; all 2 where nothing comes first.
    value : ndarray of float64, shape (n_pairs,)
        Expected value: score × value × fit − travel cost.
    travel_km : ndarray of float64, shape (n_pairs,)
        NaN where the lead or the rep has no place.
    truncated : bool
        Whether pairs were left out because there were too many to keep: whatever is proved, is proved over those kept.
    notices : tuple of str
    """

    lead_start: NDArray[np.int64]
    rep: NDArray[np.int32]
    rank: NDArray[np.int64]
    value: NDArray[np.float64]
    travel_km: NDArray[np.float64]
    truncated: bool = False
    notices: tuple[str, ...] = ()

    def of(self, lead: int) -> slice:
        """Return where the pairs of a lead are."""
        return slice(int(self.lead_start[lead]), int(self.lead_start[lead + 1]))

    def without(self, leads: NDArray[np.int64]) -> Choices:
        """Return the choices without any pair of these leads."""
        if not len(leads):
            return self
        sizes = np.diff(self.lead_start)
        kept = np.repeat(~np.isin(np.arange(len(sizes)), leads), sizes)
        sizes[leads] = 0
        start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        arrays = {name: getattr(self, name)[kept] for name in ("rep", "rank", "value", "travel_km")}
        return replace(self, lead_start=start, **arrays)


@dataclass(frozen=True)
class Refusal:
    """Why a rep cannot take a lead.

    Attributes
    ----------
    code : str
        ``"segment"`` … the eligibility column; ``"travel"``, ``"place"`` (a travel limit, and no place to measure
        from), ``"away"``, ``"hours"``, ``"weight"``, ``"open_leads"``, ``"per_day"``, ``"per_week"``, ``"match"``
        (the lead waits for the one who comes first).
    sentence : str
        For people, with the figures: ``"is on leave until 2026-12-07"``.
    until : str or None
        UTC moment (ISO 8601) when this no longer stands in the way, where that is known.
    """

    code: str
    sentence: str
    until: str | None = None


def plain_record(row: Any) -> dict[str, Any]:
    """Return a lead's fields as JSON can hold them: numbers, text and ISO 8601 moments; blanks left out."""
    record: dict[str, Any] = {}
    for key, value in row.items():
        if value is None or value == "" or pd.isna(value):
            continue
        if hasattr(value, "isoformat"):
            record[key] = value.isoformat()
        else:
            record[key] = value.item() if isinstance(value, np.generic) else value
    return record
