"""Who comes first for each lead: the owner of its account, then the owner of its territory, by the plan where it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.auditing.checks import SHOWN, Check, verdict
from territory_engine.auditing.numbers import TOLERANCE, haversine_km
from territory_engine.auditing.routed.eligibility import places
from territory_engine.auditing.routed.standing import absences, own_column
from territory_engine.auditing.routed.stored_batch import BY_ACCOUNT, BY_PLACE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.auditing.routed.stored_batch import StoredBatch
    from territory_engine.auditing.routed.stored_plan import RoutingPlan

NEAREST_TRIED = 2_000
"""Leads of a batch whose nearest account is looked for again, spread evenly over it."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Who comes first for each lead; rows of the roster, −1 where nobody does; all of shape ``(n_leads,)``.

    Attributes
    ----------
    owner, territory_rep : ndarray of int64
    waits : ndarray of bool
        Leads that only whoever comes first may have.
    unknown : ndarray of bool
        Leads of whom nobody can say who comes first without the plan.
    """

    owner: NDArray[np.int64]
    territory_rep: NDArray[np.int64]
    waits: NDArray[np.bool_]
    unknown: NDArray[np.bool_]

    @property
    def first(self) -> NDArray[np.int64]:
        """Who comes first, shape ``(n_leads,)``."""
        return np.where(self.owner >= 0, self.owner, self.territory_rep)


def lines_of(batch: StoredBatch, plan: RoutingPlan | None) -> Lines:
    """Return who comes first for each lead of a batch; without the plan, an account's owner is who is stored as such."""
    n = len(batch)
    kind = batch.decisions["match_kind"].to_numpy(object)
    by_account, by_place = np.isin(kind.astype(str), BY_ACCOUNT), np.isin(kind.astype(str), BY_PLACE)
    _, gone = absences(batch)
    row = {rep: at for at, rep in enumerate(batch.rep_ids) if not gone[at]}
    held = own_column(batch, "territory_ids")
    of_territory = {
        territory: at for rep, at in row.items() for territory in held[at].split(";") if territory
    }  # fmt: skip
    territory = batch.decisions["territory_id"].astype(str).to_numpy(object)
    placed = np.array([of_territory.get(name, -1) for name in territory], np.int64)
    owner, unknown = np.full(n, -1, np.int64), np.zeros(n, np.bool_)
    if plan is not None:
        account = batch.decisions["match_account_id"].astype(str)
        named = account.map(plan.rep_of_account).fillna("")
        owner = np.where(by_account, [row.get(rep, -1) for rep in named], -1)
        told = np.array([row.get(plan.rep_of_territory.get(name, ""), -1) for name in territory], np.int64)
        placed = np.where(by_place & (told >= 0), told, placed)
    else:
        first = batch.pair_rank == 0
        owner[batch.pair_lead[first]] = batch.pair_rep[first]
        unknown = by_account & (owner < 0)
    territory_rep = np.where(by_account | by_place, placed, -1)
    if batch.setting("matching", "owner", "first") == "ignore":
        owner, unknown = np.full(n, -1), np.zeros(n, np.bool_)
    if batch.setting("matching", "territory", "first") == "ignore":
        territory_rep = np.full(n, -1)
    waits = np.zeros(n, np.bool_)
    if batch.setting("matching", "when_unavailable", "next") == "wait":
        waits = (owner >= 0) | (territory_rep >= 0)
    else:
        unknown = np.zeros(n, np.bool_)
    return Lines(owner.astype(np.int64), territory_rep.astype(np.int64), waits, unknown)


def check_matches(batch: StoredBatch, plan: RoutingPlan) -> list[Check]:
    """Check matched accounts, their territories, and the nearest account, against the plan."""
    kind = batch.decisions["match_kind"].to_numpy(object)
    account = batch.decisions["match_account_id"].astype(str).to_numpy(object)
    territory = batch.decisions["territory_id"].astype(str).to_numpy(object)
    matched = (np.isin(kind.astype(str), BY_ACCOUNT) | (kind == "nearest_account")) & ~batch.erased
    at = np.asarray(plan.rep_of_account.index.get_indexer(pd.Index(account)), np.int64)
    known = plan.territory_of_account.to_numpy(object)
    its = np.where(at >= 0, known[np.maximum(at, 0)] if len(known) else "", "")
    bad = matched & ((at < 0) | (its != territory))

    def describe(i: int) -> str:
        if at[i] < 0:
            return f"account {account[i]!r} is not in the plan"
        return f"account {account[i]} is in territory {its[i]}, told: {territory[i]!r}"

    checks = [verdict("matches", bad, batch.labels, describe, "matched accounts and their territories in the plan")]
    nearest = np.flatnonzero((kind == "nearest_account") & (at >= 0) & ~batch.erased)
    if len(nearest):
        checks.append(_check_nearest(batch, plan, nearest, at))
    return checks


def _check_nearest(batch: StoredBatch, plan: RoutingPlan, nearest: NDArray[np.int64], at: NDArray[np.int64]) -> Check:
    tried = nearest[np.unique(np.linspace(0, len(nearest) - 1, min(len(nearest), NEAREST_TRIED)).astype(np.int64))]
    leads, _ = places(batch)
    reach = float(batch.setting("matching", "territory_reach_km", 100.0))
    told: list[str] = []
    for lead in tried:
        here = np.broadcast_to(leads[lead], plan.places.shape)
        km = haversine_km(here[:, 0], here[:, 1], plan.places[:, 0], plan.places[:, 1])
        own, least = km[at[lead]], np.nanmin(km)
        if not own <= least * (1 + TOLERANCE) + TOLERANCE or own > reach * (1 + TOLERANCE):
            name = plan.rep_of_account.index[int(np.nanargmin(km))]
            told.append(f"{batch.labels[lead]}: {own:.3f} km to its account, {least:.3f} km to {name}")
    what = f"nearest accounts of {len(tried):,} leads" + ("" if len(tried) == len(nearest) else f" of {len(nearest):,}")
    message = f"{what}: {len(told):,} do not hold. {'; '.join(told[:SHOWN])}" if told else f"{what}: all hold"
    return Check("nearest_accounts", not told, message)
