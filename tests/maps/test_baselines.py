"""The pages look as they did: screenshots beside pictures in baselines/, fonts and antialiasing apart.

Windows are averaged over tiles of 16 pixels, in which text is grey whatever its font. A page fails when more than
4 % of its tiles are off by more than 24 of 255 in a channel, or all of them by more than 4 on average: a moved panel, another
colour, a missing layer, not a glyph. Meant changes are taken over by

    TERRITORY_ENGINE_BASELINES=write python -m pytest tests/maps/test_baselines.py

after which the pictures are to be looked at and committed.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.maps.conftest import SCREENSHOTS

pytestmark = pytest.mark.browser

BASELINES = Path(__file__).parent / "baselines"
WRITE = "TERRITORY_ENGINE_BASELINES"
SIZE = (1280, 800)
TILE = 16
TILE_OFF, MOST_TILES_OFF, MOST_MEAN_OFF = 24.0, 0.04, 4.0


def tiles(picture: Image.Image) -> NDArray[np.float64]:
    """Return the mean colour of every tile, shape ``(rows, columns, 3)``."""
    pixels = np.asarray(picture.convert("RGB"), float)
    rows, columns = pixels.shape[0] // TILE, pixels.shape[1] // TILE
    whole = pixels[: rows * TILE, : columns * TILE]
    return whole.reshape(rows, TILE, columns, TILE, 3).mean(axis=(1, 3))


def difference(actual: Image.Image, baseline: Image.Image) -> tuple[float, float, NDArray[np.float64]]:
    """Return the share of tiles that are off, how far all are on average, and how far each is."""
    if actual.size != baseline.size:
        return 1.0, 255.0, np.full((1, 1), 255.0)
    off = np.abs(tiles(actual) - tiles(baseline)).max(axis=2)
    return float((off > TILE_OFF).mean()), float(off.mean()), off


@pytest.mark.parametrize("kind", ["map", "report", "diff", "comparison_map"])
def test_a_page_looks_like_its_baseline(kind: str, pages: Any, visit: Any) -> None:
    with visit(pages[kind], size=SIZE) as seen:
        seen.page.wait_for_timeout(300)
        actual = Image.open(io.BytesIO(seen.page.screenshot())).convert("RGB")
    path = BASELINES / f"{kind}.png"
    if os.environ.get(WRITE) == "write":
        path.parent.mkdir(exist_ok=True)
        actual.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
        return
    assert path.exists(), f"there is no {path.name} to compare with. Remedy: {WRITE}=write python -m pytest {__file__}"
    baseline = Image.open(path).convert("RGB")
    share, mean, off = difference(actual, baseline)
    if share > MOST_TILES_OFF or mean > MOST_MEAN_OFF:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        told = {name: SCREENSHOTS / f"{kind}-{name}.png" for name in ("actual", "baseline", "difference")}
        actual.save(told["actual"])
        baseline.save(told["baseline"])
        Image.fromarray(255 - off.clip(0, 255).astype(np.uint8)).resize(SIZE, Image.Resampling.NEAREST).save(told["difference"])  # fmt: skip
        pytest.fail(
            f"{kind} does not look like its baseline: {share:.1%} of its tiles are off (at most {MOST_TILES_OFF:.0%}), {mean:.1f} of "
            f"255 on average (at most {MOST_MEAN_OFF:g}). Look at {', '.join(map(str, told.values()))}. "
            f"If it is meant: {WRITE}=write python -m pytest {Path(__file__).name}"
        )


def test_the_comparison_sees_a_moved_panel_and_not_another_font() -> None:
    rng = np.random.default_rng(0)
    page = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
    page[:, :400] = 240
    text = page.copy()
    text[100:700, 20:380][rng.random((600, 360)) < 0.2] = 30
    other_font = page.copy()
    other_font[100:700, 20:380][rng.random((600, 360)) < 0.23] = 20
    moved = np.roll(text, 60, axis=1)
    as_it_was, in_another_font, shifted = (Image.fromarray(p) for p in (text, other_font, moved))
    share, mean, _ = difference(in_another_font, as_it_was)
    assert share <= MOST_TILES_OFF
    assert mean <= MOST_MEAN_OFF
    assert difference(shifted, as_it_was)[0] > MOST_TILES_OFF
