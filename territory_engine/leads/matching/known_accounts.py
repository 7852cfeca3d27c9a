"""The plan's accounts by ID, by domain, by company name and by place: built once for a plan, asked for every batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.leads.matching.company_names import company_key, sorted_words
from territory_engine.leads.matching.domains import domains_of, is_free_mail
from territory_engine.leads.matching.places import PlaceIndex, postal_keys
from territory_engine.leads.matching.similar_names import SimilarNames
from territory_engine.leads.reading.columns import column_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

DOMAIN_COLUMNS = (
    "domain", "companydomain", "companydomainname", "emaildomain", "website", "websiteurl", "url", "webdomain", "email",
    "emailaddress", "companyemail",
)  # fmt: skip
"""Accounts columns that say whose domain it is, in order of preference; compared without case, spaces and underscores."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Accounts that share a key.

    Attributes
    ----------
    keys : Index of str, shape (n_keys,)
    start : ndarray of int64, shape (n_keys + 1,)
    members : ndarray of int64, shape (n_members,)
        Positions of accounts, ascending within a key.
    owner : ndarray of int64, shape (n_keys,)
        The owner of all members; −1 where there are several.
    """

    keys: pd.Index[Any]
    start: NDArray[np.int64]
    members: NDArray[np.int64]
    owner: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.object_], owners: NDArray[np.int64]) -> Groups:
        """Group accounts by key, ``""`` left out; both arrays of shape ``(n_accounts,)``."""
        at = np.flatnonzero(keys != "")
        codes, unique = pd.factorize(keys[at])
        order = np.argsort(codes, kind="stable")
        members = at[order].astype(np.int64)
        start = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(unique)))]).astype(np.int64)
        owner = np.zeros(0, np.int64)
        if len(members):
            low, high = (f.reduceat(owners[members], start[:-1]) for f in (np.minimum, np.maximum))
            owner = np.where(low == high, low, -1)
        return cls(pd.Index(unique, dtype=object), start, members, owner)

    def find(self, keys: NDArray[np.object_]) -> NDArray[np.int64]:
        """Return the position of each key, −1 where it is unknown or ``""``."""
        return np.asarray(self.keys.get_indexer(pd.Index(keys, dtype=object)), np.int64)

    def of_key(self, key: int) -> NDArray[np.int64]:
        """Return the accounts with a key."""
        return self.members[self.start[key] : self.start[key + 1]]


@dataclass(frozen=True, eq=False)
class AccountIndex:
    """A plan's accounts, and what leads are compared with.

    Attributes
    ----------
    ids : Index of str, shape (n_accounts,)
    name, rep_id, territory_id : ndarray of object, shape (n_accounts,)
        ``""`` where there is none.
    owner : ndarray of int64, shape (n_accounts,)
        Accounts with the same number belong to the same rep, or where a territory has no rep, to the same territory.
    xyz : ndarray of float64, shape (n_accounts, 3)
        On the unit sphere; NaN where the place is unknown.
    postal : ndarray of object, shape (n_accounts,)
        Country and postal code, ``""`` where unknown.
    domains, names : Groups
        By registrable domain, and by :func:`company_key`.
    name_key : ndarray of object, shape (n_accounts,)
        :func:`company_key` of ``name``.
    sorted_names : Groups
        By that key with its words sorted.
    similar : SimilarNames
        Over the keys of ``sorted_names``.
    places : PlaceIndex
    """

    ids: pd.Index[Any]
    name: NDArray[np.object_]
    name_key: NDArray[np.object_]
    rep_id: NDArray[np.object_]
    territory_id: NDArray[np.object_]
    owner: NDArray[np.int64]
    xyz: NDArray[np.float64]
    postal: NDArray[np.object_]
    domains: Groups
    names: Groups
    similar: SimilarNames
    sorted_names: Groups
    places: PlaceIndex

    @classmethod
    def of(cls, problem: PlanningProblem, plan: Plan) -> AccountIndex:
        """Index the accounts that a plan assigns.

        Parameters
        ----------
        problem : PlanningProblem
        plan : Plan
            Without assignments (an infeasible plan) nothing is ever matched.
        """
        kept = problem.accounts.index.isin(plan.assignments.index)
        accounts = problem.accounts[kept]
        assigned = plan.assignments.loc[accounts.index]
        rep = assigned["rep_id"].astype(object).to_numpy(object)
        territory = assigned["territory_id"].astype(object).to_numpy(object)
        owner = pd.factorize(np.where(rep != "", "rep " + rep, "territory " + territory))[0].astype(np.int64)
        name = _text(accounts, "name")
        keys = mapped(name, company_key)
        in_order = mapped(keys, lambda key: sorted_words(key) if key else "")
        domain = _domains(accounts)
        sorted_names = Groups.of(in_order, owner)
        postal = postal_keys(_text(accounts, "postal_code"), _text(accounts, "country"))
        places = PlaceIndex.of(problem, plan, accounts, postal, territory)
        return cls(
            ids=pd.Index(accounts.index.astype(str)),
            name=name,
            name_key=keys,
            rep_id=rep,
            territory_id=territory,
            owner=owner,
            xyz=places.xyz,
            postal=postal,
            domains=Groups.of(domain, owner),
            names=Groups.of(keys, owner),
            similar=SimilarNames([str(key) for key in sorted_names.keys]),
            sorted_names=sorted_names,
            places=places,
        )

    def __len__(self) -> int:
        return len(self.ids)


def _text(accounts: pd.DataFrame, column: str) -> NDArray[np.object_]:
    if column not in accounts.columns:
        return np.full(len(accounts), "", object)
    values = accounts[column]
    if pd.api.types.is_numeric_dtype(values.dtype):
        from territory_engine.reading.columns import number_text

        values = number_text(values)
    return values.fillna("").astype(str).str.strip().astype(object).to_numpy(object)


def mapped(texts: NDArray[np.object_], function: Callable[[str], Any]) -> NDArray[np.object_]:
    """Return what ``function`` makes of each text, called once for each distinct one; both of shape ``(n,)``."""
    codes, unique = pd.factorize(texts)
    if len(unique) == 0:
        return np.zeros(0, object)
    found = np.empty(len(unique), object)
    found[:] = [function(text) for text in unique]
    return found[codes]


def _domains(accounts: pd.DataFrame) -> NDArray[np.object_]:
    """Return each account's domain from the first of its columns that has one which is not a mail provider's."""
    domain = np.full(len(accounts), "", object)
    by_key = {column_key(str(c)): str(c) for c in reversed(list(accounts.columns))}
    for key in DOMAIN_COLUMNS:
        if key in by_key:
            found = domains_of(pd.Series(_text(accounts, by_key[key]), dtype=str))[0]
            free = mapped(found, is_free_mail).astype(bool)
            domain = np.where((domain == "") & ~free, found, domain)
    return domain
