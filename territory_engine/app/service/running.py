"""The web server: one that ends with 0 when it was asked to end and finished what was under way."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from territory_engine.app.exit_codes import DONE, INTERRUPTED
from territory_engine.app.service.request_log import RequestLog, ServerMessages
from territory_engine.errors import Finding, InputError
from territory_engine.grammar import counted

if TYPE_CHECKING:
    from fastapi import FastAPI

    from territory_engine.app.service.app import Service

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_BACKLOG = 2048


def addresses_of(host: str) -> list[str]:
    """Return the addresses of a host, IPv4 first.

    Raises
    ------
    InputError
        It has none.
    """
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InputError(
            Finding(
                "--host is no address of this computer", value=host, remedy="use 127.0.0.1, 0.0.0.0 or a name of it"
            )
        ) from error
    return [str(address[0]) for _, _, _, _, address in sorted(found, key=lambda each: each[0] != socket.AF_INET)]


def is_loopback(host: str) -> bool:
    """Return whether only this computer can reach the host."""
    return all(ip_address(address.partition("%")[0]).is_loopback for address in addresses_of(host))


def listen(host: str, port: int) -> socket.socket:
    """Take the port, before anything slow is done.

    Raises
    ------
    InputError
        It is taken, or may not be used.
    """
    address = addresses_of(host)[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    try:
        if os.name == "posix":  # on Windows the option would let two processes share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise InputError(
            Finding(
                f"cannot listen on {host}, port {port}: {error.strerror}",
                remedy="choose another --port, or stop what has it",
            )
        ) from error
    return listener


class _Server(uvicorn.Server):
    """Uvicorn with our answer to signals: the first ends it in good order, the second at once.

    Uvicorn raises the signal again when it is done, and the process would end as killed rather than with 0.
    """

    def __init__(self, config: uvicorn.Config, service: Service, log: RequestLog) -> None:
        super().__init__(config)
        self._service = service
        self._log = log

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Answer to signals while the body runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, and at the second time at once: nothing is committed from then on, so that a batch is not half there."""
        if self.should_exit:
            os.write(2, b"Ended at once: what was under way is rolled back.\n")
            os._exit(INTERRUPTED)
        self._service.ending = True
        self.should_exit = True


def run(
    app: FastAPI,
    listener: socket.socket,
    log: RequestLog,
    *,
    grace_s: int,
    on_listening: Callable[[], None],
    on_end: Callable[[], None],
) -> int:
    """Serve until a signal, and return the exit code.

    Parameters
    ----------
    app : FastAPI
    listener : socket
        Bound; see :func:`listen`.
    log : RequestLog
    grace_s : int
        Seconds that requests under way have to finish after the signal.
    on_listening : callable
        Called once connections are accepted.
    on_end : callable
        Called when everything is finished, to close the router.
    """
    service: Service = app.state.service
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = False
    logging.getLogger("uvicorn.error").addHandler(ServerMessages(log))
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=65,  # longer than the 60 s of common proxies, so that they, not we, close what is idle
        timeout_graceful_shutdown=grace_s,
    )
    server = _Server(config, service, log)
    startup = server.startup

    async def started(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        on_listening()

    server.startup = started  # type: ignore[method-assign]  # the one place where it is known that it listens
    server.run(sockets=[listener])
    service.close()
    if service.at_work:
        log.write("ended", level="error", unfinished=service.at_work, exit_code=INTERRUPTED)
        sys.stderr.write(
            f"Ended after --grace {grace_s} s: {counted(service.at_work, 'request')} under way {'is' if service.at_work == 1 else 'are'} rolled back.\n"
        )
        sys.stderr.flush()
        # A thread cannot be stopped; the process can, and then nothing is committed.
        os._exit(INTERRUPTED)
    on_end()
    log.write("ended", exit_code=DONE)
    return DONE
