"""Chunks of rows on threads: every row once, and the same sums on any number of threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from solvers.chunks import CHUNKS, cores, limited_threads, over_chunks, threads


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
@pytest.mark.parametrize("rows", [0, 5, 63, 64, 1000])
def test_every_row_is_done_once_on_any_number_of_threads(limit: int, rows: int) -> None:
    times = np.zeros(rows, int)
    seen = []

    def work(chunk: int, first: int, last: int) -> None:
        seen.append(chunk)
        times[first:last] += 1

    with limited_threads(lambda: limit):
        over_chunks(work, rows)
    assert np.all(times == 1)
    assert sorted(seen) == list(range(CHUNKS))


def test_a_limit_of_one_keeps_the_work_on_the_calling_thread() -> None:
    seen = set()
    with limited_threads(lambda: 1):
        over_chunks(lambda *chunk: seen.add(threading.get_ident()), 10_000)
    assert seen == {threading.get_ident()}


def test_a_limit_is_asked_anew_and_ends_with_its_block() -> None:
    free = threads()
    limit = 1
    with limited_threads(lambda: limit):
        assert threads() == 1
        limit = 10_000
        assert threads() == cores()
        limit = 0
        assert threads() == 1
    assert threads() == free


def test_an_error_in_a_chunk_is_raised() -> None:
    def work(chunk: int, first: int, last: int) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        over_chunks(work, 1000)
