"""The proof of a split once more, without any price: nobody could pass leads on along any chain of reps to make it better.

A lead of rep r that s could take as well is a step from r to s, which costs the difference in rank. A split has the best
ranks exactly if no round trip, and no way to somebody with room, costs less than nothing; and is the fairest of those
exactly if no way that costs nothing in rank leads from a rep to one whose next lead would cost less than the first one's
last. Staying unassigned is a place like a rep, with room for everybody, that is dearer than any chain of ranks.

Source: Murota 2003, "Discrete Convex Analysis", theorem 6.26; Ahuja, Magnanti & Orlin 1993, "Network Flows", theorem 9.1
(no negative cycle in the residual network); Floyd 1962, "Algorithm 97: shortest path".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from territory_engine.auditing.checks import Check
from territory_engine.auditing.routed.prices import best_left

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.auditing.routed.prices import SplitPart

LARGEST_ROSTER = 2_000
"""Reps up to which every chain is looked at: the work grows with the cube of their number."""

_NEVER = 2**40


def check_paths(part: SplitPart, *, fairness: bool = True) -> Check:
    """Check that no chain of hand-overs improves a split.

    Parameters
    ----------
    part : SplitPart
    fairness : bool
        Whether shares are looked at as well as ranks.
    """
    name = f"no_better_chain:{part.name}"
    m = len(part.step)
    if m > LARGEST_ROSTER:
        return Check(name, True, f"skipped: {m:,} reps, and chains are looked at for up to {LARGEST_ROSTER:,}")
    way = _cheapest_ways(_steps(part))
    able = np.append(part.count < part.capacity, True)
    has = np.append(part.count > 0, bool(part.waits.any()))
    better = (way < 0) & able[None, :] & has[:, None]
    rounds = np.flatnonzero(np.diag(way) < 0)
    if len(rounds):
        return Check(name, False, f"a round trip of leads through {_who(part, int(rounds[0]))} would improve ranks")
    if better.any():
        r, s = np.argwhere(better)[0]
        return Check(name, False, f"a chain of hand-overs from {_who(part, r)} to {_who(part, s)} would improve ranks")
    if not fairness:
        return Check(name, True, f"no chain of hand-overs among {m:,} reps assigns more leads or improves ranks")
    if part.slack or not part.step.any():
        return Check(name, True, "ranks: no chain of hand-overs improves them; shares: skipped, since there is slack")
    first, rise, _ = part.costs
    last, following = first + part.count * rise, first + (part.count + 1) * rise
    gain = last[:, None] - following[None, :]
    fairer = (way[:m, :m] == 0) & has[:m, None] & able[None, :m] & (gain > 0)
    np.fill_diagonal(fairer, val=False)
    if fairer.any():
        r, s = np.unravel_index(np.argmax(np.where(fairer, gain, -1)), gain.shape)
        what = (
            f"a chain of hand-overs from {_who(part, r)} ({part.count[r]} leads) to {_who(part, s)} ({part.count[s]})"
        )
        return Check(name, False, f"{what} would make shares more even: {int(fairer.sum()):,} such pairs of reps")
    return Check(name, True, f"no chain of hand-overs among {m:,} reps makes shares more even, ranks left as they are")


def _who(part: SplitPart, row: np.intp | int) -> str:
    return "those who wait" if row == len(part.rep_ids) else part.rep_ids[int(row)]


def _steps(part: SplitPart) -> NDArray[np.int64]:
    """Return the least rank that one lead's step from a rep to another costs, staying unassigned last."""
    m = len(part.step)
    dear = 2 * (m + 2) * (int(part.rank.max(initial=0)) + 1)
    step = np.full((m + 1, m + 1), _NEVER)
    here = np.where(part.given, part.its_rep, m)
    rank = np.where(part.given, part.of_own(part.rank), dear)
    np.minimum.at(step, (here[part.lead], part.rep), part.rank - rank[part.lead])
    np.minimum.at(step, (part.its_rep[part.given], np.full(int(part.given.sum()), m)), dear - rank[part.given])
    np.fill_diagonal(step, 0)
    return step


def _cheapest_ways(step: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what the cheapest way from each place to each other costs; below 0 on the diagonal where a round trip does."""
    way = step.copy()
    for k in range(len(way)):
        np.minimum(way, way[:, k, None] + way[None, k, :], out=way)
        if way[k, k] < 0:
            break  # from here on numbers only run away
    way[way > _NEVER // 2] = _NEVER
    return way


def check_swaps(part: SplitPart) -> Check:
    """Check that no exchange of two leads, and no move of one, brings two reps' shares of value closer.

    When worth δ > 0 goes from r to s, the sum of weight × share² falls exactly if δ·(step_r + step_s) < 2·(share_r −
    share_s).
    """
    name = f"even_value:{part.name}"
    least, most = part.bounds
    step, m = part.step, len(part.step)
    share = [int(level) for level in part.worth_level]
    for i in np.flatnonzero(part.given):
        share[part.its_rep[i]] += int(part.worth[i]) * int(step[part.its_rep[i]])
    among, _ = best_left(part)
    chosen = np.flatnonzero(among & part.given[part.lead])
    here, there = part.its_rep[part.lead[chosen]], part.rep[chosen]
    apart = here != there
    key, worth = (here * m + there)[apart], part.worth[part.lead[chosen][apart]]
    order = np.lexsort((worth, key))
    key, worth = key[order], worth[order]
    keys, start = np.unique(key, return_index=True)
    groups = dict(zip(keys.tolist(), np.split(worth, start[1:]), strict=True)) if len(keys) else {}
    compared = 0
    for pair_key, given in sorted(groups.items()):
        r, s = divmod(pair_key, m)
        gap, steps = share[r] - share[s], int(step[r]) + int(step[s])
        compared += 1
        if gap <= 0:
            continue  # what could go from s to r is looked at from the other side
        smallest = _NEVER
        if part.count[r] > least[r] and part.count[s] < most[s]:
            above = given[np.searchsorted(given, 0, side="right") :]
            smallest = int(above[0]) if len(above) else _NEVER
        taken = groups.get(s * m + r)
        if taken is not None:
            at = np.asarray(np.searchsorted(taken, given)) - 1
            fits = at >= 0
            if fits.any():
                smallest = min(smallest, int((given[fits] - taken[at[fits]]).min()))
        if smallest < _NEVER and smallest * steps < 2 * gap:
            what = f"worth {smallest} from {_who(part, r)} to {_who(part, s)} would bring their shares closer"
            return Check(name, False, what)
    return Check(
        name, True, f"no exchange of two leads, nor move of one, evens shares of value: {compared:,} pairs of reps"
    )


def check_ties(part: SplitPart, tie_order: NDArray[np.int64]) -> Check:
    """Check that among splits alike in everything, earlier leads go first and reps lowest in ``tie_order`` have more.

    Pairs that tie in ranks, fairness and value are steps that cost nothing; who can be reached by them is what could be
    exchanged.
    """
    name = f"ties:{part.name}"
    m = len(part.step)
    if m > LARGEST_ROSTER:
        return Check(name, True, f"skipped: {m:,} reps, and chains are looked at for up to {LARGEST_ROSTER:,}")
    among, cost = best_left(part)
    own = np.where(part.given, part.of_own(cost), 0)
    free = among & (cost == own[part.lead])
    step = np.full((m + 1, m + 1), _NEVER)
    here = np.where(part.given, part.its_rep, m)
    step[here[part.lead[free]], part.rep[free]] = 0
    may_wait = part.given & part.may_wait & (own == 0)
    step[here[may_wait], m] = 0
    np.fill_diagonal(step, 0)
    latest = np.full(m, -1)
    np.maximum.at(latest, here[may_wait], np.flatnonzero(may_wait))
    direct = step.copy()
    direct[:, m] = _NEVER  # who waits is looked at lead by lead
    reach = _cheapest_ways(direct[:m, :m]) == 0
    onward = np.where(reach, latest[None, :], -1).max(axis=1) if m else latest
    waiting = free & part.waits[part.lead]
    late = np.full(len(part.own), -1)
    np.maximum.at(late, part.lead[waiting], onward[part.rep[waiting]])
    early = np.flatnonzero(late > np.arange(len(part.own)))
    if len(early):
        i = int(early[0])
        return Check(
            name, False, f"{part.labels[i]} waits, and {part.labels[late[i]]}, which came later, might as well"
        )
    fixed = part.prices["value_price"] != 0
    least, most = (np.where(fixed, part.count, bound) for bound in part.bounds)
    ways = _cheapest_ways(step)[:m, :m] == 0
    better = (
        ways & (part.count > least)[:, None] & (part.count < most)[None, :] & (tie_order[:, None] > tie_order[None, :])
    )
    if better.any():
        r, s = np.argwhere(better)[0]
        return Check(
            name, False, f"a lead of {_who(part, r)} is as well with {_who(part, s)}, who comes before in ties"
        )
    return Check(name, True, "among splits alike in everything, earlier leads and those who waited longest come first")
