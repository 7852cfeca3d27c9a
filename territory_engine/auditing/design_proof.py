"""What multipliers prove about a plan that chose its centres, from the plan directory's own inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.auditing.centre_bound import Places, Table, centre_bound
from territory_engine.auditing.rules import LIMIT_SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.auditing.rules import StoredProblem


def proved_over_centres(
    stored: StoredProblem, proof: dict[str, Any], multipliers: NDArray[np.float64], *, rounded: bool
) -> float:
    """Return what the multipliers prove over every choice of centres.

    Parameters
    ----------
    stored : StoredProblem
    proof : dict
        ``measure``, whose limits count; ``whole_measures``, whose loads are whole numbers; ``whole_units``, whether
        units are not divided.
    multipliers : ndarray of float64, shape (n_accounts,) or (n_geographic_units,)
        What serving each is worth. A group's stands on its first account, with zeros on the others.
    rounded : bool
        Whether limits of whole loads are first rounded to whole numbers and whole units not divided; otherwise limits
        count as written, and units may be divided.
    """
    if stored.units is None:
        unit = stored.unit
        n_units = int(unit.max(initial=-1)) + 1
        multipliers = np.bincount(unit, multipliers, n_units).astype(np.float64)
    else:
        unit, n_units = stored.units.unit_of, len(stored.units.ids)
    load, least, most = np.zeros(n_units), -np.inf, np.inf
    measure = proof.get("measure")
    if measure is not None:
        load = np.bincount(unit, stored.values(measure), n_units).astype(np.float64)
        lower, upper = stored.limits(measure).lower, stored.limits(measure).upper
        if rounded and measure in (proof.get("whole_measures") or []) and np.all(load == np.rint(load)):
            lower = np.ceil(lower - LIMIT_SLACK * np.maximum(1.0, np.abs(lower)))
            upper = np.floor(upper + LIMIT_SLACK * np.maximum(1.0, np.abs(upper)))
        least, most = float(lower.min()), float(upper.max())
    costs, own = _candidate_costs(stored, unit, n_units)
    whole = rounded and bool(proof.get("whole_units")) and bool(np.all(load == np.rint(load)))
    return centre_bound(costs, multipliers, len(stored.reps), own, load, least, most, whole=whole)[0]


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
