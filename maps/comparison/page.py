"""``comparison.html``: scenarios side by side, on one page that needs neither script nor network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from maps.comparison.charts import Strip, TradeOff, bars_chart, strip_chart, trade_off_chart
from maps.pages.offline import page_from
from scenarios.comparison import base_of, comparison_table, own_measures
from scenarios.comparison_words import best_of, figure_rows, headline, same_work
from scenarios.running import BASE
from territory_engine.grammar import counted, listed
from territory_engine.wording import (
    STATUS_WORDS,
    distance_unit,
    measure_label,
    number,
    objective_unit,
    percent,
    proof_sentence,
    size_in_words,
    territory_names,
    travel_unit_sentence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from scenarios.comparison import ScenarioResult
    from scenarios.outlook_comparison import OutlookComparison

MOST_ROWS = 40
"""Beyond this many reps, loads are drawn as dots instead of listed by rep."""
_FULL_COLOUR = 0.30  # a deviation of this much has the strongest colour
_STATUS = {**STATUS_WORDS, "no plan": "no plan found"}


def comparison_page(
    results: Sequence[ScenarioResult],
    *,
    source: str,
    table: pd.DataFrame | None = None,
    outlooks: OutlookComparison | None = None,
) -> str:
    """Return the page as HTML.

    Headline, figures with the best of each row marked, charts of what is traded for what, loads by rep, the scenarios that
    are impossible with their conflicts, and links to each scenario's own map and report, in the directories beside the page.

    Parameters
    ----------
    results : sequence of ScenarioResult
        In the order in which they are shown; at least one.
    source : str
        The file of scenarios, as the reader knows it.
    table : DataFrame, optional
        What :func:`scenarios.comparison.comparison_table` returned for them.
    outlooks : OutlookComparison, optional
        What the plans come to under the file's outlooks.
    """
    table = comparison_table(results) if table is None else table
    planned = [r for r in results if r.planned]
    rows = figure_rows(results, table)
    scenarios = sum(r.name != BASE for r in results)
    context = {
        "title": f"{counted(scenarios, 'scenario')} compared",
        "subtitle": f"{source}; the base plan: {size_in_words(results[0].problem)}",
        "sentences": headline(results, table),
        "heads": [_head(r) for r in results],
        "groups": [
            {"name": group, "rows": [row for row in rows if row.group == group]}
            for group in dict.fromkeys(row.group for row in rows)
        ],
        "notes": _notes(results),
        "trade_off": _trade_off(planned, table) if len(planned) > 1 else None,
        "bars": _bars(planned, table) if len(planned) > 1 else [],
        "loads": _loads(planned) if planned else [],
        "without": [
            {
                "name": r.name,
                "description": r.description,
                "status": r.status,
                "rules": r.conflict,
                "relaxations": r.relaxations,
                "message": r.message,
                "proof": proof_sentence(r.problem, r.plan).split("`") if r.plan is not None else [],
            }
            for r in results
            if not r.planned
        ],
        "outlooks": _outlook_section(planned, outlooks) if outlooks is not None else None,
        "has_map": bool(planned),
    }
    return page_from("comparison/comparison.html.jinja", context)


def _head(result: ScenarioResult) -> dict[str, Any]:
    links = []
    if result.planned:
        links = [
            ("compare", f"comparison_map.html#{result.name}"),
            ("map", f"{result.name}/map.html"),
            ("report", f"{result.name}/report.html"),
        ]
    elif result.plan is not None:
        links = [("report", f"{result.name}/report.html")]
    return {
        "name": result.name,
        "description": result.description if result.name != BASE else "",
        "parents": f"from {listed(result.parents)}" if result.parents else "",
        "status": result.status.replace(" ", "-"),
        "words": _STATUS[result.status],
        "links": links,
    }


def _notes(results: Sequence[ScenarioResult]) -> list[str]:
    """What a reader must know to compare fairly."""
    notes = [said for said in (travel_unit_sentence(results[0].problem), _wider_limits(results)) if said]
    other = [r.name for r, same in zip(results, same_work(results), strict=True) if not same]
    if other:
        notes.append(
            f"{listed(other)}: other accounts or other volumes than the base. Travel there is that of another task, neither"
            " better nor worse, and is not marked."
        )
    if any(r.status == "feasible" for r in results):
        notes.append(
            "The proved gap is how much could be saved at most by a plan that keeps the same rules; differences smaller than"
            " the gaps may come from the search."
        )
    return notes


def _wider_limits(results: Sequence[ScenarioResult]) -> str:
    """Say why fewer reps may travel less, where that is so; nothing elsewhere."""
    base = base_of(results)
    if base is None or base.plan is None or not base.planned:
        return ""
    shares = {rule.measure for rule in base.problem.balance_rules() if rule.tolerance_fraction is not None}
    less = [
        r.name
        for r, same in zip(results, same_work(results), strict=True)
        if r.planned
        and same
        and r.plan is not None
        and len(r.problem.reps) < len(base.problem.reps)
        and r.plan.objective_terms.get("travel", np.inf) < base.plan.objective_terms.get("travel", -np.inf)
        and any(rule.measure in shares and rule.tolerance_fraction is not None for rule in r.problem.balance_rules())
    ]
    if not less:
        return ""
    return (
        f"{listed(less)}: fewer reps than the base, and less travel all the same. Everybody's share grows when a rep leaves, and"
        " the limits around it with it, so that accounts may stay with nearer reps."
    )


def _worst(result: ScenarioResult) -> float:
    assert result.plan is not None
    measures = own_measures(result.problem)
    found = [facts.get("max_deviation", math.nan) for m, facts in result.plan.measures.items() if m in measures]
    return max((v for v in found if v is not None and math.isfinite(v)), default=math.nan)


def _moves_column(table: pd.DataFrame) -> tuple[str, str]:
    if "moved_from_today_accounts" in table:
        return "moved_from_today_accounts", "accounts that change hands, from today's owners"
    return "moved_from_base_accounts", "accounts that change hands, against the base plan"


def _trade_off(planned: Sequence[ScenarioResult], table: pd.DataFrame) -> dict[str, Any] | None:
    """Travel against moves; mean travel, because scenarios may have other accounts."""
    base = base_of(planned)
    column, label = _moves_column(table)
    if base is None or column not in table:
        return None
    mean = table["mean_travel"]
    then = float(mean[BASE])
    if not then > 0:
        return None
    points = []
    for r in planned:
        moves = 0.0 if r is base and column.startswith("moved_from_base") else float(table[column][r.name])
        if math.isfinite(moves) and math.isfinite(float(mean[r.name])):
            points.append(TradeOff(r.name, float(mean[r.name]) / then - 1, moves, _worst(r)))
    if len(points) < 2:
        return None
    chart = trade_off_chart(points, title=f"mean travel per account against {label}", moves_label=label)
    return {"chart": chart, "unit": distance_unit(base.problem), "sized": any(math.isfinite(p.balance) for p in points)}


def _bars(planned: Sequence[ScenarioResult], table: pd.DataFrame) -> list[dict[str, Any]]:
    """Travel, balance and moves of every scenario, each as bars."""
    names = [r.name for r in planned]
    column, label = _moves_column(table)
    worst = [_worst(r) for r in planned]
    shown: list[tuple[str, list[float], Any, Any]] = [
        (f"Travel, {objective_unit(planned[0].problem)}", table["objective_travel"].reindex(names).tolist(), number, same_work(planned)),
        ("Furthest off its share", worst, percent, np.ones(len(names), np.bool_)),
    ]  # fmt: skip
    if column in table:
        others = np.array([not (n == BASE and column.startswith("moved_from_base")) for n in names])
        shown.append((label.capitalize(), table[column].reindex(names).tolist(), number, others))
    charts = []
    for heading, values, show, eligible in shown:
        figures = np.array(values, np.float64)
        if np.isfinite(figures).any():
            best = best_of(figures, eligible, show).tolist()
            charts.append(
                {
                    "heading": heading,
                    "chart": bars_chart(names, figures.tolist(), show, best, title=f"{heading}, by scenario"),
                }
            )
    return charts


def _outlook_section(planned: Sequence[ScenarioResult], outlooks: OutlookComparison) -> dict[str, Any]:
    """Limits that break and the worst balance of every plan, were each outlook to come true."""
    rows = []
    for outlook in outlooks.names:
        cells = []
        for r in planned:
            figures = outlooks.scores.get(r.name)
            if figures is None:
                cells.append({"text": "–", "note": "", "bad": False})
                continue
            broken = int(figures["limits_broken"][outlook])
            balance = figures[[c for c in figures.columns if c.endswith("_max_deviation")]]
            worst = balance.loc[outlook].to_numpy(np.float64)
            known = worst[np.isfinite(worst)]
            cells.append(
                {
                    "text": counted(broken, "limit breaks", "limits break") if broken else "every limit holds",
                    "note": f"within ±{percent(float(known.max()))}" if len(known) else "",
                    "bad": broken > 0,
                }
            )
        rows.append({"name": outlook, "cells": cells})
    return {"names": [r.name for r in planned], "rows": rows, "sentences": outlooks.sentences}


def _loads(planned: Sequence[ScenarioResult]) -> list[dict[str, Any]]:
    measures = list(dict.fromkeys(m for r in planned for m in own_measures(r.problem)))
    names: dict[str, str] = {}
    for r in planned:
        names |= {t: n for t, n in territory_names(r.problem).items() if t not in names}
    by_rep = all(len(r.problem.reps) for r in planned)
    return [_load_table(planned, m, names) for m in measures] if by_rep and len(names) <= MOST_ROWS else [
        section for m in measures if (section := _load_strips(planned, m, names))
    ]  # fmt: skip


def _load_table(planned: Sequence[ScenarioResult], measure: str, names: dict[str, str]) -> dict[str, Any]:
    rows = []
    for territory_id, name in names.items():
        cells = []
        for r in planned:
            assert r.plan is not None
            if territory_id not in r.plan.territories.index:
                cells.append({"text": "–", "note": "", "colour": ""})
                continue
            row: Any = r.plan.territories.loc[territory_id]
            load = float(row.get(r.plan.load_column(measure), math.nan))
            deviation = float(row.get(f"{measure}_deviation", math.nan))
            cells.append(
                {
                    "text": number(load),
                    "note": percent(deviation, signed=True) if math.isfinite(deviation) else "",
                    "colour": _colour(deviation),
                }
            )
        rows.append({"name": name, "id": territory_id if territory_id != name else "", "cells": cells})
    label = measure_label(measure).capitalize()
    return {"heading": f"{label} by rep", "names": [r.name for r in planned], "rows": rows, "chart": None}


def _colour(deviation: float) -> str:
    """Blue below the share, orange above; stronger the further off, always light enough for dark text."""
    if not math.isfinite(deviation):
        return ""
    share = min(1.0, abs(deviation) / _FULL_COLOUR)
    end = (248, 168, 96) if deviation > 0 else (120, 180, 240)
    return "#" + "".join(f"{round(255 + (c - 255) * share):02x}" for c in end)


def _load_strips(planned: Sequence[ScenarioResult], measure: str, names: dict[str, str]) -> dict[str, Any] | None:
    strips, low, high = [], math.inf, -math.inf
    for r in planned:
        assert r.plan is not None
        if f"{measure}_deviation" not in r.plan.territories:
            continue
        deviations = r.plan.territories[f"{measure}_deviation"].to_numpy(np.float64)
        labels = [names.get(str(t), str(t)) for t in r.plan.territories.index]
        strips.append(Strip(r.name, deviations.tolist(), labels))
        tolerance = next((b.tolerance_fraction for b in r.problem.balance_rules() if b.measure == measure), None)
        if tolerance is not None:
            low, high = min(low, -tolerance), max(high, tolerance)
    if not strips or not any(math.isfinite(d) for s in strips for d in s.deviations):
        return None
    label = measure_label(measure).capitalize()
    limits = (low, high) if low < high else (-math.inf, math.inf)
    chart = strip_chart(strips, limits, title=f"{label}: every territory's deviation from its share, by scenario")
    return {"heading": f"{label}: how far territories are off their share", "names": [], "rows": [], "chart": chart}
