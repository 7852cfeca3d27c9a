"""What the report tells beside the rules: who gains and loses, fairness, travel, risks, pictures, and a page per rep."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maps.report.facts import ReportFacts
from maps.report.fairness import fairness_section, fairness_sentence, fairness_topics
from maps.report.gains import gains_section, plain_reason
from maps.report.headline import headline, in_short
from maps.report.page import report_page
from maps.report.picture import draw_territories, territory_picture
from maps.report.rep_pages import BRIEF, page_links, page_size, rep_pages
from maps.report.risks import risks_section
from scenarios.fairness import gini
from territory_engine.wording import number
from tests.scenarios.conftest import made

MARGIN = "Territory plan: 5 sales territories "


def words(html: str) -> str:
    """What a reader sees."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)))


@pytest.fixture
def facts(midwest: Any, build_plan: Any) -> ReportFacts:
    return ReportFacts(midwest, build_plan(midwest))


def test_the_headline_says_what_changes_and_for_whom(facts: ReportFacts) -> None:
    moved = int(facts.plan.assignments["moved"].sum())
    assigned = int((facts.owner < 0).sum())
    assert headline(facts) == (
        f"5 reps serve 300 accounts; {moved} accounts change hands, and {assigned} without a rep get one"
    )


def test_without_an_alignment_of_today_the_headline_says_what_the_plan_achieves(
    build_problem: Any, build_plan: Any
) -> None:
    problem = build_problem([-93.0, -92.0], [41.0, 42.0], {"R1": (-93.0, 41.0), "R2": (-92.0, 42.0)})
    text = headline(ReportFacts(problem, build_plan(problem)))
    assert text == "2 reps serve 2 accounts, each within 33.3\N{NO-BREAK SPACE}% of its share of visits"


def test_figures_are_those_of_the_plans_territories(facts: ReportFacts) -> None:
    text = words(report_page(facts.problem, facts.plan))
    for row in facts.plan.territories.itertuples():
        assert f"Rep {row.Index} ({row.Index}) {number(row.accounts)} {number(row.visits)} " in text
        assert number(row.travel) in text
    pages = rep_pages(facts, None)
    for page, (_, row) in zip(pages, facts.plan.territories.iterrows(), strict=True):
        told = {label: load for label, load, *_ in page["figures"]}
        assert told["Accounts"] == number(row["accounts"])
        assert told["Visits"] == number(row["visits"])
        assert told["Travel, km-visits"] == number(row["travel"])


def test_gains_and_losses_add_up_to_what_changes(facts: ReportFacts) -> None:
    section = gains_section(facts)
    assert section is not None
    owners = facts.problem.accounts["owner"].to_numpy(str)
    reps = facts.plan.assignments["rep_id"].to_numpy(str)
    for row, rep in zip(section["rows"], facts.ids, strict=True):
        gained, lost = int(((reps == rep) & (owners != rep)).sum()), int(((reps != rep) & (owners == rep)).sum())
        assert row["cells"][0][1] == f"+{gained} −{lost}"
    assert "Every rep gains or loses accounts." in section["untouched"]
    largest = section["largest"]
    sizes = [float(row["size"].replace(",", "")) for row in largest]
    moving = np.sort(facts.sizes[reps != owners])[::-1]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[:10] == moving[:10].tolist()
    assert len(largest) <= 10 + len(facts.ids)
    assert {row["to"] for row in largest} == set(facts.names)


def test_reps_whom_nothing_happens_to_are_named_in_one_line(build_problem: Any, build_plan: Any) -> None:
    problem = build_problem(
        [-93.0, -92.9, -91.0, -89.0], [41.0] * 4, {"R1": (-93.0, 41.0), "R2": (-91.0, 41.0), "R3": (-89.0, 41.0)},
        extra={"owner": ["R1", "R2", "R2", "R3"]}, config={"disruption": {"current": "owner"}},
    )  # fmt: skip
    section = gains_section(ReportFacts(problem, build_plan(problem)))
    assert section is not None
    assert [row["name"] for row in section["rows"]] == ["Rep R1 (R1)", "Rep R2 (R2)"]
    assert section["untouched"] == "Rep R3 keeps exactly its accounts of today."


def test_fairness_compares_what_the_configuration_names_and_columns_by_their_very_names(
    build_problem: Any, build_plan: Any
) -> None:
    problem = build_problem(
        [-93.0, -92.9, -91.0],
        [41.0] * 3,
        {"R1": (-93.0, 41.0), "R2": (-91.0, 41.0)},
        extra={"potential": [5.0, 6.0, 7.0]},
    )
    problem = dataclasses.replace(problem, reps=problem.reps.assign(quota=[1.0, 3.0], bonus=[1.0, 2.0]))
    facts = ReportFacts(problem, build_plan(problem))
    topics = fairness_topics(facts)
    assert [(t.measure, t.share_column) for t in topics] == [("visits", ""), ("potential", ""), ("revenue", "quota")]
    assert topics[2].per == "per unit of “quota”"
    text = words(report_page(problem, facts.plan))
    assert f"Gini coefficient {gini(topics[2].load, topics[2].share):.3f}" in text
    assert "Rep R1 has the most revenue for each unit of “quota”: 5.91 × what Rep R2 has, the least." in text
    assert "bonus" not in text


def test_risks_are_told_with_who_and_why_and_their_absence_too(facts: ReportFacts) -> None:
    section = risks_section(facts)
    assert all(row["who"] and row["why"] for row in section["rows"])
    assert "an account without a place" in section["none"]
    quiet = risks_section(facts, ())
    assert quiet["rows"] == []
    assert "a load outside its limits" in quiet["none"]


def test_a_reason_for_a_rep_tells_nobody_elses_figures(facts: ReportFacts) -> None:
    facts.reasons[:6] = [
        "R1 is 63.9 km nearer (saves 14,897 km-visits), but room there is 15,366 km-visits dearer than with R2: mainly, 233 visits cost 26,833 with R1 (at 5,245 of at most 5,245)",
        "R1 would travel less (saves 5 km-visits); at the prices of limits R1 and R2 are equally good, and whole accounts have to fit the limits",
        "nearest rep",
        "locked to R3 until 2026-12-31",
        "only R2 may serve it",
        "nearest rep (R3 accounts of parent R1 go together)",
    ]
    assert [plain_reason(facts, i) for i in range(6)] == [
        "Rep R1 is 63.9 km nearer, but room there is scarcer",
        "Rep R1 would travel less, but whole accounts have to fit the limits",
        "Nearest rep",
        "Locked to Rep R3 until 2026-12-31",
        "Only Rep R2 may serve it",
        "Nearest rep (R3 accounts of parent R1 go together)",
    ]


def test_a_number_in_a_reason_is_nobodys_id(build_problem: Any, build_plan: Any) -> None:
    problem = build_problem([-93.0, -91.0], [41.0, 42.0], {"5": (-93.0, 41.0), "7": (-91.0, 42.0)})
    facts = ReportFacts(problem, build_plan(problem))
    facts.reasons[0] = "5 is 7 km nearer (saves 7 km-visits), but room there is 9 km-visits dearer than with 7: because"
    assert plain_reason(facts, 0) == "Rep 5 is 7 km nearer, but room there is scarcer"


def test_a_reps_page_has_names_of_others_and_no_figure_of_theirs(facts: ReportFacts) -> None:
    html = report_page(facts.problem, facts.plan)
    pages = {
        re.search(r'id="rep-([^"]+)"', a)[1]: words(a) for a in re.findall(r"<article.*?</article>", html, re.DOTALL)
    }  # type: ignore[index]  # every page has one
    assert list(pages) == facts.ids
    loads = {i: number(float(v)) for i, v in facts.plan.territories["travel"].items()}
    for i, text in pages.items():
        assert loads[i] in text
        assert not [j for j, load in loads.items() if j != i and load in text]


def test_what_comes_and_goes_is_told_with_who_had_it_and_who_gets_it(facts: ReportFacts) -> None:
    for row, page in enumerate(rep_pages(facts, None)):
        comes = facts.changed & (facts.territory == row)
        goes = facts.changed & (facts.owner == row)
        assert page["comes"]["n"] == f"{comes.sum()} accounts"
        assert page["goes"]["n"] == f"{goes.sum()} accounts"
        counts = [int(n) for n in re.findall(r"(\d+) from", page["comes"]["people"])]
        assert sum(counts) == comes.sum()
        assert "GONE, who left" in {facts.owner_name(k) for k in np.flatnonzero(comes)} | {"GONE, who left"}


def test_ids_of_pages_are_fit_for_an_address_and_never_the_same() -> None:
    links = page_links(["R03", "R 03", "R_03", "R~2003", "Ü", "a/b#c", '"><b>'])
    assert links[:2] == ["rep-R03", "rep-R~2003"]
    assert len(set(links)) == len(links)
    assert all(re.fullmatch(r"[A-Za-z0-9_.~-]+", link) for link in links)


def test_so_many_reps_that_the_file_would_be_huge_get_shorter_pages() -> None:
    assert page_size(401) is BRIEF
    assert page_size(400).largest > BRIEF.largest


# --- pictures -----------------------------------------------------------------------------------------------------------


def test_the_picture_has_every_territory_in_the_colours_of_the_map(facts: ReportFacts) -> None:
    drawn = draw_territories(facts)
    assert drawn is not None
    svg = str(territory_picture(facts, drawn))
    assert re.findall(r'fill="(#\w+)"', svg) == drawn.colours
    assert 'role="img" aria-label="Map of 5 territories' in svg
    assert "nan" not in svg
    assert svg.count("<text") == 5


def test_a_plane_is_drawn_too_and_places_that_nobody_knows_are_not(build_problem: Any, build_plan: Any) -> None:
    planar = build_problem([0.0, 1e5, 2e5], [0.0, 1e5, 0.0], {"R1": (0, 0), "R2": (1e5, 1e5)}, planar=True)
    html = report_page(planar, build_plan(planar))
    assert 'class="map"' in html
    assert html.count('class="rep-map"') == 2
    nowhere = build_problem([np.nan] * 3, [np.nan] * 3, {"R1": (-93.0, 41.0)})
    html = report_page(nowhere, build_plan(nowhere))
    assert '<svg class="map"' not in html
    assert "3 accounts have no place" in words(html)


def test_names_that_do_not_fit_are_left_out_rather_than_cut(build_problem: Any, build_plan: Any) -> None:
    rng = np.random.default_rng(1)
    reps = {f"An extraordinarily long name of a sales territory {i}": (-96 + i * 0.5, 41.0) for i in range(12)}
    problem = build_problem(rng.uniform(-96, -90, 200), rng.uniform(40.5, 41.5, 200), reps)
    facts = ReportFacts(problem, build_plan(problem))
    drawn = draw_territories(facts)
    assert drawn is not None
    assert "<text" not in str(territory_picture(facts, drawn))


def test_the_same_plan_gives_the_same_report(midwest: Any, build_plan: Any) -> None:
    plan = build_plan(midwest)
    assert report_page(midwest, plan) == report_page(midwest, plan)


def test_a_plan_without_reps_has_a_page_per_territory() -> None:
    problem, plan = made({"a": "T01", "b": "T01", "c": "T02"})
    plan = dataclasses.replace(
        plan,
        territories=plan.territories.assign(
            accounts=[2, 1], travel=[2.0, 1.0], visits=[3.0, 3.0], visits_target=3.0, visits_deviation=0.0
        ),
        assignments=plan.assignments.assign(
            moved=False, previous_rep_id="", reason=pd.Series("nearest centre", index=plan.assignments.index)
        ),
    )
    text = words(report_page(problem, plan))
    assert "2 territories hold 3 accounts" in text
    assert "A page for each territory" in text
    assert "Visits per territory" in text
    assert not re.search(r"\breps?\b", text.replace("--rerun", "")), re.findall(r".{30}\breps?\b.{30}", text)


def test_what_is_the_same_as_today_is_said_to_be(facts: ReportFacts) -> None:
    facts.travel_today = facts.travel * (1 + 1e-12)
    assert in_short(facts, [], ())[0][1].endswith("on average, as today.")


def test_one_rep_is_compared_with_nobody(build_problem: Any, build_plan: Any) -> None:
    problem = build_problem([-93.0, -91.0], [41.0, 42.0], {"R1": (-93.0, 41.0)})
    assert fairness_topics(ReportFacts(problem, build_plan(problem))) == []


def test_what_the_problem_has_no_limits_for_is_not_said_to_be_absent(build_problem: Any, build_plan: Any) -> None:
    soft = {"balance": ({"measure": "visits", "target_weight": 1.0},)}
    problem = build_problem([-93.0, -91.0], [41.0, 42.0], {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0)}, config=soft)
    text = words(report_page(problem, build_plan(problem, prices={})))
    assert "an account without a place" in text
    for told in ("limit", "capacity", "changes hands"):
        assert told not in text.split("Looked for")[1].split(".")[0]
    assert "between its limits" not in text


# --- on paper -----------------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_every_reps_page_is_one_sheet_and_the_cover_another(
    paper: str, facts: ReportFacts, browser: Any, tmp_path: Any
) -> None:
    import pypdfium2

    long = [f"{name} with a name that is longer than a line has room for, by far" for name in facts.account_names]
    problem = dataclasses.replace(facts.problem, accounts=facts.problem.accounts.assign(name=long))
    path = tmp_path / "report.html"
    path.write_text(report_page(problem, facts.plan), encoding="utf-8")

    def sheets(fragment: str) -> list[str]:
        page = browser.new_page()
        page.goto(path.as_uri() + fragment)
        made = pypdfium2.PdfDocument(page.pdf(format=paper, prefer_css_page_size=True, print_background=True))
        page.close()
        found = [re.sub(r"\s+", " ", sheet.get_textpage().get_text_bounded()).strip() for sheet in made]
        for place, text in enumerate(found, 1):
            assert text.startswith(f"{MARGIN}Page {place} of {len(found)} ")
        return [text.split(f" of {len(found)} ", 1)[1] for text in found]

    texts = sheets("")
    assert "5 reps serve 300 accounts" in texts[0]
    assert "In this report" not in texts[0]
    assert texts[1].startswith("In this report")
    for name, text in zip(facts.names, texts[-5:], strict=True):
        assert text.startswith(name)
        assert "Why these accounts" in text
    alone = sheets("#rep-R3")
    assert len(alone) == 1
    assert alone[0].startswith("Rep R3")


@pytest.mark.browser
def test_the_report_fits_a_phone_and_opens_at_a_reps_page(facts: ReportFacts, visit: Any, tmp_path: Any) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_page(facts.problem, facts.plan), encoding="utf-8")
    with visit(path, size=(390, 800), fragment="rep-R2") as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert seen.page.locator("#rep-R2 .only").is_visible()
        assert not seen.page.locator("#rep-R1 .only").is_visible()
        assert abs(seen.page.locator("#rep-R2").bounding_box()["y"]) < 60


def test_reps_who_have_as_much_as_each_other_are_counted_not_one_of_them_named(
    build_problem: Any, build_plan: Any
) -> None:
    problem = build_problem(
        [-93.0, -91.0, -89.0, -87.0], [41.0] * 4, {f"R{k}": (-93.0 + 2 * k, 41.0) for k in range(4)},
        extra={"calls": [4.0, 4.0, 2.0, 3.0]}, config={"balance": ({"measure": "calls", "tolerance": 0.9},)},
    )  # fmt: skip
    text = words(report_page(problem, build_plan(problem)))
    assert "Rep R0 and 1 other have the most calls: 2.00 × what Rep R2 has, the least." in text
    assert "+23.1 %, Rep R0 and 1 other" in text


def test_ties_in_todays_loads_are_told_of_today(build_problem: Any, build_plan: Any) -> None:
    problem = build_problem(
        [-93.0, -91.0, -89.0], [41.0] * 3, {f"R{k}": (-93.0 + 2 * k, 41.0) for k in range(3)},
        extra={"calls": [4.0, 3.0, 2.0], "owner": ["R0", "R1", ""]},
        config={"balance": ({"measure": "calls", "tolerance": 0.9},), "disruption": {"current": "owner"}},
    )  # fmt: skip
    problem = dataclasses.replace(problem, accounts=problem.accounts.assign(calls=[3.0, 3.0, 2.0]))
    (topic,) = fairness_topics(ReportFacts(problem, build_plan(problem)))
    shown = fairness_section(ReportFacts(problem, build_plan(problem)), [topic])[0]
    assert shown["rows"][0][1:] == ("+12.5 %, Rep R0 and 1 other", "+50.0 %, Rep R0 and 1 other")
    assert shown["rows"][1][1:] == ("−25.0 %, Rep R2", "−100.0 %, Rep R2")


def test_nobody_has_most_where_all_have_as_much_but_for_the_last_digit(build_problem: Any, build_plan: Any) -> None:
    problem = build_problem(
        [-93.0, -91.0], [41.0] * 2, {"R0": (-93.0, 41.0), "R1": (-91.0, 41.0)},
        extra={"calls": [0.3, 0.1 + 0.2]}, config={"balance": ({"measure": "calls", "tolerance": 0.9},)},
    )  # fmt: skip
    facts = ReportFacts(problem, build_plan(problem))
    assert fairness_sentence(facts, fairness_topics(facts)[0]) == ""
