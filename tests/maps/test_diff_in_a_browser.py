"""The page of what changes, in a real browser without a network: it filters, sorts, pages, and its map answers."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from maps import write_diff
from scenarios import compare_plans
from territory_engine.config import parse_config
from territory_engine.plan import Plan
from territory_engine.planner import solve
from territory_engine.reading.loading import load_frames
from territory_engine.wording import number

pytestmark = pytest.mark.browser

EXERCISE = """
addEventListener("load", () => setTimeout(() => {
  const report = {errors: 0}, $ = (id) => document.getElementById(id);
  addEventListener("error", () => report.errors++);
  const rows = () => document.querySelectorAll("#moves tr"), text = (row, column) => row.children[column].innerText;
  const pick = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event(id === "text" ? "input" : "change")); };
  report.total = moves.n;
  report.first = rows().length;
  report.pages = $("page").textContent;
  $("next").click();
  report.second = rows().length;
  report.sorted = [...document.querySelectorAll("#moves-head th")].filter((th) => th.ariaSort).map((th) => th.dataset.key + " " + th.ariaSort);
  document.querySelector('#moves-head th[data-key="account"] button').click();
  report.smallest = text(rows()[0], 0).includes("A0");
  const from = moves.from[0];
  pick("from", from);
  report.onlyFrom = moves.shown.every((shown, i) => Boolean(shown) === (moves.from[i] === from));
  report.arrowsFrom = document.querySelectorAll("path[data-flow]").length;
  report.flowsFrom = plan.flows.filter((flow) => flow[0] === from).length;
  $("all").click();
  report.all = moves.shown.every(Boolean) && $("all").disabled;
  pick("text", moves.id(3).toLowerCase());
  report.found = [rows().length, text(rows()[0], 0).includes(moves.id(3))];
  pick("text", [...moves.id(3)].map((c) => String.fromCodePoint(c.codePointAt(0) + 0xFEE0)).join(""));  // full width
  report.wide = [rows().length, text(rows()[0], 0).includes(moves.id(3))];
  pick("text", "nobody is called so");
  report.none = rows()[0].innerText;
  document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
  report.escaped = [$("text").value, rows().length > 50];
  document.querySelector("#gains button").click();
  report.chosen = [document.querySelectorAll("#gains tr.chosen").length, state.either];
  report.focusKept = true;
  document.querySelector("#gains button").click();
  pick("measure", 0);
  report.counts = document.querySelector("#gains .net").innerText;
  const arrow = document.querySelector("path[data-flow]");
  report.label = arrow.getAttribute("aria-label");
  arrow.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}));
  report.byArrow = [state.from, state.to].join() === plan.flows[arrow.dataset.flow].slice(0, 2).join();
  $("all").click();
  document.querySelector("#moves button").click();
  setTimeout(() => {
    report.popup = document.querySelector(".leaflet-popup .account strong")?.innerText ?? "";
    report.markup = document.querySelectorAll("main img, main script, .leaflet-popup img").length;
    const i = moves.n - 1, at = map.latLngToContainerPoint(changes.points.latLng(i));
    report.hit = dotsOf.right.at(map.containerPointToLatLng(at)) >= 0;
    for (const box of document.querySelectorAll(".leaflet-control-layers-selector")) { box.click(); box.click(); }
    report.layers = document.querySelectorAll(".leaflet-control-layers-selector").length;
    report.painted = [...document.querySelectorAll("canvas.leaflet-tile")].some((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v) => v));
    report.focusable = [...document.querySelectorAll("button, select, input, path[data-flow], .leaflet-marker-icon.leaflet-interactive, .scroll, .wide")].every((e) => e.tabIndex >= 0);
    report.title = document.title;
    const out = document.createElement("pre"); out.id = "exercise"; out.textContent = JSON.stringify(report); document.body.append(out);
  }, 300);
}, 100));
"""


def pair(
    build_problem, build_plan, n, *, name="<img src=x onerror=\"document.title='owned'\">", planar=False, scale=1.0
):
    """Return two plans of the same accounts: in the second R3 is gone and R1 lives elsewhere."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-96, -90, n) * scale, rng.uniform(40, 43, n) * scale
    then = {"R1": (-93, 41), "R2": (-91, 42), "R3": (-95, 42), "R4": (-92, 40.5)}
    now = {"R1": (-93.8, 41.6), "R2": (-91, 42), "R4": (-92, 40.5)}
    plans = []
    for reps in (then, now):
        homes = {r: (a * scale, b * scale) for r, (a, b) in reps.items()}
        problem = build_problem(x, y, homes, names=[name] * n, planar=planar)
        plans.append((problem, build_plan(problem)))
    return tuple(plans)


def test_the_page_filters_sorts_pages_and_shows_moves_on_its_map(build_problem, build_plan, exercised, tmp_path):
    before, after = pair(build_problem, build_plan, 600)
    write_diff(compare_plans(before, after), before, after, tmp_path / "diff.html")
    report, complaints = exercised(tmp_path / "diff.html", EXERCISE)
    assert complaints == []
    total, second = report.pop("total"), report.pop("second")
    assert second == min(100, total - 100)
    assert report.pop("pages") == f"Page 1 of {-(-total // 100)}"
    assert report.pop("popup").startswith("<img src=x")
    assert report.pop("arrowsFrom") == report.pop("flowsFrom") > 0
    assert "Rep R" in report["label"]
    assert "accounts" in report.pop("label")
    assert report == {
        "errors": 0, "first": 100, "sorted": ["amount2 descending"], "smallest": True, "onlyFrom": True, "all": True,
        "found": [1, True], "wide": [1, True], "none": "No move matches.", "escaped": ["", True], "chosen": [1, 3], "focusKept": True,
        "counts": report["counts"], "byArrow": True, "markup": 0, "hit": True, "layers": 8, "painted": True, "focusable": True,
        "title": "What changes",
    }  # fmt: skip
    assert report["counts"].startswith("−")


def test_numbers_in_the_table_are_written_as_in_the_sentences_about_them(build_problem, build_plan, visit, tmp_path):
    before, after = pair(build_problem, build_plan, 60)
    write_diff(compare_plans(before, after), before, after, tmp_path / "diff.html")
    values = [
        0.0,
        3.0,
        6.1,
        6.096,
        62.04,
        0.125,
        99.95,
        100.5,
        1234.5,
        0.0123,
        1e-7,
        -4.25,
        -1e-7,
        25_000_000.0,
        2.5e16,
    ]
    with visit(tmp_path / "diff.html") as seen:
        assert seen.page.evaluate("(values) => values.map(show)", values) == [number(v) for v in values]
        assert seen.page.evaluate("show(NaN)") == number(None)


def test_on_paper_are_all_moves_that_pass_under_their_heads(build_problem, build_plan, visit, printed, tmp_path):
    before, after = pair(build_problem, build_plan, 600, name="Shop")
    difference = compare_plans(before, after)
    write_diff(difference, before, after, tmp_path / "diff.html")
    with visit(tmp_path / "diff.html") as seen:
        assert len(difference.moves) > 100 == seen.page.locator("#moves tr").count()
        sheets = [text for text in printed(seen.page, "diff_moves").texts if "A0" in text]
        assert len(sheets) > 1
        assert set(difference.moves.index) <= set(re.findall(r"A\d{4}", " ".join(sheets)))
        assert all("Account" in text[:200] and "From" in text[:400] for text in sheets[1:])
        assert seen.page.locator("#moves tr").count() == 100
        # Of what is filtered, the sheets say what it is.
        seen.page.locator("#to").select_option(label="Rep R4 (R4)")
        texts = " ".join(printed(seen.page, "diff_filtered").texts)
        chosen = set(difference.moves.index[difference.moves["to_rep_id"] == "R4"])
        assert set(re.findall(r"A\d{4}", texts)) == chosen
        assert f"Shown: {len(chosen)} accounts" in texts
        assert "to Rep R4 (R4)." in texts


def test_of_more_moves_than_are_printed_the_sheets_say_how_many_more(
    build_problem, build_plan, visit, tmp_path, monkeypatch
):
    monkeypatch.setattr("maps.changes.columns.MOST_MOVES_LISTED", 1200)
    before, after = pair(build_problem, build_plan, 3500, name="Shop")
    difference = compare_plans(before, after)
    assert len(difference.moves) > 1200
    write_diff(difference, before, after, tmp_path / "diff.html")
    with visit(tmp_path / "diff.html") as seen:
        seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert seen.page.locator("#moves tr").count() == 1000
        seen.page.emulate_media(media="print")
        more = f"{len(difference.moves) - 1000:,} more are in moves.csv"
        assert seen.page.locator(".moves").inner_text().count("moves.csv") == 1
        assert more in seen.page.locator("#on-paper").inner_text()


def connected(tolerance):
    """A plan of hexagons: territories that are connected sets of units, without reps."""
    rng = np.random.default_rng(0)
    accounts = pd.DataFrame(
        {
            "account_id": [f"a{i}" for i in range(120)],
            "latitude": rng.uniform(40, 43, 120),
            "longitude": rng.uniform(-96, -90, 120),
            "visits": rng.integers(1, 9, 120),
        }
    )
    content = {
        "data": {"accounts": "a.csv"},
        "territories": {"centers": "free", "count": 3},
        "balance": [{"measure": "visits", "tolerance": tolerance}],
        "contiguity": {"cells": "h3", "resolution": 3},
        "solve": {"rounds": 2, "gap": 0.5},
    }
    problem = load_frames(accounts, None, parse_config(content))
    return problem, solve(problem)


def reversed_territories(plan: Plan) -> Plan:
    """Give a third of a plan's units, and their accounts, to the next territory."""
    ids = plan.territories.index
    units = plan.units.copy()
    units.loc[units.index[::3], "territory_id"] = [
        ids[(ids.get_loc(t) + 1) % len(ids)] for t in units["territory_id"].iloc[::3]
    ]
    return dataclasses.replace(plan, units=units)


@pytest.mark.parametrize("kind", ["planar", "no map", "no moves", "units", "units only", "hundred reps"])
def test_every_kind_of_difference_opens_without_a_complaint(kind, build_problem, build_plan, opened, tmp_path):
    page = tmp_path / "diff.html"
    before, after = pair(
        build_problem, build_plan, 60, planar=kind == "planar", scale=1000.0 if kind == "planar" else 1.0
    )
    if kind == "no map":
        before, after = (
            (dataclasses.replace(p, accounts=p.accounts.assign(longitude=np.nan, latitude=np.nan)), plan)
            for p, plan in (before, after)
        )
    elif kind == "no moves":
        before = after
    elif kind in ("units", "units only"):
        before = connected(0.5)
        if kind == "units only":  # a travel table needs no places of accounts
            nowhere = before[0].accounts.assign(longitude=np.nan, latitude=np.nan)
            before = dataclasses.replace(before[0], accounts=nowhere), before[1]
        after = before[0], reversed_territories(before[1])
    elif kind == "hundred reps":
        rng = np.random.default_rng(2)
        x, y = rng.uniform(-96, -90, 500), rng.uniform(40, 43, 500)
        homes = {f"R{i}": (x[i], y[i]) for i in range(100)}
        before, after = (
            (problem, build_plan(problem))
            for problem in (build_problem(x, y, h) for h in (homes, dict(list(homes.items())[5:])))
        )
    write_diff(compare_plans(before, after), before, after, page)
    dom, complaints = opened(page)
    assert complaints == []
    assert 'data-ready="true"' in dom
    assert ('class="leaflet-pane' in dom) == (kind != "no map")
    if kind in ("units", "units only"):
        assert dom.count('class="leaflet-interactive"') > 5
    assert ("<td colspan" in dom) == (kind in ("no moves", "units", "units only"))
