"""The assignment that is being improved, and the fast moves on it: shifts, swaps and relays on every unit.

It is compared with the bound that prices prove. The proved loss of an assignment, objective − bound, is a sum over territories
at given prices::

    loss_t = Σ_{i in t} (r_it − min_s r_is)  +  Σ_k λ⁺_kt (u_kt − L_kt) + λ⁻_kt (L_kt − l_kt)
                                             +  Σ_k w_k |L_kt − T_kt| − π_kt (L_kt − T_kt)

and β (B − M) beside them for what may still change hands, with r the reduced costs and L the loads (complementary slackness,
term by term).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.bounds import whole_target_gain
from solvers.deviation import Targets
from solvers.linear import limit_scale, moved_scale
from solvers.moves import descend
from solvers.problem import with_slack
from solvers.relays import relay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.bounds import Prices
    from solvers.candidates import Candidates
    from solvers.problem import AssignmentProblem
    from solvers.result import StopRequest

PLACE_TRIES = 16
APPROACHES = 24
"""Doublings of a target's weight, or of a price of violation, before the search goes on with what there is."""

ASKED_PAIRS = 500_000
"""With more candidate pairs than this, a repair asks between its tries whether it should stop."""

SWAPPED_PAIRS = 500_000
"""With more candidate pairs than this, units are shifted towards the targets and not swapped."""

MOVE_WORK = 60_000_000
"""Pairs looked at by one call of the fast moves: a second or so."""


class Incumbent:
    """One whole assignment: a candidate pair for every unit, what that comes to, and moves that make it better.

    Attributes
    ----------
    pair : ndarray of int64, shape (n_units,)
        The candidate pair of every unit; :meth:`take` changes it.
    totals : ndarray, shape (n_measures, n_territories)
        The loads.
    objective : float
        Its cost and what is off target; meaningful when ``feasible``.
    moved : float
        What changes hands; 0 where that is not limited.
    feasible : bool
    reduced, regret : ndarray, shape (n_pairs,)
        Reduced costs at the prices, and by how much each is above its unit's least.
    least : ndarray, shape (n_units,)
    penalty : ndarray, shape (n_measures, n_territories)
        What a unit of violation costs the fast moves; it grows while a limit is broken.
    moved_penalty : float
        The same for what changes hands beyond what may.
    """

    def __init__(
        self, problem: AssignmentProblem, candidates: Candidates, prices: Prices, start: NDArray[np.int32]
    ) -> None:
        self.problem, self.candidates, self.prices = problem, candidates, prices
        self.lower, self.upper = problem.slack()
        self.soft, self.has_targets = problem.soft, problem.has_targets
        self.most_moved = np.inf if problem.limit is None else with_slack(problem.limit.limit)
        self.targets = Targets(problem.target, problem.target_weight)
        self.reduced = candidates.reduced_costs(prices)
        self.least = np.minimum.reduceat(self.reduced, candidates.start[:-1])
        unit = candidates.unit()
        self.regret = self.reduced - self.least[unit]
        pair = candidates.pair_of(start)
        lost = np.flatnonzero(pair < 0)
        if len(lost):
            order = np.lexsort((self.reduced, unit))
            pair[lost] = order[candidates.start[lost]]
        self.take(pair)
        # Reduced costs carry the prices already, so a violation need only outweigh a typical regret to begin with.
        dear = np.abs(prices.net).mean(axis=1) if prices.net.size else np.zeros(problem.n_measures)
        fallback = (np.abs(candidates.cost).mean() + 1e-9) / limit_scale(problem).ravel()
        self.gentle = np.maximum(0.3 * dear, fallback)
        self.penalty = np.repeat(self.gentle[:, None], problem.n_territories, axis=1)
        self.moved_penalty = 0.0
        if problem.limit is not None:
            amount = float(candidates.moved.mean()) if candidates.n_pairs else 1.0
            self.moved_penalty = max(0.3 * prices.moved, (np.abs(candidates.cost).mean() + 1e-9) / max(amount, 1e-300))

    # State

    def take(self, pair: NDArray[np.int64]) -> None:
        """Make this the assignment, and reckon what it comes to."""
        self.pair = pair
        self._refresh()

    def _refresh(self) -> None:
        c = self.candidates
        self.totals = np.array(
            [
                np.bincount(c.territory[self.pair], c.load[k, self.pair], self.problem.n_territories)
                for k in range(self.problem.n_measures)
            ]
        ).reshape(self.problem.n_measures, self.problem.n_territories)
        self.cost = float(c.cost[self.pair].sum())
        self.objective = self.cost
        if self.has_targets:
            self.objective += float(self.problem.off_target(self.totals).sum())
        self.moved = float(c.moved[self.pair].sum()) if len(c.moved) else 0.0
        self.feasible = bool(
            np.all(self.totals <= self.upper) and np.all(self.totals >= self.lower) and self.moved <= self.most_moved
        )

    @property
    def assignment(self) -> NDArray[np.int32]:
        """Territory of every unit."""
        return self.candidates.territory[self.pair]

    def violation(self) -> float:
        """Return how far the limits are broken, as the sum of fractions of a typical limit."""
        return float((self._over() / limit_scale(self.problem)).sum()) + self._overspent()

    def violations(self) -> NDArray[np.float64]:
        """Return how far each territory breaks limits, as fractions of a typical limit, with its part in too many moves."""
        return np.asarray((self._over() / limit_scale(self.problem)).sum(axis=0) + self._movers())

    def _over(self) -> NDArray[np.float64]:
        return np.asarray(np.maximum(0, self.totals - self.upper) + np.maximum(0, self.lower - self.totals))

    def _overspent(self) -> float:
        """Return how much more changes hands than may, in parts of what a territory has today."""
        if self.problem.limit is None or self.moved <= self.most_moved:
            return 0.0
        return (self.moved - self.most_moved) / moved_scale(self.problem)

    def _movers(self) -> NDArray[np.float64]:
        """Return what each territory takes from others, in parts of what one has today, where too much changes hands."""
        m = self.problem.n_territories
        if self.problem.limit is None or self.moved <= self.most_moved:
            return np.zeros(m)
        c = self.candidates
        taken = np.bincount(c.territory[self.pair], c.moved[self.pair], m)
        return np.asarray(taken * (self._overspent() / max(float(taken.sum()), 1e-300)))

    def room(self) -> float:
        """Return how much more may change hands than does; inf where that is not limited."""
        return self.most_moved - self.moved

    def losses(self) -> NDArray[np.float64]:
        """Return the proved loss of every territory; with :meth:`unspent` they sum to objective − bound when feasible."""
        prices, problem = self.prices, self.problem
        loss = np.bincount(self.candidates.territory[self.pair], self.regret[self.pair], problem.n_territories)
        with np.errstate(invalid="ignore"):
            loss += np.where(prices.upper > 0, prices.upper * (problem.upper - self.totals), 0.0).sum(axis=0)
            loss += np.where(prices.lower > 0, prices.lower * (self.totals - problem.lower), 0.0).sum(axis=0)
        if self.has_targets:
            off = problem.off_target(self.totals) - prices.target * (self.totals - problem.target)
            loss += (off - whole_target_gain(problem, prices)).sum(axis=0)
        return np.maximum(loss, 0.0)

    def unspent(self) -> float:
        """Return the proved loss that is no territory's: the price of what may still change hands."""
        limit = self.problem.limit
        return 0.0 if limit is None else self.prices.moved * max(0.0, limit.limit - self.moved)

    # Fast moves

    def repair(self, should_stop: StopRequest) -> None:
        """Bring the assignment inside its limits with the fast moves, and near its targets; it may stay outside."""
        # At the prices, what a move costs beyond its unit's best is its regret: the repair that loses least.
        if self.has_targets:
            self._approach_targets()
        for attempt in range(PLACE_TRIES):
            if self.feasible or (self.candidates.n_pairs > ASKED_PAIRS and should_stop()):
                break
            self._descend(self.reduced, swaps=0)
            self._relay(self.reduced)
            if not self.feasible and attempt >= 2:
                self._descend(self.reduced, swaps=1)
            self._raise_penalties()

    def polish(self) -> None:
        """Shift and swap on the true costs without breaking a limit."""
        before = self.pair.copy()
        self._descend(self.candidates.cost, swaps=2, forbidding=True)
        if not self.feasible:
            self.take(before)

    def _approach_targets(self) -> None:
        """Shift and swap at the prices while the targets' weights, and prices of violation, grow to what they must be.

        A target far dearer than its price would take the first move that comes nearer, whatever that costs; and units
        that fit a dear target seldom fit a limit as well, so that both have to be met on the way.
        """
        dear = np.maximum(np.abs(self.prices.target[self.soft]).max(axis=1), self.gentle[self.soft])
        part = np.minimum(1.0, 2 * dear / self.problem.target_weight[self.soft])
        # Where units are many, small ones even out what shifts leave.
        swaps = 2 if self.candidates.n_pairs <= SWAPPED_PAIRS else 0
        for _ in range(APPROACHES):
            self._descend(self.reduced, swaps=swaps, everyone=True, part=part)
            if np.all(part == 1.0) and self.feasible:
                break
            self._raise_penalties()
            part = np.minimum(1.0, part * 2.0)

    def _raise_penalties(self) -> None:
        """Double the price of a limit that is still broken: a stubborn territory must not distort its neighbours' bargains."""
        self.penalty = np.where(self._broken(), self.penalty * 2.0, self.penalty)
        if self.moved > self.most_moved:
            self.moved_penalty *= 2.0

    def _broken(self) -> NDArray[np.bool_]:
        return np.asarray((self.totals > self.upper) | (self.totals < self.lower))

    def _descend(
        self,
        cost: NDArray[np.float64],
        *,
        swaps: int,
        everyone: bool = False,
        forbidding: bool = False,
        part: NDArray[np.float64] | None = None,
    ) -> None:
        """Shift and swap: the units that a broken limit concerns, or everyone. ``part`` is as for ``_aims``."""
        c = self.candidates
        penalty, moved_penalty = self.penalty, self.moved_penalty
        if forbidding:
            # From a feasible assignment: no saving may outweigh a violation.
            most = max(1.0, float(np.abs(c.cost).max(initial=0.0)))
            if self.has_targets:
                most += 2 * float((self.problem.target_weight * c.load.max(axis=1, initial=0.0)).sum())
            penalty, moved_penalty = np.maximum(penalty, 1.0) * (1e3 * most), max(moved_penalty, 1.0) * (1e3 * most)
        if everyone or forbidding:
            tried = np.arange(c.n_units)
        else:
            broken: NDArray[np.bool_] = np.any(self._broken(), axis=0)
            touches = np.maximum.reduceat(broken[c.territory], c.start[:-1])
            if self.moved > self.most_moved:
                touches |= c.moved[self.pair] > 0
            tried = np.flatnonzero(touches)
        order = tried[np.argsort(-self.regret[self.pair[tried]], kind="stable")]
        descend(
            c.start,
            c.territory,
            cost,
            c.load,
            self.lower,
            self.upper,
            penalty,
            self.soft,
            self._aims(priced=not forbidding, part=part),
            order,
            self.pair,
            self.totals,
            c.moved,
            self._budget(moved_penalty),
            swaps,
            MOVE_WORK,
        )
        self._refresh()

    def _relay(self, cost: NDArray[np.float64]) -> None:
        c = self.candidates
        for k in range(self.problem.n_measures):
            relay(
                c.start,
                c.territory,
                cost,
                c.load,
                self.lower,
                self.upper,
                self.penalty,
                self.soft,
                self._aims(priced=True),
                k,
                self.pair,
                self.totals,
                c.moved,
                self._budget(self.moved_penalty),
                20_000,
            )
        self._refresh()

    def _budget(self, penalty: float) -> NDArray[np.float64]:
        """Return what changes hands, the most that may, and what a unit beyond costs."""
        return np.array([self.moved, self.most_moved, penalty])

    def _aims(self, *, priced: bool, part: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the soft targets and what a unit of load above and below costs, shape (3, n_soft, n_territories).

        ``priced``: beside reduced costs, which charge the targets' prices π already: w |L − T| less π (L − T).
        ``part``: the fraction of each w to count, shape (n_soft,); all of it where left out.
        """
        target = self.problem.target[self.soft]
        weight = self.problem.target_weight[self.soft] * (1.0 if part is None else part)
        weight = np.broadcast_to(weight[:, None], target.shape)
        price = self.prices.target[self.soft] if priced else np.zeros(target.shape)
        return np.array([target, weight - price, weight + price])
