"""Logs: one JSON line per request and per event, without what people wrote.

Leads, their IDs, companies, e-mail addresses, keys and client addresses never get here: a line has only fields that the
service itself made. A fault is told by its type and place in the code, because the message of an exception may quote data.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO


class RequestLog:
    """Writes lines to a stream.

    Parameters
    ----------
    stream : text stream, optional
        stdout unless given.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._lock = threading.Lock()

    def write(self, event: str, **fields: Any) -> None:
        """Write one line; a reader that went away is no reason to fail."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": moment, "event": event, **fields}, ensure_ascii=False)
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                return

    def fault(self, error: BaseException, request_id: str) -> None:
        """Write where an unexpected error came from, and not what it says."""
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-12:]]
        self.write("fault", level="error", request_id=request_id, type=type(error).__name__, places=places)


class ServerMessages(logging.Handler):
    """Hands the web server's own warnings to the log, by kind: its messages may hold addresses."""

    def __init__(self, log: RequestLog) -> None:
        super().__init__(level=logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the message's pattern, without what was put into it."""
        self._log.write("server", level=record.levelname.lower(), message=str(record.msg))
