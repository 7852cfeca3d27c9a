"""The parts of a batch's split, put together from what is stored; and every check of each."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.auditing.checks import Check, verdict
from territory_engine.auditing.routed.paths import check_paths, check_swaps, check_ties
from territory_engine.auditing.routed.prices import (
    SplitPart,
    check_fair_prices,
    check_objectives,
    check_rank_prices,
    check_value_prices,
)
from territory_engine.auditing.routed.stored_batch import POOL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.auditing.routed.stored_batch import StoredBatch

_PRICES = ("rank_price", "fair_price", "fair_count", "least", "most", "value_price", "count")
_LARGEST = 10**9
_CLAIMS = ("assigned", "rank", "fairness", "value")


def check_split(batch: StoredBatch) -> list[Check]:
    """Check the split of a batch, part by part, by its prices and by chains of hand-overs."""
    told = {part.get("name"): part for part in batch.proof.get("parts", [])}
    free = batch.setting("fair_share", "matched") == "free" and bool((batch.pair_rank < POOL).any())
    wanted = ["matched", "shared"] if free else ["shared"]
    settings = {
        "objective": batch.setting("fair_share", "objective", "squares"),
        "then": batch.setting("fair_share", "then", "value"),
        "slack": batch.setting("fair_share", "fairness_slack", 0),
        "level_unit": 1_000_000,
    }
    wrong = [
        f"{k}: expected {v!r}, found {batch.proof.get(k)!r}" for k, v in settings.items() if batch.proof.get(k) != v
    ]
    if list(told) != wanted:
        wrong.append(f"parts: expected {wanted}, found {list(told)}")
    value, unit = _whole_values(batch)
    if batch.proof.get("value_unit") != unit:
        wrong.append(f"value_unit: expected {unit:g}, found {batch.proof.get('value_unit')}")
    checks = [Check("proof", not wrong, "; ".join(wrong) or f"parts of the proof: {', '.join(wanted)}")]
    checks.append(_check_tie_order(batch))
    if wrong:
        return checks
    if free:
        checks += _check_matched(batch, told["matched"], value)
    taken = np.bincount(batch.rep[batch.kept & (batch.rep >= 0)], minlength=batch.n_reps)
    part = _part(batch, "shared", ~batch.kept, batch.pair, value, batch.whole("capacity") - taken, told["shared"])
    checks += _check_part(part)
    if part.second == "value":
        checks.append(check_ties(part, batch.whole("tie_order")))
    return checks


def _check_part(part: SplitPart) -> list[Check]:
    claimed = set(part.told.get("proved", []))
    wanted = set(_CLAIMS[:4] if part.second == "value" else _CLAIMS[:3])
    if not claimed <= wanted:
        return [Check(f"objectives:{part.name}", False, f"proved: found {sorted(claimed)}, allowed: {sorted(wanted)}")]
    checks = [check_objectives(part)]
    if {"assigned", "rank"} & claimed:
        checks += check_rank_prices(part)
    if "fairness" in claimed:
        checks += check_fair_prices(part)
    checks += check_value_prices(part) if "value" in claimed or part.second != "value" else []
    if part.name == "shared":
        checks.append(check_paths(part))
    if part.second == "even_value":
        checks.append(check_swaps(part))
    return checks


def _check_matched(batch: StoredBatch, told: dict[str, Any], value: NDArray[np.int64]) -> list[Check]:
    """Check the part in which leads went to their match: its own split, who was kept, and the ranks of the whole batch."""
    if "matched" not in batch.pairs.columns:
        return [Check("objectives:matched", False, "the pairs do not say how the matched part was split")]
    used = np.flatnonzero(batch.pairs["matched"].to_numpy(np.bool_))
    pair = np.full(len(batch), -1, np.int64)
    pair[batch.pair_lead[used]] = used
    twice = len(used) != len(np.unique(batch.pair_lead[used]))
    stays = np.zeros(len(batch), np.bool_)
    stays[pair >= 0] = batch.pair_rank[pair[pair >= 0]] < POOL
    bad = (stays != batch.kept) | (stays & (pair != batch.pair))
    kept = verdict(
        "kept_by_match",
        bad,
        batch.labels,
        lambda i: "was with its match and did not stay" if stays[i] else "was charged nothing, and has no match",
        "leads that stay with their match, and count for nothing",
    )
    if twice:
        kept = Check("kept_by_match", False, "a lead has two pairs in the matched part")
    everyone = np.ones(len(batch), np.bool_)
    part = _part(batch, "matched", everyone, pair, value, batch.whole("capacity"), told)
    whole = _part(batch, "whole", everyone, batch.pair, value, batch.whole("capacity"), {**told, "name": "whole"})
    # What proves the ranks of one split of the whole batch proves those of any other that is as good.
    return [kept, *_check_part(part), *check_rank_prices(whole), check_paths(whole, fairness=False)]


def _part(
    batch: StoredBatch,
    name: str,
    which: NDArray[np.bool_],
    pair: NDArray[np.int64],
    value: NDArray[np.int64],
    capacity: NDArray[np.int64],
    told: dict[str, Any],
) -> SplitPart:
    """Return the split of some leads as one part; ``pair`` is of all leads."""
    matched = name != "shared"
    prefix = "matched" if matched else "shared"
    leads = np.flatnonzero(which)
    row = np.cumsum(which) - 1
    chosen = which[batch.pair_lead]
    at = np.cumsum(chosen) - 1
    own = pair[leads]
    step = batch.whole("step")
    worth = np.zeros(len(batch), np.int64)
    there = batch.rep >= 0
    worth[there] = batch.decisions["worth_charged"].to_numpy(np.int64)[there] // step[batch.rep[there]]
    return SplitPart(
        name=name,
        labels=[batch.labels[i] for i in leads.tolist()],
        rep_ids=batch.rep_ids,
        lead=row[batch.pair_lead[chosen]],
        rep=batch.pair_rep[chosen],
        rank=batch.pair_rank[chosen],
        value=value[chosen],
        own=np.where(own >= 0, at[np.maximum(own, 0)] if len(at) else -1, -1),
        level=batch.whole("level"),
        step=np.zeros_like(step) if matched else step,
        capacity=capacity,
        objective=batch.setting("fair_share", "objective", "squares"),
        second="value" if matched else batch.setting("fair_share", "then", "value"),
        slack=0 if matched else int(batch.setting("fair_share", "fairness_slack", 0)),
        told=told,
        prices={column: batch.whole(f"{prefix}_{column}") for column in _PRICES},
        worth=worth[leads],
        worth_level=batch.whole("worth_level"),
    )


def _whole_values(batch: StoredBatch) -> tuple[NDArray[np.int64], float]:
    """Return the pairs' values in whole units of a hundredth, or of the least power of ten that keeps them below 10⁹."""
    value, unit = batch.pairs["value"].to_numpy(np.float64), 0.01
    while float(np.abs(value).max(initial=0.0)) / unit > _LARGEST:
        unit *= 10
    return np.rint(value / unit).astype(np.int64), unit


def _check_tie_order(batch: StoredBatch) -> Check:
    """Check that among equals who has waited longest comes first, and then a lot that the seed decides."""
    last = np.nan_to_num(batch.reps["before.last_turn"].to_numpy(np.float64), nan=0.0)
    seed = batch.policy.get("seed", 0)
    lots = [hashlib.sha256(f"{seed}:{rep}".encode()).digest() for rep in batch.rep_ids]
    expected = np.empty(batch.n_reps, np.int64)
    expected[sorted(range(batch.n_reps), key=lambda r: (last[r], lots[r]))] = np.arange(batch.n_reps)
    told = batch.whole("tie_order")
    return verdict(
        "tie_order",
        told != expected,
        batch.rep_ids,
        lambda r: f"expected place {expected[r]}, found {told[r]}",
        "the order of reps who are alike in everything",
    )
