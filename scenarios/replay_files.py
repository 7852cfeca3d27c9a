"""A replay as files: tables to load, and one record of what was compared with what.

Text that a spreadsheet would run as a formula gets an apostrophe in front.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scenarios.replay_words import headline, title
from territory_engine import __version__
from territory_engine.errors import PlanDirectoryError
from territory_engine.plan_directory import guarded
from territory_engine.publishing import DirectoryKind

if TYPE_CHECKING:
    from scenarios.replay import Replay

REPLAY = DirectoryKind(
    "replay", "replay.json", frozenset({"replay.html", "reps.csv", "days.csv", "leads.csv", "replay.json"})
)
"""What `territory-engine replay` writes."""

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def leads_table(replay: Replay) -> pd.DataFrame:
    """Return every lead: those of the stream in its order, then those that were set aside, rejected with their reason."""
    table = replay.changes()
    aside = replay.set_aside
    if not len(aside):
        return table
    rejected = pd.DataFrame(
        {
            "lead_id": aside["lead_id"], "created_at": pd.to_datetime(aside["created_at"], utc=True), "changed": False,
            "old_status": "rejected", "new_status": "rejected", "old_reason": aside["reason"], "new_reason": aside["reason"],
        }
    ).reindex(columns=table.columns)  # fmt: skip
    for column in table.columns:
        if column.endswith("_rep_id"):
            rejected[column] = ""
        elif column.endswith("_at"):
            rejected[column] = pd.to_datetime(rejected[column], utc=True)
        elif column.endswith(("_h", "_km", "_value")):
            rejected[column] = rejected[column].astype(float)
    return pd.concat([table, rejected], ignore_index=True)


def write_replay_files(replay: Replay, sources: dict[str, str], folder: str | Path) -> None:
    """Write ``leads.csv``, ``reps.csv``, ``days.csv`` and ``replay.json`` into an existing folder.

    Parameters
    ----------
    replay : Replay
    sources : dict of str to str
        Files that it was made from, by what they are: ``leads``, ``plan``, ``policy``, ``against``. Each is recorded with
        its SHA-256.
    folder : path

    Raises
    ------
    PlanDirectoryError
        The folder cannot be written to.
    """
    folder = Path(folder)
    reps = pd.concat({side: table.reset_index() for side, table in replay.reps.items()}, names=["policy", None])
    days = pd.concat({side: run.days for side, run in replay.runs.items() if len(run.days)}, names=["policy", None])
    try:
        _write(leads_table(replay), folder / "leads.csv")
        _write(reps.reset_index(level=0).reset_index(drop=True), folder / "reps.csv")
        _write(days.reset_index(level=0).reset_index(drop=True), folder / "days.csv")
        record = _record(replay, sources)
        others = sorted(p.name for p in folder.iterdir() if p.name != "replay.json")
        record["files"] = {name: _sha256(folder / name) for name in others}
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / "replay.json").write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise PlanDirectoryError(f"{folder}: the replay cannot be written ({error.strerror or error})") from error


def _write(table: pd.DataFrame, path: Path) -> None:
    told: dict[str, Any] = {}
    for column in table:
        cells = table[column]
        if isinstance(cells.dtype, pd.DatetimeTZDtype):
            told[str(column)] = cells.dt.strftime(_MOMENT)
        elif cells.dtype == bool:
            told[str(column)] = cells.map({True: "true", False: "false"})
        elif not pd.api.types.is_numeric_dtype(cells.dtype):
            told[str(column)] = guarded(cells.fillna(""))
        elif str(column).endswith(("_km", "_h")):
            told[str(column)] = cells.round(3)
        elif str(column).endswith("value"):
            told[str(column)] = cells.round(2)
    table.assign(**told).to_csv(path, index=False, lineterminator="\n", float_format="%.10g")


def _record(replay: Replay, sources: dict[str, str]) -> dict[str, Any]:
    def plain(value: float) -> float | int | None:
        return None if not math.isfinite(value) else int(value) if float(value).is_integer() else float(value)

    created = replay.new.leads["created_at"]
    return {
        "title": title(replay),
        "headline": headline(replay),
        "sources": {role: {"path": path, "sha256": _sha256(_hashed(Path(path)))} for role, path in sources.items()},
        "schedule": {
            "every": replay.schedule.every,
            "at": f"{replay.schedule.clock:%H:%M}",
            "time_zone": replay.schedule.zone.key,
            "close_after_days": replay.close_after_days,
            "first_lead": f"{created.iloc[0]:{_MOMENT}}",
            "last_lead": f"{created.iloc[-1]:{_MOMENT}}",
        },
        "changed": int(replay.changed.sum()),
        "same_rep_other_time": int(replay.same_rep_other_time.sum()),
        "runs": {
            side: {"name": run.name, **{key: plain(value) for key, value in replay.totals[side].items()}}
            for side, run in replay.runs.items()
        },
        "notices": list(replay.notices),
        "engine_version": __version__,
    }


def _hashed(path: Path) -> Path:
    """Return the file that stands for a source: of a plan directory its record."""
    return path / "plan.json" if path.is_dir() else path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
