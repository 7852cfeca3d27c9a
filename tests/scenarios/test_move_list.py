"""The move list: one may stop after any step, and no rule is then more broken than it was at the start."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.move_list import lists_moves, ordered_moves, write_moves
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem
from tests.scenarios.realignments import broken, drawn, history, realignment, worse

VISITS = {"balance": ({"measure": "visits", "max": 10.0},)}


def line(owners: dict[str, str], visits: dict[str, float] | None = None, **columns: Any) -> pd.DataFrame:
    """Return accounts one kilometre apart on a line, with who has them today."""
    ids = list(owners)
    return pd.DataFrame(
        {
            "x": [float(i) for i in range(len(ids))],
            "y": 0.0,
            "visits": [(visits or {}).get(i, 1.0) for i in ids],
            "owner": list(owners.values()),
            **columns,
        },
        index=pd.Index(ids, name="account_id"),
    )


def staff(*ids: str) -> pd.DataFrame:
    return pd.DataFrame({"x": [5.0 * k for k in range(len(ids))], "y": 0.0}, index=pd.Index(ids, name="rep_id"))


def listed(
    owners: dict[str, str], plan: dict[str, str], *, visits: dict[str, float] | None = None, **options: Any
) -> pd.DataFrame:
    columns = options.pop("columns", {})
    reps = staff(*sorted({r for r in (*owners.values(), *plan.values()) if r.startswith("R")}))
    return ordered_moves(*realignment(line(owners, visits, **columns), reps, plan, **options))


# Stopping after any step ----------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_no_rule_is_ever_more_broken_than_at_the_start(seed: int) -> None:
    problem, plan = drawn(seed)
    moves = ordered_moves(problem, plan)
    states = history(problem, plan, moves)
    assert [worse(states[0], state) for state in states] == [[]] * len(states)
    assert states[-1] == {}


def changing(problem: PlanningProblem, plan: Plan) -> list[str]:
    return [str(i) for i in problem.accounts.index if problem.accounts["owner"][i] != plan.assignments["rep_id"][i]]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_the_list_has_every_account_whose_rep_changes_once_and_steps_move_together(seed: int) -> None:
    problem, plan = drawn(seed)
    moves = ordered_moves(problem, plan)
    assert sorted(moves["account_id"]) == sorted(changing(problem, plan))
    steps = moves["step"].tolist()
    assert steps == sorted(steps)
    assert set(steps) == set(range(1, len(set(steps)) + 1))
    for row in moves.itertuples():
        owner = problem.accounts["owner"][row.account_id]
        assert row.to == plan.assignments["rep_id"][row.account_id]
        assert (row.kind, row[5 if "name" in moves else 4]) == (
            "move" if owner in problem.reps.index else "assign",
            owner,
        )
    for column in ("parent",) if problem.config.groups else ():
        named = moves.assign(group=problem.accounts[column].reindex(moves["account_id"]).to_numpy())
        assert (named[named["group"] != ""].groupby("group")["step"].nunique() == 1).all()


def unit_of(problem: PlanningProblem) -> dict[str, Any]:
    """Return what moves as one with each account."""
    if problem.units is not None:
        return dict(zip(problem.accounts.index, problem.units.unit_of.tolist(), strict=True))
    groups = problem.accounts["parent"] if problem.config.groups else pd.Series("", index=problem.accounts.index)
    return {str(i): f"group {g}" if g else i for i, g in groups.items()}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_what_moves_together_cannot_move_alone(seed: int) -> None:
    problem, plan = drawn(seed, n_accounts=9)
    moves = ordered_moves(problem, plan)
    unit, end = unit_of(problem), plan.assignments["rep_id"].to_dict()
    owner = problem.accounts["owner"].to_dict()
    left = set(moves["account_id"])
    for _, step in moves.groupby("step"):
        now = broken(problem, plan, owner)
        units = {unit[i] for i in step["account_id"]}
        # Pairs are searched through where loads alone decide.
        for size in range(1, min(len(units), 2 if problem.units is not None else 3)):
            for some in itertools.combinations({unit[i] for i in left}, size):
                after = owner | {i: end[i] for i in left if unit[i] in some}
                assert worse(now, broken(problem, plan, after)), f"{some} could have moved by themselves"
        left -= set(step["account_id"])
        owner |= dict(zip(step["account_id"], step["to"], strict=True))


def test_input_order_would_not_do() -> None:
    """The order is no accident: that of the accounts file breaks rules that today's alignment keeps."""
    spoiled = 0
    for seed in range(40):
        problem, plan = drawn(seed)
        moves = ordered_moves(problem, plan)
        place = problem.accounts.index.get_indexer(pd.Index(moves["account_id"]))
        unordered = moves.iloc[np.argsort(place)].assign(step=range(1, len(moves) + 1))
        states = history(problem, plan, unordered)
        spoiled += any(worse(states[0], state) for state in states)
    assert spoiled > 20


def test_thousands_of_moves_among_many_reps() -> None:
    problem, plan = many()
    moves = ordered_moves(problem, plan)
    assert sorted(moves["account_id"]) == sorted(changing(problem, plan))
    assert len(moves) > 3000
    (rule,) = problem.balance_rules()
    visits, owner = problem.accounts["visits"], problem.accounts["owner"]
    loads = visits.groupby(owner.to_numpy()).sum().to_dict()
    most = {r: max(limit, loads[r]) + 1e-6 for r, limit in zip(problem.reps.index, rule.upper, strict=True)}
    least = {r: min(limit, loads[r]) - 1e-6 for r, limit in zip(problem.reps.index, rule.lower, strict=True)}
    for _, step in moves.groupby("step"):
        for account, old, new in zip(step["account_id"], step["from"], step["to"], strict=True):
            loads[new] += visits[account]
            loads[old] -= visits[account]
        assert all(least[r] <= loads[r] <= most[r] for r in {*step["to"], *step["from"]})


def many() -> tuple[PlanningProblem, Plan]:
    """Return a large realignment: 20,000 accounts on a plane, 100 reps, some 4,500 moves within 2 %."""
    draw = np.random.default_rng(0)
    n_reps, n_accounts = 100, 20_000
    place = draw.random((n_accounts, 2)) * 10
    column, row = place.astype(int).T
    shifted = np.minimum((place[:, 0] + 0.25).astype(int), 9)
    ids, names = [f"A{i}" for i in range(n_accounts)], [f"R{k:02d}" for k in range(n_reps)]
    accounts = pd.DataFrame(
        {"x": place[:, 0], "y": place[:, 1], "visits": draw.integers(1, 9, n_accounts).astype(float)},
        index=pd.Index(ids, name="account_id"),
    )
    accounts["owner"] = np.array(names, object)[shifted * 10 + row]
    end = np.array(names, object)[column * 10 + row]
    loads = accounts["visits"].groupby(end).sum().reindex(names)
    reps = pd.DataFrame(
        {
            "x": np.repeat(np.arange(10) + 0.5, 10),
            "y": np.tile(np.arange(10) + 0.5, 10),
            "most": loads * 1.02,
            "least": loads * 0.98,
        },
        index=pd.Index(names, name="rep_id"),
    )
    balance = ({"measure": "visits", "max": "most", "min": "least"},)
    return realignment(accounts, reps, dict(zip(ids, end, strict=True)), config={"balance": balance})


# Which steps come first, and what they tell ---------------------------------------------------------------------------


def test_a_swap_between_full_reps_is_one_step() -> None:
    moves = listed({"a": "R1", "b": "R2"}, {"a": "R2", "b": "R1"}, visits={"a": 10.0, "b": 10.0}, config=VISITS)
    assert moves["step"].tolist() == [1, 1]


def test_a_chain_is_made_from_its_end() -> None:
    moves = listed(
        {"a": "R1", "b": "R2", "c": "R3"},
        {"a": "R2", "b": "R3", "c": "R4"},
        visits={"a": 10.0, "b": 10.0, "c": 10.0},
        config=VISITS,
    )
    assert moves[["step", "account_id"]].to_numpy().tolist() == [[1, "c"], [2, "b"], [3, "a"]]
    assert moves["buys"].tolist()[0].startswith("makes room at R3 for 1 account of step 2; costs")


def test_what_mends_most_comes_first_then_what_saves_most() -> None:
    owners = {"a": "R1", "b": "R1", "c": "R1", "d": "R1", "e": "R2", "f": "R2"}
    plan = owners | {"c": "R2", "d": "R2", "e": "R1", "f": "R1"}
    visits = {"a": 4.0, "b": 2.0, "c": 3.0, "d": 5.0, "e": 1.0, "f": 1.0}
    moves = listed(owners, plan, visits=visits, config={"balance": ({"measure": "visits", "max": 12.0},)})
    assert moves["account_id"].tolist()[0] == "c" or moves["account_id"].tolist()[0] == "d"
    assert moves["buys"].tolist()[0].startswith("brings R1's visits from 14 to ")
    later = moves[moves["step"] > 1]["travel_saved"].tolist()
    assert later == sorted(later, reverse=True)


def test_an_account_that_nobody_has_is_assigned_not_moved() -> None:
    moves = listed({"a": "", "b": "left", "c": "R2"}, {"a": "R1", "b": "R1", "c": "R1"}).set_index("account_id")
    assert moves["kind"].to_dict() == {"a": "assign", "b": "assign", "c": "move"}
    assert moves["from"].to_dict() == {"a": "", "b": "left", "c": "R2"}
    assert np.isnan(moves["travel_before"]["a"])
    assert moves["buys"]["a"] == "gives the account a rep"


def test_a_wrong_rep_is_mended_first() -> None:
    owners, plan = {"a": "R1", "b": "R1"}, {"a": "R2", "b": "R2"}
    moves = listed(owners, plan, config={"locks": {"column": "lock"}}, columns={"lock": ["", "R2"]})
    assert moves["account_id"].tolist() == ["b", "a"]
    assert moves["buys"].tolist()[0].startswith("takes it from R1, who may not have it")


def test_a_group_moves_together_and_says_so() -> None:
    moves = listed(
        {"a": "R1", "b": "R2", "c": "R1"},
        {"a": "R2", "b": "R2", "c": "R2"},
        config={"groups": {"column": "parent"}},
        columns={"parent": ["P", "P", "P"]},
    )
    assert moves["step"].tolist() == [1, 1]
    assert "with the rest of step 1: brings together what several reps share" in moves["buys"].tolist()[0]


def test_every_measure_has_a_column_and_none_hides_one_of_the_lists_own() -> None:
    config = {
        "balance": ({"measure": "visits", "max": 99.0}, {"measure": "kind", "max": 99.0}),
        "disruption": {"current": "owner", "measure": "revenue"},
    }
    columns = {"kind": [7.0], "revenue": [1000.0], "name": ["=cmd|' /C calc'!A0"]}
    moves = listed({"a": "R1"}, {"a": "R2"}, config=config, columns=columns)
    assert list(moves.columns) == [
        "step", "account_id", "name", "kind", "from", "to", "visits", "measure_kind", "revenue",
        "travel_before", "travel_after", "travel_saved", "buys", "why",
    ]  # fmt: skip
    assert moves.loc[0, ["visits", "measure_kind", "revenue", "travel_saved"]].tolist() == [1.0, 7.0, 1000.0, -5.0]
    assert moves.loc[0, "why"] == "a is best with R2."


def test_the_file_has_no_live_formula(tmp_path: Any) -> None:
    moves = listed({"a": "R1"}, {"a": "R2"}, columns={"name": ["=HYPERLINK(1)\nx"]})
    write_moves(moves, tmp_path / "moves.csv")
    again = pd.read_csv(tmp_path / "moves.csv", dtype=str)
    assert again["name"].tolist() == ["'=HYPERLINK(1) x"]


def test_nothing_changes_and_the_list_is_empty() -> None:
    moves = listed({"a": "R1"}, {"a": "R1"})
    assert (len(moves), moves.columns[0]) == (0, "step")


def test_without_todays_owners_there_is_no_list() -> None:
    problem, plan = realignment(line({"a": "R1"}), staff("R1"), {"a": "R1"}, config={"disruption": None})
    assert not lists_moves(problem, plan)
    with pytest.raises(ValueError, match="nothing says who has the accounts today"):
        ordered_moves(problem, plan)
