"""Who may take which lead by what leads ask for and reps list: segments, languages, products, skills.

A lead's ``;``-separated values must all be in the rep's ``;``-separated list, compared as the plan's own ``[eligibility]``
does: without the spaces around them, capitals and all. A lead that asks for nothing may go to anybody.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.grammar import counted
from territory_engine.leads.reading.columns import near_column
from territory_engine.reading.columns import ConfigFinding, is_blank, missing_column, number_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.config import Config
    from territory_engine.errors import Finding
    from territory_engine.leads.policy import Policy

USUAL_RULES = (("segment", "segments"), ("language", "languages"), ("product", "products"), ("skills", "skills"))
"""Columns of leads and reps that make a rule where the policy states none, and both have them."""


@dataclass(frozen=True, eq=False)
class Demand:
    """What leads ask for under one rule, and which reps meet it.

    Attributes
    ----------
    column, reps_column : str
    code : ndarray of int32, shape (n_leads,)
        Row of ``met``; 0 where the lead asks for nothing.
    met : ndarray of bool, shape (n_codes, n_reps)
        Whether each rep lists everything that is asked for. Row 0 holds for everyone.
    wanted : tuple of tuple of str
        What each code asks for.
    listed : tuple of tuple of str
        What each rep lists.
    """

    column: str
    reps_column: str
    code: NDArray[np.int32]
    met: NDArray[np.bool_]
    wanted: tuple[tuple[str, ...], ...]
    listed: tuple[tuple[str, ...], ...]

    @property
    def asks(self) -> bool:
        """Whether any lead asks for anything."""
        return len(self.wanted) > 1


def demand_of(leads: pd.DataFrame, reps: pd.DataFrame, column: str, reps_column: str) -> Demand:
    """Return what leads ask for in a column, and which reps list it in theirs.

    A column that leads do not have asks for nothing; one that reps do not have lists nothing.
    """
    at, lists_told = _cells(reps, reps_column)
    known_lists = [_parts(cell) for cell in lists_told]
    listed = tuple(known_lists[k] for k in at.tolist())
    n_reps = len(reps)
    lists: dict[str, NDArray[np.bool_]] = {}
    for rep, values in enumerate(listed):
        for value in values:
            lists.setdefault(value, np.zeros(n_reps, bool))[rep] = True
    codes, cells = _cells(leads, column)
    wanted: list[tuple[str, ...]] = [()]
    code_of = np.zeros(len(cells), np.int32)
    known: dict[tuple[str, ...], int] = {(): 0}
    nobody = np.zeros(n_reps, bool)
    rows = [np.ones(n_reps, bool)]
    for k, cell in enumerate(cells):
        parts = _parts(cell)
        if parts not in known:
            known[parts] = len(wanted)
            wanted.append(parts)
            rows.append(np.logical_and.reduce([lists.get(part, nobody) for part in parts]))
        code_of[k] = known[parts]
    return Demand(column, reps_column, code_of[codes], np.array(rows), tuple(wanted), listed)


def rules_of(policy: Policy, config: Config, reps: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Return the rules that hold, as pairs of a leads column and a reps column.

    Those of the policy; where it states none, the plan's own and :data:`USUAL_RULES`, as far as reps have the columns.
    """
    if policy.eligibility is not None:
        return tuple((rule.column, rule.reps_column) for rule in policy.eligibility)
    rules: list[tuple[str, str]] = []
    own = config.eligibility
    if own is not None and own.column is not None and own.reps_column is not None:
        rules.append((own.column, own.reps_column))
    rules.extend(rule for rule in USUAL_RULES if rule not in rules)
    return tuple(rule for rule in rules if rule[1] in reps.columns)


def check_rules(policy: Policy, reps: pd.DataFrame) -> list[Finding]:
    """Find rules of eligibility and fit whose reps column is not there, or blank for every rep."""
    findings: list[Finding] = []
    named = [(f"eligibility[{i}]", rule.reps_column) for i, rule in enumerate(policy.eligibility or (), start=1)]
    named += [(f"fit[{i}]", rule.reps_column) for i, rule in enumerate(policy.fit, start=1)]
    for where, column in named:
        setting = f"{where}.reps_column"
        if column not in reps.columns:
            findings.append(missing_column(column, [str(c) for c in reps.columns], "the reps", setting))
        elif not any(_parts(cell) for cell in _cells(reps, column)[1]):
            remedy = "list what each rep serves, separated by semicolons, or remove the rule"
            findings.append(
                ConfigFinding(
                    f"is blank for every rep, and {setting} names it", "the reps", column=column, remedy=remedy
                )
            )
    return findings


def notices_of(demands: tuple[Demand, ...], leads: pd.DataFrame, *, stated: bool) -> list[str]:
    """Say which rules ask for nothing since leads lack the column, and what leads ask for that no rep lists."""
    told = []
    for demand in demands:
        if demand.column not in leads.columns:
            near = near_column(demand.column, map(str, leads.columns))
            if stated:
                told.append(
                    f"leads have no column {demand.column!r}: no lead asks for anything of reps' {demand.reps_column!r}."
                )
            elif near is not None:
                told.append(
                    f"leads have no column {demand.column!r} to compare with reps' {demand.reps_column!r}, and have {near!r}: if"
                    f' that is meant, write columns.{demand.column} = "{near}" in the policy.'
                )
            continue
        known = {value for values in demand.listed for value in values}
        missing: dict[str, int] = {}
        amounts = np.bincount(demand.code, minlength=len(demand.wanted))
        for parts, amount in zip(demand.wanted, amounts, strict=True):
            for part in parts:
                if part not in known:
                    missing[part] = missing.get(part, 0) + int(amount)
        for part, amount in list(missing.items())[:_SHOWN]:
            close = difflib.get_close_matches(part.lower(), {k.lower(): k for k in sorted(known)}, n=1, cutoff=0.8)
            meant = {k.lower(): k for k in sorted(known)}[close[0]] if close else None
            hint = f" (reps list {meant!r})" if meant else ""
            told.append(
                f"{counted(amount, 'lead asks', 'leads ask')} for {demand.column} {part!r}, which no rep lists{hint}."
            )
        if len(missing) > _SHOWN:
            told.append(f"{len(missing) - _SHOWN} more values of {demand.column} are listed by no rep.")
    return told


_SHOWN = 5


def _parts(cell: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in str(cell).split(";") if part.strip()))


def column_texts(frame: pd.DataFrame, column: str) -> NDArray[np.object_]:
    """Return a column as the text that rules compare, "" where blank, shape ``(n_records,)``."""
    codes, texts = _cells(frame, column)
    return np.array(texts, object)[codes]


def _cells(frame: pd.DataFrame, column: str) -> tuple[NDArray[np.intp], list[str]]:
    """Return each record's place among the column's different cells, and those as stripped text, "" where blank.

    A column that is not there is blank.
    """
    if column not in frame.columns:
        return np.zeros(len(frame), np.intp), [""]
    codes, unique = pd.factorize(frame[column], use_na_sentinel=False)
    values = pd.Series(unique)
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return codes, number_text(values).tolist()
    text = pd.Series(["" if pd.isna(value) else str(value).strip() for value in values.tolist()], dtype=str)
    return codes, np.where(is_blank(text), "", text.to_numpy(object)).tolist()
