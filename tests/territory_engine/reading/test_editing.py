"""A problem that is checked again as it is comes out as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from territory_engine import load
from territory_engine.errors import InputError
from territory_engine.plan_directory import read_plan, write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.editing import check_again

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "iowa"


@pytest.fixture(scope="module", params=["config.toml", "connected.toml"])
def iowa(request: pytest.FixtureRequest) -> PlanningProblem:
    return load(EXAMPLES / request.param)


def test_nothing_changes_where_nothing_is_edited(iowa: PlanningProblem) -> None:
    again = check_again(iowa)
    pd.testing.assert_frame_equal(again.accounts, iowa.accounts)
    pd.testing.assert_frame_equal(again.reps, iowa.reps)
    assert again.config == iowa.config
    assert [(s.role, s.path, s.sha256, s.rows) for s in again.sources] == [
        (s.role, s.path, s.sha256, s.rows) for s in iowa.sources
    ]
    assert set(again.notices) <= set(iowa.notices)
    if iowa.units is not None and again.units is not None:
        assert np.array_equal(again.units.unit_of, iowa.units.unit_of)
        np.testing.assert_allclose(again.units.places, iowa.units.places, atol=1e-12)
    twice = check_again(again)
    pd.testing.assert_frame_equal(twice.accounts, iowa.accounts)


def test_findings_name_rows_and_columns_as_the_file_has_them() -> None:
    iowa = load(EXAMPLES / "config.toml")
    row = int(iowa.origins["accounts"].rows[iowa.accounts.index.get_loc("5142")])
    wrong = iowa.accounts.assign(latitude=iowa.accounts["latitude"].mask(iowa.accounts.index == "5142", 95.0))
    with pytest.raises(InputError, match=rf"accounts.csv, row {row}, column 'latitude': is out of range"):
        check_again(iowa, accounts=wrong)
    homeless = iowa.reps.assign(latitude=iowa.reps["latitude"].mask(iowa.reps.index == "R02", 95.0))
    with pytest.raises(InputError, match=r"reps.csv, row 3, column 'home_latitude': is out of range"):
        check_again(iowa, reps=homeless)


def test_a_problem_from_a_plan_directory_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("Id,x,y\n" + "".join(f"a{i},{i},0\n" for i in range(6)))
    (tmp_path / "reps.csv").write_text("nr,x,y\nR1,0,0\nR2,5,0\n")
    (tmp_path / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[data.columns.reps]\nrep_id = "nr"\n'
        '[travel]\nmetric = "euclidean"\n[[balance]]\nmeasure = "count"\ntolerance = 0.5\n'
    )
    problem = load(tmp_path / "config.toml")
    out = tmp_path / "plan"
    out.mkdir()
    write_plan_files(problem, solve(problem), out)
    read, _ = read_plan(out)
    again = check_again(read, reps=read.reps.assign(x=[1.0, 4.0]))
    assert again.reps["x"].tolist() == [1, 4]
    assert again.reps.index.tolist() == ["R1", "R2"]
    assert [(s.rows, s.rows_in_file) for s in again.sources] == [(6, 6), (2, 2)]
