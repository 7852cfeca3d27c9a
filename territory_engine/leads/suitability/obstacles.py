"""Why leads wait: what stands between each of them and the reps, counted over all reps at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.problem import LIMIT_SLACK
from territory_engine.grammar import counted, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.leads.suitability.choices import Suitability

_BLOCK_CELLS = 4_000_000


def obstacles(suitability: Suitability, leads: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return for how many reps each thing is the first that stands in a lead's way.

    Parameters
    ----------
    suitability : Suitability
    leads : ndarray of int64, shape (n,)
        Positions in the batch.

    Returns
    -------
    counts : ndarray of int64, shape (n, n_obstacles)
    names : tuple of str
        The columns of the rules of eligibility, then ``"travel"``, ``"place"``, ``"away"``, ``"weight"``, ``"hours"``.
    """
    demands = suitability.demands
    names = (*(demand.column for demand in demands), "travel", "place", "away", "weight", "hours")
    counts = np.zeros((len(leads), len(names)), np.int64)
    if not suitability.n_reps:
        return counts, names
    block = max(1, _BLOCK_CELLS // suitability.n_reps)
    for begin in range(0, len(leads), block):
        part = leads[begin : begin + block]
        counts[begin : begin + block] = _of_block(suitability, part, len(names))
    return counts, names


def _of_block(suitability: Suitability, leads: NDArray[np.int64], n_names: int) -> NDArray[np.int64]:
    roster, n_reps = suitability.roster, suitability.n_reps
    open_ = np.ones((len(leads), n_reps), bool)
    counts = np.zeros((len(leads), n_names), np.int64)

    def stand_in_the_way(place: int, blocked: NDArray[np.bool_]) -> None:
        nonlocal open_
        counts[:, place] = (open_ & blocked).sum(axis=1)
        open_ &= ~blocked

    for place, demand in enumerate(suitability.demands):
        stand_in_the_way(place, ~demand.met[demand.code[leads]])
    n_demands = len(suitability.demands)
    if np.isfinite(roster.travel_km).any():
        pairs = np.repeat(leads, n_reps), np.tile(np.arange(n_reps), len(leads))
        km = suitability.kilometres(*pairs).reshape(len(leads), n_reps)
        limit = roster.travel_km
        with np.errstate(invalid="ignore"):
            stand_in_the_way(n_demands, km > limit + LIMIT_SLACK * np.maximum(1.0, limit))
        stand_in_the_way(n_demands + 1, np.isnan(km) & np.isfinite(limit))
    away = roster.away
    for place, blocked in enumerate((away, ~(roster.weight > 0), ~suitability.takes_leads)):
        stand_in_the_way(n_demands + 2 + place, np.broadcast_to(blocked, open_.shape))
    return counts


_OBSTACLES = {
    "travel": ("is too far away", "are too far away"),
    "place": ("has a travel limit and no known distance to it", "have a travel limit and no known distance to it"),
    "away": ("is away", "are away"),
    "weight": ("takes no leads", "take no leads"),
    "hours": ("is not at work soon enough", "are not at work soon enough"),
    "open_leads": ("has as many open leads as allowed", "have as many open leads as allowed"),
    "per_day": ("has had the day's most", "have had the day's most"),
    "per_week": ("has had the week's most", "have had the week's most"),
    "match": ("is not whom it waits for", "are not whom it waits for"),
    "lead": ("was not asked: it cannot go to anybody as it is", "were not asked: it cannot go to anybody as it is"),
    "already_routed": ("was not asked: it was routed already", "were not asked: it was routed already"),
    "full": ("has no room beside its matches", "have no room beside their matches"),
    "unknown": ("could not, by a rule not shown", "could not, by a rule not shown"),
    "not_kept": ("is not among the pairs kept", "are not among the pairs kept"),
}


def obstacle_words(counts: NDArray[np.int64], names: tuple[str, ...]) -> str:
    """Say what stands in a lead's way, most reps first: ``"9 do not cover its segment and 3 are away"``; "" where nothing does."""
    clauses = []
    for place in np.argsort(-counts, kind="stable"):
        number, name = int(counts[place]), names[place]
        if number:
            one, several = _OBSTACLES.get(name, (f"does not cover its {name}", f"do not cover its {name}"))
            clauses.append(counted(number, one, several))
    return listed(clauses) if clauses else ""


def obstacle_clauses(code: str, number: int) -> str:
    """Say for how many reps one thing stands in the way, in reps: ``"412 reps do not cover its segment"``."""
    one, several = _OBSTACLES.get(code, (f"does not cover its {code}", f"do not cover its {code}"))
    return counted(number, f"rep {one}", f"reps {several}")
