"""Accounts in a real browser: unpacked, damaged, as circles that refine, and among streets."""

from __future__ import annotations

import re

import numpy as np
import pytest

from maps import write_map
from maps.territory_map import accounts as accounts_module

pytestmark = pytest.mark.browser

PAINTED = """() => [...document.querySelectorAll("canvas.leaflet-tile")].some(
  (c) => c.width && c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v) => v))"""


def look_close(page, i, zoom):
    page.evaluate("([i, zoom]) => map.setView(accounts.latLng(i), zoom, {animate: false})", [i, zoom])


def test_every_account_comes_out_as_it_went_in(midwest, build_plan, visit, tmp_path):
    plan = build_plan(midwest)
    write_map(midwest, plan, tmp_path / "map.html")
    with visit(tmp_path / "map.html") as seen:
        found = seen.page.evaluate(
            """() => Array.from({length: accounts.n}, (_, i) => [accounts.id(i), accounts.name(i), accounts.reason(i),
               plan.territories[accounts.territory[i]].id, accounts.measures[1].values[i], accounts.latLng(i).lat, accounts.latLng(i).lng])"""
        )
        ids, names, reasons, territories, revenue, latitude, longitude = map(list, zip(*found, strict=True))
        assert seen.page.evaluate("document.body.dataset.accounts") is None
    assert ids == midwest.accounts.index.tolist()
    assert names == midwest.accounts["name"].tolist()
    assert reasons == plan.assignments["reason"].tolist()
    assert territories == plan.assignments["territory_id"].tolist()
    assert revenue == midwest.accounts["revenue"].tolist()
    assert np.allclose(latitude, midwest.accounts["latitude"], atol=1e-5)
    assert np.allclose(longitude, midwest.accounts["longitude"], atol=1e-5)


@pytest.mark.parametrize("damage", ["cut", "changed", "no base64"])
def test_a_map_with_damaged_accounts_shows_its_territories_and_says_so(damage, midwest, build_plan, visit, tmp_path):
    path = tmp_path / "map.html"
    write_map(midwest, build_plan(midwest), path)

    def spoil(found):
        text = found[2]
        middle = len(text) // 2 // 4 * 4
        spoiled = {
            "cut": text[:middle],
            "changed": text[:middle] + "AAAAAAAA" + text[middle + 8 :],
            "no base64": "#" + text,
        }
        return found[1] + spoiled[damage]

    html = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'(id="account-columns">)([^<]*)', spoil, html), encoding="utf-8")
    with visit(path) as seen:
        assert "their data in this file are damaged" in seen.page.inner_text(".panel footer")
        assert seen.page.evaluate("[accounts.n, shapeOf.size]") == [0, 5]
        seen.page.click(".legend tbody button")
        assert seen.page.locator("tr.chosen").count() == 1


def test_circles_refine_on_zooming_in_and_end_in_dots(build_problem, build_plan, visit, monkeypatch, tmp_path):
    monkeypatch.setattr(accounts_module, "MOST_ACCOUNTS_DRAWN", 100)
    rng = np.random.default_rng(0)
    problem = build_problem(rng.normal(-93, 1, 3000), rng.normal(42, 1, 3000), {"R1": (-94, 42), "R2": (-92, 42)})
    write_map(problem, build_plan(problem), tmp_path / "map.html")
    with visit(tmp_path / "map.html") as seen:
        page = seen.page
        assert page.evaluate("accounts.count[0] > 0 && crowds.dots === null")
        totals = page.evaluate(
            "crowds.levels.map((l) => accounts.count.slice(l.from, l.from + l.points.n).reduce((a, b) => a + b, 0))"
        )
        assert totals == [3000] * len(totals)
        assert len(totals) > 2
        coarse, fine = page.evaluate("[0, 2].map((closer) => accounts_element.pointsAtZoom(plan.fitZoom + closer).n)")
        assert coarse < fine
        hit = page.evaluate(
            "(() => { const i = accounts_element.at(accounts.latLng(0)); return [accounts.count[i] > 0, accounts.travel[i]]; })()"
        )
        assert hit[0]
        assert hit[1] > 0
        look_close(page, 0, 15)
        page.wait_for_selector("canvas.leaflet-tile-loaded", state="attached")
        page.evaluate(
            "() => new Promise((done) => { const look = () => crowds.dots ? done() : setTimeout(look, 20); look(); })"
        )
        assert page.evaluate("[crowds.dots.n, accounts_element.pointsAtZoom(15) === crowds.dots]") == [3000, True]
        assert page.evaluate(
            "(() => { const k = accounts.n - 7; map.setView(accounts.latLng(k), 16, {animate: false}); return accounts_element.at(accounts.latLng(k)) === k; })()"
        )
        assert "too many accounts to find one by one" in page.inner_text("#find-hint")


def test_among_streets_spots_are_counted_and_lone_accounts_named(
    build_problem, build_plan, visit, keep_picture, tmp_path
):
    # 99 accounts at one place, in two territories, and three around it; far away the rest of the plan.
    longitude = np.r_[np.full(99, -93.0), -93.002, -92.998, -93.001, -90.0]
    latitude = np.r_[np.full(99, 42.0), 42.001, 42.0012, 41.999, 43.0]
    problem = build_problem(longitude, latitude, {"R1": (-93.004, 42.0), "R2": (-90.0, 43.0)})
    problem.accounts.loc["A0099", "location_source"] = "postal_code"
    plan = build_plan(problem)
    plan.assignments.loc[plan.assignments.index[:30], "territory_id"] = "R2"
    write_map(problem, plan, tmp_path / "map.html")
    with visit(tmp_path / "map.html", scale=2) as seen:
        page = seen.page
        look_close(page, 0, 16)
        page.evaluate("accounts_element.painted()")
        assert page.evaluate(PAINTED)
        assert page.evaluate("accounts_element.allAt(accounts.latLng(5))") == list(range(99))
        assert page.evaluate("accounts_element.allAt(accounts.latLng(100))") == [100]
        assert page.evaluate("accounts_element.allAt(L.latLng(42.01, -93))") == []
        assert page.evaluate("[accounts.placed(99), accounts.placed(100)]") == ["Placed by its postal code.", ""]
        assert page.get_attribute(".account-names", "data-names") == "3"
        page.wait_for_timeout(300)
        keep_picture(page, "accounts_among_streets")
        look_close(page, 0, 7)
        assert page.get_attribute(".account-names", "data-names") == "0"


def test_where_accounts_are_many_as_many_are_named_as_there_is_room_for(build_problem, build_plan, visit, tmp_path):
    rng = np.random.default_rng(0)
    # A town, and as many accounts around it that the map opens on all of them.
    longitude = np.r_[rng.normal(-93.0, 0.02, 700), rng.uniform(-96.0, -90.0, 200)]
    latitude = np.r_[rng.normal(42.0, 0.014, 700), rng.uniform(40.5, 43.5, 200)]
    problem = build_problem(longitude, latitude, {"R1": (-93.0, 42.0)})
    write_map(problem, build_plan(problem), tmp_path / "map.html")
    with visit(tmp_path / "map.html") as seen:
        seen.page.evaluate("() => { map.setView([42, -93], 15, {animate: false}); }")
        assert 20 < int(seen.page.get_attribute(".account-names", "data-names")) <= 150
