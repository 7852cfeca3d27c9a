"""The check of inputs that a scenario edited: what is stored must be what the files held, with those edits made."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from territory_engine.auditing.checks import Check

if TYPE_CHECKING:
    import pandas as pd

    from territory_engine.auditing.rules import StoredProblem

_NAME = "scenario"


def check_edited_inputs(stored: StoredProblem, record: dict[str, Any]) -> list[Check]:
    """Check what a plan says about edited inputs; empty for a plan of inputs as they were read.

    Rows told of the files, less those removed, plus those added, must be what is stored; what was removed must be absent
    and what was added there; and the edits must lead to those removals and additions. What the files themselves held
    cannot be seen from a plan directory: their SHA-256 says which they were.

    Parameters
    ----------
    stored : StoredProblem
    record : dict
        ``plan.json``.
    """
    scenario = record.get("scenario")
    sources = {source.get("role"): source for source in record["inputs"] if isinstance(source, dict)}
    if scenario is None:
        told = [role for role, source in sources.items() if source.get("rows_in_file") is not None]
        if not told:
            return []
        what = f"inputs, {', '.join(map(str, told))}: rows of the file are told apart, but there is no scenario that edited them"
        return [Check(_NAME, False, what)]
    problems = _malformed(scenario)
    if problems:
        return [Check(_NAME, False, "; ".join(problems))]
    frames = {"accounts": stored.accounts, **({"reps": stored.reps} if stored.with_reps else {})}
    for role, frame in frames.items():
        problems += _rows(role, sources.get(role), scenario, frame)
    problems += _steps(scenario["edits"].get("steps", []), stored)
    passed = f"inputs are those of the files with the edits of {scenario['name']!r}"
    return [Check(_NAME, not problems, "; ".join(problems) or passed)]


def _malformed(scenario: Any) -> list[str]:
    if not isinstance(scenario, dict):
        return [f"scenario: found {scenario!r}, allowed: a table"]
    problems = [
        f"scenario.{key}: found {scenario.get(key)!r}, allowed: {allowed}"
        for key, kind, allowed in (("name", str, "text"), ("edits", dict, "a table"))
        if not isinstance(scenario.get(key), kind)
    ]
    for key in ("removed", "added"):
        table = scenario.get(key)
        lists = [table.get(role) for role in ("accounts", "reps")] if isinstance(table, dict) else [None]
        if not all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in lists):
            problems.append(f"scenario.{key}: found {table!r}, allowed: lists of IDs for accounts and reps")
    if not problems:
        steps = scenario["edits"].get("steps", [])
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            problems.append(f"scenario.edits.steps: found {steps!r}, allowed: a list of tables")
    return problems


def _rows(role: str, source: dict[str, Any] | None, scenario: dict[str, Any], frame: pd.DataFrame) -> list[str]:
    removed, added = scenario["removed"][role], scenario["added"][role]
    ids = set(frame.index.astype(str))
    problems = [
        f"{role}: {name!r} is told more than once among {key}"
        for key, names in (("those removed", removed), ("those added", added))
        for name, times in Counter(names).items()
        if times > 1
    ]
    problems += [f"{role}: {name!r} was removed, but is stored" for name in removed if name in ids]
    problems += [f"{role}: {name!r} was added, but is not stored" for name in added if name not in ids]
    if role == "accounts" and added:
        problems.append("accounts: a scenario adds none")
    if source is None:
        return problems
    held = source.get("rows_in_file")
    if not isinstance(held, int) or isinstance(held, bool):
        problems.append(f"inputs, {role}: rows_in_file: found {held!r}, allowed: how many rows the file has")
    elif held - len(removed) + len(added) != len(frame):
        expected = held - len(removed) + len(added)
        problems.append(
            f"inputs, {role}: {held} rows in the file, less {len(removed)} and plus {len(added)} are {expected},"
            f" {len(frame)} stored"
        )
    return problems


def _steps(steps: list[dict[str, Any]], stored: StoredProblem) -> list[str]:
    """Find IDs that the edits, made one after the other, take out or bring in, and that are stored or are not."""
    there: dict[str, bool] = {}
    closed: list[str] = []
    for step in steps:
        for merge in step.get("merge_reps", []):
            there |= dict.fromkeys(merge.get("from", []), False)
        there |= dict.fromkeys(step.get("remove_reps", []), False)
        there |= {str(new.get("rep_id")): True for new in step.get("add_reps", [])}
        closed += step.get("close_accounts", [])
    reps, accounts = set(stored.reps.index.astype(str)), set(stored.accounts.index.astype(str))
    problems = [
        f"reps: the edits {'bring' if expected else 'take'} {name!r} {'in' if expected else 'out'}, but it is"
        f" {'not stored' if expected else 'stored'}"
        for name, expected in there.items()
        if (name in reps) is not expected
    ]
    return problems + [f"accounts: the edits close {name!r}, but it is stored" for name in closed if name in accounts]
