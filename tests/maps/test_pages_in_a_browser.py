"""The pages in a real browser without a network: no console message, no failed request, every control at work."""

from __future__ import annotations

import pytest

from maps import write_map, write_report
from maps.territory_map import accounts as columns_module

pytestmark = pytest.mark.browser

EXERCISE = """
addEventListener("load", () => setTimeout(() => {
  const report = {errors: 0};
  addEventListener("error", () => report.errors++);
  document.querySelector(".legend tbody button").click();
  report.chosen = document.querySelectorAll("tr.chosen").length;
  document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
  report.unchosen = document.querySelectorAll("tr.chosen").length;
  const find = document.getElementById("find");
  find.value = "a0007"; search();
  report.found = document.querySelectorAll("#found [role=option]").length;
  document.querySelector("#found [role=option]").click();
  setTimeout(() => {
    report.popup = document.querySelector(".leaflet-popup .account")?.innerText ?? "";
    report.markup = document.querySelectorAll(".leaflet-popup .account img, .leaflet-popup .account script").length;
    const at = map.latLngToContainerPoint(accounts.latLng(7));
    report.hit = accounts_element.at(map.containerPointToLatLng(at));
    for (const box of document.querySelectorAll(".leaflet-control-layers-selector")) { box.click(); box.click(); }
    report.tiles = document.querySelectorAll("canvas.leaflet-tile").length;
    const pen = document.querySelector("canvas.leaflet-tile").getContext("2d");
    report.painted = [...document.querySelectorAll("canvas.leaflet-tile")].some((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v) => v));
    report.focusable = [...document.querySelectorAll("button, input, .leaflet-marker-icon.leaflet-interactive, .leaflet-control-zoom a")].every((e) => e.tabIndex >= 0);
    report.title = document.title;
    const out = document.createElement("pre"); out.id = "exercise"; out.textContent = JSON.stringify(report); document.body.append(out);
  }, 300);
}, 100));
"""


def test_the_map_opens_and_works_without_a_network(build_problem, build_plan, exercised, tmp_path):
    names = ["<img src=x onerror=\"document.title='owned'\">"] * 60
    rng = __import__("numpy").random.default_rng(0)
    problem = build_problem(
        rng.uniform(-96, -90, 60), rng.uniform(40, 43, 60), {"R1": (-93, 41), "R2": (-91, 42)}, names=names
    )
    write_map(problem, build_plan(problem), tmp_path / "map.html")
    report, complaints = exercised(tmp_path / "map.html", EXERCISE)
    assert complaints == []
    assert report.pop("popup").startswith(names[0])
    assert report.pop("tiles") > 0
    assert report == {
        "errors": 0, "chosen": 1, "unchosen": 0, "found": 1, "markup": 0, "hit": 7, "painted": True, "focusable": True, "title": "2 sales territories",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["planar", "infeasible", "aggregated", "report"])
def test_every_kind_of_page_opens_without_a_complaint(
    kind, midwest, build_problem, build_plan, build_infeasible, opened, monkeypatch, tmp_path
):
    page = tmp_path / "page.html"
    if kind == "planar":
        problem = build_problem([0.0, 1e5, 2e5], [0.0, 1e5, 0.0], {"R1": (0, 0), "R2": (1e5, 1e5)}, planar=True)
        write_map(problem, build_plan(problem), page)
    elif kind == "infeasible":
        write_map(midwest, build_infeasible(midwest), page)
    elif kind == "aggregated":
        monkeypatch.setattr(columns_module, "MOST_ACCOUNTS_DRAWN", 100)
        write_map(midwest, build_plan(midwest), page)
    else:
        write_report(midwest, build_plan(midwest), page)
    dom, complaints = opened(page)
    assert complaints == []
    assert 'data-ready="true"' in dom or kind == "report"
    assert 'disabled=""' not in dom  # a layer that the opening zoom rules out
