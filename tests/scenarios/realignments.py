"""Small problems with an alignment of today and a plan, drawn at random, and their rules checked by counting.

The checks know nothing of how moves are ordered: after every step they count everything again, with plain loops.
"""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from territory_engine.config import Config
from territory_engine.geography.layer import UnitLayer, joined_frame
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem

SLACK = 1e-7


def realignment(
    accounts: pd.DataFrame,
    reps: pd.DataFrame,
    plan: dict[str, str],
    *,
    config: dict[str, Any] | None = None,
    travel_table: pd.DataFrame | None = None,
    units: UnitLayer | None = None,
    unit_reps: dict[str, str] | None = None,
) -> tuple[PlanningProblem, Plan]:
    """Return a problem and a plan of it; accounts have an ``owner``, and x and y or a row in the travel table."""
    settings = {
        "data": {"accounts": "accounts.csv", "reps": "reps.csv"},
        "travel": {"metric": "euclidean", **({"table": "travel.csv"} if travel_table is not None else {})},
        "disruption": {"current": "owner"},
        **(config or {}),
    }
    problem = PlanningProblem(
        Config.model_validate(settings), accounts, reps, travel_table, units=units, base_dir=Path()
    )
    owner = accounts["owner"].to_numpy(object)
    end = np.array([plan[i] for i in accounts.index], object)
    if travel_table is None:
        homes = reps.loc[list(end), ["x", "y"]].to_numpy(float)
        travel = np.hypot(*(accounts[["x", "y"]].to_numpy(float) - homes).T)
    else:
        cost = travel_table.set_index(["account_id", "rep_id"])["cost"]
        travel = np.array([cost[i, r] for i, r in zip(accounts.index, end, strict=True)], float)
    table = pd.DataFrame(
        {
            "territory_id": end,
            "rep_id": end,
            "travel": np.round(travel, 6),
            "previous_rep_id": owner,
            "moved": np.isin(owner.astype(str), reps.index.to_numpy(str)) & (owner != end),
            "reason": [f"{i} is best with {r}." for i, r in zip(accounts.index, end, strict=True)],
        },
        index=accounts.index,
    )
    told = None
    if units is not None:
        members = units.accounts_in
        told = pd.DataFrame(
            {"territory_id": [(unit_reps or {})[u] for u in units.ids], "accounts": members}, index=units.ids
        )
    made = Plan(
        status="feasible", assignments=table, territories=pd.DataFrame({"rep_id": reps.index}, index=reps.index),
        objective=1.0, lower_bound=0.0, gap=1.0, priced_bound=0.0, objective_terms={"travel": 1.0}, measures={},
        prices={}, proof={"kind": "prices"}, termination="gap", rounds=0, solve_seconds=0.0, seed=0, units=told,
    )  # fmt: skip
    return problem, made


def drawn(seed: int, *, n_accounts: int = 12, n_reps: int = 3) -> tuple[PlanningProblem, Plan]:
    """Draw a realignment: limits around the plan's loads, some tight; groups, units or loads by rep now and then."""
    draw = random.Random(seed)
    rep_ids = [f"R{k}" for k in range(n_reps)]
    ids = [f"A{i:02d}" for i in range(n_accounts)]
    accounts = pd.DataFrame(
        {
            "x": [draw.uniform(0, 10) for _ in ids],
            "y": [draw.uniform(0, 10) for _ in ids],
            "visits": [float(draw.randint(0, 9)) for _ in ids],
            "revenue": [draw.choice([1.0, 2.5, 100.0, 0.1]) for _ in ids],
        },
        index=pd.Index(ids, name="account_id"),
    )
    reps = pd.DataFrame(
        {"x": [draw.uniform(0, 10) for _ in rep_ids], "y": [draw.uniform(0, 10) for _ in rep_ids]},
        index=pd.Index(rep_ids, name="rep_id"),
    )
    kind = draw.choice(["alone", "alone", "groups", "units", "units", "table"])
    config: dict[str, Any] = {}
    units, unit_reps, table = None, None, None
    plan = {i: draw.choice(rep_ids) for i in ids}
    if kind == "groups":
        accounts["parent"] = [draw.choice(["", "P", "Q", "S", "T"]) for _ in ids]
        config["groups"] = {"column": "parent"}
        of_group = {p: draw.choice(rep_ids) for p in "PQST"}
        plan = {i: of_group.get(p, plan[i]) for i, p in zip(ids, accounts["parent"], strict=True)}
    if kind == "units":
        units, unit_reps = _connected(draw, ids, rep_ids)
        config["contiguity"] = {"adjacency": "pairs.csv"}
        plan = {i: unit_reps[units.ids[u]] for i, u in zip(ids, units.unit_of, strict=True)}
    if kind == "table":
        rows = [
            (r, i, draw.uniform(0, 20), float(draw.randint(0, 9)))
            for i in ids
            for r in rep_ids
            if r == plan[i] or draw.random() < 0.8
        ]
        table = pd.DataFrame(rows, columns=["rep_id", "account_id", "cost", "hours"])
    owner = {i: draw.choice([*rep_ids, *rep_ids, "", "gone"]) for i in ids}
    if kind == "units" and draw.random() < 0.6:
        # Today's territories are mostly in one piece, as the plan's are.
        _, today = _connected(draw, ids, rep_ids, units)
        assert units is not None
        owner = {i: today[units.ids[u]] for i, u in zip(ids, units.unit_of, strict=True)}
    if draw.random() < 0.5:
        owner = {i: plan[i] if draw.random() < 0.4 else owner[i] for i in ids}
    accounts["owner"] = pd.Series(owner).reindex(ids).to_numpy(object)
    measures = [
        m for m in ("visits", "revenue", "count", *(["hours"] if table is not None else [])) if draw.random() < 0.7
    ]
    balance = []
    for m in measures:
        loads = _loads(accounts, table, m, plan)
        room = draw.choice([0.0, 0.0, 0.05, 0.3])
        reps[f"{m}_most"] = [loads[r] * (1 + room * draw.random()) for r in rep_ids]
        reps[f"{m}_least"] = [loads[r] * (1 - room * draw.random()) for r in rep_ids]
        sides = draw.choice([("most",), ("least",), ("most", "least")])
        balance.append({"measure": m, **{{"most": "max", "least": "min"}[s]: f"{m}_{s}" for s in sides}})
    if balance:
        config["balance"] = tuple(balance)
    if draw.random() < 0.5 and kind != "table":
        config["disruption"] = {"current": "owner", "measure": "revenue"}
    return realignment(accounts, reps, plan, config=config, travel_table=table, units=units, unit_reps=unit_reps)


def _connected(
    draw: random.Random, ids: list[str], rep_ids: list[str], layer: UnitLayer | None = None
) -> tuple[UnitLayer, dict[str, str]]:
    """Return units on a grid, and a split of them into territories in one piece each."""
    wide, high = 4, 3
    names = [f"U{k:02d}" for k in range(wide * high)]
    pairs = [(k, k + 1) for k in range(wide * high) if (k + 1) % wide] + [
        (k, k + wide) for k in range(wide * (high - 1))
    ]
    if layer is None:
        index: pd.Index[str] = pd.Index(names, name="unit_id")
        array = np.array(sorted(pairs), np.int64)
        unit_of = np.array([draw.randrange(wide * high) for _ in ids], np.int64)
        joined = joined_frame(index, np.empty((0, 2), np.int64), np.empty(0))
        layer = UnitLayer(index, array, joined, unit_of, np.full((len(names), 2), np.nan), None, "pairs")
    near = defaultdict(set)
    for a, b in pairs:
        near[a].add(b)
        near[b].add(a)
    owner = dict(zip(draw.sample(range(wide * high), len(rep_ids)), rep_ids, strict=True))
    while len(owner) < wide * high:
        unit = draw.choice([u for u in range(wide * high) if u not in owner and near[u] & owner.keys()])
        owner[unit] = owner[draw.choice(sorted(near[unit] & owner.keys()))]
    return layer, {names[u]: r for u, r in owner.items()}


def _loads(accounts: pd.DataFrame, table: pd.DataFrame | None, measure: str, owner: dict[str, str]) -> dict[str, float]:
    loads: dict[str, float] = defaultdict(float)
    by_pair = (
        None if table is None or measure not in table else table.set_index(["account_id", "rep_id"])[measure].to_dict()
    )
    for account, rep in owner.items():
        if by_pair is not None:
            loads[rep] += by_pair.get((account, rep), 0.0)
        else:
            loads[rep] += 1.0 if measure == "count" else float(accounts[measure][account])
    return loads


def broken(problem: PlanningProblem, plan: Plan, owner: dict[str, str]) -> dict[tuple[str, ...], float]:
    """Return by how much every rule is broken under an alignment; only rules that are."""
    found: dict[tuple[str, ...], float] = {}
    reps = list(problem.reps.index)
    owner = {i: r if r in reps else "" for i, r in owner.items()}
    for rule in problem.balance_rules():
        loads = _loads(problem.accounts, problem.travel_table, rule.measure, owner)
        for rep, low, high in zip(reps, rule.lower, rule.upper, strict=True):
            found["upper", rule.measure, rep] = loads[rep] - high
            found["lower", rule.measure, rep] = low - loads[rep]
    if problem.config.groups is not None:
        shared = defaultdict(set)
        for account, name in problem.accounts[problem.config.groups.column].items():
            if name:
                shared[name].add(owner[str(account)])
        found |= {("group", name): len(who) - 1.0 for name, who in shared.items()}
    if problem.units is not None:
        assert plan.units is not None
        names = [str(u) for u in problem.units.ids]
        inside = defaultdict(set)
        for account, unit in zip(problem.accounts.index, problem.units.unit_of, strict=True):
            inside[names[unit]].add(owner[account])
        found |= {("unit", name): len(who) - 1.0 for name, who in inside.items()}
        for rep in reps:
            occupied = {u for u, who in inside.items() if rep in who}
            empty = {u for u in names if u not in inside and plan.units["territory_id"][u] == rep}
            found["pieces", rep] = _pieces(problem.units, occupied, empty) - 1.0
    return {rule: amount for rule, amount in found.items() if amount > SLACK}


def _pieces(layer: UnitLayer, occupied: set[str], empty: set[str]) -> int:
    near = defaultdict(set)
    for a, b in layer.pairs:
        near[layer.ids[a]].add(layer.ids[b])
        near[layer.ids[b]].add(layer.ids[a])
    left, pieces = set(occupied | empty), 0
    while left:
        piece = frontier = {left.pop()}
        while frontier:
            frontier = {n for u in frontier for n in near[u]} & left
            left -= frontier
            piece = piece | frontier
        pieces += bool(piece & occupied)
    return pieces


def history(problem: PlanningProblem, plan: Plan, moves: pd.DataFrame) -> list[dict[tuple[str, ...], float]]:
    """Return what is broken at the start and after every step."""
    owner = {str(i): str(r) for i, r in problem.accounts["owner"].items()}
    states = [broken(problem, plan, owner)]
    for _, step in moves.groupby("step", sort=True):
        owner |= dict(zip(step["account_id"], step["to"], strict=True))
        states.append(broken(problem, plan, owner))
    return states


def worse(before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float]) -> list[tuple[str, ...]]:
    """Return the rules that are more broken after than before."""
    return [rule for rule, amount in after.items() if amount > before.get(rule, 0.0) + SLACK]
