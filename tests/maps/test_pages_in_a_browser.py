"""The pages in a real browser without a network: no console message, no failed request, every control at work."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from maps import account_columns as columns_module
from maps import write_map, write_report

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH (Debian: apt-get install chromium)"),
]

EXERCISE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const report = {errors: 0};
  addEventListener("error", () => report.errors++);
  document.querySelector(".legend button").click();
  report.chosen = document.querySelectorAll("tr.chosen").length;
  document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
  report.unchosen = document.querySelectorAll("tr.chosen").length;
  const find = document.getElementById("find");
  find.value = "a0007"; find.dispatchEvent(new Event("input"));
  report.found = document.querySelectorAll("#found button").length;
  document.querySelector("#found button").click();
  setTimeout(() => {
    report.popup = document.querySelector(".leaflet-popup .account")?.innerText ?? "";
    report.markup = document.querySelectorAll(".leaflet-popup .account img, .leaflet-popup .account script").length;
    const at = map.latLngToContainerPoint(accounts.latLng(7));
    report.hit = accounts_element.at(map.containerPointToLatLng(at));
    for (const box of document.querySelectorAll(".leaflet-control-layers-selector")) { box.click(); box.click(); }
    report.tiles = document.querySelectorAll("canvas.leaflet-tile").length;
    const pen = document.querySelector("canvas.leaflet-tile").getContext("2d");
    report.painted = [...document.querySelectorAll("canvas.leaflet-tile")].some((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v) => v));
    report.focusable = [...document.querySelectorAll("button, input, .leaflet-marker-icon, .leaflet-control-zoom a")].every((e) => e.tabIndex >= 0);
    report.title = document.title;
    const out = document.createElement("pre"); out.id = "exercise"; out.textContent = JSON.stringify(report); document.body.append(out);
  }, 300);
}, 100));
</script>
"""


def open_page(path, tmp_path):
    """The page's DOM after its scripts ran, and everything the browser complained about."""
    run = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
            "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0",
            "--virtual-time-budget=4000", "--window-size=1300,850", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True, encoding="utf-8",
    )  # fmt: skip
    complaints = [line for line in run.stderr.splitlines() if "CONSOLE" in line or "Uncaught" in line]
    return run.stdout, complaints


def exercise(page, tmp_path):
    import json

    page.write_text(page.read_text(encoding="utf-8").replace("</html>", EXERCISE + "</html>"), encoding="utf-8")
    dom, complaints = open_page(page, tmp_path)
    found = re.search(r'<pre id="exercise">(.*?)</pre>', dom, re.DOTALL)
    assert found, complaints
    return json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")), complaints


def test_the_map_opens_and_works_without_a_network(build_problem, build_plan, tmp_path):
    names = ["<img src=x onerror=\"document.title='owned'\">"] * 60
    rng = __import__("numpy").random.default_rng(0)
    problem = build_problem(
        rng.uniform(-96, -90, 60), rng.uniform(40, 43, 60), {"R1": (-93, 41), "R2": (-91, 42)}, names=names
    )
    write_map(problem, build_plan(problem), tmp_path / "map.html")
    report, complaints = exercise(tmp_path / "map.html", tmp_path)
    assert complaints == []
    assert report.pop("popup").startswith(names[0])
    assert report.pop("tiles") > 0
    assert report == {
        "errors": 0, "chosen": 1, "unchosen": 0, "found": 1, "markup": 0, "hit": 7, "painted": True, "focusable": True, "title": "2 sales territories",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["planar", "infeasible", "aggregated", "report"])
def test_every_kind_of_page_opens_without_a_complaint(
    kind, midwest, build_problem, build_plan, build_infeasible, monkeypatch, tmp_path
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
    dom, complaints = open_page(page, tmp_path)
    assert complaints == []
    assert 'data-ready="true"' in dom or kind == "report"
    assert 'disabled=""' not in dom  # a layer that the opening zoom rules out
