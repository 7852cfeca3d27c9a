"""Run a compiled loop over chunks of rows on all cores.

Kernels release the interpreter lock and are handed to ordinary threads. Compared with a parallel loop inside the
kernel they compile in a fraction of the time and do not spin: on a busy machine a spinning barrier costs more than the
work. Chunks are fixed in number, so partial sums add up in the same order whatever the number of cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

CHUNKS = 16


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=cores(), thread_name_prefix="chunks")


def over_chunks(work: Callable[[int, int, int], None], rows: int) -> None:
    """Call ``work(chunk, first, last)`` for every chunk of ``rows`` rows, in parallel; wait for all of them."""
    bounds = [(c, c * rows // CHUNKS, (c + 1) * rows // CHUNKS) for c in range(CHUNKS)]
    if rows < 4 * CHUNKS:
        for c, first, last in bounds:
            work(c, first, last)
        return
    for done in [_pool().submit(work, *b) for b in bounds]:
        done.result()
