"""The map as people with other colour vision see it: what Chromium draws, through its own simulation, measured in CIE Lab."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from PIL import Image

from maps import territory_shapes, write_map
from maps.pages.colours import territory_adjacency
from tests.maps.conftest import SCREENSHOTS, build_plan, build_problem

pytestmark = pytest.mark.browser

# ΔE*ab (CIE 1976). A trained eye just sees 2.3; areas side by side that are four times as far apart are plainly two. The
# palette is made for the first three (maps.pages.colours); for tritanopia, one in some ten thousand, this is what holds.
LEAST_DELTA_E = {"none": 18.0, "protanopia": 15.0, "deuteranopia": 15.0, "tritanopia": 9.0}
# How much darker a border is than the lighter of the two areas beside it, in L*: without any colour, borders must do it.
LEAST_BORDER = 20.0
N = 14


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """Return a map of fourteen territories, its shapes in longitude and latitude, and which of them touch."""
    rng = np.random.default_rng(3)
    homes = {
        f"R{k:02d}": (float(x), float(y)) for k, (x, y) in enumerate(rng.uniform((-96, 40.4), (-90, 43.6), (N, 2)))
    }
    problem = build_problem(rng.uniform(-96.2, -89.8, 700), rng.uniform(40.3, 43.7, 700), homes)
    plan = build_plan(problem)
    shapes = territory_shapes(problem, plan)
    path = tmp_path_factory.mktemp("vision") / "map.html"
    write_map(problem, plan, path, shapes=shapes)
    return path, shapes.geometry.to_numpy(), territory_adjacency(shapes.geometry.to_numpy())


def lab(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Return sRGB, 0 to 255, shape ``(n, 3)``, in CIE Lab (D65). Source: IEC 61966-2-1; CIE 15:2004, 8.2.1."""
    v = np.asarray(pixels, float) / 255
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = linear @ np.array(to_xyz).T / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.column_stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])])


def looked_at(page: Any, deficiency: str, name: str) -> NDArray[np.uint8]:
    """Return the window as it is seen, shape ``(height, width, 3)``, and keep it."""
    page.context.new_cdp_session(page).send("Emulation.setEmulatedVisionDeficiency", {"type": deficiency})
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    picture.save(SCREENSHOTS / f"{name}-{deficiency}.png")
    return np.asarray(picture)


def pixels(page: Any, points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where longitudes and latitudes are in the window, shape ``(n, 2)``: column and row."""
    found = page.evaluate(
        """(points) => {
          const box = map.getContainer().getBoundingClientRect();
          return points.map(([x, y]) => { const p = map.latLngToContainerPoint([y, x]); return [p.x + box.x, p.y + box.y]; });
        }""",
        points.tolist(),
    )
    return np.rint(np.array(found)).astype(np.intp)


def inner_points(shape: Any, rng: np.random.Generator) -> NDArray[np.float64]:
    """Sixty places well inside a shape, so that dots, labels and homes are fewer than plain area."""
    west, south, east, north = shape.bounds
    core = shape.buffer(-0.05 * min(east - west, north - south))
    points = rng.uniform((west, south), (east, north), (4000, 2))
    return np.asarray(points[shapely.contains_xy(core, points[:, 0], points[:, 1])][:60])


@pytest.mark.parametrize("deficiency", LEAST_DELTA_E)
def test_neighbours_are_told_apart_by_colour(deficiency: str, drawn: Any, visit: Any) -> None:
    path, shapes, touching = drawn
    assert len(touching.edges) > N
    with visit(path) as seen:
        picture = looked_at(seen.page, deficiency, "colours")
        rng, middle = np.random.default_rng(0), []
        for shape in shapes:
            column, row = pixels(seen.page, inner_points(shape, rng)).T
            middle.append(np.median(lab(picture[row, column]), axis=0))
    apart = {(a, b): float(np.linalg.norm(middle[a] - middle[b])) for a, b in touching.edges}
    closest = min(apart, key=apart.__getitem__)
    assert apart[closest] >= LEAST_DELTA_E[deficiency], f"territories {closest} are {apart[closest]:.1f} apart"


def test_borders_are_seen_without_any_colour(drawn: Any, visit: Any) -> None:
    path, shapes, touching = drawn
    with visit(path) as seen:
        lightness = lab(looked_at(seen.page, "achromatopsia", "colours").reshape(-1, 3))[:, 0].reshape(900, 1400)
        depth = {}
        for a, b in touching.edges:
            border = shapely.intersection(shapes[a].boundary, shapes[b].buffer(0.002))
            if border.length < 0.2:
                continue
            along = shapely.line_interpolate_point(
                shapely.line_merge(border), np.linspace(0.1, 0.9, 25), normalized=True
            )
            column, row = pixels(seen.page, shapely.get_coordinates(along)).T
            around = np.stack([lightness[row + dy, column + dx] for dy in range(-6, 7) for dx in range(-6, 7)])
            near = np.stack([lightness[row + dy, column + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
            depth[a, b] = float(np.median(np.quantile(around, 0.9, axis=0) - near.min(axis=0)))
    assert len(depth) > N
    faintest = min(depth, key=depth.__getitem__)
    assert depth[faintest] >= LEAST_BORDER, f"the border of territories {faintest} is {depth[faintest]:.1f} darker"
