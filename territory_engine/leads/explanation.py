"""Why a lead went where it did, from the ledger alone: who could take it, who could not, and what each would have cost.

>>> from territory_engine.leads.explanation import explain
>>> explanation = explain("sqlite:///ledger.db", "L42")     # doctest: +SKIP
>>> print(explanation.text())                               # doctest: +SKIP
>>> print(explanation.text(rep_id="R03"))                   # doctest: +SKIP
"""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.fair_split.problem import LEVEL_UNIT
from territory_engine.errors import UnknownLeadError
from territory_engine.leads.capacity import capacity_refusal
from territory_engine.leads.choice_prices import LeadPrices
from territory_engine.leads.price_words import Offer, price_words
from territory_engine.leads.queue_advice import advice
from territory_engine.leads.refusals import refusal_of
from territory_engine.leads.stored_split import stored_split
from territory_engine.leads.stored_suitability import counters_before, counters_with, stored_suitability
from territory_engine.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from territory_engine.leads.batch import Refusal
    from territory_engine.leads.choice_prices import Price
    from territory_engine.leads.choices import Suitability
    from territory_engine.leads.stored_split import StoredSplit
    from territory_engine.ledger.records import StoredBatch

PREFERENCES = ("owner", "territory", "pool")
"""What a rep is to a lead, by rank."""


@dataclass(frozen=True)
class RepView:
    """How things stood between a lead and a rep.

    Attributes
    ----------
    rep_id, name : str
    group : str
        ``"has_it"``, ``"could"`` or ``"could_not"``.
    sentence : str
        A clause that follows the rep's ID: why the rep could not, or after "if R03 had it," what would be different.
    code : str
        Why the rep could not (see :class:`~territory_engine.leads.batch.Refusal`), or the first objective that a choice
        of the rep would change: ``assigned``, ``match``, ``evenness``, ``value`` or ``tie``.
    preference : str
        ``"owner"``, ``"territory"``, ``"pool"``; ``""`` for who could not.
    share_before, share_after : float
        Leads per unit of weight at the batch's start and end.
    leads_in_batch : int
    travel_km, expected_value : float or None
    price : Price or None
    until : str or None
        UTC moment when what stands in the way ends, where known.
    """

    rep_id: str
    name: str
    group: str
    sentence: str
    code: str
    preference: str
    share_before: float
    share_after: float
    leads_in_batch: int
    travel_km: float | None = None
    expected_value: float | None = None
    price: Price | None = None
    until: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**own, "price": None if self.price is None else self.price.to_dict()}


@dataclass(frozen=True)
class LeadExplanation:
    """Why a lead went where it did.

    Attributes
    ----------
    lead_id : str
    decision : dict
        ``status``, ``rep_id``, ``territory_id``, ``reason``, ``reason_code``, ``could_go_at``, ``match_kind``,
        ``match_account_id`` and ``match_evidence``.
    batch : dict
        ``batch_id``, ``routed_at`` (ISO 8601), ``leads``, ``engine_version`` and ``plan_sha256``.
    lead : dict
        The lead's fields that routing uses.
    reps : tuple of RepView
        Every rep of the batch's roster once: who has it, who could have had it (the cheapest choice first), who could not.
    advice : tuple of str
        Of a lead that waits or was rejected: what would help.
    history : tuple of dict
        What became of the lead, oldest first: ``at`` and ``what``.
    notices : tuple of str
        What to know about the prices.
    """

    lead_id: str
    decision: dict[str, Any]
    batch: dict[str, Any]
    lead: dict[str, Any]
    reps: tuple[RepView, ...]
    advice: tuple[str, ...]
    history: tuple[dict[str, Any], ...]
    notices: tuple[str, ...]

    @property
    def status(self) -> str:
        """``"assigned"``, ``"queued"`` or ``"rejected"``."""
        return str(self.decision["status"])

    def of_group(self, group: str) -> list[RepView]:
        """Return the reps of ``"has_it"``, ``"could"`` or ``"could_not"``."""
        return [rep for rep in self.reps if rep.group == group]

    def rep(self, rep_id: str) -> RepView:
        """Return how things stood with one rep.

        Raises
        ------
        UnknownLeadError
            The batch's roster has no such rep; with the IDs most like it.
        """
        for view in self.reps:
            if view.rep_id == rep_id:
                return view
        near = _like(rep_id, [view.rep_id for view in self.reps])
        raise UnknownLeadError(
            f"the batch {self.batch['batch_id']!r} knew no rep {rep_id!r}{near}. Remedy: give a rep_id of its roster"
        )

    def to_dict(self, rep_id: str | None = None) -> dict[str, Any]:
        """Return everything as JSON can hold it; with ``rep_id`` of that rep alone."""
        reps = self.reps if rep_id is None else (self.rep(rep_id),)
        return {
            "lead_id": self.lead_id,
            **self.decision,
            "batch": self.batch,
            "lead": self.lead,
            "reps": [view.to_dict() for view in reps],
            "advice": list(self.advice),
            "history": list(self.history),
            "notices": list(self.notices),
        }

    def text(self, rep_id: str | None = None) -> str:
        """Return it for people; with ``rep_id`` as the answer to that rep's "why did I not get it?"."""
        from territory_engine.leads.explanation_text import for_everyone, for_rep

        return for_everyone(self) if rep_id is None else for_rep(self, self.rep(rep_id))

    def __str__(self) -> str:
        return self.text()


def explain(ledger: Ledger | str, lead_id: str, batch_id: str | None = None) -> LeadExplanation:
    """Explain why a lead went where it did, from the ledger alone.

    Parameters
    ----------
    ledger : Ledger or str
        Or its address; it has to be there already.
    lead_id : str
    batch_id : str, optional
        By default the last batch that decided about the lead.

    Raises
    ------
    UnknownLeadError
        No such lead was routed (in this batch); with the IDs most like it.
    LedgerError
        The ledger cannot be read, or has forgotten the batch.
    """
    if not isinstance(ledger, Ledger):
        with Ledger.open(ledger, create=False) as opened:
            return explain(opened, lead_id, batch_id)
    decisions = ledger.decisions_of(lead_id)
    decision = _chosen(ledger, decisions, lead_id, batch_id)
    stored = ledger.stored_batch(decision["batch_id"])
    assert stored is not None
    return _explained(stored, decision, history_of(decisions, ledger.outcomes_of(lead_id)))


def _chosen(ledger: Ledger, decisions: Sequence[dict[str, Any]], lead_id: str, batch_id: str | None) -> dict[str, Any]:
    if batch_id is not None:
        of_batch = [decision for decision in decisions if decision["batch_id"] == batch_id]
        if of_batch:
            return of_batch[-1]
        if decisions:
            known = ", ".join(dict.fromkeys(repr(decision["batch_id"]) for decision in decisions))
            raise UnknownLeadError(f"the lead {lead_id!r} is not in batch {batch_id!r}. Remedy: give one of {known}")
    elif decisions:
        # A lead that was sent again while somebody had it tells nothing: what placed it does.
        placed = [decision for decision in decisions if decision["reason_code"] != "already_routed"]
        return (placed or decisions)[-1]
    state = ledger.lead_states([lead_id]).get(lead_id)
    if state is not None:
        ledger.stored_batch(state.batch_id)  # says that the batch was forgotten
    near = _like(lead_id, ledger.similar_leads(lead_id))
    raise UnknownLeadError(f"no lead {lead_id!r} was routed{near}. Remedy: give the lead_id as it was routed")


def _like(one: str, known: Sequence[str]) -> str:
    """Return the known IDs most like one, as a clause; "" where none is."""
    lower: dict[str, str] = {}
    for other in known:
        lower.setdefault(other.lower(), other)
    near = difflib.get_close_matches(one.strip().lower(), lower, n=3, cutoff=0.6)
    return f"; the most alike: {', '.join(repr(lower[key]) for key in near)}" if near else ""


def history_of(decisions: Sequence[dict[str, Any]], outcomes: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return what became of a lead, oldest first: ``at`` (ISO 8601) and ``what``."""
    told = []
    for decision in decisions:
        status, code = decision["status"], str(decision["reason_code"]).replace("_", " ")
        what = f"assigned to {decision['rep_id']}" if status == "assigned" else f"{status} ({code})"
        told.append((decision["routed_at"], f"{what}, batch {decision['batch_id']}"))
    told += [(one["at"], f"{one['kind']} by {one['rep_id']}") for one in outcomes]
    # Stable: what was decided and told at the same moment stays in this order.
    return tuple({"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "what": what} for at, what in sorted(told, key=lambda one: one[0]))


_DECISION = (
    "status", "rep_id", "territory_id", "reason", "reason_code", "could_go_at", "match_kind", "match_account_id",
    "match_evidence",
)  # fmt: skip


def _explained(
    stored: StoredBatch, decision: Mapping[str, Any], history: tuple[dict[str, Any], ...]
) -> LeadExplanation:
    record = stored.record
    split = stored_split(stored)
    suitability = stored_suitability(record, split.roster, decision)
    notices = [f"The ledger's tables of this batch do not fit together: {finding}." for finding in split.findings]
    reps = _Reps(split, suitability, decision, notices).views()
    after = counters_with(split.roster, split.count)
    return LeadExplanation(
        lead_id=str(decision["lead_id"]),
        decision={name: decision[name] for name in _DECISION},
        batch={
            "batch_id": record.batch_id,
            "routed_at": f"{record.routed_at:%Y-%m-%dT%H:%M:%SZ}",
            "leads": record.leads,
            "engine_version": record.engine_version,
            "plan_sha256": record.plan_sha256,
        },
        lead={k: v for k, v in json.loads(decision["lead"] or "{}").items() if v not in (None, "")},
        reps=tuple(reps),
        advice=tuple(advice(decision, suitability, after, reps)),
        history=history,
        notices=(*notices, *_about_prices(record.proof, decision)),
    )


def _about_prices(proof: Mapping[str, Any], decision: Mapping[str, Any]) -> list[str]:
    told = []
    if proof.get("slack") and decision["status"] != "rejected":
        slack = int(proof["slack"])
        told.append(
            f"The policy lets a rep be {slack} off the fairest split for the sake of value; what a choice costs is told"
            " beside the fairest split, without that slack."
        )
    if proof.get("truncated"):
        told.append("The batch had more pairs of leads and reps than are kept: prices are those among the pairs kept.")
    return told


class _Reps:
    """The views of every rep on one lead."""

    def __init__(
        self, split: StoredSplit, suitability: Suitability, decision: Mapping[str, Any], notices: list[str]
    ) -> None:
        self.split, self.suitability, self.notices = split, suitability, notices
        self.decision, self.lead = decision, int(decision["position"])
        self.ids = [str(rep) for rep in split.roster.index]
        self.before = counters_before(split.roster)
        at = split.choices.of(self.lead)
        self.pairs = {int(rep): at.start + k for k, rep in enumerate(split.choices.rep[at])}

    def views(self) -> list[RepView]:
        """Return every rep once: who has it, who could have had it, who could not."""
        holder = int(self.split.rep[self.lead])
        prices = self._prices() if self.pairs else {}
        has, could, could_not = [], [], []
        for row in range(len(self.ids)):
            if row == holder:
                has.append(self._holder(row, prices.get(row)))
            elif row in self.pairs and row in prices:
                could.append(self._could(row, prices[row]))
            else:
                could_not.append(self._could_not(row))
        last = (math.inf,)
        could.sort(key=lambda view: last if view.price is None else view.price.order)
        return has + could + could_not

    def _prices(self) -> dict[int, Price | None]:
        try:
            return LeadPrices(self.split).of_lead(self.lead)
        except ValueError as error:
            self.notices.append(f"No prices: the stored split is not the best of its own tables ({error}).")
            return dict.fromkeys(self.pairs)

    def _view(self, row: int, group: str, sentence: str, code: str, **more: Any) -> RepView:
        level = int(self.split.roster["level"].iloc[row])
        km, value, preference = None, None, ""
        if row in self.pairs:
            pair, choices = self.pairs[row], self.split.choices
            km, value = float(choices.travel_km[pair]), float(choices.value[pair])
            preference = PREFERENCES[int(choices.rank[pair])]
        else:
            km = float(self.suitability.kilometres(np.array([0]), np.array([row]))[0])
        name = str(self.suitability.roster.frame["name"].iloc[row]) if "name" in self.suitability.roster.frame else ""
        return RepView(
            rep_id=self.ids[row], name=name, group=group, sentence=sentence, code=code, preference=preference,
            share_before=level / LEVEL_UNIT, share_after=(level + int(self.split.charged[row])) / LEVEL_UNIT,
            leads_in_batch=int(self.split.count[row]), travel_km=None if km is None or math.isnan(km) else round(km, 1),
            expected_value=None if value is None else round(value, 2), **more,
        )  # fmt: skip

    def _offer(self, row: int) -> Offer:
        if row < 0:
            return Offer(-1, -1, math.nan)
        pair, choices = self.pairs[row], self.split.choices
        return Offer(row, int(choices.rank[pair]), float(choices.travel_km[pair]))

    def _words(self, row: int, price: Price | None) -> str:
        now = -1 if price is None else price.instead_of
        return price_words(price, self._offer(row), self._offer(now), self.ids)

    def _holder(self, row: int, price: Price | None) -> RepView:
        sentence = "has it"
        if price is not None and price.decided_by != "tie":
            sentence = f"has it; beside the fairest split, {self._words(row, price)}"
        return self._view(row, "has_it", sentence, str(self.decision["reason_code"]), price=price)

    def _could(self, row: int, price: Price | None) -> RepView:
        code = "" if price is None else price.decided_by
        return self._view(row, "could", self._words(row, price), code, price=price)

    def _could_not(self, row: int) -> RepView:
        refusal = self._refusal(row)
        if refusal is not None:
            return self._view(row, "could_not", refusal.sentence, refusal.code, until=refusal.until)
        if self.decision["reason_code"] == "already_routed":
            return self._view(row, "could_not", "was not asked: the lead was routed already", "already_routed")
        if self.suitability.barred[0]:
            return self._view(row, "could_not", "was not asked: the lead cannot go to anybody as it is", "lead")
        if row in self.pairs:
            return self._view(row, "could_not", "has no room left by the leads that went to their matches", "full")
        sentence = "could have taken it, but was not among the pairs kept of so large a batch"
        return self._view(row, "could_not", sentence, "not_kept")

    def _refusal(self, row: int) -> Refusal | None:
        if row in self.pairs:  # every rule but capacity holds, whatever the words would say
            return capacity_refusal(self.suitability.roster, self.before, row)
        return refusal_of(self.suitability, 0, row)
