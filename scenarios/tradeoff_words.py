"""A rebalancing in a manager's words: what must move, what more moves would buy, and where that ends to be worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from territory_engine.disruption import current_alignment
from territory_engine.grammar import counted, listed
from territory_engine.wording import measure_label, number, objective_unit, percent

if TYPE_CHECKING:
    import pandas as pd

    from territory_engine.rebalancing import Rebalancing


NAMED = 3
"""So many reps who left are named."""


def chosen_point(table: pd.DataFrame) -> str:
    """Return the point to show first: the knee, or the fewest moves where the curve has none."""
    knees = table.index[table["knee"]]
    return str(knees[0] if len(knees) else table.index[0])


def fewest_sentence(rebalancing: Rebalancing) -> str:
    """Say how little must change hands, and whether that is proved."""
    fewest = rebalancing.fewest
    assert fewest is not None
    plan = rebalancing.points[0][1]
    told = plan.disruption or {}
    assigned, moved = told.get("accounts_assigned", 0), told.get("accounts_moved", 0)
    apart = f" beside the {counted(assigned, 'account')} that nobody has any more" if assigned else ""
    if moved == 0:
        return f"No account has to change hands{apart}: every rule can be kept without."
    what = (
        counted(moved, "account")
        if fewest.measure == "count"
        else (
            f"{percent(told['moved_fraction'])} of {measure_label(fewest.measure)}"
            f" ({number(told['moved'])}, {counted(moved, 'account')})"
        )
    )
    least = percent(fewest.proved / fewest.total)
    if _protects(rebalancing):
        # The proof is about what counts: less of the measure might do, if it were that of protected accounts.
        counted_as = f"{percent(fewest.found / fewest.total)} with what protected accounts count more"
        less = "less" if fewest.minimal else f"less than {least}"
        return (
            f"{what[0].upper()}{what[1:]} must change hands{apart}: {counted_as}; it is proved that {less} will not do."
        )
    if fewest.minimal:
        return f"At least {what} must change hands{apart}; it is proved that less will not do."
    return f"{what[0].upper()}{what[1:]} must change hands{apart}, as far as found; it is proved that less than {least} will not do."


def _protects(rebalancing: Rebalancing) -> bool:
    today = current_alignment(rebalancing.problem)
    return today is not None and bool((today.amount != today.value).any())


def knee_sentences(rebalancing: Rebalancing, table: pd.DataFrame) -> list[str]:
    """Say what the chosen point moves and saves, beside the fewest moves and beside the most."""
    name = chosen_point(table)
    here, first, last = (dict(table.loc[n]) for n in (name, table.index[0], table.index[-1]))
    fewest = rebalancing.fewest
    assert fewest is not None
    unit = objective_unit(rebalancing.problem)
    what = "of those that have a rep" if fewest.measure == "count" else f"of {measure_label(fewest.measure)}"
    count = int(here["accounts_moved"])
    share = f"{percent(here['moved_fraction'])} {what}"
    apart = _assigned(rebalancing)
    if apart and count == 0:
        sentences = [f"{apart}, and no other account changes hands."]
    elif apart:
        sentences = [f"{apart}, and {counted(count, 'more changes hands', 'more change hands')}: {share}."]
    elif count == 0:
        sentences = ["No account changes hands."]
    else:
        sentences = [f"{counted(count, 'account changes hands', 'accounts change hands')}: {share}."]
    if name != table.index[0]:
        saved, most = first["objective"] - here["objective"], first["objective"] - last["objective"]
        part = f", {percent(saved / most)} of what any number of moves could" if most > 0 else ""
        sentences.append(
            f"Beside the fewest moves that saves {number(saved)} {unit} ({percent(saved / first['objective'])}){part}."
        )
    price = float(here["saved_per_percent"])
    if price > 0:
        sentences.append(f"One more percent {what} would save about {number(price)} {unit}.")
    return sentences


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
    rows = [["point", f"{label} moved", "accounts", "objective", "gap", "1 % more saves", ""]]
    for name, row in table.iterrows():
        mark = "<- the knee" if row["knee"] else "dominated" if row["pareto"] == "dominated" else ""
        rows.append(
            [
                str(name),
                percent(row["moved_fraction"]),
                f"{int(row['accounts_moved']):,}",
                number(row["objective"]),
                percent(row["gap"]),
                number(row["saved_per_percent"]),
                mark,
            ]
        )
    widths = [max(len(row[c]) for row in rows) for c in range(7)]
    lines = ["  ".join(cell.ljust(w) if c in (0, 6) else cell.rjust(w) for c, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows]  # fmt: skip
    return "\n".join([fewest_sentence(rebalancing), "", *lines, "", *knee_sentences(rebalancing, table)])
