"""What of a plan a routed batch rests on: who owns which account, and the plan's own rule of eligibility."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import PlanDirectoryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REMEDY = "Remedy: give the plan directory that the batch was routed by, or leave it out"


@dataclass(frozen=True, eq=False)
class RoutingPlan:
    """A plan directory as far as routing uses it.

    Attributes
    ----------
    folder, sha256 : str
        The directory; of its ``plan.json``.
    changed : tuple of str
        Files that are not as ``plan.json`` says.
    config : dict
    rep_of_account, territory_of_account : Series of str, index ``account_id``
    rep_of_territory : dict of str to str
    places : ndarray of float64, shape (n_accounts, 2)
        Latitude and longitude of the accounts, in the order of ``rep_of_account``; NaN where unknown.
    """

    folder: str
    sha256: str
    changed: tuple[str, ...]
    config: dict[str, Any]
    rep_of_account: pd.Series[Any]
    territory_of_account: pd.Series[Any]
    rep_of_territory: dict[str, str]
    places: NDArray[np.float64]

    @classmethod
    def read(cls, folder: str | Path) -> RoutingPlan:
        """Read a plan directory.

        Raises
        ------
        PlanDirectoryError
            There is none, or it cannot be read.
        """
        path = Path(folder)
        try:
            content = (path / "plan.json").read_bytes()
            record = json.loads(content)
            names = ["assignments.csv", "territories.csv", "inputs/accounts.parquet"]
            changed = tuple(
                name for name in names
                if record["files"].get(name) != hashlib.sha256((path / name).read_bytes()).hexdigest()
            )  # fmt: skip
            assignments, territories = (
                pd.read_csv(path / name, dtype=str, keep_default_na=False).iloc[:, :3] for name in names[:2]
            )
            accounts = pd.read_parquet(path / names[2])
            assignments = assignments.set_index("account_id")
            places = np.full((len(assignments), 2), np.nan)
            if {"latitude", "longitude"} <= set(accounts.columns):
                accounts.index = accounts.index.astype(str)
                places = accounts[["latitude", "longitude"]].reindex(assignments.index).to_numpy(np.float64)
            return cls(
                folder=str(folder),
                sha256=hashlib.sha256(content).hexdigest(),
                changed=changed,
                config=record["config"],
                rep_of_account=assignments["rep_id"],
                territory_of_account=assignments["territory_id"],
                rep_of_territory=dict(zip(territories["territory_id"], territories["rep_id"], strict=True)),
                places=places,
            )
        except Exception as error:  # a damaged directory raises whatever its reader stumbles over
            raise PlanDirectoryError(f"{folder}: not a plan that leads are routed by ({error}). {_REMEDY}") from error

    @property
    def travel_km(self) -> float:
        """The plan's travel limit where it holds for leads: km from reps' homes; else inf."""
        most = (self.config.get("eligibility") or {}).get("max_travel")
        travel, territories = self.config.get("travel") or {}, self.config.get("territories") or {}
        from_homes = territories.get("centers", "reps") == "reps"
        if most is None or travel.get("metric", "haversine") != "haversine" or travel.get("table") or not from_homes:
            return float("inf")
        return float(most)

    @property
    def rule(self) -> tuple[str, str] | None:
        """The plan's own rule of eligibility: accounts column and reps column."""
        own = self.config.get("eligibility") or {}
        return (own["column"], own["reps_column"]) if own.get("column") and own.get("reps_column") else None
