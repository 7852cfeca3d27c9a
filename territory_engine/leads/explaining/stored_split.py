"""The split of a batch as the ledger's tables have it: the solver's problem and answer, without solving anything.

Every number is checked against what the batch recorded as proved: a table that was edited is told, not believed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from solvers.fair_split.costs import LeadCosts
from solvers.fair_split.problem import FairSplit, FairSplitProblem
from territory_engine.leads.splitting import LARGEST_WORTH, POOL, of_leads
from territory_engine.leads.stored_tables import choices_of_table, from_parquet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.leads.batch import Choices
    from territory_engine.ledger.records import StoredBatch


@dataclass(frozen=True, eq=False)
class StoredPart:
    """Leads that were split together: see :class:`territory_engine.leads.splitting.Part`.

    Attributes
    ----------
    name : str
        ``"matched"`` or ``"shared"``.
    leads : ndarray of int64, shape (n_leads_of_part,)
        Positions in the batch, ascending.
    pairs : ndarray of int64, shape (n_pairs_of_part,)
        Their pairs in the batch's choices.
    problem : FairSplitProblem
    split : FairSplit or None
        None for the matched part, of which only the leads that went to their match were stored.
    """

    name: str
    leads: NDArray[np.int64]
    pairs: NDArray[np.int64]
    problem: FairSplitProblem
    split: FairSplit | None


@dataclass(frozen=True, eq=False)
class StoredSplit:
    """A stored batch's split.

    Attributes
    ----------
    roster : DataFrame, index ``rep_id``
        As :func:`~territory_engine.leads.stored_tables.roster_table` made it.
    choices : Choices
    rep : ndarray of int64, shape (n_leads,)
        Row of the roster; −1 where not assigned.
    settled : ndarray of bool, shape (n_leads,)
        Leads that went to their match and do not count towards its share.
    charged : ndarray of int64, shape (n_reps,)
        By how much the batch raised each rep's level.
    parts : tuple of StoredPart
    value_unit : float
    findings : tuple of str
        What does not fit together; empty where everything does.
    """

    roster: pd.DataFrame
    choices: Choices
    rep: NDArray[np.int64]
    settled: NDArray[np.bool_]
    charged: NDArray[np.int64]
    parts: tuple[StoredPart, ...]
    value_unit: float
    findings: tuple[str, ...]

    @property
    def shared(self) -> StoredPart:
        """The part that was split fairly."""
        return self.parts[-1]

    @property
    def count(self) -> NDArray[np.int64]:
        """Leads of the batch that each rep has, shape ``(n_reps,)``."""
        return np.bincount(self.rep[self.rep >= 0], minlength=len(self.roster)).astype(np.int64)


def stored_split(stored: StoredBatch) -> StoredSplit:
    """Rebuild the split of a stored batch from its tables.

    Parameters
    ----------
    stored : StoredBatch

    Returns
    -------
    StoredSplit
        With a finding for every number that differs from the one recorded.
    """
    record, decisions, proof = stored.record, stored.decisions, stored.record.proof
    roster = from_parquet(record.roster)
    choices = choices_of_table(from_parquet(record.choices), record.leads)
    rep = roster.index.get_indexer(pd.Index(decisions["rep_id"])).astype(np.int64)
    own, findings = _own_pairs(choices, rep, decisions, len(roster))
    unit = float(proof["value_unit"])
    capacity_name = "matched_capacity" if "matched_capacity" in roster else "shared_capacity"
    problem = FairSplitProblem(
        lead_start=choices.lead_start, pair_rep=choices.rep, pair_rank=choices.rank,
        pair_value=np.rint(choices.value / unit).astype(np.int64), level=_whole(roster, "level"),
        step=_whole(roster, "step"), capacity=_whole(roster, capacity_name), tie_order=_whole(roster, "tie_order"),
        fairness=proof["objective"], slack=int(proof["slack"]), second=proof["then"],
        lead_worth=_worth(decisions) if proof["then"] == "even_value" else None,
        worth_level=_whole(roster, "worth_level"),
    )  # fmt: skip
    settled = np.zeros(record.leads, bool)
    parts = []
    leads, pairs = np.arange(record.leads), np.arange(len(choices.rep))
    if capacity_name == "matched_capacity":
        settled = (own >= 0) & (decisions["preference"] < POOL).to_numpy(bool)
        first = replace(problem, step=np.zeros_like(problem.step), slack=0, second="value")
        parts.append(StoredPart("matched", leads, pairs, first, None))
        leads = np.flatnonzero(~settled)
        problem, pairs = of_leads(replace(problem, capacity=_whole(roster, "shared_capacity")), leads)
    place = np.full(len(choices.rep) + 1, -1, np.int64)
    place[pairs] = np.arange(len(pairs))
    recorded = next(part for part in proof["parts"] if part["name"] == "shared")
    split = _split(problem, place[own[leads]], roster, recorded)
    findings += _differences(problem, split, recorded)
    parts.append(StoredPart("shared", leads, pairs, problem, split))
    there = rep >= 0
    charged = np.zeros(len(roster), np.int64)
    np.add.at(charged, rep[there], decisions["charged"].to_numpy(np.int64)[there])
    return StoredSplit(roster, choices, rep, settled, charged, tuple(parts), unit, tuple(findings))


def _whole(roster: pd.DataFrame, column: str) -> NDArray[np.int64]:
    return roster[column].to_numpy(np.int64)


def _own_pairs(
    choices: Choices, rep: NDArray[np.int64], decisions: pd.DataFrame, n_reps: int
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the pair by which each lead has its rep, −1 where it has none, and which leads have a rep without a pair."""
    sizes = np.diff(choices.lead_start)
    keys = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes) * n_reps + choices.rep
    wanted = np.arange(len(sizes), dtype=np.int64) * n_reps + rep
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    found = (rep >= 0) & (keys[at] == wanted) if len(keys) else np.zeros(len(sizes), bool)
    lost = np.flatnonzero((decisions["rep_id"] != "").to_numpy(bool) & ~found)
    findings = []
    if len(lost):
        first = decisions.iloc[int(lost[0])]
        findings.append(
            f"{len(lost):,} of its leads have a rep that could not take them, the first of them {first['lead_id']}"
            f" ({first['rep_id']})"
        )
    return np.where(found, at, -1).astype(np.int64), findings


def _worth(decisions: pd.DataFrame) -> NDArray[np.int64]:
    """Return what each lead counts in even shares of value, from its stored fields."""
    worth = np.zeros(len(decisions), np.float64)
    for at, text in enumerate(decisions["lead"]):
        fields = json.loads(text) if text else {}
        value = fields.get("value")
        worth[at] = (fields.get("score") or 0.0) * (1.0 if value is None else value)
    return np.rint(np.clip(worth, 0, LARGEST_WORTH)).astype(np.int64)


def _split(
    problem: FairSplitProblem, pair: NDArray[np.int64], roster: pd.DataFrame, recorded: dict[str, Any]
) -> FairSplit:
    """Return the stored split with its stored prices; the objectives are added up again."""
    given = pair >= 0
    rep = np.full(len(pair), -1, np.int32)
    rep[given] = problem.pair_rep[pair[given]]
    count = np.bincount(rep[given], minlength=problem.n_reps).astype(np.int64)
    rank_price = np.append(_whole(roster, "shared_rank_price"), int(recorded["unassigned_price"]))
    names = ("fair_price", "fair_count", "least", "most", "value_price")
    prices: dict[str, Any] = {name: _whole(roster, f"shared_{name}") for name in names}
    return FairSplit(
        pair=pair,
        rep=rep,
        count=count,
        rank_price=rank_price,
        unassigned_rank=int(recorded["unassigned_rank"]),
        **prices,
        assigned=int(given.sum()),
        rank_sum=int(problem.pair_rank[pair[given]].sum()),
        fairness_cost=LeadCosts.of(problem).total(count),
        value_sum=int(problem.pair_value[pair[given]].sum()),
        fairest_cost=int(recorded["fairest_cost"]),
        fairest_value=int(recorded["fairest_value"]),
        exact=tuple(recorded["proved"]),
    )


_OBJECTIVES = {
    "assigned": "number of leads assigned",
    "rank_sum": "sum of ranks",
    "fairness_cost": "unevenness",
    "value_sum": "value",
}


def _differences(problem: FairSplitProblem, split: FairSplit, recorded: dict[str, Any]) -> list[str]:
    told = []
    for name, words in _OBJECTIVES.items():
        again, then = getattr(split, name), int(recorded[name])
        if again != then:
            told.append(f"added up again, the {words} is {again:,}, and {then:,} was recorded")
    if problem.n_leads != int(recorded["leads"]):
        told.append(f"{problem.n_leads:,} leads were split fairly, and {int(recorded['leads']):,} was recorded")
    return told
