"""Proof that no assignment exists: prices that make nonsense of the limits, or a unit that fits nowhere.

With all allowed pairs free of cost the weak-duality bound of ``solvers.bounds`` is at most 0 for any feasible problem,
because a feasible assignment costs 0. Prices under which it is above 0 are therefore a certificate (Farkas' lemma),
checked in one pass like any other bound. They come from the least total violation: the elastic relaxation's duals.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.bounds import Prices, priced_bound
from solvers.candidates import from_table
from solvers.cuts import Cuts, cut_prices
from solvers.linear import solve_relaxation
from solvers.problem import AssignmentProblem, TableCosts

if TYPE_CHECKING:
    from numpy.typing import NDArray

CERTAIN = 1e-7
"""A certificate counts when it exceeds this fraction of the prices' own total: beyond summation error."""

THOROUGH_PAIRS = 3_000_000
LUMPED_PAIRS = 1_000_000
"""Relaxations larger than these are not solved for a proof."""

LUMPS = 20_000
"""More kinds of units than this are not worth lumping."""


def is_certificate(problem: AssignmentProblem, prices: Prices) -> bool:
    """Whether the prices prove that no assignment keeps the limits."""
    value = priced_bound(problem, prices, costless=True)
    finite_upper = np.where(prices.upper > 0, problem.upper, 0.0)
    finite_lower = np.where(prices.lower > 0, problem.lower, 0.0)
    size = float((prices.upper * np.abs(finite_upper)).sum() + (prices.lower * np.abs(finite_lower)).sum())
    if problem.limit is not None:
        size += prices.moved * max(problem.limit.limit, float(problem.limit.total.sum()))
    return bool(value > CERTAIN * max(size, 1e-300)) and value > 0


def stranded_units(problem: AssignmentProblem) -> NDArray[np.int64]:
    """Return the units that no territory may take."""
    found = [first + np.flatnonzero(~np.isfinite(block).any(axis=1)) for first, _, block in problem.blocks()]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def oversized_units(problem: AssignmentProblem) -> NDArray[np.int64]:
    """Return the units that some territory may take, but whose own load is above the upper limit of each of those.

    No prices prove that, because prices allow a unit to be split. Where loads depend on the territory none are found.
    """
    if problem.pair_loads is not None or problem.n_measures == 0 or problem.n_territories == 0:
        return np.empty(0, np.int64)
    _, upper = problem.slack()
    doubtful = (problem.loads > upper.min(axis=1, keepdims=True)).any(axis=0)
    if not doubtful.any():
        return np.empty(0, np.int64)
    found = []
    for first, last, block in problem.blocks():
        rows = np.flatnonzero(doubtful[first:last])
        allowed = np.isfinite(block[rows])
        fits = allowed.copy()
        for load, limit in zip(problem.loads[:, first:last], upper, strict=True):
            fits &= load[rows, None] <= limit
        found.append(first + rows[allowed.any(axis=1) & ~fits.any(axis=1)])
    return np.concatenate(found)


def crossed_limits(problem: AssignmentProblem) -> Prices | None:
    """Return the certificate of a lower limit above the same territory's upper limit, or None where there is none."""
    with np.errstate(invalid="ignore"):
        size = np.maximum(1e-300, np.maximum(np.abs(problem.lower), np.abs(problem.upper)))
        gap = np.where(np.isfinite(size), (problem.lower - problem.upper) / size, -np.inf)
    if gap.size == 0 or gap.max() <= 2 * CERTAIN:
        return None
    prices = Prices.zero(problem)
    prices.upper.flat[gap.argmax()] = prices.lower.flat[gap.argmax()] = 1.0
    return prices


def prove_infeasible(problem: AssignmentProblem, *, thorough: bool = False) -> Prices | None:
    """Return prices that prove infeasibility, or None if none were found.

    The prices are all zero where none are needed: a unit is stranded or oversized.

    Parameters
    ----------
    problem : AssignmentProblem
    thorough : bool
        For several measures, solve the elastic relaxation over every allowed pair. Otherwise units that may go to the
        same territories are lumped together first, which is cheap for any size but may miss a conflict; what it finds
        is checked on the units themselves. One measure alone needs only maximum flows, and they miss nothing.
    """
    if len(stranded_units(problem)) or len(oversized_units(problem)):
        return Prices.zero(problem)
    forced = forced_moves(problem)
    if forced is not None:
        return forced
    if problem.n_measures == 0:
        return None
    crossed = crossed_limits(problem)
    if crossed is not None:
        return crossed
    cut = clashing_cut(problem)
    if cut is not None:
        return cut
    part = problem if thorough else lumped(problem)
    if part is None or (problem.n_measures == 1 and problem.pair_loads is None and problem.limit is None):
        # With one measure there are no conflicts but cuts.
        return None
    prices = least_violation(part, pairs=THOROUGH_PAIRS if thorough else LUMPED_PAIRS)
    return prices if prices is not None and is_certificate(problem, prices) else None


def forced_moves(problem: AssignmentProblem) -> Prices | None:
    """Return the certificate that more must change hands than may: units whose territory of today may not have them."""
    if problem.limit is None:
        return None
    prices = replace(Prices.zero(problem), moved=1.0)
    return prices if is_certificate(problem, prices) else None


def clashing_cut(problem: AssignmentProblem) -> Prices | None:
    """Return the certificate of a clash among one measure's upper limits or lower limits, or None if there is none.

    None also where loads depend on the territory.
    """
    if problem.pair_loads is not None:
        return None
    cuts = Cuts(lumped(problem) or problem)
    for k in range(problem.n_measures):
        for side, territories in (
            ("upper", cuts.above(k, problem.upper[k])),
            ("lower", cuts.below(k, problem.lower[k])),
        ):
            if territories is not None:
                prices = cut_prices(problem, k, side, territories)
                if is_certificate(problem, prices):
                    return prices
    return None


def least_violation(
    problem: AssignmentProblem, *, pairs: int = THOROUGH_PAIRS, time_limit_s: float | None = None
) -> Prices | None:
    """Return the prices of the least total violation of the limits; None if it is too large or was not found.

    Parameters
    ----------
    problem : AssignmentProblem
    pairs : int
        The most (unit, territory) pairs to work on.
    time_limit_s : float or None
    """
    if problem.n_units * problem.n_territories > pairs:
        return None
    everywhere = np.broadcast_to(
        np.arange(problem.n_territories, dtype=np.int32), (problem.n_units, problem.n_territories)
    )
    candidates = from_table(problem, everywhere)
    relaxation = solve_relaxation(problem, candidates, elastic=True, costless=True, time_limit_s=time_limit_s)
    return relaxation.prices if relaxation.solved else None


def lumped(problem: AssignmentProblem) -> AssignmentProblem | None:
    """Return the problem with units of the same allowed territories as one, all pairs free of cost.

    None where loads depend on the pair, or where the units are of too many kinds.
    """
    found = lumps_of(problem)
    return None if found is None else found[0]


def lumps_of(problem: AssignmentProblem) -> tuple[AssignmentProblem, NDArray[np.int64]] | None:
    """Return the lumped problem as :func:`lumped` does, and the lump of every unit, shape ``(n_units,)``."""
    if problem.pair_loads is not None:
        return None
    codes: dict[bytes, int] = {}
    allowed_rows: list[NDArray[np.bool_]] = []
    labels = np.empty(problem.n_units, np.int64)
    for first, last, block in problem.blocks():
        allowed = np.isfinite(block)
        packed = np.packbits(allowed, axis=1)
        if len(packed) > 1 and np.all(packed == packed[0]):
            distinct, inverse = packed[:1], np.zeros(len(packed), np.int64)
        else:
            distinct, inverse = np.unique(packed, axis=0, return_inverse=True)
        number = np.empty(len(distinct), np.int64)
        for j, row in enumerate(distinct):
            key = row.tobytes()
            if key not in codes:
                codes[key] = len(codes)
                allowed_rows.append(np.unpackbits(row)[: problem.n_territories].astype(np.bool_))
            number[j] = codes[key]
        labels[first:last] = number[inverse.ravel()]
        if len(codes) > LUMPS:
            return None
    loads = np.array([np.bincount(labels, row, len(codes)) for row in problem.loads])
    table = np.where(np.array(allowed_rows).reshape(len(codes), problem.n_territories), 0.0, np.inf)
    loads = loads.reshape(problem.n_measures, len(codes))
    return AssignmentProblem(TableCosts(table), loads, problem.lower, problem.upper), labels


class Deadline:
    """A moment after which nothing new is begun.

    Parameters
    ----------
    seconds : float
        From now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    @property
    def left_s(self) -> float:
        """Seconds left; never below 0."""
        return max(0.0, self._end - time.perf_counter())

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left_s <= 0

    def within(self, seconds: float) -> Deadline:
        """Return a deadline so many seconds from now, or this one's where it is earlier."""
        return Deadline(min(seconds, self.left_s))
