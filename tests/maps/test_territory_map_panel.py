"""What the panel of map.html tells: details, ways to colour, the list."""

from __future__ import annotations

import dataclasses

import networkx as nx
import numpy as np
import pytest

from maps.pages.colours import territory_adjacency
from maps.shapes.territories import plane_shapes
from maps.territory_map.choropleth import colourings
from maps.territory_map.details import territory_details
from maps.territory_map.page import map_page
from territory_engine.wording import price_list


def near(problem, plan):
    return territory_adjacency(plane_shapes(problem, plan))


def limited(build_problem, **rule):
    reps = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0)}
    balance = ({"measure": "visits", **rule},)
    return build_problem([-93.0, -93.1, -91.0], [41.0, 41.1, 42.0], reps, config={"balance": balance})


def test_details_equal_the_plan(midwest, build_plan):
    plan = build_plan(midwest)
    details = territory_details(midwest, plan, near(midwest, plan))
    assert details["accounts"] == plan.territories["accounts"].tolist()
    assert details["rep"] == plan.territories["rep_id"].tolist()
    travel = plan.assignments.groupby("territory_id")["travel"]
    assert [float(v.replace(",", "")) for v in details["travel"]["longest"]] == pytest.approx(
        travel.max().tolist(), rel=0.01
    )
    visits = details["measures"][0]
    for told, load, deviation in zip(
        visits["told"], plan.territories["visits"], plan.territories["visits_deviation"], strict=True
    ):
        assert told.startswith(f"{load:,.0f} visits, ")
        assert ("over its share" in told) == (deviation > 0)
        assert f"{abs(100 * deviation):.1f} %" in told
    for load, share, low, high in visits["track"]:
        assert 0 <= min(load, share) <= max(load, share) <= 1000
        assert low < share < high


def test_moves_are_told_by_where_accounts_came_from(midwest, build_plan):
    plan = build_plan(midwest)
    moves = territory_details(midwest, plan, nx.empty_graph(5))["moves"]
    row = {t: k for k, t in enumerate(plan.territories.index)}
    before, after = plan.assignments["previous_rep_id"], plan.assignments["territory_id"]
    assert sum(n for _, _, n in moves) == int((before != after).sum())
    for origin, to, n in moves:
        same = before.map(lambda r: row.get(r, r)) == origin
        assert n == int((same & (after.map(row) == to)).sum())
    assert {origin for origin, _, _ in moves} >= {"", "GONE"}


def test_without_an_earlier_alignment_nothing_is_said_of_moves(build_problem, build_plan):
    problem = limited(build_problem, tolerance=0.5)
    assert territory_details(problem, build_plan(problem), nx.empty_graph(2))["moves"] is None


def test_only_prices_of_limits_that_bind_are_told(midwest, build_plan):
    plan = build_plan(midwest, prices={"visits": {"R1": {"upper": 0.8}, "R2": {"lower": 0.3}}})
    details = territory_details(midwest, plan, nx.empty_graph(5))
    told = details["savings"]
    assert details["conditions"] == "For a small change of one limit, if accounts could be divided."
    tight = {(p.rep_id, p.sentence) for p in price_list(midwest, plan) if p.tight}
    assert details["saving"] == "What more room would save"
    assert {(r, s) for r, sentences in zip(plan.territories.index, told, strict=True) for s in sentences} == tight


def test_a_whole_load_is_at_its_limit_where_the_next_one_would_break_it(build_problem, build_plan):
    problem = limited(build_problem, min=1.5, max=3.9)  # R1 has 1 and 2 visits, R2 has 3
    (facts,) = territory_details(problem, build_plan(problem), nx.empty_graph(2))["measures"]
    assert facts["state"] == ["over", "over"]
    assert facts["allowed"][0].endswith("2 to 3 allowed.")


def test_colours_end_at_the_limits_where_there_are_limits_that_hold(build_problem, build_plan, midwest):
    problem = limited(build_problem, tolerance=0.5)
    off = colourings(problem, build_plan(problem))[0]
    assert off["note"] == "The scale ends at the limits."
    assert (off["breaks"][0], off["breaks"][-1]) == ("−50 %", "+50 %")
    plan = build_plan(midwest)
    assert np.abs(plan.territories["visits_deviation"]).max() > 0.2
    assert colourings(midwest, plan)[0]["note"] == ""
    uneven = limited(build_problem, min=1.0, max=4.0)
    assert colourings(uneven, build_plan(uneven))[0]["note"] == "The scale ends at the widest of the limits."


def test_territories_over_and_under_their_share_have_colours_of_their_own(midwest, build_plan):
    plan = build_plan(midwest)
    off = colourings(midwest, plan)[0]
    deviation = plan.territories["visits_deviation"].to_numpy()
    assert all((k > 3) == (d > 0) for k, d in zip(off["classes"], deviation, strict=True) if k != 3)


def test_every_number_a_territory_has_can_colour_it(midwest, build_plan):
    found = colourings(midwest, build_plan(midwest))
    assert [c["key"] for c in found] == ["visits", "load:visits", "accounts", "travel", "longest"]
    for c in found:
        assert len(c["classes"]) == len(c["values"]) == 5
        assert max(c["classes"]) < len(c["steps"])
        assert len(c["breaks"]) in {0, len(c["steps"]) + 1}


def test_soft_targets_and_one_sided_limits_are_called_what_they_are(build_problem, build_plan):
    soft = limited(build_problem, target_weight=1.0)
    assert colourings(soft, build_plan(soft))[0]["group"] == "Off its target"
    told = territory_details(soft, build_plan(soft), nx.empty_graph(2))["measures"][0]
    assert "its target" in told["told"][0]
    assert told["track"][0][2:] == [-1, -1]
    floor = limited(build_problem, min=2.0)
    told = territory_details(floor, build_plan(floor), nx.empty_graph(2))["measures"][0]
    assert "at least 2 required" in told["allowed"][0]


def test_a_measure_without_shares_has_loads_but_no_distance_from_a_share(build_problem, build_plan):
    problem = limited(build_problem, tolerance=0.5)
    plan = build_plan(problem)
    unknown = plan.territories.assign(visits_deviation=np.nan, visits_target=np.nan)
    plan = build_plan(problem, territories=unknown)
    assert "visits" not in {c["key"] for c in colourings(problem, plan)}
    assert "load:visits" in {c["key"] for c in colourings(problem, plan)}


def test_the_extra_data_of_300_territories_is_small(build_problem, build_plan):
    rng = np.random.default_rng(1)
    reps = {f"R{k:03d}": (float(x), float(y)) for k, (x, y) in enumerate(rng.uniform(30, 48, (300, 2)))}
    problem = build_problem(rng.uniform(30, 48, 3000), rng.uniform(30, 48, 3000), reps)
    plan = build_plan(problem)
    found = [territory_details(problem, plan, near(problem, plan)), colourings(problem, plan)]
    assert len(str(found)) < 300_000


def test_the_status_and_the_unit_of_travel_are_told_in_plain_words(midwest, build_plan):
    html = map_page(midwest, build_plan(midwest))
    assert '<span class="status feasible">every rule kept · within 0.04 % of the best possible</span>' in html
    assert "Travel is in km-visits: the km to each account times its visits, added up." in html
    assert ">feasible<" not in html


def test_the_list_can_be_sorted_and_shows_least_and_most(midwest, build_plan):
    html = map_page(midwest, build_plan(midwest))
    assert html.count('<th scope="col"><button type="button">') == 3
    assert '<th scope="row">Range</th>' in html
    assert html.count("data-value=") == 10


def test_a_soft_target_is_no_room(build_problem, build_plan):
    problem = limited(build_problem, target_weight=2.0)
    plan = build_plan(problem, prices={"visits": {"R1": {"target": 2.0}}})
    details = territory_details(problem, plan, nx.empty_graph(2))
    assert details["saving"] == "What other limits and targets would save"
    assert details["conditions"].startswith("For a small change of one limit or target, ")


def test_a_map_without_shapes_does_not_say_how_they_were_drawn(build_problem, build_plan):
    problem = limited(build_problem, max=9)
    assert "Shapes are grown" in map_page(problem, build_plan(problem))
    nowhere = dataclasses.replace(problem, accounts=problem.accounts.assign(longitude=np.nan, latitude=np.nan))
    page = map_page(nowhere, build_plan(problem))
    assert "Shapes are" not in page
