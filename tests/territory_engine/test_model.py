"""The arrays say what the tables said: every cost, load, limit and rule, against plain loops over the frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from territory_engine.config import parse_config
from territory_engine.model import Model, build_model
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames

REPS = pd.DataFrame(
    {
        "rep_id": ["R1", "R2", "R3"],
        "x": [0.0, 10.0, 20.0],
        "y": [0.0, 5.0, 0.0],
        "latitude": [41.0, 42.0, 43.0],
        "longitude": [-93.0, -92.0, -91.0],
        "segments": ["smb", "smb; key ", "key;;gov"],
        "ceiling": [9.0, 8.0, 7.0],
    }
)
ACCOUNTS = pd.DataFrame(
    {
        "account_id": ["001", "2", "3", "4", "5", "6"],
        "x": [1.0, 2.0, 9.0, 12.0, 19.0, 5.0],
        "y": [0.0, 1.0, 4.0, 2.0, 3.0, 5.0],
        "latitude": [41.1, 41.3, 42.2, 42.4, 43.1, 41.9],
        "longitude": [-93.1, -92.7, -92.2, -91.6, -91.2, -92.9],
        "visits": [1, 2, 3, 4, 0, 5],
        "revenue": [1.5, 2.25, 0.0, 8.0, 3.0, 4.0],
        "segment": ["smb", "key", "gov", "key", "smb", "key"],
        "parent": ["", "P", "Q", "P", "", "Q"],
        "locked_rep": ["", "", "", "", "R2", ""],
    }
)


def planning(rules: dict[str, Any], *, table: pd.DataFrame | None = None, **columns: list[Any]) -> PlanningProblem:
    config = parse_config({"data": {"accounts": "a.csv", "reps": "r.csv", "on_unlocated": "assign"}, **rules})
    return load_frames(ACCOUNTS.assign(**columns), REPS, config, travel_table=table)


def costs(model: Model) -> Any:
    return model.problem.costs.block(0, model.problem.n_units)


def distance(account: Any, rep: Any, metric: str) -> float:
    if metric == "euclidean":
        return math.dist((account["x"], account["y"]), (rep["x"], rep["y"]))
    phi, psi = math.radians(account["latitude"]), math.radians(rep["latitude"])
    h = math.sin((psi - phi) / 2) ** 2
    h += math.cos(phi) * math.cos(psi) * math.sin(math.radians(rep["longitude"] - account["longitude"]) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(h))


@pytest.mark.parametrize("metric", ["haversine", "euclidean"])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("weight", [None, "visits"])
def test_costs_are_weight_times_travel_to_the_power(metric: str, power: int, weight: str | None) -> None:
    travel = {"metric": metric, "power": power, **({"weight": weight} if weight else {})}
    found = costs(build_model(planning({"travel": travel})))
    for i, account in ACCOUNTS.iterrows():
        for t, rep in REPS.iterrows():
            expected = (account[weight] if weight else 1) * distance(account, rep, metric) ** power
            assert found[i, t] == pytest.approx(expected, rel=1e-9)


def test_an_account_in_no_place_costs_nothing_anywhere() -> None:
    rules = {"eligibility": {"max_travel": 150.0}}
    model = build_model(
        planning(
            rules, latitude=[41.1, None, 42.2, 42.4, 43.1, 41.9], longitude=[-93.1, None, -92.2, -91.6, -91.2, -92.9]
        )
    )
    assert costs(model)[1].tolist() == [0, 0, 0]


def test_groups_are_one_unit_each_and_blanks_are_alone() -> None:
    model = build_model(
        planning(
            {
                "groups": {"column": "parent"},
                "balance": [{"measure": "visits", "min": 0}, {"measure": "count", "max": 5}],
            }
        )
    )
    assert model.unit_of.tolist() == [0, 1, 2, 1, 3, 2]
    assert model.problem.loads.tolist() == [[1, 6, 8, 0], [1, 2, 2, 1]]
    alone = costs(build_model(planning({})))
    together = costs(model)
    assert together[1] == pytest.approx(alone[1] + alone[3])
    assert together[2] == pytest.approx(alone[2] + alone[5])
    assert together[0] == pytest.approx(alone[0])


def test_a_group_named_like_an_accounts_row_is_not_that_account() -> None:
    model = build_model(planning({"groups": {"column": "parent"}}, parent=["", "0", "0", "", "alone", "3"]))
    assert model.unit_of.tolist() == [0, 1, 1, 2, 3, 4]


def test_eligibility_reads_the_list_with_its_spaces_and_empty_entries() -> None:
    rule = {"column": "segment", "reps_column": "segments"}
    model = build_model(planning({"eligibility": rule}))
    assert np.isfinite(costs(model)).tolist() == [
        [True, True, False],
        [False, True, True],
        [False, False, True],
        [False, True, True],
        [True, True, False],
        [False, True, True],
    ]
    assert model.eligible_reps.tolist() == [2, 2, 1, 2, 2, 2]


def test_a_group_is_eligible_where_all_its_accounts_are() -> None:
    rule = {"column": "segment", "reps_column": "segments"}
    model = build_model(planning({"eligibility": rule, "groups": {"column": "parent"}}))
    # Q is gov and key: R3 only.
    assert np.isfinite(costs(model))[2].tolist() == [False, False, True]


def test_a_lock_leaves_one_rep() -> None:
    model = build_model(planning({"locks": {"column": "locked_rep"}}))
    assert model.fixed.tolist() == [-1, -1, -1, -1, 1, -1]
    assert np.isfinite(costs(model))[4].tolist() == [False, True, False]
    assert np.isfinite(costs(model))[[0, 1, 2, 3, 5]].all()


def test_locks_that_contradict_each_other_in_a_group_leave_no_rep() -> None:
    rules = {"locks": {"column": "locked_rep"}, "groups": {"column": "parent"}}
    model = build_model(planning(rules, locked_rep=["", "R1", "", "R2", "", "R3"]))
    assert np.isfinite(costs(model)).any(axis=1).tolist() == [True, False, True, True]


def test_max_travel_shuts_out_a_group_if_one_account_is_too_far() -> None:
    rules = {"travel": {"metric": "euclidean"}, "eligibility": {"max_travel": 9.0}, "groups": {"column": "parent"}}
    allowed = np.isfinite(costs(build_model(planning(rules))))
    single = np.isfinite(costs(build_model(planning({k: v for k, v in rules.items() if k != "groups"}))))
    assert allowed[1].tolist() == (single[1] & single[3]).tolist()
    assert allowed[2].tolist() == (single[2] & single[5]).tolist()
    assert single.any()
    assert not single.all()


def test_limits_are_the_rules_of_each_measure_in_order() -> None:
    balance = [
        {"measure": "visits", "tolerance": 0.2},
        {"measure": "revenue", "min": 1.5, "max": "ceiling"},
        {"measure": "visits", "max": 5},
    ]
    model = build_model(planning({"balance": balance}))
    assert [r.measure for r in model.rules] == ["visits", "revenue"]
    assert model.problem.lower == pytest.approx(np.array([[4.0] * 3, [1.5] * 3]))
    assert model.problem.upper == pytest.approx(np.array([[5.0] * 3, [9.0, 8.0, 7.0]]))
    assert model.problem.loads.tolist() == [[1, 2, 3, 4, 0, 5], [1.5, 2.25, 0, 8, 3, 4]]


def table(**measures: float) -> pd.DataFrame:
    rows = [
        (r, a, 10.0 * i + t + 1)
        for i, a in enumerate(ACCOUNTS["account_id"])
        for t, r in enumerate(REPS["rep_id"])
        if (a, r) not in {("001", "R1"), ("5", "R3")}
    ]
    frame = pd.DataFrame(rows, columns=["rep_id", "account_id", "cost"])
    for name, factor in measures.items():
        frame[name] = frame["cost"] * factor
    return frame.sample(frac=1, random_state=3)


@pytest.mark.parametrize("weight", [None, "visits"])
def test_a_table_gives_the_costs_and_a_missing_pair_may_not_be(weight: str | None) -> None:
    travel = {"table": "t.csv", "power": 2, **({"weight": weight} if weight else {})}
    found = costs(build_model(planning({"travel": travel}, table=table())))
    for i in range(len(ACCOUNTS)):
        for t in range(len(REPS)):
            missing = (i, t) in {(0, 0), (4, 2)}
            factor = ACCOUNTS["visits"][i] if weight else 1
            assert found[i, t] == (np.inf if missing else factor * (10.0 * i + t + 1) ** 2)


def test_in_a_group_one_missing_pair_is_enough_to_shut_the_rep_out() -> None:
    found = costs(
        build_model(
            planning(
                {"travel": {"table": "t.csv"}, "groups": {"column": "parent"}},
                table=table(),
                parent=["P", "P", "", "", "", ""],
            )
        )
    )
    assert np.isinf(found[0, 0])
    assert found[0, 1:].tolist() == [2 + 12, 3 + 13]


def test_max_travel_and_locks_hold_on_a_table_too() -> None:
    rules = {"travel": {"table": "t.csv"}, "eligibility": {"max_travel": 42.0}, "locks": {"column": "locked_rep"}}
    found = costs(build_model(planning(rules, table=table())))
    assert np.isfinite(found[4]).tolist() == [False, True, False]
    assert np.isinf(found[5]).all()
    assert found[:4][np.isfinite(found[:4])].max() <= 42.0


def test_loads_of_a_table_depend_on_the_rep_and_others_do_not() -> None:
    balance = [{"measure": "hours", "max": 99}, {"measure": "visits", "min": 0}]
    model = build_model(planning({"travel": {"table": "t.csv"}, "balance": balance}, table=table(hours=0.5)))
    loads = model.problem.pair_loads
    assert loads is not None
    assert loads[0, 3].tolist() == [15.5, 16.0, 16.5]
    assert loads[1, 3].tolist() == [4, 4, 4]
    assert loads.shape == (2, 6, 3)


def test_loads_that_depend_on_the_rep_add_up_in_a_group() -> None:
    rules = {"travel": {"table": "t.csv"}, "balance": [{"measure": "hours", "max": 99}], "groups": {"column": "parent"}}
    model = build_model(planning(rules, table=table(hours=1.0)))
    assert model.problem.pair_loads is not None
    assert model.problem.pair_loads[0, 1].tolist() == [11 + 31, 12 + 32, 13 + 33]
