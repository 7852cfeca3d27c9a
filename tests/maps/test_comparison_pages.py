"""The comparison of scenarios as pages: what they say, that they are safe, and that they work in a browser."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maps.comparison import page as page_module
from maps.comparison.charts import Strip, TradeOff, bars_chart, strip_chart, trade_off_chart
from maps.comparison.map import comparison_map_page
from maps.comparison.page import comparison_page
from scenarios.comparison import ScenarioResult, differences_from_base
from scenarios.outlook_comparison import compare_outlooks
from territory_engine.wording import number

EVIL = "<img src=x onerror=\"document.title='owned'\">{{ 7 * 7 }}"
REPS = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0), "R3": (-95.0, 42.5)}
Opened = Callable[[Path], tuple[str, list[str]]]


@pytest.fixture
def results(build_problem: Any, build_plan: Any, build_infeasible: Any) -> list[ScenarioResult]:
    rng = np.random.default_rng(0)
    places = rng.uniform(-96, -90, 120), rng.uniform(40.5, 43.5, 120)

    def problem(reps: dict[str, tuple[float, float]]) -> Any:
        return build_problem(*places, reps, names=[EVIL] * 120)

    base, fewer = problem(REPS), problem({k: REPS[k] for k in ("R1", "R2")})
    hired = problem({**REPS, "R4": (-92.0, 43.2)})
    return [
        ScenarioResult("base", "", (), base, build_plan(base)),
        ScenarioResult("fewer", EVIL, (), fewer, build_plan(fewer)),
        ScenarioResult("hired", "Somebody is hired", ("fewer",), hired, build_plan(hired)),
        ScenarioResult("never", "", (), base, build_infeasible(base)),
        ScenarioResult("late", "", (), base, None, EVIL),
    ]


def map_of(results: list[ScenarioResult]) -> str:
    return comparison_map_page(results, differences_from_base(results))


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="plan-data">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


# --- comparison.html ----------------------------------------------------------------------------------------------------


def test_the_page_tells_every_scenario_and_links_to_its_own_pages(results: list[ScenarioResult]) -> None:
    page = comparison_page(results, source="scenarios.toml")
    assert "4 scenarios compared" in page
    for name in ("base", "fewer", "hired"):
        assert f'href="{name}/map.html"' in page
        assert f'href="comparison_map.html#{name}"' in page
    assert 'href="never/report.html"' in page
    assert 'href="never/map.html"' not in page
    assert 'href="late/' not in page
    assert "limit is 5,771 &lt;b&gt;." in page
    assert "A tolerance of 13 % on visits." in page


def test_it_is_told_why_fewer_reps_may_travel_less(results: list[ScenarioResult]) -> None:
    said = "fewer reps than the base, and less travel all the same"
    for more, expected in ((1.0, False), (2.0, True)):
        base = results[0]
        assert base.plan is not None
        assert results[1].plan is not None
        travel = more * results[1].plan.objective_terms["travel"]
        dearer = dataclasses.replace(base, plan=dataclasses.replace(base.plan, objective_terms={"travel": travel}))
        html = comparison_page([dearer, *results[1:]], source="s.toml")
        assert (f"fewer: {said}" in html) == expected
        assert "hired: " + said not in html
        assert ">every rule kept<" in html
        assert ">plan found<" not in html


def test_text_from_data_is_text_in_the_page(results: list[ScenarioResult]) -> None:
    for page in (comparison_page(results, source=EVIL), map_of(results)):
        assert "<img" not in page.replace("<img>", "")
        assert "49" not in re.findall(r"onerror.{0,60}", page)[0]


def test_many_territories_are_dots_and_few_are_listed(
    results: list[ScenarioResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Visits by rep" in comparison_page(results, source="s.toml")
    monkeypatch.setattr(page_module, "MOST_ROWS", 2)
    page = comparison_page(results, source="s.toml")
    assert "how far territories are off their share" in page
    assert page.count('class="dot"') == 3 + 2 + 4


def test_outlooks_say_where_limits_break(results: list[ScenarioResult]) -> None:
    outlooks = compare_outlooks(results, {"worst": {"visits": 0.5}})
    page = comparison_page(results, source="s.toml", outlooks=outlooks)
    assert "If an outlook comes true" in page
    assert "worst" in page


def test_a_page_of_nothing_but_failures_is_a_page(results: list[ScenarioResult]) -> None:
    page = comparison_page(results[3:], source="s.toml")
    assert "Without a plan" in page
    assert "comparison_map.html" not in page


def test_charts_take_equal_and_missing_values() -> None:
    same = [TradeOff("a", 0.0, 0.0, float("nan")), TradeOff("b", 0.0, 0.0, float("nan"))]
    assert trade_off_chart(same, title="t", moves_label="moves").count("<circle") == 2
    nan = float("nan")
    assert bars_chart(["a", "b"], [nan, nan], number, [False, False], title="t").count("<rect") == 0
    assert strip_chart([Strip("a", [0.0, nan], ["x", "y"])], (-np.inf, np.inf), title="t").count("<circle") == 1


# --- comparison_map.html ------------------------------------------------------------------------------------------------


def test_a_rep_has_the_same_colour_in_every_scenario_and_no_neighbour_has_it(results: list[ScenarioResult]) -> None:
    data = data_of(map_of(results))
    assert [t["id"] for t in data["territories"]] == ["R1", "R2", "R3", "R4"]
    assert len({t["colour"] for t in data["territories"]}) == 4
    shown = {s["name"]: {f["properties"]["t"] for f in s["shapes"]["features"]} for s in data["scenarios"][:3]}
    assert shown == {"base": {0, 1, 2}, "fewer": {0, 1}, "hired": {0, 1, 2, 3}}


def test_moves_are_those_from_the_base(results: list[ScenarioResult]) -> None:
    stored = data_of(map_of(results))["accounts"]
    of = {name: np.frombuffer(base64.b64decode(it["of"]), "<i2") for name, it in stored["scenarios"].items()}
    for name, difference in differences_from_base(results).items():
        moved = (of["base"] >= 0) & (of[name] >= 0) & (of["base"] != of[name])
        assert {stored["id"][i] for i in np.flatnonzero(moved)} == set(difference.moves.index) != set()


def test_shapes_are_read_from_the_plan_directories_where_they_are(
    results: list[ScenarioResult], tmp_path: Path
) -> None:
    from maps import territory_shapes, write_geojson

    for r in results[:3]:
        (tmp_path / r.name).mkdir()
        assert r.plan is not None
        write_geojson(territory_shapes(r.problem, r.plan), tmp_path / r.name / "territories.geojson")
    differences = differences_from_base(results)
    read, grown = (data_of(comparison_map_page(results, differences, folder=f)) for f in (tmp_path, None))
    assert [t["colour"] for t in read["territories"]] == [t["colour"] for t in grown["territories"]]
    assert [len(s["shapes"]["features"]) for s in read["scenarios"][:3]] == [3, 2, 4]


def test_the_same_results_give_the_same_map(results: list[ScenarioResult]) -> None:
    assert map_of(results) == map_of(results)


# --- in a browser -------------------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_choice_of_scenarios_comes_before_the_arrows_by_keyboard(
    results: list[ScenarioResult], visit: Any, tmp_path: Path
) -> None:
    (tmp_path / "map.html").write_text(map_of(results), encoding="utf-8")
    with visit(tmp_path / "map.html") as seen:
        for _ in range(6):
            seen.page.keyboard.press("Tab")
            assert seen.page.evaluate("document.activeElement.closest('.panel') !== null")
        assert seen.page.get_by_role("region", name="Map of both scenarios").count() == 1


@pytest.mark.browser
def test_scenarios_are_switched_without_a_network(results: list[ScenarioResult], visit: Any, tmp_path: Path) -> None:
    path = tmp_path / "comparison_map.html"
    path.write_text(map_of(results), encoding="utf-8")
    with visit(path, fragment="fewer") as seen:
        page = seen.page
        state = (
            """() => [swipe.names.left, swipe.names.right, shapesOf.left.size, shapesOf.right.size, changes.moves.n]"""
        )
        moves = {name: len(d.moves) for name, d in differences_from_base(results).items()}
        # An old link, to the scenario's name alone.
        assert page.evaluate(state) == ["base", "fewer", 3, 2, moves["fewer"]]
        assert page.locator("#about h2").text_content() == "base → fewer"
        page.get_by_label("hired on the right").check()
        assert page.evaluate(state) == ["base", "hired", 3, 4, moves["hired"]]
        page.get_by_label("fewer on the left").check()
        assert page.evaluate(state)[:4] == ["fewer", "hired", 2, 4]
        page.get_by_role("button", name="swap sides").click()
        assert page.evaluate(state)[:4] == ["hired", "fewer", 4, 2]
        page.get_by_label("Nothing on the left").check()
        assert page.evaluate(state) == ["", "fewer", 0, 2, 0]
        assert page.locator(".divider").is_hidden()
        page.get_by_label("base on the left").check()
        page.get_by_label("never on the right").check()
        assert page.evaluate(state) == ["base", "never: no plan", 3, 0, 0]
        assert page.locator(".conflict li").count() == 2
        page.evaluate("location.hash = '#left=base&right=hired'")
        page.wait_for_selector("#right-2:checked", state="attached")
        assert page.evaluate(state)[:2] == ["base", "hired"]
        page.evaluate(
            "map.fire('mousemove', {latlng: changes.points.latLng(0), originalEvent: {target: document.body}})"
        )
        assert page.locator(".leaflet-tooltip .account strong").text_content() == EVIL
        assert page.locator(".panel img, .leaflet-container .account img").count() == 0
        assert page.title() == "Scenarios compared"


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["page", "planar map"])
def test_every_kind_of_page_opens_without_a_complaint(
    kind: str,
    results: list[ScenarioResult],
    build_problem: Callable[..., Any],
    build_plan: Any,
    opened: Opened,
    tmp_path: Path,
) -> None:
    path = tmp_path / "page.html"
    if kind == "page":
        path.write_text(comparison_page(results, source="s.toml"), encoding="utf-8")
    else:
        problem = build_problem([0.0, 1e5, 2e5], [0.0, 1e5, 0.0], {"R1": (0, 0), "R2": (1e5, 1e5)}, planar=True)
        plans = [ScenarioResult(name, "", (), problem, build_plan(problem)) for name in ("base", "other")]
        path.write_text(map_of(plans), encoding="utf-8")
    dom, complaints = opened(path)
    assert complaints == []
    assert 'data-ready="true"' in dom or kind == "page"


@pytest.mark.browser
def test_the_table_of_scenarios_has_its_heads_on_every_sheet(
    results: list[ScenarioResult], visit: Any, printed: Any, tmp_path: Path
) -> None:
    described = "Somebody is hired in the north of the state, in the place of the two who leave, for half of the visits"
    described += (
        ", and for half of the quota at first, until the end of the second year in which all of them share equally"
    )
    described += ", as far as the rules allow, what has come to them from the territories that are no more"
    told = [dataclasses.replace(r, description=described if r.name != "base" else "") for r in results[:3]]
    path = tmp_path / "comparison.html"
    path.write_text(comparison_page(told, source="scenarios.toml"), encoding="utf-8")
    with visit(path) as seen:
        seen.page.evaluate("document.querySelector('h2').style.marginTop = '35mm'")  # so that the table breaks
        texts = [re.sub(r"\s+", " ", t) for t in printed(seen.page, "comparison_broken").texts]
        assert texts[0].count(described) == 2
        assert "Travel, km-visits" in texts[0]
        assert "Solving" not in texts[0]
        last = next(t for t in texts if "Solving" in t)
        assert all(name in last[: last.index("Solving")] for name in ("base", "fewer", "hired"))


@pytest.mark.browser
def test_the_map_of_scenarios_is_on_the_first_sheet_and_back_in_its_place_afterwards(
    results: list[ScenarioResult], visit: Any, printed: Any, tmp_path: Path
) -> None:
    path = tmp_path / "map.html"
    path.write_text(map_of(results), encoding="utf-8")
    with visit(path, fragment="left=base&right=fewer") as seen:
        where = "[map.getContainer().parentNode === document.body, map.getSize().x, map.getZoom()]"
        before = seen.page.evaluate(where)
        seen.page.pdf()
        assert seen.page.evaluate(where) == before
        assert before[0]
        sheets = printed(seen.page, "comparison_map_first")
        assert "Scenarios compared" in sheets.texts[0]
        assert "Rep R2" in sheets.texts[0]
        assert (np.asarray(sheets.pictures[0]) > 250).all(axis=2).mean() < 0.8  # the map, not white paper
