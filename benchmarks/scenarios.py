"""Six scenarios over one base, one by one and over processes: how much faster, and whether the plans are the same.

usage: python -m benchmarks.scenarios [--fdic BRANCHES.csv.gz] [--zips ZIPS.csv.gz] [--accounts N] [--reps 300]
                                      [--processes 2] [--write]

The accounts are US bank branches (FDIC Summary of Deposits, as for ``benchmarks.fixed_centres``), all of them or a sample of
``--accounts``; without the file, invented ones around fifty cities. Counts are within 5 % of equal shares, of real branches
deposits within 50 % as well, and the search ends at a proved gap (0.1 %; with deposits 1 %) that it reaches long before its
time limit, so that every way does the same work. The scenarios: a rep leaves,
two leave, one is hired, deposits grow in a region, branches close, and counts within 4 %. With the base that is seven plans.

Each way is timed as a user would run it, files to files, maps and comparison included:

* one by one: ``scenarios run --processes 1``, which may use every core in its threads, and draws while it writes;
* over processes: ``scenarios run --processes N``;
* on one core: the same as one by one, on a single core, for what a second core is worth at most. Linux only.

The machine should be doing nothing else. Writes a table to standard output and, with ``--write``, to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.fixed_centres import fdic_inputs
from benchmarks.running import ROOT, machine, markdown, measured, run_plan

CITIES = 50
SAMPLE_SEED = 0


def invented_branches(path: Path, count: int) -> Path:
    """Write branches around cities of very different sizes, in the columns of the FDIC's file."""
    rng = np.random.default_rng(SAMPLE_SEED)
    size = 1 / np.arange(1, CITIES + 1)
    city = rng.choice(CITIES, count, p=size / size.sum())
    centre = np.column_stack([rng.uniform(31, 47, CITIES), rng.uniform(-120, -75, CITIES)])
    place = centre[city] + rng.normal(0, 0.7, (count, 2))
    pd.DataFrame(
        {
            "UNINUMBR": np.arange(1, count + 1),
            "NAMEBR": "A branch",
            "ZIPBR": [f"{10_001 + n % 80_000:05d}" for n in range(count)],
            "STCNTYBR": "19001",
            "SIMS_LATITUDE": place[:, 0].round(5),
            "SIMS_LONGITUDE": place[:, 1].round(5),
            "DEPSUMBR": rng.lognormal(10, 0.8, count).round(),
        }
    ).to_csv(path, index=False)
    return path


def sampled(path: Path, folder: Path, count: int | None) -> Path:
    """Return the file of branches, or one with a sample of them."""
    if count is None:
        return path
    table = pd.read_csv(path, dtype=str)
    if count >= len(table):
        return path
    table.sample(count, random_state=SAMPLE_SEED).sort_index().to_csv(folder / "sample.csv", index=False)
    return folder / "sample.csv"


def write_scenarios(config: Path) -> Path:
    """Write six scenarios beside the configuration; return their file."""
    reps = pd.read_csv(config.parent / "reps.csv", dtype={"rep_id": str})
    accounts = pd.read_csv(config.parent / "accounts.csv", dtype={"account_id": str}, usecols=["account_id"])
    leaver, second, grown = (reps["rep_id"][k] for k in (0, len(reps) // 2, len(reps) - 1))
    closed = accounts["account_id"].iloc[:: max(4, len(accounts) // 100)].tolist()
    text = f"""
base = "{config.name}"

[scenario.lose_one]
remove_reps = ["{leaver}"]

[scenario.lose_two]
remove_reps = ["{leaver}", "{second}"]

[[scenario.hire_one.add_reps]]
rep_id = "HIRE"
near = "{leaver}"

[[scenario.growth.growth]]
measure = "deposits"
factor = 1.1
near = "{grown}"
within_km = 200

[scenario.closures]
close_accounts = {closed}

[scenario.tighter.balance.count]
tolerance = 0.04
"""
    path = config.parent / "scenarios.toml"
    path.write_text(text, encoding="utf-8")
    return path


def timed(name: str, scenarios: Path, out: Path, *options: str, one_core: bool = False) -> dict[str, Any]:
    """Run the scenarios into a new directory and return a row of the table."""
    command = [sys.executable, "-m", "territory_engine.app", "scenarios", "run", str(scenarios), "--out", str(out)]
    pinned = ["taskset", "-c", "0"] if one_core else []
    run = measured([*pinned, *command, *options])
    done = pd.read_csv(out / "comparison.csv") if (out / "comparison.csv").exists() else pd.DataFrame()
    return {
        "way": name,
        "exit": run.exit,
        "plans": int(done["status"].isin(["optimal", "feasible"]).sum()) if len(done) else 0,
        "worst gap %": round(100 * float(done["gap"].max()), 3) if len(done) else None,
        "solving s, in all": round(float(done["solve_seconds"].sum()), 1) if len(done) else None,
        "wall s": round(run.seconds, 1),
        "peak GiB of a process": round(run.peak_gib, 2),
        "note": run.last_words if run.exit not in (0, 3) else "",
    }


def same_plans(first: Path, second: Path) -> bool:
    """Whether two directories of scenarios hold the same assignments, byte for byte."""
    names = [sorted(p.parent.name for p in out.glob("*/assignments.csv")) for out in (first, second)]
    return names[0] == names[1] and all(
        (first / n / "assignments.csv").read_bytes() == (second / n / "assignments.csv").read_bytes() for n in names[0]
    )


def compare(
    branches: Path, zips: Path | None, folder: Path, reps: int, processes: int, *, deposits: bool = False
) -> list[dict[str, Any]]:
    """Run every way and return the table's rows; the ratios stand in the last column."""
    config = fdic_inputs(branches, zips, folder / "inputs", deposits=deposits, n_reps=reps)
    scenarios = write_scenarios(config)
    # The first run of a fresh installation compiles; what is timed is every run after it.
    run_plan(ROOT / "examples" / "iowa" / "config.toml", folder / "warm_iowa", "--time-limit", "5")
    run_plan(config, folder / "warm")
    rows = [
        timed("one by one", scenarios, folder / "one", "--processes", "1"),
        timed(f"over {processes} processes", scenarios, folder / "many", "--processes", str(processes)),
    ]
    if shutil.which("taskset"):
        rows.append(timed("on one core", scenarios, folder / "core", "--processes", "1", one_core=True))
    fast = rows[1]["wall s"]
    for row in rows:
        row["times as long"] = round(row["wall s"] / fast, 2)
    rows[1]["note"] = rows[1]["note"] or f"assignments identical: {same_plans(folder / 'one', folder / 'many')}"
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fdic", type=Path)
    parser.add_argument("--zips", type=Path)
    parser.add_argument("--accounts", type=int)
    parser.add_argument("--reps", type=int, default=300)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        invented = options.fdic is None
        count = options.accounts or (5_000 if invented else None)
        branches = (
            invented_branches(folder / "branches.csv", count or 5_000)
            if invented
            else sampled(options.fdic, folder, count)
        )
        rows = compare(branches, options.zips, folder, options.reps, options.processes, deposits=not invented)
        accounts = len(pd.read_csv(folder / "inputs" / "accounts.csv", usecols=["account_id"]))
    arguments = " ".join(a if "/" not in a else Path(a).name for a in sys.argv[1:])
    source = "invented branches" if invented else "bank branches"
    text = (
        f"# Scenarios\n\n`python -m benchmarks.scenarios {arguments}`\n\n{machine()}; {datetime.now(UTC):%Y-%m-%d}.\n\n"
        f"{accounts:,} {source}, {options.reps} reps, six scenarios and the base.\n\n{markdown(rows)}\n"
    )
    print(text)
    if options.write:
        from territory_engine import __version__

        target = ROOT / "benchmarks" / "results" / f"scenarios_{__version__}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
