"""From what the router returns to JSON: blanks and NaN become null, moments ISO 8601."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.routed_batch import DIGITS

if TYPE_CHECKING:
    import pandas as pd

    from territory_engine.app.service.router_protocol import RoutedBatch

_TEXTS = ("lead_id", "status", "rep_id", "territory_id", "reason", "reason_code", "could_go_at")
_ROUNDED_BELOW = 1e15  # beyond, a float has no digits after the point
_PIECE = 2_000
_ALWAYS_TEXT = frozenset({"reason", "reason_code"})


def route_answer(batch: RoutedBatch) -> bytes:
    """Return the answer to a routed batch, leads in the order of the request."""
    answer = {
        "batch_id": batch.batch_id,
        "routed_at": moment(batch.at),
        "repeated": bool(batch.repeated),
        "summary": summary_of(batch),
        "proof": plain(batch.proof),
    }
    decisions = _decisions(batch.decisions)
    # In pieces, so that other threads have their turn: one call would keep the interpreter for half a second.
    pieces = [as_json(decisions[at : at + _PIECE])[1:-1] for at in range(0, len(decisions), _PIECE)]
    return b"".join([as_json(answer)[:-1], b',"leads":[', b",".join(pieces), b"]}"])


def summary_of(batch: RoutedBatch) -> dict[str, int]:
    """Return how many leads ended in which way."""
    return {
        "leads": len(batch.decisions),
        "assigned": int(batch.assigned),
        "queued": int(batch.queued),
        "rejected": int(batch.rejected),
    }


def _decisions(frame: pd.DataFrame) -> list[dict[str, Any]]:
    ordered = frame.sort_values("position", kind="stable") if "position" in frame else frame
    columns: dict[str, list[Any]] = {}
    for name in _TEXTS:
        blank = "" if name in _ALWAYS_TEXT else None
        columns[name] = [str(v) if isinstance(v, str) and v else blank for v in ordered[name].tolist()]
    for name, digits in DIGITS.items():
        numbers = np.array(ordered[name], np.float64)
        close = np.abs(numbers) < _ROUNDED_BELOW
        numbers[close] = numbers[close].round(digits)
        columns[name] = [v if math.isfinite(v) else None for v in numbers.tolist()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def known(value: Any) -> Any:
    """Return what :func:`plain` returns, and blank text as null, as in the answer to a batch; reasons stay text."""
    return _without_blanks(plain(value))


def _without_blanks(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: v if k in _ALWAYS_TEXT else _without_blanks(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_blanks(inner) for inner in value]
    return None if value == "" else value


def as_json(answer: Any) -> bytes:
    """Return JSON in UTF-8 without blanks between."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def moment(value: datetime) -> str:
    """Return a moment in UTC, to the microsecond if it has any."""
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: NaN and infinity as null, NumPy's numbers as numbers, moments as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return plain(value.tolist())
    return str(value)
