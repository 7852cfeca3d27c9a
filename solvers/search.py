"""Whole units, repair, and rounds of exact improvement: the upper rungs of the ladder.

The proved loss of an assignment says where to look (:mod:`solvers.incumbent` has the sum): a neighbourhood S can gain at most
Σ_{t in S} loss_t + β (B − M), and a pair whose reduced cost exceeds its unit's least by more than that cannot be part of any
gain, so it is left out without loss.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from solvers.bounds import priced_bound
from solvers.chunks import threads
from solvers.core import CORE_PAIRS, Core, band
from solvers.incumbent import Incumbent
from solvers.neighbourhoods import Answer, Halt, Neighbourhood, resolve
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

GLANCES = ((120, 0.25), (250, 0.25), (400, 0.5))
"""Open pairs and CP-SAT's deterministic time of the looks that come before the first round."""

STALLED_ROUNDS = 150


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
    incumbent : Incumbent
        The assignment.
    lower_bound : float
        Best bound proved.
    proved_infeasible : bool
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
        self.candidates, self.prices, self.rng, self.report = candidates, prices, rng, report
        self.incumbent = Incumbent(problem, candidates, prices, start)
        self.lower_bound = priced_bound(problem, prices)
        self.core = Core(self.incumbent, self.lower_bound)
        self.proof: dict[str, Any] = {"kind": "prices"}
        self.rounds = 0
        self.proved_infeasible = self.placed = False
        self.pairs_wanted = float(FIRST_PAIRS)
        self.band_wanted = float(FIRST_PAIRS)
        self.fruitless = 0

    @property
    def assignment(self) -> NDArray[np.int32]:
        """Territory of every unit, shape (n_units,)."""
        return self.incumbent.assignment

    @property
    def objective(self) -> float:
        """The assignment's cost and what is off target; meaningful when :attr:`feasible`."""
        return self.incumbent.objective

    @property
    def feasible(self) -> bool:
        """Whether the assignment keeps every limit."""
        return self.incumbent.feasible

    def _say(self, stage: str) -> None:
        if self.feasible:
            self.report(stage, rounds=self.rounds, objective=self.objective, lower_bound=self.lower_bound)
        else:
            violation = self.incumbent.violation()
            self.report(stage, rounds=self.rounds, lower_bound=self.lower_bound, violation=violation)

    def _gap_is_open(self, stop: Stop) -> bool:
        return relative_gap(self.objective, self.lower_bound) > stop.gap

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
        self.incumbent.repair(stop.requested)
        if self.feasible and self._gap_is_open(stop):
            self.incumbent.polish()

    def glance(self, stop: Stop) -> bool:
        """Settle the few decisions that prices leave most in doubt: often all that a round would find, in a tenth of its time.

        Returns
        -------
        bool
            Whether that was done: it counts as a round. Where the clock or a request cuts it short the assignment stays as
            it was, as in a round.
        """
        before, looked = self.incumbent.pair.copy(), False
        for pairs, effort in GLANCES:
            if not self.feasible or not self._gap_is_open(stop):
                break
            few = band(self.incumbent, pairs)
            if few is None:
                break
            seed = int(self.rng.integers(2**31 - 1))
            self._adopt(few, resolve(self.candidates, few, self.incumbent.pair, effort=effort, seed=seed))
            looked = True
            if stop.at_once():
                self.incumbent.take(before)
                return False
        return looked

    def start_from(self, assignment: NDArray[np.int32], stop: Stop) -> None:
        """Go on from an assignment within the limits if it is better; its pairs must be candidates."""
        before, value = self.incumbent.pair, self.objective if self.feasible else np.inf
        self.incumbent.take(self.candidates.pair_of(assignment))
        if self.feasible and self._gap_is_open(stop):
            self.incumbent.polish()
        if not self.feasible or self.objective >= value:
            self.incumbent.take(before)

    def round(self, pool: ThreadPoolExecutor, stop: Stop) -> bool:
        """One round: disjoint neighbourhoods and, when it is small enough, the core; all at once.

        Returns
        -------
        bool
            Whether it was completed. One that the clock or a request cuts short leaves the assignment as it was, so
            that the number of completed rounds says all about the answer.
        """
        now = self.incumbent
        hoods = self._choose()
        seeds = self.rng.integers(2**31 - 1, size=PARALLEL + 1)
        penalty = None if now.feasible else now.penalty * 4.0 + 2.0 * np.abs(self.prices.net)
        overspending = now.moved_penalty * 4.0 + 2.0 * self.prices.moved
        halt = Halt()

        def begin(hood: Neighbourhood, seed: int, effort: float = 1.0, *, hard: bool = False) -> Future[Answer]:
            return pool.submit(
                resolve,
                self.candidates,
                hood,
                now.pair,
                effort=effort,
                seed=seed,
                penalty=None if hard else penalty,
                overspending=0.0 if hard else overspending,
                halt=halt,
            )

        jobs = [begin(hood, int(s)) for hood, s in zip(hoods, seeds, strict=False)]
        core = self.core.open()
        few = band(now, self.band_wanted) if core is None else None
        band_job = None if few is None else begin(few, int(seeds[-1]), 2.0)
        core_job = None if core is None else begin(core, int(seeds[-1]), self.core.effort, hard=True)
        fixed_cost = None if core is None else now.cost - float(self.candidates.cost[now.pair[core.units]].sum())
        everything = [*jobs, *(job for job in (band_job, core_job) if job is not None)]
        while wait(everything, timeout=0.05).not_done:
            if stop.at_once():
                halt.call()
                wait(everything)
                return False
        before = (now.violation(), now.objective)
        answers = [job.result() for job in jobs]
        core_answer = None if core_job is None else core_job.result()
        if few is not None and band_job is not None:
            # Solved against the same start as the neighbourhoods, so it may clash with them: the better of the two.
            self._adopt_better(few, band_job.result(), hoods, answers)
        else:
            for hood, answer in zip(hoods, answers, strict=True):
                self._adopt(hood, answer)
        if core is not None and core_answer is not None and fixed_cost is not None:
            self._weigh_core(core, core_answer, fixed_cost)
        finished = sum(a.optimal for a in answers)
        if answers:
            self.pairs_wanted *= 1.25 if finished == len(answers) else 1.0 if finished * 2 >= len(answers) else 0.8
            self.pairs_wanted = min(max(self.pairs_wanted, 60.0), float(MOST_PAIRS))
        better = (now.violation(), now.objective) < before
        self.fruitless = 0 if better else self.fruitless + 1
        return True

    def _choose(self) -> list[Neighbourhood]:
        """Pick disjoint neighbourhoods around the territories that lose most, or that break limits."""
        now = self.incumbent
        return choose_neighbourhoods(
            self.candidates,
            now.pair,
            (now.totals, now.lower, now.upper),
            now.regret,
            now.losses(),
            None if now.feasible else now.violations(),
            count=PARALLEL,
            pairs_wanted=self.pairs_wanted,
            rng=self.rng,
            targets=now.targets,
            room=now.room(),
            unspent=now.unspent(),
        )

    def _adopt(self, hood: Neighbourhood, answer: Answer) -> None:
        """Take a neighbourhood's answer, unless it is worse than what there is."""
        if answer.pairs is None or len(answer.pairs) == 0:
            return
        now = self.incumbent
        old_pair, old, was_feasible = now.pair, (now.violation(), now.objective), now.feasible
        pair = old_pair.copy()
        pair[hood.units] = answer.pairs
        now.take(pair)
        worse = (was_feasible and not now.feasible) or (
            now.objective >= old[1] if was_feasible else (now.violation(), now.objective) >= old and not now.feasible
        )
        if worse:
            now.take(old_pair)

    def _adopt_better(
        self, few: Neighbourhood, answer: Answer, hoods: list[Neighbourhood], answers: list[Answer]
    ) -> None:
        """Take the band's answer or the neighbourhoods', whichever comes to less."""
        now = self.incumbent
        start = now.pair
        self._adopt(few, answer)
        with_band, value = now.pair, (not now.feasible, now.violation(), now.objective)
        now.take(start)
        for hood, each in zip(hoods, answers, strict=True):
            self._adopt(hood, each)
        if value < (not now.feasible, now.violation(), now.objective):
            now.take(with_band)
        if answer.pairs is not None:
            self.band_wanted *= 1.25 if answer.optimal else 0.8
            self.band_wanted = min(max(self.band_wanted, 100.0), float(CORE_PAIRS))

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
            self.core.put_off()

    def _search_proof(self) -> dict[str, Any]:
        return {
            "kind": "search",
            "solver": "CP-SAT",
            "version": version("ortools"),
            "parameters": {"num_workers": 1, "max_deterministic_time": self.core.effort},
        }
