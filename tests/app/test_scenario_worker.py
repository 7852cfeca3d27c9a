"""What becomes of a scenario that goes wrong, and what is shown and told of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import typer

from solvers.result import Progress
from territory_engine import NoPlanError, PlanDirectoryError, planner
from territory_engine.app import scenario_processes, scenarios_command
from territory_engine.app.scenario_directory import open_scenario_directory
from territory_engine.app.scenario_processes import run_on_processes
from territory_engine.app.scenario_progress import LiveScenarios, SilentScenarios, ended_line, scenario_display
from territory_engine.app.scenario_running import ScenarioRun
from territory_engine.app.scenario_worker import Outcome, plan_scenario
from tests.app.scenario_inputs import write_scenario_input


@pytest.fixture
def base_and_run(tmp_path: Path) -> Any:
    from scenarios import load_scenarios
    from scenarios.running import runs_of

    file = load_scenarios(write_scenario_input(tmp_path))
    return file.base_problem, runs_of(file)[1]


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (NoPlanError("too short a time"), "no plan", False),
        (PlanDirectoryError("no room"), "failed", True),
        (ValueError("no such thing\nat all"), "failed", False),
    ],
)
def test_whatever_goes_wrong_is_an_outcome(
    base_and_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, status: str, expected: bool
) -> None:
    def solve(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(planner, "solve", solve)
    outcome = plan_scenario(*base_and_run, tmp_path / "out")
    assert (outcome.status, outcome.expected) == (status, expected)
    assert str(error).splitlines()[0] in outcome.message
    assert ("Traceback" in outcome.trace) is (type(error) is ValueError)
    assert not (tmp_path / "out").exists()


def test_a_process_that_always_dies_fails_its_scenario_and_says_so(
    base_and_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenario_processes, "work", _dies)
    base, run = base_and_run
    with open_scenario_directory(tmp_path / "out", tmp_path / "scenarios.toml") as directory:
        options: Any = {"processes": 1, "listener": SilentScenarios(), "should_stop": lambda: False}
        (outcome,) = run_on_processes(base, [run], directory, **options)
    assert outcome.status == "failed"
    assert "ended with status 7, 2 times" in outcome.message
    assert "fewer --processes" in outcome.message


def _dies(connection: Any, base_file: str, busy: Any) -> None:
    import os

    connection.recv()
    os._exit(7)


def run_of(*outcomes: Outcome, interrupted: bool = False, **statuses: str) -> ScenarioRun:
    return ScenarioRun(
        Path("out"),
        chosen=tuple(o.name for o in outcomes),
        outcomes={o.name: o for o in outcomes},
        statuses=statuses,
        interrupted=interrupted,
    )


FAULT, FULL = (
    Outcome("a", "failed", "unexpected error: x", trace="Traceback …"),
    Outcome("b", "failed", "full", expected=True),
)


@pytest.mark.parametrize(
    ("run", "code", "words"),
    [
        (run_of(FAULT, FULL), 1, "This is a fault"),
        (run_of(FULL), 2, "b: full"),
        (
            run_of(Outcome("c", "no plan"), Outcome("d", "infeasible"), c="no plan", d="infeasible"),
            3,
            "c: no plan found",
        ),
        (run_of(Outcome("c", "no plan"), c="no plan"), 4, "c: no plan found"),
        (run_of(Outcome("e", "optimal"), interrupted=True), 130, "1 of 1 are finished"),
    ],
)
def test_the_exit_code_says_the_worst(
    run: ScenarioRun, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        scenarios_command._tell(run, quiet=False, traceback=False)
    assert ended.value.exit_code == code
    assert words in capsys.readouterr().err


def test_the_traceback_of_a_fault_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        scenarios_command._tell(run_of(FAULT), quiet=True, traceback=True)
    assert "Traceback …" in capsys.readouterr().err


def test_the_display_shows_what_is_under_way_and_what_has_ended() -> None:
    from rich.console import Console

    screen = io.StringIO()
    console = Console(file=screen, width=120)
    display = LiveScenarios(console)
    display.doing("reading the data")
    console.print(display.render())
    display.planned(("base", "[b]lose[/b]"), ("grow",))
    display.started("base")
    display.started("[b]lose[/b]")
    display.stage("base", "improving", Progress("improving", 1.0, objective=12.0, lower_bound=11.0, rounds=3))
    display.ended(Outcome("[b]lose[/b]", "optimal", objective=3.0, gap=0.0, seconds=2.0))
    display.stopping()
    console.print(display.render())
    shown = screen.getvalue()
    for words in (
        "reading the data",
        "grow: finished before",
        "1 of 2 solved",
        "base: improving",
        "objective 12.0",
        "stopping",
    ):
        assert words in shown
    assert "[b]lose[/b]: optimal · objective 3.0 · gap 0.000% · 2.0 s" in shown


def test_nothing_is_shown_where_nobody_looks() -> None:
    assert type(scenario_display(quiet=True)) is SilentScenarios
    assert ended_line(Outcome("a", "no plan", seconds=1.0)) == "a: no plan · 1.0 s"
