"""A replay in words: what changes and for whom, and the figures side by side."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from territory_engine.grammar import counted, listed
from territory_engine.wording import number, percent

if TYPE_CHECKING:
    from scenarios.replay import Replay

SIDES = ("old", "new", "actual")
"""In the order in which they are shown."""

_REPS_NAMED = 4
_REPS_LISTED = 15
NOTHING = "Nothing changes: every lead goes to the same rep at the same moment."


@dataclass(frozen=True)
class FigureRow:
    """One figure of every run.

    Attributes
    ----------
    group, label : str
    cells : tuple of str
        In the order of :data:`SIDES`, without those that there are not.
    best : int or None
        Place of the better of the two policies; None where they are alike as shown, or neither is better.
    """

    group: str
    label: str
    cells: tuple[str, ...]
    best: int | None


def _km(value: float) -> str:
    return f"{number(value)} km" if math.isfinite(value) else "–"


def duration(hours: float) -> str:
    """Return a span for people: ``"14.0 h"``, ``"12.5 days"``."""
    if not math.isfinite(hours):
        return "–"
    return f"{hours:,.1f} h" if hours < 72 else f"{hours / 24:,.1f} days"


def _three(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


# Group, label, key, how it is shown, and whether less (−1) or more (+1) is better.
_ROWS: tuple[tuple[str, str, str, Callable[[float], str], int], ...] = (
    ("Leads", "assigned", "assigned", number, 1),
    ("Leads", "waiting at the end", "waiting", number, -1),
    ("Leads", "rejected", "rejected", number, -1),
    ("Leads", "to the owner of the account", "owner_leads", number, 0),
    ("Leads", "to the owner of the territory", "territory_leads", number, 0),
    ("Leads", "to the pool", "pool_leads", number, 0),
    ("Evenness", "fewest leads of a rep", "fewest_leads", number, 1),
    ("Evenness", "most leads of a rep", "most_leads", number, -1),
    ("Evenness", "Gini of leads per fair share, at the end", "gini", _three, -1),
    ("Evenness", "… at its highest", "highest_gini", _three, -1),
    ("Evenness", "highest minus lowest level, at the end", "level_spread", number, -1),
    ("Evenness", "… at its highest", "highest_level_spread", number, -1),
    ("Response", "mean, from created to at work", "mean_response_h", duration, -1),
    ("Response", "half of the leads within", "median_response_h", duration, -1),
    ("Response", "nine in ten within", "p90_response_h", duration, -1),
    ("Response", "assigned after a wait in the queue", "had_to_wait", number, -1),
    ("Response", "their mean wait", "mean_wait_h", duration, -1),
    ("Response", "most open leads of a rep", "most_open", number, -1),
    ("Travel", "mean, rep to lead", "mean_travel_km", _km, -1),
    ("Travel", "median", "median_travel_km", _km, -1),
    ("Value", "expected, as the new policy counts it", "value", number, 1),
)  # fmt: skip

_WAITING = {
    "ambiguous": ("because it could be several owners'", "because they could be several owners'"),
    "full": ("because whoever can take it has no room", "because whoever can take them has no room"),
    "match": ("for the rep whose account or territory it is", "for the reps whose accounts or territories they are"),
    "unavailable": ("because nobody who can take it is there", "because nobody who can take them is there"),
    "ineligible": ("because nobody can take it", "because nobody can take them"),
}

_UNKNOWN_OF_WHAT_HAPPENED = {
    "owner_leads", "territory_leads", "pool_leads", "gini", "highest_gini", "level_spread", "highest_level_spread",
    "had_to_wait", "mean_wait_h", "rejected",
}  # fmt: skip


def figure_rows(replay: Replay) -> list[FigureRow]:
    """Return the figures side by side, with the better of the two policies marked where there is one."""
    sides = [side for side in SIDES if side in replay.runs]
    rows = []
    for group, label, key, show, sign in _ROWS:
        if key == "most_open" and replay.close_after_days is None:
            continue  # then it is the number of leads
        values = [replay.totals[side][key] for side in sides]
        cells = tuple(
            "–" if side == "actual" and key in _UNKNOWN_OF_WHAT_HAPPENED else show(value)
            for side, value in zip(sides, values, strict=True)
        )
        best = None
        if sign and cells[0] != cells[1] and np.isfinite(values[:2]).all():
            best = int(sign * values[1] > sign * values[0])
        rows.append(FigureRow(group, label, cells, best))
    return rows


def title(replay: Replay) -> str:
    """Return what was compared: ``"routing_2027 against routing"``."""
    return f"{replay.new.name} against {replay.old.name}"


def scope(replay: Replay) -> str:
    """Return what was replayed, in a sentence."""
    created = replay.new.leads["created_at"]
    span = f"{created.iloc[0]:%Y-%m-%d} to {created.iloc[-1]:%Y-%m-%d}"
    closing = ""
    if replay.close_after_days is not None:
        closing = f"; a lead is open for {counted(replay.close_after_days, 'day', 'days')}"
    return f"{counted(len(replay.new.leads), 'lead')} of {span}, routed {replay.schedule.words()}{closing}"


def headline(replay: Replay) -> list[str]:
    """Return what changes and for whom, one sentence each, the most important first."""
    changed, later = int(replay.changed.sum()), int(replay.same_rep_other_time.sum())
    total, name = len(replay.new.leads), replay.new.name
    if not changed and not later:
        told = [NOTHING]
    else:
        told = [f"{changed:,} of {counted(total, 'lead')} would go to another rep under {name}."]
        if later:
            told.append(f"{counted(later, 'more goes', 'more go')} to the same rep at another time.")
        told += [*_for_whom(replay), _evenness(replay), *_differences(replay)]
    waiting = int(replay.totals["new"]["waiting"])
    if waiting:
        reasons = replay.new.leads.loc[replay.new.leads["status"] == "queued", "reason_code"].value_counts()
        words = [
            f"{count:,} {_WAITING.get(str(code), (str(code),) * 2)[int(count != 1)]}" for code, count in reasons.items()
        ]
        why = f": {'; '.join(words)}" if len(words) > 1 else f", {words[0].partition(' ')[2]}"
        told.append(f"{counted(waiting, 'lead waits', 'leads wait')} at the end under {name}{why}.")
    if replay.actual is not None:
        owned = (replay.actual.leads["rep_id"] != "").to_numpy()
        other = owned & (replay.actual.leads["rep_id"] != replay.new.leads["rep_id"]).to_numpy()
        told.append(
            f"Of {counted(int(owned.sum()), 'lead')} whose real rep is known, {int(other.sum()):,} went to another rep than"
            f" {name} would give {'it' if other.sum() == 1 else 'them'} to."
        )
    return told


def _for_whom(replay: Replay) -> list[str]:
    old, new = replay.reps["old"]["leads"], replay.reps["new"]["leads"]
    ids = new.index.union(old.index)
    before, after = old.reindex(ids, fill_value=0), new.reindex(ids, fill_value=0)
    change = (after - before).sort_values(kind="stable")
    told = []
    for word, chosen in (("More leads", change[change > 0].iloc[::-1]), ("Fewer leads", change[change < 0])):
        named = [f"{rep} ({before[rep]:,} → {after[rep]:,})" for rep in chosen.index[:_REPS_NAMED]]
        rest = len(chosen) - len(named)
        if named:
            told.append(f"{word}: {listed([*named, f'{rest:,} more'] if rest else named)}.")
    return told


def _evenness(replay: Replay) -> str:
    old, new = replay.totals["old"], replay.totals["new"]
    return (
        f"A rep has {number(new['fewest_leads'])} to {number(new['most_leads'])} leads rather than"
        f" {number(old['fewest_leads'])} to {number(old['most_leads'])}; measured against their fair shares the split is"
        f" {_compared(old['gini'], new['gini'], 'more even', 'less even')} (Gini {_three(old['gini'])} → {_three(new['gini'])})."
    )


def _compared(old: float, new: float, less: str, more: str) -> str:
    return "as even" if _three(old) == _three(new) else less if new < old else more


def _differences(replay: Replay) -> list[str]:
    told = []
    for key, words, show in (
        ("mean_travel_km", "Mean travel", _km),
        ("mean_response_h", "Mean response", duration),
        ("value", "Expected value", number),
    ):
        old, new = replay.totals["old"][key], replay.totals["new"][key]
        if not (math.isfinite(old) and math.isfinite(new)):
            continue
        if show(old) == show(new):
            told.append(f"{words}: {show(new)}, as before.")
        else:
            part = f" ({percent(new / old - 1, signed=True)})" if old > 0 else ""
            told.append(f"{words}: {show(old)} → {show(new)}{part}.")
    return told


def summary(replay: Replay) -> str:
    """Return the replay for a terminal: headline, then the reps side by side, then what there is to know."""
    lines = [f"{title(replay)}: {scope(replay)}.", "", *headline(replay), "", *_table(replay)]
    if replay.notices:
        lines += ["", *(f"- {notice}" for notice in replay.notices[:8])]
    return "\n".join(lines)


def _table(replay: Replay) -> list[str]:
    old, new = replay.reps["old"], replay.reps["new"]
    ids = new.index.union(old.index)
    old, new = old.reindex(ids), new.reindex(ids)
    change = (new["leads"].fillna(0) - old["leads"].fillna(0)).astype(int)
    shown = list(change.abs().sort_values(ascending=False, kind="stable").index[:_REPS_LISTED])
    heads = ["rep", "leads old", "new", "", "fair share", "km old", "new", "value old", "new"]
    rows = [
        [
            str(rep), number(old["leads"][rep]), number(new["leads"][rep]), signed(int(change[rep])),
            number(new["fair_leads"][rep]), number(old["mean_travel_km"][rep]), number(new["mean_travel_km"][rep]),
            number(old["value"][rep]), number(new["value"][rep]),
        ]
        for rep in shown
    ]  # fmt: skip
    widths = [max(len(row[k]) for row in [heads, *rows]) for k in range(len(heads))]
    lines = [
        "  ".join(
            c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [heads, *rows]
    ]
    return lines + ([f"… and {len(ids) - len(shown):,} more"] if len(ids) > len(shown) else [])


def signed(change: int) -> str:
    """Return a change with its sign: ``"+3"``, ``"−2"``, ``"0"``."""
    return f"{change:+,}".replace("-", "−") if change else "0"
