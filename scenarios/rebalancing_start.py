"""Where a rebalancing starts: who has which account today, and which reps have left since."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scenarios.scenario_edits import apply_scenario
from scenarios.scenario_file import EditStep, Scenario, ScenarioEdits
from scenarios.scenario_model import ScenarioTable
from territory_engine.config import Disruption
from territory_engine.errors import ConfigError, Finding, InputError
from territory_engine.grammar import counted
from territory_engine.reading.editing import check_again

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.history import ParentPlan
    from territory_engine.problem import PlanningProblem, ScenarioRecord

CURRENT = "current_rep"
"""The accounts column that a plan's alignment is put into where the configuration names none."""


def start_from_plan(problem: PlanningProblem, parent: ParentPlan) -> PlanningProblem:
    """Return the problem with a plan's alignment as today's.

    Accounts that the plan does not have have no owner. A column that ``[disruption] current`` names is overruled.

    Parameters
    ----------
    problem : PlanningProblem
    parent : ParentPlan

    Raises
    ------
    InputError
        The plan is infeasible or has no account in common with the problem.
    ConfigError
        The plan has no reps.
    InputError
        An account is locked for good to another rep than the one a date keeps it with, who has it in the plan.
    """
    if parent.plan.status == "infeasible":
        what = "the plan to start from is proved infeasible, so nobody has an account in it"
        raise InputError(Finding(what, file=parent.path, remedy="start from a plan that can be kept"))
    parent.check(problem)
    owners = parent.plan.assignments["rep_id"].reindex(problem.accounts.index).fillna("").astype(str)
    if (owners == "").all():
        what = "the plan to start from has territories, but nobody who serves them"
        raise ConfigError(Finding(what, file=parent.path, remedy="start from a plan with reps"))
    rule = problem.config.disruption
    name = CURRENT if rule is None else rule.current
    while rule is None and name in problem.accounts.columns:
        name += "_"
    changed = Disruption(current=name) if rule is None else rule
    config = problem.config.model_copy(update={"disruption": changed})
    accounts = problem.accounts.assign(**{name: owners})
    started = check_again(problem, config=config, accounts=accounts)
    missing = int((owners == "").sum())
    # What was said of the owners in the column, and of their dates, is said anew of the plan's.
    said_again = frozenset(check_again(problem).notices)
    notices = [notice for notice in problem.notices if notice not in said_again]
    notices += [notice for notice in started.notices if notice not in notices]
    if missing:
        notices.append(f"{counted(missing, 'account is', 'accounts are')} not in {parent.path}, and nobody's today.")
    # No row came or went, so what was read of the files is told as it was.
    return replace(started, notices=tuple(notices), scenario=problem.scenario, sources=problem.sources)


def measured_in(problem: PlanningProblem, measure: str) -> PlanningProblem:
    """Return the problem with what a move counts measured in another column.

    Raises
    ------
    ConfigError
        There is no such column of numbers, or it is not known who has which account today.
    """
    rule = problem.config.disruption
    if rule is None:
        remedy = 'add [disruption] with current = "…" to the configuration, or start --from a plan directory'
        raise ConfigError(Finding("it is not known who has which account today", value=measure, remedy=remedy))
    config = problem.config.model_copy(update={"disruption": rule.model_copy(update={"measure": measure})})
    again = check_again(problem, config=config)
    return replace(again, notices=problem.notices, scenario=problem.scenario, sources=problem.sources)


def without_reps(problem: PlanningProblem, rep_ids: Sequence[str]) -> PlanningProblem:
    """Return the problem without some reps; their accounts must go to others, and do not count as moved.

    Raises
    ------
    InputError
        A rep is unknown, or nobody is left. Every one is listed.
    """
    rep_ids = list(dict.fromkeys(rep_ids))
    known = [str(rep) for rep in problem.reps.index]
    findings = []
    for rep in rep_ids:
        if rep not in known:
            near = difflib.get_close_matches(rep, known, n=1)
            named = "name" in problem.reps and np.flatnonzero(problem.reps["name"].astype(str) == rep)
            remedy = f"did you mean {near[0]!r}?" if near else None
            if isinstance(named, np.ndarray) and len(named) == 1:
                remedy = f"did you mean {known[int(named[0])]!r}?"
            shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
            findings.append(Finding("no such rep", column="--without", value=rep, allowed=shown, remedy=remedy))
    if findings:
        raise InputError(findings)
    table = ScenarioTable.model_validate({"remove_reps": tuple(rep_ids)})
    name = "without_" + "_".join("".join(c if c.isalnum() else "-" for c in rep) for rep in rep_ids[:5])
    described = f"without {', '.join(rep_ids)}"
    edits = ScenarioEdits((EditStep(name, table),))
    before = problem.scenario
    if before is not None:
        name, described = f"{before.name}_{name}", f"{before.name}, {described}"
    left = apply_scenario(problem, Scenario(name[:100], described, (), edits, file="command line"))
    if before is None or left.scenario is None:
        return left
    return replace(left, scenario=_one_after_the_other(before, left.scenario))


def _one_after_the_other(first: ScenarioRecord, then: ScenarioRecord) -> ScenarioRecord:
    """Return the record of both edits, compared with the files as read."""
    steps = [*first.edits.get("steps", []), *then.edits.get("steps", [])]
    removed, added = {}, {}
    for role in ("accounts", "reps"):
        new, gone = first.added.get(role, []), then.removed.get(role, [])
        removed[role] = [*first.removed.get(role, []), *(i for i in gone if i not in new)]
        added[role] = [*(i for i in new if i not in gone), *then.added.get(role, [])]
    return replace(
        then, file=first.file, sha256=first.sha256, edits={**first.edits, "steps": steps}, removed=removed, added=added
    )
