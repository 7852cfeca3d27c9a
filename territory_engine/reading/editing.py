"""A problem whose accounts and reps were edited, checked again as if they had been read from edited files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from territory_engine.config import DATED_LOCKS
from territory_engine.problem import Origin, PlanningProblem, Source
from territory_engine.reading.assembly import Inputs, checked_problem
from territory_engine.reading.known_units import KnownUnits
from territory_engine.reading.settings import check_settings
from territory_engine.reading.tables import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.config import Config
    from territory_engine.reading.numeric import Style


def check_again(
    problem: PlanningProblem,
    *,
    config: Config | None = None,
    accounts: pd.DataFrame | None = None,
    reps: pd.DataFrame | None = None,
    travel_table: pd.DataFrame | None = None,
    rep_rows: dict[str, int] | None = None,
) -> PlanningProblem:
    """Check edited frames as :func:`territory_engine.load` checks files.

    Geographic units stay those of the problem; accounts stay in the unit they were in.

    Parameters
    ----------
    problem : PlanningProblem
        What was edited.
    config : Config, optional
    accounts, reps : DataFrame, optional
        In the form that a problem has them: canonical names, indexed by ID. Accounts may have been left out, but none
        added.
    travel_table : DataFrame, optional
    rep_rows : dict of str to int, optional
        Where findings should say that reps stand who are in no row of the file.

    Returns
    -------
    PlanningProblem
        ``sources`` tell how many records are left of how many read, and ``notices`` what is worth knowing now.

    Raises
    ------
    ConfigError, InputError
        As :func:`territory_engine.load`; findings name files and rows as the planner has them.
    """
    config = problem.config if config is None else config
    accounts = problem.accounts if accounts is None else accounts
    reps = problem.reps if reps is None else reps
    travel_table = problem.travel_table if travel_table is None else travel_table
    if problem.config.locks is not None and problem.config.locks.own is not None:
        # All locks in one column, the ones that hold until a date among them: it is made anew.
        config, accounts = config.as_written(), accounts.drop(columns=DATED_LOCKS, errors="ignore")
    has_reps = config.data.reps is not None or len(problem.reps) > 0
    check_settings(config, "configuration", has_reps=has_reps)
    inputs = Inputs(background=problem.background)
    inputs.accounts = _table(problem, "accounts", accounts, problem.accounts.index)
    if has_reps:
        inputs.reps = _table(problem, "reps", reps, problem.reps.index, rep_rows)
    if config.travel.table is not None and travel_table is not None:
        inputs.travel = _travel_table(problem, travel_table)
    if config.contiguity is not None and problem.units is not None:
        inputs.known_units = KnownUnits(problem.units, problem.accounts.index)
    edited = checked_problem(config, inputs, problem.base_dir)
    rows = {"accounts": len(accounts), "reps": len(reps)}
    return replace(
        edited,
        sources=tuple(_source(source, rows) for source in problem.sources if _is_used(source, config)),
        origins={**problem.origins, **edited.origins},
    )


def _source(source: Source, rows: dict[str, int]) -> Source:
    now = rows.get(source.role, source.rows)
    before = source.rows if source.rows_in_file is None else source.rows_in_file
    return replace(source, rows=now, rows_in_file=before if source.role in rows else None)


def _is_used(source: Source, config: Config) -> bool:
    if source.role in ("units", "adjacency"):
        return config.contiguity is not None
    return source.role != "travel" or config.travel.table is not None


def _table(
    problem: PlanningProblem,
    role: str,
    frame: pd.DataFrame,
    ids_read: pd.Index[str],
    new_rows: dict[str, int] | None = None,
) -> Table:
    """Return a frame as its file would be read: the planner's own names of columns, and their rows."""
    origin = problem.origins.get(role) or _unknown_origin(problem, role, len(ids_read))
    at = ids_read.get_indexer(frame.index)
    rows: NDArray[np.int64] = np.where(at >= 0, origin.rows[at], 0) if len(ids_read) else np.zeros(len(at), np.int64)
    for position in np.flatnonzero(at < 0).tolist():
        rows[position] = (new_rows or {}).get(str(frame.index[position]), 0)
    plain = frame.reset_index()
    # A rule may name a column by the file's own name; then it is there under both, and the file has it once.
    twice = [c for c, own in origin.shown.items() if own not in origin.shown and {c, own} <= set(plain.columns)]
    plain = plain.drop(columns=twice)
    return _named(origin, plain.rename(columns=origin.shown), rows)


def _travel_table(problem: PlanningProblem, frame: pd.DataFrame) -> Table:
    origin = problem.origins.get("travel") or Origin("travel", np.zeros(0, np.int64))
    at = frame.index.to_numpy()
    rows = np.zeros(len(frame), np.int64)
    known = (at >= 0) & (at < len(origin.rows))
    rows[known] = origin.rows[at[known]]
    return _named(origin, frame.reset_index(drop=True).rename(columns=origin.shown), rows)


def _named(origin: Origin, frame: pd.DataFrame, rows: NDArray[np.int64]) -> Table:
    style = cast("Style", origin.style)
    return Table(origin.file, frame, rows, "", decimal_comma=origin.decimal_comma, style=style)


def _unknown_origin(problem: PlanningProblem, role: str, n_records: int) -> Origin:
    """Return how a table stood in a file that is not known any more: its columns had the configured names."""
    names = getattr(problem.config.data.columns, role)
    return Origin(role, np.arange(n_records, dtype=np.int64) + 2, dict(names))
