"""What a manager reads about a difference."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pandas as pd

from scenarios.difference_words import figure_words, headline, summary, territory_words
from scenarios.differences import PlanDifference, compare_plans
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem

Made = Callable[..., tuple[PlanningProblem, Plan]]
BEFORE = {"a": "R1", "b": "R1", "c": "R2", "d": "R2", "e": "R2"}


def with_reps(made: Made, alignment: dict[str, str], names: dict[str, str]) -> tuple[PlanningProblem, Plan]:
    problem, plan = made(alignment, dict.fromkeys(names) | {r: r for r in names})
    reps = pd.DataFrame({"name": list(names.values())}, index=pd.Index(list(names), name="rep_id"))
    return dataclasses.replace(problem, reps=reps), plan


def told(before: tuple[PlanningProblem, Plan], after: tuple[PlanningProblem, Plan]) -> tuple[PlanDifference, list[str]]:
    found = compare_plans(before, after)
    return found, headline(found, territory_words(found, before[0], after[0]))


def test_the_headline_says_how_much_changes_hands_and_who_is_affected(made: Made) -> None:
    before = with_reps(made, BEFORE, {"R1": "Ada", "R2": "Ben"})
    after = with_reps(made, BEFORE | {"c": "R1"}, {"R1": "Ada", "R2": "Ben"})
    assert told(before, after)[1] == [
        "1 of 5 accounts (20.0 %) changes hands, with 20.0 % of visits.",
        "On balance Ada gains most (+3) and Ben loses most (−3), in visits.",
    ]


def test_who_comes_and_who_goes_is_named(made: Made) -> None:
    before = with_reps(made, BEFORE, {"R1": "Ada", "R2": "Ben"})
    after = with_reps(made, dict.fromkeys("abcd", "R1") | {"e": "R3"}, {"R1": "Ada", "R3": ""})
    found, sentences = told(before, after)
    assert sentences[1:3] == ["Ben's territory ends: its 3 accounts go to 2 others.", "R3 starts with 1 account."]
    assert sentences[3] == "On balance Ada gains most (+7), in visits."
    words = territory_words(found, before[0], after[0])
    assert [(w.label, w.status) for w in words] == [("Ada (R1)", "kept"), ("R3", "new"), ("Ben (R2)", "dissolved")]


def test_moves_that_nobody_who_came_or_went_explains_are_counted(made: Made) -> None:
    three = {"R1": "Ada", "R2": "Ben", "R3": "Cid"}
    before = with_reps(made, {"a": "R1", "b": "R1", "c": "R2", "d": "R2", "e": "R3"}, three)
    after = with_reps(made, {"a": "R1", "b": "R2", "c": "R2", "d": "R2", "e": "R1"}, {"R1": "Ada", "R2": "Ben"})
    assert "1 more account moves between territories that stay." in told(before, after)[1]


def test_territories_named_anew_are_said_to_be_so(made: Made) -> None:
    found, sentences = told(made(BEFORE), made({i: {"R1": "North", "R2": "R2"}[t] for i, t in BEFORE.items()}))
    assert sentences == [
        "None of 5 accounts changes territory.",
        "1 territory has another name than before and is matched by the accounts in it.",
    ]
    words = territory_words(found, made(BEFORE)[0], made(BEFORE)[0])
    assert [(w.name, w.status, w.was) for w in words] == [("North", "renamed", "R1"), ("R2", "kept", "")]


def test_figures_leave_out_what_says_nothing_new(made: Made) -> None:
    problem, plan = made(BEFORE)
    better = dataclasses.replace(plan, objective=4.0, objective_terms={"travel": 4.0}, gap=None)
    words = {f.label: f for f in figure_words(compare_plans((problem, plan), (problem, better)))}
    assert "Objective, map units" not in words  # there is no term but travel
    travel = words["Travel, map units"]
    assert (travel.before, travel.after, travel.change) == ("5", "4", "−20.0 %")
    assert (words["Accounts"].change, words["Proved gap"].after, words["Proved gap"].change) == ("same", "–", "")


def test_the_summary_fits_a_screen_whatever_the_number_of_territories(made: Made) -> None:
    many = {f"{chr(97 + i % 5)}{i}": f"T{i % 40:02d}" for i in range(200)}
    visits = dict.fromkeys(many, 1.0)

    def of(alignment: dict[str, str]) -> tuple[PlanningProblem, Plan]:
        ids = [chr(0x4E00 + k) for k in range(len(alignment))]  # the line's places are by one character each
        return made(
            dict(zip(ids, alignment.values(), strict=True)),
            visits=dict(zip(ids, visits.values(), strict=True)),
        )

    shifted = {i: f"T{(int(t[1:]) + (n % 7 == 0)) % 40:02d}" for n, (i, t) in enumerate(many.items())}
    before, after = of(many), of(shifted)
    found = compare_plans(before, after)
    text = summary(found, territory_words(found, before[0], after[0]))
    assert len(text.splitlines()) < 40
    assert re.search(r"and \d+ more territories", text)
