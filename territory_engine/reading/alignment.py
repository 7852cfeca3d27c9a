"""Today's alignment in the accounts: who owns them, what protects them from moving, and locks that hold until a date."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.config import DATED_LOCKS, Locks
from territory_engine.errors import Finding
from territory_engine.grammar import counted
from territory_engine.reading.columns import ConfigFinding, Sheet, find_for_rule, is_blank

if TYPE_CHECKING:
    from collections.abc import Container

    from numpy.typing import NDArray

    from territory_engine.config import Config, Disruption

_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]\d{1,2}:\d{2}.*)?")
_YES_NO = {"true": "1", "false": "0", "yes": "1", "no": "0"}


def protections(sheet: Sheet, config: Config, measures: Container[str]) -> dict[str, Any]:
    """Return the columns that protect accounts from moving, cleaned: numbers with 0 for blanks, and dates as ISO text.

    Parameters
    ----------
    sheet : Sheet
        Accounts; gets findings.
    config : Config
        With a disruption.
    measures : container of str
        Columns that are read as numbers for another rule, which finds their blanks.
    """
    rule = config.disruption
    assert rule is not None
    columns: dict[str, Any] = {}
    taken = _read_as_something_else(config)
    for i, protection in enumerate(rule.protect, start=1):
        setting = f"disruption.protect[{i}].column"
        if protection.column in taken:
            sheet.findings.append(_two_readings(sheet, protection.column, setting, taken[protection.column]))
        elif protection.column not in measures and find_for_rule(sheet, protection.column, setting):
            words = sheet.text(protection.column)
            figures = words.str.lower().map(_YES_NO)
            if figures.notna().any():
                sheet.frame = sheet.frame.assign(**{protection.column: figures.where(figures.notna(), words)})
            values = sheet.numbers(protection.column, blank=None, allowed="a number, 0 or more, or true or false")
            columns[protection.column] = np.nan_to_num(values)
    if rule.locked_until is not None:
        setting = "disruption.locked_until"
        # Its own entry in the list, which says what it is read as where a protection names it too.
        taken = {k: v for k, v in taken.items() if v != setting}
        if rule.locked_until in taken:
            sheet.findings.append(_two_readings(sheet, rule.locked_until, setting, taken[rule.locked_until]))
        elif find_for_rule(sheet, rule.locked_until, setting):
            columns[rule.locked_until] = _days(sheet, rule.locked_until)
    return columns


def _read_as_something_else(config: Config) -> dict[str, str]:
    """Return the accounts columns that another rule reads as IDs, names, places or dates, with the key that names it."""
    rule, named = config.disruption, {}
    for key, section in (("locks", config.locks), ("eligibility", config.eligibility), ("groups", config.groups)):
        if section is not None and section.column is not None:
            named[section.column] = f"{key}.column"
    if rule is not None:
        named[rule.current] = "disruption.current"
        if rule.locked_until is not None:
            named.setdefault(rule.locked_until, "disruption.locked_until")
    for column in ("x", "y", "latitude", "longitude", "postal_code"):
        named.setdefault(column, "the account's place")
    return named


def _two_readings(sheet: Sheet, column: str, setting: str, other: str) -> Finding:
    return ConfigFinding(
        f"{setting} names the column of {other}, which is no measure of how much the account should stay"
        if "protect" in setting
        else f"{setting} names the column of {other}, which holds no dates",
        sheet.file,
        column=sheet.own_name(column),
        remedy=f"name another column in {setting}",
    )


def _days(sheet: Sheet, column: str) -> pd.Series[Any]:
    """Return a column of dates, perhaps with times, as ISO days, "" where blank; findings where it is no date."""
    told = sheet.text(column)
    blank = is_blank(told)
    codes, unique = pd.factorize(told.mask(blank, ""))
    days = [_day(text) for text in unique]
    wrong = np.array([day is None and text != "" for day, text in zip(days, unique, strict=True)], np.bool_)
    sheet.flag(
        wrong[codes],
        column,
        "is not a date",
        allowed="a date such as 2026-09-30, or blank",
        remedy="write year-month-day",
    )
    known = np.array([day or "" for day in days], dtype=object)
    return pd.Series(known[codes], index=told.index, dtype=str)


def _day(text: str) -> str | None:
    """Return the ISO day of a date or timestamp; None where it is none."""
    match = _DAY.fullmatch(text)
    try:
        return date(*map(int, match.groups())).isoformat() if match else None
    except ValueError:
        return None


def flag_names(
    accounts: Sheet,
    column: str,
    owners: pd.Series[Any],
    unknown: NDArray[np.bool_],
    rep_ids: pd.Index[Any],
    rep_names: pd.Series[Any] | None,
) -> NDArray[np.bool_]:
    """Find owners who are told by a rep's name; returns which, shape ``(n_accounts,)``.

    Taken for an owner who left, all of that rep's accounts could change hands without counting.
    """
    if rep_names is None or not unknown.any():
        return np.zeros(len(owners), np.bool_)
    keys = [" ".join(str(name).split()).casefold() for name in rep_names]
    ids = {key: str(rep) for key, rep in zip(keys, rep_ids, strict=True) if key and keys.count(key) == 1}
    named = owners.map(lambda owner: " ".join(str(owner).split()).casefold() in keys and str(owner) != "")
    found = unknown & named.to_numpy(np.bool_)
    own = accounts.own_name(column)
    for i in np.flatnonzero(found):
        owner = str(owners.iloc[i])
        rep = ids.get(" ".join(owner.split()).casefold())
        remedy = "write IDs: the name does not tell one rep from another" if rep is None else f"write {rep!r}"
        accounts.findings.append(
            Finding(
                "is the name of a rep, not the ID",
                accounts.file,
                int(accounts.rows[i]),
                own,
                owner,
                "a rep_id of the reps file, or an earlier one",
                remedy,
            )
        )
    return np.asarray(found)


def check_somebody_owns(accounts: Sheet, rule: Disruption, owners: pd.Series[Any], rep_ids: pd.Index[Any]) -> None:
    """Find a limit or a price on what changes hands that would say nothing, because no owner is one of the reps."""
    if accounts.findings or (rule.max_moved is None and not rule.weight) or owners.isin(rep_ids).any():
        return
    key = "max_moved" if rule.max_moved is not None else "weight"
    accounts.findings.append(
        ConfigFinding(
            f"names no rep of the reps file in any row, so disruption.{key} would limit nothing",
            accounts.file,
            column=accounts.own_name(rule.current),
            allowed="the rep_id of each account's rep of today",
            remedy=f"check that disruption.current names the right column and that its IDs are those of the reps file, or remove {key}",
        )
    )


def with_dated_locks(accounts: Sheet, rep_ids: pd.Index[Any], config: Config) -> Config:
    """Write locks that hold until a date beside the others, and return the configuration that names their column.

    An account whose date is after ``as_of`` is locked to its owner; not where that owner is no rep any more. The column
    with the locks that hold for good stays as it is, so that both can be looked at again.

    Parameters
    ----------
    accounts : Sheet
        Gets findings, a notice and the column.
    rep_ids : Index
    config : Config
        As the planner wrote it: see :meth:`territory_engine.config.Config.as_written`.
    """
    rule = config.disruption
    if rule is None or rule.locked_until is None or rule.as_of is None or accounts.findings:
        return config
    frame = accounts.frame
    if accounts.has(DATED_LOCKS):
        accounts.findings.append(
            Finding(
                f"{DATED_LOCKS!r} is a name that the plan's own files use where disruption.locked_until is given",
                accounts.file,
                column=accounts.own_name(DATED_LOCKS),
                remedy="rename the column",
            )
        )
        return config
    owner, until = frame[rule.current].astype(str), frame[rule.locked_until].astype(str)
    kept = (until > rule.as_of.isoformat()).to_numpy() & owner.isin(rep_ids).to_numpy()
    locks = pd.Series("", index=frame.index, dtype=str)
    if config.locks is not None:
        locks = frame[config.locks.column].astype(str)
        accounts.flag(
            kept & (locks != "").to_numpy() & (locks != owner).to_numpy(),
            config.locks.column,
            f"locks the account to another rep than {rule.locked_until!r} does, which keeps it with its owner",
            allowed="one of the two",
            remedy=f"clear the lock, or the date in {rule.locked_until!r}",
        )
    accounts.frame = frame.assign(**{DATED_LOCKS: locks.where(~kept, owner)})
    accounts.note(
        f"{counted(int(kept.sum()), 'account stays', 'accounts stay')} with the owner until a date in"
        f" {rule.locked_until!r} (after {rule.as_of.isoformat()})."
    )
    own = "" if config.locks is None else config.locks.column
    return config.model_copy(update={"locks": Locks(column=DATED_LOCKS, own=own)})
