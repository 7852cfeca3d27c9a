"""Prices by dual ascent: the rung that scales.

At fixed prices every unit decides alone, so a pass over the candidates is linear and parallel. The dual is concave
but has kinks; its inner minimum is smoothed (a softmin whose temperature falls), which makes it differentiable, and
L-BFGS-B climbs it under λ ≥ 0.

Source: Nesterov 2005, "Smooth minimization of non-smooth functions"; Byrd, Lu, Nocedal & Zhu 1995 for L-BFGS-B.
It stops close to the optimum of the linear relaxation; what is lost is seen at once, because the bound is always
recomputed exactly (``solvers.bounds``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from scipy.optimize import minimize

from solvers.bounds import Prices, cheapest, priced_bound
from solvers.candidates import Candidates, filling_pairs, from_rows, gather, moved_of
from solvers.chunks import CHUNKS, over_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.problem import AssignmentProblem


@dataclass(frozen=True, eq=False)
class Dual:
    """Where the ascent stands.

    Attributes
    ----------
    net : ndarray of float64, shape (n_measures, n_territories)
        λ⁺ − λ⁻ + π.
    moved : float
        β, the price of disruption; 0 where that is not limited.
    """

    net: NDArray[np.float64]
    moved: float = 0.0


@njit(cache=True, nogil=True)
def _soft_rows(
    start: NDArray[np.int64],
    territory: NDArray[np.int32],
    cost: NDArray[np.float64],
    load: NDArray[np.float64],
    net: NDArray[np.float64],
    temperature: NDArray[np.float64],
    weight: NDArray[np.float64],
    sums: NDArray[np.float64],
    bends: NDArray[np.float64],
    first: int,
    last: int,
) -> float:
    """Add one chunk's soft loads to ``sums`` and curvature to ``bends``; return its Σ weight × softmin."""
    n_measures, m = net.shape
    buffer = np.empty(m)
    total = 0.0
    for i in range(first, last):
        a, b = start[i], start[i + 1]
        low = np.inf
        for e in range(a, b):
            buffer[e - a] = cost[e]
        for k in range(n_measures):
            for e in range(a, b):
                buffer[e - a] += net[k, territory[e]] * load[k, e]
        for e in range(a, b):
            low = min(low, buffer[e - a])
        tau = temperature[i]
        mass = 0.0
        for e in range(a, b):
            exponent = (low - buffer[e - a]) / tau
            # exp(−25) of a unit's load is far below what a stage can tell apart.
            share = math.exp(exponent) if exponent > -25.0 else 0.0
            buffer[e - a] = share
            mass += share
        total += weight[i] * (low - tau * math.log(mass))
        scale = weight[i] / mass
        for e in range(a, b):
            share = buffer[e - a] * scale
            if share > 0.0:
                bend = share * (1.0 - share / weight[i]) / tau
                for k in range(n_measures):
                    sums[k, territory[e]] += share * load[k, e]
                    bends[k, territory[e]] += bend * load[k, e] ** 2
    return total


def _soft_pass(
    candidates: Candidates, net: NDArray[np.float64], temperature: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return Σ weight × softmin of the reduced costs, the soft assignment's loads, and the diagonal of −Hessian.

    Loads and curvature have shape (n_measures, n_territories).
    """
    values = np.zeros(CHUNKS)
    sums, bends = np.zeros((CHUNKS, *net.shape)), np.zeros((CHUNKS, *net.shape))
    c = candidates

    def work(chunk: int, first: int, last: int) -> None:
        values[chunk] = _soft_rows(
            c.start, c.territory, c.cost, c.load, net, temperature, weight, sums[chunk], bends[chunk], first, last
        )

    over_chunks(work, c.n_units)
    return float(values.sum()), sums.sum(axis=0), bends.sum(axis=0)


def _ascend(
    problem: AssignmentProblem,
    candidates: Candidates,
    start_at: Dual,
    temperature: float,
    weight: NDArray[np.float64],
    passes: int,
    *,
    complete: bool = False,
) -> Dual:
    """Climb the smoothed dual from where it is in about ``passes`` passes; ``complete``: every pair is a candidate.

    The variables are the net prices p = λ⁺ − λ⁻ + π. What the limits are worth, max(p·u, p·l) for p of either sign,
    is smoothed like the units' minimum; a limit that does not exist bounds p on its side instead.

    With a soft target that worth is max over l ≤ L ≤ u of p·L − w |L − T|: from −w to w its slope is T (nearest to it
    between the limits), beyond that l and u. So the kink at 0 moves to ±w, and so does the bound on p where a limit
    does not exist. Between two whole loads the slope steps from ⌊T⌋ to ⌊T⌋ + 1, at w (1 − 2f).

    A limit B on disruption is one more load with one price β ≥ 0 for all territories, worth β B.
    """
    net, limit = start_at.net, problem.limit
    shape = net.shape
    if net.size == 0 and limit is None:
        return start_at
    if limit is not None:
        # The last row of loads is what changes hands; its price is the same everywhere.
        load = np.vstack([candidates.load, candidates.moved[None, :]])
        candidates = replace(candidates, load=load)
    temperatures = np.full(candidates.n_units, temperature)
    # A price temperature: what moves a unit of typical load as much as the units' own temperature does.
    size = np.ones((shape[0], 1))
    if candidates.n_pairs:
        size = np.sqrt((candidates.load[: shape[0]] ** 2).mean(axis=1, keepdims=True))
    warmth = np.broadcast_to(temperature / np.where(size > 0, size, 1.0), shape)
    base, kinks = _worth(problem)
    cap = np.broadcast_to(problem.target_weight[:, None], shape)

    def bend(p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of a kink's width that counts at price p beyond it."""
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(p / warmth, -500.0, 500.0))))

    def priced(p: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
        """Return the prices of every row of loads."""
        return p if limit is None else np.vstack([p, np.full((1, problem.n_territories), beta)])

    # The curvature differs by orders of magnitude between measures and territories: with variables scaled by its root
    # the quasi-Newton step starts from a fair guess of the Hessian.
    _, _, bends = _soft_pass(candidates, priced(net, start_at.moved), temperatures, weight)
    curvature = bends[: shape[0]].copy()
    for side, at, width in kinks:
        past = bend(side * (net - at))
        curvature += width * past * (1.0 - past) / warmth
    floor = curvature.mean(axis=1, keepdims=True) * 1e-2
    # Far from every tie, as prices at the ends of a dear target may be, there is next to no curvature to go by.
    floor = np.maximum(floor, 1e-9 * size**2 * candidates.n_units / (temperature * problem.n_territories))
    scale = np.sqrt(np.maximum(curvature, np.where(floor > 0, floor, 1.0)))
    mean_cost = float(np.abs(candidates.cost).mean()) if candidates.n_pairs else 1.0
    magnitude = mean_cost * candidates.n_units if mean_cost > 0 else 1.0

    beta_scale = 1.0
    if limit is not None:
        bend_moved = float(bends[-1].sum())
        typical = float((candidates.load[-1] ** 2).mean()) if candidates.n_pairs else 1.0
        beta_scale = math.sqrt(max(bend_moved, 1e-3 * typical * candidates.n_units / temperature, 1e-300))

    def negative_dual(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        p = x[: net.size].reshape(shape) / scale
        beta = float(x[-1]) / beta_scale if limit is not None else 0.0
        value, sums, _ = _soft_pass(candidates, priced(p, beta), temperatures, weight)
        loads = sums[: shape[0]]
        worth, gradient = p * base, loads - base
        for side, at, width in kinks:
            past = side * (p - at)
            worth = worth + width * warmth * np.logaddexp(0.0, past / warmth)
            gradient = gradient - side * width * bend(past)
        value -= float(worth.sum())
        slope = (gradient / scale).ravel()
        if limit is not None:
            value -= beta * limit.limit
            slope = np.append(slope, (float(sums[-1].sum()) - limit.limit) / beta_scale)
        return -value / magnitude, -slope / magnitude

    start = (net * scale).ravel()
    # Over a few candidates the dual may be unbounded though the problem is not (no candidate can fill a territory):
    # a price may only double, or grow by a typical cost per typical load, before the candidates are chosen again.
    load = np.ones((shape[0], 1))
    if candidates.n_pairs:
        load = np.abs(candidates.load[: shape[0]]).mean(axis=1, keepdims=True)
    stride = mean_cost / np.where(load > 0, load, 1.0)
    # Over every pair only an infeasible problem runs away, and it need not run far to show it.
    reach = (np.abs(net) + stride * (1e4 if complete else 1.0)) * scale
    least = np.where(
        np.isfinite(problem.lower),
        start.reshape(shape) - reach,
        np.maximum(start.reshape(shape) - reach, 0.0 - cap * scale),
    )
    most = np.where(
        np.isfinite(problem.upper), start.reshape(shape) + reach, np.minimum(start.reshape(shape) + reach, cap * scale)
    )
    most = np.maximum(most, least)
    bounds = np.column_stack([least.ravel(), most.ravel()])
    if limit is not None:
        amount = float(candidates.load[-1].mean()) if candidates.n_pairs else 1.0
        furthest = start_at.moved + mean_cost / (amount if amount > 0 else 1.0) * (1e4 if complete else 10.0)
        bounds = np.vstack([bounds, [0.0, furthest * beta_scale]])
        start = np.append(start, start_at.moved * beta_scale)
    found = minimize(  # type: ignore[call-overload]  # the stubs know jac=True only for functions of more arguments
        negative_dual,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": passes, "maxfun": passes + 5, "maxcor": 50, "ftol": 1e-15, "gtol": 1e-18},
    )
    x = np.asarray(found.x)
    moved = float(x[-1]) / beta_scale if limit is not None else 0.0
    return Dual(np.asarray(x[: net.size].reshape(shape) / scale), moved)


Kink = tuple[float, "NDArray[np.float64]", "NDArray[np.float64]"]


def _worth(problem: AssignmentProblem) -> tuple[NDArray[np.float64], list[Kink]]:
    """Return what a net price is worth, max over l ≤ L ≤ u of p·L − w |L − T|, as a slope and its changes.

    Returns
    -------
    base : ndarray of float64, shape (n_measures, n_territories)
        Its slope at prices of no effect: T where there is a soft target.
    kinks : list of (side, at, width)
        Where the slope changes: beyond price ``at``, upwards (side 1) or downwards (side −1), by ``width`` ≥ 0.
    """
    both = np.isfinite(problem.upper) & np.isfinite(problem.lower)
    upper = np.where(np.isfinite(problem.upper), problem.upper, 0.0)
    lower = np.where(np.isfinite(problem.lower), problem.lower, 0.0)
    span = np.where(both, upper - lower, 0.0)
    # With one limit only, p keeps its sign and the limit's worth is linear in it.
    base = np.where(both | ~np.isfinite(problem.upper), lower, upper)
    nowhere = np.zeros(base.shape)
    if not problem.has_targets:
        return base, [(1.0, nowhere, span)]
    cap = np.broadcast_to(problem.target_weight[:, None], base.shape)
    soft = cap > 0
    below, fraction = problem.whole_below()
    # Outside the limits the target pulls towards the nearer one, and no load is across it.
    inside = (below >= problem.lower) & (below + (fraction > 0) <= problem.upper)
    step = np.where(soft & inside & (fraction > 0), 1.0, 0.0)
    nearest = np.clip(below, problem.lower, problem.upper)
    up = np.where(np.isfinite(problem.upper), upper - nearest - step, 0.0)
    down = np.where(soft & np.isfinite(problem.lower), nearest - lower, 0.0)
    return np.where(soft, nearest, base), [
        (1.0, cap, np.where(soft, up, span)),
        (1.0, cap * (1 - 2 * fraction), step),
        (-1.0, -cap, down),
    ]


@njit(cache=True)
def _diffuse_rows(
    start: NDArray[np.int64],
    territory: NDArray[np.int32],
    cost: NDArray[np.float64],
    load: NDArray[np.float64],
    net: NDArray[np.float64],
    tau: float,
    importance: NDArray[np.float64],
    order: NDArray[np.int64],
    out: NDArray[np.int32],
) -> None:
    n_measures, m = net.shape
    owed = np.zeros((n_measures, m))
    share = np.empty(m)
    for i in order:
        a, b = start[i], start[i + 1]
        low = np.inf
        for e in range(a, b):
            value = cost[e]
            for k in range(n_measures):
                value += net[k, territory[e]] * load[k, e]
            share[e - a] = value
            low = min(low, value)
        mass = 0.0
        for e in range(a, b):
            share[e - a] = math.exp(max(-50.0, (low - share[e - a]) / tau))
            mass += share[e - a]
        best, best_score = a, -np.inf
        for e in range(a, b):
            part = share[e - a] / mass
            score = -np.inf if part < 0.02 else 0.0
            for k in range(n_measures):
                owed[k, territory[e]] += part * load[k, e]
                if part >= 0.02:
                    score += importance[k] * owed[k, territory[e]]
            if score > best_score:
                best, best_score = e, score
        out[i] = territory[best]
        for k in range(n_measures):
            owed[k, territory[best]] -= load[k, best]


def diffuse(problem: AssignmentProblem, candidates: Candidates, dual: Dual, temperature: float) -> NDArray[np.int32]:
    """Round the soft assignment so that every territory's load stays near its soft load: error diffusion.

    At optimal prices many units are tied, and sending them all to their cheapest territory fills some and starves
    others. Here each unit goes, among the territories that hold a share of it, where most load is owed so far; heavy
    units go first, so that light ones settle the difference.
    """
    out = np.empty(problem.n_units, np.int32)
    size = candidates.load.mean(axis=1)
    size = np.where(size > 0, size, 1.0)
    first = candidates.load[:, candidates.start[:-1]] / size[:, None]
    order = np.argsort(-first.max(axis=0), kind="stable") if problem.n_measures else np.arange(problem.n_units)
    c = candidates
    cost = c.cost + dual.moved * c.moved if len(c.moved) else c.cost
    _diffuse_rows(c.start, c.territory, cost, c.load, dual.net, temperature, 1.0 / size, order, out)
    return out


def prices_of(problem: AssignmentProblem, dual: Dual) -> Prices:
    """Return the valid prices λ⁺, λ⁻, π and β of where the ascent stands."""
    return Prices.of_net(problem, dual.net, dual.moved)


SAMPLE_UNITS = 4_000
"""First prices come from this many units against every territory: enough to see where there is too little room."""

KEPT_PAIRS = 16
"""Candidates kept per unit above the size that the simplex takes whole."""

STAGES = ((0.3, 40, 16), (0.3, 40, 16), (0.1, 40, 16), (0.1, 60, 16), (0.03, 60, 16), (0.03, 60, 16), (0.01, 100, 16))
"""Temperature (fraction of a typical cost), passes and candidates of each stage; candidates are chosen anew in each."""


NEAR_STAGES = STAGES[3:]
"""Where the ascent begins at prices of a problem much like this one."""


def sample_prices(problem: AssignmentProblem) -> Prices:
    """Return first prices from a sample of the units, spread over territories and distances.

    Every territory is a candidate of every sampled unit, so nothing is assumed about which are near enough.
    """
    n = problem.n_units
    nearest, reduced = cheapest(problem, Prices.zero(problem), 1)
    size = min(n, SAMPLE_UNITS)
    order = np.lexsort((reduced[:, 0], nearest[:, 0]))
    units = np.sort(order[((np.arange(size) + 0.5) * n / size).astype(np.int64)])
    part = candidates_of(problem, units)
    for k in range(problem.n_measures):
        # The sample must carry the whole load, or its limits would bind too early or too late.
        mean = part.load[k].mean() if part.n_pairs else 0.0
        wanted = (problem.loads[k] if problem.pair_loads is None else problem.pair_loads[k]).mean()
        if mean > 0:
            part.load[k] *= wanted / mean
    if problem.limit is not None:
        mean, wanted = problem.limit.total[units].mean(), problem.limit.total.mean()
        part = replace(part, moved=part.moved * (wanted / mean if mean > 0 else 1.0))
    dual, scale = Dual(np.zeros((problem.n_measures, problem.n_territories))), typical_cost(reduced[:, 0])
    weight = np.full(size, n / size)
    for fraction, passes in ((3.0, 60), (1.0, 60), (0.3, 60)):
        dual = _ascend(problem, part, dual, fraction * scale, weight, passes, complete=True)
    return prices_of(problem, dual)


def candidates_of(problem: AssignmentProblem, units: NDArray[np.int64]) -> Candidates:
    """Return every allowed pair of some units, renumbered from 0."""
    cost = problem.rows(units)
    allowed = np.isfinite(cost)
    row, territory = np.nonzero(allowed)
    load = problem.loads[:, units[row]] if problem.pair_loads is None else problem.pair_loads[:, units[row], territory]
    start = np.searchsorted(row, np.arange(len(units) + 1)).astype(np.int64)
    place = territory.astype(np.int32)
    moved = moved_of(problem, units[row], place)
    return Candidates(start, place, cost[allowed], np.ascontiguousarray(load), moved)


def typical_cost(reduced: NDArray[np.float64]) -> float:
    """Return the middle of the positive costs: the unit in which temperatures are counted."""
    positive = reduced[np.isfinite(reduced) & (reduced > 0)]
    return float(np.median(positive)) if len(positive) else 1.0


def ascend(
    problem: AssignmentProblem,
    prices: Prices,
    gap: float,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    stages: tuple[tuple[float, int, int], ...] = STAGES,
) -> tuple[Prices, Candidates, NDArray[np.int32]]:
    """Return good prices, the candidates they leave and a rounded start, by dual ascent with falling temperature.

    Parameters
    ----------
    problem : AssignmentProblem
    prices : Prices
        Where to start, for instance :func:`sample_prices`.
    gap : float
        The relative gap wanted: the ascent ends when a stage gains a twentieth of it or less.
    should_stop : callable
        Asked after every stage.
    stages : tuple of (temperature, passes, candidates)
    """
    scale = typical_cost(cheapest(problem, Prices.zero(problem), 1)[1][:, 0])
    best, best_bound = prices, priced_bound(problem, prices)
    dual, everyone, fill, warmth = Dual(prices.net, prices.moved), np.ones(problem.n_units), 0, stages[0][0] * scale
    for fraction, passes, width in stages:
        candidates = _nearest_pairs(problem, prices_of(problem, dual), width, fill)
        tried = _ascend(problem, candidates, dual, fraction * scale, everyone, passes)
        found = prices_of(problem, tried)
        bound = priced_bound(problem, found)
        gain = (bound - best_bound) / max(abs(bound), 1e-12)
        # A stage over too few candidates can run away: what it proves over all pairs then says so.
        if gain < -0.05:
            dual = Dual(best.net, best.moved)
            fill = max(2 * fill, 3 * problem.n_units // (2 * problem.n_territories) + 1)
            continue
        dual, warmth = tried, fraction * scale
        if bound > best_bound:
            best, best_bound = found, bound
        if (fraction <= 0.03 and gain < gap / 20) or should_stop():
            break
    candidates = _nearest_pairs(problem, best, KEPT_PAIRS, fill)
    return best, candidates, diffuse(problem, candidates, dual, warmth)


def _nearest_pairs(problem: AssignmentProblem, prices: Prices, width: int, fill: int) -> Candidates:
    """Return each unit's ``width`` cheapest pairs, ``fill`` units for every territory, and whoever has the unit today."""
    table, _ = cheapest(problem, prices, width)
    candidates = with_filling(problem, prices, table, fill) if fill else from_rows(problem, table)
    return with_today(problem, candidates)


def with_today(problem: AssignmentProblem, candidates: Candidates) -> Candidates:
    """Return candidates with the territories that have the units today among them, where disruption is limited."""
    if problem.limit is None:
        return candidates
    units = np.concatenate([candidates.unit(), problem.limit.part_unit()])
    return gather(problem, units, np.concatenate([candidates.territory, problem.limit.territory]))


def with_filling(problem: AssignmentProblem, prices: Prices, table: NDArray[np.int32], fill: int) -> Candidates:
    """Return the candidates of a table, shape ``(n_units, any)``, and ``fill`` units that each territory could grow with."""
    units, territories = filling_pairs(problem, prices, fill)
    real = table >= 0
    rows = np.repeat(np.arange(problem.n_units), real.sum(axis=1))
    return gather(problem, np.concatenate([rows, units]), np.concatenate([table[real], territories]))
