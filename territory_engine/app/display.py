"""What the displays on stderr have in common: silence where nobody looks, and live lines on a terminal."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live


class SilentDisplay:
    """The display for pipes, logs and ``--quiet``: it shows nothing but what must be known.

    Attributes
    ----------
    stopping_words : str
        What is said when a request to stop is acknowledged.
    """

    stopping_words: ClassVar[str]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def stopping(self) -> None:
        """Acknowledge a request to stop. Safe inside a signal handler: it does not touch Python's own buffers."""
        os.write(2, f"{self.stopping_words}\n".encode())


class LiveDisplay(SilentDisplay, ABC):
    """Lines that live on a terminal.

    Parameters
    ----------
    console : rich.console.Console
        On stderr, so that stdout stays clean for the summary.
    """

    redirect: ClassVar[bool] = True
    """Whether what is written to stdout and stderr meanwhile goes above the lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stopping = False
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.live import Live

        self._live = Live(
            get_renderable=self.render,
            console=self._console,
            refresh_per_second=5,
            transient=True,
            redirect_stdout=self.redirect,
            redirect_stderr=self.redirect,
        )
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def stopping(self) -> None:
        """Acknowledge a request to stop."""
        self._stopping = True

    @abstractmethod
    def lines(self) -> list[RenderableType]:
        """Return the lines as they are now."""

    def render(self) -> RenderableType:
        """Return the display as it is now; rich calls it a few times a second."""
        from rich.console import Group
        from rich.text import Text

        lines = self.lines()
        if self._stopping:
            lines.append(Text("  " + self.stopping_words, style="yellow"))
        return Group(*lines)


def terminal(*, quiet: bool) -> Console | None:
    """Return stderr's console where it is a terminal that can show live lines; None elsewhere, and if ``quiet``."""
    if quiet or not sys.stderr.isatty():
        return None
    from rich.console import Console

    console = Console(stderr=True)
    return None if console.is_dumb_terminal else console
