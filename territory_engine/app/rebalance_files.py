"""What ``territory-engine rebalance`` writes: a plan directory per point, the price curve, and a page."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from territory_engine import __version__
from territory_engine.publishing import DirectoryKind, publishing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from scenarios.history import ParentPlan
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem
    from territory_engine.rebalancing import Rebalancing

REBALANCING = DirectoryKind(
    "rebalancing",
    "rebalance.json",
    frozenset({"rebalance.json", "tradeoff.csv", "rebalance.html", *(f"point-{n:02d}" for n in range(1, 100))}),
)
"""What a rebalancing directory holds."""


def write_rebalancing_directory(
    rebalancing: Rebalancing,
    out: str | Path,
    *,
    parent: ParentPlan | None = None,
    replace: bool = False,
    on_stage: Callable[[str], None] | None = None,
) -> str:
    """Write the points' plan directories, ``tradeoff.csv``, ``rebalance.json`` and ``rebalance.html``.

    Parameters
    ----------
    rebalancing : Rebalancing
        With at least one point.
    out : path
        The directory. It appears whole or not at all.
    parent : ParentPlan, optional
        The plan that was rebalanced: every point is its child.
    replace : bool
        Whether an existing rebalancing directory may be swapped for the new one.
    on_stage : callable, optional
        Told in words what is being written.

    Returns
    -------
    str
        The summary.

    Raises
    ------
    PlanDirectoryError
        ``out`` exists and may not be replaced, or cannot be written.
    """
    from maps.changes.tradeoff import write_rebalancing
    from maps.pages.rep_colours import written_colours
    from scenarios.tradeoff import trade_off_table
    from scenarios.tradeoff_words import chosen_point, summary
    from territory_engine.app.writing import tell_refusal

    stage: Callable[[str], None] = on_stage or (lambda words: None)
    out = Path(out)
    table = trade_off_table(rebalancing)
    points = [
        (problem, plan if parent is None else parent.adopt(problem, plan)) for problem, plan in rebalancing.points
    ]
    try:
        with publishing(out, replace, kind=REBALANCING) as folder:
            stage(f"writing {len(points)} plans")
            _write_points(points, [folder / str(name) for name in table.index])
            stage("drawing what changes")
            before = None if parent is None else (parent.problem, parent.plan)
            chosen = chosen_point(table, rebalancing.asked)
            colours = written_colours(folder / chosen / "territories.geojson")
            write_rebalancing(rebalancing, table, folder / "rebalance.html", before=before, colours=colours)
            table.to_csv(folder / "tradeoff.csv", lineterminator="\n")
            record = _record(rebalancing, table, chosen, parent)
            text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            (folder / "rebalance.json").write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        tell_refusal(error, out)
        raise
    return summary(rebalancing, table)


def _write_points(points: Sequence[tuple[PlanningProblem, Plan]], folders: Sequence[Path]) -> None:
    """Write plan directories side by side, in as many processes as there are cores."""
    workers = min(os.cpu_count() or 1, len(points))
    if workers == 1:
        for (problem, plan), folder in zip(points, folders, strict=True):
            _write(problem, plan, folder)
        return
    # Started afresh rather than forked: OR-Tools and Arrow have threads by now, whose locks a fork would copy as they are.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_signals_to_the_parent) as pool:
        jobs = [pool.submit(_write, *point, folder) for point, folder in zip(points, folders, strict=True)]
        for job in jobs:
            job.result()


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write(problem: PlanningProblem, plan: Plan, folder: Path) -> None:
    from territory_engine.app.writing import write_plan_directory

    write_plan_directory(problem, plan, folder)


def _record(rebalancing: Rebalancing, table: pd.DataFrame, chosen: str, parent: ParentPlan | None) -> dict[str, Any]:
    fewest = rebalancing.fewest
    assert fewest is not None
    scenario = rebalancing.problem.scenario
    return {
        "measure": fewest.measure,
        "fewest_moves": {
            "found": fewest.found,
            "proved": fewest.proved,
            "total": fewest.total,
            "minimal": fewest.minimal,
            "proof": fewest.proof,
        },
        "exceeded_max_moved": rebalancing.exceeded_limit,
        "knee": chosen if bool(table.loc[chosen, "knee"]) else None,
        "shown": chosen,
        "points": [str(name) for name in table.index],
        "parent": None if parent is None else {"path": parent.path, "sha256": parent.sha256},
        "scenario": None if scenario is None else scenario.name,
        "engine_version": __version__,
    }
