"""The report's section on moves: one row per step and pair of reps, however many accounts that is."""

from __future__ import annotations

import pandas as pd

from maps.report.moves import what_changes
from scenarios.move_list import ordered_moves
from tests.scenarios.realignments import realignment


def shared_parent(n: int, *, assigned: int = 0):  # type: ignore[no-untyped-def]  # problem and plan
    """Return n accounts of one group that go from R1 to R2, of which some have no rep today."""
    ids = [f"A{i}" for i in range(n)]
    accounts = pd.DataFrame(
        {
            "x": [float(i) for i in range(n)],
            "y": 0.0,
            "visits": 2.0,
            "name": [f"<b>Shop {i}</b>" for i in range(n)],
            "parent": "P",
            "owner": [""] * assigned + ["R1"] * (n - assigned),
        },
        index=pd.Index(ids, name="account_id"),
    )
    reps = pd.DataFrame(
        {"x": [0.0, 10.0], "y": 0.0, "name": ["Ann", "Bo"]}, index=pd.Index(["R1", "R2"], name="rep_id")
    )
    config = {
        "groups": {"column": "parent"},
        "balance": ({"measure": "visits", "min": 3.0},),
        "disruption": {"current": "owner", "measure": "visits"},
    }
    return realignment(accounts, reps, dict.fromkeys(ids, "R2"), config=config)


def test_the_accounts_of_a_step_are_one_row_for_each_rep_they_come_from() -> None:
    problem, plan = shared_parent(6, assigned=1)
    told = what_changes(problem, plan, ordered_moves(problem, plan))
    assert told["summary"] == (
        "5 accounts change hands (100.0 % of those with a rep today), with 10 visits; 1 account without a rep today gets one"
    )
    assert told["steps"] == "1 step"
    nobody, ann = told["rows"]
    assert (nobody["from"], nobody["to"], ann["from"]) == ("nobody", "Bo", "Ann")
    assert ann["accounts"] == "5 accounts: <b>Shop 1</b> (A1), <b>Shop 2</b> (A2), <b>Shop 3</b> (A3), …"
    assert ann["buys"].startswith("Brings R2's visits from 0 to 12, at least 3; ")
    assert ann["buys"].endswith("costs 20 map units more")


def test_several_who_get_a_rep_are_told_so_once() -> None:
    problem, plan = shared_parent(3, assigned=3)
    (row,) = what_changes(problem, plan, ordered_moves(problem, plan))["rows"]
    assert row["buys"].startswith("Gives each a rep; ")
