"""Alignments compared: how one way of sharing out the accounts scores under the rules of a problem."""

from scenarios.alignment import AlignmentScore, BrokenLimit, score_alignment

__all__ = ["AlignmentScore", "BrokenLimit", "score_alignment"]
