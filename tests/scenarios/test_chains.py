"""Inheritance means: the parent's edits, then the child's. Said one by one or in a chain, the outcome is the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios import Scenario, apply_scenario
from scenarios.inheritance import ancestors_first
from scenarios.scenario_file import EditStep, ScenarioEdits
from scenarios.scenario_model import ScenarioTable
from territory_engine import load
from territory_engine.problem import PlanningProblem

CONFIG = """\
[data]
accounts = "accounts.csv"
reps = "reps.csv"
[travel]
metric = "euclidean"
[[balance]]
measure = "visits"
tolerance = 0.5
share = "capacity"
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> PlanningProblem:
    folder: Path = tmp_path_factory.mktemp("base")
    rows = "".join(f"a{i},{i},{i % 3},{i + 1},{'EW'[i % 2]}\n" for i in range(10))
    (folder / "accounts.csv").write_text("account_id,x,y,visits,side\n" + rows)
    (folder / "reps.csv").write_text("rep_id,x,y,capacity\n" + "".join(f"R{i},{2 * i},0,{i + 1}\n" for i in range(6)))
    (folder / "config.toml").write_text(CONFIG)
    return load(folder / "config.toml")


def scenario(*tables: ScenarioTable) -> Scenario:
    steps = tuple(EditStep(f"s{i}", table) for i, table in enumerate(tables))
    return Scenario("s", "", (), ScenarioEdits(steps))


growth = st.fixed_dictionaries(
    {"measure": st.just("visits"), "factor": st.sampled_from([0.25, 0.5, 2.0, 4.0])},
    optional={"column": st.just("side"), "value": st.sampled_from([("E",), ("W",), ("E", "W")])},
).filter(lambda g: ("column" in g) == ("value" in g))


@settings(deadline=None, max_examples=40)
@given(st.lists(growth, min_size=1, max_size=5), st.integers(0, 5))
def test_growth_in_a_chain_is_growth_in_a_list(base, edits, cut):
    at_once = apply_scenario(base, scenario(ScenarioTable(growth=tuple(edits))))
    parts = [tuple(edits[:cut]), tuple(edits[cut:])]
    in_turn = apply_scenario(base, scenario(*(ScenarioTable(growth=part) for part in parts)))
    # Powers of two: the order of multiplication leaves no trace.
    pd.testing.assert_frame_equal(at_once.accounts, in_turn.accounts)


@settings(deadline=None, max_examples=40)
@given(st.permutations(range(1, 6)), st.integers(0, 4), st.integers(0, 4))
def test_who_leaves_and_what_closes_in_a_chain_is_what_does_at_once(base, order, leaving, cut):
    reps = [f"R{i}" for i in order[:leaving]]
    closing = [f"a{i}" for i in order]
    once = ScenarioTable(remove_reps=tuple(reps), close_accounts=tuple(closing))
    chain = [
        ScenarioTable(remove_reps=tuple(reps[:cut])),
        ScenarioTable(close_accounts=tuple(closing[:cut])),
        ScenarioTable(remove_reps=tuple(reps[cut:]), close_accounts=tuple(closing[cut:])),
    ]
    at_once, in_turn = apply_scenario(base, scenario(once)), apply_scenario(base, scenario(*chain))
    pd.testing.assert_frame_equal(at_once.accounts, in_turn.accounts)
    pd.testing.assert_frame_equal(at_once.reps, in_turn.reps)
    assert at_once.reps.index.tolist() == [r for r in base.reps.index if r not in reps]
    assert at_once.scenario is not None
    assert sorted(at_once.scenario.removed["accounts"]) == sorted(closing)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["tolerance", "max", "share"]), st.booleans()), min_size=1, max_size=4))
def test_the_last_word_on_a_key_counts_and_other_keys_stay(base, words):
    values = {"tolerance": (0.3, 0.4), "max": (50.0, 60.0), "share": ("capacity", False)}
    tables, expected = [], {"tolerance": 0.5, "share": "capacity", "max": None}
    for key, first in words:
        value = values[key][0 if first else 1]
        tables.append(ScenarioTable(balance={"visits": {key: value}}))
        expected[key] = None if value is False else value
    rule = apply_scenario(base, scenario(*tables)).config.balance[0]
    assert {key: getattr(rule, key) for key in expected} == expected


@settings(deadline=None, max_examples=40)
@given(st.permutations(["a", "b", "c"]))
def test_the_base_is_left_as_it_was(base, order):
    before = base.accounts.copy(), base.reps.copy(), base.config
    tables = {
        "a": ScenarioTable(remove_reps=("R1",)),
        "b": ScenarioTable(growth=({"measure": "visits", "factor": 3.0},)),
        "c": ScenarioTable(reps={"R2": {"capacity": 9}}, close_accounts=("a1",)),
    }
    chain = ancestors_first("last", {**dict.fromkeys(tables, ()), "last": tuple(order)})
    apply_scenario(base, scenario(*(tables[name] for name in chain if name in tables)))
    pd.testing.assert_frame_equal(base.accounts, before[0])
    pd.testing.assert_frame_equal(base.reps, before[1])
    assert base.config == before[2]
