"""Which reps end with a lead more, and with one less, where a lead goes to another rep at its price.

The chain of hand-overs is a shortest path in the residual network of the best split; the network is the price list's.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from solvers.fair_split.membership import FAR

if TYPE_CHECKING:
    from solvers.fair_split.exchange_price import PriceList


def hand_overs(prices: PriceList, lead: int, rep: int) -> tuple[int, ...]:
    """Return the chain that makes room where a lead goes to a rep, the shortest of those that cost least.

    Parameters
    ----------
    prices : PriceList
    lead : int
    rep : int
        One that could have it.

    Returns
    -------
    tuple of int
        Reps from `rep` to the one the lead came from, each handing a lead over to the next; ``n_reps`` stands for being
        unassigned, and ``n_reps + 1`` is no rep: the one before it keeps one more, the one after it has one less. Just
        ``(rep,)`` where the lead is there already.
    """
    best = prices.best
    home = int(best.rep[lead]) if best.pair[lead] >= 0 else prices.problem.n_reps
    if rep == home:
        return (rep,)
    prices.of_lead(lead)  # makes the search if nobody has asked for it yet
    edge, distance = prices._edge, prices._distances[home]
    came_from, queue = {rep: rep}, deque([rep])
    while queue and home not in came_from:
        r = queue.popleft()
        tight = (edge[r, :, 0] < FAR) & (distance[:, 0] < FAR)
        tight &= (edge[r] + np.where(tight[:, None], distance, 0) == distance[r]).all(axis=1)
        for s in np.flatnonzero(tight).tolist():
            if s not in came_from:
                came_from[s] = r
                queue.append(s)
    chain = [home]
    while chain[-1] != rep:
        chain.append(came_from[chain[-1]])
    return tuple(reversed(chain))


def gains_and_loses(chain: tuple[int, ...], n_reps: int) -> tuple[int, int]:
    """Return who ends with a lead more and who with one less, −1 where nobody does.

    Parameters
    ----------
    chain : tuple of int
        As :func:`hand_overs` returns it.
    n_reps : int
    """
    pool = n_reps + 1
    if pool in chain:
        at = chain.index(pool)
        more, fewer = chain[at - 1], chain[at + 1]
    else:
        return -1, -1
    return (more if more < n_reps else -1), (fewer if fewer < n_reps else -1)
