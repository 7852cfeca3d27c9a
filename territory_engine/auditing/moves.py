"""The checks of the move list: the right accounts, and an order in which one may stop after any step.

Every step is made again here, and every rule is held against what it was before the first one. Nothing is known of how
the order was found.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.auditing.checks import SHOWN, Check, StoredPlan, compared, numeric, verdict
from territory_engine.auditing.numbers import LIMIT_SLACK, TOLERANCE, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from territory_engine.auditing.rules import StoredProblem

COLUMNS = ["step", "account_id", "kind", "from", "to", "travel_before", "travel_after", "travel_saved", "buys", "why"]


def check_moves(
    stored: StoredProblem, plan: StoredPlan, told: pd.DataFrame, unit_territory: NDArray[np.intp] | None
) -> list[Check]:
    """Check the move list against the assignments, and that no rule is more broken after any step than at the start.

    Parameters
    ----------
    stored : StoredProblem
    plan : StoredPlan
    told : DataFrame
        ``moves.csv`` as text.
    unit_territory : ndarray of int, shape (n_units,), or None
        Position of each geographic unit's territory in the plan.
    """
    owner = _owners(stored)
    if owner is None:
        return [Check("moves", False, "there is a move list, but nothing says which rep has the accounts today")]
    same = _check_accounts(stored, plan, told, owner)
    steps = _check_steps(told)
    checks = [same, steps]
    if not same.ok or not steps.ok:
        return checks
    rows = stored.accounts.index.get_indexer(pd.Index(told["account_id"]))
    checks += _check_figures(stored, plan, told, rows, owner)
    checks.append(_check_order(stored, plan, told, rows, owner, unit_territory))
    return checks


def _owners(stored: StoredProblem) -> NDArray[np.intp] | None:
    """Return the position of the rep who has each account today, shape ``(n_accounts,)``; −1 for nobody."""
    column = stored.section("disruption").get("current")
    if not column or not stored.with_reps:
        return None
    return np.asarray(stored.reps.index.get_indexer(pd.Index(text(stored.accounts[column]))), np.intp)


def _check_accounts(stored: StoredProblem, plan: StoredPlan, told: pd.DataFrame, owner: NDArray[np.intp]) -> Check:
    """Check that the list has every account whose rep changes, once, with the right kind and reps."""
    changing = np.flatnonzero(owner != plan.rep)
    expected = stored.accounts.index[changing]
    listed = pd.Index(told["account_id"])
    faults = {
        "missing": expected[~expected.isin(listed)],
        "listed, but no change": listed[~listed.isin(expected)],
        "more than once": listed[listed.duplicated()],
    }
    words = [f"{name}: {', '.join(map(str, ids[:SHOWN]))}" for name, ids in faults.items() if len(ids)]
    if words:
        return Check("moves", False, "accounts whose rep changes: " + "; ".join(words))
    rows = stored.accounts.index.get_indexer(listed)
    ids = np.append(stored.reps.index.to_numpy(object), "")
    want = pd.DataFrame(
        {
            "kind": np.where(owner[rows] >= 0, "move", "assign"),
            "from": text(stored.accounts[stored.section("disruption")["current"]]).to_numpy(object)[rows],
            "to": ids[plan.rep[rows]],
        },
        index=told.index,
    )
    wrong = (told[["kind", "from", "to"]] != want).any(axis=1).to_numpy()

    def describe(i: int) -> str:
        return f"expected {want.iloc[i].tolist()}, found {told[['kind', 'from', 'to']].iloc[i].tolist()}"

    return verdict(
        "moves", wrong, list(listed), describe, "account whose rep changes is listed once, with kind, from, to"
    )


def _check_steps(told: pd.DataFrame) -> Check:
    """Check that steps are numbered from 1 without gaps, in the order of the list."""
    step = numeric(told["step"])
    ahead = np.diff(step, prepend=0.0)
    good = bool(np.isin(ahead, (0.0, 1.0)).all()) and (not len(step) or step[0] == 1.0)
    last = f"{step[-1]:,.0f}" if good and len(step) else "0"
    message = f"steps 1 to {last} in order" if good else "steps are not numbered from 1 without gaps, in order"
    return Check("move_steps", good, message)


def _check_figures(
    stored: StoredProblem, plan: StoredPlan, told: pd.DataFrame, rows: NDArray[np.intp], owner: NDArray[np.intp]
) -> list[Check]:
    """Check travel before and after, and every measure of every move."""
    ids = told["account_id"].tolist()
    before = np.full(len(rows), np.nan)
    # Where centres are chosen nobody knows where today's are.
    if not stored.free:
        travel = stored.travel_to(np.where(owner >= 0, owner, 0))[rows]
        before = np.where((owner[rows] >= 0) & np.isfinite(travel), travel, np.nan)
    after = stored.travel_to(plan.rep)[rows]
    expected = {"travel_before": before, "travel_after": after, "travel_saved": before - after}
    measures = dict.fromkeys([*stored.measures, stored.section("disruption").get("measure", "count")])
    for measure in measures:
        if measure != "count":
            column = f"measure_{measure}" if measure in {*COLUMNS, "name"} else measure
            expected[column] = stored.loads_of(measure, plan.rep)[rows]
    checks = []
    for column, values in expected.items():
        if column not in told:
            checks.append(Check(f"moves:{column}", False, f"moves.csv has no column {column}"))
            continue
        found = numeric(told[column])
        # Travel is told to a millionth; of two that are nearly the same little is left.
        typical = (
            np.nan_to_num(np.abs(before) + np.abs(after), nan=1.0) if column == "travel_saved" else np.ones(len(rows))
        )
        close = np.abs(found - values) <= 2 * TOLERANCE * np.maximum(1.0, typical)
        found = np.where(close, values, found)
        checks.append(compared(f"moves:{column}", ids, found, values, f"move's {column.replace('_', ' ')}"))
    return checks


def _check_order(
    stored: StoredProblem,
    plan: StoredPlan,
    told: pd.DataFrame,
    rows: NDArray[np.intp],
    owner: NDArray[np.intp],
    unit_territory: NDArray[np.intp] | None,
) -> Check:
    """Make the steps one after another, and find those after which a rule is more broken than before the first."""
    state = _State(stored, plan, owner, unit_territory)
    step = numeric(told["step"])
    ends = np.flatnonzero(np.diff(step, append=np.inf))
    faults: list[str] = []
    begin = 0
    for end in ends.tolist():
        faults += [f"after step {step[end]:.0f}: {fault}" for fault in state.faults_after(rows[begin : end + 1])]
        begin = end + 1
    numbers = {"steps": float(len(ends)), "faults": float(len(faults))}
    if faults:
        more = f"; and {len(faults) - SHOWN:,} more" if len(faults) > SHOWN else ""
        return Check("move_order", False, f"more broken than at the start {'; '.join(faults[:SHOWN])}{more}", numbers)
    return Check(
        "move_order", True, f"after each of {len(ends):,} steps no rule is more broken than at the start", numbers
    )


class _State:
    """Who has what after each step, and how broken every rule was at the start."""

    def __init__(
        self,
        stored: StoredProblem,
        plan: StoredPlan,
        owner: NDArray[np.intp],
        unit_territory: NDArray[np.intp] | None,
    ) -> None:
        self.stored, self.rep, self.owner = stored, plan.rep, owner.copy()
        self.ids = stored.reps.index
        n_reps, owned = len(self.ids), owner >= 0
        self.loads: dict[str, tuple[NDArray[np.float64], ...]] = {}
        for measure in stored.measures:
            # Today a rep may have an account that the travel table does not give them: nobody knows that load.
            old = np.where(owned, np.nan_to_num(stored.loads_of(measure, np.where(owned, owner, 0)), posinf=0.0), 0.0)
            new = np.nan_to_num(stored.loads_of(measure, plan.rep), posinf=0.0)
            load = np.bincount(owner[owned], old[owned], n_reps).astype(np.float64)
            limits, typical = stored.limits(measure), float(new.sum()) / n_reps
            little = TOLERANCE * min(1.0, typical)
            most = np.maximum(limits.upper, load) + little
            least = np.minimum(limits.lower, load) - little
            most += LIMIT_SLACK * np.where(np.isfinite(most), np.abs(most), 0.0)
            least -= LIMIT_SLACK * np.where(np.isfinite(least), np.abs(least), 0.0)
            self.loads[measure] = (load, least, most, old, new)
        self.together: dict[str, tuple[NDArray[np.intp], list[Counter[int]], list[int]]] = {}
        if stored.section("groups"):
            self._keep_together("group", stored.group)
        self.units = stored.units
        if stored.units is not None and unit_territory is not None:
            self._keep_together("geographic unit", stored.units.unit_of)
            self.neighbours: list[list[int]] = [[] for _ in stored.units.ids]
            for a, b in stored.units.pairs.tolist():
                self.neighbours[a].append(b)
                self.neighbours[b].append(a)
            occupied = np.bincount(stored.units.unit_of, minlength=len(stored.units.ids)) > 0
            self.empty: list[set[int]] = [set() for _ in range(n_reps)]
            for unit in np.flatnonzero(~occupied).tolist():
                self.empty[unit_territory[unit]].add(unit)
            self.members: list[Counter[int]] = [Counter() for _ in range(n_reps)]
            for unit, rep in zip(stored.units.unit_of.tolist(), owner.tolist(), strict=True):
                if rep >= 0:
                    self.members[rep][unit] += 1
            self.pieces = [max(1, self._pieces(rep)) for rep in range(n_reps)]
        else:
            self.units = None

    def _keep_together(self, what: str, label: NDArray[np.intp]) -> None:
        counts: list[Counter[int]] = [Counter() for _ in range(int(label.max(initial=-1)) + 1)]
        for number, rep in zip(label.tolist(), self.owner.tolist(), strict=True):
            counts[number][rep] += 1
        self.together[what] = (label, counts, [max(1, len(count)) for count in counts])

    def faults_after(self, accounts: NDArray[np.intp]) -> Iterator[str]:
        """Make a step, and tell what it leaves more broken than at the start."""
        pairs = list(zip(accounts.tolist(), self.owner[accounts].tolist(), self.rep[accounts].tolist(), strict=True))
        concerned = sorted({rep for _, old, new in pairs for rep in (old, new) if rep >= 0})
        for measure, (load, least, most, before, after) in self.loads.items():
            for account, old, new in pairs:
                load[new] += after[account]
                if old >= 0:
                    load[old] -= before[account]
            for rep in concerned:
                if not least[rep] <= load[rep] <= most[rep]:
                    yield f"{self.ids[rep]} has {load[rep]:.10g} {measure}"
        for what, (label, counts, allowed) in self.together.items():
            for account, old, new in pairs:
                count = counts[label[account]]
                count[new] += 1
                count[old] -= 1
                if not count[old]:
                    del count[old]
            for number in sorted({int(label[account]) for account in accounts.tolist()}):
                if len(counts[number]) > allowed[number]:
                    example = self.stored.accounts.index[int(np.flatnonzero(label == number)[0])]
                    yield f"the {what} of account {example} is with {len(counts[number])} reps"
        if self.units is not None:
            for account, old, new in pairs:
                unit = int(self.units.unit_of[account])
                self.members[new][unit] += 1
                if old >= 0:
                    self.members[old][unit] -= 1
                    if not self.members[old][unit]:
                        del self.members[old][unit]
            for rep in concerned:
                pieces = self._pieces(rep)
                if pieces > self.pieces[rep]:
                    yield f"the territory of {self.ids[rep]} is in {pieces} pieces"
        self.owner[accounts] = self.rep[accounts]

    def _pieces(self, rep: int) -> int:
        """Count the pieces of a territory that have accounts; units without any connect what lies around them."""
        mine = self.members[rep].keys() | self.empty[rep]
        seen: set[int] = set()
        pieces = 0
        for first in self.members[rep]:
            if first in seen:
                continue
            pieces += 1
            ahead = [first]
            seen.add(first)
            while ahead:
                for unit in self.neighbours[ahead.pop()]:
                    if unit in mine and unit not in seen:
                        seen.add(unit)
                        ahead.append(unit)
        return pieces
