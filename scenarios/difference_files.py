"""A difference between two plans as files: tables to load, and one record of what was compared with what.

Free text is guarded as in a plan directory: a name or a reason that a spreadsheet would run as a formula gets an apostrophe
in front. IDs are never touched.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scenarios.difference_words import headline
from territory_engine import __version__
from territory_engine.errors import PlanDirectoryError
from territory_engine.plan_directory import guarded
from territory_engine.publishing import DirectoryKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.difference_words import TerritoryWords
    from scenarios.differences import PlanDifference
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

DIFFERENCE = DirectoryKind(
    "diff",
    "diff.json",
    frozenset({"moves.csv", "units.csv", "territories.csv", "flows.csv", "figures.csv", "diff.html", "diff.json"}),
)
"""What `territory-engine diff` writes."""


@dataclass(frozen=True)
class ComparedPlan:
    """One of the two plans: where it was read from, and the SHA-256 of its ``plan.json`` (``""`` where it has none)."""

    path: str
    sha256: str
    status: str

    @classmethod
    def read_from(cls, folder: str | Path, plan: Plan) -> ComparedPlan:
        """Return the record of a plan that was read from a plan directory."""
        content = (Path(folder) / "plan.json").read_bytes()
        return cls(str(folder), hashlib.sha256(content).hexdigest(), plan.status)


def moves_table(
    difference: PlanDifference, problem_b: PlanningProblem, plan_b: Plan, words: Sequence[TerritoryWords]
) -> pd.DataFrame:
    """Return the moves with names: of the account where it has one, and of the territories' reps.

    Returns
    -------
    DataFrame, index ``account_id``
        ``name``, the columns of ``difference.moves`` with ``from_name`` and ``to_name`` after the reps' IDs, and ``reason``.
    """
    moves = difference.moves
    labels = np.array([w.name for w in words], dtype=object)
    names = problem_b.accounts["name"] if "name" in problem_b.accounts else pd.Series("", problem_b.accounts.index)
    name = names.reindex(moves.index)
    table = moves.assign(reason=plan_b.assignments.loc[moves.index, "reason"])
    place = list(moves.columns).index("to_rep_id") + 1
    table.insert(place, "from_name", labels[difference.rows_from(moves["from_territory_id"])])
    table.insert(place + 1, "to_name", labels[difference.rows_to(moves["to_territory_id"])])
    table.insert(0, "name", name.astype(object).where(name.notna(), "").astype(str))
    return table


def write_difference_files(
    difference: PlanDifference,
    problem_b: PlanningProblem,
    plan_b: Plan,
    words: Sequence[TerritoryWords],
    compared: tuple[ComparedPlan, ComparedPlan],
    folder: str | Path,
) -> None:
    """Write ``moves.csv``, ``territories.csv``, ``flows.csv``, ``figures.csv`` and ``diff.json`` into an existing folder.

    ``units.csv`` is written too where the plans have geographic units in common. Files that are there already (the page)
    are listed in ``diff.json`` with their SHA-256 as well.

    Parameters
    ----------
    difference : PlanDifference
    problem_b : PlanningProblem
    plan_b : Plan
        The second plan.
    words : sequence of TerritoryWords
    compared : tuple of ComparedPlan
        The first and the second plan.
    folder : path

    Raises
    ------
    PlanDirectoryError
        The folder cannot be written to.
    """
    folder = Path(folder)
    labels = pd.Series([w.name for w in words], dtype=object)
    moves = moves_table(difference, problem_b, plan_b, words)
    flows = difference.flows()
    flows.insert(4, "from_name", labels[difference.rows_from(flows["from_territory_id"])].to_numpy(object))
    flows.insert(5, "to_name", labels[difference.rows_to(flows["to_territory_id"])].to_numpy(object))
    territories = difference.territories.drop(columns="dissolved")
    territories.insert(0, "name", labels.to_numpy(object))
    territories.insert(1, "status", [w.status for w in words])
    try:
        _write(moves, folder / "moves.csv")
        _write(territories, folder / "territories.csv")
        _write(flows, folder / "flows.csv", index=False)
        _write(difference.figures, folder / "figures.csv")
        if difference.units is not None:
            _write(difference.units, folder / "units.csv")
        record = _record(difference, words, compared)
        others = sorted(p.name for p in folder.iterdir() if p.name != "diff.json")
        record["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in others}
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / "diff.json").write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise PlanDirectoryError(f"{folder}: the diff cannot be written ({error.strerror or error})") from error


_FREE_TEXT = ("name", "from_name", "to_name", "reason")


def _write(table: pd.DataFrame, path: Path, *, index: bool = True) -> None:
    told = {c: guarded(table[c]) for c in _FREE_TEXT if c in table}
    # A plan's own tables call the count of accounts so.
    parts = ("", "_before", "_gained", "_lost", "_changed", "_after")
    columns = {f"count{part}": f"accounts{part}" for part in parts}
    # Fifteen digits: what is beyond them is the rounding of sums.
    table.assign(**told).rename(columns=columns).to_csv(path, index=index, lineterminator="\n", float_format="%.15g")


def _record(
    difference: PlanDifference, words: Sequence[TerritoryWords], compared: tuple[ComparedPlan, ComparedPlan]
) -> dict[str, Any]:
    by_status: dict[str, list[dict[str, str]]] = {"kept": [], "renamed": [], "dissolved": [], "new": []}
    origins = difference.territories["from_territory_id"]
    for territory_id, origin, word in zip(difference.territories.index, origins, words, strict=True):
        entry = {"before": str(origin), "after": "" if word.status == "dissolved" else str(territory_id)}
        by_status[word.status].append({**{k: v for k, v in entry.items() if v}, "name": word.name})
    first, second = ({"path": p.path, "sha256": p.sha256, "status": p.status} for p in compared)
    return {
        "before": first,
        "after": second,
        "headline": headline(difference, words),
        "accounts": {
            "in_both": len(difference.shared),
            "moved": len(difference.moves),
            "added": [str(i) for i in difference.added],
            "closed": [str(i) for i in difference.closed],
        },
        "leading_measure": difference.leading_measure,
        "moved": {
            m: {"amount": difference.moved(m), "of": difference.totals[m], "fraction": difference.moved_fraction(m)}
            for m in difference.measures
        },
        "units_moved": None if difference.units is None else len(difference.units),
        "territories": by_status,
        "figures": {
            str(name): {
                "label": str(row["label"]),
                "unit": str(row["unit"]),
                **{side: float(row[side]) if np.isfinite(row[side]) else None for side in ("before", "after")},
            }
            for name, row in difference.figures.iterrows()
        },
        "notices": list(difference.notices),
        "engine_version": __version__,
    }
