from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest

from maps import write_report
from maps.report.charts import MOST_BARS, Bar, load_chart
from maps.report.page import report_page
from maps.report.rules import rule_sentences
from territory_engine.grammar import not_above
from territory_engine.problem import ScenarioRecord
from territory_engine.wording import price_list


def words(html):
    """What a reader sees."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)))


def test_the_report_has_no_script_and_fetches_nothing(midwest, build_plan, tmp_path):
    write_report(midwest, build_plan(midwest), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "default-src 'none'" in html
    assert re.findall(r'(?:src|href)="(?!data:|#)', html) == []


def test_the_proof_is_one_plain_sentence(midwest, build_plan):
    plan = build_plan(midwest)
    text = words(report_page(midwest, plan))
    assert f"can travel less than {not_above(plan.lower_bound)} km-visits" in text
    assert f"this one travels {plan.objective:,.0f}, 0.04 % more" in text
    assert "territory-engine audit" in text
    assert "every rule kept At most 0.04 % could still be saved." in text
    assert "km × visits, added up" in text
    assert "feasible" not in text


def test_an_optimal_plan_says_so_and_how(midwest, build_plan):
    plan = build_plan(midwest)
    search = {"kind": "search", "solver": "CP-SAT", "version": "9.12"}
    proved = dataclasses.replace(plan, status="optimal", gap=0.0, lower_bound=plan.objective, proof=search)
    text = words(report_page(midwest, proved))
    assert "an exhaustive search with CP-SAT 9.12" in text
    assert "audit --rerun" in text
    assert "% more. Anyone" not in text


def test_a_plan_without_a_bound_claims_nothing(midwest, build_plan):
    text = words(report_page(midwest, build_plan(midwest, lower_bound=None, gap=None)))
    assert "Nothing is proved about how much better a plan could be" in text


def test_before_and_after_stand_side_by_side(midwest, build_plan):
    html = report_page(midwest, build_plan(midwest))
    text = words(html)
    assert "Before and after" in text
    assert re.search(r"Accounts without a rep \d+ 0 ", text)
    assert "not among the reps: GONE" in text
    assert 'class="before"' in html


def test_without_a_before_there_is_no_comparison(build_problem, build_plan):
    problem = build_problem([-93.0, -92.0], [41.0, 42.0], {"R1": (-93.0, 41.0), "R2": (-92.0, 42.0)})
    assert "Before and after" not in report_page(problem, build_plan(problem))


def test_prices_are_told_in_words_with_their_unit(midwest, build_plan):
    text = words(report_page(midwest, at_its_limit(midwest, build_plan(midwest))))
    assert "Room for one more visit at R1 would save 0.80 km-visits." in text
    assert "what one more unit of room would save if accounts could be divided." in text
    assert "stays clear" not in text
    assert "Prices are marginal" in text


def test_limits_are_shown_so_that_a_load_of_that_size_keeps_them(midwest, build_plan):
    limit = midwest.balance_rules()[0].upper[0]
    assert limit == pytest.approx(216)
    config = midwest.config.model_copy(
        update={"balance": (midwest.config.balance[0].model_copy(update={"tolerance": 0.003}),)}
    )
    tight = dataclasses.replace(midwest, config=config)  # 180 ± 0.54
    text = words(report_page(tight, at_its_limit(tight, build_plan(tight))))
    assert "at most 180 visits" in text


def test_a_price_of_a_limit_that_the_plan_does_not_reach_is_no_promise(midwest, build_plan):
    prices = {"visits": {"R1": {"upper": 0.8}, "R2": {"upper": 0.5}}}
    plan = at_its_limit(midwest, build_plan(midwest, prices=prices), "R2")
    assert abs(plan.territories["visits"].iloc[0] - midwest.balance_rules()[0].upper[0]) > 10
    text = words(report_page(midwest, plan))
    assert "would save 0.50" in text
    assert "would save 0.80" not in text
    assert "1 more limit has a price too, but this plan stays clear of it: see plan.xlsx." in text
    price = price_list(midwest, plan)[0]
    assert (price.rep_id, price.tight) == ("R1", False)
    assert "The plan stays clear of this limit" in price.sentence


def at_its_limit(problem, plan, territory_id="R1"):
    """The plan with one territory's load at its upper limit."""
    territories = plan.territories.assign(visits=plan.territories["visits"].astype(float))
    place = problem.territory_ids.get_loc(territory_id)
    territories.loc[territory_id, "visits"] = problem.balance_rules()[0].upper[place]
    return dataclasses.replace(plan, territories=territories)


def test_what_the_bound_leaves_out_is_told_with_it(midwest, build_plan):
    partial = {"kind": "prices", "leaves_out": ["connection", "the limits on revenue"]}
    text = words(report_page(midwest, build_plan(midwest, proof=partial)))
    assert "That bound leaves out connection and the limits on revenue: the plan may be closer to the best" in text


def test_everything_from_data_is_escaped(build_problem, build_plan):
    evil = "<script>alert(1)</script>{{ 7*7 }}"
    problem = build_problem([-93.0, -92.0], [41.0, 42.0], {evil: (-93.0, 41.0), "R2": (-92, 42)})
    html = report_page(problem, build_plan(problem, notices=(evil,), prices={"visits": {evil: {"lower": 2.0}}}))
    assert "<script" not in html
    assert "{{ 7*7 }}" in html


def test_an_infeasible_plan_gets_the_conflict_and_the_way_out(midwest, build_infeasible):
    text = words(report_page(midwest, build_infeasible(midwest)))
    assert "No plan can keep all these rules." in text
    assert "R1&#39;s limit is 5,771 &lt;b&gt;." in text
    assert "A tolerance of 13 % on visits." in text
    assert "Accounts concerned: A0001." in text


def test_notes_on_the_data_and_the_inputs_are_there(midwest, build_plan):
    text = words(report_page(midwest, build_plan(midwest)))
    assert "3 accounts were placed by their postal code." in text
    assert "SHA-256 abababababab" in text


def test_every_rule_of_the_configuration_is_listed(build_problem):
    problem = build_problem(
        [-93.0],
        [41.0],
        {"R1": (-93.0, 41.0)},
        config={
            "balance": ({"measure": "visits", "tolerance": 0.1}, {"measure": "count", "max": 7, "min": "floor"}),
            "locks": {"column": "locked"},
            "eligibility": {"column": "segment", "reps_column": "segments", "max_travel": 250.0},
            "groups": {"column": "parent"},
            "disruption": {"current": "owner", "max_moved": 0.05},
        },
    )
    assert rule_sentences(problem) == [
        "Visits: every territory within ±10.0 % of an equal share.",
        "Accounts: at least the rep's “floor”, at most 7.",
        "Accounts with a rep in “locked” stay with that rep.",
        "An account's “segment” must be among its rep's “segments”.",
        "No account is more than 250 km from its rep.",
        "Accounts with the same “parent” stay together.",
        "At most 5.0 % of the accounts that have a rep today change hands.",
    ]


def test_where_centres_may_be_is_told_by_what_they_are_chosen_from(build_problem):
    where = {"territories": {"centers": "free", "count": 1}, "balance": ()}
    problem = build_problem([-93.0], [41.0], {"R1": (-93.0, 41.0)}, config=where)
    assert "Territories may be centred at any account's place." in rule_sentences(problem)
    units = dataclasses.replace(problem, units=object())
    assert "Territories may be centred at any unit's place, if it has accounts." in rule_sentences(units)
    table = dataclasses.replace(problem, travel_table=pd.DataFrame())
    assert "Territories may be centred at any center_id of the travel table." in rule_sentences(table)


@pytest.mark.parametrize("n", [1, MOST_BARS, MOST_BARS + 1, 300])
def test_charts_hold_only_finite_numbers(n):
    rng = np.random.default_rng(0)
    bars = [Bar(f"T{i}", float(v), 10.0, 9.0, math.inf) for i, v in enumerate(rng.normal(10, 1, n))]
    svg = str(load_chart(bars, title="loads <b>"))
    assert "nan" not in svg
    assert "inf" not in svg
    assert "&lt;b&gt;" in svg
    assert svg.count('class="dot') + svg.count('class="bar') == n


def test_charts_survive_loads_without_targets_or_of_nothing():
    assert "nan" not in str(load_chart([Bar("T", 0.0)], title="t"))
    assert "nan" not in str(load_chart([Bar(f"T{i}", float(i)) for i in range(60)], title="t"))
    assert "nan" not in str(load_chart([Bar(f"T{i}", 10.0, 10.0) for i in range(60)], title="t"))
    assert str(load_chart([], title="t")).startswith("<svg")


def test_a_scenario_is_named_with_what_it_asks_and_escaped(midwest, build_plan):
    record = ScenarioRecord("lose_r03", "what if <b>R03</b> leaves", "s.toml", "", {}, {}, {})
    html = report_page(dataclasses.replace(midwest, scenario=record), build_plan(midwest))
    assert "Scenario lose_r03 : what if &lt;b&gt;R03&lt;/b&gt; leaves" in words(html)
    assert "Scenario" not in words(report_page(midwest, build_plan(midwest)))
