"""What the rules say, worked out again from a plan directory's own inputs, in few lines that anyone can read.

Nothing here is shared with the code that made the plan: a mistake there cannot hide itself here. Positions of
accounts and reps are those of the stored inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.auditing.numbers import LIMIT_SLACK, haversine_km, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from territory_engine.auditing.stored_units import StoredCentres, StoredUnits

_BLOCK_CELLS = 1 << 18


@dataclass(frozen=True, eq=False)
class Limits:
    """Hard limits on one measure and its targets, per rep: arrays of float64, shape ``(n_reps,)``.

    -inf and inf where there is no limit; NaN targets where loads depend on the rep. ``weight`` is what every unit of load
    off the target costs; 0 where targets are only reported.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    target: NDArray[np.float64]
    weight: float


@dataclass(frozen=True, eq=False)
class StoredProblem:
    """The inputs in a plan directory, and what the configured rules make of them.

    Attributes
    ----------
    config : dict
        ``plan.json``'s ``config``.
    accounts, reps : DataFrame
        Indexed by ID, in input order. Where no reps were given, ``reps`` has a row without columns per territory.
    travel_table : DataFrame or None
        ``rep_id`` (``center_id`` where centres are chosen), ``account_id``, ``cost`` and any measure; a pair that is
        absent may not be assigned.
    units : StoredUnits or None
        Geographic units, where territories are connected.
    centres : StoredCentres or None
        Where centres are chosen; None for rep homes.
    with_reps : bool
        Whether territories belong to reps; False where no reps were given.
    """

    config: dict[str, Any]
    accounts: pd.DataFrame
    reps: pd.DataFrame
    travel_table: pd.DataFrame | None
    units: StoredUnits | None = None
    centres: StoredCentres | None = None
    with_reps: bool = True

    def section(self, name: str) -> dict[str, Any]:
        """Return a table of the configuration; empty where it is left out."""
        return self.config.get(name) or {}

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """Balanced measures, each once, in the configuration's order."""
        return tuple(dict.fromkeys(entry["measure"] for entry in self.config.get("balance", ())))

    def depends_on_rep(self, measure: str) -> bool:
        """Whether the travel table gives this measure."""
        return self.travel_table is not None and measure in self.travel_table.columns

    def values(self, measure: str) -> NDArray[np.float64]:
        """Return each account's load, shape ``(n_accounts,)``, for a measure that does not depend on the rep."""
        if measure == "count":
            return np.ones(len(self.accounts))
        return self.accounts[measure].to_numpy(np.float64)

    def limits(self, measure: str) -> Limits:
        """Work out tolerance × share, ``min`` and ``max``; several entries on one measure hold at once.

        The target is the share that the entry with a target weight names, or else the last one with a tolerance.

        Source: ``(1 ± tolerance) × share_t / Σ share × Σ_i load_i``.
        """
        n_reps = len(self.reps)
        lower, upper = np.full(n_reps, -np.inf), np.full(n_reps, np.inf)
        entries = [entry for entry in self.config["balance"] if entry["measure"] == measure]
        total = np.nan if self.depends_on_rep(measure) else self.values(measure).sum()

        def shared(entry: dict[str, Any]) -> NDArray[np.float64]:
            share = self.reps[entry["share"]].to_numpy(np.float64) if entry.get("share") else np.ones(n_reps)
            return np.asarray(total * share / share.sum())

        def given(limit: float | str) -> NDArray[np.float64]:
            return self.reps[limit].to_numpy(np.float64) if isinstance(limit, str) else np.full(n_reps, float(limit))

        for entry in entries:
            if entry.get("tolerance") is not None:
                lower = np.maximum(lower, (1 - entry["tolerance"]) * shared(entry))
                upper = np.minimum(upper, (1 + entry["tolerance"]) * shared(entry))
            if entry.get("min") is not None:
                lower = np.maximum(lower, given(entry["min"]))
            if entry.get("max") is not None:
                upper = np.minimum(upper, given(entry["max"]))
        with_tolerance = [entry for entry in entries if entry.get("tolerance") is not None]
        soft = [entry for entry in entries if entry.get("target_weight") is not None]
        named = soft or with_tolerance
        weight = float(soft[-1]["target_weight"]) if soft else 0.0
        return Limits(lower, upper, shared(named[-1] if named else {}), weight)

    def priced_targets(self) -> list[str]:
        """Return the measures that have a target weight, even one of 0."""
        return [m for m in self.measures if any(
            e["measure"] == m and e.get("target_weight") is not None for e in self.config["balance"]
        )]  # fmt: skip

    # Travel ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates of accounts and of where they are served from, shapes ``(n, 2)``."""
        served_from = self.reps[self.coordinates].to_numpy(np.float64) if self.centres is None else self.centres.places
        return self.account_places, served_from

    @cached_property
    def _table(self) -> tuple[NDArray[np.intp], NDArray[np.intp], dict[str, NDArray[np.float64]]]:
        """The travel table by account: first row of each account (and one past the last), rep positions, columns."""
        table = self.travel_table
        assert table is not None
        account = self.accounts.index.get_indexer(pd.Index(text(table["account_id"])))
        if self.centres is None:
            rep = self.reps.index.get_indexer(pd.Index(text(table["rep_id"])))
        else:
            rep = self.centres.ids.get_indexer(pd.Index(text(table["center_id"])))
        known = np.flatnonzero((account >= 0) & (rep >= 0))
        order = known[np.argsort(account[known], kind="stable")]
        first = np.searchsorted(account[order], np.arange(len(self.accounts) + 1))
        columns = {name: table[name].to_numpy(np.float64)[order] for name in self._table_columns(table)}
        return first, rep[order], columns

    def _table_columns(self, table: pd.DataFrame) -> list[str]:
        return ["cost", *(measure for measure in self.measures if measure in table.columns)]

    def _from_table(self, column: str, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return one column of the table for some accounts and every rep; inf where a pair is absent."""
        first, rep, columns = self._table
        counts = first[rows + 1] - first[rows]
        block = np.repeat(np.arange(len(rows)), counts)
        pair = np.repeat(first[rows] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        values = np.full((len(rows), len(self.reps)), np.inf)
        values[block, rep[pair]] = columns[column][pair]
        return values

    def travel(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return travel from some accounts to every rep, shape ``(len(rows), n_reps)``.

        In km, or the unit of the table or of x and y; NaN where the account has no place, inf where the travel table
        lacks the pair.
        """
        if self.free and self.centres is None:
            # No plan, so no centres: any territory might be centred right here.
            return np.zeros((len(rows), len(self.reps)))
        if self.travel_table is not None:
            return self._from_table("cost", rows)
        accounts, reps = self._places
        return self._distance(accounts[rows, None, 0], accounts[rows, None, 1], reps[None, :, 0], reps[None, :, 1])

    def travel_to(self, rep: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return each account's travel to one rep each, shape ``(n_accounts,)``; NaN and inf as in :meth:`travel`."""
        if self.travel_table is not None:
            return self._pick("cost", rep)
        accounts, reps = self._places
        return self._distance(accounts[:, 0], accounts[:, 1], reps[rep, 0], reps[rep, 1])

    def _pick(self, column: str, rep: NDArray[np.intp]) -> NDArray[np.float64]:
        blocks = [self._from_table(column, rows)[np.arange(len(rows)), rep[rows]] for rows in self._blocks()]
        return np.concatenate(blocks) if blocks else np.empty(0)

    def _distance(
        self,
        first_a: NDArray[np.float64],
        second_a: NDArray[np.float64],
        first_b: NDArray[np.float64],
        second_b: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        if self.section("travel").get("metric") == "euclidean":
            return np.asarray(np.hypot(first_a - first_b, second_a - second_b))
        return haversine_km(first_a, second_a, first_b, second_b)

    def cost(self, travel: NDArray[np.float64], rows: NDArray[np.intp] | slice = slice(None)) -> NDArray[np.float64]:
        """Return weight × travel^power for some accounts' travel, any number of columns; 0 where travel is NaN."""
        travel_rule = self.section("travel")
        weight = self.accounts[travel_rule["weight"]].to_numpy(np.float64) if travel_rule.get("weight") else None
        cost = np.where(np.isnan(travel), 0.0, travel) ** travel_rule.get("power", 1)
        if weight is None:
            return np.asarray(cost)
        # An absent pair stays impossible (inf) for an account that weighs nothing.
        factor = weight[rows].reshape(-1, *[1] * (travel.ndim - 1))
        return np.where(np.isinf(cost), np.inf, np.where(np.isinf(cost), 0.0, cost) * factor)

    def loads_of(self, measure: str, rep: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return each account's load on the rep that serves it, shape ``(n_accounts,)``; inf for an absent pair."""
        return self._pick(measure, rep) if self.depends_on_rep(measure) else self.values(measure)

    # Eligibility and groups -----------------------------------------------------------------------------------------

    @cached_property
    def lock(self) -> NDArray[np.intp]:
        """Position of the rep an account is locked to, shape ``(n_accounts,)``; -1 free, -2 a rep that is not there."""
        locks = self.section("locks")
        if not locks:
            return np.full(len(self.accounts), -1)
        names = text(self.accounts[locks["column"]])
        position = self.reps.index.get_indexer(pd.Index(names))
        return np.where(names == "", -1, np.where(position < 0, -2, position))

    @cached_property
    def qualified(self) -> tuple[NDArray[np.intp], NDArray[np.bool_]] | None:
        """The eligibility columns: value number of each account, and which reps list that value.

        Shapes ``(n_accounts,)`` and ``(n_values, n_reps)``; None where no columns are configured.
        """
        rule = self.section("eligibility")
        if not rule.get("column"):
            return None
        number, values = pd.factorize(text(self.accounts[rule["column"]]))
        lists = [{item.strip() for item in cell.split(";")} - {""} for cell in text(self.reps[rule["reps_column"]])]
        return number, np.array([[value in listed for listed in lists] for value in values], dtype=np.bool_)

    def within_reach(self, travel: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether travel keeps ``max_travel`` and the pair exists; always for an account without a place."""
        limit = self.section("eligibility").get("max_travel")
        return np.isnan(travel) | (travel <= (np.finfo(np.float64).max if limit is None else limit * (1 + LIMIT_SLACK)))

    def allowed(self, rows: NDArray[np.intp], travel: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which reps may serve some accounts, shape ``(len(rows), n_reps)``: travel, columns and locks."""
        allowed = self.within_reach(travel)
        if self.qualified is not None:
            number, listed = self.qualified
            allowed &= listed[number[rows]]
        if self.section("locks"):
            lock = self.lock[rows, None]
            allowed &= (lock == -1) | (lock == np.arange(len(self.reps)))
        return allowed

    @property
    def free(self) -> bool:
        """Whether centres are chosen."""
        return self.section("territories").get("centers") == "free"

    @property
    def account_places(self) -> NDArray[np.float64]:
        """Coordinates of the accounts, shape ``(n_accounts, 2)``; NaN where unknown, and with a travel table."""
        if not set(self.coordinates) <= set(self.accounts.columns):
            return np.full((len(self.accounts), 2), np.nan)
        return self.accounts[self.coordinates].to_numpy(np.float64)

    @property
    def coordinates(self) -> list[str]:
        """The columns of a place."""
        return ["x", "y"] if self.section("travel").get("metric") == "euclidean" else ["latitude", "longitude"]

    @cached_property
    def unit(self) -> NDArray[np.intp]:
        """Number of what moves as one with each account, shape ``(n_accounts,)``: its geographic unit, or its group."""
        if self.units is None:
            return self.group
        return np.asarray(np.unique(self.units.unit_of, return_inverse=True)[1])

    @cached_property
    def group(self) -> NDArray[np.intp]:
        """Number of the group each account belongs to, shape ``(n_accounts,)``; an account with none is its own."""
        n_accounts = len(self.accounts)
        groups = self.section("groups")
        if not groups:
            return np.arange(n_accounts)
        names = text(self.accounts[groups["column"]])
        number, _ = pd.factorize(names)
        return np.asarray(pd.factorize(np.where(names == "", np.arange(n_accounts) + n_accounts, number))[0])

    # The bound ------------------------------------------------------------------------------------------------------

    def _blocks(self, order: NDArray[np.intp] | None = None) -> Iterator[NDArray[np.intp]]:
        """Yield account positions a few at a time, so that a block of every rep fits in the processor's cache."""
        order = np.arange(len(self.accounts)) if order is None else order
        step = max(1, _BLOCK_CELLS // max(1, len(self.reps)))
        for start in range(0, len(order), step):
            yield order[start : start + step]

    # Moves ----------------------------------------------------------------------------------------------------------

    @cached_property
    def owner(self) -> NDArray[np.intp]:
        """Position of each account's rep of today, shape ``(n_accounts,)``; -1 for nobody, or no rep any more."""
        current = self.section("disruption").get("current")
        if not current:
            return np.full(len(self.accounts), -1)
        return np.asarray(self.reps.index.get_indexer(pd.Index(text(self.accounts[current]))))

    @cached_property
    def owned(self) -> NDArray[np.float64]:
        """What of the disruption's measure each account has, shape ``(n_accounts,)``; 0 without a rep today."""
        measure = self.section("disruption").get("measure", "count")
        return np.where(self.owner >= 0, self.values(measure), 0.0)

    @cached_property
    def disruption(self) -> NDArray[np.float64]:
        """What moving each account counts, shape ``(n_accounts,)``: 1 + Σ weight × protection times the measure."""
        factor = np.ones(len(self.accounts))
        for protection in self.section("disruption").get("protect") or []:
            factor += protection["weight"] * self.accounts[protection["column"]].to_numpy(np.float64)
        return np.asarray(self.owned * factor)

    @property
    def most_moved(self) -> float:
        """How much may change hands; inf for no limit."""
        fraction = self.section("disruption").get("max_moved")
        return np.inf if fraction is None else fraction * float(self.owned.sum())

    @property
    def move_weight(self) -> float:
        """Price per unit that changes hands, in units of the objective."""
        return float(self.section("disruption").get("weight") or 0.0)

    def changing_hands(self, rep: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which accounts have a rep today and another one then, shape ``(n_accounts,)``."""
        return np.asarray((self.owner >= 0) & (self.owner != rep))

    def moving(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return what changes hands if a rep gets some accounts, shape ``(len(rows), n_reps)``."""
        elsewhere = self.owner[rows, None] != np.arange(len(self.reps))
        return np.where(elsewhere, self.disruption[rows, None], 0.0)

    def cheapest(
        self, net_price: NDArray[np.float64], *, with_cost: bool, move_price: float = 0.0
    ) -> NDArray[np.float64]:
        """Return ``min_t (c_ut + Σ_k (λ⁺_tk − λ⁻_tk + π_tk) a_utk + (w + β) d_ut)`` of every unit u over the reps that may serve it.

        A unit is a group or a single account; its costs and loads are its accounts' sums, and a rep may serve it only
        if it may serve each of them.

        Parameters
        ----------
        net_price : ndarray of float64, shape (n_measures, n_reps)
            λ⁺ − λ⁻ + π, in objective units per unit of the measure.
        with_cost : bool
            False leaves the travel and the price w on moves out, as a proof of infeasibility does.
        move_price : float
            β ≥ 0, of the limit on what changes hands.

        Returns
        -------
        ndarray of float64, shape (n_units,)
            inf where no rep may serve the unit.
        """
        priced = [(measure, price) for measure, price in zip(self.measures, net_price, strict=True) if price.any()]
        best = np.full(self.unit.max(initial=-1) + 1, np.inf)
        pending, pending_unit = np.empty(0), -1
        for rows in self._blocks(np.argsort(self.unit, kind="stable")):
            travel = self.travel(rows)
            allowed = self.allowed(rows, travel)
            value = self.cost(travel, rows) if with_cost else np.zeros_like(travel)
            dear = move_price + (self.move_weight if with_cost else 0.0)
            if dear > 0:
                value += dear * self.moving(rows)
            for measure, price in priced:
                if self.depends_on_rep(measure):
                    load = self._from_table(measure, rows)
                    value += np.where(np.isinf(load), 0.0, load) * price
                else:
                    value += self.values(measure)[rows, None] * price
            value[~allowed] = np.inf
            unit = self.unit[rows]
            first = np.flatnonzero(np.diff(unit, prepend=-1))
            total = value if len(first) == len(rows) else np.add.reduceat(value, first, axis=0)
            if pending_unit == unit[0]:
                # A group that began in the block before: only its last part completes the sum.
                total[0] += pending
            best[unit[first]] = total.min(axis=1)
            pending, pending_unit = total[-1], unit[-1]
        return best

    def bound(
        self,
        upper_price: NDArray[np.float64],
        lower_price: NDArray[np.float64],
        target_price: NDArray[np.float64] | None = None,
        *,
        with_cost: bool = True,
        move_price: float = 0.0,
    ) -> tuple[float, float]:
        """Return what prices prove by weak duality, and the size of the terms it is the difference of.

        Source: ``Σ_u min_t (c_ut + Σ_k (λ⁺_tk − λ⁻_tk + π_tk) a_utk + β d_ut) − Σ_tk (λ⁺_tk u_tk − λ⁻_tk l_tk + π_tk T_tk) − β B``
        over units u (groups merged) and the reps t that may serve them; every λ ≥ 0, every |π| ≤ its target weight w. For
        any such π, π (load − T) is at most w |load − T|, which is what a load off its target costs.

        Parameters
        ----------
        upper_price, lower_price, target_price : ndarray of float64, shape (n_measures, n_reps)
            λ⁺, λ⁻ and π; no π where it is left out.
        move_price : float
            β of the limit B on what changes hands; 0 where there is none.
        with_cost : bool
            With False, and without prices of targets, the number is 0 or less for any prices if some assignment keeps every rule; more than 0 proves
            that none does.

        Returns
        -------
        bound, magnitude : float
            inf where some unit has no rep that may serve it.
        """
        target_price = np.zeros_like(upper_price) if target_price is None else target_price
        best = self.cheapest(upper_price - lower_price + target_price, with_cost=with_cost, move_price=move_price)
        limits = [self.limits(measure) for measure in self.measures]
        parts = [best]
        if move_price > 0:
            parts.append(np.array([-move_price * self.most_moved]))
        for limit, up, low, aim in zip(limits, upper_price, lower_price, target_price, strict=True):
            # A price at a limit that is not there would multiply infinity; without a price it contributes nothing.
            parts.append(-up[up != 0] * limit.upper[up != 0])
            parts.append(low[low != 0] * limit.lower[low != 0])
            parts.append(-aim[aim != 0] * limit.target[aim != 0])
        return float(sum(part.sum() for part in parts)), float(sum(np.abs(part).sum() for part in parts))
