"""Every rule of a problem in a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maps.report.moves import rules_on_moves
from territory_engine.wording import (
    distance_unit,
    each,
    limit_text,
    measure_label,
    number,
    objective_unit,
    percent,
    readable_amount,
)

if TYPE_CHECKING:
    from territory_engine.problem import PlanningProblem


def rule_sentences(problem: PlanningProblem) -> list[str]:
    """Every rule of the problem, one sentence each: hard ones, and soft targets with what is off them costs."""
    config = problem.config
    found = []
    for entry in config.balance:
        text = f"{measure_label(entry.measure).capitalize()}: "
        parts = []
        if entry.tolerance is not None:
            share = f"its share by {entry.share}" if entry.share else "an equal share"
            parts.append(f"every territory within ±{percent(entry.tolerance)} of {share}")
        parts += [
            f"at {word} {_limit_words(v, side)}"
            for word, side, v in (("least", "lower", entry.min), ("most", "upper", entry.max))
            if v is not None
        ]
        if parts:
            found.append(text + ", ".join(parts) + ".")
        if entry.target_weight is not None:
            share = f"its share by {entry.share}" if entry.share else "an equal share"
            amount = readable_amount(entry.target_weight) if entry.target_weight else 1.0
            price = f"{number(amount * entry.target_weight)} {objective_unit(problem)}"
            found.append(f"{text}near {share}; {each(entry.measure, amount)} off it costs {price}.")
    until = config.disruption.locked_until if config.disruption else None
    if config.disruption and until is not None:
        # These locks and those of [locks] are in one column, which is none of the reader's files.
        day = f"{config.disruption.as_of:%Y-%m-%d}"
        found.append(
            f"Accounts with a date after {day} in “{until}” stay with their rep of today, and locked ones with theirs."
        )
    elif config.locks:
        found.append(f"Accounts with a rep in “{config.locks.column}” stay with that rep.")
    if config.eligibility and config.eligibility.column:
        found.append(
            f"An account's “{config.eligibility.column}” must be among its rep's “{config.eligibility.reps_column}”."
        )
    if config.eligibility and config.eligibility.max_travel is not None:
        found.append(
            f"No account is more than {number(config.eligibility.max_travel)} {distance_unit(problem)} from its rep."
        )
    if config.groups:
        found.append(f"Accounts with the same “{config.groups.column}” stay together.")
    if config.contiguity:
        found.append("Every territory is in one piece.")
    if config.territories.centers == "free":
        found.append(f"Territories may be centred at {_where_centres_may_be(problem)}.")
    return [*found, *rules_on_moves(problem)]


def _limit_words(limit: float | str, side: str) -> str:
    return f"the rep's “{limit}”" if isinstance(limit, str) else limit_text(limit, side, whole=False)


def _where_centres_may_be(problem: PlanningProblem) -> str:
    if problem.travel_table is not None:
        return "any center_id of the travel table"
    return "any account's place" if problem.units is None else "any unit's place, if it has accounts"
