"""Processes that write a ledger at the same time, or until they are killed; forked from one warm interpreter.

``python -m tests.territory_engine.ledger.writers killed URL KILLS`` kills writers one after another, checks the ledger
after each, and prints what it found as JSON. ``… together URL PROCESSES BATCHES`` lets processes write side by side.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable

from territory_engine.ledger import Ledger
from tests.territory_engine.ledger.made_batches import faults, route

WHILE_OPENING = 5  # so many writers are killed while they open the ledger, which is not there at first
REPS = [f"R{number}" for number in range(7)]


def forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def write_until_killed(url: str, round_no: int, tell: int) -> None:
    with Ledger.open(url) as ledger:
        for number in range(10_000):
            batch_id = f"{round_no}/{number}"
            lead_ids = [f"{batch_id}/{lead}" for lead in range(150)]
            ledger.run(batch_id, "sha", lambda work, ids=lead_ids: route(work, ids, REPS, cap=10**9))
            os.write(tell, f"{batch_id}\n".encode())


def killed(url: str, kills: int) -> None:
    import alembic.command  # noqa: F401  # so that the children need not

    dice = random.Random(5)
    told: set[str] = set()
    found: list[str] = []
    for round_no in range(kills):
        hear, tell = os.pipe()
        child = forked(lambda number=round_no, end=tell: write_until_killed(url, number, end))
        os.close(tell)
        if round_no >= WHILE_OPENING:
            told |= set(os.read(hear, 1000).decode().split())  # waits for the first batch
        time.sleep(dice.random() * 0.1)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            found.append(f"writer {round_no} ended before it was killed")
        with os.fdopen(hear) as pipe:
            told |= set(pipe.read().split())
        if round_no % 5 == 4 or round_no == kills - 1:
            with Ledger.open(url) as ledger:
                found += faults(ledger)
                there = set(ledger.batches()["batch_id"])
            if told - there:
                found.append(f"answered, and lost: {sorted(told - there)}")
    print(json.dumps({"faults": found, "batches": len(there), "told": len(told)}))


def write_together(url: str, writer: int, processes: int, batches: int) -> None:
    with Ledger.open(url) as ledger:
        for number in range(writer, batches, processes):
            # Half of a batch's leads are the next batch's too; every tenth batch is sent by two writers.
            lead_ids = [f"lead {lead}" for lead in range(number * 4, number * 4 + 8)]
            ledger.run(f"batch {number}", "sha", lambda work, ids=lead_ids: route(work, ids, REPS, cap=100))
            if number % 10 == 0:
                twice = (number + 1) % batches
                other = [f"lead {lead}" for lead in range(twice * 4, twice * 4 + 8)]
                ledger.run(f"batch {twice}", "sha", lambda work, ids=other: route(work, ids, REPS, cap=100))


def together(url: str, processes: int, batches: int) -> None:
    """All open the ledger at once, before it exists."""
    children = [
        forked(lambda writer=number: write_together(url, writer, processes, batches)) for number in range(processes)
    ]
    exits = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    with Ledger.open(url) as ledger:
        counters = ledger.counters()
        report = {
            "exits": exits,
            "faults": faults(ledger),
            "batches": len(ledger.batches()),
            "most_open": int(counters["open_leads"].max()),
            "assigned": int(counters["open_leads"].sum()),
        }
    print(json.dumps(report))


if __name__ == "__main__":
    what, address, *numbers = sys.argv[1:]
    {"killed": killed, "together": together}[what](address, *map(int, numbers))
