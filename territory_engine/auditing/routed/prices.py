"""The proof of a split by its prices: conditions that anybody can check, and that no better split could let hold.

With the pairs of a lead that are left after each step, and with n_r the leads of rep r:

1. ranks: each lead sits where rank + price is least, and prices are above 0 only for reps without room left;
2. fairness, among the pairs that tie: each lead sits with a rep of least price; the rep's last lead cost at most that, one
   more would cost at least that, unless the first step holds its count;
3. value, among the pairs that tie: each lead sits where value − price is most; a price above 0 belongs to a rep that has
   as many as may be, one below 0 to a rep that has as few as may be.

Source: complementary slackness of linear programming; Ahuja, Magnanti & Orlin 1993, "Network Flows", chapters 9 and 14.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.auditing.checks import Check, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FAR = np.iinfo(np.int64).max // 4


@dataclass(frozen=True, eq=False)
class SplitPart:
    """Leads that were split together, their pairs, and what is told of the split.

    Attributes
    ----------
    name : str
    labels : sequence of str, shape (n_leads,)
    rep_ids : sequence of str, shape (n_reps,)
    lead, rep : ndarray of int64, shape (n_pairs,)
        By lead and then rep.
    rank, value : ndarray of int64, shape (n_pairs,)
        Values in whole units.
    own : ndarray of int64, shape (n_leads,)
        The pair of each lead; −1 where it stays unassigned.
    level, step, capacity : ndarray of int64, shape (n_reps,)
        Steps are all 0 where fairness is not asked for.
    objective, second : str
    slack : int
    told : dict
        The part of the proof.
    prices : dict of str to ndarray of int64, shape (n_reps,)
    worth, worth_level : ndarray of int64
        Of leads and reps.
    """

    name: str
    labels: Sequence[str]
    rep_ids: Sequence[str]
    lead: NDArray[np.int64]
    rep: NDArray[np.int64]
    rank: NDArray[np.int64]
    value: NDArray[np.int64]
    own: NDArray[np.int64]
    level: NDArray[np.int64]
    step: NDArray[np.int64]
    capacity: NDArray[np.int64]
    objective: str
    second: str
    slack: int
    told: dict[str, Any]
    prices: dict[str, NDArray[np.int64]]
    worth: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    worth_level: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @cached_property
    def given(self) -> NDArray[np.bool_]:
        """Which leads have a rep."""
        return self.own >= 0

    @cached_property
    def its_rep(self) -> NDArray[np.int64]:
        """Rep of each lead, −1 where it has none."""
        return np.where(self.given, self.of_own(self.rep), -1)

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """Leads of each rep."""
        return np.bincount(self.its_rep[self.given], minlength=len(self.step)).astype(np.int64)

    @cached_property
    def able(self) -> NDArray[np.bool_]:
        """Which leads have any pair."""
        return np.bincount(self.lead, minlength=len(self.own)) > 0

    @cached_property
    def waits(self) -> NDArray[np.bool_]:
        """Which leads have pairs and stay unassigned."""
        return self.able & ~self.given

    def of_own(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the value of each lead's own pair; anything where it has none."""
        return values[np.maximum(self.own, 0)] if len(values) else np.zeros(len(self.own), np.int64)

    def least(self, values: NDArray[np.int64], among: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return the least value over each lead's pairs, of those ``among`` only; :data:`FAR` where there are none."""
        found = np.full(len(self.own), FAR)
        if len(values):
            shown = values if among is None else np.where(among, values, FAR)
            start = np.flatnonzero(np.diff(self.lead, prepend=-1))
            found[self.lead[start]] = np.minimum.reduceat(shown, start)
        return found

    @cached_property
    def unassigned_rank(self) -> int:
        """What staying unassigned costs in ranks."""
        return int(self.told["unassigned_rank"])

    @cached_property
    def ranked(self) -> NDArray[np.int64]:
        """Rank and price of each pair."""
        return self.rank + self.prices["rank_price"][self.rep]

    @cached_property
    def lowest(self) -> NDArray[np.int64]:
        """Least rank and price of each lead, staying unassigned included."""
        return np.minimum(self.least(self.ranked), self.unassigned_rank)

    @cached_property
    def tight(self) -> NDArray[np.bool_]:
        """Which pairs tie in ranks."""
        return np.asarray(self.ranked == self.lowest[self.lead])

    @cached_property
    def may_wait(self) -> NDArray[np.bool_]:
        """Which leads might as well stay unassigned, as others have to."""
        return np.asarray(self.able & (self.lowest == self.unassigned_rank) & self.waits.any())

    @cached_property
    def held(self) -> NDArray[np.bool_]:
        """Reps that prices hold at their capacity."""
        return self.prices["rank_price"] > 0

    @cached_property
    def costs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """What the first lead costs less the rise, the rise from one lead to the next, and the slack; per rep."""
        if not self.step.any():
            nothing = np.zeros_like(self.step)
            return nothing, nothing, nothing
        if self.objective == "leximin":
            steps, place = np.unique(self.step, return_inverse=True)
            rise = self.step * len(steps)
            return self.level * len(steps) + place, rise, self.slack * rise
        return 2 * self.level - self.step, 2 * self.step, self.slack * 2 * self.step

    def total(self, count: NDArray[np.int64]) -> int:
        """Return the fairness cost of counts, exactly."""
        first, rise, _ = self.costs
        return sum(
            int(a) * int(n) + int(b) * (int(n) * (int(n) + 1) // 2) for a, b, n in zip(first, rise, count, strict=True)
        )

    @cached_property
    def bounds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the least and most leads that value may choose from."""
        first, rise, slack = self.costs
        price, fair_count = self.prices["fair_price"], self.prices["fair_count"]
        if not rise.any():
            least, most = np.zeros_like(self.capacity), self.capacity.copy()
        else:
            least = np.clip((price - slack - first - 1) // rise, 0, self.capacity)
            most = np.clip((price + slack - first) // rise, 0, self.capacity)
        least, most = np.minimum(least, fair_count), np.maximum(most, fair_count)
        return np.where(self.held, self.capacity, least), np.where(self.held, self.capacity, most)


def check_rank_prices(part: SplitPart) -> list[Check]:
    """Check that no split assigns more leads, or as many at a smaller sum of ranks."""
    price = part.prices["rank_price"]
    enough = 2 * (len(price) + 1) * int(part.rank.max(initial=0))
    if part.unassigned_rank <= enough or part.told.get("unassigned_price") != 0:
        what = f"unassigned_rank {part.unassigned_rank} (above {enough}) or unassigned_price is not what it should be"
        return [Check(f"rank_prices:{part.name}", False, what)]
    own = np.where(part.given, part.of_own(part.ranked), part.unassigned_rank)
    bad = part.able & (own > part.lowest)
    of_leads = verdict(
        f"rank_prices:{part.name}",
        bad,
        part.labels,
        lambda i: f"rank and price {own[i]} where {part.lowest[i]} is to be had",
        "each lead where rank and price are least",
    )
    loose = (price < 0) | ((price > 0) & (part.count != part.capacity)) | (part.count > part.capacity)
    return [of_leads, _of_reps(part, "rank", price, loose)]


def _of_reps(part: SplitPart, what: str, price: NDArray[np.int64], bad: NDArray[np.bool_]) -> Check:
    return verdict(
        f"{what}_counts:{part.name}",
        bad,
        part.rep_ids,
        lambda r: f"a price of {price[r]} does not go with {part.count[r]} leads (room for {part.capacity[r]})",
        f"the {what} price of each rep and its number of leads",
    )


def check_fair_prices(part: SplitPart) -> list[Check]:
    """Check that no split with as many leads and the same ranks is fairer."""
    price = part.prices["fair_price"]
    of_pair = price[part.rep]
    lowest = part.least(of_pair, part.tight)
    own = part.of_own(of_pair)
    # Who waits and who does not, where that makes no difference in ranks, makes none in fairness.
    top = int(own[part.given & part.may_wait].max(initial=-FAR))
    crossing = part.waits & (lowest < top)
    if part.slack:
        return [_check_fairest_cost(part, lowest)]
    bad = (part.given & (own > lowest)) | crossing
    first, rise, _ = part.costs
    above = (part.count > 0) & (first + part.count * rise > price)
    below = (part.count < part.capacity) & (first + (part.count + 1) * rise < price)
    of_leads = verdict(
        f"fair_prices:{part.name}",
        bad,
        part.labels,
        lambda i: f"a price of {own[i]} where {lowest[i]} is to be had",
        "each lead with a rep of least price",
    )
    return [of_leads, _of_reps(part, "fair", price, ~part.held & (above | below))]


def _check_fairest_cost(part: SplitPart, lowest: NDArray[np.int64]) -> Check:
    """Check the cost of the fairest split, which the slack is measured from: no split costs less, by weak duality."""
    first, rise, _ = part.costs
    price = part.prices["fair_price"]
    # How many wait is fixed, so that any price for waiting will do.
    waiting = int(price.min()) if len(price) else 0
    paid = np.where(part.may_wait, np.minimum(lowest, waiting), lowest)
    bound = sum(paid[part.able].tolist()) - waiting * int(part.waits.sum())
    for r, p in enumerate(price.tolist()):
        n = int(part.capacity[r])
        if not part.held[r] and rise[r]:
            n = int(np.clip((p - int(first[r])) // int(rise[r]), 0, n))
        bound += int(first[r]) * n + int(rise[r]) * (n * (n + 1) // 2) - p * n
    told = int(part.told["fairest_cost"])
    message = f"no split costs less than {bound:,} in fairness; told: {told:,}"
    return Check(f"fair_prices:{part.name}", bound == told, message)


def best_left(part: SplitPart) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which pairs tie in ranks and, without slack, in fairness; and what each costs: value price less value."""
    among = part.tight
    if not part.slack:
        fair = part.prices["fair_price"][part.rep]
        among = among & (fair == part.least(fair, part.tight)[part.lead])
    return among, part.prices["value_price"][part.rep] - part.value


def check_value_prices(part: SplitPart) -> list[Check]:
    """Check the counts that value may choose from, and that no split among them is worth more."""
    least, most = part.bounds
    told = part.prices["least"], part.prices["most"]
    wrong = (told[0] != least) | (told[1] != most) | (part.count < least) | (part.count > most)
    checks = [
        verdict(
            f"fair_bounds:{part.name}",
            wrong,
            part.rep_ids,
            lambda r: f"expected {least[r]} to {most[r]} leads, told {told[0][r]} to {told[1][r]}, got {part.count[r]}",
            "how many leads each rep may have",
        )
    ]
    if part.second != "value":
        return checks
    price = part.prices["value_price"]
    among, cost = best_left(part)
    lowest = part.least(cost, among)
    lowest = np.where(part.may_wait, np.minimum(lowest, 0), lowest)
    own = np.where(part.given, part.of_own(cost), 0)
    bad = part.able & (own > lowest)
    loose = ((price > 0) & (part.count != most)) | ((price < 0) & (part.count != least))
    return [
        *checks,
        verdict(
            f"value_prices:{part.name}",
            bad,
            part.labels,
            lambda i: f"value less price {-own[i]} where {-lowest[i]} is to be had",
            "each lead where value less price is most",
        ),
        _of_reps(part, "value", price, loose),
    ]


def check_objectives(part: SplitPart) -> Check:
    """Check the numbers that the proof tells of a part."""
    pairs = part.own[part.given]
    expected = {
        "leads": len(part.own),
        "assigned": len(pairs),
        "rank_sum": int(part.rank[pairs].sum()),
        "fairness_cost": part.total(part.count),
        "value_sum": int(part.value[pairs].sum()),
    }
    wrong = [f"{k}: expected {e}, found {part.told.get(k)}" for k, e in expected.items() if part.told.get(k) != e]
    fairest, cost = part.told["fairest_cost"], expected["fairness_cost"]
    if fairest > cost or (not part.slack and fairest != cost):
        wrong.append(f"fairest_cost: found {fairest}, with a fairness_cost of {cost}")
    if not part.slack and part.total(part.prices["fair_count"]) != cost:
        wrong.append(f"fair_count: costs {part.total(part.prices['fair_count'])}, the split {cost}")
    without, value = part.told["fairest_value"], expected["value_sum"]
    if part.second == "value" and (without > value or (not part.slack and without != value)):
        wrong.append(f"fairest_value: found {without}, with a value_sum of {value}")
    if not np.array_equal(part.prices["count"], part.count):
        wrong.append("count: the roster tells other numbers of leads per rep")
    message = "; ".join(wrong) or ", ".join(f"{name} {number:,}" for name, number in expected.items())
    return Check(f"objectives:{part.name}", not wrong, message, {k: float(e) for k, e in expected.items()})
