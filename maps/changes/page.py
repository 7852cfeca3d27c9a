"""``diff.html``: what changes from one plan to another, on one page that opens with the network off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maps.changes.columns import flow_rows, measure_words, move_columns, territory_rows_of
from maps.changes.moves_map import add_moves_layers, moves_map_data
from maps.pages.colours import BACKGROUND
from maps.pages.drawing import Drawing, empty_map
from maps.pages.offline import PageLayer, finished, offline_page
from maps.shapes.territories import account_points, drawn_from_units
from scenarios.difference_words import figure_words, headline, territory_words
from territory_engine.grammar import counted
from territory_engine.wording import size_in_words, travel_unit_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from markupsafe import Markup

    from scenarios.differences import PlanDifference
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_MOST_LISTED_IDS = 500
# What `territory-engine diff` writes beside the page.
TABLES = ("moves.csv", "territories.csv", "flows.csv", "figures.csv")


def write_diff(
    difference: PlanDifference,
    before: tuple[PlanningProblem, Plan],
    after: tuple[PlanningProblem, Plan],
    path: Path | str,
    *,
    title: str = "What changes",
    sentences: Sequence[str] | None = None,
    names: tuple[str, str] = ("before", "after"),
    sections: Sequence[tuple[str, Markup]] = (),
    sizes: tuple[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
    tables: Sequence[str] = TABLES,
) -> None:
    """Write what changes from one plan to another as one HTML page.

    A headline, key figures side by side, gains and losses of every territory, a map of the moves with arrows between
    territories, and a table of moves that filters and sorts. There is no map where no account of the second plan has a
    place. The page fetches nothing; only a tile layer that the second plan configures, and that the reader switches on, uses
    the network.

    Parameters
    ----------
    difference : PlanDifference
        What ``scenarios.compare_plans(before, after)`` returned.
    before, after : tuple of PlanningProblem and Plan
    path : path-like
    title : str
    sentences : sequence of str, optional
        What stands under the title; the first one largest. By default what
        :func:`scenarios.difference_words.headline` says.
    names : tuple of str
        What the reader knows the two plans by, such as the names of their directories.
    sections : sequence of tuple of str and Markup
        Headings and finished markup, such as charts of :mod:`maps.report.charts`, to stand between the map and the table of moves.
    sizes : tuple of str, optional
        How large the two plans are, in words; by default what their problems say.
    colours : mapping, optional
        Colours of the second plan's territories on its own map, by territory.
    tables : sequence of str
        Files beside the page that hold what it shows, as it names them; the first one has every move.
    """
    page = diff_page(
        difference,
        before,
        after,
        title=title,
        sentences=sentences,
        names=names,
        sections=sections,
        sizes=sizes,
        colours=colours,
        tables=tables,
    )
    Path(path).write_text(page, encoding="utf-8", newline="\n")


def diff_page(
    difference: PlanDifference,
    before: tuple[PlanningProblem, Plan],
    after: tuple[PlanningProblem, Plan],
    *,
    title: str = "What changes",
    sentences: Sequence[str] | None = None,
    names: tuple[str, str] = ("before", "after"),
    sections: Sequence[tuple[str, Markup]] = (),
    sizes: tuple[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
    tables: Sequence[str] = TABLES,
) -> str:
    """Return the page that :func:`write_diff` writes."""
    problem, plan = after
    words = territory_words(difference, before[0], problem)
    positions = Drawing(problem).positions(account_points(problem))
    has_map = bool(np.isfinite(positions).all(axis=1).any()) or drawn_from_units(problem, plan)
    data: dict[str, Any] = {
        "names": list(names),
        "territories": territory_rows_of(difference, words),
        "measures": measure_words(difference),
        "leading": difference.measures.index(difference.leading_measure),
        "moves": move_columns(difference, before, after, positions),
        "flows": flow_rows(difference),
        "movesFile": tables[0],
    }
    context: dict[str, Any] = {
        "title": title,
        "sentences": list(headline(difference, words) if sentences is None else sentences),
        "names": names,
        "sizes": sizes or (size_in_words(before[0]), size_in_words(problem)),
        "figures": figure_words(difference),
        "sections": list(sections),
        "notices": list(difference.notices),
        "background": BACKGROUND,
        "data": data,
        "has_map": has_map,
        "added": _listed_ids(difference.added),
        "closed": _listed_ids(difference.closed),
        "unlisted": data["moves"]["total"] - data["moves"]["n"],
        "map_name": "",
        "tables": ", ".join(tables),
        "footnote": "Neither the accounts nor geographic units have a place on the Earth, so there is no map.",
        "figures_note": f"{travel_unit_sentence(problem)} The proved gap is the most that a better plan could save.".strip(),
    }
    if not has_map:
        page = offline_page(title)
        page.add_child(PageLayer("changes/diff.html.jinja", "diff", context=context))
        page.add_child(PageLayer("shared/address.js.jinja", "address"))
        page.add_child(PageLayer("changes/diff_table.js.jinja", "moves"))
        return finished(page)
    data |= moves_map_data(difference, before, after, data["territories"], colours=colours)
    map_page = empty_map(title, planar=problem.config.travel.metric == "euclidean", tiles=data["tiles"])
    context["map_name"] = map_page.get_name()
    context["footnote"] = _footnote(data, of_units=drawn_from_units(problem, plan))
    map_page.add_child(PageLayer("changes/diff.html.jinja", "diff", context=context))
    map_page.add_child(PageLayer("shared/address.js.jinja", "address"))
    map_page.add_child(PageLayer("changes/diff_table.js.jinja", "moves"))
    add_moves_layers(map_page, data)
    return finished(map_page)


def _listed_ids(ids: pd.Index[str]) -> dict[str, Any]:
    more = len(ids) - _MOST_LISTED_IDS
    return {
        "count": len(ids),
        "ids": [str(i) for i in ids[:_MOST_LISTED_IDS]],
        "more": counted(more, "more account") if more > 0 else "",
    }


def _footnote(data: dict[str, Any], *, of_units: bool) -> str:
    parts = [
        "Left of the divider is the plan before, right of it the plan after; a rep has the same colour in both.",
        "A dot is an account that moves, in the colour of whose it is on that side; grey dots stay.",
        "Arrows lead from the old territory to the new one, in the colour of the new: the wider, the more moves in the measure"
        " chosen above.",
    ]
    if data["units"]["features"]:
        parts.append("Geographic units that move have a dark border.")
    if data["sides"]["left"]["shapes"]["features"]:
        parts.append("Dashed lines are borders that the plan before had and the plan after has not.")
    if not of_units:
        parts.append(
            "Territories are grown from their accounts: each point has the colour of the nearest ones; a"
            " single one amid another's may have no ground of its own."
        )
    if data["cropped"]:
        parts.append("The map opens on all but the farthest accounts; zoom out to see those.")
    if data["unlocated"]:
        parts.append(
            f"{counted(data['unlocated'], 'account moves', 'accounts move')} that the map cannot show: no place is known."
        )
    return " ".join(parts)
