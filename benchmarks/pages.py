"""Maps of plans of every size in a real browser: how long they take to write and to open, and how smoothly they move.

usage: python -m benchmarks.pages [--fdic BRANCHES.csv.gz] [--zips ZIPS.csv.gz] [--million] [--plan DIR ...]
                                  [--seconds 5] [--pictures DIR] [--write]

* Iowa, solved for ten seconds;
* ``--fdic``: every US bank branch with 300 reps, solved as for ``benchmarks.fixed_centres``;
* ``--million``: a million accounts around ZIP codes of the contiguous states, drawn by population (``--zips``; around fifty
  cities without), and 500 reps, each account with the nearest: nothing is solved, because it is the page that is measured;
* ``--plan``: plan directories that are there already; Iowa is left out then.

Each map is written to a file and opened in Chromium with the network off, in a window of 1400 × 900 and once more on a
screen with two pixels per pixel. Then the map is dragged and zoomed by wheel, on the whole plan, close, and among streets,
``--seconds`` each. A long task is one of more than 50 ms, in which the page does not answer. Frames are what
``requestAnimationFrame`` saw while the map moved; without a graphics card, as here, everything is painted by the processor.
The machine should be doing nothing else. Writes a table to standard output and, with ``--write``, to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from benchmarks.browser import chromium
from benchmarks.fixed_centres import fdic_inputs
from benchmarks.running import ROOT, machine, markdown, run_plan
from maps import write_map
from territory_engine.config import Config
from territory_engine.plan import Plan
from territory_engine.plan_directory import read_plan
from territory_engine.problem import PlanningProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from playwright.sync_api import Browser, Page

MILLION = 1_000_000
MILLION_REPS = 500
_CITIES = 50
_EARTH_RADIUS_KM = 6371.0088
_WINDOW = {"width": 1400, "height": 900}
# The middle of the map, right of the panel.
_MIDDLE = (900, 450)
_WHEEL_STEP = 100
_WATCH = """
globalThis.watched = {tasks: [], frames: [], ready: null};
new PerformanceObserver((list) => { for (const task of list.getEntries()) watched.tasks.push([task.startTime, task.duration]); })
  .observe({type: "longtask", buffered: true});
new MutationObserver(() => { if (watched.ready === null && document.body?.dataset.ready) watched.ready = performance.now(); })
  .observe(document, {subtree: true, childList: true, attributes: true, attributeFilter: ["data-ready"]});
let last = 0;
requestAnimationFrame(function frame(now) { if (last) watched.frames.push([now, now - last]); last = now; requestAnimationFrame(frame); });
"""


def invented_plan(n: int, n_reps: int, zips: Path | None = None) -> tuple[PlanningProblem, Plan]:
    """Return a plan of accounts around ZIP codes or invented cities, each account with the nearest rep; unsolved."""
    rng = np.random.default_rng(0)
    if zips is not None:
        table = pd.read_csv(zips, dtype={"zip": str})
        table = table[(table.population > 0) & ~table.state.isin(["AK", "HI", "PR"])]
        centres, size, spread = table[["lat", "lon"]].to_numpy(np.float64), table.population.to_numpy(np.float64), 0.03
    else:
        centres = np.column_stack([rng.uniform(31, 47, _CITIES), rng.uniform(-120, -75, _CITIES)])
        size, spread = 1 / np.arange(1, _CITIES + 1), 0.7
    centre = rng.choice(len(centres), n, p=size / size.sum())
    places = (centres[centre] + rng.normal(0, spread, (n, 2))).round(5)
    homes = centres[rng.choice(len(centres), n_reps, p=size / size.sum())] + rng.normal(0, spread, (n_reps, 2))
    chord, nearest = cKDTree(_unit_vectors(homes)).query(_unit_vectors(places))
    travel = 2 * _EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1))
    accounts = pd.DataFrame(
        {
            "latitude": places[:, 0],
            "longitude": places[:, 1],
            "revenue": rng.lognormal(9, 1, n).round(),
            "location_source": "given",
            "location_precision_km": 0.0,
        },
        index=pd.Index(np.char.add("A", np.arange(n).astype(str)), name="account_id"),
    )
    ids = pd.Index([f"R{r:03d}" for r in range(n_reps)], name="rep_id")
    reps = pd.DataFrame({"latitude": homes[:, 0], "longitude": homes[:, 1]}, index=ids)
    config = Config.model_validate(
        {
            "data": {"accounts": "accounts.csv", "reps": "reps.csv"},
            "balance": ({"measure": "revenue", "tolerance": 0.5},),
            "travel": {"metric": "haversine"},
        }
    )
    rep = ids.to_numpy()[nearest]
    assignments = pd.DataFrame(
        {"territory_id": rep, "rep_id": rep, "travel": travel, "previous_rep_id": "", "moved": False, "reason": "nearest rep"},
        index=accounts.index,
    )  # fmt: skip
    revenue = np.bincount(nearest, accounts["revenue"], minlength=n_reps)
    target = float(revenue.mean())
    territories = pd.DataFrame(
        {
            "rep_id": ids.to_numpy(),
            "accounts": np.bincount(nearest, minlength=n_reps),
            "travel": np.bincount(nearest, travel, minlength=n_reps),
            "revenue": revenue,
            "revenue_target": target,
            "revenue_deviation": revenue / target - 1,
        },
        index=ids.rename("territory_id"),
    )
    plan = Plan(
        status="feasible", assignments=assignments, territories=territories, objective=float(travel.sum()),
        lower_bound=float(travel.sum()), gap=0.0, priced_bound=float(travel.sum()),
        objective_terms={"travel": float(travel.sum())},
        measures={"revenue": {"max_deviation": float(np.abs(revenue / target - 1).max()), "total": float(revenue.sum())}},
        prices={}, proof={"kind": "prices"}, termination="gap", rounds=0, solve_seconds=0.0, seed=0,
    )  # fmt: skip
    return PlanningProblem(config, accounts, reps), plan


def _unit_vectors(places: NDArray[np.float64]) -> NDArray[np.float64]:
    latitude, longitude = np.radians(places).T
    across = np.cos(latitude)
    return np.column_stack([across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)])


@contextmanager
def watched(browser: Browser, path: Path, scale: float) -> Iterator[Page]:
    """Open a map that notes its frames and long tasks from the first moment on; it is ready when the block begins."""
    context = browser.new_context(viewport=_WINDOW, device_scale_factor=scale, offline=True)  # type: ignore[arg-type] # a TypedDict
    page = context.new_page()
    page.add_init_script(_WATCH)
    try:
        page.goto(path.resolve().as_uri())
        page.wait_for_selector("body[data-ready]", state="attached", timeout=120_000)
        yield page
    finally:
        context.close()


def move(page: Page, seconds: float) -> None:
    """Drag the map about and zoom it by wheel, on the whole plan, close, and among streets."""
    page.mouse.move(*_MIDDLE)
    for _ in range(3):
        _drag(page, seconds * 2 / 3)
        _wheel(page, -_WHEEL_STEP, seconds / 3)
    _wheel(page, 4 * _WHEEL_STEP, seconds / 3)


def _drag(page: Page, seconds: float) -> None:
    x, y = _MIDDLE
    page.mouse.down()
    began = time.perf_counter()
    while (t := time.perf_counter() - began) < seconds:
        page.mouse.move(x + 250 * np.sin(2.5 * t), y + 150 * np.sin(4 * t))
    page.mouse.move(x, y)
    page.mouse.up()


def _wheel(page: Page, step: int, seconds: float) -> None:
    for _ in range(6):
        page.mouse.wheel(0, step)
        page.wait_for_timeout(1000 * seconds / 6)


def measured_page(browser: Browser, path: Path, seconds: float, scale: float, picture: Path | None) -> dict[str, Any]:
    """Open a map, move it, and return what that was like."""
    with watched(browser, path, scale) as page:
        if picture is not None:
            page.wait_for_timeout(500)
            page.screenshot(path=picture)
        ready = float(page.evaluate("watched.ready"))
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null")
        began = float(page.evaluate("performance.now()"))
        move(page, seconds)
        if picture is not None:
            page.screenshot(path=picture.with_name(f"{picture.stem}_after.png"))
        seen = page.evaluate("watched")
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        found = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    opening = [d for start, d in seen["tasks"] if start < began]
    moving = [d for start, d in seen["tasks"] if start >= began]
    frames = np.array([d for start, d in seen["frames"] if start >= began] or [np.nan])
    return {
        "first picture s": None if painted is None else round(painted / 1000, 2),
        "ready s": round(ready / 1000, 2),
        "longest task while opening, ms": round(max(opening, default=0)),
        "long tasks while moving": len(moving),
        "the longest, ms": round(max(moving, default=0)),
        "frame ms: median": round(float(np.median(frames)), 1),
        "95 %": round(float(np.quantile(frames, 0.95)), 1),
        "worst": round(float(frames.max()), 1),
        "JS heap MB": round(found["JSHeapUsedSize"] / 1e6, 1),
    }


def page_rows(
    name: str,
    problem: PlanningProblem,
    plan: Plan,
    browser: Browser,
    folder: Path,
    seconds: float,
    pictures: Path | None,
) -> list[dict[str, Any]]:
    """Write a plan's map and return a row for each kind of screen."""
    path = folder / f"{name.replace(' ', '_')}.html"
    began = time.perf_counter()
    write_map(problem, plan, path)
    facts = {
        "plan": name,
        "accounts": len(problem.accounts),
        "territories": len(plan.territories),
        "writing s": round(time.perf_counter() - began, 1),
        "MB": round(path.stat().st_size / 1e6, 2),
    }
    rows = []
    for scale in (1.0, 2.0):
        picture = None if pictures is None else pictures / f"{path.stem}_{scale:g}.png"
        rows.append(facts | {"screen": f"{scale:g}×"} | measured_page(browser, path, seconds, scale, picture))
    return rows


def plans(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, PlanningProblem, Plan]]:
    """Yield the plans that were asked for, each with a name."""
    for directory in options.plan:
        yield (directory.name, *read_plan(directory))
    if not options.plan:
        run_plan(ROOT / "examples" / "iowa" / "config.toml", folder / "iowa", "--time-limit", "10")
        yield ("Iowa", *read_plan(folder / "iowa"))
    if options.fdic is not None:
        run_plan(fdic_inputs(options.fdic, options.zips, folder / "inputs", deposits=True), folder / "fdic")
        yield ("bank branches", *read_plan(folder / "fdic"))
    if options.million:
        yield ("a million", *invented_plan(MILLION, MILLION_REPS, options.zips))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fdic", type=Path)
    parser.add_argument("--zips", type=Path)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--plan", type=Path, nargs="+", default=[])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        for title, problem, plan in plans(options, Path(name)):
            rows += page_rows(title, problem, plan, browser, Path(name), options.seconds, options.pictures)
        version = browser.version
    arguments = " ".join(a if "/" not in a else Path(a).name for a in sys.argv[1:])
    text = (
        f"# Pages\n\n`python -m benchmarks.pages {arguments}`\n\n{machine()}; Chromium {version}, without a graphics card; "
        f"{datetime.now(UTC):%Y-%m-%d}.\n\n{markdown(rows)}\n"
    )
    print(text)
    if options.write:
        from territory_engine import __version__

        target = ROOT / "benchmarks" / "results" / f"pages_{__version__}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
