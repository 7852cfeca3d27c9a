"""What a plan says about itself, and its way through JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from territory_engine.plan import ASSIGNMENT_COLUMNS, Plan, empty_assignments, empty_territories

SCALARS = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9) | st.text()
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def a_plan(n_territories: int = 3, **changes: object) -> Plan:
    ids = [f"R{t:02d}" for t in range(n_territories)]
    deviation = [(-1) ** t * t / 100 for t in range(n_territories)]
    territories = pd.DataFrame(
        {
            "rep_id": ids,
            "accounts": 2,
            "travel": 1234.5,
            "visits": 10.0,
            "visits_target": 10.0,
            "visits_deviation": deviation,
        },
        index=pd.Index(ids, name="territory_id"),
    )
    assignments = pd.DataFrame(
        {
            "territory_id": ids * 2,
            "rep_id": ids * 2,
            "travel": 1.0,
            "previous_rep_id": "",
            "moved": [True] + [False] * (2 * n_territories - 1),
            "reason": "nearest",
        },
        index=pd.Index([f"A{i}" for i in range(2 * n_territories)], name="account_id"),
    )
    values: dict[str, object] = {
        "status": "feasible",
        "assignments": assignments,
        "territories": territories,
        "objective": 123456.7,
        "lower_bound": 123400.0,
        "gap": 0.00045926,
        "priced_bound": 123400.0,
        "objective_terms": {"travel": 123456.7},
        "measures": {"visits": {"max_deviation": max(map(abs, deviation)), "total": 30.0}},
        "prices": {"visits": {"R00": {"upper": 0.5}}},
        "proof": {"kind": "prices"},
        "termination": "gap",
        "rounds": 1200,
        "solve_seconds": 2.345,
        "seed": 0,
        "notices": ("the time limit of 60 s ended the search",),
    }
    return Plan(**{**values, **changes})  # type: ignore[arg-type]  # the fields vary by test


def test_the_summary_of_a_feasible_plan_reads_like_this() -> None:
    assert str(a_plan()) == "\n".join(  # one line of output per line here
        [
            "Feasible: every rule holds; no plan can cost less than 123,400, 0.05 % below this one.",
            "6 accounts in 3 territories.",
            "Objective 123,457; lower bound 123,400, proved by the stored prices; gap 0.05 %.",
            "Balance of visits: at most 2.00 % off target.",
            "1 account changes hands.",
            "",
            "Territories, the worst deviation first:",
            "territory  rep  accounts  travel  visits  off target",
            "R02        R02         2   1,234      10     +2.00 %",
            "R01        R01         2   1,234      10     -1.00 %",
            "R00        R00         2   1,234      10     +0.00 %",
            "",
            "The search took 2.3 s and 1,200 rounds of improvement; it ended because the proved gap is as small as asked for.",
            "Note: the time limit of 60 s ended the search.",
        ]
    )


def test_the_summary_says_when_a_plan_is_optimal_and_what_proved_it() -> None:
    plan = a_plan(status="optimal", gap=0.0, proof={"kind": "search", "solver": "CP-SAT"})
    assert plan.summary().startswith("Optimal: no plan that keeps these rules is better.")
    assert "proved by a search" in plan.summary()


def test_the_summary_of_many_territories_shows_the_worst_and_counts_the_rest() -> None:
    lines = a_plan(40).summary().splitlines()
    table = lines[lines.index("Territories, the worst deviation first:") :]
    assert table[2].startswith("R39")
    assert "… and 25 more" in table
    assert len(lines) < 30


def test_the_summary_of_an_infeasible_plan_names_conflict_and_relaxation() -> None:
    plan = a_plan(
        status="infeasible",
        assignments=empty_assignments(),
        territories=empty_territories(),
        objective=None,
        lower_bound=None,
        gap=None,
        priced_bound=None,
        conflict={
            "rules": ["accounts locked to R03 need 6,120 visits; R03's limit is 5,771"],
            "relaxations": ["a tolerance of 13 % on visits"],
            "accounts": [f"A{i}" for i in range(12)],
            "certificate": 349.0,
        },
        termination="infeasible",
    )
    text = plan.summary()
    assert text.startswith("Infeasible: no plan can keep all the rules")
    assert "  - accounts locked to R03 need 6,120 visits; R03's limit is 5,771" in text
    assert "  - a tolerance of 13 % on visits" in text
    assert "A9 … and 2 more" in text


def test_the_summary_copes_with_unknown_targets_and_no_measures() -> None:
    territories = a_plan().territories.assign(visits_deviation=np.nan)
    summary = a_plan(territories=territories, measures={"visits": {"max_deviation": math.nan}}).summary()
    assert "Balance of visits" not in summary
    assert "off target" not in a_plan(measures={}).summary()


def test_a_tiny_gap_is_not_rounded_to_zero() -> None:
    assert ", 0.0012 % below this one" in a_plan(gap=0.0000123).summary()


def test_the_headline_is_true_of_a_wide_gap() -> None:
    wide = a_plan(objective=3_022_672.0, lower_bound=1_619_134.6, gap=0.46434).summary()
    assert wide.startswith("Feasible: every rule holds; no plan can cost less than 1,619,134, 46.43 % below this one.")
    assert "lower bound 1,619,134," in wide  # rounded up it would not be proved
    nothing = a_plan(lower_bound=0.0, gap=1.0).summary()
    assert nothing.startswith("Feasible: every rule holds; nothing is proved about how much better a plan could be.")


def test_the_summary_says_which_rules_the_bound_leaves_out() -> None:
    partial = {"kind": "prices", "measure": "visits", "leaves_out": ["connection", "whole units"]}
    line = "That bound leaves out connection and whole units: the plan may be closer to the best than it shows."
    assert line in a_plan(proof=partial).summary()
    assert "leaves out" not in a_plan(proof=partial, status="optimal", gap=0.0).summary()


def test_one_of_anything_is_told_in_the_singular() -> None:
    one = a_plan()
    one = a_plan(assignments=one.assignments.iloc[:1], territories=one.territories.iloc[:1], rounds=1)
    assert "1 account in 1 territory." in one.summary()
    assert "and 1 round of improvement;" in one.summary()


@given(
    objective=NUMBERS | st.none(),
    prices=st.dictionaries(
        st.text(), st.dictionaries(st.text(), st.dictionaries(st.sampled_from(["upper", "lower"]), NUMBERS))
    ),
    proof=st.dictionaries(st.text(), SCALARS | st.lists(SCALARS)),
    worst=st.floats(allow_infinity=False),
    notices=st.lists(st.text()).map(tuple),
)
def test_a_plan_survives_json(
    objective: float | None, prices: dict[str, object], proof: dict[str, object], worst: float, notices: tuple[str, ...]
) -> None:
    plan = a_plan(
        objective=objective, prices=prices, proof=proof, notices=notices, measures={"m": {"max_deviation": worst}}
    )
    text = json.dumps(plan.to_dict(), allow_nan=False)
    back = Plan.from_dict(json.loads(text), plan.assignments, plan.territories)
    assert back.to_dict() == plan.to_dict()
    assert back.notices == plan.notices
    assert back.prices == plan.prices
    assert back.measures["m"]["max_deviation"] == worst or math.isnan(worst)


def test_numpy_numbers_and_tuples_become_plain_json() -> None:
    plan = a_plan(objective=np.float64(1.5), conflict={"accounts": ("a", np.int64(3)), "certificate": np.float64(0.5)})
    assert plan.to_dict()["objective"] == 1.5
    assert json.loads(json.dumps(plan.to_dict()))["conflict"] == {"accounts": ["a", 3], "certificate": 0.5}


def test_a_certificate_beyond_any_number_is_null_in_json() -> None:
    assert a_plan(conflict={"certificate": math.inf}).to_dict()["conflict"] == {"certificate": None}


def test_a_record_without_a_field_is_refused() -> None:
    record = a_plan().to_dict()
    del record["gap"]
    with pytest.raises(KeyError, match="gap"):
        Plan.from_dict(record)


def test_empty_frames_have_the_columns_of_full_ones() -> None:
    assert list(empty_assignments().columns) == list(ASSIGNMENT_COLUMNS)
    assert empty_assignments()["moved"].dtype == bool
    assert empty_territories().index.name == "territory_id"
