"""Which rule keeps which account from which rep: locks, eligibility lists, travel and the travel table, one at a time."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from solvers.kernels import haversine_block
from solvers.problem import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.model import Model
    from territory_engine.problem import PlanningProblem


class Permissions:
    """The rules about who may serve whom, kept apart.

    Attributes
    ----------
    planning : PlanningProblem
    model : Model
    """

    def __init__(self, planning: PlanningProblem, model: Model) -> None:
        self.planning, self.model = planning, model

    @cached_property
    def n_reps(self) -> int:
        """Number of reps."""
        return len(self.planning.reps)

    @cached_property
    def members(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Accounts in the order of their units, and where each unit begins, shapes (n_accounts,), (n_units + 1,)."""
        order = np.argsort(self.model.unit_of, kind="stable")
        return order, np.searchsorted(self.model.unit_of[order], np.arange(self.model.problem.n_units + 1))

    def accounts_of(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the accounts of some units, ascending."""
        if self.model.problem.n_units == len(self.model.unit_of):
            return np.sort(units)
        return np.flatnonzero(np.isin(self.model.unit_of, units))

    @cached_property
    def lock(self) -> NDArray[np.int64]:
        """Rep each account is locked to, shape (n_accounts,); −1 where it is free."""
        if self.planning.config.locks is None:
            return np.full(len(self.planning.accounts), -1)
        locked = pd.Index(self.planning.accounts[self.planning.config.locks.column])
        return self.planning.reps.index.get_indexer(locked)

    @cached_property
    def values(self) -> tuple[NDArray[np.int64], list[str], NDArray[np.bool_]] | None:
        """The eligibility columns: value of each account, the values, and which reps list them; None without them.

        Shapes (n_accounts,), (n_values,), (n_values, n_reps).
        """
        rule = self.planning.config.eligibility
        if rule is None or rule.column is None or rule.reps_column is None:
            return None
        text = self.planning.accounts[rule.column].astype(object).map(lambda v: str(v).strip())
        codes, values = pd.factorize(text)
        lists = [{part.strip() for part in str(cell).split(";")} for cell in self.planning.reps[rule.reps_column]]
        listed = np.array([[v in known for known in lists] for v in values], np.bool_).reshape(len(values), self.n_reps)
        return codes.astype(np.int64), [str(v) for v in values], listed

    def listed(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which reps list the value of each account, shape ``(len(rows), n_reps)``."""
        if self.values is None:
            return np.ones((len(rows), self.n_reps), np.bool_)
        codes, _, listed = self.values
        return listed[codes[rows]]

    def unlocked(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which reps the locks leave to each account, shape ``(len(rows), n_reps)``."""
        lock = self.lock[rows, None]
        return np.asarray((lock < 0) | (lock == np.arange(self.n_reps)))

    def travel(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return travel from accounts to every rep, shape ``(len(rows), n_reps)``.

        NaN where the account has no place; inf where the travel table lacks the pair.
        """
        planning = self.planning
        if planning.travel_table is not None:
            return self._table[rows]
        if planning.config.travel.metric == "euclidean":
            a, b = (
                planning.accounts[["x", "y"]].to_numpy(np.float64)[rows],
                planning.reps[["x", "y"]].to_numpy(np.float64),
            )
            return np.asarray(np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]))
        columns = ["latitude", "longitude"]
        places = np.radians(planning.accounts[columns].to_numpy(np.float64)[rows])
        homes = np.radians(planning.reps[columns].to_numpy(np.float64))
        return np.asarray(haversine_block(places, homes, EARTH_RADIUS_KM))

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        table = self.planning.travel_table
        assert table is not None
        travel = np.full((len(self.planning.accounts), self.n_reps), np.inf)
        account = self.planning.accounts.index.get_indexer(pd.Index(table["account_id"]))
        travel[account, self.planning.reps.index.get_indexer(pd.Index(table["rep_id"]))] = table["cost"].to_numpy(
            np.float64
        )
        return travel

    @property
    def max_travel(self) -> float:
        """The greatest travel allowed; inf without such a rule."""
        rule = self.planning.config.eligibility
        return np.inf if rule is None or rule.max_travel is None else rule.max_travel

    def reached(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which reps the greatest travel and the travel table leave, shape ``(len(rows), n_reps)``."""
        if not np.isfinite(self.max_travel) and self.planning.travel_table is None:
            return np.ones((len(rows), self.n_reps), np.bool_)
        travel = self.travel(rows)
        return np.isnan(travel) | ((travel <= self.max_travel) & np.isfinite(travel))

    def allowed_units(self) -> NDArray[np.bool_]:
        """Return the allowed pairs of units and reps, shape ``(n_units, n_reps)``."""
        problem = self.model.problem
        return np.concatenate([np.isfinite(block) for _, _, block in problem.blocks()])
