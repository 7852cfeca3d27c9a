"""What a routed batch says of itself is true: the proof's sentence, the reasons, the moments told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from territory_engine.errors import BatchConflictError, InputError
from tests.territory_engine.routing.conftest import MONDAY, nowhere, only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.territory_engine.routing.conftest import MakeRouter


def test_where_matched_leads_are_free_the_proof_tells_them_from_the_others(make_router: MakeRouter) -> None:
    router = make_router({"fair_share": {"matched": "free"}})
    matched = router.route([{"lead_id": "a", "account_id": "A0", "value": 100.0}], "b1", at=MONDAY)
    assert matched.proof_sentence().endswith("follows the matches better. No other leads were split.")
    mixed = router.route(
        [{"lead_id": "b", "account_id": "A0", "value": 100.0}, {"lead_id": "c", "value": 50.0}], "b2", at=MONDAY
    )
    assert "beside the matched leads, none splits the 1 other lead more evenly" in mixed.proof_sentence()
    assert mixed.proof_sentence().endswith("none is worth more than their 50.00.")


def test_who_gets_a_lead_for_want_of_room_elsewhere_is_not_told_it_is_their_turn(make_router: MakeRouter) -> None:
    full = make_router({"limits": {"open_leads": "most"}}, only("R1", "R2", most=["0", "", "", "", ""]))
    full.route(nowhere("x", "y", "z"), "b1", at=MONDAY)
    router = make_router({"limits": {"open_leads": "most"}}, only("R1", "R2", most=["1", "", "", "", ""]))
    # R1 has had nothing, and has room for one of the two leads of its own account; R2 has had three.
    leads = [{"lead_id": "m1", "account_id": "A0"}, {"lead_id": "m2", "account_id": "A0"}, *nowhere("n")]
    routed = router.route(leads, "b2", at=MONDAY)
    assert sorted(routed.decisions["rep_id"][:2]) == ["R1", "R2"]
    assert routed.decisions["reason"][2] == "R2 (Ben) is the only one of the 2 who could take it with room left."


FRIDAY = datetime(2026, 12, 4, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("columns", "policy", "expected"),
    [
        ({}, {}, "2026-12-05T00:00:00Z"),
        ({"working_hours": "09:00-17:00"}, {"hours": {"respond_within_h": 2.0}}, "2026-12-07T07:00:00Z"),
        ({"leave": "2026-12-05..2026-12-20"}, {}, "2026-12-21T00:00:00Z"),
        (
            {"working_hours": "09:00-17:00", "leave": "2026-12-06..2026-12-20"},
            {"hours": {"respond_within_h": 20.0}},
            "2026-12-21T00:00:00Z",
        ),
    ],
)
def test_a_lead_that_waits_for_room_can_go_at_the_moment_told_and_not_before(
    make_router: MakeRouter, columns: dict[str, str], policy: dict[str, Any], expected: str
) -> None:
    router = make_router({"limits": {"per_day": 1}, **policy}, only("R1", time_zone="UTC", **columns))
    routed = router.route(nowhere("first", "second"), "b1", at=FRIDAY)
    told = routed.decisions.set_index("lead_id")["could_go_at"]["second"]
    assert told == expected
    assert router.route_queue("q1", at=datetime.fromisoformat(told)).assigned == 1


def test_a_file_routed_again_under_other_columns_is_told_why_it_is_another_batch(
    make_router: MakeRouter, tmp_path: Path
) -> None:
    leads = tmp_path / "leads.csv"
    pd.DataFrame({"lead_id": ["1"], "amount": ["5"]}).to_csv(leads, index=False)
    make_router().route(leads, at=MONDAY)
    with pytest.raises(BatchConflictError, match=r"this very file was routed before.* other columns or date_order"):
        make_router({"columns": {"value": "amount"}}).route(leads, at=MONDAY)


@pytest.mark.parametrize("rep_id", ["=1+1", "+R6", "-R6", "@R6"])
def test_a_rep_id_that_a_spreadsheet_would_run_is_refused_before_anything_is_routed(
    make_router: MakeRouter, rep_id: str
) -> None:
    with pytest.raises(InputError, match=r"would run this rep ID as a formula.*rename the rep"):
        make_router(reps=pd.DataFrame({"rep_id": [rep_id]}))
