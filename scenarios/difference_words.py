"""A difference between two plans in a manager's words: names, one headline, key figures, gains and losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from territory_engine.grammar import counted, listed
from territory_engine.wording import compact, measure_label, number, percent, territory_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.differences import PlanDifference
    from territory_engine.problem import PlanningProblem

_MOST_LINES = 15
_MOST_NAMED = 4
# Accounts and territories are few enough for their difference to say more than a percentage.
_COUNTS = {"accounts", "territories"}


@dataclass(frozen=True)
class TerritoryWords:
    """How a reader knows one row of ``PlanDifference.territories``.

    Attributes
    ----------
    name : str
        Its rep's name, or the ID where there is no rep or no name; plan B's, for a dissolved territory plan A's.
    id : str
        The rep's ID, or the territory's.
    status : {"kept", "renamed", "new", "dissolved"}
    was : str
        What plan A calls a renamed territory; ``""`` otherwise.
    """

    name: str
    id: str
    status: str
    was: str

    @property
    def label(self) -> str:
        """Name and ID; the ID alone where it is the name."""
        return self.name if self.name == self.id else f"{self.name} ({self.id})"


def territory_words(
    difference: PlanDifference, problem_a: PlanningProblem, problem_b: PlanningProblem
) -> list[TerritoryWords]:
    """Return the words for every row of ``difference.territories``, in its order."""
    names_a, names_b = territory_names(problem_a), territory_names(problem_b)
    found = []
    for territory_id, row in zip(difference.territories.index, _rows(difference), strict=True):
        origin, rep, rep_before, dissolved = row
        names, shown, before = (names_a if dissolved else names_b), str(territory_id), ""
        status = "dissolved" if dissolved else "new" if not origin else "kept"
        if status == "kept" and origin != shown:
            status, before = "renamed", names_a.get(origin, origin)
        found.append(
            TerritoryWords(names.get(shown, shown), (rep_before if dissolved else rep) or shown, status, before)
        )
    return found


def _rows(difference: PlanDifference) -> list[tuple[str, str, str, bool]]:
    columns = [difference.territories[c] for c in ("from_territory_id", "rep_id", "from_rep_id", "dissolved")]
    return [(str(a), str(b), str(c), bool(d)) for a, b, c, d in zip(*columns, strict=True)]


def headline(difference: PlanDifference, words: Sequence[TerritoryWords]) -> list[str]:
    """Return a few sentences: how much moves, which territories end or start, and who gains and loses most.

    Parameters
    ----------
    difference : PlanDifference
    words : sequence of TerritoryWords
        As :func:`territory_words` gives them.
    """
    n_moved, n_shared = len(difference.moves), len(difference.shared)
    verb = "change hands" if (difference.territories["rep_id"] != "").any() else "change territory"
    renamed = [w for w in words if w.status == "renamed"]
    if n_moved == 0:
        sentences = [f"None of {counted(n_shared, 'account')} {verb.replace('change', 'changes', 1)}."]
    else:
        parts = [f"{percent(difference.moved_fraction(m))} of {measure_label(m)}" for m in _told(difference)]
        if n_moved == 1:
            verb = verb.replace("change", "changes", 1)
        sentences = [
            f"{n_moved:,} of {counted(n_shared, 'account')} ({percent(difference.moved_fraction())}) {verb}"
            + (f", with {listed(parts)}." if parts else ".")
        ]
    if difference.units is not None and len(difference.units):
        sentences.append(
            f"{counted(len(difference.units), 'geographic unit')} {'changes' if len(difference.units) == 1 else 'change'} territory."
        )
    sentences += _ended_and_started(difference, words)
    if n_moved:
        sentences += _largest(difference, words)
    if renamed:
        sentences.append(
            f"{counted(len(renamed), 'territory')} {'has' if len(renamed) == 1 else 'have'} another name than before and {'is' if len(renamed) == 1 else 'are'} matched by the accounts in {'it' if len(renamed) == 1 else 'them'}."
        )
    return sentences


def _told(difference: PlanDifference) -> list[str]:
    """Return the measures that a headline has room for, the leading one first."""
    others = [m for m in difference.measures if m not in ("count", difference.leading_measure)]
    return [m for m in [difference.leading_measure, *others] if m != "count"][:3]


def _ended_and_started(difference: PlanDifference, words: Sequence[TerritoryWords]) -> list[str]:
    sentences = []
    ended = [i for i, w in enumerate(words) if w.status == "dissolved"]
    started = [i for i, w in enumerate(words) if w.status == "new"]
    rows = difference.territories
    if len(ended) == 1:
        row, word = rows.iloc[ended[0]], words[ended[0]]
        goes = int(row["count_lost"])
        takers = difference.moves.loc[difference.moves["from_territory_id"] == row["from_territory_id"]]
        n_takers = takers["to_territory_id"].nunique()
        sentences.append(
            f"{word.name}'s territory ends"
            + (
                f": its {counted(goes, 'account')} {'goes' if goes == 1 else 'go'} to {counted(n_takers, 'other')}."
                if goes
                else "."
            )
        )
    elif ended:
        sentences.append(f"{counted(len(ended), 'territory')} end: {_named(words, ended)}.")
    if len(started) == 1:
        row, word = rows.iloc[started[0]], words[started[0]]
        sentences.append(f"{word.name} starts with {counted(int(row['count_after']), 'account')}.")
    elif started:
        sentences.append(f"{counted(len(started), 'territory')} start: {_named(words, started)}.")
    if ended or started:
        moved_from = difference.rows_from(difference.moves["from_territory_id"])
        moved_to = difference.rows_to(difference.moves["to_territory_id"])
        rest = int((~np.isin(moved_from, ended) & ~np.isin(moved_to, started)).sum())
        if rest:
            sentences.append(
                f"{counted(rest, 'more account')} {'moves' if rest == 1 else 'move'} between territories that stay."
            )
    return sentences


def _named(words: Sequence[TerritoryWords], rows: Sequence[int]) -> str:
    named = [words[i].name for i in rows[:_MOST_NAMED]]
    more = len(rows) - len(named)
    return listed([*named, f"{more:,} more"] if more else named)


def net_change(difference: PlanDifference, measure: str) -> list[float]:
    """Return what every territory gains less what it loses of a measure through moves, in their order."""
    rows = difference.territories
    net = rows[f"{measure}_gained"].to_numpy(np.float64) - rows[f"{measure}_lost"].to_numpy(np.float64)
    return [float(value) for value in net]


def _largest(difference: PlanDifference, words: Sequence[TerritoryWords]) -> list[str]:
    """Name who gains and who loses most, of the territories that both plans have."""
    measure = difference.leading_measure
    net = [
        (value, word.name)
        for value, word in zip(net_change(difference, measure), words, strict=True)
        if word.status in ("kept", "renamed")
    ]
    most, least = max(net, default=(0.0, "")), min(net, default=(0.0, ""))
    parts = []
    if most[0] > 0:
        parts.append(f"{most[1]} gains most (+{compact(most[0])})")
    if least[0] < 0:
        parts.append(f"{least[1]} loses most (−{compact(-least[0])})")
    return [f"On balance {listed(parts)}, in {measure_label(measure)}."] if parts else []


@dataclass(frozen=True)
class FigureWords:
    """One key figure as a reader sees it; the raw numbers are in ``PlanDifference.figures``."""

    label: str
    before: str
    after: str
    change: str


def figure_words(difference: PlanDifference) -> list[FigureWords]:
    """Return the key figures side by side, in words: those that say something new, in the order of reading."""
    found = []
    figures = difference.figures
    terms = sum(name in figures.index for name in ("travel", "balance", "disruption"))
    for name, row in figures.iterrows():
        if name == "objective" and terms == 1:
            continue  # it is that term
        before, after, unit = float(row["before"]), float(row["after"]), str(row["unit"])
        label = f"{row['label']}, {unit}" if unit not in ("", "fraction") else str(row["label"])
        shown = percent if unit == "fraction" else number
        # To a reader, what looks the same is the same.
        same = np.isfinite(before) and shown(before) == shown(after)
        change = "same" if same else _change(before, after, unit, counts=name in _COUNTS)
        found.append(FigureWords(label, shown(before), shown(after), change))
    return found


def _change(before: float, after: float, unit: str, *, counts: bool) -> str:
    if not (np.isfinite(before) and np.isfinite(after)) or "→" in unit:
        return ""
    if unit == "fraction":
        return f"{percent(after - before, signed=True).removesuffix(' %')} points"
    if counts:
        return f"{after - before:+,.0f}".replace("-", "−")
    return percent(after / before - 1, signed=True) if before else ""


def summary(difference: PlanDifference, words: Sequence[TerritoryWords]) -> str:
    """Return what a manager wants to know first, as plain text of at most some forty lines.

    Parameters
    ----------
    difference : PlanDifference
    words : sequence of TerritoryWords
        As :func:`territory_words` gives them.
    """
    lines = headline(difference, words)
    if len(difference.added) or len(difference.closed):
        lines.append(
            f"{counted(len(difference.added), 'new account')} and {counted(len(difference.closed), 'closed account')} are no moves."
        )
    figures = [(f.label, f.before, f.after, f.change) for f in figure_words(difference)]
    lines += ["", *_aligned([("", "before", "after", "change"), *figures])]
    lines += ["", *_gains_and_losses(difference, words)]
    return "\n".join([*lines, *(f"Note: {notice}" for notice in difference.notices)]).rstrip()


def _gains_and_losses(difference: PlanDifference, words: Sequence[TerritoryWords]) -> list[str]:
    rows, measure = difference.territories, difference.leading_measure
    touched = (rows["count_gained"] + rows["count_lost"]).to_numpy(np.float64) > 0
    net = np.array(net_change(difference, measure))
    order = [int(i) for i in np.argsort(-np.abs(net), kind="stable") if touched[i]]
    if not order:
        return []
    heads = ["territory", "accounts", "gained", "lost", "then"]
    if measure != "count":
        heads += [measure_label(measure), "gained", "lost", "then"]
    table = [tuple(heads)]
    for i in order[:_MOST_LINES]:
        row, cells = rows.iloc[i], [words[i].label]
        for m in dict.fromkeys(["count", measure]):
            gained, lost = float(row[f"{m}_gained"]), float(row[f"{m}_lost"])
            cells += [
                number(float(row[f"{m}_before"])),
                f"+{number(gained)}" if gained else "",
                f"−{number(lost)}" if lost else "",
                number(float(row[f"{m}_after"])),
            ]
        table.append(tuple(cells))
    more = len(order) - _MOST_LINES
    rest = [f"and {counted(more, 'more territory', 'more territories')}"] if more > 0 else []
    return ["Gains and losses, the largest first:", *_aligned(table), *rest, ""]


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[c]) for row in table) for c in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if c == 0 else cell.rjust(width)
            for c, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
