"""A run of scenarios in words, for the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from territory_engine.grammar import counted

if TYPE_CHECKING:
    from scenarios.scenario_file import Scenario
    from territory_engine.app.scenario_running import ScenarioRun

_NAME_CELLS = 32


def summary_lines(result: ScenarioRun) -> list[str]:
    """Return a table of the scenarios and where to look, one line each."""
    lines = [*_table(result), ""]
    if result.skipped:
        lines.append(f"Finished before and not solved again: {', '.join(result.skipped)}.")
    if result.removed:
        lines.append(f"Deleted, because no longer in the file: {', '.join(result.removed)}.")
    if result.left:
        verb = "is" if len(result.left) == 1 else "are"
        lines.append(
            f"No longer in the file, and left where {'it' if verb == 'is' else 'they'} {verb}: {', '.join(result.left)}"
            " (--replace deletes)."
        )
    page, table, drawn = (result.out / name for name in ("comparison.html", "comparison.csv", "comparison_map.html"))
    lines.append(f"Written to {result.out}: open {page} and {drawn} in a browser; the figures are in {table}.")
    return lines


def _table(result: ScenarioRun) -> list[str]:
    rows = [("scenario", "status", "objective", "gap", "seconds")]
    for name in result.chosen:
        outcome = result.outcomes.get(name)
        record = _record(result.out / name / "plan.json") if name in result.statuses else {}
        objective, gap = record.get("objective"), record.get("gap")
        rows.append(
            (
                name if len(name) <= _NAME_CELLS else name[: _NAME_CELLS - 1] + "…",
                result.statuses.get(name, "failed"),
                "–" if objective is None else f"{objective:,.0f}" if abs(objective) >= 1000 else f"{objective:,.4g}",
                "–" if gap is None else f"{gap:.3%}",
                "finished before" if outcome is None else f"{outcome.seconds:.1f}",
            )
        )
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if c < 2 else cell.rjust(width)
            for c, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _record(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def status_lines(result: ScenarioRun) -> list[str]:
    """Return what there is to say about scenarios without a plan: what contradicts what, or that time ran out."""
    lines = []
    for name in result.with_status("infeasible"):
        conflict = _record(result.out / name / "plan.json").get("conflict") or {}
        lines.append(f"{name}: proved infeasible. These rules cannot hold together:")
        lines += [f"  {rule}" for rule in conflict.get("rules", ())]
        if relaxations := list(conflict.get("relaxations", ())):
            lines += ["  What would make a plan possible, cheapest first:", *(f"    {text}" for text in relaxations)]
    notes = _record(result.out / "scenarios.json").get("scenarios", {})
    lines += [
        f"{name}: no plan found: {notes.get(name, {}).get('message', '')}" for name in result.with_status("no plan")
    ]
    return lines


def failure_lines(result: ScenarioRun, *, traceback: bool) -> list[str]:
    """Return the errors that ended scenarios."""
    lines = [f"{counted(len(result.failures), 'scenario')} failed:"]
    for outcome in result.failures:
        lines.append(f"  {outcome.name}: {outcome.message}")
        if traceback and outcome.trace:
            lines += [f"    {line}" for line in outcome.trace.splitlines()]
    if not traceback and not all(outcome.expected for outcome in result.failures):
        lines.append("This is a fault in Territory Engine: run the command again with --traceback to see where.")
    lines.append("The others are finished; the same command tries only these again.")
    return lines


def listing(config: Path) -> str:
    """Return the scenarios of a file in words, once everything about them has been checked.

    Raises
    ------
    InputError
        As ``run`` would: every finding of every scenario.
    """
    from scenarios.running import runs_of
    from scenarios.scenario_file import load_scenarios
    from territory_engine.wording import size_in_words

    file = load_scenarios(config)
    lines = []
    for run in runs_of(file):
        parents = f" (from {', '.join(run.parents)})" if run.parents else ""
        lines.append(f"{run.name}{parents}: {size_in_words(run.problem(file.base_problem))}")
        if run.scenario is not None:
            lines += [f"  {run.description}"] if run.description else []
            lines += [f"  - {change}" for change in changes(run.scenario)]
    if file.outlooks:
        lines.append(f"Outlooks: realistic, {', '.join(file.outlooks)}.")
    return "\n".join(lines)


def changes(scenario: Scenario) -> list[str]:
    """Return what a scenario itself changes, one line for each edit; what it inherits is told at its parents."""
    own = next((step for step in scenario.edits.steps if step.scenario == scenario.name), None)
    said = dict(own.to_dict()) if own is not None else {}
    said.pop("scenario", None)
    lines = [f"{key} = {_toml(value)}" for key, value in said.items()]
    if own is not None and own.edits.forecast is not None:
        lines.append(f"forecast = {_toml(own.edits.forecast)}")
    if own is not None and own.edits.robust is not None:
        lines.append(f"robust = {_toml(own.edits.robust)}")
    return lines


def _toml(value: Any) -> str:
    """Write a value as TOML would, on one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items() if item not in (None, [], {}))
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
