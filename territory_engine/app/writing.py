"""Everything a planner opens, written into one directory that appears whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solvers.chunks import threads
from territory_engine.errors import PlanDirectoryError

if TYPE_CHECKING:
    import pandas as pd

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

# Below this many accounts the workbook takes less time than starting a process to write it.
WORKBOOK_PROCESS_FROM = 10_000

# What a file system says when it will not take a plan; any other OSError is a fault of ours and stays one.
_REFUSALS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}

CANNOT_WRITE = 74  # exit status of the workbook's process when the file system refuses (EX_IOERR)


def write_plan_directory(
    problem: PlanningProblem,
    plan: Plan,
    out: str | Path,
    *,
    replace: bool = False,
    on_stage: Callable[[str], None] | None = None,
    run: dict[str, Any] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Path:
    """Write the plan directory: tables, ``plan.json``, inputs, move list, shapes, map, report and workbook.

    An infeasible plan has no assignments: it gets ``plan.json``, the inputs and the report.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
        A plan of this problem.
    out : path
        The directory. It appears whole or not at all.
    replace : bool
        Whether an existing plan directory may be swapped for the new one.
    on_stage : callable, optional
        Told in words what is being written.
    run : dict, optional
        Which run of a file of scenarios made it; goes into ``plan.json``.
    colours : mapping, optional
        Colours that territories are to keep, by territory; by default those of the plan that this one is made from.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    PlanDirectoryError
        ``out`` exists and may not be replaced, or cannot be written.
    """
    from territory_engine.plan_directory import seal, write_plan_files
    from territory_engine.publishing import publishing

    stage: Callable[[str], None] = on_stage or (lambda words: None)
    out = Path(out)
    try:
        with publishing(out, replace) as folder:
            if plan.status == "infeasible":
                from maps import write_report

                write_plan_files(problem, plan, folder, run=run)
                write_report(problem, plan, folder / "report.html")
                seal(folder)
                return out
            moves = _listed_moves(problem, plan, folder / "moves.csv", stage)
            with _writing_workbook(problem, plan, moves, folder / "plan.xlsx"):
                stage("writing the tables and the inputs")
                write_plan_files(problem, plan, folder, run=run)
                stage("drawing the territories")
                # Imported here: a second of work that the workbook's process need not wait for.
                from maps import territory_shapes, write_geojson, write_map, write_report
                from maps.pages.rep_colours import written_colours

                if colours is None and plan.parent is not None:
                    colours = written_colours(Path(plan.parent["path"]) / "territories.geojson")
                shapes = territory_shapes(problem, plan, colours=colours)
                write_geojson(shapes, folder / "territories.geojson")
                stage("drawing the map")
                write_map(problem, plan, folder / "map.html", shapes=shapes)
                stage("writing the report")
                write_report(problem, plan, folder / "report.html", moves=moves, shapes=shapes)
                stage("finishing the workbook")
            seal(folder)
    except OSError as error:
        tell_refusal(error, out)
        raise
    return out


def tell_refusal(error: OSError, out: Path) -> None:
    """Say that a directory cannot be written, where that is what the file system said; otherwise do nothing.

    Raises
    ------
    PlanDirectoryError
        No room, no permission, a name too long, and the like.
    """
    if error.errno in _REFUSALS:
        raise PlanDirectoryError(
            f"{out}: the directory cannot be written: {error.strerror}. Remedy: choose another --out, or make room"
        ) from error


def _listed_moves(
    problem: PlanningProblem, plan: Plan, path: Path, stage: Callable[[str], None]
) -> pd.DataFrame | None:
    """Write the move list and return it; None where nothing says who has the accounts today."""
    from scenarios.move_list import lists_moves, ordered_moves, write_moves

    if not lists_moves(problem, plan):
        return None
    stage("ordering the moves")
    moves = ordered_moves(problem, plan)
    write_moves(moves, path)
    return moves


@contextmanager
def _writing_workbook(problem: PlanningProblem, plan: Plan, moves: pd.DataFrame | None, path: Path) -> Iterator[None]:
    """Write the workbook beside whatever the body does, and be done with it when the body is.

    A large workbook takes as long as all the other files together and is pure Python, so it has a process of its own.
    That process is started afresh rather than forked: by now this one has threads of OR-Tools and Arrow, whose locks a
    fork would copy in whatever state they are. The plan goes to it through a pipe, so nothing is written twice.
    """
    # Where other processes keep the other cores busy, one more would only add the work of starting it.
    alone = len(plan.assignments) < WORKBOOK_PROCESS_FROM or threads() == 1
    if alone or not sys.executable or getattr(sys, "frozen", False):
        from territory_engine.workbook import write_workbook

        yield
        write_workbook(problem, plan, path, moves=moves)
        return

    command = [sys.executable, "-P", "-m", "territory_engine.app.workbook_process", str(path.resolve())]
    # The child must find the very packages that are running here, however they came to be importable.
    search_path = os.pathsep.join(str(Path(entry or ".").resolve()) for entry in sys.path)
    environment = {**os.environ, "PYTHONPATH": search_path}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as child:
        try:
            _send(problem, plan, moves, child)
            yield
            # stdin is closed already; communicate would try to flush it.
            child.stdin = None
            _, complaint = child.communicate()
        except BaseException:
            child.kill()
            raise
    _raise_for(child.returncode, complaint.decode(errors="replace").strip(), path)


def _send(problem: PlanningProblem, plan: Plan, moves: pd.DataFrame | None, child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None  # opened as a pipe
    # The background is for the map alone, and reading it would make the child import geopandas.
    try:
        with child.stdin as pipe:
            message = (dataclasses.replace(problem, background=None), plan, moves)
            pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    except BrokenPipeError:
        # The child died while reading: its own complaint says more than the pipe does.
        return


def _raise_for(status: int, complaint: str, path: Path) -> None:
    if status == 0:
        return
    last_line = complaint.splitlines()[-1] if complaint else f"the process ended with status {status}"
    if status == CANNOT_WRITE:
        raise PlanDirectoryError(f"{path.name} cannot be written: {last_line}")
    raise RuntimeError(f"{path.name} was not written: {last_line}\n{complaint}")
