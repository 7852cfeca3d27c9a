"""The page of a replay: what it says, that nothing in it is markup, and that it works in a browser without a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from maps.replay import page as page_module
from maps.replay.charts import RepLine, dumbbells
from maps.replay.page import replay_page, write_replay
from scenarios.replay import Replay, replay
from territory_engine.leads.policy import Policy, parse_policy
from territory_engine.plan_directory import write_plan_files

EVIL = "<img src=x onerror=\"document.title='owned'\">{{ 7 * 7 }}"
REPS = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0), "R3": (-95.0, 42.5)}

EXERCISE = """
addEventListener("load", () => setTimeout(() => {
  const all = (q) => [...document.querySelectorAll(q)];
  const report = {
    title: document.title,
    charts: all("svg[role=img]").length,
    dots: all("svg circle").length,
    cut: all("svg[role=img] text").filter((t) => {
      const b = t.getBBox(), v = t.ownerSVGElement.viewBox.baseVal;
      return b.x < 0 || b.y < 0 || b.x + b.width > v.width + 1 || b.y + b.height > v.height + 1;
    }).map((t) => t.textContent),
    markup: all("main img, main script").length,
    wide: document.documentElement.scrollWidth <= window.innerWidth,
    rows: all("table.reps tbody tr").length,
  };
  const out = document.createElement("pre"); out.id = "exercise"; out.textContent = JSON.stringify(report); document.body.append(out);
}, 100));
"""


@pytest.fixture(scope="module")
def roster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("roster") / "roster.csv"
    pd.DataFrame({"rep_id": list(REPS), "name": [EVIL, "Ben", "Cid"]}).to_csv(path, index=False)
    return path


@pytest.fixture
def replayed(build_problem: Any, build_plan: Any, roster: Path, tmp_path: Path) -> Replay:
    """Return twelve leads beside R1, by territory and by turn, with hostile names and what really happened."""
    problem = build_problem([-93.1, -91.1, -95.1], [41.0, 42.0, 42.5], REPS)
    (tmp_path / "plan").mkdir()
    write_plan_files(problem, build_plan(problem), tmp_path / "plan")
    leads = pd.DataFrame(
        {
            "lead_id": [f"L{k:02d}<b>" for k in range(12)],
            "created_at": [f"2024-03-{4 + k:02d}T08:00:00Z" for k in range(12)],
            "latitude": 41.0, "longitude": -93.05, "rep_id": ["R1", "R2", "</td>"] * 4,
        }
    )  # fmt: skip
    new = parse_policy({"reps": str(roster), "matching": {"territory": "ignore"}})
    return replay(leads, tmp_path / "plan", new, Policy(reps=str(roster)), close_after_days=2)


def test_the_page_says_what_changes_and_for_whom_first(replayed: Replay) -> None:
    page = replay_page(replayed)
    said = re.sub(r"<[^>]+>", "", page[page.index('<ul class="say">') : page.index("</ul>")])
    assert said.startswith("8 of 12 leads would go to another rep under the new policy.")
    assert "R1 (12 → 4)" in said
    assert "A rep has 4 to 4 leads rather than 0 to 12" in said
    assert "Gini" in said


def test_the_page_holds_no_markup_of_others_and_fetches_nothing(replayed: Replay) -> None:
    page = replay_page(replayed)
    assert "<img" not in page
    assert "<b>&lt;" not in page
    assert "&lt;img src=x" in page
    assert "L01&lt;b&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert "default-src 'none'" in page


def test_many_leads_and_reps_are_listed_up_to_a_limit(replayed: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "MOST_LEADS_LISTED", 3)
    monkeypatch.setattr(page_module, "MOST_REPS_DRAWN", 2)
    page = replay_page(replayed)
    assert "The first 3; 5 more are in leads.csv." in page
    assert "1 more are in reps.csv" in page


def test_a_chart_shows_every_rep_with_its_change() -> None:
    chart = dumbbells([RepLine("<R1>", 3, 9, 6.2), RepLine("R2", 4, 4, float("nan"))], ("old", "new"), title="leads")
    assert "&lt;R1&gt;: 3 under old, 9 under new, fair share 6.2" in chart
    assert "+6</text>" in chart
    assert chart.count('class="fair"') == 1


@pytest.mark.browser
def test_the_page_works_in_a_browser(replayed: Replay, exercised: Any, tmp_path: Path) -> None:
    write_replay(replayed, tmp_path / "replay.html")
    report, complaints = exercised(tmp_path / "replay.html", EXERCISE)
    assert complaints == []
    assert report == {
        "title": "the new policy against the old policy", "charts": 2, "dots": 6, "cut": [], "markup": 0, "wide": True, "rows": 3,
    }  # fmt: skip


@pytest.mark.browser
def test_the_page_as_written_opens_without_a_complaint(replayed: Replay, opened: Any, tmp_path: Path) -> None:
    write_replay(replayed, tmp_path / "replay.html")
    dom, complaints = opened(tmp_path / "replay.html")
    assert complaints == []
    assert "Side by side" in dom
