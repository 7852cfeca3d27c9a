"""A plan as a directory: written whole or not at all, complete, and read back exactly.

The files and their columns are public API. Numbers are written so that reading gives the same double back, and the
tables are the same bytes for the same plan; only ``plan.json`` holds when it was written and how long the solve took.

Spreadsheets run text that begins with ``=``, ``+``, ``-``, ``@`` or a tab as a formula. The one free-text column,
``reason``, is guarded: such a sentence (or one that begins with an apostrophe) gets an apostrophe in front, which
:func:`read_plan` takes off. IDs are never touched, whatever they begin with: they are keys, and a key changed on the
way to a CRM or to the audit is a worse accident than a formula in a file that names the planner's own accounts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from territory_engine import __version__
from territory_engine.config import Config
from territory_engine.errors import PlanDirectoryError
from territory_engine.geography.storage import PAIRS, UNITS, read_units, unit_files, write_units
from territory_engine.plan import ASSIGNMENT_COLUMNS, CENTRE_ID, Plan
from territory_engine.problem import PlanningProblem, ScenarioRecord, Source
from territory_engine.publishing import check_destination, publishing

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = [
    "changed_files",
    "check_destination",
    "guarded",
    "intact_record",
    "publishing",
    "read_plan",
    "read_record",
    "seal",
    "write_plan_files",
]

_STORED = {
    "accounts": "inputs/accounts.parquet",
    "reps": "inputs/reps.parquet",
    "travel": "inputs/travel.parquet",
    "units": UNITS,
    "adjacency": PAIRS,
    "background": "inputs/background.gpkg",
    "config": "inputs/config.toml",
}
_UNITS, _MULTIPLIERS = "units.csv", "multipliers.csv"
_FORMULA = ("=", "+", "-", "@", "\t", "'")


def write_plan_files(
    problem: PlanningProblem, plan: Plan, folder: str | Path, *, run: dict[str, Any] | None = None
) -> None:
    """Write ``assignments.csv``, ``territories.csv``, ``plan.json`` and ``inputs/`` into an existing folder.

    An infeasible plan has no assignments: then only ``plan.json``, with the conflict and the prices that prove it,
    and ``inputs/`` are written.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    folder : path
        Usually the temporary folder that :func:`publishing` yields.
    run : dict, optional
        Which run of a file of scenarios made it, for ``plan.json``: ``name``, ``parents``, ``digest``.

    Raises
    ------
    PlanDirectoryError
        The folder cannot be written to.
    """
    folder = Path(folder)
    try:
        (folder / "inputs").mkdir(parents=True, exist_ok=True)
        written = _write_inputs(problem, folder)
        if plan.status != "infeasible":
            written = [*_write_tables(plan, folder), *written]
        record = plan.to_dict()
        record |= {
            "config": problem.config.model_dump(mode="json", exclude_none=True),
            "inputs": [_input(source, written) for source in problem.sources],
            **({"scenario": asdict(problem.scenario)} if problem.scenario is not None else {}),
            "data_notices": list(problem.notices),
            "files": {name: _sha256(folder / name) for name in written},
            "engine_version": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        if run is not None:
            record["run"] = run
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / "plan.json").write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise PlanDirectoryError(f"{folder}: the plan cannot be written ({error.strerror or error})") from error


def seal(folder: str | Path) -> None:
    """Add to ``plan.json`` the SHA-256 of every file that was put beside it since: the map, the report, the workbook."""
    folder = Path(folder)
    path = folder / "plan.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    others = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != "plan.json")
    record["files"] |= {name: _sha256(folder / name) for name in others if name not in record["files"]}
    path.write_text(
        json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8", newline="\n"
    )


def read_plan(folder: str | Path) -> tuple[PlanningProblem, Plan]:
    """Read a plan directory back: the problem as it was solved, and the plan.

    Everything comes back as it was written, except ``problem.base_dir``, which is the plan's own ``inputs`` folder:
    a plan directory may have been moved or mailed, and the original files are not needed.

    Parameters
    ----------
    folder : path

    Returns
    -------
    problem : PlanningProblem
    plan : Plan

    Raises
    ------
    PlanDirectoryError
        The folder is no plan directory, files are missing or unreadable, or a file was edited after it was written.
        Every such file is listed.
    """
    folder = Path(folder)
    record = read_record(folder)
    try:
        _check_files(folder, record)
        config = Config.model_validate_json(json.dumps(record["config"]))
        accounts = pd.read_parquet(folder / _STORED["accounts"])
        units = None
        if config.contiguity is not None:
            _check_recorded(folder, record, unit_files(config.contiguity.kind))
            units = read_units(folder, config.contiguity.kind, accounts.index, _axes(config))
        problem = PlanningProblem(
            config=config,
            accounts=accounts,
            reps=pd.read_parquet(folder / _STORED["reps"]),
            travel_table=_read_if_stored(folder, record, "travel"),
            background=_read_background(folder, record),
            sources=tuple(
                Source(s["role"], s["path"], s["sha256"], s["rows"], s.get("rows_in_file")) for s in record["inputs"]
            ),
            notices=tuple(record["data_notices"]),
            base_dir=folder / "inputs",
            units=units,
            scenario=ScenarioRecord(**record["scenario"]) if record.get("scenario") is not None else None,
        )
        if record["status"] == "infeasible":
            return problem, Plan.from_dict(record)
        assignments, territories = _read_tables(folder)
        designed: dict[str, Any] = {}
        if _UNITS in record["files"]:
            designed["units"] = _read_table(folder, _UNITS).astype({"accounts": np.int64})
        if _MULTIPLIERS in record["files"]:
            told = _read_table(folder, _MULTIPLIERS)["multiplier"]
            designed["multipliers"] = pd.Series(_floats(told), index=told.index, name="multiplier")
        return problem, Plan.from_dict(record, assignments, territories, **designed)
    except KeyError as error:
        raise PlanDirectoryError(f"{folder / 'plan.json'}: the key {error} is missing. {_REMEDY}") from error
    except (ValueError, TypeError, AttributeError, OSError) as error:
        # pydantic's, pandas' and Arrow's own errors derive from these.
        raise PlanDirectoryError(f"{folder}: the plan cannot be read ({error}). {_REMEDY}") from error


def intact_record(folder: str | Path) -> dict[str, Any]:
    """Return what ``plan.json`` says, once every file that it vouches for is there as it was written.

    Raises
    ------
    PlanDirectoryError
        The folder is no plan directory, or a file is missing or was edited.
    """
    folder = Path(folder)
    record = read_record(folder)
    try:
        _check_files(folder, record)
    except (KeyError, TypeError, AttributeError) as error:
        raise PlanDirectoryError(f"{folder / 'plan.json'}: not the record of a plan ({error}). {_REMEDY}") from error
    return record


_REMEDY = "Remedy: plan again, or restore the directory from where it was copied"


def _input(source: Source, written: list[str]) -> dict[str, Any]:
    told = {"role": source.role, "path": source.path, "sha256": source.sha256, "rows": source.rows}
    if source.rows_in_file is not None:
        told["rows_in_file"] = source.rows_in_file
    return {**told, "stored": _stored(source.role, written)}


def _stored(role: str, written: list[str]) -> str | None:
    name = _STORED.get(role)
    return name if name in written else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_inputs(problem: PlanningProblem, folder: Path) -> list[str]:
    """Write the inputs as they were read; returns the names written, relative to `folder`."""
    frames = {"accounts": problem.accounts, "reps": problem.reps, "travel": problem.travel_table}
    written = []
    for role, frame in frames.items():
        if frame is not None:
            _storable(frame).to_parquet(folder / _STORED[role])
            written.append(_STORED[role])
    if problem.background is not None:
        # A background column of the planner's may be called "fid"; GeoPackage's own key must not clash with it.
        problem.background.to_file(
            folder / _STORED["background"], driver="GPKG", layer="background", FID="territory_engine_fid"
        )
        written.append(_STORED["background"])
    if problem.units is not None:
        written += write_units(problem.units, folder, problem.accounts.index, _axes(problem.config))
    for source in problem.sources:
        original = problem.base_dir / source.path
        if source.role == "config" and original.is_file() and _sha256(original) == source.sha256:
            shutil.copyfile(original, folder / _STORED["config"])
            written.append(_STORED["config"])
    return written


def _axes(config: Config) -> tuple[str, str]:
    return ("x", "y") if config.travel.metric == "euclidean" else ("latitude", "longitude")


def _storable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with columns of mixed Python objects as text; Parquet holds one type per column."""
    mixed = {
        column: frame[column].map(lambda value: "" if value is None or value is pd.NA else str(value))
        for column in frame.columns
        if frame[column].dtype == object and pd.api.types.infer_dtype(frame[column], skipna=False) != "string"
    }
    return frame.assign(**mixed) if mixed else frame


def guarded(text: pd.Series[Any]) -> pd.Series[str]:
    """Return free text as a CSV file may hold it: on one line, and never a spreadsheet's formula."""
    # A stray line break would make two rows of a sentence in naive readers.
    line = text.astype("str").str.replace(r"[\r\n]+", " ", regex=True)
    return line.where(~line.str.startswith(_FORMULA), "'" + line)


def _write_tables(plan: Plan, folder: Path) -> list[str]:
    """Write the plan's tables; returns the names written."""
    moved = np.where(plan.assignments["moved"].to_numpy(np.bool_), "true", "false")
    reason = guarded(plan.assignments["reason"])
    assignments = plan.assignments[list(ASSIGNMENT_COLUMNS)].assign(moved=moved, reason=reason)
    assignments.to_csv(folder / "assignments.csv", index_label="account_id", lineterminator="\n")
    plan.territories.to_csv(folder / "territories.csv", index_label="territory_id", lineterminator="\n")
    written = ["assignments.csv", "territories.csv"]
    if plan.units is not None:
        plan.units.to_csv(folder / _UNITS, index_label="unit_id", lineterminator="\n")
        written.append(_UNITS)
    if plan.multipliers is not None:
        plan.multipliers.to_frame().to_csv(
            folder / _MULTIPLIERS, index_label=str(plan.multipliers.index.name), lineterminator="\n"
        )
        written.append(_MULTIPLIERS)
    return written


def _read_table(folder: Path, name: str) -> pd.DataFrame:
    """Return a table as text, indexed by its first column."""
    # Not index_col: some versions of pandas make numbers of an index of digits, and leading zeros are lost.
    table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    return table.set_index(str(table.columns[0]))


def _read_tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    assignments = _read_table(folder, "assignments.csv")
    reason = assignments["reason"]
    assignments = assignments.assign(
        travel=_floats(assignments["travel"]),
        moved=(assignments["moved"] == "true").to_numpy(np.bool_),
        reason=reason.where(~reason.str.startswith("'"), reason.str.slice(1)),
    )
    territories = _read_table(folder, "territories.csv")
    numbers = {c: _floats(territories[c]) for c in territories.columns if c not in {"rep_id", CENTRE_ID}}
    return assignments, territories.assign(**numbers).astype({"accounts": np.int64})


def _floats(text: pd.Series[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the doubles that were written, to the last bit; a blank is NaN."""
    return np.array([float(cell) if cell else np.nan for cell in text], dtype=np.float64)


def read_record(folder: str | Path) -> dict[str, Any]:
    """Return a plan directory's ``plan.json``; the files it vouches for are not looked at.

    Raises
    ------
    PlanDirectoryError
        The folder is no plan directory, or ``plan.json`` is no JSON object.
    """
    folder = Path(folder)
    path = folder / "plan.json"
    if not path.is_file():
        if not folder.exists():
            raise PlanDirectoryError(f"{folder}: there is no such directory. Remedy: check the path.")
        inside = sorted(p.parent.name for p in folder.glob("*/plan.json"))
        if inside:
            # What `rebalance` and `scenarios run` write holds plans, but is none.
            raise PlanDirectoryError(
                f"{folder}: not a plan directory, but {len(inside)} lie in it. Remedy: name one, such as"
                f" {folder / inside[len(inside) // 2]}"
            )
        raise PlanDirectoryError(f"{folder}: not a plan directory, there is no plan.json in it. {_REMEDY}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise PlanDirectoryError(f"{path}: not readable as JSON ({error}). {_REMEDY}") from error
    if not isinstance(record, dict):
        raise PlanDirectoryError(f"{path}: found {type(record).__name__}, allowed: a JSON object. {_REMEDY}")
    return record


def _check_recorded(folder: Path, record: dict[str, Any], required: list[str]) -> None:
    """Make sure that files which must be there were recorded; that those recorded are intact is checked before."""
    missing = [f"{name}: no SHA-256 in plan.json" for name in required if name not in record["files"]]
    if missing:
        raise PlanDirectoryError(f"{folder}: {'; '.join(missing)}. {_REMEDY}")


def _check_files(folder: Path, record: dict[str, Any]) -> None:
    files = record["files"]
    tables = [] if record["status"] == "infeasible" else ["assignments.csv", "territories.csv"]
    required = [*tables, _STORED["accounts"], _STORED["reps"]]
    wrong = [f"{name}: no SHA-256 in plan.json" for name in required if name not in files]
    wrong += changed_files(folder, record)
    if wrong:
        raise PlanDirectoryError(f"{folder}: {'; '.join(wrong)}. {_REMEDY}")


def changed_files(folder: str | Path, record: dict[str, Any]) -> list[str]:
    """Return what is wrong with the files that ``plan.json`` vouches for, one line each: missing, or changed since."""
    folder, files, wrong = Path(folder), record.get("files"), []
    if not isinstance(files, dict):
        return ["plan.json: the key 'files' is missing"]
    for name, expected in files.items():
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts:
            wrong.append(f"{name}: lies outside the plan directory")
        elif not (folder / name).is_file():
            wrong.append(f"{name}: missing")
        elif _sha256(folder / name) != expected:
            wrong.append(f"{name}: changed since the plan was written (its SHA-256 does not match plan.json)")
    return wrong


def _read_if_stored(folder: Path, record: dict[str, Any], role: str) -> pd.DataFrame | None:
    return pd.read_parquet(folder / _STORED[role]) if _STORED[role] in record["files"] else None


def _read_background(folder: Path, record: dict[str, Any]) -> gpd.GeoDataFrame | None:
    if _STORED["background"] not in record["files"]:
        return None
    import geopandas as gpd

    return cast("gpd.GeoDataFrame", gpd.read_file(folder / _STORED["background"]))
