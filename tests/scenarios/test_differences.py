"""What changes from plan to plan, by hand-made plans of a few accounts on a line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scenarios.differences import compare_plans
from territory_engine.config import Config
from territory_engine.errors import InputError
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem

VISITS = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}


def made(alignment: dict[str, str], reps: dict[str, str] | None = None, visits: dict[str, float] | None = None):  # type: ignore[no-untyped-def]  # problem and plan
    """Return a problem and a plan: accounts with their territories, and the territories' reps."""
    values = VISITS | (visits or {})
    ids = list(alignment)
    accounts = pd.DataFrame(
        {"x": [float(ord(i) - ord("a")) for i in ids], "y": 0.0, "visits": [values[i] for i in ids]},
        index=pd.Index(ids, name="account_id"),
    )
    territories = sorted(set(alignment.values()))
    rep_of = dict.fromkeys(territories, "") | (reps or {})
    config = Config.model_validate(
        {
            "data": {"accounts": "a.csv"},
            "territories": {"count": len(territories), "centers": "free"},
            "travel": {"metric": "euclidean"},
            "balance": ({"measure": "visits", "tolerance": 0.2},),
        }
    )
    staff = pd.DataFrame(index=pd.Index([], name="rep_id", dtype=str))
    problem = PlanningProblem(config, accounts, staff, base_dir=Path())
    table = pd.DataFrame({"territory_id": list(alignment.values())}, index=accounts.index)
    table["rep_id"] = table["territory_id"].map(rep_of)
    table["travel"] = 1.0
    rows = pd.DataFrame({"rep_id": [rep_of[t] for t in territories]}, index=pd.Index(territories, name="territory_id"))
    plan = Plan(
        status="feasible", assignments=table, territories=rows, objective=5.0, lower_bound=4.0, gap=0.2, priced_bound=4.0,
        objective_terms={"travel": 5.0}, measures={"visits": {"max_deviation": 0.1, "total": 15.0}}, prices={}, proof={},
        termination="gap", rounds=0, solve_seconds=0.0, seed=0,
    )  # fmt: skip
    return problem, plan


BEFORE = {"a": "T1", "b": "T1", "c": "T2", "d": "T2", "e": "T2"}


def test_a_plan_does_not_differ_from_itself() -> None:
    found = compare_plans(made(BEFORE), made(BEFORE))
    assert len(found.moves) == len(found.added) == len(found.closed) == 0
    assert found.territories["from_territory_id"].tolist() == ["T1", "T2"]
    assert (found.figures["before"] == found.figures["after"]).all()


def test_territories_named_anew_are_no_moves() -> None:
    found = compare_plans(made(BEFORE), made({i: {"T1": "North", "T2": "T1"}[t] for i, t in BEFORE.items()}))
    assert len(found.moves) == 0
    assert found.territories["from_territory_id"].to_dict() == {"North": "T1", "T1": "T2"}


def test_a_move_is_a_loss_here_and_a_gain_there() -> None:
    found = compare_plans(made(BEFORE), made(BEFORE | {"c": "T1"}))
    assert found.moves.index.tolist() == ["c"]
    assert found.moves.loc["c", ["from_territory_id", "to_territory_id", "visits"]].tolist() == ["T2", "T1", 3.0]
    assert (found.moved(), found.moved("visits")) == (1.0, 3.0)
    columns = ["visits_before", "visits_gained", "visits_lost", "visits_changed", "visits_after"]
    assert found.territories.loc["T1", columns].tolist() == [3, 3, 0, 0, 6]
    assert found.territories.loc["T2", columns].tolist() == [12, 0, 3, 0, 9]


def test_the_rep_says_which_territory_continues_which_even_against_the_accounts() -> None:
    before = made(BEFORE, {"T1": "R1", "T2": "R2"})
    after = made({i: {"T1": "T2", "T2": "T1"}[t] for i, t in BEFORE.items()}, {"T1": "R1", "T2": "R2"})
    assert len(compare_plans(before, after).moves) == 5


def test_a_rep_who_left_moves_all_and_leaves_a_territory_that_nothing_continues() -> None:
    before = made(BEFORE, {"T1": "R1", "T2": "R2"})
    found = compare_plans(before, made(dict.fromkeys(BEFORE, "T1"), {"T1": "R1"}))
    assert found.moves.index.tolist() == ["c", "d", "e"]
    ended = found.territories.loc["T2"]
    assert (ended["dissolved"], ended["visits_before"], ended["visits_lost"], ended["visits_after"]) == (
        True,
        12,
        12,
        0,
    )
    hired = compare_plans(made(dict.fromkeys(BEFORE, "T1"), {"T1": "R1"}), before)
    assert hired.territories.loc["T2", ["from_territory_id", "visits_before", "visits_gained"]].tolist() == ["", 0, 12]


def test_new_and_closed_accounts_and_other_loads_are_changes_not_moves() -> None:
    after = {i: t for i, t in BEFORE.items() if i != "a"} | {"f": "T2"}
    found = compare_plans(made(BEFORE), made(after, visits={"f": 7.0, "d": 1.0}))
    assert (len(found.moves), found.added.tolist(), found.closed.tolist()) == (0, ["f"], ["a"])
    assert found.territories["visits_changed"].to_dict() == {"T1": -1.0, "T2": 4.0}
    assert found.territories["count_changed"].to_dict() == {"T1": -1.0, "T2": 1.0}


def test_every_row_adds_up() -> None:
    after = {"b": "T3", "c": "T1", "d": "T3", "e": "T1", "f": "T2"}
    found = compare_plans(made(BEFORE), made(after, visits={"f": 7.0, "d": 1.0})).territories
    for measure in ("count", "visits"):
        sides = found[[f"{measure}_{part}" for part in ("before", "gained", "changed")]].sum(axis=1)
        assert (sides - found[f"{measure}_lost"]).tolist() == pytest.approx(found[f"{measure}_after"].tolist())


def test_plans_of_other_accounts_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"no account in common.*a, b, c, …"):
        compare_plans(made(BEFORE), made({"x": "T1"}, visits={"x": 1.0}))
