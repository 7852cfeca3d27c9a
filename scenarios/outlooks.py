"""Outlooks: a measure's forecasts, planned with, planned against, and what a plan is worth under each of them."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scenarios.account_edits import measure_columns, stand_in_for
from scenarios.draft import Draft, columns_named, read_numbers_of
from scenarios.scenario_model import REALISTIC
from territory_engine.config_findings import line_of
from territory_engine.errors import Finding, InputError
from territory_engine.grammar import counted, listed
from territory_engine.problem import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from territory_engine.config import Balance
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

_LIMIT_TOLERANCE = 1e-9


def with_numbers(
    problem: PlanningProblem,
    outlooks: Mapping[str, Mapping[str, str | float]],
    file: str,
    lines: Mapping[tuple[str | int, ...], int],
) -> tuple[PlanningProblem, list[Finding]]:
    """Return the problem with the measures of outlooks, and the columns that stand in for them, read as numbers.

    Parameters
    ----------
    problem : PlanningProblem
    outlooks : mapping
        Measure → column or factor that stands in for it, by outlook.
    file : str
        Where the outlooks stand.
    lines : mapping
        The file's lines, by key.

    Returns
    -------
    problem : PlanningProblem
    findings : list of Finding
        Measures and columns that the data do not have, and cells that are no numbers.
    """
    findings: list[Finding] = []
    frames = {"accounts": problem.accounts}
    if problem.travel_table is not None:
        frames["travel"] = problem.travel_table
    read: dict[str, dict[str, NDArray[np.float64]]] = {role: {} for role in frames}
    for outlook, stand_ins in outlooks.items():
        for measure, stand_in in stand_ins.items():
            place = ("forecast", outlook, measure)
            for name in dict.fromkeys(str(n) for n in (measure, stand_in) if isinstance(n, str)):
                found = 0
                for role, frame in frames.items():
                    origin = _origin(problem, role)
                    for column in columns_named(frame, origin, name):
                        found += 1
                        if column not in read[role]:
                            rows = origin.rows if len(origin.rows) == len(frame) else np.arange(len(frame)) + 2
                            read[role][column], wrong = read_numbers_of(frame, column, origin, rows)
                            findings += wrong
                if not found:
                    findings.append(_absent(name, measure, frames, line_of(lines, place), place, file))
    changed = {role: frame.assign(**read[role]) for role, frame in frames.items()}
    return replace(problem, accounts=changed["accounts"], travel_table=changed.get("travel")), findings


def _absent(
    name: str, measure: str, frames: Mapping[str, pd.DataFrame], row: int | None, place: tuple[str, ...], file: str
) -> Finding:
    known = [str(column) for frame in frames.values() for column in frame.columns]
    near = difflib.get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else None
    if name == "count":
        remedy = "give outlooks of measures; the number of accounts is known"
    what = (
        "is not a measure: the data have no such column" if name == measure else "is not a column that could stand in"
    )
    return Finding(what, file, row, ".".join(place), name, ", ".join(known[:40]), remedy)


def _origin(problem: PlanningProblem, role: str) -> Origin:
    return problem.origins.get(role) or Origin(role, np.zeros(0, np.int64))


# Planning with outlooks ---------------------------------------------------------------------------------------------


def plan_with(draft: Draft, outlook: str) -> None:
    """Put an outlook's values in the place of the measures; the accounts' own stay as ``<measure>@realistic``."""
    stand_ins = draft.scenario.edits.outlooks[outlook]
    for measure, stand_in in stand_ins.items():
        for role, column in measure_columns(draft, measure):
            values = draft.numbers(role, column)
            forecast = _stood_in(draft, role, values, stand_in)
            if values is not None and forecast is not None:
                _assign(draft, role, {column: forecast, own_values(column): values})
    named = listed(list(stand_ins))
    draft.notices.append(f"planned with the outlook {outlook!r} of {named}.")


def plan_against_all(draft: Draft, planned_with: str | None) -> None:
    """Make every limit hold under every outlook, and under the realistic one: each is another measure with that limit.

    A limit that is a fraction of the share alone holds under a mere factor as it does without, and is not repeated.
    """
    rules: list[Balance] = []
    added: dict[str, None] = {}
    realistic: dict[str, str | float] = {}
    for outlook, stand_ins in {REALISTIC: realistic, **draft.scenario.edits.outlooks}.items():
        if outlook == (planned_with or REALISTIC):
            continue
        for rule in draft.config.balance:
            if (rule.tolerance, rule.min, rule.max) == (None, None, None) or rule.measure == "count":
                continue
            stand_in = stand_in_for(draft, stand_ins, rule.measure)
            name = _measure_under(draft, rule, outlook, 1.0 if stand_in is None else stand_in)
            if name is None:
                continue
            rules.append(rule.model_copy(update={"measure": name, "target_weight": None, **_share_only(rule)}))
            added.setdefault(outlook)
    draft.config = draft.config.model_copy(update={"balance": (*draft.config.balance, *rules)})
    if added:
        draft.notices.append(
            f"{counted(len(rules), 'limit was', 'limits were')} added, so that the plan holds under"
            f" {'the outlook' if len(added) == 1 else 'the outlooks'} {listed([repr(o) for o in added])} too."
        )
    else:
        draft.notices.append("no limit had to be added for the plan to hold under every outlook.")


def _share_only(rule: Balance) -> dict[str, Any]:
    """Return the share of a copied limit: without a tolerance it says nothing, once the target's weight is gone."""
    return {} if rule.tolerance is not None else {"share": None}


def _measure_under(draft: Draft, rule: Balance, outlook: str, stand_in: str | float) -> str | None:
    """Add a measure's values under an outlook as a column; None where the limit would be the same as without it."""
    name = f"{rule.measure}@{outlook}"
    for role, column in measure_columns(draft, rule.measure):
        if column != rule.measure:
            continue
        frame = draft.frame(role)
        replaced = own_values(column) in frame.columns
        alike = not isinstance(stand_in, str) and (stand_in == 1.0 or (rule.min is None and rule.max is None))
        # Where an outlook is planned with, the realistic values have a limit of their own, which factors hold under.
        if alike and not (replaced and outlook == REALISTIC):
            return None
        realistic = draft.numbers(role, own_values(column) if replaced else column)
        values = realistic if outlook == REALISTIC else _stood_in(draft, role, realistic, stand_in)
        if values is None:
            return None
        _assign(draft, role, {name: values})
    return name


def _unreplaced(frame: pd.DataFrame, column: str) -> str:
    """Return the column that has another's own values, whether or not an outlook's have taken their place."""
    return own_values(column) if own_values(column) in frame.columns else column


def own_values(column: str) -> str:
    """Return the column that keeps a measure's own values where an outlook's have taken their place."""
    return f"{column}@{REALISTIC}"


def _stood_in(
    draft: Draft, role: str, values: NDArray[np.float64] | None, stand_in: str | float
) -> NDArray[np.float64] | None:
    if not isinstance(stand_in, str):
        return None if values is None else values * stand_in
    frame = draft.frame(role)
    named = columns_named(frame, draft.origin(role), stand_in)
    return draft.numbers(role, _unreplaced(frame, named[0])) if named else values


def _assign(draft: Draft, role: str, columns: Mapping[str, NDArray[np.float64]]) -> None:
    if role == "travel":
        draft.travel_table = draft.frame("travel").assign(**columns)
    else:
        draft.accounts = draft.accounts.assign(**columns)


# What a plan is worth under outlooks --------------------------------------------------------------------------------


def score_under_outlooks(
    problem: PlanningProblem, plan: Plan, outlooks: Mapping[str, Mapping[str, str | float]]
) -> pd.DataFrame:
    """Return what a plan comes to under every outlook: its accounts stay where they are, their measures change.

    Parameters
    ----------
    problem : PlanningProblem
        What was planned, or any problem with the same accounts and reps.
    plan : Plan
        Not an infeasible one.
    outlooks : mapping
        Measure → column or factor that stands in for it, by outlook; the travel weight's column may be one.

    Returns
    -------
    DataFrame, index ``outlook``
        ``realistic`` first, then the others in order. ``objective``; ``travel``, Σ weight × travel^power; ``limits_broken``,
        how many limits of how many reps do not hold (int); and per measure of the realistic plan ``<measure>_max_deviation``,
        the largest distance from the share as a fraction of it (NaN where there is no share).

    Raises
    ------
    InputError
        An outlook names a column that the problem does not have.
    """
    problem, findings = with_numbers(problem, outlooks, "outlooks", {})
    if findings:
        raise InputError(findings)
    rows = {}
    for name, stand_ins in {REALISTIC: {}, **outlooks}.items():
        rows[name] = _score(_under(problem, stand_ins), plan)
    frame = pd.DataFrame.from_dict(rows, orient="index").astype({"limits_broken": np.int64})
    frame.index.name = "outlook"
    return frame


def _under(problem: PlanningProblem, stand_ins: Mapping[str, str | float]) -> PlanningProblem:
    """Return the problem with an outlook's values, and without the measures that only other outlooks have."""

    def changed(frame: pd.DataFrame, role: str) -> pd.DataFrame:
        origin = _origin(problem, role)
        columns: dict[str, Any] = {c: frame[own_values(c)] for c in map(str, frame.columns) if own_values(c) in frame}
        for measure, stand_in in stand_ins.items():
            for column in columns_named(frame, origin, measure):
                if not isinstance(stand_in, str):
                    columns[column] = columns.get(column, frame[column]) * stand_in
                elif named := columns_named(frame, origin, stand_in):
                    columns[column] = frame[_unreplaced(frame, named[0])]
        return frame.assign(**columns)

    measures = problem.measures
    rules = tuple(rule for rule in problem.config.balance if rule.measure.rpartition("@")[0] not in measures)
    config = problem.config.model_copy(update={"balance": rules})
    table = problem.travel_table
    return replace(
        problem,
        config=config,
        accounts=changed(problem.accounts, "accounts"),
        travel_table=None if table is None else changed(table, "travel"),
    )


def _score(problem: PlanningProblem, plan: Plan) -> dict[str, float]:
    owner = problem.territory_ids.get_indexer(pd.Index(plan.assignments["territory_id"]))
    travel = plan.assignments["travel"].to_numpy(np.float64)
    order = plan.assignments.index.get_indexer(problem.accounts.index)
    owner, travel = owner[order], travel[order]
    cost = problem.weights() * np.nan_to_num(travel) ** problem.config.travel.power
    # Terms that no outlook changes stay what they were.
    others = sum(value for term, value in plan.objective_terms.items() if term not in ("travel", "balance"))
    off, broken = 0.0, 0
    deviations: dict[str, float] = {}
    for rule in problem.balance_rules():
        values = (
            _of_pairs(problem, rule.measure, owner)
            if problem.load_depends_on_rep(rule.measure)
            else problem.measure_values(rule.measure)
        )
        load = np.bincount(owner, values, len(rule.lower)).astype(np.float64)
        off += rule.off_target(load)
        slack = _LIMIT_TOLERANCE * (1 + np.abs(load))
        broken += int(((load > rule.upper + slack) | (load < rule.lower - slack)).sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.abs(np.where(rule.target > 0, load / rule.target - 1, np.nan))
        known = np.isfinite(deviation)
        deviations[f"{rule.measure}_max_deviation"] = float(deviation[known].max()) if known.any() else np.nan
    travelled = float(cost.sum())
    return {"objective": travelled + off + others, "travel": travelled, "limits_broken": broken, **deviations}


def _of_pairs(problem: PlanningProblem, measure: str, owner: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return a load that depends on who serves it, for every account at its rep."""
    table = problem.travel_table
    assert table is not None
    account = problem.accounts.index.get_indexer(pd.Index(table["account_id"]))
    rep = problem.reps.index.get_indexer(pd.Index(table["rep_id"]))
    mine = np.flatnonzero((account >= 0) & (owner[account] == rep))
    values = np.zeros(len(problem.accounts))
    values[account[mine]] = table[measure].to_numpy(np.float64)[mine]
    return values
