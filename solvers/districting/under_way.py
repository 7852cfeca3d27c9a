"""What a territory design knows while it is under way: the best answer, the best bound, and how much work is left."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.bounds import Prices
from solvers.districting.bound.multipliers import Multipliers
from solvers.districting.centres.medians import Recentring
from solvers.districting.checks import broken_rules
from solvers.districting.infeasible.certificates import Infeasibility
from solvers.districting.problem import DistrictingProblem, Districts
from solvers.result import Progress, relative_gap
from solvers.whole import tighten_to_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.result import ProgressListener, StopRequest

OPTIMAL_GAP = 1e-6
"""A gap this small is called optimal."""

LARGEST_WHOLE_LIMIT = 2_000_000
"""Whole units are counted on only up to this limit: the audit repeats that bound by the textbook's dynamic program, which
has a number for every whole load."""


def rounded(problem: DistrictingProblem) -> tuple[DistrictingProblem, list[int]]:
    """Return the problem with limits rounded to whole numbers where loads are whole, and for which measures that says more."""
    lower, upper = problem.lower.copy(), problem.upper.copy()
    for k in range(problem.n_measures):
        lower[k], upper[k] = tighten_to_whole(problem.loads[k], lower[k], upper[k])
    changed = [
        k
        for k in range(problem.n_measures)
        if not np.array_equal(lower[k], problem.lower[k]) or not np.array_equal(upper[k], problem.upper[k])
    ]
    return replace(problem, lower=lower, upper=upper), changed


class UnderWay:
    """One design under way: the best answer and the best bound so far, and how much work is left."""

    def __init__(
        self,
        problem: DistrictingProblem,
        time_limit_s: float,
        gap: float,
        rounds: int | None,
        seed: int,
        on_progress: ProgressListener | None,
        should_stop: StopRequest | None,
    ) -> None:
        self.asked = problem
        self.problem, self.whole = rounded(problem)
        self.began, self.time_limit_s = time.perf_counter(), time_limit_s
        self.gap, self.rounds_wanted = gap, rounds
        # Only sums of whole numbers can be proved again by anyone, digit for digit.
        self.whole_loads = bool(
            np.all(problem.loads == np.rint(problem.loads)) and np.all(problem.upper <= LARGEST_WHOLE_LIMIT)
        )
        self.seed, self.rng = seed, np.random.default_rng(seed)
        self.on_progress, self.requested = on_progress, should_stop or (lambda: False)
        self.centres: NDArray[np.int64] | None = None
        self.assignment: NDArray[np.int32] | None = None
        self.objective = np.inf
        self.lower_bound = -np.inf
        self.proof: dict[str, Any] = {"kind": "prices"}
        self.multipliers: Multipliers | None = None
        self.given_prices: Prices | None = None
        self.recentring = Recentring(self.problem) if problem.centres is None else None
        self.rounds = 0
        self.deadline_s, self.cut_short = time_limit_s, False
        self.contradiction: Infeasibility | None = None
        self.fewest: Districts | None = None
        self.starts: list[NDArray[np.int32]] = []
        self.improving = False
        self.stalled = False

    @property
    def found(self) -> bool:
        """Whether there is an answer that keeps every rule."""
        return self.assignment is not None

    def seconds(self) -> float:
        """Return the time since the design began."""
        return time.perf_counter() - self.began

    def rounds_left(self, most: int | None = None) -> int | None:
        """Return how many more rounds there may be, at most ``most``; None for no limit."""
        left = None if self.rounds_wanted is None else max(0, self.rounds_wanted - self.rounds)
        return most if left is None else left if most is None else min(left, most)

    def time_is_up(self) -> bool:
        """Return whether to stop at once: by the clock, or because somebody asked."""
        return self.requested() or self.seconds() >= self.deadline_s

    def closed(self) -> bool:
        """Whether the proved gap is as small as asked for."""
        return self.found and relative_gap(self.objective, self.lower_bound) <= self.gap

    def over(self) -> bool:
        """Return whether there is no more to do."""
        return self.time_is_up() or self.closed() or self.rounds_left() == 0 or self.contradiction is not None

    def target(self) -> float | None:
        """Return the objective at which the gap is small enough."""
        return self.lower_bound / (1.0 - self.gap) if self.lower_bound > 0 else None

    def offer(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> None:
        """Keep an answer if it keeps every rule and is better, with its centres where its territories want them."""
        choices = [centres]
        if self.recentring is not None:
            choices.append(self.recentring.moved(centres, assignment))
        for choice in choices:
            value = self.problem.cost_of(choice, assignment)
            if value < self.objective and not broken_rules(self.problem, choice, assignment):
                self.centres, self.assignment, self.objective = choice, assignment, value

    def raise_bound(self, value: float, proof: dict[str, Any]) -> None:
        """Keep a bound if it is better, with what proves it."""
        if np.isfinite(value) and value > self.lower_bound:
            self.lower_bound, self.proof = value, proof

    def say(self, stage: str, **values: float | int | None) -> None:
        """Tell how the design stands; what a rung reports of its own counts where it is better."""
        if self.on_progress is None:
            return
        objective = values.get("objective")
        best = min(self.objective, np.inf if objective is None else objective)
        done = int(values.get("rounds") or 0)
        self.on_progress(
            Progress(
                stage,
                self.seconds(),
                self.rounds + done,
                None if np.isinf(best) else float(best),
                None if np.isinf(self.lower_bound) else self.lower_bound,
                None if np.isfinite(best) else values.get("violation"),
            )
        )
