"""The README's lead example, by command line, Python and curl, on Iowa's own plan, with the output that it shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.conftest import CommandLine

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## A lead comes in")[1].split("\n## ")[0]
BLOCKS = dict(enumerate(re.findall(r"^```(?:console|python)\n(.*?)^```", SECTION, flags=re.DOTALL | re.MULTILINE)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that looks like the clone after `make demo`: the examples, and Iowa's plan under ``out``."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "examples", folder / "examples")
    command = CommandLine()
    done = subprocess.run(
        command.command("plan", "examples/iowa/config.toml", "--out", "out/iowa", "--quiet"),
        cwd=folder, env=command.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def commands_of(block: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a block, each with the lines that the README shows of its output."""
    found: list[tuple[str, list[str]]] = []
    for line in block.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip() not in ("", "..."):
            found[-1][1].append(line)
    return found


def run(place: Path, line: str) -> str:
    command = CommandLine()
    words = shlex.split(line)
    assert words[0] == "territory-engine"
    done = subprocess.run(
        command.command(*words[1:]), cwd=place, env=command.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_lines_give_what_the_readme_shows(place: Path) -> None:
    for line, shown in commands_of(BLOCKS[0]):
        printed = run(place, line)
        for expected in shown:
            assert expected.removesuffix(" ...") in printed, f"{line}\n{printed}"
    assert (place / "out" / "answers.csv").read_text(encoding="utf-8").count("assigned") == 8


def test_the_python_gives_the_same_answer(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    exec(compile(BLOCKS[1], "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "8 leads: 8 assigned, 0 queued, 0 rejected." in printed
    assert "Why R01 did not get lead 10074: R01 could have taken it." in printed


@pytest.fixture
def service(place: Path) -> Iterator[str]:
    """Run the README's `serve` command, on any free port, and return its address."""
    command = CommandLine()
    (line, _), _ = commands_of(BLOCKS[2])
    words = [*shlex.split(line)[1:], "--port", "0"]
    process = subprocess.Popen(
        command.command(*words), cwd=place, env=command.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = process.stderr.readline()
    try:
        yield said.split("Listening on ")[1].split(": see")[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=60) == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_routes_a_batch_and_gets_the_same_answer_twice(service: str) -> None:
    _, (line, _) = commands_of(BLOCKS[2])
    words = shlex.split(line.replace("http://127.0.0.1:8080", service))
    assert words[0] == "curl"
    answers = [
        json.loads(
            subprocess.run([*words, "--silent"], env=os.environ, capture_output=True, text=True, check=True).stdout
        )
        for _ in range(2)
    ]
    assert answers[0]["summary"] == {"leads": 1, "assigned": 1, "queued": 0, "rejected": 0}
    assert answers[0]["leads"][0]["rep_id"] == "R09"
    assert (answers[0]["repeated"], answers[1]["repeated"]) == (False, True)
    assert answers[0]["leads"] == answers[1]["leads"]
