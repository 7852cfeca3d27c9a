"""Alignments compared, and scenarios: what changes from one plan to another, and what would be planned if …."""

from scenarios.alignment import AlignmentScore, BrokenLimit, score_alignment
from scenarios.differences import PlanDifference, compare_plans
from scenarios.outlooks import score_under_outlooks
from scenarios.scenario_edits import apply_scenario
from scenarios.scenario_file import Scenario, ScenarioFile, load_scenarios

__all__ = [
    "AlignmentScore",
    "BrokenLimit",
    "PlanDifference",
    "Scenario",
    "ScenarioFile",
    "apply_scenario",
    "compare_plans",
    "load_scenarios",
    "score_alignment",
    "score_under_outlooks",
]
