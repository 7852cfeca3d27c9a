"""Rebalancing: Iowa with a rep gone, the published brick problem, and the FDIC's branches with a rep gone.

usage: python -m benchmarks.rebalancing [--fdic BRANCHES.csv.gz] [--zips ZIPS.csv.gz] [--only NAME ...] [--write]

* iowa: plan the example, take R03 away, and find the fewest moves (in revenue); the time of one plan at a limit on moves,
  files to files, beside that of ``rebalance`` with eight; and both without reading and writing.
* bricks: ``examples/bricks``, every configuration, by the command line.
* fdic: ``--fdic`` as for ``benchmarks.fixed_centres``: 79,172 branches and 300 reps; one rep is taken away and at most
  1 % of the branches may change hands.

The first runs of a fresh installation compile; everything is run once before it is timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.fixed_centres import fdic_inputs, row
from benchmarks.running import ROOT, machine, markdown, measured, run_plan

GONE = "R03"
MEASURE = "revenue_2022"


def without_rep(folder: Path, plan: Path) -> Path:
    """Write Iowa as it is after the rep left, with the owners of a plan; return the configuration's path."""
    source = ROOT / "examples" / "iowa"
    folder.mkdir(parents=True, exist_ok=True)
    accounts = pd.read_csv(source / "accounts.csv", dtype=str, keep_default_na=False)
    owners = pd.read_csv(plan / "assignments.csv", dtype=str, keep_default_na=False)["rep_id"]
    accounts.assign(owner=owners).to_csv(folder / "accounts.csv", index=False)
    reps = pd.read_csv(source / "reps.csv", dtype=str, keep_default_na=False)
    reps[reps["rep_id"] != GONE].to_csv(folder / "reps.csv", index=False)
    (folder / "iowa_counties.gpkg").write_bytes((source / "iowa_counties.gpkg").read_bytes())
    text = (source / "config.toml").read_text(encoding="utf-8")
    text += f'\n[disruption]\ncurrent = "owner"\nmeasure = "{MEASURE}"\n'
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return folder / "config.toml"


def limited(config: Path, fraction: float) -> Path:
    """Write the configuration beside itself with a limit on moves; return its path."""
    path = config.with_name("limited.toml")
    path.write_text(config.read_text(encoding="utf-8") + f"max_moved = {fraction}\n", encoding="utf-8")
    return path


def rebalance(config: Path, out: Path, *options: str) -> dict[str, Any]:
    """Run ``territory-engine rebalance`` as a user would."""
    command = [sys.executable, "-m", "territory_engine.app", "rebalance", str(config), "--out", str(out), "--replace"]
    run = measured([*command, "--quiet", *options])
    record = json.loads((out / "rebalance.json").read_text()) if (out / "rebalance.json").exists() else {}
    return {"exit": run.exit, "wall_s": run.seconds, "peak_gib": run.peak_gib, "record": record}


def iowa(folder: Path, n_points: int = 8) -> list[dict[str, Any]]:
    """Return rows for the fewest moves, one plan, and the curve."""
    from territory_engine import load
    from territory_engine.rebalancing import rebalance as search

    run_plan(ROOT / "examples" / "iowa" / "config.toml", folder / "year")
    config = without_rep(folder / "june", folder / "year")
    rebalance(config, folder / "warm", "--points", "2")
    curve = rebalance(config, folder / "curve", "--points", str(n_points))
    table = pd.read_csv(folder / "curve" / "tradeoff.csv", index_col="point")
    knee = curve["record"]["shown"]
    one = limited(config, float(table.loc[knee, "max_moved"]))
    plan = run_plan(one, folder / "one")
    problem = load(config)
    began = time.perf_counter()
    found = search(problem, max_moved=[float(table.loc[knee, "max_moved"])])
    alone = time.perf_counter() - began
    began = time.perf_counter()
    search(problem, n_points=n_points)
    together = time.perf_counter() - began
    fewest = found.fewest
    assert fewest is not None
    proof = f"fewest moves: {fewest.found:,.2f} of {MEASURE}, proved at least {fewest.proved:,.2f}"
    return [
        row("iowa without R03, one plan", plan, note=f"at most {table.loc[knee, 'max_moved']:.4%} moves"),
        {
            "instance": f"iowa without R03, {n_points} points",
            "exit": curve["exit"],
            "wall s": round(curve["wall_s"], 1),
            "peak GiB": round(curve["peak_gib"], 2),
            "note": f"{curve['wall_s'] / plan['wall_s']:.2f} × one plan, files to files; {proof}",
        },
        {
            "instance": "the same without files",
            "solve s": round(together, 1),
            "note": f"{together / alone:.2f} × the fewest moves and one point ({alone:.1f} s); gaps"
            f" {table['gap'].min():.4%} to {table['gap'].max():.4%}",
        },
    ]


def bricks(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each configuration of the brick example."""
    return [
        row(f"bricks/{path.stem}", run_plan(path, folder / f"bricks_{path.stem}"))
        for path in sorted((ROOT / "examples" / "bricks").glob("*.toml"))
    ]


def fdic(branches: Path, zips: Path | None, folder: Path) -> list[dict[str, Any]]:
    """Return rows for the whole country: the plan, and the same with a rep gone and few moves allowed."""
    config = fdic_inputs(branches, zips, folder / "fdic", deposits=False)
    year = run_plan(config, folder / "fdic_year")
    accounts = pd.read_csv(folder / "fdic" / "accounts.csv", dtype=str, keep_default_na=False)
    owners = pd.read_csv(folder / "fdic_year" / "assignments.csv", dtype=str, keep_default_na=False)["rep_id"]
    accounts.assign(owner=owners).to_csv(folder / "fdic" / "accounts.csv", index=False)
    reps = pd.read_csv(folder / "fdic" / "reps.csv", dtype=str)
    reps.drop(index=7).to_csv(folder / "fdic" / "reps.csv", index=False)
    text = config.read_text() + '\n[disruption]\ncurrent = "owner"\nmax_moved = 0.01\n'
    config.write_text(text)
    return [
        row("fdic count ±5 %", year),
        row("fdic, one rep gone, at most 1 % moves", run_plan(config, folder / "fdic_june")),
    ]


def main() -> None:
    """Measure, print, and keep the table where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fdic", type=Path)
    parser.add_argument("--zips", type=Path)
    parser.add_argument("--only", nargs="*", default=["iowa", "bricks", "fdic"])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "iowa" in options.only:
            rows += iowa(folder)
        if "bricks" in options.only:
            rows += bricks(folder)
        if "fdic" in options.only and options.fdic:
            rows += fdic(options.fdic, options.zips, folder)
    arguments = " ".join(a if "/" not in a else Path(a).name for a in sys.argv[1:])
    text = (
        f"# Rebalancing\n\n`python -m benchmarks.rebalancing {arguments}`\n\n{machine()};"
        f" {datetime.now(UTC):%Y-%m-%d}.\n\n{markdown(rows)}\n"
    )
    print(text)
    if options.write:
        from territory_engine import __version__

        target = ROOT / "benchmarks" / "results" / f"rebalancing_{__version__}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
