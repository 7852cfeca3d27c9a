"""Figures of a replayed stream: by rep and for the whole, the same for every policy and for what really happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scenarios.fairness import gini

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scenarios.replay_run import ReplayRun


REP_COLUMNS = (
    "name",                # of the rep, "" where there is none
    "leads",               # int
    "share_of_leads",      # fraction of all that were assigned
    "fair_leads",          # what an equal share by weight would have been, while the rep was there; NaN where unknown
    "share_of_weight",     # the same as a fraction of all
    "value",               # sum of expected values, as the new policy counts them
    "mean_travel_km",      # of those whose place is known
    "median_travel_km",
    "mean_response_h",     # from a lead's creation to when its rep is at work with it
    "median_response_h",
    "most_open",           # most leads that were open at once
    "owner_leads",         # went to the owner of their account
    "territory_leads",     # … of their territory
    "pool_leads",          # … to the pool
    "level",               # at the end, leads per unit of weight
)  # fmt: skip
"""Columns of the figures by rep; index ``rep_id``."""


def rep_figures(run: ReplayRun) -> pd.DataFrame:
    """Return :data:`REP_COLUMNS` for every rep that is on the roster or got a lead; index ``rep_id``, sorted."""
    given = run.leads[run.leads["status"] == "assigned"]
    ids = sorted({*map(str, run.reps.index), *map(str, given["rep_id"])})
    index = pd.Index(ids, name="rep_id")
    by_rep = given.groupby("rep_id")
    known = run.reps.reindex(index)
    leads = by_rep.size().reindex(index, fill_value=0).astype(np.int64)
    fair = known["fair_leads"]
    counts = {
        f"{name}_leads": (given["preference"] == rank).groupby(given["rep_id"]).sum().reindex(index, fill_value=0)
        for rank, name in enumerate(("owner", "territory", "pool"))
    }
    columns: dict[str, Any] = {
        "name": known["name"].fillna(""),
        "leads": leads,
        "share_of_leads": leads / max(1, int(leads.sum())),
        "fair_leads": fair,
        "share_of_weight": fair / max(float(fair.sum()), 1e-300) if fair.notna().any() else fair,
        "value": by_rep["value"].sum().reindex(index, fill_value=0.0),
        "mean_travel_km": by_rep["travel_km"].mean().reindex(index),
        "median_travel_km": by_rep["travel_km"].median().reindex(index),
        "mean_response_h": by_rep["response_h"].mean().reindex(index),
        "median_response_h": by_rep["response_h"].median().reindex(index),
        "most_open": known["most_open"],
        **{name: count.astype(np.int64) for name, count in counts.items()},
        "level": known["level"],
    }
    return pd.DataFrame({name: columns[name] for name in REP_COLUMNS}, index=index)


def totals(run: ReplayRun, reps: pd.DataFrame, set_aside: int) -> dict[str, float]:
    """Return figures of the whole; NaN where there is nothing to measure.

    Parameters
    ----------
    run : ReplayRun
    reps : DataFrame
        What :func:`rep_figures` returned.
    set_aside : int
        Leads that could not be replayed.
    """
    leads = run.leads
    status, given = leads["status"], leads[leads["status"] == "assigned"]
    waited = given["wait_h"].to_numpy(np.float64)
    waited = waited[waited > 0]
    km, response = given["travel_km"].to_numpy(np.float64), given["response_h"].to_numpy(np.float64)
    found: dict[str, float] = {
        "leads": len(leads) + set_aside,
        "assigned": len(given),
        "waiting": int((status == "queued").sum()),
        "rejected": int((status == "rejected").sum()) + set_aside,
        "owner_leads": int((given["preference"] == 0).sum()),
        "territory_leads": int((given["preference"] == 1).sum()),
        "pool_leads": int((given["preference"] == 2).sum()),
        "value": float(given["value"].sum()),
        "travel_km": float(np.nansum(km)),
        "mean_travel_km": _of(np.mean, km),
        "median_travel_km": _of(np.median, km),
        "mean_response_h": _of(np.mean, response),
        "median_response_h": _of(np.median, response),
        "p90_response_h": _of(lambda known: np.quantile(known, 0.9), response),
        "had_to_wait": len(waited),
        "mean_wait_h": _of(np.mean, waited),
        "longest_wait_h": _of(np.max, waited),
        "fewest_leads": int(reps["leads"].min()) if len(reps) else 0,
        "most_leads": int(reps["leads"].max()) if len(reps) else 0,
        "most_open": float(reps["most_open"].max()) if reps["most_open"].notna().any() else float("nan"),
    }
    fair = reps["fair_leads"].fillna(0.0).to_numpy(np.float64)
    found["gini"] = gini(reps["leads"].to_numpy(), fair)
    # With fewer leads than reps nothing can be even yet.
    enough = run.days["assigned"].astype(np.int64).cumsum() >= int((fair > 0).sum())
    found["highest_gini"] = float(run.days["gini"][enough].max()) if enough.any() else float("nan")
    found["level_spread"] = float(run.days["level_spread"].iloc[-1]) if len(run.days) else float("nan")
    found["highest_level_spread"] = float(run.days["level_spread"].max()) if len(run.days) else float("nan")
    return found


def _of(measure: Any, values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(measure(known)) if len(known) else float("nan")
