"""What a person sees while a plan is made."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from solvers.result import Progress
from territory_engine.app.progress import STOPPING, LiveProgress, SilentProgress, describe, gap_bar, progress_display


def shown(display: LiveProgress) -> str:
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as capture:
        console.print(display.render())
    return capture.get()


@pytest.fixture
def display() -> LiveProgress:
    return LiveProgress(Console(file=io.StringIO(), force_terminal=True, width=120))


def test_the_display_names_what_is_being_done_before_the_search(display: LiveProgress) -> None:
    display.stage("reading the data")
    assert "reading the data · 0 s" in shown(display)


def test_the_display_shows_objective_bound_and_gap_while_searching(display: LiveProgress) -> None:
    display.aim(0.0001)
    display.solving(Progress("improving", 12.0, rounds=3, objective=1010.0, lower_bound=1000.0))
    text = shown(display)
    assert "improving · 12 s" in text
    assert "objective 1,010.0 · bound 1,000.0 · gap 0.990% · round 3" in text
    assert "gap 0.990%, ends at 0.010%" in text


def test_the_display_shows_how_far_off_the_limits_are_while_there_is_no_plan() -> None:
    text = describe(Progress("placing whole accounts", 1.0, lower_bound=1000.0, violation=0.034))
    assert text == "no plan keeps every rule yet, limits broken by 3.40% in all · bound 1,000.0"


def test_nothing_known_yet_is_said_rather_than_left_blank() -> None:
    assert describe(Progress("pricing", 0.0)) == "no plan and no bound yet"


def test_a_stage_after_the_search_clears_its_numbers(display: LiveProgress) -> None:
    display.solving(Progress("improving", 12.0, objective=1010.0, lower_bound=1000.0))
    display.stage("drawing the map")
    assert "objective" not in shown(display)


def test_a_request_to_stop_is_acknowledged(display: LiveProgress) -> None:
    display.stopping()
    assert STOPPING in shown(display)


def test_every_tenfold_of_the_gap_fills_the_same_length_of_the_bar() -> None:
    cells = [gap_bar(gap, 1e-4).count("━") for gap in (2.0, 1.0, 0.1, 0.01, 0.001, 0.0001, 0.0)]
    assert cells == [0, 0, 6, 12, 18, 24, 24]


def test_a_target_of_zero_counts_as_the_gap_of_a_proved_optimum() -> None:
    assert gap_bar(1e-3, 0.0).count("━") == 12
    assert gap_bar(0.0, 0.0).count("━") == 24


def test_the_live_display_leaves_the_terminal_clean() -> None:
    stream = io.StringIO()
    with LiveProgress(Console(file=stream, force_terminal=True, width=80)) as display:
        display.stage("reading the data")
    assert stream.getvalue().endswith("\x1b[2K"), "the line is erased when the work is done"


def test_nothing_is_shown_where_stderr_is_no_terminal() -> None:
    assert not sys.stderr.isatty()
    assert type(progress_display()) is SilentProgress


def test_quiet_shows_nothing_even_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert type(progress_display(quiet=True)) is SilentProgress


def test_the_silent_display_takes_every_message_and_writes_none(capsys: pytest.CaptureFixture[str]) -> None:
    with SilentProgress() as display:
        display.stage("reading the data")
        display.aim(0.01)
        display.solving(Progress("pricing", 0.0))
    assert capsys.readouterr() == ("", "")
