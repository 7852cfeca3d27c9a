"""Score an alignment, any alignment: today's, a plan's, or one drawn by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.wording import limit_text, measure_label, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.problem import PlanningProblem

_EARTH_RADIUS_KM = 6371.0088
# A limit counts as broken beyond this fraction of it: sums of floats are not exact.
_LIMIT_TOLERANCE = 1e-9


@dataclass(frozen=True)
class BrokenLimit:
    """One rep's load outside its limits.

    Attributes
    ----------
    rep_id, measure : str
    load, lower, upper : float
        In the measure's unit; -inf and inf where there is no limit.
    """

    rep_id: str
    measure: str
    load: float
    lower: float
    upper: float

    def __str__(self) -> str:
        what = measure_label(self.measure)
        if self.load > self.upper:
            return f"{self.rep_id} has {number(self.load)} {what}; its limit is {limit_text(self.upper, 'upper', whole=False)}"
        return f"{self.rep_id} has {number(self.load)} {what}; it needs at least {limit_text(self.lower, 'lower', whole=False)}"


@dataclass(frozen=True, eq=False)
class AlignmentScore:
    """What an alignment costs and how it is balanced.

    Attributes
    ----------
    territories : DataFrame, index ``rep_id``
        ``accounts`` (int), ``travel`` (Σ weight × travel^power) and per measure ``<measure>``, ``<measure>_target``,
        ``<measure>_deviation`` (fraction of the target; NaN where there is no target). Loads and travel are sums over
        the accounts that have a known owner.
    travel : float
        Total of ``territories["travel"]``: comparable with a plan's ``objective_terms["travel"]``.
    account_travel : Series, index ``account_id``
        Distance or table cost to the owner; NaN without a known owner or a place, inf where the travel table has no
        such pair.
    max_deviation : dict of str to float
        Per measure, the largest absolute deviation; NaN where there is no target.
    limits_broken : tuple of BrokenLimit
    without_owner : int
        Accounts whose owner is blank.
    unknown_owner : int
        Accounts whose owner is not among the reps.
    unknown_owners : tuple of str
        Those owners, sorted.
    """

    territories: pd.DataFrame
    travel: float
    account_travel: pd.Series[float]
    max_deviation: dict[str, float]
    limits_broken: tuple[BrokenLimit, ...]
    without_owner: int
    unknown_owner: int
    unknown_owners: tuple[str, ...]

    @property
    def owned(self) -> int:
        """Accounts with a known owner."""
        return int(self.territories["accounts"].sum())


def score_alignment(problem: PlanningProblem, owners: pd.Series[str]) -> AlignmentScore:
    """Loads, travel and broken limits of an alignment, under the problem's own rules.

    Parameters
    ----------
    problem : PlanningProblem
    owners : Series, index ``account_id``
        A ``rep_id`` per account. Blank or missing: no owner. Accounts that are not in the series have no owner either.

    Returns
    -------
    AlignmentScore

    Notes
    -----
    Targets are shares of the load of *all* accounts, as in a plan: an alignment with many accounts nobody owns shows
    up as territories below their limits.
    """
    accounts, reps = problem.accounts, problem.reps
    # Without an owner, and "owned" by somebody who is no rep any more, are different findings for a planner.
    text = owners.reindex(accounts.index).astype(object)
    text = text.where(text.notna(), "").astype(str).str.strip()
    owner = np.asarray(reps.index.get_indexer(pd.Index(text)), dtype=np.intp)
    blank = (text == "").to_numpy()
    strangers = tuple(sorted(set(text[(owner < 0) & ~blank])))

    travel = _travel_to(problem, owner)
    cost = np.where(np.isnan(travel), 0.0, problem.weights() * travel**problem.config.travel.power)
    known = owner >= 0
    frame = pd.DataFrame(
        {
            "accounts": _sum(owner, np.ones(len(owner)), len(reps)).astype(np.int64),
            "travel": _sum(owner, cost, len(reps)),
        },
        index=reps.index,
    )
    worst: dict[str, float] = {}
    broken: list[BrokenLimit] = []
    for rule in problem.balance_rules():
        load = _sum(owner, loads_at(problem, rule.measure, owner), len(reps))
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.where(rule.target > 0, load / rule.target - 1, np.nan)
        frame[rule.measure] = load
        frame[f"{rule.measure}_target"] = rule.target
        frame[f"{rule.measure}_deviation"] = deviation
        worst[rule.measure] = float(np.nanmax(np.abs(deviation))) if np.isfinite(deviation).any() else float("nan")
        slack = _LIMIT_TOLERANCE * (1 + np.abs(load))
        outside = np.flatnonzero((load > rule.upper + slack) | (load < rule.lower - slack))
        broken += [
            BrokenLimit(str(reps.index[t]), rule.measure, float(load[t]), float(rule.lower[t]), float(rule.upper[t]))
            for t in outside.tolist()
        ]
    return AlignmentScore(
        territories=frame,
        travel=float(frame["travel"].sum()),
        account_travel=pd.Series(travel, index=accounts.index, name="travel"),
        max_deviation=worst,
        limits_broken=tuple(broken),
        without_owner=int(blank.sum()),
        unknown_owner=int((~known & ~blank).sum()),
        unknown_owners=strangers,
    )


def _sum(owner: NDArray[np.intp], values: NDArray[np.float64], n_reps: int) -> NDArray[np.float64]:
    known = owner >= 0
    return np.bincount(owner[known], weights=values[known], minlength=n_reps).astype(np.float64)


def loads_at(problem: PlanningProblem, measure: str, owner: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the load of every account at its owner, shape ``(n_accounts,)``; 0 where a travel table lacks the pair.

    Parameters
    ----------
    problem : PlanningProblem
    measure : str
    owner : ndarray of int, shape (n_accounts,)
        Row of the reps; −1 for nobody, where a load that does not depend on the rep is what it is.
    """
    if problem.load_depends_on_rep(measure):
        return np.nan_to_num(_from_table(problem, measure, owner))
    return problem.measure_values(measure)


def _travel_to(problem: PlanningProblem, owner: NDArray[np.intp]) -> NDArray[np.float64]:
    """Travel from every account to its owner, shape ``(n_accounts,)``; NaN without an owner or a place."""
    if problem.travel_table is not None and problem.config.territories.centers != "free":
        travel = _from_table(problem, "cost", owner)
        return np.where((owner >= 0) & np.isnan(travel), np.inf, travel)
    planar = problem.config.travel.metric == "euclidean"
    names = ["x", "y"] if planar else ["longitude", "latitude"]
    if problem.config.territories.centers == "free":
        # Reps are not served from; where today's territories would be centred, nobody has said.
        return np.full(len(owner), np.nan)
    here = problem.accounts[names].to_numpy(np.float64)
    home = problem.reps[names].to_numpy(np.float64)[owner]
    if planar:
        travel = np.hypot(*(here - home).T)
    else:
        (lon1, lat1), (lon2, lat2) = np.radians(here).T, np.radians(home).T
        chord = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
        travel = 2 * _EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(chord, 0, 1)))
    return np.where(owner >= 0, travel, np.nan)


def _from_table(problem: PlanningProblem, column: str, owner: NDArray[np.intp]) -> NDArray[np.float64]:
    """Look a column of the travel table up for every account and its owner; NaN where there is no such row."""
    table = problem.travel_table
    if table is None:
        raise ValueError("the problem has no travel table")
    n_accounts = len(problem.accounts)
    row = problem.accounts.index.get_indexer(pd.Index(table["account_id"]))
    rep = problem.reps.index.get_indexer(pd.Index(table["rep_id"]))
    values = np.full(n_accounts, np.nan)
    mine = np.flatnonzero((row >= 0) & (rep >= 0) & (owner[row] == rep))
    values[row[mine]] = table[column].to_numpy(np.float64)[mine]
    return values
