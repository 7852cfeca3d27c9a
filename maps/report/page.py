"""``report.html``: what a manager reads, and a page for every rep to hand out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from maps.pages.offline import page_from
from maps.report.facts import ReportFacts, alignment_today
from maps.report.fairness import fairness_section, fairness_topics
from maps.report.gains import gains_section
from maps.report.headline import headline, in_short, key_numbers, status_sentence
from maps.report.moves import what_changes
from maps.report.picture import draw_territories, territory_picture
from maps.report.prices import prices_section
from maps.report.rep_pages import BRIEF, page_links, page_size, rep_pages
from maps.report.risks import risks_section
from maps.report.rules import rule_sentences
from maps.report.tables import all_territories, before_and_after, broken_today, load_sections
from maps.report.travel import travel_section
from scenarios.risks import plan_risks
from territory_engine.grammar import counted
from territory_engine.wording import STATUS_WORDS, number, objective_unit, proof_sentence, size_in_words

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_SHORT_NAME = 6
_ENDINGS = {
    "gap": "the proved gap was small enough",
    "optimal": "the plan was proved optimal",
    "stalled": "further search found nothing better",
    "time_limit": "the time limit was reached",
    "rounds": "the configured number of rounds was done",
    "interrupted": "it was interrupted; this is the best plan until then",
    "infeasible": "the rules were proved to contradict each other",
}


def write_report(
    problem: PlanningProblem,
    plan: Plan,
    path: Path | str,
    *,
    moves: pd.DataFrame | None = None,
    shapes: gpd.GeoDataFrame | None = None,
) -> None:
    """Write a plan as one HTML page to read, to print and to hand out: results, proof, a map, what changes, a page per rep.

    The page needs no script and no network. An infeasible plan gives the conflict and what would resolve it.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    path : path-like
    moves : DataFrame, optional
        The move list, as :func:`scenarios.move_list.ordered_moves` returns it; the page tells of no order of moves without it.
    shapes : GeoDataFrame, optional
        What :func:`maps.territory_shapes` returned for the same plan, to save growing the shapes again.
    """
    Path(path).write_text(report_page(problem, plan, moves, shapes=shapes), encoding="utf-8", newline="\n")


def report_page(
    problem: PlanningProblem,
    plan: Plan,
    moves: pd.DataFrame | None = None,
    *,
    shapes: gpd.GeoDataFrame | None = None,
) -> str:
    """Return the page that :func:`write_report` writes."""
    before = alignment_today(problem)
    context: dict[str, Any] = {
        "title": counted(len(problem.territory_ids), "sales territory"),
        "headline": "No plan can keep all these rules",
        "subtitle": size_in_words(problem),
        "status": plan.status,
        "status_word": STATUS_WORDS[plan.status],
        "status_words": status_sentence(plan),
        "proof": proof_sentence(problem, plan).split("`"),
        "ending": _ENDINGS.get(plan.termination, plan.termination),
        "seconds": number(plan.solve_seconds),
        "seed": plan.seed,
        "notices": list(dict.fromkeys([*plan.notices, *problem.notices])),
        "foreign_owners": counted(before.unknown_owner, "account belongs", "accounts belong") if before else "",
        "before": before,
        "sources": problem.sources,
        "scenario": problem.scenario,
        "rules": rule_sentences(problem),
        "conflict": plan.conflict or {},
        "changes": what_changes(problem, plan, moves) if moves is not None and len(moves) else None,
        "prices": prices_section(problem, plan),
        "unit": objective_unit(problem),
        "plan": None,
        "reps": [],
    }
    if plan.objective is not None:
        context |= _of_a_plan(ReportFacts(problem, plan), shapes)
    return page_from("report/report.html.jinja", context)


def _of_a_plan(facts: ReportFacts, shapes: gpd.GeoDataFrame | None) -> dict[str, Any]:
    """Return what a report on a plan that is possible has beside what every report has."""
    topics = fairness_topics(facts)
    risks = plan_risks(facts.problem, facts.plan)
    drawn = draw_territories(facts, shapes)
    links = page_links(facts.ids)
    brief = page_size(len(facts.ids)) is BRIEF
    return {
        "headline": headline(facts),
        "plan": {
            "kpis": key_numbers(facts.problem, facts.plan),
            "in_short": in_short(facts, topics, risks),
            "picture": None if drawn is None else territory_picture(facts, drawn),
            "comparison": before_and_after(facts),
            "broken_before": broken_today(facts),
            "gains": gains_section(facts),
            "fairness": fairness_section(facts, topics),
            "loads": load_sections(facts),
            "travel": travel_section(facts),
            "risks": risks_section(facts, risks),
            "table": all_territories(facts, links),
            "index": list(zip(links, facts.full_names, strict=True)),
            "short_names": max(map(len, facts.full_names), default=0) <= _SHORT_NAME,
            "brief": BRIEF.largest if brief else 0,
            "who": facts.who,
        },
        "reps": rep_pages(facts, drawn),
    }
