"""Leads split fairly: beside one bare min-cost flow of the same size, and how long small batches take.

usage: python -m benchmarks.lead_routing [--only NAME ...] [--leads 100000] [--reps 500] [--able 20] [--repeats 40]
                                         [--write]

Leads and reps lie at random in a square; a lead's able reps are the nearest, its value with one is a score less the
distance; reps have unequal weights and have had unequally much.

* large: one batch, every stage, beside OR-Tools' min-cost flow over the same pairs with the same values and the same number
  of leads for each rep (``SimpleMinCostFlow``, building its arcs included). The flow knows nothing of fairness. "Proved"
  says that the prices were verified, in plain NumPy and without a solver (``proved``).
* hard: the same size with too little capacity, with owners who come first, with slack, by leximin, with even value, and
  with values that tie.
* small: batches in a warm process, each another draw: median and 95th percentile of milliseconds.
* dense: 10,000 leads that all of 500 reps could take.

Writes a table to standard output and, with ``--write``, to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from ortools.graph.python import min_cost_flow
from scipy.spatial import cKDTree

from benchmarks.running import ROOT, machine, markdown
from solvers.fair_split.compiled import compile_kernels
from solvers.fair_split.exchange_price import PriceList
from solvers.fair_split.problem import LEVEL_UNIT, FairSplit, FairSplitProblem
from solvers.fair_split.split import fair_split

Rows = list[dict[str, Any]]


def batch(n_leads: int, n_reps: int, able: int, *, seed: int = 0, **changes: Any) -> FairSplitProblem:
    """Return a random batch in which each lead may go to its ``able`` nearest reps."""
    rng = np.random.default_rng(seed)
    leads, reps = rng.random((n_leads, 2)), rng.random((n_reps, 2))
    found = cKDTree(reps).query(leads, k=np.arange(1, able + 1))
    distance, near = np.asarray(found[0]), np.asarray(found[1])
    order = np.argsort(near, axis=1)
    near, distance = np.take_along_axis(near, order, 1), np.take_along_axis(distance, order, 1)
    score = rng.integers(1, 100, n_leads)
    problem = FairSplitProblem(
        lead_start=np.arange(n_leads + 1) * able,
        pair_rep=near.ravel().astype(np.int32),
        pair_rank=np.zeros(n_leads * able, np.int64),
        pair_value=np.rint(1_000 * score[:, None] - 50_000 * distance).astype(np.int64).ravel(),
        level=rng.integers(0, 3 * LEVEL_UNIT, n_reps),
        step=np.rint(LEVEL_UNIT / rng.choice([0.5, 1.0, 1.0, 1.5], n_reps)).astype(np.int64),
        capacity=np.full(n_reps, n_leads),
        tie_order=rng.permutation(n_reps),
        lead_worth=score,
        worth_level=np.zeros(n_reps, np.int64),
    )
    return replace(problem, **changes)


def bare_flow(problem: FairSplitProblem) -> float:
    """Return the seconds of one min-cost flow of best value, with equal room for every rep."""
    n, m = problem.n_leads, problem.n_reps
    lead = np.repeat(np.arange(n), np.diff(problem.lead_start))
    began = time.perf_counter()
    flow = min_cost_flow.SimpleMinCostFlow()
    flow.add_arcs_with_capacity_and_unit_cost(
        lead, n + problem.pair_rep.astype(np.int64), np.ones(len(lead), np.int64), -problem.pair_value
    )
    room = np.full(m, -(-n // m))
    flow.add_arcs_with_capacity_and_unit_cost(n + np.arange(m), np.full(m, n + m), room, np.zeros(m, np.int64))
    flow.set_nodes_supplies(np.arange(n + m + 1), np.r_[np.ones(n, np.int64), np.zeros(m, np.int64), -n])
    assert flow.solve_max_flow_with_min_cost() == flow.OPTIMAL
    return time.perf_counter() - began


def proved(problem: FairSplitProblem, split: FairSplit) -> bool:
    """Whether the prices prove every stage of a split by value with squares: see ``solvers/fair_split/split.py``."""
    m, start = problem.n_reps, problem.lead_start
    lead, rep = np.repeat(np.arange(problem.n_leads), np.diff(start)), problem.pair_rep
    given = split.pair >= 0
    waits = bool(np.any(~given & (np.diff(start) > 0)))
    own = np.where(given, split.pair, 0)
    count = np.bincount(rep[own[given]], minlength=m)
    rank_price, held = split.rank_price[:m], split.rank_price[:m] > 0
    rank = problem.pair_rank + rank_price[rep]
    least_rank = np.where(given, rank[own], split.unassigned_rank)
    tight = rank == least_rank[lead]
    right = [bool(np.all(rank >= least_rank[lead])), bool(np.all(rank_price >= 0)), split.rank_price[m] == 0]
    right += [bool(np.all(least_rank <= split.unassigned_rank)), bool(np.all(count[held] == problem.capacity[held]))]
    last = 2 * problem.level + (2 * split.fair_count - 1) * problem.step
    right += [bool(np.all(held | (split.fair_count == 0) | (last <= split.fair_price)))]
    full = split.fair_count == problem.capacity
    right += [bool(np.all(held | full | (last + 2 * problem.step >= split.fair_price)))]
    width = 2 * problem.slack * problem.step
    first = 2 * problem.level - problem.step
    least = np.clip((split.fair_price - width - first - 1) // (2 * problem.step), 0, problem.capacity)
    most = np.clip((split.fair_price + width - first) // (2 * problem.step), 0, problem.capacity)
    least, most = np.where(held, problem.capacity, least), np.where(held, problem.capacity, most)
    right += [np.array_equal(least, split.least), np.array_equal(most, split.most)]
    right += [bool(np.all((least <= count) & (count <= most)))]
    if not problem.slack:
        fair = split.fair_price[rep]
        least_fair = np.where(given, fair[own], split.fair_price.min())
        right.append(bool(np.all(fair[tight] >= least_fair[lead][tight])))
        tight &= fair == least_fair[lead]
    price = split.value_price
    gain = problem.pair_value - price[rep]
    best = np.where(given, gain[own], 0)
    right.append(bool(np.all(gain[tight] <= best[lead][tight])))
    may_wait = given & (least_rank == split.unassigned_rank) & waits
    right.append(bool(np.all(best[may_wait] >= 0)))
    right.append(bool(np.all((price <= 0) | (count == most)) and np.all((price >= 0) | (count == least))))
    return all(right)


def timed(problem: FairSplitProblem) -> tuple[float, FairSplit]:
    began = time.perf_counter()
    split = fair_split(problem)
    return time.perf_counter() - began, split


def row(name: str, problem: FairSplitProblem, **extra: Any) -> dict[str, Any]:
    seconds, split = timed(problem)
    checked = problem.second == "value" and problem.fairness == "squares"
    return {
        "batch": name,
        "pairs": len(problem.pair_rep),
        "assigned": split.assigned,
        "split s": round(seconds, 3),
        **{f"{stage} s": round(took, 3) for stage, took in split.seconds.items()},
        "proved": ("yes" if proved(problem, split) else "NO") if checked else None,
        **extra,
    }


def large(n: int, m: int, able: int) -> Rows:
    problem = batch(n, m, able)
    flow_s = bare_flow(problem)
    found = row(f"{n:,} × {m}, {able} able", problem)
    return [found | {"bare flow s": round(flow_s, 2), "÷ bare flow": round(found["split s"] / flow_s, 2)}]


def hard(n: int, m: int, able: int) -> Rows:
    problem = batch(n, m, able)
    rng = np.random.default_rng(1)
    owners = rng.integers(0, 3, len(problem.pair_rep))
    short, scarce = np.full(m, max(1, 4 * n // (5 * m))), np.full(m, max(1, n // m))
    cases = {
        "capacity for four fifths": replace(problem, capacity=short),
        "owners first, exact capacity": replace(problem, pair_rank=owners, capacity=scarce),
        "slack of 3": replace(problem, slack=3),
        "leximin": replace(problem, fairness="leximin"),
        "even value": replace(problem, second="even_value"),
        "values tie": replace(problem, pair_value=np.zeros_like(problem.pair_value)),
        "values tie, capacity for four fifths": replace(
            problem, pair_value=np.zeros_like(problem.pair_value), capacity=short
        ),
        "ten values": replace(problem, pair_value=problem.pair_value // 10_000),
    }
    return [row(f"{n:,} × {m}: {name}", case) for name, case in cases.items()]


def _milliseconds(calls: list[Callable[[], object]]) -> dict[str, float]:
    took = []
    for call in calls:
        began = time.perf_counter()
        call()
        took.append(1_000 * (time.perf_counter() - began))
    return {"p50 ms": round(float(np.median(took)), 2), "p95 ms": round(float(np.percentile(took, 95)), 2)}


def small(repeats: int, sizes: tuple[tuple[int, int, int], ...]) -> Rows:
    rows: Rows = []
    for n, m, able in sizes:
        drawn = [batch(n, m, able, seed=seed) for seed in range(repeats)]
        name = f"{n:,} × {m}, {able} able"
        rows.append({"batch": name, "pairs": n * able, **_milliseconds([lambda p=p: fair_split(p) for p in drawn])})  # type: ignore[misc]  # the default binds the loop's problem
        short = [replace(p, capacity=np.full(m, max(1, n * 4 // (5 * m)))) for p in drawn]
        name = f"{n:,} × {m}, {able} able, short of capacity"
        rows.append({"batch": name, "pairs": n * able, **_milliseconds([lambda p=p: fair_split(p) for p in short])})  # type: ignore[misc]  # as above
    problem = drawn[0]
    prices = PriceList.of(problem, fair_split(problem))
    calls: list[Callable[[], object]] = [lambda i=i: prices.of_lead(i) for i in range(min(problem.n_leads, repeats))]  # type: ignore[misc]  # as above
    rows.append({"batch": "prices of one lead's other choices", "pairs": len(problem.pair_rep), **_milliseconds(calls)})
    return rows


DENSE = (10_000, 500, 500)
SMALL = ((1, 200, 20), (10, 200, 20), (1_000, 200, 20), (1_000, 200, 200))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=["large", "hard", "small", "dense"])
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--reps", type=int, default=500)
    parser.add_argument("--able", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    size = options.leads, options.reps, options.able
    compile_kernels()
    tables: list[Rows] = []
    if "large" in options.only:
        tables.append(large(*size))
    if "hard" in options.only:
        tables.append(hard(*size))
    if "dense" in options.only:
        n, m, able = DENSE
        tables.append([row(f"{n:,} × {m}, {able} able", batch(n, m, able))])
    if "small" in options.only:
        tables.append(small(options.repeats, SMALL))
    arguments = " ".join(a if "/" not in a else Path(a).name for a in sys.argv[1:])
    text = (
        f"# Lead routing\n\n`python -m benchmarks.lead_routing {arguments}`\n\n{machine()};"
        f" {datetime.now(UTC):%Y-%m-%d}.\n\n" + "\n\n".join(markdown(rows) for rows in tables) + "\n"
    )
    print(text)
    if options.write:
        from territory_engine import __version__

        target = ROOT / "benchmarks" / "results" / f"lead_routing_{__version__}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
