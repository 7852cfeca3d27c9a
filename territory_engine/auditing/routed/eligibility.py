"""Who could take which lead, worked out again from what leads ask for and reps list; both ways: none too many, none missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.auditing.checks import SHOWN, Check, verdict
from territory_engine.auditing.numbers import EARTH_RADIUS_KM, LIMIT_SLACK, TOLERANCE, agree, haversine_km
from territory_engine.auditing.routed.cells import parts
from territory_engine.auditing.routed.standing import own_column
from territory_engine.auditing.routed.stored_batch import POOL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.auditing.routed.lines import Lines
    from territory_engine.auditing.routed.stored_batch import StoredBatch
    from territory_engine.auditing.routed.stored_plan import RoutingPlan

_USUAL = (("segment", "segments"), ("language", "languages"), ("product", "products"), ("skills", "skills"))
_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Asking:
    """What leads ask for in a column: the code of each lead, and who meets each code; code 0 asks for nothing."""

    code: NDArray[np.int64]
    met: NDArray[np.bool_]


def rules_of(batch: StoredBatch, plan: RoutingPlan | None) -> list[tuple[str, str]]:
    """Return the rules that held, as pairs of a leads column and a reps column."""
    stated = batch.policy.get("eligibility")
    if stated is not None:
        return [(rule["column"], rule["reps_column"]) for rule in stated]
    if plan is None:
        return [(str(column), str(reps_column)) for column, reps_column in batch.proof.get("rules", ())]
    rules = [plan.rule] if plan.rule is not None else []
    rules += [rule for rule in _USUAL if rule not in rules]
    return [rule for rule in rules if f"rep.{rule[1]}" in batch.reps.columns]


def asking(batch: StoredBatch, column: str, reps_column: str) -> Asking:
    """Return what the leads of a batch ask for, and which reps list all of it."""
    n = len(batch)
    if column not in batch.leads.columns:
        return Asking(np.zeros(n, np.int64), np.ones((1, batch.n_reps), np.bool_))
    codes, cells = pd.factorize(batch.leads[column], use_na_sentinel=False)
    listed = [set(parts(cell)) for cell in own_column(batch, reps_column)]
    wanted = [set(parts(_whole(cell))) for cell in cells]
    met = np.array([[asked <= has for has in listed] for asked in [set(), *wanted]], np.bool_)
    code = np.array([k + 1 if asked else 0 for k, asked in enumerate(wanted)], np.int64)
    return Asking(code[codes], met.reshape(len(wanted) + 1, batch.n_reps))


def _whole(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell


def places(batch: StoredBatch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return latitude and longitude of leads and of reps' homes, each of shape ``(n, 2)``."""
    axes = ["latitude", "longitude"]
    of_leads = np.column_stack([batch.numbers_of_leads(axis, np.nan) for axis in axes])
    return of_leads, batch.reps[axes].to_numpy(np.float64)


def kilometres(batch: StoredBatch) -> NDArray[np.float64]:
    """Return the distance of every stored pair in km, NaN where lead or rep has no place."""
    leads, reps = places(batch)
    a, b = leads[batch.pair_lead], reps[batch.pair_rep]
    return haversine_km(a[:, 0], a[:, 1], b[:, 0], b[:, 1])


def check_rules(batch: StoredBatch, plan: RoutingPlan | None) -> Check:
    """Check that the rules of eligibility told are those of policy and plan."""
    told = [tuple(rule) for rule in batch.proof.get("rules", ())]
    expected = rules_of(batch, plan)
    shown = ", ".join(f"{column} in {reps_column}" for column, reps_column in expected) or "none"
    message = f"rules: {shown}" if told == expected else f"expected {expected}, found {told}"
    return Check("rules", told == expected, message)


def check_pairs(batch: StoredBatch, plan: RoutingPlan | None, lines: Lines) -> Check:
    """Check that the stored pairs are exactly those that every rule but capacity allows."""
    rules = [asking(batch, *rule) for rule in rules_of(batch, plan)]
    leads, homes = places(batch)
    n, m = len(batch), batch.n_reps
    open_ = (batch.status != "rejected") & (batch.decisions["match_kind"].to_numpy(object) != "ambiguous")
    truncated = bool(batch.proof.get("truncated"))
    limit = batch.reps["limit_travel_km"].to_numpy(np.float64)
    limited = np.flatnonzero(np.isfinite(limit))
    vectors = _on_sphere(leads), _on_sphere(homes)
    found: list[str] = []
    wrong = [0, 0]
    size = max(1, _BLOCK_CELLS // max(m, 1))
    for start in range(0, n, size):
        block = np.arange(start, min(start + size, n))
        may = np.broadcast_to(batch.takes_leads, (len(block), m)) & open_[block, None]
        for rule in rules:
            may = may & rule.met[rule.code[block]]
        waiting = np.flatnonzero(lines.waits[block])
        if len(waiting):
            may[waiting] &= np.arange(m) == lines.first[block[waiting], None]
        must = may.copy()
        if len(limited):
            near, within = _near(vectors, (leads, homes), block, limited, limit)
            may[:, limited] &= near
            must[:, limited] &= within
        stored = np.zeros((len(block), m), np.bool_)
        low, high = np.searchsorted(batch.pair_lead, (block[0], block[-1] + 1))
        stored[batch.pair_lead[low:high] - start, batch.pair_rep[low:high]] = True
        known = ~lines.unknown[block] & ~batch.erased[block]
        may |= batch.erased[block, None]
        for k, (bad, what) in enumerate(
            ((stored & ~may, "could not take it and is stored"), (must & ~stored & known[:, None], "is missing"))
        ):
            if truncated and k == 1:
                continue
            wrong[k] += int(bad.sum())
            for lead, rep in np.argwhere(bad)[: max(0, SHOWN - len(found))]:
                found.append(f"{batch.labels[start + lead]}: {batch.rep_ids[rep]} {what}")
    what = f"{len(batch.pairs):,} pairs of a lead and a rep"
    if any(wrong):
        return Check(
            "pairs", False, f"{what}: {wrong[0]:,} should not be there, {wrong[1]:,} are missing. {'; '.join(found)}"
        )
    part = (
        ", none of them against a rule; too many were possible to keep all" if truncated else ", exactly the possible"
    )
    return Check("pairs", True, what + part, {"pairs": float(len(batch.pairs))})


def _on_sphere(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    phi, theta = np.radians(degrees).T
    return np.column_stack((np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)))


def _near(
    vectors: tuple[NDArray[np.float64], NDArray[np.float64]],
    degrees: tuple[NDArray[np.float64], NDArray[np.float64]],
    block: NDArray[np.int64],
    limited: NDArray[np.int64],
    limit: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which leads are within each limit, at most by a hair beyond it, and which surely; (n_block, n_limited)."""
    most = limit[limited]
    with np.errstate(invalid="ignore"):
        chord2 = 2 - 2 * (vectors[0][block] @ vectors[1][limited].T)
        low, high = (
            (2 * np.sin(np.minimum(most * (1 + sign * TOLERANCE) / EARTH_RADIUS_KM, np.pi) / 2)) ** 2
            for sign in (-1, 1)
        )
        surely, perhaps = chord2 < low - 1e-12, chord2 <= high + 1e-12
    near = perhaps.copy()
    row, column = np.nonzero(perhaps & ~surely)
    if len(row):
        a, b = degrees[0][block[row]], degrees[1][limited[column]]
        km = haversine_km(a[:, 0], a[:, 1], b[:, 0], b[:, 1])
        bound = most[column]
        near[row, column] = km <= bound * (1 + TOLERANCE) + 2 * LIMIT_SLACK
        surely[row, column] = km <= bound * (1 - TOLERANCE)
    return near, surely


def check_values(batch: StoredBatch) -> list[Check]:
    """Check km and expected value of every pair: score × value × fit − travel cost."""
    lead, rep = batch.pair_lead, batch.pair_rep
    km = kilometres(batch)
    worth = batch.numbers_of_leads("score", 1.0) * batch.numbers_of_leads("value", 1.0)
    expected = worth[lead]
    for fit in batch.policy.get("fit", ()):
        rule = asking(batch, fit["column"], fit["reps_column"])
        fits = (rule.code[lead] > 0) & rule.met[rule.code[lead], rep]
        expected = np.where(fits, expected * fit["factor"], expected)
    expected = expected - float(batch.setting("value", "travel_cost_per_km", 1.0)) * np.nan_to_num(km, nan=0.0)
    names = _PairLabels(batch)
    checks = []
    for name, column, wanted, what in (
        ("travel", "travel_km", km, "km from the rep's home to the lead"),
        ("values", "value", expected, "expected value of every pair"),
    ):
        found = batch.pairs[column].to_numpy(np.float64)
        checks.append(
            verdict(
                name,
                ~agree(found, wanted) & ~batch.erased[lead],
                names,  # type: ignore[arg-type]  # labels are made when asked for: there are millions
                lambda i, f=found, w=wanted: f"expected {w[i]:.10g}, found {f[i]:.10g}",  # type: ignore[misc]  # defaults bind the loop's arrays
                what,
            )
        )
    return checks


def check_ranks(batch: StoredBatch, lines: Lines) -> Check:
    """Check who comes first and second for each lead."""
    lead, rep = batch.pair_lead, batch.pair_rep
    expected = np.full(len(lead), POOL)
    expected[lines.territory_rep[lead] == rep] = 1
    expected[lines.owner[lead] == rep] = 0
    found = batch.pair_rank
    return verdict(
        "ranks",
        (expected != found) & ~batch.erased[lead],
        _PairLabels(batch),  # type: ignore[arg-type]  # as above
        lambda i: f"expected {expected[i]}, found {found[i]}",
        "owner first (0), territory next (1), pool last (2)",
    )


class _PairLabels:
    """What messages call each pair; made when asked for."""

    def __init__(self, batch: StoredBatch) -> None:
        self._batch = batch

    def __getitem__(self, i: int) -> str:
        batch = self._batch
        return f"{batch.labels[batch.pair_lead[i]]} with {batch.rep_ids[batch.pair_rep[i]]}"
