"""A file of named scenarios over a base: read, validated, and each with all that it inherits."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from scenarios.inheritance import ancestors_first, loops
from scenarios.outlooks import with_numbers
from scenarios.scenario_edits import apply_scenario
from scenarios.scenario_model import REALISTIC, OutlookTable, ScenarioTable, frozen
from territory_engine import __version__
from territory_engine.config_file import read_toml
from territory_engine.config_findings import findings_of, line_of, lines_of_keys
from territory_engine.errors import Finding, InputError
from territory_engine.reading.loading import load
from territory_engine.reading.validation import error_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from territory_engine.problem import PlanningProblem

BASE = "base"
"""What the plan without any scenario is called."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class EditStep:
    """What one scenario's own table says.

    Attributes
    ----------
    scenario : str
        Whose table it is: the scenario itself, or an ancestor.
    edits : ScenarioTable
    """

    scenario: str
    edits: ScenarioTable

    def to_dict(self) -> dict[str, Any]:
        """Return the edits in types that JSON knows."""
        left_out = {"description", "inherits", "forecast", "robust"}
        said = self.edits.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=left_out)
        return {key: value for key, value in said.items() if value not in ([], {})}


@dataclass(frozen=True)
class ScenarioEdits:
    """Everything that a scenario does to the base, inherited edits included.

    Attributes
    ----------
    steps : tuple of EditStep
        Made one after the other: ancestors first, the scenario's own last.
    forecast : str or None
        The outlook that is planned with: the scenario's own word, or that of the last ancestor who has one.
    robust : bool
        Whether every limit must hold under every outlook; inherited like ``forecast``.
    outlooks : dict of str to dict
        The file's outlooks: measure → column or factor that stands in for it.
    """

    steps: tuple[EditStep, ...]
    forecast: str | None = None
    robust: bool = False
    outlooks: dict[str, dict[str, str | float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the edits in types that JSON knows."""
        return {
            "steps": [{"scenario": step.scenario, **step.to_dict()} for step in self.steps],
            **({"forecast": self.forecast} if self.forecast is not None else {}),
            **({"robust": True} if self.robust else {}),
            **({"outlooks": self.outlooks} if self.outlooks else {}),
        }


@dataclass(frozen=True)
class Scenario:
    """A named scenario, with all that it inherits.

    Attributes
    ----------
    name : str
        Letters, digits, ``_`` and ``-``: fit for a folder's name.
    description : str
    parents : tuple of str
        The scenarios that it inherits from, as the file names them.
    edits : ScenarioEdits
    file, sha256 : str
        Name and SHA-256 of the scenario file.
    lines : dict
        1-based line of every key of this scenario and its ancestors.
    """

    name: str
    description: str
    parents: tuple[str, ...]
    edits: ScenarioEdits
    file: str = "scenarios.toml"
    sha256: str = ""
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict, repr=False)

    @property
    def row(self) -> int | None:
        """Line of the scenario's table."""
        return self.lines.get(("scenario", self.name))

    def digest(self, base: PlanningProblem) -> str:
        """Return a SHA-256 of all that decides the plan: inputs, configuration, edits, and the engine's version.

        Scenarios with the same digest have the same plan. Names, descriptions and the folders that files lie in are not
        part of it.
        """
        content = {
            "engine": __version__,
            "inputs": sorted([s.role, s.sha256, s.rows] for s in base.sources),
            "config": base.config.model_dump(mode="json", exclude_none=True),
            "edits": {**self.edits.to_dict(), "steps": [step.to_dict() for step in self.edits.steps]},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class ScenarioFile:
    """A file of scenarios, validated.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the file's bytes.
    base_problem : PlanningProblem
        The plan without any scenario.
    scenarios : tuple of Scenario
        In the file's order.
    outlooks : dict of str to dict
        Measure → column or factor that stands in for it, by outlook.
    """

    path: Path
    sha256: str
    base_problem: PlanningProblem
    scenarios: tuple[Scenario, ...]
    outlooks: dict[str, dict[str, str | float]]

    def __getitem__(self, name: str) -> Scenario:
        """Return the scenario of this name.

        Raises
        ------
        InputError
            There is none.
        """
        for scenario in self.scenarios:
            if scenario.name == name:
                return scenario
        names = [s.name for s in self.scenarios]
        near = difflib.get_close_matches(name, names, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else None
        raise InputError(Finding("has no such scenario", self.path.name, None, None, name, ", ".join(names), remedy))


def load_scenarios(path: str | Path, *, check: bool = True) -> ScenarioFile:
    """Read a file of scenarios and the base that it names, and check both.

    Parameters
    ----------
    path : str or Path
        A TOML file, UTF-8; paths in it start from its folder.
    check : bool
        Whether every scenario is applied to the base to see that it can be planned; what comes of it is not kept.

    Returns
    -------
    ScenarioFile

    Raises
    ------
    ConfigError, InputError
        Every problem of the file, of the base and of every scenario is listed, with its line.
    """
    path = Path(path)
    content, text = read_toml(path)
    lines = lines_of_keys(text)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    findings: list[Finding] = []
    tables = _tables(content, path.name, text, findings)
    outlooks = _outlooks(content, path.name, text, findings)
    base = None
    try:
        base = load(path)
    except InputError as error:
        findings += error.findings
    scenarios = _scenarios(tables, outlooks, path.name, sha256, lines, findings)
    if base is not None:
        base, wrong = with_numbers(base, outlooks, path.name, lines)
        findings += wrong or (_unfit(base, scenarios) if check else [])
    if findings or base is None:
        # The scenario file's own mistakes first, from top to bottom.
        raise error_of(sorted(findings, key=lambda f: (f.file != path.name, f.row or 0 if f.file == path.name else 0)))
    return ScenarioFile(path, sha256, base, scenarios, outlooks)


def _tables(
    content: Mapping[str, Any], file: str, text: str, findings: list[Finding]
) -> dict[str, ScenarioTable | None]:
    """Read the scenarios' own tables; None for one that is wrong, which is a finding."""
    given = content.get("scenario")
    lines = lines_of_keys(text)
    if not isinstance(given, dict) or not given:
        what = "has no scenarios" if given in (None, {}) else "is not a table of scenarios"
        remedy = 'write a table for each: [scenario.lose_r03], then its edits, such as remove_reps = ["R03"]'
        findings.append(Finding(what, file, lines.get(("scenario",)), "scenario", remedy=remedy))
        return {}
    tables: dict[str, ScenarioTable | None] = {}
    folded: dict[str, str] = {}
    for name, table in given.items():
        place = ("scenario", name)
        wrong = _name_finding(name, folded)
        if wrong is not None:
            findings.append(Finding(wrong[0], file, line_of(lines, place), f"scenario.{name}", name, *wrong[1:]))
        folded.setdefault(name.casefold(), name)
        tables[name] = None
        try:
            tables[name] = ScenarioTable.model_validate(frozen(table))
        except ValidationError as error:
            findings += findings_of(error, ScenarioTable, file, text, place)
    return tables


def _name_finding(name: str, known: Mapping[str, str]) -> tuple[str, str | None, str] | None:
    if not _NAME.fullmatch(name):
        allowed = "letters (a to z), digits, _ and -, beginning with a letter or digit"
        return "is not a name for a scenario, whose plan is written to a folder of that name", allowed, "rename it"
    if name.casefold() == BASE:
        return "is what the plan without any scenario is called", None, "rename it"
    if name.casefold() in known:
        return (
            f"differs from {known[name.casefold()]!r} in capitals alone, and folders may not",
            None,
            "rename one of them",
        )
    return None


def _outlooks(
    content: Mapping[str, Any], file: str, text: str, findings: list[Finding]
) -> dict[str, dict[str, str | float]]:
    given = content.get("forecast", {})
    lines = lines_of_keys(text)
    if not isinstance(given, dict):
        what, remedy = (
            "is not a table of outlooks",
            'write a table for each: [forecast.worst], then revenue = "revenue_low"',
        )
        findings.append(Finding(what, file, lines.get(("forecast",)), "forecast", remedy=remedy))
        return {}
    outlooks: dict[str, dict[str, str | float]] = {}
    for name, table in given.items():
        place = ("forecast", name)
        if name.casefold() == REALISTIC or not _NAME.fullmatch(name):
            allowed = f"letters (a to z), digits, _ and -; {REALISTIC} is what the accounts' own values are called"
            what = "is not a name for an outlook"
            findings.append(Finding(what, file, line_of(lines, place), f"forecast.{name}", name, allowed, "rename it"))
        try:
            outlooks[name] = dict(OutlookTable.model_validate(table).root)
        except ValidationError as error:
            findings += findings_of(error, OutlookTable, file, text, place)
            outlooks[name] = {}
    return outlooks


def _scenarios(
    tables: Mapping[str, ScenarioTable | None],
    outlooks: dict[str, dict[str, str | float]],
    file: str,
    sha256: str,
    lines: dict[tuple[str | int, ...], int],
    findings: list[Finding],
) -> tuple[Scenario, ...]:
    """Resolve inheritance; no scenarios where a table, a parent or an outlook is wrong."""
    parents = {name: table.inherits if table is not None else () for name, table in tables.items()}
    broken = any(table is None for table in tables.values())
    for name, named in parents.items():
        for parent in (p for p in named if p not in parents):
            broken = True
            place = ("scenario", name, "inherits")
            findings.append(_unknown(parent, "a scenario of this file", list(parents), place, file, lines))
    for loop in loops(parents):
        broken = True
        place = ("scenario", loop[0], "inherits")
        way = " → ".join([*loop, loop[0]])
        what = "inherits from itself" if len(loop) == 1 else f"inherits from itself, in a loop: {way}"
        remedy = "take one of them out of the other's inherits"
        findings.append(Finding(what, file, line_of(lines, place), ".".join(place), loop[-1], remedy=remedy))
    for name, table in tables.items():
        if table is not None and table.forecast is not None and table.forecast not in (REALISTIC, *outlooks):
            broken = True
            place = ("scenario", name, "forecast")
            known = [REALISTIC, *outlooks]
            findings.append(_unknown(table.forecast, "an outlook of [forecast]", known, place, file, lines))
    if broken:
        return ()
    scenarios = []
    for name, table in tables.items():
        assert table is not None
        order = ancestors_first(name, parents)
        steps = tuple(EditStep(ancestor, own) for ancestor in order if (own := tables[ancestor]) is not None)
        edits = ScenarioEdits(steps, _last(steps, "forecast"), bool(_last(steps, "robust")), outlooks)
        mine = {("scenario", ancestor) for ancestor in order}
        kept = {key: row for key, row in lines.items() if key[0] == "forecast" or key[:2] in mine}
        scenarios.append(Scenario(name, table.description, table.inherits, edits, file, sha256, kept))
    return tuple(scenarios)


def _last(steps: Sequence[EditStep], key: str) -> Any:
    said = [value for step in steps if (value := getattr(step.edits, key)) is not None]
    return said[-1] if said else None


def _unknown(
    value: str,
    what: str,
    known: list[str],
    place: tuple[str, ...],
    file: str,
    lines: Mapping[tuple[str | int, ...], int],
) -> Finding:
    near = difflib.get_close_matches(value, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else None
    return Finding(f"is not {what}", file, line_of(lines, place), ".".join(place), value, ", ".join(known), remedy)


def _unfit(base: PlanningProblem, scenarios: Sequence[Scenario]) -> list[Finding]:
    """Return what is wrong with scenarios once the base's data are known; each thing once."""
    findings: list[Finding] = []
    for scenario in scenarios:
        try:
            apply_scenario(base, scenario)
        except InputError as error:
            # What an ancestor's edit has wrong is found again in every scenario that inherits it.
            findings += [finding for finding in error.findings if finding not in findings]
    return findings
