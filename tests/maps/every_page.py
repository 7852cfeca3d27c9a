"""Every kind of page, small, with the same words in every place that data may fill: for tests of what all pages share."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from maps import write_diff, write_geojson, write_map, write_report
from maps.changes.tradeoff import write_rebalancing
from maps.comparison.map import comparison_map_page
from maps.comparison.page import comparison_page
from maps.replay.page import write_replay
from maps.shapes.territories import territory_shapes
from maps.territory_map import accounts as map_accounts
from scenarios.comparison import ScenarioResult, differences_from_base
from scenarios.differences import compare_plans
from scenarios.move_list import ordered_moves
from scenarios.replay import replay
from scenarios.tradeoff import trade_off_table
from territory_engine.config import parse_config
from territory_engine.leads.policy import Policy, parse_policy
from territory_engine.plan import Plan
from territory_engine.plan_directory import write_plan_files
from territory_engine.problem import PlanningProblem, Source
from territory_engine.reading.loading import load_frames
from territory_engine.rebalancing import rebalance
from tests.maps.conftest import build_infeasible, build_plan, build_problem

Words = Callable[[str, int], str]
KINDS = (
    "map", "planar_map", "infeasible_map", "aggregated_map", "report", "report_with_moves", "infeasible_report",
    "diff", "diff_without_map", "rebalance", "comparison", "comparison_map", "replay",
)  # fmt: skip
MAPS = tuple(kind for kind in KINDS if kind.endswith("map") and kind != "diff_without_map")
HOMES = {0: (-93.0, 41.0), 1: (-91.0, 42.0), 2: (-95.0, 42.5), 3: (-92.5, 43.0), 4: (-94.5, 40.8)}


def plain(kind: str, number: int) -> str:
    """Return words as they usually are; some kinds are IDs, which differ."""
    return {"account": f"A{number:04d}", "rep": f"R{number + 1}", "measure": "visits", "scenario": f"option_{number}"}.get(
        kind, f"{kind.capitalize()} {number}"
    )  # fmt: skip


def write_every_page(folder: Path, words: Words = plain) -> dict[str, Path]:
    """Write every kind of page into a folder; return where each is, by :data:`KINDS`, and ``geojson``."""
    pages = {kind: folder / f"{kind}.html" for kind in KINDS} | {"geojson": folder / "territories.geojson"}

    def readable(kind: str, number: int) -> str:
        """Return words as they come out of files: cells with control characters are refused there."""
        return re.sub(r"[\x00-\x1f]", "·", words(kind, number))

    problem = worded(words)
    plan = explained(build_plan(problem), words)
    shapes = territory_shapes(problem, plan)
    write_geojson(shapes, pages["geojson"])
    write_map(problem, plan, pages["map"], shapes=shapes)
    with mock.patch.object(map_accounts, "MOST_ACCOUNTS_DRAWN", 50):
        write_map(problem, plan, pages["aggregated_map"], shapes=shapes)
    write_report(problem, plan, pages["report"])
    write_report(problem, plan, pages["report_with_moves"], moves=ordered_moves(problem, plan))
    plane = worded(words, planar=True)
    write_map(plane, explained(build_plan(plane), words), pages["planar_map"])
    nothing = build_infeasible(problem)
    told = {"rules": [words("rule", 0)], "relaxations": [words("rule", 1)], "accounts": [], "certificate": 1.0}
    nothing = dataclasses.replace(nothing, conflict=told)
    write_map(problem, nothing, pages["infeasible_map"])
    write_report(problem, nothing, pages["infeasible_report"])

    fewer = worded(words, reps=4)
    after = fewer, explained(build_plan(fewer), words)
    named = (words("plan", 0), words("plan", 1))
    write_diff(compare_plans((problem, plan), after), (problem, plan), after, pages["diff"], names=named)
    nowhere = [
        (dataclasses.replace(p, accounts=p.accounts.assign(longitude=np.nan, latitude=np.nan)), made)
        for p, made in ((problem, plan), after)
    ]
    write_diff(compare_plans(*nowhere), *nowhere, pages["diff_without_map"], names=named)
    _write_rebalancing(readable, pages["rebalance"])
    results = [
        ScenarioResult("base", words("description", 0), (), problem, plan),
        ScenarioResult(words("scenario", 1), words("description", 1), ("base",), *after),
        ScenarioResult(words("scenario", 2), "", (), problem, nothing),
        ScenarioResult(words("scenario", 3), "", (), problem, None, words("message", 0)),
    ]
    pages["comparison"].write_text(comparison_page(results, source=words("file", 0)), encoding="utf-8", newline="\n")
    drawn = comparison_map_page(results, differences_from_base(results))
    pages["comparison_map"].write_text(drawn, encoding="utf-8", newline="\n")
    told = worded(readable)
    _write_replay(readable, told, explained(build_plan(told), readable), folder, pages["replay"])
    return pages


def worded(words: Words, *, reps: int = 5, planar: bool = False, n: int = 120) -> PlanningProblem:
    """Return a plan's problem with `words` for IDs, names, columns, files and notices; accounts keep their places."""
    rng = np.random.default_rng(0)
    ids = [words("rep", k) for k in range(reps)]
    scale = 1000.0 if planar else 1.0
    measure = words("measure", 0)
    problem = build_problem(
        rng.uniform(-96, -90, n) * scale, rng.uniform(40.5, 43.5, n) * scale,
        {rep: (HOMES[k][0] * scale, HOMES[k][1] * scale) for k, rep in enumerate(ids)},
        names=[words("name", k) for k in range(n)],
        planar=planar,
        extra={
            measure: 1.0 + np.arange(n) % 5,
            "owner": np.array([*(words("rep", k) for k in range(5)), ""], dtype=object)[rng.integers(0, 6, n)],
            "segment": [words("segment", k % 3) for k in range(n)],
            "locked": [ids[0] if k == 0 else "" for k in range(n)],
        },
        config={
            "balance": ({"measure": measure, "tolerance": 0.2},),
            "travel": {"weight": measure, "metric": "euclidean" if planar else "haversine"},
            "disruption": {"current": "owner"},
            "eligibility": {"column": "segment", "reps_column": "segments"},
            "map": {"tiles": "https://tiles.example.org/{z}/{x}/{y}.png", "attribution": words("attribution", 0)},
        },
    )  # fmt: skip
    accounts = problem.accounts.set_axis(pd.Index([words("account", k) for k in range(n)], name="account_id"))
    homes = problem.reps.assign(
        name=[words("rep name", k) for k in range(reps)],
        segments=";".join(sorted({words("segment", k) for k in range(3)})),
    )
    return dataclasses.replace(
        problem,
        accounts=accounts,
        reps=homes,
        sources=(Source("accounts", words("file", 0), "ab" * 32, n),),
        notices=(words("notice", 0),),
    )


def explained(plan: Plan, words: Words) -> Plan:
    """Return a plan whose reasons are `words`."""
    reasons = [words("reason", k) for k in range(len(plan.assignments))]
    return dataclasses.replace(plan, assignments=plan.assignments.assign(reason=reasons))


def _write_rebalancing(words: Words, path: Path) -> None:
    rng = np.random.default_rng(4)
    n, measure = 60, words("measure", 0)
    reps = [words("rep", k) for k in range(3)]
    accounts = pd.DataFrame(
        {
            "account_id": [words("account", k) for k in range(n)],
            "name": [words("name", k) for k in range(n)],
            "latitude": rng.uniform(41, 43, n),
            "longitude": rng.uniform(-95, -91, n),
            measure: rng.integers(1, 5, n).astype(float),
            "owner": np.array([*reps, ""], dtype=object)[rng.integers(0, 4, n)],
        }
    )
    homes = pd.DataFrame(
        {
            "rep_id": reps,
            "name": [words("rep name", k) for k in range(3)],
            "latitude": [41.2, 42.8, 42.0],
            "longitude": [-94.0, -93.0, -91.5],
        }
    )
    config: dict[str, Any] = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": measure, "tolerance": 0.3}],
        "travel": {"weight": measure},
        "disruption": {"current": "owner", "measure": measure},
        "solve": {"rounds": 1, "gap": 1e-3, "time_limit_s": 20},
    }
    found = rebalance(load_frames(accounts, homes, parse_config(config)), n_points=3)
    write_rebalancing(found, trade_off_table(found), path)


def _write_replay(words: Words, problem: PlanningProblem, plan: Plan, folder: Path, path: Path) -> None:
    (folder / "plan").mkdir()
    write_plan_files(problem, plan, folder / "plan")
    roster = folder / "roster.csv"
    pd.DataFrame({"rep_id": problem.reps.index, "name": problem.reps["name"]}).to_csv(roster, index=False)
    leads = pd.DataFrame(
        {
            "lead_id": [words("lead", k) for k in range(12)],
            "created_at": [f"2024-03-{4 + k:02d}T08:00:00Z" for k in range(12)],
            "latitude": 41.0,
            "longitude": -93.05,
            "segment": words("segment", 0),
        }
    )
    new = parse_policy({"reps": str(roster), "matching": {"territory": "ignore"}})
    write_replay(replay(leads, folder / "plan", new, Policy(reps=str(roster)), close_after_days=2), path)
