"""What became of every lead of a batch, with the reason in a sentence: one row per lead, none lost."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from solvers.fair_split.problem import LEVEL_UNIT
from territory_engine.grammar import counted
from territory_engine.leads.reps.availability import iso_moment
from territory_engine.leads.reps.capacity import capacity_refusal, room_from
from territory_engine.leads.suitability.obstacles import obstacle_words, obstacles
from territory_engine.leads.suitability.refusals import refusal_of
from territory_engine.ledger.records import DECISION_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.errors import Finding
    from territory_engine.leads.batch import Choices
    from territory_engine.leads.levels import Levels
    from territory_engine.leads.splitting import BatchSplit
    from territory_engine.leads.suitability.choices import Suitability
    from territory_engine.ledger.records import LeadState

_CODES = ("owner", "territory", "pool")


@dataclass(frozen=True, eq=False)
class Routing:
    """Everything that decided a batch.

    Attributes
    ----------
    suitability : Suitability
    choices : Choices
    levels : Levels
    split : BatchSplit
    counters_before, counters_after : DataFrame, index ``rep_id``
    routed_already : dict of int to LeadState
        Positions of leads that have a rep already, or are closed.
    """

    suitability: Suitability
    choices: Choices
    levels: Levels
    split: BatchSplit
    counters_before: pd.DataFrame
    counters_after: pd.DataFrame
    routed_already: dict[int, LeadState]


def decisions_of(routing: Routing) -> pd.DataFrame:
    """Return the batch's decisions: :data:`DECISION_COLUMNS`, one row per lead in input order."""
    suitability, split = routing.suitability, routing.split
    batch, matches = suitability.batch, suitability.matches
    n = len(batch)
    assigned = split.rep >= 0
    status = np.where(assigned, "assigned", "queued").astype(object)
    reason, code = np.full(n, "", object), np.full(n, "", object)
    for position, findings in batch.rejected.items():
        status[position], code[position], reason[position] = "rejected", "bad_data", _bad_data(findings)
    for position, state in routing.routed_already.items():
        status[position], code[position] = "rejected", "already_routed"
        reason[position] = _already(state)
    rep_ids = suitability.roster.frame.index.to_numpy(dtype=object)
    rep_id = np.full(n, "", object)
    rep_id[assigned] = rep_ids[split.rep[assigned]]
    rank = np.full(n, -1, np.int64)
    rank[assigned] = routing.choices.rank[split.pair[assigned]]
    code[assigned] = np.array(_CODES, object)[rank[assigned]]
    _assigned_reasons(routing, np.flatnonzero(assigned), rank, rep_id, reason)
    could_go_at = np.full(n, "", object)
    _queued_reasons(routing, np.flatnonzero(status == "queued"), code, reason, could_go_at)
    before, after, charged = _shares(routing)
    value, km = np.full(n, np.nan), np.full(n, np.nan)
    value[assigned] = routing.choices.value[split.pair[assigned]]
    km[assigned] = routing.choices.travel_km[split.pair[assigned]]
    step = routing.levels.step
    worth_charged = np.where(split.counted, split.worth * step[np.maximum(split.rep, 0)], 0)
    columns = {
        "position": np.arange(n), "lead_id": batch.frame["lead_id"].to_numpy(dtype=object), "status": status,
        "rep_id": rep_id, "territory_id": np.where(matches.territory_id == "", _own_territory(routing), matches.territory_id),
        "reason": reason, "reason_code": code, "could_go_at": could_go_at,
        "match_kind": matches.kind, "match_account_id": matches.account_id, "match_evidence": matches.evidence,
        "preference": rank, "expected_value": value, "travel_km": km, "fair_share_before": before,
        "fair_share_after": after, "charged": charged, "worth_charged": worth_charged, "lead": lead_records(batch.frame),
    }  # fmt: skip
    return pd.DataFrame({name: columns[name] for name in DECISION_COLUMNS})


def _own_territory(routing: Routing) -> NDArray[np.object_]:
    """Return the territory of each lead's rep, where the rep has exactly one; "" elsewhere."""
    held = routing.suitability.roster.frame["territory_ids"].to_numpy(dtype=object)
    one = np.array([text if text and ";" not in text else "" for text in held], dtype=object)
    rep = routing.split.rep
    return np.where(rep >= 0, one[np.maximum(rep, 0)], "").astype(object)


def lead_records(frame: pd.DataFrame) -> list[str]:
    """Return each lead's fields as JSON, for the ledger; columns without any entry are left out."""
    kept = [c for c in frame.columns if not _is_empty(frame[c])]
    if not len(frame):
        return []
    return (
        frame[kept]
        .to_json(orient="records", lines=True, date_format="iso", double_precision=15)
        .rstrip("\n")
        .split("\n")
    )


def _is_empty(column: pd.Series[Any]) -> bool:
    if column.dtype.kind in "fiubM":
        return bool(column.isna().all())
    return not any(value and not pd.isna(value) for value in column.to_numpy(dtype=object))


def _bad_data(findings: tuple[Finding, ...]) -> str:
    told = []
    for finding in findings:
        place = f"{finding.column}: " if finding.column else ""
        found = f" (found {finding.value!r})" if finding.value is not None else ""
        allowed = f"; allowed: {finding.allowed}" if finding.allowed else ""
        told.append(f"{place}{finding.what}{found}{allowed}")
    return ". ".join(told) + "."


def _already(state: LeadState) -> str:
    day = f"{state.routed_at:%Y-%m-%d}"
    if state.state in ("won", "lost"):
        return f"It was {state.state} by {state.rep_id}, who has had it since {day} (batch {state.batch_id}); it is not routed again."
    return (
        f"{state.rep_id} has had it since {day} (batch {state.batch_id}). To route it again, record the outcome"
        f" 'returned' first (territory-engine outcomes --lead {shlex.quote(state.lead_id)} --kind returned)."
    )


def _assigned_reasons(
    routing: Routing,
    leads: NDArray[np.int64],
    rank: NDArray[np.int64],
    rep_id: NDArray[np.object_],
    reason: NDArray[np.object_],
) -> None:
    suitability, matches = routing.suitability, routing.suitability.matches
    able, tight, turn = _able_and_turn(routing)
    truncated = routing.choices.truncated
    batch = "the batch over the pairs kept" if truncated else "the batch"
    first = suitability.first_in_line
    fair = suitability.policy.fair_share
    for lead in leads:
        rep, evidence = rep_id[lead], matches.evidence[lead]
        if rank[lead] == 0:
            reason[lead] = f"{rep} has its account: {evidence}."
            continue
        why_not = _why_not_first(routing, int(lead)) if first[lead] >= 0 or matches.rep_id[lead] else ""
        if rank[lead] == 1:
            reason[lead] = f"{why_not}{rep} has its territory: {evidence}."
            continue
        if able[lead] == 1 and not truncated:
            reason[lead] = f"{why_not}{rep} is the only rep who can take it."
            continue
        pool = f"{why_not}{counted(int(able[lead]), 'rep')} can take it"
        if truncated:
            pool = f"{why_not}Of those who can take it, {counted(int(able[lead]), 'rep was', 'reps were')} looked at"
        if tight[lead] == 1 and able[lead] > 1:
            reason[lead] = f"{pool}; with anybody but {rep}, one more lead would wait or go further down its line."
        elif fair.fairness_slack:
            reason[lead] = (
                f"{pool}; within the {counted(fair.fairness_slack, 'lead')} of slack that the policy allows, the batch is"
                f" worth most with {rep}."
            )
        elif turn[lead] == 1 and able[lead] > 1:
            worse = "" if tight[lead] == able[lead] else ", or one more lead would wait or go further down its line"
            reason[lead] = f"{pool}, and it is {rep}'s turn: with any other the shares would be less even{worse}."
        elif fair.then == "even_value":
            reason[lead] = (
                f"{pool}; no split of {batch} has more even counts than the one with {rep}, and of those as even this one"
                " evens out the values."
            )
        else:
            reason[lead] = (
                f"{pool}; no split of {batch} is more even than the one with {rep}, and of those as even none is worth"
                " more."
            )


def _able_and_turn(routing: Routing) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return for each lead how many reps can take it, how many of them cost no match, and how many of those are as even."""
    choices, split = routing.choices, routing.split
    able = np.diff(choices.lead_start)
    tight, turn = able.copy(), able.copy()
    part = split.shared
    problem, found = part.problem, part.split
    if not len(problem.pair_rep):
        return able, tight, turn
    sizes = np.diff(problem.lead_start)
    filled = np.flatnonzero(sizes)
    starts = problem.lead_start[filled]
    rank = problem.pair_rank + found.rank_price[problem.pair_rep]
    least = np.repeat(np.minimum.reduceat(rank, starts), sizes[filled])
    tight[part.leads[filled]] = np.add.reduceat((rank == least).astype(np.int64), starts)
    price = np.where(rank == least, found.fair_price[problem.pair_rep], np.iinfo(np.int64).max)
    lowest = np.repeat(np.minimum.reduceat(price, starts), sizes[filled])
    turn[part.leads[filled]] = np.add.reduceat((price == lowest).astype(np.int64), starts)
    return able, tight, turn


def _why_not_first(routing: Routing, lead: int) -> str:
    """Say why the one who comes first for a lead does not have it, as a sentence and a space."""
    suitability = routing.suitability
    matches, roster = suitability.matches, suitability.roster
    told = []
    for row, whose, wanted in (
        (int(suitability.owner[lead]), "its account", suitability.policy.matching.owner == "first"),
        (int(suitability.territory_rep[lead]), "its territory", suitability.policy.matching.territory == "first"),
    ):
        if not wanted:
            continue
        if row < 0:
            if matches.rep_id[lead] and whose == ("its account" if matches.by_account[lead] else "its territory"):
                told.append(f"{matches.rep_id[lead]}, who has {whose}, is no rep any more")
            continue
        if routing.split.rep[lead] == row:
            break
        told.append(f"{roster.frame.index[row]}, who has {whose}, {_cannot(routing, lead, row)}")
    return "".join(f"{clause}. " for clause in dict.fromkeys(told))


def _cannot(routing: Routing, lead: int, row: int) -> str:
    refusal = refusal_of(routing.suitability, lead, row)
    if refusal is None:
        refusal = capacity_refusal(routing.suitability.roster, routing.counters_after, row)
    return refusal.sentence if refusal is not None else "has no room"


def _queued_reasons(
    routing: Routing,
    leads: NDArray[np.int64],
    code: NDArray[np.object_],
    reason: NDArray[np.object_],
    could_go_at: NDArray[np.object_],
) -> None:
    suitability, matches = routing.suitability, routing.suitability.matches
    roster = suitability.roster
    sizes = np.diff(routing.choices.lead_start)
    ambiguous = matches.kind[leads] == "ambiguous"
    for lead in leads[ambiguous]:
        code[lead] = "ambiguous"
        reason[lead] = f"{_sentence(matches.evidence[lead])} Say which by giving its account_id."
    rest = leads[~ambiguous]
    if not len(rest):
        return
    free_from = room_from(roster, routing.counters_after)
    moments = suitability.could_go_at(rest, free_from)
    counts, names = obstacles(suitability, rest)
    people = counted(suitability.n_reps, "rep")
    able_later = ~np.isnat(suitability.could_go_at(rest))
    for k, lead in enumerate(rest):
        if not np.isnat(moments[k]):
            could_go_at[lead] = iso_moment(int(moments[k].astype(np.int64)))
        first = int(suitability.first_in_line[lead])
        if suitability.waits[lead]:
            whose = "its account" if suitability.owner[lead] >= 0 else "its territory"
            code[lead] = "match"
            reason[lead] = (
                f"It waits for {roster.frame.index[first]}, who has {whose} and {_cannot(routing, int(lead), first)}."
            )
        elif sizes[lead]:
            code[lead] = "full"
            number = int(sizes[lead])
            others = obstacle_words(counts[k], names)
            if routing.choices.truncated:
                # Pairs left out for their number may have room; then the moment told is the batch's own.
                whoever = f"Its {counted(number, 'best rep')} {'has' if number == 1 else 'have'}"
            elif number == 1:
                whoever = "The only rep who can take it has"
            else:
                whoever = f"All {number:,} reps who can take it have"
            reason[lead] = f"{whoever} no room" + (f"; of the others, {others}." if others else ".")
        else:
            code[lead] = "unavailable" if able_later[k] else "ineligible"
            reason[lead] = f"None of {people} can take it: {obstacle_words(counts[k], names)}."


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}" + ("" if clause.endswith(".") else ".")


def _shares(routing: Routing) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return each rep's level before and after each lead, in input order, and what the lead was charged."""
    split, levels = routing.split, routing.levels
    n = len(split.rep)
    before, after = np.full(n, np.nan), np.full(n, np.nan)
    charged = np.zeros(n, np.int64)
    there = np.flatnonzero(split.rep >= 0)
    rep = split.rep[there]
    charged[there] = np.where(split.counted[there], levels.step[rep], 0)
    order = np.argsort(rep, kind="stable")
    sums = np.cumsum(charged[there][order])
    begin = np.searchsorted(rep[order], rep[order])
    sums_before = sums - charged[there][order]
    own = np.empty(len(there), np.int64)
    own[order] = sums_before - sums_before[begin] if len(order) else sums_before
    before[there] = (levels.level[rep] + own) / LEVEL_UNIT
    after[there] = (levels.level[rep] + own + charged[there]) / LEVEL_UNIT
    return before, after, charged
