"""Territories served from rep homes: Iowa, the FDIC's bank branches, and generalized assignment from the literature.

usage: python -m benchmarks.fixed_centres [--fdic BRANCHES.csv.gz] [--literature DIR] [--peers] [--only NAME ...]
                                          [--seconds 60] [--write]

* Iowa (``examples/iowa``, in the repository): solve time and proved gap, twice for repeatability.
* FDIC: the Summary of Deposits, every US bank branch (download from the FDIC's bulk data; columns UNINUMBR, NAMEBR,
  SIMS_LATITUDE, SIMS_LONGITUDE, ZIPBR, DEPSUMBR); 300 reps live in ZIP codes drawn by population from ``--zips
  ZIPS.csv.gz`` (zip, lat, lon, population), or without it in the branches' own ZIPs. Files to files by the
  command line, map included; beside it, one exact min-cost flow over the same candidate pairs in the same run.
* Literature: folders with config.toml, accounts.csv, reps.csv, travel.csv and ../../best_known.csv; with ``--peers``
  the textbook model in plain CP-SAT with the same seconds and two workers.

Writes a table to standard output and, with ``--write``, to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.instances import read_instance
from benchmarks.peers import cp_sat
from benchmarks.running import ROOT, machine, markdown, run_plan

DEPOSIT_CAP = 5_000_000  # thousand dollars: branches that book a whole bank's deposits say nothing about local work
N_REPS = 300


def row(name: str, run: dict[str, Any], **extra: Any) -> dict[str, Any]:
    plan = run["plan"]
    return {
        "instance": name,
        "exit": run["exit"],
        "status": plan.get("status"),
        "objective": plan.get("objective"),
        "proved gap %": None if plan.get("gap") is None else round(100 * plan["gap"], 4),
        "solve s": round(plan.get("solve_seconds", float("nan")), 1),
        "wall s": round(run["wall_s"], 1),
        "peak GiB": round(run["peak_gib"], 2),
        **extra,
    }


def iowa(folder: Path) -> list[dict[str, Any]]:
    config = ROOT / "examples" / "iowa" / "config.toml"
    runs = [run_plan(config, folder / f"iowa{i}") for i in range(2)]
    same = (folder / "iowa0" / "assignments.csv").read_bytes() == (folder / "iowa1" / "assignments.csv").read_bytes()
    return [row("iowa", runs[0]), row("iowa, again", runs[1], note=f"assignments.csv identical: {same}")]


def fdic_inputs(branches: Path, zips: Path | None, folder: Path, *, deposits: bool, n_reps: int | None = None) -> Path:
    """Write accounts.csv, reps.csv and config.toml for the FDIC instance; return the configuration's path."""
    n_reps = N_REPS if n_reps is None else n_reps
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["UNINUMBR", "NAMEBR", "ZIPBR", "SIMS_LATITUDE", "SIMS_LONGITUDE", "DEPSUMBR"]
    table = pd.read_csv(branches, dtype=str, usecols=columns)
    # Branches at 0° north, 0° east have no known place: they are located by ZIP, or assigned without one.
    nowhere = (pd.to_numeric(table.SIMS_LATITUDE) == 0) & (pd.to_numeric(table.SIMS_LONGITUDE) == 0)
    table.loc[nowhere, ["SIMS_LATITUDE", "SIMS_LONGITUDE"]] = ""
    table["DEPSUMBR"] = pd.to_numeric(table.DEPSUMBR).clip(upper=DEPOSIT_CAP)
    names = {
        "UNINUMBR": "account_id",
        "NAMEBR": "name",
        "ZIPBR": "postal_code",
        "SIMS_LATITUDE": "latitude",
        "SIMS_LONGITUDE": "longitude",
        "DEPSUMBR": "deposits",
    }
    table = table.rename(columns=names)
    table.to_csv(folder / "accounts.csv", index=False)
    rng = np.random.default_rng(0)
    if zips is not None:
        places = pd.read_csv(zips, dtype={"zip": str})
        places = places[places.population > 0].reset_index(drop=True)
        chosen = places.iloc[
            rng.choice(len(places), n_reps, replace=False, p=places.population / places.population.sum())
        ]
        latitude, longitude = chosen.lat.to_numpy(), chosen.lon.to_numpy()
    else:
        known = table[(table.latitude != "") & table.latitude.notna()].drop_duplicates("postal_code")
        chosen = known.iloc[rng.choice(len(known), n_reps, replace=False)]
        latitude, longitude = chosen.latitude.to_numpy(), chosen.longitude.to_numpy()
    ids = [f"R{i:03d}" for i in range(n_reps)]
    pd.DataFrame({"rep_id": ids, "latitude": latitude, "longitude": longitude}).to_csv(folder / "reps.csv", index=False)
    text = '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\non_unlocated = "assign"\n\n[[balance]]\nmeasure = "count"\ntolerance = 0.05\n'
    if deposits:
        text += '\n[[balance]]\nmeasure = "deposits"\ntolerance = 0.50\n'
    text += f"\n[solve]\ntime_limit_s = 120\nseed = 0\ngap = {0.01 if deposits else 0.001}\n"
    (folder / "config.toml").write_text(text)
    return folder / "config.toml"


def flow_seconds(config: Path) -> tuple[float, int]:
    """Return the seconds of one exact min-cost flow over the solver's own first candidates, and their number."""
    from solvers.flow import least_cost_flow
    from solvers.ladder import flow_candidates
    from solvers.prices import sample_prices
    from solvers.whole import tightened
    from territory_engine import load
    from territory_engine.model import build_model

    problem = tightened(build_model(load(config)).problem)
    candidates = flow_candidates(problem, sample_prices(problem))
    began = time.perf_counter()
    found = least_cost_flow(problem, candidates)
    assert found is not None
    return time.perf_counter() - began, candidates.n_pairs


def fdic(branches: Path, zips: Path | None, folder: Path) -> list[dict[str, Any]]:
    rows = []
    count_config = fdic_inputs(branches, zips, folder / "fdic_count", deposits=False)
    # The first run of a fresh installation compiles; what is timed is every run after it.
    run_plan(ROOT / "examples" / "iowa" / "config.toml", folder / "warm")
    flow, pairs = flow_seconds(count_config)
    for name, deposits in (("fdic count ±5 %", False), ("fdic count ±5 %, deposits ±50 %", True)):
        config = fdic_inputs(branches, zips, folder / f"fdic_{int(deposits)}", deposits=deposits)
        run = run_plan(config, folder / f"out_{int(deposits)}")
        rows.append(
            row(
                name, run, note=f"flow over {pairs:,} pairs: {flow:.1f} s; end to end {run['wall_s'] / flow:.1f} × that"
            )
        )
    return rows


def literature(folder: Path, out: Path, seconds: float, *, peers: bool) -> list[dict[str, Any]]:
    best = pd.read_csv(folder / "best_known.csv").query("family == 'gap'").set_index("instance").best_known
    rows, gaps = [], []
    for name, value in best.items():
        instance = folder / "gap" / str(name)
        run = run_plan(instance / "config.toml", out / str(name), "--time-limit", str(seconds))
        cost = run["plan"].get("objective")
        gaps.append(100 * (cost / value - 1) if cost else float("nan"))
        extra: dict[str, Any] = {"best known": value, "gap to best %": round(gaps[-1], 3)}
        if peers:
            extra["plain CP-SAT"] = cp_sat.solve(read_instance(instance), seconds).objective
        rows.append(row(f"gap/{name}", run, **extra))
    rows.append({"instance": "gap, mean", "gap to best %": round(float(np.mean(gaps)), 3)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fdic", type=Path)
    parser.add_argument("--zips", type=Path)
    parser.add_argument("--literature", type=Path)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", nargs="*", default=["iowa", "fdic", "literature"])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "iowa" in options.only:
            rows += iowa(folder)
        if "fdic" in options.only and options.fdic:
            rows += fdic(options.fdic, options.zips, folder)
        if "literature" in options.only and options.literature:
            rows += literature(options.literature, folder, options.seconds, peers=options.peers)
    arguments = " ".join(a if "/" not in a else Path(a).name for a in sys.argv[1:])
    text = (
        f"# Fixed centres\n\n`python -m benchmarks.fixed_centres {arguments}`\n\n{machine()};"
        f" {datetime.now(UTC):%Y-%m-%d}.\n\n{markdown(rows)}\n"
    )
    print(text)
    if options.write:
        from territory_engine import __version__

        target = ROOT / "benchmarks" / "results" / f"fixed_centres_{__version__}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
