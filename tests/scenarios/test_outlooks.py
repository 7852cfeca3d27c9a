from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from scenarios import apply_scenario, load_scenarios, score_alignment, score_under_outlooks
from territory_engine import audit, solve
from territory_engine.errors import InputError
from territory_engine.plan_directory import write_plan_files

FORECAST = """
[forecast.worst]
revenue = "revenue_low"
visits = 0.5
[forecast.best]
revenue = 1.2
"""


def applied(path, name="a"):
    file = load_scenarios(path)
    return apply_scenario(file.base_problem, file[name])


def test_a_forecast_takes_the_measures_place_and_its_own_values_stay(scenario_file):
    problem = applied(scenario_file(f'{FORECAST}[scenario.a]\nforecast = "worst"\n'))
    assert problem.accounts["revenue"].tolist() == [90, 150, 90, 80, 100, 120, 160, 90, 60]
    assert problem.accounts["revenue@realistic"].tolist() == [100, 200, 100, 100, 150, 150, 200, 100, 100]
    assert problem.accounts["visits"].eq(1).all()
    assert problem.weights().tolist() == [1] * 9
    assert problem.measures == ("visits", "revenue")
    assert "scenarios.toml: planned with the outlook 'worst' of revenue and visits." in problem.notices


def test_a_forecast_is_inherited_and_a_child_may_return_to_the_realistic_one(scenario_file):
    path = scenario_file(
        f'{FORECAST}[scenario.poor]\nforecast = "worst"\n[scenario.b]\ninherits = "poor"\n'
        '[scenario.a]\ninherits = "b"\nforecast = "realistic"\n'
    )
    assert applied(path, "b").accounts["revenue"].sum() == 940
    assert applied(path).accounts["revenue"].sum() == 1200


def test_what_grows_grows_in_every_outlook_and_once(scenario_file):
    growth = '[[scenario.a.growth]]\nmeasures = ["revenue", "revenue_low"]\nfactor = 2\n'
    problem = applied(scenario_file(f'{FORECAST}[scenario.a]\nforecast = "worst"\n{growth}'))
    assert problem.accounts["revenue"].sum() == 2 * 940
    assert problem.accounts["revenue@realistic"].sum() == 2 * 1200


def test_a_robust_plan_keeps_every_limit_under_every_outlook(scenario_file, plan_files, tmp_path):
    config = (plan_files / "config.toml").read_text().replace("tolerance = 0.95", "tolerance = 0.05")
    (plan_files / "config.toml").write_text(config)
    path = scenario_file(
        f"{FORECAST}[scenario.plain]\nlocks = false\n[scenario.a]\ninherits = 'plain'\nrobust = true\n"
    )
    problem = applied(path)
    # A factor alone moves the share with the load: such a limit holds already.
    assert [(b.measure, b.tolerance, b.share) for b in problem.config.balance] == [
        ("visits", 0.9, "capacity"), ("revenue", 0.05, "quota"), ("revenue@worst", 0.05, "quota"),
    ]  # fmt: skip
    assert problem.accounts["revenue@worst"].tolist() == [90, 150, 90, 80, 100, 120, 160, 90, 60]
    assert "1 limit was added, so that the plan holds under the outlook 'worst' too." in problem.notices[-1]
    file = load_scenarios(path)
    robust, plain = solve(problem), solve(applied(path, "plain"))
    kept = score_under_outlooks(problem, robust, file.outlooks)
    assert kept.index.tolist() == ["realistic", "worst", "best"]
    assert kept["limits_broken"].tolist() == [0, 0, 0]
    without = score_under_outlooks(applied(path, "plain"), plain, file.outlooks)
    assert without["limits_broken"].tolist() == [0, 1, 0]
    assert (without.at["realistic", "objective"], kept.at["realistic", "objective"]) == (16, 40)
    assert list(kept.columns) == [
        "objective",
        "travel",
        "limits_broken",
        "visits_max_deviation",
        "revenue_max_deviation",
    ]
    out = tmp_path / "plan"
    out.mkdir()
    write_plan_files(problem, robust, out)
    assert audit(out).passed, audit(out).summary()


def test_absolute_limits_are_repeated_under_factors_and_soft_targets_are_not(scenario_file):
    text = f"{FORECAST}[scenario.a]\nrobust = true\n[scenario.a.balance.revenue]\nmax = 600\ntarget_weight = 1.0\n"
    rules = applied(scenario_file(text)).config.balance
    assert [(b.measure, b.max, b.target_weight) for b in rules] == [
        ("visits", None, None), ("revenue", 600, 1.0), ("revenue@worst", 600, None), ("revenue@best", 600, None),
    ]  # fmt: skip
    text = f"{FORECAST}[scenario.a]\nrobust = true\n[[scenario.a.balance.revenue]]\nmax = 600\ntarget_weight = 1.0\nshare = 'quota'\n"
    assert applied(scenario_file(text)).config.balance[2].share is None


def test_a_robust_plan_of_an_outlook_holds_in_the_realistic_one_too(scenario_file):
    problem = applied(scenario_file(f'{FORECAST}[scenario.a]\nforecast = "worst"\nrobust = true\n'))
    assert [b.measure for b in problem.config.balance] == [
        "visits", "revenue", "visits@realistic", "revenue@realistic",
    ]  # fmt: skip
    assert problem.accounts["revenue@realistic"].sum() == 1200
    # The best outlook is a factor of the realistic one, whose limit is there.
    assert "revenue@best" not in problem.accounts
    capped = scenario_file(
        f'{FORECAST}[scenario.a]\nforecast = "worst"\nrobust = true\n[scenario.a.balance.revenue]\nmax = 700\n'
    )
    problem = applied(capped)
    assert [b.measure for b in problem.config.balance][2:] == ["visits@realistic", "revenue@realistic", "revenue@best"]
    assert problem.accounts["revenue@best"].sum() == pytest.approx(1440)


def test_a_column_that_stands_in_for_two_measures_is_its_own_for_both(scenario_file):
    path = scenario_file('[forecast.swap]\nrevenue = "visits"\nvisits = "revenue"\n[scenario.a]\nforecast = "swap"\n')
    file = load_scenarios(path)
    problem = apply_scenario(file.base_problem, file["a"])
    assert problem.accounts["visits"].equals(file.base_problem.accounts["revenue"])
    assert problem.accounts["revenue"].equals(file.base_problem.accounts["visits"])
    plan = solve(file.base_problem)
    assert score_under_outlooks(problem, plan, file.outlooks).equals(
        score_under_outlooks(file.base_problem, plan, file.outlooks)
    )


def test_robust_without_outlooks_adds_nothing_and_says_so(scenario_file):
    problem = applied(scenario_file("[scenario.a]\nrobust = true\n"))
    assert len(problem.config.balance) == 2
    assert "no limit had to be added" in problem.notices[-1]


def test_stand_ins_must_be_numbers(scenario_file, plan_files):
    accounts = (plan_files / "accounts.csv").read_text().replace(",150,SMB,R1", ",unknown,SMB,R1")
    (plan_files / "accounts.csv").write_text(accounts)
    with pytest.raises(InputError, match=r"accounts.csv, row 3, column 'revenue_low': is not a number"):
        load_scenarios(scenario_file(f'{FORECAST}[scenario.a]\nforecast = "worst"\n'))


def test_the_realistic_score_is_the_plans_own_and_agrees_with_the_alignments(scenario_file):
    file = load_scenarios(scenario_file(f"{FORECAST}[scenario.a]\nlocks = false\n"))
    base = file.base_problem
    plan = solve(base)
    scores = score_under_outlooks(base, plan, file.outlooks)
    alignment = score_alignment(base, plan.assignments["rep_id"])
    assert scores.at["realistic", "objective"] == pytest.approx(plan.objective)
    assert scores.at["realistic", "travel"] == pytest.approx(alignment.travel)
    assert scores.at["worst", "travel"] == pytest.approx(alignment.travel / 2)
    for measure in ("visits", "revenue"):
        assert scores.at["realistic", f"{measure}_max_deviation"] == pytest.approx(alignment.max_deviation[measure])
    low = base.accounts["revenue_low"].astype(float)
    loads = low.groupby(plan.assignments["rep_id"]).sum()
    expected = np.abs(loads / (low.sum() / 3) - 1).max()
    assert scores.at["worst", "revenue_max_deviation"] == pytest.approx(expected)


def test_a_plan_is_scored_by_ids_and_not_by_the_order_of_rows(scenario_file):
    file = load_scenarios(scenario_file(f"{FORECAST}[scenario.a]\nlocks = false\n"))
    plan = solve(file.base_problem)
    turned = replace(plan, assignments=plan.assignments.iloc[::-1])
    pd.testing.assert_frame_equal(
        score_under_outlooks(file.base_problem, plan, file.outlooks),
        score_under_outlooks(file.base_problem, turned, file.outlooks),
    )


def test_a_plan_of_an_outlook_is_scored_under_the_realistic_one_as_well(scenario_file):
    file = load_scenarios(scenario_file(f'{FORECAST}[scenario.a]\nforecast = "worst"\nlocks = false\n'))
    problem = apply_scenario(file.base_problem, file["a"])
    plan = solve(problem)
    scores = score_under_outlooks(problem, plan, file.outlooks)
    assert scores.at["worst", "objective"] == pytest.approx(plan.objective)
    assert scores.at["realistic", "objective"] == pytest.approx(2 * plan.objective)
    with pytest.raises(InputError, match="did you mean 'revenue'"):
        score_under_outlooks(problem, plan, {"odd": {"revenu": 2.0}})


def test_loads_that_depend_on_the_rep_have_outlooks_too(tmp_path):
    (tmp_path / "accounts.csv").write_text("account_id\n" + "".join(f"{a}\n" for a in "abcd"))
    (tmp_path / "reps.csv").write_text("rep_id\nR1\nR2\n")
    rows = "".join(
        f"{rep},{a},{abs(i - 3 * k)},{1 + k},{3 - k}\n"
        for i, a in enumerate("abcd")
        for k, rep in enumerate(["R1", "R2"])
    )
    (tmp_path / "travel.csv").write_text("rep_id,account_id,cost,hours,winter_hours\n" + rows)
    (tmp_path / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[travel]\ntable = "travel.csv"\n'
        '[[balance]]\nmeasure = "hours"\nmax = 6.0\n'
    )
    path = tmp_path / "s.toml"
    path.write_text(
        'base = "config.toml"\n[forecast.winter]\nhours = "winter_hours"\n[scenario.a]\nrobust = true\n'
        '[scenario.b]\nforecast = "winter"\n'
    )
    problem = applied(path)
    assert [b.measure for b in problem.config.balance] == ["hours", "hours@winter"]
    plan = solve(problem)
    file = load_scenarios(path)
    scores = score_under_outlooks(problem, plan, file.outlooks)
    assert scores["limits_broken"].tolist() == [0, 0]
    assert np.isnan(scores.at["winter", "hours_max_deviation"])
    winter = applied(path, "b").travel_table
    assert winter["hours"].tolist() == [3, 2] * 4
    assert winter["hours@realistic"].tolist() == [1, 2] * 4
    out = tmp_path / "plan"
    out.mkdir()
    write_plan_files(problem, plan, out)
    assert audit(out).passed, audit(out).summary()


def test_outlooks_are_read_as_the_file_writes_numbers_and_known_by_the_planners_names(tmp_path):
    (tmp_path / "accounts.csv").write_text(
        "account_id;x;y;Umsatz;Vorjahr\n" + "".join(f"{i};{i};0;{i + 1}.000,5;{9 - i}.000,25\n" for i in range(6))
    )
    (tmp_path / "reps.csv").write_text("rep_id;x;y\nA;0;0\nB;5;0\n")
    (tmp_path / "config.toml").write_text("""
[data]
accounts = "accounts.csv"
reps = "reps.csv"
[data.columns.accounts]
revenue = "Umsatz"
before = "Vorjahr"
[travel]
metric = "euclidean"
[[balance]]
measure = "Umsatz"
tolerance = 0.5
""")
    path = tmp_path / "s.toml"
    path.write_text("""
base = "config.toml"
[forecast.old]
revenue = "Vorjahr"
[scenario.a]
robust = true
growth = { measure = "revenue", factor = 2 }
[scenario.b]
forecast = "old"
""")
    file = load_scenarios(path)
    problem = apply_scenario(file.base_problem, file["a"])
    assert problem.accounts["Umsatz@old"].tolist() == [2 * (9 - i) * 1000 + 0.5 for i in range(6)]
    plan = solve(problem)
    scores = score_under_outlooks(problem, plan, file.outlooks)
    assert scores["limits_broken"].tolist() == [0, 0]
    low = problem.accounts["Umsatz@old"].groupby(plan.assignments["rep_id"]).sum()
    assert scores.at["old", "Umsatz_max_deviation"] == pytest.approx(np.abs(low / low.mean() - 1).max())
    planned = apply_scenario(file.base_problem, file["b"])
    assert planned.accounts["Umsatz"].tolist() == [(9 - i) * 1000 + 0.25 for i in range(6)]
    assert planned.accounts["Umsatz@realistic"].tolist() == [(i + 1) * 1000 + 0.5 for i in range(6)]
