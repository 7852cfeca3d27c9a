"""What changes for whom: what every rep gains and loses against today, and the largest accounts that move, with reasons."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from maps.report.facts import signed
from territory_engine.grammar import counted, listed
from territory_engine.wording import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from maps.report.facts import Amount, ReportFacts

_MOST_REPS = 40
_MOST_MEASURES = 3
_LARGEST = 10  # and each rep's largest, where they are not more than that again
_MOST_LARGEST = 24
# Where a reason names a rep: a number elsewhere in it may look like somebody's ID.
_WHO_IS_MEANT = re.compile(
    r"(?:only (?=.* may serve it)|locked to |(?=.* is \S+ .*nearer)|(?=.* would travel less))"
    r"(?P<rep>.+?)(?= may serve it| is \S+ .*nearer| would travel less| until \d{4}-| \(|$)"
)


def gains_section(facts: ReportFacts) -> dict[str, Any] | None:
    """Return what the section shows; None where nobody says who has what today, or nothing changes."""
    if facts.before is None or not facts.changed.any():
        return None
    amounts = told_amounts(facts)
    lost, gained = _lost(facts), _gained(facts)
    touched = np.flatnonzero(
        np.bincount(lost[1], minlength=len(facts.ids)) + np.bincount(gained[1], minlength=len(facts.ids))
    )
    n_changed = {int(t): int((lost[1] == t).sum() + (gained[1] == t).sum()) for t in touched}
    shown = (
        sorted(n_changed, key=lambda t: (-n_changed[t], t))[:_MOST_REPS]
        if len(n_changed) > _MOST_REPS
        else list(n_changed)
    )
    rows = []
    for t in shown:
        goes, comes = lost[0][lost[1] == t], gained[0][gained[1] == t]
        cells = [_cell(len(comes), len(goes))]
        cells += [_cell(float(a.planned[comes].sum()), float(a.today[goes].sum())) for a in amounts]
        rows.append({"name": facts.full_names[t], "cells": cells})
    largest, each_rep = _largest(facts)
    untouched = [facts.names[t] for t in range(len(facts.ids)) if t not in n_changed]
    return {
        "heads": ["Accounts", *(a.label for a in amounts)],
        "rows": rows,
        "more": counted(len(n_changed) - len(shown), "more rep") if len(n_changed) > len(shown) else "",
        "untouched": _untouched(untouched),
        "largest": largest,
        "each_rep": each_rep,
        "by": facts.main.noun.removeprefix("of ") if facts.main is not None else "travel",
        "size_head": facts.main.label if facts.main is not None else "",
    }


def told_amounts(facts: ReportFacts) -> tuple[Amount, ...]:
    """Return the measures that have a column in tables of gains and accounts: no more than fit a printed page."""
    return facts.amounts[:_MOST_MEASURES]


def plain_reason(facts: ReportFacts, account: int) -> str:
    """Return why an account goes where it goes in few words, which tell of nobody's load, limits or prices.

    The plan's own sentence, with all figures, is in ``assignments.csv``.
    """
    reason = str(facts.reasons[account])
    lead = re.split(r" \(saves |; |: |, but ", reason)[0]
    if " dearer than " in reason:
        lead += ", but room there is scarcer"
    elif "have to fit" in reason and "have to fit" not in lead:
        lead += ", but whole accounts have to fit the limits"
    if who := _WHO_IS_MEANT.match(lead):
        names = dict(zip(facts.ids, facts.names, strict=True))
        start, end = who.span("rep")
        lead = lead[:start] + names.get(who["rep"], who["rep"]) + lead[end:]
    return lead[:1].upper() + lead[1:]


def _cell(gain: float, loss: float) -> tuple[str, str]:
    """Net, and what it is made of."""
    return signed(gain - loss), f"{signed(gain)} {signed(-loss)}" if gain and loss else ""


def _lost(facts: ReportFacts) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows = np.flatnonzero(facts.changed & (facts.owner >= 0))
    return rows, facts.owner[rows]


def _gained(facts: ReportFacts) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows = np.flatnonzero(facts.changed & (facts.territory >= 0))
    return rows, facts.territory[rows]


def _untouched(names: list[str]) -> str:
    if not names:
        return "Every rep gains or loses accounts."
    verb = "keeps exactly its" if len(names) == 1 else "keep exactly their"
    if len(names) > 12:
        return f"{number(len(names))} reps {verb} accounts of today."
    return f"{listed(names)} {verb} accounts of today."


def _largest(facts: ReportFacts) -> tuple[list[dict[str, str]], bool]:
    """Return the largest accounts that change reps, and whether the largest of every rep who gets any is among them."""
    rows = facts.largest(np.flatnonzero(facts.changed & (facts.territory >= 0)))
    first_of = np.sort(np.unique(facts.territory[rows], return_index=True)[1])
    each_rep = len(first_of) <= _MOST_LARGEST - _LARGEST
    if each_rep:
        rows = rows[np.union1d(np.arange(min(len(rows), _LARGEST)), first_of)]
    told = [
        {
            "name": facts.account_names[i],
            "id": facts.account_ids[i] if facts.account_ids[i] != facts.account_names[i] else "",
            "from": facts.owner_name(i),
            "to": facts.names[facts.territory[i]],
            "size": number(float(facts.sizes[i])) if facts.main is not None else "",
            "why": plain_reason(facts, i),
        }
        for i in rows[:_MOST_LARGEST].tolist()
    ]
    return told, each_rep
