"""What one multiplier per unit proves: a lower bound over the choice of centres as well as the assignment.

Let serving unit i be worth μ_i, and drop the rule that every unit is served once. Then every candidate j decides alone:

    ρ_j = min { Σ_i (c_ij − μ_i) x_i :  0 ≤ x ≤ 1,  x_own(j) = 1,  l ≤ Σ_i a_i x_i ≤ u }
    LB  = Σ_i μ_i  +  the p smallest ρ_j

is at most the cost of every design, for *any* μ, positive or not: a design opens p distinct candidates, each serves its
own unit and a load within the limits, and together they serve every unit once, so that Σ_i μ_i cancels. The limits are
those of one measure, the loosest of any territory. ``whole`` asks for x ∈ {0, 1}, which proves more where a territory
holds few units: on SJC1 the best bound rises from 97.0 to 99.8 % of the optimum. Other measures, the graph, eligibility
and soft targets are left out: that is valid, only weaker.

Source: Geoffrion 1974; for the capacitated p-median Lorena & Senne 2004, "A column generation approach to capacitated
p-median problems"; for districting Validi, Buchanan & Lykhovyd 2022, "Imposing contiguity constraints in political
districting models".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.chunks import over_chunks
from solvers.districting.bound.knapsacks import best_load, scratch
from solvers.districting.bound.pricing import CentreValues, Lists
from solvers.districting.bound.reach import Blocks, Reach, Wanted, blocks_in_reach, units_in_reach
from solvers.districting.problem import PlaceCosts
from solvers.problem import BLOCK_PAIRS, LIMIT_SLACK
from solvers.whole import tighten_to_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

EFFORT = 200_000
"""Steps that one knapsack of whole units may take before it is left with a lower bound: a few milliseconds."""

_WIDER = 4.0
"""Where the units in reach do not fill the lower limit, the price that they may cost grows by this factor."""

_WIDEST = 64.0
"""Beyond this multiple of what the dearest load is worth every unit is looked at: thousands of times the work."""


def loads_and_limits(
    problem: DistrictingProblem, measure: int | None, *, whole: bool = False
) -> tuple[NDArray[np.float64], float, float]:
    """Return a measure's load of every unit and its loosest limits, widened by the summation slack.

    ``whole`` first rounds the limits to what whole loads can reach (``solvers.whole``). With None for a measure the loads
    are 0 and there is no limit.
    """
    if measure is None:
        return np.zeros(problem.n_units), -np.inf, np.inf
    load, lower, upper = problem.loads[measure], problem.lower[measure], problem.upper[measure]
    if whole:
        lower, upper = tighten_to_whole(load, lower, upper)
    least, most = float(lower.min()), float(upper.max())
    if np.isfinite(least):
        least -= LIMIT_SLACK * max(1.0, abs(least))
    if np.isfinite(most):
        most += LIMIT_SLACK * max(1.0, abs(most))
    return load.astype(float), least, most


def centre_bound(
    problem: DistrictingProblem, multipliers: NDArray[np.float64], measure: int | None, *, whole: bool = False
) -> float:
    """Return the lower bound that some multipliers prove; +inf where fewer candidates than territories can be centres.

    Parameters
    ----------
    problem : DistrictingProblem
    multipliers : ndarray of float64, shape (n_units,)
        What serving each unit is worth, in objective units; any sign.
    measure : int or None
        Whose limits to keep; None for no limits.
    whole : bool
        Do not divide units (x ∈ {0, 1}), and first round the limits to whole numbers where the measure's loads are all
        whole: the same multipliers prove more.
    """
    count = problem.n_territories
    return bound_of(multipliers, centre_values(problem, multipliers, measure, whole=whole, cheapest=count).value, count)


def bound_of(multipliers: NDArray[np.float64], value: NDArray[np.float64], n_territories: int) -> float:
    """Return Σ_i μ_i and the ``n_territories`` smallest values."""
    if n_territories > len(value):
        return np.inf
    return float(multipliers.sum() + np.sort(np.partition(value, n_territories - 1)[:n_territories]).sum())


def centre_values(
    problem: DistrictingProblem,
    multipliers: NDArray[np.float64],
    measure: int | None,
    *,
    whole: bool = False,
    cheapest: int | None = None,
) -> CentreValues:
    """Return ρ and the price of load of every candidate; parameters as for :func:`centre_bound`.

    With ``cheapest`` only so many smallest ρ matter, and others may come back as something not above them.
    """
    load, lower, upper = loads_and_limits(problem, measure, whole=whole)
    worth = np.ascontiguousarray(multipliers, dtype=np.float64)
    effort = EFFORT if whole else 0
    costs = problem.costs
    if isinstance(costs, PlaceCosts) and costs.n_units * costs.n_candidates > BLOCK_PAIRS:
        return near_values(Reach(costs), problem.candidate_unit, worth, load, lower, upper, effort, cheapest)
    out = CentreValues.unknown(costs.n_candidates)
    step = max(1, BLOCK_PAIRS // max(1, costs.n_units))
    for first in range(0, costs.n_candidates, step):
        some = np.arange(first, min(costs.n_candidates, first + step))
        listed = Lists.of_table(costs.columns(some).T, problem.candidate_unit[some], load, lower, upper)
        found = listed.values(worth, effort)
        out.value[some], out.price[some], out.exact[some] = found.value, found.price, found.exact
    return out


def divides(problem: DistrictingProblem, measure: int | None) -> bool:
    """Return whether units are divided even where whole ones are asked for: with a lower limit, on many pairs."""
    costs = problem.costs
    large = isinstance(costs, PlaceCosts) and costs.n_units * costs.n_candidates > BLOCK_PAIRS
    return large and loads_and_limits(problem, measure, whole=True)[1] > 0.0


def near_values(
    reach: Reach,
    own: NDArray[np.int32],
    worth: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
    effort: int,
    cheapest: int | None = None,
) -> CentreValues:
    """Return ρ and prices of every candidate, looking at the units in reach only.

    Under an upper limit those are the units that cost less than they are worth. A lower limit can need more: units whose
    excess is at most θ for each unit of load, with θ raised until the units in reach fill it at a price below θ. Whole
    units could need others still, so with a lower limit units stay divisible here: among so many it matters little.

    Most candidates are nowhere near the ``cheapest``, and that shows without the lower limit, which only makes them dearer:
    they keep that value, not exact and no less than the largest of the cheapest.
    """
    out = CentreValues.unknown(len(own))
    if lower <= 0.0:
        _near_pass(reach.candidates, reach.wanted(worth), own, worth, load, lower, upper, 0.0, effort, out)
        return out
    if cheapest is None or cheapest >= len(own):
        _fill(reach, own, worth, load, lower, upper, out)
        return out
    _near_pass(reach.candidates, reach.wanted(worth), own, worth, load, -np.inf, upper, 0.0, 0, out)
    out.exact[:] = False
    order = np.argsort(out.value, kind="stable")
    done, end = 0, np.inf
    while done < len(order) and out.value[order[done]] < end:
        some = order[done : max(2 * done, cheapest)]
        some = some[out.value[some] < end]
        out.value[some] = np.nan
        _fill(reach, own, worth, load, lower, upper, out, end)
        done += len(some)
        if done < cheapest:
            break  # the rest cannot be centres
        end = float(np.partition(out.value[order[:done]], cheapest - 1)[cheapest - 1])
    return out


def _fill(
    reach: Reach,
    own: NDArray[np.int32],
    worth: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
    out: CentreValues,
    end: float = np.inf,
) -> None:
    """Price the candidates whose value is NaN, under a lower limit; one that is seen to be above ``end`` only that far."""
    loaded = load > 0
    theta, highest = _ladder(np.abs(worth[loaded]) / load[loaded])
    while True:
        most = worth.copy()
        most[loaded] += theta * load[loaded]
        _near_pass(reach.candidates, reach.wanted(most), own, worth, load, lower, upper, theta, 0, out, end)
        if not np.isnan(out.value).any():
            return
        theta = theta * _WIDER if theta * _WIDER < highest else np.inf


def _ladder(worth_of_load: NDArray[np.float64]) -> tuple[float, float]:
    """Return the first price of load to look up to, and one beyond which everything may as well be looked at."""
    middle = float(np.median(worth_of_load)) if len(worth_of_load) else 0.0
    return (middle / 16, _WIDEST * float(worth_of_load.max())) if middle > 0 else (np.inf, np.inf)


def _near_pass(
    groups: Blocks,
    wanted: Wanted,
    own: NDArray[np.int32],
    worth: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
    theta: float,
    effort: int,
    out: CentreValues,
    end: float = np.inf,
) -> None:
    """Price the candidates whose value is NaN; it stays NaN where θ was too small to tell."""
    over_chunks(
        lambda _, a, b: _near_rows(
            groups, wanted, own, worth, load, lower, upper, theta, effort, end, out.value, out.price, out.exact, a, b
        ),
        len(groups.radius),
    )


@njit(cache=True, nogil=True)
def _near_rows(
    groups: Blocks,
    wanted: Wanted,
    own: NDArray[np.int32],
    worth: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
    theta: float,
    effort: int,
    end: float,
    value: NDArray[np.float64],
    price: NDArray[np.float64],
    exact: NDArray[np.bool_],
    first: int,
    last: int,
) -> None:
    n = len(worth)
    room = scratch(n, effort > 0)
    unit, cost, seen = np.empty(n, np.int32), np.empty(n), np.full(n, -1, np.int64)
    for g in range(first, last):
        blocks = np.empty(0, np.int64)
        listed = False
        for s in range(groups.start[g], groups.start[g + 1]):
            j = groups.order[s]
            if not np.isnan(value[j]):
                continue
            if not listed:
                blocks = blocks_in_reach(wanted, groups, g)
                listed = True
            count = units_in_reach(wanted, blocks, j, own[j], seen, unit, cost)
            found, margin, sure = best_load(unit, cost, count, worth, load, own[j], lower, upper, effort, room)
            # At a margin above θ a unit out of reach might have been cheaper.
            if margin <= theta or theta == np.inf:
                value[j], price[j], exact[j] = found, margin, sure
            elif end < np.inf:
                least = _at_price(unit, cost, count, worth, load, own[j], lower, theta)
                if least >= end:
                    value[j], price[j], exact[j] = least, theta, False


@njit(cache=True, nogil=True)
def _at_price(
    unit: NDArray[np.int32],
    cost: NDArray[np.float64],
    count: int,
    worth: NDArray[np.float64],
    load: NDArray[np.float64],
    own: int,
    lower: float,
    theta: float,
) -> float:
    """Return what the best load under a lower limit costs at least, by paying θ for each unit of load beyond it."""
    total = theta * lower
    for k in range(count):
        i = unit[k]
        gain = cost[k] - worth[i] - theta * load[i]
        if i == own or gain < 0.0:
            total += gain
    return total
