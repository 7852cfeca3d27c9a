"""The configuration of a scenario: the base's, with the tables that the scenario and its parents change."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from territory_engine.config import Config
from territory_engine.config_findings import findings_of, line_of
from territory_engine.errors import ConfigError, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scenarios.scenario_file import EditStep


def overridden(
    base: Config, steps: Sequence[EditStep], *, file: str, lines: Mapping[tuple[str | int, ...], int]
) -> Config:
    """Return the base's configuration with every step's changes, one after the other.

    Tables are merged key by key; anything else, lists included, replaces what was there. ``false`` takes out a key or a
    table that is no switch. Balance rules are addressed by their measure.

    Parameters
    ----------
    base : Config
    steps : sequence of EditStep
        The scenario's ancestors, then the scenario.
    file : str
        Name of the scenario file, for findings.
    lines : mapping
        Its lines, by key.

    Raises
    ------
    ConfigError
        Lists every problem, with the line of the scenario file that brought it in.
    """
    findings: list[Finding] = []
    content = base.as_written().model_dump(exclude_none=True)
    for step in steps:
        for table, change in step.edits.overrides.items():
            place = ("scenario", step.scenario, table)
            refused = _refused(table, change)
            if refused is not None:
                key, finding = refused
                findings.append(_placed(finding, (*place, *key), file, lines))
            elif table == "balance":
                entries = list(content.get("balance", ()))
                for measure, entry in change.items():
                    wrong = _change_balance(entries, measure, entry)
                    if wrong is not None:
                        findings.append(_placed(wrong, (*place, measure), file, lines))
                content["balance"] = tuple(entries)
            else:
                content = _merged(content, {table: change}, Config)
    if findings:
        raise ConfigError(findings)
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        told = findings_of(error, Config, file, "")
    measures = [entry.get("measure") for entry in content.get("balance", ())]
    raise ConfigError([in_scenario_file(f, steps, measures, file=file, lines=lines) for f in told])


def in_scenario_file(
    finding: Finding,
    steps: Sequence[EditStep],
    measures: Sequence[Any],
    *,
    file: str,
    lines: Mapping[tuple[str | int, ...], int],
) -> Finding:
    """Return a finding about a key of the configuration as one about the scenario file's line that set it.

    Parameters
    ----------
    finding : Finding
        ``column`` is the key: ``balance[2].tolerance``.
    steps : sequence of EditStep
    measures : sequence of str
        Of the configuration's balance rules, in order.
    file : str
    lines : mapping
    """
    table, *keys = [part for part in re.split(r"[.\[\]]+", finding.column or "") if part]
    if table == "balance" and keys and keys[0].isdigit() and int(keys[0]) <= len(measures):
        keys = [str(measures[int(keys[0]) - 1]), *keys[1:]]
    for step in reversed(steps):
        place = ("scenario", step.scenario, table, *keys)
        if place[:4] in lines or (place[:3] in lines and table != "balance"):
            return _placed(finding, place, file, lines)
    scenario = steps[-1].scenario
    return Finding(
        f"{finding.column}: {finding.what}" if finding.column else finding.what,
        file, line_of(lines, ("scenario", scenario)), f"scenario.{scenario}", finding.value, finding.allowed,
        finding.remedy,
    )  # fmt: skip


def _placed(finding: Finding, place: tuple[str, ...], file: str, lines: Mapping[tuple[str | int, ...], int]) -> Finding:
    return Finding(
        finding.what, file, line_of(lines, place), ".".join(place), finding.value, finding.allowed, finding.remedy
    )


def _refused(table: str, change: Any) -> tuple[tuple[str, ...], Finding] | None:
    """Return what a scenario cannot change, because the base's files were read with it."""
    if table == "contiguity" and change is not False:
        remedy = "remove it, or plan with other units from a file of its own, with its own base"
        what = "a scenario cannot change the units, only leave them out"
        return (), Finding(what, allowed="contiguity = false", remedy=remedy)
    if table == "travel":
        for key, allowed in (("metric", None), ("table", "table = false, which leaves it out")):
            if key in change and (key == "metric" or change[key] is not False):
                remedy = "plan with it from a file of its own, with its own base"
                what = f"a scenario cannot change travel.{key}"
                return (key,), Finding(what, value=str(change[key]), allowed=allowed, remedy=remedy)
    return None


def _change_balance(entries: list[dict[str, Any]], measure: str, change: Any) -> Finding | None:
    at = [i for i, entry in enumerate(entries) if entry["measure"] == measure]
    if change is False:
        if not at:
            known = list(dict.fromkeys(str(entry["measure"]) for entry in entries))
            near = difflib.get_close_matches(measure, known, n=1)
            return Finding("has no balance rule that could be left out", value=measure, allowed=", ".join(known) or None,
                           remedy=f"did you mean {near[0]!r}?" if near else "remove the line")  # fmt: skip
        entries[:] = [entry for i, entry in enumerate(entries) if i not in at]
        return None
    changes = change if isinstance(change, tuple) else (change,)
    if not changes or not all(isinstance(each, dict) for each in changes):
        return Finding("is not a table", allowed="a table of the keys of [[balance]], or false to leave the rule out")
    if any("measure" in each for each in changes):
        return Finding("repeats measure: the table's name says it", remedy="remove the key measure")
    if isinstance(change, tuple):
        first = at[0] if at else len(entries)
        kept_before = entries[:first]
        kept_after = [entry for i, entry in enumerate(entries[first:], start=first) if i not in at]
        entries[:] = [
            *kept_before,
            *({"measure": measure, **_merged({}, each, _BALANCE)} for each in change),
            *kept_after,
        ]
    elif len(at) > 1:
        return Finding(
            f"has {len(at)} balance rules, and which of them is meant is not said",
            value=measure,
            remedy=f"write all of them anew, each as [[scenario.….balance.{measure}]]",
        )
    elif at:
        entries[at[0]] = _merged(entries[at[0]], change, _BALANCE)
    else:
        entries.append({"measure": measure, **_merged({}, change, _BALANCE)})
    return None


def _merged(content: Mapping[str, Any], changes: Mapping[str, Any], model: type[BaseModel] | None) -> dict[str, Any]:
    merged = dict(content)
    for key, value in changes.items():
        field = model.model_fields.get(key) if model is not None else None
        inner = _parts(field.annotation) if field is not None else []
        if value is False and field is not None and bool not in inner:
            merged.pop(key, None)
        elif isinstance(value, dict) and field is not None:
            models = [part for part in inner if issubclass(part, BaseModel)]
            there = merged.get(key)
            merged[key] = _merged(there if isinstance(there, dict) else {}, value, models[0] if models else None)
        else:
            merged[key] = value
    return merged


def _parts(annotation: Any) -> list[type[Any]]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [part for argument in get_args(annotation) for part in _parts(argument)]


_BALANCE: type[BaseModel] = next(
    part for part in _parts(Config.model_fields["balance"].annotation) if issubclass(part, BaseModel)
)
