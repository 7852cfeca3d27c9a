"""Data that would rather be markup, a template, a formula or a mile long: every page shows it as text and stays whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.maps.every_page import KINDS, write_every_page

pytestmark = pytest.mark.browser

CANARIES = (
    "<script>window.ran=1</script>",
    "\"><img src=x onerror='window.ran=2'>",
    "'><svg onload=window.ran=3>",
    "{{ 7*7 }}{% for x in y %}",
    "</script><!--",
    "${window.ran=4}",
    '=HYPERLINK("https://example.org/","x")',
    "javascript:window.ran=5",
    "</title></style></textarea><b>",
)
ODDITIES = (
    "line\u2028end\u2029",
    "\u202egnorw\u202c",
    "👩\u200d👩\u200d👧 Ünï",
    "nul\x00l",
    "a\r\nb\tc",
    "&lt\\u003c\\",
)
LONG = "Wm" * 150
# Of these a page shows one or few; the others are many, and differ.
ALONE = {"measure", "file", "notice", "description", "message", "plan", "attribution", "rule"}


def hostile(kind: str, number: int) -> str:
    if kind in ALONE:
        return " ".join(CANARIES)
    return f"{(CANARIES + ODDITIES)[number % len(CANARIES + ODDITIES)]} {number}"


def endless(kind: str, number: int) -> str:
    """Return 300 letters without a place to break, or as wide in letters that need no more than a glyph."""
    text = ("\u202e" if kind == "name" else "") + (LONG if number % 2 else "😀" * 150)
    return text if kind in ALONE else f"{number}{text}"


# What a curious reader might do: press, point at and focus everything there is, and search.
CURIOUS = """async () => {
  const soon = () => new Promise((resolve) => setTimeout(resolve, 20));
  const shown = (box) => box.getClientRects().length > 0;
  for (const box of document.querySelectorAll("details")) box.open = true;
  for (const field of document.querySelectorAll("input[type=search], input[type=text], input:not([type])"))
    for (const wanted of ["<", "Wm", "0"]) {
      field.value = wanted;
      for (const kind of ["focus", "input", "change"]) field.dispatchEvent(new Event(kind, {bubbles: true}));
      await soon();
      const first = field.parentElement.querySelector("li button, [role=option]");
      if (first) { first.click(); await soon(); }
    }
  for (const field of document.querySelectorAll("select"))
    for (const option of [...field.options].slice(0, 4)) { field.value = option.value; field.dispatchEvent(new Event("change", {bubbles: true})); }
  for (const field of document.querySelectorAll("input[type=search]")) { field.value = ""; field.dispatchEvent(new Event("input", {bubbles: true})); }
  for (const field of [...document.querySelectorAll("input[type=radio], input[type=checkbox]")].slice(0, 20).filter((field) => !/network/.test(field.closest("label")?.textContent))) { field.click(); await soon(); }
  for (const button of [...document.querySelectorAll("button")].filter(shown).slice(0, 30))
    if (button.isConnected && !/print/i.test(button.textContent)) { button.click(); await soon(); }
  for (const box of [...document.querySelectorAll(".leaflet-marker-icon, path.leaflet-interactive, svg circle")].slice(0, 20)) {
    const place = box.getBoundingClientRect();
    for (const kind of ["mouseover", "mousemove", "click"])
      box.dispatchEvent(new MouseEvent(kind, {bubbles: true, clientX: place.x + place.width / 2, clientY: place.y + place.height / 2}));
    await soon();
  }
}"""
FOUND = """() => ({
  ran: window.ran ?? null,
  markup: [...document.querySelectorAll("[onerror], [onload], [onclick], iframe, object, embed, img[src=x], a[href^='javascript:' i]")].map((e) => e.outerHTML.slice(0, 80)),
  // SVG drawn by us has no onload; a canary's would.
  text: [...document.querySelectorAll("body *:not(script):not(style)")].filter((e) => !e.closest("script, style")).map((e) => e.childElementCount ? "" : e.textContent).join("\\n") + document.body.innerText,
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
})"""


@pytest.fixture(scope="module")
def hostile_pages(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> dict[str, Path]:
    return write_every_page(tmp_path_factory.mktemp("hostile"), hostile)


@pytest.fixture(scope="module")
def endless_pages(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> dict[str, Path]:
    return write_every_page(tmp_path_factory.mktemp("endless"), endless)


@pytest.mark.parametrize("kind", KINDS)
def test_text_from_data_stays_text_whatever_a_reader_opens(kind: str, hostile_pages: Any, visit: Any) -> None:
    with visit(hostile_pages[kind]) as seen:  # a request, a refused script or an error would fail here too
        seen.page.evaluate(CURIOUS)
        found = seen.page.evaluate(FOUND)
    assert found["ran"] is None
    assert found["markup"] == []
    assert "<script>window.ran=1</script>" in found["text"]
    assert "{{ 7*7 }}" in found["text"]


@pytest.mark.parametrize("kind", KINDS)
def test_words_without_an_end_make_no_page_wider_than_its_window(kind: str, endless_pages: Any, visit: Any) -> None:
    with visit(endless_pages[kind]) as seen:
        for width in (1280, 400):
            seen.page.set_viewport_size({"width": width, "height": 800})
            assert seen.page.evaluate(FOUND)["wide"] <= 1, width
        seen.page.evaluate(CURIOUS)
        assert seen.page.evaluate(FOUND)["wide"] <= 1


def test_the_shapes_stay_geojson(hostile_pages: Any) -> None:
    text = hostile_pages["geojson"].read_text(encoding="utf-8")
    told = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert told["type"] == "FeatureCollection"
    assert [f["properties"]["rep_id"] for f in told["features"]] == [hostile("rep", k) for k in range(5)]
    assert all(f["geometry"]["type"] in {"Polygon", "MultiPolygon"} for f in told["features"])
