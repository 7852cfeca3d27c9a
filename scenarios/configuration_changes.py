"""What is different between two plans' configurations and inputs, in short lines."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


def configuration_changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return one line per key that was set, changed or taken out: ``"balance[visits].tolerance: 0.1 → 0.05"``.

    Parameters
    ----------
    before, after : dict
        ``config`` of two ``plan.json``.
    """
    old, new = _flat(before), _flat(after)
    lines = []
    for key in dict.fromkeys([*new, *old]):
        if key not in old:
            lines.append(f"{key}: {_shown(new[key])} (was not set)")
        elif key not in new:
            lines.append(f"{key}: not set any more (was {_shown(old[key])})")
        elif old[key] != new[key]:
            lines.append(f"{key}: {_shown(old[key])} → {_shown(new[key])}")
    return lines


def input_changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """Return one line per input that is another file than before, or has other content.

    Parameters
    ----------
    before, after : list of dict
        ``inputs`` of two ``plan.json``: role, path, SHA-256, rows. The configuration file, whose changes are told key by key,
        is left out.
    """
    old, new = ({str(s.get("role")): s for s in side if s.get("role") != "config"} for side in (before, after))
    lines = []
    for role in dict.fromkeys([*new, *old]):
        if role not in old:
            lines.append(f"{role}: {_source(new[role])} (was not there)")
        elif role not in new:
            lines.append(f"{role}: not there any more (was {_source(old[role])})")
        elif old[role].get("sha256") != new[role].get("sha256"):
            lines.append(f"{role}: {_source(new[role])}, with other content than before ({_source(old[role])})")
    return lines


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return every setting by its dotted key; entries of a list by what they measure, else by number."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            seen: Counter[str] = Counter()
            for number, entry in enumerate(value, start=1):
                label = str(entry.get("measure", number))
                seen[label] += 1
                again = f" {seen[label]}" if seen[label] > 1 else ""
                rest = {name: setting for name, setting in entry.items() if name != "measure"}
                found |= _flat(rest, f"{prefix}{key}[{label}{again}].")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _source(source: dict[str, Any]) -> str:
    rows = source.get("rows")
    return f"{source.get('path')}, {rows:,} rows" if isinstance(rows, int) else str(source.get("path"))
