"""What every rep has had once a batch is assigned: shares, open leads, and the leads of the rep's own day and week."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.leads.levels import credit_while_away
from territory_engine.leads.reps.capacity import not_before
from territory_engine.ledger.records import COUNTER_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.leads.batch import Roster
    from territory_engine.leads.levels import Levels
    from territory_engine.leads.splitting import BatchSplit


def counters_after(
    roster: Roster, counters: pd.DataFrame, levels: Levels, split: BatchSplit, next_turn: int, catch_up: float
) -> pd.DataFrame:
    """Return the counters of every rep who is present or was known, as they are once the batch is assigned."""
    away = ~levels.present
    credit = credit_while_away(levels, int(split.counted.sum()), catch_up)
    worth_credit = credit_while_away(levels, int(split.worth[split.counted].sum()), catch_up)
    index = roster.frame.index
    known = index.isin(counters.index)
    before = counters.reindex(index)
    charged = np.bincount(split.rep[split.counted], minlength=len(index)) * levels.step
    # Within 64 bits: levels.LARGEST_WORTH_LEVEL bounds what there is, splitting.LARGEST_BATCH_WORTH what a batch adds.
    worth = levels.worth_level.copy()
    counted = split.rep[split.counted]
    np.add.at(worth, counted, split.worth[split.counted] * levels.step[counted])
    worth[away] += worth_credit
    turn = np.zeros(len(index), np.int64)
    there = split.rep[split.rep >= 0]
    turn[there] = next_turn + np.arange(len(there))
    day = _rolled(before, "day", roster.local_day)
    week = _rolled(before, "week", roster.local_week)
    after = pd.DataFrame(
        {
            "level": levels.level + np.where(away, credit, charged),
            "worth_level": worth,
            "open_leads": before["open_leads"].fillna(0).astype(np.int64) + split.count,
            "day": day[0],
            "day_leads": day[1] + split.count,
            "week": week[0],
            "week_leads": week[1] + split.count,
            "away": away,
            "last_turn": np.maximum(turn, before["last_turn"].fillna(0).astype(np.int64)),
        },
        index=index,
    )
    return after.loc[known | levels.present, list(COUNTER_COLUMNS)]


def _rolled(before: pd.DataFrame, span: str, now: NDArray[np.object_]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the day (or week) that each rep's count is of, and the count so far: none of a day that is over."""
    told = before[span].to_list()
    counts = before[f"{span}_leads"].fillna(0).astype(np.int64).to_numpy()
    still = not_before(before[span], now)
    spans = [str(t) if same else str(n) for t, n, same in zip(told, now, still, strict=True)]
    return spans, np.where(still, counts, 0)
