"""Where a plan comes from: its parent, the parent's parent, and what changed between them.

Plans are immutable directories. A child keeps the path of its parent as it was given and the SHA-256 of the parent's
``plan.json``. The hash is what counts: directories are moved, renamed and replaced, and another plan under the same name
is not the parent. Since every hash covers the parent's, a chain of plans cannot bite its own tail.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scenarios.configuration_changes import configuration_changes, input_changes
from scenarios.differences import compare_plans
from territory_engine.errors import Finding, InputError, PlanDirectoryError
from territory_engine.plan_directory import changed_files, read_plan, read_record

if TYPE_CHECKING:
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

ParentState = Literal["none", "found", "missing", "changed"]


@dataclass(frozen=True, eq=False)
class ParentPlan:
    """A plan that another is to be made from.

    Attributes
    ----------
    path : str
        As given.
    sha256 : str
        Of its ``plan.json``.
    record : dict
        Its ``plan.json``.
    problem : PlanningProblem
    plan : Plan
    """

    path: str
    sha256: str
    record: dict[str, Any]
    problem: PlanningProblem
    plan: Plan

    def check(self, problem: PlanningProblem) -> None:
        """Refuse to be the parent of a plan without a single account in common.

        Raises
        ------
        InputError
        """
        if not problem.accounts.index.isin(self.problem.accounts.index).any():
            raise InputError(
                Finding(
                    "the parent plan and this one have no account in common",
                    file=self.path,
                    value=f"{_some(self.problem.accounts.index)} and {_some(problem.accounts.index)}",
                    allowed="a plan of the same accounts, or mostly",
                    remedy="give the plan that this one is made from, or none",
                )
            )

    def adopt(self, problem: PlanningProblem, plan: Plan) -> Plan:
        """Return the plan as a child of this one."""
        moved = None
        if "infeasible" not in (self.plan.status, plan.status):
            moved = len(compare_plans((self.problem, self.plan), (problem, plan)).moves)
        kept = {key: self.record.get(key) for key in ("status", "objective", "gap", "engine_version", "created")}
        return dataclasses.replace(plan, parent={"path": self.path, "sha256": self.sha256, **kept, "moved": moved})


def read_parent(path: str | Path) -> ParentPlan:
    """Read the plan directory that a new plan is made from.

    Raises
    ------
    PlanDirectoryError
        It is no plan directory, or was edited.
    """
    folder = Path(path)
    record = read_record(folder)
    sha256 = _sha256(folder / "plan.json")
    return ParentPlan(str(path), sha256, record, *read_plan(folder))


@dataclass(frozen=True, eq=False)
class HistoryEntry:
    """One plan of a chain.

    Attributes
    ----------
    path : Path
        Where it is.
    sha256 : str
        Of its ``plan.json``.
    record : dict
        Its ``plan.json``.
    edited : tuple of str
        Files of an ancestor that were changed since it was written; the plan a history begins with has none.
    parent_path : str or None
        As it was given.
    parent_state : {"none", "found", "missing", "changed"}
        ``"changed"``: another plan is where the parent was.
    changes : tuple of str
        What is different in configuration and inputs from the parent, where that was found.
    """

    path: Path
    sha256: str
    record: dict[str, Any]
    edited: tuple[str, ...]
    parent_path: str | None
    parent_state: ParentState
    changes: tuple[str, ...]

    @property
    def moved(self) -> int | None:
        """Accounts moved from the parent; None without one, or where either plan is infeasible."""
        moved = (self.record.get("parent") or {}).get("moved")
        return moved if isinstance(moved, int) else None


def history_of(folder: str | Path) -> tuple[HistoryEntry, ...]:
    """Return a plan and those it was made from, the newest first.

    A parent is looked for by its path as it was given, in the child's directory and beside it, and then among everything
    beside the child; only a directory with the right hash is taken for it.

    Raises
    ------
    PlanDirectoryError
        The folder is no plan directory or was edited, or what a plan says of its parent cannot be read.
    """
    here = Path(folder)
    record = read_record(here)
    if wrong := changed_files(here, record):
        raise PlanDirectoryError(
            f"{here}: {'; '.join(wrong)}. Remedy: plan again, or restore the directory from where it was copied"
        )
    found: list[HistoryEntry] = []
    seen: set[str] = set()
    edited: tuple[str, ...] = ()
    while True:
        sha256 = _sha256(here / "plan.json")
        if sha256 in seen:
            raise PlanDirectoryError(
                f"{here}: is made from itself, through {' and '.join(str(entry.path) for entry in found)}."
                " Remedy: restore the directories from where they were copied"
            )
        seen.add(sha256)
        told = _told_parent(here, record)
        if told is None:
            return (*found, HistoryEntry(here, sha256, record, edited, None, "none", ()))
        path, wanted = told
        state, at = _find(path, wanted, here)
        if at is None:
            return (*found, HistoryEntry(here, sha256, record, edited, path, state, ()))
        parent = read_record(at)
        changes = (
            *configuration_changes(parent.get("config") or {}, record.get("config") or {}),
            *input_changes(parent.get("inputs") or [], record.get("inputs") or []),
        )
        found.append(HistoryEntry(here, sha256, record, edited, path, state, changes))
        here, record, edited = at, parent, tuple(changed_files(at, parent))


def _told_parent(folder: Path, record: dict[str, Any]) -> tuple[str, str] | None:
    """Return the path and the hash that a plan tells of its parent; None where it has none."""
    parent = record.get("parent")
    if parent is None:
        return None
    if isinstance(parent, dict) and isinstance(parent.get("path"), str) and isinstance(parent.get("sha256"), str):
        return parent["path"], parent["sha256"]
    raise PlanDirectoryError(
        f"{folder / 'plan.json'}: parent: found {parent!r}, allowed: null, or an object with path and sha256."
        " Remedy: restore the directory from where it was copied"
    )


def _find(path: str, sha256: str, child: Path) -> tuple[ParentState, Path | None]:
    """Look for the parent of a plan: whether it was found, is missing or was changed, and where it is if found."""
    another = False
    for candidate in _candidates(path, child):
        record = candidate / "plan.json"
        try:
            if not record.is_file():
                continue
            if _sha256(record) == sha256:
                return "found", candidate
        except OSError:
            continue
        # What merely lies beside the child was never said to be the parent.
        another = another or candidate.name == Path(path).name
    return ("changed" if another else "missing"), None


def _candidates(path: str, child: Path) -> Iterator[Path]:
    given = Path(path)
    yield given
    yield child / given
    beside = child.absolute().parent if child.name in {"", ".", ".."} else child.parent
    yield beside / given
    yield beside / given.name
    # A point of a rebalancing lies one folder further down than what was named beside it.
    for further in list(beside.absolute().parents)[:3]:
        yield further / given
        yield further / given.name
    try:
        yield from sorted(entry for entry in beside.iterdir() if entry.is_dir())
    except OSError:
        return


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _some(ids: Any) -> str:
    return ", ".join(map(str, ids[:3])) + (", …" if len(ids) > 3 else "")
