"""Why a lead went where it did, from the ledger alone: who could take it, who could not, and what each would have cost.

>>> from territory_engine.leads.explaining.explanation import explain
>>> explanation = explain("sqlite:///ledger.db", "L42")     # doctest: +SKIP
>>> print(explanation.text())                               # doctest: +SKIP
>>> print(explanation.text(rep_id="R03"))                   # doctest: +SKIP
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from territory_engine.errors import UnknownLeadError
from territory_engine.grammar import counted
from territory_engine.leads.explaining.queue_advice import advice
from territory_engine.leads.explaining.rep_views import RepsOnLead
from territory_engine.leads.explaining.stored_split import stored_split
from territory_engine.leads.explaining.stored_suitability import counters_with, stored_suitability
from territory_engine.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from territory_engine.leads.explaining.rep_views import RepView
    from territory_engine.ledger.records import StoredBatch


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
        """Return how things stood with one rep, by ID or by name; another case will do where only one is meant.

        Raises
        ------
        UnknownLeadError
            The batch's roster has no such rep; with the IDs most like it.
        """
        asked = rep_id.strip().casefold()
        for alike in (
            [view for view in self.reps if view.rep_id == rep_id],
            [view for view in self.reps if view.rep_id.casefold() == asked],
            [view for view in self.reps if view.name.strip().casefold() == asked],
        ):
            if len(alike) == 1:
                return alike[0]
        near = _like(rep_id, [known for view in self.reps for known in (view.rep_id, view.name) if known])
        raise UnknownLeadError(
            f"the batch {self.batch['batch_id']!r} knew no rep {rep_id!r}{near}. Remedy: give a rep_id of its roster, or a name that only one has"
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
        from territory_engine.leads.explaining.text import for_everyone, for_rep

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


def lead_record(ledger: Ledger, lead_id: str) -> dict[str, Any] | None:
    """Return what the ledger knows of a lead, as JSON can hold it; None where it is unknown.

    Returns
    -------
    dict or None
        ``lead_id``, ``state`` (where it stands now), ``rep_id``, ``batch_id``, ``decisions`` (newest last) and
        ``explanation``: :meth:`LeadExplanation.to_dict`, None where the batch was forgotten.
    """
    state = ledger.lead_states([lead_id]).get(lead_id)
    if state is None:
        return None
    decisions = ledger.decisions_of(lead_id)
    told = [
        {"batch_id": one["batch_id"], "routed_at": _iso(one["routed_at"]), **{name: one[name] for name in _DECISION}}
        for one in decisions
    ]
    return {
        "lead_id": lead_id,
        "state": state.state,
        "rep_id": state.rep_id,
        "batch_id": state.batch_id,
        "decisions": told,
        "explanation": explain(ledger, lead_id).to_dict() if decisions else None,
    }


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


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
    return tuple({"at": _iso(at), "what": what} for at, what in sorted(told, key=lambda one: one[0]))


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
    reps = RepsOnLead(split, suitability, decision, notices, truncated=bool(record.proof.get("truncated"))).views()
    after = counters_with(split.roster, split.count)
    return LeadExplanation(
        lead_id=str(decision["lead_id"]),
        decision={name: decision[name] for name in _DECISION},
        batch={
            "batch_id": record.batch_id,
            "routed_at": _iso(record.routed_at),
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
            f"The policy lets a rep be {counted(slack, 'lead')} off the fairest split for the sake of value; what a choice costs is told"
            " beside the fairest split, without that slack."
        )
    if proof.get("truncated"):
        told.append("The batch had more pairs of leads and reps than are kept: prices are those among the pairs kept.")
    return told
