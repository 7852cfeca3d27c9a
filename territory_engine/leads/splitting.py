"""From choices, roster and counters to the split of a batch: arrays for the solver, and its answer for the batch.

Where the policy says that matched leads do not count towards a rep's share, they are settled first, by rank and value
alone, and the rest is split fairly with the room that is left. Each of the two has its own proof.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.fair_split.problem import FairSplitProblem
from territory_engine.errors import Finding, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.fair_split.problem import FairSplit
    from territory_engine.leads.batch import Choices
    from territory_engine.leads.levels import Levels
    from territory_engine.leads.policy import Policy

POOL = 2
"""The rank of a rep who is neither the account's owner nor the territory's."""

LARGEST_VALUE = 10**9
"""Values become whole numbers of a hundredth, or of a coarser power of ten where that would be more than this."""

LARGEST_WORTH = 10**9
"""A lead counts as this much at most in even shares of value, and as less where a whole batch would be beyond 64 bits."""

LARGEST_BATCH_WORTH = 2**59
"""By how much a batch may raise shares of value, if one rep got all of it: the solver allows 2⁶⁰, half of it for the past."""


@dataclass(frozen=True, eq=False)
class Part:
    """Leads that were split together.

    Attributes
    ----------
    name : str
        ``"matched"`` or ``"shared"``.
    leads : ndarray of int64, shape (n_leads_of_part,)
        Positions in the batch.
    pairs : ndarray of int64, shape (n_pairs_of_part,)
        Their pairs in the batch's choices.
    problem : FairSplitProblem
    split : FairSplit
    kept : ndarray of bool, shape (n_leads_of_part,)
        Whether the lead stays as this part's split has it: of the matched part, those that went to their match.
    """

    name: str
    leads: NDArray[np.int64]
    pairs: NDArray[np.int64]
    problem: FairSplitProblem
    split: FairSplit
    kept: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BatchSplit:
    """The split of a whole batch.

    Attributes
    ----------
    pair : ndarray of int64, shape (n_leads,)
        Row of the choices; −1 where not assigned.
    rep : ndarray of int64, shape (n_leads,)
        Row of the roster; −1 where not assigned.
    counted : ndarray of bool, shape (n_leads,)
        Whether the lead counts towards its rep's share.
    count : ndarray of int64, shape (n_reps,)
    parts : tuple of Part
    value_unit : float
        What one whole unit of ``pair_value`` is worth.
    worth : ndarray of int64, shape (n_leads,)
        What each lead counts in even shares of value, whoever has it.
    """

    pair: NDArray[np.int64]
    rep: NDArray[np.int64]
    counted: NDArray[np.bool_]
    count: NDArray[np.int64]
    parts: tuple[Part, ...]
    value_unit: float
    worth: NDArray[np.int64]

    @property
    def shared(self) -> Part:
        """The part that was split fairly."""
        return self.parts[-1]


def split_batch(
    choices: Choices,
    levels: Levels,
    capacity: NDArray[np.int64],
    last_turn: NDArray[np.int64],
    rep_ids: list[str],
    worth: NDArray[np.float64],
    policy: Policy,
) -> BatchSplit:
    """Split a batch: as many leads as possible, first those in line, then fairly, then by value.

    Parameters
    ----------
    choices : Choices
    levels : Levels
    capacity, last_turn : ndarray of int64, shape (n_reps,)
        Leads that each rep may still take; the number of the rep's last assignment.
    rep_ids : list of str
        In the roster's order, for ties.
    worth : ndarray of float64, shape (n_leads,)
        Score × value of each lead.
    policy : Policy

    Returns
    -------
    BatchSplit
    """
    whole, unit = whole_values(choices.value)
    rounded = whole_worth(np.where(np.diff(choices.lead_start) > 0, worth, 0.0), levels.step)
    n_leads = len(choices.lead_start) - 1
    problem = FairSplitProblem(
        lead_start=choices.lead_start, pair_rep=choices.rep, pair_rank=choices.rank, pair_value=whole,
        level=levels.level, step=levels.step, capacity=capacity, tie_order=tie_order(last_turn, rep_ids, policy.seed),
        fairness=policy.fair_share.objective, slack=policy.fair_share.fairness_slack, second=policy.fair_share.then,
        lead_worth=rounded, worth_level=levels.worth_level,
    )  # fmt: skip
    everyone, all_pairs = np.arange(n_leads), np.arange(len(choices.rep))
    parts = []
    pair = np.full(n_leads, -1, np.int64)
    counted = np.ones(n_leads, bool)
    leads, pairs = everyone, all_pairs
    if policy.fair_share.matched == "free" and (choices.rank < POOL).any():
        first = replace(problem, step=np.zeros_like(levels.step), slack=0, second="value")
        split = _solved(first)
        settled = split.pair >= 0
        settled[settled] = choices.rank[split.pair[settled]] < POOL
        parts.append(Part("matched", leads, pairs, first, split, settled))
        pair[settled], counted[settled] = split.pair[settled], False
        taken = np.bincount(choices.rep[pair[settled]], minlength=len(capacity))
        leads = np.flatnonzero(~settled)
        problem, pairs = of_leads(replace(problem, capacity=capacity - taken), leads)
    split = _solved(problem)
    parts.append(Part("shared", leads, pairs, problem, split, np.ones(len(leads), bool)))
    there = split.pair >= 0
    pair[leads[there]] = pairs[split.pair[there]]
    rep = np.where(pair >= 0, choices.rep[np.maximum(pair, 0)] if len(choices.rep) else -1, -1).astype(np.int64)
    count = np.bincount(rep[rep >= 0], minlength=len(capacity)).astype(np.int64)
    return BatchSplit(pair, rep, counted & (rep >= 0), count, tuple(parts), unit, rounded)


def whole_values(value: NDArray[np.float64]) -> tuple[NDArray[np.int64], float]:
    """Return values as whole numbers of a unit, and the unit: a hundredth, or the least power of ten that fits."""
    unit = 0.01
    largest = float(np.abs(value).max(initial=0.0))
    while largest / unit > LARGEST_VALUE:
        unit *= 10
    return np.rint(value / unit).astype(np.int64), unit


def whole_worth(worth: NDArray[np.float64], step: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return worth as whole numbers of which a batch, all to one rep, raises no share beyond what the solver can add.

    Parameters
    ----------
    worth : ndarray of float64, shape (n_leads,)
        0 for leads that nobody can take.
    step : ndarray of int64, shape (n_reps,)
    """
    whole, most = np.rint(np.clip(worth, 0, LARGEST_WORTH)).astype(np.int64), LARGEST_WORTH
    largest_step = int(step.max(initial=0))
    while int(np.minimum(whole, most).sum()) * largest_step > LARGEST_BATCH_WORTH:
        most //= 10
    return np.minimum(whole, most)


def tie_order(last_turn: NDArray[np.int64], rep_ids: list[str], seed: int) -> NDArray[np.int64]:
    """Return the order in which reps who are alike in everything come: who has waited longest, then by seeded lot."""
    lot = [hashlib.sha256(f"{seed}:{rep_id}".encode()).digest() for rep_id in rep_ids]
    order = sorted(range(len(rep_ids)), key=lambda rep: (int(last_turn[rep]), lot[rep]))
    place = np.empty(len(rep_ids), np.int64)
    place[order] = np.arange(len(rep_ids))
    return place


def _solved(problem: FairSplitProblem) -> FairSplit:
    from solvers.fair_split.costs import LeadCosts
    from solvers.fair_split.split import fair_split

    try:
        LeadCosts.of(problem)
    except ValueError as error:
        what = "weights are so small, or levels so high, that the split cannot be computed exactly"
        remedy = "give the lightest reps more weight, or 0, which takes no leads"
        raise InputError(Finding(what, column="weight", value=str(error), remedy=remedy)) from error
    return fair_split(problem)


def of_leads(problem: FairSplitProblem, leads: NDArray[np.int64]) -> tuple[FairSplitProblem, NDArray[np.int64]]:
    """Return the problem of some of its leads, and which of its pairs are theirs."""
    sizes = np.diff(problem.lead_start)[leads]
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    pairs = np.repeat(problem.lead_start[leads] - start[:-1], sizes) + np.arange(start[-1])
    worth = None if problem.lead_worth is None else problem.lead_worth[leads]
    smaller = replace(
        problem, lead_start=start, pair_rep=problem.pair_rep[pairs], pair_rank=problem.pair_rank[pairs],
        pair_value=problem.pair_value[pairs], lead_worth=worth,
    )  # fmt: skip
    return smaller, pairs
