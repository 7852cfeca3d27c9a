"""The page of a rebalancing, in a real browser without a network; and its chart, by its numbers."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maps.changes.tradeoff import trade_off_chart, write_rebalancing
from scenarios.tradeoff import trade_off_table
from territory_engine.config import parse_config
from territory_engine.disruption import with_max_moved
from territory_engine.reading.loading import load_frames
from territory_engine.rebalancing import Rebalancing, rebalance

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
SVG = "{http://www.w3.org/2000/svg}"

EXERCISE = """
addEventListener("load", () => setTimeout(() => {
  const all = (q) => [...document.querySelectorAll(q)];
  const report = {
    title: document.title,
    said: document.querySelector("main").innerText,
    links: all("main a[href]").map((a) => a.getAttribute("href")).filter((to) => !/^#|^http/.test(to)),
    charts: all("svg[role=img]").map((s) => s.getAttribute("aria-label")),
    dots: all("svg[role=img] circle").length,
    chosen: all("tr.chosen").map((r) => r.cells[0].innerText),
    cut: all("svg[role=img] text").filter((t) => {
      const b = t.getBBox(), v = t.ownerSVGElement.viewBox.baseVal;
      return b.x < 0 || b.y < 0 || b.x + b.width > v.width || b.y + b.height > v.height;
    }).map((t) => t.textContent),
    markup: all("main img, main script").length,
  };
  const out = document.createElement("pre"); out.id = "exercise"; out.textContent = JSON.stringify(report); document.body.append(out);
}, 100));
"""


def found_for(
    measure: str = "revenue",
    *,
    n_points: int = 4,
    name: str = "Shop",
    owner: Any = None,
    max_moved: Any = None,
    **columns: Any,
) -> Rebalancing:
    rng = np.random.default_rng(4)
    n = 60
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{i:02d}" for i in range(n)], "name": [f"{name} {i}" for i in range(n)],
            "latitude": rng.uniform(41, 43, n), "longitude": rng.uniform(-95, -91, n),
            "visits": rng.integers(1, 5, n), "revenue": rng.integers(1, 90, n) * 1000,
            "owner": [f"R{k}" for k in rng.integers(1, 4, n)] if owner is None else owner,
        }
    ).assign(**columns)  # fmt: skip
    reps = pd.DataFrame(
        {
            "rep_id": ["R1", "R2", "R3"],
            "name": [name] * 3,
            "latitude": [41.2, 42.8, 42],
            "longitude": [-94.0, -93, -91.5],
        }
    )
    config = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "visits", "tolerance": 0.2}, *({"measure": c, "tolerance": 0.5} for c in columns)],
        "travel": {"weight": "visits"},
        "disruption": {"current": "owner", "measure": measure},
        "solve": {"rounds": 1, "gap": 1e-3, "time_limit_s": 20},
    }
    return rebalance(load_frames(accounts, reps, parse_config(config)), n_points=n_points, max_moved=max_moved)


@pytest.mark.browser
@pytest.mark.parametrize("measure", ["revenue", "count"])
def test_the_page_shows_the_curve_and_links_to_the_points_own_pages(measure, exercised, tmp_path):
    found = found_for(measure, name=HOSTILE, owner=["R1", "R1", "R2", "<b>GONE</b>", "", "R3"] * 10)
    table = trade_off_table(found)
    write_rebalancing(found, table, tmp_path / "rebalance.html")
    report, complaints = exercised(tmp_path / "rebalance.html", EXERCISE)
    assert complaints == []
    assert (report["title"], report["markup"], report["cut"]) == ("Rebalancing", 0, [])
    assert report["links"] == [f"{p}/{f}" for p in table.index for f in ("report.html", "map.html", "moves.csv")]
    assert report["dots"] == 2 * len(table)
    assert len(report["charts"]) == 2
    assert len(report["chosen"]) == 1
    assert report["chosen"][0].endswith("(shown here)")
    # Nobody's accounts and those of a rep who left are told apart from what changes hands.
    assert "20 accounts that nobody has are assigned, and" in report["said"]


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["one point", "one point and no moves", "hostile measure", "two points"])
def test_every_kind_of_curve_opens_without_a_complaint(kind, exercised, tmp_path):
    columns: dict[str, Any] = {}
    measure, owner, limits = "revenue", None, None
    if kind == "one point":
        limits = [0.0]
    elif kind == "two points":
        limits = [0.9]
    elif kind == "one point and no moves":
        owner = found_for(n_points=2).points[-1][1].assignments["rep_id"].tolist()
        limits = [0.0]
    else:
        measure = HOSTILE
        columns = {HOSTILE: 1.0 + np.arange(60) % 7}
    found = found_for(measure, owner=owner, max_moved=limits, **columns)
    table = trade_off_table(found)
    write_rebalancing(found, table, tmp_path / "rebalance.html")
    report, complaints = exercised(tmp_path / "rebalance.html", EXERCISE)
    assert complaints == []
    assert (report["title"], report["markup"], report["cut"]) == ("Rebalancing", 0, [])
    assert len(report["charts"]) == (0 if len(table) == 1 else 2)
    assert len(report["links"]) == 3 * len(table)


@pytest.mark.browser
def test_deviations_that_are_not_known_are_left_out_of_the_chart_and_dashed_in_the_table(exercised, tmp_path):
    found = found_for()
    points = tuple(
        (problem, dataclasses.replace(plan, measures={"visits": {**plan.measures["visits"], "max_deviation": np.nan}}))
        for problem, plan in found.points
    )
    found = dataclasses.replace(found, points=points)
    write_rebalancing(found, trade_off_table(found), tmp_path / "rebalance.html")
    report, complaints = exercised(tmp_path / "rebalance.html", EXERCISE)
    assert complaints == []
    assert len(report["charts"]) == 1
    assert "nan" not in re.sub(r"(?s)<script.*?</script>|<style.*?</style>", "", (tmp_path / "rebalance.html").read_text(encoding="utf-8"))  # fmt: skip


@pytest.mark.browser
def test_a_limit_that_the_fewest_moves_exceed_is_the_first_thing_said(exercised, tmp_path):
    found = found_for(owner="R1", n_points=3)
    found = dataclasses.replace(found, problem=with_max_moved(found.problem, 0.01))
    table = trade_off_table(found)
    write_rebalancing(found, table, tmp_path / "rebalance.html")
    report, complaints = exercised(tmp_path / "rebalance.html", EXERCISE)
    assert complaints == []
    first, then = "More has to change hands than the max_moved of 1 % in the configuration", "it is proved that"
    assert 0 < report["said"].index(first) < report["said"].index(then)
    assert "moving 1 % more would save at most, km-visits" in report["said"]
    assert "would save about" not in report["said"]


# The chart ------------------------------------------------------------------------------------------------------------


def drawn_chart(moved: list[float], values: list[float], **changes: Any) -> ET.Element:
    options: dict[str, Any] = {"labels": None, "axis": "moved", "title": "cost", "in_percent": False} | changes
    marks = [i == 0 for i in range(len(moved))]
    return ET.fromstring(trade_off_chart(np.array(moved), {"objective": np.array(values)}, marks, **options))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(-1e12, 1e12, allow_subnormal=False)), min_size=1, max_size=8
    ),
    st.booleans(),
)  # fmt: skip
def test_every_dot_is_inside_the_picture_and_higher_where_there_is_more(
    points: list[tuple[float, float]], in_percent: bool
) -> None:
    moved, values = sorted(m for m, _ in points), [abs(v) if in_percent else v for _, v in points]
    chart = drawn_chart(moved, values, in_percent=in_percent)
    _, _, width, height = map(float, chart.attrib["viewBox"].split())
    dots = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in chart.iter(f"{SVG}circle")]
    assert len(dots) == len(points)
    for x, y in dots:
        assert 0 <= x <= width
        assert 0 <= y <= height
    for (_, low), (_, high) in zip(sorted(zip(values, dots, strict=True)), sorted(zip(values, dots, strict=True))[1:], strict=False):  # fmt: skip
        assert high[1] <= low[1] + 0.1


@pytest.mark.parametrize("values", [[5.0, 5.0, 5.0], [0.0, 0.0, 0.0], [-3.0, -5.0, -9.0], [1e-9, 1e-10, 0.0]])
def test_constant_zero_and_negative_curves_are_drawn(values: list[float]) -> None:
    for in_percent in (False, *([True] if min(values) >= 0 else [])):
        chart = drawn_chart([0.0, 0.1, 0.2], values, in_percent=in_percent)
        text = ET.tostring(chart, encoding="unicode")
        assert "nan" not in text
        assert "inf" not in text
        assert len(list(chart.iter(f"{SVG}circle"))) == 3


def test_text_of_a_chart_is_escaped() -> None:
    chart = drawn_chart([0.0, 0.5], [2.0, 1.0], title=HOSTILE, axis=HOSTILE, labels=[HOSTILE, "b"])
    assert chart.attrib["aria-label"] == HOSTILE
    texts = [t.text for t in chart.iter(f"{SVG}text")]
    assert texts.count(HOSTILE) == 3
    assert not any("img" in element.tag for element in chart.iter())
    two = trade_off_chart(
        np.array([0.0, 0.5]), {HOSTILE: np.array([0.1, 0.2]), "b": np.array([0.2, 0.1])}, [True, False],
        labels=None, axis="a", title="t", in_percent=True,
    )  # fmt: skip
    assert HOSTILE in [t.text for t in ET.fromstring(two).iter(f"{SVG}text")]
