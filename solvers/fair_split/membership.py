"""Which leads are in which column: doubly linked lists that compiled loops change in place, and a lead's pair by column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAR = np.int64(2**62)
"""Further than any cost: no way."""


@njit(cache=True, nogil=True)
def pair_at(start: NDArray[np.int64], col: NDArray[np.int32], i: int, s: int) -> int:
    """Return the pair of lead ``i`` with column ``s``, or −1: columns ascend within a lead."""
    low, high = start[i], start[i + 1]
    while low < high:
        middle = (low + high) // 2
        if col[middle] < s:
            low = middle + 1
        else:
            high = middle
    if low < start[i + 1] and col[low] == s:
        return int(low)
    return -1


@njit(cache=True, nogil=True)
def unlink(i: int, r: int, head: NDArray[np.int64], after: NDArray[np.int64], before: NDArray[np.int64]) -> None:
    """Take lead ``i`` off the list of column ``r``."""
    if before[i] >= 0:
        after[before[i]] = after[i]
    else:
        head[r] = after[i]
    if after[i] >= 0:
        before[after[i]] = before[i]


@njit(cache=True, nogil=True)
def link(i: int, r: int, head: NDArray[np.int64], after: NDArray[np.int64], before: NDArray[np.int64]) -> None:
    """Put lead ``i`` first on the list of column ``r``."""
    before[i], after[i] = -1, head[r]
    if head[r] >= 0:
        before[head[r]] = i
    head[r] = i
