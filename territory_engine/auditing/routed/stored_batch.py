"""A routed batch as the ledger tells it, and what follows from its rows alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

LEVEL_UNIT = 1_000_000
"""A level of one lead per unit of weight."""

POOL = 2
"""Rank of a rep who is neither the account's owner nor the territory's."""

BY_ACCOUNT = ("account_id", "domain", "company")
BY_PLACE = ("unit", "postal_code", "nearest_account")


@dataclass(frozen=True, eq=False)
class StoredBatch:
    """A batch of the ledger.

    Attributes
    ----------
    number : int
        Its place in the order of all batches.
    batch_id : str
    routed_at, recorded_at : datetime
        UTC.
    plan_sha256 : str
    policy, proof : dict
    told : dict of str to int
        ``leads``, ``assigned``, ``queued``, ``rejected`` as the batch's row has them.
    reps : DataFrame, index ``rep_id``
        The roster, with the prices.
    pairs : DataFrame
        ``lead``, ``rep``, ``rank``, ``value``, ``travel_km``; one row per pair that the split could use.
    decisions : DataFrame
        One row per lead, by position.
    """

    number: int
    batch_id: str
    routed_at: datetime
    recorded_at: datetime
    plan_sha256: str
    policy: dict[str, Any]
    proof: dict[str, Any]
    told: dict[str, int]
    reps: pd.DataFrame
    pairs: pd.DataFrame
    decisions: pd.DataFrame

    def __len__(self) -> int:
        return len(self.decisions)

    @property
    def n_reps(self) -> int:
        """Number of reps on the roster."""
        return len(self.reps)

    def setting(self, table: str, key: str, default: Any = None) -> Any:
        """Return a setting of the policy, ``default`` where it is not set."""
        found = self.policy.get(table)
        return found.get(key, default) if isinstance(found, dict) else default

    def whole(self, column: str) -> NDArray[np.int64]:
        """Return a column of the roster as whole numbers, shape ``(n_reps,)``."""
        return np.asarray(self.reps[column].to_numpy(), np.int64)

    @cached_property
    def status(self) -> NDArray[np.object_]:
        """``"assigned"``, ``"queued"`` or ``"rejected"``, shape ``(n_leads,)``."""
        return self.decisions["status"].to_numpy(object)

    @cached_property
    def assigned(self) -> NDArray[np.bool_]:
        """Which leads have a rep, shape ``(n_leads,)``."""
        return np.asarray(self.status == "assigned", np.bool_)

    @cached_property
    def rep(self) -> NDArray[np.int64]:
        """Row of the roster of each lead's rep; −1 where it has none, −2 where the rep is on no roster."""
        rep_id = self.decisions["rep_id"].to_numpy(object)
        found = np.asarray(pd.Index(self.reps.index.astype(str)).get_indexer(pd.Index(rep_id.astype(str))), np.int64)
        return np.where(self.assigned, np.where(found < 0, -2, found), -1)

    @cached_property
    def pair_lead(self) -> NDArray[np.int64]:
        """Position of each pair's lead, shape ``(n_pairs,)``."""
        return np.asarray(self.pairs["lead"].to_numpy(), np.int64)

    @cached_property
    def pair_rep(self) -> NDArray[np.int64]:
        """Row of the roster of each pair's rep, shape ``(n_pairs,)``."""
        return np.asarray(self.pairs["rep"].to_numpy(), np.int64)

    @cached_property
    def pair_rank(self) -> NDArray[np.int64]:
        """Rank of each pair, shape ``(n_pairs,)``."""
        return np.asarray(self.pairs["rank"].to_numpy(), np.int64)

    @cached_property
    def in_order(self) -> bool:
        """Whether pairs come by lead and then by rep, none twice, and are of leads and reps that there are."""
        lead, rep = self.pair_lead, self.pair_rep
        if not len(lead):
            return True
        inside = lead.min() >= 0 and lead.max() < len(self) and rep.min() >= 0 and rep.max() < self.n_reps
        return bool(inside and (np.diff(lead * self.n_reps + rep) > 0).all())

    @cached_property
    def pair(self) -> NDArray[np.int64]:
        """Row of the pair that each lead was assigned by; −1 where it has no rep, or there is no such pair."""
        key = self.pair_lead * self.n_reps + self.pair_rep
        wanted = np.arange(len(self)) * self.n_reps + self.rep
        if not len(key):
            return np.full(len(self), -1, np.int64)
        at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        return np.where((self.rep >= 0) & (key[at] == wanted), at, -1)

    @cached_property
    def choices(self) -> NDArray[np.int64]:
        """Number of pairs of each lead, shape ``(n_leads,)``."""
        return np.bincount(self.pair_lead, minlength=len(self)).astype(np.int64)

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """Which leads went to their match without counting, as the decisions tell it: they were charged nothing."""
        if self.setting("fair_share", "matched") != "free":
            return np.zeros(len(self), np.bool_)
        return np.asarray(self.assigned & (self.decisions["charged"].to_numpy(np.int64) == 0))

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """Leads that each rep got, shape ``(n_reps,)``."""
        return np.bincount(self.rep[self.rep >= 0], minlength=self.n_reps).astype(np.int64)

    @cached_property
    def erased(self) -> NDArray[np.bool_]:
        """Leads whose fields were deleted on request: what needs them is taken as told; shape ``(n_leads,)``."""
        return np.array([text == "{}" for text in self.decisions["lead"]], np.bool_)

    @cached_property
    def leads(self) -> pd.DataFrame:
        """The leads' fields, one row per lead; empty columns are not there."""
        return pd.DataFrame(json.loads(f"[{','.join(self.decisions['lead'])}]"))

    def numbers_of_leads(self, column: str, blank: float) -> NDArray[np.float64]:
        """Return a leads column as numbers, ``blank`` where there is none."""
        if column not in self.leads.columns:
            return np.full(len(self), blank)
        values = pd.to_numeric(self.leads[column], errors="coerce").to_numpy(np.float64)
        return np.where(np.isnan(values), blank, values)

    @cached_property
    def takes_leads(self) -> NDArray[np.bool_]:
        """Reps who are there, have a weight and are at work soon enough by the stored moments, shape ``(n_reps,)``."""
        there = ~self.reps["away"].to_numpy(np.bool_) & (self.reps["weight"].to_numpy(np.float64) > 0)
        hours = self.setting("hours", "respond_within_h")
        if hours is not None:
            at_work = self.reps["next_at_work"].to_numpy("datetime64[s]")
            now = np.datetime64(int(self.routed_at.timestamp() // 1), "s")
            there &= at_work <= now + np.timedelta64(round(hours * 3600), "s")  # never true of NaT
        return there

    @cached_property
    def labels(self) -> Sequence[str]:
        """What messages call each lead."""
        return [str(lead) or f"lead {at}" for at, lead in enumerate(self.decisions["lead_id"])]

    @cached_property
    def rep_ids(self) -> Sequence[str]:
        """The reps' IDs, in the order of the roster."""
        return [str(rep) for rep in self.reps.index]
