"""Accounts in another territory's shape: which they are, and that the map shows and says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from maps import territory_shapes, write_map
from maps.territory_map.amid import lying_amid

RINGED = """async (id) => {
  map.closePopup();
  await accounts_element.painted();
  const i = accountById(id), r = accounts_element.radius(i, map.getZoom()), at = map.latLngToContainerPoint(accounts.latLng(i));
  const box = map.getContainer().getBoundingClientRect();
  const dark = (x, y) => [...accounts_element.tiles.keys()].some((tile) => {
    const place = tile.getBoundingClientRect(), scale = tile.width / place.width;
    const [red, green, blue, alpha] = tile.getContext("2d").getImageData(Math.floor((x - place.left) * scale), Math.floor((y - place.top) * scale), 1, 1).data;
    return alpha > 100 && red + green + blue < 200;
  });
  return [r + 1.4, r + 1.8, r + 2.2].some((away) => dark(at.x + box.left + away, at.y + box.top));
}"""


def test_who_lies_in_anothers_shape_is_found_and_nobody_else() -> None:
    geometry = np.array([shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1), None], object)
    points = np.array(
        [[0.5, 0.5], [1.5, 0.5], [1.5, 0.2], [5.0, 5.0], [np.nan, np.nan], [1.0, 0.5], [0.5, 0.2], [0.1, 0.1]]
    )
    territory = np.array([0, 1, 0, 0, 0, 1, 2, -1])
    assert lying_amid(geometry, points, territory).tolist() == [-1, -1, 1, -1, -1, -1, 0, -1]
    assert lying_amid(np.array([None], object), points[:2], np.zeros(2, int)).tolist() == [-1, -1]
    assert lying_amid(np.array([], object), points[:0], np.zeros(0, int)).tolist() == []


@pytest.mark.browser
def test_the_map_rings_an_account_amid_anothers_and_its_card_says_so(
    build_problem: Any, build_plan: Any, visit: Any, tmp_path: Path
) -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(-95, -91, 21), np.linspace(40.6, 41.4, 5)))
    problem = build_problem(x, y, {"R1": (-94.0, 41.0), "R2": (-92.0, 41.0)})
    plan = build_plan(problem)
    # One account deep in R1's territory is R2's, in shapes that were grown without it.
    shapes = territory_shapes(problem, plan)
    moved = plan.assignments.copy()
    moved.loc["A0042", ["rep_id", "territory_id"]] = "R2"
    write_map(problem, dataclasses.replace(plan, assignments=moved), tmp_path / "map.html", shapes=shapes)
    with visit(tmp_path / "map.html", fragment="account=A0042") as seen:
        seen.page.wait_for_selector(".leaflet-popup")
        labels, values = (seen.page.locator(f".leaflet-popup {part}").all_text_contents() for part in ("dt", "dd"))
        told = dict(zip(labels, values, strict=True))
        assert (told["rep"], told["lies in the territory of"]) == ("Rep R2", "Rep R1")
        # Its disc is beside a white band within a dark ring, which other accounts' discs have not.
        assert seen.page.evaluate(RINGED, "A0042")
        assert not seen.page.evaluate(RINGED, "A0043")
        seen.complaints[:] = [
            c for c in seen.complaints if "Canvas2D: Multiple readback" not in c
        ]  # of looking at pixels
        seen.page.locator("#how").evaluate("box => { box.open = true; }")
        assert "1 account lies in another's territory" in seen.page.locator("#how").inner_text()
        assert seen.page.evaluate("[...accounts.amid.keys()].map((i) => accounts.id(i))") == ["A0042"]
