"""Ctrl-C and SIGTERM sent to a real process, whose search can be held at a known place."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SIGNALS = [signal.SIGINT, signal.SIGTERM]

# The real command line around a search that says when it has begun, and then does what the test is about.
DRIVER = """
import dataclasses, sys, time
import territory_engine.reading.loading, territory_engine.planner
from territory_engine import NoPlanError
from territory_engine.app.cli import main

real_solve, real_load = territory_engine.planner.solve, territory_engine.reading.loading.load

def say(word):
    print(word, flush=True)

def wait_for(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    sys.exit("nobody sent a signal")

def stops_with_a_plan(problem, *, on_progress, should_stop):
    say("searching")
    wait_for(should_stop)
    return dataclasses.replace(real_solve(problem), status="feasible", termination="interrupted")

def stops_without_a_plan(problem, *, on_progress, should_stop):
    say("searching")
    wait_for(should_stop)
    raise NoPlanError("stopped")

def does_not_listen(problem, *, on_progress, should_stop):
    say("searching")
    wait_for(should_stop)
    say("asked")
    wait_for(lambda: False)

def reads_for_long(path):
    say("reading")
    wait_for(lambda: False)

behaviour = sys.argv.pop(1)
if behaviour == "reads_for_long":
    territory_engine.reading.loading.load = reads_for_long
else:
    territory_engine.planner.solve = globals()[behaviour]
main()
"""


class Running:
    """A process whose words can be waited for."""

    def __init__(self, behaviour: str, config: Path, environment: dict[str, str]) -> None:
        self.out = config.parent / "out"
        command = [sys.executable, "-c", DRIVER, behaviour, "plan", str(config), "--out", str(self.out)]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_for(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        _, complaint = self.process.communicate(timeout=60)
        return self.process.returncode, complaint

    def left_behind(self) -> list[str]:
        return [path.name for path in self.out.parent.iterdir() if path.name.startswith(".") or path == self.out]


@pytest.fixture
def start(small_input: Path, command_line: Any) -> Any:
    return lambda behaviour: Running(behaviour, small_input, command_line.environment)


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupted_search_writes_the_best_plan_so_far(start: Any, number: signal.Signals) -> None:
    running = start("stops_with_a_plan")
    running.wait_for("searching")
    running.send(number)
    status, complaint = running.end()
    assert status == 130, complaint
    record = json.loads((running.out / "plan.json").read_text())
    assert (record["status"], record["termination"]) == ("feasible", "interrupted")
    assert (running.out / "map.html").is_file()
    assert "the best plan so far will be written" in complaint
    assert running.left_behind() == ["out"]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_aborts_and_leaves_nothing(start: Any, number: signal.Signals) -> None:
    running = start("does_not_listen")
    running.wait_for("searching")
    running.send(number)
    running.wait_for("asked")
    running.send(number)
    status, complaint = running.end()
    assert status == 130, complaint
    assert "Traceback" not in complaint
    assert running.left_behind() == []


def test_an_interruption_before_there_is_a_plan_writes_nothing(start: Any) -> None:
    running = start("stops_without_a_plan")
    running.wait_for("searching")
    running.send(signal.SIGINT)
    status, complaint = running.end()
    assert status == 130
    assert "before there was a plan; nothing was written" in complaint
    assert running.left_behind() == []


def test_an_interruption_while_reading_ends_at_once(start: Any) -> None:
    running = start("reads_for_long")
    running.wait_for("reading")
    running.send(signal.SIGINT)
    status, complaint = running.end()
    assert status == 130
    assert "Traceback" not in complaint
    assert running.left_behind() == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_the_search_is_watched_and_its_line_erased(small_input: Path, command_line: Any) -> None:
    import os
    import pty

    leader, follower = pty.openpty()
    command = command_line.command("plan", small_input, "--out", small_input.parent / "out")
    environment = {**command_line.environment, "TERM": "xterm"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=follower)
    os.close(follower)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            chunk = os.read(leader, 4096)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    summary, _ = process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == 0
    assert b"reading the data" in shown
    assert b"\x1b[2K" in shown
    assert b"Written to" in summary
