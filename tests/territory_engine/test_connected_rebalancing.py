"""Rebalancing territories that have to stay in one piece: every point is a plan whose audit passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from territory_engine.auditing.audit import audit
from territory_engine.config import parse_config
from territory_engine.errors import ConfigError
from territory_engine.plan_directory import write_plan_files
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load_frames
from territory_engine.rebalancing import rebalance


def strip(n: int, *, centers: str = "reps") -> PlanningProblem:
    """Return accounts along a line, one per unit, with every third one owned by the rep at the other end."""
    rng = np.random.default_rng(3)
    ids = [f"A{i:02d}" for i in range(n)]
    owner = ["R1" if i < n // 2 else "R2" for i in range(n)]
    for i in range(0, n, 3):
        owner[i] = {"R1": "R2", "R2": "R1"}[owner[i]]
    accounts = pd.DataFrame(
        {"account_id": ids, "x": np.arange(n), "y": 0.0, "owner": owner, "value": rng.integers(1, 9, n), "unit": ids}
    )
    reps = pd.DataFrame({"rep_id": ["R1", "R2"], "x": [1.0, n - 2.0], "y": 0.0})
    pairs = pd.DataFrame({"unit_a": ids[:-1], "unit_b": ids[1:]})
    config = parse_config(
        {
            "data": {"accounts": "accounts.csv", "reps": "reps.csv"},
            "territories": {"centers": centers},
            "travel": {"metric": "euclidean"},
            "balance": [{"measure": "count", "tolerance": 0.5}],
            "contiguity": {"adjacency": "pairs.csv", "unit_id": "unit"},
            "disruption": {"current": "owner", "measure": "value"},
            "solve": {"time_limit_s": 20, "gap": 0.0},
        }
    )
    return load_frames(accounts, reps, config, adjacency=pairs)


def test_every_point_is_in_one_piece_within_its_limit_and_passes_its_audit(tmp_path: Path) -> None:
    found = rebalance(strip(12), n_points=4)
    assert found.fewest is not None
    assert found.fewest.found > 0
    assert len(found.points) >= 2
    objectives = []
    for number, (problem, plan) in enumerate(found.points):
        rep = plan.assignments["rep_id"].to_numpy()
        assert np.count_nonzero(rep[1:] != rep[:-1]) == 1
        folder = tmp_path / str(number)
        folder.mkdir()
        write_plan_files(problem, plan, folder)
        report = audit(folder)
        assert report.passed, report
        objectives.append(plan.objective)
    assert objectives == sorted(objectives, reverse=True)
    first = found.points[0][1].disruption
    assert first is not None
    assert first["counted"] == pytest.approx(found.fewest.found)


def test_chosen_centres_are_nobodys_so_nothing_can_be_rebalanced() -> None:
    with pytest.raises(ConfigError, match="nobody's until the plan is made"):
        rebalance(strip(12, centers="free"))
