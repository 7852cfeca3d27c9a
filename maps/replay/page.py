"""``replay.html``: what another routing policy would have changed, on one page that needs neither script nor network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from maps.pages.offline import page_from
from maps.replay.charts import RepLine, dumbbells, spread_over_time
from scenarios.replay_words import SIDES, duration, figure_rows, headline, scope, signed, title
from territory_engine.wording import number, percent

if TYPE_CHECKING:
    from scenarios.replay import Replay

MOST_REPS_DRAWN = 60
"""With more reps, those whose leads change most are drawn and listed."""

MOST_LEADS_LISTED = 400


def write_replay(replay: Replay, path: str | Path) -> None:
    """Write the page.

    Parameters
    ----------
    replay : Replay
    path : path-like
    """
    Path(path).write_text(replay_page(replay), encoding="utf-8", newline="\n")


def replay_page(replay: Replay) -> str:
    """Return the page as HTML.

    What changes and for whom, the figures side by side with the better of the two policies marked, each rep's leads under
    both, how uneven things were over time, the reps in figures, and the leads that would go elsewhere with the reasons.
    """
    reps = _chosen_reps(replay)
    names = (replay.old.name, replay.new.name)
    sides = [side for side in SIDES if side in replay.runs]
    rows = figure_rows(replay)
    changed = replay.changes()[replay.changed]
    context = {
        "title": title(replay),
        "subtitle": scope(replay),
        "sentences": headline(replay),
        "names": names,
        "heads": [replay.runs[side].name for side in sides],
        "groups": [
            {"name": group, "rows": [row for row in rows if row.group == group]}
            for group in dict.fromkeys(row.group for row in rows)
        ],
        "actual": replay.actual is not None,
        "closes": replay.close_after_days is not None,
        "leads_chart": dumbbells(
            [RepLine(rep["label"], rep["old"], rep["new"], rep["fair"]) for rep in reps],
            names,
            title=f"Leads of each rep under {names[0]} and {names[1]}",
        ),
        "spread_chart": spread_over_time(
            replay.old.days, replay.new.days, names, title="Highest minus lowest level over time"
        ),
        "reps": reps,
        "more_reps": len(_all_reps(replay)) - len(reps),
        "leads": [_lead(row) for _, row in changed.head(MOST_LEADS_LISTED).iterrows()],
        "more_leads": max(0, len(changed) - MOST_LEADS_LISTED),
        "notices": list(replay.notices),
    }
    return page_from("replay/replay.html.jinja", context)


def _all_reps(replay: Replay) -> pd.Index[Any]:
    return replay.reps["new"].index.union(replay.reps["old"].index)


def _chosen_reps(replay: Replay) -> list[dict[str, Any]]:
    """Return the reps to show, by ID; of very many those whose leads change most."""
    ids = _all_reps(replay)
    old, new = replay.reps["old"].reindex(ids), replay.reps["new"].reindex(ids)
    before, after = old["leads"].fillna(0).astype(int), new["leads"].fillna(0).astype(int)
    if len(ids) > MOST_REPS_DRAWN:
        ids = (after - before).abs().sort_values(ascending=False, kind="stable").index[:MOST_REPS_DRAWN].sort_values()
    actual = replay.reps["actual"]["leads"].reindex(ids) if replay.actual is not None else None
    found = []
    for rep in ids:
        name = new["name"][rep] if isinstance(new["name"][rep], str) else ""
        found.append(
            {
                "id": str(rep),
                "label": f"{rep} {name}".strip(),
                "old": int(before[rep]),
                "new": int(after[rep]),
                "fair": float(new["fair_leads"][rep]),
                "cells": [
                    number(before[rep]), number(after[rep]), signed(int(after[rep] - before[rep])),
                    *([number(actual[rep])] if actual is not None else []),
                    percent(new["share_of_leads"][rep]), percent(new["share_of_weight"][rep]),
                    number(old["value"][rep]), number(new["value"][rep]),
                    number(old["mean_travel_km"][rep]), number(new["mean_travel_km"][rep]),
                    duration(old["mean_response_h"][rep]), duration(new["mean_response_h"][rep]),
                    *([number(old["most_open"][rep]), number(new["most_open"][rep])] if replay.close_after_days else []),
                ],
            }
        )  # fmt: skip
    return found


def _lead(row: pd.Series[Any]) -> dict[str, str]:
    return {
        "id": str(row["lead_id"]),
        "created": f"{row['created_at']:%Y-%m-%d}",
        "old": str(row["old_rep_id"]) or str(row["old_status"]),
        "new": str(row["new_rep_id"]) or str(row["new_status"]),
        "old_km": number(row["old_travel_km"]),
        "new_km": number(row["new_travel_km"]),
        "value": number(row["new_value"] if row["new_rep_id"] else row["old_value"]),
        "old_reason": str(row["old_reason"]),
        "new_reason": str(row["new_reason"]),
    }
