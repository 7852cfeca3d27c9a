"""Small plans to draw: accounts around reps, each with the nearest one; and a real browser without a network."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.browser import Print, Visit, chromium, chromium_path, print_page, visited
from territory_engine.config import Config
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem, Source

ACCESSIBILITY_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
# What a sheet would not show to its right edge: text that ends beyond it, and boxes that hide or scroll a part of theirs.
CUT_AT_THE_EDGE = """() => {
  const edge = document.documentElement.clientWidth + 1, said = [];
  for (const box of document.body.querySelectorAll("*")) {
    if (!(box instanceof HTMLElement) || box.closest(".leaflet-container") || !box.innerText?.trim()) continue;
    const style = getComputedStyle(box), place = box.getBoundingClientRect();
    if (style.display === "none" || style.visibility === "hidden" || place.width <= 1 || place.height <= 1) continue;
    const hides = style.overflowX !== "visible" && box.scrollWidth > box.clientWidth + 1 && box.clientWidth > 1;
    const beyond = place.right > edge && [...box.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (hides || beyond) said.push((hides ? "hidden in " : "beyond: ") + box.tagName + "." + box.className + " " + box.innerText.slice(0, 40));
  }
  return said;
}"""
SCREENSHOTS = Path(__file__).resolve().parents[2] / "out" / "screenshots"


def build_problem(
    longitude: Any,
    latitude: Any,
    reps: dict[str, tuple[float, float]],
    *,
    names: list[str] | None = None,
    planar: bool = False,
    config: dict[str, Any] | None = None,
    background: Any = None,
    extra: dict[str, Any] | None = None,
) -> PlanningProblem:
    columns = ("x", "y") if planar else ("longitude", "latitude")
    n = len(longitude)
    accounts = pd.DataFrame(
        {
            "name": names or [f"Account {i}" for i in range(n)],
            columns[0]: np.asarray(longitude, dtype=float),
            columns[1]: np.asarray(latitude, dtype=float),
            "visits": 1.0 + np.arange(n) % 5,
            "revenue": 1000.0 + 10 * np.arange(n),
            **(extra or {}),
        },
        index=pd.Index([f"A{i:04d}" for i in range(n)], name="account_id"),
    )
    accounts["location_source"] = np.where(accounts[columns[0]].isna(), "none", "given")
    accounts["location_precision_km"] = 0.0
    homes = pd.DataFrame(
        {
            "name": [f"Rep {r}" for r in reps],
            columns[0]: [p[0] for p in reps.values()],
            columns[1]: [p[1] for p in reps.values()],
        },
        index=pd.Index(list(reps), name="rep_id"),
    )
    settings: dict[str, Any] = {
        "data": {"accounts": "accounts.csv", "reps": "reps.csv"},
        "balance": ({"measure": "visits", "tolerance": 0.2},),
        "travel": {"weight": "visits", "metric": "euclidean" if planar else "haversine"},
    }
    settings.update(config or {})
    return PlanningProblem(
        Config.model_validate(settings),
        accounts,
        homes,
        background=background,
        sources=(Source("accounts", "accounts.csv", "ab" * 32, n),),
        notices=("3 accounts were placed by their postal code.",),
    )


def build_plan(problem: PlanningProblem, **changes: Any) -> Plan:
    planar = problem.config.travel.metric == "euclidean"
    columns = ["x", "y"] if planar else ["longitude", "latitude"]
    here = problem.accounts[columns].to_numpy(float)
    home = problem.reps[columns].to_numpy(float)
    away = np.hypot(here[:, None, 0] - home[None, :, 0], here[:, None, 1] - home[None, :, 1])
    away = np.where(np.isnan(away), 0.0, away) + np.arange(len(home)) * 1e-12
    pick = away.argmin(axis=1) if len(here) else np.zeros(0, dtype=int)
    travel = np.where(np.isnan(here[:, 0]), np.nan, away[np.arange(len(here)), pick] * (1 if planar else 100))
    rep = problem.reps.index.to_numpy()[pick]
    current = problem.config.disruption.current if problem.config.disruption else None
    previous = problem.accounts[current].to_numpy() if current else np.full(len(here), "")
    assignments = pd.DataFrame(
        {
            "territory_id": rep,
            "rep_id": rep,
            "travel": travel,
            "previous_rep_id": previous,
            "moved": (previous != rep) & (previous != ""),
            "reason": [f"{r} is the nearest rep, {t:.1f} km away." for r, t in zip(rep, travel, strict=True)],
        },
        index=problem.accounts.index,
    )
    n_reps = len(problem.reps)
    territories = pd.DataFrame(
        {
            "rep_id": problem.reps.index.to_numpy(),
            "accounts": np.bincount(pick, minlength=n_reps),
            "travel": np.bincount(pick, np.nan_to_num(travel) * problem.weights(), minlength=n_reps),
        },
        index=pd.Index(problem.reps.index, name="territory_id"),
    )
    measures = {}
    for rule in problem.balance_rules():
        load = np.bincount(pick, problem.measure_values(rule.measure), minlength=n_reps)
        territories[rule.measure] = load
        territories[f"{rule.measure}_target"] = rule.target
        territories[f"{rule.measure}_deviation"] = load / rule.target - 1
        measures[rule.measure] = {
            "max_deviation": float(np.abs(load / rule.target - 1).max()),
            "total": float(load.sum()),
        }
    objective = float(territories["travel"].sum())
    values: dict[str, Any] = {
        "status": "feasible",
        "assignments": assignments,
        "territories": territories,
        "objective": objective,
        "lower_bound": objective * 0.9996,
        "gap": 0.0004,
        "priced_bound": objective * 0.9996,
        "objective_terms": {"travel": objective},
        "measures": measures,
        "prices": {"visits": {str(problem.reps.index[0]): {"upper": 0.8}}},
        "proof": {"kind": "prices"},
        "termination": "gap",
        "rounds": 3,
        "solve_seconds": 1.5,
        "seed": 0,
    }
    values.update(changes)
    return Plan(**values)


def build_infeasible(problem: PlanningProblem) -> Plan:
    plan = build_plan(problem)
    return Plan(
        status="infeasible",
        assignments=plan.assignments.iloc[:0],
        territories=plan.territories.iloc[:0],
        objective=None,
        lower_bound=None,
        gap=None,
        priced_bound=None,
        objective_terms={},
        measures={},
        prices={},
        proof={"kind": "prices"},
        termination="infeasible",
        rounds=0,
        solve_seconds=0.1,
        seed=0,
        conflict={
            "rules": ["Accounts locked to R1 need 6,120 visits; R1's limit is 5,771 <b>."],
            "relaxations": ["A tolerance of 13 % on visits."],
            "accounts": ["A0001"],
            "certificate": 1.0,
        },
    )


@pytest.fixture(name="build_problem")
def _build_problem() -> Callable[..., PlanningProblem]:
    return build_problem


@pytest.fixture(name="build_plan")
def _build_plan() -> Callable[..., Plan]:
    return build_plan


@pytest.fixture(name="build_infeasible")
def _build_infeasible() -> Callable[..., Plan]:
    return build_infeasible


_TYPES = {"Int16Array": "<i2", "Uint16Array": "<u2", "Uint32Array": "<u4", "Float32Array": "<f4", "Float64Array": "<f8"}


def unpack(text: str) -> Any:
    """Undo maps.pages.columns.pack, as pages do: columns as arrays, dictionaries of texts as lists."""
    data = gzip.decompress(base64.b64decode(text, validate=True))
    head = 4 + int.from_bytes(data[:4], "little")

    def column(kind: str, start: int, n: int) -> Any:
        dtype = np.dtype("<u4" if kind == "steps" else _TYPES[kind])
        by_place = np.frombuffer(data, np.uint8, n * dtype.itemsize, head + start).reshape(dtype.itemsize, n)
        stored = np.ascontiguousarray(by_place.T).view(dtype).ravel()
        if kind != "steps":
            return stored
        change = (stored >> 1).astype(np.int64) ^ -(stored & 1).astype(np.int64)
        return np.cumsum(change).astype(np.uint32).view(np.int32)

    def read(value: dict[str, Any]) -> Any:
        if set(value) == {"column"}:
            return column(*value["column"])
        if {"values", "index"} <= set(value):
            texts = [value["values"][i] for i in value["index"]] if value["index"] is not None else value["values"]
            for k, numbers in enumerate(value.get("numbers") or ()):
                parts = iter(numbers.split("|"))
                texts[k] = re.sub("\x00", lambda _, parts=parts: next(parts), texts[k])
            return texts
        return value

    return json.loads(data[4:head], object_hook=read)


@pytest.fixture(name="unpack", scope="session")
def _unpack() -> Callable[[str], Any]:
    return unpack


@pytest.fixture
def account_data() -> Callable[[str], Any]:
    """Return a function that reads the accounts out of a map's page: its columns, or its circles in levels."""
    return lambda html: unpack(re.search(r'id="account-columns">(.*?)</script>', html)[1])


@pytest.fixture
def midwest() -> PlanningProblem:
    """300 accounts and 5 reps, with today's owners and a tile layer configured."""
    rng = np.random.default_rng(0)
    reps = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0), "R3": (-95.0, 42.5), "R4": (-92.5, 43.0), "R5": (-94.5, 40.8)}
    owner = np.array([*reps, "", "GONE"])[rng.integers(0, 7, 300)]
    return build_problem(
        rng.uniform(-96, -90, 300),
        rng.uniform(40.5, 43.5, 300),
        reps,
        extra={"owner": owner},
        config={
            "disruption": {"current": "owner"},
            "map": {"tiles": "https://{s}.tiles.example.org/{z}/{x}/{y}.png", "attribution": "<b>Tiles</b>"},
        },
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, started once a module; it ends with the module, because Playwright's loop is in the way of others."""
    if chromium_path() is None:
        pytest.skip("no Chromium on the PATH (Debian: apt-get install chromium)")
    with chromium(shell=True) as started:
        yield started


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every kind of page, by its name in ``every_page.KINDS``: written once, to be opened and left as they are."""
    if chromium_path() is None:
        pytest.skip("no Chromium on the PATH (Debian: apt-get install chromium)")
    from tests.maps.every_page import write_every_page

    return write_every_page(tmp_path_factory.mktemp("pages"))


@pytest.fixture
def visit(browser: Any) -> Callable[..., AbstractContextManager[Visit]]:
    """Return a function that opens a page with the network off: ``with visit(path) as open_page: open_page.page…``.

    It takes what :func:`benchmarks.browser.visited` takes. A page that made the browser complain fails the test, unless
    ``complaints`` were looked at and cleared.
    """

    @contextmanager
    def open_page(path: Path, **options: Any) -> Iterator[Visit]:
        with visited(browser, path, **options) as seen:
            yield seen
        assert seen.complaints == []

    return open_page


@pytest.fixture
def opened(browser: Any) -> Callable[[Path], tuple[str, list[str]]]:
    """Return a function that opens a page: its DOM after its scripts ran, and everything the browser complained about."""

    def open_page(path: Path) -> tuple[str, list[str]]:
        with visited(browser, path, size=(1300, 850)) as seen:
            return seen.page.content(), seen.complaints

    return open_page


@pytest.fixture
def exercised(browser: Any) -> Callable[[Path, str], tuple[dict[str, Any], list[str]]]:
    """Return a function that runs a script in a page once it is ready.

    It returns what the script left as JSON in an element called ``exercise``, and the browser's complaints.
    """

    def exercise(page: Path, script: str) -> tuple[dict[str, Any], list[str]]:
        with visited(browser, page, size=(1300, 850)) as seen:
            seen.page.evaluate(f"() => {{ {script}; dispatchEvent(new Event('load')); }}")
            found = seen.page.wait_for_selector("#exercise", state="attached", timeout=20_000)
            assert found is not None
            return json.loads(found.text_content() or ""), seen.complaints

    return exercise


@pytest.fixture
def keep_picture() -> Callable[[Any, str], Path]:
    """Return a function that keeps a screenshot of a page as ``out/screenshots/NAME.png``, for people to look at."""

    def keep(page: Any, name: str) -> Path:
        path = SCREENSHOTS / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path)
        return path

    return keep


@pytest.fixture
def axe() -> Callable[..., None]:
    """Return a function that fails where an open page breaks WCAG 2.2 at level A or AA, as far as axe-core can see.

    ``axe(open_page.page)`` looks at the page as it is: open what there is to open first, and look again. A fault that
    is known and not ours can be left out by name: ``axe(page, but={"rule-id"})``.
    """
    from axe_playwright_python.sync_playwright import Axe

    def look(page: Any, *, but: Collection[str] = ()) -> None:
        options = {"runOnly": {"type": "tag", "values": list(ACCESSIBILITY_RULES)}, "resultTypes": ["violations"]}
        response = Axe().run(page, options=options).response
        assert response["passes"], "axe-core found nothing to check"
        faults = [
            f"{rule['id']} ({rule['impact']}): {rule['help']}\n"
            + "\n".join(
                f"    {' '.join(map(str, node['target']))}\n        {node['html'][:160]}\n        "
                + " ".join(node["failureSummary"].split())
                for node in rule["nodes"][:5]
            )
            + (f"\n    and {len(rule['nodes']) - 5} more" if len(rule["nodes"]) > 5 else "")
            for rule in response["violations"]
            if rule["id"] not in but
        ]
        assert not faults, "\n".join(["what WCAG 2.2 AA does not allow:", *faults])

    return look


@pytest.fixture
def printed() -> Callable[..., Print]:
    """Return a function that prints an open page: ``printed(open_page.page, "report", landscape=False)``.

    It returns the text and a picture of each sheet, and keeps the pictures as ``out/screenshots/NAME-print-1.png``. It
    fails where a sheet is blank or where something is wider than the paper.
    """

    def print_it(page: Any, name: str, **options: Any) -> Print:
        sheets = print_page(page, keep=SCREENSHOTS / f"{name}-print", **options)
        size = page.viewport_size
        page.emulate_media(media="print")
        page.set_viewport_size({"width": int(sheets.width_px), "height": size["height"]})
        cut = page.evaluate(CUT_AT_THE_EDGE)
        page.set_viewport_size(size)
        page.emulate_media(media="null")
        assert cut == [], f"wider than the paper: {cut[:8]}"
        blank = [k + 1 for k, picture in enumerate(sheets.pictures) if np.ptp(picture.convert("L").getextrema()) < 10]
        assert blank == [], f"sheets {blank} of {len(sheets.pictures)} are blank"
        return sheets

    return print_it
