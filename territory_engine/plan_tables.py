"""A plan's tables from arrays: who serves whom, what each territory carries, prices and proof by name.

The one wording of these for territories served from rep homes and for territories that were designed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.grammar import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from solvers.bounds import Prices
    from territory_engine.problem import BalanceRule, PlanningProblem


def assignments_table(
    planning: PlanningProblem, territory: NDArray[np.int64], travel: NDArray[np.float64], reasons: list[str]
) -> pd.DataFrame:
    """Return one row per account, in input order: territory, rep, travel, previous rep, whether it moved, and why.

    Parameters
    ----------
    planning : PlanningProblem
    territory : ndarray of int64, shape (n_accounts,)
        Row of ``planning.territory_ids``.
    travel : ndarray of float64, shape (n_accounts,)
        NaN where the account has no place.
    reasons : list of str, one per account
    """
    names = planning.territory_ids.to_numpy(object)
    reps = rep_ids(planning)
    previous = (
        planning.accounts[planning.config.disruption.current].astype(object).to_numpy()
        if planning.config.disruption
        else np.full(len(territory), "", object)
    )
    known = np.isin(previous.astype(str), planning.reps.index.to_numpy(object).astype(str))
    return pd.DataFrame(
        {
            "territory_id": names[territory],
            "rep_id": reps[territory],
            # A millimetre is enough; every later figure is computed from the unrounded travel.
            "travel": np.round(travel, 6),
            "previous_rep_id": previous,
            "moved": known & (previous != reps[territory]),
            "reason": reasons,
        },
        index=planning.accounts.index,
    )


def rep_ids(planning: PlanningProblem) -> NDArray[np.object_]:
    """Return the rep of every territory, shape ``(n_territories,)``; ``""`` where no reps were given."""
    if len(planning.reps):
        return planning.reps.index.to_numpy(object)
    return np.full(len(planning.territory_ids), "", object)


def territories_table(
    planning: PlanningProblem,
    rules: Sequence[BalanceRule],
    loads: NDArray[np.float64],
    territory: NDArray[np.int64],
    contribution: NDArray[np.float64],
) -> tuple[pd.DataFrame, dict[str, dict[str, float]]]:
    """Return the territories' table and, per measure, the total and the largest deviation.

    Parameters
    ----------
    planning : PlanningProblem
    rules : sequence of BalanceRule
    loads : ndarray of float64, shape (n_measures, n_territories)
    territory : ndarray of int64, shape (n_accounts,)
    contribution : ndarray of float64, shape (n_accounts,)
        What each account adds to the objective: weight × travel^power.
    """
    n_territories = len(planning.territory_ids)
    table: dict[str, Any] = {
        "rep_id": rep_ids(planning),
        "accounts": np.bincount(territory, minlength=n_territories),
        "travel": np.bincount(territory, contribution, n_territories),
    }
    measures = {}
    for k, rule in enumerate(rules):
        with np.errstate(invalid="ignore", divide="ignore"):
            deviation = np.where(rule.target > 0, loads[k] / rule.target - 1, np.nan)
        table[rule.measure] = loads[k]
        table[f"{rule.measure}_target"] = rule.target
        table[f"{rule.measure}_deviation"] = deviation
        size = np.abs(deviation[np.isfinite(deviation)])
        measures[rule.measure] = {
            "max_deviation": float(size.max()) if len(size) else np.nan,
            "total": float(loads[k].sum()),
        }
    return pd.DataFrame(table, index=pd.Index(planning.territory_ids, name="territory_id")), measures


def named_prices(
    planning: PlanningProblem, rules: Sequence[BalanceRule], prices: Prices
) -> dict[str, dict[str, dict[str, float]]]:
    """Return ``{measure: {territory_id: {"upper": λ⁺, "lower": λ⁻, "target": π}}}`` without the zeros."""
    named: dict[str, dict[str, dict[str, float]]] = {}
    for k, rule in enumerate(rules):
        by_territory: dict[str, dict[str, float]] = {}
        for t, territory_id in enumerate(planning.territory_ids):
            sides = {
                "upper": float(prices.upper[k, t]),
                "lower": float(prices.lower[k, t]),
                "target": float(prices.target[k, t]),
            }
            sides = {side: value for side, value in sides.items() if value != 0}
            if sides:
                by_territory[str(territory_id)] = sides
        named[rule.measure] = by_territory
    return named


def named_proof(rules: Sequence[BalanceRule], proof: dict[str, Any]) -> dict[str, Any]:
    """Return the proof with measures by name.

    ``whole_measures`` are those whose loads are all whole numbers, so that their limits may be rounded to whole
    numbers before the prices are applied, and no load lies between the whole numbers around a soft target: that is how ``lower_bound`` may exceed ``priced_bound`` without a search.
    """
    proof = dict(proof)
    whole = [rules[k].measure for k in proof.pop("whole_measures", [])]
    if whole:
        proof["whole_measures"] = whole
    return proof


def clock_notice(termination: str, time_limit_s: float, rounds: int, *, along_curve: bool = False) -> tuple[str, ...]:
    """Return what to do to get this plan again, where the clock ended the search; nothing otherwise.

    A plan that was found ``along_curve`` began where another one ended, so that its own rounds alone do not lead there.
    """
    if termination != "time_limit":
        return ()
    if along_curve:
        return (
            f"found along a curve of plans: the time limit ended the search for this one after {counted(rounds, 'round')};"
            " `rebalance` with a longer [solve] time_limit_s may find a better one",
        )
    return (
        f"the time limit of {time_limit_s:g} s ended the search after {counted(rounds, 'round')}:"
        f" [solve] rounds = {rounds} with a longer time limit gives this plan again on any machine",
    )
