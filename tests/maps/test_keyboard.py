"""Every page by keyboard alone: Tab reaches what can be used, shows where it is, and leads out again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.maps.every_page import KINDS, MAPS

pytestmark = pytest.mark.browser

MOST_STOPS = 400
# What has the focus: its name as a screen reader says it, and how it looks, to be compared with how it looks without.
FOCUSED = """() => {
  const box = document.activeElement;
  if (!box || box === document.body || box === document.documentElement) return null;
  window.stops ??= new Map();
  const look = (e) => { const s = getComputedStyle(e); return [s.outlineStyle === "none" ? "" : s.outlineWidth + s.outlineColor, s.boxShadow, s.borderColor, s.backgroundColor, s.textDecorationLine, s.stroke, s.strokeWidth].join("|"); };
  const around = [box, ...(box.labels || []), ...box.querySelectorAll("*")].slice(0, 40), inFocus = around.map(look).join();
  const big = around.some((e) => e.getBoundingClientRect().width * e.getBoundingClientRect().height > 1);
  box.blur();
  const without = around.map(look).join();
  box.focus({preventScroll: true, focusVisible: true});
  const of = (ids) => (ids || "").split(/\\s+/).map((id) => document.getElementById(id)?.textContent || "").join(" ");
  const name = [box.getAttribute("aria-label"), of(box.getAttribute("aria-labelledby")), ...[...(box.labels || [])].map((l) => l.textContent), box.title, box.getAttribute("alt"), box.textContent, box.querySelector("title")?.textContent, box.tagName === "INPUT" ? "" : box.value].find((text) => text && text.trim());
  if (!stops.has(box)) stops.set(box, stops.size);
  return {place: stops.get(box), what: box.tagName + "#" + box.id + "." + (box.getAttribute("class") || ""), name: (name || "").trim().slice(0, 60), shown: inFocus !== without, big};
}"""


@pytest.mark.parametrize("kind", KINDS)
def test_tab_visits_every_control_once_shows_where_it_is_and_leads_out(kind: str, pages: Any, visit: Any) -> None:
    stops: list[dict[str, Any]] = []
    with visit(pages[kind]) as seen:
        seen.page.evaluate("document.body.focus()")
        for _ in range(MOST_STOPS):
            seen.page.keyboard.press("Tab")
            stop = seen.page.evaluate(FOCUSED)
            if stop is None or (stops and stop["place"] == 0):
                break  # out at the end, or around to the first again
            stops.append(stop)
        else:
            pytest.fail(f"Tab never leaves: it is at {stops[-1]}")
    assert [stop["place"] for stop in stops] == list(range(len(stops))), "Tab goes back or stays where it is"
    assert [stop for stop in stops if not stop["name"]] == []
    assert [stop for stop in stops if not stop["shown"]] == []
    assert [stop for stop in stops if not stop["big"]] == []
    if kind in MAPS:
        assert len(stops) >= 4
