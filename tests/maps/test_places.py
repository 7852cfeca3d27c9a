from __future__ import annotations

import json

import numpy as np
import pytest

from maps import write_map
from maps.shapes.places import MOST_OF_RANK, place_names

IOWA = (-96.7, 40.3, -90.1, 43.6)
REPS = {"R1": (-93.0, 41.0), "R2": (-91.5, 42.0)}


@pytest.fixture
def problem(build_problem):
    return build_problem([-96.0, -93.6, -91.0], [40.6, 41.6, 43.2], REPS)


def test_the_largest_cities_come_first_and_names_of_a_rank_stand_apart(problem):
    names = place_names(problem, IOWA)
    assert {"Des Moines", "Cedar Rapids", "Sioux City"} <= {p["name"] for p in names if p["rank"] == 0}
    assert [p["rank"] for p in names] == sorted(p["rank"] for p in names)
    assert all(40.3 <= p["at"][0] <= 43.6 and -96.7 <= p["at"][1] <= -90.1 for p in names)
    largest = np.array([p["at"] for p in names if p["rank"] == 0])
    away = np.hypot(*(largest[:, None] - largest[None]).T)
    assert away[~np.eye(len(largest), dtype=bool)].min() > 0.6


@pytest.mark.parametrize("bounds", [IOWA, (-125, 24, -66, 50), (-180, -60, 180, 72)])
def test_names_take_little_of_a_page(problem, bounds):
    names = place_names(problem, bounds)
    assert 10 < len(names) <= sum(MOST_OF_RANK)
    assert len(json.dumps(names)) < 15_000


def test_elsewhere_and_on_a_map_of_x_and_y_there_are_none(problem, build_problem, build_plan, tmp_path):
    assert place_names(problem, (6, 47, 15, 55)) == []
    planar = build_problem([0.0, 10.0], [0.0, 10.0], {"R1": (0, 0), "R2": (10, 10)}, planar=True)
    assert place_names(planar, IOWA) == []
    write_map(planar, build_plan(planar), tmp_path / "map.html")
    assert "leaflet-places-pane" not in (tmp_path / "map.html").read_text(encoding="utf-8")


def covered(page):
    """Return cities whose names touch each other, the name of a territory or a home, as pairs of what they say."""
    found = page.evaluate(
        """() => [...document.querySelectorAll(".place, .name-label:not([hidden]), .house svg")].map((e) => {
          const box = e.getBoundingClientRect();
          return [e.className.baseVal === undefined ? e.className : "home", e.textContent, box.left, box.top, box.right, box.bottom];
        })"""
    )
    return [
        (a[1], b[1])
        for i, a in enumerate(found)
        for b in found[:i]
        if "place" in (a[0], b[0]) and a[2] < b[4] - 1 and b[2] < a[4] - 1 and a[3] < b[5] - 1 and b[3] < a[5] - 1
    ]


@pytest.mark.browser
def test_more_names_show_closer_by_and_none_cover_each_other_or_what_matters_more(
    build_problem, build_plan, tmp_path, visit
):
    reps = {
        "R1": (-93.61, 41.63),
        "R2": (-91.65, 42.03),
        "R3": (-96.4, 42.5),
    }  # in Des Moines, Cedar Rapids, Sioux City
    problem = build_problem([-96.0, -93.6, -91.0], [40.6, 41.6, 43.2], reps)
    write_map(problem, build_plan(problem), tmp_path / "map.html")
    with visit(tmp_path / "map.html") as seen:
        pane = seen.page.locator(".leaflet-places-pane")
        assert pane.get_attribute("aria-hidden") == "true"
        first = pane.locator(".place").all_inner_texts()
        assert "Des Moines" in first
        assert pane.locator("[tabindex]").count() == 0
        assert covered(seen.page) == []
        seen.page.evaluate("() => map.setView([41.6, -93.6], plan.fitZoom + 2, {animate: false})")
        assert len(pane.locator(".place").all_inner_texts()) > len(first)
        assert covered(seen.page) == []
        assert seen.page.get_by_label("Cities").is_checked()
        seen.page.evaluate("() => places_element.remove()")
        assert pane.locator(".place").count() == 0
        seen.page.evaluate("() => places_element.addTo(map)")
        assert pane.locator(".place").count() > 0
