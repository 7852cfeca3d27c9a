"""Territory design against what others offer: the same data, one judge, one run, one table.

usage: python -m benchmarks.territory_design [--literature DIR] [--fdic BRANCHES.csv.gz] [--counties COUNTIES.gpkg]
           [--adjacency PAIRS.csv] [--zips ZIPS.csv.gz] [--only PATTERN ...] [--peers NAME ... | none] [--seconds 120]
           [--patience 1800] [--work DIR] [--again NAME ...] [--write]

* Literature: capacitated p-median, generalized assignment, minimum moment of inertia, commercial territory design; a
  few small instances are in ``benchmarks/literature``, which is the default where nothing else is named.
* FDIC: every US bank branch, 300 free centres, and a sample of 10,000 with 100; counts within 5 %.
* Counties: the contiguous US, connected territories; 50 with counts within 5 %, 30 with population within 5 %.

Ours runs from files to files by the command line. Peers (``benchmarks/peers``) run in processes of their own; ``make
peers`` installs them. With ``--work`` every row is kept there and not measured again, so a long run can be resumed;
``--again NAME`` measures a method (or an instance) anew. Writes the table to standard output and, with ``--write``, to
benchmarks/results/. benchmarks/README.md says what each peer is given and why.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.instances import literature_folders, read_instance
from benchmarks.methods import (
    OURS,
    PEERS,
    Terms,
    ask_ours,
    ask_peer,
    engine_version,
    keep,
    kept,
    peers_for,
    physical_memory_gib,
    versions,
)
from benchmarks.open_data import branch_instances, county_instances, write_folder
from benchmarks.running import ROOT, machine, markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.instances import Instance


def instances(options: argparse.Namespace, work: Path) -> Iterator[tuple[Instance, Path]]:
    """Yield every instance that is asked for, with the configuration that our engine reads."""
    if options.literature:
        for folder in literature_folders(options.literature):
            if wanted(f"{folder.parent.name}/{folder.name}", options.only):
                yield read_instance(folder), folder / "config.toml"
    made: list[Instance] = []
    if options.fdic:
        made += branch_instances(options.fdic)
    if options.counties:
        made += county_instances(options.counties, options.adjacency, options.zips)
    for instance in made:
        if wanted(instance.name, options.only):
            yield instance, write_folder(instance, work / instance.name / "input")


def wanted(name: str, patterns: Sequence[str]) -> bool:
    """Return whether an instance is named by a pattern: its family, its name, or both with a slash."""
    family, instance = name.split("/")
    return not patterns or any(fnmatch(part, p) for p in patterns for part in (family, instance, name))


def measure(options: argparse.Namespace, work: Path) -> list[dict[str, Any]]:
    """Return a record for every instance and method: kept ones where they are, else measured."""
    terms = Terms(options.seconds, options.patience, round(0.8 * physical_memory_gib(), 1))
    records = []
    for instance, config in instances(options, work):
        folder = work / instance.name
        folder.mkdir(parents=True, exist_ok=True)
        for method in [OURS, *peers_for(instance, options.peers)]:
            version = f"{OURS} {engine_version()}" if method == OURS else versions(method)
            path = folder / f"{method}.record.json"
            again = any(fnmatch(part, p) for p in options.again for part in (method, instance.family, instance.name))
            record = None if again else kept(path, version, terms)
            if record is None:
                print(f"{instance.name}: {method} …", file=sys.stderr, flush=True)
                if method == OURS:
                    record = ask_ours(instance, config, terms, folder)
                else:
                    record = ask_peer(method, instance, terms, folder)
                keep(path, record, terms)
                print(f"    {record['outcome']}: {record['note']}", file=sys.stderr, flush=True)
            records.append({**record, "best_known": [instance.best_known, instance.status]})
    return records


def table(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records as rows to print; where nobody has published a best value, the best of this run stands."""
    here: dict[str, float] = {}
    for r in records:
        if r["outcome"] == "answer" and r["feasible"]:
            here[r["instance"]] = min(r["objective"], here.get(r["instance"], float("inf")))
    return [row(r, here.get(r["instance"])) for r in records]


def row(record: dict[str, Any], best_here: float | None) -> dict[str, Any]:
    """Return one row of the table."""
    published, status = record["best_known"]
    best = best_here if published is None else published
    answered, feasible = record["outcome"] == "answer", None
    known = gap = None
    if status == "infeasible":
        known = "infeasible"
    elif best is not None:
        known = f"{best:,.2f}" + (" (this run)" if published is None else "")
        gap = f"{100 * (record['objective'] / best - 1):.2f}" if answered else None
    if answered:
        feasible = "yes" if record["feasible"] else "no"
    elif record["outcome"] == "infeasible":
        feasible = "proved infeasible"
    notes = [record["note"], *record.get("warnings", [])]
    if record["outcome"] == "infeasible" and status != "infeasible" and best is not None:
        notes.append("wrong: a plan exists")
    broken = record.get("violations") or []
    if broken:
        notes.append(f"{broken[0]}{f' and {len(broken) - 1} more' if len(broken) > 1 else ''}")
    method, version = record["method"], record["version"]
    return {
        "instance": record["instance"],
        "method": version if method in version else f"{method} ({version})",
        "objective": number(record.get("objective"), 4),
        "mean distance": number(record.get("mean_distance"), 4),
        "best known": known,
        "gap to best known %": gap,
        "worst deviation": deviation(record.get("deviation") or {}),
        "extra pieces": record.get("extra_pieces"),
        "feasible": feasible,
        "seconds": number(record.get("seconds"), 1),
        "peak GiB": number(record.get("peak_gib"), 2),
        "proved gap %": None if record.get("proved_gap") is None else round(100 * record["proved_gap"], 3),
        "note": "; ".join(n for n in notes if n),
    }


def number(value: float | None, digits: int) -> float | None:
    """Return a rounded number, or None."""
    return None if value is None else round(value, digits)


def deviation(worst: dict[str, float]) -> str | None:
    """Return the worst deviation of the worst measure, in percent."""
    if not worst:
        return None
    measure = max(worst, key=lambda m: worst[m])
    return f"{100 * worst[measure]:+.2f} %" + (f" ({measure})" if len(worst) > 1 else "")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; unknown peers are refused with their names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--literature", "--fdic", "--counties", "--adjacency", "--zips", "--work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=[*PEERS, "none"])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--patience", type=float, default=1800.0)
    parser.add_argument("--again", nargs="*", default=[])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(argv)
    options.peers = [name for name in PEERS if name in options.peers]
    if not (options.literature or options.fdic or options.counties):
        options.literature = ROOT / "benchmarks" / "literature"
    return options


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(argv)
    with tempfile.TemporaryDirectory() as temporary:
        records = measure(options, options.work or Path(temporary))
    words = " ".join(Path(a).name if "/" in a else a for a in (sys.argv[1:] if argv is None else argv))
    text = (
        f"# Territory design, {engine_version()}\n\n`python -m benchmarks.territory_design {words}`\n\n{machine()};"
        f" {datetime.now(UTC):%Y-%m-%d}. {options.seconds:g} s for every method that can be told a limit.\n\n"
        f"{markdown(table(records))}\n\n"
        "Every answer is judged by benchmarks/scoring.py, which shares no code with the engine; benchmarks/README.md says"
        " what each peer is given. The gap of an answer that breaks rules compares with plans that keep them.\n"
    )
    print(text)
    if options.write:
        target = ROOT / "benchmarks" / "results" / f"territory_design_{engine_version()}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
