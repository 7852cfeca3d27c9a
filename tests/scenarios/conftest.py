"""A small plan on a plane in files, and scenarios over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

ACCOUNTS = """\
account_id,name,x,y,visits,revenue,revenue_low,segment,owner,locked_rep,postal_code
a1,Alpha,0,0,2,100,90,SMB,R1,R1,50010
a2,Beta,1,0,2,200,150,SMB,R1,,50011
a3,Gamma,2,0,2,100,90,ENT,R1,,50310
a4,Delta,8,0,2,100,80,ENT,R2,,52240
a5,Epsilon,9,0,2,150,100,SMB,R2,,52241
a6,Zeta,10,0,2,150,120,SMB,R2,R2,52242
a7,Eta,5,5,2,200,160,ENT,R3,R3,
a8,Theta,5,6,2,100,90,SMB,R3,,53000
a9,Iota,5,7,2,100,60,SMB,R9,,53001
"""
REPS = """\
rep_id,name,x,y,capacity,quota,segments,home_city
R1,Ann,0,0,10,1000,SMB;ENT,Ames
R2,Bob,10,0,10,1000,SMB;ENT,Iowa City
R3,Cid,5,6,10,1000,SMB;ENT,Waukee
"""
CONFIG = """\
[data]
accounts = "accounts.csv"
reps = "reps.csv"

[[balance]]
measure = "visits"
tolerance = 0.9
share = "capacity"

[[balance]]
measure = "revenue"
tolerance = 0.95
share = "quota"

[travel]
metric = "euclidean"
weight = "visits"

[locks]
column = "locked_rep"

[eligibility]
column = "segment"
reps_column = "segments"

[disruption]
current = "owner"

[solve]
time_limit_s = 5
gap = 0.0
"""

Write = Callable[..., Path]


@pytest.fixture
def plan_files(tmp_path: Path) -> Path:
    """A folder with accounts.csv, reps.csv and config.toml."""
    (tmp_path / "accounts.csv").write_text(ACCOUNTS)
    (tmp_path / "reps.csv").write_text(REPS)
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def scenario_file(plan_files: Path) -> Write:
    """Write scenarios over the plan's files, and return their path."""

    def write(text: str, *, base: str | None = 'base = "config.toml"\n') -> Path:
        path = plan_files / "scenarios.toml"
        path.write_text((base or "") + text)
        return path

    return write
