"""The published brick problem: the engine's optimum is the known one, and the README's answers are those of a solver.

The oracle is HiGHS on the textbook formulation, written out below from the files alone: it shares no code with the
engine, which proves its optima with CP-SAT.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from territory_engine.auditing.audit import audit
from territory_engine.config import parse_config
from territory_engine.plan_directory import write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load, load_frames

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "bricks"
OFFICES = {"SR1": "B04", "SR2": "B14", "SR3": "B16", "SR4": "B22"}
BOUNDS = [(0.8, 1.2, 154.60, 0.1696), (0.85, 1.15, 160.32, 0.2529), (0.9, 1.1, 162.43, 0.2529)]
"""Least and greatest load, the least distance in km, and the least index value that changes hands."""


@dataclass(frozen=True)
class Case:
    """The published figures.

    Attributes
    ----------
    accounts, reps, travel : DataFrame
        As in the files.
    index_value : ndarray, shape (22,)
    km, moved : ndarray, shape (22, 4)
        The distance to the rep's office, and the index value that changes hands if the rep gets the brick.
    """

    accounts: pd.DataFrame
    reps: pd.DataFrame
    travel: pd.DataFrame
    index_value: NDArray[np.float64]
    km: NDArray[np.float64]
    moved: NDArray[np.float64]

    def least(
        self, cost: NDArray[np.float64], lower: float, upper: float, moved_at_most: float = np.inf
    ) -> tuple[float, NDArray[np.bool_]] | None:
        """Return the least total cost and who gets what, shape ``(22, 4)``; None where nothing keeps the limits."""
        bricks, reps = cost.shape
        once = np.kron(np.eye(bricks), np.ones(reps))
        loads = np.kron(self.index_value, np.eye(reps))
        limits = [
            LinearConstraint(once, 1, 1),
            LinearConstraint(loads, lower, upper),
            LinearConstraint(self.moved.reshape(1, -1), 0, moved_at_most),
        ]
        found = milp(
            cost.ravel(), constraints=limits, integrality=np.ones(cost.size), bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0},
        )  # fmt: skip
        return None if found.x is None else (float(found.fun), found.x.reshape(cost.shape) > 0.5)


@pytest.fixture(scope="module")
def case() -> Case:
    text = {"account_id": str, "rep_id": str, "owner": str}
    accounts = pd.read_csv(FOLDER / "accounts.csv", dtype=text)
    reps = pd.read_csv(FOLDER / "reps.csv", dtype=text)
    travel = pd.read_csv(FOLDER / "travel.csv", dtype=text)
    km = travel.pivot(index="account_id", columns="rep_id", values="cost").to_numpy()
    index_value = accounts["index_value"].to_numpy()
    stays = accounts["owner"].to_numpy()[:, None] == reps["rep_id"].to_numpy()[None, :]
    return Case(accounts, reps, travel, index_value, km, np.where(stays, 0.0, index_value[:, None]))


def problem_with(case: Case, lower: float, upper: float, cost: NDArray[np.float64]) -> PlanningProblem:
    table = pd.DataFrame(
        {
            "rep_id": np.tile(case.reps["rep_id"], len(case.accounts)),
            "account_id": np.repeat(case.accounts["account_id"], len(case.reps)).to_numpy(),
            "cost": cost.ravel(),
        }
    )
    config = parse_config(
        {
            "data": {"accounts": "accounts", "reps": "reps"},
            "balance": [{"measure": "index_value", "min": lower, "max": upper}],
            "travel": {"table": "travel", "metric": "euclidean"},
            "disruption": {"current": "owner", "measure": "index_value"},
            "solve": {"time_limit_s": 60, "gap": 0},
        }
    )
    return load_frames(case.accounts, case.reps, config, travel_table=table)


def tables_of_the_readme() -> list[list[list[str]]]:
    blocks = re.findall(r"(?:^\|.*\n)+", (FOLDER / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [[[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in b.splitlines()[2:]] for b in blocks]


def test_the_files_hold_the_published_figures(case: Case) -> None:
    assert (len(case.accounts), len(case.reps), len(case.travel)) == (22, 4, 88)
    assert case.index_value.sum() == pytest.approx(4)
    assert dict(zip(case.reps["rep_id"], case.reps["office_brick"], strict=True)) == OFFICES
    offices = case.accounts["account_id"].isin(list(OFFICES.values())).to_numpy()
    assert np.array_equal(case.km[offices], case.km[offices].T), "offices are bricks: as far there as back"
    today = case.accounts.groupby("owner")["index_value"].sum()
    assert today.to_dict() == pytest.approx({"SR1": 0.9507, "SR2": 1.3377, "SR3": 0.7048, "SR4": 1.0068})
    assert case.km[case.moved == 0].sum() == pytest.approx(187.41)


def test_the_derived_places_fit_the_published_distances(case: Case) -> None:
    places, homes = case.accounts[["x", "y"]].to_numpy(), case.reps[["x", "y"]].to_numpy()
    off = np.abs(np.hypot(*(places[:, None, :] - homes[None, :, :]).transpose(2, 0, 1)) - case.km).max(axis=1)
    assert off[0] < 0.6
    assert off[1:].max() < 0.065


def test_the_least_distance_is_the_known_optimum_and_the_audit_agrees(tmp_path: Path) -> None:
    problem = load(FOLDER / "distance.toml")
    plan = solve(problem)
    assert (plan.status, plan.gap) == ("optimal", pytest.approx(0, abs=1e-6))
    assert plan.objective == pytest.approx(154.60)
    assert plan.assignments["moved"].sum() == 7
    assert plan.assignments.index[plan.assignments["moved"]].tolist() == [
        "B09", "B10", "B12", "B15", "B18", "B19", "B20",
    ]  # fmt: skip
    write_plan_files(problem, plan, tmp_path)
    report = audit(tmp_path)
    assert report.passed, report.summary()


@pytest.mark.parametrize(("lower", "upper", "km", "moved"), BOUNDS)
def test_both_ends_are_found_for_narrower_loads_too(
    case: Case, lower: float, upper: float, km: float, moved: float
) -> None:
    for cost, least in ((case.km, km), (case.moved, moved)):
        plan = solve(problem_with(case, lower, upper, cost))
        known = case.least(cost, lower, upper)
        assert plan.status == "optimal"
        assert known is not None
        assert plan.objective == pytest.approx(known[0]) == pytest.approx(least)


@pytest.mark.parametrize("weight", [3.0, 10.0, 50.0, 100.0, 1000.0])
def test_a_price_on_what_moves_gives_the_oracles_optimum(case: Case, weight: float) -> None:
    cost = case.km + weight * case.moved
    plan, known = solve(problem_with(case, 0.8, 1.2, cost)), case.least(cost, 0.8, 1.2)
    assert plan.status == "optimal"
    assert known is not None
    assert plan.objective == pytest.approx(known[0])


def test_the_readme_lists_every_alignment_that_none_beats_and_no_other(case: Case) -> None:
    budget, rows = np.inf, []
    while (best := case.least(case.km, 0.8, 1.2, budget)) is not None:
        km = best[0]
        # Among the shortest, the one that moves least: a small price decides nothing else.
        cheapest = case.least(case.km + 1e-3 * case.moved, 0.8, 1.2, budget)
        assert cheapest is not None
        chosen = cheapest[1]
        assert case.km[chosen].sum() == pytest.approx(km)
        moved = case.moved[chosen].sum()
        bricks = np.flatnonzero((case.moved * chosen).any(axis=1)) + 1
        rows.append([f"{km:.2f}", f"{moved:.4f}", f"{moved / 4:.1%}".replace("%", " %"), ", ".join(map(str, bricks))])
        budget = moved - 0.5e-4
    assert tables_of_the_readme()[-1] == rows[::-1]
    assert len(rows) == 20


def test_the_readme_states_the_ends(case: Case) -> None:
    shortest = [(case.km, case.moved, limits) for *limits, _, _ in BOUNDS]
    steadiest = [(case.moved, case.km, limits) for *limits, _, _ in BOUNDS[:2]]
    stated = tables_of_the_readme()[-2][1:]
    for row, (first, second, limits) in zip(stated, shortest + steadiest, strict=True):
        best = case.least(first + 1e-6 * second, *limits)
        assert best is not None
        km, moved, bricks = (float(counted[best[1]].sum()) for counted in (case.km, case.moved, case.moved > 0))
        assert row[2:] == [f"{km:.2f}", f"{moved:.4f}", f"{bricks:.0f}"]
