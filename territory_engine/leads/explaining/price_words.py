"""The price of choosing another rep, in a sentence that the rep can check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from territory_engine.leads.amounts import amount_text, share_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from territory_engine.leads.explaining.choice_prices import Price


@dataclass(frozen=True)
class Offer:
    """A lead with a rep, as far as words need it.

    Attributes
    ----------
    rep : int
        Row of the roster; −1: nobody, the lead waits.
    rank : int
        0 the account's owner, 1 the territory's, 2 the pool; −1 where it waits.
    travel_km : float
        NaN where unknown.
    """

    rep: int
    rank: int
    travel_km: float


def price_words(price: Price | None, there: Offer, now: Offer, rep_ids: Sequence[str], tie: str = "") -> str:
    """Say what would be different if a rep had a lead, as a clause: ``"shares would be less even: …"``.

    Parameters
    ----------
    price : Price or None
    there : Offer
        With the rep asked about.
    now : Offer
        With the rep who has it.
    rep_ids : sequence of str
        By row of the roster.
    tie : str
        Why the other has it where the two are alike in everything, as far as that is known.
    """
    if price is None:
        return "matches would be followed as well, but which other lead would give way is open: no price is known"
    decided = price.decided_by
    if decided == "assigned":
        clause = _assigned(price, there, rep_ids)
    elif decided == "match":
        clause = _match(price, there, now, rep_ids)
    elif decided == "evenness":
        clause = f"shares would be less even{_levels(price, now, rep_ids)}"
    elif decided == "value":
        return _value(price, there, now, rep_ids)
    elif price.value is None:
        return "the counts would be as even: exchanges of leads made the shares of value even from there"
    elif now.rep < 0:
        return "another lead, just as good, would wait in its place: among equals the later ones wait"
    else:
        return f"nothing would be better or worse: {tie or 'among equals, who has waited longest comes first, and then a lot'}"
    return clause + _afterwards(price, decided)


def _assigned(price: Price, there: Offer, rep_ids: Sequence[str]) -> str:
    fewer = -price.assigned
    leads = "one lead fewer" if fewer == 1 else f"{fewer:,} leads fewer"
    return f"{leads} would find a rep: another of {rep_ids[there.rep]}'s would have to make room, and wait"


_WHOSE = {0: "who has its account", 1: "in whose territory it lies"}


_FIRST = {0: "the account's rep", 1: "the territory's rep"}


def _match(price: Price, there: Offer, now: Offer, rep_ids: Sequence[str]) -> str:
    own = there.rank - now.rank if now.rep >= 0 else 0
    if own > 0 and now.rank in _WHOSE:
        passed = f"{rep_ids[now.rep]}, {_WHOSE[now.rank]}, would be passed over"
        if price.match > own:
            passed += ", and another lead would not go to whoever comes first for it"
        elif price.match < own:
            passed += ", though another lead would go to whoever comes first for it"
        before = "the territory's rep, even shares" if there.rank == 1 else "even shares"
        return f"{passed}: the policy puts {_FIRST[now.rank]} before {before} and value"
    if now.rep < 0:
        return "another lead would wait in its place, one that its own account's or territory's rep can take"
    return (
        "another lead would not go to whoever comes first for it, and the policy puts that before even shares and value"
    )


def _levels(price: Price, now: Offer, rep_ids: Sequence[str]) -> str:
    """Say where the two reps whose counts change would end instead."""
    told = []
    if price.more >= 0:
        then = share_text(price.level_more + price.step_more, price.step_more)
        told.append(
            f"{rep_ids[price.more]} would end the batch at {then} instead of"
            f" {share_text(price.level_more, price.step_more)}"
        )
    if price.fewer >= 0:
        then = share_text(price.level_fewer - price.step_fewer, price.step_fewer)
        turn = ", whose turn it was," if price.fewer == now.rep else ""
        verb = "" if told else " would end the batch"
        told.append(
            f"{rep_ids[price.fewer]}{turn}{verb} at {then} instead of {share_text(price.level_fewer, price.step_fewer)}"
        )
    return f": {' and '.join(told)}" if told else ""


def _value(price: Price, there: Offer, now: Offer, rep_ids: Sequence[str]) -> str:
    assert price.value is not None
    assert price.of_lead is not None
    less, own = -price.value, -price.of_lead
    room = less - own
    rep = rep_ids[there.rep]
    if now.rep < 0:
        return (
            f"another lead would have to wait in its place, and the batch would be worth {amount_text(less)} less:"
            f" this lead brings {amount_text(-own)} with {rep}, and what would have to wait or move costs"
            f" {amount_text(room)}"
        )
    way = _further(there, now)
    if abs(room) < _A_CENT / 2:
        return f"shares would be as even, but this lead is worth {amount_text(less)} less with {rep}{way}"
    head = f"shares would be as even, but the batch would be worth {amount_text(less)} less: this lead is worth"
    moves = _moves(price)
    if own > 0 and room > 0:
        return f"{head} {amount_text(own)} less with {rep}{way}, and {moves}, which costs {amount_text(room)}"
    if own > 0:
        return f"{head} {amount_text(own)} less with {rep}{way}, but {moves}, which gains {amount_text(-room)}"
    if own < 0:
        return f"{head} {amount_text(-own)} more with {rep}{way}, but {moves}, which costs {amount_text(room)}"
    return f"{head} the same with {rep}, but {moves}, which costs {amount_text(room)}"


def _moves(price: Price) -> str:
    """Say how many other leads change hands to make room."""
    if price.moves <= 0:
        return "other leads would have to move"
    return "another lead would have to move" if price.moves == 1 else f"{price.moves:,} other leads would have to move"


_A_CENT = 0.01


def _further(there: Offer, now: Offer) -> str:
    """Say how much further or nearer the rep is, where both are known and it shows."""
    km = there.travel_km - now.travel_km
    if not abs(km) >= _SHOWN_KM:  # also NaN
        return ""
    return f" ({abs(km):,.0f} km {'further' if km > 0 else 'nearer'})"


_SHOWN_KM = 1.0


def _afterwards(price: Price, decided: str) -> str:
    """Say what the later objectives would gain or lose, after the one that decides."""
    told = []
    if decided in ("assigned",) and price.match:
        told.append("matches would be followed " + ("less" if price.match > 0 else "better"))
    if decided in ("assigned", "match") and price.evenness:
        told.append("shares would be " + ("less even" if price.evenness > 0 else "more even"))
    if price.value is not None and abs(price.value) >= _A_CENT / 2:
        told.append(f"the batch would be worth {amount_text(abs(price.value))} {'more' if price.value > 0 else 'less'}")
    better = decided == "match" and (price.evenness < 0 or (not price.evenness and (price.value or 0) > 0))
    return f"{', though' if better else ';'} {' and '.join(told)}" if told else ""
