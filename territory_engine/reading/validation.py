"""Accounts and reps checked as a whole: everything wrong is found before anything is solved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import ConfigError, Finding, InputError
from territory_engine.grammar import counted
from territory_engine.problem import MONEY
from territory_engine.reading.alignment import check_somebody_owns, flag_names, protections
from territory_engine.reading.columns import ConfigFinding, Sheet, find_for_rule, is_blank
from territory_engine.reading.identifiers import check_control_characters, check_ids, match_ids, mends_of, record_key
from territory_engine.reading.numeric import read_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from territory_engine.config import Config

SHOWN_PER_KIND = 20


def error_of(findings: Iterable[Finding]) -> InputError:
    """Return one error with every finding; a missing column makes it a :class:`ConfigError`.

    Its text lists at most :data:`SHOWN_PER_KIND` findings of a kind and counts the rest; ``findings`` holds all.
    """
    everything = tuple(findings)
    kind = ConfigError if any(isinstance(f, ConfigFinding) for f in everything) else InputError
    error = kind(everything)
    error.args = (summarise(everything),)
    return error


def summarise(findings: Iterable[Finding], limit: int = SHOWN_PER_KIND) -> str:
    """Return findings as text, one a line, in order; of each kind the first ``limit``, and how many more.

    Findings are of one kind when they say the same of the same column of the same file.
    """
    kinds: dict[tuple[str | None, ...], list[Finding]] = {}
    for finding in findings:
        # Numbers in a sentence ("repeats the ID of row 7") do not make it another kind.
        words = "".join(c for c in finding.what if not c.isdigit())
        kinds.setdefault((finding.file, finding.column, words), []).append(finding)
    lines: list[str] = []
    for (file, column, _), members in kinds.items():
        lines.extend(str(f) for f in members[:limit])
        if len(members) > limit:
            where = f"{file}, column {column!r}" if column else str(file)
            lines.append(f"{where}: … and {len(members) - limit:,} more like this")
    return "\n".join(lines)


def check_accounts(sheet: Sheet, config: Config, measures_by_rep: frozenset[str] = frozenset()) -> None:
    """Check IDs, measures, weight, eligibility, groups and today's reps; write the cleaned columns into the sheet.

    Parameters
    ----------
    sheet : Sheet
        Accounts, canonical columns; gets findings, notices and an ``account_id`` column of stripped text.
    config : Config
    measures_by_rep : frozenset of str
        Measures that the travel table gives.
    """
    if not _has_records(sheet, "accounts"):
        return
    _check_identity(sheet, "account_id", "accounts")
    numeric: dict[str, tuple[str, str]] = {}
    for i, rule in enumerate(config.balance, start=1):
        if rule.measure != "count" and rule.measure not in measures_by_rep:
            numeric.setdefault(rule.measure, (f"balance[{i}].measure", "a measure"))
    if config.travel.weight is not None:
        numeric.setdefault(config.travel.weight, ("travel.weight", "the travel weight"))
    if config.disruption is not None and config.disruption.measure != "count":
        role = "what a move counts"
        numeric.setdefault(config.disruption.measure, ("disruption.measure", role))
    columns: dict[str, Any] = {}
    if config.disruption is not None:
        columns |= protections(sheet, config, numeric)
    for column, (setting, role) in numeric.items():
        if find_for_rule(sheet, column, setting):
            values = sheet.numbers(column, blank="fill the cell; write 0 for an account that has none")
            columns[column] = values
            if role == "what a move counts" and (values == 0).all():
                sheet.findings.append(
                    Finding("adds up to 0, so no move would count", sheet.file, column=sheet.own_name(column))
                )
            if role == "a measure" and (values == 0).all():
                sheet.findings.append(
                    Finding("adds up to 0, so there is nothing to balance", sheet.file, column=sheet.own_name(column))
                )
    columns |= _money(sheet, set(columns))
    if config.locks is not None:
        find_for_rule(sheet, config.locks.column, "locks.column")
    if config.disruption is not None:
        find_for_rule(sheet, config.disruption.current, "disruption.current")
    if sheet.has("count") and any(rule.measure == "count" for rule in config.balance):
        sheet.note("measure 'count' counts accounts; the file's own column 'count' is not used.")
    for setting, name in (("groups.column", config.groups), ("eligibility.column", config.eligibility)):
        if name is not None and name.column is not None and find_for_rule(sheet, name.column, setting):
            columns[name.column] = _cleared(sheet.text(name.column))
    if config.groups is not None and config.groups.column in columns:
        columns[config.groups.column] = _one_spelling(columns[config.groups.column])
    if config.eligibility is not None and config.eligibility.column in columns:
        values = columns[config.eligibility.column]
        sheet.flag(
            (values == "").to_numpy(dtype=bool),
            config.eligibility.column,
            "is blank, so no rep may serve the account",
            allowed=f"a value that the reps' {config.eligibility.reps_column!r} lists",
            remedy="fill it in",
        )
    # Copied into one block: hundreds of single columns make every later change slow.
    sheet.frame = sheet.frame.assign(**columns).copy()


def _money(sheet: Sheet, read: set[str]) -> dict[str, NDArray[np.float64]]:
    """Read the columns that reports tell of although no rule names them; one that is not all numbers stays text."""
    found = {}
    for column in MONEY:
        if column in read or not sheet.has(column):
            continue
        numbers = read_numbers(sheet.frame[column], decimal_comma=sheet.decimal_comma, file_style=sheet.style)
        if numbers.wrong.any():
            sheet.note(f"column {sheet.own_name(column)!r} is not all numbers, so that maps and reports leave it out.")
        elif not numbers.blank.all():
            found[column] = numbers.values
    return found


def check_reps(sheet: Sheet, config: Config) -> None:
    """Check IDs, shares, limits and eligibility lists; write the cleaned columns into the sheet."""
    if not _has_records(sheet, "reps"):
        return
    _check_identity(sheet, "rep_id", "reps")
    count = config.territories.count
    if count is not None and count != len(sheet):
        what = f"lists {counted(len(sheet), 'rep')}, but territories.count is {count}"
        remedy = "remove territories.count, or list as many reps: each rep has one territory"
        sheet.findings.append(ConfigFinding(what, sheet.file, remedy=remedy))
    columns: dict[str, Any] = {}
    for i, rule in enumerate(config.balance, start=1):
        if (
            rule.share is not None
            and find_for_rule(sheet, rule.share, f"balance[{i}].share")
            and rule.share not in columns
        ):
            shares = sheet.numbers(rule.share, blank="fill the cell; write 0 for a rep who gets no share")
            columns[rule.share] = shares
            if (shares >= 0).all() and shares.sum() == 0:
                finding = Finding("adds up to 0: no rep has a share", sheet.file, column=sheet.own_name(rule.share))
                sheet.findings.append(finding)
        for key, limit in (("min", rule.min), ("max", rule.max)):
            if isinstance(limit, str) and find_for_rule(sheet, limit, f"balance[{i}].{key}") and limit not in columns:
                columns[limit] = sheet.numbers(limit, blank="fill the cell; write a large number for no upper limit")
    eligibility = config.eligibility
    if eligibility is not None and eligibility.reps_column is not None:
        name = eligibility.reps_column
        if find_for_rule(sheet, name, "eligibility.reps_column"):
            columns[name] = _trimmed_lists(sheet.text(name))
            sheet.flag(
                (columns[name] == "").to_numpy(dtype=bool),
                name,
                "is blank, so the rep may serve no account",
                allowed="values separated by semicolons",
                remedy="list what the rep may serve, or leave the rep out",
            )
    sheet.frame = sheet.frame.assign(**columns)
    _check_limits(sheet, config)


def check_references(
    accounts: Sheet, rep_ids: pd.Index[Any], config: Config, rep_names: pd.Series[Any] | None = None
) -> None:
    """Check that locks name reps, and match today's owners; both columns get the reps' own spelling of their IDs.

    An owner who is no rep any more is not an error: the account keeps that ID as its previous rep. One who is named
    instead of the ID is, where ``rep_names`` has the reps' names in the order of ``rep_ids``; and so is a limit or a
    price on what changes hands where nobody has an account today.
    """
    columns: dict[str, Any] = {}
    if config.disruption is not None and accounts.has(config.disruption.current):
        name = config.disruption.current
        matched, unknown = _match_reps(accounts, name, rep_ids)
        columns[name] = matched
        if unknown.any():
            who = matched[unknown].unique().tolist()
            # An owner who left is fine; one whose ID was only damaged would make every one of those accounts "moved".
            damaged = unknown & matched.isin(list(mends_of(who, rep_ids))).to_numpy(dtype=bool)
            flag_unknown(
                accounts, name, matched, damaged, rep_ids, "a rep", "a rep_id of the reps file, or an earlier one"
            )
            named = flag_names(accounts, name, matched, unknown & ~damaged, rep_ids, rep_names)
            unknown &= ~named
        if unknown.any():
            who = matched[unknown].unique().tolist()
            listed = ", ".join(map(repr, who[:5])) + (f" and {len(who) - 5} more" if len(who) > 5 else "")
            owned = counted(int(unknown.sum()), "account has", "accounts have")
            accounts.note(f"{owned} an owner who is no rep any more ({listed}).")
        check_somebody_owns(accounts, config.disruption, matched, rep_ids)
    if config.locks is not None and accounts.has(config.locks.column):
        name = config.locks.column
        matched, unknown = _match_reps(accounts, name, rep_ids)
        columns[name] = matched
        flag_unknown(
            accounts, name, accounts.text(name), unknown, rep_ids, "a rep", "a rep_id of the reps file, or blank"
        )
    accounts.frame = accounts.frame.assign(**columns)


def flag_unknown(
    sheet: Sheet,
    column: str,
    values: pd.Series[Any],
    unknown: NDArray[np.bool_],
    ids: pd.Index[Any],
    what: str,
    allowed: str,
) -> None:
    """Add a finding for each reference that names no known ID, with the mend where one can be seen."""
    at = np.flatnonzero(unknown)
    if len(at) == 0:
        return
    named = values.iloc[at].tolist()
    mends = mends_of(dict.fromkeys(named), ids)
    own = sheet.own_name(column)
    sheet.findings.extend(
        Finding(
            f"is not the ID of {what}", sheet.file, int(row), own, value, allowed, mends.get(value, _UNKNOWN_REMEDY)
        )
        for row, value in zip(sheet.rows[at], named, strict=True)
    )


_UNKNOWN_REMEDY = "correct the ID, or add it to the other file"


def _has_records(sheet: Sheet, role: str) -> bool:
    if len(sheet) == 0 and not sheet.findings:
        sheet.findings.append(Finding(f"has no {role}: there are no rows below the header", sheet.file))
    return len(sheet) > 0


def _check_identity(sheet: Sheet, column: str, section: str) -> None:
    if sheet.has(column):
        ids = check_ids(sheet, column)
        sheet.frame = sheet.frame.assign(**{column: ids})
    elif not any(isinstance(f, ConfigFinding) and f.what.endswith(f"{column} names") for f in sheet.findings):
        listed = ", ".join(map(str, sheet.frame.columns[:40]))
        remedy = f'name it in [data.columns.{section}]: {column} = "…"'
        sheet.findings.append(ConfigFinding(f"has no column {column!r}", sheet.file, allowed=listed, remedy=remedy))
    if sheet.has("name"):
        check_control_characters(sheet, "name")


def _match_reps(accounts: Sheet, column: str, rep_ids: pd.Index[Any]) -> tuple[pd.Series[Any], NDArray[np.bool_]]:
    values = _cleared(accounts.text(column))
    codes, unique = pd.factorize(values)
    texts = pd.Series(list(unique), dtype=str)
    at = match_ids(texts, rep_ids)
    spelled = np.array([rep_ids[k] if k >= 0 else t for k, t in zip(at, texts, strict=True)], dtype=object)
    unknown = (at < 0) & (texts != "").to_numpy(dtype=bool)
    return pd.Series(spelled[codes], index=values.index, dtype=str), unknown[codes]


def _check_limits(sheet: Sheet, config: Config) -> None:
    """Find reps whose least load exceeds the most they may have, over all rules on the same measure."""
    for measure in dict.fromkeys(rule.measure for rule in config.balance):
        lower, upper = np.zeros(len(sheet)), np.full(len(sheet), np.inf)
        for rule in config.balance:
            if rule.measure == measure:
                lower = np.fmax(lower, _limit(sheet, rule.min, 0.0))
                upper = np.fmin(upper, _limit(sheet, rule.max, np.inf))
        crossed = lower > upper
        limits = [f"min {lo:g}, max {hi:g}" for lo, hi in zip(lower, upper, strict=True)] if crossed.any() else None
        what = f"the least load of {measure!r} is above the most"
        sheet.flag(crossed, None, what, values=limits, allowed="min not above max", remedy="correct one of the two")


def _limit(sheet: Sheet, limit: float | str | None, default: float) -> Any:
    if isinstance(limit, str):
        numeric = sheet.has(limit) and pd.api.types.is_numeric_dtype(sheet.frame[limit].dtype)
        return sheet.frame[limit].to_numpy(np.float64) if numeric else default
    return default if limit is None else limit


def _cleared(text: pd.Series[Any]) -> pd.Series[Any]:
    """Return text with a database's NULLs as blanks."""
    return text.mask(is_blank(text), "")


def _trimmed_lists(text: pd.Series[Any]) -> pd.Series[Any]:
    """Return ``;``-separated lists without spaces around their values, and without empty ones."""
    return pd.Series(
        [";".join(part.strip() for part in cell.split(";") if part.strip()) for cell in _cleared(text)],
        index=text.index,
        dtype=str,
    )


def _one_spelling(groups: pd.Series[Any]) -> pd.Series[Any]:
    """Return group IDs so that 15- and 18-character spellings of one Salesforce record are one group."""
    keys = record_key(groups)
    return groups if keys is groups else keys
