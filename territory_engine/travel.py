"""Travel from an account to its rep's home, as plans report it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from solvers.problem import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.problem import PlanningProblem


def haversine_km(
    latitude_a: NDArray[np.float64],
    longitude_a: NDArray[np.float64],
    latitude_b: NDArray[np.float64],
    longitude_b: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return great-circle distances in km on the sphere of mean radius; degrees in, NaN where a place is NaN.

    Source: the haversine formula, 2R·asin(√(sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2))).
    """
    phi_a, phi_b = np.radians(latitude_a), np.radians(latitude_b)
    h = np.sin((phi_b - phi_a) / 2) ** 2
    h += np.cos(phi_a) * np.cos(phi_b) * np.sin(np.radians(longitude_b - longitude_a) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(1.0, h))))


def travel_to(problem: PlanningProblem, rep: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the travel of every account to the rep given for it, shape ``(n_accounts,)``.

    In km, or in the unit of the travel table or of x and y. NaN where the account has no place.

    Parameters
    ----------
    problem : PlanningProblem
    rep : ndarray of int64, shape (n_accounts,)
        Row of the reps.
    """
    if problem.travel_table is not None:
        wanted = np.arange(len(rep)) * len(problem.reps) + rep
        table = problem.travel_table
        account = problem.accounts.index.get_indexer(pd.Index(table["account_id"])).astype(np.int64)
        rows = account * len(problem.reps) + problem.reps.index.get_indexer(pd.Index(table["rep_id"]))
        order = np.argsort(rows, kind="stable")
        found = np.minimum(np.searchsorted(rows[order], wanted), len(rows) - 1)
        cost: NDArray[np.float64] = table["cost"].to_numpy(np.float64)[order[found]]
        return np.where(rows[order[found]] == wanted, cost, np.nan)
    if problem.config.travel.metric == "euclidean":
        difference = (
            problem.accounts[["x", "y"]].to_numpy(np.float64) - problem.reps[["x", "y"]].to_numpy(np.float64)[rep]
        )
        return np.asarray(np.hypot(difference[:, 0], difference[:, 1]))
    places = problem.accounts[["latitude", "longitude"]].to_numpy(np.float64)
    homes = problem.reps[["latitude", "longitude"]].to_numpy(np.float64)[rep]
    return haversine_km(places[:, 0], places[:, 1], homes[:, 0], homes[:, 1])
