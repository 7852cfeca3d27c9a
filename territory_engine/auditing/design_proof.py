"""What multipliers prove about a plan that chose its centres, from the plan directory's own inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.auditing.centre_bound import LARGEST_WHOLE_LIMIT, Places, Table, centre_bound
from territory_engine.auditing.checks import SHOWN
from territory_engine.auditing.numbers import LIMIT_SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.auditing.rules import StoredProblem


@dataclass(frozen=True)
class OverCentres:
    """What multipliers prove over every choice of centres.

    Attributes
    ----------
    as_written : float
        With limits as they are written and units divided.
    least, most : float
        With limits of whole loads rounded to whole numbers: with units divided, and as the proof claims. Whoever looked
        for the bound may have ended in between. NaN where nothing can be worked out.
    magnitude : float
        The size of the terms that these are the sum of.
    problems : tuple of str
        What is wrong with the multipliers or with what is claimed about them.
    """

    as_written: float
    least: float
    most: float
    magnitude: float
    problems: tuple[str, ...] = ()


def proved_over_centres(stored: StoredProblem, proof: dict[str, Any], multipliers: NDArray[np.float64]) -> OverCentres:
    """Return what the multipliers prove over every choice of centres.

    Parameters
    ----------
    stored : StoredProblem
    proof : dict
        ``measure``, whose limits count; ``whole_measures``, whose loads are whole numbers; ``whole_units``, whether
        units are not divided.
    multipliers : ndarray of float64, shape (n_accounts,) or (n_geographic_units,)
        What serving each is worth. A group's stands on its first account, with zeros on the others.
    """
    measure = proof.get("measure")
    wrong = np.flatnonzero(~np.isfinite(multipliers))
    if len(wrong):
        names = stored.accounts.index if stored.units is None else stored.units.ids
        shown = ", ".join(map(str, names[wrong[:SHOWN]]))
        return _nothing(f"{len(wrong):,} of {len(multipliers):,} are no finite numbers ({shown})")
    if not np.isfinite(np.abs(multipliers).sum()):
        return _nothing("their sum is larger than any number")
    if measure is not None and measure not in stored.measures:
        return _nothing(f"they are said to rest on the limits of {measure!r}, which is no balanced measure")
    if stored.units is None:
        unit = stored.unit
        n_units = int(unit.max(initial=-1)) + 1
        multipliers = np.bincount(unit, multipliers, n_units).astype(np.float64)
    else:
        unit, n_units = stored.units.unit_of, len(stored.units.ids)
    load = np.zeros(n_units)
    lower, upper = np.array([-np.inf]), np.array([np.inf])
    if measure is not None:
        load = np.bincount(unit, stored.values(measure), n_units).astype(np.float64)
        lower, upper = stored.limits(measure).lower, stored.limits(measure).upper
    costs, own = _candidate_costs(stored, unit, n_units)

    def proved(lower: NDArray[np.float64], upper: NDArray[np.float64], *, whole: bool = False) -> tuple[float, float]:
        least, most = float(lower.min()), float(upper.max())
        return centre_bound(costs, multipliers, len(stored.reps), own, load, least, most, whole=whole)

    as_written, magnitude = proved(lower, upper)
    least = as_written
    all_whole = bool(np.all(load == np.rint(load)))
    if all_whole and measure in (proof.get("whole_measures") or []):
        lower = np.ceil(lower - LIMIT_SLACK * np.maximum(1.0, np.abs(lower)))
        upper = np.floor(upper + LIMIT_SLACK * np.maximum(1.0, np.abs(upper)))
        least, _ = proved(lower, upper)
    if not (proof.get("whole_units") and all_whole):
        return OverCentres(as_written, least, least, magnitude)
    greatest = min(float(upper.max()), float(load.sum()))
    if greatest > LARGEST_WHOLE_LIMIT:
        told = f"whole_units is claimed for loads of up to {greatest:.6g}; allowed: {LARGEST_WHOLE_LIMIT:,}"
        return OverCentres(as_written, least, least, magnitude, (told,))
    most, _ = proved(lower, upper, whole=True)
    return OverCentres(as_written, least, most, magnitude)


def _nothing(problem: str) -> OverCentres:
    return OverCentres(np.nan, np.nan, np.nan, np.nan, (problem,))


def _candidate_costs(
    stored: StoredProblem, unit: NDArray[np.intp], n_units: int
) -> tuple[Places | Table, NDArray[np.intp]]:
    """Return what serving each unit costs from every place that may be a centre, and the unit that each place is in."""
    if stored.travel_table is not None:
        return _from_table(stored, stored.travel_table, unit, n_units)
    travel = stored.section("travel")
    limit = stored.section("eligibility").get("max_travel")
    weight = stored.accounts[travel["weight"]].to_numpy(np.float64) if travel.get("weight") else np.ones(len(unit))
    if stored.units is None:
        known = np.flatnonzero(np.isfinite(stored.account_places).all(axis=1))
        own, candidates = unit[known], stored.account_places[known]
    else:
        own = np.unique(unit)
        own = own[np.isfinite(stored.units.places[own]).all(axis=1)]
        candidates = stored.units.places[own]
    costs = Places(
        points=stored.account_places,
        weights=weight,
        unit=unit,
        n_units=n_units,
        candidates=candidates,
        spherical=travel.get("metric") != "euclidean",
        power=travel.get("power", 1),
        max_travel=np.inf if limit is None else limit,
    )
    return costs, np.asarray(own)


def _from_table(
    stored: StoredProblem, table: pd.DataFrame, unit: NDArray[np.intp], n_units: int
) -> tuple[Table, NDArray[np.intp]]:
    candidates = pd.Index(pd.unique(table["center_id"]))
    names = stored.accounts.index if stored.units is None else stored.units.ids
    at = names.get_indexer(candidates)
    distance = np.full((len(stored.accounts), len(candidates)), np.inf)
    row = stored.accounts.index.get_indexer(pd.Index(table["account_id"]))
    distance[row, candidates.get_indexer(pd.Index(table["center_id"]))] = table["cost"].to_numpy(np.float64)
    distance[~stored.within_reach(distance)] = np.inf
    cost = np.zeros((n_units, len(candidates)))
    np.add.at(cost, unit, stored.cost(distance))
    return Table(cost), np.asarray(unit[at] if stored.units is None else at)
