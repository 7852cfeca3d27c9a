"""What became of every lead of a batch, with the reason in a sentence: one row per lead, none lost."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from solvers.fair_split.problem import LEVEL_UNIT
from territory_engine.grammar import counted
from territory_engine.leads.pool_reasons import pool_reasons, rep_names
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
    names = rep_names(suitability.roster)
    _assigned_reasons(routing, np.flatnonzero(assigned), rank, reason, names)
    could_go_at = np.full(n, "", object)
    _queued_reasons(routing, np.flatnonzero(status == "queued"), code, reason, could_go_at, names)
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
    routing: Routing, leads: NDArray[np.int64], rank: NDArray[np.int64], reason: NDArray[np.object_], names: list[str]
) -> None:
    suitability, matches, split = routing.suitability, routing.suitability.matches, routing.split
    first = suitability.first_in_line
    for lead in leads:
        rep, evidence = names[split.rep[lead]], matches.evidence[lead]
        if rank[lead] == 0:
            reason[lead] = f"{rep} has its account: {evidence}."
            continue
        why_not = _why_not_first(routing, int(lead), names) if first[lead] >= 0 or matches.rep_id[lead] else ""
        if rank[lead] == 1:
            reason[lead] = f"{why_not}The lead lies in {rep}'s territory: {evidence}."
            continue
        reason[lead] = why_not
    roster, counters = suitability.roster, routing.counters_before
    last_turn = counters["last_turn"].reindex(roster.frame.index).fillna(0).to_numpy(np.int64)
    fair = suitability.policy.fair_share
    for lead, why in pool_reasons(routing.choices, routing.levels, split, fair, last_turn, names):
        reason[lead] += why


def _why_not_first(routing: Routing, lead: int, names: list[str]) -> str:
    """Say why the one who comes first for a lead does not have it, as a sentence and a space."""
    suitability = routing.suitability
    matches = suitability.matches
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
        if whose == "its territory" and row == suitability.owner[lead]:
            continue
        who = "who has its account" if whose == "its account" else "in whose territory it lies"
        told.append(f"{names[row]}, {who}, {_cannot(routing, lead, row)}")
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
    names: list[str],
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
    counts, kinds = obstacles(suitability, rest)
    people = counted(suitability.n_reps, "rep")
    able_later = ~np.isnat(suitability.could_go_at(rest))
    for k, lead in enumerate(rest):
        if not np.isnat(moments[k]):
            could_go_at[lead] = iso_moment(int(moments[k].astype(np.int64)))
        first = int(suitability.first_in_line[lead])
        if suitability.waits[lead]:
            whose = "who has its account" if suitability.owner[lead] >= 0 else "in whose territory it lies"
            code[lead] = "match"
            reason[lead] = f"It waits for {names[first]}, {whose}: {names[first]} {_cannot(routing, int(lead), first)}."
        elif sizes[lead]:
            code[lead] = "full"
            number = int(sizes[lead])
            others = obstacle_words(counts[k], kinds)
            if routing.choices.truncated:
                # Pairs left out for their number may have room; then the moment told is the batch's own.
                whoever = f"Its {counted(number, 'best rep')} {'has' if number == 1 else 'have'}"
            elif number == 1:
                whoever = "The only rep who can take it has"
            else:
                whoever = f"All {number:,} reps who can take it have"
            why_not = _why_not_first(routing, int(lead), names) if first >= 0 or matches.rep_id[lead] else ""
            if why_not and number == 1 and routing.choices.rep[routing.choices.lead_start[lead]] == first:
                reason[lead] = f"{why_not}No other rep can take it" + (f": {others}." if others else ".")
            else:
                reason[lead] = f"{why_not}{whoever} no room" + (f"; of the others, {others}." if others else ".")
        else:
            code[lead] = "unavailable" if able_later[k] else "ineligible"
            why_not = _why_not_first(routing, int(lead), names) if first >= 0 or matches.rep_id[lead] else ""
            reason[lead] = f"{why_not}None of {people} can take it: {obstacle_words(counts[k], kinds)}."


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
