"""What a report is made from, worked out once: who has which account, today and in the plan, with loads and travel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scenarios.alignment import score_alignment
from scenarios.reported_measures import reported_loads, reported_measures
from territory_engine.wording import (
    compact,
    distance_unit,
    loads_are_whole,
    measure_label,
    noun,
    number,
    territory_names,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scenarios.alignment import AlignmentScore
    from territory_engine.plan import Plan
    from territory_engine.problem import BalanceRule, PlanningProblem

NOBODY = -1
_LONG_FIGURE = 1e7


@dataclass(frozen=True, eq=False)
class Amount:
    """One measure, account by account.

    Attributes
    ----------
    measure : str
    label : str
        As a heading: ``"Visits 2022"``.
    planned : ndarray of float64, shape (n_accounts,)
        Load at the plan's rep.
    today : ndarray of float64, shape (n_accounts,)
        Load at today's rep.
    """

    measure: str
    label: str
    planned: NDArray[np.float64]
    today: NDArray[np.float64]

    @property
    def noun(self) -> str:
        """What follows a figure: ``"visits (2022)"``, ``"of revenue"``."""
        return noun(self.measure)

    def said(self, value: float) -> str:
        """Return a figure with what it is of: ``"5,721 visits (2022)"``, ``"37.5 M of revenue"``."""
        return f"{figure(value)} {noun(self.measure, value)}"


class ReportFacts:
    """A plan that is feasible, as arrays over accounts and territories.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan

    Attributes
    ----------
    ids : list of str
        Of the territories, in the order of ``plan.territories``, which is what *row* means below.
    names : list of str
        What a reader calls them.
    territory : ndarray of int, shape (n_accounts,)
        Row of every account's territory; −1 for none.
    owner : ndarray of int, shape (n_accounts,)
        Row of today's; −1 for nobody, or who is no rep any more.
    travel, travel_today : ndarray of float64, shape (n_accounts,)
        NaN where unknown.
    before : AlignmentScore or None
        Today's alignment, where the configuration names one and somebody owns something in it.
    """

    def __init__(self, problem: PlanningProblem, plan: Plan) -> None:
        self.problem, self.plan = problem, plan
        self._loads: dict[str, NDArray[np.float64]] = {}
        self._loads_today: dict[str, NDArray[np.float64] | None] = {}
        self.ids = [str(i) for i in plan.territories.index]
        called = territory_names(problem)
        self.names = [called.get(i, i) for i in self.ids]
        assigned = plan.assignments.reindex(problem.accounts.index)
        self.territory = np.asarray(plan.territories.index.get_indexer(pd.Index(assigned["territory_id"])), np.intp)
        self.travel = assigned["travel"].to_numpy(np.float64)
        self.reasons = assigned["reason"].fillna("").astype(str).to_numpy(object)
        self.before = alignment_today(problem)
        self.owner = np.full(len(problem.accounts), NOBODY, np.intp)
        self.travel_today = np.full(len(problem.accounts), np.nan)
        if self.before is not None:
            rep_rows = pd.Index(plan.territories["rep_id"].astype(str))
            assert problem.config.disruption is not None
            self.owners = problem.accounts[problem.config.disruption.current].astype(str).str.strip().to_numpy(object)
            self.owner = np.asarray(rep_rows.get_indexer(pd.Index(self.owners)), np.intp)
            self.travel_today = self.before.account_travel.to_numpy(np.float64)

    @cached_property
    def account_ids(self) -> list[str]:
        """IDs in input order."""
        return [str(i) for i in self.problem.accounts.index]

    @cached_property
    def account_names(self) -> list[str]:
        """What a reader calls each account: its name, or its ID where it has none."""
        if "name" not in self.problem.accounts:
            return self.account_ids
        names = self.problem.accounts["name"].fillna("").astype(str).str.strip()
        return [name or i for name, i in zip(names, self.account_ids, strict=True)]

    @cached_property
    def full_names(self) -> list[str]:
        """Name and ID of every territory: ``"Ann Lee (R01)"``, or the ID alone."""
        return [f"{name} ({i})" if name != i else i for name, i in zip(self.names, self.ids, strict=True)]

    @cached_property
    def amounts(self) -> tuple[Amount, ...]:
        """Measures that are told of, ``count`` left out."""
        reps = self._rep_rows(self.territory)
        today = self._rep_rows(self.owner)
        return tuple(
            Amount(
                m,
                heading(m),
                reported_loads(self.problem, m, reps),
                reported_loads(self.problem, m, today),
            )
            for m in reported_measures(self.problem)
        )

    @cached_property
    def main(self) -> Amount | None:
        """The measure by which accounts are large: what disruption counts, else money, else the first; None without any."""
        rule = self.problem.config.disruption
        order = [rule.measure if rule else "", *(a.measure for a in self.amounts if _is_money(a.measure))]
        by_name = {a.measure: a for a in self.amounts}
        return next((by_name[m] for m in order if m in by_name), self.amounts[0] if self.amounts else None)

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """What makes an account large, shape ``(n_accounts,)``: the main measure, else its travel."""
        return np.nan_to_num(self.travel) if self.main is None else self.main.planned

    @cached_property
    def members(self) -> list[NDArray[np.intp]]:
        """Rows of the accounts of every territory, in input order."""
        return self._by_row(self.territory)

    @cached_property
    def rules(self) -> dict[str, BalanceRule]:
        """Balance rules by measure."""
        return {rule.measure: rule for rule in self.problem.balance_rules()}

    @cached_property
    def whole(self) -> dict[str, bool]:
        """Per balanced measure, whether every load is a whole number."""
        return {measure: loads_are_whole(self.problem, measure) for measure in self.rules}

    @cached_property
    def changed(self) -> NDArray[np.bool_]:
        """Which accounts get another rep than today's, or a rep at all, shape ``(n_accounts,)``."""
        if self.before is None:
            return np.zeros(len(self.owner), np.bool_)
        return np.asarray(self.territory != self.owner)

    @property
    def who(self) -> str:
        """What a territory is told of as: ``"rep"``, or ``"territory"`` where there are no reps."""
        return "rep" if len(self.problem.reps) else "territory"

    @property
    def unit(self) -> str:
        """Unit of one account's travel."""
        return distance_unit(self.problem)

    def total(self, values: NDArray[np.float64], *, today: bool = False) -> NDArray[np.float64]:
        """Return sums over the accounts of each territory, shape ``(n_territories,)``."""
        row = self.owner if today else self.territory
        return np.bincount(row[row >= 0], values[row >= 0], len(self.ids)).astype(np.float64)

    def loads(self, measure: str) -> NDArray[np.float64]:
        """Return the plan's load of every territory in a measure, as ``territories.csv`` has it where it has it."""
        if measure not in self._loads:
            self._loads[measure] = self._summed(measure)
        return self._loads[measure]

    def _summed(self, measure: str) -> NDArray[np.float64]:
        column = self.plan.load_column(measure)
        if column in self.plan.territories:
            return self.plan.territories[column].to_numpy(np.float64)
        return self.total(next(a.planned for a in self.amounts if a.measure == measure))

    def loads_today(self, measure: str) -> NDArray[np.float64] | None:
        """Return today's load of every territory; None where nobody says who has what today."""
        if measure not in self._loads_today:
            self._loads_today[measure] = self._summed_today(measure)
        return self._loads_today[measure]

    def _summed_today(self, measure: str) -> NDArray[np.float64] | None:
        if self.before is None:
            return None
        if measure == "count":
            return self.total(np.ones(len(self.owner)), today=True)
        amount = next((a for a in self.amounts if a.measure == measure), None)
        return None if amount is None else self.total(amount.today, today=True)

    def owner_name(self, account: int) -> str:
        """Return who has an account today, in words: a name, ``"R03, who left"``, ``"nobody"``."""
        row = int(self.owner[account])
        if row >= 0:
            return self.names[row]
        owner = str(self.owners[account]) if self.before is not None else ""
        return f"{owner}, who left" if owner else "nobody"

    def largest(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return rows of accounts, the largest first."""
        return rows[np.argsort(-self.sizes[rows], kind="stable")]

    def farthest(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return rows of accounts whose travel is known, the farthest first."""
        known: NDArray[np.intp] = rows[np.isfinite(self.travel[rows])]
        return known[np.argsort(-self.travel[known], kind="stable")]

    def _by_row(self, row: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        order = np.argsort(row, kind="stable")
        return np.split(order, np.searchsorted(row[order], np.arange(len(self.ids) + 1)))[1:-1]

    def _rep_rows(self, row: NDArray[np.intp]) -> NDArray[np.intp]:
        """Rows of the reps, as loads that depend on the rep want them, from rows of territories."""
        rep = self.problem.reps.index.get_indexer(pd.Index(self.plan.territories["rep_id"].astype(str)))
        return np.asarray(np.where(row >= 0, rep[row], NOBODY), np.intp) if len(rep) else row


def alignment_today(problem: PlanningProblem) -> AlignmentScore | None:
    """Return today's alignment, where the configuration names one and somebody owns something in it."""
    disruption = problem.config.disruption
    if disruption is None or disruption.current not in problem.accounts or not len(problem.reps):
        return None
    score = score_alignment(problem, problem.accounts[disruption.current])
    return score if score.owned else None


def heading(measure: str) -> str:
    """Return a measure as a heading: ``"Visits 2022"``."""
    label = measure_label(measure)
    return label[:1].upper() + label[1:]


def figure(value: float) -> str:
    """Format a load: in full up to ten millions, ``"37.5 M"`` from there on."""
    return compact(value) if abs(value) >= _LONG_FIGURE else number(value)


def signed(value: float) -> str:
    """Format a change with its sign; 0 without."""
    text = figure(abs(value))
    return "0" if text == "0" else f"{'+' if value > 0 else '−'}{text}"


def _is_money(measure: str) -> bool:
    return measure.startswith(("revenue", "potential"))
