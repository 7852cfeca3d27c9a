"""A small file of scenarios over a small plan."""

from __future__ import annotations

from pathlib import Path

ACCOUNTS = "account_id,name,latitude,longitude,visits\n" + "\n".join(
    f"{number:03d},Shop {number},{41 + number // 6 * 0.1:.1f},{-93 + number % 6 * 0.1:.1f},{1 + number % 3}"
    for number in range(24)
)
REPS = "rep_id,name,latitude,longitude\nR1,Ada,41.0,-93.0\nR2,Ben,41.2,-92.5\nR3,Cleo,41.3,-93.0\n"
CONFIG = """
[data]
accounts = "accounts.csv"
reps = "reps.csv"

[[balance]]
measure = "visits"
tolerance = 0.2

[travel]
weight = "visits"

[solve]
time_limit_s = 5
"""
SCENARIOS = """
base = "config.toml"

[scenario.lose_r2]
description = "R2 resigns"
remove_reps = ["R2"]

[scenario.close_some]
close_accounts = ["003", "004"]
"""
# Ends by its rounds alone, and takes some seconds: long enough to be stopped in the middle, and the same every time.
HARD = CONFIG.replace("time_limit_s = 5", "time_limit_s = 60\ngap = 0.0\nrounds = 40")


def write_scenario_input(folder: Path, scenarios: str = SCENARIOS, *, hard: bool = False) -> Path:
    """Write accounts, reps, configuration and scenarios; return the path of the scenarios."""
    accounts = ACCOUNTS
    if hard:
        accounts = "account_id,name,latitude,longitude,visits\n" + "\n".join(
            f"{n:03d},Shop {n},{41 + (n * 7919 % 1000) / 500:.3f},{-93 + (n * 104729 % 1000) / 500:.3f},{1 + n * 31 % 17}.{n * 37 % 89}"
            for n in range(400)
        )
    (folder / "accounts.csv").write_text(accounts, encoding="utf-8")
    (folder / "reps.csv").write_text(REPS, encoding="utf-8")
    (folder / "config.toml").write_text(HARD if hard else CONFIG, encoding="utf-8")
    path = folder / "scenarios.toml"
    path.write_text(scenarios, encoding="utf-8")
    return path


def plans(out: Path) -> set[str]:
    """Return the names of the plan directories in a directory of scenarios."""
    return {path.parent.name for path in out.glob("*/plan.json") if not path.parent.name.startswith(".")}
