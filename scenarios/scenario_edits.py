"""A scenario applied to its base: the problem that would have been read, had the files been edited by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scenarios.account_edits import edit_accounts
from scenarios.config_overrides import in_scenario_file, overridden
from scenarios.draft import Draft
from scenarios.outlooks import plan_against_all, plan_with
from scenarios.rep_edits import UNKNOWN_ROW, edit_reps, settle
from scenarios.scenario_model import REALISTIC
from territory_engine.errors import ConfigError, Finding, InputError
from territory_engine.grammar import counted
from territory_engine.problem import PlanningProblem, ScenarioRecord
from territory_engine.reading.editing import check_again
from territory_engine.reading.validation import error_of

if TYPE_CHECKING:
    from scenarios.scenario_file import Scenario
    from territory_engine.config import Config


# What a second look at a base says again is about its data rather than its files, and is said anew of the edited data.
_SAID_AGAIN: WeakKeyDictionary[PlanningProblem, frozenset[str]] = WeakKeyDictionary()


def apply_scenario(base: PlanningProblem, scenario: Scenario) -> PlanningProblem:
    """Return the base with a scenario's edits, checked again as if its files had been edited by hand.

    Parameters
    ----------
    base : PlanningProblem
        As :func:`scenarios.load_scenarios` gives it; its configuration may have been changed since.
    scenario : Scenario

    Returns
    -------
    PlanningProblem
        ``scenario`` records the edits, and ``notices`` what they came to.

    Raises
    ------
    ConfigError, InputError
        An edit names what is not there, or leaves nothing to plan; every problem is listed, with the scenario's line.
    """
    steps = scenario.edits.steps
    config = overridden(base.config, steps, file=scenario.file, lines=scenario.lines)
    draft = Draft.of(base, scenario, config)
    for step in steps:
        edit_reps(draft, step)
        edit_accounts(draft, step)
    settle(draft)
    draft.config = _with_count(base, draft)
    if not draft.findings:
        # Forecasts stand in for what is left once everything has grown, shrunk and closed.
        forecast = scenario.edits.forecast
        forecast = None if forecast == REALISTIC else forecast
        if forecast is not None:
            plan_with(draft, forecast)
        if scenario.edits.robust:
            plan_against_all(draft, forecast)
    if draft.findings:
        raise error_of(draft.findings)
    try:
        edited = check_again(
            base,
            config=draft.config,
            accounts=draft.accounts,
            reps=draft.reps,
            travel_table=draft.travel_table,
            rep_rows=draft.rep_rows,
        )
    except InputError as error:
        findings = [_told(finding, draft) for finding in error.findings]
        kind = error_of(findings)
        raise (ConfigError(findings) if isinstance(error, ConfigError) else kind) from None
    return replace(edited, scenario=_record(base, draft), notices=_notices(base, edited, draft))


def _with_count(base: PlanningProblem, draft: Draft) -> Config:
    """Let ``territories.count`` follow the reps, where it said no more than how many there are."""
    territories = draft.config.territories
    told = any(step.edits.territories and "count" in step.edits.territories for step in draft.scenario.edits.steps)
    if told or territories.count != len(base.reps) or len(base.reps) == 0:
        return draft.config
    count = max(1, len(draft.reps))
    return draft.config.model_copy(update={"territories": territories.model_copy(update={"count": count})})


def _told(finding: Finding, draft: Draft) -> Finding:
    """Return a finding of the edited data as one about the scenario: which it is in, and where that stands."""
    scenario = draft.scenario
    if finding.file in (None, "configuration"):
        measures = [rule.measure for rule in draft.config.balance]
        return in_scenario_file(finding, scenario.edits.steps, measures, file=scenario.file, lines=scenario.lines)
    if finding.row is not None and finding.row < 0:
        name = next(rep for rep, row in draft.rep_rows.items() if row == finding.row)
        row = -finding.row if -finding.row < UNKNOWN_ROW else None
        return replace(finding, what=f"{name!r}, who is added: {finding.what}", file=scenario.file, row=row)
    where = f"scenario {scenario.name!r} ({scenario.file}, row {scenario.row})"
    return replace(finding, what=f"{finding.what}, in {where}")


def _record(base: PlanningProblem, draft: Draft) -> ScenarioRecord:
    scenario = draft.scenario
    frames = {"accounts": (base.accounts, draft.accounts), "reps": (base.reps, draft.reps)}
    return ScenarioRecord(
        name=scenario.name,
        description=scenario.description,
        file=scenario.file,
        sha256=scenario.sha256,
        edits=scenario.edits.to_dict(),
        removed={role: old.index.difference(new.index, sort=False).tolist() for role, (old, new) in frames.items()},
        added={role: new.index.difference(old.index, sort=False).tolist() for role, (old, new) in frames.items()},
    )


def _notices(base: PlanningProblem, edited: PlanningProblem, draft: Draft) -> tuple[str, ...]:
    """Return what is worth knowing: of the files as before, of the edited data, and of the edits."""
    if base not in _SAID_AGAIN:
        _SAID_AGAIN[base] = frozenset(check_again(base).notices)
    lasting = [notice for notice in base.notices if notice not in _SAID_AGAIN[base]]
    told = [notice for notice in edited.notices if notice not in lasting]
    scenario = draft.scenario
    told = [re.sub(r"\brow -(\d+)", rf"row \1 of {scenario.file}", notice) for notice in told]
    description = " ".join(scenario.description.split()).rstrip(".")
    text = f": {description}" if description else ""
    changes = []
    for role, noun in (("accounts", "account"), ("reps", "rep")):
        old, new = getattr(base, role).index, getattr(edited, role).index
        for words, amount in (("fewer", len(old.difference(new))), ("more", len(new.difference(old)))):
            if amount:
                changes.append(f"{counted(amount, noun)} {words}")
    summary = f" ({', '.join(changes)} than in the files)" if changes else ""
    heading = f"{scenario.file}: scenario {scenario.name!r}{text}{summary}."
    return (heading, *lasting, *told, *(f"{scenario.file}: {notice}" for notice in draft.notices))
