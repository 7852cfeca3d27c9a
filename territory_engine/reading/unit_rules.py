"""Whether rules on accounts can hold when whole units are assigned: locks, eligibility and groups against units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.config import Config
    from territory_engine.geography.layer import UnitLayer
    from territory_engine.reading.columns import Sheet

_LISTED = 5


def check_unit_rules(accounts: Sheet, reps: Sheet | None, layer: UnitLayer, config: Config) -> None:
    """Add findings where no assignment of whole units can keep the rules on their accounts.

    Parameters
    ----------
    accounts : Sheet
        After its references were matched; gets the findings.
    reps : Sheet or None
    layer : UnitLayer
    config : Config
    """
    if config.groups is not None and accounts.has(config.groups.column):
        _check_groups(accounts, layer, config.groups.column)
    if reps is None or not reps.has("rep_id"):
        return
    locked = _locked(accounts, reps, config)
    split = _check_locks(accounts, layer, config, locked)
    _check_eligibility(accounts, reps, layer, config, locked, split)


def _check_groups(accounts: Sheet, layer: UnitLayer, column: str) -> None:
    groups = accounts.frame[column].astype(str).to_numpy(object)
    at = np.flatnonzero(groups != "")
    codes, names = pd.factorize(groups[at])
    pairs = np.unique(np.column_stack((codes, layer.unit_of[at])), axis=0)
    for code in np.flatnonzero(np.bincount(pairs[:, 0], minlength=len(names)) > 1):
        members = at[codes == code]
        units = [str(u) for u in layer.ids[pairs[pairs[:, 0] == code, 1]]]
        accounts.findings.append(
            Finding(
                f"the group's accounts lie in {len(units)} units ({_some(units)}), and units are assigned whole",
                accounts.file,
                int(accounts.rows[members[0]]),
                accounts.own_name(column),
                str(names[code]),
                "with [contiguity], groups whose accounts lie in one unit",
                "clear the group of the accounts elsewhere, give all of them one unit, or remove [groups]",
            )
        )


def _locked(accounts: Sheet, reps: Sheet, config: Config) -> NDArray[np.int64]:
    """Return the position of the rep each account is locked to, −1 where it is free."""
    if config.locks is None or not accounts.has(config.locks.column):
        return np.full(len(accounts), -1, np.int64)
    reps_index = pd.Index(reps.frame["rep_id"].unique())
    return np.asarray(reps_index.get_indexer(pd.Index(accounts.frame[config.locks.column])), np.int64)


def _check_locks(accounts: Sheet, layer: UnitLayer, config: Config, locked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Flag units whose accounts are locked to different reps; returns them."""
    at = np.flatnonzero(locked >= 0)
    pairs = np.unique(np.column_stack((layer.unit_of[at], locked[at])), axis=0)
    split = np.flatnonzero(np.bincount(pairs[:, 0], minlength=len(layer)) > 1).astype(np.int64)
    for unit in split.tolist():
        assert config.locks is not None
        members = at[layer.unit_of[at] == unit]
        shown = accounts.frame[config.locks.column].iloc[members]
        each = [
            f"{account} to {rep}"
            for account, rep in zip(accounts.frame["account_id"].iloc[members[np.argsort(locked[members])]],
                                    shown.iloc[np.argsort(locked[members])], strict=True)
        ]  # fmt: skip
        accounts.findings.append(
            Finding(
                f"unit {layer.ids[unit]} holds accounts locked to different reps ({_some(each)}), and units are assigned whole",
                accounts.file,
                int(accounts.rows[members[0]]),
                accounts.own_name(config.locks.column),
                str(shown.iloc[0]),
                "one rep for all locked accounts of a unit",
                "unlock all but one rep's accounts there, or use finer units",
            )
        )
    return split


def _check_eligibility(
    accounts: Sheet,
    reps: Sheet,
    layer: UnitLayer,
    config: Config,
    locked: NDArray[np.int64],
    split: NDArray[np.int64],
) -> None:
    """Flag units that no rep may serve whole although somebody may serve each of their accounts."""
    rule = config.eligibility
    if rule is None or rule.column is None or rule.reps_column is None:
        return
    if not (accounts.has(rule.column) and reps.has(rule.reps_column)):
        return
    lists = [set(str(cell).split(";")) for cell in reps.frame[rule.reps_column]]
    codes, values = pd.factorize(accounts.frame[rule.column].astype(str))
    able = np.array([[str(value).strip() in known for known in lists] for value in values], bool)
    able = able.reshape(len(values), len(lists))
    needs = np.unique(np.column_stack((layer.unit_of, codes, locked)), axis=0)
    starts = np.flatnonzero(np.concatenate(([True], needs[1:, 0] != needs[:-1, 0])))
    for first, last in zip(starts, [*starts[1:], len(needs)], strict=True):
        unit = needs[first, 0]
        if last - first == 1 or unit in split:
            continue
        each = able[needs[first:last, 1]]
        fixed = needs[first:last, 2]
        for row, rep in zip(each, fixed, strict=True):
            if rep >= 0:
                row[np.arange(len(row)) != rep] = False
        # An account that nobody may serve is not the unit's fault: the plan's own proof explains it.
        if each.any(axis=1).all() and not each.all(axis=0).any():
            _flag_unserved(accounts, layer, config, int(unit), needs[first:last])


def _flag_unserved(accounts: Sheet, layer: UnitLayer, config: Config, unit: int, needs: NDArray[np.int64]) -> None:
    assert config.eligibility is not None
    assert config.eligibility.column is not None
    members = np.flatnonzero(layer.unit_of == unit)
    cells: Any = accounts.frame[config.eligibility.column].iloc[members]
    wanted = sorted({str(v) for v in cells})
    lock = ", and an account is locked" if (needs[:, 2] >= 0).any() else ""
    named = accounts.frame["account_id"].astype(str).iloc[members].tolist()
    accounts.findings.append(
        Finding(
            f"unit {layer.ids[unit]} (accounts {_some(named)}) needs a rep for {_some(wanted)} at once{lock}, and no rep"
            " may serve all of it",
            accounts.file,
            int(accounts.rows[members[0]]),
            accounts.own_name(config.eligibility.column),
            ";".join(wanted),
            "a rep who may serve every account of the unit, since units are assigned whole",
            f"extend a rep's {config.eligibility.reps_column!r}, or use finer units",
        )
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
