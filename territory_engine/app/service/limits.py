"""How often a client may ask, and how many batches may be under way."""

from __future__ import annotations

import asyncio
import math
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from territory_engine.app.service.errors import ServiceError
from territory_engine.errors import Finding, InputError

if TYPE_CHECKING:
    from prometheus_client import Gauge

T = TypeVar("T")
_RATE = re.compile(r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$")


def read_rate(text: str) -> RateLimitItem:
    """Return a rate such as ``600/minute``.

    Raises
    ------
    InputError
        It is written otherwise.
    """
    if not _RATE.match(text):
        raise InputError(
            Finding(
                "--rate is not a rate",
                value=text,
                allowed="requests/second, /minute, /hour or /day",
                remedy="write for example 600/minute",
            )
        )
    return parse(text)


class RateLimit:
    """A moving window per client, in the memory of this process."""

    def __init__(self, rate: str) -> None:
        self._rate = read_rate(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self.text = rate

    def take(self, client: str) -> None:
        """Count a request.

        Raises
        ------
        ServiceError
            429 with ``Retry-After``, if it is one too many.
        """
        if self._limiter.hit(self._rate, client):
            return
        stats = self._limiter.get_window_stats(self._rate, client)
        wait = max(1, math.ceil(stats.reset_time - time.time()))
        raise ServiceError(
            429,
            "rate_limited",
            f"More than {self.text} requests. Remedy: wait {wait} s, or send more leads in one batch.",
            headers={"Retry-After": str(wait)},
        )


class Places:
    """A bounded number of requests of one kind under way or waiting, worked on by a few threads.

    Parameters
    ----------
    threads : int
        Worked on at once.
    queue : int
        May wait.
    gauge : Gauge, optional
        Shows how many there are.
    """

    def __init__(self, threads: int, queue: int, name: str, gauge: Gauge | None = None) -> None:
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = threads + queue
        self._gauge = gauge
        self.taken = 0
        self.at_work = 0
        self._lock = threading.Lock()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place while the body runs.

        Raises
        ------
        ServiceError
            503 with ``Retry-After``, if there is none.
        """
        if self.taken >= self._places:
            raise ServiceError(
                503,
                "busy",
                f"{self.taken} requests are under way or waiting. Nothing was written. Remedy: come back with the same"
                " batch_id.",
                headers={"Retry-After": "1"},
            )
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    async def run(self, work: Callable[[], T]) -> T:
        """Run blocking work in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self._counted, work)

    def _counted(self, work: Callable[[], T]) -> T:
        # Counted here, in the thread: a request may be given up while its thread goes on.
        with self._lock:
            self.at_work += 1
        try:
            return work()
        finally:
            with self._lock:
                self.at_work -= 1

    def _count(self, change: int) -> None:
        self.taken += change
        if self._gauge is not None:
            self._gauge.set(self.taken)

    def close(self) -> None:
        """Take no more work."""
        self.threads.shutdown(wait=False, cancel_futures=True)
