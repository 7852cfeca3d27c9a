"""Alignments compared: how one scores under the rules of a problem, and what changes from one plan to another."""

from scenarios.alignment import AlignmentScore, BrokenLimit, score_alignment
from scenarios.differences import PlanDifference, compare_plans

__all__ = ["AlignmentScore", "BrokenLimit", "PlanDifference", "compare_plans", "score_alignment"]
