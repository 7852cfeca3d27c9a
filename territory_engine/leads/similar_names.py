"""Which of many names are similar to which of many others, every pair above a threshold, without comparing all pairs.

Similarity is ``rapidfuzz.fuzz.ratio`` of the names with their words sorted: ``100 · (1 − D / (a + b))``, where a and b are
lengths and D counts inserted and deleted characters. So a threshold bounds D. Cut a name into one piece more than D: one
piece at least is left whole, and close to where it was. Only names that share such a piece are compared.

Source: Li, Deng, Wang & Feng 2011, "Pass-Join: a partition-based method for similarity joins" (PVLDB 5), sections 3 and 4.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from territory_engine.leads.company_names import numbers_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FEW = 200
"""Up to so many names are compared one by one."""
_SHORTEST_PIECE = 2
_CHUNK = 4_000_000


@dataclass(frozen=True, eq=False)
class SimilarNames:
    """Names to be found, of which the words are sorted.

    Attributes
    ----------
    names : list of str
        Distinct.
    """

    names: list[str]
    _indexes: dict[float, _Pieces] = field(default_factory=dict)

    def similar(
        self, queries: Sequence[str], threshold: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return all pairs of a query and a name that have the same numbers and a similarity of at least ``threshold``.

        Parameters
        ----------
        queries : sequence of str
            With their words sorted.
        threshold : float
            0 to 100.

        Returns
        -------
        query, name : ndarray of int64, shape (n_pairs,)
            Positions; by query, then by name.
        score : ndarray of float64, shape (n_pairs,)
        """
        from rapidfuzz import fuzz, process

        if threshold not in self._indexes:
            self._indexes[threshold] = _Pieces.of(self.names, threshold)
        query, name = self._indexes[threshold].candidates(queries)
        kept_q, kept_n, kept_s = [], [], []
        for start in range(0, len(query), _CHUNK):
            q, n = query[start : start + _CHUNK], name[start : start + _CHUNK]
            score = process.cpdist(
                [queries[i] for i in q.tolist()], [self.names[i] for i in n.tolist()],
                scorer=fuzz.ratio, score_cutoff=threshold, dtype=np.float64, workers=1,
            )  # fmt: skip
            near = score >= threshold
            kept_q.append(q[near])
            kept_n.append(n[near])
            kept_s.append(score[near])
        if not kept_q:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        return np.concatenate(kept_q), np.concatenate(kept_n), np.concatenate(kept_s)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Names by their pieces.

    Attributes
    ----------
    share : float
        ``1 − threshold / 100``: inserted and deleted characters per character of both names.
    lengths : dict of numbers to sorted list of int
        Lengths that names with these numbers have.
    groups : dict of (numbers, length) to ndarray of int64
        Names that are compared one by one: few of them, or too short to be cut.
    keys, owners : ndarray of int64, shape (n_pieces,)
        Hash of a piece with its name's numbers and length and its own place; ascending, with the name it is of.
    """

    share: float
    lengths: dict[tuple[str, ...], list[int]]
    groups: dict[tuple[tuple[str, ...], int], NDArray[np.int64]]
    keys: NDArray[np.int64]
    owners: NDArray[np.int64]

    @classmethod
    def of(cls, names: list[str], threshold: float) -> _Pieces:
        """Cut names into pieces for a threshold."""
        share = 1 - threshold / 100
        members: dict[tuple[str, ...], list[int]] = {}
        for i, name in enumerate(names):
            members.setdefault(numbers_in(name), []).append(i)
        lengths: dict[tuple[str, ...], list[int]] = {}
        groups: dict[tuple[tuple[str, ...], int], NDArray[np.int64]] = {}
        keys: list[int] = []
        owners: list[int] = []
        for numbers, rows in members.items():
            by_length: dict[int, list[int]] = {}
            for i in rows:
                by_length.setdefault(len(names[i]), []).append(i)
            lengths[numbers] = sorted(by_length)
            for length, of_length in by_length.items():
                cuts = _cuts(length, share)
                if cuts is None or len(rows) <= _FEW:
                    groups[numbers, length] = np.array(of_length, np.int64)
                    continue
                for i in of_length:
                    name = names[i]
                    for piece, (start, stop) in enumerate(cuts):
                        keys.append(hash((numbers, length, piece, name[start:stop])))
                        owners.append(i)
        order = np.argsort(np.array(keys, np.int64), kind="stable")
        return cls(share, lengths, groups, np.array(keys, np.int64)[order], np.array(owners, np.int64)[order])

    def candidates(self, queries: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return pairs of query and name that may be similar, each once, by query and then by name."""
        direct_q: list[NDArray[np.int64]] = []
        direct_n: list[NDArray[np.int64]] = []
        probes: list[int] = []
        probing: list[int] = []
        windows: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        for q, query in enumerate(queries):
            numbers, size = numbers_in(query), len(query)
            for length in self.lengths.get(numbers, ()):
                most = _most_edits(length, size, self.share)
                if abs(size - length) > most:
                    continue
                group = self.groups.get((numbers, length))
                if group is not None:
                    direct_q.append(np.full(len(group), q, np.int64))
                    direct_n.append(group)
                    continue
                if (length, size) not in windows:
                    windows[length, size] = _windows(length, size, most, _cuts(length, self.share) or ())
                for piece, start, stop in windows[length, size]:
                    probes.append(hash((numbers, length, piece, query[start:stop])))
                    probing.append(q)
        wanted = np.array(probes, np.int64)
        left = np.searchsorted(self.keys, wanted, "left")
        count = np.searchsorted(self.keys, wanted, "right") - left
        at = np.repeat(left - np.cumsum(count) + count, count) + np.arange(count.sum())
        q_all = np.concatenate([*direct_q, np.repeat(np.array(probing, np.int64), count)]).astype(np.int64)
        n_all = np.concatenate([*direct_n, self.owners[at]]).astype(np.int64)
        if len(q_all) == 0:
            return q_all, n_all
        width = int(n_all.max()) + 1
        pairs = np.unique(q_all * width + n_all)
        return pairs // width, pairs % width


def _most_edits(a: int, b: int, share: float) -> int:
    """Return how many insertions and deletions leave names of lengths a and b similar enough."""
    return math.floor(share * (a + b) + 1e-9)


def _cuts(length: int, share: float) -> list[tuple[int, int]] | None:
    """Return start and end of a name's pieces, one more than the most edits to any name that may be similar to it."""
    longest = math.floor(length * (1 + share) / (1 - share) + 1e-9)
    pieces = _most_edits(length, longest, share) + 1
    if length < _SHORTEST_PIECE * pieces:
        return None
    ends = [length * k // pieces for k in range(pieces + 1)]
    return list(itertools.pairwise(ends))


def _windows(length: int, size: int, most: int, cuts: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return where the pieces of a name of ``length`` may stand in a query of ``size``: piece, start, stop.

    Some whole piece i has at most i edits before it and at most ``most − i`` after it, so it stands that close to its
    place counted from either end.
    """
    longer = size - length
    back, ahead = (most - longer) // 2, (most + longer) // 2
    windows = []
    for i, (start, stop) in enumerate(cuts[: most + 1]):
        low = start + max(-i, longer - (most - i), -back)
        high = start + min(i, longer + (most - i), ahead)
        wide = stop - start
        windows += [(i, p, p + wide) for p in range(max(0, low), min(high, size - wide) + 1)]
    return windows
