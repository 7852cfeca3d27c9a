"""What is to be solved when the scenarios of a file are run: the base plan and every scenario."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scenarios.scenario_edits import apply_scenario
from scenarios.scenario_file import BASE, Scenario, ScenarioEdits
from territory_engine.errors import Finding, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.scenario_file import ScenarioFile
    from territory_engine.problem import PlanningProblem

__all__ = ["BASE", "Run", "chosen", "runs_of"]


@dataclass(frozen=True)
class Run:
    """One problem to solve: a scenario, or the base.

    Attributes
    ----------
    name : str
        Also the name of its plan directory.
    description : str
    parents : tuple of str
        Scenarios that it inherits from.
    digest : str
        Equal digest, same plan: nothing that matters to it has changed.
    scenario : Scenario or None
        None: the base.
    """

    name: str
    description: str
    parents: tuple[str, ...]
    digest: str
    scenario: Scenario | None

    @property
    def robust(self) -> bool:
        """Whether the plan has to keep every limit under every outlook."""
        return self.scenario is not None and self.scenario.edits.robust

    @property
    def record(self) -> dict[str, Any]:
        """What the plan directory says about where its plan comes from."""
        return {"name": self.name, "parents": list(self.parents), "digest": self.digest}

    def problem(self, base: PlanningProblem) -> PlanningProblem:
        """Return the problem: the base with this scenario's changes.

        Raises
        ------
        InputError
            The base does not take them. A file that was read with its checks has no such scenario.
        """
        return base if self.scenario is None else apply_scenario(base, self.scenario)


def runs_of(file: ScenarioFile) -> tuple[Run, ...]:
    """Return everything to solve, the base first, then the scenarios in the file's order."""
    base = file.base_problem
    unchanged = Scenario(BASE, "", (), ScenarioEdits(()))
    return (
        Run(BASE, "The plan without any scenario.", (), unchanged.digest(base), None),
        *(Run(s.name, s.description, s.parents, s.digest(base), s) for s in file.scenarios),
    )


def chosen(runs: Sequence[Run], only: Sequence[str], file_name: str) -> tuple[Run, ...]:
    """Return the runs of these names and the base, which they are compared with; all where no name is given.

    Raises
    ------
    InputError
        Names that are no scenario's, each a finding.
    """
    if not only:
        return tuple(runs)
    known = [run.name for run in runs]
    findings = []
    for name in dict.fromkeys(only):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else None
            findings.append(Finding("has no such scenario", file_name, None, "--only", name, ", ".join(known), remedy))
    if findings:
        raise InputError(findings)
    return tuple(run for run in runs if run.name in {*only, BASE})
