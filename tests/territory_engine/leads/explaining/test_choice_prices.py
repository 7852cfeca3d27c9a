"""Prices of other choices, told from the ledger, are those of every split there is."""

from __future__ import annotations

from itertools import count, product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solvers.fair_split.costs import LeadCosts
from territory_engine.leads.amounts import amount_text, share_text
from territory_engine.leads.explaining.choice_prices import LeadPrices
from territory_engine.leads.explaining.explanation import explain
from territory_engine.leads.explaining.stored_split import StoredPart
from tests.territory_engine.leads.explaining.conftest import MONDAY, MakeRouter, lead
from tests.territory_engine.leads.explaining.test_stored_split import rebuilt

PLACES = ({}, {"latitude": 42.0, "longitude": -91.61}, {"latitude": 41.6, "longitude": -93.61})
FIELDS = st.fixed_dictionaries(
    {"place": st.sampled_from(PLACES), "value": st.integers(0, 3).map(lambda n: n * 100)},
    optional={
        "account_id": st.sampled_from(["A0", "A2", "A4"]),
        "segment": st.sampled_from(["bars", "retail", "clubs"]),
    },
)
POLICIES: dict[str, dict[str, Any]] = {
    "squares": {"limits": {"per_day": "most"}},
    "leximin": {"fair_share": {"objective": "leximin"}},
    "matched free": {"fair_share": {"matched": "free"}, "limits": {"per_day": "most"}},
    "slack": {"fair_share": {"fairness_slack": 1}},
    "even value": {"fair_share": {"then": "even_value"}},
}


def best_objectives(part: StoredPart, pinned: tuple[int, int] | None = None) -> tuple[int, ...] | None:
    """Return the objectives of the best split, of those with a lead at one of its pairs where pinned; None where none."""
    problem, costs = part.problem, LeadCosts.of(part.problem)
    choices = [[-1, *range(int(problem.lead_start[i]), int(problem.lead_start[i + 1]))] for i in range(problem.n_leads)]
    if pinned is not None:
        choices[pinned[0]] = [pinned[1]]
    best = None
    for split in product(*choices):
        pairs = [pair for pair in split if pair >= 0]
        counts = np.bincount(problem.pair_rep[pairs], minlength=problem.n_reps)
        if (counts > problem.capacity).any():
            continue
        objectives = (
            -len(pairs),
            int(problem.pair_rank[pairs].sum()),
            costs.total(counts),
            -int(problem.pair_value[pairs].sum()),
        )
        best = objectives if best is None or objectives < best else best
    return best


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_every_rep_is_there_once_and_every_price_is_that_of_the_best_split_with_the_lead_there(
    make_router: MakeRouter, policy: dict[str, Any]
) -> None:
    router = make_router(policy, weight=[1.0, 2.0, 0.7], segments=["bars", "bars;retail", "retail"], most=[40, 2, 60])
    number = count()

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(fields=st.lists(FIELDS, min_size=1, max_size=4))
    def check(fields: list[dict[str, Any]]) -> None:
        batch = f"b{next(number)}"
        leads = []
        for at, one in enumerate(fields):
            rest = {key: value for key, value in one.items() if key != "place"}
            leads.append(lead(f"{batch}-{at}", **rest, **one["place"]))
        routed = router.route(leads, batch, at=MONDAY)
        split = rebuilt(router, batch)
        prices = LeadPrices(split)
        for at, decision in enumerate(routed.decisions.itertuples()):
            explanation = explain(router.ledger, str(decision.lead_id))
            assert explanation.notices == () or "slack" in explanation.notices[0]
            assert sorted(view.rep_id for view in explanation.reps) == ["R1", "R2", "R3"]
            assert [view.rep_id for view in explanation.of_group("has_it")] == [decision.rep_id] * bool(decision.rep_id)
            for view in explanation.of_group("could"):
                if view.price is not None:
                    assert view.price.order >= (0, 0, 0, 0)
            if len(split.parts) == 1:
                check_prices(prices, split.shared, at)
            elif split.settled[at]:
                check_prices(prices, split.parts[0], at)

    def check_prices(prices: LeadPrices, part: StoredPart, at: int) -> None:
        best = best_objectives(part)
        assert best is not None
        found = prices.of_lead(at)
        for pair in range(int(part.problem.lead_start[at]), int(part.problem.lead_start[at + 1])):
            rep, pinned = int(part.problem.pair_rep[pair]), best_objectives(part, (at, pair))
            assert (rep in found) == (pinned is not None)
            price = found.get(rep)
            if price is not None and pinned is not None:
                change = [now - then for now, then in zip(pinned, best, strict=True)]
                assert [-price.assigned, price.match, price.evenness] == change[:3]
                if price.value is not None:
                    assert price.value == pytest.approx(-change[3] * 0.01)
                if price.evenness and part.split is not None and not part.problem.slack and not price.assigned:
                    counts = part.split.count.copy()
                    before = LeadCosts.of(part.problem).total(counts)
                    counts[price.more] += 1
                    counts[price.fewer] -= 1
                    assert LeadCosts.of(part.problem).total(counts) - before == price.evenness

    check()


def test_shares_have_the_digits_that_show_one_lead() -> None:
    assert share_text(12_000_000, 1_000_000) == "12.00"
    assert share_text(12_001_000, 1_000) == "12.001"
    assert amount_text(1240.0) == "1,240"
    assert amount_text(89.5) == "89.50"
