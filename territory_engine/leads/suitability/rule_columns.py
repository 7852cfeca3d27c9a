"""The columns that rules name, found as leniently as any other: capitals, spaces, underscores and hyphens do not matter.

A rule is hard. One that would not hold because a header is spelled another way is refused, never dropped.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.errors import Finding, InputError
from territory_engine.leads.reading.columns import LEAD_ALIASES, canonical_of, column_key, near_column
from territory_engine.leads.suitability.eligibility import USUAL_RULES, column_texts, rules_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from territory_engine.config import Config
    from territory_engine.leads.batch import LeadBatch
    from territory_engine.leads.policy import Policy

_SHOWN = 40
_UNREAD = 10


def leads_for_rules(batch: LeadBatch, policy: Policy, config: Config, reps: pd.DataFrame) -> LeadBatch:
    """Return a batch whose columns have the names that the rules of eligibility and fit use.

    Raises
    ------
    InputError
        A rule that the policy states names a column that the leads do not have, and they have one that may be meant.
    """
    rules = rules_of(policy, config, reps)
    names = [column for column, _ in rules] + [fit.column for fit in policy.fit]
    others = {name: alternatives_of(policy.columns, name) for name in names}
    frame = renamed(batch.frame, names, others, canonical=frozenset(LEAD_ALIASES), canonical_name=canonical_of)
    stated = [(f"eligibility[{i}].column", rule.column) for i, rule in enumerate(policy.eligibility or (), start=1)]
    stated += [(f"fit[{i}].column", fit.column) for i, fit in enumerate(policy.fit, start=1)]
    findings = []
    for setting, name in stated:
        if name in frame.columns:
            continue
        own = [str(c) for c in frame.columns if c not in names]
        near = near_column(name, own)
        if near is not None:
            listed = [c for c in own if c not in LEAD_ALIASES and c != "location_source"]
            findings.append(
                Finding(
                    f"have no column {name!r}, which {setting} of the policy names",
                    "the leads",
                    allowed=", ".join(listed[:_SHOWN])
                    + (f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""),
                    remedy=f"did you mean {near!r}? Then write {setting_of(name, near)} in the policy; if no lead asks for"
                    f" anything, add an empty column {name!r}",
                )
            )
    if findings:
        raise InputError(findings)
    return batch if frame is batch.frame else dataclasses.replace(batch, frame=frame)


def unread_columns(batch: LeadBatch, policy: Policy, used: Iterable[str]) -> str | None:
    """Return a notice of the columns that nothing looks at; None where there is no need of one.

    There is where the batch has neither account, company, domain nor place, so that a header may be meant for one of them,
    and where a policy may have meant one of them.
    """
    frame = batch.frame
    known = any((frame[c] != "").any() for c in ("account_id", "company", "domain", "postal_code"))
    if not len(batch) or (policy == type(policy)() and (known or frame["latitude"].notna().any())):
        return None
    spare = [str(c) for c in frame.columns if c not in {*LEAD_ALIASES, "location_source", *used}]
    if not spare:
        return None
    more = f" and {len(spare) - _UNREAD} more" if len(spare) > _UNREAD else ""
    return f"columns of the leads that nothing looks at: {', '.join(map(repr, spare[:_UNREAD]))}{more}."


def reps_for_rules(reps: pd.DataFrame, policy: Policy, config: Config) -> pd.DataFrame:
    """Return the reps with columns of the names that the rules of eligibility and fit use."""
    names = [rule.reps_column for rule in policy.eligibility or ()] + [fit.reps_column for fit in policy.fit]
    if policy.eligibility is None:
        own = config.eligibility.reps_column if config.eligibility is not None else None
        names += [own] if own is not None else []
        names += [reps_column for _, reps_column in USUAL_RULES]
    return renamed(reps, names, {}, canonical=frozenset(map(str, reps.columns)))


def setting_of(name: str, own: str) -> str:
    """Return the line of a policy that says what a column is called in the leads."""
    key = name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'
    return f'columns.{key} = "{own}"'


def alternatives_of(columns: Mapping[str, str | tuple[str, ...]], name: str) -> tuple[str, ...]:
    """Return what a policy says that a column may be called."""
    told = columns.get(name, ())
    return (told,) if isinstance(told, str) else tuple(told)


def renamed(
    frame: pd.DataFrame,
    names: Iterable[str],
    others: Mapping[str, tuple[str, ...]],
    *,
    canonical: frozenset[str],
    canonical_name: Callable[[str], str | None] | None = None,
) -> pd.DataFrame:
    """Return a frame in which the columns meant by ``names`` have those names; the same frame if they do already.

    Parameters
    ----------
    frame : DataFrame
    names : iterable of str
    others : mapping
        What else each name may be called.
    canonical : frozenset of str
        Columns that stay beside their copies.
    canonical_name : callable, optional
        Which canonical column a name is known for.

    Where several columns are one name spelled in several ways, a cell has the first that is not blank.
    """
    wanted = list(dict.fromkeys(names))
    claimed = {name for name in wanted if name in frame.columns}
    for name in wanted:
        keys = [column_key(spelled) for spelled in (name, *others.get(name, ()))]
        found = [name] if name in frame.columns else []
        found += [c for key in keys for c in frame.columns if column_key(str(c)) == key and c not in claimed]
        found = list(dict.fromkeys(found))
        if not found and canonical_name is not None and (known := canonical_name(name)) in frame.columns:
            found = [str(known)]
        if not found or found == [name]:
            continue
        if len(found) == 1:
            column = frame[found[0]]
        else:
            texts = column_texts(frame, found[0])
            for more in found[1:]:
                texts = np.where(texts == "", column_texts(frame, more), texts)
            column = pd.Series(texts, index=frame.index, dtype=str)
        spare = [c for c in found if c != name and c not in canonical]
        frame = frame.assign(**{name: column}).drop(columns=spare)
    return frame
