"""The ladder of territory design: start reading here. Each rung hands the next a better answer, or a bound.

1. **Impossible?** (``infeasible/``): cheap certificates first; the search for a contradiction only where no answer is found.
2. **Small problems whole** (``whole/small``): alternation with exact assignments, exact parts, then everything at once.
3. **What it is worth** (``bound/``): a number per unit that bounds every choice of centres from below.
4. **Centres** (``centres/``): annealing over centres and assignments, then exact parts, without connectedness.
5. **One piece** (``connected/``): a connected answer grown from the last one, improved without ever breaking a piece.
6. **Prices at the centres** (``at_centres``, and the fixed-centre ladder): they explain the answer and, where centres are
   given, prove it. Where nothing need be connected the fixed-centre ladder has a last look at the assignment as well.

Where what changes hands is limited or priced, the search also starts from today's alignment, made to be in one piece; and
where a limit on it leaves no answer in sight, the fewest moves are looked for (``moves``): an answer, or a contradiction.

``problem`` states what is solved; ``checks`` is the plain definition of every rule.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.bounds import Prices, priced_bound
from solvers.chunks import one_blas_thread
from solvers.districting.at_centres import assignment_problem
from solvers.districting.bound.centre_bound import centre_bound
from solvers.districting.bound.multipliers import ascend
from solvers.districting.centres.search import search_centres
from solvers.districting.compiled import compile_kernels
from solvers.districting.connected.search import search_connected
from solvers.districting.infeasible.certificates import Infeasibility, at_a_glance, components, prove_infeasible
from solvers.districting.moves import counting_moves, today, too_few_allowed
from solvers.districting.problem import Districts
from solvers.districting.under_way import OPTIMAL_GAP, UnderWay
from solvers.districting.whole.exact import solve_exactly
from solvers.districting.whole.small import solve_small
from solvers.ladder import solve as solve_assignment
from solvers.ladder import until_settled
from solvers.result import relative_gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.bound.multipliers import Multipliers
    from solvers.districting.connected.search import ConnectedSearch
    from solvers.districting.problem import DistrictingProblem
    from solvers.result import ProgressListener, StopRequest, Termination

SMALL_UNITS = 400
SMALL_PAIRS = 40_000
"""A problem of at most so many units and pairs is also solved as a whole by integer programming."""

TINY_UNITS, TINY_PAIRS = 50, 2_500
"""A problem of at most so many units and pairs is solved whole at once: any search before that would take longer."""

START_ROUNDS = 6
"""Rounds of the search for centres whose answer is then connected; and of the connected search before a small problem is
solved whole. Counted, not timed, so that the answer does not depend on the clock."""

TRIAL_ROUNDS = 3
"""Rounds of the connected search from each of several starts, before the best one is gone on with."""

SETTLINGS = 3
"""A better assignment may move centres, which may better the assignment: so many times at most. The prices are those of the
last look, a centre or two apart from the answer's at worst."""

LARGE_PAIRS = 16_000_000
SEARCH_SHARE, PROVEN_BY = 0.45, 0.8
"""With more pairs than that the answer comes first, in this share of the time, and the bound after it, until that part of
the time is gone: pricing takes the rest."""

FEWEST_SHARE = 0.3
"""Part of the time in which the fewest moves are looked for where a limited number of moves did not do."""

BOUND_SHARE, MOST_BOUND_S = 0.25, 60.0
"""At most this share of the time, and so many seconds, go into the bound before an answer is looked for."""


@one_blas_thread
def design(
    problem: DistrictingProblem,
    *,
    time_limit_s: float = 60.0,
    gap: float = 1e-4,
    rounds: int | None = None,
    seed: int = 0,
    start: NDArray[np.int32] | None = None,
    on_progress: ProgressListener | None = None,
    should_stop: StopRequest | None = None,
) -> Districts:
    """Design territories.

    Parameters
    ----------
    problem : DistrictingProblem
    time_limit_s : float
        Checked between rounds. A round takes seconds, with a million units up to a minute. Compiling, the first time
        after an installation, is not counted.
    gap : float
        Proved relative gap at which to stop; 0 for optimality (to 1e-6).
    rounds : int or None
        Stop after this many rounds of improvement: with the number of an earlier answer, that answer comes back.
    seed : int
    start : ndarray of int32, shape (n_units,), or None
        An assignment to begin with; −1 where a unit has no territory yet. One that keeps every rule is never lost: what
        comes back is no worse. Today's alignment is another one, where that matters.
    on_progress : callable or None
        Called with a :class:`solvers.result.Progress` now and then.
    should_stop : callable or None
        Asked between rounds.
    """
    if not is_tiny(problem):
        compile_kernels(connected=problem.graph is not None)
    return _Design(problem, time_limit_s, max(gap, OPTIMAL_GAP), rounds, seed, on_progress, should_stop).run(start)


def fewest_moves(
    problem: DistrictingProblem,
    *,
    time_limit_s: float,
    until: float | None = None,
    gap: float = OPTIMAL_GAP,
    rounds: int | None = None,
    seed: int = 0,
    start: NDArray[np.int32] | None = None,
    on_progress: ProgressListener | None = None,
    should_stop: StopRequest | None = None,
) -> Districts:
    """Find the design within the other rules that moves least, whatever it costs; see :func:`solvers.ladder.fewest_moves`.

    Parameters
    ----------
    problem : DistrictingProblem
        With a disruption and given centres; the limit on moves and the soft targets are not asked for.
    time_limit_s : float
    until : float or None
        Ends the search once so little is moved, or is proved impossible; None: goes on to the fewest.
    gap, rounds, seed, start, on_progress, should_stop
        As for :func:`design`.

    Returns
    -------
    Districts
        Objective and bounds are in units of disruption; the prices prove the bound with a disruption price of 1.
    """
    listen, settled = until_settled(until, on_progress, should_stop)
    return design(
        counting_moves(problem),
        time_limit_s=time_limit_s,
        gap=gap,
        rounds=rounds,
        seed=seed,
        start=start,
        on_progress=listen,
        should_stop=settled,
    )


def is_tiny(problem: DistrictingProblem) -> bool:
    """Return whether a problem is solved whole at once."""
    n, m = problem.n_units, problem.costs.n_candidates
    return n <= TINY_UNITS and n * m <= TINY_PAIRS


class _Design(UnderWay):
    """One design: its rungs."""

    @property
    def small(self) -> bool:
        """Whether integer programming can take the whole problem."""
        n, m = self.problem.n_units, self.problem.costs.n_candidates
        return n <= SMALL_UNITS and n * m <= SMALL_PAIRS

    @property
    def large(self) -> bool:
        """Whether there are too many pairs to have them all at hand."""
        return self.problem.n_units * self.problem.costs.n_candidates > LARGE_PAIRS

    def run(self, start: NDArray[np.int32] | None) -> Districts:
        self.say("measuring travel")
        for assignment in (start, today(self.problem)):
            if assignment is not None:
                self.starts.append(assignment)
                if np.all(assignment >= 0):
                    self.offer(self._centres_of(assignment), assignment)
            # Whoever begins with an answer wants that one improved; today's is only one of several.
            self.improving |= assignment is start and self.found
        self.contradiction = at_a_glance(self.problem)
        if self.contradiction is None and self.problem.graph is not None:
            self.contradiction = components(self.problem)
        if self.contradiction is None:
            free, large = self.problem.centres is None, self.large
            if free and not large:
                self._bound()
            if free and large:
                # A bound takes as long as an answer here: the answer first, the bound from what time is left.
                self.deadline_s = SEARCH_SHARE * self.time_limit_s
            self._search()
            self.cut_short = self.seconds() >= self.deadline_s
            self.deadline_s = self.time_limit_s
            if large and not self.found and not self.over():
                # Without an answer there is nothing to prove: the time is better spent on looking on.
                self._search()
                self.cut_short = self.time_is_up()
            if free and large and self.found:
                self._bound()
        return self._answer()

    def _take(self, found: Multipliers) -> None:
        """Keep multipliers that prove more than the present ones."""
        if found.whole and not self.whole_loads:
            bound = centre_bound(self.problem, found.values, found.measure)
            found = replace(found, bound=bound, whole=False)
        if found.bound < 0:
            # Cut off before it was worth anything: no worth at all proves 0, since nothing costs less. More than that
            # it proves where lower limits must be filled, but then every unit is looked at for every candidate.
            none = np.zeros(self.problem.n_units)
            proved = 0.0 if self.large else centre_bound(self.problem, none, found.measure, whole=found.whole)
            found = replace(found, values=none, bound=proved)
        if self.multipliers is None or found.bound > self.multipliers.bound:
            self.multipliers = found
            self.raise_bound(found.bound, {"kind": "prices"})

    def _bound(self) -> None:
        """Find multipliers that bound every choice of centres."""
        self.say("bounding")
        stop_at = self.seconds() + min(BOUND_SHARE * self.time_limit_s, MOST_BOUND_S)
        if self.large:
            stop_at = PROVEN_BY * self.time_limit_s
        self._take(
            ascend(
                self.problem,
                upper_value=self.objective if self.found else None,
                should_stop=lambda: self.requested() or self.seconds() >= stop_at,
                whole=self.whole_loads,
            )
        )

    def _search(self) -> None:
        if is_tiny(self.problem):
            if self.problem.centres is not None:
                self._relaxed()
            self._solve_whole()
            if self.found or self.over():
                return
        if self.problem.graph is None:
            self._choose_centres(None)
            if self.small:
                self._solve_whole()
            return
        start = self._begun()
        if start is None:
            return
        self._connect(*start, START_ROUNDS if self.small else None)
        if not self.found and not self.over():
            if self.small or self.problem.limit is not None:
                self._contradict()
            if not self.over():
                self._connect(*start, None)
        if self.small:
            self._solve_whole()

    def _choose_centres(self, most: int | None) -> tuple[NDArray[np.int64], NDArray[np.int32]] | None:
        """Search for centres without connectedness; return the answer, which need not keep the rules."""
        if self.over():
            return None
        if self.problem.graph is None and self.small and most is None:
            most = START_ROUNDS
        answer = search_centres(
            self.problem,
            should_stop=self.time_is_up,
            rounds=self.rounds_left(most),
            rng=self.rng,
            report=self.say,
            target=self.target() if self.problem.graph is None else None,
        )
        self.rounds += answer.rounds
        self.stalled = answer.termination == "stalled"
        if answer.feasible and self.problem.graph is None:
            self.offer(answer.centres, answer.assignment)
        return answer.centres, answer.assignment

    def _centres_of(self, assignment: NDArray[np.int32]) -> NDArray[np.int64]:
        return self.problem.centres if self.recentring is None else self.recentring.begun(assignment)  # type: ignore[return-value]  # given where there is no recentring

    def _begun(self) -> tuple[NDArray[np.int64], NDArray[np.int32]] | None:
        """Return centres and an assignment to connect or improve; None where there is no answer.

        Of the assignments to begin with and the best unconnected one the one that does best in a few rounds; an answer
        that keeps every rule, given by whoever asked, needs no other.
        """
        other = self._unconnected()
        if other is None or self.closed():
            return None
        if self.improving and self.centres is not None and self.assignment is not None:
            return self.centres, self.assignment
        if not self.starts or self.problem.centres is None:
            return other
        tried = [self._connect(self.problem.centres, s, TRIAL_ROUNDS) for s in (*self.starts, other[1])]
        if not self.found and self.problem.limit is not None:
            self._contradict()
        if self.centres is not None and self.assignment is not None:
            return self.centres, self.assignment
        best = min(tried, key=lambda answer: answer.rank)
        return best.centres, best.assignment

    def _unconnected(self) -> tuple[NDArray[np.int64], NDArray[np.int32]] | None:
        """Return the best unconnected answer, which is nearly in one piece; None where there is none."""
        if self.problem.centres is None:
            if self.small and self.multipliers is not None:
                # The centres that the bound used most are start enough for what is solved whole later.
                centres = self.multipliers.centres
                return centres, self.problem.costs.columns(centres).argmin(axis=1).astype(np.int32)
            return self._choose_centres(START_ROUNDS)
        return self._relaxed()

    def _relaxed(self) -> tuple[NDArray[np.int64], NDArray[np.int32]] | None:
        """Return the given centres and the fixed-centre ladder's answer, connection left out, and keep its prices."""
        assert self.problem.centres is not None
        relaxed = assignment_problem(self.problem, self.problem.centres)
        # Without connection the fixed-centre ladder's prices are a bound, and its contradiction a contradiction.
        found = solve_assignment(relaxed, time_limit_s=0.2 * self.time_limit_s, rounds=0, should_stop=self.requested)
        self.given_prices = found.prices
        if found.status == "infeasible":
            nothing = np.empty(0, np.int64)
            measures = tuple(range(self.problem.n_measures))
            proof = {"kind": "prices"} if self.problem.limit is None else dict(found.proof)
            self.contradiction = Infeasibility("limits", nothing, nothing, measures, False, proof)
            return None
        if found.lower_bound is not None:
            self.raise_bound(found.lower_bound, {"kind": "prices"})
        if found.assignment is not None:
            return self.problem.centres, found.assignment
        nearest = np.concatenate([block.argmin(axis=1) for _, _, block in relaxed.blocks()])
        return self.problem.centres, nearest.astype(np.int32)

    def _connect(self, centres: NDArray[np.int64], assignment: NDArray[np.int32], most: int | None) -> ConnectedSearch:
        """Make territories of one piece and improve them."""
        if self.time_is_up() or self.rounds_left() == 0:
            most = 0
        answer = search_connected(
            self.problem,
            centres,
            assignment,
            should_stop=self.time_is_up,
            rounds=self.rounds_left(most),
            rng=self.rng,
            report=self.say,
            resolve=None if self.small else solve_exactly,
            target=self.target(),
        )
        self.rounds += answer.rounds
        self.stalled = True
        if answer.feasible:
            self.offer(answer.centres, answer.assignment)
        return answer

    def _contradict(self) -> None:
        """Look for a proof that no answer exists; or, where moves are limited, for an answer with the fewest."""
        if self.problem.limit is not None:
            self._count_moves(self.problem.limit.limit)
            return
        self.say("looking for a contradiction", rounds=0)
        self.contradiction = prove_infeasible(
            self.problem, should_stop=self.time_is_up, effort=max(10.0, self.time_limit_s)
        )

    def _count_moves(self, most: float) -> None:
        """Look for a design of few enough moves, or a proof that there is none; once."""
        # Whatever the rounds are: they do not count what is done here, and a repeat must do it again.
        if self.fewest is not None or self.time_is_up():
            return
        self.say("finding the fewest moves")
        self.fewest = fewest_moves(
            self.problem,
            time_limit_s=min(FEWEST_SHARE * self.time_limit_s, max(1.0, self.deadline_s - self.seconds())),
            until=most,
            seed=self.seed,
            start=self.starts[0] if self.starts else None,
            should_stop=self.requested,
        )
        self.contradiction = too_few_allowed(self.problem, self.fewest)
        if self.fewest.centres is not None and self.fewest.assignment is not None:
            self.offer(self.fewest.centres, self.fewest.assignment)

    def _solve_whole(self) -> None:
        """Solve the whole problem by integer programming, from the best answer so far."""
        if self.over():
            return
        incumbent = None if self.centres is None or self.assignment is None else (self.centres, self.assignment)
        answer = solve_small(
            self.problem,
            should_stop=self.time_is_up,
            rounds=self.rounds_left(),
            rng=self.rng,
            report=lambda value, bound: self.say("solving the whole", objective=value),
            incumbent=incumbent,
            seconds_left=lambda: max(1.0, self.time_limit_s - self.seconds()),
        )
        self.rounds += answer.rounds
        self.stalled = not answer.optimal
        if answer.centres is not None and answer.assignment is not None:
            self.offer(answer.centres, answer.assignment)
        if answer.infeasible and not self.found:
            # Within the solver's tolerances; only whole numbers make a proof of it.
            self._contradict()
        if answer.multipliers is not None:
            self._take(answer.multipliers)
        if answer.proof.get("kind") == "search":
            self.raise_bound(answer.bound, answer.proof)

    # The answer

    def _termination(self) -> Termination:
        if self.contradiction is not None:
            return "infeasible"
        if self.closed():
            return "gap" if relative_gap(self.objective, self.lower_bound) > OPTIMAL_GAP else "optimal"
        if self.requested():
            return "interrupted"
        if self.rounds_left() == 0:
            return "rounds"
        return "time_limit" if self.cut_short or self.seconds() >= self.time_limit_s else "stalled"

    def _answer(self) -> Districts:
        termination = self._termination()
        nothing = self.given_prices or Prices(np.zeros_like(self.problem.lower), np.zeros_like(self.problem.lower))
        if self.contradiction is not None or self.centres is None or self.assignment is None:
            return Districts(
                status="infeasible" if self.contradiction is not None else "unknown",
                termination=termination,
                assignment=None,
                centres=None,
                objective=None,
                lower_bound=None if np.isinf(self.lower_bound) else self.lower_bound,
                priced_bound=None,
                multipliers=None,
                prices=nothing,
                contradiction=self.contradiction,
                fewest=self.fewest,
                proof={} if self.contradiction is None else self.contradiction.proof,
                rounds=self.rounds,
                seconds=self.seconds(),
            )
        self.say("pricing the limits")
        prices, at_centres = self._prices()
        given = self.problem.centres is not None
        priced = at_centres if given else self._proved_as_written()
        proof = dict(self.proof)
        proof["whole_measures"] = self.whole
        if self.multipliers is not None:
            proof["measure"] = self.multipliers.measure
            proof["whole_units"] = self.multipliers.whole
        lower_bound = min(self.lower_bound, self.objective)
        gap = relative_gap(self.objective, lower_bound)
        return Districts(
            status="optimal" if gap <= OPTIMAL_GAP else "feasible",
            termination=termination,
            assignment=self.assignment,
            centres=self.centres,
            objective=self.objective,
            lower_bound=None if np.isinf(lower_bound) else lower_bound,
            priced_bound=priced,
            multipliers=None if self.multipliers is None else self.multipliers.values,
            prices=prices,
            bound_at_centres=None if given else at_centres,
            fewest=self.fewest,
            proof=proof,
            rounds=self.rounds,
            seconds=self.seconds(),
        )

    def _proved_as_written(self) -> float | None:
        """Return what the multipliers prove for the limits as they were written, not rounded to whole numbers."""
        if self.multipliers is None:
            return None
        return centre_bound(self.asked, self.multipliers.values, self.multipliers.measure)

    def _prices(self) -> tuple[Prices, float]:
        """Return prices at the centres of the answer and what they prove there, for the limits as written.

        Where nothing has to be connected the fixed-centre ladder also has a last look at the assignment.
        """
        assert self.centres is not None
        prices = self.given_prices
        for _ in range(0 if prices is not None else 1 if self.large else SETTLINGS):
            relaxed = assignment_problem(self.problem, self.centres, own_centres=self.problem.graph is None)
            limit = max(5.0, 0.1 * self.time_limit_s, self.time_limit_s - self.seconds())
            found = solve_assignment(relaxed, time_limit_s=limit, gap=self.gap, rounds=0, should_stop=self.requested)
            prices, priced_at = found.prices, self.centres
            # What the clock has cut short is not to decide what the answer is.
            done = found.termination not in ("time_limit", "interrupted")
            if done and found.assignment is not None and self.problem.graph is None:
                self.offer(self.centres, found.assignment)
            if np.array_equal(self.centres, priced_at):
                break
        assert prices is not None
        asked = assignment_problem(self.asked, self.centres, own_centres=False)
        return prices, priced_bound(asked, prices)
