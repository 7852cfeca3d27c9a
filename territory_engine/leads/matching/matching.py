"""Whose a lead is: the owner of its account, else the owner of the territory that its place is in.

In this order: the account it names, the domain of its e-mail or website, the name of its company; then its geographic
unit, its postal code, the nearest account. What could be several owners' is ambiguous and not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.geography.sphere import km_of_chord, unit_vectors
from territory_engine.leads.batch import Matches
from territory_engine.leads.matching.company_names import company_key, sorted_words
from territory_engine.leads.matching.domains import is_free_mail
from territory_engine.leads.matching.known_accounts import AccountIndex, mapped
from territory_engine.leads.matching.places import postal_keys
from territory_engine.leads.reading.cells import shown_text
from territory_engine.reading.identifiers import match_ids
from territory_engine.reading.location import locator_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.leads.batch import LeadBatch
    from territory_engine.leads.matching.known_accounts import Groups
    from territory_engine.leads.policy import Matching

SAME_PLACE_KM = 1.0
"""Of several accounts that a lead could be, one alone this near is the one."""

FAR_KM = 30.0
"""An account this far from the lead is still the lead's, but the evidence says how far."""

_LISTED = 3


@dataclass(eq=False)
class _Leads:
    """A batch as matching sees it, and what has been found; all arrays of shape ``(n_leads,)``."""

    domain: NDArray[np.object_]
    company: NDArray[np.object_]
    name_key: NDArray[np.object_]
    postal: NDArray[np.object_]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    exact: NDArray[np.bool_]  # whether the place was given, rather than taken from the postal code
    xyz: NDArray[np.float64]
    kind: NDArray[np.object_]
    account: NDArray[np.int64]
    territory: NDArray[np.object_]
    evidence: NDArray[np.object_]
    score: NDArray[np.float64]

    def open(self) -> NDArray[np.bool_]:
        """Which leads nothing has been found for yet."""
        return np.asarray(self.kind == "none", dtype=bool)


def match(batch: LeadBatch, index: AccountIndex, policy: Matching) -> Matches:
    """Find the owner of every lead.

    Parameters
    ----------
    batch : LeadBatch
        Rejected leads are matched as far as they can be.
    index : AccountIndex
    policy : Matching

    Returns
    -------
    Matches
    """
    leads = _leads_of(batch.frame)
    if policy.owner == "first":
        _by_account_id(leads, index, batch.frame["account_id"])
        _by_domain(leads, index)
        _by_company(leads, index, policy)
        _mention_others(leads, index)
    if policy.territory == "first":
        _by_unit(leads, index, batch.frame)
        _by_postal_code(leads, index)
        _by_nearest(leads, index, policy.territory_reach_km)
    has = leads.account >= 0
    of_account = np.isin(leads.kind.astype(str), ("account_id", "domain", "company"))
    account_id, rep_id = np.full(len(has), "", object), np.full(len(has), "", object)
    account_id[has] = index.ids.to_numpy(object)[leads.account[has]]
    territory = leads.territory.copy()
    territory[of_account] = index.territory_id[leads.account[of_account]]
    placed = ~of_account & (territory != "")
    rep_id[placed] = [index.places.rep_of.get(str(t), "") for t in territory[placed]]
    rep_id[of_account] = index.rep_id[leads.account[of_account]]
    return Matches(leads.kind, rep_id, territory, account_id, leads.evidence, leads.score)


def _leads_of(frame: pd.DataFrame) -> _Leads:
    n = len(frame)

    def text(column: str) -> NDArray[np.object_]:
        return frame[column].astype(object).to_numpy(object)

    company = text("company")
    latitude, longitude = frame["latitude"].to_numpy(np.float64), frame["longitude"].to_numpy(np.float64)
    return _Leads(
        domain=text("domain"),
        company=company,
        name_key=mapped(company, company_key),
        postal=postal_keys(text("postal_code"), text("country")),
        latitude=latitude,
        longitude=longitude,
        exact=(frame["location_source"] == "given").to_numpy(dtype=bool),
        xyz=unit_vectors(latitude, longitude),
        kind=np.full(n, "none", object),
        account=np.full(n, -1, np.int64),
        territory=np.full(n, "", object),
        evidence=np.full(n, "", object),
        score=np.full(n, np.nan),
    )


def _by_account_id(leads: _Leads, index: AccountIndex, account_ids: pd.Series[Any]) -> None:
    named = np.flatnonzero((account_ids != "").to_numpy(dtype=bool))
    if not len(named):
        return
    found = match_ids(account_ids.iloc[named].astype(object), index.ids) if len(index) else np.full(len(named), -1)
    written = account_ids.to_numpy(object)
    for i, account in zip(named.tolist(), found.tolist(), strict=True):
        shown = shown_text(str(written[i]))
        if account < 0:
            leads.evidence[i] = f"the account it names, {shown}, is not in the plan"
            continue
        leads.kind[i], leads.account[i] = "account_id", account
        own = index.ids[account]
        as_written = "" if own == written[i] else f", written {shown}"
        leads.evidence[i] = f"it names account {_called(index, account)}{as_written}"


def _by_domain(leads: _Leads, index: AccountIndex) -> None:
    free = mapped(leads.domain, is_free_mail).astype(bool) if len(leads.domain) else np.zeros(0, bool)
    at = np.flatnonzero(leads.open() & ~free & (leads.domain != ""))
    for i, key in zip(at.tolist(), index.domains.find(leads.domain[at]).tolist(), strict=True):
        if key < 0:
            continue
        members = index.domains.of_key(key)
        domain = leads.domain[i]
        said = f"its e-mail or web domain {domain} is that of account {{}}"
        if index.domains.owner[key] >= 0:
            same = members[index.name_key[members] == leads.name_key[i]] if leads.name_key[i] else members[:0]
            _found(leads, index, i, "domain", int((same if len(same) else members)[0]), said, len(members))
            continue
        _decide(leads, index, i, "domain", members, said, f"its e-mail or web domain {domain}")


def _by_company(leads: _Leads, index: AccountIndex, policy: Matching) -> None:
    at = np.flatnonzero(leads.open() & (leads.name_key != ""))
    keys = index.names.find(leads.name_key[at])
    for i, key in zip(at[keys >= 0].tolist(), keys[keys >= 0].tolist(), strict=True):
        members = index.names.of_key(key)
        leads.score[i] = 100.0
        said = f"its company name {shown_text(leads.company[i])!r} is that of account {{}}"
        if index.names.owner[key] >= 0:
            _found(leads, index, i, "company", int(_nearest_of(leads, index, i, members)), said, len(members))
        else:
            _decide(leads, index, i, "company", members, said, f"its company name {shown_text(leads.company[i])!r}")
    rest = at[keys < 0]
    if len(rest):
        _by_similar_name(leads, index, policy, rest)


def _by_similar_name(leads: _Leads, index: AccountIndex, policy: Matching, rest: NDArray[np.int64]) -> None:
    """Match names that are not the same but similar; a second owner's account within the margin makes it ambiguous."""
    codes, unique = pd.factorize(leads.name_key[rest])
    queries = [sorted_words(str(key)) for key in unique]
    query, name, score = index.similar.similar(queries, policy.company_threshold)
    start = np.searchsorted(query, np.arange(len(queries) + 1))
    for i, q in zip(rest.tolist(), codes.tolist(), strict=True):
        names, scores = name[start[q] : start[q + 1]], score[start[q] : start[q + 1]]
        if not len(names):
            continue
        best = float(scores.max())
        leads.score[i] = best
        shown = shown_text(leads.company[i])
        close = names[best - scores < max(policy.company_margin, 1e-9)]
        members = np.concatenate([index.sorted_names.of_key(k) for k in close.tolist()])
        said = f"its company name {shown!r} is like that of account {{}} (similarity {best:.0f} of 100)"
        if _one_owner(index, members):
            top = np.concatenate([index.sorted_names.of_key(k) for k in names[scores == best].tolist()])
            _found(leads, index, i, "company", int(_nearest_of(leads, index, i, top)), said, len(top))
        else:
            _decide(
                leads, index, i, "company", members, said, f"its company name {shown!r} (similarity up to {best:.0f})"
            )


def _nearest_of(leads: _Leads, index: AccountIndex, i: int, members: NDArray[np.int64]) -> int:
    """Return which of one owner's accounts a lead is most likely: the nearest where places are known, else the first."""
    if len(members) > 1 and np.isfinite(leads.xyz[i]).all():
        chord = np.linalg.norm(index.xyz[members] - leads.xyz[i], axis=1)
        if np.isfinite(chord).any():
            return int(members[np.nanargmin(chord)])
    return int(members[0])


def _found(leads: _Leads, index: AccountIndex, i: int, kind: str, account: int, said: str, among: int) -> None:
    leads.kind[i], leads.account[i] = kind, account
    others = f", one of {among:,} with the same owner" if among > 1 else ""
    leads.evidence[i] = _after(
        leads.evidence[i], said.format(_called(index, account)) + others + _how_far(leads, index, i)
    )


def _how_far(leads: _Leads, index: AccountIndex, i: int) -> str:
    """Return how far a lead is from its account, where that is far enough to make a reader wonder."""
    apart = index.xyz[leads.account[i] : leads.account[i] + 1] - leads.xyz[i]
    km = float(km_of_chord(np.linalg.norm(apart, axis=1))[0])
    return f", {km:,.0f} km away" if km >= FAR_KM else ""


def _decide(
    leads: _Leads, index: AccountIndex, i: int, kind: str, members: NDArray[np.int64], said: str, could: str
) -> None:
    """Choose among accounts of several owners if the lead's name or place leaves one owner; else it is ambiguous."""
    named = (
        members[index.name_key[members] == leads.name_key[i]] if kind == "domain" and leads.name_key[i] else members[:0]
    )
    if len(named) and _one_owner(index, named):
        leads.kind[i], leads.account[i] = kind, int(_nearest_of(leads, index, i, named))
        told = said.format(_called(index, leads.account[i]))
        leads.evidence[i] = _after(leads.evidence[i], f"{told}, the only owner's of {len(members):,} with its name")
        return
    members = named if len(named) else members
    where, here = _at_its_place(leads, index, i, members)
    if len(here) and _one_owner(index, here):
        leads.kind[i], leads.account[i] = kind, int(_nearest_of(leads, index, i, here))
        told = said.format(_called(index, leads.account[i]))
        leads.evidence[i] = _after(leads.evidence[i], f"{told}, the only owner's of {len(members):,} {where}")
        return
    leads.kind[i] = "ambiguous"
    owners = pd.unique(index.owner[members])
    shown = [members[index.owner[members] == owner][0] for owner in owners[:_LISTED]]
    listed = ", ".join(f"account {_called(index, int(a))} of {_whose(index, int(a))}" for a in shown)
    more = f" and of {len(owners) - _LISTED:,} more" if len(owners) > _LISTED else ""
    leads.evidence[i] = _after(leads.evidence[i], f"{could} could be that of {listed}{more}")


def _at_its_place(
    leads: _Leads, index: AccountIndex, i: int, members: NDArray[np.int64]
) -> tuple[str, NDArray[np.int64]]:
    """Return which accounts are where the lead is: within a kilometre if its place was given, else in its postal code."""
    if leads.exact[i]:
        chord = np.linalg.norm(index.xyz[members] - leads.xyz[i], axis=1)
        with np.errstate(invalid="ignore"):
            near = members[km_of_chord(chord) <= SAME_PLACE_KM]
        if len(near):
            return f"within {SAME_PLACE_KM:g} km", near
    if leads.postal[i]:
        return f"in postal code {leads.postal[i].partition(' ')[2]}", members[index.postal[members] == leads.postal[i]]
    return "", members[:0]


def _mention_others(leads: _Leads, index: AccountIndex) -> None:
    """Say where a later kind of match would have found another owner: the first one stands."""
    free = mapped(leads.domain, is_free_mail).astype(bool) if len(leads.domain) else np.zeros(0, bool)
    by_domain = np.where(free, -1, index.domains.find(leads.domain))
    by_name = index.names.find(leads.name_key)
    _mention(leads, index, leads.kind == "account_id", index.domains, by_domain, "domain")
    _mention(
        leads, index, np.isin(leads.kind.astype(str), ("account_id", "domain")), index.names, by_name, "company name"
    )


def _mention(
    leads: _Leads, index: AccountIndex, which: NDArray[np.bool_], groups: Groups, key: NDArray[np.int64], what: str
) -> None:
    for i in np.flatnonzero(which & (key >= 0)).tolist():
        other = int(groups.owner[key[i]])
        if other >= 0 and other != index.owner[leads.account[i]]:
            account = int(groups.of_key(int(key[i]))[0])
            leads.evidence[i] += (
                f" (its {what} would be that of account {_called(index, account)} of {_whose(index, account)})"
            )


def _by_unit(leads: _Leads, index: AccountIndex, frame: pd.DataFrame) -> None:
    places = index.places
    if not len(places.unit_ids):
        return
    named = places.unit_named(frame)
    at = np.flatnonzero(leads.open() & (named < 0) & np.isfinite(leads.latitude))
    inside = np.full(len(named), -1, np.int64)
    inside[at] = places.unit_at(leads.latitude[at], leads.longitude[at])
    for unit, said in (
        (named, "it names unit {}, which is in territory {}"),
        (inside, "it lies in unit {}, which is in territory {}"),
    ):
        for i in np.flatnonzero(leads.open() & (unit >= 0)).tolist():
            territory = places.unit_territory[unit[i]]
            if territory:
                _in_territory(leads, i, "unit", territory, said.format(places.unit_ids[unit[i]], territory))


def _by_postal_code(leads: _Leads, index: AccountIndex) -> None:
    for i in np.flatnonzero(leads.open() & (leads.postal != "")).tolist():
        known = index.places.postal.get(leads.postal[i])
        if known is not None:
            territory, accounts = known
            code = leads.postal[i].partition(" ")[2]
            all_ = {1: "the one account", 2: "both accounts"}.get(accounts, f"all {accounts:,} accounts")
            said = f"{all_} in its postal code {code} {'is' if accounts == 1 else 'are'} in territory {territory}"
            _in_territory(leads, i, "postal_code", territory, said)


def _by_nearest(leads: _Leads, index: AccountIndex, reach_km: float) -> None:
    at = np.flatnonzero(leads.open())
    nearest, km = index.places.nearest(leads.latitude[at], leads.longitude[at])
    for i, account, far in zip(at.tolist(), nearest.tolist(), km.tolist(), strict=True):
        if account >= 0 and far <= reach_km:
            territory = str(index.territory_id[account])
            said = f"the nearest account, {_called(index, account)}{_reach(leads, index, i, account, far)}, is in territory {territory}"
            _in_territory(leads, i, "nearest_account", territory, said)
            leads.account[i] = account
        elif account >= 0:
            said = f"the nearest account, {_called(index, account)}, is {far:,.0f} km away, more than {reach_km:g} km"
            leads.evidence[i] = _after(leads.evidence[i], said)
        elif np.isfinite(leads.latitude[i]):
            leads.evidence[i] = _after(leads.evidence[i], "no account of the plan has a place to compare with")
        else:
            leads.evidence[i] = _after(leads.evidence[i], _not_placed(leads.postal[i]))


def _reach(leads: _Leads, index: AccountIndex, i: int, account: int, km: float) -> str:
    """Say how far an account is; of a lead placed by its postal code, from the middle of that."""
    if leads.exact[i] or not leads.postal[i]:
        return f" ({km:.1f} km)"
    if index.postal[account] == leads.postal[i]:
        return " (in the same postal code)"
    return f" ({km:.1f} km from the middle of postal code {leads.postal[i].partition(' ')[2]})"


def _not_placed(postal: str) -> str:
    """Say why a lead has no place on the map: it gives none, or a postal code that is not known."""
    country, _, code = postal.partition(" ")
    if not code:
        return "it has no address: neither latitude and longitude nor a postal code"
    if locator_for(country) is None:
        return (
            f"its address could not be placed: postal codes of {country} are not located, so that latitude and longitude"
            " are needed"
        )
    return f"its address could not be placed: postal code {code} is not known"


def _in_territory(leads: _Leads, i: int, kind: str, territory: str, said: str) -> None:
    leads.kind[i], leads.territory[i] = kind, territory
    leads.evidence[i] = _after(leads.evidence[i], said)


def _called(index: AccountIndex, account: int) -> str:
    """Return an account's ID, with its name where it has one."""
    name = index.name[account]
    own = shown_text(str(index.ids[account]))
    return f"{own} ({shown_text(name, 60)})" if name else own


def _one_owner(index: AccountIndex, members: NDArray[np.int64]) -> bool:
    owners = index.owner[members]
    return bool((owners == owners[0]).all())


def _whose(index: AccountIndex, account: int) -> str:
    rep = index.rep_id[account]
    return f"rep {rep}" if rep else f"territory {index.territory_id[account]}"


def _after(earlier: str, clause: str) -> str:
    return f"{earlier}; {clause}" if earlier else clause
