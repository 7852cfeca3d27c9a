"""Run a program as a user would and measure it: wall seconds, peak memory, how it ended; and print tables of results."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STDERR_KEPT = 4000  # characters: enough for the end of a traceback


@dataclass(frozen=True)
class Run:
    """How a program ended.

    Attributes
    ----------
    exit : int
        Its exit code; −9 and the like where a signal ended it.
    seconds : float
        Wall time, start of the interpreter included.
    peak_gib : float
        Peak resident memory of the process, or of the largest one it waited for.
    stopped : bool
        Whether it was ended here because its time was up.
    stderr : str
        The end of what it wrote there.
    """

    exit: int
    seconds: float
    peak_gib: float
    stopped: bool
    stderr: str

    @property
    def last_words(self) -> str:
        """The last line of standard error: what a traceback ends with."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def measured(command: list[str], *, limit: float | None = None) -> Run:
    """Run a command from the repository's root; end it and everything it started after ``limit`` seconds."""
    with tempfile.TemporaryFile() as words, tempfile.TemporaryDirectory() as scratch:
        # What is measured is this checkout; and what is ended leaves its temporary files behind.
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": scratch}
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=words, start_new_session=True
        )
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            # macOS refuses to signal a process that has ended and not been waited for; Linux lets it pass.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

        clock = threading.Timer(limit, stop) if limit is not None else None
        if clock:
            clock.daemon = True
            clock.start()
        try:
            # The kernel keeps the process's number until it has been waited for, so the clock can end no other.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            if clock:
                clock.cancel()
                clock.join()
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)  # wait4 has taken it already
        size = words.seek(0, os.SEEK_END)
        words.seek(max(0, size - STDERR_KEPT))
        text = words.read().decode(errors="replace")
    # Linux counts in KiB, macOS in bytes.
    peak = usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    return Run(process.returncode, seconds, peak, stopped.is_set(), text)


def run_plan(config: Path, out: Path, *options: str, limit: float | None = None) -> dict[str, Any]:
    """Run ``territory-engine plan`` as a user would; return exit code, wall seconds, peak memory and plan.json."""
    command = [sys.executable, "-m", "territory_engine.app", "plan", str(config.resolve())]
    run = measured([*command, "--out", str(out.resolve()), "--replace", "--quiet", *options], limit=limit)
    record = json.loads((out / "plan.json").read_text()) if (out / "plan.json").exists() else {}
    return {"exit": run.exit, "wall_s": run.seconds, "peak_gib": run.peak_gib, "plan": record, "run": run}


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def installed(distribution: str) -> str | None:
    """Return the version of an installed distribution, None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def machine() -> str:
    """Return cores, processor and the versions that matter everywhere, for the head of a table."""
    model = platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]  # fmt: skip
        model = f"{names[0]}, {model}" if names else model
    return f"{cores()} cores ({model}), Python {platform.python_version()}, OR-Tools {installed('ortools')}"


def shown(value: Any) -> str:
    """Return a table cell: blank for what is not known, thousands apart, no more digits than are read."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.2f}" if isinstance(value, float) and abs(value) >= 1000 else str(value).replace("|", "/")


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table; a column for every key, in the order of appearance."""
    columns = list(dict.fromkeys(key for r in rows for key in r))
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(shown(r.get(c)) for c in columns) + " |" for r in rows]
    return "\n".join(lines)
