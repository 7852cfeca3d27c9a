"""Arrows on the map of what moves, in a real browser: each can be seen, tells its amount, and is as wide as that says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maps.comparison.map import comparison_map_page
from scenarios.comparison import ScenarioResult, differences_from_base

pytestmark = pytest.mark.browser

REPS = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0), "R3": (-95.0, 42.5)}
# R9 lives where R1 lived, so that both names stand in nearly the same place.
REPLACED = {"R9": (-92.98, 41.02), **{r: REPS[r] for r in ("R2", "R3")}, "R4": (-91.6, 43.3)}
# Of every arrow: its flow, its width at the neck in pixels, and how long and wide its box is.
ARROWS = """() => {
  const found = [];
  map.eachLayer((layer) => {
    if (layer.options.className !== "flow") return;
    const ring = layer.getLatLngs()[0].map((p) => map.latLngToLayerPoint(p)), box = layer.getElement().getBBox();
    const flow = changes.flows[layer.getElement().dataset.flow];
    found.push({value: flow[2][state.measure], width: ring[18].distanceTo(ring[22]), across: Math.hypot(box.width, box.height)});
  });
  return found;
}"""
BOXES = """(chosen) => [...document.querySelectorAll(chosen)].filter((e) => e.getBoundingClientRect().width).map((e) => {
  const box = e.getBoundingClientRect();
  return [box.left, box.top, box.right, box.bottom];
})"""


@pytest.fixture(scope="module")
def replaced(tmp_path_factory: Any) -> Path:
    from tests.maps.conftest import build_plan, build_problem

    rng = np.random.default_rng(0)
    places = rng.uniform(-96, -90, 160), rng.uniform(40.5, 43.5, 160)
    made = {name: build_problem(*places, reps) for name, reps in (("base", REPS), ("replaced", REPLACED))}
    results = [ScenarioResult(name, "", (), problem, build_plan(problem)) for name, problem in made.items()]
    path = Path(tmp_path_factory.mktemp("arrows")) / "comparison_map.html"
    path.write_text(comparison_map_page(results, differences_from_base(results)), encoding="utf-8")
    return path


@pytest.mark.parametrize("size", [(1400, 900), (1000, 700)])
def test_every_flow_is_drawn_with_its_amount_and_as_wide_as_that_says_also_between_close_names(
    size: tuple[int, int], replaced: Path, visit: Any
) -> None:
    with visit(replaced, size=size, fragment="left=base&right=replaced") as seen:
        apart = seen.page.evaluate(
            "(() => { const [from, to] = changes.flows[0], p = (at) => map.latLngToContainerPoint(at); return p(changes.start(from)).distanceTo(p(changes.end(to))); })()"
        )
        assert apart < 40  # the case that is meant
        arrows, flows = seen.page.evaluate(ARROWS), seen.page.evaluate("flowsDrawn().drawn.length")
        assert len(arrows) == flows == seen.page.locator(".amount").count() > 2
        most = max(it["value"] for it in arrows)
        for it in arrows:
            assert it["width"] == pytest.approx(2 + 9 * (it["value"] / most) ** 0.5, abs=1.6)  # in whole pixels
            assert it["across"] > 3 * it["width"]
        assert "room" not in seen.page.locator("#arrows-note").text_content()


def test_what_has_no_room_is_named_beside_the_map(replaced: Path, visit: Any) -> None:
    with visit(replaced, fragment="left=base&right=replaced") as seen:
        seen.page.evaluate("() => { map.setZoom(plan.fitZoom - 3, {animate: false}); }")
        drawn = seen.page.locator("path[data-flow]").count()
        assert drawn < seen.page.evaluate("flowsDrawn().drawn.length")
        said = seen.page.locator("#arrows-note").text_content()
        assert "Rep R1 → Rep R9" in said
        assert "room here; zoom in" in said
        seen.page.evaluate("() => { map.setZoom(plan.fitZoom + 1, {animate: false}); }")
        assert "room" not in seen.page.locator("#arrows-note").text_content()


def test_no_amount_is_cut_by_the_divider(replaced: Path, visit: Any) -> None:
    with visit(replaced, fragment="left=base&right=replaced") as seen:
        page = seen.page
        told = page.locator(".amount").count()
        for at in (None, *range(4, 97, 4)):
            if at is not None:
                page.evaluate(
                    f"() => new Promise((moved) => {{ swipe.set({at / 100}); requestAnimationFrame(() => requestAnimationFrame(moved)); }})"
                )
            line = page.evaluate("map.getContainer().getBoundingClientRect().left + swipe.at * map.getSize().x")
            boxes = page.evaluate(BOXES, ".amount span")
            assert len(boxes) == told
            assert [box for box in boxes if box[0] < line < box[2]] == [], at
