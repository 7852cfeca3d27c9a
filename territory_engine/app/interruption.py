"""Ctrl-C and SIGTERM: the first asks for the best plan so far, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """A context in which Ctrl-C and SIGTERM are requests rather than death.

    While ``graceful`` is False (reading data: there is nothing to save) the first signal raises KeyboardInterrupt.
    While it is True the first signal sets ``requested``, which the search polls, and the second one raises
    KeyboardInterrupt, so that files half written are still removed. The third has the system's default effect.

    Parameters
    ----------
    on_request : callable, optional
        Called once, from the signal handler, when the first graceful request arrives.
    """

    def __init__(self, on_request: Callable[[], None] | None = None) -> None:
        self.graceful = False
        self._on_request = on_request
        self._event = threading.Event()
        self._signals_seen = 0
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether somebody asked the search to stop."""
        return self._event.is_set()

    def __enter__(self) -> Interruption:
        # Python only lets the main thread handle signals; elsewhere (a service, a notebook) the owner decides.
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            # A handler set by another language is reported as None and cannot be put back from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._signals_seen += 1
        if self.graceful and self._signals_seen == 1:
            self._event.set()
            if self._on_request is not None:
                self._on_request()
            return
        for each in self._previous:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt
