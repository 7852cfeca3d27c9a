"""The policies as sentences, each with the test that says the same."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from territory_engine.errors import InputError
from tests.territory_engine.routing.conftest import MONDAY, MakeRouter, counts, nowhere


def one_by_one(router, leads, at=MONDAY, every=timedelta(minutes=1), prefix="b"):  # type: ignore[no-untyped-def]  # a short name for a loop
    taken = []
    for k, lead in enumerate(leads):
        routed = router.route([lead], f"{prefix}{k}", at=at + k * every)
        taken.append(routed.decisions["rep_id"].iloc[0])
    return taken


def test_thirty_batches_of_one_lead_over_five_equal_reps_end_six_each(make_router: MakeRouter) -> None:
    router = make_router()
    one_by_one(router, nowhere(*(f"L{k}" for k in range(30))))
    assert counts(router) == dict.fromkeys(["R1", "R2", "R3", "R4", "R5"], 6)


def test_one_batch_of_thirty_leads_over_five_equal_reps_ends_six_each(make_router: MakeRouter) -> None:
    router = make_router()
    router.route(nowhere(*(f"L{k}" for k in range(30))), "b", at=MONDAY)
    assert counts(router) == dict.fromkeys(["R1", "R2", "R3", "R4", "R5"], 6)


def test_ties_rotate_so_that_no_rep_gets_two_in_a_row_before_all_have_had_one(make_router: MakeRouter) -> None:
    taken = one_by_one(make_router(), nowhere(*(f"L{k}" for k in range(20))))
    for begin in range(0, 20, 5):
        assert len(set(taken[begin : begin + 5])) == 5
        assert taken[begin : begin + 5] == taken[:5]


def test_another_seed_begins_with_another_order_and_the_same_seed_with_the_same(make_router: MakeRouter) -> None:
    leads = nowhere(*(f"L{k}" for k in range(5)))
    orders = {seed: tuple(one_by_one(make_router({"seed": seed}, ledger=f"s{seed}"), leads)) for seed in range(6)}
    assert len(set(orders.values())) > 1
    assert tuple(one_by_one(make_router({"seed": 3}, ledger="again"), leads)) == orders[3]


def test_a_rep_with_twice_the_weight_gets_twice_the_leads(make_router: MakeRouter) -> None:
    reps = pd.DataFrame({"rep_id": ["R1", "R2", "R3", "R4", "R5"], "weight": [2, 1, 1, 1, 1]})
    router = make_router(reps=reps)
    one_by_one(router, nowhere(*(f"L{k}" for k in range(30))))
    assert counts(router) == {"R1": 10, "R2": 5, "R3": 5, "R4": 5, "R5": 5}


def test_a_rep_on_leave_gets_nothing_and_no_flood_on_return(make_router: MakeRouter) -> None:
    reps = pd.DataFrame({"rep_id": ["R1"], "leave": ["2026-12-01..2026-12-07"]})
    router = make_router(reps=reps)
    one_by_one(router, nowhere(*(f"L{k}" for k in range(10))), prefix="before")
    away = one_by_one(router, nowhere(*(f"M{k}" for k in range(20))), at=MONDAY + timedelta(days=2), prefix="away")
    assert "R1" not in away
    back = one_by_one(router, nowhere(*(f"N{k}" for k in range(20))), at=MONDAY + timedelta(days=9), prefix="back")
    assert back.count("R1") == 4


def test_with_catch_up_1_a_rep_back_from_leave_makes_up_for_all_of_it(make_router: MakeRouter) -> None:
    reps = pd.DataFrame({"rep_id": ["R1"], "leave": ["2026-12-01..2026-12-07"]})
    router = make_router({"fair_share": {"catch_up": 1.0}}, reps=reps)
    one_by_one(router, nowhere(*(f"L{k}" for k in range(10))), prefix="before")
    one_by_one(router, nowhere(*(f"M{k}" for k in range(20))), at=MONDAY + timedelta(days=2), prefix="away")
    back = one_by_one(router, nowhere(*(f"N{k}" for k in range(20))), at=MONDAY + timedelta(days=9), prefix="back")
    assert back[:5] == ["R1"] * 5
    assert counts(router) == dict.fromkeys(["R1", "R2", "R3", "R4", "R5"], 10)


def test_with_catch_up_a_half_half_of_what_was_missed_is_made_up(make_router: MakeRouter) -> None:
    reps = pd.DataFrame({"rep_id": ["R1"], "leave": ["2026-12-01..2026-12-07"]})
    router = make_router({"fair_share": {"catch_up": 0.5}}, reps=reps)
    one_by_one(router, nowhere(*(f"L{k}" for k in range(10))), prefix="before")
    one_by_one(router, nowhere(*(f"M{k}" for k in range(32))), at=MONDAY + timedelta(days=2), prefix="away")
    back = one_by_one(router, nowhere(*(f"N{k}" for k in range(20))), at=MONDAY + timedelta(days=9), prefix="back")
    # Eight were missed, and four are made up: then everybody gets the same.
    assert back[:4] == ["R1"] * 4
    assert back[4:9].count("R1") == 1


def test_a_day_of_leave_neither_wipes_out_nor_makes_up_what_somebody_was_behind(make_router: MakeRouter) -> None:
    # Six leads of one account put its owner ahead; one of the others is away for a day on which four leads come.
    owned = [{"lead_id": f"L{k}", "account_id": "A8"} for k in range(6)]
    leave = pd.DataFrame({"rep_id": ["R1"], "leave": ["2026-12-01"]})
    got = {}
    for name, reps in (("here", None), ("away", leave)):
        router = make_router(reps=reps, ledger=name)
        router.route(owned, "owned", at=MONDAY)
        router.route(nowhere("M1", "M2", "M3"), "leave", at=MONDAY + timedelta(days=1))
        back = router.route(nowhere(*(f"N{k}" for k in range(9))), "back", at=MONDAY + timedelta(days=2))
        got[name] = list(back.decisions["rep_id"]).count("R1")
    assert got["away"] in (got["here"], got["here"] + 1)
    assert got["away"] > 1


def test_who_joins_starts_at_the_current_fair_level(make_router: MakeRouter) -> None:
    router = make_router()
    one_by_one(router, nowhere(*(f"L{k}" for k in range(50))))
    joined = make_router(reps=pd.DataFrame({"rep_id": ["R6"]}))
    taken = one_by_one(joined, nowhere(*(f"M{k}" for k in range(12))), at=MONDAY + timedelta(days=1), prefix="new")
    assert taken.count("R6") == 2
    counters = joined.ledger.counters()
    assert counters.loc["R6", "level"] == 12_000_000


def test_a_change_of_weight_counts_from_now_on_and_rewrites_nothing(make_router: MakeRouter) -> None:
    router = make_router()
    one_by_one(router, nowhere(*(f"L{k}" for k in range(10))))
    heavier = make_router(reps=pd.DataFrame({"rep_id": ["R1"], "weight": [4]}))
    one_by_one(heavier, nowhere(*(f"M{k}" for k in range(8))), prefix="heavy")
    assert counts(heavier) == {"R1": 6, "R2": 3, "R3": 3, "R4": 3, "R5": 3}


def test_when_the_pool_is_full_leads_wait_in_the_queue_the_least_valuable_first(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"per_day": 1}})
    leads = [{"lead_id": f"L{k}", "value": 100 + k} for k in range(7)]
    routed = router.route(leads, "b", at=MONDAY)
    assert routed.assigned == 5
    queued = routed.decisions[routed.decisions["status"] == "queued"]
    assert list(queued["lead_id"]) == ["L0", "L1"]
    assert set(queued["reason_code"]) == {"full"}
    assert set(queued["could_go_at"]) == {"2026-12-01T00:00:00Z"}


def test_a_queued_lead_may_come_again_and_a_lead_with_a_rep_may_not(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"per_day": 1}})
    leads = nowhere(*(f"L{k}" for k in range(6)))
    first = router.route(leads, "b", at=MONDAY)
    waits = first.decisions.loc[first.decisions["status"] == "queued", "lead_id"].iloc[0]
    second = router.route(leads, "c", at=MONDAY + timedelta(days=1))
    told = second.decisions.set_index("lead_id")
    assert told.loc[waits, "status"] == "assigned"
    assert set(told.drop(index=waits)["reason_code"]) == {"already_routed"}
    assert sum(counts(router).values()) == 6


def test_the_same_batch_gives_the_same_answer_whatever_happened_in_between(make_router: MakeRouter) -> None:
    router = make_router()
    leads = nowhere("L1", "L2", "L3")
    first = router.route(leads, "b", at=MONDAY)
    router.route(nowhere("M1", "M2"), "c", at=MONDAY)
    other_policy = make_router({"seed": 5, "limits": {"per_day": 0}})
    again = other_policy.route(leads, "b", at=MONDAY + timedelta(days=30))
    assert again.repeated
    pd.testing.assert_frame_equal(again.answers, first.answers)


def test_a_returned_lead_gives_the_share_back_and_may_be_routed_again(make_router: MakeRouter) -> None:
    router = make_router()
    rep = router.route(nowhere("L1"), "b", at=MONDAY).decisions["rep_id"].iloc[0]
    router.outcomes([{"outcome_id": "o1", "lead_id": "L1", "kind": "returned", "at": MONDAY + timedelta(hours=1)}])
    assert router.ledger.counters().loc[rep, "level"] == 0
    assert router.route(nowhere("L1"), "c", at=MONDAY + timedelta(hours=2)).assigned == 1


def test_open_leads_are_room_again_once_they_are_won_or_lost(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"open_leads": 1}})
    router.route(nowhere("L1", "L2", "L3", "L4", "L5"), "b", at=MONDAY)
    assert router.route(nowhere("L6"), "c", at=MONDAY).queued == 1
    router.outcomes([{"outcome_id": "o1", "lead_id": "L3", "kind": "won", "at": MONDAY + timedelta(hours=1)}])
    assert router.route(nowhere("L6"), "d", at=MONDAY + timedelta(hours=2)).assigned == 1


def test_the_owner_of_the_account_comes_first_then_the_territory_then_the_pool(make_router: MakeRouter) -> None:
    router = make_router()
    routed = router.route(
        [
            {"lead_id": "L1", "account_id": "A8"},
            {"lead_id": "L2", "latitude": 41.61, "longitude": -93.61},
            {"lead_id": "L3", "latitude": 10.0, "longitude": 10.0},
        ],
        "b",
        at=MONDAY,
    )
    assert list(routed.decisions["reason_code"]) == ["owner", "territory", "pool"]
    assert list(routed.decisions["rep_id"])[:2] == ["R5", "R1"]


@pytest.mark.parametrize(("matched", "expected"), [("count", 0), ("free", 2)])
def test_whether_matched_leads_count_towards_the_share_is_stated(
    make_router: MakeRouter, matched: str, expected: int
) -> None:
    router = make_router({"fair_share": {"matched": matched}})
    router.route([{"lead_id": f"L{k}", "account_id": "A8"} for k in range(10)], "owned", at=MONDAY)
    routed = router.route(nowhere(*(f"M{k}" for k in range(10))), "pool", at=MONDAY)
    assert list(routed.decisions["rep_id"]).count("R5") == expected


def test_a_lead_whose_owner_is_away_goes_to_the_next_in_line_or_waits_as_the_policy_says(
    make_router: MakeRouter,
) -> None:
    reps = pd.DataFrame({"rep_id": ["R5"], "leave": ["2026-11-25..2026-12-04"]})
    lead = [{"lead_id": "L1", "account_id": "A8"}]
    goes = make_router(reps=reps, ledger="next").route(lead, "b", at=MONDAY).decisions.iloc[0]
    assert goes["status"] == "assigned"
    assert goes["reason"].startswith("R5 (Eve), who has its account, is on leave until")
    waits = make_router({"matching": {"when_unavailable": "wait"}}, reps=reps, ledger="wait")
    told = waits.route(lead, "b", at=MONDAY).decisions.iloc[0]
    assert (told["status"], told["reason_code"], told["could_go_at"]) == ("queued", "match", "2026-12-05T00:00:00Z")


def test_the_slack_buys_value_and_no_more_unevenness_than_it_says(make_router: MakeRouter) -> None:
    reps = pd.DataFrame({"rep_id": ["R1", "R2", "R3", "R4", "R5"], "strong": ["wine", "beer", "beer", "beer", "beer"]})
    fit = [{"column": "kind", "reps_column": "strong", "factor": 2.0}]
    leads = nowhere(*(f"L{k}" for k in range(40)), kind="wine", value=100)
    fair = make_router({"fit": fit}, reps=reps, ledger="fair")
    one_by_one(fair, leads)
    assert set(counts(fair).values()) == {8}
    slack = make_router({"fit": fit, "fair_share": {"fairness_slack": 2}}, reps=reps, ledger="slack")
    one_by_one(slack, leads)
    got = counts(slack)
    assert got["R1"] > 8
    assert max(got.values()) - min(got.values()) <= 5


def test_swapping_the_rows_of_a_batch_gives_every_rep_as_many_leads(make_router: MakeRouter) -> None:
    leads = [{"lead_id": f"L{k}", "value": 10 * (k % 4)} for k in range(13)]
    one = make_router(ledger="one")
    one.route(leads, "b", at=MONDAY)
    other = make_router(ledger="other")
    other.route(leads[::-1], "b", at=MONDAY)
    assert sorted(counts(one).values()) == sorted(counts(other).values()) == [2, 2, 3, 3, 3]


def test_who_waits_goes_when_there_is_room_again_without_being_sent_again(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"per_day": 1}})
    router.route(
        [{"lead_id": f"L{k}", "value": 100 + k, "created_at": "2026-11-30T10:00:00Z"} for k in range(7)], "b", at=MONDAY
    )
    assert router.route_queue(at=MONDAY + timedelta(hours=1)).assigned == 0
    routed = router.route_queue("morning", at=MONDAY + timedelta(days=1))
    assert sorted(routed.decisions["lead_id"]) == ["L0", "L1"]
    assert routed.assigned == 2
    assert len(router.ledger.queued()) == 0
    again = router.route_queue("morning", at=MONDAY + timedelta(days=2))
    assert again.repeated
    pd.testing.assert_frame_equal(again.answers, routed.answers)


def test_all_outcomes_are_recorded_or_none_and_every_finding_is_told(make_router: MakeRouter) -> None:
    router = make_router()
    router.route(nowhere("L1", "L2"), "b", at=MONDAY)
    won = {"outcome_id": "o1", "lead_id": "L1", "kind": "won", "at": "2026-12-04T10:00:00Z"}
    nobodys = {**won, "outcome_id": "o2", "lead_id": "nobody"}
    with pytest.raises(InputError) as caught:
        router.outcomes([won, {"lead_id": "L2", "kind": "lost"}, nobodys])
    assert [(f.file, f.column) for f in caught.value.findings] == [
        ("outcomes[1]", "outcome_id"),
        ("outcomes[1]", "at"),
        ("outcomes[2]", "lead_id"),
    ]
    assert not len(router.ledger.outcomes())
    assert router.outcomes([won]) == [{"outcome_id": "o1", "lead_id": "L1", "result": "recorded"}]
    assert router.outcomes([won])[0]["result"] == "known already"


def test_a_batch_for_a_moment_before_the_newest_batch_says_so(make_router: MakeRouter) -> None:
    router = make_router({"limits": {"per_day": 1}})
    on_monday = router.route(nowhere("L1", "L2", "L3", "L4", "L5", "L6"), "b", at=MONDAY)
    assert on_monday.proof["notices"] == []
    assert router.route_queue("again", at=MONDAY).proof["notices"] == []
    before = router.route_queue("before", at=MONDAY - timedelta(days=2))
    (notice,) = before.proof["notices"]
    assert "earlier than the last batch, routed for" in notice
    assert "days and weeks counted since stay counted" in notice
    assert before.queued == 1


def test_standings_and_batches_agree_on_who_is_at_work_soon_enough(make_router: MakeRouter) -> None:
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "time_zone": "UTC", "working_days": ["Mon", "Tue"]})
    router = make_router({"hours": {"respond_within_h": 2}}, reps=reps)
    told = {rep["rep_id"]: rep for rep in router.reps(at=MONDAY)}
    assert {rep for rep, one in told.items() if not one["takes_leads"]} == {"R2"}
    assert "is next at work Tue" in told["R2"]["why_not"]
    routed = router.route(nowhere(*(f"L{k}" for k in range(20))), "b", at=MONDAY)
    assert set(routed.decisions["rep_id"]) == {"R1", "R3", "R4", "R5"}
