"""Batches of leads through the whole product: read, matched, split, explained and kept in a ledger on SQLite.

usage: python -m benchmarks.lead_batches [--only NAME ...] [--repeats 60] [--leads 100000] [--write]

A made-up plan: accounts and reps at random places of one state, each rep in one segment, so that about 20 reps can take a
lead (or all, without segments). Leads come as records with a place, a company, a segment and a value; the territory is
ignored, so that the whole batch is split among all who can take it. Each batch has leads of its own, routed one minute after
the last.

* small: 1,000 leads and 200 reps in a warm process, one batch after another into a file that grows: median, 95th percentile and
  worst of milliseconds per batch, from records to the committed answer; also single leads and batches of ten.
* large: 100,000 leads and 500 reps, from a CSV file to the committed answer, with the seconds of each part, and of an audit.

Writes a table to standard output and, with ``--write``, to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import territory_engine as te
from benchmarks.running import ROOT, machine, markdown
from solvers.fair_split.compiled import compile_kernels
from territory_engine.auditing.routed.batch_audit import audit_batch
from territory_engine.config import parse_config
from territory_engine.leads.policy import parse_policy
from territory_engine.leads.reading.loading import read_leads
from territory_engine.ledger import Ledger
from territory_engine.reading.loading import load_frames
from territory_engine.routing import Router

MONDAY = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
N_ACCOUNTS = 2_000
Rows = list[dict[str, Any]]


def planned(n_reps: int, able: int) -> tuple[te.PlanningProblem, te.Plan]:
    """Return a plan of 2,000 accounts whose reps are each in one of ``n_reps / able`` segments."""
    rng = np.random.default_rng(0)
    reps = pd.DataFrame(
        {
            "rep_id": [f"R{i:03d}" for i in range(n_reps)],
            "latitude": rng.uniform(40.5, 43.5, n_reps),
            "longitude": rng.uniform(-96.5, -90.5, n_reps),
            "segments": [f"S{i % max(1, n_reps // able):02d}" for i in range(n_reps)],
        }
    )
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{i:05d}" for i in range(N_ACCOUNTS)],
            "name": [f"Shop number {i}" for i in range(N_ACCOUNTS)],
            "latitude": rng.uniform(40.5, 43.5, N_ACCOUNTS),
            "longitude": rng.uniform(-96.5, -90.5, N_ACCOUNTS),
        }
    )
    config = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}, "solve": {"gap": 0.5}})
    problem = load_frames(accounts, reps, config)
    return problem, te.solve(problem)


def leads(n: int, n_segments: int, batch: int) -> pd.DataFrame:
    """Return leads of a batch."""
    rng = np.random.default_rng(batch + 1)
    return pd.DataFrame(
        {
            "lead_id": [f"L{batch}-{i}" for i in range(n)],
            "company": [f"Newcomer {batch} {i}" for i in range(n)],
            "latitude": rng.uniform(40.5, 43.5, n).round(5),
            "longitude": rng.uniform(-96.5, -90.5, n).round(5),
            "segment": [f"S{k:02d}" for k in rng.integers(0, n_segments, n)],
            "value": rng.integers(100, 10_000, n),
        }
    )


def router_of(plan: tuple[te.PlanningProblem, te.Plan], url: str) -> Router:
    """Return a router whose pool is everybody of the lead's segment."""
    policy = parse_policy({"matching": {"territory": "ignore"}})
    return Router(*plan, policy, Ledger.open(url))


def small(folder: Path, repeats: int, sizes: tuple[tuple[int, int, int], ...]) -> Rows:
    """Return how long batches take in a warm process."""
    rows = []
    for n_leads, n_reps, able in sizes:
        with router_of(planned(n_reps, able), f"sqlite:///{folder / f'{n_leads}_{able}.db'}") as router:
            taken = []
            for batch in range(repeats + 3):
                records: Any = leads(n_leads, max(1, n_reps // able), batch).to_dict("records")
                began = time.perf_counter()
                routed = router.route(records, f"B{batch}", at=MONDAY + batch * timedelta(minutes=1))
                taken.append(1000 * (time.perf_counter() - began))
                assert routed.assigned == n_leads
        told = np.array(taken[3:])
        rows.append(
            {
                "batch": f"{n_leads:,} × {n_reps}, {able} able",
                "batches": repeats,
                "median ms": round(float(np.median(told)), 1),
                "p95 ms": round(float(np.percentile(told, 95)), 1),
                "worst ms": round(float(told.max()), 1),
            }
        )
    return rows


def large(folder: Path, n_leads: int, n_reps: int, able: int) -> Rows:
    """Return how long a large batch takes from file to ledger, part by part."""
    plan, url = planned(n_reps, able), f"sqlite:///{folder / 'large.db'}"
    path = folder / "leads.csv"
    leads(n_leads, n_reps // able, 0).to_csv(path, index=False)
    marks = [time.perf_counter()]
    with router_of(plan, url) as router:
        batch = read_leads(path)
        marks.append(time.perf_counter())
        assembly = router.assemble(batch, MONDAY)
        marks.append(time.perf_counter())
        pairs = len(assembly.choices.rep)
        del assembly
        begin = time.perf_counter()
        routed = router.route(path, "large", at=MONDAY)
        whole = time.perf_counter() - begin
    begin = time.perf_counter()
    report = audit_batch(url, "large")
    audited = time.perf_counter() - begin
    split = sum(routed.proof["parts"][-1]["seconds"].values())
    read, assembled = marks[1] - marks[0], marks[2] - marks[1]
    return [
        {
            "batch": f"{n_leads:,} × {n_reps}, {pairs:,} pairs",
            "whole s": round(whole, 1),
            "of it reading": round(read, 1),
            "matching, choices": round(assembled, 1),
            "split": round(split, 1),
            "reasons, ledger": round(whole - read - assembled - split, 1),
            "proved": ", ".join(routed.proof["parts"][-1]["proved"]),
            "audit s": round(audited, 1),
            "audit": "passed" if report.passed else "FAILED",
        }
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=["small", "large"])
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    compile_kernels()
    tables: list[Rows] = []
    with tempfile.TemporaryDirectory() as folder:
        if "small" in options.only:
            sizes = ((1_000, 200, 20), (1_000, 200, 200), (10, 200, 20), (1, 200, 20))
            tables.append(small(Path(folder), options.repeats, sizes))
        if "large" in options.only:
            tables.append(large(Path(folder), options.leads, 500, 20))
    text = (
        f"# Lead batches\n\n`python -m benchmarks.lead_batches {' '.join(sys.argv[1:])}`\n\n{machine()};"
        f" {datetime.now(UTC):%Y-%m-%d}.\n\n" + "\n\n".join(markdown(rows) for rows in tables) + "\n"
    )
    print(text)
    if options.write:
        target = ROOT / "benchmarks" / "results" / f"lead_batches_{te.__version__}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
