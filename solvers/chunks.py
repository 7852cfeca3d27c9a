"""Run a compiled loop over chunks of rows on all cores, or on as many as this process may have.

Kernels release the interpreter lock and are handed to ordinary threads. Compared with a parallel loop inside the
kernel they compile in a fraction of the time and do not spin: on a busy machine a spinning barrier costs more than the
work. Chunks are fixed in number, so partial sums add up in the same order whatever the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")

CHUNKS = 16

_limits: list[Callable[[], int]] = []


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Return how many threads the solvers may keep busy now: the number of cores, or fewer under a limit."""
    return max(1, min([cores(), *(limit() for limit in _limits)]))


@contextmanager
def limited_threads(limit: Callable[[], int]) -> Iterator[None]:
    """Let the solvers of this process use fewer threads than there are cores, because other processes need them too.

    No answer depends on it: work is cut into the same pieces, and only fewer of them are done at once.

    Parameters
    ----------
    limit : callable
        Returns how many threads may be busy; asked anew at every loop, so that it may change meanwhile.
    """
    _limits.append(limit)
    try:
        yield
    finally:
        _limits.remove(limit)


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let linear algebra inside a function use one thread.

    Its sums add up in another order with another number of threads, and an answer must not depend on that; and on vectors
    as short as ours more threads only wait for one another.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _libraries().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=cores(), thread_name_prefix="chunks")


def over_chunks(work: Callable[[int, int, int], None], rows: int) -> None:
    """Call ``work(chunk, first, last)`` for every chunk of ``rows`` rows, in parallel; wait for all of them."""
    bounds = [(c, c * rows // CHUNKS, (c + 1) * rows // CHUNKS) for c in range(CHUNKS)]
    strands = min(threads(), CHUNKS)
    if rows < 4 * CHUNKS or strands == 1:
        for c, first, last in bounds:
            work(c, first, last)
        return
    waiting = iter(bounds)

    def strand() -> None:
        # Whichever thread is free takes the next chunk; next() on a list's iterator is one step of the interpreter.
        for c, first, last in waiting:
            work(c, first, last)

    for done in [_pool().submit(strand) for _ in range(strands)]:
        done.result()
