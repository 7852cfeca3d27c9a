"""Reasons of leads of the pool are true of the levels and values that the batch was split by."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from territory_engine.leads.explaining.explanation import explain
from tests.territory_engine.leads.explaining.conftest import (  # noqa: F401  # fixtures, used by name
    MONDAY,
    MakeRouter,
    lead,
    make_router,
    planned_thrice,
)

POOL = {"matching": {"owner": "ignore", "territory": "ignore"}}
IDS = ("R1", "R2", "R3")


def reasons(router: Any, leads: list[dict[str, Any]], batch: str) -> list[str]:
    return [str(reason) for reason in router.route(leads, batch, at=MONDAY).decisions["reason"]]


def test_one_who_has_had_least_is_due(make_router: MakeRouter) -> None:  # noqa: F811  # the fixture
    router = make_router(POOL)
    for number in range(2):
        router.route([lead(f"K{number}")], f"k{number}", at=MONDAY)
    (told,) = reasons(router, [lead("L1")], "b1")
    assert re.fullmatch(r"R\d \(\w+\) was due: share 0\.00 before it, the lowest of the 3 who could take it\.", told)


def test_a_tie_says_whether_turn_or_lot_broke_it(make_router: MakeRouter) -> None:  # noqa: F811  # the fixture
    router = make_router(POOL)
    first, *_ = reasons(router, [lead("L1")], "b1")
    assert "It was a tie" in first
    assert "the lot, drawn by the policy's seed, fell on" in first
    for number in range(2, 4):
        router.route([lead(f"L{number}")], f"b{number}", at=MONDAY)
    (again,) = reasons(router, [lead("L4")], "b4")
    assert again.endswith("had waited longest.")


def test_among_those_as_due_the_worth_is_told(make_router: MakeRouter) -> None:  # noqa: F811  # the fixture
    (told,) = reasons(make_router(POOL), [lead("L1", latitude=42.0, longitude=-91.61, value=500)], "b1")
    assert told == (
        "R2 (Ben), R1 (Ada) and R3 (Cleo) were equally due (share 0.00), and it is worth most with R2 (Ben): 1 km,"
        " worth 499.17."
    )


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_of_shares_and_worth_is_true_lead_by_lead(
    make_router: MakeRouter,  # noqa: F811  # the fixture
    seed: int,
) -> None:
    draw = np.random.default_rng(seed)
    router = make_router(POOL, weight=[1.0, 1.0, 1.0 if seed % 2 else 0.5])
    step = [1.0, 1.0, 1.0 if seed % 2 else 2.0]
    leads = [
        lead(f"L{i}", latitude=float(draw.uniform(41, 43)), longitude=float(draw.uniform(-94, -91)), value=100.0)
        for i in range(12)
    ]
    routed = router.route(leads, "b1", at=MONDAY)
    level = dict.fromkeys(IDS, 0.0)
    for row in routed.decisions.itertuples():
        others = [level[rep] for rep in IDS if rep != row.rep_id]
        if "was due: share" in row.reason:
            assert f"share {level[row.rep_id]:.2f} before it" in row.reason
            assert level[row.rep_id] < min(others)
        elif "was due: with it" in row.reason:
            after = {rep: level[rep] + step[IDS.index(rep)] for rep in IDS}
            assert after[row.rep_id] == min(after.values())
        elif "equally due" in row.reason and "(share" in row.reason:
            assert level[row.rep_id] == min(level.values())
            alike = [rep for rep in IDS if level[rep] == level[row.rep_id] and f"{rep} (" in row.reason]
            worth = {
                view.rep_id: view.expected_value
                for view in explain(router.ledger, row.lead_id).reps
                if view.rep_id in alike
            }
            assert worth[row.rep_id] == max(worth.values())
        else:
            assert row.reason.startswith("Looking at the whole batch")
        level[row.rep_id] += step[IDS.index(row.rep_id)]


def test_a_rep_with_matches_apart_is_proved_apart(make_router: MakeRouter) -> None:  # noqa: F811  # the fixture
    router = make_router({"fair_share": {"matched": "free"}})
    routed = router.route([lead("L1", account_id="A0"), lead("L2"), lead("L3")], "b1", at=MONDAY)
    sentence = routed.proof_sentence()
    assert sentence.startswith(
        "Proved: no split assigns more leads or follows the matches better; beside the matched leads, none splits the 2 other"
        " leads more evenly"
    )
    alone = router.route([lead("L4", account_id="A0")], "b2", at=MONDAY)
    assert alone.proof_sentence() == (
        "Proved: no split assigns more leads or follows the matches better. No other leads were split."
    )


def test_an_owner_who_cannot_take_a_lead_is_named_where_it_waits(
    make_router: MakeRouter,  # noqa: F811  # the fixture
) -> None:
    router = make_router({"limits": {"travel_km": 50}})
    (told,) = reasons(router, [lead("L1", account_id="A0", latitude=40.0, longitude=-93.6)], "b1")
    assert told.startswith("R1 (Ada), who has its account, is 177.9 km away; travels at most 50 km. None of 3 reps can")
    explanation = explain(router.ledger, "L1")
    assert explanation.of_group("could_not")[0].sentence.startswith("has its account, but is ")
    assert explanation.advice == ("Let R1, who has its account, travel 178 km instead of 50 km.",)


def test_a_postal_code_of_a_country_that_is_not_located_is_told(
    make_router: MakeRouter,  # noqa: F811  # the fixture
) -> None:
    router = make_router({"limits": {"travel_km": 50}})
    router.route([lead("L1", postal_code="10115", country="DE")], "b1", at=MONDAY)
    explanation = explain(router.ledger, "L1")
    assert "postal codes of DE are not located" in explanation.text()
    assert explanation.advice[0].startswith(
        "Give the lead a latitude and longitude: postal codes of DE are not located"
    )
