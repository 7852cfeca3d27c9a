"""Scenarios side by side: figures against today and the base, the best of each row, and outlooks."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scenarios.capacity_words import capacity_sentences
from scenarios.comparison import (
    ScenarioResult,
    compared_measures,
    comparison_csv,
    comparison_table,
    differences_from_base,
)
from scenarios.comparison_words import best_of, figure_rows, headline, same_work
from scenarios.outlook_comparison import compare_outlooks
from scenarios.running import chosen, runs_of
from territory_engine.errors import InputError
from territory_engine.wording import number
from tests.maps.conftest import build_infeasible, build_plan, build_problem

REPS = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0), "R3": (-95.0, 42.5)}


def problem_of(reps: dict[str, tuple[float, float]] = REPS, *, factor: float = 1.0, **config: Any) -> Any:
    rng = np.random.default_rng(0)
    n = 40
    owner = np.array(["R1", "R2", "R3", "", "GONE"])[rng.integers(0, 5, n)]
    problem = build_problem(
        rng.uniform(-96, -90, n),
        rng.uniform(40.5, 43.5, n),
        reps,
        extra={"owner": owner, "low": np.full(n, 1.0)},
        config={"disruption": {"current": "owner", "measure": "revenue"}, **config},
    )
    return dataclasses.replace(problem, accounts=problem.accounts.assign(visits=problem.accounts["visits"] * factor))


def result(name: str, problem: Any, plan: Any = None, **values: Any) -> ScenarioResult:
    return ScenarioResult(name, values.pop("description", ""), values.pop("parents", ()), problem, plan, **values)


@pytest.fixture
def results() -> list[ScenarioResult]:
    base = problem_of()
    fewer = problem_of({"R1": REPS["R1"], "R2": REPS["R2"]})
    more = problem_of(factor=2.0)
    return [
        result("base", base, build_plan(base), seconds=1.0),
        result("fewer", fewer, build_plan(fewer), description="=1+1, R3 leaves\nat once", parents=("base",)),
        result("grown", more, build_plan(more)),
        result("never", base, build_infeasible(base)),
        result("late", base, None, message="the time limit was too short"),
    ]


def test_each_scenario_has_its_figures(results: list[ScenarioResult]) -> None:
    table = comparison_table(results)
    assert table.index.tolist() == ["base", "fewer", "grown", "never", "late"]
    assert table["status"].tolist() == ["feasible", "feasible", "feasible", "infeasible", "no plan"]
    assert table["reps"].tolist() == [3, 2, 3, 3, 3]
    base, fewer = results[0].plan, results[1].plan
    assert base is not None
    assert fewer is not None
    assert table["objective"]["base"] == base.objective
    assert table["visits_max_deviation"]["fewer"] == fewer.measures["visits"]["max_deviation"]
    assert table.loc[["never", "late"], ["objective", "moved_from_base_accounts"]].isna().all(axis=None)
    assert table["conflict"]["late"] == "the time limit was too short"
    assert "locked to R1" in table["conflict"]["never"]


def test_moves_are_counted_from_today_and_from_the_base(results: list[ScenarioResult]) -> None:
    table = comparison_table(results)
    base, fewer = results[0].plan, results[1].plan
    assert base is not None
    assert fewer is not None
    revenue = results[0].problem.accounts["revenue"]
    assert table["moved_from_today_accounts"]["base"] == base.assignments["moved"].sum()
    assert table["moved_from_today_revenue"]["base"] == revenue[base.assignments["moved"].to_numpy()].sum()
    changed = (base.assignments["rep_id"] != fewer.assignments["rep_id"]).to_numpy()
    assert table["moved_from_base_accounts"]["fewer"] == changed.sum() > 0
    assert table["moved_from_base_revenue"]["fewer"] == revenue[changed].sum()
    assert np.isnan(table["moved_from_base_accounts"]["base"])
    assert table["moved_from_base_accounts"]["grown"] == 0


def test_without_a_base_plan_nothing_is_compared_with_it(results: list[ScenarioResult]) -> None:
    assert differences_from_base(results[1:]) == {}
    assert not any(column.startswith("moved_from_base") for column in comparison_table(results[1:]))


def test_other_accounts_are_new_or_closed_and_not_moved(results: list[ScenarioResult]) -> None:
    base = results[0].problem
    smaller = dataclasses.replace(base, accounts=base.accounts.iloc[4:])
    table = comparison_table([results[0], result("closed", smaller, build_plan(smaller))])
    assert table["accounts_closed"]["closed"] == 4
    assert table["moved_from_base_accounts"]["closed"] == 0


def test_no_cell_of_the_csv_is_a_formula_or_breaks_its_line(results: list[ScenarioResult]) -> None:
    text = comparison_csv(comparison_table(results))
    assert len(text.splitlines()) == 6
    read = pd.read_csv(io.StringIO(text), index_col="scenario")
    assert read["description"]["fewer"] == "'=1+1, R3 leaves at once"
    assert read["objective"].tolist()[:3] == comparison_table(results)["objective"].tolist()[:3]


def test_stand_ins_of_a_robust_plan_are_no_measures_to_compare() -> None:
    balance = ({"measure": "visits", "tolerance": 0.5}, {"measure": "visits@worst", "tolerance": 0.5})
    problem = problem_of()
    accounts = problem.accounts.assign(**{"visits@worst": 1.0})
    config = type(problem.config).model_validate({**problem.config.model_dump(exclude_none=True), "balance": balance})
    robust = dataclasses.replace(problem, accounts=accounts, config=config)
    assert compared_measures([result("robust", robust, build_plan(robust))]) == ("visits", "revenue")


def test_the_best_is_marked_among_those_that_can_be_compared(results: list[ScenarioResult]) -> None:
    rows = {(row.group, row.label): row for row in figure_rows(results)}
    travel = rows["Cost", "Travel, km-visits"]
    # Twice the visits are twice the travel, at the same quality: not marked, whatever it is.
    assert [cell.best for cell in travel.cells] == [True, False, False, False, False]
    assert travel.cells[3].text == "–"
    moved = rows["Moves from the base plan", "Accounts"]
    assert [cell.best for cell in moved.cells] == [False, False, True, False, False]
    assert moved.cells[1].note.endswith("of all")
    assert not any(cell.best for cell in rows["Size", "Reps"].cells)
    assert same_work(results).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 1.0, 2.0], [False, True, False]),
        ([1.0, 1.0, 2.0], [True, True, False]),
        ([1.0, 1.0, 1.0], [False, False, False]),
        ([1.0, np.nan, np.nan], [False, False, False]),
        ([5000.1, 5000.2, np.nan], [False, False, False]),  # nobody sees a difference
        ([-1.0, 0.0, np.nan], [True, False, False]),
    ],
)
def test_the_best_is_the_least_that_can_be_seen(values: list[float], expected: list[bool]) -> None:
    assert best_of(np.array(values), np.ones(3, np.bool_), number).tolist() == expected


def test_the_headline_says_what_is_best_and_what_is_missing(results: list[ScenarioResult]) -> None:
    said = " ".join(headline(results))
    assert "Least travel: base" in said
    assert "Fewest moves" in said
    assert "never is proved impossible" in said
    assert "No plan was found in the time limit for late" in said


def test_who_has_more_than_a_rep_can_manage_is_told_beside_what_is_saved() -> None:
    shared = {"balance": ({"measure": "visits", "tolerance": 0.9, "share": "capacity"},)}
    compared = []
    for name, capacity in (("base", 1000.0), ("tight", 30.0)):
        problem = problem_of(**shared)
        problem = dataclasses.replace(problem, reps=problem.reps.assign(capacity=capacity))
        compared.append(result(name, problem, build_plan(problem)))
    loads = compared[1].plan.territories["visits"]  # type: ignore[union-attr]  # it has a plan
    above = int((loads > 30).sum())
    assert above > 0
    assert f"Above capacity: {above} rep{'s' * (above > 1)} in tight." in headline(compared)
    row = next(row for row in figure_rows(compared) if row.label == "Reps above capacity")
    assert [(cell.text, cell.best) for cell in row.cells] == [("0", True), (str(above), False)]
    worst = loads.idxmax()
    said = capacity_sentences(compared[1].problem, compared[1].plan)  # type: ignore[arg-type]  # it has a plan
    assert f"Rep {worst} ({number(loads[worst])} of 30" in said[0]
    assert "Reps above capacity" not in {row.label for row in figure_rows(compared[:1])}


def test_a_robust_plan_is_told_with_its_price_against_the_plan_it_is_made_from() -> None:
    problem = problem_of()
    plain, dear = build_plan(problem), build_plan(problem)
    dear = dataclasses.replace(dear, assignments=dear.assignments.assign(travel=dear.assignments["travel"] * 1.1))
    results = [
        result("base", problem, plain),
        result("child", problem, plain, parents=("base",)),
        result("ready", problem, dear, parents=("child",), robust=True),
        result("never", problem, build_infeasible(problem), robust=True),
    ]
    outlooks = compare_outlooks(results, {"worst": {"visits": "low"}})
    assert outlooks is not None
    assert outlooks.names == ("realistic", "worst")
    assert set(outlooks.scores) == {"base", "child", "ready"}
    (sentence,) = outlooks.sentences
    assert "10.0 % more than child" in sentence
    assert "within the proved gaps" not in sentence
    for gap, within in ((0.06, True), (None, False)):
        doubted = [*results[:2], dataclasses.replace(results[2], plan=dataclasses.replace(dear, gap=gap)), results[3]]
        doubted[1] = dataclasses.replace(results[1], plan=dataclasses.replace(plain, gap=0.06))
        told = compare_outlooks(doubted, {"worst": {"visits": "low"}})
        assert told is not None
        assert ("10.0 % more than child" in told.sentences[0], "within the proved gaps" in told.sentences[0]) == (
            True, within,
        )  # fmt: skip
    assert {"worst_limits_broken", "realistic_objective"} <= set(comparison_table(results, None, outlooks))
    assert compare_outlooks(results, {}) is None


# --- what is to be run --------------------------------------------------------------------------------------------------


class _File:
    def __init__(self, base: Any) -> None:
        self.base_problem, self.scenarios = base, ()


def test_the_base_is_run_too_and_has_a_digest_of_its_data_and_rules() -> None:
    problem = problem_of()
    (run,) = runs_of(_File(problem))  # type: ignore[arg-type]  # as much of a file as is needed
    assert run.name == "base"
    assert run.problem(problem) is problem
    changed = problem_of(balance=({"measure": "visits", "tolerance": 0.3},))
    assert runs_of(_File(changed))[0].digest != run.digest  # type: ignore[arg-type]  # as above


def test_names_that_are_no_scenarios_are_all_told() -> None:
    (base,) = runs_of(_File(problem_of()))  # type: ignore[arg-type]  # as above
    with pytest.raises(InputError) as caught:
        chosen([base], ["bas", "other"], "scenarios.toml")
    assert len(caught.value.findings) == 2
    assert chosen([base], [], "scenarios.toml") == (base,)
