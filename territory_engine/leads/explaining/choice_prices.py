"""What it would have cost to give a lead to each rep who could take it: the change of every objective, exact.

The best split that has the lead with that rep is compared with the best split, objective by objective: leads assigned,
matches followed, evenness, value. It makes room as well as can be: other leads change hands where that costs less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from solvers.fair_split.exchange_price import PriceList
    from solvers.fair_split.problem import FairSplit, FairSplitProblem
    from territory_engine.leads.explaining.stored_split import StoredPart, StoredSplit

DECIDERS = ("assigned", "match", "evenness", "value", "tie")


@dataclass(frozen=True)
class Price:
    """The price of choosing a rep for a lead.

    Attributes
    ----------
    assigned : int
        Leads more that find a rep; 0 or fewer.
    match : int
        Ranks further from whoever comes first, over all leads.
    evenness : int
        Change of the fairness cost, in the solver's whole numbers; above 0: less even.
    value : float or None
        Expected value gained, in the leads' own unit; None where value was not what decided (``even_value``).
    of_lead : float or None
        The part of ``value`` that is the lead's own; the rest is what making room gains or costs.
    instead_of : int
        Row of the roster of the rep that prices compare with: whoever has the lead in the best split; −1: it waits there.
    more, fewer : int
        Row of the roster of the rep who would end with a lead more, and with one less; −1: nobody.
    level_more, level_fewer : int
        Where those two end as it is.
    step_more, step_fewer : int
        What a lead is worth to their levels.
    moves : int
        How many other leads would change hands; −1 where that was not worked out.
    """

    assigned: int
    match: int
    evenness: int
    value: float | None
    of_lead: float | None
    instead_of: int
    more: int = -1
    fewer: int = -1
    level_more: int = 0
    level_fewer: int = 0
    step_more: int = 0
    step_fewer: int = 0
    moves: int = -1

    @property
    def decided_by(self) -> str:
        """The first objective that changes, one of :data:`DECIDERS`; ``"tie"`` where none does."""
        changes = (self.assigned, self.match, self.evenness, self.value or 0.0)
        return next((name for name, change in zip(DECIDERS, changes, strict=False) if change), "tie")

    @property
    def order(self) -> tuple[float, ...]:
        """What prices sort by, the smallest first; nothing is below ``(0, 0, 0, 0)``."""
        return (-self.assigned, self.match, self.evenness, -(self.value or 0.0))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it: changes of the objectives, and which decides."""
        return {
            "leads_assigned": self.assigned,
            "match_ranks": self.match,
            "unevenness": self.evenness,
            "expected_value": self.value,
            "expected_value_of_this_lead": self.of_lead,
            "decided_by": self.decided_by,
        }


class LeadPrices:
    """Prices of a stored split's leads; what is worked out for one lead serves the others.

    Raises
    ------
    ValueError
        When asked, if the stored split is not the best of its problem.
    """

    def __init__(self, stored: StoredSplit) -> None:
        self._stored = stored
        self._lists: dict[str, PriceList] = {}

    def of_lead(self, lead: int) -> dict[int, Price | None]:
        """Return the price of each rep who could have a lead, by row of the roster; those without any room are not in it.

        None stands for a price that is not known: which of several equally good matches would give way is open.
        """
        stored = self._stored
        if len(stored.parts) == 1:
            return self._of_part(stored.shared, lead)
        matched = self._of_part(stored.parts[0], lead)
        if stored.settled[lead]:
            return matched
        shared = self._of_part(stored.shared, lead)
        found: dict[int, Price | None] = {}
        for rep, price in matched.items():
            assert price is not None
            own = shared.get(rep)
            if price.assigned or price.match:
                found[rep] = price
            else:
                found[rep] = own if own is not None and not own.assigned and not own.match else None
        return found

    def _of_part(self, part: StoredPart, lead: int) -> dict[int, Price | None]:
        from solvers.fair_split.hand_overs import gains_and_loses, hand_overs

        prices = self._list_of(part)
        at = int(np.searchsorted(part.leads, lead))
        listed, problem = prices.of_lead(at), prices.problem
        own = int(prices.best.pair[at])
        with_value = part.problem.second == "value"
        unit = self._stored.value_unit
        found: dict[int, Price | None] = {}
        for k in np.flatnonzero(listed.possible).tolist():
            pair = int(listed.pair[k])
            rep = int(problem.pair_rep[pair])
            of_lead = int(problem.pair_value[pair]) - (int(problem.pair_value[own]) if own >= 0 else 0)
            more, fewer, moves = -1, -1, -1
            if listed.fairness_cost[k]:
                more, fewer = gains_and_loses(hand_overs(prices, at, rep), problem.n_reps)
            elif listed.value[k] != of_lead and own >= 0:
                # Every link of the chain is a lead handed over, but for the one to or from nobody at all.
                chain = hand_overs(prices, at, rep)
                moves = sum(1 for r, s in pairwise(chain) if max(r, s) <= problem.n_reps)
            count, level, step = prices.best.count, problem.level, problem.step
            found[rep] = Price(
                assigned=int(listed.assigned[k]),
                match=int(listed.rank_sum[k]),
                evenness=int(listed.fairness_cost[k]),
                value=round(int(listed.value[k]) * unit, 6) if with_value else None,
                of_lead=round(of_lead * unit, 6) if with_value else None,
                instead_of=int(prices.best.rep[at]) if own >= 0 else -1,
                more=more,
                fewer=fewer,
                level_more=int(level[more] + count[more] * step[more]),
                level_fewer=int(level[fewer] + count[fewer] * step[fewer]),
                step_more=int(step[more]),
                step_fewer=int(step[fewer]),
                moves=moves,
            )
        return found

    def _list_of(self, part: StoredPart) -> PriceList:
        from solvers.fair_split.exchange_price import PriceList

        if part.name not in self._lists:
            self._lists[part.name] = PriceList.of(*_solved(part))
        return self._lists[part.name]


def _solved(part: StoredPart) -> tuple[FairSplitProblem, FairSplit]:
    """Return the problem whose best split is known, and that split; solved only where it was not stored."""
    from solvers.fair_split.split import fair_split

    problem = part.problem
    if problem.second == "even_value" and not problem.slack and part.split is not None:
        # The stored split is best but for value, which has no say: without values it is best altogether.
        return replace(problem, pair_value=np.zeros_like(problem.pair_value), second="value"), part.split
    problem = replace(problem, slack=0, second="value")
    if part.split is None or part.problem.slack:
        return problem, fair_split(problem)
    return problem, part.split
