"""Instances as arrays: the literature's folders, for measuring a solver, a peer or the engine on the same data.

A folder holds families, a family holds instances, an instance holds config.toml, accounts.csv, perhaps pairs.csv (which
units touch), reps.csv and travel.csv. ``best_known.csv`` beside the families has the value to reach.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem


@dataclass(frozen=True, eq=False)
class Instance:
    """One territory design problem, as every method and the scorer get it.

    Attributes
    ----------
    name : str
        ``family/instance``.
    ids : ndarray of str, shape (n_accounts,)
    n_territories : int
    points : ndarray of float64, shape (n_accounts, 2)
        Latitude and longitude in degrees where ``spherical``, else x and y; unused where there is a ``cost_table``.
    spherical : bool
    weights : ndarray of float64, shape (n_accounts,)
        What multiplies travel.
    power : int
        Of the distance, in the objective.
    measures : tuple of str
    loads : ndarray of float64, shape (n_measures, n_accounts)
    lower, upper : ndarray of float64, shape (n_measures, n_territories)
        −inf and inf where there is no limit.
    pairs : ndarray of int64, shape (n_pairs, 2), or None
        Which accounts touch: territories must then be connected.
    rep_ids : ndarray of str, shape (n_territories,), or None
        Where territories are served by given reps.
    cost_table : ndarray of float64, shape (n_territories, n_accounts), or None
        What serving an account costs each rep, instead of a distance.
    load_table : ndarray of float64, shape (n_measures, n_territories, n_accounts), or None
        Where load depends on the rep, instead of ``loads``.
    best_known : float or None
        None where nobody has published one.
    status : str
        ``optimal``, ``best``, ``infeasible`` (proved), or ``""``.
    """

    name: str
    ids: NDArray[np.str_]
    n_territories: int
    points: NDArray[np.float64]
    spherical: bool
    weights: NDArray[np.float64]
    power: int
    measures: tuple[str, ...]
    loads: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    pairs: NDArray[np.int64] | None = None
    rep_ids: NDArray[np.str_] | None = None
    cost_table: NDArray[np.float64] | None = None
    load_table: NDArray[np.float64] | None = None
    best_known: float | None = None
    status: str = ""

    @property
    def n_accounts(self) -> int:
        """Number of accounts."""
        return len(self.ids)

    @property
    def family(self) -> str:
        """The part of the name before the slash."""
        return self.name.split("/", maxsplit=1)[0]

    def save(self, path: Path) -> None:
        """Write the arrays to a NumPy archive."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays: dict[str, Any] = {name: np.asarray(v) for name, v in values.items() if v is not None}
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Instance:
        """Read what ``save`` wrote."""
        with np.load(path) as archive:
            values: dict[str, Any] = {name: archive[name] for name in archive.files}
        values = {name: v.item() if v.ndim == 0 else v for name, v in values.items()}
        return cls(**{**values, "measures": tuple(str(m) for m in values["measures"])})

    def tables(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what assigning each account to each of the candidates costs and loads there, all pairs.

        Candidates are the reps where there are some, else the accounts. For the exact models, on small instances.

        Returns
        -------
        costs : ndarray of float64, shape (n_candidates, n_accounts)
        loads : ndarray of float64, shape (n_measures, n_candidates, n_accounts)
        """
        if self.cost_table is not None:
            costs = self.cost_table
        elif self.spherical:
            raise ValueError("no exact model is tried on the sphere's instances: they are too large for it")
        else:
            gap = self.points[:, None] - self.points[None]
            costs = self.weights * np.hypot(gap[..., 0], gap[..., 1]) ** self.power
        loads = np.repeat(self.loads[:, None], len(costs), axis=1) if self.load_table is None else self.load_table
        return costs, loads


def limits(
    rules: list[dict[str, Any]], totals: NDArray[np.float64], n_territories: int, reps: pd.DataFrame | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper limits of ``[[balance]]`` rules, each of shape ``(n_rules, n_territories)``."""
    lower, upper = np.full((len(rules), n_territories), -np.inf), np.full((len(rules), n_territories), np.inf)
    for k, rule in enumerate(rules):
        if "tolerance" in rule:
            fair = totals[k] / n_territories
            lower[k], upper[k] = fair * (1 - rule["tolerance"]), fair * (1 + rule["tolerance"])
        for side, limit, tighter in (("min", lower, np.maximum), ("max", upper, np.minimum)):
            if side in rule:
                value = rule[side]
                column = reps[value].to_numpy(float) if isinstance(value, str) and reps is not None else value
                limit[k] = tighter(limit[k], column)
    return lower, upper


def read_instance(folder: Path) -> Instance:
    """Return the instance in a folder with config.toml, and its best known value from ``../../best_known.csv``."""
    config = tomllib.loads((folder / "config.toml").read_text())
    data, travel, rules = config["data"], config.get("travel", {}), config.get("balance", [])
    accounts = pd.read_csv(folder / data["accounts"], dtype={"account_id": str})
    reps = pd.read_csv(folder / data["reps"], dtype={"rep_id": str}) if "reps" in data else None
    ids, n = accounts["account_id"].to_numpy(str), len(accounts)
    rep_ids = None if reps is None else reps["rep_id"].to_numpy(str)
    m = int(config.get("territories", {}).get("count", 0 if reps is None else len(reps)))
    costs = load_table = None
    own = [np.ones(n) if r["measure"] not in accounts else accounts[r["measure"]].to_numpy(float) for r in rules]
    loads = np.array(own).reshape(len(rules), n)
    if "table" in travel and rep_ids is not None:
        costs, by_rep = _travel_table(folder / travel["table"], rep_ids, ids)
        each = [by_rep.get(r["measure"], np.broadcast_to(v, costs.shape)) for r, v in zip(rules, own, strict=True)]
        load_table = np.array(each).reshape(len(rules), *costs.shape)
    spherical = travel.get("metric", "haversine") == "haversine" and costs is None
    axes = ["latitude", "longitude"] if spherical else ["x", "y"]
    points = np.full((n, 2), np.nan) if costs is not None else accounts[axes].to_numpy(float)
    lower, upper = limits(rules, loads.sum(axis=1), m, reps)
    pairs = None
    if "contiguity" in config:
        touching = pd.read_csv(folder / config["contiguity"]["adjacency"], dtype=str)
        row = pd.Series(np.arange(n), index=ids)
        pairs = np.column_stack([row[touching["unit_a"]].to_numpy(), row[touching["unit_b"]].to_numpy()])
    name = f"{folder.resolve().parent.name}/{folder.resolve().name}"
    value, status = _known(folder.resolve().parent.parent, name)
    return Instance(
        name,
        ids,
        m,
        points,
        spherical,
        accounts[travel["weight"]].to_numpy(float) if "weight" in travel else np.ones(n),
        int(travel.get("power", 1)),
        tuple(r["measure"] for r in rules),
        loads,
        lower,
        upper,
        pairs,
        rep_ids,
        costs,
        load_table,
        value,
        status,
    )


def _travel_table(
    path: Path, rep_ids: NDArray[np.str_], ids: NDArray[np.str_]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    table = pd.read_csv(path, dtype={"rep_id": str, "account_id": str}).set_index(["rep_id", "account_id"])
    grids = {str(c): table[c].unstack().loc[list(rep_ids), list(ids)].to_numpy(float) for c in table.columns}
    return grids.pop("cost"), grids


def _known(folder: Path, name: str) -> tuple[float | None, str]:
    if not (folder / "best_known.csv").exists():
        return None, ""
    family, instance = name.split("/")
    table = best_known(folder).reset_index()
    found = table[(table["family"] == family) & (table["instance"] == instance)]
    values = found["best_known"].dropna()
    status = found["status"] if "status" in found else found["family"].map(lambda _: "best")
    return (float(values.iloc[0]) if len(values) else None), (str(status.iloc[0]) if len(status) else "")


def literature_folders(folder: Path) -> list[Path]:
    """Return the instances below a folder of families, in the order of best_known.csv, the others after them."""
    found = {f"{p.parent.parent.name}/{p.parent.name}": p.parent for p in sorted(folder.glob("*/*/config.toml"))}
    known = [f"{family}/{name}" for family, name in best_known(folder).index] if found else []
    ordered = [name for name in known if name in found] + [name for name in found if name not in known]
    return [found[name] for name in ordered]


def districting_instance(folder: Path) -> DistrictingProblem:
    """Return one instance with free centres as the solvers' problem, without reading it through the engine."""
    from solvers.districting.problem import DistrictingProblem, Graph, PlaceCosts

    instance = read_instance(folder)
    n = instance.n_accounts
    places = instance.points
    costs = PlaceCosts(np.arange(n + 1), places, instance.weights, places, instance.spherical, instance.power)
    graph = None if instance.pairs is None else Graph.of_pairs(n, instance.pairs[:, 0], instance.pairs[:, 1])
    return DistrictingProblem.plain(
        costs, np.arange(n, dtype=np.int32), instance.loads, instance.lower, instance.upper, graph=graph
    )


def best_known(folder: Path) -> pd.DataFrame:
    """Return the best known values, indexed by family and instance."""
    return pd.read_csv(folder / "best_known.csv", dtype={"instance": str}).set_index(["family", "instance"])
