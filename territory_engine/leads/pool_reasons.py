"""Why a lead of the pool went to its rep, in a sentence that is true of the levels and values the batch was split by.

Leads are gone through in input order with everybody's level as it stands before each. Where the lead's rep was due then,
or was as due as others and the lead is worth more there, that is the reason. Otherwise only the batch as a whole is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.fair_split.costs import LeadCosts
from territory_engine.grammar import counted, listed
from territory_engine.leads.amounts import amount_text, share_text
from territory_engine.leads.reading.cells import shown_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from territory_engine.leads.batch import Choices, Roster
    from territory_engine.leads.levels import Levels
    from territory_engine.leads.policy import FairShare
    from territory_engine.leads.splitting import BatchSplit

_NOBODY = 2**62
"""What the next lead costs a rep without room: beyond every cost."""

_NAMED = 2


def rep_names(roster: Roster) -> list[str]:
    """Return each rep's ID, with the name in brackets where the roster has another: ``"R08 (Alice Moreno)"``."""
    ids = [str(rep) for rep in roster.frame.index]
    if "name" not in roster.frame:
        return ids
    names = roster.frame["name"].astype(str).to_list()
    return [
        f"{rep} ({shown_text(name, 60)})" if name.strip() not in ("", "nan", "None", "<NA>", rep) else rep
        for rep, name in zip(ids, names, strict=True)
    ]


def pool_reasons(
    choices: Choices,
    levels: Levels,
    split: BatchSplit,
    fair: FairShare,
    last_turn: NDArray[np.int64],
    names: list[str],
) -> Iterator[tuple[int, str]]:
    """Yield each lead of the pool and why its rep has it.

    Parameters
    ----------
    choices : Choices
    levels : Levels
    split : BatchSplit
    fair : FairShare
    last_turn : ndarray of int64, shape (n_reps,)
        Number of each rep's last assignment before the batch; 0 before the first.
    names : list of str
        Of the reps, as :func:`rep_names` gives them.
    """
    part = split.shared
    walk = _Walk(choices, levels, split, fair, last_turn, names)
    place = np.full(len(split.rep), -1, np.int64)
    place[part.leads] = np.arange(len(part.leads))
    for lead in np.flatnonzero(split.rep >= 0).tolist():
        at, rep = int(place[lead]), int(split.rep[lead])
        if at >= 0:
            own = int(part.split.pair[at])
            if choices.rank[part.pairs[own]] == _POOL:
                yield lead, walk.reason(int(part.problem.lead_start[at]), int(part.problem.lead_start[at + 1]), own)
            walk.give(rep)
        walk.took_a_turn(rep)


_POOL = 2


class _Walk:
    """Where everybody stands before each lead of the shared part."""

    def __init__(
        self,
        choices: Choices,
        levels: Levels,
        split: BatchSplit,
        fair: FairShare,
        last_turn: NDArray[np.int64],
        names: list[str],
    ) -> None:
        part = split.shared
        self.choices, self.part, self.problem, self.fair, self.names = choices, part, part.problem, fair, names
        costs = LeadCosts.of(part.problem)
        self.cost, self.rise = costs.first + costs.rise, costs.rise
        self.level, self.step = levels.level.copy(), levels.step
        self.room, self.left = part.problem.capacity.copy(), part.split.count.astype(np.int64).copy()
        self.cost[self.room <= 0] = _NOBODY
        self.turn, self.dealt = last_turn.copy(), int(last_turn.max(initial=0))
        self.rank = part.problem.pair_rank + part.split.rank_price[part.problem.pair_rep]

    def give(self, rep: int) -> None:
        """Count a lead towards a rep's share."""
        self.level[rep] += self.step[rep]
        self.cost[rep] += self.rise[rep]
        self.room[rep] -= 1
        self.left[rep] -= 1
        if self.room[rep] <= 0:
            self.cost[rep] = _NOBODY

    def took_a_turn(self, rep: int) -> None:
        """Note that a rep had a lead, whether or not it counts towards the share."""
        self.dealt += 1
        self.turn[rep] = self.dealt

    def reason(self, begin: int, end: int, own: int) -> str:
        """Say why the lead with these pairs went by the pair ``own``."""
        problem, fair = self.problem, self.fair
        rep = int(problem.pair_rep[own])
        in_pool = np.flatnonzero(self.choices.rank[self.part.pairs[begin:end]] == _POOL) + begin
        reps, name = problem.pair_rep[in_pool], self.names[rep]
        other = "" if len(reps) == end - begin else "other "
        if len(reps) == 1:
            kept = " among the pairs kept" if self.choices.truncated else ""
            return f"{name} is the only {other}rep{kept} who can take it."
        able = "the {:,} others who could take it" if other else "the {:,} who could take it"
        whoever = f"its {len(reps):,} best reps" if self.choices.truncated else able.format(len(reps))
        if fair.fairness_slack:
            slack = counted(fair.fairness_slack, "lead")
            return (
                f"The policy lets a rep be {slack} off the fairest split for the sake of value; within that, no split of the"
                f" batch is worth more than the one that gives it to {name}{self._terms(own)}."
            )
        cost = self.cost[reps]
        there = reps[cost < _NOBODY]
        if len(there) == 1:
            return f"{name} is the only one of {whoever} with room left."
        if len(there) < len(reps):
            whoever = f"the {len(there):,} with room left of {whoever}"
        lowest = int(cost.min())
        if self.cost[rep] == lowest:
            alike = in_pool[cost == lowest]
            told = self._due(rep, there, whoever) if len(alike) == 1 else self._as_due(own, alike)
            if told:
                return told
        return self._of_batch(begin, end, own, reps[cost < self.cost[rep]])

    def _due(self, rep: int, there: NDArray[np.int32], whoever: str) -> str:
        others = there[there != rep]
        level, step, name = self.level, self.step, self.names[rep]
        if level[rep] < level[others].min():
            return f"{name} was due: share {self._share(rep)} before it, the lowest of {whoever}."
        with_it = level + step
        if with_it[rep] < with_it[others].min():
            share = share_text(int(with_it[rep]), int(step[rep]))
            return f"{name} was due: with it the share is {share}, lower than with any other of {whoever}."
        return ""

    def _as_due(self, own: int, alike: NDArray[np.int64]) -> str:
        problem = self.problem
        reps, rep = problem.pair_rep[alike], int(problem.pair_rep[own])
        same = (self.level[reps] == self.level[rep]).all()
        share = f" (share {self._share(rep)})" if same else ""
        due = f"{self._and_others(rep, reps)} were equally due{share}"
        if self.fair.then == "even_value":
            return f"{due}; among such the policy evens out the shares of value, looking at the whole batch."
        value = problem.pair_value[alike]
        best = alike[value == value.max()]
        if problem.pair_value[own] != value.max():
            return ""
        more = "more" if len(alike) == 2 else "most"
        if len(best) == 1:
            return f"{due}, and it is worth {more} with {self.names[rep]}{self._terms(own)}."
        waited = self._waited(rep, problem.pair_rep[best])
        if not waited:
            return ""
        if len(best) == len(alike):
            return f"It was a tie: {due} and it is worth the same with each; {waited}."
        return f"{due}; it is worth most, and the same, with {self._and_others(rep, problem.pair_rep[best])}, of whom {waited}."

    def _waited(self, rep: int, reps: NDArray[np.int32]) -> str:
        """Say by what the tie was broken, where the order that the split used is that of the turns so far."""
        others, order = reps[reps != rep], self.problem.tie_order
        if order[rep] > order[others].min():
            return ""
        name = self.names[rep]
        if self.turn[rep] < self.turn[others].min():
            return f"{name} had waited {'longer' if len(others) == 1 else 'longest'}"
        if (self.turn[others] == self.turn[rep]).all():
            return f"the lot, drawn by the policy's seed, fell on {name}"
        return ""

    def _of_batch(self, begin: int, end: int, own: int, lower: NDArray[np.int32]) -> str:
        """Say what holds of the batch as a whole, by the prices that prove it."""
        problem, found = self.problem, self.part.split
        name = self.names[int(problem.pair_rep[own])]
        rank = self.rank[begin:end]
        price = found.fair_price[problem.pair_rep[begin:end]][rank == rank.min()]
        alone = (rank == rank.min()).all() and (price == price.min()).sum() == 1
        kept = " among the pairs kept" if self.choices.truncated else ""
        if alone:
            text = f"Looking at the whole batch{kept}, shares would be less even with anyone but {name}"
        elif self.fair.then == "even_value":
            text = (
                f"Looking at the whole batch{kept}, no split has more even shares of leads than the one that gives it to"
                f" {name}, and exchanges of leads then made the shares of value even"
            )
        else:
            text = (
                f"Looking at the whole batch{kept}, no split has more even shares than the one that gives it to {name},"
                " and of those as even none is worth more"
            )
        rep = int(problem.pair_rep[own])
        if len(lower) and ((self.left[lower] > 0) & (self.level[lower] < self.level[rep])).all():
            who = [self.names[int(one)] for one in lower[:_NAMED]]
            if len(lower) > _NAMED:
                who.append(f"{len(lower) - _NAMED:,} more")
            get = "gets a later lead" if len(lower) == 1 else "get later leads"
            text = f"{text}; {listed(who)}, whose share was lower, {get} of the batch"
        return f"{text}."

    def _share(self, rep: int) -> str:
        return share_text(int(self.level[rep]), int(self.step[rep]))

    def _and_others(self, rep: int, reps: NDArray[np.int32]) -> str:
        others = [int(one) for one in reps if one != rep]
        if len(others) <= _NAMED:
            return listed([self.names[rep], *(self.names[one] for one in others)])
        return f"{self.names[rep]} and {len(others):,} others"

    def _terms(self, own: int) -> str:
        """Return how far the rep is, where known, and what the lead is worth there."""
        pair = int(self.part.pairs[own])
        km, value = float(self.choices.travel_km[pair]), float(self.choices.value[pair])
        told = [f"{km:,.0f} km"] if not np.isnan(km) else []
        return f": {', '.join([*told, f'worth {amount_text(round(value, 2))}'])}"
