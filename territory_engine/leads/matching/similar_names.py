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

from territory_engine.leads.matching.company_names import numbers_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FEW = 200
"""Up to so many names are compared one by one."""
_SHORTEST_PIECE = 2
_CHUNK = 4_000_000
_BATCH = 20_000


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
    names : sequence of str
    share : float
        ``1 − threshold / 100``: inserted and deleted characters per character of both names.
    lengths : dict of numbers to sorted list of int
        Lengths that names with these numbers have.
    groups : dict of (numbers, length) to ndarray of int64
        Names that are compared one by one: few of them, or too short to be cut.
    keys : ndarray of uint64, shape (n_pieces,)
        Hash of a piece, with its name's numbers and length and its own number in it; ascending.
    owners : ndarray of int64, shape (n_pieces,)
        The name that each piece is of.
    """

    names: Sequence[str]
    share: float
    lengths: dict[tuple[str, ...], list[int]]
    groups: dict[tuple[tuple[str, ...], int], NDArray[np.int64]]
    keys: NDArray[np.uint64]
    owners: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str], threshold: float) -> _Pieces:
        """Cut names into pieces for a threshold."""
        share = 1 - threshold / 100
        members: dict[tuple[str, ...], dict[int, list[int]]] = {}
        for i, name in enumerate(names):
            members.setdefault(numbers_in(name), {}).setdefault(len(name), []).append(i)
        groups: dict[tuple[tuple[str, ...], int], NDArray[np.int64]] = {}
        cut: list[tuple[int, _Window]] = []
        for numbers, by_length in members.items():
            few = sum(map(len, by_length.values())) <= _FEW
            for length, rows in by_length.items():
                cuts = _cuts(length, share)
                if cuts is None or few:
                    groups[numbers, length] = np.array(rows, np.int64)
                    continue
                window = _window_of(numbers, length, [(k, *ends) for k, ends in enumerate(cuts)])
                cut += [(i, window) for i in rows]
        cut.sort(key=lambda pair: pair[0])
        keys, owners = _keys_of(names, [i for i, _ in cut], [window for _, window in cut])
        order = np.argsort(keys, kind="stable")
        return cls(names, share, {n: sorted(ls) for n, ls in members.items()}, groups, keys[order], owners[order])

    def candidates(self, queries: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return pairs of query and name that may be similar, each once, by query and then by name."""
        direct_q: list[NDArray[np.int64]] = []
        direct_n: list[NDArray[np.int64]] = []
        known: dict[tuple[tuple[str, ...], int], tuple[NDArray[np.int64], _Window | None]] = {}
        probing: list[int] = []
        windows: list[_Window] = []
        for q, query in enumerate(queries):
            kind = numbers_in(query), len(query)
            if kind not in known:
                known[kind] = self._to_compare_with(*kind)
            group, window = known[kind]
            if len(group):
                direct_q.append(np.full(len(group), q, np.int64))
                direct_n.append(group)
            if window is not None:
                probing.append(q)
                windows.append(window)
        found_q, found_n = [*direct_q], [*direct_n]
        for start in range(0, len(probing), _BATCH):
            keys, of_query = _keys_of(queries, probing[start : start + _BATCH], windows[start : start + _BATCH])
            left = np.searchsorted(self.keys, keys, "left")
            hit = np.flatnonzero(self.keys[np.minimum(left, len(self.keys) - 1)] == keys)
            left = left[hit]
            count = np.searchsorted(self.keys, keys[hit], "right") - left
            at = np.repeat(left - np.cumsum(count) + count, count) + np.arange(count.sum())
            pair_q, pair_n = _once(np.repeat(of_query[hit], count), self.owners[at])
            near = _may_be(pair_q, pair_n, queries, self.names, self.share)
            found_q.append(pair_q[near])
            found_n.append(pair_n[near])
        if not found_q:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return _once(np.concatenate(found_q), np.concatenate(found_n))

    def _to_compare_with(self, numbers: tuple[str, ...], size: int) -> tuple[NDArray[np.int64], _Window | None]:
        """Return the names that a query of this kind is compared with one by one, and where to look for pieces."""
        groups: list[NDArray[np.int64]] = []
        parts: list[_Window] = []
        for length in self.lengths.get(numbers, ()):
            most = _most_edits(length, size, self.share)
            if abs(size - length) > most:
                continue
            if (numbers, length) in self.groups:
                groups.append(self.groups[numbers, length])
            else:
                parts.append(_window_of(numbers, length, _windows(length, size, most, _cuts(length, self.share) or ())))
        group = np.concatenate(groups) if groups else np.zeros(0, np.int64)
        return group, tuple(np.concatenate(p) for p in zip(*parts, strict=True)) if parts else None  # type: ignore[return-value]  # three arrays stay three


_Window = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.uint64]"]
"""Starts and ends of pieces in a name, and what tells a piece from the same text elsewhere in a name."""

_BASE = 0x9E3779B97F4A7C15


def _window_of(numbers: tuple[str, ...], length: int, pieces: Sequence[tuple[int, int, int]]) -> _Window:
    start = np.array([p[1] for p in pieces], np.int64)
    stop = np.array([p[2] for p in pieces], np.int64)
    told = np.array([hash((numbers, length, p[0])) & 0xFFFFFFFFFFFFFFFF for p in pieces], np.uint64)
    return start, stop, told


def _keys_of(
    texts: Sequence[str], which: Sequence[int], windows: Sequence[_Window]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the hash of every piece of some texts, and the text that it is of.

    The hash of characters c_k from a to b is ``Σ c_k·B^(k − a) mod 2^64``, from running sums over all texts in a row.
    """
    keys, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for first in range(0, len(which), _BATCH):
        rows, of = which[first : first + _BATCH], windows[first : first + _BATCH]
        characters = np.frombuffer("".join(texts[i] for i in rows).encode("utf-32-le"), "<u4").astype(np.uint64)
        power = np.full(len(characters) + 1, _BASE, np.uint64)
        inverse = np.full(len(characters) + 1, pow(_BASE, -1, 1 << 64), np.uint64)
        power[0] = inverse[0] = 1
        power, inverse = np.cumprod(power, dtype=np.uint64), np.cumprod(inverse, dtype=np.uint64)
        running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(characters * power[:-1], dtype=np.uint64)])
        size = np.array([len(texts[i]) for i in rows], np.int64)
        count = np.array([len(w[0]) for w in of], np.int64)
        offset = np.repeat(np.cumsum(size) - size, count)
        start = np.concatenate([w[0] for w in of]) + offset
        stop = np.concatenate([w[1] for w in of]) + offset
        told = np.concatenate([w[2] for w in of])
        keys.append(((running[stop] - running[start]) * inverse[start] * np.uint64(_BASE)) ^ told)
        owners.append(np.repeat(np.array(rows, np.int64), count))
    return np.concatenate(keys), np.concatenate(owners)


def _once(query: NDArray[np.int64], name: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs in order, each once."""
    if len(query) == 0:
        return query.astype(np.int64), name.astype(np.int64)
    width = int(name.max()) + 1
    pairs = np.sort(query * width + name)  # np.unique hashes, which takes ten times as long here
    new = np.ones(len(pairs), bool)
    new[1:] = pairs[1:] != pairs[:-1]
    return pairs[new] // width, pairs[new] % width


def _may_be(
    query: NDArray[np.int64], name: NDArray[np.int64], queries: Sequence[str], names: Sequence[str], share: float
) -> NDArray[np.bool_]:
    """Return which pairs have few enough characters that only one of the two has: every one of them is an edit."""
    if len(query) == 0:
        return np.zeros(0, bool)
    of_queries, q = _counts(queries, query)
    of_names, n = _counts(names, name)
    sizes_q = np.array([len(text) for text in queries], np.int64)
    sizes_n = np.array([len(text) for text in names], np.int64)
    most = np.floor(share * (sizes_q[query] + sizes_n[name]) + 1e-9)
    out = np.zeros(len(query), bool)
    for start in range(0, len(query), _BATCH * 10):
        some = slice(start, start + _BATCH * 10)
        apart = np.abs(of_queries[q[some]] - of_names[n[some]]).sum(axis=1, dtype=np.int64)
        out[some] = apart <= most[some]
    return out


def _counts(texts: Sequence[str], which: NDArray[np.int64]) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Return how often each of 32 classes of characters is in the texts that are used, and their rows for ``which``."""
    marked = np.zeros(len(texts), bool)
    marked[which] = True
    used, row = np.flatnonzero(marked), (np.cumsum(marked) - 1)[which]
    out = np.zeros((len(used), 32), np.int16)
    for start in range(0, len(used), _BATCH):
        some = [texts[i] for i in used[start : start + _BATCH].tolist()]
        classes = np.frombuffer("".join(some).encode("utf-32-le"), "<u4").astype(np.int64) & 31
        owner = np.repeat(np.arange(len(some)), [len(text) for text in some])
        out[start : start + len(some)] = np.bincount(owner * 32 + classes, minlength=32 * len(some)).reshape(-1, 32)
    return out, row.astype(np.int64)


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
