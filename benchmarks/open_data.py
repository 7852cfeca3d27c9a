"""Instances from open data: every US bank branch with free centres, and the contiguous US counties as connected territories.

* Branches: the FDIC's Summary of Deposits (bulk data of one year as CSV, perhaps gzipped: UNINUMBR, ZIPBR, STCNTYBR,
  SIMS_LATITUDE, SIMS_LONGITUDE). The few without a known place are put in the middle of their ZIP code's others, else their
  county's, so that every method gets the same 79,172 points.
* Counties: any polygon file with ``fips``, ``state`` and ``lat``, ``lon``; population from a column that begins with
  ``population``, or summed from a table of ZIP codes. Which counties touch comes from a table of pairs, or from the polygons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.instances import Instance
from benchmarks.scoring import pieces

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TOLERANCE = 0.05
OUTSIDE = ("AK", "HI", "PR", "GU", "VI", "AS", "MP")
COUNTY_TERRITORIES = {"count": 50, "population": 30}
"""Los Angeles County alone has more people than a fiftieth of the country and 5 %: hence 30."""


def branch_instances(path: Path) -> list[Instance]:
    """Return 10,000 branches (a sample with seed 0) in 100 territories and all of them in 300; counts within 5 %.

    Family ``fdic``: every branch. ``fdic48``: those of the contiguous states, since the distance from Alaska, Hawaii and the
    islands to anything else, which no method can help, is a sixth and more of what the others' objective is made of.
    """
    ids, points = _branches(path)
    latitude, longitude = points.T
    mainland = np.flatnonzero((latitude > 24) & (latitude < 50) & (longitude > -125) & (longitude < -66))
    found = []
    for family, every in (("fdic48", mainland), ("fdic", np.arange(len(ids)))):
        some = np.sort(np.random.default_rng(0).choice(every, min(10_000, len(every)), replace=False))
        for rows, m in ((some, 100), (every, 300)):
            found.append(_by_count(family, ids[rows], points[rows], min(m, len(rows) // 2)))
    return found


def _branches(path: Path) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    columns = ["UNINUMBR", "ZIPBR", "STCNTYBR", "SIMS_LATITUDE", "SIMS_LONGITUDE"]
    table = pd.read_csv(path, dtype=str, usecols=columns)
    axes = ["SIMS_LATITUDE", "SIMS_LONGITUDE"]
    table[axes] = table[axes].astype(float)
    table.loc[(table[axes] == 0).all(axis=1), axes] = np.nan  # 0° north, 0° east is how the file says "unknown"
    for area in ("ZIPBR", "STCNTYBR"):
        table[axes] = table[axes].fillna(table.groupby(area)[axes].transform("mean"))
    table = table.dropna(subset=axes)
    return table["UNINUMBR"].to_numpy(str), table[axes].to_numpy(float)


def _by_count(family: str, ids: NDArray[np.str_], points: NDArray[np.float64], m: int) -> Instance:
    n = len(ids)
    name = f"{family}/{n}x{m}"
    lower, upper = (np.full((1, m), n / m * side) for side in (1 - TOLERANCE, 1 + TOLERANCE))
    return Instance(name, ids, m, points, True, np.ones(n), 1, ("count",), np.ones((1, n)), lower, upper)


def county_instances(path: Path, adjacency: Path | None, zips: Path | None) -> list[Instance]:
    """Return the contiguous states' counties as connected territories: counts within 5 %, and population within 5 %.

    Islands that touch no other county are left out: they could only be a territory of their own.
    """
    import geopandas as gpd

    counties = gpd.read_file(path)
    counties = counties[~counties["state"].isin(OUTSIDE)].sort_values("fips").reset_index(drop=True)
    ids = counties["fips"].to_numpy(str)
    row = pd.Series(np.arange(len(ids)), index=ids)
    if adjacency is not None:
        table = pd.read_csv(adjacency, dtype=str).iloc[:, :2]
        table = table[table.isin(ids).all(axis=1)]
        pairs = np.column_stack([row[table.iloc[:, side]].to_numpy() for side in (0, 1)])
    else:
        first, second = counties.sindex.query(counties.geometry, predicate="intersects")
        pairs = np.column_stack([first, second])[first < second]
    kept = _mainland(len(ids), pairs)
    new = np.cumsum(kept) - 1
    pairs = new[pairs[kept[pairs].all(axis=1)]]
    counties = counties[kept]
    n = len(counties)
    if any(c.startswith("population") for c in counties.columns):
        column = next(c for c in counties.columns if c.startswith("population"))
        people = counties[column].fillna(0).to_numpy(float)
    elif zips is not None:
        table = pd.read_csv(zips, dtype={"county_fips": str})
        sums = table.groupby("county_fips")["population"].sum()
        people = sums.reindex(counties["fips"]).fillna(0).to_numpy(float)
    else:
        people = None
    points = counties[["lat", "lon"]].to_numpy(float)
    found = []
    for measure, weights in (("count", np.ones(n)), ("population", people)):
        if weights is None:
            continue
        m = min(COUNTY_TERRITORIES[measure], n)
        lower, upper = (np.full((1, m), weights.sum() / m * side) for side in (1 - TOLERANCE, 1 + TOLERANCE))
        name = f"counties/{measure}_{m}"
        load = weights[None]
        found.append(
            Instance(
                name, ids[kept], m, points, True, weights, 1, (measure,), load, lower, upper, pairs.astype(np.int64)
            )
        )
    return found


def _mainland(n: int, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which units are in the largest connected piece: grow it from the unit with the most neighbours."""
    inside = np.zeros(n, np.bool_)
    inside[np.bincount(pairs.reshape(-1), minlength=n).argmax()] = True
    while True:
        reached = inside.copy()
        reached[pairs[inside[pairs].any(axis=1)]] = True
        if np.array_equal(reached, inside):
            break
        inside = reached
    assert pieces(inside.astype(np.int64), pairs)[1] == 1
    return inside


def write_folder(instance: Instance, folder: Path) -> Path:
    """Write an instance as a user's input (accounts.csv, pairs.csv, config.toml); return the configuration's path."""
    folder.mkdir(parents=True, exist_ok=True)
    axes = ("latitude", "longitude") if instance.spherical else ("x", "y")
    columns = {"account_id": instance.ids, axes[0]: instance.points[:, 0], axes[1]: instance.points[:, 1]}
    columns |= {m: v for m, v in zip(instance.measures, instance.loads, strict=True) if m != "count"}
    pd.DataFrame(columns).to_csv(folder / "accounts.csv", index=False)
    lines = ['[data]\naccounts = "accounts.csv"', f'[territories]\ncount = {instance.n_territories}\ncenters = "free"']
    lines += [f'[[balance]]\nmeasure = "{m}"\ntolerance = {TOLERANCE}' for m in instance.measures]
    weighted = [
        m for m, v in zip(instance.measures, instance.loads, strict=True) if np.array_equal(v, instance.weights)
    ]
    weight = f'\nweight = "{weighted[0]}"' if weighted and weighted[0] != "count" else ""
    metric = "haversine" if instance.spherical else "euclidean"
    lines.append(f'[travel]\nmetric = "{metric}"\npower = {instance.power}{weight}')
    if instance.pairs is not None:
        touching = pd.DataFrame(instance.ids[instance.pairs], columns=["unit_a", "unit_b"])
        touching.to_csv(folder / "pairs.csv", index=False)
        lines.append('[contiguity]\nadjacency = "pairs.csv"\nunit_id = "account_id"')
    lines.append("[solve]\nseed = 0")
    (folder / "config.toml").write_text("\n\n".join(lines) + "\n")
    return folder / "config.toml"
