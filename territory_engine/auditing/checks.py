"""The checks of who serves whom: every assignment, total and limit against what the inputs make of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from territory_engine.auditing.numbers import LIMIT_SLACK, TOLERANCE, agree, text
from territory_engine.auditing.rules import StoredProblem

SHOWN = 5


@dataclass(frozen=True)
class Check:
    """One thing an audit looked at.

    Attributes
    ----------
    name : str
        Stable, short, in snake_case; ``balance:visits`` where there is one per measure.
    ok : bool
    message : str
        What was compared; where it failed, the first offenders with expected and found.
    numbers : dict of str to float
        What was recomputed, for other programs.
    """

    name: str
    ok: bool
    message: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class StoredPlan:
    """A plan as its directory tells it, lined up with the stored inputs.

    Attributes
    ----------
    record : dict
        ``plan.json``.
    assignments, territories : DataFrame
        The CSV files as text, indexed by their first column.
    rep : ndarray of int, shape (n_accounts,)
        Position of the rep of each account.
    """

    record: dict[str, Any]
    assignments: pd.DataFrame
    territories: pd.DataFrame
    rep: NDArray[np.intp]


def number(record: dict[str, Any], key: str) -> float:
    """Return a number of plan.json; NaN, which agrees with no number, where it is missing, null or something else."""
    value = record.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def numeric(column: pd.Series[str]) -> NDArray[np.float64]:
    """Return a CSV column's numbers; NaN for a blank, inf (which nothing expected equals) for text that is no number."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    return np.where(np.isnan(values) & (column != "").to_numpy(), np.inf, values)


def verdict(
    name: str, bad: NDArray[np.bool_], labels: Sequence[str], describe: Callable[[int], str], what: str
) -> Check:
    """Return a check that fails where `bad`, naming the first offenders; `describe(i)` tells what is wrong at i."""
    wrong = np.flatnonzero(bad)
    if not len(wrong):
        return Check(name, True, f"{what}: all {len(bad):,} hold", {"compared": float(len(bad))})
    shown = "; ".join(f"{labels[i]}: {describe(i)}" for i in wrong[:SHOWN])
    more = f"; and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
    numbers = {"compared": float(len(bad)), "wrong": float(len(wrong))}
    return Check(name, False, f"{what}: {len(wrong):,} of {len(bad):,} do not hold. {shown}{more}", numbers)


def compared(
    name: str, labels: Sequence[str], found: Any, expected: Any, what: str, *, typical: ArrayLike = 1.0
) -> Check:
    """Return a check that every number found agrees with the one expected, naming the first that do not.

    ``typical`` is what such numbers are like, as for :func:`~territory_engine.auditing.rules.agree`.
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)

    def describe(i: int) -> str:
        return f"expected {float(expected[i])!r}, found {float(found[i])!r}"

    bad = ~agree(found, expected, typical)
    if expected.size == 1 and not bad.any():
        return Check(name, True, f"{what}: {float(expected[0]):.10g}", {labels[0]: float(expected[0])})
    return verdict(name, bad, labels, describe, what)


def check_identities(
    stored: StoredProblem, assignments: pd.DataFrame, territories: pd.DataFrame
) -> tuple[list[Check], NDArray[np.intp] | None]:
    """Check that every account is there once, in input order, with one known rep, and every rep has one territory.

    Returns
    -------
    checks : list of Check
    rep : ndarray of int, shape (n_accounts,), or None
        Position of each account's rep; None where these checks fail, since nothing else can be recomputed then.
    """
    expected, found = stored.accounts.index, assignments.index
    if len(found) == len(expected) and (found == expected).all():
        accounts = Check("accounts", True, f"each of {len(expected):,} accounts once, in input order")
    else:
        faults = {
            "missing": expected[~expected.isin(found)],
            "unknown": found[~found.isin(expected)],
            "more than once": found[found.duplicated()],
        }
        told = [f"{len(ids):,} {word} ({', '.join(map(str, ids[:SHOWN]))})" for word, ids in faults.items() if len(ids)]
        accounts = Check("accounts", False, "accounts " + ("; ".join(told) or "are not in input order"))
    if not stored.with_reps:
        return _check_territories(stored, accounts, assignments, territories)
    rep_of_territory = territories["rep_id"]
    faults = {
        "reps without a territory": stored.reps.index[~stored.reps.index.isin(rep_of_territory)],
        "unknown reps": pd.Index(rep_of_territory[~rep_of_territory.isin(stored.reps.index)]),
        "reps with two territories": pd.Index(rep_of_territory[rep_of_territory.duplicated()]),
        "territories told twice": territories.index[territories.index.duplicated()],
    }
    told = [f"{word}: {', '.join(map(str, ids[:SHOWN]))}" for word, ids in faults.items() if len(ids)]
    one_each = Check("territories", not told, "; ".join(told) or f"each of {len(stored.reps):,} reps has one territory")
    territory_of_rep = dict(zip(rep_of_territory, territories.index, strict=True))
    expected_territory = [territory_of_rep.get(rep, "") for rep in assignments["rep_id"]]
    bad = (assignments["territory_id"] != expected_territory).to_numpy() | ~assignments["rep_id"].isin(
        stored.reps.index
    ).to_numpy()
    reps = verdict(
        "assigned_reps",
        bad,
        list(found),
        lambda i: f"territory {assignments['territory_id'].iloc[i]!r}, rep {assignments['rep_id'].iloc[i]!r}",
        "account's territory and rep belong together",
    )
    checks = [accounts, one_each, reps]
    if not all(check.ok for check in checks):
        return checks, None
    return checks, np.asarray(stored.reps.index.get_indexer(pd.Index(assignments["rep_id"])))


def _check_territories(
    stored: StoredProblem, accounts: Check, assignments: pd.DataFrame, territories: pd.DataFrame
) -> tuple[list[Check], NDArray[np.intp] | None]:
    """Check the same where no reps were given: territories stand for themselves, and nobody is named as a rep."""
    named = bool((assignments["rep_id"] != "").any() or (territories["rep_id"] != "").any())
    repeated = territories.index[territories.index.duplicated()]
    told = [f"told twice: {', '.join(map(str, repeated[:SHOWN]))}"] if len(repeated) else []
    told += ["a rep is named, but there are no reps"] if named else []
    one_each = Check("territories", not told, "; ".join(told) or f"{len(territories):,} territories, each once")
    known = verdict(
        "assigned_territories",
        ~assignments["territory_id"].isin(territories.index).to_numpy(),
        list(assignments.index),
        lambda i: f"territory {assignments['territory_id'].iloc[i]!r}",
        "account's territory is one of the plan's",
    )
    checks = [accounts, one_each, known]
    if not all(check.ok for check in checks):
        return checks, None
    return checks, np.asarray(stored.reps.index.get_indexer(pd.Index(assignments["territory_id"])))


def check_assignments(stored: StoredProblem, plan: StoredPlan) -> list[Check]:
    """Check each account's travel, previous rep and whether it moved, and the rules that hold per account."""
    ids = list(stored.accounts.index)
    travel = stored.travel_to(plan.rep)
    checks = [compared("travel", ids, numeric(plan.assignments["travel"]), travel, "account's travel")]

    disruption = stored.section("disruption")
    previous = (
        text(stored.accounts[disruption["current"]]) if disruption else pd.Series("", index=stored.accounts.index)
    ).to_numpy()
    found = plan.assignments["previous_rep_id"].to_numpy()
    checks.append(
        verdict(
            "previous_reps",
            found != previous,
            ids,
            lambda i: f"expected {previous[i]!r}, found {found[i]!r}",
            "account's previous rep",
        )
    )
    # An account with no owner, or one who is no rep any more, does not change hands.
    known = stored.reps.index.get_indexer(pd.Index(previous))
    moved = np.where((known >= 0) & (known != plan.rep), "true", "false")
    found_moved = plan.assignments["moved"].to_numpy()
    checks.append(
        verdict(
            "moved",
            found_moved != moved,
            ids,
            lambda i: f"expected {moved[i]}, found {found_moved[i]}",
            "account moved or not",
        )
    )
    return [*checks, *_check_eligibility(stored, plan, travel)]


def _check_eligibility(stored: StoredProblem, plan: StoredPlan, travel: NDArray[np.float64]) -> list[Check]:
    ids, rep_ids = list(stored.accounts.index), stored.reps.index[plan.rep]
    checks = []
    if stored.section("locks"):
        bad = (stored.lock != -1) & (stored.lock != plan.rep)
        locked = stored.accounts[stored.section("locks")["column"]].to_numpy()
        checks.append(
            verdict("locks", bad, ids, lambda i: f"locked to {locked[i]}, assigned to {rep_ids[i]}", "account's lock")
        )
    if stored.qualified is not None:
        value, listed = stored.qualified
        names = stored.accounts[stored.section("eligibility")["column"]].to_numpy()
        checks.append(
            verdict(
                "eligibility",
                ~listed[value, plan.rep],
                ids,
                lambda i: f"{names[i]!r} is not in the list of {rep_ids[i]}",
                "account's value in its rep's list",
            )
        )
    limit = stored.section("eligibility").get("max_travel")
    if limit is not None:
        bad = ~stored.within_reach(travel) & np.isfinite(travel)
        checks.append(
            verdict(
                "max_travel", bad, ids, lambda i: f"{travel[i]:.6g}, allowed {limit:g}", "account's travel to its rep"
            )
        )
    if stored.travel_table is not None:
        checks.append(
            verdict(
                "travel_table",
                np.isinf(travel),
                ids,
                lambda i: f"no row for {rep_ids[i]}, so it may not serve this account",
                "account's pair is in the travel table",
            )
        )
    if stored.section("groups"):
        first = np.zeros(stored.group.max(initial=-1) + 1, np.intp)
        first[stored.group[::-1]] = np.arange(len(ids))[::-1]
        together = plan.rep[first[stored.group]]
        names = stored.accounts[stored.section("groups")["column"]].to_numpy()
        checks.append(
            verdict(
                "groups",
                plan.rep != together,
                ids,
                lambda i: (
                    f"group {names[i]!r} is with {stored.reps.index[together[i]]}, this account with {rep_ids[i]}"
                ),
                "account is with its group",
            )
        )
    return checks


def check_totals(stored: StoredProblem, plan: StoredPlan) -> list[Check]:
    """Check each territory's totals, every limit, the worst deviations and the objective."""
    n_reps = len(stored.reps)
    territories = plan.territories.set_index("rep_id") if stored.with_reps else plan.territories
    territories = territories.loc[stored.reps.index]
    labels = [f"{'rep' if stored.with_reps else 'territory'} {name}" for name in stored.reps.index]

    def per_rep(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(plan.rep, weights=values, minlength=n_reps).astype(np.float64)

    def told(column: str) -> NDArray[np.float64]:
        return numeric(territories[column]) if column in territories else np.full(n_reps, np.inf)

    cost = stored.cost(stored.travel_to(plan.rep))
    accounts = per_rep(np.ones(len(plan.rep)))
    found = told("accounts")
    checks = [
        verdict(
            "territory_accounts",
            found != accounts,
            labels,
            lambda i: f"expected {accounts[i]:.0f}, found {found[i]:.6g}",
            "territory's number of accounts",
        ),
        compared(
            "territory_travel",
            labels,
            told("travel"),
            per_rep(cost),
            "territory's travel",
            typical=float(cost.sum()) / n_reps,
        ),
    ]
    off_target = 0.0
    # Where no weight is above 0 the term may be left out.
    priced = False
    for measure in stored.measures:
        limits = stored.limits(measure)
        load = per_rep(stored.loads_of(measure, plan.rep))
        typical = float(load.sum()) / n_reps
        if limits.weight > 0:
            priced = True
            off_target += limits.weight * float(np.abs(load - limits.target).sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.where(limits.target > 0, (load - limits.target) / limits.target, np.nan)
        checks += [
            compared(f"loads:{measure}", labels, told(measure), load, f"territory's {measure}", typical=typical),
            compared(
                f"targets:{measure}",
                labels,
                told(f"{measure}_target"),
                limits.target,
                f"territory's {measure} target",
                typical=typical,
            ),
            compared(
                f"deviations:{measure}",
                labels,
                told(f"{measure}_deviation"),
                deviation,
                f"territory's {measure} deviation from its target",
            ),
            _check_limits(measure, labels, load, limits.lower, limits.upper, typical),
            _check_measure(plan.record, measure, load, deviation),
        ]
    terms = {"travel": float(cost.sum())}
    if priced or (stored.priced_targets() and "balance" in (plan.record.get("objective_terms") or {})):
        terms["balance"] = off_target
    if stored.move_weight > 0:
        terms["disruption"] = stored.move_weight * float(stored.disruption[stored.changing_hands(plan.rep)].sum())
    return [*checks, *_check_objective(plan.record, terms)]


def _check_limits(
    measure: str,
    labels: list[str],
    load: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    typical: float,
) -> Check:
    def slack(limit: NDArray[np.float64]) -> NDArray[np.float64]:
        return TOLERANCE * min(1.0, typical) + LIMIT_SLACK * np.where(np.isinf(limit), 0.0, np.abs(limit))

    holds = (load >= lower - slack(lower)) & (load <= upper + slack(upper))
    return verdict(
        f"balance:{measure}",
        ~holds,
        labels,
        lambda i: f"{measure} {load[i]:.10g}, allowed {lower[i]:.10g} to {upper[i]:.10g}",
        f"territory's {measure} within its limits",
    )


def _check_measure(
    record: dict[str, Any], measure: str, load: NDArray[np.float64], deviation: NDArray[np.float64]
) -> Check:
    told = (record.get("measures") or {}).get(measure) or {}
    known = np.abs(deviation[~np.isnan(deviation)])
    total = float(load.sum())
    return compared(
        f"measure:{measure}",
        ["max_deviation", "total"],
        [number(told, "max_deviation"), number(told, "total")],
        [known.max() if len(known) else np.nan, total],
        f"worst deviation and total of {measure}",
        typical=[1.0, total],
    )


def _check_objective(record: dict[str, Any], expected: dict[str, float]) -> list[Check]:
    terms = record.get("objective_terms") or {}
    unknown, total = sorted(set(terms) - set(expected)), sum(expected.values())
    objective = compared(
        "objective",
        ["objective"],
        [number(record, "objective")],
        [total],
        "objective, from the accounts" + (" and the loads off their targets" if "balance" in expected else ""),
        typical=total,
    )
    if unknown:
        by_term = Check("objective_terms", False, f"terms that no configured rule prices: {', '.join(unknown)}")
    else:
        by_term = compared(
            "objective_terms",
            list(expected),
            [number(terms, term) for term in expected],
            list(expected.values()),
            "travel, the objective's one term" if len(expected) == 1 else "the objective's terms",
            typical=total,
        )
    return [objective, by_term]
