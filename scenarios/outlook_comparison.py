"""Every scenario's plan under every outlook, and what it costs to be ready for all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scenarios.comparison import base_of
from scenarios.outlooks import score_under_outlooks
from scenarios.scenario_model import REALISTIC
from territory_engine.grammar import counted
from territory_engine.wording import number, objective_unit, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from scenarios.comparison import ScenarioResult


@dataclass(frozen=True, eq=False)
class OutlookComparison:
    """Plans under outlooks.

    Attributes
    ----------
    names : tuple of str
        The outlooks, ``"realistic"`` first.
    scores : dict of str to DataFrame
        By scenario, what :func:`scenarios.score_under_outlooks` returned for its plan.
    sentences : tuple of str
        What each robust plan costs in the realistic outlook, and what it is worth in the others.
    """

    names: tuple[str, ...]
    scores: dict[str, pd.DataFrame] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()

    def columns(self, scenario: str) -> dict[str, Any]:
        """Return a scenario's figures as one row: ``<outlook>_<figure>``; travel is left out, being in the objective."""
        scores = self.scores.get(scenario)
        if scores is None:
            return {}
        return {
            f"{outlook}_{figure}": row[figure]
            for outlook, row in scores.iterrows()
            for figure in scores.columns
            if figure != "travel"
        }


def compare_outlooks(
    results: Sequence[ScenarioResult], outlooks: Mapping[str, Mapping[str, str | float]]
) -> OutlookComparison | None:
    """Score every plan under every outlook; None where the file has no outlooks.

    Parameters
    ----------
    results : sequence of ScenarioResult
    outlooks : mapping
        The file's, as :attr:`scenarios.ScenarioFile.outlooks`.
    """
    if not outlooks:
        return None
    scores = {r.name: score_under_outlooks(r.problem, r.plan, outlooks) for r in results if r.planned and r.plan}
    names = (REALISTIC, *(name for name in outlooks if name != REALISTIC))
    sentences = [s for r in results if r.robust and r.name in scores for s in _robust(r, results, scores)]
    return OutlookComparison(names, scores, tuple(sentences))


def _open(result: ScenarioResult) -> float:
    """Return the proved gap of a scenario's plan: a difference within it may come from the search. NaN where unknown."""
    gap = None if result.plan is None else result.plan.gap
    return math.nan if gap is None else gap


def _robust(result: ScenarioResult, results: Sequence[ScenarioResult], scores: dict[str, pd.DataFrame]) -> list[str]:
    """Say what a robust plan costs, against the scenario it is made from or, without parents, against the base."""
    by_name = {r.name: r for r in results}
    origin = next((by_name[p] for p in reversed(result.parents) if p in by_name), None)
    while origin is not None and (origin.robust or origin.name not in scores):
        origin = next((by_name[p] for p in reversed(origin.parents) if p in by_name), None)
    origin = base_of(results) if origin is None else origin
    if origin is None:
        return []
    mine, other = scores[result.name], scores[origin.name]
    cost, plain = float(mine["objective"][REALISTIC]), float(other["objective"][REALISTIC])
    unit = objective_unit(result.problem)
    if plain > 0:
        change = cost / plain - 1
        more = f"{percent(abs(change))} {'more' if change >= 0 else 'less'} than {origin.name}"
        doubt = ", which is within the proved gaps of the two" if abs(change) <= _open(result) + _open(origin) else ""
        price = f"costs {number(cost)} {unit} in the realistic outlook, {more} ({number(plain)}){doubt}"
    else:
        price = f"costs {number(cost)} {unit} in the realistic outlook"
    broken_mine, broken_other = int(mine["limits_broken"].sum()), int(other["limits_broken"].sum())
    kept = "every limit holds" if broken_mine == 0 else f"{counted(broken_mine, 'limit breaks', 'limits break')}"
    return [
        f"{result.name} is planned for every outlook: {kept} in all of them, where {origin.name} would break"
        f" {counted(broken_other, 'limit') if broken_other else 'none'}. It {price}."
    ]
