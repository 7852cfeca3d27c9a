"""A rebalancing in a manager's words: what must move, what more moves would buy, and where that ends to be worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scenarios.tradeoff import saved_at_most
from territory_engine.disruption import current_alignment
from territory_engine.grammar import counted, listed, not_above, not_below
from territory_engine.wording import measure_label, number, objective_unit, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from territory_engine.rebalancing import Rebalancing


NAMED = 3
"""So many reps who left are named."""


def chosen_point(table: pd.DataFrame, asked: Sequence[float] = ()) -> str:
    """Return the point to show first: the knee; without one the widest of the limits asked for, or the fewest moves."""
    knees = table.index[table["knee"]]
    return str(knees[0] if len(knees) else table.index[-1 if len(asked) else 0])


def fewest_sentence(rebalancing: Rebalancing) -> str:
    """Say how little must change hands, and whether that is proved."""
    fewest = rebalancing.fewest
    assert fewest is not None
    plan = rebalancing.points[0][1]
    told = plan.disruption or {}
    assigned, moved = told.get("accounts_assigned", 0), told.get("accounts_moved", 0)
    apart = f" beside the {counted(assigned, 'account')} that nobody has any more" if assigned else ""
    if moved == 0:
        told_first = f"{apart.strip().capitalize()}, no account" if assigned else "No account"
        return f"{told_first} has to change hands: every rule can be kept without."
    label, accounts = measure_label(fewest.measure), counted(moved, "account")
    if fewest.found <= 0:
        return f"Nothing that counts has to change hands{apart}: only {accounts} with no {label} {'goes' if moved == 1 else 'go'} to others."
    if fewest.proved > 0:
        proved = f"it is proved that less{'' if fewest.minimal else f' than {_at_least(fewest.proved / fewest.total)}'} will not do."
    else:
        proved = "nothing is proved about how little would do."
    # What is proved is about the measure: more accounts of less might do.
    with_them = "" if fewest.measure == "count" else f" The plan that moves least does it with {accounts}."
    if _protects(rebalancing):
        # The proof is about what counts: less of the measure might do, if it were that of protected accounts.
        what = (
            accounts if with_them == "" else f"{percent(told['moved_fraction'])} of {label} ({number(told['moved'])})"
        )
        counts = fewest.found / fewest.total
        counted_as = (
            f"{_at_least(counts) if fewest.minimal else percent(counts)} with what protected accounts count more"
        )
        return f"{what} must change hands{apart}: {counted_as}; {proved}{with_them}"
    if fewest.minimal:
        part = _at_least(fewest.found / fewest.total)
        what = accounts if with_them == "" else f"{part} of {label} ({not_above(fewest.found)})"
        return f"At least {what} must change hands{apart}; {proved}{with_them}"
    what = accounts if with_them == "" else f"{percent(told['moved_fraction'])} of {label} ({number(told['moved'])})"
    return f"{what} must change hands{apart}, as far as found; {proved}{with_them}"


def limit_sentence(rebalancing: Rebalancing) -> str:
    """Say that the fewest moves are beyond the configured limit; nothing where they are within it."""
    limit, fewest = rebalancing.exceeded_limit, rebalancing.fewest
    # A limit of 0 asks for the fewest moves.
    unkept = [f"{100 * f:g} %" for f in rebalancing.unkept if f > 0]
    if fewest is not None and limit is None and unkept:
        return f"No plan found keeps a limit of {listed(unkept)}: the fewest moves stand in for it."
    if limit is None or fewest is None:
        return ""
    within = f"the max_moved of {100 * limit:g} % in the configuration"
    if fewest.proved > limit * fewest.total * (1 + 1e-9):
        return f"More has to change hands than {within}: every plan here goes beyond it."
    return f"More changes hands here than {within}: no plan within it was found."


def _at_least(fraction: float) -> str:
    """Return a fraction as a percentage that is not above it, since it is proved."""
    return f"{not_above(100 * fraction)} %"


def _protects(rebalancing: Rebalancing) -> bool:
    today = current_alignment(rebalancing.problem)
    return today is not None and bool((today.amount != today.value).any())


def knee_sentences(rebalancing: Rebalancing, table: pd.DataFrame) -> list[str]:
    """Say what the chosen point moves and saves, beside the fewest moves and beside the most."""
    name = chosen_point(table, rebalancing.asked)
    here, first, last = (dict(table.loc[n]) for n in (name, table.index[0], table.index[-1]))
    fewest = rebalancing.fewest
    assert fewest is not None
    unit = objective_unit(rebalancing.problem)
    apart = _assigned(rebalancing)
    what = "of those that have a rep" if fewest.measure == "count" else f"of {measure_label(fewest.measure)}"
    count = int(here["accounts_moved"])
    share = f"{percent(here['moved_fraction'])} {what}"
    # What has to be assigned counts neither in what moves nor in what it is a fraction of.
    share_of_rest = share if fewest.measure == "count" else f"{share} that has a rep"
    if apart and count == 0:
        sentences = [f"{apart}, and no other account changes hands."]
    elif apart:
        sentences = [f"{apart}, and {counted(count, 'more changes hands', 'more change hands')}: {share_of_rest}."]
    elif count == 0:
        sentences = ["No account changes hands."]
    else:
        sentences = [f"{counted(count, 'account changes hands', 'accounts change hands')}: {share}."]
    if name != table.index[0]:
        saved, most = first["objective"] - here["objective"], first["objective"] - last["objective"]
        # With a limit on the last plan too, nothing is known of what more moves could.
        of_all = "what any number of moves could" if np.isnan(last["max_moved"]) else "what the widest plan here saves"
        part = f": {percent(saved / most)} of {of_all}" if most > 0 else ""
        sentences.append(
            f"Compared with the fewest moves that saves {number(saved)} {unit} ({percent(saved / first['objective'])}){part}."
        )
    step, saved = saved_at_most(rebalancing, table)
    more = float(saved[list(table.index).index(name)])
    if float(here["marginal_price"]) > 0 and more > 0:
        step_words = "Moving one more percent" if step == 0.01 else f"Moving another {100 * step:g} %"
        sentences.append(f"{step_words} {what} would save at most {not_below(more)} {unit}.")
    return sentences


def more_saves(rebalancing: Rebalancing, table: pd.DataFrame) -> tuple[str, list[str]]:
    """Return how many more moves are meant, as ``"1 %"``, and what they would save at most at every point, in words."""
    step, saved = saved_at_most(rebalancing, table)
    return f"{100 * step:g} %", ["–" if np.isnan(amount) else not_below(float(amount)) for amount in saved]


def _assigned(rebalancing: Rebalancing) -> str:
    """Say whose accounts have to be assigned: of reps who left, or of nobody; nothing where there are none."""
    problem = rebalancing.problem
    today, rule = current_alignment(problem), problem.config.disruption
    assert today is not None
    assert rule is not None
    without = today.owner < 0
    if not without.any():
        return ""
    owners = problem.accounts[rule.current].astype(str).str.strip()[without]
    gone = [owner for owner in dict.fromkeys(owners) if owner]
    accounts = counted(int(without.sum()), "account")
    if 0 < len(gone) <= NAMED and (owners != "").all():
        names = listed([f"{owner}'s" if len(gone) == 1 else owner for owner in gone])
        if len(gone) == 1:
            return f"{names} {accounts} {'goes' if without.sum() == 1 else 'go'} to others"
        return f"The {accounts} of {names} {'goes' if without.sum() == 1 else 'go'} to others"
    return f"{accounts} that nobody has {'is' if without.sum() == 1 else 'are'} assigned"


def summary(rebalancing: Rebalancing, table: pd.DataFrame) -> str:
    """Return what is said on the terminal: the fewest moves, the points, and the one to look at first."""
    fewest = rebalancing.fewest
    assert fewest is not None
    today = current_alignment(rebalancing.problem)
    assert today is not None
    label = "accounts" if fewest.measure == "count" else measure_label(fewest.measure)
    step, saved = more_saves(rebalancing, table)
    rows = [["point", f"{label} moved", "accounts", "objective", "gap", f"{step} more saves at most", ""]]
    for (name, row), saves in zip(table.iterrows(), saved, strict=True):
        mark = "<- the knee" if row["knee"] else "dominated" if row["pareto"] == "dominated" else ""
        rows.append(
            [
                str(name),
                percent(row["moved_fraction"]),
                f"{int(row['accounts_moved']):,}",
                number(row["objective"]),
                percent(row["gap"]),
                saves,
                mark,
            ]
        )
    widths = [max(len(row[c]) for row in rows) for c in range(7)]
    lines = ["  ".join(cell.ljust(w) if c in (0, 6) else cell.rjust(w) for c, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows]  # fmt: skip
    first = [said for said in (limit_sentence(rebalancing),) if said]
    return "\n".join([*first, fewest_sentence(rebalancing), "", *lines, "", *knee_sentences(rebalancing, table)])
