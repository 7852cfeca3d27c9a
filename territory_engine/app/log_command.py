"""``territory-engine log``: a plan and those it was made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from territory_engine.app.exit_codes import answering, tell

if TYPE_CHECKING:
    from scenarios.history import HistoryEntry


def log(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A plan directory.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the chain as JSON.")] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show the Python traceback of an unexpected error.")
    ] = False,
) -> None:
    """Show the plans that a plan was made from, the newest first.

    Each with its status, the accounts that moved, and what changed in configuration and inputs.
    """
    with answering(traceback=traceback):
        from scenarios.history import history_of

        entries = history_of(folder)
        if as_json:
            import json

            tell(json.dumps({"plans": [_as_json(entry) for entry in entries]}, indent=2, ensure_ascii=False))
        else:
            tell("\n\n".join(_as_text(entry) for entry in entries))


def _as_json(entry: HistoryEntry) -> dict[str, Any]:
    keys = ("created", "scenario", "status", "objective", "lower_bound", "gap", "engine_version")
    return {
        "path": str(entry.path),
        "sha256": entry.sha256,
        **{key: entry.record.get(key) for key in keys},
        "moved_from_parent": entry.moved,
        "changes": list(entry.changes),
        "edited": list(entry.edited),
        "parent": entry.record.get("parent"),
        "parent_state": entry.parent_state,
    }


def _as_text(entry: HistoryEntry) -> str:
    from territory_engine.grammar import counted

    record = entry.record
    heading = [str(entry.path)]
    if isinstance(record.get("scenario"), str):
        heading.append(f"scenario {record['scenario']}")
    heading.append(str(record.get("created") or "written before plans kept their time"))
    lines = ["  ".join(heading), f"  {_result(record)}"]
    if entry.edited:
        lines.append(f"  edited since: {'; '.join(entry.edited)}")
    lines.append(f"  {_parent(entry)}")
    if entry.moved is not None:
        lines.append(f"  {counted(entry.moved, 'account moves', 'accounts move')} from the parent")
    if entry.parent_state == "found":
        lines += [f"    {change}" for change in entry.changes] or ["    same configuration and inputs as the parent"]
    return "\n".join(lines)


def _result(record: dict[str, Any]) -> str:
    from territory_engine.wording import number, percent

    parts = [str(record.get("status"))]
    if isinstance(record.get("objective"), int | float):
        parts.append(f"objective {number(float(record['objective']))}")
    if isinstance(record.get("gap"), int | float):
        parts.append(f"gap {percent(float(record['gap']))}")
    return ", ".join([*parts, f"engine {record.get('engine_version')}"])


def _parent(entry: HistoryEntry) -> str:
    if entry.parent_path is None:
        return "no parent"
    told = {
        "missing": ", which is no longer there",
        "changed": ", which changed since: another plan has its place",
    }
    return f"made from {entry.parent_path}{told.get(entry.parent_state, '')}"
