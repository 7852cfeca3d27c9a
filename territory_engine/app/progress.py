"""What a person sees while a plan is made: one line that lives on stderr, and nothing where nobody looks."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from territory_engine.app.display import LiveDisplay, SilentDisplay, terminal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from solvers.result import Progress

STOPPING = "stopping: the best plan so far will be written; Ctrl-C again to abort"
_BAR_CELLS = 24


class SilentProgress(SilentDisplay):
    """The display for pipes, logs and ``--quiet``: it shows nothing but what must be known."""

    stopping_words = STOPPING

    def stage(self, words: str) -> None:
        """Say what is being done."""

    def aim(self, target_gap: float) -> None:
        """Learn the gap at which the search ends (a fraction)."""

    def solving(self, progress: Progress) -> None:
        """Show where the search stands."""


class LiveProgress(LiveDisplay, SilentProgress):
    """A live line on a terminal: stage, seconds, objective, bound, and the gap closing.

    Parameters
    ----------
    console : rich.console.Console
        On stderr, so that stdout stays clean for the summary.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._target_gap = 0.0
        self._words = "starting"
        self._progress: Progress | None = None
        self._received = 0.0
        self._started = time.monotonic()

    def stage(self, words: str) -> None:
        """Say what is being done."""
        self._words, self._progress, self._started = words, None, time.monotonic()

    def aim(self, target_gap: float) -> None:
        """Learn the gap at which the search ends (a fraction): the bar is full there."""
        self._target_gap = target_gap

    def solving(self, progress: Progress) -> None:
        """Show where the search stands."""
        self._progress, self._received = progress, time.monotonic()

    def lines(self) -> list[RenderableType]:
        """Return stage and seconds, and once the search is under way its numbers and its gap."""
        from rich.spinner import Spinner
        from rich.text import Text

        now = time.monotonic()
        lines: list[RenderableType] = []
        if self._progress is None:
            lines.append(Spinner("dots", text=f"{self._words} · {now - self._started:.0f} s"))
        else:
            seconds = self._progress.seconds + (now - self._received)
            lines.append(Spinner("dots", text=f"{self._progress.stage} · {seconds:.0f} s"))
            lines.append(Text("  " + describe(self._progress)))
            if self._progress.gap is not None:
                lines.append(Text("  " + gap_bar(self._progress.gap, self._target_gap)))
        return lines


def describe(progress: Progress) -> str:
    """Return the numbers of a running search in one line, without those that are not known yet."""
    parts = []
    if progress.objective is not None:
        parts.append(f"objective {progress.objective:,.1f}")
    elif progress.violation is not None:
        parts.append(f"no plan keeps every rule yet, limits broken by {progress.violation:.2%} in all")
    if progress.lower_bound is not None:
        parts.append(f"bound {progress.lower_bound:,.1f}")
    if progress.gap is not None:
        parts.append(f"gap {progress.gap:.3%}")
    if progress.rounds:
        parts.append(f"round {progress.rounds:,}")
    return " · ".join(parts) or "no plan and no bound yet"


def gap_bar(gap: float, target_gap: float) -> str:
    """Return a bar that fills as the gap closes, on a logarithmic scale: each tenfold is the same length.

    A target of 0 counts as 1e-6, the gap of a proved optimum.
    """
    target = max(target_gap, 1e-6)
    share = 1.0 if gap <= target else max(0.0, math.log(max(gap, target)) / math.log(target)) if gap < 1 else 0.0
    full = int(share * _BAR_CELLS)
    return f"{'━' * full}{'─' * (_BAR_CELLS - full)} gap {gap:.3%}, ends at {target_gap:.3%}"


def progress_display(*, quiet: bool = False) -> SilentProgress:
    """Return the live display when stderr is a terminal that can show it, and the silent one otherwise."""
    console = terminal(quiet=quiet)
    return SilentProgress() if console is None else LiveProgress(console)
