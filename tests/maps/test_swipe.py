"""Two plans on either side of a divider, in a real browser: it is dragged, moved by keys, remembered and printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maps import write_diff
from maps.comparison.map import comparison_map_page
from scenarios.comparison import ScenarioResult, differences_from_base
from scenarios.differences import compare_plans

pytestmark = pytest.mark.browser

REPS = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0), "R3": (-95.0, 42.5)}
HIRED = {**REPS, "R4": (-92.0, 43.2)}
FILL = """([x, y, side]) => {
  const box = map.getContainer().getBoundingClientRect();
  const found = document.elementsFromPoint(box.left + x, box.top + y).find((e) => e.closest(".leaflet-" + side + "-shapes-pane"));
  return found?.getAttribute("fill") ?? null;
}"""


@pytest.fixture(scope="module")
def plans() -> dict[str, tuple[Any, Any]]:
    from tests.maps.conftest import build_plan, build_problem

    rng = np.random.default_rng(0)
    places = rng.uniform(-96, -90, 120), rng.uniform(40.5, 43.5, 120)
    fewer = {r: REPS[r] for r in ("R1", "R2")}
    made = {name: build_problem(*places, reps) for name, reps in (("base", REPS), ("fewer", fewer), ("hired", HIRED))}
    return {name: (problem, build_plan(problem)) for name, problem in made.items()}


@pytest.fixture(scope="module")
def comparison(plans: Any, tmp_path_factory: Any) -> Path:
    results = [ScenarioResult(name, "", (), *plan) for name, plan in plans.items()]
    path = Path(tmp_path_factory.mktemp("swipe")) / "comparison_map.html"
    path.write_text(comparison_map_page(results, differences_from_base(results)), encoding="utf-8")
    return path


def amounts(page: Any) -> list[float]:
    found: list[float] = page.evaluate(
        "plan.measures.map((_, m) => changes.flows.reduce((sum, f) => sum + f[2][m], 0))"
    )
    return found


def test_each_side_of_the_divider_shows_its_plan_wherever_the_divider_is(comparison: Path, visit: Any) -> None:
    with visit(comparison, fragment="left=base&right=fewer&divider=50") as seen:
        page = seen.page
        # Somewhere in R3's territory, which only the plan on the left has.
        x, y = page.evaluate(
            "(() => { const p = map.latLngToContainerPoint(changes.start(2)); return [Math.round(p.x), Math.round(p.y) + 25]; })()"
        )
        colours = page.evaluate("plan.territories.map((it) => it.colour)")
        width = page.evaluate("map.getSize().x")
        left = page.locator("#territories, .folium-map").first.bounding_box()["x"]
        grip = page.locator(".divider")

        def shown() -> list[Any]:
            return [page.evaluate(FILL, [x, y, side]) for side in ("left", "right")]

        for to in (x + 60, x - 60):
            box = grip.bounding_box()
            page.mouse.move(box["x"] + box["width"] / 2, 450)
            page.mouse.down()
            page.mouse.move(left + (x + to) / 2, 440, steps=3)
            page.mouse.move(left + to, 440, steps=3)
            page.mouse.up()
            assert page.evaluate("swipe.at") == pytest.approx(to / width, abs=0.004)
            on_left = to > x
            assert (shown()[0] == colours[2]) == on_left
            assert (shown()[1] in colours[:2]) == (not on_left)
        # Where the map is moved the divider stays, and what is under it changes sides.
        page.evaluate("map.panBy([120, 0], {animate: false})")
        x -= 120
        assert shown() == [colours[2], None]
        page.evaluate("map.panBy([-120, 0], {animate: false}); map.setZoom(map.getZoom() + 1, {animate: false})")
        x, y = page.evaluate(
            "(() => { const p = map.latLngToContainerPoint(changes.start(2)); return [p.x, p.y + 25]; })()"
        )
        if 0 < x < width:
            assert (shown()[0] is None) == (x > page.evaluate("swipe.at") * width)


def test_the_divider_is_moved_by_keys_and_says_where_it_is(comparison: Path, visit: Any) -> None:
    with visit(comparison, fragment="right=hired&divider=50") as seen:
        page, grip = seen.page, seen.page.get_by_role("slider", name="Divider between base and hired")
        grip.focus()
        for key, expected in (
            ("ArrowLeft", 48),
            ("ArrowRight", 50),
            ("PageUp", 60),
            ("Shift+ArrowLeft", 50),
            ("Home", 0),
        ):
            page.keyboard.press(key)
            assert grip.get_attribute("aria-valuenow") == str(expected)
        assert grip.get_attribute("aria-valuetext") == "all hired"
        assert page.evaluate("getComputedStyle(map.getPane('left-shapes')).visibility") == "hidden"
        page.keyboard.press("End")
        assert grip.get_attribute("aria-valuetext") == "all base"
        assert page.evaluate("getComputedStyle(map.getPane('right-names')).visibility") == "hidden"
        assert "divider=100" in page.url
        page.get_by_role("button", name="Both").click()
        assert grip.get_attribute("aria-valuenow") == "50"
        assert page.evaluate(
            "[swipe.panes.left, swipe.panes.right].flat().every((p) => p.style.clipPath.startsWith('polygon'))"
        )


def test_moves_between_any_two_scenarios_are_those_of_the_difference(comparison: Path, plans: Any, visit: Any) -> None:
    with visit(comparison) as seen:
        page = seen.page
        for left, right in (("base", "fewer"), ("base", "hired"), ("fewer", "hired"), ("hired", "base")):
            page.evaluate(f"location.hash = '#left={left}&right={right}'")
            page.wait_for_selector(f'.of-right:text-is("{right}")', state="attached")
            difference = compare_plans(plans[left], plans[right])
            assert set(page.evaluate("Array.from({length: changes.moves.n}, (_, i) => changes.moves.id(i))")) == set(
                difference.moves.index
            )
            assert amounts(page) == pytest.approx([difference.moved(m) for m in difference.measures])
            # One rep: exactly the moves from and to this one.
            page.locator("#territory").select_option(label="Rep R1 (R1)")
            mine = difference.moves[(difference.moves[["from_rep_id", "to_rep_id"]] == "R1").any(axis=1)]
            shown = page.evaluate("[...changes.moves.shown].flatMap((on, i) => on ? [changes.moves.id(i)] : [])")
            assert set(shown) == set(mine.index)
            assert page.locator("#shown b").text_content() == f"{len(mine)} accounts"
            flows = page.evaluate("changes.flows.filter((f) => passes(f[0], f[1])).length")
            assert page.locator("path[data-flow]").count() == page.locator("#flows tr").count() == flows
            page.keyboard.press("Escape")
            assert "territory=" not in page.url


def test_a_link_opens_what_was_shown(comparison: Path, visit: Any) -> None:
    with visit(comparison) as seen:
        page = seen.page
        page.get_by_label("hired on the right").check()
        page.locator("#reps button").first.click()
        page.locator("#measure").select_option(label="visits")
        page.locator(".divider").press("PageDown")
        state = "[swipe.names, Math.round(100 * swipe.at), state, [...changes.moves.shown]]"
        kept, fragment = page.evaluate(state), page.url.split("#")[1]
    with visit(comparison, fragment=fragment) as again:
        assert again.page.evaluate(state) == kept


def test_a_rep_has_one_colour_in_all_scenarios_and_on_both_sides(comparison: Path, visit: Any) -> None:
    with visit(comparison) as seen:
        colours: dict[int, set[str]] = {}
        for name in ("fewer", "hired"):
            seen.page.get_by_label(f"{name} on the right").check()
            for t, colour in seen.page.evaluate(
                "SIDES.flatMap((s) => [...shapesOf[s]].flatMap(([t, them]) => them.map((it) => [t, it.options.fillColor])))"
            ):
                colours.setdefault(t, set()).add(colour)
        assert [len(colours[t]) for t in range(4)] == [1, 1, 1, 1]
        assert len(set().union(*colours.values())) == 4


def test_the_page_of_changes_has_both_plans_on_its_map_and_prints_them(
    plans: Any, visit: Any, printed: Any, tmp_path: Path
) -> None:
    before, after = plans["base"], plans["fewer"]
    path = tmp_path / "diff.html"
    write_diff(compare_plans(before, after), before, after, path, names=("2026", "2027"))
    with visit(path, fragment="divider=50&territory=R1") as seen:
        page = seen.page
        assert page.evaluate("[shapesOf.left.size, shapesOf.right.size]") == [3, 2]
        assert page.locator("#gains tr.chosen b").text_content() == "Rep R1"
        # The map comes before the tables, and begins in the upper half of the window.
        assert page.locator("#place").bounding_box()["y"] < 450
        sheets = printed(page, "diff_swiped", landscape=True)
        text = " ".join(sheets.texts)
        assert "2026" in text
        assert "2027" in text
        assert "Who gains, who loses" in text
        assert f"1 / {len(sheets.texts)}" in sheets.texts[0]


def test_of_very_many_names_the_free_ones_show_and_who_changes_first(tmp_path: Path, visit: Any) -> None:
    from tests.maps.conftest import build_plan, build_problem

    rng = np.random.default_rng(4)
    reps = {f"Rep {k:02d}": tuple(p) for k, p in enumerate(rng.uniform((-96, 40.5), (-90, 43.5), (44, 2)).tolist())}
    places = rng.uniform(-96, -90, 300), rng.uniform(40.5, 43.5, 300)
    made = [build_problem(*places, {r: p for r, p in reps.items() if r not in gone}) for gone in ((), ("Rep 07",))]
    plans = [(problem, build_plan(problem)) for problem in made]
    write_diff(compare_plans(*plans), *plans, tmp_path / "diff.html")
    with visit(tmp_path / "diff.html") as seen:
        shown = []
        for closer in (0, 1.5):
            seen.page.evaluate(f"() => {{ map.setZoom(plan.fitZoom + {closer}, {{animate: false}}); }}")
            boxes = np.array(
                seen.page.evaluate(
                    """() => [...document.querySelectorAll(".leaflet-left-names-pane .label.free span")].map((e) => {
                      const box = e.getBoundingClientRect();
                      return [box.left, box.top, box.right, box.bottom];
                    })"""
                )
            )
            apart = (boxes[:, None, :2] >= boxes[None, :, 2:] - 1).any(axis=2)
            apart |= apart.T
            np.fill_diagonal(apart, True)
            assert apart.all()
            shown.append(len(boxes))
        assert "Rep 07" in " ".join(seen.page.locator(".leaflet-left-names-pane .label.free").all_inner_texts())
    assert 0 < shown[0] < shown[1] <= 44


def test_who_is_in_one_plan_only_is_named_in_grey_on_the_others_side(comparison: Path, visit: Any) -> None:
    for pair, name, look in (
        ("left=base&right=hired", "Rep R4", "other"),
        ("left=hired&right=base", "Rep R4", "ended"),
    ):
        with visit(comparison, fragment=pair) as seen:
            page = seen.page
            x = page.evaluate("map.latLngToContainerPoint(changes.start(3)).x / map.getSize().x")
            away = page.locator(".leaflet-other-names-pane .label:visible")
            own = x - 0.15 if look == "other" else x + 0.15
            for at, expected in ((own, []), (2 * x - own, [name]), (0, []), (1, [])):
                page.evaluate(f"swipe.set({at})")
                assert away.all_inner_texts() == expected, at
            page.evaluate(f"swipe.set({2 * x - own})")
            assert look in away.get_attribute("class").split()
            away.click()
            assert page.evaluate("state.either") == 3


@pytest.mark.parametrize("size", [(1300, 850), (390, 844)])
def test_the_plans_names_stand_within_the_map_and_clear_of_its_controls(
    size: tuple[int, int], comparison: Path, visit: Any
) -> None:
    boxes = """(chosen) => [...document.querySelectorAll(chosen)].map((e) => e.getBoundingClientRect())
      .filter((box) => box.width && box.height).map((box) => [box.left, box.top, box.right, box.bottom])"""
    with visit(comparison, size=size, fragment="left=base&right=fewer") as seen:
        page = seen.page
        left, _, right, _ = page.evaluate(boxes, ".folium-map")[0]
        controls = page.evaluate(boxes, ".leaflet-bar, .leaflet-control-layers")
        assert len(controls) == 2
        for at in (None, 0, 4, 12, 25, 50, 75, 88, 96, 100):
            if at is not None:
                page.evaluate(f"swipe.set({at / 100})")
            names = page.evaluate(boxes, ".divider span")
            if at is None or 25 <= at <= 75:  # nearer to the edge there may be no room for both
                assert len(names) == 2, at
            assert names, at
            for a in names:
                assert left <= a[0], at
                assert a[2] <= right, at
                for b in controls:
                    assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], at
