"""What to say where no plan was found and none was proved impossible: advice that fits the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from territory_engine.disruption import fraction_for
from territory_engine.grammar import counted

if TYPE_CHECKING:
    from territory_engine.problem import PlanningProblem


def nothing_found(planning: PlanningProblem, termination: str, least_moved: float | None = None) -> str:
    """Return the text of the error: what was not found, in which time, and what may help.

    Parameters
    ----------
    planning : PlanningProblem
    termination : str
        Why the search ended; ``"interrupted"`` calls for no advice.
    least_moved : float or None
        The fraction that changes hands in a plan that was found without the limit on it; None where none was.
    """
    if termination == "interrupted":
        return "interrupted before any plan was found that keeps every rule"
    connected = " in territories of one piece" if planning.units is not None else ""
    spent, more = f" in {planning.config.solve.time_limit_s:g} s", ["a longer [solve] time_limit_s"]
    if termination == "rounds":
        spent, more = f" in {counted(planning.config.solve.rounds or 0, 'round')}", ["more [solve] rounds"]
    elif termination == "stalled":
        spent, more = "", []
    if least_moved is not None:
        more = [f"max_moved = {fraction_for(least_moved):g} in [disruption], with which a plan was found", *more]
    remedies = [*more, *_looser_rules(planning)] or ["another [solve] seed"]
    return (
        f"no plan that keeps every rule{connected} was found{spent}, and none was proved impossible."
        f" Remedy: {', or '.join(remedies)}"
    )


def _looser_rules(planning: PlanningProblem) -> list[str]:
    """Return what could be loosened, of the rules that there are."""
    config, found = planning.config, []
    if any(entry.tolerance is not None for entry in config.balance):
        found.append("looser limits (start with the tightest tolerance)")
    elif any(entry.min is not None or entry.max is not None for entry in config.balance):
        found.append("looser limits (a lower min, a higher max)")
    if config.eligibility is not None and config.eligibility.max_travel is not None:
        found.append("a larger max_travel")
    if config.locks is not None:
        found.append("fewer locks")
    if config.groups is not None:
        found.append("smaller groups")
    if planning.units is not None:
        smaller = "a finer resolution" if planning.units.kind == "cells" else "smaller units"
        found.append(f"{smaller}, or territories of several pieces (without [contiguity])")
    return found
