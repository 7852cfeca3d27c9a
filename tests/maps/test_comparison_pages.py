"""The comparison of scenarios as pages: what they say, that they are safe, and that they work in a browser."""

from __future__ import annotations

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
    data = data_of(map_of(results))
    differences = differences_from_base(results)
    moves = {s["name"]: s.get("moves") for s in data["scenarios"]}
    assert moves["base"] is None
    assert moves["fewer"]["total"] == len(differences["fewer"].moves) > 0
    assert moves["fewer"]["id"] == differences["fewer"].moves.index.tolist()


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

EXERCISE = """
addEventListener("load", () => setTimeout(() => {
  const report = {opened: document.querySelector(".about h2").textContent, errors: 0};
  addEventListener("error", () => report.errors++);
  const radio = (i) => document.querySelectorAll('input[name="scenario"]')[i];
  const state = () => [document.querySelector(".banner").textContent, shapeOf.size, moves_element.getLayers().length, document.querySelectorAll("tr.absent").length, location.hash];
  radio(0).click(); report.base = state();
  document.querySelectorAll(".legend button")[0].click();
  radio(1).click(); report.fewer = state();
  report.chosen = [...document.querySelectorAll("tr.chosen b")].map((b) => b.textContent);
  radio(3).click(); report.never = state();
  report.rules = document.querySelectorAll(".conflict li").length;
  radio(2).click(); report.hired = state();
  location.hash = "#fewer";
  setTimeout(() => {
    report.hash = document.querySelector(".banner").textContent;
    for (const box of document.querySelectorAll(".leaflet-control-layers-selector")) { box.click(); box.click(); }
    const points = moves_element.getLayers()[0].points;
    report.hit = moves_element.getLayers()[0].at(points.latLng(2));
    report.name = points.name(2);
    report.markup = document.querySelectorAll(".panel img, .leaflet-container .account img").length;
    report.title = document.title;
    const out = document.createElement("pre"); out.id = "exercise"; out.textContent = JSON.stringify(report); document.body.append(out);
  }, 300);
}, 100));
"""


@pytest.mark.browser
def test_scenarios_are_switched_without_a_network(
    results: list[ScenarioResult], exercised: Any, tmp_path: Path
) -> None:
    path = tmp_path / "comparison_map.html"
    path.write_text(map_of(results), encoding="utf-8")
    report, complaints = exercised(path, EXERCISE)
    assert complaints == []
    assert report.pop("hit") >= 0
    assert report == {
        "opened": "base",
        "errors": 0,
        "base": ["base", 3, 0, 1, "#base"],
        "fewer": ["fewer", 2, 1, 2, "#fewer"],
        "chosen": ["Rep R1"],
        "never": ["never: no plan to show", 0, 0, 4, "#never"],
        "rules": 2,
        "hired": ["hired", 4, 1, 0, "#hired"],
        "hash": "fewer",
        "name": EVIL,
        "markup": 0,
        "title": "Scenarios compared",
    }


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
