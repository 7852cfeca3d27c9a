"""The smallest set of limits that cannot hold together: found from certificates, shrunk by leaving limits out.

With one measure whose loads do not depend on the territory, limits clash only as a *cut*: the units that may go
nowhere but to the territories T weigh more than T's upper limits, or all units that may go to T weigh less than T's
lower limits (Hoffman's circulation theorem). The prices are then 1 on T and 0 elsewhere. Other conflicts have prices of
their own.

Source: Chinneck & Dravnieks 1991, "Locating minimal infeasible constraint sets in linear programs" (deletion filter).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.bounds import Prices
from solvers.cuts import Cuts, cut_prices
from solvers.infeasibility import crossed_limits, is_certificate, least_violation, lumped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.infeasibility import Deadline
    from solvers.problem import AssignmentProblem

PAIRS = 400_000
"""Relaxations asked for over and over are solved up to this many pairs."""

CUT_LUMPS = 2_000


@dataclass(frozen=True, eq=False)
class LimitConflict:
    """Limits that cannot hold together.

    Attributes
    ----------
    upper, lower : ndarray of bool, shape (n_measures, n_territories)
        The limits.
    prices : Prices
        The certificate, 0 on all other limits.
    """

    upper: NDArray[np.bool_]
    lower: NDArray[np.bool_]
    prices: Prices

    @property
    def n_limits(self) -> int:
        """How many limits clash."""
        return int(self.upper.sum() + self.lower.sum())

    @property
    def is_cut(self) -> bool:
        """Whether it is one side of one measure, every price alike: a sum of loads against a sum of limits."""
        sides = [side for side in (self.upper, self.lower) if side.any()]
        if len(sides) != 1 or sides[0].any(axis=1).sum() != 1:
            return False
        priced = (self.prices.upper + self.prices.lower)[sides[0]]
        return bool(np.all(priced == priced[0]))


class LimitCheck:
    """Asks whether some of a problem's limits can be kept when units may be split.

    Parameters
    ----------
    problem : AssignmentProblem
        No unit may be stranded.
    """

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        self.lumps = lumped(problem)
        self._flows = Cuts(self.lumps or problem) if problem.pair_loads is None else None

    def certificate(
        self, upper: NDArray[np.bool_], lower: NDArray[np.bool_], time_limit_s: float | None = None
    ) -> Prices | None:
        """Return prices that prove that the limits chosen by the masks cannot be kept, or None if none were found."""
        for side, mask in (("upper", upper), ("lower", lower)):
            other = lower if side == "upper" else upper
            if mask.any(axis=1).sum() == 1 and not other.any() and self._flows is not None and self._flows.usable:
                return self._flow_prices(side, mask)
        highest = np.where(upper, self.problem.upper, np.inf)
        lowest = np.where(lower, self.problem.lower, -np.inf)
        measures = (np.isfinite(highest) | np.isfinite(lowest)).any(axis=1)
        for part, exact in ((self.lumps, measures.sum() <= 1), (self.problem, True)):
            if part is None:
                continue
            limited = part.with_limits(lowest, highest)
            prices = crossed_limits(limited)
            if prices is None:
                prices = least_violation(limited, pairs=PAIRS, time_limit_s=time_limit_s)
            if prices is not None and is_certificate(limited, prices):
                return prices
            if exact and prices is not None:
                return None
        return None

    def _flow_prices(self, side: str, mask: NDArray[np.bool_]) -> Prices | None:
        """Return prices on one side of one measure, where its limits clash: a maximum flow tells."""
        assert self._flows is not None
        k = int(np.flatnonzero(mask.any(axis=1))[0])
        if side == "upper":
            territories = self._flows.above(k, np.where(mask[k], self.problem.upper[k], np.inf))
        else:
            territories = self._flows.below(k, np.where(mask[k], self.problem.lower[k], -np.inf))
        if territories is None:
            return None
        prices = cut_prices(self.problem, k, side, territories & mask[k])
        return prices if is_certificate(self.lumps or self.problem, prices) else None

    def cuts(self) -> list[LimitConflict]:
        """Return the cuts seen without solving: around single territories and around any unit's territories.

        Only where loads do not depend on the territory. Fewest limits first; of as many, the one broken most.
        """
        lumps = self.lumps
        if lumps is None or lumps.n_units > CUT_LUMPS:
            return []
        allowed = np.isfinite(lumps.rows(np.arange(lumps.n_units)))
        sets = np.unique(np.vstack([np.eye(lumps.n_territories, dtype=np.bool_), allowed]), axis=0)
        sets = sets[sets.any(axis=1)]
        confined = (allowed.astype(np.float32) @ (~sets).T.astype(np.float32)) == 0
        reaching = (allowed.astype(np.float32) @ sets.T.astype(np.float32)) > 0
        found: list[tuple[int, float, int, int, int]] = []
        for k in range(lumps.n_measures):
            highest = np.where(sets, lumps.upper[k], 0.0).sum(axis=1)
            lowest = np.where(sets, lumps.lower[k], 0.0).sum(axis=1)
            for side, over, limit in (
                (0, lumps.loads[k] @ confined - highest, highest),
                (1, lowest - lumps.loads[k] @ reaching, lowest),
            ):
                broken = np.where(np.isfinite(limit), over, -1.0) > 1e-6 * np.maximum(1.0, np.abs(limit))
                found += [(int(sets[s].sum()), -float(over[s]), k, side, int(s)) for s in np.flatnonzero(broken)]
        conflicts = [self._cut(k, side, sets[s]) for _, _, k, side, s in sorted(found)]
        return [c for c in conflicts if c is not None]

    def _cut(self, measure: int, side: int, territories: NDArray[np.bool_]) -> LimitConflict | None:
        masks = np.zeros((2, *self.problem.lower.shape), np.bool_)
        masks[side, measure] = territories
        prices = Prices(masks[0].astype(np.float64), masks[1].astype(np.float64))
        return LimitConflict(masks[0], masks[1], prices) if is_certificate(self.problem, prices) else None

    def _of(self, prices: Prices) -> LimitConflict:
        """Return the conflict of these prices, as a cut where some level of them is one."""
        upper, lower = prices.upper > 0, prices.lower > 0
        for side, price in ((0, prices.upper), (1, prices.lower)):
            other = prices.lower if side == 0 else prices.upper
            measures = np.flatnonzero(price.any(axis=1))
            if other.any() or len(measures) != 1:
                continue
            row = price[measures[0]]
            # The bound is a positive mixture of the bounds of the levels, so one of them is above zero too.
            levels = np.unique(row[row > 0])[::-1]
            for level in levels[np.concatenate(([True], np.diff(levels) < -1e-9 * levels[0]))]:
                cut = self._cut(int(measures[0]), side, row >= level * (1 - 1e-9))
                if cut is not None:
                    return cut
        return LimitConflict(upper, lower, prices)

    def shrink(self, conflict: LimitConflict, deadline: Deadline) -> LimitConflict:
        """Return the conflict without the limits that it does not need; as far as the time goes."""
        kept = np.zeros((2, *conflict.upper.shape), np.bool_)
        while not deadline.passed:
            masks = np.array([conflict.upper, conflict.lower])
            left = np.argwhere(masks & ~kept)
            if len(left) == 0:
                break
            one = tuple(left[-1])
            masks[one] = False
            prices = self.certificate(masks[0], masks[1], deadline.left_s)
            if prices is None:
                kept[one] = True
            else:
                conflict = self._of(prices)
        return conflict

    def smallest(self, upper: NDArray[np.bool_], lower: NDArray[np.bool_], deadline: Deadline) -> LimitConflict | None:
        """Return the smallest conflict found among the limits chosen by the masks, or None if none is proved."""
        for cut in self.cuts():
            if not (cut.upper & ~upper).any() and not (cut.lower & ~lower).any():
                first_cut: LimitConflict | None = cut
                break
        else:
            first_cut = None
        if first_cut is not None and first_cut.n_limits == 1:
            return first_cut
        found = [] if first_cut is None else [first_cut]
        nothing = np.zeros_like(upper)
        # One side of one measure is the easiest to read, then one measure, then all of them.
        for k in range(len(upper)):
            only = nothing.copy()
            only[k] = True
            sides = [(upper & only, nothing), (nothing, lower & only)]
            if self.problem.pair_loads is not None:
                sides.append((upper & only, lower & only))
            for masks in sides:
                if deadline.passed or not (masks[0].any() or masks[1].any()):
                    continue
                prices = self.certificate(masks[0], masks[1], deadline.left_s)
                if prices is not None:
                    found.append(self._of(prices))
                    break
        # Without loads that depend on the territory, one measure alone clashes as a cut or not at all.
        if not found and not deadline.passed and (len(upper) > 1 or self.problem.pair_loads is not None):
            prices = self.certificate(upper, lower, deadline.left_s)
            if prices is not None:
                found.append(self._of(prices))
        shrunk = [self.shrink(conflict, deadline) for conflict in sorted(found, key=lambda c: c.n_limits)]
        return min(shrunk, key=lambda c: c.n_limits) if shrunk else None
