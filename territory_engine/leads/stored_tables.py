"""What the ledger keeps of a split, as Parquet: every rep as it stood, with its prices, and every pair that was possible.

These two tables and the batch's decisions are all it takes to check the split, or to say why a lead went where it did.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.leads.batch import Choices
from territory_engine.leads.suitability.eligibility import column_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.leads.batch import Roster
    from territory_engine.leads.levels import Levels
    from territory_engine.leads.splitting import BatchSplit

PRICE_COLUMNS = ("rank_price", "fair_price", "fair_count", "least", "most", "value_price", "count")
"""Columns of the roster table per part of the split, after the part's name: ``shared_fair_price``."""


def roster_table(
    roster: Roster,
    counters: pd.DataFrame,
    levels: Levels,
    capacity: NDArray[np.int64],
    split: BatchSplit,
) -> pd.DataFrame:
    """Return one row per rep, index ``rep_id``: what the split knew of it, and the prices that prove the split.

    The rep's own columns come as text (``rep.segments``). Counters are those before the batch, ``before.level``, NaN of
    reps that the ledger did not know. Levels are whole numbers of 1/``LEVEL_UNIT``.
    """
    frame = roster.frame
    own = {f"rep.{column}": column_texts(frame, column) for column in frame.columns if _kept(column)}
    places = {axis: frame[axis].to_numpy(np.float64) for axis in ("latitude", "longitude")}
    before = {f"before.{column}": counters[column].reindex(frame.index).to_numpy() for column in counters.columns}
    moment = pd.DatetimeIndex(roster.next_at_work)
    away: dict[str, Any] = {}
    if roster.away_until is not None and roster.away_because is not None:
        away = {"away_until": pd.DatetimeIndex(roster.away_until), "away_because": roster.away_because.astype(str)}
    prices: dict[str, Any] = {}
    for part in split.parts:
        for column in PRICE_COLUMNS:
            prices[f"{part.name}_{column}"] = getattr(part.split, column)[: len(frame)]
        prices[f"{part.name}_capacity"] = part.problem.capacity
    return pd.DataFrame(
        {
            **own, **places, **before,
            "weight": roster.weight, "away": roster.away, "next_at_work": moment, "local_day": roster.local_day,
            "local_week": roster.local_week, "limit_open_leads": roster.open_leads, "limit_per_day": roster.per_day,
            "limit_per_week": roster.per_week, "limit_travel_km": roster.travel_km, "level": levels.level,
            "worth_level": levels.worth_level, "step": levels.step, "present": levels.present,
            "change": levels.change.astype(str), "capacity": capacity, "tie_order": split.shared.problem.tie_order, **away, **prices,
        },
        index=frame.index,
    )  # fmt: skip


def _kept(column: str) -> bool:
    return column not in ("latitude", "longitude")


def choices_table(choices: Choices, split: BatchSplit | None = None) -> pd.DataFrame:
    """Return one row per pair: ``lead`` (position in the batch), ``rep`` (row of the roster), rank, value, travel_km.

    Where matched leads were settled first, ``matched`` says which pairs that part of the split used: its prices are
    checked against it.
    """
    sizes = np.diff(choices.lead_start)
    table = pd.DataFrame(
        {
            "lead": np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
            "rep": choices.rep,
            "rank": choices.rank.astype(np.int8),
            "value": choices.value,
            "travel_km": choices.travel_km,
        }
    )
    if split is not None and len(split.parts) > 1:
        first = split.parts[0]
        used = np.zeros(len(table), bool)
        used[first.pairs[first.split.pair[first.split.pair >= 0]]] = True
        table["matched"] = used
    return table


def choices_of_table(table: pd.DataFrame, n_leads: int) -> Choices:
    """Return the choices that :func:`choices_table` made a table of."""
    start = np.searchsorted(table["lead"].to_numpy(), np.arange(n_leads + 1)).astype(np.int64)
    return Choices(
        lead_start=start,
        rep=table["rep"].to_numpy(np.int32),
        rank=table["rank"].to_numpy(np.int64),
        value=table["value"].to_numpy(np.float64),
        travel_km=table["travel_km"].to_numpy(np.float64),
    )


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    into = io.BytesIO()
    # Values and distances are all different: a dictionary of them takes longer than the rest of the batch's writing.
    repeated = [str(column) for column in frame.columns if frame[column].dtype.kind != "f"]
    pq.write_table(
        pa.Table.from_pandas(frame), into, compression="zstd", compression_level=1, use_dictionary=repeated,
        write_statistics=False,
    )  # fmt: skip
    return into.getvalue()


def from_parquet(content: bytes) -> pd.DataFrame:
    """Return the table that :func:`to_parquet` wrote."""
    return pd.read_parquet(io.BytesIO(content))
