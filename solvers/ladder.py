"""The ladder: prices, whole units, repair, improvement, proof. Each rung hands the next a better start and a bound.

1. **Prices** (``linear``, ``flow`` or ``prices``): the linear relaxation, by simplex where every pair fits, by min-cost
   flow where one measure counts alike units, by dual ascent beyond. Result: a lower bound and reduced costs.
2. **Whole units** (``incumbent``): every unit to its cheapest territory at those prices, then shifts, swaps and relays until
   the limits hold; what they cannot mend is mended exactly (``neighbourhoods`` with a price on violation).
3. **Improvement** (``search``): rounds of exact neighbourhoods, chosen where the proved loss is largest, and the
   *core*: the whole problem less every pair whose reduced cost rules it out of any better assignment (``core``).
4. **Stop** on the gap, the number of rounds, a stall, the time limit or a request; always with the best assignment.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.bounds import Prices, centred, cheapest, priced_bound
from solvers.candidates import Candidates, from_pairs, from_table, gather
from solvers.chunks import one_blas_thread
from solvers.disruption import DisruptedCosts
from solvers.flow import counts_alike_units, least_cost_flow
from solvers.infeasibility import is_certificate, prove_infeasible
from solvers.linear import solve_relaxation
from solvers.prices import NEAR_STAGES, ascend, sample_prices, with_filling
from solvers.problem import AssignmentProblem, with_slack
from solvers.result import Progress, SolveResult, relative_gap
from solvers.search import Search, Stop
from solvers.whole import tightened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.result import ProgressListener, StopRequest

SIMPLEX_PAIRS = 250_000
"""Up to this many allowed pairs the simplex takes the whole relaxation."""

RESCUE_SHARE = 0.3
"""Part of the time in which the fewest moves are looked for where a limited number of moves did not do."""

OPTIMAL_GAP = 1e-6
"""A gap this small is called optimal."""


@one_blas_thread
def solve(
    problem: AssignmentProblem,
    *,
    time_limit_s: float = 60.0,
    gap: float = 1e-4,
    rounds: int | None = None,
    seed: int = 0,
    on_progress: ProgressListener | None = None,
    should_stop: StopRequest | None = None,
    near: SolveResult | None = None,
) -> SolveResult:
    """Solve an assignment problem.

    The answer depends on the problem, the seed and the number of completed rounds only, not on the clock: when the
    time limit ends the search, ``rounds`` set to the result's own number gives the same answer again.

    Parameters
    ----------
    problem : AssignmentProblem
    time_limit_s : float
        Checked between rounds; a round is short.
    gap : float
        Proved relative gap at which to stop; 0 for optimality (to 1e-6).
    rounds : int or None
        Stop after this many rounds of improvement.
    seed : int
    on_progress : callable or None
        Called with a :class:`Progress` now and then, from the calling thread.
    should_stop : callable or None
        Asked between rounds.
    near : SolveResult or None
        Of a problem that differs in its limits only: its prices (where it has a priced bound) and its assignment are a
        start for these. The answer is no worse than that assignment, where it keeps the limits.
    """
    began = time.perf_counter()
    stop = Stop(began, time_limit_s, max(gap, OPTIMAL_GAP), rounds, should_stop or (lambda: False))

    def report(stage: str, **values: float | int | None) -> None:
        if on_progress is not None:
            on_progress(Progress(stage, time.perf_counter() - began, **values))  # type: ignore[arg-type]  # keywords by name

    report("measuring travel")
    tight = tightened(problem)
    certificate = prove_infeasible(tight)
    if certificate is not None:
        return _infeasible(tight, certificate, began)
    report("pricing")
    prices, candidates, start = _price(tight, stop, None if near is None or near.priced_bound is None else near.prices)
    if start is None:
        # No relaxed assignment over all pairs: the elastic relaxation says which limits cannot hold together.
        certificate = prove_infeasible(tight, thorough=True)
        if certificate is not None:
            return _infeasible(tight, certificate, began)
        start = cheapest(tight, prices)[0][:, 0]
    if tight.has_targets:
        prices = centred(tight, prices)
    known = (
        None if near is None or near.assignment is None or not tight.is_feasible(near.assignment) else near.assignment
    )
    if known is not None:
        candidates = from_pairs(tight, candidates, known)
    search = Search(tight, candidates, prices, start, np.random.default_rng(seed), report)
    if known is not None:
        search.place(stop)
        search.start_from(known, stop)
    elif tight.limit is not None:
        search.place(stop)
        if not search.feasible and not stop.at_once():
            report("finding the fewest moves")
            fewest = fewest_moves(
                tight,
                time_limit_s=RESCUE_SHARE * time_limit_s,
                seed=seed,
                until=tight.limit.limit,
                should_stop=should_stop,
            )
            if fewest.status == "infeasible":
                return replace(fewest, seconds=time.perf_counter() - began)
            if fewest.lower_bound is not None and fewest.lower_bound > tight.limit.limit:
                refused = _too_few_moves(tight, fewest, began)
                if refused is not None:
                    return refused
            if fewest.assignment is not None and tight.is_feasible(fewest.assignment):
                candidates = from_pairs(tight, candidates, fewest.assignment)
                search = Search(tight, candidates, prices, fewest.assignment, np.random.default_rng(seed), report)
    termination = search.run(stop)
    seconds = time.perf_counter() - began
    proof = dict(search.proof)
    across: NDArray[np.bool_] = np.any(tight.whole_below()[1] > 0, axis=1)
    whole_measures = [
        k
        for k in range(problem.n_measures)
        if across[k]
        or not np.array_equal(tight.lower[k], problem.lower[k])
        or not np.array_equal(tight.upper[k], problem.upper[k])
    ]
    proof["whole_measures"] = whole_measures
    if search.proved_infeasible:
        return SolveResult(
            "infeasible", "infeasible", None, None, None, None, *_no_prices(problem), proof, search.rounds, seconds
        )
    if not search.feasible and termination != "interrupted":
        # What the quick look at the start may have missed.
        certificate = prove_infeasible(tight, thorough=True)
        if certificate is not None:
            return _infeasible(tight, certificate, began)
    if not search.feasible:
        return SolveResult(
            "unknown",
            termination,
            None,
            None,
            search.lower_bound,
            None,
            prices.upper,
            prices.lower,
            proof,
            search.rounds,
            seconds,
            target_prices=prices.target,
            moved_price=prices.moved,
        )
    assignment = search.assignment
    objective = problem.objective_of(assignment)
    lower_bound = min(search.lower_bound, objective)
    status = "optimal" if relative_gap(objective, lower_bound) <= OPTIMAL_GAP else "feasible"
    if status == "optimal" and termination == "gap":
        termination = "optimal"
    return SolveResult(
        status,  # type: ignore[arg-type]  # one of the two literals
        termination,
        assignment,
        objective,
        lower_bound,
        priced_bound(problem, prices),
        prices.upper,
        prices.lower,
        proof,
        search.rounds,
        seconds,
        target_prices=prices.target,
        moved_price=prices.moved,
    )


def fewest_moves(
    problem: AssignmentProblem,
    *,
    time_limit_s: float,
    until: float | None = None,
    gap: float = OPTIMAL_GAP,
    rounds: int | None = None,
    seed: int = 0,
    on_progress: ProgressListener | None = None,
    should_stop: StopRequest | None = None,
) -> SolveResult:
    """Find the assignment within the load limits that moves least, whatever it costs.

    Parameters
    ----------
    problem : AssignmentProblem
        With a disruption; its limit and the soft targets are not asked for.
    time_limit_s : float
    until : float or None
        Ends the search once so little is moved, or is proved impossible; None: goes on to the fewest.
    gap, rounds, seed, on_progress, should_stop
        As for :func:`solve`.

    Returns
    -------
    SolveResult
        Objective and bounds are in units of disruption; the prices prove the bound with a disruption price of 1.
    """
    assert problem.disruption is not None
    listen, settled = until_settled(until, on_progress, should_stop)
    costs = DisruptedCosts(problem.costs, problem.disruption, 1.0, alone=True)
    moves = AssignmentProblem(costs, problem.loads, problem.lower, problem.upper, problem.pair_loads)
    return solve(
        moves,
        time_limit_s=time_limit_s,
        gap=gap,
        rounds=rounds,
        seed=seed,
        on_progress=listen,
        should_stop=settled,
    )


def until_settled(
    until: float | None, on_progress: ProgressListener | None, should_stop: StopRequest | None
) -> tuple[ProgressListener, StopRequest]:
    """Return a listener and a stop request that end a search once its objective is that low, or is proved not to be.

    Both also do what the given ones do.
    """
    settled = False

    def listen(progress: Progress) -> None:
        nonlocal settled
        if until is not None:
            enough = progress.objective is not None and progress.objective <= with_slack(until)
            hopeless = progress.lower_bound is not None and progress.lower_bound > with_slack(until)
            settled = settled or enough or hopeless
        if on_progress is not None:
            on_progress(progress)

    return listen, lambda: settled or (should_stop is not None and should_stop())


def _too_few_moves(problem: AssignmentProblem, fewest: SolveResult, began: float) -> SolveResult | None:
    """Return the result that more must change hands than may; None where rounding alone may say so."""
    assert problem.limit is not None
    if fewest.lower_bound is None or fewest.lower_bound <= with_slack(problem.limit.limit):
        return None
    proved = Prices(fewest.upper_prices, fewest.lower_prices, moved=1.0)
    if is_certificate(problem, proved):
        return _infeasible(problem, proved, began)
    seconds = time.perf_counter() - began
    return SolveResult(
        "infeasible",
        "infeasible",
        None,
        None,
        None,
        None,
        *_no_prices(problem),
        dict(fewest.proof),
        fewest.rounds,
        seconds,
    )


def _no_prices(problem: AssignmentProblem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    zero = Prices.zero(problem)
    return zero.upper, zero.lower


def _infeasible(problem: AssignmentProblem, certificate: Prices, began: float) -> SolveResult:
    """Return the result that a certificate proves."""
    value = priced_bound(problem, certificate, costless=True)
    return SolveResult(
        "infeasible",
        "infeasible",
        None,
        None,
        None,
        None,
        certificate.upper,
        certificate.lower,
        seconds=time.perf_counter() - began,
        certificate=value,
        moved_price=certificate.moved,
    )


def _price(
    problem: AssignmentProblem, stop: Stop, near: Prices | None
) -> tuple[Prices, Candidates, NDArray[np.int32] | None]:
    """Return prices, candidates, and a start (whole but perhaps outside the limits); None if the relaxation fails.

    ``near`` are prices of a problem that differs in its limits only.
    """
    n, m = problem.n_units, problem.n_territories
    if n * m <= SIMPLEX_PAIRS:
        table = np.broadcast_to(np.arange(m, dtype=np.int32), (n, m))
        candidates = from_table(problem, table)
        relaxation = solve_relaxation(problem, candidates)
        if not relaxation.solved:
            return Prices.zero(problem), candidates, None
        largest = np.maximum.reduceat(relaxation.share, candidates.start[:-1])
        first = np.flatnonzero(relaxation.share == largest[candidates.unit()])
        start = np.empty(n, np.int32)
        start[candidates.unit()[first[::-1]]] = candidates.territory[first[::-1]]
        return relaxation.prices, candidates, start
    if counts_alike_units(problem):
        found = _flow_over_all(problem, sample_prices(problem), stop.gap)
        if found is not None:
            return found
    if near is not None:
        return ascend(problem, near, stop.gap, stop.at_once, stages=NEAR_STAGES)
    if problem.limit is not None:
        # A sample of today's alignment is out of balance by chance, and would have to move more than may.
        return ascend(problem, sample_prices(problem.within(np.inf)), stop.gap, stop.at_once)
    return ascend(problem, sample_prices(problem), stop.gap, stop.at_once)


FLOW_PAIRS = 16
FLOW_TRIES = 5


def _fair_size(problem: AssignmentProblem) -> int:
    """Return half as many units again as a territory would have if all had the same."""
    return 3 * problem.n_units // (2 * problem.n_territories) + 1


def flow_candidates(problem: AssignmentProblem, prices: Prices) -> Candidates:
    """Return the pairs that the flow looks at first: each unit's cheapest, and what each territory could grow with."""
    return with_filling(problem, prices, cheapest(problem, prices, FLOW_PAIRS)[0], _fair_size(problem))


def _flow_over_all(
    problem: AssignmentProblem, prices: Prices, gap: float
) -> tuple[Prices, Candidates, NDArray[np.int32]] | None:
    """Return the optimal flow over every allowed pair: over candidates first, adding those that pricing shows missing."""
    fill = _fair_size(problem)
    candidates = flow_candidates(problem, prices)
    for _ in range(FLOW_TRIES):
        found = least_cost_flow(problem, candidates)
        if found is None:
            # Too few candidates to fill every territory.
            fill *= 2
            candidates = with_filling(problem, prices, cheapest(problem, prices, FLOW_PAIRS)[0], fill)
            continue
        assignment, prices = found
        if relative_gap(problem.objective_of(assignment), priced_bound(problem, prices)) <= gap:
            return prices, candidates, assignment
        better, _ = cheapest(problem, prices, 4)
        units, extra = candidates.unit(), np.repeat(np.arange(problem.n_units), better.shape[1])
        candidates = gather(
            problem,
            np.concatenate([units, extra[better.ravel() >= 0]]),
            np.concatenate([candidates.territory, better.ravel()[better.ravel() >= 0]]),
        )
    return None
