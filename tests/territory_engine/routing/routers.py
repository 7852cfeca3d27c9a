"""Routers in processes of their own: many at once, or killed at any moment. Run as a module; prints a report as JSON.

``together URL PROCESSES BATCHES``: that many processes route that many batches of three leads at once, with a limit of open
leads that runs out on the way. ``killed URL TIMES``: a process routes batch after batch and is killed at a random moment, as
often; then the batch that was under way is sent again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

import territory_engine as te
from territory_engine.auditing.routed.batch_audit import audit_ledger
from territory_engine.config import parse_config
from territory_engine.leads.policy import parse_policy
from territory_engine.ledger import Ledger
from territory_engine.reading.loading import load_frames
from territory_engine.routing import Router

MONDAY = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
CAP = 60


def planned() -> tuple[te.PlanningProblem, te.Plan]:
    reps = pd.DataFrame({"rep_id": [f"R{i}" for i in range(8)], "latitude": 41.0, "longitude": -95.0 + np.arange(8)})
    accounts = reps.rename(columns={"rep_id": "account_id"}).assign(account_id=[f"A{i}" for i in range(8)])
    problem = load_frames(accounts, reps, parse_config({"data": {"accounts": "a.csv", "reps": "r.csv"}}))
    return problem, te.solve(problem)


def router_of(plan: tuple[te.PlanningProblem, te.Plan], url: str) -> Router:
    policy = parse_policy({"limits": {"open_leads": CAP}, "matching": {"territory": "ignore"}})
    return Router(*plan, policy, Ledger.open(url))


def batch_of(number: int) -> list[dict[str, Any]]:
    return [
        {"lead_id": f"L{number}-{k}", "value": 10 * k, "latitude": 41.0, "longitude": -95.0 + number % 8}
        for k in range(3)
    ]


def route(router: Router, number: int) -> None:
    router.route(batch_of(number), f"B{number}", at=MONDAY)


def forked(work: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # the child's end is the report
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return child


def together(url: str, processes: int, batches: int) -> dict[str, Any]:
    plan = planned()
    router_of(plan, url).close()

    def routing(own: int) -> None:
        router = router_of(plan, url)
        for number in range(own, batches, processes):
            route(router, number)
        router.close()

    children = [forked(lambda own=own: routing(own)) for own in range(processes)]
    exits = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return {"exits": exits, **told(url, batches)}


def killed(url: str, times: int) -> dict[str, Any]:
    plan = planned()
    chance = random.Random(7)
    router_of(plan, url).close()
    with router_of(plan, url) as router:
        began = time.perf_counter()
        route(router, 0)
        usual = time.perf_counter() - began
    in_the_middle = 0
    for _ in range(times):
        with Ledger.open(url) as ledger:
            first = len(ledger.batches())

        def routing(first: int = first) -> None:
            router = router_of(plan, url)
            for number in range(first, first + 1000):
                route(router, number)

        child = forked(routing)
        time.sleep(usual * chance.uniform(0.5, 4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with Ledger.open(url) as ledger:
            after = len(ledger.batches())
        in_the_middle += after >= first
        with router_of(plan, url) as router:
            # Whoever sent the batch heard nothing, and sends it again.
            route(router, max(after - 1, 0))
            route(router, after)
    return {"killed": in_the_middle, **told(url, None)}


def told(url: str, batches: int | None) -> dict[str, Any]:
    with Ledger.open(url) as ledger:
        counters, summary, waiting = ledger.counters(), ledger.batches(), ledger.queued()
        decisions = pd.concat([ledger.stored_batch(batch).decisions for batch in summary["batch_id"]])  # type: ignore[union-attr]  # it is there
    given = decisions[decisions["status"] == "assigned"]
    faults = []
    if batches is not None and len(summary) != batches:
        faults.append(f"{len(summary)} batches")
    if len(decisions) != 3 * len(summary) or decisions["lead_id"].duplicated().any():
        faults.append("leads lost or twice")
    if not (given.groupby("rep_id").size().reindex(counters.index, fill_value=0) == counters["open_leads"]).all():
        faults.append("counters are not the sum of the decisions")
    if (counters["open_leads"] > CAP).any():
        faults.append("over the limit")
    if len(waiting) + len(given) != len(decisions):
        faults.append("neither assigned nor queued")
    report = audit_ledger(url)
    faults += [f"{check.name}: {check.message}" for check in report.ledger.failed]
    faults += [f"{check.name}: {check.message}" for batch in report.batches for check in batch.failed]
    return {"faults": faults, "batches": len(summary), "assigned": len(given), "queued": len(waiting)}


def main() -> None:
    kind, url, *numbers = sys.argv[1:]
    report = together(url, *map(int, numbers)) if kind == "together" else killed(url, *map(int, numbers))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
