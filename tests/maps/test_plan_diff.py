"""The page of what changes between two plans: its data, and that nothing of the planner's can break out of it."""

from __future__ import annotations

import base64
import dataclasses
import json
import re

import numpy as np
import pytest
from markupsafe import Markup

from maps import write_diff
from maps.changes import columns as move_columns_module
from maps.changes.page import diff_page
from scenarios import compare_plans

HOSTILE = "</script><script>document.title='owned'</script>"


def page_data(html):
    return json.loads(re.search(r'id="plan-data">(.*?)</script>', html, re.DOTALL)[1])


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


@pytest.fixture
def resigned(midwest, build_problem, build_plan):
    """300 accounts with five reps; then R3 is gone, three accounts are new and one is closed."""
    before = midwest, build_plan(midwest)
    rng = np.random.default_rng(1)
    places = midwest.accounts[["longitude", "latitude"]].to_numpy()
    problem = build_problem(
        np.r_[places[:, 0], rng.uniform(-96, -90, 3)],
        np.r_[places[:, 1], rng.uniform(40.5, 43.5, 3)],
        {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0), "R4": (-92.5, 43.0), "R5": (-94.5, 40.8)},
    )
    problem = dataclasses.replace(problem, accounts=problem.accounts.iloc[1:])
    return before, (problem, build_plan(problem))


def test_moves_come_as_columns_in_the_order_of_the_plan_after(resigned):
    difference = compare_plans(*resigned)
    data = page_data(diff_page(difference, *resigned))
    moves = data["moves"]
    assert moves["id"] == difference.moves.index.tolist()
    rows = [t["name"] for t in data["territories"]]
    assert rows == ["Rep R1", "Rep R2", "Rep R4", "Rep R5", "Rep R3"]
    assert {rows[t] for t in decoded(moves["from"], "<i2")} == {"Rep R3"}
    assert decoded(moves["measures"][1], "<f8").sum() == difference.moved("visits")
    assert sum(flow[2][0] for flow in data["flows"]) == len(difference.moves)
    assert data["measures"][data["leading"]]["label"] == "revenue"
    gone = data["territories"][4]
    assert (gone["status"], gone["sums"][0][2]) == ("dissolved", len(difference.moves))
    assert [it["t"] for it in data["sides"]["left"]["names"] if it["ends"]] == [4]
    assert len(decoded(data["staying"], "<f4")) == 2 * (302 - len(difference.moves))


def test_the_page_says_what_is_new_and_what_is_closed(resigned):
    html = diff_page(compare_plans(*resigned), *resigned, title="R3 <resigned>", names=("2026", "2027"))
    assert "3 accounts only in the plan after" in html
    assert "1 account only in the plan before" in html
    assert "R3 &lt;resigned&gt;: from <b>2026</b> (300 accounts, 5 reps)" in html
    assert "Rep R3&#39;s territory ends" in html


def test_other_pages_may_put_sections_of_their_own_between_figures_and_moves(resigned):
    sections = [("The price of <less>", Markup("<svg id='curve'></svg>"))]
    html = diff_page(compare_plans(*resigned), *resigned, sections=sections)
    assert (
        html.index("</dl>")
        < html.index("The price of &lt;less&gt;</h2>\n<svg id='curve'></svg>")
        < html.index('id="moves"')
    )


def test_nothing_of_the_planners_is_markup(resigned):
    before, (problem, plan) = resigned
    accounts = problem.accounts.assign(name=HOSTILE)
    reps = problem.reps.assign(name=HOSTILE)
    after = (
        dataclasses.replace(problem, accounts=accounts, reps=reps),
        dataclasses.replace(plan, assignments=plan.assignments.assign(reason=HOSTILE)),
    )
    html = diff_page(
        compare_plans(before, after), before, after, names=(HOSTILE, HOSTILE), sentences=[HOSTILE, HOSTILE]
    )
    assert "<script>document.title" not in html
    assert page_data(html)["territories"][0]["name"] == HOSTILE


def test_more_moves_than_a_page_can_list_are_the_largest_and_the_rest_is_said(resigned, monkeypatch):
    monkeypatch.setattr(move_columns_module, "MOST_MOVES_LISTED", 10)
    difference = compare_plans(*resigned)
    html = diff_page(difference, *resigned)
    largest = difference.moves["revenue"].nlargest(10)
    assert set(page_data(html)["moves"]["id"]) == set(largest.index)
    assert f"{len(difference.moves) - 10} more are in moves.csv" in html


def test_many_staying_accounts_are_drawn_once_for_each_place(resigned, monkeypatch):
    monkeypatch.setattr(move_columns_module, "MOST_STAYING_DRAWN", 40)
    data = page_data(diff_page(compare_plans(*resigned), *resigned))
    assert 0 < len(decoded(data["staying"], "<f4")) < 2 * 302


def test_without_any_place_there_is_no_map_and_the_page_says_so(resigned):
    def nowhere(problem, plan):
        accounts = problem.accounts.assign(longitude=np.nan, latitude=np.nan)
        return dataclasses.replace(problem, accounts=accounts), plan

    before, after = nowhere(*resigned[0]), nowhere(*resigned[1])
    html = diff_page(compare_plans(before, after), before, after)
    assert "there is no map" in html
    assert "Leaflet" not in html
    assert len(page_data(html)["moves"]["id"]) > 0


def test_the_same_difference_gives_the_same_page(resigned, tmp_path):
    difference = compare_plans(*resigned)
    for name in ("a", "b"):
        write_diff(difference, *resigned, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_dissolved_territory_of_another_kind_of_plane_still_has_a_place(resigned, build_problem, build_plan):
    """The plan before was in the planner's own x and y: nothing of it can be drawn, but its accounts can."""
    before, (problem, plan) = resigned
    x, y = before[0].accounts[["longitude", "latitude"]].to_numpy().T
    reps = {
        r: tuple(p)
        for r, p in zip(before[0].reps.index, before[0].reps[["longitude", "latitude"]].to_numpy(), strict=True)
    }
    planar = build_problem(x, y, reps, planar=True)
    planar = planar, build_plan(planar)
    data = page_data(diff_page(compare_plans(planar, (problem, plan)), planar, (problem, plan)))
    assert data["sides"]["left"]["shapes"]["features"] == []
    assert 4 in {it["t"] for it in data["sides"]["left"]["names"] if it["ends"]}


def test_accounts_without_a_name_go_by_their_id(resigned):
    before, (problem, plan) = resigned
    after = dataclasses.replace(problem, accounts=problem.accounts.drop(columns="name")), plan
    data = page_data(diff_page(compare_plans(before, after), before, after))
    assert set(data["moves"]["name"]["values"]) == {""}
