"""Demands: what leads ask for, and which reps list all of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from territory_engine.config import parse_config
from territory_engine.leads.policy import parse_policy
from territory_engine.leads.suitability.eligibility import check_rules, demand_of, rules_of

REPS = pd.DataFrame({"skills": ["a; b", "", "b;=cmd|x;é", None]}, index=["R1", "R2", "R3", "R4"])


def met(asked: list[object]) -> list[list[str]]:
    demand = demand_of(pd.DataFrame({"skill": asked}), REPS, "skill", "skills")
    return [REPS.index[demand.met[code]].tolist() for code in demand.code]


def test_everything_asked_for_must_be_listed() -> None:
    assert met(["a", "b", "a;b", "a;é", "z"]) == [["R1"], ["R1", "R3"], ["R1"], [], []]


def test_a_blank_asks_for_nothing_however_it_is_written() -> None:
    everyone = ["R1", "R2", "R3", "R4"]
    assert met(["", " ", ";", None, "NULL"]) == [everyone] * 5


def test_spaces_do_not_count_and_capitals_and_accents_do() -> None:
    assert met([" b ;", "B", "e", "é"]) == [["R1", "R3"], [], [], ["R3"]]


def test_a_formula_is_a_value_like_any_other() -> None:
    assert met(["=cmd|x"]) == [["R3"]]


def test_two_ways_to_ask_for_the_same_are_one_demand() -> None:
    demand = demand_of(pd.DataFrame({"skill": ["a;b", " a ; b ", "a;b;b"]}), REPS, "skill", "skills")
    assert demand.code.tolist() == [1, 1, 1]
    assert demand.wanted == ((), ("a", "b"))


def test_columns_that_are_not_there_ask_for_nothing_and_list_nothing() -> None:
    assert not demand_of(pd.DataFrame({"x": ["a"]}), REPS, "skill", "skills").asks
    nothing = demand_of(pd.DataFrame({"skill": ["a"]}), REPS, "skill", "tools")
    assert not nothing.met[1].any()
    assert nothing.met[0].all()


def test_numbers_are_asked_for_as_they_are_written() -> None:
    reps = pd.DataFrame({"lines": ["7;8", "8"]}, index=["R1", "R2"])
    demand = demand_of(pd.DataFrame({"line": [7.0, np.nan, 8.0]}), reps, "line", "lines")
    assert demand.met[demand.code].tolist() == [[True, False], [True, True], [True, True]]


def test_the_plans_rule_and_a_usual_one_that_are_the_same_are_one() -> None:
    config = parse_config(
        {"data": {"accounts": "a", "reps": "r"}, "eligibility": {"column": "skills", "reps_column": "skills"}}
    )
    assert rules_of(parse_policy({}), config, REPS) == (("skills", "skills"),)
    assert rules_of(parse_policy({"eligibility": []}), config, REPS) == ()


def test_a_rule_on_a_column_that_nobody_fills_is_found() -> None:
    policy = parse_policy({"eligibility": [{"column": "skill", "reps_column": "skills"}]})
    assert check_rules(policy, REPS) == []
    assert len(check_rules(policy, REPS.assign(skills=" "))) == 1
    assert "has no column 'skills'" in check_rules(policy, REPS.drop(columns="skills"))[0].what
