"""The pairs of leads and reps that a split may use: every rule but capacity, for all leads at once.

Leads are looked at in blocks, so that no table of all leads by all reps is ever in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from solvers.problem import LIMIT_SLACK
from territory_engine.geography.sphere import EARTH_RADIUS_KM, unit_vectors
from territory_engine.leads.batch import Choices
from territory_engine.leads.reading.columns import near_column
from territory_engine.leads.reps.availability import FOREVER
from territory_engine.leads.suitability.chance import at_random
from territory_engine.leads.suitability.eligibility import Demand, demand_of, notices_of, rules_of
from territory_engine.travel import haversine_km

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from territory_engine.config import Config
    from territory_engine.leads.batch import LeadBatch, Matches, Roster
    from territory_engine.leads.policy import Policy

_Pairs = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.float64]"]

MAX_PAIRS = 8_000_000
"""Pairs that are kept; beyond, each lead keeps those who come first for it and its best others."""

_BLOCK_CELLS = 4_000_000
OWNER, TERRITORY, POOL = 0, 1, 2
_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Suitability:
    """Leads, reps and the rules between them, at the moment of a batch.

    Attributes
    ----------
    batch : LeadBatch
    matches : Matches
    roster : Roster
    policy : Policy
    at : datetime
        With a time zone.
    demands, fits : tuple of Demand
        Rules of eligibility, and those that raise a lead's value.
    owner, territory_rep : ndarray of int64, shape (n_leads,)
        Row of the roster of who comes first and second for each lead; −1 where there is nobody, where the policy does
        not care, or where whoever it is has left or is on no roster.
    barred : ndarray of bool, shape (n_leads,)
        Leads that nobody may have: rejected ones, and those whose match is ambiguous.
    stated : bool
        Whether the policy states its rules of eligibility itself.
    """

    batch: LeadBatch
    matches: Matches
    roster: Roster
    policy: Policy
    at: datetime
    demands: tuple[Demand, ...]
    fits: tuple[Demand, ...]
    owner: NDArray[np.int64]
    territory_rep: NDArray[np.int64]
    barred: NDArray[np.bool_]
    stated: bool

    @classmethod
    def of(
        cls, batch: LeadBatch, matches: Matches, roster: Roster, policy: Policy, config: Config, at: datetime
    ) -> Suitability:
        """Put a batch and a roster together.

        Parameters
        ----------
        batch : LeadBatch
        matches : Matches
        roster : Roster
            At the same moment.
        policy : Policy
        config : Config
            The plan's, for its own rule of eligibility.
        at : datetime
            With a time zone.
        """
        leads, reps = batch.frame, roster.frame
        rules = rules_of(policy, config, reps)
        owner, territory_rep = _in_line(matches, roster, policy)
        barred = matches.kind == "ambiguous"
        barred[list(batch.rejected)] = True
        return cls(
            batch, matches, roster, policy, at,
            demands=tuple(demand_of(leads, reps, *rule) for rule in rules),
            fits=tuple(demand_of(leads, reps, fit.column, fit.reps_column) for fit in policy.fit),
            owner=owner, territory_rep=territory_rep, barred=barred,
            stated=policy.eligibility is not None,
        )  # fmt: skip

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return len(self.batch)

    @property
    def n_reps(self) -> int:
        """Number of reps."""
        return len(self.roster.weight)

    @property
    def now(self) -> np.datetime64:
        """The moment of the batch, in UTC."""
        return np.datetime64(int(self.at.timestamp() // 1), "s")

    def rules_without_column(self) -> list[list[str]]:
        """Return rules that no lead has the column of, as pairs of a leads column and a reps column.

        Those that the policy states; of the others, those whose column may be there under another name.
        """
        frame = self.batch.frame
        told = [*(self.demands if self.stated else ()), *self.fits]
        told += [d for d in (() if self.stated else self.demands) if near_column(d.column, map(str, frame.columns))]
        return [[demand.column, demand.reps_column] for demand in told if demand.column not in frame.columns]

    @cached_property
    def first_in_line(self) -> NDArray[np.int64]:
        """Row of the roster of whoever comes first for each lead, −1 where nobody does; shape ``(n_leads,)``."""
        return np.where(self.owner >= 0, self.owner, self.territory_rep)

    @cached_property
    def waits(self) -> NDArray[np.bool_]:
        """Leads that only whoever comes first may have, shape ``(n_leads,)``."""
        if self.policy.matching.when_unavailable != "wait":
            return np.zeros(self.n_leads, bool)
        return self.first_in_line >= 0

    @cached_property
    def takes_leads_from(self) -> NDArray[np.datetime64]:
        """Moment from which each rep takes leads, capacity and weight aside; NaT where unknown; shape ``(n_reps,)``.

        Whoever takes leads now has the batch's own moment.
        """
        roster, hours = self.roster, self.policy.hours.respond_within_h
        start = np.full(self.n_reps, self.now)
        if hours is not None:
            start = np.maximum(start, roster.next_at_work - np.timedelta64(round(hours * 3600), "s"))
        if roster.away_until is not None:
            return np.asarray(np.where(roster.away, np.maximum(start, roster.away_until), start))
        return np.asarray(np.where(roster.away, np.maximum(start, roster.next_at_work), start))

    @cached_property
    def takes_leads(self) -> NDArray[np.bool_]:
        """Reps who are there, have a weight and are at work soon enough, shape ``(n_reps,)``."""
        return np.asarray(~self.roster.away & (self.roster.weight > 0) & (self.takes_leads_from <= self.now))

    @cached_property
    def _places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        frames = (self.batch.frame, self.roster.frame)
        leads, reps = (
            np.column_stack([frame[c].to_numpy(np.float64) for c in ("latitude", "longitude")]) for frame in frames
        )
        return leads, reps

    def kilometres(self, lead: NDArray[np.int64], rep: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the distance of each pair in km, NaN where the lead or the rep has no place; shape ``(n_pairs,)``."""
        leads, reps = self._places
        a, b = leads[lead], reps[rep]
        return haversine_km(a[:, 0], a[:, 1], b[:, 0], b[:, 1])

    def pairs_within(
        self, leads: NDArray[np.int64], reps: NDArray[np.bool_], *, measured: bool = True
    ) -> Iterator[_Pairs]:
        """Yield the pairs that eligibility, travel limits and lines allow: lead, rep and km, by lead and then by rep.

        Parameters
        ----------
        leads : ndarray of int64
            Ascending.
        reps : ndarray of bool, shape (n_reps,)
            Who is asked.
        measured : bool
            Whether km are wanted; otherwise they are NaN where no limit asks for them.
        """
        asked = np.flatnonzero(reps)
        leads = leads[~self.barred[leads]]
        if not len(asked):
            return
        size = max(1, _BLOCK_CELLS // len(asked))
        limited = np.isfinite(self.roster.travel_km[asked])
        met = [(demand.code, demand.met[:, asked]) for demand in self.demands if demand.asks]
        for start in range(0, len(leads), size):
            block = leads[start : start + size]
            allowed = np.ones((len(block), len(asked)), bool)
            for code, mask in met:
                allowed &= mask[code[block]]
            self._keep_line(allowed, block, asked)
            if limited.any():
                self._drop_far(allowed, block, asked, limited)
            cells = np.flatnonzero(allowed)
            row, column = np.divmod(cells, len(asked))
            lead, rep = block[row], asked[column]
            if not measured and not limited.any():
                yield lead, rep, np.full(len(lead), np.nan)
                continue
            km = self.kilometres(lead, rep)
            limit = self.roster.travel_km[rep]
            with np.errstate(invalid="ignore"):
                kept = np.isinf(limit) | (km <= limit + LIMIT_SLACK * np.maximum(1.0, limit))
            yield (lead, rep, km) if kept.all() else (lead[kept], rep[kept], km[kept])

    def _keep_line(self, allowed: NDArray[np.bool_], block: NDArray[np.int64], asked: NDArray[np.int64]) -> None:
        """Leave a lead that waits for whoever comes first to nobody else."""
        waiting = np.flatnonzero(self.waits[block])
        if len(waiting):
            allowed[waiting] &= asked[None, :] == self.first_in_line[block[waiting]][:, None]

    def _drop_far(
        self, allowed: NDArray[np.bool_], block: NDArray[np.int64], asked: NDArray[np.int64], limited: NDArray[np.bool_]
    ) -> None:
        """Strike out most pairs beyond a travel limit by their angle, which is one product of matrices; the rest later."""
        leads, reps = self._places
        a, b = unit_vectors(*leads[block].T), unit_vectors(*reps[asked[limited]].T)
        limit = self.roster.travel_km[asked[limited]]
        # Cosines near 1 are coarse: the margin keeps every pair at the limit for the exact check.
        least = np.cos(np.minimum(limit * (1 + 1e-6) / EARTH_RADIUS_KM, np.pi)) - 1e-12
        with np.errstate(invalid="ignore"):
            allowed[:, limited] &= a @ b.T >= least  # NaN where there is no place: not near

    def ranks(self, lead: NDArray[np.int64], rep: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each pair's preference rank: 0 the owner's, 1 the territory's, 2 the pool's."""
        rank = np.full(len(lead), POOL, np.int64)
        rank[self.territory_rep[lead] == rep] = TERRITORY
        rank[self.owner[lead] == rep] = OWNER
        return rank

    def values(self, lead: NDArray[np.int64], rep: NDArray[np.int64], km: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each pair's expected value: score × value × fit − travel cost."""
        frame = self.batch.frame
        worth = frame["score"].to_numpy(np.float64) * np.nan_to_num(frame["value"].to_numpy(np.float64), nan=1.0)
        expected = worth[lead]
        for rule, demand in zip(self.policy.fit, self.fits, strict=True):
            fitting = (demand.code[lead] > 0) & demand.met[demand.code[lead], rep]
            expected = np.where(fitting, expected * rule.factor, expected)
        return np.asarray(expected - self.policy.value.travel_cost_per_km * np.nan_to_num(km, nan=0.0))

    def choices(self, max_pairs: int = MAX_PAIRS) -> Choices:
        """Return the pairs that a split may use: see :func:`choices_of`."""
        notices = notices_of(self.demands, self.batch.frame, stated=self.stated)
        kept: list[_Pairs] = []
        total, most = 0, self._most_per_lead(max_pairs)
        for pairs in self.pairs_within(np.arange(self.n_leads), self.takes_leads):
            if total <= max_pairs < total + len(pairs[0]):
                kept = [self._best(earlier, most) for earlier in kept]
            total += len(pairs[0])
            kept.append(self._best(pairs, most) if total > max_pairs else pairs)
        truncated = total > max_pairs
        if truncated:
            left = sum(len(pairs[0]) for pairs in kept)
            notices.append(
                f"{total:,} pairs of a lead and a rep are possible, of which {left:,} are kept: for each lead whoever comes"
                f" first for it and its {most:,} best; fairness and value are those of the pairs kept."
            )
        lead, rep, km = (
            np.concatenate([pairs[k] for pairs in kept]) if kept else np.zeros(0, dtype)
            for k, dtype in enumerate((np.int64, np.int64, np.float64))
        )
        return Choices(
            lead_start=np.searchsorted(lead, np.arange(self.n_leads + 1)).astype(np.int64),
            rep=rep.astype(np.int32),
            rank=self.ranks(lead, rep),
            value=self.values(lead, rep, km),
            travel_km=km,
            truncated=truncated,
            notices=tuple(notices),
        )

    def _most_per_lead(self, max_pairs: int) -> int:
        """Return how many pairs each lead can keep beside whoever comes first for it, at least 1."""
        in_line = int((self.owner >= 0).sum() + (self.territory_rep >= 0).sum())
        return max(1, (max_pairs - in_line) // max(1, int((~self.barred).sum())))

    def _best(self, pairs: _Pairs, most: int) -> _Pairs:
        """Return whoever comes first for each lead and its ``most`` best pairs; among equals any, but each lead others.

        Equals in the roster's order would give every lead the same few reps, and the others nothing: values are told
        apart to a billionth of the greatest, and beneath that at random.
        """
        lead, rep, km = pairs
        if not len(lead):
            return pairs
        value = self.values(lead, rep, km)
        value += at_random(lead, rep, self.policy.seed) * (1e-9 * max(1e-9, float(np.abs(value).max())))
        row = np.cumsum(np.diff(lead, prepend=lead[0]) > 0)
        chosen = self.ranks(lead, rep) < POOL
        if most < self.n_reps:
            table = np.full((int(row[-1]) + 1, self.n_reps), -np.inf)
            table[row, rep] = value
            table.partition(self.n_reps - most, axis=1)
            chosen |= value >= table[row, self.n_reps - most]
        else:
            chosen[:] = True
        return lead[chosen], rep[chosen], km[chosen]

    def could_go_at(
        self, leads: NDArray[np.int64], free_from: NDArray[np.datetime64] | None = None
    ) -> NDArray[np.datetime64]:
        """Return the earliest moment at which some rep could take each lead, NaT where none is known.

        Parameters
        ----------
        leads : ndarray of int64, shape (n,)
            Ascending.
        free_from : ndarray of datetime64[s], shape (n_reps,), optional
            Moment from which each rep has room (see :func:`~territory_engine.leads.reps.capacity.room_from`), NaT where that
            is not known. By default everybody has.

        Returns
        -------
        ndarray of datetime64[s], shape (n,)
        """
        start = self.takes_leads_from
        if free_from is not None:
            start = self._there_from(np.maximum(start, free_from.astype("datetime64[s]")))
        ever = ~np.isnat(start) & (self.roster.weight > 0)
        seconds = start.astype(np.int64)
        earliest = np.full(self.n_leads, _FAR, np.int64)
        for lead, rep, _ in self.pairs_within(np.asarray(leads, np.int64), ever, measured=False):
            np.minimum.at(earliest, lead, seconds[rep])
        found = earliest[leads]
        found[found == _FAR] = np.iinfo(np.int64).min
        return found.astype("datetime64[s]")

    def _there_from(self, moments: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
        """Return from when each rep takes leads, not before a moment: who has room again may be on leave, or asleep."""
        roster, hours = self.roster, self.policy.hours.respond_within_h
        if roster.calendar_of_rep is None:
            return moments
        within = None if hours is None else round(hours * 3600)
        known: dict[tuple[int, int], int] = {}
        found = moments.copy()
        for rep in np.flatnonzero(~np.isnat(moments) & (moments > self.now)):
            key = (int(roster.calendar_of_rep[rep]), int(moments[rep].astype(np.int64)))
            if key not in known:
                known[key] = roster.calendars[key[0]].takes_leads_from(key[1], within)
            found[rep] = np.datetime64("NaT") if known[key] >= FOREVER else np.datetime64(known[key], "s")
        return found


def choices_of(
    batch: LeadBatch,
    matches: Matches,
    roster: Roster,
    policy: Policy,
    config: Config,
    at: datetime,
    *,
    max_pairs: int = MAX_PAIRS,
) -> Choices:
    """Return the pairs of leads and reps that a split may use: every rule but capacity.

    A pair is there if the rep lists all that the lead asks for, is near enough where there is a travel limit (then both
    need a place), is not away, has a weight, and is at work soon enough; and if the lead is neither rejected nor ambiguous.
    With ``when_unavailable = "wait"`` a lead is left to whoever comes first for it, if anybody does.

    Parameters
    ----------
    batch, matches, roster, policy, config, at
        As for :meth:`Suitability.of`.
    max_pairs : int
        Above this many pairs, each lead keeps whoever comes first for it and its best others, and ``truncated`` says so.
    """
    return Suitability.of(batch, matches, roster, policy, config, at).choices(max_pairs)


def _in_line(matches: Matches, roster: Roster, policy: Policy) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the owner and of the territory's rep, −1 where nobody; who has left comes first for nothing."""
    rows: dict[str, int] = {str(rep): row for row, rep in enumerate(roster.frame.index)}
    territories = roster.frame["territory_ids"].tolist()
    if roster.away_until is not None:
        gone = set(np.flatnonzero(roster.away & np.isnat(roster.away_until)).tolist())
        rows = {rep: row for rep, row in rows.items() if row not in gone}
    of_territory = {
        territory: row for row in rows.values() for territory in str(territories[row]).split(";") if territory
    }
    by_account, by_place = matches.by_account, matches.by_place
    named = np.array([rows.get(str(rep), -1) for rep in matches.rep_id], np.int64)
    its = np.array([of_territory.get(str(territory), -1) for territory in matches.territory_id], np.int64)
    known = (by_account | by_place) & (matches.kind != "ambiguous")
    owner = np.where(by_account, named, -1)
    territory_rep = np.where(by_place & (named >= 0), named, np.where(known, its, -1))
    if policy.matching.owner == "ignore":
        owner[:] = -1
    if policy.matching.territory == "ignore":
        territory_rep[:] = -1
    return owner, territory_rep
