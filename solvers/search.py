"""Whole units, repair, and rounds of exact improvement: the upper rungs of the ladder.

The proved loss of an assignment, objective − bound, is a sum over territories at given prices::

    loss_t = Σ_{i in t} (r_it − min_s r_is)  +  Σ_k λ⁺_kt (u_kt − L_kt) + λ⁻_kt (L_kt − l_kt)
                                             +  Σ_k w_k |L_kt − T_kt| − π_kt (L_kt − T_kt)

and β (B − M) beside them for what may still change hands, with r the reduced costs and L the loads (complementary slackness, term by term). It says where to look: a
neighbourhood S can gain at most Σ_{t in S} loss_t + β (B − M), and a pair whose reduced cost exceeds its unit's least by more than
that cannot be part of any gain, so it is left out without loss.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from solvers.bounds import priced_bound, reduced_block, whole_target_gain
from solvers.chunks import threads
from solvers.deviation import Targets
from solvers.linear import limit_scale, moved_scale
from solvers.moves import descend, relay
from solvers.neighbourhoods import Answer, Halt, Neighbourhood, open_neighbourhood, resolve
from solvers.problem import with_slack
from solvers.result import Termination, relative_gap
from solvers.selection import choose_neighbourhoods

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.bounds import Prices
    from solvers.candidates import Candidates
    from solvers.problem import AssignmentProblem

PARALLEL = 4
"""Neighbourhoods in a round. Fixed, so that the answer does not depend on the number of cores."""

FIRST_PAIRS = 250
MOST_PAIRS = 3_000
CORE_PAIRS = 6_000
SMALL_CORE_PAIRS = 3_000
"""The core is tried once it has no more open pairs than this."""

GLANCES = ((120, 0.25), (250, 0.25), (400, 0.5))
"""Open pairs and CP-SAT's deterministic time of the looks that come before the first round."""

STALLED_ROUNDS = 150
PLACE_TRIES = 16
APPROACHES = 24
"""Doublings of a target's weight, or of a price of violation, before the search goes on with what there is."""

SWAPPED_PAIRS = 500_000
"""With more candidate pairs than this, units are shifted towards the targets and not swapped."""

MOVE_WORK = 60_000_000
"""Pairs looked at by one call of the fast moves: a second or so."""


class Reporter(Protocol):
    """Says where the search stands."""

    def __call__(self, stage: str, **values: float | int | None) -> None:
        """Report a stage and what is known at it."""
        ...


@dataclass(frozen=True)
class Stop:
    """When the search ends: any of these, asked between rounds."""

    began: float
    time_limit_s: float
    gap: float
    rounds: int | None
    requested: Callable[[], bool]

    def at_once(self) -> bool:
        """Whether the round under way should be given up."""
        return self.requested() or time.perf_counter() - self.began >= self.time_limit_s

    def now(self, search: Search) -> Termination | None:
        """Return why the search should end, or None."""
        if search.feasible and relative_gap(search.objective, search.lower_bound) <= self.gap:
            return "gap"
        if self.requested():
            return "interrupted"
        if self.rounds is not None and search.rounds >= self.rounds:
            return "rounds"
        if time.perf_counter() - self.began >= self.time_limit_s:
            return "time_limit"
        return None


class Search:
    """One assignment, kept feasible once it is, and made better round by round.

    Attributes
    ----------
    assignment : ndarray of int32, shape (n_units,)
    objective : float
        Its cost and what is off target; meaningful when ``feasible``.
    lower_bound : float
        Best bound proved.
    feasible, proved_infeasible : bool
    rounds : int
    proof : dict
    """

    def __init__(
        self,
        problem: AssignmentProblem,
        candidates: Candidates,
        prices: Prices,
        start: NDArray[np.int32],
        rng: np.random.Generator,
        report: Reporter,
    ) -> None:
        self.problem, self.candidates, self.prices, self.rng, self.report = problem, candidates, prices, rng, report
        self.lower, self.upper = problem.slack()
        self.soft, self.has_targets = problem.soft, problem.has_targets
        self.most_moved = np.inf if problem.limit is None else with_slack(problem.limit.limit)
        self.targets = Targets(problem.target, problem.target_weight)
        self.lower_bound = priced_bound(problem, prices)
        self.proof: dict[str, Any] = {"kind": "prices"}
        self.rounds = 0
        self.proved_infeasible = self.placed = False
        self.reduced = candidates.reduced_costs(prices)
        self.least = np.minimum.reduceat(self.reduced, candidates.start[:-1])
        self.unit = candidates.unit()
        self.regret = self.reduced - self.least[self.unit]
        self.pair = candidates.pair_of(start)
        lost = np.flatnonzero(self.pair < 0)
        if len(lost):
            order = np.lexsort((self.reduced, self.unit))
            self.pair[lost] = order[candidates.start[lost]]
        self._refresh()
        # Reduced costs carry the prices already, so a violation need only outweigh a typical regret to begin with.
        dear = np.abs(prices.net).mean(axis=1) if prices.net.size else np.zeros(problem.n_measures)
        fallback = (np.abs(candidates.cost).mean() + 1e-9) / limit_scale(problem).ravel()
        self.gentle = np.maximum(0.3 * dear, fallback)
        self.penalty = np.repeat(self.gentle[:, None], problem.n_territories, axis=1)
        self.moved_penalty = 0.0
        if problem.limit is not None:
            amount = float(candidates.moved.mean()) if candidates.n_pairs else 1.0
            self.moved_penalty = max(0.3 * prices.moved, (np.abs(candidates.cost).mean() + 1e-9) / max(amount, 1e-300))
        self.pairs_wanted = float(FIRST_PAIRS)
        self.band_wanted = float(FIRST_PAIRS)
        self.core_effort = 2.0
        self.core_open = np.inf
        self.core_wait = 0
        self.fruitless = 0

    # State

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
        over = np.maximum(0, self.totals - self.upper) + np.maximum(0, self.lower - self.totals)
        return float((over / limit_scale(self.problem)).sum()) + self._overspent()

    def _overspent(self) -> float:
        """Return how much more changes hands than may, in parts of what a territory has today."""
        if self.problem.limit is None or self.moved <= self.most_moved:
            return 0.0
        return (self.moved - self.most_moved) / moved_scale(self.problem)

    def _say(self, stage: str) -> None:
        if self.feasible:
            self.report(stage, rounds=self.rounds, objective=self.objective, lower_bound=self.lower_bound)
        else:
            self.report(stage, rounds=self.rounds, lower_bound=self.lower_bound, violation=self.violation())

    # Rungs

    def run(self, stop: Stop) -> Termination:
        """Place, repair and improve until it is time to stop; return why."""
        if not self.placed:
            self.place(stop)
        self._say("improving")
        if (stop.rounds is None or stop.rounds > 0) and self.glance(stop):
            self.rounds += 1
            self._say("improving")
        with ThreadPoolExecutor(max_workers=min(2, threads())) as pool:
            while True:
                reason = stop.now(self)
                if reason is None and self.proved_infeasible:
                    reason = "infeasible"
                if reason is None and self.fruitless >= STALLED_ROUNDS:
                    reason = "stalled"
                if reason is not None:
                    return reason
                if self.round(pool, stop):
                    self.rounds += 1
                    self._say("improving" if self.feasible else "repairing")

    def place(self, stop: Stop) -> None:
        """Bring the start inside its limits, then to a local optimum, with the fast moves."""
        self.placed = True
        self._say("placing whole accounts")
        # At the prices, what a move costs beyond its unit's best is its regret: the repair that loses least.
        if self.has_targets:
            self._approach_targets()
        for attempt in range(PLACE_TRIES):
            if self.feasible or (self.candidates.n_pairs > 500_000 and stop.requested()):
                break
            self._descend(self.reduced, swaps=0)
            self._relay(self.reduced)
            if not self.feasible and attempt >= 2:
                self._descend(self.reduced, swaps=1)
            self._raise_penalties()
        if self.feasible and relative_gap(self.objective, self.lower_bound) > stop.gap:
            self.polish()

    def glance(self, stop: Stop) -> bool:
        """Settle the few decisions that prices leave most in doubt: often all that a round would find, in a tenth of its time.

        Returns
        -------
        bool
            Whether that was done: it counts as a round. Where the clock or a request cuts it short the assignment stays as
            it was, as in a round.
        """
        before, looked = self.pair.copy(), False
        for pairs, effort in GLANCES:
            if not self.feasible or relative_gap(self.objective, self.lower_bound) <= stop.gap:
                break
            band = self._band(pairs)
            if band is None:
                break
            seed = int(self.rng.integers(2**31 - 1))
            self._adopt(band, resolve(self.candidates, band, self.pair, effort=effort, seed=seed))
            looked = True
            if stop.at_once():
                self.pair = before
                self._refresh()
                return False
        return looked

    def start_from(self, assignment: NDArray[np.int32], stop: Stop) -> None:
        """Go on from an assignment within the limits if it is better; its pairs must be candidates."""
        before, value = self.pair, self.objective if self.feasible else np.inf
        self.pair = self.candidates.pair_of(assignment)
        self._refresh()
        if self.feasible and relative_gap(self.objective, self.lower_bound) > stop.gap:
            self.polish()
        if not self.feasible or self.objective >= value:
            self.pair = before
            self._refresh()

    def polish(self) -> None:
        """Shift and swap on the true costs without breaking a limit."""
        before = self.pair.copy()
        self._descend(self.candidates.cost, swaps=2, forbidding=True)
        if not self.feasible:
            self.pair = before
            self._refresh()

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

    def _budget(self, penalty: float) -> NDArray[np.float64]:
        """Return what changes hands, the most that may, and what a unit beyond costs."""
        return np.array([self.moved, self.most_moved, penalty])

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

    def round(self, pool: ThreadPoolExecutor, stop: Stop) -> bool:
        """One round: disjoint neighbourhoods and, when it is small enough, the core; all at once.

        Returns
        -------
        bool
            Whether it was completed. One that the clock or a request cuts short leaves the assignment as it was, so
            that the number of completed rounds says all about the answer.
        """
        hoods = self._choose()
        seeds = self.rng.integers(2**31 - 1, size=PARALLEL + 1)
        penalty = None if self.feasible else self.penalty * 4.0 + 2.0 * np.abs(self.prices.net)
        overspending = self.moved_penalty * 4.0 + 2.0 * self.prices.moved
        effort, halt = 1.0, Halt()
        jobs = [
            pool.submit(
                resolve,
                self.candidates,
                hood,
                self.pair,
                effort=effort,
                seed=int(s),
                penalty=penalty,
                overspending=overspending,
                halt=halt,
            )
            for hood, s in zip(hoods, seeds, strict=False)
        ]
        core = self._core()
        core_job = band_job = None
        band = self._band() if core is None else None
        if band is not None:
            band_job = pool.submit(
                resolve,
                self.candidates,
                band,
                self.pair,
                effort=2.0,
                seed=int(seeds[-1]),
                penalty=penalty,
                overspending=overspending,
                halt=halt,
            )
        if core is not None:
            core_job = pool.submit(
                resolve, self.candidates, core, self.pair, effort=self.core_effort, seed=int(seeds[-1]), halt=halt
            )
        fixed_cost = None if core is None else self.cost - float(self.candidates.cost[self.pair[core.units]].sum())
        everything = [*jobs, *(job for job in (band_job, core_job) if job is not None)]
        while wait(everything, timeout=0.05).not_done:
            if stop.at_once():
                halt.call()
                wait(everything)
                return False
        before = (self.violation(), self.objective)
        answers = [job.result() for job in jobs]
        core_answer = None if core_job is None else core_job.result()
        if band is not None and band_job is not None:
            # Solved against the same start as the neighbourhoods, so it may clash with them: the better of the two.
            self._adopt_better(band, band_job.result(), hoods, answers)
        else:
            for hood, answer in zip(hoods, answers, strict=True):
                self._adopt(hood, answer)
        if core is not None and core_answer is not None and fixed_cost is not None:
            self._weigh_core(core, core_answer, fixed_cost)
        finished = sum(a.optimal for a in answers)
        if answers:
            self.pairs_wanted *= 1.25 if finished == len(answers) else 1.0 if finished * 2 >= len(answers) else 0.8
            self.pairs_wanted = min(max(self.pairs_wanted, 60.0), float(MOST_PAIRS))
        better = (self.violation(), self.objective) < before
        self.fruitless = 0 if better else self.fruitless + 1
        return True

    def _adopt(self, hood: Neighbourhood, answer: Answer) -> None:
        if answer.pairs is None or len(answer.pairs) == 0:
            return
        old_pair, old = self.pair.copy(), (self.violation(), self.objective)
        was_feasible = self.feasible
        self.pair[hood.units] = answer.pairs
        self._refresh()
        worse = (was_feasible and not self.feasible) or (
            self.objective >= old[1]
            if was_feasible
            else (self.violation(), self.objective) >= old and not self.feasible
        )
        if worse:
            self.pair = old_pair
            self._refresh()

    def _adopt_better(
        self, band: Neighbourhood, answer: Answer, hoods: list[Neighbourhood], answers: list[Answer]
    ) -> None:
        start = self.pair.copy()
        self._adopt(band, answer)
        with_band, value = self.pair.copy(), (not self.feasible, self.violation(), self.objective)
        self.pair = start
        self._refresh()
        for hood, each in zip(hoods, answers, strict=True):
            self._adopt(hood, each)
        if value < (not self.feasible, self.violation(), self.objective):
            self.pair = with_band
            self._refresh()
        if answer.pairs is not None:
            self.band_wanted *= 1.25 if answer.optimal else 0.8
            self.band_wanted = min(max(self.band_wanted, 100.0), float(CORE_PAIRS))

    def _band(self, most: float | None = None) -> Neighbourhood | None:
        """Open the pairs of least regret all over: the few decisions that prices leave in doubt.

        Source: the core concept of knapsack problems (Balas & Zemel 1980); here a heuristic, the core itself is exact.
        """
        second = self.regret[self.regret > 0]
        if len(second) == 0:
            return None
        wanted = min(int(self.band_wanted if most is None else most), len(second) - 1)
        width = float(np.partition(second, wanted)[wanted])
        everything = np.arange(self.problem.n_territories, dtype=np.int32)
        return open_neighbourhood(
            self.candidates,
            self.pair,
            self.totals,
            self.lower,
            self.upper,
            everything,
            np.arange(self.problem.n_units),
            self.regret <= width,
            self.targets,
            self._room(),
        )

    def _core(self) -> Neighbourhood | None:
        """Return the whole problem less the pairs that no better assignment can use; None while it is too large.

        With a limit on the prices' own bound: a pair is out when its regret exceeds objective − priced bound.
        """
        if self.core_wait > 0:
            self.core_wait -= 1
            return None
        reach = self.objective - self._priced() if self.feasible else np.inf
        open_pair = self.regret <= reach
        if open_pair.sum() - self.problem.n_units > CORE_PAIRS and not (
            not self.feasible and self.candidates.n_pairs <= 4 * CORE_PAIRS
        ):
            return None
        if self.candidates.n_pairs < self._all_pairs() and not (self.feasible and self._covers(reach)):
            return None
        if open_pair.sum() - self.problem.n_units <= SMALL_CORE_PAIRS:
            # Likely to close: a first try cut short would be made again, and longer.
            self.core_effort = max(self.core_effort, 4.0)
        everything = np.arange(self.problem.n_territories, dtype=np.int32)
        return open_neighbourhood(
            self.candidates,
            self.pair,
            self.totals,
            self.lower,
            self.upper,
            everything,
            np.arange(self.problem.n_units),
            open_pair,
            self.targets,
            self._room(),
        )

    def _room(self) -> float:
        """Return how much more may change hands than does; inf where that is not limited."""
        return self.most_moved - self.moved

    def _priced(self) -> float:
        if not hasattr(self, "_priced_value"):
            self._priced_value = priced_bound(self.problem, self.prices)
        return self._priced_value

    def _all_pairs(self) -> int:
        if not hasattr(self, "_all_pairs_value"):
            self._all_pairs_value = sum(int(np.isfinite(block).sum()) for _, _, block in self.problem.blocks())
        return self._all_pairs_value

    def _covers(self, reach: float) -> bool:
        """Whether every pair within ``reach`` of its unit's least reduced cost is a candidate: looked at pair by pair.

        Candidates are not always a unit's cheapest pairs: whoever has it today, and what fills a territory, are among
        them however dear.
        """
        near = np.add.reduceat(self.regret <= reach, self.candidates.start[:-1])
        for first, last, block in self.problem.blocks():
            reduced = reduced_block(self.problem, self.prices, block, first)
            # Rounding may not hide a pair: what is a little further away counts as near.
            most = self.least[first:last] + reach
            within = reduced <= (most + 1e-9 * np.maximum(1.0, np.abs(most)))[:, None]
            if np.any(within.sum(axis=1) > near[first:last]):
                return False
        return True

    def _weigh_core(self, core: Neighbourhood, answer: Answer, fixed_cost: float) -> None:
        """Take the core's answer and its bound: no assignment better than the present one lies outside it."""
        if answer.infeasible:
            # While an assignment keeps the limits this is rounding, and proves nothing.
            if not self.feasible:
                self.proved_infeasible = True
                self.proof = self._search_proof()
            return
        known = self.objective
        was_feasible = self.feasible
        self._adopt(core, answer)
        bound = fixed_cost + answer.bound
        if was_feasible:
            bound = min(known, bound)
        if self.feasible:
            bound = min(bound, self.objective)
        if (was_feasible or answer.optimal) and bound > self.lower_bound + 1e-9 * max(1.0, abs(self.lower_bound)):
            self.lower_bound = bound
            self.proof = self._search_proof()
        if not answer.optimal:
            self.core_effort = min(self.core_effort * 2.0, 120.0)
            self.core_wait = int(self.core_effort)

    def _search_proof(self) -> dict[str, Any]:
        return {
            "kind": "search",
            "solver": "CP-SAT",
            "version": version("ortools"),
            "parameters": {"num_workers": 1, "max_deterministic_time": self.core_effort},
        }

    def _choose(self) -> list[Neighbourhood]:
        """Pick disjoint neighbourhoods around the territories that lose most, or that break limits."""
        over = np.maximum(0, self.totals - self.upper) + np.maximum(0, self.lower - self.totals)
        return choose_neighbourhoods(
            self.candidates,
            self.pair,
            (self.totals, self.lower, self.upper),
            self.regret,
            self.losses(),
            None if self.feasible else (over / limit_scale(self.problem)).sum(axis=0) + self._movers(),
            count=PARALLEL,
            pairs_wanted=self.pairs_wanted,
            rng=self.rng,
            targets=self.targets,
            room=self._room(),
            unspent=self.unspent(),
        )

    def _movers(self) -> NDArray[np.float64]:
        """Return what each territory takes from others, in parts of what one has today, where too much changes hands."""
        m = self.problem.n_territories
        if self.problem.limit is None or self.moved <= self.most_moved:
            return np.zeros(m)
        c = self.candidates
        taken = np.bincount(c.territory[self.pair], c.moved[self.pair], m)
        return np.asarray(taken * (self._overspent() / max(float(taken.sum()), 1e-300)))
