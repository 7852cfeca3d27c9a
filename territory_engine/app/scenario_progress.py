"""What a person sees while scenarios are solved: a line for each that is under way, and one for each that has ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from territory_engine.app.display import LiveDisplay, SilentDisplay, terminal
from territory_engine.app.progress import describe

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from solvers.result import Progress
    from territory_engine.app.scenario_worker import Outcome

STOPPING = "stopping: what is finished stays, and the same command goes on from there"


class SilentScenarios(SilentDisplay):
    """The display for pipes, logs and ``--quiet``: it shows nothing but what must be known."""

    stopping_words = STOPPING

    def doing(self, words: str) -> None:
        """Say what is being done before and after the scenarios are solved."""

    def planned(self, pending: tuple[str, ...], finished: tuple[str, ...]) -> None:
        """Learn which scenarios are to be solved, and which were finished before."""

    def started(self, name: str) -> None:
        """Show that a scenario is being solved."""

    def stage(self, name: str, words: str, progress: Progress | None) -> None:
        """Show where it stands."""

    def ended(self, outcome: Outcome) -> None:
        """Show how it ended."""


class LiveScenarios(LiveDisplay, SilentScenarios):
    """Live lines on a terminal.

    Parameters
    ----------
    console : rich.console.Console
        On stderr, so that stdout stays clean for the summary.
    """

    # Only what is written here goes to this console; the summary is stdout's.
    redirect = False

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._words: str | None = "starting"
        self._began = time.monotonic()
        self._under_way: dict[str, tuple[float, str, Progress | None]] = {}
        self._to_do = self._ended = 0

    def doing(self, words: str) -> None:
        """Show what is being done before and after the scenarios are solved."""
        self._words, self._began = words, time.monotonic()

    def planned(self, pending: tuple[str, ...], finished: tuple[str, ...]) -> None:
        """Show which scenarios are to be solved, and which were finished before."""
        self._words, self._to_do, self._ended, self._began = None, len(pending), 0, time.monotonic()
        for name in finished:
            self._say(f"{name}: finished before")

    def started(self, name: str) -> None:
        """Show that a scenario is being solved."""
        self._under_way[name] = (time.monotonic(), "starting", None)

    def stage(self, name: str, words: str, progress: Progress | None) -> None:
        """Show where it stands."""
        began = self._under_way[name][0] if name in self._under_way else time.monotonic()
        self._under_way[name] = (began, words, progress)

    def ended(self, outcome: Outcome) -> None:
        """Show how it ended."""
        self._under_way.pop(outcome.name, None)
        self._ended += 1
        self._say(ended_line(outcome))

    def _say(self, line: str) -> None:
        from rich.text import Text

        self._console.print(Text(line))

    def lines(self) -> list[RenderableType]:
        """Return what is being done, or how many are solved and where each that is under way stands."""
        from rich.spinner import Spinner
        from rich.text import Text

        now = time.monotonic()
        if self._words is not None:
            lines: list[RenderableType] = [Spinner("dots", text=f"{self._words} · {now - self._began:.0f} s")]
        else:
            lines = [Spinner("dots", text=f"{self._ended} of {self._to_do} solved · {now - self._began:.0f} s")]
            # A list, because rich draws from a thread of its own.
            for name, (began, words, progress) in list(self._under_way.items()):
                told = f" · {describe(progress)}" if progress is not None else ""
                lines.append(Text(f"  {name}: {words} · {now - began:.0f} s{told}", overflow="ellipsis", no_wrap=True))
        return lines


def ended_line(outcome: Outcome) -> str:
    """Return one line on how a scenario ended."""
    parts = [outcome.status]
    if outcome.objective is not None:
        parts.append(f"objective {outcome.objective:,.1f}")
    if outcome.gap is not None:
        parts.append(f"gap {outcome.gap:.3%}")
    parts.append(f"{outcome.seconds:.1f} s")
    return f"{outcome.name}: {' · '.join(parts)}"


def scenario_display(*, quiet: bool = False) -> SilentScenarios:
    """Return the live display when stderr is a terminal that can show it, and the silent one otherwise."""
    console = terminal(quiet=quiet)
    return SilentScenarios() if console is None else LiveScenarios(console)
