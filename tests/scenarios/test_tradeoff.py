"""The price curve: points that nobody would choose, the knee, and the table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.tradeoff import dominated_points, knee, point_name, saved_at_most, trade_off_table
from scenarios.tradeoff_words import chosen_point, fewest_sentence, knee_sentences, summary
from territory_engine.config import parse_config
from territory_engine.disruption import with_max_moved
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames
from territory_engine.rebalancing import Rebalancing, rebalance


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float64)


@pytest.mark.parametrize(
    ("moved", "objective", "dominated"),
    [
        ((0.0, 1.0, 2.0), (9.0, 5.0, 4.0), (False, False, False)),
        ((0.0, 1.0, 2.0), (9.0, 9.0, 4.0), (False, True, False)),
        ((0.0, 1.0, 2.0), (9.0, 10.0, 4.0), (False, True, False)),
        ((0.0, 2.0, 1.0), (9.0, 5.0, 4.0), (False, True, False)),
        ((1.0, 1.0, 1.0), (5.0, 5.0, 5.0), (False, True, True)),
        ((1.0, 1.0), (5.0, 4.0), (True, False)),
        ((0.0,), (0.0,), (False,)),
        ((0.0, 1.0), (5.0, 5.0 * (1 - 1e-12)), (False, True)),
        ((0.0, 1.0), (-5.0, -6.0), (False, False)),
    ],
)
def test_dominated_points_by_hand(
    moved: tuple[float, ...], objective: tuple[float, ...], dominated: tuple[bool, ...]
) -> None:
    assert dominated_points(values(*moved), values(*objective)).tolist() == list(dominated)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8))
def test_whoever_is_dominated_is_beaten_by_one_who_is_not(points: list[tuple[int, int]]) -> None:
    moved, objective = (values(*column) for column in zip(*points, strict=True))
    dominated = dominated_points(moved, objective)
    kept = [points[i] for i in np.flatnonzero(~dominated)]
    assert len(set(kept)) == len(kept)
    for i, (m, o) in enumerate(points):
        beaten = any(a <= m and b <= o and (a, b) != (m, o) for a, b in points)
        assert dominated[i] == (beaten or (m, o) in points[:i])
        assert any(a <= m and b <= o for a, b in kept)


@pytest.mark.parametrize(
    ("moved", "objective", "at"),
    [
        ((0.0, 1.0, 2.0), (10.0, 2.0, 0.0), 1),
        ((0.0, 0.1, 0.5, 1.0), (100.0, 50.0, 20.0, 0.0), 1),
        ((0.0, 0.1, 0.5, 1.0), (100.0, 80.0, 20.0, 0.0), 2),
        ((0.0, 1.0, 2.0), (10.0, 5.0, 0.0), None),
        ((0.0, 1.0, 2.0), (10.0, 9.0, 0.0), None),
        ((0.0, 1.0), (10.0, 0.0), None),
        ((0.3,), (10.0,), None),
        ((), (), None),
        ((0.0, 1.0, 2.0), (5.0, 5.0, 5.0), None),
        ((1.0, 1.0, 1.0), (5.0, 4.0, 3.0), None),
    ],
)
def test_the_knee_by_hand(moved: tuple[float, ...], objective: tuple[float, ...], at: int | None) -> None:
    assert knee(values(*moved), values(*objective)) == at


@st.composite
def fronts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw points of which none dominates another."""
    n = draw(st.integers(3, 9))
    right = draw(st.lists(st.integers(1, 1000), min_size=n - 1, max_size=n - 1))
    down = draw(st.lists(st.integers(1, 1000), min_size=n - 1, max_size=n - 1))
    return np.cumsum([0, *right]).astype(float), 5000.0 - np.cumsum([0, *down])


@given(fronts(), st.sampled_from([0.5, 2.0, 1024.0]), st.sampled_from([0.25, 8.0]), st.integers(-8, 8))
def test_the_knee_does_not_depend_on_units_or_origin(
    front: tuple[np.ndarray, np.ndarray], wide: float, high: float, shift: int
) -> None:
    moved, objective = front
    # Whole numbers and powers of two: nothing is rounded on the way.
    assert knee(moved * wide + 16 * shift, objective * high + 4 * shift) == knee(moved, objective)


@given(fronts())
def test_the_knee_is_on_the_lower_convex_hull(front: tuple[np.ndarray, np.ndarray]) -> None:
    moved, objective = front
    at = knee(moved, objective)
    if at is None:
        line = objective[0] + (objective[-1] - objective[0]) * (moved - moved[0]) / (moved[-1] - moved[0])
        assert np.all(objective >= line - 1e-5 * (objective[0] - objective[-1]))
        return
    assert 0 < at < len(moved) - 1
    for i in range(at):
        for j in range(at + 1, len(moved)):
            part = (moved[at] - moved[i]) / (moved[j] - moved[i])
            assert objective[at] <= objective[i] + part * (objective[j] - objective[i]) + 1e-9


def problem_of(
    measure: str = "revenue", *, owner: list[str] | None = None, protect: float = 0.0, tolerance: float = 0.25
) -> PlanningProblem:
    rng = np.random.default_rng(1)
    place = rng.random((30, 2)) * 100
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{i:02d}" for i in range(30)], "x": place[:, 0], "y": place[:, 1],
            "visits": rng.integers(1, 5, 30), "revenue": rng.integers(1, 90, 30), "warm": [1.0, 0.0, 0.0] * 10,
            "owner": owner or [f"R{k}" for k in rng.integers(1, 4, 30)],
        }
    )  # fmt: skip
    reps = pd.DataFrame({"rep_id": ["R1", "R2", "R3"], "x": [10.0, 50.0, 90.0], "y": [20.0, 80.0, 30.0]})
    disruption = {"current": "owner", "measure": measure}
    if protect:
        disruption |= {"protect": [{"column": "warm", "weight": protect}]}
    config = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "visits", "tolerance": tolerance}, {"measure": "revenue", "tolerance": 0.6}],
        "travel": {"metric": "euclidean"},
        "disruption": disruption,
        "solve": {"time_limit_s": 20, "gap": 0, "rounds": 5},
    }
    return load_frames(accounts, reps, parse_config(config))


def test_the_table_tells_what_the_plans_tell() -> None:
    found = rebalance(problem_of(), n_points=5)
    table = trade_off_table(found)
    assert table.index.tolist() == [point_name(n) for n in range(1, 6)]
    assert table.index.name == "point"
    assert table.columns.tolist() == [
        "max_moved", "moved_fraction", "moved_revenue", "accounts_moved", "accounts_assigned", "objective", "travel",
        "lower_bound", "gap", "max_deviation_visits", "max_deviation_revenue", "marginal_price", "saved_per_percent",
        "status", "pareto", "knee",
    ]  # fmt: skip
    for (_, row), (problem, plan) in zip(table.iterrows(), found.points, strict=True):
        moved = plan.assignments["moved"]
        revenue = problem.accounts["revenue"]
        assert row["accounts_moved"] == moved.sum()
        assert row["moved_revenue"] == pytest.approx(revenue[moved].sum())
        assert row["moved_fraction"] == pytest.approx(revenue[moved].sum() / revenue.sum())
        assert row["saved_per_percent"] == pytest.approx(row["marginal_price"] * revenue.sum() / 100)
        assert row["max_deviation_visits"] == plan.measures["visits"]["max_deviation"]
    assert np.isnan(table["max_moved"].iloc[-1])
    assert np.all(np.diff(table["objective"]) <= 1e-9)
    assert set(table["pareto"]) <= {"proved", "found", "dominated"}
    assert table["knee"].sum() <= 1
    assert not table.loc[table["knee"], "pareto"].eq("dominated").any()
    # A price is what a little more would save at most: by weak duality it bounds every other point from below.
    for _, row in table.iterrows():
        others = table["objective"] + row["marginal_price"] * table["moved_revenue"]
        assert np.all(
            others >= row["objective"] + row["marginal_price"] * row["moved_revenue"] - 0.2 * row["objective"]
        )


def test_accounts_moved_are_told_once_where_accounts_are_the_measure() -> None:
    found = rebalance(problem_of("count"), n_points=3)
    table = trade_off_table(found)
    assert [c for c in table.columns if c.startswith("moved_")] == ["moved_fraction"]
    text = summary(found, table)
    assert "accounts moved" in text
    assert "of those that have a rep" in text


def test_a_constant_curve_is_one_point_that_is_shown() -> None:
    problem = problem_of(tolerance=0.5)
    best = rebalance(problem, n_points=2).points[-1][1]
    found = rebalance(problem_of(owner=best.assignments["rep_id"].tolist(), tolerance=0.5), n_points=4)
    table = trade_off_table(found)
    assert table.index.tolist() == ["point-01"]
    assert chosen_point(table) == "point-01"
    assert fewest_sentence(found).startswith("No account has to change hands")
    assert knee_sentences(found, table)[0] == "No account changes hands."


@pytest.mark.parametrize(
    ("owners", "says"),
    [
        (["GONE"] * 3, "GONE's 3 accounts go to others"),
        (["GONE"], "GONE's 1 account goes to others"),
        (["G1", "G2"], "The 2 accounts of G1 and G2 go to others"),
        (["", "G1"], "2 accounts that nobody has are assigned"),
        ([""], "1 account that nobody has is assigned"),
        (["G1", "G2", "G3", "G4"], "4 accounts that nobody has are assigned"),
    ],
)
def test_it_is_said_whose_accounts_have_to_be_assigned(owners: list[str], says: str) -> None:
    rest = [f"R{1 + i % 3}" for i in range(30 - len(owners))]
    found = rebalance(problem_of(owner=[*owners, *rest]), max_moved=[0.2])
    assert knee_sentences(found, trade_off_table(found))[0].startswith(says)


def test_what_counts_more_than_it_is_is_not_called_the_least_of_the_measure() -> None:
    """Fewer accounts might do, were they not protected: the proof is about what counts."""
    owner = ["R1"] * 20 + ["R2"] * 5 + ["R3"] * 5
    found = rebalance(problem_of(owner=owner, protect=4.0), n_points=3)
    assert found.fewest is not None
    assert found.fewest.minimal
    first = found.points[0][1].disruption
    assert first is not None
    sentence = fewest_sentence(found)
    assert "At least" not in sentence
    assert "with what protected accounts count more; it is proved that less will not do" in sentence
    table = trade_off_table(found)
    assert table["counted_fraction"].iloc[0] == pytest.approx(found.fewest.found / found.fewest.total)
    assert table["counted_fraction"].is_monotonic_increasing
    assert table["pareto"].iloc[0] != "dominated"


def test_points_are_counted_from_one() -> None:
    assert [point_name(n) for n in (1, 12)] == ["point-01", "point-12"]


# What is said, by hand ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curve() -> Rebalancing:
    return rebalance(problem_of(owner=["R1"] * 20 + ["R2"] * 5 + ["R3"] * 5), n_points=4)


def said_of(curve: Rebalancing, fewest: dict[str, Any], **told: Any) -> str:
    """Return the sentence about the fewest moves, were they others."""
    assert curve.fewest is not None
    problem, plan = curve.points[0]
    first = (problem, replace(plan, disruption={**(plan.disruption or {}), **told}))
    changed = replace(curve, fewest=replace(curve.fewest, **fewest), points=(first, *curve.points[1:]))
    return fewest_sentence(changed)


def test_where_only_accounts_that_count_nothing_move_nothing_has_to(curve: Rebalancing) -> None:
    nothing = {"found": 0.0, "proved": 0.0, "total": 1000.0}
    for moved, words in ((3, "only 3 accounts with no revenue go"), (1, "only 1 account with no revenue goes")):
        said = said_of(curve, nothing, moved=0.0, moved_fraction=0.0, accounts_moved=moved)
        assert said == f"Nothing that counts has to change hands: {words} to others."


def test_accounts_are_not_proved_to_be_the_fewest_where_they_are_not_the_measure(curve: Rebalancing) -> None:
    told = {"moved": 20.069, "moved_fraction": 0.020069, "accounts_moved": 3}
    said = said_of(curve, {"found": 20.069, "proved": 20.069, "total": 1000.0}, **told)
    assert said == (
        "At least 2.006 % of revenue (20.06) must change hands; it is proved that less will not do."
        " The plan that moves least does it with 3 accounts."
    )
    said = said_of(curve, {"found": 20.069, "proved": 19.9999, "total": 1000.0}, **told)
    assert "as far as found; it is proved that less than 1.999 % will not do." in said
    said = said_of(curve, {"found": 20.069, "proved": 0.0, "total": 1000.0}, **told)
    assert "nothing is proved about how little would do" in said
    counted = said_of(curve, {"found": 3.0, "proved": 3.0, "total": 30.0, "measure": "count"}, **told)
    assert counted == "At least 3 accounts must change hands; it is proved that less will not do."


def curve_of(
    curve: Rebalancing, moved: list[float], objective: list[float], bound: list[float], price: list[float], limits: Any
) -> Rebalancing:
    """Return a rebalancing with points as given, fractions and objective units."""
    points = []
    for m, o, b, p, limit in zip(moved, objective, bound, price, limits, strict=True):
        problem, plan = curve.points[0]
        told = {**(plan.disruption or {}), "moved": 1000 * m, "moved_fraction": m, "counted": 1000 * m, "total": 1000.0}
        told |= {"price": p, "accounts_moved": round(1000 * m)}
        changed = replace(plan, objective=o, lower_bound=b, priced_bound=b, disruption=told)
        points.append((with_max_moved(problem, limit), changed))
    return replace(curve, points=tuple(points))


def test_more_moves_save_no_more_than_the_bounds_leave(curve: Rebalancing) -> None:
    total = float(curve.problem.accounts["revenue"].sum())
    # A price of 400 per percent; the bound of the next limit leaves 100.
    prices = [400 * 100 / total, 50 * 100 / total, 0.0]
    found = curve_of(curve, [0.0, 0.02, 0.05], [1000, 900, 860], [1000, 900, 850], prices, [0.0, 0.02, None])
    table = trade_off_table(found)
    step, saved = saved_at_most(found, table)
    assert step == 0.01
    assert saved[:2] == pytest.approx([100, 50])
    assert np.isnan(saved[2])
    assert table["saved_per_percent"].tolist() == pytest.approx([400, 50, 0])
    assert "1 % more saves at most" in summary(found, table)
    # What the point itself is short of its bound may be saved too.
    loose = curve_of(curve, [0.0, 0.02, 0.05], [1000, 900, 860], [1000, 893, 850], prices, [0.0, 0.02, None])
    assert saved_at_most(loose, trade_off_table(loose))[1][1] == pytest.approx(50)
    assert saved_at_most(loose, trade_off_table(loose))[1][0] == pytest.approx(107)


def test_beyond_the_widest_limit_only_the_price_says_what_more_moves_save(curve: Rebalancing) -> None:
    total = float(curve.problem.accounts["revenue"].sum())
    prices = [90 * 100 / total, 30 * 100 / total]
    found = curve_of(curve, [0.0, 0.02], [1000, 900], [1000, 898], prices, [0.0, 0.02])
    assert saved_at_most(found, trade_off_table(found))[1] == pytest.approx([90, 32])
    kneed = curve_of(curve, [0.0, 0.02, 0.1], [1000, 900, 860], [1000, 900, 860], [*prices, 0.0], [0.0, 0.02, 0.1])
    text = " ".join(knee_sentences(kneed, trade_off_table(kneed)))
    assert "of what the widest plan here saves" in text
    assert "any number of moves" not in text
    assert "Moving one more percent of revenue would save at most 30 map units." in text


def test_curves_that_are_narrower_than_a_percent_have_smaller_steps(curve: Rebalancing) -> None:
    total = float(curve.problem.accounts["revenue"].sum())
    prices = [400 * 100 / total, 90.011 * 100 / total, 0.0]
    found = curve_of(curve, [0.0, 0.002, 0.005], [1000, 960, 950], [1000, 960, 950], prices, [0.0, 0.002, None])
    table = trade_off_table(found)
    step, saved = saved_at_most(found, table)
    assert step == 0.001
    assert saved[:2] == pytest.approx([40, 9.0011])
    text = summary(found, table)
    assert "0.1 % more saves at most" in text
    # Rounded up: it is a most.
    assert "Moving another 0.1 % of revenue would save at most 9.002 map units." in text
    assert "any number of moves" in text


@pytest.mark.parametrize(("limit", "exceeded"), [(0.01, True), (1.0, False), (None, False)])
def test_fewest_moves_beyond_the_configured_limit_are_said_first(
    curve: Rebalancing, limit: float | None, exceeded: bool
) -> None:
    found = replace(curve, problem=with_max_moved(curve.problem, limit))
    assert found.exceeded_limit == (limit if exceeded else None)
    first = summary(found, trade_off_table(found)).splitlines()[0]
    said = "More has to change hands than the max_moved of 1 % in the configuration: every plan here goes beyond it."
    assert (first == said) == exceeded
    assert found.fewest is not None
    unproved = replace(found, fewest=replace(found.fewest, proved=0.0))
    first = summary(unproved, trade_off_table(unproved)).splitlines()[0]
    assert ("no plan within it was found" in first) == exceeded
