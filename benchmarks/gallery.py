"""The pictures of docs/gallery.md, taken from real pages of real plans in a real browser.

usage: python -m benchmarks.gallery [--iowa DIR] [--rebalanced DIR] [--scenarios DIR] [--fdic-plan DIR]
                                    [--fdic BRANCHES.csv.gz [--zips ZIPS.csv.gz]] [--only NAME ...] [--pictures docs/images/gallery]
                                    [--work out/gallery]

``make gallery`` is the same without options. Plans that are not given are solved first: Iowa, Iowa without R03 with as few
moves as pay, and Iowa's scenarios, a minute or two in all; US bank branches only from the FDIC's file (``--fdic``, as for
``benchmarks.fixed_centres``), which takes some minutes more. Whatever plan directory a picture shows, its page is drawn
anew by the code of this checkout. Pictures that lack a plan stay as they are, and are named. Each is a PNG of at most 256
colours in docs/images/gallery.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.browser import chromium, print_page, visited
from benchmarks.fixed_centres import fdic_inputs
from benchmarks.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image
    from playwright.sync_api import Browser, Locator, Page

PICTURES = ROOT / "docs" / "images" / "gallery"
MOST_BYTES = 250_000
LEAVER = "R03"
VISION = {"": "full colour vision", "protanopia": "protanopia", "deuteranopia": "deuteranopia", "tritanopia": "tritanopia"}  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """A picture of the gallery: a page, what its address says, and what a reader would do before looking."""

    name: str
    plan: str
    page: str
    fragment: str = ""
    size: tuple[int, int] = (1400, 860)
    prepare: Callable[[Page], None] | None = None
    take: Callable[[Page], Image] | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    wanted = [shot for shot in SHOTS if not options.only or shot.name in options.only]
    unknown = set(options.only or ()) - {shot.name for shot in SHOTS}
    if unknown:
        raise SystemExit(
            f"no picture is called {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in SHOTS)}"
        )
    pages = _pages({shot.plan for shot in wanted}, options)
    options.pictures.mkdir(parents=True, exist_ok=True)
    failed = []
    with chromium() as browser:
        for shot in wanted:
            if shot.plan not in pages:
                print(f"{shot.name}: left as it is, for want of a plan of {shot.plan}")
                continue
            try:
                size = _save(_taken(browser, shot, pages[shot.plan] / shot.page), options.pictures / f"{shot.name}.png")
                print(f"{shot.name}: {size / 1000:.0f} kB")
            except Exception as error:  # one picture that fails must not keep the others from being taken
                failed.append(shot.name)
                print(f"{shot.name}: FAILED: {str(error).splitlines()[0]}", file=sys.stderr)
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gallery", description="Take the gallery's pictures.")
    for name, what in (
        ("--iowa", "plan directory of the example"),
        ("--rebalanced", "plan directory without R03, such as out/june/point-05"),
        ("--scenarios", "directory that `scenarios run` wrote"),
        ("--fdic-plan", "plan directory of US bank branches"),
        ("--fdic", "the FDIC's Summary of Deposits, to plan it"),
        ("--zips", "population by ZIP code, for the homes of reps"),
    ):
        parser.add_argument(name, type=Path, help=what)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some pictures")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="where the pictures go")
    parser.add_argument("--work", type=Path, default=ROOT / "out" / "gallery", help="where plans and pages go")
    return parser.parse_args(arguments)


# --- plans and their pages ----------------------------------------------------------------------------------------------


def _pages(needed: set[str], options: argparse.Namespace) -> dict[str, Path]:
    """Return folders of freshly drawn pages, by what they show."""
    work: Path = options.work.resolve()
    example = ROOT / "examples" / "iowa"
    found = {}
    iowa = options.iowa
    if iowa is None and needed & {"iowa", "changes"}:
        iowa = _run(work / "iowa_plan", "plan", example / "config.toml")
    if "iowa" in needed:
        found["iowa"] = _drawn(iowa, work / "iowa")
    if "changes" in needed:
        after = options.rebalanced
        if after is None:
            asked = ("--from", iowa, "--without", LEAVER, "--measure", "revenue_2022")
            made = _run(work / "rebalanced", "rebalance", example / "config.toml", *asked)
            after = made / json.loads((made / "rebalance.json").read_text(encoding="utf-8"))["chosen"]
        found["changes"] = _changes(iowa, after, work / "changes")
    if "scenarios" in needed:
        folder = options.scenarios or _run(work / "scenario_plans", "scenarios", "run", example / "scenarios.toml")
        found["scenarios"] = _compared(folder, example / "scenarios.toml", work / "scenarios")
    if "branches" in needed:
        plan = options.fdic_plan
        if plan is None and options.fdic is not None:
            config = fdic_inputs(options.fdic, options.zips, work / "branch_inputs", deposits=True)
            plan = _run(work / "branch_plan", "plan", config)
        if plan is not None:
            found["branches"] = _drawn(plan, work / "branches")
    return found


def _run(out: Path, *command: str | Path) -> Path:
    print("territory-engine", *command, "--out", out, flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "territory_engine.app", *map(str, command), "--out", str(out), "--replace", "--quiet"],
        cwd=ROOT,
        check=True,
    )
    return out


def _drawn(plan_directory: Path, out: Path) -> Path:
    import pandas as pd

    from maps import territory_shapes, write_map, write_report
    from territory_engine.plan_directory import read_plan

    out.mkdir(parents=True, exist_ok=True)
    problem, plan = read_plan(plan_directory)
    moves = plan_directory / "moves.csv"
    listed = pd.read_csv(moves, dtype={"account_id": str, "from": str, "to": str}, keep_default_na=False, na_values={"travel_saved": [""]}) if moves.exists() else None  # fmt: skip
    write_map(problem, plan, out / "map.html", shapes=territory_shapes(problem, plan))
    write_report(problem, plan, out / "report.html", moves=listed)
    return out


def _changes(before: Path, after: Path, out: Path) -> Path:
    from maps import write_diff
    from maps.pages.rep_colours import written_colours
    from scenarios import compare_plans
    from territory_engine.plan_directory import read_plan

    _drawn(after, out)
    pair = read_plan(before), read_plan(after)
    colours = written_colours(before / "territories.geojson") | written_colours(after / "territories.geojson")
    names = ("today", "from June")
    write_diff(compare_plans(*pair), *pair, out / "diff.html", title=f"{LEAVER} resigns", names=names, colours=colours)
    return out


def _compared(folder: Path, file: Path, out: Path) -> Path:
    from maps.comparison.map import comparison_map_page
    from maps.comparison.page import comparison_page
    from scenarios.comparison import ScenarioResult, differences_from_base
    from territory_engine.plan_directory import read_plan

    out.mkdir(parents=True, exist_ok=True)
    asked = tomllib.loads(file.read_text(encoding="utf-8"))["scenario"]
    results = []
    for name in json.loads((folder / "scenarios.json").read_text(encoding="utf-8"))["scenarios"]:
        own = asked.get(name, {})
        parents = own.get("inherits", ())
        problem, plan = read_plan(folder / name)
        told = (parents,) if isinstance(parents, str) else tuple(parents)
        results.append(ScenarioResult(name, own.get("description", ""), told, problem, plan))
    page = comparison_map_page(results, differences_from_base(results), folder=folder)
    (out / "comparison_map.html").write_text(page, encoding="utf-8", newline="\n")
    (out / "comparison.html").write_text(comparison_page(results, source=file.name), encoding="utf-8", newline="\n")
    return out


# --- what a reader would do ---------------------------------------------------------------------------------------------


def _colour_by(words: str) -> Callable[[Page], None]:
    """Choose what the map is coloured by: the first choice that says these words."""

    def choose(page: Page) -> None:
        found = page.evaluate(
            """(words) => {
              for (const option of document.querySelectorAll("select option")) {
                if (!option.textContent.toLowerCase().includes(words)) continue;
                const choice = option.closest("select");
                choice.value = option.value;
                choice.dispatchEvent(new Event("change", {bubbles: true}));
                return true;
              }
              return false;
            }""",
            words,
        )
        if not found:
            raise ValueError(f"there is nothing to choose that says {words}")

    return choose


def _find(words: str) -> Callable[[Page], None]:
    def search(page: Page) -> None:
        page.fill("#find", words)
        page.wait_for_timeout(400)
        page.keyboard.press("Enter")

    return search


def _look_at(latitude: float, longitude: float, zoom: float) -> Callable[[Page], None]:
    return lambda page: page.evaluate(f"map.setView([{latitude}, {longitude}], {zoom}, {{animate: false}})")


def _sheet(*words: str) -> Callable[[Page], Image]:
    """Print the page and take the first sheet that says one of these words, the earlier ones rather; else the first."""

    def sheet(page: Page) -> Image:
        printed = print_page(page, dots_per_inch=110)
        for word in words:
            for text, picture in zip(printed.texts, printed.pictures, strict=True):
                if word.lower() in text.lower():
                    return picture
        if words:
            raise ValueError(f"no printed sheet says {' or '.join(words)}")
        return printed.pictures[0]

    return sheet


def _as_seen_by_all(page: Page) -> Image:
    """Put the page side by side as it is seen with full colour vision and with the three dichromacies."""
    from PIL import Image, ImageDraw

    session = page.context.new_cdp_session(page)
    seen = []
    for deficiency, label in VISION.items():
        session.send("Emulation.setEmulatedVisionDeficiency", {"type": deficiency or "none"})
        picture = _screenshot(page.locator(".leaflet-container").first)
        ImageDraw.Draw(picture).text((picture.width / 2, 12), label, fill="#16202b", font_size=17, anchor="mt")
        seen.append(picture)
    width, height = seen[0].size
    both = Image.new("RGB", (2 * width + 8, 2 * height + 8), "#ffffff")
    for k, picture in enumerate(seen):
        both.paste(picture, ((k % 2) * (width + 8), (k // 2) * (height + 8)))
    return both


def _screenshot(page: Page | Locator) -> Image:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


SHOTS = (
    Shot("iowa_territories", "iowa", "map.html"),
    Shot("iowa_measure", "iowa", "map.html", prepare=_colour_by("revenue")),
    Shot("iowa_details", "iowa", "map.html", fragment=f"territory={LEAVER}"),
    Shot("iowa_search", "iowa", "map.html", prepare=_find("hy-vee")),
    Shot("iowa_telephone", "iowa", "map.html", size=(390, 800)),
    Shot("branches", "branches", "map.html"),
    Shot("branches_near", "branches", "map.html", prepare=_look_at(40.72, -73.95, 9)),
    Shot("scenarios", "scenarios", "comparison_map.html"),
    Shot("scenario_figures", "scenarios", "comparison.html"),
    Shot("changes", "changes", "diff.html", size=(1400, 1000)),
    Shot("report", "iowa", "report.html", take=_sheet()),
    Shot("report_fairness", "iowa", "report.html", take=_sheet("Gini", "fair", "Loads")),
    Shot("report_rep", "iowa", "report.html", fragment=f"rep-{LEAVER}", take=_sheet()),
    Shot("iowa_colour_vision", "iowa", "map.html", size=(1160, 600), take=_as_seen_by_all),
)


def _taken(browser: Browser, shot: Shot, page: Path) -> Image:
    with visited(browser, page, size=shot.size, fragment=shot.fragment) as seen:
        if shot.prepare is not None:
            shot.prepare(seen.page)
        seen.page.wait_for_timeout(500)  # tiles of accounts are drawn after the page is ready
        picture = (shot.take or _screenshot)(seen.page)
        if seen.complaints:
            raise ValueError(f"the browser complains: {seen.complaints[0]}")
        return picture


def _save(picture: Image, path: Path) -> int:
    """Write a picture in as many colours as leave it small; return its size in bytes."""
    from PIL import Image

    for colours in (256, 128, 64):
        few = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            break
    return path.stat().st_size


if __name__ == "__main__":
    raise SystemExit(main())
