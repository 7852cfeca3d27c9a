"""``rebalance.html``: what changes at the chosen point of a rebalancing, and what more or fewer moves would buy."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

from maps.changes.page import write_diff
from maps.pages.scales import readable_above
from scenarios.capacity_words import capacity_sentences
from scenarios.differences import compare_plans
from scenarios.today import todays_plan
from scenarios.tradeoff_words import chosen_point, fewest_sentence, knee_sentences, limit_sentence, more_saves
from territory_engine.wording import measure_label, number, objective_unit, percent, size_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from scenarios.differences import PlanDifference
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem
    from territory_engine.rebalancing import Rebalancing

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760.0, 250.0, 76.0, 26.0, 26.0, 40.0
MOST_LETTERS = 24
"""Longer names of measures are cut short under a chart."""

_LINK_FILES = (("report.html", "report"), ("map.html", "map"), ("moves.csv", "moves"))


def write_rebalancing(
    rebalancing: Rebalancing,
    table: pd.DataFrame,
    path: Path | str,
    *,
    before: tuple[PlanningProblem, Plan] | None = None,
    title: str = "Rebalancing",
    colours: Mapping[str, str] | None = None,
) -> None:
    """Write one page: the moves of the chosen point on a map and in a table, and the price curve with all points.

    It links to the points' own pages, which lie beside it, and fetches nothing.

    Parameters
    ----------
    rebalancing : Rebalancing
        With at least one point.
    table : DataFrame
        What ``scenarios.tradeoff.trade_off_table`` returned.
    path : path-like
    before : tuple of PlanningProblem and Plan, optional
        The plan that was rebalanced; today's alignment where left out.
    title : str
    colours : mapping, optional
        Colours of territories on the points' own maps, by territory.
    """
    chosen = chosen_point(table, rebalancing.asked)
    after = rebalancing.points[list(table.index).index(chosen)]
    today = todays_plan(rebalancing.problem) if before is None else before
    difference = compare_plans(today, after)
    if before is None:
        difference = _without_former(difference, rebalancing.problem)
    sentences = [
        *[said for said in (limit_sentence(rebalancing),) if said],
        *knee_sentences(rebalancing, table)[:1],
        fewest_sentence(rebalancing),
        *knee_sentences(rebalancing, table)[1:],
        *capacity_sentences(*after),
    ]
    sections = [("What more moves would buy", _curve(rebalancing, table, chosen))] if len(table) > 1 else []
    sections.append(("The plans to choose from", _points(rebalancing, table, chosen)))
    write_diff(
        difference, today, after, path, title=title, sentences=sentences, names=("today", chosen), sections=sections,
        sizes=(size_in_words(rebalancing.problem if before is None else before[0]), size_in_words(after[0])), colours=colours,
        tables=(f"{chosen}/moves.csv", "tradeoff.csv"),
    )  # fmt: skip


def _without_former(difference: PlanDifference, problem: PlanningProblem) -> PlanDifference:
    """Count as today's territories those of the reps there are: not those of owners who left, nor what nobody has."""
    figures = difference.figures.copy()
    figures.loc["territories", "before"] = float(len(problem.reps))
    return replace(difference, figures=figures)


def _curve(rebalancing: Rebalancing, table: pd.DataFrame, chosen: str) -> Markup:
    """Draw the objective and the worst deviation against what moves."""
    fewest = rebalancing.fewest
    assert fewest is not None
    what = "accounts moved" if fewest.measure == "count" else f"{_shortened(measure_label(fewest.measure))} moved"
    unit = objective_unit(rebalancing.problem)
    moved = table["moved_fraction"].to_numpy(np.float64)
    marks = [str(name) == chosen for name in table.index]
    labels = [f"{int(n):,}" for n in table["accounts_moved"]]
    parts = [
        trade_off_chart(
            moved,
            {"objective": table["objective"].to_numpy(np.float64)},
            marks,
            labels=labels,
            axis=f"{what}, share of all that has a rep; the figures at the points are accounts moved",
            title=f"{unit[:1].upper()}{unit[1:]} against {what}",
            in_percent=False,
        )
    ]
    deviations = {
        measure_label(c.removeprefix("max_deviation_")): table[c].to_numpy(np.float64)
        for c in table.columns
        if c.startswith("max_deviation_") and np.isfinite(table[c].to_numpy(np.float64)).all()
    }
    if deviations:
        parts.append(
            trade_off_chart(
                moved,
                deviations,
                marks,
                labels=None,
                axis=f"{what}, share of all that has a rep",
                title=f"Largest deviation from a share against {what}",
                in_percent=True,
            )
        )
    return Markup('<div class="charts">{}</div>').format(Markup("").join(parts))


def _shortened(label: str) -> str:
    """Return a measure's name so that it does not leave the picture; the table beneath has it whole."""
    return label if len(label) <= MOST_LETTERS else label[: MOST_LETTERS - 1].rstrip() + "…"


def trade_off_chart(
    moved: NDArray[np.float64],
    series: dict[str, NDArray[np.float64]],
    marks: list[bool],
    *,
    labels: list[str] | None,
    axis: str,
    title: str,
    in_percent: bool,
) -> Markup:
    """Draw one or more values against what moves, as inline SVG with a line and a dot per point.

    Parameters
    ----------
    moved : ndarray of float64, shape (n_points,)
        Fractions, ascending.
    series : dict of str to ndarray of float64, shape (n_points,)
        Values by name; names are shown where there is more than one.
    marks : list of bool
        Which points are the chosen ones.
    labels : list of str, optional
        Shown at the points of the first series.
    axis, title : str
        What stands under the chart and above it.
    in_percent : bool
        Whether the values are fractions.
    """
    values = np.concatenate(list(series.values()))
    low, high = float(values.min()), float(values.max())
    if in_percent:
        low = 0.0
    pad = 0.08 * (high - low) or 0.05 * max(1.0, abs(high))
    low, high = (low if in_percent else low - pad), high + pad
    reach = float(moved.max()) or 1.0
    told = percent if in_percent else number

    def x(v: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * v / reach

    def y(v: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (v - low) / (high - low))

    parts = [f'<text x="{_LEFT:.0f}" y="14" font-weight="600">{escape(title)}</text>']
    parts += [
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end" class="value">{escape(told(float(v)))}</text>'
        for v in _round_ticks(low, high)
    ]
    foot = _HEIGHT - _BOTTOM + 16
    parts += [
        f'<text x="{x(v):.1f}" y="{foot:.0f}" text-anchor="middle" class="value">{escape(percent(float(v)))}</text>'
        for v in _round_ticks(0.0, reach)
    ]
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 4:.0f}">{escape(axis)}</text>')
    dashes = ("", "6 4", "2 3")
    for k, (name, line) in enumerate(series.items()):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(moved, line, strict=True))
        dash = f' stroke-dasharray="{dashes[k % 3]}"' if k % 3 else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="#2f5d8a" stroke-width="2"{dash}/>')
        for i, (a, b) in enumerate(zip(moved, line, strict=True)):
            radius, fill = (7, "#c8500a") if marks[i] else (4, "#2f5d8a")
            said = escape(f"{percent(float(a))} moved: {told(float(b))}")
            parts.append(
                f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="{radius}" fill="{fill}"><title>{said}</title></circle>'
            )
            if labels is not None and k == 0:
                # The last label would leave the picture on the right.
                side, anchor = (-8.0, "end") if a > 0.93 * reach else (8.0, "start")
                parts.append(
                    f'<text x="{x(a) + side:.1f}" y="{y(b) - 9:.1f}" text-anchor="{anchor}" class="value">{escape(labels[i])}</text>'
                )
        if len(series) > 1:
            parts.append(
                f'<text x="{x(moved[-1]) - 4:.1f}" y="{y(line[-1]) - 9:.1f}" text-anchor="end">{escape(name)}</text>'
            )
    return Markup(  # names are escaped where they are put in; the rest is numbers
        f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{escape(title)}"'
        f' font-size="12" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _round_ticks(low: float, high: float) -> list[float]:
    """Return the numbers from `low` to `high` in steps of one readable digit, at most six of them."""
    step = readable_above((high - low) / 5)
    return [float(f"{k * step:.12g}") for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _points(rebalancing: Rebalancing, table: pd.DataFrame, chosen: str) -> Markup:
    """Return the points as a table with links to their own pages."""
    fewest = rebalancing.fewest
    assert fewest is not None
    unit = objective_unit(rebalancing.problem)
    label = "accounts" if fewest.measure == "count" else measure_label(fewest.measure)
    deviations = [c for c in table.columns if c.startswith("max_deviation_")]
    travel_only = np.allclose(table["objective"].to_numpy(np.float64), table["travel"].to_numpy(np.float64))
    heads = [
        "plan",
        f"{label} moved, share",
        "accounts moved",
        f"travel, {unit}" if travel_only else f"objective, {unit}",
    ]
    heads += [f"{measure_label(c.removeprefix('max_deviation_'))}: furthest off its share" for c in deviations]
    step, saved = more_saves(rebalancing, table)
    heads += [f"moving {step} more would save at most, {unit}", "proved gap", "its pages"]
    rows = []
    for (name, row), saves in zip(table.iterrows(), saved, strict=True):
        cells = [
            str(name) + (" (shown here)" if name == chosen else ""),
            percent(row["moved_fraction"]),
            f"{int(row['accounts_moved']):,}",
            number(row["objective"]),
            *(percent(row[c]) for c in deviations),
            saves,
            "proved optimal" if row["status"] == "optimal" else percent(row["gap"]),
        ]
        links = Markup(" · ").join(
            Markup('<a href="{}/{}">{}</a>').format(name, file, word) for file, word in _LINK_FILES
        )
        style = Markup(' class="chosen"') if name == chosen else Markup("")
        body = Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells)
        rows.append(Markup("<tr{}>{}<td>{}</td></tr>").format(style, body, links))
    top = Markup("").join(Markup('<th scope="col">{}</th>').format(head) for head in heads)
    why = (
        Markup(
            '<p class="note">{} is shown because each move beyond it buys less than a move does on average; every other plan keeps the rules too.</p>'
        ).format(chosen)
        if table.loc[chosen, "knee"]
        else Markup("")
    )
    return why + Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        top, Markup("").join(rows)
    )
