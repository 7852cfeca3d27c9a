"""How things stood between one lead and every rep: has it, could have had it at what price, could not and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.fair_split.problem import LEVEL_UNIT
from territory_engine.leads.explaining.choice_prices import LeadPrices
from territory_engine.leads.explaining.price_words import Offer, price_words
from territory_engine.leads.explaining.stored_suitability import counters_before
from territory_engine.leads.reps.capacity import capacity_refusal
from territory_engine.leads.suitability.refusals import refusal_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from territory_engine.leads.batch import Refusal
    from territory_engine.leads.explaining.choice_prices import Price
    from territory_engine.leads.explaining.stored_split import StoredSplit
    from territory_engine.leads.suitability.choices import Suitability

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
    weight : float
        The rep's fair-share weight then.
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
    weight: float
    leads_in_batch: int
    travel_km: float | None = None
    expected_value: float | None = None
    price: Price | None = None
    until: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**own, "price": None if self.price is None else self.price.to_dict()}


class RepsOnLead:
    """The views of every rep on one lead.

    Parameters
    ----------
    split : StoredSplit
    suitability : Suitability
        Of the one lead.
    decision : mapping
        About it.
    notices : list of str
        Takes what there is to say of the prices.
    truncated : bool
        Whether pairs were left out because there were too many to keep.
    """

    def __init__(
        self,
        split: StoredSplit,
        suitability: Suitability,
        decision: Mapping[str, Any],
        notices: list[str],
        *,
        truncated: bool,
    ) -> None:
        self.truncated = truncated
        self.split, self.suitability, self.notices = split, suitability, notices
        self.decision, self.lead = decision, int(decision["position"])
        self.ids = [str(rep) for rep in split.roster.index]
        self.before = counters_before(split.roster)
        at = split.choices.of(self.lead)
        self.pairs = {int(rep): at.start + k for k, rep in enumerate(split.choices.rep[at])}
        self.level, self.count = split.roster["level"].to_numpy(np.int64), split.count
        n_reps = len(self.ids)
        self.km = suitability.kilometres(np.zeros(n_reps, np.int64), np.arange(n_reps))
        frame = suitability.roster.frame
        self.names = frame["name"].astype(str).tolist() if "name" in frame else [""] * n_reps

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
        first = {self.ids[row] for row in (int(self.suitability.first_in_line[0]),) if row >= 0}
        could_not.sort(key=lambda view: view.rep_id not in first)
        return has + could + could_not

    def _prices(self) -> dict[int, Price | None]:
        try:
            return LeadPrices(self.split).of_lead(self.lead)
        except ValueError as error:
            self.notices.append(f"No prices: the stored split is not the best of its own tables ({error}).")
            return dict.fromkeys(self.pairs)

    def _view(self, row: int, group: str, sentence: str, code: str, **more: Any) -> RepView:
        level, km = int(self.level[row]), float(self.km[row])
        value, preference = None, ""
        if row in self.pairs:
            pair, choices = self.pairs[row], self.split.choices
            km, value = float(choices.travel_km[pair]), round(float(choices.value[pair]), 2)
            preference = PREFERENCES[int(choices.rank[pair])]
        return RepView(
            rep_id=self.ids[row], name=self.names[row], group=group, sentence=sentence, code=code, preference=preference,
            share_before=level / LEVEL_UNIT, share_after=(level + int(self.split.charged[row])) / LEVEL_UNIT,
            weight=float(self.suitability.roster.weight[row]), leads_in_batch=int(self.count[row]),
            travel_km=None if math.isnan(km) else round(km, 1), expected_value=value, **more,
        )  # fmt: skip

    def _offer(self, row: int) -> Offer:
        if row < 0:
            return Offer(-1, -1, math.nan)
        pair, choices = self.pairs[row], self.split.choices
        return Offer(row, int(choices.rank[pair]), float(choices.travel_km[pair]))

    def _words(self, row: int, price: Price | None) -> str:
        now = -1 if price is None else price.instead_of
        return price_words(price, self._offer(row), self._offer(now), self.ids, self._tie(row, now))

    def _tie(self, row: int, now: int) -> str:
        """Say why one of two equals has the lead, by what the ledger keeps of their turns."""
        if now < 0:
            return ""
        order = self.split.roster["tie_order"].to_numpy(np.int64)
        if order[now] > order[row]:
            return ""
        turns = self.before["last_turn"].fillna(0).to_numpy(np.int64)
        name = self.ids[now]
        if turns[now] != turns[row]:
            return f"when the batch began, {name} had waited longer for a lead"
        return f"neither had had a lead before the batch, and the lot, drawn by the policy's seed, puts {name} first"

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
            sentence = refusal.sentence
            first = self.suitability
            whose = {int(first.territory_rep[0]): "has its territory", int(first.owner[0]): "has its account"}.get(row)
            if whose is not None:
                sentence = f"{whose}, but {sentence}"
            return self._view(row, "could_not", sentence, refusal.code, until=refusal.until)
        if self.decision["reason_code"] == "already_routed":
            return self._view(row, "could_not", "was not asked: the lead was routed already", "already_routed")
        if self.suitability.barred[0]:
            return self._view(row, "could_not", "was not asked: the lead cannot go to anybody as it is", "lead")
        if row in self.pairs:
            return self._view(row, "could_not", "has no room left by the leads that went to their matches", "full")
        if not self.truncated:
            sentence = "could not take it when the batch was routed; by which rule, the ledger does not show any more"
            return self._view(row, "could_not", sentence, "unknown")
        sentence = "could have taken it, but was not among the pairs kept of so large a batch"
        return self._view(row, "could_not", sentence, "not_kept")

    def _refusal(self, row: int) -> Refusal | None:
        if row in self.pairs:  # every rule but capacity holds, whatever the words would say
            return capacity_refusal(self.suitability.roster, self.before, row)
        return refusal_of(self.suitability, 0, row)
