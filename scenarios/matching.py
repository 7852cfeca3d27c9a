"""Which territory of one plan continues which of another, whatever they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from numpy.typing import NDArray


def continued_territories(
    before: pd.DataFrame, after: pd.DataFrame, territory_before: pd.Series[str], territory_after: pd.Series[str]
) -> pd.Series[str]:
    """Return which territory of plan A each territory of plan B continues; ``""`` for none.

    That of the same rep, where each of the two serves one territory only. The rest are matched by what they share: so that
    as many accounts as possible stay where they are. A rep who is in one plan only has come or gone, and their territory is
    nobody else's; unless the plans have no rep in common at all: then reps say nothing, and overlap decides alone.

    Parameters
    ----------
    before, after : DataFrame, index ``territory_id``
        ``rep_id``, ``""`` where there is none.
    territory_before, territory_after : Series of str, index ``account_id``
        Of the accounts that both plans have, in the same order.

    Returns
    -------
    Series of str, index ``territory_id`` of B
    """
    origin = pd.Series("", index=after.index, dtype=object)
    reps_a, reps_b = before["rep_id"].astype(str), after["rep_id"].astype(str)
    if set(reps_a) & set(reps_b) - {""}:
        # A rep with several territories does not say which of them continues which.
        alone_a = reps_a[(reps_a != "") & ~reps_a.duplicated(keep=False)]
        alone_b = reps_b[(reps_b != "") & ~reps_b.duplicated(keep=False)]
        home = pd.Series(alone_a.index, index=alone_a.to_numpy(object), dtype=object)
        same = alone_b[alone_b.isin(home.index)]
        origin[same.index] = home.reindex(same.to_numpy(object)).to_numpy(object)
        left_a = before.index[~before.index.isin(origin) & ((reps_a == "") | reps_a.isin(reps_b)).to_numpy()]
        left_b = after.index[(origin == "").to_numpy() & ((reps_b == "") | reps_b.isin(reps_a)).to_numpy()]
    else:
        left_a, left_b = before.index, after.index
    if len(left_a) and len(left_b):
        overlap = _overlap(territory_before, territory_after, left_a, left_b)
        # Where overlap decides nothing, a territory keeps its name: less than one account is worth.
        name = 0.5 / len(left_b) * (left_a.to_numpy(object)[:, None] == left_b.to_numpy(object)[None, :])
        for row, column in zip(*linear_sum_assignment(-(overlap + name)), strict=True):
            if overlap[row, column] > 0:
                origin[left_b[int(column)]] = left_a[int(row)]
    return origin


def _overlap(
    territory_before: pd.Series[str], territory_after: pd.Series[str], rows: pd.Index[str], columns: pd.Index[str]
) -> NDArray[np.float64]:
    """Return how many accounts a territory of A and one of B share, shape ``(len(rows), len(columns))``."""
    row, column = rows.get_indexer(pd.Index(territory_before)), columns.get_indexer(pd.Index(territory_after))
    known = (row >= 0) & (column >= 0)
    cell = row[known] * len(columns) + column[known]
    return np.bincount(cell, minlength=len(rows) * len(columns)).reshape(len(rows), len(columns)).astype(np.float64)
