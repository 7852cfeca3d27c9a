"""An audit: every number of a plan recomputed from its own directory, without any solver.

It needs nothing but the plan directory: the inputs as they were read, the configuration and the prices. It shares no
code with what made the plan. What it proves, it proves for anyone: the rules hold, the objective is what it says, and
no plan that keeps the rules can be better than the bound.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from territory_engine.auditing.checks import (
    Check,
    StoredPlan,
    check_assignments,
    check_identities,
    check_totals,
    numeric,
)
from territory_engine.auditing.configuration import check_configuration, malformed
from territory_engine.auditing.disruption import check_disruption
from territory_engine.auditing.districts import check_centres, check_pieces, check_units
from territory_engine.auditing.edited_inputs import check_edited_inputs
from territory_engine.auditing.moves import COLUMNS as MOVE_COLUMNS
from territory_engine.auditing.moves import check_moves
from territory_engine.auditing.proof import check_infeasibility, check_proof
from territory_engine.auditing.rules import StoredProblem
from territory_engine.auditing.stored_units import StoredCentres, StoredUnits
from territory_engine.auditing.unit_layer import check_unit_layer, kind_of
from territory_engine.errors import PlanDirectoryError

__all__ = ["AuditReport", "Check", "audit"]

_INPUTS = ("inputs/accounts.parquet", "inputs/reps.parquet")
_TRAVEL = "inputs/travel.parquet"
_UNITS_GEOMETRY, _UNITS = "inputs/units.gpkg", "inputs/units.parquet"
_PAIRS, _MEMBERS = "inputs/unit_pairs.parquet", "inputs/unit_members.parquet"
_TABLES = {
    "assignments.csv": ["account_id", "territory_id", "rep_id", "travel", "previous_rep_id", "moved", "reason"],
    "territories.csv": ["territory_id", "rep_id", "accounts", "travel"],
}
_COLUMNS = {
    **_TABLES,
    "units.csv": ["unit_id", "territory_id", "accounts"],
    "multipliers.csv": ["multiplier"],
    "moves.csv": MOVE_COLUMNS,
}
_REMEDY = "Remedy: plan again, or restore the directory from where it was copied"


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes
    ----------
    folder : str
        The plan directory.
    checks : tuple of Check
        Every check that was made, passed or not.
    """

    folder: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.ok)

    def summary(self) -> str:
        """Return the verdict and one line per check, as plain text."""
        verdict = "passed" if self.passed else f"FAILED in {len(self.failed)}"
        width = max((len(check.name) for check in self.checks), default=0)
        lines = [f"Audit of {self.folder}: {verdict} of {len(self.checks)} checks."]
        if self.passed:
            lines = [f"Audit of {self.folder}: all {len(self.checks)} checks passed."]
        lines += [f"  {'ok  ' if c.ok else 'FAIL'}  {c.name.ljust(width)}  {c.message}" for c in self.checks]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the report in types that JSON knows."""
        return {"folder": self.folder, "passed": self.passed, "checks": [_json(asdict(c)) for c in self.checks]}

    def __str__(self) -> str:
        return self.summary()


def audit(folder: str | Path) -> AuditReport:
    """Recheck a plan from its inputs and prices: every rule, every total, the objective, the bound and the files.

    Numbers agree within 1e-6 of the recomputed value; small ones within 1e-6 of what numbers of their kind are like in
    the plan, or of 1 where that is less.

    Parameters
    ----------
    folder : path
        A plan directory.

    Returns
    -------
    AuditReport
        ``passed`` is False if a single number is off.

    Raises
    ------
    PlanDirectoryError
        The folder is no plan directory, or so much is missing that nothing can be checked. A file that was merely
        edited is a failed check instead.
    """
    folder = Path(folder)
    try:
        # Numbers that overflow are seen by what they make: no bound or sum that is not finite passes.
        with np.errstate(over="ignore", invalid="ignore"):
            return _audited(folder)
    except (PlanDirectoryError, MemoryError):
        raise
    except Exception as error:
        # Whatever was written into the directory, and whichever reader it upset, the answer is about the directory.
        raise PlanDirectoryError(
            f"{folder}: plan.json and inputs/ do not fit together ({type(error).__name__}: {error}). {_REMEDY}"
        ) from error


def _audited(folder: Path) -> AuditReport:
    record = _read_json(folder)
    infeasible = record.get("status") == "infeasible"
    stored = _read_problem(folder, record)
    checks = [_check_files(folder, record, stored), *check_edited_inputs(stored, record)]
    checks.append(check_configuration(stored, record))
    if not checks[-1].ok:
        return AuditReport(str(folder), tuple(checks))
    if stored.units is not None:
        checks += check_unit_layer(stored, stored.units)
    if infeasible:
        checks += check_infeasibility(stored, record)
        return AuditReport(str(folder), tuple(checks))
    assignments, territories = (_read_table(folder, name) for name in _TABLES)
    identities, rep = check_identities(stored, assignments, territories)
    checks += identities
    if rep is None:
        checks.append(Check("totals", False, "not recomputed, because accounts and reps do not match (above)"))
    else:
        plan = StoredPlan(record, assignments, territories, rep)
        checks += check_assignments(stored, plan)
        checks += check_totals(stored, plan)
        checks += check_disruption(stored, plan)
        design, unit_territory = _check_design(folder, stored, plan)
        checks += design
        if "moves.csv" in record["files"] or (folder / "moves.csv").is_file():
            checks += check_moves(stored, plan, _read_table(folder, "moves.csv").reset_index(), unit_territory)
    checks += check_proof(stored, record, _read_multipliers(folder, stored, record))
    return AuditReport(str(folder), tuple(checks))


def _check_design(
    folder: Path, stored: StoredProblem, plan: StoredPlan
) -> tuple[list[Check], np.ndarray[Any, np.dtype[np.intp]] | None]:
    """Check units, pieces and centres, where there are any; also return the position of each unit's territory."""
    checks: list[Check] = []
    unit_territory = None
    ids = stored.reps.index
    if stored.units is not None:
        told = _read_table(folder, "units.csv")
        found, unit_territory = check_units(stored.units, told, plan.rep, ids)
        checks += found
        if unit_territory is not None:
            checks.append(check_pieces(stored.units, unit_territory, ids))
    if stored.centres is not None:
        if stored.units is None:
            candidates, places, territory = stored.accounts.index, stored.account_places, plan.rep
        else:
            candidates, places = stored.units.ids, stored.units.places
            territory = unit_territory if unit_territory is not None else np.full(len(candidates), -1)
        placed = stored.travel_table is None
        # With a travel table accounts and units may have places, but travel does not start from them.
        places = places if placed else np.full((len(candidates), 2), np.nan)
        told_places = stored.centres.places
        checks += check_centres(stored.centres.ids, told_places, candidates, places, territory, ids, placed=placed)
    return checks, unit_territory


def _read_multipliers(
    folder: Path, stored: StoredProblem, record: dict[str, Any]
) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return what serving each account or unit is said to be worth, in the order of the inputs; None where nothing is."""
    if stored.centres is None or "multipliers.csv" not in record["files"]:
        return None
    told = _read_table(folder, "multipliers.csv")["multiplier"]
    names = stored.accounts.index if stored.units is None else stored.units.ids
    if len(told) != len(names) or not (told.index == names).all():
        raise PlanDirectoryError(f"{folder / 'multipliers.csv'}: is not a row for each account or unit. {_REMEDY}")
    return numeric(told)


def _read_json(folder: Path) -> dict[str, Any]:
    path = folder / "plan.json"
    if not path.is_file():
        if not folder.exists():
            raise PlanDirectoryError(f"{folder}: there is no such directory. Remedy: check the path.")
        raise PlanDirectoryError(f"{folder}: not a plan directory, there is no plan.json in it. {_REMEDY}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise PlanDirectoryError(f"{path}: not readable as JSON ({error}). {_REMEDY}") from error
    if not isinstance(record, dict):
        raise PlanDirectoryError(f"{path}: found {type(record).__name__}, allowed: a JSON object. {_REMEDY}")
    wanted = {"status": str, "config": dict, "files": dict, "inputs": list, "proof": dict}
    wrong = [f"{key!r} is missing or not what it should be" for key, kind in wanted.items()
             if not isinstance(record.get(key), kind)]  # fmt: skip
    if str(record.get("status")) not in {"optimal", "feasible", "infeasible"}:
        wrong.append(f"status is {record.get('status')!r}; allowed: optimal, feasible, infeasible")
    if wrong:
        raise PlanDirectoryError(f"{path}: {'; '.join(wrong)}. {_REMEDY}")
    return record


def _read_problem(folder: Path, record: dict[str, Any]) -> StoredProblem:
    config = record["config"]
    wrong = malformed(config)
    if wrong:
        raise PlanDirectoryError(f"{folder / 'plan.json'}: config: {'; '.join(wrong)}. {_REMEDY}")
    with_table = bool((config.get("travel") or {}).get("table"))
    accounts, reps = (_read_parquet(folder, name) for name in _INPUTS)
    travel = _read_parquet(folder, _TRAVEL) if with_table else None
    metric = (config.get("travel") or {}).get("metric")
    axes = ["x", "y"] if metric == "euclidean" else ["latitude", "longitude"]
    units = _read_units(folder, config["contiguity"], accounts, axes) if config.get("contiguity") is not None else None
    territories = config.get("territories") or {}
    with_reps = bool((config.get("data") or {}).get("reps")) or len(reps) > 0
    centres = None
    if territories.get("centers") == "free":
        count, most = territories.get("count") or len(reps), len(accounts if units is None else units.ids)
        if record["status"] == "infeasible":
            if count > most:
                raise PlanDirectoryError(
                    f"{folder / 'plan.json'}: config: territories.count: found {count}, allowed: at most {most}. {_REMEDY}"
                )
            digits = max(2, len(str(count)))
            ids = pd.Index([f"T{number:0{digits}d}" for number in range(1, count + 1)], dtype=str)
        else:
            told = _read_table(folder, "territories.csv")
            ids, centres = told.index, _read_centres(folder, told, [f"center_{axis}" for axis in axes])
        if not with_reps:
            reps = pd.DataFrame(index=pd.Index(ids, name="rep_id"))
    return StoredProblem(config, accounts, reps, travel, units, centres, with_reps)


def _read_parquet(folder: Path, name: str) -> pd.DataFrame:
    try:
        return pd.read_parquet(folder / name)
    except Exception as error:  # a damaged file raises whatever the reader stumbles over
        raise _unreadable(folder, name, error) from error


def _unreadable(folder: Path, name: str, error: Exception) -> PlanDirectoryError:
    return PlanDirectoryError(f"{folder / name}: cannot be read ({type(error).__name__}: {error}). {_REMEDY}")


def _read_units(folder: Path, contiguity: dict[str, Any], accounts: pd.DataFrame, axes: list[str]) -> StoredUnits:
    pairs, members = _read_parquet(folder, _PAIRS), _read_parquet(folder, _MEMBERS)
    kind = kind_of(contiguity)
    units, outlines = _read_parquet(folder, _UNITS) if kind == "pairs" else _read_outlined(folder), None
    if kind != "pairs":
        outlines = np.array(units.geometry.to_numpy(), dtype=object)
    ids = pd.Index(units["unit_id"].astype(str))
    of = members.set_index("account_id")["unit_id"]
    if not of.index.is_unique or not accounts.index.isin(of.index).all():
        raise PlanDirectoryError(f"{folder / _MEMBERS}: does not list every account once. {_REMEDY}")
    ends = np.column_stack([ids.get_indexer(pd.Index(pairs[end])) for end in ("unit_a", "unit_b")])
    unit_of = ids.get_indexer(pd.Index(of.loc[accounts.index]))
    if (ends < 0).any() or (unit_of < 0).any() or not ids.is_unique:
        raise PlanDirectoryError(f"{folder / 'inputs'}: units, their pairs and their accounts do not fit. {_REMEDY}")
    places, joined = units[axes].to_numpy(np.float64), pairs["joined"].to_numpy(np.bool_)
    return StoredUnits(ids, ends, np.asarray(unit_of), places, joined, kind, outlines)


def _read_outlined(folder: Path) -> Any:
    import geopandas as gpd

    try:
        return gpd.read_file(folder / _UNITS_GEOMETRY, layer="units")
    except Exception as error:  # a damaged file raises whatever the reader stumbles over
        raise _unreadable(folder, _UNITS_GEOMETRY, error) from error


def _read_centres(folder: Path, territories: pd.DataFrame, columns: list[str]) -> StoredCentres:
    if "center_id" not in territories.columns:
        raise PlanDirectoryError(f"{folder / 'territories.csv'}: no column center_id. {_REMEDY}")
    places = np.full((len(territories), 2), np.nan)
    if set(columns) <= set(territories.columns):
        places = np.column_stack([numeric(territories[column]) for column in columns])
    return StoredCentres(pd.Index(territories["center_id"]), places)


def _read_table(folder: Path, name: str) -> pd.DataFrame:
    """Return one of the plan's tables as text, indexed by its first column."""
    try:
        table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    except Exception as error:  # as above
        raise _unreadable(folder, name, error) from error
    lacking = [column for column in _COLUMNS[name] if column not in table.columns]
    if lacking:
        raise PlanDirectoryError(f"{folder / name}: no column {', '.join(lacking)}. {_REMEDY}")
    return table.set_index(str(table.columns[0]))


def _check_files(folder: Path, record: dict[str, Any], stored: StoredProblem) -> Check:
    """Check that no file changed since the plan was written, and that the record covers every file it rests on."""
    tables = [] if record["status"] == "infeasible" else list(_TABLES)
    needed = [*tables, *_INPUTS, *([_TRAVEL] if stored.travel_table is not None else [])]
    if stored.units is not None:
        units = _UNITS if stored.units.kind == "pairs" else _UNITS_GEOMETRY
        needed += [units, _PAIRS, _MEMBERS, *(["units.csv"] if tables else [])]
    problems = [f"{name}: no SHA-256 in plan.json" for name in needed if name not in record["files"]]
    for name, expected in record["files"].items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            problems.append(f"{name}: missing")
        elif (found := hashlib.sha256(path.read_bytes()).hexdigest()) != expected:
            problems.append(f"{name}: changed since it was written (expected SHA-256 {expected}, found {found})")
    # A travel table's rows that say "never" are read and not stored, so it alone may have told more.
    frames = {"accounts": stored.accounts, **({"reps": stored.reps} if stored.with_reps else {})}
    for source in record["inputs"]:
        frame = frames.get(source.get("role"))
        if frame is not None and source.get("rows") != len(frame):
            problems.append(f"inputs, {source['role']}: {source.get('rows')} rows told, {len(frame)} stored")
    message = "; ".join(problems) or f"{len(record['files'])} files are as they were written"
    return Check("files", not problems, message)


def _json(check: dict[str, Any]) -> dict[str, Any]:
    """Return a check without numbers that JSON cannot hold."""
    numbers = {key: float(value) if np.isfinite(value) else None for key, value in check["numbers"].items()}
    return {**check, "numbers": numbers}
