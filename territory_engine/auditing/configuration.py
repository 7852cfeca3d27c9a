"""The checks of the stored configuration: that it can be read, and that every rule in it is one that is audited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from territory_engine.auditing.checks import Check
from territory_engine.auditing.disruption import wrong_settings

if TYPE_CHECKING:
    from territory_engine.auditing.rules import StoredProblem

# Tables of the configuration, and what each says at least where it is there.
_TABLES: dict[str, tuple[str, ...]] = {
    "data": (),
    "territories": (),
    "travel": (),
    "contiguity": (),
    "locks": ("column",),
    "eligibility": (),
    "groups": ("column",),
    "disruption": ("current",),
    "solve": (),
}


def malformed(config: dict[str, Any]) -> list[str]:
    """Return what is wrong with the shape of a stored configuration, so that nothing in it is passed over.

    A table that is there but empty would otherwise look like one that is not.
    """
    wrong = []
    for name, keys in _TABLES.items():
        table = config.get(name)
        if table is None:
            continue
        if not isinstance(table, dict):
            wrong.append(f"{name}: found {table!r}, allowed: a table")
            continue
        wrong += [f"{name}.{key}: found {table.get(key)!r}, allowed: a column" for key in keys if not table.get(key)]
    if config.get("eligibility") == {}:
        wrong.append("eligibility: found {}, allowed: column with reps_column, or max_travel")
    balance = config.get("balance", [])
    if not isinstance(balance, list) or not all(isinstance(entry, dict) for entry in balance):
        wrong.append(f"balance: found {balance!r}, allowed: a list of tables")
    territories = config.get("territories")
    count = territories.get("count") if isinstance(territories, dict) else None
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        wrong.append(f"territories.count: found {count!r}, allowed: a whole number of 1 or more")
    return wrong


def check_configuration(stored: StoredProblem, record: dict[str, Any]) -> Check:
    """Check that every configured rule is one that the audit recomputes; none is passed over in silence."""
    problems = wrong_settings(stored)
    travel = stored.section("travel")
    if travel.get("metric", "haversine") not in {"haversine", "euclidean"} or travel.get("power", 1) not in {1, 2}:
        problems.append(f"travel: unknown metric or power ({travel!r})")
    needed = _needed_columns(stored)
    if stored.travel_table is None and not stored.free:
        # Without a place a rep would be nobody's neighbour and everybody's: its travel would count as nothing.
        places = stored.reps.reindex(columns=stored.coordinates)
        problems += [f"rep {rep!r} has no place" for rep in places.index[places.isna().any(axis=1)]]
    for name, frame in (("accounts", stored.accounts), ("reps", stored.reps)):
        problems += [f"{name} has no column {column!r}" for column in needed[name] if column not in frame.columns]
        problems += [f"{name}: {frame.index[i]!r} twice" for i in np.flatnonzero(frame.index.duplicated())[:5]]
    count, found = stored.section("territories").get("count"), len(stored.reps)
    if count is None and not stored.with_reps:
        problems.append(
            "territories.count is missing, and there are no reps that would say how many territories there are"
        )
    elif count is not None and count != found:
        problems.append(f"territories.count: expected the configured {count} territories, found {found}")
    seed = stored.section("solve").get("seed", 0)
    if record.get("seed") != seed:
        problems.append(f"seed: expected the configured {seed!r}, found {record.get('seed')!r}")
    return Check("configuration", not problems, "; ".join(problems) or "every configured rule is audited")


def _needed_columns(stored: StoredProblem) -> dict[str, list[str]]:
    """Return the columns of accounts and reps that the rules name."""
    travel = stored.section("travel")
    accounts = [travel.get("weight"), *(stored.section(s).get("column") for s in ("locks", "eligibility", "groups"))]
    own = stored.section("locks").get("own")
    accounts += [own] if isinstance(own, str) else []
    disruption = stored.section("disruption")
    accounts += [disruption.get("current"), disruption.get("locked_until")]
    accounts += [p.get("column") for p in disruption.get("protect") or [] if isinstance(p, dict)]
    accounts += [disruption.get("measure") if disruption.get("measure") != "count" else None]
    accounts += [m for m in stored.measures if m != "count" and not stored.depends_on_rep(m)]
    reps = [stored.section("eligibility").get("reps_column")]
    for entry in stored.config.get("balance", ()):
        reps += [entry.get("share"), *(entry.get(k) for k in ("min", "max") if isinstance(entry.get(k), str))]
    if stored.travel_table is None:
        accounts, reps = accounts + stored.coordinates, reps + ([] if stored.free else stored.coordinates)
    return {"accounts": [c for c in accounts if c], "reps": [c for c in reps if c]}
