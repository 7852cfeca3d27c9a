"""A page for every rep, to hand out: the territory, what comes and goes, the accounts, and no figure of anybody else."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from maps.report.facts import figure, signed
from maps.report.gains import plain_reason, told_amounts
from maps.report.picture import rep_picture
from territory_engine.grammar import counted
from territory_engine.wording import limit_text, number, objective_unit, percent, price_list

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from maps.report.facts import Amount, ReportFacts
    from maps.report.picture import DrawnTerritories
    from territory_engine.wording import Price

_MOST_PRICES = 2
_BESIDE_MAP = 9
_LONGEST_REASON = 150
_MOST_PAGES_IN_FULL = 400
_MOST_PARTNERS = 4
_MOST_RULES = 6
_LONG_LIMIT = 1e7


@dataclass(frozen=True)
class PageSize:
    """How much a rep's page lists.

    Attributes
    ----------
    largest : int
        Largest accounts where accounts come or go; without, as many more as those take.
    changed : int
        Accounts that come, and as many that go.
    farthest, reasons : int
    tolerance_px : float
        How far off borders may be on the map.
    """

    largest: int
    changed: int
    farthest: int
    reasons: int
    tolerance_px: float


FULL = PageSize(largest=10, changed=5, farthest=5, reasons=3, tolerance_px=0.8)
BRIEF = PageSize(largest=6, changed=4, farthest=3, reasons=1, tolerance_px=2.0)
"""For more than 400 reps: so many pages have to stay a file that can be mailed."""


def page_size(n_reps: int) -> PageSize:
    """Return how much each page lists, by how many pages there are."""
    return FULL if n_reps <= _MOST_PAGES_IN_FULL else BRIEF


def page_links(ids: list[str]) -> list[str]:
    """Return the ID of every rep's page, which the address may end in: ``"rep-R03"``; what an ID may not hold is escaped."""
    return ["rep-" + re.sub(r"[^A-Za-z0-9_.-]", lambda m: f"~{ord(m[0]):x}", i) for i in ids]


def rep_pages(facts: ReportFacts, drawn: DrawnTerritories | None) -> list[dict[str, Any]]:
    """Return what every rep's page shows, in the order of the territories."""
    size = page_size(len(facts.ids))
    prices: dict[str, list[Price]] = {}
    for price in price_list(facts.problem, facts.plan):
        if price.tight:
            prices.setdefault(price.rep_id, []).append(price)
    links = page_links(facts.ids)
    goes = _goes(facts)
    return [
        _page(facts, drawn, t, links[t], size, prices.get(facts.ids[t], []), goes[t]) for t in range(len(facts.ids))
    ]


def _goes(facts: ReportFacts) -> list[NDArray[np.intp]]:
    lost = np.where(facts.changed, facts.owner, -1)
    order = np.argsort(lost, kind="stable")
    return np.split(order, np.searchsorted(lost[order], np.arange(len(facts.ids) + 1)))[1:-1]


def _page(
    facts: ReportFacts,
    drawn: DrawnTerritories | None,
    row: int,
    link: str,
    size: PageSize,
    prices: list[Price],
    goes: NDArray[np.intp],
) -> dict[str, Any]:
    mine = facts.members[row]
    amounts = told_amounts(facts)
    comes = mine[facts.changed[mine]]
    changes = bool(len(comes) or len(goes))
    figures, sentences = _figures(facts, row), [p.sentence for p in prices[:_MOST_PRICES]]
    # What stands beside the map may be taller than it: the page has so many lines less.
    room = size.largest + (0 if changes else size.changed + 2) - max(0, len(figures) + 2 * len(sentences) - _BESIDE_MAP)
    largest = facts.largest(mine)
    far = facts.farthest(mine)[: size.farthest]
    name, i = facts.names[row], facts.ids[row]
    return {
        "link": link,
        "name": name,
        "id": i if i != name else "",
        "summary": _summary(facts, row, comes, goes),
        "picture": None if drawn is None else rep_picture(facts, drawn, row, tolerance_px=size.tolerance_px),
        "figures": figures,
        "comes": _changed(facts, comes, size.changed, to=False) if len(comes) else None,
        "goes": _changed(facts, goes, size.changed, to=True) if len(goes) else None,
        "known_before": facts.before is not None,
        "heads": [a.label for a in amounts],
        "largest": [_account(facts, k, amounts) for k in largest[:room].tolist()],
        "rest": counted(len(mine) - room, "more account") if len(mine) > room else "",
        "by": "" if facts.main is None else facts.main.noun.removeprefix("of "),
        "far": [(facts.account_names[k], f"{number(float(facts.travel[k]))} {facts.unit}") for k in far.tolist()],
        "prices": sentences,
        "reasons": _reasons(facts, largest, comes, size.reasons),
    }


def _summary(facts: ReportFacts, row: int, comes: NDArray[np.intp], goes: NDArray[np.intp]) -> str:
    parts = [counted(len(facts.members[row]), "account")]
    parts += [a.said(float(facts.loads(a.measure)[row])) for a in told_amounts(facts)]
    text = f"{', '.join(parts)}."
    if facts.before is None:
        return text
    if not len(comes) and not len(goes):
        return f"{text} Nothing changes."
    if not len(comes):
        return f"{text} {counted(len(goes), 'account goes', 'accounts go')}."
    n_go = counted(len(goes), "goes", "go") if len(goes) else "none goes"
    return f"{text} {counted(len(comes), 'account comes', 'accounts come')}, {n_go}."


def _figures(facts: ReportFacts, row: int) -> list[tuple[str, str, str, str, str, str]]:
    """Label, load, share, how far the load is off it, limits, and today's load."""
    problem = facts.problem
    rules = facts.rules
    place = int(problem.territory_ids.get_indexer(pd.Index([facts.ids[row]]))[0])
    measures = dict.fromkeys(["count", *(m for m in rules if m != "count"), *(a.measure for a in facts.amounts)])
    labels = {a.measure: a.label for a in facts.amounts} | {"count": "Accounts"}
    found = []
    for measure in list(measures)[:_MOST_RULES]:
        load, today = float(facts.loads(measure)[row]), facts.loads_today(measure)
        share = off = limits = ""
        if measure in rules:
            rule = rules[measure]
            target, low, high = float(rule.target[place]), float(rule.lower[place]), float(rule.upper[place])
            if target > 0:
                share, off = figure(target), percent(load / target - 1, signed=True)
            ends = [
                limit_text(v, side, whole=facts.whole[measure]) if v < _LONG_LIMIT else figure(v)
                for v, side in ((low, "lower"), (high, "upper"))
                if math.isfinite(v) and (v > 0 or side == "upper")
            ]
            limits = (
                "–".join(ends)
                if len(ends) == 2
                else (f"at most {ends[0]}" if math.isfinite(high) else f"at least {ends[0]}")
                if ends
                else ""
            )
        label = labels.get(measure, measure.replace("_", " ").capitalize())
        found.append((label, figure(load), share, off, limits, "" if today is None else figure(float(today[row]))))
    travel = facts.travel[facts.members[row]]
    travel = travel[np.isfinite(travel)]
    total = float(facts.plan.territories["travel"].iloc[row])
    before = "" if facts.before is None else number(float(facts.before.territories["travel"].iloc[place]))
    found.append((f"Travel, {objective_unit(problem)}", number(total), "", "", "", before))
    if len(travel):
        found.append((f"Mean drive, {facts.unit}", number(float(travel.mean())), "", "", "", ""))
        found.append((f"Longest drive, {facts.unit}", number(float(travel.max())), "", "", "", ""))
    return found


def _changed(facts: ReportFacts, rows: NDArray[np.intp], most: int, *, to: bool) -> dict[str, Any]:
    """Return who accounts come from or go to, with how much, and the largest of them."""
    partner = [facts.names[facts.territory[k]] if to else facts.owner_name(k) for k in rows.tolist()]
    by_partner: dict[str, int] = {}
    for who in partner:
        by_partner[who] = by_partner.get(who, 0) + 1
    ranked = sorted(by_partner.items(), key=lambda kv: (-kv[1], kv[0]))
    people = [f"{n:,} {'to' if to else 'from'} {who}" for who, n in ranked[:_MOST_PARTNERS]]
    if len(ranked) > _MOST_PARTNERS:
        people.append(f"{sum(n for _, n in ranked[_MOST_PARTNERS:]):,} {'to' if to else 'from'} others")
    ordered = facts.largest(rows)
    values = [(a, (a.today if to else a.planned)[rows].sum()) for a in told_amounts(facts)]
    return {
        "n": counted(len(rows), "account"),
        "people": ", ".join(people),
        "sums": ", ".join(f"{signed(-float(v) if to else float(v))} {a.noun}" for a, v in values),
        "rows": [
            (facts.account_names[k], facts.names[facts.territory[k]] if to else facts.owner_name(k))
            for k in ordered[:most].tolist()
        ],
        "more": f"and {len(rows) - most:,} more" if len(rows) > most else "",
    }


def _account(facts: ReportFacts, k: int, amounts: tuple[Amount, ...]) -> dict[str, Any]:
    name, i = facts.account_names[k], facts.account_ids[k]
    cells = [figure(float(a.planned[k])) for a in amounts]
    cells.append(number(float(facts.travel[k])))
    return {"name": name, "id": i if i != name else "", "cells": cells, "new": bool(facts.changed[k])}


def _reasons(
    facts: ReportFacts, largest: NDArray[np.intp], comes: NDArray[np.intp], most: int
) -> list[tuple[str, str]]:
    """Return why a few accounts are here: the largest new ones first, then the largest with more to say than the nearest rep."""
    new = facts.largest(comes).tolist()[: most + 1]
    told = [
        *new,
        *(k for k in largest[:60].tolist() if not str(facts.reasons[k]).startswith("nearest")),
        *largest[:1].tolist(),
    ]
    return [(facts.account_names[k], _shortened(plain_reason(facts, k))) for k in list(dict.fromkeys(told))[:most]]


def _shortened(text: str) -> str:
    """Return a text that does not take a third line."""
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON].rsplit(" ", 1)[0] + " …"
