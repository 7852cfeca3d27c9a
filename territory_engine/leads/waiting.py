"""Leads that wait in the ledger, as a batch: what is routed when somebody is back, or has room again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.leads.batch import LeadBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from territory_engine.ledger.store import Ledger

_WAITING = ("lead_id", "reason", "reason_code", "could_go_at", "since", "batch_id")
_TEXT = ("account_id", "company", "domain", "postal_code", "country", "location_source")
_NUMBERS = {"latitude": np.nan, "longitude": np.nan, "score": 1.0, "value": np.nan}


def waiting_batch(queued: pd.DataFrame) -> LeadBatch:
    """Return queued leads as a batch, who has waited longest first.

    Parameters
    ----------
    queued : DataFrame
        ``lead_id`` and ``lead`` (JSON), as :meth:`~territory_engine.ledger.store.Ledger.queued` gives them.
    """
    stored = [json.loads(text) if text else {} for text in queued["lead"]]
    text = "\n".join(
        json.dumps([lead, fields], sort_keys=True) for lead, fields in zip(queued["lead_id"], stored, strict=True)
    )
    frame = lead_frame([str(lead) for lead in queued["lead_id"]], stored)
    return LeadBatch(frame, hashlib.sha256(text.encode()).hexdigest(), {})


def waiting_now(ledger: Ledger, *, limit: int | None = None, offset: int = 0) -> dict[str, Any]:
    """Return who waits in a ledger, and why, who has waited longest first.

    Parameters
    ----------
    ledger : Ledger
    limit, offset : int
        At most so many leads, after the first so many; None: all.

    Returns
    -------
    dict
        ``total`` (how many wait) and ``leads``: of each ``lead_id``, ``reason``, ``reason_code``, ``could_go_at`` (ISO
        8601, UTC; None where unknown), ``since`` (likewise) and ``batch_id``.
    """
    frame = ledger.queued(limit, offset)
    since = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in frame["since"]]
    told = frame.assign(since=since)[list(_WAITING)].to_dict("records")
    waiting = [{**one, "could_go_at": one["could_go_at"] or None} for one in told]
    total = ledger.queue_length() if limit is not None or offset else len(waiting)
    return {"total": total, "leads": waiting}


def lead_frame(lead_ids: Sequence[str], stored: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return leads as :class:`LeadBatch` holds them, from the fields that the ledger keeps of each."""
    index = range(len(lead_ids))
    frame = pd.DataFrame({"lead_id": pd.Series(list(lead_ids), index=index, dtype=str)})
    names = dict.fromkeys(name for fields in stored for name in fields)
    for name in dict.fromkeys((*_TEXT, *(n for n in names if n not in ("lead_id", "created_at", *_NUMBERS)))):
        cells = ["" if fields.get(name) is None else str(fields[name]) for fields in stored]
        frame[name] = pd.Series(cells, index=index, dtype=str)
    for name, blank in _NUMBERS.items():
        numbers = [blank if fields.get(name) is None else float(fields[name]) for fields in stored]
        frame[name] = pd.Series(numbers, index=index, dtype=np.float64)
    moments = pd.to_datetime(
        pd.Series([fields.get("created_at") for fields in stored], index=index, dtype=object), utc=True
    )
    frame["created_at"] = moments.astype("datetime64[us, UTC]")
    return frame
