"""The command as a process: what it refuses to start with, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
DRIVER = """
import sys, threading
from pathlib import Path
import territory_engine.app.serve_command as command
from tests.app.service.fake_router import FakeRouter

class SlowRouter(FakeRouter):
    def route(self, records, batch_id, *, at=None):
        print("routing", file=sys.stderr, flush=True)
        sys.stdin.readline()
        return super().route(records, batch_id, at=at)

    def close(self):
        print("closed", file=sys.stderr, flush=True)

command.open_router = lambda plan, ledger, policy: SlowRouter()
from territory_engine.app.cli import main
main()
"""


class Served:
    """A service in a process of its own, whose batches wait for a line on its standard input."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-c", DRIVER, "serve", "--plan", "none", "--port", "0", *options]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.startswith("Listening on http://127.0.0.1:"), line + self.process.stderr.read()
        self.port = int(line.split(":")[2].split(" ")[0].rstrip("/:"))
        self.answers: list[tuple[int, Any] | Exception] = []

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def begin_batch(self) -> threading.Thread:
        """Send a batch from a thread of its own, and return once it is being routed."""

        def send() -> None:
            try:
                self.answers.append(self.ask("POST", "/v1/leads/route", {"batch_id": "B", "leads": [{"lead_id": "a"}]}))
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        assert self.process.stderr is not None
        assert self.process.stderr.readline() == "routing\n"
        return thread

    def wait_until_refused(self) -> None:
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except OSError:
                return

    def end(self) -> tuple[int, list[dict[str, Any]], str]:
        """Return the exit code, the log, and what was left on stderr."""
        # Not communicate(), which closes the standard input that a batch waits for.
        code = self.process.wait(60)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        out, complaint = self.process.stdout.read(), self.process.stderr.read()
        return code, [json.loads(line) for line in out.splitlines()], complaint


@pytest.fixture
def serve() -> Iterator[Any]:
    """Return a function that starts the service."""
    started: list[Served] = []

    def start(*options: str) -> Served:
        started.append(Served(*options))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
        served.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_batch_under_way_finish(serve: Any, number: signal.Signals) -> None:
    served = serve()
    sending = served.begin_batch()
    assert served.ask("GET", "/v1/reps")[0] == 200, "reading goes on beside a batch"
    served.process.send_signal(number)
    served.wait_until_refused()
    served.process.stdin.write("\n")
    served.process.stdin.flush()
    sending.join(60)
    ((status, answer),) = served.answers
    assert (status, answer["summary"]["assigned"]) == (200, 1)
    code, log, complaint = served.end()
    assert (code, complaint) == (0, "closed\n")
    assert [line["event"] for line in log] == ["listening", "request", "request", "ended"]
    assert log[-1]["exit_code"] == 0


def test_a_second_signal_ends_at_once_and_commits_nothing(serve: Any) -> None:
    served = serve()
    sending = served.begin_batch()
    served.process.send_signal(signal.SIGTERM)
    served.wait_until_refused()
    served.process.send_signal(signal.SIGTERM)
    code, _, complaint = served.end()
    sending.join(60)
    assert (code, "rolled back" in complaint, "closed" in complaint) == (130, True, False)
    assert isinstance(served.answers[0], Exception)


def test_a_batch_that_outlasts_the_grace_is_not_waited_for(serve: Any) -> None:
    served = serve("--grace", "1")
    sending = served.begin_batch()
    served.process.send_signal(signal.SIGTERM)
    code, log, complaint = served.end()
    sending.join(60)
    assert (code, log[-1]["event"], log[-1]["unfinished"]) == (130, "ended", 1)
    assert "1 request under way is rolled back" in complaint
    assert "closed" not in complaint
    ((status, answer),) = served.answers
    assert (status, answer["error"]["code"]) == (503, "ended")


def test_an_idle_service_ends_at_once(serve: Any) -> None:
    served = serve()
    assert served.ask("GET", "/readyz") == (200, {"status": "ready", "plan_id": "0a1b"})
    # Neither a connection that is kept alive nor one that never asked is waited for.
    kept = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    kept.request("GET", "/healthz")
    assert kept.getresponse().read()
    with socket.create_connection(("127.0.0.1", served.port)):
        served.process.send_signal(signal.SIGTERM)
        assert served.end()[0] == 0
    kept.close()


def test_keys_are_made_and_used(serve: Any, command_line: Any, tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    made = command_line("serve-key", "crm", "--keys", path)
    assert made.returncode == 0
    assert "the only time the key is shown" in made.stderr
    served = serve("--keys", str(path))
    assert served.ask("GET", "/v1/reps")[0] == 401
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", "/v1/reps", headers={"Authorization": f"Bearer {made.stdout.strip()}"})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_without_keys_nobody_elsewhere_is_listened_to(command_line: Any, host: str) -> None:
    refused = command_line("serve", "--plan", "none", "--host", host)
    assert refused.returncode == 2
    assert "without --keys" in refused.stderr
    assert "serve-key" in refused.stderr


def test_bad_options_are_named_before_anything_is_read(command_line: Any, tmp_path: Path) -> None:
    for options, words in (
        (("--rate", "often"), "600/minute"),
        (("--keys", tmp_path / "none.toml"), "cannot be read"),
        (("--host", "no.such.host.invalid"), "no address of this computer"),
        (("--port", "99999"), "65535"),
    ):
        refused = command_line("serve", "--plan", "none", *options)
        assert (refused.returncode, words in refused.stderr) == (2, True), refused.stderr


def test_a_port_that_is_taken_is_said(command_line: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = command_line("serve", "--plan", "none", "--port", port)
    assert refused.returncode == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in refused.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_keys_that_others_may_read_are_warned_of(command_line: Any, key_file: Any) -> None:
    key_file[0].chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = command_line("serve", "--plan", "none", "--keys", key_file[0], "--port", port).stderr
    assert "Remedy: chmod 600" in said
