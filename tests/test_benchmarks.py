"""The benchmarks run: a small case of each, so that a long one never fails after an hour for a slip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import fixed_centres


@pytest.fixture
def branches(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "UNINUMBR": np.arange(1, 91),
            "NAMEBR": "A branch",
            "ZIPBR": [f"{z:05d}" for z in rng.integers(10001, 10090, 90)],
            "SIMS_LATITUDE": np.r_[0.0, rng.normal(41, 1, 89)].round(4),
            "SIMS_LONGITUDE": np.r_[0.0, rng.normal(-93, 1, 89)].round(4),
            "DEPSUMBR": rng.lognormal(10, 0.5, 90).round(),
        }
    )
    table.to_csv(tmp_path / "branches.csv.gz", index=False)
    return tmp_path / "branches.csv.gz"


def test_the_fdic_benchmark_runs_on_a_few_branches(
    branches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixed_centres, "N_REPS", 3)
    rows = fixed_centres.fdic(branches, None, tmp_path)
    assert [row["exit"] for row in rows] == [0, 0]
    assert all(row["proved gap %"] <= limit for row, limit in zip(rows, (0.1, 1.0), strict=True))
    assert "fdic count" in fixed_centres.markdown(rows)


def test_the_literature_benchmark_runs_on_a_tiny_instance(tmp_path: Path) -> None:
    folder = tmp_path / "gap" / "tiny"
    folder.mkdir(parents=True)
    pairs: list[dict[str, Any]] = [
        {"rep_id": r, "account_id": a, "cost": (3 * a + 7 * r) % 5 + 1, "load": a % 3 + 1}
        for r in range(2)
        for a in range(6)
    ]
    pd.DataFrame(pairs).to_csv(folder / "travel.csv", index=False)
    pd.DataFrame({"account_id": range(6)}).to_csv(folder / "accounts.csv", index=False)
    pd.DataFrame({"rep_id": range(2), "capacity": 7}).to_csv(folder / "reps.csv", index=False)
    (folder / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[[balance]]\nmeasure = "load"\nmax = "capacity"\n'
        '[travel]\ntable = "travel.csv"\n'
    )
    (tmp_path / "best_known.csv").write_text("family,instance,best_known\ngap,tiny,1\n")
    rows = fixed_centres.literature(tmp_path, tmp_path / "out", 5.0, peers=True)
    assert rows[0]["objective"] == rows[0]["plain CP-SAT"]
