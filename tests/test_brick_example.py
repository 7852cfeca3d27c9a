"""The published brick problem: the engine's optimum is the known one, and the README's answers are those of a solver.

The oracle is HiGHS on the textbook formulation, written out below from the files alone: it shares no code with the
engine, which proves its optima with CP-SAT.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

FRONT: dict[tuple[float, float], list[tuple[float, float, int]]] = {
    (0.8, 1.2): [
        (188.95, 0.1696, 2),
        (188.18, 0.2270, 3),
        (187.24, 0.2529, 1),
        (183.23, 0.2693, 3),
        (174.68, 0.2739, 3),
        (173.91, 0.3313, 4),
        (172.97, 0.3572, 2),
        (168.96, 0.3736, 4),
        (168.19, 0.4310, 5),
        (167.25, 0.4569, 3),
        (166.47, 0.4996, 4),
        (165.96, 0.5864, 5),
        (164.68, 0.7958, 5),
        (164.67, 0.8278, 6),
        (163.42, 0.8425, 6),
        (160.76, 0.8970, 5),
        (160.63, 0.9625, 5),
        (155.04, 0.9967, 6),
        (154.63, 1.1227, 6),
        (154.60, 1.2055, 7),
    ],
    (0.85, 1.15): [
        (187.24, 0.2529, 1),
        (186.46, 0.2956, 2),
        (181.52, 0.3526, 2),
        (172.97, 0.3572, 2),
        (172.19, 0.3999, 3),
        (172.16, 0.4827, 4),
        (171.68, 0.4867, 4),
        (171.65, 0.5695, 5),
        (169.13, 0.9803, 4),
        (162.82, 0.9945, 6),
        (160.35, 1.0230, 5),
        (160.32, 1.1058, 6),
    ],
    (0.9, 1.1): [
        (187.24, 0.2529, 1),
        (187.21, 0.3357, 2),
        (186.73, 0.3397, 2),
        (181.52, 0.3526, 2),
        (172.97, 0.3572, 2),
        (172.46, 0.4440, 3),
        (171.68, 0.4867, 4),
        (171.37, 0.9899, 6),
        (162.82, 0.9945, 6),
        (162.43, 1.1341, 6),
    ],
}
"""By bounds on the loads: km, index value moved and bricks moved of every alignment that none beats, least moved first."""

PRICED = [
    (0.1, 154.60, 1.2055),
    (1.0, 154.63, 1.1227),
    (10.0, 155.04, 0.9967),
    (40.0, 168.96, 0.3736),
    (100.0, 174.68, 0.2739),
    (1000.0, 188.95, 0.1696),
]
"""Price in km per unit of index value, the km that it leads to, and the index value that moves: each a corner of the
lower hull of the first front, whose slopes are 0.4, 3.3, 22.3, 57.4 and 136.8."""

COUNTED = [
    (1, 187.24, [10]),
    (2, 172.84, [10, 21]),
    (3, 167.25, [10, 19, 20]),
    (4, 161.00, [9, 10, 15, 21]),
    (5, 155.41, [9, 10, 15, 19, 20]),
    (6, 154.63, [9, 10, 15, 18, 19, 20]),
    (7, 154.60, [9, 10, 12, 15, 18, 19, 20]),
    (8, 154.60, [9, 10, 12, 15, 18, 19, 20]),
]
"""How many bricks may move, the least km then, and which bricks move."""


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


def problem_with(
    case: Case, lower: float, upper: float, cost: NDArray[np.float64], disruption: dict[str, Any] | None = None
) -> PlanningProblem:
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
            "disruption": {"current": "owner", "measure": "index_value", **(disruption or {})},
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


@pytest.mark.parametrize(("weight", "km", "moved"), PRICED)
def test_a_weight_buys_the_alignment_at_which_the_price_is_right(
    case: Case, weight: float, km: float, moved: float
) -> None:
    plan = solve(problem_with(case, 0.8, 1.2, case.km, {"weight": weight}))
    assert plan.status == "optimal"
    assert plan.objective == pytest.approx(km + weight * moved)
    assert plan.objective_terms == pytest.approx({"travel": km, "disruption": weight * moved})


@pytest.mark.parametrize(("bounds", "km", "moved"), [(b, k, m) for b, f in FRONT.items() for k, m, _ in f])
def test_a_budget_of_just_what_is_needed_is_enough(
    case: Case, bounds: tuple[float, float], km: float, moved: float
) -> None:
    # moved / 4 as a decimal: the budget is met with equality, so it must hold to rounding errors of the sum.
    plan = solve(problem_with(case, *bounds, case.km, {"max_moved": round(moved / 4, 6)}))
    assert (plan.status, plan.objective) == ("optimal", pytest.approx(km))


@pytest.mark.parametrize("bounds", FRONT)
def test_a_hair_less_budget_gives_the_next_alignment_or_none(case: Case, bounds: tuple[float, float]) -> None:
    front = FRONT[bounds]
    for before, after in zip([None, *front], front, strict=False):
        plan = solve(problem_with(case, *bounds, case.km, {"max_moved": round((after[1] - 0.00005) / 4, 8)}))
        if before is None:
            assert plan.status == "infeasible"
            assert plan.conflict is not None
            least = plan.conflict["least_moved"]
            assert least["fraction"] == least["proved_fraction"] == pytest.approx(after[1] / 4)
        else:
            assert (plan.status, plan.objective) == ("optimal", pytest.approx(before[0]))


def test_the_least_disruption_is_the_known_optimum() -> None:
    plan = solve(load(FOLDER / "disruption.toml"))
    assert (plan.status, plan.objective) == ("optimal", pytest.approx(0.1696))
    moved = plan.assignments[plan.assignments["moved"]]
    assert moved["rep_id"].to_dict() == {"B11": "SR3", "B12": "SR3"}  # the only alignment with so little disruption


def test_a_tenth_of_the_workload_buys_18_km() -> None:
    plan = solve(load(FOLDER / "budget.toml"))
    assert (plan.status, plan.objective) == ("optimal", pytest.approx(168.96))
    moved = plan.assignments[plan.assignments["moved"]]
    assert moved["rep_id"].to_dict() == {"B11": "SR3", "B12": "SR3", "B19": "SR1", "B20": "SR1"}


@pytest.mark.parametrize(("bricks", "km", "moved"), COUNTED)
def test_bricks_may_be_counted_instead(case: Case, bricks: int, km: float, moved: list[int]) -> None:
    plan = solve(problem_with(case, 0.8, 1.2, case.km, {"measure": "count", "max_moved": bricks / 22}))
    assert (plan.status, plan.objective) == ("optimal", pytest.approx(km))
    assert plan.assignments.index[plan.assignments["moved"]].tolist() == [f"B{brick:02d}" for brick in moved]


def test_a_budget_of_nothing_names_what_is_wrong_today_and_the_least_that_mends_it(case: Case, tmp_path: Path) -> None:
    problem = problem_with(case, 0.8, 1.2, case.km, {"max_moved": 0.0})
    plan = solve(problem)
    assert plan.status == "infeasible"
    assert plan.conflict is not None
    assert plan.conflict["rules"][1:3] == [
        "today SR2 has 1.34 of index value, and may have at most 1.2",
        "today SR3 has 0.70 of index value, and needs at least 0.8",
    ]
    assert plan.conflict["relaxations"] == ["raise max_moved in [disruption] to 0.0424: no plan moves less"]
    write_plan_files(problem, plan, tmp_path)
    report = audit(tmp_path)
    assert report.passed, report.summary()


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
