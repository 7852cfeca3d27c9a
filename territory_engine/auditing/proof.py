"""The checks of a plan's proof: its prices, what they prove, the gap, and the claim that nothing is possible."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from territory_engine.auditing.checks import SHOWN, Check, compared, number
from territory_engine.auditing.design_proof import OverCentres, proved_over_centres
from territory_engine.auditing.disruption import move_price
from territory_engine.auditing.numbers import LIMIT_SLACK, TOLERANCE, agree
from territory_engine.auditing.rules import StoredProblem

# What a proof of infeasibility must exceed, relative to the terms it is the difference of, so that it is no rounding.
_CERTIFICATE_MARGIN = 1e-9
# What a sum may be off by, relative to its terms, because doubles have 16 digits.
_ROUNDING = 1e-14
# Pairs of an account and a rep looked at together.
_PAIRS = 1 << 20


def relative_gap(objective: float, lower_bound: float) -> float:
    """Return ``(objective − lower_bound) / objective``, never below 0; 0 when the objective is 0."""
    return max(0.0, (objective - lower_bound) / objective) if objective > 0 else 0.0


@dataclass(frozen=True, eq=False)
class StoredPrices:
    """The prices of plan.json: arrays of float64, shape ``(n_measures, n_reps)``.

    λ⁺ ≥ 0 at the upper limits, λ⁻ ≥ 0 at the lower ones, and π at the targets, between −w and w for a target weight of w.
    ``moves`` is β ≥ 0, of the limit on what changes hands.
    """

    upper: NDArray[np.float64]
    lower: NDArray[np.float64]
    target: NDArray[np.float64]
    moves: float = 0.0


def read_prices(stored: StoredProblem, record: dict[str, Any]) -> tuple[Check, StoredPrices]:
    """Check that every price is a number that is allowed for a known measure and rep, at a limit or target that is there.

    Returns
    -------
    check : Check
    prices : StoredPrices
        A price that is wrong is left at 0, which proves less but nothing false.
    """
    shape = (len(stored.measures), len(stored.reps))
    read = StoredPrices(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    problems = []
    prices = record.get("prices")
    if not isinstance(prices, dict):
        return Check("prices", False, f"expected a table of measures, found {prices!r}"), read
    position = {rep: t for t, rep in enumerate(stored.reps.index)}
    count = 0
    for measure, by_rep in prices.items():
        if measure not in stored.measures:
            problems.append(f"{measure!r} is no balanced measure")
            continue
        k = stored.measures.index(measure)
        limits = stored.limits(measure)
        for rep, pair in by_rep.items():
            for side, value in pair.items():
                count += 1
                t = position.get(rep, -1)
                price = number(pair, side)
                where = f"{measure}, {rep}, {side}: {value!r}"
                if t < 0 or side not in {"upper", "lower", "target"}:
                    problems.append(f"{where}: no such rep or side")
                elif side == "target":
                    # Beyond its weight a target's price would prove what is not true.
                    if math.isfinite(price) and abs(price) <= limits.weight:
                        read.target[k, t] = price
                    else:
                        problems.append(f"{where}: allowed is between −{limits.weight:g} and {limits.weight:g}")
                elif not (math.isfinite(price) and price >= 0):
                    problems.append(f"{where}: allowed is a number of 0 or more")
                elif price > 0 and not math.isfinite((limits.upper if side == "upper" else limits.lower)[t]):
                    problems.append(f"{where}: there is no {side} limit to price")
                else:
                    (read.upper if side == "upper" else read.lower)[k, t] = price
    price = move_price(record)
    if math.isfinite(price) and price >= 0 and (price == 0 or math.isfinite(stored.most_moved)):
        read = replace(read, moves=price)
    else:
        problems.append(f"disruption, price: {price!r}: allowed is a number of 0 or more, above 0 with max_moved only")
    shown = "; ".join(problems[:SHOWN]) + (f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else "")
    message = f"{count:,} prices of 0 or more, each at a limit that exists"
    if stored.priced_targets():
        message = f"{count:,} prices: of 0 or more, each at a limit that exists, or of a target, within its weight"
    return Check("prices", not problems, shown or message, {"prices": float(count)}), read


def check_proof(
    stored: StoredProblem, record: dict[str, Any], multipliers: NDArray[np.float64] | None = None
) -> list[Check]:
    """Check the prices, the bound they prove, the lower bound, the gap and the status of a plan with assignments.

    Where centres were chosen the prices hold for these centres only: the bound over every choice of centres rests on
    the multipliers, one number for each account or geographic unit.
    """
    prices, read = read_prices(stored, record)
    proved, magnitude = stored.bound(read.upper, read.lower, read.target, move_price=read.moves)
    proof = record.get("proof") or {}
    objective, lower_bound = number(record, "objective"), number(record, "lower_bound")
    if not stored.free:
        # Where all loads of a measure are whole numbers the plan may round its limits to whole numbers: same prices,
        # more proved. The priced bound itself stays with the limits as written.
        whole_measures = proof.get("whole_measures") or []
        whole = proved + _whole_gain(stored, whole_measures, read) + _whole_target_gain(stored, whole_measures, read)
        bounds = OverCentres(proved, whole, whole, magnitude)
        checks = [prices]
    else:
        what = "what the stored prices prove for these centres"
        checks = [prices, _check_number(record, "bound_at_centers", proved, magnitude, what)]
        if multipliers is None:
            return [*checks, *_check_without_multipliers(record)]
        bounds = proved_over_centres(stored, proof, multipliers)
        told = "; ".join(bounds.problems) or f"{len(multipliers):,} finite numbers, used as claimed"
        checks.append(Check("multipliers", not bounds.problems, told))
    return [
        *checks,
        _check_number(
            record,
            "priced_bound",
            bounds.as_written,
            bounds.magnitude,
            "what the stored prices prove, over every allowed pair",
        ),
        _check_lower_bound(record, lower_bound, bounds, objective),
        compared(
            "gap",
            ["gap"],
            [number(record, "gap")],
            [relative_gap(objective, lower_bound)],
            "(objective − lower bound) / objective",
        ),
        _check_status(record, bounds.most),
    ]


def _check_number(record: dict[str, Any], key: str, proved: float, magnitude: float, what: str) -> Check:
    """Check a bound that plan.json tells against what is proved; neither may be other than a finite number."""
    found, objective = number(record, key), number(record, "objective")
    numbers = {key: proved, "magnitude": magnitude}
    if not (math.isfinite(found) and math.isfinite(proved)):
        return Check(key, False, f"{what}: expected a finite number, {proved!r}; found {record.get(key)!r}", numbers)
    if objective > 0 and _ROUNDING * magnitude > _margin(max(abs(proved), objective), objective):
        message = f"{what}: the terms add up to {magnitude:.3g} before they cancel, so rounding alone may be {proved!r}"
        return Check(key, False, message, numbers)
    ok = abs(found - proved) <= _margin(proved, objective) + _ROUNDING * magnitude
    message = f"{what}: {proved:.10g}" if ok else f"{what}: expected {proved!r}, found {found!r}"
    return Check(key, ok, message, numbers)


def _check_without_multipliers(record: dict[str, Any]) -> list[Check]:
    """Check that a plan that chose its centres and stores no multipliers claims what a search proved, or nothing."""
    objective, claimed = number(record, "objective"), number(record, "lower_bound")
    by_search = (record.get("proof") or {}).get("kind") == "search"
    nothing = f"no multipliers are stored, so no more than 0 is proved; the plan says {claimed!r}"
    return [
        _check_lower_bound(record, claimed, OverCentres(0.0, 0.0, 0.0, 0.0), objective)
        if by_search
        else Check("lower_bound", claimed == 0.0, nothing),
        compared("gap", ["gap"], [number(record, "gap")], [relative_gap(objective, claimed)], "the gap"),
        _check_status(record, 0.0),
    ]


def _margin(value: float, objective: float) -> float:
    """Return how far a bound may be from the recomputed one: relative to it, or to a small objective, at least."""
    return TOLERANCE * max(min(1.0, abs(objective)) if math.isfinite(objective) else 1.0, abs(value))


def _check_lower_bound(record: dict[str, Any], lower_bound: float, bounds: OverCentres, objective: float) -> Check:
    proved = bounds.most
    numbers = {"lower_bound": lower_bound, "priced_bound": proved}
    kind = (record.get("proof") or {}).get("kind")
    if not (math.isfinite(lower_bound) and math.isfinite(proved)):
        message = f"expected a finite number; the prices prove {proved!r}, found {record.get('lower_bound')!r}"
        return Check("lower_bound", False, message, numbers)
    if not lower_bound <= objective + _margin(objective, objective):
        return Check("lower_bound", False, f"{lower_bound!r} is above the objective {objective!r}", numbers)
    slack = _margin(proved, objective) + _ROUNDING * bounds.magnitude
    # Nothing is claimed above the objective, where rounding took what is proved beyond it.
    least = min(bounds.least, objective)
    below = f"expected at least what the prices prove, {least!r}; found {lower_bound!r}"
    if kind == "prices":
        # With whole units the solver may have proved a little less than is proved here, but never more, and never less
        # than with divided ones.
        if lower_bound > proved + slack:
            message = f"expected what the prices prove, {proved!r}; found {lower_bound!r}"
            return Check("lower_bound", False, message, numbers)
        ok = lower_bound >= least - slack
        return Check("lower_bound", ok, "what the prices prove" if ok else below, numbers)
    if kind == "search":
        missing = [key for key in ("solver", "version", "parameters") if key not in record["proof"]]
        if missing:
            return Check("lower_bound", False, f"the proof by search lacks {', '.join(missing)}", numbers)
        if lower_bound < least - slack:
            return Check("lower_bound", False, below, numbers)
        return Check(
            "lower_bound",
            True,
            f"{lower_bound!r}: prices prove {proved!r} of it; the part above that rests on a search, which is not"
            " repeated here (--rerun repeats it)",
            numbers,
        )
    return Check("lower_bound", False, f"proof kind: expected 'prices' or 'search', found {kind!r}", numbers)


def _check_status(record: dict[str, Any], proved: float) -> Check:
    status = record.get("status")
    if record.get("conflict") is not None:
        return Check("status", False, f"{status!r} with a conflict: only an infeasible plan has one")
    if status == "feasible":
        return Check("status", True, "feasible: every rule is checked above")
    objective, claimed = number(record, "objective"), number(record, "lower_bound")
    best = min(proved, claimed) if record["proof"].get("kind") == "prices" else claimed
    gap = relative_gap(objective, best)
    # The margin is for the last digits of the two sums, not for the plan.
    ok = math.isfinite(best) and gap <= 1e-6 * (1 + 1e-3)
    return Check("status", ok, f"optimal allows a gap of at most 1e-6; the recomputed gap is {gap:.3g}", {"gap": gap})


def check_infeasibility(stored: StoredProblem, record: dict[str, Any]) -> list[Check]:
    """Check the proof that no assignment keeps every rule, and that nothing else is claimed."""
    prices, read = read_prices(stored, record)
    if read.target.any():
        # A target is no rule: no price of one proves that rules contradict each other.
        read = replace(read, target=np.zeros_like(read.target))
        prices = replace(prices, ok=False, message="prices of targets in a proof that no plan is possible")
    claims = [key for key in ("objective", "lower_bound", "gap", "priced_bound") if record.get(key) is not None]
    conflict = record.get("conflict")
    named = isinstance(conflict, dict) and bool(conflict.get("rules"))
    if claims:
        message = f"an infeasible plan has no {', '.join(claims)}"
    elif not named:
        message = f"expected a conflict with its rules, found {conflict!r}"
    else:
        message = "infeasible: the conflict is named, and no objective and no bound are claimed"
    status = Check("status", named and not claims, message)
    conflict = conflict if isinstance(conflict, dict) else {}
    return [prices, status, _check_certificate(stored, record, conflict, read)]


def _check_certificate(
    stored: StoredProblem,
    record: dict[str, Any],
    conflict: dict[str, Any],
    prices: StoredPrices,
) -> Check:
    name = "infeasibility"
    # Without prices: one that overflows would make it seem that nobody may serve anybody.
    best = stored.cheapest(np.zeros_like(prices.upper), with_cost=False)
    stuck = stored.accounts.index[np.isinf(best)[stored.unit]]
    if len(stuck):
        # No price can say more than this, and no sum is needed to see it.
        named = [str(a) for a in conflict.get("accounts") or []]
        wrong = sorted(set(named) - set(stuck)) if not _proves(conflict) else []
        shown = ", ".join(map(str, stuck[:SHOWN]))
        if wrong:
            return Check(
                name, False, f"accounts {', '.join(wrong[:SHOWN])} are named, but a rep may serve each of them"
            )
        return Check(name, True, f"proved directly: no rep may serve {len(stuck):,} accounts ({shown})")
    proof = record.get("proof") or {}
    if not _proves(conflict) and proof.get("kind") == "prices":
        # Neither can a price show that an account fits nowhere whole: prices may split it.
        oversized = _oversized(stored)
        if len(oversized):
            wrong = sorted({str(a) for a in conflict.get("accounts") or []} - set(oversized.astype(str)))
            shown = ", ".join(map(str, oversized[:SHOWN]))
            message = f"proved directly: {len(oversized):,} accounts ({shown}) are larger than any allowed rep's limit"
            if wrong:
                message = f"accounts {', '.join(wrong[:SHOWN])} are named, but each of them fits some rep's limits"
            return Check(name, not wrong, message)
    proved, magnitude = stored.bound(
        prices.upper, prices.lower, prices.target, with_cost=False, move_price=prices.moves
    )
    proved += _whole_gain(stored, proof.get("whole_measures") or [], prices)
    numbers = {"certificate": proved, "magnitude": magnitude}
    positive = proved > _CERTIFICATE_MARGIN * magnitude and proved > 0
    if _proves(conflict) or proof.get("kind") == "prices":
        found = number(conflict, "certificate")
        ok = positive and math.isfinite(proved) and bool(agree(found, proved, magnitude))
        return Check(
            name,
            ok,
            f"the prices prove {proved!r} (more than {_CERTIFICATE_MARGIN * magnitude:.3g} is a proof that no"
            f" assignment keeps every rule); the plan says {found!r}",
            numbers,
        )
    if (record.get("proof") or {}).get("kind") == "search":
        return Check(
            name, True, "rests on a search alone, which is not repeated here (--rerun repeats it)", {"searched": 1.0}
        )
    return Check(name, False, f"no proof: kind {(record.get('proof') or {}).get('kind')!r}, no certificate", numbers)


def _is_whole(stored: StoredProblem, measure: str) -> bool:
    """Whether every load of a measure is a whole number. A group moves as one: what counts is that its sum is whole."""
    if stored.depends_on_rep(measure):
        return False
    values = np.bincount(stored.unit, stored.values(measure))
    return bool(np.all(values == np.rint(values)))


def _whole_gain(stored: StoredProblem, measures: list[str], prices: StoredPrices) -> float:
    """Return what prices prove beyond the limits as written when the limits are rounded to whole numbers.

    Whole loads add up to whole loads, so an upper limit may be rounded down and a lower one up. Measures with a load
    that is not whole gain nothing.
    """
    gain = 0.0
    for k, measure in enumerate(stored.measures):
        if measure not in measures or not _is_whole(stored, measure):
            continue
        limits = stored.limits(measure)
        for price, limit, sign in ((prices.upper[k], limits.upper, 1), (prices.lower[k], limits.lower, -1)):
            at = np.asarray((price > 0) & np.isfinite(limit))
            slack = LIMIT_SLACK * np.maximum(1.0, np.abs(limit[at]))
            rounded = sign * np.floor(sign * limit[at] + slack)
            gain += float((price[at] * sign * (limit[at] - rounded)).sum())
    return gain


def _whole_target_gain(stored: StoredProblem, measures: list[str], prices: StoredPrices) -> float:
    """Return what prices prove beyond ``π (load − T)`` because no load lies between the whole numbers around a target.

    With f = T − ⌊T⌋ and w the target weight, whole loads cost w |load − T| = w (1 − f) |load − ⌊T⌋| + w f |load − ⌊T⌋ − 1|.
    A price π is the sum of two, within w (1 − f) and w f, one for each whole number; the best such sum proves
    ``min( f (w + π), (1 − f) (w − π) )`` more.
    """
    gain = 0.0
    for k, measure in enumerate(stored.measures):
        limits = stored.limits(measure)
        if limits.weight > 0 and measure in measures and _is_whole(stored, measure):
            fraction = limits.target - np.floor(limits.target)
            above, below = limits.weight - prices.target[k], limits.weight + prices.target[k]
            gain += float(np.minimum(fraction * below, (1 - fraction) * above).sum())
    return gain


def _oversized(stored: StoredProblem) -> NDArray[Any]:
    """Return the IDs of accounts that no allowed rep has room for, with the group that they stay together with."""
    measures = [m for m in stored.measures if not stored.depends_on_rep(m)]
    n_units = stored.unit.max(initial=-1) + 1
    room = np.ones((n_units, len(stored.reps)), np.bool_)
    for measure in measures:
        limit = stored.limits(measure).upper
        load = np.bincount(stored.unit, stored.values(measure), n_units)
        room &= load[:, None] <= limit + LIMIT_SLACK * np.maximum(1.0, np.abs(limit))
    # Units that fit every rep need no look at who is allowed.
    roomy = np.asarray(room.all(axis=1))
    rows = np.flatnonzero(~roomy[stored.unit])
    step = max(1, _PAIRS // max(1, len(stored.reps)))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        np.logical_and.at(room, stored.unit[block], stored.allowed(block, stored.travel(block)))
    somewhere = np.asarray(room.any(axis=1))
    return stored.accounts.index.to_numpy()[~somewhere[stored.unit]]


def _proves(conflict: dict[str, Any]) -> bool:
    """Whether the conflict claims a certificate that prices prove."""
    return conflict.get("certificate") is not None
